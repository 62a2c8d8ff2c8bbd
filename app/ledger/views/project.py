"""The projects that somebody may read, and one of them."""

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue

from ledger.archive.records import ProjectLine
from ledger.authorization import Demand, demands, principal
from ledger.views import http_cache, proof_fragments
from ledger.views import labels as views_labels
from ledger.views.queries import archive, the_project

bp = Blueprint("project", __name__)


@bp.get("/projects")
@demands(Demand.PERSON)
def index() -> ResponseReturnValue:
    """Show every project that the person may read."""
    who = principal()
    lines = sorted(archive().projects(None if who.is_administrator else who.reads), key=_urgency)
    now = http_cache.this_minute()
    return http_cache.answer((now, lines), lambda: render_template("projects.html", lines=lines, now=now))


@bp.get("/projects/<project>")
@demands(Demand.READER)
def show(project: str) -> ResponseReturnValue:
    """Show a project by its last proof, and what changed last."""
    line, now = the_project(project), http_cache.this_minute()

    def render() -> str:
        if line.last is None:
            return render_template("project_empty.html", line=line)
        before = _before(line)
        return render_template(
            "project.html",
            line=line,
            now=now,
            **proof_fragments.pieces(project, line.last.digest),
            changes=proof_fragments.difference(project, before, line.changed.digest)
            if before and line.changed
            else None,
            before=before,
            badge=url_for("badge.show", key=line.badge_key),
        )

    return http_cache.answer((now, line), render)


def _urgency(line: ProjectLine) -> tuple[int, str]:
    word = line.last.word if line.last else views_labels.NONE
    return views_labels.URGENCY.get(word, views_labels.URGENCY[views_labels.UNPROVEN]), line.name


def _before(line: ProjectLine) -> str:
    """Return the proof that the last change changes, "" when it was the first; asked again when proofs come or go."""
    changed = line.changed
    if changed is None:
        return ""
    key = ("before", line.name, line.proofs, line.last, changed.digest, changed.changes)
    return proof_fragments.fragments().get(repr(key), lambda: archive().neighbours(line.name, changed.digest)[0] or "")
