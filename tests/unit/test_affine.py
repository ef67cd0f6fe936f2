"""Index arithmetic, conditions and what ranges imply."""

from __future__ import annotations

import pytest

from symbackprop.affine import Affine, Bound, Scope, condition, const, size, var

i, j, l, t, L, N, T = (*map(var, "ijlt"), *map(size, "LNT"))  # noqa: E741 - layers are l
n = lambda at: size("n", at)  # noqa: E731 - reads like the mathematics


# fmt: off
@pytest.mark.parametrize(
    ("form", "text"),
    [
        (l + 1 - l,                 "1"),
        (2 * t + i - t,             "i+t"),
        (n(l - 1) - 1,              "n[l-1]-1"),
        (-(N - 3),                  "-N+3"),
        (0 * i,                     "0"),
        ((2 * t + i).substitute({"t": l - 1}), "i+2*l-2"),
        (n(l).substitute({"l": l + 1}), "n[l+1]"),
        (i.substitute({"i": j, "j": i}), "j"),
    ],
)
def test_affine_text(form: Affine, text: str) -> None:
    assert str(form) == text
# fmt: on


def test_equal_forms_are_equal_and_hash_alike() -> None:
    assert i + j - 1 == j - 1 + i
    assert hash(n(l + 0)) == hash(n(l))
    assert i + 1 != i


def test_linear_part_leaves_sizes_alone() -> None:
    form = 2 * l + n(l - 1)
    assert form.linear == {"l": 2}
    assert form.variables == {"l"}
    assert form.sizes == {"n"}


LAYERS = Scope((Bound("l", const(1), L), Bound("i", const(0), n(l) - 1)), depths=frozenset({"L"}))


# fmt: off
@pytest.mark.parametrize(
    ("cond", "decided"),
    [
        (condition(">=", l - 1),          True),
        (condition(">=", l),              True),
        (condition(">=", L - l),          True),
        (condition(">=", L - l - 1),      None),
        (condition(">=", l - L - 1),      False),
        (condition("==", l - L),          None),
        (condition("==", l - L - 1),      False),
        (condition("!=", l),              True),
        (condition(">=", n(l) - i - 1),   True),
        (condition(">=", n(L) - i - 1),   None),
        (condition("==", const(0)),       True),
        (condition("mod", 2 * l, 2),      True),
        (condition("mod", 2 * l + 1, 2),  False),
        (condition("mod", l, 2),          None),
        (condition(">=", N - 1),          True),      # a size is at least 1
        (condition(">=", L - 1),          None),      # a depth may be 0
    ],
)
def test_scope_decides(cond: object, decided: bool | None) -> None:  # noqa: FBT001 - a parameter of the test
    assert LAYERS.decide(cond) is decided  # type: ignore[arg-type]
# fmt: on


def test_equality_in_force_is_used_inside_sizes() -> None:
    base = LAYERS.assuming([condition("==", l - L)])
    assert base.decide(condition(">=", n(L) - i - 1)) is True
    assert base.decide(condition(">=", L - l - 1)) is False


def test_inequality_narrows_a_range() -> None:
    inner = LAYERS.assuming([condition("!=", L - l)])
    assert inner.decide(condition(">=", L - l - 1)) is True


def test_negation_of_a_negation() -> None:
    for cond in (condition(">=", l - 3), condition("==", l - L), condition("!=", l - L)):
        assert cond.negated().negated() == cond
