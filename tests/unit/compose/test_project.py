from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.fake_engine import BACK, FILE, FRONT, STACK

from cloison.compose import project as compose_project
from cloison.compose.project import Network, Port, Project, Service
from cloison.errors import FileError, PolicyError
from cloison.model.flow import Protocol

TCP, UDP = Protocol.TCP, Protocol.UDP


def alone(**body: Any) -> Service:
    """Return a project of one service."""
    document = {"name": "one", "services": {"only": body}, "networks": {"net": {"name": "one_net"}}}
    return compose_project.project(document).services["only"]


def test_a_resolved_file_becomes_a_project() -> None:
    project = compose_project.project(FILE)

    assert ("shop", None) == (project.name, project.policy)
    assert {
        "backend_net": Network("backend_net", BACK, internal=True),
        "frontend_net": Network("frontend_net", FRONT),
    } == project.networks
    assert {
        "db": Service("db", (BACK,), exposed=((TCP, 3306),)),
        "app": Service("app", (BACK,), exposed=((TCP, 5000),)),
        "proxy": Service("proxy", (BACK, FRONT), ports=(Port(80, TCP, 8080, "0.0.0.0"),)),
    } == project.services


@pytest.mark.parametrize(
    ("body", "network"),
    [
        (None, Network("net", "net")),
        ({"name": "other"}, Network("net", "other")),
        ({"external": True, "internal": None, "driver": None}, Network("net", "net", external=True)),
        (
            {"driver": "macvlan", "driver_opts": {"mtu": 1400}},
            Network("net", "net", driver="macvlan", options={"mtu": "1400"}),
        ),
    ],
)  # fmt: skip
def test_a_network_has_defaults(body: Any, network: Network) -> None:
    assert (
        network == compose_project.project({"name": "one", "services": {}, "networks": {"net": body}}).networks["net"]
    )


@pytest.mark.parametrize(
    ("port", "read"),
    [
        ({"target": 80}, Port(80, TCP)),
        ({"target": 80, "published": "8080", "mode": "ingress"}, Port(80, TCP, 8080)),
        ({"target": 53, "published": "53", "protocol": "udp"}, Port(53, UDP, 53)),
        ({"target": 80, "published": "8080", "host_ip": "127.0.0.1"}, Port(80, TCP, 8080, "127.0.0.1")),
        ({"target": 80, "published": "8080", "host_ip": None}, Port(80, TCP, 8080)),
        ({"target": 80, "published": ""}, Port(80, TCP)),
        ({"target": 80, "published": "8000-8010"}, Port(80, TCP)),  # the engine chooses one of them
    ],
)
def test_a_published_port_is_read(port: dict[str, Any], read: Port) -> None:
    assert (read,) == alone(ports=[port]).ports


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("5000", ((TCP, 5000),)),
        ("53/udp", ((UDP, 53),)),
        ("3000-3002", ((TCP, 3000), (TCP, 3001), (TCP, 3002))),
        ("7-8/sctp", ((Protocol.SCTP, 7), (Protocol.SCTP, 8))),
    ],
)
def test_a_range_of_exposed_ports_is_expanded(text: str, ports: tuple[tuple[Protocol, int], ...]) -> None:
    assert ports == alone(expose=[text]).exposed


@pytest.mark.parametrize(
    ("body", "replicas"),
    [
        ({}, 1),
        ({"scale": 2}, 2),
        ({"deploy": {}}, 1),
        ({"deploy": {"mode": "global"}, "scale": 3}, 3),
        ({"deploy": {"replicas": 4}, "scale": 3}, 4),
        ({"deploy": {"replicas": 0}}, 0),
        ({"deploy": {"replicas": None}}, 1),
        ({"scale": 0}, 0),
    ],
)
def test_a_service_has_one_replica_unless_the_file_says_otherwise(body: dict[str, Any], replicas: int) -> None:
    assert replicas == alone(**body).replicas


