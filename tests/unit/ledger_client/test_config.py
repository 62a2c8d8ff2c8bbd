"""Valid addresses and tokens, and the secrecy of the token."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloison.errors import UsageError
from cloison.ledger_client.config import TOKEN_VARIABLE, ledger

SECRET = "clo_abcDEF-._~+/=="

TAKEN = {
    "https://ledger.example": "https://ledger.example",
    "https://Ledger.Example:8443/": "https://ledger.example:8443",
    "http://[::1]:8080/behind/a/proxy/": "http://[::1]:8080/behind/a/proxy",
}
NOT_TAKEN = {
    "": "is not the address of a ledger",
    "ledger.example": "is not the address of a ledger",
    "ftp://ledger.example": "is not the address of a ledger",
    "https://": "is not the address of a ledger",
    "https://ledger.example:0": "is not the address of a ledger",
    "https://ledger.example:99999": "the address is not valid",
    "https://[::1": "the address is not valid",
    "https://ledger.example/\x07": "is not the address of a ledger",
    "https://me:secret@ledger.example": "the address contains a user name or a password",
    "https://ledger.example/?project=1": "remove the part from ? or # on",
    "https://ledger.example/#top": "remove the part from ? or # on",
}
NO_TOKENS = ["two words", "two\nlines", "naïve", "=", "clo_\x00"]


@pytest.mark.parametrize(("address", "url"), TAKEN.items())
def test_an_address_is_taken(address: str, url: str) -> None:
    assert url == ledger(address, None, {TOKEN_VARIABLE: SECRET}).url


@pytest.mark.parametrize(("address", "sentence"), NOT_TAKEN.items())
def test_what_is_no_address_is_told(address: str, sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        ledger(address, None, {TOKEN_VARIABLE: SECRET})

    assert sentence in str(raised.value)
    assert "secret" not in str(raised.value)


def test_the_token_leaves_the_environment_and_is_not_shown() -> None:
    environment = {TOKEN_VARIABLE: f"{SECRET}\n", "HOME": "/"}

    there = ledger("https://ledger.example", None, environment)

    assert SECRET == there.token
    assert {"HOME": "/"} == environment
    assert SECRET not in repr(there)


def test_a_file_comes_before_the_environment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{SECRET}\n")

    there = ledger("https://ledger.example", tmp_path / "token", {TOKEN_VARIABLE: "clo_other"})

    assert (SECRET, f"the token in {tmp_path / 'token'}") == (there.token, there.token_source)


@pytest.mark.parametrize("token", NO_TOKENS)
def test_what_is_no_token_is_told_and_not_shown(token: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(token)

    for file, environment in ((None, {TOKEN_VARIABLE: token}), (tmp_path / "token", {})):
        with pytest.raises(UsageError) as raised:
            ledger("https://ledger.example", file, environment)
        assert "a token is one word" in str(raised.value)
        assert token not in str(raised.value)


def test_another_file_is_not_sent_anywhere(tmp_path: Path) -> None:
    (tmp_path / "core").write_bytes(b"a" * 5000)

    with pytest.raises(UsageError, match="a token is one word"):
        ledger("https://ledger.example", tmp_path / "core", {})


def test_a_missing_token_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--ledger needs a token of the project: set CLOISON_LEDGER_TOKEN"):
        ledger("https://ledger.example", None, {})
    with pytest.raises(UsageError, match=r"--ledger-token-file .*/none cannot be read: No such file"):
        ledger("https://ledger.example", tmp_path / "none", {})


def test_authorities_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\n")

    for name, sentence in (("none", "cannot be read: No such file"), ("key.pem", "has no certificate in PEM")):
        with pytest.raises(UsageError, match=f"--ledger-ca {tmp_path / name} {sentence}"):
            ledger("https://ledger.example", None, {TOKEN_VARIABLE: SECRET}, ca_file=tmp_path / name)


@pytest.mark.parametrize(
    ("address", "warned"),
    [
        ("http://127.0.0.1:8080", ""),
        ("http://127.1.2.3", ""),
        ("http://[::1]:8080", ""),
        ("http://localhost:8080", ""),
        ("http://ledger.localhost", ""),
        ("https://ledger.example", ""),
        ("http://ledger.example", "is not encrypted"),
        ("http://192.0.2.1", "is not encrypted"),
        ("http://localhost.example", "is not encrypted"),
    ],
)
def test_what_leaves_the_machine_in_the_open_is_warned_of(address: str, warned: str) -> None:
    warning = ledger(address, None, {TOKEN_VARIABLE: SECRET}).warning

    assert warned in warning
    assert bool(warned) == bool(warning)
