"""The flows of a document by what makes them the same flow in another document.

Input: a proof or a plan, with the ranges of both. Output: `FlowKey` to `FlowState`.
Rules: positions, containers and addresses are no part of a key, because an engine chooses them anew. Several flows with
one key, such as those of replicas, have the worst state of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from cloison.diff.alike import Expand
from cloison.plan.schema import Plan
from cloison.proof.schema import Proof
from cloison.verdict.judge import Judgement
from cloison_view.connections import INTENDED, REACH, WORST_FIRST, first_in_order
from cloison_view.records import Records

Document = Proof | Plan
LAST_PORT: Final = 65_535


class FlowKey(NamedTuple):
    """What makes it the same flow: source, target, protocol, ports, network and version of IP."""

    source: str
    target: str
    protocol: str
    port: int
    last_port: int
    """Of a range; 0 for a single port."""
    network: str
    ip: int

    @property
    def any_other_port(self) -> FlowKey:
        """The key of the canary that stands for this port where no flow has it."""
        return self._replace(port=0, last_port=0)


class FlowState(NamedTuple):
    """The members that are compared, and the reason of the flow that has the judgement."""

    intended: str
    reach: str
    judgement: str
    reason: str

    @property
    def compared(self) -> tuple[str, str, str]:
        """The state without the reason, which names addresses."""
        return self[:3]


Cuts = Mapping[tuple[str, str], list[int]]
"""Target and protocol to the first ports of the pieces into which the ranges of both documents are cut."""


def cuts(*documents: Document) -> Cuts:
    """Return where ranges have to be cut, so that a piece of one document is a piece of the other."""
    found: dict[tuple[str, str], set[int]] = {}
    for document in documents:
        for end in document.endpoints:
            if end.service_port:
                last = getattr(end, "last_port", 0) or end.service_port
                found.setdefault((end.place, end.protocol), set()).update((end.service_port, last + 1))
    return {key: sorted(ports) for key, ports in found.items()}


def flow_states(document: Document, records: Records, cut: Cuts, expand: Expand) -> dict[FlowKey, FlowState]:
    """Return the state of every flow by its key."""
    found: dict[FlowKey, FlowState] = {}
    labels = {name: key or name for name, key in records.network_labels.items()}
    for position, (vantage, endpoint, state) in enumerate(records.states()):
        source, end = records.vantages[vantage].place, records.endpoints[endpoint]
        now = FlowState(state.intended, state.observed, state.judgement, document.flows[position].reason)
        network = labels.get(end.network, end.network)
        ip = end.ip_version if end.address else 0
        for first, last in _pieces(end.service_port, end.last_port, cut.get((end.place, end.protocol), [])):
            for start, target in expand(source, end.place):
                key = FlowKey(start, target, end.protocol, first, last, network, ip)
                known = found.get(key)
                found[key] = _worst(known, now) if known else now
    return found


def _pieces(first: int, last: int, starts: list[int]) -> Iterator[tuple[int, int]]:
    """Yield a port, or the pieces of a range as pairs of the first and the last port."""
    if not last:
        yield first, 0
        return
    inner = starts[bisect_right(starts, first) : bisect_left(starts, last + 1)]
    for start, following in zip([first, *inner], [*inner, last + 1], strict=True):
        yield start, following - 1 if following - 1 > start else 0


def _worst(one: FlowState, other: FlowState) -> FlowState:
    judgement = first_in_order(WORST_FIRST, (one.judgement, other.judgement))
    return FlowState(
        first_in_order(INTENDED, (one.intended, other.intended)),
        first_in_order(REACH, (one.reach, other.reach)),
        judgement,
        min((state.reason for state in (one, other) if state.judgement == judgement), default=one.reason),
    )


def is_worse(old: FlowState | None, new: FlowState | None, worse: tuple[Judgement, ...]) -> bool:
    """Return whether a flow has one of these judgements now, and had another one or was not there."""
    return new is not None and new.judgement in worse and (old is None or old.judgement != new.judgement)
