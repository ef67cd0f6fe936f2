"""Paths against SymPy's own derivative of the fully expanded loss, and against the engine's gradients."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np
import pytest
import sympy as sp

from symbackprop import gallery, spec
from symbackprop.adjoint import derive
from symbackprop.derivation import Choices
from symbackprop.document.graph import Element, concrete_sizes
from symbackprop.document.left_out import pattern_of
from symbackprop.document.paths import Unrolled
from symbackprop.document.scalar import target_of
from symbackprop.index import Apply, Equation, Ref, Term, adjoint_name, collect, slot
from symbackprop.oracle import Interpreter, draw
from symbackprop.tables.activations import ACTIVATION

if TYPE_CHECKING:
    from symbackprop.network import Network

SEEDS = ("seed_000", "seed_000_compact", "seed_002", "seed_002_batch", "seed_003", "seed_004", "seed_004_general")
SMALL = {"n": 2, "m": 2, "N": 2, "L": 2, "M": 2}


def load(name: str) -> Network:
    """A network of the gallery."""
    return spec.load(str(gallery.path(name)))


# ---------------------------------------------------------------------------------------------------------------------
# An expander of its own: whole loss as one SymPy expression in the entries of inputs and parameters


class Expanded:
    """Elements as SymPy expressions of inputs and parameters, straight from the equations."""

    def __init__(self, network: Network, sizes: dict[str, Any]) -> None:
        self.graph = Unrolled(network, sizes)
        self.memo: dict[Element, Any] = {}

    def symbol(self, element: Element) -> Any:
        return sp.Symbol(f"{element.tensor}_{'_'.join(map(str, element.index))}")

    def value(self, element: Element) -> Any:
        if element not in self.memo:
            found = self.graph.definition(element)
            if found is None:
                self.memo[element] = self.symbol(element)
            else:
                equation, env = found
                self.memo[element] = sum((self.term(t, env) for t in equation.terms), sp.S.Zero)
        return self.memo[element]

    def term(self, term: Term, env: dict[str, int]) -> Any:
        total = sp.S.Zero
        for full in self.assignments(list(term.bounds), env):
            if all(c.holds(full, self.graph.values.size) for c in term.conditions):
                total += term.coefficient * math.prod((self.factor(f, full) for f in term.factors), start=sp.S.One)
        return total

    def assignments(self, bounds: list[Any], env: dict[str, int]) -> Any:
        if not bounds:
            yield env
            return
        first, *rest = bounds
        size = self.graph.values.size
        for k in range(first.lo.evaluate(env, size), first.hi.evaluate(env, size) + 1):
            yield from self.assignments(rest, {**env, first.var: k})

    def factor(self, factor: Any, env: dict[str, int]) -> Any:
        if isinstance(factor, Ref):
            return self.read(factor, env)
        assert isinstance(factor, Apply), factor
        leaves = {
            slot(k): self.read(a, env)
            if isinstance(a, Ref)
            else sp.Integer(a.form.evaluate(env, self.graph.values.size))
            for k, a in enumerate(factor.args)
        }
        return self.plain(factor.template).subs(leaves, simultaneous=True)

    def read(self, ref: Ref, env: dict[str, int]) -> Any:
        return self.value(Element(ref.tensor, tuple(f.evaluate(env, self.graph.values.size) for f in ref.index)))

    @staticmethod
    def plain(template: Any) -> Any:
        """Table rows by their definition; opaque functions and their slopes by a smooth stand-in."""
        for call in sorted(template.atoms(sp.Function), key=str):
            name = getattr(call.func, "row", None)
            if name is None:
                continue
            x = sp.Symbol("x")
            shift = sum(call.args[:-1], sp.S.Zero)
            define = ACTIVATION[name].define(x) if name in ACTIVATION else sp.sin(x + shift) + x / 3
            template = template.xreplace({call: sp.diff(define, x, call.func.order).subs(x, call.args[-1])})
        return template


def value_of_terms(terms: tuple[Term, ...], expanded: Expanded) -> Any:
    return sum((expanded.term(term, {}) for term in terms), sp.S.Zero)


@pytest.mark.parametrize("slopes", ["output", pytest.param("prime", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SEEDS)
def test_paths_multiply_and_add_up_to_the_derivative_of_the_expanded_loss(name: str, slopes: str) -> None:
    network = load(name)
    sizes = concrete_sizes(network)
    for key, small in SMALL.items():
        if isinstance(sizes.get(key), int):
            sizes[key] = small
        elif key in sizes:
            sizes[key] = {k: 2 + k % 2 for k in sizes[key]}
    if name.startswith("seed_000"):
        family = next(key for key, value in sizes.items() if isinstance(value, dict))
        sizes[family] = {k: 2 + k % 2 for k in sizes[family]}
    graph, expanded = Unrolled(network, sizes, slopes=slopes), Expanded(network, sizes)
    loss = expanded.value(graph.loss)
    symbols = sorted(loss.free_symbols, key=str)
    rng = random.Random(name)
    point = [mpmath.mpf(rng.randint(-9, 9)) / 7 for _ in symbols]
    for parameter in network.parameters:
        element = graph.first(parameter)
        paths = graph.paths(element)
        assert graph.count(element) == len(paths) > 0
        ours = value_of_terms(collect(term for path in paths for term in path.product), expanded)
        theirs = sp.diff(loss, expanded.symbol(element))
        with mpmath.workdps(40):
            left, right = sp.lambdify(symbols, [ours, theirs], "mpmath", cse=True)(*point)
            assert abs(left - right) < mpmath.mpf(10) ** -30


def everything() -> list[Any]:
    """All network files at hand; those beyond the gallery are for the long run."""
    folder = Path(__file__).parents[1] / "data" / "networks"
    known = [str(gallery.path(name)) for name in gallery.names()]
    return [*known, *(pytest.param(str(p), marks=pytest.mark.slow, id=p.stem) for p in sorted(folder.glob("*.toml")))]


@pytest.mark.parametrize("source", everything(), ids=lambda s: s.rsplit("/", 1)[-1])
def test_paths_agree_with_the_gradient_of_the_engine(source: str) -> None:
    network = spec.load(source)
    derivation = derive(network, Choices(signals="all"))
    graph = Unrolled(network)
    values = draw(network, seed=3, sizes=graph.values.sizes, scale=0.5)
    definitions = {adjoint_name(name): [chain.equation] for name, chain in derivation.chains.items()}
    interpreter = Interpreter(network, values, definitions)
    for parameter in network.parameters:
        element = graph.first(parameter)
        if graph.count(element) > 400:
            continue
        paths = graph.paths(element)
        assert len(paths) == graph.count(element)
        depth = len(network.tensors[parameter].family)
        entry = interpreter.tensor(adjoint_name(parameter), element.index[:depth])[element.index[depth:]]
        terms = collect(term for path in paths for term in path.product)
        total = interpreter.equation(Equation(lhs=Ref("sum"), terms=terms))[()]
        np.testing.assert_allclose(float(total), float(entry), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("source", everything(), ids=lambda s: s.rsplit("/", 1)[-1])
def test_pattern_of_the_paths_has_their_sum(source: str) -> None:
    network = spec.load(source)
    graph = Unrolled(network)
    values = draw(network, seed=4, sizes=graph.values.sizes, scale=0.5)
    interpreter = Interpreter(network, values)
    for parameter in network.parameters:
        target = target_of(graph, graph.first(parameter))
        terms = pattern_of(graph, target)
        if not terms or target.total > 400:
            continue
        listed = collect(t for path in graph.paths(target.element) for t in path.product)
        ours = interpreter.equation(Equation(lhs=Ref("sum"), terms=terms))[()]
        theirs = interpreter.equation(Equation(lhs=Ref("sum"), terms=listed))[()]
        np.testing.assert_allclose(float(ours), float(theirs), rtol=1e-9, atol=1e-12)


def test_seed_003_has_three_paths_of_five_links_for_one_example() -> None:
    graph = Unrolled(load("seed_003"))
    target = target_of(graph, graph.first("W1"))
    assert (target.count, target.total) == (3, 15)
    kinds = [link.kind for link in target.paths[0].links]
    assert kinds == ["cost", "activation", "dot product", "activation", "dot product"]


def test_paths_are_counted_without_being_listed() -> None:
    graph = Unrolled(spec.load("mlp:50-40-30-20-10"))
    element = graph.first(graph.network.parameters[0])
    per_example = 30 * 20 * 10
    assert graph.count(element) == per_example * graph.examples
    assert len(graph.paths(element, limit=3)) == 3


def test_shared_weight_has_paths_through_each_use() -> None:
    graph = Unrolled(load("seed_001"))
    ends = {path.links[-1].above.tensor for path in graph.paths(graph.first("Wx"))}
    assert ends == {"H1", "H2"}
