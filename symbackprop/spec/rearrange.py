"""Choices, joins and picks: where, concat, pad, chunk, onehot, gather."""

from __future__ import annotations

import ast
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import sympy as sp

from symbackprop.affine import Affine, Bound, condition, var
from symbackprop.index import Apply, Compare, Ref, Term, Value, Where, function, product, slot
from symbackprop.spec import value
from symbackprop.spec.arguments import arguments, axis_named, is_axis
from symbackprop.spec.conditions import condition_regions
from symbackprop.spec.syntax import text_of
from symbackprop.spec.value import AlignError, Axis, Val, align, plain_ref, pointwise, shown

if TYPE_CHECKING:
    from symbackprop.spec.evaluate import Evaluator

_COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}


def where(evaluator: Evaluator, node: ast.Call) -> Val:
    """``where(condition, a, b)``; a condition on indices alone makes two ranges of one sum."""
    args = arguments(evaluator, node, 3, 3, "where(condition, a, b)")
    regions = condition_regions(evaluator, args[0])
    yes, no = (evaluator.evaluate(arg) for arg in args[1:])
    yes, no = (evaluator.named(v, "u") if v.is_special else v for v in (yes, no))
    try:
        axes, no = align(yes, no)
    except AlignError as error:
        message = f"the two values of where do not align: {error}"
        raise evaluator.error(message, node, shape=True) from None
    if regions is None:
        test = evaluator.scalar(evaluator.evaluate(args[0]), "u")
        joined = Val(axes, ())
        try:
            axes, test = align(joined, test)
        except AlignError as error:
            message = f"the condition of where does not align: {error}"
            raise evaluator.error(message, node, shape=True) from None
        yes, no = evaluator.scalar(yes, "u"), evaluator.scalar(no, "u")
        return pointwise(Where, axes, test, yes, no)
    terms: list[Term] = []
    for val, cases in ((yes, regions[0]), (no, regions[1])):
        for k, case in enumerate(cases):
            copies = val.terms if k == 0 else evaluator.copied(Val((), val.terms)).terms
            terms.extend(replace(term, conditions=term.conditions | case) for term in copies)
    return Val(axes, tuple(terms))


def value_condition(evaluator: Evaluator, node: ast.expr) -> Val:
    """A condition on values as a number, 1 or 0."""
    if isinstance(node, ast.UnaryOp):
        inner = evaluator.scalar(evaluator.evaluate(node.operand))
        return pointwise(lambda c: 1 - c, inner.axes, inner)
    if isinstance(node, ast.BoolOp):
        result = evaluator.scalar(evaluator.evaluate(node.values[0]))
        both = isinstance(node.op, ast.And)
        for part in node.values[1:]:
            axes, other = evaluator.aligned(node, result, evaluator.scalar(evaluator.evaluate(part)))
            result = pointwise(lambda a, b: a * b if both else a + b - a * b, axes, result, other)
        return result
    assert isinstance(node, ast.Compare), "the only other kind of condition"  # noqa: S101
    sides = [evaluator.scalar(evaluator.evaluate(side)) for side in (node.left, *node.comparators)]
    links: list[Val] = []
    for op, (left, right) in zip(node.ops, itertools.pairwise(sides), strict=True):
        axes, other = evaluator.aligned(node, left, right)
        symbol = sp.Symbol(_COMPARISONS[type(op)])
        links.append(pointwise(lambda a, b, s=symbol: Compare(s, a, b), axes, left, other))
    total = links[0]
    for link in links[1:]:
        axes, other = evaluator.aligned(node, total, link)
        total = pointwise(lambda a, b: a * b, axes, total, other)
    return total


def concat(evaluator: Evaluator, node: ast.Call) -> Val:
    """Arrays joined along an axis."""
    args = list(arguments(evaluator, node, 2, None, 'concat(a, b) or concat(a, b, "axis")'))
    named = args.pop() if is_axis(args[-1]) and isinstance(getattr(args[-1], "value", None), str) else None
    vals = [evaluator.evaluate(arg) for arg in args]
    vals = [evaluator.named(v, "u") if v.is_special else v for v in vals]
    place = 0
    if named is not None:
        place = vals[0].axes.index(axis_named(evaluator, vals[0], named))
    first = vals[0]
    for other in vals[1:]:
        rest = (first.sizes[:place] + first.sizes[place + 1 :], other.sizes[:place] + other.sizes[place + 1 :])
        if not first.axes or len(first.axes) != len(other.axes) or rest[0] != rest[1]:
            message = (
                f"concat joins arrays that differ in one axis only, and these are "
                f"{' and '.join(shown(v.sizes) for v in vals)}"
            )
            raise evaluator.error(message, node, shape=True)
    total = Affine()
    for val in vals:
        total += val.sizes[place]
    joined = Axis(evaluator.fresh(), total)
    terms = []
    start = Affine()
    for k, val in enumerate(vals):
        names = {axis.var: var(first.axes[j].var) for j, axis in enumerate(val.axes) if j != place}
        names[val.axes[place].var] = var(joined.var) - start
        end = start + val.sizes[place]
        guard = set()
        if k:
            guard.add(condition(">=", var(joined.var) - start))
        if k < len(vals) - 1:
            guard.add(condition(">=", end - 1 - var(joined.var)))
        for term in val.terms:
            moved = term.substitute(names)
            terms.append(replace(moved, conditions=moved.conditions | guard))
        start = end
    axes = (*first.axes[:place], joined, *first.axes[place + 1 :])
    return Val(axes, tuple(terms))


