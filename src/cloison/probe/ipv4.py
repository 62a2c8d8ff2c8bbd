"""Builds complete IPv4 packets for packet sockets (AF_PACKET), which write the IP header themselves.

Input: addresses as text, ports, a payload. Output: bytes in network order, ready for sendto(2).
Rule: the kernel adds nothing to such a packet, so the header checksum is computed here.
Layouts: RFC 791 section 3.1 (IPv4), RFC 768 (UDP), RFC 1071 (the checksum).
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from cloison.probe.packets import checksum, word_sum

VERSION_AND_LENGTH: Final = 0x45
"""Version 4 and IHL 5: a header of five 32-bit words, without options."""
TTL: Final = 64
IPV4_HEADER: Final = struct.Struct("!BBHHHBBH4s4s")
UDP_HEADER: Final = struct.Struct("!HHHH")


def udp_packet(source: str, target: tuple[str, int], payload: bytes) -> bytes:
    """Return a complete IPv4 packet with a UDP datagram from an address to an (address, port), without UDP checksum.

    Its source port is the destination port, as no answer is expected.
    """
    body = UDP_HEADER.pack(target[1], target[1], UDP_HEADER.size + len(payload), 0) + payload
    return ipv4_packet(source, target[0], socket.IPPROTO_UDP, body)


def ipv4_packet(source: str, target: str, protocol: int, body: bytes) -> bytes:
    """Return a complete IPv4 packet between two addresses."""
    ends = socket.inet_aton(source), socket.inet_aton(target)
    fields = (VERSION_AND_LENGTH, 0, IPV4_HEADER.size + len(body), 0, 0, TTL, protocol)
    return IPV4_HEADER.pack(*fields, checksum(word_sum(IPV4_HEADER.pack(*fields, 0, *ends))), *ends) + body
