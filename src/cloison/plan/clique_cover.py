"""The smallest set of networks that connects exactly the pairs of services that need each other.

Input: pairs of services, and the services that need egress. Output: the networks as cliques.

Services are nodes, and a pair that needs a connection is an edge. All members of a network reach each other, so
a network must be a clique. A network with egress gives it to all members, so each of them must need it. The
result is the smallest set of cliques that covers every edge and every service that needs egress.

Rule: the result is exact if the search ends within its budget, as it does for the graphs of Compose files;
otherwise it is the greedy solution and `exact` is false. Clique edge cover is NP-hard (Orlin 1977); the set cover
is solved by branch and bound over maximal cliques (Bron, Kerbosch 1973). The same graph gives the same result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

Pair = frozenset[str]
"""Two services that need a connection, or a single service that needs egress."""
BUDGET: Final = 200_000
"""The number of candidate networks that the search may visit, some tenths of a second."""


@dataclass(frozen=True, slots=True, order=True)
class Clique:
    """The members of one network."""

    members: tuple[str, ...]
    egress: bool
    """Whether the network has egress: all of its members need it."""


@dataclass(frozen=True, slots=True)
class CliqueCover:
    """The cliques, and whether their number is proven to be the smallest."""

    cliques: tuple[Clique, ...]
    exact: bool


@dataclass(slots=True)
class _Budget:
    left: int

    def spend(self, steps: int = 1) -> bool:
        """Subtract steps, and return whether the budget sufficed."""
        self.left -= steps
        return self.left >= 0


@dataclass(frozen=True, slots=True)
class _Choice:
    """A candidate network, and the pairs that it covers as a bit set."""

    candidate: Clique
    covered: int


@dataclass(slots=True)
class _Search:
    """The best cover so far."""

    budget: _Budget
    best: tuple[Clique, ...]

    def descend(self, chosen: tuple[Clique, ...], choices: Sequence[_Choice], missing: int) -> None:
        """Cover the missing pairs in every way that can improve the best cover."""
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
    """Return the smallest set of cliques that covers every pair, and each service of `egress` by one with egress."""
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
    """Assign a bit to every pair; pairs with fewer candidate networks get lower bits."""
    holders = Counter(pair for candidate in cliques for pair in _covered_pairs(candidate))
    ranked = sorted(wanted, key=lambda pair: (holders[pair], sorted(pair)))
    return {pair: 1 << position for position, pair in enumerate(ranked)}


def _cost(cliques: Sequence[Clique]) -> tuple[int, int, list[Clique]]:
    """Return the sort key of a cover: the number of networks, then of attachments, then the names."""
    return len(cliques), sum(len(candidate.members) for candidate in cliques), sorted(cliques)


def _candidate_cliques(edges: frozenset[Pair], egress: frozenset[str], budget: _Budget) -> list[Clique]:
    """Return the candidate networks: the maximal cliques, which cover all pairs of smaller ones."""
    adjacency = _adjacency(edges)
    outside = {name: adjacency.get(name, frozenset()) & egress for name in egress}
    inner = {Clique(members, egress=False) for members in _cliques(adjacency, budget)}
    outer = {Clique(members, egress=True) for members in _cliques(outside, budget)}
    if budget.left < 0:  # the enumeration is incomplete, so each edge and each egress service is a candidate
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
    """Yield the maximal cliques of a graph (Bron and Kerbosch with a pivot) until the budget is used up."""
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
    """Return the cover that chooses in each step the network with the most missing pairs."""
    chosen: list[Clique] = []
    missing = everything
    while missing:
        choice = max(choices, key=lambda choice: (choice.covered & missing).bit_count())
        chosen.append(choice.candidate)
        missing &= ~choice.covered
    return tuple(chosen)


def _pruned(cliques: Iterable[Clique]) -> Iterator[Clique]:
    """Remove every attachment that no pair needs: two maximal cliques may cover the same edge."""
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
