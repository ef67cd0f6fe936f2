r"""A document as the verifier sees it: its formulas in order, each with the directives in force at that point.

    read(text, "tex")                 LaTeX
    read(text, "md")                  Markdown: $…$, $$…$$, ```math, HTML comments
    read(text, "ipynb")               a notebook: its Markdown cells; its code stands in ``code``
    open_document("notes.tex")        a file, by its ending; "-" is standard input

Nothing here knows a network: names are resolved later. What cannot be read is a ``Problem`` with its place, and the
rest of the document is still read.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from symbackprop.errors import SpecError
from symbackprop.handwritten import directives_read
from symbackprop.handwritten.directives import DirectiveError, Directives, Net, State
from symbackprop.handwritten.displays import Display, Finder, relates
from symbackprop.handwritten.formula import Formula, Lines, Problem, plain
from symbackprop.handwritten.macros import Expander, Macro, Token
from symbackprop.handwritten.markdown import masked
from symbackprop.handwritten.notebook import Cell, cells, joined
from symbackprop.handwritten.rows import formula_of, pieces
from symbackprop.spec.source import decode, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Cell", "Directives", "Document", "Entry", "Formula", "Problem", "net_path", "open_document", "read"]

Kind = Literal["tex", "md", "ipynb", "py"]
_ENDINGS: dict[str, Kind] = {
    ".tex": "tex",
    ".ltx": "tex",
    ".latex": "tex",
    ".md": "md",
    ".markdown": "md",
    ".mdown": "md",
    ".qmd": "md",
    ".rmd": "md",
    ".ipynb": "ipynb",
    ".py": "py",
}
FORMULAS = 20_000
"""Formulas of a document that are read."""
DIRECTIVES = 5_000
"""Directives of a document that are read."""
PROBLEMS = 1_000
"""Problems after which a document is given up."""
_DOTS = re.compile(r"(?:[&\s~]|\\[;,:!> ]|\\q?quad)*(?:\\(?:v|c|l|d)?dots|\.\.\.|…|⋮)[&\s.,]*")
_CASES = re.compile(r"\\begin\{[dr]?cases\*?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A formula of the document and what the directives before it say.

    ``environment`` is where it stands: ``inline``, ``display`` or a name such as ``align``; entries of one display
    have one ``display`` number, and ``row`` counts them from 0.
    """

    formula: Formula
    directives: Directives
    environment: str = "display"
    display: int = 0
    row: int = 0
    dots_before: bool = False
    r"""True after a row of dots (``\\vdots``), which is no entry itself."""

    @property
    def inline(self) -> bool:
        """True for a formula inside a line of text."""
        return self.environment == "inline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What was read: formulas in order, the network's file as written, and what could not be read."""

    text: str
    path: str
    kind: Kind
    net: str | None
    net_place: tuple[int, int] | None
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    directives: Directives
    """What holds at the end."""
    lines: Lines = field(compare=False, repr=False)
    cells: tuple[Cell, ...] = ()
    """The code cells of a notebook."""


def open_document(path: str | Path) -> Document:
    """The document in a file, or on standard input for ``-``.

    Raises: SpecError where it cannot be read, is longer than 5 MB or not UTF-8, or is no notebook.
    """
    if str(path) == "-":
        text = decode(sys.stdin.buffer.read(5_000_001), "-")
        return read(text, guess(text), path="-")
    text = read_text(Path(path))
    kind = _ENDINGS.get(Path(path).suffix.lower()) or guess(text)
    return read(text, kind, path=str(path))


def guess(text: str) -> Kind:
    r"""The kind of a document without a name: a notebook, LaTeX, else Markdown.

    >>> guess(r"\[ a = b \]"), guess("# Title\n\n$$a = b$$")
    ('tex', 'md')
    """
    if text.lstrip().startswith("{") and '"cells"' in text:
        return "ipynb"
    marks = ("<!-- symbackprop", "```", "\n# ", "\n## ")
    if "\\documentclass" in text or "\\begin{document}" in text:
        return "tex"
    return "md" if text.startswith("#") or any(mark in text for mark in marks) else "tex"


