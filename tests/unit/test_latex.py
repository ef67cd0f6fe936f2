"""The LaTeX writer: escaping, line breaking by measure, and documents that really typeset."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from symbackprop import gallery, notation, spec
from symbackprop.adjoint import derive
from symbackprop.document import handout
from symbackprop.document.material import Material
from symbackprop.document.options import Options
from symbackprop.emit import latex
from symbackprop.emit import layout as y
from symbackprop.emit.breaking import pieces_of
from symbackprop.emit.mathtext import Printer
from symbackprop.emit.measure import width
from symbackprop.emit.numpy import emit_module, numbered
from symbackprop.emit.targets import TARGETS

if TYPE_CHECKING:
    from symbackprop.network import Network

NETWORKS = Path(__file__).parents[1] / "data" / "networks"
BAD = re.compile(
    r"^! .*|^Overfull.*|LaTeX Warning: Reference.*|Missing character.*|There were undefined.*",
    re.MULTILINE,
)


def document(network: Network, preset: str | None = None, **options: object) -> str:
    """The handout of a network as LaTeX."""
    chosen = notation.load(preset or network.notation)
    derivation = derive(network, chosen.choices)
    layout = notation.layout(network, chosen)
    code = emit_module(derivation, layout=layout, preset=chosen)
    made = handout.build(derivation, chosen, Options(**options), Material(code=code), layout)  # type: ignore[arg-type]
    return latex.write(made, Printer(derivation, chosen))


def typeset(text: str, folder: Path) -> tuple[list[str], int]:
    """Complaints of TeX after two runs, and the number of pages."""
    (folder / "handout.tex").write_text(text, encoding="utf-8")
    for _ in range(2):
        subprocess.run(
            ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "handout.tex"],
            cwd=folder,
            capture_output=True,
            check=False,
            timeout=300,
            env={"PATH": "/usr/bin:/bin", "max_print_line": "1000"},
        )
    log = (folder / "handout.log").read_text(encoding="latin-1")
    pages = re.search(r"Output written on .*?\((\d+) page", log, re.DOTALL)
    return BAD.findall(log), int(pages.group(1)) if pages else 0


# ---------------------------------------------------------------------------------------------------------------------
# Text


def test_text_is_escaped() -> None:
    assert latex.escape("a_b & 5% #1") == r"a\_b \& 5\% \#1"
    assert latex.escape("\\input{x}") == r"\textbackslash{}input\{x\}"
    assert latex.escape("☃") == r"{\ttfamily U+2603}"


def test_raw_text_cannot_become_markup() -> None:
    with pytest.raises(TypeError, match="escape text first"):
        latex.Latex("a") + "b"
    with pytest.raises(TypeError, match="escape text first"):
        latex.Latex(", ").join(["a", latex.Latex("b")])
    with pytest.raises(TypeError, match="is not markup"):
        latex._environment().from_string(r"\VAR{x}").render(x="raw")


def test_listing_does_not_end_inside_its_text() -> None:
    text = latex.listing("print(1)\n# \\end{program}\n", "python")
    assert r"\begin{programx}" in text
    assert text.endswith("\\end{programx}\n}")


# ---------------------------------------------------------------------------------------------------------------------
# Line breaking


A, B, C, D = map(y.symbol, "abcd")
A_PLUS_B = y.spaced([A, y.PLUS, B])
QUOTIENT = y.Frac(A_PLUS_B, C)
SUM = y.Summation(y.beside(y.symbol("k"), y.EQUALS, y.Digits("1")), y.symbol("n"))


@pytest.mark.parametrize(
    ("formula", "room", "expected"),
    [
        (A_PLUS_B, 99, [r"a + b"]),
        (y.spaced([A_PLUS_B, y.PLUS, C]), 3, [r"a + b", r"+ c"]),
        (y.spaced([y.Fence(A_PLUS_B), C, D]), 4, [r"(a + b) c", r"\cdot d"]),
        (y.spaced([C, y.Fence(A_PLUS_B, height=1)]), 2.3, [r"c \Bigl(a", r"+ b\Bigr)"]),
        (y.spaced([QUOTIENT, y.Sign(r"\odot"), D]), 3, [r"\frac{a + b}{c}", r"\odot d"]),
        (y.spaced([SUM, A, B]), 1, [r"\sum_{k=1}^{n} a", r"\cdot b"]),
    ],
)
def test_formulas_are_broken_outside_brackets_first(formula: y.Box, room: float, expected: list[str]) -> None:
    assert list(map(TARGETS["latex"].show, pieces_of(formula, room, latex.width))) == expected


def test_nothing_is_broken_inside_a_fraction() -> None:
    assert pieces_of(QUOTIENT, 0, latex.width) == [QUOTIENT]


# ---------------------------------------------------------------------------------------------------------------------
# Whole documents


@pytest.mark.parametrize("name", gallery.names())
def test_results_have_the_numbers_that_the_code_refers_to(name: str) -> None:
    network = spec.load(str(gallery.path(name)))
    preset = notation.load(network.notation)
    derivation = derive(network, preset.choices)
    text = document(network)
    labels = re.findall(r"\\label\{eq:eq(\d+)\}", text)
    assert [int(label) for label in labels] == [number for number, _ in numbered(derivation)]


def test_document_names_its_network() -> None:
    assert "\n% symbackprop: net = seed_003.toml\n" in document(spec.load(str(gallery.path("seed_003"))))


def test_same_network_gives_the_same_bytes() -> None:
    network = spec.load(str(gallery.path("seed_002")))
    assert document(network) == document(network)


@pytest.mark.parametrize("levels", [("scalar",), ("index",), ("matrix",), ("index", "matrix")])
def test_levels_can_be_chosen(levels: tuple[str, ...]) -> None:
    text = document(spec.load(str(gallery.path("seed_003"))), levels=levels)
    assert ("One entry at a time" in text) == ("scalar" in levels)
    assert ("To matrices" in text) == ("matrix" in levels)


def test_widths_change_nothing_but_drawings_and_exercises_at_index_and_matrix_levels() -> None:
    text = gallery.path("seed_003").read_text(encoding="utf-8")
    small, large = (
        document(spec.loads(text.replace("d = 4", size)), levels=("index", "matrix"), exercises=False)
        for size in ("d = 4", "d = 4096")
    )
    drawing = re.compile(r"\\begin\{tikzpicture\}.*?\\end\{tikzpicture\}", re.DOTALL)
    assert drawing.sub("", small) == drawing.sub("", large)


needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: install texlive-latex-extra")
AWKWARD = sorted((NETWORKS.parent / "awkward").glob("*.toml"))
"""Long names, a hostile title, thirty parameters, and the like."""


@needs_tex
@pytest.mark.slow
@pytest.mark.parametrize(
    "source", [*map(gallery.path, gallery.names()), *sorted(NETWORKS.glob("*.toml"))], ids=lambda p: p.stem
)
def test_handouts_typeset_without_complaint(source: Path, tmp_path: Path) -> None:
    complaints, pages = typeset(document(spec.load(str(source))), tmp_path)
    assert complaints == []
    assert pages > 1


@needs_tex
@pytest.mark.slow
@pytest.mark.parametrize("preset", notation.names())
def test_every_notation_typesets(preset: str, tmp_path: Path) -> None:
    complaints, _ = typeset(document(spec.load(str(gallery.path("seed_003"))), preset), tmp_path)
    assert complaints == []


@needs_tex
@pytest.mark.slow
@pytest.mark.parametrize("source", AWKWARD, ids=lambda p: p.stem)
def test_awkward_networks_typeset(source: Path, tmp_path: Path) -> None:
    complaints, _ = typeset(document(spec.load(str(source))), tmp_path)
    assert complaints == []


@needs_tex
@pytest.mark.slow
def test_estimated_widths_are_not_below_those_of_tex(tmp_path: Path) -> None:
    text = document(spec.load(str(gallery.path("seed_003"))))
    preamble, body = text.split(r"\begin{document}")
    found = [f for f in re.findall(r"(?<!\\)\$([^$]+)\$", body) if "\\displaystyle" not in f]
    rows = re.findall(r"^(?!\\)(.*?&= .*?)(?: \\notag| \\label)", body, re.MULTILINE)
    found += [row.replace("&", "{}") for row in rows]
    boxes = "\n".join(rf"\sbox0{{$\displaystyle {f}$}}\typeout{{W \the\wd0}}" for f in found)
    (tmp_path / "w.tex").write_text(f"{preamble}\\begin{{document}}\n{boxes}\n\\end{{document}}\n", encoding="utf-8")
    log = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "w.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=300,
        env={"PATH": "/usr/bin:/bin"},
    ).stdout.decode("latin-1")
    widths = [float(w) / 10.95 for w in re.findall(r"^W ([\d.]+)pt", log, re.MULTILINE)]
    assert len(widths) == len(found) > 20
    for formula, real in zip(found, widths, strict=True):
        assert width(formula.replace("{}", "", 1)) >= 0.97 * real - 0.1, formula
        assert width(formula.replace("{}", "", 1)) <= 1.35 * real + 1, formula
