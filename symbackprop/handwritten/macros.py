r"""A document's text as tokens with its own macros expanded, each token with the range of the document behind it.

Definitions are taken in document order and mean the rest of it, as in TeX without groups: ``\newcommand`` and its
relatives, ``\def`` with delimited arguments, ``\let``, ``\DeclareMathOperator``, paired delimiters and environments.
Expansion is bounded: a macro that grows beyond the limits is left as written, with a problem that names it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from symbackprop.handwritten.expression import Span
from symbackprop.handwritten.formula import Lines, Problem
from symbackprop.notation.glyph import ACCENTS, FONTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEEPEST = 100
"""Macros inside macros."""
CALL_EXPANSIONS = 10_000
"""Macros that one call in the document may expand to."""
CALL_CHARACTERS = 100_000
"""Characters that one call may become."""
EXPANSIONS = 300_000
"""Macros expanded in a whole document."""
TOKENS = 1_000_000
"""Tokens of a whole document."""

_TOKEN = re.compile(
    r"(?P<verbatim>\\begin\s*\{(?P<name>verbatim\*?|Verbatim\*?|lstlisting|minted|comment|alltt|filecontents\*?"
    r"|tikzpicture|pgfpicture)\})"
    r"|(?P<skip>\\verb\*?(?P<bar>[^A-Za-z\s*]).*?(?P=bar)|\\lstinline(?:\[[^\]\n]*\])?"
    r"(?P<mark>[^A-Za-z\s{\[]).*?(?P=mark)"
    r"|\\(?:url|path|href)\s*\{[^{}\n]*\})"
    r"|(?P<comment>%[^\n]*)"
    r"|(?P<control>\\(?:[A-Za-z]+(?:@[A-Za-z@]+)*|@[A-Za-z@]+|[\s\S]|\Z))"
    r"|(?P<mark1>[{}$&#])"
    r"|(?P<blank>[ \t]*\n\s*)"
    r"|(?P<run>[^\\%${}&#\n]+)"
)
_DIRECTIVE = re.compile(r"%+\s*symbackprop\s*:", re.IGNORECASE)
_CONDITIONAL = re.compile(r"\\(?:if[A-Za-z@]*|fi)(?![A-Za-z@])")
_LOOKS = frozenset("\\" + name for name in ACCENTS | FONTS)
"""Commands whose redefinition changes how a letter looks, not what it is."""
_STRUCTURE = frozenset((r"\begin", r"\end", r"\left", r"\right", r"\frac", r"\partial", r"\sum"))


class Token(NamedTuple):
    """A control sequence, a special character, a run of ordinary text or a comment, with its range of the document."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Macro:
    """``pattern`` is what separates the arguments (a number is an argument); ``default`` is that of the first.

    ``starred`` macros may be followed by a star, which is dropped. ``kept`` is what a command meant that was no macro
    when it got a second name: a later macro of that name is another.
    """

    pattern: tuple[int | str, ...]
    body: tuple[Token | int, ...]
    defaults: tuple[tuple[Token, ...] | None, ...] = ()
    starred: bool = False
    kept: bool = False


class _ExceededError(Exception):
    """A call grew beyond the limits."""


