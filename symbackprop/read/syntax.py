"""From LaTeX text to a tree, with the place of everything kept.

The grammar (``latex.lark``) knows structure alone; ``tree`` parses, ``tokens_of`` gives back what a script or a name holds,
token by token, and ``column`` where a tree stands.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from symbackprop.errors import SpecError
from symbackprop.notation.glyph import ACCENTS, FONTS

if TYPE_CHECKING:
    from collections.abc import Iterator

Node = Tree[Token]
_LIMIT = 100_000
_DEEPEST = 200


class ReadError(SpecError):
    """A formula that cannot be read; the place is that of the part that stopped it."""


@lru_cache(maxsize=1)
def _parser() -> Lark:
    text = resources.files(__package__).joinpath("latex.lark").read_text(encoding="utf-8")
    marks = "|".join(sorted(ACCENTS | FONTS, key=lambda name: (-len(name), name)))
    return Lark(text.replace("__MARKS__", marks), start="chain", parser="lalr", lexer="basic",
                propagate_positions=True, maybe_placeholders=False)


def tree(text: str) -> Node:
    """The tree of a formula.

    Raises: ReadError with line and column where the grammar stops, or where a formula is too long or too deep.
    """
    if len(text) > _LIMIT:
        message = f"a formula of more than {_LIMIT} characters is not read"
        raise ReadError(message)
    depth = deepest = 0
    for character in text:
        depth += (character in "{(") - (character in "})")
        deepest = max(deepest, depth)
    if deepest > _DEEPEST:
        message = f"brackets nested more than {_DEEPEST} deep are not read"
        raise ReadError(message)
    try:
        return _parser().parse(text)
    except UnexpectedInput as error:
        found = text[error.pos_in_stream or 0:][:1] if error.pos_in_stream is not None else ""
        message = f"{found!r} does not fit here" if found else "the formula ends too early"
        raise ReadError(message, line=max(error.line, 1), column=max(error.column, 1)) from None


def failure(message: str, node: Node | Token | None) -> ReadError:
    """An error at the place of a part."""
    if isinstance(node, Token):
        return ReadError(message, line=node.line, column=node.column)
    meta = getattr(node, "meta", None)
    if meta is None or getattr(meta, "empty", True):
        return ReadError(message)
    return ReadError(message, line=meta.line, column=meta.column)


def tokens_of(node: Node | Token) -> tuple[str, ...]:
    """The tokens of a name, script or mark, as ``notation.glyph.tokens`` writes them; spaces are gone."""
    return tuple(_tokens(node))


def _tokens(node: Node | Token) -> Iterator[str]:
    if isinstance(node, Token):
        yield str(node)
    elif node.data == "mark":
        yield str(node.children[0])
        yield "{"
        yield from _inner(node.children[1])
        yield "}"
    elif node.data == "raw":
        yield "{"
        yield from _inner(node)
        yield "}"
    else:
        for child in node.children:
            yield from _tokens(child)


def _inner(node: Node | Token) -> Iterator[str]:
    """The tokens inside a braced argument, or the one token that stands for it."""
    if isinstance(node, Tree) and node.data == "raw":
        for child in node.children:
            yield from _tokens(child)
    else:
        yield from _tokens(node)


def argument(node: Node) -> tuple[str, ...]:
    """The tokens of the argument of a script."""
    return tuple(_inner(node.children[-1]))
