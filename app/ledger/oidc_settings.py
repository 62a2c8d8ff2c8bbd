"""The settings of the login with an OpenID provider: the LEDGER_OIDC_* variables."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

DEFAULTS: Final[Mapping[str, str]] = {
    "LEDGER_OIDC_ISSUER": "",  # the address of the provider; without it, users log in with passwords alone
    "LEDGER_OIDC_CLIENT_ID": "cloison",
    "LEDGER_OIDC_CLIENT_SECRET_FILE": "",  # without it, this ledger is a public client; PKCE is used in any case
    "LEDGER_OIDC_NAME": "single sign-on",  # what the login page calls the provider
    "LEDGER_OIDC_SCOPES": "openid email profile",
    "LEDGER_OIDC_ACCOUNT": "linked",  # how an identity that is not linked finds its account: a row of ACCOUNT_RULES
    "LEDGER_OIDC_CREATE": "no",  # whether a user without an account gets one, which reads nothing yet
    "LEDGER_OIDC_ONLY": "no",  # whether this is the only login
    "LEDGER_OIDC_PROXY": "",  # an HTTP proxy for requests to the provider: compose.oidc.yml
    "LEDGER_OIDC_CA_FILE": "",  # certificates of a CA of one's own, in PEM
    "LEDGER_OIDC_HOSTS": "",  # further hosts that the egress proxy connects to, separated by blanks
}
ACCOUNT_RULES: Final = ("linked", "email", "preferred_username")
SWITCH: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("1", "yes", "true", "on"), True),
    **dict.fromkeys(("0", "no", "false", "off"), False),
}


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """A provider, and how its users find their accounts."""

    issuer: str
    client_id: str
    client_secret_file: Path | None
    name: str
    scopes: str
    account_rule: str
    creates_accounts: bool
    is_only_login: bool
    proxy: str
    ca_file: str
    hosts: tuple[str, ...]

    @classmethod
    def from_values(cls, value: Mapping[str, str]) -> "OidcSettings | None":
        """Return the settings, or None without a provider; SystemExit for a value that is not valid."""
        if not value["LEDGER_OIDC_ISSUER"]:
            if _switch("LEDGER_OIDC_ONLY", value):
                raise SystemExit("LEDGER_OIDC_ONLY is set, but not LEDGER_OIDC_ISSUER: nobody could log in")
            return None
        rule, secret_file = value["LEDGER_OIDC_ACCOUNT"], value["LEDGER_OIDC_CLIENT_SECRET_FILE"]
        if rule not in ACCOUNT_RULES:
            raise SystemExit(f"LEDGER_OIDC_ACCOUNT={rule!r}: expected one of {', '.join(ACCOUNT_RULES)}")
        creates_accounts = _switch("LEDGER_OIDC_CREATE", value)
        if creates_accounts and rule == "linked":
            raise SystemExit("LEDGER_OIDC_CREATE needs LEDGER_OIDC_ACCOUNT=email or preferred_username, for the name")
        return cls(
            issuer=_issuer(value["LEDGER_OIDC_ISSUER"]),
            client_id=value["LEDGER_OIDC_CLIENT_ID"],
            client_secret_file=Path(secret_file) if secret_file else None,
            name=value["LEDGER_OIDC_NAME"],
            scopes=value["LEDGER_OIDC_SCOPES"],
            account_rule=rule,
            creates_accounts=creates_accounts,
            is_only_login=_switch("LEDGER_OIDC_ONLY", value),
            proxy=value["LEDGER_OIDC_PROXY"],
            ca_file=value["LEDGER_OIDC_CA_FILE"],
            hosts=(urlsplit(value["LEDGER_OIDC_ISSUER"]).hostname or "", *value["LEDGER_OIDC_HOSTS"].split()),
        )


def is_safe_address(address: str) -> bool:
    """Return whether an address is HTTPS, or HTTP on this machine, so that nobody can read or change the answers."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))
    )


def _is_loopback(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def _issuer(address: str) -> str:
    if not is_safe_address(address) or "?" in address or "#" in address:
        raise SystemExit(f"LEDGER_OIDC_ISSUER={address!r}: expected an address that begins with https://")
    return address


def _switch(name: str, value: Mapping[str, str]) -> bool:
    found = SWITCH.get(value[name].strip().lower())
    if found is None:
        raise SystemExit(f"{name}={value[name]!r}: expected yes or no")
    return found
