"""The pages of the ledger: projects, their proofs, what changed between two, doors over time, badges.

Rule: a page is a few indexed questions to the archive and pieces that were rendered before; a document is read only
for a piece that nobody has asked for yet.
"""

from pathlib import Path
from typing import Final

import proofview
from flask import Flask
from proofview.words import called
from proofview.words import shown as seen

from ledger.views import ages, badge, diff, doors, fresh, project, proofs, shown, trend, words
from ledger.views.fragments import Fragments

ROOM: Final = 32 * 2**20  # bytes of rendered pieces a process keeps; ten proofs of sixty services, or a thousand small


def init_app(app: Flask) -> None:
    """Register the pages and what their templates use."""
    here, views = Path(app.root_path), Path(proofview.__file__).parent
    app.extensions["edition"] = fresh.edition(
        *(root / kind for root in (here, views) for kind in ("templates", "static"))
    )
    app.extensions["fragments"] = Fragments(app.config.get("FRAGMENTS_ROOM", ROOM))
    for bp in (project.bp, proofs.bp, diff.bp, doors.bp, badge.bp, shown.bp):
        app.register_blueprint(bp)
    for called in (ages.ago, ages.clock, ages.day, ages.hour, ages.iso):
        app.add_template_filter(called)
    app.add_template_filter(words.port, "port")
    app.add_template_filter(called)
    app.add_template_filter(seen, "shown")
    app.add_template_test(shown.is_urgent, "urgent")
    app.jinja_env.globals.update(asset=fresh.asset, counts=words.counts, sentence=words.sentence, trend=trend.trend)
    fresh.init_app(app)
