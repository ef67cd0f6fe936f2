"""Documents that state their own network: shapes, forward equations, functions, loss."""

from __future__ import annotations

import pytest

from symbackprop.handwritten.document import read
from symbackprop.handwritten.network_from_document import understand
from symbackprop.verify import verify
from symbackprop.verify.pipeline import session

MLP = r"""
$x \in \mathbb{R}^{d}$, $W^{(1)} \in \mathbb{R}^{h \times d}$, $b^{(1)} \in \mathbb{R}^{h}$,
$W^{(2)} \in \mathbb{R}^{k \times h}$, $b^{(2)} \in \mathbb{R}^{k}$, $y \in \mathbb{R}^k$
% symbackprop: fact \sum_k y_k = 1
\begin{align*}
z^{(1)} &= W^{(1)} x + b^{(1)}, \\
a^{(1)} &= \sigma(z^{(1)}), \\
z^{(2)} &= W^{(2)} a^{(1)} + b^{(2)}, \\
\hat{y} &= \operatorname{softmax}(z^{(2)}), \\
J &= -\sum_{k} y_k \log \hat{y}_k
\end{align*}
"""
LAYERS = r"""
There are $L$ layers, $W^{[l]} \in \mathbb{R}^{n^{[l]} \times n^{[l-1]}}$, $b^{[l]} \in \mathbb{R}^{n^{[l]}}$,
$x \in \mathbb{R}^{n^{[0]}}$, $y \in \mathbb{R}^{n^{[L]}}$.
\begin{align*}
a^{[0]} &= x \\
z^{[l]} &= W^{[l]} a^{[l-1]} + b^{[l]} \quad \text{for } l = 1, \dots, L \\
a^{[l]} &= g(z^{[l]}) \quad \text{for } l = 1, \dots, L \\
C &= \frac12 \| a^{[L]} - y \|^2
\end{align*}
% symbackprop: let \delta^{[l]} = $\frac{\partial C}{\partial z^{[l]}}$
"""
RECURRENT = r"""
Inputs $x_t \in \mathbb{R}^{d}$ for $t = 1, \dots, T$, the state $h_0 \in \mathbb{R}^n$, weights
\[ W \in \mathbb{R}^{n \times n},\quad U \in \mathbb{R}^{n\times d},\quad V \in \mathbb{R}^{o\times n} \]
and targets $\hat y_t \in \mathbb{R}^{o}$ for $t = 1, \dots, T$.
\begin{align}
h_t &= \tanh(W h_{t-1} + U x_t) \\
y_t &= V h_t \\
L_t &= \frac12 \| y_t - \hat y_t \|^2
\end{align}
\[ L = \sum_{t=1}^T L_t \]
\[ \delta_t = \frac{\partial L}{\partial h_t} \]
"""
LISTED = r"""
Take $x \in \mathbb{R}^{d}$, $y \in \mathbb{R}^{d}$ and $W_i \in \mathbb{R}^{d \times d}$ for $i = 1, \dots, n$.
% symbackprop: function f
\begin{gather*}
z_1 = f(W_1 x) \\
z_2 = f(W_2 z_1) \\
\vdots \\
z_n = f(W_n z_{n-1})
\end{gather*}
\[ C = \|z_n - y\|^2 \]
"""
SIZES = r"""
\[ W_1 \in \mathbb{R}^{q \times p}, \quad W_i \in \mathbb{R}^{q \times q} \text{ for } i = 2, \dots, n, \quad
W_{n+1} \in \mathbb{R}^{1 \times q}, \quad y \in \mathbb{R} \]
and $x \in \mathbb{R}^{p}$.
% symbackprop: function f
\[ z_1 = f(W_1 x) \]
\[ z_i = f(W_i z_{i-1}) \quad \text{for } i = 2, \dots, n \]
\[ \hat{y} = f(W_{n+1} z_n) \]
\[ E = (\hat{y} - y)^2 \]
"""
ELEMENTS = r"""
$x \in \mathbb{R}^{I}$, $w^a \in \mathbb{R}^{I \times J}$, $w^b \in \mathbb{R}^{J \times K}$, $t \in \mathbb{R}^{K}$,
\[ \sigma(u) = \frac{1}{1 + e^{-u}}, \]
\[ s_j = \sum_i x_i w_{ij}^a, \quad y_j = \sigma(s_j), \quad s_k = \sum_j y_j w_{jk}^b, \quad z_k = \sigma(s_k) \]
\[ L = \frac{1}{2} \sum_k (z_k - t_k)^2 \]
"""
BATCH = r"""
Let $X \in \mathbb{R}^{N \times d}$, $W_1 \in \mathbb{R}^{d \times h}$, $W_2 \in \mathbb{R}^{h \times k}$,
$b \in \mathbb{R}^{h}$ and $Y \in \mathbb{R}^{N \times k}$.
\begin{align}
Z &= X W_1 + b \\ H &= \operatorname{ReLU}(Z) \\ P &= H W_2 \\ L &= \frac{1}{2N} \|P - Y\|_F^2
\end{align}
"""
SQUARES = r"""
With $X \in \mathbb{R}^{n \times p}$, $w \in \mathbb{R}^p$ and $y \in \mathbb{R}^n$,
$$L(w) = (y - Xw)^\top (y - Xw)$$
"""
NEURON = r"""
$w \in \mathbb{R}^{d}$, $x \in \mathbb{R}^d$, $b \in \mathbb{R}$, $y \in \mathbb{R}$:
\[ z = w^T x + b, \quad a = \frac{1}{1+e^{-z}}, \quad E = -(y \log a + (1-y)\log(1-a)) \]
"""


