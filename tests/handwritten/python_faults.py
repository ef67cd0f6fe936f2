"""Faults that people make, planted in programs: edits of the syntax tree, each named, in the order of the file."""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MATMULS = frozenset(("dot", "matmul"))


@dataclass(frozen=True)
class Fault:
    """A fault that can be planted in one place of a program."""

    kind: str
    line: int
    tree: ast.Module
    place: int
    make: Callable[[ast.AST], ast.AST]

    @property
    def text(self):
        """The program with the fault."""
        other = copy.deepcopy(self.tree)
        target = next(each for k, each in enumerate(ast.walk(other)) if k == self.place)
        made = self.make(target)
        if made is not target:
            other = _Swap(target, made).visit(other)
        return ast.unparse(ast.fix_missing_locations(other))


def faults(text):
    """Every fault that can be planted."""
    tree = ast.parse(text)
    names = _loaded(tree)
    for place, node in enumerate(ast.walk(tree)):
        if hasattr(node, "lineno"):
            for kind, make in _changes(node, names.get(id(node), ())):
                yield Fault(kind, node.lineno, tree, place, make)


class _Swap(ast.NodeTransformer):
    def __init__(self, old, new):
        self.old, self.new = old, new

    def visit(self, node):
        return self.new if node is self.old else self.generic_visit(node)


def _loaded(tree):
    """For every name that is read, the other names that its function reads."""
    found = {}
    owners = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)] or [tree]
    returned = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple)
        for part in ast.walk(node.value)
    }  # fmt: skip
    for owner in [*owners, tree]:
        reads = [n for n in ast.walk(owner) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
        called = {id(n.func) for n in ast.walk(owner) if isinstance(n, ast.Call)}
        names = sorted({n.id for n in reads if id(n) not in called} - {"np", "math", "self", "range", "len"})
        for node in reads:
            if id(node) not in called and id(node) not in returned and node.id != "np":
                found.setdefault(id(node), tuple(name for name in names if name != node.id))
    return found


def _changes(node, others):  # noqa: C901, PLR0912 - one branch a kind of fault
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transpose dropped", lambda n: n.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        name = node.func.attr
        if name == "transpose" and not node.args:
            yield "transpose dropped", lambda n: n.func.value
        if name in _MATMULS and len(node.args) == 2:
            yield "operands swapped", lambda n: _set(n, args=n.args[::-1])
            yield "entrywise product", lambda n: ast.BinOp(n.args[0], ast.Mult(), n.args[1])
        if name in {"sum", "mean"}:
            inner = (lambda n: n.args[0]) if node.args and _is_library(node.func) else (lambda n: n.func.value)
            if not _is_library(node.func) or node.args:
                yield "sum dropped", inner
            yield "mean and sum", lambda n: _set(n, func=_set(n.func, attr={"sum": "mean", "mean": "sum"}[n.func.attr]))
    if isinstance(node, ast.Call):
        for k, word in enumerate(node.keywords):
            if word.arg == "axis" and isinstance(word.value, ast.Constant):
                yield "wrong axis", lambda n, k=k: _keyword(n, k, ast.Constant(1 - abs(n.keywords[k].value.value)))
            if word.arg == "keepdims":
                yield "keepdims dropped", lambda n, k=k: _set(n, keywords=n.keywords[:k] + n.keywords[k + 1 :])
    if isinstance(node, ast.BinOp):
        yield from _of_products(node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign", lambda n: n.operand
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        for other in others:
            yield "wrong name", lambda n, other=other: ast.Name(other, ast.Load())
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice | ast.Tuple | ast.Compare):
        for step in (1, -1):
            if not isinstance(node.slice, ast.JoinedStr) and not (
                isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
            ):
                yield (
                    "index off by one",
                    lambda n, step=step: _set(
                        n, slice=ast.BinOp(n.slice, ast.Add() if step > 0 else ast.Sub(), ast.Constant(1))
                    ),
                )
    if isinstance(node, ast.FormattedValue) or (isinstance(node, ast.Call) and ast.unparse(node.func) == "str"):
        for step in (1, -1):
            yield "index off by one", lambda n, step=step: _shifted(n, step)
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and not isinstance(node.value, ast.Constant):
        yield "= for +=", lambda n: ast.Assign([n.target], n.value)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        flipped = {ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.LtE: ast.Gt, ast.GtE: ast.Lt}.get(type(node.ops[0]))
        if flipped is not None:
            yield "comparison", lambda n, flipped=flipped: _set(n, ops=[flipped()])


def _of_products(node):
    if isinstance(node.op, ast.MatMult):
        yield "operands swapped", lambda n: ast.BinOp(n.right, n.op, n.left)
        yield "entrywise product", lambda n: _set(n, op=ast.Mult())
    if isinstance(node.op, ast.Mult):
        yield "factor dropped", lambda n: n.left
        yield "factor dropped", lambda n: n.right
        yield "matrix product", lambda n: _set(n, op=ast.MatMult())
    if isinstance(node.op, ast.Div):
        yield "division dropped", lambda n: n.left
    if isinstance(node.op, ast.Add | ast.Sub):
        yield "sign", lambda n: _set(n, op=ast.Sub() if isinstance(n.op, ast.Add) else ast.Add())
        yield "term dropped", lambda n: n.left
    if isinstance(node.op, ast.Pow):
        yield "power dropped", lambda n: n.left


def _is_library(func):
    return isinstance(func.value, ast.Name) and func.value.id == "np"


def _keyword(node, k, value):
    node.keywords[k].value = value
    return node


def _shifted(node, step):
    sign = ast.Add() if step > 0 else ast.Sub()
    if isinstance(node, ast.Call):
        node.args = [ast.BinOp(node.args[0], sign, ast.Constant(1))]
    else:
        node.value = ast.BinOp(node.value, sign, ast.Constant(1))
    return node


def _set(node, **fields):
    for name, value in fields.items():
        setattr(node, name, value)
    return node
