"""The walls of Docker's bridges over IPv6, which are not those over IPv4.

Before Engine 27 the engine sets no IPv6 rule at all, makes the host forward, and masquerades nobody:
there are no walls, only missing routes. From 27 on its rules are those of IPv4
(https://docs.docker.com/engine/release-notes/27/#ipv6), and what is left of the difference is the
engine's proxy, which listens on the host's IPv6 addresses.

Measured on Engine 20.10, 26.1 and 28.5.
"""

from __future__ import annotations

from typing import Final

from cloison.model.facts import LINK_LOCAL, OUTSIDE, STRANGER, Flow, Kind
from cloison.model.outcome import Reach
from cloison.predict.context import NAT, World
from cloison.predict.docker_ipv4 import ACCEPT, DIRECT_ROUTING_CLOSED, DROP, EITHER, UNTOLD, for_everyone, home_of_host
from cloison.predict.prediction import Prediction, Rules, opened, shut, unknown, unwalled

FILTERED: Final = (27, 0)
"""From here on the engine has IPv6 rules by itself: https://docs.docker.com/engine/release-notes/27/#ipv6"""
ROUTED_EVERYWHERE: Final = (20, 10)
"""Up to here a container of an internal network has a default route over IPv6 all the same."""
ROUTED_NOWHERE: Final = (26, 0)
"""From here on it has none."""
OWN_GATEWAY: Final = (28, 0)
"""From here on IPv6 has a gateway of its own: https://docs.docker.com/engine/release-notes/28/"""


def without_ipv6(world: World, flow: Flow) -> Prediction | None:
    """Who has no IPv6 address reaches none."""
    place = flow.vantage.place
    if place == OUTSIDE or world.is_at_home(place) or world.seats_v6(place):
        return None
    return shut(f"the file gives {place} no IPv6 address")


def other_modes(world: World, flow: Flow) -> Prediction | None:
    """Only the usual way in which a network is joined to the world is predicted."""
    networks = (flow.endpoint.network, *world.seats(flow.vantage.place), *world.seats(flow.endpoint.place))
    modes = ((network, world.gateway_mode_v6(network)) for network in networks)
    odd = next(((network, mode) for network, mode in modes if mode != NAT), None)
    return unknown(f"{world.label(odd[0])} is {odd[1]} over IPv6, whose walls are not predicted") if odd else None


def way_in(world: World, flow: Flow) -> Prediction | None:
    """A neighbour reaches what is published, and without rules every container to which the host forwards."""
    if flow.vantage.place != OUTSIDE:
        return None
    if flow.endpoint.kind is Kind.PUBLISHED:
        return opened(f"{for_everyone(flow.endpoint)}, over IPv6 too")
    return _not_drawn(world, flow) or _direct(world, flow)


def _direct(world: World, flow: Flow) -> Prediction:
    """Predict a packet that a neighbour routes to a container's own address: with rules, as over IPv4."""
    end, engine = flow.endpoint, world.facts.engine
    if not engine.filters_ipv6 or engine.release >= DIRECT_ROUTING_CLOSED:
        return _between(world, OUTSIDE, "a container's own IPv6 address")
    if world.is_internal(end.network):
        return shut(f"{world.label(end.network)} is internal")
    if world.opens(end):
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
    return _filtered(world, flow, _routed(world, flow, "has egress over IPv6"))


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
    end, source = flow.endpoint, flow.vantage.place
    if end.kind is not Kind.PUBLISHED:
        return None
    near = [n for n in world.seats_v6(source) if (fact := world.facts.network(n)) and fact.holds(end.address)]
    led = any(not world.is_internal(network) for network in world.seats_v6(end.place))
    if not near:
        way = _routed(world, flow, "reaches the published port")
        return _filtered(world, flow, way) if led else way
    label = world.label(near[0])
    if world.facts.engine.filters_ipv6 and world.is_internal(near[0]) and led:
        return shut(f"{source} gets there over {label}, which is internal")
    return opened(f"the engine's proxy answers on the host's address of {label}")


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
    said = _between(world, source, label)
    return _without_wall(_routed(world, flow, said.rule)) if said.is_unwalled else said


def _without_wall(way: Prediction) -> Prediction:
    """Return what a route comes to where no wall stands at its end."""
    return unwalled(way.rule) if way.reach is Reach.OPEN else way


def _not_drawn(world: World, flow: Flow) -> Prediction | None:
    end = flow.endpoint
    if end.network in world.seats_v6(end.place):
        return None
    if end.place.startswith(STRANGER):
        return shut(f"the file does not know {end.place.removeprefix(STRANGER)}")
    if not end.network:
        return shut(f"the file does not put {end.place} into the host's namespace")
    return shut(f"the file gives {end.place} no IPv6 address on {world.label(end.network)}")


def _between(world: World, source: str, target: str) -> Prediction:
    """Predict what the host does with an IPv6 packet that comes in by one link and goes out by another."""
    if world.facts.engine.release == UNTOLD:
        return unknown("the engine does not tell its version, and Engine 27 moved this wall")
    if world.facts.engine.filters_ipv6:
        return shut(f"the engine's IPv6 rules let nothing pass from {source} to {target}")
    if world.facts.engine.forward_policy_v6 == DROP:
        return unknown("the engine sets no IPv6 rules, and what others set is not predicted (FORWARD policy DROP)")
    return unwalled(f"the engine sets no IPv6 rules, and the host forwards from {source} to {target}")


def _routed(world: World, flow: Flow, what: str) -> Prediction:
    """Predict a packet that takes the default route of a container."""
    source, release = flow.vantage.place, world.facts.engine.release
    if release == UNTOLD:
        return unknown("the engine does not tell its version, and Engine 28 chose the IPv6 route anew")
    way = _way_out(world, source)
    if not way:
        return shut(f"{source} has no default route over IPv6")
    if not world.is_internal(way):
        return opened(f"{world.label(way)} is not internal, so {source} has a route over IPv6: {what}")
    if ROUTED_EVERYWHERE < release < ROUTED_NOWHERE:
        return unknown("whether an internal network has a default route over IPv6 depends on the engine's version")
    if release >= ROUTED_NOWHERE:
        return shut(f"{world.label(way)} is internal, so {source} has no route over IPv6")
    return unwalled(f"before Engine 26 an internal network has a default route over IPv6 too: {what}")


def _filtered(world: World, flow: Flow, way: Prediction) -> Prediction:
    """Return what the engine's rules leave of a way out of an internal network, where it has rules for IPv6."""
    if not (way.is_unwalled and world.facts.engine.filters_ipv6):
        return way
    return shut(f"the engine's IPv6 rules let nothing of {flow.vantage.place} out of its internal networks")


def _way_out(world: World, place: str) -> str:
    """Return the network that carries a container's default route over IPv6.

    Before Engine 28 one network carries it for both versions of IP, and where that network has no IPv6, nothing does.
    """
    if world.facts.engine.release >= OWN_GATEWAY:
        seats = sorted(world.seats_v6(place))
        return next((n for n in seats if not world.is_internal(n)), seats[0] if seats else "")
    way = world.way_out(place)
    return way if world.speaks_ipv6(way) else ""


RULES: Final[Rules] = (
    *EITHER,
    without_ipv6,
    other_modes,
    home_of_host,
    way_in,
    way_out,
    to_host,
    to_published,
    over_network,
)
