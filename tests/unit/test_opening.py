"""The first half page says what is there: goals of sections, their numbers, the kinds of factors that are marked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from symbackprop import gallery, notation, spec
from symbackprop.adjoint import derive
from symbackprop.document import blocks as b
from symbackprop.document import handout, opening
from symbackprop.document.options import Options
from symbackprop.document.view import View
from symbackprop.emit import latex
from symbackprop.emit.mathtext import Printer

CORPUS = sorted((Path(__file__).parents[1] / "data" / "networks").glob("*.toml"))
NETWORKS = [*map(gallery.path, gallery.names()), *(pytest.param(p, marks=pytest.mark.slow, id=p.stem) for p in CORPUS)]


def made(path: Path, **chosen: object) -> tuple[View, b.Document]:
    network = spec.load(str(path))
    preset = notation.load(network.notation)
    view = View(derive(network, preset.choices), preset, Options(**chosen))  # type: ignore[arg-type]
    return view, handout.build(view.derivation, preset, view.options)


def sections(document: b.Document) -> list[str]:
    return [opening._words(each.text) for each in document.blocks if isinstance(each, b.Heading) and each.level == 1]


@pytest.mark.parametrize("path", NETWORKS, ids=lambda p: p.stem)
def test_route_has_the_numbers_that_latex_prints(path: Path) -> None:
    view, document = made(path)
    (route,) = [each for each in document.blocks if isinstance(each, b.Paragraph) and each.lead == "Route."]
    text = opening._words(route.spans)
    printed = re.findall(r"\\section\{([^}]*)\}", latex.write(document, Printer(view.derivation, view.preset)))
    for number, name in enumerate(printed, 1):
        assert f"{number} {name[0].lower()}" in text.replace("NumPy", "numPy")
    assert len(printed) == len(sections(document))


@pytest.mark.parametrize("path", NETWORKS, ids=lambda p: p.stem)
@pytest.mark.parametrize("levels", [("scalar", "index", "matrix"), ("matrix",), ("scalar",)])
def test_goals_are_those_of_the_sections(path: Path, levels: tuple[str, ...]) -> None:
    _, document = made(path, levels=levels)
    there = sections(document)
    lists = [item for each in document.blocks if isinstance(each, b.KeyBox) for item in each.blocks[:1]]
    goals = [opening._words(item) for each in lists if isinstance(each, b.Items) for item in each.items]
    assert [g.rstrip(";.") for g in goals] == [opening.GOALS[n].rstrip(";.") for n in there if n in opening.GOALS]


def test_every_section_with_a_goal_is_one_that_is_made() -> None:
    known = {opening.PATHS, opening.BACKWARDS, opening.MATRICES, opening.CODE, opening.CHECK}
    assert set(opening.GOALS) == known


@pytest.mark.parametrize("path", NETWORKS, ids=lambda p: p.stem)
def test_legend_has_every_kind_that_is_marked_in_at_most_five_hues(path: Path) -> None:
    _, document = made(path)
    marked = {f.kind for f in b.formulas(document.blocks) if isinstance(f, b.Marked) and f.kind}
    legend = [each for each in document.blocks if isinstance(each, b.Paragraph) and each.lead == "Colours."]
    shown = {span.kind for each in legend for span in each.spans if isinstance(span, b.Chip)}
    assert marked <= shown
    assert len(opening.FAMILIES) == 5
    assert {b.KINDS.get(kind, "F") for kind in shown} <= {letter for letters in opening.FAMILIES for letter in letters}


def test_letters_of_one_family_share_a_hue() -> None:
    for name in ("handout.tex.j2", "handout.typ.j2", "handout.html.j2"):
        text = (Path(__file__).parents[2] / "templates" / name).read_text(encoding="utf-8").lower()
        hue = {
            letter: re.search(rf"(?:hue{letter}\}}\{{html\}}\{{|{letter}: rgb\(\"|--{letter}: #)([0-9a-f]{{6}})", text)
            for letters in opening.FAMILIES
            for letter in map(str.lower, letters)
        }
        assert all(hue.values()), name
        colours = {letter: found[1] for letter, found in hue.items() if found}
        families = [{colours[letter.lower()] for letter in letters} for letters in opening.FAMILIES]
        assert [len(family) for family in families] == [1] * 5
        assert len(set.union(*families)) == 5


@pytest.mark.parametrize("path", NETWORKS, ids=lambda p: p.stem)
def test_a_reference_sheet_has_results_alone(path: Path) -> None:
    _, document = made(path, audience="reference")
    assert set(sections(document)) <= {opening.NOTATION, opening.SUMMARY, opening.MATRICES, opening.CODE}
    assert not [f for f in b.formulas(document.blocks) if isinstance(f, b.ChainRule)]
    labels = {row.label for f in document.blocks if isinstance(f, b.KeyBox) for d in displays(f) for row in d.rows}
    view, _ = made(path)
    assert {view.label(chain) for chain in view.derivation.written} <= labels


def displays(box: b.KeyBox) -> list[b.Display]:
    return [each for each in box.blocks if isinstance(each, b.Display)]
