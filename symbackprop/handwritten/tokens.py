"""From text to tokens in which every bracket has its partner.

Decoration (spacing, sizes of brackets, tags, colours) is dropped here; bars become brackets; a bracket without a
partner is mended where one mending is evident, and the mending is recorded, or it is an error at its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from symbackprop.errors import SpecError
from symbackprop.notation.glyph import ACCENTS, FONTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lark import Tree

LONGEST = 10_000
"""Characters of one formula that is read."""
DEEPEST = 80
"""Nesting of brackets and braces that is read."""
_TEXT_FONTS = frozenset(("text", "textrm", "textit", "textbf"))
_MORE_MARKS = (
    "overrightarrow",
    "overleftarrow",
    "underline",
    "pmb",
    "mathbbm",
    "mathds",
    "bold",
    "symbf",
    "symbfit",
    "symup",
    "mathring",
    "dddot",
    "operatorname*",
    "overset",
    "widebar",
    "mathsfit",
    "rm",
    "textup",
)
_DROPPED = frozenset(("SPACE", "SKIP", "SIZE"))
_TAKES_ONE = frozenset(("FRAC", "ROOT", "UNDER", "CARET"))
_PARTNER = {"{": "}", "(": ")", "[": "]", r"\{": r"\}", r"\langle": r"\rangle"}


class ReadError(SpecError):
    """A formula that cannot be read. ``place`` is where, in characters of its text from 0; line and column from 1.

    ``insert`` is a text that makes it readable, with the character before which it is meant.
    """

    def __init__(
        self, message: str, place: int = 0, end: int | None = None, *, insert: tuple[int, str] | None = None
    ) -> None:
        super().__init__(message)
        self.place, self.end, self.insert = place, place + 1 if end is None else end, insert


@dataclass(slots=True)
class _Frame:
    kind: str
    token: Token
    index: int


@dataclass(slots=True)
class _Balance:
    """The tokens so far, the brackets that are open, and what was mended."""

    out: list[Token] = field(default_factory=list)
    open: list[_Frame] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)

    def deepen(self, kind: str, token: Token, as_type: str) -> None:
        self.open.append(_Frame(kind, token, len(self.out)))
        if len(self.open) > DEEPEST:
            message = f"brackets nested more than {DEEPEST} deep are not read"
            raise ReadError(message, token.start_pos or 0)
        self.out.append(_typed(token, as_type))

    def close_brackets(self, before: Token) -> None:
        """Brackets and bars left open inside braces or a cell that end here are closed at the end of their member."""
        while self.open and self.open[-1].kind in {"bracket", "bar", "open"}:
            frame = self.open.pop()
            self._mend(frame, before)

    def _mend(self, frame: _Frame, before: Token) -> None:
        if self.repairs or frame.kind != "bracket":
            message = f"'{_shown(frame.token)}' has no partner"
            raise ReadError(message, frame.token.start_pos or 0, frame.token.end_pos)
        depth = 0
        place = len(self.out)
        for k in range(frame.index + 1, len(self.out)):
            token = self.out[k]
            depth += (token.type in {"OPEN", "OPENC", "BEGIN"}) - (token.type in {"CLOSE", "CLOSEC", "END"})
            if not depth and token.type in {"RELATION", "GROWS", "TEXT"}:
                place = k
                break
        at = self.out[place] if place < len(self.out) else before
        closing = _PARTNER.get(str(frame.token), ")")
        self.out.insert(place, _made("CLOSE", closing, at.start_pos or 0))
        self.repairs.append(f"'{_shown(frame.token)}' has no partner; read with '{closing}' at the end of its side")

    def closed(self, token: Token) -> None:
        """A closing bracket: the partner of the last open one, else left out."""
        if self.open and self.open[-1].kind in {"bracket", "open"}:
            self.open.pop()
            self.out.append(_typed(token, "CLOSE"))
            return
        if self.repairs:
            message = f"'{_shown(token)}' has no partner"
            raise ReadError(message, token.start_pos or 0, token.end_pos)
        self.repairs.append(f"'{_shown(token)}' has no partner; read without it")

    def bar(self, token: Token) -> None:
        """A plain bar: closes the last open one of its kind, else opens."""
        norm = _is_norm(token)
        if self.open and self.open[-1].kind == "bar" and _is_norm(self.open[-1].token) == norm:
            self.open.pop()
            self.out.append(_typed(token, "CLOSE"))
        else:
            self.deepen("bar", token, "OPEN")


def _is_norm(token: Token) -> bool:
    return any(sign in token for sign in ("||", r"\|", "Vert"))


def _shown(token: Token) -> str:
    return str(token).removeprefix("\\") if len(token) == len("\\{") else str(token)


def _typed(token: Token, kind: str) -> Token:
    return Token.new_borrow_pos(kind, str(token), token)


def _made(kind: str, text: str, place: int) -> Token:
    return Token(kind, text, start_pos=place, line=0, column=0, end_line=0, end_column=0, end_pos=place)


class _Post:
    """Lark's hook between lexer and parser."""

    always_accept: Iterable[str] = (
        "SPACE",
        "SKIP",
        "SIZE",
        "NOTHING",
        "LPAREN",
        "RPAREN",
        "LBAR",
        "RBAR",
        "BAR",
        "BEGINENV",
        "ENDENV",
        "ROWEND",
        "AMP",
    )

    def __init__(self) -> None:
        self.repairs: tuple[str, ...] = ()

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """The tokens that the grammar sees."""
        state = _Balance()
        last: Token | None = None
        for token in stream:
            last = token
            _step(state, token)
        end = _made("$END", "", (last.end_pos or 0) if last is not None else 0)
        state.close_brackets(end)
        if state.open:
            frame = state.open[-1]
            what = "brace" if frame.kind == "brace" else "environment"
            message = f"this {what} is not closed"
            raise ReadError(message, frame.token.start_pos or 0, frame.token.end_pos)
        self.repairs = tuple(state.repairs)
        return iter(state.out)


