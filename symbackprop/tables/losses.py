"""Losses, one row each: prediction first, then target. Each is a formula in the network file's own language.

What one can do: look a row up (``LOSS["mse"]``), read its exact formula and factor, list them all (``names``).
A row expands into ordinary equations, so its derivative, its print and its code come from the same engine as
anything a user writes. Axis ``-1`` is the last axis: classes or outputs; ``mean`` without an axis is over all entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A scalar function of a prediction and a target of the same axes.

    ``formula`` uses the names in ``arguments``; ``factor`` says by what the sum over entries is divided;
    ``kinks`` says which value the slope takes where there is none.
    """

    name: str
    arguments: tuple[str, ...]
    formula: str
    factor: str
    kinks: str = ""
    latex: str
    source: str


_GOODFELLOW = "Goodfellow, Bengio & Courville 2016, Deep Learning"

_ROWS = (
    Loss(
        name="mse",
        arguments=("p", "y"),
        formula="mean((p - y)**2)",
        factor="the number of all entries",
        latex=r"\operatorname{mean}\,(p - y)^2",
        source=f"{_GOODFELLOW}, section 5.1.4",
    ),
    Loss(
        name="squared_error",
        arguments=("p", "y"),
        formula="sum((p - y)**2)",
        factor="1 (a plain sum, over the examples too)",
        latex=r"\sum (p - y)^2",
        source=f"{_GOODFELLOW}, section 5.1.4, without the mean",
    ),
    Loss(
        name="cross_entropy",
        arguments=("p", "y"),
        formula="mean(-sum(y * log(p), -1))",
        factor="the number of examples (1 without a batch axis); the sum is over the last axis",
        latex=r"-\frac{1}{N}\sum y \log p",
        source=f"{_GOODFELLOW}, section 6.2.2.3",
    ),
    Loss(
        name="cross_entropy_with_logits",
        arguments=("z", "y"),
        formula="mean(-sum(y * log_softmax(z, -1), -1))",
        factor="the number of examples (1 without a batch axis); softmax and sum are over the last axis",
        latex=r"-\frac{1}{N}\sum y \log \operatorname{softmax}(z)",
        source=f"{_GOODFELLOW}, section 6.2.2.3",
    ),
    Loss(
        name="binary_cross_entropy",
        arguments=("p", "y"),
        formula="-mean(y * log(p) + (1 - y) * log(1 - p))",
        factor="the number of all entries",
        latex=r"-\operatorname{mean}\,(y \log p + (1 - y) \log (1 - p))",
        source=f"{_GOODFELLOW}, section 6.2.2.2",
    ),
    Loss(
        name="binary_cross_entropy_with_logits",
        arguments=("z", "y"),
        formula="mean(softplus(z) - y * z)",
        factor="the number of all entries",
        latex=r"\operatorname{mean}\,(\log(1 + e^{z}) - y z)",
        source=f"{_GOODFELLOW}, section 6.2.2.2: -y log s(z) - (1-y) log(1-s(z)) with 1-s(z) = s(-z)",
    ),
    Loss(
        name="huber",
        arguments=("p", "y"),
        formula="mean(where(abs(p - y) <= 1, (p - y)**2 / 2, abs(p - y) - 0.5))",
        factor="the number of all entries; the threshold between square and line is 1",
        kinks="none in the value or the slope; at |p - y| = 1 both pieces have slope ±1",
        latex=r"\operatorname{mean}\,\begin{cases}\frac{1}{2}(p-y)^2 & |p-y| \le 1\\ |p-y|-\frac{1}{2}\end{cases}",
        source="Huber 1964, Robust estimation of a location parameter",
    ),
    Loss(
        name="hinge",
        arguments=("p", "y"),
        formula="mean(relu(1 - y * p))",
        factor="the number of all entries; targets are -1 and 1",
        kinks="at y p = 1 the slope is 0",
        latex=r"\operatorname{mean}\,\max(0, 1 - y p)",
        source="Cortes & Vapnik 1995, Support-vector networks",
    ),
)

LOSS: Mapping[str, Loss] = {row.name: row for row in _ROWS}
assert len(LOSS) == len(_ROWS), "two losses of one name"  # noqa: S101


def names() -> tuple[str, ...]:
    """Names of all rows, sorted.

    >>> names()[:2]
    ('binary_cross_entropy', 'binary_cross_entropy_with_logits')
    """
    return tuple(sorted(LOSS))
