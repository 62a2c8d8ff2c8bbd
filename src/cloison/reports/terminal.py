"""The report for a terminal: who reaches whom, then what to act on."""

from __future__ import annotations

from cloison.proof import Proof


def render(proof: Proof, *, color: bool, width: int, strict: bool) -> str:
    """Return the report for a terminal of `width` columns."""
    return repr((proof.verdict, color, width, strict)) + "\n"
