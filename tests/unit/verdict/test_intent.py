from __future__ import annotations

import pytest
from tests.unit.fake_engine import BACK, DUAL_STACK, FRONT, POLICY, STACK, FakeEngine, foreign_container, label

from cloison.model.outcome import Reach
from cloison.predict.context import Prediction
from cloison.verdict.intent import Intent, Intention, intended


def intents(deployment: FakeEngine) -> dict[str, Intention]:
    """Return the intentions by the labels of their flows."""
    return {label(flow): intention for flow, intention in deployment.intended().items()}


@pytest.mark.parametrize(
    ("flow", "intention"),
    [
        ("app-1 -> db-1:3306 on backend_net", Intention(Intent.OPEN, "x-cloison.allow[2]")),
        ("outside -> proxy-1:80 at 192.0.2.10:8080", Intention(Intent.OPEN, "x-cloison.allow[0]")),
        ("outside -> proxy-1:80 on frontend_net", Intention(Intent.OPTIONAL, "x-cloison.allow[0]")),
        ("outside -> proxy-1:80 on backend_net", Intention(Intent.OPTIONAL, "x-cloison.allow[0]")),
        (
            "proxy-1 -> db-1:3306 on backend_net",
            Intention(Intent.TOLERATED, "x-cloison.tolerate[0]", "Docker has no policy inside a network."),
        ),
        (
            "db-1 -> host:* on backend_net",
            Intention(Intent.TOLERATED, "x-cloison.tolerate[2]", "Docker gives the host an address on every network"),
        ),
        ("db-1 -> outside:*", Intention(Intent.SHUT)),
        ("app-1 -> proxy-1:80 at 192.0.2.10:8080", Intention(Intent.SHUT)),
        ("outside -> db-1:3306 on backend_net", Intention(Intent.SHUT)),
        ("host -> db-1:3306 on backend_net", Intention(Intent.UNJUDGED)),
    ],
)
def test_a_flow_has_the_intention_of_the_first_matching_rule(flow: str, intention: Intention) -> None:
    assert intention == intents(STACK.with_policy())[flow]


def test_the_host_is_judged_where_the_policy_names_it() -> None:
    found = intents(STACK.with_policy(allow=[*POLICY["allow"], "host -> db:3306"]))

    assert Intent.OPEN is found["host -> db-1:3306 on backend_net"].intent
    assert Intent.UNJUDGED is found["host -> app-1:5000 on backend_net"].intent


def test_a_tolerated_network_covers_its_members_by_the_file_at_their_addresses_on_it() -> None:
    deployment = STACK.with_containers(foreign_container("spy", (BACK, "172.30.1.66"))).connected(
        "db-1", FRONT, "172.30.2.9"
    )
    found = intents(deployment.with_policy(tolerate=[{"network": "backend_net", "why": "known"}]))

    tolerated = {flow for flow, intention in found.items() if intention.intent is Intent.TOLERATED}
    assert tolerated
    assert all(flow.endswith(" on backend_net") for flow in tolerated)
    assert not any(word in flow for flow in tolerated for word in ("spy", "host", "outside"))


@pytest.mark.parametrize(
    ("reach", "intent"), [(Reach.OPEN, "open"), (Reach.SHUT, "shut"), (Reach.UNKNOWN, "undecided")]
)
def test_without_a_policy_the_file_is_the_intention(reach: Reach, intent: str) -> None:
    found = intended(STACK.project, None, dict.fromkeys(STACK.flows(), Prediction(reach, "so")))

    assert {"host"} == {flow.vantage.place for flow, i in found.items() if i.intent is Intent.UNJUDGED}
    assert {intent} == {
        item.intent for flow, item in found.items() if "host" not in (flow.vantage.place, flow.endpoint.place)
    }


@pytest.mark.parametrize(
    ("reach", "intent"), [(Reach.OPEN, "optional"), (Reach.SHUT, "shut"), (Reach.UNKNOWN, "optional")]
)
def test_without_a_policy_ports_of_the_host_are_optional_unless_the_file_closes_them(reach: Reach, intent: str) -> None:
    found = intended(STACK.project, None, dict.fromkeys(STACK.with_listeners("", 22).flows(), Prediction(reach, "so")))

    assert {intent} == {item.intent for flow, item in found.items() if flow.endpoint.place == "host"}


@pytest.mark.parametrize("reach", [Reach.SHUT, Reach.UNKNOWN])
def test_an_allowed_port_that_is_predicted_open_nowhere_is_needed_at_every_address(reach: Reach) -> None:
    deployment = STACK.with_policy()
    found = intended(deployment.project, deployment.rules, dict.fromkeys(deployment.flows(), Prediction(reach, "so")))

    found_intents = {i.intent for flow, i in found.items() if label(flow).startswith("outside -> proxy-1:80")}
    assert {Intent.OPEN} == found_intents


def test_a_wildcard_needs_only_flows_that_are_predicted_open() -> None:
    found = intents(STACK.with_policy({"allow": ["* -> db:3306"]}))

    assert Intent.OPEN is found["app-1 -> db-1:3306 on backend_net"].intent
    assert Intent.OPTIONAL is found["outside -> db-1:3306 on backend_net"].intent


def test_a_port_of_the_host_is_intended_where_the_policy_names_it() -> None:
    deployment = STACK.with_listeners("", 22, 5432).with_policy({"allow": ["app -> host:5432"]})

    found = intents(deployment)
    assert Intent.OPEN is found["app-1 -> host:5432 on backend_net"].intent
    assert (
        Intent.SHUT
        is found["app-1 -> host:22 on backend_net"].intent
        is found["db-1 -> host:5432 on backend_net"].intent
    )


def test_an_allowed_port_is_intended_over_both_versions_of_ip() -> None:
    found = intents(DUAL_STACK.with_policy())

    for where in ("on backend_net", "on backend_net over IPv6"):
        assert Intention(Intent.OPEN, "x-cloison.allow[2]") == found[f"app-1 -> db-1:3306 {where}"]
        assert Intent.TOLERATED is found[f"proxy-1 -> db-1:3306 {where}"].intent
        assert Intent.SHUT is found[f"outside -> db-1:3306 {where}"].intent
