r"""The table of names: what ``W^{(\ell)}_{ij}``, ``k_{i+1}`` or ``\sigma`` may stand for in one document.

It is built from the network (its ``[latex]``, the patterns of its notation, its names as they are) and from what the
author declares. A name matches a pattern script by script; what is left over are elements, transposes and powers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from symbackprop.affine import Affine, Size, Var
from symbackprop.handwritten.expression import Slice
from symbackprop.handwritten.parse import Item, Items, parse, tokens
from symbackprop.handwritten.tokens import ReadError
from symbackprop.notation.glyph import GREEK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from symbackprop.handwritten.expression import Node
    from symbackprop.network import Network

Tokens = tuple[str, ...]
EntryKind = Literal["let", "tensor", "element", "function", "loss", "size", "scalar", "operation", "operator"]
LET, SPELLED, PRESET, VARIANT, PLAIN, INCOMPLETE = range(6)
"""How sure a spelling is: declared, in ``[latex]``, of the notation, a usual variant, the name itself, a part of it."""
_OPENING = {"(": ")", "[": "]", r"\langle": r"\rangle", "{": "}", r"\{": r"\}"}
_LONGEST_SCRIPT = 40
"""Parts of a superscript in which a name looks for its index."""
_LONGEST_SUBSCRIPT = 200
"""Tokens of a subscript that is read as indices."""
_CLOSING = frozenset(_OPENING.values())


@dataclass(frozen=True, slots=True)
class Hole:
    """Where index number ``position`` stands; what is written there is the index plus ``offset``."""

    position: int
    offset: int = 0


Script = tuple[str | Hole, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A name of the author's: ``head`` as LaTeX, the ``letters`` in it that are variables, in order.

    ``form`` where the name stands for an index or a size (``n = c-1``); ``rank`` the axes of its value, where known;
    ``value`` is what it stands for, over those letters.
    """

    head: str
    letters: tuple[str, ...] = ()
    rank: int | None = None
    form: Affine | None = None
    value: Node | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One way to write one thing. ``slots``: for each index of a tensor its hole, or ":" for a whole axis.

    ``family``: how many of the indices are layers or times; ``letters`` demanded in holes; ``arguments`` where the
    name was declared with a list of what it depends on, ``inner`` that list where it holds indices.
    """

    kind: EntryKind
    name: str
    nucleus: Tokens
    looks: tuple[object, ...] = ()
    sub: Script = ()
    sup: Script = ()
    primes: int = 0
    count: int = 0
    slots: tuple[int | str, ...] = ()
    family: int = 0
    rank: int | None = 0
    letters: tuple[tuple[int, str], ...] = ()
    arguments: bool = False
    inner: Script = ()
    certainty: int = SPELLED
    form: Affine | None = None
    own_letters: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A reading of a name: its entry, the indices in its holes, and what is left of its scripts."""

    entry: Entry
    indices: tuple[Affine, ...] = ()
    rest_sub: Tokens = ()
    rest_sup: Items = ()
    primes: int = 0
    demanded: bool = True
    score: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Head:
    """A spelling taken apart."""

    nucleus: Tokens
    looks: tuple[object, ...]
    sub: Script
    sup: Script
    primes: int
    arguments: bool
    count: int
    inner: Script = ()


def head_of(text: str, letters: Iterable[str] = ()) -> _Head:
    r"""A spelling as a pattern; ``letters`` are the indices in it.

    Raises: ReadError for what is no name.
    """
    return _head_of(text, tuple(letters))


