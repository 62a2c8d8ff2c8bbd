"""The login at an OpenID provider: the authorization code flow with PKCE.

Rules:
- The browser has a secret in a cookie. State, nonce and code verifier are computed from it, so that an answer that was
  meant for another browser, or another request of this one, does not fit.
- An identity is an issuer and a subject, from an ID token whose signature, issuer, audience, time and nonce are right.
- Every request to the provider has a time-out, follows no redirect, and ignores the environment's proxies. A process
  sends few at a time, so that a slow provider leaves threads for other pages.

https://openid.net/specs/openid-connect-core-1_0.html and https://datatracker.ietf.org/doc/html/rfc9700
"""

import hmac
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from ledger.oidc_settings import OidcSettings, is_safe_address

TIMEOUT: Final = (3.0, 5.0)  # seconds: to connect, and between two bytes of an answer
METADATA_LIFETIME: Final = 600.0  # seconds; providers change their keys in days
LEEWAY: Final = 60  # seconds that the clocks may differ
MAX_SUBJECT: Final = 255  # characters: OpenID Connect Core, 2
CONCURRENT_LOGINS: Final = 4  # of a process
# Signatures that only the provider can make; `none` and HMAC are not among them.
ALGORITHMS: Final = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
]
ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderError(Exception):
    """The provider refused, or its answer is not right; the sentence is for the user."""


class ProviderUnavailableError(ProviderError):
    """The provider does not answer."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A user of the provider: issuer and subject identify him; the rest is what the provider says about him."""

    issuer: str
    subject: str
    email: str
    is_email_verified: bool
    preferred_username: str


@dataclass(frozen=True, slots=True)
class FlowSecrets:
    """What ties an answer of the provider to one browser and one request."""

    state: str
    nonce: str
    code_verifier: str

    @classmethod
    def of_browser(cls, secret: str) -> "FlowSecrets":
        """Return the secrets of a browser's cookie; each has 256 bits and says nothing about the others."""
        names = ("state", "nonce", "code verifier")
        return cls(*(hmac.digest(secret.encode(), name.encode(), "sha256").hex() for name in names))


