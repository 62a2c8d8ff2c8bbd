"""The address that people use: for links in messages and feeds, for commands to copy, and for the OpenID provider.

Rule: with CLOISON_PUBLIC_URL it is that, whatever the Host of a request. Without, it is the address of the request.
"""

from typing import Final

from flask import Flask, current_app, request

SCHEMES: Final = ("https://", "http://")


def checked(given: str) -> str:
    """Return the value of LEDGER_PUBLIC_URL without a slash at its end; SystemExit when it is no address."""
    if given and not given.startswith(SCHEMES):
        raise SystemExit(f"LEDGER_PUBLIC_URL={given!r}: expected an address that begins with {' or '.join(SCHEMES)}")
    return given.rstrip("/")


def public_address(path: str = "") -> str:
    """Return the public address of a path, such as `url_for` returns."""
    given: str = current_app.config["SETTINGS"].public_url
    return f"{given or request.url_root.rstrip('/')}{path}"


def init_app(app: Flask) -> None:
    """Give the function to every template."""
    app.jinja_env.globals["public_address"] = public_address
