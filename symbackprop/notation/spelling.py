"""Which name stands for what: the one table that printers fill and readers match.

``Spelling(network, preset)`` knows how every tensor, element, function, size and adjoint is written: the author's
``[latex]`` first, the preset's patterns otherwise. No two tensors look the same, unless their author tells them apart
by the letter of an index (``s_j`` and ``s_k``); such a spelling is used with that letter alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from symbackprop.affine import Var, var
from symbackprop.index import Along, Apply, Opaque, Ref, is_adjoint, partial_name, primal_name
from symbackprop.notation.glyph import (
    GREEK,
    SHAPES,
    Hole,
    Item,
    Mark,
    Pattern,
    Symbol,
    Word,
    letter,
    named,
    spelling,
    tokens,
    whole,
)
from symbackprop.tables.activations import ACTIVATION
from symbackprop.tables.reductions import AXIS_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from symbackprop.affine import Affine
    from symbackprop.index import Equation
    from symbackprop.network import Network
    from symbackprop.notation.preset import AdjointName, Preset

_KEY = re.compile(r"\s*(?P<name>[A-Za-z_]\w*)\s*(?P<rest>(?:\[[^\]]*\]\s*)*)$")


def key_of(text: str) -> tuple[str, tuple[str, ...]]:
    """A key of ``[latex]`` as a name and the letters in its brackets.

    >>> key_of("W[l][i,j]")
    ('W', ('l', 'i', 'j'))
    """
    found = _KEY.match(text)
    if not found:
        return text, ()
    groups = re.findall(r"\[([^\]]*)\]", found["rest"])
    return found["name"], tuple(part.strip() for group in groups for part in group.split(","))


def shape(pattern: Pattern) -> tuple[tuple[str, ...], ...]:
    """What a pattern looks like whatever its indices are."""
    parts = (tokens(part) for part in (pattern.nucleus, pattern.sub, pattern.sup))
    return tuple(tuple("#" if token.startswith("#") else token for token in part) for part in parts)


def pre_activations(network: Network) -> frozenset[str]:
    """Tensors to which the forward pass applies an activation (or a softmax) and nothing else."""
    found: set[str] = set()
    for equation in network.equations:
        for term in equation.terms:
            if len(term.factors) != 1 or not network.tensors[equation.lhs.tensor].axes:
                continue
            factor = term.factors[0]
            if isinstance(factor, Along):
                found.add(factor.arg.tensor)
            elif isinstance(factor, Apply) and hasattr(factor.template, "row"):
                found |= {arg.tensor for arg in factor.args if isinstance(arg, Ref)}
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Entry:
    """One way to write one thing; ``letters`` are the author's, by position of the index."""

    pattern: Pattern
    letters: Mapping[int, str] = field(default_factory=dict)


