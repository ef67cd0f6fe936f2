"""Axes and index expressions as affine forms: ``"n[l-1]"``, ``"2*T+K-2"``, ``2*t + k``."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, size, var
from symbackprop.spec.syntax import text_of

if TYPE_CHECKING:
    from collections.abc import Callable


class NotAffineError(Exception):
    """The expression is not an affine form; ``node`` is the part that is not, the text says why."""

    def __init__(self, message: str, node: ast.AST) -> None:
        super().__init__(message)
        self.node = node


def affine_of(node: ast.expr, atom: Callable[[ast.expr], Affine | None]) -> Affine:
    """An expression as an affine form; ``atom`` gives the form of a name or of ``n[…]`` (None: it has none).

    Raises: NotAffineError.
    """
    if isinstance(node, ast.Constant):
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            return Affine(node.value)
        message = f"an index is a whole number, not {text_of(node)}"
        raise NotAffineError(message, node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = affine_of(node.operand, atom)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        left, right = affine_of(node.left, atom), affine_of(node.right, atom)
        return left + right if isinstance(node.op, ast.Add) else left - right
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = affine_of(node.left, atom), affine_of(node.right, atom)
        if left.is_constant:
            return right * left.const
        if right.is_constant:
            return left * right.const
        message = "a product of two sizes or letters is no index; one factor must be a number"
        raise NotAffineError(message, node)
    form = atom(node) if isinstance(node, ast.Name | ast.Subscript) else None
    if form is None:
        message = f"'{text_of(node)}' is no index; an index is made of letters, sizes and whole numbers"
        raise NotAffineError(message, node)
    return form


def size_atom(variables: frozenset[str] | set[str]) -> Callable[[ast.expr], Affine | None]:
    """Names as sizes, except ``variables``, which are running indices; ``n[l]`` as a member of a family of sizes."""

    def atom(node: ast.expr) -> Affine | None:
        if isinstance(node, ast.Name):
            return var(node.id) if node.id in variables else size(node.id)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id not in variables:
            at = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            return size(node.value.id, *(affine_of(item, atom) for item in at))
        return None

    return atom
