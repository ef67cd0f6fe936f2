"""Numbers of two kinds under one set of operations: floating point, and integers modulo a large prime.

Modulo the prime every function is a random function of its argument that keeps what the function is known for
(``exp(-x) exp(x) = 1``, ``sigmoid = 1 / (1 + exp(-x))``, slopes in terms of values). An equation that holds there at
random points holds as an identity of rational functions, hence for the true functions; functions that need an order
(relu, maxima) do not live there and raise ``Inexact``.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import sympy as sp

from symbackprop.index import Compare, Where, slot
from symbackprop.oracle import Interpreter
from symbackprop.tables.reductions import AXIS_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from symbackprop.network import Network
    from symbackprop.oracle import Values

    Array = np.ndarray[Any, Any]

PRIME = 2**61 - 1


class Inexact(Exception):  # noqa: N818 - not an error: this kind of number cannot say
    """The field has no value for an operation; the other field decides."""


class Field(Protocol):
    """What evaluation needs of a kind of numbers; arrays have the field's dtype."""

    exact: bool

    def array(self, value: Any) -> Array:
        """The array with entries of this kind (whole numbers or fractions go in)."""

    def norm(self, value: Any) -> Array:
        """A result in normal form."""

    def inverse(self, value: Any) -> Array:
        """Entrywise 1/x."""

    def power(self, value: Any, exponent: Fraction) -> Array:
        """Entrywise power."""

    def named(self, name: str, order: int, args: Sequence[Any]) -> Array:
        """A named function or its slope; family indices come before the argument."""

    def along(self, name: str, block: Array) -> tuple[Array, Array]:
        """A function of the last axis with its Jacobian: values ``(…, n)`` (or ``(…,)``) and ``(…, n, n)``."""

    def opaque(self, name: str, args: Sequence[Array]) -> tuple[Array, tuple[Array, ...]]:
        """An opaque scalar function of arrays with its gradients."""


class FloatField:
    """Double precision, with the smooth stand-ins of ``oracle.draw`` for opaque functions."""

    exact = False

    def __init__(self, network: Network, values: Values) -> None:
        self._interpreter = Interpreter(network, values)
        self._functions = values.functions

    def array(self, value: Any) -> Array:
        """Doubles."""
        return np.asarray(value, dtype=float)

    def norm(self, value: Any) -> Array:
        """As they are."""
        return np.asarray(value)

    def inverse(self, value: Any) -> Array:
        """Entrywise 1/x; 1/0 is infinite."""
        with np.errstate(all="ignore"):
            return np.asarray(1.0 / np.asarray(value))

    def power(self, value: Any, exponent: Fraction) -> Array:
        """Entrywise power."""
        with np.errstate(all="ignore"):
            if exponent.denominator == 1 and exponent >= 0:
                return np.asarray(np.asarray(value) ** int(exponent))
            return np.asarray(np.asarray(value, dtype=float) ** float(exponent))

    def named(self, name: str, order: int, args: Sequence[Any]) -> Array:
        """Stand-ins, formulas of the file and rows of the table; second slopes by central differences."""
        with np.errstate(all="ignore"):
            if name in {"exp", "log", "sqrt"}:
                return _elementary(name, order, np.asarray(args[-1], dtype=float))
            if order <= 1:
                return np.asarray(self._interpreter.named(name, order, list(args)), dtype=float)
        message = f"a derivative of order {order} of {name}"
        raise Inexact(message)

    def along(self, name: str, block: Array) -> tuple[Array, Array]:
        """The rows of the table of reductions, with their Jacobians."""
        row = AXIS_FUNCTION[name]
        value = row.evaluate(block)
        length = block.shape[-1]
        out = value[..., :, None] if row.keeps else value[..., None, None]
        first = np.arange(length) == np.argmax(block, axis=-1)[..., None]
        slots = [
            out,
            value[..., None, :] if row.keeps else out,
            block[..., None, :],
            first[..., None, :] * 1.0,
        ]
        rows = length if row.keeps else 1
        jacobian = np.zeros((*block.shape[:-1], rows, length))
        for term in row.jacobian:
            part = compiled(sp.sympify(term.template))(self, slots)
            jacobian = jacobian + part * (np.eye(length) if term.delta else 1.0)
        return value, jacobian if row.keeps else jacobian[..., 0, :]

    def opaque(self, name: str, args: Sequence[Array]) -> tuple[Array, tuple[Array, ...]]:
        """The stand-in of an opaque loss."""
        value, gradient = self._functions[name]
        return np.asarray(value(*args)), tuple(np.asarray(g) for g in gradient(*args))


