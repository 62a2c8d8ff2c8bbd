"""What whoever runs the ledger wants to know: one line a request, and figures."""

from flask import Flask

from ledger.observability import logs, metrics, requests, sql_comments


def init_app(app: Flask) -> None:
    """Give every request a number and a line, every statement the number, and the figures an address."""
    logs.configure()
    requests.init_app(app)
    sql_comments.init_app(app.extensions["engine"])
    metrics.init_app(app)
