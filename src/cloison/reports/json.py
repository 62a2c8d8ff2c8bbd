"""The proof document itself, in its canonical bytes."""

from __future__ import annotations

from cloison.proof import Proof, canonical


def render(proof: Proof) -> str:
    """Return the canonical document, without a newline, so that its SHA-256 is the proof's name."""
    return canonical(proof).decode()
