"""Presets, spellings, letters and layouts."""

from __future__ import annotations

from pathlib import Path

import pytest

from symbackprop import gallery, notation, spec
from symbackprop.emit.mathtext import Printer
from symbackprop.errors import SpecError
from symbackprop.notation.glyph import Symbol, latex, named, spelling
from symbackprop.notation.preset import loads
from symbackprop.notation.spelling import Spelling, key_of

ROOT = Path(__file__).parents[2]
DELTAS = 'title = "t"\ndescription = "d"\nexample = "e"\n'


def items(*texts):
    return [tuple(map(Symbol, text)) for text in texts]


@pytest.mark.parametrize("name", notation.names())
def test_every_preset_loads_and_explains_itself(name):
    preset = notation.load(name)
    assert preset.name == name
    assert all((preset.title, preset.description, preset.example))


def test_default_preset_is_one_of_the_presets():
    assert notation.load(None).name == notation.DEFAULT
    assert notation.DEFAULT in notation.names()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[signs]\nhadamrad = 'x'\n", "unknown key 'hadamrad'; did you mean 'hadamard'"),
        ("colour = 'x'\n", "unknown key 'colour'"),
        ("[families]\nplace = 'above'\n", "families.place is 'above'; known: subscript, superscript"),
        ("[choices]\nsignals = 'some'\n", "choices.signals is 'some'; known: activation, all, pre-activation"),
        ("[choices]\npull = 'batch'\n", "a rule must name every one of them"),
        ("[[adjoints]]\nof = '*'\n", "exactly one of suffix, append and letter"),
    ],
)
def test_faulty_preset_is_refused_with_the_reason(text, message):
    whole = text + DELTAS if "=" in text.split("\n", maxsplit=1)[0] else DELTAS + text
    with pytest.raises(SpecError) as error:
        loads(whole, "mine")
    assert message in str(error.value)


def test_unknown_notation_names_the_nearest():
    with pytest.raises(SpecError, match="did you mean 'columns'"):
        notation.load("collumns")


def test_preset_without_program_text_is_enough():
    preset = loads(DELTAS + '[families]\nplace = "subscript"\nopen = ""\nclose = ""\n', "mine")
    network = spec.load("mlp:4-2-3")
    assert latex(Spelling(network, preset).element("W1")) == "W_{1,#0#1}"


@pytest.mark.parametrize(
    ("name", "numbers", "shown"),
    [
        ("H_in", "subscript", "H_{in}"),
        ("yhat", "subscript", r"\hat{y}"),
        ("x_hat", "subscript", r"\hat{x}"),
        ("c_tilde", "subscript", r"\tilde{c}"),
        ("W1", "subscript", "W_1"),
        ("W1", "superscript", "W^1"),
        ("W12", "bracketed", "W^{(12)}"),
        ("theta", "subscript", r"\theta"),
        ("lam", "subscript", r"\lambda"),
        ("MSE", "subscript", r"\mathit{MSE}"),
        ("w_a", "subscript", "w_a"),
        ("c_prev", "subscript", "c_{prev}"),
    ],
)
def test_names_without_spelling_are_set_well(name, numbers, shown):
    assert latex(named(name, numbers)) == shown


