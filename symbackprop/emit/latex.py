"""A handout as a LaTeX document: blocks become markup, lines are broken by a writer that measures.

``write(document, printer)`` gives the text of a complete article that pdflatex sets without overfull lines. Raw text
cannot slip in: markup is of type ``Latex``, made here or by ``escape``, and the template refuses everything else.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from symbackprop.document import blocks as b
from symbackprop.emit import layout as y
from symbackprop.emit.aligned import AlignedWriter, Line, width
from symbackprop.emit.breaking import pieces_of
from symbackprop.emit.compose import Composed, Composer, terms_of
from symbackprop.emit.drawing_tikz import tikz
from symbackprop.emit.environment import environment
from symbackprop.emit.measure import width as width_of
from symbackprop.emit.writer import BROAD, STAY, announces, columns_of, lines_of, plain, used_columns
from symbackprop.notation.glyph import GREEK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jinja2 import Environment

    from symbackprop.emit.mathtext import Printer

LINE = 37.0
"""Room for a displayed formula, in em: the text's width less the indentation and the number."""
CELL = 19.0
"""Formulas in tables wider than this are broken."""
FACTOR = 0.6
"""Room that a tint takes around its factor."""
GOES_ON = r" \\ &\quad "
"""Between the lines of a formula that is broken in a table."""
CODE = (7.4, 8.4)
"""Sizes of programs, in points, from that in which the longest line fits to the one that is large enough."""
CODE_WIDTH = 860.0
"""Width of a program's lines in points, in characters of one point."""


_DEFINED = re.compile(r"^\\new(?:command|environment|tcolorbox|savebox)\{\\?([A-Za-z]+)\}", re.MULTILINE)


class Latex(str):
    """Markup: text that is LaTeX already."""

    __slots__ = ()

    def __add__(self, other: str) -> Latex:
        if not isinstance(other, Latex):
            message = "only markup can be added to markup; escape text first"
            raise TypeError(message)
        return Latex(str.__add__(self, other))

    def join(self, parts: Iterable[str]) -> Latex:
        """Markup joined by markup."""
        found = list(parts)
        if not all(isinstance(part, Latex) for part in found):
            message = "only markup can be joined to markup; escape text first"
            raise TypeError(message)
        return Latex(str.join(self, found))


_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": "'",
    "`": r"\textasciigrave{}",
    "-": "-{}",
    "…": r"\dots{}",
    "∂": r"$\partial$",
    "Σ": r"$\Sigma$",
    "×": r"$\times$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "·": r"$\cdot$",
    "ℓ": r"$\ell$",
    "′": r"$'$",
    "→": r"$\to$",
    "∞": r"$\infty$",
    "⋯": r"$\cdots$",
    "—": "---",
    "–": "--",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "\u00a0": "~",
    "ᵀ": r"$^{\mathsf T}$",
}
_LATIN = range(0xA1, 0x180)


def escape(text: str) -> Latex:
    r"""Text as markup that prints it: special characters lose their meaning, unknown ones print as their code point.

    >>> print(escape("50% of x_1 \\input{a}"))
    50\% of x\_1 \textbackslash{}input\{a\}
    """
    return Latex("".join(map(_escaped, text)))


def _escaped(char: str) -> str:
    if char in _SPECIAL:
        return _SPECIAL[char]
    greek = unicodedata.name(char, "").removeprefix("GREEK SMALL LETTER ").lower()
    if greek in GREEK:
        return rf"$\{greek}$"
    if char.isascii():
        return char if char.isprintable() else " "
    if ord(char) in _LATIN:
        return char
    return rf"{{\ttfamily U+{ord(char):04X}}}"


def write(document: b.Document, printer: Printer) -> str:
    """The document as the text of a LaTeX file."""
    body = LatexWriter(printer).blocks(document.blocks)
    paper = Latex(document.paper)
    return markup("handout.tex.j2", **front(document), source=identifier(document.source), paper=paper, body=body)


def write_fragment(document: b.Document, printer: Printer) -> str:
    """The document without a preamble, for another one to input: its definitions and labels are its own."""
    source = identifier(document.source)
    names = [Latex(name) for name in sorted(_DEFINED.findall(_source("macros.tex.j2") + _source("fragment.tex.j2")))]
    body = LatexWriter(printer, prefix=f"{source}:").blocks(document.blocks)
    return markup("fragment.tex.j2", **front(document), source=source, names=names, body=body)


