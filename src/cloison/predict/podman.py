"""What Podman makes of a Compose file, where it is not what Docker makes of it.

Rule: as in `walls_v4`; what both engines do alike is Docker's rule, named in `RULES`. Podman's own rules come down to
four facts, each measured on 4.3.1 (iptables) and 5.4.2 (nftables), both with Netavark over IPv4:

- A bridge keeps another out only where both carry the option `isolate`, and only while it is not internal. Networks
  that Compose makes carry it; the default network and those of `podman network create` do not.
- `internal` keeps the members in: no default route, nothing forwarded that comes from there. It keeps nobody out.
- Netavark accepts what its networks that are not internal send. All else is left to the host's FORWARD policy, and
  where Netavark writes nftables, so is that.
- No option of Docker's bridges is known to it.
"""

from __future__ import annotations

from typing import Final

from cloison.model.facts import HOST, LINK_LOCAL, OUTSIDE, STRANGER, Endpoint, Flow, Kind
from cloison.model.outcome import Reach
from cloison.predict.context import ISOLATE, World
from cloison.predict.docker_ipv4 import (
    ACCEPT,
    DROP,
    for_everyone,
    from_host,
    home_of_host,
    network_mode,
    not_drawn,
    not_published,
    not_told,
    other_drivers,
    own_address,
    same_namespace,
)
from cloison.predict.prediction import Prediction, Rules, opened, shut, unknown

ISOLATED_BY_API: Final = (4, 3)
"""From here on the Docker-compatible API isolates every bridge that it makes, whatever the file says:
https://github.com/containers/podman/pull/15016"""
ISOLATED_BY_DEFAULT: Final = (6, 0)
"""From here on Netavark isolates every bridge from all others: https://github.com/containers/podman/pull/28524"""
TIDY: Final = (5, 0)
"""Before, whoever inspected a network while containers ran on it kept its isolation rules from being removed with it,
and the next bridge of that name had them, though it were internal (4.3.1; not 5.4.2)."""
ISOLATED: Final = "true"
STRICT: Final = "strict"
NOT_ISOLATED: Final = "false"
IPTABLES: Final = "iptables"
NO_CHECK, STRICT_CHECK, LOOSE_CHECK = "0", "1", "2"


def no_network(world: World, flow: Flow) -> Prediction | None:
    """Where the file gives no network, there is none."""
    place = flow.vantage.place
    if place in (HOST, OUTSIDE) or world.seats(place):
        return None
    if place.startswith(STRANGER):
        return shut(f"the file does not know {place.removeprefix(STRANGER)}")
    return shut(f"the file gives {place} no network")


def end_not_drawn(world: World, flow: Flow) -> Prediction | None:
    """Who is where the file does not put him is not predicted to be there."""
    end = flow.endpoint
    is_seat = end.kind is not Kind.PUBLISHED and end.place != OUTSIDE and not world.is_at_home(end.place)
    return not_drawn(world, flow) if is_seat and end.network not in world.seats(end.place) else None


def held_port(world: World, flow: Flow) -> Prediction | None:
    """Podman leads a port to networks that are not internal; with none, the socket that keeps the port free answers."""
    end, place = flow.endpoint, flow.vantage.place
    if end.kind is not Kind.PUBLISHED or _ways_out(world, end.place):
        return None
    if place not in (HOST, OUTSIDE) and not (_near(world, flow) or _ways_out(world, place)):
        return None
    return opened(f"every network of {end.place} is internal: Podman leads the port nowhere, and answers on it itself")


def from_outside(world: World, flow: Flow) -> Prediction | None:
    """A neighbour reaches what the host forwards to him: Podman itself keeps nobody out."""
    if flow.vantage.place != OUTSIDE:
        return None
    end = flow.endpoint
    if end.kind is Kind.PUBLISHED:
        return _forwarded(world, for_everyone(end), accepted=False)
    label = world.label(end.network)
    way = _forwarded(world, f"Podman keeps nobody out of {label}, internal or not", accepted=False)
    return _checked(world, end) if way.reach is Reach.OPEN else way


