"""Tests whether a neighbor on the LAN reaches a port that is published on the host's loopback address only.

No route sends a packet for 127.0.0.1 to another machine, but a neighbor can send such a packet in a frame to the
host's MAC address. Before Engine 28 the DNAT rule of the published port matches it and the host forwards it
(https://github.com/moby/moby/pull/49325). This test sends a SYN in that way, from a packet socket (AF_PACKET,
SOCK_DGRAM, see `forwarding_check`) on the external host; a raw TCP socket in the container's namespace receives the
SYN or not.

Rule: an arrival proves the exposure; a missing arrival proves nothing. The handshake is never completed, and an RST
follows the SYN.
Source: packet(7), raw(7), RFC 9293 section 3.1 (TCP).
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from cloison.audit.forwarding_check import ATTEMPTS, ETH_P_IP
from cloison.findings.container_risks import Risk
from cloison.linux import interfaces, netns
from cloison.linux import poll as linux_poll
from cloison.model.facts import Container, PublishedPort
from cloison.model.flow import HOST, OUTSIDE, Protocol, ip_version
from cloison.observe.observer import ProbeSession
from cloison.probe import bpf_filter, packets
from cloison.probe import sockets as probe_sockets
from cloison.probe.ipv4 import ipv4_packet
from cloison.verdict.flow_enumeration import LOOPBACK

VULNERABILITY: Final = "loopback-published"
SOURCE: Final = "https://github.com/moby/moby/pull/49325"
SOURCE_PORT: Final = 40000
"""The source port of a test's segments; nothing listens on it."""
WINDOW: Final = 41253
"""The window of a test's segments, by which a filter knows them."""
RECEIVE_SIZE: Final = 2048
SEQUENCE_SLICE: Final = slice(4, 8)
FLAGS_OFFSET: Final = 13
CHECKSUM_SLICE: Final = slice(16, 18)
"""Offsets of sequence number, flags and checksum in a TCP segment (RFC 9293 section 3.1)."""


@dataclass(frozen=True, slots=True)
class ExposureTest:
    """A port of a container that is published on loopback; `number` is the sequence number of its SYN."""

    container: Container
    publication: PublishedPort
    number: int


class RawSender:
    """Sends IPv4 packets in frames from the external host to the host, without a route."""

    def __init__(self, sender: socket.socket, link_address: tuple[str, int, int, int, bytes], address: str) -> None:
        self._sender, self._link_address, self._address = sender, link_address, address

    def send(self, tests: Iterable[ExposureTest], flag: int) -> None:
        """Send a TCP segment with this flag for every test."""
        for test in tests:
            target = test.publication.host_address
            body = _segment(test, flag, packets.pseudo_sum(self._address, target))
            with suppress(OSError):  # a packet that cannot be sent does not arrive
                self._sender.sendto(ipv4_packet(self._address, target, socket.IPPROTO_TCP, body), self._link_address)


def check_loopback_exposure(session: ProbeSession, findings: Iterable[Risk], timeout: float) -> list[Risk]:
    """Return `findings` and a risk for each port published on loopback that the external host reached.

    The risk that the engine's version implies is removed if every such port was reached.
    `timeout` is the time to wait for packets in all, in seconds.
    """
    publications = [*_loopback_ports(session)]
    tests = [
        ExposureTest(*publication, secrets.randbits(32)) for publication in publications if _is_testable(publication[1])
    ]
    arrived = _arrived(session, tests, timeout) if tests else set()
    seen = [_finding(test) for test in tests if test.number in arrived]
    return [finding for finding in findings if finding.what != VULNERABILITY or len(seen) < len(publications)] + seen


def _arrived(session: ProbeSession, tests: Sequence[ExposureTest], timeout: float) -> set[int]:
    with ExitStack() as stack:
        try:
            raw_sender = _raw_sender(stack, session)
            receivers = {
                name: _receiver(stack, session, name) for name in sorted({test.container.name for test in tests})
            }
        except OSError:
            return set()  # no test is possible, and the risk that the engine's version implies remains
        try:
            return _send_syns(raw_sender, tests, [*receivers.values()], timeout)
        finally:
            raw_sender.send(tests, packets.RST)


