"""The predictions over Docker's bridges and IPv6: one row for each sentence of a rule, on each engine that differs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.fake_engine import (
    BACK,
    DUAL_STACK,
    EVERYWHERE,
    EVERYWHERE_V6,
    FRONT,
    GATEWAYS_V6,
    LAN_V6,
    OUTSIDE_SEGMENT_V6,
    STACK,
    FakeEngine,
    container,
    foreign_container,
    label,
)

from cloison.model.facts import PublishedPort
from cloison.model.flow import Endpoint, EndpointKind, Flow, Protocol, Vantage
from cloison.model.outcome import Outcome, Reach, observation
from cloison.predict import common_rules, docker_ipv6, predictor
from cloison.predict.context import PredictionContext
from cloison.verdict.intent import Intent
from cloison.verdict.judge import Cause, Judgement

OPEN, SHUT, UNKNOWN = Reach.OPEN, Reach.SHUT, Reach.UNKNOWN
ROUTED_V6 = {"com.docker.network.bridge.gateway_mode_ipv6": "routed"}
ICC_OFF = {"com.docker.network.bridge.enable_icc": "false"}


def on(deployment: FakeEngine, version: str, policy: str = "ACCEPT") -> FakeEngine:
    """Return a deployment on an engine of a version, with a policy of the host's IPv6 FORWARD chain."""
    return deployment.with_engine(version, forward_policy_v6=policy)


# Engine 24 is between two measured versions, and an unknown version may be any.
OLD, V24, V26 = DUAL_STACK, on(DUAL_STACK, "24.0.7"), on(DUAL_STACK, "26.1.5")
V27, V28, UNVERSIONED = on(DUAL_STACK, "27.5.1", "DROP"), on(DUAL_STACK, "28.5.2", "DROP"), on(DUAL_STACK, "")
# Older engines set IPv6 rules with `--ip6tables --experimental`.
RULED_20, RULED_26 = (
    DUAL_STACK.with_engine(version, forward_policy_v6="DROP", filters_ipv6=True) for version in ("20.10.24", "26.1.5")
)
FILTERED, UNREAD = on(DUAL_STACK, "20.10.24", "DROP"), on(DUAL_STACK, "27.5.1", "")

BEHIND = STACK.dual_stack("backend_net")  # IPv6 on the internal network only
BEFORE = STACK.dual_stack("frontend_net")
AGENT = (
    DUAL_STACK.with_service("agent", network_mode="host")
    .with_containers(container("agent", network_mode="host"))
    .with_listeners("agent-1", 9000, address=EVERYWHERE_V6)
)
SPY = DUAL_STACK.with_containers(
    foreign_container("spy", (BACK, "172.30.1.66", "fd00:1::66")),
    foreign_container("eve", (FRONT, "172.30.2.67", "fd00:2::67")),
)
LENT = SPY.with_network("backend_net", external=True, enable_ipv6=None)
GIVEN = STACK.connected("db-1", FRONT, "172.30.2.9", "fd00:2::9").dual_stack("frontend_net")
MOVED = DUAL_STACK.disconnected("db-1", BACK).with_network_mode("db-1", "host")
NEITHER = DUAL_STACK.with_network(
    "side_net", name="shop_side_net", internal=True, enable_ipv6=True
).with_engine_network("shop_side_net", internal=True, subnets=("172.30.3.0/24", "fd00:3::/64"))
ASIDE = NEITHER.with_service("lone", networks={"side_net": None}).with_containers(
    container("lone", ("shop_side_net", "172.30.3.2", "fd00:3::2"))
)
FREE = DUAL_STACK.with_service("web", networks={"wide_net": None}).with_network(
    "wide_net", name="shop_wide_net", enable_ipv6=True
)
FREE = FREE.with_engine_network("shop_wide_net", subnets=("172.30.4.0/24", "fd00:4::/64")).with_containers(
    container("web", ("shop_wide_net", "172.30.4.2", "fd00:4::2"))
)

LINK_LOCAL_HOST = "fe80::2"


def with_sysctl(value: str, deployment: FakeEngine = STACK) -> FakeEngine:
    """Have the file set `disable_ipv6` in the app, and the host have a link-local address on the app's network."""
    app = deployment.with_service("app", sysctls={"net.ipv6.conf.all.disable_ipv6": value})
    return replace(app, facts=replace(app.facts, link_local_addresses=((BACK, LINK_LOCAL_HOST),)))


