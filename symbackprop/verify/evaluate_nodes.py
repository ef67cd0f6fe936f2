"""What evaluation does with the tree itself: letters put in, free letters, the pattern of an ellipsis."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from symbackprop.affine import Affine, Size, var
from symbackprop.handwritten.expression import (
    BigOperator,
    Elided,
    Named,
    Node,
    Operation,
    Product,
    Quantity,
    Slice,
    children,
)
from symbackprop.verify.evaluate_values import OutOfRange, Undecidable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from symbackprop.verify.conventions import Let


MOST_STEPS = 500
"""Members of an ellipsis that are written out."""


def with_forms(node: Node, change: Callable[[Affine], Affine]) -> Node:
    """The node with every affine form in it changed; bound letters are the caller's business."""

    def visit(value: Any) -> Any:
        if isinstance(value, Affine):
            return change(value)
        if isinstance(value, Node):
            return with_forms(value, change)
        if isinstance(value, tuple):
            return tuple(map(visit, value))
        return value

    updates = {name: visit(getattr(node, name)) for name in _contents(type(node))}
    kept = {name: value for name, value in updates.items() if value != getattr(node, name)}
    return replace(node, **kept) if kept else node


def put(node: Node, mapping: Mapping[str, Affine]) -> Node:
    """Letters replaced by forms; a bound letter that would capture one gets another name."""
    if not mapping:
        return node
    images = frozenset().union(*(form.variables for form in mapping.values()))
    return _put(node, dict(mapping), images)


def _put(node: Node, mapping: dict[str, Affine], images: frozenset[str]) -> Node:
    if isinstance(node, BigOperator) and node.letter is not None:
        inner = {k: v for k, v in mapping.items() if k != node.letter}
        letter = node.letter
        if letter in images:
            letter += "′"
            inner[node.letter] = var(letter)
        return replace(
            node,
            letter=letter,
            lo=None if node.lo is None else node.lo.substitute(mapping),
            hi=None if node.hi is None else node.hi.substitute(mapping),
            body=_put(node.body, inner, images),
            excluded=tuple(_put(c, inner, images) for c in node.excluded),  # type: ignore[misc]
        )

    def visit(value: Any) -> Any:
        if isinstance(value, Affine):
            return value.substitute(mapping)
        if isinstance(value, Node):
            return _put(value, mapping, images)
        if isinstance(value, tuple):
            return tuple(map(visit, value))
        return value

    updates = {name: visit(getattr(node, name)) for name in _contents(type(node))}
    kept = {name: value for name, value in updates.items() if value != getattr(node, name)}
    return replace(node, **kept) if kept else node


def value_of(node: Named, lets: Mapping[str, Let]) -> Node | None:
    """What a name of the author's stands for at its indices; None for a name that has no value."""
    let = lets.get(node.name)
    if let is None:
        return None
    if len(node.index) > len(let.letters):
        return None
    return put(let.value, dict(zip(let.letters, node.index, strict=False)))


def forms(node: Node) -> Iterator[Affine]:
    """All affine forms directly in a node (not in its children)."""

    def visit(value: Any) -> Iterator[Affine]:
        if isinstance(value, Affine):
            yield value
        elif isinstance(value, tuple):
            for part in value:
                yield from visit(part)

    for name in _contents(type(node)):
        yield from visit(getattr(node, name))


def _contents(kind: type[Node]) -> tuple[str, ...]:
    """The fields of a kind of node that say what it is, not where it stands."""
    known = _CONTENTS.get(kind)
    if known is None:
        known = _CONTENTS[kind] = tuple(f.name for f in fields(kind) if f.name not in {"span", "source"})
    return known


_CONTENTS: dict[type[Node], tuple[str, ...]] = {}


def free_letters(node: Node, lets: Mapping[str, Let], bound: frozenset[str] = frozenset()) -> dict[str, None]:
    """Letters that no sum binds, in order of appearance; those of the values of names too."""
    found: dict[str, None] = {}

    def visit(inner: Node, hidden: frozenset[str], depth: int) -> None:
        for form in forms(inner):
            found.update(dict.fromkeys(sorted(form.variables - hidden)))
        if isinstance(inner, BigOperator):
            if inner.letter is None:
                return  # it sums over the letters that occur nowhere else
            hidden = hidden | {inner.letter}
        if isinstance(inner, Named) and depth < 8:  # noqa: PLR2004 - names of names of names
            let = lets.get(inner.name)
            if let is not None:
                visit(let.value, hidden | set(let.letters), depth + 1)
        for child in children(inner):
            visit(child, hidden, depth)

    visit(node, bound, 0)
    return found


