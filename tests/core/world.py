"""A small world: the three-tier stack, the engine it runs on, and a kernel that is a dict.

    frontend_net   proxy                      outside ──8080──▶ proxy:80
    backend_net    proxy  app:5000  db:3306   (internal)

Rule: worlds are values. A method returns the world after something was done to it, to the file or to
the engine; the kernel knows what the engine did and has never seen the file.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from cloison import compare, compose, flows, intention, policy, predict
from cloison.assemble import assemble
from cloison.compare import Judged
from cloison.explain import Case
from cloison.model import (
    HOST,
    OUTSIDE,
    Attachment,
    Container,
    EngineFacts,
    Facts,
    Flow,
    Kind,
    Listener,
    NetworkFacts,
    Protocol,
    Publication,
)
from cloison.outcome import Observation, Outcome, observation, unknown
from cloison.prediction import Prediction
from cloison.proof import Circumstances, Machine, Proof, Tool

BACK: Final = "shop_backend_net"
FRONT: Final = "shop_frontend_net"
LAN: Final = "192.0.2.10"
EVERYWHERE: Final = "0.0.0.0"
GATEWAYS: Final = {BACK: "172.30.1.1", FRONT: "172.30.2.1"}
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
CIRCUMSTANCES: Final = Circumstances(
    Tool("cloison", "0.1.0"), Machine("lab", "Linux 6.18"), "2026-01-02T03:04:05.678Z", 1234, 1000
)
Said = Mapping[str, Outcome | Observation]
"""What the kernel says otherwise than it would by itself, by the label of a flow."""


@dataclass(frozen=True, slots=True)
class World:
    """A Compose file and the machine on which it runs."""

    file: Mapping[str, Any]
    facts: Facts

    @property
    def project(self) -> compose.Project:
        """The file as the core reads it."""
        return compose.project(self.file)

    # What its owner writes.

    def ruled(self, rules: Mapping[str, Any] | None = POLICY, **parts: Any) -> Self:
        """Have a policy; `parts` replace its lists."""
        return replace(self, file={**self.file, "x-cloison": rules and {**rules, **parts}})

    def serving(self, name: str, **body: Any) -> Self:
        """Have a service in the file, or have these keys in it; None takes a key away."""
        return self._written("services", name, body)

    def drawing(self, key: str, **body: Any) -> Self:
        """Have a network in the file, or have these keys in it."""
        return self._written("networks", key, body)

    def _written(self, part: str, name: str, body: Mapping[str, Any]) -> Self:
        file = copy.deepcopy(dict(self.file))
        file.setdefault(part, {}).setdefault(name, {}).update(body)
        return replace(self, file=file)

    # What happens to the engine.

    def joined(self, container: str, network: str, address: str) -> Self:
        """`docker network connect`."""
        held = next(c for c in self.facts.containers if c.name == container).attachments
        return self._changed(container, attachments=tuple(sorted((*held, Attachment(network, address)))))

    def left(self, container: str, network: str) -> Self:
        """`docker network disconnect`."""
        held = next(c for c in self.facts.containers if c.name == container).attachments
        return self._changed(container, attachments=tuple(seat for seat in held if seat.network != network))

    def stopped(self, container: str) -> Self:
        """`docker stop`."""
        listeners = frozenset(item for item in self.facts.listeners if item.container != container)
        world = self._changed(container, pid=0, attachments=(), publications=())
        return replace(world, facts=replace(world.facts, listeners=listeners))

    def moved(self, container: str, network_mode: str) -> Self:
        """Have a container live in another namespace."""
        return self._changed(container, network_mode=network_mode)

    def publishing(self, container: str, *doors: Publication) -> Self:
        """Have the engine publish these ports of a container, whatever the file says."""
        return self._changed(container, publications=doors)

    def running(self, *containers: Container) -> Self:
        """Have these containers as well."""
        return replace(self, facts=replace(self.facts, containers=(*self.facts.containers, *containers)))

    def listening(self, container: str, *ports: int, address: str = EVERYWHERE) -> Self:
        """Have a process of a container listen."""
        found = {Listener(container, Protocol.TCP, address, port) for port in ports}
        return replace(self, facts=replace(self.facts, listeners=self.facts.listeners | found))

    def deaf(self, container: str) -> Self:
        """Have no process of a container listen."""
        kept = frozenset(item for item in self.facts.listeners if item.container != container)
        return replace(self, facts=replace(self.facts, listeners=kept))

    def made(self, network: str, **body: Any) -> Self:
        """Have the engine hold a network, or hold it with these properties."""
        known = self.facts.network(network) or NetworkFacts(network)
        others = tuple(n for n in self.facts.networks if n.name != network)
        return replace(self, facts=replace(self.facts, networks=(*others, replace(known, **body))))

    def addressed(self, *addresses: str) -> Self:
        """Have the host hold these addresses as well."""
        return replace(self, facts=replace(self.facts, host_addresses=(*self.facts.host_addresses, *addresses)))

    def on_engine(self, version: str, forward_policy: str = "DROP", **more: bool) -> Self:
        """Run on another engine."""
        return replace(self, facts=replace(self.facts, engine=EngineFacts("docker", version, forward_policy, **more)))

    def _changed(self, container: str, **body: Any) -> Self:
        found = tuple(replace(c, **body) if c.name == container else c for c in self.facts.containers)
        return replace(self, facts=replace(self.facts, containers=found))

    # What is asked and said.

    @property
    def rules(self) -> policy.Policy | None:
        """The policy as the core reads it, held against what the project has."""
        project = self.project
        rules = policy.policy(project)
        if rules:
            policy.check_ports(rules, flows.known_ports(project, self.facts))
        return rules

    def asked(self) -> list[Flow]:
        """Return the flows of the proof."""
        project, rules = self.project, self.rules
        named = {service: policy.named_ports(rules, service) for service in project.services}
        asked = flows.flows(project, self.facts, named)
        if rules:
            policy.check_cover(rules, asked)
        return asked

    def predicted(self) -> dict[Flow, Prediction]:
        """Return what file and facts say."""
        return predict.predict(self.project, self.facts, self.asked())

    def intended(self) -> dict[Flow, intention.Intention]:
        """Return what the owner wants."""
        return self._intended(self.predicted())

    def observed(self, said: Said | None = None) -> dict[Flow, Observation]:
        """Return what the kernel says: what the engine did, and `said`."""
        return self._observed(self.asked(), said)

    def judged(self, said: Said | None = None) -> list[Judged]:
        """Return the judged matrix."""
        predicted = self.predicted()
        return compare.compare(self._intended(predicted), predicted, self._observed(predicted, said))

    def _intended(self, predicted: Mapping[Flow, Prediction]) -> dict[Flow, intention.Intention]:
        return intention.intended(self.project, self.rules, {flow: found.reach for flow, found in predicted.items()})

    def _observed(self, asked: Iterable[Flow], said: Said | None) -> dict[Flow, Observation]:
        others: dict[str, Outcome | Observation | None] = {**(said or {})}
        seen = {flow: _seen(others.pop(label(flow), None) or _kernel(self.facts, flow)) for flow in asked}
        assert not others, f"no such flow: {sorted(others)}"
        return seen

    def proof(self, said: Said | None = None) -> Proof:
        """Return the document."""
        judged = self.judged(said)
        controls = {item.flow.vantage: ("", "") for item in judged}
        return assemble(Case(self.project, self.facts, self.rules), judged, controls, CIRCUMSTANCES)

    def found(self, said: Said | None = None) -> dict[str, Judged]:
        """Return the judged flows by their labels."""
        return {label(item.flow): item for item in self.judged(said)}


def container(service: str, *seats: tuple[str, str], number: int = 1, **body: Any) -> Container:
    """Return a running container of the project; its seats are (network, address)."""
    name = f"{service}-{number}"
    attachments = tuple(sorted(Attachment(*seat) for seat in seats))
    known: dict[str, Any] = {"project": "shop", "service": service, "pid": 100 + number, "attachments": attachments}
    return Container(name=name, identity=f"id-of-{name}", started="2026-01-02T03:04:05Z", **{**known, **body})


def stranger(name: str, *seats: tuple[str, str], project: str = "") -> Container:
    """Return a running container that the file does not know."""
    attachments = tuple(sorted(Attachment(*seat) for seat in seats))
    return Container(name, f"id-of-{name}", project, "", 666, "2026-01-02T03:04:05Z", "", attachments)


STACK: Final = World(
    FILE,
    Facts(
        EngineFacts("docker", "20.10.24+dfsg1", "DROP"),
        (
            container("app", (BACK, "172.30.1.3")),
            container("db", (BACK, "172.30.1.2")),
            container(
                "proxy",
                (BACK, "172.30.1.4"),
                (FRONT, "172.30.2.2"),
                publications=(Publication(EVERYWHERE, 8080, Protocol.TCP, 80),),
            ),
        ),
        (
            NetworkFacts(BACK, internal=True, subnets=("172.30.1.0/24",)),
            NetworkFacts(FRONT, subnets=("172.30.2.0/24",)),
        ),
        host_addresses=("127.0.0.1", LAN, "198.51.100.1", *GATEWAYS.values()),
        outside_address="198.51.100.2",
        listeners=frozenset(
            Listener(name, Protocol.TCP, EVERYWHERE, port)
            for name, port in (("app-1", 5000), ("db-1", 3306), ("proxy-1", 80))
        ),
    ),
)
"""The stack, running, without a policy, on an engine that does what the file says."""


def label(flow: Flow) -> str:
    """Name a flow: `app-1 -> db-1:3306 on backend_net`, or `at 192.0.2.10:8080` for an address of the host's."""
    source, end = flow.vantage, flow.endpoint
    port = "*" if end.kind is Kind.CANARY else f"{end.service_port}{'/udp' * (end.protocol is Protocol.UDP)}"
    where = f"at {end.address}:{end.port}" if end.kind is Kind.PUBLISHED else f"on {end.network}" * bool(end.network)
    ends = f"{source.container or source.place} -> {end.container or end.place}:{port}"
    return f"{ends} {where}".strip().replace("shop_", "")


