"""A handout as a Typst document, for a PDF on machines without TeX: ``pdf(write(document, printer))``.

Text stands in strings, so none of its characters mean anything. Displays are broken where a line may end, by the widths
that the LaTeX writer uses, and set smaller where something still does not fit, which Typst measures itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.document import blocks as b
from symbackprop.emit import layout as y
from symbackprop.emit.breaking import pieces_of
from symbackprop.emit.compose import Composer
from symbackprop.emit.drawing_typst import typst
from symbackprop.emit.environment import environment
from symbackprop.emit.measure import extent
from symbackprop.emit.target_typst import quoted
from symbackprop.emit.writer import Writer, below_each_other, plain, used_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.emit.compose import Composed, Right
    from symbackprop.emit.mathtext import Printer

LINE = 33.0
"""Room for a displayed formula beside its number, in em."""
CELL = 17.0
"""Formulas in tables wider than this are broken."""
PAPERS = {"a4": "a4", "letter": "us-letter"}
"""Papers by Typst's names."""
LONG_LEFT = 12.0
"""Left sides wider than this stand on a line of their own."""


def write(document: b.Document, printer: Printer) -> str:
    """The document as the text of a Typst file; ``printer`` writes Typst."""
    writer = _Writer(printer)
    writer.number(document.blocks)
    body = "\n\n".join(writer.block(block) for block in document.blocks)
    return (
        environment("typst")
        .get_template("handout.typ.j2")
        .render(
            title=quoted(plain(document.title)),
            subtitle=quoted(plain(document.subtitle)),
            kicker=quoted("  /  ".join(map(plain, document.kicker))) if document.kicker else "",
            author=quoted(plain(document.author)),
            paper=quoted(PAPERS[document.paper]),
            body=body,
        )
    )


