"""Equations go to SymPy and come back."""

from __future__ import annotations

from pathlib import Path

import pytest
import sympy as sp

from symbackprop import spec
from symbackprop.adjoint import derive
from symbackprop.errors import UnsupportedError
from symbackprop.symbolic import equation_from_sympy, from_sympy, to_sympy

ROOT = Path(__file__).parents[2]
FILES = [*sorted(ROOT.glob("symbackprop/gallery/*.toml")), *sorted(ROOT.glob("tests/data/networks/*.toml"))]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_equation_and_step_comes_back(path: Path) -> None:
    derivation = derive(spec.load(str(path)))
    equations = [
        *derivation.network.equations,
        *(c.start for c in derivation.chains.values()),
        *(s.after for c in derivation.chains.values() for s in c.steps),
    ]
    for equation in equations:
        back = equation_from_sympy(to_sympy(equation), equation, derivation.tensors)
        # SymPy does not tell one factor (a - y) from two terms a and -y: the expansions must agree
        same = back.key == equation.key or sp.expand(to_sympy(back).rhs - to_sympy(equation).rhs) == 0
        assert same, f"{equation} came back as {back}"


def test_sympy_goes_on_with_what_it_gets() -> None:
    derivation = derive(spec.load("mlp:4-2-3"))
    gradient = to_sympy(derivation.gradients[0].equation)
    assert isinstance(gradient, sp.Equality)
    assert gradient.rhs.has(sp.Sum)


def test_what_has_no_place_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="no place in an indexed equation"):
        from_sympy(sp.Derivative(sp.Symbol("x") ** 2, sp.Symbol("x")), {})
