"""What a network's forward text may call, as rows for people: the command ``layers`` and the README show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sympy as sp

from symbackprop.tables.activations import ACTIVATION
from symbackprop.tables.layers import LAYER
from symbackprop.tables.losses import LOSS

if TYPE_CHECKING:
    from collections.abc import Iterable

REDUCTIONS = (
    ('sum(t), sum(t, "axis")', "sum over all entries, or over one axis"),
    ('mean(t), mean(t, "axis")', "the same, divided by the number of entries"),
    ('max(t), max(t, "axis")', "the largest entry; the slope belongs to the first of equal ones"),
    ('softmax(t, "axis")', "exp(t) / sum(exp(t)) along an axis, computed without overflow"),
    ('log_softmax(t, "axis")', "its logarithm"),
    ('logsumexp(t, "axis")', "log(sum(exp(t))) along an axis"),
)
REARRANGING = (
    ('concat(a, b, "axis")', "joined along an axis (the first, where none is named)"),
    ("t[1:3]", "a slice; constants or size expressions, counted from 0"),
    ('pad(t, "axis", before, after)', "zeros before and after"),
    ("where(condition, a, b)", "a where the condition holds, else b"),
    ("onehot(y)", "rows of the unit matrix, for an integer input y"),
    ("gather(E, y)", "the rows of E that the integer input y names"),
    ("chunk(t, k, n)", "part number k, from 0, of n equal parts of the last axis"),
    ('extent(t, "axis")', "the length of an axis, as a number"),
)


def sections() -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """Titles with rows (how it is called, what it is).

    >>> [title for title, _ in sections()]
    ['elementwise functions', 'losses', 'layers', 'along an axis', 'rearranging']
    """
    return (
        ("elementwise functions", tuple(_elementwise())),
        ("losses", tuple((f"{row.name}({', '.join(row.arguments)})", row.formula) for row in LOSS.values())),
        ("layers", tuple((row.signature, row.shapes) for row in LAYER.values())),
        ("along an axis", REDUCTIONS),
        ("rearranging", REARRANGING),
    )


def _elementwise() -> Iterable[tuple[str, str]]:
    x = sp.Symbol("x", real=True)
    for row in ACTIVATION.values():
        names = ", ".join((row.name, *row.aliases))
        kinks = "".join(f"; slope {value} at {point}" for point, value in row.kinks)
        yield names, _formula(row.define(x)) + kinks


def _formula(expression: sp.Expr) -> str:
    """Plain text; cases as ``a if condition else b``, decimals as their authors wrote them."""
    decimals = {r: sp.Float(float(r), 6) for r in expression.atoms(sp.Rational) if r.q % 10 == 0}
    expression = expression.xreplace(decimals)
    if isinstance(expression, sp.Piecewise):
        (value, condition), (other, _) = expression.args
        return f"{sp.sstr(value, full_prec=False)} if {condition} else {sp.sstr(other, full_prec=False)}"
    return str(sp.sstr(expression, full_prec=False))
