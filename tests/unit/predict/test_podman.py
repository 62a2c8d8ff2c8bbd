"""The predictions over Podman's bridges: one row for each sentence of a rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.fake_engine import (
    BACK,
    DUAL_STACK,
    EVERYWHERE,
    FRONT,
    STACK,
    FakeEngine,
    container,
    foreign_container,
    label,
)

from cloison.model.facts import EngineFacts, PublishedPort, UnmanagedAddress
from cloison.model.flow import Protocol, ip_version
from cloison.model.outcome import Reach
from cloison.predict import podman as predict_podman
from cloison.predict import predictor
from cloison.predict.context import Prediction, PredictionContext

OPEN, SHUT, UNKNOWN = Reach.OPEN, Reach.SHUT, Reach.UNKNOWN
OWN, EDGE = "shop_own_net", "shop_edge_net"


def on(deployment: FakeEngine, version: str = "5.4.2", policy: str = "ACCEPT", **facts: Any) -> FakeEngine:
    """Return a deployment on Podman with nftables, a loose rp_filter, and bridges that are not filtered."""
    told = {"firewall": "nftables", "source_check": "2", **facts}
    return replace(deployment, facts=replace(deployment.facts, engine=EngineFacts("podman", version, policy, **told)))


def lent(deployment: FakeEngine, *, isolate: str | None) -> FakeEngine:
    """Return the deployment in which the proxy's network is external."""
    options = () if isolate is None else (("isolate", isolate),)
    return deployment.with_network("frontend_net", external=True).with_engine_network(FRONT, options=options)


PODMAN = on(STACK)
OLD = on(
    STACK.with_service("old", network_mode="bridge")
    .with_engine_network("bridge", subnets=("172.17.0.0/16",), options=(("isolate", "false"),))
    .with_containers(container("old", ("bridge", "172.17.0.2")))
)
OTHER = (
    STACK.with_network("own_net", name=OWN)
    .with_engine_network(OWN, subnets=("172.30.3.0/24",))
    .with_service("web", networks={"own_net": None})
    .with_containers(container("web", (OWN, "172.30.3.2")))
)
TWO = on(OTHER)
WIDE = on(
    OTHER.with_network("edge_net", name=EDGE)
    .with_engine_network(EDGE, subnets=("172.30.4.0/24",))
    .with_service("proxy", networks={"frontend_net": None, "backend_net": None, "own_net": None})
    .connected("proxy-1", OWN, "172.30.3.3")
)
HELD = on(
    STACK.with_service("db", ports=[{"target": 3306, "published": "3306"}]).with_publications(
        "db-1", PublishedPort(EVERYWHERE, 3306, Protocol.TCP, 3306)
    )
)
TLS = on(
    STACK.with_service("tls", network_mode="service:proxy").with_containers(
        container("tls", network_mode="container:id-of-proxy-1")
    )
)
TWICE = TLS.with_service("proxy", scale=2)
AGENT = on(
    STACK.with_service("agent", network_mode="host")
    .with_containers(container("agent", network_mode="host"))
    .with_listeners("agent-1", 9000)
)
UNMANAGED = on(
    replace(
        STACK,
        facts=replace(STACK.facts, unmanaged_addresses=(UnmanagedAddress("db-1", "hand0", "10.99.9.2", ("app-1",)),)),
    )
)
BARE = on(STACK.with_service("bare", networks={}).with_containers(container("bare")))
SPY = on(STACK.with_containers(foreign_container("spy", (BACK, "172.30.1.66"))))
DRIFTED = on(STACK.connected("db-1", FRONT, "172.30.2.9"))
FILTERED: dict[str, Any] = {"filters_bridges": True}

