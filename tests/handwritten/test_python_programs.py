"""Backward passes in many habits: the right ones are judged right, and no planted fault is."""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib.util
import io
import itertools
import sys
import warnings
from pathlib import Path

import pytest

from symbackprop.handwritten.python_source import parse
from symbackprop.verify.python import judge_program


def _beside(name):
    """A module of this folder."""
    found = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    return module


faults = _beside("python_faults").faults
programs = _beside("python_programs")
CALLS, setting, text = programs.CALLS, programs.setting, programs.text
UPDATES = frozenset(("ridge_update", "syn_short"))
"""Programs that give no gradient a name, and change the parameters by it."""
MOST = 3
"""Faults of one program that are judged, of as many kinds."""


def world_of(name):
    return next(setting(name)[1].floating())[1]


def measured(name, source):
    """By parameter, the constants by which the program's gradients differ from the right ones; None where it fails."""
    truth = programs.values(name, world_of(name)).truth
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            found = programs.gradients(name, source, world_of(name))
        except (ArithmeticError, AttributeError, IndexError, KeyError, NameError, TypeError, ValueError):
            return None
    by_tensor: dict = {}
    for key, value in found.items():
        by_tensor.setdefault(key if isinstance(key, str) else key[0], []).append(programs.ratio(value, truth[key]))
    return by_tensor


def judged(name, source):
    return judge_program(parse(source), *setting(name))


def test_every_program_is_called_and_tested():
    assert {path.stem for path in programs.FOLDER.glob("*.py")} == set(CALLS)
    assert len(CALLS) >= 40


@pytest.mark.parametrize("name", CALLS)
def test_right_programs_are_right(name):
    found = measured(name, text(name))
    assert found, "it runs"
    assert {each for ratios in found.values() for each in ratios} == {1.0}, "its gradients are right"
    claims = judged(name, text(name))
    assert all(claim.verdict.is_right for claim in claims), [(c.line, c.quantity, c.verdict) for c in claims]
    network = setting(name)[0]
    named = {claim.quantity.removeprefix(f"d{network.loss}/d").split("[")[0] for claim in claims}
    assert named >= {key for key in found if key in network.parameters}, "all gradients are judged"


@functools.cache
def planted(name):
    """Some faults of a program, of as many kinds as possible: what running them gives, and the claims as judged."""
    kinds: dict[str, list] = {}
    for fault in faults(text(name)):
        if not is_aside(name, fault):
            kinds.setdefault(fault.kind, []).append(fault)
    shift = sum(map(ord, name))
    rows = [row[shift % len(row) :] + row[: shift % len(row)] for row in kinds.values()]
    rows = rows[shift % len(rows) :] + rows[: shift % len(rows)]
    found = []
    for fault in (each for row in itertools.zip_longest(*rows) for each in row if each is not None):
        source = fault.text
        ran = measured(name, source)
        if (ran is not None and is_right(name, ran)) or (ran is None and fault.kind == "wrong name"):
            continue
        found.append(((fault.kind, fault.line, changed(name, source)), ran, judged(name, source)))
        if len(found) == MOST:
            break
    return found


def is_aside(name, fault):
    """True for faults in what no gradient uses: random starts, steps along the gradient, loops without an end."""
    line = text(name).split("\n")[fault.line - 1]
    if any(word in line for word in ("random", "while", "t -= 1", "mem", "next_h = ")):
        return True
    if name in UPDATES:
        return fault.kind == "= for +="
    return any(word in line for word in ("rate *", "lr *", "eta", "step_"))


def is_right(name, ran):
    """True where every gradient is right; where parameters are changed, up to the rate."""
    ratios = [each for several in ran.values() for each in several]
    return all(each is not None and each > 0 for each in ratios) if name in UPDATES else set(ratios) == {1.0}


def changed(name, source):
    """The first line that a fault changes."""
    before, after = ast.unparse(ast.parse(text(name))).split("\n"), source.split("\n")
    return next((new for old, new in zip(before, after, strict=False) if old != new), "")


def tensor_of(name, claim):
    """The tensor that a claim is about."""
    return claim.quantity.removeprefix(f"d{setting(name)[0].loss}/d").split("[")[0]


@pytest.mark.parametrize("name", CALLS)
def test_planted_faults_are_not_right(name):
    found = planted(name)
    assert len(found) == MOST
    for about, ran, claims in found:
        verdicts = [(claim.text, claim.verdict.verdict) for claim in claims]
        if any(verdict == "wrong" for _, verdict in verdicts):
            pass
        elif len({round(each or 0, 9) for several in (ran or {}).values() for each in several}) == 1:
            assert any(verdict == "right-under-convention" for _, verdict in verdicts), (about, verdicts)
        else:
            assert any(verdict == "unreadable" for _, verdict in verdicts), (about, verdicts)
        for claim in claims:
            if set((ran or {}).get(tensor_of(name, claim), ())) == {1.0}:
                assert claim.verdict.verdict != "wrong", (about, claim)


def test_nearly_all_planted_faults_are_decided():
    every = [(about, claims) for name in CALLS for about, _, claims in planted(name)]
    open_ = [about for about, claims in every if {c.verdict.verdict for c in claims} & {"unreadable", "undecided"}
             and not any(c.verdict.verdict == "wrong" for c in claims)]  # fmt: skip
    assert len(open_) <= 0.05 * len(every), open_
