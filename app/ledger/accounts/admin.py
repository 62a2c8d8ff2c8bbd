"""What administrators do with projects, and the audit log."""

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ledger import clock as ledger_clock
from ledger.accounts import audit, projects
from ledger.accounts.audit import Deed
from ledger.accounts.errors import Refused
from ledger.accounts.forms import act, ask, field, page
from ledger.authorization import Demand, demands

bp = Blueprint("admin", __name__, url_prefix="/admin", template_folder="templates")


@bp.get("/projects")
@demands(Demand.ADMINISTRATOR)
def index() -> ResponseReturnValue:
    """Show every project, and the form for another one."""
    return page("projects.html", projects=ask(projects.names))


@bp.post("/projects")
@demands(Demand.ADMINISTRATOR)
def add() -> ResponseReturnValue:
    """Add a project, and lead to the making of its first token."""
    name = field("name")
    try:
        act(Deed.PROJECT, name, lambda connection: projects.add(connection, name, ledger_clock.now()))
    except Refused as refused:
        return page("projects.html", refused, projects=ask(projects.names))
    return redirect(url_for("tokens.index", project=name), 303)


@bp.get("/audit")
@demands(Demand.ADMINISTRATOR)
def log() -> ResponseReturnValue:
    """Show who did what, the newest first."""
    before = request.args.get("before", type=int)
    entries = ask(lambda connection: audit.read(connection, before))
    return page("audit.html", entries=entries, before=before, more=len(entries) == audit.PAGE)
