"""HTTP caching (RFC 9111): ETag and 304 for pages, and versioned addresses for static files.

Rule: an ETag is computed from the inputs of a page (the user, the proofs, the current minute), not from its text, so
that a 304 needs no rendering, and a page is rendered at most once a minute.
"""

import hashlib
from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final

from flask import Flask, Response, current_app, request, url_for

from ledger.views import nav

YEAR: Final = 365 * 24 * 60 * 60
REVALIDATE: Final = "private, no-cache"


def this_minute() -> datetime:
    """Return the start of the current minute, which ages on a page are relative to."""
    return datetime.now(UTC).replace(second=0, microsecond=0)


def respond(key: Hashable, render: Callable[[], str], *, mimetype: str = "text/html") -> Response:
    """Return the page for `key`, or 304 if the client has it."""
    cache_key = repr((current_app.extensions["asset_version"], nav.frame_key(), request.path, key))
    tag = hashlib.blake2b(cache_key.encode(), digest_size=16).hexdigest()
    if tag in request.if_none_match:
        response = Response(status=304)
    else:
        response = Response(current_app.extensions["pages"].get(tag, render), mimetype=mimetype)
    response.set_etag(tag)
    response.headers["Cache-Control"] = REVALIDATE
    response.vary.add("Cookie")
    return response


def asset_version(*folders: Path) -> str:
    """Return a version of the files in some folders, which changes with any of them."""
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    found = hashlib.blake2b(digest_size=6)
    for path in files:
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def asset(filename: str, endpoint: str = "static") -> str:
    """Return the address of a static file with its version, so that a browser can cache it for ever."""
    return url_for(endpoint, filename=filename, edition=current_app.extensions["asset_version"])


def init_app(app: Flask) -> None:
    """Let browsers cache static files that are requested with their version."""
    app.after_request(_cache_forever)


def _cache_forever(response: Response) -> Response:
    is_file = (request.endpoint or "").rpartition(".")[2] == "static"
    # During an upgrade an older replica may get the newer version in a request; its file must not be cached under it.
    is_current = request.args.get("edition") == current_app.extensions["asset_version"]
    if is_file and is_current and response.status_code < HTTPStatus.BAD_REQUEST:
        response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
    return response
