"""Hands one proof to a ledger and reads what it says.

Rules: only a ledger's own words count. A web page with status 200 has not taken a proof, and one with status 400 has
not refused it. Nothing is followed elsewhere, for the token would go along. Whatever the other side does, it is over
after `SECONDS`.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any, Final

import requests
import urllib3
from requests.auth import AuthBase

from cloison import errors
from cloison.ledger_client.config import Ledger
from cloison.model.text import printable_line

PROOFS_PATH: Final = "/api/v1/proofs"
CONNECT_TIMEOUT: Final = 5.0
TOTAL_TIMEOUT: Final = 30.0
"""How long one proof may take, from looking up the name to the last byte of the answer."""
MAX_RESPONSE_BYTES: Final = 65536
"""Bytes of an answer that are read; a ledger's are a hundred."""
NO_PROXY: Final = {"http": None, "https": None, "all": None}
"""No proxy: what is on this machine is not shown to another one, whatever the environment says."""


class DeliveryStatus(Enum):
    """What became of a proof, as far as we are told."""

    ACCEPTED = "taken"
    REJECTED = "refused"  # it is no proof to this ledger, today and tomorrow
    UNAUTHORIZED = "locked"  # the token does not open
    RETRY = "later"  # nothing is wrong with the proof
    NOT_A_LEDGER = "strange"  # whoever answered is no ledger


STATUS_BY_HTTP_CODE: Final[Mapping[int, DeliveryStatus]] = {
    200: DeliveryStatus.ACCEPTED,
    201: DeliveryStatus.ACCEPTED,
    400: DeliveryStatus.REJECTED,
    401: DeliveryStatus.UNAUTHORIZED,
    403: DeliveryStatus.UNAUTHORIZED,
    408: DeliveryStatus.RETRY,
    413: DeliveryStatus.REJECTED,
    422: DeliveryStatus.REJECTED,
    425: DeliveryStatus.RETRY,
    429: DeliveryStatus.RETRY,
}
"""Every 5xx is RETRY, and everything else NOT_A_LEDGER."""
TOO_LARGE: Final = 413
"""A proxy says this in its own words, without asking the ledger."""


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What became of a proof, with the sentence that tells why."""

    status: DeliveryStatus
    why: str = ""


class _BearerAuth(AuthBase):
    """Puts the token into its header; an `auth` of our own also keeps ~/.netrc from putting another one there."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def post_proof(ledger: Ledger, digest: str, body: bytes, seconds: float = TOTAL_TIMEOUT) -> DeliveryResult:
    """Send a proof, compressed with gzip already, and return what became of it after at most so many seconds."""
    answers: queue.SimpleQueue[DeliveryResult] = queue.SimpleQueue()
    # A socket's time-out starts again with every byte, and looking up a name has none; a thread can be left behind.
    threading.Thread(target=lambda: answers.put(_asked(ledger, digest, body, seconds)), daemon=True).start()
    with suppress(queue.Empty):
        return answers.get(timeout=seconds)
    return DeliveryResult(DeliveryStatus.RETRY, f"it did not answer within {seconds:.0f} s")


def _asked(ledger: Ledger, digest: str, body: bytes, seconds: float) -> DeliveryResult:
    try:
        with requests.Session() as session:
            response = session.post(
                f"{ledger.url}{PROOFS_PATH}",
                data=body,
                headers={"Content-Type": "application/json", "Content-Encoding": "gzip", "Accept": "application/json"},
                auth=_BearerAuth(ledger.token),
                timeout=(min(CONNECT_TIMEOUT, seconds), seconds),
                allow_redirects=False,
                proxies=dict(NO_PROXY) if ledger.is_loopback else None,  # type: ignore[arg-type]  # None takes a proxy out
                stream=True,
            )
            return _read(response, digest)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        return DeliveryResult(DeliveryStatus.RETRY, _error_text(error))


def _read(response: requests.Response, digest: str) -> DeliveryResult:
    payload = _json_object(response)
    if response.is_redirect:
        return DeliveryResult(
            DeliveryStatus.NOT_A_LEDGER,
            f"it points to {printable_line(response.headers['Location'])}; is that the ledger's address?",
        )
    is_server_error = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR  # RFC 9110, 15.6
    unlisted = DeliveryStatus.RETRY if is_server_error else DeliveryStatus.NOT_A_LEDGER
    status = STATUS_BY_HTTP_CODE.get(response.status_code, unlisted)
    if status is DeliveryStatus.ACCEPTED:
        if payload.get("digest") == digest:
            return DeliveryResult(status)
        return DeliveryResult(
            DeliveryStatus.NOT_A_LEDGER,
            f"it answered {response.status_code} and did not name the proof; is it a ledger?",
        )
    detail = _detail(payload)
    if status is DeliveryStatus.REJECTED and not detail and response.status_code != TOO_LARGE:
        status = DeliveryStatus.NOT_A_LEDGER  # e.g. a server for https that is spoken to without
    return DeliveryResult(
        status, f"it answered {response.status_code} {printable_line(response.reason)}{detail}{_retry_after(response)}"
    )


def _json_object(response: requests.Response) -> Mapping[str, Any]:
    """Return the answer's JSON object, an empty one when it is none."""
    content = b""
    for chunk in response.iter_content(4096):
        content += chunk
        if len(content) > MAX_RESPONSE_BYTES:
            return {}
    try:
        payload = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def _detail(payload: Mapping[str, Any]) -> str:
    error = payload.get("error")
    detail = error.get("detail") if isinstance(error, dict) else None
    return f": {printable_line(detail)}" if isinstance(detail, str) and detail else ""


def _retry_after(response: requests.Response) -> str:
    after = response.headers.get("Retry-After", "")
    return f" (it asks for {after} s of patience)" if after.isascii() and after.isdigit() and len(after) < 6 else ""  # noqa: PLR2004  # a day of seconds


def _error_text(error: Exception) -> str:
    """Return why nobody answered."""
    payload = printable_line(errors.system_error_text(error) or str(error)) or type(error).__name__
    return f"its certificate is not trusted ({payload})" if isinstance(error, requests.exceptions.SSLError) else payload
