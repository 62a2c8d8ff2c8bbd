"""The address of a ledger and the token of a project in it.

Inputs: the options `--ledger`, `--ledger-token-file` and `--ledger-ca`, the variable `CLOISON_LEDGER_TOKEN`. Output:
a `Ledger`.
Rule: a token comes from the environment or from a file, goes into one header (RFC 6750), and is never printed.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from cloison.errors import UsageError

TOKEN_VARIABLE: Final = "CLOISON_LEDGER_TOKEN"  # noqa: S105  # the variable's name
CA_VARIABLE: Final = "CLOISON_LEDGER_CA"
TOKEN_PATTERN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""The syntax of a bearer token: https://www.rfc-editor.org/rfc/rfc6750#section-2.1"""
MAX_TOKEN_FILE_BYTES: Final = 4096
"""The largest token file; a larger file is some other file and is not sent."""
EXAMPLE: Final = "e.g. https://ledger.example:8443"


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger and a token; `token_source` names the variable or file of the token, for error messages."""

    url: str
    token: str = field(repr=False)
    token_source: str
    project: str = ""
    """The project of the token, to send proofs that name another Compose project; empty for those that do not."""
    ca_file: str = ""
    """A file with the authorities that the ledger's certificate is checked against; empty for those of Python."""

    @property
    def is_loopback(self) -> bool:
        """Whether the address is a loopback address."""
        host = urlsplit(self.url).hostname or ""
        with suppress(ValueError):
            return ipaddress.ip_address(host).is_loopback
        return host == "localhost" or host.endswith(".localhost")  # https://www.rfc-editor.org/rfc/rfc6761#section-6.3

    @property
    def warning(self) -> str:
        """A warning to print before anything is sent, or an empty string."""
        if self.is_loopback or self.url.startswith("https:"):
            return ""
        return f"{self.url} is not encrypted: others on the network can read the token and the proof; use https"


def ledger(
    address: str,
    token_file: Path | None,
    environment: MutableMapping[str, str],
    *,
    ca_file: Path | None = None,
    option: str = "--ledger",
) -> Ledger:
    """Return the ledger at an address, and remove its token from the environment; errors begin with `option`.

    So no child process inherits the token. Raises UsageError when the address, the token or a file is not valid.
    """
    authorities = _authorities(ca_file) if ca_file else ""
    url, token = _url(address, option), environment.pop(TOKEN_VARIABLE, "").strip()
    if token_file:
        source = f"the token in {token_file}"
        return Ledger(url, _checked(_read(token_file), source), source, ca_file=authorities)
    if not token:
        raise UsageError(
            f"{option} needs a token of the project: set {TOKEN_VARIABLE}, or name a file with --ledger-token-file"
        )
    source = f"the token of {TOKEN_VARIABLE}"
    return Ledger(url, _checked(token, source), source, ca_file=authorities)


def _url(address: str, option: str) -> str:
    """Return the address in lower case and without a final slash."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{option}: the address is not valid ({error}); {EXAMPLE}") from error
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"{option}: the address contains a user name or a password; put the token into {TOKEN_VARIABLE} or a file"
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or not address.isprintable():
        raise UsageError(f'{option}: "{address}" is not the address of a ledger; {EXAMPLE}')
    if parts.query or parts.fragment:
        raise UsageError(f'{option}: "{address}" has a query or a fragment; remove the part from ? or # on')
    return SplitResult(parts.scheme, parts.netloc.lower(), parts.path.rstrip("/"), "", "").geturl()


def _authorities(path: Path) -> str:
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:  # an OSError, too
        raise UsageError(f"--ledger-ca {path} has no certificate in PEM") from error
    except OSError as error:
        raise UsageError(f"--ledger-ca {path} cannot be read: {os.strerror(error.errno or 0)}") from error
    return str(path)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TOKEN_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--ledger-token-file {path} cannot be read: {os.strerror(error.errno or 0)}") from error
    return content.decode("ascii", errors="replace").strip() if len(content) <= MAX_TOKEN_FILE_BYTES else ""


def _checked(token: str, source: str) -> str:
    if not TOKEN_PATTERN.fullmatch(token):
        raise UsageError(f"{source} is not a token: a token is one word of letters, digits and signs, e.g. clo_…")
    return token
