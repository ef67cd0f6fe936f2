"""Data for an example in numbers: small sizes, short decimals, plain functions in the place of opaque ones.

Everything is chosen for a reader with a pocket calculator: two examples, arrays of at most four cells a side, entries
with one decimal and both signs, targets that are classes where the outputs are bounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.affine import Size
from symbackprop.index import Along, Apply, Ref, refs_of
from symbackprop.oracle import Values, members, size_names, taken_off
from symbackprop.tables.activations import evaluator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from symbackprop.affine import Affine
    from symbackprop.index import Equation
    from symbackprop.network import Network

    Array = np.ndarray[Any, Any]

LARGEST = 4
"""Sizes of the network file up to this one are kept."""
WIDTHS = (3, 2, 4)
"""Stand-ins for larger ones; the one that is used least comes first."""
EXAMPLES = 2
ROUNDS = 2
"""Rounds of every loop, so that there is a last one and one before it."""
BOUNDED = frozenset(("sigmoid", "softmax"))
"""Functions whose values are compared with classes."""

# ---------------------------------------------------------------------------------------------------------------------
# Sizes


def small_sizes(network: Network) -> dict[str, Any]:
    """The file's sizes where they are small, else stand-ins as different as they can be; two examples, two rounds."""
    plain, families, needed = size_names(network)
    used: Counter[int] = Counter()
    sizes: dict[str, Any] = {}

    def take(value: int) -> int:
        used[value] += 1
        return value

    def stand_in() -> int:
        return take(min(WIDTHS, key=lambda width: used[width]))

    for name in plain:
        given = network.sizes.get(name)
        if name in network.depths:
            sizes[name] = _depth(network, name)
        elif name == network.batch:
            sizes[name] = take(min(given, EXAMPLES) if isinstance(given, int) else EXAMPLES)
        elif isinstance(given, int) and given <= LARGEST:
            sizes[name] = take(given)
    less = taken_off(network)
    for name in sorted(plain, key=lambda name: name in less):
        if name not in sizes:
            others = [sum(sizes.get(other, 0) for other in each) for each in less.get(name, ())]
            sizes[name] = max(others) + 1 if others else stand_in()
    for name in families:
        table = _moved_end(network, name, sizes)
        last = max([*table, *needed[name], *(int(sizes[depth]) + 2 for depth in network.depths)])
        span = range(min(needed[name], default=0) - 2, last + 1)
        sizes[name] = {
            k: take(table[k]) if table.get(k, LARGEST + 1) <= LARGEST else stand_in()
            for k in span
            if k >= 0 or k in needed[name]
        }
    return sizes


