"""Cases: the view of an equation in which terms under conditions stand as regions (ℓ = L, ℓ < L).

Terms with their own conditions are the truth; this is for print and for the emission of guards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from symbackprop.affine import Cond, Scope, condition
from symbackprop.rewrite.delta import restricted

if TYPE_CHECKING:
    from collections.abc import Collection

    from symbackprop.index import Equation, Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Where ``conditions`` hold, the right side is the sum of ``terms`` (empty: 0)."""

    conditions: tuple[Cond, ...]
    terms: tuple[Term, ...]


def cases(equation: Equation, depths: frozenset[str], variables: Collection[str] | None = None) -> tuple[Region, ...]:
    """Regions of the free indices in which the same terms are present; base cases (equalities) come first.

    Where a region fixes an index (``l = L``), its terms are written with that value.

    ``variables`` limits the split to conditions on those indices; others stay inside the terms. One region without
    conditions means that there is nothing to tell apart.
    """
    scope = Scope(equation.ranges, depths)
    free = {b.var for b in equation.ranges}
    allowed = free if variables is None else free & set(variables)
    splits: list[Cond] = []
    for term in equation.terms:
        for cond in sorted(term.conditions, key=lambda c: (c.kind != "==", c.key)):
            if cond.form.variables <= allowed and cond not in splits:
                splits.append(cond)
    splits.sort(key=lambda c: c.kind != "==")  # the base case comes first
    regions: list[tuple[Cond, ...]] = [()]
    for cond in splits:
        regions = [part for region in regions for part in _split(region, cond, scope)]
    result: list[Region] = []
    for region in regions:
        _, fixed = scope.assuming(region).solved()
        terms = tuple(t.substitute(fixed) for t in restricted(equation.terms, region, scope))
        for k, seen in enumerate(result):
            if seen.terms == terms and len(regions) > 1 and not terms:
                result[k] = replace(seen, conditions=())
                break
        else:
            result.append(Region(conditions=region, terms=terms))
    return tuple(r for r in result if r.terms or len(result) == 1 or r.conditions) or (Region(conditions=(), terms=()),)


def _split(region: tuple[Cond, ...], cond: Cond, scope: Scope) -> list[tuple[Cond, ...]]:
    here = scope.assuming(region)
    decided = here.decide(cond)
    if decided is not None:
        return [region]
    return [_tidy((*region, cond), scope), _tidy((*region, opposite(cond, here)), scope)]


def opposite(cond: Cond, scope: Scope) -> Cond:
    """The negation; where an equality can fail on one side only, that side (``l < L`` rather than ``l ≠ L``)."""
    if cond.kind == "==":
        for sign in (1, -1):
            if scope.nonnegative(cond.form * sign):
                return condition(">=", cond.form * sign - 1)
    return cond.negated()


def _tidy(region: tuple[Cond, ...], scope: Scope) -> tuple[Cond, ...]:
    """Without conditions that the others imply."""
    kept = list(region)
    for cond in region:
        others = [c for c in kept if c != cond]
        if scope.assuming(others).decide(cond) is True:
            kept = others
    return tuple(kept)
