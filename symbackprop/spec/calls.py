"""Calls in the forward text: reductions, functions of an axis, elementwise functions, losses, joins and picks."""

from __future__ import annotations

import ast
import contextlib
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.affine import Affine, Bound, condition, var
from symbackprop.errors import nearest
from symbackprop.index import (
    Along,
    Apply,
    Compare,
    Opaque,
    Ref,
    Term,
    Value,
    Where,
    function,
    product,
    slot,
    substitute,
)
from symbackprop.spec import value
from symbackprop.spec.conditions import condition_regions
from symbackprop.spec.forms import NotAffineError, affine_of, size_atom
from symbackprop.spec.syntax import base_name, parse_expression, text_of
from symbackprop.spec.value import AlignError, Axis, Val, align, plain_ref, pointwise, shown, single, template_of
from symbackprop.tables import activations
from symbackprop.tables.layers import LAYER
from symbackprop.tables.losses import LOSS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from symbackprop.spec.evaluate import Evaluator
    from symbackprop.tables.layers import Layer

KEEPING = ("softmax", "log_softmax")
"""Functions of an axis that keep it."""
REDUCING = ("sum", "mean", "max", "logsumexp")
"""Functions of an axis that remove it."""
_COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}


def call(evaluator: Evaluator, node: ast.Call) -> Val:
    """The value of a call.

    Raises: SpecError for an unknown function (with the nearest known one) and for arguments that do not fit.
    """
    name = _function_name(node)
    user = evaluator.world.functions.get(name)
    if user is not None:
        return _user_call(evaluator, node, name)
    if isinstance(node.func, ast.Subscript):
        message = f'\'{name}\' is no function per layer; declare "{name}[l]" = "opaque" in [functions]'
        raise evaluator.error(message, node)
    special = _SPECIAL.get(name)
    if special is not None:
        return special(evaluator, node)
    if name in LOSS:
        return _loss(evaluator, node, name)
    if name in LAYER:
        return _layer(evaluator, node, LAYER[name])
    if name in activations.ACTIVATION or name in activations.ALIAS:
        return _elementwise(evaluator, node, lambda x: activations.template(name, x))
    known = known_functions(evaluator.world.functions)
    message = f"unknown function '{name}'; {nearest(name, known)}"
    raise evaluator.error(message, node)


def known_functions(functions: Any) -> set[str]:
    """Names of everything that can be called."""
    return {*_SPECIAL, *LOSS, *LAYER, *activations.ACTIVATION, *activations.ALIAS, *functions}


def _function_name(node: ast.Call) -> str:
    inner = node.func
    while isinstance(inner, ast.Subscript):
        inner = inner.value
    assert isinstance(inner, ast.Name), "checked when the text was parsed"  # noqa: S101
    return inner.id


def _arguments(evaluator: Evaluator, node: ast.Call, least: int, most: int | None, usage: str) -> list[ast.expr]:
    if node.keywords:
        message = f"'{_function_name(node)}' has no option '{node.keywords[0].arg}'; write {usage}"
        raise evaluator.error(message, node)
    if len(node.args) < least or (most is not None and len(node.args) > most):
        message = f"'{_function_name(node)}' with {len(node.args)} arguments; write {usage}"
        raise evaluator.error(message, node)
    return node.args


# ---------------------------------------------------------------------------------------------------------------------
# Elementwise


def _elementwise(evaluator: Evaluator, node: ast.Call, build: Callable[[Any], Any]) -> Val:
    (argument,) = _arguments(evaluator, node, 1, 1, f"{_function_name(node)}(z)")
    inner = evaluator.scalar(evaluator.evaluate(argument))
    return pointwise(build, inner.axes, inner)


def _user_call(evaluator: Evaluator, node: ast.Call, name: str) -> Val:
    user = evaluator.world.functions[name]
    groups: list[ast.expr] = []
    inner = node.func
    while isinstance(inner, ast.Subscript):
        groups.insert(0, inner.slice)
        inner = inner.value
    if len(groups) != user.family:
        written = f"{name}[l](z)" if user.family else f"{name}(z)"
        message = f"'{name}' is one function for {'each layer' if user.family else 'all layers'}; write {written}"
        raise evaluator.error(message, node)
    if user.kind == "opaque loss":
        return _opaque(evaluator, node, name)
    if user.kind == "formula":
        return _elementwise(evaluator, node, lambda x: user.template.xreplace({slot(0): x}))
    forms = [evaluator.index_form(group) for group in groups]
    (argument,) = _arguments(evaluator, node, 1, 1, f"{name}(z)")
    found = evaluator.scalar(evaluator.evaluate(argument))
    args: list[Ref | Value] = [Value(form) for form in forms]
    if not args:
        return pointwise(function(name), found.axes, found)
    places = [slot(k) for k in range(len(args))]
    # The layer is an argument of its own, before the element: sigma[l](z) is sigma(l, z).
    template = function(name)(*places, template_of(found, args))
    return value.of_template(found.axes, template, args)


