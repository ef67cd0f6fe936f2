"""Our own handouts read back: every formula on the page is a claim, every claim is right, planted faults are found."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from meant import not_as_meant

from symbackprop import api, console, gallery, notation
from symbackprop.cli import commands
from symbackprop.document import blocks as b
from symbackprop.emit import latex, markdown
from symbackprop.emit.compose import Composer
from symbackprop.emit.writer import below_each_other
from symbackprop.handwritten import document as documents
from symbackprop.verify import pipeline
from symbackprop.verify.classify import diagnose

DATA = Path(__file__).parent.parent / "data"
QUICK = ("seed_001", "seed_003", "seed_004")


def made(name, preset=None):
    """A derivation with the tree of its handout, and the LaTeX."""
    derived = api.derive(str(gallery.path(name)), preset, relay=preset is not None)
    tree = api.document(derived)
    return derived, tree, latex.write(tree, derived.printer)


def session(text, derived):
    return pipeline.session(documents.read(text, "tex"), derived.network)


def displays(blocks):
    """All displays, wherever they stand."""
    for block in blocks:
        if isinstance(block, b.Display):
            yield block
        yield from displays(getattr(block, "blocks", ()))
        yield from displays(each for column in getattr(block, "columns", ()) for each in column)


def formulas_of(display, composer, *, elsewhere):
    """How many formulas of this derivation, or of others, a display shows: both levels may agree."""
    rows = [row for row in below_each_other(display.rows) if isinstance(row.formula, b.Elsewhere) == elsewhere]
    composed = [composer.row(row.formula) for row in rows]
    return sum(k == 0 or each != composed[k - 1] for k, each in enumerate(composed))


def claims_of(block, composer):
    """How many formulas of a block say that two things are equal, or how one becomes another."""
    match block:
        case b.Display():
            return formulas_of(block, composer, elsewhere=False)
        case b.KeyBox(blocks=inner) | b.Exercise(blocks=inner) | b.Solution(blocks=inner):
            return sum(claims_of(each, composer) for each in inner)
        case b.Columns(columns=columns):
            return sum(claims_of(each, composer) for column in columns for each in column)
        case b.Items(items=items):
            spans = [span for item in items for span in item]
        case b.Table(rows=rows, caption=caption):
            spans = [*caption, *(span for row in rows for cell in row for span in cell)]
        case b.Paragraph(spans=spans) | b.Heading(text=spans):
            pass
        case _:
            spans = ()
    return sum(is_claim(span) for span in spans)


def is_claim(span):
    """An equation in running text; sizes are chosen, not claimed."""
    if isinstance(span, b.Equal):
        return not all(isinstance(part, b.Form) for part in span.parts)
    return isinstance(span, b.Indexed | b.Lifted | b.Rewritten | b.ChainRule | b.Update)


def assert_all_right(name, preset):
    derived, tree, text = made(name, preset)
    found = session(text, derived)
    assert not found.document.problems
    composer = latex.LatexComposer(derived.printer)
    ignored = sum(bool(entry.directives.ignore) for entry in found.document.entries)
    assert ignored == sum(formulas_of(block, composer, elsewhere=True) for block in displays(tree.blocks))
    verdicts = list(found.claims())
    assert [(each.line, each.verdict.message) for each in not_as_meant(verdicts)] == []
    expected = sum(claims_of(block, composer) for block in tree.blocks)
    assert len(verdicts) == expected, "a formula on the page was not judged"


@pytest.mark.parametrize("name", QUICK)
def test_every_claim_of_a_handout_is_right(name):
    assert_all_right(name, None)


@pytest.mark.parametrize("name", QUICK)
def test_every_claim_in_markdown_is_right(name):
    derived = api.derive(str(gallery.path(name)))
    printer = derived.printer_for("markdown")
    tree = api.document(derived)
    found = pipeline.session(documents.read(markdown.write(tree, printer), "md"), derived.network)
    assert not found.document.problems
    verdicts = list(found.claims())
    assert [(each.line, each.verdict.message) for each in not_as_meant(verdicts)] == []
    assert len(verdicts) == sum(claims_of(block, Composer(printer)) for block in tree.blocks)


@pytest.mark.slow
@pytest.mark.parametrize("preset", notation.names())
@pytest.mark.parametrize("name", gallery.names())
def test_every_claim_is_right_in_every_notation(name, preset):
    assert_all_right(name, preset)


WRITERS = {"tex": (latex, "latex"), "md": (markdown, "markdown")}


def assert_all_right_with_material(path, kind):
    """The whole handout, as ``derive --to`` writes it."""
    derived = api.derive(str(path))
    writer, target = WRITERS[kind]
    text = writer.write(api.document(derived, material=api.material(derived)), derived.printer_for(target))
    found = pipeline.session(documents.read(text, kind), derived.network)
    assert not found.document.problems
    verdicts = list(found.claims())
    assert len(verdicts) > 20
    assert [(each.line, each.verdict.message) for each in not_as_meant(verdicts)] == []


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", ["awkward/long_names", "networks/least_squares"])
def test_every_claim_of_a_whole_handout_is_right(name, kind):
    assert_all_right_with_material(DATA / f"{name}.toml", kind)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", sorted(path for name in ("awkward", "networks") for path in (DATA / name).glob("*.toml"))
)
def test_every_claim_of_every_whole_handout_is_right(path):
    assert_all_right_with_material(path, "tex")


FAULTS = {
    "a transpose in the key box": (
        "seed_003",
        r"\begin{keybox}",
        r"H_{out}^T O_{delta}",
        r"H_{out} O_{delta}",
        "SB102",
    ),
    "a sign in one path": ("seed_003", r"\lead{Insert.}", r"+ \pathmark{2}", r"- \pathmark{2}", "SB215"),
    "a layer in a path": ("seed_004", r"\lead{Insert.}", r"w_{12}^b", r"w_{13}^b", "SB202"),
    "a factor of a local derivative": ("seed_003", r"\lead{Local", r"o_{out,1}^{(1)})}", r"h_{out,1}^{(1)})}", "SB207"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found(fault):
    name, after, old, new, code = FAULTS[fault]
    derived, _, text = made(name)
    start = text.index(after)
    place = text.index(old, start)
    text = text[:place] + new + text[place + len(old) :]
    found = session(text, derived)
    wrong = not_as_meant(found.claims())
    assert len(wrong) == 1
    assert wrong[0].verdict.verdict == "wrong"
    assert abs(wrong[0].line - (text.count("\n", 0, place) + 1)) <= text[place:].index(r"\end")
    assert diagnose(wrong[0], found.worlds, source=text).code == code


def test_a_path_under_the_dots_that_is_shown_as_another_is_found():
    derived, _, text = made("seed_003")
    dots = re.search(r"% symbackprop: dots = .*", text)[0]
    found = session(text.replace(dots, dots.replace("w_{2,12}", "w_{2,13}"), 1), derived)
    assert [each.verdict.verdict for each in not_as_meant(found.claims())] == ["wrong"]


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--notation", "columns")])
def test_what_build_writes_passes_verify(options, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))  # no TeX

    def run(*arguments):
        return console.run(lambda: commands.main(list(arguments), prog_name="symbackprop", standalone_mode=False))

    nets = [str(gallery.path(name)) for name in ("seed_003", "seed_004_general")]
    assert run("build", *nets, "-o", str(tmp_path / "out"), *options) == 0
    pages = sorted((tmp_path / "out").glob("*.tex"))
    assert run("verify", *map(str, pages)) == 0
    for page in pages:
        capsys.readouterr()
        assert run("verify", str(page), "--json", "--strict") == 0
        verdicts = [claim["verdict"] for claim in json.loads(capsys.readouterr().out)["claims"]]
        assert len(verdicts) > 30
        slips = page.read_text(encoding="utf-8").count("expect wrong")
        assert {"right": len(verdicts) - slips, "wrong": slips} == {"wrong": 0, **Counter(verdicts)}
