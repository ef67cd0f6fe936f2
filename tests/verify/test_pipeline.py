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


def judged(text: str) -> Report:
    report = symbackprop.verify(text, NETWORK)
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
