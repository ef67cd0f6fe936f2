"""Lifting: textbook forms come out, and lift then unlift gives the equation back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbackprop import adjoint, notation, spec
from symbackprop.affine import Affine, Bound, size, var
from symbackprop.derivation import Choices
from symbackprop.emit.numpy import emit_module
from symbackprop.emit.numpy_names import Names
from symbackprop.emit.numpy_text import NodeWriter
from symbackprop.index import Equation, Ref, Tensor, function, product, slot
from symbackprop.index import apply as scalar
from symbackprop.lift import lift, surroundings
from symbackprop.matrix import Concat, Einsum, Gather, MatMul, Pad
from symbackprop.network import Network
from symbackprop.oracle import Interpreter, draw
from symbackprop.unlift import same_terms, unlift

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*(ROOT / "symbackprop/gallery").glob("*.toml"), *(ROOT / "tests/data").glob("*/*.toml")])
LABELS = "ijkm"


def back(equation: Equation, source, **options) -> list:
    """The terms that the cases of the lifted equation stand for."""
    return [
        replace(term, conditions=term.conditions | case.conditions)
        for case in lift(equation, source, **options)
        for term in unlift(case.node)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
@pytest.mark.parametrize("signals", ["pre-activation", "all"])
def test_lift_then_unlift_gives_every_equation_back(path, signals):
    network = spec.load(str(path))
    derivation = adjoint.derive(network, Choices(signals=signals))
    for equation in (*network.equations, *(chain.equation for chain in derivation.chains.values())):
        for vectors in ("columns", "rows"):
            found = back(equation, derivation, vectors=vectors)
            assert same_terms(equation.terms, found, equation.ranges, network.depths), equation


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_lift_then_unlift_gives_the_equation_back_in_any_storage(path):
    network = spec.load(str(path))
    layout = {name: tuple(reversed(range(len(t.axes)))) for name, t in network.tensors.items()}
    for equation in network.equations:
        found = back(equation, network, layout=layout)
        assert same_terms(equation.terms, found, equation.ranges, network.depths), equation


# ---------------------------------------------------------------------------------------------------------------------
# Textbook forms


def written(text: str, shapes: dict[str, str], target: str, **options) -> str:
    """NumPy text of one forward equation, or with ``∂`` of a gradient."""
    network = spec.network(
        name="example",
        forward=text,
        shapes=shapes,
        loss="C",
        parameters=[p for p in shapes if p[0].isupper() and p != "N"],
        **options.pop("tables", {}),
    )
    derivation = adjoint.derive(network, Choices(signals="all", slopes="output"))
    around = surroundings(derivation, vectors=options.pop("vectors", "columns"))
    equation = derivation.chains[target[1:]].equation if target.startswith("∂") else network.definitions(target)[0]
    (case,) = lift(equation, around)
    return NodeWriter(Names(derivation, notation.load("deltas")), around).exact(case.node).code


ROWS = {"X": "N d", "W": "d h", "B": "h", "V": "h o", "y": "N o"}
NETWORK = """
z = X @ W + B
a = sigmoid(z)
o = a @ V
C = sum((o - y)**2) / N
"""
COLUMN = {"x": "d", "W": "h d", "V": "o h", "B": "h", "y": "o"}
VECTORS = """
z = W @ x + B
a = sigmoid(z)
o = V @ a
C = sum((o - y)**2)
"""

FORMS = [
    (NETWORK, ROWS, "z", "columns", "X @ W + B"),
    (NETWORK, ROWS, "C", "columns", "np.sum((o - y)**2) / N"),
    (NETWORK, ROWS, "∂o", "columns", "2 * (o - y) / N"),
    (NETWORK, ROWS, "∂V", "columns", "a.T @ do"),
    (NETWORK, ROWS, "∂a", "columns", "do @ V.T"),
    (NETWORK, ROWS, "∂z", "columns", "da * a * (1 - a)"),
    (NETWORK, ROWS, "∂B", "columns", "np.sum(delta, axis=0)"),
    (NETWORK, ROWS, "∂W", "columns", "X.T @ delta"),
    (VECTORS, COLUMN, "z", "columns", "W @ x + B"),
    (VECTORS, COLUMN, "∂a", "columns", "V.T @ do"),
    (VECTORS, COLUMN, "∂a", "rows", "do @ V"),
    (VECTORS, COLUMN, "∂W", "columns", "np.outer(delta, x)"),
    ("s = x @ W\nz = s * s\nC = sum(z)", {"x": "d", "W": "d h"}, "s", "columns", "x @ W"),
]


@pytest.mark.parametrize(("text", "shapes", "target", "vectors", "expected"), FORMS)
def test_textbook_forms(text, shapes, target, vectors, expected):
    assert written(text, shapes, target, vectors=vectors) == expected


def node_of(text: str, shapes: dict[str, str], target: str, **tables):
    network = spec.network(name="example", forward=text, shapes=shapes, loss="C", parameters=["x"], **tables)
    derivation = adjoint.derive(network)
    equation = derivation.chains[target[1:]].equation if target.startswith("∂") else network.definitions(target)[0]
    (case,) = lift(equation, derivation)
    return case.node


def test_terms_on_parts_of_a_range_are_joined():
    node = node_of("z = concat(x, y)\nC = sum(sin(z))", {"x": "n", "y": "m"}, "z")
    assert isinstance(node, Concat)


def test_the_adjoint_of_a_slice_has_zeros_around():
    node = node_of("z = x[1:3]\nC = sum(sin(z))", {"x": "n+3"}, "∂x")
    assert any(isinstance(each, (Pad, Concat)) for each in node.walk())


def test_a_strided_convolution_multiplies_gathered_entries():
    node = node_of(
        "z[e,t] = sum(x[e,2*t+k] * w[k], k)\nC = sum(sin(z))",
        {"x": "N 2*T+K-2", "w": "K"},
        "z",
        indices={"e": "N", "t": "T", "k": "K"},
    )
    assert isinstance(node, MatMul)
    assert isinstance(node.a, Gather)


def test_channels_make_it_an_einsum():
    node = node_of(
        "z[e,f,t] = sum(x[e,c,2*t+k] * w[f,c,k], c, k)\nC = sum(sin(z))",
        {"x": "N c 2*T+K-2", "w": "F c K"},
        "z",
        indices={"e": "N", "f": "F", "c": "c", "t": "T", "k": "K"},
    )
    assert isinstance(node, Einsum)


# ---------------------------------------------------------------------------------------------------------------------
# Random equations


@st.composite
def networks(draw) -> Network:
    """A network of one random equation and a smooth loss."""
    free = tuple(draw(st.lists(st.sampled_from(LABELS), unique=True, max_size=3)))
    tensors: dict[str, Tensor] = {}
    terms = []
    for number in range(draw(st.integers(1, 3))):
        factors, used = [], set()
        for place in range(draw(st.integers(1, 3))):
            labels = tuple(draw(st.lists(st.sampled_from(LABELS), unique=True, max_size=3)))
            used |= set(labels)
            name = f"x{number}{place}"
            tensors[name] = Tensor(name=name, axes=tuple(size(a.upper()) for a in labels), role="parameter")
            ref = Ref(name, tuple(map(var, labels)))
            factors.append(scalar(function("sin")(slot(0)), ref) if draw(st.booleans()) else ref)
        bounds = [Bound(a, Affine(), size(a.upper()) - 1) for a in LABELS if a in used and a not in free]
        coefficient = draw(st.sampled_from([1, -1, 2, -3]))
        terms.append(product(coefficient, factors, bounds=bounds))
    ranges = tuple(Bound(a, Affine(), size(a.upper()) - 1) for a in free)
    z = Equation(lhs=Ref("z", tuple(map(var, free))), terms=tuple(terms), ranges=ranges)
    loss = Equation(lhs=Ref("C"), terms=(product(1, [scalar(function("cos")(slot(0)), z.lhs)], bounds=ranges),))
    parameters = tuple(tensors)
    tensors["z"] = Tensor(name="z", axes=tuple(size(a.upper()) for a in free))
    tensors["C"] = Tensor(name="C", role="loss")
    different = {"I": 2, "J": 3, "K": 4, "M": 5}
    sizes = draw(st.sampled_from([different, dict.fromkeys("IJKM", 1), dict.fromkeys("IJKM", 3)]))
    return Network(
        name="random",
        title="",
        notation=None,
        loss="C",
        parameters=parameters,
        inputs=(),
        batch=None,
        tensors=tensors,
        equations=(z, loss),
        program=(z, loss),
        sizes=sizes,
    )


@given(networks(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_lift_then_unlift_gives_random_equations_back(network, turned):
    derivation = adjoint.derive(network)
    layout = {n: tuple(reversed(range(len(t.axes)))) for n, t in network.tensors.items()} if turned else {}
    for equation in (*network.equations, *(chain.equation for chain in derivation.chains.values())):
        assert same_terms(equation.terms, back(equation, derivation, layout=layout), equation.ranges, network.depths)


@given(networks(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_code_of_random_equations_agrees_with_their_elements(network, turned):
    derivation = adjoint.derive(network)
    layout = {n: tuple(reversed(range(len(t.axes)))) for n, t in network.tensors.items()} if turned else {}
    room: dict = {"__name__": "generated"}
    exec(compile(emit_module(derivation, layout=layout), "<random>", "exec"), room)
    values = draw(network, seed=1, sizes=network.sizes)
    interpreter = Interpreter(network, values, {f"∂{n}": [c.equation] for n, c in derivation.chains.items()})
    parameters = {
        name: np.transpose(values.arrays[name, ()]) if turned else values.arrays[name, ()]
        for name in network.parameters
    }
    loss, gradients = room["loss_and_gradients"](parameters, {})
    assert loss == pytest.approx(float(interpreter.tensor("C")), rel=1e-9, abs=1e-9)
    for name, gradient in gradients.items():
        expected = interpreter.tensor(f"∂{name}")
        np.testing.assert_allclose(gradient, expected.T if turned else expected, rtol=1e-9, atol=1e-9)
