"""The predictions while a policy is enforced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.fake_engine import BACK, DUAL_STACK, POLICY, STACK, FakeEngine, label

from cloison.enforce.prediction import CLOSED, with_enforcement
from cloison.model.outcome import Reach


def changed(engine: FakeEngine, **parts: Any) -> dict[str, bool]:
    """Return whether enforcement closes the flows that are predicted open without it."""
    engine = engine.with_policy(**parts)
    before = engine.predicted()
    after = with_enforcement(engine.project, engine.rules, engine.facts, before)
    assert before.keys() == after.keys()
    assert all(after[flow] == p for flow, p in before.items() if p.reach is Reach.SHUT)
    return {label(flow): after[flow] is CLOSED for flow, p in before.items() if p.reach is not Reach.SHUT}


def test_what_the_policy_does_not_allow_is_closed() -> None:
    found = changed(STACK)

    assert not found["app-1 -> db-1:3306 on backend_net"]
    assert not found["proxy-1 -> app-1:5000 on backend_net"]
    assert not found["outside -> proxy-1:80 at 192.0.2.10:8080"]
    assert found["proxy-1 -> db-1:3306 on backend_net"], "a toleration is what nothing else closes"
    assert found["db-1 -> app-1:5000 on backend_net"]
    assert found["proxy-1 -> outside:*"]
    assert found["db-1 -> host:* on backend_net"]
    assert found["host -> db-1:3306 on backend_net"]


def test_the_host_reaches_what_the_outside_may_because_the_engines_proxy_connects_from_it() -> None:
    assert not changed(STACK)["host -> proxy-1:80 on frontend_net"]


@pytest.mark.parametrize(
    ("toleration", "is_closed"),
    [
        ({"flow": "proxy -> db:3306", "why": "known"}, True),
        ({"flow": "proxy -> db:3306", "why": "known", "keep": True}, False),
        ({"network": "backend_net", "why": "known"}, True),
        ({"network": "backend_net", "why": "known", "keep": True}, False),
    ],
)
def test_a_toleration_that_is_kept_stays_open(toleration: dict[str, Any], is_closed: bool) -> None:
    assert is_closed is changed(STACK, tolerate=[toleration])["proxy-1 -> db-1:3306 on backend_net"]


def test_a_network_that_is_kept_does_not_open_the_host() -> None:
    kept = {"network": "backend_net", "why": "known", "keep": True}

    assert changed(STACK, tolerate=[kept])["host -> db-1:3306 on backend_net"]


def test_an_address_that_nobody_gave_is_closed() -> None:
    found = changed(DUAL_STACK, allow=[*POLICY["allow"], "* -> host"])
    link_local = {flow for flow in found if "fe80:" in flow}

    assert all(found[flow] for flow in link_local)


def test_a_network_without_a_bridge_stays_as_it_is() -> None:
    engine = STACK.with_network("backend_net", driver="macvlan")
    networks = tuple(replace(n, driver="macvlan") if n.name == BACK else n for n in engine.facts.networks)
    found = changed(replace(engine, facts=replace(engine.facts, networks=networks)))

    assert not found["proxy-1 -> db-1:3306 on backend_net"]


def test_containers_of_one_namespace_stay_as_they_are() -> None:
    app = next(container for container in STACK.facts.containers if container.name == "app-1")
    found = changed(STACK.with_network_mode("db-1", f"container:{app.identity}"))

    assert not found["db-1 -> app-1:5000 on backend_net"]


def test_without_a_policy_nothing_is_closed() -> None:
    predicted = STACK.predicted()

    assert predicted == with_enforcement(STACK.project, None, STACK.facts, predicted)
