"""Classes of services that a plan predicts alike: the same networks, the same ports, the same rules of the policy.

Input: a `Project` and its policy. Output: `ServiceClass` values.
Rule: two services are in one class only if exchanging their names changes neither the file nor the policy, but for
ports of the host and for exposed ports that the policy does not name: these have the fate of any other port of the
service, because the rules of `predict` read only published ports. Two services of a class stand for all of them: the
second one is needed for the flows between two members.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from cloison.compose.flow_rule import ANY_PLACE, PolicyRule
from cloison.compose.policy import Policy, flow_rules
from cloison.compose.project import Project, Service
from cloison.model.flow import HOST, Protocol

MIN_CLASS: Final = 5
"""The fewest services of a class; fewer are all modelled."""
MANY: Final = 10
"""From this number on services are one class although the ports that they expose differ."""
LARGE: Final = 40
"""In a project of more services, every class is one whatever its members expose."""
MODELLED: Final = 2
"""The number of services that stand for a class."""
HostPort = tuple[Protocol, int]
RankedRule = tuple[int, PolicyRule]
"""A rule, and the number of rules with `*` before it."""


@dataclass(frozen=True, slots=True, order=True)
class ServiceClass:
    """Services that a plan predicts alike, sorted; the first ones stand for all."""

    members: tuple[str, ...]

    @property
    def modelled(self) -> tuple[str, ...]:
        """The services that stand for all."""
        return self.members[:MODELLED]


def service_classes(project: Project, rules: Policy | None) -> list[ServiceClass]:
    """Return the classes of services, without those of few members."""
    by_place = _rules_by_place(rules)
    owners = Counter(map(project.owner, project.services))
    shared = _shared_host_ports(project)
    groups: dict[Hashable, dict[Hashable, list[str]]] = {}
    for name, service in sorted(project.services.items()):
        has_own_namespace = project.owner(name) == name and owners[name] == 1
        if has_own_namespace and shared.isdisjoint(_host_ports(service)):
            same_ports = groups.setdefault(_properties(service, by_place), {})
            same_ports.setdefault(frozenset(service.exposed), []).append(name)
    many = MIN_CLASS if len(project.services) > LARGE else MANY
    found = (names for same_ports in groups.values() for names in _joined(same_ports, many))
    return sorted(ServiceClass(tuple(names)) for names in found if len(names) >= MIN_CLASS)


def _joined(same_ports: Mapping[Hashable, list[str]], many: int) -> Iterable[list[str]]:
    """Return one class for many services, whatever they expose, or one for each set of exposed ports for few."""
    members = sorted(name for names in same_ports.values() for name in names)
    return [members] if len(members) >= many else same_ports.values()


def _rules_by_place(rules: Policy | None) -> dict[str, list[RankedRule]]:
    """Return the rules that name each place.

    The position of an allowed flow in the policy is no difference, but the first rule that matches decides: so a rule
    has the number of rules with `*` before it. A toleration keeps its position, because each must cover an open flow.
    """
    found: dict[str, list[RankedRule]] = {}
    wildcards = 0
    allowed = len(rules.allow) if rules else 0
    for position, rule in enumerate(flow_rules(rules)):
        wildcards += rule.has_wildcard
        ranked = wildcards, replace(rule, where="", text="") if position < allowed else rule
        for place in {rule.source, rule.target}:
            found.setdefault(place, []).append(ranked)
    return found


def _shared_host_ports(project: Project) -> frozenset[HostPort]:
    """Return the ports of the host that several services publish."""
    claims = Counter(port for service in project.services.values() for port in {*_host_ports(service)})
    return frozenset(port for port, count in claims.items() if count > 1)


def _host_ports(service: Service) -> Iterable[HostPort]:
    return ((port.protocol, port.host_port) for port in service.ports if port.host_port)


def _properties(service: Service, by_place: Mapping[str, list[RankedRule]]) -> Hashable:
    """Return what the members of a class have in common."""
    own, name = by_place.get(service.name, ()), service.name
    rules = [rule for _, rule in (*own, *by_place.get(ANY_PLACE, ()))]
    other_ports = _ports_of_no_rule(service, rules)
    return (
        (service.networks, service.network_mode, service.replicas, service.completion_awaited),
        tuple(sorted((p.target, p.protocol, p.host_address, bool(p.host_port)) for p in service.ports)),
        frozenset(service.exposed) - other_ports,
        frozenset(service.priorities.items()),
        frozenset(service.static_addresses.items()),
        frozenset(service.sysctls.items()),
        tuple((rank, replace(r, source=_mark(r.source, name), target=_mark(r.target, name))) for rank, r in own),
    )


def _mark(place: str, name: str) -> str:
    """Return a place of a rule, with a mark in the place of the service itself."""
    return "" if place == name else place


def _ports_of_no_rule(service: Service, rules: Iterable[PolicyRule]) -> frozenset[tuple[Protocol, int]]:
    """Return the exposed ports with the fate of any other port: neither published nor named by the policy."""
    if service.network_mode == HOST:
        return frozenset()  # no canary stands for the other ports of the host's namespace
    published = {(port.protocol, port.target) for port in service.ports}
    named = [rule for rule in rules if rule.port is not None and rule.target in (service.name, ANY_PLACE)]
    return frozenset(
        pair for pair in service.exposed if pair not in published and not any(rule.covers(*pair) for rule in named)
    )


def modelled_services(project: Project, classes: Iterable[ServiceClass]) -> dict[str, Service]:
    """Return the services that a plan models: those of no class, and the modelled members of each class.

    A modelled member has the exposed ports that all members have, and publishes at a port that the engine chooses.
    """
    services = dict(project.services)
    for found in classes:
        members = [services.pop(name) for name in found.members]
        exposed = frozenset.intersection(*(frozenset(member.exposed) for member in members))
        for member in members[:MODELLED]:
            services[member.name] = replace(
                member,
                exposed=tuple(pair for pair in member.exposed if pair in exposed),
                ports=tuple(replace(port, host_port=0) for port in member.ports),
            )
    return services
