"""A proof's fragments as cloison_view makes them, each made once: diagram, matrix, what changed, places."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from flask import Blueprint, current_app, g, render_template
from markupsafe import Markup

import cloison_view
from cloison_view import action_items as view_action_items
from cloison_view.connections import WORST_FIRST, Document, ProofConnection, connections
from cloison_view.diagram import diagram
from cloison_view.difference import ConnectionChange, compare_connections
from cloison_view.evidence import evidence
from cloison_view.matrix import matrix
from ledger.views.fragment_cache import FragmentCache
from ledger.views.queries import document

bp = Blueprint(
    "cloison_view",
    __name__,
    static_folder=str(Path(cloison_view.__file__).parent / "static"),
    static_url_path="/static/cloison_view",
)

MAX_ACTION_ITEMS: Final = 6  # that stand above the diagram; the rest is collapsed
MAX_TABLE_ROWS: Final = 300  # of a table of connections; what is worst comes first
URGENT: Final = frozenset({"breach", "broken", "unknown"})


def fragment_cache() -> FragmentCache:
    """Return what is remembered."""
    return cast("FragmentCache", current_app.extensions["fragment_cache"])


def page_fragments(project: str, digest: str) -> dict[str, Markup]:
    """Return what cloison_view makes of a proof, by name; all that one page shows, for they refer to each other."""

    def rendered(fragment: Callable[[Document, tuple[ProofConnection, ...]], Markup]) -> Markup:
        return fragment_cache().get(
            (fragment.__name__, digest), lambda: fragment(document(project, digest), _connections(project, digest))
        )

    return {fragment.__name__: rendered(fragment) for fragment in (action_items, diagram, matrix, evidence)}


def action_items(proof: Document, gathered: tuple[ProofConnection, ...]) -> Markup:
    """Return what needs action."""
    return _render(
        "action_items.html", action_items=view_action_items.action_items(proof, gathered), first=MAX_ACTION_ITEMS
    )


def difference(project: str, old: str, new: str) -> Markup:
    """Return what opened and closed from one proof to another."""

    def render() -> Markup:
        found = compare_connections(_connections(project, old), _connections(project, new))
        lists = {"opened": found.opened, "closed": found.closed, "others": found.changed}
        ordered = {name: sorted(changes, key=_rank) for name, changes in lists.items()}
        return _render("changes.html", **ordered, rows=MAX_TABLE_ROWS)

    return fragment_cache().get(("difference", old, new), render)


def facts(project: str, digest: str) -> Markup:
    """Return what a proof says about itself: where and with what it was made, what it did not look at."""
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
    """Return the connections of a proof, gathered once in a request."""
    gathered: dict[str, tuple[ProofConnection, ...]] = g.setdefault("connections", {})
    if digest not in gathered:
        gathered[digest] = connections(document(project, digest))
    return gathered[digest]


def is_urgent(change: ConnectionChange) -> bool:
    """Tell whether somebody has to look at it."""
    return change.new is not None and change.new.judgement in URGENT


def _rank(change: ConnectionChange) -> int:
    """Order the worst first, by what is now; what is gone comes last."""
    return WORST_FIRST.index(change.new.judgement) if change.new else len(WORST_FIRST)
