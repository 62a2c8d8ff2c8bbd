"""Walks from a network's bridge to every device that its packets can reach, in whichever namespace it is.

Input: the devices of all namespaces (`linux.link_graph`) and the root: the bridge of a network, or the parent of a
macvlan network. Output: the devices on the network, and of those where the walk ends the reason why.
Rules: ports belong to their bridge, the two ends of a pair to each other, and a stacked device (vlan, macvlan, ipvlan,
vxlan) to the one below it. The walk does not cross another bridge of the host; it names it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from cloison.linux.link_graph import Device, Node

VRF: Final = "vrf"
"""A master that routes and does not forward frames."""
TAPS: Final = frozenset({"macvtap", "ipvtap"})
SIBLINGS: Final = frozenset({"macvlan", "ipvlan"}) | TAPS
"""Kinds of devices on a parent that share its segment; a vlan on it is another segment."""
BRIDGE: Final = "bridge"
PORT_KINDS: Final = {"": "a network card", "tun": "a tap interface"}
"""Phrases for kinds of ports; a network card has no kind."""


@dataclass(frozen=True)
class NetworkGraph:
    """The devices of all namespaces; `host` is the inode number of the host's."""

    devices: Mapping[Node, Device]
    host: int

    @cached_property
    def _ports(self) -> dict[Node, list[Device]]:
        found = defaultdict(list)
        for device in self.devices.values():
            if device.interface.bridge:
                found[device.namespace, device.interface.bridge].append(device)
        return found

    @cached_property
    def _stacked(self) -> dict[Node, list[Device]]:
        found = defaultdict(list)
        for device in self.devices.values():
            if device.link and not device.is_paired:
                found[device.link].append(device)
        return found

    def root(self, name: str) -> Device | None:
        """Return the device of the host with a name."""
        named = (d for d in self.devices.values() if d.namespace == self.host and d.interface.name == name)
        return next(named, None)

    def members(self, root: Device) -> dict[Node, Device]:
        """Return the devices on the network of `root`, which is the first."""
        found, waiting = {root.node: root}, [root]
        while waiting:
            for device in self._next(waiting.pop(), root):
                if device.node not in found:
                    found[device.node] = device
                    waiting.append(device)
        return found

    def _next(self, device: Device, root: Device) -> Iterator[Device]:
        yield from self._ports.get(device.node, ())
        for stacked in self._stacked.get(device.node, ()):
            if device != root or root.interface.kind == BRIDGE or stacked.interface.kind in SIBLINGS:
                yield stacked
        if device.is_paired and device.link and device.link in self.devices:
            yield self.devices[device.link]
        master = self.master(device)
        if master and device != root and master.namespace != self.host:
            yield master

    def master(self, device: Device) -> Device | None:
        """Return the bridge or bond of which a device is a port, None for none."""
        master = self.devices.get((device.namespace, device.interface.bridge))
        return master if master and master.interface.kind != VRF else None

    def dead_end(self, device: Device, on_network: Collection[Node]) -> str:
        """Return why the network cannot be followed beyond a device on it, as a phrase; empty if it can."""
        kind, master = device.interface.kind, self.master(device)
        if device.is_paired and device.link not in self.devices:
            return "a veth whose other end is in a network namespace that was not found"
        if kind in TAPS:
            return f"a tap interface of the kind {kind}"
        if master is None:
            return ""
        if master.node not in on_network:
            return f"a device that joins it to {master.interface.name}"
        if device.is_paired or device.link in on_network:
            return ""
        return PORT_KINDS.get(kind, f"a port of the kind {kind}")
