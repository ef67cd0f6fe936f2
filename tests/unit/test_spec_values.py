"""The equations of a network mean what its text says: values against NumPy written by hand."""

from __future__ import annotations

import numpy as np
import pytest

from symbackprop import oracle, spec


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


CONV = """
name = "conv"
loss = "C"
parameters = ["W", "b"]
forward = '''
z[e,o,t] = sum(x[e,c,2*t+k] * W[o,c,k], c, k) + b[o]
a[e,o,t] = relu(z[e,o,t])
p[e,o,r] = max(a[e,o,2*r+q], q)
C = sum(p**2) / N
'''
[indices]
e = "N"
c = "Cin"
o = "O"
t = "2*R"
k = "K"
r = "R"
q = "2"
[shapes]
x = "N Cin 4*R+K-2"
W = "O Cin K"
b = "O"
"""


def conv(x, W, b):
    steps = (x.shape[2] - W.shape[2]) // 2 + 1
    z = np.stack([np.einsum("eck,ock->eo", x[:, :, 2 * t : 2 * t + W.shape[2]], W) + b for t in range(steps)], axis=-1)
    a = np.maximum(z, 0)
    p = np.maximum(a[:, :, 0::2], a[:, :, 1::2])
    return (p**2).sum() / len(x)


ATTENTION = """
name = "attention"
loss = "C"
parameters = ["Wq", "Wk", "Wv"]
forward = '''
q[n,t,h,k] = sum(x[n,t,d] * Wq[d,h,k], d)
key[n,t,h,k] = sum(x[n,t,d] * Wk[d,h,k], d)
v[n,t,h,k] = sum(x[n,t,d] * Wv[d,h,k], d)
s[n,h,t,u] = where(u <= t, sum(q[n,t,h,k] * key[n,u,h,k], k) / sqrt(K), -1e9)
p[n,h,t,u] = softmax(s[n,h,t,u], u)
y[n,t,h,k] = sum(p[n,h,t,u] * v[n,u,h,k], u)
C = mean(y**2)
'''
[indices]
n = "N"
t = "T"
u = "T"
h = "H"
k = "K"
d = "D"
[shapes]
x = "N T D"
Wq = "D H K"
Wk = "D H K"
Wv = "D H K"
"""


def attention(x, Wq, Wk, Wv):
    q, key, v = (np.einsum("ntd,dhk->nthk", x, W) for W in (Wq, Wk, Wv))
    s = np.einsum("nthk,nuhk->nhtu", q, key) / np.sqrt(Wq.shape[2])
    steps = x.shape[1]
    s = np.where(np.tril(np.ones((steps, steps), bool)), s, -1e9)
    return (np.einsum("nhtu,nuhk->nthk", softmax(s), v) ** 2).mean()


LABELS = """
name = "labels"
loss = "C"
parameters = ["E", "W"]
forward = '''
v = gather(E, w)
C = cross_entropy_with_logits(v @ W, onehot(y)) + lam / 2 * sum(W**2)
'''
[shapes]
w = "N int<V"
y = "N int<K"
E = "V d"
W = "d K"
lam = ""
"""


def labels(E, W, w, y, lam):
    p = softmax(E[w] @ W)
    return -np.log(p[np.arange(len(y)), y]).mean() + lam / 2 * (W**2).sum()


NORM = """
name = "norm"
loss = "C"
parameters = ["gamma", "beta"]
forward = '''
mu = mean(x, "N")
v = mean((x - mu)**2, "N")
y = gamma * (x - mu) / sqrt(v + 1e-5) + beta
C = sum(y * g)
'''
[shapes]
x = "N d"
g = "N d"
gamma = "d"
beta = "d"
"""


def norm(gamma, beta, x, g):
    mu, v = x.mean(axis=0), x.var(axis=0)
    return ((gamma * (x - mu) / np.sqrt(v + 1e-5) + beta) * g).sum()


SLICES = """
name = "slices"
loss = "C"
parameters = ["W"]
forward = '''
z = x @ W
a = sigmoid(z[:, 0:H])
b = tanh(z[:, H:2*H])
p = pad(a * b, "H", 1, 2)
C = sum(p**2) + sum(z[:, 1:-1])
'''
[shapes]
x = "N d"
W = "d 2*H"
"""


def slices(W, x):
    z = x @ W
    h = z.shape[1] // 2
    return (sigmoid(z[:, :h]) ** 2 * np.tanh(z[:, h:]) ** 2).sum() + z[:, 1:-1].sum()


