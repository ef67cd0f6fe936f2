"""Every function, loss and layer of the tables in generated code: right gradients, stable in float32."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from symbackprop import adjoint, notation, spec
from symbackprop.emit.numpy import emit_module
from symbackprop.tables.activations import ACTIVATION

DENSE = {"X": "N d", "W": "d h", "b": "h", "Y": "N h"}
SIZES = {"N": 3, "d": 2, "h": 4}
POSITIVE = {"log", "sqrt"}
LARGE = 1e4

LOSSES = {
    "mse": "mse(z, Y)",
    "squared_error": "squared_error(z, Y)",
    "cross_entropy": 'cross_entropy(softmax(z, "h"), Y)',
    "cross_entropy_with_logits": "cross_entropy_with_logits(z, Y)",
    "binary_cross_entropy": "binary_cross_entropy(sigmoid(z), Y)",
    "binary_cross_entropy_with_logits": "binary_cross_entropy_with_logits(z, Y)",
    "huber": "huber(z, Y)",
    "hinge": "hinge(z, Y)",
}

LAYERS = {
    "dense": ("y = dense(x, W, b)", {"x": "N d", "W": "d h", "b": "h"}),
    "rnn_cell": ("y = rnn_cell(x, h, W, U, b)", {"x": "N d", "h": "N n", "W": "d n", "U": "n n", "b": "n"}),
    "lstm_cell": (
        "y, c1 = lstm_cell(x, h, c, W, U, b)",
        {"x": "N d", "h": "N n", "c": "N n", "W": "d 4*n", "U": "n 4*n", "b": "4*n"},
    ),
    "gru_cell": ("y = gru_cell(x, h, W, U, b)", {"x": "N d", "h": "N n", "W": "d 3*n", "U": "n 3*n", "b": "3*n"}),
    "layer_norm": ("y = layer_norm(x, gamma, beta)", {"x": "N d", "gamma": "d", "beta": "d"}),
    "batch_norm": ("y = batch_norm(x, gamma, beta)", {"x": "N d", "gamma": "d", "beta": "d"}),
    "attention": ("y = attention(q, k, v)", {"q": "T d", "k": "S d", "v": "S h"}),
}
LAYER_SIZES = {"N": 3, "d": 2, "n": 4, "h": 5, "T": 3, "S": 4}


def run(network, preset="deltas"):
    chosen = notation.load(preset)
    text = emit_module(adjoint.derive(network, chosen.choices), preset=chosen)
    room = {"__name__": "generated"}
    exec(compile(text, f"<{network.name}>", "exec"), room)
    return room


def cast(values, dtype):
    return {name: np.asarray(value, dtype) for name, value in values.items()}


def scaled(value):
    return max(float(np.max(np.abs(value))), 1e-30)


def close_in_float32(room, parameters, inputs):
    """No warning in float32, and the digits of extended precision."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss, gradients = room["loss_and_gradients"](cast(parameters, np.float32), cast(inputs, np.float32))
    with np.errstate(all="ignore"):
        exact, expected = room["loss_and_gradients"](
            cast(cast(parameters, np.float32), np.longdouble), cast(cast(inputs, np.float32), np.longdouble)
        )
    assert loss == pytest.approx(exact, rel=1e-5, abs=1e-30)
    for name, gradient in gradients.items():
        scale = scaled(expected[name])
        np.testing.assert_allclose(gradient / scale, expected[name] / scale, atol=1e-4)


@pytest.mark.parametrize("preset", ["deltas", "rows"])
@pytest.mark.parametrize("name", sorted(ACTIVATION))
def test_activations(name, preset):
    argument = "square(X @ W + b) + 1" if name in POSITIVE else "X @ W + b"
    network = spec.network(
        name="activation",
        forward=f"z = {argument}\na = {name}(z)\nC = sum(a * Y)",
        loss="C",
        parameters=["W", "b"],
        shapes=DENSE,
        sizes=SIZES,
    )
    room = run(network, preset)
    assert max(room["check"](seed=2).values()) < 1e-8
    row = ACTIVATION[name]
    if row.domain[0] > -LARGE or row.domain[1] < LARGE or name in {"sin", "cos"}:
        return
    rng = np.random.default_rng(0)
    parameters = {"W": np.eye(2, 4), "b": np.zeros(4)}
    inputs = {"X": np.sign(rng.standard_normal((3, 2))) * LARGE, "Y": rng.standard_normal((3, 4))}
    close_in_float32(room, parameters, inputs)


@pytest.mark.parametrize("preset", ["deltas", "rows", "columns"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, preset):
    network = spec.network(
        name="loss",
        forward=f"z = X @ W + b\nC = {LOSSES[name]}",
        loss="C",
        parameters=["W", "b"],
        shapes=DENSE,
        sizes=SIZES,
    )
    room = run(network, preset)
    assert max(room["check"](seed=2).values()) < 1e-8
    rng = np.random.default_rng(0)
    parameters = {"W": np.eye(2, 4) + np.eye(2, 4, 2), "b": np.zeros(4)}
    inputs = {"X": rng.uniform(-1, 1, (3, 2)) * LARGE, "Y": np.eye(4)[[1, 0, 2]]}
    close_in_float32(room, parameters, inputs)


@pytest.mark.parametrize("relay", [False, True])
def test_logarithms_of_softmax_are_stable_in_any_storage(relay):
    network = spec.network(
        name="loss",
        forward='z = X @ W + b\np = softmax(z, "h")\nC = -sum(Y * log(p))',
        loss="C",
        parameters=["W", "b"],
        shapes=DENSE,
        sizes=SIZES,
    )
    chosen = notation.load("columns")
    layout = notation.layout(network, chosen, relay=relay)
    room = {"__name__": "generated"}
    exec(emit_module(adjoint.derive(network, chosen.choices), layout=layout, preset=chosen), room)
    parameters, inputs, _ = room["_example"](np.random.default_rng(0))
    close_in_float32(room, parameters, {**inputs, "X": inputs["X"] * LARGE, "Y": np.abs(inputs["Y"])})


@pytest.mark.parametrize("preset", ["deltas", "rows", "columns"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, preset):
    text, shapes = LAYERS[name]
    used = {name: size for name, size in LAYER_SIZES.items() if any(name in axes for axes in shapes.values())}
    network = spec.network(
        name="layer", forward=f"{text}\nC = sum(sin(y))", loss="C", parameters=list(shapes), shapes=shapes, sizes=used
    )
    assert max(run(network, preset)["check"](seed=2).values()) < 1e-8
