"""The generated module: right numbers in every notation and dtype, clear errors, code that reads like the page."""

from __future__ import annotations

import ast
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from symbackprop import adjoint, notation, spec
from symbackprop.emit.loops import emit_loops
from symbackprop.emit.numpy import emit_module, numbered

ROOT = Path(__file__).resolve().parents[2]
# the networks of tests/data/reading are only read: random values of some of their inputs are out of a root's domain
RUN = ("networks", "emission", "notation")
FILES = sorted(
    [
        *(ROOT / "symbackprop/gallery").glob("*.toml"),
        *(path for folder in RUN for path in (ROOT / "tests/data" / folder).glob("*.toml")),
    ]
)
LARGEST_ERROR = 1e-8
"""The modules' own check is exact to the fourth power of its step 1e-4; rounding leaves about 1e-11."""


def source(network, preset=None, *, relay=False):
    chosen = notation.load(preset or network.notation)
    derivation = adjoint.derive(network, chosen.choices)
    return emit_module(derivation, layout=notation.layout(network, chosen, relay=relay), preset=chosen)


def run(text, name="generated"):
    room = {"__name__": name}
    exec(compile(text, f"<{name}>", "exec"), room)
    return room


def module(path, preset=None, **options):
    return run(source(spec.load(str(path)), preset, **options))


def gallery(name):
    return next(path for path in FILES if path.stem == name)


def members(value):
    return [m for part in value for m in members(part)] if isinstance(value, list) else [value]


def mapped(value, change):
    if isinstance(value, dict):
        return {name: mapped(part, change) for name, part in value.items()}
    if isinstance(value, list):
        return [mapped(part, change) for part in value]
    return change(np.asarray(value))


def floats(dtype):
    return lambda array: array.astype(dtype) if array.dtype.kind == "f" else array


def example(room, seed=0):
    return room["_example"](np.random.default_rng(seed))


# ---------------------------------------------------------------------------------------------------------------------
# Numbers


