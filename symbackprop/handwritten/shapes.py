r"""What a document says about shapes: ``W_i \in \mathbb{R}^{q \times p} \text{ for } i = 2, \dots, n``.

A name is taken apart into its letter and its scripts; which scripts are a layer or time index, an element or a part of
the name is decided for all names of the document together.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from symbackprop.affine import Affine, size, var
from symbackprop.handwritten.names import letter_name
from symbackprop.handwritten.parse import parse, tokens
from symbackprop.handwritten.resolve import _pieces
from symbackprop.handwritten.tokens import ReadError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from symbackprop.handwritten.document import Entry
    from symbackprop.handwritten.parse import Item, Items

Tokens = tuple[str, ...]
_OPEN = {"(": ")", "[": "]", "\\langle": "\\rangle"}
_DEFINES = frozenset(("=", ":=", "\\coloneqq", "\\triangleq", "\\equiv", "\\doteq", "≔", "\\leftarrow"))


@dataclass(frozen=True, slots=True)
class Script:
    """One script of a name: below or above, its brackets, and what is inside."""

    sign: str
    bracket: str
    inside: Tokens

    @property
    def shape(self) -> tuple[str, str]:
        """What is the same for all members of a family."""
        return self.sign, self.bracket


@dataclass(frozen=True, slots=True)
class Head:
    """A name: its letter, its scripts, and its text in the document.

    ``index`` is the place among the scripts of a layer or time index, -1 where there is none; ``elements`` are the
    letters of an element, set apart from the scripts of a member.
    """

    nucleus: Tokens
    scripts: tuple[Script, ...]
    text: str
    start: int = 0
    index: int = -1
    elements: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[object, ...]:
        """What is the same for all members of a family: all but the index."""
        return self.nucleus, tuple(s.shape if k == self.index else s for k, s in enumerate(self.scripts))

    @property
    def look(self) -> tuple[object, ...]:
        """The letter, and where it has scripts."""
        return self.nucleus, tuple(script.shape for script in self.scripts)

    @property
    def spelled(self) -> str:
        """The name as LaTeX, without the letters of an element."""
        if not self.elements:
            return self.text
        scripts = (f"{s.sign}{{{s.bracket}{' '.join(s.inside)}{_OPEN.get(s.bracket, '')}}}" for s in self.scripts)
        return re.split(r"[_^]", self.text)[0].strip() + "".join(scripts)


@dataclass(frozen=True, slots=True)
class Range:
    r"""``i = 2, \dots, n``: a letter and its limits."""

    letter: str
    lo: Tokens
    hi: Tokens


@dataclass(frozen=True, slots=True)
class Shape:
    """A name with the sizes of its axes."""

    head: Head
    sizes: tuple[Tokens, ...]
    range: Range | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """``name = …``: the name, where its right side stands in the formula, and the arguments after the name."""

    head: Head
    right: tuple[int, int]
    entry: Entry
    arguments: Tokens = ()
    range: Range | None = None
    dots_before: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What one entry declares and defines; ``rest`` is True where it also says something else."""

    shapes: tuple[Shape, ...] = ()
    definitions: tuple[Definition, ...] = ()
    alone: Range | None = None
    rest: bool = False

    @property
    def heads(self) -> list[Head]:
        """All names that it declares or defines."""
        return [*(each.head for each in self.shapes), *(each.head for each in self.definitions)]


def said(entry: Entry) -> Said:
    """The shapes and definitions of an entry, as far as it can be taken apart; nothing where it cannot be read."""
    text = entry.formula.text
    try:
        pieces = _pieces(parse(text).items)
    except (ReadError, IndexError):
        return Said(rest=True)
    shapes: list[Shape] = []
    definitions: list[Definition] = []
    waiting: list[Head] = []
    alone: Range | None = None
    rest = False
    for items in _unlisted(pieces):
        found = range_of(items)
        if found is not None:
            if not (shapes or definitions):
                alone = found
            shapes = [_ranged(shape, found) for shape in shapes]
            definitions = [_ranged_definition(each, found) for each in definitions]
            continue
        place = next((k for k, item in enumerate(items) if item.kind == "relation"), None)
        if place is None:
            heads = [head for part in _commas(items) if (head := head_of(part, text, primed=True)) is not None]
            waiting += heads
            rest = rest or not heads
            continue
        relation = items[place].text
        sizes = _sizes(items[place + 1 :]) if relation in {"\\in", "∈"} else None
        if sizes is not None:
            shapes += [Shape(head, sizes) for head in waiting]
            shapes += _listed_shapes(_commas(items[:place]), sizes, text)
            waiting = []
            continue
        equation, sizes = _without_set(items)
        if sizes is not None and (head := head_of(equation[place + 1 :], text)) is not None:
            shapes.append(Shape(head, sizes))
        if relation in _DEFINES and (definition := _definition(equation, place, entry)) is not None:
            definitions.append(definition)
        else:
            rest = True
    return Said(tuple(shapes), tuple(definitions), alone, rest or bool(waiting))


