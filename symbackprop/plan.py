"""Products of arrays before anybody has decided how they lie: nodes over sets of labels, and their layout.

A plan knows which running indices each part has and which are summed. Only ``lay(order)`` chooses sides and
transposes, from the order in which arrays are stored and the order in which the result is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from symbackprop.affine import var
from symbackprop.matrix import (
    Add,
    AlongAxis,
    Axis,
    Broadcast,
    Concat,
    Einsum,
    Elementwise,
    FamilySum,
    Gather,
    Hadamard,
    Leaf,
    Lookup,
    Mask,
    MatMul,
    Node,
    Number,
    Outer,
    Pad,
    Pick,
    Scale,
    ScatterAdd,
    Slice,
    SumOver,
    Transpose,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sympy as sp

    from symbackprop.affine import Affine, Bound, Cond

Order = tuple[Axis, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Base: ``axes`` in the order that costs no transpose, ``cost`` of another order in transposes, ``lay``."""

    @property
    def axes(self) -> Order:
        """The axes, in the order that is cheapest."""
        raise NotImplementedError

    @property
    def labels(self) -> frozenset[str]:
        """Names of the axes."""
        return frozenset(axis.label for axis in self.axes)

    def cost(self, order: Order) -> int:
        """Number of transposes it takes to have the axes in this order."""
        return 0 if order == self.axes else 1

    def lay(self, order: Order) -> Node:
        """The node with its axes in this order."""
        raise NotImplementedError


def restricted(order: Order, plan: Plan) -> Order:
    """The axes of ``plan`` in the order they have in ``order``."""
    return tuple(axis for axis in order if axis.label in plan.labels)


def turned(node: Node, order: Order) -> Node:
    """The node with its axes in this order, transposed where it has another."""
    return node if node.axes == order else Transpose(x=node, to=tuple(axis.label for axis in order))


