"""Drawings as Typst's own shapes, placed in a box."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.document.drawing import Circle, Label, Line, Polygon, Rect, painted
from symbackprop.emit.drawing import look, size
from symbackprop.emit.target_typst import quoted

if TYPE_CHECKING:
    from symbackprop.document.drawing import Drawing, Point, Shape
    from symbackprop.emit.compose import Composer


def typst(drawing: Drawing, composer: Composer) -> str:
    """A box with the drawing; ``mark`` and ``hue`` are the template's."""
    body = "\n  ".join(_shape(shape, composer) for shape in painted(drawing))
    return f"box(width: {_mm(drawing.width)}, height: {_mm(drawing.height)}, {{\n  {body}\n}})"


def _shape(shape: Shape, composer: Composer) -> str:
    """One shape at its place."""
    match shape:
        case Circle(x=x, y=y, radius=radius):
            return _placed((x - radius, y - radius), f"circle(radius: {_mm(radius)}, {_paint(shape.style)})")
        case Rect():
            size_ = f"width: {_mm(shape.width)}, height: {_mm(shape.height)}, radius: {_mm(shape.radius)}"
            return _placed((shape.left, shape.top), f"rect({size_}, {_paint(shape.style)})")
        case Line(points=points, curved=True):
            start, *rest = map(_point, points)
            path = f"curve({_paint(shape.style, area=False)}, curve.move({start}), curve.cubic({', '.join(rest)}))"
            return _placed((0, 0), path)
        case Line(points=points):
            return _placed((0, 0), f"curve({_paint(shape.style, area=False)}, {_through(points)})")
        case Polygon(points=points):
            return _placed((0, 0), f"curve({_paint(shape.style)}, {_through(points)}, curve.close())")
        case Label():
            return _label(shape, composer)
    message = f"no way to draw {type(shape).__name__}"
    raise TypeError(message)


def _label(label: Label, composer: Composer) -> str:
    style = look(label.style)
    if isinstance(label.content, str):
        weight = ', weight: "bold"' if style.bold else ""
        text = f"text({quoted(label.content)}{weight})"
    else:
        text = f"$display({composer.target.show(composer.inline(label.content))})$"
    across = 0 if "west" in label.anchor else 1 if "east" in label.anchor else 0.5
    base = "true" if "base" in label.anchor else "false"
    place = f"{_mm(label.x)}, {_mm(label.y)}, {across}, {base}"
    return f"mark({place}, {_mm(size(label, composer))}, {_hue(style.text)}, {text})"


def _through(points: tuple[Point, ...]) -> str:
    start, *rest = map(_point, points)
    return ", ".join([f"curve.move({start})", *(f"curve.line({p})" for p in rest)])


def _placed(point: Point, body: str) -> str:
    return f"place(top + left, dx: {_mm(point[0])}, dy: {_mm(point[1])}, {body})"


def _paint(style: str, *, area: bool = True) -> str:
    """The line and the area of a style."""
    found = look(style)
    stroke = f"{_mm(found.width)} + {_hue(found.stroke, found.glow)}" if found.stroke else "none"
    fill = _hue(found.fill, found.share) if found.fill and area else "none"
    return f"stroke: {stroke}, fill: {fill}"


def _hue(name: str, share: float = 1.0) -> str:
    """A colour of the template."""
    pure = f"hue.at({quoted(name)})"
    return f"{pure}.lighten({100 * (1 - share):.0f}%)" if share < 1 else pure


def _point(point: Point) -> str:
    return f"({_mm(point[0])}, {_mm(point[1])})"


def _mm(value: float) -> str:
    return f"{value:.2f}mm"
