"""Whether a page warns that a password would cross a network in clear."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask.testing import FlaskClient

WARNING = "This page came over plain HTTP"


@pytest.mark.parametrize(
    ("scheme", "host", "warned"),
    [
        ("http", "localhost:8080", False),
        ("http", "127.0.0.1:8080", False),
        ("http", "127.1.2.3", False),
        ("http", "[::1]:8080", False),
        ("http", "ledger.localhost", False),
        ("https", "ledger.example.org", False),
        ("http", "ledger.example.org", True),
        ("http", "192.0.2.7:8080", True),
        ("http", "localhost.example.org", True),
        ("http", "[2001:db8::1]:8080", True),
    ],
)
def test_the_login_page_warns_where_a_password_crosses_a_network(
    client: "FlaskClient", scheme: str, host: str, *, warned: bool
) -> None:
    text = client.get("/login", headers={"Host": host, "X-Forwarded-Proto": scheme}).text

    assert (WARNING in text) == warned


@pytest.mark.parametrize(("host", "shown"), [("Ledger.example.org", "ledger.example.org"), ("[2001:db8::1]", "HOST")])
def test_it_names_the_command_that_gives_https(client: "FlaskClient", host: str, shown: str) -> None:
    text = client.get("/login", headers={"Host": host}).text

    assert f"CLOISON_PUBLIC_URL=https://{shown}:8443 make up" in text
