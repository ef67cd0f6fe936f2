r"""The formulas of one display: its rows, chains over several rows joined, each as a ``Formula`` with its places.

\begin{align}
A &= B \\
      &= C \\        one formula, A = B = C
D &= E           another
\end{align}
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from symbackprop.handwritten.displays import PLAIN_RELATION, RELATIONS, has_relation, without_argument
from symbackprop.handwritten.expression import Span
from symbackprop.handwritten.formula import Formula, Problem
from symbackprop.handwritten.macros import Token, tail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.handwritten.displays import Display
    from symbackprop.handwritten.formula import Lines

_ENDS_ROW = frozenset((r"\\", r"\cr", r"\newline", r"\tabularnewline"))
_UNWRAPPED = re.compile(r"\\begin\{(?P<name>split|aligned|alignedat|gathered|array|multlined|cases|dcases)\*?\}")
_WITHOUT_COLUMNS = frozenset(
    (
        "gather",
        "gathered",
        "multline",
        "multlined",
        "eqnarray",
        "IEEEeqnarray",
        "equation",
        "display",
        "inline",
        "math",
        "displaymath",
    )
)
_DROPPED = frozenset((r"\nonumber", r"\notag", r"\hline", r"\displaystyle", r"\allowbreak"))
_DROPPED_WITH_ARGUMENT = frozenset((r"\label", r"\tag", r"\intertext", r"\shortintertext", r"\vspace"))
_OPERATORS = frozenset((r"\cdot", r"\odot", r"\circ", r"\otimes", r"\times", r"\oplus", r"\pm", r"\star", r"\ast"))
_LIST_DOTS = frozenset((r"\vdots", r"\dots", r"\cdots", r"\ldots"))
_BLANKS = frozenset((r"\,", r"\;", r"\:", r"\!", r"\ ", r"\quad", r"\qquad", "~", r"\enspace", r"\thinspace"))
_WIDE = frozenset((r"\quad", r"\qquad"))
_SIZED = frozenset((r"\adjustbox", r"\scalebox", r"\resizebox"))
_SIDES = 2
"""Cells of one formula in an alignment."""
_TEXTS = frozenset((r"\text", r"\textrm", r"\mbox", r"\mathrm", r"\textit", r"\hbox", r"\textnormal"))
_PLUS = re.compile(r"\s*[+*/·×−-]")
_RELATION = re.compile(r"\s*(?::=|\+=|-=|" + PLAIN_RELATION.pattern + ")")
_ROW_SPACE = re.compile(r"\*?(?:\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm|in|mu|bp|sp)\s*\])?")
_AFTER = re.compile(r"\s*(?:\\right\s*\.?)?\s*[.,;]?\s*")


@dataclass(slots=True)
class Row:
    """Tokens of a row, cell by cell, and the directives that stand before it."""

    cells: list[list[Token]] = field(default_factory=lambda: [[]])
    directives: list[Token] = field(default_factory=list)

    @property
    def tokens(self) -> list[Token]:
        """All tokens, alignment marks gone."""
        return [token for cell in self.cells for token in cell]

    @property
    def spaced(self) -> list[Token]:
        """All tokens and a blank."""
        own = self.tokens
        return [*own, Token(" ", own[-1].end, own[-1].end)] if own else []

    @property
    def blank(self) -> bool:
        """True where nothing is in it."""
        return not any(token.text.strip() and token.text not in _BLANKS for token in self.tokens)


@dataclass(frozen=True, slots=True)
class Piece:
    """A formula of a display with the directives that stand between it and the one before."""

    formula: Formula
    directives: tuple[Token, ...]


def pieces(display: Display, lines: Lines, problems: list[Problem]) -> list[Piece]:
    """The formulas of a display, in order; the first starts where the display's first character is."""
    tokens, kind, inner = list(display.tokens), display.kind, False
    while (unwrapped := _unwrapped(tokens)) is not None:
        kind, tokens, inner = unwrapped[0], unwrapped[1], True
    rows = [row for row in _rows(tokens) if not row.blank or row.directives]
    if display.inline or kind in {"multline", "multlined"}:
        rows = [_joined(rows)] if rows else []
    groups = _chains([part for row in rows for part in _columns(row, kind)], kind)
    found: list[Piece] = []
    for group in groups:
        text = [token for row in group for token in row.spaced]
        formula = formula_of(_parted(text), lines)
        if formula is None:
            continue
        if inner and not found:
            formula = _started(formula, display, lines)
        found.append(Piece(formula, tuple(token for row in group for token in row.directives)))
    if not found:
        line, column = lines.place(display.span.start)
        problems.append(Problem(message="a display without a formula", line=line, column=column, span=display.span))
    return found


