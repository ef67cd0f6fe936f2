"""Backward passes of different habits: what they assign is judged right, and a planted fault is found."""

from __future__ import annotations

import contextlib
import json

import pytest

from symbackprop import spec
from symbackprop.errors import SpecError
from symbackprop.handwritten.document import read
from symbackprop.handwritten.python_source import from_cells, parse
from symbackprop.verify.python import judge_program
from symbackprop.verify.world import Worlds

TWO = """
name = "two"
loss = "C"
parameters = ["W1", "b1", "W2", "b2"]
forward = '''
Z1 = X @ W1 + b1
A1 = sigmoid(Z1)
Z2 = A1 @ W2 + b2
P = softmax(Z2, "k")
C = -sum(Y * log(P)) / N
'''
[shapes]
X = "N d"
W1 = "d h"
b1 = "h"
W2 = "h k"
b2 = "k"
Y = "N k"
[facts]
onehot = "sum(Y, 'k') == 1"
"""
DEEP = """
name = "deep"
loss = "C"
parameters = ["W", "b"]
forward = '''
a[0] = x
for l in 1..L:
    z[l] = W[l] @ a[l-1] + b[l]
    a[l] = sigma[l](z[l])
C = sum((a[L] - y)**2) / 2
'''
[shapes]
x = "n[0]"
"W[l]" = "n[l] n[l-1]"
"b[l]" = "n[l]"
y = "n[L]"
[functions]
"sigma[l]" = "opaque"
[sizes]
L = 3
n = [2, 4, 5, 3]
"""
SIGMOIDS = DEEP.replace("sigma[l](z[l])", "sigmoid(z[l])").replace('[functions]\n"sigma[l]" = "opaque"\n', "")
RECURRENT = """
name = "rnn"
loss = "L"
parameters = ["Wx", "Wh", "Wy", "bh"]
forward = '''
h[0] = h0
for t in 1..T:
    h[t] = tanh(Wx @ x[t] + Wh @ h[t-1] + bh)
    p[t] = softmax(Wy @ h[t], "v")
    E[t] = -sum(y[t] * log(p[t]))
L = sum(E[t], t)
'''
[shapes]
h0 = "n"
Wx = "n d"
Wh = "n n"
Wy = "v n"
bh = "n"
"x[t]" = "d"
"y[t]" = "v"
[facts]
onehot = "sum(y[t], 'v') == 1"
[sizes]
T = 3
n = 4
d = 2
v = 5
"""
SQUARES = """
name = "squares"
loss = "L"
parameters = ["w", "b"]
forward = '''
yhat = X @ w + b
L = sum((yhat - y)**2) / n
'''
[shapes]
X = "n p"
w = "p"
b = ""
y = "n"
"""

PLAIN = (
    TWO,
    """
import numpy as np

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

Z1 = X @ W1 + b1
A1 = sigmoid(Z1)
P = np.exp(A1 @ W2 + b2)
P /= P.sum(axis=1, keepdims=True)
dZ2 = (P - Y) / N
dW2 = A1.T @ dZ2
db2 = dZ2.sum(axis=0)
dA1 = dZ2 @ W2.T
dZ1 = dA1 * A1 * (1 - A1)
dW1 = X.T @ dZ1
db1 = np.sum(dZ1, axis=0)
""",
    [
        ("dZ2 @ W2.T", "dZ2 @ W2"),
        ("A1 * (1 - A1)", "(1 - A1)"),
        ("X.T @ dZ1", "X.T @ dA1"),
        ("P - Y", "Y - P"),
        ("np.sum(dZ1, axis=0)", "np.mean(dZ1, axis=0)"),
        ("dZ2.sum(axis=0)", "dZ2.sum(axis=1)"),
    ],
)

