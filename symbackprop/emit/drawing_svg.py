"""Drawings as SVG that stands in a page or alone: formulas are MathML, colours the page's own where it names them.

Whatever the size at which a browser shows it, it keeps its proportions; where a page has other colours (dark mode), it
takes them through the custom properties of its style sheet.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from symbackprop.document.drawing import EM, Circle, Label, Line, Polygon, Rect, painted
from symbackprop.emit.drawing import look, natural, size
from symbackprop.emit.target_mathml import MathML, class_of

if TYPE_CHECKING:
    from symbackprop.document.drawing import Drawing, Point, Shape
    from symbackprop.emit.compose import Composer
    from symbackprop.emit.layout import Name

UNITS = 4.0
"""Units of the view box in a millimetre."""
SHOWN = 4.7
"""Pixels of a millimetre at full size."""
HUES = {
    "ink": "#1f2933",
    "page": "#fff",
    "mute": "#5b6670",
    "hair": "#c9ced3",
    "C": "#00609c",
    "A": "#a84300",
    "D": "#006b4b",
    "B": "#7a4fa3",
    "P": "#006b4b",
    "S": "#7a4fa3",
    "N": "#9c1f5c",
    "M": "#9c1f5c",
    "F": "#a84300",
    "1": "#c2185b",
    "2": "#806000",
    "3": "#5e35b1",
    "4": "#5d4037",
}
"""What the colours are where no page says otherwise."""
SPACES = {
    "svg": ' xmlns="http://www.w3.org/2000/svg"',
    "div": ' xmlns="http://www.w3.org/1999/xhtml"',
    "math": ' xmlns="http://www.w3.org/1998/Math/MathML"',
}
"""Names of languages, which a page knows by itself."""
_SHIFT = {"center": 0.5, "base": 0.5, "west": 0.0, "base west": 0.0, "east": 1.0, "base east": 1.0}
_TURN = ("flex-start", "center", "flex-end")


class _Still(MathML):
    """Formulas in a picture: names show their legend to a pointer, but are no stops for a keyboard."""

    def name_(self, box: Name) -> str:
        inner = self.items(box.items)
        return f'<mrow class="symbol {class_of(box.of)}">{inner}</mrow>' if box.of else inner


MATHML = _Still()


def svg(drawing: Drawing, composer: Composer, alt: str = "", *, alone: bool = False) -> str:
    """An ``svg`` element for a page; ``alt`` is its description, whose words before a colon are its title.

    ``alone`` makes it a file of its own.
    """
    title, _, _ = alt.partition(":")
    box = f"0 0 {_n(drawing.width)} {_n(drawing.height)}"
    head = (
        f'<svg{SPACES["svg"] if alone else ""} role="img" aria-label="{escape(alt)}" viewBox="{box}" '
        f'width="{SHOWN * drawing.width:.0f}" height="{SHOWN * drawing.height:.0f}" class="drawing" '
        f'style="max-width:100%;height:auto;overflow:visible">'
    )
    names = f"<title>{escape(title)}</title>\n<desc>{escape(alt)}</desc>"
    body = "\n".join(_shape(shape, composer) for shape in painted(drawing))
    if alone:
        body = body.replace("<div ", f"<div{SPACES['div']} ").replace("<math ", f"<math{SPACES['math']} ")
    return f"{head}\n{names}\n{body}\n</svg>"


def _shape(shape: Shape, composer: Composer) -> str:
    match shape:
        case Circle(x=x, y=y, radius=radius):
            return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" {_paint(shape.style)}/>'
        case Rect():
            box = f'x="{_n(shape.left)}" y="{_n(shape.top)}" width="{_n(shape.width)}" height="{_n(shape.height)}"'
            corners = f' rx="{_n(shape.radius)}"' if shape.radius else ""
            return f"<rect {box}{corners} {_paint(shape.style)}/>"
        case Line(points=points, curved=True):
            a, b, c, d = map(_point, points)
            return f'<path d="M{a} C{b} {c} {d}" {_paint(shape.style, area=False)}/>'
        case Line(points=points):
            return f'<path d="M{" L".join(map(_point, points))}" {_paint(shape.style, area=False)}/>'
        case Polygon(points=points):
            return f'<path d="M{" L".join(map(_point, points))}Z" {_paint(shape.style)}/>'
        case Label():
            return _label(shape, composer)
    message = f"no way to draw {type(shape).__name__}"
    raise TypeError(message)


def _label(label: Label, composer: Composer) -> str:
    """Words as text; a formula as MathML in a box that is wide enough, its anchor at the point."""
    em = size(label, composer)
    style = look(label.style)
    if isinstance(label.content, str):
        anchor = ("start", "middle", "end")[int(2 * _SHIFT[label.anchor])]
        drop = 0.0 if "base" in label.anchor else 0.35 * em
        weight = " font-weight:bold;" if style.bold else ""
        return (
            f'<text x="{_n(label.x)}" y="{_n(label.y + drop)}" text-anchor="{anchor}" '
            f'style="fill:{_colour(style.text)};{weight}font-size:{_n(em)}px;'
            f'font-family:ui-sans-serif,system-ui,sans-serif">{escape(label.content)}</text>'
        )
    shift = _SHIFT[label.anchor]
    wide = natural(label, composer) / (EM * label.scale) * em + 2 * em
    high = 6 * em
    on_base = "base" in label.anchor
    top = label.y - high / 2
    left = label.x - shift * wide
    strut = f'<span style="display:inline-block;height:{_n(high / 2)}px"></span>' if on_base else ""
    align = "first baseline" if on_base else "center"
    return (
        f'<foreignObject x="{_n(left)}" y="{_n(top)}" width="{_n(wide)}" height="{_n(high)}" style="overflow:visible">'
        f'<div style="display:flex;align-items:{align};'
        f"justify-content:{_TURN[int(2 * shift)]};height:{_n(high)}px;font-size:{_n(em)}px;line-height:1;"
        f'white-space:nowrap;color:{_colour(style.text)}">{strut}'
        f'<math displaystyle="true" style="font-size:1em">'
        f"{MATHML.show(composer.inline(label.content))}</math></div></foreignObject>"
    )


def _paint(style: str, *, area: bool = True) -> str:
    """The line and the area of a style."""
    found = look(style)
    rules = [f"fill:{_colour(found.fill)}" if found.fill and area else "fill:none"]
    if found.fill and area and found.share < 1:
        rules.append(f"fill-opacity:{found.share}")
    if found.stroke:
        rules += [f"stroke:{_colour(found.stroke)}", f"stroke-width:{_n(found.width)}px"]
        rules += [f"stroke-opacity:{found.glow}"] if found.glow < 1 else []
    return f'style="{";".join(rules)}"'


def _colour(hue: str) -> str:
    return f"var(--{hue},{HUES[hue]})"


def _point(point: Point) -> str:
    return f"{_n(point[0])} {_n(point[1])}"


def _n(value: float) -> str:
    """A length in mm as units of the view box."""
    return f"{value * UNITS:.1f}".removesuffix(".0")
