"""The cookies of a browser: names, lifetimes and attributes.

Over HTTPS each has the prefix `__Host-`: a browser accepts it only from this host, over HTTPS, for all paths
(https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes).
Over plain HTTP a browser sends a cookie to every port of a host (RFC 6265, section 8.5), hence the names.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from flask import request
from werkzeug.wrappers import Response

from ledger.accounts.sessions import DEVICE_LIFETIME, SESSION_LIFETIME


class Cookie(StrEnum):
    """A cookie, by its name."""

    SESSION = "cloison_session"
    DEVICE = "cloison_device"  # a device token from an earlier login
    LOGIN = "cloison_login"  # a login that waits for a code of the second factor
    PROVIDER = "cloison_provider"  # a login that waits for the answer of the OpenID provider
    VISITOR = "cloison_visitor"  # before the login; its form is bound to it


LIFETIMES: Final[Mapping[Cookie, timedelta | None]] = {
    Cookie.SESSION: SESSION_LIFETIME,
    Cookie.DEVICE: DEVICE_LIFETIME,
    Cookie.LOGIN: None,
    Cookie.PROVIDER: None,
    Cookie.VISITOR: None,  # until the browser is closed
}


def cookie_name(cookie: Cookie) -> str:
    """Return a cookie's name on this connection."""
    return f"__Host-{cookie.value}" if request.is_secure else cookie.value


def received(cookie: Cookie) -> str:
    """Return the value that the browser sent, or an empty string."""
    return request.cookies.get(cookie_name(cookie), "")


def send(response: Response, cookie: Cookie, value: str) -> None:
    """Set a cookie, which scripts cannot read (HttpOnly) and other sites' requests do not carry (SameSite=Lax)."""
    response.set_cookie(
        cookie_name(cookie),
        value,
        max_age=LIFETIMES[cookie],
        path="/",
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )


def expire(response: Response, cookie: Cookie) -> None:
    """Delete a cookie in the browser."""
    response.delete_cookie(cookie_name(cookie), path="/", secure=request.is_secure, httponly=True, samesite="Lax")
