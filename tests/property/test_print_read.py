"""Random equations: what is printed reads back as the same equation, at index level and for whole arrays."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from symbackprop import oracle, spec
from symbackprop.affine import Bound, condition, const, size, var
from symbackprop.emit.mathtext import Printer
from symbackprop.index import Apply, Compare, Equation, Ref, Value, Where, apply, function, product, slot
from symbackprop.read import Reader, aligned

ROOT = Path(__file__).parents[2]
EXAMPLE, FIRST, SECOND, THIRD = map(var, "eijk")
BOUNDS = {"i": Bound("i", const(0), size("d") - 1), "k": Bound("k", const(0), size("o") - 1)}
ELEMENTS = (
    Ref("X", (EXAMPLE, FIRST)),
    Ref("W1", (FIRST, SECOND)),
    Ref("H_out", (EXAMPLE, SECOND)),
    Ref("W2", (SECOND, THIRD)),
    Ref("Y", (EXAMPLE, THIRD)),
    Ref("MSE"),
)
LEAVES = st.sampled_from([slot(0), slot(1), slot(2), sp.Integer(2), sp.Integer(1)])
SIGMOID, TANH = function("sigmoid"), function("tanh")


def larger(parts):
    pair = st.tuples(parts, parts)
    return st.one_of(
        pair.map(lambda p: p[0] + p[1]),
        pair.map(lambda p: p[0] - p[1]),
        pair.map(lambda p: p[0] * p[1]),
        parts.map(lambda x: -x),
        parts.map(lambda x: x**2),
        parts.map(lambda x: x**-1 if x != 0 else x),
        parts.map(sp.exp),
        parts.map(lambda x: SIGMOID(x) ** 2),
        parts.map(function("sigmoid", 1)),
        parts.map(TANH),
        pair.map(lambda p: Where(Compare(sp.Symbol(">"), slot(0), p[0]), p[1], slot(1))),
    )


TEMPLATES = st.recursive(LEAVES, larger, max_leaves=6).filter(lambda t: t.free_symbols and not t.has(sp.zoo, sp.nan))


@st.composite
def terms(draw):
    factors = []
    for _ in range(draw(st.integers(1, 3))):
        chosen = draw(st.lists(st.sampled_from(ELEMENTS), min_size=3, max_size=3))
        factors.append(apply(draw(TEMPLATES), *chosen))
    if draw(st.booleans()):
        factors.append(Apply(1 / slot(0), (Value(size("N")),)))
    conditions = [condition("==", EXAMPLE - SECOND)] if draw(st.booleans()) else []
    names = {v for f in product(1, factors).factors for v in _variables(f)}
    bounds = [bound for name, bound in BOUNDS.items() if name in names]
    coefficient = draw(st.sampled_from([1, -1, 2, sp.Rational(-3, 2), sp.Rational(1, 125)]))
    term = product(coefficient, factors, bounds=bounds, conditions=conditions)
    assume(term.coefficient != 0 and all(not f.template.has(sp.zoo) for f in term.factors if isinstance(f, Apply)))
    return term


def _variables(factor):
    args = factor.args if isinstance(factor, Apply) else (factor,)
    return {v for arg in args if isinstance(arg, Ref) for form in arg.index for v in form.variables}


@cache
def tools(name):
    network = spec.load(str(ROOT / "symbackprop/gallery/seed_003.toml"))
    interpreter = oracle.Interpreter(network, oracle.draw(network))
    return Printer(network, name), Printer(network, name, "unicode"), Reader(network, name), interpreter


def flat(each):
    """Keys of terms, a bracketed sum that is a whole term taken apart."""
    keys = []
    for term in each:
        factor = term.factors[0] if len(term.factors) == 1 else None
        parts = [term]
        if isinstance(factor, Apply) and isinstance(factor.template, sp.Add):
            parts = [
                product(term.coefficient, [apply(part, *factor.args)], bounds=term.bounds, conditions=term.conditions)
                for part in factor.template.args
            ]
        keys += [str(part.key) for part in parts]
    return sorted(keys)


@pytest.mark.parametrize("name", ["rows", "scalar"])
@settings(max_examples=150, deadline=None, derandomize=True)
@given(each=st.lists(terms(), min_size=1, max_size=3))
def test_random_equations_are_read_back(name, each):
    ranges = (Bound("e", const(0), size("N") - 1), Bound("j", const(0), size("h") - 1))
    equation = Equation(lhs=Ref("H_in", (EXAMPLE, SECOND)), terms=tuple(each), ranges=ranges)
    printer, terminal, reader, interpreter = tools(name)
    text = printer.equation(equation)
    assert terminal.equation(equation)
    found = aligned(reader.read(text)[0], equation)
    if flat(found.terms) != flat(equation.terms):  # SymPy may have turned a difference around: the value decides
        with np.errstate(all="ignore"):
            one, other = interpreter.equation(found)[()], interpreter.equation(equation)[()]
        assert np.allclose(one, other, rtol=1e-7, equal_nan=True), text


@pytest.mark.parametrize("name", ["rows", "scalar"])
def test_eulers_number_is_no_index(name):
    printer, _, reader, _ = tools(name)
    term = product(1, [apply(slot(0) + sp.E, ELEMENTS[0])], bounds=[BOUNDS["i"]])
    ranges = (Bound("e", const(0), size("N") - 1), Bound("j", const(0), size("h") - 1))
    equation = Equation(lhs=Ref("H_in", (EXAMPLE, SECOND)), terms=(term,), ranges=ranges)
    assert flat(aligned(reader.read(printer.equation(equation))[0], equation).terms) == flat(equation.terms)
