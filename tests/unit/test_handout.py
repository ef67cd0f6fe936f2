"""What a handout says follows from the derivation: its results, its reasons, its symbols."""

from __future__ import annotations

from pathlib import Path

import pytest

from symbackprop import gallery, notation, spec
from symbackprop.adjoint import derive
from symbackprop.document import backwards, handout
from symbackprop.document.blocks import ChainRule, Derivative, Document, Heading, Paragraph, Table, Whole, formulas
from symbackprop.document.view import View
from symbackprop.emit import terminal
from symbackprop.emit.mathtext import Printer
from symbackprop.index import primal_name

CORPUS = sorted((Path(__file__).parents[1] / "data" / "networks").glob("*.toml"))
NETWORKS = [*map(gallery.path, gallery.names()), *(pytest.param(p, marks=pytest.mark.slow, id=p.stem) for p in CORPUS)]
SOFTMAX = """
name = "s"
loss = "C"
parameters = ["W"]
forward = '''
z = W @ x
p = softmax(z, "k")
C = cross_entropy(p, y)
'''
[shapes]
W = "k d"
x = "d"
y = "k"
[facts]
onehot = "sum(y, 'k') == 1"
"""
TWICE = """
name = "t"
loss = "C"
parameters = ["W"]
forward = '''
z = W @ x + W.T @ y
C = sum(z**2) + sum(W**2)
'''
[shapes]
W = "d d"
x = "d"
y = "d"
"""


def view_of(text: str, preset: str | None = None) -> View:
    network = spec.loads(text) if "\n" in text else spec.load(text)
    chosen = notation.load(preset or network.notation)
    return View(derive(network, chosen.choices), chosen)


def document(view: View) -> Document:
    return handout.build(view.derivation, view.preset, view.options)


def text_of(view: View) -> str:
    printer = Printer(view.derivation, view.preset, target="unicode")
    return " ".join(terminal.write(document(view), printer).split())


@pytest.mark.parametrize("path", NETWORKS, ids=lambda p: p.stem)
@pytest.mark.parametrize("preset", [None, pytest.param("rows", marks=pytest.mark.slow)])
def test_forms_of_an_adjoint_end_in_its_result(path: Path, preset: str | None) -> None:
    view = view_of(str(path), preset)
    for chain in view.derivation.chains.values():
        equations, reasons = backwards.forms(view, chain)
        assert equations[-1].key == chain.equation.key
        assert len(reasons) == len(equations) - 1
        assert all(reasons)


@pytest.mark.parametrize("path", NETWORKS, ids=lambda p: p.stem)
def test_every_symbol_that_occurs_is_listed_and_no_other(path: Path) -> None:
    view = view_of(str(path))
    made = document(view)
    (table,) = [block for block in made.blocks if isinstance(block, Table) and block.label == "symbols"]
    listed = {row[0][0].tensor for row in table.rows if isinstance(row[0][0], Whole)}
    rest = [block for block in made.blocks if block is not table]
    shown = {name for formula in formulas(tuple(rest)) for name in handout._tensors(formula)}
    named = {
        n for n in shown if n in view.network.tensors or (n != primal_name(n) and view.has_own_name(primal_name(n)))
    }
    assert listed == {n for n in named if primal_name(n) in view.network.tensors}


def test_softmax_entry_is_read_by_all_entries_once() -> None:
    view = view_of(SOFTMAX)
    (rule,) = [f for f in formulas(document(view).blocks) if isinstance(f, ChainRule) and f.equation.lhs.tensor == "∂z"]
    assert [reader.tensor for reader in rule.readers if reader] == ["p"]
    assert len(rule.equation.terms[0].bounds) == 1


def test_facts_are_told_as_formulas() -> None:
    text = text_of(view_of(SOFTMAX))
    assert "Use the given fact Σ_" in text
    assert "sum(y" not in text


def test_no_chain_rule_where_one_equation_reads_an_array_twice() -> None:
    view = view_of(TWICE)
    made = document(view)
    rules = [f for f in formulas(made.blocks) if isinstance(f, ChainRule) and f.equation.lhs.tensor == "∂W"]
    assert rules == []
    assert "the derivative adds up over these uses" in text_of(view)


def test_direct_way_from_the_loss_is_told_from_the_sum_of_all_ways() -> None:
    derivatives = [f for f in formulas(document(view_of(TWICE)).blocks) if isinstance(f, Derivative)]
    direct = {f.below.tensor for f in derivatives if f.direct}
    assert direct == {"W"}


def test_constants_kept_out_of_signals_are_told() -> None:
    assert "The constant 1/N of the loss is kept out of the error signals" in text_of(
        view_of(str(gallery.path("seed_003")))
    )
    assert "kept out" not in text_of(view_of(str(gallery.path("seed_002"))))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("seed_003", "columns of the one meet columns of the other. A matrix product lets rows meet columns, so X is"),
        ("seed_001", "No index is summed, and the two factors share none"),
        ("seed_002", "a column of it meets the vector. In the product rows of the matrix meet a column, so it is"),
    ],
)
def test_transposes_are_justified(name: str, sentence: str) -> None:
    assert sentence in text_of(view_of(str(gallery.path(name))))


def test_prose_holds_no_formula() -> None:
    view = view_of(str(gallery.path("seed_003")))
    texts = [
        span for block in document(view).blocks for spans in prose(block) for span in spans if isinstance(span, str)
    ]
    assert texts
    assert [text for text in texts if set(text) & set("=∂^_+⊙") or "*" in text] == []


def prose(block: object) -> list[tuple[object, ...]]:
    """The runs of text in a block."""
    if isinstance(block, Paragraph):
        return [block.spans]
    if isinstance(block, Heading):
        return [block.text]
    return [cell for row in block.rows for cell in row] if isinstance(block, Table) else []
