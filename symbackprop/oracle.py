"""Numbers for indexed equations: a slow interpreter that knows nothing of matrices, lifting or emission.

``draw`` makes values for a network (inputs, parameters, stand-ins for opaque functions) that respect its facts;
``Interpreter`` evaluates any equation on them, element by element in meaning, lazily over families. Every step of
a derivation, every lifted form and every emitted program is compared with it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from symbackprop.affine import Affine, Bound, Size, Var
from symbackprop.errors import DerivationError, SpecError
from symbackprop.index import (
    LOCAL,
    Along,
    Apply,
    Compare,
    Equation,
    Factor,
    Opaque,
    Ref,
    Term,
    Value,
    Where,
    forms_of,
    refs_of,
    slot,
)
from symbackprop.tables.activations import ACTIVATION, evaluator
from symbackprop.tables.reductions import AXIS_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from symbackprop.network import Network

    Array = np.ndarray[Any, Any]

LARGEST = 8
"""Sizes above this are replaced by small stand-ins where a check is free to choose."""


# ---------------------------------------------------------------------------------------------------------------------
# Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Sizes, arrays and functions at which a network is evaluated.

    ``arrays`` maps (tensor, family indices) to an array; ``sizes`` a name to a number or, for a family, to a mapping.
    """

    sizes: Mapping[str, Any]
    arrays: Mapping[tuple[str, tuple[int, ...]], Array]
    functions: Mapping[str, Any] = field(default_factory=dict)

    def size(self, name: str, at: tuple[int, ...]) -> int:
        """A size; for a family its member, with the last given one for indices beyond."""
        value = self.sizes[name]
        if not at:
            return int(value)
        return int(value[at[0] if len(at) == 1 else at])


def stand_in_sizes(network: Network, largest: int = LARGEST) -> dict[str, Any]:
    """The file's sizes where they are small, else pairwise different small ones; missing ones likewise.

    Families of sizes get a value for each index in and around the range that occurs.
    """
    used: set[int] = set()
    plain, families, needed = size_names(network)
    sizes: dict[str, Any] = {}
    for name in plain:
        given = network.sizes.get(name)
        if isinstance(given, int) and given <= largest:
            sizes[name] = (
                given
                if name in network.depths or given == 1
                else next(k for k in itertools.count(given) if k not in used)
            )
            used.add(sizes[name])

    def free(start: int) -> int:
        value = next(k for k in itertools.count(start) if k not in used)
        if value > largest + 2:  # many axes: those that lie far apart in the file may share a size
            used.clear()
            value = start
        used.add(value)
        return value

    less = taken_off(network)
    for name in sorted(plain, key=lambda name: name in less):
        if name not in sizes:
            room = max((sum(sizes.get(other, 0) for other in each) for each in less.get(name, ())), default=0)
            sizes[name] = 3 if name in network.depths else free(2 + room)
    for name in families:
        given = network.sizes.get(name)
        table = {} if given is None or isinstance(given, int) else dict(given)
        offsets = needed[name]
        last = max([*table, *offsets, *(int(sizes[d]) + 2 for d in network.depths)])
        span = range(min(offsets, default=0) - 2, last + 1)
        sizes[name] = {
            k: table[k] if table.get(k, largest + 1) <= largest else free(2) for k in span if k >= 0 or k in offsets
        }
    return sizes


def taken_off(network: Network) -> dict[str, list[list[str]]]:
    """Sizes from which an axis takes others off, with these: ``T`` for ``T-K+1``."""
    found: dict[str, list[list[str]]] = {}
    for axis in (axis for tensor in network.tensors.values() for axis in tensor.axes):
        sizes = [(atom.name, c) for atom, c in axis.terms if isinstance(atom, Size)]
        less = [name for name, c in sizes for _ in range(-c)]
        for name in (name for name, c in sizes if c > 0 and less):
            found.setdefault(name, []).append(less)
    return found


