"""Deltas, ranges and cases: what the chain rule becomes for layers, time steps, strides and traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from symbackprop.affine import Bound, Scope, condition, const, size, var
from symbackprop.index import Equation, Ref, product
from symbackprop.rewrite.cases import cases
from symbackprop.rewrite.delta import contract

if TYPE_CHECKING:
    from symbackprop.affine import Affine

i, j, k, l, m, p, t = map(var, "ijklmpt")  # noqa: E741 - layers are l
L, T, K, R = map(size, "LTKR")
DEPTHS = frozenset({"L", "T"})


def over(name: str, hi: Affine, lo: int = 0) -> Bound:
    return Bound(name, const(lo), hi)


@pytest.mark.parametrize(
    ("bounds", "delta", "free", "expected"),
    [
        # an element: the range is the same, nothing remains
        ((over("k", K - 1),), k - p, (over("p", K - 1),), "A[p]"),
        # a layer: δ(l'-1, l) solved for l' gives l+1, and 1 ≤ l+1 ≤ L leaves the base case out
        ((over("k", L, 1),), k - 1 - l, (over("l", L),), "[L >= l+1]*A[l+1]"),
        # the input layer is never reached from layer 1 on
        ((over("k", L, 1),), k - l, (over("l", L, 1),), "A[l]"),
        # a stride of two has no integer solution: the delta stays
        ((over("k", K - 1),), 2 * k - p, (over("p", R - 1),), "Sum([2*k == p]*A[k], k)"),
    ],
)
def test_contraction(bounds: tuple[Bound, ...], delta: Affine, free: tuple[Bound, ...], expected: str) -> None:
    term = product(1, [Ref("A", (k,))], bounds=bounds, conditions=[condition("==", delta)])
    assert str(contract(term, Scope(free, DEPTHS))) == expected


def test_convolution_turned_inside_out() -> None:
    """z[t] = Σ_k w[k] x[t+k]: the adjoint of x at p sums over k with t = p-k inside its range."""
    term = product(
        1,
        [Ref("∂z", (t,)), Ref("w", (k,))],
        bounds=[over("t", T - 1), over("k", K - 1)],
        conditions=[condition("==", t + k - p)],
    )
    result = contract(term, Scope((over("p", T + K - 2),), DEPTHS))
    assert str(result) == "Sum([p >= k][k+T >= p+1]*∂z[-k+p]*w[k], k)"


def test_contradiction_drops_the_term() -> None:
    term = product(1, [Ref("A", (l,))], conditions=[condition("==", l - L - 1)])
    assert contract(term, Scope((over("l", L, 1),), DEPTHS)) is None


def test_cases_put_the_base_first() -> None:
    inner = product(1, [Ref("B", (l + 1,))], conditions=[condition(">=", L - l - 1)])
    base = product(1, [Ref("A")], conditions=[condition("==", L - l)])
    equation = Equation(lhs=Ref("d", (l,)), terms=(inner, base), ranges=(over("l", L, 1),))
    regions = cases(equation, DEPTHS)
    assert [[str(c) for c in r.conditions] for r in regions] == [["l == L"], ["L >= l+1"]]
    assert [[str(x) for x in r.terms] for r in regions] == [["A"], ["B[l+1]"]]


def test_a_term_without_condition_is_in_every_case() -> None:
    both = product(1, [Ref("B", (l,))])
    base = product(1, [Ref("A")], conditions=[condition("==", L - l)])
    equation = Equation(lhs=Ref("d", (l,)), terms=(both, base), ranges=(over("l", L, 1),))
    regions = cases(equation, DEPTHS)
    assert [[str(x) for x in r.terms] for r in regions] == [["B[L]", "A"], ["B[l]"]]


def test_no_conditions_make_one_region() -> None:
    equation = Equation(lhs=Ref("d"), terms=(product(1, [Ref("A")]),))
    assert len(cases(equation, DEPTHS)) == 1
