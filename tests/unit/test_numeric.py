"""Numeric derivatives are as good as they say."""

from __future__ import annotations

import cmath
import math

import pytest

from symbackprop.check.numeric import central, complex_step

FUNCTIONS = [
    # function,                                 derivative at 0
    (lambda s: math.exp(3 * s), 3.0),
    (lambda s: math.sin(s) / (2 + s), 0.5),
    (lambda s: 1e3 + math.tanh(5 * s), 5.0),
    (lambda s: math.log(1 + 0.5 * s), 0.5),
    (lambda s: s**4 - 2 * s**3 + s, 1.0),
    (lambda s: 7.0, 0.0),
]


@pytest.mark.parametrize(("f", "exact"), FUNCTIONS)
def test_extrapolated_differences_are_good_to_ten_digits(f, exact):
    slope = central(f, 1e-11)
    assert abs(slope.value - exact) < 1e-10
    assert abs(slope.value - exact) <= 10 * slope.error


def test_kink_away_from_zero_is_stepped_around():
    slope = central(lambda s: abs(s + 0.003) + s, 1e-9)
    assert slope.error < 1e-9
    assert abs(slope.value - 2) < 1e-9


@pytest.mark.parametrize("distance", [0.0, 1e-7, 1e-6])
def test_kink_at_hand_is_noticed(distance):
    assert central(lambda s: abs(s + distance) + math.sin(s), 1e-9).error > 1e-6


def test_value_that_is_no_number_is_noticed():
    assert not central(lambda s: math.nan, 1e-9).error < 1


def test_complex_step_is_exact():
    assert complex_step(lambda s: cmath.exp(3 * s)) == pytest.approx(3, rel=1e-15)
