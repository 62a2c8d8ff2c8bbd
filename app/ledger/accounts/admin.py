"""Pages for administrators: projects and the audit log."""

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ledger import clock as ledger_clock
from ledger.accounts import audit, audit_export, projects
from ledger.accounts.audit import AuditEvent
from ledger.accounts.authentication import engine
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
    return render_page(
        "audit.html",
        entries=entries,
        before=before,
        more=len(entries) == audit.PAGE,
        shown_action=audit.shown_action,
    )


@bp.get("/audit.<any(csv, jsonl):kind>")
@requires(Access.ADMINISTRATOR)
def export(kind: str) -> ResponseReturnValue:
    """Return the audit log as a file."""
    run_audited(AuditEvent.EXPORT, kind, lambda _: None)
    mimetype, render = audit_export.FORMATS[kind]
    response = Response(render(audit_export.entries(engine())), mimetype=mimetype)
    response.headers["Content-Disposition"] = f'attachment; filename="cloison-audit.{kind}"'
    return response
