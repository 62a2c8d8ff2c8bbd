"""The reduced project of a plan: one port for a range, two services for a class, and what they stand for.

Input: a `Project` and its policy. Output: a `Reduction`.
Rule: nothing is lost: a flow of the reduced project has the fate of every flow that it stands for. A property test
holds the reduced plan equal to the one of the whole project, flow by flow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as replace_member
from functools import cached_property

from msgspec.structs import replace

from cloison.compose.policy import Policy
from cloison.compose.project import Project
from cloison.model.flow import Endpoint, Flow, Protocol, Vantage
from cloison.plan.equivalent_services import ServiceClass, modelled_services, service_classes
from cloison.plan.port_ranges import PortKey, hidden_ports, port_ranges, without_ports


@dataclass(frozen=True)
class Reduction:
    """The reduced project, and what its ports and services stand for."""

    project: Project
    classes: tuple[ServiceClass, ...] = ()
    last_ports: Mapping[PortKey, int] = field(default_factory=dict)
    hidden: frozenset[PortKey] = frozenset()

    @cached_property
    def dropped(self) -> frozenset[str]:
        """The services that are not modelled."""
        return frozenset(name for found in self.classes for name in found.members if name not in found.modelled)

    @cached_property
    def _class_of(self) -> dict[str, ServiceClass]:
        return {name: found for found in self.classes for name in found.modelled}

    def visible_ports(self, owner: str, ports: Iterable[tuple[Protocol, int]]) -> set[tuple[Protocol, int]]:
        """Return ports without those that the first port of their range stands for."""
        return {pair for pair in ports if (owner, *pair) not in self.hidden}

    def with_ranges(self, flows: list[Flow]) -> list[Flow]:
        """Return the flows with the last port of each range."""
        if not self.last_ports:
            return flows
        ends = {end: self._ranged(end) for end in {flow.endpoint for flow in flows}}
        return [Flow(flow.vantage, ends[flow.endpoint]) for flow in flows]

    def _ranged(self, end: Endpoint) -> Endpoint:
        last = self.last_ports.get((self.project.owner(end.place), end.protocol, end.service_port), 0)
        return replace(end, last_port=last) if last else end

    def expanded(self, flow: Flow) -> Iterator[Flow]:
        """Yield the flows between services that a flow stands for, each by the names of its services only.

        Of the flows of two modelled services of a class, those of the first one stand for all.
        """
        source, target = flow.vantage.place, flow.endpoint.place
        for start, end in self.expanded_pair(source, target):
            yield (
                flow
                if (start, end) == (source, target)
                else Flow(Vantage(start, start), replace(flow.endpoint, place=end, container=end))
            )

    def expanded_pair(self, source: str, target: str) -> Iterator[tuple[str, str]]:
        """Yield the pairs of places that a pair of modelled places stands for."""
        sources, targets = self._class_of.get(source), self._class_of.get(target)
        if sources is None and targets is None:
            yield source, target
        elif sources is not targets:
            if self._is_first(source) and self._is_first(target):
                yield from ((a, b) for a in self._members(source) for b in self._members(target))
        elif source == target and self._is_first(source):
            yield from ((name, name) for name in self._members(source))
        elif self._is_first(source):
            yield from ((a, b) for a in self._members(source) for b in self._members(source) if a != b)

    def _is_first(self, place: str) -> bool:
        found = self._class_of.get(place)
        return found is None or found.members[0] == place

    def _members(self, place: str) -> tuple[str, ...]:
        found = self._class_of.get(place)
        return found.members if found else (place,)


def reduce_project(project: Project, rules: Policy | None) -> Reduction:
    """Return the reduced project: its services have the first port of each range, and its classes two services."""
    classes = tuple(service_classes(project, rules))
    modelled = replace_member(project, services=modelled_services(project, classes)) if classes else project
    return replace_member(reduce_ports(modelled, rules), classes=classes)


def reduce_ports(project: Project, rules: Policy | None) -> Reduction:
    """Return the project whose services have the first port of each range; every service is modelled."""
    ranges = port_ranges(project, rules)
    if not ranges:
        return Reduction(project)
    hidden = hidden_ports(ranges)
    services = {name: without_ports(body, project.owner(name), hidden) for name, body in project.services.items()}
    return Reduction(replace_member(project, services=services), (), ranges, hidden)