def size_names(network: Network) -> tuple[list[str], list[str], dict[str, set[int]]]:
    """Names of plain sizes and of families of sizes, and for the latter the offsets at which they are read."""
    plain: dict[str, None] = {}
    families: dict[str, None] = {}
    needed: dict[str, set[int]] = {}
    for form in _all_forms(network):
        for atom in _size_atoms(form):
            if atom.at:
                families[atom.name] = None
                needed.setdefault(atom.name, set()).update(a.const for a in atom.at)
            else:
                plain[atom.name] = None
    for name, value in network.sizes.items():
        (plain if isinstance(value, int) else families)[name] = None
        if not isinstance(value, int):
            needed.setdefault(name, set()).update(value)
    return list(plain), list(families), needed


def _size_atoms(form: Affine) -> Iterator[Size]:
    for atom, _ in form.terms:
        if isinstance(atom, Size):
            yield atom
            for inner in atom.at:
                yield from _size_atoms(inner)


def _all_forms(network: Network) -> Iterator[Affine]:
    """Every form in which a size may occur."""
    for tensor in network.tensors.values():
        yield from tensor.axes
        yield from (limit for bound in tensor.family for limit in (bound.lo, bound.hi))
        if tensor.below is not None:
            yield tensor.below
    for equation in network.equations:
        bounds = [*equation.ranges, *(b for t in equation.terms for b in t.bounds)]
        yield from (limit for bound in bounds for limit in (bound.lo, bound.hi))
        for term in equation.terms:
            for factor in term.factors:
                if isinstance(factor, Apply):
                    yield from (arg.form for arg in factor.args if isinstance(arg, Value))


def members(network: Network, name: str, sizes: Mapping[str, Any]) -> list[tuple[int, ...]]:
    """All family indices of a tensor at given sizes; ``[()]`` for a plain one."""
    lookup = Values(sizes=sizes, arrays={}).size
    found: list[tuple[int, ...]] = [()]
    family = network.tensors[name].family
    for position, bound in enumerate(family):
        grown = []
        for at in found:
            env = {b.var: k for b, k in zip(family[:position], at, strict=True)}
            lo, hi = bound.lo.evaluate(env, lookup), bound.hi.evaluate(env, lookup)
            grown += [(*at, k) for k in range(lo, hi + 1)]
        found = grown
    return found


def draw(network: Network, seed: int = 0, sizes: Mapping[str, Any] | None = None, *, scale: float = 1.0) -> Values:
    """Random values for inputs and parameters that respect the facts, and smooth stand-ins for opaque functions.

    Raises: SpecError where a size has no value.
    """
    rng = np.random.default_rng(seed)
    sizes = stand_in_sizes(network) if sizes is None else sizes
    lookup = Values(sizes=sizes, arrays={}).size
    arrays: dict[tuple[str, tuple[int, ...]], Array] = {}
    for name in (*network.parameters, *network.inputs):
        tensor = network.tensors[name]
        for at in members(network, name, sizes):
            env = {b.var: k for b, k in zip(tensor.family, at, strict=True)}
            try:
                shape = tuple(axis.evaluate(env, lookup) for axis in tensor.axes)
            except KeyError as error:
                message = f"no size '{error.args[0]}' for the axes of {name}; give it in [sizes]"
                raise SpecError(message, source=network.source) from None
            if min(shape, default=1) < 1:
                message = f"{name} would have the shape {shape}; every axis needs at least one element"
                raise SpecError(message, source=network.source)
            if tensor.below is not None:
                arrays[name, at] = rng.integers(0, tensor.below.evaluate(env, lookup), size=shape)
            else:
                value = rng.standard_normal(shape) * scale
                arrays[name, at] = _respecting(network, name, value, rng)
    return Values(sizes=sizes, arrays=arrays, functions=stand_ins(network))


def _respecting(network: Network, name: str, value: Array, rng: np.random.Generator) -> Array:
    for fact in network.facts:
        if fact.tensor != name:
            continue
        if fact.kind == "sum":
            total = float(fact.value)
            share = np.asarray(rng.uniform(0.2, 1.0, size=value.shape))
            value = (
                share / share.sum(axis=fact.axis, keepdims=True) * total
                if total
                else value - value.mean(axis=fact.axis, keepdims=True)
            )
        elif fact.kind in {"positive", "nonnegative"}:
            value = np.abs(value) + 0.1
        else:
            message = f"no way to draw values for a fact of kind {fact.kind}"
            raise DerivationError(message)
    return value


