"""Metrics for Prometheus at /metrics, summed over all processes.

Rule: they are available only on backend_net. The proxy does not forward /metrics, and a request with the proxy's
X-Request-ID header gets 404. Multiprocess mode: https://prometheus.github.io/client_python/multiprocess/
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from flask import Flask, Response, abort, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from sqlalchemy import Engine, event

from ledger.authorization import Access, requires
from ledger.observability.requests import HEADER, elapsed_seconds, route

MULTIPROCESS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable with the folder that the processes share; prometheus_client reads it when it is imported."""
METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REQUESTS: Final = Counter("ledger_requests", "Requests answered.", ["method", "route", "status"])
SECONDS: Final = Histogram("ledger_request_seconds", "From request to answer.", ["route"], buckets=BUCKETS)
IN_PROGRESS: Final = Gauge("ledger_requests_in_progress", "Requests being answered.", multiprocess_mode="livesum")
CONNECTIONS: Final = Gauge(
    "ledger_database_connections", "Connections of the pool.", ["state"], multiprocess_mode="livesum"
)
STATEMENTS: Final = Counter("ledger_database_statements", "SQL statements of requests.", ["route"])
DATABASE: Final = Counter("ledger_database_seconds", "Seconds that requests waited for SQL statements.", ["route"])
PROOFS: Final = Counter("ledger_proofs", "Proofs that were sent, by what became of them.", ["outcome"])
LOGINS: Final = Counter("ledger_logins", "Attempts to log in, by what became of them.", ["outcome"])

OUTCOMES: Final[Mapping[str, tuple[Counter, Mapping[int, str]]]] = {
    # endpoint: its counter, and the outcome for each status
    "api.add": (PROOFS, {201: "kept", 200: "known", 422: "refused", 413: "too large", 507: "no room"}),
    "login.submit_login": (LOGINS, {303: "let in", 422: "refused", 429: "throttled"}),
}


def prepare(directory: Path) -> None:
    """Create an empty folder for the metrics of the processes that start from here."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    os.environ[MULTIPROCESS_VARIABLE] = str(directory)


def remove_process(process: int) -> None:
    """Remove the gauges of a process that has ended."""
    if MULTIPROCESS_VARIABLE in os.environ:
        mark_process_dead(process)  # type: ignore[no-untyped-call]


def init_app(app: Flask) -> None:
    """Count requests and responses, and serve the metrics."""
    app.add_url_rule("/metrics", "metrics", export_metrics)
    app.before_request(_count_start)
    app.teardown_request(lambda _: IN_PROGRESS.dec())
    app.after_request(_count)
    _observe_pool(app.extensions["engine"])


def _count_start() -> None:
    IN_PROGRESS.inc()


def _observe_pool(engine: Engine) -> None:
    """Count the connections of the pool that are open and in use."""
    opened, used = CONNECTIONS.labels("open"), CONNECTIONS.labels("in use")
    event.listen(engine, "connect", lambda *_: opened.inc())
    event.listen(engine, "close", lambda *_: opened.dec())
    event.listen(engine, "close_detached", lambda *_: opened.dec())
    event.listen(engine, "checkout", lambda *_: used.inc())
    event.listen(engine, "checkin", lambda *_: used.dec())


@requires(Access.PUBLIC)
def export_metrics() -> Response:
    """Return the metrics in the text format of Prometheus."""
    if HEADER in request.headers:  # the proxy sets it on each request
        abort(404)
    registry = REGISTRY
    if MULTIPROCESS_VARIABLE in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _count(response: Response) -> Response:
    rule = route()
    if rule == "/metrics":
        return response
    REQUESTS.labels(_method(), rule, response.status_code).inc()
    SECONDS.labels(rule).observe(elapsed_seconds())
    if g.database_usage.statements:
        STATEMENTS.labels(rule).inc(g.database_usage.statements)
        DATABASE.labels(rule).inc(g.database_usage.seconds)
    counter, meanings = OUTCOMES.get(request.endpoint or "", (None, {}))
    if counter is not None:
        counter.labels(meanings.get(response.status_code, "failed")).inc()
    return response


def _method() -> str:
    """Return the method, or `other`: a client could send arbitrary methods, and each label value takes memory."""
    return request.method if request.method in METHODS else "other"
