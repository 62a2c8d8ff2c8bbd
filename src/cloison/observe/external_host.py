"""Makes the external host of a proof, the vantage `outside`: a network namespace that a veth pair joins to the host.

The external host stands for another machine on the LAN and for the internet. Its addresses come from TEST-NET-2
(198.51.100.0/24, RFC 5737) and from 2001:db8::/32 (RFC 3849), split into segments so that several proofs can run
at once. In a segment, address 1 is the host's, 2 the external host's, and 3 is unused: the negative control.

Output: an `ExternalHost`, removed at the end of the proof.
Rule: a segment is acquired by a lock that the kernel releases when the process ends. The process that acquires it
first removes the link that a killed proof may have left.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Final

from cloison.errors import NotProven
from cloison.linux import file_lock, netns, pyroute
from cloison.linux.pyroute import IPRoute, NetlinkError
from cloison.model.flow import ip_version

ADDRESS_RANGES: Final = (IPv4Network("198.51.100.0/24"), IPv6Network("2001:db8:c105::/48"))
PREFIX: Final = {4: 29, 6: 64}
MAX_SEGMENTS: Final = 32
LINK_PREFIX: Final = "cloison"
IFA_F_NODAD: Final = 0x02
"""IFA_F_NODAD of linux/if_addr.h: the kernel uses an IPv6 address at once, without duplicate address detection."""
DISABLE_IPV6: Final = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")
HOST_OFFSET, EXTERNAL_OFFSET, UNUSED_OFFSET = 1, 2, 3


@dataclass(frozen=True, slots=True)
class ExternalHost:
    """An external host that is joined to the host. Each field has one address for each IP version of the host."""

    descriptor: int
    """The descriptor of its network namespace."""
    addresses: tuple[str, ...]
    host_addresses: tuple[str, ...]
    """The host's addresses on the segment of the veth pair."""
    unused_addresses: tuple[str, ...]
    """Addresses of the segment that no machine has."""


def is_external_address(address: str) -> bool:
    """Whether an address belongs to the segment of an external host, this proof's or another's."""
    return any(ip_address(address) in base for base in ADDRESS_RANGES)


@contextmanager
def external_host() -> Iterator[ExternalHost]:
    """Make an external host, join it to the host, and remove it at the end.

    Raises NotProven if every segment is in use or the veth pair cannot be made.
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
    """Return the address number `at` of a segment, for each IP version of the host."""
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
    raise NotProven(f"this machine already runs {MAX_SEGMENTS} proofs; try again when one has ended")


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
        raise NotProven(f"the outside machine could not be connected to the host: {error}") from error


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
            with suppress(NetlinkError):  # the kernel has removed it with the other end meanwhile
                route.link("del", index=index)
