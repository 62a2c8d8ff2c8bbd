"""A Compose file without the lines of its policy that nothing used, judged before it is written.

Input: the project, the text of the file, the positions of the lines, the assumptions about the engine. Output: the new
text, its diff, and sentences about what the plan says of it.
Rule: what the file itself leaves open after that is said, because only the policy became tighter.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from cloison.compose import policy
from cloison.compose.project import Project
from cloison.compose.removed_lines import WHERE, without_lines
from cloison.plan.scenario import build_scenario
from cloison.plan.synthetic_facts import Assumptions, modelled_project
from cloison.usage.record import Usage
from cloison.usage.text import span
from cloison.verdict.judge import Judgement

LISTS: Final = ("allow", "tolerate")
ENFORCED: Final = "The file alone leaves open what {pairs}; enforcement, which the policy asks for, closes that."
NOT_ENFORCED: Final = (
    "The file alone leaves open what {pairs}, and a plan calls that a breach: close it with `cloison enforce`, or see "
    "what `cloison plan` proposes."
)


@dataclass(frozen=True, slots=True)
class Tightened:
    """The new text of a file, its difference from the old one, and sentences."""

    text: str
    diff: str
    sentences: tuple[str, ...]


def nothing(usage: Usage, unused_for: int) -> str:
    """Return the sentence for a policy in which no line can be removed."""
    return f"No line was watched for {span(unused_for)} without a use; {span(usage.watched())} were watched in all."


def tightened(project: Project, text: str, file: str, unused: Sequence[str], assumed: Assumptions) -> Tightened:
    """Return the file without the unused lines.

    Raises UsageError for a file that cannot be edited, PolicyError for a result that is no policy.
    """
    raw: dict[str, Any] = dict(project.policy or {})
    written = without_lines(text, unused, file, {key: len(raw.get(key) or ()) for key in LISTS})
    for key in LISTS:
        gone = {int(match["position"]) for match in map(WHERE.fullmatch, unused) if match and match["key"] == key}
        raw[key] = [entry for i, entry in enumerate(raw.get(key) or ()) if i not in gone]
    opened = _newly_open(project, replace(project, policy=raw), assumed)
    pairs = f"{len(opened)} pairs of places could use of it" if len(opened) != 1 else "one pair of places could use"
    sentence = ENFORCED if raw.get("enforce") else NOT_ENFORCED
    names = (file, file)
    diff = difflib.unified_diff(text.splitlines(keepends=True), written.splitlines(keepends=True), *names)
    return Tightened(written, "".join(map(_ended, diff)), (sentence.format(pairs=pairs),) if opened else ())


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _newly_open(before: Project, after: Project, assumed: Assumptions) -> set[tuple[str, str]]:
    """Return the pairs of places between which the new policy is breached, and the old one is not.

    A connection that the old policy needs is needed less by the new one, or no more, so nothing else can be worse.
    """
    return _breached(after, assumed) - _breached(before, assumed)


def _breached(project: Project, assumed: Assumptions) -> set[tuple[str, str]]:
    whole = modelled_project(project, assumed)
    judged = build_scenario(whole, policy.policy(whole), assumed).judged()
    return {
        (item.flow.vantage.place, item.flow.endpoint.place) for item in judged if item.judgement is Judgement.BREACH
    }