def stand_ins(network: Network) -> dict[str, Any]:
    """A smooth function for every opaque one: name -> (function, slope), or (function, gradient) for a loss.

    Those per layer take the layer's indices first. They are analytic, so complex steps work.
    """
    table: dict[str, Any] = {}
    for entry in network.functions.values():
        if entry.kind == "opaque":
            table[entry.name] = _elementwise_stand_in(phase_of(network, entry.name))
        elif entry.kind == "opaque loss":
            table[entry.name] = (_loss_stand_in, _loss_stand_in_gradient)
    return table


def phase_of(network: Network, name: str) -> float:
    """The phase of the wave that stands for an opaque elementwise function."""
    return 0.3 + 0.4 * list(network.functions).index(name)


def _elementwise_stand_in(phase: float) -> tuple[Callable[..., Array], Callable[..., Array]]:
    def value(*args: Any) -> Array:
        shift = phase + 0.7 * sum(args[:-1])
        return np.asarray(np.sin(args[-1] + shift) + 0.4 * args[-1])

    def slope(*args: Any) -> Array:
        shift = phase + 0.7 * sum(args[:-1])
        return np.asarray(np.cos(args[-1] + shift) + 0.4)

    return value, slope


def _higher_slope(stand_in: tuple[Callable[..., Array], Callable[..., Array]], order: int, args: list[Any]) -> Array:
    """The slope of order 2 or more of ``sin(x + shift) + 0.4 x``: that of order - 2, without the line, turned round."""
    wave = stand_in[order % 2](*args) - (0.4 if order % 2 else 0.4 * args[-1])
    return np.asarray(wave if order % 4 < 2 else -wave)  # noqa: PLR2004 - sin, cos, -sin, -cos


def _weights(x: Array, position: int) -> Array:
    flat: Array = 1 + 0.5 * np.sin(1.0 + position + 0.7 * np.arange(np.size(x)))
    return flat.reshape(np.shape(x))


def _loss_stand_in(*args: Array) -> Any:
    joint = sum(np.sum(_weights(x, k) * x) for k, x in enumerate(args))
    return sum(np.sum(_weights(x, k) * np.sin(x)) for k, x in enumerate(args)) + 0.25 * joint * joint


def _loss_stand_in_gradient(*args: Array) -> tuple[Array, ...]:
    joint = sum(np.sum(_weights(x, k) * x) for k, x in enumerate(args))
    return tuple(_weights(x, k) * (np.cos(x) + 0.5 * joint) for k, x in enumerate(args))


# ---------------------------------------------------------------------------------------------------------------------
# Evaluation


