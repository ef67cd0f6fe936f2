"""Comparing two members: shapes first, then values, equal or up to a factor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.verify.evaluate_products import tensor_slopes
from symbackprop.verify.evaluate_values import ShapeMisfit, Val, sized, transposed
from symbackprop.verify.world_precise import CONTEXT, DIGITS, EQUAL, NOT_EQUAL

if TYPE_CHECKING:
    from symbackprop.affine import Affine
    from symbackprop.handwritten.expression import Node
    from symbackprop.verify.evaluate import Evaluator

    Array = np.ndarray[Any, Any]

CLOSE, APART, FLOOR = 1e-9, 1e-6, 1e-12
"""Relative errors below the first agree, above the second refute; absolute differences below the third are rounding."""


class Differs(Exception):  # noqa: N818 - a finding, not an error
    """Two members have different values; ``place`` is the first entry (grid, then cell) where they do."""

    def __init__(self, place: tuple[int, ...], left: float, right: float, ratio: float | None) -> None:
        self.place, self.left, self.right, self.ratio = place, left, right, ratio
        super().__init__(f"{left} and {right} at {place}")


class Unclear(Exception):  # noqa: N818 - a finding, not an error
    """Numbers that neither agree nor differ clearly, or are no numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Two equal values: to how many digits, and whether all entries were zero."""

    digits: int
    trivial: bool = False


def fitted(evaluator: Evaluator, node: Node, left: Val, right: Val) -> tuple[Array, Array]:
    """Two arrays of one shape, or ShapeMisfit. What is taken otherwise than it stands is noted."""
    left, right = _sized(evaluator, left, right), _sized(evaluator, right, left)
    if left.rank == right.rank and left.cell == right.cell:
        return left.v, right.v
    for a, b, turned in ((left, right, False), (right, left, True)):
        found = _turned(evaluator, a, b)
        if found is not None:
            return (found[1], found[0]) if turned else found
    zero = evaluator.field.array(0)
    for value in (left, right):
        if value.is_scalar and not np.any(value.v != zero):
            return left.v + _spread(right), right.v + _spread(left)
    message = f"the left side is {left.shape}, the right side {right.shape}"
    raise ShapeMisfit(node, message, left.shape, right.shape)


def _spread(value: Val) -> Array:
    return value.v * 0


def _sized(evaluator: Evaluator, value: Val, like: Val) -> Val:
    square = like.rank == 2 and like.cell[0] == like.cell[1]  # noqa: PLR2004
    if value.neutral == "empty" and not square:
        return replace(value, neutral="")
    if value.neutral and not like.neutral and like.rank == 2:  # noqa: PLR2004
        return sized(evaluator.field, value, like.cell, like.dims)
    return replace(value, neutral="") if value.neutral == "empty" else value


def _turned(evaluator: Evaluator, a: Val, b: Val) -> tuple[Array, Array] | None:
    """The first made to fit the second: a one-row matrix turned, slopes for a diagonal Jacobian."""
    if a.turns and a.rank == b.rank and transposed(a).cell == b.cell:
        return evaluator.products.turned(a).v, b.v
    if a.slopes and b.rank == 2:  # noqa: PLR2004
        slopes = evaluator.products.diagonal(a, b) if not b.is_scalar else _any_diagonal(evaluator, a)
        if slopes is not None and (slopes.cell == b.cell or b.is_scalar):
            return slopes.v, b.v
    if a.is_jacobian and b.rank == 2:  # noqa: PLR2004
        slopes = tensor_slopes(evaluator.field, a)
        if slopes is not None and slopes.cell == b.cell:
            evaluator.notes["the derivative of an entrywise function stands for its slopes"] = None
            return slopes.v, b.v
    return None


def _any_diagonal(evaluator: Evaluator, a: Val) -> Val | None:
    column = Val(v=a.v[..., :1], dims=(a.dims[0], a.dims[0]))
    return evaluator.products.diagonal(a, column)


def of_shape(evaluator: Evaluator, node: Node, value: Val, shape: tuple[Affine, ...]) -> None:
    """The check of a trailing ``∈ R^{…}``: one length for a vector, two for a matrix.

    Raises: ShapeMisfit.
    """
    lengths = tuple(evaluator.whole(form, node) for form in shape)
    if value.rank == 2:  # noqa: PLR2004
        fits = {0: value.is_scalar, 1: 1 in value.cell and max(value.cell) == lengths[0] if lengths else False}
        if fits.get(len(lengths), value.cell == lengths):
            return
    elif value.cell == lengths:
        return
    said = " × ".join(map(str, shape))
    message = f"the shape is {value.shape}, not {said}"
    raise ShapeMisfit(node, message, value.shape, said)


def equal(evaluator: Evaluator, a: Array, b: Array) -> Agreement:
    """Agreement of all entries.

    Raises: Differs; Unclear.
    """
    a, b = np.broadcast_arrays(a, b)
    if evaluator.field.exact:
        apart = np.argwhere(a != b)
        if len(apart):
            place = tuple(int(k) for k in apart[0])
            raise Differs(place, float(a[place]), float(b[place]), None)
        return Agreement(digits=0, trivial=not np.any(a != 0))
    if a.dtype == object:
        return _equal_precisely(a, b)
    a, b = a.astype(float), b.astype(float)
    if not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        message = "some value is no finite number here (a logarithm or root of a negative number, a division by zero)"
        raise Unclear(message)
    error = np.abs(a - b)
    scale = max(float(np.max(np.abs(a), initial=0.0)), float(np.max(np.abs(b), initial=0.0)))
    worst = float(np.max(error, initial=0.0))
    if worst <= max(FLOOR, CLOSE * scale):
        relative = worst / scale if scale > 0 else 0.0
        digits = 15 if relative == 0 else min(15, int(-np.log10(relative)))
        return Agreement(digits=digits, trivial=scale <= FLOOR)
    place = tuple(int(k) for k in np.unravel_index(int(np.argmax(error)), error.shape))
    if worst < APART * scale:
        message = f"the values agree to {int(-np.log10(worst / scale))} digits only"
        raise Unclear(message)
    raise Differs(place, float(a[place]), float(b[place]), _ratio(a, b))


def _equal_precisely(a: Array, b: Array) -> Agreement:
    """Agreement in numbers of many digits, where rounding and differences lie far apart.

    Raises: Differs; Unclear.
    """
    if not all(CONTEXT.isfinite(x) for x in (*a.ravel(), *b.ravel())):
        message = "some value is no finite number here (a logarithm or root of a negative number, a division by zero)"
        raise Unclear(message)
    error = np.abs(a - b)
    place = tuple(int(k) for k in np.unravel_index(int(np.argmax(error)), error.shape))
    scale, ten = max(np.max(np.abs(a)), np.max(np.abs(b))), CONTEXT.mpf(10)
    if error[place] <= ten**-EQUAL * max(scale, ten ** (EQUAL - DIGITS)):
        digits = DIGITS if not error[place] else min(DIGITS, int(-CONTEXT.log10(error[place] / scale)))
        return Agreement(digits=digits, trivial=scale <= ten**-EQUAL)
    if error[place] < ten**-NOT_EQUAL * scale:
        message = f"the values agree to {int(-CONTEXT.log10(error[place] / scale))} of {DIGITS} digits only"
        raise Unclear(message)
    weight = (a * a).sum()
    c = (a * b).sum() / weight if weight else 0
    one = c != 0 and np.max(np.abs(b - c * a)) <= ten**-NOT_EQUAL * np.max(np.abs(b))
    ratio = float(c) if one and np.isfinite(float(c)) else None
    raise Differs(place, float(a[place]), float(b[place]), ratio)


def _ratio(a: Array, b: Array) -> float | None:
    """The constant c with b = c a, where there is one."""
    weight = float(np.sum(a * a))
    if weight <= FLOOR:
        return None
    c = float(np.sum(a * b)) / weight
    if abs(c) < FLOOR or np.max(np.abs(b - c * a)) > CLOSE * max(np.max(np.abs(b)), FLOOR) * 10:
        return None
    return c


def multiple(evaluator: Evaluator, a: Array, b: Array, *, sign: int) -> float | None:
    """The constant c with b = c a; ``sign`` +1 or -1 demands that of c, 0 demands nothing.

    None where both are zero, as behind a kink, and any constant would do.

    Raises: Differs; Unclear.
    """
    try:
        if equal(evaluator, a, b).trivial:
            return None
    except Differs as difference:
        c = difference.ratio
        if c is not None and (sign == 0 or c * sign > 0):
            return c
        raise
    if sign < 0:
        a, b = np.broadcast_arrays(np.asarray(a, dtype=float), np.asarray(b, dtype=float))
        place = tuple(int(k) for k in np.unravel_index(int(np.argmax(np.abs(a))), a.shape))
        raise Differs(place, float(a[place]), float(b[place]), 1.0)
    return 1.0


def rounded(evaluator: Evaluator, a: Array, b: Array, digits: int) -> Agreement:
    """Agreement to printed digits.

    Raises: Differs.
    """
    a, b = np.broadcast_arrays(a, b)
    if evaluator.field.exact or np.all(np.abs(a - b) <= 0.5 * 10.0**-digits * (1 + 1e-9)):
        return Agreement(digits=digits)
    place = tuple(int(k) for k in np.unravel_index(int(np.argmax(np.abs(a - b))), a.shape))
    raise Differs(place, float(a[place]), float(b[place]), None)