class _Writer(Writer):
    """Blocks to markup."""

    def __init__(self, printer: Printer) -> None:
        super().__init__(Composer(printer))
        self.tables = 0

    # -- text ----------------------------------------------------------------------------------------------------------

    def spans(self, spans: b.Spans) -> str:
        return "".join(self.span(span) for span in spans)

    def text(self, text: str) -> str:
        return f"#{quoted(plain(text))};"

    def code(self, text: str) -> str:
        return f"#raw({quoted(text)});"

    def strong(self, text: str) -> str:
        return f"#strong({quoted(text)});"

    def see(self, label: str) -> str:
        if label not in self.numbers:
            return "#link(<forward>)[the forward pass];"
        return f"#link(label({quoted(label)}))[({self.numbers[label]})];"

    def see_figure(self, label: str) -> str:
        return f"#link(label({quoted(label)}))[Figure {self.figures[label]}];"

    def figure(self, block: b.Figure) -> str:
        caption = f"#text(fill: hue.C)[*Figure {self.figures[block.label]}.*] {self.spans(block.caption)}"
        picture = typst(block.drawing, self.composer)
        return f"#handoutfigure({quoted(block.label)}, {quoted(block.alt)}, [{caption}], {picture})"

    def chip(self, letter: str) -> str:
        return f"#chip({quoted(letter)});"

    def formula(self, box: y.Box) -> str:
        """A formula in a line of text; Typst breaks it at its signs."""
        return f"${self.show(box)}$"

    # -- blocks --------------------------------------------------------------------------------------------------------

    def heading(self, level: int, text: b.Spans) -> str:
        return f"#heading(level: {level})[{self.spans(text)}]"

    def paragraph(self, lead: str, spans: b.Spans) -> str:
        head = f"#strong({quoted(lead)});#h(.5em)" if lead else ""
        return f"#par[{head}{self.spans(spans)}]"

    def items(self, items: Sequence[b.Spans]) -> str:
        return "#list(" + ", ".join(f"[{self.spans(item)}]" for item in items) + ")"

    def key_box(self, title: str, blocks: Sequence[b.Block]) -> str:
        inner = "\n\n".join(self.block(each) for each in blocks)
        return f"#keybox({quoted(title)})[\n{inner}\n]"

    def listing(self, text: str, language: str) -> str:
        return f"#listing({quoted(text.rstrip())}, {quoted(language)})"

    def note(self, title: str, spans: b.Spans) -> str:
        return f"#aside({quoted(title)})[{self.spans(spans)}]"

    def exercise(self, number: int, exercise: b.Exercise) -> str:
        points = f"{exercise.points} point{'' if exercise.points == 1 else 's'}" if exercise.points else ""
        inner = "\n\n".join(self.block(each) for each in exercise.blocks)
        hint = f"\n\n#hint[{self.spans(exercise.hint)}]" if exercise.hint else ""
        return f"#exercise({number}, {quoted(exercise.title)}, {quoted(points)})[\n{inner}{hint}\n]"

    def solution(self, number: int, blocks: Sequence[b.Block]) -> str:
        inner = "\n\n".join(self.block(each) for each in blocks)
        return f"#solution({number})[\n{inner}\n]"

    def new_page(self) -> str:
        return "#pagebreak(weak: true)"

    def display(self, rows: Sequence[b.Row]) -> str:
        """Rows aligned at their equals signs, broken into lines that fit."""
        rows = below_each_other(rows)
        composed = [self.composed(row) for row in rows]
        lead = max(extent(each.left) if each.left is not None else 0.0 for each in composed)
        apart = lead > LONG_LEFT
        room = LINE - (2.0 if apart else lead)
        lines: list[str] = []
        above = None
        for row, each in zip(rows, composed, strict=True):
            if each == above:  # both levels may agree
                continue
            above = each
            found = self.lines(each.left, each.rights, room, apart=apart)
            for left, right in found[:-1]:
                lines.append(self.line(left, right, ""))
            lines.append(self.line(*found[-1], row.label))
        body = ",\n  ".join(lines)
        return f"#formulas(\n  {body},\n)"

    def composed(self, row: b.Row) -> Composed:
        """The row in parts; cases that do not fit stand below each other without a brace."""
        composed = self.composer.row(row.formula)
        wide = any(
            y.holds(part, y.Cases) and extent(part) > LINE - 6 for right in composed.rights for part in right.parts
        )
        return self.composer.row(row.formula, apart=True) if wide else composed

    def line(self, left: str, right: str, label: str) -> str:
        """One line: both sides, and its number."""
        number = "[]" if not label else f"number({quoted(label)}, {self.numbers[label]})"
        return f"[{f'${left}$' if left else ''}], fit[${right}$], {number}"

    def lines(self, left: y.Box | None, rights: Sequence[Right], room: float, *, apart: bool) -> list[tuple[str, str]]:
        """Left and right sides of the lines of one formula; a long left side has a line of its own."""
        shown = self.show(left) if left is not None else ""
        if not rights:
            return [("", f"display({shown})")]
        found: list[tuple[str, str]] = [("", f"display({shown})")] if apart and left is not None else []
        for number, right in enumerate(rights):
            opening: list[y.Box] = [y.EQUALS] if left is not None else []
            head = "" if apart or number else f"display({shown})" if shown else ""
            for line in self.filled(opening, right, room):
                found.append((head, line))
                head = ""
        return found

    def filled(self, opening: list[y.Box], right: Right, room: float) -> list[str]:
        """``= parts``, as many parts in a line as fit; parts that do not fit are broken inside."""
        if right.when is not None:
            room -= extent(right.when) + 3
        lines: list[str] = []
        current, used = list(opening), 1.4
        indent = ""
        for number, part in enumerate(right.parts):
            for k, piece in enumerate(pieces_of(part, room - 2.5, extent)):
                size = extent(piece)
                if (number or k) and (used + size > room or (right.stacked and not k)):
                    lines.append(f"{indent}display({self.show(y.spaced(current))})")
                    current, used, indent = [], 2.4, "quad "
                current.append(piece)
                used += size
        when = "" if right.when is None else f" quad {quoted('for ')} {self.show(right.when)}"
        return [*lines, f"{indent}display({self.show(y.spaced(current))}){when}"]

    def table(self, block: b.Table) -> str:
        """A table with its caption above."""
        self.tables += 1
        used = used_columns(block)
        columns = ", ".join("1fr" if block.align[k] == "p" else "auto" for k in used)
        head = ", ".join(f"strong({quoted(block.columns[k])})" for k in used)
        rows = ",\n  ".join(", ".join(f"[{self.cell(row[k])}]" for k in used) for row in block.rows)
        caption = f"#text(fill: hue.C)[*Table {self.tables}.*] {self.spans(block.caption)}"
        return f"#handouttable([{caption}], ({columns},), ({head},),\n  {rows},\n)"

    def cell(self, spans: b.Spans) -> str:
        """A cell; long formulas in it in several lines."""
        return "".join(self.in_cell(span) if isinstance(span, b.Formula) else self.span(span) for span in spans)

    def in_cell(self, formula: b.Formula) -> str:
        box = self.composer.inline(formula)
        pieces = pieces_of(box, CELL, extent)
        return r" \ #h(1em)".join(f"$display({self.show(piece)})$" for piece in pieces)
