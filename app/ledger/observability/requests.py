"""One request: its number, how long it took, and its line in the log.

The proxy gives the number ($request_id) and overwrites what a client says in its place. The line names the route, not
the address, for addresses have other people's names and keys in them.
"""

import logging
import re
import secrets
import time
from dataclasses import dataclass
from typing import Final

from flask import Flask, Response, g, request

from ledger.observability.logs import NAMED

HEADER: Final = "X-Request-ID"
NUMBER: Final = re.compile(r"[0-9a-f]{32}")
QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines; a log of them would hide the rest."""

LOG: Final = logging.getLogger("ledger.requests")


@dataclass(slots=True)
class Spent:
    """What a request has asked of the database so far; seconds."""

    statements: int = 0
    seconds: float = 0


def init_app(app: Flask) -> None:
    """Number each request before anything else looks at it, and write its line when it is answered."""
    app.before_request(_begin)
    app.after_request(_end)


def route() -> str:
    """Return the rule that matched, never what filled it."""
    return request.url_rule.rule if request.url_rule else "none"


def took() -> float:
    """Return how long the request has taken so far; seconds."""
    return time.perf_counter() - g.began if "began" in g else 0.0


def _begin() -> None:
    given = request.headers.get(HEADER, "")
    g.request_id = given if NUMBER.fullmatch(given) else secrets.token_hex(16)
    g.began = time.perf_counter()
    g.spent = Spent()


def _end(response: Response) -> Response:
    if "request_id" in g and route() not in QUIET:
        said = {
            "method": request.method,
            "route": route(),
            "status": response.status_code,
            "ms": round(took() * 1000, 1),
            "statements": g.spent.statements,
            "database_ms": round(g.spent.seconds * 1000, 1),
        }
        LOG.info("answered", extra={NAMED: said})
    return response
