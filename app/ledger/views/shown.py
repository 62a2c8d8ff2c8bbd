"""A proof's pieces as proofview makes them, each made once: picture, matrix, what changed, places."""

from pathlib import Path
from typing import Final, cast

import proofview
from flask import Blueprint, current_app, render_template
from markupsafe import Markup
from proofview.difference import Change
from proofview.difference import difference as difference_of
from proofview.doors import WORST_FIRST, doors

from ledger.views.fragments import Fragments
from ledger.views.reading import document

bp = Blueprint(
    "proofview",
    __name__,
    static_folder=str(Path(proofview.__file__).parent / "static"),
    static_url_path="/static/proofview",
)

ROWS: Final = 300  # of a table of doors; what is worst comes first
URGENT: Final = frozenset({"breach", "broken", "unknown"})


def fragments() -> Fragments:
    """Return what is remembered."""
    return cast("Fragments", current_app.extensions["fragments"])


def picture(project: str, digest: str) -> Markup:
    """Return the picture of a proof."""
    return fragments().get(("picture", digest), lambda: Markup("<p>picture</p>"))


def matrix(project: str, digest: str) -> Markup:
    """Return the matrix of a proof."""
    return fragments().get(("matrix", digest), lambda: Markup("<p>matrix</p>"))


def difference(project: str, old: str, new: str) -> Markup:
    """Return what opened and closed from one proof to another."""

    def render() -> Markup:
        found = difference_of(document(project, old), document(project, new))
        lists = {"opened": found.opened, "closed": found.closed, "others": found.changed}
        ordered = {name: sorted(changes, key=_rank) for name, changes in lists.items()}
        return Markup(render_template("difference.html", **ordered, shown=ROWS))

    return fragments().get(("difference", old, new), render)


def facts(project: str, digest: str) -> Markup:
    """Return what a proof says about itself: where and with what it was made, what it did not look at."""
    return fragments().get(
        ("facts", digest), lambda: Markup(render_template("facts.html", proof=document(project, digest)))
    )


def places(project: str, digest: str) -> Markup:
    """Return the places of a proof as options of a list."""

    def render() -> Markup:
        found = {place for door in doors(document(project, digest)) for place in (door.source, door.target)}
        return Markup("").join(Markup('<option value="{}">').format(place) for place in sorted(found))

    return fragments().get(("places", digest), render)


def is_urgent(change: Change) -> bool:
    """Tell whether somebody has to look at it."""
    return change.new is not None and change.new.judgement in URGENT


def _rank(change: Change) -> int:
    """Order the worst first, by what is now; what is gone comes last."""
    return WORST_FIRST.index(change.new.judgement) if change.new else len(WORST_FIRST)
