"""The predictions over Docker's bridges and IPv4: one row for each sentence of a rule."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.fake_engine import BACK, EVERYWHERE, FRONT, LAN, STACK, FakeEngine, container, foreign_container, label

from cloison.model.facts import PublishedPort, UnmanagedAddress
from cloison.model.flow import Endpoint, EndpointKind, Flow, Protocol, Vantage
from cloison.model.outcome import Reach
from cloison.predict import docker_ipv4, predictor
from cloison.predict.context import Prediction, PredictionContext

OPEN, SHUT, UNKNOWN = Reach.OPEN, Reach.SHUT, Reach.UNKNOWN
ICC_OFF = {"com.docker.network.bridge.enable_icc": "false"}
BARE_OPTIONS = {"com.docker.network.bridge.enable_ip_masquerade": "false"}
PLAIN = STACK.with_network("backend_net", internal=False, driver_opts=BARE_OPTIONS)
APART = PLAIN.with_service("proxy", networks={"frontend_net": None})
AGENT = (
    STACK.with_service("agent", network_mode="host")
    .with_containers(container("agent", network_mode="host"))
    .with_listeners("agent-1", 9000)
)
MOVED_HOME = STACK.disconnected("db-1", BACK).with_network_mode("db-1", "host")
NOWHERE = STACK.with_service("job", network_mode="none").with_containers(container("job", network_mode="none"))
TAIL = STACK.with_service("tail", network_mode="container:x").with_containers(
    container("tail", network_mode="container:x")
)
DUMP = STACK.with_service("dump", network_mode="service:db").with_containers(
    container("dump", network_mode="container:id-of-db-1")
)
OLD = (
    STACK.with_service("old", network_mode="bridge")
    .with_engine_network("bridge", subnets=("172.17.0.0/16",))
    .with_containers(container("old", ("bridge", "172.17.0.2")))
)
SHARED_BRIDGE = OLD.with_containers(foreign_container("spy", ("bridge", "172.17.0.9")))
BARE = STACK.with_service("bare", networks={}).with_containers(container("bare"))
SPY = STACK.with_containers(foreign_container("spy", (BACK, "172.30.1.66"), (FRONT, "172.30.2.66")))
DRIFTED = STACK.connected("db-1", FRONT, "172.30.2.9")
EXTERNAL = SPY.with_network("backend_net", external=True)
TLS = STACK.with_service("tls", network_mode="service:proxy").with_containers(
    container("tls", network_mode="container:id-of-proxy-1")
)
LENT = STACK.with_network("frontend_net", external=True)
VLAN = STACK.with_engine_network(FRONT, driver="macvlan")
ALIEN = (
    STACK.with_engine_network("other_net", subnets=("172.30.9.0/24",))
    .with_host_addresses("172.30.9.1")
    .connected("db-1", "other_net", "172.30.9.7")
)
STALE = STACK.with_publications("db-1", PublishedPort(EVERYWHERE, 3306, Protocol.TCP, 3306))
LOCAL = STACK.with_service("proxy", ports=[{"target": 80, "published": "8080", "host_ip": "127.0.0.1"}])
MOVED = STACK.with_service("proxy", ports=[{"target": 80, "published": "9090"}])
RANGED = STACK.with_service("proxy", ports=[{"target": 80, "published": "8000-9000"}])
ONLY_SIX = STACK.with_service("proxy", ports=[{"target": 80, "published": "8080", "host_ip": "::"}])
NEW = STACK.with_engine("28.5.2")
GUEST = NEW.with_service("guest", networks={"guest_net": None}).with_network("guest_net", name="shop_guest_net")
GUEST = GUEST.with_engine_network("shop_guest_net", subnets=("172.30.3.0/24",)).with_containers(
    container("guest", ("shop_guest_net", "172.30.3.2"))
)


def moded(mode: str, network: str = "frontend_net") -> FakeEngine:
    """Return the guest's engine with a network of that gateway mode."""
    return GUEST.with_network(network, driver_opts={"com.docker.network.bridge.gateway_mode_ipv4": mode})


ROUTED, UNPROTECTED, ISOLATED = moded("routed"), moded("nat-unprotected"), moded("isolated", "backend_net")
DEMOTED = ROUTED.with_network("backend_net", internal=False)
PREFERRED = DEMOTED.with_service("proxy", networks={"frontend_net": {"gw_priority": 1}, "backend_net": None})
TRUSTING = NEW.with_network("frontend_net", driver_opts={"com.docker.network.bridge.trusted_host_interfaces": "eth1"})
UNGUARDED = STACK.with_engine("28.5.2", guards_addresses=False)
FILTERED = GUEST.with_engine("28.5.2", has_userland_proxy=False)

