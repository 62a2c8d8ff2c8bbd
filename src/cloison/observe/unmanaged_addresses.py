"""Looks for what the namespaces of a proof hold and the engine does not know: addresses, links, and who may ask them.

Rule: an address that nobody told of is asked only where the question cannot leave this machine: over
a link that ends in the very link that holds it, or over a bridge of the engine's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from cloison.linux import interfaces, netns
from cloison.model.facts import HOST, OUTSIDE, Container, Facts, Untold
from cloison.probe.sockets import Post

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Ground:
    """What is looked at: the posts, and the links of every namespace, by its identity and their number."""

    facts: Facts
    posts: Mapping[Key, Post]
    links: Mapping[int, Mapping[int, interfaces.Link]]

    def space(self, key: Key) -> int:
        """Return the identity of the namespace of a post."""
        return netns.identity(self.posts[key].descriptor)

    @property
    def host(self) -> int:
        """The identity of the host's namespace."""
        return self.space((HOST, ""))

    def living(self, space: int) -> list[Container]:
        """Return the containers that live in a namespace."""
        return [c for c in self.facts.containers if ("", c.name) in self.posts and self.space(("", c.name)) == space]

    @property
    def bridges(self) -> set[int]:
        """The numbers of the engine's bridges on the host."""
        names = {network.link for network in self.facts.networks if network.link}
        return {link.number for link in self.links[self.host].values() if link.name in names}


def untold(facts: Facts, posts: Mapping[Key, Post]) -> tuple[Untold, ...]:
    """Return the addresses and links that the engine does not know of, each told of one container of its namespace."""
    descriptors = {netns.identity(post.descriptor): post.descriptor for post in posts.values()}
    host = netns.identity(posts[HOST, ""].descriptor)
    read = {space: interfaces.of(descriptor) for space, descriptor in descriptors.items() if space != host}
    found = [*_found(Ground(facts, posts, read))]
    if any(item.address for item, _ in found):
        # Where links end costs a question for every pair of namespaces, so only those that matter are asked about.
        ends = [descriptors[space] for space in {host, *(space for item, (space, _) in found if item.address)}]
        read = {space: interfaces.of(descriptor, ends) for space, descriptor in descriptors.items()}
    ground = Ground(facts, posts, read)
    told = [replace(item, askers=_askers(ground, at, item.address)) if item.address else item for item, at in found]
    return tuple(sorted(told))


def _found(ground: Ground) -> Iterator[tuple[Untold, tuple[int, int]]]:
    """Yield what nobody told of, with the namespace and the number of the link that holds it."""
    for container in _owners(ground):
        space = ground.space(("", container.name))
        known = {address for c in ground.living(space) for seat in c.attachments for address in seat.addresses}
        for link in ground.links[space].values():
            for address in link.strange(known):
                yield Untold(container.name, link.name, address), (space, link.number)


def _owners(ground: Ground) -> Iterator[Container]:
    """Yield one container of every namespace that is not the host's: the one that has seats, if any has."""
    seen = {ground.host}
    for container in sorted(ground.facts.containers, key=lambda c: (not c.attachments, c.name)):
        key = ("", container.name)
        if key in ground.posts and ground.space(key) not in seen:
            seen.add(ground.space(key))
            yield container


def _askers(ground: Ground, at: tuple[int, int], address: str) -> tuple[str, ...]:
    others = [(key, post) for key, post in ground.posts.items() if key != (OUTSIDE, "") and ground.space(key) != at[0]]
    ways = {key: interfaces.straight(post.descriptor, address) for key, post in others}
    return tuple(
        sorted(place or name for (place, name), number in ways.items() if _stays(ground, (place, name), number, at))
    )


def _stays(ground: Ground, key: Key, number: int, target: tuple[int, int]) -> bool:
    """Whether what a post sends over a link of its own stays on this machine, on its way to the target's link."""
    source = ground.space(key)
    link = ground.links[source].get(number)
    if link is None:
        return False
    if link.end == target:
        return True
    if source == ground.host:
        return number in ground.bridges
    if link.end is None or link.end[0] != ground.host:
        return False
    port = ground.links[ground.host].get(link.end[1])
    return port is not None and port.bridge in ground.bridges
