"""Rewriting keeps values: deltas over random affine indices, keys under renaming and reordering."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from symbackprop.affine import Affine, Bound, Scope, condition, const, size, var
from symbackprop.index import Equation, Ref, Tensor, product
from symbackprop.network import Network
from symbackprop.oracle import Interpreter, Values
from symbackprop.rewrite.cases import cases
from symbackprop.rewrite.delta import contract

SIZES = {"D": 2, "E": 3, "F": 5}
LETTERS = {"i": "D", "j": "E", "k": "F", "p": "E", "q": "F"}
"""Running indices, each with its axis; p and q are free."""


def bound(letter: str) -> Bound:
    return Bound(letter, const(0), size(LETTERS[letter]) - 1)


forms = st.builds(
    lambda a, x, b, y, c: var(x) * a + var(y) * b + c,
    st.sampled_from([1, -1, 2]),
    st.sampled_from("ijkpq"),
    st.sampled_from([0, 1, -1, 2]),
    st.sampled_from("ijkpq"),
    st.integers(-2, 2),
)
conditions = st.lists(st.builds(condition, st.sampled_from(["==", "==", "==", ">="]), forms), min_size=1, max_size=4)


def interpreter() -> Interpreter:
    axes = {"A": ("D", "E", "F"), "B": ("E", "F"), "C": ("F", "D")}
    rng = np.random.default_rng(0)
    tensors = {n: Tensor(name=n, axes=tuple(map(size, a)), role="input") for n, a in axes.items()}
    arrays = {(n, ()): rng.standard_normal([SIZES[s] for s in a]) for n, a in axes.items()}
    network = Network(
        name="t",
        title="",
        notation=None,
        loss="A",
        parameters=(),
        inputs=tuple(axes),
        batch=None,
        tensors=tensors,
        equations=(),
        program=(),
    )
    return Interpreter(network, Values(sizes=SIZES, arrays=arrays))


def value(terms: tuple[Any, ...]) -> Any:
    equation = Equation(lhs=Ref("d", (var("p"), var("q"))), terms=terms, ranges=(bound("p"), bound("q")))
    return interpreter().equation(equation)[()]


FACTORS = (Ref("A", (var("i"), var("j"), var("k"))), Ref("B", (var("p"), var("k"))), Ref("C", (var("q"), var("i"))))


@settings(deadline=None, max_examples=150)
@given(conditions, st.permutations("ijk"))
def test_contraction_keeps_the_value(conds: list[Any], order: list[str]) -> None:
    term = product(3, FACTORS, bounds=[bound(v) for v in order], conditions=conds)
    result = contract(term, Scope((bound("p"), bound("q"))))
    after = () if result is None else (result,)
    np.testing.assert_allclose(value(after), value((term,)), rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.builds(
            condition,
            st.sampled_from(["==", ">=", "!="]),
            st.builds(
                lambda a, b, c: var("p") * a + var("q") * b + c,
                st.integers(-1, 1),
                st.integers(-1, 1),
                st.integers(-3, 3),
            ),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_regions_cover_everything_once(conds: list[Any]) -> None:
    terms = tuple(
        product(k + 1, [FACTORS[1].__class__("B", (var("p"), var("q")))], conditions=[c]) for k, c in enumerate(conds)
    )
    equation = Equation(lhs=Ref("d", (var("p"), var("q"))), terms=terms, ranges=(bound("p"), bound("q")))
    parts = tuple(
        replace(t, conditions=t.conditions | frozenset(region.conditions))
        for region in cases(equation, frozenset())
        for t in region.terms
    )
    np.testing.assert_allclose(value(parts), value(terms), rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=100)
@given(st.permutations(range(3)), st.permutations("xyz"))
def test_key_does_not_depend_on_names_or_order(order: list[int], names: list[str]) -> None:
    term = product(2, FACTORS, bounds=[bound(v) for v in "ijk"])
    renamed = term.rename_bounds(dict(zip("ijk", names, strict=True)))
    turned = product(2, [renamed.factors[k] for k in order], bounds=reversed(renamed.bounds))
    assert turned.key == term.key


@given(forms, forms)
def test_forms_add_like_integers(a: Affine, b: Affine) -> None:
    env = dict(zip("ijkpq", (3, -1, 4, 1, -5), strict=True))

    def at(form: Affine) -> int:
        return form.evaluate(env, lambda name, _: SIZES[name])

    assert at(a + b) == at(a) + at(b)
    assert at(a - 2 * b) == at(a) - 2 * at(b)