class Spelling:
    """See the module's first lines. ``layout`` gives the stored order of element axes where arrays are re-laid."""

    def __init__(self, network: Network, preset: Preset, layout: Mapping[str, tuple[int, ...]] | None = None) -> None:
        self.network, self.preset = network, preset
        self.layout = dict(layout or {})
        self._author = self._authored()
        self.sizes = frozenset(self._sizes())
        self.ell = self._letter_l()
        self.letters: dict[tuple[str, int], str] = {}
        self.alternatives: dict[tuple[str, str], list[Entry]] = {}
        self.pre_activations = pre_activations(network)
        self._tensors: dict[str, Entry] = {}
        self._elements: dict[str, Entry] = {}
        self._plain: dict[str, Pattern] = {}
        self._build_tensors()
        self._build_elements()
        self.shared = self._shared()
        self._signals: dict[str, AdjointName | None] = {}
        self._clashing = self._clashing_signals()

    # -- what printers and readers ask ---------------------------------------------------------------------------------

    def tensor(self, name: str) -> Pattern | None:
        """The whole array; holes are its family indices. None for an adjoint that is written as a derivative."""
        if is_adjoint(name):
            return self._signal(primal_name(name), self._tensors.get(primal_name(name)))
        return self._tensors[name].pattern

    def element(self, name: str, shown: tuple[str, ...] = ()) -> Pattern | None:
        """An element; holes are all its indices. ``shown`` are the letters to be printed, "" for other indices."""
        primal = primal_name(name)
        if is_adjoint(name) and primal not in self._elements:
            return None
        entry = self._elements[primal]
        if primal in self.shared and any(shown[p].rstrip("'") != own for p, own in entry.letters.items()):
            entry = Entry(self._plain[primal])
        return self._signal(primal, entry) if is_adjoint(name) else entry.pattern

    def elements(self, name: str) -> tuple[Entry, ...]:
        """All spellings of an element that a reader may meet, with the letters that they demand."""
        primal = primal_name(name)
        entry = self._elements[primal]
        found = [entry if primal in self.shared else Entry(entry.pattern)]
        if primal in self.shared:
            found.append(Entry(self._plain[primal]))
        if is_adjoint(name):
            return tuple(Entry(p, e.letters) for e in found if (p := self._signal(primal, e)) is not None)
        return (*found, *self.alternatives.get(("element", name), ()))

    def signal_rule(self, tensor: str) -> AdjointName | None:
        """The rule that names the adjoint of a tensor; None where it is written as a derivative."""
        if tensor not in self._signals:
            known = self.network.tensors.get(tensor)
            ours = known is not None and known.role not in {"parameter", "input", "loss"}
            self._signals[tensor] = next(
                (
                    rule
                    for rule in self.preset.adjoints
                    if ours and rule.fits(tensor) and (not rule.role or tensor in self.pre_activations)
                ),
                None,
            )
        return self._signals[tensor]

    def size(self, name: str, count: int = 0) -> Pattern:
        """A size; holes are the indices of a family of sizes."""
        for letters, text in self._author.get(name, ()):
            pattern = spelling(text, {x: k for k, x in enumerate(letters)})
            if len(set(pattern.holes)) == count:
                return pattern
        pattern = named(name)
        return pattern.add_sub(*map(Hole, range(count))) if count else pattern

    def function(self, name: str, count: int = 0, order: int = 0) -> Pattern:
        """A function, or its slope (``order`` 1); holes are the family indices of a function per layer.

        A dot stands above single letters alone; longer names take primes.
        """
        pattern = self._function(name, count)
        single = (
            len(pattern.nucleus) == 1
            and isinstance(pattern.nucleus[0], Symbol)
            and (len(pattern.nucleus[0].text) == 1 or pattern.nucleus[0].text.removeprefix("\\") in GREEK)
        )
        if order and single and self.preset.signs.slope == "dot":
            return pattern.with_nucleus((Mark("dot" if order == 1 else "ddot", pattern.nucleus),))
        return pattern.with_nucleus((*pattern.nucleus, *(Symbol("'") for _ in range(order))))

    def _function(self, name: str, count: int) -> Pattern:
        for letters, text in self._author.get(name, ()):
            pattern = spelling(text, {x: k for k, x in enumerate(letters)})
            if len(set(pattern.holes)) == count:
                return pattern
        if name in self.network.functions:
            base = named(name)
        else:
            row = ACTIVATION.get(name) or AXIS_FUNCTION.get(name)
            base = spelling(row.latex) if row else _operator(name)
            if base in [named(each) for each in self.network.functions]:
                base = _operator(name)
        return self._in_family(base, tuple(range(count)), ("l",) * count)

    def letter(self, name: str) -> tuple[Item, ...]:
        """A printed index letter."""
        stem = name.rstrip("'")
        if stem == "l" and not self.ell:
            return (Symbol("l"), *(Symbol("'") for _ in name[1:]))
        return letter(name)

    @property
    def reserved(self) -> frozenset[str]:
        """Letters that are names already; indices without a letter of the author's keep off them."""
        return self.sizes | self.network.tensors.keys()

    # -- building ------------------------------------------------------------------------------------------------------

    def _sizes(self) -> Iterator[str]:
        for tensor in self.network.tensors.values():
            for form in (*tensor.axes, *(limit for b in tensor.family for limit in (b.lo, b.hi))):
                yield from sorted(form.sizes)

    def _authored(self) -> dict[str, list[tuple[tuple[str, ...], str]]]:
        found: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for key, texts in self.network.latex.items():
            name, letters = key_of(key)
            found.setdefault(name, []).extend((letters, text) for text in texts)
        return found

    def _letter_l(self) -> bool:
        """True where the letter l is written ℓ: not where its author writes it plain."""
        texts = [text for entries in self._author.values() for letters, text in entries if "l" in letters]
        return not texts or any(r"\ell" in text for text in texts)

    def _in_family(self, base: Pattern, positions: tuple[int, ...], letters: tuple[str, ...]) -> Pattern:
        """The base name with its layer or time indices where the preset puts them."""
        families = self.preset.families
        low = [
            p
            for p, x in zip(positions, letters, strict=True)
            if families.place == "subscript" or x in families.in_subscript
        ]
        high = [p for p in positions if p not in low]
        if low:
            base = base.add_sub(*_listed(low))
        if high:
            base = base.add_sup(*_bracketed(_listed(high), families.open, families.close))
        return base

    def _build_tensors(self) -> None:
        taken: set[object] = set()
        authored: dict[str, Entry] = {}
        for name, tensor in self.network.tensors.items():
            count = len(tensor.family)
            for letters, text in self._author.get(name, ()):
                pattern = spelling(text, {x: k for k, x in enumerate(letters)})
                if len(letters) == count and set(pattern.holes) == set(range(count)):
                    entry = Entry(pattern, dict(enumerate(letters)))
                    if name in authored:
                        self.alternatives.setdefault(("tensor", name), []).append(entry)
                    else:
                        authored[name] = entry
            if name in authored:
                self._note_letters(name, authored[name])
                taken.add(shape(authored[name].pattern))
        for name in self.network.tensors:
            if name not in authored:
                pattern = next(p for p in self._tensor_candidates(name) if shape(p) not in taken)
                taken.add(shape(pattern))
                authored[name] = Entry(pattern)
        self._tensors = {name: authored[name] for name in self.network.tensors}

    def _tensor_candidates(self, name: str) -> Iterator[Pattern]:
        """Ways to write a whole array that has no spelling, the best first."""
        tensor = self.network.tensors[name]
        positions = tuple(range(len(tensor.family)))
        hints = tuple(b.hint or b.var for b in tensor.family)
        for letters, text in self._author.get(name, ()):
            if not letters:
                yield self._in_family(spelling(text), positions, hints)
        for letters, text in self._author.get(name, ()):
            if len(letters) == tensor.rank:
                pattern = spelling(text, {x: k for k, x in enumerate(letters)})
                base = pattern.without_holes()
                if base.nucleus == named(name).nucleus and self._is_alone(name, pattern):
                    yield self._in_family(base, positions, hints)
        for numbers in self._number_styles(name):
            yield self._in_family(named(name, numbers), positions, hints)
        yield self._in_family(whole(name), positions, hints)

    def _number_styles(self, name: str) -> Iterator[str]:
        """Where a number at the end of a name may go: not where the tensor of that letter has its indices."""
        stem = name.rstrip("0123456789")
        taken: set[str] = set()
        other = self.network.tensors.get(stem) if stem != name else None
        if other is not None:
            taken |= {"subscript"} if other.axes else set()
            low = self.preset.families.place == "subscript" or any(
                (b.hint or b.var) in self.preset.families.in_subscript for b in other.family
            )
            if other.family:
                taken |= {"subscript"} if low else {"superscript", "bracketed"}
        styles = (self.preset.names.numbers, "subscript", "bracketed", "superscript")
        yield from (style for style in dict.fromkeys(styles) if style not in taken)

    def _is_alone(self, name: str, pattern: Pattern) -> bool:
        """True where no other tensor has elements that look like this."""
        look = shape(pattern)
        return not any(
            shape(spelling(text, {x: k for k, x in enumerate(letters)})) == look
            for other, entries in self._author.items()
            if other != name
            for letters, text in entries
            if letters
        )

    def _build_elements(self) -> None:
        taken: set[object] = set()
        for name, tensor in self.network.tensors.items():
            for letters, text in self._author.get(name, ()):
                if len(letters) != tensor.rank or ":" in letters or not tensor.axes:
                    continue
                pattern = spelling(text, {x: k for k, x in enumerate(letters)})
                entry = Entry(self._stored(name, pattern), dict(enumerate(letters)))
                if set(entry.pattern.holes) != set(range(tensor.rank)):
                    continue
                if name in self._elements:
                    self.alternatives.setdefault(("element", name), []).append(entry)
                    continue
                self._elements[name] = entry
                self._note_letters(name, entry)
                taken.add(shape(entry.pattern))
        nuclei = {shape(Pattern(e.pattern.nucleus)) for e in self._tensors.values()}
        for name, tensor in self.network.tensors.items():
            base = self._tensors[name].pattern
            if not tensor.axes:
                self._elements[name] = self._tensors[name]
                continue
            plain = self._with_elements(name, _unmarked(base))
            self._plain[name] = self._with_elements(name, self._own_name(name))
            if name in self._elements:
                continue
            small = base.with_nucleus(tuple(map(_lower, base.nucleus)))
            use_small = (
                self.preset.names.lowercase_elements
                and len(tensor.axes) > 1
                and shape(Pattern(small.nucleus)) not in nuclei
            )
            options = [self._with_elements(name, _unmarked(small))] if use_small else []
            options += [plain, self._with_elements(name, base), self._plain[name]]
            pattern = next((p for p in options if shape(p) not in taken), self._with_elements(name, whole(name)))
            taken.add(shape(pattern))
            self._elements[name] = Entry(pattern)

    def _stored(self, name: str, pattern: Pattern) -> Pattern:
        """The spelling of an element with its indices in the order in which a re-laid matrix is stored."""
        count = len(self.network.tensors[name].family)
        order = self.layout.get(name, ())
        if order != (1, 0) or not any({Hole(count), Hole(count + 1)} <= set(p) for p in (pattern.sub, pattern.sup)):
            return pattern
        change = {k: k for k in range(count)} | {count: count + 1, count + 1: count}
        return pattern.renumbered(change)

    def _own_name(self, name: str) -> Pattern:
        """The name in the network file as letters, free of any spelling."""
        tensor = self.network.tensors[name]
        hints = tuple(b.hint or b.var for b in tensor.family)
        return self._in_family(named(name, self.preset.names.numbers), tuple(range(len(hints))), hints)

    def _with_elements(self, name: str, base: Pattern) -> Pattern:
        """The array's name with holes for element indices, in the order in which the array is stored."""
        tensor = self.network.tensors[name]
        count = len(tensor.family)
        order = self.layout.get(name, tuple(range(len(tensor.axes))))
        raised = [
            k
            for k in order
            if self.preset.names.examples == "superscript"
            and not base.sup
            and len(order) > 1
            and str(tensor.axes[k]) == self.network.batch
        ]
        if len(raised) == 1:
            base = base.add_sup(Symbol("("), Hole(count + raised[0]), Symbol(")"))
            order = tuple(k for k in order if k != raised[0])
        return base.add_sub(*(Hole(count + k) for k in order))

    def _note_letters(self, name: str, entry: Entry) -> None:
        for position, own in entry.letters.items():
            self.letters.setdefault((name, position), own)

    def _shared(self) -> frozenset[str]:
        """Tensors whose elements look like those of another, told apart by the letter of an index."""
        seen: dict[object, list[str]] = {}
        for name, entry in self._elements.items():
            seen.setdefault(shape(entry.pattern), []).append(name)
        return frozenset(name for group in seen.values() if len(group) > 1 for name in group)

    # -- adjoints ------------------------------------------------------------------------------------------------------

    def _signal(self, primal: str, entry: Entry | None) -> Pattern | None:
        rule = self.signal_rule(primal)
        if rule is None or entry is None:
            return None
        return self._renamed(rule, entry.pattern, clash=primal in self._clashing)

    def _renamed(self, rule: AdjointName, pattern: Pattern, *, clash: bool) -> Pattern:
        if rule.letter:
            nucleus = spelling(rule.letter).nucleus
            renamed = pattern.with_nucleus(nucleus)
            return renamed.add_sub(*_unmarked(pattern).nucleus, first=True) if clash else renamed
        word = rule.suffix or rule.append
        old = rule.of.partition("*")[2].removeprefix("_")
        if rule.suffix and Word(old) in pattern.sub:
            return pattern.map(lambda item: Word(word) if item == Word(old) else item)
        start = next((k for k, item in enumerate(pattern.sub) if isinstance(item, Hole)), len(pattern.sub))
        known = Pattern(pattern.nucleus, pattern.sub[:start], pattern.sup).without_holes().add_sub(Word(word))
        rest = pattern.sub[start:]
        return Pattern(pattern.nucleus, (*known.sub, *((Symbol(","), *rest) if rest else ())), pattern.sup)

    def _clashing_signals(self) -> frozenset[str]:
        """Tensors whose adjoints, all on one letter, would look the same."""
        seen: dict[object, list[str]] = {}
        bases = {shape(e.pattern) for e in self._tensors.values()} | {shape(e.pattern) for e in self._elements.values()}
        for name, entry in self._elements.items():
            rule = self.signal_rule(name)
            if rule is None or not rule.letter:
                continue
            own = tuple(sorted(entry.letters.items())) if name in self.shared else ()
            for each in (self._tensors[name], entry):
                look = shape(self._renamed(rule, each.pattern, clash=False))
                key = (look, own if each is entry else ())
                seen.setdefault(key, []).append(name)
                if look in bases:
                    seen[key].append("")
        return frozenset(n for group in seen.values() if len(set(group)) > 1 for n in group if n)


