"""With a public URL every address that leaves the ledger is that one, whatever the Host of the request."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask

from ledger import create_app
from ledger.accounts import oidc_views
from ledger.notifications.deliveries import EventRecord
from ledger.notifications.watches import WatchedProject
from ledger.public_address import public_address
from ledger.settings import Settings
from ledger.views import feed

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 5, 4, tzinfo=UTC).replace(tzinfo=None)
SHOP = WatchedProject(1, "shop", NOW)
EVENT = EventRecord(1, "breach", "d", NOW, "ab" * 32, "one connection")
ELSEWHERE = "http://elsewhere.example:81"


@pytest.fixture
def public(settings: Callable[..., Settings]) -> Flask:
    return create_app({"SETTINGS": settings(LEDGER_PUBLIC_URL="https://ledger.example:8443/")})


def test_feeds_commands_and_the_openid_provider_get_the_public_url(public: Flask) -> None:
    with public.test_request_context("/feed/k.atom", base_url=ELSEWHERE):
        sent = feed._feed(SHOP, [EVENT]).decode()  # noqa: SLF001
        shown = str(public.jinja_env.get_template("macros.html").module.first_proof("shop"))  # type: ignore[attr-defined]
        callback = oidc_views._redirect_uri()  # noqa: SLF001

    assert "https://ledger.example:8443/login/oidc/callback" == callback
    assert "cloison prove --ledger https://ledger.example:8443<" in shown
    assert {"https://ledger.example:8443"} == set(re.findall(r'href="([^"]*?)/(?:feed|projects)/', sent))
    assert 3 == sent.count('href="https://ledger.example:8443/')


def test_without_one_it_is_the_address_of_the_request(app: Flask) -> None:
    with app.test_request_context("/", base_url=ELSEWHERE):
        assert f"{ELSEWHERE}/projects" == public_address("/projects")


def test_no_page_and_no_view_has_another_way_to_an_address() -> None:
    sources = [*(ROOT / "app" / "ledger").rglob("*.py"), *(ROOT / "app" / "ledger").rglob("*.html")]
    ways = re.compile(r"_external=|url_root|base_url|host_url")

    assert ["public_address.py"] == [path.name for path in sources if ways.search(path.read_text(encoding="utf-8"))]


def test_what_is_no_address_stops_the_start_with_a_sentence(settings: Callable[..., Settings]) -> None:
    with pytest.raises(SystemExit, match=r"LEDGER_PUBLIC_URL='ledger\.example': expected an address that begins with"):
        settings(LEDGER_PUBLIC_URL="ledger.example")
