"""Renders a whole proof: as the body of a page, and as a self-contained page.

Input: a proof document and its digest. Output: HTML. The verdict on it is derived, whatever the document states.
Rule: the self-contained page loads nothing and runs only the script in it. Its Content-Security-Policy names style and
script by their checksums.
Source: https://www.w3.org/TR/CSP3/#meta-element
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from functools import cache
from importlib import resources
from typing import Final

from markupsafe import Markup

from cloison_view.action_list import action_list
from cloison_view.connections import Document
from cloison_view.diagram import diagram
from cloison_view.evidence import evidence
from cloison_view.labels import ACTIONABLE, COUNTED, nothing_to_act_on, to_act_on
from cloison_view.markup import render_template
from cloison_view.matrix import matrix
from cloison_view.policy_section import policy_section, risk_section
from cloison_view.summary import summarize
from cloison_view.verdict import derive_verdict
from cloison_view.words import words

VERDICTS: Final = {"proven": "Proven", "drawn": "As drawn", "breached": "Breached", "unproven": "Not proven"}
STYLE: Final = "view.css"
SCRIPT: Final = "view.js"


def render_page(proof: Document, digest: str) -> str:
    """Return a self-contained HTML page of a proof; `digest` is its SHA-256 in hexadecimal."""
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
            word=VERDICTS[derive_verdict(proof).word],
            style=Markup(style),  # noqa: S704  # a file of this package
            script=Markup(script),  # noqa: S704  # same
            body=body(proof, digest),
        )
    )


def body(proof: Document, digest: str) -> Markup:
    """Return the report of a proof, from its verdict to its evidence, as part of a page."""
    summary = summarize(proof)
    verdict = derive_verdict(proof).word
    return render_template(
        "body.html",
        proof=proof,
        digest=digest,
        verdict=verdict,
        word=VERDICTS[verdict],
        nothing=nothing_to_act_on(verdict),
        when=proof["started"][:19].replace("T", " "),
        counts=[("flow", summary.flow_counts), ("connection", summary.connection_counts)],
        words=COUNTED,
        to_act_on=to_act_on(summary.counts_of(*ACTIONABLE)),
        action_list=action_list(proof, summary),
        policy=policy_section(proof, summary),
        risks=risk_section(proof),
        absent=sorted(Counter(proof["coverage"]["absent"]).items()),
        failed=[part for part in proof["vantages"] if part["positive_control"] or part["negative_control"]],
        diagram=diagram(proof, summary),
        matrix=matrix(proof, summary),
        evidence=evidence(proof, summary),
        explained=words(),
    )


@cache
def static(name: str) -> str:
    """Return the text of a static file of the package."""
    return resources.files("cloison_view").joinpath("static", name).read_text("utf-8")


def checksum(text: str) -> str:
    """Return the hash source of an inline text for a Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
