"""Arrays with an orientation, over a grid of index letters, with tangents where something is being differentiated.

A value's array has axes (grid…, cell…). Grid axes belong to element letters; a letter that comes later stands further
left, so that older arrays broadcast. The cell of what is not a tensor of many axes is a matrix: a scalar is 1 × 1, a
column n × 1, a row 1 × n. A derivative of an array by an array that is no matrix has four cell axes, two of each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from symbackprop.affine import Affine

if TYPE_CHECKING:
    from collections.abc import Callable

    from symbackprop.handwritten.expression import Node
    from symbackprop.verify.world_field import Field

    Array = np.ndarray[Any, Any]

ONE = Affine(1)


class Misread(Exception):  # noqa: N818 - what was read does not evaluate
    """A formula has no value; ``node`` is where and the text says why."""

    def __init__(self, node: Node, message: str) -> None:
        self.node, self.message = node, message
        super().__init__(message)


class ShapeMisfit(Misread):
    """Shapes that do not fit; ``left`` and ``right`` are symbolic, as ``n[l] × 1``.

    ``ahead`` is how many products of two were still to be made in the product that does not fit.
    """

    def __init__(self, node: Node, message: str, left: str = "", right: str = "") -> None:
        self.left, self.right, self.ahead = left, right, 0
        super().__init__(node, message)


class OutOfRange(Misread):
    """An index outside its range; ``letters`` are those it depends on."""

    def __init__(self, node: Node, message: str, letters: frozenset[str] = frozenset()) -> None:
        self.letters = letters
        super().__init__(node, message)


class Undeclared(Misread):
    """A symbol that nothing declares."""


class Undecidable(Misread):
    """Understood, and beyond what can be judged; the message is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Val:
    """One value; see the module's first lines.

    ``turns``: a matrix of one row or column that may stand for a vector. ``slopes``: a Jacobian of a vector by a
    vector, which may stand for its diagonal. ``bias``: one axis of the network, which sums may repeat. ``neutral``: an
    identity or a vector of ones whose size the neighbours give, times ``v``; ``flat`` is how often an identity has the
    matrix of ones added, as in I - 𝟏𝟏ᵀ/n.
    """

    v: Array
    t: Array | None = None
    dims: tuple[Affine, ...] = (ONE, ONE)
    turns: bool = False
    slopes: bool = False
    bias: bool = False
    neutral: Literal["", "identity", "ones", "ones row", "empty"] = ""
    flat: Array | None = None

    @property
    def rank(self) -> int:
        """Number of cell axes."""
        return len(self.dims)

    @property
    def cell(self) -> tuple[int, ...]:
        """Lengths of the cell axes."""
        return tuple(self.v.shape[self.v.ndim - self.rank :])

    @property
    def is_scalar(self) -> bool:
        """A number, or a matrix of one entry."""
        return self.rank == 2 and self.cell == (1, 1) and not self.neutral  # noqa: PLR2004

    @property
    def is_vector(self) -> bool:
        """A row or a column of more than one entry."""
        return self.rank == 2 and not self.is_scalar and 1 in self.cell and not self.neutral  # noqa: PLR2004

    @property
    def is_jacobian(self) -> bool:
        """A derivative with two axes of the one and two of the other."""
        return self.rank == 4  # noqa: PLR2004

    @property
    def shape(self) -> str:
        """Symbolic shape, for people."""
        if self.rank != 2:  # noqa: PLR2004
            return " × ".join(map(str, self.dims))
        if self.is_scalar and self.dims == (ONE, ONE):
            return "a number"
        return f"{self.dims[0]} × {self.dims[1]}"


def number(field: Field, value: Any) -> Val:
    """A scalar, or one for each point of the grid."""
    array = field.array(value)
    return Val(v=array.reshape((*array.shape, 1, 1)))


def _both(a: Array | None, b: Array | None, field: Field) -> Array | None:
    if a is None:
        return b
    return a if b is None else field.norm(a + b)


