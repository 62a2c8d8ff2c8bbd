"""Finds the members of the project's networks that the engine does not know, from the devices of the kernel.

Input: the facts of a session, its probe sockets by namespace, and the devices and namespaces of this machine.
Output: a `Container` for each such member, and the networks that could not be read.
Rules: a namespace with an address of the network is a vantage like a foreign container. Of anything else on the
network (a card, a tunnel, a tap, an interface without an address of it) it is unknown what it reaches, and it is a
member with the name of the device.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from typing import Final

from cloison.compose.project import Project
from cloison.linux import link_graph, namespaces, netns, tap_holders
from cloison.linux.link_graph import Device, Node
from cloison.linux.namespaces import Namespace
from cloison.model.facts import Attachment, Container, Facts, NetworkFacts, Origin
from cloison.model.flow import HOST, ip_version
from cloison.observe.network_graph import BRIDGE, SIBLINGS, TAPS, NetworkGraph
from cloison.probe.sockets import ProbeSockets

VantageKey = tuple[str, str]
TRIES: Final = 2
"""Searches while the other end of a veth is missing."""
PARENT: Final = "parent"
"""The option of a macvlan or ipvlan network that names a device of the host."""
LINK_PREFIX: Final = "br-"
DUMMY_PREFIXES: Final = {"macvlan": "dm-", "ipvlan": "di-"}
"""The prefix of the device that Docker makes as the parent where the option is missing; the network's ID follows:
https://github.com/moby/moby/blob/master/daemon/libnetwork/drivers/macvlan/macvlan_network.go"""
TUN: Final = "tun"
MEMBER: Final = Container("", "", project="", service="", pid=0, started="")


