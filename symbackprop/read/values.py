"""What a part of a formula means: terms over labels, with the places where its axes stand.

A scalar, a row, a column and a matrix are all matrices with axes (rows, columns), None where there is one entry; arrays
of more axes take part in entrywise operations only. Indices are in printed counting until the equation is complete.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.affine import Affine, Bound, condition, const, var
from symbackprop.index import Apply, Ref, Term, Value, apply, fresh, product, slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from symbackprop.affine import Cond
    from symbackprop.index import Factor


class MeaningError(Exception):
    """A part that has no meaning; the reader adds the place."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """Terms whose free labels are ``axes``; ``extents`` gives the number of entries along each label.

    Cases have no extents: those of their rows were compared where their conditions hold.
    """

    terms: tuple[Term, ...]
    axes: tuple[str | None, ...] = (None, None)
    extents: Mapping[str, Affine] = field(default_factory=dict)

    @property
    def is_scalar(self) -> bool:
        """True where there is one entry."""
        return not self.labels

    @property
    def labels(self) -> tuple[str, ...]:
        """The axes that have a label."""
        return tuple(label for label in self.axes if label is not None)

    def relabelled(self, names: Mapping[str, str]) -> Meaning:
        """Other names for labels."""
        mapping = {old: var(new) for old, new in names.items()}
        return Meaning(
            tuple(term.substitute(mapping) for term in self.terms),
            tuple(names.get(a, a) if a else a for a in self.axes),
            {names.get(a, a): e for a, e in self.extents.items()},
        )


def number(value: Any) -> Meaning:
    """A number."""
    return Meaning((product(value),)) if value else Meaning(())


def of_factor(
    factor: Factor, axes: tuple[str | None, ...] = (None, None), extents: Mapping[str, Affine] | None = None
) -> Meaning:
    """One factor."""
    return Meaning((product(1, [factor]),), axes, extents or {})


def of_form(form: Affine) -> Meaning:
    """A size or an index used as a number."""
    return number(form.const) if form.is_constant else of_factor(Apply(slot(0), (Value(form),)))


def as_template(terms: Sequence[Term]) -> tuple[Any, tuple[Ref | Value, ...]] | None:
    """The sum as one scalar template with its arguments; None where a sum or condition stands in it."""
    args: list[Ref | Value] = []

    def place(arg: Ref | Value) -> Any:
        if arg not in args:
            args.append(arg)
        return slot(args.index(arg))

    total: Any = sp.S.Zero
    for term in terms:
        if term.bounds or term.conditions:
            return None
        part: Any = term.coefficient
        for factor in term.factors:
            if isinstance(factor, Ref):
                part *= place(factor)
            elif isinstance(factor, Apply):
                part *= factor.template.xreplace({slot(k): place(arg) for k, arg in enumerate(factor.args)})
            else:
                return None
        total += part
    return total, tuple(args)


def template_of(meaning: Meaning) -> tuple[Any, tuple[Ref | Value, ...]]:
    """``as_template``, refused where a sum or condition stands in it."""
    found = as_template(meaning.terms)
    if found is None:
        message = "a function of a sum over an index needs a name for the sum"
        raise MeaningError(message)
    return found


def applied(meaning: Meaning, change: Callable[[Any], Any]) -> Meaning:
    """A scalar function of every entry; ``change`` takes and gives a SymPy expression."""
    template, args = template_of(meaning)
    return replace(meaning, terms=(product(1, [apply(change(template), *args)]),))


def combined(meanings: Sequence[Meaning], change: Callable[..., Any]) -> Meaning:
    """A scalar function of the entries of several arrays with the same axes (or scalars)."""
    first = next((m for m in meanings if not m.is_scalar), meanings[0])
    templates: list[Any] = []
    args: list[Ref | Value] = []
    for meaning in meanings:
        template, own = template_of(meaning if meaning.is_scalar else unified(first, meaning))
        templates.append(template.xreplace({slot(k): slot(len(args) + k) for k in range(len(own))}))
        args += own
    return replace(first, terms=(product(1, [apply(change(*templates), *args)]),))


def unified(first: Meaning, second: Meaning) -> Meaning:
    """The second under the labels of the first; their axes stand in the same places."""
    if len(first.axes) != len(second.axes) or any(
        (a is None) != (b is None) for a, b in zip(first.axes, second.axes, strict=True)
    ):
        message = f"{_shape(first)} and {_shape(second)} do not fit entry by entry"
        raise MeaningError(message)
    pairs = [(b, a) for a, b in zip(first.axes, second.axes, strict=True) if a is not None and b is not None]
    for b, a in pairs:
        if a in first.extents and b in second.extents and first.extents[a] != second.extents[b]:
            message = f"an axis of {first.extents[a]} entries does not fit one of {second.extents[b]}"
            raise MeaningError(message)
    return second.relabelled(dict(pairs))


def _shape(meaning: Meaning) -> str:
    if len(meaning.axes) > 2:  # noqa: PLR2004 - more than a matrix
        return f"an array of {len(meaning.axes)} axes"
    kinds = {(True, True): "a scalar", (False, True): "a column", (True, False): "a row", (False, False): "a matrix"}
    rows, columns = meaning.axes
    return kinds[rows is None, columns is None]


def added(parts: Sequence[Meaning]) -> Meaning:
    """The sum, entry by entry; a number is added to every entry."""
    first = next((m for m in parts if not m.is_scalar), parts[0])
    terms: list[Term] = []
    for part in parts:
        terms += (part if part.is_scalar else unified(first, part)).terms
    return replace(first, terms=tuple(terms))


def negated(meaning: Meaning) -> Meaning:
    """With the other sign."""
    return replace(meaning, terms=tuple(replace(t, coefficient=-t.coefficient) for t in meaning.terms))


def entrywise(first: Meaning, second: Meaning) -> Meaning:
    """The product entry by entry."""
    if first.is_scalar or second.is_scalar:
        return multiplied(first, second, 1)
    fitted = unified(first, second)
    return replace(first, terms=times(first.terms, fitted.terms))


def multiplied(first: Meaning, second: Meaning, base: int) -> Meaning:
    """The matrix product; with a scalar, the multiple. ``base`` is what the first entry is called."""
    if first.is_scalar or second.is_scalar:
        whole = second if first.is_scalar else first
        return replace(whole, terms=times(first.terms, second.terms))
    if len(second.axes) != 2:  # noqa: PLR2004 - matrices have two axes
        message = "an array of more than two axes stands left in a product, or is written by index"
        raise MeaningError(message)
    *rows, inner = first.axes
    other, columns = second.axes
    if (inner is None) != (other is None):
        message = f"{_shape(first)} times {_shape(second)} is no matrix product"
        raise MeaningError(message)
    extents = {**first.extents, **second.extents}
    axes = (*rows, columns)
    if inner is None or other is None:
        return Meaning(times(first.terms, second.terms), axes, extents)
    if inner not in extents or other not in extents:
        message = "cases cannot stand in a matrix product"
        raise MeaningError(message)
    if extents[inner] != extents[other]:
        message = f"a product over {extents[inner]} and {extents[other]} entries"
        raise MeaningError(message)
    fitted = second.relabelled({other: inner})
    bound = Bound(inner, const(base), extents[inner] - 1 + base)
    terms = tuple(replace(t, bounds=(bound, *t.bounds)) for t in times(first.terms, fitted.terms))
    return Meaning(terms, axes, {k: e for k, e in extents.items() if k in axes})


def outer(first: Meaning, second: Meaning) -> Meaning:
    """Every entry of one vector times every entry of another."""
    if len(first.labels) != 1 or len(second.labels) != 1:
        message = "an outer product is of two vectors"
        raise MeaningError(message)
    return Meaning(
        times(first.terms, second.terms), (*first.labels, *second.labels), {**first.extents, **second.extents}
    )


def turned(meaning: Meaning) -> Meaning:
    """The transpose."""
    if len(meaning.axes) != 2:  # noqa: PLR2004 - matrices have two axes
        message = "only matrices and vectors are transposed"
        raise MeaningError(message)
    return replace(meaning, axes=meaning.axes[::-1])


def times(first: Sequence[Term], second: Sequence[Term]) -> tuple[Term, ...]:
    """The product of two sums: a sum in brackets stays one factor where it can, else everything is multiplied out."""
    left, right = _one_factor(first), _one_factor(second)
    return tuple(_merged(a, b) for a in left for b in right)


def _one_factor(terms: Sequence[Term]) -> tuple[Term, ...]:
    if len(terms) <= 1:
        return tuple(terms)
    found = as_template(terms)
    if found is None:
        return tuple(terms)
    return (product(1, [apply(found[0], *found[1])]),)


def _merged(a: Term, b: Term) -> Term:
    """The product of two terms, bound indices kept apart."""
    taken = {x.var for x in a.bounds} | a.variables
    clash = {x.var for x in b.bounds} & taken
    if clash:
        everything = taken | {x.var for x in b.bounds} | b.variables
        b = b.rename_bounds({name: fresh(name, everything) for name in sorted(clash)})
    clash = {x.var for x in a.bounds} & b.variables
    if clash:
        everything = taken | {x.var for x in b.bounds} | b.variables
        a = a.rename_bounds({name: fresh(name, everything) for name in sorted(clash)})
    return product(
        a.coefficient * b.coefficient,
        (*a.factors, *b.factors),
        bounds=(*a.bounds, *b.bounds),
        conditions=a.conditions | b.conditions,
    )


def under(meaning: Meaning, conditions: Iterable[Cond]) -> Meaning:
    """What holds under conditions on indices, else 0."""
    known = frozenset(conditions)
    return replace(meaning, terms=tuple(replace(t, conditions=t.conditions | known) for t in meaning.terms))


def joined(parts: Sequence[Meaning], label: str, along: int, base: int) -> Meaning:
    """Arrays one after the other along an axis (0 rows, 1 columns), under one label."""
    first = parts[0]
    other = first.axes[1 - along]
    start = Affine()
    terms: list[Term] = []
    for part in parts:
        own, across = part.axes[along], part.axes[1 - along]
        if len(part.axes) != 2 or own is None or (across is None) != (other is None):  # noqa: PLR2004 - a matrix
            message = "blocks need the axis along which they are joined"
            raise MeaningError(message)
        names = {across: other} if across is not None and other is not None else {}
        fitted = part.relabelled(names)
        extent = part.extents[own]
        moved = [t.substitute({own: var(label) - start}) for t in fitted.terms]
        low = condition(">=", var(label) - start - base)
        high = condition(">=", start + extent - 1 + base - var(label))
        limits = frozenset(c for c, edge in ((low, part is first), (high, part is parts[-1])) if not edge)
        terms += [replace(t, conditions=t.conditions | limits) for t in moved]
        start += extent
    axes: tuple[str | None, ...] = (label, other) if along == 0 else (other, label)
    extents = {label: start, **({other: first.extents[other]} if other is not None else {})}
    return Meaning(tuple(terms), axes, extents)


def summed(meaning: Meaning, bounds: Sequence[Bound]) -> Meaning:
    """The sum over indices that the formula names; a sum in brackets under it stays one factor where it can."""
    terms = tuple(replace(t, bounds=(*bounds, *t.bounds)) for t in _one_factor(meaning.terms))
    return replace(meaning, terms=terms)
