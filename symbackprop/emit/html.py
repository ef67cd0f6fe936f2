"""A handout as one HTML file: MathML that browsers set by themselves, no script, nothing loaded from elsewhere.

Displayed formulas are cut where a line may end, and the pieces flow like words, so they fit every screen. What cannot
be cut is set smaller, by its estimated width. Hovering over a symbol, or focusing it, shows at the foot of the window
what it means: rules of the style sheet alone.
"""

from __future__ import annotations

import base64
from importlib import resources
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from symbackprop.document import blocks as b
from symbackprop.emit import layout as y
from symbackprop.emit.breaking import pieces_of, sums_of
from symbackprop.emit.compose import Composer
from symbackprop.emit.drawing_svg import svg
from symbackprop.emit.environment import environment
from symbackprop.emit.measure import extent as width
from symbackprop.emit.target_mathml import class_of
from symbackprop.emit.targets import TARGETS
from symbackprop.emit.writer import Writer, below_each_other, plain, used_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.emit.compose import Composed, Right
    from symbackprop.emit.mathtext import Printer

PHONE = 14.0
"""Pieces of formulas wider than this, in em, are cut between factors too."""
PAGE = 44.0
"""Tables wider than this, in em, have their rows as blocks of lines on every screen."""
PAPERS = {"a4": "A4", "letter": "letter"}
"""Papers by their names in style sheets."""
FONTS = ("math", "regular", "italic", "bold")
_PARTS = {
    1: (Markup("<section>\n{}\n"), Markup("</section>\n")),
    2: (Markup("<details open><summary>{}</summary>\n"), Markup("</details>\n")),
}
"""What opens and closes a section, and a part of one."""


def write(document: b.Document, printer: Printer, *, language: str = "en") -> str:
    """The document as the text of an HTML file; ``printer`` writes MathML."""
    writer = _Writer(printer)
    writer.number(document.blocks)
    body = writer.blocks(document.blocks)
    return (
        environment("html")
        .get_template("handout.html.j2")
        .render(
            title=plain(document.title),
            subtitle=plain(document.subtitle),
            kicker=[plain(text) for text in document.kicker],
            author=plain(document.author),
            paper=PAPERS[document.paper],
            language=language,
            body=body,
            legend=writer.legend(document.blocks),
            fonts={name: _font(name) for name in FONTS},
        )
    )


def _font(name: str) -> str:
    """A font of the package, for a data address."""
    data = (resources.files("symbackprop") / "fonts" / f"pagella-{name}.woff2").read_bytes()
    return base64.b64encode(data).decode("ascii")


