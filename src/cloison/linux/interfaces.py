"""Reads the network interfaces of a namespace: their addresses, their bridges, and the other ends of veth pairs.

Input: an open namespace descriptor. Output: `Interface` values by interface index (ifindex).
Rule: the facts come from two rtnetlink dumps, RTM_GETLINK and RTM_GETADDR; no packet is sent.
Source: rtnetlink(7), https://man7.org/linux/man-pages/man7/rtnetlink.7.html, and the kernel headers
linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from cloison.linux import netlink as linux_netlink
from cloison.linux import netns, pyroute, route_lookup
from cloison.linux.route_lookup import FAMILIES

IFF_UP: Final = 0x1
IFF_LOOPBACK: Final = 0x8
IFF_LOWER_UP: Final = 0x10000
"""Flags of linux/if.h: the interface is administratively up; it is a loopback interface; it has a carrier, which a
bridge has if one of its ports is up."""
VETH: Final = "veth"
"""The value of IFLA_INFO_KIND for an interface that is one end of a veth pair: veth(4)."""
NETNSA_NSID_NOT_ASSIGNED: Final = 0xFFFFFFFF
"""NETNSA_NSID_NOT_ASSIGNED (-1): no interface of the asking namespace has its peer in the other namespace."""
RTM_GETLINK, RTM_GETADDR = 18, 22
IFINFOMSG: Final = struct.Struct("=4xiI4x")
"""struct ifinfomsg of linux/rtnetlink.h; ifi_index and ifi_flags are read.

    struct ifinfomsg {
        unsigned char  ifi_family;
        unsigned char  __ifi_pad;
        unsigned short ifi_type;     /* ARPHRD_* */
        int            ifi_index;
        unsigned       ifi_flags;    /* IFF_* */
        unsigned       ifi_change;
    };
"""
IFADDRMSG: Final = struct.Struct("=BxBxi")
"""struct ifaddrmsg of linux/if_addr.h; ifa_family, ifa_flags and ifa_index are read.

    struct ifaddrmsg {
        __u8  ifa_family;
        __u8  ifa_prefixlen;
        __u8  ifa_flags;
        __u8  ifa_scope;
        __u32 ifa_index;
    };
"""
IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINK, IFLA_MASTER, IFLA_LINKINFO, IFLA_EXT_MASK, IFLA_LINK_NETNSID = (
    1,
    3,
    5,
    10,
    18,
    29,
    37,
)
"""Attributes of an interface, linux/if_link.h. IFLA_LINK is the ifindex of a veth's peer, IFLA_LINK_NETNSID the
number by which this namespace knows the peer's namespace (absent if it is the same one), IFLA_MASTER the bridge."""
IFLA_INFO_KIND: Final = 1
"""IFLA_INFO_KIND, an attribute inside IFLA_LINKINFO: the driver, such as "veth" or "bridge"."""
IFA_ADDRESS, IFA_LOCAL = 1, 2
"""Attributes of an address, linux/if_addr.h."""
RTEXT_FILTER_SKIP_STATS: Final = 1 << 3
"""RTEXT_FILTER_SKIP_STATS of linux/rtnetlink.h: the dump carries no statistics."""
LINK_DUMP_REQUEST: Final = IFINFOMSG.pack(0, 0) + linux_netlink.attribute(
    IFLA_EXT_MASK, struct.pack("=I", RTEXT_FILTER_SKIP_STATS)
)
"""The body of a request for all interfaces, without their statistics."""


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface. `peer` is the namespace (inode) and the ifindex of a veth's other end, None if unknown."""

    index: int
    name: str
    kind: str
    is_up: bool
    is_loopback: bool
    addresses: tuple[str, ...]
    peer: tuple[int, int] | None
    bridge: int
    """The ifindex of the bridge that it is a port of, 0 for none."""
    mac_address: bytes
    """Its hardware address, empty if it has none."""
    link: int = 0
    """IFLA_LINK: the ifindex of the other end or of the device below, 0 for none."""
    link_nsid: int | None = None
    """IFLA_LINK_NETNSID: the netns ID of the namespace of `link`, None if it is the same namespace."""
    has_carrier: bool = field(default=False, compare=False)
    """IFF_LOWER_UP; it may change at any time, so it makes no interface another one."""

    def unmanaged(self, known: Collection[str]) -> Iterator[str]:
        """Yield its addresses that are not in `known`; yield "" if it is up and has no address at all.

        Loopback and link-local addresses do not count, as the kernel assigns them by itself.
        """
        addresses = [address for address in self.addresses if not ip_address(address).is_loopback]
        addresses = [address for address in addresses if not ip_address(address).is_link_local]
        yield from (address for address in addresses if address not in known)
        if self.is_up and not addresses and not self.is_loopback:
            yield ""


def of(descriptor: int, namespaces: Collection[int] = ()) -> dict[int, Interface]:
    """Return the interfaces of a namespace by their ifindex.

    The peer of a veth is known if it is in the same namespace or in one of `namespaces`, which are descriptors.
    """
    with netns.inside(descriptor):
        peer_namespaces = _peer_namespaces(namespaces) if namespaces else {}
        return {interface.index: interface for interface in _read(peer_namespaces, netns.identity(descriptor))}