def _checked(world: World, end: Endpoint) -> Prediction:
    """Predict whether the container's kernel takes a packet whose source it may have no way back to."""
    label, ways = world.label(end.network), _ways_out(world, end.place)
    came = opened(f"whoever routes to {label} through the host gets there: Podman keeps nobody out, internal or not")
    lost = shut(f"{end.place} has no way back to the outside over {label}, and its kernel drops what comes from there")
    chance = unknown(f"Podman chooses by chance by which of its networks {end.place} answers the outside")
    verdicts = {
        NO_CHECK: came,
        LOOSE_CHECK: came if ways else lost,
        STRICT_CHECK: lost if end.network not in ways else came if len(ways) == 1 else chance,
    }
    return verdicts.get(world.facts.engine.source_check, unknown("the host's rp_filter could not be read"))


def on_one_network(world: World, flow: Flow) -> Prediction | None:
    """On one bridge everything is open, unless the host filters bridges and its FORWARD policy is DROP."""
    end, place = flow.endpoint, flow.vantage.place
    if end.kind is Kind.PUBLISHED or end.network not in world.seats(place):
        return None
    label = world.label(end.network)
    if world.is_at_home(end.place):
        return opened(f"the host has an address on {label}, internal or not")
    open_ = f"{place} and {end.place} share {label}, and Podman has no policy inside a network"
    if not world.facts.engine.filters_bridges:
        return opened(open_)
    return _forwarded(world, open_, accepted=not world.is_internal(end.network))


def from_internal(world: World, flow: Flow) -> Prediction | None:
    """Who has internal networks alone has no default route, and nothing that he sends is forwarded."""
    near, place = _near(world, flow), flow.vantage.place
    way = near or next(iter(_ways_out(world, place)), "")
    if way and not world.is_internal(way):
        return None
    if near:
        return shut(f"{place} gets there over {world.label(near)}, which is internal")
    return shut(f"every network of {place} is internal, so it has no way out")


def to_host(world: World, flow: Flow) -> Prediction | None:
    """The host answers on all of its addresses for whoever has it as gateway."""
    end = flow.endpoint
    if not world.is_at_home(end.place):
        return None
    return opened(f"the host answers on {own_address(world, end)} for whoever it is a gateway of")


def to_outside(world: World, flow: Flow) -> Prediction | None:
    """A container has egress when one of its networks is not internal."""
    if flow.endpoint.place != OUTSIDE:
        return None
    place = flow.vantage.place
    way = next(iter(_ways_out(world, place)))
    return _forwarded(world, f"{world.label(way)} is not internal, so {place} has egress", accepted=True)


def to_itself(world: World, flow: Flow) -> Prediction | None:
    """A published port leads back over the bridge, and a bridge gives no packet back to the container it came from."""
    source, end, owner = flow.vantage.place, flow.endpoint, world.project.owner
    if end.kind is not Kind.PUBLISHED or source == end.place or owner(source) != owner(end.place):
        return None
    if world.project.services[owner(source)].replicas > 1:
        return unknown(f"it cannot be told with which container of {owner(source)} {source} shares its namespace")
    return shut(f"{source} and {end.place} live in one network namespace, and no bridge leads a packet back there")


def between_bridges(world: World, flow: Flow) -> Prediction | None:
    """From one bridge to another, directly or through a published port, which ends in a bridge as well."""
    end, place = flow.endpoint, flow.vantage.place
    near = _near(world, flow)
    ways = [near] if near else _ways_out(world, place)
    targets = _ways_out(world, end.place) if end.kind is Kind.PUBLISHED else [end.network]
    verdicts = [_between(world, way, target) for way in ways for target in targets]
    if len({verdict.reach for verdict in verdicts}) > 1:
        return unknown(f"Podman chooses by chance which of their networks the way from {place} to {end.place} takes")
    return verdicts[0]


