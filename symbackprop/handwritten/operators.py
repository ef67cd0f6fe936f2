r"""Signs that act on what follows: ``\nabla``, ``\partial``, ``d``, ``\delta``, slopes with dots, indicators."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from symbackprop.affine import Affine
from symbackprop.handwritten import applications, atoms
from symbackprop.handwritten.applications import TAKES_ONE
from symbackprop.handwritten.expression import (
    Call,
    Derivative,
    Differential,
    Letter,
    Named,
    Node,
    Operation,
    Power,
    Quantity,
    Transpose,
    Unknown,
    walk,
)
from symbackprop.handwritten.parse import Item, Items, tokens
from symbackprop.handwritten.reader import Cursor, Reader, split
from symbackprop.handwritten.tokens import ReadError

if TYPE_CHECKING:
    from collections.abc import Callable

    Factor = Callable[[Reader, Cursor], Node]
    Operand = Callable[[Reader, Cursor], Node | None]

_DOTTED = {r"\dot": 1, r"\ddot": 2}
_LIST = frozenset(("comma", "semicolon"))


def special(reader: Reader, cursor: Cursor, item: Item, factor: Factor, operand: Operand) -> Node | None:
    r"""Slopes with dots, differentials, ``∇``, Kronecker deltas, indicators."""
    nucleus = item.nucleus
    if nucleus[0] in _DOTTED and nucleus[1:2] == ("{",):
        inner = replace(item, nucleus=nucleus[2:-1], exact=item.exact[2:-1])
        found = [m for m in reader.names.find((inner,)) if m.entry.kind == "function" and not m.rest_sub]
        if found:
            slope = replace(found[0], primes=found[0].primes + _DOTTED[nucleus[0]])
            return applications.function(reader, cursor, (item,), slope, factor)
    if nucleus == (r"\nabla",):
        return _nabla(reader, cursor, item, factor)
    if nucleus == (r"\partial",) or (nucleus == ("d",) and item.bare):
        return differential(reader, cursor, item, factor, operand)
    if nucleus == ("d",) and not item.subs and [tokens(group) for group in item.sups] == [("2",)]:
        once = differential(reader, cursor, item.without_scripts(), factor, operand)
        return Differential(of=once, span=once.span, source=once.source) if isinstance(once, Differential) else None
    if nucleus == (r"\delta",):
        return _kronecker(reader, item) or _increment(reader, cursor, item, factor)
    if nucleus == (r"\Delta",):
        return _increment(reader, cursor, item, factor)
    if nucleus in {(r"\mathbb", "{", "1", "}"), ("I",), (r"\chi",)}:
        identity = nucleus == ("I",) and item.subs and not reader.names.find((item,))
        return atoms.indicator(reader, cursor, item) or (_kronecker(reader, item) if identity else None)
    return None


def _nabla(reader: Reader, cursor: Cursor, item: Item, factor: Factor) -> Node:
    r"""``\nabla_W C``; by what the function is written to depend on, or by all parameters, where no index says so."""
    by: Node | None = None
    if item.subs:
        by = _outputs(reader, reader.value(tuple(i for group in item.subs for i in group)))
    following = cursor.peek()
    above = tokens(tuple(i for group in item.sups for i in group))
    if item.primes or above not in {(), ("2",)}:
        reader.fail("of gradients only the first and the second are read", item)
    start = cursor.place
    of = _gradient_of(reader, cursor, factor) if following is not None and following.kind in TAKES_ONE else None
    if by is None:
        by = _argument_of(reader, cursor.items[start : cursor.place])
    if by is None:
        parameters = reader.context.network.parameters
        by = (
            Quantity(tensor=parameters[0])
            if len(parameters) == 1 and not reader.context.network.tensors[parameters[0]].family
            else Operation(name="parameters", arguments=(), **reader.at(item))
        )
    end = cursor.items[cursor.place - 1]
    if above:
        of = Derivative(of=of, by=by, explicit=reader.context.explicit, gradient=True, **reader.at(item, end))
        return replace(of, of=of)
    transposed = isinstance(of, (Transpose, Power))
    if transposed and isinstance(of, Transpose):
        inner = Derivative(of=of.of, by=by, explicit=reader.context.explicit, gradient=True, **reader.at(item, end))
        return Transpose(of=inner, **reader.at(item, end))
    return Derivative(of=of, by=by, explicit=reader.context.explicit, gradient=True, **reader.at(item, end))


def _outputs(reader: Reader, by: Node) -> Node:
    r"""The last layer of a computed family without its index: ``\nabla_a C`` is by the outputs."""
    tensor = reader.context.network.tensors.get(by.tensor) if isinstance(by, Quantity) else None
    if not isinstance(by, Quantity) or tensor is None or by.family or tensor.role in {"parameter", "input"}:
        return by
    return replace(by, family=tuple(bound.hi for bound in tensor.family))


def _gradient_of(reader: Reader, cursor: Cursor, factor: Factor) -> Node:
    """One factor; an opaque loss without its arguments is that of the network."""
    item, further = cursor.peek(), cursor.peek(1)
    if item is not None and item.kind == "name" and (further is None or further.kind != "group"):
        for match in reader.names.find((item,))[:1]:
            arguments = reader.loss_arguments(match.entry.name) if match.entry.kind == "loss" else ()
            if arguments:
                cursor.take()
                return Call(function=match.entry.name, arguments=arguments, **reader.at(item))
    return factor(reader, cursor)


def _argument_of(reader: Reader, items: Items) -> Node | None:
    """The one thing that a function is written to depend on."""
    if len(items) > 1 and items[-1].kind == "group":
        parts = [part for part in split(items[-1].body, _LIST) if part]
        if len(parts) == 1:
            node = reader.value(parts[0])
            return node if isinstance(node, (Quantity, Named)) else None
    return None


def differential(reader: Reader, cursor: Cursor, item: Item, factor: Factor, operand: Operand) -> Node | None:
    """``dz``, ``d(Wx)``, ``∂C``; an operator before a slash or a bracket: ``∂/∂x``, ``∂_x``."""
    following = cursor.peek()
    if item.subs and item.nucleus == (r"\partial",):
        by = reader.value(tuple(i for group in item.subs for i in group))
        of = operand(reader, cursor)
        return Derivative(
            of=of, by=by, explicit=reader.context.explicit, **reader.at(item, cursor.items[cursor.place - 1])
        )
    if following is not None and following.kind == "slash":
        return Operation(name="operator", arguments=(), **reader.at(item)) if _differential_follows(cursor) else None
    if following is None or following.kind not in {"name", "group", "frac", "root"}:
        return None
    before = cursor.place
    try:
        node = factor(reader, cursor)
    except ReadError:
        if item.nucleus == ("d",):
            cursor.place = before
            return None
        raise
    place = reader.at(item, cursor.items[cursor.place - 1])
    if item.nucleus == ("d",) and not any(isinstance(n, (Quantity, Named, Unknown, Call)) for n in walk(node)):
        cursor.place = before
        return None
    if isinstance(node, Transpose):
        return Transpose(of=Differential(of=node.of, **place), **place)
    return Differential(of=node, **place)


def _differential_follows(cursor: Cursor) -> bool:
    following = cursor.peek(1)
    return following is not None and atoms.is_differential_sign(following)


def _kronecker(reader: Reader, item: Item) -> Node | None:
    r"""``\delta_{ij}``, ``\delta^i_m``, ``\delta_{i=j}``."""
    groups = [*item.subs, *item.sups]
    inside = tuple(i for group in groups for i in group)
    if any(i.kind == "relation" for i in inside):
        return atoms.indicator(reader, Cursor((item,), 1), replace(item, subs=(inside,), sups=()))
    text: tuple[str, ...] = ()
    for group in groups:
        text += ((",",) if text else ()) + tokens(group)
    found = reader.names.elements(text, 2)
    if found is None or not groups:
        return None
    forms = [form for form in found if isinstance(form, Affine)]
    families = {b.hint or b.var for t in reader.context.network.tensors.values() for b in t.family}
    signal = any(form.is_constant or form.variables & families for form in forms)
    if len(forms) != 2 or signal or any(i.kind == "group" for i in inside):  # noqa: PLR2004 - two indices
        return None  # an error signal of a layer or of a unit
    return Operation(name="kronecker", arguments=tuple(Letter(form=form) for form in forms), **reader.at(item))


def _increment(reader: Reader, cursor: Cursor, item: Item, factor: Factor) -> Node | None:
    r"""``\delta W`` and ``\Delta w``, a small change."""
    following = cursor.peek()
    if not item.bare or following is None or following.kind != "name":
        return None
    before = cursor.place
    node = factor(reader, cursor)
    if isinstance(node, Quantity):
        return Differential(of=node, **reader.at(item, cursor.items[cursor.place - 1]))
    cursor.place = before
    return None