def _elementary(name: str, order: int, x: Array) -> Array:
    if name == "exp":
        return np.asarray(np.exp(x))
    if name == "log":
        return np.asarray(np.log(x) if order == 0 else -((-1.0) ** order) * x**-order if order <= 2 else x * np.nan)  # noqa: PLR2004
    return np.asarray(np.sqrt(x) if order == 0 else 0.5 / np.sqrt(x) if order == 1 else -0.25 * x**-1.5)


class ModField:
    """Integers modulo ``PRIME``; opaque functions and their slopes are independent random functions."""

    exact = True

    def __init__(self, network: Network, seed: int) -> None:
        self.network, self.seed = network, seed
        self.calls = 0

    def array(self, value: Any) -> Array:
        """Residues of whole numbers and fractions."""
        raw = np.asarray(value, dtype=object)
        flat = [self._residue(x) for x in raw.ravel()]
        result = np.empty(len(flat), dtype=object)
        result[:] = flat
        return result.reshape(raw.shape)

    @staticmethod
    def _residue(x: Any) -> int:
        if isinstance(x, (int, np.integer, bool, np.bool_)):
            return int(x) % PRIME
        if isinstance(x, float) and not x.is_integer():
            message = f"{x} modulo a prime"
            raise Inexact(message)
        fraction = Fraction(x)
        return fraction.numerator * pow(fraction.denominator, -1, PRIME) % PRIME

    def norm(self, value: Any) -> Array:
        """Residues from 0 to PRIME - 1."""
        return np.asarray(np.asarray(value, dtype=object) % PRIME, dtype=object)

    def inverse(self, value: Any) -> Array:
        """Entrywise 1/x.

        Raises: Inexact at 0.
        """
        return self._each(_inverse, value)

    def power(self, value: Any, exponent: Fraction) -> Array:
        """Whole powers, and halves by way of ``sqrt``."""
        if exponent.denominator == 1:
            base = value if exponent >= 0 else self.inverse(value)
            return self._each(lambda x: pow(x, abs(int(exponent)), PRIME), base)
        if exponent.denominator == 2:  # noqa: PLR2004 - a square root
            root = self.named("sqrt", 0, [value])
            return self.norm(root * self.power(value, exponent - Fraction(1, 2)))
        message = f"the power {exponent} modulo a prime"
        raise Inexact(message)

    def _each(self, function: Callable[[int], int], value: Any) -> Array:
        raw = np.asarray(value, dtype=object)
        result = np.empty(raw.size, dtype=object)
        result[:] = [function(int(x) % PRIME) for x in raw.ravel()]
        return result.reshape(raw.shape)

    def _random(self, name: str, order: int, family: tuple[int, ...], x: int) -> int:
        self.calls += 1
        text = f"{self.seed}|{name}|{order}|{family}|{x}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big") % PRIME

    def _exp(self, x: int) -> int:
        if x == 0:
            return 1
        mirrored = PRIME - x
        if mirrored < x:
            return _inverse(self._random("exp", 0, (), mirrored))
        return self._random("exp", 0, (), x)

    def named(self, name: str, order: int, args: Sequence[Any]) -> Array:
        """Random functions with the relations that are known of them."""
        entry = self.network.functions.get(name)
        x = args[-1]
        if entry is not None and entry.kind == "formula":
            return np.asarray(compiled(sp.diff(entry.template, slot(0), order))(self, [x]), dtype=object)
        if entry is not None:
            family = tuple(int(np.ravel(a)[0]) for a in args[:-1])
            return self._each(lambda v: self._random(name, order, family, v), x)
        return self._known(name, order, args)

    def _known(self, name: str, order: int, args: Sequence[Any]) -> Array:
        x = args[-1]
        if name == "onehot":
            same = np.asarray(args[0], dtype=object) == np.asarray(args[1], dtype=object)
            return self.array(same * 1) if order == 0 else self.array(np.zeros(np.shape(same), dtype=int))
        if name == "exp":
            return self._each(self._exp, x)
        if name == "log" and order <= 1:
            return self._each(lambda v: self._random("log", 0, (), v), x) if order == 0 else self.inverse(x)
        if name == "sqrt" and order <= 1:
            root = self._each(lambda v: self._random("sqrt", 0, (), v), x)
            return root if order == 0 else self.inverse(self.norm(2 * root))
        if name in {"sigmoid", "tanh"} and order <= 1:
            decay = self._each(self._exp, self.norm(-x if name == "sigmoid" else 2 * x))
            if name == "sigmoid":
                s = self.inverse(self.norm(1 + decay))
                return s if order == 0 else self.norm(s * (1 - s))
            t = self.norm((decay - 1) * self.inverse(self.norm(decay + 1)))
            return t if order == 0 else self.norm(1 - t * t)
        if name == "identity":
            return self.array(np.ones(np.shape(x), dtype=int)) if order == 1 else self.norm(x) if order == 0 else 0 * x
        message = f"{name} modulo a prime"
        raise Inexact(message)

    def along(self, name: str, block: Array) -> tuple[Array, Array]:
        """Softmax and its kin from the random exponential."""
        if name not in {"softmax", "log_softmax", "logsumexp"}:
            message = f"{name} modulo a prime"
            raise Inexact(message)
        weights = self._each(self._exp, block)
        total = self.norm(weights.sum(axis=-1, keepdims=True))
        p = self.norm(weights * self.inverse(total))
        eye = self.array(np.eye(block.shape[-1], dtype=int))
        if name == "softmax":
            return p, self.norm(p[..., :, None] * (eye - p[..., None, :]))
        log_total = self.named("log", 0, [total])
        if name == "logsumexp":
            return log_total[..., 0], p
        return self.norm(block - log_total), self.norm(eye - p[..., None, :])

    def opaque(self, name: str, args: Sequence[Array]) -> tuple[Array, tuple[Array, ...]]:
        """Independent random numbers for the value and every partial derivative, decided by all arguments."""
        flat = [int(x) for a in args for x in np.ravel(a)]
        digest = int.from_bytes(hashlib.blake2b(repr(flat).encode(), digest_size=16).digest(), "big")
        value = self.array(self._random(name, 0, (), digest))
        gradients = []
        for position, a in enumerate(args):
            parts = [self._random(name, 1, (position, k), digest) for k in range(np.size(a))]
            gradients.append(self.array(parts).reshape(np.shape(a)))
        return value, tuple(gradients)


