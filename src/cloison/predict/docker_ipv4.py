"""The walls of Docker's bridges over IPv4, and what holds over either version of IP.

Behaviour: https://docs.docker.com/engine/network/packet-filtering-firewalls/, measured on Engine 20.10, 26.1 and 28.5;
version gates carry their own source.
"""

from __future__ import annotations

from typing import Final

from cloison.model.facts import HOST, OUTSIDE, STRANGER, Endpoint, Flow, Kind
from cloison.predict.context import ROUTED, UNPROTECTED, World
from cloison.predict.prediction import Prediction, Rules, opened, shut, unknown

UNTOLD: Final = (0, 0)
DIRECT_ROUTING_CLOSED: Final = (28, 0)
"""From here on a container's address answers no remote machine: https://github.com/moby/moby/pull/48724"""
ROUTED_ACROSS: Final = (28, 0)
"""From here on routed networks let in other networks of the host: https://github.com/moby/moby/pull/48596"""
ROUTED_AT_ALL_SEATS: Final = (29, 0)
"""From here on, it is said, a routed network need not be the gateway: https://github.com/moby/moby/pull/50140"""
ACCEPT: Final = "ACCEPT"
DROP: Final = "DROP"


def not_published(world: World, flow: Flow) -> Prediction | None:
    """The file decides what is published; a container that is older than the file may publish more."""
    end = flow.endpoint
    if end.kind is not Kind.PUBLISHED or world.publishes_there(end):
        return None
    return shut(f"the file does not publish {end.place}:{end.service_port} there")


def not_told(world: World, flow: Flow) -> Prediction | None:
    """An address that the engine does not know, and that fits none of its owner's networks, is nobody's by the file."""
    end = flow.endpoint
    if end.network or (end.container, end.address) not in {(u.container, u.address) for u in world.facts.untold}:
        return None
    return shut(f"neither the file nor the engine gives {end.place} the address {end.address}")


def routed_ports(world: World, flow: Flow) -> Prediction | None:
    """A routed network opens ports on its members' own addresses and none of the host's."""
    end = flow.endpoint
    way = world.way_out(end.place)
    if end.kind is not Kind.PUBLISHED or not world.publishes_there(end):
        return None
    if world.is_internal(way) or world.gateway_mode(way) != ROUTED:
        return None
    return shut(f"{world.label(way)} is routed, so the host publishes nothing for {end.place}")


def same_namespace(world: World, flow: Flow) -> Prediction | None:
    """Two services in one network namespace are one machine to the network; the host's address is still another's."""
    source, target = flow.vantage.place, flow.endpoint.place
    if flow.endpoint.kind is Kind.PUBLISHED:
        return None
    if source != target and source in world.project.services and target in world.project.services:
        owner = world.owner(source)
        if owner == world.owner(target):
            return opened(f"{source} and {target} live in the network namespace of {owner}")
    return None


def network_mode(world: World, flow: Flow) -> Prediction | None:
    """`host` is the host itself, `none` is nowhere, and `container:NAME` is somewhere the file does not tell."""
    place = flow.vantage.place
    service = world.project.services.get(world.owner(place))
    if service is None or not service.network_mode:
        return None
    modes = {
        "none": shut(f"{place} has network_mode none"),
        "host": opened(f"{place} has network_mode host, and nothing holds the host back"),
        "container": unknown(f"{place} lives in the namespace of a container that the file does not know"),
    }
    mode = service.network_mode.partition(":")[0]
    network = flow.endpoint.network
    if mode == "host" and network and (world.driver(network) != "bridge" or world.is_isolated(network)):
        return None  # the host is on every bridge that is not isolated, and not on every network
    return modes.get(mode)


def other_drivers(world: World, flow: Flow) -> Prediction | None:
    """Only bridges are predicted."""
    for network in (*filter(None, [flow.endpoint.network]), *world.seats(flow.vantage.place)):
        driver = world.driver(network)
        if not driver:
            return unknown(f"{world.label(network)} is external, and the file does not tell what it is")
        if driver != "bridge":
            return unknown(f"{world.label(network)} uses the driver {driver}, whose walls are not predicted")
    return None