OVER = "over IPv6"
SHARED = "app and db share backend_net, and Docker has no policy inside a network"
ACROSS = f"db-1 -> proxy-1:80 on frontend_net {OVER}"
DIRECT = f"outside -> proxy-1:80 on frontend_net {OVER}"
TO_UNPUBLISHED = f"outside -> proxy-1:* on frontend_net {OVER}"
INWARD = f"outside -> db-1:3306 on backend_net {OVER}"
AWAY = f"db-1 -> outside:* {OVER}"
AT_LAN = f"proxy-1:80 at [{LAN_V6}]:8080"
AT_BACK = f"proxy-1:80 at [{GATEWAYS_V6[BACK]}]:8080"
AT_FRONT = f"proxy-1:80 at [{GATEWAYS_V6[FRONT]}]:8080"
NO_RULES = "the engine sets no IPv6 rules, and the host forwards"
ENGINE_DROPS = "the engine's IPv6 rules drop packets"
NO_ROUTE = "backend_net is internal, so db has no default route over IPv6"
OLD_ROUTE = "before Engine 26 an internal network also has a default route over IPv6"
MAYBE = "whether an internal network has a default route over IPv6 depends on the engine's version"
NOT_TOLD = "the engine does not report its version, and Engine 27 changed this rule"
NO_WAY_TOLD = "the engine does not report its version, and Engine 28 changed the IPv6 route"
KEPT_IN = "the engine's IPv6 rules drop packets of db that leave its internal networks"
PROXIED = "docker-proxy listens on the host's address on backend_net"

BY_SYSCTL = "a sysctl of the file gives app a link-local address on backend_net"
BY_LINK = "host:* on backend_net over its link"

