"""One example: a document that Compose could nearly have printed, and what is left of it after a few strikes."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from hypothesis import strategies as st
from tests.property.core_pipeline import Chances, tried
from tests.property.document_strategies import ANYTHING, Document, documents, mutant

MUTANTS: Final = 4
"""So many mutants of a document are tried with it: to draw one costs more than to try one."""
EACH: Final = 1 + MUTANTS
"""Documents of one example."""
SEEDS: Final = st.integers(0, 2**32)
CHANCES: Final = st.builds(
    Chances, SEEDS, st.sampled_from(["20.10", "26.1", "28.0"]), st.sampled_from(["", "bridge", "internal"])
)
DOCUMENTS: Final = documents() | documents() | documents() | ANYTHING


def check(document: Document, chances: Chances) -> list[str]:
    """Try a document and its mutants; return what they came to: the name of an error, or `passed`.

    Raises whatever is neither a result nor a sentence, with the document that brought it.
    """
    dice = Random(chances.seed)  # noqa: S311  # an example, not a secret
    return [_told(body, chances) for body in (document, *(mutant(document, dice) for _ in range(MUTANTS)))]


def _told(document: Any, chances: Chances) -> str:
    try:
        refused = tried(document, chances)
    except BaseException as error:
        error.add_note(f"{chances}, on the document {document!r}"[:10_000])
        raise
    return type(refused).__name__ if refused else "passed"
