"""Scalar templates as NumPy text: SymPy expressions over slots, written the way people write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.errors import UnsupportedError
from symbackprop.index import Compare, Where
from symbackprop.tables.activations import ACTIVATION

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

SUM, PRODUCT, SIGN, POWER, ATOM = 10, 12, 13, 14, 16
LARGEST_INTEGER = 2**15
"""Whole numbers above are written as floats: old NumPy makes float64 of float32 times an integer of 32 bits."""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of code and how tightly its outermost operator binds."""

    code: str
    level: int = ATOM

    def within(self, level: int) -> str:
        """The code, in parentheses where the place binds more tightly."""
        return self.code if self.level >= level else f"({self.code})"


def number(value: Any) -> Text:
    """A number: whole, a short decimal, or a fraction."""
    value = sp.sympify(value)
    if value.is_Integer:
        n = int(value)
        shown = str(n) if abs(n) <= LARGEST_INTEGER else repr(float(n))
        return Text(shown, SIGN if n < 0 else ATOM)
    if value.is_Rational:
        if _is_decimal(value.q):
            return Text(repr(float(value)), SIGN if value < 0 else ATOM)
        return Text(f"{number(value.p).code} / {number(value.q).code}", PRODUCT)
    return Text(repr(float(value)), SIGN if value < 0 else ATOM)


def _is_decimal(q: int) -> bool:
    """True for denominators of short decimals."""
    while q % 2 == 0:
        q //= 2
    while q % 5 == 0:
        q //= 5
    return q == 1


class ScalarWriter:
    """Writes templates; ``slots`` gives the text of every placeholder, ``call`` that of a function by name and order.

    ``plain`` are the slots that hold Python numbers; what is computed from these alone stays a Python number, which
    does not change the dtype of the array beside it.
    """

    NATIVE: Mapping[str, str] = {
        "exp": "np.exp",
        "log": "np.log",
        "Abs": "np.abs",
        "sign": "np.sign",
        "tanh": "np.tanh",
        "sin": "np.sin",
        "cos": "np.cos",
    }

    def __init__(
        self, slots: Mapping[str, Text], call: Callable[[str, int, list[Text]], Text], plain: Collection[str] = ()
    ) -> None:
        self.slots, self.call, self.plain = slots, call, plain

    def write(self, expression: Any) -> Text:
        """Text of an expression."""
        expression = sp.sympify(expression)
        if expression.is_Symbol:
            return self.slots[expression.name]
        if expression.is_Number or expression.is_NumberSymbol:
            return number(expression)
        if expression.is_Add:
            return self.sum(expression)
        if expression.is_Mul:
            return self.product(expression)
        if expression.is_Pow:
            return self.power(expression.base, expression.exp)
        if isinstance(expression, Where):
            return self.where(*expression.args)
        if isinstance(expression, Compare):
            return Text(f"np.asarray({self.compare(expression)}, dtype)")
        return self.function(expression)

    def sum(self, expression: Any) -> Text:
        terms = sorted(expression.args, key=lambda t: (t.could_extract_minus_sign(), *_place(t)))
        out = ""
        for term in terms:
            negative = term.could_extract_minus_sign()
            text = self.write(-term if negative else term).within(PRODUCT)
            if out:
                out += f" - {text}" if negative else f" + {text}"
            else:
                out = f"-{self.write(-term).within(SIGN)}" if negative else text
        return Text(out, SUM)

    def product(self, expression: Any) -> Text:
        coefficient, rest = expression.as_coeff_Mul()
        if coefficient.is_negative:
            return Text("-" + self.write(-expression).within(PRODUCT), SIGN)
        over, under = [], []
        for factor in sorted(sp.Mul.make_args(rest), key=_place):
            if factor.is_Pow and factor.exp.is_number and factor.exp.is_negative:
                under.append(self.power(factor.base, -factor.exp))
            else:
                over.append(self.write(factor))
        return fraction(coefficient, over, under)

    def power(self, base: Any, exponent: Any) -> Text:
        if exponent == sp.Rational(1, 2) and self.is_plain(base):
            return Text(f"{self.write(base).within(ATOM)}**0.5", POWER)
        if exponent == sp.Rational(1, 2):
            return Text(f"np.sqrt({self.write(base).code})")
        if exponent == 1:
            return self.write(base)
        if exponent.is_number and exponent.is_negative:
            return fraction(sp.S.One, [], [self.power(base, -exponent)])
        if base == sp.E:
            return Text(f"np.exp({self.write(exponent).code})")
        return Text(f"{self.write(base).within(ATOM)}**{self.write(exponent).within(ATOM)}", POWER)

    def where(self, condition: Any, first: Any, second: Any) -> Text:
        test = self.compare(condition) if isinstance(condition, Compare) else f"{self.write(condition).code} != 0"
        text = f"np.where({test}, {self.write(first).code}, {self.write(second).code})"
        if first.is_number and second.is_number:
            text += ".astype(dtype)"
        return Text(text)

    def compare(self, expression: Any) -> str:
        op, first, second = expression.args
        return f"{self.write(first).within(SUM)} {op.name} {self.write(second).within(SUM)}"

    def function(self, expression: Any) -> Text:
        args = [self.write(arg) for arg in expression.args]
        row = getattr(expression.func, "row", None)
        if row is not None:
            return self.call(row, expression.func.order, args)
        name = self.NATIVE.get(type(expression).__name__)
        if name is None:
            known = ", ".join(sorted({*self.NATIVE, *ACTIVATION}))
            message = f"no NumPy form of {type(expression).__name__}; known are {known}"
            raise UnsupportedError(message)
        text = f"{name}({', '.join(arg.code for arg in args)})"
        return Text(f"float({text})" if self.is_plain(expression) else text)

    def is_plain(self, expression: Any) -> bool:
        """True where only Python numbers occur."""
        return all(symbol.name in self.plain for symbol in expression.free_symbols)


def fraction(coefficient: Any, over: list[Text], under: list[Text]) -> Text:
    """``coefficient * over… / (under…)``; a positive coefficient."""
    coefficient = sp.Rational(coefficient) if coefficient.is_Rational else coefficient
    p, q = (coefficient.p, coefficient.q) if coefficient.is_Rational else (coefficient, 1)
    if coefficient.is_Rational and q > 10 and _is_decimal(q):  # noqa: PLR2004 - 0.01 rather than 1 / 100
        p, q = coefficient, 1
    head = ([number(p)] if p != 1 or not over else []) + over
    tail = ([number(q)] if q != 1 else []) + under
    top = " * ".join(t.within(PRODUCT) for t in head)  # c * a / b and c * a @ b are the same from left to right
    if not tail:
        return head[0] if len(head) == 1 else Text(top, PRODUCT)
    bottom = tail[0].within(SIGN) if len(tail) == 1 else "(" + " * ".join(t.within(SIGN) for t in tail) + ")"
    return Text(f"{top} / {bottom}", PRODUCT)


def _place(expression: Any) -> tuple[Any, ...]:
    """Order of people: numbers, then by the first slot that occurs, higher powers first."""
    slots = sorted(int(s.name[1:]) for s in expression.free_symbols if s.name[1:].isdigit())
    degree = -sp.total_degree(expression) if expression.is_polynomial() and slots else 0
    return (bool(slots), degree, slots, str(expression))
