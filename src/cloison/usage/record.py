"""The record of the used connections of a project: who used what, first and last, and when that was watched.

Input: what a round of learning saw, and the time. Output: the record, and its JSON, which a file holds between rounds.
Rules:
  - Time is whole seconds since 1970 (UTC).
  - A record is bounded: of too many arrows those used longest ago go, and `forgotten` says until when one was used, so
    that nothing that was used looks unused.
  - Time counts as watched only from a round to the next one, and not across a pause that is longer than `longest_gap`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, NamedTuple

import msgspec

from cloison.errors import FileError

VERSION: Final = 1
MOST_USES: Final = 5_000
MOST_PERIODS: Final = 500
MOST_LINES: Final = 2_000
MOST_COUNTERS: Final = 50_000
DAY: Final = 24 * 3600

Time = Annotated[int, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Arrow(NamedTuple):
    """A kind of connection. `port` is 0 for the outside, and where the port is not known; then `protocol` is empty."""

    source: str
    target: str
    protocol: str
    port: int


class Use(msgspec.Struct, forbid_unknown_fields=True):
    """The use of one arrow. `bytes` is None where nothing counted them."""

    source: str
    target: str
    protocol: str
    port: Count
    first: Time
    last: Time
    connections: Count = 0
    bytes: Count | None = None

    @property
    def arrow(self) -> Arrow:
        """The connection that was used."""
        return Arrow(self.source, self.target, self.protocol, self.port)


class Period(msgspec.Struct, forbid_unknown_fields=True):
    """A time that was watched without a pause; `is_counted` says that the kernel counted every packet of it."""

    began: Time
    ended: Time
    is_counted: bool = False


class Counted(msgspec.Struct, forbid_unknown_fields=True):
    """What the counters of a table had when they were read last; another `handle` is another table, from 0 on."""

    handle: Count
    packets: dict[str, Count] = {}
    bytes: dict[str, Count] = {}


class Usage(msgspec.Struct, forbid_unknown_fields=True):
    """The record of a project."""

    project: str
    version: int = VERSION
    uses: list[Use] = []
    periods: list[Period] = []
    lines: dict[str, Time] = {}
    """Since when each line of the policy is there, as far as this was watched: see `line_use.key`."""
    counters: dict[str, Counted] = {}
    """What the counters of the enforced rules had, by the family of the table."""
    forgotten: Time = 0

    @property
    def since(self) -> int:
        """The beginning of what was watched, 0 before the first round."""
        return self.periods[0].began if self.periods else 0

    def watched(self, since: int = 0, *, counted: bool = False) -> int:
        """Return for how many seconds after `since` it was watched; with `counted`, while packets were counted."""
        spans = (found for found in self.periods if found.is_counted or not counted)
        return sum(max(0, found.ended - max(found.began, since)) for found in spans)


class Seen(NamedTuple):
    """What a round saw: the arrows in use, those of connections that were not seen before, and bytes where known."""

    used: Mapping[Arrow, int]
    """The arrows in use, each with the number of connections that are new."""
    bytes: Mapping[Arrow, int] = {}
    is_counted: bool = False


def add(usage: Usage, seen: Seen, now: int, longest_gap: int, lines: Iterable[str] = ()) -> None:
    """Add what a round saw, which ends `now`."""
    _add_period(usage, now, longest_gap, is_counted=seen.is_counted)
    known = {use.arrow: use for use in usage.uses}
    for arrow, connections in seen.used.items():
        use = known.get(arrow)
        if use is None:
            use = known[arrow] = Use(*arrow, first=now, last=now)
        use.last, use.connections = now, use.connections + connections
        if arrow in seen.bytes:
            use.bytes = (use.bytes or 0) + seen.bytes[arrow]
    ordered = sorted(known.values(), key=lambda use: (-use.last, use.arrow))
    usage.forgotten = max([usage.forgotten, *(use.last for use in ordered[MOST_USES:])])
    usage.uses = sorted(ordered[:MOST_USES], key=lambda use: use.arrow)
    present = [*dict.fromkeys(lines)][:MOST_LINES]
    usage.lines = {line: usage.lines.get(line, now) for line in present}


def _add_period(usage: Usage, now: int, longest_gap: int, *, is_counted: bool) -> None:
    if usage.periods and usage.periods[-1].began == usage.periods[-1].ended < now - longest_gap:
        usage.periods.pop()  # one round alone watched no time
    last = usage.periods[-1] if usage.periods else None
    if last is None or not 0 <= now - last.ended <= longest_gap:
        usage.periods.append(Period(now, now, is_counted))
    elif last.is_counted == is_counted or last.began == last.ended:
        last.ended, last.is_counted = now, is_counted
    else:
        usage.periods.append(Period(last.ended, now, is_counted))
    del usage.periods[:-MOST_PERIODS]


def encoded(usage: Usage) -> bytes:
    """Return a record as JSON."""
    return msgspec.json.encode(usage, order="sorted") + b"\n"


def decoded(content: bytes, where: str) -> Usage:
    """Return the record of a file.

    Raises FileError for a content that is no record, and for one of a later version.
    """
    try:
        found = msgspec.json.decode(content, type=Usage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FileError(f"{where}: this is no record of used connections: {error}; remove the file") from error
    if found.version != VERSION:
        raise FileError(f"{where}: the record has version {found.version}, and this Cloison reads {VERSION}; update it")
    return found