MOVED = r"""
The weights are $W^{(l)} \in \mathbb{R}^{s_{l+1} \times s_l}$ and $b^{(l)} \in \mathbb{R}^{s_{l+1}}$
for $l = 1, \dots, n_l - 1$, $x \in \mathbb{R}^{s_1}$, $y \in \mathbb{R}^{s_{n_l}}$.
\begin{align}
a^{(1)} &= x \\
z^{(l+1)} &= W^{(l)} a^{(l)} + b^{(l)} \\
a^{(l+1)} &= f(z^{(l+1)}) \\
J &= \frac12 \|a^{(n_l)} - y\|^2
\end{align}
% symbackprop: let \delta^{(l)} = $\frac{\partial J}{\partial z^{(l)}}$
"""


def verdicts(text):
    judged = list(session(read(text)).claims())
    return [(claim.verdict.verdict, claim.verdict.message) for claim in judged]


@pytest.mark.parametrize(
    ("document", "right", "wrong"),
    [
        (MLP, r"\frac{\partial J}{\partial z^{(2)}} = \hat y - y", r"\frac{\partial J}{\partial z^{(2)}} = y - \hat y"),
        (
            MLP,
            r"\frac{\partial J}{\partial W^{(1)}} = ((W^{(2)})^T (\hat y - y) \odot \sigma'(z^{(1)})) x^T",
            r"\frac{\partial J}{\partial W^{(1)}} = ((W^{(2)})^T (\hat y - y) \odot \sigma'(z^{(2)})) x^T",
        ),
        (
            LAYERS,
            r"\delta^{[l]} = (W^{[l+1]})^T \delta^{[l+1]} \odot g'(z^{[l]})",
            r"\delta^{[l]} = (W^{[l]})^T \delta^{[l+1]} \odot g'(z^{[l]})",
        ),
        (
            RECURRENT,
            r"\delta_t = V^T (y_t - \hat{y}_t) + W^T ((1 - h_{t+1}^2) \odot \delta_{t+1})",
            r"\delta_t = V^T (y_t - \hat{y}_t) + W ((1 - h_{t+1}^2) \odot \delta_{t+1})",
        ),
        (LISTED, r"\frac{\partial C}{\partial z_n} = 2(z_n - y)", r"\frac{\partial C}{\partial z_n} = 2(y - z_n)"),
        (
            SIZES,
            r"\frac{\partial E}{\partial \hat y} = 2(\hat y - y)",
            r"\frac{\partial E}{\partial \hat y} = \hat y + y",
        ),
        (
            ELEMENTS,
            r"\frac{\partial L}{\partial w_{jk}^b} = (z_k - t_k) z_k (1 - z_k) y_j",
            r"\frac{\partial L}{\partial w_{jk}^b} = (z_k - t_k) z_k (1 - z_k) y_k",
        ),
        (
            BATCH,
            r"\frac{\partial L}{\partial W_2} = \frac1N H^T (P - Y)",
            r"\frac{\partial L}{\partial W_2} = H (P - Y)",
        ),
        (
            MOVED,
            r"\frac{\partial J}{\partial W^{(l)}} = \delta^{(l+1)} (a^{(l)})^T",
            r"\frac{\partial J}{\partial W^{(l)}} = \delta^{(l)} (a^{(l)})^T",
        ),
        (SQUARES, r"\nabla_w L = -2 X^\top (y - Xw)", r"\nabla_w L = 2 X^\top (y - Xw)"),
        (NEURON, r"\frac{\partial E}{\partial w} = (a-y) x", r"\frac{\partial E}{\partial w} = (a-y) w"),
    ],
)
def test_a_document_states_its_network(document, right, wrong):
    assert verdicts(f"{document}\n\\[ {right} \\]")[-1][0] == "right"
    assert verdicts(f"{document}\n\\[ {wrong} \\]")[-1][0] == "wrong"


