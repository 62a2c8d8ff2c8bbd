"""Derives the verdict of a proof or a plan from its flows, its policy and its coverage.

Input: the document, as a mapping of its JSON members or as the prober's structs. Output: a `Verdict`, and the first
contradiction inside the document as a sentence.
Rule: the verdict that a document states is not evidence. Every reader (report, ledger, badge) derives it, and refuses a
document that states another one. In a plan the prediction takes the place of the observation.
Source: docs/proof.md publishes the same rule as a function and as a line of jq; a test runs both on all sample proofs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple

PROVEN: Final = "proven"
DRAWN: Final = "drawn"
BREACHED: Final = "breached"
UNPROVEN: Final = "unproven"
EXIT_CODES: Final = {PROVEN: 0, DRAWN: 0, BREACHED: 1, UNPROVEN: 3}
PLAN_WORDS: Final = {PROVEN: "sound", DRAWN: "drawn", BREACHED: "breached", UNPROVEN: "undecided"}
"""The words of a plan, by those of a proof."""

JUDGEMENTS: Final[Mapping[tuple[str, str], str]] = {
    ("open", "open"): "holds",
    ("open", "shut"): "broken",
    ("shut", "shut"): "holds",
    ("shut", "open"): "breach",
    ("tolerated", "open"): "tolerated",
    ("tolerated", "shut"): "holds",
    ("optional", "open"): "holds",
    ("optional", "shut"): "holds",
    ("unjudged", "open"): "unjudged",
    ("unjudged", "shut"): "unjudged",
}
"""(intended, observed) → judgement; every other pair is unknown."""
UNKNOWN: Final = "unknown"
WRONG: Final = frozenset({"breach", "broken"})
"""The judgements that make a verdict `breached`."""
CAUSES: Final = {"open": "file", "shut": "drift"}
"""The cause of a breach by its prediction; none where the prediction is unknown."""
COMPLETED: Final = "it has completed"
"""The one reason to skip a service that leaves a proof complete: it ran, ended, and nothing remains to be probed."""
FLOW_MEMBERS: Final = ("intended", "predicted", "observed", "outcome", "judgement", "cause", "drift")
PLANNED_FLOW_MEMBERS: Final = ("intended", "predicted", "predicted", "predicted", "judgement")


class Verdict(NamedTuple):
    """A verdict: its word, and the exit code of the command without `--strict`."""

    word: str
    exit_code: int


def judgement(intended: str, observed: str, outcome: str = "") -> str:
    """Return the judgement of a flow; a packet that only arrived is no answer, so a needed flow is then broken."""
    if (intended, observed, outcome) == ("open", "open", "arrived"):
        return "broken"
    return JUDGEMENTS.get((intended, observed), UNKNOWN)


def verdict(judgements: Collection[str], *, has_policy: bool, is_complete: bool) -> Verdict:
    """Return the verdict of a proof with these judgements: a breach wins over a gap, and no flow is no proof."""
    if not WRONG.isdisjoint(judgements):
        word = BREACHED
    elif UNKNOWN in judgements or not judgements or not is_complete:
        word = UNPROVEN
    else:
        word = PROVEN if has_policy else DRAWN
    return Verdict(word, EXIT_CODES[word])


def is_complete(flows: int, absent: Collection[str], skipped_because: Iterable[str]) -> bool:
    """Return whether a coverage is complete: it has flows, no container is missing, and nothing was skipped.

    `skipped_because` are the reasons of what was skipped; a service that has completed is no gap.
    """
    return flows > 0 and not absent and all(why == COMPLETED for why in skipped_because)


def derive_verdict(document: Any) -> Verdict:
    """Return the verdict of a proof or a plan, derived from its flows, its policy and its coverage."""
    return _derive(_Reader(document))


def covers_everything(document: Any) -> bool:
    """Return whether the coverage of a proof or a plan is complete, as its verdict requires."""
    return _Reader(document).is_complete


def has_gaps(document: Any) -> bool:
    """Return whether something of a proof or a plan is not known, whatever else is wrong with it."""
    read = _Reader(document)
    words = {judgement(intended, observed, outcome) for intended, _, observed, outcome, *_ in read.states()}
    return UNKNOWN in words or not read.is_complete


def contradiction(document: Any) -> str:
    """Return the first contradiction between a document's parts as a sentence, empty where it has none.

    The document conforms to its schema.
    """
    read = _Reader(document)
    return _flow_contradiction(read) or _count_contradiction(read) or _verdict_contradiction(read)


def is_canonical_time(text: str) -> bool:
    """Return whether a text is a time as proofs write it: RFC 3339 in UTC, with milliseconds and `Z`."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return False
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z") == text and text.endswith("Z")