CONCAT = """
name = "joined"
loss = "C"
parameters = ["W", "U"]
forward = '''
a = concat(x @ W, 3 * U, "h")
b = concat(x, 2 * x)
C = sum(a**3) + sum(tanh(b) * g) + sum((x.T @ x - W @ W.T)**2)
'''
[shapes]
x = "N d"
W = "d h"
U = "N h"
g = "2*N d"
"""


def joined(W, U, x, g):
    a = np.concatenate([x @ W, 3 * U], axis=1)
    b = np.concatenate([x, 2 * x])
    return (a**3).sum() + (np.tanh(b) * g).sum() + ((x.T @ x - W @ W.T) ** 2).sum()


OUTSIDE = """
name = "outside"
loss = "C"
parameters = ["W"]
forward = '''
z[e,t] = sum(x[e,t+k-1] * W[k], k)
C = sum(z**2)
'''
[indices]
e = "N"
t = "T"
k = 3
[outside]
x = 0
[shapes]
x = "N T"
W = "3"
"""


def outside(W, x):
    return sum((np.convolve(row, W[::-1], mode="same") ** 2).sum() for row in x)


PIECES = """
name = "pieces"
loss = "C"
parameters = ["W", "b"]
forward = '''
a = swish(W @ x + b)
C = huber(3 * a, y) + mean(where(0 < a < 1, a, -a**2)) + sum(where(not (a > y or y > 0), a, 0)) + (a @ a) * (W @ x @ a)
'''
[functions]
swish = "x * sigmoid(x)"
[shapes]
x = "d"
W = "h d"
b = "h"
y = "h"
"""


def pieces(W, b, x, y):
    u = W @ x + b
    a = u * sigmoid(u)
    r = np.abs(3 * a - y)
    huber = np.where(r <= 1, r**2 / 2, r - 0.5).mean()
    branch = np.where((a > 0) & (a < 1), a, -(a**2)).mean()
    chosen = np.where((a > y) | (y > 0), 0, a).sum()
    return huber + branch + chosen + (a @ a) * (W @ x @ a)


@pytest.mark.parametrize(
    ("text", "reference"),
    [(CONV, conv), (ATTENTION, attention), (LABELS, labels), (NORM, norm), (SLICES, slices), (CONCAT, joined),
     (OUTSIDE, outside), (PIECES, pieces)],
    ids=lambda item: getattr(item, "__name__", ""),
)  # fmt: skip
def test_loss_has_the_value_of_plain_numpy(text, reference):
    network = spec.loads(text)
    for seed in range(3):
        values = oracle.draw(network, seed)
        arrays = {name: array for (name, _), array in values.arrays.items()}
        found = oracle.Interpreter(network, values).tensor("C")
        assert float(found) == pytest.approx(float(reference(**arrays)), rel=1e-12)


LSTM = """
name = "recurrent"
loss = "C"
parameters = ["W", "U", "b"]
forward = '''
h[0] = 0
c[0] = 0
for t in 1..T:
    s[t] = h[t-1] @ U + x[t] @ W + b
    i[t] = sigmoid(s[t][:, 0:n])
    f[t] = sigmoid(s[t][:, n:2*n])
    o[t] = sigmoid(s[t][:, 2*n:3*n])
    c[t] = f[t] * c[t-1] + i[t] * tanh(s[t][:, 3*n:4*n])
    h[t] = o[t] * tanh(c[t])
C = sum(h[T]**2) + sum(sum(c[t]), t) / 2
'''
[shapes]
"x[t]" = "N d"
W = "d 4*n"
U = "n 4*n"
b = "4*n"
[sizes]
T = 3
"""


def test_recurrence_from_zero_has_the_value_of_plain_numpy():
    network = spec.loads(LSTM)
    values = oracle.draw(network, 1)
    arrays = values.arrays
    W, U, b = (arrays[name, ()] for name in "WUb")
    n = U.shape[0]
    rows = arrays["x", (1,)].shape[0]
    h, c, total = np.zeros((rows, n)), np.zeros((rows, n)), 0.0
    for t in (1, 2, 3):
        s = h @ U + arrays["x", (t,)] @ W + b
        i, f, o = (sigmoid(s[:, k * n : (k + 1) * n]) for k in range(3))
        c = f * c + i * np.tanh(s[:, 3 * n :])
        h = o * np.tanh(c)
        total += c.sum() / 2
    assert float(oracle.Interpreter(network, values).tensor("C")) == pytest.approx((h**2).sum() + total, rel=1e-12)


