"""The text of a network file: read it, decode it, parse its TOML, and say where in it something stands.

``read_text`` reads regular files only and refuses other encodings than UTF-8 by name; ``Source`` maps places in
the ``forward`` text to lines and columns of the file, so that every error points into what the author wrote.
"""

from __future__ import annotations

import ast
import codecs
import os
import re
import stat
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from symbackprop.errors import ShapeError, SpecError
from symbackprop.spec import limits

if TYPE_CHECKING:
    from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_TOML_PLACE = re.compile(
    r"^(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$", re.DOTALL
)
_FORWARD_KEY = re.compile(r"""^[ \t]*(?:forward|"forward"|'forward')[ \t]*=[ \t]*("{3}|'{3}|"|')""", re.MULTILINE)
_TABLE_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
_PLACED = (ast.expr, ast.stmt, ast.keyword)
_ESCAPE = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


def read_text(path: Path) -> str:
    """The text of a regular file of at most 5 MB in UTF-8, with plain line ends.

    Raises: SpecError where there is no such file, it is no regular file, too long, or in another encoding.
    """
    name = str(path)
    try:
        # Opened without blocking: a pipe or a device must be refused, not waited for.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        message = f"cannot be read: {reason}"
        raise SpecError(message, source=name) from None
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        message = f"is {kind}; only regular files are read"
        raise SpecError(message, source=name)
    with os.fdopen(handle, "rb") as file:
        data = file.read(limits.FILE_BYTES + 1)
    return decode(data, name)


def decode(data: bytes, source: str) -> str:
    """UTF-8 with or without byte order mark, any line ends; other encodings are refused by name."""
    if len(data) > limits.FILE_BYTES:
        message = f"is longer than the limit of {limits.FILE_BYTES // 10**6} MB"
        raise SpecError(message, source=source)
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            message = f"is in {encoding}; save it as UTF-8"
            raise SpecError(message, source=source)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{data[error.start]:02x} is not UTF-8 (Latin-1 or Windows-1252?); save the file as UTF-8"
        raise SpecError(message, source=source, line=line) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(slots=True)
class Source:
    """A network file's text and name; ``forward`` positions are found by ``locate_forward``."""

    name: str
    text: str = ""
    places: list[tuple[int, int]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    """For every line of the forward text, where in ``places`` it starts."""

    def parse(self) -> dict[str, Any]:
        """The TOML document as plain data.

        Raises: SpecError with the line of a TOML error.
        """
        try:
            data = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            found = _TOML_PLACE.match(str(error))
            what = found["what"] if found else str(error)
            line = int(found["line"]) if found and found["line"] else None
            column = int(found["column"]) if found and found["column"] else None
            if found and line is None:
                line = self.text.count("\n") + 1
            message = f"not TOML: {what[:1].lower()}{what[1:]}"
            raise SpecError(message, source=self.name, line=line, column=column) from None
        except (RecursionError, ValueError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else "a number has too many digits"
            message = f"not TOML that can be read: {reason}"
            raise SpecError(message, source=self.name) from None
        if isinstance(data.get("forward"), str):
            self.locate_forward(data["forward"])
        return data

    def locate_forward(self, value: str) -> None:
        """Find where each character of the forward text stands in the file."""
        header = _TABLE_HEADER.search(self.text)
        end = header.start() if header else len(self.text)
        for match in _FORWARD_KEY.finditer(self.text):
            if match.start() > end and not _inside(self.text, match.start()):
                break
            decoded, places = _walk_string(self.text, match.end(), match[1])
            if decoded == value:
                self.places = places
                break
        else:
            return
        self.starts = [0] + [k + 1 for k, c in enumerate(value) if c == "\n"]

    def place(self, line: int, column: int) -> tuple[int | None, int | None]:
        """Line and column in the file, from 1, of a place in the forward text (line from 1, column from 0)."""
        if not self.starts:
            return line, column + 1
        position = min(self.starts[min(line, len(self.starts)) - 1] + column, len(self.places) - 1)
        return self.places[position] if position >= 0 else (None, None)

    def error(self, message: str, node: ast.AST | None = None, *, shape: bool = False) -> SpecError:
        """An error at a node of the forward text."""
        line, column = None, None
        if isinstance(node, _PLACED):
            line, column = self.place(node.lineno, node.col_offset)
        kind = ShapeError if shape else SpecError
        return kind(message, source=self.name or None, line=line, column=column)

    def line_of(self, node: ast.AST) -> int | None:
        """Line in the file of a node of the forward text."""
        return self.place(node.lineno, node.col_offset)[0] if isinstance(node, _PLACED) else None

    def key_line(self, key: str, table: str | None = None) -> int | None:
        """Line of ``key = …``, looked for below ``[table]`` where one is given."""
        lines = self.text.split("\n")
        header = re.compile(rf"\s*\[\s*{re.escape(key)}\s*\]")
        if table is None and any(header.match(line) for line in lines):
            return next(k + 1 for k, line in enumerate(lines) if header.match(line))
        begin = 0
        if table is not None:
            begin = next((k for k, line in enumerate(lines) if re.match(rf"\s*\[\s*{re.escape(table)}\s*\]", line)), 0)
        pattern = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*=""")
        return next((k + 1 for k in range(begin, len(lines)) if pattern.match(lines[k])), None)


def _inside(text: str, position: int) -> bool:
    """True where a multi-line string is open at ``position`` (what looks like a header above was inside one)."""
    before = text[:position]
    return before.count('"""') % 2 == 1 or before.count("'''") % 2 == 1


def _walk_string(text: str, begin: int, quote: str) -> tuple[str, list[tuple[int, int]]]:
    """A TOML string from after its opening quote: its value and the (line, column) of every character, and its end."""
    line = text.count("\n", 0, begin) + 1
    line_start = text.rfind("\n", 0, begin) + 1
    position = begin
    multiline, literal = len(quote) == 3, quote[0] == "'"  # noqa: PLR2004
    if multiline and text[position : position + 1] == "\n":
        position, line, line_start = position + 1, line + 1, position + 1
    out: list[str] = []
    places: list[tuple[int, int]] = []

    def put(character: str) -> None:
        out.append(character)
        places.append((line, position - line_start + 1))

    while position < len(text) and not text.startswith(quote, position):
        character = text[position]
        if character == "\\" and not literal:
            following = text[position + 1 : position + 2]
            skipped = re.compile(r"\\[ \t]*\n\s*").match(text, position)
            if skipped:
                line += skipped[0].count("\n")
                position = skipped.end()
                line_start = text.rfind("\n", 0, position) + 1
                continue
            if following in _ESCAPE:
                put(_ESCAPE[following])
                position += 2
                continue
            width = {"u": 4, "U": 8}.get(following, 0)
            put(chr(int(text[position + 2 : position + 2 + width] or "0", 16)))
            position += 2 + width
            continue
        put(character)
        position += 1
        if character == "\n":
            line, line_start = line + 1, position
    places.append((line, position - line_start + 1))
    return "".join(out), places
