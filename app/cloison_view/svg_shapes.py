"""The shapes of a diagram.

Output: frozen values, in pixels at the natural size of the diagram.
Rule: nothing is computed here but the edges of a rectangle.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloison_view.edges import CollapsedEdges, Edge
from cloison_view.topology import Network, Place

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """The height of its middle."""
        return self.y + self.height / 2

    def overlaps(self, other: Rect) -> bool:
        """Whether the two have a common area."""
        neighbours = self.right <= other.x or other.right <= self.x
        return not (neighbours or self.bottom <= other.y or other.bottom <= self.y)


@dataclass(frozen=True, slots=True)
class Label:
    """A text and its background."""

    text: str
    rect: Rect


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line from one place to another; `edges` are the edges that it shows."""

    category: str
    points: tuple[Point, ...]
    """Its corners; the head, where it has one, is at the last."""
    edges: tuple[Edge, ...]
    label: Label | None = None
    dots: tuple[Point, ...] = ()
    """The points where it joins a bundle."""
    has_head: bool = True

    @property
    def drift(self) -> bool:
        """Whether one of its connections differs from its prediction."""
        return any(edge.drift for edge in self.edges)


@dataclass(frozen=True, slots=True)
class Attachment:
    """The point where a box is attached to a line; `continues_below` where the line goes on."""

    x: float
    kind: str
    hue: int
    continues_below: bool


@dataclass(frozen=True, slots=True)
class Box:
    """A place on the lines of its networks."""

    place: Place
    label: Label
    rect: Rect
    extension: Rect
    """Its part over the lines; as high as the box where there are few lines."""
    attachments: tuple[Attachment, ...]

    def left_at(self, y: float) -> float:
        """Return the x coordinate where a horizontal line from the left meets it."""
        return self.extension.x if self.extension.y <= y <= self.extension.bottom else self.rect.x


@dataclass(frozen=True, slots=True)
class NetworkLine:
    """The line of a network from its name down to its last member."""

    network: Network
    x: float
    top: float
    bottom: float
    label: Label
    collapsed_edges: tuple[CollapsedEdges, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole diagram."""

    width: float
    height: float
    outside: Rect
    host: Rect
    network_lines: tuple[NetworkLine, ...]
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    """The most urgent last, so that it is drawn on top."""
