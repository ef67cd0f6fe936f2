"""From the tree of a formula to equations of a network: names, products and sums get their meaning."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sympy as sp
from lark import Token, Tree

from symbackprop.affine import Affine, Bound, Cond, condition, const, size, var
from symbackprop.derivation import Derivation
from symbackprop.errors import nearest
from symbackprop.index import (
    ADJOINT,
    LOCAL,
    Along,
    Apply,
    Compare,
    Equation,
    Opaque,
    Ref,
    Term,
    Value,
    Where,
    adjoint_name,
    apply,
    function,
    is_adjoint,
    map_forms,
    primal_name,
    product,
    slot,
)
from symbackprop.notation.glyph import spelling as parse_spelling
from symbackprop.notation.glyph import joined, tokens
from symbackprop.notation.letters import equation_families, family_count, primal_elements
from symbackprop.notation.preset import Preset, load
from symbackprop.notation.spelling import Spelling, partial_element, primal_element, single_letter
from symbackprop.read import values
from symbackprop.read.match import Names, Tokens, index_form, letter_form, split_scripts
from symbackprop.read.syntax import Node, ReadError, argument, failure, tokens_of, tree
from symbackprop.read.values import Meaning, MeaningError
from symbackprop.tables.activations import ACTIVATION, template
from symbackprop.tables.reductions import AXIS_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from symbackprop.network import Network
    from symbackprop.read.match import Found

_RELATIONS = {"<": "<", ">": ">", r"\le": "<=", r"\leq": "<=", r"\ge": ">=", r"\geq": ">=", r"\ne": "!=",
              r"\neq": "!=", "=": "=="}
_ONES = (r"\mathbf", "{", "1", "}")
_MATRIX = 2


class Reader:
    """Reads formulas about one network in one notation."""

    def __init__(
        self,
        subject: Network | Derivation,
        preset: Preset | str | None = None,
        *,
        layout: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        self.network = subject.network if isinstance(subject, Derivation) else subject
        self.preset = preset if isinstance(preset, Preset) else load(preset or self.network.notation)
        self.spelling = Spelling(self.network, self.preset, layout)
        self.base = self.preset.indices.base
        losses = sorted({f.name for e in self.network.equations for t in e.terms for f in t.factors
                         if isinstance(f, Opaque)})
        counts = dict.fromkeys((*ACTIVATION, *AXIS_FUNCTION), 0)
        counts |= {name: f.family for name, f in self.network.functions.items() if name not in losses}
        self.names = Names(self.spelling, counts, losses)
        self.transpose = tokens(parse_spelling(self.preset.signs.transpose).nucleus)
        self._fresh = itertools.count()
        self._fixed: dict[str, Affine] = {}
        self._letters: frozenset[str] = frozenset()

    def read(self, text: str) -> tuple[Equation, ...]:
        """The equations of a chain ``A = B = C``: one for each member after the first.

        Raises: ReadError with the place for what cannot be read.
        """
        parts = [child for child in tree(text).children if isinstance(child, Tree)]
        if len(parts) < 2:  # noqa: PLR2004 - two sides
            message = "an equation needs a left and a right side"
            raise ReadError(message)
        self._letters = frozenset()
        left = self.meaning(parts[0])
        self._letters = frozenset(v for term in left.terms for v in term.variables)
        return tuple(self._equation(left, parts[0], self.meaning(part), part) for part in parts[1:])

    # -- equations -----------------------------------------------------------------------------------------------------

    def _equation(self, left: Meaning, left_node: Node, right: Meaning, right_node: Node) -> Equation:
        term = left.terms[0] if len(left.terms) == 1 else Term()
        if len(term.factors) != 1 or not isinstance(term.factors[0], Ref) or term.coefficient != 1:
            message = "the left side is not a quantity of the network"
            raise failure(message, left_node)
        if not right.is_scalar:
            try:
                right = values.unified(left, right)
            except MeaningError as error:
                raise failure(str(error), right_node) from None
        lhs = term.factors[0]
        known = {v for form in lhs.index for v in form.variables}
        stray = sorted({v for t in right.terms for v in t.variables} - known)
        if stray:
            message = f"nothing here is called '{stray[0]}'; {nearest(stray[0], self.network.tensors)}"
            raise failure(message, right_node)
        return self._counted(lhs, right.terms)

    def _counted(self, lhs: Ref, terms: Sequence[Term]) -> Equation:
        """The equation in our counting: elements from 0, whatever the print counts from."""
        printed = Equation(lhs=lhs, terms=tuple(terms), ranges=tuple(
            Bound(v, Affine(), Affine()) for v in sorted({v for form in lhs.index for v in form.variables})))
        families = equation_families(self.spelling, printed)
        own = {v for form in lhs.index for v in form.variables}
        left = self._shifted(lhs, self._shift(own, families[0]))
        assert isinstance(left, Ref)  # noqa: S101 - a reference stays one
        shifted = []
        for term, family in zip(terms, families, strict=False):
            inside = {*own, *term.variables, *(b.var for b in term.bounds)}
            shifted.append(self._shifted_term(term, self._shift(inside, family)))
        return Equation(lhs=left, terms=tuple(shifted), ranges=self._ranges(left))

    def _shift(self, names: Collection[str], families: Collection[str]) -> dict[str, Affine]:
        """What a printed letter of an element stands for in our counting."""
        return {name: var(name) + self.base for name in sorted(set(names) - set(families))}

    def _shifted_term(self, term: Term, shift: Mapping[str, Affine]) -> Term:
        bounds = []
        for bound in term.bounds:
            back = self.base if bound.var in shift else 0
            bounds.append(Bound(bound.var, bound.lo.substitute(shift) - back, bound.hi.substitute(shift) - back,
                                bound.var if not bound.var.startswith("@") else ""))
        return product(term.coefficient, [self._shifted(f, shift) for f in term.factors], bounds=bounds,
                       conditions=[c.substitute(shift) for c in term.conditions])

    def _shifted(self, factor: Any, shift: Mapping[str, Affine]) -> Any:
        if isinstance(factor, Ref):
            count = family_count(self.spelling, factor.tensor)
            return Ref(factor.tensor, tuple(
                form.substitute(shift) - (0 if k < count or _is_local(form) else self.base)
                for k, form in enumerate(factor.index)))
        if isinstance(factor, Apply):
            return Apply(factor.template, tuple(
                self._shifted(arg, shift) if isinstance(arg, Ref) else Value(arg.form.substitute(shift))
                for arg in factor.args))
        if isinstance(factor, Along):
            at = None if factor.at is None else tuple(form.substitute(shift) - self.base for form in factor.at)
            return Along(factor.name, self._shifted(factor.arg, shift), factor.sizes, at)
        if isinstance(factor, Opaque):
            return Opaque(factor.name, tuple(self._shifted(arg, shift) for arg in factor.args))
        return map_forms(factor, lambda form: form.substitute(shift))

    def _ranges(self, lhs: Ref) -> tuple[Bound, ...]:
        """Ranges of the free indices, from the tensor on the left."""
        element = primal_element(self.network, lhs)
        tensor = self.network.tensors[element.tensor]
        found: dict[str, Bound] = {}
        own = {b.var: form for b, form in zip(tensor.family, element.index, strict=False)}
        limits = [(b.lo.substitute(own), b.hi.substitute(own)) for b in tensor.family]
        limits += [(Affine(), axis.substitute(own) - 1) for axis in tensor.axes]
        for form, (lo, hi) in zip(element.index, limits, strict=True):
            name = single_letter(form)
            if name:
                found[name] = Bound(name, lo, hi, name)
        missing = {v for form in lhs.index for v in form.variables} - found.keys()
        return (*found.values(), *(Bound(v, Affine(), Affine()) for v in sorted(missing)))

    # -- sums and products ---------------------------------------------------------------------------------------------

    def meaning(self, node: Node) -> Meaning:
        """What a sum means."""
        parts: list[Meaning] = []
        sign = 1
        for child in node.children:
            if isinstance(child, Token):
                sign = -1 if child == "-" else 1
                continue
            part = self.product(child)
            parts.append(values.negated(part) if sign < 0 else part)
            sign = 1
        return self._guarded(node, values.added, parts) if len(parts) > 1 else parts[0]

    def product(self, node: Node) -> Meaning:
        """Parts with signs of entrywise and outer products between them."""
        result = self.sequence(node.children[0])
        for sign, part in zip(node.children[1::2], node.children[2::2], strict=True):
            second = self.sequence(part)
            if sign == r"\otimes":
                result = self._guarded(part, values.outer, result, second)
            elif sign in {r"\cdot", r"\times"}:
                result = self._guarded(part, values.multiplied, result, second, self.base)
            else:
                result = self._guarded(part, values.entrywise, result, second)
        return result

    def sequence(self, node: Node) -> Meaning:
        """Factors side by side."""
        outside = self._fixed
        try:
            return self._sequence(node)
        finally:
            self._fixed = outside

    def _sequence(self, node: Node) -> Meaning:
        result: Meaning | None = None
        for part, found in self._factors(list(node.children)):
            result = found if result is None else self._guarded(part, values.multiplied, result, found, self.base)
        assert result is not None  # noqa: S101 - the grammar has at least one factor
        return result

    def _guarded(self, node: Node, operation: Any, *arguments: Any) -> Meaning:
        """The operation, its refusal as an error at this place."""
        try:
            return operation(*arguments)  # type: ignore[no-any-return]
        except MeaningError as error:
            raise failure(str(error), node) from None

    def _factors(self, items: list[Node]) -> Iterator[tuple[Node, Meaning]]:
        place = 0
        while place < len(items):
            node = items[place]
            if node.data == "bigsum":
                yield node, self._sum(node)
                return
            used, found = self._factor(items, place)
            yield node, found
            place += used

    def _factor(self, items: list[Node], place: int) -> tuple[int, Meaning]:
        """The factor that begins here, and how many items it takes."""
        atom, sub, sup = self._scripts(items[place])
        if atom.data in {"word", "mark"}:
            return self._name(items, place)
        if atom.data == "number":
            found = values.number(sp.Rational("".join(tokens_of(atom))))
        elif atom.data == "group":
            found = self._single(atom)
        elif atom.data == "bracket":
            found = self._bracket(atom.children[0])
        elif atom.data == "frac":
            found = self._fraction(atom)
        elif atom.data == "sqrt":
            found = self._guarded(atom, values.applied, self.meaning(atom.children[0]), sp.sqrt)
        elif atom.data == "norm":
            return 1, self._norm(atom, sup)
        else:
            found = self._cases(atom)
        if sub:
            message = "a subscript has no meaning here"
            raise failure(message, items[place])
        return 1, self._raised(items[place], found, sup)

    @staticmethod
    def _scripts(item: Node) -> tuple[Node, Tokens, Tokens]:
        """The atom of an item with its subscript and superscript (primes in front)."""
        sub: Tokens = ()
        sup: Tokens = ()
        primes = 0
        for script in item.children[1:]:
            if script.data == "sub":
                sub += argument(script)
            elif script.data == "sup":
                sup += argument(script)
            else:
                primes += len(script.children)
        return item.children[0], sub, ("'",) * primes + sup

    def _single(self, group: Node) -> Meaning:
        if len(group.children) > 1 and sum(isinstance(c, Tree) for c in group.children) > 1:
            message = "a list has no value here"
            raise failure(message, group)
        return self.meaning(group.children[0])

    def _raised(self, node: Node, found: Meaning, sup: Tokens) -> Meaning:
        """A power, an entrywise power or a transpose."""
        if not sup:
            return found
        if sup == self.transpose:
            return self._guarded(node, values.turned, found)
        rest = sup[1:] if sup[0] == r"\circ" else sup
        exponent = self._exponent(rest)
        if exponent is None:
            message = f"the superscript {' '.join(sup)} has no meaning here"
            raise failure(message, node)
        return self._guarded(node, values.applied, found, lambda x: x**exponent)

    @staticmethod
    def _exponent(text: Tokens) -> Any:
        sign = -1 if text[:1] == ("-",) else 1
        digits = text[1:] if sign < 0 else text
        if digits and all(d.isdigit() or d == "." for d in digits):
            return sign * sp.Rational("".join(digits))
        if digits[:2] == (r"\frac", "{") and digits[-1] == "}":
            upper, _, lower = "".join(digits[2:-1]).partition("}{")
            if upper.isdigit() and lower.isdigit():
                return sign * sp.Rational(int(upper), int(lower))
        return None

    def _sum(self, node: Node) -> Meaning:
        """``Σ`` with its limits; without them, over the axis in which its letter stands."""
        sub: Tokens = ()
        sup: Tokens = ()
        for script in node.children[1:-1]:
            if script.data == "sub":
                sub = argument(script)
            else:
                sup = argument(script)
        place = sub.index("=") if "=" in sub else len(sub)
        name = single_letter(letter_form(*split_scripts(sub[:place])[:2]))
        if not name:
            message = "a sum runs over a letter"
            raise failure(message, node)
        outside, self._letters = self._letters, self._letters | {name}
        body = self.sequence(node.children[-1])
        self._letters = outside
        if place == len(sub):
            low, high = self._implied(name, body, node)
            return values.summed(body, [Bound(name, low, high)])
        limits = index_form(self.names, sub[place + 1:]), index_form(self.names, sup)
        if limits[0] is None or limits[1] is None:
            message = f"the limits of the sum over {name} are no indices"
            raise failure(message, node)
        return values.summed(body, [Bound(name, limits[0], limits[1])])

    def _implied(self, name: str, body: Meaning, node: Node) -> tuple[Affine, Affine]:
        """The range of the first axis in which the letter stands alone."""
        for term in body.terms:
            for factor in term.factors:
                for ref in primal_elements(self.spelling, factor):
                    for place, form in enumerate(ref.index):
                        if single_letter(form) != name:
                            continue
                        known = self.network.tensors[ref.tensor]
                        count = len(known.family)
                        own = {b.var: f for b, f in zip(known.family, ref.index, strict=False)}
                        if place < count:
                            return known.family[place].lo.substitute(own), known.family[place].hi.substitute(own)
                        return const(self.base), known.axes[place - count].substitute(own) - 1 + self.base
        message = f"no axis gives the range of {name}"
        raise failure(message, node)

    # -- names ---------------------------------------------------------------------------------------------------------

    def _name(self, items: list[Node], place: int) -> tuple[int, Meaning]:
        """The longest name that begins here, with its argument where it is a function."""
        nucleus: Tokens = ()
        reach = 0
        for k in range(place, len(items)):
            if items[k].data != "item" or items[k].children[0].data not in {"word", "mark"}:
                break
            nucleus += tokens_of(items[k].children[0])
            reach = k + 1
            if len(items[k].children) > 1 or len(nucleus) >= self.names.longest:
                break
        for end in range(reach, place, -1):
            nucleus = tuple(t for item in items[place:end] for t in tokens_of(item.children[0]))
            _, sub, sup = self._scripts(items[end - 1])
            used, found = self._recognised(items, place, end, (nucleus, sub, sup))
            if found is not None:
                return used, found
        return 1, self._letter(items[place])

    def _recognised(
        self, items: list[Node], place: int, end: int, parts: tuple[Tokens, Tokens, Tokens]
    ) -> tuple[int, Meaning | None]:
        """What the table of names makes of these items."""
        nucleus, sub, sup = parts
        primes = next((k for k, t in enumerate(sup) if t != "'"), len(sup))
        for cut in dict.fromkeys((primes, 0)):
            for found in self.names.find((*nucleus, *sup[:cut]), sub, sup[cut:]):
                if found.what.kind in {"function", "loss"}:
                    group = items[end] if end < len(items) else None
                    if group is None or group.data != "item" or group.children[0].data != "group" or found.rest:
                        continue
                    return end - place + 1, self._call(found, group)
                meaning = self._quantity(found)
                if meaning is not None:
                    try:
                        return end - place, self._raised(items[place], meaning, found.rest)
                    except ReadError:
                        continue
        along = self._along_axis(items, place, end, parts)
        return (end - place + 1, along) if along is not None else (0, None)

    def _quantity(self, found: Found) -> Meaning | None:
        """A tensor, an element or a size; None where an index is none."""
        what = found.what
        if what.kind == "element":
            return self._element(what.name, found.indices)
        forms = [index_form(self.names, text) for text in found.indices]
        if any(form is None for form in forms):
            return None
        known = tuple(form for form in forms if form is not None)
        if what.kind == "size":
            return values.of_form(size(what.name, *known))
        return self._array(what.name, known)

    def _element(self, name: str, indices: Sequence[Tokens]) -> Meaning | None:
        """One element; a colon stands for a whole axis (inside functions of an axis)."""
        forms: list[Affine] = []
        for text in indices:
            if text == (":",):
                forms.append(var(f"{LOCAL}{sum(map(_is_local, forms))}"))
                continue
            form = index_form(self.names, text)
            if form is None:
                return None
            forms.append(form)
        return values.of_factor(Ref(name, tuple(forms)))

    def _array(self, name: str, family: tuple[Affine, ...]) -> Meaning:
        """A whole array under fresh labels, in stored order."""
        tensor = self.network.tensors[primal_name(name)]
        own = {b.var: form for b, form in zip(tensor.family, family, strict=True)}
        labels = [f"@{next(self._fresh)}" for _ in tensor.axes]
        extents = {label: axis.substitute(own).substitute(self._fixed)
                   for label, axis in zip(labels, tensor.axes, strict=True)}
        ref = Ref(name, (*family, *map(var, labels)))
        order = self.spelling.layout.get(primal_name(name), tuple(range(len(labels))))
        axes: tuple[str | None, ...] = tuple(labels[k] for k in order)
        if len(axes) == 1:
            axes = (None, *axes) if self.preset.orientation.vectors == "rows" else (*axes, None)
        return values.of_factor(ref, axes or (None, None), extents)

    def _letter(self, item: Node) -> Meaning:
        """What is no name of the network: e, π, a vector of ones, an index used as a number."""
        atom, sub, sup = self._scripts(item)
        nucleus = tokens_of(atom)
        if nucleus == _ONES:
            form = index_form(self.names, sub)
            if form is None:
                message = "a vector of ones needs its length as a subscript"
                raise failure(message, item)
            label = f"@{next(self._fresh)}"
            axes = (None, label) if self.preset.orientation.vectors == "rows" else (label, None)
            return self._raised(item, Meaning((product(1),), axes, {label: form.substitute(self._fixed)}), sup)
        if nucleus == ("e",) and sup:
            return self._exponential(item)
        if nucleus == (r"\pi",):
            return self._raised(item, values.of_factor(Apply(sp.pi, ())), sup)
        form = letter_form(nucleus, sub)
        if form is None:
            message = f"'{' '.join(nucleus)}' is no name of this network"
            raise failure(message, item)
        return self._raised(item, values.of_form(form), sup)

    def _exponential(self, item: Node) -> Meaning:
        script = next(s for s in item.children[1:] if s.data == "sup")
        inner = tree_of_tokens(script)
        return self._guarded(item, values.applied, self.meaning(inner), sp.exp)

    # -- functions -----------------------------------------------------------------------------------------------------

    def _call(self, found: Found, item: Node) -> Meaning:
        """A function of what stands in brackets."""
        group, sub, sup = self._scripts(item)
        what = found.what
        arguments = [self.meaning(child) for child in group.children if isinstance(child, Tree)]
        if what.kind == "loss":
            refs = tuple(self._whole(m, item) for m in arguments)
            return self._raised(item, values.of_factor(Opaque(what.name, refs)), sup)
        if what.name in AXIS_FUNCTION:
            return self._raised(item, self._along(what.name, arguments[0], item, sub, ()), sup)
        if len(arguments) != 1 or sub:
            message = "a function of one argument is expected here"
            raise failure(message, item)
        layers = tuple(index_form(self.names, text) for text in found.indices)
        if any(form is None for form in layers):
            message = "the layer of the function is no index"
            raise failure(message, item)
        own = tuple(Value(form) for form in layers if form is not None)
        called = self._guarded(item, self._applied, what, arguments[0], own)
        return self._raised(item, called, sup)

    def _applied(self, what: Any, meaning: Meaning, layers: tuple[Value, ...]) -> Meaning:
        if what.name in ACTIVATION and what.name not in self.network.functions and not what.order:
            return values.applied(meaning, lambda x: template(what.name, x))
        made = function(what.name, what.order)
        if not layers:
            return values.applied(meaning, made)
        found = values.as_template(meaning.terms)
        if found is None:
            message = "a function of a sum over an index needs a name for the sum"
            raise MeaningError(message)
        shifted = found[0].xreplace({slot(k): slot(k + len(layers)) for k in range(len(found[1]))})
        call = made(*(slot(k) for k in range(len(layers))), shifted)
        return replace(meaning, terms=(product(1, [apply(call, *layers, *found[1])]),))

    def _whole(self, meaning: Meaning, item: Node) -> Ref:
        """A whole array as an argument of an opaque loss: placeholders for its axes."""
        term = meaning.terms[0] if len(meaning.terms) == 1 else Term()
        if len(term.factors) != 1 or not isinstance(term.factors[0], Ref):
            message = "an opaque loss takes whole arrays"
            raise failure(message, item)
        ref = term.factors[0]
        names = [single_letter(form) for form in ref.index]
        places = {label: var(f"{LOCAL}{k}") for k, label in enumerate(n for n in names if n in meaning.labels)}
        return Ref(ref.tensor, tuple(form.substitute(places) for form in ref.index))

    def _along_axis(
        self, items: list[Node], place: int, end: int, parts: tuple[Tokens, Tokens, Tokens]
    ) -> Meaning | None:
        """``softmax_{K}(Z)``: a function along the axis that the subscript names by its size."""
        nucleus, sub, sup = parts
        group = items[end] if end < len(items) else None
        if sup or not sub or group is None or group.data != "item" or group.children[0].data != "group":
            return None
        for found in self.names.find(nucleus, (), ()):
            if found.what.name in AXIS_FUNCTION and found.what.kind == "function":
                inner = self.meaning(group.children[0].children[0])
                _, entry, power = self._scripts(group)
                return self._raised(items[place], self._along(found.what.name, inner, items[place], entry, sub), power)
        return None

    def _along(self, name: str, meaning: Meaning, item: Node, entry: Tokens, axis: Tokens) -> Meaning:
        """A function of an axis: of the axes marked by colons, of a whole array, or of the axis of a size."""
        term = meaning.terms[0] if len(meaning.terms) == 1 else Term()
        if len(term.factors) != 1 or not isinstance(term.factors[0], Ref) or term.coefficient != 1:
            message = f"{name} is taken of a tensor; give the argument a name"
            raise failure(message, item)
        ref = term.factors[0]
        labels = meaning.labels
        if axis:
            wanted = index_form(self.names, axis)
            labels = tuple(label for label in labels if meaning.extents[label] == wanted)
            if len(labels) != 1:
                message = f"no axis of the argument has {''.join(axis)} entries"
                raise failure(message, item)
        order = [n for form in ref.index if (n := single_letter(form)) in labels]
        places = {label: var(f"{LOCAL}{k}") for k, label in enumerate(order)}
        arg = Ref(ref.tensor, tuple(form.substitute(places) for form in ref.index))
        sizes = tuple(meaning.extents[label] for label in order) or self._marked(ref)
        keeps = AXIS_FUNCTION[name].keeps
        if entry:
            at = tuple(index_form(self.names, part) for part in _by_comma(entry))
            if any(form is None for form in at):
                message = f"the entry of {name} is no index"
                raise failure(message, item)
            return values.of_factor(Along(name, arg, sizes, tuple(form for form in at if form is not None)))
        rest = tuple(None if a in order and not keeps else a for a in meaning.axes)
        if not keeps:
            return self._squeezed(values.of_factor(Along(name, arg, sizes, None), rest, meaning.extents))
        return values.of_factor(Along(name, arg, sizes, tuple(map(var, order))), meaning.axes, meaning.extents)

    def _squeezed(self, meaning: Meaning) -> Meaning:
        """A vector left over by a reduction, as vectors stand."""
        if len(meaning.labels) != 1:
            return replace(meaning, axes=meaning.axes if meaning.labels else (None, None))
        label = meaning.labels[0]
        return replace(meaning, axes=(None, label) if self.preset.orientation.vectors == "rows" else (label, None))

    def _marked(self, ref: Ref) -> tuple[Affine, ...]:
        """Sizes of the axes that are marked by colons."""
        element = primal_element(self.network, ref)
        tensor = self.network.tensors[element.tensor]
        own = {b.var: form for b, form in zip(tensor.family, element.index, strict=False)}
        return tuple(axis.substitute(own) for axis, form in zip(
            tensor.axes, element.index[len(tensor.family):], strict=True) if _is_local(form))

    def _norm(self, atom: Node, sup: Tokens) -> Meaning:
        """The square of a norm: all entries squared and added up."""
        if sup != ("2",):
            message = "only squares of norms are read"
            raise failure(message, atom)
        inner = next(child for child in atom.children if isinstance(child, Tree))
        found = self._guarded(atom, values.applied, self.meaning(inner), lambda x: x**2)
        bounds = [Bound(label, const(self.base), found.extents[label] - 1 + self.base) for label in found.labels]
        return values.summed(Meaning(found.terms), bounds)

    # -- fractions and derivatives -------------------------------------------------------------------------------------

    def _fraction(self, node: Node) -> Meaning:
        upper, lower = (child for child in node.children if isinstance(child, Tree))
        if _is_partial(upper) and _is_partial(lower):
            return self._derivative(upper, lower)
        below = self._guarded(lower, values.applied, self.meaning(lower), lambda x: 1 / x)
        return self._guarded(node, values.entrywise, self.meaning(upper), below)

    def _derivative(self, upper: Node, lower: Node) -> Meaning:
        """``∂loss/∂quantity`` as the adjoint of the quantity."""
        by = self.sequence(_without_partial(lower))
        term = by.terms[0] if len(by.terms) == 1 else Term()
        if len(term.factors) != 1 or not isinstance(term.factors[0], Ref) or is_adjoint(term.factors[0].tensor):
            message = "a derivative is by a quantity of the network"
            raise failure(message, lower)
        ref = term.factors[0]
        found = self._adjoint_of(_without_partial(upper), ref, upper)
        return replace(by, terms=(product(1, [found]),))

    def _adjoint_of(self, upper: Node, ref: Ref, place: Node) -> Ref:
        """The adjoint, or the partial derivative of an opaque loss, that the upper side of a derivative says."""
        text = tokens_of(upper)
        for found in self.names.find(*split_scripts(text)):
            if found.what.kind == "tensor" and found.what.name == self.network.loss and not found.rest:
                return Ref(adjoint_name(ref.tensor), ref.index)
            partial = partial_element(self.network, found.what.name, ref) if found.what.kind == "loss" else None
            if partial is not None and not found.rest:
                return partial
        message = f"derivatives of '{' '.join(text)}' are not read; the loss is '{self.network.loss}'"
        raise failure(message, place)

    # -- conditions ----------------------------------------------------------------------------------------------------

    def _bracket(self, node: Node) -> Meaning:
        """``[condition]``: 1 where it holds, else 0."""
        conditions: list[Cond] = []
        result = values.number(1)
        for relation in (child for child in node.children if isinstance(child, Tree)):
            cond = self._condition(relation)
            if cond is not None:
                conditions.append(cond)
            else:
                result = self._guarded(node, values.entrywise, result, self._comparison(relation))
        self._assume(conditions)
        return replace(result, terms=tuple(replace(t, conditions=t.conditions | set(conditions)) for t in result.terms))

    def _assume(self, conditions: Sequence[Cond]) -> None:
        """Indices that an equality fixes: sizes are compared with them put in, until the end of the product."""
        for cond in conditions:
            for name, slope in cond.form.linear.items():
                if cond.kind == "==" and abs(slope) == 1:
                    self._fixed = {**self._fixed, name: (var(name) * slope - cond.form) * slope}
                    break

    def _condition(self, relation: Node) -> Cond | None:
        """A condition on indices; None where values are compared."""
        left_node, sign, right_node = relation.children
        if sign == r"\mid":
            modulus, form = index_form(self.names, tokens_of(left_node)), self._index(right_node)
            if modulus is None or not modulus.is_constant or form is None:
                message = "what stands before and after the bar is no index"
                raise failure(message, relation)
            return condition("mod", form, modulus.const)
        left, right = self._index(left_node), self._index(right_node)
        if left is None or right is None:
            return None
        kind = _RELATIONS[sign]
        if kind in {"==", "!="}:
            return condition(kind, left - right)
        difference = left - right if kind in {">", ">="} else right - left
        return condition(">=", difference - (1 if kind in {"<", ">"} else 0))

    def _index(self, node: Node) -> Affine | None:
        """A side of a relation as an index; None where it names a tensor."""
        text = tokens_of(node)
        form = index_form(self.names, text)
        if form is not None and form.variables and form.variables <= self._letters:
            return form
        nucleus, sub, sup = split_scripts(text)
        if any(found.what.kind in {"tensor", "element"} and not found.rest
               for found in self.names.find(nucleus, sub, sup)):
            return None
        return form

    def _comparison(self, relation: Node) -> Meaning:
        """1 where values compare as said, else 0; a label compared with an index is a one-hot entry."""
        left_node, sign, right_node = relation.children
        left, right = self.meaning(left_node), self.meaning(right_node)
        ref = left.terms[0].factors[0] if len(left.terms) == 1 and len(left.terms[0].factors) == 1 else None
        form = self._index(right_node)
        if sign == "=" and form is not None and isinstance(ref, Ref) and not is_adjoint(ref.tensor) and \
                self.network.tensors[ref.tensor].below is not None:
            onehot = function("onehot")(slot(0), slot(1))
            return values.of_factor(Apply(onehot, (ref, Value(form))))
        return values.combined([left, right], lambda a, b: Compare(sp.Symbol(_RELATIONS[sign]), a, b))

    def _cases(self, node: Node) -> Meaning:
        """Cases by indices as terms under conditions; cases by values as a choice."""
        rows = [child for child in node.children if isinstance(child, Tree)]
        parts: list[Meaning] = []
        choices: list[tuple[Node | None, Meaning]] = []
        outside = self._fixed
        for row in rows:
            self._fixed = outside
            relations, conditions = self._row_conditions(row)
            known = [cond for cond in conditions if cond is not None]
            self._assume(known)
            value = self.meaning(row.children[0])
            if len(known) == len(relations) and relations:
                terms = tuple(replace(t, conditions=t.conditions | set(known)) for t in value.terms)
                parts.append(replace(value, terms=terms, extents={}))
            else:
                choices.append((relations[0] if relations else None, value))
        self._fixed = outside
        if any(test is not None for test, _ in choices):
            return self._guarded(node, self._choice, choices)
        if any(value.terms for _, value in choices):
            message = "what holds otherwise needs a condition of its own"
            raise failure(message, node)
        return self._guarded(node, values.added, parts)

    def _row_conditions(self, row: Node) -> tuple[list[Node], list[Cond | None]]:
        test = row.children[-1]
        if test.data == "otherwise":
            return [], []
        relations = [child for child in test.children if isinstance(child, Tree)]
        return relations, [self._condition(relation) for relation in relations]

    def _choice(self, choices: Sequence[tuple[Node | None, Meaning]]) -> Meaning:
        *tested, (_, result) = choices
        for test, value in reversed(tested):
            assert test is not None  # noqa: S101 - only the last row holds otherwise
            result = values.combined([self._comparison(test), value, result], Where)
        return result


# ---------------------------------------------------------------------------------------------------------------------


def _is_local(form: Affine) -> bool:
    return single_letter(form).startswith(LOCAL)


def _is_partial(node: Node) -> bool:
    return tokens_of(node)[:1] == (r"\partial",)


def _without_partial(node: Node) -> Node:
    """The sequence after the sign of differentiation."""
    sequence = node.children[0].children[0]
    return Tree(sequence.data, sequence.children[1:], sequence.meta)


def _by_comma(text: Tokens) -> list[Tokens]:
    parts: list[Tokens] = [()]
    for token in text:
        if token == ",":
            parts.append(())
        else:
            parts[-1] += (token,)
    return parts


def tree_of_tokens(script: Node) -> Node:
    """The argument of a superscript read as a formula of its own."""
    return tree(joined(argument(script))).children[0]
