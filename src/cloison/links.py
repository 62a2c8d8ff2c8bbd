"""Reads the links of a network namespace: what addresses they hold, and where they end.

Rule: all of it is asked of the kernel; no packet is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from cloison import netlink, netns

UP: Final = 0x1
LOOPBACK: Final = 0x8
"""IFF_UP and IFF_LOOPBACK of linux/if.h."""
CABLE: Final = "veth"
"""The kind of link that ends in another link, in the kernel's words."""
NOWHERE: Final = 0xFFFFFFFF
"""What the kernel says of a namespace to which no link of the asking one leads."""


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
    with netns.inside(descriptor), netlink.routes() as route:
        numbers = {number: space for space in spaces if (number := _number(route, space)) != NOWHERE}
        here = netns.identity(descriptor)
        ends = {number: netns.identity(space) for number, space in numbers.items()}
        held: dict[int, list[str]] = {}
        for message in route.get_addr():
            # On a link with two ends, `local` is ours and `address` is the other's.
            address = message.get("local") or message.get("address")
            held.setdefault(message["index"], []).append(str(address))
        return {link["index"]: _link(link, held, ends, here) for link in route.get_links()}


def _number(route: IPRoute, space: int) -> int:
    """Return by what number a namespace knows another, to which one of its links leads."""
    answer: int = route.get_netnsid(fd=space)["nsid"]
    return answer


def _link(link: dict[str, int], held: dict[int, list[str]], ends: dict[int, int], here: int) -> Link:
    number, flags = link["index"], link["flags"]
    other, space = link.get("link"), link.get("link_netnsid")
    kind = str(link.get(("linkinfo", "kind")) or "")  # type: ignore[call-overload]  # pyroute2's path of attributes
    where = here if space is None else ends.get(space)
    end = (where, other) if kind == CABLE and where is not None and other is not None else None
    return Link(
        number,
        str(link.get("ifname")),
        kind,
        bool(flags & UP),
        bool(flags & LOOPBACK),
        tuple(held.get(number, ())),
        end,
        link.get("master") or 0,
    )


def straight(descriptor: int, address: str) -> int:
    """Return the number of the link on which a namespace takes an address to be a neighbour, 0 where it does not."""
    with netns.inside(descriptor), netlink.routes() as route:
        try:
            way = next(iter(route.route("get", dst=address)))
        except (NetlinkError, StopIteration):
            return 0
    return 0 if way.get("gateway") else way.get("oif") or 0
