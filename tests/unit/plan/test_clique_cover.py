"""The clique cover: results worked out by hand, and properties that hold on any graph."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloison.plan import clique_cover as partitioning
from cloison.plan.clique_cover import Clique, CliqueCover, Pair, clique_cover

pytestmark = pytest.mark.covers

NAMES = "abcdef"
PAIRS = [frozenset(pair) for pair in combinations(NAMES, 2)]
GRAPHS = st.tuples(st.sets(st.sampled_from(PAIRS)), st.sets(st.sampled_from(NAMES)))


def found(edges: str, egress: str = "") -> list[str]:
    """Return the cliques of a graph like `ab bc`; a clique with egress is in capitals."""
    cliques = clique_cover([frozenset(edge) for edge in edges.split()], set(egress)).cliques
    return sorted("".join(g.members).upper() if g.egress else "".join(g.members) for g in cliques)


@pytest.mark.parametrize(
    ("edges", "egress", "cliques"),
    [
        ("", "", []),
        ("ab", "", ["ab"]),
        ("ab bc", "", ["ab", "bc"]),  # a chain: a and c must not share a network
        ("ab bc ac", "", ["abc"]),  # three that all need each other need one network
        ("ab bc cd da", "", ["ab", "ad", "bc", "cd"]),
        ("ab ac bc bd cd", "", ["abc", "bcd"]),  # two triangles share an edge
        ("", "a", ["A"]),
        ("", "ab", ["A", "B"]),  # both need egress, but not each other
        ("ab", "ab", ["AB"]),  # both need egress and each other: one network gives both
        ("ab", "a", ["A", "ab"]),  # b must not get egress
        ("ab bc", "a", ["A", "ab", "bc"]),
        ("ab ac bc", "ab", ["AB", "abc"]),
    ],
)
def test_the_cliques_are_those_found_by_hand(edges: str, egress: str, cliques: list[str]) -> None:
    assert cliques == found(edges, egress)


def covered(result: CliqueCover) -> set[Pair]:
    return {frozenset(pair) for clique in result.cliques for pair in combinations(clique.members, 2)}


@given(GRAPHS)
def test_members_of_a_network_need_each_other_and_egress_is_only_where_needed(
    graph: tuple[set[Pair], set[str]],
) -> None:
    edges, egress = graph
    result = clique_cover(edges, egress)

    assert edges == covered(result)
    assert egress == {name for clique in result.cliques if clique.egress for name in clique.members}


@given(st.tuples(st.sets(st.sampled_from(PAIRS), max_size=7), st.sets(st.sampled_from(NAMES), max_size=3)))
def test_no_smaller_set_of_networks_exists(graph: tuple[set[Pair], set[str]]) -> None:
    edges, egress = graph
    result = clique_cover(edges, egress)

    assert result.exact
    assert not any(_does(cliques, edges, egress) for cliques in _fewer(edges, egress, len(result.cliques) - 1))


def _fewer(edges: set[Pair], egress: set[str], count: int) -> Iterator[tuple[Clique, ...]]:
    """Yield every set of `count` networks whose members all need each other."""
    every = [
        Clique(members, has_egress)
        for size in range(1, len(NAMES) + 1)
        for members in combinations(NAMES, size)
        for has_egress in (False, True)
        if {frozenset(pair) for pair in combinations(members, 2)} <= edges
        if (egress >= {*members} if has_egress else size > 1)
    ]
    if 0 <= count <= 4:  # more would take minutes
        yield from combinations(every, count)


def _does(cliques: tuple[Clique, ...], edges: set[Pair], egress: set[str]) -> bool:
    has_egress = {name for clique in cliques if clique.egress for name in clique.members}
    return edges <= covered(CliqueCover(cliques, exact=True)) and egress <= has_egress


@given(GRAPHS, st.randoms(use_true_random=False))
def test_the_order_of_the_edges_does_not_matter(graph: tuple[set[Pair], set[str]], draw: st.DataObject) -> None:
    edges, egress = graph
    shuffled = sorted(edges, key=sorted)
    draw.shuffle(shuffled)  # type: ignore[attr-defined]

    assert clique_cover(shuffled, sorted(egress)) == clique_cover(sorted(edges, key=sorted), egress)


def test_beyond_the_budget_the_cover_is_complete_and_not_exact() -> None:
    result = clique_cover(PAIRS, {"a"}, budget=3)

    assert not result.exact
    assert {*PAIRS} == covered(result)


def test_a_hundred_services_with_a_few_needs_each_are_within_the_budget() -> None:
    names = [f"s{number:02}" for number in range(100)]
    edges = {frozenset({a, names[(i * 7 + k) % 100]}) for i, a in enumerate(names) for k in (1, 2, 3)}

    assert clique_cover(edges, names[:10]).exact


def test_a_network_that_the_others_cover_is_removed() -> None:
    twice = [Clique(("a", "b"), egress=False), Clique(("a", "b"), egress=False)]

    assert [twice[0]] == list(partitioning._pruned(twice))  # noqa: SLF001  # no graph is known that leads here
