"""The fragments of the pages of a proof, each rendered once: counts, action items, diagram, matrix, evidence, changes.

Input: the digest of a proof. Output: markup, from the cache where it was rendered before.
Rule: `cloison_view` makes the summary of a proof, so a page shows the numbers of the command's reports.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from flask import Blueprint, current_app, g, render_template, url_for
from markupsafe import Markup

import cloison_view
from cloison_view import evidence as cloison_view_evidence
from cloison_view.action_list import action_list
from cloison_view.change_groups import ChangeGroup, change_groups
from cloison_view.connections import Document, ProofConnection, connections
from cloison_view.diagram import diagram
from cloison_view.difference import compare_connections
from cloison_view.labels import ACTIONABLE, to_act_on
from cloison_view.markup import Anchors
from cloison_view.matrix import matrix
from cloison_view.policy_section import policy_section, risk_section
from cloison_view.summary import Summary, summarize
from ledger.views.fragment_cache import FragmentCache
from ledger.views.queries import document

bp = Blueprint(
    "cloison_view",
    __name__,
    static_folder=str(Path(cloison_view.__file__).parent / "static"),
    static_url_path="/static/cloison_view",
)

MAX_ACTION_ITEMS: Final = 6  # above the diagram; the rest is collapsed
MAX_INLINE: Final = 4_000  # connections whose evidence is on the page; of more it has pages of its own
MAX_TABLE_ROWS: Final = 300  # of a table of changes; the worst come first


def fragment_cache() -> FragmentCache:
    """Return the cache of fragments."""
    return cast("FragmentCache", current_app.extensions["fragment_cache"])


def page_fragments(project: str, digest: str) -> dict[str, Markup]:
    """Return the fragments of one page by name; they link to each other.

    The evidence of many connections is on pages of its own, one for each source, because it is several megabytes.
    """
    pages = url_for("proofs.evidence", project=project, digest=digest, source=0).removesuffix("/0")

    def rendered(fragment: Callable[[Document, Summary, str], Markup]) -> Markup:
        def render() -> Markup:
            summary = _summary(project, digest)
            elsewhere = pages if len(summary.connections) > MAX_INLINE else ""
            return fragment(document(project, digest), summary, elsewhere)

        return fragment_cache().get((fragment.__name__, project, digest), render)

    fragments = (counts_by_judgement, diagram, action_items, policy, risks, matrix, evidence)
    return {fragment.__name__: rendered(fragment) for fragment in fragments}


def counts_by_judgement(_proof: Document, summary: Summary, _elsewhere: str = "") -> Markup:
    """Return the numbers of flows and of connections by judgement."""
    return _render("counts.html", flows=summary.flow_counts, connections=summary.connection_counts)


def evidence(proof: Document, summary: Summary, elsewhere: str) -> Markup:
    """Return the evidence, or the list of the pages that have it."""
    if not elsewhere:
        return cloison_view_evidence.evidence(proof, summary)
    anchors = Anchors(proof)
    counted = Counter(found.source for found in summary.connections)
    acted_on = Counter(found.source for found in summary.connections if found.judgement in ACTIONABLE)
    sources = [(name, f"{elsewhere}/{at}", counted[name], acted_on[name]) for at, name in enumerate(anchors.places)]
    return _render("evidence_pages.html", sources=[row for row in sources if row[2]])


def evidence_page(project: str, digest: str, source: int) -> tuple[str, Markup]:
    """Return one source of a proof by its number, and its evidence; a LookupError where there is none."""
    return cloison_view_evidence.evidence_from(document(project, digest), source)


def action_items(proof: Document, summary: Summary, elsewhere: str = "") -> Markup:
    """Return the entries that need action; empty where there are none."""
    entries = action_list(proof, summary, most=MAX_ACTION_ITEMS, elsewhere=elsewhere)
    if not entries:
        return Markup()
    return _render("action_items.html", heading=to_act_on(summary.counts_of(*ACTIONABLE)), entries=entries)


def policy(proof: Document, summary: Summary, _elsewhere: str) -> Markup:
    """Return the lines of the policy with their reasons and their use; empty where the file has none."""
    return policy_section(proof, summary)


def risks(proof: Document, _summary: Summary, _elsewhere: str) -> Markup:
    """Return the security risks; empty where there are none."""
    return risk_section(proof)


def difference(project: str, old: str, new: str) -> Markup:
    """Return the changes from one proof to another."""

    def render() -> Markup:
        return _render("changes.html", groups=_change_groups(project, old, new), rows=MAX_TABLE_ROWS)

    return fragment_cache().get(("difference", old, new), render)


def change_summary(project: str, old: str, new: str) -> Markup:
    """Return the changes from one proof to another in one line: their numbers, the worst first."""
    return fragment_cache().get(
        ("changes", old, new), lambda: _render("change_summary.html", groups=_change_groups(project, old, new))
    )


def _change_groups(project: str, old: str, new: str) -> list[ChangeGroup]:
    """Return the changes from one proof to another, folded once in a request."""
    known: dict[tuple[str, str], list[ChangeGroup]] = g.setdefault("changes", {})
    if (old, new) not in known:
        known[old, new] = change_groups(compare_connections(_connections(project, old), _connections(project, new)))
    return known[old, new]


def facts(project: str, digest: str) -> Markup:
    """Return the machine, engine, coverage, policy and notes of a proof."""
    return fragment_cache().get(("facts", digest), lambda: _render("facts.html", proof=document(project, digest)))


def places(project: str, digest: str) -> Markup:
    """Return the places of a proof as options of a list."""

    def render() -> Markup:
        found = {
            place for connection in _connections(project, digest) for place in (connection.source, connection.target)
        }
        return Markup("").join(Markup('<option value="{}">').format(place) for place in sorted(found))

    return fragment_cache().get(("places", digest), render)


def _render(template: str, **values: Any) -> Markup:
    return Markup(render_template(template, **values))  # noqa: S704 - the template escaped it


def _connections(project: str, digest: str) -> tuple[ProofConnection, ...]:
    """Return the connections of a proof by protocol, folded once in a request."""
    gathered: dict[str, tuple[ProofConnection, ...]] = g.setdefault("connections", {})
    if digest not in gathered:
        gathered[digest] = connections(document(project, digest))
    return gathered[digest]


def _summary(project: str, digest: str) -> Summary:
    """Return the summary of a proof, folded once in a request."""
    summaries: dict[str, Summary] = g.setdefault("summaries", {})
    if digest not in summaries:
        summaries[digest] = summarize(document(project, digest))
    return summaries[digest]
