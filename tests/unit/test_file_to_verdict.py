"""From a file and facts to a verdict, with a fake kernel: every change of the stack is found and named."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.unit.engine_strategies import DEVIATIONS, faithful, files, policies, tampered
from tests.unit.fake_engine import (
    BACK,
    EVERYWHERE,
    FRONT,
    LAN,
    POLICY,
    STACK,
    FakeEngine,
    Overrides,
    container,
    foreign_container,
    label,
)

from cloison.errors import PolicyError
from cloison.model.facts import PublishedPort
from cloison.model.flow import Flow, Protocol, ip_version
from cloison.model.outcome import Observation, Outcome, Reach, observation, unknown
from cloison.predict import predictor
from cloison.proof import schema as proof_schema
from cloison.verdict.flow_enumeration import absent, flows, vantages
from cloison.verdict.intent import Intent, intended
from cloison.verdict.judge import Cause, JudgedFlow, Judgement, compare, exit_code

RULED = STACK.with_policy()
QUIET = RULED.found()
HOLDS, TOLERATED, UNKNOWN = Judgement.HOLDS, Judgement.TOLERATED, Judgement.UNKNOWN
FILE, DRIFT = Cause.FILE, Cause.DRIFT


def breaches(deployment: FakeEngine, said: Overrides | None = None) -> dict[str, Cause | None]:
    """Return the cause of every breach."""
    return {name: item.cause for name, item in deployment.found(said).items() if item.judgement is Judgement.BREACH}


def broken(deployment: FakeEngine, said: Overrides | None = None) -> set[str]:
    """Return the broken flows."""
    return {name for name, item in deployment.found(said).items() if item.judgement is Judgement.BROKEN}


def code(deployment: FakeEngine, said: Overrides | None = None) -> int:
    """Return the exit code of the proof."""
    return deployment.proof(said).verdict.exit_code


# The stack as intended.


def test_the_stack_is_proven_by_its_own_policy() -> None:
    found = RULED.proof()

    assert ("proven", 0) == (found.verdict.word, found.verdict.exit_code)
    assert 0 == found.totals["drift"] == found.totals["unknown"]


def test_tolerated_flows_of_the_stack_are_named() -> None:
    tolerated = {name for name, item in QUIET.items() if item.judgement is TOLERATED}

    assert {"proxy-1 -> db-1:3306 on backend_net", "proxy-1 -> outside:*", "db-1 -> host:* on backend_net"} <= tolerated
    assert 1 == exit_code(RULED.judged(), complete=True, strict=True)


def test_without_a_policy_the_isolation_of_the_file_holds() -> None:
    assert 0 == code(STACK)


@pytest.mark.parametrize("version", ["20.10.24", "28.0.1", "29.1.3"])
def test_one_open_address_of_the_published_port_is_enough_on_every_engine(version: str) -> None:
    deployment = RULED.with_engine(version)
    closed = {} if version < "28" else {"outside -> proxy-1:80 on frontend_net": Outcome.SILENT}

    assert 0 == code(deployment, closed)


# One flow differs.

ACCEPTED = observation(Outcome.ACCEPTED, watched=True, evidence="accepted")
SILENT = observation(Outcome.SILENT, watched=True, evidence="lost twice")


@pytest.mark.parametrize("name", QUIET)
def test_no_flow_can_be_unknown_in_a_proof(name: str) -> None:
    said = {name: observation(Outcome.SILENT, watched=False, evidence="nobody watched")}

    assert 3 == code(RULED, said) == code(STACK, said)


@pytest.mark.parametrize("name", [name for name, item in QUIET.items() if item.intention.intent is Intent.SHUT])
def test_a_closed_flow_that_opens_is_a_breach(name: str) -> None:
    assert 1 == code(RULED, {name: ACCEPTED}) == code(RULED, {name: Outcome.ARRIVED})
    assert {name: DRIFT} == breaches(RULED, {name: ACCEPTED}) == breaches(STACK, {name: ACCEPTED})


@pytest.mark.parametrize("name", [name for name, item in QUIET.items() if item.intention.intent is Intent.OPEN])
def test_a_needed_flow_that_closes_is_broken(name: str) -> None:
    assert 1 == code(RULED, {name: SILENT}) == code(RULED, {name: Outcome.ARRIVED})
    assert {name} == broken(RULED, {name: SILENT})


@pytest.mark.parametrize(
    "name",
    [n for n, item in QUIET.items() if item.intention.intent in (Intent.OPTIONAL, Intent.TOLERATED, Intent.UNJUDGED)],
)
def test_an_optional_flow_changes_no_verdict(name: str) -> None:
    assert 0 == code(RULED, {name: SILENT}) == code(RULED, {name: ACCEPTED})


def test_a_breach_wins_over_what_is_unknown() -> None:
    assert 1 == code(RULED, {"db-1 -> outside:*": ACCEPTED, "app-1 -> outside:*": unknown("it died")})


# Changes of the stack by hand.


def test_a_second_network_that_is_not_in_the_file_is_drift() -> None:
    found = breaches(RULED.connected("db-1", FRONT, "172.30.2.9"))

    assert {DRIFT} == set(found.values())
    assert {
        "proxy-1 -> db-1:3306 on frontend_net",
        "proxy-1 -> db-1:* on frontend_net",
        "db-1 -> proxy-1:80 on frontend_net",
        "db-1 -> outside:*",
        "db-1 -> proxy-1:80 at 192.0.2.10:8080",
    } <= set(found)


def test_a_second_network_is_drift_without_a_policy_too() -> None:
    assert breaches(RULED.connected("db-1", FRONT, "172.30.2.9")) == breaches(
        STACK.connected("db-1", FRONT, "172.30.2.9")
    )


def test_a_port_that_the_file_publishes_is_a_breach_by_the_file() -> None:
    deployment = RULED.with_service("db", ports=[{"target": 3306, "published": "3306"}]).with_publications(
        "db-1", PublishedPort(EVERYWHERE, 3306, Protocol.TCP, 3306)
    )

    assert FILE is breaches(deployment)["outside -> db-1:3306 at 192.0.2.10:3306"]


def test_a_port_that_only_the_engine_publishes_is_drift_with_and_without_a_policy() -> None:
    published = PublishedPort(EVERYWHERE, 3306, Protocol.TCP, 3306)

    for deployment in (RULED, STACK):
        found = breaches(deployment.with_publications("db-1", published))
        assert DRIFT is found["outside -> db-1:3306 at 192.0.2.10:3306"]


def test_a_port_that_is_published_wider_than_the_file_says_is_drift() -> None:
    deployment = STACK.with_service("proxy", ports=[{"target": 80, "published": "8080", "host_ip": "127.0.0.1"}])

    assert DRIFT is breaches(deployment)[f"outside -> proxy-1:80 at {LAN}:8080"]


def test_a_network_that_is_no_longer_internal_in_the_file_is_a_breach_by_the_file() -> None:
    deployment = RULED.with_network("backend_net", internal=False).with_engine_network(BACK, internal=False)

    found = breaches(deployment)
    assert {FILE} == set(found.values())
    assert {"db-1 -> outside:*", "app-1 -> outside:*"} <= set(found)


def test_a_network_that_is_internal_only_in_the_file_is_drift() -> None:
    for deployment in (RULED, STACK):
        found = breaches(deployment.with_engine_network(BACK, internal=False))
        assert {DRIFT} == set(found.values())
        assert {"db-1 -> outside:*", "app-1 -> outside:*"} <= set(found)


def test_a_flow_that_a_firewall_rule_opens_is_drift() -> None:
    hole = "outside -> db-1:3306 on backend_net"

    assert {hole: DRIFT} == breaches(RULED, {hole: ACCEPTED})
    assert "the Compose file does not explain it" in json.dumps(
        [flow.reason for flow in RULED.proof({hole: ACCEPTED}).flows]
    )


def test_a_foreign_container_on_a_network_is_drift_in_both_directions() -> None:
    deployment = RULED.with_containers(foreign_container("spy", (BACK, "172.30.1.66"), project="other")).with_listeners(
        "spy", 22
    )

    found = breaches(deployment)
    assert {DRIFT} == set(found.values())
    assert {"spy -> db-1:3306 on backend_net", "db-1 -> spy:22 on backend_net"} <= set(found)
    assert "spy of project other is on shop_backend_net and is not in the file" in deployment.proof().notes


def test_a_foreign_container_that_a_drifted_container_joins_is_drift() -> None:
    deployment = (
        STACK.with_engine_network("other_net", internal=True, subnets=("172.30.9.0/24",))
        .connected("db-1", "other_net", "172.30.9.2")
        .with_containers(foreign_container("spy", ("other_net", "172.30.9.66")))
    )

    assert {DRIFT} == {
        breaches(deployment)[name] for name in ("spy -> db-1:3306 on other_net", "db-1 -> spy:* on other_net")
    }


def test_a_foreign_container_on_an_external_network_is_open_by_the_file() -> None:
    deployment = STACK.with_network("backend_net", external=True).with_containers(
        foreign_container("spy", (BACK, "172.30.1.66"))
    )

    assert {} == breaches(deployment)
    assert FILE is breaches(deployment.with_policy())["spy -> db-1:3306 on backend_net"]


def test_a_container_of_a_service_that_left_the_file_is_foreign() -> None:
    found = breaches(RULED.with_containers(container("cache", (BACK, "172.30.1.7"))))

    assert DRIFT is found["cache-1 -> db-1:3306 on backend_net"]


def test_a_detached_network_is_broken() -> None:
    with_policy, without_policy = RULED.disconnected("db-1", BACK), STACK.disconnected("db-1", BACK)

    assert (1, 1) == (code(with_policy), code(without_policy))
    assert {"app-1 -> db-1:3306 on backend_net"} == broken(with_policy)
    assert {"app-1 -> db-1:* on backend_net", "proxy-1 -> db-1:* on backend_net"} <= broken(without_policy)


def test_a_vantage_that_lost_its_network_is_broken() -> None:
    assert {"app-1 -> db-1:3306 on backend_net", "proxy-1 -> app-1:5000 on backend_net"} == broken(
        RULED.disconnected("app-1", BACK)
    )


def test_a_service_without_a_listener_is_broken() -> None:
    found = RULED.without_listeners("db-1").found()["app-1 -> db-1:3306 on backend_net"]

    assert (Outcome.ARRIVED, Judgement.BROKEN) == (found.observation.outcome, found.judgement)
    assert 1 == code(RULED.without_listeners("db-1"))


# Flows that could not be probed.


@pytest.mark.parametrize("name", ["db-1", "app-1", "proxy-1"])
def test_a_stopped_container_is_not_proven(name: str) -> None:
    for deployment in (RULED.with_stopped(name), STACK.with_stopped(name)):
        found = deployment.proof()
        assert ("unproven", 3) == (found.verdict.word, found.verdict.exit_code)
        assert [name.removesuffix("-1")] == found.coverage.absent


def test_a_project_that_does_not_run_at_all_is_not_proven() -> None:
    assert 3 == code(STACK.with_stopped("db-1").with_stopped("app-1").with_stopped("proxy-1"))


def test_a_container_that_dies_during_the_proof_leaves_it_unproven() -> None:
    dead = unknown("db-1 stopped during the proof")
    said = {name: dead for name, item in QUIET.items() if "db-1" in name}

    found = RULED.proof(said)
    assert 3 == found.verdict.exit_code
    assert len(said) == found.coverage.unknown == found.totals["unknown"]
    assert any("unknown: db-1 stopped during the proof" == flow.reason for flow in found.flows)


def test_a_replica_that_is_missing_leaves_the_proof_unproven() -> None:
    assert 3 == code(RULED.with_service("db", scale=2))


def test_an_unpredicted_flow_is_judged_only_by_a_policy() -> None:
    deployment = STACK.with_engine_network(FRONT, driver="macvlan")

    assert 3 == code(deployment)
    assert 0 == code(deployment.with_policy())


# Policies.


def test_an_unneeded_toleration_is_noted_and_changes_no_verdict() -> None:
    said = {name: SILENT for name, item in QUIET.items() if item.intention.where == "x-cloison.tolerate[0]"}

    found = RULED.proof(said)
    assert 0 == found.verdict.exit_code
    assert "x-cloison.tolerate[0] (network backend_net) is not needed: it matches no open flow" in (found.notes)


def test_a_wildcard_allows_every_service_of_the_file_and_no_other_place() -> None:
    deployment = STACK.with_policy({"allow": ["* -> db:3306"]}).with_containers(
        foreign_container("spy", (BACK, "172.30.1.66"))
    )

    found = deployment.found()
    services = ("app-1", "proxy-1")
    assert {HOLDS} == {found[name].judgement for name in found if "-> db-1:3306" in name and name.startswith(services)}
    assert Judgement.UNJUDGED is found["host -> db-1:3306 on backend_net"].judgement
    assert Judgement.BREACH is found["spy -> db-1:3306 on backend_net"].judgement


def test_a_policy_of_wildcards_allows_everything_and_needs_flows_that_are_predicted_open() -> None:
    deployment = STACK.with_policy({"allow": ["* -> *", "outside -> *", "* -> outside, host"]})

    assert 0 == code(deployment, {"db-1 -> outside:*": ACCEPTED})
    assert {"app-1 -> db-1:* on backend_net"} == broken(deployment, {"app-1 -> db-1:* on backend_net": SILENT})


def test_an_empty_policy_forbids_what_the_file_opens() -> None:
    found = breaches(STACK.with_policy({}))

    assert {FILE} == set(found.values())
    assert "app-1 -> db-1:3306 on backend_net" in found


def test_every_replica_of_an_allowed_port_must_answer() -> None:
    two = RULED.with_service("db", scale=2).with_containers(container("db", (BACK, "172.30.1.12"), number=2))

    assert {"app-1 -> db-2:3306 on backend_net"} == broken(two)
    assert 0 == code(two.with_listeners("db-2", 3306))


def test_every_replica_is_a_vantage() -> None:
    two = RULED.with_service("app", scale=2).with_containers(container("app", (BACK, "172.30.1.13"), number=2))

    assert {"app-2 -> outside:*": DRIFT} == breaches(
        two.with_listeners("app-2", 5000), {"app-2 -> outside:*": ACCEPTED}
    )


def test_another_address_of_an_allowed_port_may_be_closed_but_one_must_be_open() -> None:
    flow = "outside -> proxy-1:80 on backend_net"
    every = {name: SILENT for name in QUIET if name.startswith("outside -> proxy-1:80")}

    assert Intent.OPTIONAL is QUIET[flow].intention.intent
    assert 0 == code(RULED, {flow: ACCEPTED}) == code(RULED, {flow: SILENT})
    assert 1 == code(RULED, every)


def test_an_allowed_udp_port_is_needed_like_a_tcp_port() -> None:
    named = STACK.with_service("db", expose=["53/udp"]).with_policy(allow=[*POLICY["allow"], "app -> db:53/udp"])
    heard = named.with_listeners("db-1", 53, protocol=Protocol.UDP)

    assert {"app-1 -> db-1:53/udp on backend_net"} == broken(named)
    assert 0 == code(heard)
    assert {"outside -> db-1:53/udp on backend_net": DRIFT} == breaches(
        heard, {"outside -> db-1:53/udp on backend_net": ACCEPTED}
    )


# Listeners of the host.


def test_without_a_policy_listeners_of_the_host_are_not_judged() -> None:
    deployment = STACK.with_listeners("", 22)

    found = deployment.found()["db-1 -> host:22 on backend_net"]
    assert (Intent.OPTIONAL, HOLDS) == (found.intention.intent, found.judgement)
    assert 0 == code(deployment) == code(deployment, {"db-1 -> host:22 on backend_net": SILENT})


def test_a_listener_of_the_host_is_a_breach_by_the_file_unless_the_policy_names_it() -> None:
    known = POLICY["tolerate"][:2]  # without the host
    deployment = STACK.with_listeners("", 22).with_policy(tolerate=known)
    named = deployment.with_policy(allow=[*POLICY["allow"], "* -> host:22"], tolerate=known)

    assert (
        FILE
        is breaches(deployment)["db-1 -> host:22 on backend_net"]
        is breaches(named)["db-1 -> host:* on backend_net"]
    )
    assert "db-1 -> host:22 on backend_net" not in breaches(named)


def test_a_service_without_a_network_that_reaches_the_host_is_drift() -> None:
    deployment = (
        STACK.with_listeners("", 22)
        .with_service("job", network_mode="none")
        .with_containers(container("job", network_mode="none"))
    )
    seen: Overrides = {"job-1 -> host:22 on backend_net": ACCEPTED}

    assert {"job-1 -> host:22 on backend_net": DRIFT} == breaches(deployment, seen)


# Shared namespaces.


def test_a_side_car_has_the_addresses_of_its_owner() -> None:
    deployment = RULED.with_service("dump", network_mode="service:db").with_containers(
        container("dump", network_mode="container:id-of-db-1")
    )

    assert 0 == code(deployment)
    assert TOLERATED is deployment.found()["dump-1 -> app-1:5000 on backend_net"].judgement
    assert (
        FILE is breaches(deployment.with_policy({"allow": ["app -> db:3306"]}))["dump-1 -> app-1:5000 on backend_net"]
    )


def test_services_in_one_namespace_are_no_breach_of_each_other_by_any_policy() -> None:
    deployment = (
        STACK.with_service("dump", network_mode="service:proxy")
        .with_containers(container("dump", network_mode="container:id-of-proxy-1"))
        .with_policy({"allow": [], "tolerate": [{"network": "backend_net", "why": "known"}]})
    )

    inside = {name: item for name, item in deployment.found().items() if name.startswith("dump-1 -> proxy-1")}

    assert {HOLDS} == {item.judgement for item in inside.values()}
    assert {"dump-1 -> proxy-1:80 on backend_net", "dump-1 -> proxy-1:80 at 192.0.2.10:8080"} <= inside.keys()
    assert FILE is breaches(deployment.with_policy({"allow": []}))["dump-1 -> db-1:3306 on backend_net"]


def test_a_service_in_the_hosts_namespace_is_no_breach_of_the_host_and_of_others_there() -> None:
    deployment = (
        STACK.with_service("agent", network_mode="host")
        .with_service("node", network_mode="host")
        .with_containers(container("agent", network_mode="host"), container("node", network_mode="host"))
        .with_listeners("agent-1", 9000)
        .with_policy({"allow": []})
    )

    found = deployment.found()

    assert HOLDS is found["node-1 -> agent-1:9000 at 192.0.2.10"].judgement
    assert HOLDS is found["node-1 -> host:* at 192.0.2.10"].judgement
    assert FILE is breaches(deployment)["app-1 -> host:* on backend_net"]


def test_a_container_that_joins_a_namespace_against_the_file_is_a_breach() -> None:
    spy = replace(foreign_container("spy"), network_mode="container:id-of-db-1")
    deployment = STACK.with_policy({"allow": []}).with_containers(spy)
    within = deployment.disconnected("app-1", BACK).with_network_mode("app-1", "container:id-of-db-1")

    assert "spy -> db-1:3306 on backend_net" in breaches(deployment, {"spy -> db-1:3306 on backend_net": ACCEPTED})
    assert "app-1 -> db-1:3306 on backend_net" in breaches(within, {"app-1 -> db-1:3306 on backend_net": ACCEPTED})


def test_a_replica_that_joins_the_namespace_of_another_one_against_the_file_is_a_breach() -> None:
    deployment = (
        STACK.with_service("db", deploy={"replicas": 2})
        .with_containers(container("db", (BACK, "172.30.1.7"), network_mode="container:id-of-db-1", number=2))
        .with_policy({"allow": []})
    )
    to_first = "db-2 -> db-1:3306 on backend_net"

    assert to_first in breaches(deployment, {to_first: ACCEPTED})


def test_a_service_in_the_namespace_of_a_foreign_container_is_no_breach_of_it() -> None:
    deployment = (
        STACK.with_service("side", network_mode="container:gate")
        .with_containers(
            foreign_container("gate", (BACK, "172.30.1.66")), container("side", network_mode="container:id-of-gate")
        )
        .with_policy({"allow": []})
    )
    to_gate = "side-1 -> gate:* on backend_net"

    assert HOLDS is deployment.found({to_gate: ACCEPTED})[to_gate].judgement


def test_without_a_policy_no_flow_within_a_namespace_should_be_closed() -> None:
    deployment = STACK.with_service("dump", network_mode="service:proxy").with_containers(
        container("dump", network_mode="container:id-of-proxy-1")
    )
    closed = {flow: replace(found, reach=Reach.SHUT) for flow, found in deployment.predicted().items()}

    inside = intended(deployment.project, None, closed, (), deployment.facts.network_namespaces)

    assert {Intent.OPTIONAL} == {
        found.intent for flow, found in inside.items() if (flow.vantage.place, flow.endpoint.place) == ("dump", "proxy")
    }


def test_a_service_in_the_namespace_of_one_replica_is_separate_from_the_others() -> None:
    deployment = (
        STACK.with_service("db", deploy={"replicas": 2})
        .with_service("dump", network_mode="service:db")
        .with_containers(
            container("db", (BACK, "172.30.1.7"), number=2), container("dump", network_mode="container:id-of-db-1")
        )
        .with_policy({"allow": ["outside -> proxy:80"]})
    )

    found = deployment.found()

    assert HOLDS is found["dump-1 -> db-1:3306 on backend_net"].judgement
    assert "dump and db share backend_net" in found["dump-1 -> db-2:* on backend_net"].prediction.rule
    assert FILE is breaches(deployment)["dump-1 -> db-2:* on backend_net"]
    assert FILE is breaches(deployment)["db-1 -> db-2:* on backend_net"]


def test_a_side_cars_port_is_allowed_at_its_owners_address() -> None:
    deployment = (
        STACK.with_service("dump", network_mode="service:db")
        .with_containers(container("dump", network_mode="container:id-of-db-1"))
        .with_listeners("db-1", 9000)
        .with_policy(allow=[*POLICY["allow"], "app -> dump:9000", "dump -> db"])
    )

    assert HOLDS is deployment.found()["app-1 -> db-1:9000 on backend_net"].judgement
    assert 0 == code(deployment)


def test_a_service_in_the_hosts_namespace_reaches_everything_and_is_a_breach_by_the_file() -> None:
    deployment = RULED.with_service("agent", network_mode="host").with_containers(
        container("agent", network_mode="host")
    )

    assert FILE is breaches(deployment)["agent-1 -> db-1:3306 on backend_net"]
    assert deployment.proof().coverage.complete


def test_a_listener_of_a_service_in_the_hosts_namespace_belongs_to_the_service() -> None:
    agent = RULED.with_service("agent", network_mode="host").with_containers(container("agent", network_mode="host"))
    deployment = agent.with_listeners("agent-1", 9000).with_listeners("", 22)

    found = deployment.found()
    assert (
        FILE
        is breaches(deployment)["db-1 -> agent-1:9000 on backend_net"]
        is breaches(deployment)["outside -> agent-1:9000 at 192.0.2.10"]
    )
    assert TOLERATED is found["db-1 -> host:22 on backend_net"].judgement
    assert "db-1 -> host:9000 on backend_net" not in found
    assert (
        HOLDS
        is deployment.with_policy(allow=[*POLICY["allow"], "*, outside -> agent:9000"])
        .found()["outside -> agent-1:9000 at 192.0.2.10"]
        .judgement
    )


def test_a_service_without_a_network_reaches_nobody() -> None:
    deployment = RULED.with_service("job", network_mode="none").with_containers(container("job", network_mode="none"))

    assert 0 == code(deployment)
    assert DRIFT is breaches(deployment, {"job-1 -> outside:*": ACCEPTED})["job-1 -> outside:*"]


def test_a_service_that_uses_the_hosts_namespace_against_the_file_is_found() -> None:
    deployment = RULED.disconnected("db-1", BACK).with_network_mode("db-1", "host")

    assert (
        DRIFT is breaches(deployment)["db-1 -> outside:*"] is breaches(deployment)["outside -> db-1:3306 at 192.0.2.10"]
    )


# Properties of generated deployments.


@given(tampered())
def test_every_flow_is_predicted_intended_and_judged_once(deployment: FakeEngine) -> None:
    asked = deployment.flows()

    assert asked == sorted(set(asked)) == list(deployment.predicted()) == [item.flow for item in deployment.judged()]
    assert {flow.vantage for flow in asked} <= set(vantages(deployment.project, deployment.facts))


@given(tampered(), st.sampled_from(["docker", "podman"]))
def test_a_flow_is_predicted_alike_alone_and_among_others(deployment: FakeEngine, engine: str) -> None:
    facts = replace(deployment.facts, engine=replace(deployment.facts.engine, name=engine))
    together = predictor.predict(deployment.project, facts, deployment.flows())

    assert together == {flow: predictor.predict(deployment.project, facts, [flow])[flow] for flow in deployment.flows()}


@given(tampered())
def test_no_flow_ends_where_it_starts(deployment: FakeEngine) -> None:
    for flow in deployment.flows():
        source, end = flow.vantage, flow.endpoint
        assert (source.place, source.container) != (end.place, end.container)
        assert not source.container or source.container != end.container


@given(tampered())
def test_every_running_container_of_the_project_is_vantage_and_endpoint(deployment: FakeEngine) -> None:
    asked = deployment.flows()
    for container_ in deployment.facts.containers:
        if container_.pid and container_.service:
            assert container_.name in {flow.vantage.container for flow in asked}
            held = {attachment.address for attachment in container_.attachments}
            assert held <= {f.endpoint.address for f in asked if f.endpoint.container == container_.name}


@given(tampered())
def test_a_generated_engine_has_a_proof_that_can_be_parsed(deployment: FakeEngine) -> None:
    found = deployment.proof()

    assert found == proof_schema.parse(proof_schema.canonical(found))


@given(files())
def test_the_prediction_from_the_file_is_the_behaviour_of_a_faithful_engine(file: dict[str, object]) -> None:
    found = faithful(file, "20.10.24").found()

    assert {} == {name: (i.prediction, i.observation) for name, i in found.items() if i.drift}


@given(files(), st.sampled_from(["20.10.24", "26.1.5", "27.5.1", "28.5.2"]), st.booleans())
def test_the_prediction_over_ipv6_is_the_behaviour_of_every_faithful_engine(
    file: dict[str, object],
    version: str,
    has_ipv6_rules: bool,
) -> None:
    found = faithful(file, version, has_ipv6_rules=has_ipv6_rules).found()

    assert {} == {
        name: (item.prediction, item.observation)
        for name, item in found.items()
        if item.drift and ip_version(item.flow.endpoint.address) == 6
    }


def surprised(deployment: FakeEngine, surprises: list[tuple[int, Observation]]) -> list[JudgedFlow]:
    """Judge a deployment with some outcomes replaced."""
    asked = deployment.flows()
    said: Overrides = {label(asked[at % len(asked)]): seen for at, seen in surprises} if asked else {}
    return deployment.judged(said)


def excused(deployment: FakeEngine, rules: dict[str, list[str]], flow: Flow) -> bool:
    """Whether a policy allows a flow, by an independent parser of its text."""
    ends = (flow.vantage.place, flow.endpoint.place)

    def covers(arrow: str) -> bool:
        source, _, target = arrow.partition(" -> ")
        place, _, port = target.partition(":")
        namespace_owner = str(deployment.file["services"].get(place, {}).get("network_mode") or "").removeprefix(
            "service:"
        )
        sides = zip((source, namespace_owner if namespace_owner == "a" else place), ends, strict=True)
        return all(side in ("*", end) for side, end in sides) and port in ("", str(flow.endpoint.service_port))

    return any(covers(arrow) for arrow in rules["arrows"]) or any(
        flow.endpoint.network == f"shop_{key}"
        and all({f"shop_{key}"} <= {*deployment.project.attached_networks(end)} for end in ends)
        for key in rules["networks"]
    )


@given(st.data(), tampered(), DEVIATIONS)
def test_a_proof_by_a_policy_has_every_flow_and_no_open_flow_that_is_not_allowed(
    data: st.DataObject, deployment: FakeEngine, surprises: list[tuple[int, Observation]]
) -> None:
    raw = data.draw(policies(deployment.file))
    with_policy = deployment.with_policy(raw)
    try:
        judged = surprised(with_policy, surprises)
    except PolicyError:
        assume(False)  # noqa: FBT003  # hypothesis's own signature
    complete = not absent(with_policy.project, with_policy.facts)
    proven = exit_code(judged, complete=complete) == 0
    rules = {
        "arrows": [*raw["allow"], *(item["flow"] for item in raw["tolerate"] if "flow" in item)],
        "networks": [item["network"] for item in raw["tolerate"] if "network" in item],
    }

    unseen = [item for item in judged if item.observation.reach is Reach.UNKNOWN]
    open_ = [item.flow for item in judged if item.observation.reach is Reach.OPEN]
    wrong = [label(flow) for flow in open_ if flow.vantage.place != "host" and not excused(with_policy, rules, flow)]
    assert not proven or (complete and judged and not unseen and not wrong)
    assert not wrong or exit_code(judged, complete=complete) == 1


@given(tampered(), DEVIATIONS)
def test_a_proof_without_a_policy_has_every_flow_as_predicted(
    deployment: FakeEngine, surprises: list[tuple[int, Observation]]
) -> None:
    judged = surprised(deployment, surprises)
    complete = not absent(deployment.project, deployment.facts)
    seen = [item for item in judged if item.flow.vantage.place != "host"]

    differs = any(item.prediction.reach is not item.observation.reach for item in seen)
    unseen = any(item.observation.reach is Reach.UNKNOWN for item in judged)
    assert exit_code(judged, complete=complete) != 0 or not (differs or unseen or not complete or not judged)


@given(tampered(), DEVIATIONS)
def test_the_order_of_the_facts_changes_nothing(
    deployment: FakeEngine, surprises: list[tuple[int, Observation]]
) -> None:
    facts = deployment.facts
    told = replace(
        deployment,
        facts=replace(facts, containers=facts.containers[::-1], networks=facts.networks[::-1]),
        file={**deployment.file, "services": dict(reversed(deployment.file["services"].items()))},
    )

    assert surprised(deployment, surprises) == surprised(told, surprises)


def test_the_flows_of_a_proof_are_the_enumerated_flows() -> None:
    asked = flows(STACK.project, STACK.facts, {})

    assert asked == [item.flow for item in compare(STACK.intended(), STACK.predicted(), STACK.observed())]
