"""A DNS query of an internal container arrives at the external host if its engine forwards it, and only then."""

from __future__ import annotations

import json
import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest

from cloison.audit import dns_leak_check
from cloison.compose import project as compose_project
from cloison.engine import compose_cli
from cloison.engine import select as engine_select
from cloison.engine.compose_cli import Selection
from cloison.linux import netns
from cloison.observe import external_host
from cloison.observe import session as observe_session
from cloison.observe.observer import ProbeSession
from cloison.rehearse import environment as rehearse_environment

pytestmark = pytest.mark.engine
DEFAULT_TIMEOUT = 0.5
RELAY = ("127.0.0.153", 53)
BODY = {"image": "nobody/has-this:1"}
FILE: dict[str, Any] = {
    "services": {
        "back": BODY | {"networks": ["inner"]},
        "both": BODY | {"networks": ["inner", "plain"]},
        "front": BODY | {"networks": ["plain"]},
    },
    "networks": {"inner": {"internal": True}, "plain": {}},
}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProbeSession]:
    """An open session of a rehearsal."""
    file = tmp_path_factory.mktemp("questions") / "compose.json"
    file.write_text(json.dumps(FILE))
    document = compose_cli.resolved(Selection(files=(str(file),), project=f"questions{os.getpid()}"))
    with ExitStack() as stack:
        external = stack.enter_context(external_host.external_host())
        played = stack.enter_context(
            rehearse_environment.rehearsal_environment(document, lambda _: None, resolver=external.addresses[0])
        )
        engine = stack.enter_context(closing(engine_select.engine()))
        yield stack.enter_context(
            observe_session.probe_session(engine, compose_project.project(played.document), None, external)
        )


@contextmanager
def relay(session: ProbeSession, container: str) -> Iterator[None]:
    """Forward queries as a vulnerable engine does: receive them in a container, send them from the host's namespace."""
    target = (session.facts.outside_addresses[0], dns_leak_check.DNS_PORT)
    ended = threading.Event()
    with netns.inside(session.probe_sockets["", container].descriptor):
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def carry() -> None:
        while not ended.is_set():
            if select.select([listening], [], [], 0.05)[0]:
                asking.sendto(listening.recv(dns_leak_check.RECEIVE_SIZE), target)

    with listening, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        listening.bind(RELAY)
        thread = threading.Thread(target=carry)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def container(session: ProbeSession, service: str) -> str:
    return next(c.name for c in session.facts.containers if c.service == service)


def test_a_query_that_the_host_forwards_is_received(session: ProbeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_leak_check, "EMBEDDED_DNS", RELAY)
    back = container(session, "back")

    with relay(session, back):
        (found,) = dns_leak_check.check_dns_leaks(session, DEFAULT_TIMEOUT)

    assert (dns_leak_check.VULNERABILITY, back) == (found.what, found.where)
    assert found.evidence.endswith(f"arrived at the outside machine, sent by {session.facts.outside_gateways[0]}")


def test_a_container_with_egress_is_not_tested(session: ProbeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_leak_check, "EMBEDDED_DNS", RELAY)

    with relay(session, container(session, "both")), relay(session, container(session, "front")):
        assert [] == dns_leak_check.check_dns_leaks(session, DEFAULT_TIMEOUT)


def test_the_engine_of_this_machine_forwards_no_query(session: ProbeSession) -> None:
    """CVE-2024-29018 is fixed in 23.0.11, 25.0.5 and 26.0, and in Debian's 20.10.24."""
    assert [] == dns_leak_check.check_dns_leaks(session, DEFAULT_TIMEOUT)
