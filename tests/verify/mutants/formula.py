"""Formulas as trees: elements and whole arrays, products, sums, transposes, cases; their LaTeX and their values.

The trees are small and permissive on purpose: shapes need not fit, indices need not be in range, so that wrong formulas
can be written. ``Writer`` prints them with the names of a notation; ``value`` computes them with NumPy alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.emit import layout as y
from symbackprop.emit.layout import ATOM, BINARY, PRODUCT, SUM, Piece
from symbackprop.emit.mathtext import Frame
from symbackprop.emit.mathtext_matrix import MatrixText
from symbackprop.emit.mathtext_templates import Leaves
from symbackprop.emit.target import SIGNS
from symbackprop.errors import DerivationError
from symbackprop.index import Ref, function, slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from fractions import Fraction

    from symbackprop.affine import Affine, Bound, Cond
    from symbackprop.emit.mathtext import Printer
    from symbackprop.oracle import Interpreter


class NonsenseError(Exception):
    """A formula without a value: shapes that do not fit, or an index outside its range."""


@dataclass(frozen=True)
class Node:
    """A part of a formula."""


@dataclass(frozen=True)
class Number(Node):
    value: Fraction


@dataclass(frozen=True)
class Count(Node):
    """A size or an index as a number."""

    form: Affine


@dataclass(frozen=True)
class Entry(Node):
    """An element of a tensor, or (``whole``) the array with its family indices alone."""

    ref: Ref
    whole: bool = False


@dataclass(frozen=True)
class Call(Node):
    """An elementwise function or its slope; ``family`` are the layer's indices of a function per layer."""

    name: str
    order: int
    family: tuple[Affine, ...]
    of: Node


@dataclass(frozen=True)
class Product(Node):
    """Side by side: numbers times anything, matrices as matrices."""

    factors: tuple[Node, ...]


@dataclass(frozen=True)
class Hadamard(Node):
    factors: tuple[Node, ...]
    sign: str = ""


@dataclass(frozen=True)
class Outer(Node):
    """``a \\otimes b``."""

    a: Node
    b: Node


@dataclass(frozen=True)
class Sum(Node):
    """Terms with their signs."""

    terms: tuple[Node, ...]
    signs: tuple[int, ...]


@dataclass(frozen=True)
class Power(Node):
    base: Node
    exponent: int


@dataclass(frozen=True)
class Quotient(Node):
    over: Node
    under: Node


@dataclass(frozen=True)
class Big(Node):
    """Σ over the bounds."""

    bounds: tuple[Bound, ...]
    body: Node


@dataclass(frozen=True)
class Turned(Node):
    of: Node


@dataclass(frozen=True)
class Diag(Node):
    of: Node


@dataclass(frozen=True)
class Group(Node):
    """Brackets that are written though nothing asks for them."""

    of: Node


@dataclass(frozen=True)
class Ones(Node):
    length: Affine


@dataclass(frozen=True)
class Delta(Node):
    """Kronecker's."""

    i: Affine
    j: Affine


@dataclass(frozen=True)
class When(Node):
    """1 where the condition holds, else 0."""

    condition: Cond


@dataclass(frozen=True)
class Cases(Node):
    """Values under conditions; no conditions mean "otherwise"."""

    values: tuple[Node, ...]
    conditions: tuple[tuple[Cond, ...], ...]


# ---------------------------------------------------------------------------------------------------------------------
# Trees


def children(node: Node) -> tuple[Node, ...]:
    """The parts of a node in order."""
    found: list[Node] = []
    for each in fields(node):
        value = getattr(node, each.name)
        found += [value] if isinstance(value, Node) else [v for v in _listed(value) if isinstance(v, Node)]
    return tuple(found)


def rebuilt(node: Node, parts: tuple[Node, ...]) -> Node:
    """The node with other parts, as many as it has."""
    left = list(parts)
    changed: dict[str, Any] = {}
    for each in fields(node):
        value = getattr(node, each.name)
        if isinstance(value, Node):
            changed[each.name] = left.pop(0)
        elif _listed(value) and isinstance(value[0], Node):
            changed[each.name] = tuple(left.pop(0) for _ in value)
    return replace(node, **changed)


