"""What a cell of the matrix looks like: by shape first, so that it reads without colour.

Rule: every judgement has a face for open and for shut; a new word without one fails the tests.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from cloison.reports.matrix import ConnectionSummary
from cloison.verdict.judge import Judgement


@dataclass(frozen=True, slots=True, order=True)
class Symbol:
    """A symbol, its style, and what the legend says of it."""

    text: str
    style: str
    meaning: str


OPEN: Final = Symbol("open", "green", "as meant")
SHUT: Final = Symbol("·", "dim", "shut as meant")
TOLERATED: Final = Symbol("(open)", "yellow", "tolerated")
UNJUDGED_OPEN: Final = Symbol("~open", "dim", "not judged")
UNJUDGED_SHUT: Final = Symbol("~", "dim", "shut, not judged")
UNKNOWN: Final = Symbol("?", "bold yellow", "not known")
BROKEN: Final = Symbol("BROKEN", "bold magenta", "needed, and shut")
BREACH: Final = Symbol("BREACH", "bold red", "open, meant to be shut")

SYMBOLS: Final[dict[Judgement, tuple[Symbol, Symbol]]] = {
    Judgement.HOLDS: (OPEN, SHUT),
    Judgement.TOLERATED: (TOLERATED, SHUT),
    Judgement.UNJUDGED: (UNJUDGED_OPEN, UNJUDGED_SHUT),
    Judgement.UNKNOWN: (UNKNOWN, UNKNOWN),
    Judgement.BROKEN: (BROKEN, BROKEN),
    Judgement.BREACH: (BREACH, BREACH),
}
"""Judgement → its face when something got through, and when nothing did."""

DRIFT: Final = Symbol("≠", "bold cyan", "not as the file predicts")
SCOPE_SUFFIXES: Final = {
    "/udp": Symbol("/udp", "bold cyan", "over UDP only"),
    "/tcp": Symbol("/tcp", "bold cyan", "over TCP only"),
    "/v6": Symbol("/v6", "bold cyan", "over IPv6 only"),
    "/v4": Symbol("/v4", "bold cyan", "over IPv4 only"),
    "/part": Symbol("/part", "bold cyan", "not over every protocol and version of IP"),
}
"""What is behind a symbol when it does not hold for all of a door."""
BLANK: Final = Symbol("", "", "")
LEGEND: Final = (BREACH, BROKEN, UNKNOWN, OPEN, SHUT, TOLERATED, UNJUDGED_OPEN, UNJUDGED_SHUT)


def symbol_of(summarize: ConnectionSummary | None) -> Symbol:
    """Return what a cell looks like; a pair that nobody asked about is blank."""
    if summarize is None:
        return BLANK
    when_open, when_shut = SYMBOLS[summarize.judgement]
    shown = when_open if summarize.is_open else when_shut
    return replace(shown, text=shown.text + summarize.scope.suffix + (DRIFT.text if summarize.drift else ""))


def legend(cells: Collection[ConnectionSummary]) -> list[Symbol]:
    """Return the faces in use, in the legend's order."""
    used = {SYMBOLS[summarize.judgement][not summarize.is_open] for summarize in cells}
    used_suffixes = {suffix for summarize in cells for suffix in SCOPE_SUFFIXES if suffix in summarize.scope.suffix}
    limits = [symbol_of for suffix, symbol_of in SCOPE_SUFFIXES.items() if suffix in used_suffixes]
    drift = [DRIFT] if any(summarize.drift for summarize in cells) else []
    return [item for item in LEGEND if item in used] + limits + drift
