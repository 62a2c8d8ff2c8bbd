"""Verbs for the operator: accounts, projects and tokens, inside the app container.

Rules: stdout gets only a secret or an export; every message goes to stderr. No secret is an argument, which every
process could read in /proc. An action that fails is one sentence and exit code 1.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine

from ledger import clock as ledger_clock
from ledger.accounts import (
    audit,
    audit_export,
    identities,
    projects,
    rate_limit,
    second_factor,
    secret_tokens,
    tokens,
    users,
)
from ledger.accounts.audit import Actor, AuditEvent
from ledger.accounts.errors import InputError
from ledger.accounts.expiry import parse_expiry
from ledger.accounts.passwords import PASSWORD_HASHER
from ledger.database import engine_for, transaction
from ledger.settings import Settings

OPERATOR: Final = Actor("command line")
FIRST_ADMINISTRATOR: Final = "admin"

Arguments = argparse.Namespace
Command = Callable[[Connection, Arguments, datetime], str | None]


def first_administrator(connection: Connection, _arguments: Arguments, now: datetime) -> str | None:
    """Create the account `admin` if no administrator can log in, and print its password."""
    if users.administrators(connection):
        _say("an administrator exists already")
        return None
    password = secret_tokens.password()
    hashed = PASSWORD_HASHER.hash(password)
    known = users.by_name(connection, FIRST_ADMINISTRATOR)
    if known:
        users.set_password(connection, known.id, hashed, must_change_password=True)
        users.set_role(connection, known.id, is_administrator=True, disabled=None)
    else:
        users.add(connection, FIRST_ADMINISTRATOR, hashed, is_administrator=True, now=now, must_change_password=True)
    audit.write(connection, OPERATOR, AuditEvent.ACCOUNT, f"{FIRST_ADMINISTRATOR}, administrator", now)
    _say(f"created the administrator {FIRST_ADMINISTRATOR}; this password is shown once")
    return password


def add_user(connection: Connection, arguments: Arguments, now: datetime) -> str:
    """Add an account, and print its password."""
    name, password = users.normalize_name(arguments.name), secret_tokens.password()
    hashed = PASSWORD_HASHER.hash(password)
    number = users.add(
        connection, name, hashed, is_administrator=arguments.administrator, now=now, must_change_password=True
    )
    users.set_readable_projects(connection, number, arguments.project)
    role = "administrator" if arguments.administrator else "reader"
    reads = ", ".join(sorted(arguments.project)) or "nothing"
    audit.write(connection, OPERATOR, AuditEvent.ACCOUNT, f"{name}, {role}, reads {reads}", now)
    _say(f"added {name}; this password is shown once")
    return password


def reset_password(connection: Connection, arguments: Arguments, now: datetime) -> str:
    """Set a new password, print it, and end every session of the account."""
    account = users.get_account(connection, users.normalize_name(arguments.name))
    password = secret_tokens.password()
    users.set_password(connection, account.id, PASSWORD_HASHER.hash(password), must_change_password=True)
    rate_limit.reset_account(connection, account.name)
    audit.write(connection, OPERATOR, AuditEvent.RESET, account.name, now)
    _say(f"{account.name} has a new password; it is shown once")
    if account.disabled:
        _say(f"{account.name} is disabled and cannot log in until an administrator enables it")
    return password


def reset_second_factor(connection: Connection, arguments: Arguments, now: datetime) -> None:
    """Remove the second factor of an account whose owner has lost it, and end every session of the account."""
    account = users.get_account(connection, users.normalize_name(arguments.name))
    if not second_factor.remove(connection, account.id):
        raise InputError(f"{account.name} has no second factor.")
    users.end_sessions(connection, account.id)
    rate_limit.reset_account(connection, account.name)
    audit.write(connection, OPERATOR, AuditEvent.FACTOR_OFF, account.name, now)
    _say(f"{account.name} logs in with the password alone until the second factor is set up again")


def link_identity(connection: Connection, arguments: Arguments, now: datetime) -> None:
    """Link an account to a subject of the OpenID provider."""
    account = users.get_account(connection, users.normalize_name(arguments.name))
    identities.link(connection, account.id, _issuer(), arguments.subject, now)
    audit.write(connection, OPERATOR, AuditEvent.LINK, account.name, now)
    _say(f"{account.name} is linked to {arguments.subject}")


def unlink_identity(connection: Connection, arguments: Arguments, now: datetime) -> None:
    """Remove the link of an account to the OpenID provider, and end every session of the account."""
    account = users.get_account(connection, users.normalize_name(arguments.name))
    if not identities.unlink(connection, account.id, _issuer()):
        raise InputError(f"{account.name} is not linked to the OpenID provider.")
    users.end_sessions(connection, account.id)
    audit.write(connection, OPERATOR, AuditEvent.UNLINK, account.name, now)
    _say(f"{account.name} is no longer linked")


def unlock(connection: Connection, arguments: Arguments, now: datetime) -> None:
    """End the delays after failed logins of an account."""
    account = users.get_account(connection, users.normalize_name(arguments.name))
    rate_limit.reset_account(connection, account.name)
    audit.write(connection, OPERATOR, AuditEvent.UNLOCK, account.name, now)
    _say(f"{account.name} can log in without a delay")


def add_project(connection: Connection, arguments: Arguments, now: datetime) -> None:
    """Add a project; an existing one stays unchanged."""
    if arguments.name in projects.names(connection):
        _say(f"the project {arguments.name} exists already")
        return
    projects.add(connection, arguments.name, now)
    audit.write(connection, OPERATOR, AuditEvent.PROJECT, arguments.name, now)
    _say(f"added the project {arguments.name}")


def new_token(connection: Connection, arguments: Arguments, now: datetime) -> str:
    """Create a token of a project, and print it."""
    project, name = arguments.project, arguments.name
    if arguments.replace:
        for old in tokens.of_project(connection, project):
            if old.name == name and not old.revoked:
                _revoke(connection, old.id, now)
    scopes, expires = {"may_read": arguments.read, "may_write": arguments.write}, parse_expiry(arguments.expires, now)
    given = tokens.create(connection, project, name, **scopes, now=now, expires=expires)
    described = tokens.describe(project, name, **scopes, expires=expires)
    audit.write(connection, OPERATOR, AuditEvent.TOKEN, described, now)
    _say(f"created the token {name} of {project}; it is shown once")
    return given


def revoke_token(connection: Connection, arguments: Arguments, now: datetime) -> None:
    """Revoke a token of a project."""
    known = [token for token in tokens.of_project(connection, arguments.project) if token.name == arguments.name]
    good = [token for token in known if not token.revoked]
    if not good:
        raise InputError(f"{arguments.project} has no valid token {arguments.name}.")
    for token in good:
        _revoke(connection, token.id, now)
    _say(f"revoked the token {arguments.name} of {arguments.project}")


def check_token(connection: Connection, arguments: Arguments, now: datetime) -> None:
    """Return by the exit code whether the token on stdin may add proofs to a project."""
    token = tokens.find(connection, sys.stdin.readline().strip())
    if token is None or token.is_expired(now) or token.project != arguments.project or not token.may_write:
        raise InputError(f"This token may not add proofs to {arguments.project}.")
    _say(f"this token may add proofs to {arguments.project}")


VERBS: Final[Mapping[str, Command]] = {
    "first-administrator": first_administrator,
    "add-user": add_user,
    "reset-password": reset_password,
    "reset-second-factor": reset_second_factor,
    "unlock": unlock,
    "link-identity": link_identity,
    "unlink-identity": unlink_identity,
    "add-project": add_project,
    "new-token": new_token,
    "revoke-token": revoke_token,
    "check-token": check_token,
}


def export_audit(settings: Settings, arguments: Arguments) -> int:
    """Print the audit log, the oldest entry first."""
    engine, now = engine_for(settings), ledger_clock.now()
    try:
        since = datetime.fromisoformat(arguments.since) if arguments.since else None
    except ValueError:
        _say(f"--since {arguments.since}: expected a day such as 2030-12-31, or a time such as 2030-12-31T08:00")
        return 1
    transaction(engine, lambda c: audit.write(c, OPERATOR, AuditEvent.EXPORT, arguments.format, now))
    _, render = audit_export.FORMATS[arguments.format]
    sys.stdout.writelines(render(audit_export.entries(engine, since)))
    return 0


OF_ONE_ACCOUNT: Final = ("reset-password", "reset-second-factor", "unlock", "link-identity", "unlink-identity")


def add_subcommands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add these verbs to the command line; each sets `run`, a function of settings and arguments."""
    parser = {
        name: subparsers.add_parser(name, help=verb.__doc__, description=verb.__doc__) for name, verb in VERBS.items()
    }
    _add_export(subparsers)
    for name, verb in VERBS.items():
        parser[name].set_defaults(run=_runner(verb))
    for name in (
        "add-user",
        "reset-password",
        "reset-second-factor",
        "unlock",
        "link-identity",
        "unlink-identity",
        "add-project",
    ):
        parser[name].add_argument("name")
    parser["add-user"].add_argument(
        "--administrator", action="store_true", help="may read every project and manage users"
    )
    parser["add-user"].add_argument(
        "--project", action="append", default=[], help="a project that the account may read; can be repeated"
    )
    parser["link-identity"].add_argument("subject", help="the claim `sub` of the user at the provider")
    for name in ("new-token", "revoke-token", "check-token"):
        parser[name].add_argument("project")
    for name in ("new-token", "revoke-token"):
        parser[name].add_argument("name", help="name of the user or program that has the token")
    parser["new-token"].add_argument("--read", action="store_true", help="the token may read its project")
    parser["new-token"].add_argument("--write", action="store_true", help="the token may add proofs to its project")
    parser["new-token"].add_argument(
        "--expires", default="", metavar="DAYS|DATE", help="a number of days, or the last day, such as 2030-12-31"
    )
    parser["new-token"].add_argument(
        "--replace", action="store_true", help="revoke the token that has this name already"
    )


