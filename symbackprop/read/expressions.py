"""The meaning of the tree of a formula: names are put together, products and sums formed, conditions understood."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import sympy as sp

from symbackprop.affine import Affine, Bound, Cond, condition, const, var
from symbackprop.errors import nearest
from symbackprop.index import Apply, Compare, Value, Where, function, is_adjoint, slot
from symbackprop.notation.glyph import joined
from symbackprop.notation.letters import primal_elements
from symbackprop.notation.spelling import single_letter
from symbackprop.read import values
from symbackprop.read.match import index_form, letter_form, split_scripts
from symbackprop.read.quantities import lone_ref
from symbackprop.read.syntax import (
    Absolute,
    BigSum,
    Blocks,
    Bracket,
    Cases,
    Digits,
    Fraction,
    Group,
    Letters,
    Norm,
    ReadError,
    Root,
    chain,
    failure,
)
from symbackprop.read.values import Meaning, MeaningError
from symbackprop.tables.activations import template
from symbackprop.tables.reductions import AXIS_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from symbackprop.read import syntax
    from symbackprop.read.match import Found
    from symbackprop.read.quantities import Quantities
    from symbackprop.read.syntax import Item, Part, Relation, Sequence, Sum, Tokens

_SIGNS = {
    "<": "<",
    ">": ">",
    r"\le": "<=",
    r"\leq": "<=",
    r"\ge": ">=",
    r"\geq": ">=",
    r"\ne": "!=",
    r"\neq": "!=",
    "=": "==",
}
_CONSTANTS: dict[tuple[str, ...], Any] = {(r"\pi",): sp.pi, ("e",): sp.E}
_ONES = (r"\mathbf", "{", "1", "}")


class Expressions:
    """Gives meanings to sums; ``letters`` are the index letters in scope, of the left side and of sums around."""

    def __init__(self, quantities: Quantities) -> None:
        self.quantities, self.names, self.base = quantities, quantities.names, quantities.base
        self.letters: frozenset[str] = frozenset()
        self.fixed: dict[str, Affine] = {}

    # -- sums and products ---------------------------------------------------------------------------------------------

    def sum(self, node: Sum) -> Meaning:
        """Products added up."""
        parts = [values.negated(self.product(p)) if sign == "-" else self.product(p) for sign, p in node.parts]
        return self._guarded(node, values.added, parts) if len(parts) > 1 else parts[0]

    def product(self, node: syntax.Product) -> Meaning:
        """Sequences with signs of entrywise and outer products between them; equalities hold to the end."""
        outside = self.fixed
        try:
            result = self.sequence(node.parts[0][1])
            for sign, part in node.parts[1:]:
                operation = self._operations[sign]
                result = self._guarded(part, operation, result, self.sequence(part))
        finally:
            self.fixed = outside
        return result

    @property
    def _operations(self) -> dict[str, Callable[[Meaning, Meaning], Meaning]]:
        return {
            r"\odot": values.entrywise,
            r"\circ": values.entrywise,
            r"\otimes": values.outer,
            r"\cdot": self._multiplied,
            r"\times": self._multiplied,
        }

    def _multiplied(self, first: Meaning, second: Meaning) -> Meaning:
        return values.multiplied(first, second, self.base)

    def sequence(self, node: Sequence) -> Meaning:
        """Factors side by side."""
        result: Meaning | None = None
        for part, found in self._factors(node):
            result = found if result is None else self._guarded(part, self._multiplied, result, found)
        assert result is not None, "the grammar has at least one factor"  # noqa: S101
        return result

    def _factors(self, node: Sequence) -> Iterator[tuple[Part, Meaning]]:
        place = 0
        while place < len(node.items):
            used, found = self._factor(node.items, place)
            yield node.items[place], found
            place += used
        if node.tail is not None:
            yield node.tail, self._big_sum(node.tail)

    def _guarded(self, part: Part, operation: Callable[..., Meaning], *arguments: Any) -> Meaning:
        """The operation, its refusal as an error at this place."""
        try:
            return operation(*arguments)
        except MeaningError as error:
            raise failure(str(error), part) from None

    def _factor(self, items: tuple[Item, ...], place: int) -> tuple[int, Meaning]:
        """The factor that begins here, and how many items it takes."""
        item = items[place]
        match item.atom:
            case Letters():
                return self._name(items, place)
            case Digits(text=text):
                found = values.number(sp.Rational(text))
            case Group(sums=(only,)):
                found = self.sum(only)
            case Bracket(relations=relations):
                found = self._bracket(item, relations)
            case Fraction():
                found = self._fraction(item.atom)
            case Root(inside=inside):
                found = self._guarded(item, values.applied, self.sum(inside), sp.sqrt)
            case Absolute(inside=inside):
                found = self._guarded(item, values.applied, self.sum(inside), lambda x: template("abs", x))
            case Norm():
                return 1, self._norm(item, item.atom)
            case Cases():
                found = self._cases(item.atom)
            case Blocks():
                found = self._blocks(item.atom)
            case _:
                message = "a list has no value here"
                raise failure(message, item)
        if item.sub:
            message = "a subscript has no meaning here"
            raise failure(message, item)
        return 1, self._raised(item, found, item.sup)

    def _raised(self, part: Part, found: Meaning, sup: Tokens) -> Meaning:
        """A power, an entrywise power or a transpose."""
        if not sup:
            return found
        if sup == self.quantities.transpose:
            return self._guarded(part, values.turned, found)
        exponent = _exponent(sup[1:] if sup[0] == r"\circ" else sup)
        if exponent is None:
            message = f"the superscript {' '.join(sup)} has no meaning here"
            raise failure(message, part)
        return self._guarded(part, values.applied, found, lambda x: x**exponent)

    def _big_sum(self, node: BigSum) -> Meaning:
        """``Σ`` with its limits; without them, over the axis in which its letter stands."""
        place = node.sub.index("=") if "=" in node.sub else len(node.sub)
        name = single_letter(letter_form(*split_scripts(node.sub[:place])[:2]))
        if not name:
            message = "a sum runs over a letter"
            raise failure(message, node)
        outside, self.letters = self.letters, self.letters | {name}
        body = self.sequence(node.body)
        self.letters = outside
        if place == len(node.sub):
            limits: tuple[Affine | None, Affine | None] = self._implied(name, body, node)
        else:
            limits = index_form(self.names, node.sub[place + 1 :]), index_form(self.names, node.sup)
        if limits[0] is None or limits[1] is None:
            message = f"the limits of the sum over {name} are no indices"
            raise failure(message, node)
        return values.summed(body, [Bound(name, limits[0], limits[1])])

    def _implied(self, name: str, body: Meaning, node: Part) -> tuple[Affine, Affine]:
        """The range of the first axis in which the letter stands alone."""
        spelling = self.quantities.spelling
        for ref in (r for term in body.terms for factor in term.factors for r in primal_elements(spelling, factor)):
            for place, form in enumerate(ref.index):
                if single_letter(form) != name:
                    continue
                known = spelling.network.tensors[ref.tensor]
                count = len(known.family)
                own = {b.var: f for b, f in zip(known.family, ref.index, strict=False)}
                if place < count:
                    return known.family[place].lo.substitute(own), known.family[place].hi.substitute(own)
                return const(self.base), known.axes[place - count].substitute(own) - 1 + self.base
        message = f"no axis gives the range of {name}"
        raise failure(message, node)

    # -- names ---------------------------------------------------------------------------------------------------------

    def _name(self, items: tuple[Item, ...], place: int) -> tuple[int, Meaning]:
        """The longest name that begins here, with its argument where it is a function."""
        reach, length = place, 0
        while reach < len(items) and isinstance(items[reach].atom, Letters) and length < self.names.longest:
            length += len(items[reach].atom.tokens)
            reach += 1
            if items[reach - 1].sub or items[reach - 1].sup:
                break
        for end in range(reach, place, -1):
            found = self._recognised(items, place, end)
            if found is not None:
                return found
        return 1, self._sign(items[place])

    def _recognised(self, items: tuple[Item, ...], place: int, end: int) -> tuple[int, Meaning] | None:
        """What the table of names makes of these items: how many are used, and their meaning."""
        nucleus = tuple(token for item in items[place:end] for token in item.atom.tokens)
        sub, sup = items[end - 1].sub, items[end - 1].sup
        argument = items[end] if end < len(items) and isinstance(items[end].atom, Group) else None
        primes = next((k for k, token in enumerate(sup) if token != "'"), len(sup))
        for cut in dict.fromkeys((primes, 0)):
            for found in self.names.find((*nucleus, *sup[:cut]), sub, sup[cut:]):
                if found.what.kind in {"function", "loss"}:
                    if argument is not None and not found.rest:
                        return end - place + 1, self._call(found, argument)
                    continue
                meaning = self.quantities.quantity(found, self.fixed)
                if meaning is not None and self._can_raise(found.rest):
                    return end - place, self._raised(items[place], meaning, found.rest)
        if argument is not None and sub and not sup:
            return self._along_size(items[place], nucleus, sub, argument, end - place + 1)
        return None

    def _can_raise(self, sup: Tokens) -> bool:
        """True for what a power or transpose looks like."""
        return (
            not sup or sup == self.quantities.transpose or _exponent(sup[1:] if sup[0] == r"\circ" else sup) is not None
        )

    def _sign(self, item: Item) -> Meaning:
        """What is no name of the network: e, π, a vector of ones, an index used as a number."""
        nucleus = item.atom.tokens
        if nucleus == _ONES:
            length = index_form(self.names, item.sub)
            if length is None:
                message = "a vector of ones needs its length as a subscript"
                raise failure(message, item)
            return self._raised(item, self.quantities.ones(length.substitute(self.fixed)), item.sup)
        if nucleus == ("e",) and item.sup and not item.sub:
            return self._exponential(item)
        constant = _CONSTANTS.get(nucleus) if not item.sub and "".join(nucleus) not in self.letters else None
        if constant is not None:
            return self._raised(item, values.of_factor(Apply(constant, ())), item.sup)
        primes = next((k for k, token in enumerate(item.sup) if token != "'"), len(item.sup))
        form = letter_form((*nucleus, *item.sup[:primes]), item.sub)
        if form is None or not form.variables <= self.letters:
            written = joined(nucleus)
            message = f"nothing here is called '{written}'; {nearest(written, self.quantities.network.tensors)}"
            raise failure(message, item)
        return self._raised(item, values.of_form(form), item.sup[primes:])

    def _exponential(self, item: Item) -> Meaning:
        """``e`` to the power of a formula."""
        try:
            exponents = chain(joined(item.sup))
        except ReadError as error:
            raise failure(error.message, item) from None
        if len(exponents) != 1:
            message = "an exponent is no equation"
            raise failure(message, item)
        return self._guarded(item, values.applied, self.sum(exponents[0]), sp.exp)

    # -- functions -----------------------------------------------------------------------------------------------------

    def _call(self, found: Found, item: Item) -> Meaning:
        """A function of what stands in brackets."""
        what = found.what
        arguments = [self.sum(each) for each in item.atom.sums] if isinstance(item.atom, Group) else []
        if what.kind == "loss":
            return self._raised(item, self._guarded(item, self.quantities.opaque, what.name, arguments), item.sup)
        if len(arguments) != 1:
            message = "a function of one argument is expected here"
            raise failure(message, item)
        if what.name in AXIS_FUNCTION:
            return self._along(what.name, arguments[0], item, ())
        layers = self._forms(found.indices)
        if layers is None or item.sub:
            message = "the layer of the function is no index"
            raise failure(message, item)
        return self._raised(item, self._guarded(item, self.quantities.applied, what, arguments[0], layers), item.sup)

    def _forms(self, texts: Iterable[Tokens]) -> tuple[Affine, ...] | None:
        forms = [index_form(self.names, text) for text in texts]
        known = tuple(form for form in forms if form is not None)
        return known if len(known) == len(forms) else None

    def _along_size(
        self, item: Item, nucleus: Tokens, sub: Tokens, argument: Item, used: int
    ) -> tuple[int, Meaning] | None:
        r"""``softmax_{K}(Z)``, ``\max_{1 \le j \le K}(z_j)``: a function along the axis that the subscript names."""
        for found in self.names.find(nucleus, (), ()):
            if (
                found.what.kind == "function"
                and found.what.name in AXIS_FUNCTION
                and isinstance(argument.atom, Group)
                and len(argument.atom.sums) == 1
            ):
                if r"\le" in sub:
                    return used, self._along_window(found.what.name, sub, replace(argument, place=item.place))
                inner = self.sum(argument.atom.sums[0])
                return used, self._along(found.what.name, inner, replace(argument, place=item.place), sub)
        return None

    def _along(self, name: str, meaning: Meaning, item: Item, axis: Tokens) -> Meaning:
        entry = self._forms(_split(item.sub, ",")) if item.sub else ()
        if entry is None:
            message = f"the entry of {name} is no index"
            raise failure(message, item)
        return self._raised(item, self._guarded(item, self.quantities.along, name, meaning, entry, axis), item.sup)

    def _along_window(self, name: str, sub: Tokens, item: Item) -> Meaning:
        """A function over letters whose ranges its subscript gives."""
        letters: list[str] = []
        sizes: list[Affine] = []
        for part in _split(sub, ","):
            pieces = [index_form(self.names, side) for side in _split(part, r"\le")]
            if len(pieces) != 3 or None in pieces:  # noqa: PLR2004 - low, letter, high
                message = f"the subscript of {name} is no range"
                raise failure(message, item)
            low, letter, high = (form for form in pieces if form is not None)
            letters.append(single_letter(letter))
            sizes.append(high - low + 1)
        outside, self.letters = self.letters, self.letters | set(letters)
        inner = self.sum(item.atom.sums[0]) if isinstance(item.atom, Group) else Meaning(())
        self.letters = outside
        entry = self._forms(_split(item.sub, ",")) if item.sub else None
        return self._raised(
            item, self._guarded(item, self.quantities.window, name, inner, letters, sizes, entry), item.sup
        )

    def _norm(self, item: Item, norm: Norm) -> Meaning:
        """The square of a norm: all entries squared and added up."""
        if item.sup != ("2",):
            message = "only squares of norms are read"
            raise failure(message, item)
        found = self._guarded(item, values.applied, self.sum(norm.inside), lambda x: x**2)
        bounds = [Bound(label, const(self.base), found.extents[label] - 1 + self.base) for label in found.labels]
        return values.summed(Meaning(found.terms), bounds)

    # -- fractions and derivatives -------------------------------------------------------------------------------------

    def _fraction(self, node: Fraction) -> Meaning:
        if node.over.tokens[:1] == node.under.tokens[:1] == (r"\partial",):
            by = self.sequence(_without_partial(node.under))
            found = self.quantities.derivative(node.over.tokens[1:], by)
            if found is None:
                message = "only derivatives of the loss by quantities of the network are read"
                raise failure(message, node)
            return found
        below = self._guarded(node.under, values.applied, self.sum(node.under), lambda x: 1 / x)
        return self._guarded(node, values.entrywise, self.sum(node.over), below)

    # -- conditions and cases ------------------------------------------------------------------------------------------

    def _bracket(self, part: Part, relations: tuple[Relation, ...]) -> Meaning:
        """``[condition]``: 1 where it holds, else 0."""
        known: list[Cond] = []
        result = values.number(1)
        for relation in relations:
            cond = self._condition(relation)
            if cond is not None:
                known.append(cond)
            else:
                result = self._guarded(part, values.entrywise, result, self._comparison(relation))
        self._assume(known)
        return values.under(result, known)

    def _assume(self, conditions: Iterable[Cond]) -> None:
        """Indices that an equality fixes: sizes are compared with them put in."""
        for cond in conditions:
            for name, slope in cond.form.linear.items():
                if cond.kind == "==" and abs(slope) == 1:
                    self.fixed = {**self.fixed, name: (var(name) * slope - cond.form) * slope}
                    break

    def _condition(self, relation: Relation) -> Cond | None:
        """A condition on indices; None where values are compared."""
        if relation.sign == r"\mid":
            modulus, form = index_form(self.names, relation.left.tokens), self._index(relation.right)
            if modulus is None or not modulus.is_constant or form is None:
                message = "what stands before and after the bar is no index"
                raise failure(message, relation)
            return condition("mod", form, modulus.const)
        left, right = self._index(relation.left), self._index(relation.right)
        if left is None or right is None:
            return None
        sign = _SIGNS[relation.sign]
        if sign in {"==", "!="}:
            kind: Literal["==", "!="] = "==" if sign == "==" else "!="
            return condition(kind, left - right)
        difference = left - right if sign in {">", ">="} else right - left
        return condition(">=", difference - (1 if sign in {"<", ">"} else 0))

    def _index(self, node: Sum) -> Affine | None:
        """A side of a relation as an index; None where it names a tensor."""
        form = index_form(self.names, node.tokens)
        if form is not None and form.variables and form.variables <= self.letters:
            return form
        if any(
            found.what.kind in {"tensor", "element"} and not found.rest
            for found in self.names.find(*split_scripts(node.tokens))
        ):
            return None
        return form

    def _comparison(self, relation: Relation) -> Meaning:
        """1 where values compare as said, else 0; a label compared with an index is a one-hot entry."""
        left, right = self.sum(relation.left), self.sum(relation.right)
        ref, form = lone_ref(left), self._index(relation.right)
        if (
            relation.sign == "="
            and form is not None
            and ref is not None
            and not is_adjoint(ref.tensor)
            and self.quantities.network.tensors[ref.tensor].below is not None
        ):
            return values.of_factor(Apply(function("onehot")(slot(0), slot(1)), (ref, Value(form))))
        sign = sp.Symbol(_SIGNS[relation.sign])
        return self._guarded(relation, values.combined, [left, right], lambda a, b: Compare(sign, a, b))

    def _cases(self, node: Cases) -> Meaning:
        """Cases by indices as terms under conditions; cases by values as a choice."""
        parts: list[Meaning] = []
        choices: list[tuple[Relation | None, Meaning]] = []
        outside = self.fixed
        for value, relations in node.rows:
            conditions = [self._condition(relation) for relation in relations]
            known = [cond for cond in conditions if cond is not None]
            self.fixed = outside
            self._assume(known)
            found = self.sum(value)
            if relations and len(known) == len(relations):
                parts.append(replace(values.under(found, known), extents={}))
            else:
                choices.append((relations[0] if relations else None, found))
        self.fixed = outside
        if any(test is not None for test, _ in choices):
            return self._guarded(node, self._choice, choices)
        if any(found.terms for _, found in choices):
            message = "what holds otherwise needs a condition of its own"
            raise failure(message, node)
        return self._guarded(node, values.added, parts)

    def _choice(self, choices: list[tuple[Relation | None, Meaning]]) -> Meaning:
        result = choices[-1][1]
        for test, value in reversed(choices[:-1]):
            if test is None:
                message = "only the last case holds otherwise"
                raise MeaningError(message)
            result = values.combined([self._comparison(test), value, result], Where)
        return result

    def _blocks(self, node: Blocks) -> Meaning:
        """Arrays joined below or beside each other."""
        upright = len(node.rows) > 1
        if upright and any(len(row) != 1 for row in node.rows):
            message = "blocks stand below each other or side by side, not both"
            raise failure(message, node)
        parts = [self.sum(row[0]) for row in node.rows] if upright else [self.sum(each) for each in node.rows[0]]
        label = self.quantities.label()
        return self._guarded(node, values.joined, parts, label, 0 if upright else 1, self.base)


# ---------------------------------------------------------------------------------------------------------------------


def _exponent(text: Tokens) -> Any:
    """A rational exponent, or None."""
    sign = -1 if text[:1] == ("-",) else 1
    digits = text[1:] if sign < 0 else text
    if digits and all(d.isdigit() or d == "." for d in digits):
        return sign * sp.Rational("".join(digits))
    if digits[:2] == (r"\frac", "{") and digits[-1] == "}":
        upper, _, lower = "".join(digits[2:-1]).partition("}{")
        if upper.isdigit() and lower.isdigit():
            return sign * sp.Rational(int(upper), int(lower))
    return None


def _without_partial(node: Sum) -> Sequence:
    """The sequence after the sign of differentiation."""
    sequence = node.parts[0][1].parts[0][1]
    if len(node.parts) > 1 or len(node.parts[0][1].parts) > 1 or len(sequence.items) < 2:  # noqa: PLR2004 - ∂ and a name
        message = "a derivative is by one quantity"
        raise failure(message, node)
    return replace(sequence, items=sequence.items[1:])


def _split(text: Tokens, sign: str) -> list[Tokens]:
    """The parts between the signs."""
    parts: list[Tokens] = [()]
    for token in text:
        if token == sign:
            parts.append(())
        else:
            parts[-1] += (token,)
    return parts
