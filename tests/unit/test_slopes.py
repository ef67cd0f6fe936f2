"""The steps from an activation's formula to its slope through the output are equal, which SymPy proves."""

from __future__ import annotations

import pytest
import sympy as sp

from symbackprop import api, gallery, spec
from symbackprop.document import blocks as b
from symbackprop.document import slopes
from symbackprop.document.view import View
from symbackprop.handwritten import document as documents
from symbackprop.tables.activations import ACTIVATION
from symbackprop.verify import pipeline

ROWS = [row for row in ACTIVATION.values() if slopes._speaks(row)]
X, Y = sp.symbols("x y", real=True)


def test_the_sigmoid_and_tanh_speak() -> None:
    assert {"sigmoid", "tanh"} <= {row.name for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_step_is_the_slope(row: slopes.Activation) -> None:
    output = row.define(X)
    for factors in slopes.steps(row, X, Y):
        form = sp.Mul(*factors).subs(Y, output)
        assert sp.simplify((form - output.diff(X)).rewrite(sp.exp)) == 0


def test_a_wrong_step_is_no_slope() -> None:
    output = ACTIVATION["sigmoid"].define(X)
    assert sp.simplify(X * (1 - X) - output.diff(X)) != 0


@pytest.mark.parametrize("source", ["seed_003", "mlp:3-2-2,tanh", "mlp:3-2-2,sigmoid"])
def test_the_lemma_is_read_back_as_right(source: str) -> None:
    derived = api.derive(source if ":" in source else str(gallery.path(source)))
    view = View(derived.derivation, derived.preset)
    (display, note) = [each for each in slopes.blocks(view) if not isinstance(each, b.Paragraph)]
    assert isinstance(display, b.Display)
    assert isinstance(note, b.Note)
    page = b.Document(title="", subtitle="", blocks=(b.Directive(("partial explicit",)), display))
    text = api.latex_writer.write(page, derived.printer)
    verdicts = [c.verdict.verdict for c in pipeline.session(documents.read(text, "tex"), derived.network).claims()]
    assert verdicts
    assert set(verdicts) == {"right"}


def test_an_activation_with_another_slope_has_no_lemma() -> None:
    assert not list(slopes.used(spec.load("mlp:3-2-2,relu")))