@pytest.mark.parametrize(
    ("text", "letters", "values", "shown"),
    [
        ("w_{1ij}", "ij", ("1", "11"), "w_{1,1,11}"),
        ("w_{1ij}", "ij", ("1", "1"), "w_{1,11}"),
        ("w_{1ij}", "ij", ("k", "j"), "w_{1kj}"),
        ("x_i^{(e)}", "ei", ("1", "2"), "x_2^{(1)}"),
        ("h_{in,i}^{(e)}", "ei", ("2", "3"), "h_{in,3}^{(2)}"),
        (r"w_{ij}^{(\ell)}", "lij", ("l+1", "j", "i"), "w_{ji}^{(l+1)}"),
        (r"\Gamma_u^{\langle t \rangle}", "t", ("t-1",), r"\Gamma_u^{\langle t-1\rangle}"),
        (r"\vec{\mathbf{a}}^{(\ell)}", "l", ("L",), r"\vec{\mathbf{a}}^{(L)}"),
        ("x_{ti}", "ti", ("t+1", "i"), "x_{t+1,i}"),
        ("W^{x}_{kj}", "kj", ("k", "j"), "W_{kj}^x"),
        (r"\sqrt{ab}_{i}", "i", ("3",), r"\sqrt{ab}_3"),
        (r"\frac{a}{b}", "", (), r"\frac{a}{b}"),
        (r"\left(x_i\right)", "i", ("2",), r"\left(x_2\right)"),
    ],
)
def test_indices_go_where_their_letters_stand(text, letters, values, shown):
    pattern = spelling(text, {letter: place for place, letter in enumerate(letters)})
    assert latex(pattern.fill(items(*values))) == shown


@pytest.mark.parametrize("text", ["x_{i", "x}", "x^", "x_i_j"])
def test_broken_spelling_is_refused(text):
    with pytest.raises(SpecError):
        spelling(text)


def test_keys_of_spellings_are_taken_apart():
    assert key_of("W[l][i,j]") == ("W", ("l", "i", "j"))
    assert key_of("sigma[l]") == ("sigma", ("l",))
    assert key_of("n_l") == ("n_l", ())


def test_tensors_that_share_a_spelling_are_told_apart_by_letters():
    network = spec.load(str(ROOT / "symbackprop/gallery/seed_004.toml"))
    names = Spelling(network, notation.load("scalar"))
    assert names.shared == {"s_y", "s_z"}
    assert latex(names.element("s_y", ("j",))) == "s_#0"
    assert latex(names.element("s_y", ("1",))) == "s_{y,#0}"
    assert latex(names.element("∂s_z", ("k",))) == r"\delta_#0"


def test_number_of_a_name_keeps_off_the_indices_of_its_letter():
    network = spec.loads("""
name = "base"
loss = "C"
parameters = ["U"]
forward = '''
h[0] = h0
for t in 1..T:
    h[t] = tanh(U @ h[t-1])
C = sum(h[T]**2)
'''
[shapes]
h0 = "n"
U = "n n"
[sizes]
T = 3
""")
    names = Spelling(network, notation.load("columns"))
    assert latex(names.tensor("h")) == "h_#0"
    assert latex(names.tensor("h0")) == "h^{(0)}"


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("rows", {"X": (0, 1), "W1": (0, 1), "H_in": (0, 1)}),
        ("columns", {"X": (1, 0), "W1": (1, 0), "H_in": (1, 0)}),
    ],
)
def test_relayed_arrays_follow_the_preset(preset, expected):
    network = spec.load(str(ROOT / "symbackprop/gallery/seed_003.toml"))
    found = notation.layout(network, notation.load(preset), relay=True)
    assert {name: found[name] for name in expected} == expected


def test_arrays_lie_as_written_without_relay():
    network = spec.load(str(ROOT / "symbackprop/gallery/seed_003.toml"))
    found = notation.layout(network, notation.load("columns"))
    assert found["X"] == (0, 1)


@pytest.mark.parametrize("preset", notation.names())
@pytest.mark.parametrize("name", gallery.names())
def test_a_relaid_network_is_written_as_the_network_in_that_layout(name, preset):
    network = spec.load(str(gallery.path(name)))
    order = notation.layout(network, notation.load(preset), relay=True)
    relaid = notation.relaid(network, order)
    printer, other = Printer(network, preset, layout=order), Printer(relaid, preset)
    assert list(map(other.equation, relaid.equations)) == list(map(printer.equation, network.equations))
    assert list(map(other.shape, relaid.tensors)) == list(map(printer.shape, network.tensors))
