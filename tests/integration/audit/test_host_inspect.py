"""The facts of the host are those that other programs show."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest
from tests.integration.audit.conftest import IdleProject
from tests.integration.compose_project import docker

from cloison.audit import host_inspect
from cloison.audit import run as audit_run
from cloison.compose import project as compose_project
from cloison.engine import compose_cli
from cloison.engine.connection import local_client, socket_path
from cloison.engine.docker import Docker
from cloison.engine.docker.daemon import daemon_facts
from cloison.findings.host_facts import DaemonFacts
from cloison.linux import netns
from cloison.observe.session import probe_session

pytestmark = pytest.mark.engine


def test_the_name_servers_are_those_of_resolv_conf() -> None:
    lines = Path("/etc/resolv.conf").read_text().splitlines()
    found = host_inspect.inspect_host().resolvers

    assert found is not None
    assert len(found) == len([line for line in lines if line.startswith("nameserver")])


def test_the_daemon_is_the_one_that_listens() -> None:
    gateway = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    found = daemon_facts(socket_path())

    assert found.flags is not None
    assert not found.flag("bip") or found.flag("bip").partition("/")[0] == gateway


def test_without_a_daemon_nothing_is_said_of_it(tmp_path: Path) -> None:
    """A new network namespace has no daemon, and no process listens on that socket."""
    descriptor = netns.new()
    try:
        with netns.inside(descriptor):
            found = daemon_facts(str(tmp_path / "none"))
    finally:
        os.close(descriptor)

    assert found == DaemonFacts()


def test_the_audit_finds_risks_of_a_project_and_its_engine(idle_project: IdleProject, image: str) -> None:
    body = {"networks": ["one"]}
    idle_project.start(image, {"a": body, "b": body | {"cap_drop": ["ALL"]}}, networks={"one": {}})
    project = compose_project.project(compose_cli.resolved(idle_project.selection))
    with closing(Docker(local_client())) as engine, probe_session(engine, project) as session:
        real, idle = (audit_run.known_risks(session, 0.1, is_rehearsal=idle) for idle in (False, True))

    assert [f.where for f in real if f.what == "net-raw"] == [idle_project.container("a")]
    assert {f.where for f in idle} <= {"engine"}
    assert [f for f in real if f.where == "engine"] == idle
