"""A handout as a tree of blocks that hold mathematical objects, never markup.

Blocks are what a page is made of (heading, paragraph, display, table, note, key box, listing). Inside them stand
*spans*: plain text, code, emphasis, references, and *formulas*: small frozen nodes around the derivation's own
objects (equations, terms, elements, lifted cases). A factor may carry its kind (cost, activation, dot product, …) and
its path; what that looks like is decided by the writer. One tree serves every writer.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from symbackprop.document import drawing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from symbackprop.affine import Affine, Bound, Cond
    from symbackprop.derivation import Derivation
    from symbackprop.index import Equation, Ref, Term
    from symbackprop.lift import Case
    from symbackprop.matrix import Node
    from symbackprop.notation.preset import Preset

KINDS = {
    "cost": "C",
    "activation": "A",
    "dot product": "D",
    "bias": "B",
    "product": "P",
    "sum": "S",
    "softmax": "N",
    "log_softmax": "N",
    "logsumexp": "N",
    "max": "M",
    "function": "F",
}
"""The letter of each kind of factor; colour is never the only cue."""

# ---------------------------------------------------------------------------------------------------------------------
# Formulas


@dataclass(frozen=True, slots=True)
class Indexed:
    """An equation in index notation; ``derivative`` writes its left side as ∂loss/∂(element), whatever its name."""

    equation: Equation
    derivative: bool = False


@dataclass(frozen=True, slots=True)
class Lifted:
    """An equation in matrix notation: its left side equals the cases, each under its conditions.

    ``shapes`` writes under every array its shape.
    """

    equation: Equation
    cases: tuple[Case, ...]
    shapes: bool = False


@dataclass(frozen=True, slots=True)
class Rewritten:
    """An equation and what becomes of its right side, one form after the other."""

    equations: tuple[Equation, ...]


@dataclass(frozen=True, slots=True)
class ChainRule:
    """∂loss/∂(element) through its readers: one product of two derivatives for each term of ``equation``.

    ``readers`` are the elements that read it, None where the loss itself does.
    """

    equation: Equation
    readers: tuple[Ref | None, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One element of a tensor; with ``equation``, in the letters in which that is printed.

    ``moved`` are the places of indices that are printed bold.
    """

    ref: Ref
    equation: Equation | None = None
    moved: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole array; for a family its general member, or the one at ``at``."""

    tensor: str
    at: tuple[Affine, ...] = ()


@dataclass(frozen=True, slots=True)
class ShapeOf:
    """The shape of an array; ``bare`` writes the sizes alone, ``N × d``."""

    tensor: str
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Dims:
    """Lengths of the axes of an array, ``N × d``; ``equation`` says which letters of families they are printed in."""

    axes: tuple[Affine, ...]
    equation: Equation


@dataclass(frozen=True, slots=True)
class Dots:
    """Parts of a sum or a list that are left out; of a matrix, ``down`` in a column, ``across`` in a row, or both."""

    across: bool = True
    down: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A size or an index expression."""

    form: Affine


@dataclass(frozen=True, slots=True)
class Letter:
    """A running index as the printed form of ``equation`` writes it."""

    var: str
    equation: Equation


@dataclass(frozen=True, slots=True)
class Range:
    """A running index with its values, ``ℓ = 1, …, L``."""

    bound: Bound


@dataclass(frozen=True, slots=True)
class Condition:
    """Conditions on indices, ``ℓ < L``; ``equation`` says which letters they are printed in."""

    conditions: tuple[Cond, ...]
    equation: Equation


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum of terms."""

    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class RightSide:
    """What stands right of the equals sign of an equation in index notation."""

    equation: Equation


@dataclass(frozen=True, slots=True)
class Derivative:
    """∂above/∂below of two elements, or of two whole arrays; ``direct`` leaves out all ways but the direct one.

    ``flat`` writes it on one line, as whole arrays always are.
    """

    above: Ref
    below: Ref
    whole: bool = False
    direct: bool = False
    flat: bool = False


@dataclass(frozen=True, slots=True)
class Marked:
    """A factor with its kind, for colour and letter, and the number of its path."""

    body: Formula
    kind: str = ""
    path: int | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """A product, written one after the other; ``sign`` sets a dot between factors."""

    factors: tuple[Formula, ...]
    sign: bool = True


@dataclass(frozen=True, slots=True)
class Plus:
    """A sum; a line may be broken before each part.

    ``stacked`` puts each part on a line of its own, ``dots`` stands for parts that are left out at the end.
    """

    parts: tuple[Formula, ...]
    stacked: bool = False
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Bracket:
    """A group in parentheses, with a name below where it has one."""

    body: Formula
    name: Formula | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """A step against the gradient of a parameter."""

    parameter: Ref


@dataclass(frozen=True, slots=True)
class Function:
    """The name of a scalar function; ``at`` are the layer indices of one that has them."""

    name: str
    at: tuple[Affine, ...] = ()


@dataclass(frozen=True, slots=True)
class Rate:
    """The learning rate."""


@dataclass(frozen=True, slots=True)
class Equal:
    """A chain of equal things; a line may be broken before each."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is printed: ``-0.0123``, ``2.8e-12``."""

    text: str


