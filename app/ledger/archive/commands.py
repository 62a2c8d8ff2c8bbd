"""The archive's commands: `python -m ledger retain`, `backup` and `restore`.

Rule: what was asked for goes to stdout, what is said about it to stderr; a backup is the first.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Engine

from ledger.archive import backup, retention

Command = Callable[[Engine, Sequence[str]], None]


def retain(engine: Engine, arguments: Sequence[str]) -> None:
    """Thin out every project, or settle how one is thinned out and do that."""
    asked = _retain_arguments(arguments)
    try:
        if asked.all is not None:
            retention.settle(engine, asked.project, all_days=asked.all, daily_days=asked.daily)
        found = retention.thin_out(engine, datetime.now(UTC).replace(tzinfo=None), only=asked.project)
    except (LookupError, ValueError) as error:
        raise SystemExit(f"ledger: {error}") from error
    for thinned in found:
        _say(f"{thinned.project}: removed {thinned.removed:,} of {thinned.removed + thinned.left:,} proofs")


def write_backup(engine: Engine, arguments: Sequence[str]) -> None:
    """Write a backup to stdout."""
    argparse.ArgumentParser("python -m ledger backup", description=write_backup.__doc__).parse_args(arguments)
    if sys.stdout.isatty():
        raise SystemExit("ledger: a backup is a file, not text for a terminal: python -m ledger backup > ledger.tar.gz")
    counted = backup.write(engine, sys.stdout.buffer)
    sys.stdout.flush()
    _say(f"saved {_sum_up(counted)}")


def restore(engine: Engine, arguments: Sequence[str]) -> None:
    """Restore the backup that comes on stdin into a ledger without projects."""
    argparse.ArgumentParser("python -m ledger restore", description=restore.__doc__).parse_args(arguments)
    try:
        counted = backup.read(engine, sys.stdin.buffer)
    except backup.Unfit as unfit:
        raise SystemExit(f"ledger: nothing was restored. {unfit}") from unfit
    _say(f"restored {_sum_up(counted)}")


COMMANDS: Final[Mapping[str, Command]] = {"retain": retain, "backup": write_backup, "restore": restore}


def _retain_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m ledger retain", description=retain.__doc__)
    parser.add_argument("project", nargs="?", help="settle it for this project alone; every project without it")
    parser.add_argument("--all", type=int, metavar="DAYS", help="how long every repeat is kept")
    parser.add_argument("--daily", type=int, metavar="DAYS", help="how long the last repeat of each day is kept")
    asked = parser.parse_args(arguments)
    settles = (asked.all, asked.daily) != (None, None)
    if settles and (asked.project is None or None in {asked.all, asked.daily}):
        parser.error("--all and --daily go together, and with the name of a project")
    return asked


def _sum_up(counted: Mapping[str, int]) -> str:
    return f"{counted['project']:,} projects with {counted['proof']:,} proofs"


def _say(sentence: str) -> None:
    sys.stderr.write(f"ledger: {sentence}\n")
