"""Folds the flows of a proof into connections: one place, one port of another, whatever the address and the container.

Input: a proof or a plan. Output: `ProofConnection`, one for each protocol: the key and the state that the ledger keeps.
`cloison_view.summary` folds the canaries of TCP and UDP of these into one connection for people.
Rule: a connection is as bad as its worst flow and as open as its most open one. Port 0 is a canary's and stands for any
other port, once for each protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloison_view.records import Records, State, read_records

Document = Mapping[str, Any]
"""A proof document as JSON gives it: docs/proof.schema.json."""
Key = tuple[str, str, str, int]
"""Source, target, protocol, port."""
StatePositions = dict[State, list[int]]
"""The positions of flows in the document by their state."""

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
    """A connection over one protocol: intended, predicted, observed, and one judgement."""

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
        """The members in which two proofs may differ."""
        return self.intended, self.predicted, self.observed, self.judgement, self.drift


def connections(proof: Document) -> tuple[ProofConnection, ...]:
    """Return the connections of a proof, sorted by their keys."""
    found = gather(read_records(proof))
    return tuple(_connection(key, found[key]) for key in sorted(found))


def _connection(key: Key, states: StatePositions) -> ProofConnection:
    intended, predicted, observed, judgement, drift = worst_state(states)
    return ProofConnection(*key, intended, predicted, observed, judgement, drift, positions(states))


def gather(records: Records) -> dict[Key, StatePositions]:
    """Return the positions of all flows by connection and state."""
    sources = [start.place for start in records.vantages]
    targets = [(end.place, end.protocol, end.service_port) for end in records.endpoints]
    found: dict[Key, StatePositions] = {}
    for position, (vantage, endpoint, state) in enumerate(records.states()):
        held = found.setdefault((sources[vantage], *targets[endpoint]), {})
        if state in held:
            held[state].append(position)
        else:
            held[state] = [position]
    return found


def worst_state(states: Iterable[State]) -> State:
    """Return the state of a connection whose flows have these: the most open, the worst, with any drift."""
    found = list(states)
    if len(found) == 1:
        return found[0]
    return State(
        intended=first_in_order(INTENDED, (state.intended for state in found)),
        predicted=first_in_order(REACH, (state.predicted for state in found)),
        observed=first_in_order(REACH, (state.observed for state in found)),
        judgement=first_in_order(WORST_FIRST, (state.judgement for state in found)),
        drift=any(state.drift for state in found),
    )


def positions(states: StatePositions) -> tuple[int, ...]:
    """Return the positions of all flows, in the document's order."""
    return tuple(sorted(position for held in states.values() for position in held))


def first_in_order(order: tuple[str, ...], words: Iterable[str]) -> str:
    """Return which of the words comes first in an order."""
    return min(words, key=order.index)
