"""The layout check finds each kind of fault in a document damaged by it alone, and nothing in a sound one."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typst

SPEC = importlib.util.spec_from_file_location("check_layout", Path(__file__).with_name("check_layout.py"))
check_layout = importlib.util.module_from_spec(SPEC)
sys.modules["check_layout"] = check_layout
SPEC.loader.exec_module(check_layout)

# ---------------------------------------------------------------------------------------------------------------------
# Seen in the PDF

SOUND = r"""
#set page(paper: "a4", margin: (x: 24mm, top: 22mm, bottom: 25mm), footer: [Foot of the page #h(1fr) 1])
#set text(font: "Libertinus Serif", size: 11pt)
#set par(justify: true)
#let sentence = [Every word of this page stands in its place and can be read by all who wish to. ]
#let paragraphs(n) = for _ in range(n) { par(for _ in range(6) { sentence }) }
#let figure(label) = box(width: 100%, height: 40pt)[
  #place(dx: 20pt, dy: 20pt, line(length: 200pt))
  #place(dx: 100pt, dy: 12pt, box(fill: white, inset: 3pt, label))
  #place(dx: 250pt, dy: 6pt, circle(radius: 14pt, fill: rgb("f0e0d0"), stroke: black))
  #place(dx: 260pt, dy: 16pt, $x$)]

*1 A heading*
#paragraphs(4)
#figure($a$)
$ f(x) = sum_(i=1)^n frac(partial y_i, partial x) sqrt(x_i) + hat(x)_1 y. $
#paragraphs(3)
*A heading*

#sentence

// END OF PAGE
#pagebreak()
#paragraphs(2)

*2 Another*

The last page ends where it ends.
"""

FAULTS = {
    "missing glyph": ("The last page", "The 漢 last page"),
    "off the page": ("#figure($a$)", "#figure($a$)#place(dx: 450pt, line(length: 90pt))"),
    "outside the text block": ("#figure($a$)", "#figure($a$)#place(dx: 440pt)[sticks out]"),
    "overprinted": ("#figure($a$)", "#figure($a$)#place(dx: 1.5pt, dy: -74pt)[Printed over what stands here]"),
    "struck through": ("box(fill: white, inset: 3pt, label)", "box(inset: 3pt, label)"),
    "orphan heading": ("\n#sentence\n\n// END", "\n// END"),
    "orphan lead-in": ("#sentence\n\n// END", "What now follows stands on the next page:\n\n// END"),
    "short page": ("#paragraphs(3)\n*A", "#paragraphs(0)\n*A"),
}


def findings(text: str, tmp_path: Path) -> list[str]:
    source = tmp_path / "page.typ"
    source.write_text(text, encoding="utf-8")
    return [f.kind for f in check_layout.of_pdf(typst.compile(str(source)))]


def test_nothing_is_found_in_a_sound_document(tmp_path):
    assert findings(SOUND, tmp_path) == []


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_found_and_no_other(kind, tmp_path):
    sound, damaged = FAULTS[kind]
    assert SOUND.count(sound) == 1
    assert findings(SOUND.replace(sound, damaged), tmp_path) == [kind]


def test_the_head_of_an_exercise_alone_at_the_foot_is_found(tmp_path):
    head = "*4* #h(.5em) *Biases.* #h(.5em) #text(size: 9.5pt)[3 points]\n\n// END"
    assert findings(SOUND.replace("#sentence\n\n// END", head), tmp_path) == ["orphan heading"]


def test_text_that_runs_through_a_figure_is_found(tmp_path):
    damaged = SOUND.replace("#figure($a$)", "#figure($a$)#place(dx: 10pt, dy: -37pt)[#sentence]")
    assert set(findings(damaged, tmp_path)) == {"struck through", "overprinted"}


def test_text_under_an_area_is_found(tmp_path):
    damaged = SOUND.replace(
        "#figure($a$)", "#figure($a$)#place(dy: -120pt, rect(width: 60pt, height: 60pt, fill: white))"
    )
    assert findings(damaged, tmp_path) == ["struck through"]


def test_pages_before_solutions_and_of_them_may_be_short(tmp_path):
    solutions = "#pagebreak()\n*12 Solutions*\n\n#sentence\n#pagebreak()\n#sentence"
    damaged = SOUND.replace("#paragraphs(3)\n*A", "#paragraphs(0)\n*A").replace("#pagebreak()", solutions)
    assert findings(damaged, tmp_path) == []


def test_a_line_alone_on_the_page_before_solutions_is_found(tmp_path):
    damaged = SOUND.replace("#pagebreak()", "#pagebreak()\n#sentence\n#pagebreak()\n*12 Solutions*")
    assert findings(damaged, tmp_path) == ["short page"]


# ---------------------------------------------------------------------------------------------------------------------
# Told by TeX

ARTICLE = r"""
\documentclass{article}
\usepackage{amsmath}
\begin{document}
A page\label{a} to which page~\ref{a} refers.
%FAULT
\end{document}
"""
TOLD = {
    "overfull box": r"\noindent\hbox to 1.2\linewidth{a\hfil b}",
    "undefined reference": r"See \ref{nothing}.",
    "missing glyph": r"{\fontencoding{OT1}\selectfont\char200}",
    "font substituted": r"{\fontfamily{cmr}\fontseries{light}\selectfont light}",
    "moved note": r"\marginpar{a note\\of\\many\\lines}\marginpar{another}",
}


def log_of(text: str, folder: Path) -> str:
    (folder / "page.tex").write_text(text, encoding="utf-8")
    for _ in range(2):
        subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "page.tex"],
            cwd=folder,
            capture_output=True,
            check=False,
            timeout=60,
        )
    return (folder / "page.log").read_text(encoding="latin-1")


needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: install texlive-latex-extra")


@needs_tex
@pytest.mark.slow
def test_nothing_is_found_in_a_sound_log(tmp_path):
    assert check_layout.of_log(log_of(ARTICLE, tmp_path)) == []


@needs_tex
@pytest.mark.slow
@pytest.mark.parametrize("kind", TOLD)
def test_a_complaint_of_tex_is_found_and_no_other(kind, tmp_path):
    log = log_of(ARTICLE.replace("%FAULT", TOLD[kind]), tmp_path)
    assert {f.kind for f in check_layout.of_log(log)} == {kind}


def test_complaints_are_read_over_the_ends_of_lines():
    log = "Missing character: There is no X in font ".ljust(79, "y") + "\nptmr8t!\n"
    assert [f.words.endswith("yptmr8t!") for f in check_layout.of_log(log)] == [True]


# ---------------------------------------------------------------------------------------------------------------------
# As a program


def test_the_program_prints_findings(tmp_path):
    source = tmp_path / "page.typ"
    source.write_text(SOUND.replace(*FAULTS["short page"]), encoding="utf-8")
    typst.compile(str(source), output=str(tmp_path / "page.pdf"))
    (tmp_path / "page.log").write_text("Overfull \\hbox (1.0pt too wide)\n", encoding="utf-8")
    script = check_layout.__file__
    command = [sys.executable, script, str(tmp_path / "page.pdf")]
    done = subprocess.run([*command, "--log", str(tmp_path / "page.log")], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "page 1: short page: 64% full",
        "log: overfull box: Overfull \\hbox (1.0pt too wide)",
    ]