_COMMENT = re.compile(r"^[ \t]*#[ \t]*symbackprop[ \t]*:([^\n]*)", re.MULTILINE | re.IGNORECASE)
"""A directive in a program."""


def read(text: str, kind: Kind = "tex", *, path: str = "") -> Document:
    r"""The formulas and directives of a document.

    >>> document = read("% symbackprop: net = a.toml\n\\begin{align}\na &= b \\\\ &= c \\\\\nd &= e\n\\end{align}\n")
    >>> [(entry.formula.text, entry.formula.line) for entry in document.entries]
    [('a = b  = c', 3), ('d = e', 4)]
    >>> document.net
    'a.toml'

    Raises: SpecError for a notebook that is none.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    code: tuple[Cell, ...] = ()
    source, comments = text, list[Formula]()
    lines = Lines(text)
    if kind == "ipynb":
        found = cells(text, path)
        code = tuple(cell for cell in found if cell.kind == "code")
        text, lines = joined(found)
    if kind in {"md", "ipynb"}:
        source, comments = masked(text, lines)
    if kind == "py":
        said = _COMMENT.finditer(text)
        source, comments = "", [plain(each[1], offset=each.start(1), lines=lines) for each in said]
    return _Reader(text, lines).read(source, comments, kind, path, code)


class _Reader:
    """Goes through a document once and attaches directives to formulas."""

    def __init__(self, text: str, lines: Lines) -> None:
        self.text, self.lines = text, lines
        self.state = State()
        self.problems: list[Problem] = []
        self.entries: list[Entry] = []
        self.net: tuple[str, Formula] | None = None
        self.macros: dict[str, Macro] = {}

    def read(self, source: str, comments: list[Formula], kind: Kind, path: str, code: tuple[Cell, ...]) -> Document:
        expander = Expander(source, self.lines)
        tokens = expander.run()
        self.macros = expander.macros
        finder = Finder(tokens, self.lines)
        items: list[Display | Formula] = [*comments]
        items += (_content(item, self.lines) if isinstance(item, Token) else item for item in finder.run())
        items.sort(key=lambda item: item.span.start)
        self.problems += [*expander.problems, *finder.problems][:PROBLEMS]
        answers = _answers(items)
        said = 0
        for number, item in enumerate(items):
            if len(self.entries) > FORMULAS or said > DIRECTIVES or len(self.problems) > PROBLEMS:
                place = item if isinstance(item, Formula) else plain("", offset=item.span.start, lines=self.lines)
                self._problem(
                    f"more than {FORMULAS} formulas, {DIRECTIVES} directives or {PROBLEMS} problems; the rest "
                    "is not read",
                    place,
                )
                break
            if isinstance(item, Formula):
                said += 1
                self._directive(item)
            elif not item.inline or number in answers or relates(item.tokens):
                self._display(item, number)
        self.problems.sort(key=lambda problem: (problem.line, problem.column))
        return Document(
            text=self.text,
            path=path,
            kind=kind,
            net=self.net[0] if self.net else None,
            net_place=(self.net[1].line, self.net[1].column) if self.net else None,
            entries=tuple(self.entries),
            problems=tuple(self.problems),
            directives=self.state.now,
            lines=self.lines,
            cells=code,
        )

    def _directive(self, formula: Formula) -> None:
        """Let a directive hold, with the document's macros expanded; what cannot be understood is a problem."""
        try:
            found = directives_read.read(self._expanded(formula))
        except DirectiveError as error:
            self._problem(error.message, formula, error)
            return
        for directive in found:
            if isinstance(directive, Net):
                if self.net is not None and self.net[0] != directive.file:
                    self._problem(f"the network of this document is {self.net[0]} already", formula)
                    return
                self.net = (directive.file, formula)
            self.state.apply(directive)

    def _expanded(self, formula: Formula) -> Formula:
        if not self.macros or "\\" not in formula.text:
            return formula
        inner = Expander(formula.text, self.lines, macros=dict(self.macros)).run()
        spans = [formula.part(token.start, token.end) for token in inner]
        tokens = [Token(token.text, span.start, span.end) for token, span in zip(inner, spans, strict=True)]
        return formula_of(tokens, self.lines) or formula

    def _problem(self, message: str, formula: Formula, error: DirectiveError | None = None) -> None:
        line, column = (error.line, error.column) if error is not None else (None, None)
        self.problems.append(
            Problem(message=message, line=line or formula.line, column=column or formula.column, span=formula.span)
        )

    def _display(self, display: Display, number: int) -> None:
        """Add the formulas of a display; one that is ignored as a whole is so in every row."""
        whole, dots = self.state.now.ignore, False
        for row, piece in enumerate(pieces(display, self.lines, self.problems)):
            for token in piece.directives:
                self._directive(_content(token, self.lines))
            if _DOTS.fullmatch(piece.formula.text):
                dots = True
                continue
            taken = self.state.take(has_cases=_CASES.search(piece.formula.text) is not None)
            if whole and not taken.ignore:
                taken = replace(taken, ignore=True)
            self.entries.append(
                Entry(
                    formula=piece.formula,
                    directives=taken,
                    environment=display.kind,
                    display=number,
                    row=row,
                    dots_before=dots,
                )
            )
            dots = False