def from_host(world: World, flow: Flow) -> Prediction | None:
    """The host has an address on every bridge and publishes the ports itself."""
    if flow.vantage.place != HOST:
        return None
    if world.is_at_home(flow.endpoint.place):
        return opened(f"{flow.endpoint.place} has network_mode host, so the host is where it is")
    if flow.endpoint.kind is Kind.PUBLISHED:
        return opened("the host publishes the port on this address")
    if flow.endpoint.place == OUTSIDE:
        return opened("the host is a neighbour of the outside")
    if world.is_isolated(flow.endpoint.network):
        return shut(f"{world.label(flow.endpoint.network)} is isolated: the host has no address on it")
    drawn = flow.endpoint.network in world.seats(flow.endpoint.place)
    return opened("the host has an address on every bridge") if drawn else not_drawn(world, flow)


def home_of_host(world: World, flow: Flow) -> Prediction | None:
    """A neighbour reaches who lives in the host's own namespace."""
    place = flow.endpoint.place
    if flow.vantage.place != OUTSIDE or not world.is_at_home(place):
        return None
    return opened(f"{place} has network_mode host, and no rule of the engine's stands before the host")


def for_everyone(door: Endpoint) -> str:
    """Say that a port of the host is published on more than loopback; 0 is one that the engine has yet to choose."""
    return f"{f'port {door.port}' if door.port else 'a port'} of the host is published for everyone"


def from_outside(world: World, flow: Flow) -> Prediction | None:
    """A neighbour reaches what is published, and before Engine 28 the published port of a container directly."""
    if flow.vantage.place != OUTSIDE:
        return None
    end = flow.endpoint
    if end.kind is Kind.PUBLISHED:
        return opened(for_everyone(end))
    if end.network not in world.seats(end.place):
        return not_drawn(world, flow)
    if world.is_internal(end.network):
        return shut(f"{world.label(end.network)} is internal")
    return _direct(world, flow)


def _direct(world: World, flow: Flow) -> Prediction:
    """Predict a packet that a neighbour routes to a container's own address through the host."""
    end, engine = flow.endpoint, world.facts.engine
    label, mode = world.label(end.network), world.gateway_mode(end.network)
    if engine.release == UNTOLD:
        return unknown("the engine does not tell its version, and Engine 28 moved this wall")
    if mode == UNPROTECTED:
        return opened(f"{label} is nat-unprotected, so every port of its members can be routed to")
    if mode == ROUTED and world.publishes(end):
        return _routed(world, flow)
    if engine.release >= DIRECT_ROUTING_CLOSED:
        return _guarded(world, flow)
    if world.opens(end):
        return opened("before Engine 28 a published port also answers on the container's own address")
    policies = {
        ACCEPT: opened("the host's FORWARD policy is ACCEPT, so every container address can be routed to"),
        DROP: shut("the host forwards nothing to an unpublished port (FORWARD policy DROP)"),
    }
    return policies.get(engine.forward_policy, unknown("the host's FORWARD policy could not be read"))


def _routed(world: World, flow: Flow) -> Prediction:
    """Predict a published port of a routed network, asked from elsewhere."""
    end = flow.endpoint
    label = world.label(end.network)
    if world.opens(end):
        return opened(f"{label} is routed, so a published port answers on the container's own address")
    if world.facts.engine.release >= ROUTED_AT_ALL_SEATS:
        return unknown(f"{label} is routed and not the gateway of {end.place}, and Engine 29 moves this wall")
    return shut(f"{label} is routed, and {end.place} publishes through {world.label(world.way_out(end.place))}")


def _guarded(world: World, flow: Flow) -> Prediction:
    """Predict the same on an engine that closes the way to a container's own address."""
    end = flow.endpoint
    if world.opens(end) and not world.facts.engine.guards_addresses:
        return opened(
            "the engine allows direct routing, so a published port also answers on the container's own address"
        )
    if world.opens(end) and (trusted := world.trusted_interfaces(end.network)):
        return unknown(f"{world.label(end.network)} trusts {trusted}, and the outside may stand somewhere else")
    return shut("Engine 28 and later drops what is routed to a container from outside")


def to_outside(world: World, flow: Flow) -> Prediction | None:
    """A container has egress when one of its networks is not internal."""
    if flow.endpoint.place != OUTSIDE:
        return None
    way = world.way_out(flow.vantage.place)
    if not way:
        return shut(f"the file gives {flow.vantage.place} no network")
    if world.is_internal(way):
        return shut(f"every network of {flow.vantage.place} is internal")
    return opened(f"{world.label(way)} is not internal, so {flow.vantage.place} has egress")


