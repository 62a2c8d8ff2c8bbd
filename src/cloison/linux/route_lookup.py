"""Looks up routes in the calling thread's network namespace with RTM_GETROUTE, like `ip route get`.

Input: destination addresses. Output: source address, interface and gateway of each route, or the kernel's error.
Rule: no packet is sent; the kernel only evaluates its routing rules and tables.

    struct rtmsg {
        unsigned char rtm_family, rtm_dst_len, rtm_src_len, rtm_tos;
        unsigned char rtm_table, rtm_protocol, rtm_scope, rtm_type;
        unsigned      rtm_flags;
    };

Source: rtnetlink(7), linux/rtnetlink.h.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from cloison.linux import netlink
from cloison.model.flow import ip_version

RTM_NEWROUTE, RTM_GETROUTE = 24, 26
RTMSG: Final = struct.Struct("=BBBBBBBBI")
"""struct rtmsg; a request sets rtm_family and rtm_dst_len only."""
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PREFSRC, RTA_VIA = 1, 4, 5, 7, 18
"""Attributes of a route: destination, output interface, gateway, source address, gateway of the other IP version."""
FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
BATCH_SIZE: Final = 64
"""Requests that are sent before the answers are read; the receive buffer has room for so many answers."""
CACHED_BODIES: Final = 1 << 12
"""Bodies of requests that are kept: every namespace asks for the same addresses."""
RouteQuery = tuple[str, int]
"""A destination address and the ifindex to use, 0 for the kernel's choice."""


class Route(NamedTuple):
    """A route: the source address, the ifindex of the output interface, and whether a gateway is used."""

    source: str
    interface: int
    has_gateway: bool


def look_up(queries: Sequence[RouteQuery]) -> list[Route | OSError]:
    """Return the route to each address in this thread's namespace, or the error of the lookup, in the same order."""
    found: list[Route | OSError] = []
    with netlink.nl_socket() as nl_socket:
        for start in range(0, len(queries), BATCH_SIZE):
            batch = queries[start : start + BATCH_SIZE]
            requests = (
                netlink.message(RTM_GETROUTE, _body(*query), number=number) for number, query in enumerate(batch)
            )
            nl_socket.send(b"".join(requests))
            replies: dict[int, Route | OSError] = {}
            while len(replies) < len(batch):
                for head, content in netlink.read(nl_socket):
                    replies[head.number] = _parse_reply(head.kind, content)
            found += [replies[number] for number in range(len(batch))]
    return found


@lru_cache(CACHED_BODIES)
def _body(address: str, interface: int) -> bytes:
    family = FAMILIES[ip_version(address)]
    packed = socket.inet_pton(family, address)
    attrs = netlink.attribute(RTA_DST, packed) + (
        netlink.attribute(RTA_OIF, struct.pack("=I", interface)) if interface else b""
    )
    return RTMSG.pack(family, 8 * len(packed), 0, 0, 0, 0, 0, 0, 0) + attrs


def _parse_reply(kind: int, content: memoryview) -> Route | OSError:
    if kind == netlink.NLMSG_ERROR and (error := netlink.error_of(content)):
        return error
    route = _parse_route(content) if kind == RTM_NEWROUTE else None
    return route or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))


def _parse_route(content: memoryview) -> Route | None:
    """Return a route, None without a source or an interface; in one loop, because a large proof reads 50,000."""
    source, interface, has_gateway = b"", 0, False
    unpack, size = netlink.NLATTR.unpack_from, netlink.NLATTR.size
    at, last = RTMSG.size, len(content) - size
    while at <= last:
        length, kind = unpack(content, at)
        kind &= netlink.NLA_TYPE_MASK
        if kind == RTA_PREFSRC:
            source = bytes(content[at + size : at + length])
        elif kind == RTA_OIF:
            interface = int.from_bytes(content[at + size : at + length], sys.byteorder)
        elif kind in (RTA_GATEWAY, RTA_VIA):
            has_gateway = True
        at += length + 3 & ~3
    return Route(_address_text(content[0], source), interface, has_gateway) if source and interface else None


@lru_cache(CACHED_BODIES)
def _address_text(family: int, packed: bytes) -> str:
    return socket.inet_ntop(family, packed)
