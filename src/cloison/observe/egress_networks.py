"""Reads which network carries the packets of each container to other machines, from the kernel's routes.

Input: the facts of a session and its probe sockets by namespace. Output: `EgressNetworks` values.
Rule: the kernel itself chooses, by all of its tables and rules (RTM_GETROUTE). Further default routes with the same
metric are named too: which one it takes may change from packet to packet. What cannot be read is left out.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from typing import Final

from cloison.linux import default_routes, interfaces, netns, route_lookup
from cloison.model.facts import Container, EgressNetworks, Facts, Origin
from cloison.model.flow import HOST, ip_version
from cloison.observe.interpret import VantageKey
from cloison.probe.sockets import ProbeSockets

NO_ROUTE: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EACCES})
"""The errors of a lookup that say that no route leads there; the last one is a prohibited route."""


def read(facts: Facts, project: str, probe_sockets: Mapping[VantageKey, ProbeSockets]) -> tuple[EgressNetworks, ...]:
    """Return the egress networks of the project's running containers that are not in the host's namespace."""
    own = [c for c in facts.containers if c.project == project and c.origin is Origin.ENGINE and c.network_mode != HOST]
    entered = [c for c in own if ("", c.name) in probe_sockets]
    return tuple(sorted(item for c in entered for item in _egress(facts, c, probe_sockets)))


def _egress(
    facts: Facts, container: Container, probe_sockets: Mapping[VantageKey, ProbeSockets]
) -> Iterator[EgressNetworks]:
    sockets = probe_sockets["", container.name]
    networks = {
        address: attachment.network
        for c in facts.containers
        if probe_sockets.get(("", c.name)) is sockets
        for attachment in c.attachments
        for address in attachment.addresses
    }
    links = interfaces.of(sockets.descriptor)
    names = {
        index: next((networks[a] for a in link.addresses if a in networks), f"interface {link.name}")
        for index, link in links.items()
    }
    internal = {network.name for network in facts.networks if network.internal}
    for outside in facts.outside_addresses:
        try:
            with netns.inside(sockets.descriptor):
                indexes = _indexes(outside)
        except OSError:
            continue
        # Before Engine 25 a network that is internal has a default route, and the host forwards nothing from it.
        found = dict.fromkeys(names[index] for index in indexes if index in names and names[index] not in internal)
        yield EgressNetworks(container.name, ip_version(outside), tuple(found))


def _indexes(outside: str) -> list[int]:
    """Return the ifindexes over which the namespace may send to an address, the kernel's choice first.

    Raises OSError when the kernel refuses.
    """
    (route,) = route_lookup.look_up([(outside, 0)])
    if isinstance(route, OSError):
        if route.errno in NO_ROUTE:
            return []
        raise route
    defaults = default_routes.read(ip_version(outside))
    return [route.interface, *defaults] if route.interface in defaults else [route.interface]
