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

UP: Final = 0x1
LOOPBACK: Final = 0x8
"""IFF_UP and IFF_LOOPBACK of linux/if.h."""
CABLE: Final = "veth"
"""The kind of link that ends in another link, in the kernel's words."""
NOWHERE: Final = 0xFFFFFFFF
"""What the kernel says of a namespace to which no link of the asking one leads."""
GET_LINKS, GET_ADDRESSES = 18, 22
LINK: Final = struct.Struct("=4xiI4x")
"""An `ifinfomsg`: what is read of it is the number of the link and its flags."""
ADDRESS: Final = struct.Struct("=B3xi")
"""An `ifaddrmsg`: the family of an address and the number of its link."""
HARDWARE, NAME, OTHER_END, MASTER, NATURE, MASK, ITS_SPACE = 1, 3, 5, 10, 18, 29, 37
"""Attributes of a link: IFLA_ADDRESS, IFNAME, LINK, MASTER, LINKINFO, EXT_MASK, LINK_NETNSID."""
KIND: Final = 1
FAR, LOCAL = 1, 2
"""IFA_ADDRESS and IFA_LOCAL."""
ASKED: Final = LINK.pack(0, 0) + linux_netlink.attribute(MASK, struct.pack("=I", 1 << 3))
"""All links, without their statistics."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a namespace. `end` is the namespace and the number of the link in which it ends, if that is known."""

    number: int
    name: str
    kind: str
    is_up: bool
    is_loopback: bool
    addresses: tuple[str, ...]
    end: tuple[int, int] | None
    bridge: int
    """The number of the bridge that it is a port of, 0 for none."""
    hardware: bytes
    """Its hardware address, empty where it has none."""

    def strange(self, known: Collection[str]) -> Iterator[str]:
        """Yield its addresses that are not `known`, and an empty one where it has none at all and carries packets.

        What every link has by itself is no address of anybody's: loopback's own, and IPv6's of one link alone.
        """
        held = [address for address in self.addresses if not ip_address(address).is_loopback]
        held = [address for address in held if not ip_address(address).is_link_local]
        yield from (address for address in held if address not in known)
        if self.is_up and not held and not self.is_loopback:
            yield ""


def of(descriptor: int, spaces: Collection[int] = ()) -> dict[int, Link]:
    """Return the links of a namespace by their number.

    Where they end is told if it is in the namespace itself or in one of `spaces`, which are descriptors.
    """
    with netns.inside(descriptor):
        ends = _ends(spaces) if spaces else {}
        return {link.number: link for link in _read(ends, netns.identity(descriptor))}


def holder(address: str, owner: str) -> Link:
    """Return the link that holds an address where the calling thread stands, which is in the namespace of `owner`.

    Raises OSError when none does.
    """
    for link in _read({}, 0):
        if address in link.addresses:
            return link
    raise OSError(f"{owner} does not hold {address} any more")


def numbers() -> dict[str, int]:
    """Return the number of the link that holds each address, where the calling thread stands."""
    with linux_netlink.line() as line:
        return {address: number for number, held in _addresses(line).items() for address in held}


def _read(ends: Mapping[int, int], here: int) -> Iterator[Link]:
    with linux_netlink.line() as line:
        held = _addresses(line)
        for _, body in linux_netlink.dump(line, GET_LINKS, ASKED):
            yield _link(body, held, ends, here)


def _ends(spaces: Collection[int]) -> dict[int, int]:
    """Return the identity of the namespaces to which a link of this one leads, by the number by which it knows them."""
    with pyroute.routes() as route:
        known = {route.get_netnsid(fd=space)["nsid"]: space for space in spaces}
    return {number: netns.identity(space) for number, space in known.items() if number != NOWHERE}


def _addresses(line: socket.socket) -> dict[int, list[str]]:
    """Return the addresses of this thread's namespace by the number of their link."""
    held: dict[int, list[str]] = {}
    for _, body in linux_netlink.dump(line, GET_ADDRESSES, ADDRESS.pack(0, 0)):
        family, number = ADDRESS.unpack_from(body)
        told = dict(linux_netlink.attributes(body, ADDRESS.size))
        # On a link with two ends, `local` is ours and `address` is the other's.
        if family in FAMILIES.values() and (address := told.get(LOCAL) or told.get(FAR)):
            held.setdefault(number, []).append(socket.inet_ntop(family, address))
    return held


def _link(body: memoryview, held: Mapping[int, Sequence[str]], ends: Mapping[int, int], here: int) -> Link:
    number, flags = LINK.unpack_from(body)
    told = dict(linux_netlink.attributes(body, LINK.size))
    nature = dict(linux_netlink.attributes(told[NATURE], 0)) if NATURE in told else {}
    kind = _text(nature.get(KIND, b""))
    other, space = (_number(told[name]) if name in told else None for name in (OTHER_END, ITS_SPACE))
    where = here if space is None else ends.get(space)
    return Link(
        number,
        _text(told[NAME]),
        kind,
        bool(flags & UP),
        bool(flags & LOOPBACK),
        tuple(held.get(number, ())),
        (where, other) if kind == CABLE and where is not None and other is not None else None,
        _number(told[MASTER]) if MASTER in told else 0,
        bytes(told.get(HARDWARE, b"")),
    )


def _text(content: bytes | memoryview) -> str:
    return bytes(content).rstrip(b"\0").decode(errors="surrogateescape")


def _number(content: memoryview) -> int:
    return int.from_bytes(content, sys.byteorder)


def straight(descriptor: int, address: str) -> int:
    """Return the number of the link on which a namespace takes an address to be a neighbour, 0 where it does not."""
    with netns.inside(descriptor):
        (way,) = route_lookup.routes([(address, 0)])
    return 0 if isinstance(way, OSError) or way.has_gateway else way.link
