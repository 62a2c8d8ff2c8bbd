"""Verbs for the operator: channels, test messages, the feed, overdue hours, and the notifier itself.

Rules: stdout gets only a list or a secret; every message goes to stderr. An address and a secret come from stdin:
every process can read an argument in /proc, and the address of a webhook is often its only secret.
"""

import argparse
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from ledger.accounts import audit, projects
from ledger.accounts import cli as accounts_cli
from ledger.accounts.audit import AuditEvent
from ledger.database import engine_for
from ledger.migrate import migrate_when_reachable
from ledger.notifications import channels, formats, record, watches
from ledger.notifications.notifier import ALIVE, Notifier
from ledger.notifications.settings import NotifierSettings
from ledger.observability import logs
from ledger.settings import Settings

Arguments = argparse.Namespace
Command = Callable[[Connection, Arguments, datetime], str | None]


def list_channels(connection: Connection, arguments: Arguments, _now: datetime) -> str | None:
    """List the channels of a project: name, format, and where they lead, without secrets."""
    found = channels.of_project(connection, projects.number(connection, arguments.project))
    return "\n".join(f"{one.name}\t{one.format}\t{one.shown}" for one in found) or None


def add_channel(connection: Connection, arguments: Arguments, now: datetime) -> str | None:
    """Add a channel; its address is the first line of stdin, the secret of the service the second.

    Prints the secret that was made for the signatures of the format json.
    """
    target, secret = sys.stdin.readline().strip(), sys.stdin.readline().strip()
    number = projects.number(connection, arguments.project)
    made = channels.add(
        connection, number, arguments.name, kind=arguments.format, target=target, secret=secret, now=now
    )
    _audit(connection, AuditEvent.CHANNEL, arguments, now)
    _say(f"added the channel {arguments.name}" + ("; the secret of its signatures is shown once" if made else ""))
    return made or None


def change_channel(connection: Connection, arguments: Arguments, now: datetime) -> None:
    """Change a channel; the first line of stdin is the new address, the second the new secret. An empty one stays."""
    target, secret = sys.stdin.readline().strip(), sys.stdin.readline().strip()
    number = projects.number(connection, arguments.project)
    channel = channels.by_name(connection, number, arguments.name).id
    channels.change(connection, number, channel, target=target, secret=secret, now=now)
    _audit(connection, AuditEvent.CHANNEL_CHANGED, arguments, now)
    _say(f"changed the channel {arguments.name}")


def remove_channel(connection: Connection, arguments: Arguments, now: datetime) -> None:
    """Remove a channel, and what waits for it."""
    number = projects.number(connection, arguments.project)
    channels.remove(connection, number, channels.by_name(connection, number, arguments.name).id)
    _audit(connection, AuditEvent.CHANNEL_REMOVED, arguments, now)
    _say(f"removed the channel {arguments.name}")


def try_channel(connection: Connection, arguments: Arguments, now: datetime) -> None:
    """Send a test message to a channel, with the next look of the notifier."""
    number = projects.number(connection, arguments.project)
    record.add_test(connection, number, channels.by_name(connection, number, arguments.name).id, now)
    _audit(connection, AuditEvent.CHANNEL_TEST, arguments, now)
    _say("the notifier sends a test message; the page of the notifications shows what became of it")


def set_overdue(connection: Connection, arguments: Arguments, now: datetime) -> None:
    """Set after how many hours without a proof a project is overdue; 0 is never."""
    watches.set_overdue_hours(connection, projects.number(connection, arguments.project), arguments.hours)
    about = f"{arguments.project}, overdue after {arguments.hours} hours"
    audit.write(connection, accounts_cli.OPERATOR, AuditEvent.OVERDUE, about, now)
    _say(about)


def feed(connection: Connection, arguments: Arguments, now: datetime) -> str:
    """Print the path of a project's feed, which everybody who has it can read."""
    number = projects.number(connection, arguments.project)
    if arguments.new_key:
        watches.renew_feed_key(connection, number)
        audit.write(connection, accounts_cli.OPERATOR, AuditEvent.FEED, arguments.project, now)
    return f"/feed/{watches.of_project(connection, number).feed_key}.atom"


VERBS: Final[Mapping[str, Command]] = {
    "channels": list_channels,
    "add-channel": add_channel,
    "change-channel": change_channel,
    "remove-channel": remove_channel,
    "try-channel": try_channel,
    "overdue": set_overdue,
    "feed": feed,
}


def add_subcommands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add these verbs to the command line; each sets `run`, a function of settings and arguments."""
    parser = {}
    for name, verb in VERBS.items():
        summary = (verb.__doc__ or "").splitlines()[0]
        parser[name] = subparsers.add_parser(name, help=summary, description=verb.__doc__)
        parser[name].set_defaults(run=_runner(verb))
        parser[name].add_argument("project")
    for name in ("add-channel", "change-channel", "remove-channel", "try-channel"):
        parser[name].add_argument("name", help="name of the channel")
    parser["add-channel"].add_argument("--format", choices=tuple(formats.FORMAT_LABELS), default="json")
    parser["overdue"].add_argument("hours", type=int)
    parser["feed"].add_argument("--new-key", action="store_true", help="make a new path; the old one ends")
    notify_parser = subparsers.add_parser("notify", help=notify.__doc__, description=notify.__doc__)
    notify_parser.add_argument("--once", action="store_true", help="send what is due now, and end")
    notify_parser.set_defaults(run=notify)


def notify(settings: Settings, arguments: Arguments) -> int:
    """Run the notifier: send the messages of all projects until SIGTERM."""
    logs.configure()
    engine = engine_for(settings)
    migrate_when_reachable(engine, settings.start_timeout, log=_say)
    notifier = Notifier(engine, NotifierSettings.from_environment(), alive=None if arguments.once else ALIVE)
    if arguments.once:
        notifier.check()
        _say(f"attempts: {notifier.send_all()}")
        return 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: notifier.stop())
    notifier.run()
    return 0


def _runner(verb: Command) -> Callable[[Settings, Arguments], int]:
    return lambda settings, arguments: accounts_cli.run(engine_for(settings), verb, arguments)


def _audit(connection: Connection, event: AuditEvent, arguments: Arguments, now: datetime) -> None:
    audit.write(connection, accounts_cli.OPERATOR, event, f"{arguments.project}/{arguments.name}", now)


def _say(sentence: str) -> None:
    sys.stderr.write(f"ledger: {sentence}\n")
