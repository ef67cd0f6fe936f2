"""Mistakes in programs: the line is found, named, and mended in the author's own text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from symbackprop.handwritten.python_source import parse
from symbackprop.spec import load
from symbackprop.verify.judge import Worlds
from symbackprop.verify.python import judge_program
from symbackprop.verify.run import run

PROGRAMS = Path(__file__).parent.parent / "data" / "python"
NETWORKS: dict[str, tuple] = {}


def judged(name, text):
    path = PROGRAMS / (PROGRAMS / f"{name}.py").read_text().split("\n", 1)[0].rpartition("= ")[2]
    if path not in NETWORKS:
        network = load(str(path))
        NETWORKS[path] = network, Worlds(network=network)
    return judge_program(parse(text), *NETWORKS[path], fix=True)


MISTAKES = [
    ("two_script", "dW2 = A1.T @ dZ2", "dW2 = A1 @ dZ2", "SB102"),
    ("two_script", "dA1 = dZ2 @ W2.T", "dA1 = dZ2 @ W2", "SB102"),
    ("two_script", "dW1 = X.T @ dZ1", "dW1 = dZ1 @ X.T", "SB101"),
    ("two_script", "dA1 = dZ2 @ W2.T", "dA1 = dZ2 * W2.T", "SB104"),
    ("two_script", "dZ2 = (A2 - Y) / N", "dZ2 = (Y - A2) / N", "SB215"),
    ("two_script", "dZ1 = dA1 * A1 * (1 - A1)", "dZ1 = dA1 * A1 * (1 + A1)", "SB215"),
    ("two_script", "db2 = dZ2.sum(axis=0)", "db2 = dZ2.sum(axis=1)", "SB206"),
    ("two_script", "dW1 = X.T @ dZ1", "dW1 = X.T @ dA1", "SB207"),
    ("two_script", "db1 = np.sum(dZ1, axis=0)", "db1 = np.mean(dZ1, axis=0)", "SB216"),
    ("two_class", "self.dW2 = self.A1.T.dot(self.dZ2)", "self.dW2 = self.A1.dot(self.dZ2)", "SB102"),
    ("two_einsum", 'dW2 = np.einsum("nh,nk->hk", A1, dZ2)', 'dW2 = np.einsum("nh,nk->kh", A1, dZ2)', "SB203"),
    ("columns_course", "dW1 = (1 / m) * np.dot(dZ1, X.T)", "dW1 = (1 / m) * np.dot(X.T, dZ1)", "SB101"),
    ("labels_net", "dact[act <= 0] = 0", "dact[act >= 0] = 0", "SB211"),
    ("deep_numbered", 'upstream = delta @ params[f"W{l}"]', 'upstream = params[f"W{l}"] @ delta', "SB102"),
    ("deep_numbered", 'cache[f"a{l - 1}"])', 'cache[f"a{l}"])', "SB201"),
    ("chars_rnn", "dbh += dhraw", "dbh = dhraw", "SB213"),
    ("ridge_closed", "+ 2 * lam * w", "- 2 * lam * w", "SB215"),
    ("tied_weights", "delta = dH * H * (1 - H)", "delta = dH * (1 - H)", "SB208"),
    ("softmax_jacobian", "jacobian = np.diag(p) - np.outer(p, p)", "jacobian = np.diag(p) + np.outer(p, p)", "SB215"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "right", "wrong", "code"), MISTAKES)
def test_a_mistake_is_named_and_mended(name, right, wrong, code):
    text = (PROGRAMS / f"{name}.py").read_text()
    assert text.count(right) == 1
    broken = text.replace(right, wrong)
    claims = [claim for claim in judged(name, broken) if claim.verdict.verdict == "wrong"]
    mend = claims[0].mend
    assert mend is not None
    assert mend.edit.code == code, (mend.edit, mend.after)
    assert mend.before in broken
    assert broken.split("\n")[mend.line - 1].strip().startswith(mend.before.split("\n")[0].strip())
    fixed = broken.replace(mend.before, mend.after)
    assert all(claim.verdict.is_right for claim in judged(name, fixed)), mend.after
    assert all(claim.mend is not None for claim in claims)


def test_what_follows_from_a_mistake_is_not_blamed(tmp_path):
    text = (PROGRAMS / "two_script.py").read_text().replace("networks/two.toml", "two.toml")
    (tmp_path / "two.toml").write_text((PROGRAMS / "networks" / "two.toml").read_text())
    path = tmp_path / "homework.py"
    path.write_text(text.replace("dA1 = dZ2 @ W2.T", "dA1 = dZ2 @ W2"))
    report = run(str(path))
    first, *others = [d for d in report if d.verdict == "wrong"]
    assert (first.code, first.fix) == ("SB102", "dA1 = dZ2 @ W2.T")
    assert "W2 is h x k" in first.message
    assert others
    assert all(d.message.startswith(f"Right given line {first.line}") and d.fix is None for d in others)
    lines = report.terminal().split("\n")
    at = lines.index("    dA1 = dZ2 @ W2")
    assert lines[at + 1] == "                ^^"
    assert "  fix: dA1 = dZ2 @ W2.T" in lines
    claims = json.loads(json.dumps(report.as_dict()))["claims"]
    assert next(c["fix"] for c in claims if c["verdict"] == "wrong") == "dA1 = dZ2 @ W2.T"
    assert all(d.fix is None for d in run(str(path), fix=False))


def test_two_mistakes_are_found_one_after_the_other():
    text = (PROGRAMS / "two_script.py").read_text()
    broken = text.replace("dW2 = A1.T @ dZ2", "dW2 = A1 @ dZ2").replace("(1 - A1)", "(1 + A1)")
    mends = [claim.mend for claim in judged("two_script", broken) if claim.verdict.verdict == "wrong"]
    assert {mend.edit.code for mend in mends if not mend.follows} == {"SB102", "SB215"}


def test_parameters_that_go_uphill_are_wrong():
    text = (PROGRAMS / "two_class.py").read_text()
    claims = judged("two_class", text.replace("self.W1 -= rate", "self.W1 += rate"))
    (claim,) = [each for each in claims if not each.verdict.is_right]
    assert claim.text.startswith("self.W1 += rate")
    assert claim.mend.after.startswith("self.W1 -= rate")
