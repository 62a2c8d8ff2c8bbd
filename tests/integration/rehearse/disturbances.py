"""Disturbances of a rehearsal, and a second opinion about what a proof of it calls closed.

A foreign container on one of the project's networks, and native nftables rules on the host, are in no Compose file.
So the prediction is held against the engine only where a disturbance does not reach; everywhere else a proof may be
wrong in one way that counts: it calls closed what a plain connect(2) reaches.
"""

from __future__ import annotations

import errno
import os
import random
import select
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from docker.errors import NotFound

from cloison.compose import project as compose_project
from cloison.engine.connection import local_client
from cloison.linux import netns
from cloison.model.flow import FOREIGN, HOST, EndpointKind, Protocol
from cloison.model.outcome import Reach
from cloison.observe.external_host import external_host
from cloison.proof.schema import FlowPart, Proof
from cloison.rehearse.compose_file import Rehearsal
from cloison.rehearse.environment import rehearsal_environment
from cloison.workflow.local_proof import prove_project

FORWARD: Final = "type filter hook forward priority -10;"
PREROUTING: Final = "type nat hook prerouting priority -110;"
RULES: Final = {
    "drop to": f"{FORWARD} ip daddr {{address}} drop;",
    "drop from": f"{FORWARD} ip saddr {{address}} drop;",
    "dnat": f"{PREROUTING} ip saddr {{address}} tcp dport 80 dnat to {{other}};",
    "redirect": f"{PREROUTING} ip saddr {{address}} tcp dport 443 redirect to :22;",
}
"""Native rules of the host, each about one container's address: other rehearsals may run at the same time."""
WAIT: Final = 0.4
"""Seconds for a connection: one that takes longer counts as closed."""


@dataclass(frozen=True, slots=True)
class Disturbances:
    """What a seed adds to a rehearsal; nothing for most of them."""

    foreign: bool
    rule: str
    choice: int
    """Which of the networks and of the addresses is taken."""

    def __bool__(self) -> bool:
        return self.foreign or bool(self.rule)


def random_disturbances(seed: int) -> Disturbances:
    """Return the disturbances of a seed: every third project has one."""
    draw = random.Random(f"disturbances {seed}")  # noqa: S311  # a project, not a secret
    foreign = draw.random() < 0.2
    rule = draw.choice([*RULES]) if draw.random() < 0.2 else ""
    return Disturbances(foreign, rule, draw.randrange(1000))


@dataclass(slots=True)
class DisturbedProof:
    """A proof, the places that the disturbances reach, and what it calls closed although connect(2) reaches it."""

    proof: Proof
    reached: set[str]
    wrongly_closed: set[int] = field(default_factory=set)
    """Positions of flows."""


def prove_disturbed(document: Mapping[str, Any], timeout: float, disturbances: Disturbances) -> DisturbedProof:
    """Rehearse a resolved document with disturbances."""
    with (
        external_host() as external,
        rehearsal_environment(document, lambda _: None, resolver=external.addresses[0]) as rehearsal,
        disturbed(rehearsal, disturbances) as reached,
    ):
        project = compose_project.project(rehearsal.document)
        proof = prove_project(project, timeout, rehearsal=rehearsal, external=external)
        return DisturbedProof(proof, reached, {*_connected(proof)})


@contextmanager
def disturbed(rehearsal: Rehearsal, disturbances: Disturbances) -> Iterator[set[str]]:
    """Disturb a rehearsal, and yield the places that the disturbances reach."""
    with ExitStack() as stack:
        reached: set[str] = set()
        if disturbances.foreign:
            reached.add(stack.enter_context(_foreign_container(rehearsal, disturbances.choice)))
        if disturbances.rule:
            reached |= stack.enter_context(_native_rule(rehearsal, disturbances))
        yield reached


@contextmanager
def _foreign_container(rehearsal: Rehearsal, choice: int) -> Iterator[str]:
    name = f"{rehearsal.name}-other"
    networks = [body["name"] for body in rehearsal.document["networks"].values()]
    image = next(iter(rehearsal.document["services"].values()))["image"]
    with closing(local_client()) as api:
        known = [network for network in networks if api.networks(names=[network])]
        if not known:
            yield ""
            return
        network = known[choice % len(known)]
        api.create_container(image, name=name, host_config=api.create_host_config(network_mode=network))
        try:
            api.start(name)
            yield f"{FOREIGN}{name}"
        finally:
            with suppress(NotFound):
                api.remove_container(name, force=True)


