"""The lines of a policy with their use, and what can be said of those that nothing used.

Input: a project, its policy, the record, the time, and for how long a line has to be unused. Output: `LineUse` values.
Rules:
  - A line counts as unused only after that time was watched since its last use, and since the line is there.
  - A connection that `allow` covers is no use of a toleration: it stays open without it.
  - What the record cannot see is said, and such a line is never called unused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cloison.compose.flow_rule import PolicyRule
from cloison.compose.policy import Policy
from cloison.compose.policy_key import POLICY_KEY
from cloison.compose.project import Project
from cloison.model.flow import HOST, Protocol
from cloison.plan.policy_view import members
from cloison.usage.record import Usage, Use


class State(StrEnum):
    """What the record says of a line."""

    USED = "used"
    UNUSED = "unused"
    TOO_SOON = "too soon"
    UNSEEN = "cannot be seen"


DEVICE: Final = "a device is no connection"
FOREIGN_END: Final = "connections of containers that the file does not have are not recorded"
FROM_HOST: Final = "connections from the host are recorded while the policy is enforced only"
ONE_WAY: Final = "datagrams that nothing answers are recorded while the policy is enforced only"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the policy: its rules, or the services between which a tolerated network carries everything."""

    where: str
    text: str
    is_toleration: bool
    rules: tuple[PolicyRule, ...] = ()
    members: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The line by its list and its position there: allow[0]."""
        return self.where.removeprefix(f"{POLICY_KEY}.").removesuffix(".flow")

    @property
    def key(self) -> str:
        """The line by its meaning: a group with other members makes another line."""
        rules = sorted(f"{r.source} {r.target} {r.port} {r.last_port} {r.protocol} {r.via}" for r in self.rules)
        meaning = "\n".join((str(self.is_toleration), self.text, *self.members, *rules))
        return hashlib.sha256(meaning.encode()).hexdigest()[:32]

    def covers(self, use: Use) -> bool:
        """Whether the line is about a connection that was used."""
        if use.source != use.target and {use.source, use.target} <= {*self.members}:
            return True
        return any(_covers(rule, use) for rule in self.rules)


@dataclass(frozen=True, slots=True)
class LineUse:
    """A line with its use; times are seconds since 1970, 0 for never. `watched` is that without a use, in seconds."""

    line: Line
    state: State
    first: int
    last: int
    connections: int
    bytes: int | None
    watched: int
    why: str = ""
    """Why nothing can be said, of a line that cannot be seen."""


def lines(project: Project, rules: Policy) -> list[Line]:
    """Return the lines of a policy, in their order."""
    allowed: dict[str, list[PolicyRule]] = {}
    for rule in rules.allow:
        allowed.setdefault(rule.where, []).append(rule)
    found = [Line(where, held[0].text, is_toleration=False, rules=tuple(held)) for where, held in allowed.items()]
    tolerated: dict[str, Line] = {}
    for known in rules.tolerate:
        more = (known.rule,) if known.rule else ()
        before = tolerated.get(known.where)
        on_network = tuple(members(project, known.network)) if known.network else ()
        held_rules = (*(before.rules if before else ()), *more)
        tolerated[known.where] = Line(known.where, known.text, is_toleration=True, rules=held_rules, members=on_network)
    return [*found, *tolerated.values()]


def line_uses(project: Project, rules: Policy, usage: Usage, unused_for: int) -> list[LineUse]:
    """Return the lines of a policy with their use; a line is unused after `unused_for` seconds that were watched."""
    known = lines(project, rules)
    allowed = [line for line in known if not line.is_toleration]
    beside = [use for use in usage.uses if not any(line.covers(use) for line in allowed)]
    return [_line_use(line, usage, beside if line.is_toleration else usage.uses, unused_for) for line in known]


def _line_use(line: Line, usage: Usage, uses: Iterable[Use], unused_for: int) -> LineUse:
    found = [use for use in uses if line.covers(use)]
    first, last = min((use.first for use in found), default=0), max((use.last for use in found), default=0)
    begins = max(last, usage.lines.get(line.key, 0), usage.forgotten)
    watched = usage.watched(begins) if line.key in usage.lines else 0
    why = next(_unseen(line), "")
    if why in (FROM_HOST, ONE_WAY):
        counted = usage.watched(begins, counted=True) if line.key in usage.lines else 0
        why, watched = ("", counted) if counted >= unused_for else (why, watched)
    if watched < unused_for and last:
        state = State.USED
    elif why:
        state = State.UNSEEN
    else:
        state = State.UNUSED if watched >= unused_for else State.TOO_SOON
    volumes = [use.bytes for use in found if use.bytes is not None]
    connections = sum(use.connections for use in found)
    return LineUse(line, state, first, last, connections, sum(volumes) if volumes else None, watched, why)


def _unseen(line: Line) -> Iterator[str]:
    """Yield why uses of a line may be missing in the record."""
    if not line.rules and not line.members:
        yield DEVICE
    if any(rule.names_foreign for rule in line.rules):
        yield FOREIGN_END
    if any(rule.source == HOST for rule in line.rules):
        yield FROM_HOST
    if any(rule.port is not None and rule.protocol is not Protocol.TCP for rule in line.rules):
        yield ONE_WAY


def _covers(rule: PolicyRule, use: Use) -> bool:
    if not rule.matches_places(use.source, use.target):
        return False
    return not use.port or rule.covers(use.protocol, use.port)
