"""The networks that a policy needs, written as a change of the Compose file.

Rule: a network that stays keeps its name in the file, so that the change is small. Nothing is proposed
where the file's own networks are as few and as narrow already.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from cloison.compose.project import Network, Project
from cloison.plan.clique_cover import Group, Pair, partition
from cloison.plan.requirements import Needs, is_ours

LONGEST: Final = 40
"""A name that is made of more letters than this is shortened."""
PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
OBEYED: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Words that YAML does not take for a text."""


@dataclass(frozen=True, slots=True, order=True)
class ProposedNetwork:
    """A network of the proposal, under its key in the file."""

    key: str
    internal: bool
    members: tuple[str, ...]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """The smallest set of networks; `exact` says that there is no smaller one."""

    networks: tuple[ProposedNetwork, ...]
    changed: Mapping[str, tuple[str, ...]]
    """Service to the keys of all its networks, where they change; none at all is `network_mode: none`."""
    dropped: tuple[str, ...]
    flipped: tuple[str, ...]
    """Networks that stay and change whether they are internal."""
    exact: bool


def propose(project: Project, wanted: Needs) -> Proposal | None:
    """Return the smallest set of networks, None where the file has it already."""
    found = partition(wanted.pairs, wanted.outward)
    ours = {key: network for key, network in project.networks.items() if is_ours(network)}
    current = {key: _members(project, network, wanted.free) for key, network in ours.items()}
    if _suffices(project, wanted, current) and _used(ours, current) <= len(found.groups):
        return None
    placed = {name for group in found.groups for name in group.members}
    alone = (Group((name,), outward=False) for name in sorted(wanted.seated - placed))
    networks = tuple(sorted(_named([*found.groups, *alone], ours, current)))
    seats = {name: _seats(project, name, networks) for name in wanted.free}
    held = {name: tuple(sorted(_keys(project, name))) for name in wanted.free}
    return Proposal(
        networks,
        changed={name: keys for name, keys in seats.items() if keys != held[name]},
        dropped=tuple(sorted(key for key, members in current.items() if members and not _stays(key, networks))),
        flipped=tuple(n.key for n in networks if not n.is_new and n.internal != ours[n.key].internal),
        exact=found.exact,
    )


def _stays(key: str, networks: Iterable[ProposedNetwork]) -> bool:
    return any(network.key == key for network in networks)


def _members(project: Project, network: Network, free: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in free if network.name in project.services[name].networks)


def _keys(project: Project, service: str) -> Iterator[str]:
    held = project.services[service].networks
    return (key for key, network in project.networks.items() if network.name in held)


def _seats(project: Project, service: str, networks: Iterable[ProposedNetwork]) -> tuple[str, ...]:
    kept = (key for key in _keys(project, service) if not is_ours(project.networks[key]))
    return tuple(sorted((*kept, *(network.key for network in networks if service in network.members))))


def _used(ours: Mapping[str, Network], current: Mapping[str, tuple[str, ...]]) -> int:
    """Count the networks that carry something; an internal one with a single member carries nothing."""
    return sum(len(members) > 1 or bool(members and not ours[key].internal) for key, members in current.items())


def _suffices(project: Project, wanted: Needs, current: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether the networks that are there carry what is needed and nothing else."""
    met: set[Pair] = {frozenset(pair) for members in current.values() for pair in combinations(members, 2)}
    out = {name for key, members in current.items() if not project.networks[key].internal for name in members}
    return met == wanted.pairs and out == wanted.outward


def _named(
    groups: Iterable[Group], ours: Mapping[str, Network], current: Mapping[str, tuple[str, ...]]
) -> Iterator[ProposedNetwork]:
    """Give every group the name of the network that it resembles most, or one of its own."""
    left, free = list(groups), dict(current)
    ranked = sorted(
        (_unlike(group, members, ours[key]), key, group) for group in left for key, members in current.items()
    )
    for unlike, key, group in ranked:
        if unlike[1] < 1 and key in free and group in left:
            left.remove(group)
            del free[key]
            yield ProposedNetwork(key, not group.outward, group.members, is_new=False)
    taken = set(current)
    for group in left:
        key = _new_key(group, taken)
        taken.add(key)
        yield ProposedNetwork(key, not group.outward, group.members, is_new=True)


def _unlike(group: Group, members: tuple[str, ...], network: Network) -> tuple[bool, float]:
    """Measure how little a group has of a network: whether it leads out, then its members (0 all of them, 1 none)."""
    both, either = {*group.members} & {*members}, {*group.members} | {*members}
    return network.internal is group.outward, 1 - len(both) / len(either)


def _new_key(group: Group, taken: Iterable[str]) -> str:
    name = "-".join(group.members)
    if len(name) > LONGEST:
        name = f"{group.members[0][:LONGEST]}-and-{len(group.members) - 1}-more"
    name += "-outside" if group.outward else ""
    names = (name, *(f"{name}-{number}" for number in range(2, len(set(taken)) + 3)))
    return next(free for free in names if free not in taken)


def redrawn(project: Project, proposal: Proposal) -> Project:
    """Return the project as it is when the proposal is followed."""
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


def _network(project: Project, wanted: ProposedNetwork) -> Network:
    known = None if wanted.is_new else project.networks.get(wanted.key)
    drawn = known or Network(wanted.key, f"{project.name}_{wanted.key}")
    return replace(drawn, internal=wanted.internal)


def block(proposal: Proposal) -> str:
    """Return the change as YAML: what these keys of the file become."""
    touched = [n for n in proposal.networks if n.is_new or n.key in proposal.flipped]
    lines = ["services:"] if proposal.changed else []
    for name, keys in sorted(proposal.changed.items()):
        lines.append(f"  {_quoted(name)}:")
        lines.append(f"    networks: [{', '.join(map(_quoted, keys))}]" if keys else "    network_mode: none")
    lines += ["networks:"] if touched or proposal.dropped else []
    for network in touched:
        lines.append(f"  {_quoted(network.key)}:")
        lines.append(f"    internal: {'true' if network.internal else 'false'}")
    lines += [f"  # {key} is not needed any more" for key in proposal.dropped]
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    return name if PLAIN.fullmatch(name) and name.lower() not in OBEYED else json.dumps(name)
