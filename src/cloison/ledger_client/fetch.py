"""Gets one proof from a ledger.

Inputs: the address of the proof and a token of its project. Output: the bytes of the proof.
Rules: redirects are not followed, because the token would go along. The bytes are those whose SHA-256 the address
names, or they are refused: a ledger, a proxy or a network between cannot exchange a proof.
Source: `GET /api/v1/proofs/{digest}` in app/ledger/openapi.json
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import MutableMapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

import requests
import urllib3

from cloison.errors import NotProven, UsageError
from cloison.ledger_client import http
from cloison.ledger_client.config import CA_VARIABLE, Ledger, ledger
from cloison.model.text import printable_line

PROOF_ADDRESS: Final = re.compile(
    r"(?P<base>https?://[^?#]+?)(?:/api/v1|/projects/[^/?#]+)/proofs/(?P<digest>[0-9a-f]{64})(?:\.json)?/?"
)
"""The address of a proof in the API, or of its page."""
MAX_BYTES: Final = 1 << 30
"""Bytes of a proof that are read; one of 60 services has 7.5 MB."""
ADVICE: Final = "an address ends in /api/v1/proofs/ and the 64 hexadecimal digits of the proof"


def fetch_proof(
    address: str, token_file: Path | None, environment: MutableMapping[str, str], ca_file: Path | None = None
) -> bytes:
    """Return the bytes of the proof at an address, and remove the token from the environment.

    Raises UsageError when the address or the token is not valid or there is no such proof, NotProven when the ledger
    does not answer.
    """
    found = PROOF_ADDRESS.fullmatch(address)
    if not found:
        raise UsageError(f"{address}: it is not the address of a proof in a ledger; {ADVICE}")
    if ca_file is None and environment.get(CA_VARIABLE):  # a baseline has no option for it
        ca_file = Path(environment[CA_VARIABLE])
    to = ledger(found["base"], token_file, environment, ca_file=ca_file, option=address)
    content = _get(to, found["digest"])
    if hashlib.sha256(content).hexdigest() != found["digest"]:
        raise UsageError(f"{address}: the answer is not the proof of this digest; is it the address of a ledger?")
    return content


def _get(to: Ledger, digest: str) -> bytes:
    url = f"{to.url}{http.PROOFS_PATH}/{digest}"
    try:
        with requests.Session() as session, http.get(session, to, url) as response:
            if response.status_code != HTTPStatus.OK:
                raise UsageError(
                    f"{url}: the ledger answered {response.status_code} {printable_line(response.reason)}; "
                    f"check the address, and whether {to.token_source} is one of the proof's project"
                )
            return _content(response)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise NotProven(f"{url}: the ledger did not send the proof: {http.error_text(error)}") from error


def _content(response: requests.Response) -> bytes:
    parts: list[bytes] = []
    left = MAX_BYTES
    for chunk in response.iter_content(1 << 16):
        left -= len(chunk)
        if left < 0:
            raise UsageError(f"{response.url}: the answer is larger than {MAX_BYTES:,} bytes, so it is no proof")
        parts.append(chunk)
    return b"".join(parts)