ROWS = [
    # A sysctl of the file turns IPv6 on or off.
    (with_sysctl("0"), f"app-1 -> {BY_LINK}", OPEN, BY_SYSCTL),
    (with_sysctl("0", on(STACK, "26.1.5")), f"app-1 -> {BY_LINK}", OPEN, BY_SYSCTL),
    (
        with_sysctl("0", on(STACK, "27.5.1")),
        f"app-1 -> {BY_LINK}",
        UNKNOWN,
        "a sysctl of the file may give app a link-local",
    ),
    (with_sysctl("0", on(STACK, "28.5.2")), f"app-1 -> {BY_LINK}", SHUT, "app has no IPv6 address in the file"),
    (with_sysctl("0"), f"db-1 -> {BY_LINK}", SHUT, "db has no IPv6 address in the file"),
    (with_sysctl("1"), f"app-1 -> {BY_LINK}", SHUT, "app has no IPv6 address in the file"),
    (with_sysctl("0", DUAL_STACK), f"app-1 -> {BY_LINK}", OPEN, BY_SYSCTL),
    (with_sysctl("1", DUAL_STACK), f"app-1 -> {BY_LINK}", UNKNOWN, "a sysctl of the file turns IPv6 off in app"),
    (with_sysctl("1", DUAL_STACK), f"db-1 -> app-1:5000 on backend_net {OVER}", UNKNOWN, "turns IPv6 off in app"),
    (with_sysctl("1", DUAL_STACK), f"db-1 -> {BY_LINK}", OPEN, "the host has an IPv6 address on backend_net"),
    # Inside a network.
    *(
        (deployment, f"app-1 -> db-1:3306 on backend_net {OVER}", OPEN, SHARED)
        for deployment in (OLD, V24, V26, V27, V28, UNVERSIONED, FILTERED)
    ),
    (
        DUAL_STACK.with_network("backend_net", driver_opts=ICC_OFF),
        f"app-1 -> db-1:3306 on backend_net {OVER}",
        UNKNOWN,
        "known to be incomplete",
    ),
    # Between two networks.
    (OLD, ACROSS, OPEN, OLD_ROUTE),
    (V24, ACROSS, UNKNOWN, MAYBE),
    (V26, ACROSS, SHUT, NO_ROUTE),
    (V27, ACROSS, SHUT, ENGINE_DROPS),
    (V28, ACROSS, SHUT, ENGINE_DROPS),
    (UNVERSIONED, ACROSS, UNKNOWN, NOT_TOLD),
    *((deployment, ACROSS, SHUT, f"{ENGINE_DROPS} from db to frontend_net") for deployment in (RULED_20, RULED_26)),
    (FILTERED, ACROSS, UNKNOWN, "other rules are not predicted (FORWARD policy DROP)"),
    (FREE, f"web-1 -> db-1:3306 on backend_net {OVER}", OPEN, NO_RULES),
    (on(FREE, "24.0.7"), f"web-1 -> db-1:3306 on backend_net {OVER}", OPEN, NO_RULES),
    (
        on(FREE, "26.1.5"),
        f"web-1 -> db-1:3306 on backend_net {OVER}",
        OPEN,
        "wide_net is not internal, so web has a default route over IPv6: the engine sets no IPv6 rules",
    ),
    (on(FREE, "28.5.2"), f"web-1 -> db-1:3306 on backend_net {OVER}", SHUT, ENGINE_DROPS),
    # Places and networks without IPv6.
    (BEFORE, f"app-1 -> proxy-1:80 on frontend_net {OVER}", SHUT, "app has no IPv6 address in the file"),
    (BEFORE, AWAY, SHUT, "db has no IPv6 address in the file"),
    (BEFORE, f"db-1 -> host:* on frontend_net {OVER}", SHUT, "db has no IPv6 address in the file"),
    (BEFORE, f"db-1 -> {AT_LAN}", SHUT, "db has no IPv6 address in the file"),
    (GIVEN, f"proxy-1 -> db-1:3306 on frontend_net {OVER}", SHUT, "db has no IPv6 address on frontend_net in the file"),
    (GIVEN, f"outside -> db-1:3306 on frontend_net {OVER}", SHUT, "db has no IPv6 address on frontend_net in the file"),
    (
        DUAL_STACK.with_network("backend_net", enable_ipv6=False),
        INWARD,
        SHUT,
        "db has no IPv6 address on backend_net in the file",
    ),
    (MOVED, f"outside -> db-1:3306 at {LAN_V6}", SHUT, "db is not in the host's namespace in the file"),
    # From outside.
    *(
        (deployment, f"outside -> {AT_LAN}", OPEN, "port 8080 of the host is published to every machine")
        for deployment in (OLD, V24, V26, V27, V28)
    ),
    *((deployment, INWARD, OPEN, NO_RULES) for deployment in (OLD, V24, V26)),
    *((deployment, TO_UNPUBLISHED, OPEN, NO_RULES) for deployment in (OLD, V24, V26)),
    (FILTERED, INWARD, UNKNOWN, "other rules are not predicted"),
    (UNVERSIONED, INWARD, UNKNOWN, NOT_TOLD),
    (V27, INWARD, SHUT, "backend_net is internal"),
    (V27, DIRECT, OPEN, "before Engine 28 a published port is also open"),
    (V27, TO_UNPUBLISHED, SHUT, "the host does not forward packets to an unpublished port"),
    (
        V27.with_network("backend_net", internal=False),
        DIRECT,
        SHUT,
        "an unpublished port",
    ),  # published through the other network
    (on(DUAL_STACK, "27.5.1"), TO_UNPUBLISHED, OPEN, "FORWARD policy is ACCEPT"),
    (UNREAD, TO_UNPUBLISHED, UNKNOWN, "the host's IPv6 FORWARD policy could not be read"),
    (UNREAD, DIRECT, OPEN, "before Engine 28"),
    (V27.with_service("proxy", ports=[{"target": 80, "host_ip": EVERYWHERE}]), DIRECT, SHUT, "an unpublished port"),
    *((deployment, INWARD, SHUT, "backend_net is internal") for deployment in (RULED_20, RULED_26)),
    *(
        (deployment, DIRECT, OPEN, "before Engine 28 a published port is also open")
        for deployment in (RULED_20, RULED_26)
    ),
    *(
        (deployment, TO_UNPUBLISHED, SHUT, "the host does not forward packets to an unpublished port")
        for deployment in (RULED_20, RULED_26)
    ),
    (V28, INWARD, SHUT, ENGINE_DROPS),
    (V28, DIRECT, SHUT, ENGINE_DROPS),
    # To the outside.
    *(
        (
            deployment,
            f"proxy-1 -> outside:* {OVER}",
            OPEN,
            "frontend_net is not internal, so proxy has a default route over IPv6: has egress",
        )
        for deployment in (OLD, V24, V26, V27, V28, RULED_20, RULED_26)
    ),
    (UNVERSIONED, f"proxy-1 -> outside:* {OVER}", UNKNOWN, NO_WAY_TOLD),
    (OLD, AWAY, OPEN, OLD_ROUTE),
    (V24, AWAY, UNKNOWN, MAYBE),
    (UNVERSIONED, AWAY, UNKNOWN, NO_WAY_TOLD),
    (RULED_20, AWAY, SHUT, KEPT_IN),
    (RULED_26, AWAY, SHUT, NO_ROUTE),
    (V26, AWAY, SHUT, NO_ROUTE),
    (V28, AWAY, SHUT, NO_ROUTE),
    (BEHIND, AWAY, OPEN, OLD_ROUTE),
    # Its default gateway network has no IPv6; since Engine 28 IPv6 has its own gateway network.
    (BEHIND, f"proxy-1 -> outside:* {OVER}", SHUT, "proxy has no default route over IPv6"),
    (on(BEHIND, "26.1.5"), f"proxy-1 -> outside:* {OVER}", SHUT, "proxy has no default route over IPv6"),
    (
        on(BEHIND, "28.5.2"),
        f"proxy-1 -> outside:* {OVER}",
        SHUT,
        "backend_net is internal, so proxy has no default route",
    ),
    # To the host.
    *(
        (
            deployment,
            f"db-1 -> host:* on backend_net {OVER}",
            OPEN,
            "the host has an IPv6 address on backend_net, internal or not",
        )
        for deployment in (OLD, V24, V26, V28)
    ),
    *(
        (deployment, "db-1 -> host:* on backend_net over its link", OPEN, "on backend_net, internal or not")
        for deployment in (OLD, V28)
    ),
    (OLD, f"db-1 -> host:* at {LAN_V6}", OPEN, OLD_ROUTE),
    (OLD, f"db-1 -> host:* on frontend_net {OVER}", OPEN, OLD_ROUTE),
    (V24, f"db-1 -> host:* at {LAN_V6}", UNKNOWN, MAYBE),
    (V26, f"db-1 -> host:* at {LAN_V6}", SHUT, NO_ROUTE),
    (V28, f"db-1 -> host:* on frontend_net {OVER}", SHUT, NO_ROUTE),
    (
        V28,
        f"proxy-1 -> host:* at {LAN_V6}",
        OPEN,
        "so proxy has a default route over IPv6: reaches all addresses of the host",
    ),
    (
        DUAL_STACK.connected("db-1", FRONT, "172.30.2.9", "fd00:2::9"),
        "db-1 -> host:* on frontend_net over its link",
        SHUT,
        "db has no IPv6 address on frontend_net in the file",
    ),
    # Services in the host's namespace.
    (AGENT, f"agent-1 -> db-1:3306 on backend_net {OVER}", OPEN, "the engine does not filter the host"),
    (AGENT, f"agent-1 -> outside:* {OVER}", OPEN, "the engine does not filter the host"),
    (AGENT, f"outside -> agent-1:9000 at {LAN_V6}", OPEN, "agent has network_mode host"),
    (AGENT, f"db-1 -> agent-1:9000 on backend_net {OVER}", OPEN, "the host has an IPv6 address on backend_net"),
    (on(AGENT, "28.5.2"), f"db-1 -> agent-1:9000 at {LAN_V6}", SHUT, NO_ROUTE),
    # To published ports.
    (OLD, f"db-1 -> {AT_BACK}", OPEN, PROXIED),
    (V24, f"db-1 -> {AT_BACK}", OPEN, PROXIED),
    (V26, f"db-1 -> {AT_BACK}", OPEN, PROXIED),
    (UNVERSIONED, f"db-1 -> {AT_BACK}", OPEN, PROXIED),  # the kernel shows whether it has rules
    *(
        (deployment, f"db-1 -> {AT_BACK}", SHUT, "db connects over backend_net, which is internal")
        for deployment in (RULED_20, RULED_26)
    ),
    (RULED_20, f"db-1 -> {AT_LAN}", SHUT, KEPT_IN),
    (
        BEHIND.with_engine("20.10.24", filters_ipv6=True),
        f"db-1 -> {AT_LAN}",
        OPEN,
        OLD_ROUTE,
    ),  # no DNAT rule bypasses docker-proxy
    (V27, f"db-1 -> {AT_BACK}", SHUT, "db connects over backend_net, which is internal"),
    (V28, f"db-1 -> {AT_BACK}", SHUT, "db connects over backend_net, which is internal"),
    (
        on(BEHIND, "28.5.2"),
        f"db-1 -> {AT_BACK}",
        OPEN,
        PROXIED,
    ),  # published by its IPv4 address: docker-proxy forwards there
    (on(BEHIND, ""), f"db-1 -> {AT_BACK}", OPEN, PROXIED),
    (V28, f"proxy-1 -> host:* on frontend_net {OVER}", OPEN, "internal or not"),
    (OLD, f"db-1 -> {AT_LAN}", OPEN, OLD_ROUTE),
    (V24, f"db-1 -> {AT_LAN}", UNKNOWN, MAYBE),
    (V26, f"db-1 -> {AT_FRONT}", SHUT, NO_ROUTE),
    (V28, f"db-1 -> {AT_LAN}", SHUT, NO_ROUTE),
    (
        on(FREE, "28.5.2"),
        f"web-1 -> {AT_LAN}",
        OPEN,
        "so web has a default route over IPv6: reaches the published port",
    ),
    (
        on(FREE, "28.5.2"),
        f"web-1 -> {AT_BACK}",
        OPEN,
        "so web has a default route over IPv6: reaches the published port",
    ),
    (
        DUAL_STACK.with_publications("db-1", PublishedPort(EVERYWHERE_V6, 3306, Protocol.TCP, 3306)),
        f"outside -> db-1:3306 at [{LAN_V6}]:3306",
        SHUT,
        "the file does not publish db:3306 on this address",
    ),
    (
        DUAL_STACK.with_service("proxy", ports=[{"target": 80, "published": "8080", "host_ip": EVERYWHERE}]),
        f"outside -> {AT_LAN}",
        SHUT,
        "the file does not publish proxy:80 on this address",
    ),
    # Foreign containers and external networks.
    (SPY, f"spy -> db-1:3306 on backend_net {OVER}", SHUT, "spy has no IPv6 address in the file"),
    (SPY, f"db-1 -> spy:* on backend_net {OVER}", SHUT, "spy is not in the file"),
    (LENT, f"spy -> db-1:3306 on backend_net {OVER}", OPEN, "spy and db share backend_net"),
    (LENT, f"db-1 -> spy:* on backend_net {OVER}", OPEN, "db and spy share backend_net"),
    (LENT, f"app-1 -> db-1:3306 on backend_net {OVER}", OPEN, SHARED),
    (LENT, f"spy -> proxy-1:80 on frontend_net {OVER}", OPEN, "the host forwards from spy to frontend_net"),
    (
        on(LENT, "26.1.5"),
        f"spy -> proxy-1:80 on frontend_net {OVER}",
        SHUT,
        "spy has no default route over IPv6",
    ),
    (on(LENT, "28.5.2"), f"spy -> proxy-1:80 on frontend_net {OVER}", SHUT, f"{ENGINE_DROPS} from spy"),
    (LENT, f"eve -> db-1:3306 on backend_net {OVER}", SHUT, "eve has no IPv6 address in the file"),
    (
        STACK.dual_stack("backend_net").with_network("backend_net", external=True, enable_ipv6=None),
        f"app-1 -> db-1:3306 on backend_net {OVER}",
        OPEN,
        SHARED,
    ),
    # From an internal network to a third network.
    (ASIDE, f"lone-1 -> db-1:3306 on backend_net {OVER}", OPEN, OLD_ROUTE),
    (on(ASIDE, "28.5.2"), f"lone-1 -> db-1:3306 on backend_net {OVER}", SHUT, ENGINE_DROPS),
    (
        on(ASIDE, "28.5.2"),
        "lone-1 -> proxy-1:80 at [fd00:1::1]:8080",
        SHUT,
        "side_net is internal, so lone has no default route over IPv6",
    ),
    # Other gateway modes.
    (
        V28.with_network("frontend_net", driver_opts=ROUTED_V6),
        f"proxy-1 -> outside:* {OVER}",
        UNKNOWN,
        "frontend_net is routed over IPv6, which is not predicted",
    ),
    (V28.with_network("frontend_net", driver_opts=ROUTED_V6), DIRECT, UNKNOWN, "frontend_net is routed over IPv6"),
    (V28.with_network("frontend_net", driver_opts=ROUTED_V6), AWAY, SHUT, NO_ROUTE),
    (V26.with_network("frontend_net", driver_opts=ROUTED_V6), AWAY, SHUT, NO_ROUTE),
    (
        V26.with_network("frontend_net", driver_opts=ROUTED_V6),
        f"proxy-1 -> outside:* {OVER}",
        OPEN,
        "frontend_net is not internal",
    ),
    # Rules for both versions of IP.
    (OLD, f"host -> db-1:3306 on backend_net {OVER}", OPEN, "the host has an address on every bridge"),
    (OLD, "host -> proxy-1:80 at [::1]:8080", OPEN, "the host publishes the port on this address"),
    (
        DUAL_STACK.with_engine_network(FRONT, driver="macvlan"),
        f"proxy-1 -> outside:* {OVER}",
        UNKNOWN,
        "frontend_net uses the driver macvlan",
    ),
]


