"""How the container starts: the tables first, then the server in this process's place.

`python -m ledger` does both, `python -m ledger migrate` the first alone. What else there is to do with what the ledger
keeps is a table of commands: `python -m ledger backup`.
"""

import os
import signal
import sys

from ledger.archive.commands import COMMANDS
from ledger.database import engine_for
from ledger.migrate import migrate_when_reachable
from ledger.settings import Settings


def main(arguments: list[str]) -> None:
    """Do what a command says; without one migrate, then become gunicorn."""
    # PID 1 ignores a signal that it has no handler for, and would be killed after the grace period instead.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = Settings.from_environment()
    engine = engine_for(settings)
    if arguments and arguments[0] in COMMANDS:
        COMMANDS[arguments[0]](engine, arguments[1:])
        engine.dispose()
        return
    if arguments not in ([], ["migrate"]):
        raise SystemExit(f"ledger: no such command; there are migrate, {', '.join(COMMANDS)}")
    migrate_when_reachable(engine, settings.start_patience, say=_say)
    engine.dispose()
    if not arguments:
        os.execvp("gunicorn", ["gunicorn", "--config", "python:ledger.server", "ledger:create_app()"])  # noqa: S606, S607


def _say(sentence: str) -> None:
    sys.stderr.write(f"ledger: {sentence}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
