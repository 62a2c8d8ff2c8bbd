"""Conditions of a packet and translations of its destination, whichever backend of the kernel has the rule.

Output: frozen values. Rule: conditions are an upper bound: a packet outside them is never translated, one inside them
may be. What is not understood leaves them as they are, so it widens them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Final

Interval = tuple[int, int]
Intervals = tuple[Interval, ...]
"""Numbers from the first to the last, both included."""
BITS: Final = {4: 32, 6: 128}
VERSIONS: Final = frozenset(BITS)
NFPROTO: Final = {2: 4, 10: 6}
"""Versions of IP by NFPROTO_IPV4 and NFPROTO_IPV6."""


def every(bits: int) -> Intervals:
    """Return the interval of all numbers with so many bits."""
    return ((0, (1 << bits) - 1),)


def common(one: Intervals, other: Intervals) -> Intervals:
    """Return the numbers that are in both."""
    pairs = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return tuple(sorted({(low, high) for low, high in pairs if low <= high}))


def contains(intervals: Iterable[Interval] | None, number: int) -> bool:
    """Whether a number is in one of the intervals; None contains every number."""
    return intervals is None or any(low <= number <= high for low, high in intervals)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The packets that a rule may match. None means every one; addresses have one version of IP."""

    versions: frozenset[int] = VERSIONS
    protocols: Intervals | None = None
    addresses: Intervals | None = None
    ports: Intervals | None = None

    def with_versions(self, versions: Collection[int]) -> Conditions | None:
        """Return the conditions for some versions of IP only, None if no packet is left."""
        left = self.versions & {*versions}
        return replace(self, versions=left) if left else None

    def with_protocols(self, protocols: Intervals) -> Conditions | None:
        """Return the conditions for some transport protocols only, None if no packet is left."""
        left = protocols if self.protocols is None else common(self.protocols, protocols)
        return replace(self, protocols=left) if left else None

    def with_addresses(self, addresses: Intervals) -> Conditions | None:
        """Return the conditions for some destination addresses only, None if no packet is left."""
        left = addresses if self.addresses is None else common(self.addresses, addresses)
        return replace(self, addresses=left) if left else None

    def with_ports(self, ports: Intervals) -> Conditions | None:
        """Return the conditions for some destination ports only, None if no packet is left."""
        left = ports if self.ports is None else common(self.ports, ports)
        return replace(self, ports=left) if left else None

    def matches_address(self, address: str) -> bool:
        """Whether a packet to an address may match."""
        parsed = ip_address(address)
        return parsed.version in self.versions and contains(self.addresses, int(parsed))


@dataclass(frozen=True, slots=True)
class Target:
    """The destination that a packet gets: None leaves the address, the port, as it is.

    `is_local` is a redirect to the namespace itself, whatever the address was.
    """

    addresses: Interval | None = None
    ports: Interval | None = None
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class Translation:
    """A rule that may translate the destination of packets, and the name of its chain.

    `is_output` is a translation of packets that the namespace itself sends, and of no others.
    """

    conditions: Conditions
    target: Target
    chain: str
    is_output: bool = False


@dataclass(slots=True)
class Translations:
    """The translations of one namespace, and sentences about rules that were not understood."""

    found: list[Translation] = field(default_factory=list)
    not_understood: list[str] = field(default_factory=list)