def pad(evaluator: Evaluator, node: ast.Call) -> Val:
    """Zeros before and after, along an axis."""
    args = arguments(evaluator, node, 4, 4, 'pad(t, "axis", before, after)')
    val = evaluator.evaluate(args[0])
    val = evaluator.named(val, "u") if val.is_special else val
    if not is_axis(args[1]):
        message = 'pad names its axis in quotes, as in pad(t, "T", 1, 1)'
        raise evaluator.error(message, args[1])
    axis = axis_named(evaluator, val, args[1])
    before, after = (evaluator.index_form(arg) for arg in args[2:])
    if any(form.is_constant and form.const < 0 for form in (before, after)):
        message = "pad adds zeros; use a slice to take elements away"
        raise evaluator.error(message, node, shape=True)
    wide = Axis(evaluator.fresh(), axis.size + before + after)
    guard = set()
    if before != Affine():
        guard.add(condition(">=", var(wide.var) - before))
    if after != Affine():
        guard.add(condition(">=", before + axis.size - 1 - var(wide.var)))
    axes = tuple(wide if a is axis else a for a in val.axes)
    moved = val.substitute({axis.var: var(wide.var) - before}, axes)
    return replace(moved, terms=tuple(replace(t, conditions=t.conditions | guard) for t in moved.terms))


def _integers(evaluator: Evaluator, node: ast.expr, name: str) -> tuple[Val, Ref, Affine]:
    val = evaluator.evaluate(node)
    ref = plain_ref(val)
    below = evaluator.world.below(ref) if ref is not None else None
    if ref is None or below is None:
        message = f"{name} needs an integer tensor, declared as 'N int<K' in [shapes]; '{text_of(node)}' is none"
        raise evaluator.error(message, node)
    return val, ref, below


def onehot(evaluator: Evaluator, node: ast.Call) -> Val:
    """Rows of the unit matrix, picked by an integer tensor."""
    (argument,) = arguments(evaluator, node, 1, 1, "onehot(y)")
    val, ref, below = _integers(evaluator, argument, "onehot")
    axis = Axis(evaluator.fresh(), below)
    picked = Apply(function("onehot")(slot(0), slot(1)), (ref, Value(var(axis.var))))
    return value.of_factor((*val.axes, axis), picked)


def gather(evaluator: Evaluator, node: ast.Call) -> Val:
    """Rows of a table, picked by an integer tensor."""
    table_node, number_node = arguments(evaluator, node, 2, 2, "gather(E, y)")
    table = evaluator.matrix_factor(evaluator.evaluate(table_node))
    val, ref, below = _integers(evaluator, number_node, "gather")
    if not table.axes or table.axes[0].size != below:
        message = f"gather picks along the first axis, {below}; '{text_of(table_node)}' has {shown(table.sizes)}"
        raise evaluator.error(message, node, shape=True)
    first = table.axes[0]
    picked = product(1, [Apply(function("onehot")(slot(0), slot(1)), (ref, Value(var(first.var))))])
    bound = Bound(first.var, Affine(), below - 1)
    terms = []
    for term in table.terms:
        joined = value.times(picked, term)
        terms.append(replace(joined, bounds=(*joined.bounds, bound)))
    return Val((*val.axes, *table.axes[1:]), tuple(terms))


def chunk(evaluator: Evaluator, node: ast.Call) -> Val:
    """Part number k of n equal parts of the last axis."""
    args = arguments(evaluator, node, 3, 3, "chunk(t, k, n)")
    val = evaluator.evaluate(args[0])
    val = evaluator.named(val, "u") if val.is_special else val
    place, count = (evaluator.index_form(arg) for arg in args[1:])
    if not val.axes or not place.is_constant or not count.is_constant or not 0 <= place.const < count.const:
        message = "chunk(t, k, n) takes part number k of n equal parts of the last axis, with numbers 0 <= k < n"
        raise evaluator.error(message, node)
    last = val.axes[-1]
    whole = (last.size.const, *(c for _, c in last.size.terms))
    if any(c % count.const for c in whole):
        message = f"the axis {last.size} does not split into {count.const} equal parts"
        raise evaluator.error(message, node, shape=True)
    part = Affine(last.size.const // count.const, tuple((atom, c // count.const) for atom, c in last.size.terms))
    fresh = Axis(evaluator.fresh(), part)
    return val.substitute({last.var: var(fresh.var) + part * place.const}, (*val.axes[:-1], fresh))


def extent(evaluator: Evaluator, node: ast.Call) -> Val:
    """The length of an axis as a number."""
    args = arguments(evaluator, node, 2, 2, 'extent(t, "axis")')
    return value.of_form(axis_named(evaluator, evaluator.evaluate(args[0]), args[1]).size)
