"""Ranges of ports with the same fate, of which a plan predicts the first port only.

Input: a `Project` and its policy. Output: the last port of each range, by the namespace, the protocol and the first.
Rule: two neighbouring ports are in one range only if every service of their namespace publishes and exposes them alike,
no other service publishes at one of their ports of the host only, and every rule of the policy covers both or neither.
So a port with another fate ends the range before it and begins another one after it. Compose resolves a range into
single ports: https://docs.docker.com/reference/compose-file/services/#ports
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from cloison.compose.flow_rule import ANY_PLACE, PolicyRule
from cloison.compose.policy import Policy, flow_rules
from cloison.compose.project import Port, Project, Service
from cloison.model.flow import Protocol

MIN_RANGE: Final = 3
"""The fewest ports of a range; fewer are named one by one."""
PortKey = tuple[str, Protocol, int]
"""The service that owns the network namespace, the protocol and the port."""
PortSignature = frozenset[Hashable]
"""What the services of a namespace say of a port."""


def port_ranges(project: Project, rules: Policy | None) -> dict[PortKey, int]:
    """Return the last port of each range, by its namespace, protocol and first port."""
    found: dict[PortKey, int] = {}
    for (owner, protocol), signatures in _signatures(project).items():
        starts = {port for rule in flow_rules(rules) for port in _starts(rule, owner, protocol)}
        for first, last in _runs(signatures, starts):
            if last - first + 1 >= MIN_RANGE:
                found[owner, protocol, first] = last
    return found


def _starts(rule: PolicyRule, owner: str, protocol: Protocol) -> set[int]:
    """Return the ports at which a rule begins or ceases to cover the ports of a namespace."""
    if rule.port is None or rule.protocol != protocol or rule.target not in (owner, ANY_PLACE):
        return set()
    return {rule.port, (rule.last_port or rule.port) + 1}


def _signatures(project: Project) -> dict[tuple[str, Protocol], dict[int, PortSignature]]:
    claims = _claims(project)
    found: dict[tuple[str, Protocol], dict[int, set[Hashable]]] = {}
    for name, service in project.services.items():
        owner = project.owner(name)
        for port in service.ports:
            others = claims.get((port.protocol, port.host_port), set()) - {(name, port.host_address, port.target)}
            neighbours = frozenset((other, address, target - port.target) for other, address, target in others)
            said = (name, port.host_address, _offset(port), neighbours)
            found.setdefault((owner, port.protocol), {}).setdefault(port.target, set()).add(said)
        for protocol, number in service.exposed:
            found.setdefault((owner, protocol), {}).setdefault(number, set()).add(name)
    return {key: {port: frozenset(said) for port, said in ports.items()} for key, ports in found.items()}


def _claims(project: Project) -> dict[tuple[Protocol, int], set[tuple[str, str, int]]]:
    """Return the (service, address, target) that a port of the host is published for."""
    found: dict[tuple[Protocol, int], set[tuple[str, str, int]]] = {}
    for name, service in project.services.items():
        for port in service.ports:
            if port.host_port:
                claim = (name, port.host_address, port.target)
                found.setdefault((port.protocol, port.host_port), set()).add(claim)
    return found


def _offset(port: Port) -> int | None:
    """Return how far the port of the host is from the port of the container, None where the engine chooses it."""
    return port.host_port - port.target if port.host_port else None


def _runs(signatures: Mapping[int, PortSignature], starts: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last port of every run of neighbours with the same signature."""
    begins, ports = frozenset(starts), sorted(signatures)
    first = last = ports[0]
    for port in ports[1:]:
        if port != last + 1 or port in begins or signatures[port] != signatures[last]:
            yield first, last
            first = port
        last = port
    yield first, last


def published_ranges(ports: Iterable[Port]) -> Iterator[tuple[Port, int]]:
    """Yield each published port and 0, or the first port of a published range and the range's last port."""
    groups: dict[Hashable, dict[int, Port]] = {}
    for port in ports:
        groups.setdefault((port.protocol, port.host_address, _offset(port)), {})[port.target] = port
    for targets in groups.values():
        for first, last in _runs(dict.fromkeys(targets, PortSignature()), ()):
            if last - first + 1 >= MIN_RANGE:
                yield targets[first], last
            else:
                yield from ((targets[port], 0) for port in range(first, last + 1))


def hidden_ports(ranges: Mapping[PortKey, int]) -> frozenset[PortKey]:
    """Return the ports of all ranges without the first of each."""
    return frozenset(
        (owner, protocol, port)
        for (owner, protocol, first), last in ranges.items()
        for port in range(first + 1, last + 1)
    )


def without_ports(service: Service, owner: str, hidden: frozenset[PortKey]) -> Service:
    """Return a service without its hidden ports; `owner` is the service that owns its namespace."""
    return replace(
        service,
        ports=tuple(port for port in service.ports if (owner, port.protocol, port.target) not in hidden),
        exposed=tuple(pair for pair in service.exposed if (owner, *pair) not in hidden),
    )
