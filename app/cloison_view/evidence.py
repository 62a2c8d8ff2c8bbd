"""Lists the evidence of every pair of places: ports, intended, predicted and observed reach, rule, reason, addresses.

Input: a proof document and its `Summary`. Output: markup with one section a source.
Rule: flows of one pair with the same state, cause and rule are one entry. Sentences that differ only in their addresses
are shown once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from markupsafe import Markup

from cloison_view.connections import WORST_FIRST, Document
from cloison_view.labels import ACTIONABLE, join_names, pluralize
from cloison_view.markup import Anchors, render_template
from cloison_view.ports import sorted_ports
from cloison_view.summary import Connection, Summary, summarize

GROUP_KEYS: Final = ("intended", "intended_by", "predicted", "observed", "judgement", "cause", "drift", "rule")
"""The members that the flows of one entry have in common."""
MAX_PORTS: Final = 8
"""An entry names this many ports; the rest is counted."""
MAX_SENTENCES: Final = 6
"""An entry shows this many sentences; the rest is counted."""


@dataclass(frozen=True, slots=True)
class EvidenceEntry:
    """Flows of one pair that are the same but for their addresses."""

    ports: str
    flow: dict[str, Any]
    """The first of them."""
    reasons: tuple[str, ...]
    addresses: tuple[str, ...]
    """For each outcome, the addresses."""


@dataclass(frozen=True, slots=True)
class PlacePair:
    """The evidence from one place to another, the worst first."""

    anchor: str
    target: str
    entries: tuple[EvidenceEntry, ...]

    @property
    def needs_action(self) -> bool:
        """Whether one of its entries needs action."""
        return any(entry.flow["judgement"] in ACTIONABLE for entry in self.entries)


@dataclass(frozen=True, slots=True)
class SourceEvidence:
    """The evidence of the flows from one place."""

    anchor: str
    source: str
    pairs: tuple[PlacePair, ...]
    controls: tuple[str, ...]
    """Why the controls of its vantages failed."""

    @property
    def summary(self) -> str:
        """The number of targets, and of those that need action."""
        acted_on = sum(pair.needs_action for pair in self.pairs)
        counted = [
            pluralize(len(self.pairs), "target"),
            *([f"{acted_on} need action" if acted_on > 1 else "1 needs action"] if acted_on else []),
        ]
        return ", ".join(counted)

    @property
    def needs_action(self) -> bool:
        """Whether one of its pairs needs action."""
        return any(pair.needs_action for pair in self.pairs)


def evidence(proof: Document, summary: Summary | None = None) -> Markup:
    """Return all evidence as markup; the summary is made from the proof where none is given."""
    return render_template(
        "evidence.html",
        evidence_by_source=evidence_by_source(proof, (summary or summarize(proof)).connections),
        is_open=False,
    )


def evidence_from(proof: Document, number: int) -> tuple[str, Markup]:
    """Return a source and its evidence as markup, without a look at the flows of the others.

    `number` is the position of the source in `Anchors`; a LookupError where there is none.
    """
    source = Anchors(proof).places[number] if number >= 0 else ""
    starts = {position for position, start in enumerate(proof["vantages"]) if start["place"] == source}
    part = {**proof, "flows": [flow for flow in proof["flows"] if flow["vantage"] in starts]}
    found = evidence_by_source(part, summarize(part).connections)
    return source, render_template("evidence.html", evidence_by_source=[found[number]], is_open=True)


def evidence_by_source(proof: Document, gathered: Iterable[Connection]) -> list[SourceEvidence]:
    """Return the evidence of every place of the proof, in the order of places."""
    anchors = Anchors(proof)
    rank = {place: position for position, place in enumerate(anchors.places)}
    multi_container_places = _replicated(proof)
    pairs: dict[str, list[PlacePair]] = {place: [] for place in anchors.places}
    for (source, target), group in groupby(gathered, key=attrgetter("source", "target")):
        entries = _entries(proof, list(group), with_container=source in multi_container_places)
        pairs[source].append(PlacePair(anchors.pair(source, target), target, entries))
    return [
        SourceEvidence(
            anchors.place(place),
            place,
            tuple(sorted(found, key=lambda pair: (not pair.needs_action, rank[pair.target]))),
            tuple(_controls(proof, place)),
        )
        for place, found in pairs.items()
    ]


def _replicated(proof: Document) -> frozenset[str]:
    """Return the places with several vantages."""
    names = Counter(part["place"] for part in proof["vantages"])
    return frozenset(name for name, number in names.items() if number > 1)


def _controls(proof: Document, place: str) -> Iterable[str]:
    for part in proof["vantages"]:
        failed = part["positive_control"] or part["negative_control"]
        if part["place"] == place and failed:
            yield f"{part['container'] or place}: {failed}"


def _entries(proof: Document, gathered: Sequence[Connection], *, with_container: bool) -> tuple[EvidenceEntry, ...]:
    kinds: dict[tuple[Any, ...], list[tuple[Connection, dict[str, Any]]]] = {}
    for connection in gathered:
        for position in connection.flows:
            flow = proof["flows"][position]
            kinds.setdefault(tuple(flow[name] for name in GROUP_KEYS), []).append((connection, flow))
    found = (_entry(proof, alike, with_container=with_container) for alike in kinds.values())
    return tuple(sorted(found, key=lambda entry: WORST_FIRST.index(entry.flow["judgement"])))


def _entry(proof: Document, alike: list[tuple[Connection, dict[str, Any]]], *, with_container: bool) -> EvidenceEntry:
    flows = [flow for _, flow in alike]
    ends = sorted_ports(connection.end for connection, _ in alike)
    return EvidenceEntry(
        ports=join_names([end.port_words for end in ends], MAX_PORTS),
        flow=flows[0],
        reasons=_reasons(proof, flows),
        addresses=_addresses(proof, flows, with_container=with_container),
    )


def _reasons(proof: Document, flows: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """Return the sentences that differ in more than an address, the first of each kind."""
    first_reasons: dict[str, list[str]] = {}
    for flow in flows:
        end = proof["endpoints"][flow["endpoint"]]
        first_reasons.setdefault(_without_address(flow["reason"], end), []).append(flow["reason"])
    said = [
        reasons[0] + (f" ({len(set(reasons)) - 1} more alike)" if len(set(reasons)) > 1 else "")
        for reasons in first_reasons.values()
    ]
    rest = [f"and {pluralize(len(said) - MAX_SENTENCES, 'sentence')} more"] if len(said) > MAX_SENTENCES else []
    return (*said[:MAX_SENTENCES], *rest)


def _without_address(sentence: str, end: dict[str, Any]) -> str:
    """Return a sentence without the words that depend on the address."""
    for own in (end["address"], end["container"], f"port {end['port']} ", "the canary ", "SYN", "datagram"):
        sentence = sentence.replace(own, "") if own else sentence
    return sentence


def _addresses(proof: Document, flows: Iterable[dict[str, Any]], *, with_container: bool) -> tuple[str, ...]:
    met: dict[str, dict[str, None]] = {}
    for flow in flows:
        end = proof["endpoints"][flow["endpoint"]]
        start = proof["vantages"][flow["vantage"]]["container"] if with_container else ""
        said = f"{flow['outcome']}{f' from {start}' if start else ''}"
        met.setdefault(said, {})[_address(end)] = None
    return tuple(f"{said}: {', '.join(addresses)}" for said, addresses in met.items())


def _address(end: dict[str, Any]) -> str:
    """Return an address; with its port where that is not the service's own."""
    if end["port"] == end["service_port"]:
        return end["address"] or "no address"
    return f"{end['address'] or 'no address'} port {end['port']}"
