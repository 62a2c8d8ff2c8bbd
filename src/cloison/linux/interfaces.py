"""Reads the links of a network namespace: what addresses they hold, and where they end.

Rule: all of it is asked of the kernel; no packet is sent. Layouts: linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from cloison.linux import netlink as linux_netlink
from cloison.linux import netns, pyroute, route_lookup
from cloison.linux.route_lookup import FAMILIES

IFF_UP: Final = 0x1
IFF_LOOPBACK: Final = 0x8
"""IFF_UP and IFF_LOOPBACK of linux/if.h."""
VETH: Final = "veth"
"""The kind of link that ends in another link, in the kernel's words."""
NETNSA_NSID_NOT_ASSIGNED: Final = 0xFFFFFFFF
"""What the kernel says of a namespace to which no link of the asking one leads."""
RTM_GETLINK, RTM_GETADDR = 18, 22
IFINFOMSG: Final = struct.Struct("=4xiI4x")
"""An `ifinfomsg`: what is read of it is the number of the link and its flags."""
IFADDRMSG: Final = struct.Struct("=B3xi")
"""An `ifaddrmsg`: the family of an address and the number of its link."""
IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINK, IFLA_MASTER, IFLA_LINKINFO, IFLA_EXT_MASK, IFLA_LINK_NETNSID = (
    1,
    3,
    5,
    10,
    18,
    29,
    37,
)
"""Attributes of a link: IFLA_ADDRESS, IFNAME, LINK, MASTER, LINKINFO, EXT_MASK, LINK_NETNSID."""
IFLA_INFO_KIND: Final = 1
IFA_ADDRESS, IFA_LOCAL = 1, 2
"""IFA_ADDRESS and IFA_LOCAL."""
LINK_DUMP_REQUEST: Final = IFINFOMSG.pack(0, 0) + linux_netlink.attribute(IFLA_EXT_MASK, struct.pack("=I", 1 << 3))
"""All links, without their statistics."""


@dataclass(frozen=True, slots=True)
class Interface:
    """A link of a namespace. `end` is the namespace and the number of the link in which it ends, if that is known."""

    index: int
    name: str
    kind: str
    is_up: bool
    is_loopback: bool
    addresses: tuple[str, ...]
    peer: tuple[int, int] | None
    bridge: int
    """The number of the bridge that it is a port of, 0 for none."""
    mac_address: bytes
    """Its hardware address, empty where it has none."""

    def unmanaged(self, known: Collection[str]) -> Iterator[str]:
        """Yield its addresses that are not `known`, and an empty one where it has none at all and carries packets.

        What every link has by itself is no address of anybody's: loopback's own, and IPv6's of one link alone.
        """
        held = [address for address in self.addresses if not ip_address(address).is_loopback]
        held = [address for address in held if not ip_address(address).is_link_local]
        yield from (address for address in held if address not in known)
        if self.is_up and not held and not self.is_loopback:
            yield ""


def of(descriptor: int, namespaces: Collection[int] = ()) -> dict[int, Interface]:
    """Return the links of a namespace by their number.

    Where they end is told if it is in the namespace itself or in one of `spaces`, which are descriptors.
    """
    with netns.inside(descriptor):
        peer_namespaces = _peer_namespaces(namespaces) if namespaces else {}
        return {interface.index: interface for interface in _read(peer_namespaces, netns.identity(descriptor))}


def interface_with(address: str, owner: str) -> Interface:
    """Return the link that holds an address where the calling thread stands, which is in the namespace of `owner`.

    Raises OSError when none does.
    """
    for interface in _read({}, 0):
        if address in interface.addresses:
            return interface
    raise OSError(f"{owner} does not hold {address} any more")


def indexes_by_address() -> dict[str, int]:
    """Return the number of the link that holds each address, where the calling thread stands."""
    with linux_netlink.nl_socket() as nl_socket:
        return {address: index for index, held in _addresses(nl_socket).items() for address in held}


def _read(peer_namespaces: Mapping[int, int], own_namespace: int) -> Iterator[Interface]:
    with linux_netlink.nl_socket() as nl_socket:
        held = _addresses(nl_socket)
        for _, body in linux_netlink.dump(nl_socket, RTM_GETLINK, LINK_DUMP_REQUEST):
            yield _link(body, held, peer_namespaces, own_namespace)


def _peer_namespaces(namespaces: Collection[int]) -> dict[int, int]:
    """Return the identity of the namespaces to which a link of this one leads, by the number by which it knows them."""
    with pyroute.iproute() as route:
        known = {route.get_netnsid(fd=netnsid)["nsid"]: netnsid for netnsid in namespaces}
    return {index: netns.identity(netnsid) for index, netnsid in known.items() if index != NETNSA_NSID_NOT_ASSIGNED}


def _addresses(nl_socket: socket.socket) -> dict[int, list[str]]:
    """Return the addresses of this thread's namespace by the number of their link."""
    held: dict[int, list[str]] = {}
    for _, body in linux_netlink.dump(nl_socket, RTM_GETADDR, IFADDRMSG.pack(0, 0)):
        family, index = IFADDRMSG.unpack_from(body)
        attrs = dict(linux_netlink.attributes(body, IFADDRMSG.size))
        # On a link with two ends, `local` is ours and `address` is the other's.
        if family in FAMILIES.values() and (address := attrs.get(IFA_LOCAL) or attrs.get(IFA_ADDRESS)):
            held.setdefault(index, []).append(socket.inet_ntop(family, address))
    return held


def _link(
    body: memoryview, held: Mapping[int, Sequence[str]], peer_namespaces: Mapping[int, int], own_namespace: int
) -> Interface:
    index, flags = IFINFOMSG.unpack_from(body)
    attrs = dict(linux_netlink.attributes(body, IFINFOMSG.size))
    link_info = dict(linux_netlink.attributes(attrs[IFLA_LINKINFO], 0)) if IFLA_LINKINFO in attrs else {}
    kind = _text(link_info.get(IFLA_INFO_KIND, b""))
    peer_index, netnsid = (_number(attrs[name]) if name in attrs else None for name in (IFLA_LINK, IFLA_LINK_NETNSID))
    peer_namespace = own_namespace if netnsid is None else peer_namespaces.get(netnsid)
    return Interface(
        index,
        _text(attrs[IFLA_IFNAME]),
        kind,
        bool(flags & IFF_UP),
        bool(flags & IFF_LOOPBACK),
        tuple(held.get(index, ())),
        (peer_namespace, peer_index)
        if kind == VETH and peer_namespace is not None and peer_index is not None
        else None,
        _number(attrs[IFLA_MASTER]) if IFLA_MASTER in attrs else 0,
        bytes(attrs.get(IFLA_ADDRESS, b"")),
    )


def _text(content: bytes | memoryview) -> str:
    return bytes(content).rstrip(b"\0").decode(errors="surrogateescape")


def _number(content: memoryview) -> int:
    return int.from_bytes(content, sys.byteorder)


def on_link_index(descriptor: int, address: str) -> int:
    """Return the number of the link on which a namespace takes an address to be a neighbour, 0 where it does not."""
    with netns.inside(descriptor):
        (route,) = route_lookup.look_up([(address, 0)])
    return 0 if isinstance(route, OSError) or route.has_gateway else route.interface
