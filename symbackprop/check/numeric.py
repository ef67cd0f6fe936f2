"""Numeric derivatives of a scalar function along a line: extrapolated central differences, complex steps."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = 5
"""Halvings of the step; five central differences give an error of order h^10."""
STARTS = (1e-1, 2e-2, 4e-3, 4e-4, 4e-5)
"""First steps, largest first: a small one is for lines with a kink nearby, and costs digits."""
FAIR = 100
"""An estimate within so many times the goal is worth keeping."""
ROUNDING = 4 * sys.float_info.epsilon
"""Relative error assumed of a function's value; over the step it is the least error that is claimed."""
COMPLEX_STEP = 1e-30
"""So small that its square is nothing: the imaginary part is the derivative to the last digit."""


@dataclass(frozen=True, slots=True)
class Slope:
    """A derivative with an estimate of its error."""

    value: float
    error: float


def central(f: Callable[[float], float], goal: float, scale: float = 1.0) -> Slope:
    """df/ds at 0 by Richardson extrapolation, with ever smaller first steps until the error estimate meets ``goal``.

    Steps are in units of ``scale``. The estimate is the distance between the last two orders of extrapolation. Near a
    kink no step meets the goal unless the kink lies outside its reach, so the estimate says whether the value is of
    use. Once it is fair and a smaller step makes it no better, rounding is what is left.

    >>> import math
    >>> slope = central(lambda s: math.exp(s), 1e-10)
    >>> abs(slope.value - 1) < 1e-11
    True
    """
    best = Slope(float("nan"), float("inf"))
    for start in STARTS:
        slope = _extrapolated(f, start * scale)
        if best.error <= slope.error and best.error <= FAIR * goal:
            break
        if slope.error < best.error:
            best = slope
        if best.error <= goal:
            break
    return best


def _extrapolated(f: Callable[[float], float], h: float) -> Slope:
    row: list[float] = []
    bends: list[float] = []
    middle = f(0.0)
    best = Slope(float("nan"), float("inf"))
    for level in range(LEVELS):
        step = h / 2**level
        above, below = f(step), f(-step)
        bends.append(abs(above - 2 * middle + below) / step)
        previous, row = row, [(above - below) / (2 * step)]
        for order, coarse in enumerate(previous):
            factor = 4.0 ** (order + 1)
            row.append((factor * row[order] - coarse) / (factor - 1))
        if level:
            noise = ROUNDING * max(abs(above), abs(below)) / step
            error = max(abs(row[-1] - row[-2]), abs(row[-1] - previous[-1]), noise)
            if error < best.error:
                best = Slope(row[-1], error)
    if bends[-1] > bends[0] / 4:  # it shrinks like h where there is a second derivative, and not at all at a kink
        return Slope(best.value, max(best.error, bends[-1]))
    return best


def complex_step(f: Callable[[Any], Any]) -> float:
    """df/ds at 0 as Im f(ih)/h, exact to rounding where f is analytic and computed as such."""
    return float(complex(f(1j * COMPLEX_STEP)).imag) / COMPLEX_STEP
