"""Shows one whole proof: as the body of a page, and as a page of its own that needs nothing but itself.

Rule: the page of its own fetches nothing and runs nothing but the script that it carries; its policy
(https://www.w3.org/TR/CSP3/#meta-element) names style and script by their checksums.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from functools import cache
from importlib import resources
from typing import Any, Final

from markupsafe import Markup

from cloison_view.action_items import action_items
from cloison_view.connections import Document, connections
from cloison_view.diagram import diagram
from cloison_view.evidence import evidence
from cloison_view.markup import render_template
from cloison_view.matrix import matrix

VERDICTS: Final = {"proven": "Proven", "breached": "Breached", "unproven": "Not proven"}
TOTALS: Final = {
    "holds": "hold",
    "tolerated": "tolerated",
    "unjudged": "not judged",
    "unknown": "unknown",
    "broken": "broken",
    "breach": "breach",
    "drift": "not as the file predicts",
}
MAX_ITEMS_ABOVE: Final = 10
"""So many entries stand above the picture; the rest is a click away."""
STYLE: Final = "view.css"
SCRIPT: Final = "view.js"


def render_page(proof: Document, digest: str) -> str:
    """Return a self-contained HTML page of a proof; `digest` is its name in hexadecimal."""
    style, script = static(STYLE), static(SCRIPT)
    policy = (
        f"default-src 'none'; style-src '{checksum(style)}'; script-src '{checksum(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return str(
        render_template(
            "page.html",
            proof=proof,
            policy=policy,
            word=VERDICTS[proof["verdict"]["word"]],
            style=Markup(style),  # noqa: S704  # a file of this package
            script=Markup(script),  # noqa: S704  # same
            body=body(proof, digest),
        )
    )


def body(proof: Document, digest: str) -> Markup:
    """Return all that is said of a proof, from its verdict to its evidence, as part of a page."""
    gathered = connections(proof)
    return render_template(
        "body.html",
        proof=proof,
        digest=digest,
        word=VERDICTS[proof["verdict"]["word"]],
        when=proof["started"][:19].replace("T", " "),
        totals=_totals(proof),
        action_items=action_items(proof, gathered),
        first=MAX_ITEMS_ABOVE,
        absent=sorted(Counter(proof["coverage"]["absent"]).items()),
        failed=[part for part in proof["vantages"] if part["positive_control"] or part["negative_control"]],
        diagram=diagram(proof, gathered),
        matrix=matrix(proof, gathered),
        evidence=evidence(proof, gathered),
    )


@cache
def static(name: str) -> str:
    """Return a file of the package that pages need."""
    return resources.files("cloison_view").joinpath("static", name).read_text("utf-8")


def checksum(text: str) -> str:
    """Return what a policy calls an inline text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _totals(proof: Document) -> list[tuple[str, Any, str]]:
    """Return the numbers of flows by judgement, each with its word."""
    totals = proof["totals"]
    return [(key, totals[key], word) for key, word in TOTALS.items() if totals.get(key)]
