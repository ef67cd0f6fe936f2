"""Formulas of a document as boxes in parts: what every writer needs before it breaks lines.

``Composer`` turns the formula nodes of ``document.blocks`` into boxes with the ``Printer`` of a notation. A display row
becomes a ``Composed``: a left side and the right sides of its equals signs, each a list of parts between which a line
may be broken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from symbackprop.affine import var
from symbackprop.document import blocks as b
from symbackprop.emit import layout as y
from symbackprop.emit.layout import ADD, ATOM, PRODUCT, Piece
from symbackprop.emit.mathtext import Frame, Printer
from symbackprop.emit.target import name_of, signed
from symbackprop.index import Equation, Ref, is_adjoint, primal_name
from symbackprop.rewrite.cases import cases

if TYPE_CHECKING:
    from symbackprop.affine import Affine, Bound

RATE = Piece(y.symbol(r"\eta"))
"""The learning rate."""


@dataclass(frozen=True, slots=True)
class Right:
    """What stands right of one equals sign, in parts with their signs; ``when`` are the conditions it stands under.

    ``separate`` parts are formulas of their own, beside each other.
    """

    parts: tuple[y.Box, ...]
    stacked: bool = False
    when: y.Box | None = None
    separate: bool = False

    @property
    def box(self) -> y.Box:
        """All on one line."""
        return y.spaced(self.parts)


@dataclass(frozen=True, slots=True)
class Composed:
    """``left = right = right …``; a formula without equals sign has one side alone."""

    left: y.Box | None
    rights: tuple[Right, ...] = ()


class Composer:
    """See the module's first lines."""

    def __init__(self, printer: Printer) -> None:
        self.printer = printer
        self.target = printer.target
        self._others: dict[Any, Composer] = {}

    # -- rows of displays ----------------------------------------------------------------------------------------------

    def row(self, formula: b.Formula, *, apart: bool = False) -> Composed:  # noqa: PLR0911 - one for each kind of row
        """A formula in parts; ``apart`` writes cases one below the other, each with its conditions, without a brace."""
        if isinstance(formula, b.Equal):
            return Composed(self._opening(formula.parts[0]), tuple(self.right(part) for part in formula.parts[1:]))
        if isinstance(formula, b.Indexed):
            if apart:
                return self._cases_apart(formula)
            line = self.printer.line(formula.equation)
            return Composed(self._left(formula, line.left), (Right(line.parts),))
        if isinstance(formula, b.Lifted):
            return self.lifted(formula, apart=apart)
        if isinstance(formula, b.Rewritten):
            return self.rewritten(formula, apart=apart)
        if isinstance(formula, b.ChainRule):
            return self.chain_rule(formula)
        if isinstance(formula, b.Elsewhere):
            return self.elsewhere(formula).row(formula.formula, apart=apart)
        if isinstance(formula, b.Several):
            *heads, last = map(self.inline, formula.parts)
            parts = (*(y.beside(head, y.COMMA, y.Gap()) for head in heads), last)
            return Composed(None, (Right(parts, separate=True),))
        if isinstance(formula, b.Update):
            return Composed(self.update(formula.parameter))
        return Composed(None, (self.right(formula),))

    def elsewhere(self, formula: b.Elsewhere) -> Composer:
        """A composer for the formulas of another derivation."""
        key = id(formula.derivation), id(formula.preset), id(formula.layout)
        if key not in self._others:
            printer = Printer(formula.derivation, formula.preset, self.printer.target.name, layout=formula.layout)
            self._others[key] = type(self)(printer)
        return self._others[key]

    def _opening(self, formula: b.Formula) -> y.Box:
        """The left side of a displayed chain; a derivative without a name stands as a quotient there."""
        if isinstance(formula, b.Whole) and is_adjoint(formula.tensor) and not self._has_name(formula.tensor):
            family = self.printer.network.tensors[primal_name(formula.tensor)].family
            ref = Ref(formula.tensor, formula.at or tuple(var(each.hint or each.var) for each in family))
            return self.printer.array(ref, self._frame(ref)).box
        return self.inline(formula)

    def _has_name(self, adjoint: str) -> bool:
        return self.printer.spelling.signal_rule(primal_name(adjoint)) is not None

    def right(self, formula: b.Formula) -> Right:
        """The parts of a formula that stands right of an equals sign."""
        if isinstance(formula, b.Plus):
            boxes = [self.inline(part) for part in formula.parts]
            if formula.dots:
                boxes.append(y.Sign(r"\cdots"))
            parts = (boxes[0], *(y.spaced([y.PLUS, box]) for box in boxes[1:]))
            return Right(parts, stacked=formula.stacked)
        return Right((self.inline(formula),))

    def _left(self, formula: b.Indexed, printed: y.Box) -> y.Box:
        """The left side; as a derivative where that is asked for and the name is another."""
        lhs = formula.equation.lhs
        if not formula.derivative or not is_adjoint(lhs.tensor):
            return printed
        frame = self.printer.frames(formula.equation)[0]
        return self.printer.derivative(self.printer.network.loss, Ref(primal_name(lhs.tensor), lhs.index), frame).box

    def _cases_apart(self, formula: b.Indexed) -> Composed:
        equation = formula.equation
        left = self._left(formula, self.printer.line(equation).left)
        frame = self.printer.frames(equation)[0]
        rights = []
        for region in cases(equation, self.printer.network.depths):
            when = self.printer.conditions(tuple(region.conditions), frame) if region.conditions else None
            line = self.printer.line(replace(equation, terms=region.terms))
            rights.append(Right(line.parts, when=when))
        return Composed(left, tuple(rights))

    def lifted(self, formula: b.Lifted, *, apart: bool = False) -> Composed:
        """A lifted equation in parts; ``apart`` writes each case on its own."""
        line = self.printer.matrix_line(formula.equation, formula.cases, shapes=formula.shapes)
        if not apart or not self.printer.is_matrix(formula.cases) or any(not c.conditions for c in formula.cases):
            return Composed(line.left, (Right(line.parts),))
        frame = self.printer.frames(formula.equation)[0]
        rights = []
        for case in formula.cases:
            alone = self.printer.matrix_line(
                formula.equation, (replace(case, conditions=frozenset()),), shapes=formula.shapes
            )
            when = self.printer.conditions(sorted(case.conditions, key=lambda c: c.key), frame)
            rights.append(Right(alone.parts, when=when))
        return Composed(line.left, tuple(rights))

    def rewritten(self, formula: b.Rewritten, *, apart: bool = False) -> Composed:
        """The forms of one equation below each other."""
        rows = [self.row(b.Indexed(equation), apart=apart) for equation in formula.equations]
        return Composed(rows[0].left, tuple(right for row in rows for right in row.rights))

    def chain_rule(self, formula: b.ChainRule) -> Composed:
        """∂loss/∂x = Σ ∂loss/∂reader · ∂reader/∂x, one part for each reader."""
        equation = formula.equation
        element = Ref(primal_name(equation.lhs.tensor), equation.lhs.index)
        frames = self.printer.frames(equation)
        loss = self.printer.network.loss
        parts: list[y.Box] = []
        for term, reader, frame in zip(equation.terms, formula.readers, frames, strict=False):
            local = {v for form in (reader.index if reader else ()) for v in form.variables}
            bounds = tuple(bound for bound in term.bounds if bound.var in local)
            pieces = [self.printer.iverson(c, frame) for c in sorted(term.conditions, key=lambda c: c.key)]
            if reader is None:
                pieces.append(Piece(y.Direct(self.printer.derivative(loss, element, frame).box), ATOM, 1))
            else:
                pieces += [self.printer.derivative(loss, reader, frame), self._quotient(reader, element, frame)]
            sigma = self.printer.sigma(bounds, (reader,), frame) if bounds and reader else []
            parts.append(y.spaced([*([y.PLUS] if parts else []), *sigma, self.target.product(pieces).box]))
        return Composed(self.printer.derivative(loss, element, frames[0]).box, (Right(tuple(parts), stacked=True),))

    def update(self, parameter: Ref) -> y.Box:
        """``W <- W - η ∂loss/∂W``."""
        frame = self._frame(parameter)
        name = self.printer.array(parameter, frame).box
        gradient = self.printer.array_derivative(self.printer.network.loss, parameter, frame)
        step = self.target.product([RATE, gradient]).box
        return y.spaced([name, y.Sign(r"\leftarrow"), name, y.MINUS, step])

    def _quotient(self, above: Ref, below: Ref, frame: Frame) -> Piece:
        return self.printer.quotient(self.printer.ref(above, frame), self.printer.ref(below, frame))

    # -- formulas in running text --------------------------------------------------------------------------------------

    def inline(self, formula: b.Formula) -> y.Box:
        """A formula on one line."""
        return self.piece(formula).box

    def piece(self, formula: b.Formula) -> Piece:  # noqa: C901, PLR0911, PLR0912 - one arm for each kind of node
        """A formula with the level at which it binds."""
        match formula:
            case b.Entry(ref=ref, equation=equation, moved=moved):
                frame = self.frame_of(ref, equation) if equation else None
                return Piece(self.printer.ref(ref, frame, bold=moved))
            case b.Whole(tensor=tensor, at=at):
                return self._whole(tensor, at)
            case b.ShapeOf(tensor=tensor, bare=bare):
                return Piece(self.printer.shape(tensor, bare=bare))
            case b.Dims(axes=axes, equation=equation):
                return Piece(self.printer.dims(axes, equation), PRODUCT)
            case b.Dots(across=across, down=down):
                return Piece(y.Sign(r"\ddots" if across and down else r"\vdots" if down else r"\cdots"))
            case b.Form(form=form):
                return Piece(self.printer.form(form))
            case b.Letter(var=name, equation=equation):
                return Piece(self.letter(name, equation))
            case b.Range(bound=bound):
                return Piece(self.range(bound))
            case b.Condition(conditions=conditions, equation=equation):
                frame = self.printer.frames(equation)[0]
                return Piece(self.printer.conditions(conditions, frame))
            case b.Sum():
                return self._sum(formula)
            case b.RightSide(equation=equation):
                return Piece(y.spaced(self.printer.line(equation).parts), ADD, 1)
            case b.Derivative():
                return self._derivative(formula)
            case b.Marked(body=body, kind=kind, path=path):
                inside = self.piece(body)
                return replace(inside, box=mark(inside.box, kind, path))
            case b.Times(factors=factors, sign=sign):
                pieces = list(map(self.piece, factors))
                return Piece(self._times(factors), PRODUCT, 1) if sign else self.target.product(pieces)
            case b.Plus():
                return Piece(self.right(formula).box, ADD, 1)
            case b.Bracket(body=body, name=name):
                box = self.target.brackets(replace(self.piece(body), height=1))
                return Piece(self.named_group(box, self.inline(name)) if name else box, ATOM, 1)
            case b.Function(name=name, at=at):
                pattern = self.printer.spelling.function(name, len(at))
                return Piece(name_of(pattern.fill([self.printer.affine(form) for form in at])))
            case b.Rate():
                return RATE
            case b.Number(text=text):
                return number(text)
            case b.Grid(rows=rows):
                return Piece(y.Blocks(tuple(tuple(map(self.inline, row)) for row in rows), numbers=True), ATOM, 2)
            case b.Expression(node=node, equation=equation, turned=turned):
                return self.printer.expression(node, equation, turned=turned)
            case b.Elsewhere():
                return self.elsewhere(formula).piece(formula.formula)
            case b.Update(parameter=parameter):
                return Piece(self.update(parameter), ADD, 1)
            case b.Equal() | b.Indexed() | b.Lifted() | b.Rewritten() | b.ChainRule() | b.Several():
                row = self.row(formula)
                sides = [*([row.left] if row.left else []), *(right.box for right in row.rights)]
                return Piece(y.separated(sides, y.EQUALS), ADD, 2)
        message = f"no way to print {type(formula).__name__}"
        raise TypeError(message)

    def _whole(self, tensor: str, at: tuple[Affine, ...]) -> Piece:
        """A whole array; an adjoint without a name is a derivative on one line."""
        printer = self.printer
        if is_adjoint(tensor) and "/" not in tensor and printer.spelling.signal_rule(primal_name(tensor)) is None:
            known = printer.network.tensors[primal_name(tensor)]
            family = at or tuple(var(b.hint or b.var) for b in known.family)
            return self._derivative(b.Derivative(Ref(printer.network.loss), Ref(known.name, family), whole=True))
        return Piece(printer.tensor(tensor, at or None))

    def _sum(self, formula: b.Sum) -> Piece:
        terms = [self.printer.term(term) for term in formula.terms]
        boxes = signed(
            [(negative, self.target.within(piece, PRODUCT) if negative else piece.box) for negative, piece in terms]
        )
        loose = len(terms) > 1 or terms[0][0] or _is_difference(formula)
        box = y.spaced(boxes)
        return Piece(box, ADD if loose else PRODUCT, height=int(y.holds(box, y.Frac)))

    def _times(self, factors: tuple[b.Formula, ...]) -> y.Box:
        pieces = [self.piece(f) for f in factors]
        bare = [f.body if isinstance(f, b.Marked) else f for f in factors]
        if all(isinstance(f, b.Derivative) for f in bare) or (isinstance(bare[-1], b.Derivative) and bare[-1].whole):
            boxes = [p.box for p in pieces]
            return y.separated(boxes, y.DOT) if self.target.flat else y.spaced(boxes)
        return y.separated(list(map(self._factor, factors)), y.DOT)

    def _factor(self, formula: b.Formula) -> y.Box:
        """One factor of a product, bracketed inside its mark where it is a sum."""
        if isinstance(formula, b.Marked):
            return mark(self.target.within(self.piece(formula.body), PRODUCT), formula.kind, formula.path)
        return self.target.within(self.piece(formula), PRODUCT)

    def _derivative(self, formula: b.Derivative) -> Piece:
        above, below = formula.above, formula.below
        frame = self._frame(above, below)
        if formula.whole or formula.flat:  # stands in tables and running text
            if formula.whole:
                names = (self.printer.array(above, frame).box, self.printer.array(below, frame).box)
            else:
                names = (self.printer.ref(above, frame), self.printer.ref(below, frame))
            return Piece(y.beside(y.PARTIAL, names[0], y.Sign("/"), y.PARTIAL, names[1]), PRODUCT)
        piece = self._quotient(above, below, frame)
        return replace(piece, box=y.Direct(piece.box)) if formula.direct else piece

    def _frame(self, *refs: Ref) -> Frame:
        """Letters as they are; both elements share them."""
        names = sorted({v for ref in refs for form in ref.index for v in form.variables})
        families: set[str] = set()
        for ref in refs:
            tensor = self.printer.network.tensors.get(primal_name(ref.tensor))
            for form in ref.index[: len(tensor.family) if tensor else 0]:
                families |= form.variables
        return Frame({n: n for n in names}, frozenset(families), self.printer.preset.indices.base)

    def frame_of(self, ref: Ref, equation: Equation) -> Frame:
        """The frame of the term of an equation that has all letters of an element."""
        names = {v for form in ref.index for v in form.variables}
        frames = self.printer.frames(equation)
        return next((frame for frame in frames if names <= frame.letters.keys()), frames[0])

    def letter(self, name: str, equation: Equation) -> y.Box:
        """The printed letter of an index of an equation."""
        own = next((f.letters[name] for f in self.printer.frames(equation) if name in f.letters), name)
        return self.printer.letter(own)

    def range(self, bound: Bound) -> y.Box:
        """A family index with its values."""
        lower, upper = self.printer.form(bound.lo), self.printer.form(bound.hi)
        return self.printer.range(bound.hint or bound.var, lower, upper)

    def named_group(self, box: y.Box, name: y.Box) -> y.Box:
        """A group; writers that have room for its name set it below."""
        del name
        return box


