"""The pages of the ledger: projects, their proofs, what changed between two, doors over time, badges.

Rule: a page is a few indexed questions to the archive and pieces that were rendered before; a document is read only
for a piece that nobody has asked for yet.
"""

from pathlib import Path
from typing import Final

from flask import Flask

import proofview
from ledger.views import ages, badge, diff, doors, fresh, project, proofs, shown, trend, words
from ledger.views.fragments import Fragments
from proofview.words import called
from proofview.words import shown as seen

ROOM: Final = (
    32 * 2**20
)  # bytes of pieces that a process keeps: five proofs of sixty services, or five hundred of three
PAGES_ROOM: Final = 4 * 2**20  # and of whole pages, which last for a minute; apart, so that they push out no piece


def init_app(app: Flask) -> None:
    """Register the pages and what their templates use."""
    here, views = Path(app.root_path), Path(proofview.__file__).parent
    app.extensions["edition"] = fresh.edition(
        *(root / kind for root in (here, views) for kind in ("templates", "static"))
    )
    app.extensions["fragments"] = Fragments(ROOM)
    app.extensions["pages"] = Fragments(PAGES_ROOM)
    for bp in (project.bp, proofs.bp, diff.bp, doors.bp, badge.bp, shown.bp):
        app.register_blueprint(bp)
    for telling in (ages.ago, ages.clock, ages.day, ages.hour, ages.iso):
        app.add_template_filter(telling)
    app.add_template_filter(words.port, "port")
    app.add_template_filter(called)
    app.add_template_filter(seen, "shown")
    app.add_template_test(shown.is_urgent, "urgent")
    app.jinja_env.globals.update(asset=fresh.asset, counts=words.counts, sentence=words.sentence, trend=trend.trend)
    fresh.init_app(app)