def _listed_shapes(parts: list[Items], sizes: tuple[Tokens, ...], text: str) -> list[Shape]:
    r"""``x, y \in …``; ``x_1, \dots, x_N \in …`` is one family, whose letter is not said (""  in its range)."""
    heads = [head for part in parts if (head := head_of(part, text, primed=True)) is not None]
    dotted = [k for k, part in enumerate(parts) if part[0].kind == "dots"]
    if dotted and len(heads) > 1 and heads[0].look == heads[-1].look:
        ends = [(a, b) for a, b in zip(heads[0].scripts, heads[-1].scripts, strict=True) if a != b]
        if len(ends) == 1:
            place = heads[-1].scripts.index(ends[0][1])
            return [Shape(replace(heads[-1], index=place), sizes, Range("", ends[0][0].inside, ends[0][1].inside))]
    return [Shape(head, sizes) for head in heads]


def _without_set(items: Items) -> tuple[Items, tuple[Tokens, ...] | None]:
    r"""``h = x \in \mathbb{R}^n`` without the set at its end, and the sizes that it names."""
    relations = [k for k, item in enumerate(items) if item.kind == "relation"]
    sizes = _sizes(items[relations[-1] + 1 :]) if items[relations[-1]].text in {"\\in", "∈"} else None
    return (items if sizes is None else items[: relations[-1]]), sizes


def _unlisted(pieces: Iterable[Any]) -> Iterator[Items]:
    """Pieces with what stands behind the list of a range ("for i = 2, …, n, W ∈ …") on its own."""
    for piece in pieces:
        parts = _commas(piece.items)
        dots = next((k for k, part in enumerate(parts) if part[0].kind == "dots"), None)
        if piece.lead != "for" or dots is None or len(parts) <= dots + 2:
            yield piece.items
            continue
        kept = parts[: dots + 2]
        yield tuple(item for item in piece.items if item.end <= kept[-1][-1].end)
        yield from parts[dots + 2 :]


def _ranged(shape: Shape, found: Range) -> Shape:
    inside = {token for script in shape.head.scripts for token in script.inside}
    inside |= {token for tokens_ in shape.sizes for token in tokens_}
    fits = shape.range is None and any(letter_name(token) == found.letter for token in inside)
    return replace(shape, range=found) if fits else shape


def _ranged_definition(definition: Definition, found: Range) -> Definition:
    inside = {token for script in definition.head.scripts for token in script.inside}
    fits = definition.range is None and any(letter_name(token) == found.letter for token in inside)
    return replace(definition, range=found) if fits else definition


def with_range(found: Said, extra: Range) -> Said:
    """What an entry says, with a range that the text after it gives."""
    return replace(
        found,
        shapes=tuple(_ranged(each, extra) for each in found.shapes),
        definitions=tuple(_ranged_definition(each, extra) for each in found.definitions),
    )


def _commas(items: Items) -> list[Items]:
    parts: list[list[Item]] = [[]]
    for item in items:
        if item.kind == "comma":
            parts.append([])
        else:
            parts[-1].append(item)
    return [tuple(part) for part in parts if part]


def head_of(items: Items, text: str, *, primed: bool = False) -> Head | None:
    """A name that stands alone; words of several letters (``MSE``) are one name. Primes belong to it if ``primed``."""
    if not items or any(item.kind != "name" for item in items) or not all(item.bare for item in items[:-1]):
        return None
    last = items[-1]
    if len(items) > 1 and not all(len(item.nucleus) == 1 and item.nucleus[0].isalpha() for item in items):
        return None
    if last.nucleus and last.nucleus[0] in {"\\partial", "\\nabla", "d"} and len(items) > 1:
        return None
    nucleus = tuple(token for item in items for token in item.nucleus)
    scripts = [_script(sign, group) for sign, groups in (("_", last.subs), ("^", last.sups)) for group in groups]
    if (last.primes and not primed) or nucleus in {("\\partial",), ("\\nabla",), ("\\Delta",)}:
        return None
    return Head((*nucleus, *"'" * last.primes), tuple(scripts), text[items[0].start : last.end], items[0].start)


