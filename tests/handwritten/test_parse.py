"""Items of formulas: what hangs on what, what is set aside, and what is mended."""

from __future__ import annotations

import pytest

from symbackprop.handwritten.parse import parse, tokens
from symbackprop.handwritten.tokens import ReadError


def nuclei(text):
    return ["".join(item.nucleus) or item.text for item in parse(text).items]


def scripts(text):
    (item,) = parse(text).items
    return [tokens(group) for group in item.subs], [tokens(group) for group in item.sups], item.primes


@pytest.mark.parametrize(
    ("text", "below", "above", "primes"),
    [
        ("W^{(l)}_{ij}", [("i", "j")], [("(", "l", ")")], 0),
        ("W_{ij}^{(l)}", [("i", "j")], [("(", "l", ")")], 0),
        ("{W_t}_i", [("t",), ("i",)], [], 0),
        ("f'", [], [], 1),
        ("f''_i", [("i",)], [], 2),
        (r"f^\prime", [], [], 1),
        (r"f^{\prime\prime}", [], [], 2),
        ("f^{'}", [], [], 1),
        ("f^{' 2}", [], [("2",)], 1),
        (r"x^{\langle t \rangle}", [], [(r"\langle", "t", r"\rangle")], 0),
        (r"x_{t_k}", [("t", "_", "k")], [], 0),
        ("x^23", None, None, 0),
        (r"h{}^T", [], [("T",)], 0),
        ("Wᵀ", [], [("T",)], 0),
        ("wᵢ₊₁", [("i", "+", "1")], [], 0),
        (r"\mathbf{h_{t+1}}", [("t", "+", "1")], [], 0),
        (r"\hat{y_4}", [("4",)], [], 0),
        (r"W^{l\,T}", [], [("l", "T")], 0),
    ],
)
def test_scripts_hang_on_their_letter(text, below, above, primes):
    if below is None:
        assert [tokens((item,)) for item in parse(text).items] == [("x", "^", "2"), ("3",)]
        return
    assert scripts(text) == (below, above, primes)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            r"\vec{\mathbf{a}} \mathcal L {\cal C} {\bf W} \bm{x} \boldsymbol{\theta}",
            ["a", "L", "C", "W", "x", r"\theta"],
        ),
        (r"\hat{\mathbf{y}} \mathbf{\hat y} \widehat y", [r"\hat{y}"] * 3),
        (r"\ell \varepsilon \varphi", ["l", r"\epsilon", r"\phi"]),
        (r"\mathrm{softmax} \operatorname{diag} \text{loss}", ["softmax", "diag", "loss"]),
        ("σ ŷ ∂", [r"\sigma", r"\hat{y}", r"\partial"]),
        (r"{a} {{b}} \boxed{c} \underbrace{d}_{\text{known}} \color{red} e", ["a", "b", "c", "d", "e"]),
        (r"a\,b\;c\quad d~e \displaystyle f \tag{7} \label{eq:x}", ["a", "b", "c", "d", "e", "f"]),
        (r"\bigl( a \bigr) \left[ b \right]", ["(", "["]),
    ],
)
def test_fonts_and_decoration_are_set_aside(text, names):
    assert nuclei(text) == names


def test_fractions_of_every_form():
    for text in (r"\frac{a}{b}", r"{a \over b}", r"\dfrac ab", r"\tfrac{a} b"):
        (item,) = parse(text).items
        assert (item.kind, nuclei_of(item.body), nuclei_of(item.under)) == ("frac", ["a"], ["b"])
    (half,) = parse(r"\frac12").items
    assert (half.body[0].text, half.under[0].text) == ("1", "2")


def nuclei_of(items):
    return ["".join(item.nucleus) or item.text for item in items]


def test_prose_is_no_name():
    kinds = [(item.kind, item.text) for item in parse(r"a \text{ where } b \text{if $j$ is a neuron}").items]
    assert kinds[1] == ("text", "where")
    assert kinds[3] == ("text", "if $j$ is a neuron")


@pytest.mark.parametrize("text", [r"\|a\|", "||a||", r"\left\| a \right\|", r"\lVert a \rVert", r"\Vert a \Vert"])
def test_bars_come_in_pairs(text):
    (item,) = parse(text).items
    assert (item.kind, item.text) == ("group", r"\|")


def test_arrays_have_rows_and_cells():
    (item,) = parse(r"\begin{cases} a & i=j \\\\\\ b & i \ne j \end{cases}").items
    assert [len(row) for row in item.rows] == [2, 2]


def test_places_are_those_of_the_text():
    text = r"a + \frac{\partial C}{\partial w_{ij}} b"
    parts = [text[item.start : item.end] for item in parse(text).items]
    assert parts == ["a", "+", r"\frac{\partial C}{\partial w_{ij}}", "b"]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("{a", 0, "not closed"),
        ("a}", 1, "closes nothing"),
        (r"\begin{cases} a", 0, "not closed"),
        ("((a", 0, "no partner"),
        ("a \u4e00", 2, "U\\+4E00"),
        (r"a \over b \over c", 10, "second"),
        ("x ^", 2, "ends too early"),
    ],
)
def test_errors_name_their_place(text, place, message):
    with pytest.raises(ReadError, match=message) as caught:
        parse(text)
    assert caught.value.place == place
