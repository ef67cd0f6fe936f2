"""What a notebook shows of verdicts: typeset formulas, the marked part, the fix, nothing unescaped."""

from __future__ import annotations

import symbackprop

GOOD = r"\frac{\partial C}{\partial \hat y} = \frac{2}{N n_2} (\hat y - y)"


def shown(formula):
    return symbackprop.verify(rf"\[ {formula} \]", "mlp:4-2-3")._repr_html_()


def test_right_claims_are_typeset():
    assert rf"$\displaystyle {GOOD}$" in shown(GOOD)


def test_wrong_claims_have_the_part_in_colour_a_sentence_and_a_fix():
    html = shown(GOOD.replace("- y", "+ y"))
    assert r"\textcolor{red}{" in html
    assert rf"fix: $\displaystyle {GOOD}$" in html
    assert "color:red" in html


def test_text_of_the_document_is_escaped():
    html = shown(r"\frac{\partial C}{\partial \hat y} = \text{<script>alert(1)</script>} \hat y < 1")
    assert "<script>" not in html


def test_what_cannot_be_typeset_is_text():
    assert "<code>" in shown(r"\frac{\partial C}{\partial \hat y = 1")
