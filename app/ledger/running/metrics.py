"""Figures for Prometheus, of all processes together, at /metrics.

The proxy does not let anybody through to it: who wants the figures stands on backend_net.
"""

import os
import shutil
from pathlib import Path
from typing import Final

from flask import Flask, Response, request
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
from sqlalchemy import Engine
from sqlalchemy.pool import QueuePool

from ledger.gate import Demand, demands
from ledger.running.requests import route, took

TOGETHER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The library's name for where processes share their figures; it is read when the library is imported."""
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REQUESTS: Final = Counter("ledger_requests", "Requests answered.", ["method", "route", "status"])
SECONDS: Final = Histogram("ledger_request_seconds", "From request to answer.", ["route"], buckets=BUCKETS)
CONNECTIONS: Final = Gauge("ledger_database_connections", "Connections in use.", multiprocess_mode="livesum")


def prepare(directory: Path) -> None:
    """Let the processes that start from here share their figures, beginning at nothing."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    os.environ[TOGETHER] = str(directory)


def forget(process: int) -> None:
    """Take what only a living process has out of the figures."""
    if TOGETHER in os.environ:
        mark_process_dead(process)  # type: ignore[no-untyped-call]


def init_app(app: Flask) -> None:
    """Count what is answered, and serve the figures."""
    app.add_url_rule("/metrics", "metrics", figures)
    app.after_request(_count)
    engine: Engine = app.extensions["engine"]

    @app.after_request
    def _look(response: Response) -> Response:
        if isinstance(engine.pool, QueuePool):
            CONNECTIONS.set(engine.pool.checkedout())
        return response


@demands(Demand.NOTHING)
def figures() -> Response:
    """Return the figures."""
    registry = REGISTRY
    if TOGETHER in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _count(response: Response) -> Response:
    if route() != "/metrics":
        REQUESTS.labels(request.method, route(), response.status_code).inc()
        SECONDS.labels(route()).observe(took())
    return response