def _inverse(x: int) -> int:
    if x == 0:
        message = "1/0 modulo a prime"
        raise Inexact(message)
    return pow(x, -1, PRIME)


# ---------------------------------------------------------------------------------------------------------------------
# Scalar templates


@lru_cache(maxsize=4096)
def compiled(template: Any) -> Callable[[Any, Sequence[Any]], Any]:  # noqa: PLR0911 - one return a kind of node
    """The template as a function of a field and the values of its slots.

    >>> double = compiled(2 * slot(0))
    >>> int(double(ModField(None, 0), [np.asarray(21, dtype=object)]))  # type: ignore[arg-type]
    42
    """
    if template.is_Symbol:
        position = int(template.name[1:])
        return lambda _, slots: slots[position]
    if template.is_Rational:
        number = Fraction(int(template.p), int(template.q))
        return lambda field, _: field.array(number)
    if template.is_number and not template.args:
        value = float(template)
        return lambda field, _: field.array(value)
    if isinstance(template, Compare):
        return _comparison(template)
    parts = [compiled(a) for a in template.args]
    if isinstance(template, Where):
        return lambda field, slots: np.where(
            np.asarray(parts[0](field, slots) != 0), parts[1](field, slots), parts[2](field, slots)
        )
    if template.is_Add:
        return lambda field, slots: field.norm(sum((p(field, slots) for p in parts[1:]), parts[0](field, slots)))
    if template.is_Mul:
        return _multiplied(parts)
    if template.is_Pow:
        return _powered(template, parts)
    if isinstance(template, (sp.exp, sp.log)):
        name = "exp" if isinstance(template, sp.exp) else "log"
        return lambda field, slots: field.named(name, 0, [parts[0](field, slots)])
    row, order = template.func.row, template.func.order
    return lambda field, slots: field.named(row, order, [p(field, slots) for p in parts])


def _multiplied(parts: list[Callable[[Any, Sequence[Any]], Any]]) -> Callable[[Any, Sequence[Any]], Any]:
    def value(field: Any, slots: Sequence[Any]) -> Any:
        total = parts[0](field, slots)
        for part in parts[1:]:
            total = field.norm(total * part(field, slots))
        return total

    return value


def _powered(template: Any, parts: list[Callable[[Any, Sequence[Any]], Any]]) -> Callable[[Any, Sequence[Any]], Any]:
    exponent = template.exp
    if exponent.is_Rational:
        number = Fraction(int(exponent.p), int(exponent.q))
        return lambda field, slots: field.power(parts[0](field, slots), number)

    def value(field: Any, slots: Sequence[Any]) -> Any:
        if field.exact:
            message = "a variable power modulo a prime"
            raise Inexact(message)
        return np.asarray(parts[0](field, slots), dtype=float) ** np.asarray(parts[1](field, slots), dtype=float)

    return value


_COMPARE = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


def _comparison(template: Any) -> Callable[[Any, Sequence[Any]], Any]:
    sign = str(template.args[0])
    left, right = (compiled(a) for a in template.args[1:])

    def value(field: Any, slots: Sequence[Any]) -> Any:
        if field.exact:
            message = "a comparison modulo a prime"
            raise Inexact(message)
        return _COMPARE[sign](np.asarray(left(field, slots)), np.asarray(right(field, slots))) * 1.0

    return value