@dataclass(frozen=True, slots=True)
class NetworkMembers:
    """The members that the engine does not know, and what could not be read as (subject, reason) pairs."""

    members: tuple[Container, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()
    namespaces: Mapping[str, Namespace] = field(default_factory=dict, compare=False)
    """The namespaces of the members that can be entered, by the member's name."""
    has_lost_end: bool = field(default=False, compare=False)
    """Whether the other end of a veth was not found; a namespace that was just made may have been missed."""

    def without(self, containers: Iterable[Container]) -> NetworkMembers:
        """Return the members but for the own namespaces of `containers`, which the engine has started meanwhile."""
        own = {f"net:[{inode}]" for inode in _own_namespaces(containers)}
        kept = tuple(member for member in self.members if _namespace_of(member) not in own)
        names = {member.name for member in kept}
        entered = {name: found for name, found in self.namespaces.items() if name in names}
        return replace(self, members=kept, namespaces=entered)


def _own_namespaces(containers: Iterable[Container]) -> Iterator[int]:
    """Yield the inode numbers of the network namespaces of running containers."""
    for container in containers:
        if container.pid:
            with suppress(OSError):  # it has ended
                descriptor = netns.of_container(container.pid, container.identity)
                try:
                    yield netns.identity(descriptor)
                finally:
                    os.close(descriptor)


def _namespace_of(member: Container) -> str:
    """Return the namespace of a member, `net:[INODE]`; the identity of a device has its index after it."""
    return member.identity[: member.identity.index("]") + 1]


def find(facts: Facts, project: Project, probe_sockets: Mapping[VantageKey, ProbeSockets]) -> NetworkMembers:
    """Return the members of the networks of a project that the engine does not know."""
    host = netns.identity(probe_sockets[HOST, ""].descriptor)
    known: dict[int, set[str]] = {}
    for (_, container), sockets in probe_sockets.items():
        known.setdefault(netns.identity(sockets.descriptor), set()).add(container)
    for _ in range(TRIES):
        found = namespaces.find()
        graph = NetworkGraph(link_graph.read(found, host), host)
        members = MemberSearch(facts, project, graph, found, known).search()
        if not members.has_lost_end:
            break
    return members


@dataclass(frozen=True)
class MemberSearch:
    """The search. `known` maps the inode number of a namespace of the proof to the names of its containers."""

    facts: Facts
    project: Project
    graph: NetworkGraph
    namespaces: Mapping[int, Namespace]
    known: Mapping[int, Collection[str]]

    def search(self) -> NetworkMembers:
        """Return the members."""
        unread, held, devices = [], dict[int, list[tuple[Device, Attachment]]](), dict[Device, list[tuple[str, str]]]()
        for network in self._networks():
            root = self.graph.root(_root_name(network))
            if root is None:
                unread.append((f"network {network.name}", f"its interface {_root_name(network)} was not found"))
                continue
            on_network = self.graph.members(root)
            for device, attachment in self._attached(network, on_network):
                held.setdefault(device.namespace, []).append((device, attachment))
            for device, why in self._unknown(network, on_network):
                devices.setdefault(device, []).append((network.name, why))
        names = self._names(held)
        members = [self._namespace(inode, names[inode], found) for inode, found in held.items()]
        members += [self._device(device, found) for device, found in devices.items()]
        entered = {names[inode]: self.namespaces[inode] for inode in held}
        has_lost_end = any(device.has_lost_link for device in devices)
        return NetworkMembers(tuple(sorted(members)), tuple(unread), entered, has_lost_end)

    def _networks(self) -> Iterator[NetworkFacts]:
        """Yield the networks of the file and of its containers that a device of the host carries."""
        running = [c for c in self.facts.containers if c.project == self.project.name and c.pid]
        used = {attachment.network for c in running for attachment in c.attachments}
        for network in self.facts.networks:
            declared = self.project.network_named(network.name) is not None
            if network.name in used or (declared and self.graph.root(_root_name(network))):
                yield from (network,) if _root_name(network) else ()

    def _attached(
        self, network: NetworkFacts, on_network: Mapping[Node, Device]
    ) -> Iterator[tuple[Device, Attachment]]:
        """Yield the attachments of namespaces that the engine does not know, with their devices."""
        for device in on_network.values():
            if self._is_foreign(device.namespace):
                addresses = [address for address in device.interface.addresses if network.contains(address)]
                by_version = ([a for a in addresses if ip_version(a) == version] for version in (4, 6))
                for pair in zip_longest(*by_version, fillvalue=""):
                    yield device, Attachment(network.name, *pair)

    def _unknown(self, network: NetworkFacts, on_network: Mapping[Node, Device]) -> Iterator[tuple[Device, str]]:
        """Yield the devices on a network of which it is unknown what they reach, with the reason."""
        addressed = {device.namespace for device, _ in self._attached(network, on_network)}
        addressed |= {inode for inode in self.known if self._is_attached(inode, network)} | {self.graph.host}
        for device in on_network.values():
            if why := self.graph.dead_end(device, on_network):
                yield device, why + self._holders(device)
            elif device.namespace not in addressed:
                addressed.add(device.namespace)  # one device is enough
                if not self._is_unentered(device.namespace, network):
                    where = self._place(device.namespace)
                    yield device, f"the interface {device.interface.name} of {where}, without an address of the network"

    def _is_foreign(self, inode: int) -> bool:
        """Whether neither the engine nor the proof knows a namespace."""
        return inode not in self.known and self.namespaces[inode].container_id not in self._containers

    def _is_attached(self, inode: int, network: NetworkFacts) -> bool:
        """Whether the engine attaches a container of a known namespace to a network."""
        names = self.known[inode]
        return any(
            attachment.network == network.name
            for c in self.facts.containers
            if c.name in names
            for attachment in c.attachments
        )

    def _is_unentered(self, inode: int, network: NetworkFacts) -> bool:
        """Whether a namespace belongs to a container on a network that could not be entered, which is reported so."""
        container = self._containers.get(self.namespaces[inode].container_id) if inode not in self.known else None
        return container is not None and network.name in {attachment.network for attachment in container.attachments}

    @cached_property
    def _containers(self) -> dict[str, Container]:
        """The containers whose namespace could not be entered, by their ID."""
        entered = {name for names in self.known.values() for name in names}
        return {c.identity: c for c in self.facts.containers if c.name not in entered}

    def _names(self, inodes: Collection[int]) -> dict[int, str]:
        """Return a name for each namespace, with its inode number if a container or another namespace has the name."""
        names = {inode: self.namespaces[inode].name for inode in inodes}
        taken = [*names.values(), *(c.name for c in self.facts.containers)]
        return {inode: name if taken.count(name) == 1 else f"{name}-{inode}" for inode, name in names.items()}

    def _namespace(self, inode: int, name: str, held: Collection[tuple[Device, Attachment]]) -> Container:
        attachments = {attachment for _, attachment in held}
        return replace(
            MEMBER,
            name=name,
            identity=f"net:[{inode}]",
            attachments=tuple(sorted(attachments)),
            origin=Origin.NAMESPACE,
            via=next((via for device, _ in held if (via := self._via(device))), ""),
            description=self.namespaces[inode].description,
        )

    def _device(self, device: Device, found: Collection[tuple[str, str]]) -> Container:
        name = device.interface.name
        return replace(
            MEMBER,
            name=name if device.namespace == self.graph.host else f"{name}@{self._place(device.namespace)}",
            identity=f"net:[{device.namespace}]:{device.interface.index}",
            attachments=tuple(sorted({Attachment(network, "") for network, _ in found})),
            origin=Origin.DEVICE,
            via=self._via(device),
            description=next(why for _, why in found),
        )

    def _via(self, device: Device) -> str:
        """Return the port of the host's bridge through which a device is on a network, empty if it is none."""
        end = self.graph.devices.get(device.link) if device.is_paired and device.link else None
        ports = [port for port in (device, end) if port and port.namespace == self.graph.host and port.interface.bridge]
        return next((port.interface.name for port in ports), "")

    def _place(self, inode: int) -> str:
        """Return the name of the container or the namespace that has a device."""
        return min(self.known.get(inode) or {""}) or self.namespaces[inode].name

    def _holders(self, device: Device) -> str:
        if device.interface.kind not in {TUN, *TAPS}:
            return ""
        found = tap_holders.holders(device.interface.name, device.interface.index)
        return f", held by {', '.join(found)}" if found else ", held by no process"


def _root_name(network: NetworkFacts) -> str:
    """Return the device of the host that carries a network, empty for drivers without one."""
    if network.driver in SIBLINGS:
        own = DUMMY_PREFIXES.get(network.driver, "") + network.link.removeprefix(LINK_PREFIX)
        return dict(network.options).get(PARENT) or own
    return network.link if network.driver == BRIDGE else ""
