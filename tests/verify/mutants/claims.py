"""Right formulas from the derivations of networks: every adjoint at index level and for whole arrays, local slopes.

``formulas(network, notation)`` gives them as trees; ``preface`` is the beginning of a document that states what the
notation calls them, so that the formulas of the notation are claims in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import sympy as sp

from mutants.formula import (
    Big,
    Call,
    Cases,
    Count,
    Delta,
    Diag,
    Entry,
    Hadamard,
    Node,
    Number,
    Ones,
    Outer,
    Power,
    Product,
    Quotient,
    Sum,
    Turned,
    When,
    Writer,
    children,
    rebuilt,
)
from symbackprop import api, matrix
from symbackprop.affine import Affine, Bound, var
from symbackprop.document.options import Options
from symbackprop.document.view import View, inverse
from symbackprop.index import Along, Apply, Equation, Opaque, Ref, Value, adjoint_name, slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from symbackprop.affine import Cond
    from symbackprop.network import Network

LEVELS = ("index", "matrix")


class UnwrittenError(Exception):
    """An equation that has no tree: functions of whole axes, gathers, arrays of many axes."""


@dataclass(frozen=True)
class Claim:
    """``left = right`` for all values of ``free``; ``text`` is what the printer of the network makes of it.

    ``about`` is the tensor by whose elements the loss is differentiated; "" for local slopes. ``right`` is None where
    the formula has no tree.
    """

    about: str
    level: str
    left: Node
    left_text: str
    right: Node | None
    text: str
    free: tuple[Bound, ...]
    families: frozenset[str]


@dataclass(frozen=True)
class Source:
    """A network derived in a notation."""

    network: Network
    notation: str
    derived: Any

    @property
    def view(self) -> View:
        return View(self.derived.derivation, self.derived.preset, Options(levels=LEVELS), self.derived.layout)

    @property
    def rows(self) -> bool:
        """True where arrays of one axis lie as rows."""
        return bool(self.derived.preset.orientation.vectors == "rows")

    @property
    def adjoints(self) -> dict[str, list[Equation]]:
        """Equations of all adjoints."""
        chains = self.derived.derivation.chains
        return {adjoint_name(name): [chain.equation] for name, chain in chains.items()}


def source(network: Network, notation: str) -> Source:
    """A network derived in a notation that is its own from now on."""
    network = replace(network, notation=notation)
    return Source(network, notation, api.derive(network, notation))


# ---------------------------------------------------------------------------------------------------------------------
# The document around the formulas


def preface(source: Source) -> str:
    """Directives for orientation, layout and names of signals; definitions of arrays that the file leaves unnamed."""
    vectors = "rows" if source.rows else "columns"
    lines = [f"% symbackprop: vectors {vectors}", "% symbackprop: layout denominator"]
    view, printer = source.view, source.derived.printer
    for equation in source.network.equations:
        if not source.network.tensors[equation.lhs.tensor].named:
            cases = view.lifted(equation)
            shown = [printer.equation(equation), *([printer.matrix(equation, cases.cases)] if cases else [])]
            lines += [rf"\[ {text} \]" for text in shown]
    for chain in source.derived.derivation.written:
        if view.has_own_name(chain.tensor):
            lines += [f"% symbackprop: {let}" for let in _lets(source, chain.equation)]
    return "\n".join(lines) + "\n"


def _lets(source: Source, equation: Equation) -> Iterator[str]:
    """Names of a signal, whole and by element."""
    printer = source.derived.printer
    tensor = equation.lhs.tensor.removeprefix("∂")
    depth = len(source.network.tensors[tensor].family)
    family, element = equation.lhs.index[:depth], equation.lhs.index[depth:]
    frame = printer.frames(equation)[0]
    scale = source.derived.derivation.scale
    times = "" if scale is None else f"{inverse(scale)} * "
    at = "".join(f"[{frame.form(form)}]" for form in family)
    name = f"d{source.network.loss}/d{tensor}{at}"
    yield f"let {printer.show(printer.array(Ref(equation.lhs.tensor, family), frame).box)} = {times}{name}"
    if element:
        inner = ",".join(str(frame.letters[str(form)]) for form in element)
        yield f"let {printer.show(printer.ref(equation.lhs, frame))} = {times}{name}[{inner}]"


# ---------------------------------------------------------------------------------------------------------------------
# Formulas


def formulas(source: Source) -> Iterator[Claim]:
    """Every adjoint that is written, at both levels, and the slopes of elementwise functions."""
    for chain in source.derived.derivation.written:
        yield _indexed(source, chain.tensor, chain.equation)
        whole = _whole(source, chain.tensor, chain.equation)
        if whole is not None:
            yield whole
    for equation in source.network.equations:
        yield from _slopes(source, equation)


def _indexed(source: Source, tensor: str, equation: Equation) -> Claim:
    printer = source.derived.printer
    frames = printer.frames(equation)
    families = frozenset(f.letters[v] for f in frames for v in f.families)
    free = tuple(b.substitute(_image(frames[0])) for b in equation.ranges)
    left = Entry(Ref(equation.lhs.tensor, tuple(f.substitute(_image(frames[0])) for f in equation.lhs.index)))
    try:
        terms = [term.substitute_within(_image(frame)) for term, frame in zip(equation.terms, frames, strict=False)]
        right: Node | None = tidy(_split(terms, {b.var for b in free}, _term))
    except UnwrittenError:
        right = None
    text = printer.equation(equation)
    return Claim(tensor, "index", left, printer.show(printer.ref(equation.lhs, frames[0])), right, text, free, families)


def _image(frame: Any) -> dict[str, Affine]:
    return {name: var(letter) for name, letter in frame.letters.items()}


def _split(terms: Sequence[Any], free: set[str], write: Any) -> Node:
    """A sum of terms; those under conditions on free letters as cases."""
    groups: dict[tuple[Cond, ...], list[Any]] = {}
    for term in terms:
        here = tuple(sorted((c for c in term.conditions if c.form.variables <= free), key=lambda c: c.key))
        groups.setdefault(here, []).append(replace(term, conditions=term.conditions - set(here)))
    if list(groups) == [()] or not groups:
        return _signed([(write(t), 1) for t in terms])
    common = groups.pop((), [])
    rows = [(_signed([(write(t), 1) for t in group]), conditions) for conditions, group in groups.items()]
    cases: Node = Cases((*(v for v, _ in rows), Number(Fraction(0))), (*(c for _, c in rows), ()))
    if len(rows) > 1 and not _complementary([c for _, c in rows]):
        cases = _signed([(Product((*map(When, conditions), value)), 1) for value, conditions in rows])
    elif len(rows) > 1:
        cases = Cases(tuple(v for v, _ in rows), tuple(c for _, c in rows))
    return _signed([*((write(t), 1) for t in common), (cases, 1)])


def _complementary(rows: Sequence[tuple[Cond, ...]]) -> bool:
    """True for ``l = L`` and ``l < L``: exactly one of two holds in the range of the letter."""
    if len(rows) != 2 or any(len(row) != 1 for row in rows):
        return False
    kinds = sorted((row[0] for row in rows), key=lambda c: c.kind)
    if [c.kind for c in kinds] != ["==", ">="]:
        return False
    return (
        kinds[0].form + 1 == -kinds[1].form + 0
        or kinds[0].form - 1 == kinds[1].form
        or (-kinds[0].form - 1 == kinds[1].form)
    )


def _signed(parts: Sequence[tuple[Node, int]]) -> Node:
    """A sum, a minus in front of a part taken into its sign."""
    found: list[tuple[Node, int]] = []
    for node, sign in parts:
        if isinstance(node, Sum) and len(node.terms) == 1:
            found.append((node.terms[0], sign * node.signs[0]))
        else:
            found.append((node, sign))
    if not found:
        return Number(Fraction(0))
    if len(found) == 1 and found[0][1] == 1:
        return found[0][0]
    return Sum(tuple(n for n, _ in found), tuple(s for _, s in found))


def _times(factors: Sequence[Node], coefficient: Any) -> Node:
    """A product with its constant in front, its sign as a sum of one term."""
    number = Fraction(int(coefficient.p), int(coefficient.q))
    shown = [f for f in factors if f != Number(Fraction(1))]
    if abs(number) != 1 or not shown:
        shown = [Number(abs(number)), *shown]
    whole = shown[0] if len(shown) == 1 else Product(tuple(shown))
    return Sum((whole,), (-1,)) if number < 0 else whole


def _term(term: Any) -> Node:
    bound = {b.var for b in term.bounds}
    front = [f for f in term.factors if not _touches(f, bound)]
    body: list[Node] = [When(c) for c in sorted(term.conditions, key=lambda c: c.key)]
    body += [_factor(f) for f in term.factors if f not in front]
    outer = [_factor(f) for f in front]
    if term.bounds:
        outer.append(Big(term.bounds, _times(body, sp.S.One)))
    else:
        outer = [*body, *outer]
    return _times(outer, term.coefficient)


def _touches(factor: Any, bound: set[str]) -> bool:
    from symbackprop.index import variables_of

    return bool(variables_of(factor) & bound)


def _factor(factor: Any) -> Node:
    if isinstance(factor, Ref):
        return Entry(factor)
    if isinstance(factor, Apply):
        args = [Entry(a) if isinstance(a, Ref) else Count(a.form) for a in factor.args]
        return _template(factor.template, args, [a.form if isinstance(a, Value) else None for a in factor.args])
    message = f"{type(factor).__name__} has no tree" if isinstance(factor, Along | Opaque) else str(factor)
    raise UnwrittenError(message)


def _template(template: Any, args: Sequence[Node], counts: Sequence[Affine | None], *, array: bool = False) -> Node:
    """A scalar function with its slots filled."""
    again = lambda part: _template(part, args, counts, array=array)  # noqa: E731
    if template.is_Symbol:
        return args[int(template.name[1:])]
    if template.is_Rational:
        return _times((), template)
    if template.is_Add:
        return _signed([(again(part), 1) for part in sorted(template.args, key=_place)])
    if template.is_Mul:
        return _product_of(template, again, array=array)
    if template.is_Pow and template.exp.is_Integer and template.exp > 0:
        return Power(again(template.base), int(template.exp))
    if template.is_Pow and template.exp.is_Integer and not array:
        return Quotient(Number(Fraction(1)), again(template.base**-template.exp))
    name = "exp" if isinstance(template, sp.exp) else "log" if isinstance(template, sp.log) else None
    if name is None and getattr(template.func, "row", None) not in {None, "onehot", "abs"}:
        name = template.func.row
    if name is None:
        message = f"{template} has no tree"
        raise UnwrittenError(message)
    family = tuple(counts[int(a.name[1:])] for a in template.args[:-1])
    return Call(name, getattr(template.func, "order", 0), family, again(template.args[-1]))  # type: ignore[arg-type]


def _place(part: Any) -> tuple[bool, int, str]:
    """Positive parts first, then by the first slot."""
    slots = [int(s.name[1:]) for s in part.free_symbols]
    return (bool(part.as_coeff_Mul()[0] < 0), min(slots, default=-1), str(part))


def _product_of(template: Any, again: Any, *, array: bool) -> Node:
    coefficient, rest = template.as_coeff_Mul()
    parts = sorted(sp.Mul.make_args(rest), key=_place)
    over = [again(p) for p in parts if not _is_inverse(p)]
    under = [again(p**-1) for p in parts if _is_inverse(p)]
    if array and (len(over) > 1 or under):
        if under:
            raise UnwrittenError(str(template))
        return _times([Hadamard(tuple(over))], coefficient)
    if under:
        bottom = under[0] if len(under) == 1 else Product(tuple(under))
        top = over[0] if len(over) == 1 else Product(tuple(over)) if over else Number(Fraction(1))
        over = [Quotient(top, bottom)]
    return _times(over, coefficient)


def _is_inverse(part: Any) -> bool:
    return bool(part.is_Pow and part.exp.is_Rational and part.exp < 0 and not isinstance(part, sp.exp))


# -- whole arrays -----------------------------------------------------------------------------------------------------


def _whole(source: Source, tensor: str, equation: Equation) -> Claim | None:
    lifted = source.view.lifted(equation)
    if lifted is None:
        return None
    printer = source.derived.printer
    frame = printer._joint_frame(equation)
    image = _image(frame)
    depth = len(source.network.tensors[tensor].family)
    left = Ref(equation.lhs.tensor, tuple(f.substitute(image) for f in equation.lhs.index[:depth]))
    free = tuple(b.substitute(image) for b in equation.ranges[:depth])
    outer = source.derived.preset.signs.outer != "transpose"
    try:
        nodes = _Arrays(image, source.rows, outer, source.derived.layout)
        rows = [_Case(frozenset(c.substitute(image) for c in case.conditions), case.node) for case in lifted.cases]
        right: Node | None = tidy(_split(rows, {b.var for b in free}, lambda row: nodes.node(row.node)))
    except UnwrittenError:
        right = None
    shown = printer.show(printer.array(Ref(equation.lhs.tensor, equation.lhs.index[:depth]), frame).box)
    text = printer.matrix(equation, lifted.cases)
    return Claim(tensor, "matrix", Entry(left, whole=True), shown, right, text, free, frozenset(image) and
                 frozenset(frame.letters.values()))  # fmt: skip


@dataclass(frozen=True)
class _Case:
    conditions: frozenset[Cond]
    node: matrix.Node


@dataclass(frozen=True)
class _Arrays:
    """Matrix nodes as trees: vectors as columns or rows, repetition and sums as products with ones."""

    image: Mapping[str, Affine]
    rows: bool
    outer_sign: bool
    layout: Mapping[str, tuple[int, ...]]

    def node(self, node: matrix.Node) -> Node:  # noqa: C901, PLR0911, PLR0912 - a line or two a kind of node
        if len(node.axes) > 2:
            message = "an array of many axes"
            raise UnwrittenError(message)
        match node:
            case matrix.Leaf(ref=ref, over=over, order=order):
                if tuple(order) != tuple(range(len(order))) or len(over) > 2:
                    message = f"{ref} is stored otherwise"
                    raise UnwrittenError(message)
                return Entry(Ref(ref.tensor, tuple(f.substitute(self.image) for f in ref.index)), whole=bool(over))
            case matrix.Number(form=form, over=()):
                form = form.substitute(self.image)
                return Number(Fraction(form.const)) if form.is_constant else Count(form)
            case matrix.Transpose(x=x, to=to):
                return Turned(self.node(x)) if to != x.labels else self.node(x)
            case matrix.MatMul(a=a, b=b):
                return self.product(a, b)
            case matrix.Outer(a=a, b=b):
                left, right = self.node(a), self.node(b)
                if self.outer_sign:
                    return Outer(left, right)
                return Product((Turned(left), right)) if self.rows else Product((left, Turned(right)))
            case matrix.Hadamard(factors=factors):
                parts = tuple(self.node(f) for f in factors)
                return Hadamard(parts) if node.axes else Product(parts)
            case matrix.Add(terms=terms):
                return _signed([(self.node(t), 1) for t in terms])
            case matrix.Scale(coefficient=coefficient, scalars=scalars, x=x):
                inner = self.node(x)
                parts = [self.node(s) for s in scalars]
                if isinstance(inner, Hadamard):
                    head = _times([*parts, inner.factors[0]], abs(coefficient))
                    whole: Node = Hadamard((head, *inner.factors[1:]), inner.sign)
                    return Sum((whole,), (-1,)) if coefficient < 0 else whole
                return _times([*parts, inner], coefficient)
            case matrix.SumOver():
                return self.summed(node)
            case matrix.Broadcast(x=x):
                return self.spread(x, node)
            case matrix.FamilySum(x=x, bounds=bounds, conditions=conditions):
                body = [When(c.substitute(self.image)) for c in sorted(conditions, key=lambda c: c.key)]
                inner = _times([*body, self.node(x)], sp.S.One)
                return Big(tuple(b.substitute(self.image) for b in bounds), inner)
            case matrix.Elementwise(template=template, args=args):
                parts = [self.node(a) if len(a.axes) in {0, len(node.over)} else self.spread(a, node) for a in args]
                counts = [a.form.substitute(self.image) if isinstance(a, matrix.Number) else None for a in args]
                return _template(template, parts, counts, array=bool(node.over))
        message = f"{type(node).__name__} has no tree"
        raise UnwrittenError(message)

    def product(self, a: matrix.Node, b: matrix.Node) -> Node:
        ranks, left, right = (len(a.axes), len(b.axes)), self.node(a), self.node(b)
        if ranks == (2, 1) and self.rows:
            return Product((right, Turned(left)))
        if ranks == (1, 2) and not self.rows:
            return Product((Turned(right), left))
        if ranks == (1, 1):
            return Product((left, Turned(right))) if self.rows else Product((Turned(left), right))
        return Product((left, right))

    def ones(self, axis: matrix.Axis) -> Node:
        return Ones(axis.extent.substitute(self.image))

    def summed(self, node: matrix.SumOver) -> Node:
        inner, axes = self.node(node.x), node.x.axes
        ones = [self.ones(axis) for axis in axes]
        if len(axes) == 1:
            return Product((ones[0], Turned(inner))) if self.rows else Product((Turned(ones[0]), inner))
        if len(node.over) == 2:
            left, right = (ones[0], Turned(ones[1])) if self.rows else (Turned(ones[0]), ones[1])
            return Product((left, inner, right))
        first = node.over == (axes[0].label,)
        one = ones[0] if first else ones[1]
        if self.rows:
            return Product((one, inner if first else Turned(inner)))
        return Product((Turned(inner) if first else inner, one))

    def spread(self, x: matrix.Node, whole: matrix.Node) -> Node:
        missing = [axis for axis in whole.axes if axis not in x.axes]
        if not missing:
            return self.node(x)
        if not x.axes:
            if len(missing) > 1:
                message = "a number repeated to a matrix"
                raise UnwrittenError(message)
            return Product((self.node(x), self.ones(missing[0])))
        pair = (self.node(x), self.ones(missing[0]))
        a, b = pair if whole.axes[0] in x.axes else pair[::-1]
        return Product((Turned(a), b)) if self.rows else Product((a, Turned(b)))


# -- local slopes -----------------------------------------------------------------------------------------------------


def _slopes(source: Source, equation: Equation) -> Iterator[Claim]:
    """``∂a_i/∂z_j = δ_ij f'(z_i)`` and ``∂a/∂z = diag(f'(z))`` for elementwise functions of one array of one axis."""
    term = equation.terms[0] if len(equation.terms) == 1 else None
    factor = term.factors[0] if term is not None and len(term.factors) == 1 else None
    tensor = source.network.tensors[equation.lhs.tensor]
    if not isinstance(factor, Apply) or term is None or term.bounds or term.coefficient != 1 or len(tensor.axes) != 1:
        return
    *layers, of = factor.args
    template, name = factor.template, getattr(factor.template.func, "row", None)
    plain = name is not None and all(isinstance(a, Value) for a in layers) and isinstance(of, Ref)
    if (
        not plain
        or not tensor.named
        or not source.network.tensors[of.tensor].named
        or template.args[-1] != slot(len(layers))
    ):
        return
    if isinstance(of, Ref) and of.index[-1] != equation.lhs.index[-1]:
        return
    yield from _slope(source, equation, factor)


def _slope(source: Source, equation: Equation, factor: Apply) -> Iterator[Claim]:
    printer = source.derived.printer
    frame = printer.frames(equation)[0]
    image = _image(frame)
    above = Ref(equation.lhs.tensor, tuple(f.substitute(image) for f in equation.lhs.index))
    arg = factor.args[-1]
    assert isinstance(arg, Ref)
    below = Ref(arg.tensor, tuple(f.substitute(image) for f in arg.index))
    free = tuple(b.substitute(image) for b in equation.ranges)
    used = {*frame.letters.values(), *printer.spelling.reserved, *(rule.letter for rule in printer.preset.adjoints)}
    other = next(x for x in "jkmpqruv" if x not in used)
    family = tuple(a.form.substitute(image) for a in factor.args[:-1] if isinstance(a, Value))
    families = frozenset(frame.letters[v] for v in frame.families)
    name = factor.template.func.row
    writer = Writer(printer, families)
    turned = Ref(below.tensor, (*below.index[:-1], var(other)))
    element = Product((Delta(above.index[-1], var(other)), Call(name, 1, family, Entry(below))))
    text = rf"\frac{{\partial {writer.text(Entry(above))}}}{{\partial {writer.text(Entry(turned))}}}"
    more = replace(free[-1], var=other)
    yield _local("index", element, text, (*free, more), families, writer)
    arrays = [Entry(Ref(r.tensor, r.index[:-1]), whole=True) for r in (above, below)]
    whole = Diag(Call(name, 1, family, arrays[1]))
    text = rf"\frac{{\partial {writer.text(arrays[0])}}}{{\partial {writer.text(arrays[1])}}}"
    yield _local("matrix", whole, text, free[:-1], families, writer)


def _local(  # noqa: PLR0913, PLR0917 - the parts of a claim
    level: str, right: Node, text: str, free: tuple[Bound, ...], families: frozenset[str], writer: Writer
) -> Claim:
    """A claim about a slope: its left side has no tree, the right one is right by the rule of elementwise functions."""
    return Claim("", level, right, text, right, f"{text} = {writer.text(right)}", free, families)


# ---------------------------------------------------------------------------------------------------------------------
# Trees as people write them


def tidy(node: Node) -> Node:
    """Products in products and Σ of one number flattened, so that a tree is what its text says."""
    node = rebuilt(node, tuple(tidy(part) for part in children(node)))
    if isinstance(node, Product):
        flat = [f for part in node.factors for f in (part.factors if isinstance(part, Product) else (part,))]
        return Product(tuple(flat)) if len(flat) > 1 else flat[0]
    if isinstance(node, Turned) and isinstance(node.of, Turned):
        return node.of.of
    return node