class _Writer(Writer):
    """Blocks to markup."""

    def __init__(self, printer: Printer) -> None:
        super().__init__(Composer(printer))
        self.tables = self.sections = 0

    # -- sections ------------------------------------------------------------------------------------------------------

    def blocks(self, blocks: Sequence[b.Block]) -> Markup:
        """Sections, and within them parts that fold away."""
        out, closing = Markup(""), {1: Markup(""), 2: Markup("")}
        for block in blocks:
            if isinstance(block, b.Heading):
                for level in (2, 1)[: 3 - block.level]:
                    out += closing[level]
                    closing[level] = Markup("")
                opening, closing[block.level] = _PARTS[block.level]
                out += opening.format(self.heading(block.level, block.text))
            else:
                out += self.block(block) + Markup("\n")
        return out + closing[2] + closing[1]

    def heading(self, level: int, text: b.Spans) -> Markup:
        if level > 1:
            return Markup("<h3>{}</h3>").format(self.spans(text))
        self.sections += 1
        return Markup('<h2><span class="n">{}</span>{}</h2>').format(self.sections, self.spans(text))

    def paragraph(self, lead: str, spans: b.Spans) -> Markup:
        head = Markup('<strong class="lead">{}</strong> ').format(lead) if lead else Markup("")
        return Markup("<p>{}{}</p>").format(head, self.spans(spans))

    def items(self, items: Sequence[b.Spans]) -> Markup:
        return Markup("<ul>\n{}\n</ul>").format(
            Markup("\n").join(Markup("<li>{}</li>").format(self.spans(item)) for item in items)
        )

    def key_box(self, title: str, blocks: Sequence[b.Block]) -> Markup:
        inner = Markup("\n").join(self.block(each) for each in blocks)
        return Markup('<aside class="key" aria-label="{}">\n<p class="title">{}</p>\n{}\n</aside>').format(
            title, title, inner
        )

    def note(self, title: str, spans: b.Spans) -> Markup:
        return Markup('<aside class="note"><p><strong>{}</strong> {}</p></aside>').format(title, self.spans(spans))

    def exercise(self, number: int, exercise: b.Exercise) -> Markup:
        points = f"{exercise.points} point{'' if exercise.points == 1 else 's'}" if exercise.points else ""
        inner = Markup("\n").join(self.block(each) for each in exercise.blocks)
        hint = (
            Markup("<details><summary>Hint</summary><p>{}</p></details>\n").format(self.spans(exercise.hint))
            if exercise.hint
            else Markup("")
        )
        return Markup(
            '<div class="exercise" id="exercise-{}">\n<p class="head"><span class="n">{}</span> <strong>{}</strong> '
            '<span class="points">{}</span></p>\n{}\n{}</div>'
        ).format(number, number, exercise.title, points, inner, hint)

    def solution(self, number: int, blocks: Sequence[b.Block]) -> Markup:
        inner = Markup("\n").join(self.block(each) for each in blocks)
        summary = Markup('<summary>Exercise <a href="#exercise-{}">{}</a></summary>').format(number, number)
        return Markup('<details class="solution">\n{}\n{}\n</details>').format(summary, inner)

    def new_page(self) -> Markup:
        return Markup('<div class="newpage"></div>')

    def listing(self, text: str, language: str) -> Markup:
        return Markup('<pre tabindex="0"><code class="language-{}">{}</code></pre>').format(language, text.rstrip())

    # -- text ----------------------------------------------------------------------------------------------------------

    def spans(self, spans: b.Spans) -> Markup:
        return Markup("").join(self.span(span) for span in spans)

    def text(self, text: str) -> Markup:
        return escape(plain(text))

    def code(self, text: str) -> Markup:
        return Markup("<code>{}</code>").format(text)

    def strong(self, text: str) -> Markup:
        return Markup("<strong>{}</strong>").format(text)

    def see(self, label: str) -> Markup:
        if label not in self.numbers:
            return Markup("the forward pass")
        return Markup('<a href="#{}">({})</a>').format(label, self.numbers[label])

    def see_figure(self, label: str) -> Markup:
        return Markup('<a href="#{}">Figure {}</a>').format(label, self.figures[label])

    def figure(self, block: b.Figure) -> Markup:
        picture = Markup(svg(block.drawing, self.composer, block.alt))  # noqa: S704 - words are escaped there
        caption = Markup('<b class="hue">Figure {}.</b> {}').format(
            self.figures[block.label], self.spans(block.caption)
        )
        return Markup('<figure id="{}">\n{}\n<figcaption>{}</figcaption>\n</figure>').format(
            block.label, picture, caption
        )

    def chip(self, letter: str) -> Markup:
        return Markup('<span class="chip hue{}">{}</span>').format(letter, letter)

    def formula(self, box: y.Box) -> Markup:
        """A formula in a line of text; one that is long is cut where a line may end."""
        return Markup(" ").join(self.math(piece) for piece in self.cut(box))

    # -- formulas ------------------------------------------------------------------------------------------------------

    def math(self, box: y.Box, *, display: bool = False) -> Markup:
        """One piece; with its estimated width where a phone would not have the room."""
        style = ' displaystyle="true"' if display else ""
        wide = width(box)
        if wide > PHONE:
            style += f' style="--w:{wide:.0f}"'
        return Markup(f"<math{style}>{self.show(box)}</math>")  # noqa: S704 - the target escapes

    def cut(self, box: y.Box) -> list[y.Box]:
        """Pieces of a formula between which a line may end."""
        if width(box) <= PHONE:
            return [box]
        return [piece for part in sums_of(box) for piece in pieces_of(part, PHONE, width)]

    def display(self, rows: Sequence[b.Row]) -> Markup:
        """Formulas below each other, aligned at their equals signs where there is room."""
        out: list[Markup] = []
        above = None
        for row in below_each_other(rows):
            composed = self.composed(row)
            if composed == above:  # both levels may agree
                continue
            above = composed
            out.append(self.row(row, composed))
        return Markup('<div class="display">\n{}\n</div>').format(Markup("\n").join(out))

    def composed(self, row: b.Row) -> Composed:
        """The row in parts; cases with long values stand below each other without a brace."""
        composed = self.composer.row(row.formula)
        long = any(
            y.holds(part, y.Cases) and width(part) > 2 * PHONE for right in composed.rights for part in right.parts
        )
        return self.composer.row(row.formula, apart=True) if long else composed

    def row(self, row: b.Row, composed: Composed) -> Markup:
        left = Markup("") if composed.left is None else self.math(composed.left, display=True)
        number = Markup("")
        if row.label:
            number = Markup('<a class="number" id="{}" href="#{}">({})</a>').format(
                row.label, row.label, self.numbers[row.label]
            )
        rights = composed.rights or ()
        lines = [
            self.right(right, equals=composed.left is not None, left=left if not k else Markup(""))
            for k, right in enumerate(rights)
        ]
        if not lines:
            lines = [Markup('<div class="line"><span class="right">{}</span>').format(left)]
        ends = [*([Markup("</div>")] * (len(lines) - 1)), number + Markup("</div>")]
        return Markup("\n").join(line + end for line, end in zip(lines, ends, strict=True))

    def right(self, right: Right, *, equals: bool, left: Markup) -> Markup:
        """One line from its equals sign on, as pieces that flow; it is closed by who knows its number."""
        parts: list[Markup] = []
        for k, part in enumerate(right.parts):
            first, *rest = self.cut(part)
            if equals and not k:
                first = y.spaced([y.EQUALS, first])
            pieces = Markup(" ").join(self.math(piece, display=True) for piece in (first, *rest))
            kind = "part" if right.stacked else "whole" if right.separate else ""
            parts.append(Markup('<span class="{}">{}</span>').format(kind, pieces) if kind else pieces)
        when = Markup("")
        if right.when is not None:
            when = Markup(' <span class="when">for {}</span>').format(self.math(right.when))
        body = Markup(" ").join(parts) + when
        return Markup('<div class="line"><span class="left">{}</span><span class="right">{}</span>').format(left, body)

    # -- tables --------------------------------------------------------------------------------------------------------

    def table(self, block: b.Table) -> Markup:
        """A table whose rows become blocks of lines on a phone, each with its column's name."""
        self.tables += 1
        used = used_columns(block)
        wide = (
            sum(max(map(self.extent, [_spans(block.columns[k]), *(row[k] for row in block.rows)])) for k in used) > PAGE
        )
        kind = [Markup(' class="right"') if block.align[k] == "r" else Markup("") for k in range(len(block.columns))]
        head = Markup("").join(
            Markup('<th scope="col"{}>{}</th>').format(kind[k], self.head(block.columns[k])) for k in used
        )
        rows = Markup("\n").join(
            Markup("<tr>{}</tr>").format(
                Markup("").join(
                    Markup('<td data-label="{}"{}>{}</td>').format(
                        self.label(block.columns[k]), kind[k], self.spans(row[k])
                    )
                    for k in used
                )
            )
            for row in block.rows
        )
        caption = Markup('<b class="hue">Table {}.</b> {}').format(self.tables, self.spans(block.caption))
        return Markup(
            "<table{}>\n<caption>{}</caption>\n<thead><tr>{}</tr></thead>\n<tbody>\n{}\n</tbody>\n</table>"
        ).format(Markup(' class="stacked"') if wide else Markup(""), caption, head, rows)

    def label(self, column: str | b.Spans) -> str:
        """The name of a column where its head cannot stand: words, the letter of the kind, or a formula as text."""
        if isinstance(column, str):
            return column
        chips = "".join(b.KINDS.get(span.kind, "F") for span in column if isinstance(span, b.Chip))
        formulas = [self.composer.inline(span) for span in column if isinstance(span, b.Formula)]
        return chips or " ".join(map(TARGETS["unicode"].show, formulas))

    def head(self, column: str | b.Spans) -> Markup:
        """The head of a column; the letter of a kind stands above its formula."""
        if isinstance(column, str):
            return escape(column)
        lines = [column[:1], column[1:]] if isinstance(column[0], b.Chip) else [column]
        return Markup("<br>").join(map(self.spans, lines))

    def extent(self, spans: b.Spans) -> float:
        """About how wide a cell is, in em."""
        return sum(
            width(self.composer.inline(span))
            if isinstance(span, b.Formula)
            else 0.5 * len(str(getattr(span, "text", span)))
            for span in spans
        )

    def legend(self, blocks: Sequence[b.Block]) -> list[tuple[str, Markup]]:
        """Each symbol of the notation table with what is said of it there: its class, and a line of text."""
        found: list[tuple[str, Markup]] = []
        table = next((block for block in blocks if isinstance(block, b.Table) and block.label == "symbols"), None)
        for row in table.rows if table is not None else ():
            symbol = row[0][0]
            if not isinstance(symbol, b.Whole):
                continue
            said = [self.spans(cell) for cell in (row[0], row[1], row[3]) if cell]
            code = Markup(", in the code {}").format(self.spans(row[4])) if row[4] else Markup("")
            found.append((class_of(symbol.tensor), Markup(" · ").join(said) + code))
        return found


def _spans(column: str | b.Spans) -> b.Spans:
    """The head of a column as running text."""
    return (column,) if isinstance(column, str) else column
