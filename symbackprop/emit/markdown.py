r"""A handout as Markdown with mathematics between dollars, as GitHub, notebooks and editors show it.

``write(document, printer)`` needs a printer whose target is "markdown". Text is escaped, so that none of its characters
mean anything; comments say what a program that reads the page back has to know.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from symbackprop.document import blocks as b
from symbackprop.emit import layout as y
from symbackprop.emit.aligned import AlignedWriter, width
from symbackprop.emit.breaking import pieces_of
from symbackprop.emit.compose import Composer
from symbackprop.emit.drawing_svg import HUES
from symbackprop.emit.writer import plain, used_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.emit.mathtext import Printer

CELL = 24.0
"""Formulas in tables wider than this are broken."""
_SPECIAL = frozenset("`*_]<>|~&")
_APART = frozenset("$\\")
_OPENING = re.compile(r"([-+=:#]|\d{1,9}(?=[.)]))")
"""What a line may not begin with, lest it become a list, a rule or a heading."""


def write(document: b.Document, printer: Printer) -> str:
    """The document as the text of a Markdown file."""
    writer = MarkdownWriter(printer)
    writer.number(document.blocks)
    return "\n\n".join([*front(document), *writer.blocks(document.blocks)]) + "\n"


def front(document: b.Document) -> list[str]:
    """What stands at the top, and the file of the network that the formulas are about."""
    parts = [f"<!-- symbackprop: net = {document.source}.toml -->"] if document.source else []
    if document.kicker:
        parts.append(_line(" / ".join(map(escape, document.kicker))))
    return [*parts, f"# {escape(document.title)}", f"*{escape(document.subtitle)}*"]


def escape(text: str) -> str:
    r"""Text as Markdown that shows it; dollars and backslashes stand apart, so that they open no formula.

    >>> print(escape("5$ of [x](y) <b> a_b"))
    5<span>\$</span> of [x\](y) \<b\> a\_b
    """
    return "".join(map(_escaped, plain(text)))


def _escaped(char: str) -> str:
    if char in _APART:
        return rf"<span>\{char}</span>"
    return rf"\{char}" if char in _SPECIAL else char


def _line(text: str) -> str:
    """A paragraph that is nothing else, whatever it begins with."""
    text = text.strip()
    found = _OPENING.match(text)
    if found is None:
        return text
    return f"{text[: found.end()]}\\{text[found.end() :]}" if found[0].isdigit() else f"\\{text}"


class MarkdownWriter(AlignedWriter):
    """Blocks to paragraphs of Markdown."""

    room: ClassVar[float] = 46.0

    def __init__(self, printer: Printer) -> None:
        super().__init__(Composer(printer))
        self.sections = self.tables = 0

    def blocks(self, blocks: Sequence[b.Block]) -> list[str]:
        """Blocks one after the other; those without a text are left out."""
        return [text for text in map(self.block, blocks) if text]

    def heading(self, level: int, text: b.Spans) -> str:
        """A heading below the document's own; sections are numbered."""
        if level > 1:
            return f"### {self.spans(text)}"
        self.sections += 1
        return f"## {self.sections}. {self.spans(text)}"

    def paragraph(self, lead: str, spans: b.Spans) -> str:
        return _line((f"**{escape(lead)}** " if lead else "") + self.spans(spans))

    def items(self, items: Sequence[b.Spans]) -> str:
        return "\n".join(f"- {self.spans(item)}" for item in items)

    def figure(self, block: b.Figure) -> str:
        """What a drawing shows, in words; where pictures can be shown, the picture."""
        shown = self.picture(block)
        caption = f"**Figure {self.figures[block.label]}.** {self.spans(block.caption)}"
        return "\n\n".join([*([shown] if shown else []), caption, *([] if shown else [f"*{escape(block.alt)}*"])])

    def picture(self, block: b.Figure) -> str:
        """A drawing; nothing, since GitHub shows none that stands in the text."""
        del block
        return ""

    def key_box(self, title: str, blocks: Sequence[b.Block]) -> str:
        return "\n\n".join([f"**{escape(title)}**", *self.blocks(blocks)])

    def listing(self, text: str, language: str) -> str:
        """A fence longer than any in the text."""
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
        return f"{fence}{language}\n{text.rstrip()}\n{fence}"

    def note(self, title: str, spans: b.Spans) -> str:
        return f"> **{escape(title)}** {self.spans(spans)}"

    def exercise(self, number: int, exercise: b.Exercise) -> str:
        points = f" ({exercise.points} point{'' if exercise.points == 1 else 's'})" if exercise.points else ""
        hint = [f"> **Hint.** {self.spans(exercise.hint)}"] if exercise.hint else []
        head = f"**{number}. {escape(exercise.title)}**{points}"
        return "\n\n".join([head, *self.blocks(exercise.blocks), *hint])

    def solution(self, number: int, blocks: Sequence[b.Block]) -> str:
        return "\n\n".join([f"**Solution {number}.**", *self.blocks(blocks)])

    def directive(self, spans: Sequence[str | b.Formula]) -> str:
        """A comment; formulas in it as on the page, words as they are."""
        text = "".join(span if isinstance(span, str) else self.show(self.composer.inline(span)) for span in spans)
        return f"<!-- symbackprop: {text} -->"

    # -- text ----------------------------------------------------------------------------------------------------------

    def spans(self, spans: b.Spans) -> str:
        return "".join(self.span(span) for span in spans)

    def text(self, text: str) -> str:
        return escape(text)

    def code(self, text: str) -> str:
        """Code between more backticks than it has in a row; a bar would end the cell of a table."""
        marks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
        space = " " if text.startswith("`") or text.endswith("`") else ""
        return f"{marks}{space}{plain(text)}{space}{marks}"

    def strong(self, text: str) -> str:
        return f"**{escape(text)}**"

    def see(self, label: str) -> str:
        return f"({self.numbers[label]})" if label in self.numbers else "the forward pass"

    def see_figure(self, label: str) -> str:
        return f"Figure {self.figures[label]}"

    def chip(self, letter: str) -> str:
        """A letter in its colour."""
        return rf"$\textcolor{{{HUES[letter]}}}{{\textsf{{{letter}}}}}$"

    def formula(self, box: y.Box) -> str:
        return f"${self.show(box)}$"

    # -- displays and tables -------------------------------------------------------------------------------------------

    def display(self, rows: Sequence[b.Row]) -> str:
        """Rows aligned at their equals signs, each line of the text a line of the display."""
        _, arranged = self.arranged(rows)
        lines: list[str] = []
        for row, shown in arranged:
            lines += shown[:-1]
            lines.append(shown[-1] + (rf" \tag{{{self.numbers[row.label]}}}" if row.label else ""))
        body = " \\cr\n".join(line.strip() for line in lines)
        return f"$$\n\\begin{{align*}}\n{body}\n\\end{{align*}}\n$$"

    def table(self, block: b.Table) -> str:
        self.tables += 1
        used = used_columns(block)
        head = [f"**Table {self.tables}.** {self.spans(block.caption)}", ""]
        columns = [self.head(block.columns[k]) for k in used]
        marks = [{"c": ":-:", "r": "--:"}.get(block.align[k], "---") for k in used]
        rows = [[self.cell(row[k]) for k in used] for row in block.rows]
        return "\n".join([*head, *(f"| {' | '.join(cells)} |" for cells in (columns, marks, *rows))])

    def head(self, head: str | b.Spans) -> str:
        """What stands above a column."""
        return escape(head) if isinstance(head, str) else self.spans(head)

    def cell(self, spans: b.Spans) -> str:
        """A cell on one line of the file; long formulas in it in several pieces."""
        return "".join(self.in_cell(span) if isinstance(span, b.Formula) else self.span(span) for span in spans)

    def in_cell(self, formula: b.Formula) -> str:
        box = self.composer.inline(formula)
        pieces = pieces_of(box, CELL, width)
        if len(pieces) == 1:
            tall = y.holds(box, y.Frac, y.Summation, y.Cases)
            return rf"$\displaystyle {self.show(box)}$" if tall else self.formula(box)
        rows = r" \cr &\quad ".join(map(self.show, pieces))
        return rf"$\begin{{aligned}} &{rows} \end{{aligned}}$"
