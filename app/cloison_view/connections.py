"""Gathers the flows of a proof document into connections: one place, one port of another, whatever the address.

Rule: a connection is as bad as its worst flow and as open as its most open one. Port 0 is a canary's and stands for any
other port, once for each protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

Document = Mapping[str, Any]
"""A proof document as JSON gives it: docs/proof.schema.json."""
Key = tuple[str, str, str, int]
"""Source, target, protocol, port."""

OPEN: Final = "open"
SHUT: Final = "shut"
UNKNOWN: Final = "unknown"

WORST_FIRST: Final = ("breach", "broken", "unknown", "tolerated", "unjudged", "holds")
INTENDED: Final = ("open", "tolerated", "optional", "unjudged", "undecided", "shut")
"""The most open first."""
REACH: Final = (OPEN, UNKNOWN, SHUT)
"""The most open first: what is not known may be open."""


@dataclass(frozen=True, slots=True, order=True)
class ProofConnection:
    """What one place can do at one port of another: three matrices, one word."""

    source: str
    target: str
    protocol: str
    port: int
    intended: str
    predicted: str
    observed: str
    judgement: str
    drift: bool
    flows: tuple[int, ...]
    """Positions in the document's `flows`."""

    @property
    def key(self) -> Key:
        """What makes it the same connection in another proof."""
        return self.source, self.target, self.protocol, self.port

    @property
    def state(self) -> tuple[str, str, str, str, bool]:
        """What two proofs may differ in."""
        return self.intended, self.predicted, self.observed, self.judgement, self.drift


def connections(proof: Document) -> tuple[ProofConnection, ...]:
    """Return the connections that a proof speaks of, sorted."""
    vantages, endpoints, flows = proof["vantages"], proof["endpoints"], proof["flows"]
    found: dict[Key, list[int]] = {}
    for position, flow in enumerate(flows):
        end = endpoints[flow["endpoint"]]
        key = vantages[flow["vantage"]]["place"], end["place"], end["protocol"], end["service_port"]
        found.setdefault(key, []).append(position)
    return tuple(_connection(key, found[key], flows) for key in sorted(found))


def _connection(key: Key, positions: list[int], flows: list[Mapping[str, Any]]) -> ProofConnection:
    gathered = [flows[position] for position in positions]
    return ProofConnection(
        *key,
        intended=first_in_order(INTENDED, (flow["intended"] for flow in gathered)),
        predicted=first_in_order(REACH, (flow["predicted"] for flow in gathered)),
        observed=first_in_order(REACH, (flow["observed"] for flow in gathered)),
        judgement=first_in_order(WORST_FIRST, (flow["judgement"] for flow in gathered)),
        drift=any(flow["drift"] for flow in gathered),
        flows=tuple(positions),
    )


def first_in_order(order: tuple[str, ...], words: Iterable[str]) -> str:
    """Return which of the words comes first in an order."""
    return min({*words}, key=order.index)  # flows of one connection nearly always say the same
