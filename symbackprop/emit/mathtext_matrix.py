"""Matrix nodes as mathematics: products, transposes, entrywise products, sums over axes as products with ones.

Vectors stand as the preset says. Arrays of more than two axes are written where only entrywise operations touch them;
``matrix.is_writable`` tells what is, and the rest is for the index level.
"""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatchmethod
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.affine import Affine
from symbackprop.emit import layout as y
from symbackprop.emit.layout import ADD, ATOM, BINARY, PRODUCT, SUM, Piece
from symbackprop.emit.mathtext_templates import Leaves, Templates, place
from symbackprop.emit.target import SIGNS, name_of
from symbackprop.index import Apply, Compare, Value, Where, slot
from symbackprop.matrix import (
    Add,
    AlongAxis,
    Broadcast,
    Concat,
    Elementwise,
    FamilySum,
    Hadamard,
    Leaf,
    MatMul,
    Node,
    Number,
    OpaqueCall,
    Outer,
    Scale,
    SumOver,
    Transpose,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.emit.mathtext import Printer
    from symbackprop.emit.mathtext_names import Frame
    from symbackprop.matrix import Axis
    from symbackprop.notation.glyph import Pattern

_MATRIX = 2


class ArrayTemplates(Templates):
    """Templates whose leaves may be arrays: products and powers of arrays are entrywise."""

    def __init__(self, printer: Printer, arrays: frozenset[Any]) -> None:
        super().__init__(printer)
        self.arrays = arrays

    def is_array(self, template: Any) -> bool:
        """True where an array fills one of the slots."""
        return bool(template.free_symbols & self.arrays)

    def piece(self, template: Any, leaves: Leaves) -> Piece:
        """The template with its slots filled; exp of an array is written as a function."""
        if isinstance(template, sp.exp) and self.is_array(template):
            inner = self.piece(template.args[0], leaves)
            return Piece(y.beside(y.symbol(r"\exp"), self.target.brackets(inner)), ATOM, inner.height)
        return super().piece(template, leaves)

    def _mul(self, product: Any, leaves: Leaves) -> Piece:
        coefficient, rest = product.as_coeff_Mul()
        parts = sorted(sp.Mul.make_args(rest), key=place)
        arrays = [part for part in parts if self.is_array(part)]
        if not arrays or coefficient < 0:
            return super()._mul(product, leaves)
        scalar = sp.Mul(coefficient, *(part for part in parts if part not in arrays))
        return self.hadamard(
            [self.piece(part, leaves) for part in arrays], [] if scalar == 1 else [self.piece(scalar, leaves)]
        )

    def hadamard(self, pieces: Sequence[Piece], scalars: Sequence[Piece] = ()) -> Piece:
        """The entrywise product of arrays; scalars stand before the first, to which juxtaposition binds them."""
        if scalars:
            pieces = [self.target.product([*scalars, pieces[0]]), *pieces[1:]]
        if len(pieces) == 1:
            return pieces[0]
        sign = y.Sign(self.printer.preset.signs.hadamard)
        boxes = [self.target.within(p, PRODUCT) for p in pieces]
        return Piece(y.separated(boxes, sign), BINARY, max(p.height for p in pieces))

    def _pow(self, power: Any, leaves: Leaves) -> Piece:
        base, exponent = power.as_base_exp()
        if not self.is_array(power):
            return super()._pow(power, leaves)
        if exponent == sp.Rational(1, 2):
            return super()._pow(power, leaves)
        inner = self.piece(base, leaves)
        shown = self.piece(exponent, leaves)
        bare = inner.level == ATOM and not inner.height and not y.has_superscript(inner.box)
        entrywise = Piece(y.spaced([y.Sign(r"\circ"), shown.box]), ADD)
        return self.power(inner.box if bare else self.target.brackets(inner), entrywise)


class MatrixText:
    """Writes nodes for one printer, under the letters of one equation."""

    def __init__(self, printer: Printer, frame: Frame, *, shapes: bool = False) -> None:
        self.printer, self.target, self.frame, self.shapes = printer, printer.target, frame, shapes
        self.rows = printer.preset.orientation.vectors == "rows"

    # -- pieces of nodes -----------------------------------------------------------------------------------------------

    @singledispatchmethod
    def piece(self, node: Node) -> Piece:
        """The node as a piece."""
        message = f"{type(node).__name__} has no matrix notation"
        raise TypeError(message)

    @piece.register
    def _(self, node: Leaf) -> Piece:
        return self.over_shape(self.printer.array(node.ref, self.frame), node.axes)

    @piece.register
    def _(self, node: Number) -> Piece:
        return self.printer.number(node.form, self.frame)

    @piece.register
    def _(self, node: Transpose) -> Piece:
        return self.turned(node.x) if node.to != node.x.labels else self.piece(node.x)

    @piece.register
    def _(self, node: MatMul) -> Piece:
        a, b = node.a, node.b
        ranks = len(a.axes), len(b.axes)
        if ranks == (_MATRIX, 1) and self.rows:
            return self.product(self.piece(b), self.turned(a))
        if ranks == (1, _MATRIX) and not self.rows:
            return self.product(self.turned(b), self.piece(a))
        if ranks == (1, 1):
            return self.inner(self.pair(a), self.pair(b))
        return self.product(self.piece(a), self.piece(b))

    @piece.register
    def _(self, node: Outer) -> Piece:
        sign = self.printer.preset.signs.outer
        if sign != "transpose":
            shown = [self.target.within(self.piece(each), PRODUCT) for each in (node.a, node.b)]
            return Piece(y.separated(shown, y.Sign(sign)), BINARY)
        return self.outer(self.pair(node.a), self.pair(node.b))

    @piece.register
    def _(self, node: Hadamard) -> Piece:
        pieces = [self.piece(each) for each in node.factors]
        return self.entrywise(pieces) if node.axes else self.product(*pieces)

    @piece.register
    def _(self, node: Add) -> Piece:
        return self.target.total([self.signed(term) for term in node.terms], BINARY)

    @piece.register
    def _(self, node: Scale) -> Piece:
        negative, piece = self.signed(node)
        if not negative:
            return piece
        return self.target.negative(piece, BINARY)

    @piece.register
    def _(self, node: SumOver) -> Piece:
        norm = self.norm(node)
        if norm is not None:
            return norm
        axes = node.x.axes
        ones = {axis.label: self.ones(axis.extent) for axis in axes}
        if len(axes) == 1:
            return self.inner(ones[axes[0].label], self.pair(node.x))
        first, second = (axis.label for axis in axes)
        if len(node.over) == _MATRIX:
            left, right = ones[first], ones[second]
            return self.product(
                left[0] if self.rows else left[1], self.piece(node.x), right[1] if self.rows else right[0]
            )
        matrix = self.piece(node.x), self.turned(node.x)
        if node.over == (first,):
            return self.product(ones[first][0], matrix[0]) if self.rows else self.product(matrix[1], ones[first][0])
        return self.product(ones[second][0], matrix[1]) if self.rows else self.product(matrix[0], ones[second][0])

    @piece.register
    def _(self, node: Broadcast) -> Piece:
        factored = _factored(node)
        return self.piece(factored) if isinstance(factored, Scale) else self.spread(node.x, node)

    @piece.register
    def _(self, node: FamilySum) -> Piece:
        factored = _factored(node)
        if isinstance(factored, Scale):
            return self.piece(factored)
        summed = [self.printer.iverson(c, self.frame) for c in sorted(node.conditions, key=lambda c: c.key)]
        summed.append(self.piece(node.x))
        sigma = self.printer.sigma(node.bounds, (), self.frame)
        return Piece(y.spaced([*sigma, self.target.within(self.target.product(summed), SUM)]), SUM, 2)

    @piece.register
    def _(self, node: Elementwise) -> Piece:
        pieces: dict[Any, Piece] = {}
        indices: dict[Any, Any] = {}
        arrays: set[Any] = set()
        for k, arg in enumerate(node.args):
            if isinstance(arg, Number):
                indices[slot(k)] = self.printer.affine(self.frame.form(arg.form))
            if arg.axes:
                arrays.add(slot(k))
            pieces[slot(k)] = self.piece(arg) if len(arg.axes) in {0, len(node.over)} else self.spread(arg, node)
        return ArrayTemplates(self.printer, frozenset(arrays)).piece(node.template, Leaves(pieces, indices))

    @piece.register
    def _(self, node: AlongAxis) -> Piece:
        pattern = self.printer.spelling.function(node.name)
        if len(node.x.axes) > 1:
            extent = next(axis.extent for axis in node.x.axes if axis.label == node.over[0])
            pattern = pattern.add_sub(*self.printer.affine(self.frame.form(extent)))
        inner = self.piece(node.x)
        return Piece(y.beside(name_of(pattern), self.target.brackets(inner)), ATOM, inner.height)

    @piece.register
    def _(self, node: Concat) -> Piece:
        upright = node.label == node.labels[0] and not (self.rows and len(node.labels) == 1)
        shown = tuple(self.piece(part).box for part in node.parts)
        rows = tuple((box,) for box in shown) if upright else (shown,)
        return Piece(y.Blocks(rows), ATOM, 2 if upright else 0)

    @piece.register
    def _(self, node: OpaqueCall) -> Piece:
        arguments = y.listed([self.piece(arg).box for arg in node.args])
        return Piece(y.beside(name_of(self.printer.spelling.function(node.name)), y.Fence(arguments)))

    # -- products and turned arrays ------------------------------------------------------------------------------------

    def product(self, *pieces: Piece) -> Piece:
        """Matrices side by side."""
        return self.target.product(pieces)

    def entrywise(self, pieces: Sequence[Piece], scalars: Sequence[Piece] = ()) -> Piece:
        """Arrays with the sign of the entrywise product between them, scalars in front."""
        return ArrayTemplates(self.printer, frozenset()).hadamard(pieces, scalars)

    def inner(self, a: tuple[Piece, Piece], b: tuple[Piece, Piece]) -> Piece:
        """The inner product of two vectors, each given plain and turned."""
        return self.product(a[0], b[1]) if self.rows else self.product(a[1], b[0])

    def outer(self, a: tuple[Piece, Piece], b: tuple[Piece, Piece]) -> Piece:
        """The outer product of two vectors, each given plain and turned."""
        return self.product(a[1], b[0]) if self.rows else self.product(a[0], b[1])

    def pair(self, node: Node) -> tuple[Piece, Piece]:
        """A vector plain and turned."""
        return self.piece(node), self.turned(node)

    def ones(self, extent: Affine) -> tuple[Piece, Piece]:
        """The vector of ones of a length, plain and turned."""
        pattern = self.printer.ones.add_sub(*self.printer.affine(self.frame.form(extent)))
        return Piece(name_of(pattern)), self.turn_name(pattern)

    def turned(self, node: Node) -> Piece:
        """The transpose: of a name, its own superscript; of a transpose, what it was; else brackets."""
        if isinstance(node, Transpose) and len(node.axes) == _MATRIX and node.to != node.x.labels:
            return self.piece(node.x)
        if isinstance(node, Leaf):
            pattern = self.printer.whole(node.ref, self.frame)
            if pattern is not None:
                return self.over_shape(self.turn_name(pattern, node.ref.tensor), node.axes, turned=True)
        piece = self.piece(node)
        return Piece(y.Turned(self.target.brackets(piece), self.printer.transpose_sign), ATOM, piece.height)

    def over_shape(self, piece: Piece, axes: Sequence[Axis], *, turned: bool = False) -> Piece:
        """An array with its shape below, where shapes are shown."""
        return self.with_shape(piece, [axis.extent for axis in axes], turned=turned)

    def with_shape(self, piece: Piece, extents: Sequence[Affine], *, turned: bool = False) -> Piece:
        """The same from the lengths of its axes; a vector has the shape of the row or column that it is."""
        if not self.shapes or not extents:
            return piece
        return replace(piece, box=y.Under(piece.box, self.shape(extents, turned=turned)))

    def shape(self, extents: Sequence[Affine], *, turned: bool = False) -> y.Box:
        """Lengths of axes, ``N × d``; of one axis, those of the row or column as which it is written."""
        sizes: list[y.Box] = [self.printer.form(self.frame.form(extent)) for extent in extents]
        if len(sizes) == 1:
            sizes.insert(0 if self.rows else 1, y.Digits("1"))
        return y.separated(sizes[::-1] if turned else sizes, SIGNS["times"])

    def turn_name(self, pattern: Pattern, of: str = "") -> Piece:
        """A transposed name: the sign joins a bracketed superscript, any other one is set in brackets first."""
        sign = self.printer.transpose_sign
        if not pattern.sup or self.printer.is_bracketed(pattern.sup):
            return Piece(name_of(pattern, sign, of=of))
        return Piece(y.Turned(self.target.brackets(Piece(name_of(pattern, of=of))), sign))

    def spread(self, x: Node, whole: Node) -> Piece:
        """An array repeated along the axes of ``whole`` that it lacks, as a product with ones."""
        if isinstance(x, Number) and x.form == Affine():
            return Piece(y.Digits("0"))
        missing = [axis for axis in whole.axes if axis not in x.axes]
        if not missing:
            return self.piece(x)
        ones = [self.ones(axis.extent) for axis in missing]
        if not x.axes:
            shape = ones[0][0] if len(ones) == 1 else self.outer(ones[0], ones[1])
            unit = isinstance(x, Number) and x.form.is_constant and x.form.const == 1
            return shape if unit else self.product(self.piece(x), shape)
        first = whole.axes[0] in x.axes
        return self.outer(self.pair(x), ones[0]) if first else self.outer(ones[0], self.pair(x))

    def signed(self, node: Node) -> tuple[bool, Piece]:
        """Whether a minus sign stands before the node, and what follows it."""
        node = _factored(node)
        if not isinstance(node, Scale):
            return False, self.piece(node)
        constants = self.printer.constant_pieces(
            abs(node.coefficient), [self._constant(each) for each in node.scalars if self._constant(each)], self.frame
        )
        scalars = [self.piece(each) for each in node.scalars if not self._constant(each)]
        unit = isinstance(node.x, Number) and node.x.form.is_constant and node.x.form.const == 1
        negative = node.coefficient < 0
        if unit and (constants or scalars):
            return negative, self.target.product([*constants, *scalars])
        if isinstance(node.x, Hadamard) and node.x.axes:
            return negative, self.entrywise([self.piece(each) for each in node.x.factors], [*constants, *scalars])
        return negative, self.target.product([*constants, *scalars, self.piece(node.x)])

    @staticmethod
    def _constant(node: Node) -> Any:
        """A function of sizes alone, as the factor it was; None for other scalars."""
        if isinstance(node, Number):
            return Apply(slot(0), (Value(node.form),))
        if isinstance(node, Elementwise) and node.args and all(isinstance(arg, Number) for arg in node.args):
            return Apply(node.template, tuple(Value(arg.form) for arg in node.args))  # type: ignore[attr-defined]
        return None

    def norm(self, node: SumOver) -> Piece | None:
        """A sum of squares as a norm."""
        x = node.x
        if not (isinstance(x, Elementwise) and len(node.over) == len(x.axes)):
            return None
        base, exponent = x.template.as_base_exp() if isinstance(x.template, sp.Pow) else (x.template, 1)
        if exponent != 2 or isinstance(base, (Where, Compare)):  # noqa: PLR2004 - a square
            return None
        inner = self.piece(Elementwise(template=base, args=x.args, over=x.over))
        return Piece(y.Norm(inner.box, inner.height, len(x.axes) > 1), ATOM, inner.height)


def _factored(node: Node) -> Node:
    """A constant factor of a repeated array, or of every term of a sum over layers or steps, taken out of it."""
    if not (isinstance(node, (FamilySum, Broadcast)) and isinstance(node.x, Scale)):
        return node
    scale = node.x
    if isinstance(node, Broadcast):
        whole: Node = Broadcast(x=scale.x, to=node.to)
        return Scale(coefficient=scale.coefficient, scalars=scale.scalars, x=whole)
    bound = {b.var for b in node.bounds}
    if any(
        not isinstance(part, Number) or part.form.variables & bound
        for scalar in scale.scalars
        for part in scalar.walk()
        if not isinstance(part, Elementwise)
    ):
        return node
    whole = FamilySum(x=scale.x, bounds=node.bounds, conditions=node.conditions)
    return Scale(coefficient=scale.coefficient, scalars=scale.scalars, x=whole)
