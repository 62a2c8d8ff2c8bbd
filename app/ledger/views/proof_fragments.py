"""A proof's pieces as cloison_view makes them, each made once: picture, matrix, what changed, places."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from flask import Blueprint, current_app, g, render_template
from markupsafe import Markup

import cloison_view
from cloison_view.action_items import acts
from cloison_view.connections import WORST_FIRST, Document, Door, doors
from cloison_view.diagram import picture
from cloison_view.difference import Change, between
from cloison_view.evidence import evidence
from cloison_view.matrix import matrix
from ledger.views.fragment_cache import Fragments
from ledger.views.queries import document

bp = Blueprint(
    "cloison_view",
    __name__,
    static_folder=str(Path(cloison_view.__file__).parent / "static"),
    static_url_path="/static/cloison_view",
)

ACTS: Final = 6  # that stand above the picture; the rest is folded away
ROWS: Final = 300  # of a table of doors; what is worst comes first
URGENT: Final = frozenset({"breach", "broken", "unknown"})


def fragments() -> Fragments:
    """Return what is remembered."""
    return cast("Fragments", current_app.extensions["fragments"])


def pieces(project: str, digest: str) -> dict[str, Markup]:
    """Return what cloison_view makes of a proof, by name; all that one page shows, for they refer to each other."""

    def made(piece: Callable[[Document, tuple[Door, ...]], Markup]) -> Markup:
        return fragments().get(
            (piece.__name__, digest), lambda: piece(document(project, digest), _doors(project, digest))
        )

    return {piece.__name__: made(piece) for piece in (to_act_on, picture, matrix, evidence)}


def to_act_on(proof: Document, gathered: tuple[Door, ...]) -> Markup:
    """Return what needs action."""
    return _filled("acts.html", acts=acts(proof, gathered), first=ACTS)


def difference(project: str, old: str, new: str) -> Markup:
    """Return what opened and closed from one proof to another."""

    def render() -> Markup:
        found = between(_doors(project, old), _doors(project, new))
        lists = {"opened": found.opened, "closed": found.closed, "others": found.changed}
        ordered = {name: sorted(changes, key=_rank) for name, changes in lists.items()}
        return _filled("difference.html", **ordered, rows=ROWS)

    return fragments().get(("difference", old, new), render)


def facts(project: str, digest: str) -> Markup:
    """Return what a proof says about itself: where and with what it was made, what it did not look at."""
    return fragments().get(("facts", digest), lambda: _filled("facts.html", proof=document(project, digest)))


def places(project: str, digest: str) -> Markup:
    """Return the places of a proof as options of a list."""

    def render() -> Markup:
        found = {place for door in _doors(project, digest) for place in (door.source, door.target)}
        return Markup("").join(Markup('<option value="{}">').format(place) for place in sorted(found))

    return fragments().get(("places", digest), render)


def _filled(template: str, **values: Any) -> Markup:
    return Markup(render_template(template, **values))  # noqa: S704 - the template escaped it


def _doors(project: str, digest: str) -> tuple[Door, ...]:
    """Return the doors of a proof, gathered once in a request."""
    gathered: dict[str, tuple[Door, ...]] = g.setdefault("doors", {})
    if digest not in gathered:
        gathered[digest] = doors(document(project, digest))
    return gathered[digest]


def is_urgent(change: Change) -> bool:
    """Tell whether somebody has to look at it."""
    return change.new is not None and change.new.judgement in URGENT


def _rank(change: Change) -> int:
    """Order the worst first, by what is now; what is gone comes last."""
    return WORST_FIRST.index(change.new.judgement) if change.new else len(WORST_FIRST)