def _parted(tokens: list[Token]) -> list[Token]:
    r"""A comma before a wide space between two formulas: ``a = b \qquad c = d``."""
    depth, gaps = 0, list[int]()
    for position, token in enumerate(tokens):
        if depth <= 0 and token.text in {r"\quad", r"\qquad"}:
            gaps.append(position)
        depth += _deeper(token.text)
    for gap in reversed(gaps):
        left, right = tokens[:gap], tokens[gap:]
        before, after = _significant(left), _significant(right)
        if not before or not after or before[-1].text.rstrip().endswith((",", ";")) or after[0].text in _TEXTS:
            continue
        if _goes_on(right) or not has_relation(left) or not has_relation(right) or _is_range(after):
            continue
        tokens = [*left, Token(",", left[-1].end, left[-1].end), *right]
    return tokens


def _goes_on(tokens: list[Token]) -> bool:
    """True for what begins with a relation, a plus or another sign between two sides: no formula begins so."""
    first = _first(tokens)
    return _starts_relation(tokens) or (
        first is not None and (first.text in _OPERATORS or first.text.lstrip().startswith("+"))
    )


def _is_range(tokens: list[Token]) -> bool:
    r"""True for ``i = 1, \dots, n`` and ``1 \le i \le n``: a condition on what stands before."""
    text = "".join(token.text for token in tokens)
    return (
        re.match(
            r"\(?\s*(?:\\[A-Za-z]+|[A-Za-z])\s*(?:=[^=]*(?:dots|\.\.|,)|\\in\s*\\\{|[<>]|\\[lg]e|=\s*\w+\s*[).,]?\s*$)"
            r"|\(?\s*\d+\s*(?:<|\\le)",
            text,
        )
        is not None
    )


def formula_of(tokens: Sequence[Token], lines: Lines) -> Formula | None:
    """The text of tokens with the place of every character; None where there is none."""
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    last = ""
    for token in tokens:
        text = token.text
        if not text:
            continue
        if text[0].isalpha() and len(last) > 1 and last[0] == "\\" and last[-1].isalpha():
            parts.append(" ")
            starts.append(token.start)
            ends.append(token.start)
        parts.append(text)
        if token.end - token.start == len(text):
            starts += range(token.start, token.end)
            ends += range(token.start + 1, token.end + 1)
        else:
            starts += [token.start] * len(text)
            ends += [token.end] * len(text)
        last = text
    text = "".join(parts)
    begin, end = len(text) - len(text.lstrip()), len(text.rstrip())
    while begin < end and text.startswith(("&", "~"), begin):
        begin += 1 + len(text[begin + 1 :]) - len(text[begin + 1 :].lstrip())
    if begin >= end:
        return None
    whole = Formula(
        text=text,
        starts=tuple(starts),
        ends=tuple(ends),
        line=1,
        column=1,
        span=Span(min(starts), max(ends)),
        lines=lines,
    )
    return whole.cut(begin, end)


def _started(formula: Formula, display: Display, lines: Lines) -> Formula:
    """The formula at the place of the display's first character."""
    first = next(token for token in display.tokens if token.text.strip() and not token.text.startswith("%"))
    blanks = len(first.text) - len(first.text.lstrip())
    line, column = lines.place(first.start + blanks)
    return replace(formula, line=line, column=column)


# ---- rows ---------------------------------------------------------------------------------------------------------


