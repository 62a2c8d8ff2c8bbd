"""Answers that a browser may keep and has to ask about: ETag, 304, and files that never change.

Rule: a tag is made from what decides a page (who asks, which proofs, the minute that ages are told for), not from the
page, so that 304 costs no rendering, and who asks for the same again within the minute gets what was made.
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
    """Return the moment that a page's ages are told for: the minute that has begun."""
    return datetime.now(UTC).replace(second=0, microsecond=0)


def respond(key: Hashable, render: Callable[[], str], *, mimetype: str = "text/html") -> Response:
    """Return the page that `key` decides, or 304 to who has it."""
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
    """Return the version of the templates, styles and scripts in some folders: it changes with any of them."""
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    found = hashlib.blake2b(digest_size=6)
    for path in files:
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def asset(filename: str, endpoint: str = "static") -> str:
    """Return the address of a file with its version, so that a browser may keep it for good."""
    return url_for(endpoint, filename=filename, edition=current_app.extensions["asset_version"])


def init_app(app: Flask) -> None:
    """Let files that are asked for by their version be kept."""
    app.after_request(_cache_forever)


def _cache_forever(response: Response) -> Response:
    is_file = (request.endpoint or "").rpartition(".")[2] == "static"
    # An older replica, asked for a newer version during an upgrade, must not have its file kept under that name.
    is_current = request.args.get("edition") == current_app.extensions["asset_version"]
    if is_file and is_current and response.status_code < HTTPStatus.BAD_REQUEST:
        response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
    return response
