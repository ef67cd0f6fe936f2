"""What each construct of the forward language becomes: (text, equations) as a table."""

from __future__ import annotations

import pytest

from symbackprop import spec

SHAPES = {"X": "N d", "W": "d h", "b": "h", "Y": "N h", "x": "d", "V": "h d", "S": "n n", "s": ""}


def equations(forward, *, shapes=None, **tables):
    """The equations of a text whose last line is ``C = …``; tensors it does not use are left out."""
    known = SHAPES if shapes is None else shapes
    used = {k: v for k, v in known.items() if k.split("[")[0] in _words(forward)}
    parameter = next(k.split("[")[0] for k in ("W", "W[l]", "U", "V", "x", "s", *used) if k in used)
    network = spec.network(name="net", forward=forward, loss="C", parameters=[parameter], shapes=used, **tables)
    return [str(e) for e in network.equations]


def _words(text):
    return set("".join(c if c.isalnum() or c == "_" else " " for c in text).split())


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        # matrix form
        ("C = sum(X @ W)",              ["C = Sum(X[e, i]*W[i, j], e, j, i)"]),
        ("C = sum(V @ x + b)",          ["C = Sum(V[i, j]*x[j], i, j) + Sum(b[i], i)"]),
        ("C = x @ x",                   ["C = Sum((x[i]**2), i)"]),
        ("C = sum(W.T @ x)",            ["C = Sum(W[i, j]*x[i], j, i)"]),
        ("C = sum(tanh(X @ W))",        ["s[e, j] = Sum(X[e, i]*W[i, j], i)", "C = Sum((tanh(s[e, j])), e, j)"]),
        ("C = sum((X @ W - Y)**2)",     ["r[e, j] = Sum(X[e, i]*W[i, j], i) - Y[e, j]", "C = Sum((r[e, j]**2), e, j)"]),
        ("C = sum(X @ W @ b)",          ["u[i, k] = Sum(X[i, j]*W[j, k], j)", "C = Sum(u[i, k]*b[k], i, k)"]),
        ("C = sum(tanh(X) @ W)",        ["C = Sum((tanh(X[e, i]))*W[i, j], e, j, i)"]),
        ("C = sum(exp(-(X @ W)))",      ["s[e, j] = Sum(X[e, i]*W[i, j], i)", "C = Sum((exp(-s[e, j])), e, j)"]),
        # scalars, sizes, numbers
        ("C = s * sum(x) / 2",          ["C = 1/2*Sum(s*x[i], i)"]),
        ("C = sum(X) / N / d",          ["C = Sum(X[i, j]*(1/N)*(1/d), i, j)"]),
        ("C = sum(x) / (d - 1)",        ["C = Sum(x[i]*(1/d-1), i)"]),
        ("C = mean(x)",                 ["C = Sum(x[i]*(1/d), i)"]),
        ("C = sum(0.1 * x) + 1e-2",     ["C = 1/10*Sum(x[i], i) + 1/100*1"]),
        ("C = sum(x)**2",               ["r = Sum(x[i], i)", "C = (r**2)"]),
        ("C = (sum(x) + sum(b)) * s",   ["C = Sum(x[i]*s, i) + Sum(b[e]*s, e)"]),
        # reductions and functions of an axis
        ("z = sum(X, 'd')\nC = sum(z)", ["z[i] = Sum(X[i, j], j)", "C = Sum(z[i], i)"]),
        ("z = sum(X, -1)\nC = sum(z)",  ["z[i] = Sum(X[i, j], j)", "C = Sum(z[i], i)"]),
        ("z = sum(S, 'n')\nC = sum(z)", ["z[i] = Sum(S[i, j], j)", "C = Sum(z[i], i)"]),
        ("p = softmax(x)\nC = x @ p",   ["p[i] = softmax(x[_0])[i]", "C = Sum(x[i]*p[i], i)"]),
        ("C = sum(log(softmax(x)))",    ["p[i] = softmax(x[_0])[i]", "C = Sum((log(p[i])), i)"]),
        ("C = sum(max(X, 'd'))",        ["m[i] = max(X[i, _0])", "C = Sum(m[i], i)"]),
        ("C = max(X)",                  ["C = max(X[_0, _1])"]),
        ("C = 2 * logsumexp(X @ x)",    ["u[e] = Sum(X[e, i]*x[i], i)", "c = logsumexp(u[_0])", "C = 2*c"]),
        # formulas that are known functions
        ("C = sum(1/(1 + exp(-x)))",    ["C = Sum((sigmoid(x[i])), i)"]),
        ("p = exp(x) / sum(exp(x))\nC = sum(p)", ["p[i] = softmax(x[_0])[i]", "C = Sum(p[i], i)"]),
        # choices, joins, picks
        ("C = sum(where(x > s, x, 0))", ["C = Sum((Where(Compare(>, x[i], s), x[i], 0)), i)"]),
        ("C = sum((x > 0) * x)",        ["C = Sum((Compare(>, x[i], 0))*x[i], i)"]),
        ("z = concat(x, b)\nC = sum(z)", ["z[j] = [d >= j+1]*x[j] + [j >= d]*b[j-d]", "C = Sum(z[j], j)"]),
        ("C = sum(X[1:, 0])",           ["C = Sum(X[i+1, 0], i)"]),
        ("C = sum(X[:-1, 1:d])",        ["C = Sum(X[i, j+1], i, j)"]),
        ("z = pad(x, 'd', 1, 0)\nC = sum(z)", ["z[j] = [j >= 1]*x[j-1]", "C = Sum(z[j], j)"]),
        ("z = max(X @ W) - max(X @ W)\nC = z", ["u[e, j] = Sum(X[e, i]*W[i, j], i)", "m = max(u[_0, _1])",
                                               "z = m - m", "C = z"]),
    ],
)  # fmt: skip
def test_matrix_form(forward, expected):
    assert equations(forward) == expected