def _depth(network: Network, name: str) -> int:
    """The number of rounds of a loop at which each loop over it has two, no more than the network file says."""
    wanted = 1
    for loops, _ in network.walk():
        for bound in loops:
            rounds = bound.hi - bound.lo + 1
            slope = sum(c for atom, c in rounds.terms if atom == Size(name))
            if slope > 0:
                wanted = max(wanted, -((rounds.const - ROUNDS) // slope))
    given = network.sizes.get(name)
    return min(wanted, given) if isinstance(given, int) else wanted


def _moved_end(network: Network, name: str, sizes: Mapping[str, Any]) -> dict[int, int]:
    """Sizes that the file gives for layers; with fewer layers, the last one keeps its size."""
    given = network.sizes.get(name)
    table = dict(given) if isinstance(given, Mapping) else {}
    depths = {d: n for d in network.depths if isinstance(n := network.sizes.get(d), int)}
    if not table or len(depths) != 1:
        return table
    fewer = sum(n - int(sizes[d]) for d, n in depths.items())
    last = max(table)
    return {k: table[k + fewer] if k == last - fewer else n for k, n in table.items() if k <= last - fewer}


# ---------------------------------------------------------------------------------------------------------------------
# Functions


@dataclass(frozen=True, slots=True)
class StandIn:
    """What takes the place of an opaque function: in words, its value, and its slope or gradient."""

    words: str
    pair: tuple[Callable[..., Any], Callable[..., Any]]


def stand_ins(network: Network) -> dict[str, StandIn]:
    """A well-known function for every opaque one, another for each; half a sum of squares for a loss."""
    found: dict[str, StandIn] = {}
    rows = ("sigmoid", "tanh", "softplus")
    for entry in network.functions.values():
        if entry.kind == "opaque":
            row = rows[len(found) % len(rows)]
            found[entry.name] = StandIn(row, (_last(evaluator(row)), _last(evaluator(row, 1))))
        elif entry.kind == "opaque loss":
            found[entry.name] = StandIn("half the sum of the squares of its entries", (_half_squares, _same))
    return found


def _last(function: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function of one argument that may be given the indices of a layer before it."""
    return lambda *args: np.asarray(function(np.asarray(args[-1])))


def _half_squares(*args: Array) -> Any:
    return sum(0.5 * np.sum(np.square(x)) for x in args)


def _same(*args: Array) -> tuple[Array, ...]:
    return tuple(np.asarray(x) * 1.0 for x in args)


# ---------------------------------------------------------------------------------------------------------------------
# Values


@dataclass(frozen=True, slots=True)
class Style:
    """How targets are drawn (``classes``, ``signs`` or ``decimals``), and whether everything else is positive."""

    targets: str = "classes"
    positive: bool = False


STYLES = (Style(), Style("signs"), Style("decimals"), Style("decimals", positive=True))
"""From the usual to what is always defined."""


def drawn(network: Network, sizes: Mapping[str, Any], style: Style, seed: int) -> Values:
    """Short decimals for all inputs and parameters, as the facts want them; none is 0 but in classes."""
    rng = np.random.default_rng(seed)
    lookup = Values(sizes=sizes, arrays={}).size
    bounded = targets(network)
    arrays: dict[tuple[str, tuple[int, ...]], Array] = {}
    for name in (*network.parameters, *network.inputs):
        tensor = network.tensors[name]
        for at in members(network, name, sizes):
            env = {b.var: k for b, k in zip(tensor.family, at, strict=True)}
            shape = tuple(axis.evaluate(env, lookup) for axis in tensor.axes)
            if tensor.below is not None:
                value = rng.integers(0, tensor.below.evaluate(env, lookup), size=shape)
            elif name in bounded:
                value = _target(rng, shape, style)
            else:
                value = _decimals(rng, shape, largest=9 if tensor.role == "parameter" else 20, positive=style.positive)
            arrays[name, at] = _as_facts_want(network, name, value, rng, style)
    functions = {name: each.pair for name, each in stand_ins(network).items()}
    return Values(sizes=sizes, arrays=arrays, functions=functions)


def _decimals(rng: np.random.Generator, shape: tuple[int, ...], *, largest: int, positive: bool) -> Array:
    """Tenths, or halves where they may be large; none is 0."""
    unit = 1 if largest < 10 else 5  # noqa: PLR2004 - one digit
    size = rng.integers(1, largest // unit + 1, size=shape) * unit
    sign = 1 if positive else rng.choice([-1, 1], size=shape)
    return np.asarray(size * sign / 10)


def _target(rng: np.random.Generator, shape: tuple[int, ...], style: Style) -> Array:
    if style.targets == "classes":
        return _one_hot(rng, shape, len(shape) - 1) if shape and shape[-1] > 1 else rng.integers(0, 2, shape) * 1.0
    if style.targets == "signs":
        return rng.choice([-1.0, 1.0], size=shape)
    return _decimals(rng, shape, largest=9, positive=True)


def _one_hot(rng: np.random.Generator, shape: tuple[int, ...], axis: int) -> Array:
    """A single 1 along an axis, at another place in neighbouring rows."""
    length = shape[axis]
    rest = shape[:axis] + shape[axis + 1 :]
    place = (rng.integers(0, length) + np.arange(int(np.prod(rest))) * rng.integers(1, max(2, length))) % length
    return np.moveaxis(np.eye(length)[place.reshape(rest)], -1, axis)


def _as_facts_want(network: Network, name: str, value: Array, rng: np.random.Generator, style: Style) -> Array:
    for fact in network.facts:
        if fact.tensor != name:
            continue
        if fact.kind != "sum":
            value = np.abs(value) + (0.1 if fact.kind == "positive" else 0.0) * (value == 0)
        elif fact.value == 1 and style.targets == "classes":
            value = _one_hot(rng, np.shape(value), fact.axis)
        else:
            value = _adding_up(rng, np.shape(value), fact.axis, float(fact.value))
    return value


def _adding_up(rng: np.random.Generator, shape: tuple[int, ...], axis: int, total: float) -> Array:
    """Tenths that add up along an axis: positive shares of a positive total, else as they come."""
    tenths, length = round(10 * total), shape[axis]
    rows = int(np.prod(shape)) // length
    found = np.empty((rows, length))
    for row in found:
        if tenths >= length:
            cuts = np.sort(rng.choice(np.arange(1, tenths), size=length - 1, replace=False))
            row[:] = np.diff([0, *cuts, tenths])
        else:
            row[:-1] = rng.integers(1, 9, size=length - 1)
            row[-1] = 10 * total - row[:-1].sum()
    rest = shape[:axis] + shape[axis + 1 :]
    return np.moveaxis((found / 10).reshape((*rest, length)), -1, axis)


def targets(network: Network) -> frozenset[str]:
    """Inputs that bounded outputs are compared with, entry by entry, on the way to the loss."""
    uses: dict[str, list[bool]] = {name: [] for name in network.inputs}
    for equation in network.equations:
        for name, compared in _uses(network, equation):
            uses[name].append(compared)
    return frozenset(name for name, compared in uses.items() if compared and all(compared))


def _uses(network: Network, equation: Equation) -> Iterator[tuple[str, bool]]:
    """Inputs that an equation reads, each with whether it is compared with a bounded output there."""
    for term in equation.terms:
        refs = [ref for factor in term.factors for ref in refs_of(factor)]
        for ref in refs:
            if ref.tensor in network.inputs:
                own = _own(network, ref)
                partners = [r for r in refs if r.tensor not in network.inputs and _own(network, r) == own]
                yield ref.tensor, _is_summed(equation, ref) and any(_is_bounded(network, r.tensor) for r in partners)


def _own(network: Network, ref: Ref) -> tuple[Affine, ...]:
    """The indices of an element without those of its family."""
    return ref.index[len(network.tensors[ref.tensor].family) :]


def _is_summed(equation: Equation, ref: Ref) -> bool:
    """True where the last index of an element does not survive in the equation."""
    return not ref.index or not ref.index[-1].variables & {v for f in equation.lhs.index for v in f.variables}


def _is_bounded(network: Network, name: str) -> bool:
    """True for an output of a sigmoid or a softmax (or of what a sigmoid stands for), under whatever name."""
    plain = {name for name, each in stand_ins(network).items() if each.words in BOUNDED}
    for equation in network.definitions(name):
        for factor in (f for term in equation.terms for f in term.factors):
            if isinstance(factor, Along) and factor.name in BOUNDED:
                return True
            if isinstance(factor, Ref) and factor.tensor != name and _is_bounded(network, factor.tensor):
                return len(equation.terms) == 1 and equation.terms[0].factors == (factor,)
            if isinstance(factor, Apply) and getattr(factor.template.func, "row", "") in BOUNDED | plain:
                return True
    return False
