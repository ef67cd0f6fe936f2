"""A sample of the planted mistakes and rewritings: none misjudged; the table in the documentation."""

from __future__ import annotations

import re
from fractions import Fraction

import mutations
import pytest
from mutants import edits
from mutants.claims import Claim, formulas, source
from mutants.formula import Number, Product
from mutants.proof import verdict, worlds

SAMPLE = (("seed_001", "superscript-names"), ("seed_003", "rows"), ("seed_004_general", "deltas"))
NAMED = (
    ("residual", "columns"), ("convolution", "deltas"), ("softmax_layer", "scalar"), ("factor", "rows"),
    ("siamese", "rows"), ("rnn_tanh", "rows"),
)  # fmt: skip
EDITS, REWRITINGS = 5000, 4500
"""Numbers of formulas in the documentation, at the least."""


@pytest.fixture(scope="module")
def results():
    amounts = mutations.Amounts(edits=1, doubles=2, rewritings=1, names=0, claims=6)
    return mutations.collected(mutations.run(pair, amounts, seed=1) for pair in SAMPLE)


def test_no_planted_mistake_is_judged_right(results):
    planted = [f for f in results.found if f.planted]
    assert len({code for f in planted for code in f.planted}) > 15
    assert not [str(f) for f in planted if f.passed]


def test_no_planted_mistake_is_left_undecided(results):
    assert not [str(f) for f in results.found if f.planted and f.verdict in {"unreadable", "undecided"}]


def test_rewritings_are_right(results):
    right = [f for f in results.found if not f.planted]
    assert len({f.kind for f in right}) > 8
    assert not [str(f) for f in right if f.verdict != "right"]


@pytest.mark.slow
def test_mistakes_are_named():
    amounts = mutations.Amounts(edits=1, doubles=0, rewritings=0, names=7, claims=6)
    results = mutations.collected(mutations.run(pair, amounts, seed=1) for pair in NAMED)
    searched = [f for f in results.found if f.named is not None]
    assert len(searched) > 35
    misnamed = [str(f) for f in searched if not f.named]
    assert len(misnamed) <= 0.05 * len(searched), misnamed


@pytest.fixture(scope="module")
def claim() -> tuple[Claim, object]:
    origin = source(mutations.networks()["seed_003"], "rows")
    return next(c for c in formulas(origin) if c.level == "matrix" and c.about == "W2"), origin


def test_the_proof_tells_a_factor_from_none(claim):
    formula, origin = claim
    where, scene = worlds(origin), edits.scene(origin, formula)
    double = Product((Number(Fraction(2)), formula.right))
    assert verdict(formula, formula.right, where, scene.ranges) == "equal"
    assert verdict(formula, double, where, scene.ranges) == "differs"


def test_the_proof_sees_shapes_that_do_not_fit(claim):
    formula, origin = claim
    where, scene = worlds(origin), edits.scene(origin, formula)
    turned = [node for row, node in edits.edited(formula.right, scene) if row.planted == "SB102"]
    assert turned
    assert all(verdict(formula, node, where, scene.ranges) != "equal" for node in turned)


def test_the_documentation_holds_a_run_without_misjudgement():
    page = mutations.PAGE.read_text(encoding="utf-8")
    text = re.search(r"<!-- mutations -->\n(.*)<!-- end of mutations -->", page, re.DOTALL)[1]
    networks, notations = map(int, re.search(r"(\d+) networks in (\d+) notations", text).groups())
    assert networks >= 30
    assert notations == len(mutations.NOTATIONS)
    planted, equal = ([int(n) for n in row.split("|")[2:-1]] for row in text.splitlines() if row.startswith("| all |"))
    edits_, wrong, by_convention, unsettled, right, *_ = planted
    assert edits_ >= EDITS
    assert wrong + by_convention + unsettled + right == edits_
    assert right == 0
    assert equal[0] >= REWRITINGS
    assert equal[-1] == 0
