"""Verbs for the operator: retention, backup and restore of proofs."""

import argparse
import sys

from ledger import clock as ledger_clock
from ledger.archive import backup, retention
from ledger.archive.backup import RestoreError
from ledger.database import engine_for
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
    subparsers.add_parser("backup", help="write a backup of all data to stdout").set_defaults(run=write)
    subparsers.add_parser("restore", help="read a backup from stdin into an empty ledger").set_defaults(run=read)


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


def read(settings: Settings, _arguments: Arguments) -> int:
    """Restore a backup."""
    try:
        row_counts = backup.read(engine_for(settings), sys.stdin.buffer)
    except RestoreError as error:
        return _fail(str(error))
    _say(f"{row_counts['proof']} proofs of {row_counts['project']} projects restored")
    return 0


def _fail(sentence: str) -> int:
    _say(sentence)
    return 1


def _say(sentence: str) -> None:
    sys.stderr.write(f"ledger: {sentence}\n")
