"""The closed set of matrix nodes: what an indexed equation becomes when whole arrays are written instead of elements.

Every node has ``axes``, the running indices of its array in storage order, each with its number of entries; they
count from 0. Two axes of one name are the same axis, so nodes fit together by name, and a node whose parts do not
fit cannot be built (``DerivationError``). Numbers of axes are not limited to two.

    Leaf, Number                            an array; an index or a size used as a number
    Transpose, Broadcast, Slice, Pick       the same entries laid out otherwise, repeated, or fewer of them
    Pad, Concat                             zeros around; arrays joined
    MatMul, Outer, Hadamard, Scale, Add     products and sums of arrays
    SumOver, FamilySum                      sums over axes; over layers or time steps
    Elementwise, AlongAxis, OpaqueCall      scalar functions, functions of an axis, an opaque loss
    Lookup, ScatterAdd                      rows chosen by integer inputs, and its adjoint
    Einsum with Gather and Mask             what none of the others says
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.affine import Affine, Bound, Cond, var
from symbackprop.errors import DerivationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from symbackprop.index import Ref


@dataclass(frozen=True, slots=True)
class Axis:
    """A running index and its number of entries; it counts from 0."""

    label: str
    extent: Affine

    def __str__(self) -> str:
        return f"{self.label}:{self.extent}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Base of all nodes; ``axes`` in storage order."""

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes of the array, in storage order."""
        raise NotImplementedError

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the running indices of the axes, in storage order."""
        return tuple(axis.label for axis in self.axes)

    @property
    def extents(self) -> Mapping[str, Affine]:
        """Number of entries along each label."""
        return {axis.label: axis.extent for axis in self.axes}

    @property
    def children(self) -> tuple[Node, ...]:
        """The nodes directly below."""
        found: list[Node] = []
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, Node):
                found.append(value)
            elif isinstance(value, tuple):
                found += [item for item in value if isinstance(item, Node)]
        return tuple(found)

    def walk(self) -> Iterator[Node]:
        """This node and all below, outside in."""
        yield self
        for child in self.children:
            yield from child.walk()


def _require(holds: bool, message: str) -> None:  # noqa: FBT001 - reads like an assertion
    if not holds:
        raise DerivationError(message)


def _distinct(axes: Iterable[Axis]) -> None:
    labels = [axis.label for axis in axes]
    _require(len(set(labels)) == len(labels), f"an axis is repeated: {', '.join(labels)}")


def _without(axes: Iterable[Axis], *labels: str) -> tuple[Axis, ...]:
    return tuple(axis for axis in axes if axis.label not in labels)