@pytest.mark.parametrize(("deployment", "flow", "reach", "rule"), ROWS)
def test_a_flow_over_ipv6_is_predicted_by_the_first_rule_that_matches(
    deployment: FakeEngine, flow: str, reach: Reach, rule: str
) -> None:
    found = {label(asked): prediction for asked, prediction in deployment.predicted().items()}[flow]

    assert (reach, True) == (found.reach, rule in found.rule), found.rule


def test_every_rule_over_ipv6_matches_some_flow() -> None:
    spoken = set()
    for deployment, *_ in ROWS:
        view = PredictionContext(deployment.project, deployment.facts)
        for flow in deployment.flows():
            if ":" in flow.endpoint.address:
                spoken.add(next(rule for rule in docker_ipv6.RULES if rule(view, flow)))

    assert spoken >= {rule for rule in docker_ipv6.RULES if rule not in common_rules.COMMON_RULES}


@pytest.mark.parametrize(
    "deployment", [OLD, V24, V26, V27, V28, UNVERSIONED, FILTERED, UNREAD, BEHIND, BEFORE, SPY, AGENT]
)
def test_every_flow_over_ipv6_has_a_prediction_with_a_rule(deployment: FakeEngine) -> None:
    found = deployment.predicted()

    assert deployment.flows() == list(found)
    assert all(prediction.rule for prediction in found.values())


