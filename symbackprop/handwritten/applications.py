r"""Functions and named operations with what they are applied to: ``f'(z)``, ``\tanh^2 z``, ``diag(x)``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from symbackprop.affine import Size
from symbackprop.handwritten import atoms, author_operators
from symbackprop.handwritten.expression import BigOperator, Call, Letter, Node, Operation, Product
from symbackprop.handwritten.limits import limits
from symbackprop.handwritten.names import Match, split_indices
from symbackprop.handwritten.parse import Item, Items, tokens
from symbackprop.handwritten.reader import Cursor, Reader, split
from symbackprop.tables.reductions import AXIS_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Callable

    Factor = Callable[[Reader, Cursor], Node]

_Kind = Literal["sum", "mean", "max"]
_LIST = frozenset(("comma", "semicolon"))
_REDUCTIONS: dict[str, _Kind] = {"sum": "sum", "mean": "mean", "max": "max"}
TAKES_ONE = frozenset(("name", "number", "group", "frac", "root", "array"))
"""Kinds of items that can be an argument without brackets."""


def function(reader: Reader, cursor: Cursor, items: Items, match: Match, factor: Factor) -> Node:
    """A function, or its slope, of what follows."""
    entry, last = match.entry, items[-1]
    if entry.name == "max" and match.rest_sub:
        return _reduction(reader, cursor, last, "max", factor)
    arguments, holder = _arguments(reader, cursor, items, factor)
    end = cursor.items[cursor.place - 1]
    place = reader.at(items[0], end)
    call = Call(function=entry.name, arguments=arguments, order=match.primes, family=match.indices, **place)
    node = _picked(reader, call, match, last) if match.rest_sub else call
    if holder is not None:
        node = atoms.scripted(reader, node, replace(holder, start=items[0].start))
    return _function_power(reader, node, match.rest_sup, items[0], end)


def _picked(reader: Reader, node: Call, match: Match, last: Item) -> Node:
    """``softmax_k(z)`` is an entry; ``softmax_K(z)``, where K is a size, is taken along the axis of that size."""
    pieces = split_indices(match.rest_sub, None) or []
    forms = [form for form in map(reader.names.form, pieces) if form is not None]
    if node.function == "log" or len(forms) != len(pieces) or not forms:
        reader.fail("this index of a function cannot be read", last)
    if len(forms) == 1 and isinstance(forms[0].single, Size) and node.function in AXIS_FUNCTION:
        return replace(node, axis=forms[0])
    return Operation(
        name="element", arguments=(node, *(Letter(form=form) for form in forms)), span=node.span, source=node.source
    )


def _function_power(reader: Reader, node: Node, sup: Items, first: Item, end: Item) -> Node:
    r"""``\tanh^2 z``."""
    if sup and tokens(sup) == ("-", "1"):
        reader.fail("the inverse of a function is not read", first)
    return atoms.powers(reader, node, sup, replace(first, end=end.end))


def _arguments(reader: Reader, cursor: Cursor, items: Items, factor: Factor) -> tuple[tuple[Node, ...], Item | None]:
    """What a function is applied to, and the bracket around it where there is one."""
    following = cursor.peek()
    shown = reader.formula.text[items[0].start : items[-1].end]
    if following is None or following.kind not in {*TAKES_ONE, "big"}:
        reader.fail(f"the argument of '{shown}' is missing", items[-1])
    if following.kind == "group" and following.text in {"(", "[", "{", r"\{"}:
        cursor.take()
        parts = [part for part in split(following.body, _LIST) if part and not _is_option(part)]
        if not parts:
            reader.fail(f"the argument of '{shown}' is missing", following)
        return tuple(map(reader.value, parts)), following
    if following.kind == "number":
        before = cursor.place
        number = factor(reader, cursor)
        more = cursor.peek()
        if more is not None and more.kind in {"name", "group"} and more.start == following.end:
            other = factor(reader, cursor)
            return (
                Product(
                    factors=(number, other),
                    signs=("juxtaposition", "juxtaposition"),
                    **reader.at(cursor.items[before], cursor.items[cursor.place - 1]),
                ),
            ), None
        return (number,), None
    return (factor(reader, cursor),), None


def _is_option(part: Items) -> bool:
    """``axis=0`` and ``keepdims=True``."""
    place = next((k for k, item in enumerate(part) if item.kind == "relation"), 0)
    return "".join(tokens(part[:place])) in {"axis", "keepdims", "dim", "keepdim"}


def operation(reader: Reader, cursor: Cursor, items: Items, match: Match, factor: Factor) -> Node:
    """``diag``, ``tr``, ``vec``, and sums in words."""
    entry, last = match.entry, items[-1]
    if entry.name in _REDUCTIONS:
        return _reduction(reader, cursor, last, _REDUCTIONS[entry.name], factor)
    arguments, holder = _arguments(reader, cursor, items, factor)
    end = cursor.items[cursor.place - 1]
    place = reader.at(items[0], end)
    node: Node
    if entry.name == "sign":
        node = Call(function="sign", arguments=arguments, order=match.primes, **place)
    else:
        node = Operation(name=entry.name, arguments=arguments, **place)
    if holder is not None:
        node = atoms.scripted(reader, node, replace(holder, start=items[0].start))
    return _function_power(reader, node, match.rest_sup, items[0], end)


def author_operator(reader: Reader, cursor: Cursor, items: Items, match: Match, factor: Factor) -> Node:
    r"""``\operatorname{conv}(K, I)_{uv}``, an operator of the author's."""
    found = author_operators.named(reader, match.entry.name)
    arguments, holder = _arguments(reader, cursor, items, factor)
    if len(arguments) != len(found.parameters):
        reader.fail(f"this operator takes {len(found.parameters)} argument(s)", items[-1])
    end = cursor.items[cursor.place - 1]
    node: Node = author_operators.applied(found, arguments, reader.at(items[0], end))
    node = author_operators.indexed(reader, cursor, node, items[0])
    if holder is not None:
        node = atoms.scripted(reader, node, replace(holder, start=items[0].start))
    return _function_power(reader, node, match.rest_sup, items[0], end)


def _reduction(reader: Reader, cursor: Cursor, item: Item, kind: _Kind, factor: Factor) -> Node:
    r"""``\max_k z_k``, ``mean(x)``."""
    found = limits(reader, replace(item, sups=()))
    arguments, holder = _arguments(reader, cursor, (item,), factor)
    place = reader.at(item, cursor.items[cursor.place - 1])
    if len(arguments) > 1:
        return Call(function=kind, arguments=arguments, **place)
    (node,) = arguments
    for each in reversed(found):
        node = BigOperator(
            kind=kind,
            letter=each.letter,
            lo=each.lo,
            hi=each.hi,
            body=node,
            excluded=each.conditions,
            **place,
        )
    return atoms.scripted(reader, node, holder) if holder is not None else node