def _opaque(evaluator: Evaluator, node: ast.Call, name: str) -> Val:
    refs = []
    for argument in _arguments(evaluator, node, 1, None, f"{name}(yhat)"):
        val = evaluator.evaluate(argument)
        ref = plain_ref(val)
        if ref is None or not _covers(ref, val) or len(ref.index) < len(val.axes):
            val = evaluator.named(val, "u")
            ref = plain_ref(val)
            assert ref is not None, "an intermediate is one element"  # noqa: S101
        places = {axis.var: var(f"_{k}") for k, axis in enumerate(val.axes)}
        refs.append(Ref(ref.tensor, tuple(form.substitute(places) for form in ref.index)))
    return value.of_factor((), Opaque(name, tuple(refs)))


def _covers(ref: Ref, val: Val) -> bool:
    """True where the element indices are the value's axes, in order."""
    tail = ref.index[len(ref.index) - len(val.axes) :]
    return tuple(tail) == tuple(var(axis.var) for axis in val.axes)


# ---------------------------------------------------------------------------------------------------------------------
# Reductions and functions of an axis


def _axis(evaluator: Evaluator, val: Val, node: ast.expr) -> Axis:
    """The axis that a text (``"N"``) or a position (``-1``) names; the last of that name."""
    number = node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else node
    if isinstance(number, ast.Constant) and isinstance(number.value, int):
        place = number.value if number is node else -number.value
        if not -len(val.axes) <= place < len(val.axes):
            message = f"there is no axis {place} in {shown(val.sizes)}"
            raise evaluator.error(message, node, shape=True)
        return val.axes[place]
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        message = f"'{text_of(node)}' names no axis; write its name in quotes, as in 'N', or its position, as in -1"
        raise evaluator.error(message, node)
    text = node.value
    tree = parse_expression(text, evaluator.world.source, "axis")
    letters = {b.var for b in evaluator.loops} | set(evaluator.reduced)
    try:
        form = affine_of(tree, size_atom(letters))
    except NotAffineError as error:
        message = f"axis '{text}': {error}"
        raise evaluator.error(message, node) from None
    found = [axis for axis in val.axes if axis.size == form]
    if not found:
        message = f"no axis '{text}' in {shown(val.sizes)}"
        raise evaluator.error(message, node, shape=True)
    return found[-1]


def _is_axis(node: ast.expr) -> bool:
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(inner, ast.Constant)


def _along_axes(evaluator: Evaluator, node: ast.Call) -> tuple[Val, list[Bound]]:
    """The argument of a reduction and the ranges it runs over; axes become variables bound there."""
    name = _function_name(node)
    args = _arguments(evaluator, node, 1, None, f"{name}(t), {name}(t, 'axis') or, in index form, {name}(t[i], i)")
    if name == "max" and len(args) > 1 and not _is_axis(args[1]) and not isinstance(args[1], ast.Name):
        message = "max reduces over an axis; for the larger of two write where(a > b, a, b)"
        raise evaluator.error(message, node)
    if len(args) == 1 or all(_is_axis(a) for a in args[1:]):
        val = evaluator.evaluate(args[0])
        axes = [_axis(evaluator, val, a) for a in args[1:]] if len(args) > 1 else list(val.axes)
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
        if _function_name(node) == "max" and _is_tensor(evaluator, item):
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


def _sum(evaluator: Evaluator, node: ast.Call) -> Val:
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


def _named_over(evaluator: Evaluator, val: Val, bounds: list[Bound]) -> Val:
    """A name for a value in which reduced variables are still free."""
    axes = {axis.var for axis in val.axes}
    extra = [b for b in bounds if b.var not in axes]
    with _bound(evaluator, extra):
        return evaluator.named(val, "u")


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


def _mean(evaluator: Evaluator, node: ast.Call) -> Val:
    val, bounds = _along_axes(evaluator, node)
    total = _summed(evaluator, val, bounds)
    for bound in bounds:
        if bound.extent.is_constant:
            total = total.scaled(sp.Rational(1, bound.extent.const))
        else:
            share = Val((), (product(1, [Apply(1 / slot(0), (Value(bound.extent),))]),))
            total = evaluator.multiply(total.axes, total, share)
    return replace(total, form=None)


def _along(evaluator: Evaluator, node: ast.Call) -> Val:
    name = _function_name(node)
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
        val = _named_over(evaluator, val, bounds)
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


# ---------------------------------------------------------------------------------------------------------------------
# Choices, joins, picks


def _where(evaluator: Evaluator, node: ast.Call) -> Val:
    args = _arguments(evaluator, node, 3, 3, "where(condition, a, b)")
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


def _concat(evaluator: Evaluator, node: ast.Call) -> Val:
    args = list(_arguments(evaluator, node, 2, None, 'concat(a, b) or concat(a, b, "axis")'))
    named = args.pop() if _is_axis(args[-1]) and isinstance(getattr(args[-1], "value", None), str) else None
    vals = [evaluator.evaluate(arg) for arg in args]
    vals = [evaluator.named(v, "u") if v.is_special else v for v in vals]
    place = 0
    if named is not None:
        place = vals[0].axes.index(_axis(evaluator, vals[0], named))
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


