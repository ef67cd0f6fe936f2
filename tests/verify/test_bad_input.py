"""Nonsense and hostile documents: one message each, in bounded time, and the rest of the document is judged."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from symbackprop import spec
from symbackprop.errors import SpecError
from symbackprop.handwritten.document import read
from symbackprop.verify.run import judged, run

_SPEC = importlib.util.spec_from_file_location("fuzz_of_documents", Path(__file__).with_name("fuzz.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
fuzz = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = fuzz
_SPEC.loader.exec_module(fuzz)
RIGHT = r"\[ \frac{\partial C}{\partial \hat y} = \frac{2}{N n_2} (\hat y - y) \]"


@pytest.fixture(scope="module")
def network():
    return spec.load("mlp:4-2-3")


BAD = {
    "an open brace": r"\frac{\partial C}{\partial z = a",
    "too many braces": "{" * 10_000 + "a" + "}" * 10_000 + " = 1",
    "many open brackets": "(" * 10_000 + " = 1",
    "nested quotients": r"\frac{a}{" * 10_000 + "b" + "}" * 10_000 + " = 1",
    "nested scripts": "b" + "_{b" * 3000 + "}" * 3000 + " = 1",
    "a long sum": "b_1 = " + "+".join(["b_1"] * 5000),
    "a long number": r"\hat y_{1,1} = " + "9" * 5000,
    "a tower": r"\hat y_{1,1} = 2^{10^{10^{10}}}",
    "a sum without end": r"\hat y_{1,1} = \sum_{i=1}^{999999999999} i",
    "an unknown name": r"\frac{\partial C}{\partial \hat y} = q",
}


@pytest.mark.parametrize("formula", BAD.values(), ids=BAD)
def test_a_bad_formula_is_one_message_and_the_rest_is_judged(network, formula):
    report = judged(read(rf"{RIGHT}\[ {formula} \]{RIGHT}", "tex"), network, fix=False)
    verdicts = [d.verdict for d in report]
    assert (verdicts[0], verdicts[-1], len(verdicts)) == ("right", "right", 3)
    assert verdicts[1] in {"unreadable", "undecided"}
    assert report.exit_code() == 2
    assert len(report.terminal()) < 10_000


def test_macros_that_grow_without_end_are_left(network):
    names = [f"bomb{chr(97 + k)}" for k in range(25)]
    pairs = zip(names[1:], names, strict=False)
    bomb = rf"\newcommand{{\{names[0]}}}{{xx}}" + "".join(rf"\newcommand{{\{b}}}{{\{a}\{a}}}" for b, a in pairs)
    report = judged(read(rf"{bomb}{RIGHT}\[ \hat y = \bomby \]{RIGHT}", "tex"), network, fix=False)
    assert [d.verdict for d in report if d.verdict == "right"] == ["right", "right"]
    assert report.exit_code() == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00a", "UTF-16"),
        (bytes(range(256)) * 100, "is not UTF-8"),
        (b"x" * 5_100_000, "longer than the limit of 5 MB"),
        (b"% symbackprop: net = other.toml\n", "cannot be read"),
        (b"% symbackprop: net = ../other.toml\n", "leads out of the document's folder"),
        (b"% symbackprop: net = /etc/other.toml\n", "an absolute path"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_message(tmp_path, content, message):
    path = tmp_path / "document.tex"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=message):
        run(str(path))


def test_nonsense_is_never_an_exception():
    tried = fuzz.run(count=60)
    assert tried.inputs == 60
    assert tried.failures == []
