"""Writes probes into the slots of a volley: where to, from where, and what."""

from __future__ import annotations

import struct
from typing import Final, cast

from cloison.linux import mmsg
from cloison.model.facts import Protocol
from cloison.probe import packets
from cloison.probe.probe import Shot
from cloison.probe.sockets import Way

PORT: Final = struct.Struct("!H")
PORT_AT: Final = 2
"""Where an address of either version of IP has its port."""
KINDS: Final = {
    (version, protocol): (target, control, packet_size)
    for version, target, control in (
        (4, 16, len(mmsg.pinned(0, 0, bytes(12)))),
        (6, 28, len(mmsg.pinned(0, 0, bytes(20)))),
    )
    for protocol, packet_size in (
        (Protocol.TCP, packets.LENGTH),
        (Protocol.UDP, packets.PAYLOAD.size),
        (Protocol.ICMP, 16),
    )
}
"""What a volley of probes of a version of IP and a protocol has room for: an address, its ancillary data, a packet."""


def _write_syn(room: bytearray, at: int, shot: Shot, number: int, token: int) -> None:
    # The checksum covers the source address, so the kernel must use the one it named before.
    way = _write_head(room, at, shot)
    content = packets.syn((shot.post.port, shot.port), number, token, way.pseudo)
    room[at + mmsg.CONTENT_AT : at + mmsg.CONTENT_AT + len(content)] = content


def _write_datagram(room: bytearray, at: int, shot: Shot, number: int, token: int) -> None:
    _write_head(room, at, shot)
    PORT.pack_into(room, at + PORT_AT, shot.port)
    packets.PAYLOAD.pack_into(room, at + mmsg.CONTENT_AT, token, number)


def _write_echo(room: bytearray, at: int, shot: Shot, number: int, token: int) -> None:
    content = packets.echo(_write_head(room, at, shot).version, number, token)
    room[at + mmsg.CONTENT_AT : at + mmsg.CONTENT_AT + len(content)] = content


def _write_head(room: bytearray, at: int, shot: Shot) -> Way:
    way = cast("Way", shot.post.ways[shot.address, shot.at])  # without one it is not sent
    room[at : at + len(way.head)] = way.head
    return way


WRITERS: Final = {Protocol.TCP: _write_syn, Protocol.UDP: _write_datagram, Protocol.ICMP: _write_echo}