MAPPINGS = (
    TWO,
    """
import numpy as np

def backward_propagation(parameters, cache, X, Y):
    m = X.shape[0]
    W1 = parameters["W1"]
    W2 = parameters["W2"]
    A1 = cache["A1"]
    A2 = cache["P"]
    dZ2 = A2 - Y
    dW2 = (1 / m) * np.dot(A1.T, dZ2)
    db2 = (1 / m) * np.sum(dZ2, axis=0, keepdims=True)
    dZ1_ = np.multiply(np.dot(dZ2, W2.T), A1 - np.power(A1, 2))
    dW1 = (1 / m) * np.dot(X.T, dZ1_)
    db1 = (1 / m) * np.sum(dZ1_, axis=0, keepdims=True)
    grads = {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
    return grads
""",
    [
        ("A1 - np.power(A1, 2)", "1 - np.power(A1, 2)"),
        ("np.dot(X.T, dZ1_)", "np.dot(X.T, dZ2)"),
        ("np.dot(dZ2, W2.T)", "np.dot(dZ2, W2)"),
    ],
)

CLASS = (
    TWO,
    """
import numpy as np

class Net:
    def __init__(self, d, h, k):
        self.W1 = 0.01 * np.random.randn(d, h)
        self.b1 = np.zeros(h)
        self.W2 = 0.01 * np.random.randn(h, k)
        self.b2 = np.zeros(k)

    def sigmoid(self, s):
        return 1.0 / (1.0 + np.exp(-s))

    def sigmoid_derivative(self, s):
        return s * (1 - s)

    def loss(self, X, Y=None):
        N, D = X.shape
        hidden = self.sigmoid(X.dot(self.W1) + self.b1)
        scores = hidden.dot(self.W2) + self.b2
        scores -= np.max(scores, axis=1, keepdims=True)
        probs = np.exp(scores) / np.sum(np.exp(scores), axis=1, keepdims=True)
        if Y is None:
            return probs
        grads = {}
        dscores = (probs - Y) / N
        grads['W2'] = hidden.T.dot(dscores)
        grads['b2'] = np.sum(dscores, axis=0)
        dhidden = dscores.dot(self.W2.T) * self.sigmoid_derivative(hidden)
        grads['W1'] = np.dot(X.T, dhidden)
        grads['b1'] = dhidden.sum(0)
        return grads

    def train(self, X, Y, lr=0.1, epochs=1000):
        for epoch in range(epochs):
            grads = self.loss(X, Y)
            self.W1 -= lr * grads['W1']
""",
    [("s * (1 - s)", "1 - s"), ("np.dot(X.T, dhidden)", "np.dot(X.T, hidden)"), ("(probs - Y) / N", "(Y - probs) / N")],
)

NIELSEN = (
    SIGMOIDS,
    """
import numpy as np

def sigmoid(z):
    return 1.0/(1.0+np.exp(-z))

def sigmoid_prime(z):
    return sigmoid(z)*(1-sigmoid(z))

class Network(object):
    def backprop(self, x, y):
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        activation = x
        activations = [x]
        zs = []
        for b, w in zip(self.biases, self.weights):
            z = np.dot(w, activation)+b
            zs.append(z)
            activation = sigmoid(z)
            activations.append(activation)
        delta = self.cost_derivative(activations[-1], y) * sigmoid_prime(zs[-1])
        nabla_b[-1] = delta
        nabla_w[-1] = np.dot(delta, activations[-2].transpose())
        for l in range(2, len(self.weights) + 1):
            z = zs[-l]
            sp = sigmoid_prime(z)
            delta = np.dot(self.weights[-l+1].transpose(), delta) * sp
            nabla_b[-l] = delta
            nabla_w[-l] = np.dot(delta, activations[-l-1].transpose())
        return (nabla_b, nabla_w)

    def cost_derivative(self, output_activations, y):
        return (output_activations-y)
""",
    [
        ("self.weights[-l+1]", "self.weights[-l]"),
        ("activations[-l-1]", "activations[-l]"),
        ("activations[-2].transpose", "activations[-1].transpose"),
        ("z = zs[-l]", "z = zs[-l+1]"),
    ],
)

LISTS = (
    DEEP,
    """
import numpy as np

def gradients(W, b, x, y, sigma, sigma_prime):
    L = len(W)
    a = [x]
    z = []
    for l in range(L):
        z.append(W[l] @ a[l] + b[l])
        a.append(sigma[l + 1](z[l]))
    delta = a[L] - y
    dW, db = [None] * L, [None] * L
    for l in reversed(range(L)):
        delta = delta * sigma_prime[l + 1](z[l])
        dW[l] = np.outer(delta, a[l])
        db[l] = delta
        delta = W[l].T @ delta
    return dW, db
""",
    [("np.outer(delta, a[l])", "np.outer(delta, a[l + 1])"), ("sigma_prime[l + 1](z[l])", "sigma[l + 1](z[l])")],
)

