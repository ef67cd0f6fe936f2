"""What the parts of the reader share: the names in force, places for nodes, the choices that ambiguous text leaves."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from symbackprop.handwritten.expression import Named, Node, Operation, Quantity
from symbackprop.handwritten.parse import Item, Items, tokens
from symbackprop.handwritten.tokens import ReadError
from symbackprop.index import Opaque

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from symbackprop.affine import Affine
    from symbackprop.handwritten.author_operators import AuthorOperator
    from symbackprop.handwritten.formula import Formula
    from symbackprop.handwritten.names import Declared, Names
    from symbackprop.network import Network

DOTS = "dots"
"""The operation that stands for an ellipsis in a matrix."""
DEEPEST = 60
"""Levels of operators, sums and brackets inside each other that are read."""
_DOTS = re.compile(r"\\[clvdhi]?dots[cbmio]?(?![A-Za-z])|\.\.\.|…")
TRANSPOSES = frozenset((("T",), (r"\top",), ("t", "r")))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredFunction:
    """A function that a directive declares: ``family`` counts its layer indices."""

    head: str
    name: str
    letters: tuple[str, ...] = ()
    loss: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Against what a formula is read: the network and what the directives before the formula say.

    ``indices`` maps declared index letters to the axis, size or tensor they run over ("" where only a range is given);
    ``parameters`` are the names of an operator's arguments while its formula is read; ``claimed`` where a directive
    says what the formula is about, so that its left side need not be readable; ``claim`` is that quantity.
    """

    network: Network
    lets: tuple[Declared, ...] = ()
    scalars: tuple[str, ...] = ()
    indices: Mapping[str, str] = field(default_factory=dict)
    functions: tuple[DeclaredFunction, ...] = ()
    operators: tuple[AuthorOperator, ...] = ()
    parameters: tuple[str, ...] = ()
    prime: Literal["transpose", "derivative"] | None = None
    base: int = 1
    explicit: bool = False
    claimed: bool = False
    claim: Node | None = None
    dots: tuple[Node, ...] = ()
    """What the dots of the formula stand for, one after the other, where a directive says so."""

    @property
    def scalar_names(self) -> frozenset[str]:
        """The declared scalars as the letters of nodes."""
        return frozenset(map(scalar_name, self.scalars))


def dots_name(number: int) -> str:
    """The name in ``lets`` of what dots number ``number`` of a formula, from 0, stand for."""
    return f"{DOTS} {number}"


def scalar_name(text: str) -> str:
    r"""The letter that stands for a declared scalar: ``lambda`` for its command, ``x_0`` for ``x_{0}``."""
    return "".join(character for character in text if character.isalnum() or character == "_")


@dataclass(slots=True)
class Reader:
    """Reads the items of one formula. ``choices`` say which reading to take at the places that ``points`` records."""

    formula: Formula
    names: Names
    context: Context
    sum_of: Callable[[Reader, Items], Node]
    choices: Mapping[tuple[str, int], int] = field(default_factory=dict)
    points: dict[tuple[str, int], int] = field(default_factory=dict)
    repairs: list[str] = field(default_factory=list)
    depth: int = 0

    def value(self, items: Items) -> Node:
        """The value of a sum."""
        return self.sum_of(self, items)

    @contextmanager
    def deeper(self, item: Item | None) -> Iterator[None]:
        """One level further down.

        Raises: ReadError where signs that act on signs that act on signs go deeper than anybody writes.
        """
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail("this is nested too deep", item)
        try:
            yield
        finally:
            self.depth -= 1

    def pick(self, what: str, place: int, options: int) -> int:
        """Which of several readings to take here; the others are taken in later rounds."""
        if options > 1:
            self.points[what, place] = options
        return min(self.choices.get((what, place), 0), options - 1)

    def at(self, first: Item, last: Item | None = None) -> dict[str, Any]:
        """Place and source of a node from its first to its last item."""
        last = last or first
        start, end = first.start, last.end
        if first.wrap is not None and end >= first.wrap[1] - 1:
            start = first.wrap[0]
        if last.wrap is not None and start <= last.wrap[0]:
            end = max(end, last.wrap[1])
        return self.at_range(start, end)

    def at_range(self, start: int, end: int) -> dict[str, Any]:
        """Place and source of ``text[start:end]``."""
        return {"span": self.formula.part(start, end), "source": self.formula.text[start:end]}

    def fail(self, message: str, item: Item | None = None) -> NoReturn:
        """Raise the error that says what cannot be read, at an item."""
        if item is None:
            raise ReadError(message)
        raise ReadError(message, item.start, item.end)

    def loss_arguments(self, name: str) -> tuple[Node, ...]:
        """The arrays that an opaque loss of the network is taken of."""
        for equation in self.context.network.equations:
            for factor in (f for term in equation.terms for f in term.factors):
                if isinstance(factor, Opaque) and factor.name == name:
                    tensors = self.context.network.tensors
                    return tuple(
                        Quantity(tensor=ref.tensor, family=ref.index[: len(tensors[ref.tensor].family)])
                        for ref in factor.args
                    )
        return ()

    def dots(self, item: Item) -> Node:
        """Dots: a name for what a directive says they stand for, else the mark of an ellipsis.

        Raises: ReadError where the directive does not say it for these.
        """
        if not self.context.dots:
            return Operation(name=DOTS, arguments=(), **self.at(item))
        number = len(_DOTS.findall(self.formula.text[: item.start]))
        if number >= len(self.context.dots):
            self.fail("no directive says what these dots stand for", item)
        return Named(name=dots_name(number), **self.at(item))

    def form(self, items: Items) -> Affine | None:
        """Items as an index or a size; None for anything else."""
        return self.names.form(tokens(items))


@dataclass(slots=True)
class Cursor:
    """A place in a sequence of items."""

    items: Items
    place: int = 0

    def peek(self, ahead: int = 0) -> Item | None:
        """The item here, or further on; None behind the end."""
        return self.items[self.place + ahead] if self.place + ahead < len(self.items) else None

    def take(self) -> Item:
        """The item here; the cursor moves on."""
        self.place += 1
        return self.items[self.place - 1]

    @property
    def rest(self) -> Items:
        """What is left."""
        return self.items[self.place :]


def split(items: Items, kinds: frozenset[str]) -> list[Items]:
    """Items between separators."""
    result: list[list[Item]] = [[]]
    for item in items:
        if item.kind in kinds:
            result.append([])
        else:
            result[-1].append(item)
    return [tuple(part) for part in result]


def is_dots(node: Node) -> bool:
    """True for the mark of an ellipsis."""
    return isinstance(node, Operation) and node.name == DOTS
