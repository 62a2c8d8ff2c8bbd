"""A ledger with a project, a receiver of webhooks on this machine, and a notifier that may reach it."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from tests.ledger.mariadb.notifications.receivers import Receiver, certificate, receiver
from tests.ledger.sample_proofs import CLOSED_PORT, OPEN, add_project, body, document

from ledger import clock as ledger_clock
from ledger.accounts import projects
from ledger.archive.store import Archive
from ledger.database import transaction
from ledger.notifications import channels, deliveries, record
from ledger.notifications.deliveries import EventRecord
from ledger.notifications.notifier import Notifier
from ledger.notifications.settings import NotifierSettings

BROKEN = {"intended": "open", "predicted": "open", "observed": "shut", "judgement": "broken"}
UNKNOWN = {"intended": "shut", "predicted": "shut", "observed": "unknown", "judgement": "unknown", "drift": False}
STATES: dict[str, Any] = {"open": OPEN, "shut": CLOSED_PORT, "broken": BROKEN, "unknown": UNKNOWN}


@dataclass
class Shop:
    """The project `shop`: proofs of it, its events and its channels."""

    engine: Engine
    settings: NotifierSettings
    begun: datetime
    minute: int = 0

    @property
    def notifier(self) -> Notifier:
        """Return a notifier, as each replica has one."""
        return Notifier(self.engine, self.settings)

    def do(self, work: Callable[[Connection], Any]) -> Any:
        """Do something in the database."""
        return transaction(self.engine, work)

    def number(self) -> int:
        """Return the project's id."""
        return int(self.do(lambda connection: projects.number(connection, "shop")))

    def prove(self, *, minute: int | None = None, **connections: str) -> None:
        """Store a proof, a minute after the one before: `prove(web="open")` is a breach from web to db."""
        self.minute = self.minute + 1 if minute is None else minute
        states = {(source, "db", 3306): STATES[state] for source, state in connections.items()}
        started = self.begun + timedelta(minutes=self.minute)
        made = document(states) | {"started": f"{started:%Y-%m-%dT%H:%M:%S}.000Z"}
        Archive(self.engine).save("shop", body(made))

    def add_channel(self, target: str, *, kind: str = "json", name: str = "ops", secret: str = "") -> str:
        """Add a channel, and return the secret that was made."""
        now, number = ledger_clock.now(), self.number()
        made: str = self.do(lambda c: channels.add(c, number, name, kind=kind, target=target, secret=secret, now=now))
        return made

    def channel(self, name: str = "ops") -> int:
        """Return a channel's id."""
        return int(self.do(lambda c: channels.by_name(c, self.number(), name)).id)

    def send_test(self, name: str = "ops") -> None:
        """Ask for a test message."""
        number, channel = self.number(), self.channel(name)
        self.do(lambda c: record.add_test(c, number, channel, ledger_clock.now()))

    def events(self) -> list[EventRecord]:
        """Return the events, the oldest first."""
        found: list[EventRecord] = self.do(lambda c: deliveries.recent(c, self.number(), most=500))
        return found[::-1]

    def kinds(self) -> list[str]:
        """Return the kinds of the events, the oldest first."""
        return [event.kind for event in self.events()]

    def send(self) -> int:
        """Let a notifier send what is due, and return its number of attempts."""
        return self.notifier.send_all()

    def pass_time(self, **span: float) -> None:
        """Let everything have happened earlier: events, deliveries and what they wait for."""
        seconds = timedelta(**span).total_seconds()
        with self.engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE delivery SET due = due - INTERVAL :s SECOND, created = created - INTERVAL :s SECOND,"
                    " sent = sent - INTERVAL :s SECOND"
                ),
                {"s": seconds},
            )
            connection.execute(
                text(
                    "UPDATE proof SET started = started - INTERVAL :s SECOND, received = received - INTERVAL :s SECOND"
                ),
                {"s": seconds},
            )


@pytest.fixture
def settings() -> NotifierSettings:
    return NotifierSettings.from_environment(
        {
            "LEDGER_PUBLIC_URL": "https://ledger.example",
            "LEDGER_NOTIFY_NETWORKS": "127.0.0.0/8",
            "LEDGER_NOTIFY_TIMEOUT": "1",
        }
    )


@pytest.fixture
def shop(engine: Engine, settings: NotifierSettings) -> Shop:
    add_project(engine, "shop")
    return Shop(engine, settings, datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2))


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture(scope="session")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate of this machine's name, and a server's context with it."""
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def other(shop: Shop) -> Shop:
    """Return a ledger whose notifier may reach public addresses alone, as without a setting."""
    return replace(shop, settings=replace(shop.settings, networks=()))
