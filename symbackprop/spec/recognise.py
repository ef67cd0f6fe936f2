"""Formulas that are rows of the table in other words: ``1/(1 + exp(-z))`` is the sigmoid.

A function met as a formula becomes the row, so that its slope is the known one (``a(1-a)``) and its code the stable
one. Only identities that hold for all real numbers are here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy as sp

from symbackprop.index import function


@lru_cache(maxsize=4096)
def recognise(template: Any) -> Any:
    """The template with known functions in place of their formulas, innermost first.

    >>> from symbackprop.index import slot
    >>> z = slot(0)
    >>> recognise(1 / (1 + sp.exp(-z))), recognise(sp.log(1 + sp.exp(z))), recognise(sp.exp(2 * z))
    (sigmoid(_0), softplus(_0), exp(2*_0))
    """
    if not template.has(sp.exp):
        return template
    args = [recognise(arg) for arg in template.args]
    if args and tuple(args) != template.args:
        template = template.func(*args)
    if isinstance(template, sp.Mul):
        return _product(template)
    if isinstance(template, sp.Pow):
        return _power(template)
    if isinstance(template, sp.log):
        rest = _one_plus_exp(template.args[0])  # log(1 + e^u) = softplus(u)
        return template if rest is None else function("softplus")(rest)
    return template


def _one_plus_exp(total: Any) -> Any:
    """The exponent u where ``total`` is 1 + e^u, else None."""
    if isinstance(total, sp.Add) and len(total.args) == 2 and sp.S.One in total.args:  # noqa: PLR2004 - 1 and e^u
        other = next(arg for arg in total.args if arg != 1)
        if isinstance(other, sp.exp):
            return other.args[0]
    return None


def _power(template: Any) -> Any:
    """1/(1 + e^u) = sigmoid(-u), with its powers."""
    base, exponent = template.as_base_exp()
    rest = _one_plus_exp(base)
    if rest is None or not exponent.is_negative:
        return template
    return function("sigmoid")(-rest) ** (-exponent)


def _product(template: Any) -> Any:
    """e^u sigmoid(-u) = sigmoid(u), and (e^u - e^-u) / (e^u + e^-u) = tanh(u)."""
    factors = list(template.args)
    for part in factors:
        if isinstance(part, sp.exp):
            partner = function("sigmoid")(-part.args[0])
            if partner in factors:
                rest = [f for f in factors if f not in {part, partner}]
                return sp.Mul(function("sigmoid")(part.args[0]), *rest)
        found = _tanh(part, factors)
        if found is not None:
            return found
    return template


def _tanh(part: Any, factors: list[Any]) -> Any:
    if not isinstance(part, sp.Add) or len(part.args) != 2:  # noqa: PLR2004 - e^u and -e^-u
        return None
    for first, second in (part.args, part.args[::-1]):
        if isinstance(first, sp.exp) and second == -sp.exp(-first.args[0]):
            partner = 1 / (first - second)
            if partner in factors:
                return sp.Mul(function("tanh")(first.args[0]), *(f for f in factors if f not in {part, partner}))
    return None