def test_a_stack_with_ipv4_only_has_no_flows_over_ipv6() -> None:
    assert not [flow for flow in STACK.flows() if ":" in flow.endpoint.address]


def test_a_published_port_of_a_service_without_ipv6_is_open_through_docker_proxy() -> None:
    """A container without an IPv6 address gets no DNAT rule, so docker-proxy forwards its port."""
    end = Endpoint("app", "app-1", EndpointKind.PUBLISHED, Protocol.TCP, 5000, "", GATEWAYS_V6[BACK], 5000)
    deployment = on(BEHIND, "28.5.2").with_service("app", networks=None, ports=[{"target": 5000, "published": "5000"}])

    flow = Flow(Vantage("db", "db-1"), end)
    assert OPEN is predictor.predict(deployment.project, deployment.facts, [flow])[flow].reach


# The verdicts.


def found_in(deployment: FakeEngine, judgement: Judgement) -> dict[str, Cause | None]:
    """Return the flows with a judgement, and the cause of each."""
    return {name: item.cause for name, item in deployment.found().items() if item.judgement is judgement}


@pytest.mark.parametrize("deployment", [V27, V28])
def test_since_engine_27_the_isolation_of_the_stack_holds_over_ipv6_too(deployment: FakeEngine) -> None:
    assert 0 == deployment.proof().verdict.exit_code == deployment.with_policy().proof().verdict.exit_code


