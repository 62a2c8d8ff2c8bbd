"""Answers that a browser may keep and has to ask about: ETag, 304, and files that never change.

Rule: a tag is made from what decides a page (who asks, which proofs, the minute that ages are told for), not from the
page, so that 304 costs no rendering, and who asks for the same again within the minute gets what was made.
"""

import hashlib
from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from flask import Flask, Response, current_app, request, url_for

from ledger.views import nav

YEAR: Final = 365 * 24 * 60 * 60
KEEP_AND_ASK: Final = "private, no-cache"


def this_minute() -> datetime:
    """Return the moment that a page's ages are told for: the minute that has begun."""
    return datetime.now(UTC).replace(second=0, microsecond=0)


def answer(key: Hashable, render: Callable[[], str], *, mimetype: str = "text/html") -> Response:
    """Return the page that `key` decides, or 304 to who has it."""
    decides = repr((current_app.extensions["edition"], nav.shows(), request.path, key))
    tag = hashlib.blake2b(decides.encode(), digest_size=16).hexdigest()
    if tag in request.if_none_match:
        response = Response(status=304)
    else:
        response = Response(current_app.extensions["pages"].get(tag, render), mimetype=mimetype)
    response.set_etag(tag)
    response.headers["Cache-Control"] = KEEP_AND_ASK
    response.vary.add("Cookie")
    return response


def edition(*folders: Path) -> str:
    """Return a name for the templates, styles and scripts in some folders: it changes with any of them."""
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    found = hashlib.blake2b(digest_size=6)
    for path in files:
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def asset(filename: str, endpoint: str = "static") -> str:
    """Return the address of a file with its edition, so that a browser may keep it for good."""
    return url_for(endpoint, filename=filename, edition=current_app.extensions["edition"])


def init_app(app: Flask) -> None:
    """Let files that are asked for by their edition be kept."""
    app.after_request(_keep_for_good)


def _keep_for_good(response: Response) -> Response:
    is_file = (request.endpoint or "").rpartition(".")[2] == "static"
    # An older replica, asked for a newer edition during an upgrade, must not have its file kept under that name.
    if is_file and response.status_code < 400 and request.args.get("edition") == current_app.extensions["edition"]:  # noqa: PLR2004
        response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
    return response
