"""A proof's pieces as proofview makes them, each made once: picture, matrix, what changed, places."""

from pathlib import Path

import proofview
from flask import Blueprint, current_app, render_template
from markupsafe import Markup
from proofview.difference import difference as difference_of
from proofview.doors import doors

from ledger.views.fragments import Fragments
from ledger.views.reading import document

bp = Blueprint(
    "proofview", __name__, static_folder=str(Path(proofview.__file__).parent / "static"), static_url_path="/static/proofview"
)


def _fragments() -> Fragments:
    fragments: Fragments = current_app.extensions["fragments"]
    return fragments


def picture(project: str, digest: str) -> Markup:
    """Return the picture of a proof."""
    return _fragments().get(("picture", digest), lambda: Markup("<p>picture</p>"))


def matrix(project: str, digest: str) -> Markup:
    """Return the matrix of a proof."""
    return _fragments().get(("matrix", digest), lambda: Markup("<p>matrix</p>"))


def difference(project: str, old: str, new: str) -> Markup:
    """Return what opened and closed from one proof to another."""

    def render() -> Markup:
        changes = difference_of(document(project, old), document(project, new))
        return Markup(render_template("difference.html", changes=changes))

    return _fragments().get(("difference", old, new), render)


def facts(project: str, digest: str) -> Markup:
    """Return what a proof says about itself: where and with what it was made, what it did not look at."""
    return _fragments().get(
        ("facts", digest), lambda: Markup(render_template("facts.html", proof=document(project, digest)))
    )


def places(project: str, digest: str) -> Markup:
    """Return the places of a proof as options of a list."""

    def render() -> Markup:
        found = {place for door in doors(document(project, digest)) for place in (door.source, door.target)}
        return Markup("").join(Markup('<option value="{}">').format(place) for place in sorted(found))

    return _fragments().get(("places", digest), render)
