"""What equations look like: the seed networks in the form of their documents, and the finer points of print."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import sympy as sp

from symbackprop import adjoint, notation, spec
from symbackprop.affine import const, size, var
from symbackprop.emit.mathtext import Frame, Printer
from symbackprop.index import Apply, Ref, Value, apply, product, slot
from symbackprop.lift import lift

ROOT = Path(__file__).parents[2]


@cache
def derived(name, preset):
    return adjoint.derive(spec.load(str(ROOT / f"symbackprop/gallery/{name}.toml")), notation.load(preset).choices)


def printed(name, preset, tensor, target="latex", *, matrix=False):
    derivation = derived(name, preset)
    printer = Printer(derivation, preset, target)
    equation = derivation.chains[tensor].equation
    if matrix:
        return printer.matrix(equation, lift(equation, derivation, vectors=printer.preset.orientation.vectors))
    return printer.equation(equation)


@pytest.mark.parametrize(
    ("network", "preset", "tensor", "text"),
    [
        ("seed_000", "subscript-layers", "W", r"\frac{\partial MSE}{\partial W_i} = k_i \otimes z_{i-1}"),
        (
            "seed_000",
            "subscript-layers",
            "s",
            (
                r"k_i = \begin{cases} 2 (\hat{y} - y) \circ f'(s_{n+1}) & i = n+1 \\ "
                r"W_{i+1}^T k_{i+1} \circ f'(s_i) & i \le n \end{cases}"
            ),
        ),
        (
            "seed_001",
            "superscript-names",
            "Wx",
            (
                r"\frac{\partial loss}{\partial W^x} = \frac{\partial loss}{\partial H^1} (X^1)^T"
                r" + \frac{\partial loss}{\partial H^2} (X^2)^T"
            ),
        ),
        (
            "seed_002",
            "columns",
            "a",
            (
                r"\frac{\partial C_0}{\partial \vec{\mathbf{a}}^{(\ell)}} = \begin{cases} "
                r"2 (\vec{\mathbf{a}}^{(L)} - \vec{\mathbf{y}}) & \ell = L \\ W^{(\ell+1)\top} \Bigl("
                r"\frac{\partial C_0}{\partial \vec{\mathbf{a}}^{(\ell+1)}} \odot "
                r"\dot{\sigma}^{(\ell+1)}(\vec{\mathbf{z}}^{(\ell+1)})\Bigr) & \ell < L \end{cases}"
            ),
        ),
        (
            "seed_002",
            "columns",
            "W",
            (
                r"\frac{\partial C_0}{\partial W^{(\ell)}} = "
                r"\frac{\partial C_0}{\partial \vec{\mathbf{b}}^{(\ell)}} \vec{\mathbf{a}}^{(\ell-1)\top}"
            ),
        ),
        ("seed_003", "rows", "O_in", r"O_{delta} = 2 (O_{out} - Y) \odot O_{out} \odot (1 - O_{out})"),
        ("seed_003", "rows", "H_out", "H_{error} = O_{delta} W_2^T"),
        ("seed_003", "rows", "H_in", r"H_{delta} = H_{error} \odot H_{out} \odot (1 - H_{out})"),
        ("seed_003", "rows", "W1", r"\frac{\partial MSE}{\partial W_1} = \frac{1}{N} X^T H_{delta}"),
    ],
)
def test_matrix_form_is_that_of_the_document(network, preset, tensor, text):
    assert printed(network, preset, tensor, matrix=True) == text


@pytest.mark.parametrize(
    ("network", "preset", "tensor", "text"),
    [
        ("seed_004", "scalar", "s_z", r"\delta_k = (z_k - \hat{z}_k) z_k (1 - z_k)"),
        ("seed_004", "scalar", "s_y", r"\delta_j = \biggl(\sum_{k} \delta_k w_{jk}^b\biggr) y_j (1 - y_j)"),
        ("seed_004", "scalar", "w_a", r"\frac{\partial \mathcal{L}}{\partial w_{ij}^a} = \delta_j x_i"),
        (
            "seed_004_general",
            "scalar",
            "s",
            (
                r"\delta_j^{(\ell)} = \begin{cases} (a_j^{(M)} - \hat{y}_j) a_j^{(M)} (1 - a_j^{(M)}) & \ell = M \\ "
                r"\biggl(\sum_{k} \delta_k^{(\ell+1)} w_{jk}^{(\ell+1)}\biggr) a_j^{(\ell)} (1 - a_j^{(\ell)}) "
                r"& \ell < M \end{cases}"
            ),
        ),
        (
            "seed_004_general",
            "scalar",
            "w",
            r"\frac{\partial \mathcal{L}}{\partial w_{ij}^{(\ell)}} = \delta_j^{(\ell)} a_i^{(\ell-1)}",
        ),
        (
            "seed_002",
            "columns",
            "W",
            (
                r"\frac{\partial C_0}{\partial w_{ij}^{(\ell)}} = "
                r"\frac{\partial C_0}{\partial b_i^{(\ell)}} a_j^{(\ell-1)}"
            ),
        ),
        (
            "seed_003",
            "rows",
            "W1",
            r"\frac{\partial MSE}{\partial w_{1ij}} = \frac{1}{N} \sum_{e=1}^{N} h_{delta,j}^{(e)} x_i^{(e)}",
        ),
    ],
)
def test_index_form_is_that_of_the_document(network, preset, tensor, text):
    assert printed(network, preset, tensor) == text


@pytest.mark.parametrize(
    ("network", "preset", "tensor", "text"),
    [
        ("seed_003", "rows", "W1", "∂MSE/∂W₁ = (1/N) Xᵀ H_delta"),
        ("seed_002", "deltas", "W", "∂C₀/∂W^(ℓ) = δ^(ℓ) a⃗^(ℓ-1)ᵀ"),
        (
            "seed_004_general",
            "scalar",
            "s",
            ("δ^(ℓ) = { (a^(M) - ŷ) ⊙ a^(M) ⊙ (1 - a^(M))  (ℓ = M); δ^(ℓ+1) w^(ℓ+1)ᵀ ⊙ a^(ℓ) ⊙ (1 - a^(ℓ))  (ℓ < M) }"),
        ),
    ],
)
def test_terminal_shows_the_same(network, preset, tensor, text):
    assert printed(network, preset, tensor, "unicode", matrix=True) == text


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        (Ref("W1", (const(0), const(0))), "w_{1,11}"),
        (Ref("W1", (const(0), const(10))), "w_{1,1,11}"),
        (Ref("H_out", (const(0), const(0))), "h_{out,1}^{(1)}"),
        (Ref("∂H_in", (const(1), const(0))), "h_{delta,1}^{(2)}"),
        (Ref("∂W1", (const(2), const(1))), r"\frac{\partial MSE}{\partial w_{1,32}}"),
    ],
)
def test_elements_at_numbers(ref, text):
    printer = Printer(derived("seed_003", "rows"), "rows")
    assert printer.show(printer.ref(ref)) == text


X, Y, N = (Ref("X", (var("e"), var("i"))), Ref("Y", (var("e"), var("i"))), Value(size("N")))


@pytest.mark.parametrize(
    ("term", "text"),
    [
        (product(1, [apply(slot(0) - slot(1), X, Y)]), "x_i^{(e)} - y_i^{(e)}"),
        (product(-1, [apply(slot(0) - slot(1), X, Y)]), "-(x_i^{(e)} - y_i^{(e)})"),
        (product(2, [apply(slot(0) - slot(1), X, Y), X]), "2 (x_i^{(e)} - y_i^{(e)}) x_i^{(e)}"),
        (product(1, [apply(1 - slot(0), X)]), "1 - x_i^{(e)}"),
        (product(sp.Rational(1, 2), [X]), r"\frac{1}{2} x_i^{(e)}"),
        (product(sp.Rational(-3, 2), [X]), r"-\frac{3}{2} x_i^{(e)}"),
        (product(sp.Rational(44715, 1000000), [X]), "0.044715 x_i^{(e)}"),
        (product(2, [Apply(1 / slot(0), (N,)), X]), r"\frac{2}{N} x_i^{(e)}"),
        (product(1, [X, apply(1 / slot(0), Y)]), r"\frac{x_i^{(e)}}{y_i^{(e)}}"),
        (product(1, [apply(slot(0) ** 2, X)]), "(x_i^{(e)})^2"),
        (product(1, [apply(sp.exp(-slot(0)), X)]), r"\exp(-x_i^{(e)})"),
        (product(1, [apply(sp.sqrt(slot(0)), X)]), r"\sqrt{x_i^{(e)}}"),
        (product(1, [apply(sp.log(slot(0) + 1), X)]), r"\log(1 + x_i^{(e)})"),
    ],
)
def test_signs_fractions_and_powers(term, text):
    printer = Printer(derived("seed_003", "rows"), "rows")
    frame = Frame({"e": "e", "i": "i"}, frozenset(), 0)
    assert printer.show(printer.sum([(term, frame)])[0]) == text


def test_widths_do_not_change_a_character():
    texts = []
    for shape in ("4-2-3", "4096-512-10"):
        derivation = adjoint.derive(spec.load(f"mlp:{shape}"))
        printer = Printer(derivation)
        texts.append([printer.equation(chain.equation) for chain in derivation.chains.values()])
    assert texts[0] == texts[1]


def test_no_superscript_is_doubled():
    for name in ("seed_001", "seed_002", "seed_003"):
        for preset in notation.names():
            derivation = derived(name, preset)
            printer = Printer(derivation, preset)
            for chain in derivation.chains.values():
                cases = lift(chain.equation, derivation, vectors=printer.preset.orientation.vectors)
                assert not _doubled(printer.matrix(chain.equation, cases))


def _doubled(text):
    """True where a superscript follows a superscript directly."""
    depth, ended = 0, {}
    for place, character in enumerate(text):
        if character == "^" and ended.get(depth) == place:
            return True
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            start = text.rfind("{", 0, place)
            if start and text[start - 1] == "^":
                ended[depth] = place + 1
    return False


def test_relayed_arrays_print_in_stored_order():
    network = spec.load(str(ROOT / "symbackprop/gallery/seed_003.toml"))
    printer = Printer(network, "columns", layout=notation.layout(network, notation.load("columns"), relay=True))
    assert printer.show(printer.shape("X")) == r"\mathbb{R}^{d \times N}"
    assert printer.show(printer.shape("W1")) == r"\mathbb{R}^{h \times d}"
    weight = Ref("W1", (var("i"), var("j")))
    assert printer.show(printer.ref(weight, Frame({"i": "i", "j": "j"}, frozenset(), 0))) == "w_{1ji}"
