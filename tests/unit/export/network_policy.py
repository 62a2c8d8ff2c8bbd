"""What a set of NetworkPolicy objects lets pass, written from the documentation of Kubernetes alone.

Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any


@dataclass(frozen=True)
class Peer:
    """One end: a pod with its labels and address, or another machine without labels."""

    address: str
    labels: Mapping[str, str] = field(default_factory=dict)
    is_pod: bool = True


def is_open(objects: Iterable[Mapping[str, Any]], source: Peer, target: Peer, port: tuple[str, int]) -> bool:
    """Whether a connection to a protocol and a port is allowed at both of its ends."""
    specs = [found["spec"] for found in objects]
    leaves = _is_allowed(_rules(specs, source, "Egress"), "to", target, port)
    return leaves and _is_allowed(_rules(specs, target, "Ingress"), "from", source, port)


def _rules(specs: Iterable[Any], pod: Peer, kind: str) -> list[Any] | None:
    """Return the rules for a pod in one direction, which add up; None where no policy of the direction selects it."""
    selecting = [spec for spec in specs if pod.is_pod and kind in spec["policyTypes"] and _selects(spec, pod)]
    return [rule for spec in selecting for rule in spec.get(kind.lower(), [])] if selecting else None


def _is_allowed(rules: list[Any] | None, side: str, other: Peer, port: tuple[str, int]) -> bool:
    if rules is None:
        return True
    return any(_is_peer(rule.get(side), other) and _is_port(rule.get("ports"), *port) for rule in rules)


def _selects(holder: Mapping[str, Any], pod: Peer) -> bool:
    wanted: Mapping[str, str] = holder["podSelector"].get("matchLabels", {})
    return wanted.items() <= pod.labels.items()


def _is_peer(peers: Any, other: Peer) -> bool:
    return not peers or any(
        _is_in(peer["ipBlock"], other.address)
        if "ipBlock" in peer
        else "namespaceSelector" not in peer and other.is_pod and _selects(peer, other)
        for peer in peers
    )


def _is_in(block: Mapping[str, Any], text: str) -> bool:
    address = ip_address(text)
    excepted = any(address in ip_network(cidr) for cidr in block.get("except", []))
    return address in ip_network(block["cidr"]) and not excepted


def _is_port(ports: Any, protocol: str, port: int) -> bool:
    return not ports or any(
        held["protocol"].lower() == protocol and held["port"] <= port <= held.get("endPort", held["port"])
        for held in ports
    )
