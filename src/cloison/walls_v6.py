"""The walls of Docker's bridges over IPv6, which are not those over IPv4.

Before Engine 27 the engine sets no IPv6 rule at all, makes the host forward, and masquerades nobody:
there are no walls, only missing routes. From 27 on its rules are those of IPv4
(https://docs.docker.com/engine/release-notes/27/#ipv6), and what is left of the difference is the
engine's proxy, which listens on the host's IPv6 addresses.

Measured on Engine 20.10, 26.1 and 28.5.
"""

from __future__ import annotations

from typing import Final

from cloison.model import LINK_LOCAL, OUTSIDE, STRANGER, Flow, Kind
from cloison.outcome import Reach
from cloison.prediction import Prediction, opened, shut, unknown
from cloison.world import World

FILTERED: Final = (27, 0)
"""From here on the engine has IPv6 rules by itself: https://docs.docker.com/engine/release-notes/27/#ipv6"""
ROUTED_EVERYWHERE: Final = (20, 10)
"""Up to here a container of an internal network has a default route over IPv6 all the same."""
ROUTED_NOWHERE: Final = (26, 0)
"""From here on it has none."""
SEALED: Final = (28, 0)
"""From here on a container's address answers no remote machine: https://github.com/moby/moby/pull/48724"""
ACCEPT: Final = "ACCEPT"
DROP: Final = "DROP"
UNTOLD: Final = unknown("the engine does not tell its version, and Engine 27 moved this wall")


def without_ipv6(world: World, flow: Flow) -> Prediction | None:
    """Who has no IPv6 address reaches none."""
    place = flow.vantage.place
    if place == OUTSIDE or world.is_at_home(place) or world.seats_v6(place):
        return None
    return shut(f"the file gives {place} no IPv6 address")


def way_in(world: World, flow: Flow) -> Prediction | None:
    """A neighbour reaches what is published, and without rules every container to which the host forwards."""
    if flow.vantage.place != OUTSIDE:
        return None
    end = flow.endpoint
    if world.is_at_home(end.place):
        return opened(f"{end.place} has network_mode host, and no rule of the engine's stands before the host")
    if end.kind is Kind.PUBLISHED:
        return opened(f"port {end.port} of the host is published for everyone, over IPv6 too")
    return _not_drawn(world, flow) or _direct(world, flow)


def _direct(world: World, flow: Flow) -> Prediction:
    """Predict a packet that a neighbour routes to a container's own address: Engine 27 does as it does over IPv4."""
    end, engine = flow.endpoint, world.facts.engine
    if not FILTERED <= engine.release < SEALED:
        return _between(world, OUTSIDE, "a container's own IPv6 address")
    if world.is_internal(end.network):
        return shut(f"{world.label(end.network)} is internal")
    if world.publishes(end) and end.network == world.way_out(end.place):
        return opened("before Engine 28 a published port also answers on the container's own IPv6 address")
    policies = {
        ACCEPT: opened("the host's IPv6 FORWARD policy is ACCEPT, so every container address can be routed to"),
        DROP: shut("the host forwards nothing to an unpublished port (IPv6 FORWARD policy DROP)"),
    }
    return policies.get(engine.forward_policy_v6, unknown("the host's IPv6 FORWARD policy could not be read"))


def way_out(world: World, flow: Flow) -> Prediction | None:
    """A container has egress when it has a route that leads out."""
    if flow.endpoint.place != OUTSIDE:
        return None
    return _routed(world, flow, "has egress over IPv6")


def to_host(world: World, flow: Flow) -> Prediction | None:
    """The host answers on all of its addresses, for whoever has a route to it."""
    end = flow.endpoint
    if not world.is_at_home(end.place):
        return None
    if end.network in world.seats_v6(flow.vantage.place):
        return opened(f"the host has an IPv6 address on {world.label(end.network)}, internal or not")
    if end.address.startswith(LINK_LOCAL):
        return shut(f"the file gives {flow.vantage.place} no IPv6 address on {world.label(end.network)}")
    return _routed(world, flow, "reaches all addresses of the host")


