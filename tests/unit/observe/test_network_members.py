"""The walk from a network's bridge finds every device on it, and the members that the engine does not know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloison.compose.project import project
from cloison.linux import namespaces as linux_namespaces
from cloison.linux import processes, tap_holders
from cloison.linux.interfaces import Interface
from cloison.linux.link_graph import Device, Node
from cloison.linux.namespaces import Namespace
from cloison.model.facts import Attachment, Container, EngineFacts, Facts, NetworkFacts, Origin
from cloison.observe.network_graph import NetworkGraph
from cloison.observe.network_members import MemberSearch, NetworkMembers

HOST, DB, GUEST, LXC, LOST = 1, 2, 3, 4, 99
BACK = NetworkFacts("p_back", subnets=("10.1.0.0/24",), link="br-back")
LAN = NetworkFacts("p_lan", driver="macvlan", subnets=("10.3.0.0/24",), options=(("parent", "eth0"),))
PROJECT = project(
    {
        "name": "p",
        "services": {"db": {"networks": {"back": None}}, "guest": {"networks": {"front": None}}},
        "networks": {"back": {"name": "p_back"}, "front": {"name": "p_front"}, "lan": {"name": "p_lan"}},
    }
)
CONTAINERS = (
    Container("p-db-1", "d" * 64, "p", "db", 10, "", attachments=(Attachment("p_back", "10.1.0.2"),)),
    Container("p-guest-1", "e" * 64, "p", "guest", 11, "", attachments=(Attachment("p_front", "10.2.0.2"),)),
)


def device(  # noqa: PLR0913  # the fields of a device
    namespace: int,
    index: int,
    name: str,
    kind: str = "veth",
    *addresses: str,
    link: Node | None = None,
    master: int = 0,
    is_lost: bool = False,
) -> Device:
    """Return a device; `is_lost` for a link whose namespace was not found."""
    found = Interface(
        index,
        name,
        kind,
        is_up=True,
        is_loopback=False,
        addresses=addresses,
        peer=None,
        bridge=master,
        mac_address=b"",
        link=7 if is_lost else link[1] if link else 0,
    )
    return Device(namespace, found, link)


BRIDGE = device(HOST, 10, "br-back", "bridge", "10.1.0.1")
DB_PORT = device(HOST, 11, "veth1", link=(DB, 2), master=10)
DB_END = device(DB, 2, "eth0", "veth", "10.1.0.2", link=(HOST, 11))
STACK = (BRIDGE, DB_PORT, DB_END)
LXC_PORT = device(HOST, 12, "vethlxc", link=(LXC, 5), master=10)


def lxc_end(*addresses: str) -> Device:
    return device(LXC, 5, "eth0", "veth", *addresses, link=(HOST, 12))


def found(*devices: Device, networks: tuple[NetworkFacts, ...] = (BACK,), known: int = GUEST) -> NetworkMembers:
    """Return the members of the project's networks; the namespaces of containers up to `known` were entered."""
    names = {DB: ["p-db-1"], GUEST: ["p-guest-1"]}
    every = {inode: Namespace(inode) for inode in (HOST, DB, GUEST, LXC, LOST)}
    graph = NetworkGraph({item.node: item for item in (*STACK, *devices)}, HOST)
    facts = Facts(EngineFacts("docker", "28.5"), CONTAINERS, networks)
    entered = {HOST: [""], **{inode: name for inode, name in names.items() if inode <= known}}
    return MemberSearch(facts, PROJECT, graph, every, entered).search()


def shown(members: NetworkMembers) -> dict[str, str]:
    """Return the origin and the description of each member."""
    return {m.name: f"{m.origin}: {m.description}" for m in members.members}


def test_a_container_of_the_engine_is_no_further_member() -> None:
    assert NetworkMembers() == found()


def test_a_namespace_with_an_address_of_the_network_is_a_vantage() -> None:
    (member,) = found(LXC_PORT, lxc_end("10.1.0.9", "fd00::9", "10.1.0.10")).members

    assert (Origin.NAMESPACE, "netns-4", "vethlxc") == (member.origin, member.name, member.via)
    assert {"10.1.0.9", "10.1.0.10"} == {a.address for a in member.attachments}
    assert member.is_vantage


