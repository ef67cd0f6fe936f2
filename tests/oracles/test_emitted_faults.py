"""Faults planted in emitted modules, one at a time: whatever changes a gradient is caught.

Each fault is an edit of the syntax tree of ``loss_and_gradients``: the mistakes people make on paper.
"""

from __future__ import annotations

import ast
import copy

import numpy as np
import pytest

from symbackprop import api, gallery
from symbackprop.check import check
from symbackprop.check.module import arguments, functions, leaves, run
from symbackprop.errors import DerivationError
from symbackprop.oracle import draw, stand_in_sizes

NETWORKS = ("seed_000", "seed_001", "seed_002_batch", "seed_003", "seed_004_general")


def scaled(node):
    """A local derivative wrong by 0.1 %."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return ast.BinOp(node, ast.Mult(), ast.Constant(1.001))
    return None


def untransposed(node):
    """A transpose dropped."""
    return node.value if isinstance(node, ast.Attribute) and node.attr == "T" else None


def undivided(node):
    """A division, such as 1/N, lost."""
    return node.left if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) else None


def shortened(node):
    """One contribution of a sum dropped."""
    return node.left if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) else None


def unsummed(node):
    """A sum over an axis (the batch) missing: one entry stands for all."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "np.sum" and node.keywords:
        return ast.parse(f"np.take({ast.unparse(node.args[0])}, 0, {ast.unparse(node.keywords[0])})", mode="eval").body
    return None


def negated(node):
    """A sign wrong."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return ast.UnaryOp(ast.USub(), node)
    return None


FAULTS = (scaled, untransposed, undivided, shortened, unsummed, negated)


class Planted(ast.NodeTransformer):
    """Applies a fault at its n-th site of the backward pass; ``sites`` counts them."""

    def __init__(self, fault, number):
        self.fault, self.number, self.sites, self.inside = fault, number, 0, False

    def visit_FunctionDef(self, node):
        self.inside = node.name == "loss_and_gradients"
        return self.generic_visit(node) if self.inside else node

    def visit_Subscript(self, node):
        return node  # layer indices are no part of a formula

    def generic_visit(self, node):
        node = super().generic_visit(node)
        if isinstance(node, ast.expr) and self.inside:
            wrong = self.fault(node)
            if wrong is not None:
                self.sites += 1
                if self.sites - 1 == self.number:
                    return wrong
        return node


def mutants(source, fault):
    """The source with the fault at each place where it can be made."""
    tree, number = ast.parse(source), 0
    while True:
        planted = Planted(fault, number)
        changed = ast.fix_missing_locations(planted.visit(copy.deepcopy(tree)))
        if number >= planted.sites:
            return
        yield ast.unparse(changed)
        number += 1


def gradients(derived, source):
    """The module's gradients at one point, as one vector."""
    values = draw(derived.network, 5, stand_in_sizes(derived.network))
    module = run(source, "mutant")
    parameters, inputs = (
        arguments(derived.network, values, derived.layout, names)
        for names in (derived.network.parameters, derived.network.inputs)
    )
    _, found = module.loss_and_gradients(parameters, inputs, **functions(derived.network, values, derived.layout))
    return np.concatenate([np.ravel(a) for name in derived.network.parameters for a in leaves(found[name])])


def is_caught(derived, source):
    try:
        return not check(derived.derivation, source, layout=derived.layout).passed
    except DerivationError:
        return True


QUICK = ("seed_001", "seed_003")


@pytest.fixture(
    scope="module", params=[pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow]) for n in NETWORKS]
)
def derived(request):
    return api.derive(str(gallery.path(request.param)))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_every_fault_that_changes_a_gradient_is_caught(derived, fault):
    source = derived.code()
    right = gradients(derived, source)
    for mutant in mutants(source, fault):
        try:
            wrong = gradients(derived, mutant)
        except (ValueError, IndexError, KeyError):
            wrong = None  # Python or NumPy objects already
        if wrong is None or wrong.shape != right.shape or not np.allclose(wrong, right, rtol=1e-9, atol=1e-12):
            assert is_caught(derived, mutant), f"{fault.__doc__}\n{mutant}"


def test_every_kind_of_fault_was_planted_somewhere():
    sources = [api.derive(str(gallery.path(name))).code() for name in NETWORKS]
    for fault in FAULTS:
        assert sum(len(list(mutants(source, fault))) for source in sources) > 0, fault.__name__


def test_right_module_survives_a_round_through_its_syntax_tree(derived):
    assert not is_caught(derived, ast.unparse(ast.parse(derived.code())))
