"""Functions, named operations and explicit matrices."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.affine import Affine
from symbackprop.errors import SpecError
from symbackprop.handwritten import expression as ex
from symbackprop.index import Along, Ref
from symbackprop.tables.reductions import AXIS_FUNCTION
from symbackprop.verify.evaluate_nodes import steps
from symbackprop.verify.evaluate_pattern import filled, is_dots
from symbackprop.verify.evaluate_values import (
    ONE,
    Misread,
    ShapeMisfit,
    Undecidable,
    Undeclared,
    Val,
    added,
    applied,
    entrywise,
    negated,
    number,
    powered,
    total,
    transposed,
)
from symbackprop.verify.world_field import Inexact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from symbackprop.network import Network
    from symbackprop.verify.conventions import Conventions, Setting
    from symbackprop.verify.evaluate_products import Products
    from symbackprop.verify.world import World
    from symbackprop.verify.world_field import Field

    Array = np.ndarray[Any, Any]


MOST_ENTRIES = 500
"""Entries of a vector of ones whose size is written."""


class Calls:
    """The part of the evaluator that applies functions."""

    world: World
    network: Network
    field: Field
    conventions: Conventions
    setting: Setting
    products: Products
    expected: tuple[int, ...] | None

    if TYPE_CHECKING:

        def evaluate(self, node: ex.Node) -> Val: ...
        def form(self, form: Affine, node: ex.Node) -> Any: ...
        def whole(self, form: Affine, node: ex.Node) -> int: ...
        def truth(self, condition: ex.Condition) -> Any: ...
        def indicated(self, condition: ex.Condition) -> Val: ...
        def plus(self, node: ex.Node, a: Val, b: Val) -> Val: ...
        def picked(self, node: ex.Node, value: Val, picks: Sequence[Affine | ex.Slice]) -> Val: ...

    # -- functions -----------------------------------------------------------------------------------------------------

    def call(self, node: ex.Call) -> Val:
        """A function of entries, or of an axis, or an opaque function of whole tensors."""
        entry = self.network.functions.get(node.function)
        if entry is not None and entry.kind == "opaque loss":
            return self._opaque(node)
        if node.function in {"max", "min"} and len(node.arguments) > 1 and not node.order:
            return self._extreme(node)
        if node.function in AXIS_FUNCTION:
            return self._along(node)
        if len(node.arguments) != 1:
            message = f"{node.function} of {len(node.arguments)} arguments"
            raise Undecidable(node, message)
        family = tuple(self.whole(f, node) for f in node.family)
        if entry is not None and entry.kind == "opaque" and len(family) != entry.family:
            message = f"{node.function} needs {entry.family} layer index, not {len(family)}"
            raise Misread(node, message)
        argument = self.evaluate(node.arguments[0])
        try:
            return self.elementwise(node.function, node.order, family, argument)
        except SpecError:
            message = f"no function {node.function}" + (
                f" with a derivative of order {node.order}" if node.order else ""
            )
            raise Undeclared(node, message) from None

    def elementwise(self, name: str, order: int, family: tuple[int, ...], argument: Val) -> Val:
        """A function of every entry; its slope carries the tangents."""
        ahead = [np.asarray(k) for k in family]

        def value(x: Array) -> Array:
            return self.field.named(name, order, [*ahead, x])

        def slope(x: Array) -> Array:
            return self.field.named(name, order + 1, [*ahead, x])

        return applied(self.field, argument, value, slope)

    def _extreme(self, node: ex.Call) -> Val:
        """The largest or smallest of several values, entry by entry: ``max(0, Z)``.

        Raises: Inexact among numbers modulo p, which have no order.
        """
        if self.field.exact:
            message = f"a {node.function} modulo a prime"
            raise Inexact(message)
        side = 1 if node.function == "max" else -1
        result = self.evaluate(node.arguments[0])
        for argument in node.arguments[1:]:
            other = self.evaluate(argument)
            more = self.plus(node, other, negated(self.field, result))
            gain = applied(self.field, more, lambda x: x * (side * x > 0), lambda x: (side * x > 0) * 1.0)
            result = self.plus(node, result, gain)
        return result

    def _along(self, node: ex.Call) -> Val:
        """Softmax and its kin, along a vector or along the axis that the network takes of matrices."""
        if node.function == "max" and len(node.arguments) > 1 and not node.order:
            return self._largest(node)
        if node.order or len(node.arguments) != 1:
            message = (
                f"a slope of {node.function}" if node.order else f"{node.function} of {len(node.arguments)} arguments"
            )
            raise Undecidable(node, message)
        a = self.evaluate(node.arguments[0])
        if a.rank != 2:  # noqa: PLR2004
            message = f"{node.function} of {a.shape}"
            raise Undecidable(node, message)
        axis = self._axis_of(node.function)
        if node.axis is not None and 1 not in a.cell:
            if node.axis not in a.dims:
                message = f"{node.function} along an axis of length {node.axis}, of {a.shape}"
                raise ShapeMisfit(node, message)
            axis = axis if a.dims[axis] == node.axis else 1 - axis
        first = a.cell[1] == 1 or (a.cell[0] != 1 and axis == 0)
        turned = transposed(a) if first else a
        v, jacobian = self.field.along(node.function, np.asarray(turned.v))
        keeps = AXIS_FUNCTION[node.function].keeps
        t = None
        if turned.t is not None:
            slopes = jacobian if keeps else jacobian[..., None, :]
            t = self.field.norm(slopes @ turned.t)
        v = v if keeps else v[..., None]
        result = Val(v=v, t=t, dims=turned.dims if keeps else (turned.dims[0], ONE))
        return transposed(result) if first else result

    def _largest(self, node: ex.Call) -> Val:
        """The largest of several numbers, or of the entries of arrays of one shape; the first of equal ones."""
        if self.field.exact:
            message = "a maximum modulo a prime"
            raise Inexact(message)
        result, *others = map(self.evaluate, node.arguments)
        for other in others:
            if not (result.is_scalar or other.is_scalar or result.cell == other.cell):
                message = f"the larger of {result.shape} and {other.shape}"
                raise ShapeMisfit(node, message, result.shape, other.shape)
            first = Val(
                v=self.field.array((result.v >= other.v) * 1), dims=result.dims if other.is_scalar else other.dims
            )
            second = replace(first, v=self.field.array((result.v < other.v) * 1))
            result = added(self.field, entrywise(self.field, result, first), entrywise(self.field, other, second))
        return result

    def _axis_of(self, name: str) -> int:
        for equation in self.network.equations:
            for factor in (f for term in equation.terms for f in term.factors):
                if isinstance(factor, Along) and factor.name == name:
                    depth = len(self.network.tensors[factor.arg.tensor].family)
                    for k, form in enumerate(factor.arg.index[depth:]):
                        if any(v.startswith("_") for v in form.variables):
                            return k
        return 1

    def _opaque(self, node: ex.Call) -> Val:
        if node.order:
            message = f"a slope of the opaque loss {node.function}"
            raise Undecidable(node, message)
        values = [self.evaluate(a) for a in node.arguments]
        arrays = []
        for value, axes in zip(values, self._ranks(node.function, len(values)), strict=True):
            grid = value.v.shape[: value.v.ndim - value.rank]
            if any(k != 1 for k in grid):
                message = f"{node.function} of elements"
                raise Undecidable(node, message)
            cell = value.cell if axes is None or axes == value.rank else (max(value.cell),) if axes == 1 else ()
            if math.prod(cell) != math.prod(value.cell):
                message = f"{node.function} takes {'a vector' if axes == 1 else 'a number'}, not {value.shape}"
                raise ShapeMisfit(node, message, value.shape)
            arrays.append(value.v.reshape(cell))
        v, gradients = self.field.opaque(node.function, arrays)
        t = None
        for value, gradient in zip(values, gradients, strict=True):
            if value.t is not None:
                moved = self.field.norm(gradient.reshape(-1) @ value.t.reshape(gradient.size, -1))
                t = moved if t is None else self.field.norm(t + moved)
        return Val(v=np.reshape(v, (1, 1)), t=None if t is None else t.reshape(1, 1, -1))

    def _ranks(self, name: str, count: int) -> list[int | None]:
        """Numbers of axes of the arguments that the network gives to an opaque function."""
        for equation in self.network.equations:
            for factor in (f for term in equation.terms for f in term.factors):
                if getattr(factor, "name", "") == name and not isinstance(factor, Along):
                    refs = [a for a in getattr(factor, "args", ()) if isinstance(a, Ref)]
                    if len(refs) == count:
                        return [len(self.network.tensors[r.tensor].axes) for r in refs]
        return [None] * count

    # -- operations ----------------------------------------------------------------------------------------------------

    def operation(self, node: ex.Operation) -> Val:
        """A named operation.

        Raises: Undecidable for an unknown one.
        """
        table: dict[str, Callable[[ex.Operation], Val]] = {
            "kronecker": self._kronecker, "indicator": self._indicator, "identity": self._identity,
            "ones": self._ones, "norm": self._norm, "element": self._element,
        }  # fmt: skip
        if node.name in table:
            return table[node.name](node)
        values = [self.evaluate(a) for a in node.arguments]
        if node.name == "inner":
            return self.products.pair(node, values[0], values[1], "inner")
        if node.name == "concat":
            return self._joined(node, values, axis=-1 if self.conventions.vectors == "rows" else -2)
        if len(values) == 1:
            unary: dict[str, Callable[[ex.Operation, Val], Val]] = {
                "diag": self._diag, "trace": self._trace, "tr": self._trace, "vec": self._vec, "sum": self._total,
                "mean": self._mean,
            }  # fmt: skip
            if node.name in unary:
                return unary[node.name](node, values[0])
        message = f"the operation {node.name}"
        raise Undecidable(node, message)

    def _element(self, node: ex.Operation) -> Val:
        """An entry of an expression, or of a name that stands for one."""
        inner, *letters = node.arguments
        picks = [n.form if isinstance(n, ex.Letter) else n for n in letters if isinstance(n, ex.Letter | ex.Slice)]
        return self.picked(node, self.evaluate(inner), picks)

    def _kronecker(self, node: ex.Operation) -> Val:
        left, right = node.arguments
        return self._indicator(replace(node, condition=ex.Condition(left=left, sign="=", right=right)))

    def _indicator(self, node: ex.Operation) -> Val:
        if node.condition is None:
            message = "an indicator without a condition"
            raise Undecidable(node, message)
        return self.indicated(node.condition)

    def _count(self, node: ex.Operation) -> tuple[int, Affine] | None:
        for argument in node.arguments:
            form = argument.form if isinstance(argument, ex.Letter) else None
            if isinstance(argument, ex.Number):
                form = Affine(int(argument.value))
            if form is not None:
                count = self.whole(form, node)
                if not 0 < count <= MOST_ENTRIES:
                    message = f"{node.name} of size {count}"
                    raise Undecidable(node, message)
                return count, form
        return None

    def _identity(self, node: ex.Operation) -> Val:
        count = self._count(node)
        if count is None:
            return replace(number(self.field, 1), neutral="identity")
        return Val(v=self.field.array(np.eye(count[0], dtype=int)), dims=(count[1], count[1]))

    def _ones(self, node: ex.Operation) -> Val:
        count = self._count(node)
        if count is None:
            return replace(number(self.field, 1), neutral="ones")
        ones = Val(v=self.field.array(np.ones((count[0], 1), dtype=int)), dims=(count[1], ONE))
        return transposed(ones) if self.conventions.ones == "rows" else ones

    def squared_norm(self, node: ex.Operation) -> Val:
        """The sum of the squares of all entries."""
        value = self.evaluate(node.arguments[0])
        return total(self.field, entrywise(self.field, value, value))

    def _norm(self, node: ex.Operation) -> Val:
        if len(node.arguments) > 1:
            message = "a norm other than the Euclidean"
            raise Undecidable(node, message)
        return powered(self.field, self.squared_norm(node), Fraction(1, 2))

    def _diag(self, node: ex.Operation, a: Val) -> Val:
        """A vector on the diagonal of a matrix, or the diagonal of a square one as a column."""
        if a.is_scalar:
            return a
        if a.is_vector:
            column = a if a.cell[1] == 1 else transposed(a)
            eye = Val(v=self.field.array(np.eye(column.cell[0], dtype=int)), dims=(column.dims[0], column.dims[0]))
            length = column.cell[0]
            t = column.t
            if t is not None:
                t = np.broadcast_to(t, (*t.shape[:-2], length, t.shape[-1]))
            v = np.broadcast_to(column.v, (*column.v.shape[:-1], length))
            spread = replace(column, v=v, t=t, dims=eye.dims)
            return replace(entrywise(self.field, spread, eye), turns=False)
        if a.rank == 2 and a.cell[0] == a.cell[1]:  # noqa: PLR2004
            v = np.diagonal(a.v, axis1=-2, axis2=-1)[..., None]
            t = None if a.t is None else np.moveaxis(np.diagonal(a.t, axis1=-3, axis2=-2), -1, -2)[..., None, :]
            return Val(v=v, t=t, dims=(a.dims[0], ONE))
        message = f"diag of {a.shape}"
        raise ShapeMisfit(node, message, a.shape)

    def _trace(self, node: ex.Operation, a: Val) -> Val:
        if a.rank != 2 or a.cell[0] != a.cell[1]:  # noqa: PLR2004
            message = f"a trace of {a.shape}"
            raise ShapeMisfit(node, message, a.shape)
        return total(self.field, a if a.is_scalar else self._diag(node, a))

    def _vec(self, node: ex.Operation, a: Val) -> Val:
        """The columns one below the other."""
        if a.rank != 2:  # noqa: PLR2004
            message = f"vec of {a.shape}"
            raise ShapeMisfit(node, message, a.shape)
        size = a.cell[0] * a.cell[1]
        v = np.swapaxes(a.v, -1, -2).reshape((*a.v.shape[:-2], size, 1))
        t = None if a.t is None else np.swapaxes(a.t, -2, -3).reshape((*a.t.shape[:-3], size, 1, a.t.shape[-1]))
        return Val(v=v, t=t, dims=(Affine(size), ONE))

    def _total(self, node: ex.Operation, a: Val) -> Val:  # noqa: ARG002 - the signature of the table
        return total(self.field, a)

    def _mean(self, node: ex.Operation, a: Val) -> Val:  # noqa: ARG002 - the signature of the table
        return entrywise(self.field, total(self.field, a), number(self.field, Fraction(1, a.cell[0] * a.cell[1])))

    # -- explicit matrices ---------------------------------------------------------------------------------------------

    def explicit(self, node: ex.Array) -> Val:
        """A matrix from its entries or blocks; dots continue the pattern of their row and column."""
        table: Sequence[Sequence[ex.Node]] = node.rows
        if any(is_dots(e) for row in node.rows for e in row):
            table = filled(node, self.expected, lambda form: self.whole(form, node))
        rows = []
        for row in table:
            entries: list[Val] = []
            for entry in row:
                members: Sequence[ex.Node] = [entry]
                if isinstance(entry, ex.Elided) and entry.sign == "comma":
                    members = steps(entry, lambda form: self.whole(form, node))
                entries += [self.evaluate(m) for m in members]
            rows.append(self._joined(node, entries, axis=-1))
        return self._joined(node, rows, axis=-2)

    def _joined(self, node: ex.Node, parts: list[Val], axis: int) -> Val:
        across = -1 if axis == -2 else -2  # noqa: PLR2004
        if any(p.rank != 2 for p in parts) or len({p.v.shape[across] for p in parts}) != 1:  # noqa: PLR2004
            message = "blocks of " + " and ".join(p.shape for p in parts)
            raise ShapeMisfit(node, message)
        grid = np.broadcast_shapes(*(p.v.shape[:-2] for p in parts))
        v = np.concatenate([np.broadcast_to(p.v, (*grid, *p.cell)) for p in parts], axis=axis)
        t = None
        if any(p.t is not None for p in parts):
            width = max(p.t.shape[-1] for p in parts if p.t is not None)
            zero = self.field.array(0)
            filled = [np.broadcast_to(zero if p.t is None else p.t, (*grid, *p.cell, width)) for p in parts]
            t = np.concatenate(filled, axis=axis - 1)
        length = sum((p.dims[axis] for p in parts[1:]), parts[0].dims[axis])
        dims = (length, parts[0].dims[1]) if axis == -2 else (parts[0].dims[0], length)  # noqa: PLR2004
        return Val(v=v, t=t, dims=dims)
