"""Tries whether a neighbour gets in at a port that is published on the host's loopback alone.

No routing table sends a packet for 127.0.0.1 over a wire, but whoever shares the wire can put one there, with the
host's hardware address. Before Engine 28 the rule for the published port takes it for the host's own and leads it
on (https://github.com/moby/moby/pull/49325). So the outside machine does just that, with a SYN, and a raw socket in
the container's namespace sees it arrive or not.

Rule: what arrived is certain; what did not says nothing. The handshake is never completed, and is taken back.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from cloison.audit.forwarding_check import ETH_P_IP, HEAD, SENDINGS, packet
from cloison.findings.container_risks import Finding
from cloison.linux import interfaces, netns
from cloison.linux import poll as linux_poll
from cloison.model.facts import HOST, OUTSIDE, Container, Protocol, Publication, version_of
from cloison.observe.observer import View
from cloison.probe import packets
from cloison.verdict.flow_enumeration import LOOPBACK

GATE: Final = "loopback-published"
SOURCE: Final = "https://github.com/moby/moby/pull/49325"
FROM: Final = 40000
"""The port that a try comes from; nobody answers there, and nobody has to."""
READ: Final = 2048
SEQUENCE_AT: Final = slice(4, 8)
FLAGS_AT: Final = 13
SUM_AT: Final = slice(16, 18)
"""Where a TCP segment has its sequence number, its flags and its checksum (RFC 9293 section 3.1)."""


@dataclass(frozen=True, slots=True)
class Try:
    """A door of a container that is published on loopback; its number is the sequence number of what is sent."""

    container: Container
    door: Publication
    number: int


class Wire:
    """The wire between the outside machine and the host, for packets that no route leads over it."""

    def __init__(self, sender: socket.socket, way: tuple[str, int, int, int, bytes], address: str) -> None:
        self._sender, self._way, self._address = sender, way, address

    def write(self, tried: Iterable[Try], flag: int) -> None:
        """Write a segment for every door, with this flag."""
        for one in tried:
            target = one.door.host_address
            body = _segment(one, flag, packets.pseudo_sum(self._address, target))
            with suppress(OSError):  # what cannot be sent does not arrive
                self._sender.sendto(packet(self._address, target, socket.IPPROTO_TCP, body), self._way)


def let_in(view: View, told: Iterable[Finding], patience: float) -> list[Finding]:
    """Return the findings `told` and, for each door on loopback that let the outside machine in, one of its own.

    What the engine's version tells about such doors goes once all of them were seen to be open.
    `patience` is how long to wait for a packet in all, in seconds.
    """
    doors = [*_doors(view)]
    tried = [Try(*door, secrets.randbits(32)) for door in doors if _can_be_tried(door[1])]
    arrived = _arrived(view, tried, patience) if tried else set()
    seen = [_finding(one) for one in tried if one.number in arrived]
    return [finding for finding in told if finding.what != GATE or len(seen) < len(doors)] + seen


def _arrived(view: View, tried: Sequence[Try], patience: float) -> set[int]:
    with ExitStack() as stack:
        try:
            wire = _wire(stack, view)
            ears = {name: _ear(stack, view, name) for name in sorted({one.container.name for one in tried})}
        except OSError:
            return set()  # nothing was tried, and what the version says stands
        try:
            return _fire(wire, tried, [*ears.values()], patience)
        finally:
            wire.write(tried, packets.RST)


def _finding(one: Try) -> Finding:
    door = one.door
    return Finding(
        GATE,
        one.container.name,
        "a port published on loopback answers a neighbour on the host's own segment too",
        f"a packet for {door.host_address}:{door.host_port}, put on the wire by the outside machine, arrived at port "
        f"{door.container_port} inside {one.container.name}",
        SOURCE,
    )


def _doors(view: View) -> Iterator[tuple[Container, Publication]]:
    for container in view.facts.containers:
        if container.project == view.project.name and ("", container.name) in view.posts:
            yield from ((container, door) for door in container.publications if door.host_address.startswith(LOOPBACK))


def _can_be_tried(door: Publication) -> bool:
    """Whether it is for connections over IPv4: nothing would keep a datagram of ours from the service."""
    return door.protocol is Protocol.TCP and version_of(door.host_address) == 4  # noqa: PLR2004  # of IP


def _wire(stack: ExitStack, view: View) -> Wire:
    address, gateway = view.facts.outside_addresses[0], view.facts.outside_gateways[0]
    hardware = interfaces.holder(gateway, HOST).hardware
    with netns.inside(view.posts[OUTSIDE, ""].descriptor):
        name = interfaces.holder(address, OUTSIDE).name
        sender = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM))
    return Wire(sender, (name, ETH_P_IP, 0, 0, hardware), address)


def _ear(stack: ExitStack, view: View, container: str) -> socket.socket:
    with netns.inside(view.posts["", container].descriptor):
        made = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP))
    made.setblocking(False)  # noqa: FBT003  # the socket module's own signature
    return made


def _segment(one: Try, flag: int, pseudo: int) -> bytes:
    """Return a SYN, or the RST that takes it back: it carries the number that the SYN promised."""
    number = one.number + (flag == packets.RST) & 0xFFFFFFFF
    ports = (FROM, one.door.host_port)
    made = bytearray(packets.syn(ports, number, 0, pseudo))
    made[FLAGS_AT] = flag
    total = int.from_bytes(made[SUM_AT], "big") + (packets.SYN - flag) % 0xFFFF
    made[SUM_AT] = ((total & 0xFFFF) + (total >> 16)).to_bytes(2, "big")
    return bytes(made)


def _fire(wire: Wire, tried: Sequence[Try], ears: Sequence[socket.socket], patience: float) -> set[int]:
    """Write the SYN of every door, twice where nothing arrived; return the numbers of those that did."""
    numbers, arrived = {one.number for one in tried}, set[int]()
    for _ in range(SENDINGS):
        wire.write([one for one in tried if one.number not in arrived], packets.SYN)
        deadline = time.monotonic() + patience / SENDINGS
        while not numbers <= arrived and (left := deadline - time.monotonic()) > 0:
            arrived |= _heard(ears, left) & numbers
    return arrived


def _heard(ears: Sequence[socket.socket], seconds: float) -> set[int]:
    """Return the sequence numbers of what has come, waiting `seconds` for the first."""
    ready = linux_poll.readable(ears, seconds)
    came: set[int] = set()
    for ear in ready:
        with suppress(BlockingIOError):
            while True:
                read = ear.recv(READ)[HEAD.size :]
                came.add(int.from_bytes(read[SEQUENCE_AT], "big"))
    return came