@lru_cache(maxsize=4096)
def _head_of(text: str, letters: tuple[str, ...]) -> _Head:
    items = parse(text).items
    arguments = len(items) > 1 and items[-1].kind == "group" and items[-1].text == "(" and items[-1].bare
    bracket = items[-1].body if arguments else ()
    if arguments:
        items = items[:-1]
    if not items or any(i.kind not in {"name", "number"} for i in items) or not all(i.bare for i in items[:-1]):
        message = f"'{text}' is no name"
        raise ReadError(message)
    last = items[-1]
    position = {letter: k for k, letter in enumerate(letters)}
    sub = _holed(_joined(last.subs), position)
    sup = _holed(tokens(tuple(i for group in last.sups for i in group)), position)
    inner = _holed(tokens(bracket), position)
    if not any(isinstance(part, Hole) for part in inner):
        inner = ()
    count = len({h.position for h in (*sub, *sup, *inner) if isinstance(h, Hole)})
    return _Head(nucleus_of(items), looks_of(items), sub, sup, last.primes, arguments, count, inner)


def nucleus_of(items: Iterable[Item]) -> Tokens:
    """The folded tokens of names side by side."""
    return tuple(token for item in items for token in (item.nucleus or tuple(item.text)))


def looks_of(items: Iterable[Item]) -> tuple[object, ...]:
    """What tells two names apart that differ in fonts and arrows alone."""
    return tuple((item.fonts, item.exact or item.text) for item in items)


def _joined(groups: tuple[Items, ...]) -> Tokens:
    """Several subscripts, one after the other."""
    result: list[str] = []
    for group in groups:
        result += [",", *tokens(group)] if result else tokens(group)
    return tuple(result)


def _holed(script: Tokens, position: Mapping[str, int]) -> Script:
    """Letters that are indices as holes: in a run of letters only where all of them are."""
    result: list[str | Hole] = []
    k = 0
    while k < len(script):
        if script[k].startswith("#") and script[k][1:].isdigit():
            result.append(Hole(int(script[k][1:])))
            k += 1
            continue
        run = k
        while run < len(script) and letter_name(script[run]):
            run += 1
        names = [letter_name(token) for token in script[k:run]]
        if names and all(name in position for name in names):
            result += [Hole(position[name]) for name in names]
        else:
            result += script[k : max(run, k + 1)]
        k = max(run, k + 1)
    return _with_offsets(result)


def _with_offsets(script: list[str | Hole]) -> Script:
    """``i-1`` as one hole whose content is the index less 1."""
    result: list[str | Hole] = []
    k = 0
    while k < len(script):
        part = script[k]
        end = k + 2
        while end < len(script) and isinstance(script[end], str) and str(script[end]).isdigit():
            end += 1
        digits = "".join(map(str, script[k + 2 : end]))
        if isinstance(part, Hole) and k + 1 < len(script) and script[k + 1] in {"+", "-"} and digits.isdigit():
            result.append(Hole(part.position, int(digits) * (1 if script[k + 1] == "+" else -1)))
            k = end
        else:
            result.append(part)
            k += 1
    return tuple(result)


def letter_name(token: str) -> str:
    """The name of an index letter: ``alpha`` for its command, "" for what is no letter."""
    stem = token.removeprefix("\\")
    if len(token) == 1:
        return token if token.isalpha() else ""
    return stem if token.startswith("\\") and stem in GREEK else ""


