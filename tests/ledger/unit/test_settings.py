"""The LEDGER_* variables."""

import re
from pathlib import Path

import pytest

from ledger.settings import DEFAULTS, Settings

ROOT = Path(__file__).parents[3]


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.from_environment({"LEDGER_THREADS": ""}) == Settings.from_environment({})


def test_what_is_set_is_used() -> None:
    assert Settings.from_environment({"LEDGER_DB_HOST": "other", "LEDGER_DB_PORT": "3307"}).db_port == 3307


@pytest.mark.parametrize("value", ["many", "0", "-1"])
def test_an_invalid_number_is_named(value: str) -> None:
    with pytest.raises(SystemExit, match=f"LEDGER_WORKERS='{value}'"):
        Settings.from_environment({"LEDGER_WORKERS": value})


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_every_variable_is_documented(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "stack.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "meant"),
    [("", "none"), ("1", "all"), ("TRUE", "all"), ("administrators", "administrators"), ("0", "none")],
)
def test_the_second_factor_is_required_by_a_word(given: str, meant: str) -> None:
    assert Settings.from_environment({"LEDGER_REQUIRE_TOTP": given}).require_totp == meant


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"LEDGER_REQUIRE_TOTP": "some"}, "LEDGER_REQUIRE_TOTP='some': expected one of administrators, all, none"),
        ({"LEDGER_OIDC_ISSUER": "http://id.example"}, "expected an address that begins with https://"),
        ({"LEDGER_OIDC_ISSUER": "https://id.example?x"}, "expected an address that begins with https://"),
        ({"LEDGER_OIDC_ISSUER": "https://[::1"}, "expected an address that begins with https://"),
        ({"LEDGER_OIDC_ISSUER": "https://id.example", "LEDGER_OIDC_ACCOUNT": "name"}, "expected one of linked, email"),
        ({"LEDGER_OIDC_ISSUER": "https://id.example", "LEDGER_OIDC_CREATE": "yes"}, "LEDGER_OIDC_CREATE needs"),
        ({"LEDGER_OIDC_ISSUER": "https://id.example", "LEDGER_OIDC_ONLY": "maybe"}, "expected yes or no"),
        ({"LEDGER_OIDC_ONLY": "yes"}, "nobody could log in"),
    ],
)
def test_a_setting_that_cannot_be_meant_stops_the_start(changed: dict[str, str], told: str) -> None:
    with pytest.raises(SystemExit, match=re.escape(told)):
        Settings.from_environment(changed)


@pytest.mark.parametrize(
    "issuer", ["https://id.example/realms/x", "http://127.0.0.1:8081", "http://[::1]", "http://localhost"]
)
def test_an_issuer_is_https_or_this_machine(issuer: str) -> None:
    oidc = Settings.from_environment({"LEDGER_OIDC_ISSUER": issuer}).oidc

    assert oidc is not None
    assert oidc.issuer == issuer
