"""What all writers of handouts share: which block and which span there is, and the numbers of displays.

A writer says how each looks; blocks and spans come from ``document.blocks``, formulas from its composer as boxes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from symbackprop.document import blocks as b
from symbackprop.emit import layout as y
from symbackprop.emit.measure import extent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.emit.compose import Composed, Composer


class Writer(ABC):
    """The base of all writers; their markup is text of a type of their own."""

    def __init__(self, composer: Composer) -> None:
        self.composer = composer
        self.numbers: dict[str, int] = {}
        self.figures: dict[str, int] = {}
        self.exercises = 0

    def number(self, blocks: Sequence[b.Block]) -> None:
        """Numbers of figures, and of displays that have a label, in order."""
        for block in blocks:
            if isinstance(block, b.Figure):
                self.figures.setdefault(block.label, len(self.figures) + 1)
            if isinstance(block, b.KeyBox | b.Exercise | b.Solution):
                self.number(block.blocks)
            for column in block.columns if isinstance(block, b.Columns) else ():
                self.number(column)
            for row in block.rows if isinstance(block, b.Display) else ():
                if row.label:
                    self.numbers.setdefault(row.label, len(self.numbers) + 1)

    def show(self, box: y.Box) -> str:
        """A formula as text of the target."""
        return self.composer.target.show(box)

    def block(self, block: b.Block) -> Any:  # noqa: C901, PLR0911, PLR0912 - one arm for each kind of block
        """One block."""
        match block:
            case b.Heading(level=level, text=text):
                return self.heading(level, text)
            case b.Paragraph(spans=spans, lead=lead):
                return self.paragraph(lead, spans)
            case b.Items(items=items):
                return self.items(items)
            case b.Display(rows=rows):
                return self.display(rows)
            case b.Table():
                return self.table(block)
            case b.Columns():
                return self.columns(block)
            case b.Figure():
                return self.figure(block)
            case b.KeyBox(title=title, blocks=inner):
                return self.key_box(title, inner)
            case b.Listing(text=text, language=language):
                return self.listing(text, language)
            case b.Note(title=title, spans=spans):
                return self.note(title, spans)
            case b.Exercise():
                self.exercises += 1
                return self.exercise(self.exercises, block)
            case b.Solution(number=number, blocks=inner):
                return self.solution(number, inner)
            case b.NewPage():
                return self.new_page()
            case b.Directive(spans=spans):
                return self.directive(spans)
        message = f"no way to write {type(block).__name__}"
        raise TypeError(message)

    def span(self, span: b.Span) -> Any:
        """One span of running text."""
        match span:
            case str():
                return self.text(span)
            case b.Code(text=text):
                return self.code(text)
            case b.Strong(text=text):
                return self.strong(text)
            case b.See(label=label) if label in self.figures:
                return self.see_figure(label)
            case b.See(label=label):
                return self.see(label)
            case b.Chip(kind=kind):
                return self.chip(b.KINDS.get(kind, "F"))
        return self.formula(self.composer.inline(span))

    def directive(self, spans: Sequence[str | b.Formula]) -> Any:
        """What the reader of documents is told; LaTeX alone has comments for it."""
        del spans
        return ""

    def columns(self, block: b.Columns) -> Any:
        """Columns one after the other, each under its head."""
        parts = [
            each
            for head, column in zip(block.heads, block.columns, strict=True)
            for each in (self.paragraph(head, ()), *map(self.block, column))
        ]
        return type(parts[0])("\n\n").join(parts)

    def widest(self, spans: b.Spans) -> float:
        """Width of the widest formula in running text, in em."""
        return max((extent(self.composer.inline(span)) for span in spans if isinstance(span, b.Formula)), default=0.0)

    def letters(self, block: b.Table, used: Sequence[int]) -> list[str]:
        """The alignment of columns; one of running text is as wide as it is where formulas in it leave no choice."""
        return [
            "l" if block.align[k] == "p" and any(self.widest(row[k]) > BROAD for row in block.rows) else block.align[k]
            for k in used
        ]

    def side_by_side(self, block: b.Columns) -> list[list[Composed | None]] | None:
        """Formulas that stand on a line with each other, where columns are displays of short formulas alone."""
        displays = [column[0] for column in block.columns if len(column) == 1 and isinstance(column[0], b.Display)]
        if len(displays) < len(block.columns):
            return None
        columns = [[self.composer.row(row.formula) for row in each.rows] for each in displays]
        flat = [each for column in columns for each in column]
        if any(c.left is None or len(c.rights) != 1 or y.holds(c.rights[0].box, y.Cases) for c in flat):
            return None
        return [list(line) for line in zip_longest(*columns)]

    def new_page(self) -> Any:
        """Nothing, where there are no pages."""
        return ""

    @abstractmethod
    def note(self, title: str, spans: b.Spans) -> Any:
        """A remark beside the main line."""

    @abstractmethod
    def exercise(self, number: int, exercise: b.Exercise) -> Any:
        """A question with its number, points and hint."""

    @abstractmethod
    def solution(self, number: int, blocks: Sequence[b.Block]) -> Any:
        """The answer to a question."""

    @abstractmethod
    def spans(self, spans: b.Spans) -> Any:
        """Running text."""

    @abstractmethod
    def text(self, text: str) -> Any:
        """Text that means nothing but itself."""

    @abstractmethod
    def code(self, text: str) -> Any:
        """A name in a program."""

    @abstractmethod
    def strong(self, text: str) -> Any:
        """Words that carry a paragraph."""

    @abstractmethod
    def see(self, label: str) -> Any:
        """A reference to a numbered display."""

    @abstractmethod
    def see_figure(self, label: str) -> Any:
        """A reference to a figure, with the word."""

    @abstractmethod
    def figure(self, block: b.Figure) -> Any:
        """A drawing with its caption."""

    @abstractmethod
    def chip(self, letter: str) -> Any:
        """The letter of a kind of factor."""

    @abstractmethod
    def formula(self, box: y.Box) -> Any:
        """A formula in running text."""

    @abstractmethod
    def heading(self, level: int, text: b.Spans) -> Any:
        """A heading."""

    @abstractmethod
    def paragraph(self, lead: str, spans: b.Spans) -> Any:
        """A paragraph, with the words that open it in bold."""

    @abstractmethod
    def items(self, items: Sequence[b.Spans]) -> Any:
        """A list of short sentences."""

    @abstractmethod
    def display(self, rows: Sequence[b.Row]) -> Any:
        """Formulas below each other."""

    @abstractmethod
    def table(self, block: b.Table) -> Any:
        """A table."""

    @abstractmethod
    def key_box(self, title: str, blocks: Sequence[b.Block]) -> Any:
        """What is set apart."""

    @abstractmethod
    def listing(self, text: str, language: str) -> Any:
        """A program or its output."""


def plain(text: str) -> str:
    r"""Text without control characters, which whoever shows it would obey.

    >>> plain("a\tb\x1b[31m")
    'a b [31m'
    """
    return "".join(c if c.isprintable() else " " for c in text)


def below_each_other(rows: Sequence[b.Row]) -> list[b.Row]:
    """The rows of a display with what stands beside a formula in a row of its own."""
    found: list[b.Row] = []
    for row in rows:
        found.append(replace(row, beside=None))
        if row.beside is not None:
            found.append(b.Row(row.beside))
    return found


LINES = {b.Heading: 3, b.Display: 3, b.Table: 8, b.Listing: 5, b.Exercise: 5, b.Directive: 0}
"""Lines that the beginning of a block needs on a page; others need two."""


def announces(block: b.Block) -> bool:
    """True for a block that must not be the last thing of a page: a heading, or words that open what follows."""
    if isinstance(block, b.Paragraph):
        last = block.spans[-1] if block.spans else ":"
        return isinstance(last, str) and last.rstrip().endswith((":", ","))
    return isinstance(block, b.Heading | b.Directive)


def lines_of(blocks: Sequence[b.Block]) -> int:
    """About how many lines the blocks need that stay together at the beginning of these."""
    total = 0
    for block in blocks:
        if isinstance(block, b.Table) and len(block.rows) <= SMALL:
            total += 4 + 2 * len(block.rows)
        elif isinstance(block, b.KeyBox):
            total += 4 + 2 * displayed(block.blocks)
        else:
            total += LINES.get(type(block), 2)
        if not announces(block):
            break
    return min(total, MOST)


BROAD = 14.0
"""Formulas wider than this, in em, need all the width there is for the text in which they stand."""
STAY = 5
"""Lines of one formula that stay on a page together."""
SMALL = 5
"""Rows of a table that stays on one page."""
MOST = 14
"""Lines that are kept free at most."""


def columns_of(sides: Sequence[Sequence[Composed | None]]) -> list[list[Composed]]:
    """The formulas of each column of lines in which they stand side by side."""
    return [[e for side in sides for e in side[k : k + 1] if e is not None] for k in range(max(map(len, sides)))]


def displayed(blocks: Sequence[b.Block]) -> int:
    """How many lines of formulas and of text there are, columns side by side."""
    return sum(
        max(map(displayed, block.columns)) if isinstance(block, b.Columns) else len(getattr(block, "rows", "1"))
        for block in blocks
    )


def used_columns(block: b.Table) -> list[int]:
    """Columns of a table in which something stands."""
    return [k for k in range(len(block.columns)) if any(row[k] for row in block.rows)]
