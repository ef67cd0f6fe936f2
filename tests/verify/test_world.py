"""Numbers of worlds: derivatives against differences, residues modulo the prime against the same identities."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from symbackprop import gallery, spec
from symbackprop.oracle import Interpreter, Values, members
from symbackprop.verify.world import PRIME, Inexact, World, Worlds

NETWORKS = Path(__file__).parents[1] / "data" / "networks"
ALL = sorted({*gallery.names(), *(p.stem for p in NETWORKS.glob("*.toml"))})


@cache
def network(name: str):
    path = gallery.path(name) if name in gallery.names() else NETWORKS / f"{name}.toml"
    return spec.load(str(path))


@cache
def worlds(name: str) -> Worlds:
    return Worlds(network(name))


@pytest.mark.parametrize("name", ALL)
def test_derivatives_by_parameters_agree_with_differences(name):
    _, world = next(worlds(name).floating())
    net = world.network
    leaves = {k: v for k, v in world.arrays.items() if k[0] in (*net.parameters, *net.inputs)}
    functions = world.field._functions

    def loss(arrays):
        values = Values(sizes=world.sizes, arrays=arrays, functions=functions)
        return float(Interpreter(net, values).tensor(net.loss))

    rng = np.random.default_rng(3)
    for parameter in net.parameters:
        for at in members(net, parameter, world.sizes)[:2]:
            direction = rng.standard_normal(leaves[parameter, at].shape)
            step = 1e-5
            moved = [loss({**leaves, (parameter, at): leaves[parameter, at] + s * step * direction}) for s in (1, -1)]
            slope = np.sum(world.derivative((net.loss, ()), (parameter, at)) * direction)
            assert (moved[0] - moved[1]) / (2 * step) == pytest.approx(slope, rel=2e-6, abs=1e-8)


def test_a_node_moves_alone():
    _, world = next(worlds("seed_002").floating())
    a1, a2, z2 = ("a", (1,)), ("a", (2,)), ("z", (2,))
    jacobian = world.derivative(z2, a1)
    assert np.allclose(jacobian, world.value("W", (2,)))
    assert not world.depends(a1, a2)
    assert not np.any(world.derivative(a1, a2))
    whole = np.einsum("ij,jk->ik", world.derivative(a2, z2), jacobian)
    assert np.allclose(world.derivative(a2, a1), whole)


def test_explicit_derivatives_hold_other_steps():
    _, world = next(worlds("rnn_tanh").floating())
    total = world.derivative(("h", (3,)), ("W", ()))
    direct = world.derivative(("h", (3,)), ("W", ()), explicit=True)
    earlier = np.einsum(
        "ij,jkl->ikl", world.derivative(("h", (3,)), ("h", (2,))), world.derivative(("h", (2,)), ("W", ()))
    )
    assert np.allclose(total, direct + earlier)
    assert not np.allclose(total, direct)


def test_differentials_are_sums_over_independents():
    _, world = next(worlds("least_squares").floating())
    w, x = ("w", ()), ("X", ())
    loss = ("L", ())
    both = world.differential(loss, frozenset({w, x}))
    apart = sum(np.sum(world.derivative(loss, n) * world.direction(n)) for n in (w, x))
    assert both == pytest.approx(apart)


@pytest.mark.parametrize("name", ["seed_000", "seed_002", "seed_003", "wildml", "lstm", "softmax_ce", "ufldl"])
def test_worlds_modulo_the_prime_know_the_chain_rule(name):
    for _, world in worlds(name).exact():
        net = world.network
        assert all(0 <= int(x) < PRIME for a in world.arrays.values() for x in np.ravel(a))
        loss = (net.loss, ())
        hidden = [n for n in world.jacobians if net.tensors[n[0]].axes]
        node = hidden[0]
        readers = [r for r in world.jacobians if node in world.jacobians[r]]
        total = world.field.array(np.zeros(world.value(*node).shape, dtype=int))
        for reader in readers:
            outer = world.derivative(loss, reader)
            total = total + np.tensordot(outer, world.jacobians[reader][node], axes=outer.ndim)
        assert np.all(world.field.norm(total) == world.derivative(loss, node))
        break


def test_softmax_modulo_the_prime_adds_up_to_one():
    _, world = next(worlds("softmax_ce").exact())
    assert sum(int(x) for x in world.value("A")) % PRIME == 1
    assert sum(int(x) for x in world.value("T")) % PRIME == 1
    slopes = world.derivative(("A", ()), ("Z", ()))
    assert all(int(x) % PRIME == 0 for x in slopes.sum(axis=0))
    gradient = world.derivative(("E", ()), ("Z", ()))
    assert np.all(world.field.norm(world.value("A") - world.value("T")) == gradient)


def test_functions_with_an_order_have_no_place_there():
    net = spec.loads('name = "a"\nloss = "L"\nparameters = ["w"]\nforward = "L = sum(relu(w))"\n[shapes]\nw = "n"\n')
    with pytest.raises(Inexact):
        list(Worlds(net).exact())
    names = [name for name, _ in Worlds(net).floating()]
    assert names == ["sizes of the file", "equal sizes", "other numbers", *["numbers of other scales"] * 5]


def test_variants_keep_sizes_of_one_and_change_depths():
    table = dict(worlds("seed_000").variants)
    assert {name: sizes["n"] for name, sizes in table.items()} == {
        "sizes of the file": 3, "one step deeper": 4, "one step shallower": 2, "equal sizes": 3, "other numbers": 3,
    }  # fmt: skip
    for sizes in table.values():
        assert sizes["q"][sizes["n"] + 1] == 1
        assert all(sizes["q"][k] > 1 for k in range(sizes["n"] + 1))
    deeper = table["one step deeper"]["q"]
    assert len({deeper[k] for k in range(6)}) == 6


def test_worlds_are_made_once():
    first = [w for _, w in worlds("seed_004").floating()]
    assert all(a is b for a, (_, b) in zip(first, worlds("seed_004").floating(), strict=True))


def test_exact_exponentials_keep_their_law():
    net = network("seed_003")
    world = World(net, dict(worlds("seed_003").variants[0][1]), 5, kind="exact")
    x = world.random((4,))
    e, inverse = world.field.named("exp", 0, [x]), world.field.named("exp", 0, [world.field.norm(-x)])
    assert np.all(world.field.norm(e * inverse) == 1)
    s = world.field.named("sigmoid", 0, [x])
    assert np.all(world.field.named("sigmoid", 1, [x]) == world.field.norm(s * (1 - s)))
    t = world.field.named("tanh", 0, [x])
    assert np.all(world.field.named("tanh", 1, [x]) == world.field.norm(1 - t * t))
