"""Derivatives as factors, and differentials.

Everything below a derivative is evaluated with tangents by the node that it names: that node moves alone, what lies
downstream follows, and nothing upstream moves. The layout decides how the axes of the result lie.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.affine import Affine
from symbackprop.handwritten import expression as ex
from symbackprop.verify.evaluate_nodes import value_of
from symbackprop.verify.evaluate_products import Products
from symbackprop.verify.evaluate_values import ONE, Undecidable, Undeclared, Val, transposed
from symbackprop.verify.world_field import Inexact

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from symbackprop.network import Network
    from symbackprop.verify.conventions import Conventions, Setting
    from symbackprop.verify.world import Node, World
    from symbackprop.verify.world_field import Field

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """What moves: the entries of one node, or the independents of a differential in their random directions.

    ``pattern`` is an expression that moves by itself wherever it is written out (``scale`` times the node's change).
    """

    by: Node | None = None
    explicit: bool = False
    independents: frozenset[Node] = frozenset()
    pattern: ex.Node | None = None
    value: Val | None = None

    def identity(self, evaluator: Any) -> Val:
        """The pattern's value, with the identity as its tangent."""
        value = self.value
        assert value is not None, "a pattern has its value"  # noqa: S101
        size = value.cell[0] * value.cell[1]
        eye = evaluator.field.array(np.eye(size, dtype=int)).reshape((*value.cell, size))
        return replace(value, t=np.broadcast_to(eye, (*value.v.shape, size)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a derivative is by: the seed, positions of the entries among its tangents, their shape, and a factor."""

    seed: Seed
    positions: Val
    scale: Array | None = None


def lifted(world: World, value: Val) -> Val:
    """A value with tangents as one of a world that moves."""
    v = world.field.array(value.v) if value.t is None else world.field.joined(value.v, value.t)  # type: ignore[attr-defined]
    return replace(value, v=v, t=None)


class Derivatives:
    """The part of the evaluator that differentiates."""

    world: World
    network: Network
    field: Field
    conventions: Conventions
    setting: Setting
    env: dict[str, Any]
    seed: Seed | None
    depth: int
    independents: frozenset[Any]
    bound: Mapping[str, Val]
    notes: dict[str, None]

    if TYPE_CHECKING:

        def evaluate(self, node: ex.Node) -> Val: ...
        def given(self, **changes: Any) -> AbstractContextManager[None]: ...
        def member(self, node: ex.Quantity) -> tuple[int, ...]: ...
        def selected(self, node: ex.Quantity, array: Array, tangent: Array | None) -> Val: ...
        def picked(self, node: ex.Node, value: Val, picks: Any) -> Val: ...

    # -- tangents of leaves --------------------------------------------------------------------------------------------

    def tangent(self, node: Node) -> Array | None:
        """The tangents of a node's entries under the seed, in one last axis; None where nothing moves."""
        seed = self.seed
        if seed is None or (seed.by is None and not seed.independents):
            return None
        array = self.world.value(*node)
        if seed.by is None:
            moved: Array = self.world.differential(node, seed.independents)[..., None]
        else:
            if not self.world.depends(node, seed.by):
                return None
            explicit = seed.explicit and not self._outcome(node)
            moved = self.world.derivative(node, seed.by, explicit=explicit)
            moved = moved.reshape((*array.shape, self.world.value(*seed.by).size))
        return self.field.norm(moved * self._factor()) if node[0] == self.network.loss else moved

    def _factor(self) -> Array:
        """The constant of the loss that a reading leaves out or puts in."""
        factor = self.field.array(self.conventions.factor if self.conventions.factor is not None else 1)
        if self.conventions.size_factor is None:
            return factor
        name, power = self.conventions.size_factor
        size = self.field.array(self.world.size(name))
        return self.field.norm(factor * (size if power > 0 else self.field.inverse(size)))

    def _outcome(self, node: Node) -> bool:
        """A loss, or one of several: its derivative is total even where others are explicit."""
        tensor = self.network.tensors[node[0]]
        if tensor.axes:
            return False
        others = [n for n in self.world.nodes if n[0] == node[0] and n != node]
        return not any(self.world.depends(other, node) for other in others)

    # -- derivatives ---------------------------------------------------------------------------------------------------

    def derivative(self, node: ex.Derivative) -> Val:
        """∂of/∂by in the layout of the reading."""
        if node.of is None:
            message = "a derivative of nothing"
            raise Undecidable(node, message)
        if self.seed is not None:
            return self._again(node)
        if isinstance(node.by, ex.Operation) and node.by.name == "parameters":
            return self._by_parameters(node)
        target = self.target(node.by, node)
        seed = replace(target.seed, explicit=self._explicit(node, target.seed.by))
        with self.given(seed=seed):
            of = self.evaluate(node.of)
        return self._arranged(node, of, target)

    def _explicit(self, node: ex.Derivative, by: Node | None) -> bool:
        """True where a derivative holds everything else fixed: as it says itself, or as the reading has it."""
        if self.conventions.explicit == "parameters":
            own = node.explicit and not self.setting.explicit  # else the directive's, which this reading narrows
            return own or (by is not None and self.network.tensors[by[0]].role == "parameter")
        return node.explicit or self.conventions.explicit == "all"

    def _again(self, node: ex.Derivative | ex.Differential) -> Val:
        """A derivative with the tangents that differentiating it again gives: its value where the seed's node moves.

        Raises: Undecidable for explicit ones, for expressions that move by themselves, and from the third on.
        """
        seed = self.seed
        assert seed is not None, "checked by the caller"  # noqa: S101
        if seed.explicit or seed.pattern is not None:
            message = "a second derivative that holds intermediate values fixed"
            raise Undecidable(node, message)
        try:
            world = self.world.moved(seed.by, seed.independents)
            with self.given(
                world=world, field=world.field, seed=None, bound={k: lifted(world, v) for k, v in self.bound.items()},
                products=Products(world.field, self.conventions, self.notes),
            ):  # fmt: skip
                value = self.evaluate(node)
        except Inexact as reason:
            if self.field.exact:
                raise
            raise Undecidable(node, f"{reason} is not judged") from None
        v, t = world.field.parts(value.v)  # type: ignore[attr-defined]  # the field of a world that moves
        return replace(value, v=v, t=t)

    def _by_parameters(self, node: ex.Derivative) -> Val:
        """The gradient by all parameters, one below the other."""
        parts = []
        names = self.setting.parameters or self.network.parameters
        for by in (n for n in self.world.nodes if n[0] in names):
            positions = np.arange(self.world.value(*by).size).reshape(-1, 1)
            part = self._arranged(
                node, self._moved(node, by), Target(seed=Seed(by=by), positions=Val(v=positions, dims=(ONE, ONE)))
            )
            parts.append(part if part.cell[1] == 1 else transposed(part))
        if any(p.rank != 2 or p.cell[1] != 1 for p in parts):  # noqa: PLR2004 - a column each
            message = "a gradient by all parameters that is no vector; an index can say which is meant"
            raise Undecidable(node, message)
        grid = np.broadcast_shapes(*(p.v.shape[:-2] for p in parts))
        v = np.concatenate([np.broadcast_to(p.v, (*grid, *p.cell)) for p in parts], axis=-2)
        value = Val(v=v, dims=(Affine(v.shape[-2]), ONE))
        return transposed(value) if self.conventions.layout_vectors == "numerator" else value

    def _moved(self, node: ex.Derivative, by: Node) -> Val:
        assert node.of is not None, "checked by the caller"  # noqa: S101
        with self.given(seed=Seed(by=by)):
            return self.evaluate(node.of)

    def target(self, node: ex.Node, owner: ex.Node) -> Target:
        """What is meant by the lower half of a derivative.

        Raises: Undecidable where no node of the network has the value of an expression.
        """
        if isinstance(node, ex.Quantity):
            by = (node.tensor, self.member(node))
            array = self.world.value(*by)
            positions = np.arange(array.size).reshape(array.shape)
            return Target(seed=Seed(by=by), positions=self.selected(node, positions, None))
        if isinstance(node, ex.Named):
            inner = value_of(node, self.setting.lets)
            if inner is None:
                message = f"nothing declares {node.name}"
                raise Undeclared(node, message)
            found = self.target(inner, owner)
            if node.element:
                found = replace(found, positions=self.picked(node, found.positions, node.element))
            return found
        if isinstance(node, ex.Transpose):
            found = self.target(node.of, owner)
            return replace(found, positions=transposed(found.positions))
        return self._by_expression(node, owner)

    def _by_expression(self, node: ex.Node, owner: ex.Node) -> Target:
        """The node that has the value of an expression, up to sign and a constant; else the expression itself."""
        value = self.evaluate(node)
        if value.rank != 2 or value.v.size != value.cell[0] * value.cell[1]:  # noqa: PLR2004
            message = "a derivative by an expression that depends on element indices"
            raise Undecidable(owner, message)
        value = replace(value, v=value.v.reshape(value.cell), t=None)
        positions = Val(v=np.arange(value.v.size).reshape(value.cell), dims=value.dims)
        inside = (
            any(part == node for part in ex.walk(owner.of)) if isinstance(owner, ex.Derivative) and owner.of else False
        )
        pattern = node if inside else None
        for candidate in self._downstream_order():
            array = self.world.value(*candidate)
            if array.size == value.v.size and self.field.same(array.reshape(value.cell), value.v):
                return Target(seed=Seed(by=candidate, pattern=pattern, value=value), positions=positions)
        if inside:
            return Target(seed=Seed(pattern=node, value=value), positions=positions)
        shifted = self._shifted(node, value)
        if shifted is not None:
            by, scale = shifted
            return Target(seed=Seed(by=by), positions=positions, scale=scale)
        message = "a derivative by an expression that is no quantity of the network"
        raise Undecidable(owner, message)

    def _downstream_order(self) -> list[Node]:
        """Computed nodes, in the order of computation."""
        return [n for n in self.world.arrays if n[0] not in self.network.inputs and n[0] not in self.network.parameters]

    def _shifted(self, node: ex.Node, value: Val) -> tuple[Node, Array] | None:
        """A node that differs from the expression by a sign or a factor and by what that node does not depend on."""
        for candidate in self._downstream_order():
            array = self.world.value(*candidate)
            if array.size != value.v.size:
                continue
            ratio = self._ratio(node, candidate, value)
            if ratio is not None:
                return candidate, ratio
        return None

    def _ratio(self, node: ex.Node, candidate: Node, value: Val) -> Array | None:
        ratio: Array | None = None
        leaves = [n for n in self.world.nodes if n not in self.world.jacobians and self.world.depends(candidate, n)]
        for leaf in leaves:
            with self.given(seed=Seed(by=leaf)):
                moved = self.evaluate(node).t
            if moved is None:
                continue  # a term beside the expression
            theirs = self.world.derivative(candidate, leaf).reshape(value.v.size, -1)
            ours = moved.reshape(value.v.size, -1)
            if ratio is None:
                places = np.argwhere(ours != 0)
                if not len(places):
                    return None
                first = tuple(places[0])
                ratio = self.field.norm(theirs[first] * self.field.inverse(ours[first]))
            if not self.field.same(self.field.norm(ours * ratio), theirs):
                return None
        return ratio

    # -- layouts -------------------------------------------------------------------------------------------------------

    def _arranged(self, node: ex.Derivative, of: Val, target: Target) -> Val:
        """The entries of a derivative as number, vector, matrix, or a tensor of two axes each."""
        by = target.positions
        if of.rank != 2 or by.rank != 2:  # noqa: PLR2004
            return self._of_scalar_by_tensor(node, of, target)
        v = self._entries(of, by)
        if target.scale is not None:
            v = self.field.norm(v * target.scale)
        dims = (*of.dims, *by.dims)
        if by.is_scalar:  # or a vector of one entry, of which a derivative of a number is another
            kept = by.dims if of.dims == (ONE, ONE) else of.dims
            value = Val(v=v.reshape(v.shape[:-2]), dims=kept, turns=of.turns)
            return transposed(value) if of.is_vector and self.conventions.layout_vectors == "denominator" else value
        if of.is_scalar:
            value = Val(v=v.reshape((*v.shape[:-4], *v.shape[-2:])), dims=by.dims, turns=by.turns)
            side = self.conventions.layout_vectors if by.is_vector else self.conventions.layout_matrices
            stays = self.conventions.nabla_stays and node.gradient
            return transposed(value) if side == "numerator" and not stays else value
        if of.is_vector and by.is_vector and not of.turns and not by.turns:
            rows, columns = max(of.cell), max(by.cell)
            flat = v.reshape((*v.shape[:-4], rows, columns))
            symbols = (of.dims[of.cell.index(rows)], by.dims[by.cell.index(columns)])
            value = Val(v=flat, dims=symbols, slopes=True)
            return transposed(value) if self.conventions.layout_vectors == "denominator" else value
        if of.is_vector and self.conventions.layout_matrices == "numerator":  # as a gradient by that matrix lies
            return Val(v=np.swapaxes(v, -1, -2), dims=(*of.dims, *by.dims[::-1]))
        return Val(v=v, dims=dims)

    def _entries(self, of: Val, by: Val) -> Array:
        """Axes (grid…, two of the one, two of the other)."""
        shape = (*of.cell, *by.cell)
        if of.t is None:
            grid = np.broadcast_shapes(of.v.shape[:-2], by.v.shape[:-2])
            return self.field.array(np.zeros((*grid, *shape), dtype=int))
        flat = by.v.reshape((*by.v.shape[:-2], 1, 1, by.cell[0] * by.cell[1]))
        dims = max(of.t.ndim, flat.ndim)
        t = of.t.reshape((1,) * (dims - of.t.ndim) + of.t.shape)
        flat = flat.reshape((1,) * (dims - flat.ndim) + flat.shape)
        grid = np.broadcast_shapes(t.shape[:-1], flat.shape[:-1])
        t = np.broadcast_to(t, (*grid, t.shape[-1]))
        taken = np.take_along_axis(t, np.broadcast_to(flat, (*grid, flat.shape[-1])).astype(int), axis=-1)
        return taken.reshape((*grid, *by.cell))

    def _of_scalar_by_tensor(self, node: ex.Derivative, of: Val, target: Target) -> Val:
        by = target.positions
        if not of.is_scalar:
            message = f"a derivative of {of.shape} by {by.shape}"
            raise Undecidable(node, message)
        if of.t is None:
            return Val(v=self.field.array(np.zeros(by.v.shape, dtype=int)), dims=by.dims)
        t = of.t.reshape((*of.t.shape[:-3], of.t.shape[-1]))
        if t.ndim > 1:
            message = f"a derivative by {by.shape} that depends on element indices"
            raise Undecidable(node, message)
        return Val(v=t[by.v.astype(int)], dims=by.dims)

    # -- differentials -------------------------------------------------------------------------------------------------

    def differential(self, node: ex.Differential) -> Val:
        """d(of): the change of ``of`` when the independents move in their directions."""
        if self.seed is not None:
            return self._again(node)
        with self.given(seed=Seed(independents=self.independents)):
            of = self.evaluate(node.of)
        if of.t is None:
            return Val(v=self.field.array(np.zeros(of.v.shape, dtype=int)), dims=of.dims, turns=of.turns)
        return Val(v=of.t[..., 0], dims=of.dims, turns=of.turns)
