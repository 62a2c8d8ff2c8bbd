"""Finds unmanaged addresses and interfaces: the namespaces of a proof have them, and the engine does not know them.

Input: the facts of a session and its probe sockets by namespace. Output: `UnmanagedAddress` values, each with the
vantages from which it may be probed.
Rule: an unmanaged address is probed only where the packet cannot leave this machine: over a veth pair whose other
end holds the address, or over a bridge of the engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from cloison.linux import interfaces, netns
from cloison.model.facts import Container, Facts, Origin, UnmanagedAddress
from cloison.model.flow import HOST, OUTSIDE
from cloison.probe.sockets import ProbeSockets

VantageKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class NamespaceContext:
    """The input of the search. `links` maps the inode of a namespace and an interface index to the interface."""

    facts: Facts
    probe_sockets: Mapping[VantageKey, ProbeSockets]
    links: Mapping[int, Mapping[int, interfaces.Interface]]

    def namespace(self, key: VantageKey) -> int:
        """Return the inode of the namespace of a vantage."""
        return netns.identity(self.probe_sockets[key].descriptor)

    @property
    def host(self) -> int:
        """The inode of the host's namespace."""
        return self.namespace((HOST, ""))

    def containers_in(self, namespace: int) -> list[Container]:
        """Return the containers whose processes are in a namespace."""
        return [
            c
            for c in self.facts.containers
            if ("", c.name) in self.probe_sockets and self.namespace(("", c.name)) == namespace
        ]

    @property
    def bridges(self) -> set[int]:
        """The interface indexes of the engine's bridges on the host."""
        names = {network.link for network in self.facts.networks if network.link}
        return {link.index for link in self.links[self.host].values() if link.name in names}


def find_unmanaged(facts: Facts, probe_sockets: Mapping[VantageKey, ProbeSockets]) -> tuple[UnmanagedAddress, ...]:
    """Return the addresses and interfaces that the engine does not know, each with one container of its namespace."""
    descriptors = {netns.identity(sockets.descriptor): sockets.descriptor for sockets in probe_sockets.values()}
    host = netns.identity(probe_sockets[HOST, ""].descriptor)
    read = {namespace: interfaces.of(descriptor) for namespace, descriptor in descriptors.items() if namespace != host}
    found = [*_unmanaged(NamespaceContext(facts, probe_sockets, read))]
    if any(item.address for item, _ in found):
        # The other end of a veth costs an RTM_GETNSID request for each pair of namespaces, so only these are asked.
        peer_namespaces = [
            descriptors[namespace]
            for namespace in {host, *(namespace for item, (namespace, _) in found if item.address)}
        ]
        read = {namespace: interfaces.of(descriptor, peer_namespaces) for namespace, descriptor in descriptors.items()}
    context = NamespaceContext(facts, probe_sockets, read)
    result = [
        replace(item, reachable_from=_reachable_from(context, at, item.address)) if item.address else item
        for item, at in found
    ]
    return tuple(sorted(result))


def _unmanaged(context: NamespaceContext) -> Iterator[tuple[UnmanagedAddress, tuple[int, int]]]:
    """Yield each unmanaged address, with the inode of its namespace and the index of its interface."""
    for container in _namespace_owners(context):
        namespace = context.namespace(("", container.name))
        known = {
            address
            for c in context.containers_in(namespace)
            for attachment in c.attachments
            for address in attachment.addresses
        }
        for link in context.links[namespace].values():
            for address in link.unmanaged(known):
                yield UnmanagedAddress(container.name, link.name, address), (namespace, link.index)


def _namespace_owners(context: NamespaceContext) -> Iterator[Container]:
    """Yield one container of each namespace but the host's: the one that has network attachments, if any has."""
    seen = {context.host}
    for container in sorted(context.facts.containers, key=lambda c: (not c.attachments, c.name)):
        key = ("", container.name)
        if container.origin is not Origin.ENGINE:
            continue  # its other addresses are not the project's concern
        if key in context.probe_sockets and context.namespace(key) not in seen:
            seen.add(context.namespace(key))
            yield container


def _reachable_from(context: NamespaceContext, at: tuple[int, int], address: str) -> tuple[str, ...]:
    others = [
        (key, sockets)
        for key, sockets in context.probe_sockets.items()
        if key != (OUTSIDE, "") and context.namespace(key) != at[0]
    ]
    interface_indexes = {key: interfaces.on_link_index(sockets.descriptor, address) for key, sockets in others}
    return tuple(
        sorted(
            place or name
            for (place, name), index in interface_indexes.items()
            if _stays_on_machine(context, (place, name), index, at)
        )
    )


def _stays_on_machine(context: NamespaceContext, key: VantageKey, index: int, target: tuple[int, int]) -> bool:
    """Whether a packet from a vantage over its interface `index` reaches the target interface inside this machine."""
    source = context.namespace(key)
    link = context.links[source].get(index)
    if link is None:
        return False
    if link.peer == target:
        return True
    if source == context.host:
        return index in context.bridges
    if link.peer is None or link.peer[0] != context.host:
        return False
    port = context.links[context.host].get(link.peer[1])
    return port is not None and port.bridge in context.bridges
