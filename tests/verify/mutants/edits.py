"""Single edits that people make by mistake, each with its code: as planted, and as what mends the opposite mistake."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from mutants.claims import tidy
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
    Power,
    Product,
    Quotient,
    Sum,
    Turned,
    everywhere,
    renamed,
    walk,
)
from symbackprop.affine import var
from symbackprop.index import Ref, adjoint_name, primal_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mutants.claims import Claim, Source
    from symbackprop.affine import Bound


@dataclass(frozen=True)
class Scene:
    """What an edit may put in: letters with ranges, arrays by (family indices, axes), functions by layer indices."""

    matrix: bool
    ranges: Mapping[str, Bound]
    free: tuple[str, ...]
    families: frozenset[str]
    arrays: Mapping[tuple[int, int], tuple[str, ...]]
    shapes: Mapping[str, tuple[int, int]]
    functions: Mapping[int, tuple[str, ...]]
    parts: tuple[Node, ...] = ()
    """What may be put in to mend a formula: the parts of the right one."""

    def shape(self, ref: Ref) -> tuple[int, int]:
        """Number of family indices and of axes of a tensor or adjoint; all are axes for partials of opaque losses."""
        return self.shapes.get(primal_name(ref.tensor), (0, len(ref.index)))

    def others(self, ref: Ref) -> Iterator[Ref]:
        """Other arrays with as many indices."""
        return (Ref(name, ref.index) for name in self.arrays.get(self.shape(ref), ()) if name != ref.tensor)

    def depth(self, ref: Ref) -> int:
        """Number of its family indices."""
        return self.shape(ref)[0]


def scene(source: Source, claim: Claim) -> Scene:
    """The scene of a claim in its network."""
    network, derivation = source.network, source.derived.derivation
    arrays: dict[tuple[int, int], tuple[str, ...]] = {}
    shapes = {name: (len(tensor.family), len(tensor.axes)) for name, tensor in network.tensors.items()}
    written = [chain.tensor for chain in derivation.written]
    for name, key in shapes.items():
        both = [name] if network.tensors[name].named else []
        both += [adjoint_name(name)] if name in written and name != network.loss else []
        arrays[key] = (*arrays.get(key, ()), *both)
    functions: dict[int, tuple[str, ...]] = {}
    calls = [n for n in walk(claim.right or Number(Fraction(0))) if isinstance(n, Call)]
    for call in calls:
        known = [f.name for f in network.functions.values() if f.kind == "opaque" and f.family == len(call.family)]
        usual = ["sigmoid", "tanh"] if not call.family and not known else []
        functions[len(call.family)] = tuple(dict.fromkeys((*known, *usual)))
    ranges = {b.var: b for b in claim.free}
    ranges |= {b.var: b for n in walk(claim.right or Number(Fraction(0))) if isinstance(n, Big) for b in n.bounds}
    return Scene(
        matrix=claim.level == "matrix", ranges=ranges, free=tuple(b.var for b in claim.free), families=claim.families,
        arrays=arrays, shapes=shapes, functions=functions,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# Changes of one node


def _order(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Product) and scene.matrix:
        for k, (a, b) in enumerate(pairwise(node.factors)):
            if _is_array(a) and _is_array(b):
                yield Product((*node.factors[:k], b, a, *node.factors[k + 2 :]))


def _is_array(node: Node) -> bool:
    return not isinstance(node, Number | Count | Quotient) and not (isinstance(node, Entry) and not node.whole)


def _transpose_dropped(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Turned):
        yield node.of


def _transpose_added(node: Node, scene: Scene) -> Iterator[Node]:
    if (isinstance(node, Entry) and node.whole) or (scene.matrix and isinstance(node, Product | Call)):
        yield Turned(node)


def _product(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Hadamard):
        for k, (a, b) in enumerate(pairwise(node.factors)):
            parts = (*node.factors[:k], Product((a, b)), *node.factors[k + 2 :])
            yield parts[0] if len(parts) == 1 else replace(node, factors=parts)
    elif isinstance(node, Product) and scene.matrix:
        for k in range(1, len(node.factors)):
            left, right = node.factors[:k], node.factors[k:]
            if _is_array(left[-1]) and _is_array(right[0]):
                yield Hadamard(tuple(p[0] if len(p) == 1 else Product(p) for p in (left, right)))


def _diag_dropped(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Diag):
        yield node.of


def _layer(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Entry):
        for k in range(scene.depth(node.ref)):
            for step in (1, -1):
                index = (*node.ref.index[:k], node.ref.index[k] + step, *node.ref.index[k + 1 :])
                yield replace(node, ref=Ref(node.ref.tensor, index))
    elif isinstance(node, Call) and node.family:
        for step in (1, -1):
            yield replace(node, family=(node.family[0] + step, *node.family[1:]))


def _index(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Entry) and not node.whole:
        for k in range(scene.depth(node.ref), len(node.ref.index)):
            for name in scene.ranges:
                if name not in scene.families and node.ref.index[k] != var(name):
                    index = (*node.ref.index[:k], var(name), *node.ref.index[k + 1 :])
                    yield replace(node, ref=Ref(node.ref.tensor, index))


def _swapped(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Entry) and not node.whole:
        depth = scene.depth(node.ref)
        family, element = node.ref.index[:depth], node.ref.index[depth:]
        if len(element) == 2 and element[0] != element[1]:
            yield replace(node, ref=Ref(node.ref.tensor, (*family, *element[::-1])))


def _clash(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Big):
        for bound in node.bounds:
            for name in scene.free:
                if (bound.var in scene.families) == (name in scene.families):
                    yield renamed(node, {bound.var: var(name)})


def _sum_dropped(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Big):
        for bound in node.bounds:
            rest = tuple(b for b in node.bounds if b is not bound)
            yield replace(node, bounds=rest) if rest else node.body


def _range(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Big):
        for k, bound in enumerate(node.bounds):
            for lower, upper in ((1, 0), (0, -1), (0, 1)):
                moved = replace(bound, lo=bound.lo + lower, hi=bound.hi + upper)
                yield replace(node, bounds=(*node.bounds[:k], moved, *node.bounds[k + 1 :]))


def _delta_dropped(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Product) and any(isinstance(f, Delta) for f in node.factors):
        yield _product_of([f for f in node.factors if not isinstance(f, Delta)])


def _product_of(factors: list[Node]) -> Node:
    return factors[0] if len(factors) == 1 else Product(tuple(factors))


def _sign(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Sum):
        for k in range(len(node.terms)):
            signs = tuple(-s if j == k else s for j, s in enumerate(node.signs))
            yield node.terms[0] if len(signs) == 1 and signs[0] > 0 else replace(node, signs=signs)
    elif isinstance(node, Big | Product | Hadamard | Turned | Call):
        yield Sum((node,), (-1,))


def _constant(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Number) and node.value:
        yield Number(node.value + 1)
        yield Number(node.value / 2)
    if isinstance(node, Product):
        for k, factor in enumerate(node.factors):
            if _is_constant(factor) and len(node.factors) > 1:
                yield _product_of([*node.factors[:k], *node.factors[k + 1 :]])
    if isinstance(node, Quotient) and isinstance(node.under, Count):
        yield node.over
    if isinstance(node, Big | Hadamard | Sum) or (isinstance(node, Product) and not _is_constant(node.factors[0])):
        yield Product((Number(Fraction(2)), node))
        yield Product((Number(Fraction(1, 2)), node))


def _is_constant(node: Node) -> bool:
    return isinstance(node, Number | Count) or (
        isinstance(node, Quotient) and all(isinstance(n, Number | Count | Quotient | Product) for n in walk(node))
    )


def _argument(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Call) and node.order and isinstance(node.of, Entry):
        for ref in scene.others(node.of.ref):
            yield replace(node, of=replace(node.of, ref=ref))
        yield from (replace(node, of=moved) for moved in _layer(node.of, scene))


def _function(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Call):
        for name in scene.functions.get(len(node.family), ()):
            if name != node.name:
                yield replace(node, name=name)


def _not_differentiated(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Call) and node.order == 1:
        yield replace(node, order=0)


def _array(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Entry):
        for ref in scene.others(node.ref):
            yield replace(node, ref=ref)


def _term_dropped(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Sum) and len(node.terms) > 1:
        for k in range(len(node.terms)):
            terms, signs = ((*each[:k], *each[k + 1 :]) for each in (node.terms, node.signs))
            yield terms[0] if signs == (1,) else Sum(terms, signs)


def _term_added(node: Node, scene: Scene) -> Iterator[Node]:
    """One more entry or array of those that stand in a sum already, or in a product."""
    if isinstance(node, Sum):
        for part in node.terms:
            for inner in walk(part):
                if isinstance(inner, Entry) and (inner.whole or not scene.matrix):
                    yield Sum((*node.terms, inner), (*node.signs, 1))


def _factor_dropped(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Product | Hadamard) and len(node.factors) > 1:
        for k, factor in enumerate(node.factors):
            if not _is_constant(factor) and not isinstance(factor, Delta):
                rest = (*node.factors[:k], *node.factors[k + 1 :])
                yield rest[0] if len(rest) == 1 else replace(node, factors=rest)
    if isinstance(node, Power) and node.exponent == 2:
        yield node.base


def _factor_doubled(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Hadamard) or (isinstance(node, Product) and not scene.matrix):
        for k, factor in enumerate(node.factors):
            if not _is_constant(factor) and not isinstance(factor, Delta):
                yield replace(node, factors=(*node.factors[: k + 1], *node.factors[k:]))


def _brackets(node: Node, scene: Scene) -> Iterator[Node]:
    """The tree of the same text without a pair of brackets."""
    if isinstance(node, Product | Hadamard):
        for k, factor in enumerate(node.factors):
            before, after = node.factors[:k], node.factors[k + 1 :]
            if isinstance(factor, Sum) and len(factor.terms) > 1:
                yield _opened(node, before, factor, after)
            elif isinstance(factor, Hadamard) and isinstance(node, Product):
                first = _product_of([*before, factor.factors[0]])
                last = _product_of([factor.factors[-1], *after])
                yield replace(factor, factors=(first, *factor.factors[1:-1], last))
    elif isinstance(node, Turned) and isinstance(node.of, Product | Hadamard):
        yield replace(node.of, factors=(*node.of.factors[:-1], Turned(node.of.factors[-1])))
    elif isinstance(node, Turned) and isinstance(node.of, Sum):
        yield replace(node.of, terms=(*node.of.terms[:-1], Turned(node.of.terms[-1])))
    elif isinstance(node, Power) and isinstance(node.base, Sum):
        yield replace(node.base, terms=(*node.base.terms[:-1], Power(node.base.terms[-1], node.exponent)))
    elif isinstance(node, Big) and isinstance(node.body, Sum) and len(node.body.terms) > 1 and node.body.signs[0] > 0:
        yield replace(node.body, terms=(Big(node.bounds, node.body.terms[0]), *node.body.terms[1:]))


def _opened(node: Product | Hadamard, before: tuple[Node, ...], inner: Sum, after: tuple[Node, ...]) -> Node:
    """``a (b + c) d`` read as ``a b + c d``."""
    parts = list(inner.terms)
    if before:
        parts[0] = replace(node, factors=(*before, parts[0]))
    if after:
        parts[-1] = replace(node, factors=(parts[-1], *after))
    return Sum(tuple(parts), inner.signs)


# ---------------------------------------------------------------------------------------------------------------------
# The table


@dataclass(frozen=True)
class Row:
    """A kind of edit: the code of the mistake that it plants, and of the mistake that it mends."""

    kind: str
    planted: str
    mends: str
    change: Callable[[Node, Scene], Iterator[Node]]


ROWS = (
    Row("factors in another order", "SB101", "SB101", _order),
    Row("transpose dropped", "SB102", "SB103", _transpose_dropped),
    Row("transpose added", "SB103", "SB102", _transpose_added),
    Row("product of another kind", "SB104", "SB104", _product),
    Row("diag dropped", "SB105", "", _diag_dropped),
    Row("layer or step moved", "SB201", "SB201", _layer),
    Row("index replaced", "SB202", "SB202", _index),
    Row("indices swapped", "SB203", "SB203", _swapped),
    Row("index clash", "SB205", "SB205", _clash),
    Row("range of a sum moved", "SB206", "SB206", _range),
    Row("another array", "SB207", "SB207", _array),
    Row("factor dropped", "SB208", "SB209", _factor_dropped),
    Row("factor doubled", "SB209", "SB208", _factor_doubled),
    Row("slope at another argument", "SB210", "SB210", _argument),
    Row("another function", "SB211", "SB211", _function),
    Row("brackets dropped", "SB212", "", _brackets),
    Row("sum dropped", "SB213", "", _sum_dropped),
    Row("delta dropped", "SB214", "", _delta_dropped),
    Row("sign changed", "SB215", "SB215", _sign),
    Row("constant changed", "SB216", "SB216", _constant),
    Row("not differentiated", "SB217", "", _not_differentiated),
    Row("term dropped", "SB218", "SB219", _term_dropped),
    Row("term added", "SB219", "SB218", _term_added),
)


def edited(node: Node, scene: Scene) -> Iterator[tuple[Row, Node]]:
    """All single edits of a formula."""
    for row in ROWS:
        for other in everywhere(node, lambda part, row=row: row.change(part, scene)):
            yield row, tidy(other)


# ---------------------------------------------------------------------------------------------------------------------
# What mends


def mended(node: Node, right: Node, scene: Scene) -> Iterator[tuple[Row, Node]]:
    """Single edits by which a wrong formula may become right; what is put in occurs in the right one."""
    for row in ROWS:
        if row.mends:
            for other in everywhere(node, lambda part, row=row: row.change(part, scene)):
                yield row, tidy(other)
    parts = tuple(dict.fromkeys(walk(right)))
    for row in MENDING:
        for other in everywhere(node, lambda part, row=row: row.change(part, replace(scene, parts=parts))):
            yield row, tidy(other)


def _factor_put_in(node: Node, scene: Scene) -> Iterator[Node]:
    for part in scene.parts:
        if _is_constant(part) or isinstance(part, Cases):
            continue
        if isinstance(node, Product | Hadamard):
            for k in range(len(node.factors) + 1):
                yield replace(node, factors=(*node.factors[:k], part, *node.factors[k:]))
        for kind in (Product, Hadamard) if scene.matrix else (Product,):
            yield kind((node, part))
            yield kind((part, node))


def _term_put_in(node: Node, scene: Scene) -> Iterator[Node]:
    for part in scene.parts:
        for sign in (1, -1):
            if isinstance(node, Sum):
                yield Sum((*node.terms, part), (*node.signs, sign))
            yield Sum((node, part), (1, sign))


def _sum_put_in(node: Node, scene: Scene) -> Iterator[Node]:
    for part in scene.parts:
        if isinstance(part, Big):
            yield Big(part.bounds, node)


def _differentiated(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Call) and node.order == 0:
        yield replace(node, order=1)


def _diag_put_in(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Entry | Call):
        yield Diag(node)


def _delta_put_in(node: Node, scene: Scene) -> Iterator[Node]:
    for part in scene.parts:
        if isinstance(part, Delta):
            yield Product((part, node))


def _brackets_put_in(node: Node, scene: Scene) -> Iterator[Node]:
    """A factor next to a sum taken as a factor of neighbouring terms too; ``a ⊙ b C`` as ``(a ⊙ b) C``."""
    if isinstance(node, Sum):
        for k in range(len(node.terms) - 1):
            for pair in _joined(node.terms[k], node.terms[k + 1], node.signs[k], node.signs[k + 1]):
                rest = (*node.terms[:k], pair, *node.terms[k + 2 :])
                yield pair if len(rest) == 1 else Sum(rest, (*node.signs[:k], 1, *node.signs[k + 2 :]))
    if isinstance(node, Hadamard):
        *front, last = node.factors
        if isinstance(last, Product):
            yield Product((replace(node, factors=(*front, last.factors[0])), *last.factors[1:]))
        first, *rest = node.factors
        if isinstance(first, Product):
            yield Product((*first.factors[:-1], replace(node, factors=(first.factors[-1], *rest))))
    if isinstance(node, Product) and isinstance(node.factors[-1], Turned):
        yield Turned(replace(node, factors=(*node.factors[:-1], node.factors[-1].of)))


def _joined(a: Node, b: Node, first: int, second: int) -> Iterator[Node]:
    if isinstance(a, Product | Hadamard):
        yield replace(a, factors=(*a.factors[:-1], Sum((a.factors[-1], b), (first, second))))
    if isinstance(b, Product | Hadamard):
        yield replace(b, factors=(Sum((a, b.factors[0]), (first, second)), *b.factors[1:]))
    if isinstance(a, Big):
        yield Big(a.bounds, Sum((a.body, b), (first, second)))
    if isinstance(b, Power):
        yield Power(Sum((a, b.base), (first, second)), b.exponent)


MENDING = (
    Row("diag put in", "", "SB105", _diag_put_in),
    Row("factor put in", "", "SB208", _factor_put_in),
    Row("brackets put in", "", "SB212", _brackets_put_in),
    Row("sum put in", "", "SB213", _sum_put_in),
    Row("delta put in", "", "SB214", _delta_put_in),
    Row("differentiated", "", "SB217", _differentiated),
    Row("term put in", "", "SB218", _term_put_in),
)
