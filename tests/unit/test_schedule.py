"""The order of computation: directions of loops, loops that belong together, and what cannot be ordered."""

from __future__ import annotations

from pathlib import Path

import pytest

from symbackprop import spec
from symbackprop.affine import Affine, Bound, const, size, var
from symbackprop.emit.schedule import describe, schedule
from symbackprop.errors import DerivationError
from symbackprop.index import Equation, Ref, Tensor, product

ROOT = Path(__file__).resolve().parents[2]


def forward(name):
    network = spec.load(str(ROOT / f"tests/data/emission/{name}.toml"))
    return describe(schedule([e for _, e in network.walk()], network.tensors, network.depths))


def test_recurrences_run_up_and_down():
    text = forward("birnn")
    assert "for t=1..T\n  s_h[t, i]\n  h[t, i]" in text
    assert "for t=1..T down\n  s_g[t, j]\n  g[t, j]" in text


def test_loops_over_layers_and_steps_nest():
    assert "for l=1..L\n  h[l, 0, i]\n  for t=1..T\n    s[l, t, i]\n    h[l, t, i]" in forward("nested")


def family(name, lo=0):
    bound = Bound("t", const(lo), size("T"))
    return Tensor(name=name, family=(bound,))


def equation(name, *terms, lo=1, hi=None):
    ranges = (Bound("t", const(lo), size("T") if hi is None else hi),)
    return Equation(lhs=Ref(name, (var("t"),)), terms=tuple(product(1, term) for term in terms), ranges=ranges)


def test_members_that_need_earlier_and_later_ones_have_no_order():
    tensors = {"a": family("a")}
    wrong = equation("a", [Ref("a", (var("t") - 1,))], [Ref("a", (var("t") + 1,))], hi=size("T") - 1)
    with pytest.raises(DerivationError, match="no order of rounds"):
        schedule([wrong], tensors, frozenset({"T"}))


def test_a_member_that_needs_itself_has_no_order():
    with pytest.raises(DerivationError, match="no order of computation"):
        schedule([equation("a", [Ref("a", (var("t"),))])], {"a": family("a")}, frozenset({"T"}))


def test_equations_that_need_each_other_share_a_loop_with_guards_for_their_ranges():
    tensors = {name: family(name) for name in "ab"}
    first = equation("a", [Ref("b", (var("t") - 1,))])
    second = equation("b", [Ref("a", (var("t"),))], lo=2)
    text = describe(schedule([first, second], tensors, frozenset({"T"})))
    assert text == "for t=1..T\n  a[t]\n  b[t] [t >= 2]"


def test_what_is_read_comes_first_whatever_the_order_given():
    tensors = {name: Tensor(name=name) for name in "abc"}
    equations = [Equation(lhs=Ref(x), terms=(product(1, [Ref(y)]),)) for x, y in (("a", "b"), ("b", "c"))]
    assert describe(schedule(equations, tensors, frozenset())) == "b\na"


def test_independent_ranges_stay_apart():
    tensors = {name: family(name) for name in "ab"}
    steps = schedule([equation("a"), equation("b", hi=size("T") + Affine(3))], tensors, frozenset({"T"}))
    assert len(steps) == 2
