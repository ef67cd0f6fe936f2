"""Every row of the table of activations, compared with its own definition."""

from __future__ import annotations

import warnings

import mpmath
import numpy as np
import pytest
import sympy as sp

from symbackprop.errors import SpecError
from symbackprop.index import function
from symbackprop.tables.activations import ACTIVATION, HELPERS, activation, evaluator, names, template

ROWS = tuple(ACTIVATION.values())
X, Y = sp.symbols("x y", real=True)
row_of_the_table = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def in_sympy(expression):
    """Other rows inside an expression replaced by their definitions."""
    for name, row in ACTIVATION.items():
        expression = expression.replace(function(name), row.define)
    return expression


def points(row, count=41, low=-6.0, high=6.0):
    """Arguments inside the domain, none at a kink, as exact doubles."""
    low = max(low, row.domain[0] * 1.001 if row.domain[0] < 0 else 0.03)
    return np.linspace(low, high, count) + 0.0123


@row_of_the_table
def test_slope_is_derivative_of_definition(row):
    slope = in_sympy(row.slope(X, Y)).subs(Y, row.define(X))
    derivative = row.define(X).diff(X)
    for x in points(row, 17):
        at = sp.Rational(float(x))
        assert abs(sp.N(slope.subs(X, at).doit() - derivative.subs(X, at).doit(), 40)) < sp.Rational(1, 10**30)


@row_of_the_table
@pytest.mark.parametrize("order", [0, 1])
def test_numpy_text_is_definition(row, order):
    xs = points(row)
    got = evaluator(row.name, order)(xs)
    want = row.define(X).diff(X, order).doit() if order else row.define(X)
    exact = np.array([float(sp.N(want.subs(X, sp.Rational(float(x))).doit(), 30)) for x in xs])
    np.testing.assert_allclose(got, exact, rtol=4e-15, atol=2e-15)


@row_of_the_table
@pytest.mark.parametrize("order", [0, 1])
def test_float32_up_to_ten_thousand_is_stable_and_stays_float32(row, order):
    magnitudes = np.array([0.5, 3.0, 20.0, 90.0, 1000.0, 1e4], dtype=np.float32)
    xs = np.concatenate([-magnitudes, magnitudes])
    xs = xs[(xs >= row.domain[0]) & (xs <= row.domain[1])]
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise"):
        warnings.simplefilter("error")
        got = evaluator(row.name, order)(xs)
    assert got.dtype == np.float32
    exact = evaluator(row.name, order)(xs.astype(np.float64))
    np.testing.assert_allclose(got, exact, rtol=2e-5, atol=2e-7)


@row_of_the_table
def test_value_chosen_at_a_kink_is_the_one_in_the_code(row):
    for point, value in row.kinks:
        assert float(evaluator(row.name, 1)(np.array([float(point)]))[0]) == pytest.approx(float(value), abs=1e-16)
        assert in_sympy(row.slope(X, Y)).subs(X, point) == value


@pytest.mark.parametrize("row", [row for row in ROWS if row.analytic], ids=lambda row: row.name)
def test_analytic_rows_are_differentiated_by_a_complex_step(row):
    xs = points(row)
    step = 1e-30
    slope = evaluator(row.name)(xs + 1j * step).imag / step
    np.testing.assert_allclose(slope, evaluator(row.name, 1)(xs), rtol=2e-14, atol=2e-15)


def test_normal_distribution_has_its_last_digits():
    room = {"np": np}
    exec(HELPERS["_normal_cdf"], room)
    xs = np.linspace(-9, 9, 301)
    with mpmath.workdps(30):
        exact = np.array([float(mpmath.ncdf(mpmath.mpf(float(x)))) for x in xs])
    np.testing.assert_allclose(room["_normal_cdf"](xs), exact, rtol=5e-15)


def test_contract_names_are_there():
    contract = "identity sigmoid tanh relu leaky_relu elu softplus gelu gelu_tanh silu exp log sqrt square abs"
    assert set(contract.split()) <= set(names())


def test_names_used_by_rows_exist():
    assert {helper for row in ROWS for helper in row.helpers} == set(HELPERS)


def test_missing_row_lists_what_there_is():
    with pytest.raises(SpecError) as caught:
        activation("sigmod")
    assert str(caught.value).startswith("no activation 'sigmod'; did you mean 'sigmoid'")
    assert "tanh" in str(caught.value)


def test_template_is_inert_unless_sympy_has_it():
    assert template("relu", X).func is function("relu")
    assert template("exp", X) == sp.exp(X)


def test_slopes_through_the_output():
    through = {row.name for row in ROWS if row.from_output}
    assert through == {"sigmoid", "tanh", "exp", "sqrt"}
