"""A Compose document, an engine that runs it as it says, and a proof of both without either."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.model.facts import Attachment, Container, EngineFacts, Facts, Listener, NetworkFacts, PublishedPort
from cloison.model.flow import HOST, OUTSIDE, WILDCARD, Endpoint, EndpointKind, Flow, Protocol, Vantage
from cloison.model.outcome import Observation, Outcome, Reach, observation, unknown
from cloison.predict import predictor
from cloison.predict.context import Prediction
from cloison.proof import build as proof_build
from cloison.proof.schema import Machine, Proof, RunContext, Tool
from cloison.verdict import flow_enumeration
from cloison.verdict import intent as verdict_intent
from cloison.verdict import judge as verdict_judge
from cloison.verdict.reasons import ProofInputs

WHEN: Final = "2026-01-02T03:04:05.678Z"
RUN_CONTEXT: Final = RunContext(Tool("cloison", "0.1.0"), Machine("vm", "Linux 6.1.0"), WHEN, 1382, 1000)
OUTCOMES: Final = {Reach.OPEN: Outcome.ACCEPTED, Reach.SHUT: Outcome.SILENT}
NEIGHBOURS: Final = ("198.51.100.2", "2001:db8:c105::2")
GATEWAYS: Final = ("198.51.100.1", "2001:db8:c105::1")
"""The outside and the host on the segment that they share."""
OWN: Final = ("127.0.0.1", "192.0.2.2", "::1")
"""The host's addresses besides its gateways."""

ResolvedFlow = Callable[[Flow], Observation | None]
"""What is seen of a flow; None where it is what was predicted."""
Controls = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class SampleProject:
    """A project and the engine that runs it as its file says."""

    project: compose_project.Project
    facts: Facts

    def with_facts(self, change: Callable[[Container], Container], *foreign_containers: Container) -> SampleProject:
        """Return the world after somebody changed its containers."""
        changed = tuple(sorted((*(change(c) for c in self.facts.containers), *foreign_containers)))
        return replace(self, facts=replace(self.facts, containers=changed))

    def serving(self, *ports: tuple[Protocol, int]) -> SampleProject:
        """Return the project with ports on which the host itself listens, over both versions of IP."""
        held = {Listener("", protocol, wildcard, port) for protocol, port in ports for wildcard in WILDCARD.values()}
        return replace(self, facts=replace(self.facts, listeners=self.facts.listeners | held))

    def near(self, *attachments: tuple[str, str]) -> SampleProject:
        """Return the project with link-local addresses of the host's, each with its network."""
        return replace(self, facts=replace(self.facts, link_local_addresses=attachments))

    def proof(self, seen: ResolvedFlow = lambda _: None, controls: Controls | None = None) -> Proof:
        """Prove it: everything is seen as predicted, but for what `seen` says."""
        rules = policy.policy(self.project)
        case = ProofInputs(self.project, self.facts, rules)
        named = {service: policy.named_ports(rules, service) for service in self.project.services}
        asked = flow_enumeration.flows(self.project, self.facts, named)
        predicted = predictor.predict(self.project, self.facts, asked)
        intended = verdict_intent.intended(self.project, rules, predicted)
        observed = {
            flow: missing_observation(flow) or seen(flow) or as_predicted(flow, predicted[flow]) for flow in asked
        }
        passed = {
            flow.vantage: (controls or {}).get(flow.vantage.place, (missing_container(flow.vantage), ""))
            for flow in asked
        }
        return proof_build.build_proof(case, verdict_judge.compare(intended, predicted, observed), passed, RUN_CONTEXT)


def missing_observation(flow: Flow) -> Observation | None:
    """Return what is seen where one end of a flow does not run."""
    why = missing_container(flow.vantage) or missing_container(flow.endpoint)
    return unknown(why) if why else None


def missing_container(end: Vantage | Endpoint) -> str:
    """Say that an end has no container, where it should have one."""
    return "" if end.container or end.place in (HOST, OUTSIDE) else f"{end.place} has no running container"


