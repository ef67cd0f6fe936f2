"""Equations as mathematics: LaTeX for a page, Unicode for a terminal, from one walk over the same data.

``Printer(subject, preset, target)`` writes equations, terms, elements, whole arrays and shapes of a network or
derivation. Every name comes from ``notation.spelling``, so what is printed in LaTeX can be read back (see ``read``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.affine import Affine, Scope
from symbackprop.emit import layout as y
from symbackprop.emit.layout import ADD, ATOM, PRODUCT, SUM, Piece
from symbackprop.emit.mathtext_matrix import MatrixText
from symbackprop.emit.mathtext_names import Frame, NamePrinter
from symbackprop.emit.mathtext_templates import Leaves, Templates, decimal_text
from symbackprop.emit.target import SIGNS, name_of
from symbackprop.index import LOCAL, Along, Apply, Equation, Opaque, Ref, Term, Value, primal_name, slot, variables_of
from symbackprop.matrix import is_writable
from symbackprop.notation.glyph import Symbol
from symbackprop.notation.letters import family_count, primal_elements
from symbackprop.notation.spelling import single_letter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from symbackprop.affine import Bound, Cond
    from symbackprop.derivation import Derivation
    from symbackprop.index import Factor
    from symbackprop.lift import Case
    from symbackprop.matrix import Node
    from symbackprop.network import Network
    from symbackprop.notation.glyph import Item
    from symbackprop.notation.preset import Preset

__all__ = ["Frame", "Line", "Printer"]

_CASES_AT_MOST = 4
ONE = Piece(y.Digits("1"))
_SHORT = 2
"""So many factors still read well above a fraction bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An equation in parts for a writer to break: the left side, then signed parts of the right side."""

    left: y.Box
    parts: tuple[y.Box, ...]

    @property
    def box(self) -> y.Box:
        """All on one line."""
        return y.spaced([self.left, y.EQUALS, *self.parts])


class Printer(NamePrinter):
    """Prints a network or derivation in a notation; see the module's first lines.

    ``layout`` gives the order in which element axes are stored, where arrays are re-laid.
    """

    def __init__(
        self,
        subject: Network | Derivation,
        preset: Preset | str | None = None,
        target: str = "latex",
        *,
        layout: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        super().__init__(subject, preset, target, layout=layout)
        self._templates = Templates(self)

    # -- equations -----------------------------------------------------------------------------------------------------

    def equation(self, equation: Equation) -> str:
        """The equation on one line, index level."""
        return self.show(self.line(equation).box)

    def line(self, equation: Equation) -> Line:
        """The equation in parts: one a term, or one that holds cases."""
        frames = self.frames(equation)
        left = self.ref(equation.lhs, frames[0])
        scope = Scope(equation.ranges, self.network.depths)
        pairs = list(zip(equation.terms, frames, strict=False))
        outer: list[tuple[Term, Frame]] = []
        inner: list[tuple[Term, Frame]] = []
        free = frozenset(b.var for b in equation.ranges) | {v for f in equation.lhs.index for v in f.variables}
        for term, frame in pairs:
            (inner if _splits(term, free) else outer).append((term, frame))
        groups = _exclusive(inner, free, scope)
        if groups is None or not 1 <= len(groups) <= _CASES_AT_MOST:
            return Line(left=left, parts=self.sum(pairs) or (y.Digits("0"),))
        parts = self.sum(outer)
        cases = self._cases(groups, scope, brief=len(groups) == 1)
        return Line(left=left, parts=(*parts, y.spaced([y.PLUS, cases]) if parts else cases))

    def term(self, term: Term, frame: Frame | None = None) -> tuple[bool, Piece]:
        """Whether a minus sign stands before a term, and the rest; without a frame, its own letters are chosen."""
        if frame is None:
            frame = (
                self.frames(Equation(lhs=Ref(""), terms=(term,), ranges=()))[0]
                if not term.variables
                else self._own_frame(term)
            )
        return self._term(term, frame)

    def _own_frame(self, term: Term) -> Frame:
        names = tuple(sorted(term.variables))
        letters = {name: name for name in (*names, *(b.var for b in term.bounds))}
        refs = [ref for factor in term.factors for ref in primal_elements(self.spelling, factor)]
        families = frozenset(
            v for ref in refs for form in ref.index[: family_count(self.spelling, ref.tensor)] for v in form.variables
        )
        return Frame(letters, families, self.preset.indices.base)

    def sum(self, pairs: Sequence[tuple[Term, Frame]], hidden: Collection[Cond] = ()) -> tuple[y.Box, ...]:
        """Signed parts of a sum; conditions in ``hidden`` stand elsewhere."""
        parts: list[y.Box] = []
        for term, frame in pairs:
            negative, piece = self._term(term, frame, hidden)
            loose = piece.level == ADD and (negative or len(pairs) > 1)
            box = self.target.within(piece, PRODUCT) if loose else piece.box
            if parts:
                parts.append(y.spaced([y.MINUS if negative else y.PLUS, box]))
            else:
                parts.append(y.beside(y.MINUS, box) if negative else box)
        return tuple(parts)

    def _cases(
        self, groups: Sequence[tuple[tuple[Cond, ...], list[tuple[Term, Frame]]]], scope: Scope, *, brief: bool
    ) -> y.Box:
        rows = []
        for conditions, pairs in groups:
            rows.append((y.spaced(self.sum(pairs, conditions)), self.conditions(conditions, pairs[0][1])))
        if brief or not _exhaustive([conditions for conditions, _ in groups], scope):
            rows.append((y.Digits("0"), SIGNS["otherwise"]))
        return y.Cases(tuple(rows))

    # -- whole arrays --------------------------------------------------------------------------------------------------

    def matrix(self, equation: Equation, cases: Sequence[Case]) -> str:
        """The equation for whole arrays, on one line; at index level where arrays cannot say it."""
        return self.show(self.matrix_line(equation, cases).box)

    def is_matrix(self, cases: Sequence[Case]) -> bool:
        """True where matrix notation can say all cases."""
        return all(is_writable(case.node) for case in cases)

    def matrix_line(self, equation: Equation, cases: Sequence[Case], *, shapes: bool = False) -> Line:
        """``matrix`` in parts; with the shape under every array where that is asked for."""
        if not self.is_matrix(cases):
            return self.line(equation)
        frame = self._joint_frame(equation)
        text = MatrixText(self, frame, shapes=shapes)
        count = family_count(self.spelling, equation.lhs.tensor)
        name = self.array(Ref(equation.lhs.tensor, equation.lhs.index[:count]), frame)
        left = text.with_shape(name, self.extents(equation.lhs)).box
        always = [case for case in cases if not case.conditions]
        special = [case for case in cases if case.conditions]
        parts = [text.piece(case.node) for case in always]
        if special:
            parts.append(Piece(self._array_cases(special, Scope(equation.ranges, self.network.depths), frame, text)))
        return Line(left=left, parts=tuple(y.spaced([y.PLUS, p.box]) if k else p.box for k, p in enumerate(parts)))

    def extents(self, element: Ref) -> list[Affine]:
        """Lengths of the element axes of an array, in stored order, at the family indices of an element."""
        name = primal_name(element.tensor)
        tensor = self.network.tensors.get(name)
        if tensor is None:
            return []
        own = {b.var: form for b, form in zip(tensor.family, element.index, strict=False)}
        return [tensor.axes[k].substitute(own) for k in self.spelling.layout.get(name, range(len(tensor.axes)))]

    def dims(self, extents: Sequence[Affine], equation: Equation) -> y.Box:
        """Lengths of axes, ``N × d``, their families in the letters of an equation."""
        return MatrixText(self, self._joint_frame(equation)).shape(extents)

    def expression(self, node: Node, equation: Equation, *, turned: bool = False) -> Piece:
        """A matrix expression by itself, or its transpose, its families in the letters of an equation."""
        text = MatrixText(self, self._joint_frame(equation))
        return text.turned(node) if turned else text.piece(node)

    def _array_cases(self, cases: Sequence[Case], scope: Scope, frame: Frame, text: MatrixText) -> y.Box:
        groups = [tuple(sorted(case.conditions, key=lambda c: c.key)) for case in cases]
        if any(not _apart(a, b, scope) for k, a in enumerate(groups) for b in groups[k + 1 :]):
            switched = [
                self.target.product([*(self.iverson(c, frame) for c in group), text.piece(case.node)]).box
                for group, case in zip(groups, cases, strict=True)
            ]
            return y.separated(switched, y.PLUS)
        rows = [
            (text.piece(case.node).box, self.conditions(group, frame))
            for group, case in zip(groups, cases, strict=True)
        ]
        if not _exhaustive(groups, scope):
            rows.append((y.Digits("0"), SIGNS["otherwise"]))
        return y.Cases(tuple(rows))

    def _joint_frame(self, equation: Equation) -> Frame:
        """One frame for all terms: whole arrays show only layer and time indices."""
        frames = self.frames(equation)
        letters: dict[str, str] = {}
        for frame in frames:
            letters |= {k: v for k, v in frame.letters.items() if k in frame.families}
        return Frame(letters, frozenset(letters), frames[0].base)

    # -- terms ---------------------------------------------------------------------------------------------------------

    def _term(self, term: Term, frame: Frame, hidden: Collection[Cond] = ()) -> tuple[bool, Piece]:
        """Whether it is negative, and the rest: constants, what the sum does not touch, the sum, what follows it."""
        bound = {b.var for b in term.bounds}
        conditions = sorted((c for c in term.conditions if c not in hidden), key=lambda c: c.key)
        inside = [c for c in conditions if c.form.variables & bound]
        outside = [c for c in conditions if c not in inside]
        front, body, back = _parted(term.factors, bound)
        constants = [f for f in front + back if _is_constant(f)]
        front, back = ([f for f in part if f not in constants] for part in (front, back))
        before, under = self._quotient(front, frame)
        after, more = self._quotient(back, frame)
        under += more
        negative, number = self._coefficient(term.coefficient, constants, frame)
        pieces = [self.iverson(c, frame) for c in outside]
        if under and not bound and len(before) <= _SHORT:
            pieces.append(self._over(number[0] + before, number[1] + under))
        else:
            pieces = [*self._fraction(number[0], number[1] + under), *pieces, *before]
        if bound:
            summed = [*(self.iverson(c, frame) for c in inside), *self._factors(body, frame)] or [ONE]
            sigma = self.sigma(term.bounds, body, frame)
            piece = Piece(y.spaced([*sigma, self.target.within(self.target.product(summed), SUM)]), SUM, 2)
            pieces.append(Piece(self.target.brackets(piece), ATOM, 2) if after else piece)
        return negative, self.target.product([*pieces, *after] or [ONE])

    def _coefficient(
        self, value: Any, constants: Sequence[Factor], frame: Frame
    ) -> tuple[bool, tuple[list[Piece], list[Piece]]]:
        """Whether it is negative, and what stands above and below the bar: a number and functions of sizes."""
        decimal = decimal_text(abs(value))
        over = [] if decimal is None and abs(value.p) == 1 else [Piece(y.Digits(decimal or str(abs(value.p))))]
        under = [] if decimal is not None or value.q == 1 else [Piece(y.Digits(str(value.q)))]
        upper, lower = self._quotient(constants, frame)
        return bool(value < 0), (over + upper, under + lower)

    def _over(self, over: list[Piece], under: list[Piece]) -> Piece:
        return self.target.frac(self.target.product(over or [ONE]), self.target.product(under))

    def _fraction(self, over: list[Piece], under: list[Piece]) -> list[Piece]:
        """One fraction, or what is above it where nothing is below."""
        return [self._over(over, under)] if under else over

    def constant_pieces(self, value: Any, constants: Sequence[Factor], frame: Frame) -> list[Piece]:
        """A positive number and functions of sizes as one factor; none where that is 1."""
        return self._fraction(*self._coefficient(value, constants, frame)[1])

    def _quotient(self, factors: Sequence[Factor], frame: Frame) -> tuple[list[Piece], list[Piece]]:
        """Pieces above and below a fraction bar: factors with negative exponents go below."""
        over: list[Piece] = []
        under: list[Piece] = []
        for factor in factors:
            if isinstance(factor, Apply) and not isinstance(factor.template, sp.exp):
                base, exponent = factor.template.as_base_exp()
                if exponent.is_Rational and exponent.is_negative:
                    under.append(self.factor(Apply(base**-exponent, factor.args), frame))
                    continue
            over.append(self.factor(factor, frame))
        return over, under

    def _factors(self, factors: Sequence[Factor], frame: Frame) -> list[Piece]:
        """Factors side by side, divisors collected under one bar."""
        over, under = self._quotient(factors, frame)
        if under and len(over) > _SHORT - 1:
            return [self._over([], under), *over]
        return self._fraction(over, under)

    def iverson(self, cond: Cond, frame: Frame) -> Piece:
        """A bracket that is 1 where the condition holds, else 0."""
        return Piece(self.target.brackets(Piece(self.condition(cond, frame)), "[]"), ATOM)

    def sigma(self, bounds: Sequence[Bound], body: Sequence[Factor], frame: Frame) -> list[y.Box]:
        """Signs of sums with their limits; ``body`` tells which ranges go without saying."""
        shown: list[y.Box] = []
        for bound in bounds:
            shift = 0 if bound.var in frame.families else frame.base
            letter = self.letter(frame.letters[bound.var])
            if self.preset.signs.sums == "index" and self._is_whole(bound, body):
                shown.append(y.Summation(letter))
                continue
            lower, upper = (self.form(frame.form(limit) + shift) for limit in (bound.lo, bound.hi))
            shown.append(y.Summation(y.beside(letter, y.EQUALS, lower), upper))
        return shown

    def _is_whole(self, bound: Bound, body: Sequence[Factor]) -> bool:
        """True where the range is that of an axis in which the letter stands alone, so that it goes without saying."""
        for factor in body:
            for ref in primal_elements(self.spelling, factor):
                for position, form in enumerate(ref.index):
                    if single_letter(form) != bound.var:
                        continue
                    axis = axis_of(self.network, ref, position)
                    return axis is not None and bound.lo == Affine() and bound.hi == axis - 1
        return False

    # -- factors and names ---------------------------------------------------------------------------------------------

    def factor(self, factor: Factor, frame: Frame) -> Piece:
        """One factor of a term."""
        if isinstance(factor, Ref):
            return self.reference(factor, frame)
        if isinstance(factor, Apply):
            return self._templates.piece(factor.template, self._leaves(factor, frame))
        if isinstance(factor, Along):
            return self._along(factor, frame)
        assert isinstance(factor, Opaque)  # noqa: S101 - the union has no other member
        arguments = y.listed([self.reference(arg, frame).box for arg in factor.args])
        return Piece(y.beside(name_of(self.spelling.function(factor.name)), y.Fence(arguments)))

    def _along(self, factor: Along, frame: Frame) -> Piece:
        """A function of an axis: the axis is a colon, or a letter with its range where it stands in a sum (windows)."""
        pattern = self.spelling.function(factor.name)
        alone = {single_letter(form) for form in factor.arg.index}
        running = [f"{LOCAL}{k}" for k in range(len(factor.sizes))]
        inner = frame
        if not alone >= set(running):
            inner = self._with_letters(running, frame)
            shown = [
                self._between(inner.letters[name], frame.form(size))
                for name, size in zip(running, factor.sizes, strict=True)
            ]
            pattern = pattern.add_sub(
                *(item for k, items in enumerate(shown) for item in ((Symbol(","), *items) if k else items))
            )
        box = y.beside(name_of(pattern), self.target.brackets(self.reference(factor.arg, inner)))
        if factor.at is None:
            return Piece(box)
        entry = [self.form(frame.form(form) + frame.base) for form in factor.at]
        return Piece(y.Lowered(box, y.beside(*(b for k, e in enumerate(entry) for b in ((y.COMMA, e) if k else (e,))))))

    def _with_letters(self, running: Sequence[str], frame: Frame) -> Frame:
        """The frame with letters for the axes of a function."""
        letters = dict(frame.letters)
        for name in running:
            taken = {*letters.values(), *self.spelling.reserved}
            letters[name] = next(x for x in self.preset.indices.letters if x not in taken)
        return Frame(letters, frame.families, frame.base)

    def _between(self, letter: str, size: Affine) -> tuple[Item, ...]:
        """The range of an axis, as items of a subscript."""
        low = Affine(self.preset.indices.base)
        sign = Symbol(r"\le")
        return (*self.affine(low), sign, *self.spelling.letter(letter), sign, *self.affine(size + low - 1))

    def _leaves(self, factor: Apply, frame: Frame) -> Leaves:
        pieces: dict[Any, Piece] = {}
        indices: dict[Any, tuple[Item, ...]] = {}
        for k, arg in enumerate(factor.args):
            if isinstance(arg, Ref):
                pieces[slot(k)] = self.reference(arg, frame)
            else:
                pieces[slot(k)] = self.number(arg.form, frame)
                indices[slot(k)] = self.affine(frame.form(arg.form))
        return Leaves(pieces, indices)


def axis_of(network: Network, ref: Ref, position: int) -> Affine | None:
    """The size of the axis at a position of an element, at its own family indices; None for a family index."""
    known = network.tensors[ref.tensor]
    count = len(known.family)
    if position < count:
        return None
    own = {b.var: form for b, form in zip(known.family, ref.index, strict=False)}
    return known.axes[position - count].substitute(own)


def _splits(term: Term, free: frozenset[str]) -> bool:
    """True where a term stands under conditions on free indices."""
    return any(c.form.variables <= free for c in term.conditions)


def _exclusive(
    pairs: Sequence[tuple[Term, Frame]], free: frozenset[str], scope: Scope
) -> list[tuple[tuple[Cond, ...], list[tuple[Term, Frame]]]] | None:
    """Terms grouped by their conditions on free indices; None where two groups could hold at once."""
    groups: dict[tuple[Cond, ...], list[tuple[Term, Frame]]] = {}
    for term, frame in pairs:
        key = tuple(sorted((c for c in term.conditions if c.form.variables <= free), key=lambda c: c.key))
        groups.setdefault(key, []).append((term, frame))
    keys = list(groups)
    if all(_apart(first, second, scope) for k, first in enumerate(keys) for second in keys[k + 1 :]):
        return list(groups.items())
    return None


def _apart(first: Sequence[Cond], second: Sequence[Cond], scope: Scope) -> bool:
    """True where the two groups of conditions never hold together."""
    assumed = scope.assuming(first)
    return any(assumed.decide(c) is False for c in second)


def _exhaustive(groups: Sequence[tuple[Cond, ...]], scope: Scope) -> bool:
    """True where one of the groups always holds (proved for groups of one condition each)."""
    if any(len(g) != 1 or g[0].kind == "mod" for g in groups):
        return False
    assumed = scope.assuming([g[0].negated() for g in groups[:-1]])
    last = groups[-1][0]
    if assumed.decide(last):
        return True
    return len(groups) == 2 and scope.assuming([last.negated()]).decide(groups[0][0]) is True  # noqa: PLR2004


def _parted(factors: Sequence[Factor], bound: set[str]) -> tuple[list[Factor], list[Factor], list[Factor]]:
    """Factors before, under and after the sum: those that the bound indices do not touch stay outside."""
    if not bound:
        return list(factors), [], []
    front: list[Factor] = []
    body: list[Factor] = []
    back: list[Factor] = []
    for factor in factors:
        if variables_of(factor) & bound:
            body.append(factor)
        else:
            (back if body else front).append(factor)
    return front, body, back


def _is_constant(factor: Factor) -> bool:
    """True for a function of sizes alone, such as 1/N."""
    return isinstance(factor, Apply) and all(isinstance(a, Value) and not a.form.variables for a in factor.args)