QUIET = V28.with_policy().found()
OVER_IPV6 = [name for name, item in QUIET.items() if ":" in item.flow.endpoint.address]


@pytest.mark.parametrize("name", OVER_IPV6)
def test_no_flow_over_ipv6_can_be_unknown_in_a_proof(name: str) -> None:
    unseen = observation(Outcome.SILENT, watched=False, evidence="nobody watched")

    assert 3 == V28.with_policy().proof({name: unseen}).verdict.exit_code


@pytest.mark.parametrize("name", [name for name in OVER_IPV6 if QUIET[name].intention.intent is Intent.SHUT])
def test_a_closed_flow_over_ipv6_that_opens_is_a_breach(name: str) -> None:
    assert 1 == V28.with_policy().proof({name: Outcome.ARRIVED}).verdict.exit_code


def test_before_engine_27_ipv6_is_not_filtered_and_the_file_is_the_cause() -> None:
    breaches = found_in(DUAL_STACK.with_policy(), Judgement.BREACH)

    assert {Cause.FILE} == set(breaches.values())
    assert {ACROSS, INWARD, AWAY, f"db-1 -> {AT_BACK}", f"outside -> db-1:* on backend_net {OVER}"} <= set(breaches)
    assert all(OVER in name or "[" in name for name in breaches)
    assert 1 == DUAL_STACK.with_policy().proof().verdict.exit_code


