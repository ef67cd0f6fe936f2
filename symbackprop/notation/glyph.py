r"""How one name is written: a nucleus with a subscript and a superscript, and holes where indices go.

A spelling such as ``w_{ij}^{(\ell)}`` for ``W[l][i,j]`` is parsed once into a ``Pattern``. Printing fills its holes,
reading matches them, so both use the same data and no LaTeX is ever cut or pasted as text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from symbackprop.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_LETTERS = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell"
)
GREEK = frozenset(_LETTERS.split())
"""Names that are written as a Greek letter (and ``ell``, which has a command of its own)."""

ACCENTS = frozenset(
    (
        "vec",
        "hat",
        "tilde",
        "bar",
        "dot",
        "ddot",
        "widehat",
        "widetilde",
        "overline",
        "underline",
        "check",
        "breve",
        "acute",
        "grave",
        "mathring",
        "overrightarrow",
        "overleftarrow",
    )
)
FONTS = frozenset(
    (
        "mathbf",
        "mathrm",
        "mathit",
        "mathsf",
        "mathtt",
        "mathcal",
        "mathbb",
        "mathfrak",
        "mathscr",
        "mathnormal",
        "boldsymbol",
        "bm",
        "text",
        "textbf",
        "textit",
        "textrm",
        "operatorname",
    )
)
SHAPES = frozenset(("mathbf", "boldsymbol", "bm", "vec"))
"""Marks that an element drops where the whole array wears them (a bold or arrowed vector)."""
_SUFFIX_ACCENTS = {"hat": "hat", "tilde": "tilde", "bar": "bar", "dot": "dot"}
_BLANKS = frozenset((" ", "~", r"\ "))
_OPENING, _CLOSING = frozenset("(["), frozenset(")]")
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Symbol:
    """One token of LaTeX: a character or a command without arguments."""

    text: str


@dataclass(frozen=True, slots=True)
class Word:
    """Letters that belong together (``in``, ``MSE``), written one after the other."""

    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """An accent or a font around other items."""

    command: str
    body: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Hole:
    """Where index number ``position`` goes."""

    position: int


@dataclass(frozen=True, slots=True)
class Scripted:
    """A scripted symbol inside a longer spelling."""

    body: tuple[Item, ...]
    sub: tuple[Item, ...] = ()
    sup: tuple[Item, ...] = ()


Item = Symbol | Word | Mark | Hole | Scripted


@dataclass(frozen=True, slots=True)
class Pattern:
    """A spelling with holes; without holes, a name as it stands on paper."""

    nucleus: tuple[Item, ...]
    sub: tuple[Item, ...] = ()
    sup: tuple[Item, ...] = ()

    @property
    def holes(self) -> tuple[int, ...]:
        """Positions that occur, in order of writing."""
        return tuple(
            item.position
            for part in (self.nucleus, self.sub, self.sup)
            for item in _flat(part)
            if isinstance(item, Hole)
        )

    def fill(self, values: Sequence[tuple[Item, ...]]) -> Pattern:
        """The name with indices in its holes; commas keep apart what would run together.

        >>> p = spelling("w_{1ij}", {"i": 0, "j": 1})
        >>> latex(p.fill([(Symbol("1"),), (Symbol("1"), Symbol("1"))]))
        'w_{1,1,11}'
        >>> latex(p.fill([(Symbol("k"),), (Symbol("j"),)]))
        'w_{1kj}'
        """
        return Pattern(_fill(self.nucleus, values), _fill(self.sub, values), _fill(self.sup, values))

    def without_holes(self) -> Pattern:
        """The name of the whole array: holes go, with the brackets and commas that were theirs."""
        return Pattern(_emptied(self.nucleus), _emptied(self.sub), _emptied(self.sup))

    def map(self, change: Callable[[Item], Item]) -> Pattern:
        """Every top-level item changed."""
        return Pattern(*(tuple(map(change, part)) for part in (self.nucleus, self.sub, self.sup)))

    def with_nucleus(self, nucleus: tuple[Item, ...]) -> Pattern:
        """The same scripts on another letter."""
        return replace(self, nucleus=nucleus)

    def add_sub(self, *items: Item, first: bool = False) -> Pattern:
        """More of a subscript, set off by a comma from what is there."""
        if not self.sub:
            return replace(self, sub=items)
        comma = (Symbol(","),)
        return replace(self, sub=(*items, *comma, *self.sub) if first else (*self.sub, *comma, *items))

    def add_sup(self, *items: Item) -> Pattern:
        """More of a superscript, set off by a comma from what is there."""
        return replace(self, sup=(*self.sup, Symbol(","), *items) if self.sup else items)

    def renumbered(self, change: Mapping[int, int]) -> Pattern:
        """Holes with other positions."""
        return self.map(lambda item: Hole(change[item.position]) if isinstance(item, Hole) else item)


def _flat(items: Sequence[Item]) -> Iterator[Item]:
    for item in items:
        if isinstance(item, Mark):
            yield from _flat(item.body)
        elif isinstance(item, Scripted):
            for part in (item.body, item.sub, item.sup):
                yield from _flat(part)
        else:
            yield item


def _is_digit(item: Item) -> bool:
    return isinstance(item, Symbol) and item.text.isdigit()


def _is_delimiter(item: Item) -> bool:
    return isinstance(item, Symbol) and item.text in {",", "(", ")", "[", "]", ";", r"\langle", r"\rangle"}


def _simple(value: Sequence[Item]) -> bool:
    """One letter (with primes) or one digit."""
    rest = [v for v in value if not (isinstance(v, Symbol) and v.text == "'")]
    return len(rest) == 1


def _fill(items: tuple[Item, ...], values: Sequence[tuple[Item, ...]]) -> tuple[Item, ...]:
    result: list[Item] = []
    previous: Item | None = None
    for item in items:
        if isinstance(item, Mark):
            piece: tuple[Item, ...] = (Mark(item.command, _fill(item.body, values)),)
        elif isinstance(item, Scripted):
            piece = (Scripted(*(_fill(part, values) for part in (item.body, item.sub, item.sup))),)
        else:
            piece = values[item.position] if isinstance(item, Hole) else (item,)
        if previous is not None and Hole in {type(previous), type(item)} and _must_part(previous, item, values):
            result.append(Symbol(","))
        result.extend(piece)
        previous = item
    return tuple(result)


def _unmarked(value: tuple[Item, ...]) -> tuple[Item, ...]:
    """An index without the font that all of it wears."""
    return value[0].body if len(value) == 1 and isinstance(value[0], Mark) else value


def _must_part(left: Item, right: Item, values: Sequence[tuple[Item, ...]]) -> bool:
    """True where an index would run into its neighbour."""
    if _is_delimiter(left) or _is_delimiter(right):
        return False
    shown = [_unmarked(values[item.position] if isinstance(item, Hole) else (item,)) for item in (left, right)]
    if (Symbol(":"),) in shown or not all(map(_simple, shown)):
        return True
    literal = not (isinstance(left, Hole) and isinstance(right, Hole))
    return literal and all(_is_digit(value[0]) for value in shown)


def _emptied(items: tuple[Item, ...]) -> tuple[Item, ...]:
    kept: list[Item] = []
    for item in items:
        if isinstance(item, Hole):
            continue
        if kept and isinstance(item, Symbol) and _is_delimiter(kept[-1]) and isinstance(kept[-1], Symbol):
            pair = (kept[-1].text, item.text)
            if pair in {("(", ")"), ("[", "]"), (r"\langle", r"\rangle")}:
                kept.pop()
                continue
            if pair[0] == ",":
                kept.pop()
        kept.append(item)
    while kept and kept[-1] == Symbol(","):
        kept.pop()
    while kept and kept[0] == Symbol(","):
        kept.pop(0)
    return tuple(kept)


# ---------------------------------------------------------------------------------------------------------------------
# Parsing a spelling


def spelling(text: str, letters: Mapping[str, int] | None = None) -> Pattern:
    r"""The pattern of a LaTeX spelling; ``letters`` says which letters are indices, and of which number.

    A run of letters counts as indices only where all of them are: the ``i`` of ``h_{in,i}`` in ``in`` is none.

    >>> latex(spelling(r"h_{in,j}^{(e)}", {"e": 0, "j": 1}).fill([(Symbol("2"),), (Symbol("j"),)]))
    'h_{in,j}^{(2)}'

    Raises: SpecError for braces that do not balance.
    """
    stream = _Stream([t for t in _TOKEN.findall(text) if t not in _BLANKS], text)
    parts = _scripts(stream, dict(letters or {}), closed=False)
    if len(parts) == 1 and isinstance(parts[0], Scripted):
        return Pattern(parts[0].body, parts[0].sub, parts[0].sup)
    last = parts[-1] if parts else Symbol("")
    if isinstance(last, Scripted) and not any(isinstance(p, Scripted) for p in parts[:-1]):
        return Pattern((*parts[:-1], *last.body), last.sub, last.sup)
    return Pattern(tuple(parts))


@dataclass
class _Stream:
    tokens: list[str]
    text: str
    place: int = 0

    def peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self) -> str:
        if self.place >= len(self.tokens):
            message = f"the spelling {self.text!r} ends too early"
            raise SpecError(message)
        self.place += 1
        return self.tokens[self.place - 1]


def _letter_name(token: str) -> str:
    return token.removeprefix("\\") if token.startswith("\\") else token


def _index_of(token: str, letters: Mapping[str, int]) -> int | None:
    r"""The index a token stands for; ``\ell`` is the letter l."""
    if token in letters:
        return letters[token]
    if token == r"\ell":
        return letters.get("l", letters.get("ell"))
    return letters.get(_letter_name(token)) if token.startswith("\\") else None


def _scripts(stream: _Stream, letters: Mapping[str, int], *, closed: bool) -> list[Item]:
    """Items up to the end, or to the closing brace; scripts hang on the item before them."""
    items: list[Item] = []
    run: list[str] = []

    def flush() -> None:
        found = [_index_of(token, letters) for token in run]
        if len(run) > 1 and any(f is None for f in found):
            items.append(Word("".join(run)))
        else:
            items.extend(Symbol(t) if f is None else Hole(f) for t, f in zip(run, found, strict=True))
        run.clear()

    while stream.peek() and not (closed and stream.peek() == "}"):
        token = stream.take()
        if token.isalpha() and len(token) == 1:
            run.append(token)
            continue
        flush()
        if token in "_^" and token:
            _hang(items, token, stream, letters)
        elif token == "{":
            kept = bool(items) and _takes_argument(items[-1])
            inner = _scripts(stream, letters, closed=True)
            _close(stream)
            items.extend((Symbol("{"), *inner, Symbol("}")) if kept else inner)
        elif token == "}":
            message = f"the braces of {stream.text!r} do not balance"
            raise SpecError(message)
        elif token.startswith("\\") and token[1:] in ACCENTS | FONTS:
            body = _argument(stream, {} if token[1:] in FONTS - {"mathbf", "boldsymbol", "bm"} else letters)
            items.append(Mark(token[1:], body))
        else:
            found = _index_of(token, letters)
            items.append(Symbol(token) if found is None else Hole(found))
    flush()
    return items


def _takes_argument(item: Item) -> bool:
    """True where braces that follow are arguments and stay."""
    return item == Symbol("}") or (isinstance(item, Symbol) and item.text in {r"\sqrt", r"\frac"})


def _close(stream: _Stream) -> None:
    if stream.peek() != "}":
        message = f"the braces of {stream.text!r} do not balance"
        raise SpecError(message)
    stream.take()


def _argument(stream: _Stream, letters: Mapping[str, int]) -> tuple[Item, ...]:
    """A braced group, or the one token that follows."""
    if stream.peek() == "{":
        stream.take()
        body = tuple(_scripts(stream, letters, closed=True))
        _close(stream)
        return body
    token = stream.take()
    if token.startswith("\\") and token[1:] in ACCENTS | FONTS:
        return (Mark(token[1:], _argument(stream, letters)),)
    found = _index_of(token, letters)
    return (Symbol(token) if found is None else Hole(found),)


def _hang(items: list[Item], sign: str, stream: _Stream, letters: Mapping[str, int]) -> None:
    script = _argument(stream, letters)
    base: Item = items.pop() if items else Symbol("")
    if not isinstance(base, Scripted):
        base = Scripted((base,))
    side = "sub" if sign == "_" else "sup"
    if getattr(base, side):
        message = f"{stream.text!r} has two {'sub' if sign == '_' else 'super'}scripts on one letter"
        raise SpecError(message)
    items.append(replace(base, **{side: script}))


# ---------------------------------------------------------------------------------------------------------------------
# Names without a spelling


def letter(name: str) -> tuple[Item, ...]:
    """An index letter as it stands on paper: ``l`` is ℓ, ``alpha`` is α, ``j'`` keeps its prime."""
    stem = name.rstrip("'")
    primes = tuple(Symbol("'") for _ in range(len(name) - len(stem)))
    if stem == "l":
        stem = "ell"
    head = re.fullmatch(r"([A-Za-z]+?)_?(\d*)", stem)
    if head and head[2]:
        return (Scripted((*letter(head[1]),), tuple(Symbol(c) for c in head[2])), *primes)
    if stem in GREEK:
        return (Symbol("\\" + stem), *primes)
    return (Symbol(stem) if len(stem) == 1 else Mark("mathit", (Word(stem),)), *primes)


