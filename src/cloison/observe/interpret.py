"""Interprets the results of probes: the observation of each flow, from outcomes, arrivals and facts.

Input: the facts of a session, the probe sockets by namespace, and probes with outcomes.
Output: an `Observation` a flow. Nothing is sent here.
Rule: a flow is `unknown` unless its vantage passed both controls, its endpoint's namespace was watched, and
neither of its containers changed meanwhile. A packet that arrived in another namespace than the endpoint's is
not an observation of the endpoint.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from cloison.model.facts import Attachment, Facts, Listener
from cloison.model.flow import HOST, OUTSIDE, Endpoint, EndpointKind, Flow, Protocol, Vantage
from cloison.model.outcome import Observation, Outcome, Reach, observation, unknown
from cloison.observe.evidence import Controls, evidence_of
from cloison.probe.probe import Probe
from cloison.probe.sockets import ProbeSockets

BRIDGE: Final = "bridge"
"""The driver whose packets all pass through the host."""
UDP: Final = Protocol.UDP

VantageKey = tuple[str, str]
"""The key of a namespace: ("", the name of a container), or (`host` or `outside`, "")."""


def vantage_key(point: Vantage | Endpoint) -> VantageKey:
    """Return the key of the namespace in which a connection starts or ends."""
    return ("", point.container) if point.container else (point.place, "")


@dataclass(frozen=True)
class Interpreter:
    """Interprets probes with outcomes. `proxies` are listening sockets of docker-proxy on the host."""

    facts: Facts
    probe_sockets: Mapping[VantageKey, ProbeSockets]
    proxies: frozenset[Listener]
    _cache: dict[tuple[Hashable, ...], Observation] = field(default_factory=dict)
    """Observations by the result of the probe."""
    _equal: dict[Observation, Observation] = field(default_factory=dict)
    """One observation of those that are equal, so that a hundred thousand flows share few objects."""

    @cached_property
    def _attached(self) -> dict[str, tuple[str, ...]]:
        """The addresses of each container by its name."""
        return {
            c.name: tuple(a for attachment in c.attachments for a in attachment.addresses)
            for c in self.facts.containers
        }

    def _addresses(self, container: str) -> tuple[str, ...]:
        return self._attached.get(container, ())

    def observation_of(
        self,
        flow: Flow,
        probe: Probe | Observation,
        controls: Mapping[VantageKey, Controls],
        changed: Mapping[str, str],
    ) -> Observation:
        """Return the observation of a flow; `changed` maps a container or address that changed to the reason."""
        if isinstance(probe, Observation):
            return probe
        end = flow.endpoint
        for name in (flow.vantage.container, end.container, end.address) if changed else ():
            if name in changed:
                return unknown(changed[name])
        vantage, target = controls[vantage_key(flow.vantage)], controls[vantage_key(end)]
        is_reached = probe.target is not None and probe.target in probe.arrived
        if vantage.failure and not (is_reached and not vantage.negative):
            return unknown(vantage.failure)  # a packet that reached its target did so whatever else is lost
        cache_key = (end, probe.outcome, probe.reply, probe.detail, probe.arrived)
        seen = self._cache.get(cache_key)
        if seen is None:
            found = self._observation(end, probe, target)
            seen = self._cache[cache_key] = self._equal.setdefault(found, found)
        unobservable = self._unobservable(flow, probe) if seen.reach is Reach.SHUT else ""
        return unknown(unobservable) if unobservable else seen

    def _observation(self, end: Endpoint, probe: Probe, target: Controls) -> Observation:
        """Return the observation of an endpoint from the result of a probe, whichever vantage sent it."""
        evidence = evidence_of(end, probe)
        if self._is_misdirected(end, probe):
            return Observation(Outcome.ARRIVED, Reach.UNKNOWN, f"{evidence}, which is not the endpoint of this flow")
        return observation(self._outcome(end, probe), watched=not target.positive, evidence=evidence)

    def _outcome(self, end: Endpoint, probe: Probe) -> Outcome:
        """Return the outcome of a probe; a datagram that arrives at a listening socket counts as accepted."""
        if probe.protocol is not Protocol.UDP:
            return probe.outcome
        if probe.outcome is Outcome.ARRIVED and self._has_socket(end):
            return Outcome.ACCEPTED
        host = self.probe_sockets[HOST, ""]
        if (
            end.kind is EndpointKind.PUBLISHED
            and host in probe.arrived
            and _has_listener(self.proxies, "", end.address, end.port)
        ):
            return Outcome.ACCEPTED  # docker-proxy receives it on the host and forwards it
        return probe.outcome

    def _has_socket(self, end: Endpoint) -> bool:
        if end.kind is not EndpointKind.PUBLISHED:
            return end.kind is not EndpointKind.DECLARED
        addresses = self._addresses(end.container)
        return any(
            _has_listener(self.facts.listeners, end.container, address, end.service_port) for address in addresses
        )

    def _is_misdirected(self, end: Endpoint, probe: Probe) -> bool:
        """Whether the probe arrived in another namespace than its target's: a DNAT rule on the path may redirect it.

        A probe of a published port may arrive in the namespace that has its address: on the host docker-proxy listens.
        """
        if not probe.arrived or probe.target in probe.arrived:
            return False
        return bool(
            {*probe.arrived} - ({self._sockets_at(end.address)} if end.kind is EndpointKind.PUBLISHED else set())
        )

    def _sockets_at(self, address: str) -> ProbeSockets:
        """Return the probe sockets of the namespace with a published port's address: a container's, else the host's."""
        owners = (name for name in self._attached if address in self._addresses(name))
        return self.probe_sockets.get(("", next(owners, "")), self.probe_sockets[HOST, ""])

    def _unobservable(self, flow: Flow, probe: Probe) -> str:
        """Return why the external host cannot observe this flow, empty if it can.

        The external host is connected to the host only. It does not see packets that a container sends or receives over
        an interface that bypasses the host, such as macvlan.
        """
        end = flow.endpoint
        network = self.facts.network(end.network)
        if flow.vantage.place == OUTSIDE and network and network.driver != BRIDGE:
            return f"the outside machine is not on {network.name}, whose driver is {network.driver}"
        if end.place != OUTSIDE:
            return ""
        attachments = self.attachments(probe.sockets)
        non_bridge = sorted(attachment.network for attachment in attachments if not self._is_bridge(attachment.network))
        if non_bridge:
            return f"{flow.vantage.place} is also on {non_bridge[0]}, whose packets do not pass through this host"
        route = probe.sockets.routes[probe.address, probe.local_address]
        own = {address for attachment in attachments for address in attachment.addresses} | {*self.facts.host_addresses}
        if not isinstance(route, OSError) and route.source not in own:
            return f"its default route has the source address {route.source} and does not pass through this host"
        return ""

    def _is_bridge(self, name: str) -> bool:
        network = self.facts.network(name)
        return network is not None and network.driver == BRIDGE

    def attachments(self, sockets: ProbeSockets) -> list[Attachment]:
        """Return the network attachments of all containers in the namespace of these probe sockets."""
        sharers = [c for c in self.facts.containers if self.probe_sockets.get(("", c.name)) is sockets]
        return [attachment for container in sharers for attachment in container.attachments]


def _has_listener(listeners: Iterable[Listener], container: str, address: str, port: int) -> bool:
    """Whether one of the listening sockets receives a datagram to this port of an address."""
    found = (item for item in listeners if (item.container, item.protocol, item.port) == (container, UDP, port))
    return any(item.listens_on(address) for item in found)


def pings(flows: Sequence[Flow], observed: Sequence[Observation], echoes: Sequence[Probe | None]) -> list[Flow]:
    """Return the flows to whose address an echo request arrived and no TCP or UDP probe did."""
    open_to = {_address(f) for f, o in zip(flows, observed, strict=True) if o.reach is not Reach.SHUT}
    return [
        flow
        for flow, echo in zip(flows, echoes, strict=True)
        if echo and echo.target in echo.arrived and _address(flow) not in open_to
    ]


def _address(flow: Flow) -> tuple[Vantage, VantageKey, str]:
    return flow.vantage, vantage_key(flow.endpoint), flow.endpoint.address
