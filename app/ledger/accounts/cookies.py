"""The cookies of people: which, how long, and that nobody else can set or read them.

Over HTTPS each is named `__Host-…`: a browser takes such a one only from this very host, over HTTPS, for all paths.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from flask import request
from werkzeug.wrappers import Response

from ledger.accounts.sessions import KNOWN, OLDEST


class Cookie(StrEnum):
    """What a browser keeps."""

    SESSION = "session"
    DEVICE = "device"  # a mark of an earlier login
    VISITOR = "visitor"  # before the login; what its form is bound to


LENGTHS: Final[Mapping[Cookie, timedelta | None]] = {
    Cookie.SESSION: OLDEST,
    Cookie.DEVICE: KNOWN,
    Cookie.VISITOR: None,  # until the browser is closed
}


def named(cookie: Cookie) -> str:
    """Return a cookie's name on this connection."""
    return f"__Host-{cookie.value}" if request.is_secure else cookie.value


def given(cookie: Cookie) -> str:
    """Return what the browser sent, or nothing."""
    return request.cookies.get(named(cookie), "")


def give(response: Response, cookie: Cookie, value: str) -> None:
    """Let the browser keep it, out of reach of scripts and of requests that other sites make."""
    response.set_cookie(
        named(cookie), value, max_age=LENGTHS[cookie], path="/", secure=request.is_secure, httponly=True, samesite="Lax"
    )


def take(response: Response, cookie: Cookie) -> None:
    """Let the browser forget it."""
    response.delete_cookie(named(cookie), path="/", secure=request.is_secure, httponly=True, samesite="Lax")