# ---------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Names:
    """All names of a document at one place. ``letters`` are those that stand for indices for certain."""

    network: Network
    base: int = 1
    table: dict[Tokens, list[Entry]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    letters: set[str] = field(default_factory=set)
    longest: dict[str, int] = field(default_factory=dict)
    """By first token, the length of the longest name."""
    telling: frozenset[str] = frozenset()
    """Index letters that tell tensors of one name apart."""

    def add(self, entry: Entry) -> None:
        """One more spelling; a declared one hides what was declared under the same pattern."""
        known = self.table.get(entry.nucleus, [])
        if entry.kind == "let":
            known = [e for e in known if e.kind != "let" or _pattern(e) != _pattern(entry)]
        self.table[entry.nucleus] = [*known, entry]  # never in place: tables of formulas share what they do not change
        first = entry.nucleus[0]
        if self.longest.get(first, 0) < len(entry.nucleus):
            self.longest = {**self.longest, first: len(entry.nucleus)}
        self.telling |= {own for _, own in entry.letters}

    def is_known(self, nucleus: Tokens) -> bool:
        """True where some name begins like that."""
        return any(e.certainty < PLAIN for e in self.table.get(nucleus, ()))

    def find(self, items: Items, following: Item | None = None) -> list[Match]:
        """What a name may be, the best reading first. Only the last item has scripts; ``following`` may be its list."""
        listed = tokens(following.body) if following is not None and following.kind == "group" else None
        last = items[-1]
        known = self.table.get(nucleus_of(items), ())
        if not known:
            return []
        looks = looks_of(items)
        sub = _joined(last.subs)
        if len(sub) > _LONGEST_SUBSCRIPT:
            return []
        sup = tuple(i for group in last.sups for i in group)
        found = [
            match
            for entry in known
            for inner in _inner_matches(entry, listed)
            for match in self._matches(entry, sub, sup, last.primes, looks, inner)
        ]
        found.sort(key=lambda m: m.score)
        return found

    def _matches(  # noqa: PLR0913, PLR0917 - the parts of a name
        self, entry: Entry, sub: Tokens, sup: Items, primes: int, looks: tuple[object, ...], inner: Mapping[int, Tokens]
    ) -> Iterator[Match]:
        if primes < entry.primes:
            return
        for low, rest_sub in self._sub_matches(entry, sub):
            for high, rest_sup in _sup_matches(entry.sup, sup):
                merged = _merged(low, high)
                merged = None if merged is None else _merged(merged, inner)
                if merged is None or len(merged) != entry.count:
                    continue
                own = _with_whole_axes(entry, merged)
                merged = {k: text for k, text in merged.items() if text != (":",)}
                if len(merged) != own.count:
                    continue  # a colon where one entry is declared
                forms = [self.form(merged[k]) for k in sorted(merged)]
                indices = tuple(form for form in forms if form is not None)
                if len(indices) != len(forms) or not self._fits(own, indices):
                    continue
                demanded = self._demanded(own, indices)
                others = {v.rstrip("'") for form in indices for v in form.variables} & self.telling
                if not demanded and others:
                    continue  # the letter says that it is the other
                score = (
                    int(not demanded),
                    int(entry.certainty >= PLAIN),
                    len(rest_sup) + int(bool(rest_sub)),
                    primes - entry.primes,
                    int(not entry.inner),  # a list that is part of the name is no factor
                    entry.count,
                    int(looks != entry.looks),
                    entry.certainty,
                )
                yield Match(
                    entry=own,
                    indices=indices,
                    rest_sub=rest_sub,
                    rest_sup=rest_sup,
                    primes=primes - entry.primes,
                    demanded=demanded,
                    score=score,
                )

    def _sub_matches(self, entry: Entry, sub: Tokens) -> Iterator[tuple[dict[int, Tokens], Tokens]]:
        for bound, end in _prefixes(entry.sub, sub):
            rest = sub[end:]
            if rest[:1] == (",",):
                rest = rest[1:]
            elif rest and entry.sub and sub[end - 1].isdigit() and rest[0].isdigit():
                continue
            yield bound, rest

    def _fits(self, entry: Entry, indices: tuple[Affine, ...]) -> bool:
        """A usual variant is accepted with the letters of its family, with numbers and depths alone."""
        if entry.certainty != VARIANT:
            return True
        layers = indices[: entry.family]
        if entry.sup and all(isinstance(part, Hole) for part in entry.sup):  # else a power, or a transpose
            return all(f.variables <= entry.own_letters and f.terms and str(f) != "T" for f in layers)
        return all(form.variables <= entry.own_letters for form in layers)

    def _demanded(self, entry: Entry, indices: tuple[Affine, ...]) -> bool:
        """True where the letters that tell names apart stand in their places."""
        for position, own in entry.letters:
            names = {name.rstrip("'") for name in indices[position].variables}
            if names != {own}:
                return False
        return True

    # -- indices -------------------------------------------------------------------------------------------------------

    def form(self, text: Tokens) -> Affine | None:
        r"""An index such as ``\ell-1``, ``2t+k`` or ``n_{\ell}``; None for what is none."""
        total, first, place = Affine(), True, 0
        while place < len(text):
            sign = 1
            if text[place] in {"+", "-"}:
                sign = -1 if text[place] == "-" else 1
                place += 1
            elif not first:
                return None
            first = False
            term, place = self._index_term(text, place)
            if term is None:
                return None
            total += term * sign
        return None if first else total

    def _index_term(self, text: Tokens, place: int) -> tuple[Affine | None, int]:
        """A product of numbers and one letter, size or bracket."""
        number, value = 1, None
        start = place
        while place < len(text) and text[place] not in {"+", "-"}:
            if text[place].isdigit():
                end = place
                while end < len(text) and text[end].isdigit():
                    end += 1
                number *= int("".join(text[place:end])[:9])
                place = end
            elif text[place] in {r"\cdot", "*", r"\times"}:
                place += 1
            else:
                end = unit_end(text, self._size_end(text, place) - 1)
                piece = text[place:end]
                inner = self.form(piece[1:-1]) if piece[0] in _OPENING and piece[-1] in _CLOSING else self._atom(piece)
                if inner is None or value is not None:
                    return None, place
                value, place = inner, end
        if place == start:
            return None, place
        return (Affine(number) if value is None else value * number), place

    def _size_end(self, text: Tokens, start: int) -> int:
        """The end of the longest name of a size without its scripts, else of one token."""
        longest = start + self.longest.get(text[start], 1)
        for end in range(min(longest, len(text)), start + 1, -1):
            if any(entry.kind == "size" for entry in self.table.get(text[start:end], ())):
                return end
        return start + 1

    def _atom(self, text: Tokens) -> Affine | None:
        """One letter, size or declared index."""
        nucleus, sub, sup = split_scripts(text)
        primes = sum(token == "'" for token in nucleus)
        stem = tuple(token for token in nucleus if token != "'")
        if not primes and not sup:
            declared = self._declared_form(stem, sub)
            if declared is not None:
                return declared
            known = self._size(stem, sub)
            if known is not None:
                return known
        if sup or len(stem) != 1:
            return None
        name = letter_name(stem[0])
        if not name or (not sub and name not in self.letters and self._is_tensor(stem)):
            return None
        script = "".join(sub)
        full = name + (script if script.isdigit() else "_" + script.replace("\\", "") if script else "") + "'" * primes
        return Affine(0, ((Var(full), 1),))

    def _declared_form(self, stem: Tokens, sub: Tokens) -> Affine | None:
        for entry in self.table.get(stem, ()):
            if entry.form is not None and entry.sub == sub and not entry.sup:
                return entry.form
        return None

    def _size(self, stem: Tokens, sub: Tokens) -> Affine | None:
        for entry in self.table.get(stem, ()):
            if entry.kind != "size":
                continue
            if entry.name in self.letters and not sub and entry.name not in self.network.depths:
                continue
            for bound, end in _prefixes(entry.sub, sub):
                forms = [self.form(bound[k]) for k in sorted(bound)]
                known = tuple(form for form in forms if form is not None)
                if end == len(sub) and len(known) == len(forms) == entry.count:
                    return Affine(0, ((Size(entry.name, known), 1),))
        return None

    def _is_tensor(self, stem: Tokens) -> bool:
        return any(
            e.kind in {"tensor", "let"} and not e.count and not e.sub and not e.sup for e in self.table.get(stem, ())
        )

    def elements(self, text: Tokens, count: int | None) -> tuple[Affine | tuple[Tokens, Tokens], ...] | None:
        """The indices of a leftover subscript: affine forms, or the two ends of a slice; None where they do not fit."""
        if not text:
            return ()
        if len(text) > _LONGEST_SUBSCRIPT or text[0] in {"+", "-"}:
            return None  # a sign goes on with the index before it: k_{n-1} is no element of k_n
        pieces = split_indices(text, count)
        if pieces is None:
            return None
        result: list[Affine | tuple[Tokens, Tokens]] = []
        for piece in pieces:
            if ":" in piece:
                cut = piece.index(":")
                result.append((piece[:cut], piece[cut + 1 :]))
                continue
            form = self.form(piece)
            if form is None:
                return None
            result.append(form)
        return tuple(result)

    def sliced(self, found: Iterable[Affine | tuple[Tokens, Tokens]]) -> tuple[Affine | Slice, ...]:
        """Indices and slices of a leftover subscript, as ``elements`` gives them, for a node."""
        return tuple(
            each
            if isinstance(each, Affine)
            else Slice(lo=self.form(each[0]) if each[0] else None, hi=self.form(each[1]) if each[1] else None)
            for each in found
        )


def _inner_matches(entry: Entry, listed: Tokens | None) -> Iterator[Mapping[int, Tokens]]:
    """The indices in the list after a name that was declared with indices there."""
    if not entry.inner:
        yield {}
    elif listed is not None:
        yield from (bound for bound, end in _prefixes(entry.inner, listed) if end == len(listed))


def _pattern(entry: Entry) -> tuple[object, ...]:
    return (entry.sub, entry.sup, entry.primes, entry.letters, entry.looks, entry.inner)


def _with_whole_axes(entry: Entry, found: Mapping[int, Tokens]) -> Entry:
    """The entry with whole axes where a colon stands for an index of an element."""
    kept = [k for k in sorted(found) if found[k] != (":",)]
    if len(kept) == len(found) or entry.kind != "element":
        return entry
    place = {k: number for number, k in enumerate(kept)}
    slots = tuple(slot if isinstance(slot, str) else place.get(slot, ":") for slot in entry.slots)
    letters = tuple((place[k], own) for k, own in entry.letters if k in place)
    return replace(entry, count=len(kept), slots=slots, letters=letters)


def _merged(low: Mapping[int, Tokens], high: Mapping[int, Tokens]) -> dict[int, Tokens] | None:
    if any(high.get(k, value) != value for k, value in low.items()):
        return None
    return {**low, **high}


def _prefixes(pattern: Script, text: Tokens) -> Iterator[tuple[dict[int, Tokens], int]]:
    """All ways in which a pattern reads the beginning of a script, with where it ends."""
    yield from _match(pattern, 0, text, 0, {})


def _match(
    pattern: Script, i: int, text: Tokens, j: int, bound: dict[int, Tokens]
) -> Iterator[tuple[dict[int, Tokens], int]]:
    if i == len(pattern):
        yield bound, j
        return
    part = pattern[i]
    if isinstance(part, str):
        if j < len(text) and text[j] == part:
            yield from _match(pattern, i + 1, text, j + 1, bound)
        elif part == "," and j and not _inside_number(text, j):
            yield from _match(pattern, i + 1, text, j, bound)
    else:
        for end in _ends(text, j):
            value = text[j:end]
            if part.offset:
                value = (*value, "-" if part.offset > 0 else "+", *str(abs(part.offset)))
            if bound.get(part.position, value) == value:
                yield from _match(pattern, i + 1, text, end, {**bound, part.position: value})
    if part != "," and 0 < j < len(text) - 1 and text[j] == ",":
        yield from _match(pattern, i, text, j + 1, bound)


def _inside_number(text: Tokens, place: int) -> bool:
    """True between two digits that a comma further on sets off as one number, as the 15 in ``15,11``."""
    return place < len(text) and text[place - 1].isdigit() and text[place].isdigit() and "," in text[place:]


def _ends(text: Tokens, start: int) -> Iterator[int]:
    """Where an index that begins here may end: set off by commas or brackets, a run of digits, one letter or digit."""
    if start >= len(text) or text[start] == ",":
        return
    ends: list[int] = []
    run = start
    while run < len(text) and text[run] != "," and text[run] not in _CLOSING:
        run = unit_end(text, run)
    if start == 0 or text[start - 1] == "," or text[start - 1] in _OPENING:
        ends.append(run)
    digits = start
    while digits < len(text) and text[digits].isdigit():
        digits += 1
    ends += [digits] if digits > start else []
    ends.append(unit_end(text, start))
    yield from dict.fromkeys(end for end in ends if end > start)


def unit_end(text: Tokens, start: int) -> int:
    """The end of one letter or digit with its primes and scripts, or of one bracket."""
    end = _group_end(text, start)
    while end < len(text) and text[end] == "'":
        end += 1
    while end + 1 < len(text) and text[end] in {"_", "^"}:
        end = _group_end(text, end + 1)
    return end


def _group_end(text: Tokens, start: int) -> int:
    if text[start] not in _OPENING:
        accented = text[start].startswith("\\") and start + 1 < len(text) and text[start + 1] == "{"
        return _group_end(text, start + 1) if accented else start + 1
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] in _OPENING) - (text[place] in _CLOSING)
        if not depth:
            return place + 1
    return len(text)


