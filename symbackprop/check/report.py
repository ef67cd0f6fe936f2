"""What a gradient check found: a row for each parameter, notes, and both as text or JSON.

Printed errors are bounds (``< 1e-9``), so the same network prints the same bytes on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

TOLERANCE = 1e-8
"""Largest error, relative to the largest entry of a tensor's gradient, that passes.

Extrapolated central differences in float64 are good to about 1e-11 of it; the smallest fault worth finding is 1e-4.
"""
SHOWN = 1e-9
"""Errors below this are printed as such: their digits are rounding noise, which differs between machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One parameter: the largest error found and how it was measured."""

    parameter: str
    error: float
    method: str

    @property
    def passed(self) -> bool:
        """True within the tolerance (an error that is not a number is none)."""
        return self.error <= TOLERANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The check of one module.

    ``forward_error``: relative difference of the module's loss from that of the network's equations, interpreted.
    """

    network: str
    seed: int
    rows: tuple[Row, ...]
    forward_error: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """True if every gradient and the loss agree."""
        return self.forward_error <= TOLERANCE and all(row.passed for row in self.rows)

    @property
    def largest(self) -> float:
        """The largest error of all parameters."""
        errors = [row.error for row in self.rows]
        return math.inf if any(math.isnan(error) for error in errors) else max(errors, default=0.0)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; errors are upper bounds of one digit, never below 1e-9."""
        return {
            "network": self.network,
            "seed": self.seed,
            "passed": self.passed,
            "tolerance": TOLERANCE,
            "loss": {"error_below": bound(self.forward_error), "method": "interpreted equations"},
            "parameters": [
                {"parameter": r.parameter, "error_below": bound(r.error), "method": r.method, "passed": r.passed}
                for r in self.rows
            ],
            "notes": list(self.notes),
        }

    def table(self) -> tuple[tuple[str, str, str, str], ...]:
        """Cells: parameter, error, method, verdict."""
        return tuple((r.parameter, shown(r.error), r.method, "ok" if r.passed else "WRONG") for r in self.rows)

    def __str__(self) -> str:
        """The table, what the loss agrees with, and the notes."""
        cells = (("parameter", "relative error", "method", ""), *self.table())
        widths = [max(len(line[k]) for line in cells) for k in range(3)]
        lines = ["  ".join([*(c.ljust(w) for c, w in zip(line, widths, strict=False)), line[3]]) for line in cells]
        lines.append(f"largest relative error {shown(self.largest)}, of {shown(TOLERANCE, exact=True)} allowed")
        if self.forward_error > TOLERANCE:
            lines.append(f"the loss of the code differs from the network's equations by {shown(self.forward_error)}")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(line.rstrip() for line in lines)


def bound(error: float) -> float | None:
    """The smallest one-digit number that is not below the error, at least 1e-9; None for nan and infinity.

    >>> bound(3.2e-16), bound(0.00123), bound(float("nan"))
    (1e-09, 0.002, None)
    """
    if not math.isfinite(error):
        return None
    if error <= SHOWN:
        return SHOWN
    exponent = math.floor(math.log10(error))
    digit = math.ceil(error / 10.0**exponent - 1e-9)
    return float(f"{digit}e{exponent}")


def shown(error: float, *, exact: bool = False) -> str:
    """The error for a reader.

    >>> shown(3.2e-16), shown(0.00123), shown(float("nan"))
    ('< 1e-9', '2e-3', 'not a number')
    """
    if not exact and error <= SHOWN:
        return "< 1e-9"
    value = bound(error)
    if value is None:
        return "not a number"
    digit, exponent = f"{value:.0e}".split("e")
    return f"{digit}e{int(exponent)}"
