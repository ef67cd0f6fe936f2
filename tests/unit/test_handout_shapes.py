"""The shape table says what NumPy says of arrays of these shapes; the partner rule is right when it is read back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from symbackprop import gallery, notation, spec
from symbackprop.adjoint import derive
from symbackprop.document import blocks as b
from symbackprop.document import shapes
from symbackprop.document.graph import concrete_sizes
from symbackprop.document.view import View
from symbackprop.emit import latex
from symbackprop.emit.mathtext import Printer
from symbackprop.handwritten import document as documents
from symbackprop.oracle import Values
from symbackprop.verify import pipeline

if TYPE_CHECKING:
    from symbackprop.affine import Affine

NETWORKS = [*map(gallery.path, gallery.names()), "mlp:3-3-3", "mlp:784-100-10,sigmoid,softmax,cross_entropy"]


def view_of(source: object, preset: str | None = None) -> View:
    network = spec.load(str(source))
    chosen = notation.load(preset or network.notation)
    return View(derive(network, chosen.choices), chosen)


def sizes(view: View, forms: tuple[Affine, Affine]) -> tuple[int, ...]:
    """Numbers for the sizes of a shape, layers by their first letters' value 1."""
    lookup = Values(sizes=concrete_sizes(view.network), arrays={}).size
    return tuple(form.evaluate(dict.fromkeys(form.variables, 1), lookup) for form in forms)


@pytest.mark.parametrize("preset", ["rows", "columns"])
@pytest.mark.parametrize("source", NETWORKS, ids=str)
def test_products_multiply_to_the_shape_that_is_said(source: object, preset: str) -> None:
    view = view_of(source, preset)
    found = list(shapes.products(view))
    assert found
    for each in found:
        left, right = (np.ones(sizes(view, factor.dims)) for factor in (each.left, each.right))
        assert (left @ right).shape == sizes(view, each.result)


@pytest.mark.parametrize("source", NETWORKS, ids=str)
def test_wrong_products_do_what_is_said_of_them(source: object) -> None:
    view = view_of(source)
    for each in shapes.products(view):
        pair = shapes.wrong_product(each, rows=view.rows)
        if pair is None:
            continue
        outcome = "".join(span for span in shapes._outcome(pair, each) if isinstance(span, str))
        (rows, inner), (other, columns) = (sizes(view, factor.dims) for factor in pair)
        assert ("undefined" in outcome) == (pair[0].dims[1] != pair[1].dims[0])
        if "undefined" not in outcome:
            assert inner == other
            assert ("fits and is wrong" in outcome) == ((rows, columns) == sizes(view, each.result))
        elif inner != other:
            with pytest.raises(ValueError, match="mismatch"):
                np.ones((rows, inner)) @ np.ones((other, columns))


def test_equal_widths_are_said_to_tell_nothing() -> None:
    notes = [block for block in shapes.section(view_of("mlp:3-3-3")) if isinstance(block, b.Note)]
    assert len(notes) == 1
    assert not [block for block in shapes.section(view_of("mlp:4-2-3")) if isinstance(block, b.Note)]


def partner_page(preset: str) -> tuple[str, View]:
    """The rule as a page about its own network."""
    view = view_of(gallery.path("seed_003"), preset)
    (box,) = [block for block in shapes.section(view) if isinstance(block, b.KeyBox)]
    (display,) = [block for block in box.blocks if isinstance(block, b.Display)]
    first = display.rows[0].formula
    assert isinstance(first, b.Elsewhere)
    rows = tuple(b.Row(side.formula) for row in display.rows for side in (row.formula, row.beside))  # type: ignore[union-attr]
    page = b.Document(title="", subtitle="", blocks=(b.Display(rows),))
    own = replace(view, derivation=first.derivation, preset=first.preset)
    return latex.write(page, Printer(first.derivation, first.preset)), own


@pytest.mark.parametrize("preset", notation.names())
def test_partner_rule_is_right(preset: str) -> None:
    text, own = partner_page(preset)
    claims = pipeline.session(documents.read(text, "tex"), own.network).claims()
    assert [claim.verdict.verdict for claim in claims] == ["right"] * 6


def test_partner_rule_with_the_factors_swapped_is_found() -> None:
    text, own = partner_page("rows")
    wrong = text.replace(r"A^T \frac{\partial L}{\partial C}", r"\frac{\partial L}{\partial C} A^T")
    assert wrong != text
    claims = pipeline.session(documents.read(wrong, "tex"), own.network).claims()
    assert [claim.verdict.verdict for claim in claims].count("wrong") == 1
