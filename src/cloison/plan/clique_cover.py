"""The smallest set of networks on which nobody meets whom it does not need.

Services are nodes, and an edge is a pair that needs each other. Whoever shares a network reaches all
of its members, so a network must be a clique: every two of its members need each other. Some services
need the outside as well; a network with a way out must have such members only, or it would give the
others a way out that they do not need. What is wanted is the fewest cliques that hold every edge, and
every service that needs the outside in one with a way out.

Rule: the answer is exact as long as the search ends within its budget, which it does for the graphs
that Compose files have; beyond it, it is what a greedy choice finds, and says so. Clique edge cover is
NP-hard (Orlin 1977); the set cover below is solved by branch and bound over maximal cliques
(Bron, Kerbosch 1973). Same graph, same answer: nothing depends on an order that is not sorted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

Pair = frozenset[str]
"""Two services that need each other; or one alone, that needs the outside."""
BUDGET: Final = 200_000
"""Networks that the search may look at; some tenths of a second."""


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """The members of one network."""

    members: tuple[str, ...]
    outward: bool
    """Whether it has a way out: all of its members need one."""


@dataclass(frozen=True, slots=True)
class Partition:
    """The groups, and whether there cannot be fewer."""

    groups: tuple[Group, ...]
    exact: bool


@dataclass(slots=True)
class _Budget:
    left: int

    def spend(self, steps: int = 1) -> bool:
        """Take some steps, and return whether they were left."""
        self.left -= steps
        return self.left >= 0


@dataclass(frozen=True, slots=True)
class _Choice:
    """A network that may be chosen, and the pairs that it holds, one bit each."""

    group: Group
    held: int


@dataclass(slots=True)
class _Search:
    """The best cover so far."""

    budget: _Budget
    best: tuple[Group, ...]

    def descend(self, chosen: tuple[Group, ...], choices: Sequence[_Choice], missing: int) -> None:
        """Cover what is missing in every way that may be better than the best."""
        if not missing:
            self.best = min(self.best, chosen, key=_cost)
            return
        if not self.budget.spend(len(choices)):
            return
        useful = [choice for choice in choices if choice.held & missing]
        widest = max((choice.held & missing).bit_count() for choice in useful)
        if len(chosen) + -(-missing.bit_count() // widest) > len(self.best):
            return
        hardest = missing & -missing  # the pair with the fewest choices has the lowest bit
        for choice in useful:
            if choice.held & hardest:
                self.descend((*chosen, choice.group), useful, missing & ~choice.held)


def partition(pairs: Iterable[Pair], outward: Collection[str], budget: int = BUDGET) -> Partition:
    """Return the fewest groups that hold every pair, with each service of `outward` in one that has a way out."""
    edges = frozenset(pair for pair in pairs if len(pair) == 2)  # noqa: PLR2004  # a pair
    wanted = edges | {frozenset({name}) for name in outward}
    purse = _Budget(budget)
    groups = _groups(edges, frozenset(outward), purse)
    bits = _bits(groups, wanted)
    choices = [_Choice(group, sum(bits[pair] for pair in _held(group))) for group in groups]
    everything = sum(bits.values())
    search = _Search(purse, _greedy(choices, everything))
    search.descend((), choices, everything)
    return Partition(tuple(sorted(_pruned(search.best))), exact=purse.left >= 0)


def _bits(groups: Sequence[Group], wanted: Iterable[Pair]) -> dict[Pair, int]:
    """Give every pair a bit; the fewer networks can hold it, the lower."""
    holders = Counter(pair for group in groups for pair in _held(group))
    ranked = sorted(wanted, key=lambda pair: (holders[pair], sorted(pair)))
    return {pair: 1 << position for position, pair in enumerate(ranked)}


def _cost(groups: Sequence[Group]) -> tuple[int, int, list[Group]]:
    """Fewer networks first, then fewer seats; names decide the rest."""
    return len(groups), sum(len(group.members) for group in groups), sorted(groups)


def _groups(edges: frozenset[Pair], outward: frozenset[str], budget: _Budget) -> list[Group]:
    """Return the networks to choose from: the maximal cliques, for what a smaller one holds a maximal one holds too."""
    near = _neighbours(edges)
    outside = {name: near.get(name, frozenset()) & outward for name in outward}
    inner = {Group(members, outward=False) for members in _cliques(near, budget)}
    outer = {Group(members, outward=True) for members in _cliques(outside, budget)}
    if budget.left < 0:  # not all were found, so each edge and each way out is a choice by itself
        inner |= {Group(tuple(sorted(edge)), outward=False) for edge in edges}
        outer |= {Group((name,), outward=True) for name in outward}
    return sorted(inner | outer)


def _held(group: Group) -> list[Pair]:
    alone = [frozenset({name}) for name in group.members if group.outward]
    return [*(frozenset(pair) for pair in combinations(group.members, 2)), *alone]


def _neighbours(edges: Iterable[Pair]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for edge in edges:
        for name in edge:
            found[name] = found.get(name, frozenset()) | (edge - {name})
    return found


def _cliques(near: Mapping[str, frozenset[str]], budget: _Budget) -> Iterator[tuple[str, ...]]:
    """Yield the maximal cliques of a graph (Bron and Kerbosch with a pivot), as far as the budget goes."""
    stack = [(frozenset[str](), frozenset(near), frozenset[str]())]
    while stack and budget.spend():
        clique, candidates, seen = stack.pop()
        if not candidates and not seen:
            if clique:
                yield tuple(sorted(clique))
            continue
        pivot = max(sorted(candidates | seen), key=lambda name: len(near[name] & candidates))
        for name in sorted(candidates - near[pivot]):
            stack.append((clique | {name}, candidates & near[name], seen & near[name]))
            candidates, seen = candidates - {name}, seen | {name}


def _greedy(choices: Sequence[_Choice], everything: int) -> tuple[Group, ...]:
    """Return a cover that takes, each time, the network that holds most of what is missing."""
    chosen: list[Group] = []
    missing = everything
    while missing:
        choice = max(choices, key=lambda choice: (choice.held & missing).bit_count())
        chosen.append(choice.group)
        missing &= ~choice.held
    return tuple(chosen)


def _pruned(groups: Iterable[Group]) -> Iterator[Group]:
    """Take every seat away that no pair needs: a maximal clique may hold an edge that another one holds too."""
    kept = sorted(groups)
    times = Counter(pair for group in kept for pair in _held(group))
    for group in kept:
        members = group.members
        for name in group.members:
            rest = tuple(member for member in members if member != name)
            lost = {*_held(replace(group, members=members))} - {*_held(replace(group, members=rest))}
            if all(times[pair] > 1 for pair in lost):
                members = rest
                times.subtract(lost)
        if members:
            yield replace(group, members=members)
