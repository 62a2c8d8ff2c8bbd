"""Reads the attachments of places to networks, and single flows with their two ends, from a proof or a plan.

Input: the document, as JSON or as the prober's structs. Output: `Attachments` and `ResolvedFlow`, from which `advice`
chooses a remedy.
Rule: nothing here judges a flow; the document has the judgements. A part that is JSON is read through its attributes
like a struct, so the ledger and the command give the same advice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

ENGINE: Final = ""
"""The origin of a vantage that the engine knows."""
OPTIONAL: Final = {"origin": ENGINE, "via": ""}
"""The members that a vantage of a JSON document may lack, with their defaults."""
IPV6: Final = 6


def ip_version(address: str) -> int:
    """Return the version of IP of an address: 4 or 6."""
    return IPV6 if ":" in address else 4


@dataclass(frozen=True, slots=True)
class ResolvedFlow:
    """One flow of the document with its two ends; each has the members of the document as attributes."""

    flow: Any
    source: Any
    target: Any


def resolve(document: Any, position: int) -> ResolvedFlow:
    """Return the flow at a position of a document with its ends."""
    flow = part(member(document, "flows")[position])
    source, target = member(document, "vantages")[flow.vantage], member(document, "endpoints")[flow.endpoint]
    return ResolvedFlow(flow, part(source), part(target))


def member(document: Any, name: str) -> Any:
    """Return a member of a document, whether it is JSON or a struct; nothing where a JSON document lacks it."""
    return document.get(name) or () if isinstance(document, Mapping) else getattr(document, name)


def part(found: Any) -> Any:
    """Return a part of a document with its members as attributes."""
    return SimpleNamespace(**OPTIONAL | dict(found)) if isinstance(found, Mapping) else found


@dataclass(frozen=True, slots=True)
class Attachments:
    """The attachments of places to networks, as the file declares them and as the engine has them."""

    networks: dict[str, Any]
    declared: dict[str, frozenset[str]]
    """Service to the engine names of its networks in the file."""
    attached: dict[str, frozenset[str]]
    """Container to the engine names of the networks on which it has an address."""
    network_ip_versions: dict[str, frozenset[int]]
    """Network to the versions of IP in which a container has an address on it."""
    members: dict[str, str] = field(default_factory=dict)
    """Member of a network that the engine does not know, to the port of the host's bridge, or empty without one."""

    def label(self, network: str) -> str:
        """Return the file's name of a network where it has one."""
        known = self.networks.get(network)
        return known.key if known and known.key else network

    def is_declared(self, place: str, network: str) -> bool:
        """Whether the file attaches a service to a network."""
        return network in self.declared.get(place, frozenset())

    def undeclared_networks(self, place: str, container: str) -> list[str]:
        """Return the networks to which a container is attached although the file does not attach its service."""
        return sorted(self.attached.get(container, frozenset()) - self.declared.get(place, frozenset()))

    def non_internal_networks(self, place: str) -> list[str]:
        """Return the networks of a service in the file that are not internal at the engine."""
        attached_networks = sorted(self.declared.get(place, frozenset()))
        return [name for name in attached_networks if name in self.networks and not self.networks[name].internal]


def read_attachments(document: Any) -> Attachments:
    """Return the attachments of a proof."""
    return attachments_of(member(document, "project"), member(document, "endpoints"), member(document, "vantages"))


def attachments_of(project: Any, endpoints: Iterable[Any], vantages: Iterable[Any] = ()) -> Attachments:
    """Return the attachments of a project and the endpoints of its document."""
    attached: dict[str, set[str]] = {}
    network_ip_versions: dict[str, set[int]] = {}
    for end in map(part, endpoints):
        if end.container and end.network and end.address:
            attached.setdefault(end.container, set()).add(end.network)
            network_ip_versions.setdefault(end.network, set()).add(ip_version(end.address))
    starts = map(part, vantages)
    return Attachments(
        networks={network.name: network for network in map(part, member(project, "networks"))},
        declared={service.name: frozenset(service.networks) for service in map(part, member(project, "services"))},
        attached={container: frozenset(attached_networks) for container, attached_networks in attached.items()},
        network_ip_versions={network: frozenset(versions) for network, versions in network_ip_versions.items()},
        members={start.container: start.via for start in starts if start.origin != ENGINE},
    )


def over_ipv6(_attachments: Attachments, item: ResolvedFlow) -> bool:
    """Whether a flow ends at an IPv6 address."""
    return ip_version(item.target.address) == IPV6
