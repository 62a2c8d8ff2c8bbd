"""The page of one project."""

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue

from ledger import clock as ledger_clock
from ledger.accounts.forms import query
from ledger.archive.records import ProjectRecord
from ledger.authorization import Access, requires
from ledger.notifications import watches
from ledger.views import http_cache, proof_fragments
from ledger.views.queries import archive, project_or_404

bp = Blueprint("project", __name__)


@bp.get("/projects/<project>")
@requires(Access.READER)
def show(project: str) -> ResponseReturnValue:
    """Show the last proof of a project and its last change."""
    record, now = project_or_404(project), http_cache.this_minute()
    notices = query(lambda connection: watches.notices(connection, project, ledger_clock.now()))

    def render() -> str:
        if record.last is None:
            return render_template("project_empty.html", record=record)
        before = _before(record)
        return render_template(
            "project.html",
            record=record,
            now=now,
            notices=notices,
            **proof_fragments.page_fragments(project, record.last.digest),
            changes=proof_fragments.difference(project, before, record.changed.digest)
            if before and record.changed
            else None,
            before=before,
            badge=url_for("badge.show", key=record.badge_key),
        )

    return http_cache.respond((now, record, notices), render)


def _before(record: ProjectRecord) -> str:
    """Return the proof before the last change, "" if that was the first; cached until a proof is added or removed."""
    changed = record.changed
    if changed is None:
        return ""
    key = ("before", record.name, record.proofs, record.last, changed.digest, changed.changes)
    return proof_fragments.fragment_cache().get(
        repr(key), lambda: archive().adjacent_proofs(record.name, changed.digest)[0] or ""
    )
