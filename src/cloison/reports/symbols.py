"""The symbols in the cells of the matrix.

Input: a connection. Output: a `Symbol`, and the legend.
Rule: symbols differ in shape, so they read without colour. Every judgement has a symbol for open and for closed; a new
judgement without one fails the tests.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from cloison.verdict.judge import Judgement
from cloison_view.summary import Connection


@dataclass(frozen=True, slots=True, order=True)
class Symbol:
    """A symbol, its style, and its meaning in the legend."""

    text: str
    style: str
    meaning: str


OPEN: Final = Symbol("open", "green", "as intended")
SHUT: Final = Symbol("·", "dim", "closed as intended")
TOLERATED: Final = Symbol("(open)", "yellow", "tolerated")
UNJUDGED_OPEN: Final = Symbol("~open", "dim", "not judged")
UNJUDGED_SHUT: Final = Symbol("~", "dim", "closed, not judged")
UNKNOWN: Final = Symbol("?", "bold yellow", "unknown")
BROKEN: Final = Symbol("BROKEN", "bold magenta", "closed, intended to be open")
BREACH: Final = Symbol("BREACH", "bold red", "open, intended to be closed")

SYMBOLS: Final[dict[str, tuple[Symbol, Symbol]]] = {
    Judgement.HOLDS: (OPEN, SHUT),
    Judgement.TOLERATED: (TOLERATED, SHUT),
    Judgement.UNJUDGED: (UNJUDGED_OPEN, UNJUDGED_SHUT),
    Judgement.UNKNOWN: (UNKNOWN, UNKNOWN),
    Judgement.BROKEN: (BROKEN, BROKEN),
    Judgement.BREACH: (BREACH, BREACH),
}
"""Judgement to its symbol when a flow is open, and when none is."""

DRIFT: Final = Symbol("≠", "bold cyan", "not as predicted")
SCOPE_SUFFIXES: Final = {
    "/udp": Symbol("/udp", "bold cyan", "over UDP only"),
    "/tcp": Symbol("/tcp", "bold cyan", "over TCP only"),
    "/v6": Symbol("/v6", "bold cyan", "over IPv6 only"),
    "/v4": Symbol("/v4", "bold cyan", "over IPv4 only"),
    "/part": Symbol("/part", "bold cyan", "over some protocols and versions of IP only"),
}
"""The suffix of a symbol when the judgement does not hold for all of a connection."""
BLANK: Final = Symbol("", "", "")
LEGEND: Final = (BREACH, BROKEN, UNKNOWN, OPEN, SHUT, TOLERATED, UNJUDGED_OPEN, UNJUDGED_SHUT)


def symbol_of(connection: Connection | None) -> Symbol:
    """Return the symbol of a cell; a blank where no flow was probed."""
    if connection is None:
        return BLANK
    when_open, when_shut = SYMBOLS[connection.judgement]
    shown = when_open if connection.is_open else when_shut
    return replace(shown, text=shown.text + connection.scope.suffix + (DRIFT.text if connection.drift else ""))


def legend(cells: Collection[Connection]) -> list[Symbol]:
    """Return the symbols in use, in the order of the legend."""
    used = {SYMBOLS[connection.judgement][not connection.is_open] for connection in cells}
    used_suffixes = {suffix for connection in cells for suffix in SCOPE_SUFFIXES if suffix in connection.scope.suffix}
    scopes = [symbol for suffix, symbol in SCOPE_SUFFIXES.items() if suffix in used_suffixes]
    drift = [DRIFT] if any(connection.drift for connection in cells) else []
    return [item for item in LEGEND if item in used] + scopes + drift
