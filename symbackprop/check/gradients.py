"""The check itself: directions, single entries and complex steps for every parameter of an emitted module."""

from __future__ import annotations

import itertools
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from symbackprop.check import module as generated
from symbackprop.check.numeric import central, complex_step
from symbackprop.check.report import TOLERANCE, Report, Row
from symbackprop.errors import DerivationError
from symbackprop.index import Apply
from symbackprop.oracle import Interpreter, Values, draw, stand_in_sizes
from symbackprop.tables.activations import ACTIVATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from symbackprop.derivation import Derivation
    from symbackprop.network import Network

    Array = np.ndarray[Any, Any]

DIRECTIONS = 3
"""Random directions for each parameter."""
ENTRIES = 24
"""Single entries for each parameter, all of them where there are no more."""
LINES = 300
"""Single entries for all parameters together; each parameter gets its share, and at least ``FEWEST``."""
FEWEST = 4
REDRAWS = 12
"""Points tried before a check gives up: four of unit scale, four smaller ones, four positive ones."""
GOAL = 1e-3 * TOLERANCE
"""Error estimate of a difference quotient, relative to the gradient, at which no smaller step is tried."""
USABLE = 1e-1 * TOLERANCE
"""Error estimate up to which it is used; above, there is a kink nearby."""
FLOOR = 1e-3
"""Gradients smaller than this share of the loss (or of all gradients) are measured against that share: differences
have no more digits, and where the true gradient is zero there is nothing else to compare with."""
SHOWN = 4
"""Changed sizes that a note lists."""
COMPLEX_FLOOR = 1e-6
"""The same for complex steps, as a share of all gradients: their only error is rounding."""


def check(
    derivation: Derivation, source: str, seed: int = 0, *, layout: Mapping[str, tuple[int, ...]] | None = None
) -> Report:
    """Errors of the gradients that the module ``source`` computes, a row for each parameter.

    Compared with differences of the module's own forward pass along random directions and for single entries, and
    with complex steps where every function is analytic; its loss with the network's equations, interpreted.

    Raises: DerivationError where no point away from kinks was found or the module's results have wrong shapes.
    """
    network = derivation.network
    module = generated.run(source, network.name)
    sizes = stand_in_sizes(network)
    for key in getattr(module, "SIZES", {}):  # sizes that the module knows only from the network file
        if isinstance(key, str):
            module.SIZES[key] = sizes[key]
    notes = [*_about_sizes(network, sizes), *_about_functions(network)]
    for attempt in range(REDRAWS):
        values = _drawn(network, seed, sizes, attempt)
        point = Point(network, module, values, layout or {})
        if not point.is_finite:
            continue
        rows = _rows(network, point)
        if rows is not None:
            if _is_positive(attempt):
                notes.append("values were drawn positive: the loss is not defined for all others")
            return Report(
                network=network.name, seed=seed, rows=rows, forward_error=point.forward_error, notes=tuple(notes)
            )
    message = (
        f"{network.name}: none of {REDRAWS} random points has a finite loss and no kink nearby, so the gradients were "
        "not checked; is a logarithm or a root taken of something negative?"
    )
    raise DerivationError(message)


def _is_positive(attempt: int) -> bool:
    return attempt >= 2 * REDRAWS // 3


def _drawn(network: Network, seed: int, sizes: Mapping[str, Any], attempt: int) -> Values:
    """Random values: of unit scale at first, then smaller, then positive."""
    scale = 1.0 if attempt < REDRAWS // 3 else 0.3
    values = draw(network, seed + 7919 * attempt, sizes, scale=scale)
    if not _is_positive(attempt):
        return values
    known = {fact.tensor for fact in network.facts}
    arrays = {
        key: np.abs(a) + 0.1 if a.dtype.kind != "i" and key[0] not in known else a for key, a in values.arrays.items()
    }
    return Values(sizes=values.sizes, arrays=arrays, functions=values.functions)


