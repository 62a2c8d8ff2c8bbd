"""Posts one proof to a ledger and interprets the response; sends a GET with the same care.

Inputs: a ledger, a digest and the compressed bytes of a proof. Output: a `DeliveryResult`.
Rules: a status counts only with a ledger's own JSON. A web page with status 200 has not accepted a proof, and one with
status 400 has not rejected it. Redirects are not followed, because the token would go along. A post ends after
`TOTAL_TIMEOUT` seconds, whatever the server does.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any, Final

import requests
import urllib3
from requests.auth import AuthBase

from cloison import errors
from cloison.ledger_client import token_expiry
from cloison.ledger_client.config import Ledger
from cloison.model.text import printable_line

PROOFS_PATH: Final = "/api/v1/proofs"
CONNECT_TIMEOUT: Final = 5.0
TOTAL_TIMEOUT: Final = 30.0
"""Seconds for one proof, from the DNS query to the last byte of the response."""
MAX_RESPONSE_BYTES: Final = 65536
"""Bytes of a response that are read; a ledger's has about a hundred."""
NO_PROXY: Final = {"http": None, "https": None, "all": None}
"""No proxy: what is on this machine is not shown to another one, whatever the environment says."""


class DeliveryStatus(Enum):
    """How the ledger answered."""

    ACCEPTED = "taken"
    REJECTED = "refused"  # not a valid proof for this ledger, now or later
    UNAUTHORIZED = "locked"  # the token is not valid for this project
    FUTURE = "future"  # the proof starts ahead of the ledger's clock
    FAILED = "failed"  # the ledger failed at this proof; it may accept others
    RETRY = "later"  # no proof would be accepted now; send it again later
    NOT_A_LEDGER = "strange"  # the server is not a ledger


STATUS_BY_HTTP_CODE: Final[Mapping[int, DeliveryStatus]] = {
    200: DeliveryStatus.ACCEPTED,
    201: DeliveryStatus.ACCEPTED,
    400: DeliveryStatus.REJECTED,
    401: DeliveryStatus.UNAUTHORIZED,
    403: DeliveryStatus.UNAUTHORIZED,
    408: DeliveryStatus.FAILED,
    413: DeliveryStatus.FAILED,  # REJECTED when the proof is larger than a ledger documents
    422: DeliveryStatus.REJECTED,
    425: DeliveryStatus.RETRY,
    429: DeliveryStatus.RETRY,
}
"""Every 5xx status is FAILED, and every other status NOT_A_LEDGER."""
STATUS_BY_REASON: Final[Mapping[str, DeliveryStatus]] = {
    "future": DeliveryStatus.FUTURE,
    "project": DeliveryStatus.RETRY,  # all proofs of the queue are of one project; another token, or --as, is needed
}
"""The reasons of a ledger for status 422; every other one is REJECTED."""
TOO_LARGE: Final = 413
"""A proxy in front of the ledger sends this status with a page of its own."""
MAX_COMPRESSED_BYTES: Final = 8 << 20
MAX_BYTES: Final = 32 << 20
"""The largest proof that a ledger accepts, compressed and uncompressed: docs/sending.md. Above it 413 means never."""


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """How the ledger answered, and the reason as a clause."""

    status: DeliveryStatus
    why: str = ""
    token_expires: str = ""  # the header of that name, if there was one


