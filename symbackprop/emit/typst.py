"""A handout as a Typst document, for a PDF on machines without TeX: ``pdf(write(document, printer))``.

Text stands in strings, so none of its characters mean anything. Displays are broken where a line may end, by the widths
that the LaTeX writer uses, and set smaller where something still does not fit, which Typst measures itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.document import blocks as b
from symbackprop.emit import layout as y
from symbackprop.emit.breaking import pieces_of
from symbackprop.emit.compose import Composer, terms_of
from symbackprop.emit.drawing_typst import typst
from symbackprop.emit.environment import environment
from symbackprop.emit.measure import extent
from symbackprop.emit.target_typst import quoted
from symbackprop.emit.targets import TARGETS
from symbackprop.emit.writer import (
    BROAD,
    SMALL,
    STAY,
    Writer,
    announces,
    below_each_other,
    columns_of,
    plain,
    used_columns,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.emit.compose import Composed, Right
    from symbackprop.emit.mathtext import Printer

LINE = 35.5
"""Room for a displayed formula beside its number, in em."""
CELL = 17.0
"""Formulas in tables wider than this are broken."""
PAPERS = {"a4": ("a4", 24.0), "letter": ("us-letter", 26.95)}
"""Papers by Typst's names, and the margin in mm that leaves the text as wide as on the others."""
CODE = (6.4, 7.6)
"""Sizes of programs, in points, from that in which the longest line fits to the one that is large enough."""
CODE_WIDTH = 745.0
"""Width of a program's lines in points, in characters of one point."""
SMALLEST = 0.83
"""Displays are set so small where that spares breaking."""
LONG_LEFT = 12.0
"""Left sides wider than this stand on a line of their own."""