def labels(asked: Iterable[Flow]) -> list[str]:
    """Name flows, in order."""
    return [label(flow) for flow in asked]


def _seen(said: Outcome | Observation) -> Observation:
    return said if isinstance(said, Observation) else observation(said, watched=True, evidence=f"the probe: {said}")


def _kernel(facts: Facts, flow: Flow) -> Outcome | Observation:
    """Say what becomes of a probe on Docker before 28, by what the engine really holds."""
    source, end = flow.vantage, flow.endpoint
    for place, name in ((source.place, source.container), (end.place, end.container)):
        if not name and place not in (HOST, OUTSIDE):
            return unknown(f"{place} has no running container")
    if not end.address or not _passes(facts, flow):
        return Outcome.SILENT if end.address else Outcome.UNREACHABLE
    return Outcome.ARRIVED if end.kind is Kind.DECLARED else Outcome.ACCEPTED


def _passes(facts: Facts, flow: Flow) -> bool:
    source, end = flow.vantage, flow.endpoint
    if source.place == HOST or _mode(facts, source.container) == HOST:
        return True
    if source.place == OUTSIDE:
        return end.kind is Kind.PUBLISHED or _is_routed(facts, flow)
    seats = _seats(facts, source.container)
    if end.kind is Kind.PUBLISHED or end.place == OUTSIDE:
        return _leaves(facts, seats, end.address)
    return end.network in seats or (end.place == HOST and _has_route(facts, seats))