TO_UNPUBLISHED = "outside -> proxy-1:* on frontend_net"
INNER = "outside -> db-1:3306 on backend_net"
SIDE = "outside -> proxy-1:* on backend_net"
PUBLISHED = "outside -> proxy-1:80 at 192.0.2.10:8080"
ACROSS = "web-1 -> proxy-1:80 on frontend_net"
NO_POLICY = "Podman has no policy inside a network"
DROPPED = "the host's FORWARD policy is DROP, and no rule of Podman precedes it"
ROWS = [
    # Inside a network.
    (PODMAN, "app-1 -> db-1:3306 on backend_net", OPEN, f"app and db share backend_net, and {NO_POLICY}"),
    (on(STACK, policy="DROP"), "app-1 -> db-1:3306 on backend_net", OPEN, NO_POLICY),
    (on(STACK, **FILTERED), "app-1 -> db-1:3306 on backend_net", OPEN, NO_POLICY),
    (on(STACK, policy="DROP", **FILTERED), "app-1 -> db-1:3306 on backend_net", SHUT, DROPPED),
    (on(STACK, policy="", **FILTERED), "app-1 -> db-1:3306 on backend_net", UNKNOWN, "could not be read"),
    (DRIFTED, "proxy-1 -> db-1:3306 on frontend_net", SHUT, "db is not on frontend_net in the file"),
    (DRIFTED, INNER.replace("backend", "frontend"), SHUT, "db is not on frontend_net in the file"),
    # Between two networks.
    (TWO, ACROSS, SHUT, "Podman isolates own_net and frontend_net from each other"),
    (on(OTHER, "4.2.0"), ACROSS, UNKNOWN, "Podman does not report whether it isolates own_net and frontend_net"),
    (on(OTHER, "6.0.0"), ACROSS, UNKNOWN, "has strict isolation"),
    (on(lent(OTHER, isolate="true")), ACROSS, SHUT, "Podman isolates own_net and frontend_net"),
    (on(lent(OTHER, isolate="strict")), ACROSS, UNKNOWN, "has strict isolation"),
    (on(lent(OTHER, isolate="false")), ACROSS, OPEN, "Podman does not isolate own_net and frontend_net"),
    (on(lent(OTHER, isolate="false"), policy="DROP"), ACROSS, SHUT, DROPPED),
    (on(lent(OTHER, isolate="false"), policy="DROP", firewall="iptables"), ACROSS, OPEN, "does not isolate"),
    (on(lent(OTHER, isolate="false"), policy="DROP", firewall=""), ACROSS, UNKNOWN, "firewall backend is unknown"),
    (on(lent(OTHER, isolate=None)), ACROSS, UNKNOWN, "does not report whether"),
    (OLD, "old-1 -> proxy-1:80 on frontend_net", OPEN, "Podman does not isolate bridge and frontend_net"),
    (OLD, "old-1 -> db-1:3306 on backend_net", OPEN, "backend_net is internal, and Podman does not filter packets"),
    (TWO, "web-1 -> db-1:3306 on backend_net", OPEN, "backend_net is internal, and Podman does not filter"),
    (on(OTHER, "4.3.1"), "web-1 -> db-1:3306 on backend_net", UNKNOWN, "Podman before 5 may have left a stale rule"),
    (on(OTHER, "4.3.1"), ACROSS, SHUT, "Podman isolates own_net and frontend_net from each other"),
    (OLD, "db-1 -> proxy-1:80 on frontend_net", SHUT, "every network of db is internal, so it has no default route"),
    # From outside.
    (PODMAN, TO_UNPUBLISHED, OPEN, "frontend_net is routable through the host"),
    (PODMAN, SIDE, OPEN, "backend_net is routable through the host"),
    (PODMAN, INNER, SHUT, "db has no route to the outside over backend_net"),
    (on(STACK, source_check="0"), INNER, OPEN, "internal or not"),
    (on(STACK, source_check="1"), INNER, SHUT, "db has no route to the outside"),
    (on(STACK, source_check="1"), TO_UNPUBLISHED, OPEN, "internal or not"),
    (on(STACK, source_check="1"), SIDE, SHUT, "proxy has no route to the outside over backend_net"),
    (on(WIDE, source_check="1"), TO_UNPUBLISHED, UNKNOWN, "at random through which of its networks proxy answers"),
    (on(STACK, source_check=""), INNER, UNKNOWN, "rp_filter could not be read"),
    (on(STACK, policy="DROP", firewall="iptables"), TO_UNPUBLISHED, SHUT, DROPPED),
    (on(STACK, policy=""), TO_UNPUBLISHED, UNKNOWN, "the host's FORWARD policy could not be read"),
    (PODMAN, PUBLISHED, OPEN, "port 8080 of the host is published to every machine"),
    (on(STACK, policy="DROP", firewall="iptables"), PUBLISHED, SHUT, DROPPED),
    # To the outside, and to the host.
    (PODMAN, "proxy-1 -> outside:*", OPEN, "frontend_net is not internal, so proxy has egress"),
    (on(STACK, policy="DROP"), "proxy-1 -> outside:*", SHUT, DROPPED),
    (on(STACK, policy="DROP", firewall="iptables"), "proxy-1 -> outside:*", OPEN, "so proxy has egress"),
    (PODMAN, "db-1 -> outside:*", SHUT, "every network of db is internal"),
    (PODMAN, "db-1 -> host:* on backend_net", OPEN, "the host has an address on backend_net, internal or not"),
    (PODMAN, "db-1 -> host:* on frontend_net", SHUT, "every network of db is internal"),
    (TWO, "web-1 -> host:* on backend_net", OPEN, "the host answers on its address on backend_net to containers"),
    (BARE, "bare-1 -> outside:*", SHUT, "bare has no network in the file"),
    (SPY, "spy -> db-1:3306 on backend_net", SHUT, "spy is not in the file"),
    # Published ports, from containers.
    (TWO, "web-1 -> proxy-1:80 at 192.0.2.10:8080", SHUT, "Podman isolates own_net and frontend_net"),
    (WIDE, "web-1 -> proxy-1:80 at 192.0.2.10:8080", UNKNOWN, "Podman chooses at random which of their networks"),
    (OLD, "old-1 -> proxy-1:80 at 192.0.2.10:8080", OPEN, "Podman does not isolate bridge and frontend_net"),
    (PODMAN, "db-1 -> proxy-1:80 at 192.0.2.10:8080", SHUT, "every network of db is internal"),
    (PODMAN, "db-1 -> proxy-1:80 at 172.30.1.1:8080", SHUT, "db connects over backend_net, which is internal"),
    (
        on(STACK.with_service("app", networks={"frontend_net": None})),
        "app-1 -> proxy-1:80 at 172.30.2.1:8080",
        OPEN,
        "a published port is also open to its own network",
    ),
    (TLS, "tls-1 -> proxy-1:80 at 192.0.2.10:8080", SHUT, "tls and proxy share a network namespace"),
    (TWICE, "tls-1 -> proxy-1:80 at 192.0.2.10:8080", UNKNOWN, "container of proxy that shares its namespace with tls"),
    (HELD, "outside -> db-1:3306 at 192.0.2.10:3306", OPEN, "Podman forwards the port nowhere and answers itself"),
    (HELD, "host -> db-1:3306 at 192.0.2.10:3306", OPEN, "every network of db is internal: Podman forwards the port"),
    (HELD, "proxy-1 -> db-1:3306 at 192.0.2.10:3306", OPEN, "and answers itself"),
    (HELD, "app-1 -> db-1:3306 at 172.30.1.1:3306", OPEN, "and answers itself"),
    (HELD, "app-1 -> db-1:3306 at 192.0.2.10:3306", SHUT, "every network of app is internal"),
    # Services in the host's namespace.
    (AGENT, "outside -> agent-1:9000 at 192.0.2.10", OPEN, "and the engine does not filter packets to the host"),
    (AGENT, "db-1 -> agent-1:9000 on backend_net", OPEN, "the host has an address on backend_net, internal or not"),
    (AGENT, "db-1 -> agent-1:9000 at 192.0.2.10", SHUT, "every network of db is internal, so it has no default route"),
    (AGENT, "proxy-1 -> agent-1:9000 at 192.0.2.10", OPEN, "the host answers on all of its addresses"),
    # Rules that Docker has too.
    (UNMANAGED, "app-1 -> db-1:3306 at 10.99.9.2", SHUT,
     "neither the file nor the engine assigns 10.99.9.2 to db"),
    (PODMAN, "host -> db-1:3306 on backend_net", OPEN, "the host has an address on every bridge"),
    (PODMAN, "host -> proxy-1:80 at 127.0.0.1:8080", OPEN, "the host publishes the port on this address"),
    (on(STACK.with_service("proxy", ports=[])), PUBLISHED, SHUT, "the file does not publish proxy:80 on this address"),
    (TLS, "tls-1 -> proxy-1:80 on frontend_net", OPEN, "share the network namespace of proxy"),
    (on(STACK.with_service("db", network_mode="none")), "db-1 -> outside:*", SHUT, "db has network_mode none"),
    (on(STACK.with_engine_network(FRONT, driver="macvlan")), "proxy-1 -> outside:*", UNKNOWN,
     "uses the driver macvlan"),
    # Over IPv6.
    (on(DUAL_STACK), "app-1 -> db-1:3306 on backend_net over IPv6", UNKNOWN,
     "Podman's IPv6 is not predicted"),
    (on(DUAL_STACK), "outside -> db-1:3306 on backend_net over IPv6", UNKNOWN,
     "Podman's IPv6 is not predicted"),
    (on(DUAL_STACK), "host -> db-1:3306 on backend_net over IPv6", OPEN, "the host has an address on every bridge"),
    (on(DUAL_STACK), "host -> proxy-1:80 at [::1]:8080", UNKNOWN, "Podman's IPv6 is not predicted"),
    (on(STACK.dual_stack("frontend_net")), "db-1 -> outside:* over IPv6", SHUT, "db has no IPv6 address in the file"),
]  # fmt: skip


