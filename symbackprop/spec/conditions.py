"""Conditions on indices alone, as disjoint regions: where they hold, and where they do not."""

from __future__ import annotations

import ast
import itertools
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Cond, condition

if TYPE_CHECKING:
    from symbackprop.spec.evaluate import Evaluator

Region = frozenset[Cond]
Regions = tuple[Region, ...]


def _simple(op: ast.cmpop, left: Affine, right: Affine) -> Cond:
    if isinstance(op, ast.Lt):
        return condition(">=", right - left - 1)
    if isinstance(op, ast.LtE):
        return condition(">=", right - left)
    if isinstance(op, ast.Gt):
        return condition(">=", left - right - 1)
    if isinstance(op, ast.GtE):
        return condition(">=", left - right)
    return condition("==" if isinstance(op, ast.Eq) else "!=", left - right)


def condition_regions(evaluator: Evaluator, node: ast.expr) -> tuple[Regions, Regions] | None:
    """(regions where the condition holds, regions where it does not), or None where it is about values.

    The regions of each side do not overlap, so a sum of terms under them counts nothing twice.
    """
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = condition_regions(evaluator, node.operand)
        return None if inner is None else (inner[1], inner[0])
    if isinstance(node, ast.BoolOp):
        parts = [condition_regions(evaluator, part) for part in node.values]
        return _joined([p for p in parts if p is not None], both=isinstance(node.op, ast.And)) if all(parts) else None
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        if not all(evaluator.is_index(side) for side in sides):
            return None
        forms = [evaluator.index_form(side) for side in sides]
        links = [_simple(op, a, b) for op, (a, b) in zip(node.ops, itertools.pairwise(forms), strict=True)]
        return _joined([((frozenset({c}),), (frozenset({c.negated()}),)) for c in links], both=True)
    return None


def _joined(parts: list[tuple[Regions, Regions]], *, both: bool) -> tuple[Regions, Regions]:
    """All of the parts (``both``), or any of them."""
    if not both:
        yes, no = _joined([(b, a) for a, b in parts], both=True)
        return no, yes
    holds, fails = parts[0]
    for more, less in parts[1:]:
        # not (A and B)  =  not A, or A and not B
        fails = (*fails, *(a | b for a in holds for b in less))
        holds = tuple(a | b for a in holds for b in more)
    return holds, fails
