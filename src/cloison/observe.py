"""Visits every vantage, runs the controls, and returns the observed matrix.

Rule: a flow is `unknown` unless its vantage passed both controls, its endpoint's namespace was
watched, and both containers are at the end what they were at the beginning.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from pyroute2 import IPRoute

from cloison import listening, netns, outside
from cloison.compose import Project
from cloison.engines import Engine
from cloison.flows import LOOPBACK, WILDCARD, Ports, place
from cloison.model import (
    HOST,
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
from cloison.outcome import Observation, Outcome, Reach, observation, unknown
from cloison.prober import Post, Prober, Shot
from cloison.reading import Controls, controls_of, difference, evidence_of

DISCARD: Final = 9
"""The port of the negative control; nobody holds the address, so no port of it answers."""
BRIDGE: Final = "bridge"
"""The driver whose networks all lead through the host."""
AT_ONCE: Final = 0.2
"""Seconds to wait for an answer that comes from the prober's own namespace."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen."""

    observed: Mapping[Flow, Observation]
    controls: Mapping[Vantage, Controls]


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
    nobody: str
    posts: dict[Key, Post]
    failures: dict[str, str] = field(default_factory=dict)
    """Why a container has no post."""
    stand_ins: Mapping[str, Ports] = field(default_factory=dict)
    """By the service that owns a namespace: the ports on which the prober listens in its stead."""

    def observe(self, flows: Iterable[Flow], patience: float) -> Sight:
        """Fire all probes of all flows at once, with the controls, and read what they mean.

        `patience` is the time to wait for silence, in seconds.
        """
        shots = {flow: self._shot(flow) for flow in flows}
        positive = {key: self._own_canary(key) for key in self.posts}
        negative = {key: Shot(post, self.nobody, DISCARD) for key, post in self.posts.items()}
        fired = [shot for shot in shots.values() if isinstance(shot, Shot)]
        self.prober.fire([*fired, *positive.values(), *negative.values()], patience)
        controls = {key: controls_of(positive[key], negative[key]) for key in self.posts}
        changed = self._changed()
        observed = {flow: self._read(flow, shot, controls, changed) for flow, shot in shots.items()}
        vantages = {flow.vantage for flow in shots}
        return Sight(observed, {v: self._controls_of(v, controls) for v in vantages})

    def _shot(self, flow: Flow) -> Shot | Observation:
        """Return the probe of a flow, or what is to be said where none can be sent."""
        source, end = flow.vantage, flow.endpoint
        post = self.posts.get(_key(source))
        target = self.posts.get(_key(end))
        if post is None:
            return unknown(self._why_not(source.place, source.container))
        if target is None:
            return unknown(self._why_not(end.place, end.container))
        if end.protocol is not Protocol.TCP:
            return unknown(f"{end.protocol} is not looked at yet")
        if not end.address:
            return self._without_address(end)
        return Shot(post, end.address, target.canary_port if end.kind is Kind.CANARY else end.port, target)

    def _without_address(self, end: Endpoint) -> Observation:
        drawn = self.project.network_named(end.network)
        label = drawn.key if drawn else end.network
        held = {seat.network for c in self.facts.containers if c.name == end.container for seat in c.attachments}
        if end.network in held:
            return unknown(f"{end.place} has an IPv6 address alone on {label}, and IPv6 is not looked at yet")
        return observation(Outcome.UNREACHABLE, watched=True, evidence=f"{end.place} has no address on {label}")

    def _why_not(self, place: str, container: str) -> str:
        if not container:
            return f"{place} has no running container"
        return self.failures.get(container, f"{container} was not visited")

    def _own_canary(self, key: Key) -> Shot:
        """Return the positive control: a post must reach its own canary and see it arrive."""
        post, (place, container) = self.posts[key], key
        held = [self.facts.outside_address] if place == OUTSIDE else self.addresses(container)
        return Shot(post, next(iter(held), "127.0.0.1"), post.canary_port, post)

    def addresses(self, container: str) -> list[str]:
        """Return the IPv4 addresses of a container."""
        seats = (seat for c in self.facts.containers if c.name == container for seat in c.attachments)
        return [seat.address for seat in seats if seat.address]

    def _controls_of(self, vantage: Vantage, controls: Mapping[Key, Controls]) -> Controls:
        missing = Controls(self._why_not(vantage.place, vantage.container), "")
        return controls.get(_key(vantage), missing)

    def _changed(self) -> dict[str, str]:
        """Return the containers and host addresses that are not what they were, and how."""
        networks = frozenset(network.name for network in self.facts.networks)
        now = {c.identity: c for c in self.engine.containers(self.project.name, networks)}
        changed = {c.name: why for c in self.facts.containers if (why := difference(c, now.get(c.identity)))}
        gone = {*self.facts.host_addresses} - {*_host_addresses(self.facts)}
        return changed | {address: f"the host gave up {address} during the proof" for address in gone}

    def _read(
        self,
        flow: Flow,
        shot: Shot | Observation,
        controls: Mapping[Key, Controls],
        changed: Mapping[str, str],
    ) -> Observation:
        if isinstance(shot, Observation):
            return shot
        for name in (flow.vantage.container, flow.endpoint.container, flow.endpoint.address):
            if name in changed:
                return unknown(changed[name])
        vantage, target = controls[_key(flow.vantage)], controls[_key(flow.endpoint)]
        if vantage.failure:
            return unknown(vantage.failure)
        evidence = evidence_of(flow.endpoint, shot)
        if self._is_led_astray(flow.endpoint, shot):
            return unknown(f"{evidence}, which is not where this way ought to lead")
        seen = observation(shot.outcome, watched=not target.positive, evidence=evidence)
        beyond = self._beyond(flow, shot) if seen.reach is Reach.SHUT else ""
        return unknown(beyond) if beyond else seen

    def _is_led_astray(self, end: Endpoint, shot: Shot) -> bool:
        """Whether somebody else answered: a rule on the way can lead a door that is meant into another place.

        A published port may be answered by the host, whose docker-proxy listens there.
        """
        if shot.outcome is not Outcome.ACCEPTED or shot.target in shot.arrived:
            return False
        ways = {self.posts[HOST, ""]} if end.kind is Kind.PUBLISHED else set()
        return bool(shot.arrived - ways)

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
        bridges = {fact.name for fact in self.facts.networks if fact.driver == BRIDGE}
        seats = self._seats(shot.post)
        past = sorted(seat.network for seat in seats if seat.network not in bridges)
        if past:
            return f"{flow.vantage.place} also sits on {past[0]}, which does not lead through this host"
        source = shot.post.routes.get(end.address)
        if isinstance(source, str) and source not in {*self.facts.host_addresses, *(seat.address for seat in seats)}:
            return f"its way out starts at {source} and does not lead through this host"
        return ""

    def _seats(self, post: Post) -> list[Attachment]:
        """Return the seats of all containers that live in the namespace of a post."""
        living = [c for c in self.facts.containers if self.posts.get(("", c.name)) is post]
        return [seat for container in living for seat in container.attachments]