def _source(template: str) -> str:
    """The text of a template."""
    loader = _environment().loader
    return loader.get_source(_environment(), template)[0] if loader is not None else ""


def markup(template: str, **parts: Any) -> str:
    """A template filled with markup."""
    text = _environment().get_template(template).render(**parts)
    return text if text.endswith("\n") else text + "\n"


def front(document: b.Document) -> dict[str, Latex]:
    """What stands at the top of a handout, and what a viewer says of its file."""
    return {
        "title": escape(document.title),
        "subtitle": escape(document.subtitle),
        "kicker": Latex(r"\enspace/\enspace ").join(map(escape, document.kicker)),
        "pdf_title": _in_bookmark(document.title),
        "pdf_author": _in_bookmark(document.author),
    }


def _in_bookmark(text: str) -> Latex:
    """Text for the properties of a PDF, which hold characters alone."""
    return Latex("".join(_escaped(c) if c.isascii() else rf"\unichar{{{ord(c)}}}" for c in plain(text)))


def identifier(name: str) -> Latex:
    """A network's name for a comment."""
    return Latex("".join(c for c in name if c.isalnum() or c == "_"))


def _environment() -> Environment:
    """The templates' environment; what is not markup is refused."""
    return environment("latex").overlay(finalize=_markup_only)


def _markup_only(value: Any) -> Any:
    if not isinstance(value, Latex):
        message = f"{value!r} is not markup"
        raise TypeError(message)
    return value


# ---------------------------------------------------------------------------------------------------------------------


class LatexComposer(Composer):
    """Formulas as boxes for a page."""

    def named_group(self, box: y.Box, name: y.Box) -> y.Box:
        """A group with its name under a brace, where both fit on a line."""
        return box if width(box) > LINE * 0.6 else y.Braced(box, name)