def split_scripts(text: Tokens) -> tuple[Tokens, Tokens, Tokens]:
    """Nucleus, subscript and superscript of the tokens of one name."""
    place = next((k for k, token in enumerate(text) if token in {"_", "^"}), len(text))
    scripts: dict[str, Tokens] = {"_": (), "^": ()}
    rest = place
    while rest + 1 < len(text):
        end = _group_end(text, rest + 1)
        body = text[rest + 1 : end]
        scripts[text[rest]] = body[1:-1] if body and body[0] == "{" else body
        rest = end
    return text[:place], scripts["_"], scripts["^"]


def split_indices(text: Tokens, count: int | None) -> list[Tokens] | None:
    """A subscript as ``count`` indices (any number for None): at its commas, else letter by letter."""
    chunks: list[list[str]] = [[]]
    depth = 0
    for token in text:
        depth += (token in _OPENING) - (token in _CLOSING)
        if token == "," and not depth:
            chunks.append([])
        else:
            chunks[-1].append(token)
    parts = [_sliced(tuple(chunk)) for chunk in chunks if chunk]
    flat = [piece for part in parts for piece in part]
    if count is None:
        return flat if len(chunks) > 1 or any(t in {"+", "-", ":"} for t in text) else _units(text, digits=True)
    for option in (flat, _units(text, digits=False), _units(text, digits=True)):
        if option is not None and len(option) == count:
            return option
    return None


