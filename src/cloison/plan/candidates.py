"""The changes that may close or open a flow, the smallest first.

Input: a `Situation`, the services that need egress, and a flow. Output: `Change` values.
Rule: a candidate is a guess from the flow's ends; `plan.advice` tries each one and prints the first that works.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from cloison.compose.project import Project
from cloison.model.flow import ANY_PORT, HOST, OUTSIDE, Endpoint, EndpointKind, Flow, ip_version
from cloison.model.version import parse_version
from cloison.plan.change import (
    LOOPBACK,
    AddNetwork,
    Change,
    Leave,
    MakeInternal,
    MovePort,
    Publish,
    RemoveIpv6,
    Situation,
    Together,
    Tolerate,
    UseEngine,
    new_key,
)
from cloison.plan.requirements import is_project_bridge
from cloison.plan.tolerations import TO_PUBLISHED, WITHIN_NETWORK

ROUTED_CLOSED: Final = "28.0"
"""The engine that drops packets of other machines to a container: https://github.com/moby/moby/pull/48724"""
IPV6_FILTERED: Final = "27.0"
"""The engine that filters IPv6 by default: https://docs.docker.com/engine/release-notes/27/#ipv6"""


@dataclass(frozen=True)
class Candidates:
    """The candidates of the flows of one situation."""

    situation: Situation
    needing_egress: Collection[str]

    @property
    def _project(self) -> Project:
        return self.situation.project

    def closing(self, flow: Flow) -> Iterator[Change]:
        """Yield the changes that may close a flow."""
        source, end = self._project.owner(flow.vantage.place), flow.endpoint
        target = self._project.owner(end.place)
        if end.kind is EndpointKind.PUBLISHED:
            yield from self._without_egress(source)
            for address in (LOOPBACK, ""):
                yield MovePort(end.place, end.service_port, end.protocol, address, end.last_port)
        elif end.place == OUTSIDE:
            yield from self._without_egress(source)
        elif source == OUTSIDE:
            yield from self.internal(tuple(self._keys(target, end.network)))
            yield from self._newer_engine(ROUTED_CLOSED)
        elif end.place != HOST:
            yield from self._apart(source, target)
        if ip_version(end.address) == 6:  # noqa: PLR2004  # of IP
            yield from self._without_ipv6({source, target})

    def _keys(self, service: str, network: str = "") -> Iterator[str]:
        """Yield the keys of a service's networks, or of one of them."""
        names = self._project.attached_networks(service)
        for key, known in self._project.networks.items():
            if known.name in names and network in ("", known.name):
                yield key

    def _without_egress(self, service: str) -> Iterator[Change]:
        keys = tuple(key for key in self._keys(service) if not self._project.networks[key].internal)
        yield from self.internal(keys)
        if keys:
            yield Leave(service, keys)

    def internal(self, keys: tuple[str, ...]) -> Iterator[Change]:
        """Yield changes that make networks internal, and give egress to the members that need it."""
        networks = [self._project.networks[key] for key in keys]
        if not networks or not all(map(is_project_bridge, networks)):
            return
        yield MakeInternal(keys)
        names = {network.name for network in networks}
        needing = sorted(
            name for name in self.needing_egress if not names.isdisjoint(self._project.attached_networks(name))
        )
        if needing:
            fresh = (
                AddNetwork(new_key(self._project, [name], "-outside"), (name,), internal=False) for name in needing
            )
            yield Together((MakeInternal(keys), *fresh))

    def _apart(self, source: str, target: str) -> Iterator[Change]:
        shared = tuple(key for key in self._keys(source) if key in {*self._keys(target)})
        if shared:
            yield Leave(source, shared)
            yield Leave(target, shared)

    def _without_ipv6(self, services: Collection[str]) -> Iterator[Change]:
        keys = {key for name in services for key in self._keys(name) if self._project.networks[key].ipv6}
        if keys:
            yield RemoveIpv6(tuple(sorted(keys)))
        yield from self._newer_engine(IPV6_FILTERED)

    def _newer_engine(self, version: str) -> Iterator[Change]:
        assumed, wanted = parse_version(self.situation.assumed.engine), parse_version(version)
        if assumed and wanted and assumed < wanted:
            yield UseEngine(version)

    def opening(self, flow: Flow) -> Iterator[Change]:
        """Yield the changes that may open a flow that the policy needs."""
        source, end = self._project.owner(flow.vantage.place), flow.endpoint
        target = self._project.owner(end.place)
        if any(self._is_without_networks(place) for place in (source, target)):
            return
        if source == OUTSIDE:
            yield from self._published(target, end)
        elif end.place == OUTSIDE:
            yield AddNetwork(new_key(self._project, [source], "-outside"), (source,), internal=False)
        elif target != HOST:
            members = tuple(sorted((source, target)))
            fresh = AddNetwork(new_key(self._project, members), members, internal=True)
            yield fresh
            yield Together((fresh, Tolerate((("network", fresh.key), ("why", WITHIN_NETWORK)), WITHIN_NETWORK)))

    def _is_without_networks(self, place: str) -> bool:
        """Whether a place is a service whose `network_mode` excludes `networks`."""
        service = self._project.services.get(place)
        return service is not None and bool(service.network_mode)

    def _published(self, service: str, end: Endpoint) -> Iterator[Change]:
        fresh = AddNetwork(new_key(self._project, [service], "-outside"), (service,), internal=False)
        yield fresh
        if end.service_port != ANY_PORT:
            publish = Publish(service, end.service_port, end.protocol)
            # Containers with a default route reach a published port, too: no network of theirs prevents it.
            target = f"* -> {service}:{end.service_port}/{end.protocol}"
            tolerate = Tolerate((("flow", target), ("why", TO_PUBLISHED)), TO_PUBLISHED)
            yield publish
            yield Together((publish, fresh))
            yield Together((publish, tolerate))
            yield Together((publish, fresh, tolerate))