def _rows(tokens: list[Token]) -> list[Row]:
    """Rows and cells outside braces and inner environments; labels and directives apart."""
    rows, waiting = [Row()], list[Token]()
    depth = position = 0
    while position < len(tokens):
        token = tokens[position]
        text = token.text
        position += 1
        outer = depth <= 0
        if text.startswith("%"):
            (rows[-1].directives if rows[-1].blank else waiting).append(token)
            continue
        depth += _deeper(text)
        if outer and text in _ENDS_ROW:
            rows.append(Row(directives=waiting))
            waiting = []
            position = _after_row(tokens, position)
        elif outer and text == "&":
            rows[-1].cells.append([])
        elif outer and text in _DROPPED_WITH_ARGUMENT:
            position = len(tokens) - len(without_argument(tokens[position:]))
        elif not (outer and text in _DROPPED):
            rows[-1].cells[-1].append(token)
    if waiting:
        rows.append(Row(directives=waiting))
    for row in rows:
        row.cells[-1] = _unsized(row.cells[-1])
    return rows


def _unsized(cell: list[Token]) -> list[Token]:
    """A cell without the box that sets the size of all that stands in it up to the end; other cells as they are."""
    start = next((place for place, token in enumerate(cell) if token.text in _SIZED), len(cell))
    opening, depth = start, 0
    for place in range(start + 1, len(cell)):
        text = cell[place].text
        if depth == 0 and text == "{":
            opening = place
        elif depth == 0 and text.strip():
            return cell  # something stands behind it
        depth += _deeper(text)
    if depth or opening == start:
        return cell
    closing = max(place for place, token in enumerate(cell) if token.text == "}")
    inside = [token for token in cell[opening + 1 : closing] if token.text not in {"$", r"\displaystyle"}]
    return [*cell[:start], *inside]


def _deeper(text: str) -> int:
    if text == "{" or text.startswith(r"\begin{"):
        return 1
    return -1 if text == "}" or text.startswith(r"\end{") else 0


def _after_row(tokens: list[Token], position: int) -> int:
    """Skip the star or the space in square brackets after the end of a row."""
    if position < len(tokens) and (found := _ROW_SPACE.match(tokens[position].text)) and found.end():
        tokens[position] = tail(tokens[position], found.end())
    return position


def _joined(rows: list[Row]) -> Row:
    """Several rows as one."""
    cells = [
        [
            token
            for row in rows
            for token in (*row.tokens, Token(" ", row.tokens[-1].end, row.tokens[-1].end))
            if row.tokens
        ]
    ]
    return Row(cells, [token for row in rows for token in row.directives])


def _columns(row: Row, kind: str) -> list[Row]:
    """Several formulas side by side in one row of an alignment, one each; a text beside a formula stays with it."""
    if kind in _WITHOUT_COLUMNS or len(row.cells) <= _SIDES:
        return [row]
    found = [Row(row.cells[:2], row.directives)]
    for at in range(2, len(row.cells), 2):
        pair = row.cells[at : at + 2]
        own = [token for cell in pair for token in cell]
        first = _first(own)
        if has_relation(own) and not (first and first.text in _TEXTS) and not _starts_relation(pair[0]):
            found.append(Row(pair, []))
        else:
            gap = Token(r"\quad", own[0].start, own[0].start) if own else None
            found[-1] = Row([*found[-1].cells, [gap, *own] if gap else []], found[-1].directives)
    return found


def _chains(rows: list[Row], kind: str) -> list[list[Row]]:
    """Rows that go on with the formula of the row before stand with it."""
    groups: list[list[Row]] = []
    directives: list[Token] = []
    for row in rows:
        if row.blank:
            directives += row.directives
            continue
        shown = Row(row.cells, [*directives, *row.directives])
        directives = []
        if groups and _continues(row, groups[-1], kind):
            groups[-1].append(shown)
        elif not _is_text(row):
            groups.append([shown])
    return groups


def _continues(row: Row, group: list[Row], kind: str) -> bool:
    tokens = row.tokens
    first = _first(tokens)
    if first is None or (first.text in _LIST_DOTS and len(_significant(tokens)) == 1):
        return False
    before = [token for earlier in group for token in earlier.tokens]
    last = _significant(before)
    if len(last) == 1 and last[0].text in _LIST_DOTS:
        return False
    if _starts_relation(tokens) or _open(before) or _ends_operator(before):
        return True
    relation = has_relation(tokens)
    if first.text in _OPERATORS or _PLUS.match(first.text):
        return not relation or not first.text.lstrip().startswith(("-", "−"))
    leading = len(row.cells) > 1 and not _significant(row.cells[0])
    if relation or not leading or kind in {"gather", "gathered"}:
        return False
    return _indented(tokens) or not _hangs(group)