def as_predicted(flow: Flow, prediction: Prediction) -> Observation:
    """Return what is seen when the prediction is right."""
    if not flow.endpoint.address:
        return observation(Outcome.UNREACHABLE, watched=True, evidence=f"{flow.endpoint.place} has no address there")
    return seen_as(flow, OUTCOMES.get(prediction.reach, Outcome.SILENT))


def seen_as(flow: Flow, outcome: Outcome) -> Observation:
    """Return an observation with the words of the edge."""
    end = flow.endpoint
    what = "the canary" if end.kind is EndpointKind.CANARY else f"port {end.port}"
    words = {
        Outcome.ACCEPTED: "was accepted",
        Outcome.ARRIVED: f"arrived inside {end.container}, no answer came back",
        Outcome.SILENT: f"was lost twice; nothing arrived in {end.container or end.place}",
    }
    packet = "SYN" if end.protocol is Protocol.TCP else "datagram"
    return observation(outcome, watched=True, evidence=f"{packet} to {what} at {end.address} {words[outcome]}")


def world(document: Mapping[str, Any]) -> SampleProject:
    """Return the engine that runs a resolved Compose document exactly as it says."""
    project = compose_project.project({"name": "shop", **document})
    names = sorted({network.name for network in project.networks.values()})
    spoken = {network.name for network in project.networks.values() if network.ipv6}
    subnets = {
        name: (f"198.18.{i}.", *([f"2001:db8:f000:{i + 1}::"] if name in spoken else []))
        for i, name in enumerate(names)
    }
    containers = tuple(
        container(project, service.name, i, subnets)
        for service in project.services.values()
        for i in range(1, service.replicas + 1)
    )
    internal = {network.name: network.internal for network in project.networks.values()}
    facts = Facts(
        engine=EngineFacts("docker", "20.10.24", "DROP", "ACCEPT"),
        containers=tuple(sorted(containers)),
        networks=tuple(
            NetworkFacts(name, internal=internal[name], subnets=tuple(map(_whole, s))) for name, s in subnets.items()
        ),
        host_addresses=(*OWN, *GATEWAYS, *(f"{start}1" for s in subnets.values() for start in s)),
        outside_addresses=NEIGHBOURS,
        outside_gateways=GATEWAYS,
    )
    heard = {
        Listener(c.name, protocol, wildcard, port)
        for c in containers
        for protocol, port in project.services[c.service].exposed
        for wildcard in WILDCARD.values()
    }
    return SampleProject(project, replace(facts, listeners=frozenset(heard)))


def _whole(start: str) -> str:
    """Return the subnet whose addresses begin so."""
    return f"{start}/64" if ":" in start else f"{start}0/24"


def container(
    project: compose_project.Project, service: str, number: int, subnets: Mapping[str, tuple[str, ...]]
) -> Container:
    """Return one container of a service, with its attachments and published ports as the file says."""
    body = project.services[service]
    last = 10 * (sorted(project.services).index(service) + 1) + number
    outward = any(not n.internal for n in project.networks.values() if n.name in body.networks)
    target_ports = (
        PublishedPort(address, p.host_port, p.protocol, p.target)
        for p in body.ports
        for address in ([p.host_address] if p.host_address else WILDCARD.values())
    )
    return Container(
        name=f"{project.name}-{service}-{number}",
        identity=f"{service}{number}",
        project=project.name,
        service=service,
        pid=100 + last,
        started=WHEN,
        attachments=tuple(Attachment(name, *(f"{start}{last}" for start in subnets[name])) for name in body.networks),
        published_ports=tuple(target_ports) if outward else (),
        exposed=body.exposed,
    )


def service(port: int, *networks: str, published: int = 0, replicas: int = 1) -> dict[str, Any]:
    """Return a service of a resolved document that listens on one port."""
    ports = [{"target": port, "published": str(published), "protocol": "tcp"}] if published else []
    attachments = dict.fromkeys(networks)
    return {"networks": attachments, "expose": [str(port)], "ports": ports, "deploy": {"replicas": replicas}}