def _add_export(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    about = export_audit.__doc__
    parser = subparsers.add_parser("export-audit", help=about, description=about)
    parser.set_defaults(run=export_audit)
    parser.add_argument("--format", choices=tuple(audit_export.FORMATS), default="jsonl", help="the default is jsonl")
    parser.add_argument("--since", default="", metavar="DAY|TIME", help="leave out what happened before (UTC)")


def run(engine: Engine, verb: Command, arguments: Arguments) -> int:
    """Run a verb in one transaction, print its result, and return the exit code."""
    try:
        printed = transaction(engine, lambda connection: verb(connection, arguments, ledger_clock.now()))
    except InputError as refused:
        _say(str(refused))
        return 1
    if printed is not None:
        sys.stdout.write(f"{printed}\n")
    return 0


def _runner(verb: Command) -> Callable[[Settings, Arguments], int]:
    return lambda settings, arguments: run(engine_for(settings), verb, arguments)


def _issuer() -> str:
    oidc = Settings.from_environment().oidc
    if oidc is None:
        raise InputError("This ledger has no OpenID provider: set LEDGER_OIDC_ISSUER.")
    return oidc.issuer


def _revoke(connection: Connection, number: int, now: datetime) -> None:
    token = tokens.revoke(connection, number, now)
    audit.write(connection, OPERATOR, AuditEvent.REVOCATION, f"{token.project}/{token.name}", now)


def _say(sentence: str) -> None:
    sys.stderr.write(f"ledger: {sentence}\n")