INDICES = {"e": "N", "i": "d", "j": "h", "k": "h", "t": "T", "q": "2"}
INDEXED = {**SHAPES, "A": "N d h", "z": "2*T+1", "v": "T"}


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        ("y[e,j] = sum(X[e,i] * W[i,j], i) + b[j]\nC = sum(y)", ["y[e, j] = Sum(X[e, i]*W[i, j], i) + b[j]",
                                                                "C = Sum(y[e, j], e, j)"]),
        ("C = sum(W[i,j] * V[j,i], i, j)",    ["C = Sum(W[i, j]*V[j, i], i, j)"]),
        ("C = mean(A[e,i,j], e, j, i)",       ["C = Sum(A[e, i, j]*(1/N)*(1/h)*(1/d), e, j, i)"]),
        ("y[t] = z[2*t+1]\nC = sum(y)",       ["y[t] = z[2*t+1]", "C = Sum(y[t], t)"]),
        ("y[t] = max(z[2*t+q], q)\nC = sum(y)", ["y[t] = max(z[_0+2*t])", "C = Sum(y[t], t)"]),
        ("y[j,k] = softmax(W[0,k] * b[j], k)\nC = sum(y)", ["s[j, k] = W[0, k]*b[j]", "y[j, k] = softmax(s[j, _0])[k]",
                                                            "C = Sum(y[j, k], j, k)"]),
        ("y[j,k] = where(j <= k, b[j], -1e9)\nC = sum(y)",
         ["y[j, k] = [k >= j]*b[j] - 1000000000*[j >= k+1]*1", "C = Sum(y[j, k], j, k)"]),
        ("y[j,k] = (j == k) * b[j]\nC = sum(y)", ["y[j, k] = [j == k]*b[j]", "C = Sum(y[j, k], j, k)"]),
        ("y[t] = t * v[t]\nC = sum(y)",       ["y[t] = (t)*v[t]", "C = Sum(y[t], t)"]),
        ("y[e] = tanh(sum(X[e,i] * x[i], i))\nC = sum(y)", ["s[e] = Sum(X[e, i]*x[i], i)", "y[e] = (tanh(s[e]))",
                                                            "C = Sum(y[e], e)"]),
        ("C = sum(tanh(sum(X[e,i] * x[i], i)), e)", ["s[e] = Sum(X[e, i]*x[i], i)", "C = Sum((tanh(s[e])), e)"]),
        ("y[e] = sum(exp(X[e,i]) / sum(exp(X[e,i]), i) * x[i], i)\nC = sum(y)",
         ["p[e, i] = softmax(X[e, _0])[i]", "y[e] = Sum(p[e, i]*x[i], i)", "C = Sum(y[e], e)"]),
    ],
)  # fmt: skip
def test_index_form(forward, expected):
    used = {k: v for k, v in INDICES.items() if k in _words(forward)}
    assert equations(forward, shapes=INDEXED, indices=used, sizes={"T": 3} if "t" in used else {}) == expected


