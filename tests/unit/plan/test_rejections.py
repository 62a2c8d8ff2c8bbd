"""What the engine refuses of a file is named, and the plan is undecided."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.sample_documents import planned

from cloison.compose import project as compose_project
from cloison.plan.rejections import rejections

OLD, NEW = (20, 10), (27, 0)


def published(*ports: tuple[int, str], protocol: str = "tcp") -> dict[str, Any]:
    """Return a service that publishes its port 80 at (port, address) of the host; the engine chooses for 0."""
    return {
        "ports": [
            {"target": 80, "published": str(port), "protocol": protocol} | ({"host_ip": address} if address else {})
            for port, address in ports
        ]
    }


def at(*addresses: str, **more: Any) -> dict[str, Any]:
    """Return a service with static addresses on the network `net`."""
    kinds = {("ipv6_address" if ":" in address else "ipv4_address"): address for address in addresses}
    return {"networks": {"net": kinds}} | more


def document(services: dict[str, Any], **networks: Any) -> dict[str, Any]:
    named = {key: {"name": f"shop_{key}"} | body for key, body in networks.items()}
    return {"name": "shop", "services": services, "networks": named}


def net(*subnets: str, **more: Any) -> dict[str, Any]:
    return {"ipam": {"config": [{"subnet": subnet} for subnet in subnets]}} | more


def refused(given: dict[str, Any], release: tuple[int, int] = NEW) -> list[tuple[str, str]]:
    return rejections(compose_project.project(given), release)


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        (
            {"a": published((8088, "")), "b": published((8088, ""))},
            "port 8088 of the host is published for a:80 already",
        ),
        (
            {"a": published((80, "0.0.0.0")), "b": published((80, "127.0.0.1"))},
            "port 80 of the host is published for a:80",
        ),
        (
            {"a": published((80, "127.0.0.1")), "b": published((80, "0.0.0.0"))},
            "port 80 of the host is published for a:80",
        ),
        ({"a": published((80, "::1")), "b": published((80, ""))}, "port 80 of the host is published for a:80 already"),
        ({"a": published((80, "127.0.0.1")), "b": published((80, "127.0.0.1"))}, "is published for a:80 already"),
        ({"a": published((80, "127.0.0.1")), "b": published((80, "127.0.0.2"))}, ""),
        ({"a": published((80, "0.0.0.0")), "b": published((80, "::"))}, ""),
        ({"a": published((80, "")), "b": published((80, ""), protocol="udp")}, ""),
        ({"a": published((80, "")), "b": published((80, "")) | {"network_mode": "host"}}, ""),
        ({"a": published((0, "")), "b": published((0, "")) | {"scale": 3}}, ""),
        ({"a": published((80, "")) | {"deploy": {"replicas": 2}}}, "2 containers cannot have one port of the host, 80"),
        ({"a": {}, "b": published((80, "")) | {"network_mode": "service:a"}}, "in the network namespace of a"),
        ({"b": published((80, "")) | {"network_mode": "container:x"}}, "in the network namespace of x"),
        ({"a": {}, "b": {"network_mode": "service:a"}}, ""),
    ],
)
def test_ports_that_are_refused(services: dict[str, Any], expected: str) -> None:
    found = refused(document(services))

    assert bool(expected) == bool(found)
    assert not expected or expected in found[0][1]


NET = net("172.20.0.0/24", "fd00:2::/64")


@pytest.mark.parametrize(
    ("services", "network", "expected"),
    [
        ({"a": at("172.20.0.2"), "b": at("172.20.0.3", "fd00:2::2")}, NET, ""),
        ({"a": at("172.20.0.0")}, NET, "172.20.0.0 is the address of the network net itself"),
        ({"a": at("172.20.0.2", scale=2)}, NET, "2 containers cannot have the address 172.20.0.2"),
        ({"a": at("172.20.0.2")}, {"external": True}, ""),
    ],
)
def test_addresses_that_are_refused(services: dict[str, Any], network: dict[str, Any], expected: str) -> None:
    found = refused(document(services, net=network))

    assert bool(expected) == bool(found)
    assert not expected or expected in found[0][1]


@pytest.mark.parametrize(
    ("network", "release", "is_refused"),
    [
        ({"enable_ipv6": True}, OLD, True),
        ({"enable_ipv6": True} | net("10.0.0.0/24"), OLD, True),
        ({"enable_ipv6": True} | net("fd00::/64"), OLD, False),
        ({"enable_ipv6": True}, NEW, False),
        ({}, OLD, False),
    ],
)
def test_before_engine_27_ipv6_needs_a_subnet(
    network: dict[str, Any], release: tuple[int, int], is_refused: bool
) -> None:
    found = refused(document({}, net=network), release)

    assert is_refused == (["networks.net.enable_ipv6"] == [where for where, _ in found])


def test_a_project_that_does_not_start_is_undecided() -> None:
    plan = planned(document({"a": published((8088, "")), "b": published((8088, ""))}))

    assert ("undecided", 3) == (plan.verdict.word, plan.verdict.exit_code)
    assert ["services.b.ports"] == [part.what for part in plan.coverage.skipped]


def test_a_network_without_ipv6_addresses_has_no_flow_over_ipv6() -> None:
    plan = planned(document({"a": published((80, "")) | {"networks": {"net": None}}}, net={"enable_ipv6": True}))

    assert "undecided" == plan.verdict.word
    assert [] == [end.address for end in plan.endpoints if end.network == "shop_net" and ":" in end.address]
