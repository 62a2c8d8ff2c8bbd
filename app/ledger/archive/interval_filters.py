"""Makes the conditions of the query for intervals.

Input: the filters of a page or of a request to the API. Output: SQL and its values.
Rule: a connection has changed if one of its intervals ended, or began after the first proof of the project; with a
range of time, if it did so in the range. The names of columns are this module's own, and every value is bound.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

COLUMNS: Final = {
    "source": "d.source",
    "target": "d.target",
    "protocol": "d.protocol",
    "port": "d.port",
    "observed": "s.observed",
}
# A connection has one interval at a time, so only the last one that began before `at` matters. The subquery reads the
# index backwards from there; a condition on `since` and `until` alone would read every interval of the connection.
CURRENT_AT: Final = (
    " AND s.id = (SELECT n.id FROM spell n WHERE n.door_id = d.id AND n.since <= :at"
    " ORDER BY n.since DESC, n.since_proof DESC LIMIT 1) AND (s.until IS NULL OR s.until > :at)"
)
# Of one connection, so the index on `door_id` finds its few intervals.
CHANGED: Final = (
    " AND EXISTS (SELECT 1 FROM spell c WHERE c.door_id = d.id AND (c.until IS NOT NULL{ended} OR c.since >"
    " (SELECT MIN(f.started) FROM proof f WHERE f.project_id = :project){began}))"
)


@dataclass(frozen=True, slots=True)
class IntervalFilter:
    """Which intervals are wanted; None and an empty mapping want all."""

    columns: Mapping[str, Any]
    """The values of some of `COLUMNS`."""
    at: datetime | None = None
    """The time at which the interval is the one that lasts."""
    begin: datetime | None = None
    end: datetime | None = None
    """The range of time with which the interval overlaps."""
    changed: bool = False
    """Whether only connections that have changed are wanted."""

    def condition(self) -> tuple[str, dict[str, Any]]:
        """Return the conditions, each after an AND, and their values."""
        given = {name: value for name, value in self.columns.items() if value is not None}
        values = given | {name: at for name in ("at", "begin", "end") if (at := getattr(self, name)) is not None}
        parts = [f" AND {COLUMNS[name]} = :{name}" for name in given]
        parts += [CURRENT_AT] if self.at else []
        parts += [" AND (s.until IS NULL OR s.until >= :begin)"] if self.begin else []
        parts += [" AND s.since <= :end"] if self.end else []
        parts += [CHANGED.format(ended=self._within("c.until"), began=self._within("c.since"))] if self.changed else []
        return "".join(parts), values

    def _within(self, column: str) -> str:
        """Return the condition that a time is in the range."""
        return "".join(
            f" AND {column} {sign} :{name}"
            for name, sign in (("begin", ">="), ("end", "<="))
            if getattr(self, name) is not None
        )
