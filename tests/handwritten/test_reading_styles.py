"""The notations of well-known texts: a network each, and formulas as those texts write them with what they mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from symbackprop import spec
from symbackprop.handwritten import expression as ex
from symbackprop.handwritten.formula import plain
from symbackprop.handwritten.names import Declared
from symbackprop.handwritten.reader import Context
from symbackprop.handwritten.resolve import statements

STYLES = Path(__file__).parent.parent / "data" / "reading"
LETS = {"nielsen": (Declared(head=r"\delta^l", letters=("l",), rank=1),)}


def cases():
    for path in sorted(STYLES.glob("*.toml")):
        lines = path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
        for formula, meaning in zip(lines[::2], lines[1::2], strict=True):
            yield pytest.param(path.stem, formula, meaning.strip(), id=f"{path.stem}: {formula[:60]}")


@pytest.fixture(scope="module")
def networks():
    return {path.stem: spec.load(str(path)) for path in STYLES.glob("*.toml")}


@pytest.fixture(scope="module")
def line():
    """The printer of the other tests of reading."""
    from importlib.util import module_from_spec, spec_from_file_location

    found = spec_from_file_location("printer", Path(__file__).with_name("test_resolve.py"))
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module.line


@pytest.mark.parametrize(("style", "formula", "meaning"), list(cases()))
def test_a_formula_says_what_its_author_meant(networks, line, style, formula, meaning):
    found = statements(plain(formula), Context(network=networks[style], lets=LETS.get(style, ())))
    assert " ; ".join(map(line, found)) == meaning


def test_an_explicit_partial_is_marked(networks):
    (found,) = statements(plain(r"\frac{\partial^{+} h^{(k)}}{\partial W}"), Context(network=networks["goodfellow"]))
    assert isinstance(found.members[0], ex.Derivative)
    assert found.members[0].explicit
