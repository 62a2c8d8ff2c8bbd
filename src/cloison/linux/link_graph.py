"""Reads the devices of all network namespaces of this machine, and how they are connected across namespaces.

Input: the namespaces. Output: a `Device` for each pair of a namespace (inode number) and an interface index.
Rule: the facts come from RTM_GETLINK and RTM_GETADDR in each namespace, and from RTM_GETNSID, which translates the
numbers by which one namespace knows another (netns IDs); no packet is sent. The kernel assigns a netns ID while it
answers RTM_GETLINK, so the devices of a namespace are read first.

    struct rtgenmsg { unsigned char rtgen_family; };     /* the body of RTM_GETNSID; NETNSA_FD is a descriptor */

Source: rtnetlink(7), linux/net_namespace.h, linux/if_link.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from cloison.linux import interfaces, netlink, netns
from cloison.linux.interfaces import Interface
from cloison.linux.namespaces import Namespace

RTM_GETNSID: Final = 90
NETNSA_NSID, NETNSA_FD = 1, 3
"""Attributes of linux/net_namespace.h."""
RTGENMSG: Final = struct.Struct("=B3x")
NSID: Final = struct.Struct("=i")
Node = tuple[int, int]
"""A device: the inode number of its network namespace, and its interface index there."""
PAIRED: Final = frozenset({"veth", "netkit"})
"""Kinds of devices that come in pairs: IFLA_LINK is the other end. For other kinds it is the device below."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device. `link` is what IFLA_LINK refers to, None without one or if its namespace was not found."""

    namespace: int
    interface: Interface
    link: Node | None

    @property
    def node(self) -> Node:
        """Its namespace and index."""
        return self.namespace, self.interface.index

    @property
    def has_lost_link(self) -> bool:
        """Whether it refers to a device in a namespace that was not found."""
        return bool(self.interface.link) and self.link is None

    @property
    def is_paired(self) -> bool:
        """Whether it is one end of a pair."""
        return self.interface.kind in PAIRED


def read(namespaces: Mapping[int, Namespace], first: int) -> dict[Node, Device]:
    """Return the devices of all namespaces; `first` is the one to which most devices refer, the host's.

    A namespace that does not exist any more has no devices.
    """
    found: dict[Node, Device] = {}
    order = sorted(namespaces, key=lambda inode: (inode != first, inode))
    for inode in order:
        with suppress(OSError), namespaces[inode].opened() as descriptor:
            held = interfaces.of(descriptor)
            wanted = {link.link_nsid for link in held.values() if link.link_nsid is not None}
            others = _resolved(descriptor, wanted, [namespaces[other] for other in order if other != inode])
            for link in held.values():
                found[inode, link.index] = Device(inode, link, _link(inode, link, others))
    return found


def _link(inode: int, link: Interface, others: Mapping[int, int]) -> Node | None:
    if not link.link:
        return None
    namespace = inode if link.link_nsid is None else others.get(link.link_nsid)
    return None if namespace is None else (namespace, link.link)


def _resolved(descriptor: int, wanted: Iterable[int], candidates: Iterable[Namespace]) -> dict[int, int]:
    """Return the inode numbers of the namespaces that a namespace knows by the netns IDs `wanted`."""
    missing, found = {*wanted}, dict[int, int]()
    if not missing:
        return found
    with netns.inside(descriptor), netlink.nl_socket() as nl_socket:
        for candidate in candidates:
            with suppress(OSError), candidate.opened() as other:
                nl_socket.send(
                    netlink.message(
                        RTM_GETNSID, RTGENMSG.pack(0) + netlink.attribute(NETNSA_FD, struct.pack("=I", other))
                    )
                )
                nsid = _nsid(next(content for _, content in netlink.read(nl_socket)))
                if nsid in missing:
                    found[nsid] = candidate.inode
                    missing.discard(nsid)
            if not missing:
                break
    return found


def _nsid(content: memoryview) -> int:
    """Return NETNSA_NSID of an answer, -1 (NETNSA_NSID_NOT_ASSIGNED) for an error."""
    attributes = dict(netlink.attributes(content, RTGENMSG.size))
    return int(NSID.unpack(attributes[NETNSA_NSID])[0]) if NETNSA_NSID in attributes else -1
