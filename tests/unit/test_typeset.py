"""A last page of a few lines is set again, tighter; by both routes."""

from __future__ import annotations

import io
import shutil

import pdfplumber
import pytest

from symbackprop import api, typeset
from symbackprop.document.blocks import Document, Paragraph
from symbackprop.emit import latex

SIZED = """
#set page(width: 100mm, height: 100mm, margin: 10mm)
#block(height: if "tight" in sys.inputs {{ 150mm }} else {{ {height} }})
#context [#metadata((page: here().page(), share: (here().position().y - 10mm) / 80mm))<end>]
"""

needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: install texlive-latex-extra")


def pages(pdf):
    return len(pdfplumber.open(io.BytesIO(pdf)).pages)


@pytest.mark.parametrize(("height", "expected"), [("165mm", 2), ("200mm", 3), ("85mm", 2)])
def test_a_few_lines_on_a_last_page_of_typst_are_spared(height, expected):
    assert pages(typeset.from_typst(SIZED.format(height=height))) == expected


@needs_tex
@pytest.mark.slow
@pytest.mark.parametrize(("paragraphs", "expected"), [(118, 3), (140, 4)])
def test_a_few_lines_on_a_last_page_of_tex_are_spared(paragraphs, expected):
    lines = tuple(Paragraph(("One line.",)) for _ in range(paragraphs))
    document = Document(title="Lines", subtitle="One below the other", blocks=lines)
    pdf, _ = typeset.set_latex(latex.write(document, api.derive("mlp:2-2-1").printer))
    assert pages(pdf) == expected
