"""From matrix nodes back to terms: what every node means, element by element.

``unlift(node)`` gives the terms whose sum is the element of the array at the node's labels. It is the definition of
the nodes' meaning, independent of how ``lift`` finds them; ``same_terms`` compares it with an equation.
"""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch
from typing import TYPE_CHECKING

import sympy as sp

from symbackprop.affine import Affine, Bound, Cond, Scope, condition, var
from symbackprop.errors import DerivationError
from symbackprop.index import Along, Apply, Opaque, Ref, Term, Value, collect, fresh, function, product, slot
from symbackprop.matrix import (
    Add,
    AlongAxis,
    Axis,
    Broadcast,
    Concat,
    Einsum,
    Elementwise,
    FamilySum,
    Gather,
    Hadamard,
    Leaf,
    Lookup,
    Mask,
    MatMul,
    Node,
    Number,
    OpaqueCall,
    Outer,
    Pad,
    Pick,
    Scale,
    ScatterAdd,
    Slice,
    SumOver,
    Transpose,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from symbackprop.index import Equation

Terms = tuple[Term, ...]


def unlift(node: Node) -> Terms:
    """Terms whose sum is the element of ``node`` at its labels.

    >>> from symbackprop.affine import size
    >>> i, j = Axis("i", size("m")), Axis("j", size("n"))
    >>> w, x = Leaf(ref=Ref("W"), over=(i, j)), Leaf(ref=Ref("x"), over=(j,))
    >>> print(*unlift(MatMul(a=w, b=x)))
    Sum(W[i, j]*x[j], j)
    """
    return _terms(node)


@singledispatch
def _terms(node: Node) -> Terms:
    message = f"no meaning for a node of type {type(node).__name__}"
    raise DerivationError(message)


def multiplied(parts: Sequence[Terms]) -> Terms:
    """The product of sums of terms, multiplied out; bound indices are renamed where they would meet."""
    result: list[Term] = [Term()]
    for terms in parts:
        result = [_times(a, b) for a in result for b in terms]
    return tuple(result)


def _times(a: Term, b: Term) -> Term:
    taken = {bound.var for bound in (*a.bounds, *b.bounds)} | a.variables | b.variables
    mine = {bound.var for bound in a.bounds} | a.variables
    clash = [bound.var for bound in b.bounds if bound.var in mine]
    if clash:
        b = b.rename_bounds({name: fresh(name, taken) for name in clash})
    theirs = {bound.var for bound in a.bounds if bound.var in b.variables}
    if theirs:
        a = a.rename_bounds({name: fresh(name, taken) for name in sorted(theirs)})
    return product(
        a.coefficient * b.coefficient,
        (*a.factors, *b.factors),
        bounds=(*a.bounds, *b.bounds),
        conditions=a.conditions | b.conditions,
    )


def _summed(terms: Terms, axes: Iterable[Axis]) -> Terms:
    bounds = tuple(Bound(axis.label, Affine(), axis.extent - 1) for axis in axes)
    return tuple(replace(term, bounds=(*bounds, *term.bounds)) for term in terms)


def _substituted(terms: Terms, mapping: Mapping[str, Affine]) -> Terms:
    return tuple(term.substitute(mapping) for term in terms)


@_terms.register
def _(node: Leaf) -> Terms:
    return (product(1, [node.element()]),)


@_terms.register
def _(node: Number) -> Terms:
    if node.form.is_constant:
        return (product(node.form.const),) if node.form.const else ()
    return (product(1, [Apply(slot(0), (Value(node.form),))]),)


@_terms.register
def _(node: Transpose) -> Terms:
    return _terms(node.x)


@_terms.register
def _(node: Broadcast) -> Terms:
    return _terms(node.x)


@_terms.register
def _(node: MatMul) -> Terms:
    return _summed(multiplied([_terms(node.a), _terms(node.b)]), [node.summed])


@_terms.register
def _(node: Outer) -> Terms:
    return multiplied([_terms(node.a), _terms(node.b)])


@_terms.register
def _(node: Hadamard) -> Terms:
    return multiplied([_terms(factor) for factor in node.factors])


@_terms.register
def _(node: Add) -> Terms:
    return tuple(term for part in node.terms for term in _terms(part))


@_terms.register
def _(node: Scale) -> Terms:
    return multiplied([(product(node.coefficient),), *(_terms(s) for s in node.scalars), _terms(node.x)])


@_terms.register
def _(node: SumOver) -> Terms:
    return _summed(_terms(node.x), [axis for axis in node.x.axes if axis.label in node.over])


@_terms.register
def _(node: FamilySum) -> Terms:
    return tuple(
        replace(term, bounds=(*node.bounds, *term.bounds), conditions=term.conditions | node.conditions)
        for term in _terms(node.x)
    )


@_terms.register
def _(node: Elementwise) -> Terms:
    return (product(1, [Apply(node.template, tuple(_scalar(arg) for arg in node.args))]),)


def _scalar(node: Node) -> Ref | Value:
    """An argument of a scalar function: one element, or an index as a number."""
    if isinstance(node, Number):
        return Value(node.form)
    (term,) = _terms(node)
    (factor,) = term.factors
    if isinstance(factor, Apply) and factor.template == slot(0):
        return factor.args[0]
    if not isinstance(factor, Ref):
        message = f"{factor} is no element"
        raise DerivationError(message)
    return factor


@_terms.register
def _(node: AlongAxis) -> Terms:
    inner = {label: var(f"_{k}") for k, label in enumerate(node.over)}
    ref = _scalar(node.x)
    assert isinstance(ref, Ref)  # noqa: S101 - a function of an axis is of a tensor
    arg = Ref(ref.tensor, tuple(form.substitute(inner) for form in ref.index))
    sizes = tuple(node.x.extents[label] for label in node.over)
    at = tuple(var(label) for label in node.over) if node.keeps else None
    return (product(1, [Along(node.name, arg, sizes, at)]),)


@_terms.register
def _(node: OpaqueCall) -> Terms:
    args: list[Ref] = []
    for arg in node.args:
        ref = _scalar(arg)
        assert isinstance(ref, Ref)  # noqa: S101 - an opaque loss takes whole tensors
        args.append(ref)
    return (product(1, [Opaque(node.name, tuple(args))]),)


@_terms.register
def _(node: Slice) -> Terms:
    return _substituted(_terms(node.x), {node.label: var(node.label) + node.start})


@_terms.register
def _(node: Pick) -> Terms:
    return _substituted(_terms(node.x), {node.label: node.at})


@_terms.register
def _(node: Pad) -> Terms:
    return _within(_terms(node.x), node.label, node.before, node.x.extents[node.label])


@_terms.register
def _(node: Concat) -> Terms:
    found: list[Term] = []
    at = Affine()
    for part in node.parts:
        found += _within(_terms(part), node.label, at, part.extents[node.label])
        at = at + part.extents[node.label]
    return tuple(found)


def _within(terms: Terms, label: str, start: Affine, extent: Affine) -> Terms:
    """Terms moved to the range that begins at ``start``, and 0 outside of it."""
    inside = (condition(">=", var(label) - start), condition(">=", start + extent - 1 - var(label)))
    return tuple(
        replace(term, conditions=term.conditions.union(inside))
        for term in _substituted(terms, {label: var(label) - start})
    )


@_terms.register
def _(node: Lookup) -> Terms:
    ids = _scalar(node.ids)
    hot = Apply(function("onehot")(slot(0), slot(1)), (ids, Value(var(node.label))))
    axis = next(axis for axis in node.table.axes if axis.label == node.label)
    return _summed(multiplied([((product(1, [hot])),), _terms(node.table)]), [axis])


@_terms.register
def _(node: ScatterAdd) -> Terms:
    ids = _scalar(node.ids)
    hot = Apply(function("onehot")(slot(0), slot(1)), (ids, Value(var(node.at.label))))
    return _summed(multiplied([((product(1, [hot])),), _terms(node.x)]), node.ids.axes)


@_terms.register
def _(node: Gather) -> Terms:
    labels = [axis.label for axis in node.x.axes]
    return _substituted(_terms(node.x), dict(zip(labels, node.index, strict=True)))


@_terms.register
def _(node: Mask) -> Terms:
    return (product(1, conditions=node.conditions),)


@_terms.register
def _(node: Einsum) -> Terms:
    return _summed(multiplied([_terms(factor) for factor in node.factors]), node.summed)


# ---------------------------------------------------------------------------------------------------------------------
# Comparison


def same_terms(left: Iterable[Term], right: Iterable[Term], ranges: tuple[Bound, ...], depths: frozenset[str]) -> bool:
    """True where two sums are the same up to order, names and starts of bound indices, and implied conditions."""
    return _normal(left, ranges, depths) == _normal(right, ranges, depths)


def equation_terms(equation: Equation, extra: Iterable[Cond] = ()) -> Terms:
    """The right side under more conditions."""
    return tuple(replace(term, conditions=term.conditions.union(extra)) for term in equation.terms)


def _normal(terms: Iterable[Term], ranges: tuple[Bound, ...], depths: frozenset[str]) -> list[str]:
    scope = Scope(ranges, depths)
    kept = [_narrow(_from_zero(term), scope) for term in terms if term.coefficient != sp.S.Zero]
    return sorted(str(term.key) for term in collect(kept))


def _from_zero(term: Term) -> Term:
    for bound in term.bounds:
        if bound.lo != Affine():
            moved = replace(term, bounds=tuple(b for b in term.bounds if b is not bound))
            start = replace(bound, lo=Affine(), hi=bound.hi - bound.lo)
            moved = moved.substitute({bound.var: var(bound.var) + bound.lo})
            return _from_zero(replace(moved, bounds=(*moved.bounds, start)))
    return term


def _narrow(term: Term, scope: Scope) -> Term:
    inner = scope.with_bounds(term.bounds)
    kept = sorted(term.conditions, key=lambda c: c.key)
    for place, cond in enumerate(kept):  # a range of one value is an equality
        others = [c for c in kept if c is not cond]
        if cond.kind == ">=" and inner.assuming(others).nonnegative(-cond.form):
            kept[place] = condition("==", cond.form)
    for cond in list(kept):
        others = [c for c in kept if c is not cond]
        if inner.assuming(others).decide(cond) is True:
            kept = others
    return replace(term, conditions=frozenset(kept))
