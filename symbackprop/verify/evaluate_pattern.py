"""Matrices with dots: the entries that are written fix those that are not.

An index that changes from one written column to the next changes by one from column to column; likewise for rows.
Where the diagonal has a form of its own, its entries follow the diagonal and the others follow each other. Entries
that are written stand as they are, so a wrong one is not healed by the pattern.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.handwritten.expression import Array, Node, Operation
from symbackprop.verify.evaluate_nodes import differences, moved
from symbackprop.verify.evaluate_values import Undecidable

if TYPE_CHECKING:
    from collections.abc import Callable

    from symbackprop.affine import Affine

Place = tuple[int, int]
Path = tuple[object, ...]


def is_dots(node: Node) -> bool:
    """True for the mark of an ellipsis."""
    return isinstance(node, Operation) and node.name == "dots"


def filled(node: Array, expected: tuple[int, ...] | None, whole: Callable[[Affine], int]) -> list[list[Node]]:
    """All entries of a matrix with dots, row by row.

    Raises: Undecidable where the pattern or the size cannot be told.
    """
    return _Pattern(node, expected, whole).entries()


class _Pattern:
    def __init__(self, node: Array, expected: tuple[int, ...] | None, whole: Callable[[Affine], int]) -> None:
        self.node, self.whole = node, whole
        rows = len(node.rows)
        columns = len(node.rows[0])
        if any(len(row) != columns for row in node.rows):
            message = "the rows of this matrix have different lengths"
            raise Undecidable(node, message)
        dotted_rows = [r for r in range(rows) if all(is_dots(e) for e in node.rows[r])] or [
            r for r in range(rows) if is_dots(node.rows[r][0])
        ]
        full_rows = [r for r in range(rows) if r not in dotted_rows]
        dotted_columns = [c for c in range(columns) if all(is_dots(node.rows[r][c]) for r in full_rows)]
        self.rows = _Axis(rows, dotted_rows)
        self.columns = _Axis(columns, dotted_columns)
        self.written = {
            (r, c): e for r, row in enumerate(node.rows) for c, e in enumerate(row)
            if not is_dots(e) and r not in dotted_rows and c not in dotted_columns
        }  # fmt: skip
        self.own_diagonal = self._own_diagonal()
        self.height = self._length(self.rows, expected, 0)
        self.width = self._length(self.columns, expected, 1)

    def _own_diagonal(self) -> bool:
        a, b = self.written.get((0, 0)), self.written.get((0, 1))
        return a is not None and b is not None and self._pairs(a, b) is None

    def _pairs(self, a: Node, b: Node) -> list[tuple[Path, Affine, Affine]] | None:
        try:
            return list(differences(self.node, a, b))
        except Undecidable:
            return None

    def _mates(self, axis: int) -> tuple[Place, Place] | None:
        """Two written entries of one form that differ along an axis, as far apart as possible."""
        found: tuple[Place, Place] | None = None
        for a in sorted(self.written):
            for b in sorted(self.written):
                if a[1 - axis] != b[1 - axis] or a[axis] >= b[axis]:
                    continue
                diagonal = self.own_diagonal and (self._on_diagonal(a) or self._on_diagonal(b))
                if not diagonal and self._pairs(self.written[a], self.written[b]):
                    far = b[axis] - a[axis]
                    if found is None or far > found[1][axis] - found[0][axis]:
                        found = a, b
        return found

    def _on_diagonal(self, place: Place) -> bool:
        return self.rows.counted(place[0]) == self.columns.counted(place[1])

    def _length(self, line: _Axis, expected: tuple[int, ...] | None, axis: int) -> int:
        if not line.dots:
            return line.count
        mates = self._mates(axis) if line.tail else None
        if mates is not None and line.counted(mates[1][axis]) < 0:
            first, last = mates
            gaps = {
                abs(self.whole(b - a)) for _, a, b in self._pairs(self.written[first], self.written[last]) or []
            }  # fmt: skip
            if len(gaps) == 1:
                return gaps.pop() + line.counted(first[axis]) - line.counted(last[axis])
        if expected is None:
            message = "the size of a matrix with dots"
            raise Undecidable(self.node, message)
        return expected[axis]

    def entries(self) -> list[list[Node]]:
        return [[self._entry(r, c) for c in range(self.width)] for r in range(self.height)]

    def _entry(self, r: int, c: int) -> Node:
        place = self.rows.place(r, self.height), self.columns.place(c, self.width)
        if None not in place and place in self.written:
            return self.written[place]
        if self.own_diagonal and r == c:
            return self._followed((0, 0), (1, 1), r)
        moves: dict[Path, int] = {}
        base: Place | None = None
        for axis, at in ((0, r), (1, c)):
            mates = self._mates(axis)
            if mates is None and (self.rows, self.columns)[axis].count == 1:
                continue
            if mates is None:
                message = "the pattern of a matrix with dots"
                raise Undecidable(self.node, message)
            base = base if base is not None else mates[0]
            line, length = (self.rows, self.height) if axis == 0 else (self.columns, self.width)
            start, end = (line.number(m[axis], length) for m in mates)
            steps = at - line.number(base[axis], length)
            for path, a, b in self._pairs(self.written[mates[0]], self.written[mates[1]]) or []:
                stride = self.whole(b - a) // (end - start)
                moves[path] = moves.get(path, 0) + stride * steps
        assert base is not None, "dots stand between rows or columns"  # noqa: S101
        result: Node = moved(self.written[base], moves, 1)
        return result

    def _followed(self, first: Place, second: Place, steps: int) -> Node:
        a, b = self.written.get(first), self.written.get(second)
        pairs = self._pairs(a, b) if a is not None and b is not None else None
        if a is None or pairs is None:
            message = "the pattern of the diagonal"
            raise Undecidable(self.node, message)
        result: Node = moved(a, {path: self.whole(y - x) for path, x, y in pairs}, steps)
        return result


class _Axis:
    """Written rows (or columns) before and after the dots."""

    def __init__(self, count: int, dots: list[int]) -> None:
        self.count, self.dots = count, dots
        self.tail = bool(dots) and dots[-1] < count - 1

    def counted(self, k: int) -> int:
        """The number of a written row: from 0, or negative from the end for those after the dots."""
        return k if not self.dots or k < self.dots[0] else k - self.count

    def number(self, k: int, length: int) -> int:
        """The number of a written row in the whole."""
        counted = self.counted(k)
        return counted if counted >= 0 else length + counted

    def place(self, number: int, length: int) -> int | None:
        """Where a row is written; None for those that the dots stand for."""
        if not self.dots or number < self.dots[0]:
            return number if number < self.count else None
        k = number - length + self.count
        return k if k > self.dots[-1] else None