FAMILIES = {"x": "n[0]", "W[l]": "n[l] n[l-1]", "U": "m m", "g": "m", "u[t]": "m", "w": "m"}


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        ("a[0] = x\nfor l in 1..L:\n    a[l] = tanh(W[l] @ a[l-1])\nC = sum(a[L])",
         ["a[0, i] = x[i]", "s[l, i] = Sum(W[l, i, j]*a[l-1, j], j)", "a[l, i] = (tanh(s[l, i]))",
          "C = Sum(a[L, i], i)"]),
        ("h[T+1] = g\nfor t in 1..T:\n    h[t] = tanh(U @ h[t+1])\nC = sum(sum(h[t]), t)",
         ["h[T+1, i] = g[i]", "s[t, i] = Sum(U[i, j]*h[t+1, j], j)", "h[t, i] = (tanh(s[t, i]))",
          "C = Sum(h[t, i], t, i)"]),
        ("h[0] = 0\nfor t in 1..T:\n    h[t] = h[t-1] + u[t]\nC = h[T] @ h[T]",
         ["h[0, i] = 0", "h[t, i] = h[t-1, i] + u[t, i]", "C = Sum((h[T, i]**2), i)"]),
        ("h[0] = g\nfor t in 1..T:\n    h[t] = U @ h[t-1]\n    E[t] = h[t] @ w\nC = mean(E[t], t)",
         ["h[0, i] = g[i]", "h[t, i] = Sum(U[i, j]*h[t-1, j], j)", "E[t] = Sum(h[t, i]*w[i], i)",
          "C = Sum(E[t]*(1/T), t)"]),
        ("h[0] = g\nfor t in 1..T:\n    h[t] = U @ h[t-1]\nC = sum(sum(tanh(U @ h[t])), t)",
         ["h[0, i] = g[i]", "h[t, i] = Sum(U[i, j]*h[t-1, j], j)", "s[t, i] = Sum(U[i, j]*h[t, j], j)",
          "C = Sum((tanh(s[t, i])), t, i)"]),
        ("h[0] = g\nh[1] = U @ h[0]\nfor t in 2..T:\n    h[t] = U @ h[t-1] + h[t-2]\nC = sum(h[T])",
         ["h[0, i] = g[i]", "h[1, i] = Sum(U[i, j]*h[0, j], j)", "h[t, i] = Sum(U[i, j]*h[t-1, j], j) + h[t-2, i]",
          "C = Sum(h[T, i], i)"]),
        ("for t in 2..1:\n    h[t] = U @ w\nh[1] = U @ g\nC = sum(h[1])",
         ["h[t, i] = Sum(U[i, j]*w[j], j)", "h[1, i] = Sum(U[i, j]*g[j], j)", "C = Sum(h[1, i], i)"]),
    ],
    ids=["layers", "downwards", "from zero", "mean over time", "sum of a function", "two steps back", "no rounds"],
)  # fmt: skip
def test_families(forward, expected):
    assert equations(forward, shapes=FAMILIES, sizes={"T": 3} if "T" in forward else {}) == expected


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({"f": "opaque"},            ["C = Sum((f(x[i])), i)"]),
        ({"f": "x * sigmoid(x)"},    ["C = Sum(x[i]*(sigmoid(x[i])), i)"]),
        ({"f": "where(x > 0, x, 0.1*x)"}, ["C = Sum((Where(Compare(>, x[i], 0), x[i], x[i]/10)), i)"]),
        ({"f": "(exp(x) - exp(-x)) / (exp(x) + exp(-x))"}, ["C = Sum((tanh(x[i])), i)"]),
        ({"f": "g(x)**2", "g": "x + 1"}, ["C = Sum(((x[i] + 1)**2), i)"]),
    ],
)  # fmt: skip
def test_functions(tables, expected):
    assert equations("C = sum(f(x))", functions=tables) == expected


def test_letters_of_the_author_are_kept():
    network = spec.network(
        name="net",
        forward="z = X @ W\ny = z @ V\nC = sum(tanh(y))",
        loss="C",
        parameters=["W", "V"],
        shapes={"X": "N d", "W": "d h", "V": "h o"},
        latex={"X[s,a]": "x_{sa}", "W[a,b]": "w_{ab}", "y[s,c]": "y_{sc}"},
    )
    assert [str(e) for e in network.equations] == [
        "z[s, b] = Sum(X[s, a]*W[a, b], a)",
        "y[s, c] = Sum(z[s, b]*V[b, c], b)",
        "C = Sum((tanh(y[s, c])), s, c)",
    ]
    assert network.letters["X", 1] == "a"
    assert network.letters["h"] == "b"


def test_name_with_two_meanings_is_warned_of():
    network = spec.network(
        name="net", forward="C = sum(h * x) / h", loss="C", parameters=["x"], shapes={"h": "", "x": "h"}, sizes={"h": 3}
    )
    assert network.warnings == ("in forward, 'h' is a tensor and hides the size of that name",)


def test_program_keeps_the_order_of_the_author():
    text = "for t in 1..T:\n    b[t] = u[t]\nfor t in 1..T:\n    a[t] = tanh(u[t])\nC = sum(sum(a[t] * b[t]), t)"
    network = spec.network(name="net", forward=text, loss="C", parameters=["u"], shapes={"u[t]": "m"})
    assert [(tuple(map(str, loops)), e.lhs.tensor) for loops, e in network.walk()] == [
        (("t=1..T",), "b"),
        (("t=1..T",), "a"),
        ((), "C"),
    ]
