"""Messages to a real SMTP server: with STARTTLS, with TLS from the first byte, with a login, and refused."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.ledger.mariadb.notifications.conftest import Shop
from tests.ledger.mariadb.notifications.receivers import Mailbox, mail_server
from tests.ledger.mariadb.notifications.test_webhooks import outcome

from ledger.notifications import mail
from ledger.notifications.settings import MailServer

# aiosmtpd does not know of the TLS below it.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
Trusted = tuple[Path, ssl.SSLContext]


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "smtp-password"
    file.write_text("of the mail server\n", encoding="utf-8")
    return file


def with_server(shop: Shop, port: int, *, timeout: float = 10, **values: Any) -> Shop:
    """Return the ledger with an SMTP server."""
    server = MailServer("localhost", port, "starttls", "", "", None, "ledger@example.org")
    server = replace(server, **values)
    return replace(shop, settings=replace(shop.settings, mail_server=server, timeout=timeout))


@contextmanager
def serving(
    shop: Shop, security: str, trusted: Trusted, password: Path | None = None
) -> Iterator[tuple[Shop, Mailbox]]:
    """Run an SMTP server, and yield a ledger that uses it, and its mailbox."""
    given = password.read_text(encoding="utf-8").strip() if password else ""
    with mail_server(security, trusted[1], password=given) as (box, port):
        login: dict[str, Any] = {"user": "ledger", "password_file": password} if password else {}
        yield with_server(shop, port, security=security, ca_file=str(trusted[0]), **login), box


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_breach_arrives_as_a_mail_encrypted_and_after_a_login(
    shop: Shop, trusted: Trusted, password: Path, security: str
) -> None:
    with serving(shop, security, trusted, password) as (ledger, box):
        ledger.add_channel("ops@example.org", kind="email")
        ledger.prove(web="open")
        ledger.send()
        ledger.send()

    assert outcome(ledger).sent, outcome(ledger)
    (message,) = box.messages()
    assert "shop: became a breach" == message["Subject"]
    assert ["ops@example.org"] == box.envelopes[0].rcpt_tos
    assert "ledger@example.org" == box.envelopes[0].mail_from
    assert box.sessions[0].ssl is not None or security == "tls"
    assert box.sessions[0].authenticated
    text = message.get_content()
    assert "web -> db 3306/tcp" in text
    assert "https://ledger.example/projects/shop" in text
    assert "auto-generated" == message["Auto-Submitted"]


def test_a_server_without_encryption_or_login_is_used_when_the_operator_says_so(shop: Shop, trusted: Trusted) -> None:
    with serving(shop, "none", trusted) as (ledger, box):
        ledger.add_channel("ops@example.org", kind="email")
        ledger.send_test()
        ledger.send()

    assert "shop: test message" == box.messages()[0]["Subject"]


def test_nothing_is_sent_in_clear_to_a_server_that_does_not_offer_starttls(shop: Shop, trusted: Trusted) -> None:
    with mail_server("none", trusted[1]) as (box, port):
        ledger = with_server(shop, port, ca_file=str(trusted[0]))
        ledger.add_channel("ops@example.org", kind="email")
        ledger.prove(web="open")
        ledger.send()

    assert [] == box.envelopes
    assert "does not offer" in outcome(ledger).error


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_is_not_trusted_gets_no_password(
    shop: Shop, trusted: Trusted, password: Path, security: str
) -> None:
    with serving(shop, security, trusted, password) as (ledger, box):
        assert ledger.settings.mail_server
        untrusting = replace(ledger.settings.mail_server, ca_file="")
        ledger.add_channel("ops@example.org", kind="email")
        ledger.prove(web="open")
        replace(ledger, settings=replace(ledger.settings, mail_server=untrusting)).send()

    assert [] == box.envelopes
    assert "the certificate is not valid" in outcome(ledger).error


def test_a_wrong_password_and_a_refused_message_are_told_and_repeated(
    shop: Shop, trusted: Trusted, password: Path
) -> None:
    with serving(shop, "starttls", trusted, password) as (ledger, box):
        ledger.add_channel("ops@example.org", kind="email")
        ledger.prove(web="open")
        password.write_text("wrong", encoding="utf-8")
        ledger.send()
        assert "the SMTP server refused the login (535)." == outcome(ledger).error
        password.write_text("of the mail server", encoding="utf-8")
        box.refusal = "451 the mailbox of ops@example.org is full"
        ledger.pass_time(seconds=15)
        ledger.send()
        assert "the SMTP server answered 451." == outcome(ledger).error
        box.refusal = ""
        ledger.pass_time(seconds=60)
        ledger.send()

    assert outcome(ledger).sent
    assert 1 == len(box.messages())


def test_a_server_that_greets_nobody_is_left_in_time(shop: Shop) -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                while not stop.wait(0.1):
                    try:
                        connection.sendall(b"2")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        ledger = with_server(shop, listening.getsockname()[1], timeout=1)
        ledger.add_channel("ops@example.org", kind="email")
        ledger.prove(web="open")
        begun = time.monotonic()
        ledger.send()
        taken = time.monotonic() - begun
        stop.set()
        thread.join()

    assert "no answer in time." == outcome(ledger).error
    assert taken < 4


def test_without_a_server_the_channel_says_so(shop: Shop) -> None:
    shop.add_channel("ops@example.org", kind="email")
    shop.prove(web="open")
    shop.send()

    assert "LEDGER_SMTP_HOST" in outcome(shop).error


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ops",
        "ops@",
        "@example.org",
        "a@b.org, c@d.org",
        "Ops <ops@example.org>",
        "ops@example.org\r\nBcc: all@example.org",
        "öps@example.org",
        "a" * 250 + "@b.org",
    ],
)
def test_what_is_not_one_mailbox_is_no_channel(given: str) -> None:
    assert not mail.is_address(given)
    assert mail.is_address("ops+ledger@mail.example.org")