def to_host(world: World, flow: Flow) -> Prediction | None:
    """Docker gives every bridge an address of the host's, internal or not, and the host answers on all it has."""
    end = flow.endpoint
    if not world.is_at_home(end.place):
        return None
    seats = world.seats(flow.vantage.place)
    if end.network in seats:
        return opened(f"the host has an address on {world.label(end.network)}, internal or not")
    where = own_address(world, end)
    if world.has_default_route(flow.vantage.place):
        return opened(f"the host answers on {where} for whoever has it as gateway")
    if seats:
        return shut(f"every network of {flow.vantage.place} is internal, which from Engine 25 on is no way to {where}")
    return shut(f"the file gives {flow.vantage.place} no network")


def own_address(world: World, end: Endpoint) -> str:
    """Say which address of the host's is meant."""
    return f"its address of {world.label(end.network)}" if end.network else "all of its addresses"


def to_published(world: World, flow: Flow) -> Prediction | None:
    """A published port is a door for containers as well, unless they come over an internal network."""
    end = flow.endpoint
    if end.kind is not Kind.PUBLISHED:
        return None
    seats = world.seats(flow.vantage.place)
    near = [n for n in seats if (fact := world.facts.network(n)) and fact.holds(end.address)]
    way = near[0] if near else world.way_out(flow.vantage.place)
    if not way:
        return shut(f"the file gives {flow.vantage.place} no network")
    if world.is_internal(way):
        return shut(f"{flow.vantage.place} gets there over {world.label(way)}, which is internal")
    if world.way_out(end.place) != way and (why := _straight(world, way)):
        return shut(f"{why}, so a published port leads straight to the container's own address, on another network")
    return opened("a published port is a door for the containers of other networks too")


def _straight(world: World, way: str) -> str:
    """Return why the members of a network meet the packet filter at published ports, and no process of the engine's."""
    if not world.facts.engine.has_userland_proxy:
        return "the engine has no userland proxy"
    return "" if world.masquerades(way) else f"{world.label(way)} does not masquerade"


def over_network(world: World, flow: Flow) -> Prediction | None:
    """On one bridge everything is open; between two bridges everything is shut."""
    end, source = flow.endpoint, flow.vantage.place
    label = world.label(end.network)
    if end.network not in world.seats(end.place):
        return not_drawn(world, flow)
    if end.network not in world.seats(source):
        if source.startswith(STRANGER):
            return shut(f"the file does not know {source.removeprefix(STRANGER)}")
        return _across(world, flow)
    if world.has_icc_off(end.network):
        return unknown(f"{label} has inter-container communication off, which is known to leak")
    return opened(f"{source} and {end.place} share {label}, and Docker has no policy inside a network")


def _across(world: World, flow: Flow) -> Prediction:
    """Predict the way from one bridge to another: shut, but for the published ports of a routed network."""
    end, source = flow.endpoint, flow.vantage.place
    mode, release = world.gateway_mode(end.network), world.facts.engine.release
    way = world.way_out(source)
    leaves = bool(way) and not world.is_internal(way) and not world.is_internal(end.network)
    if leaves and mode == ROUTED and release >= ROUTED_ACROSS and world.publishes(end):
        return _routed(world, flow)
    return shut(f"the file does not put {source} on {world.label(end.network)}")


def not_drawn(world: World, flow: Flow) -> Prediction:
    """Say that the file does not put the end of a flow where it was found."""
    end = flow.endpoint
    if end.place.startswith(STRANGER):
        return shut(f"the file does not know {end.place.removeprefix(STRANGER)}")
    if not end.network:
        return shut(f"the file does not put {end.place} into the host's namespace")
    return shut(f"the file does not put {end.place} on {world.label(end.network)}")


EITHER: Final[Rules] = (not_published, not_told, same_namespace, network_mode, other_drivers, from_host)
"""What holds for both versions of IP."""
RULES: Final[Rules] = (
    routed_ports,
    *EITHER,
    home_of_host,
    from_outside,
    to_outside,
    to_host,
    to_published,
    over_network,
)
