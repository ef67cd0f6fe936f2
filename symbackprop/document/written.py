"""Sums of the forward pass with their terms one by one: all of a few, else the first, dots and the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.affine import Affine, const
from symbackprop.document.blocks import (
    Block,
    Directive,
    Display,
    Dots,
    Entry,
    Equal,
    Formula,
    Paragraph,
    Plus,
    Row,
    Sum,
)
from symbackprop.index import Ref, product

if TYPE_CHECKING:
    from symbackprop.document.view import View
    from symbackprop.index import Equation, Term

FEW = 4
"""Terms that are written one by one."""
SPELLED = "A sum of products is one product after the other; written out, for "


def blocks(view: View) -> list[Block]:
    """The first sum of products, written out."""
    if "scalar" not in view.levels or not view.index or view.graph is None:
        return []
    for _, equation in view.network.walk():
        term = _sum_of_products(view, equation)
        if term is None:
            continue
        extent = term.bounds[0].extent
        few = None if extent.variables else view.graph.extent(extent)
        said = [Directive((f"sizes {extent} = {few}",))] if few is not None and few <= FEW else []
        row = Row(Equal((Entry(equation.lhs), _terms(equation, term, few))))
        return [Paragraph((SPELLED, Entry(equation.lhs), ":")), *said, Display((row,))]
    return []


def _sum_of_products(view: View, equation: Equation) -> Term | None:
    """The one sum of an equation, where it is over products of elements and runs through a whole axis."""
    sums = [term for term in equation.terms if term.bounds]
    if len(sums) != 1 or equation.lhs.tensor == view.network.loss or any(t.conditions for t in equation.terms):
        return None
    (term,) = sums
    (bound, *more) = term.bounds
    if more or bound.lo != Affine() or sum(isinstance(factor, Ref) for factor in term.factors) != len(term.factors):
        return None
    return term if len(term.factors) > 1 else None


def _terms(equation: Equation, term: Term, few: int | None) -> Plus:
    """The terms of a sum, and what else stands in the equation."""
    (bound,) = term.bounds

    def at(value: Affine) -> Formula:
        inner = product(term.coefficient, term.factors).substitute({bound.var: value})
        return Sum((inner,))

    rest: list[Formula] = [Sum((other,)) for other in equation.terms if other is not term]
    if few is not None and few <= FEW:
        return Plus((*(at(const(k)) for k in range(few)), *rest))
    return Plus((at(const(0)), Dots(), at(bound.hi), *rest))
