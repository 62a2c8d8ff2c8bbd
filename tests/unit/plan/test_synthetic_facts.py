"""The synthetic facts of a file: those that an engine would report, and no invented ones."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.sample_documents import Document, service, shop

from cloison.compose import project as compose_project
from cloison.errors import FileError
from cloison.model.facts import Facts
from cloison.model.flow import EndpointKind, Protocol, ip_version
from cloison.plan.synthetic_facts import POOL, POOL_V6, REPLICA_CAP, Assumptions, modelled_project, synthetic_facts
from cloison.verdict import flow_enumeration


def facts(document: Document, **assumed: str) -> Facts:
    engine = Assumptions(**assumed)
    return synthetic_facts(modelled_project(compose_project.project(document), engine), engine)


def published_ports(found: Facts, name: str) -> list[tuple[str, int, str, int]]:
    ports = [port for c in found.containers if c.service == name for port in c.published_ports]
    return [(port.host_address, port.host_port, port.protocol, port.container_port) for port in ports]


def test_every_replica_is_a_container_with_the_name_that_compose_gives_it() -> None:
    found = facts(shop(app=service("back", scale=2)))

    assert ["shop-app-1", "shop-app-2", "shop-db-1", "shop-proxy-1"] == [c.name for c in found.containers]


def test_the_number_of_replicas_is_capped() -> None:
    found = facts(shop(app=service("back", scale=10_000)))

    assert REPLICA_CAP == sum(c.service == "app" for c in found.containers)


def test_attachments_are_those_of_the_file_and_addresses_are_unique() -> None:
    found = facts(shop())
    attachments = {c.service: [attachment.network for attachment in c.attachments] for c in found.containers}
    addresses = [attachment.address for c in found.containers for attachment in c.attachments]

    assert {"app": ["shop_back"], "db": ["shop_back"], "proxy": ["shop_back", "shop_front"]} == attachments
    assert len(addresses) == len({*addresses, *found.host_addresses}) - len(found.host_addresses)


@given(st.integers(1, 40), st.integers(0, 60), st.lists(st.ip_addresses(v=4, network=str(POOL)), max_size=3))
def test_every_address_is_in_its_network_and_none_is_one_that_the_file_binds(
    services: int, networks: int, bound: list[IPv4Address]
) -> None:
    names = [f"n{number}" for number in range(networks)]
    ports = tuple(f"{address}:{number}:80" for number, address in enumerate(bound, 8000))
    document = {
        "name": "many",
        "services": {f"s{number}": service(*names[number::7], ports=ports) for number in range(services)},
        "networks": {name: {} for name in names},
    }
    found = facts(document)
    subnets = {network.name: IPv4Network(network.subnets[0]) for network in found.networks}

    assert all(
        IPv4Address(attachment.address) in subnets[attachment.network]
        for c in found.containers
        for attachment in c.attachments
    )
    assert not any(address in subnet for address in bound for subnet in subnets.values())
    assert {str(address) for address in bound} <= {*found.host_addresses}


def test_too_many_networks_are_an_error_with_their_numbers() -> None:
    document = {"name": "vast", "services": {"a": service("n0")}, "networks": {f"n{i}": {} for i in range(600)}}

    with pytest.raises(FileError, match="networks: 600 networks"):
        facts(document)


EVERYWHERE: Final = [("0.0.0.0", 8080, "tcp", 80), ("::", 8080, "tcp", 80)]


@pytest.mark.parametrize(
    ("body", "ports"),
    [
        (service("front", ports=("8080:80",)), EVERYWHERE),
        (service("front", ports=(":80",)), [("0.0.0.0", 0, "tcp", 80), ("::", 0, "tcp", 80)]),
        (service("front", ports=("0.0.0.0:8080:80",)), EVERYWHERE[:1]),
        (service("front", ports=("127.0.0.1:81:80",)), [("127.0.0.1", 81, "tcp", 80)]),
        (
            service("front", ports=("53:53/udp", "53:53")),
            [(address, 53, protocol, 53) for address in ("0.0.0.0", "::") for protocol in ("tcp", "udp")],
        ),
        (service("back", ports=("8080:80",)), []),
        (service("back", "front", ports=("8080:80",)), EVERYWHERE),
        (service("front", ports=("[::1]:8080:80",)), [("::1", 8080, "tcp", 80)]),
        (service(network_mode="bridge", ports=("8080:80",)), EVERYWHERE),
        (service(network_mode="none", ports=("8080:80",)), []),
        (service(network_mode="host", ports=("8080:80",)), []),
        (service("local", ports=("8080:80",)), [("127.0.0.1", 8080, "tcp", 80)]),
        (service("lan", ports=("8080:80",)), EVERYWHERE),
    ],
)  # fmt: skip
def test_ports_are_published_as_the_engine_would(body: dict[str, Any], ports: list[tuple[str, int, str, int]]) -> None:
    document = shop(way=body)
    document["networks"] |= {
        "local": {"driver_opts": {"com.docker.network.bridge.host_binding_ipv4": "127.0.0.1"}},
        "lan": {"driver": "macvlan"},
    }

    assert ports == published_ports(facts(document), "way")


def test_only_declared_ports_have_listeners_and_a_shared_namespace_has_those_of_its_owner() -> None:
    document = shop(db=service("back"), guest=service(network_mode="service:app", expose=(9000,)))
    heard = {(item.container, item.port) for item in facts(document).listeners}

    assert {("shop-app-1", 5000), ("shop-app-1", 9000), ("shop-proxy-1", 80)} == heard


def test_a_port_that_only_the_policy_names_is_declared_and_no_listener() -> None:
    project = compose_project.project(shop())
    asked = flow_enumeration.flows(project, synthetic_facts(project, Assumptions()), {"db": {(Protocol.TCP, 5432)}})
    kinds = {f.endpoint.service_port: f.endpoint.kind for f in asked if f.endpoint.place == "db"}

    assert {0: EndpointKind.CANARY, 3306: EndpointKind.LISTENER, 5432: EndpointKind.DECLARED} == kinds


@pytest.mark.parametrize(
    ("external", "driver", "internal"), [("", "", False), ("bridge", "bridge", False), ("internal", "bridge", True)]
)
def test_an_external_network_is_what_is_assumed_or_unknown(external: str, driver: str, internal: bool) -> None:
    document = shop(way=service("edge"))
    document["networks"]["edge"] = {"name": "edge", "external": True}
    network = facts(document, external=external).network("edge")

    assert network
    assert (driver, internal) == (network.driver, network.internal)


@pytest.mark.parametrize(
    ("engine", "isolated", "gateways"),
    [
        ("20.10", (4, 6), {4, 6}),
        ("27.5", (4, 6), {4, 6}),
        ("28.0", (4, 6), set()),
        ("28.0", (4,), {6}),
        ("28.0", (6,), {4}),
        ("28.0", (), {4, 6}),
    ],
)
def test_the_host_can_be_kept_off_a_bridge_from_engine_28_on_by_each_version_of_ip(
    engine: str, isolated: tuple[int, ...], gateways: set[int]
) -> None:
    document = shop()
    options = {f"com.docker.network.bridge.gateway_mode_ipv{version}": "isolated" for version in isolated}
    document["networks"]["back"] |= {
        "enable_ipv6": True,
        "ipam": {"config": [{"subnet": "fd00:7::/64"}]},
        "driver_opts": options,
    }
    found = facts(document, engine=engine)

    assert gateways == {ip_version(address) for network, address in found.host_attachments if network == "shop_back"}


def test_a_network_with_ipv6_gives_its_members_an_address_of_each_version() -> None:
    document = shop()
    document["networks"]["back"] |= {"enable_ipv6": True, "ipam": {"config": [{"subnet": "fd00:7::/64"}]}}
    found = facts(document)
    attachments = {
        (c.service, attachment.network): attachment for c in found.containers for attachment in c.attachments
    }
    network = found.network("shop_back")

    assert network
    assert [4, 6] == [ip_version(subnet) for subnet in network.subnets]
    assert all(network.contains(address) for address in attachments["db", "shop_back"].addresses)
    assert [4, 6] == [ip_version(address) for address in attachments["proxy", "shop_back"].addresses]
    assert "" == attachments["proxy", "shop_front"].ipv6


def test_a_port_has_a_listener_over_each_version_of_ip_of_its_container() -> None:
    document = shop()
    document["networks"]["front"] |= {"enable_ipv6": True, "ipam": {"config": [{"subnet": "fd00:7::/64"}]}}
    heard = {(item.container, item.address) for item in facts(document).listeners}

    assert {
        ("shop-app-1", "0.0.0.0"),
        ("shop-db-1", "0.0.0.0"),
        ("shop-proxy-1", "0.0.0.0"),
        ("shop-proxy-1", "::"),
    } == heard


def test_an_ipv6_address_that_the_file_binds_is_in_no_synthetic_subnet() -> None:
    bound = str(POOL_V6[1])
    document = shop(way=service("front", ports=(f"[{bound}]:8080:80",)))
    document["networks"]["front"] |= {"enable_ipv6": True, "ipam": {"config": [{"subnet": "fd00:7::/64"}]}}
    found = facts(document)

    assert bound in found.host_addresses
    assert not any(network.contains(bound) for network in found.networks)


def test_all_synthetic_addresses_are_from_reserved_ranges() -> None:
    document = shop()
    document["networks"]["back"] |= {"enable_ipv6": True, "ipam": {"config": [{"subnet": "fd00:7::/64"}]}}
    found = facts(document)
    ranges = ("198.18.0.0/15", "192.0.2.0/24", "198.51.100.0/24", "127.0.0.0/8", "2001:db8::/32", "::1/128")
    allowed = [ip_network(text) for text in ranges]
    attachments = [
        address for c in found.containers for attachment in c.attachments for address in attachment.addresses
    ]
    used = [*found.host_addresses, *found.outside_addresses, *attachments]

    assert {4, 6} == {ip_version(address) for address in used}
    assert [] == [address for address in used if not any(ip_address(address) in network for network in allowed)]
