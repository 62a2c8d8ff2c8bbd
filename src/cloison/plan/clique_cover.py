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
class Clique:
    """The members of one network."""

    members: tuple[str, ...]
    egress: bool
    """Whether it has a way out: all of its members need one."""


@dataclass(frozen=True, slots=True)
class CliqueCover:
    """The groups, and whether there cannot be fewer."""

    cliques: tuple[Clique, ...]
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

    candidate: Clique
    covered: int


@dataclass(slots=True)
class _Search:
    """The best cover so far."""

    budget: _Budget
    best: tuple[Clique, ...]

    def descend(self, chosen: tuple[Clique, ...], choices: Sequence[_Choice], missing: int) -> None:
        """Cover what is missing in every way that may be better than the best."""
        if not missing:
            self.best = min(self.best, chosen, key=_cost)
            return
        if not self.budget.spend(len(choices)):
            return
        useful = [choice for choice in choices if choice.covered & missing]
        widest = max((choice.covered & missing).bit_count() for choice in useful)
        if len(chosen) + -(-missing.bit_count() // widest) > len(self.best):
            return
        hardest = missing & -missing  # the pair with the fewest choices has the lowest bit
        for choice in useful:
            if choice.covered & hardest:
                self.descend((*chosen, choice.candidate), useful, missing & ~choice.covered)


def clique_cover(pairs: Iterable[Pair], egress: Collection[str], budget: int = BUDGET) -> CliqueCover:
    """Return the fewest groups that hold every pair, with each service of `outward` in one that has a way out."""
    edges = frozenset(pair for pair in pairs if len(pair) == 2)  # noqa: PLR2004  # a pair
    wanted = edges | {frozenset({name}) for name in egress}
    shared_budget = _Budget(budget)
    cliques = _candidate_cliques(edges, frozenset(egress), shared_budget)
    bits = _bits(cliques, wanted)
    choices = [_Choice(candidate, sum(bits[pair] for pair in _covered_pairs(candidate))) for candidate in cliques]
    everything = sum(bits.values())
    search = _Search(shared_budget, _greedy(choices, everything))
    search.descend((), choices, everything)
    return CliqueCover(tuple(sorted(_pruned(search.best))), exact=shared_budget.left >= 0)


def _bits(cliques: Sequence[Clique], wanted: Iterable[Pair]) -> dict[Pair, int]:
    """Give every pair a bit; the fewer networks can hold it, the lower."""
    holders = Counter(pair for candidate in cliques for pair in _covered_pairs(candidate))
    ranked = sorted(wanted, key=lambda pair: (holders[pair], sorted(pair)))
    return {pair: 1 << position for position, pair in enumerate(ranked)}


def _cost(cliques: Sequence[Clique]) -> tuple[int, int, list[Clique]]:
    """Fewer networks first, then fewer seats; names decide the rest."""
    return len(cliques), sum(len(candidate.members) for candidate in cliques), sorted(cliques)


def _candidate_cliques(edges: frozenset[Pair], egress: frozenset[str], budget: _Budget) -> list[Clique]:
    """Return the networks to choose from: the maximal cliques, for what a smaller one holds a maximal one holds too."""
    adjacency = _adjacency(edges)
    outside = {name: adjacency.get(name, frozenset()) & egress for name in egress}
    inner = {Clique(members, egress=False) for members in _cliques(adjacency, budget)}
    outer = {Clique(members, egress=True) for members in _cliques(outside, budget)}
    if budget.left < 0:  # not all were found, so each edge and each way out is a choice by itself
        inner |= {Clique(tuple(sorted(edge)), egress=False) for edge in edges}
        outer |= {Clique((name,), egress=True) for name in egress}
    return sorted(inner | outer)


def _covered_pairs(candidate: Clique) -> list[Pair]:
    alone = [frozenset({name}) for name in candidate.members if candidate.egress]
    return [*(frozenset(pair) for pair in combinations(candidate.members, 2)), *alone]


def _adjacency(edges: Iterable[Pair]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for edge in edges:
        for name in edge:
            found[name] = found.get(name, frozenset()) | (edge - {name})
    return found


def _cliques(adjacency: Mapping[str, frozenset[str]], budget: _Budget) -> Iterator[tuple[str, ...]]:
    """Yield the maximal cliques of a graph (Bron and Kerbosch with a pivot), as far as the budget goes."""
    stack = [(frozenset[str](), frozenset(adjacency), frozenset[str]())]
    while stack and budget.spend():
        clique, candidates, seen = stack.pop()
        if not candidates and not seen:
            if clique:
                yield tuple(sorted(clique))
            continue
        pivot = max(sorted(candidates | seen), key=lambda name: len(adjacency[name] & candidates))
        for name in sorted(candidates - adjacency[pivot]):
            stack.append((clique | {name}, candidates & adjacency[name], seen & adjacency[name]))
            candidates, seen = candidates - {name}, seen | {name}


def _greedy(choices: Sequence[_Choice], everything: int) -> tuple[Clique, ...]:
    """Return a cover that takes, each time, the network that holds most of what is missing."""
    chosen: list[Clique] = []
    missing = everything
    while missing:
        choice = max(choices, key=lambda choice: (choice.covered & missing).bit_count())
        chosen.append(choice.candidate)
        missing &= ~choice.covered
    return tuple(chosen)


def _pruned(cliques: Iterable[Clique]) -> Iterator[Clique]:
    """Take every seat away that no pair needs: a maximal clique may hold an edge that another one holds too."""
    remaining = sorted(cliques)
    times = Counter(pair for candidate in remaining for pair in _covered_pairs(candidate))
    for candidate in remaining:
        members = candidate.members
        for name in candidate.members:
            rest = tuple(member for member in members if member != name)
            lost = {*_covered_pairs(replace(candidate, members=members))} - {
                *_covered_pairs(replace(candidate, members=rest))
            }
            if all(times[pair] > 1 for pair in lost):
                members = rest
                times.subtract(lost)
        if members:
            yield replace(candidate, members=members)
