"""The page of connections over time: the intervals in which each kept its state, and the proofs that changed it.

Rule: without a filter it shows only connections that changed: they are what a reader looks for among thousands. Who
filters asks for connections, such as everything that can reach a database, and gets those that never changed, too.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any, Final

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from ledger.archive.records import Interval
from ledger.authorization import Access, requires
from ledger.views import http_cache, proof_fragments
from ledger.views.queries import archive, project_or_404
from ledger.views.timeline import TimeScale, timeline

bp = Blueprint("connections", __name__)

PAGE_INTERVALS: Final = 200  # of one page
PORTS: Final = 65535
MAX_OFFSET: Final = 10**7
WHICH: Final = ("changed", "all")
FILTER_VALUES: Final = {"protocol": ("tcp", "udp"), "observed": ("open", "shut", "unknown")}


@dataclass(frozen=True, slots=True)
class ConnectionHistory:
    """One connection with its intervals, newest first, and their timeline."""

    source: str
    target: str
    protocol: str
    port: int
    intervals: tuple[Interval, ...]
    timeline: Markup


@bp.get("/projects/<project>/doors")
@requires(Access.READER)
def index(project: str) -> ResponseReturnValue:
    """Show the connections that match the filters, each with its timeline."""
    filters, span = _filters(), _range()
    changed = _is_changed_only(filters)
    record, now = project_or_404(project), http_cache.this_minute()
    skip, chosen = _number("skip", MAX_OFFSET) or 0, _chosen(filters, changed=changed)
    intervals = (
        archive().intervals(project, **filters, **span, changed=changed, offset=skip, limit=PAGE_INTERVALS + 1)
        if record.last
        else []
    )
    part = _cut_to_page(intervals)
    scale = TimeScale.spanning(part, now).within(**span)
    return http_cache.respond(
        (now, record, intervals, tuple(chosen.items())),
        lambda: render_template(
            "connections.html",
            record=record,
            connections=_histories(part, scale),
            scale=scale,
            changed=changed,
            chosen=chosen,
            skip=skip,
            more=skip + len(part) if len(part) < len(intervals) else None,
            filters=filters,
            filter_values=FILTER_VALUES,
            places=proof_fragments.places(project, record.last.digest) if record.last else "",
            now=now,
        ),
    )


def _filters() -> dict[str, Any]:
    given = {name: request.args.get(name, "").strip() for name in ("source", "target", "protocol", "observed")}
    for name, allowed in FILTER_VALUES.items():
        if given[name] and given[name] not in allowed:
            abort(400, f"{name}={given[name]!r} is not one of {', '.join(allowed)}.")
    return {name: value or None for name, value in given.items()} | {"port": _number("port", PORTS)}


def _range() -> dict[str, Any]:
    """Return the range of time of the form: from the start of its first day to the end of its last, in UTC."""
    first, last = _day("from"), _day("until")
    end = last + timedelta(days=1) - timedelta(milliseconds=1) if last else None
    if first and end and first > end:
        abort(400, "until is before from.")
    return {"begin": first, "end": end}


def _day(name: str) -> datetime | None:
    value = request.args.get(name, "").strip()
    if not value:
        return None
    try:
        return datetime.combine(date.fromisoformat(value[:80]), time())
    except ValueError:
        abort(400, f"{name}={value[:80]!r} is not a day such as {datetime.now(UTC):%Y-%m-%d}.")


def _is_changed_only(filters: dict[str, Any]) -> bool:
    """Return whether only connections that changed are wanted: by choice, or because nothing is chosen."""
    which = request.args.get("which", "")
    if which not in ("", *WHICH):
        abort(400, f"which={which[:80]!r} is not one of {', '.join(WHICH)}.")
    return which == "changed" if which else not any(value is not None for value in filters.values())


def _chosen(filters: dict[str, Any], *, changed: bool) -> dict[str, Any]:
    """Return the choices of the form as parts of an address."""
    days = {name: request.args.get(name, "").strip() or None for name in ("from", "until")}
    return {**filters, **days, "which": "changed" if changed else "all"}


def _number(name: str, most: int) -> int | None:
    value = request.args.get(name, "").strip()
    if not value:
        return None
    if not (value.isascii() and value.isdecimal() and int(value[:20]) <= most):
        abort(400, f"{name}={value[:80]!r} is not a number from 0 to {most}.")
    return int(value)


def _cut_to_page(intervals: list[Interval]) -> list[Interval]:
    """Return as many as make a page, without the last connection when the page would end within it."""
    if len(intervals) <= PAGE_INTERVALS:
        return intervals
    cut = [interval for interval in intervals[:PAGE_INTERVALS] if _key(interval) != _key(intervals[PAGE_INTERVALS])]
    return cut or intervals[:PAGE_INTERVALS]


def _histories(intervals: list[Interval], scale: TimeScale) -> list[ConnectionHistory]:
    found = []
    for key, group in groupby(intervals, key=_key):
        history = tuple(reversed(tuple(group)))
        found.append(ConnectionHistory(*key, history, timeline(history, scale)))
    return found


def _key(interval: Interval) -> tuple[str, str, str, int]:
    return interval.source, interval.target, interval.protocol, interval.port
