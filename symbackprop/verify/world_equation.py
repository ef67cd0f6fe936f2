"""One equation at one member of a family: its array, and its Jacobians by what it reads directly."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from symbackprop.affine import Affine, Bound, Size, Var
from symbackprop.index import LOCAL, Along, Apply, Equation, Opaque, Ref, Term, forms_of, refs_of, slot
from symbackprop.verify.world_field import compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from symbackprop.verify.world_field import Field

    Array = np.ndarray[Any, Any]
    Size_ = Callable[[str, tuple[int, ...]], int]
    Read = Callable[[str, tuple[int, ...]], Array]

Node = tuple[str, tuple[int, ...]]
"""A tensor, or one member of a family of tensors."""


@lru_cache(maxsize=4096)
def slope(template: Any, position: int) -> Any:
    """The derivative of a template by one of its slots."""
    return sp.diff(template, slot(position))


def match(equation: Equation, at: tuple[int, ...], size: Size_) -> dict[str, int] | None:
    """Values of the family indices of the left side at a member, or None where the equation does not define it."""
    env: dict[str, int] = {}
    for form, value in zip(equation.lhs.index, at, strict=False):
        open_ = [n for n in form.linear if n not in env]
        if not open_:
            if form.evaluate(env, size) != value:
                return None
            continue
        name = open_[0]
        steps, left = divmod(value - form.evaluate({**env, name: 0}, size), form.linear[name])
        if left:
            return None
        env[name] = steps
    for bound in equation.ranges:
        if bound.var in env and not bound.lo.evaluate(env, size) <= env[bound.var] <= bound.hi.evaluate(env, size):
            return None
    return env


class Local:
    """Evaluates one equation: ``value`` and, for every node it reads, ``jacobians[node]`` of axes (own…, node's…)."""

    def __init__(  # noqa: PLR0913 - the equation and what evaluates it
        self, equation: Equation, env: dict[str, int], at: tuple[int, ...], depth: Callable[[str], int], *,
        field: Field, size: Size_, read: Read, inside: Callable[[str, tuple[int, ...]], bool],
    ) -> None:  # fmt: skip
        self.field, self.size, self.read, self.depth, self.inside = field, size, read, depth, inside
        self.free = [b for b in equation.ranges if b.var not in env]
        self.names = [b.var for b in self.free]
        self.grid = {b.var: b.extent.evaluate(env, size) for b in self.free}
        shape = tuple(self.grid[n] for n in self.names)
        self.jacobians: dict[Node, Array] = {}
        self.total: Array = field.array(np.zeros(shape, dtype=int))
        for term in equation.terms:
            self._term(term, env)
        order = []
        for form in equation.lhs.index[len(at) :]:
            atom = form.single
            assert isinstance(atom, Var), f"{equation.lhs}: an element index on the left is a letter"  # noqa: S101
            order.append(self.names.index(atom.name))
        self.value = np.asarray(np.transpose(self.total, order))
        own = len(order)
        for node, jacobian in self.jacobians.items():
            rest = range(own, jacobian.ndim)
            self.jacobians[node] = np.asarray(field.norm(np.transpose(jacobian, [*order, *rest])))

    # -- one term ------------------------------------------------------------------------------------------------------

    def _loop(self, bounds: tuple[Bound, ...], env: dict[str, int]) -> Iterator[dict[str, int]]:
        if not bounds:
            yield env
            return
        first, rest = bounds[0], bounds[1:]
        for k in range(first.lo.evaluate(env, self.size), first.hi.evaluate(env, self.size) + 1):
            yield from self._loop(rest, {**env, first.var: k})

    def _term(self, term: Term, env: dict[str, int]) -> None:
        looped = tuple(b for b in term.bounds if self._must_loop(b.var, term))
        rest = [b for b in term.bounds if b not in looped]
        for inner in self._loop(looped, dict(env)):
            sizes, order, offset = dict(self.grid), list(self.names), dict.fromkeys(self.names, 0)
            for bound in rest:
                lo, hi = (f.evaluate(inner, self.size) for f in (bound.lo, bound.hi))
                sizes[bound.var], offset[bound.var] = max(hi - lo + 1, 0), lo
                order.append(bound.var)
            axes: dict[str, Any] = {}
            for k, name in enumerate(order):
                shape = [1] * len(order)
                shape[k] = sizes[name]
                axes[name] = (np.arange(sizes[name]) + offset[name]).reshape(shape)
            self._body(term, {**inner, **axes}, tuple(sizes[n] for n in order))

    def _must_loop(self, name: str, term: Term) -> bool:
        for factor in term.factors:
            if any(name in form.variables for ref in refs_of(factor) for form in ref.index[: self.depth(ref.tensor)]):
                return True
            if any(_inside_size(name, form) for form in forms_of(factor)) or _layered(factor, name):
                return True
        if any(_inside_size(name, c.form) for c in term.conditions):
            return True
        return any(name in b.lo.variables | b.hi.variables for b in term.bounds if b.var != name)

    def _body(self, term: Term, env: dict[str, Any], full: tuple[int, ...]) -> None:
        field = self.field
        mask: Any = np.ones(full, dtype=bool)
        for cond in term.conditions:
            mask = mask & _truth(cond, env, self.size)
        if not np.any(mask):
            return
        coefficient = field.array(term.coefficient)
        values = [self._factor(f, env) for f in term.factors]
        weight = np.broadcast_to(field.norm(field.array(mask * 1) * coefficient), full)
        product = weight
        for value, _ in values:
            product = field.norm(product * value)
        summed = tuple(range(len(self.names), len(full)))
        self.total = field.norm(self.total + (product.sum(axis=summed) if summed else product))
        for position, (_, slopes) in enumerate(values):
            if not slopes:
                continue
            others = weight
            for k, (value, _) in enumerate(values):
                if k != position:
                    others = field.norm(others * value)
            for node, index, slope_ in slopes:
                derivative = slope_()
                if index is not None and isinstance(slope_, _Spread):  # it has the node's own axes after the grid
                    others = others.reshape(full + (1,) * (derivative.ndim - len(full)))
                self._scatter(node, index, field.norm(others * derivative), full)

    def _scatter(self, node: Node, index: tuple[Any, ...] | None, weight: Any, full: tuple[int, ...]) -> None:
        """Add ``weight`` (over the grid, or over the grid and the node's axes) into the Jacobian."""
        shape = tuple(self.grid[n] for n in self.names)
        array = self.read(*node)
        if node not in self.jacobians:
            self.jacobians[node] = self.field.array(np.zeros((*shape, *array.shape), dtype=int))
        target = self.jacobians[node]
        if index is None:  # an opaque function: a gradient of the node's own shape
            self.jacobians[node] = self.field.norm(target + np.broadcast_to(weight, target.shape))
            return
        grids = []
        extra = max((np.ndim(k) for k in index), default=0)
        dims = max(len(full), extra)
        lengths = np.broadcast_shapes(full + (1,) * (dims - len(full)), *(np.shape(k) for k in index))
        for axis, length in enumerate(shape):
            grids.append(np.arange(length).reshape([length if k == axis else 1 for k in range(dims)]))
        weight = np.broadcast_to(weight, lengths)
        places = tuple(np.broadcast_to(k, lengths) for k in (*grids, *index))
        if places:
            np.add.at(target, places, weight)
            self.jacobians[node] = self.field.norm(target)
        else:
            self.jacobians[node] = self.field.norm(target + weight.sum())

    # -- factors -------------------------------------------------------------------------------------------------------

    def _where(self, ref: Ref, env: Mapping[str, Any]) -> tuple[Node, tuple[Any, ...]] | None:
        depth = self.depth(ref.tensor)
        at = tuple(int(f.evaluate(env, self.size)) for f in ref.index[:depth])
        if not self.inside(ref.tensor, at):
            return None
        array = self.read(ref.tensor, at)
        index = [np.asarray(f.evaluate(env, self.size)) for f in ref.index[depth:]]
        # outside positions belong to masked terms: any value will do
        return (ref.tensor, at), tuple(np.clip(k, 0, n - 1) for k, n in zip(index, array.shape, strict=True))

    def _factor(self, factor: Any, env: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        field = self.field
        if isinstance(factor, Ref):
            place = self._where(factor, env)
            if place is None:
                return field.array(0), []
            node, index = place
            return self.read(*node)[index], [(node, index, lambda: field.array(1))]
        if isinstance(factor, Apply):
            return self._apply(factor, env)
        if isinstance(factor, Along):
            return self._along(factor, env)
        return self._opaque(factor, env)

    def _apply(self, factor: Apply, env: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        slots: list[Any] = []
        places = []
        for position, arg in enumerate(factor.args):
            if isinstance(arg, Ref):
                place = self._where(arg, env)
                slots.append(self.field.array(0) if place is None else self.read(*place[0])[place[1]])
                if place is not None:
                    places.append((position, *place))
            else:
                slots.append(self.field.array(arg.form.evaluate(env, self.size)))
        slopes = []
        for position, node, index in places:
            derivative = slope(factor.template, position)
            if derivative != 0:
                slopes.append((node, index, _late(derivative, self.field, slots)))
        with np.errstate(all="ignore"):
            return compiled(factor.template)(self.field, slots), slopes

    def _along(self, factor: Along, env: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        outer = max((np.ndim(v) for v in env.values()), default=0)
        count = len(factor.sizes)
        inner = {k: np.reshape(v, np.shape(v) + (1,) * count) if np.ndim(v) else v for k, v in env.items()}
        lengths = [int(np.max(s.evaluate(env, self.size))) for s in factor.sizes]
        for k, length in enumerate(lengths):
            inner[f"{LOCAL}{k}"] = np.arange(length).reshape(
                [length if m == outer + k else 1 for m in range(outer + count)]
            )
        place = self._where(factor.arg, inner)
        assert place is not None, f"{factor}: outside its range"  # noqa: S101
        node, index = place
        outside = np.broadcast_shapes(*(np.shape(v) for v in env.values() if np.ndim(v)), (1,) * outer)
        full = (*outside, *lengths)
        block = np.broadcast_to(self.read(*node)[index], full).reshape((*outside, -1))
        value, jacobian = self.field.along(factor.name, np.asarray(block))
        if factor.at is not None:
            position: Any = 0
            for form, length in zip(factor.at, lengths, strict=True):
                position = position * length + np.asarray(form.evaluate(env, self.size))
            position = np.broadcast_to(position, outside)
            value = np.take_along_axis(value, position[..., None], axis=-1)[..., 0]
            jacobian = np.take_along_axis(jacobian, position[..., None, None], axis=-2)[..., 0, :]
        grown = jacobian.reshape(full)
        places = tuple(np.broadcast_to(k, full) for k in index)
        # the only factor of its term, so the weight over the grid is taken up here
        return value, [(node, places, _Spread(grown))]

    def _opaque(self, factor: Opaque, env: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        nodes: list[Node] = [
            (a.tensor, tuple(int(f.evaluate(env, self.size)) for f in a.index[: self.depth(a.tensor)]))
            for a in factor.args
        ]
        value, gradients = self.field.opaque(factor.name, [self.read(*node) for node in nodes])
        return value, [(node, None, _Spread(g)) for node, g in zip(nodes, gradients, strict=True)]


class _Spread:
    """A slope that is known already, over the grid and further axes."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __call__(self) -> Array:
        return self.array


def _late(derivative: Any, field: Field, slots: list[Any]) -> Callable[[], Any]:
    def value() -> Any:
        with np.errstate(all="ignore"):
            return compiled(derivative)(field, slots)

    return value


def _layered(factor: Any, name: str) -> bool:
    """True for a function per layer whose layer is the index."""
    if not isinstance(factor, Apply) or len(factor.args) < 2:  # noqa: PLR2004 - a layer and an argument
        return False
    layered = any(
        len(f.args) > 1 and getattr(f.func, "row", None) not in {None, "onehot"}
        for f in factor.template.atoms(sp.Function)
    )
    return layered and any(not isinstance(a, Ref) and name in a.form.variables for a in factor.args)


def _inside_size(name: str, form: Affine) -> bool:
    return any(isinstance(a, Size) and any(name in f.variables for f in a.at) for a, _ in form.terms)


def _truth(cond: Any, env: Mapping[str, Any], size: Size_) -> Any:
    value = np.asarray(cond.form.evaluate(env, size))
    if cond.kind == ">=":
        return value >= 0
    if cond.kind == "==":
        return value == 0
    if cond.kind == "!=":
        return value != 0
    return value % cond.modulus == 0
