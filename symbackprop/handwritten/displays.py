r"""Where a document's tokens hold mathematics: displays, environments and inline formulas, with the directives between.

A display that is never closed is a problem with its place, and the rest of the document is still read: mathematics
ends at a blank line in TeX, so an unclosed formula ends there too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from symbackprop.handwritten.expression import Span
from symbackprop.handwritten.formula import Lines, Problem

if TYPE_CHECKING:
    from symbackprop.handwritten.macros import Token

ENVIRONMENTS = frozenset(
    (
        "equation",
        "align",
        "alignat",
        "flalign",
        "xalignat",
        "gather",
        "multline",
        "eqnarray",
        "displaymath",
        "math",
        "dmath",
        "dgroup",
        "split",
        "aligned",
        "alignedat",
        "gathered",
        "cases",
        "IEEEeqnarray",
    )
)
"""Environments that hold mathematics on their own, without stars."""
INNER = frozenset(
    (
        "split",
        "aligned",
        "alignedat",
        "gathered",
        "cases",
        "array",
        "matrix",
        "pmatrix",
        "bmatrix",
        "Bmatrix",
        "vmatrix",
        "Vmatrix",
        "smallmatrix",
        "dcases",
        "rcases",
        "multlined",
    )
)
_COLUMNS = frozenset(("alignat", "alignedat", "xalignat", "array", "IEEEeqnarray"))
"""Environments whose first argument says how their columns lie."""
RELATIONS = frozenset(
    (
        r"\approx",
        r"\leftarrow",
        r"\gets",
        r"\longleftarrow",
        r"\Leftarrow",
        r"\coloneqq",
        r"\coloneq",
        r"\colonequals",
        r"\triangleq",
        r"\doteq",
        r"\equiv",
        r"\propto",
        r"\in",
        r"\sim",
        r"\simeq",
        r"\cong",
        r"\eqqcolon",
        r"\stackrel",
        r"\overset",
        r"\mathrel",
    )
)
r"""Commands that relate two sides (``\stackrel`` and its like carry one on top)."""
PLAIN_RELATION = re.compile(r"[=←≈∝≡∈≔]")
_ENDS = {r"\[": r"\]", r"\(": r"\)"}
_LOOKS = 10
"""How often, on average, a token may be looked at in search of a closing mark."""
_OPEN = re.compile(r"\\begin\{(?P<name>[^{}*]*)\*?\}")


@dataclass(frozen=True, slots=True)
class Display:
    """The tokens of one formula or environment; ``kind`` is ``inline``, ``display`` or the environment's name."""

    kind: str
    tokens: tuple[Token, ...]
    span: Span
    paragraph: int

    @property
    def inline(self) -> bool:
        """True for mathematics inside a line of text."""
        return self.kind == "inline"


