"""Macros are expanded within bounds, and every character knows where it came from."""

from __future__ import annotations

import pytest

from symbackprop.handwritten.document import read


def formulas(text):
    return [entry.formula.text for entry in read(text).entries]


@pytest.mark.parametrize(
    ("definition", "use", "meaning"),
    [
        (
            r"\newcommand{\pd}[2]{\frac{\partial #1}{\partial #2}}",
            r"\pd{C}{w} = 1",
            r"\frac{\partial C}{\partial w} = 1",
        ),
        (
            r"\newcommand\pd[2][C]{\partial #1/\partial #2}",
            r"\pd w = \pd[L]{b}",
            r"\partial C/\partial w = \partial L/\partial b",
        ),
        (r"\newcommand*{\bW}{\mathbf{W}}", r"\bW x = y", r"\mathbf{W} x = y"),
        (r"\renewcommand{\T}{^\top}", r"W\T x = y", r"W^\top x = y"),
        (r"\providecommand{\R}{\mathbb{R}}", r"x \in \R^n", r"x \in \mathbb{R}^n"),
        (r"\def\d#1/#2.{\frac{d #1}{d #2}}", r"\d C/w. = 0", r"\frac{d C}{d w} = 0"),
        (r"\def\a{\alpha}", r"\a b = \a1", r"\alpha b = \alpha1"),
        (r"\let\eps=\varepsilon", r"\eps x = y", r"\varepsilon x = y"),
        (r"\let\plain\alpha \def\alpha{\beta\plain}", r"\alpha x = y", r"\beta\alpha x = y"),
        (r"\DeclareMathOperator{\diag}{diag}", r"\diag(x) = y", r"\operatorname{diag}(x) = y"),
        (r"\DeclarePairedDelimiter{\norm}{\lVert}{\rVert}", r"\norm*{x} = y", r"\lVert x\rVert = y"),
        (r"\NewDocumentCommand{\g}{O{W} m}{\nabla_{#1} #2}", r"\g{C} = \g[b]{C}", r"\nabla_{W} C = \nabla_{b} C"),
        (r"\newcommand{\x}{a}\newcommand{\y}{\x\x}", r"\y = \x", r"aa = a"),
    ],
)
def test_macros_are_expanded(definition, use, meaning):
    assert formulas(f"{definition}\n$${use}$$") == [meaning]


def test_environments_of_the_author_are_expanded():
    text = r"\newcommand{\be}{\begin{equation}}\newcommand{\ee}{\end{equation}}\be a = b \ee"
    assert formulas(text) == ["a = b"]
    text = r"\newenvironment{mine}{\begin{align}}{\end{align}}\begin{mine} a &= b \\ c &= d \end{mine}"
    assert formulas(text) == ["a = b", "c = d"]


def test_redefined_accents_stay_as_written():
    assert formulas("\\let\\accenthat\\hat\n\\def\\hat#1{\\mathord{\\accenthat{#1}{}}}\n$\\hat{y} = 1$") == [
        "\\hat{y} = 1"
    ]


def test_characters_know_their_place():
    text = "\\newcommand{\\pd}[1]{\\partial #1}\n$a = \\pd{xy} z$"
    formula = read(text).entries[0].formula
    assert formula.text == "a = \\partial xy z"
    at = formula.text.index("xy")
    span = formula.part(at, at + 2)
    assert text[span.start : span.end] == "xy"
    call = formula.part(4, 4 + len("\\partial"))
    assert text[call.start : call.end] == "\\pd{xy}"
    assert formula.place(len(formula.text) - 1) == (2, text.split("\n")[1].index("z") + 1)


@pytest.mark.parametrize(
    "bomb",
    [
        r"\def\a{\a\a}$\a = b$",
        r"\def\a{\b\b}\def\b{\c\c}\def\c{\a\a}$\a = b$",
        r"\def\a{x\a}$\a = b$",
        r"\def\a#1{\a{#1#1}}$\a{xx} = b$",
        "".join(rf"\def\{chr(97 + k)}{{{(chr(92) + chr(98 + k)) * 10}}}" for k in range(20)) + r"$\a = b$",
    ],
)
def test_bombs_are_left_as_written_and_the_rest_is_read(bomb):
    document = read(bomb + "\n\n$c = d$")
    assert document.problems[0].message.startswith("the macro \\")
    assert document.entries[-1].formula.text == "c = d"


def test_the_number_of_expansions_is_bounded_for_a_document():
    names = [chr(97 + a) + chr(97 + b) for a in range(26) for b in range(26)]
    text = "".join(rf"\def\{name}{{\{name}}}" for name in names) + " ".join(f"$\\{name} = 1$" for name in names)
    assert read(text).problems
