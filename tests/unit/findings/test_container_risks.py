from __future__ import annotations

from dataclasses import replace

import pytest

from cloison.findings import container_risks
from cloison.findings.container_privileges import (
    Availability,
    Capability,
    ContainerPrivileges,
    ForwardingPath,
    Mount,
    Process,
    Socket,
)
from cloison.findings.container_risks import ARRIVED, CAPABILITY_USES, SENSITIVE, SHARING, WORST_FIRST, risks, routers

ALL = (1 << 41) - 1
DEFAULT = 0xA80425FB
PROCESS = Process("nginx", is_root=True, effective=DEFAULT, permitted=DEFAULT, bounding=DEFAULT, no_new_privs=False)
NOBODY = Process("app", is_root=False, effective=0, permitted=0, bounding=0, no_new_privs=True)
SOCKET = Socket("/run/docker.sock", "0:23", "/docker.sock")
BARE = ContainerPrivileges(
    "c",
    ("back",),
    (NOBODY,),
    host_capabilities=ALL,
    shared=frozenset({"user", "cgroup"}),
    sockets=(SOCKET,),
    forwarding=("eth0",),
)
"""A container on one network without privileges."""


def what(privileges: ContainerPrivileges) -> list[str]:
    return [finding.what for finding in risks([privileges])]


def holding(*capabilities: Capability) -> Process:
    mask = sum(1 << capability for capability in capabilities)
    return replace(NOBODY, effective=mask, permitted=mask, bounding=mask)


def test_a_container_without_privileges_has_no_risk() -> None:
    assert risks([BARE]) == []


def test_every_kind_has_its_rank_and_no_other_has() -> None:
    told = {*SHARING.values()}

    assert len(WORST_FIRST) == len(set(WORST_FIRST))
    assert {name for name, _ in told} | {says.what for says in CAPABILITY_USES.values()} <= set(WORST_FIRST)
    assert set(CAPABILITY_USES) == set(Capability)


def test_a_default_container() -> None:
    net_raw, root = risks([replace(BARE, processes=(PROCESS,))])

    assert net_raw.sentence == "can forge packets and ARP replies, and so impersonate other containers on its networks"
    assert net_raw.evidence == (
        "nginx holds NET_RAW now (root, CapEff 00000000a80425fb, CapBnd 00000000a80425fb); it is on back"
    )
    assert root.what == "root"


@pytest.mark.parametrize(
    ("process", "says", "seen"),
    [
        (PROCESS, "can forge", "holds NET_RAW now"),
        (
            replace(PROCESS, effective=0, permitted=0),
            "by executing a program",
            "is root and NET_RAW is in its bounding",
        ),
        (
            replace(PROCESS, effective=0, permitted=0, is_root=False),
            "could forge packets and ARP replies, and so impersonate other containers on its networks if its image has",
            "does not hold NET_RAW, but its bounding set does",
        ),
    ],
)
def test_the_wording_separates_now_from_possibly(process: Process, says: str, seen: str) -> None:
    found = risks([replace(BARE, processes=(process,))])[0]

    assert says in found.sentence
    assert seen in found.evidence
    assert set(container_risks.AVAILABILITY_TEXTS) == set(Availability) - {Availability.NEVER}


@pytest.mark.parametrize("capability", Capability)
def test_every_capability_of_the_host_is_a_risk_where_it_has_an_effect(capability: Capability) -> None:
    privileges = replace(BARE, processes=(holding(capability),), shared=BARE.shared | {"pid"})

    assert CAPABILITY_USES[capability].what in what(privileges)


@pytest.mark.parametrize("capability", [c for c in Capability if CAPABILITY_USES[c].affects_host])
def test_in_its_own_user_namespace_capabilities_do_not_affect_the_host(capability: Capability) -> None:
    assert what(replace(BARE, processes=(holding(capability),), shared=frozenset({"cgroup"}))) == []


def test_its_own_user_namespace_does_not_protect_other_containers() -> None:
    assert what(replace(BARE, processes=(PROCESS,), shared=frozenset())) == ["net-raw"]
    assert what(replace(BARE, processes=(PROCESS,), shared=frozenset({"net"}), networks=())) == ["host-network"]


def test_ptrace_affects_the_host_in_its_pid_namespace() -> None:
    tracer = replace(BARE, processes=(holding(Capability.SYS_PTRACE),))

    assert what(tracer) == []
    assert what(replace(tracer, shared=tracer.shared | {"pid"})) == ["host-pid", "sys-ptrace"]


def test_enforcement_drops_what_a_container_forges_but_for_the_hosts_network() -> None:
    forger = replace(BARE, processes=(holding(Capability.NET_RAW),))
    on_host = replace(forger, container="h", networks=(), shared=forger.shared | {"net"})

    said = {risk.where: risk.sentence for risk in risks([forger, on_host], is_enforced=True) if risk.what == "net-raw"}

    assert said["c"] == "can forge packets and ARP replies, which enforcement drops on the bridges of this project"
    assert said["h"] == "can forge packets and ARP replies, and so impersonate other containers on its networks"