class Point:
    """A module at drawn values: its loss and gradients there, and its loss nearby."""

    def __init__(self, network: Network, module: Any, values: Values, layout: Mapping[str, tuple[int, ...]]) -> None:
        self.network, self.values = network, values
        self.parameters = generated.arguments(network, values, layout, network.parameters)
        inputs = generated.arguments(network, values, layout, network.inputs)
        keywords = generated.functions(network, values, layout)
        self.loss = generated.forward_loss(module, network.loss, inputs, keywords)
        with np.errstate(all="ignore"):
            try:
                self.value, gradients = module.loss_and_gradients(self.parameters, inputs, **keywords)
            except Exception as error:
                message = f"{network.name}: the generated code fails: {type(error).__name__}: {error}"
                raise DerivationError(message) from error
        self.gradients = {name: self._like(name, gradients) for name in network.parameters}

    def _like(self, name: str, gradients: Mapping[str, Any]) -> list[Array]:
        found, wanted = generated.leaves(gradients[name]), generated.leaves(self.parameters[name])
        if [np.shape(a) for a in found] != [np.shape(a) for a in wanted]:
            message = (
                f"{self.network.name}: the gradient of {name} has the shapes {[np.shape(a) for a in found]}, "
                f"{name} itself {[np.shape(a) for a in wanted]}"
            )
            raise DerivationError(message)
        return found

    @property
    def is_finite(self) -> bool:
        """False where the loss or a gradient is not a number here."""
        arrays = itertools.chain.from_iterable(self.gradients.values())
        return bool(np.isfinite(self.value)) and all(bool(np.all(np.isfinite(a))) for a in arrays)

    @property
    def forward_error(self) -> float:
        """Difference of the module's loss from the interpreted network's, relative to it."""
        exact = float(Interpreter(self.network, self.values).tensor(self.network.loss))
        return abs(float(self.value) - exact) / max(abs(exact), 1e-12)

    @property
    def largest(self) -> float:
        """The largest entry of all gradients."""
        return max((_largest(arrays) for arrays in self.gradients.values()), default=0.0)

    @property
    def floor(self) -> float:
        """The smallest scale that the error of a difference quotient is measured against."""
        return FLOOR * max(abs(float(self.value)), self.largest, 1e-300)

    def along(self, name: str, steps: list[Array]) -> Callable[[Any], Any]:
        """The loss as a function of the length of a step of one parameter."""

        def evaluate(length: Any) -> Any:
            tree = generated.moved(self.parameters[name], iter([length * step for step in steps]))
            with np.errstate(all="ignore"):
                return self.loss({**self.parameters, name: tree})

        return evaluate


