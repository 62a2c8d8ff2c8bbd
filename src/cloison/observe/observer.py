"""Visits every vantage, runs the controls, and returns the observed matrix.

Rule: a flow is `unknown` unless its vantage passed both controls, its endpoint's namespace was
watched, and both containers are at the end what they were at the beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cloison.compose.project import Project
from cloison.engine import Engine
from cloison.model.facts import Container, Facts, Listener
from cloison.model.flow import LINK_LOCAL, OUTSIDE, Endpoint, EndpointKind, Flow, Protocol, Vantage
from cloison.model.outcome import Observation, Outcome, observation, unknown
from cloison.observe.evidence import Controls, change, controls_of
from cloison.observe.host_addresses import host_attachments
from cloison.observe.interpret import Interpreter, VantageKey, pings, vantage_key
from cloison.probe.probe import Probe
from cloison.probe.prober import Prober
from cloison.probe.sockets import ProbeSockets
from cloison.verdict.flow_enumeration import Ports

DISCARD_PORT: Final = 9
"""The port of the negative control; nobody holds the address, so no port of it answers."""
BRIDGE: Final = "bridge"
"""The driver whose networks all lead through the host."""
UDP: Final = Protocol.UDP
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Observations:
    """What was seen."""

    observed: Mapping[Flow, Observation]
    controls: Mapping[Vantage, Controls]
    pings: list[Flow]
    """The flows to whose address an echo request got through, where neither canary could be reached."""
    not_probed: list[tuple[str, str]]
    """What was met and not looked at, and why."""


@dataclass(slots=True)
class ProbeSession:
    """A project with a post in every namespace. `facts` hold the listeners that answered from their own namespace."""

    engine: Engine
    project: Project
    prober: Prober
    facts: Facts
    unused_addresses: tuple[str, ...]
    probe_sockets: dict[VantageKey, ProbeSockets]
    failures: dict[str, str] = field(default_factory=dict)
    """Why a container has no post."""
    stand_ins: Mapping[str, Ports] = field(default_factory=dict)
    """By the service that owns a namespace: the ports on which the prober listens in its stead."""
    containers_by_name: dict[str, Container] = field(default_factory=dict)
    """The containers by name."""
    proxies: frozenset[Listener] = frozenset()
    """Sockets of the engine's proxy on the host: each stands for a container's published port."""
    not_probed: list[str] = field(default_factory=list)
    """Doors that seem to lead here and cannot be asked, in sentences."""
    unusable_addresses: dict[str, str] = field(default_factory=dict)
    """Addresses of which the kernel does not know yet whether it may use them, and why."""

    def observe(self, flows: Sequence[Flow], timeout: float) -> Observations:
        """Fire all probes of all flows at once, with the controls, and read what they mean.

        `patience` is the time to wait for silence, in seconds.
        """
        self.containers_by_name = {container.name: container for container in self.facts.containers}
        probes = [self._probe(flow) for flow in flows]
        echoes = [self._echo_probe(flow, probe) for flow, probe in zip(flows, probes, strict=True)]
        positive = {key: [*self._positive_controls(key)] for key in self.probe_sockets}
        negative = {
            key: [Probe(sockets, unused, DISCARD_PORT) for unused in self.unused_addresses]
            for key, sockets in self.probe_sockets.items()
        }
        controls = [probe for probes in (*positive.values(), *negative.values()) for probe in probes]
        sent = [probe for probe in (*probes, *echoes) if isinstance(probe, Probe)]
        self.prober.send([*sent, *controls], timeout)
        passed = {key: controls_of(positive[key], negative[key]) for key in self.probe_sockets}
        changed, new_containers = self._changed()
        interpreter = self._interpreter()
        observed = [
            interpreter.observation_of(flow, probe, passed, changed) for flow, probe in zip(flows, probes, strict=True)
        ]
        return Observations(
            dict(zip(flows, observed, strict=True)),
            {
                v: passed.get(vantage_key(v), Controls(self._unprobed_reason(v), ""))
                for v in {flow.vantage for flow in flows}
            },
            pings(flows, observed, echoes),
            self._left_out(new_containers),
        )

    def _left_out(self, new_containers: Iterable[str]) -> list[tuple[str, str]]:
        unmanaged = [(f"what {item.container} holds", item.sentence) for item in self.facts.unmanaged_addresses]
        redirects = [("a door that leads here", sentence) for sentence in self.not_probed]
        return [
            *unmanaged,
            *redirects,
            *((f"container {name}", "it came while the proof was running") for name in new_containers),
        ]

    def _probe(self, flow: Flow) -> Probe | Observation:
        """Return the probe of a flow, or what is to be said where none can be sent."""
        source, end = flow.vantage, flow.endpoint
        sockets, target = self.probe_sockets.get(vantage_key(source)), self.probe_sockets.get(vantage_key(end))
        if sockets is None or target is None:
            return unknown(self._unprobed_reason(source if sockets is None else end))
        if not end.address:
            declared = self.project.network_named(end.network)
            no_address = f"{end.place} has no address on {declared.key if declared else end.network}"
            return observation(Outcome.UNREACHABLE, watched=True, evidence=no_address)
        local_address = self._link_address(source, end)
        if end.kind is EndpointKind.CANARY:
            return Probe(
                sockets,
                end.address,
                target.canaries[end.protocol],
                target,
                end.protocol,
                local_address=local_address,
                network=end.network,
            )
        if end.protocol not in target.canaries:
            return unknown(f"{end.protocol} is not looked at yet")
        if end.protocol is Protocol.UDP and self.prober.unguarded_reason:
            return unknown(self.prober.unguarded_reason)
        return Probe(
            sockets, end.address, end.port, target, end.protocol, local_address=local_address, network=end.network
        )

    def _link_address(self, source: Vantage, end: Endpoint) -> str:
        """Return an own address on the link to use, where the endpoint's address is valid on one link alone."""
        if not end.address.startswith(LINK_LOCAL):
            return ""
        attachments = (
            attachment
            for attachment in self.containers_by_name[source.container].attachments
            if attachment.network == end.network
        )
        return next((address for attachment in attachments for address in attachment.addresses), "")

    def _echo_probe(self, flow: Flow, probe: Probe | Observation) -> Probe | None:
        """Return an echo request beside the TCP canary of an address."""
        if not isinstance(probe, Probe) or (flow.endpoint.kind, probe.protocol) != (EndpointKind.CANARY, Protocol.TCP):
            return None
        return Probe(
            probe.sockets, probe.address, 0, probe.target, Protocol.ICMP, probe, probe.local_address, probe.network
        )

    def _unprobed_reason(self, point: Vantage | Endpoint) -> str:
        if not point.container:
            return f"{point.place} has no running container"
        return self.failures.get(point.container, f"{point.container} was not visited")

    def _positive_controls(self, key: VantageKey) -> Iterator[Probe]:
        """Yield the positive controls: a post must reach its own canaries and see them arrive."""
        sockets, (place, _) = self.probe_sockets[key], key
        addresses = [
            address for attachment in self._interpreter().attachments(sockets) for address in attachment.addresses
        ]
        held = self.facts.outside_addresses if place == OUTSIDE else addresses
        for address in held or [LOOPBACK]:
            for protocol, port in sockets.canaries.items():
                yield Probe(sockets, address, port, sockets, protocol)

    def addresses(self, container: str) -> list[str]:
        """Return the addresses of a container."""
        attachments = self.containers_by_name[container].attachments if container in self.containers_by_name else ()
        return [address for attachment in attachments for address in attachment.addresses]

    def _changed(self) -> tuple[dict[str, str], list[str]]:
        """Return the containers and host addresses that are not what they were, and how, and who has come."""
        networks = frozenset(network.name for network in self.facts.networks)
        now = {c.identity: c for c in self.engine.containers(self.project.name, networks)}
        changed = {c.name: why for c in self.facts.containers if (why := change(c, now.get(c.identity)))}
        removed = {*self.facts.host_attachments} - {*host_attachments(self.facts, *self.facts.outside_gateways)}
        known = {c.identity for c in self.facts.containers}
        arrivals = sorted(c.name for c in now.values() if c.pid and c.identity not in known)
        lost_addresses = {address: f"the host gave up {address} during the proof" for _, address in removed}
        return self.unusable_addresses | changed | lost_addresses, arrivals

    def _interpreter(self) -> Interpreter:
        return Interpreter(self.facts, self.probe_sockets, self.proxies)
