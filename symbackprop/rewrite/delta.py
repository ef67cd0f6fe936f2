"""Contraction of deltas: a bound index that an equality fixes is replaced by what it equals.

    Σ_j [j = i] f_j  ->  f_i          and, with affine indices,          Σ_l [l-1 = m] f_l  ->  [lo ≤ m+1 ≤ hi] f_{m+1}

The range of the index that vanishes stays behind as a condition wherever the ranges in force do not imply it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Bound, Cond, Scope, Size, condition, var
from symbackprop.index import Equation, Term, renormalised

if TYPE_CHECKING:
    from collections.abc import Iterable


def contract(term: Term, scope: Scope) -> Term | None:
    """The term with every delta solved that can be; None where its conditions contradict the ranges."""
    while (found := _solvable(term)) is not None:
        bound, cond, solution = found
        kept = [c for c in term.conditions if c != cond]
        limits = [condition(">=", var(bound.var) - bound.lo), condition(">=", bound.hi - var(bound.var))]
        opened = replace(
            term,
            bounds=tuple(b for b in term.bounds if b.var != bound.var),
            conditions=frozenset((*kept, *limits)),
        )
        term = opened.substitute_within({bound.var: solution})
    return with_provable_dropped(term, scope)


def _solvable(term: Term) -> tuple[Bound, Cond, Affine] | None:
    """The outermost bound index with coefficient ±1 in an equality, and what it equals."""
    for bound in term.bounds:
        for cond in sorted(term.conditions, key=lambda c: c.key):
            c = cond.form.linear.get(bound.var, 0) if cond.kind == "==" else 0
            if abs(c) != 1 or _inside_size(bound.var, cond.form):
                continue
            solution = (cond.form - var(bound.var) * c) * -c
            if bound.var not in solution.variables:
                return bound, cond, solution
    return None


def _inside_size(name: str, form: Affine) -> bool:
    return any(isinstance(a, Size) and any(name in f.variables for f in a.at) for a, _ in form.terms)


def with_provable_dropped(term: Term, scope: Scope) -> Term | None:
    """The term without conditions that the ranges (and its other conditions) imply; None where one cannot hold."""
    inner = scope.with_bounds(term.bounds)
    kept = sorted(term.conditions, key=lambda c: (c.kind != "==", c.key))
    for cond in list(reversed(kept)):
        others = [c for c in kept if c != cond]
        decided = inner.assuming(others).decide(cond)
        if decided is False:
            return None
        if decided is True:
            kept = others
    return _written_with_fixed(replace(term, conditions=frozenset(kept)))


def _written_with_fixed(term: Term) -> Term:
    """A term that an equality ties to one value of an index (``l = L``) reads that value: a[L], not a[l]."""
    fixed: dict[str, Affine] = {}
    bound = {b.var for b in term.bounds}
    for cond in term.conditions:
        if cond.kind == "==" and len(cond.form.variables) == 1 and len(cond.form.linear) == 1:
            ((name, c),) = cond.form.linear.items()
            if abs(c) == 1 and name not in bound:
                fixed[name] = (cond.form - var(name) * c) * -c
    if not fixed:
        return renormalised(term)
    moved = term.substitute(fixed)
    return renormalised(replace(moved, conditions=term.conditions))


def contract_all(equation: Equation, scope: Scope) -> Equation:
    """An equation with the deltas of every term contracted; ``scope`` knows the depths."""
    inside = Scope(equation.ranges, scope.depths)
    return replace(equation, terms=tuple(t for term in equation.terms if (t := contract(term, inside)) is not None))


def restricted(terms: Iterable[Term], conditions: Iterable[Cond], scope: Scope) -> tuple[Term, ...]:
    """Terms under further conditions: those that cannot hold vanish, conditions that are implied are dropped."""
    assumed = scope.assuming(conditions)
    return tuple(t for term in terms if (t := with_provable_dropped(term, assumed)) is not None)