@dataclass(slots=True)
class Expander:
    """Reads a document once; ``run`` gives its tokens, ``problems`` what went wrong on the way."""

    source: str
    lines: Lines
    problems: list[Problem] = field(default_factory=list)
    macros: dict[str, Macro] = field(default_factory=dict)
    environments: dict[str, tuple[Macro, Macro]] = field(default_factory=dict)
    _stack: list[list[Token]] = field(default_factory=list)
    _at: int = 0
    _total: int = 0
    _count: int = 0
    _characters: int = 0
    _call: Token | None = None

    def run(self) -> list[Token]:
        """All tokens up to the end of the document, directives among them as comments."""
        output: list[Token] = []
        mark = 0
        while True:
            if not self._stack:
                mark, self._count, self._characters, self._call = len(output), 0, 0, None
            if len(output) > TOKENS:
                self._problem(f"more than {TOKENS} tokens; the rest is not read", output[-1])
                return output
            token = self._next()
            if token is None:
                return output
            try:
                if self._step(token, output):
                    return output
            except _ExceededError as error:
                call = self._call or token
                self._stack.clear()
                del output[mark:]
                output.append(call)
                self.macros.pop(call.text, None)
                self._problem(f"the macro {call.text} {error}; it is left as written", call)

    def _step(self, token: Token, output: list[Token]) -> bool:
        """Handle one token; True at the end of the document."""
        text = token.text
        if not text.startswith("\\"):
            output.append(token)
            self._grow(len(text))
            return False
        if (define := _DEFINERS.get(text)) is not None:
            define(self, token)
        elif text in self.macros:
            self._named(token, self.macros[text], output)
        elif text in {r"\begin", r"\end"} and self._environment(token, output):
            return True
        elif text == r"\iffalse":
            self._skip_conditional()
        elif text not in {r"\begin", r"\end"}:
            output.append(token)
            self._grow(len(text))
        return False

    def _grow(self, length: int) -> None:
        if self._call is not None:
            self._characters += length
            if self._characters > CALL_CHARACTERS:
                message = f"expands to more than {CALL_CHARACTERS} characters"
                raise _ExceededError(message)

    def _problem(self, message: str, token: Token) -> None:
        line, column = self.lines.place(token.start)
        self.problems.append(Problem(message=message, line=line, column=column, span=Span(token.start, token.end)))

    # ---- tokens in ------------------------------------------------------------------------------------------------

    def _next(self) -> Token | None:
        """The next token: of the innermost macro body, else of the document."""
        while self._stack:
            frame = self._stack[-1]
            if frame:
                token = frame.pop()
                if not frame:
                    self._stack.pop()
                return token
            self._stack.pop()
        return self._lex()

    def _lex(self) -> Token | None:
        source = self.source
        while self._at < len(source):
            match = _TOKEN.match(source, self._at)
            if match is None:  # the pattern covers every character
                self._at += 1
                continue
            start, self._at = match.span()
            kind = match.lastgroup
            if match["verbatim"] is not None:
                end = source.find("\\end{" + match["name"] + "}", self._at)
                self._at = len(source) if end < 0 else end + len(match["name"]) + 6
                return Token("\n", start, start)
            if kind == "comment" and not _DIRECTIVE.match(match[0]):
                continue
            if match["skip"] is not None:
                continue
            return Token(match[0], start, self._at)
        return None

    def _push(self, tokens: list[Token]) -> None:
        """Tokens to be read next."""
        if tokens:
            self._stack.append(tokens[::-1])

    def _skip_blanks(self) -> Token | None:
        """The next token that is not blank."""
        while (token := self._next()) is not None:
            stripped = token.text.lstrip()
            if stripped and not token.text.startswith("%"):
                cut = len(token.text) - len(stripped)
                return tail(token, cut) if cut else token
        return None

    def _group(self) -> list[Token]:
        """What stands in braces, or the one token or character that follows; the braces are dropped."""
        first = self._skip_blanks()
        if first is None:
            return []
        if first.text != "{":
            if not first.text.startswith("\\") and len(first.text) > 1:
                self._push([tail(first, 1)])
                first = _head(first, 1)
            return [first]
        found: list[Token] = []
        depth = 1
        while (token := self._next()) is not None:
            depth += (token.text == "{") - (token.text == "}")
            if depth == 0:
                return found
            found.append(token)
            if len(found) > CALL_CHARACTERS:
                message = f"has an argument of more than {CALL_CHARACTERS} tokens"
                raise _ExceededError(message)
        return found

    def _optional(self) -> list[Token] | None:
        """What stands in square brackets, if an opening one follows."""
        first = self._skip_blanks()
        if first is None:
            return None
        if not first.text.startswith("["):
            self._push([first])
            return None
        self._push([tail(first, 1)] if len(first.text) > 1 else [])
        return self._until("]")

    def _until(self, delimiter: str) -> list[Token]:
        """Tokens up to a delimiter outside braces, which is dropped."""
        found: list[Token] = []
        depth = 0
        first = self._skip_blanks()
        self._push([] if first is None else [first])
        while (token := self._next()) is not None:
            depth += (token.text == "{") - (token.text == "}")
            at = token.text.find(delimiter) if depth == 0 and not token.text.startswith("%") else -1
            if at >= 0 and (not token.text.startswith("\\") or token.text == delimiter):
                if at:
                    found.append(_head(token, at))
                if at + len(delimiter) < len(token.text):
                    self._push([tail(token, at + len(delimiter))])
                break
            found.append(token)
            if len(found) > CALL_CHARACTERS:
                message = f"has an argument of more than {CALL_CHARACTERS} tokens"
                raise _ExceededError(message)
        return found

    def _skip_conditional(self) -> None:
        r"""Skip to the ``\fi`` of an ``\iffalse``."""
        depth = 1
        for match in _CONDITIONAL.finditer(self.source, self._at):
            depth += -1 if match[0] == r"\fi" else 1
            if depth == 0:
                self._at = match.end()
                return
        self._at = len(self.source)

    # ---- expansion ------------------------------------------------------------------------------------------------

    def _named(self, token: Token, macro: Macro, output: list[Token]) -> None:
        """A macro is expanded; a second name of a command that has become a macro since is that command."""
        first = macro.body[0] if macro.kept else None
        if isinstance(first, Token) and first.text in self.macros:
            output.append(first._replace(start=token.start, end=token.end))
            self._grow(len(first.text))
        else:
            self._expand(token, macro)

    def _expand(self, token: Token, macro: Macro) -> None:
        """Put a macro's body, its arguments filled in, in front of what is to be read."""
        if self._call is None:
            self._call = token
        self._count += 1
        self._total += 1
        if self._total > EXPANSIONS:
            self.macros.clear()
            message = f"is the last: more than {EXPANSIONS} macros are not expanded"
            raise _ExceededError(message)
        if self._count > CALL_EXPANSIONS or len(self._stack) > DEEPEST:
            message = f"expands to more than {CALL_EXPANSIONS} macros, or more than {DEEPEST} deep"
            raise _ExceededError(message)
        end = token.end
        arguments = self._arguments(macro)
        if not self._stack:
            end = max(end, self._at) if macro.pattern or macro.starred else end
        for argument in arguments:
            end = max([end, *(part.end for part in argument)])
        self._push(_filled(macro.body, arguments, token.start, end))

    def _arguments(self, macro: Macro) -> list[list[Token]]:
        if macro.starred:
            first = self._skip_blanks()
            if first is not None:
                rest = tail(first, 1) if first.text.startswith("*") else first
                self._push([rest] if rest.text else [])
        arguments: list[list[Token]] = []
        for default in macro.defaults:
            given = self._optional()
            arguments.append(list(default or ()) if given is None else given)
        pattern = [part for part in macro.pattern if isinstance(part, str) or part > len(macro.defaults)]
        for position, part in enumerate(pattern):
            following = pattern[position + 1] if position + 1 < len(pattern) else None
            if isinstance(part, str):
                if position == 0 or isinstance(pattern[position - 1], str):
                    self._until(part)
            elif isinstance(following, str):
                arguments.append(self._until(following))
            else:
                arguments.append(self._group())
        return arguments

    def _environment(self, token: Token, output: list[Token]) -> bool:
        r"""``\begin{x}`` or ``\end{x}``: an author's environment is expanded; True for the document's end."""
        name = self._group()
        text = "".join(part.text for part in name).strip()
        own = self.environments.get(text)
        if own is not None:
            self._expand(token, own[token.text == r"\end"])
            return False
        if token.text == r"\end" and text == "document":
            return True
        end = name[-1].end + 1 if name else token.end
        output.append(Token(f"{token.text}{{{text}}}", token.start, max(end, token.end)))
        self._grow(len(text))
        return False

    # ---- definitions ----------------------------------------------------------------------------------------------

    def _name(self) -> str:
        """The command that is defined, with or without braces."""
        token = self._skip_blanks()
        if token is not None and token.text.startswith("*"):
            rest = tail(token, 1)
            if rest.text:
                self._push([rest])
            token = self._skip_blanks()
        if token is not None and token.text == "{":
            self._push([token])
            inside = [part for part in self._group() if part.text.strip()]
            token = inside[0] if inside else None
        return "" if token is None else token.text

    def _set(self, name: str, macro: Macro, *, overwrite: bool = True) -> None:
        if not name.startswith("\\") or name in _LOOKS | _STRUCTURE or (not overwrite and name in self.macros):
            return
        self.macros[name] = macro

    def new_command(self, token: Token) -> None:
        r"""``\newcommand{\x}[2][default]{body}`` and its relatives."""
        name = self._name()
        count = _number(self._optional())
        default = self._optional() if count else None
        body = _body(self._group())
        defaults = () if default is None else (tuple(default),)
        self._set(name, Macro(tuple(range(1, count + 1)), body, defaults), overwrite=token.text != r"\providecommand")

    def new_environment(self, _token: Token) -> None:
        r"""``\newenvironment{x}[1]{begin}{end}``."""
        name = "".join(part.text for part in self._group()).strip().removeprefix("*")
        if not name:
            name = "".join(part.text for part in self._group()).strip()
        count = _number(self._optional())
        default = self._optional() if count else None
        begin, end = _body(self._group()), _body(self._group())
        defaults = () if default is None else (tuple(default),)
        self.environments[name] = (Macro(tuple(range(1, count + 1)), begin, defaults), Macro((), end))

    def document_command(self, _token: Token) -> None:
        r"""``\NewDocumentCommand{\x}{m O{default}}{body}``."""
        name = self._name()
        signature = "".join(part.text for part in self._group())
        defaults: list[tuple[Token, ...] | None] = []
        count, starred = 0, False
        for match in re.finditer(r"(?P<kind>[mosO])(?:\{(?P<default>[^{}]*)\})?", signature):
            if match["kind"] == "s":
                starred = True
                continue
            count += 1
            if match["kind"] in "oO" and count == len(defaults) + 1:
                defaults.append((Token(match["default"], 0, 0),) if match["default"] else ())
        self._set(name, Macro(tuple(range(1, count + 1)), _body(self._group()), tuple(defaults), starred))

    def definition(self, _token: Token) -> None:
        r"""``\def\x#1,#2{body}``."""
        name = self._name()
        pattern: list[int | str] = []
        hashed = False
        while (token := self._next()) is not None and token.text != "{":
            text = token.text
            if hashed and text[:1].isdigit():
                pattern.append(int(text[0]))
                text = text[1:]
            hashed = token.text == "#"
            if text.strip() and not hashed and not text.startswith("%"):
                pattern.append(text.strip())
        self._push([] if token is None else [token])
        self._set(name, Macro(tuple(pattern), _body(self._group())))

    def alias(self, _token: Token) -> None:
        r"""``\let\x=\y``."""
        name = self._name()
        token = self._skip_blanks()
        if token is not None and token.text.startswith("="):
            rest = tail(token, 1)
            if rest.text.strip():
                self._push([rest])
            token = self._skip_blanks()
        if token is not None and not token.text.startswith("\\") and len(token.text) > 1:
            self._push([tail(token, 1)])
            token = _head(token, 1)
        if token is not None:
            self._set(name, self.macros.get(token.text) or Macro((), (token,), kept=True))

    def operator(self, token: Token) -> None:
        r"""``\DeclareMathOperator{\diag}{diag}``."""
        name = self._name()
        body = _body(self._group())
        opening = (Token(r"\operatorname", token.start, token.end), Token("{", token.start, token.end))
        self._set(name, Macro((), (*opening, *body, Token("}", token.start, token.end))))

    def paired(self, _token: Token) -> None:
        r"""``\DeclarePairedDelimiter{\norm}{\lVert}{\rVert}``."""
        name = self._name()
        left, right = _body(self._group()), _body(self._group())
        self._set(name, Macro((1,), (*left, Token(" ", 0, 0), 1, *right), starred=True))


