"""Generated deployments: a few services on any networks, on an engine that follows the file or has drifted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from hypothesis import strategies as st
from tests.unit.fake_engine import FakeEngine, container, foreign_container

from cloison.model.facts import Container, EngineFacts, Facts, Listener, NetworkFacts, PublishedPort
from cloison.model.flow import HOST, WILDCARD, Protocol
from cloison.model.outcome import REACH, observation

NAMES: Final = ("a", "b", "c")
NETWORKS: Final = ("n1", "n2", "n3")
PLACES: Final = (*NAMES, "host", "outside", "*")
NETWORK_LISTS: Final = st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=3, unique=True)
MODES: Final = st.sampled_from([None, None, None, None, "host", "none", "service:a"])
SEEN: Final = [observation(outcome, watched=watched, evidence="generated") for outcome, watched in REACH]


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """Generate a Compose file."""
    services = {name: draw(_bodies(name)) for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))}
    for body in [*services.values()]:
        if body["network_mode"] == "service:a":
            # A side-car cannot start without its owner.
            services.setdefault("a", draw(_bodies("a")))["scale"] = 1
        if body["network_mode"]:
            body |= {"networks": None, "ports": None}
    networks = {
        key: {"name": f"shop_{key}", "internal": draw(st.booleans()), "enable_ipv6": draw(st.booleans())}
        for key in NETWORKS
    }
    return {"name": "shop", "services": services, "networks": networks}


@st.composite
def _bodies(draw: st.DrawFn, name: str) -> dict[str, Any]:
    published = {"target": 80, "published": str(8080 + NAMES.index(name))}
    return {
        "network_mode": draw(MODES if name != "a" else st.none()),
        "networks": dict.fromkeys(draw(NETWORK_LISTS)),
        "ports": draw(st.sampled_from([[], [published]])),
        "scale": draw(st.integers(0, 2)),
    }


def faithful(file: Mapping[str, Any], version: str = "20.10.24", *, has_ipv6_rules: bool = False) -> FakeEngine:
    """Return the deployment on an engine that follows the file; an older one may need `--ip6tables`."""
    has_ipv6_rules |= version >= "27"
    containers = [
        _container(file, name, number)
        for name, body in file["services"].items()
        for number in range(1, body["scale"] + 1)
    ]
    networks = tuple(_network(body, i) for i, body in enumerate(file["networks"].values()))
    ipv6_networks = {key: i for i, key in enumerate(NETWORKS) if file["networks"][key]["enable_ipv6"]}
    facts = Facts(
        EngineFacts("docker", version, "DROP", "DROP" if has_ipv6_rules else "ACCEPT", filters_ipv6=has_ipv6_rules),
        tuple(containers),
        networks,
        host_addresses=(
            *("127.0.0.1", "192.0.2.10", *(f"172.30.{i}.1" for i in range(len(networks)))),
            *("::1", "2001:db8:1a::10", *(f"fd00:{i}::1" for i in ipv6_networks.values())),
        ),
        link_local_addresses=tuple((f"shop_{key}", "fe80::1") for key in ipv6_networks),
        outside_addresses=("198.51.100.2", "2001:db8:c105::2"),
        outside_gateways=("198.51.100.1", "2001:db8:c105::1"),
        listeners=frozenset(_listeners(containers)),
    )
    return FakeEngine(file, facts)


def _network(body: Mapping[str, Any], at: int) -> NetworkFacts:
    subnets = (f"172.30.{at}.0/24", *[f"fd00:{at}::/64"] * body["enable_ipv6"])
    return NetworkFacts(body["name"], internal=body["internal"], subnets=subnets)


def _listeners(containers: Iterable[Container]) -> Iterator[Listener]:
    """Yield the listeners: of every container, over both versions of IP, and of the host."""
    for address in WILDCARD.values():
        yield Listener("", Protocol.TCP, address, 22)
        yield Listener("", Protocol.UDP, address, 53)
        for c in containers:
            if c.attachments:
                yield Listener(c.name, Protocol.TCP, address, 80)
            elif c.network_mode == HOST:
                yield Listener(c.name, Protocol.TCP, address, 9000)


def _container(file: Mapping[str, Any], name: str, number: int) -> Container:
    body = file["services"][name]
    mode = body["network_mode"] or ""
    networks = {key: file["networks"][key] for key in body["networks"] or ()}
    attachments = [
        (f"shop_{key}", *_addresses(key, name, number, dual_stack=n["enable_ipv6"])) for key, n in networks.items()
    ]
    has_egress = not all(network["internal"] for network in networks.values())
    ports = [
        PublishedPort(address, int(port["published"]), Protocol.TCP, 80)
        for port in body["ports"] or ()
        for address in WILDCARD.values()
        if has_egress
    ]
    return container(
        name,
        *attachments,
        number=number,
        network_mode=mode.replace("service:a", "container:id-of-a-1"),
        published_ports=tuple(ports),
    )


def _addresses(key: str, name: str, number: int, *, dual_stack: bool) -> list[str]:
    last = 10 * (NAMES.index(name) + 1) + number
    at = NETWORKS.index(key)
    return [f"172.30.{at}.{last}", *[f"fd00:{at}::{last}"] * dual_stack]


@st.composite
def tampered(draw: st.DrawFn) -> FakeEngine:
    """Generate a deployment that was changed by hand."""
    deployment = faithful(draw(files()), draw(st.sampled_from(["20.10.24", "28.0.1", ""])))
    for name in [c.name for c in deployment.facts.containers]:
        if draw(st.integers(0, 5)) == 0:
            deployment = deployment.with_stopped(name)
    # The engine attaches only containers with their own namespace to a network.
    running = [c for c in deployment.facts.containers if c.pid and not c.network_mode]
    for key in draw(st.lists(st.sampled_from(NETWORKS), max_size=2, unique=True)):
        at = NETWORKS.index(key)
        deployment = deployment.with_containers(
            foreign_container(f"spy-{key}", (f"shop_{key}", f"172.30.{at}.200", f"fd00:{at}::200"))
        )
    for moved in draw(st.lists(st.sampled_from(running), max_size=1)) if running else ():
        key = draw(st.sampled_from(NETWORKS))
        held = {attachment.network for attachment in moved.attachments}
        if f"shop_{key}" in held:
            deployment = deployment.disconnected(moved.name, f"shop_{key}")
        else:
            at = NETWORKS.index(key)
            deployment = deployment.connected(moved.name, f"shop_{key}", f"172.30.{at}.100", f"fd00:{at}::100")
    for key in draw(st.lists(st.sampled_from(NETWORKS), max_size=1)):
        deployment = deployment.with_engine_network(f"shop_{key}", internal=draw(st.booleans()))
    return deployment


@st.composite
def policies(draw: st.DrawFn, file: Mapping[str, Any]) -> dict[str, Any]:
    """Generate a policy about the places of a file."""
    places = [place for place in PLACES if place in file["services"] or place not in NAMES]
    arrows = st.builds("{} -> {}{}".format, *[st.sampled_from(places)] * 2, st.sampled_from(["", ":80"]))
    by_flow = arrows.map(lambda arrow: {"flow": arrow, "why": "known"})
    by_network = st.sampled_from(NETWORKS).map(lambda key: {"network": key, "why": "known"})
    return {
        "allow": draw(st.lists(arrows, max_size=4)),
        "tolerate": draw(st.lists(by_flow | by_network, max_size=4)),
    }


DEVIATIONS: Final = st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(SEEN)), max_size=3)
