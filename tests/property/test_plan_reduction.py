"""A plan that models each class of services and each range of ports once equals the plan of every flow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.errors import PolicyError
from cloison.model.flow import Flow, ip_version
from cloison.plan.reduction import Reduction
from cloison.plan.requirements import allowed, requirements
from cloison.plan.scenario import Scenario, build_scenario, scenario_of
from cloison.plan.synthetic_facts import Assumptions

Body = dict[str, Any]
NAMES: Final = tuple(f"s{number}" for number in range(9))
PLACES: Final = st.sampled_from([*NAMES, "*", "backends", "outside", "host"])
TARGETS: Final = st.sampled_from(["", ":80", ":3000", ":5001-5003/udp", ":5004/udp", ":5000-5009/udp"])
FLOWS: Final = st.builds("{} -> {}{}".format, PLACES, PLACES, TARGETS)
PUBLISHED: Final = st.sampled_from([(80, "tcp"), (3000, "tcp"), *((port, "udp") for port in range(5000, 5008))])
ADDRESSES: Final = st.sampled_from(["", "127.0.0.1"])


@st.composite
def _kinds(draw: st.DrawFn) -> Body:
    """Draw the body of a service: several services of a project have the same one, but for some ports."""
    first = draw(st.sampled_from([0, 5000, 5002]))
    ports = [
        {"target": port, "protocol": proto, "host_ip": draw(ADDRESSES)} for port, proto in draw(st.sets(PUBLISHED))
    ]
    spread = [
        {"target": port, "published": str(port + draw(st.sampled_from([0, 0, 100]))), "protocol": "udp"}
        for port in range(first, first + 7 if first else 0)
    ]
    return {
        "networks": dict.fromkeys(draw(st.sets(st.sampled_from(["back", "front", "lent"]), min_size=1))),
        "ports": [*ports, *spread] if draw(st.booleans()) else [],
        "expose": draw(st.lists(st.sampled_from(["3000", "3000-3004", "80", "5000-5009/udp"]), max_size=2)),
        "scale": draw(st.sampled_from([1, 1, 1, 2])),
    }


@st.composite
def documents(draw: st.DrawFn) -> Body:
    """Draw a project of a few kinds of services, with the dimensions that make equal services differ."""
    kinds = draw(st.lists(_kinds(), min_size=1, max_size=2))
    services = {name: dict(draw(st.sampled_from(kinds))) for name in NAMES}
    for name in draw(st.sets(st.sampled_from(NAMES), max_size=2)):
        services[name]["expose"] = draw(st.sampled_from([["7000"], ["3000"], ["7000-7005"]]))
    if draw(st.booleans()):
        services["s8"] = {"network_mode": draw(st.sampled_from(["service:s0", "host", "none"])), "expose": ["5003/udp"]}
    networks = {
        "back": {"name": "x_back", "internal": draw(st.booleans()), "enable_ipv6": draw(st.booleans())},
        "front": {"name": "x_front"},
        "lent": {"name": "lent", "external": draw(st.booleans())},
    }
    document: Body = {"name": "x", "services": services, "networks": networks}
    if draw(st.booleans()):
        allow = draw(st.lists(FLOWS, max_size=4))
        tolerate = [{"flow": flow, "why": "x"} for flow in draw(st.lists(FLOWS, max_size=2))]
        document["x-cloison"] = {
            "allow": allow,
            "groups": {"backends": list(NAMES[: draw(st.integers(2, 7))])},
            "tolerate": [*tolerate, *draw(st.sampled_from([[], [{"network": "back", "why": "x"}]]))],
        }
    return document


def fates(scenario: Scenario) -> dict[tuple[Any, ...], set[tuple[Any, ...]]]:
    """Return the reach, the intent and the judgement of every flow, by what it says without a synthetic address."""
    found = defaultdict(set)
    for item in scenario.judged():
        fate = item.prediction.reach, item.intention.intent, item.judgement, item.intention.why
        for key in _stands_for(scenario, item.flow):
            found[key].add(fate)
    return dict(found)


def _stands_for(scenario: Scenario, flow: Flow) -> Iterator[tuple[Any, ...]]:
    """Yield the name of every flow for which a flow stands, in all of its services and ports."""
    reduction, end = scenario.reduction, flow.endpoint
    loopback = end.address.startswith(("127.", "::1"))
    for source, target in reduction.expanded_pair(flow.vantage.place, end.place):
        for port in range(end.service_port, max(end.service_port, end.last_port) + 1):
            yield (source, target, end.protocol, port, end.network, ip_version(end.address), end.kind.value, loopback)


def _as_canary(key: tuple[Any, ...]) -> tuple[Any, ...]:
    source, target, protocol, _, network, version, _, loopback = key
    return (source, target, protocol, 0, network, version, "canary", loopback)


@settings(max_examples=min(12, settings().max_examples))
@given(documents(), st.sampled_from(["20.10", "26.1", "28.5"]))
def test_a_class_and_a_range_have_the_fate_of_all_their_members(document: Body, engine: str) -> None:
    try:
        project = compose_project.project(document)
        rules = policy.policy(project)
    except PolicyError:
        return
    whole = scenario_of(project, Reduction(project), rules, Assumptions(engine))
    reduced = build_scenario(project, rules, Assumptions(engine))
    expected, found = fates(whole), fates(reduced)

    assert not set(found) - set(expected)
    assert found == {key: expected[key] for key in found}
    for key in set(expected) - set(found):  # an exposed port that not all members of a class have
        assert reduced.reduction.classes
        assert expected[key] == expected[_as_canary(key)]
    assert {item.judgement for item in whole.judged()} == {item.judgement for item in reduced.judged()}
    assert whole.open_pairs() == reduced.open_pairs()


@settings(max_examples=min(16, settings().max_examples))
@given(documents())
def test_a_reduced_plan_has_the_requirements_of_the_whole_project(document: Body) -> None:
    try:
        project = compose_project.project(document)
        rules = policy.policy(project)
    except PolicyError:
        return
    whole = scenario_of(project, Reduction(project), rules, Assumptions()).policy_context
    reduced = build_scenario(project, rules, Assumptions()).policy_context

    assert (whole is None) is (reduced is None)
    if whole and reduced:
        assert requirements(whole) == requirements(reduced)
        assert allowed(whole) == allowed(reduced)
