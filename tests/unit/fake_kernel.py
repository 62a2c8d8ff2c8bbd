"""The fake kernel of the core's tests: a function from a probe and the engine's facts to an observation.

Rule: it does not see the file and calls no rule of the core. It behaves like the kernel under each engine version,
as measured on 20.10, 26.1 and 28.5 with the defaults of the daemon, and with IPv6 rules where the engine sets them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from cloison.model.facts import Facts
from cloison.model.flow import HOST, LINK_LOCAL, OUTSIDE, EndpointKind, Flow, ip_version
from cloison.model.outcome import Observation, Outcome, observation, unknown

NO_DEFAULT_ROUTE_V4_SINCE: Final = (25, 0)
"""Since this version an internal network has no default route over IPv4."""
NO_DEFAULT_ROUTE_V6_SINCE: Final = (26, 0)
"""Since this version an internal network has no default route over IPv6."""
DROPS_ROUTED_SINCE: Final = (28, 0)
"""Since this version the engine drops packets that are routed to a container from outside."""
GATEWAY_PER_FAMILY_SINCE: Final = (28, 0)
"""Since this version IPv6 has its own default gateway network; before, one network carries both."""


def as_observation(said: Outcome | Observation) -> Observation:
    """Return an observation with a watched namespace and the evidence of a test."""
    return said if isinstance(said, Observation) else observation(said, watched=True, evidence=f"the probe: {said}")


def probe_outcome(facts: Facts, flow: Flow) -> Outcome | Observation:
    """Return the observation of a probe."""
    source, end = flow.vantage, flow.endpoint
    for place, name in ((source.place, source.container), (end.place, end.container)):
        if not name and place not in (HOST, OUTSIDE):
            return unknown(f"{place} has no running container")
    if not end.address:
        return Outcome.UNREACHABLE
    if not _is_delivered(facts, flow):
        return Outcome.SILENT
    return (
        Outcome.ARRIVED if end.kind is EndpointKind.DECLARED or _has_no_return_path(facts, flow) else Outcome.ACCEPTED
    )


def _is_delivered(facts: Facts, flow: Flow) -> bool:
    source, version = flow.vantage, ip_version(flow.endpoint.address)
    if source.place == HOST or _mode(facts, source.container) == HOST:
        return True
    if source.place == OUTSIDE:
        return flow.endpoint.kind is EndpointKind.PUBLISHED or _is_on_host(facts, flow) or _is_routed_in(facts, flow)
    networks = _networks(facts, source.container, version)
    return bool(networks) and (_passes_v4 if version == 4 else _passes_v6)(facts, flow, networks)


def _is_on_host(facts: Facts, flow: Flow) -> bool:
    """Whether a flow ends in the host's own namespace."""
    return flow.endpoint.place == HOST or _mode(facts, flow.endpoint.container) == HOST


def _is_routed_in(facts: Facts, flow: Flow) -> bool:
    """Whether another machine reaches a container's address: before Engine 28, if the port is published.

    Without IPv6 rules it reaches every address.
    """
    end, release = flow.endpoint, facts.engine.release
    if ip_version(end.address) == 6 and not facts.engine.filters_ipv6:
        return True
    owner = next(c for c in facts.containers if c.name == end.container)
    ports = {(published_port.container_port, published_port.protocol) for published_port in owner.published_ports}
    return (
        (end.port, end.protocol) in ports
        and end.network == _gateway(facts, owner.name)
        and release < DROPS_ROUTED_SINCE
    )


def _passes_v4(facts: Facts, flow: Flow, networks: Collection[str]) -> bool:
    end = flow.endpoint
    if end.kind is EndpointKind.PUBLISHED or end.place == OUTSIDE:
        # To an address of the host or to the internet: the packet must leave the bridge that it enters by.
        return bool(_external_networks(facts, _networks_of_address(facts, networks, end.address) or networks))
    is_routed = facts.engine.release < NO_DEFAULT_ROUTE_V4_SINCE or bool(_external_networks(facts, networks))
    return end.network in networks or (_is_on_host(facts, flow) and is_routed)


