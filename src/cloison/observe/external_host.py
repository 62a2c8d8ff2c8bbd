"""The outside machine: a network namespace that a veth pair joins to the host, for the length of one proof.

Output: its namespace and addresses. It stands for a neighbour on the LAN and for the internet. Its addresses come from
TEST-NET-2 (198.51.100.0/24, RFC 5737) and 2001:db8::/32 (RFC 3849), in segments, so that several proofs can run at
once. No machine has the third address of a segment, which is the negative control.
Rule: a proof locks its segment, and the kernel drops the lock with the process. A proof removes first what a killed one
has left on the segment.
Source: veth(4)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Final

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from cloison.errors import NotProven
from cloison.linux import file_lock, netns, pyroute
from cloison.model.flow import ip_version

ADDRESS_RANGES: Final = (IPv4Network("198.51.100.0/24"), IPv6Network("2001:db8:c105::/48"))
PREFIX: Final = {4: 29, 6: 64}
MAX_SEGMENTS: Final = 32
LINK_PREFIX: Final = "cloison"
IFA_F_NODAD: Final = 0x02
"""IFA_F_NODAD (linux/if_addr.h): use an IPv6 address at once, without duplicate address detection."""
DISABLE_IPV6: Final = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")
HOST_OFFSET, EXTERNAL_OFFSET, UNUSED_OFFSET = 1, 2, 3


@dataclass(frozen=True, slots=True)
class ExternalHost:
    """A joined outside machine, with one address of each version of IP that the host has."""

    descriptor: int
    """The descriptor of its network namespace."""
    addresses: tuple[str, ...]
    host_addresses: tuple[str, ...]
    """The host's addresses on the segment."""
    unused_addresses: tuple[str, ...]
    """Addresses of the segment that no machine has."""


def is_external_address(address: str) -> bool:
    """Whether an address is on a segment of an outside machine, this proof's or another's."""
    return any(ip_address(address) in base for base in ADDRESS_RANGES)


@contextmanager
def external_host() -> Iterator[ExternalHost]:
    """Join an outside machine to the host.

    Raises NotProven when every segment is in use or the link cannot be made.
    """
    with _segment() as number:
        external = ExternalHost(
            netns.new(), *(_addresses(number, at) for at in (EXTERNAL_OFFSET, HOST_OFFSET, UNUSED_OFFSET))
        )
        link = f"{LINK_PREFIX}{number}"
        try:
            _remove(link)
            _connect(link, external)
            yield external
        finally:
            _remove(link)
            os.close(external.descriptor)


def _addresses(number: int, at: int) -> tuple[str, ...]:
    """Return an address of a segment for each version of IP that the host has."""
    speaks_ipv6 = DISABLE_IPV6.exists() and DISABLE_IPV6.read_text().strip() == "0"
    bases = ADDRESS_RANGES if speaks_ipv6 else ADDRESS_RANGES[:1]
    return tuple(str(base[number * 2 ** (base.max_prefixlen - PREFIX[base.version]) + at]) for base in bases)


@contextmanager
def _segment() -> Iterator[int]:
    for number in range(MAX_SEGMENTS):
        lock = file_lock.acquire(f"segment-{number}")
        if lock is None:
            continue
        try:
            yield number
        finally:
            os.close(lock)
        return
    raise NotProven(f"{MAX_SEGMENTS} proofs are running on this machine already; try again when one has ended")


def _connect(link: str, external: ExternalHost) -> None:
    try:
        with pyroute.iproute() as route:
            route.link("add", ifname=link, kind="veth", peer={"ifname": "eth0", "net_ns_fd": external.descriptor})
            _configure(route, link, external.host_addresses)
        with netns.inside(external.descriptor), pyroute.iproute() as route:
            _configure(route, "lo")
            _configure(route, "eth0", external.addresses)
            for gateway in external.host_addresses:
                route.route("add", dst=DEFAULT[ip_version(gateway)], gateway=gateway)
    except NetlinkError as error:
        raise NotProven(f"the outside machine could not be joined to the host: {error}") from error


DEFAULT: Final = {4: "0.0.0.0/0", 6: "::/0"}


def _configure(route: IPRoute, link: str, addresses: tuple[str, ...] = ()) -> None:
    index = route.link_lookup(ifname=link)[0]
    for address in addresses:
        version = ip_version(address)
        flags = {"flags": IFA_F_NODAD} if version == 6 else {}  # noqa: PLR2004  # of IP
        route.addr("add", index=index, address=address, prefixlen=PREFIX[version], **flags)
    route.link("set", index=index, state="up")


def _remove(link: str) -> None:
    with pyroute.iproute() as route:
        for index in route.link_lookup(ifname=link):
            with suppress(NetlinkError):  # it has been removed meanwhile
                route.link("del", index=index)
