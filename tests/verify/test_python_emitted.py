"""The module of every network is followed: its gradients are judged right, and a planted fault is found wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from symbackprop import api, gallery, spec
from symbackprop.handwritten.python_source import parse
from symbackprop.verify.python import judge_program
from symbackprop.verify.world import Worlds

ROOT = Path(__file__).parents[2]
GENERATED = sorted((ROOT / "generated").glob("*.py"))
NETWORKS = [
    *(Path(gallery.path(name)) for name in gallery.names()),
    *sorted((ROOT / "tests/data/networks").glob("*.toml")),
]
_GRADIENT = r"^( +d{}(?:\[\w+\])? = )(.+?)( +#.*)?$"


def judged(network, code):
    return judge_program(parse(code), network, Worlds(network))


def check(network, code):
    """Every parameter has its gradient, and all that is claimed is right."""
    claims = judged(network, code)
    assert [(each.line, each.text, each.verdict) for each in claims if each.verdict.verdict != "right"] == []
    named = {each.quantity.removeprefix(f"d{network.loss}/d").split("[")[0] for each in claims}
    assert named >= set(network.parameters)


def planted(network, code):
    """The module with one gradient that is wrong."""
    for name in network.parameters:
        changed = re.sub(_GRADIENT.format(name), r"\1(\2) + 0.5\3", code, count=1, flags=re.MULTILINE)
        if changed != code:
            return changed
    return None


def test_a_generated_module_is_right():
    path = ROOT / "generated" / "seed_001.py"
    check(spec.load(path.with_suffix(".toml")), path.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.stem)
def test_generated_modules_are_right(path):
    check(spec.load(path.with_suffix(".toml")), path.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_emitted_modules_are_right_and_faults_are_found(path):
    network, code = spec.load(path), api.derive(str(path)).code()
    check(network, code)
    fault = planted(network, code)
    assert fault is not None
    assert "wrong" in {each.verdict.verdict for each in judged(network, fault)}
