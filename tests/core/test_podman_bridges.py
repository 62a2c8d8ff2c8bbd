"""Two bridges of Podman keep each other out where both ask for it, and are open to each other where one does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.world import FRONT, STACK, World, container, label

from cloison.model import EngineFacts
from cloison.outcome import Reach

ENGINE = EngineFacts("podman", "5.4.2", "ACCEPT", firewall="nftables", source_check="2")
OWN = "shop_own_net"
OTHER = (
    STACK.drawing("own_net", name=OWN)
    .made(OWN, subnets=("172.30.3.0/24",))
    .serving("web", networks={"own_net": None})
    .running(container("web", (OWN, "172.30.3.2")))
)
LENT = OTHER.drawing("frontend_net", external=True)


@pytest.mark.parametrize(
    ("world", "reach", "rule"),
    [
        (OTHER, Reach.SHUT, "Podman isolates own_net and frontend_net from each other"),
        (LENT.made(FRONT, options=(("isolate", "true"),)), Reach.SHUT, "Podman isolates"),
        (LENT.made(FRONT, options=(("isolate", "false"),)), Reach.OPEN, "Podman does not isolate own_net and"),
        (LENT.made(FRONT), Reach.UNKNOWN, "Podman does not tell whether it isolates own_net and frontend_net"),
    ],
)
def test_a_bridge_that_does_not_ask_for_it_is_open_to_the_others(world: World, reach: Reach, rule: str) -> None:
    on_podman = replace(world, facts=replace(world.facts, engine=ENGINE))
    found = {label(flow): said for flow, said in on_podman.predicted().items()}

    assert reach is found["web-1 -> proxy-1:80 on frontend_net"].reach
    assert rule in found["web-1 -> proxy-1:80 on frontend_net"].rule
