"""Checks whether the engine's embedded DNS server forwards queries from internal networks to outside (CVE-2024-29018).

A container on a user-defined network sends its queries to 127.0.0.11, and the engine forwards them. If it forwards
them from the host's network namespace, a query carries data out of an internal network
(https://github.com/moby/moby/security/advisories/GHSA-mq39-4gv4-mvpx). The check sends a query with a random label
from each container that is on internal networks only, and a raw UDP socket on the external host receives the
forwarded query or not. A raw socket needs no bind(2) to port 53, for which CAP_NET_BIND_SERVICE is necessary.

Rule: the check runs in a rehearsal only, whose containers use the external host as their name server; containers of a
real project would query the internet. The names end in `.invalid` (RFC 2606).
Layouts: RFC 1035 section 4 (DNS), RFC 768 (UDP).
"""

from __future__ import annotations

import secrets
import socket
import struct
import time
from collections.abc import Collection
from contextlib import ExitStack, suppress
from typing import Final

from cloison.findings.container_risks import Risk
from cloison.linux import netns
from cloison.linux import poll as linux_poll
from cloison.model.flow import OUTSIDE
from cloison.observe.observer import ProbeSession
from cloison.probe import bpf_filter
from cloison.probe import sockets as probe_sockets

EMBEDDED_DNS: Final = ("127.0.0.11", 53)
"""https://docs.docker.com/engine/network/#dns-services"""
DNS_PORT: Final = 53
SUFFIX: Final = "cloison.invalid."
UDP_HEADER: Final = struct.Struct("!4H")
"""Source port, destination port, length, checksum (RFC 768)."""
RECEIVE_SIZE: Final = 512
VULNERABILITY: Final = "CVE-2024-29018"
SOURCE: Final = "https://github.com/moby/moby/security/advisories/GHSA-mq39-4gv4-mvpx"


def check_dns_leaks(session: ProbeSession, timeout: float) -> list[Risk]:
    """Return a risk for each container on internal networks only whose DNS query reached the external host.

    `timeout` is the time to wait for all queries, in seconds.
    """
    internal = {network.name for network in session.facts.networks if network.internal}
    labels = {
        container.name: secrets.token_hex(8)
        for container in session.facts.containers
        if container.attachments and {attachment.network for attachment in container.attachments} <= internal
    }
    with ExitStack() as stack:
        receiver = stack.enter_context(_receiver(session))
        for name, label in labels.items():
            if ("", name) in session.probe_sockets:
                stack.enter_context(_send_query(session, name, label))
        queries = _received_queries(receiver, timeout, {*labels.values()}) if labels else {}
    return [_finding(name, queries[label]) for name, label in labels.items() if label in queries]


def _finding(container: str, resolver: str) -> Risk:
    return Risk(
        VULNERABILITY,
        container,
        "an internal network lets data out: names that its containers ask for are asked by the host",
        f"a DNS query from inside {container} arrived at the outside machine, sent by {resolver}",
        SOURCE,
    )


def _receiver(session: ProbeSession) -> socket.socket:
    only = bpf_filter.port_filter(4, DNS_PORT)
    with netns.inside(session.probe_sockets[OUTSIDE, ""].descriptor):
        made = probe_sockets.filtered_raw_socket(socket.AF_INET, socket.IPPROTO_UDP, only)
    made.bind((session.facts.outside_addresses[0], 0))
    return made


def _send_query(session: ProbeSession, container: str, label: str) -> socket.socket:
    """Send a query to the engine from inside a container; the open socket receives the answer, if one comes."""
    with netns.inside(session.probe_sockets["", container].descriptor):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with suppress(OSError):  # the container has no resolver, so no query can leave through it
        made.sendto(dns_query(label), EMBEDDED_DNS)
    return made


def dns_query(label: str) -> bytes:
    """Return a recursive DNS query for the IPv4 address of `label` below SUFFIX (RFC 1035 section 4)."""
    from dns import message, rdatatype  # noqa: PLC0415  # 50 ms, which only a rehearsal needs

    return message.make_query(f"{label}.{SUFFIX}", rdatatype.A).to_wire()


def query_label(datagram: bytes) -> str:
    """Return the first label of the name in a DNS query, empty when the datagram is not one."""
    from dns import exception, message  # noqa: PLC0415  # as above

    try:
        question = message.from_wire(datagram, question_only=True).question
    except exception.DNSException:
        return ""
    return question[0].name.labels[0].decode("ascii", "replace") if question else ""


def _received_queries(receiver: socket.socket, timeout: float, labels: Collection[str]) -> dict[str, str]:
    """Return the sender of each of these labels, after `timeout` seconds or when all have arrived."""
    queries: dict[str, str] = {}
    deadline = time.monotonic() + timeout
    while len(queries) < len(labels) and (left := deadline - time.monotonic()) > 0:
        linux_poll.readable([receiver], left)
        with suppress(BlockingIOError):
            packet, (resolver, *_) = receiver.recvfrom(RECEIVE_SIZE)
            if (label := query_label(dns_payload(packet))) in labels:
                queries[label] = resolver
    return queries


def dns_payload(packet: bytes) -> bytes:
    """Return the UDP payload of an IPv4 packet to port 53, empty for another port."""
    udp = packet[(packet[0] & 0x0F) * 4 :]
    if len(udp) < UDP_HEADER.size:
        return b""
    return udp[UDP_HEADER.size :] if UDP_HEADER.unpack(udp[: UDP_HEADER.size])[1] == DNS_PORT else b""