class LatexWriter(AlignedWriter):
    """Blocks to markup."""

    room: ClassVar[float] = LINE
    sizes: ClassVar[Sequence[tuple[str, float]]] = (("", 1.0), (r"\small", 0.92), (r"\footnotesize", 0.83))

    def __init__(self, printer: Printer, prefix: str = "") -> None:
        super().__init__(LatexComposer(printer))
        self.prefix = prefix
        self.labels: set[str] = set()

    def blocks(self, blocks: Sequence[b.Block], *, boxed: bool = False, headed: bool = False) -> Latex:
        """Blocks below each other; labels that nothing defines are not referred to.

        Before what must not be the last thing of a page stands how many lines it needs; nothing in a box does, nor the
        first block below a head that needs them too.
        """
        self.labels |= {block.label for block in blocks if isinstance(block, b.Table)}
        self.number(blocks)
        self.labels |= set(self.numbers)
        out = Latex("")
        for k, block in enumerate(blocks):
            out += Latex("" if not k else "\n" if _glued(blocks[k - 1], block) else "\n\n")
            announced = announces(blocks[k - 1]) if k else headed
            if announces(block) and not (boxed or announced):
                out += Latex(f"\\Needspace{{{lines_of(blocks[k:])}\\baselineskip}}\n")
            out += self.block(block)
        return out

    def heading(self, level: int, text: b.Spans) -> Latex:
        return Latex(rf"\{'section' if level == 1 else 'subsection'}{{{self.spans(text)}}}")

    def paragraph(self, lead: str, spans: b.Spans) -> Latex:
        if not spans:
            return Latex(rf"\lead{{{escape(lead)}}}")
        text = Latex(rf"\lead{{{escape(lead)}}}" if lead else "") + self.spans(spans)
        return Latex(rf"\broad{{{text}}}") if self.widest(spans) > BROAD else text

    def items(self, items: Sequence[b.Spans]) -> Latex:
        lines = [Latex(rf"\item {self.spans(item)}") for item in items]
        return Latex("\n").join([Latex(r"\begin{goals}"), *lines, Latex(r"\end{goals}")])

    def key_box(self, title: str, blocks: Sequence[b.Block]) -> Latex:
        inner = self.blocks(blocks, boxed=True)
        opening = Latex("\\raised\n") if inner.startswith((r"\begin{align", r"{\sized")) else Latex("")
        return Latex(f"\\begin{{keybox}}{{{escape(title)}}}\n{opening}{inner}\n\\end{{keybox}}")

    def columns(self, block: b.Columns) -> Latex:
        """Columns side by side where each is a display and has room beside the others; a page may end between rows."""
        sides = self.side_by_side(block)
        heads = "& ".join(rf"& \text{{\bfseries {escape(head)}}} " for head in block.heads)
        abreast = self.abreast(sides, [], heads) if sides is not None else None
        if abreast is not None:
            return abreast
        below = [(b.Paragraph((), lead=head), *column) for head, column in zip(block.heads, block.columns, strict=True)]
        return self.blocks(list(chain.from_iterable(below)), boxed=True)

    def listing(self, text: str, language: str) -> Latex:
        return listing(text, language)

    def note(self, title: str, spans: b.Spans) -> Latex:
        return Latex(rf"\aside{{{escape(title)}}}{{{self.spans(spans)}}}")

    def exercise(self, number: int, exercise: b.Exercise) -> Latex:
        points = escape(f"{exercise.points} point{'' if exercise.points == 1 else 's'}" if exercise.points else "")
        hint = Latex(rf"\hint{{{self.spans(exercise.hint)}}}") if exercise.hint else Latex("")
        needed = Latex(max(lines_of(exercise.blocks) + 1, 4))
        head = Latex(rf"\begin{{exercise}}{{{number}}}{{{escape(exercise.title)}}}{{{points}}}{{{needed}}}")
        return Latex("\n").join([head, self.blocks(exercise.blocks, headed=True) + hint, Latex(r"\end{exercise}")])

    def solution(self, number: int, blocks: Sequence[b.Block]) -> Latex:
        return Latex(f"\\begin{{solution}}{{{number}}}\n{self.blocks(blocks, boxed=True)}\n\\end{{solution}}")

    def new_page(self) -> Latex:
        return Latex(r"\clearpage")

    def directive(self, spans: Sequence[str | b.Formula]) -> Latex:
        """A comment line; formulas in it as on the page, words as they are."""
        text = "".join(span if isinstance(span, str) else self.show(self.composer.inline(span)) for span in spans)
        return Latex(f"% symbackprop: {text}")

    # -- text ----------------------------------------------------------------------------------------------------------

    def spans(self, spans: b.Spans) -> Latex:
        """Running text; formulas in it may break at nothing but the spaces around them."""
        return Latex("").join(self.span(span) for span in spans)

    def text(self, text: str) -> Latex:
        return escape(text)

    def code(self, text: str) -> Latex:
        return Latex(rf"\code{{{_breakable(text)}}}")

    def strong(self, text: str) -> Latex:
        return Latex(rf"\textbf{{{escape(text)}}}")

    def see(self, label: str) -> Latex:
        return Latex(rf"\eqref{{{self.prefix}eq:{label}}}" if label in self.labels else "the forward pass")

    def anchor(self, label: str) -> str:
        """What stands at a numbered formula so that text can refer to it."""
        return rf" \label{{{self.prefix}eq:{label}}}"

    def see_figure(self, label: str) -> Latex:
        return Latex(rf"Figure~\ref{{{self.prefix}fig:{label}}}")

    def figure(self, block: b.Figure) -> Latex:
        """A drawing, set smaller where the text is not as wide."""
        picture = tikz(block.drawing, self.composer, escape)
        caption = self.spans(block.caption)
        head = rf"\begin{{handoutfigure}}{{{caption}}}{{{self.prefix}fig:{block.label}}}"
        return Latex(f"{head}\n{picture}\n\\end{{handoutfigure}}")

    def chip(self, letter: str) -> Latex:
        return Latex(rf"\chip{{{letter}}}")

    def formula(self, box: y.Box) -> Latex:
        return Latex(f"${self.show(box)}$")

    # -- displays ------------------------------------------------------------------------------------------------------

    def display(self, rows: Sequence[b.Row]) -> Latex:
        """Rows aligned at their equals signs; set smaller where that spares breaking, broken into lines that fit."""
        special = self.pairs(rows) or self.paths(rows)
        if special is not None:
            return special
        size, arranged = self.arranged(rows)
        lines: list[str] = []
        for row, shown in arranged:
            stay = "*" if len(shown) <= STAY else ""
            lines += [rf"{line} \notag \\{stay}" for line in shown[:-1]]
            lines.append(shown[-1] + (self.anchor(row.label) if row.label else r" \notag") + r" \\")
        return _aligned("align", "\n".join(lines), size, numbered=any(row.label for row in rows))

    def fitted(self, line: Line, lead: float, room: float) -> str:
        return line.fitted(lead, room)

    def pairs(self, rows: Sequence[b.Row]) -> Latex | None:
        """Rows of two formulas side by side, in aligned columns; None where there are none, or no room."""
        if not any(row.beside for row in rows):
            return None
        both = [[self.composed(b.Row(f)) for f in (row.formula, row.beside) if f is not None] for row in rows]
        sides = [each[:1] if each[0] == each[-1] else each for each in both]  # both levels may agree
        if any(len(each.rights) > 1 or y.holds(each.rights[0].box, y.Cases) for side in sides for each in side):
            return None
        return self.abreast(sides, [row.label for row in rows])

    def abreast(
        self, sides: Sequence[Sequence[Composed | None]], labels: Sequence[str], heads: str = ""
    ) -> Latex | None:
        """Lines of formulas side by side, in aligned columns under their heads; None where there is no room."""
        found = columns_of(sides)
        wide = sum(max(width(e.left) for e in each) + max(width(e.rights[0].box) for e in each) for each in found)
        size = next((size for size, scale in self.sizes if wide + 3 * len(found) < LINE / scale), None)
        if size is None:
            return None
        lines = [rf"{heads}\notag"] if heads else []
        for side, label in zip(sides, labels or [""] * len(sides), strict=True):
            cells = ["&" if each is None else self.equation(each) for each in side]
            lines.append(" & ".join(cells) + (self.anchor(label) if label else r" \notag"))
        return _aligned("align", " \\\\\n".join(lines), size, numbered=any(labels))

    def equation(self, composed: Composed) -> str:
        """A formula of one equals sign with its alignment mark."""
        left = self.show(composed.left) if composed.left is not None else ""
        return f"{left} &= {self.show(composed.rights[0].box)}"

    def paths(self, rows: Sequence[b.Row]) -> Latex | None:
        """A sum of products with a line for each, their factors in columns; None where it is none, or has no room."""
        composed = [self.composed(row) for row in rows]
        found = terms_of(composed[0]) if len(rows) == 1 else None
        if found is None:
            return None
        count = max(len(factors) for _, factors in found)
        columns = [[factors[k] for _, factors in found if len(factors) > k] for k in range(count)]
        wide = width(composed[0].left) + 4 + sum(max(map(width, column)) + FACTOR for column in columns)
        size = next((size for size, scale in self.sizes if wide < LINE / scale), None)
        if size is None:
            return None
        lines = []
        for k, (signs, factors) in enumerate(found):
            left = "" if k or composed[0].left is None else self.show(composed[0].left)
            cells = [y.spaced(signs if k else [y.EQUALS, *signs]), *factors]
            lines.append(f"{left} & {' && '.join(self.step(k + 1, self.show(cell)) for cell in cells)}" + r" \notag")
        body = " \\\\*\n".join(lines)
        if rows[0].label:
            body = body.replace(r" \notag", self.anchor(rows[0].label), 1)
        return _aligned("alignat", body, size, numbered=bool(rows[0].label), argument=f"{{{count + 1}}}")

    def step(self, number: int, text: str) -> str:
        """A cell of the line of a number in a sum of paths; on a page all are there at once."""
        del number
        return text

    # -- tables --------------------------------------------------------------------------------------------------------

    def table(self, block: b.Table) -> Latex:
        """A table with its caption above; TeX breaks long ones over pages and sets wide ones smaller."""
        used = used_columns(block)
        head = " & ".join(self.head(block.columns[k]) for k in used)
        columns = [[self.cell(row[k]) for row in block.rows] for k in used]
        align = _alignment(self.letters(block, used), columns)
        lines = [" & ".join(cells) + r" \\" for cells in zip(*columns, strict=True)]
        for k in {0, len(lines) - 2} & set(range(len(lines) - 1)):  # neither the first row nor the last stands alone
            lines[k] += "*"
        rows = "\n".join(lines)
        arguments = f"{{{self.spans(block.caption)}}}{{{len(used)}}}{{{align}}}{{{head}}}"
        return Latex(f"\\begin{{handouttable}}{arguments}\n{rows}\n\\end{{handouttable}}")

    def head(self, column: str | b.Spans) -> str:
        """The head of a column; the letter of a kind stands above its formula."""
        if isinstance(column, str):
            return rf"\textbf{{{escape(column)}}}"
        lines = [column[:1], column[1:]] if isinstance(column[0], b.Chip) else [column]
        return "\\stacked{" + r" \\ ".join(map(self.cell, lines)) + "}"

    def cell(self, spans: b.Spans) -> str:
        """A cell on one line; formulas in display style where they hold fractions."""
        return "".join(self.in_cell(span) if isinstance(span, b.Formula) else self.span(span) for span in spans)

    def in_cell(self, formula: b.Formula) -> str:
        """A formula of a cell, with room above and below where it is tall."""
        box = self.composer.inline(formula)
        if width(box) > CELL:
            rows = GOES_ON.join(map(self.show, pieces_of(box, CELL, width)))
            return rf"\tall{{\begin{{aligned}} &{rows} \end{{aligned}}}}"
        return rf"\tall{{{self.show(box)}}}" if y.holds(box, y.Frac, y.Summation, y.Cases) else f"${self.show(box)}$"


