"""Lays a proof's picture out: one row a place, one line a network, the outside at the left and the host at the right.

Rule: whatever carries a text has a strip of its own. From left to right: the outside; labels of what leads there or
comes from there; the networks' lines with the boxes on them; labels of what comes in from other services; the trunks;
labels of the host's arrows; the host. Every arrow of a row has a slot of its own, so no two labels can meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from cloison_view.edge_bundling import Trunk, lanes, trunks
from cloison_view.edges import FACES, Way, Ways
from cloison_view.labels import ANY, ATTENTION, HOST, OUTSIDE, called, columns, cut, listed, many, ports
from cloison_view.row_layout import GAP, PADDING, Row, rows
from cloison_view.svg_shapes import Arrow, Box, Label, Layout, Rail, Rect, Seat
from cloison_view.topology import Network, Place, Scenery

NAME_COLUMN: Final = 8.1
LABEL_COLUMN: Final = 6.9
"""How wide a column of the two fonts is at most; one of one width has 0.6 of its size: 13 and 11."""
EDGE: Final = 84.0
STUB: Final = 24
"""Room for an arrow's head beside a label."""
LANE: Final = 15
HEADLINE: Final = 26
ARM: Final = 16
"""How high a box is where it reaches over many lines."""
PILL: Final = 18
NAME_MOST: Final = 26
LABEL_MOST: Final = 28
MARGIN: Final = 10.0
SPARSE: Final = 4
"""So many lines stand wide apart."""
APART: Final = {True: 54, False: 30}


def layout(seen: Scenery, found: Ways) -> Layout:
    """Lay the picture out."""
    return _Sheet(seen, found).laid_out()


def words(face: str, ways: Iterable[Way]) -> str:
    """Return an arrow's label: in capitals what needs action, and then the ports."""
    names = ports(door for way in ways for door in way.doors)
    text = "any port" if names == [ANY] else listed(names, 2)
    return cut(f"{face.upper()} {text}" if face in ATTENTION else text, LABEL_MOST)


def entry(trunk: Trunk) -> str:
    """Return the label where a trunk comes in; of one that is not drawn, with where it comes from."""
    text = words(trunk.face, trunk.ways)
    if not trunk.is_crowded:
        return text
    origin = called(trunk.sources[0]) if len(trunk.sources) == 1 else many(len(trunk.sources), "service")
    return f"{text} from {cut(origin, NAME_MOST)}"


def headline(network: Network, found: Ways) -> str:
    """Return what stands at the head of a network's line."""
    folds = [fold for fold in found.folds if fold.network == network.name]
    counted = [f"{fold.face.upper()}: {many(len(fold.ways), 'way')} between its members" for fold in folds]
    return " · ".join([cut(network.label, NAME_MOST), *(["internal"] if network.internal else []), *counted])


