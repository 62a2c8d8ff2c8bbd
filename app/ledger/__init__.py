"""The ledger: a Flask application that counts its visits in MariaDB and tells which database answered."""

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response
from werkzeug.middleware.proxy_fix import ProxyFix

from ledger import api, errors, health, pages
from ledger.archive.store import Archive
from ledger.database import engine_for
from ledger.once import Once
from ledger.settings import Settings
from ledger.store import MariaDB
from ledger.tally import Tally

__all__ = ["create_app"]


def create_app(test_config: Mapping[str, Any] | None = None) -> Flask:
    """Return the application; `test_config` may bring another STORE or other SETTINGS."""
    app = Flask(__name__)
    app.config.from_mapping(test_config or {})
    settings = app.config.setdefault("SETTINGS", Settings.from_environment())
    store = app.config.get("STORE") or MariaDB(settings)
    app.extensions["store"] = store
    app.extensions["engine"] = engine = app.config.get("ENGINE") or engine_for(settings)
    app.extensions["archive"] = Archive(engine)
    app.extensions["tally"] = Tally(store.count, patience=settings.page_patience)
    app.extensions["readiness"] = Once(store.ping, patience=settings.ready_patience)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the page's order is the document's order
    app.register_blueprint(health.bp)
    app.register_blueprint(pages.bp)
    app.register_blueprint(api.bp)
    errors.init_app(app)
    app.after_request(_forbid_keeping)
    # One hop and one only: the proxy sets these headers itself, so what a client claimed never gets here.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    return app


def _forbid_keeping(response: Response) -> Response:
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response
