"""What is printed is read back: every equation and every step of every network, in every notation."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

from symbackprop import adjoint, notation, oracle, spec
from symbackprop.emit.mathtext import Printer
from symbackprop.index import Apply, apply, product
from symbackprop.lift import lift
from symbackprop.read import Reader, ReadError, aligned, read

ROOT = Path(__file__).parents[2]
GALLERY = tuple(sorted((ROOT / "symbackprop/gallery").glob("*.toml")))
CORPUS = tuple(sorted((ROOT / "tests/data/networks").glob("*.toml")))
FORMS = tuple(sorted((ROOT / "tests/data/notation").glob("*.toml")))


@cache
def derived(path, preset):
    return adjoint.derive(spec.load(str(path)), notation.load(preset).choices)


def equations(derivation):
    """Those of the network, then every form of every adjoint."""
    yield from derivation.network.equations
    for chain in derivation.chains.values():
        yield chain.start
        yield from (step.after for step in chain.steps)


def flat(terms):
    """Keys of terms, a bracketed sum that is a whole term taken apart."""
    keys = []
    for term in terms:
        factor = term.factors[0] if len(term.factors) == 1 else None
        parts = [term]
        if isinstance(factor, Apply) and isinstance(factor.template, sp.Add):
            parts = [
                product(term.coefficient, [apply(part, *factor.args)], bounds=term.bounds, conditions=term.conditions)
                for part in factor.template.args
            ]
        keys += [str(part.key) for part in parts]
    return sorted(keys)


def values_agree(derivation, first, second):
    network = derivation.network
    definitions = {c.equation.lhs.tensor: [c.equation] for c in derivation.chains.values()}
    interpreter = oracle.Interpreter(network, oracle.draw(network), definitions)
    one, other = interpreter.equation(first), interpreter.equation(second)
    return one.keys() == other.keys() and all(np.allclose(one[at], other[at], rtol=1e-9, atol=1e-12) for at in one)


def round_trip(derivation, preset, layout=None):
    printer, reader = Printer(derivation, preset, layout=layout), Reader(derivation, preset, layout=layout)
    terminal = Printer(derivation, preset, "unicode", layout=layout)
    vectors = printer.preset.orientation.vectors
    count = 0
    for equation in dict.fromkeys(equations(derivation)):
        text = printer.equation(equation)
        assert terminal.equation(equation)
        found = aligned(reader.read(text)[0], equation)
        assert flat(found.terms) == flat(equation.terms), text
        cases = lift(equation, derivation, layout, vectors)
        if printer.is_matrix(cases):
            text = printer.matrix(equation, cases)
            found = aligned(reader.read(text)[0], equation)
            assert flat(found.terms) == flat(equation.terms) or values_agree(derivation, found, equation), text
            count += 1
    assert count


@pytest.mark.parametrize("preset", notation.names())
@pytest.mark.parametrize("path", GALLERY, ids=lambda p: p.stem)
def test_gallery_is_read_back(path, preset):
    round_trip(derived(path, preset), preset)


@pytest.mark.parametrize("preset", ["columns", "rows"])
@pytest.mark.parametrize("name", ["seed_002_batch", "seed_003", "seed_004"])
def test_relaid_arrays_are_read_back(name, preset):
    derivation = derived(ROOT / f"symbackprop/gallery/{name}.toml", preset)
    round_trip(derivation, preset, notation.layout(derivation.network, notation.load(preset), relay=True))


@pytest.mark.parametrize("path", CORPUS, ids=lambda p: p.stem)
def test_networks_are_read_back_in_their_own_notation(path):
    preset = spec.load(str(path)).notation or notation.DEFAULT
    round_trip(derived(path, preset), preset)


@pytest.mark.slow
@pytest.mark.parametrize("preset", notation.names())
@pytest.mark.parametrize("path", CORPUS, ids=lambda p: p.stem)
def test_networks_are_read_back_in_every_notation(path, preset):
    round_trip(derived(path, preset), preset)


@pytest.mark.parametrize("preset", ["columns", "rows", "scalar"])
@pytest.mark.parametrize("path", FORMS, ids=lambda p: p.stem)
def test_every_form_of_equation_is_read_back(path, preset):
    round_trip(derived(path, preset), preset)


def test_elements_at_numbers_are_read():
    network = spec.load(str(ROOT / "symbackprop/gallery/seed_003.toml"))
    (equation,) = read(r"h_{in,1}^{(1)} = x_1^{(1)} w_{1,11} + x_2^{(1)} w_{1,21}", network)
    assert str(equation) == "H_in[0, 0] = X[0, 0]*W1[0, 0] + X[0, 1]*W1[1, 0]"


def test_every_member_of_a_chain_is_an_equation():
    network = spec.load(str(ROOT / "symbackprop/gallery/seed_003.toml"))
    found = read(r"O_{out} = \sigma(O_{in}) = O_{out}", network)
    assert [len(e.terms) for e in found] == [1, 1]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("H_{in} = X W_1 +", 17, "the formula ends too early"),
        ("H_{in} = X W_1)", 15, "')' does not fit here"),
        ("H_{in} = X W_2", 12, "a product over d and h entries"),
        ("H_{in} = X W_1^T", 12, "a product over"),
        ("H_{in} = Q W_1", 10, "nothing here is called 'Q'"),
        (r"H_{in} = X \odot W_1", 18, "does not fit one of"),
        ("H_{in}", None, "an equation needs a left and a right side"),
        ("2 H_{in} = X W_1", 1, "the left side is not a quantity"),
        (r"O_{delta} = \frac{\partial Q}{\partial O_{in}}", 13, "only derivatives of the loss"),
        (r"H_{in} = \sigma", 10, r"nothing here is called '\sigma'"),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_place(text, column, message):
    network = spec.load(str(ROOT / "symbackprop/gallery/seed_003.toml"))
    with pytest.raises(ReadError) as error:
        read(text, network)
    assert message in str(error.value)
    assert error.value.column == column


@pytest.mark.parametrize("text", ["(" * 5000, "{" * 300 + "a" + "}" * 300, "x" * 200_000, "a = b\x00"])
def test_hostile_text_is_refused_in_bounded_time(text):
    with pytest.raises(ReadError):
        read(text, spec.load(str(ROOT / "symbackprop/gallery/seed_003.toml")))
