"""A handout as slides: a LaTeX document for beamer, with as much on each frame as fits.

``write(document, printer)`` takes the tree of the handout. Of prose it keeps the sentences that open a formula, a table
or a picture; the table of symbols and the solutions stay in the handout. Heights are estimated before TeX sees
them; what is higher than a frame goes on in the next one, and rows of paths appear one by one.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

from symbackprop.document import blocks as b
from symbackprop.emit.latex import Latex, LatexWriter, escape, front, identifier, markup
from symbackprop.emit.measure import extent, height
from symbackprop.emit.writer import used_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from symbackprop.emit.mathtext import Printer

B = TypeVar("B", bound=b.Block)

HEIGHT = 14.7
"""Lines of text on a frame, below its title."""
LINE = 39.0
"""Width of running text, in em."""
LETTER = 0.48
"""Width of a letter of running text, in em."""
SLACK = 1.1
"""How much more than fits may stand on a frame, which TeX then sets smaller."""
CODE_LINE = 0.8
"""Height of a line of a program, in lines of text."""
FOOTER = 70
"""Letters of a title at the foot."""
_SENTENCE = re.compile(r"[.:?](?=\s|$)")


def write(document: b.Document, printer: Printer) -> str:
    """The document as the text of a LaTeX file for beamer."""
    writer = SlidesWriter(printer)
    body = Latex("\n\n").join(writer.frames(document.blocks))
    parts = {
        "body": body,
        "question": writer.question(document.blocks),
        "footer": writer.footer(document),
        "count": Latex(len(writer.made) + 1),
    }
    return markup("slides.tex.j2", **front(document), source=identifier(document.source), **parts)


@dataclass(slots=True)
class Frame:
    """A frame that is being filled: its title, what it belongs to, and the lines that are taken."""

    title: Latex
    topic: Latex
    parts: list[Latex] = field(default_factory=list)
    used: float = 0.0

    @property
    def text(self) -> Latex:
        """The frame as markup."""
        head = Latex(rf"\begin{{frame}}[fragile]{{{self.title}}}{{{self.topic}}}")
        return Latex("\n").join(
            [
                head,
                Latex(r"\begin{onframe}"),
                Latex("\n\n").join(self.parts),
                Latex(r"\end{onframe}"),
                Latex(r"\end{frame}"),
            ]
        )


class SlidesWriter(LatexWriter):
    """Blocks to frames."""

    room: ClassVar[float] = 35.0

    def __init__(self, printer: Printer) -> None:
        super().__init__(printer)
        self.made: list[Frame] = []
        self.title = self.topic = Latex("")
        self.fresh = True

    def frames(self, blocks: Sequence[b.Block]) -> list[Latex]:
        """All frames, before them what a program that reads the page back has to know."""
        told, shown = chosen(blocks)
        self.number(shown)
        waiting: list[b.Block] = []
        for block in shown:
            if isinstance(block, b.Heading):
                waiting = []
                self.begin(self.spans(block.text), block.level)
            elif isinstance(block, b.Exercise):
                self.exercises += 1
                lead = b.Paragraph((), f"{self.exercises}. {block.title}")
                self.place([lead], self.pieces(b.KeyBox("", block.blocks)))
            elif isinstance(block, b.Paragraph | b.Directive):
                waiting.append(block)
            else:
                self.place(waiting, self.pieces(block))
                waiting = []
        return [self.blocks(told, boxed=True), *(frame.text for frame in self.made)]

    def question(self, blocks: Sequence[b.Block]) -> Latex:
        """The first sentence of the handout, for the first frame."""
        first = next((block for block in blocks if isinstance(block, b.Paragraph)), None)
        return self.spans(first_sentence(first.spans)) if first is not None else Latex("")

    def footer(self, document: b.Document) -> Latex:
        """A title that fits at the foot of each frame."""
        title = document.title
        return escape(title if len(title) <= FOOTER else title[: FOOTER - 1].rstrip() + "…")

    def begin(self, title: Latex, level: int) -> None:
        """The next block opens a frame with this title; below a section it stands in the corner."""
        if level == 1:
            self.topic = title
        self.title, self.fresh = title, True

    def place(self, opening: Sequence[b.Block], pieces: Sequence[b.Block]) -> None:
        """Pieces of a block on the frame, the first with the words that open it, or on the next one."""
        for group in led(opening, pieces):
            lines = sum(map(self.lines_of, group))
            full = not self.made or self.made[-1].used + lines > HEIGHT * SLACK
            if self.fresh or full:
                topic = self.topic if self.title != self.topic else Latex("")
                self.made.append(Frame(self.title, topic))
                self.fresh = False
            self.made[-1].parts.append(self.blocks(group, boxed=True))
            self.made[-1].used += lines

    # -- what fits -----------------------------------------------------------------------------------------------------

    def pieces(self, block: b.Block) -> list[b.Block]:
        """A block in parts that are no higher than a frame, where it can be taken apart."""
        match block:
            case b.Display(rows=rows):
                forms = [b.Display((part,)) for row in rows for part in self.apart(row)]
                return [
                    b.Display(tuple(r for d in group for r in d.rows)) for group in self.shared_out(forms, slack=1.0)
                ]
            case b.Table(rows=rows):
                single = [replace(block, rows=(row,)) for row in rows]
                groups = self.shared_out(single, 3.5)
                return [replace(block, rows=tuple(r for table in group for r in table.rows)) for group in groups]
            case b.Listing(text=text):
                lines = [replace(block, text=line) for line in text.rstrip().splitlines()]
                pages = self.shared_out(lines, 2.0, 1.0)
                return [replace(block, text="\n".join(line.text for line in page).strip("\n")) for page in pages]
            case b.KeyBox(title=title, blocks=inner):
                parts: list[b.Block] = []
                for *opening, last in opened(inner):
                    for group in led(opening, self.pieces(last)):
                        parts += group
                return [b.KeyBox(title, tuple(group)) for group in self.shared_out(parts)]
            case b.Columns(columns=columns, heads=heads):
                if self.lines_of(block) <= HEIGHT:
                    return [block]
                named = zip(heads, columns, strict=True)
                return [
                    each
                    for head, column in named
                    for each in (b.Paragraph((), head), *(piece for part in column for piece in self.pieces(part)))
                ]
        return [block]

    def shared_out(self, parts: Sequence[B], taken: float = 2.0, slack: float = SLACK) -> list[list[B]]:
        """Parts one after the other on as few frames as hold them, about as much on each; ``taken`` lines are in use.

        Words stay with what they open.
        """
        room = (HEIGHT - taken) * slack
        heights = [(group, sum(map(self.inner, group))) for group in opened(parts)]
        least = max(1, math.ceil(sum(lines for _, lines in heights) / room))
        for count in range(least, len(heights) + 1):
            found = _evenly(heights, count)
            if all(sum(map(self.inner, group)) <= room for group in found):
                return found
        return [group for group, _ in heights]

    def apart(self, row: b.Row) -> list[b.Row]:
        """The forms of a formula in rows of their own, where all together are higher than a frame."""
        match row.formula:
            case b.Rewritten(equations=equations):
                forms: list[b.Formula] = [b.Indexed(each) for each in equations]
            case b.Several(parts=parts):
                forms = [b.Several((part,)) for part in parts]
            case _:
                return [row]
        if self.inner(b.Display((row,))) + 1.5 <= HEIGHT:
            return [row]
        *first, last = forms
        return [*(replace(row, formula=each, label="") for each in first), replace(row, formula=last)]

    def lines_of(self, block: b.Block) -> float:
        """About how many lines of text a block takes, with the space around it."""
        match block:
            case b.Paragraph(spans=spans, lead=lead):
                return 1.2 * math.ceil((self.width_of(spans) + LETTER * len(lead)) / LINE) + 0.6
            case b.Directive():
                return 0.0
            case b.Columns(columns=columns):
                taken = [sum(map(self.lines_of, column)) for column in columns]
                beside = "minipage" in super().columns(block)
                return 1.8 + (max(taken) if beside else sum(taken))
            case b.KeyBox(title=title, blocks=inner):
                return (2.0 if title else 0.4) + sum(map(self.lines_of, inner))
            case b.Figure():
                return HEIGHT
            case b.Table(columns=heads):
                return self.inner(block) + 2.4 if any(heads) else self.inner(block)
        return self.inner(block) + 1.0

    def inner(self, block: b.Block) -> float:
        """The lines of a block without the space around it."""
        match block:
            case b.Display(rows=rows):
                _, arranged = self.arranged(rows)
                return sum(height(line) for _, lines in arranged for line in lines)
            case b.Table(rows=rows):
                used = used_columns(block)
                return sum(max(self.cell_height(row[k]) for k in used) for row in rows)
            case b.Listing(text=text):
                return CODE_LINE * (text.count("\n") + 1)
            case b.Items(items=items):
                return sum(self.lines_of(b.Paragraph(item)) for item in items)
        return self.lines_of(block)

    def cell_height(self, spans: b.Spans) -> float:
        """The lines of a cell."""
        cells = [self.in_cell(span) for span in spans if isinstance(span, b.Formula)]
        return 0.95 * max((height(cell) for cell in cells), default=1.5) + 0.3

    def width_of(self, spans: b.Spans) -> float:
        """About how wide running text would be on one line, in em."""
        return sum(
            extent(self.composer.inline(span))
            if isinstance(span, b.Formula)
            else LETTER * len(str(getattr(span, "text", span)))
            for span in spans
        )

    # -- how it looks --------------------------------------------------------------------------------------------------

    def key_box(self, title: str, blocks: Sequence[b.Block]) -> Latex:
        """What is set apart; without a title, only kept together."""
        return super().key_box(title, blocks) if title else self.blocks(blocks, boxed=True)

    def step(self, number: int, text: str) -> str:
        """What appears with the path of a number; the first is there at once."""
        return rf"\uncover<{number}->{{{text}}}" if number > 1 else text

    def see(self, label: str) -> Latex:
        """The number itself, so that TeX need not run twice."""
        return Latex(f"({self.numbers[label]})" if label in self.numbers else "the forward pass")

    def anchor(self, label: str) -> str:
        del label
        return ""

    def see_figure(self, label: str) -> Latex:
        del label
        return Latex("the figure")


def chosen(blocks: Sequence[b.Block]) -> tuple[list[b.Block], list[b.Block]]:
    """What stands before the first frame, and what is shown: formulas, tables, pictures and what opens them."""
    told: list[b.Block] = []
    shown: list[b.Block] = []
    for heading, section in sections(blocks):
        symbols = any(isinstance(block, b.Table) and block.label == "symbols" for block in section)
        if heading is None or symbols:
            told += [block for block in section if isinstance(block, b.Directive)]
            continue
        shown.append(heading)
        for k, block in enumerate(section):
            if isinstance(block, b.Paragraph):
                following = next((each for each in section[k + 1 :] if not isinstance(each, b.Directive)), None)
                opens = isinstance(following, b.Display | b.Table | b.Listing | b.KeyBox | b.Columns)
                shown += [b.Paragraph(first_sentence(block.spans), block.lead)] if opens else []
            elif not isinstance(block, b.Note | b.Solution | b.NewPage | b.Items):
                shown.append(block)
    return told, shown


def _evenly(heights: Sequence[tuple[list[B], float]], count: int) -> list[list[B]]:
    """Groups with their heights, one after the other, on no more than so many frames, about as much on each."""
    share = max(sum(lines for _, lines in heights) / count, 0.1)
    found: list[list[B]] = [[] for _ in range(count)]
    total = 0.0
    for group, lines in heights:
        found[min(count - 1, int((total + lines / 2) / share))] += group
        total += lines
    return [group for group in found if group]


def opened(parts: Sequence[B]) -> Iterator[list[B]]:
    """Blocks, each with the words before it."""
    group: list[B] = []
    for part in parts:
        group.append(part)
        if not isinstance(part, b.Paragraph | b.Directive):
            yield group
            group = []
    if group:
        yield group


def led(opening: Sequence[b.Block], pieces: Sequence[b.Block]) -> Iterator[list[b.Block]]:
    """Pieces of a block: before the first what opens it, before each what a program has to know of it."""
    told = [each for each in opening if isinstance(each, b.Directive)]
    for k, piece in enumerate(pieces):
        yield [*(told if k else opening), piece]


def sections(blocks: Sequence[b.Block]) -> Iterator[tuple[b.Heading | None, list[b.Block]]]:
    """Sections with their headings; what stands before the first has none."""
    heading: b.Heading | None = None
    section: list[b.Block] = []
    for block in blocks:
        if isinstance(block, b.Heading) and block.level == 1:
            yield heading, section
            heading, section = block, []
        else:
            section.append(block)
    yield heading, section


def first_sentence(spans: b.Spans) -> b.Spans:
    """Running text up to the end of its first sentence.

    >>> first_sentence(("One. Two", b.Code("x")))
    ('One.',)
    """
    found: list[b.Span] = []
    for span in spans:
        end = _SENTENCE.search(span) if isinstance(span, str) else None
        if end is not None:
            return (*found, span[: end.end()])  # type: ignore[index]  # a string
        found.append(span)
    return tuple(found)
