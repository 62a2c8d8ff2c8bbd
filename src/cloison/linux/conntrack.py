"""Reads the connection tracking table of the calling thread's network namespace, and its events.

The table has what no socket shows: connections that ended a moment ago, UDP without connected sockets, and both sides
of a translation. The original direction says who began, and the reply's source is the end after DNAT.

    struct nfgenmsg { __u8 nfgen_family; __u8 version; __be16 res_id; };     then attributes:
    CTA_TUPLE_ORIG, CTA_TUPLE_REPLY { CTA_TUPLE_IP { CTA_IP_V4_SRC, … } CTA_TUPLE_PROTO { CTA_PROTO_NUM, … } }
    CTA_STATUS: bits of enum ip_conntrack_status

Rule: a TCP connection counts after its handshake (IPS_ASSURED), which the probes of a proof never complete; one of UDP
after an answer (IPS_SEEN_REPLY). A packet that was dropped has an entry, too.
Source: linux/netfilter/nfnetlink_conntrack.h, linux/netfilter/nf_conntrack_common.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from cloison.linux import netlink
from cloison.linux.connections import Connection, address_text
from cloison.linux.netlink import NLM_F_ACK, NLM_F_REQUEST
from cloison.model.flow import Protocol

NETLINK_NETFILTER: Final = 12
CTNETLINK: Final = 1 << 8
"""NFNL_SUBSYS_CTNETLINK, the upper byte of a message's type."""
IPCTNL_MSG_CT_NEW, IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE = 0, 1, 2
NLA_F_NESTED: Final = 1 << 15
"""The bit of an attribute's type that says that attributes are inside."""
NFNLGRP_CONNTRACK_UPDATE: Final = 1 << 1
"""The bit of NFNLGRP_CONNTRACK_UPDATE (2): the reply that has been seen is a change of the entry."""
NFGENMSG: Final = struct.Struct("=BBH")
CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_STATUS = 1, 2, 3
CTA_TUPLE_IP, CTA_TUPLE_PROTO = 1, 2
CTA_IP_SRC: Final = (1, 3)
"""CTA_IP_V4_SRC and CTA_IP_V6_SRC."""
CTA_PROTO_NUM, CTA_PROTO_SRC_PORT = 1, 2
IPS_SEEN_REPLY, IPS_ASSURED = 1 << 1, 1 << 2
ANSWERED: Final = {Protocol.TCP: IPS_ASSURED, Protocol.UDP: IPS_SEEN_REPLY}
"""The bit of the status that a connection of a protocol needs to count."""
CTA_COUNTERS: Final = (9, 10)
"""CTA_COUNTERS_ORIG and CTA_COUNTERS_REPLY, which an entry has where net.netfilter.nf_conntrack_acct is on."""
CTA_COUNTERS_BYTES: Final = 2
PROTOCOLS: Final = {socket.IPPROTO_TCP: Protocol.TCP, socket.IPPROTO_UDP: Protocol.UDP}


def tracked() -> dict[Connection, int | None]:
    """Return the answered connections of this thread's namespace, apart from local ones; empty without conntrack.

    Each has its bytes in both directions, None where the kernel does not count them (nf_conntrack_acct).
    """
    found: dict[Connection, int | None] = {}
    with suppress(OSError), netlink.nl_socket(NETLINK_NETFILTER) as sock:
        for family in (socket.AF_INET, socket.AF_INET6):
            request = NFGENMSG.pack(family, 0, 0)
            for _, body in netlink.dump(sock, CTNETLINK | IPCTNL_MSG_CT_GET, request):
                found.update((connection, volume(body)) for connection in answered(body))
    return found


def volume(body: memoryview) -> int | None:
    """Return the bytes of an entry in both directions, None where the kernel does not count them."""
    attrs = dict(netlink.attributes(body, NFGENMSG.size))
    counters = [dict(netlink.attributes(attrs[kind], 0)) for kind in CTA_COUNTERS if kind in attrs]
    return sum(int.from_bytes(held[CTA_COUNTERS_BYTES], "big") for held in counters) if counters else None