STRICT = STACK.with_service("proxy", sysctls={"net.ipv4.conf.all.rp_filter": "1"})
LOOSE = STACK.with_service("proxy", sysctls={"net.ipv4.conf.all.rp_filter": "2", "net.ipv4.ip_forward": "1"})

SHARED = "share backend_net, and Docker has no policy inside a network"
IS_INTERNAL = "backend_net is internal"
PUBLISHED = "outside -> proxy-1:80 at 192.0.2.10:8080"
DIRECT = "outside -> proxy-1:80 on frontend_net"
TO_UNPUBLISHED = "outside -> proxy-1:* on frontend_net"
NOT_THERE = "the file does not publish proxy:80 on this address"
UNMANAGED = replace(
    STACK, facts=replace(STACK.facts, unmanaged_addresses=(UnmanagedAddress("db-1", "hand0", "10.99.9.2", ("app-1",)),))
)
ROWS = [
    (UNMANAGED, "app-1 -> db-1:3306 at 10.99.9.2", SHUT,
     "neither the file nor the engine assigns 10.99.9.2 to db"),
    # Inside a network, and between two networks.
    (STACK, "app-1 -> db-1:3306 on backend_net", OPEN, f"app and db {SHARED}"),
    (STACK, "proxy-1 -> db-1:* on backend_net", OPEN, f"proxy and db {SHARED}"),
    (STACK, "db-1 -> proxy-1:80 on frontend_net", SHUT, "db is not on frontend_net in the file"),
    (DRIFTED, "proxy-1 -> db-1:3306 on frontend_net", SHUT, "db is not on frontend_net in the file"),
    (DRIFTED, "db-1 -> proxy-1:80 on frontend_net", SHUT, "db is not on frontend_net in the file"),
    (STACK.disconnected("db-1", BACK), "app-1 -> db-1:* on backend_net", OPEN, f"app and db {SHARED}"),
    (STACK.with_stopped("db-1"), "app-1 -> db:* on backend_net", OPEN, f"app and db {SHARED}"),
    (STACK.with_stopped("db-1"), "db -> app-1:5000 on backend_net", OPEN, f"db and app {SHARED}"),
    (ALIEN, "app-1 -> db-1:* on other_net", SHUT, "db is not on other_net in the file"),
    (STACK.with_network("backend_net", driver_opts=ICC_OFF), "app-1 -> db-1:3306 on backend_net", UNKNOWN,
     "known to be incomplete"),
    (STACK.with_engine_network(BACK, options=tuple(ICC_OFF.items())), "app-1 -> db-1:3306 on backend_net", OPEN,
     SHARED),
    (
        LENT.with_service("app", networks={"frontend_net": None})
         .with_engine_network(FRONT, options=tuple(ICC_OFF.items())),
        "app-1 -> proxy-1:80 on frontend_net",
        UNKNOWN,
        "frontend_net has inter-container communication off, which is known to be incomplete",
    ),
    (OLD, "app-1 -> old-1:* on bridge", SHUT, "app is not on bridge in the file"),
    # Foreign containers.
    (SPY, "spy -> db-1:3306 on backend_net", SHUT, "spy is not in the file"),
    (SPY, "db-1 -> spy:* on backend_net", SHUT, "spy is not in the file"),
    (EXTERNAL, "spy -> db-1:3306 on backend_net", OPEN, f"spy and db {SHARED}"),
    (EXTERNAL, "db-1 -> spy:* on backend_net", OPEN, SHARED),
    (EXTERNAL, "spy -> proxy-1:80 on frontend_net", SHUT, "spy is not in the file"),
    (SHARED_BRIDGE, "spy -> old-1:* on bridge", OPEN, "spy and old share bridge"),
    (SHARED_BRIDGE, "old-1 -> spy:* on bridge", OPEN, "old and spy share bridge"),
    (SHARED_BRIDGE, "app-1 -> spy:* on bridge", SHUT, "app is not on bridge in the file"),
    # Namespaces.
    (DUMP, "dump-1 -> db-1:3306 on backend_net", OPEN, "dump and db share the network namespace of db"),
    (DUMP, "dump-1 -> app-1:5000 on backend_net", OPEN, f"dump and app {SHARED}"),
    (DUMP, "dump-1 -> outside:*", SHUT, "every network of dump is internal"),
    (TLS, "tls-1 -> proxy-1:80 at 172.30.1.1:8080", SHUT, "tls connects over backend_net, which is internal"),
    (TLS, "tls-1 -> proxy-1:80 at 172.30.2.1:8080", OPEN, "open to the containers of other networks too"),
    (AGENT, "agent-1 -> db-1:3306 on backend_net", OPEN, "network_mode host, and the engine does not filter the host"),
    (NOWHERE, "job-1 -> db-1:3306 on backend_net", SHUT, "job has network_mode none"),
    (NOWHERE, "job-1 -> outside:*", SHUT, "job has network_mode none"),
    (TAIL, "tail-1 -> db-1:3306 on backend_net", UNKNOWN, "the namespace of a container that is not in the file"),
    # Other drivers.
    (VLAN, "proxy-1 -> outside:*", UNKNOWN, "frontend_net uses the driver macvlan, which is not predicted"),
    (VLAN, "db-1 -> proxy-1:80 on frontend_net", UNKNOWN, "frontend_net uses the driver macvlan"),
    (VLAN, "app-1 -> db-1:3306 on backend_net", OPEN, SHARED),
    (VLAN.with_engine_network(BACK, driver="ipvlan"), "proxy-1 -> outside:*", UNKNOWN,
     "backend_net uses the driver ipvlan"),
    (AGENT.with_engine_network(FRONT, driver="macvlan"), "agent-1 -> proxy-1:80 on frontend_net", UNKNOWN,
     "uses the driver macvlan"),
    (AGENT.with_engine_network(FRONT, driver="macvlan"), "agent-1 -> db-1:3306 on backend_net", OPEN,
     "the engine does not filter the host"),
    (STACK.with_engine_network(FRONT, driver=""), "proxy-1 -> outside:*", UNKNOWN, "the file does not give its driver"),
    # Services in the host's namespace.
    (AGENT, "outside -> agent-1:9000 at 192.0.2.10", OPEN, "agent has network_mode host"),
    (AGENT, "host -> agent-1:9000 on backend_net", OPEN, "agent has network_mode host"),
    (AGENT, "db-1 -> agent-1:9000 on backend_net", OPEN, "the host has an address on backend_net"),
    (AGENT, "agent-1 -> host:* on backend_net", OPEN, "the engine does not filter the host"),
    (MOVED_HOME, "outside -> db-1:3306 at 192.0.2.10", SHUT, "db is not in the host's namespace in the file"),
    (MOVED_HOME, "app-1 -> db-1:3306 at 192.0.2.10", SHUT, "db is not in the host's namespace in the file"),
    # From the host.
    (STACK, "host -> db-1:3306 on backend_net", OPEN, "the host has an address on every bridge"),
    (STACK, "host -> proxy-1:80 at 127.0.0.1:8080", OPEN, "the host publishes the port on this address"),
    (ALIEN, "host -> db-1:* on other_net", SHUT, "db is not on other_net in the file"),
    # From outside.
    (STACK, PUBLISHED, OPEN, "port 8080 of the host is published to every machine"),
    (STACK, "outside -> db-1:3306 on backend_net", SHUT, IS_INTERNAL),
    (STACK, "outside -> proxy-1:80 on backend_net", SHUT, IS_INTERNAL),
    (STACK, DIRECT, OPEN, "before Engine 28 a published port is also open on the container's address"),
    (STACK, TO_UNPUBLISHED, SHUT, "the host does not forward packets to an unpublished port (FORWARD policy DROP)"),
    (STACK.with_engine("27.5.1", "ACCEPT"), TO_UNPUBLISHED, OPEN, "FORWARD policy is ACCEPT"),
    (STACK.with_engine("27.5.1", ""), TO_UNPUBLISHED, UNKNOWN, "the host's FORWARD policy could not be read"),
    (STACK.with_engine("27.5.1", ""), DIRECT, OPEN, "before Engine 28"),
    (STACK.with_engine("28.0.0", "ACCEPT"), DIRECT, SHUT, "Engine 28 and later drop packets"),
    (STACK.with_engine("29.1.3"), TO_UNPUBLISHED, SHUT, "Engine 28 and later"),
    (STACK.with_engine("29.1.3"), PUBLISHED, OPEN, "published to every machine"),
    (STACK.with_engine(""), DIRECT, UNKNOWN, "the engine does not report its version"),
    (LOCAL, DIRECT, OPEN, "before Engine 28 a published port is also open"),
    (ONLY_SIX, DIRECT, SHUT, "the host does not forward packets to an unpublished port"),
    (STACK.with_service("proxy", ports=[]), DIRECT, SHUT, "the host does not forward packets to an unpublished port"),
    (DRIFTED, "outside -> db-1:3306 on frontend_net", SHUT, "db is not on frontend_net in the file"),
    (ALIEN, "outside -> db-1:* on other_net", SHUT, "db is not on other_net in the file"),
    (LENT, TO_UNPUBLISHED, SHUT, "FORWARD policy DROP"),
    (LENT.with_engine_network(FRONT, internal=True), TO_UNPUBLISHED, SHUT, "frontend_net is internal"),
    (STACK.with_engine_network(BACK, internal=False), "outside -> db-1:3306 on backend_net", SHUT, IS_INTERNAL),
    (STACK.with_network("backend_net", internal=False), "outside -> db-1:* on backend_net", SHUT,
     "FORWARD policy DROP"),
    # To the outside.
    (STACK, "db-1 -> outside:*", SHUT, "every network of db is internal"),
    (STACK, "proxy-1 -> outside:*", OPEN, "frontend_net is not internal, so proxy has egress"),
    (DRIFTED, "db-1 -> outside:*", SHUT, "every network of db is internal"),
    (STACK.with_network("backend_net", internal=False), "db-1 -> outside:*", OPEN, "backend_net is not internal"),
    (OLD, "old-1 -> outside:*", OPEN, "bridge is not internal, so old has egress"),
    (BARE, "bare-1 -> outside:*", SHUT, "bare has no network in the file"),
    # To the host.
    (STACK, "db-1 -> host:* on backend_net", OPEN, "the host has an address on backend_net, internal or not"),
    (STACK, "db-1 -> host:* on frontend_net", OPEN, "the host answers on its address on frontend_net"),
    (STACK, "proxy-1 -> host:* at 192.0.2.10", OPEN, "the host answers on all of its addresses"),
    (STACK.with_listeners("", 22), "db-1 -> host:22 on backend_net", OPEN, "the host has an address on backend_net"),
    (BARE, "bare-1 -> host:* on backend_net", SHUT, "bare has no network in the file"),
    (STRICT, "host -> proxy-1:80 at 172.30.1.1:8080", UNKNOWN, "makes proxy filter by the reverse path"),
    (STRICT, "host -> proxy-1:80 at 172.30.2.1:8080", OPEN, "the host publishes the port"),
    (STRICT, "host -> proxy-1:80 at 127.0.0.1:8080", OPEN, "the host publishes the port"),
    (LOOSE, "host -> proxy-1:80 at 172.30.1.1:8080", OPEN, "the host publishes the port"),
    # From containers to published ports.
    (STACK, "db-1 -> proxy-1:80 at 192.0.2.10:8080", SHUT, "db connects over backend_net, which is internal"),
    (OLD, "old-1 -> proxy-1:80 at 192.0.2.10:8080", OPEN, "open to the containers of other networks too"),
    (OLD, "old-1 -> proxy-1:80 at 172.30.2.1:8080", OPEN, "open to the containers of other networks too"),
    (
        STACK.with_service("app", networks={"backend_net": None, "frontend_net": None}),
        "app-1 -> proxy-1:80 at 172.30.1.1:8080",
        SHUT,
        "app connects over backend_net, which is internal",
    ),
    (BARE, "bare-1 -> proxy-1:80 at 192.0.2.10:8080", SHUT, "bare has no network in the file"),
    (PLAIN, "app-1 -> proxy-1:80 at 192.0.2.10:8080", OPEN, "open to the containers of other networks too"),
    (APART, "app-1 -> proxy-1:80 at 192.0.2.10:8080", SHUT, "backend_net does not masquerade, so a published port"),
    (
        APART.with_network("backend_net", external=True).with_engine_network(BACK, internal=False),
        "app-1 -> proxy-1:80 at 192.0.2.10:8080",
        OPEN,
        "open to the containers of other networks too",
    ),
    (
        APART.with_network("backend_net", external=True)
         .with_engine_network(BACK, internal=False, options=tuple(BARE_OPTIONS.items())),
        "app-1 -> proxy-1:80 at 192.0.2.10:8080",
        SHUT,
        "backend_net does not masquerade",
    ),
    # Engines without docker-proxy.
    (FILTERED, "guest-1 -> proxy-1:80 at 192.0.2.10:8080", SHUT, "the engine has no userland proxy, so a published"),
    (
        FILTERED.with_service("guest", networks={"frontend_net": None}),
        "guest-1 -> proxy-1:80 at 192.0.2.10:8080",
        OPEN,
        "open to the containers of other networks too",
    ),
    # Internal networks without a default route.
    (STACK.with_engine("24.0.9"), "db-1 -> host:* on frontend_net", OPEN, "the host answers on its address"),
    (STACK.with_engine("25.0.0"), "db-1 -> host:* on frontend_net", SHUT,
     "every network of db is internal, so since Engine 25"),
    (STACK.with_engine("25.0.0"), "db-1 -> host:* on backend_net", OPEN, "the host has an address on backend_net"),
    (GUEST, "guest-1 -> host:* on backend_net", OPEN, "the host answers on its address on backend_net"),
    # Gateway modes.
    (ROUTED, DIRECT, OPEN, "frontend_net is routed, so a published port is open on the container's address"),
    (ROUTED, TO_UNPUBLISHED, SHUT, "Engine 28 and later drop"),
    (ROUTED, PUBLISHED, SHUT, "frontend_net is routed, so the host publishes nothing for proxy"),
    (ROUTED, "guest-1 -> proxy-1:80 on frontend_net", OPEN, "frontend_net is routed, so a published port is open"),
    (ROUTED, "guest-1 -> proxy-1:* on frontend_net", SHUT, "guest is not on frontend_net in the file"),
    (ROUTED, "db-1 -> proxy-1:80 on frontend_net", SHUT, "db is not on frontend_net in the file"),
    (GUEST, "guest-1 -> proxy-1:80 on frontend_net", SHUT, "guest is not on frontend_net in the file"),
    (moded("routed", "backend_net"), "guest-1 -> proxy-1:80 on backend_net", SHUT, "guest is not on backend_net"),
    (ROUTED.with_engine("27.5.1"), DIRECT, OPEN, "frontend_net is routed"),
    (ROUTED.with_engine("27.5.1"), "guest-1 -> proxy-1:80 on frontend_net", SHUT, "guest is not on"),
    (ROUTED.with_engine("26.1.5"), DIRECT, OPEN, "before Engine 28"),
    (ROUTED.with_engine("26.1.5"), PUBLISHED, OPEN, "published to every machine"),
    (DEMOTED, DIRECT, SHUT, "frontend_net is routed, and proxy publishes through backend_net"),
    (DEMOTED, "guest-1 -> proxy-1:80 on frontend_net", SHUT, "and proxy publishes through backend_net"),
    (DEMOTED.with_engine("29.1.3"), DIRECT, UNKNOWN, "not the gateway of proxy, and Engine 29 changed this rule"),
    (PREFERRED, DIRECT, OPEN, "frontend_net is routed, so a published port is open"),
    (PREFERRED.with_engine("27.5.1"), DIRECT, SHUT, "proxy publishes through backend_net"),
    (UNPROTECTED, DIRECT, OPEN, "frontend_net is nat-unprotected, so every port of its members is routable"),
    (UNPROTECTED, TO_UNPUBLISHED, OPEN, "nat-unprotected"),
    (UNPROTECTED, PUBLISHED, OPEN, "published to every machine"),
    (UNPROTECTED, "guest-1 -> proxy-1:80 on frontend_net", SHUT, "guest is not on frontend_net in the file"),
    (UNPROTECTED.with_engine("26.1.5"), TO_UNPUBLISHED, SHUT, "FORWARD policy DROP"),
    (ISOLATED, "host -> db-1:3306 on backend_net", SHUT, "backend_net is isolated: the host has no address on it"),
    (ISOLATED.with_engine("26.1.5"), "host -> db-1:3306 on backend_net", OPEN,
     "the host has an address on every bridge"),
    (
        ISOLATED.with_service("agent", network_mode="host").with_containers(container("agent", network_mode="host")),
        "agent-1 -> db-1:3306 on backend_net",
        SHUT,
        "agent is not on backend_net in the file",
    ),
    # Direct routing on an engine with --allow-direct-routing.
    (UNGUARDED, DIRECT, OPEN, "the engine allows direct routing"),
    (UNGUARDED, TO_UNPUBLISHED, SHUT, "Engine 28 and later drop"),
    (TRUSTING, DIRECT, UNKNOWN, "frontend_net trusts eth1, and the outside may be behind another interface"),
    (TRUSTING, TO_UNPUBLISHED, SHUT, "Engine 28 and later drop"),
    (TRUSTING.with_engine("28.1.0"), DIRECT, SHUT, "Engine 28 and later drop"),
    # Ports that the engine publishes and the file does not.
    (STALE, "outside -> db-1:3306 at 192.0.2.10:3306", SHUT, "the file does not publish db:3306 on this address"),
    (STALE, "host -> db-1:3306 at 192.0.2.10:3306", SHUT, "the file does not publish db:3306 on this address"),
    (STALE.with_network("backend_net", internal=False), "outside -> db-1:3306 on backend_net", SHUT,
     "FORWARD policy DROP"),
    (LOCAL, PUBLISHED, SHUT, NOT_THERE),
    (LOCAL, "host -> proxy-1:80 at 127.0.0.1:8080", OPEN, "the host publishes the port on this address"),
    (MOVED, PUBLISHED, SHUT, NOT_THERE),
    (ONLY_SIX, PUBLISHED, SHUT, NOT_THERE),
    (RANGED, PUBLISHED, OPEN, "published to every machine"),
    (STACK.with_service("proxy", ports=[{"target": 80, "protocol": "udp"}]), PUBLISHED, SHUT, NOT_THERE),
]  # fmt: skip


