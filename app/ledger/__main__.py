"""The ledger's command line: `python -m ledger` brings the tables up to date and starts the server.

The other verbs run inside the app container: `docker compose exec app python -m ledger --help`.
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from ledger import egress_proxy
from ledger.accounts import cli as accounts_cli
from ledger.accounts.errors import InputError
from ledger.archive import cli as archive_cli
from ledger.database import engine_for
from ledger.encryption import cli as encryption_cli
from ledger.migrate import migrate_when_reachable
from ledger.notifications import cli as notifications_cli
from ledger.observability import metrics
from ledger.settings import Settings

METRICS_DIRECTORY: Final = Path("/tmp/figures")  # noqa: S108 - the container's own tmpfs, where the processes share their metrics


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser("python -m ledger", description=__doc__, allow_abbrev=False)
    top.set_defaults(run=serve)
    subparsers = top.add_subparsers(title="verbs", metavar="VERB")
    subparsers.add_parser("migrate", help="bring the tables up to date").set_defaults(run=migrate)
    egress = subparsers.add_parser("egress-proxy", help=egress_proxy.run.__doc__, description=egress_proxy.run.__doc__)
    egress.set_defaults(run=egress_proxy.run)
    accounts_cli.add_subcommands(subparsers)
    archive_cli.add_subcommands(subparsers)
    notifications_cli.add_subcommands(subparsers)
    encryption_cli.add_subcommands(subparsers)
    return top


def migrate(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Bring the tables up to date."""
    # The kernel drops a signal to process 1 that has no handler (pid_namespaces(7)); Docker would then send SIGKILL.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    encryption_cli.prepare(settings)
    engine = engine_for(settings)
    migrate_when_reachable(engine, settings.start_timeout, log=_say)
    encryption_cli.tell_unreadable(settings, engine)
    engine.dispose()
    return 0


def serve(settings: Settings, arguments: argparse.Namespace) -> int:
    """Bring the tables up to date, then replace this process by gunicorn."""
    migrate(settings, arguments)
    metrics.prepare(METRICS_DIRECTORY)
    os.execvp("gunicorn", ["gunicorn", "--config", "python:ledger.server", "ledger:create_app()"])  # noqa: S606, S607


def main(argv: list[str]) -> int:
    """Run the verb and return the exit code."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.run(Settings.from_environment(), arguments))
    except InputError as refused:
        _say(str(refused))
        return 1
    except (SQLAlchemyError, OSError) as error:
        _say(f"the database does not answer: {getattr(error, 'orig', None) or error}")
        return 1


def _say(sentence: str) -> None:
    sys.stderr.write(f"ledger: {sentence}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
