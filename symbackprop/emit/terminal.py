"""A handout as plain text for a terminal: the same tree of blocks, with Unicode mathematics.

``write(document, printer)`` needs a printer whose target is "unicode". Lines are broken at 100 columns, between the
parts of a formula; nothing is coloured, so the text reads the same in a file.
"""

from __future__ import annotations

import textwrap
import unicodedata
from typing import TYPE_CHECKING

from symbackprop.emit import layout as y
from symbackprop.emit.breaking import pieces_of
from symbackprop.emit.compose import Composer, Right
from symbackprop.emit.writer import Writer, below_each_other, plain, used_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.document import blocks as b
    from symbackprop.emit.mathtext import Printer

COLUMNS = 100
INDENT = 4


def write(document: b.Document, printer: Printer) -> str:
    """The document as text."""
    writer = _Writer(printer)
    writer.number(document.blocks)
    title = plain(document.title)
    head = [
        *([" / ".join(map(plain, document.kicker))] if document.kicker else []),
        title,
        "=" * min(_wide(title), COLUMNS),
    ]
    body = [writer.block(block) for block in document.blocks]
    return "\n".join([*head, "", *(text + "\n" for text in body if text)]).rstrip() + "\n"


class _Writer(Writer):
    """Blocks to lines of text."""

    def __init__(self, printer: Printer) -> None:
        super().__init__(Composer(printer))
        self.sections = 0

    def heading(self, level: int, text: b.Spans) -> str:
        """A section with its number and a rule below, a part of it with a lighter one."""
        shown = self.spans(text)
        if level == 1:
            self.sections += 1
            shown = f"{self.sections}  {shown}"
        return f"{shown}\n{('-' if level == 1 else '·') * min(_wide(shown), COLUMNS)}"

    def paragraph(self, lead: str, spans: b.Spans) -> str:
        text = (f"{lead} " if lead else "") + self.spans(spans)
        return textwrap.fill(text, COLUMNS, break_long_words=False, break_on_hyphens=False)

    def items(self, items: Sequence[b.Spans]) -> str:
        return "\n".join(
            textwrap.fill(f"- {self.spans(item)}", COLUMNS, subsequent_indent="  ", break_long_words=False)
            for item in items
        )

    def key_box(self, title: str, blocks: Sequence[b.Block]) -> str:
        return "\n\n".join([title, *filter(None, map(self.block, blocks))])

    def note(self, title: str, spans: b.Spans) -> str:
        text = f"{plain(title)} {self.spans(spans)}"
        return textwrap.indent(textwrap.fill(text, COLUMNS - INDENT, break_long_words=False), " " * INDENT)

    def exercise(self, number: int, exercise: b.Exercise) -> str:
        points = f" ({exercise.points} point{'' if exercise.points == 1 else 's'})" if exercise.points else ""
        parts = [f"{number}  {plain(exercise.title)}{points}", *map(self.block, exercise.blocks)]
        parts += [f"Hint: {self.spans(exercise.hint)}"] if exercise.hint else []
        return "\n\n".join(filter(None, parts))

    def solution(self, number: int, blocks: Sequence[b.Block]) -> str:
        return "\n\n".join(filter(None, [str(number), *map(self.block, blocks)]))

    def listing(self, text: str, language: str) -> str:
        del language
        return textwrap.indent(text.rstrip(), " " * INDENT)

    # -- text ----------------------------------------------------------------------------------------------------------

    def spans(self, spans: b.Spans) -> str:
        return "".join(self.span(span) for span in spans)

    def text(self, text: str) -> str:
        return plain(text)

    def code(self, text: str) -> str:
        return plain(text)

    def strong(self, text: str) -> str:
        return plain(text)

    def see(self, label: str) -> str:
        return f"({self.numbers[label]})" if label in self.numbers else "the forward pass"

    def see_figure(self, label: str) -> str:
        return f"Figure {self.figures[label]}"

    def figure(self, block: b.Figure) -> str:
        """What the picture shows, in words."""
        text = f"Figure {self.figures[block.label]}. {self.spans(block.caption)}"
        shown = [textwrap.fill(part, COLUMNS - INDENT, break_long_words=False) for part in (text, f"[{block.alt}]")]
        return textwrap.indent("\n".join(shown), " " * INDENT)

    def chip(self, letter: str) -> str:
        return letter

    def formula(self, box: y.Box) -> str:
        return self.show(box)

    def wide(self, box: y.Box) -> float:
        """Columns a formula takes."""
        return _wide(self.show(box))

    # -- displays and tables -------------------------------------------------------------------------------------------

    def display(self, rows: Sequence[b.Row]) -> str:
        """Rows below each other; one that repeats the row above it is left out (both levels may agree)."""
        lines: list[str] = []
        above = None
        for row in below_each_other(rows):
            composed = self.composer.row(row.formula)
            lines += self.row(row) if composed != above else []
            above = composed
        return "\n".join(lines)

    def row(self, row: b.Row) -> list[str]:
        """One formula, broken between its parts, with its number at the end."""
        composed = self.composer.row(row.formula)
        if any(
            y.holds(part, y.Cases) and self.wide(part) > COLUMNS // 2
            for right in composed.rights
            for part in right.parts
        ):
            composed = self.composer.row(row.formula, apart=True)
        lines: list[str] = []
        margin = " " * INDENT
        lead = margin + (self.show(composed.left) if composed.left is not None else "")
        if not composed.rights:
            lines.append(lead)
        for number, right in enumerate(composed.rights):
            sign = f"{lead if not number else ' ' * _wide(lead)} = "
            lines += self.filled(margin if composed.left is None else sign, right)
        if row.label:
            lines[-1] = lines[-1].ljust(COLUMNS - 6) + f"  ({self.numbers[row.label]})"
        return lines

    def filled(self, sign: str, right: Right) -> list[str]:
        """``sign part part …``, as many parts in a line as fit."""
        lines, current = [], sign
        first = _wide(sign)
        when = "" if right.when is None else self.show(right.when)
        room = COLUMNS - 8 - first - (_wide(when) + 8 if when else 0)
        for k, part in enumerate(right.parts):
            for n, piece in enumerate(map(self.show, pieces_of(part, max(room, 20), self.wide))):
                new = (
                    (k and not n and right.stacked)
                    or (n and right.stacked)
                    or _wide(current) + _wide(piece) > first + room
                )
                if (k or n) and new:
                    lines.append(current)
                    current = " " * (first + 2 if n else max(first - 2, 2)) + piece
                else:
                    current += f" {piece}" if k or n else piece
        if when:
            current += f"    for {when}"
        return [*lines, current]

    def head(self, column: str | b.Spans) -> str:
        """The head of a column."""
        return column if isinstance(column, str) else " ".join(map(self.span, column))

    def table(self, block: b.Table) -> str:
        """Columns under their heads; those that are empty are left out."""
        used = used_columns(block)
        cells = [
            [self.head(block.columns[k]) for k in used],
            *([self.spans(row[k]) for k in used] for row in block.rows),
        ]
        widths = [max(_wide(line[k]) for line in cells) for k in range(len(used))]
        lines = [
            "  ".join(_set(c, w, block.align[k]) for c, w, k in zip(line, widths, used, strict=True)).rstrip()
            for line in cells
        ]
        rule = "─" * min(max(map(_wide, lines)), COLUMNS)
        shown = [lines[0], rule, *lines[1:]]
        return "\n".join(" " * INDENT + line for line in shown)


def _set(text: str, width: int, align: str) -> str:
    """A cell as wide as its column."""
    room = " " * (width - _wide(text))
    return room + text if align == "r" else text + room


def _wide(text: str) -> int:
    """Columns a text takes: combining marks take none, East Asian wide ones two."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
