"""Scalar templates as mathematics: sums and products in the author's order, functions, powers, choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.emit import layout as y
from symbackprop.emit.layout import ADD, ATOM, PRODUCT, Piece
from symbackprop.emit.target import SIGNS, name_of
from symbackprop.index import Compare, Where

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.emit.mathtext import Printer
    from symbackprop.notation.glyph import Item

_RELATIONS = {">": "gt", ">=": "ge", "<": "lt", "<=": "le", "==": "eq", "!=": "ne"}

EULER = y.beside(y.symbol(r"\exp"), y.Fence(y.Digits("1")))
"""The number e alone, since its letter may be an index."""


def place(part: Any) -> tuple[int, str]:
    """Where a part of a template stood: by its first slot; bare numbers come first."""
    slots = [int(s.name[1:]) for s in part.free_symbols if s.name[1:].isdigit()]
    return (min(slots) if slots else -1, str(part))


@dataclass(frozen=True, slots=True)
class Leaves:
    """What fills the slots: pieces, and for indices their items too (a layer's function carries them)."""

    pieces: Mapping[Any, Piece]
    indices: Mapping[Any, tuple[Item, ...]]


class Templates:
    """Prints SymPy templates for one printer."""

    def __init__(self, printer: Printer) -> None:
        self.printer, self.target = printer, printer.target

    def piece(self, template: Any, leaves: Leaves) -> Piece:
        """The template with its slots filled."""
        if template in leaves.pieces:
            return leaves.pieces[template]
        kinds = (
            (sp.Add, self._add),
            (sp.Mul, self._mul),
            (sp.exp, self._exp),
            (sp.Pow, self._pow),
            (sp.Rational, self._number),
            (Where, self._where),
            (Compare, self._iverson),
        )
        write = next((method for kind, method in kinds if isinstance(template, kind)), self._call)
        constant = {sp.pi: SIGNS["pi"], sp.E: EULER}.get(template)
        return Piece(constant) if constant else write(template, leaves)

    def _exp(self, power: Any, leaves: Leaves) -> Piece:
        """A power of e; the function by its name where e counts examples."""
        inner = self.piece(power.args[0], leaves)
        printer = self.printer
        if printer.network.batch and "e" in (*printer.preset.indices.examples, *printer.network.letters.values()):
            return Piece(y.beside(y.symbol(r"\exp"), self.target.brackets(inner)), ATOM, inner.height)
        return self.power(SIGNS["e"], inner)

    @staticmethod
    def power(base: y.Box, exponent: Piece) -> Piece:
        """A power of what is bracketed where it must be."""
        return Piece(y.Power(base, exponent.box), ATOM, exponent.height)

    def _iverson(self, compare: Any, leaves: Leaves) -> Piece:
        return Piece(self.target.brackets(Piece(self._comparison(compare, leaves)), "[]"))

    def _number(self, value: Any, leaves: Leaves) -> Piece:
        if value < 0:
            return self.target.negative(self._number(-value, leaves), ADD)
        decimal = decimal_text(value)
        if decimal is not None or value.q == 1:
            return Piece(y.Digits(decimal or str(value.p)))
        return self.target.frac(Piece(y.Digits(str(value.p))), Piece(y.Digits(str(value.q))))

    def _add(self, total: Any, leaves: Leaves) -> Piece:
        parts = sorted(total.args, key=place)
        if _negative(parts[0]):
            first = next((p for p in parts if not _negative(p)), parts[0])
            parts = [first, *(p for p in parts if p is not first)]
        return self.target.total(
            [(_negative(part), self.piece(-part if _negative(part) else part, leaves)) for part in parts], PRODUCT
        )

    def _mul(self, product: Any, leaves: Leaves) -> Piece:
        coefficient, rest = product.as_coeff_Mul()
        if coefficient < 0:
            return self.target.negative(self.piece(-product, leaves), PRODUCT)
        over: list[Piece] = []
        under: list[Piece] = []
        for part in sorted(sp.Mul.make_args(rest), key=place):
            base, exponent = (part, sp.S.One) if isinstance(part, sp.exp) else part.as_base_exp()
            if exponent.is_Rational and exponent.is_negative:
                under.append(self.piece(base**-exponent, leaves))
            else:
                over.append(self.piece(part, leaves))
        if coefficient.p != 1:
            over.insert(0, Piece(y.Digits(str(coefficient.p))))
        if coefficient.q != 1:
            under.insert(0, Piece(y.Digits(str(coefficient.q))))
        one = Piece(y.Digits("1"))
        if not under:
            return self.target.product(over)
        if len(over) > 2:  # noqa: PLR2004 - a long numerator reads better beside the bar
            return self.target.product([self.target.frac(one, self.target.product(under)), *over])
        return self.target.frac(self.target.product(over or [one]), self.target.product(under))

    def _pow(self, power: Any, leaves: Leaves) -> Piece:
        base, exponent = power.as_base_exp()
        if exponent.is_Rational and exponent.is_negative:
            return self.target.frac(Piece(y.Digits("1")), self.piece(base**-exponent, leaves))
        inner = self.piece(base, leaves)
        if exponent == sp.Rational(1, 2):
            return Piece(y.Root(inner.box), ATOM, inner.height)
        bare = inner.level == ATOM and not inner.height and (base.is_Integer or not y.has_superscript(inner.box))
        return self.power(inner.box if bare else self.target.brackets(inner), self.piece(exponent, leaves))

    def _call(self, call: Any, leaves: Leaves) -> Piece:
        """A function of its last argument; those before it say which layer's function it is."""
        *family, argument = call.args
        name, order = getattr(call, "row", None), getattr(call, "order", 0)
        if isinstance(call, sp.Abs) or (name == "abs" and not order):
            inner = self.piece(argument, leaves)
            return Piece(self.target.brackets(inner, "||"), ATOM, inner.height)
        if name is None:
            name = "log" if isinstance(call, sp.log) else type(call).__name__
        if name == "onehot":
            return self._onehot(family[0], argument, leaves)
        values = [leaves.indices[each] for each in family]
        head = name_of(self.printer.spelling.function(name, len(family), order).fill(values))
        inner = self.piece(argument, leaves)
        return Piece(y.beside(head, self.target.brackets(inner)), ATOM, inner.height)

    def _onehot(self, label: Any, entry: Any, leaves: Leaves) -> Piece:
        """Whether a label is the entry's, as a bracket that is 1 or 0."""
        equal = y.spaced([self.piece(label, leaves).box, y.EQUALS, self.piece(entry, leaves).box])
        return Piece(self.target.brackets(Piece(equal), "[]"))

    def _comparison(self, compare: Any, leaves: Leaves) -> y.Box:
        sign, left, right = compare.args
        return y.spaced([self.piece(left, leaves).box, SIGNS[_RELATIONS[sign.name]], self.piece(right, leaves).box])

    def _where(self, choice: Any, leaves: Leaves) -> Piece:
        rows: list[tuple[y.Box, y.Box]] = []
        rest = choice
        while isinstance(rest, Where):
            test, value, rest = rest.args
            if isinstance(test, Compare):
                shown = self._comparison(test, leaves)
            else:
                shown = y.spaced([self.piece(test, leaves).box, SIGNS["ne"], y.Digits("0")])
            rows.append((self.piece(value, leaves).box, shown))
        rows.append((self.piece(rest, leaves).box, SIGNS["otherwise"]))
        return Piece(y.Cases(tuple(rows)), ATOM, 2)


def _negative(part: Any) -> bool:
    return bool(part.as_coeff_Mul()[0] < 0)


def decimal_text(value: Any) -> str | None:
    """An exact decimal for a fraction whose denominator is a product of many twos and fives, else None.

    >>> decimal_text(sp.Rational(44715, 1000000)), decimal_text(sp.Rational(1, 8))
    ('0.044715', None)
    """
    if value.q < 100:  # noqa: PLR2004 - small denominators read better as fractions
        return None
    rest, digits = value.q, 0
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest, count = rest // prime, count + 1
        digits = max(digits, count)
    if rest != 1:
        return None
    scaled = str(value.p * 10**digits // value.q).rjust(digits + 1, "0")
    return f"{scaled[:-digits]}.{scaled[-digits:]}"