def _grown(v: Array, rank: int, to: int) -> Array:
    """Cell axes of length 1 put before a cell."""
    grid = v.ndim - rank
    return v.reshape(v.shape[:grid] + (1,) * (to - rank) + v.shape[grid:])


def negated(field: Field, a: Val) -> Val:
    """-a."""
    t, flat = (None if x is None else field.norm(-x) for x in (a.t, a.flat))
    return replace(a, v=field.norm(-a.v), t=t, flat=flat)


def added(field: Field, a: Val, b: Val) -> Val:
    """A + b of equal cells, or with a number that is added to every entry."""
    if a.rank != b.rank:
        small, big = (a, b) if a.rank < b.rank else (b, a)
        v = _grown(small.v, small.rank, big.rank)
        t = None if small.t is None else _grown(small.t, small.rank + 1, big.rank + 1)
        small = replace(small, v=v, t=t, dims=(*(ONE,) * (big.rank - small.rank), *small.dims))
        return added(field, small, big)
    full = tuple(max(x, y) for x, y in zip(a.cell, b.cell, strict=True))
    dims = tuple(y if x == 1 else dx for x, dx, y in zip(a.cell, a.dims, b.dims, strict=True))

    def tangent(x: Val) -> Array | None:
        if x.t is None:
            return None
        grid = x.t.shape[: x.t.ndim - x.rank - 1]
        return np.broadcast_to(x.t, (*grid, *full, x.t.shape[-1]))

    return Val(
        v=field.norm(a.v + b.v), t=_both(tangent(a), tangent(b), field), dims=dims,
        turns=(a.turns or a.is_scalar) and (b.turns or b.is_scalar),
    )  # fmt: skip


def entrywise(field: Field, a: Val, b: Val) -> Val:
    """A ∘ b of equal cells, or a number times anything."""
    if a.rank != b.rank:
        small, big = (a, b) if a.rank < b.rank else (b, a)
        v = _grown(small.v, small.rank, big.rank)
        t = None if small.t is None else _grown(small.t, small.rank + 1, big.rank + 1)
        small = replace(small, v=v, t=t, dims=(*(ONE,) * (big.rank - small.rank), *small.dims))
        return entrywise(field, small, big)
    t = _both(
        None if a.t is None else field.norm(a.t * b.v[..., None]),
        None if b.t is None else field.norm(a.v[..., None] * b.t),
        field,
    )
    dims = tuple(y if x == 1 else dx for x, dx, y in zip(a.cell, a.dims, b.dims, strict=True))
    return Val(
        v=field.norm(a.v * b.v), t=t, dims=dims,
        turns=(a.turns or a.is_scalar) and (b.turns or b.is_scalar),
        slopes=(a.slopes and b.is_scalar) or (b.slopes and a.is_scalar),
    )  # fmt: skip


def multiplied(field: Field, a: Val, b: Val) -> Val:
    """The matrix product of cells m × k and k × n."""
    t: Array | None = None
    if a.t is not None:
        deeper = a.t.reshape((1,) * max(0, b.v.ndim + 1 - a.t.ndim) + a.t.shape)
        t = np.moveaxis(np.moveaxis(deeper, -1, 0) @ b.v, 0, -1)
    if b.t is not None:
        deeper = b.t.reshape((1,) * max(0, a.v.ndim + 1 - b.t.ndim) + b.t.shape)
        more = np.moveaxis(a.v @ np.moveaxis(deeper, -1, 0), 0, -1)
        t = more if t is None else t + more
    return Val(
        v=field.norm(a.v @ b.v), t=None if t is None else field.norm(t), dims=(a.dims[0], b.dims[1]),
        turns=(a.turns or a.is_vector) and b.turns,
    )  # fmt: skip


def transposed(a: Val) -> Val:
    """The transpose of a matrix; of a Jacobian, its two halves exchanged."""
    if a.neutral:
        return replace(a, neutral={"ones": "ones row", "ones row": "ones"}.get(a.neutral, a.neutral))  # type: ignore[arg-type]
    if a.is_jacobian:
        v = np.moveaxis(a.v, (-2, -1), (-4, -3))
        return replace(a, v=v, dims=(*a.dims[2:], *a.dims[:2]))
    t = None if a.t is None else np.swapaxes(a.t, -3, -2)
    return replace(a, v=np.swapaxes(a.v, -1, -2), t=t, dims=(a.dims[1], a.dims[0]))


