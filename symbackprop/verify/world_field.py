"""Numbers of two kinds under one set of operations: floating point, and integers modulo a large prime.

Modulo the prime every function is a random function of its argument that keeps what the function is known for
(``exp(-x) exp(x) = 1``, ``sigmoid = 1 / (1 + exp(-x))``, slopes in terms of values). An equation that holds there at
random points holds as an identity of rational functions, hence for the true functions; functions that need an order
(relu, maxima) do not live there and raise ``Inexact``.
"""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import sympy as sp

from symbackprop.index import Compare, Where, slot
from symbackprop.oracle import Interpreter
from symbackprop.tables.activations import ACTIVATION, activation, template
from symbackprop.tables.reductions import AXIS_FUNCTION, AxisFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from symbackprop.network import Network
    from symbackprop.oracle import Values

    Array = np.ndarray[Any, Any]

PRIME = 2**61 - 1
LARGEST_POWER = 10**6
"""Exponents above are taken by logarithms."""


class Inexact(Exception):  # noqa: N818 - not an error: this kind of number cannot say
    """The field has no value for an operation; the other field decides."""


class Field(Protocol):
    """What evaluation needs of a kind of numbers; arrays have the field's dtype."""

    exact: bool
    depth: int
    """How often derivatives have been taken of the numbers themselves."""

    def array(self, value: Any) -> Array:
        """The array with entries of this kind (whole numbers or fractions go in)."""

    def norm(self, value: Any) -> Array:
        """A result in normal form."""

    def inverse(self, value: Any) -> Array:
        """Entrywise 1/x."""

    def power(self, value: Any, exponent: Fraction) -> Array:
        """Entrywise power."""

    def raised(self, value: Any, exponent: Any) -> Array:
        """Entrywise power whose exponent is an array."""

    def same(self, a: Array, b: Array) -> bool:
        """True for equal values, up to rounding."""

    def constant(self, value: Array) -> Fraction | None:
        """The whole number that all entries are; None for others, and where that cannot be known."""

    def named(self, name: str, order: int, args: Sequence[Any]) -> Array:
        """A named function or its slope; family indices come before the argument."""

    def along(self, name: str, block: Array) -> tuple[Array, Array]:
        """A function of the last axis with its Jacobian: values ``(…, n)`` (or ``(…,)``) and ``(…, n, n)``."""

    def opaque(self, name: str, args: Sequence[Array]) -> tuple[Array, tuple[Array, ...]]:
        """An opaque scalar function of arrays with its gradients."""


class FloatField:
    """Double precision, with the smooth stand-ins of ``oracle.draw`` for opaque functions."""

    exact = False
    depth = 0

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

    def raised(self, value: Any, exponent: Any) -> Array:
        """Entrywise power whose exponent is an array."""
        return np.asarray(np.asarray(value, dtype=float) ** np.asarray(exponent, dtype=float))

    def same(self, a: Array, b: Array) -> bool:
        """Equality up to rounding."""
        return bool(np.allclose(a, b, rtol=1e-11, atol=1e-12))

    def constant(self, value: Array) -> Fraction | None:
        """The whole number that all entries are."""
        found = np.unique(value)
        whole = found.size == 1 and abs(float(found[0])) <= LARGEST_POWER and float(found[0]).is_integer()
        return Fraction(int(found[0])) if whole else None

    def named(self, name: str, order: int, args: Sequence[Any]) -> Array:
        """Stand-ins, formulas of the file and rows of the table, with their slopes of any order."""
        with np.errstate(all="ignore"):
            if name in _ELEMENTARY and order == 0:
                return np.asarray(_ELEMENTARY[name](np.asarray(args[-1], dtype=float)))
            if name in _ELEMENTARY:
                return np.asarray(compiled(elementary_slope(name, order))(self, [args[-1]]), dtype=float)
            entry = self._interpreter.network.functions.get(name)
            if order <= 1 or name == "onehot" or (entry is not None and entry.kind == "opaque"):
                return np.asarray(self._interpreter.named(name, order, list(args)), dtype=float)
            slope = row_slope(name, order) if entry is None else sp.diff(entry.template, slot(0), order)
            return np.asarray(compiled(slope)(self, [args[-1]]), dtype=float)

    def along(self, name: str, block: Array) -> tuple[Array, Array]:
        """The rows of the table of reductions, with their Jacobians."""
        row = AXIS_FUNCTION[name]
        value = row.evaluate(block)
        return value, jacobian_along(self, row, value, block, block)

    def opaque(self, name: str, args: Sequence[Array]) -> tuple[Array, tuple[Array, ...]]:
        """The stand-in of an opaque loss."""
        value, gradient = self._functions[name]
        return np.asarray(value(*args)), tuple(np.asarray(g) for g in gradient(*args))


_ELEMENTARY: Mapping[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "erf": np.vectorize(math.erf, otypes=[float]),
}


@lru_cache(maxsize=64)
def elementary_slope(name: str, order: int) -> Any:
    """The slope of an elementary function as a template."""
    return sp.diff({"log": sp.log, "sqrt": sp.sqrt, "erf": sp.erf, "exp": sp.exp}[name](slot(0)), slot(0), order)


@lru_cache(maxsize=64)
def row_slope(name: str, order: int) -> Any:
    """The slope of a row of the table of activations, of any order, as a template."""
    x, row = slot(0), activation(name)
    if order == 0:
        return row.define(x)
    return row.slope(x, template(name, x)) if order == 1 else sp.diff(row_slope(name, order - 1), x)


