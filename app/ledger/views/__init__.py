"""The pages of the ledger: projects, their proofs, what changed between two, doors over time, badges.

Rule: a page is a few indexed questions to the archive and pieces that were rendered before; a document is read only
for a piece that nobody has asked for yet.
"""

from pathlib import Path
from typing import Final

from flask import Flask

import cloison_view
from cloison_view.labels import called
from cloison_view.labels import shown as seen
from ledger.views import badge, diff, http_cache, project, proof_fragments, proofs, time_format, trend
from ledger.views import connections as views_connections
from ledger.views import labels as views_labels
from ledger.views.fragment_cache import Fragments

ROOM: Final = (
    32 * 2**20
)  # bytes of pieces that a process keeps: five proofs of sixty services, or five hundred of three
PAGES_ROOM: Final = 4 * 2**20  # and of whole pages, which last for a minute; apart, so that they push out no piece


def init_app(app: Flask) -> None:
    """Register the pages and what their templates use."""
    here, views = Path(app.root_path), Path(cloison_view.__file__).parent
    app.extensions["edition"] = http_cache.edition(
        *(root / kind for root in (here, views) for kind in ("templates", "static"))
    )
    app.extensions["fragments"] = Fragments(ROOM)
    app.extensions["pages"] = Fragments(PAGES_ROOM)
    for bp in (project.bp, proofs.bp, diff.bp, views_connections.bp, badge.bp, proof_fragments.bp):
        app.register_blueprint(bp)
    for telling in (time_format.ago, time_format.clock, time_format.day, time_format.hour, time_format.iso):
        app.add_template_filter(telling)
    app.add_template_filter(views_labels.port, "port")
    app.add_template_filter(called)
    app.add_template_filter(seen, "shown")
    app.add_template_test(proof_fragments.is_urgent, "urgent")
    app.jinja_env.globals.update(
        asset=http_cache.asset, counts=views_labels.counts, sentence=views_labels.sentence, trend=trend.trend
    )
    http_cache.init_app(app)
