"""Equations as mathematics: LaTeX for a page, Unicode for a terminal, from one walk over the same data.

``Printer(subject, preset, target)`` writes equations, terms, elements, whole arrays and shapes of a network or derivation.
Every name comes from ``notation.spelling``, so what is printed in LaTeX can be read back (see ``read``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import sympy as sp

from symbackprop.affine import Affine, Scope, Size, Var, var
from symbackprop.derivation import Derivation
from symbackprop.emit.mathtext_matrix import MatrixText, is_writable
from symbackprop.emit.mathtext_targets import ADD, ATOM, PRODUCT, SUM, TARGETS, Piece
from symbackprop.emit.mathtext_templates import Leaves, Templates, decimal_text
from symbackprop.index import (
    LOCAL,
    Along,
    Apply,
    Equation,
    Opaque,
    Ref,
    Term,
    Value,
    is_adjoint,
    primal_name,
    slot,
    variables_of,
)
from symbackprop.notation.glyph import Item, Mark, Pattern, Scripted, Symbol, named, spelling
from symbackprop.notation.letters import assign, equation_families, family_count, primal_elements
from symbackprop.notation.preset import Preset, load
from symbackprop.notation.spelling import Spelling, primal_element, single_letter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from symbackprop.affine import Bound, Cond
    from symbackprop.index import Factor
    from symbackprop.lift import Case
    from symbackprop.network import Network

_CASES_AT_MOST = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """How indices are printed here: their letters, and which count from the preset's base."""

    letters: Mapping[str, str]
    families: frozenset[str]
    base: int

    def form(self, form: Affine) -> Affine:
        """The form over printed letters, in printed counting."""
        return form.substitute({
            name: var(own) - (0 if name in self.families else self.base) for name, own in self.letters.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An equation in parts for a writer to break: the left side, then signed parts of the right side."""

    left: str
    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        """All on one line."""
        return f"{self.left} = {' '.join(self.parts)}"


class Printer:
    """Prints a network or derivation in a notation; see the module's first lines.

    ``layout`` gives the order in which element axes are stored, where arrays are re-laid.
    """

    def __init__(
        self,
        subject: Network | Derivation,
        preset: Preset | str | None = None,
        target: Literal["latex", "unicode"] = "latex",
        *,
        layout: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        network = subject.network if isinstance(subject, Derivation) else subject
        self.network = network
        self.preset = preset if isinstance(preset, Preset) else load(preset or network.notation)
        self.target = TARGETS[target]
        self.spelling = Spelling(network, self.preset, layout)
        self._templates = Templates(self)

    # -- equations -----------------------------------------------------------------------------------------------------

    def equation(self, equation: Equation) -> str:
        """The equation on one line, index level."""
        return self.line(equation).text

    def line(self, equation: Equation) -> Line:
        """The equation in parts: one a term, or one that holds cases."""
        frames = self.frames(equation)
        left = self.ref(equation.lhs, frames[0])
        scope = Scope(equation.ranges, self.network.depths)
        pairs = list(zip(equation.terms, frames, strict=False))
        outer, inner = [], []
        free = frozenset(b.var for b in equation.ranges) | {v for f in equation.lhs.index for v in f.variables}
        for term, frame in pairs:
            (inner if _splits(term, free) else outer).append((term, frame))
        groups = _exclusive(inner, free, scope)
        if groups is None or not 1 <= len(groups) <= _CASES_AT_MOST:
            return Line(left=left, parts=self._sum(pairs) or ("0",))
        parts = self._sum(outer)
        cases = self._cases(groups, scope, brief=len(groups) == 1)
        return Line(left=left, parts=(*parts, f"+ {cases}" if parts else cases))

    def frames(self, equation: Equation) -> tuple[Frame, ...]:
        """How each term's indices are printed (one frame where there is no term)."""
        families = equation_families(self.spelling, equation)
        return tuple(Frame(m, own, self.preset.indices.base)
                     for m, own in zip(assign(self.spelling, equation), families, strict=True))

    def term(self, term: Term, frame: Frame | None = None) -> str:
        """One term with its sign; without a frame, its own letters are chosen."""
        if frame is None:
            frame = self.frames(Equation(lhs=Ref(""), terms=(term,), ranges=()))[0] if not term.variables else \
                self._own_frame(term)
        sign, piece = self._term(term, frame)
        return f"{self.target.signs['minus']}{piece.text}" if sign < 0 else piece.text

    def _own_frame(self, term: Term) -> Frame:
        names = tuple(sorted(term.variables))
        letters = {name: name for name in (*names, *(b.var for b in term.bounds))}
        refs = [ref for factor in term.factors for ref in primal_elements(self.spelling, factor)]
        families = frozenset(v for ref in refs for form in ref.index[: family_count(self.spelling, ref.tensor)]
                             for v in form.variables)
        return Frame(letters, families, self.preset.indices.base)

    def _sum(self, pairs: Sequence[tuple[Term, Frame]], hidden: Collection[Cond] = ()) -> tuple[str, ...]:
        """Signed parts of a sum; conditions in ``hidden`` stand elsewhere."""
        parts: list[str] = []
        for term, frame in pairs:
            sign, piece = self._term(term, frame, hidden)
            text = self.target.within(piece, PRODUCT) if piece.level == ADD and (sign < 0 or len(pairs) > 1) \
                else piece.text
            if sign < 0:
                parts.append(f"{self.target.signs['minus']} {text}" if parts else f"{self.target.signs['minus']}{text}")
            else:
                parts.append(f"{self.target.signs['plus']} {text}" if parts else text)
        return tuple(parts)

    def _cases(
        self, groups: Sequence[tuple[tuple[Cond, ...], list[tuple[Term, Frame]]]], scope: Scope, *, brief: bool
    ) -> str:
        rows = []
        for conditions, pairs in groups:
            shown = ", ".join(self.condition(c, pairs[0][1]) for c in conditions)
            rows.append((" ".join(self._sum(pairs, conditions)), shown))
        if brief or not _exhaustive([conditions for conditions, _ in groups], scope):
            rows.append(("0", self.target.signs["otherwise"]))
        return self.target.cases(rows)

    # -- whole arrays ---------------------------------------------------------------------------------------------------

    def matrix(self, equation: Equation, cases: Sequence[Case]) -> str:
        """The equation for whole arrays, on one line; at index level where arrays cannot say it."""
        return self.matrix_line(equation, cases).text

    def is_matrix(self, cases: Sequence[Case]) -> bool:
        """True where matrix notation can say all cases."""
        return all(is_writable(case.node) for case in cases)

    def matrix_line(self, equation: Equation, cases: Sequence[Case]) -> Line:
        """``matrix`` in parts."""
        if not self.is_matrix(cases):
            return self.line(equation)
        frame = self._joint_frame(equation)
        text = MatrixText(self, frame)
        count = family_count(self.spelling, equation.lhs.tensor)
        left = self.array(Ref(equation.lhs.tensor, equation.lhs.index[:count]), frame).text
        always = [case for case in cases if not case.conditions]
        special = [case for case in cases if case.conditions]
        parts = [text.piece(case.node) for case in always]
        if special:
            parts.append(Piece(self._array_cases(special, Scope(equation.ranges, self.network.depths), frame, text)))
        return Line(left=left, parts=tuple(p.text if not k else f"{self.target.signs['plus']} {p.text}"
                                           for k, p in enumerate(parts)))

    def _array_cases(self, cases: Sequence[Case], scope: Scope, frame: Frame, text: MatrixText) -> str:
        groups = [tuple(sorted(case.conditions, key=lambda c: c.key)) for case in cases]
        shown = [", ".join(self.condition(c, frame) for c in group) for group in groups]
        if any(not _apart(a, b, scope) for k, a in enumerate(groups) for b in groups[k + 1:]):
            plus = f" {self.target.signs['plus']} "
            return plus.join(self.target.product([*(self.iverson(c, frame) for c in group), text.piece(case.node)]).text
                             for group, case in zip(groups, cases, strict=True))
        rows = [(text.piece(case.node).text, words) for case, words in zip(cases, shown, strict=True)]
        if not _exhaustive(groups, scope):
            rows.append(("0", self.target.signs["otherwise"]))
        return self.target.cases(rows)

    def _joint_frame(self, equation: Equation) -> Frame:
        """One frame for all terms: whole arrays show only layer and time indices."""
        frames = self.frames(equation)
        letters: dict[str, str] = {}
        for frame in frames:
            letters |= {k: v for k, v in frame.letters.items() if k in frame.families}
        return Frame(letters, frozenset(letters), frames[0].base)

    @property
    def transpose_sign(self) -> tuple[Item, ...]:
        """The preset's sign of transposition."""
        return spelling(self.preset.signs.transpose if self.target.name == "latex" else r"\top").nucleus

    ones = Pattern((Mark("mathbf", (Symbol("1"),)),))
    """The vector of ones; its length is a subscript."""

    @staticmethod
    def is_bracketed(sup: Sequence[Item]) -> bool:
        """True for a superscript such as ``(\\ell)``, which another may follow."""
        return sup[0] in {Symbol("("), Symbol(r"\langle")}

    # -- terms ---------------------------------------------------------------------------------------------------------

    def _term(self, term: Term, frame: Frame, hidden: Collection[Cond] = ()) -> tuple[int, Piece]:
        """Sign and the rest: fraction of constants, what the sum does not touch, the sum, what follows it."""
        bound = {b.var for b in term.bounds}
        conditions = sorted((c for c in term.conditions if c not in hidden), key=lambda c: c.key)
        inside = [c for c in conditions if c.form.variables & bound]
        outside = [c for c in conditions if c not in inside]
        front, body, back = _parted(term.factors, bound)
        constants = [f for f in front + back if _is_constant(f)]
        front, back = ([f for f in part if f not in constants] for part in (front, back))
        sign, pieces = self._coefficient(term.coefficient, constants, frame,
                                         alone=not (front or body or back or bound or conditions))
        pieces += [self.iverson(c, frame) for c in outside]
        pieces += self._factors(front, frame)
        if bound:
            summed = [*(self.iverson(c, frame) for c in inside), *self._factors(body, frame)] or [Piece("1")]
            sigma = self.sigma(term.bounds, body, frame)
            text = self.target.product(summed)
            piece = Piece(f"{sigma} {self.target.within(text, SUM)}", SUM, 2)
            pieces.append(Piece(self.target.brackets(piece), ATOM, 2) if back else piece)
        pieces += self._factors(back, frame)
        return sign, self.target.product(pieces or [Piece("1")])

    def _coefficient(
        self, value: Any, constants: Sequence[Factor], frame: Frame, *, alone: bool
    ) -> tuple[int, list[Piece]]:
        """Sign, and the constant factor as one fraction (nothing where it is 1 and something follows)."""
        sign = -1 if value < 0 else 1
        decimal = decimal_text(abs(value))
        over = [] if decimal is None and abs(value.p) == 1 else [Piece(decimal or str(abs(value.p)))]
        under = [] if decimal is not None or value.q == 1 else [Piece(str(value.q))]
        upper, lower = self._quotient(constants, frame)
        over, under = over + upper, under + lower
        if under:
            return sign, [self.target.frac(self.target.product(over or [Piece("1")]), self.target.product(under))]
        return sign, over or ([Piece("1")] if alone else [])

    def constant_pieces(self, value: Any, constants: Sequence[Factor], frame: Frame) -> list[Piece]:
        """A positive number and functions of sizes as one factor; none where that is 1."""
        return self._coefficient(value, constants, frame, alone=False)[1]

    def _quotient(self, factors: Sequence[Factor], frame: Frame) -> tuple[list[Piece], list[Piece]]:
        """Pieces above and below a fraction bar: factors with negative exponents go below."""
        over: list[Piece] = []
        under: list[Piece] = []
        for factor in factors:
            if isinstance(factor, Apply) and not isinstance(factor.template, sp.exp):
                base, exponent = factor.template.as_base_exp()
                if exponent.is_Rational and exponent.is_negative:
                    under.append(self.factor(Apply(base ** -exponent, factor.args), frame))
                    continue
            over.append(self.factor(factor, frame))
        return over, under

    def _factors(self, factors: Sequence[Factor], frame: Frame) -> list[Piece]:
        """Factors side by side, divisors collected under one bar."""
        over, under = self._quotient(factors, frame)
        if not under:
            return over
        below = self.target.product(under)
        if len(over) > 1:
            return [self.target.frac(Piece("1"), below), *over]
        return [self.target.frac(self.target.product(over or [Piece("1")]), below)]

    def iverson(self, cond: Cond, frame: Frame) -> Piece:
        """A bracket that is 1 where the condition holds, else 0."""
        return Piece(self.target.brackets(Piece(self.condition(cond, frame)), "[]"), ATOM)

    def sigma(self, bounds: Sequence[Bound], body: Sequence[Factor], frame: Frame) -> str:
        """Signs of sums with their limits; ``body`` tells which ranges go without saying."""
        shown = []
        for bound in bounds:
            shift = 0 if bound.var in frame.families else frame.base
            letter = self.target.items(self.spelling.letter(frame.letters[bound.var]))
            if self.preset.signs.sums == "index" and self._is_whole(bound, body):
                shown.append(self.target.summation(letter, ""))
                continue
            lower, upper = (self.form(frame.form(limit) + shift) for limit in (bound.lo, bound.hi))
            shown.append(self.target.summation(f"{letter}={lower}", upper))
        return " ".join(shown)

    def _is_whole(self, bound: Bound, body: Sequence[Factor]) -> bool:
        """True where the range is that of an axis in which the letter stands alone, so that it goes without saying."""
        for factor in body:
            for ref in primal_elements(self.spelling, factor):
                for position, form in enumerate(ref.index):
                    if single_letter(form) != bound.var:
                        continue
                    axis = axis_of(self.network, ref, position)
                    if axis is not None and bound.lo == Affine() and bound.hi == axis - 1:
                        return True
                    return False
        return False

    # -- factors and names ---------------------------------------------------------------------------------------------

    def factor(self, factor: Factor, frame: Frame) -> Piece:
        """One factor of a term."""
        if isinstance(factor, Ref):
            return self.reference(factor, frame)
        if isinstance(factor, Apply):
            return self._templates.piece(factor.template, self._leaves(factor, frame))
        if isinstance(factor, Along):
            name = self.target.pattern(self.spelling.function(factor.name))
            text = f"{name}{self.target.brackets(self.reference(factor.arg, frame))}"
            if factor.at is None:
                return Piece(text)
            entry = ",".join(self.form(frame.form(form) + self._shift()) for form in factor.at)
            return Piece(f"{text}_{{{entry}}}")
        assert isinstance(factor, Opaque)  # noqa: S101 - the union has no other member
        arguments = ", ".join(self.reference(arg, frame).text for arg in factor.args)
        return Piece(f"{self.target.pattern(self.spelling.function(factor.name))}({arguments})")

    def _shift(self) -> int:
        return self.preset.indices.base

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

    def number(self, form: Affine, frame: Frame) -> Piece:
        """A size or an index used as a number."""
        shown = frame.form(form)
        single = len(shown.terms) + (shown.const != 0) <= 1 and not shown.const < 0
        plain = single and all(c == 1 for _, c in shown.terms)
        return Piece(self.form(shown), ATOM if plain else PRODUCT if single else ADD)

    def ref(self, ref: Ref, frame: Frame | None = None) -> str:
        """An element, ``w_{ij}^{(\\ell)}``, or a derivative by one."""
        return self.reference(ref, frame or self._ref_frame(ref)).text

    def _ref_frame(self, ref: Ref) -> Frame:
        names = sorted({v for form in ref.index for v in form.variables})
        families = frozenset(v for form in ref.index[: family_count(self.spelling, ref.tensor)] for v in form.variables)
        return Frame({name: name for name in names}, families, self.preset.indices.base)

    def reference(self, ref: Ref, frame: Frame) -> Piece:
        """An element as a piece; a derivative where its adjoint has no name."""
        pattern = self.named(ref, frame)
        if pattern is not None:
            return Piece(self.target.pattern(pattern))
        return self.derivative(*self.head(ref), frame)

    def head(self, ref: Ref) -> tuple[str, Ref]:
        """What is differentiated, by which element, for an adjoint without a name."""
        function, slash, _ = primal_name(ref.tensor).partition("/")
        return function if slash else self.network.loss, primal_element(self.network, ref)

    def derivative(self, loss: str, ref: Ref, frame: Frame) -> Piece:
        """``∂loss/∂element``; ``loss`` is a tensor or an opaque function."""
        pattern = self.named(ref, frame)
        assert pattern is not None, ref  # noqa: S101 - only adjoints lack a name
        top = self.spelling.tensor(loss) if loss in self.network.tensors else self.spelling.function(loss)
        partial = self.target.signs["partial"]
        return self.target.frac(Piece(partial + self.target.pattern(top or named(loss))),
                                Piece(partial + self.target.pattern(pattern)))

    def named(self, ref: Ref, frame: Frame) -> Pattern | None:
        """The name of an element with its indices in place; of a whole array where all axes are placeholders."""
        count = family_count(self.spelling, ref.tensor)
        family, axes = ref.index[:count], ref.index[count:]
        local = [single_letter(form).startswith(LOCAL) for form in axes]
        if axes and all(local):
            pattern = self.spelling.tensor(ref.tensor)
            return pattern and pattern.fill([self.affine(frame.form(form)) for form in family])
        shown = tuple(self._letter_shown(form, frame) for form in ref.index)
        pattern = self.spelling.element(ref.tensor, shown) if "/" not in ref.tensor else None
        values = [self.affine(frame.form(form)) for form in family]
        values += [(Symbol(":"),) if hidden else self.affine(frame.form(form) + frame.base)
                   for form, hidden in zip(axes, local, strict=True)]
        return pattern and pattern.fill(values)

    def _letter_shown(self, form: Affine, frame: Frame) -> str:
        return frame.letters.get(single_letter(form), "")

    def tensor(self, name: str, family: Sequence[Affine] | None = None, frame: Frame | None = None) -> str:
        """The whole array, at given family indices or with their letters."""
        return self.array(Ref(name, tuple(family) if family is not None else self._own_family(name)), frame).text

    def _own_family(self, name: str) -> tuple[Affine, ...]:
        tensor = self.network.tensors.get(primal_name(name))
        letters = self.spelling.letters
        return tuple(var(letters.get((primal_name(name), k)) or b.hint or b.var)
                     for k, b in enumerate(tensor.family if tensor else ()))

    def array(self, ref: Ref, frame: Frame | None = None) -> Piece:
        """A whole array with family indices alone; a derivative by the array where its adjoint has no name."""
        frame = frame or self._ref_frame(ref)
        pattern = self.whole(ref, frame)
        if pattern is not None:
            return Piece(self.target.pattern(pattern))
        loss, by = self.head(ref)
        count = family_count(self.spelling, by.tensor)
        return self.array_derivative(loss, Ref(by.tensor, by.index[:count]), frame)

    def whole(self, ref: Ref, frame: Frame) -> Pattern | None:
        """The name of a whole array; None for a derivative."""
        pattern = self.spelling.tensor(ref.tensor) if "/" not in ref.tensor else None
        return pattern and pattern.fill([self.affine(frame.form(form)) for form in ref.index])

    def array_derivative(self, loss: str, ref: Ref, frame: Frame) -> Piece:
        """``∂loss/∂array``."""
        pattern = self.whole(ref, frame)
        assert pattern is not None, ref  # noqa: S101 - only adjoints lack a name
        top = self.spelling.tensor(loss) if loss in self.network.tensors else self.spelling.function(loss)
        partial = self.target.signs["partial"]
        return self.target.frac(Piece(partial + self.target.pattern(top or named(loss))),
                                Piece(partial + self.target.pattern(pattern)))

    # -- indices, conditions, shapes -----------------------------------------------------------------------------------

    def affine(self, form: Affine) -> tuple[Item, ...]:
        """An index over printed letters, as items of a name."""
        items: list[Item] = []
        for atom, c in sorted(form.terms, key=lambda pair: (pair[1] < 0, isinstance(pair[0], Size))):
            if items or c < 0:
                items.append(Symbol("-" if c < 0 else "+"))
            if abs(c) != 1:
                items += map(Symbol, str(abs(c)))
            items += self._atom(atom)
        if form.const or not items:
            if items or form.const < 0:
                items.append(Symbol("-" if form.const < 0 else "+"))
            items += map(Symbol, str(abs(form.const)))
        return tuple(items)

    def _atom(self, atom: Var | Size) -> tuple[Item, ...]:
        if isinstance(atom, Var):
            return self.spelling.letter(atom.name)
        pattern = self.spelling.size(atom.name, len(atom.at)).fill([self.affine(form) for form in atom.at])
        return (Scripted(pattern.nucleus, pattern.sub, pattern.sup),) if pattern.sub or pattern.sup else pattern.nucleus

    def form(self, form: Affine) -> str:
        """An index over printed letters as text."""
        return self.target.items(self.affine(form))

    def condition(self, cond: Cond, frame: Frame) -> str:
        """A condition on indices: ``\\ell = L``, ``\\ell < L``, ``2 \\mid t - k``."""
        form = frame.form(cond.form)
        signs = self.target.signs
        if cond.kind == "mod":
            return f"{cond.modulus} {signs['mid']} {self.form(form)}"
        if cond.kind == ">=":
            strict = form.const < 0 and bool(form.terms)
            form = form + 1 if strict else form
        positive = Affine(max(form.const, 0), tuple((a, c) for a, c in form.terms if c > 0))
        negative = positive - form
        flip = not any(isinstance(a, Var) for a, _ in positive.terms) and bool(negative.terms)
        left, right = (negative, positive) if flip else (positive, negative)
        if cond.kind == ">=":
            sign = ("lt" if flip else "gt") if strict else ("le" if flip else "ge")
        else:
            sign = "eq" if cond.kind == "==" else "ne"
        return f"{self.form(left)} {signs[sign]} {self.form(right)}"

    def shape(self, name: str) -> str:
        """The shape of a tensor as a set: ``\\mathbb{R}^{n \\times m}``, axes in stored order."""
        tensor = self.network.tensors[primal_name(name)]
        order = self.spelling.layout.get(primal_name(name), tuple(range(len(tensor.axes))))
        own = {b.var: var(self._own_family(name)[k].terms[0][0].name) for k, b in enumerate(tensor.family)}  # type: ignore[union-attr]
        sizes = [self.form(tensor.axes[k].substitute(own)) for k in order]
        reals = self.target.signs["reals"]
        if not sizes:
            return reals
        return self.target.power(reals, Piece(f" {self.target.signs['times']} ".join(sizes))).text

    def ranges(self, equation: Equation) -> str:
        """For which indices the equation holds: ``\\ell = 1, \\dots, L``, letter by letter."""
        frame = self.frames(equation)[0]
        shown = []
        for bound in equation.ranges:
            shift = 0 if bound.var in frame.families else frame.base
            letter = self.target.items(self.spelling.letter(frame.letters.get(bound.var, bound.hint or bound.var)))
            lower, upper = (self.form(frame.form(limit) + shift) for limit in (bound.lo, bound.hi))
            comma = ", " if self.target.name == "unicode" else r",\ "
            shown.append(f"{letter} = {lower}, {self.target.signs['dots']}, {upper}" if lower != upper
                         else f"{letter} = {lower}")
        return (comma if shown else "").join(shown)


# ---------------------------------------------------------------------------------------------------------------------


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
    if all(_apart(first, second, scope) for k, first in enumerate(keys) for second in keys[k + 1:]):
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


def _parted(
    factors: Sequence[Factor], bound: set[str]
) -> tuple[list[Factor], list[Factor], list[Factor]]:
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
