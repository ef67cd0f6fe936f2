"""What is not followed in a program is unreadable with the reason, never wrong; a mapping that is known is judged."""

from __future__ import annotations

import pytest

from symbackprop import spec
from symbackprop.handwritten.python_source import parse
from symbackprop.verify.python import judge_program
from symbackprop.verify.world import Worlds

SQUARES = spec.loads("""
name = "squares"
loss = "L"
parameters = ["w"]
forward = "L = sum((X @ w - y)**2) / n"
[shapes]
X = "n d"
w = "d"
y = "n"
""")
OPAQUE = spec.loads("""
name = "opaque"
loss = "C"
parameters = ["W"]
forward = '''
z = W @ x
a = f(z)
C = ell(a)
'''
[shapes]
W = "h d"
x = "d"
[functions]
f = "opaque"
ell = "opaque loss"
""")
LAYERS = spec.loads("""
name = "layers"
loss = "C"
parameters = ["W"]
forward = '''
a[0] = x
for l in 1..L:
    z[l] = W[l] @ a[l-1]
    a[l] = sigma[l](z[l])
C = sum((a[L] - y)**2) / 2
'''
[shapes]
x = "n[0]"
"W[l]" = "n[l] n[l-1]"
y = "n[L]"
[functions]
"sigma[l]" = "opaque"
[sizes]
L = 3
n = [2, 4, 5, 3]
""")
RIGHT = "dw = 2 * X.T @ (X @ w - y) / "


def judged(network, code):
    return judge_program(parse(code), network, Worlds(network))


def verdicts(network, code):
    return {claim.verdict.verdict for claim in judged(network, code)}


@pytest.mark.parametrize(
    "before",
    [
        "sizes = {}\nmeasure(X, sizes)\n",
        "sizes = {'d': 2}\nif mode(X):\n    pass\nelse:\n    sizes['n'] = len(X)\n",
        "sizes = {}\nfor key in axes(X):\n    sizes[key] = len(X)\n",
        "sizes = {}\nwhile more(X):\n    sizes[key(X)] = len(X)\n",
        "sizes = {}\nsizes[key(X)], left = divmod(len(X), 1)\n",
        "first = {}\nmeasure(X, first)\nsizes = {**first}\n",
        "first = {}\nmeasure(X, first)\nsizes = first.copy()\n",
        "def fill(sizes):\n    sizes[key()] = len(X)\nsizes = {}\nfill(sizes)\n",
        "sizes = measure(X)\n",
    ],
)
def test_what_is_not_followed_is_unreadable(before):
    (claim,) = judged(SQUARES, before + RIGHT + "sizes['n']\n")
    assert claim.verdict.verdict == "unreadable"
    assert claim.verdict.message


@pytest.mark.parametrize(
    "code",
    [
        "rows = []\ncollect(X, rows)\n" + RIGHT + "rows[3]",
        "sizes = {'d': 2}\nif mode(X):\n    sizes['n'] = len(X)\n" + RIGHT + "sizes['n']",
        "number = len(X)\nif mode(X):\n    number = 2 * number\n" + RIGHT + "number",
        "dw = np.zeros(len(w))\nfor _ in range(rounds()):\n    dw += X.T @ (X @ w - y) / len(X)",
        "number = 1\ntry:\n    number = {}['n']\nexcept KeyError:\n    number = len(X)\n" + RIGHT + "number",
    ],
)
def test_a_guess_is_no_mistake(code):
    assert verdicts(SQUARES, code) <= {"unreadable", "right"}


def test_a_missing_entry_of_a_known_mapping_is_wrong():
    assert verdicts(SQUARES, "sizes = {'m': len(X)}\n" + RIGHT + "sizes['n']") == {"wrong"}
    assert verdicts(SQUARES, "rows = [len(X)]\n" + RIGHT + "rows[1]") == {"wrong"}


def test_a_fault_beside_a_guess_is_wrong():
    code = "if verbose():\n    print(X)\nfor epoch in range(epochs()):\n    dw = X.T @ (X @ w + y) / len(X)"
    assert verdicts(SQUARES, code) == {"wrong"}


def test_language():
    code = """
def sizes_of(array, *, names=("n", "d")):
    sizes = {"": 1}
    todo = list(zip(names, array.shape))
    while todo:
        later = []
        for name, size in todo:
            if not isinstance(name, (str, list)):
                raise ValueError("a name is expected")
            sizes[name], left = divmod(size, sizes[""])
        todo = later
    return sizes
sizes = {name: size for name, size in sizes_of(X).items() if name} or None
"""
    assert verdicts(SQUARES, code + RIGHT + "sizes['n']") == {"right"}


PAIRS = """
def gradients(W, x, *, f, ell):
    f, f_prime = f
    _, ell_gradient = ell
    z = W @ x
    (da,) = ell_gradient(f(z))
    dz = da * f_prime(z)
    dW = np.outer(dz, x)
    return {"W": dW}
"""
LISTED = """
def gradients(parameters, inputs, *, sigma):
    W = dict(enumerate(parameters["W"], start=1))
    slopes = dict(enumerate((slope for _, slope in sigma), start=1))
    sigma = dict(enumerate((function for function, _ in sigma), start=1))
    a, z, d, dW = {0: inputs["x"]}, {}, {}, {}
    L = len(W)
    for l in range(1, L + 1):
        z[l] = W[l] @ a[l - 1]
        a[l] = sigma[l](z[l])
    for l in range(L, 0, -1):
        d[l] = (a[L] - inputs["y"] if l == L else W[l + 1].T @ d[l + 1]) * slopes[l](z[l])
        dW[l] = np.outer(d[l], a[l - 1])
    gradients = {"W": [dW[l] for l in range(1, L + 1)]}
    return gradients
"""


@pytest.mark.parametrize(
    ("network", "code", "faults"),
    [
        (OPAQUE, PAIRS, [("da * f_prime(z)", "da * f(z)"), ("np.outer(dz, x)", "np.outer(da, x)")]),
        (OPAQUE, PAIRS.replace("f, f_prime = f\n", "f_prime = f[1]\n"), [("f_prime(z)", "f_prime(da)")]),
        (LAYERS, LISTED, [("* slopes[l](z[l])", "* slopes[l](a[l])"), ("slopes[l]", "slopes[1]")]),
    ],
)
def test_functions_of_the_network_are_pairs(network, code, faults):
    assert verdicts(network, code) == {"right"}
    for old, new in faults:
        assert old in code
        assert "wrong" in verdicts(network, code.replace(old, new)), new


def test_a_function_that_is_not_known_is_unreadable():
    code = "f, slope = activation('f')\ndW = np.outer(ell_gradient(f(W @ x))[0] * slope(W @ x), x)"
    assert verdicts(OPAQUE, code) == {"unreadable"}
