"""What differs between ways of writing mathematics: how each box becomes text, and how tightly a fraction binds.

The printer walks expressions once and builds boxes with the constructions here, which take and give a ``Piece``: a box
with the level at which it binds, so that brackets come from levels alone. A target then writes the boxes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from symbackprop.emit import layout as y
from symbackprop.emit.layout import ADD, ATOM, PRODUCT, SUM, Piece
from symbackprop.notation.glyph import Mark, Scripted, Symbol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from symbackprop.notation.glyph import Item, Pattern

SIGNS: Mapping[str, y.Box] = {
    "minus": y.MINUS,
    "plus": y.PLUS,
    "cdot": y.DOT,
    "partial": y.PARTIAL,
    "le": y.Sign(r"\le"),
    "ge": y.Sign(r"\ge"),
    "ne": y.Sign(r"\ne"),
    "lt": y.Sign("<"),
    "gt": y.Sign(">"),
    "eq": y.EQUALS,
    "mid": y.Sign(r"\mid"),
    "dots": y.Sign(r"\dots"),
    "times": y.Sign(r"\times"),
    "pi": y.symbol(r"\pi"),
    "e": y.symbol("e"),
    "reals": y.Name((Mark("mathbb", (Symbol("R"),)),)),
    "otherwise": y.Words("otherwise"),
}


def name_of(pattern: Pattern, more: Sequence[Item] = (), *, of: str = "") -> y.Box:
    """A name with its scripts; ``more`` joins the superscript, ``of`` says what is named."""
    return y.Name((Scripted(pattern.nucleus, pattern.sub, (*pattern.sup, *more)),), of)


class Target(ABC):
    """The base of all targets."""

    name: ClassVar[str]
    flat: ClassVar[bool] = False
    """True where a fraction is written on the line, so that it binds like a product."""

    # -- constructions -------------------------------------------------------------------------------------------------

    def frac(self, over: Piece, under: Piece) -> Piece:
        """A quotient."""
        if self.flat:
            return Piece(y.Frac(self.within(over, PRODUCT), self.within(under, ATOM)), y.BINARY)
        return Piece(y.Frac(over.box, under.box), ATOM, 1)

    def brackets(self, inside: Piece, kind: str = "()") -> y.Box:
        """``inside`` in brackets that are tall enough."""
        return y.Fence(inside.box, kind, inside.height)

    def within(self, piece: Piece, level: int) -> y.Box:
        """The piece as part of something that binds at ``level``: bracketed where it binds less."""
        return piece.box if piece.level >= level else self.brackets(piece)

    def negative(self, piece: Piece, level: int) -> Piece:
        """Minus the piece, which is bracketed where it binds less than ``level``."""
        return Piece(y.beside(y.MINUS, self.within(piece, level)), ADD, piece.height)

    def total(self, terms: Sequence[tuple[bool, Piece]], level: int) -> Piece:
        """A sum of terms, each with whether a minus sign stands before it."""
        if len(terms) == 1 and not terms[0][0]:
            return Piece(self.within(terms[0][1], level), ADD, terms[0][1].height)
        boxes = signed([(negative, self.within(piece, level)) for negative, piece in terms])
        return Piece(y.spaced(boxes), ADD, max(piece.height for _, piece in terms))

    def product(self, pieces: Sequence[Piece]) -> Piece:
        """Factors side by side; a factor that is a sum is bracketed, so is a Σ unless it stands last."""
        if len(pieces) == 1:
            return pieces[0]
        shown = [
            self.within(p, SUM if k == len(pieces) - 1 and p.level == SUM else PRODUCT) for k, p in enumerate(pieces)
        ]
        level = SUM if pieces[-1].level == SUM else PRODUCT
        return Piece(self.side_by_side(shown), level, max(p.height for p in pieces))

    def side_by_side(self, boxes: Sequence[y.Box]) -> y.Box:
        """Factors, with a dot between two numbers."""
        out: list[y.Box] = [boxes[0]]
        for box in boxes[1:]:
            out += [y.DOT, box] if self._opens(box) and self._closes(out[-1]) else [box]
        return y.spaced(out)

    def _opens(self, box: y.Box) -> bool:
        return self._opens(box.over) if self.flat and isinstance(box, y.Frac) else y.digit_first(box)

    def _closes(self, box: y.Box) -> bool:
        return self._closes(box.under) if self.flat and isinstance(box, y.Frac) else y.digit_last(box)

    # -- writing -------------------------------------------------------------------------------------------------------

    def show(self, box: y.Box) -> str:
        """The box as text."""
        text: str = getattr(self, WRITERS[type(box)])(box)
        return text

    @abstractmethod
    def items(self, items: Sequence[Item]) -> str:
        """Text of symbols, marks and scripts."""

    def name_(self, box: y.Name) -> str:
        return self.items(box.items)

    @abstractmethod
    def digits(self, box: y.Digits) -> str: ...

    @abstractmethod
    def sign(self, box: y.Sign) -> str: ...

    @abstractmethod
    def words(self, box: y.Words) -> str: ...

    @abstractmethod
    def beside(self, box: y.Beside) -> str: ...

    @abstractmethod
    def spaced(self, box: y.Spaced) -> str: ...

    @abstractmethod
    def fraction(self, box: y.Frac) -> str: ...

    @abstractmethod
    def root(self, box: y.Root) -> str: ...

    @abstractmethod
    def power(self, box: y.Power) -> str: ...

    @abstractmethod
    def turned(self, box: y.Turned) -> str: ...

    @abstractmethod
    def lowered(self, box: y.Lowered) -> str: ...

    @abstractmethod
    def summation(self, box: y.Summation) -> str: ...

    @abstractmethod
    def fence(self, box: y.Fence) -> str: ...

    @abstractmethod
    def edge(self, box: y.Edge) -> str: ...

    @abstractmethod
    def norm(self, box: y.Norm) -> str: ...

    @abstractmethod
    def cases(self, box: y.Cases) -> str: ...

    @abstractmethod
    def blocks(self, box: y.Blocks) -> str: ...

    @abstractmethod
    def gap(self, box: y.Gap) -> str: ...

    @abstractmethod
    def tinted(self, box: y.Tinted) -> str: ...

    @abstractmethod
    def numbered(self, box: y.Numbered) -> str: ...

    @abstractmethod
    def braced(self, box: y.Braced) -> str: ...

    @abstractmethod
    def under(self, box: y.Under) -> str: ...

    @abstractmethod
    def direct(self, box: y.Direct) -> str: ...


WRITERS: Mapping[type, str] = {
    y.Name: "name_",
    y.Digits: "digits",
    y.Sign: "sign",
    y.Words: "words",
    y.Beside: "beside",
    y.Spaced: "spaced",
    y.Frac: "fraction",
    y.Root: "root",
    y.Power: "power",
    y.Turned: "turned",
    y.Lowered: "lowered",
    y.Summation: "summation",
    y.Fence: "fence",
    y.Edge: "edge",
    y.Norm: "norm",
    y.Cases: "cases",
    y.Blocks: "blocks",
    y.Gap: "gap",
    y.Tinted: "tinted",
    y.Numbered: "numbered",
    y.Braced: "braced",
    y.Under: "under",
    y.Direct: "direct",
}
"""The method that writes each kind of box."""


def signed(terms: Sequence[tuple[bool, y.Box]]) -> list[y.Box]:
    """Boxes with their signs between them; a first minus touches what it negates."""
    boxes: list[y.Box] = []
    for k, (negative, box) in enumerate(terms):
        if k:
            boxes += [y.MINUS if negative else y.PLUS, box]
        else:
            boxes.append(y.beside(y.MINUS, box) if negative else box)
    return boxes
