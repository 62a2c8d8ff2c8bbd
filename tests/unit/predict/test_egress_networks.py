"""Which network carries the packets of a service to other machines, by the engine and its version."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.fake_engine import BACK, STACK, FakeEngine, container

from cloison.model.facts import EgressNetworks
from cloison.predict.egress_networks import predicted_egress


def deployment(version: str, service: dict[str, Any] | None = None, **networks: dict[str, Any]) -> FakeEngine:
    """Return the stack with a service `way` on some networks."""
    made = STACK.with_engine(version)
    for key, body in networks.items():
        made = made.with_network(key, **{"name": key, **body})
    return made.with_service("way", **(service or {"networks": dict.fromkeys(networks)})).with_containers(
        container("way")
    )


def egress(made: FakeEngine, version: int = 4) -> tuple[str, ...] | None:
    found = {(i.container, i.version): i.networks for i in predicted_egress(made.project, made.facts)}
    return found.get(("way-1", version))


def test_of_several_networks_the_first_name_carries_them() -> None:
    assert ("a",) == egress(deployment("27.5", b={}, a={}))


def test_a_network_that_is_internal_carries_nothing() -> None:
    assert ("b",) == egress(deployment("20.10", a={"internal": True}, b={}))
    assert () == egress(deployment("20.10", a={"internal": True}))


@pytest.mark.parametrize(("version", "expected"), [("27.5", "a"), ("28.0", "b")])
def test_a_priority_counts_since_engine_28(version: str, expected: str) -> None:
    service = {"networks": {"a": None, "b": {"gw_priority": 1}}}

    assert (expected,) == egress(deployment(version, service, a={}, b={}))


def test_a_network_with_ipv6_is_preferred() -> None:
    made = deployment("27.5", a={}, b={"enable_ipv6": True})

    assert (("b",), ("b",)) == (egress(made), egress(made, 6))


def test_a_priority_against_a_network_with_ipv6_is_not_known() -> None:
    service = {"networks": {"a": {"gw_priority": 1}, "b": None}}
    made = deployment("28.5", service, a={}, b={"enable_ipv6": True})

    assert (None, ("b",)) == (egress(made), egress(made, 6))


def test_a_shared_namespace_leaves_as_its_owner_and_the_hosts_as_the_host() -> None:
    assert ("shop_frontend_net",) == egress(deployment("28.0", {"network_mode": "service:proxy"}))
    assert egress(deployment("28.0", {"network_mode": "host"})) is None
    assert egress(deployment("28.0", {"network_mode": "container:other"})) is None


def test_what_the_facts_do_not_tell_is_not_known() -> None:
    two: dict[str, dict[str, Any]] = {"a": {}, "b": {}}
    external = {"a": {"external": True}, "b": {}}

    assert egress(deployment("", **two)) is None
    assert egress(deployment("28.0", **external).with_engine_network("a", driver="")) is None
    assert egress(deployment("28.0", **two).with_engine("28.0", name="other")) is None


def test_podman_gives_every_network_a_default_route() -> None:
    podman = deployment("28.0", a={}, b={"enable_ipv6": True}).with_engine("4.3.1", name="podman")

    assert (("a", "b"), None) == (egress(podman), egress(podman, 6))


def test_a_foreign_container_is_not_predicted() -> None:
    made = STACK.with_containers(container("old", (BACK, "172.30.1.9")))

    assert EgressNetworks("proxy-1", 4, ("shop_frontend_net",)) in predicted_egress(made.project, made.facts)
    assert not any(item.container == "old-1" for item in predicted_egress(made.project, made.facts))