def interface_with(address: str, owner: str) -> Interface:
    """Return the interface with an address, in the calling thread's namespace, which belongs to `owner`.

    Raises OSError if no interface has the address.
    """
    for interface in _read({}, 0):
        if address in interface.addresses:
            return interface
    raise OSError(f"{owner} does not have the address {address} any more")


def of_this_namespace() -> list[Interface]:
    """Return the interfaces of the calling thread's namespace; the peers of veth pairs are not looked for."""
    return list(_read({}, 0))


def address_flags() -> list[tuple[str, int, int]]:
    """Return IFA_ADDRESS, the ifindex and the flags (IFA_F_*) of every address in the calling thread's namespace."""
    with linux_netlink.nl_socket() as nl_socket:
        dumped = linux_netlink.dump(nl_socket, RTM_GETADDR, IFADDRMSG.pack(0, 0, 0))
    found: list[tuple[str, int, int]] = []
    for _, body in dumped:
        family, flags, index = IFADDRMSG.unpack_from(body)
        attrs = dict(linux_netlink.attributes(body, IFADDRMSG.size))
        if family in FAMILIES.values() and IFA_ADDRESS in attrs:
            found.append((socket.inet_ntop(family, attrs[IFA_ADDRESS]), index, flags))
    return found


def indexes_by_address() -> dict[str, int]:
    """Return the ifindex for each address in the calling thread's namespace."""
    with linux_netlink.nl_socket() as nl_socket:
        return {address: index for index, addresses in _addresses(nl_socket).items() for address in addresses}


def _read(peer_namespaces: Mapping[int, int], own_namespace: int) -> Iterator[Interface]:
    with linux_netlink.nl_socket() as nl_socket:
        addresses_by_index = _addresses(nl_socket)
        for _, body in linux_netlink.dump(nl_socket, RTM_GETLINK, LINK_DUMP_REQUEST):
            yield _link(body, addresses_by_index, peer_namespaces, own_namespace)


def _peer_namespaces(namespaces: Collection[int]) -> dict[int, int]:
    """Return the inodes of `namespaces` by their netns ID (nsid) in the calling thread's namespace: RTM_GETNSID."""
    with pyroute.iproute() as route:
        known = {route.get_netnsid(fd=netnsid)["nsid"]: netnsid for netnsid in namespaces}
    return {index: netns.identity(netnsid) for index, netnsid in known.items() if index != NETNSA_NSID_NOT_ASSIGNED}


def _addresses(nl_socket: socket.socket) -> dict[int, list[str]]:
    """Return the addresses of this thread's namespace by ifindex."""
    addresses_by_index: dict[int, list[str]] = {}
    for _, body in linux_netlink.dump(nl_socket, RTM_GETADDR, IFADDRMSG.pack(0, 0, 0)):
        family, _, index = IFADDRMSG.unpack_from(body)
        attrs = dict(linux_netlink.attributes(body, IFADDRMSG.size))
        # On a point-to-point interface IFA_LOCAL is the own address and IFA_ADDRESS the peer's.
        if family in FAMILIES.values() and (address := attrs.get(IFA_LOCAL) or attrs.get(IFA_ADDRESS)):
            addresses_by_index.setdefault(index, []).append(socket.inet_ntop(family, address))
    return addresses_by_index


def _link(
    body: memoryview,
    addresses_by_index: Mapping[int, Sequence[str]],
    peer_namespaces: Mapping[int, int],
    own_namespace: int,
) -> Interface:
    index, flags = IFINFOMSG.unpack_from(body)
    attrs = dict(linux_netlink.attributes(body, IFINFOMSG.size))
    link_info = dict(linux_netlink.attributes(attrs[IFLA_LINKINFO], 0)) if IFLA_LINKINFO in attrs else {}
    kind = _text(link_info.get(IFLA_INFO_KIND, b""))
    peer_index, netnsid = (_number(attrs[name]) if name in attrs else None for name in (IFLA_LINK, IFLA_LINK_NETNSID))
    peer_namespace = own_namespace if netnsid is None else peer_namespaces.get(netnsid)
    return Interface(
        index,
        _text(attrs[IFLA_IFNAME]),
        kind,
        bool(flags & IFF_UP),
        bool(flags & IFF_LOOPBACK),
        tuple(addresses_by_index.get(index, ())),
        (peer_namespace, peer_index)
        if kind == VETH and peer_namespace is not None and peer_index is not None
        else None,
        _number(attrs[IFLA_MASTER]) if IFLA_MASTER in attrs else 0,
        bytes(attrs.get(IFLA_ADDRESS, b"")),
        # An interface without a device below may give its own index, or 0.
        0 if peer_index is None or (peer_index == index and netnsid is None) else peer_index,
        netnsid,
        bool(flags & IFF_LOWER_UP),
    )


def _text(content: bytes | memoryview) -> str:
    return bytes(content).rstrip(b"\0").decode(errors="surrogateescape")


def _number(content: memoryview) -> int:
    return int.from_bytes(content, sys.byteorder)


def on_link_index(descriptor: int, address: str) -> int:
    """Return the ifindex over which a namespace sends to an address without a gateway, 0 if it uses a gateway."""
    with netns.inside(descriptor):
        (route,) = route_lookup.look_up([(address, 0)])
    return 0 if isinstance(route, OSError) or route.has_gateway else route.interface
