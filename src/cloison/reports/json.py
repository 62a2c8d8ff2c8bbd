"""The proof document itself, in its canonical bytes."""

from __future__ import annotations

from collections.abc import Iterator

from cloison.proof.schema import Proof, canonical_chunks


def parts(proof: Proof) -> Iterator[str]:
    """Yield the canonical document, without a newline, so that its SHA-256 is the proof's name.

    In parts, for a large proof can be written in them without being held twice.
    """
    return (piece.decode() for piece in canonical_chunks(proof))