def _rows(network: Network, point: Point) -> tuple[Row, ...] | None:
    """A row for each parameter; None where a kink is too near to measure anything."""
    rows = []
    complex_too = is_analytic(network)
    most = min(ENTRIES, max(FEWEST, LINES // max(1, len(network.parameters))))
    for name in network.parameters:
        gradient = point.gradients[name]
        count = sum(a.size for a in gradient)
        if count == 0:
            rows.append(Row(parameter=name, error=0.0, method="no entries"))
            continue
        rng = np.random.default_rng([count, len(rows)])
        singles = list(_entries(gradient, count, most, rng))
        error = _difference_error(point, name, [*_directions(gradient, rng), *singles])
        if error is None:
            return None
        method = f"central differences, {DIRECTIONS} directions, {_counted(len(singles), count)}"
        finer = _complex_error(point, name, singles) if complex_too else None
        if finer is not None:
            error, method = max(error, finer), f"complex step and {method}"
        rows.append(Row(parameter=name, error=error, method=method))
    return tuple(rows)


def largest_error(network: Network, point: Point) -> float | None:
    """The largest error along one random direction of each parameter; None where a kink is too near."""
    worst = 0.0
    for position, name in enumerate(network.parameters):
        gradient = point.gradients[name]
        directions = _directions(gradient, np.random.default_rng(position))
        error = _difference_error(point, name, [next(directions)]) if sum(a.size for a in gradient) else 0.0
        if error is None:
            return None
        worst = max(worst, error)
    return worst


def _largest(arrays: list[Array]) -> float:
    return max((float(np.max(np.abs(a), initial=0.0)) for a in arrays), default=0.0)


def _counted(checked: int, count: int) -> str:
    if checked == count:
        return "all entries" if count > 1 else "the entry"
    return f"{checked} of {count} entries"


def _directions(gradient: list[Array], rng: np.random.Generator) -> Iterator[list[Array]]:
    """Steps of +1 or -1 in every entry: a fault in one entry is not diluted by the others."""
    for _ in range(DIRECTIONS):
        yield [np.asarray(rng.choice([-1.0, 1.0], size=np.shape(a))) for a in gradient]


def _entries(gradient: list[Array], count: int, most: int, rng: np.random.Generator) -> Iterator[list[Array]]:
    """Steps of single entries: all, or the largest of the gradient and random others."""
    flat = np.concatenate([np.ravel(a) for a in gradient])
    if count <= most:
        chosen = list(range(count))
    else:
        largest = int(np.argmax(np.abs(flat)))
        others = rng.permutation([k for k in range(count) if k != largest])
        chosen = [largest, *map(int, others[: most - 1])]
    for k in chosen:
        yield _unflattened(np.eye(1, count, k)[0], gradient)


def _unflattened(vector: Array, like: list[Array]) -> list[Array]:
    parts = np.split(vector, np.cumsum([a.size for a in like])[:-1])
    return [part.reshape(np.shape(a)) for part, a in zip(parts, like, strict=True)]


def _exact(point: Point, name: str, steps: list[Array]) -> float:
    """What the module's gradient says of the derivative along a step."""
    return float(sum(np.sum(s * g) for s, g in zip(steps, point.gradients[name], strict=True)))


def _difference_error(point: Point, name: str, lines: list[list[Array]]) -> float | None:
    """The largest error along the lines, by difference quotients; None where one of them is of no use."""
    scale = max(point.floor, _largest(point.gradients[name]))
    worst = 0.0
    for steps in lines:
        line = point.along(name, steps)
        length = float(np.sqrt(sum(np.sum(np.square(s)) for s in steps)))
        slope = central(lambda s, line=line: float(line(s)), GOAL * scale, 1 / length)  # type: ignore[misc]
        if not slope.error <= USABLE * scale:
            return None
        worst = max(worst, abs(slope.value - _exact(point, name, steps)))
    return worst / scale


def _complex_error(point: Point, name: str, lines: list[list[Array]]) -> float | None:
    """The largest error by complex steps; None where the module does not compute with complex numbers."""
    scale = max(COMPLEX_FLOOR * point.largest, _largest(point.gradients[name]), 1e-300)
    worst = 0.0
    for steps in lines:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            try:
                found = complex_step(point.along(name, steps))
            except (TypeError, np.exceptions.ComplexWarning):
                return None
        worst = max(worst, abs(found - _exact(point, name, steps)))
    return worst / scale


def is_analytic(network: Network) -> bool:
    """True where every function of the network is computed by analytic NumPy expressions (away from kinks)."""
    for equation in network.equations:
        for term in equation.terms:
            for factor in term.factors:
                if isinstance(factor, Apply) and not _analytic_template(factor.template, network):
                    return False
    return True


def _analytic_template(template: Any, network: Network) -> bool:
    if template.has(sp.Abs, sp.sign, sp.Max, sp.Min):
        return False
    for call in template.atoms(sp.Function):
        name: str = getattr(call.func, "row", "")
        entry = network.functions.get(name)
        if entry is not None:
            if entry.kind == "formula" and not _analytic_template(entry.template, network):
                return False
        elif name in ACTIVATION and not ACTIVATION[name].analytic:
            return False
    return True


def _about_sizes(network: Network, sizes: Mapping[str, Any]) -> list[str]:
    """What was scaled down, and what had no size and got one."""
    changed = [
        f"{name} = {sizes[name]} instead of {given}"
        for name, given in network.sizes.items()
        if isinstance(given, int) and name in sizes and sizes[name] != given
    ]
    for name, given in network.sizes.items():
        if not isinstance(given, int) and name in sizes:
            changed += [
                f"{name}[{k}] = {sizes[name][k]} instead of {n}"
                for k, n in given.items()
                if k in sizes[name] and sizes[name][k] != n
            ]
    if not changed:
        return []
    more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    return [f"sizes in the check are small and all different: {', '.join(changed[:SHOWN])}{more}"]


def _about_functions(network: Network) -> list[str]:
    opaque = [name for name, entry in network.functions.items() if entry.kind in {"opaque", "opaque loss"}]
    plural = "s" if len(opaque) > 1 else ""
    return [f"smooth stand-in{plural} for {', '.join(opaque)}"] if opaque else []