def _stem(text: str) -> tuple[Item, ...]:
    """A name without underscores and digits."""
    if text == "lam":
        text = "lambda"
    if text in GREEK:
        return (Symbol("\\" + text),)
    for suffix, accent in _SUFFIX_ACCENTS.items():
        rest = text.removesuffix(suffix)
        if rest != text and (len(rest) == 1 or rest in GREEK):
            return (Mark(accent, _stem(rest)),)
    return (Symbol(text) if len(text) == 1 else Mark("mathit", (Word(text),)),)


def named(name: str, numbers: str = "subscript") -> Pattern:
    r"""How a name is written that has no spelling: ``H_in``, ``yhat``, ``W1``, ``theta``, ``MSE``.

    >>> [latex(named(n)) for n in ("H_in", "yhat", "c_tilde", "W1", "theta", "MSE", "a_1_x")]
    ['H_{in}', '\\hat{y}', '\\tilde{c}', 'W_1', '\\theta', '\\mathit{MSE}', 'a_{1,x}']
    """
    head, *rest = [part for part in name.split("_") if part] or [name]
    found = re.fullmatch(r"([A-Za-z]+)(\d+)", head)
    digits = found[2] if found else ""
    nucleus = _stem(found[1] if found else head)
    pattern = Pattern(nucleus)
    if rest and rest[0] in _SUFFIX_ACCENTS and not digits:
        pattern = Pattern((Mark(_SUFFIX_ACCENTS[rest.pop(0)], nucleus),))
    if digits and numbers == "superscript":
        pattern = pattern.add_sup(*map(Symbol, digits))
    elif digits and numbers == "bracketed":
        pattern = pattern.add_sup(Symbol("("), *map(Symbol, digits), Symbol(")"))
    elif digits:
        pattern = pattern.add_sub(*map(Symbol, digits))
    for part in rest:
        pattern = pattern.add_sub(*_script_word(part))
    return pattern


