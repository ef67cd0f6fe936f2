"""Reductions and functions of an axis: sums, means, maxima, softmax; by axis or by index letters."""

from __future__ import annotations

import ast
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import sympy as sp

from symbackprop.affine import Affine, Bound, var
from symbackprop.errors import nearest
from symbackprop.index import Along, Apply, Ref, Value, product, slot, substitute
from symbackprop.spec import value
from symbackprop.spec.arguments import arguments, axis_named, function_name, is_axis
from symbackprop.spec.syntax import base_name, text_of
from symbackprop.spec.value import AlignError, Val, align, plain_ref, shown, single

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.spec.evaluate import Evaluator

KEEPING = ("softmax", "log_softmax")
"""Functions of an axis that keep it."""


def _along_axes(evaluator: Evaluator, node: ast.Call) -> tuple[Val, list[Bound]]:
    """The argument of a reduction and the ranges it runs over; axes become variables bound there."""
    name = function_name(node)
    args = arguments(evaluator, node, 1, None, f"{name}(t), {name}(t, 'axis') or, in index form, {name}(t[i], i)")
    if name == "max" and len(args) > 1 and not is_axis(args[1]) and not isinstance(args[1], ast.Name):
        message = "max reduces over an axis; for the larger of two write where(a > b, a, b)"
        raise evaluator.error(message, node)
    if len(args) == 1 or all(is_axis(a) for a in args[1:]):
        val = evaluator.evaluate(args[0])
        axes = [axis_named(evaluator, val, a) for a in args[1:]] if len(args) > 1 else list(val.axes)
        if len(set(axes)) < len(axes):
            message = f"an axis is named twice in '{text_of(node)}'"
            raise evaluator.error(message, node)
        return val, [Bound(axis.var, Affine(), axis.size - 1) for axis in axes]
    bounds = _letters(evaluator, node, args[1:])
    with _bound(evaluator, bounds):
        val = evaluator.evaluate(args[0])
    for bound in bounds:
        if bound.var not in val.variables:
            message = f"'{text_of(args[0])}' does not depend on '{bound.var}'"
            raise evaluator.error(message, node)
    renamed = {b.var: evaluator.fresh() for b in bounds}
    forms = {old: var(new) for old, new in renamed.items()}
    val = val.substitute(forms, val.axes)
    return val, [Bound(renamed[b.var], b.lo.substitute(forms), b.hi.substitute(forms), b.hint or b.var) for b in bounds]


def _letters(evaluator: Evaluator, node: ast.Call, nodes: list[ast.expr]) -> list[Bound]:
    bounds: list[Bound] = []
    for item in nodes:
        if function_name(node) == "max" and _is_tensor(evaluator, item):
            message = "max reduces over an axis; for the larger of two write where(a > b, a, b)"
            raise evaluator.error(message, node)
        if not isinstance(item, ast.Name):
            message = f"'{text_of(item)}' is neither an axis in quotes nor an index letter"
            raise evaluator.error(message, item)
        letter = item.id
        if letter in {b.var for b in evaluator.loops} or letter in evaluator.reduced:
            message = f"'{letter}' already has a value here, so nothing can be reduced over it"
            raise evaluator.error(message, item)
        bound = evaluator.world.families.reductions.get((node.lineno, node.col_offset, letter))
        bound = bound or evaluator.world.index_bound(letter)
        if bound is None:
            known = evaluator.world.declared.indices
            hint = f"; did you mean the axis '{letter}' in quotes?" if letter in evaluator.world.size_names else ""
            message = f"no index '{letter}' in [indices]; {nearest(letter, known)}{hint}"
            raise evaluator.error(message, item)
        bounds.append(bound)
    return bounds


def _is_tensor(evaluator: Evaluator, node: ast.expr) -> bool:
    name = base_name(node)
    return name in evaluator.world.tensor_names and evaluator.bound_of(name) is None


def total(evaluator: Evaluator, node: ast.Call) -> Val:
    """``sum(t)``, ``sum(t, "axis")``, ``sum(t[i], i)``."""
    val, bounds = _along_axes(evaluator, node)
    return _summed(evaluator, val, bounds)


def _summed(evaluator: Evaluator, val: Val, bounds: list[Bound]) -> Val:
    if not bounds:
        return val
    if val.is_special:
        val = _named_over(evaluator, val, bounds)
    names = {b.var for b in bounds}
    axes = tuple(axis for axis in val.axes if axis.var not in names)
    if val.is_pointwise and all(len(t.factors) <= 1 for t in val.terms):
        # A sum of plain parts stays together, as in  sum(a - y);  products are summed one by one.
        val = single(val)
    terms = []
    for k, term in enumerate(val.terms):
        over, body = bounds, term
        if k:
            fresh = {b.var: evaluator.fresh() for b in bounds}
            forms = {old: var(new) for old, new in fresh.items()}
            over, body = [b.substitute(forms) for b in bounds], term.substitute(forms)
        terms.append(replace(body, bounds=(*over, *body.bounds)))
    return Val(axes, tuple(terms))


def _named_over(evaluator: Evaluator, val: Val, bounds: list[Bound], stem: str = "u") -> Val:
    """A name for a value in which reduced variables are still free."""
    axes = {axis.var for axis in val.axes}
    extra = [b for b in bounds if b.var not in axes]
    with _bound(evaluator, extra):
        return evaluator.named(val, stem)


