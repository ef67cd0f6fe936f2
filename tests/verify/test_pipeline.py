"""Documents end to end: names that they define, exit codes, required claims, forms of output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import symbackprop
from symbackprop.verify.run import Report

NETWORK = str(Path(__file__).parents[1] / "data" / "corpus" / "documents" / "seed_002.toml")
BASE = r"\[ \delta^{(L)} = 2(\vec{a}^{(L)} - \vec{y}) \odot \dot\sigma^{(L)}(\vec{z}^{(L)}) \]"
RIGHT = (
    r"\[ \delta^{(\ell)} = (W^{(\ell+1)})^T \delta^{(\ell+1)} \odot \dot\sigma^{(\ell)}(\vec{z}^{(\ell)}) \]"
    r"\[ \frac{\partial C_0}{\partial W^{(\ell)}} = \delta^{(\ell)} (\vec{a}^{(\ell-1)})^T \]"
)


def judged(text: str, *, fix: bool = True) -> Report:
    report = symbackprop.verify(text, NETWORK, fix=fix)
    assert isinstance(report, Report)
    return report


def test_a_name_defined_by_an_adjoint_is_that_adjoint_of_every_layer():
    report = judged(BASE + RIGHT)
    assert [d.verdict for d in report] == ["right", "right"]
    assert report.exit_code() == 0


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ("(W^{(\\ell+1)})^T", "W^{(\\ell+1)}", "SB102"),
        ("\\vec{a}^{(\\ell-1)}", "\\vec{a}^{(\\ell)}", "SB201"),
        ("\\delta^{(\\ell)} (\\vec{a}^{(\\ell-1)})^T", "(\\vec{a}^{(\\ell-1)})^T \\delta^{(\\ell)}", "SB101"),
    ],
)
def test_faults_are_named_and_mended(right, wrong, code):
    text = RIGHT.replace(right, wrong)
    assert text != RIGHT
    faults = [d for d in judged(BASE + text) if d.verdict != "right"]
    assert [(d.verdict, d.code) for d in faults] == [("wrong", code)]
    assert faults[0].fix is not None
    again = judged(BASE + "\\[" + faults[0].fix + "\\]")
    assert [d.verdict for d in again] == ["right"]


def test_a_document_without_claims_is_fine():
    report = judged("Nothing but words.")
    assert (len(report.diagnostics), report.exit_code()) == (0, 0)


def test_json_has_the_fields_of_a_claim():
    claims = json.loads(json.dumps(judged(BASE + RIGHT).as_dict()))["claims"]
    fields = {"line", "column", "claim", "quantity", "verdict", "code", "message", "fix", "evidence"}
    assert all(set(claim) == fields for claim in claims)


def test_a_python_program_is_judged():
    network = "mlp:4-2-3"
    program = "dyhat = 2 * (yhat - y) / y.size\ndW2 = a1.T @ dyhat\ndb2 = dyhat.sum(axis=1)\n"
    verdicts = {d.claim.partition(" ")[0]: d.verdict for d in symbackprop.verify(program, network, kind="py")}
    assert verdicts["dW2"] == "right"
    assert verdicts["db2"] == "wrong"


def test_a_repetition_has_its_own_place_and_all_else_of_the_first():
    wrong = RIGHT.replace("(W^{(\\ell+1)})^T", "W^{(\\ell+1)}")
    first, again = (d for d in judged(f"{BASE}\n{wrong}\n{wrong}") if d.verdict == "wrong")
    assert (first.line, again.line) == (2, 3)
    assert again.span is not None
    assert again.span.start - first.span.start == len(wrong) + 1
    assert again.place.start - first.place.start == len(wrong) + 1
    assert again.as_dict() == {**first.as_dict(), "line": 3}


def test_a_repetition_after_a_definition_is_judged_by_it():
    claim = r"\[ \frac{\partial C_0}{\partial \vec{a}^{(L)}} = \rho \]"
    verdicts = [d.verdict for d in judged(claim + r"\[ \rho = 2(\vec{a}^{(L)} - \vec{y}) \]" + claim, fix=False)]
    assert (verdicts[0], verdicts[-1]) == ("unreadable", "right")


def test_the_search_for_fixes_is_left_out_after_many_claims_that_are_not_right(monkeypatch):
    monkeypatch.setattr("symbackprop.verify.run.SEARCHES", 1)
    right = r"\frac{\partial C_0}{\partial \vec{a}^{(L)}} = 2(\vec{a}^{(L)} - \vec{y})"
    fixes = {d.claim: (d.fix, "no fix is searched" in d.message) for d in judged(
        "".join(rf"\[ {right.replace('2', wrong)} \]" for wrong in ("-2", "(-2)", "- 2", "-2"))
    )}  # fmt: skip
    assert [(fix is not None, said) for fix, said in fixes.values()] == [(True, False), (False, True), (False, False)]