def _glued(above: b.Block, below: b.Block) -> bool:
    """True where no blank line may stand between two blocks, since a display belongs to the paragraph before it."""
    return isinstance(above, b.Paragraph | b.Directive) and isinstance(below, b.Display | b.Directive)


def _alignment(align: Sequence[str], columns: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; running text (p) takes what is left where that is too much."""
    widths = [max(map(_cell_width, cells)) for cells in columns]
    text = [k for k, letter in enumerate(align) if letter == "p"]
    if not text or sum(widths) <= LINE:
        return "".join("l" if letter == "p" else letter for letter in align)
    left = max(0.25, 0.92 - sum(w for k, w in enumerate(widths) if k not in text) / (LINE + 4)) / len(text)
    paragraph = rf">{{\RaggedRight\arraybackslash}}p{{{left:.2f}\linewidth}}"
    return "".join(paragraph if letter == "p" else letter for letter in align)


def _cell_width(cell: str) -> float:
    """About how wide a cell is, in em."""
    formulas = re.findall(r"\$([^$]*)\$|\\tall\{(.*?)\}(?= |$)", cell)
    words = re.sub(r"\$[^$]*\$|\\tall\{.*?\}(?= |$)", "", cell)
    return 0.45 * len(words) + sum(max(map(width_of, (a or b).split(GOES_ON))) for a, b in formulas)


def _aligned(environment: str, body: str, size: str, *, numbered: bool, argument: str = "") -> Latex:
    """An environment of displayed formulas, in a size of its own where it has one."""
    name = environment if numbered else f"{environment}*"
    text = f"\\begin{{{name}}}{argument}\n{body.removesuffix(' ' + chr(92) * 2)}\n\\end{{{name}}}"
    return Latex(f"{{\\sized{{{size}}}\n{text}\n}}" if size else text)


def _breakable(text: str) -> Latex:
    """A name in a program, which may be broken after underscores and brackets."""
    return Latex("".join(_escaped(c) + (r"\allowbreak{}" if c in "_.,([" else "") for c in text))


def listing(text: str, language: str) -> Latex:
    """A program, verbatim; names of the environment and of the escape to markup are such that the text has neither."""
    name, opening, closing = "program", "(*@", "@*)"
    while rf"\end{{{name}}}" in text:
        name += "x"
    while opening in text or closing in text:
        opening, closing = opening + "@", "@" + closing
    shown = "".join(c if c.isascii() else f"{opening}{_escaped(c)}{closing}" for c in text.rstrip())
    longest = max(map(len, text.splitlines()), default=0)
    size = min(CODE[1], max(CODE[0], int(10 * CODE_WIDTH / max(longest, 1)) / 10))
    define = rf"\newprogram{{{name}}}{{{language}}}{{{opening}}}{{{closing}}}{{{size}}}"
    return Latex(f"{{{define}\n\\begin{{{name}}}\n{shown}\n\\end{{{name}}}\n}}")