def steps(node: Elided, count: Callable[[Affine], int]) -> list[Node]:
    """The members of an ellipsis, first to last; ``count`` gives the number that a form is here.

    The ends differ in some indices, all by the same number of steps; a second member gives the size of a step.

    Raises: Undecidable where the ends show no pattern.
    """
    pairs = list(differences(node, node.first, node.last))
    if not pairs:
        message = "the two ends of the ellipsis are the same"
        raise Undecidable(node, message)
    strides = [1] * len(pairs)
    if node.second is not None:
        seconds = list(differences(node, node.first, node.second))
        by_place = {place: (b - a) for place, a, b in seconds}
        strides = [abs(count(by_place[p])) if p in by_place else 0 for p, _, _ in pairs]
        if 0 in strides:
            message = "the second member of the ellipsis does not fit its ends"
            raise Undecidable(node, message)
    gaps = [count(b - a) for _, a, b in pairs]
    ways = [_way(b - a, gap) for (_, a, b), gap in zip(pairs, gaps, strict=True)]
    lengths = {gap * way // stride for gap, way, stride in zip(gaps, ways, strides, strict=True)}
    if len(lengths) != 1:
        message = "the indices of the ellipsis run over different distances"
        raise Undecidable(node, message)
    length = lengths.pop()
    if length < -1:
        message = "the ellipsis runs backwards"
        raise OutOfRange(node, message, frozenset().union(*((b - a).variables for _, a, b in pairs)))
    if length > MOST_STEPS:
        message = f"an ellipsis over {length} steps"
        raise Undecidable(node, message)
    moves = {p: way * stride for (p, _, _), way, stride in zip(pairs, ways, strides, strict=True)}
    return [moved(node.first, moves, k) for k in range(length + 1)]


def _way(difference: Affine, gap: int) -> int:
    """The direction in which an index runs: that of the symbolic difference, else that of the number."""
    sizes = [c for atom, c in difference.terms if isinstance(atom, Size)]
    if sizes:
        return 1 if sum(sizes) >= 0 else -1
    return 1 if gap >= 0 else -1


def differences(
    owner: Node, a: Any, b: Any, place: tuple[Any, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], Affine, Affine]]:
    """Where the indices of two nodes of one form differ: the place, and the two forms.

    Raises: Undecidable for nodes of different forms.
    """
    if isinstance(a, Affine) and isinstance(b, Affine):
        if a != b:
            yield place, a, b
    elif isinstance(a, Node) and type(a) is type(b):
        for f in fields(a):
            if f.name not in {"span", "source"}:
                yield from differences(owner, getattr(a, f.name), getattr(b, f.name), (*place, f.name))
    elif isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from differences(owner, x, y, (*place, k))
    elif a != b:
        message = "the two ends of the ellipsis are of different forms"
        raise Undecidable(owner, message)


def moved(node: Any, moves: Mapping[tuple[Any, ...], int], k: int, place: tuple[Any, ...] = ()) -> Any:
    """The node with the indices at given places moved by ``k`` steps each."""
    if isinstance(node, Affine):
        return node + moves.get(place, 0) * k
    if isinstance(node, Node):
        updates = {
            f.name: moved(getattr(node, f.name), moves, k, (*place, f.name))
            for f in fields(node)
            if f.name not in {"span", "source"}
        }
        return replace(node, **updates)
    if isinstance(node, tuple):
        return tuple(moved(x, moves, k, (*place, n)) for n, x in enumerate(node))
    return node


def is_guard(node: Node) -> bool:
    """True for an indicator or a Kronecker delta, which may switch a term off, or several."""
    if isinstance(node, Product):
        return all(map(is_guard, node.factors))
    return isinstance(node, Operation) and node.name in {"indicator", "kronecker"}


def whole(slice_: Affine | Slice) -> bool:
    """True for ``:``."""
    return isinstance(slice_, Slice) and slice_.lo is None and slice_.hi is None


def elements(node: Quantity | Named) -> tuple[Affine, ...]:
    """Element indices that are forms."""
    return tuple(e for e in node.element if isinstance(e, Affine))