def predictions(deployment: FakeEngine) -> dict[str, Prediction]:
    """Return the predictions by the labels of their flows."""
    return {
        label(f): found
        for f, found in predictor.predict(deployment.project, deployment.facts, deployment.flows()).items()
    }


@pytest.mark.parametrize(("deployment", "flow", "reach", "rule"), ROWS)
def test_a_flow_is_predicted_by_the_first_rule_that_matches(
    deployment: FakeEngine, flow: str, reach: Reach, rule: str
) -> None:
    found = predictions(deployment)[flow]

    assert reach is found.reach
    assert rule in found.rule


@pytest.mark.parametrize("deployment", {id(row[0]): row[0] for row in ROWS}.values())
def test_every_flow_is_predicted_by_a_rule(deployment: FakeEngine) -> None:
    found = predictions(deployment)

    assert found
    assert "no rule matches this flow" not in {prediction.rule for prediction in found.values()}


def test_every_rule_matches_some_flow() -> None:
    spoken = set()
    for deployment, *_ in ROWS:
        view = PredictionContext(deployment.project, deployment.facts)
        for flow in deployment.flows():
            rules = predict_podman.RULES if ip_version(flow.endpoint.address) == 4 else predict_podman.RULES_V6
            spoken.add(next(rule for rule in rules if rule(view, flow)))

    assert {*predict_podman.RULES, *predict_podman.RULES_V6} == spoken


def test_each_engine_has_its_own_rules() -> None:
    docker, podman = predictions(STACK), predictions(PODMAN)

    assert docker.keys() == podman.keys()
    assert (SHUT, OPEN) == (docker[SIDE].reach, podman[SIDE].reach)