@pytest.mark.parametrize("addresses", [(), ("192.0.2.1",)])
def test_an_interface_without_an_address_of_the_network_is_a_device(addresses: tuple[str, ...]) -> None:
    expected = {"eth0@netns-4": "device: the interface eth0 of netns-4, without an address of the network"}

    assert expected == shown(found(LXC_PORT, lxc_end(*addresses)))


def test_a_second_network_does_not_repeat_a_member() -> None:
    other = replace(BACK, name="p_front", link="br-front", subnets=("10.2.0.0/24",))
    bridge = device(HOST, 30, "br-front", "bridge")
    port, end = (
        device(HOST, 31, "vethlxc2", link=(LXC, 6), master=30),
        device(LXC, 6, "eth1", "veth", "10.2.0.9", link=(HOST, 31)),
    )
    members = found(LXC_PORT, lxc_end("10.1.0.9"), bridge, port, end, networks=(BACK, other)).members

    assert [("netns-4", ("p_back", "p_front"))] == [(m.name, tuple(a.network for a in m.attachments)) for m in members]


def test_a_namespace_with_a_taken_name_has_its_number_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Namespace, "name", "p-db-1")

    assert {"p-db-1-4"} == {*shown(found(LXC_PORT, lxc_end("10.1.0.9")))}


def test_a_macvlan_in_another_namespace_is_a_member() -> None:
    macvlan = device(LXC, 5, "mac0", "macvlan", "10.1.0.9", link=(HOST, 10))

    assert {("netns-4", "")} == {(m.name, m.via) for m in found(macvlan).members}


def test_a_macvlan_of_the_host_is_the_host() -> None:
    assert NetworkMembers() == found(device(HOST, 40, "mac0", "macvlan", "10.1.0.9", link=(HOST, 10)))


@pytest.mark.parametrize(
    ("port", "phrase"),
    [
        (device(HOST, 40, "eth1", "", master=10), "a network card"),
        (device(HOST, 40, "vx0", "vxlan", master=10), "a port of the kind vxlan"),
        (device(HOST, 40, "eth0.5", "vlan", link=(HOST, 41), master=10), "a port of the kind vlan"),
        (device(HOST, 40, "vethx", "veth", master=10, is_lost=True), "a veth whose other end is in a network"),
        (device(HOST, 40, "vethx", "veth", link=(LOST, 7), master=10), "a veth whose other end is in a network"),
        (device(HOST, 40, "tap0", "macvtap", link=(HOST, 10)), "a tap interface of the kind macvtap, held by no"),
        (device(HOST, 40, "tap0", "tun", master=10), "a tap interface, held by no process"),
    ],
)  # fmt: skip
def test_a_device_that_cannot_be_followed_is_a_member(port: Device, phrase: str) -> None:
    (member,) = found(port).members

    assert (Origin.DEVICE, port.interface.name) == (member.origin, member.name)
    assert member.description.startswith(phrase)
    assert (Attachment("p_back", ""),) == member.attachments


def test_a_tap_names_the_processes_that_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap_holders, "holders", lambda name, index: [f"qemu {name} {index}"])

    (member,) = found(device(HOST, 40, "tap0", "tun", master=10)).members
    assert "a tap interface, held by qemu tap0 40" == member.description


def test_another_bridge_of_the_host_that_is_joined_is_named_and_not_followed() -> None:
    near, far = (
        device(HOST, 40, "near", link=(HOST, 41), master=10),
        device(HOST, 41, "far", link=(HOST, 40), master=50),
    )
    other = device(HOST, 50, "br0", "bridge")
    beyond = device(HOST, 51, "eth1", "", master=50)

    assert {"far": "device: a device that joins it to br0"} == shown(found(near, far, other, beyond))


def test_the_end_of_a_pair_in_a_vrf_of_the_host_is_the_host() -> None:
    near, far = (
        device(HOST, 40, "near", link=(HOST, 41), master=10),
        device(HOST, 41, "far", link=(HOST, 40), master=50),
    )

    assert NetworkMembers() == found(near, far, device(HOST, 50, "blue", "vrf"))


def test_a_bridge_inside_a_container_is_followed() -> None:
    inner = device(DB, 8, "br0", "bridge", "10.1.0.2")
    end, tap = replace_master(DB_END, 8), device(DB, 9, "tap0", "tun", master=8)
    macvlan = device(DB, 10, "mac0", "macvlan", link=(DB, 2), master=8)

    assert {"tap0@p-db-1": "device: a tap interface, held by no process"} == shown(found(inner, end, tap, macvlan))


