"""The paths to one element in numbers: the value of every local derivative, products, sums.

``listed`` finds the paths at given sizes once; ``valued`` evaluates them at given data. What is shown of them is
decided here too, since whoever chooses the data must know whether the numbers add up as they are printed: paths with
a factor 0 are left out, of many the first are shown and the others added up in one number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.document.scalar import target_of
from symbackprop.index import Equation, Ref

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.document.graph import Element
    from symbackprop.document.paths import Path, Unrolled
    from symbackprop.index import Term
    from symbackprop.oracle import Interpreter

MOST = 300
"""Paths that are evaluated; of more there is no table."""
ROWS = 8
"""Paths that are shown."""
HUGE = 1e6
"""Numbers from here on are written with a power of ten."""
SURE = 10
"""Decimals of a number that are beyond rounding noise."""


def decimal(value: float, places: int) -> str:
    """A number rounded to decimals, halves away from zero, without a minus before zero; a huge one by its power of ten.

    >>> decimal(0.00625, 4), decimal(-0.00004, 4), decimal(2, 0), decimal(-1e9, 4)
    ('0.0063', '0.0000', '2', '-1e+09')
    """
    if abs(value) >= HUGE:
        return f"{value:.4g}"
    exact = Decimal(f"{value:.{max(SURE, places + 2)}f}")
    text = str(exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP))
    return text.removeprefix("-") if float(text) == 0 else text


def places_of(values: Any, most: int) -> int:
    """The decimals that numbers need, at most ``most``.

    >>> places_of([0.5, 2.0], 4), places_of([1.0, 2.0], 4), places_of([1 / 3], 4)
    (1, 0, 4)
    """
    array = np.asarray(values)
    return next((k for k in range(most) if np.allclose(np.round(array, k), array, rtol=0, atol=1e-12)), most)


@dataclass(frozen=True, slots=True)
class Valued:
    """A path with the values of its local derivatives; the first one is without the constant kept out of signals."""

    path: Path
    example: int | None
    factors: tuple[float, ...]

    @property
    def product(self) -> float:
        """The product of the factors."""
        return math.prod(self.factors)


@dataclass(frozen=True, slots=True)
class Group:
    """Paths through the same arrays: those shown, how many are not, and the sum of these."""

    rows: tuple[Valued, ...]
    zeros: int
    others: int
    rest: float

    @property
    def total(self) -> float:
        """The sum over all paths of the group."""
        return sum(row.product for row in self.rows) + self.rest

    def adds_up(self, places: int) -> bool:
        """True where the rounded numbers add up to the rounded sum."""
        parts = [row.product for row in self.rows] + ([self.rest] if self.others else [])
        return _adds_up(parts, self.total, places)

    def multiplies(self, places: int) -> bool:
        """True where in every row the rounded factors multiply to the rounded product."""
        return all(
            decimal(math.prod(float(decimal(f, places)) for f in row.factors), places) == decimal(row.product, places)
            for row in self.rows
        )


def _adds_up(parts: Sequence[float], total: float, places: int) -> bool:
    rounded = sum(Decimal(decimal(part, places)) for part in parts)
    return rounded == Decimal(decimal(total, places))


@dataclass(frozen=True, slots=True)
class Listed:
    """The paths to an element at given sizes, each with its example where examples do not mix."""

    graph: Unrolled
    element: Element
    paths: tuple[tuple[int | None, Path], ...]


def listed(graph: Unrolled, element: Element) -> Listed | None:
    """All paths to an element; None where there is none, or where they are too many."""
    target = target_of(graph, element, 1)
    if not 0 < target.total <= MOST:
        return None
    examples = [None] if target.example is None else range(graph.examples)
    return Listed(graph, element, tuple((e, path) for e in examples for path in graph.paths(element, example=e)))


def valued(found: Listed, interpreter: Interpreter, scale: Term | None) -> tuple[Group, ...]:
    """The paths in groups that run through the same arrays, with their values; ``scale`` is kept out of them."""
    constant = 1.0 if scale is None else number((scale,), interpreter)
    known: dict[tuple[Element, Element], float] = {}
    groups: dict[object, list[Valued]] = {}
    for example, path in found.paths:
        for link in path.links:
            if (link.above, link.below) not in known:
                known[link.above, link.below] = number(link.terms, interpreter)
        first, *more = (known[link.above, link.below] for link in path.links)
        groups.setdefault(path.form, []).append(Valued(path, example, (first / constant, *more)))
    share = max(2, ROWS // len(groups))
    few = sum(_is_shown(row) for rows in groups.values() for row in rows) <= ROWS
    return tuple(_group(rows, len(rows) if few else share) for rows in groups.values())


def number(terms: tuple[Term, ...], interpreter: Interpreter) -> float:
    """The value of a sum of terms without free indices."""
    return float(interpreter.equation(Equation(lhs=Ref("slope"), terms=terms))[()]) if terms else 0.0


def _is_shown(row: Valued) -> bool:
    return all(factor != 0 for factor in row.factors)


def _group(rows: Sequence[Valued], most: int) -> Group:
    seen = [row for row in rows if _is_shown(row)]
    hidden = seen[most:]
    return Group(tuple(seen[:most]), len(rows) - len(seen), len(hidden), sum(row.product for row in hidden))
