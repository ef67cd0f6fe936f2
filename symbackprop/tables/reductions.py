"""Functions of a whole axis, as rows: softmax, log-softmax, log-sum-exp, maximum.

A row's Jacobian is data: terms over the slots ``_0`` (the output at entry i, or the reduced output), ``_1`` (the
output at entry v), ``_2`` (the argument at v) and ``_3`` (1 where v is the first maximum, else 0); a term with
``delta`` is multiplied by δ_iv. Tests compare every Jacobian with complex or central differences of ``evaluate``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from symbackprop.index import slot

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JacobianTerm:
    """One term of ∂(entry i)/∂(argument v); see the module's first lines for the slots."""

    template: Any
    delta: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisFunction:
    """A function of an axis.

    ``keeps`` tells whether the axis stays (softmax) or goes (max). ``evaluate`` works along the last axis of an array;
    ``differentiable`` is False for rows that only appear inside derivatives; ``definition`` is its formula for people,
    as LaTeX in x with running index k (not used in derivations).
    """

    name: str
    keeps: bool
    evaluate: Callable[[Array], Array]
    jacobian: tuple[JacobianTerm, ...] = ()
    latex: str
    source: str
    ties: str = ""
    analytic: bool = True


def _shifted(x: Array) -> Array:
    return np.asarray(x - np.max(np.real(x), axis=-1, keepdims=True))


def _softmax(x: Array) -> Array:
    """exp(x_i - max x) / Σ_k exp(x_k - max x)."""
    weights = np.exp(_shifted(x))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _log_softmax(x: Array) -> Array:
    """x_i - max x - log Σ_k exp(x_k - max x)."""
    shifted = _shifted(x)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def _logsumexp(x: Array) -> Array:
    """The sum max x + log Σ_k exp(x_k - max x)."""
    return np.asarray(np.max(np.real(x), axis=-1) + np.log(np.exp(_shifted(x)).sum(axis=-1)))


def _max(x: Array) -> Array:
    """The entry with the largest real part (complex steps follow the same branch)."""
    return np.asarray(np.take_along_axis(x, np.argmax(np.real(x), axis=-1)[..., None], axis=-1)[..., 0])


def _argmax(x: Array) -> Array:
    """1 at the first maximum, else 0."""
    return np.asarray(np.arange(x.shape[-1]) == np.argmax(np.real(x), axis=-1)[..., None]) * 1.0


_OUT, _OUT_V, _ARG_V, _FIRST = (slot(k) for k in range(4))

AXIS_FUNCTIONS = (
    AxisFunction(
        name="softmax",
        keeps=True,
        evaluate=_softmax,
        jacobian=(JacobianTerm(template=_OUT, delta=True), JacobianTerm(template=-_OUT * _OUT_V)),  # p_i (δ_iv - p_v)
        latex=r"\operatorname{softmax}",
        source="Goodfellow et al. 2016, section 6.2.2.3",
    ),
    AxisFunction(
        name="log_softmax",
        keeps=True,
        evaluate=_log_softmax,
        jacobian=(JacobianTerm(template=sp.S.One, delta=True), JacobianTerm(template=-sp.exp(_OUT_V))),  # δ - e^{q_v}
        latex=r"\operatorname{log\,softmax}",
        source="Goodfellow et al. 2016, section 6.2.2.3",
    ),
    AxisFunction(
        name="logsumexp",
        keeps=False,
        evaluate=_logsumexp,
        jacobian=(JacobianTerm(template=sp.exp(_ARG_V - _OUT)),),  # e^{x_v - y}
        latex=r"\operatorname{logsumexp}",
        source="Boyd & Vandenberghe 2004, section 3.1.5",
    ),
    AxisFunction(
        name="max",
        keeps=False,
        evaluate=_max,
        jacobian=(JacobianTerm(template=_FIRST),),
        latex=r"\max",
        source="Goodfellow et al. 2016, section 6.3",
        ties="the first of equal maxima takes the whole slope",
        analytic=False,
    ),
    AxisFunction(
        name="argmax",
        keeps=True,
        evaluate=_argmax,
        latex=r"\operatorname{first\,max}",
        source="the indicator of the first maximum; appears in slopes of max",
        analytic=False,
    ),
)

AXIS_FUNCTION = {row.name: row for row in AXIS_FUNCTIONS}
assert len(AXIS_FUNCTION) == len(AXIS_FUNCTIONS), "two rows share a name"  # noqa: S101
