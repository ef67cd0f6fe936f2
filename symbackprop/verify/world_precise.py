"""Numbers of 50 digits, for what doubles leave open: differences near rounding, and values too large for them.

Everything is computed from its mathematics: rows of the tables by their definitions and slopes, opaque functions by the
stand-ins that doubles use. An operation without a real value (a logarithm of a negative number) gives no number.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np
import sympy as sp

from symbackprop.index import slot
from symbackprop.oracle import phase_of
from symbackprop.tables.activations import ACTIVATION
from symbackprop.tables.reductions import AXIS_FUNCTION
from symbackprop.verify.world_field import LARGEST_POWER, Inexact, compiled, elementary_slope, jacobian_along, row_slope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from symbackprop.network import Network

    Array = np.ndarray[Any, Any]

DIGITS = 50
EQUAL, NOT_EQUAL = 40, 35
"""Values that agree to the first number of digits are equal, to less than the second different."""
LARGEST = 10**9
"""Arguments of functions, and exponents, above which nothing is computed."""
CONTEXT = mpmath.MPContext()
CONTEXT.dps = DIGITS
_NAN = CONTEXT.nan


def _sqrt(x: Any) -> Any:
    return CONTEXT.sqrt(x) if x >= 0 else _NAN


def _log(x: Any) -> Any:
    return CONTEXT.log(x) if x > 0 else -CONTEXT.inf if x == 0 else _NAN


def _bounded(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function of arguments whose digits can be told; no number beyond."""
    return lambda x: function(x) if abs(x) <= LARGEST else _NAN


_ELEMENTARY: dict[str, Callable[[Any], Any]] = {
    "exp": _bounded(CONTEXT.exp), "log": _log, "sqrt": _sqrt, "erf": _bounded(CONTEXT.erf),
    "sin": _bounded(CONTEXT.sin), "cos": _bounded(CONTEXT.cos), "tanh": _bounded(CONTEXT.tanh), "abs": abs,
    "sign": CONTEXT.sign,
}  # fmt: skip


def _power(x: Any, exponent: Any) -> Any:
    if abs(exponent) > LARGEST:
        return _NAN
    if x == 0 and exponent < 0:
        return CONTEXT.inf
    value = x**exponent
    return value if isinstance(value, CONTEXT.mpf) else _NAN