def _script(sign: str, group: Items) -> Script:
    inside = tokens(group)
    if len(inside) > 2 and _OPEN.get(inside[0]) == inside[-1]:  # noqa: PLR2004 - both brackets and something
        return Script(sign, inside[0], inside[1:-1])
    return Script(sign, "", inside)


def _definition(items: Items, place: int, entry: Entry) -> Definition | None:
    left, text = items[:place], entry.formula.text
    arguments: Tokens = ()
    if len(left) > 1 and left[-1].kind == "group" and left[-1].text == "(" and left[-1].bare:
        arguments, left = tokens(left[-1].body), left[:-1]
    head = head_of(left, text)
    if head is None or not items[place + 1 :]:
        return None
    return Definition(head, (items[place + 1].start, items[-1].end), entry, arguments)


def _sizes(items: Items) -> tuple[Tokens, ...] | None:
    r"""The sizes in ``\mathbb{R}^{q \times p}``, ``\{0, 1\}^q``; () for ``\mathbb{R}``, None for another set."""
    if len(items) != 1 or items[0].subs or not _is_numbers(items[0]):
        return None
    inside = tuple(item for group in items[0].sups for item in group)
    parts: list[list[Item]] = [[]]
    for item in inside:
        if item.kind == "binary" and item.text in {"\\times", "×", "\\cdot", "*"}:
            parts.append([])
        else:
            parts[-1].append(item)
    return tuple(tokens(tuple(part)) for part in parts) if inside else ()


def _is_numbers(item: Item) -> bool:
    r"""True for the real numbers, and for ``\{0, 1\}``, ``\{-1, 1\}``, ``[0, 1]``."""
    if item.kind == "group":
        return "".join(tokens(item.body)).replace("+", "") in {"0,1", "-1,1"}
    return item.kind == "name" and item.nucleus in {("R",), ("ℝ",)}


def range_of(items: Items) -> Range | None:
    r"""``i = 2, \dots, n``, ``1 \le i \le n``, ``i \in \{1, \dots, n\}``; None for anything else."""
    relations = [k for k, item in enumerate(items) if item.kind == "relation"]
    signs = [items[k].text for k in relations]
    if len(relations) == 2 and all(sign in {"\\le", "\\leq", "<", "≤", "\\leqslant"} for sign in signs):  # noqa: PLR2004
        first, second = relations
        letter = _one_letter(items[first + 1 : second])
        lo, hi = tokens(items[:first]), tokens(items[second + 1 :])
        if letter:
            lo = (*lo, "+", "1") if signs[0] == "<" else lo
            hi = (*hi, "-", "1") if signs[1] == "<" else hi
            return Range(letter, lo, hi)
    if len(relations) != 1:
        return None
    letter, rest = _one_letter(items[: relations[0]]), items[relations[0] + 1 :]
    if signs[0] in {"\\in", "∈"} and len(rest) == 1 and rest[0].kind == "group":
        rest = rest[0].body
    elif signs[0] != "=":
        return None
    if not letter or not any(item.kind == "dots" for item in rest):
        return None
    parts = [tokens(part) for part in _commas(rest) if part[0].kind != "dots"]
    return Range(letter, parts[0], parts[-1]) if len(parts) > 1 else None


def _one_letter(items: Items) -> str:
    if len(items) != 1 or items[0].kind != "name" or not items[0].bare:
        return ""
    return letter_name(items[0].nucleus[0]) if len(items[0].nucleus) == 1 else ""


# ---- sizes and indices ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Letters:
    """Which letters are indices of families, and which sizes have such an index."""

    family: frozenset[str]
    size_families: frozenset[str]
    whole: frozenset[Tokens] = frozenset()
    """Sizes whose subscript is part of their name though it looks like an index: the ``n_l`` that ends a range."""

    def form(self, inside: Tokens) -> Affine | None:
        r"""Tokens as an index or a size: ``n_{\ell-1}``, ``L``, ``i+1``, ``2n``; None for a word or another name."""
        total, position, sign, scale = Affine(), 0, 1, 1
        expects = True
        while position < len(inside):
            token = inside[position]
            if token in "+-":
                sign, scale, expects = (-1 if token == "-" else 1), 1, True
                position += 1
                continue
            number = ""
            while position < len(inside) and inside[position].isdigit():
                number += inside[position]
                position += 1
            if number:
                following = inside[position] if position < len(inside) else "+"
                if following in "+-":
                    total += sign * int(number)
                    expects = False
                else:
                    scale, expects = int(number), True
                continue
            name = letter_name(token)
            if not name or not expects:
                return None
            position += 1
            script, position = _following(inside, position)
            atom = self.atom(name, script)
            if atom is None:
                return None
            total += atom * (sign * scale)
            expects = False
        return None if expects else total

    def atom(self, name: str, script: Tokens) -> Affine | None:
        """A letter or a size with its subscript."""
        if not script:
            return var(name) if name in self.family else size(name)
        if name in self.size_families and (name, *script) not in self.whole:
            index = self.form(script)
            return None if index is None else size(name, index)
        return size(identifier((name, "_", *script)))


