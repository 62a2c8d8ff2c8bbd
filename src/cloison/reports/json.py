"""The JSON report: the proof document itself, in its canonical bytes (RFC 8785).

Input: a proof. Output: text in parts.
Rule: the bytes are those whose SHA-256 names the proof.
"""

from __future__ import annotations

from collections.abc import Iterator

from cloison.proof.schema import Proof, canonical_chunks


def parts(proof: Proof) -> Iterator[str]:
    """Yield the canonical document without a newline, in parts, so that a large proof is not held twice."""
    return (piece.decode() for piece in canonical_chunks(proof))
