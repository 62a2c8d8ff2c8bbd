"""Tells the neighbours of an interface which hardware address its IP addresses have now: ARP and neighbour discovery.

Input: an interface of the calling thread's network namespace. Output: one frame for each address, to everybody.
Why: an engine announces a container when it starts, while its port is still closed. Whoever knew the address before
would send to the former hardware address until the next announcement, up to a second later.
Layouts: RFC 826 and RFC 5227 section 3 (an ARP announcement), RFC 4861 section 4.4 (an unsolicited advertisement).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from cloison.linux.interfaces import Interface

ETH_P_ARP: Final = 0x0806
"""ETH_P_ARP of linux/if_ether.h."""
BROADCAST: Final = b"\xff" * 6
FRAME: Final = struct.Struct("!6s6sHHHBBH6s4s6s4s")
"""Destination, source, EtherType; then hardware and protocol type, their lengths, operation, and both pairs."""
ETHERNET, IPV4, REQUEST = 1, 0x0800, 1
ADVERTISEMENT: Final = struct.Struct("!BBHI16sBB6s")
"""Type, code, checksum, flags, the address; then the option: its type, its length in 8 bytes, the hardware address."""
NEIGHBOR_ADVERTISEMENT, OVERRIDE, TARGET_LINK_LAYER_ADDRESS = 136, 0x20000000, 2
ALL_NODES: Final = "ff02::1"
UNROUTED: Final = 255
"""A receiver ignores an advertisement with another one: RFC 4861 section 7.1.2."""


def send_announcements(interface: Interface, addresses: Iterable[str]) -> None:
    """Send an announcement for each address that the interface has.

    Raises OSError if the interface or an address is gone.
    """
    for address in map(ip_address, addresses):
        if isinstance(address, IPv4Address):
            _by_arp(interface, address)
        else:
            _by_advertisement(interface, address)


def arp_frame(mac_address: bytes, address: IPv4Address) -> bytes:
    """Return an ARP announcement: a request for the own address."""
    head = (BROADCAST, mac_address, ETH_P_ARP, ETHERNET, IPV4, len(mac_address), len(address.packed), REQUEST)
    return FRAME.pack(*head, mac_address, address.packed, bytes(6), address.packed)


def advertisement(mac_address: bytes, address: IPv6Address) -> bytes:
    """Return an unsolicited neighbour advertisement; the kernel writes the checksum."""
    head = (NEIGHBOR_ADVERTISEMENT, 0, 0, OVERRIDE, address.packed)
    return ADVERTISEMENT.pack(*head, TARGET_LINK_LAYER_ADDRESS, 1, mac_address)


def _by_arp(interface: Interface, address: IPv4Address) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((interface.name, ETH_P_ARP))
        sender.send(arp_frame(interface.mac_address, address))


def _by_advertisement(interface: Interface, address: IPv6Address) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sender:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, UNROUTED)
        sender.bind((str(address), 0, 0, interface.index))
        sender.sendto(advertisement(interface.mac_address, address), (ALL_NODES, 0, 0, interface.index))
