from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloison.findings.container_privileges import (
    CAPABILITIES_BEFORE_PERFMON,
    Availability,
    Capability,
    ContainerPrivileges,
    ForwardingPath,
    Mount,
    Process,
    Socket,
    forwarding_paths,
)
from cloison.model.facts import Attachment, Container, EngineFacts, Facts

ALL = (1 << 41) - 1
RAW = 1 << Capability.NET_RAW
BARE = Process("sh", is_root=True, effective=0, permitted=0, bounding=0, no_new_privs=False)
USER = replace(BARE, is_root=False)


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        (BARE, Availability.NEVER),
        (replace(BARE, effective=RAW, permitted=RAW, bounding=RAW), Availability.NOW),
        (replace(BARE, permitted=RAW, bounding=RAW), Availability.NOW),
        (replace(BARE, permitted=RAW, no_new_privs=True), Availability.NOW),
        (replace(BARE, bounding=RAW), Availability.BY_EXEC),
        (replace(BARE, bounding=RAW, no_new_privs=True), Availability.NEVER),
        (replace(USER, bounding=RAW), Availability.BY_PROGRAM),
        (replace(USER, bounding=RAW, no_new_privs=True), Availability.NEVER),
        (replace(USER, bounding=ALL & ~RAW), Availability.NEVER),
        (replace(USER, effective=RAW), Availability.NOW),
    ],
)
def test_a_held_capability_differs_from_one_that_could_be_gained(process: Process, expected: Availability) -> None:
    assert expected is process.availability(Capability.NET_RAW)


@given(st.integers(0, ALL), st.integers(0, ALL), st.booleans(), st.sampled_from(Capability))
def test_no_process_gains_a_capability_outside_the_bounding_set(
    held: int,
    bounding: int,
    is_root: bool,
    capability: Capability,
) -> None:
    process = Process("p", is_root, held, held, bounding & ~(1 << capability), no_new_privs=False)

    expected = Availability.NOW if held >> capability & 1 else Availability.NEVER
    assert expected is process.availability(capability)


def test_the_nearest_of_all_processes_counts() -> None:
    near = replace(BARE, name="near", bounding=RAW)
    privileges = ContainerPrivileges("c", processes=(USER, replace(USER, bounding=RAW), near, BARE))

    assert privileges.nearest(Capability.NET_RAW) == (Availability.BY_EXEC, near)
    assert ContainerPrivileges("c").nearest(Capability.NET_RAW) == (Availability.NEVER, None)


@pytest.mark.parametrize(
    ("effective", "host_capabilities", "expected"),
    [
        (ALL, ALL, True),
        (CAPABILITIES_BEFORE_PERFMON, ALL, True),
        (ALL & ~(1 << 24), ALL & ~(1 << 24), True),
        (ALL & ~(1 << Capability.SYS_ADMIN), ALL, False),
        (ALL & ~(1 << 24), ALL, False),
        (RAW, RAW, False),
    ],
)
def test_a_container_is_fully_privileged_with_all_capabilities_of_the_host(
    effective: int, host_capabilities: int, expected: bool
) -> None:
    process = replace(BARE, effective=effective)
    privileges = ContainerPrivileges("c", processes=(BARE, process), host_capabilities=host_capabilities)

    assert (process if expected else None) == privileges.fully_privileged


SOCKET = Socket("/run/docker.sock", "0:23", "/docker.sock")


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        (Mount("0:23", "/docker.sock", "/x", writable=False), True),
        (Mount("0:23", "/", "/run", writable=True), True),
        (Mount("0:23", "/docker", "/run/docker", writable=True), False),
        (Mount("0:23", "/docker.sock//deleted", "/x", writable=True), False),
        (Mount("8:1", "/", "/host", writable=True), False),
    ],
)
def test_a_socket_is_found_by_its_path_in_its_file_system(mount: Mount, expected: bool) -> None:
    assert expected == SOCKET.is_in(mount)


def member(name: str, *networks: str, pid: int = 7) -> Container:
    attachments = tuple(Attachment(network, f"198.18.0.{len(name)}") for network in networks)
    return Container(name, name, "shop", name, pid, "", attachments=attachments)


def facts(*containers: Container) -> Facts:
    return Facts(EngineFacts("docker", "28.0.0"), containers, ())


def test_a_forwarding_path_connects_containers_on_only_one_of_two_networks() -> None:
    there = facts(
        member("a", "n1"), member("b", "n1"), member("c", "n2"), member("r", "n1", "n2"), member("s", "n1", "n2")
    )

    assert forwarding_paths(there, ["r"]) == [
        ForwardingPath("r", "a", "n1", "c", "n2"),
        ForwardingPath("r", "c", "n2", "a", "n1"),
    ]


@pytest.mark.parametrize(
    "others",
    [
        [],
        [member("a", "n1")],
        [member("a", "n1"), member("c", "n2", pid=0)],
        [member("a", "n1"), member("s", "n1", "n2")],
        [member("a", "n1"), replace(member("c"), attachments=(Attachment("n2", "", "2001:db8::2"),))],
    ],
)
def test_without_a_container_on_either_side_there_is_no_forwarding_path(others: list[Container]) -> None:
    assert forwarding_paths(facts(member("r", "n1", "n2"), *others), ["r"]) == []


def test_three_networks_have_six_forwarding_paths() -> None:
    there = facts(*(member(name, name) for name in ("n1", "n2", "n3")), member("r", "n1", "n2", "n3"))

    assert len(set(forwarding_paths(there, ["r"]))) == 6
