"""Boxes as LaTeX for amsmath and amssymb; kinds and paths by macros that a document defines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from symbackprop.document.blocks import KINDS
from symbackprop.emit.target import Target
from symbackprop.notation.glyph import joined, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.emit import layout as y
    from symbackprop.notation.glyph import Item

_COMMAND = re.compile(r"\\[A-Za-z]+$")


class Latex(Target):
    """See the module's first line."""

    name = "latex"
    breaks: ClassVar[str] = r" \\ "
    """Between the rows of cases and matrices."""
    _SIZES: ClassVar[tuple[tuple[str, str], ...]] = (("", ""), (r"\Bigl", r"\Bigr"), (r"\biggl", r"\biggr"))

    def items(self, items: Sequence[Item]) -> str:
        return joined(tokens(items))

    def digits(self, box: y.Digits) -> str:
        return box.text

    def sign(self, box: y.Sign) -> str:
        return box.token

    def words(self, box: y.Words) -> str:
        return rf"\text{{{box.text}}}"

    def beside(self, box: y.Beside) -> str:
        out = ""
        for part in box.parts:
            text = self.show(part)
            out += (" " if _COMMAND.search(out) and (text[:1].isalpha() or out.endswith(r"\partial")) else "") + text
        return out

    def spaced(self, box: y.Spaced) -> str:
        return " ".join(map(self.show, box.parts))

    def fraction(self, box: y.Frac) -> str:
        return rf"\frac{{{self.show(box.over)}}}{{{self.show(box.under)}}}"

    def root(self, box: y.Root) -> str:
        return rf"\sqrt{{{self.show(box.inside)}}}"

    def power(self, box: y.Power) -> str:
        exponent = self.show(box.exponent)
        return f"{self.show(box.base)}^" + (exponent if len(exponent) == 1 else f"{{{exponent}}}")

    def turned(self, box: y.Turned) -> str:
        sign = self.items(box.sign)
        return f"{self.show(box.base)}^" + (sign if len(box.sign) == 1 else f"{{{sign}}}")

    def lowered(self, box: y.Lowered) -> str:
        return f"{self.show(box.base)}_{{{self.show(box.index)}}}"

    def summation(self, box: y.Summation) -> str:
        upper = "" if box.upper is None else f"^{{{self.show(box.upper)}}}"
        return rf"\sum_{{{self.show(box.lower)}}}{upper}"

    def fence(self, box: y.Fence) -> str:
        left, right = self._edges(box.kind, box.height)
        return f"{left}{self.show(box.inside)}{right}"

    def edge(self, box: y.Edge) -> str:
        return self._edges(box.kind, box.height)[box.closing]

    def _edges(self, kind: str, height: int) -> tuple[str, str]:
        left, right = self._SIZES[height]
        opening, closing = (r"\lvert ", r" \rvert") if kind == "||" else (kind[0], kind[1])
        return left + opening, right + closing

    def norm(self, box: y.Norm) -> str:
        left, right = self._SIZES[box.height]
        return rf"{left}\lVert {self.show(box.inside)} {right}\rVert{'_F' if box.frobenius else ''}^2"

    def cases(self, box: y.Cases) -> str:
        body = self.breaks.join(f"{self.show(value)} & {self.show(when)}" for value, when in box.rows)
        return rf"\begin{{cases}} {body} \end{{cases}}"

    def blocks(self, box: y.Blocks) -> str:
        body = self.breaks.join(" & ".join(map(self.show, row)) for row in box.rows)
        return self.matrix(body, numbers=box.numbers)

    def matrix(self, body: str, *, numbers: bool) -> str:
        """Rows in brackets; numbers stand below each other at their last digits."""
        name, align = ("bmatrix*", "[r]") if numbers else ("bmatrix", "")
        return rf"\begin{{{name}}}{align} {body} \end{{{name}}}"

    def gap(self, box: y.Gap) -> str:
        del box
        return r"\quad"

    def tinted(self, box: y.Tinted) -> str:
        return rf"\factor{{{KINDS.get(box.kind, 'F')}}}{{{self.show(box.inside)}}}"

    def numbered(self, box: y.Numbered) -> str:
        return rf"\pathmark{{{box.number}}}"

    def braced(self, box: y.Braced) -> str:
        return rf"\underbrace{{{self.show(box.inside)}}}_{{\textstyle {self.show(box.name)}}}"

    def under(self, box: y.Under) -> str:
        return rf"\underset{{\scriptscriptstyle\;{self.show(box.shape)}\;}}{{{self.show(box.inside)}}}"

    def direct(self, box: y.Direct) -> str:
        return rf"\left.{self.show(box.inside)}\right|_{{\text{{direct}}}}"
