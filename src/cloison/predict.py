"""What the Compose file and the engine's facts say about every flow, with the rule that decides.

Rule: `RULES` is read from top to bottom and the first that speaks decides. Nothing here knows what
was observed; where the facts do not decide, the prediction is `unknown` and says what is missing.

The behaviour is that of Docker's bridge driver over IPv4 (https://docs.docker.com/engine/network/packet-filtering-firewalls/),
measured on Engine 20.10; version gates carry their own source. `walls_v6` has that over IPv6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from cloison import walls_v6
from cloison.compose import Project
from cloison.model import HOST, OUTSIDE, STRANGER, Facts, Flow, Kind, version_of
from cloison.prediction import Prediction, opened, shut, unknown
from cloison.world import World

UNTOLD: Final = (0, 0)
DIRECT_ROUTING_CLOSED: Final = (28, 0)
"""From here on a container's address answers no remote machine: https://github.com/moby/moby/pull/48724"""
ACCEPT: Final = "ACCEPT"
DROP: Final = "DROP"


def predict(project: Project, facts: Facts, flows: Iterable[Flow]) -> dict[Flow, Prediction]:
    """Return the prediction of every flow."""
    world = World(project, facts)
    return {flow: _first(world, flow) for flow in flows}


def _first(world: World, flow: Flow) -> Prediction:
    rules = RULES_V6 if version_of(flow.endpoint.address) == 6 else RULES  # noqa: PLR2004  # of IP
    said = (rule(world, flow) for rule in rules)
    return next(filter(None, said), unknown("no rule speaks about this flow"))


def not_published(world: World, flow: Flow) -> Prediction | None:
    """The file decides what is published; a container that is older than the file may publish more."""
    end = flow.endpoint
    if end.kind is not Kind.PUBLISHED or world.publishes_there(end):
        return None
    return shut(f"the file does not publish {end.place}:{end.service_port} there")


def same_namespace(world: World, flow: Flow) -> Prediction | None:
    """Two services in one network namespace are one machine to the network; the host's address is still another's."""
    source, target = flow.vantage.place, flow.endpoint.place
    if flow.endpoint.kind is Kind.PUBLISHED:
        return None
    if {source, target} <= set(world.project.services) and source != target:
        owner = world.project.owner(source)
        if owner == world.project.owner(target):
            return opened(f"{source} and {target} live in the network namespace of {owner}")
    return None


def network_mode(world: World, flow: Flow) -> Prediction | None:
    """`host` is the host itself, `none` is nowhere, and `container:NAME` is somewhere the file does not tell."""
    place = flow.vantage.place
    service = world.project.services.get(world.project.owner(place))
    if service is None:
        return None
    modes = {
        "none": shut(f"{place} has network_mode none"),
        "host": opened(f"{place} has network_mode host, and nothing holds the host back"),
        "container": unknown(f"{place} lives in the namespace of a container that the file does not know"),
    }
    mode = service.network_mode.partition(":")[0]
    if mode == "host" and flow.endpoint.network and world.driver(flow.endpoint.network) != "bridge":
        return None  # the host is on every bridge, and not on every network
    return modes.get(mode)


def other_drivers(world: World, flow: Flow) -> Prediction | None:
    """Only bridges are predicted."""
    for network in sorted({flow.endpoint.network, *world.seats(flow.vantage.place)} - {""}):
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
    drawn = flow.endpoint.network in world.seats(flow.endpoint.place)
    return opened("the host has an address on every bridge") if drawn else _not_drawn(world, flow)


def from_outside(world: World, flow: Flow) -> Prediction | None:
    """A neighbour reaches what is published, and before Engine 28 the published port of a container directly."""
    if flow.vantage.place != OUTSIDE:
        return None
    end = flow.endpoint
    if world.is_at_home(end.place):
        return opened(f"{end.place} has network_mode host, and no rule of the engine's stands before the host")
    if end.kind is Kind.PUBLISHED:
        which = f"port {end.port}" if end.port else "a port"  # the engine chooses it, and has not yet
        return opened(f"{which} of the host is published for everyone")
    if end.network not in world.seats(end.place):
        return _not_drawn(world, flow)
    if world.is_internal(end.network):
        return shut(f"{world.label(end.network)} is internal")
    return _direct(world, flow)


def _direct(world: World, flow: Flow) -> Prediction:
    """Predict a packet that a neighbour routes to a container's own address through the host."""
    engine = world.facts.engine
    if engine.release == UNTOLD:
        return unknown("the engine does not tell its version, and Engine 28 moved this wall")
    if engine.release >= DIRECT_ROUTING_CLOSED:
        return shut("Engine 28 and later drops what is routed to a container from outside")
    end = flow.endpoint
    if world.publishes(end) and end.network == world.way_out(end.place):
        return opened("before Engine 28 a published port also answers on the container's own address")
    policies = {
        ACCEPT: opened("the host's FORWARD policy is ACCEPT, so every container address can be routed to"),
        DROP: shut("the host forwards nothing to an unpublished port (FORWARD policy DROP)"),
    }
    return policies.get(engine.forward_policy, unknown("the host's FORWARD policy could not be read"))


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
    if not seats:
        return shut(f"the file gives {flow.vantage.place} no network")
    if end.network in seats:
        return opened(f"the host has an address on {world.label(end.network)}, internal or not")
    where = f"its address of {world.label(end.network)}" if end.network else "all of its addresses"
    return opened(f"the host answers on {where} for whoever has it as gateway")


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
    if not world.masquerades(way) and world.way_out(end.place) != way:
        return shut(
            f"{world.label(way)} does not masquerade, so a published port leads its members straight to the "
            "container's own address, which is on another network"
        )
    return opened("a published port is a door for the containers of other networks too")


def over_network(world: World, flow: Flow) -> Prediction | None:
    """On one bridge everything is open; between two bridges everything is shut."""
    end, source = flow.endpoint, flow.vantage.place
    label = world.label(end.network)
    if end.network not in world.seats(end.place):
        return _not_drawn(world, flow)
    if end.network not in world.seats(source):
        if source.startswith(STRANGER):
            return shut(f"the file does not know {source.removeprefix(STRANGER)}")
        return shut(f"the file does not put {source} on {label}")
    if world.has_icc_off(end.network):
        return unknown(f"{label} has inter-container communication off, which is known to leak")
    return opened(f"{source} and {end.place} share {label}, and Docker has no policy inside a network")


def _not_drawn(world: World, flow: Flow) -> Prediction:
    end = flow.endpoint
    if end.place.startswith(STRANGER):
        return shut(f"the file does not know {end.place.removeprefix(STRANGER)}")
    if not end.network:
        return shut(f"the file does not put {end.place} into the host's namespace")
    return shut(f"the file does not put {end.place} on {world.label(end.network)}")


Rule = Callable[[World, Flow], Prediction | None]
EITHER: Final[tuple[Rule, ...]] = (not_published, same_namespace, network_mode, other_drivers, from_host)
"""What holds for both versions of IP."""
RULES: Final[tuple[Rule, ...]] = (*EITHER, from_outside, to_outside, to_host, to_published, over_network)
RULES_V6: Final[tuple[Rule, ...]] = (*EITHER, *walls_v6.RULES)
