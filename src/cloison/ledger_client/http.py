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
from typing import Any, Final

import requests
import urllib3
from requests.auth import AuthBase

from cloison import causes
from cloison.ledger_client.config import Ledger

PATH: Final = "/api/v1/proofs"
CONNECTING: Final = 5.0
SECONDS: Final = 30.0
"""How long one proof may take, from looking up the name to the last byte of the answer."""
LONGEST: Final = 65536
"""Bytes of an answer that are read; a ledger's are a hundred."""
DIRECTLY: Final = {"http": None, "https": None, "all": None}
"""No proxy: what is on this machine is not shown to another one, whatever the environment says."""
SHOWN: Final = 300
"""Signs of another program's sentence that are repeated."""


class Fate(Enum):
    """What became of a proof, as far as we are told."""

    TAKEN = "taken"
    REFUSED = "refused"  # it is no proof to this ledger, today and tomorrow
    LOCKED = "locked"  # the token does not open
    LATER = "later"  # nothing is wrong with the proof
    STRANGE = "strange"  # whoever answered is no ledger


STATUSES: Final[Mapping[int, Fate]] = {
    200: Fate.TAKEN,
    201: Fate.TAKEN,
    400: Fate.REFUSED,
    401: Fate.LOCKED,
    403: Fate.LOCKED,
    408: Fate.LATER,
    413: Fate.REFUSED,
    422: Fate.REFUSED,
    425: Fate.LATER,
    429: Fate.LATER,
}
"""Every 5xx is LATER, and everything else STRANGE."""
TOO_LARGE: Final = 413
"""A proxy says this in its own words, without asking the ledger."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a proof, with the sentence that tells why."""

    fate: Fate
    why: str = ""


class _Bearer(AuthBase):
    """Puts the token into its header; an `auth` of our own also keeps ~/.netrc from putting another one there."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def post(ledger: Ledger, digest: str, body: bytes, seconds: float = SECONDS) -> Answer:
    """Send a proof, compressed with gzip already, and return what became of it after at most so many seconds."""
    answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    # A socket's time-out starts again with every byte, and looking up a name has none; a thread can be left behind.
    threading.Thread(target=lambda: answers.put(_asked(ledger, digest, body, seconds)), daemon=True).start()
    with suppress(queue.Empty):
        return answers.get(timeout=seconds)
    return Answer(Fate.LATER, f"it did not answer within {seconds:.0f} s")


def _asked(ledger: Ledger, digest: str, body: bytes, seconds: float) -> Answer:
    try:
        with requests.Session() as session:
            response = session.post(
                f"{ledger.url}{PATH}",
                data=body,
                headers={"Content-Type": "application/json", "Content-Encoding": "gzip", "Accept": "application/json"},
                auth=_Bearer(ledger.token),
                timeout=(min(CONNECTING, seconds), seconds),
                allow_redirects=False,
                proxies=dict(DIRECTLY) if ledger.is_here else None,  # type: ignore[arg-type]  # None takes a proxy out
                stream=True,
            )
            return _read(response, digest)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        return Answer(Fate.LATER, _cause(error))


def _read(response: requests.Response, digest: str) -> Answer:
    said = _words(response)
    if response.is_redirect:
        return Answer(
            Fate.STRANGE, f"it points to {plain(response.headers['Location'])}; is that the ledger's address?"
        )
    fate = STATUSES.get(response.status_code, Fate.LATER if response.status_code >= 500 else Fate.STRANGE)  # noqa: PLR2004  # RFC 9110, 15.6
    if fate is Fate.TAKEN:
        if said.get("digest") == digest:
            return Answer(fate)
        return Answer(Fate.STRANGE, f"it answered {response.status_code} and did not name the proof; is it a ledger?")
    detail = _detail(said)
    if fate is Fate.REFUSED and not detail and response.status_code != TOO_LARGE:
        fate = Fate.STRANGE  # e.g. a server for https that is spoken to without
    return Answer(fate, f"it answered {response.status_code} {plain(response.reason)}{detail}{_patience(response)}")


def _words(response: requests.Response) -> Mapping[str, Any]:
    """Return the answer's JSON object, an empty one when it is none."""
    content = b""
    for chunk in response.iter_content(4096):
        content += chunk
        if len(content) > LONGEST:
            return {}
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _detail(said: Mapping[str, Any]) -> str:
    error = said.get("error")
    detail = error.get("detail") if isinstance(error, dict) else None
    return f": {plain(detail)}" if isinstance(detail, str) and detail else ""


def _patience(response: requests.Response) -> str:
    after = response.headers.get("Retry-After", "")
    return f" (it asks for {after} s of patience)" if after.isascii() and after.isdigit() and len(after) < 6 else ""  # noqa: PLR2004  # a day of seconds


def _cause(error: Exception) -> str:
    """Return why nobody answered."""
    said = plain(causes.of_the_system(error) or str(error)) or type(error).__name__
    return f"its certificate is not trusted ({said})" if isinstance(error, requests.exceptions.SSLError) else said


def plain(text: str) -> str:
    """Return another program's words on one line, without what a terminal obeys, and not too many of them."""
    line = "".join(sign if sign.isprintable() else " " for sign in text).strip()
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"
