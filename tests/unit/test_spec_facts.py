"""Facts of each kind, batch axes and warnings as they come out of a network file."""

from __future__ import annotations

import pytest

from symbackprop import oracle, spec

SHAPES = {"X": "N d", "Y": "N h", "W": "d h", "y[t]": "h"}
FORWARD = "for t in 1..T:\n    z[t] = y[t] @ y[t]\nC = sum(X @ W - Y) + sum(z[t], t)"


def network(**tables):
    return spec.network(name="net", forward=FORWARD, loss="C", parameters=["W"], shapes=SHAPES, **tables)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sum(Y, 'h') == 1", ("sum", "Y", 1, 1)),
        ("sum(Y, 'N') == 2.5", ("sum", "Y", 0, "5/2")),
        ("sum(y[t], 'h') == 1", ("sum", "y", 0, 1)),
        ("sum(y[l]) == -1", ("sum", "y", 0, -1)),
        ("X > 0", ("positive", "X", 0, 1)),
        ("W >= 0", ("nonnegative", "W", 0, 1)),
        ("y[t] >= 0", ("nonnegative", "y", 0, 1)),
    ],
)
def test_fact_is_read(text, expected):
    (fact,) = network(facts={"fact": text}).facts
    kind, tensor, axis, value = expected
    assert (fact.name, fact.kind, fact.tensor, fact.axis, str(fact.value)) == ("fact", kind, tensor, axis, str(value))


@pytest.mark.parametrize("total", [1, 3])
def test_drawn_values_satisfy_the_facts(total):
    net = network(facts={"rows": f"sum(Y, 'h') == {total}", "sign": "X > 0"})
    values = oracle.draw(net, 5)
    assert values.arrays["Y", ()].sum(axis=1) == pytest.approx(total)
    assert (values.arrays["X", ()] > 0).all()


@pytest.mark.parametrize(
    ("shapes", "parameters", "batch"),
    [
        ({"X": "N d", "W": "d"}, ["W"], "N"),
        ({"X": "d N", "W": "d"}, ["W"], "N"),
        ({"X": "N M d", "W": "d"}, ["W"], None),  # two such axes
        ({"X": "d", "W": "d"}, ["W"], None),
        ({"X": "N+1 d", "W": "d"}, ["W"], None),  # a length made of others
    ],
)
def test_batch_is_the_only_axis_that_inputs_share_and_parameters_lack(shapes, parameters, batch):
    sizes = {"N": 3} if shapes["X"].startswith("N+1") else {}
    net = spec.network(
        name="net", forward="C = sum(X * W)", loss="C", parameters=parameters, shapes=shapes, sizes=sizes
    )
    assert net.batch == batch


def test_scalars_and_families_do_not_hide_the_batch():
    net = spec.network(
        name="net",
        forward="h[0] = h0\nfor t in 1..T:\n    h[t] = tanh(x[t] @ W + h[t-1])\nC = lam * sum(h[T])",
        loss="C",
        parameters=["W"],
        shapes={"x[t]": "N d", "W": "d n", "h0": "N n", "lam": ""},
    )
    assert net.batch == "N"


def test_sum_over_all_pairs_is_warned_of():
    net = spec.network(
        name="net", forward="C = sum((a - b)**2)", loss="C", parameters=["a"], shapes={"a": "m", "b": "n"}
    )
    assert net.warnings == ("C: 'a - b' adds (m) and (n), so every pair is taken",)