class _BearerAuth(AuthBase):
    """Sets the Authorization header; an explicit `auth` also keeps `requests` from using ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def get(session: requests.Session, ledger: Ledger, url: str, seconds: float = TOTAL_TIMEOUT) -> requests.Response:
    """Return the response of a ledger to a GET, its body not read yet; `seconds` are those without a byte."""
    return session.get(
        url,
        headers={"Accept": "application/json"},
        auth=_BearerAuth(ledger.token),
        timeout=(min(CONNECT_TIMEOUT, seconds), seconds),
        allow_redirects=False,
        proxies=_proxies(ledger),
        verify=ledger.ca_file or True,
        stream=True,
    )


def _proxies(ledger: Ledger) -> MutableMapping[str, str] | None:
    return dict(NO_PROXY) if ledger.is_loopback else None  # type: ignore[arg-type]  # None removes a proxy


def post_proof(ledger: Ledger, digest: str, body: bytes, seconds: float = TOTAL_TIMEOUT) -> DeliveryResult:
    """Post a proof, already compressed with gzip, and return the result after at most `seconds`."""
    answers: queue.SimpleQueue[DeliveryResult] = queue.SimpleQueue()
    # A socket's time-out restarts with every byte, and a DNS query has none; a thread can be abandoned.
    threading.Thread(target=lambda: answers.put(_post(ledger, digest, body, seconds)), daemon=True).start()
    with suppress(queue.Empty):
        return answers.get(timeout=seconds)
    return DeliveryResult(DeliveryStatus.FAILED, f"it did not answer within {seconds:.0f} s")


def _post(ledger: Ledger, digest: str, body: bytes, seconds: float) -> DeliveryResult:
    try:
        with requests.Session() as session:
            response = session.post(
                f"{ledger.url}{PROOFS_PATH}",
                params={"as": ledger.project} if ledger.project else None,
                data=body,
                headers={"Content-Type": "application/json", "Content-Encoding": "gzip", "Accept": "application/json"},
                auth=_BearerAuth(ledger.token),
                timeout=(min(CONNECT_TIMEOUT, seconds), seconds),
                allow_redirects=False,
                proxies=_proxies(ledger),
                verify=ledger.ca_file or True,
                stream=True,
            )
            return _read(response, digest, is_too_large=is_too_large(body))
    except requests.ConnectionError as error:
        was_aborted = bool(error.args) and isinstance(error.args[0], urllib3.exceptions.ProtocolError)
        return DeliveryResult(DeliveryStatus.FAILED if was_aborted else DeliveryStatus.RETRY, error_text(error))
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        return DeliveryResult(DeliveryStatus.FAILED, error_text(error))


def is_too_large(body: bytes) -> bool:
    """Return whether a proof, compressed with gzip, is larger than any that a ledger accepts."""
    size = int.from_bytes(body[-4:], "little")  # ISIZE of RFC 1952, 2.3.1
    return len(body) > MAX_COMPRESSED_BYTES or size > MAX_BYTES


def _read(response: requests.Response, digest: str, *, is_too_large: bool) -> DeliveryResult:
    payload = _json_object(response)
    if response.is_redirect:
        return DeliveryResult(
            DeliveryStatus.NOT_A_LEDGER,
            f"it redirects to {printable_line(response.headers['Location'])}; is that the ledger's address?",
        )
    is_server_error = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR  # RFC 9110, 15.6
    unlisted = DeliveryStatus.FAILED if is_server_error else DeliveryStatus.NOT_A_LEDGER
    status = STATUS_BY_HTTP_CODE.get(response.status_code, unlisted)
    if status is DeliveryStatus.ACCEPTED:
        if payload.get("digest") == digest:
            return DeliveryResult(status, token_expires=response.headers.get(token_expiry.HEADER, ""))
        return DeliveryResult(
            DeliveryStatus.NOT_A_LEDGER,
            f"it answered {response.status_code} and did not return the digest of the proof; is it a ledger?",
        )
    detail, reason = _detail(payload), _reason(payload)
    if response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
        status = STATUS_BY_REASON.get(reason, status)
    if response.status_code == TOO_LARGE and is_too_large:
        status = DeliveryStatus.REJECTED
    if status is DeliveryStatus.REJECTED and not detail and response.status_code != TOO_LARGE:
        status = DeliveryStatus.NOT_A_LEDGER  # e.g. a server for HTTPS that got a request in plain HTTP
    return DeliveryResult(
        status, f"it answered {response.status_code} {printable_line(response.reason)}{detail}{_retry_after(response)}"
    )


def _json_object(response: requests.Response) -> Mapping[str, Any]:
    """Return the JSON object of the response, or an empty one."""
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


def _reason(payload: Mapping[str, Any]) -> str:
    error = payload.get("error")
    reason = error.get("reason") if isinstance(error, dict) else None
    return reason if isinstance(reason, str) else ""


def _retry_after(response: requests.Response) -> str:
    after = response.headers.get("Retry-After", "")
    return f" (it asks to wait {after} s)" if after.isascii() and after.isdigit() and len(after) < 6 else ""  # noqa: PLR2004  # at most a day, in seconds


def error_text(error: Exception) -> str:
    """Return the reason why there was no response."""
    payload = printable_line(errors.system_error_text(error) or str(error)) or type(error).__name__
    return f"its certificate is not trusted ({payload})" if isinstance(error, requests.exceptions.SSLError) else payload
