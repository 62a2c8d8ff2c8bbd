"""What administrators do with the tokens of projects."""

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from ledger import clock as ledger_clock
from ledger.accounts import audit, projects, tokens
from ledger.accounts.audit import Deed
from ledger.accounts.authentication import author, engine
from ledger.accounts.errors import Refused
from ledger.accounts.forms import act, ask, field, is_ticked, page
from ledger.authorization import Demand, demands
from ledger.database import transaction

bp = Blueprint("tokens", __name__, url_prefix="/admin/tokens", template_folder="templates")


@bp.get("")
@demands(Demand.ADMINISTRATOR)
def index() -> ResponseReturnValue:
    """Show the tokens of a project, and the form for another one."""
    return _index(request.args.get("project", ""))


@bp.post("")
@demands(Demand.ADMINISTRATOR)
def make() -> ResponseReturnValue:
    """Make a token, and show it this once."""
    project, name, now = field("project"), field("name"), ledger_clock.now()
    may_read, may_write = is_ticked("may_read"), is_ticked("may_write")

    def work(connection: Connection) -> str:
        return tokens.make(connection, project, name, may_read=may_read, may_write=may_write, now=now)

    try:
        given = act(Deed.TOKEN, tokens.told(project, name, may_read=may_read, may_write=may_write), work)
    except Refused as refused:
        return _index(project, refused)
    back = url_for("tokens.index", project=project)
    return page("once.html", what=f"The token {name} of {project}", secret=given, back=back)


@bp.post("/<int:number>/revoke")
@demands(Demand.ADMINISTRATOR)
def revoke(number: int) -> ResponseReturnValue:
    """Make a token worthless."""

    def work(connection: Connection) -> str:
        token = tokens.revoke(connection, number, ledger_clock.now())
        audit.write(connection, author(), Deed.REVOCATION, f"{token.project}/{token.name}", ledger_clock.now())
        return token.project

    try:
        project = transaction(engine(), work)
    except Refused as refused:
        return _index("", refused)
    return redirect(url_for("tokens.index", project=project), 303)


def _index(project: str, refused: Refused | None = None) -> Response:
    known = ask(projects.names)
    chosen = [project] if project in known else known
    rows = [token for name in chosen for token in ask(lambda c, name=name: tokens.of(c, name))]  # type: ignore[misc]
    return page("tokens.html", refused, tokens=rows, projects=known, project=project)
