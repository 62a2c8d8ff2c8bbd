"""What the operator does with what is kept: thin it out, copy it, bring it back."""

import argparse
import sys

from ledger import clock as ledger_clock
from ledger.archive import backup, retention
from ledger.archive.backup import Unfit
from ledger.database import engine_for
from ledger.settings import Settings

Arguments = argparse.Namespace


def add_to(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verbs to the command line."""
    thin = verbs.add_parser("retain", help="thin out proofs that repeat the one before them")
    thin.add_argument("project", nargs="?", help="settle for how long this one's repeats are kept, first")
    thin.add_argument("--all", type=int, default=30, metavar="DAYS", help="keep every repeat (default: 30)")
    thin.add_argument("--daily", type=int, default=365, metavar="DAYS", help="then one of each day (default: 365)")
    thin.set_defaults(run=retain)
    verbs.add_parser("backup", help="write everything that is kept to stdout").set_defaults(run=write)
    verbs.add_parser("restore", help="read a backup from stdin into an empty ledger").set_defaults(run=read)


def retain(settings: Settings, arguments: Arguments) -> int:
    """Thin out every project."""
    engine = engine_for(settings)
    if arguments.project:
        try:
            retention.settle(engine, arguments.project, all_days=arguments.all, daily_days=arguments.daily)
        except (LookupError, ValueError) as error:
            return _fail(str(error.args[0]))
    for thinned in retention.thin_out(engine, ledger_clock.now()):
        _say(f"{thinned.project}: {thinned.removed} repeats removed, {thinned.left} proofs left")
    return 0


def write(settings: Settings, _arguments: Arguments) -> int:
    """Write a backup."""
    if sys.stdout.isatty():
        return _fail("a backup is no text: send it to a file (docker compose exec -T app … > ledger.tar.gz)")
    counted = backup.write(engine_for(settings), sys.stdout.buffer)
    sys.stdout.flush()
    _say(f"{counted['proof']} proofs of {counted['project']} projects written")
    return 0


def read(settings: Settings, _arguments: Arguments) -> int:
    """Restore a backup."""
    try:
        counted = backup.read(engine_for(settings), sys.stdin.buffer)
    except Unfit as unfit:
        return _fail(str(unfit))
    _say(f"{counted['proof']} proofs of {counted['project']} projects restored")
    return 0


def _fail(sentence: str) -> int:
    _say(sentence)
    return 1


def _say(sentence: str) -> None:
    sys.stderr.write(f"ledger: {sentence}\n")
