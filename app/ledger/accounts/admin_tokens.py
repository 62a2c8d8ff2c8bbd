"""Pages for administrators: the tokens of projects."""

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from ledger import clock as ledger_clock
from ledger.accounts import audit, projects, tokens
from ledger.accounts.audit import AuditEvent
from ledger.accounts.authentication import current_actor, engine
from ledger.accounts.errors import InputError
from ledger.accounts.expiry import parse_expiry
from ledger.accounts.forms import field, is_checked, query, render_page, run_audited
from ledger.authorization import Access, requires
from ledger.database import transaction

bp = Blueprint("tokens", __name__, url_prefix="/admin/tokens", template_folder="templates")


@bp.get("")
@requires(Access.ADMINISTRATOR)
def index() -> ResponseReturnValue:
    """Show the tokens of a project, and the form to create one."""
    return _index(request.args.get("project", ""))


@bp.post("")
@requires(Access.ADMINISTRATOR)
def create() -> ResponseReturnValue:
    """Create a token, and show it once."""
    project, name, now = field("project"), field("name"), ledger_clock.now()
    scopes = {"may_read": is_checked("may_read"), "may_write": is_checked("may_write")}
    try:
        expires = parse_expiry(field("expires"), now)

        def work(connection: Connection) -> str:
            return tokens.create(connection, project, name, **scopes, now=now, expires=expires)

        given = run_audited(AuditEvent.TOKEN, tokens.describe(project, name, **scopes, expires=expires), work)
    except InputError as refused:
        return _index(project, refused)
    back = url_for("tokens.index", project=project)
    return render_page("new_secret.html", what=f"The token {name} of {project}", secret=given, back=back)


@bp.post("/<int:number>/revoke")
@requires(Access.ADMINISTRATOR)
def revoke(number: int) -> ResponseReturnValue:
    """Revoke a token."""

    def work(connection: Connection) -> str:
        token = tokens.revoke(connection, number, ledger_clock.now())
        audit.write(
            connection, current_actor(), AuditEvent.REVOCATION, f"{token.project}/{token.name}", ledger_clock.now()
        )
        return token.project

    try:
        project = transaction(engine(), work)
    except InputError as refused:
        return _index("", refused)
    return redirect(url_for("tokens.index", project=project), 303)


def _index(project: str, refused: InputError | None = None) -> Response:
    known = query(projects.names)
    chosen = [project] if project in known else known
    rows = [token for name in chosen for token in query(lambda c, name=name: tokens.of_project(c, name))]  # type: ignore[misc]
    return render_page("tokens.html", refused, tokens=rows, projects=known, project=project, now=ledger_clock.now())
