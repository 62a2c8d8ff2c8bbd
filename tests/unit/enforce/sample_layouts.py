"""The layout of the fake engine's stack: two bridges, and the ports of three containers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from tests.unit.fake_engine import BACK, FRONT, STACK

from cloison.compose.policy import Policy, policy
from cloison.compose.project import Project
from cloison.enforce.layout import Bridge, BridgePort, Layout
from cloison.enforce.openings import Opening, openings

ADDRESSES: Final = {
    ("app", "br-back"): ("172.30.1.3", "fd00:1::3"),
    ("db", "br-back"): ("172.30.1.2",),
    ("proxy", "br-back"): ("172.30.1.4",),
    ("proxy", "br-front"): ("172.30.2.4",),
}


def port(service: str, bridge: str = "br-back", *, number: int = 1, places: tuple[str, ...] = ()) -> BridgePort:
    """Return the port of a service's container."""
    addresses = (
        ADDRESSES.get((service, bridge), (f"172.30.1.{50 + number}",)) if number == 1 else (f"172.30.1.{number}",)
    )
    name = f"v{service}{number}{bridge[3]}"
    return BridgePort(bridge, name, "02:42:ac:1e:01:02", addresses, places or (service,), f"shop-{service}-{number}")


def layout(*more: BridgePort, **changed: Any) -> Layout:
    """Return the layout of the stack, with more ports."""
    bridges = (
        Bridge("br-back", BACK, ("172.30.1.0/24", "fd00:1::/64"), ("172.30.1.1",)),
        Bridge("br-front", FRONT, ("172.30.2.0/24",), ("172.30.2.1",)),
    )
    ports = (port("app"), port("db"), port("proxy"), port("proxy", "br-front"), *more)
    return Layout(**{"project": "shop", "bridges": bridges, "ports": ports} | changed)


def policy_of(project: Project = STACK.project, **parts: Any) -> Policy:
    """Return a policy without rules but those given."""
    found = policy(replace(project, policy={"allow": [], "tolerate": [], **parts}))
    assert found
    return found


def opened(found: Layout | None = None, project: Project = STACK.project, **parts: Any) -> list[Opening]:
    """Return what a policy opens on a layout."""
    return openings(project, policy_of(project, **parts), found or layout())