def _has_route(facts: Facts, seats: set[str]) -> bool:
    """Whether a container knows a way to addresses of the host's on other networks: before Engine 25 it always did."""
    return bool(seats) and (facts.engine.release < (25, 0) or bool(_ways_out(facts, seats)))


def _is_routed(facts: Facts, flow: Flow) -> bool:
    """Whether a neighbour gets to a container's own address: before Engine 28, where the port is published."""
    end = flow.endpoint
    owner = next(c for c in facts.containers if c.name == end.container)
    doors = {(door.container_port, door.protocol) for door in owner.publications}
    return (end.port, end.protocol) in doors and [end.network] == _ways_out(facts, _seats(facts, owner.name))[:1]


def _leaves(facts: Facts, seats: Iterable[str], address: str) -> bool:
    """Whether a packet to an address of the host's, or to the internet, gets out of the bridge that it comes by."""
    near = [n for n in seats if (known := facts.network(n)) and known.holds(address)]
    return bool(_ways_out(facts, near or seats))


def _ways_out(facts: Facts, seats: Iterable[str]) -> list[str]:
    """Return the networks of a container that are not internal; the first one has the default route."""
    return [n for n in sorted(seats) if not ((known := facts.network(n)) and known.internal)]


def _mode(facts: Facts, name: str) -> str:
    return next((c.network_mode for c in facts.containers if c.name == name), "")


def _seats(facts: Facts, name: str) -> set[str]:
    """Return the networks of the namespace in which a container lives."""
    lender = _mode(facts, name).partition("container:")[2]
    owners = [c for c in facts.containers if (c.identity == lender if lender else c.name == name)]
    return {seat.network for owner in owners for seat in owner.attachments}