def _operator(name: str) -> Pattern:
    """A function by its name in upright letters."""
    return Pattern((Mark("operatorname", tuple(Symbol(r"\_") if c == "_" else Symbol(c) for c in name)),))


def _listed(positions: list[int]) -> tuple[Item, ...]:
    items: list[Item] = []
    for position in positions:
        items += [Symbol(","), Hole(position)] if items else [Hole(position)]
    return tuple(items)


def _bracketed(items: tuple[Item, ...], opening: str, closing: str) -> tuple[Item, ...]:
    return (*((Symbol(opening),) if opening else ()), *items, *((Symbol(closing),) if closing else ()))


def _unmarked(pattern: Pattern) -> Pattern:
    """Without the arrow or bold face of a whole vector."""

    def bare(items: tuple[Item, ...]) -> tuple[Item, ...]:
        if len(items) != 1 or not isinstance(items[0], Mark):
            return items
        inner = bare(items[0].body)
        return inner if items[0].command in SHAPES else (Mark(items[0].command, inner),)

    return pattern.with_nucleus(bare(pattern.nucleus))


def _lower(item: Item) -> Item:
    if isinstance(item, Symbol) and len(item.text) == 1:
        return Symbol(item.text.lower())
    if isinstance(item, Mark):
        return Mark(item.command, tuple(map(_lower, item.body)))
    return item


