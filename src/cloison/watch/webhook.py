"""Posts messages about changed judgements to a webhook, in a thread of its own.

Rules:
  - Messages are sent in their order, each with the same identifier until it is taken, which lets a receiver drop one
    that arrives twice. They are signed as those of the ledger: docs/notifications.md.
  - A message that is not taken is repeated, later each time, for a day. `MOST_WAITING` wait at most; then the oldest
    one is dropped, and that is told.
  - A redirect is not followed. The address may be a secret, so no message shows it.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from cloison.errors import UsageError
from cloison.ledger_client.http import error_text
from cloison_view import webhook_signature

SECRET_VARIABLE: Final = "CLOISON_WEBHOOK_SECRET"  # noqa: S105  # the variable's name
PAUSES: Final = (10.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)
"""Seconds before each repetition; the last one counts for all that follow, as for the ledger's messages."""
GIVE_UP_AFTER: Final = 86400.0
MOST_WAITING: Final = 100
SECONDS: Final = 15.0
"""Seconds without a byte after which a receiver counts as hanging."""
SENT, FAILED, DROPPED = "sent", "failed", "dropped"


@dataclass(frozen=True, slots=True)
class Receiver:
    """A webhook and the secret of its signatures."""

    url: str = field(repr=False)
    secret: str = field(repr=False)


def receiver(url: str, secret_file: Path | None, environment: Mapping[str, str]) -> Receiver:
    """Return the webhook of the options.

    Raises UsageError when the address is not valid, or the secret is missing or not one of Standard Webhooks.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not url.isprintable():
        raise UsageError("--webhook: this is not an address such as https://example.org/hook")
    secret, source = environment.get(SECRET_VARIABLE, "").strip(), SECRET_VARIABLE
    if secret_file:
        source = str(secret_file)
        try:
            secret = secret_file.read_text(encoding="ascii", errors="replace").strip()
        except OSError as error:
            raise UsageError(f"--webhook-secret-file {source} cannot be read: {error.strerror}") from error
    if not webhook_signature.is_signing_secret(secret):
        raise UsageError(
            f"--webhook needs a secret for its signatures in {source}: whsec_ and 24 to 64 bytes in base64, such as "
            '"whsec_$(openssl rand -base64 32)"'
        )
    return Receiver(url, secret)


class Webhook:
    """Sends messages; `report` takes sentences, `count` the result of each message."""

    def __init__(
        self,
        to: Receiver,
        report: Callable[[str], None],
        count: Callable[[str], None],
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        self._to, self._report, self._count, self._pauses = to, report, count, pauses
        self._waiting: deque[tuple[str, float, bytes]] = deque()
        self._changed = threading.Condition()
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def send(self, content: Mapping[str, Any]) -> None:
        """Queue a message."""
        body = json.dumps(content, ensure_ascii=False).encode()
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.popleft()
                self._count(DROPPED)
                self._report(f"the webhook takes no message; the oldest of {MOST_WAITING} was dropped")
            self._waiting.append((f"msg_{uuid.uuid4().hex}", time.monotonic(), body))
            self._changed.notify()

    def close(self, seconds: float = SECONDS) -> None:
        """Try to send what waits, once, and end after at most `seconds`."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        self._thread.join(seconds)

    def _run(self) -> None:
        attempt = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_ending)
                if not self._waiting:
                    return
                message = self._waiting[0]
            problem = self._post(message[0], message[2])
            is_over = not problem or time.monotonic() - message[1] > GIVE_UP_AFTER or self._is_ending
            if problem and (attempt == 0 or is_over):
                self._report(f"the webhook did not take a message: {problem}; {self._next(is_over)}")
            with self._changed:
                if is_over:
                    attempt = 0
                    self._count(FAILED if problem else SENT)
                    if self._waiting and self._waiting[0] is message:
                        self._waiting.popleft()
                    continue
                pause = self._pauses[min(attempt, len(self._pauses) - 1)]
                self._changed.wait_for(lambda: self._is_ending, pause)
            attempt += 1

    @staticmethod
    def _next(is_over: object) -> str:
        return "it is given up" if is_over else "it is tried again for a day"

    def _post(self, identifier: str, body: bytes) -> str:
        """Post a message once and return what went wrong, empty for nothing."""
        headers = webhook_signature.signed_headers(self._to.secret, identifier, int(time.time()), body)
        try:
            with requests.post(
                self._to.url, data=body, headers=dict(headers), timeout=SECONDS, allow_redirects=False, stream=True
            ) as answer:
                is_taken = HTTPStatus.OK <= answer.status_code < HTTPStatus.MULTIPLE_CHOICES
                return "" if is_taken else f"it answered {answer.status_code}"
        except (requests.RequestException, OSError, ValueError) as error:
            return "no connection: " + error_text(error).replace(self._to.url, "…")


def secret_taken(environment: Any = os.environ) -> Mapping[str, str]:
    """Return the variable of the secret, and remove it from the environment, so that no child process inherits it."""
    found = environment.pop(SECRET_VARIABLE, None)
    return {} if found is None else {SECRET_VARIABLE: found}
