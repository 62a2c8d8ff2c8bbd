"""Lays out the diagram of a proof: one row a place, one line a network, the outside at the left, the host at the right.

Input: the topology and the edges to draw. Output: a `Layout` of shapes with coordinates.
Rule: every label has a strip of its own. From left to right: the outside; labels of arrows from and to the outside; the
lines of the networks with the boxes on them; labels of arrows from other services; the bundles; labels of arrows from
and to the host; the host. Every arrow of a row has a slot of its own, so no two labels overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from cloison_view.edge_bundling import EdgeBundle, edge_bundles, lanes
from cloison_view.edges import CATEGORIES, CollapsedEdges, Edge, EdgeSet
from cloison_view.labels import (
    ACTIONABLE,
    HOST,
    OUTSIDE,
    display_name,
    join_names,
    pluralize,
    text_columns,
    truncate,
)
from cloison_view.ports import sorted_ports
from cloison_view.row_layout import GAP, PADDING, PlaceRow, rows
from cloison_view.svg_shapes import Arrow, Attachment, Box, Label, Layout, NetworkLine, Rect
from cloison_view.topology import Network, Place, Topology

NAME_COLUMN: Final = 8.1
LABEL_COLUMN: Final = 6.9
"""The most that a column of the two monospaced fonts is wide, in pixels: 0.6 of their sizes, 13 and 11."""
BORDER_WIDTH: Final = 40.0
"""The bars of the outside and of the host; their names are upright."""
ARROW_ROOM: Final = 18
"""Room for the head of an arrow beside a label."""
LANE_WIDTH: Final = 13
HEADLINE_HEIGHT: Final = 22
EXTENSION_HEIGHT: Final = 16
"""The height of a box where it covers many lines."""
LABEL_HEIGHT: Final = 18
MAX_NAME_COLUMNS: Final = 26
MAX_LABEL_COLUMNS: Final = 28
MAX_LABEL_PORTS: Final = 3
MARGIN: Final = 10.0
FEW_NETWORKS: Final = 4
"""Up to this many lines have the wide spacing."""
LINE_SPACING: Final = {True: 38, False: 22}


def layout(topology: Topology, found: EdgeSet) -> Layout:
    """Lay the diagram out."""
    return _DiagramLayout(topology, found).build()


def arrow_label(category: str, edges: Iterable[Edge]) -> str:
    """Return the label of an arrow: a category that needs action in capitals, and the ports."""
    ends = sorted_ports(connection.end for edge in edges for connection in edge.connections)
    labels = list(dict.fromkeys(end.port_label for end in ends))
    text = ends[0].port_words if len(labels) == 1 else _short_list(labels)
    return truncate(f"{category.upper()} {text}" if category in ACTIONABLE else text, MAX_LABEL_COLUMNS)


def _short_list(labels: list[str]) -> str:
    return ", ".join(labels) if len(labels) <= MAX_LABEL_PORTS else join_names(labels, 2)


def bundle_label(edge_bundle: EdgeBundle) -> str:
    """Return the label at the end of a bundle; for a bundle that is not drawn, with its sources."""
    text = arrow_label(edge_bundle.category, edge_bundle.edges)
    if not edge_bundle.is_crowded:
        return text
    origins = {source for edge in edge_bundle.edges for source, _ in edge.pairs}
    origin = display_name(*origins) if len(origins) == 1 else pluralize(len(origins), "service")
    return f"{text} from {truncate(origin, MAX_NAME_COLUMNS)}"


def headline(network: Network, collapsed_edges: Iterable[CollapsedEdges]) -> str:
    """Return the text at the head of the line of a network."""
    counted = [
        f"{collapsed.category.upper()}: {pluralize(sum(len(edge.pairs) for edge in collapsed.edges), 'pair')}"
        for collapsed in collapsed_edges
    ]
    return " · ".join(
        [truncate(network.label, MAX_NAME_COLUMNS), *(["internal"] if network.internal else []), *counted]
    )


class _DiagramLayout:
    """The strips and rows of one diagram, from which every coordinate is computed."""

    def __init__(self, topology: Topology, found: EdgeSet) -> None:
        self.topology, self.found = topology, found
        self.edge_bundles = edge_bundles(found.drawn)
        self.positions = {network.name: position for position, network in enumerate(topology.networks)}
        self.collapsed: dict[str, list[CollapsedEdges]] = {name: [] for name in self.positions}
        for collapsed in found.collapsed_edges:
            self.collapsed[collapsed.network].append(collapsed)
        self.top = MARGIN + HEADLINE_HEIGHT * (len(topology.networks) + 1)
        self.rows = rows(topology, found.drawn, self.edge_bundles, self.top)
        drawn = [edge_bundle for edge_bundle in self.edge_bundles if not edge_bundle.is_crowded]
        self.lowest: dict[str, PlaceRow] = {}
        for place in topology.places:
            self.lowest.update(dict.fromkeys(place.attachments, self.rows[place.name]))
        self.lanes = lanes(drawn, {edge_bundle: self.span(edge_bundle) for edge_bundle in drawn})
        self.strips()

    def strips(self) -> None:
        """Compute where every strip begins."""
        networks, found = self.topology.networks, self.rows.values()
        self.apart = LINE_SPACING[len(networks) <= FEW_NETWORKS]
        self.labels_left = MARGIN + BORDER_WIDTH + ARROW_ROOM
        self.network_lines = (
            self.labels_left
            + _widest(_edge_label(edge) for row in found for edge in row.left)
            + ARROW_ROOM
            + 2 * PADDING
        )
        self.names = self.network_lines + self.apart * max(0, len(networks) - 1) + 2 * PADDING
        longest = max(
            (text_columns(truncate(place.label, MAX_NAME_COLUMNS)) for place in self.topology.places), default=0
        )
        self.boxes_end = self.names + longest * NAME_COLUMN + 2 * PADDING
        self.entries = self.boxes_end + ARROW_ROOM
        first_lane = self.entries + _widest(map(bundle_label, self.edge_bundles)) + LANE_WIDTH
        used = max(self.lanes.values(), default=-1) + 1
        self.lane_at = {edge_bundle: first_lane + LANE_WIDTH * lane for edge_bundle, lane in self.lanes.items()}
        self.labels_right = first_lane + LANE_WIDTH * used + PADDING if used else first_lane
        end = self.labels_right + _widest(_edge_label(edge) for row in found for edge in row.right) + ARROW_ROOM
        heads = (self.line_x(network.name) + 2 * PADDING + _width(self.headline(network)) for network in networks)
        self.host = max(end, *heads, self.boxes_end + ARROW_ROOM)

    def build(self) -> Layout:
        """Return every shape."""
        bottom = max((row.y + row.height for row in self.rows.values()), default=self.top)
        above = self.top - HEADLINE_HEIGHT
        boxes = tuple(self.box(place) for place in self.topology.places)
        return Layout(
            width=self.host + BORDER_WIDTH + MARGIN,
            height=bottom + GAP + MARGIN,
            outside=Rect(MARGIN, above, BORDER_WIDTH, bottom - above + GAP),
            host=Rect(self.host, above, BORDER_WIDTH, bottom - above + GAP),
            network_lines=tuple(
                self.network_line(position, network) for position, network in enumerate(self.topology.networks)
            ),
            boxes=boxes,
            arrows=tuple(sorted(self.arrows(boxes), key=lambda arrow: -CATEGORIES.index(arrow.category))),
        )

    def headline(self, network: Network) -> str:
        """Return the text at the head of the line of a network."""
        return headline(network, self.collapsed[network.name])

    def line_x(self, name: str) -> float:
        """Return where a network's line is."""
        return self.network_lines + self.apart * self.positions[name]

    def network_line(self, position: int, network: Network) -> NetworkLine:
        """Return the line of a network; the names are staggered, so that no line crosses one."""
        x, y = self.line_x(network.name), MARGIN + HEADLINE_HEIGHT * position
        text = self.headline(network)
        label = Label(text, Rect(x + PADDING, y, _width(text), LABEL_HEIGHT))
        bottom = self.lowest[network.name].middle if network.name in self.lowest else self.top
        return NetworkLine(network, x, y + LABEL_HEIGHT / 2, bottom, label, tuple(self.collapsed[network.name]))

    def box(self, place: Place) -> Box:
        """Return a place's box: it covers the lines from its first network on."""
        row = self.rows[place.name]
        attachments = tuple(self.attachment(name, place, row) for name in place.attachments)
        plate = self.names - PADDING
        left = min((attachment.x - 1.5 * PADDING for attachment in attachments), default=plate)
        text = truncate(place.label, MAX_NAME_COLUMNS)
        label = Label(
            text, Rect(self.names, row.middle - LABEL_HEIGHT / 2, text_columns(text) * NAME_COLUMN, LABEL_HEIGHT)
        )
        height = row.height if len(self.topology.networks) <= FEW_NETWORKS else EXTENSION_HEIGHT
        extension = Rect(left, row.middle - height / 2, self.boxes_end - left, height)
        return Box(place, label, Rect(plate, row.y, self.boxes_end - plate, row.height), extension, attachments)

    def attachment(self, name: str, place: Place, row: PlaceRow) -> Attachment:
        """Return where a place is attached to a network's line."""
        continues_below = self.lowest[name].y > row.y
        return Attachment(self.line_x(name), place.attachments[name], self.positions[name], continues_below)

    def arrows(self, drawn: Iterable[Box]) -> Iterator[Arrow]:
        """Yield every arrow."""
        boxes = {box.place.name: box for box in drawn}
        for name, row in self.rows.items():
            for edge in row.left:
                box_left = boxes[name].left_at(row.left_at(edge)) if name in boxes else self.host
                ends = (
                    (MARGIN + BORDER_WIDTH, box_left) if edge.source == OUTSIDE else (box_left, MARGIN + BORDER_WIDTH)
                )
                yield _straight(edge, ends, row.left_at(edge), self.labels_left)
            for edge in row.right:
                ends = (self.boxes_end, self.host) if edge.target == HOST else (self.host, self.boxes_end)
                yield _straight(edge, ends, row.right_at(edge), self.labels_right)
        for edge_bundle in self.edge_bundles:
            yield from (
                (self.endpoint_arrow(edge_bundle),) if edge_bundle.is_crowded else self.bundle_arrows(edge_bundle)
            )

    def endpoint_arrow(self, edge_bundle: EdgeBundle) -> Arrow:
        """Return the end of a bundle that is not drawn; its label names the sources."""
        y = self.rows[edge_bundle.target].entry_at(edge_bundle)
        label = _label(bundle_label(edge_bundle), self.entries, y)
        return Arrow(edge_bundle.category, ((label.rect.x, y), (self.boxes_end, y)), edge_bundle.edges, label)

    def bundle_arrows(self, edge_bundle: EdgeBundle) -> Iterator[Arrow]:
        """Yield a bundle from its furthest source to its target, and a line to it from every source."""
        x, y = self.lane_at[edge_bundle], self.rows[edge_bundle.target].entry_at(edge_bundle)
        for edge in edge_bundle.edges:
            start = self.row_of(edge).leaving_at(edge_bundle.category)
            yield Arrow(
                edge_bundle.category, ((self.boxes_end, start), (x, start)), (edge,), dots=((x, start),), has_head=False
            )
        top, bottom = self.span(edge_bundle)
        label = _label(bundle_label(edge_bundle), self.entries, y)
        tail = ((x, bottom), (x, y)) if bottom > y else ((x, y),)
        yield Arrow(edge_bundle.category, ((x, top), *tail, (self.boxes_end, y)), edge_bundle.edges, label)

    def span(self, edge_bundle: EdgeBundle) -> tuple[float, float]:
        """Return the top and the bottom of a bundle."""
        ends = [self.row_of(edge).leaving_at(edge_bundle.category) for edge in edge_bundle.edges]
        ends.append(self.rows[edge_bundle.target].entry_at(edge_bundle))
        return min(ends), max(ends)

    def row_of(self, edge: Edge) -> PlaceRow:
        """Return the row of the source of an edge."""
        return self.rows[edge.source]


def _straight(edge: Edge, ends: tuple[float, float], y: float, label: float) -> Arrow:
    return Arrow(edge.category, ((ends[0], y), (ends[1], y)), (edge,), _label(_edge_label(edge), label, y))


def _edge_label(edge: Edge) -> str:
    return arrow_label(edge.category, (edge,))


def _label(text: str, x: float, y: float) -> Label:
    return Label(text, Rect(x, y - LABEL_HEIGHT / 2, _width(text), LABEL_HEIGHT))


def _width(text: str) -> float:
    return text_columns(text) * LABEL_COLUMN + PADDING


def _widest(texts: Iterable[str]) -> float:
    return max(map(_width, texts), default=0)
