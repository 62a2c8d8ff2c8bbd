"""The outside machine: a namespace joined to the host by a veth pair, for the length of one proof.

It plays the neighbour on the LAN and the internet at once. Its addresses come from TEST-NET-2
(198.51.100.0/24, RFC 5737), cut into segments of eight so that several proofs can run at once; the
third address of a segment belongs to nobody and serves as the negative control.

Rule: a segment is taken by a lock that the kernel drops with the process. Whoever takes a segment
first removes what a killed proof may have left on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from cloison import locks, netns
from cloison.errors import NotProven

SEGMENT_NETWORK: Final = IPv4Network("198.51.100.0/24")
PREFIX: Final = 29
SEGMENTS: Final = 32
LINK: Final = "cloison"


@dataclass(frozen=True, slots=True)
class Outside:
    """A joined outside machine."""

    descriptor: int
    """Its network namespace."""
    address: str
    host_address: str
    """The host's address on the shared segment."""
    nobody: str
    """An address of the segment that no machine holds."""


def is_of_a_segment(address: str) -> bool:
    """Whether an address belongs to the outside segments, this proof's or another's."""
    return IPv4Address(address) in SEGMENT_NETWORK


@contextmanager
def joined() -> Iterator[Outside]:
    """Have an outside machine joined to the host.

    Raises NotProven when every segment is in use or the link cannot be made.
    """
    with _segment() as number:
        base = SEGMENT_NETWORK[0] + number * 2 ** (32 - PREFIX)
        place = Outside(netns.new(), str(base + 2), str(base + 1), str(base + 3))
        link = f"{LINK}{number}"
        try:
            _remove(link)
            _join(link, place)
            yield place
        finally:
            _remove(link)
            os.close(place.descriptor)


@contextmanager
def _segment() -> Iterator[int]:
    for number in range(SEGMENTS):
        lock = locks.take(f"segment-{number}")
        if lock is None:
            continue
        try:
            yield number
        finally:
            os.close(lock)
        return
    raise NotProven(f"{SEGMENTS} proofs are running on this machine already; try again when one has ended")


def _join(link: str, place: Outside) -> None:
    try:
        with IPRoute() as route:
            route.link("add", ifname=link, kind="veth", peer={"ifname": "eth0", "net_ns_fd": place.descriptor})
            _configure(route, link, place.host_address)
        with netns.inside(place.descriptor), IPRoute() as route:
            _configure(route, "lo")
            _configure(route, "eth0", place.address)
            route.route("add", dst="default", gateway=place.host_address)
    except NetlinkError as error:
        raise NotProven(f"the outside machine could not be joined to the host: {error}") from error


def _configure(route: IPRoute, link: str, address: str = "") -> None:
    index = route.link_lookup(ifname=link)[0]
    if address:
        route.addr("add", index=index, address=address, prefixlen=PREFIX)
    route.link("set", index=index, state="up")


def _remove(link: str) -> None:
    with IPRoute() as route:
        for index in route.link_lookup(ifname=link):
            with suppress(NetlinkError):  # it went away by itself meanwhile
                route.link("del", index=index)
