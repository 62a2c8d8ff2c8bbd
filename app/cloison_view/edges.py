"""Chooses which connections of a proof the diagram draws as arrows, and which it only counts.

Input: the connections of a `Summary` and the topology. Output: `EdgeSet`.
Rule: a connection that needs action is always in the diagram. Where the members of one network have more than
`MAX_DRAWN_EDGES` of these to each other, the line of the network carries the judgement and their number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
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
    """The places of the document between which it leads; several where places are grouped."""

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


def edges(proof: Document, connections: Iterable[Connection], topology: Topology) -> EdgeSet:
    """Return the connections that are drawn and the number of those that are not."""
    gathered: dict[tuple[str, str, str], list[Connection]] = {}
    undrawn: Counter[str] = Counter()
    for connection in connections:
        category_of = category(connection)
        if category_of and _is_drawn(connection, category_of, topology, has_policy=proof["policy"] is not None):
            gathered.setdefault((connection.source, connection.target, category_of), []).append(connection)
        else:
            undrawn[_counted(connection)] += 1
    all_edges = [Edge(*key, tuple(group), _pairs(proof, group)) for key, group in gathered.items()]
    collapsed_edges = _collapse(proof, all_edges, topology)
    hidden = {edge for collapsed in collapsed_edges for edge in collapsed.edges}
    return EdgeSet(tuple(edge for edge in all_edges if edge not in hidden), collapsed_edges, undrawn)


def _pairs(proof: Document, connections: Iterable[Connection]) -> tuple[tuple[str, str], ...]:
    """Return the places between which the flows of connections lead."""
    flows = (proof["flows"][position] for connection in connections for position in connection.flows)
    ends = dict.fromkeys((flow["vantage"], flow["endpoint"]) for flow in flows)
    found = ((proof["vantages"][start]["place"], proof["endpoints"][end]["place"]) for start, end in ends)
    return tuple(dict.fromkeys(found))


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


def _collapse(proof: Document, all_edges: list[Edge], topology: Topology) -> tuple[CollapsedEdges, ...]:
    edges_by_network: dict[tuple[str, str], list[Edge]] = {}
    for edge in all_edges:
        network = _common_network(proof, edge, topology)
        if network:
            edges_by_network.setdefault((network, edge.category), []).append(edge)
    return tuple(
        CollapsedEdges(*key, tuple(group))
        for key, group in sorted(edges_by_network.items())
        if sum(len(edge.pairs) for edge in group) > MAX_DRAWN_EDGES
    )


def _common_network(proof: Document, edge: Edge, topology: Topology) -> str:
    """Return a network of both ends that an edge uses; empty for an edge from or to the host or the outside."""
    if BORDERS & {edge.source, edge.target}:
        return ""
    flows = [proof["flows"][position] for connection in edge.connections for position in connection.flows]
    flow_networks = {
        proof["endpoints"][flow["endpoint"]]["network"] for flow in flows if flow["observed"] in (OPEN, UNKNOWN)
    }
    return min(flow_networks & topology.shared(edge.source, edge.target), default="")