def _finding(test: ExposureTest) -> Risk:
    publication = test.publication
    return Risk(
        VULNERABILITY,
        test.container.name,
        "a port published on loopback answers a neighbour on the host's own segment too",
        f"a packet for {publication.host_address}:{publication.host_port}, sent by the outside machine, "
        f"arrived at port {publication.container_port} inside {test.container.name}",
        SOURCE,
    )


def _loopback_ports(session: ProbeSession) -> Iterator[tuple[Container, PublishedPort]]:
    for container in session.facts.containers:
        if container.project == session.project.name and ("", container.name) in session.probe_sockets:
            yield from (
                (container, publication)
                for publication in container.published_ports
                if publication.host_address.startswith(LOOPBACK)
            )


def _is_testable(publication: PublishedPort) -> bool:
    """Whether it is a TCP port on an IPv4 address; a UDP datagram would reach the service."""
    return publication.protocol is Protocol.TCP and ip_version(publication.host_address) == 4  # noqa: PLR2004  # of IP


def _raw_sender(stack: ExitStack, session: ProbeSession) -> RawSender:
    address, gateway = session.facts.outside_addresses[0], session.facts.outside_gateways[0]
    mac_address = interfaces.interface_with(gateway, HOST).mac_address
    with netns.inside(session.probe_sockets[OUTSIDE, ""].descriptor):
        name = interfaces.interface_with(address, OUTSIDE).name
        sender = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM))
    return RawSender(sender, (name, ETH_P_IP, 0, 0, mac_address), address)


def _receiver(stack: ExitStack, session: ProbeSession, container: str) -> socket.socket:
    """Return the raw socket of a container's namespace, which receives the SYNs of this test and nothing else."""
    only = bpf_filter.syn_filter(4, WINDOW)
    with netns.inside(session.probe_sockets["", container].descriptor):
        return stack.enter_context(probe_sockets.filtered_raw_socket(socket.AF_INET, socket.IPPROTO_TCP, only))


def _segment(test: ExposureTest, flag: int, pseudo: int) -> bytes:
    """Return a SYN, or the RST that resets it, whose sequence number is the next one (RFC 9293 section 3.5.3)."""
    number = test.number + (flag == packets.RST) & 0xFFFFFFFF
    ports = (SOURCE_PORT, test.publication.host_port)
    segment = bytearray(packets.syn(ports, number, WINDOW, pseudo))
    segment[FLAGS_OFFSET] = flag
    total = int.from_bytes(segment[CHECKSUM_SLICE], "big") + (packets.SYN - flag) % 0xFFFF
    segment[CHECKSUM_SLICE] = ((total & 0xFFFF) + (total >> 16)).to_bytes(2, "big")
    return bytes(segment)


def _send_syns(
    raw_sender: RawSender, tests: Sequence[ExposureTest], receivers: Sequence[socket.socket], timeout: float
) -> set[int]:
    """Send the SYN of every test, twice if it did not arrive; return the numbers of those that arrived."""
    numbers, arrived = {test.number for test in tests}, set[int]()
    for _ in range(ATTEMPTS):
        raw_sender.send([test for test in tests if test.number not in arrived], packets.SYN)
        deadline = time.monotonic() + timeout / ATTEMPTS
        while not numbers <= arrived and (left := deadline - time.monotonic()) > 0:
            arrived |= _received(receivers, left) & numbers
    return arrived


def _received(receivers: Sequence[socket.socket], seconds: float) -> set[int]:
    """Return the sequence numbers of the queued segments, waiting `seconds` for the first."""
    ready = linux_poll.readable(receivers, seconds)
    sequences: set[int] = set()
    for receiver in ready:
        for packet in probe_sockets.drain(receiver, RECEIVE_SIZE):
            segment = packet[(packet[0] & 0x0F) * 4 :]
            sequences.add(int.from_bytes(segment[SEQUENCE_SLICE], "big"))
    return sequences
