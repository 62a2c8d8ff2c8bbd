"""Netlink answers agree with /proc/net, with ip(8) and with connected sockets."""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from typing import Any, NoReturn, cast

import pytest

from cloison.linux import interfaces, listening_sockets, netns, pyroute, route_lookup
from cloison.linux import netlink as linux_netlink
from cloison.probe import schedule as probe_schedule
from cloison.probe.probe import Probe
from cloison.probe.sockets import ProbeSockets

ADDRESSES = {
    "a": ("198.51.100.233/29", "2001:db8:c106::1/64", "fe80::233/64"),
    "b": ("198.51.100.234/29", "2001:db8:c106::2/64"),
}
FAR = [*(f"198.51.100.{index}" for index in range(232, 240)), "2001:db8:c106::2", "2001:db8:c106::99"]
LOST = ["203.0.113.7", "2001:db8:ffff::1"]
OWN = ["127.0.0.1", "::1", "198.51.100.233", "2001:db8:c106::1"]
MANY = [f"127.0.{high}.{low}" for high in range(2) for low in range(1, 100)]


@contextmanager
def veth_namespaces() -> Iterator[tuple[int, int]]:
    """Make two namespaces with a veth pair between them; yield their descriptors."""
    with ExitStack() as stack:
        spaces = netns.new(), netns.new()
        for space in spaces:
            stack.callback(os.close, space)
        with netns.inside(spaces[0]), pyroute.iproute() as route:
            route.link("add", ifname="a", kind="veth", peer={"ifname": "b", "net_ns_fd": spaces[1]})
        for space, (name, held) in zip(spaces, ADDRESSES.items(), strict=True):
            with netns.inside(space), pyroute.iproute() as route:
                for link in ("lo", name):
                    route.link("set", index=route.link_lookup(ifname=link)[0], state="up")
                for address, length in (text.split("/") for text in held):
                    index = route.link_lookup(ifname=name)[0]
                    flags = {"flags": 0x02} if ":" in address else {}
                    route.addr("add", index=index, address=address, prefixlen=int(length), **flags)
        yield spaces