@pytest.mark.parametrize("preset", [None, *(pytest.param(p, marks=pytest.mark.slow) for p in notation.names())])
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_gradients_agree_with_central_differences_in_every_notation(path, preset):
    room = module(path, preset)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        errors = room["check"](seed=3)
    assert max(errors.values()) < LARGEST_ERROR


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_gradients_agree_with_plain_loops(path):
    network = spec.load(str(path))
    derivation = adjoint.derive(network, notation.load(network.notation).choices)
    fast, slow = run(source(network)), run(emit_loops(derivation))
    parameters, inputs, functions = example(fast, 3)
    loss, gradients = fast["loss_and_gradients"](parameters, inputs, **functions)
    expected, witness = slow["loss_and_gradients"](parameters, inputs, **functions)
    assert loss == pytest.approx(expected, rel=1e-10, abs=1e-10)
    for name, value in gradients.items():
        for ours, theirs in zip(members(value), members(witness[name]), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_float32_stays_float32(path):
    room = module(path)
    parameters, inputs, functions = example(room)
    small = [mapped(each, floats(np.float32)) for each in (parameters, inputs)]
    loss, gradients = room["loss_and_gradients"](*small, **functions)
    tensors = room["forward"](*small, **functions)
    stepped = room["gradient_step"](small[0], gradients, 0.1)
    for found in (gradients, tensors, stepped):
        arrays = [a for a in members(list(found.values())) if a is not None]
        assert {np.asarray(a).dtype for a in arrays} <= {np.dtype(np.float32)}
    exact, _ = room["loss_and_gradients"](parameters, inputs, **functions)
    assert isinstance(loss, float)
    assert loss == pytest.approx(exact, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("name", ["seed_003", "seed_002_batch", "wildml", "seed_004_general", "lstm"])
def test_rows_and_columns_give_the_same_numbers_up_to_transposition(name):
    network = spec.load(str(gallery(name)))
    rooms = {preset: run(source(network, preset, relay=True)) for preset in ("rows", "columns")}
    layouts = {p: notation.layout(network, notation.load(p), relay=True) for p in rooms}
    parameters, inputs, functions = example(rooms["rows"])
    turned = {name for name in network.tensors if layouts["rows"][name] != layouts["columns"][name]}
    assert turned

    def other(values):
        return {k: mapped(v, np.transpose) if k in turned else v for k, v in values.items()}

    loss, gradients = rooms["rows"]["loss_and_gradients"](parameters, inputs, **functions)
    again, found = rooms["columns"]["loss_and_gradients"](other(parameters), other(inputs), **functions)
    assert again == pytest.approx(loss, rel=1e-12)
    for parameter, gradient in other(gradients).items():
        for ours, theirs in zip(members(gradient), members(found[parameter]), strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "shorthand",
    [
        "mlp:4-3-2",
        "mlp:3-4-2,relu,softmax,cross_entropy",
        "mlp:3-4-1,tanh,sigmoid,binary_cross_entropy",
    ],
)
def test_large_inputs_in_float32_give_no_warning_and_the_right_digits(shorthand):
    room = module(shorthand)
    rng = np.random.default_rng(1)
    parameters, inputs, functions = example(room)
    parameters = mapped(parameters, floats(np.float32))
    inputs = mapped(inputs, floats(np.float32))
    inputs["X"] = (np.sign(rng.standard_normal(inputs["X"].shape)) * 1e4).astype(np.float32)
    if "softmax" in shorthand:
        inputs["y"] = np.eye(inputs["y"].shape[1], dtype=np.float32)[np.arange(len(inputs["y"])) % 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss, gradients = room["loss_and_gradients"](parameters, inputs, **functions)
    with np.errstate(all="ignore"):
        exact, expected = room["loss_and_gradients"](
            mapped(parameters, floats(np.longdouble)), mapped(inputs, floats(np.longdouble)), **functions
        )
    assert loss == pytest.approx(exact, rel=1e-5)
    for name, gradient in gradients.items():
        scale = max(float(np.max(np.abs(expected[name]))), 1e-30)
        np.testing.assert_allclose(gradient / scale, expected[name] / scale, atol=1e-4)


# ---------------------------------------------------------------------------------------------------------------------
# Families


def layers(sizes, rng):
    return {
        "W": [rng.standard_normal((b, a)) for a, b in pairwise(sizes)],
        "b": [rng.standard_normal(b) for b in sizes[1:]],
    }


@pytest.mark.parametrize("sizes", [(3,), (3, 2), (1, 1, 1), (2, 3, 4, 5, 6, 2)])
def test_depth_and_sizes_come_from_the_arrays(sizes):
    room, rng = module(gallery("seed_002")), np.random.default_rng(0)
    inputs = {"x": rng.standard_normal(sizes[0]), "y": rng.standard_normal(sizes[-1])}
    functions = {"sigma": [(np.tanh, lambda z: 1 - np.tanh(z) ** 2)] * (len(sizes) - 1)}
    parameters = layers(sizes, rng)
    _, gradients = room["loss_and_gradients"](parameters, inputs, **functions)
    assert [g.shape for g in gradients["W"]] == [w.shape for w in parameters["W"]]
    for layer, gradient in enumerate(gradients["W"]):
        moved = layers(sizes, np.random.default_rng(0))
        moved["W"][layer], moved["b"] = parameters["W"][layer].copy(), parameters["b"]
        moved["W"] = [w.copy() for w in parameters["W"]]
        losses = []
        for step in (1e-5, -1e-5):
            moved["W"][layer] = parameters["W"][layer].copy()
            moved["W"][layer][0, 0] += step
            losses.append(room["loss_and_gradients"](moved, inputs, **functions)[0])
        assert (losses[0] - losses[1]) / 2e-5 == pytest.approx(gradient[0, 0], rel=1e-5, abs=1e-7)


def test_a_family_given_as_one_array_has_its_gradient_so():
    room, rng = module(gallery("seed_002")), np.random.default_rng(0)
    parameters = layers((3, 3, 3), rng)
    inputs = {"x": rng.standard_normal(3), "y": rng.standard_normal(3)}
    functions = {"sigma": [(np.sin, np.cos)] * 2}
    _, expected = room["loss_and_gradients"](parameters, inputs, **functions)
    stacked = {name: np.stack(value) for name, value in parameters.items()}
    _, found = room["loss_and_gradients"](stacked, inputs, **functions)
    np.testing.assert_array_equal(found["W"], np.stack(expected["W"]))
    assert room["gradient_step"](stacked, found, 0.1)["W"].shape == (2, 3, 3)
    np.testing.assert_array_equal(room["flatten"](found), room["flatten"](expected))
    empty = {"W": np.zeros((0, 3, 3)), "b": np.zeros((0, 3))}
    assert room["loss_and_gradients"](empty, inputs, sigma=[])[1]["W"].shape == (0, 3, 3)


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_recurrences_run_for_any_number_of_steps(steps):
    room, rng = module(gallery("birnn")), np.random.default_rng(0)
    parameters, inputs, _ = example(room)
    inputs["x"] = [rng.standard_normal(inputs["x"][0].shape) for _ in range(steps)]
    inputs["y"] = [rng.standard_normal(inputs["y"][0].shape) for _ in range(steps)]
    loss, gradients = room["loss_and_gradients"](parameters, inputs)
    assert (loss == 0) == (steps == 0)
    assert all(gradients[name].shape == parameters[name].shape for name in parameters)


def test_loops_run_in_the_direction_of_the_recurrence():
    text = source(spec.load(str(gallery("birnn"))))
    forward = text[text.index("def forward") : text.index("def loss_and_gradients")]
    assert "for t in range(1, T + 1):" in forward
    assert "for t in range(T, 0, -1):" in forward


# ---------------------------------------------------------------------------------------------------------------------
# Arguments


def rows():
    room = module(gallery("seed_003"))
    return room, *example(room)[:2]


ERRORS = [
    ({"W1": np.ones((3, 2))}, {}, "W1 has axes (d, h): expected shape (4, 2), found (3, 2)"),
    ({"W2": np.ones(2)}, {}, "W2 has axes (h, o): expected 2 of them, found shape (2,)"),
    ({"W3": np.ones(2)}, {}, "unknown name 'W3' in parameters; expected W1, W2"),
    ({}, {"Y": np.ones((2, 2))}, "Y has axes (N, o): expected shape (5, 2), found (2, 2)"),
    ({"W1": [["a"]]}, {}, "W1: expected numbers, found an array of dtype <U1"),
    ({}, {"X": np.ones((0, 4))}, "X: an axis N of length 0 makes N = 0; expected at least 1"),
]


@pytest.mark.parametrize(("parameters", "inputs", "message"), ERRORS)
def test_errors_name_tensor_axes_expected_and_found(parameters, inputs, message):
    room, own_parameters, own_inputs = rows()
    own_parameters["W1"], own_inputs["X"] = np.ones((4, 2)), np.ones((5, 4))
    own_parameters["W2"], own_inputs["Y"] = np.ones((2, 3)), np.ones((5, 3))
    if "Y" in inputs:
        own_inputs["Y"] = inputs["Y"]
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        room["forward"]({**own_parameters, **parameters}, {**own_inputs, **inputs})
    if "Y" in inputs:
        assert str(caught.value).startswith("Y has axes (N, o): expected shape (5, ")
    else:
        assert str(caught.value) == message


def test_missing_names_are_named():
    room, parameters, inputs = rows()
    del parameters["W2"]
    with pytest.raises(ValueError, match="'W2' is missing in parameters; expected W1, W2"):
        room["loss_and_gradients"](parameters, inputs)


def test_members_of_families_are_named_with_their_index():
    room = module(gallery("seed_002"))
    parameters = {"W": [np.ones((2, 3)), np.ones((3, 3))], "b": [np.ones(2), np.ones(3)]}
    right = {"W": [np.ones((2, 3)), np.ones((3, 2))], "b": [np.ones(2)]}
    message = r"W\[2\] has axes \(n\[2\], n\[1\]\): expected shape \(3, 2\), found \(3, 3\)"
    with pytest.raises(ValueError, match=message):
        room["forward"](parameters, {"x": np.ones(3), "y": np.ones(3)}, sigma=[(np.sin, np.cos)] * 2)
    with pytest.raises(ValueError, match=r"the list b has axes \(L\): expected shape \(2,\), found \(1,\)"):
        room["forward"](right, {"x": np.ones(3), "y": np.ones(3)}, sigma=[])


def test_affine_axes_are_solved_for_their_sizes():
    room = module(gallery("pool"))
    assert room["forward"]({"x": np.arange(6.0).reshape(1, 6)}, {"y": np.zeros((1, 3))})["m"].tolist() == [[1, 3, 5]]
    with pytest.raises(ValueError, match=r"x: an axis 2\*T of length 5 leaves no whole number for T|x has axes"):
        room["forward"]({"x": np.ones((1, 5))}, {"y": np.zeros((1, 3))})


def test_integer_inputs_are_checked():
    room = module(gallery("embed"))
    parameters, inputs, _ = example(room)
    with pytest.raises(ValueError, match="ids: expected whole numbers, found dtype float64"):
        room["forward"](parameters, {**inputs, "ids": inputs["ids"] * 1.0})
    with pytest.raises(ValueError, match="ids: expected numbers from 0 to 4, found"):
        room["forward"](parameters, {**inputs, "ids": inputs["ids"] + 5})


def test_facts_on_which_gradients_rest_are_tested():
    room = module(gallery("wildml"))
    parameters, inputs, _ = example(room)
    with pytest.raises(ValueError, match=r"y does not satisfy sum\(y, 'o'\) == 1, on which the gradients rest"):
        room["loss_and_gradients"](parameters, {**inputs, "y": inputs["y"] * 2})


def test_whole_number_parameters_become_floats_and_arguments_stay_as_they_are():
    room, parameters, inputs = rows()
    whole = {name: np.ones(value.shape, int) for name, value in parameters.items()}
    loss, gradients = room["loss_and_gradients"](whole, inputs)
    assert gradients["W1"].dtype == np.float64
    assert whole["W1"].dtype.kind == "i"
    assert np.isfinite(loss)


def test_gradients_share_no_memory():
    room = module(gallery("seed_002"))
    parameters, inputs, functions = example(room)
    _, gradients = room["loss_and_gradients"](parameters, inputs, **functions)
    arrays = [array for value in gradients.values() for array in value]
    assert not any(np.shares_memory(a, b) for k, a in enumerate(arrays) for b in arrays[:k])


# ---------------------------------------------------------------------------------------------------------------------
# Steps, vectors, mini-batches, the script


def test_training_lowers_the_loss():
    room, parameters, inputs = rows()
    before, _ = room["loss_and_gradients"](parameters, inputs)
    trained = room["train"](parameters, inputs, rate=0.5, batch_size=2, epochs=50, rng=np.random.default_rng(0))
    assert room["loss_and_gradients"](trained, inputs)[0] < before


def test_one_batch_of_all_examples_is_one_step():
    room, parameters, inputs = rows()
    _, gradients = room["loss_and_gradients"](parameters, inputs)
    expected = room["gradient_step"](parameters, gradients, 0.1)
    found = room["train"](parameters, inputs, rate=0.1, batch_size=100, epochs=1)
    np.testing.assert_allclose(found["W1"], expected["W1"])


def test_training_takes_examples_of_families_given_as_one_array():
    room = module(gallery("lstmloop"))
    parameters, inputs, _ = example(room)
    listed = room["train"](parameters, inputs, batch_size=1, epochs=2, rng=np.random.default_rng(0))
    stacked = {**inputs, "x": np.stack(inputs["x"])}
    again = room["train"](parameters, stacked, batch_size=1, epochs=2, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(listed["W"], again["W"])


def test_a_parameter_without_effect_has_a_zero_gradient():
    network = spec.network(
        name="idle",
        forward="C = sum((X @ W)**2)",
        loss="C",
        parameters=["W", "B"],
        shapes={"X": "N d", "W": "d h", "B": "h"},
    )
    room = run(source(network))
    parameters, inputs, _ = example(room)
    assert not room["loss_and_gradients"](parameters, inputs)[1]["B"].any()


def test_flatten_is_in_the_order_of_the_parameters():
    room, parameters, inputs = rows()
    _, gradients = room["loss_and_gradients"](parameters, inputs)
    vector = room["flatten"](gradients)
    np.testing.assert_array_equal(vector, np.concatenate([gradients["W1"].ravel(), gradients["W2"].ravel()]))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_modules_import_numpy_alone_and_have_no_long_lines(path):
    text = source(spec.load(str(path)))
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert [alias.name for node in imports for alias in node.names] == ["numpy"]
    ast.parse(text, feature_version=(3, 8))
    assert max(map(len, text.splitlines())) <= 140


def test_as_a_script_a_module_checks_itself(capsys):
    with pytest.raises(SystemExit) as stopped:
        run(source(spec.load(str(gallery("seed_003")))), "__main__")
    assert stopped.value.code == 0
    assert capsys.readouterr().out.split() == ["W1", "right", "W2", "right"]


def test_a_wrong_gradient_fails_the_script(capsys):
    text = source(spec.load(str(gallery("seed_003"))))
    with pytest.raises(SystemExit) as stopped:
        run(text.replace("X.T @ H_delta / N", "X.T @ H_delta"), "__main__")
    assert stopped.value.code == 1
    assert "W1           wrong by" in capsys.readouterr().out


# ---------------------------------------------------------------------------------------------------------------------
# How it reads


LINES = {
    "seed_000": [
        "k[i] = 2 * (yhat - y) * f_prime(s[n + 1])",
        "k[i] = (W[i + 1].T @ k[i + 1]) * f_prime(s[i])",
        "dW[i] = np.outer(k[i], z[i - 1])",
    ],
    "seed_001": ["dWx = np.outer(dH1, X1) + np.outer(dH2, X2)", "dH1 = Wh.T @ dH2"],
    "seed_002": ["z[l] = W[l] @ a[l - 1] + b[l]", "da[l] = 2 * (a[L] - y)", "dW[l] = np.outer(db[l], a[l - 1])"],
    "seed_003": [
        "O_delta = 2 * (O_out - Y) * O_out * (1 - O_out)",
        "H_error = O_delta @ W2.T",
        "H_delta = H_error * H_out * (1 - H_out)",
        "dW1 = X.T @ H_delta / N",
    ],
    "wildml": ["z1 = x @ W1 + b1", "L = -np.sum(y * log_softmax(z2)) / N", "z2_delta = yhat - y"],
    "lstm": ["cat = np.concatenate([a_prev, x])", "p_f = W_f @ cat + b_f[:, None]"],
    "embed": ["x = E[ids]", "dE = scatter_add(dx, ids, V)"],
    "ae_tied": ["ahat = c + W.T @ h"],
}


@pytest.mark.parametrize(("name", "lines"), LINES.items())
def test_code_reads_like_the_page(name, lines):
    code = [line.split("  #")[0].strip() for line in source(spec.load(str(gallery(name)))).splitlines()]
    assert [line for line in lines if line not in code] == []


def test_comments_carry_shapes_and_the_numbers_of_equations():
    network = spec.load(str(gallery("seed_003")))
    derivation = adjoint.derive(network, notation.load("rows").choices)
    text = emit_module(derivation, preset=notation.load("rows"))
    for number, equation in numbered(derivation):
        assert f"({number})" in text
        assert str(equation.lhs)
    assert "# (N, h)   (1)" in text


NAMES = """
np_ = X @ W
sizes = tanh(np_)
forward = sizes * 2
dW = forward + 1
C = sum((dW - Y)**2) / N
"""


def test_names_never_collide_with_those_of_the_module():
    network = spec.network(
        name="awkward",
        forward=NAMES,
        loss="C",
        parameters=["W"],
        shapes={"X": "N dtype", "W": "dtype range", "Y": "N range"},
    )
    room = run(source(network))
    assert max(room["check"]().values()) < LARGEST_ERROR
    assert set(room["forward"](*example(room)[:2])) == {"np_", "sizes", "forward", "dW", "C"}
