"""The page of one project."""

from typing import Final

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

MAX_COMPARED_FLOWS: Final = 20_000  # of a proof whose changes are on the project's page; else they are on Compare


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
        has_list = bool(before) and record.changed is not None and not _is_large(record)
        return render_template(
            "project.html",
            record=record,
            now=now,
            notices=notices,
            fragments=proof_fragments.page_fragments(project, record.last.digest),
            changes=proof_fragments.difference(project, before, record.changed.digest)
            if has_list and record.changed
            else None,
            before=before,
            since=proof_fragments.change_summary(project, before, record.changed.digest)
            if has_list and record.changed
            else None,
            badge=url_for("badge.show", key=record.badge_key),
        )

    return http_cache.respond((now, record, notices), render)


def _is_large(record: ProjectRecord) -> bool:
    """Whether a comparison of the last two proofs would take longer than the rest of the page together."""
    return record.changed is not None and record.changed.totals.get("flows", 0) > MAX_COMPARED_FLOWS


def _before(record: ProjectRecord) -> str:
    """Return the proof before the last change, "" if that was the first; cached until a proof is added or removed."""
    changed = record.changed
    if changed is None:
        return ""
    key = ("before", record.name, record.proofs, record.last, changed.digest, changed.changes)
    return proof_fragments.fragment_cache().get(
        repr(key), lambda: archive().adjacent_proofs(record.name, changed.digest)[0] or ""
    )
