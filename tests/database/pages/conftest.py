"""The pages in front of a real database, asked directly or by a browser."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import Engine
from tests.database.pages.worlds import LIFE, life
from werkzeug.serving import make_server

from ledger import errors, gate, views
from ledger.archive.store import Archive
from ledger.gate import Principal

# What the proxy sends with every answer.
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)


@dataclass
class Door:
    """Who comes; None is somebody who did not log in."""

    who: Principal | None = field(
        default_factory=lambda: Principal("ada", is_person=True, reads=frozenset({"shop", "new"}))
    )


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def archive(engine: Engine) -> Archive:
    """Return an archive with a project that has a life, and two that have none."""
    archive = Archive(engine)
    for name in ("shop", "new", "secret"):
        archive.add_project(name)
    for body in life(LIFE[-14:]):
        archive.keep("shop", body)
    return archive


@pytest.fixture
def app(archive: Archive, door: Door) -> Flask:
    app = Flask("ledger")
    app.extensions["archive"] = archive
    views.init_app(app)
    errors.init_app(app)
    gate.init_app(app, lambda: door.who)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Serve the pages with the proxy's policy, and return where."""

    @app.after_request
    def with_policy(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        return response

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()
