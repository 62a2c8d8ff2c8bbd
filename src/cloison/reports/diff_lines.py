"""The lines about a diff that its reports share: one for all networks and versions of IP with the same change.

Input: a `Diff`. Output: `DiffLine` values, the worse ones first.
Rule: a line names what a flow was and what it is now; a report adds only marks and layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cloison.diff.schema import ChangePart, Diff, StatePart
from cloison.model.flow import ANY_PORT
from cloison.model.text import joined
from cloison_view.labels import ANY_OTHER_PORT, display_name, pluralize, value_word

ABSENT: Final = "absent"
JUDGEMENTS: Final = {
    "breach": "a breach",
    "broken": "broken",
    "unknown": "not proven",
    "tolerated": "tolerated",
    "unjudged": "not judged",
    "holds": "as intended",
}
"""The words for a judgement behind a reach."""
IPV6: Final = 6
BOTH: Final = frozenset({"tcp", "udp"})
"""The protocols of the canaries, which together are any other port."""
POLICY_REMOVED: Final = "the policy was removed: nothing is proven of the file any more"
TITLES: Final = {
    "breach": "became a breach",
    "broken": "became broken",
    "lost": "no longer known",
    "opened": "opened",
    "tolerated": "became tolerated",
    "closed": "closed",
    "resolved": "no longer wrong",
    "known": "known now",
    "appeared": "appeared",
    "disappeared": "disappeared",
    "intention": "intended otherwise",
}
"""What happened to a flow, by the kind of its change."""


@dataclass(frozen=True, slots=True)
class DiffLine:
    """Changes that differ in their network and version of IP only."""

    worse: bool
    title: str
    flow: str
    where: str
    transition: str
    reason: str

    @property
    def sentence(self) -> str:
        """The change without its title and its reason."""
        return f"{self.flow}{self.where}: {self.transition}"


def headline(diff: Diff) -> str:
    """Return the result of the comparison in a word."""
    return "WORSE" if diff.worse else "CHANGED" if diff.changes else "THE SAME"


def subject(diff: Diff) -> str:
    """Return which documents were compared."""
    projects = dict.fromkeys((diff.old.project, diff.new.project))
    return f"{' and '.join(projects)} · {diff.kind} {diff.old.digest[:12]} ({diff.old.verdict}) → {_new(diff)}"


def _new(diff: Diff) -> str:
    return f"{diff.new.digest[:12]} ({diff.new.verdict})"


def counts(diff: Diff) -> str:
    """Return how many flows changed, by what happened to them; a flow can count twice."""
    if not diff.changes:
        return "no flow differs"
    parts = ", ".join(f"{number:,} {TITLES[kind]}" for kind, number in diff.totals.items())
    worse = sum(change.worse for change in diff.changes)
    verb = "differs" if len(diff.changes) == 1 else "differ"
    return f"{pluralize(len(diff.changes), 'flow')} {verb}, {worse:,} for the worse: {parts}"


def losses(diff: Diff) -> list[str]:
    """Return what is worse beside the flows."""
    removed = [POLICY_REMOVED] if diff.policy_removed else []
    return [*removed, *(f"{gap.what} is not covered any more: {gap.why}" for gap in diff.gaps)]


def lines(diff: Diff) -> Iterator[DiffLine]:
    """Yield the lines in the order of the changes."""
    groups: dict[tuple[bool, str, str, str, str], list[ChangePart]] = {}
    for change in diff.changes:
        key = (change.worse, _title(change), _flow(change), _transition(change), _protocol(change))
        groups.setdefault(key, []).append(change)
    for (worse, title, flow, transition, protocol), changes in groups.items():
        suffix = f"/{protocol}" if protocol else _canary_suffix(changes)
        yield DiffLine(worse, title, flow + suffix, _where(changes), transition, changes[0].reason)


def _canary_suffix(changes: list[ChangePart]) -> str:
    """Return the protocol of any other port where it is not both."""
    protocols = {change.protocol for change in changes}
    return f"/{changes[0].protocol}" if changes[0].port == ANY_PORT and protocols < BOTH else ""


def _title(change: ChangePart) -> str:
    return joined([TITLES[kind] for kind in change.kinds])


def _flow(change: ChangePart) -> str:
    ports = f"{change.port}-{change.last_port}" if change.last_port else str(change.port or ANY_OTHER_PORT)
    return f"{display_name(change.source)} -> {display_name(change.target)}:{ports}"


def _protocol(change: ChangePart) -> str:
    """Return the protocol of a port where it is not TCP; the canaries of TCP and UDP are one line."""
    return "" if change.port == ANY_PORT or change.protocol == "tcp" else change.protocol


def _where(changes: list[ChangePart]) -> str:
    """Return the networks, and IPv6 where it is the only version."""
    networks = sorted({change.network for change in changes} - {""})
    on = f" on {joined(networks)}" if networks else ""
    return on + (" over IPv6" if {change.ip for change in changes} == {IPV6} else "")


def _transition(change: ChangePart) -> str:
    return f"was {_words(change.old)}, is {_words(change.new)}"


def _words(state: StatePart | None) -> str:
    return f"{value_word(state.reach)} ({JUDGEMENTS[state.judgement]})" if state else ABSENT
