"""Asks the engine's own resolver for names, from inside every container, and hears whether the questions come out.

A container on a user-made network asks the engine at 127.0.0.11, and the engine asks on. If it asks
from the host's namespace, a name is a door out of an internal network
(https://github.com/moby/moby/security/advisories/GHSA-mq39-4gv4-mvpx).

Rule: only in a rehearsal, whose containers have the outside machine for their name server; the real
ones would ask the real internet. The names end in `.invalid`, which nobody has (RFC 2606). Nobody
serves names there: a raw socket hears the questions, for the port itself is open to few (CAP_NET_BIND_SERVICE).
"""

from __future__ import annotations

import secrets
import socket
import struct
import time
from contextlib import ExitStack, suppress
from typing import Final

from cloison.findings.container_risks import Risk
from cloison.linux import netns
from cloison.linux import poll as linux_poll
from cloison.model.flow import OUTSIDE
from cloison.observe.observer import ProbeSession

EMBEDDED_DNS: Final = ("127.0.0.11", 53)
"""https://docs.docker.com/engine/network/#dns-services"""
DNS_PORT: Final = 53
SUFFIX: Final = (b"cloison", b"invalid")
HEADER: Final = struct.Struct("!6H")
UDP_HEADER: Final = struct.Struct("!4H")
"""From port, to port, length, checksum (RFC 768)."""
RECURSION_DESIRED: Final = 0x0100
A, IN = 1, 1
LABEL_OFFSET: Final = HEADER.size
RECEIVE_SIZE: Final = 512
VULNERABILITY: Final = "CVE-2024-29018"
SOURCE: Final = "https://github.com/moby/moby/security/advisories/GHSA-mq39-4gv4-mvpx"


def check_dns_leaks(session: ProbeSession, timeout: float) -> list[Risk]:
    """Return what the engine asks outside for containers that are on internal networks alone.

    `patience` is how long to wait for a question, in seconds.
    """
    internal = {network.name for network in session.facts.networks if network.internal}
    labels = {
        container.name: secrets.token_hex(8).encode()
        for container in session.facts.containers
        if container.attachments and {attachment.network for attachment in container.attachments} <= internal
    }
    with ExitStack() as stack:
        receiver = stack.enter_context(_receiver(session))
        for name, label in labels.items():
            if ("", name) in session.probe_sockets:
                stack.enter_context(_send_query(session, name, label))
        queries = _received_queries(receiver, timeout, len(labels)) if labels else {}
    return [_finding(name, queries[label]) for name, label in labels.items() if label in queries]


def _finding(container: str, resolver: str) -> Risk:
    return Risk(
        VULNERABILITY,
        container,
        "an internal network lets data out: names that its containers ask for are asked by the host",
        f"a question asked inside {container} came out to the outside machine, from {resolver}",
        SOURCE,
    )


def _receiver(session: ProbeSession) -> socket.socket:
    with netns.inside(session.probe_sockets[OUTSIDE, ""].descriptor):
        made = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    made.bind((session.facts.outside_addresses[0], 0))
    return made


def _send_query(session: ProbeSession, container: str, label: bytes) -> socket.socket:
    """Ask the engine from inside a container; the socket stays, for an answer must find somebody."""
    with netns.inside(session.probe_sockets["", container].descriptor):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with suppress(OSError):  # nobody resolves there, so nothing comes out that way
        made.sendto(dns_query(label), EMBEDDED_DNS)
    return made


def dns_query(label: bytes) -> bytes:
    """Return a DNS query for an address of `label` (RFC 1035 section 4)."""
    name = b"".join(bytes([len(part)]) + part for part in (label, *SUFFIX)) + b"\0"
    return HEADER.pack(secrets.randbits(16), RECURSION_DESIRED, 1, 0, 0, 0) + name + struct.pack("!2H", A, IN)


def query_label(datagram: bytes) -> bytes:
    """Return the first label of what a DNS query asks for, empty when it is none."""
    length = datagram[LABEL_OFFSET] if len(datagram) > LABEL_OFFSET else 0
    return datagram[LABEL_OFFSET + 1 : LABEL_OFFSET + 1 + length]


def _received_queries(receiver: socket.socket, timeout: float, limit: int) -> dict[bytes, str]:
    """Return who asked for what, for as long as `patience` lasts or until `most` questions were heard."""
    queries: dict[bytes, str] = {}
    deadline = time.monotonic() + timeout
    while len(queries) < limit and linux_poll.readable([receiver], deadline - time.monotonic()):
        packet, (resolver, *_) = receiver.recvfrom(RECEIVE_SIZE)
        if datagram := dns_payload(packet):
            queries[query_label(datagram)] = resolver
        if time.monotonic() > deadline:
            break
    return queries


def dns_payload(packet: bytes) -> bytes:
    """Return what an IPv4 packet of UDP carries to the port of name servers, empty when it goes elsewhere."""
    udp = packet[(packet[0] & 0x0F) * 4 :]
    return udp[UDP_HEADER.size :] if UDP_HEADER.unpack(udp[: UDP_HEADER.size])[1] == DNS_PORT else b""