@dataclass(slots=True)
class Finder:
    """Finds the displays of a document's tokens; ``run`` gives them in order, with the directives as comments."""

    tokens: list[Token]
    lines: Lines
    problems: list[Problem] = field(default_factory=list)
    paragraph: int = 0
    looks: int = 0
    """Tokens looked at in search of closing marks; bounded, so that a file of opening marks takes no time."""

    def run(self) -> list[Display | Token]:
        """Displays and, as tokens, directives, in the order of the document."""
        found: list[Display | Token] = []
        position = self._start(found)
        while position < len(self.tokens):
            token = self.tokens[position]
            text = token.text
            position += 1
            if text.startswith("%"):
                found.append(token)
            elif text == "$":
                position = self._dollars(position - 1, found)
            elif text in _ENDS:
                kind = "display" if text == r"\[" else "inline"
                position = self._closed(position, _ENDS[text], kind, token, found)
            elif text.startswith(r"\begin{"):
                name = _name(text)
                if name in ENVIRONMENTS:
                    position = self._closed(position, text.replace("begin", "end", 1), name, token, found)
            elif text.count("\n") > 1:
                self.paragraph += 1
        return found

    def _start(self, found: list[Display | Token]) -> int:
        """Where the body starts; directives of the preamble count."""
        starts = [k for k, token in enumerate(self.tokens) if token.text == r"\begin{document}"]
        if not starts:
            return 0
        found += (token for token in self.tokens[: starts[0]] if token.text.startswith("%"))
        return starts[0] + 1

    def _add(self, kind: str, inside: list[Token], span: Span, found: list[Display | Token]) -> None:
        if kind.removesuffix("*") in _COLUMNS:
            inside = without_argument(inside)
        if any(token.text.strip() and not token.text.startswith("%") for token in inside):
            found.append(Display(kind, tuple(inside), span, self.paragraph))
        else:
            found += (token for token in inside if token.text.startswith("%"))

    def _dollars(self, position: int, found: list[Display | Token]) -> int:
        first = self.tokens[position]
        double = position + 1 < len(self.tokens) and self.tokens[position + 1].text == "$"
        if double:
            return self._closed(position + 2, "$$", "display", first, found)
        return self._closed(position + 1, "$", "inline", first, found)

    def _closed(self, position: int, closing: str, kind: str, opening: Token, found: list[Display | Token]) -> int:
        """Take the mathematics up to its closing mark, and say where to go on."""
        inner = self._next(position)
        if closing in {"$$", r"\]"} and (name := _name(self._text(inner))) in ENVIRONMENTS - INNER:
            mark = self._text(inner).replace("begin", "end", 1)
            after = self._next(self._closed(inner + 1, mark, name, self.tokens[inner], found))
            shut = "".join(self._text(after + k) for k in range(len(closing) if closing == "$$" else 1))
            return after + len(closing) if shut == closing == "$$" else after + (shut == closing)
        end, width = self._end(position, closing)
        if end is None:
            return self._unclosed(position, closing, opening)
        last = self.tokens[end + width - 1]
        self._add(kind, self.tokens[position:end], Span(opening.start, last.end), found)
        return end + width

    def _text(self, position: int) -> str:
        return self.tokens[position].text if position < len(self.tokens) else ""

    def _next(self, position: int) -> int:
        """The next token that is not blank."""
        while position < len(self.tokens) and not self._text(position).strip():
            position += 1
        return position

    def _end(self, position: int, closing: str) -> tuple[int | None, int]:
        """Index of the closing mark and its number of tokens.

        A dollar inside braces belongs to a text in the formula. If the braces do not balance, the first dollar on the
        way is taken.
        """
        depth = nested = 0
        fallback: int | None = None
        name = closing.replace("end", "begin", 1) if closing.startswith(r"\end{") else None
        for at in range(position, len(self.tokens)):
            text = self.tokens[at].text
            self.looks += 1
            if self.looks > _LOOKS * (len(self.tokens) + 1_000):
                break
            if text == "{":
                depth += 1
            elif text == "}":
                depth -= 1
            elif text == "$" and closing in {"$", "$$"}:
                double = closing == "$$"
                fits = not double or (at + 1 < len(self.tokens) and self.tokens[at + 1].text == "$")
                if fits and depth <= 0:
                    return at, len(closing)
                if fits and fallback is None:
                    fallback = at
            elif text == closing:
                if nested == 0:
                    return at, 1
                nested -= 1
            elif text == name:
                nested += 1
            elif self._stops(text, closing):
                break
        return fallback, len(closing) if closing in {"$", "$$"} else 1

    def _stops(self, text: str, closing: str) -> bool:
        """True where no formula with this closing mark can go on."""
        if closing == "$":
            return text.count("\n") > 1 or text in {r"\[", r"\]"}
        if text in {r"\[", r"\section", r"\subsection", r"\chapter", r"\paragraph"}:
            return True
        opened = _OPEN.fullmatch(text)
        return opened is not None and opened["name"] in ENVIRONMENTS - INNER

    def _unclosed(self, position: int, closing: str, opening: Token) -> int:
        shown = "$$" if closing == "$$" else opening.text
        line, column = self.lines.place(opening.start)
        self.problems.append(
            Problem(
                message=f"{shown} is never closed by {closing}",
                line=line,
                column=column,
                span=Span(opening.start, opening.end),
            )
        )
        while position < len(self.tokens):
            text = self.tokens[position].text
            if text.count("\n") > 1 or text == r"\[" or (text.startswith(r"\begin{") and _name(text) in ENVIRONMENTS):
                break
            position += 1
        return position


def _name(text: str) -> str:
    found = _OPEN.fullmatch(text)
    return found["name"] if found else ""


def without_argument(tokens: list[Token]) -> list[Token]:
    """Tokens without a braced argument at their start, and without a position in square brackets before it."""
    position = 0
    while position < len(tokens) and not tokens[position].text.strip():
        position += 1
    if position < len(tokens) and (found := re.match(r"\s*\[[a-z]*\]$", tokens[position].text)):
        position += bool(found)
    if position >= len(tokens) or tokens[position].text != "{":
        return tokens
    depth = 0
    for at in range(position, len(tokens)):
        depth += (tokens[at].text == "{") - (tokens[at].text == "}")
        if depth == 0:
            return tokens[at + 1 :]
    return tokens


def has_relation(tokens: list[Token] | tuple[Token, ...]) -> bool:
    """True where a relation stands outside braces and pictures, not in a limit or a script."""
    depth, drawn = 0, False
    for token in tokens:
        text = token.text
        drawn = (drawn or text == r"\tikz") and ";" not in text
        if drawn:
            continue
        if text in {"{", "}"}:
            depth += 1 if text == "{" else -1
        elif depth <= 0 and (text in RELATIONS or (not text.startswith(("\\", "%")) and PLAIN_RELATION.search(text))):
            return True
    return False


def relates(tokens: list[Token] | tuple[Token, ...]) -> bool:
    r"""True where a relation has two sides: ``$a = b$``, and not ``$\approx$``."""
    shown = [token for token in tokens if token.text.strip() and not token.text.startswith("%")]
    if not shown or not has_relation(shown):
        return False
    first, last = shown[0].text.strip(), shown[-1].text.strip()
    starts = first in RELATIONS - {r"\stackrel", r"\overset", r"\mathrel"} or PLAIN_RELATION.match(first)
    return not starts and last not in RELATIONS and not PLAIN_RELATION.match(last[-1])
