"""The shapes of a diagram, in its own units: pixels at its natural size."""

from __future__ import annotations

from dataclasses import dataclass

from cloison_view.edges import CollapsedEdges, Edge
from cloison_view.topology import Network, Place

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rect:
    """Where something is that nothing else of its kind may cover."""

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
        """Whether the two cover a common place."""
        neighbours = self.right <= other.x or other.right <= self.x
        return not (neighbours or self.bottom <= other.y or other.bottom <= self.y)


@dataclass(frozen=True, slots=True)
class Label:
    """A text and its background."""

    text: str
    rect: Rect


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line from place to place; `edges` are what it stands for."""

    category: str
    points: tuple[Point, ...]
    """The last one is where the head is, if it has one."""
    edges: tuple[Edge, ...]
    label: Label | None = None
    dots: tuple[Point, ...] = ()
    """Where it joins a bundle."""
    has_head: bool = True

    @property
    def drift(self) -> bool:
        """Whether the file predicts one of its connections otherwise."""
        return any(edge.drift for edge in self.edges)


@dataclass(frozen=True, slots=True)
class Attachment:
    """Where a box is attached to a line; `continues_below` when the line goes on."""

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
    """What of it reaches over the lines; as high as the box where there are few lines."""
    attachments: tuple[Attachment, ...]

    def left_at(self, y: float) -> float:
        """Return where a level line from the left meets it."""
        return self.extension.x if self.extension.y <= y <= self.extension.bottom else self.rect.x


@dataclass(frozen=True, slots=True)
class NetworkLine:
    """A network's line from its name down to its last member."""

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
    """The most urgent last, so that it lies on top."""
