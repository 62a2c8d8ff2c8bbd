"""The ledger: a Flask application that stores proofs in MariaDB and shows them to users with access.

Inputs: the LEDGER_* variables (`ledger.settings`). Output: a WSGI application. Rule: every view declares the access
that it requires (`ledger.authorization`); an application with a view that does not cannot start.
"""

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response
from werkzeug.middleware.proxy_fix import ProxyFix

from ledger import accounts, admission, api, authorization, errors, health, observability, public_address, views
from ledger.accounts import authentication, csrf, reauthentication
from ledger.archive.store import Archive
from ledger.database import engine_for, ping, reader
from ledger.settings import Settings
from ledger.single_flight import SingleFlight

__all__ = ["create_app"]


def create_app(test_config: Mapping[str, Any] | None = None) -> Flask:
    """Return the application; `test_config` may replace ENGINE, SETTINGS and PASSWORDS."""
    app = Flask(__name__)
    app.config.from_mapping(test_config or {})
    settings = app.config.setdefault("SETTINGS", Settings.from_environment())
    engine = app.extensions["engine"] = app.config.get("ENGINE") or engine_for(settings)
    app.extensions["reader"] = reader(engine)
    app.extensions["archive"] = Archive(engine)
    app.extensions["readiness"] = SingleFlight(lambda: ping(engine), timeout=settings.ready_timeout)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # members in the order of the code
    public_address.init_app(app)
    observability.init_app(app)  # first, so that it sees every request and every response
    app.register_blueprint(health.bp)
    app.register_blueprint(api.bp)
    app.register_blueprint(admission.bp)
    accounts.init_app(app)
    views.init_app(app)
    errors.init_app(app)
    app.after_request(_forbid_caching)
    # Exactly one proxy, which sets these headers itself; the values of a client never arrive here.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    authorization.init_app(app, authentication.identify)
    csrf.init_app(app)
    reauthentication.init_app(app)
    return app


def _forbid_caching(response: Response) -> Response:
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response
