"""The shapes of a picture, in its own units: pixels at its natural size."""

from __future__ import annotations

from dataclasses import dataclass

from cloison_view.edges import Fold, Way
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
        beside = self.right <= other.x or other.right <= self.x
        return not (beside or self.bottom <= other.y or other.bottom <= self.y)


@dataclass(frozen=True, slots=True)
class Label:
    """A text and its ground."""

    text: str
    rect: Rect


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line from place to place; `ways` are the doors that it stands for."""

    face: str
    points: tuple[Point, ...]
    """The last one is where the head is, if it has one."""
    ways: tuple[Way, ...]
    label: Label | None = None
    dots: tuple[Point, ...] = ()
    """Where it joins a trunk."""
    has_head: bool = True

    @property
    def drift(self) -> bool:
        """Whether the file predicts one of its doors otherwise."""
        return any(way.drift for way in self.ways)


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a box sits on a line; `passes` when the line goes on below."""

    x: float
    kind: str
    hue: int
    passes: bool


@dataclass(frozen=True, slots=True)
class Box:
    """A place on the lines of its networks."""

    place: Place
    label: Label
    rect: Rect
    arm: Rect
    """What of it reaches over the lines; as high as the box where there are few lines."""
    seats: tuple[Seat, ...]

    def left_at(self, y: float) -> float:
        """Return where a level line from the left meets it."""
        return self.arm.x if self.arm.y <= y <= self.arm.bottom else self.rect.x


@dataclass(frozen=True, slots=True)
class Rail:
    """A network's line from its name down to its last member."""

    network: Network
    x: float
    top: float
    bottom: float
    label: Label
    folds: tuple[Fold, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole picture."""

    width: float
    height: float
    outside: Rect
    host: Rect
    rails: tuple[Rail, ...]
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    """The most urgent last, so that it lies on top."""
