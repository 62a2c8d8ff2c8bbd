"""Says of which part of a door something is true: over one version of IP only, over one protocol only.

Rule: a hole that is open over IPv6 alone or over UDP alone is named as such wherever it is shown. What
a place could never do (it has no IPv6 address) is no limit of its doors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cloison.model.flow import HOST, OUTSIDE, Protocol, ip_version
from cloison.reports.topology import ResolvedFlow, Topology

ProtocolVersion = tuple[str, int]
"""A protocol and a version of IP."""
ONLY: Final = " only"
COMMON: Final = frozenset({Protocol.TCP, 4})
MIXED: Final = "part"
"""What stands in the matrix where a limit has no short name."""


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """The ways for which something is true, in words for a sentence and for a cell; both are empty for all of them."""

    words: str = ""
    suffix: str = ""


FULL_SCOPE: Final = Scope()


def protocol_versions(topology: Topology, flows: Iterable[ResolvedFlow]) -> set[ProtocolVersion]:
    """Return the ways of flows, without those that their sources do not have."""
    found = [(item, ip_version(item.target.address)) for item in flows if item.target.address]
    return {(item.target.protocol, version) for item, version in found if version in _ip_versions(topology, item)}


def _ip_versions(topology: Topology, item: ResolvedFlow) -> frozenset[int]:
    """Return the versions of IP that a source has; of one without any address it is not asked."""
    if item.source.place in (HOST, OUTSIDE):
        return frozenset({4, 6})
    return topology.ip_versions.get(item.source.container, frozenset({4, 6}))


def scope(
    topology: Topology, part: Sequence[ResolvedFlow], alike: Sequence[ResolvedFlow], whole: Sequence[ResolvedFlow]
) -> Scope:
    """Return the limit of a `part` of a `whole` door; `alike` are its flows of the same word, whatever the cause.

    It is said to be alone where the rest of the door has another word. Where it has not, it is another
    finding's, and TCP and IPv4 need no mention.
    """
    covered, all_pairs = protocol_versions(topology, part), protocol_versions(topology, whole)
    if not covered or covered == all_pairs:
        return FULL_SCOPE
    protocols, versions = {protocol for protocol, _ in covered}, {version for _, version in covered}
    all_protocols, all_versions = ({pair[i] for pair in all_pairs} for i in (0, 1))
    if covered != {pair for pair in all_pairs if pair[0] in protocols and pair[1] in versions}:
        words, suffix = f" over {' and '.join(_describe_pair(*pair) for pair in sorted(covered))}", f"/{MIXED}"
    else:
        few = [*(protocols if protocols < all_protocols else ()), *(versions if versions < all_versions else ())]
        words, suffix = (
            f" over {' '.join(map(_protocol_name, few))}",
            "".join(f"/{_protocol_suffix(item)}" for item in few),
        )
        if covered != protocol_versions(topology, alike) and COMMON.issuperset(few):
            return Scope("", suffix)
    return Scope(words + (ONLY if covered == protocol_versions(topology, alike) else ""), suffix)


def _describe_pair(protocol: str, version: int) -> str:
    return f"{_protocol_name(protocol)} {_protocol_name(version)}"


def _protocol_name(item: str | int) -> str:
    return item.upper() if isinstance(item, str) else f"IPv{item}"


def _protocol_suffix(item: str | int) -> str:
    return item if isinstance(item, str) else f"v{item}"


def over_ipv6(_scene: Topology, item: ResolvedFlow) -> bool:
    """Whether a flow goes to an IPv6 address."""
    return ip_version(item.target.address) == 6  # noqa: PLR2004  # of IP


def over_unfiltered_ipv6(topology: Topology, item: ResolvedFlow) -> bool:
    """Whether it goes to one, and its source has networks with IPv6 of which none leads out."""
    spoken = {*topology.ipv6_networks(item.source.place)}
    return (
        over_ipv6(topology, item)
        and bool(spoken)
        and spoken.isdisjoint(topology.non_internal_networks(item.source.place))
    )
