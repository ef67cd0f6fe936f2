"""Arguments of calls: how many there are, and which axis one of them names."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from symbackprop.spec.forms import NotAffineError, affine_of, size_atom
from symbackprop.spec.syntax import parse_expression, text_of
from symbackprop.spec.value import Axis, Val, shown

if TYPE_CHECKING:
    from symbackprop.spec.evaluate import Evaluator


def function_name(node: ast.Call) -> str:
    """The name that is called: ``sigma`` of ``sigma[l](z)``."""
    inner = node.func
    while isinstance(inner, ast.Subscript):
        inner = inner.value
    assert isinstance(inner, ast.Name), "checked when the text was parsed"  # noqa: S101
    return inner.id


def arguments(evaluator: Evaluator, node: ast.Call, least: int, most: int | None, usage: str) -> list[ast.expr]:
    """The positional arguments of a call, if they are as many as there should be.

    Raises: SpecError that shows ``usage``.
    """
    if node.keywords:
        message = f"'{function_name(node)}' has no option '{node.keywords[0].arg}'; write {usage}"
        raise evaluator.error(message, node)
    if len(node.args) < least or (most is not None and len(node.args) > most):
        message = f"'{function_name(node)}' with {len(node.args)} arguments; write {usage}"
        raise evaluator.error(message, node)
    return node.args


def axis_named(evaluator: Evaluator, val: Val, node: ast.expr) -> Axis:
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


def is_axis(node: ast.expr) -> bool:
    """True where an argument names an axis by text or position, not by an index letter."""
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(inner, ast.Constant)
