"""Derived adjoints against differences of the forward pass, for every choice of form; planted faults are caught."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from symbackprop import spec
from symbackprop.adjoint import Checker, derive
from symbackprop.derivation import Choices, Step
from symbackprop.errors import DerivationError
from symbackprop.index import adjoint_name, is_adjoint, primal_name
from symbackprop.oracle import Interpreter, Values, draw, stand_in_sizes

if TYPE_CHECKING:
    from symbackprop.derivation import Derivation
    from symbackprop.network import Network

ROOT = Path(__file__).parents[2]
FILES = [*sorted(ROOT.glob("symbackprop/gallery/*.toml")), *sorted(ROOT.glob("tests/data/networks/*.toml"))]
CHOICES = {
    "delta": Choices(),
    "activation": Choices(signals="activation", slopes="prime"),
    "all": Choices(signals="all", pull="batch"),
    "pulled": Choices(pull="all"),
}
STEP = 1e-5
# central differences: truncation STEP**2, rounding 1e-16 / STEP; both far below this on values of order one
TOLERANCE = 1e-7


def differences(network: Network, values: Values, parameter: str, at: tuple[int, ...]) -> Any:
    """∂loss/∂parameter by central differences of the interpreted forward pass."""
    base = values.arrays[parameter, at]
    result = np.zeros(np.shape(base))
    for entry in np.ndindex(*np.shape(base)):
        shifted = []
        for sign in (1, -1):
            moved = np.array(base, dtype=float)
            moved[entry] += sign * STEP
            arrays = {**values.arrays, (parameter, at): moved}
            shifted.append(float(Interpreter(network, replace(values, arrays=arrays)).tensor(network.loss)))
        result[entry] = (shifted[0] - shifted[1]) / (2 * STEP)
    return result


def true_gradients(derivation: Derivation, values: Values) -> dict[tuple[str, tuple[int, ...]], Any]:
    """Gradients by the final equations of all chains."""
    definitions = {adjoint_name(name): [chain.equation] for name, chain in derivation.chains.items()}
    interpreter = Interpreter(derivation.network, values, definitions)
    return {
        (p, at): interpreter.tensor(adjoint_name(p), at)
        for p in derivation.network.parameters
        for (name, at) in values.arrays
        if name == p
    }


@pytest.mark.parametrize("choices", CHOICES.values(), ids=CHOICES.keys())
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_gradients_equal_differences(path: Path, choices: Choices) -> None:
    network = spec.load(str(path))
    derivation = derive(network, choices)
    values = draw(network, seed=3, sizes=stand_in_sizes(network, 5), scale=0.5)
    found = true_gradients(derivation, values)
    assert {name for name, _ in found} == set(network.parameters)
    for (parameter, at), gradient in found.items():
        expected = differences(network, values, parameter, at)
        largest = max(np.max(np.abs(expected), initial=0.0), 1e-3)
        assert np.max(np.abs(expected - gradient), initial=0.0) < TOLERANCE * largest, f"{parameter}{list(at)}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_put_in_adjoints_vanish_from_named_ones(path: Path) -> None:
    derivation = derive(spec.load(str(path)))
    named = {chain.tensor for chain in derivation.chains.values() if chain.named}
    for chain in derivation.chains.values():
        if chain.named:
            read = {
                primal_name(f.tensor)
                for t in chain.equation.terms
                for f in t.factors
                if hasattr(f, "tensor") and is_adjoint(f.tensor) and "/" not in f.tensor
            }
            assert read <= named


def test_chains_stand_in_order_of_computation() -> None:
    derivation = derive(spec.load("mlp:4-2-3"))
    seen: set[str] = set()
    for name, chain in derivation.chains.items():
        for term in chain.equation.terms:
            for factor in term.factors:
                tensor = getattr(factor, "tensor", "")
                if is_adjoint(tensor) and "/" not in tensor:
                    assert primal_name(tensor) in seen
        seen.add(name)


@pytest.fixture(scope="module")
def classifier() -> Network:
    return spec.load(str(ROOT / "tests/data/networks/wildml.toml"))


@pytest.mark.parametrize(
    ("plant", "what"),
    [
        (lambda t: replace(t, coefficient=t.coefficient * 1001 / 1000), "a factor wrong by 0.1 %"),
        (lambda t: replace(t, coefficient=-t.coefficient), "a sign"),
        (lambda t: replace(t, factors=t.factors[1:]), "a factor lost"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_a_wrong_step_is_refused(classifier: Network, plant: Any, what: str) -> None:
    chain = derive(classifier).chains["W2"]
    checker = Checker(classifier, {n: c.start for n, c in derive(classifier).chains.items()})
    good = chain.steps[-1]
    checker.check(good)
    bad = replace(good, after=replace(good.after, terms=tuple(map(plant, good.after.terms))))
    with pytest.raises(DerivationError, match="changed the value of ∂W2"):
        checker.check(bad)


def test_a_lost_sum_over_the_batch_is_refused(classifier: Network) -> None:
    chain = derive(classifier).chains["b2"]
    checker = Checker(classifier, {n: c.start for n, c in derive(classifier).chains.items()})
    before = chain.equation
    term = before.terms[0]
    lost = replace(term, bounds=()).substitute_within({term.bounds[0].var: before.lhs.index[0] * 0})
    step = Step(rule="planted", formula="", before=before, after=replace(before, terms=(lost,)))
    with pytest.raises(DerivationError, match="planted"):
        checker.check(step)


def test_steps_of_the_same_network_at_any_width_are_the_same() -> None:
    texts = [
        [str(s.after) for c in derive(spec.load(f"mlp:{w}-{w + 1}-3")).chains.values() for s in c.steps]
        for w in (4, 4096)
    ]
    assert texts[0] == texts[1]
