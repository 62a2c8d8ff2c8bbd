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

from ledger.observability.logs import EXTRA_FIELDS

HEADER: Final = "X-Request-ID"
REQUEST_ID: Final = re.compile(r"[0-9a-f]{32}")
UNLOGGED_ROUTES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines; a log of them would hide the rest."""

LOG: Final = logging.getLogger("ledger.requests")


@dataclass(slots=True)
class DatabaseUsage:
    """What a request has asked of the database so far; seconds."""

    statements: int = 0
    seconds: float = 0


def init_app(app: Flask) -> None:
    """Number each request before anything else looks at it, and write its line when it is answered."""
    app.before_request(_start_request)
    app.after_request(_finish_request)


def route() -> str:
    """Return the rule that matched, never what filled it."""
    return request.url_rule.rule if request.url_rule else "none"


def elapsed_seconds() -> float:
    """Return how long the request has taken so far; seconds."""
    return time.perf_counter() - g.started_at if "started_at" in g else 0.0


def _start_request() -> None:
    given = request.headers.get(HEADER, "")
    g.request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
    g.started_at = time.perf_counter()
    g.database_usage = DatabaseUsage()


def _finish_request(response: Response) -> Response:
    if "request_id" in g and route() not in UNLOGGED_ROUTES:
        fields = {
            "method": request.method,
            "route": route(),
            "status": response.status_code,
            "ms": round(elapsed_seconds() * 1000, 1),
            "statements": g.database_usage.statements,
            "database_ms": round(g.database_usage.seconds * 1000, 1),
        }
        LOG.info("answered", extra={EXTRA_FIELDS: fields})
    return response
