"""Encodes probes into the slots of a send batch: destination, source address, packet.

Input: a probe, its 32-bit number, and the token of the run. Output: bytes in a slot of `linux.mmsg.SendBatch`.
Rule: the source address is fixed by IP_PKTINFO or IPV6_PKTINFO, because the checksum of a SYN covers it.
"""

from __future__ import annotations

import struct
from typing import Final, cast

from cloison.linux import mmsg
from cloison.model.flow import Protocol
from cloison.probe import packets
from cloison.probe.probe import Probe
from cloison.probe.sockets import SourceRoute

PORT: Final = struct.Struct("!H")
PORT_OFFSET: Final = 2
"""offsetof(struct sockaddr_in, sin_port), and of sin6_port in struct sockaddr_in6: ip(7), ipv6(7)."""
LAYOUTS: Final = {
    (version, protocol): (target, control, packet_size)
    for version, target, control in (
        (4, 16, len(mmsg.control_message(0, 0, bytes(12)))),
        (6, 28, len(mmsg.control_message(0, 0, bytes(20)))),
    )
    for protocol, packet_size in (
        (Protocol.TCP, packets.SYN_SIZE),
        (Protocol.UDP, packets.PAYLOAD.size),
        (Protocol.ICMP, 16),
    )
}
"""Bytes of address, ancillary data and packet in a slot, by IP version and protocol."""


def _encode_syn(buffer: bytearray, at: int, probe: Probe, probe_id: int, token: int) -> None:
    # The checksum covers the source address, so the kernel must use the address of the route lookup.
    route = _encode_address(buffer, at, probe)
    content = packets.syn((probe.sockets.port, probe.port), probe_id, token, route.pseudo_sum)
    buffer[at + mmsg.PACKET_OFFSET : at + mmsg.PACKET_OFFSET + len(content)] = content


def _encode_datagram(buffer: bytearray, at: int, probe: Probe, probe_id: int, token: int) -> None:
    _encode_address(buffer, at, probe)
    PORT.pack_into(buffer, at + PORT_OFFSET, probe.port)
    packets.PAYLOAD.pack_into(buffer, at + mmsg.PACKET_OFFSET, token, probe_id)


def _encode_echo(buffer: bytearray, at: int, probe: Probe, probe_id: int, token: int) -> None:
    content = packets.echo_request(_encode_address(buffer, at, probe).version, probe_id, token)
    buffer[at + mmsg.PACKET_OFFSET : at + mmsg.PACKET_OFFSET + len(content)] = content


def _encode_address(buffer: bytearray, at: int, probe: Probe) -> SourceRoute:
    route = cast("SourceRoute", probe.sockets.routes[probe.address, probe.local_address])  # never an OSError here
    buffer[at : at + len(route.address_block)] = route.address_block
    return route


ENCODERS: Final = {Protocol.TCP: _encode_syn, Protocol.UDP: _encode_datagram, Protocol.ICMP: _encode_echo}
