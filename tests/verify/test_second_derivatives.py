r"""Second derivatives: Hessians, f'', derivatives of derivatives, second differentials."""

from __future__ import annotations

import pytest

import symbackprop
from symbackprop import spec

LOGISTIC = """
name = "logistic"
loss = "C"
parameters = ["w"]
batch = "N"
forward = '''
z = X @ w
p = sigmoid(z)
C = -sum(y*log(p) + (1-y)*log(1-p)) / N
'''
[shapes]
X = "N d"
w = "d"
y = "N"
[sizes]
N = 4
d = 3
"""
LAYER = """
name = "layer"
loss = "C"
parameters = ["W"]
forward = '''
z = W @ x
a = f(z)
q = softmax(a)
C = sum((a-y)**2) + sum(q * y)
'''
[shapes]
x = "n"
W = "m n"
y = "m"
[functions]
f = "opaque"
[sizes]
n = 3
m = 2
"""
OF_LOGISTIC = [
    (r"\nabla^2_w C = \frac1N X^T \operatorname{diag}(p \odot (1-p)) X", "right"),
    (r"\nabla^2 C = \frac1N X^T \operatorname{diag}(p) X", "wrong"),
    (r"\frac{\partial^2 C}{\partial w_i \partial w_j} = \frac1N \sum_k p_k (1-p_k) X_{ki} X_{kj}", "right"),
    (r"\frac{\partial^2 C}{\partial w_i \partial w_j} = \frac1N \sum_k p_k X_{ki} X_{kj}", "wrong"),
    (r"\frac{\partial^2 C}{\partial w \partial w^T} = \frac1N X^T \operatorname{diag}(\sigma'(z)) X", "right"),
    (r"\frac{\partial^2 C}{\partial z^2} = \frac1N \operatorname{diag}(\sigma'(z))", "right"),
    (r"\frac{\partial^2 p_i}{\partial z_i^2} = p_i (1-p_i)(1-2p_i)", "right"),
    (r"\sigma''(z) = p \odot (1-p) \odot (1-2p)", "right"),
    (r"\sigma''(z) = p \odot (1-p) \odot (1-p)", "wrong"),
    (
        r"\frac{\partial}{\partial w_i}(\frac{\partial C}{\partial w_j}) = \frac1N \sum_k p_k (1-p_k) X_{ki} X_{kj}",
        "right",
    ),
    (r"H = \nabla^2 C = \frac1N X^T \operatorname{diag}(p \odot (1-p)) X", "right"),
    (r"\nabla_w (\nabla_w C)^T = \frac1N X^T \operatorname{diag}(p \odot (1-p)) X", "right"),
]
OF_A_LAYER = [
    (r"\frac{\partial^2 a_i}{\partial w_{ij} \partial w_{ik}} = f''(z_i) x_j x_k", "right"),
    (r"\frac{\partial^2 a_i}{\partial w_{ij} \partial w_{ik}} = f'(z_i) x_j x_k", "wrong"),
    (r"\frac{\partial^2 z}{\partial x^2} = 0", "right"),
    (r"d^2 a = f''(z) \odot dz \odot dz", "right"),
    (r"d^2 a = f'(z) \odot dz \odot dz", "wrong"),
    (r"\frac{\partial^2 q_1}{\partial a_1^2} = q_1 (1 - q_1)(1 - 2 q_1)", "right"),
    (r"\frac{\partial^2 q_1}{\partial a_1^2} = q_1 (1 - q_1)", "wrong"),
    (r"\frac{\partial^2 C}{\partial a_1 \partial q_1} = 0", "right"),
    (r"\frac{\partial^2 C}{\partial q^2} = 0 I", "right"),
    (r"\frac{\partial^3 q_1}{\partial a_1^3} = q_1 (1 - q_1)", "undecided"),
]


@pytest.mark.parametrize(("formula", "verdict"), OF_LOGISTIC)
def test_hessians_of_logistic_regression_are_judged(formula, verdict):
    report = symbackprop.verify(rf"\[ {formula} \]", spec.loads(LOGISTIC), fix=False)
    assert [d.verdict for d in report] == [verdict]


@pytest.mark.parametrize(("formula", "verdict"), OF_A_LAYER)
def test_second_derivatives_through_opaque_functions_and_softmax_are_judged(formula, verdict):
    (found,) = symbackprop.verify(rf"\[ {formula} \]", spec.loads(LAYER), fix=False)
    assert found.verdict == verdict
    assert verdict != "right" or "equal modulo p" in str(found.evidence)


def test_what_is_out_of_reach_says_so():
    formula = r"\frac{\partial^3 q_1}{\partial a_1^3} = q_1 (1 - q_1)"
    (found,) = symbackprop.verify(rf"\[ {formula} \]", spec.loads(LAYER), fix=False)
    assert found.message == "A third derivative is not judged"
