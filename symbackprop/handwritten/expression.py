"""What a hand-written formula says, once its names are known: a tree of frozen nodes with their places.

The reader makes these nodes, the judge evaluates them, the repair changes them, the report prints them back. A node
holds no verdict and no orientation: whether a product is a matrix product or entrywise, whether a vector is a column,
is decided at evaluation, where several readings may be tried. Indices are affine forms over running letters and sizes,
in the author's counting (elements from 1 unless the document says otherwise).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from fractions import Fraction

    from symbackprop.affine import Affine


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open range of characters of the document, from 0."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Base of all nodes. ``span`` is where it stands; ``source`` its text as the author wrote it."""

    span: Span | None = field(default=None, compare=False)
    source: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Node):
    """An exact number; ``digits`` after the point where it was written as a decimal (None: exact)."""

    value: Fraction
    digits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter(Node):
    """An index, a size or a declared scalar used as a number."""

    form: Affine


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Node):
    """A range of indices inside a quantity: ``lo..hi`` inclusive; both None for ``:``."""

    lo: Affine | None = None
    hi: Affine | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity(Node):
    """A tensor of the network: ``family`` its layer or time indices, ``element`` its element indices (() for all)."""

    tensor: str
    family: tuple[Affine, ...] = ()
    element: tuple[Affine | Slice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Named(Node):
    """A name of the author's (``let``, a definition): ``name`` as declared, ``index`` what its letters stand for here.

    ``element`` are further element indices that the name carries and its declaration does not.
    """

    name: str
    index: tuple[Affine, ...] = ()
    element: tuple[Affine | Slice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(Node):
    """A symbol that nothing declares."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Node):
    """A function of elements, or of an axis: ``f'(z)`` is order 1. ``family``: its layer index.

    ``axis`` is the size of the axis along which it is taken, where the author says it (``softmax_o``).
    """

    function: str
    arguments: tuple[Node, ...]
    order: int = 0
    family: tuple[Affine, ...] = ()
    axis: Affine | None = None


ProductSign = Literal["juxtaposition", "cdot", "circ", "odot", "otimes", "times", "star", "dot", "entrywise", "inner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Product(Node):
    """Factors with the sign before each (the first has "juxtaposition"); ``precedence`` is settled at evaluation.

    Nested products appear only where the author wrote brackets.
    """

    factors: tuple[Node, ...]
    signs: tuple[ProductSign, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum(Node):
    """Terms with their signs, +1 or -1."""

    terms: tuple[Node, ...]
    signs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotient(Node):
    """Numerator over denominator; entrywise for arrays (``./``)."""

    over: Node
    under: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Power(Node):
    """A power, entrywise for arrays (a square matrix to the power -1 is its inverse only where declared)."""

    base: Node
    exponent: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Transpose(Node):
    """The transpose."""

    of: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class BigOperator(Node):
    """Σ or Π over an index, or over several; limits None where the author gave none.

    ``letter`` None: a sum without any index. ``excluded`` holds conditions such as j ≠ i.
    """

    kind: Literal["sum", "product", "mean", "max"]
    letter: str | None
    lo: Affine | None
    hi: Affine | None
    body: Node
    excluded: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Elided(Node):
    r"""``first … last`` of a sum, product or list: one index runs between the two ends."""

    first: Node
    second: Node | None
    last: Node
    sign: ProductSign | Literal["plus", "comma"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivative(Node):
    """∂of/∂by; ``explicit`` where the document fixes that meaning. ``of`` None: an operator waiting for its operand.

    ``gradient`` for ∇, which has the shape of what it is taken by in every layout.
    """

    of: Node | None
    by: Node
    explicit: bool = False
    gradient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Differential(Node):
    """d(of)."""

    of: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Array(Node):
    """An explicit matrix, row by row; entries may be arrays (blocks)."""

    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Node):
    """A named operation: diag, trace, inner (two arguments), norm, ones, kronecker, indicator, identity and vec."""

    name: str
    arguments: tuple[Node, ...]
    condition: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied(Node):
    """An operator of the author's on its arguments; ``index`` of an entry, () for the array of ``rank`` axes."""

    operator: str
    arguments: tuple[Node, ...]
    rank: int = 0
    index: tuple[Affine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition(Node):
    """A comparison of two expressions; sign one of = ≠ < ≤ > ≥."""

    left: Node
    sign: str
    right: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases(Node):
    """Values with their conditions; an empty tuple is "otherwise", None a prose condition that was not read."""

    rows: tuple[tuple[Node, tuple[Condition, ...] | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Update(Node):
    r"""``target ← value``, ``Δtarget = value`` or ``target += value``."""

    target: Node
    value: Node
    kind: Literal["assign", "increment", "accumulate"]


def children(node: Node) -> list[Node]:
    """The nodes directly below, in order."""
    found: list[Node] = []
    for name in _parts(type(node)):
        _gather(getattr(node, name), found)
    return found


def _parts(kind: type[Node]) -> tuple[str, ...]:
    """The fields of a kind of node that hold nodes."""
    known = _PARTS.get(kind)
    if known is None:
        known = tuple(f.name for f in fields(kind) if "Node" in str(f.type) or "Condition" in str(f.type))
        _PARTS[kind] = known
    return known


_PARTS: dict[type[Node], tuple[str, ...]] = {}


def _gather(value: Any, found: list[Node]) -> None:
    if isinstance(value, Node):
        found.append(value)
    elif isinstance(value, tuple):
        for part in value:
            _gather(part, found)


def walk(node: Node) -> Iterator[Node]:
    """The node and all below, outermost first."""
    left = [node]
    while left:
        each = left.pop()
        yield each
        left += reversed(children(each))


def mapped(node: Node, change: Callable[[Node], Node]) -> Node:
    """The node with ``change`` applied to each child; the node itself where none changed."""

    def visit(value: Any) -> Any:
        if isinstance(value, Node):
            return change(value)
        if isinstance(value, tuple):
            return tuple(map(visit, value))
        return value

    updates = {name: visit(getattr(node, name)) for name in _parts(type(node))}
    kept = {name: value for name, value in updates.items() if value != getattr(node, name)}
    return replace(node, **kept) if kept else node
