"""The settings: a table of the LEDGER_* variables and their defaults, and the frozen values."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from ledger import oidc_settings, public_address
from ledger.oidc_settings import OidcSettings

N = TypeVar("N", int, float)

DEFAULTS: Final[Mapping[str, str]] = {
    "LEDGER_DB_HOST": "db",
    "LEDGER_DB_PORT": "3306",
    "LEDGER_DB_NAME": "ledger",
    "LEDGER_DB_USER": "ledger",
    "LEDGER_DB_PASSWORD_FILE": "/run/ledger/db_password",
    "LEDGER_KEY_FILE": "/var/lib/ledger/keys",  # of stored secrets; created at the first start: ledger.encryption
    "LEDGER_DB_TIMEOUT": "5",  # seconds for one response of the database
    "LEDGER_READY_PATIENCE": "1.5",  # seconds that /readyz waits for the database before it answers 503
    "LEDGER_START_PATIENCE": "120",  # seconds to wait for the database at the start, before the container exits
    "LEDGER_WORKERS": "2",  # processes
    "LEDGER_THREADS": "16",  # threads of each process
    "LEDGER_BIND": "0.0.0.0:5000",
    "LEDGER_PUBLIC_URL": "",  # such as https://ledger.example; without it, the address of each request
    "LEDGER_PROOFS_PER_DAY": "20000",  # of one token; one every five seconds
    "LEDGER_CHANGES_PER_DAY": "250000",  # connections that the proofs of one token may change; about 100 MB
    "LEDGER_REQUIRE_TOTP": "none",  # who must have a second factor: none, administrators or all
    "LEDGER_PROOF_LIMIT": "33554432",  # bytes of one proof, uncompressed; one of sixty services has 7.5 million
    **oidc_settings.DEFAULTS,
}

REQUIRE_TOTP: Final[Mapping[str, str]] = {
    "none": "none",
    "administrators": "administrators",
    "all": "all",
    **dict.fromkeys(("0", "no", "false", "off"), "none"),
    **dict.fromkeys(("1", "yes", "true", "on"), "all"),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of the LEDGER_* variables; time-outs in seconds."""

    db_host: str
    db_port: int
    db_name: str
    db_user: str
    db_password_file: Path
    key_file: Path
    db_timeout: int
    ready_timeout: float
    start_timeout: float
    workers: int
    threads: int
    bind: str
    public_url: str
    require_totp: str
    proof_limit: int
    proofs_per_day: int
    changes_per_day: int
    oidc: OidcSettings | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Return the settings of the environment; an empty variable counts as unset."""
        value = {name: environment.get(name) or default for name, default in DEFAULTS.items()}
        return cls(
            db_host=value["LEDGER_DB_HOST"],
            db_port=_number("LEDGER_DB_PORT", value, int),
            db_name=value["LEDGER_DB_NAME"],
            db_user=value["LEDGER_DB_USER"],
            db_password_file=Path(value["LEDGER_DB_PASSWORD_FILE"]),
            key_file=Path(value["LEDGER_KEY_FILE"]),
            db_timeout=_number("LEDGER_DB_TIMEOUT", value, int),
            ready_timeout=_number("LEDGER_READY_PATIENCE", value, float),
            start_timeout=_number("LEDGER_START_PATIENCE", value, float),
            workers=_number("LEDGER_WORKERS", value, int),
            threads=_number("LEDGER_THREADS", value, int),
            bind=value["LEDGER_BIND"],
            public_url=public_address.checked(value["LEDGER_PUBLIC_URL"]),
            require_totp=_choice("LEDGER_REQUIRE_TOTP", value, REQUIRE_TOTP),
            proof_limit=_number("LEDGER_PROOF_LIMIT", value, int),
            proofs_per_day=_number("LEDGER_PROOFS_PER_DAY", value, int),
            changes_per_day=_number("LEDGER_CHANGES_PER_DAY", value, int),
            oidc=OidcSettings.from_values(value),
        )


def _choice(name: str, value: Mapping[str, str], choices: Mapping[str, str]) -> str:
    found = choices.get(value[name].strip().lower())
    if found is None:
        raise SystemExit(f"{name}={value[name]!r}: expected one of {', '.join(sorted(set(choices.values())))}")
    return found


def _number(name: str, value: Mapping[str, str], kind: type[N]) -> N:
    try:
        number = kind(value[name])
    except ValueError:
        number = kind(0)
    if number <= 0:
        raise SystemExit(f"{name}={value[name]!r}: expected a number above 0")
    return number