def _script_word(part: str) -> tuple[Item, ...]:
    if part.isdigit():
        return tuple(map(Symbol, part))
    if part in GREEK:
        return (Symbol("\\" + part),)
    return (Symbol(part) if len(part) == 1 else Word(part),)


def whole(name: str) -> Pattern:
    """The whole name as one word; what tells two names apart whose letters would look the same."""
    return Pattern((Mark("mathit", tuple(Symbol(r"\_") if c == "_" else Symbol(c) for c in name)),))


# ---------------------------------------------------------------------------------------------------------------------
# Tokens


def tokens(items: Sequence[Item]) -> tuple[str, ...]:
    """The LaTeX tokens of items, braces of marks and scripts included."""
    result: list[str] = []
    for item in items:
        if isinstance(item, Symbol):
            if item.text:
                result.append(item.text)
        elif isinstance(item, Word):
            result.extend(item.text)
        elif isinstance(item, Mark):
            result.extend(("\\" + item.command, "{", *tokens(item.body), "}"))
        elif isinstance(item, Scripted):
            result.extend(scripted(tokens(item.body), tokens(item.sub), tokens(item.sup)))
        else:
            result.append(f"#{item.position}")
    return tuple(result)


OPERATORS = frozenset((r"\tanh", r"\exp", r"\log", r"\max", r"\min", r"\sin", r"\cos"))
"""Commands that TeX expands to more than one token."""


def scripted(nucleus: tuple[str, ...], sub: tuple[str, ...], sup: tuple[str, ...]) -> tuple[str, ...]:
    """Tokens with their scripts; a script of one token needs no braces, unless it is the name of an operator."""
    result = nucleus
    for sign, script in (("_", sub), ("^", sup)):
        if script:
            bare = len(script) == 1 and script[0] not in OPERATORS
            result = (*result, sign, *script) if bare else (*result, sign, "{", *script, "}")
    return result


def joined(parts: Sequence[str]) -> str:
    """Tokens as text: a blank after a command before a letter."""
    out = ""
    for part in parts:
        if part and out and part[0].isalpha() and re.search(r"\\[A-Za-z]+$", out):
            out += " "
        out += part
    return out


def latex(pattern: Pattern) -> str:
    """A pattern as LaTeX (holes as ``#0``)."""
    return joined(scripted(tokens(pattern.nucleus), tokens(pattern.sub), tokens(pattern.sup)))