class _Sheet:
    """The strips and rows of one picture, from which every position follows."""

    def __init__(self, seen: Scenery, found: Ways) -> None:
        self.seen, self.found = seen, found
        self.trunks = trunks(found.drawn)
        self.top = MARGIN + HEADLINE * (len(seen.networks) + 1)
        self.rows = rows(seen, found.drawn, self.trunks, self.top)
        drawn = [trunk for trunk in self.trunks if not trunk.is_crowded]
        self.lanes = lanes(drawn, {trunk: self.span(trunk) for trunk in drawn})
        self.strips()

    def strips(self) -> None:
        """Say where every strip begins."""
        networks, found = self.seen.networks, self.rows.values()
        self.apart = APART[len(networks) <= SPARSE]
        self.labels_left = MARGIN + EDGE + STUB
        self.rails = self.labels_left + _widest(_way(way) for row in found for way in row.left) + STUB + 2 * PADDING
        self.names = self.rails + self.apart * max(0, len(networks) - 1) + 2 * PADDING
        longest = max((columns(cut(place.label, NAME_MOST)) for place in self.seen.places), default=0)
        self.boxes_end = self.names + longest * NAME_COLUMN + 2 * PADDING
        self.entries = self.boxes_end + STUB
        first_lane = self.entries + _widest(map(entry, self.trunks)) + LANE
        used = max(self.lanes.values(), default=-1) + 1
        self.lane_at = {trunk: first_lane + LANE * lane for trunk, lane in self.lanes.items()}
        self.labels_right = first_lane + LANE * used + PADDING if used else first_lane
        end = self.labels_right + _widest(_way(way) for row in found for way in row.right) + STUB
        heads = (self.rail_at(network) + 2 * PADDING + _width(headline(network, self.found)) for network in networks)
        self.host = max(end, *heads, self.boxes_end + STUB)

    def laid_out(self) -> Layout:
        """Return every shape."""
        bottom = max((row.y + row.height for row in self.rows.values()), default=self.top)
        above = self.top - HEADLINE
        return Layout(
            width=self.host + EDGE + MARGIN,
            height=bottom + GAP + MARGIN,
            outside=Rect(MARGIN, above, EDGE, bottom - above + GAP),
            host=Rect(self.host, above, EDGE, bottom - above + GAP),
            rails=tuple(self.rail(position, network) for position, network in enumerate(self.seen.networks)),
            boxes=tuple(self.box(place) for place in self.seen.places),
            arrows=tuple(sorted(self.arrows(), key=lambda arrow: -FACES.index(arrow.face))),
        )

    def rail_at(self, network: Network) -> float:
        """Return where a network's line is."""
        return self.rails + self.apart * self.seen.networks.index(network)

    def rail(self, position: int, network: Network) -> Rail:
        """Return a network's line; the names are staggered, so that no line crosses one."""
        x, y = self.rail_at(network), MARGIN + HEADLINE * position
        members = [self.rows[place.name].middle for place in self.seen.places if network.name in place.seats]
        text = headline(network, self.found)
        label = Label(text, Rect(x + PADDING, y, _width(text), PILL))
        folds = tuple(fold for fold in self.found.folds if fold.network == network.name)
        return Rail(network, x, y + PILL / 2, max(members, default=self.top), label, folds)

    def box(self, place: Place) -> Box:
        """Return a place's box: it covers the lines from its first network on."""
        row = self.rows[place.name]
        seats = tuple(self.seat(network, place, row) for network in self.seen.networks if network.name in place.seats)
        plate = self.names - PADDING
        left = min((seat.x - 1.5 * PADDING for seat in seats), default=plate)
        text = cut(place.label, NAME_MOST)
        label = Label(text, Rect(self.names, row.middle - PILL / 2, columns(text) * NAME_COLUMN, PILL))
        height = row.height if len(self.seen.networks) <= SPARSE else ARM
        arm = Rect(left, row.middle - height / 2, self.boxes_end - left, height)
        return Box(place, label, Rect(plate, row.y, self.boxes_end - plate, row.height), arm, seats)

    def seat(self, network: Network, place: Place, row: Row) -> Seat:
        """Return where a place sits on a network's line."""
        passes = any(network.name in other.seats and self.rows[other.name].y > row.y for other in self.seen.places)
        hue = self.seen.networks.index(network)
        return Seat(self.rail_at(network), place.seats[network.name], hue, passes)

    def arrows(self) -> Iterator[Arrow]:
        """Yield every arrow."""
        boxes = {place.name: self.box(place) for place in self.seen.places}
        for name, row in self.rows.items():
            for way in row.left:
                edge = boxes[name].left_at(row.left_at(way)) if name in boxes else self.host
                ends = (MARGIN + EDGE, edge) if way.source == OUTSIDE else (edge, MARGIN + EDGE)
                yield _straight(way, ends, row.left_at(way), self.labels_left)
            for way in row.right:
                ends = (self.boxes_end, self.host) if way.target == HOST else (self.host, self.boxes_end)
                yield _straight(way, ends, row.right_at(way), self.labels_right)
        for trunk in self.trunks:
            yield from (self.told(trunk),) if trunk.is_crowded else self.bundle(trunk)

    def told(self, trunk: Trunk) -> Arrow:
        """Return the end of a trunk that is not drawn: its label says where it comes from."""
        y = self.rows[trunk.target].entry_at(trunk)
        label = _label(entry(trunk), self.entries, y)
        return Arrow(trunk.face, ((label.rect.x, y), (self.boxes_end, y)), trunk.ways, label)

    def bundle(self, trunk: Trunk) -> Iterator[Arrow]:
        """Yield a trunk from its furthest source to its target, and a line to it from every source."""
        x, y = self.lane_at[trunk], self.rows[trunk.target].entry_at(trunk)
        for way in trunk.ways:
            start = self.row_of(way).leaving_at(trunk.face)
            yield Arrow(trunk.face, ((self.boxes_end, start), (x, start)), (way,), dots=((x, start),), has_head=False)
        top, bottom = self.span(trunk)
        label = _label(entry(trunk), self.entries, y)
        tail = ((x, bottom), (x, y)) if bottom > y else ((x, y),)
        yield Arrow(trunk.face, ((x, top), *tail, (self.boxes_end, y)), trunk.ways, label)

    def span(self, trunk: Trunk) -> tuple[float, float]:
        """Return from where to where a trunk runs."""
        ends = [self.row_of(way).leaving_at(trunk.face) for way in trunk.ways]
        ends.append(self.rows[trunk.target].entry_at(trunk))
        return min(ends), max(ends)

    def row_of(self, way: Way) -> Row:
        """Return the row from which a way leads."""
        return self.rows[way.source]


def _straight(way: Way, ends: tuple[float, float], y: float, label: float) -> Arrow:
    return Arrow(way.face, ((ends[0], y), (ends[1], y)), (way,), _label(_way(way), label, y))


def _way(way: Way) -> str:
    return words(way.face, (way,))


def _label(text: str, x: float, y: float) -> Label:
    return Label(text, Rect(x, y - PILL / 2, _width(text), PILL))


def _width(text: str) -> float:
    return columns(text) * LABEL_COLUMN + PADDING


def _widest(texts: Iterable[str]) -> float:
    return max(map(_width, texts), default=0)