def _content(token: Token, lines: Lines) -> Formula:
    """What a directive's comment says, after ``symbackprop:``."""
    at = token.text.index(":") + 1
    whole = plain(token.text, offset=token.start, lines=lines)
    return whole.cut(at, len(token.text))


def _answers(items: Sequence[Display | Formula]) -> set[int]:
    """Positions of inline formulas without a relation that a ``claim`` before them is about.

    That is the last one of the paragraph, where it says more than a name and no other formula follows the directive.
    """
    found: set[int] = set()
    waiting, candidate, paragraph = False, -1, -1
    for position, item in enumerate(items):
        if isinstance(item, Formula):
            if candidate >= 0:
                found.add(candidate)
            waiting = re.match(r"(?:claim|accumulate)\b", item.text) is not None
            candidate = paragraph = -1
        elif waiting:
            if candidate >= 0 and item.paragraph != paragraph:
                found.add(candidate)
                waiting, candidate = False, -1
            elif not item.inline or relates(item.tokens):
                waiting, candidate = False, -1
            elif _says_more_than_a_name(item):
                candidate, paragraph = position, item.paragraph
    if candidate >= 0:
        found.add(candidate)
    return found


def _says_more_than_a_name(display: Display) -> bool:
    """True for a formula with several symbols outside scripts and arguments."""
    text = "".join(token.text for token in display.tokens)
    while (shorter := re.sub(r"[_^]\s*(?:\{[^{}]*\}|\\[A-Za-z]+|[^\s{])|\{[^{}]*\}", " ", text)) != text:
        text = shorter
    return len(re.findall(r"\\[A-Za-z]+|[A-Za-z0-9]", text)) > 1


def net_path(document: str, file: str) -> Path:
    """The network file that a document names: a plain relative path below the document's folder, links resolved.

    Raises: SpecError that says which rule the name breaks.
    """
    folder = (Path() if document in {"", "-"} else Path(document).parent).resolve()
    reason = ""
    if "://" in file or re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", file):
        reason = "an address"
    elif file.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", file):
        reason = "an absolute path"
    elif file.startswith("~") or "$" in file or "%" in file:
        reason = "a path with ~ or variables"
    elif "\0" in file or "\\" in file:
        reason = "no plain path"
    if reason:
        message = f"net = {file}: {reason}; a plain relative path below the document's folder is expected"
        raise SpecError(message, source=document or None)
    try:
        path = (folder / file).resolve()
    except (OSError, RuntimeError) as error:
        message = f"net = {file}: cannot be followed: {error}"
        raise SpecError(message, source=document or None) from None
    if not path.is_relative_to(folder):
        message = f"net = {file}: leads out of the document's folder, where networks are not looked for"
        raise SpecError(message, source=document or None)
    return path