def _passes_v6(facts: Facts, flow: Flow, networks: Collection[str]) -> bool:
    end, has_ipv6_rules = flow.endpoint, facts.engine.filters_ipv6
    has_route = _has_route_v6(facts, flow.vantage.container)
    if end.network in networks or end.address.startswith(LINK_LOCAL):
        return end.network in networks
    if end.kind is EndpointKind.PUBLISHED:
        networks_used = _networks_of_address(facts, networks, end.address) or [*networks] * has_route
        # docker-proxy answers, unless a DNAT rule redirects the packet to a container on another bridge.
        is_redirected = has_ipv6_rules and bool(_external_networks(facts, _networks(facts, end.container, 6)))
        return bool(networks_used) and (not is_redirected or bool(_external_networks(facts, networks_used)))
    if end.place == OUTSIDE:
        return has_route and (not has_ipv6_rules or bool(_external_networks(facts, networks)))
    return has_route and (_is_on_host(facts, flow) or not has_ipv6_rules)


def _has_no_return_path(facts: Facts, flow: Flow) -> bool:
    """Whether the answer has no route: over IPv6, from a container on internal networks only, to another network."""
    source, end = flow.vantage, flow.endpoint
    if (
        ip_version(end.address) == 4
        or source.place == HOST
        or end.kind is EndpointKind.PUBLISHED
        or end.place == OUTSIDE
    ):
        return False
    if (
        _is_on_host(facts, flow)
        or _mode(facts, source.container) == HOST
        or facts.engine.release < NO_DEFAULT_ROUTE_V6_SINCE
    ):
        return False
    is_near = source.place != OUTSIDE and end.network in _networks(facts, source.container, 6)
    return not is_near and not _has_route_v6(facts, end.container)


def _has_route_v6(facts: Facts, name: str) -> bool:
    """Whether a container has a default route over IPv6; one of an internal network counts on older engines."""
    networks = _networks(facts, name, 6)
    if facts.engine.release >= GATEWAY_PER_FAMILY_SINCE:
        return bool(_external_networks(facts, networks))
    way = _gateway(facts, name)
    return way in networks and (
        facts.engine.release < NO_DEFAULT_ROUTE_V6_SINCE or bool(_external_networks(facts, [way]))
    )


def _gateway(facts: Facts, name: str) -> str:
    """Return the network that carries a container's default route: not an internal one, with IPv6, by name."""
    dual_stack = _networks(facts, name, 6)
    order = sorted(
        (not _external_networks(facts, [n]), n not in dual_stack, n) for n in _networks(facts, name, 4) | dual_stack
    )
    return order[0][-1] if order else ""


def _networks_of_address(facts: Facts, networks: Collection[str], address: str) -> list[str]:
    """Return the networks that contain an address of the host."""
    return [n for n in networks if (known := facts.network(n)) and known.contains(address)]


def _external_networks(facts: Facts, networks: Collection[str]) -> list[str]:
    """Return the networks of a container that are not internal."""
    return [n for n in sorted(networks) if not ((known := facts.network(n)) and known.internal)]


def _mode(facts: Facts, name: str) -> str:
    return next((c.network_mode for c in facts.containers if c.name == name), "")


def _networks(facts: Facts, name: str, version: int) -> set[str]:
    """Return the networks on which the namespace of a container has an address of a version of IP."""
    namespace_owner = _mode(facts, name).partition("container:")[2]
    owners = [c for c in facts.containers if (c.identity == namespace_owner if namespace_owner else c.name == name)]
    held = [attachment for owner in owners for attachment in owner.attachments]
    return {
        attachment.network
        for attachment in held
        if any(ip_version(address) == version for address in attachment.addresses)
    }