class _Reader:
    """Reads the members of a document, whether it is JSON or a struct."""

    def __init__(self, document: Any) -> None:
        self.is_json = isinstance(document, Mapping)
        self.document = document
        self.is_plan = self.member(document, "assumed") is not None
        self.coverage = self.member(document, "coverage")
        self.flows = self.member(document, "flows")

    def member(self, part: Any, name: str) -> Any:
        return part.get(name) if self.is_json else getattr(part, name, None)

    def states(self) -> Iterable[tuple[Any, ...]]:
        """Yield the members of each flow: `FLOW_MEMBERS`; a plan has no cause and no drift."""
        names = PLANNED_FLOW_MEMBERS if self.is_plan else FLOW_MEMBERS
        read: Callable[[Any], tuple[Any, ...]] = itemgetter(*names) if self.is_json else attrgetter(*names)
        return map(read, self.flows)

    @property
    def is_complete(self) -> bool:
        """Whether the coverage is complete; what a document states of it can only make it less so."""
        skipped = (self.member(part, "why") for part in self.member(self.coverage, "skipped"))
        stated = self.member(self.coverage, "complete") is not False
        return stated and is_complete(len(self.flows), self.member(self.coverage, "absent") or (), skipped)


def _derive(read: _Reader) -> Verdict:
    words = {judgement(intended, observed, outcome) for intended, _, observed, outcome, *_ in read.states()}
    has_policy = read.member(read.document, "policy") is not None
    found = verdict(words, has_policy=has_policy, is_complete=read.is_complete)
    return Verdict(PLAN_WORDS[found.word], found.exit_code) if read.is_plan else found


def _flow_contradiction(read: _Reader) -> str:
    has_policy = read.member(read.document, "policy") is not None
    for position, (intended, predicted, observed, outcome, stated, *shown) in enumerate(read.states()):
        derived = judgement(intended, observed, outcome)
        if stated != derived:
            return f"flows/{position}: intended {intended} and observed {observed} is {derived}, but it says {stated}"
        if intended == "tolerated" and not has_policy:
            return f"flows/{position}: it is tolerated, but the document has no policy"
        if shown and shown != _cause_and_drift(derived, predicted, observed):
            return f"flows/{position}: its cause or drift does not follow from predicted and observed"
    return ""


def _cause_and_drift(derived: str, predicted: str, observed: str) -> list[Any]:
    is_known = UNKNOWN not in (predicted, observed)
    return [CAUSES.get(predicted) if derived == "breach" else None, is_known and predicted != observed]


def _count_contradiction(read: _Reader) -> str:
    counted, unknown = Counter[str](), 0
    for _, _, observed, _, stated, *shown in read.states():
        counted[stated] += 1
        counted["drift"] += bool(shown and shown[1])
        unknown += observed == UNKNOWN
    totals = read.member(read.document, "totals")
    if {word: n for word, n in totals.items() if n} != {word: n for word, n in counted.items() if n}:
        return "totals: do not match the flows"
    if (read.member(read.coverage, "flows"), read.member(read.coverage, "unknown")) != (len(read.flows), unknown):
        return "coverage: flows and unknown do not match the flows"
    if read.member(read.coverage, "complete") and not read.is_complete:
        return "coverage: complete, although something is absent or was skipped, or there are no flows"
    return ""


def _verdict_contradiction(read: _Reader) -> str:
    part, derived = read.member(read.document, "verdict"), _derive(read)
    stated = Verdict(read.member(part, "word"), read.member(part, "exit_code"))
    if stated == derived:
        return ""
    return (
        f"verdict: it says {stated.word} ({stated.exit_code}), but flows, policy and coverage give "
        f"{derived.word} ({derived.exit_code})"
    )
