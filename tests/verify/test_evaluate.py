"""Values of nodes: shapes, orientation, products, sums, derivatives, and what is said where they do not fit."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from symbackprop import gallery, spec
from symbackprop.affine import Affine, size, var
from symbackprop.handwritten import expression as ex
from symbackprop.verify.conventions import Conventions, Let, Setting, default
from symbackprop.verify.evaluate import Evaluator, OutOfRange, ShapeMisfit, Undecidable, Undeclared
from symbackprop.verify.world import World, Worlds

NETWORKS = Path(__file__).parents[1] / "data" / "networks"
i, j, l = var("i"), var("j"), var("l")  # noqa: E741


@cache
def world(name: str) -> World:
    path = gallery.path(name) if name in gallery.names() else NETWORKS / f"{name}.toml"
    return next(Worlds(spec.load(str(path))).floating())[1]


def evaluator(name: str, letters=None, conventions=None, **setting) -> Evaluator:
    given = Setting(**setting)
    reading = conventions or default(world(name).network, given)
    return Evaluator(world(name), reading, given, letters or {})


def q(tensor, *family, el=()):
    return ex.Quantity(
        tensor=tensor,
        family=tuple(Affine(f) if isinstance(f, int) else f for f in family),
        element=tuple(Affine(e) if isinstance(e, int) else e for e in el),
    )


def product(*parts):
    return ex.Product(factors=tuple(parts[::2]), signs=("juxtaposition", *parts[1::2]))


def num(value):
    return ex.Number(value=Fraction(value))


W, X, y = q("w"), q("X"), q("y")


def test_orientation_of_vectors():
    value = evaluator("least_squares").evaluate(W)
    assert value.cell == (3, 1)
    assert value.shape == "n × 1"
    rows = evaluator("least_squares", conventions=Conventions(vectors="rows")).evaluate(W)
    assert rows.cell == (1, 3)
    assert evaluator("least_squares").evaluate(ex.Transpose(of=W)).cell == (1, 3)


def test_products_by_sign():
    e = evaluator("least_squares")
    assert e.evaluate(product(X, "juxtaposition", W)).cell == (5, 1)
    inner = e.evaluate(product(W, "cdot", W)).v
    assert inner.shape == (1, 1)
    assert inner.item() == pytest.approx(np.sum(e.world.value("w") ** 2))
    assert e.evaluate(product(W, "otimes", y)).cell == (3, 5)
    assert e.evaluate(product(W, "odot", W)).cell == (3, 1)
    assert e.evaluate(product(num(2), "juxtaposition", X)).cell == (5, 3)


def test_misfits_carry_symbolic_shapes():
    e = evaluator("least_squares")
    with pytest.raises(ShapeMisfit) as caught:
        e.evaluate(product(W, "juxtaposition", X))
    assert (caught.value.left, caught.value.right) == ("n × 1", "m × n")
    assert caught.value.message == "a matrix product of n × 1 and m × n"
    with pytest.raises(ShapeMisfit, match="an entrywise product of m × n and m × 1"):
        e.evaluate(product(X, "odot", y))
    with pytest.raises(ShapeMisfit, match="a sum of n × 1 and m × 1"):
        e.evaluate(ex.Sum(terms=(W, y), signs=(1, 1)))
    with pytest.raises(ShapeMisfit, match=r"n\[l-1\]"):
        layer = product(q("W", l), "juxtaposition", q("z", l))
        evaluator("seed_002", {"l": 2}).evaluate(layer)


def test_precedence_of_entrywise_products():
    node = product(ex.Transpose(of=q("W", 2)), "juxtaposition", q("z", 2), "odot", q("a", 1))
    assert evaluator("seed_002").evaluate(node).cell == (4, 1)
    with pytest.raises(ShapeMisfit):
        evaluator("seed_002", conventions=Conventions(precedence="hadamard")).evaluate(node)


def test_numbers_are_added_entrywise():
    e = evaluator("least_squares")
    value = e.evaluate(ex.Sum(terms=(num(1), W), signs=(1, -1)))
    assert np.allclose(value.v[:, 0], 1 - e.world.value("w"))


def test_element_letters_run_over_a_grid():
    letters = {"i": np.arange(1, 6).reshape(5, 1), "j": np.arange(1, 4).reshape(1, 3)}
    e = evaluator("least_squares", letters)
    value = e.evaluate(product(q("X", el=(i, j)), "juxtaposition", q("w", el=(j,))))
    assert value.v.shape == (5, 3, 1, 1)
    total = ex.BigOperator(
        kind="sum", letter="j", lo=None, hi=None, body=product(q("X", el=(i, j)), "cdot", q("w", el=(j,)))
    )
    sums = evaluator("least_squares", {"i": np.arange(1, 6)}).evaluate(total)
    assert np.allclose(sums.v[:, 0, 0], e.world.value("X") @ e.world.value("w"))


def test_sums_with_limits_that_depend_on_a_letter():
    body = q("w", el=(j,))
    node = ex.BigOperator(kind="sum", letter="j", lo=i, hi=size("n"), body=body)
    value = evaluator("least_squares", {"i": np.arange(1, 4)}).evaluate(node)
    w = world("least_squares").value("w")
    assert np.allclose(value.v[:, 0, 0], [w.sum(), w[1:].sum(), w[2]])
    skipping = ex.BigOperator(
        kind="product", letter="j", lo=None, hi=None, body=body,
        excluded=(ex.Condition(left=ex.Letter(form=j), sign="≠", right=ex.Letter(form=i)),),
    )  # fmt: skip
    others = evaluator("least_squares", {"i": np.arange(1, 4)}).evaluate(skipping)
    assert np.allclose(others.v[:, 0, 0], [w[1] * w[2], w[0] * w[2], w[0] * w[1]])


def test_indices_outside_their_range():
    with pytest.raises(OutOfRange, match="leaves an axis of length n"):
        evaluator("least_squares").evaluate(q("w", el=(4,)))
    with pytest.raises(OutOfRange) as caught:
        evaluator("seed_002", {"l": 3}).evaluate(q("a", l + 1))
    assert caught.value.letters == {"l"}
    assert evaluator("least_squares", base=0).evaluate(q("w", el=(0,))).is_scalar


def test_names_stand_for_their_values():
    lets = {"d": Let(letters=("l",), value=ex.Derivative(of=q("C"), by=q("z", l)))}
    e = evaluator("seed_002", {"l": 1}, lets=lets)
    value = e.evaluate(ex.Named(name="d", index=(l + 1,)))
    assert np.allclose(value.v[:, 0], world("seed_002").derivative(("C", ()), ("z", (2,))))
    with pytest.raises(Undeclared, match="nothing declares e"):
        e.evaluate(ex.Named(name="e"))
    element = e.evaluate(ex.Named(name="d", index=(Affine(2),), element=(Affine(3),)))
    assert element.v.item() == pytest.approx(value.v[2, 0])


def test_jacobians_and_their_layouts():
    node = ex.Derivative(of=q("z", 2), by=q("a", 1))
    w = world("seed_002").value("W", (2,))
    assert np.allclose(evaluator("seed_002").evaluate(node).v, w)
    turned = evaluator("seed_002", layout_vectors="denominator").evaluate(node)
    assert np.allclose(turned.v, w.T)
    by_matrix = evaluator("seed_002").evaluate(ex.Derivative(of=q("z", 2), by=q("W", 2)))
    assert by_matrix.is_jacobian
    assert by_matrix.cell == (5, 1, 5, 4)


def test_derivatives_of_expressions():
    e = evaluator("least_squares")
    residual = ex.Sum(terms=(product(X, "juxtaposition", W), y), signs=(1, -1))
    squares = ex.Power(base=ex.Operation(name="norm", arguments=(residual,)), exponent=num(2))
    gradient = e.evaluate(ex.Derivative(of=squares, by=W))
    assert np.allclose(gradient.v[:, 0], world("least_squares").derivative(("L", ()), ("w", ())))
    by_residual = e.evaluate(ex.Derivative(of=q("L"), by=residual))
    assert by_residual.cell == (5, 1)
    with pytest.raises(Undecidable, match="no quantity of the network"):
        e.evaluate(
            ex.Derivative(of=q("L"), by=product(num(2), "juxtaposition", ex.Call(function="exp", arguments=(W,))))
        )
    once = ex.Derivative(of=q("L"), by=W)
    twice = ex.Derivative(of=once, by=W)
    x = world("least_squares").value("X")
    assert np.allclose(e.evaluate(twice).v, 2 * x.T @ x)
    with pytest.raises(Undecidable, match="a third derivative is not judged"):
        e.evaluate(ex.Derivative(of=twice, by=W))


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "exp", "softplus", "sqrt"])
def test_functions_carry_tangents(name):
    e = evaluator("least_squares")
    inner = ex.Power(base=W, exponent=num(2))
    node = ex.Call(function=name, arguments=(inner,))
    slope = e.evaluate(ex.Derivative(of=node, by=W)).v
    first = e.evaluate(ex.Call(function=name, arguments=(inner,), order=1)).v if name != "exp" else e.evaluate(node).v
    assert np.allclose(np.diag(slope), first[:, 0] * 2 * world("least_squares").value("w"))


def test_operations():
    e = evaluator("least_squares")
    diagonal = e.evaluate(ex.Operation(name="diag", arguments=(W,)))
    assert np.allclose(diagonal.v, np.diag(world("least_squares").value("w")))
    again = e.evaluate(ex.Operation(name="diag", arguments=(ex.Operation(name="diag", arguments=(W,)),)))
    assert again.cell == (3, 1)
    outer = product(W, "juxtaposition", ex.Transpose(of=W))
    trace = e.evaluate(ex.Operation(name="trace", arguments=(outer,)))
    assert trace.v.item() == pytest.approx(np.sum(world("least_squares").value("w") ** 2))
    vec = e.evaluate(ex.Operation(name="vec", arguments=(X,)))
    assert np.allclose(vec.v[:, 0], world("least_squares").value("X").T.ravel())
    eye = ex.Operation(name="identity", arguments=())
    minus = e.evaluate(ex.Sum(terms=(eye, outer), signs=(1, -1)))
    assert minus.cell == (3, 3)
    ones = ex.Transpose(of=ex.Operation(name="ones", arguments=()))
    assert e.evaluate(product(ones, "juxtaposition", X)).cell == (1, 3)
    blocks = e.evaluate(ex.Array(rows=((W,), (y,))))
    assert blocks.cell == (8, 1)
    assert blocks.shape == "m+n × 1"


def test_what_an_indicator_switches_off_is_not_looked_at():
    letter = ex.Letter(form=l)
    guard = ex.Operation(
        name="indicator", arguments=(), condition=ex.Condition(left=letter, sign="<", right=ex.Letter(form=size("L")))
    )
    node = product(guard, "juxtaposition", q("a", l + 1, el=(1,)))
    assert evaluator("seed_002", {"l": 3}).evaluate(node).v.item() == 0
    assert evaluator("seed_002", {"l": 2}).evaluate(node).v.item() != 0


def test_ellipses():
    w = world("seed_002")
    node = ex.Elided(first=q("W", 3), second=None, last=q("W", 1), sign="juxtaposition")
    value = evaluator("seed_002").evaluate(node)
    assert np.allclose(value.v, w.value("W", (3,)) @ w.value("W", (2,)) @ w.value("W", (1,)))
    squares = [ex.Power(base=q("w", el=(k,)), exponent=num(2)) for k in (1, 2, size("n"))]
    terms = ex.Sum(terms=(ex.Elided(first=squares[0], second=squares[1], last=squares[2], sign="plus"),), signs=(1,))
    total = evaluator("least_squares").evaluate(terms)
    assert total.v.item() == pytest.approx(np.sum(world("least_squares").value("w") ** 2))
