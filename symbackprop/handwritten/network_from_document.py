r"""The network that a document states itself: shapes, forward equations, functions and a loss, as a network file.

    understood = understand(document)
    understood.network      the checked network, made from ``understood.toml``
    understood.document     the document with its claims alone

Entries that declare shapes (``W \in \mathbb{R}^{m \times k}``) or define names not seen before are the network; what is
left is judged. A name for a derivative alone (``\delta_t = \frac{\partial C}{\partial z_t}``) becomes a ``let``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from symbackprop import spec
from symbackprop.affine import Affine, Bound, Size, const, size, var
from symbackprop.errors import SpecError
from symbackprop.handwritten import forward_text, shapes
from symbackprop.handwritten.directives import Let, Value, key
from symbackprop.handwritten.expression import Node, Quantity, mapped, walk
from symbackprop.handwritten.formula import Problem
from symbackprop.handwritten.forward_text import ANY, NotForwardError, Writer
from symbackprop.handwritten.reader import Context, DeclaredFunction
from symbackprop.handwritten.resolve import statements
from symbackprop.handwritten.stated_facts import with_facts
from symbackprop.handwritten.tokens import ReadError
from symbackprop.index import Tensor
from symbackprop.network import Network, UserFunction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from symbackprop.handwritten.document import Document, Entry
    from symbackprop.handwritten.shapes import Definition, Head, Letters, Range, Said, Shape

_BACKWARD = re.compile(
    r"\\partial|\\nabla|\\delta(?![A-Za-z])|'|\\prime|\\dot(?![A-Za-z])|\\frac\s*\{\s*d[\s\\A-Za-z]*\}\s*\{\s*d"
)
_ALONE = re.compile(r"\s*(?:\\d?frac\s*\{\s*\\partial.*\}\s*\{\s*\\partial.*\}|\\nabla_.*)\s*\.?\s*", re.DOTALL)
_PARAMETERS = frozenset(("W", "w", "b", "U", "V", "\\theta", "\\Theta", "\\beta", "\\omega", "\\Omega", "K", "B"))
_APPLIED = re.compile(
    r"(?<![A-Za-z\\])(\\(?:sigma|phi|varphi|psi|rho)|[fgh])(\s*(?:\^|_)\s*(?:\{[^{}]*\}|\S))?\s*(?:\\left)?\("
)
_OPAQUE_NAMES = frozenset(("f", "g", "h", "sigma", "phi", "psi", "rho"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What a document says about its network; ``network`` is None where that is not enough."""

    network: Network | None
    toml: str
    document: Document


@dataclass(slots=True)
class _Name:
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


def understand(document: Document) -> Understood:
    """The network of a document without a network file, and its claims.

    What cannot be understood is a problem of the document with its place.
    """
    return _Builder(document).run()