def _sliced(chunk: Tokens) -> list[Tokens]:
    """``j:`` and ``:j`` are two indices, the whole axis among them."""
    if chunk.count(":") == 1 and len(chunk) > 1:
        if chunk[-1] == ":":
            return [chunk[:-1], (":",)]
        if chunk[0] == ":":
            return [(":",), chunk[1:]]
    return [chunk]


def _units(text: Tokens, *, digits: bool) -> list[Tokens] | None:
    """Letter by letter; runs of digits as numbers where ``digits`` says so. None where there are signs."""
    result: list[Tokens] = []
    place = 0
    while place < len(text):
        if text[place] in {"+", "-"}:
            return None
        if text[place] == ",":
            place += 1
            continue
        end = unit_end(text, place)
        while digits and text[place].isdigit() and end < len(text) and text[end].isdigit():
            end += 1
        result.append(text[place:end])
        place = end
    return result


def _sup_matches(pattern: Script, sup: Items) -> Iterator[tuple[dict[int, Tokens], Items]]:
    """All ways in which a pattern reads a part of a superscript, with what is left of it."""
    for cut in range(len(sup), -1, -1) if len(sup) <= _LONGEST_SCRIPT else (len(sup), 0) if not pattern else ():
        pieces = [(sup[:cut], sup[cut:])]
        if pattern and 0 < cut < len(sup):
            pieces.append((sup[cut:], sup[:cut]))
        for own, rest in pieces:
            text = tokens(own)
            for bound, end in _prefixes(pattern, text):
                if end == len(text):
                    yield bound, tuple(i for i in rest if i.kind != "comma") if own else rest
