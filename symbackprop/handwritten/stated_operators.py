r"""Reads ``operator (A \star B)(i) = \sum_k …``: how an operator of the author's is written, and what it is.

The left side shows it applied to names, perhaps with the index of an entry; the right side is read with those names
standing for the arguments, whatever the document calls by them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from symbackprop.handwritten import names as table
from symbackprop.handwritten.author_operators import AuthorOperator, arguments_in, bracket_mark
from symbackprop.handwritten.directives import DirectiveError
from symbackprop.handwritten.directives_read import sides
from symbackprop.handwritten.expression import Unknown, walk
from symbackprop.handwritten.parse import parse, tokens
from symbackprop.handwritten.reader import Context
from symbackprop.handwritten.resolve import statements
from symbackprop.handwritten.tokens import ReadError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.handwritten.formula import Formula
    from symbackprop.handwritten.parse import Item, Items
    from symbackprop.network import Network

EXPECTED = r"'operator (A \star B)(i) = …'"


def operator_of(
    formula: Formula, network: Network, earlier: Sequence[AuthorOperator] = (), base: int = 1
) -> AuthorOperator:
    """The operator that a formula states; its body may use ``earlier`` ones.

    Raises: DirectiveError where the left side shows no operator; ReadError where the right side cannot be read.
    """
    left, right = sides(formula, EXPECTED)
    try:
        core, letters = _with_letters(parse(left.text).items, right)
        kind, mark, holes = _taken_apart(core)
    except ReadError:
        _refuse(left)
    heads = [table.nucleus_of(hole) for hole in holes if _is_name(hole)]
    if len(heads) != len(holes) or len(set(heads)) != len(heads) or not heads:
        _refuse(left)
    context = Context(
        network=network,
        operators=tuple(earlier),
        parameters=tuple("".join(left.text[item.start : item.end] for item in hole) for hole in holes),
        indices=dict.fromkeys(letters, ""),
        base=base,
    )
    body = statements(right, context)[0].members[0]
    unknown = next((node for node in walk(body) if isinstance(node, Unknown)), None)
    if unknown is not None:
        line, column = right.place(max(right.text.find(unknown.source), 0))
        message = f"'{unknown.name}' is neither an argument nor an index of this operator"
        raise DirectiveError(message, line=line, column=column)
    return AuthorOperator(
        kind=kind,  # type: ignore[arg-type]  # one of the kinds below
        name=left.text,
        mark=mark,
        parameters=context.parameters,
        letters=letters,
        body=body,
    )


def _refuse(left: Formula) -> NoReturn:
    line, column = left.place(0)
    message = f"'{left.text}' shows no operator with its arguments; expected {EXPECTED}"
    raise DirectiveError(message, line=line, column=column)


def _is_name(items: Items) -> bool:
    return len(items) == 1 and items[0].kind == "name" and items[0].bare


def _with_letters(items: Items, right: Formula) -> tuple[Items, tuple[str, ...]]:
    """What stands before the index of the entry, and the letters of that index."""
    *before, last = items
    if before and last.kind == "group" and last.bare and last.text == "(" and before[-1].kind == "group":
        found = _letters([tokens(part) for part in arguments_in(last)])
        if found:
            return _opened(tuple(before)), found
    if last.kind == "group" and last.subs:
        used = set(tokens(parse(right.text).items))
        found = _letters([token for token in tokens(last.subs[-1]) if token != ","])
        if found and set(tokens(last.subs[-1])) - {","} <= used:
            return _opened((*before, _without_last_sub(last))), found
    return _opened(items), ()


def _without_last_sub(item: Item) -> Item:
    return replace(item, subs=item.subs[:-1])


def _letters(parts: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Index letters, all different; () where the parts are something else."""
    names = [table.letter_name(part[0] if len(part) == 1 else "") for part in parts]
    return tuple(names) if all(names) and len(set(names)) == len(names) else ()


def _opened(items: Items) -> Items:
    """What round brackets around the whole hold."""
    while len(items) == 1 and items[0].kind == "group" and items[0].text in {"(", "{"} and items[0].bare:
        items = items[0].body
    return items


def _taken_apart(items: Items) -> tuple[str, tuple[str, ...], Sequence[Items]]:
    """The kind of the operator, its mark and its arguments."""
    if len(items) == 1 and items[0].kind == "group":
        return "brackets", bracket_mark(items[0]), arguments_in(items[0])
    if len(items) == 3:  # noqa: PLR2004 - two arguments and a sign
        return "infix", tokens((items[1],)), [items[:1], items[2:]]
    if len(items) == 2 and items[0].kind == "name":  # noqa: PLR2004 - a name and what it is applied to
        following = items[1]
        return "named", tokens(items[:1]), arguments_in(following) if following.kind == "group" else [items[1:]]
    message = "no operator"
    raise ReadError(message)