def _step(state: _Balance, token: Token) -> None:  # noqa: C901, PLR0912 - one branch a kind of token
    kind = token.type
    if kind in _DROPPED:
        return
    if kind == "NOTHING":
        if "left" in token:
            state.deepen("open", token, "OPEN")
        elif state.open and state.open[-1].kind in {"bracket", "bar", "open"}:
            state.open.pop()
            state.out.append(_typed(token, "CLOSE"))
    elif kind == "LPAREN":
        state.deepen("bracket", token, "OPEN")
    elif kind == "RPAREN":
        state.closed(token)
    elif kind == "LBAR":
        state.deepen("bar", token, "OPEN")
    elif kind == "RBAR":
        if not state.open or state.open[-1].kind not in {"bar", "open"}:
            message = f"'{token}' has no partner"
            raise ReadError(message, token.start_pos or 0, token.end_pos)
        state.open.pop()
        state.out.append(_typed(token, "CLOSE"))
    elif kind == "BAR":
        state.bar(token)
    elif kind == "OPENC":
        state.deepen("brace", token, "OPENC")
    elif kind == "BEGINENV":
        state.deepen("environment", token, "BEGIN")
    elif kind in {"CLOSEC", "ENDENV"}:
        wanted = "brace" if kind == "CLOSEC" else "environment"
        state.close_brackets(token)
        if not state.open or state.open[-1].kind != wanted:
            message = f"this '{token}' closes nothing"
            raise ReadError(message, token.start_pos or 0, token.end_pos)
        state.open.pop()
        state.out.append(_typed(token, "CLOSEC" if kind == "CLOSEC" else "END"))
    elif kind in {"ROWEND", "AMP"}:
        inside = next((f.kind for f in reversed(state.open) if f.kind not in {"bracket", "bar", "open"}), "")
        if inside == "environment":
            state.close_brackets(token)
            state.out.append(_typed(token, "NEWLINE" if kind == "ROWEND" else "AMPERSAND"))
    elif kind == "NUMBER" and len(token) > 1 and state.out and state.out[-1].type in _TAKES_ONE:
        _split(state, token)
    else:
        state.out.append(token)


def _split(state: _Balance, token: Token) -> None:
    r"""A script takes one digit, as in print: ``x^23`` is the square of x times 3, ``\frac12`` a half."""
    parts = 2 if state.out[-1].type == "FRAC" else 1
    start = token.start_pos or 0
    pieces = [*token[:parts], token[parts:]]
    for k, piece in enumerate(pieces):
        if piece:
            at = start + min(k, parts)
            state.out.append(
                Token(
                    "NUMBER",
                    piece,
                    start_pos=at,
                    line=token.line,
                    column=(token.column or 0) + min(k, parts),
                    end_line=token.line,
                    end_column=0,
                    end_pos=at + len(piece),
                )
            )


@dataclass(frozen=True, slots=True)
class Tokenized:
    """The tree of the grammar, and what was mended to get it."""

    tree: Tree[Token]
    repairs: tuple[str, ...]


@lru_cache(maxsize=1)
def _parser() -> tuple[Lark, _Post]:
    text = resources.files(__package__).joinpath("latex.lark").read_text(encoding="utf-8")
    marks = sorted({*ACCENTS, *FONTS, *_MORE_MARKS} - _TEXT_FONTS, key=lambda name: (-len(name), name))
    post = _Post()
    pattern = "|".join(mark.replace("*", r"\*") for mark in marks)
    return Lark(
        text.replace("__MARKS__", pattern),
        parser="lalr",
        lexer="basic",
        postlex=post,
        keep_all_tokens=True,
        propagate_positions=True,
        maybe_placeholders=False,
    ), post


def tokenize(text: str) -> Tokenized:
    r"""The structure of a formula.

    >>> tokenize(r"2(a - b").repairs
    ("'(' has no partner; read with ')' at the end of its side",)

    Raises: ReadError with the place, for what no mending explains.
    """
    if len(text) > LONGEST:
        message = f"a formula of more than {LONGEST} characters is not read"
        raise ReadError(message)
    parser, post = _parser()
    try:
        tree = parser.parse(text)
    except UnexpectedCharacters as error:
        place = error.pos_in_stream or 0  # type: ignore[redundant-expr]
        message = f"{text[place : place + 1]!r} (U+{ord(text[place]):04X}) is not read in a formula"
        raise ReadError(message, place) from None
    except UnexpectedToken as error:
        if error.token.type == "$END":
            message = "the formula ends too early"
            raise ReadError(message, max(len(text) - 1, 0)) from None
        message = f"'{error.token}' does not fit here"
        raise ReadError(message, error.token.start_pos or 0, error.token.end_pos) from None
    except UnexpectedInput as error:  # pragma: no cover - lark has no other kinds
        raise ReadError(str(error)) from None
    return Tokenized(tree, post.repairs)
