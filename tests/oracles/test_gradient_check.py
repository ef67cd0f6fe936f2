"""The gradient check is itself checked: a right module passes, and each planted fault is caught and named."""

from __future__ import annotations

import json
import traceback
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from symbackprop import spec
from symbackprop.check import TOLERANCE, check
from symbackprop.check.gradients import is_analytic
from symbackprop.check.module import run
from symbackprop.check.report import Report, Row, bound, shown
from symbackprop.errors import DerivationError

NETWORK = """
name = "shared"
loss = "C"
parameters = ["W", "b", "U"]
forward = '''
H = tanh(X @ W + b)
G = sigmoid(H @ U)
K = sigmoid(G @ U)
C = sum((K - Y)**2) / N
'''
[shapes]
X = "N d"
W = "d h"
b = "h"
U = "h h"
Y = "N h"
[sizes]
N = 5
d = 3
h = 4
"""

MODULE = """
import numpy as np

PARAMETERS = {"W": ("d", "h"), "b": ("h",), "U": ("h", "h")}
INPUTS = {"X": ("N", "d"), "Y": ("N", "h")}


def sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def forward(parameters, inputs):
    W, b, U = parameters["W"], parameters["b"], parameters["U"]
    X, Y = inputs["X"], inputs["Y"]
    N = X.shape[0]
    H = np.tanh(X @ W + b)
    G = sigmoid(H @ U)
    K = sigmoid(G @ U)
    C = np.sum((K - Y) ** 2) / N
    return {"H": H, "G": G, "K": K, "C": C}


def loss_and_gradients(parameters, inputs):
    U, X, Y = parameters["U"], inputs["X"], inputs["Y"]
    N = X.shape[0]
    values = forward(parameters, inputs)
    H, G, K = values["H"], values["G"], values["K"]
    K_delta = 2 / N * (K - Y) * K * (1 - K)
    G_delta = K_delta @ U.T * G * (1 - G)
    H_delta = G_delta @ U.T * (1 - H**2)
    dU = G.T @ K_delta + H.T @ G_delta
    db = np.sum(H_delta, axis=0)
    dW = X.T @ H_delta
    return float(values["C"]), {"W": dW, "b": db, "U": dU}
"""

FAULTS = {
    # name:               (right text, wrong text, parameters whose gradients become wrong)
    "slope wrong by 0.1 %": ("(1 - H**2)", "1.001 * (1 - H**2)", {"W", "b"}),
    "transpose dropped": ("G_delta @ U.T", "G_delta @ U", {"W", "b"}),
    "sum over the batch missing": ("np.sum(H_delta, axis=0)", "H_delta[0]", {"b"}),
    "1/N lost": ("2 / N * (K", "2 * (K", {"W", "b", "U"}),
    "contribution to a shared weight dropped": (" + H.T @ G_delta", "", {"U"}),
    "sign of one gradient": ("dW = X.T", "dW = -X.T", {"W"}),
    "factor 2 lost": ("2 / N * (K", "1 / N * (K", {"W", "b", "U"}),
    "derivative of the wrong function": ("* G * (1 - G)", "* (1 - G**2)", {"W", "b", "U"}),
    "one entry wrong by 0.01 %": ("    return float", "    dW[1, 2] *= 1.0001\n    return float", {"W"}),
    "not a number": ("    return float", "    db = db + np.nan\n    return float", None),
}


@pytest.fixture(scope="module")
def derivation():
    return SimpleNamespace(network=spec.loads(NETWORK))


def test_right_module_passes_with_digits_to_spare(derivation):
    report = check(derivation, MODULE)
    assert report.passed
    assert [row.parameter for row in report.rows] == ["W", "b", "U"]
    assert report.largest < 1e-10
    assert all(row.method.startswith("complex step and central differences, 3 directions") for row in report.rows)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("seed", [0, 1])
def test_planted_fault_is_caught_and_named(derivation, fault, seed):
    right, wrong, parameters = FAULTS[fault]
    assert MODULE.count(right) == 1
    faulty = MODULE.replace(right, wrong)
    if parameters is None:
        with pytest.raises(DerivationError, match="none of 12 random points has a finite loss"):
            check(derivation, faulty, seed)
        return
    report = check(derivation, faulty, seed)
    assert not report.passed
    assert {row.parameter for row in report.rows if not row.passed} == parameters
    assert all(row.error > 1e2 * TOLERANCE for row in report.rows if not row.passed)


