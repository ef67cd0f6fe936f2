"""Mathematics as a tree of boxes: what stands beside, above, below and around what.

The printer builds one tree; each target (LaTeX, a terminal, MathML, Typst) only writes its boxes, and writers break
lines between boxes. Marks (the kind of a factor, the number of a path) are boxes too, so colour is decided by whoever
writes them. Nothing here is markup.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from symbackprop.notation.glyph import Mark, Scripted, Symbol, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from symbackprop.notation.glyph import Item

ADD, BINARY, SUM, PRODUCT, ATOM = range(5)
"""Levels, loosest first: sums; signs such as the Hadamard product; Σ with its body; juxtaposition; what needs none."""


@dataclass(frozen=True, slots=True)
class Name:
    """A symbol with its scripts and accents; ``of`` is the array that it names, or an element of it."""

    items: tuple[Item, ...]
    of: str = ""


@dataclass(frozen=True, slots=True)
class Digits:
    """A number in digits."""

    text: str


@dataclass(frozen=True, slots=True)
class Sign:
    r"""An operator, a relation or punctuation, by its LaTeX token: ``+``, ``\odot``, ``=``, ``,``."""

    token: str


@dataclass(frozen=True, slots=True)
class Words:
    """Plain words inside mathematics."""

    text: str


@dataclass(frozen=True, slots=True)
class Beside:
    """Boxes that touch: a sign and its operand, a function and its brackets."""

    parts: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Spaced:
    """Boxes in a row with a space between them, where a line may be broken."""

    parts: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Frac:
    """A quotient."""

    over: Box
    under: Box


@dataclass(frozen=True, slots=True)
class Root:
    """A square root."""

    inside: Box


@dataclass(frozen=True, slots=True)
class Power:
    """A power; the base is bracketed already where it must be."""

    base: Box
    exponent: Box


@dataclass(frozen=True, slots=True)
class Turned:
    """Brackets with the sign of transposition."""

    base: Box
    sign: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Lowered:
    """A box with a subscript, the entry of a bracketed function."""

    base: Box
    index: Box


@dataclass(frozen=True, slots=True)
class Summation:
    """The sign of a sum with its limits."""

    lower: Box
    upper: Box | None = None


@dataclass(frozen=True, slots=True)
class Fence:
    """Brackets of a kind ("()", "[]" or "||") around a box of a height."""

    inside: Box
    kind: str = "()"
    height: int = 0


@dataclass(frozen=True, slots=True)
class Edge:
    """One bracket of a fence that was broken over two lines."""

    kind: str
    height: int
    closing: bool


@dataclass(frozen=True, slots=True)
class Norm:
    """The square of a norm."""

    inside: Box
    height: int
    frobenius: bool


@dataclass(frozen=True, slots=True)
class Cases:
    """Values with their conditions."""

    rows: tuple[tuple[Box, Box], ...]


@dataclass(frozen=True, slots=True)
class Blocks:
    """A matrix of blocks; of numbers, whose columns end at the right."""

    rows: tuple[tuple[Box, ...], ...]
    numbers: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """Room between two formulas on a line."""


@dataclass(frozen=True, slots=True)
class Tinted:
    """A factor of a kind."""

    inside: Box
    kind: str


@dataclass(frozen=True, slots=True)
class Numbered:
    """The number of a path, before it."""

    number: int


@dataclass(frozen=True, slots=True)
class Braced:
    """A group with its name under a brace."""

    inside: Box
    name: Box


@dataclass(frozen=True, slots=True)
class Under:
    """An array with its shape below it."""

    inside: Box
    shape: Box


@dataclass(frozen=True, slots=True)
class Direct:
    """A derivative that leaves out all ways but the direct one."""

    inside: Box


Box = (
    Name
    | Digits
    | Sign
    | Words
    | Beside
    | Spaced
    | Frac
    | Root
    | Power
    | Turned
    | Lowered
    | Summation
    | Fence
    | Edge
    | Norm
    | Cases
    | Blocks
    | Gap
    | Tinted
    | Numbered
    | Braced
    | Under
    | Direct
)

PLUS, MINUS, EQUALS, DOT, COMMA = Sign("+"), Sign("-"), Sign("="), Sign(r"\cdot"), Sign(",")
PARTIAL = Sign(r"\partial")


@dataclass(frozen=True, slots=True)
class Piece:
    """A box that binds at ``level``; ``height`` 0 is a line of letters, 1 a fraction, 2 a sum or cases."""

    box: Box
    level: int = ATOM
    height: int = 0


def symbol(*tokens_: str) -> Name:
    """A name of plain tokens."""
    return Name(tuple(map(Symbol, tokens_)))


def beside(*parts: Box) -> Box:
    """Boxes that touch; one alone is itself."""
    return parts[0] if len(parts) == 1 else Beside(parts)


def spaced(parts: Sequence[Box]) -> Box:
    """Boxes in a row, rows inside a row spread out; one alone is itself.

    >>> spaced([symbol("a"), Spaced((PLUS, symbol("b")))]) == Spaced((symbol("a"), PLUS, symbol("b")))
    True
    """
    flat: list[Box] = []
    for part in parts:
        flat += part.parts if isinstance(part, Spaced) else (part,)
    return flat[0] if len(flat) == 1 else Spaced(tuple(flat))


def separated(parts: Sequence[Box], sign: Box) -> Box:
    """Boxes with a sign between each two."""
    return spaced([box for k, part in enumerate(parts) for box in ((sign, part) if k else (part,))])


def listed(parts: Sequence[Box], sign: Sign = COMMA) -> Box:
    """Boxes with a comma after each but the last."""
    return spaced([*(beside(part, sign) for part in parts[:-1]), *parts[-1:]])


def below(box: object) -> Iterator[Box]:
    """All boxes of a tree, outside in."""
    if isinstance(box, tuple):
        for part in box:
            yield from below(part)
    elif type(box).__module__ == __name__:
        yield box  # type: ignore[misc]
        for each in fields(box):  # type: ignore[arg-type]
            yield from below(getattr(box, each.name))


def holds(box: Box, *kinds: type) -> bool:
    """True where a box of one of the kinds is in the tree."""
    return any(isinstance(each, kinds) for each in below(box))


def has_superscript(box: Box) -> bool:
    """True where something in the tree stands raised, so that a power needs brackets."""
    for each in below(box):
        if isinstance(each, Power | Turned | Norm) or (isinstance(each, Summation) and each.upper is not None):
            return True
        if isinstance(each, Name) and _raised(each.items):
            return True
    return False


def _raised(items: Sequence[Item]) -> bool:
    return any(
        item == Symbol("'")
        or (isinstance(item, Mark) and _raised(item.body))
        or (isinstance(item, Scripted) and (bool(item.sup) or _raised(item.body) or _raised(item.sub)))
        for item in items
    )


def digit_first(box: Box) -> bool:
    """True where a digit stands at the left edge."""
    match box:
        case Digits():
            return True
        case Name(items=items):
            return bool(items) and tokens(items)[:1] != () and tokens(items)[0].isdigit()
        case Beside(parts=parts) | Spaced(parts=parts):
            return digit_first(parts[0])
        case Power(base=base) | Lowered(base=base):
            return digit_first(base)
        case Under(inside=inside):
            return digit_first(inside)
        case _:
            return False


def digit_last(box: Box) -> bool:
    """True where a digit stands at the right edge, a script of one digit included."""
    match box:
        case Digits():
            return True
        case Name(items=items):
            return tokens(items)[-1:] != () and tokens(items)[-1].isdigit()
        case Beside(parts=parts) | Spaced(parts=parts):
            return digit_last(parts[-1])
        case Under(inside=inside):
            return digit_last(inside)
        case Power(exponent=exponent):
            return isinstance(exponent, Digits) and len(exponent.text) == 1
        case _:
            return False