def to_published(world: World, flow: Flow) -> Prediction | None:
    """A published port is a door for the containers of other networks too: the engine's proxy takes them in.

    From an internal network it does so only where no rule leads the packet past it, to the IPv6 address by
    which the container is published: that one lies behind another wall.
    """
    end = flow.endpoint
    if end.kind is not Kind.PUBLISHED:
        return None
    source = flow.vantage.place
    near = [n for n in world.seats_v6(source) if (fact := world.facts.network(n)) and fact.holds(end.address)]
    if not near:
        return _routed(world, flow, "reaches the published port")
    label, filtered = world.label(near[0]), _is_filtered(world)
    led = [network for network in world.seats_v6(end.place) if not world.is_internal(network)]
    if filtered is Reach.OPEN or not (world.is_internal(near[0]) and led):
        return opened(f"the engine's proxy answers on the host's address of {label}")
    return UNTOLD if filtered is Reach.UNKNOWN else shut(f"{source} gets there over {label}, which is internal")


def over_network(world: World, flow: Flow) -> Prediction | None:
    """On one bridge everything is open; between two bridges it is what the engine's rules make of it."""
    end, source = flow.endpoint, flow.vantage.place
    if said := _not_drawn(world, flow):
        return said
    label = world.label(end.network)
    if end.network in world.seats_v6(source):
        if world.has_icc_off(end.network):
            return unknown(f"{label} has inter-container communication off, which is known to leak")
        return opened(f"{source} and {end.place} share {label}, and Docker has no policy inside a network")
    if source.startswith(STRANGER):
        return shut(f"the file does not know {source.removeprefix(STRANGER)}")
    said = _between(world, source, label)
    return _routed(world, flow, said.rule) if said.reach is Reach.OPEN else said


def _not_drawn(world: World, flow: Flow) -> Prediction | None:
    end = flow.endpoint
    if end.network in world.seats_v6(end.place):
        return None
    if end.place.startswith(STRANGER):
        return shut(f"the file does not know {end.place.removeprefix(STRANGER)}")
    if not end.network:
        return shut(f"the file does not put {end.place} into the host's namespace")
    return shut(f"the file gives {end.place} no IPv6 address on {world.label(end.network)}")


def _is_filtered(world: World) -> Reach:
    """Whether the engine lets IPv6 packets pass from one bridge to another: shut from Engine 27 on."""
    release = world.facts.engine.release
    if release == (0, 0):
        return Reach.UNKNOWN
    return Reach.SHUT if release >= FILTERED else Reach.OPEN


def _between(world: World, source: str, target: str) -> Prediction:
    """Predict what the host does with an IPv6 packet that comes in by one link and goes out by another."""
    filtered = _is_filtered(world)
    if filtered is Reach.UNKNOWN:
        return UNTOLD
    if filtered is Reach.SHUT:
        return shut(f"the engine's IPv6 rules let nothing pass from {source} to {target}")
    if world.facts.engine.forward_policy_v6 == DROP:
        return unknown("the engine sets no IPv6 rules, and what others set is not predicted (FORWARD policy DROP)")
    return opened(f"the engine sets no IPv6 rules before Engine 27, and the host forwards from {source} to {target}")


def _routed(world: World, flow: Flow, what: str) -> Prediction:
    """Predict a packet that takes the default route of a container."""
    source, release = flow.vantage.place, world.facts.engine.release
    seats = world.seats_v6(source)
    free = next((network for network in seats if not world.is_internal(network)), "")
    if free:
        return opened(f"{world.label(free)} is not internal, so {source} has a route: {what}")
    if release == (0, 0) or ROUTED_EVERYWHERE < release < ROUTED_NOWHERE:
        return unknown("whether an internal network has a default route over IPv6 depends on the engine's version")
    if release >= ROUTED_NOWHERE:
        return shut(f"every network of {source} with IPv6 is internal, so it has no route")
    return opened(f"before Engine 26 an internal network has a default route over IPv6 too: {what}")


RULES: Final = (without_ipv6, way_in, way_out, to_host, to_published, over_network)
