"""Pages for administrators: projects and the audit log."""

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ledger import clock as ledger_clock
from ledger.accounts import audit, projects
from ledger.accounts.audit import AuditEvent
from ledger.accounts.errors import InputError
from ledger.accounts.forms import field, query, render_page, run_audited
from ledger.authorization import Access, requires

bp = Blueprint("admin", __name__, url_prefix="/admin", template_folder="templates")


@bp.get("/projects")
@requires(Access.ADMINISTRATOR)
def index() -> ResponseReturnValue:
    """Show every project, and the form to add one."""
    return render_page("projects.html", projects=query(projects.names))


@bp.post("/projects")
@requires(Access.ADMINISTRATOR)
def add() -> ResponseReturnValue:
    """Add a project, and redirect to the form for its first token."""
    name = field("name")
    try:
        run_audited(AuditEvent.PROJECT, name, lambda connection: projects.add(connection, name, ledger_clock.now()))
    except InputError as refused:
        return render_page("projects.html", refused, projects=query(projects.names))
    return redirect(url_for("tokens.index", project=name), 303)


@bp.get("/audit")
@requires(Access.ADMINISTRATOR)
def log() -> ResponseReturnValue:
    """Show the audit log, the newest entry first."""
    before = request.args.get("before", type=int)
    entries = query(lambda connection: audit.read(connection, before))
    return render_page("audit.html", entries=entries, before=before, more=len(entries) == audit.PAGE)
