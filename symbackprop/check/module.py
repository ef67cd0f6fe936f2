"""A generated module run from memory, and the arguments it takes for drawn values.

``run`` compiles text under a made-up file name and registers it with ``linecache``, so a traceback shows the line;
nothing is written or imported from disk.
"""

from __future__ import annotations

import functools
import linecache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from symbackprop.index import Apply, Opaque, Value, slot
from symbackprop.oracle import Values, members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from symbackprop.affine import Bound
    from symbackprop.network import Network

    Array = np.ndarray[Any, Any]
    Tree = Array | list["Tree"]
    Layout = Mapping[str, tuple[int, ...]]


def run(source: str, name: str) -> ModuleType:
    """The module made of ``source``, executed in memory; it is not entered into ``sys.modules``."""
    filename = f"<generated {name}.py>"
    module = ModuleType(name)
    module.__file__ = filename
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec"), module.__dict__)  # noqa: S102 - the text is this package's own output
    return module


def arguments(network: Network, values: Values, layout: Layout, names: tuple[str, ...]) -> dict[str, Tree]:
    """Drawn arrays in the shape that the module takes: laid out as stored, families as (nested) lists."""
    found: dict[str, Tree] = {}
    for name in names:
        depth = len(network.tensors[name].family)
        stored = {at: _laid(values.arrays[name, at], layout, name) for at in members(network, name, values.sizes)}
        found[name] = _nested(stored, depth)
    return found


def _laid(value: Array, layout: Layout, name: str) -> Array:
    order = layout.get(name)
    return np.ascontiguousarray(np.transpose(value, order)) if order and np.ndim(value) else np.asarray(value)


def _nested(stored: Mapping[tuple[int, ...], Array], depth: int) -> Tree:
    if depth == 0:
        return stored[()]
    heads = sorted({at[0] for at in stored})
    return [_nested({at[1:]: v for at, v in stored.items() if at[0] == head}, depth - 1) for head in heads]


def leaves(tree: Tree) -> list[Array]:
    """The arrays of a (nested) list, in order; each is the array itself, so it may be changed in place."""
    if isinstance(tree, list | tuple):
        return [leaf for branch in tree for leaf in leaves(branch)]
    return [np.asarray(tree)]


def moved(tree: Tree, steps: Iterator[Array]) -> Tree:
    """The tree with one step added to each array, in order."""
    if isinstance(tree, list):
        return [moved(branch, steps) for branch in tree]
    return np.asarray(np.asarray(tree) + next(steps))


def functions(network: Network, values: Values, layout: Layout) -> dict[str, Any]:
    """Keyword arguments for opaque functions: pairs (function, slope), lists of them for functions per layer."""
    found: dict[str, Any] = {}
    for name, entry in network.functions.items():
        if entry.kind == "opaque" and entry.family:
            pair = values.functions[name]
            rounds = _rounds(network, values, name, entry.family)
            found[name] = _nested_pairs(rounds, pair, entry.family)
        elif entry.kind == "opaque":
            found[name] = values.functions[name]
        elif entry.kind == "opaque loss":
            found[name] = _laid_loss(network, name, values.functions[name], layout)
    return found


def _nested_pairs(rounds: set[tuple[int, ...]], pair: tuple[Any, Any], depth: int, at: tuple[int, ...] = ()) -> Any:
    if depth == len(at):
        return tuple(functools.partial(f, *at) for f in pair)
    here = sorted({r[len(at)] for r in rounds if r[: len(at)] == at})
    span = range(here[0], here[-1] + 1) if here else ()
    return [_nested_pairs(rounds, pair, depth, (*at, k)) for k in span]


def _rounds(network: Network, values: Values, name: str, family: int) -> set[tuple[int, ...]]:
    """Every layer index at which a function per layer is called in the forward equations."""
    found: set[tuple[int, ...]] = set()
    for equation in network.equations:
        for term in equation.terms:
            for factor in term.factors:
                if isinstance(factor, Apply):
                    for call in _calls(factor, name):
                        forms = [factor.args[int(str(a)[1:])] for a in call.args[:family]]
                        envs = list(_environments((*equation.ranges, *term.bounds), values))
                        for env in envs:
                            found.add(tuple(f.form.evaluate(env, values.size) for f in forms if isinstance(f, Value)))
    return found


def _calls(factor: Apply, name: str) -> list[Any]:
    slots = {slot(k) for k in range(len(factor.args))}
    calls = factor.template.atoms(sp.Function)
    return [c for c in calls if getattr(c.func, "row", None) == name and set(c.args[:1]) <= slots]


def _environments(bounds: tuple[Bound, ...], values: Values) -> Iterator[dict[str, int]]:
    """Every combination of values of the running indices."""
    if not bounds:
        yield {}
        return
    *outer, last = bounds
    for env in _environments(tuple(outer), values):
        lo, hi = last.lo.evaluate(env, values.size), last.hi.evaluate(env, values.size)
        for k in range(lo, hi + 1):
            yield {**env, last.var: k}


def _laid_loss(network: Network, name: str, pair: tuple[Any, Any], layout: Layout) -> tuple[Any, Any]:
    """An opaque loss that takes stored arrays: what it is does not depend on how its arguments lie."""
    factors = (f for equation in network.equations for term in equation.terms for f in term.factors)
    uses = [f for f in factors if isinstance(f, Opaque) and f.name == name]
    orders = [layout.get(ref.tensor) for ref in uses[0].args] if uses else []

    def turned(args: tuple[Array, ...], *, back: bool) -> list[Array]:
        turns = [None if order is None else (np.argsort(order) if back else order) for order in orders]
        pairs = zip(args, turns, strict=True)
        return [a if turn is None or np.ndim(a) != len(turn) else np.transpose(a, turn) for a, turn in pairs]

    value, gradient = pair
    if all(order is None or list(order) == sorted(order) for order in orders):
        return pair

    def laid_value(*args: Array) -> Any:
        return value(*turned(args, back=True))

    def laid_gradient(*args: Array) -> tuple[Array, ...]:
        return tuple(turned(gradient(*turned(args, back=True)), back=False))

    return laid_value, laid_gradient


def forward_loss(
    module: ModuleType, loss: str, inputs: Mapping[str, Tree], keywords: Mapping[str, Any]
) -> Callable[[Mapping[str, Tree]], Any]:
    """The module's loss as a function of its parameters, by its forward pass alone."""

    def evaluate(parameters: Mapping[str, Tree]) -> Any:
        return np.asarray(module.forward(parameters, inputs, **keywords)[loss])[()]

    return evaluate
