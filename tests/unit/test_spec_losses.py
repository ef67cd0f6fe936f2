"""Every loss of the table has the value of its textbook formula, factor included."""

from __future__ import annotations

import numpy as np
import pytest

from symbackprop import oracle, spec
from symbackprop.errors import SpecError
from symbackprop.tables.losses import LOSS, names

RNG = np.random.default_rng(0)
Y = RNG.dirichlet(np.ones(4), size=5)
P = RNG.dirichlet(np.ones(4), size=5)
Z = 3 * RNG.standard_normal((5, 4))


def _log_softmax(z):
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


REFERENCE = {
    "mse": (Z, Y, lambda p, y: ((p - y) ** 2).sum() / p.size),
    "squared_error": (Z, Y, lambda p, y: ((p - y) ** 2).sum()),
    "cross_entropy": (P, Y, lambda p, y: -(y * np.log(p)).sum() / (p.size // p.shape[-1])),
    "cross_entropy_with_logits": (Z, Y, lambda z, y: -(y * _log_softmax(z)).sum() / (z.size // z.shape[-1])),
    "binary_cross_entropy": (P, Y, lambda p, y: -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum() / p.size),
    "binary_cross_entropy_with_logits": (
        Z,
        Y,
        lambda z, y: -(y * np.log(_sigmoid(z)) + (1 - y) * np.log(1 - _sigmoid(z))).sum() / z.size,
    ),
    "huber": (Z, Y, lambda p, y: np.where(abs(p - y) <= 1, (p - y) ** 2 / 2, abs(p - y) - 0.5).sum() / p.size),
    "hinge": (Z, np.sign(Z[::-1]), lambda p, y: np.maximum(0, 1 - y * p).sum() / p.size),
}


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("axes", ["N o", "o"])
def test_loss_has_its_formula_and_factor(name, axes):
    p, y, reference = REFERENCE[name]
    p, y = (p, y) if axes == "N o" else (p[0], y[0])
    network = spec.network(
        name="net", forward=f"C = {name}(p, y)", loss="C", parameters=["p"], shapes={"p": axes, "y": axes}
    )
    values = oracle.Values(sizes={"N": 5, "o": 4}, arrays={("p", ()): p, ("y", ()): y})
    found = oracle.Interpreter(network, values).tensor("C")
    assert float(found) == pytest.approx(reference(p, y), rel=1e-12)


def test_every_loss_says_what_it_divides_by():
    assert set(REFERENCE) == set(LOSS)
    assert all(row.factor and row.source and row.latex for row in LOSS.values())


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        ("C = mse(p)", "'mse' with 1 arguments; write mse(p, y)"),
        ("C = mse(p, w)", "mse compares arrays of equal axes, not (N, o) with (N); for class labels write onehot(y)"),
        ("C = mse(p, y, delta=2)", "'mse' has no option 'delta'; write mse(p, y)"),
        ("C = cross_entropy(s, s)", "cross_entropy needs an axis of classes, and its arguments are scalars"),
        ("C = mse2(p, y)", "unknown function 'mse2'; did you mean 'mse'?"),
    ],
)
def test_losses_say_how_they_are_called(forward, message):
    shapes = {"p": "N o", "y": "N o", "w": "N", "s": ""}
    with pytest.raises(SpecError) as caught:
        spec.network(name="net", forward=forward, loss="C", parameters=["p"], shapes=shapes)
    assert caught.value.message.startswith(message)


def test_loss_of_a_product_names_the_product_once():
    network = spec.network(
        name="net",
        forward="C = huber(X @ W, Y)",
        loss="C",
        parameters=["W"],
        shapes={"X": "N d", "W": "d o", "Y": "N o"},
    )
    assert [e.lhs.tensor for e in network.equations] == ["s", "C"]
