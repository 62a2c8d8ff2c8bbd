"""Says what the document's names and words are called where people read them.

Rule: every name is somebody else's. What it holds of characters that are not seen, or that turn the reading order,
is shown as a replacement character; escaping is the template's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from cloison_view.connections import ProofConnection

HOST: Final = "host"
OUTSIDE: Final = "outside"
FOREIGN_PREFIX: Final = "stranger:"
ANY_OTHER_PORT: Final = "*"
"""Any other port."""
ACTIONABLE: Final = ("breach", "broken", "unknown")
"""The judgements that somebody has to act on, the worst first."""
MAX_NAMED: Final = 3
"""So many are named; the rest is counted."""

SYMBOLS: Final = {
    "open": "●",
    "shut": "○",
    "unknown": "?",
    "tolerated": "◐",
    "optional": "◌",
    "unjudged": "-",
    "undecided": "?",
}
"""What a value of one of the three matrices looks like in a cell; by shape, so that it reads without colour."""

INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that are not seen or act on others: https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing"""
DIGITS: Final = re.compile(r"([0-9]{1,9})")
PRINTABLE_ASCII: Final = re.compile(r"[\x20-\x7e]*")
WIDE: Final = frozenset("WF")
IDEOGRAPHIC: Final = 0x3000
"""From here on no font of one width is trusted to keep to it."""


def shown(text: str) -> str:
    """Return a text with what cannot be seen in it made visible."""
    if PRINTABLE_ASCII.fullmatch(text):
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in INVISIBLE_CATEGORIES else c for c in text)


def text_columns(text: str) -> int:
    """Return how many columns of a font of one width a text takes at most."""
    return sum(2 if unicodedata.east_asian_width(c) in WIDE or ord(c) >= IDEOGRAPHIC else 1 for c in text)


def truncate(text: str, most: int) -> str:
    """Return a text that takes at most so many columns; what was cut off leaves an ellipsis."""
    clean = shown(text)
    if text_columns(clean) <= most:
        return clean
    kept = clean
    while text_columns(kept) > most - 1:
        kept = kept[:-1]
    return kept + "…"


def display_name(place: str) -> str:
    """Return what a place is called: a foreign container goes by the name of its container."""
    return place.removeprefix(FOREIGN_PREFIX)


def sort_places(places: Iterable[str]) -> list[str]:
    """Sort places for the eye: outside, services, foreign containers, the host."""
    return sorted(set(places), key=lambda name: (_rank(name), natural_key(name)))


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts names as people count: web2 before web10."""
    parts = DIGITS.split(name)
    return tuple((int(part) if part.isdecimal() and part.isascii() else 0, part) for part in parts)


def _rank(place: str) -> int:
    return {OUTSIDE: 0, HOST: 3}.get(place, 2 if place.startswith(FOREIGN_PREFIX) else 1)


def port(protocol: str, number: int) -> str:
    """Return a connection's port where its place is said already."""
    return f"{number or ANY_OTHER_PORT}{'' if protocol == 'tcp' else f'/{protocol}'}"


def ports(connections: Iterable[ProofConnection]) -> list[str]:
    """Return the ports of connections, named ones first; the canary of UDP says nothing more beside that of TCP."""
    keys = sorted({(connection.port == 0, connection.port, connection.protocol) for connection in connections})
    both = (True, 0, "tcp") in keys
    return [port(protocol, number) for last, number, protocol in keys if not (both and last and protocol == "udp")]


def join_names(names: list[str], most: int = MAX_NAMED) -> str:
    """Return a list of names in words; many are counted."""
    if len(names) <= most + 1:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def pluralize(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def network_label(part: dict[str, Any] | None, name: str) -> str:
    """Return the file's name of a network where it has one."""
    return (part or {}).get("key") or name