def test_wrong_loss_with_matching_gradients_is_caught(derivation):
    doubled = MODULE.replace("np.sum((K - Y) ** 2) / N", "2 * np.sum((K - Y) ** 2) / N").replace(
        "2 / N * (K", "4 / N * (K"
    )
    report = check(derivation, doubled)
    assert all(row.passed for row in report.rows)
    assert not report.passed
    assert "the loss of the code differs from the network's equations" in str(report)


def test_gradient_of_the_wrong_shape_is_an_error(derivation):
    with pytest.raises(DerivationError, match="the gradient of U has the shapes"):
        check(derivation, MODULE.replace("dU = G.T @ K_delta + H.T @ G_delta", "dU = np.sum(K_delta, axis=0)"))


def test_code_that_fails_is_an_error_that_names_the_network(derivation):
    with pytest.raises(DerivationError, match="shared: the generated code fails: NameError: name 'nothing'"):
        check(derivation, MODULE.replace("    return float", "    nothing()\n    return float"))


def test_check_is_the_same_every_time(derivation):
    assert str(check(derivation, MODULE)) == str(check(derivation, MODULE))
    assert str(check(derivation, MODULE, 5)) == str(check(derivation, MODULE))  # only bounds are printed


def test_module_without_complex_numbers_is_checked_by_differences(derivation):
    real = MODULE.replace(
        'parameters["W"], parameters["b"]', 'np.asarray(parameters["W"], dtype=float), parameters["b"]'
    )
    report = check(derivation, real)
    assert report.passed
    assert report.rows[0].method.startswith("central differences")
    assert report.rows[1].method.startswith("complex step")


def test_kinks_are_avoided(derivation):
    text = NETWORK.replace("tanh(", "relu(")
    module = MODULE.replace("np.tanh(X @ W + b)", "np.maximum(X @ W + b, 0)").replace("(1 - H**2)", "(H > 0)")
    report = check(SimpleNamespace(network=spec.loads(text)), module)
    assert report.passed
    wrong = check(SimpleNamespace(network=spec.loads(text)), module.replace("(H > 0)", "1.0"))
    assert not wrong.passed


def test_functions_with_corners_are_not_analytic():
    text = NETWORK.replace("tanh(", "abs(")
    assert not is_analytic(spec.loads(text))
    assert is_analytic(spec.loads(NETWORK))


def test_huge_sizes_are_replaced_and_said_so(derivation):
    text = NETWORK.replace("N = 5", "N = 1000000000")
    report = check(SimpleNamespace(network=spec.loads(text)), MODULE)
    assert report.passed
    assert any("instead of 1000000000" in note for note in report.notes)


def test_traceback_of_generated_code_shows_its_line():
    module = run("def forward(x):\n    return x.nothing\n", "shown")
    try:
        module.forward(np.zeros(2))
    except AttributeError:
        text = traceback.format_exc()
    assert "<generated shown.py>" in text
    assert "return x.nothing" in text


def test_report_as_text_and_json():
    report = Report(
        network="n",
        seed=3,
        notes=("smooth stand-in for f",),
        rows=(Row(parameter="W", error=3e-14, method="m"), Row(parameter="b", error=0.0123, method="m")),
    )
    assert str(report).splitlines() == [
        "parameter  relative error  method",
        "W          < 1e-9          m       ok",
        "b          2e-2            m       WRONG",
        "largest relative error 2e-2, of 1e-8 allowed",
        "note: smooth stand-in for f",
    ]
    data = json.loads(json.dumps(report.as_dict()))
    assert data["parameters"][0] == {"parameter": "W", "error_below": 1e-9, "method": "m", "passed": True}
    assert data["passed"] is False
    assert not replace(report, rows=(replace(report.rows[0], error=float("nan")),)).passed


@pytest.mark.parametrize(
    ("error", "number", "text"),
    [
        (0.0, 1e-9, "< 1e-9"),
        (9.9e-10, 1e-9, "< 1e-9"),
        (1.1e-9, 2e-9, "2e-9"),
        (1e-8, 1e-8, "1e-8"),
        (0.00999, 0.01, "1e-2"),
        (3.0, 3.0, "3e0"),
        (float("inf"), None, "not a number"),
    ],
)
def test_errors_are_shown_as_bounds_of_one_digit(error, number, text):
    assert bound(error) == number
    assert shown(error) == text
