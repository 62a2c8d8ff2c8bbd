"""The use of a policy's lines as text and as a document: what was used, what was not, and for how long it was watched.

Input: the record, and the lines with their use. Output: text, or a mapping for JSON.
Rule: the first thing that is said is for how long it was watched, because everything else depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from cloison.usage.line_use import LineUse, State
from cloison.usage.record import DAY, Usage

UNITS: Final = ((DAY, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
SIZES: Final = ("B", "kB", "MB", "GB", "TB", "PB")
KILO: Final = 1000
ONLY_SAMPLES: Final = (
    "The policy was not enforced while this was watched, so the kernel counted no packets: a connection that begins "
    "and ends between two samples may be missing, and datagrams that nothing answers are."
)


def span(seconds: int) -> str:
    """Return a time in its largest whole unit: 30 days, 1 hour."""
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), UNITS[-1])
    number = seconds // size
    return f"{number} {unit}{'' if number == 1 else 's'}"


def volume(number: int) -> str:
    """Return a number of bytes: 12 B, 3.4 MB."""
    size, position = float(number), 0
    while size >= KILO and position < len(SIZES) - 1:
        size, position = size / KILO, position + 1
    return f"{size:.1f} {SIZES[position]}" if position else f"{number} B"


def sentence(found: LineUse, unused_for: int) -> str:
    """Return what can be said of a line, in a few words."""
    match found.state:
        case State.USED:
            return "used"
        case State.UNSEEN:
            return f"cannot be seen: {found.why}"
        case State.TOO_SOON:
            return f"not used in {span(found.watched)} that were watched; after {span(unused_for)} that says something"
        case _ if found.line.is_toleration and not found.last:
            return "tolerated and used by nobody: close it"
        case _:
            word = "tolerated" if found.line.is_toleration else "allowed"
            return f"{word} and unused for {span(found.watched)}"


def usage_text(usage: Usage, found: Sequence[LineUse], unused_for: int) -> str:
    """Return the report for a terminal."""
    return "\n".join([_head(usage), *_notes(usage), *_rows(found, unused_for)]) + "\n"


def _head(usage: Usage) -> str:
    if not usage.periods:
        return "Nothing has been learned yet; run `cloison watch --learn`."
    ended = usage.periods[-1].ended
    whole = ended - usage.since
    watched = usage.watched()
    of = f" of {span(whole)}" if span(whole) != span(watched) else ""
    return f"Watched for {span(watched)}{of}, from {day(usage.since)} to {day(ended)}."


def _notes(usage: Usage) -> Iterator[str]:
    if usage.watched() > usage.watched(counted=True) or not usage.watched():
        yield ONLY_SAMPLES


def _rows(found: Sequence[LineUse], unused_for: int) -> Iterator[str]:
    for one in found:
        kind = "tolerate" if one.line.is_toleration else "allow"
        yield ""
        yield f"{kind:<9} {one.line.text}"
        yield f"          {sentence(one, unused_for)}{_since(one)}"


def _since(one: LineUse) -> str:
    if not one.last:
        return ""
    parts = [f"first {day(one.first)}", f"last {day(one.last)}"]
    if one.connections:
        parts.append(f"{one.connections} connection{'' if one.connections == 1 else 's'}")
    if one.bytes is not None:
        parts.append(volume(one.bytes))
    return f" ({', '.join(parts)})"


def day(seconds: int) -> str:
    """Return a time to the minute, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def usage_document(usage: Usage, found: Sequence[LineUse], unused_for: int) -> dict[str, Any]:
    """Return the report as a value that JSON can hold; times are UTC in RFC 3339 format, spans are seconds."""
    return {
        "project": usage.project,
        "since": _time(usage.since),
        "watched": usage.watched(),
        "watched_with_counters": usage.watched(counted=True),
        "unused_for": unused_for,
        "lines": [_line(one, unused_for) for one in found],
        "connections": [
            {
                "source": use.source, "target": use.target, "protocol": use.protocol, "port": use.port,
                "first": _time(use.first), "last": _time(use.last), "connections": use.connections, "bytes": use.bytes,
            }
            for use in usage.uses
        ],
    }  # fmt: skip


def _line(one: LineUse, unused_for: int) -> dict[str, Any]:
    return {
        "where": one.line.where.removesuffix(".flow"),
        "text": one.line.text,
        "state": one.state.value,
        "says": sentence(one, unused_for),
        "first": _time(one.first),
        "last": _time(one.last),
        "connections": one.connections,
        "bytes": one.bytes,
        "unused": one.watched,
    }


def _time(seconds: int) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else None
