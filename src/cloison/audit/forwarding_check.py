"""Tests whether a container forwards IPv4 packets from one of its networks to another.

In the namespace of the source container a packet socket (AF_PACKET, SOCK_DGRAM) sends a complete IPv4 datagram in a
frame to the router container's MAC address. In the namespace of the target container a UDP socket of the prober, on a
port that the kernel chose, receives it or not. No process of a container receives it.

    struct sockaddr_ll {
        unsigned short sll_family;      /* AF_PACKET */
        __be16         sll_protocol;    /* ETH_P_IP */
        int            sll_ifindex;     /* Python takes the interface's name */
        unsigned short sll_hatype;
        unsigned char  sll_pkttype, sll_halen, sll_addr[8];    /* the router's MAC address */
    };

Input: forwarding paths. Output: for each path ARRIVED, or the reason why nothing arrived.
Rule: an arrival proves forwarding. A missing arrival proves nothing, as the packet may have been dropped on the way.
Source: packet(7), RFC 791 section 3.1 (IPv4), RFC 768 (UDP).
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from cloison.findings.container_privileges import ForwardingPath
from cloison.findings.container_risks import ARRIVED
from cloison.linux import interfaces, netns
from cloison.linux import poll as linux_poll
from cloison.model.facts import Container
from cloison.probe import socket_registry
from cloison.probe import sockets as probe_sockets
from cloison.probe.ipv4 import udp_packet

ETH_P_IP: Final = 0x0800
"""ETH_P_IP of linux/if_ether.h."""
PAYLOAD_SIZE: Final = 16
"""Bytes of the random payload that identifies a packet."""
ATTEMPTS: Final = 2


@dataclass(frozen=True, slots=True)
class ForwardedPacket:
    """A datagram that is ready to be sent; `payload_id` is its payload."""

    path: ForwardingPath
    sender: socket.socket
    link_address: tuple[str, int, int, int, bytes]
    """The sockaddr_ll: interface name, ETH_P_IP, 0, 0, MAC address."""
    content: bytes
    payload_id: bytes


def check_forwarding(
    forwarding_paths: Iterable[ForwardingPath], containers: Iterable[Container], timeout: float
) -> dict[ForwardingPath, str]:
    """Send a packet over every forwarding path, and return ARRIVED or why no arrival is known, by path.

    `timeout` is the time to wait in all, in seconds.
    """
    with ExitStack() as stack:
        forwarding_test = _ForwardingTest(stack, {c.name: c for c in containers if c.pid})
        failures = {path: forwarding_test.prepare(path) for path in forwarding_paths}
        arrived = forwarding_test.send(timeout)
    return {path: ARRIVED if path in arrived else why or "nothing arrived there" for path, why in failures.items()}


class _ForwardingTest:
    """The sockets of a forwarding test, and the packets to send."""

    def __init__(self, stack: ExitStack, running: Mapping[str, Container]) -> None:
        self._stack, self._running = stack, running
        self._register = stack.enter_context(socket_registry.registration())
        self._namespaces: dict[str, int] = {}
        self._links: dict[tuple[str, str], interfaces.Interface] = {}
        self._senders: dict[str, socket.socket] = {}
        self._receivers: dict[str, socket.socket] = {}
        self._packets: list[ForwardedPacket] = []

    def prepare(self, path: ForwardingPath) -> str:
        """Open the sockets for a forwarding path; return why it cannot be tested, empty if it can."""
        try:
            start, end = (
                self._address(path.source, path.source_network),
                self._address(path.target, path.target_network),
            )
            link = self._link(path.source, path.source_network).name
            mac_address = self._link(path.router, path.source_network).mac_address
            port = self._receiver(path.target).getsockname()[1]
            sender = self._sender(path.source)
        except OSError as error:
            return f"it could not be tested: {error}"
        payload_id = secrets.token_bytes(PAYLOAD_SIZE)
        content = udp_packet(start, (end, port), payload_id)
        self._packets.append(ForwardedPacket(path, sender, (link, ETH_P_IP, 0, 0, mac_address), content, payload_id))
        return ""

    def send(self, timeout: float) -> set[ForwardingPath]:
        """Send every packet, twice if it did not arrive; return the paths whose packet arrived."""
        arrived: set[ForwardingPath] = set()
        for _ in range(ATTEMPTS):
            for packet in self._packets:
                if packet.path not in arrived:
                    with suppress(OSError):  # a packet that cannot be sent does not arrive
                        packet.sender.sendto(packet.content, packet.link_address)
            deadline = time.monotonic() + timeout / ATTEMPTS
            while len(arrived) < len(self._packets) and (left := deadline - time.monotonic()) > 0:
                arrived |= self._receive(left)
        return arrived

    def _receive(self, seconds: float) -> set[ForwardingPath]:
        ready = linux_poll.readable(self._receivers.values(), seconds)
        received: set[bytes] = set()
        for receiver in ready:
            received.update(probe_sockets.drain(receiver, PAYLOAD_SIZE))
        return {packet.path for packet in self._packets if packet.payload_id in received}

    def _address(self, container: str, network: str) -> str:
        return next(
            attachment.address for attachment in self._running[container].attachments if attachment.network == network
        )

    def _namespace(self, container: str) -> int:
        if container not in self._namespaces:
            running = self._running[container]
            self._namespaces[container] = netns.of_container(running.pid, running.identity)
            self._stack.callback(os.close, self._namespaces[container])
        return self._namespaces[container]

    def _link(self, container: str, network: str) -> interfaces.Interface:
        """Return the interface of a container on a network."""
        if (container, network) not in self._links:
            with netns.inside(self._namespace(container)):
                self._links[container, network] = interfaces.interface_with(
                    self._address(container, network), container
                )
        return self._links[container, network]

    def _sender(self, container: str) -> socket.socket:
        """Return the packet socket of a container's namespace; one each, because close(2) waits for an RCU period."""
        if container not in self._senders:
            with netns.inside(self._namespace(container)):
                sender = self._stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM))
            self._senders[container] = sender
        return self._senders[container]

    def _receiver(self, container: str) -> socket.socket:
        """Return the UDP socket of a container's namespace, on a port that the kernel chose."""
        if container not in self._receivers:
            with netns.inside(self._namespace(container)):
                receiver = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            self._register(receiver)
            receiver.bind(("", 0))
            receiver.setblocking(False)  # noqa: FBT003  # the socket module's own signature
            self._receivers[container] = receiver
        return self._receivers[container]
