"""Scalar templates as mathematics: sums and products in the author's order, functions, powers, choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.emit.mathtext_targets import ADD, ATOM, PRODUCT, Piece
from symbackprop.index import Compare, Where

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.emit.mathtext import Printer
    from symbackprop.notation.glyph import Item

_RELATIONS = {">": "gt", ">=": "ge", "<": "lt", "<=": "le", "==": "eq", "!=": "ne"}


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
        constant = {sp.pi: "pi", sp.E: "e"}.get(template)
        return Piece(self.target.signs[constant]) if constant else write(template, leaves)

    def _exp(self, power: Any, leaves: Leaves) -> Piece:
        return self.target.power(self.target.signs["e"], self.piece(power.args[0], leaves))

    def _iverson(self, compare: Any, leaves: Leaves) -> Piece:
        return Piece(self.target.brackets(Piece(self._comparison(compare, leaves)), "[]"))

    def _number(self, value: Any, leaves: Leaves) -> Piece:
        if value < 0:
            return Piece(self.target.signs["minus"] + self._number(-value, leaves).text, ADD)
        decimal = decimal_text(value)
        if decimal is not None or value.q == 1:
            return Piece(decimal or str(value.p))
        return self.target.frac(Piece(str(value.p)), Piece(str(value.q)))

    def _add(self, total: Any, leaves: Leaves) -> Piece:
        parts = sorted(total.args, key=place)
        if _negative(parts[0]):
            first = next((p for p in parts if not _negative(p)), parts[0])
            parts = [first, *(p for p in parts if p is not first)]
        text, height = "", 0
        for part in parts:
            negative = _negative(part)
            piece = self.piece(-part if negative else part, leaves)
            height = max(height, piece.height)
            shown = self.target.within(piece, PRODUCT)
            if text:
                text += f" {self.target.signs['minus' if negative else 'plus']} {shown}"
            else:
                text = (self.target.signs["minus"] if negative else "") + shown
        return Piece(text, ADD, height)

    def _mul(self, product: Any, leaves: Leaves) -> Piece:
        coefficient, rest = product.as_coeff_Mul()
        if coefficient < 0:
            inner = self.piece(-product, leaves)
            return Piece(self.target.signs["minus"] + self.target.within(inner, PRODUCT), ADD, inner.height)
        over: list[Piece] = []
        under: list[Piece] = []
        for part in sorted(sp.Mul.make_args(rest), key=place):
            base, exponent = (part, sp.S.One) if isinstance(part, sp.exp) else part.as_base_exp()
            if exponent.is_Rational and exponent.is_negative:
                under.append(self.piece(base**-exponent, leaves))
            else:
                over.append(self.piece(part, leaves))
        if coefficient.p != 1:
            over.insert(0, Piece(str(coefficient.p)))
        if coefficient.q != 1:
            under.insert(0, Piece(str(coefficient.q)))
        if not under:
            return self.target.product(over)
        if len(over) > 2:  # noqa: PLR2004 - a long numerator reads better beside the bar
            return self.target.product([self.target.frac(Piece("1"), self.target.product(under)), *over])
        return self.target.frac(self.target.product(over or [Piece("1")]), self.target.product(under))

    def _pow(self, power: Any, leaves: Leaves) -> Piece:
        base, exponent = power.as_base_exp()
        if exponent.is_Rational and exponent.is_negative:
            return self.target.frac(Piece("1"), self.piece(base**-exponent, leaves))
        if exponent == sp.Rational(1, 2):
            return self.target.root(self.piece(base, leaves))
        inner = self.piece(base, leaves)
        bare = inner.level == ATOM and not inner.height and (base.is_Integer or not self._has_superscript(inner.text))
        return self.target.power(inner.text if bare else self.target.brackets(inner), self.piece(exponent, leaves))

    @staticmethod
    def _has_superscript(text: str) -> bool:
        return "^" in text or "'" in text or "′" in text or any(c in "⁰¹²³⁴⁵⁶⁷⁸⁹ᵀ" for c in text)

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
        head = self.target.pattern(self.printer.spelling.function(name, len(family), order).fill(values))
        inner = self.piece(argument, leaves)
        return Piece(head + self.target.brackets(inner), ATOM, inner.height)

    def _onehot(self, label: Any, entry: Any, leaves: Leaves) -> Piece:
        """Whether a label is the entry's, as a bracket that is 1 or 0."""
        equal = f"{self.piece(label, leaves).text} {self.target.signs['eq']} {self.piece(entry, leaves).text}"
        return Piece(self.target.brackets(Piece(equal), "[]"))

    def _comparison(self, compare: Any, leaves: Leaves) -> str:
        sign, left, right = compare.args
        return (
            f"{self.piece(left, leaves).text} {self.target.signs[_RELATIONS[sign.name]]} "
            f"{self.piece(right, leaves).text}"
        )

    def _where(self, choice: Any, leaves: Leaves) -> Piece:
        rows: list[tuple[str, str]] = []
        rest = choice
        while isinstance(rest, Where):
            test, value, rest = rest.args
            shown = (
                self._comparison(test, leaves)
                if isinstance(test, Compare)
                else (f"{self.piece(test, leaves).text} {self.target.signs['ne']} 0")
            )
            rows.append((self.piece(value, leaves).text, shown))
        rows.append((self.piece(rest, leaves).text, self.target.signs["otherwise"]))
        return Piece(self.target.cases(rows), ATOM, 2)


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
