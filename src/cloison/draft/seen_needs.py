"""The needs that connections of a running project show, and the foreign containers on its networks.

Input: connections by address, and the facts that say whose an address is. Output: `Need` values and tolerations.
Rules:
  - A port of the host that the engine publishes, or at which a container in the host's network listens, is a port of
    that service.
  - A connection that the host began shows no need: flows from the host are judged only where a policy names it.
  - A foreign container on a network of the project is tolerated, never allowed: it is not in the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol as Interface
from typing import TypeVar

from cloison.compose.project import Project
from cloison.draft.need import Need
from cloison.model.facts import Container, Facts
from cloison.model.flow import FOREIGN, HOST, OUTSIDE, Protocol
from cloison.plan.tolerations import TolerationEntry
from cloison.verdict.flow_enumeration import known_ports, place

FOREIGN_WHY = "{name} is not in the file, and is on the network {network}"


class Connection(Interface):
    """A connection, from the end that began it."""

    @property
    def protocol(self) -> Protocol:
        """Its protocol."""
        ...

    @property
    def source(self) -> str:
        """The address of the end that began it."""
        ...

    @property
    def source_port(self) -> int:
        """The port of that end."""
        ...

    @property
    def target(self) -> str:
        """The address of the other end."""
        ...

    @property
    def port(self) -> int:
        """The port of the other end."""
        ...


@dataclass(frozen=True)
class Places:
    """Whose the addresses and the host's ports are; `host_owners` names containers by the host's ports."""

    project: Project
    facts: Facts
    host_owners: Mapping[tuple[Protocol, int], str]

    @cached_property
    def _containers(self) -> dict[str, Container]:
        return {container.name: container for container in self.facts.containers}

    @cached_property
    def _host_addresses(self) -> frozenset[str]:
        return frozenset(self.facts.host_addresses)

    def source(self, address: str) -> str:
        """Return the place with an address."""
        if name := self.facts.container_addresses.get(address):
            return place(self.project, self._containers[name])
        return HOST if address in self._host_addresses else OUTSIDE

    def target(self, protocol: Protocol, address: str, port: int) -> tuple[str, int]:
        """Return the place and the service port behind an address and a port."""
        where = self.source(address)
        if where != HOST:
            return where, port
        for container in self.facts.containers:
            for published in container.published_ports:
                if (published.protocol, published.host_port) == (protocol, port) and published.binds(address):
                    return place(self.project, container), published.container_port
        owner = self._containers.get(self.host_owners.get((protocol, port), ""))
        return (place(self.project, owner) if owner else HOST), port


Beginning = tuple[Protocol, str, int]
"""The protocol, the address and the port of the end that began a connection."""
AnyConnection = TypeVar("AnyConnection", bound=Connection)
Key = tuple[str, str, Protocol, int]
"""The source, the target, the protocol and the port of a connection; to the outside, the port is 0."""
Counted = Counter[Key]
"""The number of connections by source, target, protocol and port; to the outside, the port is 0."""


def counted_connections(
    project: Project,
    facts: Facts,
    connections: Iterable[Connection],
    host_owners: Mapping[tuple[Protocol, int], str],
) -> Counted:
    """Return the numbers of the connections that start at a service, or reach one from the outside."""
    places = Places(project, facts, host_owners)
    # A connection has entries in the tables of both its ends, before and after a translation.
    unique = {
        (places.source(item.source), *places.target(item.protocol, item.target, item.port), item.protocol,
         item.source, item.source_port)
        for item in connections
    }  # fmt: skip
    return Counter(
        (source, target, protocol, 0 if target == OUTSIDE else port)
        for source, target, port, protocol, *_ in unique
        if _is_need(project, source, target)
    )


def named_connections(
    project: Project,
    facts: Facts,
    connections: Iterable[AnyConnection],
    host_owners: Mapping[tuple[Protocol, int], str],
) -> dict[AnyConnection, tuple[Key, Beginning]]:
    """Return the connections that a line of a policy can name, each with its key and its beginning.

    A connection has entries in the tables of both its ends, and before and after a translation: their values are equal.
    """
    places = Places(project, facts, host_owners)
    # The probes of a proof go to UDP ports at which nothing listens, and their entries outlive it for half a minute.
    receiving = {
        (target, port)
        for target, ports in known_ports(project, facts).items()
        for p, port in ports
        if p is Protocol.UDP
    }
    found: dict[AnyConnection, tuple[Key, Beginning]] = {}
    for item in connections:
        source, (target, port) = places.source(item.source), places.target(item.protocol, item.target, item.port)
        if not _is_need(project, source, target):
            continue
        begin = item.protocol, item.source, item.source_port
        if target == OUTSIDE:  # where a policy has no ports
            found[item] = (source, target, Protocol.TCP, 0), begin
        elif item.protocol is not Protocol.UDP or (target, port) in receiving:
            found[item] = (source, target, item.protocol, port), begin
    return found


def seen_needs(
    project: Project,
    facts: Facts,
    connections: Iterable[Connection],
    host_owners: Mapping[tuple[Protocol, int], str],
    when: str,
) -> list[Need]:
    """Return the needs that connections show, sorted; `when` says when they were seen, as `at 14:02`."""
    named = named_connections(project, facts, connections, host_owners)
    found = Counter(key for key, _ in set(named.values()))
    return sorted(
        Need(source, target, protocol, port, origin=_seen(number, when))
        for (source, target, protocol, port), number in found.items()
    )


def _seen(number: int, when: str) -> str:
    return f"seen: {number} connection{'' if number == 1 else 's'} {when}"


def _is_need(project: Project, source: str, target: str) -> bool:
    """Whether a connection starts at a service, or reaches one from the outside."""
    if source.startswith(FOREIGN) or target.startswith(FOREIGN) or source == target:
        return False
    return source in project.services or (source == OUTSIDE and target in project.services)


def without_listener(project: Project, facts: Facts, needs: Iterable[Need]) -> tuple[list[Need], list[str]]:
    """Return the needs whose port the running service has, and a sentence for each of the others.

    A proof refuses a rule about a port that neither a process nor the file nor the image has.
    """
    known = known_ports(project, facts)
    kept, left_out = [], []
    for need in needs:
        ports = known.get(project.owner(need.target))
        if ports is None or not need.port or _has_port(need, ports):
            kept.append(need)
        else:
            left_out.append(f"{need.text} ({need.origin}): the running {need.target} has no such port")
    return kept, left_out


def _has_port(need: Need, ports: Collection[tuple[Protocol, int]]) -> bool:
    return any(p is need.protocol and need.port <= number <= (need.last_port or need.port) for p, number in ports)


def foreign_tolerations(project: Project, facts: Facts) -> Iterator[TolerationEntry]:
    """Yield the tolerations of the foreign containers that are on a network with services of the project."""
    for container in sorted(facts.containers):
        name = place(project, container)
        if not container.pid or not name.startswith(FOREIGN):
            continue
        for network in sorted(attachment.network for attachment in container.attachments):
            members = [s for s in sorted(project.services) if network in project.attached_networks(s)]
            known = project.network_named(network)
            if members:
                key = known.key if known else network
                why = FOREIGN_WHY.format(name=container.name, network=key)
                yield {"flow": f"{name} -> {', '.join(members)}", "why": why}
                yield {"flow": f"{', '.join(members)} -> {name}", "why": why}