_DEFINERS: dict[str, Callable[[Expander, Token], None]] = {
    **dict.fromkeys(
        (r"\newcommand", r"\renewcommand", r"\providecommand", r"\DeclareRobustCommand"), Expander.new_command
    ),
    **dict.fromkeys((r"\newenvironment", r"\renewenvironment"), Expander.new_environment),
    **dict.fromkeys(
        (r"\NewDocumentCommand", r"\RenewDocumentCommand", r"\DeclareDocumentCommand", r"\ProvideDocumentCommand"),
        Expander.document_command,
    ),
    **dict.fromkeys((r"\def", r"\gdef", r"\edef", r"\xdef"), Expander.definition),
    r"\let": Expander.alias,
    r"\DeclareMathOperator": Expander.operator,
    r"\DeclarePairedDelimiter": Expander.paired,
}


def _head(token: Token, length: int) -> Token:
    return Token(token.text[:length], token.start, token.start + length if _own(token) else token.end)


def tail(token: Token, length: int) -> Token:
    """A token without its first characters."""
    return Token(token.text[length:], token.start + length if _own(token) else token.start, token.end)


def _own(token: Token) -> bool:
    """True where the token stands in the document as it is, character for character."""
    return token.end - token.start == len(token.text)


def _number(tokens: list[Token] | None) -> int:
    text = "".join(token.text for token in tokens or []).strip()
    return int(text) if text in set("123456789") else 0


