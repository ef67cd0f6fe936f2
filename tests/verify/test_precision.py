"""What doubles leave open: differences near rounding, cancellation, values too large, and functions with an order."""

from __future__ import annotations

import pytest

import symbackprop
from symbackprop import spec

RELU = """
name = "relu_layer"
loss = "C"
parameters = ["W", "b"]
forward = '''
z = W @ x + b
a = relu(z)
g = softplus(z)
C = sum((a-y)**2) / 2 + sum(g)
'''
[shapes]
x = "n"
W = "m n"
b = "m"
y = "m"
[sizes]
n = 3
m = 4
"""
LARGE = """
name = "large"
loss = "C"
parameters = ["w"]
forward = '''
z = 1000 * w
a = exp(z)
e = exp(-z)
r = relu(w)
C = sum(log(a) * r)
'''
[shapes]
w = "n"
[sizes]
n = 4
"""
SMALL = """
name = "small"
loss = "C"
parameters = ["w"]
forward = '''
h = w / 1000000
t = tanh(h)
r = relu(w)
C = sum(t * r)
'''
[shapes]
w = "n"
[sizes]
n = 3
"""
CLAIMS = [
    (RELU, r"\frac{\partial C}{\partial b} = (a - y) \odot \operatorname{relu}'(z) + \sigma(z)", "right"),
    (RELU, r"\frac{\partial C}{\partial b} = 1.00000001 ((a - y) \odot \operatorname{relu}'(z) + \sigma(z))", "wrong"),
    (RELU, r"\frac{\partial C}{\partial b} = 1.0000000001 (a - y) \odot \operatorname{relu}'(z) + \sigma(z)", "wrong"),
    (RELU, r"\frac{\partial C}{\partial b} = (a - y) \odot \operatorname{relu}'(z) + \sigma(z) + 10^{-11} z", "wrong"),
    (RELU, r"g_i = \log(1 + \exp(z_i))", "right"),
    (RELU, r"g_i = \log(1 + 1.000000001 \exp(z_i))", "wrong"),
    (LARGE, r"\frac{\partial a_i}{\partial z_i} = \exp(z_i)", "right"),
    (LARGE, r"\frac{\partial a_i}{\partial z_i} = 1.00000001 \exp(z_i)", "wrong"),
    (LARGE, r"a_i e_i = 1", "right"),
    (LARGE, r"a_i e_i = 2", "wrong"),
    (SMALL, r"\frac{\partial t_i}{\partial h_i} = 1 - t_i^2", "right"),
    (SMALL, r"\frac{\partial t_i}{\partial h_i} = 1", "wrong"),
    (SMALL, r"t_i = h_i", "wrong"),
    (SMALL, r"t_i = h_i - h_i^3 / 3", "wrong"),
    (SMALL, r"\frac{\partial^2 t_i}{\partial h_i^2} = -2 h_i", "wrong"),
]


@pytest.mark.parametrize(("network", "formula", "verdict"), CLAIMS)
def test_more_digits_decide_where_doubles_leave_a_doubt(network, formula, verdict):
    (found,) = symbackprop.verify(rf"\[ {formula} \]", spec.loads(network), fix=False)
    assert found.verdict == verdict


def test_evidence_says_digits_and_points():
    right = r"\[ a_i e_i = 1 \]"
    (found,) = symbackprop.verify(right, spec.loads(LARGE))
    assert "50 digits" in str(found.evidence) or "equal modulo p" in str(found.evidence)
    wrong = r"\[ \frac{\partial C}{\partial b} = 1.0000000001 (a - y) \odot \operatorname{relu}'(z) + \sigma(z) \]"
    (found,) = symbackprop.verify(wrong, spec.loads(RELU), fix=False)
    left, _, right = str(found.evidence).removeprefix("refuted: ").split(" at ")[0].partition(" against ")
    assert left != right


def test_a_fix_is_held_to_the_same_digits():
    wrong = r"\[ g_i = \log(1 + 1.000000001 \exp(z_i)) \]"
    (found,) = symbackprop.verify(wrong, spec.loads(RELU))
    assert found.fix is None or "1.000000001" not in found.fix