class _Builder:
    """Goes through the document's entries: shapes first, then definitions in their order."""

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
        self._place_ranges()
        rights = [self._tokens(each) for _, found in self.said for each in found.definitions]
        self.letters = shapes.letters_of((found for _, found in self.said), rights)
        self.depths: set[str] = set()
        self.depths = self._depths()
        self.lists = self._lists()
        self.names: dict[tuple[object, ...], _Name] = {}
        self.functions: dict[str, UserFunction] = {}
        self.declared: dict[str, DeclaredFunction] = {}
        self.spelled: dict[str, str] = {}
        self.sizes: dict[str, Any] = {}
        self.statements: list[tuple[tuple[str, Affine, Affine] | None, str]] = []
        self.scalars: list[str] = []
        self.used: set[str] = set()
        self.lets: list[tuple[int, Let]] = []
        self.let_letters: set[tuple[str, ...]] = set()
        self.letter_names: dict[tuple[str, Affine], str] = {}

    def _place_ranges(self) -> None:
        """A range that stands alone ("for $t = 1, …, T$" in the text) goes with what precedes it."""
        self.ranges: dict[str, Range] = {}
        for position, (_, found) in enumerate(self.said):
            if found.alone is None:
                continue
            self.ranges.setdefault(found.alone.letter, found.alone)
            entry, before = self.said[position - 1] if position else (None, None)
            if entry is not None and before is not None:
                self.said[position - 1] = (entry, shapes.with_range(before, found.alone))

    def _lists(self) -> dict[tuple[object, ...], tuple[int, Affine]]:
        r"""Families of which a display lists the first members, dots and the last: where the general one starts."""
        found: dict[tuple[object, ...], tuple[int, Affine]] = {}
        dotted = {entry.display for entry in self.document.entries if entry.dots_before}
        first: dict[tuple[object, ...], int] = {}
        for entry, one in self.said:
            for definition in one.definitions if entry.display in dotted else ():
                form = self._member(definition.head)
                if form is None:
                    continue
                shape = definition.head.shape
                if form.is_constant:
                    first[shape] = max(form.const, first.get(shape, 0))
                elif shape in first:
                    found[shape] = (first[shape] + 1, form)
        return found

    @staticmethod
    def _tokens(definition: Definition) -> tuple[str, ...]:
        from symbackprop.handwritten.parse import parse, tokens

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

    # ---- the whole --------------------------------------------------------------------------------------------------

    def run(self) -> Understood:
        self._functions()
        self._shapes()
        claims = [self._is_claim(entry, found) for entry, found in self.said]
        used = {id(entry) for (entry, _), claim in zip(self.said, claims, strict=True) if not claim}
        network, text = self._network()
        if network is not None:
            network, problems = with_facts(self.document, network)
            self.problems += problems
        entries = self._with_lets([entry for entry in self.document.entries if id(entry) not in used])
        listed = sorted((*self.document.problems, *self.problems), key=lambda problem: (problem.line, problem.column))
        return Understood(
            network=network,
            toml=text,
            document=replace(self.document, entries=tuple(entries), problems=tuple(listed)),
        )

    def _with_lets(self, entries: list[Entry]) -> list[Entry]:
        """Names of derivatives hold from the place of their definition."""
        result = []
        for entry in entries:
            extra = tuple(
                let
                for start, let in self.lets
                if start < entry.formula.span.start and all(let.key != own.key for own in entry.directives.lets)
            )
            result.append(
                replace(entry, directives=replace(entry.directives, lets=(*extra, *entry.directives.lets)))
                if extra
                else entry
            )
        return result

    def _is_claim(self, entry: Entry, found: Said) -> bool:
        """Read an entry's definitions; True where something of it is to be judged."""
        claim = found.rest
        for definition in found.definitions:
            claim = not self._defined(definition) or claim
        return claim or not (found.shapes or found.definitions or found.alone)

    def _problem(self, entry: Entry, message: str) -> None:
        formula = entry.formula
        self.problems.append(Problem(message=message, line=formula.line, column=formula.column, span=formula.span))

    # ---- functions --------------------------------------------------------------------------------------------------

    def _functions(self) -> None:
        """Functions that directives declare, and letters that are applied to something."""
        for entry in self.document.entries:
            for function in entry.directives.functions:
                self._function(function.name.text, loss=function.loss)
        for _, found in self.said:
            for definition in found.definitions:
                start, end = definition.right
                text = definition.entry.formula.text[start:end]
                if _BACKWARD.search(text):
                    continue
                for match in _APPLIED.finditer(text):
                    self._function(match[1] + (match[2] or ""), loss=False, sure=False)

    def _function(self, text: str, *, loss: bool, sure: bool = True) -> None:
        from symbackprop.handwritten.context import head_letters
        from symbackprop.handwritten.names import head_of

        letters = tuple(dict.fromkeys(head_letters(text)))
        if any(letter not in self.letters.family for letter in letters):
            return
        stem = shapes.identifier(head_of(text, letters).nucleus)
        if stem in self.functions or (not sure and (stem not in _OPAQUE_NAMES or self._is_tensor(text))):
            return
        prose = self.document.text.lower()
        if not sure and stem == "sigma" and not letters and ("sigmoid" in prose or "logistic" in prose):
            self.spelled["sigmoid"] = text.strip()
            self.functions["sigma"] = UserFunction(name="sigma", kind="sigmoid")
            return
        kind = "opaque loss" if loss else "opaque"
        self.functions[stem] = UserFunction(name=stem, kind=kind, family=len(letters))
        self.spelled[stem + "".join(f"[{letter}]" for letter in letters)] = text.strip()

    def _is_tensor(self, text: str) -> bool:
        stem = re.split(r"[_^]", text)[0].strip()
        heads = [
            each.head
            for _, found in self.said
            for each in (*found.shapes, *found.definitions)
            if not (isinstance(each, shapes.Definition) and each.arguments)
        ]
        return any(re.split(r"[_^]", head.text)[0].strip() == stem for head in heads)

    # ---- shapes -----------------------------------------------------------------------------------------------------

    def _shapes(self) -> None:
        """Declared tensors: families together, the others one by one."""
        families: dict[tuple[object, ...], list[Shape]] = {}
        general = self._family_shapes()
        for _, found in self.said:
            for shape in found.shapes:
                if shape.head.shape in general and self._member(shape.head) is not None:
                    families.setdefault(shape.head.shape, []).append(shape)
                else:
                    self._leaf(shape)
        for group in families.values():
            self._family(group)

    def _family_shapes(self) -> set[tuple[object, ...]]:
        """Shapes of names of which some head has a letter of a family."""
        heads = [each.head for _, found in self.said for each in (*found.shapes, *found.definitions)]
        general = {head.shape for head in heads if (form := self._member(head)) is not None and form.variables}
        return general | set(self.lists)

    def _member(self, head: Head) -> Affine | None:
        """The family index that a name's scripts give; None where no script is one."""
        for script in head.scripts:
            form = self.letters.form(script.inside)
            if form is not None and (form.is_constant or form.variables or form.sizes <= self.depths):
                return form
        return None

    def _leaf(self, shape: Shape) -> None:
        head = shape.head
        axes = self._axes(shape)
        if axes is None:
            return
        name = _Name(self._identifier(head), head.text, axes=axes, leaf=True)
        self.names[head.nucleus, head.scripts] = name
        self.spelled[name.identifier] = head.text

    def _axes(self, shape: Shape) -> tuple[Affine, ...] | None:
        forms = [self.letters.form(inside) for inside in shape.sizes]
        known = tuple(form for form in forms if form is not None)
        return known if len(known) == len(forms) else None

    def _identifier(self, head: Head) -> str:
        parts = [*head.nucleus]
        for script in head.scripts:
            parts += ["_", *script.inside]
        wanted = shapes.identifier(parts)
        while wanted in self.used or wanted in self.functions:
            wanted += "_"
        self.used.add(wanted)
        return wanted

    def _family(self, group: list[Shape]) -> None:
        """A declared family: one shape for all members, or one each joined by sizes with the members' index."""
        general = next((s for s in group if (form := self._member(s.head)) is not None and form.variables), None)
        if general is None:
            self._member_leaves(group)
            return
        form = self._member(general.head)
        axes = self._axes(general)
        assert form is not None  # noqa: S101 - as chosen
        if axes is None:
            return
        letter = min(form.variables)
        axes = tuple(axis.substitute({letter: var(letter) * 2 - form}) for axis in axes)
        name = _Name(self._identifier(replace(general.head, scripts=())), general.head.text, letter, axes, leaf=True)
        if general.range is not None:
            name.lo, name.hi = self.letters.form(general.range.lo), self.letters.form(general.range.hi)
        if len(group) > 1:
            self._joined(name, group)
        self.names[general.head.shape] = name
        self.spelled[f"{name.identifier}[{letter}]"] = general.head.text

    def _member_leaves(self, group: list[Shape]) -> None:
        """Members of a family that equations define are leaves of their own, ``h_0``."""
        for shape in group:
            axes, form = self._axes(shape), self._member(shape.head)
            if axes is None or form is None:
                continue
            leaf = _Name(self._identifier(shape.head), shape.head.text, axes=axes, leaf=True)
            self.names["leaf", shape.head.shape, form] = leaf
            family = self._family_name(shape.head)
            family.axes = tuple(_generalised(axis, form, family.letter) for axis in axes)
            family.members.append(form)
            self.statements.append((None, f"{family.identifier}[{form}] = {leaf.identifier}"))

    def _joined(self, name: _Name, group: list[Shape]) -> None:
        """``W_1``, ``W_i`` and ``W_{n+1}`` of different sizes: row k has ``m[k]``, column k ``m[k-1]``."""
        fresh = next(each for each in ("m", "q", "p", "width") if each not in self._all_sizes() | self.used)
        places: dict[Affine, set[Affine]] = {}
        lows: list[Affine] = []
        highs: list[Affine] = []
        for shape in group:
            form, axes = self._member(shape.head), self._axes(shape)
            if form is None or axes is None:
                continue
            for position, axis in enumerate(axes):
                places.setdefault(axis, set()).add(form - position)
            limit = shape.range
            ends = (limit.lo, limit.hi) if limit is not None else ()
            forms = [end for inside in ends if (end := self.letters.form(inside)) is not None] or [form]
            lows.append(forms[0])
            highs.append(forms[-1])
        name.axes = tuple(size(fresh, var(name.letter) - position) for position in range(len(name.axes or ())))
        name.lo = min(lows, key=lambda form: (form.sizes != frozenset(), form.const))
        name.hi = max(highs, key=lambda form: (form.sizes != frozenset(), form.const))
        alone = {
            axis: next(iter(at))
            for axis, at in places.items()
            if len(at) == 1 and not next(iter(at)).variables and axis.terms
        }
        for other in self.names.values():
            if other.axes is not None:
                other.axes = tuple(size(fresh, alone[axis]) if axis in alone else axis for axis in other.axes)
        self._numbers(fresh, name, places)

    def _all_sizes(self) -> set[str]:
        found = set(self.depths)
        for _, each in self.said:
            for shape in each.shapes:
                for form in self._axes(shape) or ():
                    found |= form.sizes
        return found

    def _numbers(self, fresh: str, name: _Name, places: Mapping[Affine, set[Affine]]) -> None:
        """Numbers for the joined sizes where some are given as numbers (a single output node)."""
        depth = next(iter(name.hi.sizes), None) if name.hi is not None else None
        if depth is None or name.hi is None or name.lo is None:
            return
        self.sizes[depth] = 3
        last = name.hi.evaluate({}, lambda _name, _at: 3)
        fixed = {
            at.evaluate({}, lambda _name, _at: 3): axis.const
            for axis, spots in places.items()
            if axis.is_constant
            for at in spots
            if not at.variables
        }
        first = name.lo.const - 1
        self.sizes[fresh] = {k: fixed.get(k, 2 if k == first else 3 + k) for k in range(first, last + 1)}

    # ---- definitions ------------------------------------------------------------------------------------------------

    def _family_name(self, head: Head) -> _Name:
        """The family of which a name is a member, made where it is new."""
        found = self.names.get(head.shape)
        if found is None:
            general = next(
                (
                    each.head
                    for _, one in self.said
                    for each in one.definitions
                    if each.head.shape == head.shape
                    and (form := self._member(each.head)) is not None
                    and form.variables
                ),
                None,
            )
            if general is None:
                general, letter = self._listed_head(head)
            else:
                form = self._member(general)
                assert form is not None  # noqa: S101 - as chosen
                letter = min(form.variables)
            found = _Name(self._identifier(replace(general, scripts=())), general.text, letter, members=[])
            self.names[head.shape] = found
            self.spelled[f"{found.identifier}[{letter}]"] = general.text
        return found

    def _listed_head(self, head: Head) -> tuple[Head, str]:
        """The general member of a family that a list defines, and its letter."""
        letter = min(self.letters.family, default="i")
        last = next(
            each.head
            for _, one in self.said
            for each in one.definitions
            if each.head.shape == head.shape and self._member(each.head) == self.lists[head.shape][1]
        )
        script = next(script for script in last.scripts if self.letters.form(script.inside) is not None)
        stem = re.split(r"[_^]", last.text)[0]
        inside = f"({letter})" if script.bracket == "(" else f"[{letter}]" if script.bracket == "[" else letter
        return replace(last, text=f"{stem}{script.sign}{{{inside}}}"), letter

    def _defined(self, definition: Definition) -> bool:
        """True where an equation defines a name; False where it is a claim."""
        start, end = definition.right
        entry = definition.entry
        text = entry.formula.text[start:end]
        if definition.arguments and self._is_applied(definition) and self._function_formula(definition, text):
            return True
        head = definition.head
        if _BACKWARD.search(text) or _BACKWARD.search(head.text) or head.nucleus in self.let_letters:
            return self._names_a_derivative(definition, text)
        form = self._member(head) if head.shape in self._family_shapes() else None
        try:
            return self._forward(definition, form)
        except NotForwardError as error:
            self._problem(entry, f"this is not understood as a forward equation: {error}")
        except SpecError as error:
            self._problem(entry, f"this is not understood as a forward equation: {error.message}")
        return False

    def _names_a_derivative(self, definition: Definition, text: str) -> bool:
        head = definition.head
        if not _ALONE.fullmatch(text) or text.count("=") or self._known(head):
            return False
        formula = definition.entry.formula
        name = formula.cut(head.start, head.start + len(head.text))
        value = formula.cut(*definition.right)
        self.lets.append(
            (formula.span.start, Let(name=name, value=Value(formula=value, latex=True), key=key(head.text)))
        )
        self.let_letters.add(head.nucleus)
        return True

    def _known(self, head: Head) -> bool:
        return (head.nucleus, head.scripts) in self.names or head.shape in self.names

    def _is_applied(self, definition: Definition) -> bool:
        r"""True for a function, ``\\sigma(x) = …``; a name with what it depends on, ``L(w) = …``, is applied nowhere."""
        declared = {name[0] for name in self.names if len(name) > 1}
        if definition.arguments not in declared:
            return True
        pattern = re.compile(re.escape(definition.head.text) + r"\s*(?:\\left)?\(")
        return any(
            pattern.search(each.entry.formula.text[slice(*each.right)])
            for _, found in self.said
            for each in found.definitions
        )

    def _function_formula(self, definition: Definition, text: str) -> bool:
        r"""``\sigma(x) = \frac{1}{1+e^{-x}}``."""
        stem = shapes.identifier(definition.head.nucleus)
        if len(definition.arguments) != 1 or definition.head.scripts:
            return False
        letter = shapes.letter_name(definition.arguments[0])
        network = self._provisional({"x": Tensor(name="x")}, functions={})
        try:
            formula = definition.entry.formula.cut(*definition.right)
            context = (
                Context(network=network, scalars=(definition.arguments[0],))
                if letter != "x"
                else Context(network=network)
            )
            node = statements(formula, context)[0].members[0]
            written = Writer(network, {}).write(node).text
        except (ReadError, NotForwardError):
            return False
        written = re.sub(rf"\b{letter}\b", "x", written)
        self.spelled.pop(stem, None)
        self.functions[stem] = UserFunction(name=stem, kind=_known_activation(written) or written)
        self.spelled[_known_activation(written) or stem] = definition.head.text
        return True

    def _forward(self, definition: Definition, form: Affine | None) -> bool:
        """Add a forward equation; False where its name is known already."""
        head, entry = definition.head, definition.entry
        if form is not None:
            name = self._family_name(head)
            if name.leaf or (not form.variables and form in name.members) or (form.variables and name.hi is not None):
                return False
            if name.axes is None:
                name.axes = (size(ANY),)
        elif (head.nucleus, head.scripts) in self.names:
            return False
        else:
            name = self._plain_name(definition)
        context = self._context(entry, name)
        node = statements(entry.formula.cut(*definition.right), context)[0].members[0]
        if form is not None and head.shape in self.lists and form == self.lists[head.shape][1]:
            last, form = form, var(name.letter)
            node = _generalised_node(node, last, form)
            start = self._first_general(name, self.lists[head.shape][0], node, context.network)
            definition = replace(
                definition, range=shapes.Range(name.letter, (str(start),), _script_of(head, self.letters))
            )
        writer = Writer(context.network, {}, self.letter_names)
        free = self._free(name, node, context.network)
        text = writer.equation(node, free)
        axes = tuple(free.values()) if name.elements else text.axes
        if (
            form is None
            and axes
            and not name.elements
            and all(axis == Affine(1) or self._is_one(axis) for axis in axes)
        ):
            if self._is_last(definition):
                text, axes = replace(text, text=f"sum({text.text})"), ()
        self._add(name, form, definition, node, text.text, axes, writer)
        return True

    def _first_general(self, name: _Name, start: int, node: Node, network: Network) -> int:
        """Where the general equation of a list starts: equations before it that it gives too are not needed."""
        while start > 0:
            earlier = Writer(network, {}, self.letter_names)
            text = earlier.equation(_member_node(node, name.letter, start - 1), {}).text
            statement = (None, f"{name.identifier}[{start - 1}] = {text}")
            if statement not in self.statements:
                break
            self.statements.remove(statement)
            start -= 1
        return start

    def _is_one(self, axis: Affine) -> bool:
        atom = axis.single
        if not isinstance(atom, Size) or not atom.at:
            return False
        numbers = self.sizes.get(atom.name)
        if not isinstance(numbers, dict):
            return False
        return numbers.get(atom.at[0].evaluate({}, lambda name, _at: self.sizes.get(name, 3))) == 1

    def _is_last(self, definition: Definition) -> bool:
        """True where no other definition uses the name."""
        head = definition.head
        return not any(
            head.text in each.entry.formula.text[slice(*each.right)]
            for _, found in self.said
            for each in found.definitions
            if each is not definition and not _BACKWARD.search(each.entry.formula.text[slice(*each.right)])
        )

    def _plain_name(self, definition: Definition) -> _Name:
        """A name that is no member of a family: its letters in scripts are elements where the right side has them."""
        head = definition.head
        right = self._tokens(definition)
        letters: list[str] = []
        fixed: list[Any] = []
        for script in head.scripts:
            names = [shapes.letter_name(token) for token in script.inside if token != ","]
            if names and all(names) and all(token in right for token in script.inside if token != ","):
                letters += names
            else:
                fixed.append(script)
        several = sum(each.head.shape == head.shape for _, found in self.said for each in found.definitions) > 1
        base = head if several else replace(head, scripts=tuple(fixed))
        # Two tensors that share a letter get names that no formula spells by chance.
        own = replace(base, scripts=(), nucleus=(*head.nucleus, "_over_", *letters)) if several and letters else base
        name = _Name(self._identifier(own), head.text, elements=tuple(letters))
        self.names[head.nucleus, head.scripts] = name
        self.spelled[name.identifier + (f"[{','.join(letters)}]" if letters else "")] = head.text
        return name

    def _free(self, name: _Name, node: Node, network: Network) -> dict[str, Affine]:
        found = forward_text.letter_sizes(node, network)
        missing = [letter for letter in name.elements if letter not in found]
        if missing:
            raise NotForwardError(reason=f"no tensor on the right side says what {missing[0]} counts")
        return {letter: found[letter] for letter in name.elements}

    def _add(
        self,
        name: _Name,
        form: Affine | None,
        definition: Definition,
        node: Node,
        text: str,
        axes: tuple[Affine, ...],
        writer: Writer,
    ) -> None:
        if form is None:
            name.axes = axes
            left = name.identifier + (f"[{', '.join(map(writer.letter, name.elements))}]" if name.elements else "")
            self.statements.append((None, f"{left} = {text}"))
            return
        if not form.variables:
            name.members.append(form)
            name.axes = tuple(_generalised(axis, form, name.letter) for axis in axes)
            self.statements.append((None, f"{name.identifier}[{form}] = {text}"))
            return
        lo, hi = self._limits(definition.range, node, name)
        name.axes, name.lo, name.hi = axes, lo, hi
        letter = min(form.variables)
        shifted = form - var(letter)
        if shifted != Affine():  # z_{i+1} = …: the loop runs over the index of the left side
            raise NotForwardError(reason="write the equation for the member with the plain index")
        self.statements.append(((letter, lo, hi), f"{name.identifier}[{letter}] = {text}"))

    def _limits(self, given: Range | None, node: Node, name: _Name) -> tuple[Affine, Affine]:
        """The range of a family: as said, else that of the families on its right side."""
        if given is not None:
            lo, hi = self.letters.form(given.lo), self.letters.form(given.hi)
            if lo is not None and hi is not None:
                return lo, hi
        if given is None and (default := self.ranges.get(name.letter)) is not None:
            return self._limits(default, node, name)
        known = {each.identifier: each for each in self.names.values()}
        for part in walk(node):
            other = known.get(part.tensor) if isinstance(part, Quantity) else None
            if other is None or not isinstance(part, Quantity) or other is name:
                continue
            if part.family == (var(name.letter),) and other.lo is not None and other.hi is not None:
                return other.lo, other.hi
        raise NotForwardError(
            reason=f"nothing says over what '{name.letter}' runs; write 'for {name.letter} = 1, …, n'"
        )

    def _context(self, entry: Entry, name: _Name) -> Context:
        extra = {}
        if name.letter and name.axes is not None:
            tensor = name.tensor()
            extra = {name.identifier: tensor} if tensor is not None else {}
        network = self._provisional(extra, functions=self.functions)
        indices = dict.fromkeys((*self.letters.family, *name.elements), "")
        return Context(
            network=network,
            indices=indices,
            functions=tuple(self.declared.values()),
            scalars=tuple(each.name.text for each in entry.directives.scalars),
        )

    # ---- network files ----------------------------------------------------------------------------------------------

    def _provisional(self, extra: Mapping[str, Tensor], functions: Mapping[str, UserFunction]) -> Network:
        """The names known so far as a network without equations, for the reader."""
        tensors = {name.identifier: tensor for name in self.names.values() if (tensor := name.tensor()) is not None}
        tensors |= extra
        sizes = dict.fromkeys(self.depths, 3)
        known = {
            name: function
            for name, function in functions.items()
            if function.kind in {"opaque", "opaque loss"} or not _known_activation_name(function.kind)
        }
        return Network(
            name="document",
            title="",
            notation=None,
            loss="",
            parameters=(),
            inputs=(),
            batch=None,
            tensors=tensors,
            equations=(),
            program=(),
            sizes=sizes,
            functions=known,
            latex={name: (text,) for name, text in self.spelled.items()},
        )

    def _network(self) -> tuple[Network | None, str]:
        """The checked network, and its text."""
        defined = [name for name in self.names.values() if not name.leaf and name.axes is not None]
        leaves = [name for name in self.names.values() if name.leaf]
        if not defined:
            self._nothing("no forward equation is understood in this document, and no network is named by 'net = FILE'")
            return None, ""
        loss = self._loss(defined)
        if loss is None:
            self._nothing("no scalar is defined in this document that could be the loss")
            return None, ""
        text = self._toml(leaves, loss)
        try:
            return spec.loads(text, source=self.document.path), text
        except SpecError as error:
            self._nothing(f"the network that this document defines does not fit together: {error.message}")
            return None, text

    def _nothing(self, message: str) -> None:
        self.problems.append(Problem(message=message, line=1, column=1))

    def _loss(self, defined: list[_Name]) -> _Name | None:
        """The last scalar that no other equation uses."""
        texts = [text.partition("=")[2] for _, text in self.statements]
        scalars = [name for name in defined if name.axes == () and not name.letter]
        free = [name for name in scalars if not any(re.search(rf"\b{name.identifier}\b", text) for text in texts)]
        return (free or scalars or [None])[-1]

    def _toml(self, leaves: list[_Name], loss: _Name) -> str:
        parameters = [leaf for leaf in leaves if self._is_parameter(leaf)] or leaves
        parameters = parameters or leaves
        lines = [
            'name = "document"',
            f'loss = "{loss.identifier}"',
            f"parameters = {json.dumps([leaf.identifier for leaf in parameters])}",
            "",
            'forward = """',
            *self._forward_lines(),
            '"""',
            "",
            "[shapes]",
        ]
        for leaf in leaves:
            name = f"{leaf.identifier}[{leaf.letter}]" if leaf.letter else leaf.identifier
            lines.append(f'{json.dumps(name)} = "{" ".join(map(str, leaf.axes or ()))}"')
        functions = {
            name: function.kind
            for name, function in self.functions.items()
            if not _known_activation_name(function.kind)
        }
        if functions:
            lines += ["", "[functions]"]
            for name, kind in functions.items():
                layered = next((each for each in self.spelled if each.startswith(f"{name}[")), name)
                lines.append(f"{json.dumps(layered)} = {json.dumps(kind)}")
        if self.letter_names:
            lines += ["", "[indices]"]
            lines += [f'{name} = "{axis}"' for (_, axis), name in self.letter_names.items()]
        if self.sizes:
            lines += ["", "[sizes]", *_sizes(self.sizes)]
        lines += ["", "[latex]"]
        lines += [f"{json.dumps(name)} = {json.dumps(text)}" for name, text in self.spelled.items()]
        return "\n".join(lines) + "\n"

    def _forward_lines(self) -> Iterator[str]:
        """Statements, with those of one loop together."""
        last: tuple[str, Affine, Affine] | None = None
        for loop, text in self.statements:
            if loop is not None and loop != last:
                yield f"for {loop[0]} in {loop[1]}..{loop[2]}:"
            last = loop
            yield f"    {text}" if loop is not None else text

    def _is_parameter(self, leaf: _Name) -> bool:
        """True for what the document differentiates by, and for the usual letters of weights."""
        stem = re.split(r"[_^]", leaf.latex)[0].strip()
        plain = re.sub(r"\\(?:vec|mathbf|boldsymbol|bm|mathrm)\s*|[{}]", "", stem)
        if plain in _PARAMETERS:
            return True
        pattern = re.compile(rf"(?:\\partial|\\nabla_?)\s*\{{?\(?\s*{re.escape(stem)}(?![A-Za-z])")
        return any(pattern.search(entry.formula.text) for entry in self.document.entries)


