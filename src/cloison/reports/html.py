"""The report as one page of HTML that needs nothing but itself: the picture, the matrix, the evidence."""

from __future__ import annotations

import msgspec

from cloison.proof.schema import Proof, digest
from cloison_view import page as cloison_view_page


def render(proof: Proof) -> str:
    """Return the page; what it shows is made from the document alone, as in the ledger."""
    return cloison_view_page.render_page(msgspec.to_builtins(proof), digest(proof))
