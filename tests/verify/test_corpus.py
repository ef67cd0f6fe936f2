"""The corpus of hand-written formulas: verdicts as expected, and no wrong formula judged right."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("corpus_of_formulas", Path(__file__).with_name("corpus.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
corpus = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = corpus
_SPEC.loader.exec_module(corpus)

SHARE = 0.95
"""Of the formulas are decided with the expected verdict, at the least."""


@pytest.fixture(scope="module")
def results():
    return corpus.outcomes()


def test_no_wrong_formula_is_judged_right(results):
    wrong = [r for r in results if r.expected["verdict"] == "wrong" and not r.agrees]
    assert not [r.name for r in wrong if r.verdict.startswith("right")]


def test_no_right_formula_is_judged_wrong(results):
    assert not [r.name for r in results if r.expected["verdict"] == "right" and r.verdict == "wrong"]


def test_nearly_all_are_decided_as_expected(results):
    other = [(r.name, r.expected["verdict"], r.verdict) for r in results if not r.agrees]
    assert len(other) <= (1 - SHARE) * len(results), other


# ---------------------------------------------------------------------------------------------------------------------
# The same documents without the directives that say what names stand for


@pytest.fixture(scope="module")
def unaided():
    return corpus.outcomes(lets=False)


def test_without_lets_fewer_are_decided(results, unaided):
    def decided(outcomes):
        return sum(r.agrees and r.verdict not in {"unreadable", "undecided"} for r in outcomes)

    assert len(results) / 2 < decided(unaided) < decided(results)


def test_without_lets_no_wrong_formula_is_judged_right(unaided):
    wrong = [r for r in unaided if r.expected["verdict"] == "wrong" and r.verdict not in r.accepted]
    assert not [r.name for r in wrong if r.verdict.startswith("right")]


def test_without_lets_no_right_formula_is_judged_wrong(unaided):
    right = [r for r in unaided if r.expected["verdict"].startswith("right") and "wrong" not in r.accepted]
    assert not [r.name for r in right if r.verdict == "wrong"]