@pytest.mark.parametrize(
    ("body", "networks", "namespace_owner"),
    [
        ({"networks": {"net": None}}, ("one_net",), ""),
        ({"networks": {"net": {"aliases": ["x"]}}}, ("one_net",), ""),
        ({"networks": None}, (), ""),
        ({"network_mode": "bridge"}, ("bridge",), ""),
        ({"network_mode": "default"}, ("bridge",), ""),
        ({"network_mode": "none"}, (), ""),
        ({"network_mode": "host"}, (), ""),
        ({"network_mode": "container:abc"}, (), ""),
    ],
)
def test_a_service_has_the_networks_of_the_file(
    body: dict[str, Any], networks: tuple[str, ...], namespace_owner: str
) -> None:
    service = alone(**body)

    assert (networks, namespace_owner) == (service.networks, service.shares_namespace_with)


def chain() -> Project:
    """A side-car of a side-car of the database."""
    return (
        STACK.with_service("dump", network_mode="service:db").with_service("ship", network_mode="service:dump").project
    )


def test_an_attachment_has_a_gateway_priority() -> None:
    asked = {"frontend_net": {"gw_priority": 7}, "backend_net": None, "guest_net": {"aliases": ["guest"]}}
    project = (
        STACK.with_network("guest_net")
        .with_service("db", networks=asked)
        .with_service("dump", network_mode="service:db")
        .project
    )

    assert {FRONT: 7, BACK: 0, "guest_net": 0} == {
        name: project.priority("dump", name) for name in project.attached_networks("db")
    }
    assert 0 == project.priority("nobody", BACK)


def test_a_service_that_shares_a_namespace_has_the_networks_of_its_owner() -> None:
    assert (
        (BACK,)
        == chain().attached_networks("ship")
        == chain().attached_networks("dump")
        == chain().attached_networks("db")
    )


def test_a_shared_namespace_is_owned_by_the_service_that_has_its_own() -> None:
    assert ["db", "db", "db"] == [chain().owner(name) for name in ("ship", "dump", "db")]


@pytest.mark.parametrize("name", ["host", "outside", "*", "stranger:spy"])
def test_a_place_that_is_no_service_has_no_network_and_owns_itself(name: str) -> None:
    assert ((), name) == (chain().attached_networks(name), chain().owner(name))


def test_a_network_is_found_by_the_engines_name() -> None:
    project = STACK.project

    assert project.networks["backend_net"] == project.network_named(BACK)
    assert project.network_named("backend_net") is None


def test_a_policy_is_kept_unchanged() -> None:
    assert {"allow": ["a -> b"]} == compose_project.project({**FILE, "x-cloison": {"allow": ["a -> b"]}}).policy


