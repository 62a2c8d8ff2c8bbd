"""The fake engine of the core's tests: the three-tier stack, and the engine on which it runs.

    frontend_net   proxy                      outside ──8080──▶ proxy:80
    backend_net    proxy  app:5000  db:3306   (internal)

Rule: a `FakeEngine` is a value. Each method returns a copy with one change of the file or of the engine;
`fake_kernel` gives the outcomes of its probes.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from tests.unit import fake_kernel

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.model.facts import Attachment, Container, EngineFacts, Facts, Listener, NetworkFacts, PublishedPort
from cloison.model.flow import LINK_LOCAL, OUTSIDE, WILDCARD, Endpoint, EndpointKind, Flow, Protocol, ip_version
from cloison.model.outcome import Observation, Outcome
from cloison.predict import predictor
from cloison.predict.context import Prediction
from cloison.predict.docker_ipv6 import IPV6_RULES_SINCE
from cloison.proof.build import build_proof
from cloison.proof.schema import Machine, Proof, RunContext, Tool
from cloison.verdict import flow_enumeration
from cloison.verdict import intent as verdict_intent
from cloison.verdict import judge as verdict_judge
from cloison.verdict.judge import JudgedFlow
from cloison.verdict.reasons import ProofInputs

BACK: Final = "shop_backend_net"
FRONT: Final = "shop_frontend_net"
LAN: Final = "192.0.2.10"
EVERYWHERE: Final = WILDCARD[4]
EVERYWHERE_V6: Final = WILDCARD[6]
GATEWAYS: Final = {BACK: "172.30.1.1", FRONT: "172.30.2.1"}
LAN_V6: Final = "2001:db8:1a::10"
GATEWAYS_V6: Final = {BACK: "fd00:1::1", FRONT: "fd00:2::1"}
LINK_LOCAL_GATEWAY: Final = "fe80::1"
"""The address that older engines give the host on every bridge with IPv6."""
OUTSIDE_SEGMENT: Final = ("198.51.100.1", "198.51.100.2")
OUTSIDE_SEGMENT_V6: Final = ("2001:db8:c105::1", "2001:db8:c105::2")
"""The addresses of the host and of the outside on the link between them."""
FILE: Final[Mapping[str, Any]] = {
    "name": "shop",
    "services": {
        "db": {"networks": {"backend_net": None}, "expose": ["3306"]},
        "app": {"networks": {"backend_net": None}, "expose": ["5000"]},
        "proxy": {
            "networks": {"frontend_net": None, "backend_net": None},
            "ports": [{"target": 80, "published": "8080", "host_ip": EVERYWHERE, "protocol": "tcp"}],
        },
    },
    "networks": {"backend_net": {"name": BACK, "internal": True}, "frontend_net": {"name": FRONT}},
}
POLICY: Final[Mapping[str, Any]] = {
    "allow": ["outside -> proxy:80", "proxy -> app:5000", "app -> db:3306"],
    "tolerate": [
        {"network": "backend_net", "why": "Docker has no policy inside a network."},
        {"flow": "proxy -> outside", "why": "frontend_net must not be internal, or nothing could be published"},
        {"flow": "* -> host", "why": "Docker gives the host an address on every network"},
    ],
}
RUN_CONTEXT: Final = RunContext(
    Tool("cloison", "0.1.0"), Machine("lab", "Linux 6.18"), "2026-01-02T03:04:05.678Z", 1234, 1000
)
Overrides = Mapping[str, Outcome | Observation]
"""The outcomes that replace those of the fake kernel, by the label of a flow."""


@dataclass(frozen=True, slots=True)
class FakeEngine:
    """A Compose file and the host on which it runs."""

    file: Mapping[str, Any]
    facts: Facts

    @property
    def project(self) -> compose_project.Project:
        """The project of the file."""
        return compose_project.project(self.file)

    # Changes of the file.

    def with_policy(self, rules: Mapping[str, Any] | None = POLICY, **parts: Any) -> Self:
        """Return a copy with a policy; `parts` replace its lists."""
        return replace(self, file={**self.file, "x-cloison": rules and {**rules, **parts}})

    def with_service(self, name: str, **body: Any) -> Self:
        """Return a copy with these keys of a service in the file; None removes a key."""
        return self._written("services", name, body)

    def with_network(self, key: str, **body: Any) -> Self:
        """Return a copy with these keys of a network in the file."""
        return self._written("networks", key, body)

    def _written(self, part: str, name: str, body: Mapping[str, Any]) -> Self:
        file = copy.deepcopy(dict(self.file))
        file.setdefault(part, {}).setdefault(name, {}).update(body)
        return replace(self, file=file)

    # Changes of the engine.

    def connected(self, container: str, network: str, *addresses: str) -> Self:
        """`docker network connect`."""
        held = next(c for c in self.facts.containers if c.name == container).attachments
        return self._changed(container, attachments=tuple(sorted((*held, Attachment(network, *addresses)))))

    def disconnected(self, container: str, network: str) -> Self:
        """`docker network disconnect`."""
        held = next(c for c in self.facts.containers if c.name == container).attachments
        return self._changed(
            container, attachments=tuple(attachment for attachment in held if attachment.network != network)
        )

    def with_stopped(self, container: str) -> Self:
        """`docker stop`."""
        listeners = frozenset(item for item in self.facts.listeners if item.container != container)
        deployment = self._changed(container, pid=0, attachments=(), published_ports=())
        return replace(deployment, facts=replace(deployment.facts, listeners=listeners))

    def with_network_mode(self, container: str, network_mode: str) -> Self:
        """Return a copy with a container in another namespace."""
        return self._changed(container, network_mode=network_mode)

    def with_publications(self, container: str, *ports: PublishedPort) -> Self:
        """Return a copy whose engine publishes these ports of a container, whatever the file says."""
        return self._changed(container, published_ports=ports)

    def with_containers(self, *containers: Container) -> Self:
        """Return a copy with further containers."""
        return replace(self, facts=replace(self.facts, containers=(*self.facts.containers, *containers)))

    def with_listeners(
        self, container: str, *ports: int, address: str = EVERYWHERE, protocol: Protocol = Protocol.TCP
    ) -> Self:
        """Return a copy with a listener in a container, or on the host when the name is empty."""
        found = {Listener(container, protocol, address, port) for port in ports}
        return replace(self, facts=replace(self.facts, listeners=self.facts.listeners | found))

    def without_listeners(self, container: str) -> Self:
        """Return a copy without the listeners of a container."""
        kept = frozenset(item for item in self.facts.listeners if item.container != container)
        return replace(self, facts=replace(self.facts, listeners=kept))

    def with_engine_network(self, network: str, **body: Any) -> Self:
        """Return a copy whose engine has a network with these properties."""
        known = self.facts.network(network) or NetworkFacts(network)
        others = tuple(n for n in self.facts.networks if n.name != network)
        return replace(self, facts=replace(self.facts, networks=(*others, replace(known, **body))))

    def with_host_addresses(self, *addresses: str) -> Self:
        """Return a copy whose host has further addresses."""
        return replace(self, facts=replace(self.facts, host_addresses=(*self.facts.host_addresses, *addresses)))

    def with_engine(
        self, version: str, forward_policy: str = "DROP", forward_policy_v6: str = "ACCEPT", **more: Any
    ) -> Self:
        """Return a copy on another engine."""
        engine = EngineFacts("docker", version, forward_policy, forward_policy_v6)
        engine = replace(engine, **{"filters_ipv6": engine.release >= IPV6_RULES_SINCE, **more})
        return replace(self, facts=replace(self.facts, engine=engine))

    def dual_stack(self, *keys: str) -> Self:
        """Return a copy with IPv6 on these networks, in the file, on the engine and on the host."""
        deployment, facts = self, self.facts
        for key in keys:
            deployment = deployment.with_network(key, enable_ipv6=True)
        for name, body in self.file["services"].items():
            ports = [{**port, "host_ip": None} for port in body.get("ports", ())]
            deployment = deployment.with_service(name, ports=ports)
        ipv6_networks = {f"shop_{key}" for key in keys}
        return replace(
            deployment,
            facts=replace(
                facts,
                containers=tuple(_dual_stack(c, ipv6_networks) for c in facts.containers),
                networks=tuple(
                    replace(n, subnets=(*n.subnets, f"{GATEWAYS_V6[n.name][:-1]}/64")) if n.name in ipv6_networks else n
                    for n in facts.networks
                ),
                host_addresses=(
                    *facts.host_addresses,
                    *("::1", LAN_V6, OUTSIDE_SEGMENT_V6[0]),
                    *(GATEWAYS_V6[name] for name in sorted(ipv6_networks)),
                ),
                link_local_addresses=tuple((name, LINK_LOCAL_GATEWAY) for name in sorted(ipv6_networks)),
                outside_addresses=(*facts.outside_addresses, OUTSIDE_SEGMENT_V6[1]),
                outside_gateways=(*facts.outside_gateways, OUTSIDE_SEGMENT_V6[0]),
                listeners=facts.listeners | {replace(item, address=EVERYWHERE_V6) for item in facts.listeners},
            ),
        )

    def _changed(self, container: str, **body: Any) -> Self:
        found = tuple(replace(c, **body) if c.name == container else c for c in self.facts.containers)
        return replace(self, facts=replace(self.facts, containers=found))

    # The matrices and the proof.

    @property
    def rules(self) -> policy.Policy | None:
        """The policy, checked against the project."""
        project = self.project
        rules = policy.policy(project)
        if rules:
            policy.check_ports(rules, flow_enumeration.known_ports(project, self.facts))
        return rules

    def flows(self) -> list[Flow]:
        """Return the flows of the proof."""
        project, rules = self.project, self.rules
        named = {service: policy.named_ports(rules, service) for service in project.services}
        asked = flow_enumeration.flows(project, self.facts, named, policy.tolerated_devices(rules))
        if rules:
            policy.check_rules_match(rules, asked)
        return asked

    def predicted(self) -> dict[Flow, Prediction]:
        """Return the predictions."""
        return predictor.predict(self.project, self.facts, self.flows())

    def intended(self) -> dict[Flow, verdict_intent.Intention]:
        """Return the intentions."""
        return self._intended(self.predicted())

    def observed(self, responses: Overrides | None = None) -> dict[Flow, Observation]:
        """Return the observations of the fake kernel, with `said` in place of some."""
        return self._observed(self.flows(), responses)

    def judged(self, responses: Overrides | None = None) -> list[JudgedFlow]:
        """Return the judged flows."""
        predicted = self.predicted()
        return verdict_judge.compare(self._intended(predicted), predicted, self._observed(predicted, responses))

    def _intended(self, predicted: Mapping[Flow, Prediction]) -> dict[Flow, verdict_intent.Intention]:
        return verdict_intent.intended(
            self.project, self.rules, predicted, self.facts.egress_networks, self.facts.network_namespaces
        )

    def _observed(self, asked: Iterable[Flow], responses: Overrides | None) -> dict[Flow, Observation]:
        others: dict[str, Outcome | Observation | None] = {**(responses or {})}
        seen = {
            flow: fake_kernel.as_observation(
                others.pop(label(flow), None) or fake_kernel.probe_outcome(self.facts, flow)
            )
            for flow in asked
        }
        assert not others, f"no such flow: {sorted(others)}"
        return seen

    def proof(self, responses: Overrides | None = None) -> Proof:
        """Return the proof document."""
        judged = self.judged(responses)
        controls = {item.flow.vantage: ("", "") for item in judged}
        return build_proof(ProofInputs(self.project, self.facts, self.rules), judged, controls, RUN_CONTEXT)

    def found(self, responses: Overrides | None = None) -> dict[str, JudgedFlow]:
        """Return the judged flows by their labels."""
        return {label(item.flow): item for item in self.judged(responses)}


def _dual_stack(container: Container, ipv6_networks: Collection[str]) -> Container:
    """Return a container with an IPv6 address on each of its networks with IPv6, and its ports published over IPv6."""
    ports = container.published_ports
    return replace(
        container,
        attachments=tuple(
            replace(attachment, ipv6=GATEWAYS_V6[attachment.network][:-1] + attachment.address.rpartition(".")[2])
            if attachment.network in ipv6_networks
            else attachment
            for attachment in container.attachments
        ),
        published_ports=(
            *ports,
            *(replace(d, host_address=EVERYWHERE_V6) for d in ports if d.host_address == EVERYWHERE),
        ),
    )


def container(service: str, *attached: tuple[str, ...], number: int = 1, **body: Any) -> Container:
    """Return a running container of the project; its attachments are (network, address) pairs."""
    name = f"{service}-{number}"
    attachments = tuple(sorted(Attachment(*attachment) for attachment in attached))
    known: dict[str, Any] = {"project": "shop", "service": service, "pid": 100 + number, "attachments": attachments}
    return Container(name=name, identity=f"id-of-{name}", started="2026-01-02T03:04:05Z", **{**known, **body})


def foreign_container(name: str, *attached: tuple[str, ...], project: str = "") -> Container:
    """Return a running foreign container, which is not in the file."""
    attachments = tuple(sorted(Attachment(*attachment) for attachment in attached))
    return Container(name, f"id-of-{name}", project, "", 666, "2026-01-02T03:04:05Z", "", attachments)


STACK: Final = FakeEngine(
    FILE,
    Facts(
        EngineFacts("docker", "20.10.24+dfsg1", "DROP", "ACCEPT"),
        (
            container("app", (BACK, "172.30.1.3")),
            container("db", (BACK, "172.30.1.2")),
            container(
                "proxy",
                (BACK, "172.30.1.4"),
                (FRONT, "172.30.2.2"),
                published_ports=(PublishedPort(EVERYWHERE, 8080, Protocol.TCP, 80),),
            ),
        ),
        (
            NetworkFacts(BACK, internal=True, subnets=("172.30.1.0/24",)),
            NetworkFacts(FRONT, subnets=("172.30.2.0/24",)),
        ),
        host_addresses=("127.0.0.1", LAN, OUTSIDE_SEGMENT[0], *GATEWAYS.values()),
        outside_addresses=(OUTSIDE_SEGMENT[1],),
        outside_gateways=(OUTSIDE_SEGMENT[0],),
        listeners=frozenset(
            Listener(name, Protocol.TCP, EVERYWHERE, port)
            for name, port in (("app-1", 5000), ("db-1", 3306), ("proxy-1", 80))
        ),
    ),
)
"""The running stack without a policy, on an engine that follows the file."""


DUAL_STACK: Final = STACK.dual_stack("backend_net", "frontend_net")
"""The same stack with IPv6."""


def label(flow: Flow) -> str:
    """Name a flow: `app-1 -> db-1:3306 on backend_net`, or `at 192.0.2.10:8080` for an address of the host.

    A port of `*` is a canary. `over IPv6` marks an address of a container or a gateway, and `over its link`
    a link-local address of the host.
    """
    source, end = flow.vantage, flow.endpoint
    port = "*" if end.kind is EndpointKind.CANARY else str(end.service_port)
    if end.protocol is not Protocol.TCP:
        port += f"/{end.protocol}"
    ends = f"{source.container or source.place} -> {end.container or end.place}:{port}"
    return f"{ends} {_where(end)}".strip().replace("shop_", "")


def _where(end: Endpoint) -> str:
    if end.kind is EndpointKind.PUBLISHED:
        return f"at {end.address}:{end.port}" if ip_version(end.address) == 4 else f"at [{end.address}]:{end.port}"
    over = "over IPv6" * (ip_version(end.address) == 6)
    if end.address.startswith(LINK_LOCAL):
        over = "over its link"
    if end.network:
        return f"on {end.network} {over}"
    return over if end.place == OUTSIDE else f"at {end.address}"


def labels(asked: Iterable[Flow]) -> list[str]:
    """Return the labels of flows, in order."""
    return [label(flow) for flow in asked]