def jacobian_along(field: Any, row: AxisFunction, value: Array, block: Array, plain: Array) -> Array:
    """The Jacobian of a function of the last axis; ``plain`` are the numbers of the block, which have an order."""
    length = block.shape[-1]
    out = value[..., :, None] if row.keeps else value[..., None, None]
    first = (np.arange(length) == np.argmax(plain, axis=-1)[..., None]) * 1
    slots = [out, value[..., None, :] if row.keeps else out, block[..., None, :], field.array(first)[..., None, :]]
    rows = length if row.keeps else 1
    jacobian = field.array(np.zeros((*block.shape[:-1], rows, length), dtype=int))
    eye = field.array(np.eye(length, dtype=int))
    for term in row.jacobian:
        part = compiled(sp.sympify(term.template))(field, slots)
        jacobian = field.norm(jacobian + (part * eye if term.delta else part))
    return np.asarray(jacobian if row.keeps else jacobian[..., 0, :])


class ModField:
    """Integers modulo ``PRIME``; opaque functions and their slopes are independent random functions."""

    exact = True
    depth = 0

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
        if isinstance(x, (float, sp.Float)) and int(x) != x:
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

    def raised(self, value: Any, exponent: Any) -> Array:  # noqa: ARG002 - as other fields
        """Powers of which the exponent is no number have no place here.

        Raises: Inexact.
        """
        message = "a variable power modulo a prime"
        raise Inexact(message)

    def same(self, a: Array, b: Array) -> bool:
        """Equality."""
        return bool(np.all(a == b))

    def constant(self, value: Array) -> Fraction | None:  # noqa: ARG002 - as other fields
        """Residues do not say which whole number they are."""
        return None

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
        if name in {"log", "sqrt", "erf"}:
            if order:
                return np.asarray(compiled(elementary_slope(name, order))(self, [x]), dtype=object)
            return self._each(lambda v: self._random(name, 0, (), v), x)
        if name == "tanh" and order == 0:
            decay = self._each(self._exp, self.norm(2 * x))
            return self.norm((decay - 1) * self.inverse(self.norm(decay + 1)))
        row = ACTIVATION.get(name)
        if row is None or row.define(slot(0)).has(*_WITH_ORDER):
            message = f"{name} modulo a prime"
            raise Inexact(message)
        return self.norm(compiled(row_slope(name, order))(self, [x]) + 0 * x)

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

_WITH_ORDER = (sp.Piecewise, sp.Abs, sp.sign)
_NAMES = {
    sp.exp: "exp", sp.log: "log", sp.sin: "sin", sp.cos: "cos", sp.tanh: "tanh", sp.erf: "erf", sp.Abs: "abs",
    sp.sign: "sign",
}  # fmt: skip


@lru_cache(maxsize=4096)
def compiled(formula: Any) -> Callable[[Any, Sequence[Any]], Any]:  # noqa: PLR0911 - one return a kind of node
    """The template as a function of a field and the values of its slots.

    >>> double = compiled(2 * slot(0))
    >>> int(double(ModField(None, 0), [np.asarray(21, dtype=object)]))  # type: ignore[arg-type]
    42
    """
    if formula.is_Symbol:
        position = int(formula.name[1:])
        return lambda _, slots: slots[position]
    if formula.is_Rational:
        number = Fraction(int(formula.p), int(formula.q))
        return lambda field, _: field.array(number)
    if formula.is_number and not formula.args:
        value = sp.N(formula, 60)
        return lambda field, _: field.array(value)
    if isinstance(formula, Compare):
        return _comparison(formula)
    if isinstance(formula, sp.Piecewise):
        return _by_cases(formula)
    parts = [compiled(a) for a in formula.args]
    if isinstance(formula, Where):
        return lambda field, slots: np.where(
            np.asarray(parts[0](field, slots) != 0), parts[1](field, slots), parts[2](field, slots)
        )
    if formula.is_Add:
        return lambda field, slots: field.norm(sum((p(field, slots) for p in parts[1:]), parts[0](field, slots)))
    if formula.is_Mul:
        return _multiplied(parts)
    if formula.is_Pow:
        return _powered(formula, parts)
    if formula.func in _NAMES:
        name = _NAMES[formula.func]
        return lambda field, slots: field.named(name, 0, [parts[0](field, slots)])
    row, order = formula.func.row, formula.func.order
    return lambda field, slots: field.named(row, order, [p(field, slots) for p in parts])


def _by_cases(template: Any) -> Callable[[Any, Sequence[Any]], Any]:
    """The first value whose condition holds: comparisons of two templates, and True for the last."""
    values = [compiled(value) for value, _ in template.args]
    sides = [[compiled(side) for side in condition.args] for _, condition in template.args[:-1]]
    signs = [_COMPARE[condition.rel_op] for _, condition in template.args[:-1]]

    def value(field: Any, slots: Sequence[Any]) -> Any:
        result = values[-1](field, slots)
        for own, (left, right), sign in zip(values[-2::-1], sides[::-1], signs[::-1], strict=True):
            holds = sign(np.asarray(left(field, slots)), np.asarray(right(field, slots)))
            result = np.where(np.asarray(holds, dtype=bool), own(field, slots), result)
        return result

    return value


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

    return lambda field, slots: field.raised(parts[0](field, slots), parts[1](field, slots))


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
