"""A kernel that is a function: what becomes of a probe, by what the engine really holds.

Rule: it has never seen the file, and asks no rule of the core's. It is that of the engine's own version,
as measured on 20.10, 26.1 and 28.5 with the daemon's own defaults, and with rules over IPv6 where it has them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from cloison.model.facts import HOST, LINK_LOCAL, OUTSIDE, Facts, Flow, Kind, version_of
from cloison.model.outcome import Observation, Outcome, observation, unknown

UNROUTED_V4: Final = (25, 0)
"""Engines from here on give an internal network no default route over IPv4."""
UNROUTED: Final = (26, 0)
"""Engines from here on give an internal network no default route over IPv6."""
SEALED: Final = (28, 0)
"""Engines from here on drop what is routed to a container from outside."""
TWO_GATEWAYS: Final = (28, 0)
"""Engines from here on choose the default route over IPv6 by itself; before, one network carries both."""


def seen(said: Outcome | Observation) -> Observation:
    """Return what was seen in every namespace, with the evidence of a test."""
    return said if isinstance(said, Observation) else observation(said, watched=True, evidence=f"the probe: {said}")


def says(facts: Facts, flow: Flow) -> Outcome | Observation:
    """Say what becomes of a probe."""
    source, end = flow.vantage, flow.endpoint
    for place, name in ((source.place, source.container), (end.place, end.container)):
        if not name and place not in (HOST, OUTSIDE):
            return unknown(f"{place} has no running container")
    if not end.address:
        return Outcome.UNREACHABLE
    if not _passes(facts, flow):
        return Outcome.SILENT
    return Outcome.ARRIVED if end.kind is Kind.DECLARED or _is_one_way(facts, flow) else Outcome.ACCEPTED


def _passes(facts: Facts, flow: Flow) -> bool:
    source, version = flow.vantage, version_of(flow.endpoint.address)
    if source.place == HOST or _mode(facts, source.container) == HOST:
        return True
    if source.place == OUTSIDE:
        return flow.endpoint.kind is Kind.PUBLISHED or _is_home(facts, flow) or _is_routed_in(facts, flow)
    seats = _seats(facts, source.container, version)
    return bool(seats) and (_passes_v4 if version == 4 else _passes_v6)(facts, flow, seats)


def _is_home(facts: Facts, flow: Flow) -> bool:
    """Whether a flow ends in the host's own namespace."""
    return flow.endpoint.place == HOST or _mode(facts, flow.endpoint.container) == HOST


def _is_routed_in(facts: Facts, flow: Flow) -> bool:
    """Whether a neighbour gets to a container's own address: before Engine 28, where the port is published.

    Without IPv6 rules it gets everywhere.
    """
    end, release = flow.endpoint, facts.engine.release
    if version_of(end.address) == 6 and not facts.engine.filters_ipv6:
        return True
    owner = next(c for c in facts.containers if c.name == end.container)
    doors = {(door.container_port, door.protocol) for door in owner.publications}
    return (end.port, end.protocol) in doors and end.network == _gateway(facts, owner.name) and release < SEALED


def _passes_v4(facts: Facts, flow: Flow, seats: Collection[str]) -> bool:
    end = flow.endpoint
    if end.kind is Kind.PUBLISHED or end.place == OUTSIDE:
        # To an address of the host's, or to the internet: it has to get out of the bridge that it comes by.
        return bool(_ways_out(facts, _near(facts, seats, end.address) or seats))
    is_routed = facts.engine.release < UNROUTED_V4 or bool(_ways_out(facts, seats))
    return end.network in seats or (_is_home(facts, flow) and is_routed)


def _passes_v6(facts: Facts, flow: Flow, seats: Collection[str]) -> bool:
    end, walled = flow.endpoint, facts.engine.filters_ipv6
    has_route = _has_route_v6(facts, flow.vantage.container)
    if end.network in seats or end.address.startswith(LINK_LOCAL):
        return end.network in seats
    if end.kind is Kind.PUBLISHED:
        ways = _near(facts, seats, end.address) or [*seats] * has_route
        # The engine's proxy answers, unless a rule leads the packet to a container behind another wall.
        is_led = walled and bool(_ways_out(facts, _seats(facts, end.container, 6)))
        return bool(ways) and (not is_led or bool(_ways_out(facts, ways)))
    if end.place == OUTSIDE:
        return has_route and (not walled or bool(_ways_out(facts, seats)))
    return has_route and (_is_home(facts, flow) or not walled)


def _is_one_way(facts: Facts, flow: Flow) -> bool:
    """Whether the answer has no way back: over IPv6, from who is only on internal networks, to another network."""
    source, end = flow.vantage, flow.endpoint
    if version_of(end.address) == 4 or source.place == HOST or end.kind is Kind.PUBLISHED or end.place == OUTSIDE:
        return False
    if _is_home(facts, flow) or _mode(facts, source.container) == HOST or facts.engine.release < UNROUTED:
        return False
    is_near = source.place != OUTSIDE and end.network in _seats(facts, source.container, 6)
    return not is_near and not _has_route_v6(facts, end.container)


def _has_route_v6(facts: Facts, name: str) -> bool:
    """Whether a container has a default route over IPv6; one of an internal network counts on older engines."""
    seats = _seats(facts, name, 6)
    if facts.engine.release >= TWO_GATEWAYS:
        return bool(_ways_out(facts, seats))
    way = _gateway(facts, name)
    return way in seats and (facts.engine.release < UNROUTED or bool(_ways_out(facts, [way])))


def _gateway(facts: Facts, name: str) -> str:
    """Return the network that carries a container's default route: not an internal one, with IPv6, by name."""
    dual = _seats(facts, name, 6)
    order = sorted((not _ways_out(facts, [n]), n not in dual, n) for n in _seats(facts, name, 4) | dual)
    return order[0][-1] if order else ""


def _near(facts: Facts, seats: Collection[str], address: str) -> list[str]:
    """Return the networks to which an address of the host's belongs."""
    return [n for n in seats if (known := facts.network(n)) and known.holds(address)]


def _ways_out(facts: Facts, seats: Collection[str]) -> list[str]:
    """Return the networks of a container that are not internal."""
    return [n for n in sorted(seats) if not ((known := facts.network(n)) and known.internal)]


def _mode(facts: Facts, name: str) -> str:
    return next((c.network_mode for c in facts.containers if c.name == name), "")


def _seats(facts: Facts, name: str, version: int) -> set[str]:
    """Return the networks on which the namespace of a container has an address of a version of IP."""
    lender = _mode(facts, name).partition("container:")[2]
    owners = [c for c in facts.containers if (c.identity == lender if lender else c.name == name)]
    held = [seat for owner in owners for seat in owner.attachments]
    return {seat.network for seat in held if any(version_of(address) == version for address in seat.addresses)}