def replace_master(item: Device, master: int) -> Device:
    """Return the device as a port of a bridge."""
    return replace(item, interface=replace(item.interface, bridge=master))


def test_a_container_that_the_engine_does_not_attach_is_a_device() -> None:
    port, end = device(HOST, 40, "hand0", link=(GUEST, 9), master=10), device(GUEST, 9, "hand1", link=(HOST, 40))
    expected = "device: the interface hand1 of p-guest-1, without an address of the network"

    assert {"hand1@p-guest-1": expected} == shown(found(port, end))


def test_a_container_that_could_not_be_entered_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Namespace, "container_id", property(lambda self: {DB: "d" * 64}.get(self.inode, "")))

    assert NetworkMembers() == found(known=HOST)


def test_a_network_whose_bridge_is_not_there_is_not_read() -> None:
    gone = replace(BACK, link="br-gone")

    assert (("network p_back", "its interface br-gone was not found"),) == found(networks=(gone,)).unread


def test_networks_without_a_device_of_the_host_are_left_out() -> None:
    networks = (replace(BACK, driver="overlay"), replace(BACK, name="other"), replace(LAN, name="p_front"))

    assert NetworkMembers() == found(networks=networks[:2])
    assert (("network p_front", "its interface eth0 was not found"),) == found(networks=networks).unread


def test_siblings_on_the_parent_of_a_macvlan_network_are_members_and_the_parent_is_not() -> None:
    parent = device(HOST, 60, "eth0", "")
    vlan = device(LXC, 61, "eth0.5", "vlan", "10.3.0.8", link=(HOST, 60))
    sibling = device(LXC, 62, "mac0", "macvlan", "10.3.0.9", link=(HOST, 60))
    (member,) = found(parent, vlan, sibling, networks=(LAN,)).members

    assert ((Attachment("p_lan", "10.3.0.9"),), "netns-4") == (member.attachments, member.name)


@pytest.mark.parametrize(("driver", "parent"), [("macvlan", "dm-0123456789ab"), ("ipvlan", "di-0123456789ab")])
def test_a_network_without_a_parent_has_the_parent_that_the_engine_makes(driver: str, parent: str) -> None:
    own = NetworkFacts("p_lan", driver=driver, subnets=("10.3.0.0/24",), link="br-0123456789ab")
    sibling = device(LXC, 62, "mac0", driver, "10.3.0.9", link=(HOST, 60))

    assert {"netns-4"} == {*shown(found(device(HOST, 60, parent, "dummy"), sibling, networks=(own,)))}


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_search_says_whether_an_end_was_not_found(is_lost: bool) -> None:
    port = device(HOST, 40, "vethx", "veth", link=None if is_lost else (LXC, 5), master=10, is_lost=is_lost)

    assert is_lost is found(port, lxc_end("10.1.0.9")).has_lost_end


def test_a_namespace_is_named_by_what_is_known_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = {
        1: f"0::/system.slice/docker-{'c' * 64}.scope/kubepods/{'f' * 64}",
        2: "0::/lxc.payload.web/init.scope",
        3: "0::/machine.slice/machine-debian.scope",
        4: "0::/system.slice/vpn@home.service",
        5: "0::/user.slice",
    }
    monkeypatch.setattr(linux_namespaces, "_control_groups", lambda pid: groups[pid])
    monkeypatch.setattr(processes, "name", lambda pid: f"a b{pid}")

    assert "container-ffffffffffff" == Namespace(7, pids=[5, 1]).name
    assert "netns-lab" == Namespace(7, pids=[5], mount_points=["/run/docker/netns/x", "/run/netns/lab"]).name
    names = ["web", "debian", "vpn@home.service", "a-b5-5"]
    assert names == [Namespace(7, pids=[pid]).name for pid in (2, 3, 4, 5)]
    assert "netns-7" == Namespace(7, mount_points=["/run/docker/netns/x"]).name
    expected = "network namespace 7, mounted on /x, with a b5 (PID 5)"
    assert expected == Namespace(7, pids=[5], mount_points=["/x"]).description
    assert f"network namespace 7, container {'f' * 64}, with a b1 (PID 1)" == Namespace(7, pids=[1]).description
