"""What administrators do with accounts."""

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from ledger import clock as ledger_clock
from ledger.accounts import projects, rate_limit, secret_tokens, users
from ledger.accounts.audit import Deed
from ledger.accounts.errors import Refused
from ledger.accounts.forms import act, ask, field, is_ticked, page, passwords
from ledger.accounts.users import Account
from ledger.authorization import Demand, demands

bp = Blueprint("users", __name__, url_prefix="/admin/users", template_folder="templates")


@bp.get("")
@demands(Demand.ADMINISTRATOR)
def index() -> ResponseReturnValue:
    """Show every account, and the form for another one."""
    return _index()


@bp.post("")
@demands(Demand.ADMINISTRATOR)
def add() -> ResponseReturnValue:
    """Add an account, and show its password this once."""
    name, reads = users.plain(field("name")), request.form.getlist("projects")
    password = secret_tokens.password()
    hashed, now = passwords().hashed(password), ledger_clock.now()

    def work(connection: Connection) -> None:
        number = users.add(connection, name, hashed, is_administrator=is_ticked("is_administrator"), now=now)
        users.let_read(connection, number, reads)

    try:
        act(Deed.ACCOUNT, f"{name}, {_standing()}, reads {_listed(reads)}", work)
    except Refused as refused:
        return _index(refused)
    return page("once.html", what=f"The password of {name}", secret=password, back=url_for("users.show", name=name))


@bp.get("/<name>")
@demands(Demand.ADMINISTRATOR)
def show(name: str) -> ResponseReturnValue:
    """Show one account and what can be done with it."""
    return _show(name)


@bp.post("/<name>/standing")
@demands(Demand.ADMINISTRATOR)
def stand(name: str) -> ResponseReturnValue:
    """Let somebody administer or not, log in or not."""
    account, now = _the(name), ledger_clock.now()
    disabled = (account.disabled or now) if is_ticked("disabled") else None

    def work(connection: Connection) -> None:
        users.stand(connection, account.id, is_administrator=is_ticked("is_administrator"), disabled=disabled)

    try:
        act(Deed.STANDING, f"{name}: {_standing()}{', disabled' if disabled else ''}", work)
    except Refused as refused:
        return _show(name, refused)
    return redirect(url_for("users.show", name=name), 303)


@bp.post("/<name>/projects")
@demands(Demand.ADMINISTRATOR)
def let_read(name: str) -> ResponseReturnValue:
    """Let somebody read these projects and no other."""
    account, reads = _the(name), request.form.getlist("projects")
    try:
        act(Deed.READING, f"{name}: {_listed(reads)}", lambda c: users.let_read(c, account.id, reads))
    except Refused as refused:
        return _show(name, refused)
    return redirect(url_for("users.show", name=name), 303)


@bp.post("/<name>/password")
@demands(Demand.ADMINISTRATOR)
def reset(name: str) -> ResponseReturnValue:
    """Give an account another password, and show it this once; whoever used the account is logged out."""
    account, password = _the(name), secret_tokens.password()
    hashed = passwords().hashed(password)

    def work(connection: Connection) -> None:
        users.give_password(connection, account.id, hashed)
        rate_limit.release(connection, name)

    act(Deed.RESET, name, work)
    return page("once.html", what=f"The password of {name}", secret=password, back=url_for("users.show", name=name))


def _index(refused: Refused | None = None) -> Response:
    known, everything = ask(users.every), ask(projects.names)
    return page("users.html", refused, accounts=known, projects=everything, ticked=request.form.getlist("projects"))


def _show(name: str, refused: Refused | None = None) -> Response:
    return page("user.html", refused, account=_the(name), projects=ask(projects.names))


def _the(name: str) -> Account:
    try:
        return ask(lambda connection: users.whole(connection, name))
    except Refused as refused:
        raise NotFound from refused


def _standing() -> str:
    return "administrator" if is_ticked("is_administrator") else "reader"


def _listed(reads: list[str]) -> str:
    return ", ".join(sorted(reads)) or "nothing"
