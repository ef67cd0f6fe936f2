"""The tensors and functions that a document declares: leaves with their axes, families, opaque functions."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from symbackprop.affine import Affine, Size, size, var
from symbackprop.handwritten import shapes
from symbackprop.handwritten.context import head_letters
from symbackprop.handwritten.names import head_of
from symbackprop.handwritten.stated_names import Name, Survey
from symbackprop.network import UserFunction
from symbackprop.tables.activations import ACTIVATION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.handwritten.document import Document
    from symbackprop.handwritten.shapes import Definition, Head, Shape

BACKWARD = re.compile(
    r"\\partial|\\nabla|\\delta(?![A-Za-z])|'|\\prime|\\dot(?![A-Za-z])|\\frac\s*\{\s*d[\s\\A-Za-z]*\}\s*\{\s*d"
)
_BRACKET = r"(?:\s|\\[!,;:])*(?:\\left|\\[bB]igg?l?)?\s*\("
_APPLIED = re.compile(
    r"(?<![A-Za-z\\])(\\(?:sigma|phi|varphi|psi|rho)|[fgh])(\s*(?:\^|_)\s*(?:\{[^{}]*\}|\S))?" + _BRACKET
)
_SLOPED = re.compile(r"(?<![A-Za-z\\])(\\[A-Za-z]+|[A-Za-z])\s*(?:'|\^\s*\{?\s*\\prime\s*\}?)" + _BRACKET)
"""A letter with a prime before a bracket: the slope of a function, where no array has that name."""
_SLOPE = re.compile(r"\\sigma\s*(?:'|\^\s*\{?\s*(?:\\prime|'))|\\d?dot\s*\{?\s*\\sigma")
"""A slope of σ, for which only a function left unnamed has a use."""
_OPAQUE_NAMES = frozenset(("f", "g", "h", "sigma", "phi", "psi", "rho"))


class Declarations(Survey):
    """Names by the look of their heads, with how each is written in the document."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self.names: dict[tuple[object, ...], Name] = {}
        self.functions: dict[str, UserFunction] = {}
        self.spelled: dict[str, str] = {}
        self.sizes: dict[str, Any] = {}
        self.statements: list[tuple[tuple[str, Affine, Affine] | None, str]] = []
        self.used: set[str] = set()

    def _functions(self) -> None:
        """Functions that directives declare, and letters that are applied to something."""
        for entry in self.document.entries:
            for function in entry.directives.functions:
                self._function(function.name.text, loss=function.loss)
        for _, found in self.said:
            for definition in found.definitions:
                start, end = definition.right
                text = definition.entry.formula.text[start:end]
                if self._is_backward(text):
                    continue
                for match in _APPLIED.finditer(text):
                    self._function(match[1] + (match[2] or ""), loss=False, sure=False)
        for entry in self.document.entries:
            for match in _SLOPED.finditer(entry.formula.text):
                if match[1].lstrip("\\") not in ACTIVATION and not self._is_tensor(match[1]):
                    self._function(match[1], loss=False)

    def _is_backward(self, text: str) -> bool:
        """True for what has derivatives or slopes; primes of declared names and of indices are none."""
        primed = [shape.head.text for _, found in self.said for shape in found.shapes if "'" in shape.head.text]
        for name in sorted(primed, key=len, reverse=True):
            text = text.replace(name, name.replace("'", ""))
        return BACKWARD.search(re.sub(r"_\s*\{[^{}]*\}", "", text)) is not None

    def _function(self, text: str, *, loss: bool, sure: bool = True) -> None:
        letters = tuple(dict.fromkeys(head_letters(text)))
        if any(letter not in self.letters.family for letter in letters):
            return
        stem = shapes.identifier(head_of(text, letters).nucleus)
        if stem in self.functions or (not sure and (stem not in _OPAQUE_NAMES or self._is_tensor(text))):
            return
        prose = self.document.text.lower()
        logistic = "sigmoid" in prose or "logistic" in prose or _SLOPE.search(prose) is None
        if not sure and stem == "sigma" and not letters and logistic:
            self.spelled["sigmoid"] = text.strip()
            self.functions["sigma"] = UserFunction(name="sigma", kind="sigmoid")
            return
        kind = "opaque loss" if loss else "opaque"
        self.functions[stem] = UserFunction(name=stem, kind=kind, family=len(letters))
        self.spelled[stem + "".join(f"[{letter}]" for letter in letters)] = text.strip()

    def _is_tensor(self, text: str) -> bool:
        stem = re.split(r"[_^]", text)[0].strip()
        heads = [shape.head for _, found in self.said for shape in found.shapes]
        heads += [each.head for _, found in self.said for each in found.definitions if not self._is_function(each)]
        return any(re.split(r"[_^]", head.text)[0].strip() == stem for head in heads)

    def _is_function(self, definition: Definition) -> bool:
        r"""True for a function, ``\sigma(x) = …``; ``L(w) = …`` is a name with what it depends on."""
        if not definition.arguments:
            return False
        if definition.arguments not in {shape.head.nucleus for _, found in self.said for shape in found.shapes}:
            return True
        own = re.escape("".join(definition.arguments))
        pattern = re.compile(rf"{re.escape(definition.head.text)}\s*(?:\\left)?\((?!\s*{own}\s*\))")
        return any(
            pattern.search(each.entry.formula.text[slice(*each.right)])
            for _, found in self.said
            for each in found.definitions
        )

    def _shapes(self) -> None:
        """Declared tensors: families together, the others one by one."""
        families: dict[tuple[object, ...], list[Shape]] = {}
        for _, found in self.said:
            for shape in found.shapes:
                if self._is_computed(shape):
                    self._computed(shape)
                elif shape.head.index >= 0:
                    families.setdefault(shape.head.shape, []).append(shape)
                else:
                    self._leaf(shape)
        for group in families.values():
            self._family(group)

    def _is_computed(self, shape: Shape) -> bool:
        """True where an equation without derivatives, which is no update, defines what the shape is stated of."""
        form = self._member(shape.head)
        if form is not None and not form.variables:
            return False
        return any(
            each.head.shape == shape.head.shape
            and ((own := self._member(each.head)) is None or bool(own.variables))
            and not BACKWARD.search(each.entry.formula.text[slice(*each.right)])
            and not self._is_function(each)
            and (own is not None or not set(each.head.nucleus) <= set(self._tokens(each)))
            for _, found in self.said
            for each in found.definitions
        )

    def _computed(self, shape: Shape) -> None:
        """The stated axes of a family that an equation defines, for what reads it before that; of others, none."""
        form, axes = self._member(shape.head), self._axes(shape)
        if form is None or axes is None:
            return
        name = self._family_name(shape.head)
        (letter,) = form.variables
        name.axes = tuple(axis.substitute({letter: var(name.letter) * 2 - form}) for axis in axes)

    def _leaf(self, shape: Shape) -> None:
        head = shape.head
        axes = self._axes(shape)
        if axes is None or (head.nucleus, head.scripts) in self.names:
            return
        name = Name(self._identifier(head), head.text, axes=axes, leaf=True)
        self.names[head.nucleus, head.scripts] = name
        self.spelled[name.identifier] = head.text

    def _axes(self, shape: Shape) -> tuple[Affine, ...] | None:
        forms = [self.letters.form(inside) for inside in shape.sizes]
        known = tuple(form for form in forms if form is not None)
        return known if len(known) == len(forms) else None

    def _identifier(self, head: Head) -> str:
        parts = [*head.nucleus]
        for script in (each for k, each in enumerate(head.scripts) if k != head.index):
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
        name = Name(self._identifier(general.head), general.head.text, letter, axes, leaf=True)
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
            leaf = Name(self._identifier(replace(shape.head, index=-1)), shape.head.text, axes=axes, leaf=True)
            self.names["leaf", shape.head.shape, form] = leaf
            family = self._family_name(shape.head)
            family.axes = tuple(generalised(axis, form, family.letter) for axis in axes)
            family.members.append(form)
            self.statements.append((None, f"{family.identifier}[{form}] = {leaf.identifier}"))

    def _joined(self, name: Name, group: list[Shape]) -> None:
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

    def _numbers(self, fresh: str, name: Name, places: Mapping[Affine, set[Affine]]) -> None:
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

    def _family_name(self, head: Head) -> Name:
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
            text = re.sub(r"(\\?[A-Za-z]+)\s*[+-]\s*\d+(?=\s*[)\]}])", r"\1", general.spelled)
            found = Name(self._identifier(general), text, letter, members=[])
            self.names[head.shape] = found
            self.spelled[f"{found.identifier}[{letter}]"] = text
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
        script = last.scripts[last.index]
        stem = re.split(r"[_^]", last.text)[0]
        inside = f"({letter})" if script.bracket == "(" else f"[{letter}]" if script.bracket == "[" else letter
        return replace(last, text=f"{stem}{script.sign}{{{inside}}}"), letter


def generalised(axis: Affine, form: Affine, letter: str) -> Affine:
    """The axis of one member as that of all: ``n[0]`` of member 0 is ``n[l]``."""
    atom = axis.single
    if isinstance(atom, Size) and len(atom.at) == 1:
        return size(atom.name, var(letter) + (atom.at[0] - form))
    return axis
