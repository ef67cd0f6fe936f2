"""The example in numbers: every printed number computed again, without the code and the formulas that printed it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from meant import not_as_meant

from symbackprop import api, gallery
from symbackprop.check import worked as work
from symbackprop.document import blocks as b
from symbackprop.document import numbers
from symbackprop.document.view import View
from symbackprop.emit import latex
from symbackprop.errors import DerivationError
from symbackprop.handwritten import document as documents
from symbackprop.index import is_adjoint, primal_name
from symbackprop.oracle import Interpreter, Values
from symbackprop.verify import pipeline

NETS = ("seed_000", "seed_001", "seed_003", "seed_004", "mlp:3-3-3,relu,softmax,cross_entropy", "from0.toml")


def derive(net):
    if net.endswith(".toml"):
        return api.derive(str(Path(__file__).parent.parent / "data" / "emission" / net))
    return api.derive(str(gallery.path(net)) if net.startswith("seed") else net)


def made(net, **chosen):
    """A derivation, its example, and the blocks that show it."""
    derived = derive(net)
    options = api.options(exercises=False, **chosen)
    material = api.material(derived, options)
    view = View(derived.derivation, derived.preset, options, derived.layout)
    return derived, material.worked, numbers.section(view, material)


@pytest.fixture(scope="module", params=NETS)
def example(request):
    return made(request.param)


def loss_at(derived, values):
    return float(Interpreter(derived.network, values).tensor(derived.network.loss))


def slope(derived, values, key, place):
    """∂loss/∂(entry) by differences of the interpreted equations."""
    found = []
    for step in (1e-3, -1e-3, 2e-3, -2e-3):
        arrays = {k: np.array(a, dtype=float) if k == key else a for k, a in values.arrays.items()}
        arrays[key][place] += step
        found.append(loss_at(derived, Values(sizes=values.sizes, arrays=arrays, functions=values.functions)))
    up, down, far_up, far_down = found
    return (8 * (up - down) - (far_up - far_down)) / 12e-3


def cells(formula):
    """The numbers of a matrix as text, row by row."""
    if isinstance(formula, b.Number):
        return [formula.text]
    return [text for row in formula.rows for cell in row for text in cells(cell)]


def shown(blocks):
    """Arrays of the displays: (name, member) -> texts of the entries."""
    found = {}
    for block in blocks:
        for row in block.rows if isinstance(block, b.Display) else ():
            for formula in row.formula.parts:
                whole, *_, grid = formula.parts
                found[whole.tensor, tuple(form.const for form in whole.at)] = cells(grid)
    return found


def agrees(text, value):
    """True where a printed number is the value rounded to the digits shown."""
    digits = len(text.partition(".")[2])
    return abs(float(text) - value) <= 0.5 * 10**-digits + 1e-9


def test_every_array_of_the_displays_is_right(example):
    derived, worked, blocks = example
    interpreter = Interpreter(derived.network, worked.values)
    arrays = shown(blocks)
    assert {name for name, _ in arrays} >= {*derived.network.inputs, *derived.network.parameters, derived.network.loss}
    for (name, at), texts in arrays.items():
        if not is_adjoint(name):
            flat = np.ravel(interpreter.tensor(name, at))
        elif primal_name(name) in derived.network.parameters:
            key = (primal_name(name), at)
            flat = [slope(derived, worked.values, key, p) for p in np.ndindex(worked.values.arrays[key].shape)]
        else:
            continue
        assert len(texts) == len(flat)
        assert all(agrees(text, float(value)) for text, value in zip(texts, flat, strict=True)), (name, at)


def test_rows_of_the_path_table_multiply_and_add_up_as_printed(example):
    derived, worked, blocks = example
    tables = [block for block in blocks if isinstance(block, b.Table) and not block.label]
    assert tables
    sums = 0.0
    for table in tables:
        factors = [k for k, head in enumerate(table.columns) if head != "product" and isinstance(head[0], b.Chip)]
        products = []
        for row in table.rows:
            product = float(row[-1][0].text)
            if row[-2] == ("sum",):
                assert product == pytest.approx(sum(products), abs=1e-9)
                continue
            products.append(product)
            if all(row[k] for k in factors):
                values = [float(row[k][0].body.text) for k in factors]
                half = 0.5 * 10**-worked.places
                unsure = half + sum(half / abs(value) for value in values) * abs(product)
                assert product == pytest.approx(np.prod(values), abs=unsure)
        sums += sum(products)
    entry = worked.entry
    depth = len(derived.network.tensors[entry.tensor].family)
    index = tuple(form.const for form in entry.index)
    exact = slope(derived, worked.values, (entry.tensor, index[:depth]), index[depth:])
    scale = derived.derivation.scale
    constant = 1.0 if scale is None else 1 / worked.sizes["N"]
    assert sums * constant == pytest.approx(exact, abs=1.01 * 10**-worked.places)


def test_difference_quotients_are_those_of_the_equations(example):
    derived, worked, blocks = example
    table = next(block for block in blocks if isinstance(block, b.Table) and block.label == "quotients")
    assert len(table.rows) == len(worked.quotients) > 0
    for row, quotient in zip(table.rows, worked.quotients, strict=True):
        depth = len(derived.network.tensors[quotient.entry.tensor].family)
        index = tuple(form.const for form in quotient.entry.index)
        exact = slope(derived, worked.values, (quotient.entry.tensor, index[:depth]), index[depth:])
        assert all(abs(float(cell[0].text) - exact) < 1e-8 for cell in row[1:3])
        assert row[3] == ("< 1e-9",)


def test_data_are_short_and_small(example):
    _, worked, _ = example
    for array in worked.values.arrays.values():
        assert all(extent <= 4 for extent in array.shape)
        assert np.allclose(np.round(array, 1), array)


def test_an_entry_beyond_the_small_arrays_is_replaced_by_one_within():
    _, worked, blocks = made("mlp:9-5-3", target="W1[8,2]")
    assert str(worked.entry) == "W1[3, 1]"
    lead = next(block for block in blocks if isinstance(block, b.Paragraph) and block.lead.startswith("Backward, path"))
    assert "In arrays this small there is no " in lead.spans


def test_what_is_followed_is_the_chosen_entry():
    _, worked, _ = made("seed_003", target="W2[2,3]")
    assert str(worked.entry) == "W2[1, 2]"
    assert worked.values.arrays["W2", ()][1, 2] != 0


@pytest.mark.parametrize(
    ("right", "wrong"), [("O_delta @ W2.T", "O_delta @ -W2.T"), ("X.T @ H_delta / N", "X.T @ H_delta")]
)
def test_code_with_a_wrong_gradient_has_no_example(right, wrong):
    derived = derive("seed_003")
    source = derived.code()
    assert right in source
    with pytest.raises(DerivationError, match="W1"):
        work(derived.derivation, source.replace(right, wrong), derived.layout)


def test_where_no_data_are_found_a_sentence_says_so(monkeypatch):
    monkeypatch.setattr(api, "worked", lambda *_: None)
    _, worked, blocks = made("seed_004")
    assert worked is None
    assert [type(block) for block in blocks] == [b.Heading, b.Paragraph]
    assert "no kink nearby" in blocks[1].spans[0]


def test_wide_arrays_have_dots():
    array = np.arange(80.0).reshape(8, 10) / 10
    grid = numbers.grid(array, 4, rows=True)
    assert [len(row) for row in grid.rows] == [6] * 6
    assert list(grid.rows[4]) == [b.Dots(across=False, down=True)] * 4 + [
        b.Dots(across=True, down=True),
        b.Dots(across=False, down=True),
    ]
    assert grid.rows[5][5] == b.Number("7.9")
    assert grid.rows[0][:5] == (*map(b.Number, ("0.0", "0.1", "0.2", "0.3")), b.Dots())


def test_the_page_with_its_numbers_reads_back_without_a_wrong_claim():
    derived = derive("seed_003")
    options = api.options(exercises=False)
    text = latex.write(api.document(derived, options, api.material(derived, options)), derived.printer)
    assert text.count("% symbackprop: ignore: numbers of an example") == 3
    session = pipeline.session(documents.read(text, "tex"), derived.network)
    assert [each.verdict.message for each in not_as_meant(session.claims()) if each.verdict.verdict == "wrong"] == []
