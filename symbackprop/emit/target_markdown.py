r"""Boxes as LaTeX inside Markdown: what MathJax and KaTeX know, in characters that Markdown leaves alone.

Some readers look for Markdown's marks before they look for mathematics. So a subscript is ``_ {…}``, which opens no
emphasis, commands have letters for names (``\lbrace``, ``\cr``), no bar ends a table's cell and no bracket begins a
link. The one exception is the underscore in the name of a function, ``\_``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from symbackprop.document.blocks import KINDS
from symbackprop.emit.drawing_svg import HUES
from symbackprop.emit.target_latex import Latex
from symbackprop.notation.glyph import joined, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.emit import layout as y
    from symbackprop.notation.glyph import Item

CIRCLED = ord("①") - 1
_TOKENS = {
    "_": "_ ",
    "<": r"\lt",
    ">": r"\gt",
    "|": r"\vert",
    "*": r"\ast",
    "~": r"\thickspace",
    r"\|": r"\Vert",
    r"\{": r"\lbrace",
    r"\}": r"\rbrace",
    r"\,": r"\thinspace",
    r"\operatorname": r"\mathrm",
    r"\bm": r"\boldsymbol",
}
"""Tokens that are written in another way."""


class Markdown(Latex):
    """See the module's first lines."""

    name = "markdown"
    breaks: ClassVar[str] = r" \cr "

    def items(self, items: Sequence[Item]) -> str:
        return joined([_TOKENS.get(token, token) for token in tokens(items)])

    def sign(self, box: y.Sign) -> str:
        return _TOKENS.get(box.token, box.token)

    def lowered(self, box: y.Lowered) -> str:
        return rf"{self.show(box.base)}_ {{{self.show(box.index)}}}"

    def summation(self, box: y.Summation) -> str:
        upper = "" if box.upper is None else f"^{{{self.show(box.upper)}}}"
        return rf"\sum_ {{{self.show(box.lower)}}}{upper}"

    def _edges(self, kind: str, height: int) -> tuple[str, str]:
        left, right = super()._edges(kind, height)
        return (left, f"{right} ") if kind == "[]" else (left, right)

    def norm(self, box: y.Norm) -> str:
        left, right = self._SIZES[box.height]
        return rf"{left}\lVert {self.show(box.inside)} {right}\rVert{'_ F' if box.frobenius else ''}^2"

    def tinted(self, box: y.Tinted) -> str:
        return rf"\textcolor{{{HUES[KINDS.get(box.kind, 'F')]}}}{{{self.show(box.inside)}}}"

    def numbered(self, box: y.Numbered) -> str:
        return rf"\text{{{chr(CIRCLED + box.number)}}}\quad"

    def braced(self, box: y.Braced) -> str:
        return rf"\underbrace{{{self.show(box.inside)}}}_ {{\textstyle {self.show(box.name)}}}"

    def matrix(self, body: str, *, numbers: bool) -> str:
        """Rows in brackets, in the environment that every reader knows."""
        del numbers
        return super().matrix(body, numbers=False)

    def under(self, box: y.Under) -> str:
        return rf"\underset{{\scriptscriptstyle {self.show(box.shape)}}}{{{self.show(box.inside)}}}"

    def direct(self, box: y.Direct) -> str:
        return rf"\left.{self.show(box.inside)}\right\vert_ {{\text{{direct}}}}"
