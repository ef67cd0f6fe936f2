"""Where a long formula may be broken: before signs and between factors, in rows alone, as far out as possible.

A row's gaps are places where a line may end; brackets around a row make its gaps dearer, and a bracket that is broken
leaves its two edges on two lines. Fractions, scripts, cases and marked factors stay whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from symbackprop.emit import layout as y

if TYPE_CHECKING:
    from collections.abc import Callable

_ADDITIVE = frozenset(("+", "-"))
_PRODUCT = frozenset((r"\odot", r"\circ", r"\otimes", r"\cdot", r"\times"))

RELATIONS = frozenset((y.EQUALS, y.Sign(r"\leftarrow")))


@dataclass(frozen=True, slots=True)
class Break:
    """A place to break at; ``cost`` grows with depth of brackets, ``dotted`` asks for a dot there."""

    place: int
    cost: int
    dotted: bool = False


@dataclass(frozen=True, slots=True)
class _Token:
    """A box that stays whole; ``depth`` counts the brackets around the gap before it."""

    box: y.Box
    depth: int


def pieces_of(box: y.Box, room: float, measure: Callable[[y.Box], float]) -> list[y.Box]:
    """A formula in pieces that fit into ``room`` where that can be had; each new one opens with a sign.

    >>> a, b = y.symbol("a"), y.symbol("b")
    >>> pieces_of(y.spaced([a, y.PLUS, b]), 1.0, lambda box: len(list(y.below(box)))) == [a, y.spaced([y.PLUS, b])]
    True
    """
    tokens = _tokens(box, 0)
    pieces: list[y.Box] = []
    while measure(_row(tokens)) > room:
        fitting = [b for b in _breaks(tokens) if measure(_row(tokens[: b.place])) <= room]
        if not fitting:
            fitting = _breaks(tokens)[:1]
        far = [b for b in fitting if measure(_row(tokens[: b.place])) > room * 0.3] or fitting
        if not far:
            break
        best = min(far, key=lambda b: (b.cost, -b.place))
        pieces.append(_row(tokens[: best.place]))
        tokens = [*([_Token(y.DOT, 0)] if best.dotted else []), *tokens[best.place :]]
    return [*pieces, _row(tokens)]


def sums_of(box: y.Box) -> list[y.Box]:
    """The terms of a sum with their signs, members of a chain with theirs: a formula cut at signs outside brackets."""
    tokens = _tokens(box, 0)
    places = [b.place for b in _breaks(tokens) if not b.cost]
    places += [k for k, t in enumerate(tokens) if k and not t.depth and t.box in RELATIONS]
    edges = [0, *sorted(places), len(tokens)]
    return [_row(tokens[start:end]) for start, end in pairwise(edges)]


def _row(tokens: list[_Token]) -> y.Box:
    return y.spaced([token.box for token in tokens])


def _tokens(box: y.Box, depth: int) -> list[_Token]:
    """A formula as a row of boxes that stay whole; the edges of brackets stick to what stands beside them."""
    if isinstance(box, y.Spaced):
        found: list[_Token] = []
        for part in box.parts:
            first, *rest = _tokens(part, depth)
            found += [_Token(first.box, depth), *rest]
        return found
    if isinstance(box, y.Beside):
        return _glued([_tokens(part, depth) for part in box.parts])
    if isinstance(box, y.Fence):
        edges = [[_Token(y.Edge(box.kind, box.height, closing), depth)] for closing in (False, True)]
        return _glued([edges[0], _tokens(box.inside, depth + 1), edges[1]])
    return [_Token(box, depth)]


def _glued(groups: list[list[_Token]]) -> list[_Token]:
    """Rows one after the other without a gap between them."""
    found = groups[0]
    for first, *rest in groups[1:]:
        last = found[-1]
        found = [*found[:-1], _Token(_touching(last.box, first.box), last.depth), *rest]
    return found


def _touching(left: y.Box, right: y.Box) -> y.Box:
    parts = [part for box in (left, right) for part in (box.parts if isinstance(box, y.Beside) else (box,))]
    return y.Beside(tuple(parts))


def _breaks(tokens: list[_Token]) -> list[Break]:
    """All places where a line may end."""
    found = []
    for place in range(1, len(tokens)):
        before, after, depth = tokens[place - 1].box, tokens[place].box, tokens[place].depth
        if isinstance(before, y.Sign | y.Summation | y.Numbered) or isinstance(after, y.Words):
            continue
        if not isinstance(after, y.Sign):
            dotted = not (isinstance(before, y.Tinted) and isinstance(after, y.Tinted))  # tints tell factors apart
            found.append(Break(place, 10 * depth + 4, dotted=dotted))
        elif after.token in _ADDITIVE:
            found.append(Break(place, 10 * depth))
        elif after.token in _PRODUCT:
            found.append(Break(place, 10 * depth + 2))
    return found