def _covers(axes: Iterable[Axis], part: Iterable[Axis]) -> bool:
    """True where every axis of ``part`` is one of ``axes``, with the same number of entries."""
    return set(part) <= set(axes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf(Node):
    """A whole array: ``ref`` has the family indices alone, ``over`` the element axes as they are stored.

    ``order[k]`` says which element axis of the tensor is stored at place k; empty for the tensor's own order.

    >>> from symbackprop.index import Ref
    >>> w = Leaf(ref=Ref("W", (var("l"),)), over=(Axis("i", Affine(3)), Axis("j", Affine(2))))
    >>> w.labels, print(w.element())
    W[l, i, j]
    (('i', 'j'), None)
    """

    ref: Ref
    over: tuple[Axis, ...] = ()
    order: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _distinct(self.over)

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.over

    def element(self) -> Ref:
        """The element that stands for the array, indices in the tensor's own order."""
        order = self.order or tuple(range(len(self.over)))
        own = [self.over[order.index(k)] for k in range(len(self.over))]
        return type(self.ref)(self.ref.tensor, (*self.ref.index, *(var(axis.label) for axis in own)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Node):
    """A size, or an index used as a number (then it runs along ``over``)."""

    form: Affine
    over: tuple[Axis, ...] = ()

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.over


@dataclass(frozen=True, slots=True, kw_only=True)
class Transpose(Node):
    """The axes of ``x`` in the order of ``to``; with two axes the matrix transpose."""

    x: Node
    to: tuple[str, ...]

    def __post_init__(self) -> None:
        _require(sorted(self.to) == sorted(self.x.labels), f"{self.x.labels} cannot be turned into {self.to}")

    @property
    def axes(self) -> tuple[Axis, ...]:
        extents = self.x.extents
        return tuple(Axis(label, extents[label]) for label in self.to)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatMul(Node):
    """Last axis of ``a`` summed against the first axis of ``b``, a matrix or vector; ``a`` may be a stack of matrices.

    >>> from symbackprop.index import Ref
    >>> i, j, k = (Axis(label, Affine(size)) for label, size in (("i", 2), ("j", 3), ("k", 4)))
    >>> a, b = Leaf(ref=Ref("A"), over=(i, j)), Leaf(ref=Ref("B"), over=(j, k))
    >>> MatMul(a=a, b=b).labels
    ('i', 'k')
    >>> MatMul(a=b, b=a)
    Traceback (most recent call last):
        ...
    symbackprop.errors.DerivationError: (j:3, k:4) @ (i:2, j:3): inner axes differ
    """

    a: Node
    b: Node

    def __post_init__(self) -> None:
        a, b = self.a.axes, self.b.axes
        _require(len(a) > 0 and 0 < len(b) <= 2, "a matrix product is of matrices and vectors")  # noqa: PLR2004
        shown = f"({', '.join(map(str, a))}) @ ({', '.join(map(str, b))})"
        _require(a[-1] == b[0], f"{shown}: inner axes differ")
        _distinct((*a, *b[1:]))

    @property
    def axes(self) -> tuple[Axis, ...]:
        return (*self.a.axes[:-1], *self.b.axes[1:])

    @property
    def summed(self) -> Axis:
        """The axis over which the product sums."""
        return self.b.axes[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer(Node):
    """Every entry of the vector ``a`` times every entry of the vector ``b``."""

    a: Node
    b: Node

    def __post_init__(self) -> None:
        _require(len(self.a.axes) == len(self.b.axes) == 1, "an outer product is of two vectors")
        _distinct(self.axes)

    @property
    def axes(self) -> tuple[Axis, ...]:
        return (*self.a.axes, *self.b.axes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hadamard(Node):
    """Entrywise product of arrays with the same axes in the same order."""

    factors: tuple[Node, ...]

    def __post_init__(self) -> None:
        _require(len({f.axes for f in self.factors}) == 1, "an entrywise product needs factors with the same axes")

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.factors[0].axes


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Node):
    """Sum of arrays with the same axes in the same order."""

    terms: tuple[Node, ...]

    def __post_init__(self) -> None:
        _require(len({t.axes for t in self.terms}) == 1, "a sum needs terms with the same axes")

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.terms[0].axes


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale(Node):
    """``coefficient`` times ``scalars`` (nodes without axes, ``1/N`` and scalar tensors) times ``x``."""

    coefficient: sp.Rational
    scalars: tuple[Node, ...] = ()
    x: Node

    def __post_init__(self) -> None:
        _require(not any(s.axes for s in self.scalars), "a scalar has no axes")

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.x.axes


@dataclass(frozen=True, slots=True, kw_only=True)
class SumOver(Node):
    """``x`` summed over some of its axes."""

    x: Node
    over: tuple[str, ...]

    def __post_init__(self) -> None:
        _require(set(self.over) <= set(self.x.labels), f"no axis {self.over} to sum over in {self.x.labels}")

    @property
    def axes(self) -> tuple[Axis, ...]:
        return _without(self.x.axes, *self.over)


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilySum(Node):
    """``x`` summed over layers or time steps for which ``conditions`` hold; axes of ``x`` may not depend on them."""

    x: Node
    bounds: tuple[Bound, ...]
    conditions: frozenset[Cond] = frozenset()

    def __post_init__(self) -> None:
        names = {bound.var for bound in self.bounds}
        for axis in self.x.axes:
            _require(not axis.extent.variables & names, f"axis {axis} depends on the summed index")

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.x.axes


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast(Node):
    """``x`` repeated along the axes of ``to`` that it lacks; those it has stand in the order of ``to``."""

    x: Node
    to: tuple[Axis, ...]

    def __post_init__(self) -> None:
        kept = tuple(axis for axis in self.to if axis.label in self.x.labels)
        _require(kept == self.x.axes, f"{self.x.labels} cannot be repeated to {[a.label for a in self.to]}")
        _distinct(self.to)

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.to


@dataclass(frozen=True, slots=True, kw_only=True)
class Elementwise(Node):
    """A scalar function, a SymPy ``template`` over slots filled by ``args``, at every entry of ``over``.

    An argument may lack axes (it is repeated) but those it has stand in the order of ``over``.
    """

    template: Any
    args: tuple[Node, ...]
    over: tuple[Axis, ...]

    def __post_init__(self) -> None:
        _distinct(self.over)
        for arg in self.args:
            kept = tuple(axis for axis in self.over if axis in arg.axes)
            _require(kept == arg.axes, f"an argument with axes {arg.labels} does not fit")

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.over


@dataclass(frozen=True, slots=True, kw_only=True)
class AlongAxis(Node):
    """A function along the axes ``over`` of ``x``: softmax keeps them (``keeps``), a maximum does not."""

    name: str
    x: Node
    over: tuple[str, ...]
    keeps: bool = True

    def __post_init__(self) -> None:
        _require(set(self.over) <= set(self.x.labels), f"no axis {self.over} in {self.x.labels}")

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.x.axes if self.keeps else _without(self.x.axes, *self.over)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Node):
    """Entries ``start`` to ``start + extent - 1`` of ``x`` along ``label``; they count from 0 again."""

    x: Node
    label: str
    start: Affine
    extent: Affine

    def __post_init__(self) -> None:
        _require(self.label in self.x.labels, f"no axis {self.label} in {self.x.labels}")

    @property
    def axes(self) -> tuple[Axis, ...]:
        return tuple(Axis(a.label, self.extent) if a.label == self.label else a for a in self.x.axes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick(Node):
    """Entry ``at`` of ``x`` along ``label``, which vanishes."""

    x: Node
    label: str
    at: Affine

    def __post_init__(self) -> None:
        _require(self.label in self.x.labels, f"no axis {self.label} in {self.x.labels}")

    @property
    def axes(self) -> tuple[Axis, ...]:
        return _without(self.x.axes, self.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad(Node):
    """``x`` with zeros along ``label``: ``before`` in front, and behind up to ``extent`` entries."""

    x: Node
    label: str
    before: Affine
    extent: Affine

    def __post_init__(self) -> None:
        _require(self.label in self.x.labels, f"no axis {self.label} in {self.x.labels}")

    @property
    def axes(self) -> tuple[Axis, ...]:
        return tuple(Axis(a.label, self.extent) if a.label == self.label else a for a in self.x.axes)

    @property
    def after(self) -> Affine:
        """Number of zeros behind."""
        return self.extent - self.before - self.x.extents[self.label]


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(Node):
    """Arrays joined along ``label``; their other axes are the same."""

    parts: tuple[Node, ...]
    label: str

    def __post_init__(self) -> None:
        _require(all(self.label in part.labels for part in self.parts), f"a part lacks the axis {self.label}")
        _require(len({part.labels for part in self.parts}) == 1, "joined arrays need the same axes in the same order")
        _require(len({_without(part.axes, self.label) for part in self.parts}) == 1, "joined arrays differ in size")

    @property
    def axes(self) -> tuple[Axis, ...]:
        total = sum((part.extents[self.label] for part in self.parts), Affine())
        return tuple(Axis(a.label, total) if a.label == self.label else a for a in self.parts[0].axes)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpaqueCall(Node):
    """An opaque scalar function of whole arrays."""

    name: str
    args: tuple[Node, ...]

    @property
    def axes(self) -> tuple[Axis, ...]:
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup(Node):
    """Entries of ``table`` along ``label`` chosen by the integers ``ids``, whose axes stand in its place."""

    table: Node
    label: str
    ids: Node

    def __post_init__(self) -> None:
        _require(self.label in self.table.labels, f"no axis {self.label} in {self.table.labels}")
        _distinct(self.axes)

    @property
    def axes(self) -> tuple[Axis, ...]:
        place = self.table.labels.index(self.label)
        return (*self.table.axes[:place], *self.ids.axes, *self.table.axes[place + 1 :])


@dataclass(frozen=True, slots=True, kw_only=True)
class ScatterAdd(Node):
    """Entries of ``x`` added up at the places ``ids`` along the new first axis ``at``; the adjoint of ``Lookup``.

    ``x`` begins with the axes of ``ids``, which are summed.
    """

    x: Node
    ids: Node
    at: Axis

    def __post_init__(self) -> None:
        begins = self.x.axes[: len(self.ids.axes)]
        _require(begins == self.ids.axes, "the array does not begin with the axes of the ids")
        _distinct(self.axes)

    @property
    def axes(self) -> tuple[Axis, ...]:
        return (self.at, *self.x.axes[len(self.ids.axes) :])


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather(Node):
    """Entries of ``x`` at affine places (``x[2*t+k]``, a diagonal): ``index[k]`` is the place along axis k of ``x``.

    ``sure`` is False where places outside the array occur; a ``Mask`` beside it then makes them count nothing.
    """

    x: Node
    index: tuple[Affine, ...]
    over: tuple[Axis, ...]
    sure: bool = True

    def __post_init__(self) -> None:
        _require(len(self.index) == len(self.x.axes), "a place is needed along every axis")
        _distinct(self.over)

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.over


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask(Node):
    """1 where all conditions on the running indices hold, else 0."""

    conditions: frozenset[Cond]
    over: tuple[Axis, ...]

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.over


@dataclass(frozen=True, slots=True, kw_only=True)
class Einsum(Node):
    """Product of arrays along their named axes, summed over those that are not in ``to``."""

    factors: tuple[Node, ...]
    to: tuple[Axis, ...]
    summed: tuple[Axis, ...] = field(init=False)

    def __post_init__(self) -> None:
        present = {axis: None for factor in self.factors for axis in factor.axes}
        _require(len({a.label for a in present}) == len(present), "one label stands for two axes")
        _require(_covers(present, self.to), "an axis of the result is in no factor")
        object.__setattr__(self, "summed", tuple(axis for axis in present if axis not in self.to))

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.to


# ---------------------------------------------------------------------------------------------------------------------
# What matrix notation can say

_MATRIX = 2


def is_writable(node: Node) -> bool:
    """True where every part of the node has a place in matrix notation."""
    return all(_fits(each) for each in node.walk())


def _fits(node: Node) -> bool:  # noqa: PLR0911 - one line a kind
    rank = len(node.axes)
    match node:
        case Leaf() | Hadamard() | Add() | Scale() | FamilySum():
            return True
        case Number():
            return rank == 0
        case Transpose():
            return rank == _MATRIX
        case Concat():
            return rank <= _MATRIX
        case MatMul():
            return max(len(node.a.axes), len(node.b.axes)) <= _MATRIX or len(node.b.axes) == _MATRIX
        case Outer():
            return True
        case SumOver():
            return len(node.x.axes) <= _MATRIX
        case Broadcast():
            return rank <= _MATRIX
        case Elementwise():
            return all(len(arg.axes) in {0, rank} or rank == _MATRIX for arg in node.args) and not _peculiar(node)
        case AlongAxis():
            sizes = [axis.extent for axis in node.x.axes]
            return len(node.over) == 1 and (len(sizes) <= 1 or (len(sizes) == _MATRIX and len(set(sizes)) == _MATRIX))
        case OpaqueCall():
            return True
    return False


def _peculiar(node: Elementwise) -> bool:
    """One-hot entries compare a label with a place, which whole arrays do not show."""
    return any(getattr(part, "row", "") == "onehot" for part in sp.preorder_traversal(node.template))