def _body(tokens: list[Token]) -> tuple[Token | int, ...]:
    """A macro's body: ``#1`` becomes 1, ``##`` becomes ``#``."""
    parts: list[Token | int] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        following = tokens[position + 1] if position + 1 < len(tokens) else None
        if token.text == "#" and following is not None and following.text[:1].isdigit():
            parts.append(int(following.text[0]))
            if len(following.text) > 1:
                parts.append(tail(following, 1))
            position += 2
        elif token.text == "#" and following is not None and following.text == "#":
            parts.append(token)
            position += 2
        else:
            if not token.text.startswith("%"):
                parts.append(token)
            position += 1
    return tuple(parts)


def _filled(body: tuple[Token | int, ...], arguments: list[list[Token]], start: int, end: int) -> list[Token]:
    """The body at the place of its call, its arguments where they stand."""

    def parts() -> Iterator[Token]:
        for part in body:
            if isinstance(part, Token):
                yield Token(part.text, start, end)
            elif part <= len(arguments):
                yield from arguments[part - 1]

    return list(parts())


def expanded(source: str, lines: Lines | None = None) -> tuple[list[Token], list[Problem]]:
    r"""A document's tokens with macros expanded, and what went wrong.

    >>> tokens, _ = expanded(r"\newcommand{\pd}[2]{\frac{\partial #1}{\partial #2}}$\pd{C}{w}$")
    >>> "".join(token.text for token in tokens)
    '$\\frac{\\partial C}{\\partial w}$'
    """
    expander = Expander(source, lines or Lines(source))
    return expander.run(), expander.problems
