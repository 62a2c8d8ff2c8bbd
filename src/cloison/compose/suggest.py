"""The suggestion that ends an error about an unknown name.

Input: the unknown name and the known ones. Output: a clause that an error appends to its text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

SIMILARITY_CUTOFF: Final = 0.5
"""The least similarity of a suggestion, 1 for equal names: `apii` suggests `api`, `back` suggests `backend`."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return a clause with the most similar name, or with all known names when none is similar."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=SIMILARITY_CUTOFF)
    return f' (did you mean "{close[0]}"?)' if close else f"; known names: {', '.join(names) or 'none'}"
