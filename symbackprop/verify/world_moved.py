"""A world in which some node moves: numbers x + ε·dx with ε² = 0, so that derivatives can be differentiated again.

The node's own value gets tangents, all downstream follows, Jacobians among it; nothing upstream moves. Over doubles and
over integers modulo the prime alike, so a second derivative is as exact as a first one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.tables.reductions import AXIS_FUNCTION
from symbackprop.verify.world import World
from symbackprop.verify.world_field import Field, Inexact, jacobian_along

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from symbackprop.verify.world_equation import Node

    Array = np.ndarray[Any, Any]


class Dual:
    """A number with its tangents (None: it does not move). Comparisons see the number alone."""

    __slots__ = ("tangent", "value")

    def __init__(self, value: Any, tangent: Any = None) -> None:
        self.value, self.tangent = value, tangent

    def __add__(self, other: Any) -> Dual:
        if isinstance(other, np.ndarray):
            return NotImplemented  # the array adds entry by entry
        if not isinstance(other, Dual):
            return Dual(self.value + other, self.tangent)
        if self.tangent is None or other.tangent is None:
            return Dual(self.value + other.value, self.tangent if other.tangent is None else other.tangent)
        return Dual(self.value + other.value, self.tangent + other.tangent)

    __radd__ = __add__

    def __neg__(self) -> Dual:
        return Dual(-self.value, None if self.tangent is None else -self.tangent)

    def __sub__(self, other: Any) -> Dual:
        return self.__add__(-other)

    def __rsub__(self, other: Any) -> Dual:
        return (-self).__add__(other)

    def __mul__(self, other: Any) -> Dual:
        if isinstance(other, np.ndarray):
            return NotImplemented
        if not isinstance(other, Dual):
            return Dual(self.value * other, None if self.tangent is None else self.tangent * other)
        parts = [] if self.tangent is None else [self.tangent * other.value]
        if other.tangent is not None:
            parts.append(other.tangent * self.value)
        return Dual(self.value * other.value, sum(parts[1:], parts[0]) if parts else None)

    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        return bool(self.value == _plain(other))

    def __ne__(self, other: object) -> bool:
        return bool(self.value != _plain(other))

    def __lt__(self, other: Any) -> bool:
        return bool(self.value < _plain(other))

    def __le__(self, other: Any) -> bool:
        return bool(self.value <= _plain(other))

    def __gt__(self, other: Any) -> bool:
        return bool(self.value > _plain(other))

    def __ge__(self, other: Any) -> bool:
        return bool(self.value >= _plain(other))

    __hash__ = None  # type: ignore[assignment]  # a number that moves is no key


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Dual) else value


class DualField:
    """Duals over another field, with ``count`` tangents each."""

    def __init__(self, base: Field, count: int) -> None:
        self.base, self.count, self.exact, self.depth = base, count, base.exact, base.depth + 1

    # -- taking apart and putting together -----------------------------------------------------------------------------

    def parts(self, value: Any) -> tuple[Array, Array]:
        """The numbers, and the tangents in one more axis at the end."""
        array = np.asarray(value, dtype=object)
        flat = array.ravel().tolist()
        numbers = self.base.array([_plain(x) for x in flat]).reshape(array.shape)
        tangents = self.base.array(np.zeros((len(flat), self.count), dtype=int))
        for k, x in enumerate(flat):
            if isinstance(x, Dual) and x.tangent is not None:
                tangents[k] = x.tangent
        return numbers, tangents.reshape((*array.shape, self.count))

    def joined(self, numbers: Array, tangents: Array | None = None) -> Array:
        """Duals from numbers and tangents."""
        flat = np.ravel(numbers).tolist()
        rows = [None] * len(flat) if tangents is None else list(self._rows(tangents, np.shape(numbers)))
        result = np.empty(len(flat), dtype=object)
        result[:] = [Dual(x, t) for x, t in zip(flat, rows, strict=True)]
        return result.reshape(np.shape(numbers))

    def _rows(self, tangents: Array, shape: tuple[int, ...]) -> Array:
        return np.broadcast_to(tangents, (*shape, self.count)).reshape(-1, self.count)

    # -- what evaluation needs -----------------------------------------------------------------------------------------

    def array(self, value: Any) -> Array:
        """Duals; what is none does not move."""
        raw = np.asarray(value)
        if raw.dtype == object and raw.size and any(isinstance(x, Dual) for x in raw.ravel()):
            return raw
        return self.joined(self.base.array(value))

    def norm(self, value: Any) -> Array:
        """Both parts in normal form."""
        array = np.asarray(value, dtype=object)
        if not self.exact:
            return array
        numbers, tangents = self.parts(array)
        return self.joined(self.base.norm(numbers), self.base.norm(tangents))

    def inverse(self, value: Any) -> Array:
        """Entrywise 1/x."""
        x, t = self.parts(value)
        y = self.base.inverse(x)
        return self.joined(y, self.base.norm(-self.base.norm(y * y)[..., None] * t))

    def power(self, value: Any, exponent: Fraction) -> Array:
        """Entrywise power."""
        x, t = self.parts(value)
        slope = self.base.norm(self.base.array(exponent) * self.base.power(x, exponent - 1)) if exponent else 0 * x
        return self.joined(self.base.power(x, exponent), self.base.norm(slope[..., None] * t))

    def raised(self, value: Any, exponent: Any) -> Array:
        """x^y of positive x."""
        return self.named("exp", 0, [self.norm(exponent * self.named("log", 0, [value]))])

    def named(self, name: str, order: int, args: Sequence[Any]) -> Array:
        """A function with its slope as the factor of the tangents."""
        if name == "onehot":
            plain = [self.parts(a)[0] if np.asarray(a).dtype == object else a for a in args]
            return self.joined(np.asarray(self.base.named(name, order, plain)))
        x, t = self.parts(args[-1])
        ahead = list(args[:-1])
        value = np.asarray(self.base.named(name, order, [*ahead, x]))
        if not np.any(t != 0):
            return self.joined(np.broadcast_to(value, x.shape))
        slope = np.broadcast_to(np.asarray(self.base.named(name, order + 1, [*ahead, x])), x.shape)
        return self.joined(np.broadcast_to(value, x.shape), self.base.norm(slope[..., None] * t))

    def along(self, name: str, block: Array) -> tuple[Array, Array]:
        """A function of the last axis with its Jacobian, which moves too."""
        x, t = self.parts(block)
        value, slopes = self.base.along(name, x)
        moved = self.base.norm(np.squeeze(slopes[..., None, :] @ t, -2) if slopes.ndim == x.ndim else slopes @ t)
        out = self.joined(value, moved)
        return out, jacobian_along(self, AXIS_FUNCTION[name], out, np.asarray(block), x)

    def opaque(self, name: str, args: Sequence[Array]) -> tuple[Array, tuple[Array, ...]]:
        """An opaque function of arrays has no second derivatives.

        Raises: Inexact where an argument moves.
        """
        taken = [self.parts(a) for a in args]
        if any(np.any(t != 0) for _, t in taken):
            message = f"second derivatives of the opaque function {name}"
            raise Inexact(message)
        value, gradients = self.base.opaque(name, [x for x, _ in taken])
        return self.joined(value), tuple(map(self.joined, gradients))

    def same(self, a: Array, b: Array) -> bool:
        """Equality of the numbers."""
        return self.base.same(self.parts(a)[0], self.parts(b)[0])

    def constant(self, value: Array) -> Fraction | None:
        """The one whole number that all entries are."""
        x, t = self.parts(value)
        return None if np.any(t != 0) else self.base.constant(x)


class MovedWorld(World):
    """A world like another in which some nodes have tangents."""

    def __init__(self, base: World, tangents: Mapping[Node, Array], count: int) -> None:
        self.base, self.tangents = base, tangents
        self.dual = DualField(base.field, count)
        super().__init__(base.network, base.sizes, base.seed, kind=base.kind)

    def _begun(self) -> tuple[Field, Mapping[Node, Array]]:
        """The field, and the leaves as they are in the other world."""
        leaves = {node: array for node, array in self.base.arrays.items() if node not in self.base.jacobians}
        return self.dual, leaves

    def _leaf(self, node: Node, array: Array) -> Array:
        return self._settled(node, self.dual.array(array))

    def _settled(self, node: Node, value: Array) -> Array:
        """The value of a node with its tangents put in."""
        own = self.tangents.get(node)
        if own is None:
            return value
        numbers, tangents = self.dual.parts(value)
        return self.dual.joined(numbers, self.dual.base.norm(tangents + own))

    def direction(self, node: Node) -> Array:
        """The differential of a node, which does not move."""
        return self.dual.array(self.base.direction(node))

    def scalar(self, name: str) -> Array:
        """A scalar as in the other world."""
        return self.dual.array(self.base.scalar(name))
