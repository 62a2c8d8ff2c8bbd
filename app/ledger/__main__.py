"""How the container starts: the tables first, then the server in this process's place.

`python -m ledger` does both, `python -m ledger migrate` the first alone.
"""

import os
import signal
import sys

from ledger.database import engine_for
from ledger.migrate import migrate_when_reachable
from ledger.settings import Settings


def main(arguments: list[str]) -> None:
    """Migrate, then become gunicorn."""
    # PID 1 ignores a signal that it has no handler for, and would be killed after the grace period instead.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = Settings.from_environment()
    engine = engine_for(settings)
    migrate_when_reachable(engine, settings.start_patience, say=_say)
    engine.dispose()
    if arguments != ["migrate"]:
        os.execvp("gunicorn", ["gunicorn", "--config", "python:ledger.server", "ledger:create_app()"])  # noqa: S606, S607


def _say(sentence: str) -> None:
    sys.stderr.write(f"ledger: {sentence}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
