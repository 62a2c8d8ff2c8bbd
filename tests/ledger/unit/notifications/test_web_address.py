"""Which addresses a webhook may have, and which hosts it may reach."""

from ipaddress import ip_address, ip_network

import pytest

from ledger.notifications import web_address
from ledger.notifications.settings import NotifierSettings


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ftp://example.org/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://user:secret@example.org/",
        "https://example.org/a b",
        "https://example.org/a\r\nHost: db",
        "https://example.org:99999/",
        "https://example.org:0/",
        "https://[::1/",
        "https://exämple.org/",
        "https://example.org/" + "x" * 2000,
    ],
)
def test_what_is_no_address_of_a_webhook_is_refused(given: str) -> None:
    with pytest.raises(web_address.WebAddressError) as caught:
        web_address.parse(given)

    assert "secret" not in str(caught.value)


def test_an_address_is_shown_without_its_secret() -> None:
    assert "https://hooks.example.org:8443/…" == web_address.shown("https://hooks.example.org:8443/T0/B0/secret?key=1")
    assert "…" == web_address.shown("no address")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.17.0.1",
        "192.168.1.1",
        "169.254.169.254",  # metadata of a cloud
        "100.64.0.1",
        "198.18.0.2",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",  # 127.0.0.1 behind NAT64
        "2002:7f00:1::",  # 127.0.0.1 in 6to4
    ],
)
def test_a_private_address_is_refused_unless_its_network_is_allowed(address: str) -> None:
    found = ip_address(address)

    assert not web_address.is_allowed(found, ())
    assert not web_address.is_allowed(found, [ip_network("203.0.113.0/24")])


def test_a_public_address_and_an_allowed_network_are_reached() -> None:
    assert web_address.is_allowed(ip_address("1.1.1.1"), ())
    assert web_address.is_allowed(ip_address("2606:4700::1111"), ())
    assert web_address.is_allowed(ip_address("::ffff:1.1.1.1"), ())
    assert web_address.is_allowed(ip_address("192.168.1.20"), [ip_network("192.168.1.20/32")])
    assert web_address.is_allowed(ip_address("::ffff:192.168.1.20"), [ip_network("192.168.1.20/32")])
    assert not web_address.is_allowed(ip_address("192.168.1.21"), [ip_network("192.168.1.20/32")])


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "localhost"])
def test_every_spelling_of_an_address_is_resolved_before_it_is_checked(host: str) -> None:
    with pytest.raises(web_address.WebAddressError, match="private address"):
        web_address.allowed_addresses(host, 80, ())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::ffff:127.0.0.1"])
def test_the_database_is_never_reached_however_wide_the_allowed_networks_are(host: str) -> None:
    everything = [ip_network("0.0.0.0/0"), ip_network("::/0")]
    assert web_address.allowed_addresses(host, 80, everything, database_host="127.0.0.2")

    with pytest.raises(web_address.WebAddressError, match="database"):
        web_address.allowed_addresses(host, 80, everything, database_host="127.0.0.1")


def test_a_name_without_an_address_is_told() -> None:
    with pytest.raises(web_address.WebAddressError, match="no address"):
        web_address.allowed_addresses("nowhere.invalid", 80, ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEDGER_PUBLIC_URL", "ledger.example"),
        ("LEDGER_NOTIFY_NETWORKS", "192.168.1.7/24"),
        ("LEDGER_NOTIFY_TIMEOUT", "0"),
        ("LEDGER_NOTIFY_TIMEOUT", "soon"),
        ("LEDGER_SMTP_SECURITY", "ssl3"),
        ("LEDGER_SMTP_PORT", "0"),
        ("LEDGER_SMTP_FROM", "ledger"),
        ("LEDGER_SMTP_USER", "without-a-password"),
    ],
)
def test_a_setting_that_cannot_be_meant_stops_the_notifier(name: str, value: str) -> None:
    given = {"LEDGER_SMTP_HOST": "mail", "LEDGER_SMTP_FROM": "ledger@example.org", name: value}

    with pytest.raises(SystemExit, match=name):
        NotifierSettings.from_environment(given)


def test_a_password_is_not_sent_in_clear() -> None:
    given = {
        "LEDGER_SMTP_HOST": "mail",
        "LEDGER_SMTP_FROM": "ledger@example.org",
        "LEDGER_SMTP_SECURITY": "none",
        "LEDGER_SMTP_USER": "ledger",
        "LEDGER_SMTP_PASSWORD_FILE": "/run/secrets/smtp",
    }

    with pytest.raises(SystemExit, match="encryption"):
        NotifierSettings.from_environment(given)
