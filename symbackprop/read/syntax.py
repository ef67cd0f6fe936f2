"""From LaTeX text to a tree of frozen nodes, each with its tokens and its place.

The grammar (``latex.lark``) knows structure alone: what is a name, and of what, is found out later against a network
and a notation. Tokens are those of ``notation.glyph.tokens``, without spacing, so that names compare as printed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, UnexpectedToken

from symbackprop.errors import SpecError
from symbackprop.notation.glyph import ACCENTS, FONTS

if TYPE_CHECKING:
    from collections.abc import Iterator

Tokens = tuple[str, ...]
_LONGEST = 100_000
_DEEPEST = 100
_PAIR = 2


class ReadError(SpecError):
    """A formula that cannot be read; the place is that of the part that stopped it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part stands: line and column of its first character (from 1), and its span in the text (from 0)."""

    line: int
    column: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The base of all nodes."""

    place: Place | None = field(default=None, compare=False)
    tokens: Tokens = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum(Part):
    """Products with their signs, ``+`` or ``-``."""

    parts: tuple[tuple[str, Product], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Product(Part):
    r"""Sequences with the signs between them (``\odot``, ``\otimes``, …); the first has none."""

    parts: tuple[tuple[str, Sequence], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence(Part):
    """Items side by side; a sum sign with its body may come last."""

    items: tuple[Item, ...]
    tail: BigSum | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BigSum(Part):
    r"""``\sum`` with its limits, over all that follows in its sequence."""

    sub: Tokens
    sup: Tokens
    body: Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Item(Part):
    """An atom with its scripts; primes stand first in the superscript."""

    atom: Atom
    sub: Tokens = ()
    sup: Tokens = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters(Part):
    """A letter, a command, or an accent or font with what it is on: a name, or a piece of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits(Part):
    """A number."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Part):
    """One sum in round brackets, or several with commas."""

    sums: tuple[Sum, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation(Part):
    """A comparison of two sums."""

    left: Sum
    sign: str
    right: Sum


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket(Part):
    """``[conditions]``: 1 where all hold, else 0."""

    relations: tuple[Relation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fraction(Part):
    """A quotient or a derivative."""

    over: Sum
    under: Sum


@dataclass(frozen=True, slots=True, kw_only=True)
class Root(Part):
    """A square root."""

    inside: Sum


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm(Part):
    """What stands between the bars of a norm."""

    inside: Sum


@dataclass(frozen=True, slots=True, kw_only=True)
class Absolute(Part):
    """What stands between the bars of an absolute value."""

    inside: Sum


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases(Part):
    """Values with their conditions; none for "otherwise"."""

    rows: tuple[tuple[Sum, tuple[Relation, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks(Part):
    """A matrix of blocks, row by row."""

    rows: tuple[tuple[Sum, ...], ...]


Atom = Letters | Digits | Group | Bracket | Fraction | Root | Norm | Absolute | Cases | Blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw(Part):
    """Tokens between braces; only inside scripts and marks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script(Part):
    """One script of an item."""

    kind: str
    inside: Tokens


def chain(text: str) -> tuple[Sum, ...]:
    r"""The members of ``A = B = C``.

    >>> [member.tokens for member in chain(r"a_i = \sigma(z_i)")]
    [('a', '_', 'i'), ('\\sigma', '(', 'z', '_', 'i', ')')]

    Raises: ReadError with line and column where the grammar stops, or where a formula is too long or too deep.
    """
    if len(text) > _LONGEST:
        message = f"a formula of more than {_LONGEST} characters is not read"
        raise ReadError(message)
    depth = deepest = 0
    for character in text:
        depth += (character in "{([") - (character in "})]")
        deepest = max(deepest, depth)
    if deepest > _DEEPEST:
        message = f"brackets nested more than {_DEEPEST} deep are not read"
        raise ReadError(message)
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _misfit(text, error) from None
    result: tuple[Sum, ...] = _Builder().transform(tree)
    return result


def _misfit(text: str, error: UnexpectedInput) -> ReadError:
    """What the grammar stopped at."""
    if (isinstance(error, UnexpectedToken) and error.token.type == "$END") or not text.strip():
        lines = text.split("\n")
        return ReadError("the formula ends too early", line=len(lines), column=len(lines[-1]) + 1)
    found = text[error.pos_in_stream :][:1]
    return ReadError(f"{found!r} does not fit here", line=error.line, column=error.column)


def failure(message: str, part: Part) -> ReadError:
    """An error at the place of a part."""
    if part.place is None:
        return ReadError(message)
    return ReadError(message, line=part.place.line, column=part.place.column)


@lru_cache(maxsize=1)
def _parser() -> Lark:
    text = resources.files(__package__).joinpath("latex.lark").read_text(encoding="utf-8")
    marks = "|".join(sorted(ACCENTS | FONTS, key=lambda name: (-len(name), name)))
    return Lark(
        text.replace("__MARKS__", marks),
        start="chain",
        parser="lalr",
        lexer="basic",
        propagate_positions=True,
        keep_all_tokens=True,
        maybe_placeholders=False,
    )


def _tokens(children: list[Any]) -> Tokens:
    found: list[str] = []
    for child in children:
        found += (str(child),) if isinstance(child, Token) else child.tokens
    return tuple(found)


def _of(children: list[Any], kind: type[Any]) -> tuple[Any, ...]:
    return tuple(child for child in children if isinstance(child, kind))


def _place(meta: Any) -> Place | None:
    if getattr(meta, "empty", True):
        return None
    return Place(meta.line, meta.column, meta.start_pos, meta.end_pos)


def _argument(part: Part | Token) -> Tokens:
    """The tokens of an argument, without the braces around them."""
    if isinstance(part, Token):
        return (str(part),)
    return part.tokens[1:-1] if isinstance(part, Raw) else part.tokens


def _signed(children: list[Any], kind: type[Any], first: str) -> Iterator[tuple[str, Any]]:
    sign = first
    for child in children:
        if isinstance(child, kind):
            yield sign, child
        else:
            sign = str(child)


@v_args(meta=True)
class _Builder(Transformer[Token, Any]):
    """Makes the nodes; one method for each rule of the grammar."""

    def chain(self, _meta: Any, children: list[Any]) -> tuple[Sum, ...]:
        return _of(children, Sum)

    def sum(self, meta: Any, children: list[Any]) -> Sum:
        return Sum(place=_place(meta), tokens=_tokens(children), parts=tuple(_signed(children, Product, "+")))

    def product(self, meta: Any, children: list[Any]) -> Product:
        return Product(place=_place(meta), tokens=_tokens(children), parts=tuple(_signed(children, Sequence, "")))

    def seq(self, meta: Any, children: list[Any]) -> Sequence:
        tail = _of(children, BigSum)
        return Sequence(
            place=_place(meta), tokens=_tokens(children), items=_of(children, Item), tail=tail[0] if tail else None
        )

    def bigsum(self, meta: Any, children: list[Any]) -> BigSum:
        sub, sup = _scripts(children)
        return BigSum(place=_place(meta), tokens=_tokens(children), sub=sub, sup=sup, body=children[-1])

    def item(self, meta: Any, children: list[Any]) -> Item:
        sub, sup = _scripts(children)
        return Item(place=_place(meta), tokens=_tokens(children), atom=children[0], sub=sub, sup=sup)

    def word(self, meta: Any, children: list[Any]) -> Letters:
        return Letters(place=_place(meta), tokens=_tokens(children))

    def mark(self, meta: Any, children: list[Any]) -> Letters:
        return Letters(place=_place(meta), tokens=(str(children[0]), "{", *_argument(children[1]), "}"))

    def number(self, meta: Any, children: list[Any]) -> Digits:
        return Digits(place=_place(meta), tokens=_tokens(children), text="".join(map(str, children)))

    def group(self, meta: Any, children: list[Any]) -> Group:
        return Group(place=_place(meta), tokens=_tokens(children), sums=_of(children, Sum))

    def relation(self, meta: Any, children: list[Any]) -> Relation:
        left, sign, right = children
        return Relation(place=_place(meta), tokens=_tokens(children), left=left, sign=str(sign), right=right)

    def bracket(self, meta: Any, children: list[Any]) -> Bracket:
        return Bracket(place=_place(meta), tokens=_tokens(children), relations=_of(children, Relation))

    def frac(self, meta: Any, children: list[Any]) -> Fraction:
        over, under = _of(children, Sum)
        return Fraction(place=_place(meta), tokens=_tokens(children), over=over, under=under)

    def sqrt(self, meta: Any, children: list[Any]) -> Root:
        return Root(place=_place(meta), tokens=_tokens(children), inside=_of(children, Sum)[0])

    def norm(self, meta: Any, children: list[Any]) -> Norm:
        return Norm(place=_place(meta), tokens=_tokens(children), inside=_of(children, Sum)[0])

    def abs(self, meta: Any, children: list[Any]) -> Absolute:
        return Absolute(place=_place(meta), tokens=_tokens(children), inside=_of(children, Sum)[0])

    def row(self, meta: Any, children: list[Any]) -> Bracket:
        return Bracket(place=_place(meta), tokens=_tokens(children), relations=_of(children, Relation))

    def cases(self, meta: Any, children: list[Any]) -> Cases:
        values, tests = _of(children, Sum), _of(children, Bracket)
        rows = tuple((value, test.relations) for value, test in zip(values, tests, strict=True))
        return Cases(place=_place(meta), tokens=_tokens(children), rows=rows)

    def blocks(self, meta: Any, children: list[Any]) -> Blocks:
        rows: list[list[Sum]] = [[]]
        for child in children:
            if isinstance(child, Sum):
                rows[-1].append(child)
            elif isinstance(child, Token) and child.type == "NEWLINE":
                rows.append([])
        return Blocks(place=_place(meta), tokens=_tokens(children), rows=tuple(map(tuple, rows)))

    def raw(self, meta: Any, children: list[Any]) -> Raw:
        return Raw(place=_place(meta), tokens=_tokens(children))

    def sub(self, meta: Any, children: list[Any]) -> Script:
        return Script(place=_place(meta), tokens=_tokens(children), kind="sub", inside=_argument(children[1]))

    def sup(self, meta: Any, children: list[Any]) -> Script:
        return Script(place=_place(meta), tokens=_tokens(children), kind="sup", inside=_argument(children[1]))

    def primes(self, meta: Any, children: list[Any]) -> Script:
        return Script(place=_place(meta), tokens=_tokens(children), kind="primes", inside=_tokens(children))


def _scripts(children: list[Any]) -> tuple[Tokens, Tokens]:
    """Subscript and superscript, primes in front of the latter."""
    found: dict[str, Tokens] = {"sub": (), "sup": (), "primes": ()}
    for script in _of(children, Script):
        found[script.kind] += script.inside
    return found["sub"], (*found["primes"], *found["sup"])
