"""Directives become typed values; what cannot be understood is named with its place."""

from __future__ import annotations

import pytest

from symbackprop import spec
from symbackprop.affine import size, var
from symbackprop.handwritten import directives as d
from symbackprop.handwritten.directives_read import read as read_line
from symbackprop.handwritten.document import read
from symbackprop.handwritten.expression import Call, Derivative, Differential, Letter, Operation, Product, Slice
from symbackprop.handwritten.formula import plain
from symbackprop.handwritten.quantities import bind, conditions
from symbackprop.handwritten.quantities import read as quantity

NETWORK = """
name = "net"
loss = "C"
parameters = ["W", "b", "V"]
forward = '''
a[0] = x
for l in 1..L:
    z[l] = W[l] @ a[l-1] + b[l]
    a[l] = f(z[l])
yhat = V @ a[L]
C = sum((yhat - y)**2)
'''
[shapes]
x = "n[0]"
"W[l]" = "n[l] n[l-1]"
"b[l]" = "n[l]"
V = "m n[L]"
y = "m"
[functions]
f = "opaque"
[sizes]
L = 3
n = [2, 4, 5, 6]
"""


@pytest.fixture(scope="module")
def network():
    return spec.loads(NETWORK)


@pytest.mark.parametrize(
    ("line", "kind", "expected"),
    [
        ("net = a/b.toml", d.Net, {"file": "a/b.toml"}),
        ("index base 0", d.Base, {"base": 0}),
        ("layout numerator", d.Layout, {"layout": "numerator", "of": "all"}),
        ("layout of vectors denominator", d.Layout, {"layout": "denominator", "of": "vectors"}),
        ("layout of matrices numerator", d.Layout, {"layout": "numerator", "of": "matrices"}),
        ("vectors rows", d.Vectors, {"orientation": "rows"}),
        (r"product \cdot = matrix", d.ProductSign, {"sign": r"\cdot", "meaning": "matrix"}),
        ("product * = entrywise", d.ProductSign, {"sign": "*", "meaning": "entrywise"}),
        ("product . = outer", d.ProductSign, {"sign": ".", "meaning": "outer"}),
        ("prime transpose", d.Prime, {"meaning": "transpose"}),
        ("partial explicit", d.Partial, {"explicit": True}),
        (r"relation \approx = positive multiple", d.RelationSign, {"sign": r"\approx", "meaning": "positive multiple"}),
        ("sum repeated indices", d.Einstein, {"on": True}),
        ("ignore", d.Ignore, {}),
        ("expect wrong", d.ExpectWrong, {}),
    ],
)
def test_a_line_is_read(line, kind, expected):
    (found,) = read_line(plain(line))
    assert isinstance(found, kind)
    assert {name: getattr(found, name) for name in expected} == expected


def test_lets_take_any_latex_on_the_left():
    (let,) = read_line(plain(r"let J(W,b;x,y)_{i=1} = $\frac{\partial C}{\partial z_1}$"))
    assert (let.name.text, let.value.formula.text, let.value.latex) == (
        "J(W,b;x,y)_{i=1}",
        r"\frac{\partial C}{\partial z_1}",
        True,
    )


def test_functions_and_scalars_may_be_listed():
    assert [found.name.text for found in read_line(plain("function f, g"))] == ["f", "g"]
    (loss,) = read_line(plain(r"function \ell loss"))
    assert (loss.name.text, loss.loss) == (r"\ell", True)
    assert [found.name.text for found in read_line(plain(r"scalar \eta, x"))] == [r"\eta", "x"]


def test_operators_facts_and_cases_keep_their_latex():
    assert read_line(plain(r"operator (A \star B)(i) = \sum_k A_{i+k} B_k"))[0].formula.text.startswith("(A")
    assert read_line(plain(r"fact \sum_k y_k = 1"))[0].formula.text == r"\sum_k y_k = 1"
    assert [row.text for row in read_line(plain("cases l = M; l < M"))[0].rows] == ["l = M", "l < M"]