def _following(inside: Tokens, position: int) -> tuple[Tokens, int]:
    """The script after a letter in a list of tokens, and where to go on."""
    if position >= len(inside) or inside[position] not in {"_", "^"}:
        return (), position
    position += 1
    if inside[position] != "{":
        return inside[position : position + 1], position + 1
    depth, start = 0, position
    while position < len(inside):
        depth += (inside[position] == "{") - (inside[position] == "}")
        position += 1
        if depth == 0:
            break
    script = inside[start + 1 : position - 1]
    while len(script) > 2 and _OPEN.get(script[0]) == script[-1]:  # noqa: PLR2004 - both brackets and something
        script = script[1:-1]
    return script, position


def letters_of(all_said: Iterable[Said], texts: Iterable[Tokens]) -> Letters:
    """The letters that count layers or time steps: those with a range, and those that are shifted in a script.

    ``texts`` are the tokens of the right sides of definitions.
    """
    family: set[str] = set()
    ends: set[str] = set()
    sizes: dict[str, list[Tokens]] = {}
    all_said = list(all_said)
    all_ranges: list[Range] = []
    for each in all_said:
        ranges = [shape.range for shape in each.shapes] + [one.range for one in each.definitions] + [each.alone]
        all_ranges += [found for found in ranges if found is not None]
        for inside in (tokens_ for shape in each.shapes for tokens_ in shape.sizes):
            for position, token in enumerate(inside):
                script, _ = _following(inside, position + 1)
                if script and letter_name(token):
                    sizes.setdefault(letter_name(token), []).append(script)
    family |= {found.letter for found in all_ranges}
    ends |= {letter_name(token) for found in all_ranges for token in (*found.lo, *found.hi)} - {
        token
        for found in all_ranges
        for inside in (found.lo, found.hi)
        for one in _scripted(inside)
        for token in one[1:]
    }
    whole = {tokens_ for found in all_ranges for inside in (found.lo, found.hi) for tokens_ in _scripted(inside)}
    for text in texts:
        family |= set(_shifted(text))
    family -= ends
    families = {
        name
        for name, scripts in sizes.items()
        if any(letter_name(token) in family for script in scripts for token in script)
    }
    for each in all_said:
        for shape in each.shapes:
            for tokens_ in shape.sizes:
                for position, token in enumerate(tokens_):
                    script, _ = _following(tokens_, position + 1)
                    if script and letter_name(token) and len(script) > 1 and _shifted(("_", "{", *script, "}")):
                        families.add(letter_name(token))
    return Letters(frozenset(family), frozenset(families), frozenset(whole))


def _scripted(inside: Tokens) -> list[Tokens]:
    """The letters of a list of tokens that have a script, with it."""
    found: list[Tokens] = []
    for position, token in enumerate(inside):
        script, _ = _following(inside, position + 1)
        if script and letter_name(token):
            found.append((letter_name(token), *script))
    return found


def _shifted(inside: Tokens) -> list[str]:
    """Letters with a number added or taken away in a script: the ``t`` of ``h_{t-1}``."""
    text = " ".join(inside)
    pattern = r"[_^] \{ (?:[(\[] |\\langle )?(\S+) [+-] \d(?: [)\]]| \\rangle)? \}"
    return [name for found in re.findall(pattern, text) if (name := letter_name(found))]


def identifier(parts: Iterable[str]) -> str:
    r"""A name for a network file: ``\hat{y}`` is ``yhat``, ``W^{x}`` is ``W_x``."""
    words = [part.removeprefix("\\") for part in parts]
    marks = {"hat", "tilde", "bar", "dot", "ddot", "check", "breve"}
    ordered = [word for word in words if word not in marks] + [word for word in words if word in marks]
    name = re.sub(r"\W", "", "".join(ordered))
    name = name if re.match(r"[A-Za-z]", name) else f"v{name}"
    return f"{name}_" if keyword.iskeyword(name) else name
