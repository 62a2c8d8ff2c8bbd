"""One example: a nearly valid document, and its mutants."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from hypothesis import strategies as st
from tests.property.core_pipeline import FuzzParameters, error_of
from tests.property.document_strategies import ANYTHING, Document, documents, mutant

from cloison.remote.protocol import error_response

MUTANTS: Final = 4
"""The number of mutants tried with each document: generating a document costs more than a try."""
DOCUMENTS_PER_EXAMPLE: Final = 1 + MUTANTS
"""The number of documents of one example."""
SEEDS: Final = st.integers(0, 2**32)
PARAMETERS: Final = st.builds(
    FuzzParameters, SEEDS, st.sampled_from(["20.10", "26.1", "28.0"]), st.sampled_from(["", "bridge", "internal"])
)
DOCUMENTS: Final = documents() | documents() | documents() | ANYTHING


def check(document: Document, parameters: FuzzParameters) -> list[str]:
    """Run a document and its mutants; return their results: the name of an error, or `passed`.

    Raises every exception that is not an expected error, with its document.
    """
    dice = Random(parameters.seed)  # noqa: S311  # an example, not a secret
    return [_result_of(body, parameters) for body in (document, *(mutant(document, dice) for _ in range(MUTANTS)))]


def _result_of(document: Any, parameters: FuzzParameters) -> str:
    try:
        refused = error_of(document, parameters)
    except BaseException as error:
        error.add_note(f"{parameters}, on the document {document!r}"[:10_000])
        raise
    return error_response(refused).kind if refused else "passed"
