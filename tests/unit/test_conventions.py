"""What a handout says of other conventions is so: the networks with the other loss are derived and run beside ours."""

from __future__ import annotations

import numpy as np
import pytest

from symbackprop import api, gallery, notation, spec
from symbackprop.adjoint import derive
from symbackprop.document import conventions
from symbackprop.document.view import View
from symbackprop.emit.mathtext import Printer
from symbackprop.index import Apply, slot
from symbackprop.oracle import Values
from symbackprop.unlift import same_terms, unlift

NETWORK = """
name = "n"
loss = "L"
parameters = ["W"]
forward = '''
A = tanh(X @ W)
L = LOSS
'''
[shapes]
X = "N d"
W = "d o"
Y = "N o"
[sizes]
N = 5
d = 3
o = 2
"""
SIZES = {"N": 5, "d": 3, "o": 2}
LOSSES = {
    "sum((A - Y)**2)/N": ["sum((A - Y)**2)/2/N", "sum((A - Y)**2)", "sum((A - Y)**2)/N/o"],
    "sum((A - Y)**2)/2": ["sum((A - Y)**2)", "sum((A - Y)**2)/2/N", "sum((A - Y)**2)/2/o"],
    "sum((A - Y)**2)/N/o": ["sum((A - Y)**2)/2/N/o", "sum((A - Y)**2)/o", "sum((A - Y)**2)/N"],
    "-sum(Y * log(A**2))/N": ["-sum(Y * log(A**2))"],
}
"""Losses with what the table says of them, in its order, as loss functions of their own."""


def gradient(loss: str) -> np.ndarray:
    """The gradient by the generated code of the network with a loss."""
    module: dict[str, object] = {"__name__": "made"}
    exec(api.derive(api.loads(NETWORK.replace("LOSS", loss))).code(), module)
    rng = np.random.default_rng(0)
    parameters = {"W": rng.standard_normal((3, 2))}
    inputs = {"X": rng.standard_normal((5, 3)), "Y": rng.standard_normal((5, 2))}
    return module["loss_and_gradients"](parameters, inputs)[1]["W"]  # type: ignore[operator, no-any-return]


def number(term: object) -> float:
    """A constant term at the sizes."""
    value = float(term.coefficient)  # type: ignore[attr-defined]
    lookup = Values(sizes=SIZES, arrays={}).size
    for factor in term.factors:  # type: ignore[attr-defined]
        assert isinstance(factor, Apply)
        (arg,) = factor.args
        value *= float(factor.template.subs(slot(0), arg.form.evaluate({}, lookup)))  # type: ignore[union-attr]
    return value


@pytest.mark.parametrize("loss", LOSSES)
def test_other_losses_multiply_every_gradient_by_what_is_said(loss: str) -> None:
    changes = conventions.changes(spec.loads(NETWORK.replace("LOSS", loss)))
    ours = gradient(loss)
    assert len(changes) == len(LOSSES[loss])
    for change, other in zip(changes, LOSSES[loss], strict=True):
        np.testing.assert_allclose(gradient(other), number(change.factor) * ours, rtol=1e-12)


def test_regularised_losses_are_left_alone() -> None:
    assert conventions.changes(spec.loads(NETWORK.replace("LOSS", "sum((A - Y)**2)/N + sum(W**2)"))) == []


@pytest.mark.parametrize("preset", ["rows", "columns"])
@pytest.mark.parametrize("name", ["seed_003", "seed_002_batch", "seed_004", "seed_002"])
def test_the_product_in_the_other_layout_is_the_transpose_of_ours(name: str, preset: str) -> None:
    network = spec.load(str(gallery.path(name)))
    chosen = notation.load(preset)
    view = View(derive(network, chosen.choices), chosen)
    found = conventions.in_other_layout(view)
    assert found is not None
    here, there = found
    for ours, theirs in zip(here.cases, there.cases, strict=True):
        assert ours.node.axes == theirs.node.axes[::-1]
        ranges = here.equation.ranges
        assert same_terms(unlift(ours.node), unlift(theirs.node), ranges, network.depths)
    printed = [Printer(view.derivation, chosen).matrix(here.equation, each.cases) for each in found]
    assert printed[0] != printed[1]