def _pad(evaluator: Evaluator, node: ast.Call) -> Val:
    args = _arguments(evaluator, node, 4, 4, 'pad(t, "axis", before, after)')
    val = evaluator.evaluate(args[0])
    val = evaluator.named(val, "u") if val.is_special else val
    if not _is_axis(args[1]):
        message = 'pad names its axis in quotes, as in pad(t, "T", 1, 1)'
        raise evaluator.error(message, args[1])
    axis = _axis(evaluator, val, args[1])
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


def _onehot(evaluator: Evaluator, node: ast.Call) -> Val:
    (argument,) = _arguments(evaluator, node, 1, 1, "onehot(y)")
    val, ref, below = _integers(evaluator, argument, "onehot")
    axis = Axis(evaluator.fresh(), below)
    picked = Apply(function("onehot")(slot(0), slot(1)), (ref, Value(var(axis.var))))
    return value.of_factor((*val.axes, axis), picked)


def _gather(evaluator: Evaluator, node: ast.Call) -> Val:
    table_node, number_node = _arguments(evaluator, node, 2, 2, "gather(E, y)")
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


# ---------------------------------------------------------------------------------------------------------------------
# Losses


def _loss(evaluator: Evaluator, node: ast.Call, name: str) -> Val:
    row = LOSS[name]
    args = _arguments(evaluator, node, len(row.arguments), len(row.arguments), f"{name}({', '.join(row.arguments)})")
    vals = [evaluator.scalar(evaluator.evaluate(arg)) for arg in args]
    if vals[0].sizes != vals[1].sizes:
        hint = "; for class labels write onehot(y)" if len(vals[1].axes) == len(vals[0].axes) - 1 else ""
        message = f"{name} compares arrays of equal axes, not {shown(vals[0].sizes)} with {shown(vals[1].sizes)}"
        raise evaluator.error(message + hint, node, shape=True)
    if not vals[0].axes and "-1" in row.formula:
        message = f"{name} needs an axis of classes, and its arguments are scalars"
        raise evaluator.error(message, node, shape=True)
    before, place = evaluator.bindings, evaluator.place
    evaluator.bindings = dict(zip(row.arguments, vals, strict=True))
    evaluator.place = place or node
    try:
        return evaluator.evaluate(parse_expression(row.formula, evaluator.world.source, name))
    finally:
        evaluator.bindings, evaluator.place = before, place


# ---------------------------------------------------------------------------------------------------------------------
# Layers


def _layer(evaluator: Evaluator, node: ast.Call, row: Layer) -> Val:
    result = evaluator.result or row.results[-1]
    if evaluator.result is None and len(row.results) > 1:
        message = f"{row.name} has several results; write  {row.signature}"
        raise evaluator.error(message, node)
    if len(node.args) != len(row.arguments) or any(k.arg not in row.options for k in node.keywords):
        message = f"'{row.name}' is called  {row.signature}"
        raise evaluator.error(message, node)
    before = evaluator.bindings, evaluator.place, evaluator.result
    evaluator.result = None
    # In a tentative pass, what is not known yet is None, and so is what depends on it.
    inside: dict[str, Val | None] = {}
    for name, arg in zip(row.arguments, node.args, strict=True):
        val = evaluator.operand(arg)
        inside[name] = val if val is None or plain_ref(val) is not None else evaluator.named(val, name)
    given = {k.arg: k.value for k in node.keywords}
    for name, default in row.options.items():
        inside[name] = evaluator.evaluate(given.get(name) or parse_expression(default, evaluator.world.source, name))
    evaluator.place = evaluator.place or node
    try:
        for name, text in row.body:
            evaluator.bindings = inside
            expression = parse_expression(text, evaluator.world.source, row.name)
            if name == result:
                return evaluator.evaluate(expression)
            val = evaluator.operand(expression)
            inside = {**inside, name: None if val is None else evaluator.named(val, name)}
    finally:
        evaluator.bindings, evaluator.place, evaluator.result = before
    message = f"{row.name} computes no {result}"
    raise AssertionError(message)


def _chunk(evaluator: Evaluator, node: ast.Call) -> Val:
    args = _arguments(evaluator, node, 3, 3, "chunk(t, k, n)")
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


def _extent(evaluator: Evaluator, node: ast.Call) -> Val:
    args = _arguments(evaluator, node, 2, 2, 'extent(t, "axis")')
    return value.of_form(_axis(evaluator, evaluator.evaluate(args[0]), args[1]).size)


_SPECIAL: dict[str, Callable[[Evaluator, ast.Call], Val]] = {
    "sum": _sum,
    "mean": _mean,
    "max": _along,
    "logsumexp": _along,
    "softmax": _along,
    "log_softmax": _along,
    "where": _where,
    "concat": _concat,
    "pad": _pad,
    "onehot": _onehot,
    "gather": _gather,
    "chunk": _chunk,
    "extent": _extent,
}
LANGUAGE = frozenset(_SPECIAL)
"""Words of the forward language; everything else that can be called is a row of a table or the user's own."""