class Provider:
    """A provider, with its metadata and keys for METADATA_LIFETIME."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(CONCURRENT_LOGINS)
        self._documents: dict[str, tuple[float, dict[str, Any]]] = {}

    def authorization_address(self, flow: FlowSecrets, redirect_uri: str, *, again: bool = False) -> str:
        """Return the address at the provider that the browser is sent to; `again`: the user must log in anew."""
        more = {"prompt": "login", "max_age": "0"} if again else {}
        with self._session(redirect_uri) as session:
            address, _ = session.create_authorization_url(
                self._endpoint(session, "authorization_endpoint"),
                state=flow.state,
                code_verifier=flow.code_verifier,
                nonce=flow.nonce,
                **more,
            )
        return str(address)

    def identity(self, code: str, flow: FlowSecrets, redirect_uri: str, *, since: float | None = None) -> Identity:
        """Exchange a code for an identity; `since`: the user must have logged in at the provider after this time."""
        if not self._slots.acquire(blocking=False):
            raise ProviderUnavailableError("Many people are logging in at this moment. Try again in a few seconds.")
        try:
            with self._session(redirect_uri) as session:
                return self._exchange(session, code, flow, since)
        finally:
            self._slots.release()

    def _exchange(self, session: OAuth2Session, code: str, flow: FlowSecrets, since: float | None) -> Identity:
        try:
            token = session.fetch_token(
                self._endpoint(session, "token_endpoint"),
                grant_type="authorization_code",
                code=code,
                code_verifier=flow.code_verifier,
                timeout=TIMEOUT,
                allow_redirects=False,
            )
        except OAuthError as error:
            raise ProviderError(f"The login provider refused this login ({error.error}). Try again.") from error
        except (OSError, ValueError) as error:  # those of requests among them, and a CA file that cannot be read
            raise _unavailable() from error
        claims = self._claims(session, token, flow)
        if since is not None and not _is_since(claims.get("auth_time"), since):
            raise ProviderError("The login provider did not ask you to log in again, so nothing is confirmed.")
        if not claims.get("email") and "userinfo_endpoint" in self._metadata(session):
            claims = {**self._user_info(session, claims["sub"]), **claims}
        return Identity(
            issuer=self._settings.issuer,
            subject=claims["sub"],
            email=_text(claims.get("email")),
            is_email_verified=claims.get("email_verified") is True,
            preferred_username=_text(claims.get("preferred_username")),
        )

    def _claims(self, session: OAuth2Session, token: Mapping[str, Any], flow: FlowSecrets) -> dict[str, Any]:
        try:
            decoded = self._decoded(session, str(token.get("id_token") or ""))
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": self._settings.issuer},
                    "aud": {"essential": True, "value": self._settings.client_id},
                },
                {"nonce": flow.nonce, "client_id": self._settings.client_id, "access_token": token.get("access_token")},
            )
            claims.validate(leeway=LEEWAY)
        except (JoseError, ValueError) as error:
            raise ProviderError(
                f"The answer of the login provider is not valid ({_reason(error)}). Try again."
            ) from error
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:  # noqa: PLR2004 - OpenID Core, 2
            raise ProviderError("The answer of the login provider is not valid (sub). Try again.")
        return dict(claims)

    def _decoded(self, session: OAuth2Session, id_token: str) -> jwt.Token:
        try:
            return jwt.decode(id_token, self._keys(session), algorithms=ALGORITHMS)
        except (JoseError, ValueError):  # perhaps signed with a key that is newer than the copy
            self._forget("jwks_uri")
            return jwt.decode(id_token, self._keys(session), algorithms=ALGORITHMS)

    def _keys(self, session: OAuth2Session) -> KeySet:
        return KeySet.import_key_set(self._document("jwks_uri", self._endpoint(session, "jwks_uri"), session))  # type: ignore[arg-type]

    def _user_info(self, session: OAuth2Session, subject: str) -> dict[str, Any]:
        found = _read_json(session, self._endpoint(session, "userinfo_endpoint"), sends_token=True)
        if found.get("sub") != subject:  # OpenID Core, 5.3.2
            raise ProviderError("The answer of the login provider is about another user. Try again.")
        return found

    def _endpoint(self, session: OAuth2Session, name: str) -> str:
        address = self._metadata(session).get(name)
        if not isinstance(address, str) or not is_safe_address(address):
            raise ProviderError(f"The login provider has no safe {name}: its address must begin with https://.")
        return address

    def _metadata(self, session: OAuth2Session) -> dict[str, Any]:
        address = self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
        found = self._document("metadata", address, session)
        if found.get("issuer") != self._settings.issuer:
            self._forget("metadata")
            raise ProviderError("The login provider names itself differently than LEDGER_OIDC_ISSUER.")
        return found

    def _document(self, name: str, address: str, session: OAuth2Session) -> dict[str, Any]:
        with self._lock:
            fetched, found = self._documents.get(name, (0.0, {}))
        if found and time.monotonic() - fetched < METADATA_LIFETIME:
            return found
        found = _read_json(session, address)
        with self._lock:
            self._documents[name] = (time.monotonic(), found)
        return found

    def _forget(self, name: str) -> None:
        with self._lock:
            self._documents.pop(name, None)

    def _session(self, redirect_uri: str) -> OAuth2Session:
        secret_file = self._settings.client_secret_file
        session = OAuth2Session(
            self._settings.client_id,
            _read_secret(secret_file) if secret_file else None,
            token_endpoint_auth_method="client_secret_basic" if secret_file else "none",
            scope=self._settings.scopes,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )
        session.trust_env = False
        if self._settings.proxy:
            session.proxies = {"https": self._settings.proxy}
        if self._settings.ca_file:
            session.verify = self._settings.ca_file
        return session


def _read_json(session: OAuth2Session, address: str, *, sends_token: bool = False) -> dict[str, Any]:
    try:
        answer = session.request("GET", address, withhold_token=not sends_token, timeout=TIMEOUT, allow_redirects=False)
        answer.raise_for_status()
        found = answer.json()
    except (OSError, OAuthError, ValueError) as error:  # those of requests among them
        raise _unavailable() from error
    if not isinstance(found, dict):
        raise _unavailable()
    return found


def _read_secret(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ProviderError("The ledger cannot read its client secret (LEDGER_OIDC_CLIENT_SECRET_FILE).") from error


def _unavailable() -> ProviderUnavailableError:
    return ProviderUnavailableError("The login provider does not answer. Try again in a minute.")


def _invalid(what: str) -> ProviderError:
    return ProviderError(f"The answer of the login provider is not valid ({what}). Try again.")


def _is_since(given: Any, since: float) -> bool:
    return isinstance(given, int | float) and given >= since - LEEWAY


def _text(given: Any) -> str:
    return given if isinstance(given, str) else ""


def _reason(error: Exception) -> str:
    return str(getattr(error, "claim", "") or getattr(error, "error", "") or "the ID token")
