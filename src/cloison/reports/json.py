"""The proof document itself, in its canonical bytes."""

from __future__ import annotations

from collections.abc import Iterator

from cloison.proof import Proof, canonical, pieces


def render(proof: Proof) -> str:
    """Return the canonical document, without a newline, so that its SHA-256 is the proof's name."""
    return canonical(proof).decode()


def parts(proof: Proof) -> Iterator[str]:
    """Yield the same in parts, which a large proof can be written in without being held twice."""
    return (piece.decode() for piece in pieces(proof))