NUMBERED = (
    SIGMOIDS,
    """
import numpy as np

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def L_model_backward(params, x, y, L):
    caches = {"A0": x}
    for l in range(1, L + 1):
        Z = params["W" + str(l)] @ caches["A" + str(l - 1)] + params["b" + str(l)]
        caches["A" + str(l)] = sigmoid(Z)
    grads = {}
    dA = caches[f"A{L}"] - y
    for l in range(L, 0, -1):
        A = caches[f"A{l}"]
        dZ = dA * A * (1 - A)
        grads["dW" + str(l)] = np.einsum("i,j->ij", dZ, caches[f"A{l-1}"])
        grads["db" + str(l)] = dZ
        dA = params["W" + str(l)].T.dot(dZ)
    return grads
""",
    [('"i,j->ij"', '"i,j->ji"'), ("A * (1 - A)", "A * (1 + A)"), ("dA = params", "dA = 0.5 * params")],
)

TIME = (
    RECURRENT,
    """
import numpy as np

def bptt(x, y, h0, Wx, Wh, Wy, bh):
    T = len(x)
    h = {-1: h0}
    p = {}
    for t in range(T):
        h[t] = np.tanh(Wx @ x[t] + Wh @ h[t - 1] + bh)
        e = np.exp(Wy @ h[t])
        p[t] = e / np.sum(e)
    dWx, dWh, dWy = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wy)
    dbh = np.zeros_like(bh)
    dhnext = np.zeros_like(h0)
    for t in reversed(range(T)):
        dy = np.copy(p[t]) - y[t]
        dWy += np.outer(dy, h[t])
        dh = Wy.T @ dy + dhnext
        draw = (1 - h[t] * h[t]) * dh
        dbh += draw
        dWx += np.outer(draw, x[t])
        dWh += np.outer(draw, h[t - 1])
        dhnext = Wh.T @ draw
    return dWx, dWh, dWy, dbh
""",
    [
        ("Wh.T @ draw", "Wh @ draw"),
        ("h[t - 1])\n        dhnext", "h[t])\n        dhnext"),
        ("+ dhnext", ""),
        ("(1 - h[t] * h[t]) * dh", "(1 - h[t]) * dh"),
        ("dbh += draw", "dbh = draw"),
    ],
)

EXAMPLES = (
    SQUARES,
    """
def gradient(X, w, b, y):
    n = len(y)
    dw = [0.0] * len(w)
    dw = np.zeros(len(w))
    db = 0
    for i in range(n):
        error = 0
        for j in range(len(w)):
            error += w[j] * X[i][j]
        error += b - y[i]
        for j in range(len(w)):
            dw[j] += 2 * error * X[i, j] / n
        db += 2 * error / n
    return dw, db
""",
    [("error * X[i, j]", "error * w[j]"), ("b - y[i]", "b + y[i]"), ("db += 2", "db = 2")],
)

HABITS = {
    "plain": PLAIN,
    "mappings": MAPPINGS,
    "class": CLASS,
    "nielsen": NIELSEN,
    "lists": LISTS,
    "numbered": NUMBERED,
    "time": TIME,
    "examples": EXAMPLES,
}
SETTINGS: dict[str, tuple] = {}


def judged(network, code):
    if network not in SETTINGS:
        net = spec.loads(network)
        SETTINGS[network] = (net, Worlds(net))
    net, worlds = SETTINGS[network]
    return judge_program(parse(code), net, worlds)


@pytest.mark.parametrize("habit", HABITS)
def test_right_gradients_are_right(habit):
    network, code, _ = HABITS[habit]
    claims = judged(network, code)
    assert len(claims) >= 2
    verdicts = {
        claim.text: (claim.verdict.verdict, claim.verdict.message, claim.verdict.convention) for claim in claims
    }
    assert all(claim.verdict.is_right for claim in claims), verdicts


