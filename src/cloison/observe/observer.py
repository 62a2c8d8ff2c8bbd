"""Probes the flows of a project from every vantage, with the controls, and returns the observations.

Input: an open `ProbeSession` and the flows to probe. Output: `Observations`.
Rule: a flow is `unknown` unless its vantage passed both controls, its endpoint's namespace has probe sockets, and both
containers are the same at the end as at the beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from cloison.compose.project import Project
from cloison.engine import Engine
from cloison.engine.select import LINK_PREFIXES
from cloison.linux import netns, ruleset
from cloison.model.facts import Container, Facts, Listener, Origin
from cloison.model.flow import HOST, LINK_LOCAL, OUTSIDE, Endpoint, EndpointKind, Flow, Protocol, Vantage
from cloison.model.outcome import Observation, Outcome, observation, unknown
from cloison.observe import network_members
from cloison.observe.client_addresses import client_addresses
from cloison.observe.evidence import Controls, Rules, change, changed_rules, controls_of
from cloison.observe.host_addresses import host_attachments
from cloison.observe.interpret import Interpreter, VantageKey, pings, vantage_key
from cloison.observe.network_members import NetworkMembers
from cloison.probe.probe import Probe
from cloison.probe.prober import Prober
from cloison.probe.sockets import ProbeSockets
from cloison.verdict.flow_enumeration import Ports

DISCARD_PORT: Final = 9
"""The port of the negative control; the address is unused, so no port of it answers."""
BRIDGE: Final = "bridge"
"""The driver whose packets all pass through the host."""
UDP: Final = Protocol.UDP
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Observations:
    """The results of a session's probes."""

    observed: Mapping[Flow, Observation]
    controls: Mapping[Vantage, Controls]
    pings: list[Flow]
    """The flows to whose address an echo request arrived, although neither canary could be reached."""
    not_probed: list[tuple[str, str]]
    """The parts of the project that were not probed, each with the reason."""
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ProbeSession:
    """A project with probe sockets in every namespace. `facts` have the listeners that answer a local probe."""

    engine: Engine
    project: Project
    prober: Prober
    facts: Facts
    unused_addresses: tuple[str, ...]
    probe_sockets: dict[VantageKey, ProbeSockets]
    failures: dict[str, str] = field(default_factory=dict)
    """Why a container has no probe sockets, by its name."""
    stand_ins: Mapping[str, Ports] = field(default_factory=dict)
    """The ports on which the prober listens instead of a service, by the service that owns the namespace."""
    containers_by_name: dict[str, Container] = field(default_factory=dict)
    """The containers by name."""
    proxies: frozenset[Listener] = frozenset()
    """Listening sockets of docker-proxy on the host, one for each published port of a container."""
    not_probed: list[str] = field(default_factory=list)
    """Sentences about redirects to the project's containers that cannot be probed."""
    notes: list[str] = field(default_factory=list)
    """Sentences about redirects of which not every port is probed."""
    members: NetworkMembers = field(default_factory=NetworkMembers)
    """The members of the project's networks that the engine does not know."""
    unusable_addresses: dict[str, str] = field(default_factory=dict)
    """IPv6 addresses that the kernel does not use yet (tentative), with the reason."""

    def observe(self, flows: Sequence[Flow], timeout: float) -> Observations:
        """Send the probes of all flows and the controls at once, and return the observations.

        `timeout` is the time to wait for a reply before a probe counts as unanswered, in seconds.
        """
        self.containers_by_name = {container.name: container for container in self.facts.containers}
        probes = [self._probe(flow) for flow in flows]
        echoes = [self._echo_probe(flow, probe) for flow, probe in zip(flows, probes, strict=True)]
        positive = {key: [*self._positive_controls(key)] for key in self.probe_sockets}
        negative = {
            key: [Probe(sockets, unused, DISCARD_PORT) for unused in self.unused_addresses]
            for key, sockets in self.probe_sockets.items()
        }
        before = self._rules()
        controls = [probe for probes in (*positive.values(), *negative.values()) for probe in probes]
        sent = [probe for probe in (*probes, *echoes) if isinstance(probe, Probe)]
        self.prober.send([*sent, *controls], timeout)
        passed = {key: controls_of(positive[key], negative[key]) for key in self.probe_sockets}
        changed, new_containers = self._changed()
        host_change, rule_changes = self._changed_rules(before)
        changed |= rule_changes
        interpreter = self._interpreter()
        observed = [
            unknown(host_change) if host_change else interpreter.observation_of(flow, probe, passed, changed)
            for flow, probe in zip(flows, probes, strict=True)
        ]
        return Observations(
            dict(zip(flows, observed, strict=True)),
            {
                v: passed.get(vantage_key(v), Controls(self._unprobed_reason(v), ""))
                for v in {flow.vantage for flow in flows}
            },
            pings(flows, observed, echoes),
            self._left_out(new_containers),
            [*self.notes, *client_addresses(zip(flows, probes, strict=True), self.facts)],
        )

    def _left_out(self, new_containers: Iterable[str]) -> list[tuple[str, str]]:
        unmanaged = [(f"container {item.container}", item.sentence) for item in self.facts.unmanaged_addresses]
        redirects = [("a redirect to this project", sentence) for sentence in self.not_probed]
        return [
            *unmanaged,
            *redirects,
            *self.members.unread,
            *((f"container {name}", "it started while the proof was running") for name in new_containers),
        ]

    def _probe(self, flow: Flow) -> Probe | Observation:
        """Return the probe of a flow, or its observation if no probe can be sent."""
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
            return unknown(f"{end.protocol} cannot be probed yet")
        if end.protocol is Protocol.UDP and self.prober.unguarded_reason:
            return unknown(self.prober.unguarded_reason)
        return Probe(
            sockets, end.address, end.port, target, end.protocol, local_address=local_address, network=end.network
        )

    def _link_address(self, source: Vantage, end: Endpoint) -> str:
        """Return the vantage's own address on the interface to use for a link-local endpoint, empty for others."""
        if not end.address.startswith(LINK_LOCAL):
            return ""
        attachments = (
            attachment
            for attachment in self.containers_by_name[source.container].attachments
            if attachment.network == end.network
        )
        return next((address for attachment in attachments for address in attachment.addresses), "")

    def _echo_probe(self, flow: Flow, probe: Probe | Observation) -> Probe | None:
        """Return an echo request to the address of a TCP canary, None for other probes."""
        if not isinstance(probe, Probe) or (flow.endpoint.kind, probe.protocol) != (EndpointKind.CANARY, Protocol.TCP):
            return None
        return Probe(
            probe.sockets, probe.address, 0, probe.target, Protocol.ICMP, probe, probe.local_address, probe.network
        )

    def _unprobed_reason(self, point: Vantage | Endpoint) -> str:
        if not point.container:
            return f"{point.place} has no running container"
        return self.failures.get(point.container, f"{point.container} was not probed")

    def _positive_controls(self, key: VantageKey) -> Iterator[Probe]:
        """Yield the positive controls: probes of the vantage's own canaries, which must arrive."""
        sockets, (place, _) = self.probe_sockets[key], key
        addresses = [
            address for attachment in self._interpreter().attachments(sockets) for address in attachment.addresses
        ]
        own = self.facts.outside_addresses if place == OUTSIDE else addresses
        for address in own or [LOOPBACK]:
            for protocol, port in sockets.canaries.items():
                yield Probe(sockets, address, port, sockets, protocol)

    def addresses(self, container: str) -> list[str]:
        """Return the addresses of a container."""
        attachments = self.containers_by_name[container].attachments if container in self.containers_by_name else ()
        return [address for attachment in attachments for address in attachment.addresses]

    def engine_containers(self) -> tuple[Container, ...]:
        """Return the containers that the engine has now: the project's, and those on its networks."""
        networks = frozenset(network.name for network in self.facts.networks)
        return self.engine.containers(self.project.name, networks)

    def _changed(self) -> tuple[dict[str, str], list[str]]:
        """Return the containers and host addresses that changed, with the reasons, and the new containers."""
        listed = self.engine_containers()
        now = {c.identity: c for c in listed}
        from_engine = [c for c in self.facts.containers if c.origin is Origin.ENGINE]
        changed = {c.name: why for c in from_engine if (why := change(c, now.get(c.identity)))}
        removed = {*self.facts.host_attachments} - {*host_attachments(self.facts, *self.facts.outside_gateways)}
        known = {c.identity for c in self.facts.containers}
        arrivals = sorted(c.name for c in now.values() if c.pid and c.identity not in known)
        lost_members, new_members = self._changed_members(listed)
        lost_addresses = {address: f"the host lost the address {address} during the proof" for _, address in removed}
        return self.unusable_addresses | changed | lost_members | lost_addresses, arrivals + new_members

    def _changed_members(self, listed: Iterable[Container]) -> tuple[dict[str, str], list[str]]:
        """Return the members without the engine that left the networks, with a sentence, and those that appeared."""
        from_engine = tuple(c for c in self.facts.containers if c.origin is Origin.ENGINE)
        members = {m.name for m in self.members.members}
        sockets = {key: found for key, found in self.probe_sockets.items() if key[1] not in members}
        found = network_members.find(replace(self.facts, containers=from_engine), self.project, sockets)
        now = found.without(listed).members
        held = {(m.identity, m.attachments) for m in now}
        lost = [m.name for m in self.members.members if (m.identity, m.attachments) not in held]
        before = {m.identity for m in self.members.members}
        left = {name: f"{name} left the network or changed its addresses during the proof" for name in lost}
        return left, sorted(m.name for m in now if m.identity not in before)

    def _rules(self) -> dict[ProbeSockets, Rules]:
        """Return the firewall rules of every namespace with probe sockets."""
        return {sockets: _rules_in(sockets) for sockets in {*self.probe_sockets.values()}}

    def _changed_rules(self, before: Mapping[ProbeSockets, Rules]) -> tuple[str, dict[str, str]]:
        """Return the sentence about changed firewall rules of the host, and those about containers by name."""
        now = self._rules()
        changed = {
            key[1]: f"{key[1]}: {why}"
            for key, sockets in self.probe_sockets.items()
            if key[1] and sockets is not self.probe_sockets[HOST, ""]
            if (why := changed_rules(before[sockets], now[sockets]))
        }
        host = self.probe_sockets[HOST, ""]
        why = changed_rules(before[host], now[host], self._belongs)
        return f"{HOST}: {why}" if why else "", changed

    def _belongs(self, name: str) -> bool | None:
        """Return whether an interface or address of a rule is the project's, another network's, or neither (None)."""
        if name in {network.link for network in self.facts.networks}:
            return True
        if not _is_address(name):
            return False if name.startswith(LINK_PREFIXES) else None
        if any(network.contains(name) for network in self.facts.networks):
            return True
        return None if name in self.facts.host_addresses else False

    def _interpreter(self) -> Interpreter:
        return Interpreter(self.facts, self.probe_sockets, self.proxies)


def _rules_in(sockets: ProbeSockets) -> Rules:
    try:
        with netns.inside(sockets.descriptor):
            return ruleset.rules()
    except OSError as error:
        return error.strerror or str(error)


def _is_address(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdigit()