@pytest.mark.parametrize("deployment", [OLD, V26])
def test_ipv6_that_an_old_engine_does_not_filter_is_predicted_and_no_drift(deployment: FakeEngine) -> None:
    assert 0 == deployment.proof().totals["drift"]


def egress(deployment: FakeEngine) -> list[str]:
    """Return the notes about egress."""
    return [note for note in deployment.proof().notes if note.startswith("egress")]


def test_egress_over_one_version_of_ip_is_noted_with_the_version() -> None:
    both, v6 = "egress: proxy can reach the internet", "egress: app, db can reach the internet over IPv6 only"

    assert [both, v6] == egress(OLD)
    assert [both] == egress(V26)
    assert ["egress: proxy can reach the internet over IPv4 only"] == egress(on(BEHIND, "26.1.5"))


def test_without_a_policy_a_flow_that_the_file_closes_and_the_engine_does_not_filter_is_a_breach_by_the_file() -> None:
    breaches = found_in(OLD, Judgement.BREACH)

    assert {Cause.FILE} == set(breaches.values())
    assert {ACROSS, INWARD, AWAY, f"db-1 -> outside:*/udp {OVER}"} <= set(breaches)
    assert ("breached", 1) == (OLD.proof().verdict.word, OLD.proof().verdict.exit_code)


@pytest.mark.parametrize("deployment", [OLD, V26, V27, V28, RULED_26])
def test_no_flow_is_broken_because_the_engine_does_not_filter(deployment: FakeEngine) -> None:
    assert {} == found_in(deployment, Judgement.BROKEN)


@pytest.mark.parametrize("flow", [ACROSS, INWARD, AWAY, f"db-1 -> {AT_BACK}", f"db-1 -> outside:*/udp {OVER}"])
def test_an_open_flow_over_ipv6_is_drift_where_the_engine_has_rules(flow: str) -> None:
    item = V28.with_policy().found({flow: Outcome.ACCEPTED})[flow]

    assert (Judgement.BREACH, Cause.DRIFT) == (item.judgement, item.cause)


def test_a_container_with_an_ipv6_address_that_is_not_in_the_file_is_drift() -> None:
    assert (
        Cause.DRIFT is found_in(GIVEN.with_policy(), Judgement.BREACH)[f"proxy-1 -> db-1:3306 on frontend_net {OVER}"]
    )


def test_a_needed_port_is_open_over_both_versions_of_ip_or_broken() -> None:
    flow = f"app-1 -> db-1:3306 on backend_net {OVER}"

    item = V28.with_policy().found({flow: Outcome.SILENT})[flow]
    assert (Intent.OPEN, Judgement.BROKEN) == (item.intention.intent, item.judgement)


def test_the_outside_is_probed_over_both_versions_of_ip() -> None:
    targets = {flow.endpoint.address for flow in DUAL_STACK.flows() if flow.endpoint.place == "outside"}

    assert {"198.51.100.2", OUTSIDE_SEGMENT_V6[1]} == targets


def test_a_service_with_ipv6_by_a_sysctl_reaches_no_other_address_over_ipv6() -> None:
    deployment = with_sysctl("0")
    end = Endpoint("db", "shop-db-1", EndpointKind.LISTENER, Protocol.TCP, 3306, BACK, "fd00:1::9", 3306)
    (predicted,) = predictor.predict(
        deployment.project, deployment.facts, [Flow(Vantage("app", "shop-app-1"), end)]
    ).values()

    assert predicted.reach is SHUT
