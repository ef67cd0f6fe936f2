"""Matrix nodes: axes are computed, and what does not fit cannot be built."""

from __future__ import annotations

import pytest
import sympy as sp

from symbackprop.affine import Affine, size, var
from symbackprop.errors import DerivationError
from symbackprop.index import Ref, slot
from symbackprop.matrix import (
    Add,
    AlongAxis,
    Axis,
    Broadcast,
    Concat,
    Einsum,
    Elementwise,
    Gather,
    Hadamard,
    Leaf,
    Lookup,
    MatMul,
    Outer,
    Pad,
    Pick,
    Scale,
    ScatterAdd,
    Slice,
    SumOver,
    Transpose,
)

N, D, H = (Axis(label, size(name)) for label, name in (("n", "N"), ("d", "D"), ("h", "H")))


def leaf(name: str, *axes: Axis) -> Leaf:
    return Leaf(ref=Ref(name), over=axes)


X, W, G, B = leaf("X", N, D), leaf("W", D, H), leaf("G", N, H), leaf("b", H)

BUILT = [
    (MatMul(a=X, b=W), ("n", "h")),
    (MatMul(a=Transpose(x=X, to=("d", "n")), b=G), ("d", "h")),
    (MatMul(a=leaf("x", D), b=W), ("h",)),
    (MatMul(a=leaf("S", N, H, D), b=W.__class__(ref=Ref("V"), over=(D, Axis("o", size("O"))))), ("n", "h", "o")),
    (Outer(a=leaf("u", N), b=B), ("n", "h")),
    (Hadamard(factors=(G, G)), ("n", "h")),
    (Add(terms=(G, Broadcast(x=B, to=(N, H)))), ("n", "h")),
    (SumOver(x=G, over=("n",)), ("h",)),
    (Scale(coefficient=sp.Rational(1, 2), x=G), ("n", "h")),
    (Elementwise(template=slot(0) - slot(1), args=(G, B), over=(N, H)), ("n", "h")),
    (AlongAxis(name="max", x=G, over=("h",), keeps=False), ("n",)),
    (Pick(x=G, label="n", at=Affine(1)), ("h",)),
    (Gather(x=leaf("A", N, D), index=(var("i"), var("i")), over=(Axis("i", size("N")),)), ("i",)),
    (Lookup(table=W, label="d", ids=leaf("y", N)), ("n", "h")),
    (ScatterAdd(x=G, ids=leaf("y", N), at=D), ("d", "h")),
    (Einsum(factors=(X, W), to=(H, N)), ("h", "n")),
]


@pytest.mark.parametrize(("node", "labels"), BUILT, ids=lambda v: type(v).__name__)
def test_axes_follow_from_the_parts(node, labels):
    assert node.labels == labels


MISFITS = [
    lambda: MatMul(a=W, b=X),
    lambda: MatMul(a=X, b=leaf("W", Axis("d", size("M")), H)),
    lambda: MatMul(a=X, b=leaf("W", D, N)),
    lambda: Outer(a=X, b=B),
    lambda: Hadamard(factors=(X, G)),
    lambda: Hadamard(factors=(G, Transpose(x=G, to=("h", "n")))),
    lambda: Add(terms=(G, B)),
    lambda: Transpose(x=X, to=("d",)),
    lambda: SumOver(x=B, over=("n",)),
    lambda: Broadcast(x=G, to=(H, N)),
    lambda: Scale(coefficient=sp.S.One, scalars=(B,), x=G),
    lambda: Elementwise(template=slot(0), args=(G,), over=(H,)),
    lambda: Concat(parts=(G, X), label="n"),
    lambda: Slice(x=G, label="d", start=Affine(), extent=Affine(1)),
    lambda: ScatterAdd(x=G, ids=leaf("y", H), at=D),
    lambda: Einsum(factors=(X,), to=(H,)),
    lambda: Leaf(ref=Ref("A"), over=(N, N)),
]


@pytest.mark.parametrize("build", MISFITS)
def test_what_does_not_fit_cannot_be_built(build):
    with pytest.raises(DerivationError):
        build()


def test_joined_axes_add_up_and_padding_knows_what_is_behind():
    first, second = leaf("a", Axis("i", size("p"))), leaf("b", Axis("i", size("q")))
    assert Concat(parts=(first, second), label="i").extents["i"] == size("p") + size("q")
    assert Pad(x=first, label="i", before=Affine(1), extent=size("p") + 3).after == Affine(2)


def test_walk_visits_every_node_outside_in():
    node = MatMul(a=Transpose(x=X, to=("d", "n")), b=G)
    assert [type(each).__name__ for each in node.walk()] == ["MatMul", "Transpose", "Leaf", "Leaf"]
