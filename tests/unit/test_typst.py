"""Typst handouts: they compile, nothing leaves the page, and no text of users means anything."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import pdfplumber
import pytest

from symbackprop import api, gallery, notation, typeset
from symbackprop.document.material import Material
from symbackprop.emit import layout as y
from symbackprop.emit.target import name_of
from symbackprop.emit.target_typst import quoted
from symbackprop.emit.targets import TARGETS
from symbackprop.errors import OutputError
from symbackprop.notation.glyph import spelling

AWKWARD = sorted((Path(__file__).parents[1] / "data" / "awkward").glob("*.toml"))
SOURCES = [*map(gallery.path, gallery.names()), *AWKWARD]


@cache
def pages(source: Path, preset: str | None = None) -> list[pdfplumber.page.Page]:
    derived = api.derive(str(source), preset)
    text = api.handout_typst(derived, material=Material(code=derived.code()))
    return pdfplumber.open(io.BytesIO(typeset.from_typst(text))).pages


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_handout_is_set_within_its_pages(source):
    found = pages(source)
    assert len(found) > 1
    for page in found:
        outside = [
            c["text"] for c in page.chars if c["x0"] < 40 or c["x1"] > page.width - 60 or c["bottom"] > page.height
        ]
        assert outside == []


@pytest.mark.slow
@pytest.mark.parametrize("preset", notation.names())
def test_every_notation_is_set(preset):
    assert len(pages(gallery.path("seed_004_general"), preset)) > 1


def test_text_of_users_is_text():
    source = next(path for path in AWKWARD if path.stem == "long_names")
    text = pages(source)[0].extract_text()
    for fragment in (r"\input{/etc/passwd}", "#1", "<script>", "$x$"):
        assert fragment in text


def test_complaint_of_typst_is_one_message():
    with pytest.raises(OutputError, match="Typst failed: unclosed delimiter"):
        typeset.from_typst("#par[")


def test_files_cannot_be_read():
    with pytest.raises(OutputError, match="Typst failed"):
        typeset.from_typst('#read("/etc/hostname")')


@pytest.mark.parametrize(
    ("box", "markup"),
    [
        (y.symbol("x"), "x"),
        (y.symbol(r"\sigma"), "σ"),
        (name_of(spelling(r"\mathbf{W}_{12}^{(2)}")), "attach(bold(upright(W)), b: 12, t: paren.l 2 paren.r)"),
        (name_of(spelling(r"h_{in,j}")), "attach(h, b: italic(i n) comma j)"),
        (y.Frac(y.symbol("a"), y.Digits("2")), "frac(a, 2)"),
        (y.beside(y.MINUS, y.symbol("x")), 'class("normal", minus) x'),
        (y.Words('for "all"'), r'"for \"all\""'),
        (y.Fence(y.symbol("x"), height=1), "lr(paren.l x paren.r)"),
    ],
)
def test_boxes_as_typst(box, markup):
    assert TARGETS["typst"].show(box) == markup


def test_strings_are_quoted():
    assert quoted('a"b\\c#[d]') == r'"a\"b\\c#[d]"'
