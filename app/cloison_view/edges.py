"""Chooses which connections of a proof the diagram draws as arrows, and which it only counts.

Input: the connections of a `Summary` and the topology. Output: `FoundEdges` between the places of the document, and the
`EdgeSet` of a picture, in which several places may be one box.
Rule: a connection that needs action is always in the diagram. Where the members of one network have more than
`MAX_DRAWN_EDGES` of these to each other, the line of the network carries the judgement and their number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cloison_view.connections import OPEN, UNKNOWN, Document
from cloison_view.labels import ACTIONABLE, HOST, OUTSIDE
from cloison_view.summary import Connection
from cloison_view.topology import Topology

NEEDED: Final = "needed"
ALLOWED: Final = "allowed"
TOLERATED: Final = "tolerated"
CATEGORIES: Final = (*ACTIONABLE, NEEDED, ALLOWED, TOLERATED)
"""The categories of arrows, the most urgent first."""
BORDERS: Final = frozenset({HOST, OUTSIDE})
MAX_DRAWN_EDGES: Final = 12
"""The diagram draws this many edges between the members of a network one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """The connections from one place to another that have one category; an edge is equal to itself alone."""

    source: str
    target: str
    category: str
    connections: tuple[Connection, ...]
    pairs: tuple[tuple[str, str], ...]
    """The places of the document between which it leads; several where places are one box."""
    networks: frozenset[str]
    """The networks over which it is open, or may be."""

    @property
    def drift(self) -> bool:
        """Whether one of them differs from its prediction."""
        return any(connection.drift for connection in self.connections)


@dataclass(frozen=True, slots=True)
class CollapsedEdges:
    """The edges between members of one network that are shown at its line and not drawn."""

    network: str
    category: str
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class FoundEdges:
    """The edges between the places of the document, and counts of the connections that are no edge."""

    edges: tuple[Edge, ...]
    undrawn: Counter[str]


@dataclass(frozen=True, slots=True)
class EdgeSet:
    """The edges that are drawn, those shown at the line of a network, and counts of the other connections."""

    drawn: tuple[Edge, ...]
    collapsed_edges: tuple[CollapsedEdges, ...]
    undrawn: Counter[str]


def category(connection: Connection) -> str | None:
    """Return the category of a connection; None for one that is closed as intended, or not judged."""
    if connection.judgement in ACTIONABLE:
        return connection.judgement
    if connection.observed != OPEN or connection.judgement == "unjudged":
        return None
    if connection.judgement == TOLERATED:
        return TOLERATED
    return NEEDED if connection.intended == OPEN else ALLOWED


def find_edges(proof: Document, connections: Iterable[Connection], topology: Topology) -> FoundEdges:
    """Return the connections that are drawn, and the number of those that are not."""
    gathered: dict[tuple[str, str, str], list[Connection]] = {}
    undrawn: Counter[str] = Counter()
    for connection in connections:
        category_of = category(connection)
        if category_of and _is_drawn(connection, category_of, topology, has_policy=proof["policy"] is not None):
            gathered.setdefault((connection.source, connection.target, category_of), []).append(connection)
        else:
            undrawn[_counted(connection)] += 1
    found = [Edge(*key, tuple(group), (key[:2],), _networks(proof, group)) for key, group in gathered.items()]
    return FoundEdges(tuple(found), undrawn)


def edge_set(found: FoundEdges, topology: Topology, labels: Mapping[str, str] | None = None) -> EdgeSet:
    """Return the edges of a picture; `labels` are the boxes of the places that share one."""
    boxed = _between_boxes(found.edges, labels) if labels else found.edges
    collapsed_edges = _collapse(boxed, topology)
    hidden = {edge for collapsed in collapsed_edges for edge in collapsed.edges}
    return EdgeSet(tuple(edge for edge in boxed if edge not in hidden), collapsed_edges, found.undrawn)


def _networks(proof: Document, connections: Iterable[Connection]) -> frozenset[str]:
    """Return the networks of the flows that are open, or of which it is not known."""
    flows = (proof["flows"][position] for connection in connections for position in connection.flows)
    ends = {flow["endpoint"] for flow in flows if flow["observed"] in (OPEN, UNKNOWN)}
    return frozenset(proof["endpoints"][end]["network"] for end in ends)


def _between_boxes(edges: Iterable[Edge], labels: Mapping[str, str]) -> tuple[Edge, ...]:
    """Return the edges between boxes: those of one category from one box to another are one edge."""
    gathered: dict[tuple[str, str, str], list[Edge]] = {}
    for edge in edges:
        key = labels.get(edge.source, edge.source), labels.get(edge.target, edge.target), edge.category
        gathered.setdefault(key, []).append(edge)
    return tuple(
        Edge(
            *key,
            tuple(connection for edge in group for connection in edge.connections),
            tuple(pair for edge in group for pair in edge.pairs),
            frozenset().union(*(edge.networks for edge in group)),
        )
        for key, group in gathered.items()
    )


def _is_drawn(connection: Connection, category_of: str, topology: Topology, *, has_policy: bool) -> bool:
    if category_of in ACTIONABLE:
        return True
    if HOST in (connection.source, connection.target):
        return category_of == NEEDED and has_policy
    if OUTSIDE in (connection.source, connection.target):
        return True
    return (category_of == NEEDED and has_policy) or not topology.shared(connection.source, connection.target)


def _counted(connection: Connection) -> str:
    """Return the words under which a connection that is not drawn is counted."""
    if connection.judgement in (TOLERATED, "unjudged"):
        return "not judged" if connection.judgement == "unjudged" else TOLERATED
    return "open as allowed" if connection.observed == OPEN else "closed as intended"


def _collapse(edges: Iterable[Edge], topology: Topology) -> tuple[CollapsedEdges, ...]:
    edges_by_network: dict[tuple[str, str], list[Edge]] = {}
    for edge in edges:
        network = _common_network(edge, topology)
        if network:
            edges_by_network.setdefault((network, edge.category), []).append(edge)
    return tuple(
        CollapsedEdges(*key, tuple(group))
        for key, group in sorted(edges_by_network.items())
        if sum(len(edge.pairs) for edge in group) > MAX_DRAWN_EDGES
    )


def _common_network(edge: Edge, topology: Topology) -> str:
    """Return a network of both ends that an edge uses; empty for an edge from or to the host or the outside."""
    if BORDERS & {edge.source, edge.target}:
        return ""
    return min(edge.networks & topology.shared(edge.source, edge.target), default="")
