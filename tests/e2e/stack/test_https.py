"""HTTPS by the stack's own proxy: cookies, other names, and what comes in clear."""

from __future__ import annotations

import http.client
import re
import secrets
import socket
import ssl
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stack.conftest import Answer, Stack, run, with_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.stack

NAME = "ledger.test"
HTTPS_PORT = "18125"
URL = f"https://{NAME}:{HTTPS_PORT}"
HSTS = "Strict-Transport-Security"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate authority, and a certificate for NAME in the folder `live`."""
    folder = tmp_path_factory.mktemp("tls")
    (folder / "live").mkdir()
    folder.chmod(0o755)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    ca = ["-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem", "-subj", "/CN=tests", "-days", "1"]
    leaf = ["-keyout", f"{folder}/live/privkey.pem", "-out", f"{folder}/live/fullchain.pem", "-days", "1"]
    signed = ["-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-addext", f"subjectAltName=DNS:{NAME}"]
    run("openssl", "req", "-x509", *key, *ca)
    run("openssl", "req", "-x509", *key, *leaf, *signed, "-subj", "/", "-addext", "basicConstraints=critical,CA:FALSE")
    (folder / "live/privkey.pem").chmod(0o644)
    return folder


@pytest.fixture(scope="module")
def tls(session_stack: Stack, authority: Path) -> Iterator[Stack]:
    """Have the stack with HTTPS of its own."""
    yield from with_settings(
        session_stack,
        COMPOSE_FILE=session_stack.environment["COMPOSE_FILE"] + ":compose.tls.yml",
        CLOISON_PUBLIC_URL=URL,
        CLOISON_HTTPS_PORT=HTTPS_PORT,
        CLOISON_TLS_DIRECTORY=str(authority / "live"),
    )


def over_tls(authority: Path, path: str, host: str = NAME, method: str = "GET") -> Answer:
    """Ask over HTTPS, with a client that trusts the authority of the tests alone."""
    context = ssl.create_default_context(cafile=str(authority / "ca.pem"))
    connection = http.client.HTTPSConnection(NAME, int(HTTPS_PORT), timeout=20, context=context)
    line = socket.create_connection(("127.0.0.1", int(HTTPS_PORT)), 20)
    connection.sock = context.wrap_socket(line, server_hostname=NAME)
    try:
        connection.request(method, path, headers={"Host": host, "Connection": "close"})
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
    finally:
        connection.close()


def test_cookies_are_secure_and_of_this_host(tls: Stack, authority: Path) -> None:
    answer = over_tls(authority, "/login", f"{NAME}:{HTTPS_PORT}")
    cookie = answer.headers["Set-Cookie"]

    assert answer.status == 200
    assert re.fullmatch(r"__Host-cloison_visitor=\S+; Secure; HttpOnly; Path=/; SameSite=Lax", cookie)
    assert answer.headers[HSTS] == "max-age=31536000"
    assert "plain HTTP" not in answer.text
    assert tls.get("/login", Host="localhost").headers.keys() & {HSTS} == set()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_page_in_clear_leads_to_https(tls: Stack, method: str) -> None:
    answer = tls.ask(method, "/projects/shop?at=1", None, Host=f"{NAME}:8080")

    assert (answer.status, answer.headers["Location"]) == (308, f"{URL}/projects/shop?at=1")


@pytest.mark.parametrize("path", ["/login", "/api/v1/proofs"])
def test_a_password_or_a_token_in_clear_is_refused(tls: Stack, path: str) -> None:
    answer = tls.ask("POST", path, b"name=a", Host=NAME, Authorization="Bearer clo_x")

    assert answer.status == 403
    assert "came over plain HTTP" in answer.text


def test_the_machine_itself_may_use_the_published_port(tls: Stack) -> None:
    for name in ("localhost", "127.0.0.1:8080", "[::1]"):
        assert tls.get("/login", Host=name).status == 200


def test_another_name_is_refused(tls: Stack, authority: Path) -> None:
    for name in ("evil.example", f"{NAME}.evil.example", f"x{NAME}", "ledgerxtest", "198.51.100.1"):
        assert over_tls(authority, "/login", name).status == 421
        refused = tls.get("/api/v1/proofs", Host=name)

        assert refused.status == refused.document["error"]["status"] == 421
    assert tls.get("/readyz", Host="198.51.100.1").status == 200


@pytest.mark.usefixtures("tls")
def test_only_a_client_that_knows_the_authority_connects() -> None:
    address = ("127.0.0.1", int(HTTPS_PORT))
    with socket.create_connection(address, 20) as line, pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(line, server_hostname=NAME)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("tls")
def test_old_versions_of_tls_are_not_spoken() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", int(HTTPS_PORT)), 20) as line, pytest.raises(ssl.SSLError):
        context.wrap_socket(line, server_hostname=NAME)


@pytest.fixture
def public(tls: Stack) -> Iterator[Stack]:
    """Have the application with the public URL, too."""
    tls.compose("up", "-d", "--wait", "--no-deps", "app")
    yield tls
    tls.environment["CLOISON_PUBLIC_URL"] = ""
    tls.compose("up", "-d", "--wait", "--no-deps", "app")
    tls.environment["CLOISON_PUBLIC_URL"] = URL


def test_feeds_have_the_public_address(public: Stack) -> None:
    name = f"linked-{secrets.token_hex(4)}"
    public.ledger("add-project", name)
    sent = public.get(public.ledger("feed", name), Host="localhost:8080").text

    assert f'href="{URL}/projects/{name}"' in sent
    assert "localhost" not in sent
