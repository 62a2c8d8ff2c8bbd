"""The JSON report: the document itself, in its canonical bytes (RFC 8785).

Input: a proof or a plan. Output: text in parts.
Rule: the bytes are those whose SHA-256 names the document.
"""

from __future__ import annotations

from collections.abc import Iterator

from cloison.proof.schema import Part, canonical_chunks


def parts(document: Part) -> Iterator[str]:
    """Yield the canonical document without a newline, in parts, so that a large document is not held twice."""
    return (piece.decode() for piece in canonical_chunks(document))
