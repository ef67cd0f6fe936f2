"""Displays whose rows are aligned at their equals signs and broken into lines by measure, as TeX and MathJax set them.

``AlignedWriter`` is the base of writers of LaTeX: how wide a line is, and in which sizes a display may be set, is for
each of them to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from symbackprop.emit import layout as y
from symbackprop.emit.breaking import pieces_of
from symbackprop.emit.measure import extent
from symbackprop.emit.measure import width as width_of
from symbackprop.emit.writer import Writer, below_each_other

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.document import blocks as b
    from symbackprop.emit.compose import Composed, Right

LONG_LEFT = 13.0
"""Left sides wider than this stand on a line of their own."""
LONG_INDENT = 2.0


def width(box: y.Box | None) -> float:
    """About how wide a formula is, in em."""
    return extent(box) if box is not None else 0.0


_SIGNED = re.compile(r"((?:\\q?quad )*(?:=|\+|-|\\cdot)?) ?(.*)", re.DOTALL)
"""A line's indentation and sign, and the rest."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a display: what stands left and right of the alignment mark, and the conditions at its end."""

    left: str
    right: str
    when: str = ""

    @property
    def text(self) -> str:
        return f"{self.left}&{self.right}" + (rf" && {self.when}" if self.when else "")

    def fitted(self, lead: float, room: float) -> str:
        """The line; where it is too wide though broken, what stands right of the mark as wide as there is room."""
        body = self.right + (rf"  {self.when}" if self.when else "")
        if lead + width_of(body) <= room:
            return self.text
        sign, rest = _SIGNED.fullmatch(body).groups()  # type: ignore[union-attr]  # matches everything
        return rf"{self.left}&{sign} \fitted{{{lead + width_of(sign):.1f}em}}{{{rest}}}"


class AlignedWriter(Writer):
    """Rows of displays as lines."""

    room: ClassVar[float] = 35.0
    """Room for a displayed formula, in em: the text's width less the indentation and the number."""
    sizes: ClassVar[Sequence[tuple[str, float]]] = (("", 1.0),)
    """Sizes in which a display may be set, with their scale; what fits in none is broken in the first."""

    def arranged(self, rows: Sequence[b.Row]) -> tuple[str, list[tuple[b.Row, list[str]]]]:
        """The size to set a display in, and the lines of each row; a row that repeats the one above it is left out."""
        rows = below_each_other(rows)
        composed = [self.composed(row) for row in rows]
        lead = max(width(each.left) for each in composed)
        if lead > LONG_LEFT:
            lead = LONG_INDENT
        size, room = next(
            (
                (size, self.room / scale)
                for size, scale in self.sizes
                if all(_fits(each, lead, self.room / scale) for each in composed)
            ),
            (self.sizes[0][0], self.room / self.sizes[0][1]),
        )
        found: list[tuple[b.Row, list[str]]] = []
        above: list[Line] | None = None
        for row, each in zip(rows, composed, strict=True):
            lines = self.lines(each, lead, room)
            if lines != above:  # both levels may agree
                found.append((row, [self.fitted(line, lead, room) for line in lines]))
            above = lines
        return size, found

    def fitted(self, line: Line, lead: float, room: float) -> str:
        """A line as text; who can sets one that is too wide though broken smaller."""
        del lead, room
        return line.text

    def lines(self, composed: Composed, lead: float, room: float) -> list[Line]:
        """The lines of one formula; a long left side has a line of its own."""
        left = self.show(composed.left) if composed.left is not None else ""
        if not composed.rights:
            return [Line("", f" {left}")]
        apart = lead == LONG_INDENT
        lines = [Line("", f" {left}")] if apart else []
        for number, right in enumerate(composed.rights):
            opening = ("", r"\qquad = ") if apart else (f"{'' if number else left} ", "= " if left else "")
            lines += self.filled(opening, right, lead, room)
        return lines

    def filled(self, opening: tuple[str, str], right: Right, lead: float, room: float) -> list[Line]:
        """Lines of ``= parts``, as many parts in each as fit; parts that do not fit are broken inside."""
        if right.when is not None:
            room -= width(right.when) + 3
        lines: list[Line] = []
        left, start = opening
        again = "" if right.separate else r"\qquad\quad " if lead == LONG_INDENT else r"\quad "
        current: list[y.Box] = []
        used = lead + 1.4
        for number, part in enumerate(right.parts):
            for k, piece in enumerate(pieces_of(part, room - lead - 2.5, width)):
                size = width(piece)
                if (number or k) and (used + size > room or (right.stacked and not k)):
                    lines.append(Line(left, start + self.show(y.spaced(current))))
                    left, start, current, used = "", again, [], lead + 2.4
                current.append(piece)
                used += size
        when = "" if right.when is None else rf"\text{{for }} {self.show(right.when)}"
        return [*lines, Line(left, start + self.show(y.spaced(current)), when)]

    def composed(self, row: b.Row) -> Composed:
        """The row in parts; cases that do not fit stand below each other without a brace."""
        composed = self.composer.row(row.formula)
        if any(
            y.holds(part, y.Cases) and width(composed.left) + width(part) + 2 > self.room
            for right in composed.rights
            for part in right.parts
        ):
            return self.composer.row(row.formula, apart=True)
        return composed


def _fits(composed: Composed, lead: float, room: float) -> bool:
    """True where no part has to be broken inside, nor, where each stands in one line, the whole."""
    for right in composed.rights:
        spare = width(right.when) + 3 if right.when is not None else 0
        widths = [width(part) for part in right.parts]
        if lead + 3.9 + spare + (max(widths) if right.stacked else min(sum(widths), max(widths) + 1)) > room:
            return False
    return True
