"""The pages of the ledger: projects, proofs, the difference of two proofs, connections over time, badges.

Rule: a page needs a few indexed queries and cached fragments; a document is read only to render a fragment that is not
in the cache.
"""

from http import HTTPStatus
from pathlib import Path
from typing import Final

from flask import Flask, render_template
from flask.typing import ResponseReturnValue

import cloison_view
from cloison_view.labels import display_name, total, value_word
from cloison_view.labels import shown as seen
from cloison_view.words import words
from ledger.views import (
    badge,
    diff,
    feed,
    http_cache,
    notifications,
    project,
    proof_fragments,
    proofs,
    time_format,
    trend,
)
from ledger.views import connections as connections_view
from ledger.views import labels as views_labels
from ledger.views import projects as _projects  # noqa: F401 - it adds its route to the blueprint of one project
from ledger.views.fragment_cache import BusyError, FragmentCache

# For each process: five proofs of sixty services, or five hundred of three.
FRAGMENT_CACHE_BYTES: Final = 32 * 2**20
# Whole pages are valid for a minute; a cache of their own, so that they do not evict fragments.
PAGE_CACHE_BYTES: Final = 4 * 2**20
RETRY_AFTER: Final = "5"  # seconds


def init_app(app: Flask) -> None:
    """Register the pages, and the filters and globals of their templates."""
    here, views = Path(app.root_path), Path(cloison_view.__file__).parent
    app.extensions["asset_version"] = http_cache.asset_version(
        *(root / kind for root in (here, views) for kind in ("templates", "static"))
    )
    app.extensions["fragment_cache"] = FragmentCache(FRAGMENT_CACHE_BYTES)
    app.extensions["pages"] = FragmentCache(PAGE_CACHE_BYTES)
    for bp in (
        project.bp,
        proofs.bp,
        diff.bp,
        connections_view.bp,
        badge.bp,
        feed.bp,
        notifications.bp,
        proof_fragments.bp,
    ):
        app.register_blueprint(bp)
    for time_filter in (time_format.age, time_format.clock, time_format.day, time_format.time_of_day, time_format.iso):
        app.add_template_filter(time_filter)
    app.add_template_filter(views_labels.port, "port")
    app.add_template_filter(views_labels.verdict_word)
    app.add_template_filter(views_labels.group_word)
    app.add_template_filter(display_name)
    app.add_template_filter(value_word)
    app.add_template_filter(seen, "shown")
    app.jinja_env.globals.update(
        asset=http_cache.asset,
        counts=views_labels.counts,
        total=total,
        sentence=views_labels.sentence,
        trend=trend.trend,
        words=words,
    )
    app.register_error_handler(BusyError, _busy)
    http_cache.init_app(app)


def _busy(_error: BusyError) -> ResponseReturnValue:
    """Ask to come back: another request renders the page, and takes long."""
    status, detail = HTTPStatus.SERVICE_UNAVAILABLE, "The page is being made for the first time. Try again in a moment."
    return render_template("error.html", status=status, detail=detail), status, {"Retry-After": RETRY_AFTER}
