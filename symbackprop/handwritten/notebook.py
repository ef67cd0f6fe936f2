"""Notebooks: the sources of their cells, with the line of the file that each line of a cell stands in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from symbackprop.errors import SpecError
from symbackprop.handwritten.formula import Lines

_GAP = "\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A Markdown or code cell; ``lines`` holds the file's line of each of its lines, ``number`` counts from 1."""

    kind: str
    text: str
    lines: tuple[int, ...]
    number: int


class CellLines(Lines):
    """Places of the joined cells as lines of the notebook file; columns are those of the cell's line."""

    def __init__(self, text: str, numbers: list[int]) -> None:
        super().__init__(text)
        self.numbers = numbers

    def place(self, offset: int) -> tuple[int, int]:
        line, column = super().place(offset)
        return self.numbers[min(line, len(self.numbers)) - 1], column


def cells(text: str, source: str = "") -> tuple[Cell, ...]:
    """The cells of a notebook in order.

    Raises: SpecError where the text is not a notebook's JSON.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        message = f"not a notebook: {getattr(error, 'msg', 'nested too deeply')}"
        raise SpecError(message, source=source or None, line=line) from None
    listed = data.get("cells") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        message = "not a notebook: it has no list of cells"
        raise SpecError(message, source=source or None)
    starts = Lines(text)
    found: list[Cell] = []
    at = 0
    for number, cell in enumerate(listed, 1):
        content = _source(cell)
        if content is None:
            continue
        written = cell["source"] if isinstance(cell["source"], list) else [content]
        places: list[int] = []
        for piece in map(str, written):
            at, line = _find(text, piece, at, starts)
            places += [line] * max(1, piece.count("\n") + (not piece.endswith("\n")))
        found.append(Cell(kind=str(cell.get("cell_type")), text=content, lines=tuple(places), number=number))
    return tuple(found)


def _source(cell: Any) -> str | None:
    """The text of a cell, a list of lines or one string."""
    if not isinstance(cell, dict):
        return None
    source = cell.get("source")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        return "".join(source)
    return source if isinstance(source, str) else None


def _find(text: str, piece: str, at: int, lines: Lines) -> tuple[int, int]:
    """Where a string of the notebook stands in its file, looked for after ``at``: the end, and the line."""
    for ascii_only in (True, False):
        written = json.dumps(piece, ensure_ascii=ascii_only)
        position = text.find(written, at)
        if position >= 0:
            return position + len(written), lines.place(position)[0]
    return at, lines.place(at)[0]


def joined(found: tuple[Cell, ...]) -> tuple[str, CellLines]:
    """The Markdown cells as one text with an empty line between, and its places in the file."""
    parts: list[str] = []
    numbers: list[int] = []
    for cell in found:
        if cell.kind != "markdown":
            continue
        parts.append(cell.text + _GAP)
        width = (cell.text + _GAP).count("\n")
        known = [*cell.lines, *[cell.lines[-1] if cell.lines else 1] * width]
        numbers += known[:width]
    text = "".join(parts)
    return text, CellLines(text, numbers or [1])
