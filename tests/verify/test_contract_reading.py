r"""What the contract says of directives and of reading, word by word: one right and one wrong claim each."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import symbackprop
from symbackprop import spec
from symbackprop.verify.run import run

TABLE = tomllib.loads((Path(__file__).parents[1] / "data" / "contract_reading.toml").read_text(encoding="utf-8"))
NETWORKS = TABLE["networks"]
CASES = [pytest.param(case, id=case["name"]) for case in TABLE["cases"]]
PARSED = {name: spec.loads(text) for name, text in NETWORKS.items()}


def verdicts(case, claim):
    said = "".join(f"% symbackprop: {directive}\n" for directive in case.get("say", ()))
    text = rf"{said}\[ {case[claim]} \]"
    return [d.verdict for d in symbackprop.verify(text, PARSED[case["network"]], fix=False)]


@pytest.mark.parametrize("case", CASES)
def test_what_the_contract_says_is_read_and_right_claims_are_right(case):
    assert set(verdicts(case, "right")) == {"right"}


@pytest.mark.parametrize("case", CASES)
def test_what_the_contract_says_is_read_and_wrong_claims_are_wrong(case):
    assert "wrong" in verdicts(case, "wrong")


RIGHT, WRONG = r"\[ \frac{\partial C}{\partial a} = a - y \]", r"\[ \frac{\partial C}{\partial a} = a + y \]"


def test_what_is_ignored_is_not_judged():
    report = symbackprop.verify(f"% symbackprop: ignore\n{WRONG}\n{RIGHT}", PARSED["one"], fix=False)
    assert [d.verdict for d in report] == ["right"]
    assert report.exit_code() == 0


@pytest.mark.parametrize(("formula", "code"), [(WRONG, 0), (RIGHT, 1)])
def test_what_is_expected_to_be_wrong_turns_the_exit_code(formula, code):
    report = symbackprop.verify(f"% symbackprop: expect wrong\n{formula}", PARSED["one"], fix=False)
    assert report.exit_code() == code


def test_directives_of_markdown_are_comments():
    text = "<!-- symbackprop: let g = dC/dz -->\n\n$$ \\frac{\\partial C}{\\partial b} = g $$\n"
    assert [d.verdict for d in symbackprop.verify(text, PARSED["one"], kind="md", fix=False)] == ["right"]


def test_a_document_names_its_network(tmp_path):
    (tmp_path / "one.toml").write_text(NETWORKS["one"], encoding="utf-8")
    document = tmp_path / "homework.tex"
    document.write_text(f"% symbackprop: net = one.toml\n{RIGHT}\n{WRONG}", encoding="utf-8")
    assert [d.verdict for d in run(str(document), fix=False)] == ["right", "wrong"]
