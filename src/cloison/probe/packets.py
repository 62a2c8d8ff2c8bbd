"""Builds the packets of probes in network byte order: a TCP SYN, a UDP payload, an ICMP echo request.

Input: addresses, ports, the 32-bit number of the probe, and the token of the run. Output: bytes for a raw socket
(TCP, ICMP) or for a UDP socket, which adds its own header.
Rule: number and token are in fields that no address translation changes, so a probe is recognised in its answer and in
the namespace where it arrives. A SYN has the number as its sequence number and 16 bits of the token as its window; a
datagram and an echo request have token and number, 4 bytes each, as their payload.
Layouts: RFC 9293 section 3.1 (TCP), RFC 792 and RFC 4443 (ICMP), RFC 8200 section 8.1 (checksum over IPv6).
"""

from __future__ import annotations

import struct
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

SYN: Final = 0x02
RST: Final = 0x04
ACK: Final = 0x10
IPPROTO_ICMP: Final = 1
IPPROTO_TCP: Final = 6
IPPROTO_UDP: Final = 17
IPPROTO_ICMPV6: Final = 58
DATA_OFFSET: Final = 6 << 4  # six 32-bit words: the header and one option
MSS: Final = b"\x02\x04\x05\xb4"  # kind 2, length 4, 1460 bytes; some firewalls drop a SYN without this option
TCP_HEADER: Final = struct.Struct("!HHIIBBHHH")
"""Source port, destination port, sequence number, acknowledgment number, data offset, flags, window, checksum,
urgent pointer: the fields of struct tcphdr in linux/tcp.h."""
SYN_SIZE: Final = TCP_HEADER.size + len(MSS)
CACHE_SIZE: Final = 1 << 14
"""Addresses whose sums are cached: each is probed from many vantages."""
PAYLOAD: Final = struct.Struct("!II")
"""The token and the number of a probe."""
ECHO_REQUEST: Final = {4: 8, 6: 128}
"""ICMP type, by the version of IP."""


def pseudo_sum(source: str, target: str) -> int:
    """Return the sum of the words of the pseudo-header of a SYN: two addresses, protocol, length (RFC 9293)."""
    return _address_sum(source) + _address_sum(target) + IPPROTO_TCP + SYN_SIZE


@lru_cache(CACHE_SIZE)
def _address_sum(address: str) -> int:
    return word_sum(ip_address(address).packed)


def word_sum(data: bytes) -> int:
    """Return the sum of the 16-bit words of data, folded to at most 16 bits."""
    # 65536 is one more than a multiple of 65535, so a number and the sum of its words fold into the same checksum.
    return int.from_bytes(data, "big") % 0xFFFF


FIXED_SUM: Final = word_sum(MSS) + (DATA_OFFSET << 8 | SYN)


def syn(ports: tuple[int, int], sequence: int, token: int, pseudo: int) -> bytes:
    """Return the TCP segment of a probe between two ports; `pseudo` is the `pseudo_sum` of its addresses."""
    source, target = ports
    window = token & 0xFFFF
    total = pseudo + FIXED_SUM + source + target + (sequence >> 16) + (sequence & 0xFFFF) + window
    return TCP_HEADER.pack(source, target, sequence, 0, DATA_OFFSET, SYN, window, checksum(total), 0) + MSS


def payload(probe_id: int, token: int) -> bytes:
    """Return the payload of a UDP datagram."""
    return PAYLOAD.pack(token, probe_id)


def echo_request(version: int, probe_id: int, token: int) -> bytes:
    """Return an echo request. Over IPv6 the kernel writes the checksum itself (RFC 3542 section 3.1)."""
    body = payload(probe_id, token)
    head = ECHO_REQUEST[version] << 8
    total = word_sum(body) + head
    return struct.pack("!HHHH", head, checksum(total) if version == 4 else 0, 0, 0) + body  # noqa: PLR2004  # of IP


def checksum(total: int) -> int:
    """Return the Internet checksum of a sum of 16-bit words (RFC 1071)."""
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
