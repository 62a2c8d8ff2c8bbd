"""Visits every vantage, runs the controls, and returns the observed matrix.

Rule: a flow is `unknown` unless its vantage passed both controls, its endpoint's namespace was
watched, and both containers are at the end what they were at the beginning.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cloison.compose.project import Project
from cloison.engine import Engine
from cloison.model.facts import (
    HOST,
    LINK_LOCAL,
    OUTSIDE,
    Attachment,
    Container,
    Endpoint,
    Facts,
    Flow,
    Kind,
    Listener,
    Protocol,
    Vantage,
)
from cloison.model.outcome import Observation, Outcome, Reach, observation, unknown
from cloison.observe.evidence import Controls, controls_of, difference, evidence_of
from cloison.observe.host_addresses import host_seats
from cloison.probe.probe import Shot
from cloison.probe.prober import Prober
from cloison.probe.sockets import Post
from cloison.verdict.flow_enumeration import Ports

DISCARD: Final = 9
"""The port of the negative control; nobody holds the address, so no port of it answers."""
BRIDGE: Final = "bridge"
"""The driver whose networks all lead through the host."""
UDP: Final = Protocol.UDP
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen."""

    observed: Mapping[Flow, Observation]
    controls: Mapping[Vantage, Controls]
    pings: list[Flow]
    """The flows to whose address an echo request got through, where neither canary could be reached."""
    left_out: list[tuple[str, str]]
    """What was met and not looked at, and why."""


Key = tuple[str, str]
"""Whose post it is: ("", the name of a container), or (`host` or `outside`, "")."""


def _key(part: Vantage | Endpoint) -> Key:
    return ("", part.container) if part.container else (part.place, "")


