"""Terms in normal form, equality up to bound names, substitution without capture."""

from __future__ import annotations

from typing import Any

import pytest
import sympy as sp

from symbackprop.affine import Bound, const, size, var
from symbackprop.index import Apply, Ref, Term, Value, apply, collect, function, product, slot

i, j, k, m = map(var, "ijkm")
D, N = size("D"), size("N")
a, y, z = (Ref(name, (i,)) for name in "ayz")
x, u = slot(0), slot(1)
sigma = function("sigma")


def over(name: str, extent: Any = D) -> Bound:
    return Bound(name, const(0), extent - 1)


# fmt: off
@pytest.mark.parametrize(
    ("coefficient", "factors", "text"),
    [
        (1,  [apply(2 * x - 2 * u, a, y)],               "2*(a[i] - y[i])"),
        (1,  [apply(-2 * x + 2 * u, a, y)],              "-2*(a[i] - y[i])"),
        (1,  [apply(u - x, y, a)],                        "-(-a[i] + y[i])"),
        (1,  [a, apply(1 / x, a), y],                     "y[i]"),
        (3,  [a, a],                                      "3*(a[i]**2)"),
        (1,  [apply(x * (1 - x), a)],                     "a[i]*(1 - a[i])"),
        (1,  [apply(sp.exp(x), z), apply(sp.exp(-x), z)], "(exp(z[i]))*(exp(-z[i]))"),
        (1,  [apply(x / 3, a)],                           "1/3*a[i]"),
        (1,  [Apply(1 / x, (Value(N),))],                 "(1/N)"),
        (1,  [Apply(x, (Value(const(4)),)), a],           "4*a[i]"),
    ],
)
def test_product_is_in_normal_form(coefficient: int, factors: list[Any], text: str) -> None:
    assert str(product(coefficient, factors)) == text
# fmt: on


def test_inert_functions_are_differentiated_but_never_rewritten() -> None:
    assert str(sigma(x).diff(x)) == "sigma'(_0)"
    assert str(sigma(x).diff(x, 2)) == "sigma''(_0)"
    layered = function("f")(u, x)
    assert layered.diff(u) == 0
    assert str(layered.diff(x)) == "f'(_1, _0)"


def summed(left: str, right: str, bound: str) -> Term:
    v = var(bound)
    return product(1, [Ref(left, (i, v)), Ref(right, (v, j))], bounds=[over(bound)])


def test_equality_ignores_bound_names_and_order_of_factors() -> None:
    assert summed("A", "B", "k").key == summed("A", "B", "m").key
    assert summed("A", "B", "k").key != summed("B", "A", "k").key
    turned = product(1, [Ref("B", (k, j)), Ref("A", (i, k))], bounds=[over("k")])
    assert turned.key == summed("A", "B", "k").key


def test_equality_sees_which_bound_index_stands_where() -> None:
    def term(first: str, second: str) -> Term:
        p, q = var(first), var(second)
        return product(1, [Ref("A", (p, q)), Ref("B", (q, p)), Ref("C", (p,))], bounds=[over("k"), over("m")])

    assert term("k", "m").key == term("m", "k").key
    swapped = product(1, [Ref("A", (k, m)), Ref("B", (k, m)), Ref("C", (k,))], bounds=[over("k"), over("m")])
    assert swapped.key != term("k", "m").key


def test_arguments_of_a_template_may_stand_in_any_order() -> None:
    assert apply((x - u) ** 2, a, y).key == apply((u - x) ** 2, y, a).key
    assert apply(x - u, a, y).key != apply(x - u, y, a).key


def test_substitution_does_not_capture() -> None:
    term = product(1, [Ref("A", (i, k))], bounds=[over("k")])
    moved = term.substitute({"i": k})
    assert moved.variables == {"k"}
    assert moved.key == product(1, [Ref("A", (k, m))], bounds=[over("m")]).key


def test_collect_adds_like_terms_and_drops_what_cancels() -> None:
    terms = collect([product(2, [a]), product(1, [y]), product(-2, [a]), product(3, [y])])
    assert [str(t) for t in terms] == ["4*y[i]"]
