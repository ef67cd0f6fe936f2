"""What pages say about themselves: their notation, how matrices lie, sizes of a list, what dots stand for."""

from __future__ import annotations

import pytest

from symbackprop import api
from symbackprop.errors import SpecError
from symbackprop.handwritten import document
from symbackprop.verify import pipeline

PATHS = r"""
% symbackprop: sizes h = 2
\[ \frac{\partial C}{\partial x_1} = \frac{\partial C}{\partial z_1} w_{11} + \frac{\partial C}{\partial z_2} w_{21} \]
% symbackprop: dots = $\sum_{j=2}^{h} \frac{\partial C}{\partial z_j} w_{j1}$
\[ \frac{\partial C}{\partial x_1} = \frac{\partial C}{\partial z_1} w_{11} + \cdots \]
"""
LINEAR = """
name = "linear"
loss = "C"
parameters = ["W", "x"]
forward = '''
z = W @ x
C = sum(z**2)
'''
[shapes]
W = "h d"
x = "d"
[sizes]
h = 4
d = 3
"""


def verdicts(text, network=LINEAR):
    return [each.verdict.verdict for each in pipeline.session(document.read(text, "tex"), api.loads(network)).claims()]


def test_sizes_and_dots_make_a_list_of_paths_a_claim():
    assert verdicts(PATHS) == ["right", "right"]
    assert verdicts(PATHS.replace("sizes h = 2", "sizes h = 3")) == ["wrong", "right"]
    assert verdicts(PATHS.replace("j=2", "j=1")) == ["right", "wrong"]
    assert verdicts(PATHS.replace("% symbackprop", "% ")) == ["wrong", "unreadable"]


def test_transposed_matrices_and_another_notation():
    columns = r"\[ \frac{\partial C}{\partial W} = x \frac{\partial C}{\partial z}^\top \]"
    rows = r"\[ \frac{\partial C}{\partial W} = x^\top \frac{\partial C}{\partial z} \]"
    turned = "% symbackprop: transposed W\n"
    upright = "% symbackprop: notation columns\n% symbackprop: vectors columns\n"
    assert verdicts(columns) == ["wrong"]
    assert verdicts(upright + turned + columns) == ["right"]
    assert verdicts(upright + turned + rows) == ["wrong"]
    assert verdicts(turned + rows) == ["right"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sizes q = 2", "no size 'q'"),
        ("sizes h", "expected sizes"),
        ("dots \\sum", "expected 'dots = QUANTITY'"),
        ("notation", "expected 'notation PRESET'"),
        ("transposed", "expected 'transposed W'"),
        ("ignore this", "a reason after a colon"),
    ],
)
def test_messages_of_directives_about_the_page(line, words):
    text = f"% symbackprop: {line}\n" + r"\[ \frac{\partial C}{\partial z} = 2 z \]"
    found = pipeline.session(document.read(text, "tex"), api.loads(LINEAR))
    assert any(words in problem.message for problem in found.document.problems)


def test_an_ignored_formula_may_have_its_reason():
    assert verdicts("% symbackprop: ignore: an example\n" + r"\[ \frac{\partial C}{\partial z} = 3 z \]") == []


@pytest.mark.parametrize("line", ["notation diagonals", "transposed x", "transposed Q"])
def test_unknown_notations_and_matrices_are_errors(line):
    with pytest.raises(SpecError, match=r"no notation 'diagonals'|no matrix '[xQ]'"):
        verdicts(f"% symbackprop: {line}\n" + PATHS)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (r"\begin{cases} 2 z & \lvert z \rvert \le 1 \\ 2 z & \text{otherwise} \end{cases}", "right"),
        (r"\begin{cases} 2 z & z \le 0 \\ 2 \lvert z \rvert & z > 0 \end{cases}", "right"),
        (r"\begin{cases} 2 z & z \le 0 \\ 3 z & z > 0 \end{cases}", "wrong"),
        (r"\begin{cases} 2 z & z > 0 \end{cases}", "wrong"),
    ],
)
def test_cases_of_arrays_are_taken_entry_by_entry(value, verdict):
    assert verdicts(rf"\[ \frac{{\partial C}}{{\partial z}} = {value} \]") == [verdict]
