"""Matching tokens with spellings: which tensor, element, function or size a name is, and with which indices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Size, const, size, var
from symbackprop.index import ADJOINT, Apply, Value, adjoint_name
from symbackprop.notation.glyph import Hole, Item, Mark, Pattern, Scripted, Symbol, Word, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from symbackprop.notation.spelling import Entry, Spelling

Tokens = tuple[str, ...]
_SPACES = frozenset((r"\,", r"\;", r"\:", r"\!", r"\ ", "~", " ", r"\left", r"\right"))
_OPENING = {"(": ")", "[": "]", r"\langle": r"\rangle", "{": "}"}


@dataclass(frozen=True, slots=True)
class Spelled:
    """One way to write one thing: ``kind`` is tensor (a whole array), element, function, loss (opaque) or size."""

    kind: str
    name: str
    nucleus: Tokens
    sub: tuple[Item, ...]
    sup: tuple[Item, ...]
    letters: tuple[tuple[int, str], ...] = ()
    order: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A name that was recognised: its indices, and what is left of its superscript (a power, a transpose)."""

    what: Spelled
    indices: tuple[Tokens, ...]
    rest: Tokens = ()


def visible(parts: Sequence[str]) -> Tokens:
    """Tokens without spacing."""
    return tuple(part for part in parts if part not in _SPACES)


def match(pattern: Sequence[Item], text: Tokens) -> Iterator[dict[int, Tokens]]:
    """All ways to fill the holes of one script so that it reads as ``text``; commas between parts are optional.

    >>> from symbackprop.notation.glyph import spelling
    >>> script = spelling("w_{1ij}", {"i": 0, "j": 1}).sub
    >>> next(match(script, ("1", ",", "1", ",", "1", "1")))
    {0: ('1',), 1: ('1', '1')}
    """
    return _match(_flat(pattern), 0, text, 0, {})


def _flat(pattern: Sequence[Item]) -> tuple[str | int, ...]:
    """Literal tokens and numbers of holes."""
    parts: list[str | int] = []
    for item in pattern:
        if isinstance(item, Hole):
            parts.append(item.position)
        elif isinstance(item, (Symbol, Word, Mark, Scripted)):
            parts += [int(t[1:]) if t.startswith("#") and t != "#" else t for t in visible(tokens((item,)))]
    return tuple(parts)


def _match(
    pattern: tuple[str | int, ...], i: int, text: Tokens, j: int, bound: Mapping[int, Tokens]
) -> Iterator[dict[int, Tokens]]:
    if i == len(pattern):
        if j == len(text):
            yield dict(bound)
        return
    part = pattern[i]
    if isinstance(part, str):
        if j < len(text) and text[j] == part:
            yield from _match(pattern, i + 1, text, j + 1, bound)
    else:
        for end in _ends(text, j):
            value = text[j:end]
            if bound.get(part, value) == value:
                yield from _match(pattern, i + 1, text, end, {**bound, part: value})
    if part != "," and 0 < j < len(text) - 1 and text[j] == ",":
        yield from _match(pattern, i, text, j + 1, bound)


def _ends(text: Tokens, start: int) -> Iterator[int]:
    """Where an index that begins here may end: after one letter or digit; after a run set off by commas or brackets."""
    if start >= len(text) or text[start] == ",":
        return
    first = _unit(text, start)
    run, depth = start, 0
    while run < len(text) and (depth or text[run] not in {",", *_OPENING.values()}):
        depth += (text[run] in _OPENING) - (text[run] in _OPENING.values())
        run += 1
    set_off = start == 0 or text[start - 1] == "," or text[start - 1] in _OPENING
    if set_off and run > first:
        yield run
    yield first


def _unit(text: Tokens, start: int) -> int:
    """The end of one letter or digit with its primes and scripts."""
    end = _group(text, start)
    while end < len(text) and text[end] == "'":
        end += 1
    while end + 1 < len(text) and text[end] in {"_", "^"}:
        end = _group(text, end + 1)
    return end


def _group(text: Tokens, start: int) -> int:
    """The end of one token, or of a braced group, or of a mark with its argument."""
    if text[start] != "{":
        return _group(text, start + 1) if start + 1 < len(text) and text[start + 1] == "{" else start + 1
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if not depth:
            return place + 1
    return len(text)


