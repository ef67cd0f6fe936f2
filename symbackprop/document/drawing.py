"""Figures as geometry: shapes in millimetres from the upper left corner, with styles that say what a thing is.

A ``Drawing`` holds no markup. Labels are words or formulas of ``document.blocks``; a style is a name ("plain", "faint",
"path2", "chipA") whose look is decided where drawings are written. Shapes are painted in order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from symbackprop.document.blocks import Formula

Point = tuple[float, float]

EM = 3.3
"""Size of letters, in mm."""
PATHS = 4
"""Paths that have a colour of their own."""
HEAD = 1.9
"""Length of the head of an arrow."""


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle around a point."""

    x: float
    y: float
    radius: float
    style: str = "plain"


@dataclass(frozen=True, slots=True)
class Rect:
    """A box around its centre, with rounded corners where ``radius`` says so."""

    x: float
    y: float
    width: float
    height: float
    radius: float = 0.0
    style: str = "plain"

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points; ``curved`` makes four points a Bézier curve, ``arrow`` puts a head at its end."""

    points: tuple[Point, ...]
    style: str = "plain"
    arrow: bool = False
    curved: bool = False


@dataclass(frozen=True, slots=True)
class Polygon:
    """A filled area."""

    points: tuple[Point, ...]
    style: str = "plain"


@dataclass(frozen=True, slots=True)
class Label:
    """Words or a formula at a point.

    ``anchor`` says which point of it lies there: "center", "west" or "east"; with "base" before it, on the line on
    which letters stand. What is wider than ``room`` is set smaller; ``scale`` is the size beside that of other labels.
    """

    x: float
    y: float
    content: str | Formula
    anchor: str = "center"
    style: str = "plain"
    room: float = 0.0
    scale: float = 1.0


Shape = Circle | Rect | Line | Polygon | Label


@dataclass(frozen=True, slots=True)
class Drawing:
    """Shapes in a box of a width and height."""

    shapes: tuple[Shape, ...]
    width: float
    height: float

    @property
    def labels(self) -> tuple[Label, ...]:
        return tuple(shape for shape in self.shapes if isinstance(shape, Label))


def moved(shape: Shape, dx: float, dy: float) -> Shape:
    """The shape at another place."""
    if isinstance(shape, Line | Polygon):
        return replace(shape, points=tuple((x + dx, y + dy) for x, y in shape.points))
    return replace(shape, x=shape.x + dx, y=shape.y + dy)


def headed(line: Line) -> tuple[Line, Polygon]:
    """An arrow as a line that ends in its head, and the head."""
    (x0, y0), (x1, y1) = line.points[-2:]
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    back = (x1 - HEAD * ux, y1 - HEAD * uy)
    side = HEAD * 0.36
    head = Polygon(
        ((x1, y1), (back[0] - side * uy, back[1] + side * ux), (back[0] + side * uy, back[1] - side * ux)),
        f"head {line.style}",
    )
    inside = (x1 - 0.8 * HEAD * ux, y1 - 0.8 * HEAD * uy)
    return replace(line, points=(*line.points[:-1], inside), arrow=False), head


def painted(drawing: Drawing) -> Iterable[Circle | Rect | Line | Polygon | Label]:
    """The shapes in order, arrows as lines and heads."""
    for shape in drawing.shapes:
        if isinstance(shape, Line) and shape.arrow:
            yield from headed(shape)
        else:
            yield shape


def along(a: Point, b: Point, share: float) -> Point:
    """A point between two."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)


def beside(a: Point, b: Point, distance: float) -> tuple[Point, Point]:
    """A line moved to its side."""
    length = math.hypot(b[0] - a[0], b[1] - a[1]) or 1.0
    dx, dy = -(b[1] - a[1]) / length * distance, (b[0] - a[0]) / length * distance
    return (a[0] + dx, a[1] + dy), (b[0] + dx, b[1] + dy)


def elided(count: int, kept: Iterable[int] = (), most: int = 6) -> tuple[int | None, ...]:
    """Which of ``count`` things are drawn, None for dots: all of a few, else the first two, the kept and the last.

    >>> elided(4), elided(9, [4])
    ((0, 1, 2, 3), (0, 1, None, 4, None, 8))
    """
    if count <= most:
        return tuple(range(count))
    chosen = sorted({0, 1, count - 1, *kept})
    shown: list[int | None] = []
    for k in chosen:
        gap = k - (shown[-1] if shown and shown[-1] is not None else -1)
        shown += [None] if gap > 2 else [k - 1] if gap == 2 else []  # noqa: PLR2004 - one left out is shown itself
        shown.append(k)
    return tuple(shown)