def cut(may_go_on: Callable[[str, str, str, int], bool]) -> int:
    """Remove the entries of this thread's namespace that may not go on, and return how many there were.

    `may_go_on` is asked with the protocol, the address that began, and the address and port that it reached after
    translation. The next packet of a connection that was removed begins a new one, so the rules are asked about it.
    """
    removed = 0
    with suppress(OSError), netlink.nl_socket(NETLINK_NETFILTER) as sock:
        for family in (socket.AF_INET, socket.AF_INET6):
            header = NFGENMSG.pack(family, 0, 0)
            for _, body in netlink.dump(sock, CTNETLINK | IPCTNL_MSG_CT_GET, header):
                attrs = dict(netlink.attributes(body, NFGENMSG.size))
                number, source, _ = _source(attrs[CTA_TUPLE_ORIG])
                _, target, port = _source(attrs[CTA_TUPLE_REPLY])
                protocol = PROTOCOLS[number].value if number in PROTOCOLS else str(number)
                if source and target and not may_go_on(protocol, source, target, port):
                    named = netlink.attribute(CTA_TUPLE_ORIG | NLA_F_NESTED, bytes(attrs[CTA_TUPLE_ORIG]))
                    sock.send(
                        netlink.message(CTNETLINK | IPCTNL_MSG_CT_DELETE, header + named, NLM_F_REQUEST | NLM_F_ACK)
                    )
                    removed += not any(netlink.error_of(content) for _, content in netlink.read(sock))
    return removed


def event_socket() -> socket.socket | None:
    """Open a socket that receives the events of this thread's namespace; the caller closes it.

    None on a kernel without connection tracking events.
    """
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, NETLINK_NETFILTER)
    try:
        sock.bind((0, NFNLGRP_CONNTRACK_UPDATE))
    except OSError:
        sock.close()
        return None
    return sock


def received(sock: socket.socket) -> set[Connection]:
    """Return the answered connections of the events that wait in a socket; the kernel drops what does not fit."""
    found: set[Connection] = set()
    with suppress(OSError):  # EAGAIN: no more; ENOBUFS: some were dropped, and the next sample of the table has them
        while True:
            for head, body in netlink.read(sock):
                if head.kind == CTNETLINK | IPCTNL_MSG_CT_NEW:
                    found.update(answered(body))
    return found


def answered(body: memoryview) -> Iterator[Connection]:
    """Yield the connection of an entry, if it was answered and is not local."""
    attrs = dict(netlink.attributes(body, NFGENMSG.size))
    if not {CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_STATUS} <= attrs.keys():
        return
    status = int.from_bytes(attrs[CTA_STATUS], "big")
    (number, source, source_port), (_, target, port) = (
        _source(attrs[kind]) for kind in (CTA_TUPLE_ORIG, CTA_TUPLE_REPLY)
    )
    if number in PROTOCOLS and status & ANSWERED[PROTOCOLS[number]] and source and target:
        found = Connection(PROTOCOLS[number], source, source_port, target, port)
        if not found.is_local:
            yield found


def _source(content: memoryview) -> tuple[int, str, int]:
    """Return the protocol's number, and the source address and port of a tuple; the address may be empty."""
    parts = dict(netlink.attributes(content, 0))
    addresses = dict(netlink.attributes(parts.get(CTA_TUPLE_IP, memoryview(b"")), 0))
    ports = dict(netlink.attributes(parts.get(CTA_TUPLE_PROTO, memoryview(b"")), 0))
    packed = next((bytes(addresses[kind]) for kind in CTA_IP_SRC if kind in addresses), b"")
    number, port = (int.from_bytes(ports.get(kind, b""), "big") for kind in (CTA_PROTO_NUM, CTA_PROTO_SRC_PORT))
    return number, address_text(packed) if packed else "", port