@pytest.mark.parametrize(
    ("line", "message", "column"),
    [
        ("lett k = dC/db", "did you mean 'let'", 1),
        ("let k", "let NAME = QUANTITY", 5),
        ("net a.toml", "net = FILE", 5),
        ("layout sideways", "layout numerator", 8),
        (r"product \cdot = dot", "no kind of product", 17),
        ("product hello = matrix", "no product sign", 9),
        ("relation = = multiple", "cannot be redefined", 10),
        (r"relation \approx = nearly", "no relation 'nearly'", 20),
        ("index base 2", "from 0 or from 1", 12),
        ("index 3 = 1..n", "no index letter", 7),
        ("ignore this", "a reason after a colon", 8),
        ("expect right", "expect wrong", 8),
        ("claim", "claim QUANTITY", 6),
        ("let k = $x", "without its partner", 9),
        ("fact hello", "expected a fact", 6),
    ],
)
def test_what_is_not_understood_is_named_with_its_place(line, message, column):
    document = read(f"% symbackprop: {line}\n")
    (problem,) = document.problems
    assert message in problem.message
    assert (problem.line, problem.column) == (1, 15 + column)


def test_quantities_are_read_in_the_names_of_the_network(network):
    found = quantity(plain("dC/dz[l+1][k]"), network)
    assert isinstance(found, Derivative)
    assert (found.of.tensor, found.by.tensor, found.by.family, found.by.element) == (
        "C",
        "z",
        (var("l") + 1,),
        (var("k"),),
    )
    assert isinstance(quantity(plain("dC"), network), Differential)
    assert quantity(plain("V[:,1..m]"), network).element == (Slice(), Slice(lo=var("x") - var("x") + 1, hi=size("m")))
    assert quantity(plain("V[:,:]"), network).element == ()
    assert isinstance(quantity(plain("2 * dC/dyhat"), network), Product)
    call = quantity(plain("diag(f'(z[l]))"), network)
    assert isinstance(call, Operation)
    assert isinstance(call.arguments[0], Call)
    assert call.arguments[0].order == 1
    assert quantity(plain("m-1"), network) == Letter(form=size("m") - 1)
    assert quantity(plain("dC/dW[L]"), network).by.family == (size("L"),)
    assert quantity(plain("dC/dW[L]"), network, {"L"}).by.family == (var("L"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dC/dw[l]", "did you mean"),
        ("dC/dW", "family"),
        ("dC/dV[i]", "2 element"),
        ("dC/", "expected a quantity"),
        ("dC/dV[1:2,:]", "1..n"),
        ("(" * 100 + "C" + ")" * 100, "nested"),
        ("C C", "does not fit"),
        ("dC/dV[i*j,1]", "two"),
        ("[" * 200, "expected"),
    ],
)
def test_quantities_that_do_not_fit_are_refused(network, text, message):
    with pytest.raises(d.DirectiveError, match=message):
        quantity(plain(text), network)


def test_conditions_of_cases(network):
    found = conditions(plain("1 <= l < L"), network)
    assert [(c.left.form, c.sign, c.right.form) for c in found] == [
        (var("l") * 0 + 1, "≤", var("l")),
        (var("l"), "<", size("L")),
    ]
    assert conditions(plain("otherwise"), network) == ()


def test_binding_reads_all_directives_once_and_keeps_going(network):
    text = (
        r"% symbackprop: let \delta = dC/dz[L]"
        "\n"
        r"% symbackprop: let k = dC/dq"
        "\n"
        "% symbackprop: index i over m\n% symbackprop: index l = 2..L-1\n$a = b$\n$c = d$\n"
    )
    document = bind(read(text), network)
    assert [problem.line for problem in document.problems] == [2]
    first, second = (entry.directives for entry in document.entries)
    assert [let.name.text for let in first.lets] == [r"\delta"]
    assert first.lets[0] is second.lets[0]
    assert [(index.lower, index.upper) for index in first.indices] == [
        (size("m") * 0 + 1, size("m")),
        (size("m") * 0 + 2, size("L") - 1),
    ]
