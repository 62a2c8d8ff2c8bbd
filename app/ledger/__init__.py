"""The ledger: a Flask application that keeps proofs in MariaDB and shows them to those who may see them."""

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response
from werkzeug.middleware.proxy_fix import ProxyFix

from ledger import accounts, api, authorization, errors, health, observability, views
from ledger.accounts import authentication, csrf
from ledger.archive.store import Archive
from ledger.database import engine_for, ping
from ledger.settings import Settings
from ledger.single_flight import SingleFlight

__all__ = ["create_app"]


def create_app(test_config: Mapping[str, Any] | None = None) -> Flask:
    """Return the application; `test_config` may bring another ENGINE, other SETTINGS or other PASSWORDS."""
    app = Flask(__name__)
    app.config.from_mapping(test_config or {})
    settings = app.config.setdefault("SETTINGS", Settings.from_environment())
    engine = app.extensions["engine"] = app.config.get("ENGINE") or engine_for(settings)
    app.extensions["archive"] = Archive(engine)
    app.extensions["readiness"] = SingleFlight(lambda: ping(engine), timeout=settings.ready_timeout)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the page's order is the document's order
    observability.init_app(app)  # first, so that it sees every request and every answer
    app.register_blueprint(health.bp)
    app.register_blueprint(api.bp)
    accounts.init_app(app)
    views.init_app(app)
    errors.init_app(app)
    app.after_request(_forbid_caching)
    # One hop and one only: the proxy sets these headers itself, so what a client claimed never gets here.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    authorization.init_app(app, authentication.identify)
    csrf.init_app(app)
    return app


def _forbid_caching(response: Response) -> Response:
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response