class PreciseField:
    """Arrays of numbers of ``DIGITS`` digits."""

    exact = False
    depth = 0

    def __init__(self, network: Network) -> None:
        self.network = network

    def array(self, value: Any) -> Array:
        """Numbers of this kind; doubles are taken as they are."""
        raw = np.asarray(value, dtype=object)
        result = np.empty(raw.size, dtype=object)
        result[:] = [_number(x.item() if isinstance(x, np.generic) else x) for x in raw.ravel().tolist()]
        return result.reshape(raw.shape)

    def norm(self, value: Any) -> Array:
        """As they are."""
        return np.asarray(value, dtype=object)

    def inverse(self, value: Any) -> Array:
        """Entrywise 1/x; 1/0 is infinite."""
        return _each(lambda x: _power(x, -1), value)

    def power(self, value: Any, exponent: Fraction) -> Array:
        """Entrywise power."""
        n = exponent.numerator if exponent.denominator == 1 else _number(exponent)
        return _each(lambda x: _power(x, n), value)

    def raised(self, value: Any, exponent: Any) -> Array:
        """Entrywise power whose exponent is an array."""
        base, power = np.broadcast_arrays(np.asarray(value, dtype=object), np.asarray(exponent, dtype=object))
        pairs = [_power(x, y) for x, y in zip(base.ravel(), power.ravel(), strict=True)]
        result = np.empty(len(pairs), dtype=object)
        result[:] = pairs
        return result.reshape(base.shape)

    def same(self, a: Array, b: Array) -> bool:
        """Equality up to rounding."""
        error = np.max(np.abs(a - b), initial=_number(0))
        return bool(error <= _number(10) ** -EQUAL * max(_number(1), np.max(np.abs(a), initial=_number(0))))

    def constant(self, value: Array) -> Fraction | None:
        """The whole number that all entries are."""
        found = list(np.ravel(value))
        first = found[0]
        whole = abs(first) <= LARGEST_POWER and CONTEXT.isint(first) and all(x == first for x in found)
        return Fraction(int(first)) if whole else None

    def named(self, name: str, order: int, args: Sequence[Any]) -> Array:
        """Functions by their mathematics, with slopes of any order."""
        x = args[-1]
        if name == "onehot":
            return self.array((np.asarray(args[0]) == np.asarray(args[1])) * (1 - min(order, 1)))
        entry = self.network.functions.get(name)
        if entry is not None and entry.kind == "opaque":
            return self._stand_in(name, order, args)
        if entry is not None:
            return self._template(sp.diff(entry.template, slot(0), order), x)
        if name in _ELEMENTARY and order == 0:
            return _each(_ELEMENTARY[name], x)
        if name in {"exp", "log", "sqrt", "erf"}:
            return self._template(elementary_slope(name, order), x)
        if name in ACTIVATION:
            return self._template(row_slope(name, order), x)
        message = f"{name} to {DIGITS} digits"
        raise Inexact(message)

    def _template(self, template: Any, x: Any) -> Array:
        value = np.asarray(compiled(template)(self, [x]), dtype=object)
        return np.array(np.broadcast_to(value, np.shape(x)), dtype=object)

    def _stand_in(self, name: str, order: int, args: Sequence[Any]) -> Array:
        """``sin(x + shift) + 0.4 x`` and its slopes, as for doubles."""
        shift = _number(phase_of(self.network, name)) + _number(0.7) * sum(int(np.ravel(a)[0]) for a in args[:-1])
        waves = (CONTEXT.sin, CONTEXT.cos, lambda x: -CONTEXT.sin(x), lambda x: -CONTEXT.cos(x))
        wave = _each(lambda x: waves[order % 4](x + shift), args[-1])
        line = [_number(0.4) * np.asarray(args[-1], dtype=object), _number(0.4)]
        return np.asarray(wave + line[order] if order < len(line) else wave, dtype=object)

    def along(self, name: str, block: Array) -> tuple[Array, Array]:
        """Softmax, its kin and maxima, with their Jacobians."""
        top = np.max(block, axis=-1, keepdims=True)
        if name == "max":
            value = top[..., 0]
        elif name in {"softmax", "log_softmax", "logsumexp"}:
            weights = self.named("exp", 0, [block - top])
            total = weights.sum(axis=-1, keepdims=True)
            logarithm = top + self.named("log", 0, [total])
            value = {"softmax": weights / total, "log_softmax": block - logarithm, "logsumexp": logarithm[..., 0]}[name]
        else:
            message = f"{name} to {DIGITS} digits"
            raise Inexact(message)
        value = np.asarray(value, dtype=object)
        return value, jacobian_along(self, AXIS_FUNCTION[name], value, block, block)

    def opaque(self, name: str, args: Sequence[Array]) -> tuple[Array, tuple[Array, ...]]:
        """Opaque functions of arrays stay with doubles.

        Raises: Inexact.
        """
        del args
        message = f"the opaque function {name} to {DIGITS} digits"
        raise Inexact(message)


def _number(x: Any) -> Any:
    """A number of any kind as one of this."""
    if isinstance(x, Fraction):
        return CONTEXT.mpf(x.numerator) / x.denominator
    if isinstance(x, sp.Float):
        return CONTEXT.make_mpf(x._mpf_)
    return CONTEXT.mpf(x.item() if isinstance(x, np.generic) else x)


def _each(function: Callable[[Any], Any], value: Any) -> Array:
    raw = np.asarray(value, dtype=object)
    result = np.empty(raw.size, dtype=object)
    result[:] = [function(x) for x in raw.ravel()]
    return result.reshape(raw.shape)
