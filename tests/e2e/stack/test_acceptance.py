"""The seven checks that were once made by hand, in one go, against the real stack."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import sync_playwright
from tests.e2e.stack.conftest import LedgerProject, Stack, run
from tests.e2e.stack.test_ingress import CHROMIUM
from tests.integration.compose_project import docker
from tests.integration.publish.conftest import passwords, person, registry  # noqa: F401  # fixtures
from tests.integration.publish.local_registry import PASSWORD, Publisher, Registry

from cloison.linux import netns
from cloison.observe import external_host

pytestmark = [pytest.mark.stack, pytest.mark.engine]

ASK = """
import socket, sys
for place in sys.argv[1:]:
    address, port = place.rsplit(":", 1)
    try:
        socket.create_connection((address, int(port)), 1).close()
        print(place, "open")
    except OSError:
        print(place, "shut")
"""


@pytest.fixture
def names() -> Iterator[list[str]]:
    """Names of images that a test gives, taken away afterwards."""
    given: list[str] = []
    yield given
    for name in given:
        run("docker", "rmi", name, check=False)


def test_the_seven_checks(
    stack: Stack,
    shop: LedgerProject,
    person: Publisher,  # noqa: F811  # a fixture
    registry: Registry,  # noqa: F811  # same
    names: list[str],
) -> None:
    containers_are_up_and_healthy(stack)
    the_page_answers(stack)
    port_5000_is_closed_on_the_host_and_from_outside(stack)
    from_app_the_database_answers(stack)
    from_proxy_the_application_answers_and_from_the_front_nothing_else(stack)
    data_survives_down_and_up(stack, shop)
    login_tag_push_and_pull_by_digest(stack, person, registry, names)


def containers_are_up_and_healthy(stack: Stack) -> None:
    """Check 1."""
    states = {name: stack.inspect(name)["State"]["Health"]["Status"] for name in ("db", "app", "proxy")}
    assert {"db": "healthy", "app": "healthy", "proxy": "healthy"} == states


def the_page_answers(stack: Stack) -> None:
    """Check 2, in a real browser: the page is the login."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{stack.port}/")
        page.get_by_label("Name").fill("nobody")
        page.get_by_label("Password").fill("no password at all")
        page.get_by_role("button", name="Log in").click()
        refused = page.get_by_text("There is no account with this name and this password.")
        refused.wait_for(timeout=10_000)
        browser.close()


def port_5000_is_closed_on_the_host_and_from_outside(stack: Stack) -> None:
    """Check 3: on the host's addresses, and for another machine at the application's own address too."""
    (attachment,) = stack.inspect("app")["NetworkSettings"]["Networks"].values()
    with external_host.external_host() as external:
        gateway, *_ = external.host_addresses
        assert not _is_open("127.0.0.1", 5000)
        with netns.inside(external.descriptor):
            assert _is_open(gateway, stack.port)
            assert not _is_open(gateway, 5000)
            assert not _is_open(attachment["IPAddress"], 5000)


def _is_open(address: str, port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((address, port)) == 0


def from_app_the_database_answers(stack: Stack) -> None:
    """Check 4: a query, not a connection."""
    ask = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:5000/readyz', timeout=3).read().decode())"
    assert "ready" in stack.inside("app", "python", "-c", ask)


def from_proxy_the_application_answers_and_from_the_front_nothing_else(stack: Stack, guest: str = "open") -> None:
    """Check 5: a guest on frontend_net reaches port 80 of the proxy, or not, and nothing of what lies behind it."""
    assert "alive" in stack.inside("proxy", "wget", "-q", "-O", "-", "http://app:5000/healthz")
    attachments = {name: stack.inspect(name)["NetworkSettings"]["Networks"] for name in ("db", "app", "proxy")}
    front = attachments["proxy"][stack.network("frontend_net")]["IPAddress"]
    back = {name: attachments[name][stack.network("backend_net")]["IPAddress"] for name in attachments}
    published = [f"{front}:80", f"{back['proxy']}:80", f"{back['app']}:5000", f"{back['db']}:3306"]
    said = docker("run", "--rm", "--network", stack.network("frontend_net"), "--entrypoint", "python",
                  stack.image("app"), "-c", ASK, *published)  # fmt: skip
    assert [guest, "shut", "shut", "shut"] == [line.split()[1] for line in said.splitlines()]


def data_survives_down_and_up(stack: Stack, shop: LedgerProject) -> None:
    """Check 6."""
    shop.add()
    kept = shop.kept()
    stack.compose("down")
    stack.up()
    assert kept == shop.kept()


def login_tag_push_and_pull_by_digest(stack: Stack, who: Publisher, where: Registry, names: list[str]) -> None:
    """Check 7, against a registry with a password on this machine."""
    target, built = f"{where.host}/me/ledger", stack.image("app")
    identity = docker("image", "inspect", "-f", "{{.Id}}", built)
    refused = who.publishes(f"{target}:1.0", "--from", built)
    done = who.publishes(f"{target}:1.0", "--from", built, password=PASSWORD)
    assert (1, 0, f"{target}@{where.digest('me/ledger', '1.0')}\n") == (refused.code, done.code, done.out), done.err
    names += [f"{target}:1.0", done.out.strip()]
    run("docker", "rmi", f"{target}:1.0")
    who.logged_in(where.host)
    run("docker", "--config", str(who.config), "pull", done.out.strip())
    assert identity == docker("image", "inspect", "-f", "{{.Id}}", done.out.strip())
