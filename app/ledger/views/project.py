"""The projects that somebody may read, and one of them."""

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue

from ledger.gate import Demand, demands, principal
from ledger.views import fresh, shown
from ledger.views.reading import archive, the_project

bp = Blueprint("project", __name__)


@bp.get("/projects")
@demands(Demand.PERSON)
def index() -> ResponseReturnValue:
    """Show every project that the person may read."""
    who = principal()
    lines, now = archive().projects(None if who.is_administrator else who.reads), fresh.this_minute()
    return fresh.answer((now, lines), lambda: render_template("projects.html", lines=lines, now=now))


@bp.get("/projects/<project>")
@demands(Demand.READER)
def show(project: str) -> ResponseReturnValue:
    """Show a project by its last proof, and what changed last."""
    line, now = the_project(project), fresh.this_minute()

    def render() -> str:
        if line.last is None:
            return render_template("project_empty.html", line=line)
        before = archive().neighbours(project, line.changed.digest)[0] if line.changed else None
        return render_template(
            "project.html",
            line=line,
            now=now,
            picture=shown.picture(project, line.last.digest),
            matrix=shown.matrix(project, line.last.digest),
            changes=shown.difference(project, before, line.changed.digest) if line.changed and before else None,
            before=before,
            badge=url_for("badge.show", key=line.badge_key),
        )

    return fresh.answer((now, line), render)
