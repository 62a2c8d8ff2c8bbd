"""ID tokens that a provider must not make: each is refused, by a provider that the test makes lie."""

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from ledger.accounts.oidc import FlowSecrets, Identity, Provider, ProviderError, ProviderUnavailableError
from ledger.oidc_settings import DEFAULTS, OidcSettings

FLOW = FlowSecrets.of_browser("the browser's secret")
KEYS = {name: RSAKey.generate_key(2048, {"kid": name}) for name in ("first", "second", "stolen")}
CALLBACK = "http://localhost/callback"


class LyingProvider(ThreadingHTTPServer):
    """Answers what a test sets: its metadata, its keys, an ID token, and what it says about a user."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = f"http://127.0.0.1:{self.server_address[1]}"
        endpoints = {"authorization_endpoint": "auth", "token_endpoint": "token", "jwks_uri": "jwks"}
        self.metadata: Any = {
            "issuer": self.issuer,
            **{name: f"{self.issuer}/{path}" for name, path in endpoints.items()},
            "userinfo_endpoint": f"{self.issuer}/userinfo",
        }
        self.keys = ["first"]
        self.id_token = ""
        self.user_info: dict[str, Any] = {}

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Return right claims, with changes; None leaves one out."""
        now = int(time.time())
        right = {"iss": self.issuer, "sub": "r1", "aud": "cloison", "iat": now, "exp": now + 60, "nonce": FLOW.nonce}
        return {name: value for name, value in (right | {"email": "r@x"} | changed).items() if value is not None}

    def sign(self, key: str = "first", **changed: Any) -> str:
        """Return an ID token."""
        return jwt.encode({"alg": "RS256", "kid": key}, self.claims(**changed), KEYS[key])


class _Handler(BaseHTTPRequestHandler):
    server: LyingProvider

    def do_GET(self) -> None:
        """Answer for metadata, keys, and a user."""
        keys = {"keys": [KEYS[name].as_dict(private=False) for name in self.server.keys]}
        known = {"/jwks": keys, "/userinfo": self.server.user_info}
        self.answer(known.get(self.path, self.server.metadata))

    def do_POST(self) -> None:
        """Answer for a token."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({"access_token": "a", "token_type": "Bearer", "id_token": self.server.id_token})

    def answer(self, content: Any) -> None:
        """Send JSON."""
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def lying() -> Iterator[LyingProvider]:
    with LyingProvider() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def identity(lying: LyingProvider) -> Callable[[], Identity]:
    """Log in at the provider."""
    settings = OidcSettings.from_values({**DEFAULTS, "LEDGER_OIDC_ISSUER": lying.issuer})
    assert settings is not None
    provider = Provider(settings)
    return lambda: provider.identity("code", FLOW, CALLBACK)


def test_a_right_token_is_an_identity(lying: LyingProvider, identity: Callable[[], Identity]) -> None:
    lying.id_token = lying.sign(email_verified=True, preferred_username="rita")

    assert identity() == Identity(lying.issuer, "r1", "r@x", is_email_verified=True, preferred_username="rita")


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "somebody else"},
        {"aud": None},
        {"aud": ["cloison", "other"], "azp": "other"},
        {"exp": 1},
        {"exp": None},
        {"iat": None},
        {"nbf": 9_999_999_999},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"at_hash": "of-another-token"},
    ],
    ids=str,
)
def test_a_claim_that_is_wrong_is_refused(
    lying: LyingProvider, identity: Callable[[], Identity], changed: dict[str, Any]
) -> None:
    lying.id_token = lying.sign(**changed)

    with pytest.raises(ProviderError, match="The answer of the login provider is not valid"):
        identity()


def signed_with(password: bytes, head: dict[str, str], claims: dict[str, Any]) -> str:
    """Return a token with an HMAC of a password, as a library makes it that does not look at the kind of the key."""

    def encoded(part: bytes) -> str:
        return base64.urlsafe_b64encode(part).rstrip(b"=").decode()

    text = f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(claims).encode())}"
    return f"{text}.{encoded(hmac.digest(password, text.encode(), 'sha256'))}"


def test_a_signature_that_is_not_the_provider_s_is_refused(
    lying: LyingProvider, identity: Callable[[], Identity]
) -> None:
    public = KEYS["first"].as_pem(private=False)
    head, claims, signature = lying.sign().split(".")
    forged = {
        "with a stolen name": jwt.encode({"alg": "RS256", "kid": "first"}, lying.claims(), KEYS["stolen"]),
        "with the public key as a password": signed_with(public, {"alg": "HS256", "kid": "first"}, lying.claims()),
        "with none": signed_with(b"", {"alg": "none"}, lying.claims()).rpartition(".")[0] + ".",
        "with the signature of another": f"{head}.{claims[:-4]}AAAA.{signature}",
        "without one": f"{head}.{claims}.",
        "no token": "x",
        "nothing": "",
    }
    refused = {}
    for name, token in forged.items():
        lying.id_token = token
        with pytest.raises(ProviderError) as error:
            identity()
        refused[name] = str(error.value).partition(" (")[0]

    assert refused == dict.fromkeys(forged, "The answer of the login provider is not valid")


def test_a_new_key_of_the_provider_is_read(lying: LyingProvider, identity: Callable[[], Identity]) -> None:
    lying.id_token = lying.sign()
    identity()
    lying.keys, lying.id_token = ["second"], lying.sign("second")

    assert identity().subject == "r1"


@pytest.mark.parametrize("address", ["http://192.0.2.1/x", "ftp://127.0.0.1/x", "", None, 7])
def test_an_endpoint_that_is_not_encrypted_is_not_used(
    lying: LyingProvider, identity: Callable[[], Identity], address: Any
) -> None:
    lying.metadata["token_endpoint"] = address

    with pytest.raises(ProviderError, match="no safe token_endpoint"):
        identity()


@pytest.mark.parametrize("answer", [[], "text", 7, None])
def test_metadata_that_is_none_counts_as_away(
    lying: LyingProvider, identity: Callable[[], Identity], answer: Any
) -> None:
    lying.metadata = answer

    with pytest.raises(ProviderUnavailableError):
        identity()


def test_what_is_said_about_another_user_is_not_used(lying: LyingProvider, identity: Callable[[], Identity]) -> None:
    lying.id_token = lying.sign(email=None)
    lying.user_info = {"sub": "somebody else", "email": "ada@example.org", "email_verified": True}
    with pytest.raises(ProviderError, match="about another user"):
        identity()

    lying.user_info["sub"] = "r1"
    assert identity().email == "ada@example.org"


@pytest.mark.parametrize("verified", ["true", 1, "yes", None, False])
def test_only_true_is_verified(lying: LyingProvider, identity: Callable[[], Identity], verified: Any) -> None:
    lying.id_token = lying.sign(email_verified=verified)

    assert not identity().is_email_verified