@pytest.mark.parametrize("document", [MLP, LAYERS, RECURRENT, LISTED, SIZES, ELEMENTS, BATCH, SQUARES, NEURON, MOVED])
def test_what_makes_the_network_is_no_claim(document):
    understood = understand(read(document))
    assert understood.network is not None, understood.document.problems
    assert understood.document.problems == ()
    assert understood.document.entries == ()


def test_general_sizes_keep_what_is_given_as_a_number():
    network = understand(read(SIZES)).network
    assert network is not None
    assert list(network.sizes["m"].values())[-1] == 1
    assert network.parameters == ("W",)


def test_a_name_for_a_derivative_is_a_let_from_there_on():
    (claim,) = understand(read(RECURRENT + r"\[ \delta_T = V^T (y_T - \hat y_T) \]")).document.entries
    assert [let.key for let in claim.directives.lets] == ["\\delta_t"]


def test_two_formulas_side_by_side_are_two_claims():
    text = NEURON + r"\[ \frac{\partial E}{\partial z} = a - y \qquad \frac{\partial E}{\partial w} = (a-y) x \]"
    assert [verdict for verdict, _ in verdicts(text)] == ["right", "right"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (r"\[ a = b \]", "no forward equation"),
        (r"$x \in \mathbb{R}^n$ \[ z = A x \]", "not declared"),
        (r"$x \in \mathbb{R}^n$, $A \in \mathbb{R}^{m \times k}$ \[ z = A x \]", "do not fit"),
        (r"$x \in \mathbb{R}^n$, $A \in \mathbb{R}^{m \times n}$ \[ z = A x \]", "no scalar"),
        (NEURON + "% symbackprop: fact a > 2\n", "fact is one of"),
        (MLP + "% symbackprop: fact \\sum_k y_k = 2\n", "contradicts the fact"),
        (MLP + "% symbackprop: fact \\sum_k \\hat y_k = 2\n", "contradicts the network"),
    ],
)
def test_what_is_missing_is_said(text, message):
    problems = understand(read(text)).document.problems
    assert any(message in problem.message for problem in problems), problems


UNSTATED = r"""
Let $x \in \mathbb{R}^{n}$, $y \in \mathbb{R}^{m}$ and $W \in \mathbb{R}^{m \times n}$.
\[ z = W x \]
\[ a = \sigma(z) \]
\[ C = \Omega(W \wr y) \]
\[ \frac{\partial a_i}{\partial z_i} = \sigma'(z_i) \]
\[ \frac{\partial z_i}{\partial W_{ij}} = x_i \]
\[ \frac{\partial C}{\partial z} = a - y \]
"""


def test_without_a_loss_claims_about_other_derivatives_are_judged():
    report = verify(UNSTATED, fix=False)
    assert [d.verdict for d in report if "∂" in d.claim or r"\partial" in d.claim] == ["right", "wrong", "unreadable"]
    assert any("could be the loss" in d.message for d in report)
