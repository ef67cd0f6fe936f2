"""Handouts of all kinds of networks are set without a fault, by TeX and by Typst."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from functools import cache
from pathlib import Path

import pytest

from symbackprop import api, gallery, typeset

SPEC = importlib.util.spec_from_file_location("check_layout", Path(__file__).with_name("check_layout.py"))
check_layout = importlib.util.module_from_spec(SPEC)
sys.modules["check_layout"] = check_layout
SPEC.loader.exec_module(check_layout)

AWKWARD = Path(__file__).parents[1] / "data" / "awkward"
SOURCES = {
    **{name: str(gallery.path(name)) for name in ("seed_000", "seed_001", "seed_002", "seed_003", "seed_004")},
    "eight_layers": "mlp:5-4-4-4-4-4-4-4-2",
    "digits": "mlp:784-100-10,sigmoid,softmax,cross_entropy",
    "equal_widths": "mlp:3-3-3",
    "long_names": str(AWKWARD / "long_names.toml"),
    "thirty_parameters": str(AWKWARD / "thirty_parameters.toml"),
}
PAPERS = [("seed_003", "letter"), *((name, "a4") for name in SOURCES)]

pytestmark = pytest.mark.slow
needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: install texlive-latex-extra")


@cache
def parts(name: str, paper: str) -> tuple:
    """What a handout is made from, shared by both routes."""
    derived, chosen = api.derive(SOURCES[name]), api.options(paper=paper)
    return derived, chosen, api.material(derived, chosen)


@needs_tex
@pytest.mark.parametrize(("name", "paper"), PAPERS)
def test_nothing_is_wrong_with_pages_of_tex(name, paper):
    pdf, log = typeset.set_latex(api.handout_latex(*parts(name, paper)))
    assert [*check_layout.of_pdf(pdf), *check_layout.of_log(log)] == []


@pytest.mark.parametrize(("name", "paper"), PAPERS)
def test_nothing_is_wrong_with_pages_of_typst_which_are_accessible(name, paper):
    pdf = typeset.from_typst(api.handout_typst(*parts(name, paper)), pdf_standards=["ua-1"])
    assert check_layout.of_pdf(pdf) == []
