"""Reads the default routes of the calling thread's network namespace: a dump of RTM_GETROUTE.

Output: the interfaces of the default routes that the kernel may use, by the version of IP.
Rule: of the default routes in the main table only those with the lowest metric count; the others wait behind them.
Source: rtnetlink(7), linux/rtnetlink.h, fib_select_default in net/ipv4/fib_semantics.c.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

from cloison.linux import netlink
from cloison.linux.route_lookup import FAMILIES, RTA_OIF, RTM_GETROUTE, RTM_NEWROUTE, RTMSG

RT_TABLE_MAIN: Final = 254
RTN_UNICAST: Final = 1
RTA_PRIORITY, RTA_MULTIPATH = 6, 9
RTNH_INDEX: Final = slice(4, 8)
"""The place of rtnh_ifindex in struct rtnexthop { unsigned short rtnh_len; unsigned char rtnh_flags, rtnh_hops; int
rtnh_ifindex; }."""


class DefaultRoute(NamedTuple):
    """A default route: its metric, and the ifindex of its output interface."""

    metric: int
    interface: int


def read(version: int) -> list[int]:
    """Return the ifindexes of the default routes with the lowest metric, each once, in the kernel's order.

    Raises OSError when the kernel refuses.
    """
    with netlink.nl_socket() as nl_socket:
        request = RTMSG.pack(FAMILIES[version], 0, 0, 0, 0, 0, 0, 0, 0)
        found = [
            route for kind, body in netlink.dump(nl_socket, RTM_GETROUTE, request) for route in _routes(kind, body)
        ]
    lowest = min((route.metric for route in found), default=0)
    return [*dict.fromkeys(route.interface for route in found if route.metric == lowest)]


def _routes(kind: int, body: memoryview) -> Iterator[DefaultRoute]:
    """Yield the default routes of a message: one for each next hop."""
    _, length, _, _, table, _, _, route_type, _ = RTMSG.unpack_from(body)
    if kind != RTM_NEWROUTE or length or (table, route_type) != (RT_TABLE_MAIN, RTN_UNICAST):
        return
    attrs = dict(netlink.attributes(body, RTMSG.size))
    metric = _number(attrs.get(RTA_PRIORITY))
    if RTA_OIF in attrs:
        yield DefaultRoute(metric, _number(attrs[RTA_OIF]))
    yield from (DefaultRoute(metric, index) for index in _next_hops(attrs.get(RTA_MULTIPATH, memoryview(b""))))


def _next_hops(hops: memoryview) -> Iterator[int]:
    while hops:
        length = _number(hops[:2])
        yield _number(hops[RTNH_INDEX])
        hops = hops[max(length, RTNH_INDEX.stop) :]


def _number(value: memoryview | None) -> int:
    return int.from_bytes(value or b"", sys.byteorder)