def _between(world: World, way: str, target: str) -> Prediction:
    """Predict a packet that comes from the bridge `way` and goes to the bridge `target`."""
    labels = f"{world.label(way)} and {world.label(target)}"
    if way == target:
        return _forwarded(world, "a published port is a door for its own network, too", accepted=True)
    if world.is_internal(target):
        return _into_internal(world, way, target)
    kinds = {isolation(world, way), isolation(world, target)}
    if kinds == {ISOLATED}:
        return shut(f"Podman isolates {labels} from each other")
    if STRICT in kinds:
        return unknown(f"of {labels} one is isolated strictly, which is not predicted")
    if NOT_ISOLATED in kinds:
        return _forwarded(
            world, f"Podman does not isolate {labels}: only one of them, if any, asks for it", accepted=True
        )
    return unknown(f"Podman does not tell whether it isolates {labels}")


def _into_internal(world: World, way: str, target: str) -> Prediction:
    """`internal` itself keeps nobody out, but a rule that was left behind may."""
    if isolation(world, way) != NOT_ISOLATED and world.facts.engine.release < TIDY:
        labels = f"{world.label(way)} and {world.label(target)}"
        return unknown(f"Podman before 5 may have left a rule behind that keeps {labels} apart")
    return _forwarded(world, f"{world.label(target)} is internal, which keeps nobody out on Podman", accepted=True)


def isolation(world: World, network: str) -> str:
    """Return the option `isolate` that a network has by the file and the engine, empty when nobody tells."""
    if not world.is_borrowed(network) and world.facts.engine.release >= ISOLATED_BY_API:
        return ISOLATED if world.facts.engine.release < ISOLATED_BY_DEFAULT else STRICT
    fact = world.facts.network(network)
    return dict(fact.options).get(ISOLATE, "") if fact else ""


def _near(world: World, flow: Flow) -> str:
    """Return the network of a container to which an address belongs, empty when it has to be routed."""
    address = flow.endpoint.address
    facts = [fact for name in world.seats(flow.vantage.place) if (fact := world.facts.network(name))]
    return next((fact.name for fact in facts if address and fact.holds(address)), "")


def _ways_out(world: World, place: str) -> list[str]:
    """Return the networks that give a container a default route; with several, chance chooses among them.

    Netavark takes them in no order: three starts of one container gave three (4.3.1 and 5.4.2).
    """
    return [name for name in world.seats(place) if not world.is_internal(name)]


def _forwarded(world: World, rule: str, *, accepted: bool) -> Prediction:
    """Predict what passes the host's FORWARD chain; `accepted` by Netavark's rules, where they are asked."""
    engine = world.facts.engine
    if accepted and engine.firewall == IPTABLES:
        return opened(rule)
    if accepted and not engine.firewall and engine.forward_policy == DROP:
        return unknown("the FORWARD policy is DROP, and it cannot be told where Podman writes its own rules")
    verdicts = {
        ACCEPT: opened(rule),
        DROP: shut("the host's FORWARD policy is DROP, and no rule of Podman's is asked before it"),
    }
    return verdicts.get(engine.forward_policy, unknown("the host's FORWARD policy could not be read"))


def ipv6(world: World, flow: Flow) -> Prediction | None:
    """Who has no IPv6 address reaches none, but perhaps on a link of his own; the rest is not predicted."""
    place, end = flow.vantage.place, flow.endpoint
    on_link = end.address.startswith(LINK_LOCAL) and end.network in world.seats(place)
    if on_link or place == OUTSIDE or world.is_at_home(place) or world.seats_v6(place):
        return unknown("what Podman makes of IPv6 is not predicted")
    return shut(f"the file gives {place} no IPv6 address")


RULES: Final[Rules] = (
    not_published,
    not_told,
    same_namespace,
    network_mode,
    other_drivers,
    held_port,
    from_host,
    end_not_drawn,
    home_of_host,
    from_outside,
    no_network,
    on_one_network,
    from_internal,
    to_host,
    to_outside,
    to_itself,
    between_bridges,
)
"""Over IPv4."""
RULES_V6: Final[Rules] = (not_published, not_told, same_namespace, network_mode, other_drivers, from_host, ipv6)
