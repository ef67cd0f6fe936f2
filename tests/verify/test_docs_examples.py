"""Every example of docs/verify.md has the verdict that stands behind it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from symbackprop import spec
from symbackprop.handwritten.directives import DirectiveError
from symbackprop.handwritten.directives_read import read as read_directive
from symbackprop.handwritten.document import read
from symbackprop.handwritten.formula import plain
from symbackprop.verify.run import judged

PAGE = (Path(__file__).parents[2] / "docs" / "verify.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```latex\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
NETWORK = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]
VERDICT = re.compile(r"% (right|right-under-convention|wrong|unreadable|undecided)$")
OF_HANDOUTS = {"net", "notation", "transposed", "sizes", "dots"}
"""Directives that stand in handouts, which are judged as a whole."""
WORD = re.compile(r"symbackprop: ([a-z]+)")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: WORD.findall(text)[0] if WORD.search(text) else "plain")
def test_examples_have_their_verdicts(example):
    network = None if r"\mathbb{R}" in example else spec.loads(NETWORK)
    report = judged(read(example, "tex", path="example.tex"), network, fix=False)
    lines = example.splitlines()
    expected = {n: found[1] for n, line in enumerate(lines, 1) if (found := VERDICT.search(line))}
    assert {claim.line: claim.verdict for claim in report} == expected


def test_every_directive_has_a_row_and_an_example():
    with pytest.raises(DirectiveError) as error:
        read_directive(plain("?"))
    words = set(re.findall(r"[a-z]+", str(error.value).partition("Known:")[2]))
    rows = set(re.findall(r"^\| `(\w+)", PAGE, re.MULTILINE))
    shown = {word for example in EXAMPLES for word in WORD.findall(example)}
    assert len(words) > 15
    assert words <= rows
    assert words - shown <= OF_HANDOUTS