def predictions(deployment: FakeEngine) -> dict[str, Prediction]:
    """Return the predictions by the labels of their flows."""
    return {label(flow): prediction for flow, prediction in deployment.predicted().items()}


@pytest.mark.parametrize(("deployment", "flow", "reach", "rule"), ROWS)
def test_a_flow_is_predicted_by_the_first_rule_that_matches(
    deployment: FakeEngine, flow: str, reach: Reach, rule: str
) -> None:
    found = predictions(deployment)[flow]

    assert reach is found.reach
    assert rule in found.rule


@pytest.mark.parametrize("deployment", {id(row[0]): row[0] for row in ROWS}.values())
def test_every_flow_has_a_prediction_with_a_rule(deployment: FakeEngine) -> None:
    found = deployment.predicted()

    assert deployment.flows() == list(found)
    assert all(prediction.rule for prediction in found.values())


def test_every_rule_matches_some_flow() -> None:
    spoken = set()
    for deployment, *_ in ROWS:
        view = PredictionContext(deployment.project, deployment.facts)
        for flow in deployment.flows():
            spoken.add(next(rule for rule in docker_ipv4.RULES if rule(view, flow)))

    assert set(docker_ipv4.RULES) == spoken


def test_a_prediction_does_not_depend_on_listeners() -> None:
    reaches = {name: found.reach for name, found in predictions(STACK.without_listeners("db-1").with_policy()).items()}

    assert {name: found.reach for name, found in predictions(STACK.with_policy()).items()} == reaches


