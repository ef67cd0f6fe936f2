"""The listing of a handout: two passes and what they call, which run as they stand beside the module's helpers."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from symbackprop import api, gallery
from symbackprop.document import program


@pytest.mark.parametrize("name", gallery.names())
def test_the_listing_computes_what_the_module_computes(name: str) -> None:
    code = api.derive(str(gallery.path(name))).code()
    shown = program.shown(code)
    whole: dict[str, object] = {"__name__": "whole"}
    exec(code, whole)
    arguments = whole["_example"](np.random.default_rng(0))  # type: ignore[operator]
    *given, functions = arguments
    expected = whole["loss_and_gradients"](*given, **functions)  # type: ignore[operator]
    beside = dict(whole)
    for function in program.SHOWN:
        del beside[function]
    exec(shown, beside)
    found = beside["loss_and_gradients"](*given, **functions)  # type: ignore[operator]
    assert found[0] == expected[0]
    for key, gradient in expected[1].items():
        for a, b in zip(whole["_members"](gradient), whole["_members"](found[1][key]), strict=True):  # type: ignore[operator]
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", gallery.names())
def test_the_listing_has_no_helpers_and_docstrings_of_one_line(name: str) -> None:
    tree = ast.parse(program.shown(api.derive(str(gallery.path(name))).code()))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert {"forward", "loss_and_gradients"} <= {node.name for node in functions}
    assert not {node.name for node in functions} & {*program.OTHERS, "check", "main"}
    assert all("\n" not in (ast.get_docstring(node) or "") for node in functions)