def _indented(tokens: list[Token]) -> bool:
    """True for a row that begins with a wide space."""
    start = next((token for token in tokens if token.text.strip()), None)
    return start is not None and start.text in _WIDE


def _hangs(group: list[Row]) -> bool:
    """True where a left side has a row of its own and all that goes on with it is indented below."""
    head, *below = group
    return bool(below) and not has_relation(head.tokens) and all(_indented(row.tokens) for row in below)


def _significant(tokens: list[Token]) -> list[Token]:
    """Tokens that are neither blank nor spacing nor an empty group."""
    found = [token for token in tokens if token.text.strip() and token.text not in _BLANKS]
    while len(found) > 1 and found[0].text == "{" and found[1].text == "}":
        found = found[2:]
    return found


def _first(tokens: list[Token]) -> Token | None:
    found = _significant(tokens)
    return found[0] if found else None


def _starts_relation(tokens: list[Token]) -> bool:
    first = _first(tokens)
    if first is None:
        return False
    return first.text in RELATIONS or _RELATION.match(first.text) is not None


def _ends_operator(tokens: list[Token]) -> bool:
    found = _significant(tokens)
    if not found:
        return False
    text = found[-1].text
    return text in RELATIONS | _OPERATORS or (not text.startswith("\\") and text.rstrip()[-1:] in set("=+-*"))


def _open(tokens: list[Token]) -> bool:
    r"""True where an opening bracket waits for its partner (``\left`` or a round bracket)."""
    left = sum((token.text == r"\left") - (token.text == r"\right") for token in tokens)
    plain = "".join(token.text for token in tokens if not token.text.startswith("\\"))
    return left > 0 or (left == 0 and plain.count("(") + plain.count("[") > plain.count(")") + plain.count("]"))


def _is_text(row: Row) -> bool:
    """True for a row of prose."""
    rest = _significant(row.tokens)
    while rest and rest[0].text in _TEXTS - {r"\mathrm"} and len(rest) > 1:
        shorter = without_argument(rest[1:])
        if len(shorter) == len(rest) - 1:
            return False
        rest = _significant(shorter)
    return not rest


def _unwrapped(tokens: list[Token]) -> tuple[str, list[Token]] | None:
    """The environment that is the whole of a display: its name and what is inside."""
    start = 0
    while start < len(tokens) and (
        not tokens[start].text.strip() or tokens[start].text in _BLANKS | _DROPPED or tokens[start].text.startswith("%")
    ):
        start += 1
    before = [token for token in tokens[:start] if token.text.startswith("%")]
    if start + 1 < len(tokens) and tokens[start].text == r"\left":
        if tokens[start + 1].text not in {r"\{", r"\lbrace", "."}:
            return None
        start += 2
    if start >= len(tokens) or not (found := _UNWRAPPED.fullmatch(tokens[start].text)):
        return None
    depth = 0
    for end in range(start, len(tokens)):
        text = tokens[end].text
        depth += text.startswith(r"\begin{") - text.startswith(r"\end{")
        if depth == 0:
            break
    else:
        return None
    rest = "".join(token.text for token in tokens[end + 1 :] if token.text not in _BLANKS | _DROPPED)
    if not _AFTER.fullmatch(rest):
        return None
    name, inside = found["name"], tokens[start + 1 : end]
    if name in {"alignedat", "array", "aligned", "gathered"}:
        inside = without_argument(inside)
    if name in {"cases", "array"} and not _is_system(inside):
        return None
    return name, [*before, *inside]


def _is_system(inside: list[Token]) -> bool:
    """True where every row is an equation of its own (not a value with its condition, or a matrix)."""
    rows = [row for row in _rows(list(inside)) if not row.blank]
    aligned = all(len(row.cells) > 1 and _starts_relation(row.cells[1]) for row in rows)
    return bool(rows) and (aligned or all(has_relation(row.cells[0]) for row in rows))
