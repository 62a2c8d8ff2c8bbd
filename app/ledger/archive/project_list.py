"""The list of projects: one short row for each, ordered by urgency, searched, filtered and counted.

Rule: one query reads the rows of all projects; only the records of the page that is shown are read in full.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, bindparam, text

OVERDUE: Final = "overdue"
"""Its last proof is older than the hours that are set for the project."""
NONE: Final = "none"
ORDER: Final = ("breached", "unproven", OVERDUE, NONE, "drawn", "proven")
"""The groups of the list, the most urgent first. A project is in exactly one."""
NEED_ACTION: Final = frozenset(ORDER[:3])
DEFAULT_OVERDUE_HOURS: Final = 48  # as the table `watch` has it, for a project that has no row there yet

# A clock that is ahead must not hide that no proof arrives: the moment of a proof is the earlier of both clocks.
SELECT: Final = (
    "SELECT p.name, l.word, l.totals, LEAST(l.started, l.received) AS moment, p.created,"
    " COALESCE(w.overdue_hours, :hours) AS overdue_hours"
    " FROM project p LEFT JOIN proof l ON l.id = p.last_proof LEFT JOIN watch w ON w.project_id = p.id"
)


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """A project in the list: its group, and what it is ordered by."""

    name: str
    group: str
    wrong: int
    """The number of flows that are a breach or broken."""
    is_overdue: bool


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """A page of the list, the number of projects in each group that match the search, and the number of matches."""

    rows: tuple[ProjectRow, ...]
    counts: Mapping[str, int]
    matches: int


def project_rows(engine: Engine, names: frozenset[str] | None, now: datetime) -> list[ProjectRow]:
    """Return the projects with these names, or all for None, the most urgent first."""
    query = text(SELECT)
    given: dict[str, Any] = {"hours": DEFAULT_OVERDUE_HOURS}
    if names is not None:
        query = text(f"{SELECT} WHERE p.name IN :names").bindparams(bindparam("names", expanding=True))
        given |= {"names": sorted(names)}
    with engine.connect() as connection:
        rows = connection.execute(query, given).all()
    found = [
        _row(row.name, row.word, row.totals, is_overdue(row.moment or row.created, row.overdue_hours, now))
        for row in rows
    ]
    return sorted(found, key=lambda row: (ORDER.index(row.group), -row.wrong, row.name))


def is_overdue(last: datetime, hours: int, now: datetime) -> bool:
    """Return whether the last proof is older than `hours`; 0 hours is never."""
    return hours > 0 and now - last > timedelta(hours=hours)


def page(rows: Iterable[ProjectRow], *, search: str, group: str, skip: int, limit: int) -> ProjectPage:
    """Return the page of the rows whose name contains `search`, of one group or of all for an empty one."""
    found = [row for row in rows if search.lower() in row.name]
    matching = [row for row in found if group in {"", row.group}]
    return ProjectPage(tuple(matching[skip : skip + limit]), Counter(row.group for row in found), len(matching))


def changed_since_first(engine: Engine, names: Iterable[str]) -> frozenset[str]:
    """Return those of the projects in which a proof after the first has changed a connection."""
    query = text(
        "SELECT p.name FROM project p JOIN proof c ON c.id = p.changed_proof WHERE p.name IN :names"
        " AND EXISTS (SELECT 1 FROM proof e WHERE e.project_id = p.id AND e.started < c.started)"
    ).bindparams(bindparam("names", expanding=True))
    with engine.connect() as connection:
        return frozenset(connection.scalars(query, {"names": list(names)}))


def _row(name: str, word: str | None, totals: str | None, is_late: bool) -> ProjectRow:  # noqa: FBT001 - a column
    counts = json.loads(totals) if totals else {}
    group = word or NONE
    if is_late and group not in NEED_ACTION:
        group = OVERDUE
    return ProjectRow(name, group, counts.get("breach", 0) + counts.get("broken", 0), is_late)
