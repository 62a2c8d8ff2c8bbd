"""Tries whether a container forwards: hands it a packet that is meant for somebody on its other network.

In the namespace of one container a packet socket puts a complete IPv4 datagram on the wire, with the
router's hardware address; in the namespace of another a socket of ours, on a port of its own,
receives it or not. No process of a container sees anything of it.

Rule: what arrived is certain. What did not may have been dropped on the way or by the receiver, so
it is never called impossible.

Layouts: RFC 791 section 3.1 (IPv4), RFC 768 (UDP).
"""

from __future__ import annotations

import os
import secrets
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from cloison.findings.container_privileges import Hop
from cloison.findings.container_risks import ARRIVED
from cloison.linux import interfaces, netns
from cloison.linux import poll as linux_poll
from cloison.model.facts import Container
from cloison.probe import socket_registry

ETH_P_IP: Final = 0x0800
VERSION_AND_LENGTH: Final = 0x45
"""IPv4, a header of five words."""
LIFE: Final = 64
HEAD: Final = struct.Struct("!BBHHHBBH4s4s")
DATAGRAM_HEAD: Final = struct.Struct("!HHHH")
NUMBER: Final = 16
"""Bytes of the random payload that names a packet."""
SENDINGS: Final = 2


@dataclass(frozen=True, slots=True)
class Packet:
    """A datagram ready to be put on the wire; `number` is its payload."""

    hop: Hop
    sender: socket.socket
    way: tuple[str, int, int, int, bytes]
    """Where a packet socket sends it: interface and hardware address."""
    content: bytes
    number: bytes


def tried(hops: Iterable[Hop], containers: Iterable[Container], patience: float) -> dict[Hop, str]:
    """Send a packet over every hop and return what became of it: ARRIVED, or why nothing is known to have arrived.

    `patience` is how long to wait in all, in seconds.
    """
    with ExitStack() as stack:
        trial = _Trial(stack, {c.name: c for c in containers if c.pid})
        failures = {hop: trial.prepare(hop) for hop in hops}
        arrived = trial.fire(patience)
    return {hop: ARRIVED if hop in arrived else why or "nothing was seen there" for hop, why in failures.items()}


class _Trial:
    """The sockets of one trial, and the packets to send."""

    def __init__(self, stack: ExitStack, living: Mapping[str, Container]) -> None:
        self._stack, self._living = stack, living
        self._announce = stack.enter_context(socket_registry.announcing())
        self._spaces: dict[str, int] = {}
        self._links: dict[tuple[str, str], interfaces.Link] = {}
        self._senders: dict[str, socket.socket] = {}
        self._receivers: dict[str, socket.socket] = {}
        self._packets: list[Packet] = []

    def prepare(self, hop: Hop) -> str:
        """Make ready what a hop needs; return why it cannot be tried, empty when it can."""
        try:
            start, end = self._address(hop.source, hop.source_network), self._address(hop.target, hop.target_network)
            link = self._link(hop.source, hop.source_network).name
            hardware = self._link(hop.router, hop.source_network).hardware
            port = self._receiver(hop.target).getsockname()[1]
            sender = self._sender(hop.source)
        except OSError as error:
            return f"it could not be tried: {error}"
        number = secrets.token_bytes(NUMBER)
        content = datagram(start, (end, port), number)
        self._packets.append(Packet(hop, sender, (link, ETH_P_IP, 0, 0, hardware), content, number))
        return ""

    def fire(self, patience: float) -> set[Hop]:
        """Send every packet, twice where nothing arrived; return the hops whose packet did."""
        arrived: set[Hop] = set()
        for _ in range(SENDINGS):
            for packet in self._packets:
                if packet.hop not in arrived:
                    with suppress(OSError):  # what cannot be sent does not arrive
                        packet.sender.sendto(packet.content, packet.way)
            deadline = time.monotonic() + patience / SENDINGS
            while len(arrived) < len(self._packets) and (left := deadline - time.monotonic()) > 0:
                arrived |= self._seen(left)
        return arrived

    def _seen(self, seconds: float) -> set[Hop]:
        ready = linux_poll.readable(self._receivers.values(), seconds)
        came: set[bytes] = set()
        for receiver in ready:
            with suppress(BlockingIOError):
                while True:
                    came.add(receiver.recv(NUMBER))
        return {packet.hop for packet in self._packets if packet.number in came}

    def _address(self, container: str, network: str) -> str:
        return next(seat.address for seat in self._living[container].attachments if seat.network == network)

    def _space(self, container: str) -> int:
        if container not in self._spaces:
            living = self._living[container]
            self._spaces[container] = netns.of_container(living.pid, living.identity)
            self._stack.callback(os.close, self._spaces[container])
        return self._spaces[container]

    def _link(self, container: str, network: str) -> interfaces.Link:
        """Return the link by which a container sits on a network."""
        if (container, network) not in self._links:
            with netns.inside(self._space(container)):
                self._links[container, network] = interfaces.holder(self._address(container, network), container)
        return self._links[container, network]

    def _sender(self, container: str) -> socket.socket:
        """Have a socket in a container's namespace that sends what it is given; one, for each is slow to close."""
        if container not in self._senders:
            with netns.inside(self._space(container)):
                made = self._stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM))
            self._senders[container] = made
        return self._senders[container]

    def _receiver(self, container: str) -> socket.socket:
        """Have a socket in a container's namespace, on a port that the kernel chose for us."""
        if container not in self._receivers:
            with netns.inside(self._space(container)):
                made = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            self._announce(made)
            made.bind(("", 0))
            made.setblocking(False)  # noqa: FBT003  # the socket module's own signature
            self._receivers[container] = made
        return self._receivers[container]


def datagram(source: str, target: tuple[str, int], payload: bytes) -> bytes:
    """Return a complete IPv4 packet: a datagram from an address to an (address, port), without a checksum of its own.

    The port that it names as its source is the one where it ends: nobody is to answer it.
    """
    body = DATAGRAM_HEAD.pack(target[1], target[1], DATAGRAM_HEAD.size + len(payload), 0) + payload
    return packet(source, target[0], socket.IPPROTO_UDP, body)


def packet(source: str, target: str, protocol: int, body: bytes) -> bytes:
    """Return a complete IPv4 packet between two addresses."""
    ends = socket.inet_aton(source), socket.inet_aton(target)
    fields = (VERSION_AND_LENGTH, 0, HEAD.size + len(body), 0, 0, LIFE, protocol)
    return HEAD.pack(*fields, _checksum(HEAD.pack(*fields, 0, *ends)), *ends) + body


def _checksum(head: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(head) // 2}H", head))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
