"""Benchmark of the ledger's database: queries of 300,000 proofs, with their EXPLAIN, and retention beside a client.

`python -m bench.ledger_database` writes docs/ledger-database.md.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, event

from bench.filled_ledger import (
    BEGIN,
    CHANGED,
    PROJECT,
    REPEATS,
    SERVICES,
    STEP,
    WITH_DOCUMENTS,
    database,
    document,
    fill,
)
from bench.measure import ROOT, Figure, median_seconds, say
from ledger.archive import project_list, retention
from ledger.archive.store import Archive
from ledger.notifications import watches

PROOFS: Final = CHANGED * (REPEATS + 1)
LIMIT: Final = 100.0  # milliseconds of a query
WAIT_LIMIT: Final = 1.0  # seconds that a client may wait while retention runs
MARCH: Final = (datetime(2024, 3, 1), datetime(2024, 4, 1))  # noqa: DTZ001 - UTC, as the database stores times
IDENTIFY: Final = "SELECT id FROM project WHERE name = %(name)s"  # before most queries; one row of a unique index
WITHOUT_GOAL: Final = "what changed in March"
COLUMNS: Final = ("table", "type", "key", "rows", "Extra")

QUERIES: Final[Mapping[str, Callable[[Archive, Engine], object]]] = {
    "the list of projects": lambda _, engine: project_list.project_rows(engine, None, MARCH[1]),
    "the page of a project": lambda archive, _: archive.projects(frozenset({PROJECT})),
    "the notices on it": lambda _, engine: _notices(engine),
    "the newest proofs": lambda archive, _: archive.proofs(PROJECT),
    "the newest proofs that changed something": lambda archive, _: archive.proofs(PROJECT, only_changes=True),
    "the proofs before a time": lambda archive, _: archive.proofs(PROJECT, before="1709500000000-999999999"),
    "who could reach db on 15 March": lambda archive, _: archive.intervals(
        PROJECT, target="db", observed="open", at=MARCH[0] + timedelta(days=14)
    ),
    "who could reach db in March": lambda archive, _: archive.intervals(
        PROJECT, target="db", observed="open", begin=MARCH[0], end=MARCH[1]
    ),
    WITHOUT_GOAL: lambda archive, _: archive.intervals(
        PROJECT, begin=MARCH[0], end=MARCH[1], changed=True
    ),
}  # fmt: skip
TEXT: Final = """# The ledger's database

Written by `python -m bench.ledger_database`: {proofs:,} proofs of {services} services in one project, {changed:,} of
which change something. A time is the median of five, from the request of the application to its last row. The
[glossary](glossary.md) explains the words.

{table}

## Retention

{retention}

## EXPLAIN

The rows are MariaDB's estimates. No query reads the rows of all proofs: each begins at one end of an index.
What changed in a range of time reads every interval of the project, and has no goal.

{explained}
"""


@dataclass(slots=True)
class _Transactions:
    """The lengths of the transactions of an engine that lock a project, in seconds."""

    lengths: list[float] = field(default_factory=list)
    _begun: dict[int, float] = field(default_factory=dict)

    def listen(self, engine: Engine) -> None:
        event.listen(engine, "before_cursor_execute", self._note)
        event.listen(engine, "commit", self._end)

    def _note(self, connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if "FOR UPDATE" in statement:
            self._begun[id(connection)] = time.perf_counter()

    def _end(self, connection: Any) -> None:
        begun = self._begun.pop(id(connection), None)
        if begun is not None:
            self.lengths.append(time.perf_counter() - begun)


def figures() -> Iterator[Figure]:
    """Measure, write the page, and yield the figures."""
    say(f"a database with {PROOFS:,} proofs")
    with database() as engine:
        archive = fill(engine)
        times = {name: 1000 * median_seconds(lambda ask=ask: ask(archive, engine)) for name, ask in QUERIES.items()}  # type: ignore[misc]
        explained = "\n\n".join(f"### {name}\n\n{_explain(engine, archive, ask)}" for name, ask in QUERIES.items())
        removed, longest, wait = _retain(engine, archive)
    rows = [f"| {name} | {found:.1f} ms |" for name, found in times.items()]
    told = (
        f"{removed:,} repeats were deleted, at most {retention.BATCH:,} by one transaction. The longest one"
        f" had the project locked for {longest:.2f} s. A client that sent proofs meanwhile waited {wait:.2f} s at most."
    )
    page = TEXT.format(
        proofs=PROOFS,
        services=SERVICES,
        changed=CHANGED,
        table="\n".join(["| query | time |", "|---|---|", *rows]),
        retention=told,
        explained=explained,
    )
    (ROOT / "docs" / "ledger-database.md").write_text(page, encoding="utf-8")
    slowest = max(times.keys() - {WITHOUT_GOAL}, key=lambda name: times[name])
    yield Figure(
        f"{LIMIT:.0f} ms ÷ slowest query of {PROOFS:,} proofs: {slowest}",
        f"{times[slowest]:.1f} ms", f"{LIMIT:.0f} ms", LIMIT / times[slowest], 1,
    )  # fmt: skip
    yield Figure(
        "1 s ÷ longest wait of a client while retention deletes", f"{wait:.2f} s", f"{WAIT_LIMIT:.0f} s",
        WAIT_LIMIT / wait, 1,
    )  # fmt: skip


def _notices(engine: Engine) -> object:
    with engine.connect() as connection:
        return watches.notices(connection, PROJECT, MARCH[1])


def _explain(engine: Engine, archive: Archive, ask: Callable[[Archive, Engine], object]) -> str:
    """Return MariaDB's plan of each statement of a query, as a table."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if statement.startswith("SELECT") and statement != IDENTIFY:
            sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    ask(archive, engine)
    event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        rows = [
            " | ".join(str(row[name] or "") for name in COLUMNS)
            for statement, parameters in sent
            for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings()
        ]
    return "\n".join(f"| {row} |" for row in (" | ".join(COLUMNS), "---|---|---|---|---", *rows))


def _retain(engine: Engine, archive: Archive) -> tuple[int, float, float]:
    """Apply retention while a client sends proofs: proofs removed, the longest lock and the longest wait in seconds."""
    waits, transactions, is_over = [0.0], _Transactions(), threading.Event()
    transactions.listen(engine)

    def send() -> None:
        number = CHANGED
        while not is_over.is_set():
            body = document(number)
            begun = time.perf_counter()
            archive.save(PROJECT, body)
            waits.append(time.perf_counter() - begun)
            number = CHANGED + (number + 1) % CHANGED

    sender = threading.Thread(target=send)
    sender.start()
    try:
        # When those with documents are older than the thirty days for which every repeat is kept.
        due = BEGIN.replace(tzinfo=None) + WITH_DOCUMENTS * (REPEATS + 1) * STEP + timedelta(days=30)
        (result,) = retention.apply_retention(engine, due)
    finally:
        is_over.set()
        sender.join()
    return result.removed, max(transactions.lengths), max(waits)


if __name__ == "__main__":
    for found in figures():
        print(found.row)
    sys.exit(0)
