"""The entry that is followed is the one that was chosen; what is said of its paths and of moving it is compared."""

from __future__ import annotations

import itertools

import pytest

from symbackprop import api, gallery, notation, spec
from symbackprop.adjoint import derive
from symbackprop.document import blocks as b
from symbackprop.document import moving, scalar
from symbackprop.document.graph import Element
from symbackprop.document.left_out import pattern_of
from symbackprop.document.paths import Unrolled
from symbackprop.document.target import chosen
from symbackprop.errors import SpecError
from symbackprop.handwritten import document as documents
from symbackprop.verify import pipeline


def graph_of(name: str) -> Unrolled:
    network = spec.load(name if ":" in name else str(gallery.path(name)))
    return Unrolled(network, slopes=derive(network, notation.load(network.notation).choices).choices.slopes)


@pytest.mark.parametrize(
    ("name", "text", "element"),
    [
        ("seed_003", "W1[4,2]", Element("W1", (3, 1))),
        ("seed_003", " W2 [ 1 , 3 ] ", Element("W2", (0, 2))),
        ("seed_002", "W[2][3,1]", Element("W", (2, 2, 0))),
        ("seed_002", "b[3][1]", Element("b", (3, 0))),
    ],
)
def test_an_entry_is_named_as_on_paper(name: str, text: str, element: Element) -> None:
    assert chosen(graph_of(name), text) == element


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("seed_003", "W1[5,1]", "target 'W1[5,1]': index 1 of W1 goes from 1 to 4 here, not 5"),
        ("seed_003", "W1[1,0]", "target 'W1[1,0]': index 2 of W1 goes from 1 to 2 here, not 0"),
        ("seed_003", "W1[1]", "target 'W1[1]': W1 has 2 indices, not 1"),
        ("seed_003", "H_inn[1,1]", "target 'H_inn[1,1]': no tensor 'H_inn'; did you mean 'H_in'?"),
        ("seed_003", "W1[i,j]", "target 'W1[i,j]' is no entry; write one as W1[1,2], of a family as W[2][1,3]"),
        ("seed_002", "W[4][1,1]", "target 'W[4][1,1]': no such member; W has 3, from W[1] to W[3]"),
        ("seed_002", "W[1,1]", "target 'W[1,1]': W has 3 indices (1 of them for the member of the family), not 2"),
        ("seed_003", "MSE", "target 'MSE' is the loss itself; choose an entry of what it depends on"),
    ],
)
def test_what_names_no_entry_is_refused(name: str, text: str, message: str) -> None:
    graph = graph_of(name)
    with pytest.raises(SpecError) as raised:
        scalar.followed(graph, graph.network.parameters, text)
    assert str(raised.value).startswith(message.removesuffix("?"))


@pytest.mark.parametrize("name", ["seed_000", "seed_001", "seed_002", "seed_003", "seed_004", "mlp:3-2-2-2-2"])
def test_paths_are_as_many_as_the_product_of_sizes_says(name: str) -> None:
    graph = graph_of(name)
    target = scalar.followed(graph, graph.network.parameters)
    assert target is not None
    small, witness = scalar.witness_of(graph, target)
    terms = pattern_of(small, witness)
    assert moving.how_many(graph, target, terms)
    assert target.total == len(graph.paths(target.element))


def test_a_wrong_product_of_sizes_is_not_printed() -> None:
    graph = graph_of("seed_003")
    target = scalar.followed(graph, graph.network.parameters)
    assert target is not None
    terms = pattern_of(graph, target)
    (term,) = terms
    assert moving.how_many(graph, target, (term, term)) == []


@pytest.mark.parametrize("name", ["seed_000", "seed_001", "seed_002", "seed_003"])
@pytest.mark.parametrize("text", ["", "last"])
def test_bold_indices_are_those_that_moved(name: str, text: str) -> None:
    graph = graph_of(name)
    parameter = graph.network.parameters[0]
    at = graph.first(parameter).index[: len(graph.network.tensors[parameter].family)]
    corner = ",".join(map(str, graph.shape(parameter, at)))
    chosen_text = f"{parameter}{''.join(f'[{k}]' for k in at)}[{corner}]" if text else ""
    target = scalar.followed(graph, graph.network.parameters, chosen_text)
    tables = [each for each in scalar.section(graph, target) if isinstance(each, b.Table) and each.label == "moved"]
    (table,) = tables
    start, *probes, pattern = [[span for span in (*row[0], *row[1]) if isinstance(span, b.Entry)] for row in table.rows]
    assert probes
    for row in probes:
        assert len(row) == len(start)
        for before, after in zip(start, row, strict=True):
            different = tuple(
                k for k, (x, y) in enumerate(zip(before.ref.index, after.ref.index, strict=True)) if x != y
            )
            assert after.moved == different
        assert sum(len(entry.moved) for entry in row[:1]) == 1
    letters = {v for form in pattern[0].ref.index for v in form.variables}
    assert letters
    assert all(letters & {v for form in entry.ref.index for v in form.variables} for entry in pattern)


TARGETS = [("seed_003", "W1[4,2]"), ("seed_002", "W[2][3,1]"), ("mlp:40-30-4", "W1[33,22]")]


@pytest.mark.parametrize(("name", "text"), TARGETS)
def test_formulas_for_a_chosen_entry_are_right(name: str, text: str) -> None:
    derived = api.derive(name if ":" in name else str(gallery.path(name)))
    page = derived.latex(target=text, levels=["scalar"], exercises=False, numbers=False)
    claims = list(pipeline.session(documents.read(page, "tex"), derived.network).claims())
    wrong = [(claim.line, claim.verdict.message) for claim in claims if claim.verdict.verdict != "right"]
    assert wrong == []
    assert len(claims) > 10


def test_every_entry_can_be_followed() -> None:
    graph = graph_of("seed_004")
    for parameter in graph.network.parameters:
        for index in itertools.product(*map(range, graph.shape(parameter))):
            text = f"{parameter}[{','.join(str(k + 1) for k in index)}]"
            target = scalar.followed(graph, graph.network.parameters, text)
            assert target is not None
            assert target.element == Element(parameter, index)
