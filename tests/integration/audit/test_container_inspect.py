"""The privileges that the kernel shows are those that the containers were started with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.integration.audit.conftest import NUMBERS, IdleProject, made

from cloison.audit import container_inspect
from cloison.engine.connection import local_client, socket_path
from cloison.engine.docker import Docker
from cloison.findings.container_privileges import Availability, Capability, ContainerPrivileges
from cloison.findings.container_risks import risks
from cloison.model.facts import Container

pytestmark = pytest.mark.engine
RAW = Capability.NET_RAW
EVERY = (
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
)
"""The capabilities by their numbers, as far as every engine knows them.

What the machine itself does not have, the engine cannot give, not even by `privileged`: so they are given one by one.
"""
BOUNDING = int(Path("/proc/self/status").read_text().partition("CapBnd:")[2].split()[0], 16)
BLOCKS = sorted(str(entry) for entry in Path("/dev").iterdir() if entry.is_block_device())[:2]
SERVICES: dict[str, dict[str, Any]] = {
    "plain": {},
    "dropped": {"cap_drop": ["ALL"]},
    "admin": {"cap_add": ["NET_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH"]},
    "user": {"user": "1000:1000"},
    "locked": {"user": "1000:1000", "security_opt": ["no-new-privileges:true"]},
    "almighty": {"cap_add": [name for i, name in enumerate(EVERY) if BOUNDING >> i & 1]},
    "disks": {"devices": [f"{path}:{path}" for path in BLOCKS]},
    "watcher": {"pid": "host", "cap_add": ["SYS_PTRACE"]},
    "neighbour": {"network_mode": "host"},
    "sidecar": {"network_mode": "service:plain"},
    "alone": {"network_mode": "none"},
    "talker": {"ipc": "host", "uts": "host"},
    "ruler": {"volumes": [f"{os.path.realpath(socket_path())}:/engine.sock:ro"]},
    "nested": {"volumes": ["/run:/host/run:ro"]},
    "writer": {"volumes": ["/etc:/host/etc", "data:/data", "/etc/hostname:/name"]},
    "reader": {"volumes": ["/etc:/host/etc:ro"]},
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, image: str) -> Iterator[IdleProject]:
    """One container for each privilege."""
    for lab in made(tmp_path_factory.mktemp("privileges") / f"privileges{os.getpid()}x{next(NUMBERS)}"):
        lab.start(image, SERVICES, volumes={"data": {}})
        yield lab


def containers(lab: IdleProject) -> dict[str, Container]:
    with closing(Docker(local_client())) as engine:
        return {c.service: c for c in engine.containers(lab.name, frozenset())}


@pytest.fixture(scope="module")
def read(running: IdleProject) -> dict[str, ContainerPrivileges]:
    """The privileges of each container."""
    known = containers(running)
    by_name = {
        privileges.container: privileges for privileges in container_inspect.read(known.values(), [socket_path()])
    }
    return {service: by_name[container.name] for service, container in known.items()}


def said(privileges: ContainerPrivileges) -> set[str]:
    return {finding.what for finding in risks([privileges])}


def capability_hold(privileges: ContainerPrivileges, capability: Capability = RAW) -> Availability:
    return privileges.nearest(capability)[0]


def test_every_container_is_inspected(read: dict[str, ContainerPrivileges]) -> None:
    assert {service: privileges.unread_reason for service, privileges in read.items()} == dict.fromkeys(SERVICES, "")


def test_a_default_container_has_net_raw_and_runs_as_root(read: dict[str, ContainerPrivileges]) -> None:
    assert capability_hold(read["plain"]) is Availability.NOW
    assert said(read["plain"]) == {"net-raw", "root"}


def test_a_dropped_capability_is_never_available(read: dict[str, ContainerPrivileges]) -> None:
    assert capability_hold(read["dropped"]) is Availability.NEVER
    assert said(read["dropped"]) == {"root"}


def test_an_added_capability_is_available(read: dict[str, ContainerPrivileges]) -> None:
    assert said(read["admin"]) == {"net-raw", "net-admin", "dac-read-search", "root"}


def test_another_user_can_gain_a_capability_by_a_setuid_program(read: dict[str, ContainerPrivileges]) -> None:
    assert capability_hold(read["user"]) is Availability.BY_PROGRAM
    assert said(read["user"]) == {"net-raw"}


def test_no_new_privileges_means_never(read: dict[str, ContainerPrivileges]) -> None:
    assert capability_hold(read["locked"]) is Availability.NEVER
    assert said(read["locked"]) == set()


def test_all_capabilities_are_one_risk(read: dict[str, ContainerPrivileges]) -> None:
    assert said(read["almighty"]) == {"privileged", "root"}


def test_a_block_device_of_the_host_is_found(read: dict[str, ContainerPrivileges]) -> None:
    assert BLOCKS
    assert tuple(BLOCKS) == read["disks"].devices
    assert said(read["disks"]) == {"devices", "net-raw", "root"}
    assert read["plain"].devices == ()


def test_the_pid_namespace_of_the_host_is_found(read: dict[str, ContainerPrivileges]) -> None:
    assert said(read["watcher"]) == {"host-pid", "sys-ptrace", "net-raw", "root"}
    assert "sys-ptrace" not in said(read["admin"])


def test_the_network_namespace_of_the_host_is_found(read: dict[str, ContainerPrivileges]) -> None:
    assert said(read["neighbour"]) == {"host-network", "net-raw", "root"}
    assert read["neighbour"].networks == ()


def test_a_namespace_sharer_has_the_networks_of_the_owner(read: dict[str, ContainerPrivileges]) -> None:
    assert read["sidecar"].networks == read["plain"].networks != ()
    assert said(read["sidecar"]) == {"net-raw", "root"}


def test_a_container_without_a_network_has_no_network_risk(read: dict[str, ContainerPrivileges]) -> None:
    assert capability_hold(read["alone"]) is Availability.NOW
    assert said(read["alone"]) == {"root"}


def test_the_ipc_and_uts_namespaces_of_the_host_are_found(read: dict[str, ContainerPrivileges]) -> None:
    assert said(read["talker"]) == {"host-ipc", "host-uts", "net-raw", "root"}


@pytest.mark.parametrize(("service", "target"), [("ruler", "/engine.sock"), ("nested", "/host/run")])
def test_the_engine_socket_is_found_at_any_path(
    read: dict[str, ContainerPrivileges], service: str, target: str
) -> None:
    (found, *_) = [finding for finding in risks([read[service]]) if finding.what == "engine-socket"]

    assert found.evidence == f"{os.path.realpath(socket_path())} of the host is in its mount {target}"


def test_a_critical_directory_is_a_risk_if_it_is_writable(read: dict[str, ContainerPrivileges]) -> None:
    (found,) = [finding for finding in risks([read["writer"]]) if finding.what == "host-directory"]

    assert found.evidence == "/etc of the host is mounted on /host/etc, writable"
    assert said(read["reader"]) == {"net-raw", "root"}


def test_a_mount_has_its_source_path_on_the_host(read: dict[str, ContainerPrivileges]) -> None:
    (mount,) = [mount for mount in read["writer"].mounts if mount.target == "/name"]

    assert mount.source == "/etc/hostname"


def test_every_process_of_a_container_is_inspected(running: IdleProject) -> None:
    running.exec("user", "--user", "0")

    (privileges,) = container_inspect.read([containers(running)["user"]])
    assert {process.is_root for process in privileges.processes} == {True, False}
    assert capability_hold(privileges) is Availability.NOW
    assert said(privileges) == {"net-raw", "root"}


def test_a_container_that_has_ended_is_reported_as_not_inspected(running: IdleProject) -> None:
    gone = replace(containers(running)["plain"], pid=2**22 - 1)

    (privileges,) = container_inspect.read([gone])
    (found,) = risks([privileges])
    assert found.what == "unread"
    assert "No such file" in found.evidence


def test_a_container_that_does_not_run_is_left_out(running: IdleProject) -> None:
    assert container_inspect.read([replace(containers(running)["plain"], pid=0)]) == []