def _generalised(axis: Affine, form: Affine, letter: str) -> Affine:
    """The axis of one member as that of all: ``n[0]`` of member 0 is ``n[l]``."""
    atom = axis.single
    if isinstance(atom, Size) and len(atom.at) == 1:
        return size(atom.name, var(letter) + (atom.at[0] - form))
    return axis


def _generalised_node(node: Node, last: Affine, general: Affine) -> Node:
    """The equation of the last member of a list as that of all: its index ``n`` becomes the letter."""
    if isinstance(node, Quantity):
        family = tuple(general + (form - last) if (form - last).is_constant else form for form in node.family)
        return replace(node, family=family)
    return mapped(node, lambda inner: _generalised_node(inner, last, general))


def _member_node(node: Node, letter: str, index: int) -> Node:
    """The general equation for one member."""
    if isinstance(node, Quantity):
        return replace(node, family=tuple(form.substitute({letter: const(index)}) for form in node.family))
    return mapped(node, lambda inner: _member_node(inner, letter, index))


def _script_of(head: Head, letters: Letters) -> tuple[str, ...]:
    return next(script.inside for script in head.scripts if letters.form(script.inside) is not None)


def _sizes(sizes: Mapping[str, Any]) -> Iterator[str]:
    for name, value in sizes.items():
        if isinstance(value, dict):
            inside = ", ".join(f"{k} = {number}" for k, number in value.items())
            yield f"{name} = {{ {inside} }}"
        else:
            yield f"{name} = {value}"


_ACTIVATIONS = {
    "1 / (1 + exp(-x))": "sigmoid",
    "1 / (exp(-x) + 1)": "sigmoid",
    "exp(x) / (1 + exp(x))": "sigmoid",
    "tanh(x)": "tanh",
}


def _known_activation(text: str) -> str | None:
    """The usual name of an activation, by its formula."""
    return _ACTIVATIONS.get(text)


def _known_activation_name(kind: str) -> bool:
    return kind in _ACTIVATIONS.values()
