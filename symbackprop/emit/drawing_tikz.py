"""Drawings as TikZ pictures, from the same geometry as all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.document.drawing import Circle, Label, Line, Point, Polygon, Rect, painted
from symbackprop.emit.drawing import look, size

if TYPE_CHECKING:
    from collections.abc import Callable

    from symbackprop.document.drawing import Drawing, Shape
    from symbackprop.emit.compose import Composer

POINTS = 72.27 / 25.4
"""Points in a millimetre."""


def tikz(drawing: Drawing, composer: Composer, escape: Callable[[str], str]) -> str:
    """A ``tikzpicture`` of the drawing; ``escape`` makes words markup."""
    frame = rf"\path (0,0) rectangle ({_n(drawing.width)},{_n(drawing.height)});"
    body = [_shape(shape, composer, escape) for shape in painted(drawing)]
    return "\n".join([r"\begin{tikzpicture}[x=1mm,y=-1mm]", frame, *body, r"\end{tikzpicture}"])


def _shape(shape: Shape, composer: Composer, escape: Callable[[str], str]) -> str:
    """One shape as a statement."""
    match shape:
        case Circle(x=x, y=y, radius=radius):
            return rf"\path[{_paint(shape.style)}] ({_n(x)},{_n(y)}) circle[radius={_n(radius)}mm];"
        case Rect():
            corners = f",rounded corners={_n(shape.radius)}mm" if shape.radius else ""
            box = f"({_n(shape.left)},{_n(shape.top)}) rectangle ({_n(shape.right)},{_n(shape.bottom)})"
            return rf"\path[{_paint(shape.style)}{corners}] {box};"
        case Line(points=points, curved=True):
            a, b, c, d = map(_point, points)
            return rf"\path[{_paint(shape.style, area=False)}] {a} .. controls {b} and {c} .. {d};"
        case Line(points=points):
            return rf"\path[{_paint(shape.style, area=False)}] {' -- '.join(map(_point, points))};"
        case Polygon(points=points):
            return rf"\path[{_paint(shape.style)}] {' -- '.join(map(_point, points))} -- cycle;"
        case Label():
            return _label(shape, composer, escape)
    message = f"no way to draw {type(shape).__name__}"
    raise TypeError(message)


def _label(label: Label, composer: Composer, escape: Callable[[str], str]) -> str:
    points = size(label, composer) * POINTS
    style = look(label.style)
    if isinstance(label.content, str):
        text = r"\sffamily" + (r"\bfseries " if style.bold else " ") + escape(label.content)
    else:
        text = rf"$\displaystyle {composer.target.show(composer.inline(label.content))}$"
    font = rf"\fontsize{{{points:.2f}}}{{{points * 1.2:.2f}}}\selectfont"
    hue = _hue(style.text)
    where = f"anchor={label.anchor},inner sep=0pt,text={hue},font={font}"
    return rf"\node[{where}] at ({_n(label.x)},{_n(label.y)}) {{{text}}};"


def _paint(style: str, *, area: bool = True) -> str:
    """Options for the line and the area of a style."""
    found = look(style)
    options = []
    if found.stroke:
        options += [f"draw={_hue(found.stroke)}{_share(found.glow)}", f"line width={_n(found.width)}mm"]
    if found.fill and area:
        options.append(f"fill={_hue(found.fill)}{_share(found.share)}")
    return ",".join(options)


def _hue(name: str) -> str:
    """The name of a colour in the template."""
    return "white" if name == "page" else f"hue{name}" if len(name) == 1 else name


def _share(share: float) -> str:
    return f"!{100 * share:.0f}" if share < 1 else ""


def _point(point: Point) -> str:
    return f"({_n(point[0])},{_n(point[1])})"


def _n(value: float) -> str:
    """A number in as few digits as say it."""
    return f"{round(value, 2) + 0.0:g}"
