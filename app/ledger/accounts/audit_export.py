"""The audit log as a file: JSON lines or CSV, the oldest entry first.

Rules: the log is read in pages, so that an export of any length needs the memory of one page and blocks nobody. In CSV
a value that a spreadsheet would read as a formula begins with an apostrophe
(https://owasp.org/www-community/attacks/CSV_Injection); JSON lines have each value as it is.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, select

from ledger.accounts.audit import AuditEntry, shown_action
from ledger.accounts.tables import AUDIT

PAGE: Final = 1000
COLUMNS: Final = ("id", "at", "who", "what", "about", "address", "request_id")
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def entries(engine: Engine, since: datetime | None = None) -> Iterator[AuditEntry]:
    """Return all entries, or those since a time."""
    last = 0
    while True:
        query = select(AUDIT).where(AUDIT.c.id > last).order_by(AUDIT.c.id).limit(PAGE)
        if since is not None:
            query = query.where(AUDIT.c.at >= since)
        with engine.connect() as connection:
            page = [AuditEntry(*row) for row in connection.execute(query)]
        yield from page
        if len(page) < PAGE:
            return
        last = page[-1].id


def json_lines(found: Iterable[AuditEntry]) -> Iterator[str]:
    """Return a JSON object for each entry, one a line."""
    for entry in found:
        yield json.dumps(_values(entry), ensure_ascii=False) + "\n"


def comma_separated(found: Iterable[AuditEntry]) -> Iterator[str]:
    """Return a line of names, and a line for each entry (RFC 4180)."""
    yield _csv_line(COLUMNS)
    for entry in found:
        yield _csv_line(_unlike_formula(str(value)) for value in _values(entry).values())


FORMATS: Final[Mapping[str, tuple[str, Callable[[Iterable[AuditEntry]], Iterator[str]]]]] = {
    "jsonl": ("application/jsonl", json_lines),
    "csv": ("text/csv", comma_separated),
}


def _values(entry: AuditEntry) -> dict[str, str | int]:
    return {
        "id": entry.id,
        "at": f"{entry.at.isoformat(timespec='milliseconds')}Z",
        "who": entry.who,
        "what": shown_action(entry.what),
        "about": entry.about,
        "address": entry.address,
        "request_id": entry.request_id,
    }


def _csv_line(values: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()


def _unlike_formula(value: str) -> str:
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value