def _listed(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else ()


def walk(node: Node) -> Iterator[Node]:
    """The node and all within."""
    yield node
    for part in children(node):
        yield from walk(part)


def everywhere(node: Node, change: Callable[[Node], Iterator[Node]]) -> Iterator[Node]:
    """The node with one part changed, for every part and every change of it."""
    yield from change(node)
    parts = children(node)
    for k, part in enumerate(parts):
        for other in everywhere(part, change):
            yield rebuilt(node, (*parts[:k], other, *parts[k + 1 :]))


def mapped(node: Node, change: Callable[[Node], Node]) -> Node:
    """Every part changed, innermost first."""
    return change(rebuilt(node, tuple(mapped(part, change) for part in children(node))))


def forms(node: Node) -> Iterator[Affine]:
    """Index forms of one node, its parts left out."""
    match node:
        case Count(form=form) | Ones(length=form):
            yield form
        case Entry(ref=ref):
            yield from ref.index
        case Call(family=family):
            yield from family
        case Delta(i=i, j=j):
            yield from (i, j)
        case When(condition=condition):
            yield condition.form
        case Cases(conditions=conditions):
            yield from (c.form for row in conditions for c in row)
        case Big(bounds=bounds):
            yield from (limit for b in bounds for limit in (b.lo, b.hi))


def letters(node: Node) -> frozenset[str]:
    """Free letters of a formula."""
    found = {name for form in forms(node) for name in form.variables}
    for part in children(node):
        found |= letters(part)
    if isinstance(node, Big):
        found -= {b.var for b in node.bounds}
    return frozenset(found)


def renamed(node: Node, image: Mapping[str, Affine]) -> Node:  # noqa: PLR0911 - a line a kind of node
    """Letters replaced everywhere, bound ones too."""
    node = rebuilt(node, tuple(renamed(part, image) for part in children(node)))
    match node:
        case Count(form=form):
            return Count(form.substitute(image))
        case Ones(length=form):
            return Ones(form.substitute(image))
        case Entry(ref=ref):
            return replace(node, ref=Ref(ref.tensor, tuple(f.substitute(image) for f in ref.index)))
        case Call(family=family):
            return replace(node, family=tuple(f.substitute(image) for f in family))
        case Delta(i=i, j=j):
            return Delta(i.substitute(image), j.substitute(image))
        case When(condition=condition):
            return When(condition.substitute(image))
        case Cases(conditions=conditions):
            return replace(node, conditions=tuple(tuple(c.substitute(image) for c in row) for row in conditions))
        case Big(bounds=bounds):
            return replace(node, bounds=tuple(b.substitute(image) for b in bounds))
    return node


# ---------------------------------------------------------------------------------------------------------------------
# LaTeX


@dataclass(frozen=True)
class Writer:
    """Prints trees with the names of a printer; ``families`` are letters of layers and steps."""

    printer: Printer
    families: frozenset[str]

    def text(self, node: Node) -> str:
        """LaTeX of a formula."""
        names = {n for part in walk(node) for form in forms(part) for n in form.variables}
        names |= {b.var for part in walk(node) if isinstance(part, Big) for b in part.bounds}
        frame = Frame({n: n for n in names}, self.families, self.printer.preset.indices.base)
        return self.printer.show(self._piece(node, frame).box)

    def _piece(self, node: Node, frame: Frame) -> Piece:  # noqa: C901, PLR0911, PLR0912 - a line or two a kind of node
        target, printer = self.printer.target, self.printer
        again = lambda part: self._piece(part, frame)  # noqa: E731
        match node:
            case Number(value=value):
                over, under = (Piece(y.Digits(str(n))) for n in value.as_integer_ratio())
                return over if value.denominator == 1 else target.frac(over, under)
            case Count(form=form):
                return printer.number(form, frame)
            case Entry(ref=ref, whole=whole):
                return printer.array(ref, frame) if whole else printer.reference(ref, frame)
            case Call():
                return self._call(node, frame)
            case Product(factors=factors):
                return target.product([again(f) for f in factors])
            case Hadamard(factors=factors, sign=sign):
                return self._signed_product([again(f) for f in factors], sign or printer.preset.signs.hadamard)
            case Outer(a=a, b=b):
                return self._signed_product([again(a), again(b)], r"\otimes")
            case Sum(terms=terms, signs=(-1,)):
                return target.negative(again(terms[0]), BINARY)
            case Sum(terms=terms, signs=signs):
                return target.total([(sign < 0, again(term)) for term, sign in zip(terms, signs, strict=True)], BINARY)
            case Power(base=base, exponent=exponent):
                inner = again(base)
                bare = inner.level == ATOM and not inner.height and not y.has_superscript(inner.box)
                shown: y.Box = y.Digits(str(exponent))
                shown = y.spaced([y.Sign(r"\circ"), shown]) if _is_array(base) else shown
                return Piece(y.Power(inner.box if bare else target.brackets(inner), shown), ATOM)
            case Quotient(over=over, under=under):
                return target.frac(again(over), again(under))
            case Big(bounds=bounds, body=body):
                refs = [n.ref for n in walk(body) if isinstance(n, Entry) and not n.whole]
                sigma = printer.sigma(bounds, refs, frame)
                return Piece(y.spaced([*sigma, target.within(again(body), SUM)]), SUM, 2)
            case Turned(of=of):
                return self._turned(of, frame)
            case Diag(of=of):
                inner = again(of)
                return Piece(y.beside(y.Words("diag"), target.brackets(inner)), ATOM, inner.height)
            case Group(of=of):
                inner = again(of)
                return Piece(target.brackets(inner), ATOM, inner.height)
            case Ones(length=length):
                return MatrixText(printer, frame).ones(length)[0]
            case Delta(i=i, j=j):
                letters_ = [printer.form(frame.form(f) + frame.base) for f in (i, j)]
                if any(rule.letter == r"\delta" for rule in printer.preset.adjoints):  # the letter has a meaning
                    return Piece(y.Fence(y.separated(letters_, y.EQUALS), "[]"))
                return Piece(y.Lowered(y.symbol(r"\delta"), y.spaced(letters_)))
            case When(condition=condition):
                return printer.iverson(condition, frame)
            case Cases(values=values, conditions=conditions):
                rows = [
                    (again(v).box, printer.conditions(row, frame) if row else SIGNS["otherwise"])
                    for v, row in zip(values, conditions, strict=True)
                ]
                return Piece(y.Cases(tuple(rows)), ATOM, 2)
        raise TypeError(node)

    def _signed_product(self, pieces: list[Piece], sign: str) -> Piece:
        boxes = [self.printer.target.within(p, PRODUCT) for p in pieces]
        return Piece(y.separated(boxes, y.Sign(sign)), BINARY, max(p.height for p in pieces))

    def _call(self, node: Call, frame: Frame) -> Piece:
        slots = [slot(k) for k in range(len(node.family) + 1)]
        pieces = {s: self.printer.number(f, frame) for s, f in zip(slots, node.family, strict=False)}
        indices = {s: self.printer.affine(frame.form(f)) for s, f in zip(slots, node.family, strict=False)}
        pieces[slots[-1]] = self._piece(node.of, frame)
        return self.printer._templates.piece(function(node.name, node.order)(*slots), Leaves(pieces, indices))

    def _turned(self, of: Node, frame: Frame) -> Piece:
        matrix = MatrixText(self.printer, frame)
        if isinstance(of, Ones):
            return matrix.ones(of.length)[1]
        pattern = self.printer.whole(of.ref, frame) if isinstance(of, Entry) else None
        if pattern is not None:
            return matrix.turn_name(pattern)
        inner = self._piece(of, frame)
        return Piece(y.Turned(self.printer.target.brackets(inner), self.printer.transpose_sign), ATOM, inner.height)


def _is_array(node: Node) -> bool:
    return any(isinstance(n, Ones) or (isinstance(n, Entry) and n.whole) for n in walk(node))


# ---------------------------------------------------------------------------------------------------------------------
# Values


@dataclass(frozen=True)
class World:
    """Numbers for every tensor and adjoint; ``rows`` says that arrays of one axis lie as rows."""

    interpreter: Interpreter
    rows: bool

    def size(self, form: Affine, env: Mapping[str, int]) -> int:
        """An index form as a number."""
        try:
            return int(form.evaluate(env, self.interpreter.values.size))
        except KeyError as error:
            message = f"no value for {error}"
            raise NonsenseError(message) from None

    def values(self, bounds: tuple[Bound, ...], env: Mapping[str, int]) -> Iterator[dict[str, int]]:
        """All values of bound letters."""
        if not bounds:
            yield dict(env)
            return
        first, *rest = bounds
        for k in range(self.size(first.lo, env), self.size(first.hi, env) + 1):
            yield from self.values(tuple(rest), {**env, first.var: k})

    def read(self, entry: Entry, env: Mapping[str, int]) -> Any:
        """An element, or an array as a matrix."""
        ref, network = entry.ref, self.interpreter.network
        depth = self.interpreter._depth(ref)
        at = tuple(self.size(f, env) for f in ref.index[:depth])
        if not self.interpreter._inside(ref.tensor, at):
            message = f"{ref} is outside its family"
            raise NonsenseError(message)
        try:
            array = np.asarray(self.interpreter.tensor(ref.tensor, at), dtype=float)
        except DerivationError as error:  # a member that nothing depends on
            raise NonsenseError(str(error)) from None
        if entry.whole:
            return self.matrix(array)
        place = tuple(self.size(f, env) for f in ref.index[depth:])
        if len(place) != array.ndim or any(not 0 <= k < n for k, n in zip(place, array.shape, strict=True)):
            message = f"{ref} of {network.name} is outside its array"
            raise NonsenseError(message)
        return float(array[place])

    def matrix(self, array: Any) -> Any:
        """An array of two axes, one or none as a matrix or a number."""
        if array.ndim == 0:
            return float(array)
        return array if array.ndim == 2 else array.reshape((1, -1) if self.rows else (-1, 1))


def value(node: Node, world: World, env: Mapping[str, int]) -> Any:  # noqa: C901, PLR0911, PLR0912 - a line or two a kind
    """The number or matrix that a formula is at given letters.

    Raises: NonsenseError where there is none.
    """
    again = lambda part: value(part, world, env)  # noqa: E731
    match node:
        case Number(value=number):
            return float(number)
        case Count(form=form):
            return float(world.size(form, env))
        case Entry():
            return world.read(node, env)
        case Call(name=name, order=order, family=family, of=of):
            return world.interpreter.named(name, order, [*(world.size(f, env) for f in family), again(of)])
        case Product(factors=factors):
            tests = [again(f) for f in factors if isinstance(f, When | Delta)]
            return 0.0 if 0.0 in tests else _multiplied([again(f) for f in factors])
        case Hadamard(factors=factors):
            return _entrywise([again(f) for f in factors], np.multiply)
        case Outer(a=a, b=b):
            return np.outer(_vector(again(a)), _vector(again(b)))
        case Sum(terms=terms, signs=signs):
            return _entrywise([s * again(t) for t, s in zip(terms, signs, strict=True)], np.add)
        case Power(base=base, exponent=exponent):
            return again(base) ** exponent
        case Quotient(over=over, under=under):
            return again(over) / again(under)
        case Big(bounds=bounds, body=body):
            parts = [value(body, world, inner) for inner in world.values(bounds, env)]
            return _entrywise(parts, np.add) if parts else 0.0
        case Turned(of=of) | Diag(of=of):
            inner = again(of)
            return inner if np.ndim(inner) == 0 else inner.T if isinstance(node, Turned) else np.diag(_vector(inner))
        case Group(of=of):
            return again(of)
        case Ones(length=length):
            return world.matrix(np.ones(world.size(length, env)))
        case Delta(i=i, j=j):
            return float(world.size(i, env) == world.size(j, env))
        case When(condition=condition):
            return float(condition.holds(env, world.interpreter.values.size))
        case Cases(values=values, conditions=conditions):
            for part, row in zip(values, conditions, strict=True):
                if all(c.holds(env, world.interpreter.values.size) for c in row):
                    return again(part)
            message = "no case holds"
            raise NonsenseError(message)
    raise TypeError(node)


def _vector(array: Any) -> Any:
    if np.ndim(array) != 2 or 1 not in array.shape:
        message = "a vector is needed"
        raise NonsenseError(message)
    return array.ravel()


def _entrywise(parts: list[Any], operation: Any) -> Any:
    """Arrays of one shape entry by entry; numbers join any of them."""
    shapes = {np.shape(p) for p in parts if np.ndim(p)}
    if len(shapes) > 1:
        message = f"shapes {sorted(shapes)}"
        raise NonsenseError(message)
    total = parts[0]
    for part in parts[1:]:
        total = operation(total, part)
    return total


def _multiplied(parts: list[Any]) -> Any:
    """Numbers times matrices, from the left; a matrix of one entry is a number where it does not fit."""
    total = parts[0]
    for part in parts[1:]:
        if np.ndim(total) == 0 or np.ndim(part) == 0:
            total = total * part
        elif total.shape[1] == part.shape[0]:
            total = total @ part
        elif total.size == 1 or part.size == 1:
            total = total.item() * part if total.size == 1 else total * part.item()
        else:
            message = f"a product of {total.shape} and {part.shape}"
            raise NonsenseError(message)
    return total