def chosen(address: str) -> str | int:
    """Return the source address that connect(2) chooses, or the errno of its failure."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asker:
        try:
            asker.connect((address, 9))
        except OSError as error:
            return error.errno or 0
        return str(asker.getsockname()[0])


def test_a_route_has_the_source_address_of_a_connected_socket() -> None:
    asked = [*FAR, *OWN, *LOST, *MANY]
    with veth_namespaces() as (space, _), netns.inside(space):
        told = route_lookup.look_up([(address, 0) for address in asked])
        expected = {address: chosen(address) for address in asked if not address.endswith((".232", ".239"))}

    found = {a: said.errno if isinstance(said, OSError) else said.source for a, said in zip(asked, told, strict=True)}
    assert expected == {address: found[address] for address in expected}
    assert {errno.ENETUNREACH} == {found[address] for address in LOST}


def test_a_link_local_route_uses_the_given_interface() -> None:
    with veth_namespaces() as (space, _), netns.inside(space):
        (index,) = (link.index for link in interfaces.of(space).values() if link.name == "a")
        (told,) = route_lookup.look_up([("fe80::1", index)])
        own = interfaces.of(space)[index].addresses

    assert isinstance(told, route_lookup.Route)
    assert (index, False) == (told.interface, told.has_gateway)
    assert told.source in {address for address in own if address.startswith("fe80:")}


def test_an_on_link_address_is_distinguished_from_one_behind_a_gateway() -> None:
    with veth_namespaces() as (space, _):
        with netns.inside(space), pyroute.iproute() as route:
            route.route("add", dst="0.0.0.0/0", gateway="198.51.100.234")
        index = next(link.index for link in interfaces.of(space).values() if link.name == "a")
        with netns.inside(space):
            held = interfaces.indexes_by_address()

        assert index == interfaces.on_link_index(space, "198.51.100.234") == held["198.51.100.233"]
        assert 0 == interfaces.on_link_index(space, "203.0.113.7")
        assert 0 == interfaces.on_link_index(space, LOST[1])


def test_interfaces_are_those_that_ip_shows() -> None:
    with veth_namespaces() as (space, other), netns.inside(space):
        shown = json.loads(subprocess.run(["ip", "-j", "-d", "addr"], check=True, capture_output=True).stdout)
        found = interfaces.of(space, [other])
        index = next(link.index for link in interfaces.of(other).values() if link.name == "b")

        assert {item["ifname"] for item in shown} == {link.name for link in found.values()}
        for item in shown:
            link = found[item["ifindex"]]
            assert [held["local"] for held in item["addr_info"]] == [*link.addresses]
            assert bytes.fromhex(item["address"].replace(":", "")) == link.mac_address
            assert item.get("linkinfo", {}).get("info_kind", "") == link.kind
            assert ("UP" in item["flags"], "LOOPBACK" in item["flags"]) == (link.is_up, link.is_loopback)
        (veth_pair,) = (link for link in found.values() if link.kind == interfaces.VETH)
        assert (netns.identity(other), index) == veth_pair.peer
        assert veth_pair.index == interfaces.interface_with("198.51.100.233", "a").index
        with pytest.raises(OSError, match=r"shop does not have the address 198\.51\.100\.238 any more"):
            interfaces.interface_with("198.51.100.238", "shop")


def test_sock_diag_and_proc_net_show_the_same_listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    with veth_namespaces() as (space, _), netns.inside(space), ExitStack() as stack:
        for address in ("127.0.0.1", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1"):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            made = stack.enter_context(socket.socket(family))
            made.bind((address, 0))
            made.listen()
        port = made.getsockname()[1]
        stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        told = {*listening_sockets.sockets()}
        monkeypatch.setattr(listening_sockets, "_tcp_by_sock_diag", lambda: None)
        tables = {*listening_sockets.sockets()}

    assert tables == told
    assert port in {item.port for item in told if item.address == "127.0.0.1"}


def refused(*_: object) -> NoReturn:
    """Raise the error of a kernel that does not support the request."""
    raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))


class Kernel:
    """A netlink socket with prepared answers."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = [*answers]

    def send(self, _question: bytes) -> None:
        """Accept a request."""

    def recv(self, _room: int) -> bytes:
        """Return the next answer."""
        return self.answers.pop(0)


def dumped(*answers: bytes) -> list[bytes]:
    """Return the messages of a dump with these answers."""
    return [bytes(content) for _, content in linux_netlink.dump(cast("socket.socket", Kernel(*answers)), 18, b"")]


END = linux_netlink.message(linux_netlink.NLMSG_DONE, struct.pack("=i", 0))


def test_a_dump_that_ends_in_an_error_raises_it() -> None:
    """A kernel without a part of sock_diag reports it in NLMSG_DONE."""
    with pytest.raises(OSError, match="No such file"):
        dumped(linux_netlink.message(linux_netlink.NLMSG_DONE, struct.pack("=i", -errno.ENOENT)))
    with pytest.raises(PermissionError):
        dumped(linux_netlink.message(linux_netlink.NLMSG_ERROR, struct.pack("=i", -errno.EPERM)))


def test_an_interrupted_dump_is_requested_again() -> None:
    torn = linux_netlink.message(16, b"torn", linux_netlink.NLM_F_DUMP_INTR)

    assert [b"good"] == dumped(torn + END, linux_netlink.message(16, b"good") + END)
    assert [b"torn"] == dumped(*[torn + END] * linux_netlink.TRIES)


def test_probes_of_one_network_are_adjacent() -> None:
    probe_sockets: list[Any] = [object() for _ in range(5)]
    probes = [
        Probe(cast("ProbeSockets", source), f"{network}-{at}", 80, target, network=network)
        for source in probe_sockets
        for network in ("one", "two", "")
        for at, target in enumerate(probe_sockets)
    ]

    send_order = [probe for _, probe in probe_schedule.send_order([*enumerate(probes)])]

    assert {*map(id, probes)} == {*map(id, send_order)}
    assert 3 == len([*groupby(probe.network for probe in send_order)])
    assert 15 == len([*groupby((probe.network, id(probe.sockets)) for probe in send_order)])