@dataclass(slots=True)
class View:
    """A project with a post in every namespace. `facts` hold the listeners that answered from their own namespace."""

    engine: Engine
    project: Project
    prober: Prober
    facts: Facts
    nobodies: tuple[str, ...]
    posts: dict[Key, Post]
    failures: dict[str, str] = field(default_factory=dict)
    """Why a container has no post."""
    stand_ins: Mapping[str, Ports] = field(default_factory=dict)
    """By the service that owns a namespace: the ports on which the prober listens in its stead."""
    members: dict[str, Container] = field(default_factory=dict)
    """The containers by name."""
    proxies: frozenset[Listener] = frozenset()
    """Sockets of the engine's proxy on the host: each stands for a container's published port."""
    unasked: list[str] = field(default_factory=list)
    """Doors that seem to lead here and cannot be asked, in sentences."""
    unsettled: dict[str, str] = field(default_factory=dict)
    """Addresses of which the kernel does not know yet whether it may use them, and why."""
    _known: dict[tuple[Hashable, ...], Observation] = field(default_factory=dict)
    """What shots showed: one object for all that came to the same."""

    def observe(self, flows: Sequence[Flow], patience: float) -> Sight:
        """Fire all probes of all flows at once, with the controls, and read what they mean.

        `patience` is the time to wait for silence, in seconds.
        """
        self.members = {container.name: container for container in self.facts.containers}
        shots = [self._shot(flow) for flow in flows]
        echoes = [self._echo(flow, shot) for flow, shot in zip(flows, shots, strict=True)]
        positive = {key: [*self._own_canaries(key)] for key in self.posts}
        negative = {key: [Shot(post, nobody, DISCARD) for nobody in self.nobodies] for key, post in self.posts.items()}
        controls = [shot for shots in (*positive.values(), *negative.values()) for shot in shots]
        fired = [shot for shot in (*shots, *echoes) if isinstance(shot, Shot)]
        self.prober.fire([*fired, *controls], patience)
        passed = {key: controls_of(positive[key], negative[key]) for key in self.posts}
        changed, newcomers = self._changed()
        self._known.clear()
        observed = [self._read(flow, shot, passed, changed) for flow, shot in zip(flows, shots, strict=True)]
        return Sight(
            dict(zip(flows, observed, strict=True)),
            {v: passed.get(_key(v), Controls(self._why_not(v), "")) for v in {flow.vantage for flow in flows}},
            _pings(flows, observed, echoes),
            self._left_out(newcomers),
        )

    def _left_out(self, newcomers: Iterable[str]) -> list[tuple[str, str]]:
        told = [(f"what {item.container} holds", item.sentence) for item in self.facts.untold]
        led = [("a door that leads here", sentence) for sentence in self.unasked]
        return [*told, *led, *((f"container {name}", "it came while the proof was running") for name in newcomers)]

    def _shot(self, flow: Flow) -> Shot | Observation:
        """Return the probe of a flow, or what is to be said where none can be sent."""
        source, end = flow.vantage, flow.endpoint
        post, target = self.posts.get(_key(source)), self.posts.get(_key(end))
        if post is None or target is None:
            return unknown(self._why_not(source if post is None else end))
        if not end.address:
            drawn = self.project.network_named(end.network)
            nowhere = f"{end.place} has no address on {drawn.key if drawn else end.network}"
            return observation(Outcome.UNREACHABLE, watched=True, evidence=nowhere)
        at = self._link(source, end)
        if end.kind is Kind.CANARY:
            return Shot(
                post, end.address, target.canaries[end.protocol], target, end.protocol, at=at, network=end.network
            )
        if end.protocol not in target.canaries:
            return unknown(f"{end.protocol} is not looked at yet")
        if end.protocol is Protocol.UDP and self.prober.unguarded:
            return unknown(self.prober.unguarded)
        return Shot(post, end.address, end.port, target, end.protocol, at=at, network=end.network)

    def _link(self, source: Vantage, end: Endpoint) -> str:
        """Return an own address on the link to use, where the endpoint's address is valid on one link alone."""
        if not end.address.startswith(LINK_LOCAL):
            return ""
        seats = (seat for seat in self.members[source.container].attachments if seat.network == end.network)
        return next((address for seat in seats for address in seat.addresses), "")

    def _echo(self, flow: Flow, shot: Shot | Observation) -> Shot | None:
        """Return an echo request beside the TCP canary of an address."""
        if not isinstance(shot, Shot) or (flow.endpoint.kind, shot.protocol) != (Kind.CANARY, Protocol.TCP):
            return None
        return Shot(shot.post, shot.address, 0, shot.target, Protocol.ICMP, shot, shot.at, shot.network)

    def _why_not(self, part: Vantage | Endpoint) -> str:
        if not part.container:
            return f"{part.place} has no running container"
        return self.failures.get(part.container, f"{part.container} was not visited")

    def _own_canaries(self, key: Key) -> Iterator[Shot]:
        """Yield the positive controls: a post must reach its own canaries and see them arrive."""
        post, (place, _) = self.posts[key], key
        seated = [address for seat in self._seats(post) for address in seat.addresses]
        held = self.facts.outside_addresses if place == OUTSIDE else seated
        for address in held or [LOOPBACK]:
            for protocol, port in post.canaries.items():
                yield Shot(post, address, port, post, protocol)

    def addresses(self, container: str) -> list[str]:
        """Return the addresses of a container."""
        seats = self.members[container].attachments if container in self.members else ()
        return [address for seat in seats for address in seat.addresses]

    def _changed(self) -> tuple[dict[str, str], list[str]]:
        """Return the containers and host addresses that are not what they were, and how, and who has come."""
        networks = frozenset(network.name for network in self.facts.networks)
        now = {c.identity: c for c in self.engine.containers(self.project.name, networks)}
        changed = {c.name: why for c in self.facts.containers if (why := difference(c, now.get(c.identity)))}
        gone = {*self.facts.host_seats} - {*host_seats(self.facts, *self.facts.outside_gateways)}
        known = {c.identity for c in self.facts.containers}
        come = sorted(c.name for c in now.values() if c.pid and c.identity not in known)
        left = {address: f"the host gave up {address} during the proof" for _, address in gone}
        return self.unsettled | changed | left, come

    def _read(
        self,
        flow: Flow,
        shot: Shot | Observation,
        controls: Mapping[Key, Controls],
        changed: Mapping[str, str],
    ) -> Observation:
        if isinstance(shot, Observation):
            return shot
        end = flow.endpoint
        for name in (flow.vantage.container, end.container, end.address) if changed else ():
            if name in changed:
                return unknown(changed[name])
        vantage, target = controls[_key(flow.vantage)], controls[_key(end)]
        if vantage.failure:
            return unknown(vantage.failure)
        same = (end, shot.outcome, shot.came_back, shot.detail, shot.arrived)
        seen = self._known.get(same) or self._known.setdefault(same, self._seen(end, shot, target))
        beyond = self._beyond(flow, shot) if seen.reach is Reach.SHUT else ""
        return unknown(beyond) if beyond else seen

    def _seen(self, end: Endpoint, shot: Shot, target: Controls) -> Observation:
        """Return what a shot shows of its end: the same from wherever it came."""
        evidence = evidence_of(end, shot)
        if self._is_led_astray(end, shot):
            return unknown(f"{evidence}, which is not where this way ought to lead")
        return observation(self._outcome(end, shot), watched=not target.positive, evidence=evidence)

    def _outcome(self, end: Endpoint, shot: Shot) -> Outcome:
        """Return what a shot comes to: a datagram that arrives where a socket waits for it is accepted."""
        if shot.protocol is not Protocol.UDP:
            return shot.outcome
        if shot.outcome is Outcome.ARRIVED and self._is_awaited(end):
            return Outcome.ACCEPTED
        host = self.posts[HOST, ""]
        if end.kind is Kind.PUBLISHED and host in shot.arrived and _hears(self.proxies, "", end.address, end.port):
            return Outcome.ACCEPTED  # the engine's proxy takes it there and leads it on
        return shot.outcome

    def _is_awaited(self, end: Endpoint) -> bool:
        if end.kind is not Kind.PUBLISHED:
            return end.kind is not Kind.DECLARED
        held = self.addresses(end.container)
        return any(_hears(self.facts.listeners, end.container, address, end.service_port) for address in held)

    def _is_led_astray(self, end: Endpoint, shot: Shot) -> bool:
        """Whether it came to somebody else: a rule on the way can lead a door that is meant into another place.

        A published port may be answered where it stands: on the host the engine's proxy listens there.
        """
        if not shot.arrived or shot.target in shot.arrived:
            return False
        return bool({*shot.arrived} - ({self._standing_at(end.address)} if end.kind is Kind.PUBLISHED else set()))

    def _standing_at(self, address: str) -> Post:
        """Return the post at whose address a door stands that leads elsewhere: a container's, else the host's."""
        held = (name for name in self.members if address in self.addresses(name))
        return self.posts.get(("", next(held, "")), self.posts[HOST, ""])

    def _beyond(self, flow: Flow, shot: Shot) -> str:
        """Return why the outside machine cannot stand for the outside of this flow, empty when it can.

        It is a neighbour of the host. What a container does over a link of its own, past the host,
        and who comes to it there, cannot be seen from it.
        """
        end = flow.endpoint
        network = self.facts.network(end.network)
        if flow.vantage.place == OUTSIDE and network and network.driver != BRIDGE:
            return f"the outside machine does not stand on {network.name}, whose driver is {network.driver}"
        if end.place != OUTSIDE:
            return ""
        seats = self._seats(shot.post)
        past = sorted(seat.network for seat in seats if not self._is_bridge(seat.network))
        if past:
            return f"{flow.vantage.place} also sits on {past[0]}, which does not lead through this host"
        way = shot.post.ways[shot.address, shot.at]
        own = {address for seat in seats for address in seat.addresses} | {*self.facts.host_addresses}
        if not isinstance(way, OSError) and way.source not in own:
            return f"its way out starts at {way.source} and does not lead through this host"
        return ""

    def _is_bridge(self, name: str) -> bool:
        network = self.facts.network(name)
        return network is not None and network.driver == BRIDGE

    def _seats(self, post: Post) -> list[Attachment]:
        """Return the seats of all containers that live in the namespace of a post."""
        living = [c for c in self.facts.containers if self.posts.get(("", c.name)) is post]
        return [seat for container in living for seat in container.attachments]


def _hears(listeners: Iterable[Listener], container: str, address: str, port: int) -> bool:
    """Whether a datagram to this port of an address finds a socket that waits for it."""
    found = (item for item in listeners if (item.container, item.protocol, item.port) == (container, UDP, port))
    return any(item.listens_on(address) for item in found)


def _pings(flows: Sequence[Flow], observed: Sequence[Observation], echoes: Sequence[Shot | None]) -> list[Flow]:
    """Return the flows to whose address an echo request got through and neither TCP nor UDP did."""
    open_to = {_address(f) for f, o in zip(flows, observed, strict=True) if o.reach is not Reach.SHUT}
    return [
        flow
        for flow, echo in zip(flows, echoes, strict=True)
        if echo and echo.target in echo.arrived and _address(flow) not in open_to
    ]


def _address(flow: Flow) -> tuple[Vantage, Key, str]:
    return flow.vantage, _key(flow.endpoint), flow.endpoint.address