def spread(node: Node, order: Order) -> Node:
    """The node repeated along the axes of ``order`` that it lacks."""
    return node if node.axes == order else Broadcast(x=node, to=order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored(Plan):
    """An array that lies in one order."""

    node: Node

    @property
    def axes(self) -> Order:
        return self.node.axes

    def lay(self, order: Order) -> Node:
        return turned(self.node, order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made(Plan):
    """An array that can be made in any order: gathered entries, masks, indices as numbers."""

    node: Gather | Mask | Number

    @property
    def axes(self) -> Order:
        return self.node.axes

    def cost(self, order: Order) -> int:  # noqa: ARG002 - the same for every order
        return 0

    def lay(self, order: Order) -> Node:
        node = self.node
        if isinstance(node, Gather):
            return Gather(x=node.x, index=node.index, over=order, sure=node.sure)
        if isinstance(node, Mask):
            return Mask(conditions=node.conditions, over=order)
        return Number(form=node.form, over=order)


def _union(plans: Sequence[Plan]) -> Order:
    """The axes of all, those of the plan with most of them first."""
    found: dict[Axis, None] = {}
    for plan in sorted(plans, key=lambda p: -len(p.axes)):
        found.update(dict.fromkeys(plan.axes))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrywise(Plan):
    """Parts aligned by their labels: a product, a sum, or the arguments of a scalar function."""

    parts: tuple[Plan, ...]
    template: Any = None
    adds: bool = False

    @property
    def axes(self) -> Order:
        orders = [_union(self.parts), *(part.axes for part in self.parts if part.labels == self.labels)]
        return min(orders, key=self._direct)

    @property
    def labels(self) -> frozenset[str]:
        return frozenset().union(*(part.labels for part in self.parts))

    def _direct(self, order: Order) -> int:
        return sum(part.cost(restricted(order, part)) for part in self.parts)

    def cost(self, order: Order) -> int:
        return min(self._direct(order), self._direct(self.axes) + 1)

    def lay(self, order: Order) -> Node:
        own = self.axes
        if own != order and self._direct(own) + 1 <= self._direct(order):
            return turned(self._build(own), order)
        return self._build(order)

    def _build(self, order: Order) -> Node:
        laid = tuple(part.lay(restricted(order, part)) for part in self.parts)
        if self.template is not None:
            return Elementwise(template=self.template, args=laid, over=order)
        full = tuple(spread(node, order) for node in laid)
        if len(full) == 1:
            return full[0]
        return Add(terms=full) if self.adds else Hadamard(factors=full)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled(Plan):
    """A number and scalars times an array."""

    coefficient: sp.Rational
    scalars: tuple[Node, ...]
    x: Plan

    @property
    def axes(self) -> Order:
        return self.x.axes

    def cost(self, order: Order) -> int:
        return self.x.cost(order)

    def lay(self, order: Order) -> Node:
        x = self.x.lay(order)
        if self.coefficient == 1 and not self.scalars:
            return x
        return Scale(coefficient=self.coefficient, scalars=self.scalars, x=x)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product(Plan):
    """Two parts that share the one axis ``summed`` and have at most one further axis each.

    ``left`` is the part that stands left where the result is a vector (a choice of orientation).
    """

    left: Plan
    right: Plan
    summed: Axis

    def _outer(self, plan: Plan) -> Order:
        return tuple(axis for axis in plan.axes if axis != self.summed)

    @property
    def axes(self) -> Order:
        left, right = self._outer(self.left), self._outer(self.right)
        if left and right and self._direct(self.right, self.left) < self._direct(self.left, self.right):
            return (*right, *left)
        return (*left, *right)

    def _direct(self, a: Plan, b: Plan) -> int:
        return a.cost((*self._outer(a), self.summed)) + b.cost((self.summed, *self._outer(b)))

    def _sides(self, order: Order) -> tuple[Plan, Plan]:
        swap = len(order) == 2 and order[0] not in self._outer(self.left)  # noqa: PLR2004 - a matrix
        return (self.right, self.left) if swap else (self.left, self.right)

    def cost(self, order: Order) -> int:
        direct = self._direct(*self._sides(order))
        return min(direct, self._direct(*self._sides(order[::-1])) + 1)

    def lay(self, order: Order) -> Node:
        a, b = self._sides(order)
        if self._direct(*self._sides(order[::-1])) + 1 < self._direct(a, b):
            return turned(self.lay(order[::-1]), order)
        return MatMul(a=a.lay((*self._outer(a), self.summed)), b=b.lay((self.summed, *self._outer(b))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacked(Plan):
    """Matrices stacked along further axes, each times one matrix or vector."""

    stack: Plan
    right: Plan
    summed: Axis

    @property
    def axes(self) -> Order:
        return (*(a for a in self.stack.axes if a != self.summed), *(a for a in self.right.axes if a != self.summed))

    def lay(self, order: Order) -> Node:
        last = tuple(a for a in self.right.axes if a != self.summed)
        front = order[: len(order) - len(last)]
        if (*front, *last) != order or self.stack.cost((*front, self.summed)):  # it would have to be turned around
            return Contracted(parts=(self.stack, self.right), to=order).lay(order)
        return MatMul(a=self.stack.lay((*front, self.summed)), b=self.right.lay((self.summed, *last)))

    def cost(self, order: Order) -> int:  # noqa: ARG002 - an einsum gives every order
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed(Plan):
    """Two vectors with different axes, nothing summed."""

    left: Plan
    right: Plan

    @property
    def axes(self) -> Order:
        return (*self.left.axes, *self.right.axes)

    def cost(self, order: Order) -> int:  # noqa: ARG002 - the same for every order
        return 0

    def lay(self, order: Order) -> Node:
        a, b = (self.left, self.right) if order[0] in self.left.axes else (self.right, self.left)
        return Outer(a=a.lay(a.axes), b=b.lay(b.axes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Summed(Plan):
    """A plan summed over some labels."""

    x: Plan
    over: frozenset[str]

    @property
    def axes(self) -> Order:
        return tuple(axis for axis in self.x.axes if axis.label not in self.over)

    def cost(self, order: Order) -> int:
        return min(self.x.cost(full) for full in self._full(order))

    def _full(self, order: Order) -> list[Order]:
        own = self.x.axes
        if tuple(axis for axis in own if axis.label not in self.over) == order:
            return [own]
        gone = tuple(axis for axis in own if axis.label in self.over)
        return [(*gone, *order), (*order, *gone)]

    def lay(self, order: Order) -> Node:
        full = min(self._full(order), key=self.x.cost)
        node = self.x.lay(full)
        if isinstance(node, SumOver):
            gone = (*node.over, *(a.label for a in full if a.label in self.over))
            return SumOver(x=node.x, over=tuple(label for label in node.x.labels if label in gone))
        return SumOver(x=node, over=tuple(axis.label for axis in full if axis.label in self.over))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contracted(Plan):
    """Any number of parts, summed over the labels that are not in ``to``: the last resort."""

    parts: tuple[Plan, ...]
    to: Order

    @property
    def axes(self) -> Order:
        return self.to

    def cost(self, order: Order) -> int:  # noqa: ARG002 - the same for every order
        return 0

    def lay(self, order: Order) -> Node:
        return Einsum(factors=tuple(part.lay(part.axes) for part in self.parts), to=order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked(Plan):
    """Entries along ``label`` chosen by integers."""

    table: Plan
    label: str
    ids: Plan

    @property
    def axes(self) -> Order:
        rest = tuple(axis for axis in self.table.axes if axis.label != self.label)
        return (*self.ids.axes, *rest)

    def lay(self, order: Order) -> Node:
        chosen = next(axis for axis in self.table.axes if axis.label == self.label)
        rest = tuple(axis for axis in self.table.axes if axis.label != self.label)
        table = self.table.lay((chosen, *rest))
        return turned(Lookup(table=table, label=self.label, ids=self.ids.lay(self.ids.axes)), order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scattered(Plan):
    """Entries added up at integer places along the new axis ``at``."""

    x: Plan
    ids: Plan
    at: Axis

    @property
    def axes(self) -> Order:
        return (self.at, *(axis for axis in self.x.axes if axis.label not in self.ids.labels))

    def lay(self, order: Order) -> Node:
        rest = tuple(axis for axis in self.x.axes if axis.label not in self.ids.labels)
        x = spread(self.x.lay(restricted((*self.ids.axes, *rest), self.x)), (*self.ids.axes, *rest))
        return turned(ScatterAdd(x=x, ids=self.ids.lay(self.ids.axes), at=self.at), order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looped(Plan):
    """A plan summed over family indices."""

    x: Plan
    bounds: tuple[Bound, ...]
    conditions: frozenset[Cond]

    @property
    def axes(self) -> Order:
        return self.x.axes

    def cost(self, order: Order) -> int:
        return self.x.cost(order)

    def lay(self, order: Order) -> Node:
        return FamilySum(x=self.x.lay(order), bounds=self.bounds, conditions=self.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined(Plan):
    """Plans joined along ``label``, or (``before`` given) one plan with zeros around."""

    parts: tuple[Plan, ...]
    along: Axis
    before: Affine | None = None

    def _axis(self, axis: Axis) -> Axis:
        return self.along if axis.label == self.along.label else axis

    @property
    def axes(self) -> Order:
        return tuple(self._axis(axis) for axis in self.parts[0].axes)

    def cost(self, order: Order) -> int:
        return sum(part.cost(self._order(order, part)) for part in self.parts)

    def _order(self, order: Order, part: Plan) -> Order:
        own = {axis.label: axis for axis in part.axes}
        return tuple(own[axis.label] for axis in order)

    def lay(self, order: Order) -> Node:
        laid = tuple(part.lay(self._order(order, part)) for part in self.parts)
        if self.before is not None:
            return Pad(x=laid[0], label=self.along.label, before=self.before, extent=self.along.extent)
        return Concat(parts=laid, label=self.along.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Widened(Plan):
    """A plan repeated along axes that it lacks."""

    x: Plan
    to: Order

    @property
    def axes(self) -> Order:
        missing = tuple(axis for axis in self.to if axis.label not in self.x.labels)
        return (*missing, *self.x.axes)

    def cost(self, order: Order) -> int:
        return self.x.cost(restricted(order, self.x))

    def lay(self, order: Order) -> Node:
        return spread(self.x.lay(restricted(order, self.x)), order)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlongPlan(Plan):
    """A function of an axis; it does not care where that axis lies."""

    name: str
    x: Plan
    over: tuple[str, ...]
    keeps: bool

    @property
    def axes(self) -> Order:
        return self.x.axes if self.keeps else tuple(a for a in self.x.axes if a.label not in self.over)

    def cost(self, order: Order) -> int:
        return self.x.cost(self._full(order))

    def _full(self, order: Order) -> Order:
        if self.keeps:
            return order
        own = self.x.axes
        if tuple(a for a in own if a.label not in self.over) == order:
            return own
        return (*order, *(a for a in own if a.label in self.over))

    def lay(self, order: Order) -> Node:
        return AlongAxis(name=self.name, x=self.x.lay(self._full(order)), over=self.over, keeps=self.keeps)


def taken(node: Leaf, index: tuple[Affine, ...], labels: dict[str, Axis]) -> Plan:
    """``node`` at affine places along its axes: the array itself, a slice, one entry, or gathered entries.

    ``labels`` are the running indices with their extents; what else occurs in ``index`` is fixed.
    """
    used: list[str] = []
    for form in index:
        used += [name for name in form.linear if name in labels]
    simple = len(set(used)) == len(used)
    renamed: dict[str, str] = {}
    for axis, form in zip(node.axes, index, strict=True):
        inside = [name for name in form.linear if name in labels]
        simple = simple and len(inside) <= 1 and all(form.linear[name] == 1 for name in inside)
        if inside:
            renamed[axis.label] = inside[0]
    if not simple:
        over = tuple(labels[name] for name in dict.fromkeys(used))
        return Made(node=Gather(x=node, index=index, over=over))
    return Stored(node=_cut(node, index, labels))


def _cut(node: Leaf, index: tuple[Affine, ...], labels: dict[str, Axis]) -> Node:
    names: list[Axis] = []
    todo: list[tuple[str, str, Affine, Affine | None]] = []
    for position, (axis, form) in enumerate(zip(node.over, index, strict=True)):
        inside = [name for name in form.linear if name in labels]
        if not inside:
            name = f"@{position}"
            names.append(Axis(name, axis.extent))
            todo.append(("pick", name, form, None))
            continue
        label = labels[inside[0]]
        start = form - var(label.label)
        names.append(Axis(label.label, axis.extent))
        if start.is_constant and start.const == 0 and label.extent == axis.extent:
            continue
        todo.append(("slice", label.label, start, label.extent))
    result: Node = Leaf(ref=node.ref, over=tuple(names), order=node.order)
    for kind, name, form, extent in todo:
        if kind == "pick":
            result = Pick(x=result, label=name, at=form)
        else:
            assert extent is not None  # noqa: S101
            result = Slice(x=result, label=name, start=form, extent=extent)
    return result
