"""Which lines meet: the matrix products of the backward pass as grids, the summed lines and the entry they make marked.

The sum in index form says which line of each stored array is summed; where that is not a row of the left factor or a
column of the right one, the array is turned before the product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Bound, Size, const
from symbackprop.document.blocks import Entry, Expression, Figure, ShapeOf, Span, Spans, Sum, Whole
from symbackprop.document.drawing import Circle, Drawing, Label, Line, Rect, Shape, moved
from symbackprop.errors import UnsupportedError
from symbackprop.index import primal_name, product
from symbackprop.matrix import Axis, Leaf, MatMul, Node, Outer, Transpose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from symbackprop.document.view import View
    from symbackprop.index import Equation

SENTENCE = (
    " shows which lines of the stored arrays are summed. A product lets rows of the left factor meet columns of the "
    "right one; what lies otherwise is turned first."
)
MOST = 3
"""Products that are drawn, each of another pattern."""
MATRIX = 2
GAP, ARROW, HEAD, BELOW = 6.0, 14.0, 9.6, 4.0
BESIDE = 33.0
"""Room for the sum in index form."""
LONG = 6
"""Letters of a name beyond which cells are wider and fewer."""
OPEN = 3
"""Cells along an axis whose size differs from layer to layer."""


Lines = tuple[Axis | None, Axis | None]
"""The axes down and across a grid; a vector lacks one."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """A product as it is printed: both stored factors, the axes of its lines, and the equation it stands in."""

    equation: Equation
    node: MatMul | Outer
    left: Leaf
    right: Leaf
    summed: Axis | None
    whole: bool
    """True where the equation says that its left side is this product and nothing else."""

    @property
    def rows(self) -> Axis | None:
        """The axis that is left of the left factor."""
        return next((axis for axis in self.left.axes if axis != self.summed), None)

    @property
    def columns(self) -> Axis | None:
        return next((axis for axis in self.right.axes if axis != self.summed), None)

    @property
    def turned(self) -> tuple[bool, bool]:
        """Which factors are stored the other way round."""
        left, right = self.left.axes, self.right.axes
        return len(left) == MATRIX and left[0] == self.summed, len(right) == MATRIX and right[1] == self.summed

    @property
    def pattern(self) -> tuple[object, ...]:
        """Products of one pattern look alike."""
        return (*self.turned, len(self.left.axes), len(self.right.axes), type(self.node))


def meetings(view: View) -> list[Meeting]:
    """The products of the backward pass, one of each pattern, in order of computation."""
    found: dict[tuple[object, ...], Meeting] = {}
    for chain in view.derivation.written:
        lifted = view.lifted(chain.equation)
        for case in lifted.cases if lifted is not None else ():
            for node in case.node.walk():
                meeting = _meeting(chain.equation, node, rows=view.rows, whole=node is case.node)
                if meeting is not None:
                    found.setdefault(meeting.pattern, meeting)
    return list(found.values())[:MOST]


def _meeting(equation: Equation, node: Node, *, rows: bool, whole: bool) -> Meeting | None:
    """A product of two stored arrays, in the order in which it is printed; None for anything else."""
    if not isinstance(node, MatMul | Outer):
        return None
    left, right = (part.x if isinstance(part, Transpose) else part for part in (node.a, node.b))
    if not isinstance(left, Leaf) or not isinstance(right, Leaf):
        return None
    ranks = len(left.axes), len(right.axes)
    if max(ranks) > MATRIX:
        return None
    if (ranks == (MATRIX, 1) and rows) or (ranks == (1, MATRIX) and not rows):
        left, right = right, left
    summed = node.summed if isinstance(node, MatMul) else None
    if MATRIX not in ranks and summed is not None:  # an inner product has no lines to show
        return None
    return Meeting(equation, node, left, right, summed, whole)


# ---------------------------------------------------------------------------------------------------------------------


def figure(view: View) -> Figure | None:
    """Grids of the products; None where none of them sums lines, or where arrays are not shown."""
    shown = meetings(view) if view.matrix else []
    if all(meeting.summed is None for meeting in shown):
        return None
    shapes: list[Shape] = []
    width = height = 0.0
    for meeting in shown:
        row = _Row(view, meeting)
        shapes += (moved(shape, 0.0, height) for shape in row.shapes())
        width, height = max(width, row.width), height + row.height + BELOW
    return Figure(Drawing(tuple(shapes), width, height - BELOW + 1.0), _caption(shown), "meeting", _alt(shown))


def _lines(meeting: Meeting) -> tuple[str, str]:
    """Which lines of the stored arrays are summed."""
    left, right = meeting.turned
    return (
        "column" if left else "row" if len(meeting.left.axes) == MATRIX else "vector",
        "row" if right else "column" if len(meeting.right.axes) == MATRIX else "vector",
    )


def _words(meeting: Meeting) -> tuple[str, ...]:
    """Why something is turned."""
    if meeting.summed is None:
        return ("nothing is summed",)
    turn = {
        (False, False): "nothing is turned",
        (True, False): "turn the left one",
        (False, True): "turn the right one",
        (True, True): "turn both",
    }
    return f"{' meets '.join(_lines(meeting))}:", turn[meeting.turned]


def _caption(shown: Sequence[Meeting]) -> Spans:
    spans: list[Span] = ["Which lines meet? Marked are one entry of a product and the lines whose products it sums. "]
    for meeting in shown:
        node, equation = meeting.node, meeting.equation
        if meeting.summed is None:
            spans += ["In ", Expression(node, equation), " each entry is one product. "]
            continue
        one, other = _lines(meeting)
        names = (
            Whole(meeting.left.ref.tensor, meeting.left.ref.index),
            Whole(meeting.right.ref.tensor, meeting.right.ref.index),
        )
        turned = [name for name, is_turned in zip(names, meeting.turned, strict=True) if is_turned]
        end: Spans = ("so nothing is turned. ",) if not turned else ("so ", turned[0], " is turned. ")
        end = ("so both are turned. ",) if len(turned) == MATRIX else end
        left: Spans = (f"a {one} of ", names[0]) if one != "vector" else (names[0],)
        right: Spans = (f"a {other} of ", names[1]) if other != "vector" else (names[1],)
        spans += ["In ", Expression(node, equation), ", ", *left, " meets ", *right, ", ", *end]
    return tuple(spans)


def _alt(shown: Sequence[Meeting]) -> str:
    said = "; ".join(
        f"{meeting.left.ref.tensor} and {meeting.right.ref.tensor}, {' '.join(_words(meeting))}" for meeting in shown
    )
    return f"Matrix products: {len(shown)} as grids of cells, with the lines that are summed in colour: {said}."


def _printed(leaf: Leaf, *, turned: bool) -> Node:
    """A factor as it stands in the product."""
    return Transpose(x=leaf, to=leaf.labels[::-1]) if turned else leaf


class _Row:
    """One product: the array that is turned, an arrow, the two factors and what comes out."""

    def __init__(self, view: View, meeting: Meeting) -> None:
        self.view, self.meeting = view, meeting
        names = [leaf.ref.tensor for leaf in (meeting.left, meeting.right)]
        self.fractions = any(view.spelling.tensor(name) is None for name in names)
        self.wide = self.fractions or max(map(view.letters, names)) > LONG
        self.cell = (7.6, 8.4) if self.fractions else (7.8, 6.0) if self.wide else (6.2, 6.2)
        self.scale = 0.55 if self.fractions else 0.85
        self.most = 3 if self.wide else 4
        rows = [self.places(axis) for axis in (meeting.rows, meeting.summed, meeting.columns)]
        self.tallest = max(map(len, rows)) * self.cell[1]
        self.height = HEAD + self.tallest
        self.width = 0.0

    def places(self, axis: Axis | None) -> tuple[Affine | None, ...]:
        """Numbers of the cells along an axis, None for dots; a vector has one line without a number."""
        if axis is None:
            return (const(0),)
        size = self.size(axis)
        if size <= self.most:
            return tuple(const(k) for k in range(size))
        last = axis.extent - 1
        return (const(0), None, last) if self.wide else (const(0), const(1), None, last)

    def size(self, axis: Axis) -> int:
        if axis.extent.variables or any(isinstance(a, Size) and a.at for a, _ in axis.extent.terms):
            return OPEN
        try:
            return self.view.graph.extent(axis.extent)
        except UnsupportedError:
            return OPEN

    def shapes(self) -> Iterator[Shape]:
        """From left to right."""
        meeting = self.meeting
        left, right = meeting.turned
        rows, summed, columns = meeting.rows, meeting.summed, meeting.columns
        x = GAP / 2 - 0.4
        if left != right:
            stored, style = (meeting.left, "cellD") if left else (meeting.right, "cellC")
            yield from self.grid(x, (stored.axes[0], stored.axes[1]), stored, style, stored)
            x += self.wide_of(stored.axes[1]) + 1.5
            y = HEAD + self.tallest / 2
            yield Line(((x, y), (x + ARROW - 3.0, y)), "flow", arrow=True)
            yield Label(x + (ARROW - 3.0) / 2 - 0.6, y - 1.4, "turn", "base", "note", scale=0.75)
            x += ARROW
        parts: tuple[tuple[Lines, Leaf | None, str, Node | None, str], ...] = (
            ((rows, summed), meeting.left, "cellD", _printed(meeting.left, turned=left), "·"),
            ((summed, columns), meeting.right, "cellC", _printed(meeting.right, turned=right), "="),
            ((rows, columns), None, "key", None, ""),
        )
        for axes, leaf, style, head, sign in parts:
            yield from self.grid(x, axes, leaf, style, head)
            x += self.wide_of(axes[1])
            if sign:
                yield Label(x + GAP / 2, HEAD + self.tallest / 2, sign)
                x += GAP
        yield from self.sum(x + 4.0)
        self.width = x + 4.0 + BESIDE

    def wide_of(self, axis: Axis | None) -> float:
        return len(self.places(axis)) * self.cell[0]

    def sum(self, x: float) -> Iterator[Shape]:
        """The sum in index form, and what follows from it."""
        meeting, y = self.meeting, HEAD + self.tallest / 2
        bounds: tuple[Bound, ...] = ()
        if meeting.summed is not None:
            bounds = (Bound(meeting.summed.label, const(0), meeting.summed.extent - 1, meeting.summed.label),)
        term = product(1, [meeting.left.element(), meeting.right.element()], bounds=bounds)
        yield Label(x, y - 2.2, Sum((term,)), "west", room=BESIDE - 1.0, scale=0.9)
        for k, words in enumerate(_words(meeting)):
            yield Label(x, y + 6.0 + 3.4 * k, words, "base west", "note", BESIDE - 1.0, 0.76)

    def grid(self, x: float, axes: Lines, leaf: Leaf | None, style: str, head: Node | None) -> Iterator[Shape]:
        """An array as cells, its name and shape above, the cells that matter in colour with their entries."""
        down, across = (self.places(axis) for axis in axes)
        top = HEAD + (self.tallest - len(down) * self.cell[1]) / 2
        marked: list[Shape] = []
        for r, row in enumerate(down):
            for c, column in enumerate(across):
                at = (x + (c + 0.5) * self.cell[0], top + (r + 0.5) * self.cell[1])
                on = self.on(axes[0], r, down) and self.on(axes[1], c, across)
                yield Rect(*at, *self.cell, 0.0, "faint")
                if on:
                    marked += self.marked(at, axes, (row, column), leaf, style)
        yield from marked
        middle = x + len(across) * self.cell[0] / 2
        yield from self.head(middle, top, leaf, head, len(across) * self.cell[0])

    def head(self, x: float, top: float, leaf: Leaf | None, node: Node | None, wide: float) -> Iterator[Shape]:
        """Name and shape above a grid."""
        meeting = self.meeting
        room = wide + GAP - 1.0
        name: Whole | Expression = Expression(node or meeting.node, meeting.equation)
        if isinstance(node, Leaf):
            name = Whole(node.ref.tensor, node.ref.index)
        if node is None and meeting.whole:
            lhs = meeting.equation.lhs
            name = Whole(lhs.tensor, lhs.index[: len(lhs.index) - len(meeting.node.axes)])
        turned = isinstance(node, Transpose)
        above = 4.8 if leaf is not None and not turned else 5.6 if isinstance(name, Expression) else 2.4
        yield Label(x, top - above, name, "base", "head", room, 0.92)  # an expression may hold fractions
        if not turned and leaf is not None:
            yield Label(x, top - 1.4, ShapeOf(leaf.ref.tensor, bare=True), "base", "note", room, 0.75)

    def on(self, axis: Axis | None, place: int, places: Sequence[Affine | None]) -> bool:
        """True for all cells along the summed axis, for the chosen line along another."""
        return (
            axis is None or axis == self.meeting.summed or place == min(1, len(places) - 1) * (places[1:2] != (None,))
        )

    def marked(
        self,
        at: tuple[float, float],
        axes: Lines,
        numbers: tuple[Affine | None, Affine | None],
        leaf: Leaf | None,
        style: str,
    ) -> Iterator[Shape]:
        """A coloured cell with its entry, numbered along the sum and with letters otherwise."""
        yield Rect(*at, *self.cell, 0.0, "page")
        yield Rect(*at, *self.cell, 0.0, style)
        summed = self.meeting.summed
        along = [number for axis, number in zip(axes, numbers, strict=True) if axis == summed and axis is not None]
        if along == [None]:
            vertical = axes[0] == summed
            for d in (-1.1, 0.0, 1.1):
                yield Circle(at[0] + (0.0 if vertical else d), at[1] + (d if vertical else 0.0), 0.3, "dot")
        elif leaf is not None:
            element = leaf.element()
            moved_ = {summed.label: along[0]} if summed is not None and along and along[0] is not None else {}
            ref = type(element)(element.tensor, tuple(form.substitute(moved_) for form in element.index))
            yield Label(*at, Entry(ref, self.meeting.equation), room=self.cell[0] - 1.0, scale=self.scale)
        elif self.meeting.whole and self.view.has_own_name(primal_name(self.meeting.equation.lhs.tensor)):
            equation = self.meeting.equation
            yield Label(*at, Entry(equation.lhs, equation), room=self.cell[0] - 1.0, scale=0.85)
