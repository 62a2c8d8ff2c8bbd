"""What is read of the engine's machine is what the machine says by other means."""

from __future__ import annotations

import os
import subprocess
import sys
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
from cloison.findings.host_facts import HostFacts
from cloison.linux import netns
from cloison.observe.session import probe_session

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def facts() -> HostFacts:
    """The machine of the engine."""
    return host_inspect.inspect_host(socket_path())


def setting(name: str) -> bool:
    return Path(f"/proc/sys/{name}").read_text().strip() == "1"


def test_the_kernels_settings_are_read(facts: HostFacts) -> None:
    assert setting("net/ipv4/ip_forward") == facts.forwards
    assert setting("net/ipv6/conf/all/forwarding") == facts.forwards_ipv6


def test_the_policy_is_the_one_that_iptables_tells(facts: HostFacts) -> None:
    told = subprocess.run(["iptables", "--wait", "-S", "FORWARD"], check=True, capture_output=True, text=True).stdout

    assert told.split()[2] == facts.forward_policy


def test_the_backend_is_one_of_two(facts: HostFacts) -> None:
    assert facts.iptables_backend in {"nf_tables", "legacy"}


def test_the_daemon_is_the_one_that_listens(facts: HostFacts) -> None:
    gateway = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    told = facts.flag("bip")

    assert facts.flags is not None
    assert not told or told.partition("/")[0] == gateway


def test_without_a_daemon_nothing_is_said_of_it(tmp_path: Path) -> None:
    """In a network namespace of its own there is no daemon, and nobody listens on that socket."""
    code = (
        "from cloison.audit.host_inspect import inspect_host; "
        f"f = inspect_host({str(tmp_path / 'none')!r}); print(f.flags, f.raw_table_allowed)"
    )
    descriptor = netns.new()
    try:
        with netns.inside(descriptor):
            done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    finally:
        os.close(descriptor)

    assert done.stdout == "None None\n"


def test_what_could_be_misused_is_found_of_a_project_and_its_engine(idle_project: IdleProject, image: str) -> None:
    body = {"networks": ["one"]}
    idle_project.start(image, {"a": body, "b": body | {"cap_drop": ["ALL"]}}, networks={"one": {}})
    project = compose_project.project(compose_cli.resolved(idle_project.selection))
    with closing(Docker(local_client())) as engine, probe_session(engine, project) as session:
        real, idle = (audit_run.known_risks(session, 0.1, is_rehearsal=idle) for idle in (False, True))

    assert [f.where for f in real if f.what == "net-raw"] == [idle_project.container("a")]
    assert {f.where for f in idle} <= {"engine"}
    assert [f for f in real if f.where == "engine"] == idle