def opaque_use(network: Network, function: str) -> tuple[Equation, Opaque]:
    """The equation that an opaque loss stands in, and the loss.

    Raises: KeyError.
    """
    for equation in network.equations:
        for term in equation.terms:
            for factor in term.factors:
                if isinstance(factor, Opaque) and factor.name == function:
                    return equation, factor
    message = f"no opaque loss '{function}'"
    raise KeyError(message)


def primal_element(network: Network, ref: Ref) -> Ref:
    """The element by which an adjoint differentiates, or a partial derivative of an opaque loss; else the element."""
    primal = primal_name(ref.tensor)
    function, slash, place = primal.partition("/")
    if not slash:
        return Ref(primal, ref.index)
    equation, loss = opaque_use(network, function)
    argument = loss.args[int(place)]
    depth = len(network.tensors[equation.lhs.tensor].family)
    mapping = {single_letter(own): form for own, form in zip(equation.lhs.index, ref.index[:depth], strict=False)}
    family = argument.index[: len(network.tensors[argument.tensor].family)]
    return Ref(argument.tensor, (*(form.substitute(mapping) for form in family), *ref.index[depth:]))


def partial_element(network: Network, function: str, ref: Ref) -> Ref | None:
    """The partial derivative of an opaque loss by one of its arguments: ``primal_element`` backwards."""
    equation, loss = opaque_use(network, function)
    count = len(network.tensors[ref.tensor].family)
    for place, argument in enumerate(loss.args):
        if argument.tensor != ref.tensor:
            continue
        family: list[Affine] = []
        for own in map(single_letter, equation.lhs.index):
            solved = [
                form - (mine - var(own))
                for mine, form in zip(argument.index[:count], ref.index, strict=False)
                if mine.linear.get(own) == 1
            ]
            family += solved[:1]
        found = Ref(partial_name(function, place), (*family, *ref.index[count:]))
        if len(family) == len(equation.lhs.index) and primal_element(network, found) == ref:
            return found
    return None


def single_letter(form: object) -> str:
    """The running index that an affine form is, or "" where it is something else."""
    atom = getattr(form, "single", None)
    return atom.name if isinstance(atom, Var) else ""