@pytest.mark.parametrize(
    ("flow", "prediction"),
    [
        (
            Flow(Vantage("host"), Endpoint("outside", "", EndpointKind.CANARY, Protocol.TCP, 0, "", "198.51.100.2", 0)),
            Prediction(OPEN, "the host has a link to the outside"),
        ),
        (
            Flow(Vantage("app", "app-1"), Endpoint("db", "db-1", EndpointKind.CANARY, Protocol.TCP, 0, "ghost",
             LAN, 0)),
            Prediction(SHUT, "db is not on ghost in the file"),
        ),
        (
            Flow(
                Vantage("outside"),
                Endpoint("stranger:spy", "spy", EndpointKind.PUBLISHED, Protocol.TCP, 22, "", LAN, 22),
            ),
            Prediction(SHUT, "the file does not publish spy:22 on this address"),
        ),
    ],
)  # fmt: skip
def test_flows_that_are_in_no_proof_are_predicted_too(flow: Flow, prediction: Prediction) -> None:
    assert {flow: prediction} == predictor.predict(STACK.project, STACK.facts, [flow])


def test_a_network_that_the_engine_does_not_have_has_the_driver_of_the_file() -> None:
    deployment = STACK.with_network("frontend_net", name="shop_lan", driver="macvlan")

    assert UNKNOWN is predictions(deployment)["proxy-1 -> outside:*"].reach