@contextlib.contextmanager
def _bound(evaluator: Evaluator, bounds: list[Bound]) -> Iterator[None]:
    """Element letters and family indices in force while a reduction's argument is read."""
    before = evaluator.letters, evaluator.reduced
    elements = {b.var: b for b in bounds if (b.hint or b.var) in evaluator.world.declared.indices}
    evaluator.letters = {**evaluator.letters, **elements}
    evaluator.reduced = {**evaluator.reduced, **{b.var: b for b in bounds if b.var not in elements}}
    try:
        yield
    finally:
        evaluator.letters, evaluator.reduced = before


def mean(evaluator: Evaluator, node: ast.Call) -> Val:
    """The sum divided by the number of entries."""
    val, bounds = _along_axes(evaluator, node)
    total = _summed(evaluator, val, bounds)
    for bound in bounds:
        if bound.extent.is_constant:
            total = total.scaled(sp.Rational(1, bound.extent.const))
        else:
            share = Val((), (product(1, [Apply(1 / slot(0), (Value(bound.extent),))]),))
            total = evaluator.multiply(total.axes, total, share)
    return replace(total, form=None)


def along(evaluator: Evaluator, node: ast.Call) -> Val:
    """Softmax, log-softmax, log-sum-exp and maximum: an equation of their own."""
    name = function_name(node)
    if name in KEEPING and len(node.args) == 1:
        val = evaluator.evaluate(node.args[0])
        if len(val.axes) != 1:
            message = f"{name} of {shown(val.sizes)} needs its axis, as in {name}(z, '{_last(val)}')"
            raise evaluator.error(message, node)
        bounds = [Bound(val.axes[0].var, Affine(), val.axes[0].size - 1)]
    else:
        val, bounds = _along_axes(evaluator, node)
    if name in KEEPING and len(bounds) != 1:
        message = f"{name} runs along one axis"
        raise evaluator.error(message, node)
    if not bounds:
        return val
    if any(not b.lo.is_constant or b.lo.const != 0 for b in bounds):
        message = f"{name} over the index of a family is not supported; sum and mean are"
        raise evaluator.error(message, node)
    ref = plain_ref(val)
    if ref is None or any(sum(b.var in form.variables for form in ref.index) != 1 for b in bounds):
        val = _named_over(evaluator, val, bounds, "s" if name in KEEPING else "u")
        ref = plain_ref(val)
        assert ref is not None, "an intermediate is one element"  # noqa: S101
    places = {b.var: var(f"_{k}") for k, b in enumerate(bounds)}
    arg = Ref(ref.tensor, tuple(form.substitute(places) for form in ref.index))
    sizes = tuple(b.extent for b in bounds)
    if name not in KEEPING:
        names = {b.var for b in bounds}
        return value.of_factor(tuple(a for a in val.axes if a.var not in names), Along(name, arg, sizes))
    bound = bounds[0]
    axis_form = var(bound.var)
    if bound.var not in {axis.var for axis in val.axes}:
        axis_form = var(bound.hint)  # index form: softmax(s[n, u], u) keeps the letter u
    return value.of_factor(val.axes, Along(name, arg, sizes, (axis_form,)))


def softmax_quotient(evaluator: Evaluator, left: Val, right: Val) -> Val | None:
    """The softmax, where a quotient is e^(z_i) / sum_k e^(z_k) in the author's words; else None."""
    if len(left.terms) != 1 or len(right.terms) != 1:
        return None
    above, below = left.terms[0], right.terms[0]
    if above.bounds or len(below.bounds) != 1 or above.conditions or below.conditions:
        return None
    if above.coefficient != 1 or below.coefficient != 1 or len(above.factors) != 1 or len(below.factors) != 1:
        return None
    factor = above.factors[0]
    if not isinstance(factor, Apply) or not isinstance(factor.template, sp.exp):
        return None
    bound = below.bounds[0]
    partners = {axis.var for axis in left.axes if axis.size == bound.extent} | (left.variables & {bound.hint})
    if right.axes:
        try:
            _, right = align(left, right)
        except AlignError:
            return None
    (summed,) = right.terms[0].factors
    for name in sorted(partners):
        if substitute(summed, {right.terms[0].bounds[0].var: var(name)}) == factor:
            exponent = value.of_template(left.axes, factor.template.args[0], list(factor.args))
            return _softmax_over(evaluator, exponent, Bound(name, bound.lo, bound.hi, bound.hint))
    return None


def _softmax_over(evaluator: Evaluator, val: Val, bound: Bound) -> Val:
    ref = plain_ref(val)
    if ref is None or sum(bound.var in form.variables for form in ref.index) != 1:
        val = evaluator.named(val, "s")
        ref = plain_ref(val)
        assert ref is not None, "an intermediate is one element"  # noqa: S101
    arg = Ref(ref.tensor, tuple(form.substitute({bound.var: var("_0")}) for form in ref.index))
    return value.of_factor(val.axes, Along("softmax", arg, (bound.extent,), (var(bound.var),)))


def _last(val: Val) -> str:
    return str(val.axes[-1].size) if val.axes else "o"
