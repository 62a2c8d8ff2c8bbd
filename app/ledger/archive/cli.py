"""Verbs for the operator: retention, removal, backup and restore of proofs."""

import argparse
import sys

from sqlalchemy import Connection

from ledger import clock as ledger_clock
from ledger.accounts import audit
from ledger.accounts.audit import AuditEvent
from ledger.accounts.cli import OPERATOR
from ledger.archive import backup, rebuild, removal, restore, retention
from ledger.archive.restore import RestoreError
from ledger.database import engine_for, transaction
from ledger.encryption import cli as encryption_cli
from ledger.settings import Settings

Arguments = argparse.Namespace


def add_subcommands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verbs to the command line."""
    retain_parser = subparsers.add_parser("retain", help="delete old proofs that repeat the one before them")
    retain_parser.add_argument("project", nargs="?", help="set how long the repeats of this project are kept, first")
    retain_parser.add_argument(
        "--all", type=int, default=30, metavar="DAYS", help="days for which every repeat is kept (default: 30)"
    )
    retain_parser.add_argument(
        "--daily", type=int, default=365, metavar="DAYS", help="days for which one repeat a day is kept (default: 365)"
    )
    retain_parser.set_defaults(run=retain)
    remove_proof_parser = subparsers.add_parser("remove-proof", help="remove a proof, as if it had never been sent")
    remove_proof_parser.add_argument("project")
    remove_proof_parser.add_argument("digest", help="its SHA-256, 64 hexadecimal digits")
    remove_proof_parser.set_defaults(run=remove_proof)
    remove_project_parser = subparsers.add_parser("remove-project", help="remove a project with everything in it")
    remove_project_parser.add_argument("project")
    remove_project_parser.set_defaults(run=remove_project)
    for removing in (remove_proof_parser, remove_project_parser):
        removing.add_argument("--yes", action="store_true", help="confirm: a removal cannot be undone")
    rebuild_parser = subparsers.add_parser("rebuild", help="derive lists and intervals again from the stored proofs")
    rebuild_parser.add_argument("project", nargs="?", help="this project alone")
    rebuild_parser.set_defaults(run=derive_again)
    subparsers.add_parser("backup", help="write a backup of all data to stdout").set_defaults(run=write)
    restore_parser = subparsers.add_parser("restore", help="read a backup from stdin into an empty ledger")
    restore_parser.add_argument(
        "--without-invalid",
        action="store_true",
        help="leave out proofs that this version does not accept, and name them",
    )
    restore_parser.set_defaults(run=read)


def retain(settings: Settings, arguments: Arguments) -> int:
    """Delete expired repeats of every project."""
    engine = engine_for(settings)
    if arguments.project:
        try:
            retention.set_retention(engine, arguments.project, all_days=arguments.all, daily_days=arguments.daily)
        except (LookupError, ValueError) as error:
            return _fail(str(error.args[0]))
    for result in retention.apply_retention(engine, ledger_clock.now()):
        _say(f"{result.project}: {result.removed} repeats removed, {result.remaining} proofs remain")
    return 0


def remove_proof(settings: Settings, arguments: Arguments) -> int:
    """Remove a proof."""
    if not arguments.yes:
        return _fail(f"this removes proof {arguments.digest} of {arguments.project} for good: repeat it with --yes")
    about = f"{arguments.project}/{arguments.digest}"

    def work(connection: Connection) -> None:
        removal.remove_proof(connection, arguments.project, arguments.digest)
        audit.write(connection, OPERATOR, AuditEvent.PROOF_REMOVAL, about, ledger_clock.now())

    try:
        transaction(engine_for(settings), work)
    except LookupError as error:
        return _fail(str(error.args[0]))
    _say(f"removed the proof {arguments.digest} of {arguments.project}")
    return 0


def remove_project(settings: Settings, arguments: Arguments) -> int:
    """Remove a project."""
    if not arguments.yes:
        return _fail(f"this removes {arguments.project} with all its proofs for good: repeat it with --yes")

    def record(connection: Connection, proofs: int) -> None:
        about = f"{arguments.project}, {proofs} proofs"
        audit.write(connection, OPERATOR, AuditEvent.PROJECT_REMOVAL, about, ledger_clock.now())

    try:
        proofs = removal.remove_project(engine_for(settings), arguments.project, record)
    except LookupError as error:
        return _fail(str(error.args[0]))
    _say(f"removed the project {arguments.project} with {proofs} proofs")
    return 0


def derive_again(settings: Settings, arguments: Arguments) -> int:
    """Derive lists and intervals again."""
    try:
        names = rebuild.rebuild_named(engine_for(settings), arguments.project)
    except LookupError as error:
        return _fail(str(error.args[0]))
    _say(f"rebuilt {', '.join(names) or 'nothing: there are no projects'}")
    return 0


def write(settings: Settings, _arguments: Arguments) -> int:
    """Write a backup."""
    if sys.stdout.isatty():
        return _fail(
            "a backup is a binary file: redirect stdout to a file (docker compose exec -T app … > ledger.tar.gz)"
        )
    row_counts = backup.write(engine_for(settings), sys.stdout.buffer)
    sys.stdout.flush()
    _say(f"{row_counts['proof']} proofs of {row_counts['project']} projects written")
    return 0


def read(settings: Settings, arguments: Arguments) -> int:
    """Restore a backup."""
    left_out = _say if arguments.without_invalid else None
    try:
        row_counts = restore.read(engine_for(settings), sys.stdin.buffer, limit=settings.proof_limit, left_out=left_out)
    except RestoreError as error:
        return _fail(str(error))
    _say(f"{row_counts['proof']} proofs of {row_counts['project']} projects restored")
    encryption_cli.tell_unreadable(settings, engine_for(settings))
    return 0


def _fail(sentence: str) -> int:
    _say(sentence)
    return 1


def _say(sentence: str) -> None:
    sys.stderr.write(f"ledger: {sentence}\n")
