"""The verdict in one paragraph: how many connections of which judgement, and what opens those that should be closed.

Input: a `Summary` and its groups. Output: sentences.
Rule: every number is a number of connections, those of `Summary.connection_counts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from cloison_view.cause_groups import ActionGroup, CauseKind
from cloison_view.labels import join_names, pluralize
from cloison_view.summary import Pair, Summary

WHERE: Final[Mapping[CauseKind, str]] = {
    CauseKind.OTHER: "not explained by the file",
    CauseKind.FOREIGN: "with containers that are not in the file",
    CauseKind.PUBLISHED: "at published ports",
    CauseKind.EGRESS: "to other machines",
    CauseKind.HOST: "to the host",
    CauseKind.NETWORK: "inside {}",
}
"""Where connections are that should be closed, by what opens them."""


def overview(summary: Summary, groups: Sequence[ActionGroup]) -> str:
    """Return the paragraph."""
    return " ".join(_sentences(summary, groups))


def _sentences(summary: Summary, groups: Sequence[ActionGroup]) -> Iterator[str]:
    counts = summary.connection_counts
    every = sum(counts.values())
    if not every:
        return
    seen = "predicted to be " if summary.records.is_plan else ""
    breaches = counts.get("breach", 0)
    if breaches:
        parts = ", ".join(_parts(group for group in groups if group.judgement == "breach"))
        of_all = f"{breaches:,} of {pluralize(every, 'connection')} {_are(breaches)}"
        yield f"{of_all} {seen}open and should be closed: {parts}."
    if broken := counts.get("broken", 0):
        yield f"{broken:,} {_are(broken)} {seen}closed, and the policy needs {'it' if broken == 1 else 'them'}."
    if unknown := counts.get("unknown", 0):
        yield f"Of {unknown:,} it is not known whether {'it is' if unknown == 1 else 'they are'} open."
    if not (breaches or broken or unknown):
        held = counts.get("holds", 0) + counts.get("tolerated", 0)
        tolerated = counts.get("tolerated", 0)
        accepted = f", {tolerated:,} of them open and tolerated" if tolerated else ""
        required = "as the policy requires" if summary.records.has_policy else "as the file draws them"
        yield f"{pluralize(held, 'connection')} {_are(held)} {required}{accepted}."


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _parts(groups: Iterable[ActionGroup]) -> Iterator[str]:
    """Yield the number of connections of each kind, each counted once; networks are named together."""
    numbers: dict[CauseKind, int] = {}
    networks: list[str] = []
    seen: set[Pair] = set()
    for group in groups:
        own = {(connection.source, end) for connection in group.connections for end in connection.ends} - seen
        seen |= own
        numbers[group.kind] = numbers.get(group.kind, 0) + len(own)
        networks += [group.network] if group.network else []
    for kind, number in ((kind, number) for kind, number in numbers.items() if number):
        yield f"{number:,} {WHERE[kind].format(join_names(networks))}"
