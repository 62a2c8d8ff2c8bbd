"""What whoever runs the ledger wants to know: one line a request, and figures."""

from flask import Flask

from ledger.running import logs, metrics, requests, statements


def init_app(app: Flask) -> None:
    """Give every request a number and a line, every statement the number, and the figures an address."""
    logs.begin()
    requests.init_app(app)
    statements.init_app(app.extensions["engine"])
    metrics.init_app(app)
