"""Which connections that exist already the policy allows: a policy that was tightened cuts the others.

Input: the openings, and connections as the kernel tracks them. Output: whether each may go on.
Rule: a connection is named by the address that began it and by the address and port after translation, as the
packet filter sees it.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from cloison.enforce.layout import BridgePort, Layout
from cloison.enforce.openings import Opening

ANY = ""


class AllowedConnections:
    """Answers for one layout and its openings."""

    def __init__(self, layout: Layout, openings: Iterable[Opening]) -> None:
        self._subnets = [ip_network(text, strict=False) for bridge in layout.bridges for text in bridge.subnets]
        self._own = {address: False for bridge in layout.bridges for address in bridge.host_addresses}
        self._spans: dict[tuple[str, str], list[tuple[str, int, int]]] = {}
        for opening in openings:
            last = opening.last_port or opening.port
            for source in _addresses(opening.source):
                for target in _addresses(opening.target):
                    self._spans.setdefault((source, target), []).append((opening.protocol, opening.port, last))

    def has(self, protocol: str, source: str, target: str, port: int) -> bool:
        """Whether a connection may go on: the policy allows it, or neither end is on the project's networks."""
        if not (self._is_own(source) or self._is_own(target)):
            return True
        ends = (source if self._is_own(source) else ANY, target if self._is_own(target) else ANY)
        return any(
            not allowed or (allowed == protocol and first <= port <= last)
            for allowed, first, last in self._spans.get(ends, ())
        )

    def _is_own(self, address: str) -> bool:
        known = self._own.get(address)
        if known is None:
            found = ip_address(address)
            known = self._own[address] = any(
                found.version == subnet.version and found in subnet for subnet in self._subnets
            )
        return known


def _addresses(port: BridgePort | None) -> tuple[str, ...]:
    return port.addresses if port else (ANY,)
