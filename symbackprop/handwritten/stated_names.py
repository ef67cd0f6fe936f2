r"""What a document says, before any of it is understood: shapes and definitions, letters that count layers, depths.

Which script of a name is an index is decided for all names together: a letter with a range or with a number added is
that of a family, and so is what stands in its place in another member (``W_1``, ``W_{n+1}``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Bound, const, size
from symbackprop.handwritten import shapes
from symbackprop.handwritten.directives_read import key
from symbackprop.handwritten.names import head_of, letter_name
from symbackprop.handwritten.parse import parse, tokens
from symbackprop.handwritten.tokens import ReadError
from symbackprop.index import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from symbackprop.handwritten.document import Document, Entry
    from symbackprop.handwritten.formula import Problem
    from symbackprop.handwritten.shapes import Definition, Head, Range, Said, Shape

_SUMMED = re.compile(
    r"\\sum(?:\\(?:no)?limits)?\s*_\s*\{\s*(?P<letter>\\?[A-Za-z]+)\s*=\s*(?P<lo>[^{}=]+)\}\s*"
    r"\^\s*(?P<hi>\{[^{}]+\}|\\?[A-Za-z]+|\d)"
)
"""A sum with both limits."""


@dataclass(slots=True)
class Name:
    """A tensor of the document: its identifier, its letter as a family, its axes once they are known."""

    identifier: str
    latex: str
    letter: str = ""
    axes: tuple[Affine, ...] | None = None
    lo: Affine | None = None
    hi: Affine | None = None
    elements: tuple[str, ...] = ()
    leaf: bool = False
    members: list[Affine] = field(default_factory=list)
    """Members that a single equation or declaration gives."""

    def tensor(self) -> Tensor | None:
        if self.axes is None:
            return None
        lo, hi = self.lo or const(0), self.hi or size("?")
        family = (Bound(self.letter, lo, hi, self.letter),) if self.letter else ()
        return Tensor(name=self.identifier, axes=self.axes, family=family, role="input" if self.leaf else "hidden")


class Survey:
    """What the entries of a document declare and define; ``lists`` are families that dots define."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.said: list[tuple[Entry, Said]] = []
        lets = {let.key for entry in document.entries for let in entry.directives.lets}
        for entry in document.entries:
            if entry.directives.ignore or entry.directives.claim is not None:
                continue
            found = shapes.said(entry)
            kept = tuple(each for each in found.definitions if key(each.head.text) not in lets)
            self.said.append((entry, replace(found, definitions=kept, rest=found.rest or kept != found.definitions)))
        self.let_letters = self._let_letters()
        self._name_listed()
        self._place_ranges()
        rights = [self._tokens(each) for _, found in self.said for each in found.definitions]
        self.letters = shapes.letters_of((found for _, found in self.said), rights)
        self.depths: set[str] = set()
        self.depths = self._depths()
        self.lists = self._lists()
        heads = [self._indexed(head, right) for head, right in self._heads()]
        self.families = {head.shape for head in heads if head.index >= 0} | set(self.lists)
        self.said = [(entry, self._placed(found)) for entry, found in self.said]

    def _name_listed(self) -> None:
        r"""Families declared by a list, ``x_1, \dots, x_N``, with the letter that the document gives their members."""
        texts = [" ".join(each) for each in map(self._all_tokens, self.document.entries)]

        def named(shape: Shape) -> Shape:
            if shape.range is None or shape.range.letter:
                return shape
            head = shape.head
            script = head.scripts[head.index]
            pattern = re.escape(" ".join((*head.nucleus, script.sign))) + r" (?:\{ )?(?:[(\[] )?(\\?[A-Za-z]+)(?= |$)"
            written = [found for text in texts for found in re.findall(pattern, text)]
            token = next((each for each in written if each not in script.inside and letter_name(each)), "i")
            own = replace(script, inside=(token,))
            scripts = (*head.scripts[: head.index], own, *head.scripts[head.index + 1 :])
            general = replace(
                head, scripts=scripts, index=-1, text=replace(head, scripts=scripts, elements=("",)).spelled
            )
            return replace(shape, head=general, range=replace(shape.range, letter=letter_name(token)))

        self.said = [(entry, replace(found, shapes=tuple(map(named, found.shapes)))) for entry, found in self.said]

    @staticmethod
    def _all_tokens(entry: Entry) -> tuple[str, ...]:
        try:
            return tokens(parse(entry.formula.text).items)
        except ReadError:
            return ()

    def _heads(self) -> Iterator[tuple[Head, tuple[str, ...]]]:
        """All names that are declared or defined, these with the tokens of their right sides."""
        for _, found in self.said:
            yield from ((shape.head, ()) for shape in found.shapes)
            yield from ((each.head, self._tokens(each)) for each in found.definitions)

    def _placed(self, found: Said) -> Said:
        """What an entry says, with the indices and elements of its names set apart."""
        return replace(
            found,
            shapes=tuple(replace(each, head=self.placed(each.head)) for each in found.shapes),
            definitions=tuple(
                replace(each, head=self.placed(each.head, self._tokens(each))) for each in found.definitions
            ),
        )

    def placed(self, head: Head, right: tuple[str, ...] = ()) -> Head:
        """A name with its index and its elements set apart; as it is where it is no member of a family."""
        indexed = self._indexed(head, right)
        if indexed.index >= 0:
            return indexed if indexed.shape in self.families else head
        bare = self._without_elements(head, right)
        for candidate in (replace(each, index=k) for each in (bare, head) for k in range(len(each.scripts))):
            if candidate.shape in self.families and self._member(candidate) is not None:
                return candidate
        return head

    def _indexed(self, head: Head, right: tuple[str, ...]) -> Head:
        """A name with a letter of a family among its scripts: ``z^{(l)}_i``, ``a_{nk}``."""
        for k, script in enumerate(head.scripts):
            letters = [letter_name(token) for token in script.inside if token != ","]
            if script.bracket or len(letters) < 2 or not all(letters) or letters[0] not in self.letters.family:  # noqa: PLR2004
                continue
            if not set(letters[1:]) & self.letters.family and _in_scripts(letters[1:], right):
                own = (*head.scripts[:k], replace(script, inside=script.inside[:1]), *head.scripts[k + 1 :])
                return replace(head, scripts=own, index=k, elements=tuple(letters[1:]))
        bare = self._without_elements(head, right)
        for k, script in enumerate(bare.scripts):
            form = self.letters.form(script.inside)
            if form is not None and form.variables:
                return replace(bare, index=k)
        return head

    def _without_elements(self, head: Head, right: tuple[str, ...]) -> Head:
        """A name with several scripts without the one whose letters are those of an element."""
        for k, script in enumerate(head.scripts if len(head.scripts) > 1 else ()):
            letters = [letter_name(token) for token in script.inside if token != ","]
            plain = letters and not script.bracket and all(letters) and not set(letters) & self.letters.family
            if plain and _in_scripts(letters, right):
                return replace(head, scripts=head.scripts[:k] + head.scripts[k + 1 :], elements=tuple(letters))
        return head

    def _let_letters(self) -> set[tuple[str, ...]]:
        """The letters of names for derivatives: other members of such a name are claims too."""
        found: set[tuple[str, ...]] = set()
        for entry in self.document.entries:
            for let in entry.directives.lets:
                if "\\partial" not in let.value.formula.text and "\\nabla" not in let.value.formula.text:
                    continue
                try:
                    found.add(head_of(let.name.text).nucleus)
                except ReadError:
                    continue
        return found

    def _place_ranges(self) -> None:
        """A range that stands alone ("for $t = 1, …, T$" in the text) goes with what precedes it.

        A letter without one runs over the limits of the first sum over it.
        """
        self.ranges: dict[str, Range] = {}
        for position, (_, found) in enumerate(self.said):
            if found.alone is None:
                continue
            self.ranges.setdefault(found.alone.letter, found.alone)
            entry, before = self.said[position - 1] if position else (None, None)
            if entry is not None and before is not None:
                self.said[position - 1] = (entry, shapes.with_range(before, found.alone))
        for entry in self.document.entries:
            for match in _SUMMED.finditer(entry.formula.text):
                lo, hi = (tokens(parse(each.strip("{}")).items) for each in (match["lo"], match["hi"]))
                letter = letter_name(match["letter"])
                if letter:
                    self.ranges.setdefault(letter, shapes.Range(letter, lo, hi))

    def _lists(self) -> dict[tuple[object, ...], tuple[int, Affine]]:
        r"""Families of which a display lists the first members, dots and the last: where the general one starts."""
        found: dict[tuple[object, ...], tuple[int, Affine]] = {}
        dotted = {entry.display for entry in self.document.entries if entry.dots_before}
        first: dict[tuple[object, ...], int] = {}
        for entry, one in self.said:
            for definition in one.definitions if entry.display in dotted else ():
                for k in range(len(definition.head.scripts)):
                    head = replace(definition.head, index=k)
                    form = self._member(head)
                    if form is not None and form.is_constant:
                        first[head.shape] = max(form.const, first.get(head.shape, 0))
                    elif form is not None and head.shape in first:
                        found[head.shape] = (first[head.shape] + 1, form)
        return found

    @staticmethod
    def _tokens(definition: Definition) -> tuple[str, ...]:
        start, end = definition.right
        try:
            return tokens(parse(definition.entry.formula.text[start:end]).items)
        except ReadError:
            return ()

    def _depths(self) -> set[str]:
        """Sizes that limit a range."""
        found: set[str] = set()
        for _, each in self.said:
            ranges = [s.range for s in each.shapes] + [d.range for d in each.definitions] + [each.alone]
            ranges += [one for letter, one in self.ranges.items() if letter in self.letters.family]
            for one in ranges:
                for inside in (one.lo, one.hi) if one is not None else ():
                    form = self.letters.form(inside)
                    found |= form.sizes if form is not None else set()
        return found | {name for one in self._dotted_ends() for name in one.sizes}

    def _dotted_ends(self) -> list[Affine]:
        """The last members of lists with dots, whose index is a depth."""
        self.depths = {
            each
            for _, one in self.said
            for d in one.definitions
            for script in d.head.scripts
            if (form := self.letters.form(script.inside)) is not None
            for each in form.sizes
        }
        return [form for _, form in self._lists().values()]

    def _member(self, head: Head) -> Affine | None:
        """The family index of a name; None where it has none."""
        form = self.letters.form(head.scripts[head.index].inside) if head.index >= 0 else None
        usable = form is not None and (form.is_constant or form.variables or form.sizes <= self.depths)
        return form if usable else None


def _in_scripts(letters: Sequence[str], right: tuple[str, ...]) -> bool:
    """True where all these letters stand in the right side of an equation."""
    return set(letters) <= {letter_name(token) for token in right}