def test_net_raw_without_a_network_is_a_risk_only_on_the_hosts_network() -> None:
    forger = replace(BARE, processes=(holding(Capability.NET_RAW),), networks=())

    assert what(forger) == []
    on_host = risks([replace(forger, shared=forger.shared | {"net"})])
    assert [finding.what for finding in on_host] == ["host-network", "net-raw"]
    assert on_host[1].evidence.endswith("it is on the network of the host")


def test_all_capabilities_are_one_risk() -> None:
    almighty = replace(BARE, processes=(replace(PROCESS, effective=ALL, permitted=ALL, bounding=ALL),))

    assert what(almighty) == ["privileged", "root"]
    assert "privileged" not in what(replace(almighty, shared=frozenset()))


@pytest.mark.parametrize("kind", SHARING)
def test_every_shared_namespace_is_a_finding(kind: str) -> None:
    assert what(replace(BARE, shared=BARE.shared | {kind})) == [SHARING[kind][0]]


def test_the_engine_socket_is_a_risk_on_a_read_only_mount_too() -> None:
    mounts = (
        Mount("8:1", "/data", "/data", writable=True),
        Mount("0:23", "/", "/host/run", writable=False, source="/run"),
    )

    (found,) = risks([replace(BARE, mounts=mounts)])
    assert found.what == "engine-socket"
    assert found.evidence == "/run/docker.sock of the host is in its mount /host/run"


@pytest.mark.parametrize(
    ("mount", "counts"),
    [
        *((Mount("8:1", path, "/host", writable=True, source=path), True) for path in sorted(SENSITIVE)),
        (Mount("8:1", "/etc", "/host", writable=False, source="/etc"), False),
        (Mount("8:1", "/etc/nginx", "/etc/nginx", writable=True, source="/etc/nginx"), False),
        (Mount("0:5", "/", "/proc", writable=True, source="/proc"), False),
        (Mount("0:5", "/", "/host/proc", writable=True, source="/proc"), True),
        (Mount("8:1", "/", "/", writable=True), False),
    ],
)
def test_a_writable_system_directory_is_a_risk(mount: Mount, counts: bool) -> None:
    assert what(replace(BARE, mounts=(mount,))) == ["host-directory"] * counts


def test_devices_are_named_and_many_are_counted() -> None:
    (found,) = risks([replace(BARE, devices=tuple(f"/dev/loop{i}" for i in range(9)))])

    assert found.what == "devices"
    assert found.evidence.endswith("/dev/loop5 and 3 more")


def test_unreadable_privileges_are_a_risk() -> None:
    (found,) = risks([ContainerPrivileges("c", unread_reason="Permission denied: /proc/7")])

    assert (found.what, found.evidence) == ("unread", "Permission denied: /proc/7")


ROUTER = replace(BARE, container="r", networks=("back", "front"))
PATH = ForwardingPath("r", "a", "front", "d", "back")
BACK = ForwardingPath("r", "d", "back", "a", "front")


def test_routers_are_containers_that_forward_and_have_several_networks() -> None:
    on_host = replace(ROUTER, shared=ROUTER.shared | {"net"})
    quiet = replace(ROUTER, forwarding=(), forwarding_ipv6=("eth0",))

    assert routers([BARE, ROUTER, on_host, quiet]) == ["r"]


@pytest.mark.parametrize(
    ("tried", "expected", "evidence"),
    [
        ({}, "may-route", "forwarding is enabled for IPv4 on eth0; it is on back, front"),
        ({replace(PATH, router="other"): ARRIVED}, "may-route", "it is on"),
        ({PATH: ARRIVED, BACK: "lost"}, "routes", "a packet from a, sent to it on front for d on back, arrived"),
        ({PATH: "lost", BACK: "lost"}, "set-to-route", "sent to it on front for d on back, did not arrive: lost"),
    ],
)
def test_forwarding_is_judged_by_what_arrived(tried: dict[ForwardingPath, str], expected: str, evidence: str) -> None:
    (found,) = risks([ROUTER], tried)

    assert found.what == expected
    assert evidence in found.evidence


def test_an_open_forwarding_path_is_not_hidden_by_a_closed_one() -> None:
    (found,) = risks([ROUTER], {PATH: ARRIVED, BACK: "lost"})

    assert "lost" not in found.evidence


def test_forwarding_of_ipv6_only_is_a_risk() -> None:
    (found,) = risks([replace(ROUTER, forwarding=(), forwarding_ipv6=("eth0", "eth1"))])

    assert found.what == "may-route"
    assert "IPv6 on eth0, eth1" in found.evidence


@pytest.mark.parametrize(
    "privileges", [replace(ROUTER, forwarding=()), replace(ROUTER, shared=frozenset({"net", "user"})), BARE]
)
def test_a_container_that_cannot_forward_is_no_risk(privileges: ContainerPrivileges) -> None:
    assert [finding for finding in risks([privileges], {PATH: ARRIVED}) if "route" in finding.what] == []


def test_the_worst_risk_comes_first_in_any_container() -> None:
    plain = replace(BARE, container="a", processes=(PROCESS,))
    ruler = replace(BARE, container="z", mounts=(Mount("0:23", "/", "/run", writable=False),))

    found = risks([plain, ruler, ROUTER])
    assert [finding.what for finding in found] == ["engine-socket", "net-raw", "may-route", "root"]