class Interpreter:
    """Values of tensors and equations; tensors are computed from their equations when first read.

    ``definitions`` adds equations for tensors that the network does not define (adjoints).
    """

    def __init__(
        self, network: Network, values: Values, definitions: Mapping[str, Iterable[Equation]] | None = None
    ) -> None:
        self.network, self.values = network, values
        self.memo: dict[tuple[str, tuple[int, ...]], Array] = dict(values.arrays)
        self.equations: dict[str, list[Equation]] = {}
        for equation in network.equations:
            self.equations.setdefault(equation.lhs.tensor, []).append(equation)
        for name, more in (definitions or {}).items():
            self.equations[name] = list(more)
        self.families = {name: len(t.family) for name, t in network.tensors.items()}
        self.partials: dict[str, tuple[str, int, Opaque, Equation]] = {}
        for equation in network.equations:
            for factor in equation.terms[0].factors if equation.terms else ():
                if isinstance(factor, Opaque):
                    for k in range(len(factor.args)):
                        self.partials[_partial(factor.name, k)] = (factor.name, k, factor, equation)
                        # A loss taken in every round of a loop has its partials in every round.
                        self.families[_partial(factor.name, k)] = self.families[equation.lhs.tensor]
        self._active: set[tuple[str, tuple[int, ...]]] = set()

    def tensor(self, name: str, at: tuple[int, ...] = ()) -> Array:
        """The array of a tensor, or of one member of a family."""
        key = (name, at)
        if key in self.memo:
            return self.memo[key]
        if name in self.partials:
            self._opaque_gradient(name, at)
            return self.memo[key]
        if key in self._active:
            message = f"{name}{list(at) or ''} depends on itself"
            raise DerivationError(message)
        self._active.add(key)
        try:
            for equation in self.equations.get(name, ()):
                env = self._match(equation, at)
                if env is not None:
                    self.memo[key] = self._array(equation, env, len(at))
                    return self.memo[key]
        finally:
            self._active.discard(key)
        message = f"no equation gives {name}{list(at) or ''}"
        raise DerivationError(message)

    def equation(self, equation: Equation) -> dict[tuple[int, ...], Array]:
        """The right side for every value of the family indices of the left side."""
        depth = self._depth(equation.lhs)
        outer = {v for form in equation.lhs.index[:depth] for v in form.variables}
        loops = tuple(b for b in equation.ranges if b.var in outer)
        result: dict[tuple[int, ...], Array] = {}
        for env in self._loop(loops, {}):
            at = tuple(form.evaluate(env, self.values.size) for form in equation.lhs.index[:depth])
            result[at] = self._array(equation, env, depth)
        return result

    def _depth(self, ref: Ref) -> int:
        name = ref.tensor
        if name in self.families:
            return self.families[name]
        return self.families.get(name.removeprefix("∂").split("/")[0], 0)

    def _loop(self, bounds: tuple[Bound, ...], env: dict[str, int]) -> Iterable[dict[str, int]]:
        if not bounds:
            yield env
            return
        first, rest = bounds[0], bounds[1:]
        lo, hi = first.lo.evaluate(env, self.values.size), first.hi.evaluate(env, self.values.size)
        for k in range(lo, hi + 1):
            yield from self._loop(rest, {**env, first.var: k})

    def _match(self, equation: Equation, at: tuple[int, ...]) -> dict[str, int] | None:
        env: dict[str, int] = {}
        for form, value in zip(equation.lhs.index, at, strict=False):
            open_ = [n for n in form.linear if n not in env]
            if not open_:
                if form.evaluate(env, self.values.size) != value:
                    return None
                continue
            name = open_[0]
            rest = form.evaluate({**env, name: 0}, self.values.size)
            steps, left = divmod(value - rest, form.linear[name])
            if left:
                return None
            env[name] = steps
        for bound in equation.ranges:
            if bound.var in env:
                lo, hi = bound.lo.evaluate(env, self.values.size), bound.hi.evaluate(env, self.values.size)
                if not lo <= env[bound.var] <= hi:
                    return None
        return env

    def _array(self, equation: Equation, env: dict[str, int], depth: int) -> Array:
        free = [b for b in equation.ranges if b.var not in env]
        grid = {b.var: b.hi.evaluate(env, self.values.size) - b.lo.evaluate(env, self.values.size) + 1 for b in free}
        assert all(b.lo == Affine() for b in free), "element indices count from 0"  # noqa: S101
        names = [b.var for b in free]
        total: Any = np.zeros(tuple(grid[n] for n in names))
        for term in equation.terms:
            total = total + self._term(term, env, names, grid)
        order = []
        for form in equation.lhs.index[depth:]:
            atom = form.single
            assert isinstance(atom, Var), f"{equation.lhs}: an element index on the left is a letter"  # noqa: S101
            order.append(names.index(atom.name))
        return np.transpose(total, order) if order else np.asarray(total)

    def _term(self, term: Term, env: dict[str, int], names: list[str], grid: dict[str, int]) -> Any:
        looped = [b for b in term.bounds if self._must_loop(b.var, term)]
        rest = [b for b in term.bounds if b not in looped]
        total: Any = 0.0
        for inner in self._loop(tuple(looped), dict(env)):
            sizes = dict(grid)
            order = list(names)
            offset: dict[str, int] = {}
            for bound in rest:
                lo, hi = (f.evaluate(inner, self.values.size) for f in (bound.lo, bound.hi))
                sizes[bound.var], offset[bound.var] = max(hi - lo + 1, 0), lo
                order.append(bound.var)
            axes: dict[str, Any] = {}
            for k, name in enumerate(order):
                shape = [1] * len(order)
                shape[k] = sizes[name]
                axes[name] = (np.arange(sizes[name]) + offset.get(name, 0)).reshape(shape)
            full = tuple(sizes[n] for n in order)
            total = total + self._body(term, {**inner, **axes}, full).sum(axis=tuple(range(len(names), len(order))))
        return total

    def _must_loop(self, name: str, term: Term) -> bool:
        for factor in term.factors:
            if any(name in form.variables for ref in refs_of(factor) for form in ref.index[: self._depth(ref)]):
                return True
            if any(_inside_size(name, form) for form in forms_of(factor)):
                return True
            if (
                isinstance(factor, Apply)
                and len(factor.args) > 1
                and _layered(factor)
                and any(isinstance(a, Value) and name in a.form.variables for a in factor.args)
            ):
                return True
        if any(_inside_size(name, c.form) for c in term.conditions):
            return True
        return any(name in b.lo.variables | b.hi.variables for b in term.bounds if b.var != name)

    def _body(self, term: Term, env: dict[str, Any], full: tuple[int, ...]) -> Array:
        mask: Any = True
        for cond in term.conditions:
            mask = mask & _truth(cond, env, self.values.size)
        if mask is not True and not np.any(mask):
            return np.zeros(full)
        value: Any = float(term.coefficient)
        for factor in term.factors:
            value = value * self._factor(factor, env)
        value = np.broadcast_to(value, full)
        return value if mask is True else np.where(np.broadcast_to(mask, full), value, 0.0)

    def _form(self, form: Affine, env: Mapping[str, Any]) -> Any:
        return form.evaluate(env, self.values.size)

    def _read(self, ref: Ref, env: Mapping[str, Any]) -> Any:
        depth = self._depth(ref)
        at = tuple(int(self._form(f, env)) for f in ref.index[:depth])
        if not self._inside(ref.tensor, at):
            return 0.0
        array = self.tensor(ref.tensor, at)
        if not ref.index[depth:]:
            return array
        index = [np.asarray(self._form(f, env)) for f in ref.index[depth:]]
        # outside positions belong to masked terms: any value will do
        clipped = [np.clip(k, 0, extent - 1) for k, extent in zip(index, array.shape, strict=True)]
        return array[tuple(clipped)]

    def _inside(self, name: str, at: tuple[int, ...]) -> bool:
        """Family members outside the range belong to masked terms."""
        tensor = self.network.tensors.get(name.removeprefix("∂").split("/")[0])
        if tensor is None or not at:
            return True
        env = {b.var: k for b, k in zip(tensor.family, at, strict=True)}
        return all(self._form(b.lo, env) <= k <= self._form(b.hi, env) for b, k in zip(tensor.family, at, strict=True))

    def _factor(self, factor: Factor, env: Mapping[str, Any]) -> Any:
        if isinstance(factor, Ref):
            return self._read(factor, env)
        if isinstance(factor, Apply):
            slots = [self._read(a, env) if isinstance(a, Ref) else self._form(a.form, env) for a in factor.args]
            with np.errstate(all="ignore"):  # masked positions may be out of a function's domain
                return self.scalar(factor.template, slots)
        if isinstance(factor, Along):
            return self._along(factor, env)
        function, _ = self.values.functions[factor.name]
        return function(*self._opaque_args(factor, env))

    def _opaque_args(self, factor: Opaque, env: Mapping[str, Any]) -> list[Array]:
        return [
            self.tensor(a.tensor, tuple(int(self._form(f, env)) for f in a.index[: self._depth(a)]))
            for a in factor.args
        ]

    def _opaque_gradient(self, name: str, at: tuple[int, ...]) -> None:
        function, _, factor, equation = self.partials[name]
        env = self._match(equation, at) or {}
        gradient = self.values.functions[function][1](*self._opaque_args(factor, env))
        for k, array in enumerate(gradient):
            self.memo[_partial(function, k), at] = np.asarray(array)

    def _along(self, factor: Along, env: Mapping[str, Any]) -> Any:
        outer = max((np.ndim(v) for v in env.values()), default=0)
        count = len(factor.sizes)
        inner = dict(env)
        for name, value in env.items():
            inner[name] = np.reshape(value, np.shape(value) + (1,) * count) if np.ndim(value) else value
        lengths = [int(np.max(self._form(s, env))) for s in factor.sizes]
        for k, length in enumerate(lengths):
            shape = [1] * (outer + count)
            shape[outer + k] = length
            inner[f"{LOCAL}{k}"] = np.arange(length).reshape(shape)
        block = np.asarray(self._read(factor.arg, inner))
        outside = block.shape[: block.ndim - count]
        flat = np.broadcast_to(block, (*outside, *lengths)).reshape((*outside, -1))
        result = AXIS_FUNCTION[factor.name].evaluate(flat)
        if factor.at is None:
            return result
        position: Any = 0
        for form, length in zip(factor.at, lengths, strict=True):
            position = position * length + np.asarray(self._form(form, env))
        chosen = np.arange(result.shape[-1]) == np.asarray(position)[..., None]
        return (result * chosen).sum(axis=-1)

    def scalar(self, expression: Any, slots: list[Any]) -> Any:  # noqa: PLR0911 - one line a kind of node
        """A scalar template at given numbers or arrays."""
        if expression.is_Symbol:
            return slots[int(expression.name[1:])]
        if expression.is_number and not expression.args:
            return float(expression)
        if isinstance(expression, Compare):
            left, right = (self.scalar(a, slots) for a in expression.args[1:])
            return _COMPARE[str(expression.args[0])](np.real(left), np.real(right)) * 1.0
        args = [self.scalar(a, slots) for a in expression.args]
        if isinstance(expression, Where):
            return np.where(args[0] != 0, args[1], args[2])
        if expression.is_Add:
            return sum(args[1:], args[0])
        if expression.is_Mul:
            value = args[0]
            for arg in args[1:]:
                value = value * arg
            return value
        if expression.is_Pow:
            exponent = expression.exp
            return args[0] ** (int(exponent) if exponent.is_Integer and exponent >= 0 else args[1])
        if isinstance(expression, sp.exp):
            return np.exp(args[0])
        if isinstance(expression, sp.log):
            return np.log(args[0])
        row = getattr(expression.func, "row", None)
        if row is None:
            message = f"no number for {expression.func}"
            raise DerivationError(message)
        return self.named(row, expression.func.order, args)

    def named(self, name: str, order: int, args: list[Any]) -> Any:
        """A named function (or its derivative): opaque stand-in, user's formula or table row."""
        if name in self.values.functions:
            slopes = self.values.functions[name]
            return slopes[order](*args) if order < len(slopes) else _higher_slope(slopes, order, args)
        entry = self.network.functions.get(name)
        if entry is not None and entry.kind == "formula":
            template = sp.diff(entry.template, slot(0), order)
            return self.scalar(template, [args[-1]])
        if name == "onehot":
            return (np.asarray(args[0]) == np.asarray(args[1])) * 1.0 if order == 0 else 0.0
        if name in ACTIVATION:
            return evaluator(name, order)(np.asarray(args[-1]))
        message = f"no number for the function {name}"
        raise DerivationError(message)


_COMPARE = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


def _partial(function: str, position: int) -> str:
    return f"∂{function}/{position}"


def _layered(factor: Apply) -> bool:
    return any(
        len(f.args) > 1 and getattr(f.func, "row", None) not in {None, "onehot"}
        for f in factor.template.atoms(sp.Function)
    )


def _inside_size(name: str, form: Affine) -> bool:
    return any(isinstance(a, Size) and any(name in f.variables for f in a.at) for a, _ in form.terms)


def _truth(cond: Any, env: Mapping[str, Any], size: Callable[[str, tuple[int, ...]], int]) -> Any:
    value = cond.form.evaluate(env, size)
    if cond.kind == ">=":
        return np.asarray(value >= 0)
    if cond.kind == "==":
        return np.asarray(value == 0)
    if cond.kind == "!=":
        return np.asarray(value != 0)
    return np.asarray(value % cond.modulus == 0)