@contextmanager
def _native_rule(rehearsal: Rehearsal, disturbances: Disturbances) -> Iterator[set[str]]:
    with closing(local_client()) as api:
        addresses = {
            attached["IPAddress"]: container["Labels"]["com.docker.compose.service"]
            for container in api.containers(filters={"label": f"com.docker.compose.project={rehearsal.name}"})
            for attached in container["NetworkSettings"]["Networks"].values()
            if attached.get("IPAddress")
        }
    if not addresses:
        yield set()
        return
    known = sorted(addresses)
    address, other = (known[(disturbances.choice + offset) % len(known)] for offset in (0, 1))
    table = f"random_{rehearsal.name.rpartition('-')[2]}"
    _nft(f"table ip {table} {{ chain c {{ {RULES[disturbances.rule].format(address=address, other=other)} }}; }}")
    try:
        project = compose_project.project(rehearsal.document)
        owners = {project.owner(addresses[address])}
        if disturbances.rule == "redirect":  # to a port of the host, which is also that of a service in its namespace
            owners |= {name for name, body in project.services.items() if body.network_mode == HOST}
        yield {name for name in project.services if project.owner(name) in owners}
    finally:
        _nft(f"delete table ip {table}")


def _nft(rules: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True, timeout=20)


def _connected(proof: Proof) -> Iterator[int]:
    """Yield the flows to a container that are called closed and that connect(2) reaches."""
    groups: dict[str, list[int]] = {}
    for position, flow in enumerate(proof.flows):
        if _can_be_tried(proof, flow):
            groups.setdefault(proof.vantages[flow.vantage].container, []).append(position)
    for container, positions in groups.items():
        ends = [(proof.endpoints[proof.flows[i].endpoint].address, _port(proof, i)) for i in positions]
        reached = _reached(container, {*ends})
        yield from (position for position, end in zip(positions, ends, strict=True) if end in reached)


def _can_be_tried(proof: Proof, flow: FlowPart) -> bool:
    """Whether a reset answers from the target itself: at a container's own address, from a container."""
    end = proof.endpoints[flow.endpoint]
    is_closed = flow.observed is Reach.SHUT and end.protocol is Protocol.TCP
    has_address = end.kind is not EndpointKind.PUBLISHED and bool(end.container and end.network and end.address)
    return is_closed and has_address and bool(proof.vantages[flow.vantage].container)


def _port(proof: Proof, position: int) -> int:
    return proof.endpoints[proof.flows[position].endpoint].port or 39999  # a canary's port is chosen in each proof


def _reached(container: str, ends: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    """Return the (address, port) pairs that a container reaches: they accept, or refuse with a reset."""
    with closing(local_client()) as api:
        try:
            pid = api.inspect_container(container)["State"]["Pid"]
        except NotFound:  # a member that is no container
            return set()
    if not pid:
        return set()
    descriptor = netns.of_process(pid)
    waiting: dict[socket.socket, tuple[str, int]] = {}
    try:
        with netns.inside(descriptor):
            for address, port in ends:
                opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
                opened.setblocking(False)  # noqa: FBT003  # its own interface
                waiting[opened] = (address, port)
    finally:
        os.close(descriptor)
    return _answered(waiting)


def _answered(waiting: dict[socket.socket, tuple[str, int]]) -> set[tuple[str, int]]:
    found, open_sockets, ends = set(), dict(waiting), time.monotonic() + WAIT
    try:
        for opened, end in waiting.items():
            if opened.connect_ex(end) not in (0, errno.EINPROGRESS):
                del open_sockets[opened]
        while open_sockets and (left := ends - time.monotonic()) > 0:
            _, writable, _ = select.select([], [*open_sockets], [], left)
            for opened in writable:
                if opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (0, errno.ECONNREFUSED):
                    found.add(open_sockets[opened])
                del open_sockets[opened]
    finally:
        for opened in waiting:
            opened.close()
    return found
