"""Pages for administrators: accounts."""

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from ledger import clock as ledger_clock
from ledger.accounts import projects, rate_limit, secret_tokens, users
from ledger.accounts.audit import AuditEvent
from ledger.accounts.errors import InputError
from ledger.accounts.forms import field, is_checked, passwords, query, render_page, run_audited
from ledger.accounts.users import Account
from ledger.authorization import Access, requires

bp = Blueprint("users", __name__, url_prefix="/admin/users", template_folder="templates")


@bp.get("")
@requires(Access.ADMINISTRATOR)
def index() -> ResponseReturnValue:
    """Show every account, and the form to add one."""
    return _index()


@bp.post("")
@requires(Access.ADMINISTRATOR)
def add() -> ResponseReturnValue:
    """Add an account, and show its password once."""
    name, reads = users.normalize_name(field("name")), request.form.getlist("projects")
    password = secret_tokens.password()
    hashed, now = passwords().hashed(password), ledger_clock.now()

    def work(connection: Connection) -> None:
        number = users.add(
            connection,
            name,
            hashed,
            is_administrator=is_checked("is_administrator"),
            now=now,
            must_change_password=True,
        )
        users.set_readable_projects(connection, number, reads)

    try:
        run_audited(AuditEvent.ACCOUNT, f"{name}, {_role_text()}, reads {_listed(reads)}", work)
    except InputError as refused:
        return _index(refused)
    return render_page(
        "new_secret.html", what=f"The password of {name}", secret=password, back=url_for("users.show", name=name)
    )


@bp.get("/<name>")
@requires(Access.ADMINISTRATOR)
def show(name: str) -> ResponseReturnValue:
    """Show one account with its forms."""
    return _show(name)


@bp.post("/<name>/standing")
@requires(Access.ADMINISTRATOR)
def set_role(name: str) -> ResponseReturnValue:
    """Set whether an account is an administrator, and whether it is disabled."""
    account, now = _account_or_404(name), ledger_clock.now()
    disabled = (account.disabled or now) if is_checked("disabled") else None

    def work(connection: Connection) -> None:
        users.set_role(connection, account.id, is_administrator=is_checked("is_administrator"), disabled=disabled)

    try:
        run_audited(AuditEvent.ROLE, f"{name}: {_role_text()}{', disabled' if disabled else ''}", work)
    except InputError as refused:
        return _show(name, refused)
    return redirect(url_for("users.show", name=name), 303)


@bp.post("/<name>/projects")
@requires(Access.ADMINISTRATOR)
def set_readable_projects(name: str) -> ResponseReturnValue:
    """Set the projects that an account may read."""
    account, reads = _account_or_404(name), request.form.getlist("projects")
    try:
        run_audited(
            AuditEvent.READABLE_PROJECTS,
            f"{name}: {_listed(reads)}",
            lambda c: users.set_readable_projects(c, account.id, reads),
        )
    except InputError as refused:
        return _show(name, refused)
    return redirect(url_for("users.show", name=name), 303)


@bp.post("/<name>/password")
@requires(Access.ADMINISTRATOR)
def reset(name: str) -> ResponseReturnValue:
    """Set a new password, and show it once; every session of the account ends."""
    account, password = _account_or_404(name), secret_tokens.password()
    hashed = passwords().hashed(password)

    def work(connection: Connection) -> None:
        users.set_password(connection, account.id, hashed, must_change_password=True)
        rate_limit.reset_account(connection, name)

    run_audited(AuditEvent.RESET, name, work)
    return render_page(
        "new_secret.html", what=f"The password of {name}", secret=password, back=url_for("users.show", name=name)
    )


def _index(refused: InputError | None = None) -> Response:
    known, everything = query(users.all_accounts), query(projects.names)
    return render_page(
        "users.html", refused, accounts=known, projects=everything, checked=request.form.getlist("projects")
    )


def _show(name: str, refused: InputError | None = None) -> Response:
    return render_page("user.html", refused, account=_account_or_404(name), projects=query(projects.names))


def _account_or_404(name: str) -> Account:
    try:
        return query(lambda connection: users.get_account(connection, name))
    except InputError as refused:
        raise NotFound from refused


def _role_text() -> str:
    return "administrator" if is_checked("is_administrator") else "reader"


def _listed(reads: list[str]) -> str:
    return ", ".join(sorted(reads)) or "nothing"