@dataclass(frozen=True, slots=True)
class Several:
    """Formulas beside each other, as many on a line as fit."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A matrix of numbers (or, of one row or column, a vector) in brackets, their last digits below each other."""

    rows: tuple[tuple[Formula, ...], ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """A matrix expression by itself, or its transpose; ``equation`` has the letters its families are printed in."""

    node: Node
    equation: Equation
    turned: bool = False


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A formula of another derivation, in a notation; ``layout`` as in printers, for arrays that are re-laid."""

    derivation: Derivation
    preset: Preset
    formula: Formula
    layout: Mapping[str, tuple[int, ...]] | None = None


Formula = (
    Indexed
    | Lifted
    | Rewritten
    | ChainRule
    | Entry
    | Whole
    | ShapeOf
    | Dims
    | Dots
    | Form
    | Letter
    | Range
    | Condition
    | Sum
    | RightSide
    | Derivative
    | Marked
    | Times
    | Plus
    | Bracket
    | Update
    | Rate
    | Function
    | Equal
    | Number
    | Grid
    | Several
    | Expression
    | Elsewhere
)

# ---------------------------------------------------------------------------------------------------------------------
# Spans


@dataclass(frozen=True, slots=True)
class Code:
    """A name in a program."""

    text: str


@dataclass(frozen=True, slots=True)
class Strong:
    """Words that carry the paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class See:
    """A reference to a numbered display or a table."""

    label: str


@dataclass(frozen=True, slots=True)
class Chip:
    """The letter of a kind of factor."""

    kind: str


Span = str | Code | Strong | See | Chip | Formula
Spans = tuple[Span, ...]

# ---------------------------------------------------------------------------------------------------------------------
# Blocks


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a section (level 1) or a part of it (2)."""

    level: int
    text: Spans


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; ``lead`` opens it in bold."""

    spans: Spans
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    """A list of short sentences."""

    items: tuple[Spans, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One formula of a display, its number's label where it has one, and words that stand beside it.

    ``beside`` stands on the same line where there is room, else below.
    """

    formula: Formula
    label: str = ""
    note: Spans = ()
    beside: Formula | None = None


@dataclass(frozen=True, slots=True)
class Display:
    """Formulas below each other, aligned at their equals signs."""

    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; ``align`` has a letter for each column (l, c, r, or p for running text).

    A head is words, or spans, of which a first ``Chip`` stands above the others.
    """

    columns: tuple[str | Spans, ...]
    rows: tuple[tuple[Spans, ...], ...]
    caption: Spans = ()
    align: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with its caption below; ``alt`` says in words what it shows, for those who do not see it."""

    drawing: drawing.Drawing
    caption: Spans
    label: str
    alt: str


@dataclass(frozen=True, slots=True)
class KeyBox:
    """What a reader should take away, set apart."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """Blocks in columns with their heads, where there is room; else one after the other."""

    heads: tuple[str, ...]
    columns: tuple[tuple[Block, ...], ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """A program or its output."""

    text: str
    language: str = "python"


@dataclass(frozen=True, slots=True)
class Note:
    """A remark beside the main line: a common slip, a convention, a question to ask oneself."""

    title: str
    spans: Spans


@dataclass(frozen=True, slots=True)
class Exercise:
    """A question; writers number exercises in order. The answer stands elsewhere, in a ``Solution``."""

    title: str
    blocks: tuple[Block, ...]
    points: int = 0
    hint: Spans = ()


@dataclass(frozen=True, slots=True)
class Solution:
    """The answer to the exercise of a number, from 1."""

    number: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class NewPage:
    """What follows begins a page of its own where there are pages: solutions can be taken away."""


@dataclass(frozen=True, slots=True)
class Directive:
    """What the formulas leave open for a program that reads the page back; a reader of the page does not see it."""

    spans: tuple[str | Formula, ...]


Block = (
    Heading
    | Paragraph
    | Items
    | Display
    | Table
    | Figure
    | Columns
    | KeyBox
    | Listing
    | Note
    | Exercise
    | Solution
    | NewPage
    | Directive
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A handout."""

    title: str
    subtitle: str
    blocks: tuple[Block, ...]
    source: str = ""
    """What it was made from, for a comment at the top."""
    course: str = ""
    author: str = ""
    date: str = ""
    paper: str = "a4"

    @property
    def kicker(self) -> tuple[str, ...]:
        """What stands above the title: the lecturer's fields that are filled in."""
        return tuple(text for text in (self.course, self.author, self.date) if text.strip())


def formulas(node: object) -> Iterator[Formula]:
    """All formulas in a tree of blocks, outside in."""
    if isinstance(node, Formula):
        yield node
    if isinstance(node, tuple):
        for item in node:
            yield from formulas(item)
    elif type(node).__module__ in {__name__, drawing.__name__}:
        for each in fields(node):  # type: ignore[arg-type]
            yield from formulas(getattr(node, each.name))
