"""What a cell of the matrix looks like: by shape first, so that it reads without colour.

Rule: every judgement has a face for open and for shut; a new word without one fails the tests.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from cloison.reports.matrix import Cell
from cloison.verdict.judge import Judgement


@dataclass(frozen=True, slots=True, order=True)
class Face:
    """A symbol, its style, and what the legend says of it."""

    symbol: str
    style: str
    meaning: str


OPEN: Final = Face("open", "green", "as meant")
SHUT: Final = Face("·", "dim", "shut as meant")
TOLERATED: Final = Face("(open)", "yellow", "tolerated")
UNJUDGED_OPEN: Final = Face("~open", "dim", "not judged")
UNJUDGED_SHUT: Final = Face("~", "dim", "shut, not judged")
UNKNOWN: Final = Face("?", "bold yellow", "not known")
BROKEN: Final = Face("BROKEN", "bold magenta", "needed, and shut")
BREACH: Final = Face("BREACH", "bold red", "open, meant to be shut")

FACES: Final[dict[Judgement, tuple[Face, Face]]] = {
    Judgement.HOLDS: (OPEN, SHUT),
    Judgement.TOLERATED: (TOLERATED, SHUT),
    Judgement.UNJUDGED: (UNJUDGED_OPEN, UNJUDGED_SHUT),
    Judgement.UNKNOWN: (UNKNOWN, UNKNOWN),
    Judgement.BROKEN: (BROKEN, BROKEN),
    Judgement.BREACH: (BREACH, BREACH),
}
"""Judgement → its face when something got through, and when nothing did."""

DRIFT: Final = Face("≠", "bold cyan", "not as the file predicts")
MARKS: Final = {
    "/udp": Face("/udp", "bold cyan", "over UDP only"),
    "/tcp": Face("/tcp", "bold cyan", "over TCP only"),
    "/v6": Face("/v6", "bold cyan", "over IPv6 only"),
    "/v4": Face("/v4", "bold cyan", "over IPv4 only"),
    "/part": Face("/part", "bold cyan", "not over every protocol and version of IP"),
}
"""What is behind a symbol when it does not hold for all of a door."""
BLANK: Final = Face("", "", "")
LEGEND: Final = (BREACH, BROKEN, UNKNOWN, OPEN, SHUT, TOLERATED, UNJUDGED_OPEN, UNJUDGED_SHUT)


def face(cell: Cell | None) -> Face:
    """Return what a cell looks like; a pair that nobody asked about is blank."""
    if cell is None:
        return BLANK
    when_open, when_shut = FACES[cell.word]
    shown = when_open if cell.is_open else when_shut
    return replace(shown, symbol=shown.symbol + cell.limit.mark + (DRIFT.symbol if cell.drift else ""))


def legend(cells: Collection[Cell]) -> list[Face]:
    """Return the faces in use, in the legend's order."""
    used = {FACES[cell.word][not cell.is_open] for cell in cells}
    behind = {mark for cell in cells for mark in MARKS if mark in cell.limit.mark}
    limits = [face for mark, face in MARKS.items() if mark in behind]
    drift = [DRIFT] if any(cell.drift for cell in cells) else []
    return [item for item in LEGEND if item in used] + limits + drift
