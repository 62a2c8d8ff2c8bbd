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

from cloison.findings.container_risks import Finding
from cloison.linux import netns
from cloison.linux import poll as linux_poll
from cloison.model.facts import OUTSIDE
from cloison.observe.observer import View

ENGINES_RESOLVER: Final = ("127.0.0.11", 53)
"""https://docs.docker.com/engine/network/#dns-services"""
PORT: Final = 53
SUFFIX: Final = (b"cloison", b"invalid")
HEADER: Final = struct.Struct("!6H")
UDP: Final = struct.Struct("!4H")
"""From port, to port, length, checksum (RFC 768)."""
ASKED_RECURSIVELY: Final = 0x0100
A, IN = 1, 1
LABEL_AT: Final = HEADER.size
READ: Final = 512
GATE: Final = "CVE-2024-29018"
SOURCE: Final = "https://github.com/moby/moby/security/advisories/GHSA-mq39-4gv4-mvpx"


def let_out(view: View, patience: float) -> list[Finding]:
    """Return what the engine asks outside for containers that are on internal networks alone.

    `patience` is how long to wait for a question, in seconds.
    """
    internal = {network.name for network in view.facts.networks if network.internal}
    held_in = {
        container.name: secrets.token_hex(8).encode()
        for container in view.facts.containers
        if container.attachments and {seat.network for seat in container.attachments} <= internal
    }
    with ExitStack() as stack:
        server = stack.enter_context(_server(view))
        for name, label in held_in.items():
            if ("", name) in view.posts:
                stack.enter_context(_asking(view, name, label))
        heard = _heard(server, patience, len(held_in)) if held_in else {}
    return [_finding(name, heard[label]) for name, label in held_in.items() if label in heard]


def _finding(container: str, asker: str) -> Finding:
    return Finding(
        GATE,
        container,
        "an internal network lets data out: names that its containers ask for are asked by the host",
        f"a question asked inside {container} came out to the outside machine, from {asker}",
        SOURCE,
    )


def _server(view: View) -> socket.socket:
    with netns.inside(view.posts[OUTSIDE, ""].descriptor):
        made = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    made.bind((view.facts.outside_addresses[0], 0))
    return made


def _asking(view: View, container: str, label: bytes) -> socket.socket:
    """Ask the engine from inside a container; the socket stays, for an answer must find somebody."""
    with netns.inside(view.posts["", container].descriptor):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with suppress(OSError):  # nobody resolves there, so nothing comes out that way
        made.sendto(question(label), ENGINES_RESOLVER)
    return made


def question(label: bytes) -> bytes:
    """Return a DNS query for an address of `label` (RFC 1035 section 4)."""
    name = b"".join(bytes([len(part)]) + part for part in (label, *SUFFIX)) + b"\0"
    return HEADER.pack(secrets.randbits(16), ASKED_RECURSIVELY, 1, 0, 0, 0) + name + struct.pack("!2H", A, IN)


def asked_for(datagram: bytes) -> bytes:
    """Return the first label of what a DNS query asks for, empty when it is none."""
    length = datagram[LABEL_AT] if len(datagram) > LABEL_AT else 0
    return datagram[LABEL_AT + 1 : LABEL_AT + 1 + length]


def _heard(server: socket.socket, patience: float, most: int) -> dict[bytes, str]:
    """Return who asked for what, for as long as `patience` lasts or until `most` questions were heard."""
    heard: dict[bytes, str] = {}
    deadline = time.monotonic() + patience
    while len(heard) < most and linux_poll.readable([server], deadline - time.monotonic()):
        packet, (asker, *_) = server.recvfrom(READ)
        if datagram := sent_to_names(packet):
            heard[asked_for(datagram)] = asker
        if time.monotonic() > deadline:
            break
    return heard


def sent_to_names(packet: bytes) -> bytes:
    """Return what an IPv4 packet of UDP carries to the port of name servers, empty when it goes elsewhere."""
    udp = packet[(packet[0] & 0x0F) * 4 :]
    return udp[UDP.size :] if UDP.unpack(udp[: UDP.size])[1] == PORT else b""