NESTED = """
name = "nested"
loss = "C"
parameters = ["W", "U"]
forward = '''
for t in 1..T:
    h[0][t] = x[t]
for l in 1..L:
    h[l][0] = 0
    for t in 1..T:
        h[l][t] = tanh(W[l] @ h[l-1][t] + U[l] @ h[l][t-1])
g[T+1] = 0
for t in 1..T:
    g[t] = tanh(g[t+1] + h[L][t])
C = sum(sum(g[t]**2), t)
'''
[shapes]
"x[t]" = "n[0]"
"W[l]" = "n[l] n[l-1]"
"U[l]" = "n[l] n[l]"
[sizes]
L = 2
T = 4
n = [2, 4, 3]
"""


def test_families_over_layers_and_time_have_the_value_of_plain_numpy():
    network = spec.loads(NESTED)
    values = oracle.draw(network, 2)
    arrays = values.arrays
    h = {(0, t): arrays["x", (t,)] for t in range(1, 5)}
    for layer in (1, 2):
        h[layer, 0] = np.zeros(values.size("n", (layer,)))
        for t in range(1, 5):
            h[layer, t] = np.tanh(arrays["W", (layer,)] @ h[layer - 1, t] + arrays["U", (layer,)] @ h[layer, t - 1])
    g, total = np.zeros(3), 0.0
    for t in (4, 3, 2, 1):
        g = np.tanh(g + h[2, t])
        total += (g**2).sum()
    assert float(oracle.Interpreter(network, values).tensor("C")) == pytest.approx(total, rel=1e-12)


CELL = """
name = "cell"
loss = "C"
parameters = ["W", "U", "b", "gamma"]
forward = '''
h[0] = 0
c[0] = 0
for t in 1..T:
    h[t], c[t] = lstm_cell(x[t], h[t-1], c[t-1], W, U, b)
z = layer_norm(h[T], gamma, beta, eps=0.01)
g = gru_cell(x[1], z, V, R, a)
C = sum(z * g) + sum(attention(z, g, x[1])) + sum(batch_norm(rnn_cell(x[2], z, Q, R2, beta), gamma, beta)**2 * z)
'''
[shapes]
"x[t]" = "N d"
W = "d 4*n"
U = "n 4*n"
b = "4*n"
V = "d 3*n"
R = "n 3*n"
a = "3*n"
Q = "d n"
R2 = "n n"
gamma = "n"
beta = "n"
[sizes]
T = 3
"""


def test_layers_have_the_values_of_plain_numpy():
    network = spec.loads(CELL)
    values = oracle.draw(network, 3)
    A = {name: array for (name, at), array in values.arrays.items() if not at}
    x = {at[0]: array for (name, at), array in values.arrays.items() if at}
    n = A["U"].shape[0]
    h = c = np.zeros((len(x[1]), n))
    for t in (1, 2, 3):
        i, f, g, o = np.split(x[t] @ A["W"] + h @ A["U"] + A["b"], 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    mu, v = h.mean(axis=1, keepdims=True), h.var(axis=1, keepdims=True)
    z = A["gamma"] * (h - mu) / np.sqrt(v + 0.01) + A["beta"]
    (s_r, s_z, s_n), (u_r, u_z, u_n) = np.split(x[1] @ A["V"] + A["a"], 3, axis=1), np.split(z @ A["R"], 3, axis=1)
    gate = sigmoid(s_z + u_z)
    g = (1 - gate) * np.tanh(s_n + sigmoid(s_r + u_r) * u_n) + gate * z
    attended = softmax(z @ g.T / np.sqrt(n)) @ x[1]
    k = np.tanh(x[2] @ A["Q"] + z @ A["R2"] + A["beta"])
    normed = A["gamma"] * (k - k.mean(axis=0)) / np.sqrt(k.var(axis=0) + 1e-5) + A["beta"]
    expected = (z * g).sum() + attended.sum() + (normed**2 * z).sum()
    assert float(oracle.Interpreter(network, values).tensor("C")) == pytest.approx(expected, rel=1e-10)


def test_results_of_a_layer_share_its_steps():
    network = spec.loads(CELL)
    assert [str(e) for e in network.equations if e.lhs.tensor == "c"][1] == (
        "c[t, i, m] = f_h[t, i, m]*c[t-1, i, m] + i_h[t, i, m]*g_h[t, i, m]"
    )
    assert [str(e) for e in network.equations if e.lhs.tensor == "h"][
        1
    ] == "h[t, i, m] = o_h[t, i, m]*(tanh(c[t, i, m]))"