def scaled(field: Field, a: Val, by: Val) -> Val:
    """A neutral value times a number."""
    product = entrywise(field, replace(a, neutral="", flat=None), by)
    return replace(product, neutral=a.neutral, flat=None if a.flat is None else field.norm(a.flat * by.v))


def sized(field: Field, a: Val, cell: tuple[int, ...], dims: tuple[Affine, ...]) -> Val:
    """A neutral value at the size that a neighbour gives."""
    unity = a.neutral in {"identity", "empty"}
    ones = Val(v=field.array(np.ones(cell, dtype=int)), dims=dims)
    unit = replace(ones, v=field.array(np.eye(*cell, dtype=int))) if unity else ones
    value = entrywise(field, unit, replace(a, neutral="", flat=None))
    return value if a.flat is None else added(field, value, replace(ones, v=field.norm(ones.v * a.flat)))


def total(field: Field, a: Val) -> Val:
    """The sum of all entries of the cell."""
    axes = tuple(range(-a.rank, 0))
    t = None if a.t is None else field.norm(a.t.sum(axis=tuple(k - 1 for k in axes)))
    v = field.norm(a.v.sum(axis=axes))
    return Val(v=v.reshape((*v.shape, 1, 1)), t=None if t is None else t.reshape((*t.shape[:-1], 1, 1, t.shape[-1])))


def applied(field: Field, a: Val, function: Callable[[Array], Array], slope: Callable[[Array], Array]) -> Val:
    """A function of every entry."""
    t = None if a.t is None else field.norm(slope(a.v)[..., None] * a.t)
    return replace(a, v=function(a.v), t=t, slopes=False, bias=False)


def inverted(field: Field, a: Val) -> Val:
    """Entrywise 1/a."""
    return applied(field, a, field.inverse, lambda x: field.norm(-field.power(field.inverse(x), Fraction(2))))


def powered(field: Field, a: Val, exponent: Fraction) -> Val:
    """Entrywise power."""
    return applied(
        field, a, lambda x: field.power(x, exponent),
        lambda x: field.norm(field.array(exponent) * field.power(x, exponent - 1)),
    )  # fmt: skip


def masked(field: Field, a: Val, mask: Any) -> Val:
    """The value where the mask over the grid holds, else zero."""
    weight = field.array(np.asarray(mask) * 1)
    v = field.norm(a.v * weight.reshape(weight.shape + (1,) * a.rank))
    t = None if a.t is None else field.norm(a.t * weight.reshape(weight.shape + (1,) * (a.rank + 1)))
    return replace(a, v=v, t=t)


def along_grid(field: Field, a: Val, length: int, ndim: int, kind: str) -> Val:
    """Sum, product or maximum over the leftmost of ``ndim`` grid axes, of the given length."""

    def wide(array: Array, rank: int) -> Array:
        grown = array.reshape((1,) * (ndim - (array.ndim - rank)) + array.shape)
        return np.asarray(np.broadcast_to(grown, (length, *grown.shape[1:])))

    v = wide(a.v, a.rank)
    t = None if a.t is None else wide(a.t, a.rank + 1)
    if kind == "sum":
        return replace(a, v=field.norm(v.sum(axis=0)), t=None if t is None else field.norm(t.sum(axis=0)), bias=False)
    if kind == "max":
        chosen = np.expand_dims(np.argmax(v, axis=0), 0)
        best = None if t is None else np.take_along_axis(t, chosen[..., None], axis=0)[0]
        return replace(a, v=np.take_along_axis(v, chosen, axis=0)[0], t=best)
    parts = [replace(a, v=v[k], t=None if t is None else t[k]) for k in range(length)]
    result = parts[0]
    for part in parts[1:]:
        result = entrywise(field, result, part)
    return result
