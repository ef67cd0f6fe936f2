"""From formulas to equations of a network, in our counting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symbackprop.affine import Affine, Bound, var
from symbackprop.index import Along, Apply, Equation, Opaque, Ref, Value, product
from symbackprop.notation.letters import equation_families, family_count
from symbackprop.notation.spelling import primal_element, single_letter
from symbackprop.read import values
from symbackprop.read.expressions import Expressions
from symbackprop.read.quantities import Quantities, is_local, lone_ref
from symbackprop.read.syntax import ReadError, Sum, chain, failure
from symbackprop.read.values import MeaningError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from symbackprop.derivation import Derivation
    from symbackprop.index import Term
    from symbackprop.network import Network
    from symbackprop.notation.preset import Preset
    from symbackprop.read.values import Meaning


class Reader:
    """Reads formulas about one network in one notation; ``layout`` as for printing."""

    def __init__(
        self,
        subject: Network | Derivation,
        preset: Preset | str | None = None,
        *,
        layout: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        self.quantities = Quantities(subject, preset, layout)
        self.network, self.spelling = self.quantities.network, self.quantities.spelling
        self.base = self.quantities.base

    def read(self, text: str) -> tuple[Equation, ...]:
        """The equations of a chain ``A = B = C``: one for each member after the first.

        Raises: ReadError with the place for what cannot be read.
        """
        left_node, *members = chain(text)
        if not members:
            message = "an equation needs a left and a right side"
            raise ReadError(message)
        expressions = Expressions(self.quantities)
        left = expressions.sum(left_node)
        ref = lone_ref(left)
        if ref is None:
            message = "the left side is not a quantity of the network"
            raise failure(message, left_node)
        expressions.letters = frozenset(v for form in ref.index for v in form.variables)
        return tuple(self._equation(ref, left, expressions.sum(member), member) for member in members)

    def _equation(self, lhs: Ref, left: Meaning, right: Meaning, node: Sum) -> Equation:
        if not right.is_scalar:
            try:
                right = values.unified(left, right)
            except MeaningError as error:
                raise failure(str(error), node) from None
        return self._counted(lhs, right.terms)

    # -- counting ------------------------------------------------------------------------------------------------------

    def _counted(self, lhs: Ref, terms: Sequence[Term]) -> Equation:
        """The equation in our counting: elements from 0, whatever the print counts from."""
        own = {v for form in lhs.index for v in form.variables}
        anywhere = tuple(Bound(v, Affine(), Affine()) for v in sorted(own))
        families = equation_families(self.spelling, Equation(lhs=lhs, terms=tuple(terms), ranges=anywhere))
        left = self._shifted(lhs, self._shift(own, families[0]))
        assert isinstance(left, Ref), "a reference stays one"  # noqa: S101
        shifted = []
        for term, family in zip(terms, families, strict=False):
            inside = {*own, *term.variables, *(b.var for b in term.bounds)}
            shifted.append(self._shifted_term(term, self._shift(inside, family)))
        return Equation(lhs=left, terms=tuple(shifted), ranges=self._ranges(left))

    def _shift(self, names: Collection[str], families: Collection[str]) -> dict[str, Affine]:
        """What the printed letter of an element stands for in our counting."""
        return {name: var(name) + self.base for name in sorted(set(names) - set(families))}

    def _shifted_term(self, term: Term, shift: Mapping[str, Affine]) -> Term:
        bounds = []
        for bound in term.bounds:
            back = self.base if bound.var in shift else 0
            hint = "" if bound.var.startswith("@") else bound.var
            bounds.append(Bound(bound.var, bound.lo.substitute(shift) - back, bound.hi.substitute(shift) - back, hint))
        return product(
            term.coefficient,
            [self._shifted(f, shift) for f in term.factors],
            bounds=bounds,
            conditions=[c.substitute(shift) for c in term.conditions],
        )

    def _shifted(self, factor: Any, shift: Mapping[str, Affine]) -> Any:
        if isinstance(factor, Ref):
            count = family_count(self.spelling, factor.tensor)
            return Ref(
                factor.tensor,
                tuple(
                    form.substitute(shift) - (0 if k < count or is_local(form) else self.base)
                    for k, form in enumerate(factor.index)
                ),
            )
        if isinstance(factor, Apply):
            return Apply(
                factor.template,
                tuple(
                    self._shifted(arg, shift) if isinstance(arg, Ref) else Value(arg.form.substitute(shift))
                    for arg in factor.args
                ),
            )
        if isinstance(factor, Along):
            at = None if factor.at is None else tuple(form.substitute(shift) - self.base for form in factor.at)
            return Along(factor.name, self._shifted(factor.arg, shift), factor.sizes, at)
        assert isinstance(factor, Opaque), "the union has no other member"  # noqa: S101
        return Opaque(factor.name, tuple(self._shifted(arg, shift) for arg in factor.args))

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


def aligned(equation: Equation, like: Equation) -> Equation:
    """The equation with the free indices of another of the same left side, so that the two can be compared."""
    names = {own: form for own, form in zip(map(single_letter, equation.lhs.index), like.lhs.index, strict=True) if own}
    return Equation(lhs=like.lhs, terms=tuple(term.substitute(names) for term in equation.terms), ranges=like.ranges)
