"""The proposed segmentation: the smallest set of networks that a policy needs, as a change of the Compose file.

Input: a `Project` and its `Requirements`. Output: a `Proposal`, and the project with it applied.
Rule: a network that remains keeps its key and most of its members, so that its name stays true. There is no proposal
when the networks of the file are already as few and connect exactly the required pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from cloison.compose.project import Network, Project
from cloison.plan.clique_cover import Clique, Pair, clique_cover
from cloison.plan.requirements import Requirements

MAX_KEY_LENGTH: Final = 40
"""The longest key of a proposed network, in characters; a longer one is shortened."""


@dataclass(frozen=True, slots=True, order=True)
class ProposedNetwork:
    """A network of the proposal, with its key in the file."""

    key: str
    internal: bool
    members: tuple[str, ...]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """The proposed networks; `exact` means that no smaller set exists."""

    networks: tuple[ProposedNetwork, ...]
    changed: Mapping[str, tuple[str, ...]]
    """Maps each service that changes to the keys of all its networks; none means `network_mode: none`."""
    dropped: tuple[str, ...]
    internal_changed: tuple[str, ...]
    """The networks that remain and change their `internal`."""
    exact: bool


def propose(project: Project, needed: Requirements) -> Proposal | None:
    """Return the smallest set of networks, None when the file already has it."""
    found = clique_cover(needed.pairs, needed.egress)
    project_networks = {key: network for key, network in project.networks.items() if key not in needed.fixed}
    current = {key: _members(project, network, needed.attachable) for key, network in project_networks.items()}
    if _suffices(project, needed, current) and _count_used(project_networks, current) <= len(found.cliques):
        return None
    placed = {name for clique in found.cliques for name in clique.members}
    alone = (Clique((name,), egress=False) for name in sorted(needed.needing_network - placed))
    networks = tuple(sorted(_named_cliques([*found.cliques, *alone], project_networks, current)))
    attached_networks = {
        name: _proposed_networks_of(project, name, networks, needed.fixed) for name in needed.attachable
    }
    held = {name: tuple(sorted(_keys(project, name))) for name in needed.attachable}
    return Proposal(
        networks,
        changed={name: keys for name, keys in attached_networks.items() if keys != held[name]},
        dropped=tuple(sorted(_unused(project, needed, networks))),
        internal_changed=tuple(
            n.key for n in networks if not n.is_new and n.internal != project_networks[n.key].internal
        ),
        exact=found.exact,
    )


def _unused(project: Project, needed: Requirements, networks: Iterable[ProposedNetwork]) -> Iterator[str]:
    """Yield the networks of the project that the proposal leaves without a service, also without a stopped one."""
    kept = {network.key for network in networks}
    others = [body for name, body in project.services.items() if name not in needed.attachable]
    for key, network in project.networks.items():
        used = any(network.name in body.networks for body in others)
        if key not in (*needed.fixed, *kept) and not used:
            yield key


def _members(project: Project, network: Network, attachable: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in attachable if network.name in project.services[name].networks)


def _keys(project: Project, service: str) -> Iterator[str]:
    held = project.services[service].networks
    return (key for key, network in project.networks.items() if network.name in held)


def _proposed_networks_of(
    project: Project, service: str, networks: Iterable[ProposedNetwork], fixed: frozenset[str]
) -> tuple[str, ...]:
    kept = (key for key in _keys(project, service) if key in fixed)
    return tuple(sorted((*kept, *(network.key for network in networks if service in network.members))))


def _count_used(project_networks: Mapping[str, Network], current: Mapping[str, tuple[str, ...]]) -> int:
    """Count the networks that connect something; an internal network with one member connects nothing."""
    return sum(
        len(members) > 1 or bool(members and not project_networks[key].internal) for key, members in current.items()
    )


def _suffices(project: Project, needed: Requirements, current: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether the present networks connect exactly the required pairs and give egress to exactly the right services."""
    connected_pairs: set[Pair] = {frozenset(pair) for members in current.values() for pair in combinations(members, 2)}
    out = {name for key, members in current.items() if not project.networks[key].internal for name in members}
    return connected_pairs == needed.pairs and out == needed.egress


def _named_cliques(
    cliques: Iterable[Clique], project_networks: Mapping[str, Network], current: Mapping[str, tuple[str, ...]]
) -> Iterator[ProposedNetwork]:
    """Yield a network for each clique, with the key of the present network most similar to it, or a new key."""
    left, attachable = list(cliques), dict(current)
    ranked = sorted(
        (_dissimilarity(clique, members, project_networks[key]), key, clique)
        for clique in left
        for key, members in current.items()
    )
    for dissimilarity, key, clique in ranked:
        if dissimilarity[0] < 1 and key in attachable and clique in left:
            left.remove(clique)
            del attachable[key]
            yield ProposedNetwork(key, not clique.egress, clique.members, is_new=False)
    taken = set(current)
    for clique in left:
        key = _new_key(clique, taken)
        taken.add(key)
        yield ProposedNetwork(key, not clique.egress, clique.members, is_new=True)


def _dissimilarity(clique: Clique, members: tuple[str, ...], network: Network) -> tuple[float, bool]:
    """Return how a clique differs from a network: the Jaccard distance of the members (0 to 1), then its egress.

    The members decide first, because they are what a name such as `db_net` means; `internal` is a property.
    """
    both, either = {*clique.members} & {*members}, {*clique.members} | {*members}
    return 1 - len(both) / len(either), network.internal is clique.egress


def _new_key(clique: Clique, taken: Iterable[str]) -> str:
    name = "-".join(clique.members)
    if len(name) > MAX_KEY_LENGTH:
        name = f"{clique.members[0][:MAX_KEY_LENGTH]}-and-{len(clique.members) - 1}-more"
    name += "-outside" if clique.egress else ""
    names = (name, *(f"{name}-{number}" for number in range(2, len(set(taken)) + 3)))
    return next(attachable for attachable in names if attachable not in taken)


def with_proposal(project: Project, proposal: Proposal) -> Project:
    """Return the project with the proposal applied."""
    others = {k: n for k, n in project.networks.items() if k not in proposal.dropped}
    new = {n.key: _network(project, n) for n in proposal.networks}
    networks = {**others, **new}
    services = {
        name: replace(
            body,
            networks=tuple(sorted(networks[key].name for key in proposal.changed[name])),
            network_mode="" if proposal.changed[name] else "none",
        )
        if name in proposal.changed
        else body
        for name, body in project.services.items()
    }
    return replace(project, services=services, networks=networks)


def _network(project: Project, needed: ProposedNetwork) -> Network:
    known = None if needed.is_new else project.networks.get(needed.key)
    network = known or Network(needed.key, f"{project.name}_{needed.key}")
    return replace(network, internal=needed.internal)
