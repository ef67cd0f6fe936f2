"""Calls in the forward text: words of the language, functions of the user, rows of the tables.

The user's functions win over rows; the words of the language (``LANGUAGE``) cannot be given away.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from symbackprop.affine import var
from symbackprop.errors import nearest
from symbackprop.index import Opaque, Ref, Value, function, slot
from symbackprop.spec import rearrange, reduce, value
from symbackprop.spec.arguments import arguments, function_name
from symbackprop.spec.syntax import parse_expression
from symbackprop.spec.value import Val, plain_ref, pointwise, shown, template_of
from symbackprop.tables import activations
from symbackprop.tables.layers import LAYER
from symbackprop.tables.losses import LOSS

if TYPE_CHECKING:
    from collections.abc import Callable

    from symbackprop.spec.evaluate import Evaluator
    from symbackprop.tables.layers import Layer


def call(evaluator: Evaluator, node: ast.Call) -> Val:
    """The value of a call.

    Raises: SpecError for an unknown function (with the nearest known one) and for arguments that do not fit.
    """
    name = function_name(node)
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


# ---------------------------------------------------------------------------------------------------------------------
# Elementwise


def _elementwise(evaluator: Evaluator, node: ast.Call, build: Callable[[Any], Any]) -> Val:
    (argument,) = arguments(evaluator, node, 1, 1, f"{function_name(node)}(z)")
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
    (argument,) = arguments(evaluator, node, 1, 1, f"{name}(z)")
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
    for argument in arguments(evaluator, node, 1, None, f"{name}(yhat)"):
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
# Losses


def _loss(evaluator: Evaluator, node: ast.Call, name: str) -> Val:
    row = LOSS[name]
    args = arguments(evaluator, node, len(row.arguments), len(row.arguments), f"{name}({', '.join(row.arguments)})")
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


_SPECIAL: dict[str, Callable[[Evaluator, ast.Call], Val]] = {
    "sum": reduce.total,
    "mean": reduce.mean,
    "max": reduce.along,
    "logsumexp": reduce.along,
    "softmax": reduce.along,
    "log_softmax": reduce.along,
    "where": rearrange.where,
    "concat": rearrange.concat,
    "pad": rearrange.pad,
    "onehot": rearrange.onehot,
    "gather": rearrange.gather,
    "chunk": rearrange.chunk,
    "extent": rearrange.extent,
}
LANGUAGE = frozenset(_SPECIAL)
"""Words of the forward language; everything else that can be called is a row of a table or the user's own."""
