"""The cookies of people: which, how long, and that nobody else can set or read them.

Over HTTPS each is named `__Host-…`: a browser takes such a one only from this very host, over HTTPS, for all paths.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from flask import request
from werkzeug.wrappers import Response

from ledger.accounts.sessions import DEVICE_LIFETIME, SESSION_LIFETIME


class Cookie(StrEnum):
    """What a browser keeps."""

    SESSION = "session"
    DEVICE = "device"  # a mark of an earlier login
    VISITOR = "visitor"  # before the login; what its form is bound to


LIFETIMES: Final[Mapping[Cookie, timedelta | None]] = {
    Cookie.SESSION: SESSION_LIFETIME,
    Cookie.DEVICE: DEVICE_LIFETIME,
    Cookie.VISITOR: None,  # until the browser is closed
}


def cookie_name(cookie: Cookie) -> str:
    """Return a cookie's name on this connection."""
    return f"__Host-{cookie.value}" if request.is_secure else cookie.value


def received(cookie: Cookie) -> str:
    """Return what the browser sent, or nothing."""
    return request.cookies.get(cookie_name(cookie), "")


def send(response: Response, cookie: Cookie, value: str) -> None:
    """Let the browser keep it, out of reach of scripts and of requests that other sites make."""
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
    """Let the browser forget it."""
    response.delete_cookie(cookie_name(cookie), path="/", secure=request.is_secure, httponly=True, samesite="Lax")