def terms_of(composed: Composed) -> list[tuple[list[y.Box], list[y.Box]]] | None:
    """The signs and the tinted factors of each line of a sum with a line for each product; None for anything else."""
    if len(composed.rights) != 1 or not composed.rights[0].stacked:
        return None
    found: list[tuple[list[y.Box], list[y.Box]]] = []
    for part in composed.rights[0].parts:
        signs: list[y.Box] = []
        factors: list[y.Box] = []
        for box in part.parts if isinstance(part, y.Spaced) else (part,):
            if isinstance(box, y.Tinted):
                factors.append(box)
            elif factors and box != y.DOT:
                return None
            elif not factors:
                signs.append(box)
        if not all(isinstance(sign, y.Sign | y.Numbered) for sign in signs):
            return None
        found.append((signs, factors))
    return found


def number(text: str) -> Piece:
    """A decimal; with an exponent as a power of ten."""
    mantissa, _, exponent = text.partition("e")
    negative, digits = mantissa.startswith("-"), y.Digits(mantissa.removeprefix("-"))
    box: y.Box = digits
    if exponent:
        power = str(int(exponent))
        small: y.Box = y.Digits(power.removeprefix("-"))
        small = y.beside(y.MINUS, small) if power.startswith("-") else small
        box = y.spaced([digits, y.Sign(r"\times"), y.Power(y.Digits("10"), small)])
    return Piece(y.beside(y.MINUS, box), ADD) if negative else Piece(box, PRODUCT if exponent else ATOM)


def mark(box: y.Box, kind: str, path: int | None) -> y.Box:
    """A factor of a kind, or a whole path with its number."""
    if path is not None:
        return y.spaced([y.Numbered(path), box])
    return y.Tinted(box, kind) if kind else box


def _is_difference(formula: b.Sum) -> bool:
    """True for a single factor that is itself a sum, such as ``1 - a``, and so needs a bracket beside others."""
    (term,) = formula.terms if len(formula.terms) == 1 else (None,)
    if term is None or term.coefficient != 1 or len(term.factors) != 1 or term.bounds:
        return False
    template = getattr(term.factors[0], "template", None)
    return template is not None and bool(template.is_Add)
