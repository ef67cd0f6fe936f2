"""The slides: frames that are full but not too full, paths that appear one by one, and TeX that has nothing to say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from meant import not_as_meant

from symbackprop import api, gallery, typeset
from symbackprop.document import blocks as b
from symbackprop.emit import slides
from symbackprop.emit.measure import height
from symbackprop.handwritten import document as documents
from symbackprop.verify import pipeline

NETWORKS = Path(__file__).parents[1] / "data" / "networks"
AWKWARD = NETWORKS.parent / "awkward"
BAD = re.compile(
    r"^! .*|^Overfull.*|LaTeX Warning: (?:Reference|There were|Label).*|Missing character.*|.*Rerun to.*",
    re.MULTILINE,
)

LONG = {str(AWKWARD / "long_names.toml")}
"""Networks with formulas that fill frames and cannot be taken apart; TeX sets them smaller."""


def made(source: str, **chosen: object) -> str:
    derived = api.derive(source)
    options = api.options(**chosen)
    return api.handout_slides(derived, options, api.material(derived, options))


def test_paths_appear_one_by_one() -> None:
    text = made(str(gallery.path("seed_003")))
    row = next(line for line in text.splitlines() if r"\pathmark{2}" in line)
    assert r"\uncover<2->{+ \pathmark{2}}" in row
    assert r"\uncover" not in next(line for line in text.splitlines() if r"\pathmark{1}" in line)


def test_symbols_and_solutions_stay_in_the_handout() -> None:
    text = made(str(gallery.path("seed_003")))
    assert "Every array in this handout" not in text
    assert r"\begin{solution}" not in text
    assert "{Exercises}" in text
    assert "{Exercises}" not in made(str(gallery.path("seed_003")), exercises=False)


def test_of_prose_the_first_sentence_is_kept_where_it_opens_something() -> None:
    entry = b.Number("1")
    display = b.Display((b.Row(entry),))
    words = b.Paragraph(("One ", entry, ". Two."), "Lead.")
    kept = slides.chosen([b.Heading(1, ("A",)), words, display, b.Paragraph(("Three.",))])[1]
    assert kept == [b.Heading(1, ("A",)), b.Paragraph(("One ", entry, "."), "Lead."), display]


def test_what_is_higher_than_a_frame_goes_on_in_the_next() -> None:
    writer = slides.SlidesWriter(api.derive("mlp:3-2-2").printer_for("latex"))
    listing = b.Listing("\n".join(f"x{k} = {k}" for k in range(50)))
    pieces = writer.pieces(listing)
    assert len(pieces) == 4
    assert all(writer.lines_of(piece) <= slides.HEIGHT for piece in pieces)
    assert "\n".join(piece.text for piece in pieces if isinstance(piece, b.Listing)) == listing.text


def test_heights_grow_with_what_stands_in_a_line() -> None:
    assert height(r"\begin{bmatrix} 1 \\ 2 \\ 3 \end{bmatrix}") > height(r"\begin{bmatrix} 1 \\ 2 \end{bmatrix}")


def test_every_claim_on_slides_is_right() -> None:
    derived = api.derive(str(gallery.path("seed_003")))
    found = pipeline.session(documents.read(api.handout_slides(derived), "tex"), derived.network)
    claims = list(found.claims())
    assert len(claims) > 20
    assert [(each.line, each.verdict.message) for each in not_as_meant(claims)] == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: install texlive-latex-extra")
@pytest.mark.parametrize(
    "source",
    [
        *map(str, map(gallery.path, gallery.names())),
        "mlp:784-100-10,sigmoid,softmax,cross_entropy",
        "mlp:3-3-3",
        str(NETWORKS / "lstm.toml"),
        *map(str, sorted(AWKWARD.glob("*.toml"))),
    ],
)
def test_slides_typeset_without_complaint(source: str) -> None:
    pdf, log = typeset.set_latex(made(source))
    assert BAD.findall(log) == []
    assert source in LONG or "Tiny frame" not in log
    assert pdf.startswith(b"%PDF")
