r"""Operators of the author's in formulas: ``A \star B``, ``\operatorname{conv}(K, I)_{uv}``, ``\langle A, B\rangle_F``.

A directive gives each by formula (``stated_operators``). Juxtaposition binds tighter than a sign of the author's, every
other product sign looser (or, as a second reading, tighter too); of several in a row the left one comes first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from symbackprop.handwritten.expression import Applied, Product
from symbackprop.handwritten.parse import tokens

if TYPE_CHECKING:
    from symbackprop.handwritten.expression import Node, ProductSign
    from symbackprop.handwritten.parse import Item, Items
    from symbackprop.handwritten.reader import Cursor, Reader

_LIST = frozenset(("comma", "semicolon"))
_MARKS = frozenset(("binary", "name", "sign", "other"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorOperator:
    """One operator: how it is written, and what it is.

    ``mark`` is its sign, its name, or its brackets with what hangs on them. ``parameters`` are the names that stand for
    its arguments in ``body``; ``letters`` the indices of the entry that ``body`` gives, () where it gives the whole.
    """

    kind: Literal["infix", "named", "brackets"]
    name: str
    mark: tuple[str, ...]
    parameters: tuple[str, ...]
    letters: tuple[str, ...]
    body: Node


def infix(reader: Reader, item: Item) -> AuthorOperator | None:
    """The operator that a sign between two factors is."""
    if item.kind not in _MARKS:
        return None
    return _found(reader, "infix", tokens((item,)))


def named(reader: Reader, name: str) -> AuthorOperator:
    """The operator behind an entry of the table of names."""
    return next(each for each in reversed(reader.context.operators) if each.name == name)


def brackets(reader: Reader, item: Item) -> AuthorOperator | None:
    """The operator that a pair of brackets with its scripts is."""
    found = _found(reader, "brackets", bracket_mark(item))
    return found if found is not None and len(arguments_in(item)) == len(found.parameters) else None


def bracket_mark(item: Item) -> tuple[str, ...]:
    """The two brackets and what hangs on them."""
    return (item.text, item.closing, *tokens((replace(item, body=()),))[2:])


def arguments_in(item: Item) -> list[Items]:
    """The parts of a list in brackets."""
    parts: list[list[Item]] = [[]]
    for each in item.body:
        if each.kind in _LIST:
            parts.append([])
        else:
            parts[-1].append(each)
    return [tuple(part) for part in parts]


def _found(reader: Reader, kind: str, mark: tuple[str, ...]) -> AuthorOperator | None:
    known = (each for each in reversed(reader.context.operators) if each.kind == kind and each.mark == mark)
    return next(known, None)


def applied(operator: AuthorOperator, arguments: tuple[Node, ...], place: dict[str, object]) -> Applied:
    """The operator applied; an index may follow."""
    return Applied(operator=operator.name, arguments=arguments, rank=len(operator.letters), **place)  # type: ignore[arg-type]


def indexed(reader: Reader, cursor: Cursor, node: Node, first: Item) -> Node:
    r"""``(A \star B)(i)``: the entry that the list after an operator names."""
    following = cursor.peek()
    if not isinstance(node, Applied) or node.index or not node.rank:
        return node
    if following is None or following.kind != "group" or following.text not in {"(", "["}:
        return node
    forms = [reader.form(part) for part in arguments_in(following)]
    index = tuple(form for form in forms if form is not None)
    if len(index) != len(forms) or len(index) != node.rank:
        return node
    cursor.take()
    return replace(node, index=index, **reader.at(first, following))


def joined(
    reader: Reader,
    factors: list[Node],
    signs: list[ProductSign],
    joins: dict[int, AuthorOperator],
    places: list[tuple[int, int]],
) -> None:
    """Factors between which signs of the author's stand, made one factor each; ``joins`` has those before a factor."""
    while joins:
        at = min(joins)
        loose = any(sign != "juxtaposition" for sign in signs[1:])
        binds = not (loose and reader.pick("operator", places[at][0], 2))
        start = next((k for k in range(at - 1, 0, -1) if binds and signs[k] != "juxtaposition"), 0)
        stops = (k for k in range(at + 1, len(factors)) if k in joins or (binds and signs[k] != "juxtaposition"))
        end = next(stops, len(factors))
        parts = ((factors[k:m], signs[k:m], places[k:m]) for k, m in ((start, at), (at, end)))
        sides = tuple(_block(reader, *part) for part in parts)
        place = (places[start][0], places[end - 1][1])
        node = applied(joins.pop(at), sides, reader.at_range(*place))
        factors[start:end], places[start:end] = [node], [place]
        signs[start:end] = [signs[start]]
        moved = {k - (end - start - 1): each for k, each in joins.items()}
        joins.clear()
        joins.update(moved)


def _block(reader: Reader, factors: list[Node], signs: list[ProductSign], places: list[tuple[int, int]]) -> Node:
    if len(factors) == 1:
        return factors[0]
    own: tuple[ProductSign, ...] = ("juxtaposition", *signs[1:])
    return Product(factors=tuple(factors), signs=own, **reader.at_range(places[0][0], places[-1][1]))
