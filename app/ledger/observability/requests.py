"""The id of each request, its duration, and its line in the log.

Rule: the proxy sets the id ($request_id of nginx) and drops the value of a client. The line has the route, not the
path, because paths contain names and keys.
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
UNLOGGED_ROUTES: Final = frozenset({"/healthz", "/readyz", "/metrics", "/internal/may-add"})
"""Requested every few seconds by programs; their lines would hide the others."""

LOG: Final = logging.getLogger("ledger.requests")


@dataclass(slots=True)
class DatabaseUsage:
    """The SQL statements of a request so far, and the seconds that they took."""

    statements: int = 0
    seconds: float = 0


def init_app(app: Flask) -> None:
    """Set the id before any other handler, and log the request after its response."""
    app.before_request(_start_request)
    app.after_request(_finish_request)


def route() -> str:
    """Return the route that matched, without the values of its parameters."""
    return request.url_rule.rule if request.url_rule else "none"


def elapsed_seconds() -> float:
    """Return the seconds since the start of the request."""
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