@contextmanager
def looking(engine: Engine, project: Project, stand_ins: Mapping[str, Ports] | None = None) -> Iterator[View]:
    """Have a post in the namespace of every container near the project, on the host and outside.

    With `stand_ins`, the prober listens on these ports itself, in the namespace of the service that owns it.
    Raises NotProven when the engine does not answer or no outside machine can be joined.
    """
    facts = engine.facts(project.name, frozenset(network.name for network in project.networks.values()))
    with ExitStack() as stack:
        away = stack.enter_context(outside.joined())
        prober = stack.enter_context(Prober())
        home = netns.of_this_thread()
        stack.callback(os.close, home)
        posts = {(HOST, ""): prober.post(HOST, home), (OUTSIDE, ""): prober.post(OUTSIDE, away.descriptor)}
        view = View(engine, project, prober, facts, away.nobody, posts, stand_ins=stand_ins or {})
        for container in facts.containers:
            if container.pid:
                _visit(stack, view, container)
        view.facts = replace(
            facts,
            host_addresses=tuple(
                address
                for address in _host_addresses(facts)
                # The segments of other proofs come and go.
                if address == away.host_address or not outside.is_of_a_segment(address)
            ),
            outside_address=away.address,
            listeners=_proven(view, _listeners(view)),
        )
        yield view


def _visit(stack: ExitStack, view: View, container: Container) -> None:
    """Take up a post in a container's namespace: one post a namespace, however many containers share it."""
    try:
        descriptor = netns.of_process(container.pid)
        stack.callback(os.close, descriptor)
        known = {netns.identity(post.descriptor): post for post in view.posts.values()}
        ports = [port for protocol, port in _stand_ins(view, container) if protocol is Protocol.TCP]
        post = known.get(netns.identity(descriptor)) or view.prober.post(container.name, descriptor, ports)
    except OSError as error:
        view.failures[container.name] = f"the namespace of {container.name} could not be entered: {error.strerror}"
    else:
        view.posts["", container.name] = post


def _stand_ins(view: View, container: Container) -> Ports:
    name = place(view.project, container)
    return view.stand_ins.get(view.project.owner(name), ()) if name in view.project.services else ()


def _listeners(view: View) -> list[Listener]:
    """Read the listening sockets of every container that has addresses of its own, from the kernel."""
    found = []
    for container in view.facts.containers:
        post = view.posts.get(("", container.name))
        if post and container.attachments:
            with netns.inside(post.descriptor):
                found += [Listener(container.name, Protocol.TCP, *found_at) for found_at in listening.tcp()]
    return [item for item in found if item.port != view.posts["", item.container].canary_port]


def _proven(view: View, found: list[Listener]) -> frozenset[Listener]:
    """Keep the listeners that accept, from their own namespace, at an address of the container.

    A socket that listens on `::` alone refuses IPv4, and the table does not tell the two apart.
    """
    shots = {}
    for item in found:
        post, seats = view.posts["", item.container], view.addresses(item.container)
        address = next(iter(seats), "") if item.address == WILDCARD else item.address
        if address and not address.startswith(LOOPBACK):
            shots[item] = Shot(post, address, item.port, post)
    view.prober.fire(list(shots.values()), AT_ONCE)
    return frozenset(item for item, shot in shots.items() if shot.came_back is not Outcome.REFUSED)


def _host_addresses(facts: Facts) -> list[str]:
    """Return the host's IPv4 addresses, without those on bridges that have nothing to do with the project.

    The host answers on all of its addresses alike, and other people's bridges come and go.
    """
    bound = {door.host_address for container in facts.containers for door in container.publications}
    with IPRoute() as route:
        bridges = {link["index"] for link in route.get_links() if link.get(("linkinfo", "kind")) == BRIDGE}
        held = {(message.get("address"), message["index"]) for message in route.get_addr(family=socket.AF_INET)}
    return sorted(
        address
        for address, link in held
        if link not in bridges or address in bound or any(network.holds(address) for network in facts.networks)
    )
