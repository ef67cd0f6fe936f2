"""Products: precedence first, then what each sign means, then whether the shapes fit.

Shapes are checked before any number is computed; a misfit names the product and both shapes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.verify.evaluate_values import (
    ONE,
    ShapeMisfit,
    Undecidable,
    Val,
    added,
    entrywise,
    multiplied,
    scaled,
    sized,
    total,
    transposed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from symbackprop.affine import Affine
    from symbackprop.handwritten.expression import Node, Product
    from symbackprop.verify.conventions import Conventions
    from symbackprop.verify.world_field import Field

    Array = np.ndarray[Any, Any]


class Products:
    """Evaluates products of values under conventions; ``notes`` collects what was taken otherwise than it stands."""

    def __init__(self, field: Field, conventions: Conventions, notes: dict[str, None]) -> None:
        self.field, self.conventions, self.notes = field, conventions, notes
        self.ahead = 0

    def evaluate(self, node: Product, values: Sequence[Val | Callable[[], Val]]) -> Val:
        """The product of the values of a node's factors."""
        done = [v if isinstance(v, Val) else v() for v in values]
        self.ahead = len(done) - 1
        try:
            return self._grouped(node, done, list(node.signs))
        except ShapeMisfit as misfit:
            misfit.ahead = self.ahead
            raise

    def _grouped(self, node: Node, values: list[Val], signs: list[str]) -> Val:
        if len(values) == 1:
            return values[0]
        levels = [self._level(s) for s in signs[1:]]
        loosest = max(levels)
        groups: list[tuple[str, list[Val], list[str]]] = [("juxtaposition", [values[0]], ["juxtaposition"])]
        for value, sign, level in zip(values[1:], signs[1:], levels, strict=True):
            if level == loosest:
                groups.append((sign, [value], ["juxtaposition"]))
            else:
                groups[-1][1].append(value)
                groups[-1][2].append(sign)
        result = self._grouped(node, groups[0][1], groups[0][2])
        for sign, inner, inner_signs in groups[1:]:
            result = self.pair(node, result, self._grouped(node, inner, inner_signs), sign)
            self.ahead -= 1
        return result

    def _level(self, sign: str) -> int:
        """How loosely a sign binds."""
        meaning = self.conventions.products[sign]
        if meaning == "inner":
            return 4
        if sign == "juxtaposition":
            return 1
        if meaning == "entrywise":
            return 0 if self.conventions.precedence == "hadamard" else 3
        return 3 if meaning == "outer" else 2

    # -- two factors ---------------------------------------------------------------------------------------------------

    def pair(self, node: Node, a: Val, b: Val, sign: str) -> Val:
        """A sign b.

        Raises: ShapeMisfit.
        """
        if a.neutral or b.neutral:
            return self._neutral(node, a, b)
        meaning = self.conventions.products[sign]
        flat = (a.is_vector or a.is_scalar) and (b.is_vector or b.is_scalar)
        if meaning == "outer" and flat and not (a.is_scalar and b.is_scalar):
            return self._outer(a, b)  # a vector of one entry is a vector here
        if a.is_scalar or b.is_scalar:
            return entrywise(self.field, a, b)
        if a.is_jacobian or b.is_jacobian:
            return self._contracted(node, a, b, meaning)
        if meaning == "entrywise":
            return self.entrywise(node, a, b)
        if meaning == "outer":
            message = f"an outer product of {a.shape} and {b.shape}"
            raise ShapeMisfit(node, message, a.shape, b.shape)
        if meaning == "inner":
            return self.inner(node, a, b)
        return self._matrix(node, a, b, dot=meaning == "dot")

    def turned(self, a: Val) -> Val:
        """A matrix of one row or column the other way round, and a note of it."""
        self.notes["a matrix of one row or column stands for a vector"] = None
        return transposed(a)

    def entrywise(self, node: Node, a: Val, b: Val) -> Val:
        """A ∘ b; a Jacobian of an entrywise function stands for its slopes."""
        if a.cell == b.cell and a.rank == b.rank:
            return entrywise(self.field, a, b)
        if a.turns and transposed(a).cell == b.cell:
            return entrywise(self.field, self.turned(a), b)
        if b.turns and transposed(b).cell == a.cell:
            return entrywise(self.field, a, self.turned(b))
        for one, other in ((a, b), (b, a)):
            slopes = self.diagonal(one, other) if one.slopes else None
            if slopes is not None:
                return entrywise(self.field, slopes, other)
        message = f"an entrywise product of {a.shape} and {b.shape}"
        raise ShapeMisfit(node, message, a.shape, b.shape)

    def diagonal(self, a: Val, like: Val) -> Val | None:
        """The diagonal of a Jacobian that is diagonal, in the shape of a vector; None where it is not."""
        square = a.rank == 2 and a.cell[0] == a.cell[1]  # noqa: PLR2004
        if not square or a.t is not None or not like.is_vector or max(like.cell) != a.cell[0]:
            return None
        off = a.v * self.field.array(1 - np.eye(a.cell[0], dtype=int))
        if np.any(off != 0):
            return None
        self.notes["the derivative of an entrywise function stands for its slopes"] = None
        column = np.diagonal(a.v, axis1=-2, axis2=-1)[..., None]
        value = Val(v=column, dims=(a.dims[0], ONE))
        return value if like.cell[1] == 1 else transposed(value)

    def _outer(self, a: Val, b: Val) -> Val:
        column = a if a.cell[1] == 1 else transposed(a)
        row = b if b.cell[0] == 1 else transposed(b)
        return multiplied(self.field, column, row)

    def inner(self, node: Node, a: Val, b: Val) -> Val:
        """The sum of all entries of a ∘ b.

        Raises: ShapeMisfit.
        """
        if a.cell != b.cell:
            if a.turns and transposed(a).cell == b.cell:
                a = self.turned(a)
            elif b.turns and transposed(b).cell == a.cell:
                b = self.turned(b)
            else:
                message = f"an inner product of {a.shape} and {b.shape}"
                raise ShapeMisfit(node, message, a.shape, b.shape)
        return total(self.field, entrywise(self.field, a, b))

    def _matrix(self, node: Node, a: Val, b: Val, *, dot: bool) -> Val:
        if a.rank != 2 or b.rank != 2:  # noqa: PLR2004
            message = f"a matrix product of {a.shape} and {b.shape}"
            raise ShapeMisfit(node, message, a.shape, b.shape)
        if a.cell[1] == b.cell[0]:
            return multiplied(self.field, a, b)
        if dot and a.is_vector and b.is_vector and a.cell == b.cell:
            return total(self.field, entrywise(self.field, a, b))
        if a.turns and a.cell[0] == b.cell[0]:
            return multiplied(self.field, self.turned(a), b)
        if b.turns and a.cell[1] == b.cell[1]:
            return multiplied(self.field, a, self.turned(b))
        message = f"a matrix product of {a.shape} and {b.shape}"
        raise ShapeMisfit(node, message, a.shape, b.shape)

    # -- derivatives by tensors ----------------------------------------------------------------------------------------

    def _contracted(self, node: Node, a: Val, b: Val, meaning: str) -> Val:
        """A gradient times ∂z/∂W: the contraction over z; the other way round it is named."""
        if meaning == "entrywise":
            value = self._slopes_of_tensor(a, b) or self._slopes_of_tensor(b, a)
            if value is not None:
                return value
        if a.is_jacobian and b.is_jacobian:
            return self._chained(node, a, b)
        jacobian, other, reverse = (b, a, False) if b.is_jacobian else (a, b, True)
        value = None
        if other.rank == 2 and not (other.is_vector or other.dims == jacobian.dims[:2]):  # noqa: PLR2004
            if not reverse:
                value = self._applied_left(jacobian, other)
            else:  # the transpose of the same
                turned = self._applied_left(transposed(jacobian), transposed(other))
                if turned is not None:
                    return transposed(turned)
        value = value or self._upstream(jacobian, other)
        if value is None:
            message = f"a product of {a.shape} and {b.shape}"
            raise ShapeMisfit(node, message, a.shape, b.shape)
        if reverse:
            self.notes["products with derivatives by tensors are contractions"] = None
        return value

    def _slopes_of_tensor(self, a: Val, b: Val) -> Val | None:
        """∂H/∂Z of an entrywise function, entrywise times a matrix of that shape."""
        slopes = tensor_slopes(self.field, a) if a.is_jacobian else None
        if slopes is None or slopes.cell != b.cell:
            return None
        self.notes["the derivative of an entrywise function stands for its slopes"] = None
        return entrywise(self.field, slopes, b)

    def _upstream(self, jacobian: Val, gradient: Val) -> Val | None:
        if gradient.rank != 2:  # noqa: PLR2004
            return None
        if gradient.cell != jacobian.cell[:2]:
            if gradient.is_vector and transposed(gradient).cell == jacobian.cell[:2]:
                gradient = transposed(gradient)
            else:
                return None
        product = self.field.norm(gradient.v[..., None, None] * jacobian.v)
        return Val(v=self.field.norm(product.sum(axis=(-4, -3))), dims=jacobian.dims[2:])

    def _applied_left(self, jacobian: Val, left: Val) -> Val | None:
        """A Jacobian of a vector by a vector times that vector's derivative by a matrix."""
        rows = jacobian.cell[0] * jacobian.cell[1]
        if left.rank != 2 or 1 not in jacobian.cell[:2] or left.cell[1] != rows:  # noqa: PLR2004
            return None
        flat = jacobian.v.reshape((*jacobian.v.shape[:-4], rows, -1))
        v = self.field.norm(left.v @ flat).reshape(
            (*np.broadcast_shapes(left.v.shape[:-2], flat.shape[:-2]), -1, 1, *jacobian.cell[2:])
        )
        dims: tuple[Affine, ...] = (left.dims[0], ONE, *jacobian.dims[2:])
        if jacobian.cell[0] == 1 and rows > 1:
            v, dims = np.swapaxes(v, -4, -3), (ONE, left.dims[0], *jacobian.dims[2:])
        return Val(v=v, dims=dims)

    def _chained(self, node: Node, a: Val, b: Val) -> Val:
        if a.cell[2:] != b.cell[:2]:
            if b.cell[2:] == a.cell[:2]:
                self.notes["products with derivatives by tensors are contractions"] = None
                return self._chained(node, b, a)
            message = f"a product of {a.shape} and {b.shape}"
            raise ShapeMisfit(node, message, a.shape, b.shape)
        shared = a.cell[2] * a.cell[3]
        left = a.v.reshape((*a.v.shape[:-4], a.cell[0] * a.cell[1], shared))
        right = b.v.reshape((*b.v.shape[:-4], shared, b.cell[2] * b.cell[3]))
        v = self.field.norm(left @ right)
        return Val(v=v.reshape((*v.shape[:-2], *a.cell[:2], *b.cell[2:])), dims=(*a.dims[:2], *b.dims[2:]))

    def _neutral(self, node: Node, a: Val, b: Val) -> Val:
        """An identity or a vector of ones takes the size of its neighbour."""
        if a.neutral and b.neutral:
            return self._neutral_product(node, a, b)
        known, neutral, left = (b, a, True) if a.neutral else (a, b, False)
        if known.is_scalar and known.dims == (ONE, ONE):
            return scaled(self.field, neutral, known)
        plain = replace(neutral, neutral="")
        axis = 0 if left else 1
        size, dim = known.cell[axis], known.dims[axis]
        if neutral.neutral in {"identity", "empty"}:
            if neutral.flat is None:
                return entrywise(self.field, known, plain)
            square = sized(self.field, neutral, (size, size), (dim, dim))
            return self._matrix(node, *((square, known) if left else (known, square)), dot=False)
        if (left and neutral.neutral == "ones" and size == 1) or (not left and size == 1):
            # ones times a row: a sum will say how many
            return replace(entrywise(self.field, known, plain), bias=True)
        ones = sized(self.field, replace(neutral, neutral="ones"), (size, 1), (dim, ONE))
        if neutral.neutral == "ones row":
            ones = transposed(ones)
            if not left:
                ones = replace(ones, v=ones.v[..., :1], dims=(ONE, ONE))
        return self._matrix(node, *((ones, known) if left else (known, ones)), dot=False)

    def _neutral_product(self, node: Node, a: Val, b: Val) -> Val:
        """I times anything; 𝟏𝟏ᵀ, which the neighbours make square."""
        for one, other in ((a, b), (b, a)):
            if one.neutral in {"identity", "empty"} and one.flat is None:
                return scaled(self.field, other, replace(one, neutral=""))
        if (a.neutral, b.neutral) == ("ones", "ones row"):
            count = entrywise(self.field, replace(a, neutral=""), replace(b, neutral=""))
            if count.t is None:
                return replace(count, v=count.v * 0, neutral="identity", flat=count.v)
        message = "the size of the vectors of ones is not known"
        raise Undecidable(node, message)

    def neutral_sum(self, node: Node, a: Val, b: Val) -> Val:
        """Identities with matrices of ones, or vectors of ones.

        Raises: Undecidable for a vector and a matrix, both of unknown size.
        """
        kinds = {"identity" if x.neutral == "empty" else x.neutral for x in (a, b)}
        if len(kinds) > 1:
            message = "the size of the identity and of the ones is not known"
            raise Undecidable(node, message)
        result = added(self.field, replace(a, neutral="", flat=None), replace(b, neutral="", flat=None))
        flats = [x.flat for x in (a, b) if x.flat is not None]
        return replace(result, neutral=kinds.pop(), flat=self.field.norm(sum(flats)) if flats else None)


def tensor_slopes(field: Field, a: Val) -> Val | None:
    """The slopes of an entrywise function from its derivative, a tensor of four axes; None where it is not diagonal."""
    if a.cell[:2] != a.cell[2:]:
        return None
    rows = a.cell[0] * a.cell[1]
    flat = a.v.reshape((*a.v.shape[:-4], rows, rows))
    if np.any(flat * field.array(1 - np.eye(rows, dtype=int)) != 0):
        return None
    diagonal = np.diagonal(flat, axis1=-2, axis2=-1)
    return Val(v=diagonal.reshape((*diagonal.shape[:-1], *a.cell[:2])), dims=a.dims[:2])