def write(document: b.Document, printer: Printer) -> str:
    """The document as the text of a Typst file; ``printer`` writes Typst."""
    writer = _Writer(printer)
    writer.number(document.blocks)
    body = writer.blocks(document.blocks)
    return (
        environment("typst")
        .get_template("handout.typ.j2")
        .render(
            title=quoted(plain(document.title)),
            subtitle=quoted(plain(document.subtitle)),
            kicker=quoted("  /  ".join(map(plain, document.kicker))) if document.kicker else "",
            author=quoted(plain(document.author)),
            paper=quoted(PAPERS[document.paper][0]),
            margin=PAPERS[document.paper][1],
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
        return self.math(box)

    def math(self, *boxes: y.Box, before: str = "", display: bool = False) -> str:
        """A formula with words for readers who cannot see it."""
        shown = " ".join(f"display({self.show(box)})" if display else self.show(box) for box in boxes)
        words = " ".join(TARGETS["unicode"].show(box) for box in boxes)
        return f"#formula({quoted(words)}, ${before}{shown}$);"

    # -- blocks --------------------------------------------------------------------------------------------------------

    def blocks(self, blocks: Sequence[b.Block]) -> str:
        """Blocks below each other; what announces the next one stays on its page."""
        return "\n\n".join(
            f"#keep[\n{self.block(block)}\n]"
            if isinstance(block, b.Paragraph) and announces(block)
            else self.block(block)
            for block in blocks
        )

    def heading(self, level: int, text: b.Spans) -> str:
        return f"#heading(level: {level})[{self.spans(text)}]"

    def paragraph(self, lead: str, spans: b.Spans) -> str:
        head = f"#strong({quoted(lead)});#h(.5em)" if lead else ""
        function = "broad" if self.widest(spans) > BROAD else "words"
        text = f"#{function}[{head}{self.spans(spans)}]"
        return text if spans else f"#keep[{text}]"

    def items(self, items: Sequence[b.Spans]) -> str:
        return "#items(" + ", ".join(f"[{self.spans(item)}]" for item in items) + ")"

    def key_box(self, title: str, blocks: Sequence[b.Block]) -> str:
        inner = self.blocks(blocks)
        return f"#keybox({quoted(title)})[\n{inner}\n]"

    def listing(self, text: str, language: str) -> str:
        longest = max(map(len, text.splitlines()), default=1)
        size = min(CODE[1], max(CODE[0], int(10 * CODE_WIDTH / max(longest, 1)) / 10))
        return f"#listing({quoted(text.rstrip())}, {quoted(language)}, {size}pt)"

    def note(self, title: str, spans: b.Spans) -> str:
        return f"#aside({quoted(title)})[{self.spans(spans)}]"

    def exercise(self, number: int, exercise: b.Exercise) -> str:
        points = f"{exercise.points} point{'' if exercise.points == 1 else 's'}" if exercise.points else ""
        inner = self.blocks(exercise.blocks)
        hint = f"\n\n#hint[{self.spans(exercise.hint)}]" if exercise.hint else ""
        return f"#exercise({number}, {quoted(exercise.title)}, {quoted(points)})[\n{inner}{hint}\n]"

    def solution(self, number: int, blocks: Sequence[b.Block]) -> str:
        inner = self.blocks(blocks)
        return f"#solution({number})[\n{inner}\n]"

    def new_page(self) -> str:
        return "#newpage()"

    def columns(self, block: b.Columns) -> str:
        """Columns side by side where each is a display and has room beside the others."""
        sides = self.side_by_side(block)
        heads = "".join(f"[], [#strong({quoted(head)})], " for head in block.heads)
        return (sides and self.abreast(sides, [], f"({heads}[])")) or super().columns(block)

    def display(self, rows: Sequence[b.Row]) -> str:
        """Rows aligned at their equals signs, broken into lines that fit."""
        return self.pairs(rows) or self.paths(rows) or self.formulas(below_each_other(rows))

    def formulas(self, rows: Sequence[b.Row]) -> str:
        """Rows below each other."""
        composed = [self.composed(row) for row in rows]
        lead = max(_extent(each.left) for each in composed)
        apart = lead > LONG_LEFT
        room = LINE - (2.0 if apart else lead)
        lines: list[str] = []
        above = None
        for row, each in zip(rows, composed, strict=True):
            if each == above:  # both levels may agree
                continue
            above = each
            found = self.lines(each.left, each.rights, room, apart=apart)
            lines += [self.line(left, right, "", keep=len(found) <= STAY) for left, right in found[:-1]]
            lines.append(self.line(*found[-1], row.label, keep=False))
        return _call("formulas", lines)

    def pairs(self, rows: Sequence[b.Row]) -> str:
        """Rows of two formulas side by side; nothing where there are none, or no room."""
        if not any(row.beside for row in rows):
            return ""
        both = [[self.composed(b.Row(f)) for f in (row.formula, row.beside) if f is not None] for row in rows]
        sides = [each[:1] if each[0] == each[-1] else each for each in both]  # both levels may agree
        if any(len(each.rights) > 1 or y.holds(each.rights[0].box, y.Cases) for side in sides for each in side):
            return ""
        return self.abreast(sides, [row.label for row in rows])

    def abreast(self, sides: Sequence[Sequence[Composed | None]], labels: Sequence[str], heads: str = "") -> str:
        """Lines of formulas in two aligned columns under their heads; nothing where there is no room."""
        found = columns_of(sides)
        wide = sum(max(_extent(e.left) for e in each) + max(extent(e.rights[0].box) for e in each) for each in found)
        if wide + 6 > LINE / SMALLEST:
            return ""
        lines = [heads] if heads else []
        for side, label in zip(sides, labels or [""] * len(sides), strict=True):
            cells: list[str] = []
            for each in side:
                cells += (
                    ["[]", "[]"] if each is None else self.sides(each.left, y.spaced([y.EQUALS, each.rights[0].box]))
                )
            lines.append(f"({', '.join([*cells, *['[]'] * (4 - len(cells))])}, {self.tag(label)})")
        return _call("pairs", lines)

    def paths(self, rows: Sequence[b.Row]) -> str:
        """A sum of products with a line for each, their factors in columns; nothing where it is none, or no room."""
        composed = [self.composed(row) for row in rows]
        found = terms_of(composed[0]) if len(rows) == 1 else None
        if found is None:
            return ""
        count = max(len(factors) for _, factors in found)
        columns = [[factors[k] for _, factors in found if len(factors) > k] for k in range(count)]
        if _extent(composed[0].left) + 4 + sum(max(map(extent, column)) + 0.6 for column in columns) > LINE / SMALLEST:
            return ""
        lines = []
        for k, (signs, factors) in enumerate(found):
            cells = self.sides(None if k else composed[0].left, y.spaced(signs if k else [y.EQUALS, *signs]))
            cells += [f"[{self.math(factor, display=True)}]" for factor in factors]
            cells += ["[]"] * (count + 2 - len(cells))
            lines.append(f"({', '.join(cells)}, {self.tag('' if k else rows[0].label)})")
        return _call("paths", lines)

    def sides(self, left: y.Box | None, right: y.Box) -> list[str]:
        """Both sides of a formula as cells."""
        return [
            f"[{self.math(left, display=True)}]" if left is not None else "[]",
            f"[{self.math(right, display=True)}]",
        ]

    def tag(self, label: str) -> str:
        """The number of a display."""
        return "[]" if not label else f"number({quoted(label)}, {self.numbers[label]})"

    def composed(self, row: b.Row) -> Composed:
        """The row in parts; cases that do not fit stand below each other without a brace."""
        composed = self.composer.row(row.formula)
        wide = any(
            y.holds(part, y.Cases) and extent(part) > LINE - 6 for right in composed.rights for part in right.parts
        )
        return self.composer.row(row.formula, apart=True) if wide else composed

    def line(self, left: y.Box | None, right: str, label: str, *, keep: bool) -> str:
        """One line: both sides, its number, and whether the next line stays with it."""
        shown = f"[{self.math(left, display=True)}]" if left is not None else "[]"
        return f"({shown}, [{right}], {self.tag(label)}, {str(keep).lower()})"

    def lines(
        self, left: y.Box | None, rights: Sequence[Right], room: float, *, apart: bool
    ) -> list[tuple[y.Box | None, str]]:
        """Left and right sides of the lines of one formula; a long left side has a line of its own."""
        if not rights:
            return [(None, self.math(left, display=True))] if left is not None else []
        found: list[tuple[y.Box | None, str]] = []
        if apart and left is not None:
            found.append((None, self.math(left, display=True)))
        for number, right in enumerate(rights):
            opening: list[y.Box] = [y.EQUALS] if left is not None else []
            head = None if apart or number else left
            for line in self.filled(opening, right, room):
                found.append((head, line))
                head = None
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
                    lines.append(self.math(y.spaced(current), before=indent, display=True))
                    current, used, indent = [], 2.4, "" if right.separate else "quad "
                current.append(piece)
                used += size
        when = "" if right.when is None else f"#h(1em);for {self.math(right.when)}"
        return [*lines, self.math(y.spaced(current), before=indent, display=True) + when]

    def table(self, block: b.Table) -> str:
        """A table with its caption above."""
        self.tables += 1
        used = used_columns(block)
        letters = self.letters(block, used)
        columns = ", ".join("1fr" if letter == "p" else "auto" for letter in letters)
        head = ", ".join(f"[{self.head(block.columns[k])}]" for k in used)
        align = ", ".join("right" if block.align[k] == "r" else "left" for k in used)
        rows = ",\n  ".join(", ".join(f"[{self.cell(row[k])}]" for k in used) for row in block.rows)
        caption = f"#text(fill: hue.C)[*Table {self.tables}.*] {self.spans(block.caption)}"
        whole = str(len(block.rows) <= SMALL).lower()
        return f"#handouttable([{caption}], ({columns},), ({align},), ({head},), {whole},\n  {rows},\n)"

    def head(self, column: str | b.Spans) -> str:
        """The head of a column; the letter of a kind stands above its formula."""
        if isinstance(column, str):
            return f"#strong({quoted(column)})"
        lines = [column[:1], column[1:]] if isinstance(column[0], b.Chip) else [column]
        return r" \ ".join(map(self.cell, lines))

    def cell(self, spans: b.Spans) -> str:
        """A cell; long formulas in it in several lines."""
        return "".join(self.in_cell(span) if isinstance(span, b.Formula) else self.span(span) for span in spans)

    def in_cell(self, formula: b.Formula) -> str:
        box = self.composer.inline(formula)
        pieces = pieces_of(box, CELL, extent)
        return r" \ #h(1em)".join(self.math(piece, display=True) for piece in pieces)


def _extent(box: y.Box | None) -> float:
    """About how wide a side is, in em; nothing for none."""
    return extent(box) if box is not None else 0.0


def _call(function: str, arguments: Sequence[str]) -> str:
    """A call with an argument a line."""
    return f"#{function}(\n  {(',' + chr(10) + '  ').join(arguments)},\n)"