def service(**body: Any) -> dict[str, Any]:
    return {"name": "one", "services": {"only": body}}


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "the resolved Compose file: Expected `object`, got `array`"),
        ({"services": {}}, "missing required field `name`"),
        ({"name": "one"}, "missing required field `services`"),
        ({"name": 1, "services": {}}, "Expected `str`, got `int` - at `$.name`"),
        ({"name": "one", "services": []}, "Expected `object`, got `array` - at `$.services`"),
        ({"name": "one", "services": {}, "networks": []}, "at `$.networks`"),
        ({"name": "one", "services": {}, "networks": {"net": {"name": 1}}}, "networks.net: Expected `str | null`"),
        ({"name": "one", "services": {"only": None}}, "services.only: Expected `object`, got `null`"),
        (service(ports=[{}]), "services.only: Object missing required field `target` - at `$.ports[0]`"),
        (service(ports=[{"target": 70000}]), "at `$.ports[0].target`"),
        (service(ports=[{"target": 80, "protocol": "quic"}]), "Invalid enum value 'quic' - at `$.ports[0].protocol`"),
        (service(ports=[{"target": 80, "published": "http"}]), "at `$.ports[0].published`"),
        (service(expose=["web"]), "at `$.expose[0]`"),
        (service(expose=["80\n"]), "at `$.expose[0]`"),
        (service(deploy={"replicas": "two"}), "at `$.deploy.replicas`"),
        (service(deploy={"replicas": -1}), "at `$.deploy.replicas`"),
        (service(scale=-1), "at `$.scale`"),
        (service(network_mode="service:only"), "services.only.network_mode: the references form a cycle"),
        (service(network_mode="service:nobody"), 'network_mode: no service "nobody"; known names: only'),
        (service(network_mode="service:onyl"), 'network_mode: no service "onyl" (did you mean "only"?)'),
        (service(network_mode="service:"), 'services.only.network_mode: "service:" is a network that'),
        (service(network_mode="lent"), 'services.only.network_mode: "lent" is a network that the file does not'),
        (service(networks={"gone": None}), 'services.only.networks: no network "gone"; known names: none'),
        (service(networks={"net": []}), "at `$.networks[...]`"),
        (service(ports=[{"target": 80, "published": "70000"}]), 'only.ports[0].published: "70000" is not a port'),
        (service(ports=[{"target": 80, "published": "9-8"}]), 'services.only.ports[0].published: "9-8" is not a port'),
        (service(ports=[{"target": 80, "host_ip": "lo"}]), 'services.only.ports[0].host_ip: "lo" is not an IP address'),
        (service(expose=["0"]), 'services.only.expose: "0" is not a port or port range; ports are 1 to 65535'),
        (service(expose=["80-70000"]), 'services.only.expose: "80-70000" is not a port'),
        (service(scale=10**6), "Expected `int` <= 10000 - at `$.scale`"),
        (service(sysctls=["net.x=1"]), "at `$.sysctls`"),
        ({"name": "one", "services": {"a b": {}}}, "at `key` in `$.services`"),
        ({"name": "one", "services": {}, "networks": {"n": {"name": "\ud83d"}}}, "networks.n: Expected `str` matching"),
        ({"name": "one", "services": {}, "networks": {"n": {"ipam": {"config": [1]}}}}, "at `$.ipam.config[0]`"),
        ({"name": "one", "services": {"host": {}}}, 'services.host: "host" is a reserved word of the policy'),
        ({"name": "one", "services": {"outside": {}}}, "services.outside: "),
    ],
)
def test_an_invalid_document_is_refused_with_its_position(document: Any, sentence: str) -> None:
    with pytest.raises(FileError) as caught:
        compose_project.project(document)

    assert sentence in str(caught.value)


def test_namespaces_that_form_a_cycle_are_refused() -> None:
    deployment = STACK.with_service("db", network_mode="service:app").with_service("app", network_mode="service:db")

    with pytest.raises(FileError, match="form a cycle; name a service that has its own namespace"):
        compose_project.project(deployment.file)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
PORTS = st.from_regex(r"[0-9]{0,7}(-[0-9]{0,7})?(/[a-z]{0,4})?", fullmatch=True)
KEYS = st.sampled_from(
    [
        *("name", "services", "networks", "x-cloison", "db", "app", "backend_net"),
        *("internal", "external", "driver", "driver_opts", "network_mode", "ports", "expose", "deploy", "scale"),
        *("target", "protocol", "published", "host_ip", "replicas"),
    ]
)
MODES = st.sampled_from(["host", "none", "bridge", "service:db", "service:app", "service:", "container:x", ":"])
JSON = st.recursive(
    SCALARS | PORTS | MODES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=6),
    max_leaves=30,
)


def mutated(change: tuple[tuple[str, ...], Any]) -> Any:
    """Return the stack's file with one value replaced."""
    path, other = change
    if not path:
        return other

    def put(body: Any, steps: tuple[str, ...]) -> Any:
        if not steps:
            return other
        inner = body if isinstance(body, dict) else {}
        return {**inner, steps[0]: put(inner.get(steps[0]), steps[1:])}

    return put(dict(FILE), path)


DOCUMENTS = JSON | st.tuples(st.lists(KEYS, max_size=4).map(tuple), JSON).map(mutated)


def outcome(read: Callable[[Any], Project], document: Any) -> Project | str:
    """Return the project of a document, or its error."""
    try:
        return read(document)
    except (FileError, PolicyError) as error:
        return str(error)


@given(DOCUMENTS)
def test_any_document_gives_a_project_or_an_expected_error(document: Any) -> None:
    read = outcome(compose_project.project, document)

    assert read
    if isinstance(read, Project):
        assert all(
            read.owner(name) in read.services and read.attached_networks(name) is not None for name in read.services
        )
