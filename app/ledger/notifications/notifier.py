"""The notifier: a process that looks for projects without a recent proof, and sends the messages that are due.

Input: the database and the settings. Output: messages, and their outcome in the database. Rule: one thread has one
message at a time, so that a receiver which hangs delays its own messages and a thread's, and no others.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ledger import clock as ledger_clock
from ledger.database import transaction
from ledger.notifications import deliveries, formats, mail, record, webhook
from ledger.notifications.deliveries import Delivery
from ledger.notifications.settings import NotifierSettings
from ledger.notifications.webhook import DeliveryError
from ledger.observability.logs import EXTRA_FIELDS

T = TypeVar("T")
LOG: Final = logging.getLogger("ledger.notifier")
THREADS: Final = 8
POLL: Final = 2.0  # seconds between two looks when nothing is due
CHECK_EVERY: Final = 30.0  # seconds between two looks for projects without a recent proof
ALIVE: Final = Path("/tmp/notifier")  # noqa: S108 - the container's own tmpfs; its health check reads the time


class Notifier:
    """Sends what is due until it is stopped."""

    def __init__(self, engine: Engine, settings: NotifierSettings, *, alive: Path | None = None) -> None:
        self._engine = engine
        self._settings = settings
        self._alive = alive
        self._stopped = threading.Event()
        self._next_check = 0.0
        self._last_warning = ""
        self._free = threading.Semaphore(THREADS)

    def stop(self) -> None:
        """Take no new message; those that are being sent are finished."""
        self._stopped.set()

    def run(self) -> None:
        """Send messages, THREADS at a time, until `stop` is called."""
        with ThreadPoolExecutor(THREADS, "notifier") as threads:
            while not self._stopped.is_set():
                self._guarded(self.check)
                self._guarded(lambda: self._hand_out(threads))
                self._stopped.wait(POLL)

    def check(self) -> None:
        """Say that a notifier runs, and record projects without a recent proof when it is time."""
        now = ledger_clock.now()
        transaction(self._engine, lambda connection: deliveries.record_notifier(connection, now))
        if time.monotonic() >= self._next_check:
            self._next_check = time.monotonic() + CHECK_EVERY
            transaction(self._engine, record.add_missing)
            record.record_overdue(self._engine, now)
            transaction(self._engine, lambda connection: deliveries.forget_old(connection, now))
        if self._alive is not None:
            self._alive.touch()

    def send_all(self) -> int:
        """Send what is due, one message after the other, and return the number of attempts."""
        number = 0
        while taken := self._take():
            self._send(taken)
            number += 1
        return number

    def _take(self) -> Delivery | None:
        public_url = self._settings.public_url
        return transaction(self._engine, lambda c: deliveries.take(c, ledger_clock.now(), public_url))

    def _hand_out(self, threads: ThreadPoolExecutor) -> None:
        """Give each free thread a message; return when none is due, or when no thread becomes free for a while."""
        while not self._stopped.is_set() and self._free.acquire(timeout=POLL):
            taken = None
            try:
                taken = self._take()
            finally:
                if taken is None:
                    self._free.release()
            if taken is None:
                return
            threads.submit(self._send_in_thread, taken)

    def _send_in_thread(self, taken: Delivery) -> None:
        try:
            self._guarded(lambda: self._send(taken))
        finally:
            self._free.release()

    def _send(self, taken: Delivery) -> None:
        try:
            deliver(taken, self._settings)
        except DeliveryError as error:
            self._record_failure(taken, str(error), is_final=error.is_final)
        except Exception as error:  # noqa: BLE001 - whatever it is, this message failed, and the others go on
            self._record_failure(taken, f"an error of the ledger ({type(error).__name__}).")
        else:
            _log("sent", taken)
            self._record(lambda c: deliveries.set_sent(c, taken, ledger_clock.now()))

    def _record_failure(self, taken: Delivery, error: str, *, is_final: bool = False) -> None:
        gives_up = self._record(
            lambda c: deliveries.set_failed(c, taken, error, ledger_clock.now(), is_final=is_final),
        )
        _log("given up" if gives_up else "not sent", taken, error)

    def _record(self, work: Callable[[Connection], T]) -> T | None:
        """Record an outcome, and wait for a database that is away: what it does not know would be sent again."""
        while True:
            try:
                return transaction(self._engine, work)
            except (SQLAlchemyError, OSError) as error:
                self._warn(error)
            if self._stopped.wait(POLL):
                return None

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (SQLAlchemyError, OSError) as error:
            self._warn(error)
        else:
            self._last_warning = ""

    def _warn(self, error: Exception) -> None:
        """Log why the database does not answer: once for each reason, not with every look."""
        reason = str(getattr(error, "orig", None) or error)[:200]
        if reason != self._last_warning:
            LOG.warning("no answer from the database: %s", reason)
        self._last_warning = reason


def deliver(taken: Delivery, settings: NotifierSettings) -> None:
    """Send one message to its channel; DeliveryError when it was not accepted."""
    if taken.unreadable:
        raise DeliveryError(taken.unreadable, is_final=True)
    if taken.format == formats.EMAIL:
        mail.send(taken.message, taken.target, settings)
    else:
        post = formats.post(taken.format, taken.message, taken.secret, int(time.time()))
        webhook.send(taken.target, post, settings)


def _log(outcome: str, taken: Delivery, error: str = "") -> None:
    fields = {
        "project": taken.message.project,
        "channel": taken.channel,
        "event": taken.message.kind.value,
        "attempt": taken.attempts,
    }
    LOG.info(outcome, extra={EXTRA_FIELDS: fields | ({"error": error} if error else {})})
