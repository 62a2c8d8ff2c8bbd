"""Which name was meant: what a sentence about an unknown one ends with."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

SIMILARITY_CUTOFF: Final = 0.5
"""From here on two names are alike, where 1 is the same: `apii` and `api`, `backend` and `back`."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the name that was meant, or those that there are."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=SIMILARITY_CUTOFF)
    return f' (did you mean "{close[0]}"?)' if close else f"; known are {', '.join(names) or 'none'}"
