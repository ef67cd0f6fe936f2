r"""Operators of the author's, given by formula: convolutions, inner products, element formulas, brackets."""

from __future__ import annotations

import pytest

import symbackprop
from symbackprop import spec

CONVOLUTION = r"""
name = "convolution"
loss = "C"
parameters = ["K", "b"]
forward = '''
Z[u,v] = sum(K[i,j] * I[u+i, v+j], i, j) + b
A = tanh(Z)
C = sum((A - Y)**2) / 2
'''
[shapes]
I = "m n"
K = "p q"
b = ""
Y = "m-p+1 n-q+1"
[indices]
u = "m-p+1"
v = "n-q+1"
i = "p"
j = "q"
[sizes]
m = 6
n = 5
p = 2
q = 3
"""
DIRECTIVES = r"""
% symbackprop: operator (A \star B)(u,v) = \sum_{i,j} A_{ij} B_{u+i-1,v+j-1}
% symbackprop: operator (A * B)_{uv} = \sum_{i,j} A_{i,j} B_{u-i+1, v-j+1}
% symbackprop: operator \langle A, B \rangle_F = \sum_{i,j} A_{ij} B_{ij}
% symbackprop: operator \operatorname{prod}(A, B) = A \odot B
% symbackprop: operator (\operatorname{flip} A)_{ij} = A_{ji}
% symbackprop: operator [A, B] = A \odot B - B
% symbackprop: let \delta = dC/dZ
"""
CLAIMS = [
    (r"Z = K \star I + b", "right"),
    (r"Z_{uv} = (K \star I)(u,v) + b", "right"),
    (r"Z_{uv} = (I \star K)(u,v) + b", "wrong"),
    (r"\frac{\partial C}{\partial K} = \delta \star I", "right"),
    (r"\frac{\partial C}{\partial K} = I \star \delta", "wrong"),
    (r"\frac{\partial C}{\partial K} = \delta * I", "wrong"),
    (r"\frac{\partial C}{\partial K_{ij}} = (\delta \star I)_{ij}", "right"),
    (r"\frac{\partial C}{\partial K_{ij}} = (\delta \star I)_{ji}", "wrong"),
    (r"\frac{\partial C}{\partial I} = \delta * K", "right"),
    (r"\frac{\partial C}{\partial I} = K * \delta", "right"),
    (r"\frac{\partial C}{\partial I} = \delta \star K", "wrong"),
    (r"\delta = \operatorname{prod}(A - Y, 1 - A^2)", "right"),
    (r"\delta = \operatorname{prod}(A - Y, 1 - A)", "wrong"),
    (r"\frac{\partial C}{\partial K} = (A - Y) \odot (1 - A^2) \star I", "right"),
    (r"\frac{\partial C}{\partial K} = (A + Y) \odot (1 - A^2) \star I", "wrong"),
    (r"\frac{\partial C}{\partial b} = \langle A - Y, 1 - A^2 \rangle_F", "right"),
    (r"\frac{\partial C}{\partial b} = \langle A, 1 - A^2 \rangle_F", "wrong"),
    (r"\delta = [1 - A^2, A - Y] + A - Y", "right"),
    (r"\delta = [1 - A^2, A - Y]", "wrong"),
    (r"\frac{\partial C}{\partial K} = (\operatorname{flip} (\delta \star I))^T", "right"),
    (r"\frac{\partial C}{\partial K_{ij}} = (\operatorname{flip} (\delta \star I))_{ij}", "wrong"),
    (r"\frac{\partial (K \star I)_{uv}}{\partial K_{ij}} = I_{u+i-1,v+j-1}", "right"),
    (r"\frac{\partial (K \star I)_{uv}}{\partial K_{ij}} = I_{u+i,v+j}", "wrong"),
]


@pytest.fixture(scope="module")
def network():
    return spec.loads(CONVOLUTION)


@pytest.mark.parametrize(("formula", "verdict"), CLAIMS)
def test_claims_in_operators_of_the_author_are_judged(network, formula, verdict):
    report = symbackprop.verify(rf"{DIRECTIVES}\[ {formula} \]", network, fix=False)
    assert [d.verdict for d in report] == [verdict]


def test_arguments_in_the_wrong_order_are_named_and_mended(network):
    formula = r"\frac{\partial C}{\partial K_{ij}} = (I \star \delta)(i,j)"
    (fault,) = symbackprop.verify(rf"{DIRECTIVES}\[ {formula} \]", network)
    assert (fault.code, fault.fix) == ("SB101", r"\frac{\partial C}{\partial K_{ij}} = (\delta \star I)(i,j)")


def test_a_later_operator_of_the_same_sign_holds_from_there_on(network):
    again = r"% symbackprop: operator A \star B = A \odot B"
    text = rf"{DIRECTIVES}\[ \frac{{\partial C}}{{\partial K}} = \delta \star I \]" + "\n" + again + "\n"
    text += r"\[ \delta = (A - Y) \star (1 - A^2) \]"
    assert [d.verdict for d in symbackprop.verify(text, network)] == ["right", "right"]


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        (r"operator A = B", "shows no operator with its arguments"),
        (r"operator (A \star A)(i) = A_i", "shows no operator with its arguments"),
        (r"operator A \star B", "expected"),
        (r"operator A \star B = A \odot Q", "'Q' is neither an argument nor an index"),
        (r"operator A \star B = A \odot", "nothing follows"),
    ],
)
def test_what_shows_no_operator_is_one_message_and_the_rest_is_judged(network, directive, message):
    text = f"% symbackprop: {directive}\n" + r"\[ \frac{\partial C}{\partial A} = A - Y \]"
    found = list(symbackprop.verify(text, network))
    assert [(d.verdict, d.code) for d in found] == [("unreadable", "SB406"), ("right", None)]
    assert message in found[0].message
