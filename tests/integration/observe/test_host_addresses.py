"""The kernel does not use an IPv6 address of a bridge without a port, so the address is not probed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from pyroute2 import IPRoute
from tests.integration.compose_project import Lab, three_tiers

from cloison.linux import netns
from cloison.model.facts import Container, EngineFacts, Facts, NetworkFacts, PublishedPort
from cloison.model.flow import Protocol
from cloison.observe import host_addresses

pytestmark = pytest.mark.engine
ADDRESS: Final = "fd00:e65e:3837::1"
FACTS: Final = Facts(
    EngineFacts("docker", "28.5.2", "DROP", "DROP"), (), (NetworkFacts("net", subnets=("fd00:e65e:3837::/64",)),)
)


@contextmanager
def bridged(*, port: str) -> Iterator[None]:
    """Stand in a machine of its own with a bridge that has an address, and one port that is up or down."""
    descriptor = netns.new()
    try:
        with netns.inside(descriptor), IPRoute() as route:
            route.link("add", ifname="cable", kind="veth", peer={"ifname": "end"})
            route.link("add", ifname="bridge", kind="bridge")
            bridge, veth_pair, end = (route.link_lookup(ifname=name)[0] for name in ("bridge", "cable", "end"))
            route.link("set", index=veth_pair, master=bridge)
            for link in (bridge, *([veth_pair, end] if port == "up" else [])):
                route.link("set", index=link, state="up")
            route.addr("add", index=bridge, address=ADDRESS, prefixlen=64)
            time.sleep(0.1)
            yield
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(("port", "expected"), [("down", False), ("up", True)])
def test_an_address_counts_if_its_bridge_has_a_port(port: str, expected: object) -> None:
    with bridged(port=port):
        found = host_addresses.with_host_addresses(FACTS).host_addresses

    assert expected == (ADDRESS in found)


def test_an_idle_address_with_a_published_port_is_probed() -> None:
    published = PublishedPort(ADDRESS, 80, Protocol.TCP, 80)
    holder = Container("c", "c.1", "p", "s", 1, "", published_ports=(published,))
    facts = Facts(FACTS.engine, (holder,), FACTS.networks)

    with bridged(port="down"):
        assert ADDRESS in host_addresses.with_host_addresses(facts).host_addresses


def test_a_network_without_containers_leaves_a_proof_complete(lab: Lab) -> None:
    document = three_tiers()
    document["services"]["away"] = {**document["services"]["db"], "networks": ["empty"], "deploy": {"replicas": 0}}
    pools = {"empty": "fd00:e65e:3838::/64", "front": "fd00:e65e:3839::/64"}
    for name, pool in pools.items():
        shape = document["networks"].get(name) or {}
        document["networks"][name] = {**shape, "enable_ipv6": True, "ipam": {"config": [{"subnet": pool}]}}
    lab.up(document)

    proof = lab.prove()

    addresses = {end.address for end in proof.endpoints}
    assert "fd00:e65e:3839::1" in addresses
    assert "fd00:e65e:3838::1" not in addresses
    assert (0, 0) == (proof.totals["unknown"], len(proof.coverage.skipped))
