"""Finds programs that see packets before or after every rule of the packet filter: XDP, tcx, netkit, and tc filters.

Input: the calling thread's network namespace. Output: sentences' parts, by the name of the interface.
Rule: that a program is attached is read, not what it does. A kernel that does not know a kind has no such program.

    struct tcmsg {
        unsigned char tcm_family, tcm__pad1;
        unsigned short tcm__pad2;
        int tcm_ifindex;
        __u32 tcm_handle, tcm_parent, tcm_info;
    };

Source: linux/rtnetlink.h, linux/if_link.h, linux/pkt_sched.h, linux/bpf.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from cloison.linux import bpf, netlink

RTM_GETLINK, RTM_GETTFILTER = 18, 46
IFINFOMSG: Final = struct.Struct("=4xiI4x")
"""struct ifinfomsg, of which ifi_index and ifi_flags are read."""
TCMSG: Final = struct.Struct("=4xi4xI4x")
"""struct tcmsg, of which tcm_ifindex and tcm_parent are set."""
IFLA_IFNAME, IFLA_MASTER, IFLA_XDP = 3, 10, 43
IFLA_XDP_ATTACHED: Final = 2
IFF_LOOPBACK: Final = 0x8
FILTER_PARENTS: Final = (0, 0xFFFFFFF2, 0xFFFFFFF3)
"""The root qdisc, and TC_H_MIN_INGRESS and TC_H_MIN_EGRESS of the qdisc clsact."""
ATTACH_TYPES: Final = {46: "tcx", 47: "tcx", 54: "netkit", 55: "netkit"}
"""BPF_TCX_INGRESS, BPF_TCX_EGRESS, BPF_NETKIT_PRIMARY, BPF_NETKIT_PEER."""


class Link(NamedTuple):
    """An interface: its index `number`, and the index of its bridge, 0 for none."""

    number: int
    name: str
    bridge: int
    is_loopback: bool
    has_xdp: bool


def of_interfaces() -> dict[str, list[str]]:
    """Return the kinds of programs on each interface but loopback. Raises OSError when the kernel refuses."""
    return _with_programs(links())


def of_bridges(names: Collection[str]) -> dict[str, list[str]]:
    """Return the kinds of programs on bridges and on their ports. Raises OSError when the kernel refuses."""
    found = links()
    bridges = {link.number for link in found if link.name in names}
    return _with_programs([link for link in found if link.number in bridges or link.bridge in bridges])


def _with_programs(found: Collection[Link]) -> dict[str, list[str]]:
    with netlink.nl_socket() as sock:
        kinds = {link.name: [*dict.fromkeys(_kinds(sock, link))] for link in found if not link.is_loopback}
    return {name: kind for name, kind in kinds.items() if kind}


def links() -> list[Link]:
    """Return the interfaces of the calling thread's network namespace."""
    with netlink.nl_socket() as sock:
        return [decode_link(content) for _, content in netlink.dump(sock, RTM_GETLINK, IFINFOMSG.pack(0, 0))]


def decode_link(content: memoryview) -> Link:
    """Return the interface of an RTM_NEWLINK message."""
    index, flags = IFINFOMSG.unpack_from(content)
    found = dict(netlink.attributes(content, IFINFOMSG.size))
    name = bytes(found[IFLA_IFNAME]).rstrip(b"\0").decode(errors="replace")
    (bridge,) = struct.unpack("=I", found[IFLA_MASTER]) if IFLA_MASTER in found else (0,)
    xdp = dict(netlink.attributes(found[IFLA_XDP], 0)) if IFLA_XDP in found else {}
    return Link(index, name, bridge, bool(flags & IFF_LOOPBACK), any(bytes(xdp.get(IFLA_XDP_ATTACHED, b""))))


def _kinds(sock: socket.socket, link: Link) -> Iterator[str]:
    if link.has_xdp:
        yield "XDP"
    if _has_filters(sock, link.number):
        yield "tc"
    for attach_type, kind in ATTACH_TYPES.items():
        with suppress(OSError):  # this kernel, or this kind of interface, has no such programs
            if bpf.attached_programs(link.number, attach_type):
                yield kind


def _has_filters(sock: socket.socket, index: int) -> bool:
    for parent in FILTER_PARENTS:
        with suppress(OSError):  # the interface has no such qdisc
            if netlink.dump(sock, RTM_GETTFILTER, TCMSG.pack(index, parent)):
                return True
    return False