@pytest.mark.parametrize(
    ("habit", "fault"), [(habit, k) for habit, each in HABITS.items() for k in range(len(each[2]))]
)
def test_planted_faults_are_wrong(habit, fault):
    network, code, faults = HABITS[habit]
    old, new = faults[fault]
    assert old in code
    claims = judged(network, code.replace(old, new))
    assert any(claim.verdict.verdict == "wrong" for claim in claims), [claim.verdict for claim in claims]


def test_a_factor_of_the_loss_left_out_everywhere_is_a_convention():
    claims = judged(TWO, PLAIN[1].replace("(P - Y) / N", "P - Y"))
    assert {claim.verdict.verdict for claim in claims} == {"right-under-convention"}
    mixed = judged(TWO, PLAIN[1].replace("X.T @ dZ1", "X.T @ dZ1 * N"))
    assert [claim.text for claim in mixed if claim.verdict.verdict == "wrong"] == ["dW1 = X.T @ dZ1 * N"]


def test_what_cannot_be_followed_is_unreadable_with_the_reason():
    (claim,) = judged(SQUARES, "import torch\ndw = torch.autograd.grad(L, w)[0]\n")
    assert claim.verdict.verdict == "unreadable"
    assert (claim.line, claim.column) == (2, 1)
    (claim,) = judged(SQUARES, "dw = X.T @ unknown_thing")
    assert "unknown_thing" in claim.verdict.message


def test_nothing_runs():
    code = "import os\nos.system('touch /tmp/never')\ndw = __import__('os').getcwd()\nopen('x', 'w')\ndb = exec('1')\n"
    assert all(claim.verdict.verdict == "unreadable" for claim in judged(SQUARES, code))


@pytest.mark.parametrize(
    "code",
    [
        "dw = np.ones((10**9, 10**9))",
        "dw = 10**10**10",
        "dw = [0] * 10**12",
        "for i in range(10**12):\n    dw = X.T @ y",
        "while True:\n    dw = X.T @ y",
        "def f(x):\n    return f(x)\ndw = f(X)",
        "dw = 'a' * 10**12",
        "x1 = np.outer(X, X)\nx2 = np.outer(x1, x1)\ndw = np.outer(x2, x2)",
        "dw = " + "-" * 5_000 + "w",
        "dw = " + "(" * 150 + "w" + ")" * 150,
        "dw = [[j for j in range(900)] for i in range(900)]",
        "dw = np.arange(10**12)",
        "dw = np.eye(10**8)",
        "dw = 1 << 10**9",
        "dw = X[10**20]",
        "dw = {}.get([])",
        "a = [0]\nfor i in range(60):\n    a = a + a\ndw = a",
    ],
)
def test_hostile_programs_end(code):
    found = []
    with contextlib.suppress(SpecError):
        found = judged(SQUARES, code)
    assert not any(claim.verdict.verdict == "right" for claim in found)


@pytest.mark.parametrize(
    "code",
    [
        "for i in range(60):\n    for j in range(60):\n        for k in range(60):\n            dw = X.T @ y",
        "z = np.ones((1000, 1000))\nfor i in range(60):\n    for j in range(60):\n        z = z + 1\ndw = X.T @ y",
    ],
)
def test_a_program_that_is_too_long_is_unreadable(code):
    (claim,) = judged(SQUARES, code)
    assert claim.verdict.verdict == "unreadable"
    assert claim.verdict.message.startswith("the program is longer than what is followed")


def test_the_code_of_a_notebook_is_one_program_with_lines_of_its_file():
    cells = [
        {"cell_type": "code", "source": ["%matplotlib inline\n", "error = X @ w + b - y"]},
        {"cell_type": "markdown", "source": ["$a = b$"]},
        {"cell_type": "code", "source": ["dw = 2 * X.T @ error / n\n", "db = error"]},
    ]
    text = json.dumps({"cells": cells}, indent=1)
    net = spec.loads(SQUARES)
    claims = judge_program(from_cells(read(text, "ipynb").cells), net, Worlds(net))
    lines = text.split("\n")
    assert [claim.verdict.verdict for claim in claims] == ["right", "wrong"]
    assert all(claim.text in lines[claim.line - 1] for claim in claims)


@pytest.mark.parametrize("code", ["dw = (", "\0", "dw = " + "(" * 5_000 + "w"])
def test_what_is_no_python_is_refused(code):
    with pytest.raises(SpecError, match="not Python"):
        parse(code)
