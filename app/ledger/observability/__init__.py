"""Observability: a log line for each request, metrics for Prometheus, and request ids in SQL."""

from flask import Flask

from ledger.observability import logs, metrics, requests, sql_comments


def init_app(app: Flask) -> None:
    """Register the request log, the SQL comments and the metrics."""
    logs.configure()
    requests.init_app(app)
    sql_comments.init_app(app.extensions["engine"])
    metrics.init_app(app)
