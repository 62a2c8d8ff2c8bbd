"""The HTML report: one self-contained page with the diagram, the matrix and the evidence.

Input: a proof. Output: HTML.
Rule: the page is that of the ledger (`cloison_view.page`).
"""

from __future__ import annotations

import msgspec

from cloison.proof.schema import Proof, digest
from cloison_view import page as cloison_view_page


def render(proof: Proof) -> str:
    """Return the page."""
    return cloison_view_page.render_page(msgspec.to_builtins(proof), digest(proof))
