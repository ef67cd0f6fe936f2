r"""A formula of a document with the place of every character: what the reader reads and diagnostics point into.

``text`` is LaTeX with macros expanded and comments gone; each of its characters knows the range of the document that
it came from, so that a part of it can be shown, or replaced, in what the author wrote.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from functools import cached_property

from symbackprop.handwritten.expression import Span


class Lines:
    r"""Line and column, from 1, of the places of a text.

    >>> Lines("ab\ncd").place(4)
    (2, 2)
    """

    def __init__(self, text: str) -> None:
        self.length = len(text)
        self._text = text

    @cached_property
    def _starts(self) -> list[int]:
        return [0] + [match.end() for match in re.finditer("\n", self._text)]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of the character at ``offset``; the end of the text is a place too."""
        offset = max(0, min(offset, self.length))
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """LaTeX with its places; ``starts`` and ``ends`` hold the range of the document behind every character.

    Characters from a macro's body have the range of the whole call.
    """

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    line: int
    column: int
    span: Span
    lines: Lines = field(compare=False, repr=False)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where in the document each character starts."""
        return self.starts

    def part(self, start: int, end: int) -> Span:
        """The range of the document behind ``text[start:end]``; an empty part has an empty range."""
        if start >= end or start >= len(self.text):
            at = self.starts[start] if start < len(self.text) else self.span.end
            return Span(at, at)
        return Span(min(self.starts[start:end]), max(self.ends[start:end]))

    def place(self, index: int) -> tuple[int, int]:
        """Line and column in the document of character ``index`` of the text."""
        return self.lines.place(self.starts[index] if index < len(self.text) else self.span.end)

    def inserted(self, at: int, text: str) -> Formula:
        """The formula with a text put in before a character; the new characters have that character's place."""
        start, end = (self.starts[at], self.ends[at]) if at < len(self.text) else (self.span.end, self.span.end)
        count = len(text)
        return replace(
            self,
            text=self.text[:at] + text + self.text[at:],
            starts=(*self.starts[:at], *(start,) * count, *self.starts[at:]),
            ends=(*self.ends[:at], *(end,) * count, *self.ends[at:]),
        )

    def cut(self, start: int, end: int) -> Formula:
        """The formula that ``text[start:end]`` is, without the blanks around it."""
        while start < end and self.text[start].isspace():
            start += 1
        while end > start and self.text[end - 1].isspace():
            end -= 1
        line, column = self.place(start)
        return Formula(
            text=self.text[start:end],
            starts=self.starts[start:end],
            ends=self.ends[start:end],
            line=line,
            column=column,
            span=self.part(start, end),
            lines=self.lines,
        )


def plain(text: str, *, offset: int = 0, lines: Lines | None = None) -> Formula:
    r"""A text as a formula that starts at ``offset`` of its document, which is the text itself where none is given.

    >>> formula = plain(r"a = \sigma(z)")
    >>> formula.part(4, 10), formula.place(4)
    (Span(start=4, end=10), (1, 5))
    """
    lines = lines or Lines(text)
    line, column = lines.place(offset)
    return Formula(
        text=text,
        starts=tuple(range(offset, offset + len(text))),
        ends=tuple(range(offset + 1, offset + 1 + len(text))),
        line=line,
        column=column,
        span=Span(offset, offset + len(text)),
        lines=lines,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in a document that could not be read, with its place."""

    message: str
    line: int
    column: int
    span: Span = field(default=Span(0, 0), compare=False)