class Names:
    """All spellings of one network in one notation, found by their first letters."""

    def __init__(self, spelling: Spelling, functions: Mapping[str, int], losses: Sequence[str]) -> None:
        self.spelling = spelling
        self.table: dict[Tokens, list[Spelled]] = {}
        network = spelling.network
        for name, tensor in network.tensors.items():
            for own in (name, adjoint_name(name)):
                self._add_tensor(own, len(tensor.family), tensor.rank)
        for name, count in functions.items():
            for order in range(3):
                self._add_function(name, count, order)
        for name in losses:
            self._add("loss", name, spelling.function(name))
        sizes = _size_names(spelling)
        for name, count in sizes.items():
            self._add("size", name, spelling.size(name, count), count=count)
        self.sizes = sizes
        self.longest = max(map(len, self.table), default=0)

    def _add_tensor(self, name: str, count: int, rank: int) -> None:
        whole = self.spelling.tensor(name)
        if whole is not None:
            self._add("tensor", name, whole, count=count)
        if not name.startswith(ADJOINT):
            for entry in self.spelling.alternatives.get(("tensor", name), ()):
                self._add("tensor", name, entry.pattern, count=count)
        if rank > count:
            for entry in self.spelling.elements(name):
                self._add_entry(name, entry, rank)

    def _add_entry(self, name: str, entry: Entry, rank: int) -> None:
        self._add("element", name, entry.pattern, count=rank, letters=tuple(sorted(entry.letters.items())))

    def _add_function(self, name: str, count: int, order: int) -> None:
        self._add("function", name, self.spelling.function(name, count, order), order=order, count=count)

    def _add(  # noqa: PLR0913 - the parts of a spelling
        self,
        kind: str,
        name: str,
        pattern: Pattern,
        *,
        letters: tuple[tuple[int, str], ...] = (),
        order: int = 0,
        count: int = 0,
    ) -> None:
        nucleus = visible(tokens(pattern.nucleus))
        spelled = Spelled(kind, name, nucleus, pattern.sub, pattern.sup, letters, order, count)
        self.table.setdefault(nucleus, []).append(spelled)

    def find(self, nucleus: Tokens, sub: Tokens, sup: Tokens) -> Iterator[Found]:
        """What a scripted name may be, the most literal reading first."""
        known = self.table.get(nucleus, ())
        found: list[tuple[int, Found]] = []
        for spelled in known:
            for low in match(spelled.sub, sub):
                for cut in range(len(sup), -1, -1):
                    for high in match(spelled.sup, sup[:cut]):
                        holes = {**low, **high}
                        if len(holes) == spelled.count and self._letters_fit(spelled, holes):
                            indices = tuple(holes[k] for k in sorted(holes))
                            rest = sup[cut:]
                            found.append((len(rest) * 10 + len(holes), Found(spelled, indices, rest)))
        found.sort(key=lambda pair: pair[0])
        yield from (each for _, each in found)

    @staticmethod
    def _letters_fit(spelled: Spelled, holes: Mapping[int, Tokens]) -> bool:
        """Where letters tell tensors apart, these letters stand there (with primes, if any)."""
        for position, own in spelled.letters:
            text = "".join(holes[position]).rstrip("'").removeprefix("\\")
            if text not in {own, "ell" if own == "l" else own}:
                return False
        return True


def _size_names(spelling: Spelling) -> dict[str, int]:
    """Names of sizes with their number of indices."""
    found: dict[str, int] = {}
    left = list(_forms(spelling))
    while left:
        for atom, _ in left.pop().terms:
            if isinstance(atom, Size):
                found[atom.name] = len(atom.at)
                left.extend(atom.at)
    return found


def _forms(spelling: Spelling) -> Iterator[Affine]:
    """All affine forms in which sizes occur."""
    network = spelling.network
    for tensor in network.tensors.values():
        yield from tensor.axes
        yield from (limit for bound in tensor.family for limit in (bound.lo, bound.hi))
    for term in (term for equation in network.equations for term in equation.terms):
        yield from (limit for bound in term.bounds for limit in (bound.lo, bound.hi))
        for factor in term.factors:
            if isinstance(factor, Apply):
                yield from (arg.form for arg in factor.args if isinstance(arg, Value))


def index_form(names: Names, text: Tokens) -> Affine | None:
    r"""An index such as ``\ell-1``, ``2t+k`` or ``n_{\ell}``, over printed letters; None for anything else."""
    total: Affine = Affine()
    place = 0
    first = True
    while place < len(text):
        sign = 1
        if text[place] in {"+", "-"}:
            sign = -1 if text[place] == "-" else 1
            place += 1
        elif not first:
            return None
        first = False
        digits = ""
        while place < len(text) and text[place].isdigit():
            digits += text[place]
            place += 1
        factor = sign * int(digits or 1)
        if place == len(text) or text[place] in {"+", "-"}:
            if not digits:
                return None
            total += const(factor)
            continue
        end = _unit(text, place)
        atom = _atom(names, text[place:end])
        if atom is None:
            return None
        total += atom * factor
        place = end
    return None if first else total


def _atom(names: Names, text: Tokens) -> Affine | None:
    """One letter or size."""
    nucleus, sub, sup = split_scripts(text)
    for found in names.find(nucleus, sub, sup):
        if found.what.kind == "size" and not found.rest:
            inner = [index_form(names, each) for each in found.indices]
            if all(form is not None for form in inner):
                return size(found.what.name, *(form for form in inner if form is not None))
    return None if sup else letter_form(nucleus, sub)


def letter_form(nucleus: Tokens, sub: Tokens = ()) -> Affine | None:
    """A printed index letter as a variable of that name."""
    stem = tuple(t for t in nucleus if t != "'")
    primes = "'" * (len(nucleus) - len(stem))
    if len(stem) > 1 and stem[:2] == (r"\mathit", "{"):
        return var("".join(stem[2:-1]) + primes)
    if len(stem) != 1 or not (stem[0].isalpha() or stem[0].startswith("\\")):
        return None
    if sub and not all(t.isdigit() for t in sub):
        return None
    name = stem[0].removeprefix("\\")
    return var(("l" if name == "ell" else name) + "".join(sub) + primes)


@lru_cache(maxsize=4096)
def split_scripts(text: Tokens) -> tuple[Tokens, Tokens, Tokens]:
    """Nucleus, subscript and superscript of the tokens of one name."""
    place = next((k for k, t in enumerate(text) if t in {"_", "^"}), len(text))
    scripts: dict[str, Tokens] = {"_": (), "^": ()}
    rest = place
    while rest + 1 < len(text):
        end = _group(text, rest + 1)
        body = text[rest + 1 : end]
        scripts[text[rest]] = body[1:-1] if body and body[0] == "{" else body
        rest = end
    return text[:place], scripts["_"], scripts["^"]
