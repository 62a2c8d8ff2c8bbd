"""The settings of notifications: a table of the LEDGER_* variables and their defaults, and the frozen values."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final

from ledger import public_address

Network = IPv4Network | IPv6Network

DEFAULTS: Final[Mapping[str, str]] = {
    "LEDGER_PUBLIC_URL": "",  # such as https://ledger.example; without it, messages have no links
    "LEDGER_NOTIFY_NETWORKS": "",  # networks of private addresses that a webhook may reach, such as 192.168.1.0/24
    "LEDGER_DB_HOST": "",  # the database, which no webhook may reach, whatever its network
    "LEDGER_NOTIFY_TIMEOUT": "15",  # seconds for one message, from the name's resolution to the response
    "LEDGER_SMTP_HOST": "",  # without it, there is no e-mail
    "LEDGER_SMTP_PORT": "",  # by default that of LEDGER_SMTP_SECURITY
    "LEDGER_SMTP_SECURITY": "starttls",  # starttls, tls or none
    "LEDGER_SMTP_CA_FILE": "",  # certificates to trust in the place of the system's
    "LEDGER_SMTP_USER": "",
    "LEDGER_SMTP_PASSWORD_FILE": "",
    "LEDGER_SMTP_FROM": "",
}
SMTP_PORTS: Final[Mapping[str, int]] = {"starttls": 587, "tls": 465, "none": 25}
MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class MailServer:
    """The SMTP server that takes the messages; an empty `user` is no login."""

    host: str
    port: int
    security: str
    ca_file: str
    user: str
    password_file: Path | None
    sender: str


@dataclass(frozen=True, slots=True)
class NotifierSettings:
    """The values of the variables; `timeout` in seconds, `mail_server` None where none is set."""

    public_url: str
    networks: tuple[Network, ...]
    database_host: str
    timeout: float
    mail_server: MailServer | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "NotifierSettings":
        """Return the settings of the environment; an empty variable counts as unset."""
        value = {name: environment.get(name) or default for name, default in DEFAULTS.items()}
        return cls(
            public_url=public_address.checked(value["LEDGER_PUBLIC_URL"]),
            networks=tuple(_network(name) for name in value["LEDGER_NOTIFY_NETWORKS"].replace(",", " ").split()),
            database_host=value["LEDGER_DB_HOST"],
            timeout=_timeout(value["LEDGER_NOTIFY_TIMEOUT"]),
            mail_server=_mail_server(value) if value["LEDGER_SMTP_HOST"] else None,
        )


def _network(given: str) -> Network:
    try:
        return ip_network(given)
    except ValueError as error:
        raise SystemExit(f"LEDGER_NOTIFY_NETWORKS: {error}; expected networks such as 192.168.1.0/24") from error


def _timeout(given: str) -> float:
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 60:  # noqa: PLR2004 - a lease of a delivery is longer
        raise SystemExit(f"LEDGER_NOTIFY_TIMEOUT={given!r}: expected a number of seconds above 0, at most 60")
    return seconds


def _mail_server(value: Mapping[str, str]) -> MailServer:
    security = value["LEDGER_SMTP_SECURITY"]
    if security not in SMTP_PORTS:
        raise SystemExit(f"LEDGER_SMTP_SECURITY={security!r}: expected one of {', '.join(SMTP_PORTS)}")
    port = value["LEDGER_SMTP_PORT"] or str(SMTP_PORTS[security])
    if not (port.isascii() and port.isdecimal() and 0 < int(port) <= MAX_PORT):
        raise SystemExit(f"LEDGER_SMTP_PORT={port!r}: expected a port")
    user, password_file = value["LEDGER_SMTP_USER"], value["LEDGER_SMTP_PASSWORD_FILE"]
    if user and security == "none":
        raise SystemExit("LEDGER_SMTP_USER: a password is not sent without encryption; set LEDGER_SMTP_SECURITY")
    if bool(user) != bool(password_file):
        raise SystemExit("LEDGER_SMTP_USER and LEDGER_SMTP_PASSWORD_FILE: set both or none")
    if "@" not in value["LEDGER_SMTP_FROM"]:
        raise SystemExit("LEDGER_SMTP_FROM: expected the address of the sender, such as ledger@example.org")
    return MailServer(
        host=value["LEDGER_SMTP_HOST"],
        port=int(port),
        security=security,
        ca_file=value["LEDGER_SMTP_CA_FILE"],
        user=user,
        password_file=Path(password_file) if password_file else None,
        sender=value["LEDGER_SMTP_FROM"],
    )
