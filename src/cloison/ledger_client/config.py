"""Where a ledger is, and the token that lets us in.

Rule: a token comes from the environment or from a file, goes into one header, and is never printed.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from cloison.errors import UsageError

TOKEN_VARIABLE: Final = "CLOISON_LEDGER_TOKEN"  # noqa: S105  # the variable's name
TOKEN_PATTERN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What a bearer token is made of: https://www.rfc-editor.org/rfc/rfc6750#section-2.1"""
MAX_TOKEN_FILE_BYTES: Final = 4096
"""Bytes of a token's file; whoever names another file by mistake does not have it sent anywhere."""
EXAMPLE: Final = "e.g. https://ledger.example:8443"


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger; `token_source` says where the token came from, for the sentence that asks to mend it."""

    url: str
    token: str = field(repr=False)
    token_source: str

    @property
    def is_loopback(self) -> bool:
        """Whether the address never leaves this machine."""
        host = urlsplit(self.url).hostname or ""
        with suppress(ValueError):
            return ipaddress.ip_address(host).is_loopback
        return host == "localhost" or host.endswith(".localhost")  # https://www.rfc-editor.org/rfc/rfc6761#section-6.3

    @property
    def warning(self) -> str:
        """What is to be said before anything is sent; empty when nothing is."""
        if self.is_loopback or self.url.startswith("https:"):
            return ""
        return f"{self.url} is not encrypted: whoever is on the way can read the token and the proof; use https"


def ledger(address: str, token_file: Path | None, environment: MutableMapping[str, str]) -> Ledger:
    """Return the ledger at an address, and take its token out of the environment.

    No program that we start inherits the token. Raises UsageError when the address or the token cannot be one.
    """
    url, token = _url(address), environment.pop(TOKEN_VARIABLE, "").strip()
    if token_file:
        return Ledger(url, _checked(_read(token_file), f"the token in {token_file}"), f"the token in {token_file}")
    if not token:
        raise UsageError(
            f"--ledger needs a token of the project: set {TOKEN_VARIABLE}, or name a file with --ledger-token-file"
        )
    return Ledger(url, _checked(token, f"the token of {TOKEN_VARIABLE}"), f"the token of {TOKEN_VARIABLE}")


def _url(address: str) -> str:
    """Return the address without a slash at its end."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"--ledger: the address is none ({error}); {EXAMPLE}") from error
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"--ledger: the address holds a name or a password; the token goes into {TOKEN_VARIABLE} or a file"
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or not address.isprintable():
        raise UsageError(f'--ledger: "{address}" is no address of a ledger; {EXAMPLE}')
    if parts.query or parts.fragment:
        raise UsageError(f'--ledger: "{address}" holds more than an address; leave out what begins at ? or #')
    return SplitResult(parts.scheme, parts.netloc.lower(), parts.path.rstrip("/"), "", "").geturl()


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TOKEN_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--ledger-token-file {path} cannot be read: {os.strerror(error.errno or 0)}") from error
    return content.decode("ascii", errors="replace").strip() if len(content) <= MAX_TOKEN_FILE_BYTES else ""


def _checked(token: str, source: str) -> str:
    if not TOKEN_PATTERN.fullmatch(token):
        raise UsageError(f"{source} is none: a token is one word of letters, digits and signs, e.g. clo_…")
    return token
