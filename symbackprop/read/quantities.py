"""What names stand for: elements, whole arrays, sizes, functions of one entry, of an axis, of whole arrays."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, size, var
from symbackprop.derivation import Derivation
from symbackprop.index import (
    LOCAL,
    Along,
    Opaque,
    Ref,
    Term,
    Value,
    adjoint_name,
    apply,
    function,
    is_adjoint,
    primal_name,
    product,
    slot,
)
from symbackprop.notation.glyph import spelling as parse_spelling
from symbackprop.notation.glyph import tokens
from symbackprop.notation.preset import Preset, load
from symbackprop.notation.spelling import Spelling, partial_element, primal_element, single_letter
from symbackprop.read import values
from symbackprop.read.match import Names, index_form, split_scripts
from symbackprop.read.values import Meaning, MeaningError
from symbackprop.tables.activations import ACTIVATION, template
from symbackprop.tables.reductions import AXIS_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from symbackprop.network import Network
    from symbackprop.read.match import Found, Spelled
    from symbackprop.read.syntax import Tokens


class Quantities:
    """The quantities of one network in one notation.

    Meanings are in printed counting: the first element is ``base``.
    """

    def __init__(
        self,
        subject: Network | Derivation,
        preset: Preset | str | None = None,
        layout: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        self.network = subject.network if isinstance(subject, Derivation) else subject
        self.preset = preset if isinstance(preset, Preset) else load(preset or self.network.notation)
        self.spelling = Spelling(self.network, self.preset, layout)
        self.base = self.preset.indices.base
        losses = sorted(
            {f.name for e in self.network.equations for t in e.terms for f in t.factors if isinstance(f, Opaque)}
        )
        counts = dict.fromkeys((*ACTIVATION, *AXIS_FUNCTION), 0)
        counts |= {name: f.family for name, f in self.network.functions.items() if name not in losses}
        self.names = Names(self.spelling, counts, losses)
        self.transpose = tokens(parse_spelling(self.preset.signs.transpose).nucleus)
        self._fresh = itertools.count()

    # -- names ---------------------------------------------------------------------------------------------------------

    def quantity(self, found: Found, fixed: Mapping[str, Affine]) -> Meaning | None:
        """A tensor, an element or a size; None where what stands for an index is none.

        ``fixed`` are indices of which a condition says what they are; sizes are written with them put in.
        """
        what = found.what
        if what.kind == "element":
            return self._element(what.name, found.indices)
        forms = [index_form(self.names, text) for text in found.indices]
        known = tuple(form for form in forms if form is not None)
        if len(known) < len(forms):
            return None
        if what.kind == "size":
            return values.of_form(size(what.name, *known))
        return self._array(what.name, known, fixed)

    def _element(self, name: str, indices: Sequence[Tokens]) -> Meaning | None:
        """One element; a colon stands for a whole axis (inside functions of an axis)."""
        forms: list[Affine] = []
        for text in indices:
            if text == (":",):
                forms.append(var(f"{LOCAL}{sum(map(is_local, forms))}"))
                continue
            form = index_form(self.names, text)
            if form is None:
                return None
            forms.append(form)
        return values.of_factor(Ref(name, tuple(forms)))

    def _array(self, name: str, family: tuple[Affine, ...], fixed: Mapping[str, Affine]) -> Meaning:
        """A whole array under fresh labels, in stored order."""
        tensor = self.network.tensors[primal_name(name)]
        own = {b.var: form for b, form in zip(tensor.family, family, strict=True)}
        labels = [self.label() for _ in tensor.axes]
        extents = {
            label: axis.substitute(own).substitute(fixed) for label, axis in zip(labels, tensor.axes, strict=True)
        }
        order = self.spelling.layout.get(primal_name(name), tuple(range(len(labels))))
        stored = [labels[k] for k in order]
        axes: tuple[str | None, ...] = self.vector(stored[0]) if len(stored) == 1 else tuple(stored)
        return values.of_factor(Ref(name, (*family, *map(var, labels))), axes or (None, None), extents)

    def label(self) -> str:
        """A label that nothing has yet."""
        return f"@{next(self._fresh)}"

    def vector(self, label: str) -> tuple[str | None, ...]:
        """The axes of a vector, as vectors stand."""
        return (None, label) if self.preset.orientation.vectors == "rows" else (label, None)

    def ones(self, length: Affine) -> Meaning:
        """The vector of ones."""
        label = self.label()
        return Meaning((product(1),), self.vector(label), {label: length})

    def derivative(self, above: Tokens, by: Meaning) -> Meaning | None:
        """``∂loss/∂quantity`` as the adjoint of the quantity, or as the partial derivative of an opaque loss."""
        ref = lone_ref(by)
        if ref is None or is_adjoint(ref.tensor):
            return None
        for found in self.names.find(*split_scripts(above)):
            if found.rest:
                continue
            if found.what.kind == "tensor" and found.what.name == self.network.loss:
                return replace(by, terms=(product(1, [Ref(adjoint_name(ref.tensor), ref.index)]),))
            partial = partial_element(self.network, found.what.name, ref) if found.what.kind == "loss" else None
            if partial is not None:
                return replace(by, terms=(product(1, [partial]),))
        return None

    # -- functions -----------------------------------------------------------------------------------------------------

    def applied(self, what: Spelled, meaning: Meaning, layers: tuple[Affine, ...]) -> Meaning:
        """An activation, or its slope, of every entry."""
        if what.name in ACTIVATION and what.name not in self.network.functions and not what.order:
            return values.applied(meaning, lambda x: template(what.name, x))
        made = function(what.name, what.order)
        if not layers:
            return values.applied(meaning, made)
        expression, args = values.template_of(meaning)
        shifted = expression.xreplace({slot(k): slot(k + len(layers)) for k in range(len(args))})
        call = made(*(slot(k) for k in range(len(layers))), shifted)
        return replace(meaning, terms=(product(1, [apply(call, *map(Value, layers), *args)]),))

    def opaque(self, name: str, arguments: Sequence[Meaning]) -> Meaning:
        """An opaque loss of whole arrays."""
        refs: list[Ref] = []
        for meaning in arguments:
            ref = lone_ref(meaning)
            if ref is None:
                message = "an opaque loss takes whole arrays"
                raise MeaningError(message)
            refs.append(_with_places(ref, meaning.labels))
        return values.of_factor(Opaque(name, tuple(refs)))

    def along(self, name: str, meaning: Meaning, entry: tuple[Affine, ...], axis: Tokens) -> Meaning:
        """A function of an axis: of the axes marked by colons, of a whole array, or of the axis of a size.

        ``entry`` picks one entry of the result; ``axis`` is the size of the axis, where the formula names it.
        """
        ref = lone_ref(meaning)
        if ref is None:
            message = f"{name} is taken of a tensor; give the argument a name"
            raise MeaningError(message)
        labels = meaning.labels
        if axis:
            wanted = index_form(self.names, axis)
            labels = tuple(label for label in labels if meaning.extents[label] == wanted)
            if len(labels) != 1:
                message = f"no axis of the argument has {''.join(axis)} entries"
                raise MeaningError(message)
        order = [own for own in map(single_letter, ref.index) if own in labels]
        arg = _with_places(ref, tuple(order))
        sizes = tuple(meaning.extents[label] for label in order) or self._marked(ref)
        if entry:
            return values.of_factor(Along(name, arg, sizes, entry))
        if AXIS_FUNCTION[name].keeps:
            return values.of_factor(Along(name, arg, sizes, tuple(map(var, order))), meaning.axes, meaning.extents)
        rest = tuple(label for label in meaning.labels if label not in order)
        axes = self.vector(rest[0]) if len(rest) == 1 else rest or (None, None)
        return values.of_factor(Along(name, arg, sizes, None), axes, meaning.extents)

    def window(
        self,
        name: str,
        meaning: Meaning,
        letters: Sequence[str],
        sizes: Sequence[Affine],
        entry: tuple[Affine, ...] | None,
    ) -> Meaning:
        """A function of the entries that letters run through."""
        ref = lone_ref(meaning)
        if ref is None:
            message = f"{name} is taken of elements of a tensor"
            raise MeaningError(message)
        places = {letter: var(f"{LOCAL}{k}") + self.base for k, letter in enumerate(letters)}
        arg = Ref(ref.tensor, tuple(form.substitute(places) for form in ref.index))
        return values.of_factor(Along(name, arg, tuple(sizes), entry))

    def _marked(self, ref: Ref) -> tuple[Affine, ...]:
        """Sizes of the axes that are marked by colons."""
        element = primal_element(self.network, ref)
        tensor = self.network.tensors[element.tensor]
        own = {b.var: form for b, form in zip(tensor.family, element.index, strict=False)}
        places = element.index[len(tensor.family) :]
        return tuple(axis.substitute(own) for axis, form in zip(tensor.axes, places, strict=True) if is_local(form))


def is_local(form: Affine) -> bool:
    """True for the placeholder of an axis."""
    return single_letter(form).startswith(LOCAL)


def lone_ref(meaning: Meaning) -> Ref | None:
    """The element that is all there is; None for anything else."""
    term = meaning.terms[0] if len(meaning.terms) == 1 else Term()
    alone = len(term.factors) == 1 and term.coefficient == 1 and not term.bounds and not term.conditions
    return term.factors[0] if alone and isinstance(term.factors[0], Ref) else None


def _with_places(ref: Ref, labels: Sequence[str]) -> Ref:
    """Placeholders for labels, in the order of the indices."""
    own = [name for name in map(single_letter, ref.index) if name in labels]
    places = {label: var(f"{LOCAL}{k}") for k, label in enumerate(own)}
    return Ref(ref.tensor, tuple(form.substitute(places) for form in ref.index))
