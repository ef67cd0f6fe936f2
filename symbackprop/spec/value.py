"""What an expression of the forward text means: named axes, and terms over one variable for each axis.

A ``Val`` is an array in the making. Its axes carry variables that nobody else uses, so joining two values is a matter
of renaming; alignment by name, with the errors that a silent transpose or a doubtful broadcast deserve, is here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.affine import Affine, var
from symbackprop.index import Along, Apply, Opaque, Ref, Term, Value, apply, function, product, slot
from symbackprop.spec.recognise import recognise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a value: its variable and its size."""

    var: str
    size: Affine


@dataclass(frozen=True, slots=True)
class Val:
    """Sum of ``terms`` over the variables of ``axes``; ``form`` where it is a number made of sizes and letters."""

    axes: tuple[Axis, ...]
    terms: tuple[Term, ...]
    form: Affine | None = None

    @property
    def sizes(self) -> tuple[Affine, ...]:
        """Sizes of the axes, in order."""
        return tuple(axis.size for axis in self.axes)

    @property
    def is_special(self) -> bool:
        """True where a function of a whole axis or tensor stands in it: it must be an equation of its own."""
        return any(isinstance(f, Along | Opaque) for term in self.terms for f in term.factors)

    @property
    def is_pointwise(self) -> bool:
        """True where it is a scalar function of elements at one place: no sums, no conditions."""
        return not self.is_special and not any(term.bounds or term.conditions for term in self.terms)

    @property
    def is_constant(self) -> bool:
        """True where it has no axes and reads at most scalars."""
        return not self.axes and all(not t.variables and not t.bounds and not t.conditions for t in self.terms)

    @property
    def number(self) -> Any:
        """The rational number it is, or None."""
        if self.axes or len(self.terms) > 1:
            return None
        if not self.terms:
            return sp.S.Zero
        term = self.terms[0]
        return None if term.factors or term.bounds or term.conditions else term.coefficient

    @property
    def variables(self) -> frozenset[str]:
        """Free variables other than those of the axes: index letters and loop indices."""
        found: set[str] = set()
        for term in self.terms:
            found |= term.variables
        return frozenset(found) - {axis.var for axis in self.axes}

    def substitute(self, mapping: Mapping[str, Affine], axes: tuple[Axis, ...]) -> Val:
        """Variables replaced, with other axes."""
        return Val(axes, tuple(term.substitute(mapping) for term in self.terms))

    def rename(self, names: Mapping[str, str]) -> Val:
        """Other variables for axes."""
        mapping = {old: var(new) for old, new in names.items() if old != new}
        if not mapping:
            return self
        axes = tuple(Axis(names.get(a.var, a.var), a.size) for a in self.axes)
        return replace(self.substitute(mapping, axes), form=self.form)

    def scaled(self, factor: Any) -> Val:
        """A rational multiple."""
        form = self.form * int(factor) if self.form is not None and sp.Rational(factor).is_Integer else None
        terms = tuple(replace(t, coefficient=t.coefficient * factor) for t in self.terms if factor != 0)
        return Val(self.axes, terms, form)


def number(value: Any) -> Val:
    """A rational number."""
    value = sp.Rational(value.numerator, value.denominator) if hasattr(value, "denominator") else sp.Rational(value)
    form = Affine(int(value)) if value.is_Integer else None
    return Val((), (product(value),) if value != 0 else (), form)


def of_form(form: Affine) -> Val:
    """A size or an index as a number."""
    if form.is_constant:
        return number(sp.Integer(form.const))
    return Val((), (product(1, [Apply(slot(0), (Value(form),))]),), form)


def of_factor(axes: tuple[Axis, ...], factor: Any, *, conditions: Iterable[Any] = ()) -> Val:
    """One factor as a value."""
    return Val(axes, (product(1, [factor], conditions=conditions),))


# ---------------------------------------------------------------------------------------------------------------------
# Scalar templates


def template_of(val: Val, args: list[Ref | Value]) -> Any:
    """A pointwise value as a SymPy expression in slots; arguments that are new are added to ``args``."""
    total = sp.S.Zero
    for term in val.terms:
        body: Any = term.coefficient
        for factor in term.factors:
            if isinstance(factor, Ref):
                body *= _slot_for(factor, args)
            else:
                assert isinstance(factor, Apply), "a pointwise value has elements and scalar functions only"  # noqa: S101
                image = {slot(k): _slot_for(arg, args) for k, arg in enumerate(factor.args)}
                body *= factor.template.xreplace(image)
        total += body
    return total


def _slot_for(arg: Ref | Value, args: list[Ref | Value]) -> Any:
    if arg not in args:
        args.append(arg)
    return slot(args.index(arg))


def pointwise(build: Callable[..., Any], axes: tuple[Axis, ...], *vals: Val) -> Val:
    """A scalar function of pointwise values that share their variables."""
    args: list[Ref | Value] = []
    templates = [template_of(val, args) for val in vals]
    return of_template(axes, build(*templates), args)


def of_template(axes: tuple[Axis, ...], template: Any, args: list[Ref | Value]) -> Val:
    """A template with its arguments as a value of one term; SymPy's own |x| (from ``sqrt(x**2)``) becomes our row."""
    template = recognise(template)
    if template.has(sp.Abs):
        template = template.replace(sp.Abs, function("abs"))
    if template.is_Rational:
        return Val(axes, (product(template),) if template != 0 else ())
    return Val(axes, (product(1, [apply(template, *args)]),))


def single(val: Val) -> Val:
    """A pointwise value as one term (a sum becomes one scalar function of its parts)."""
    if len(val.terms) <= 1:
        return val
    return replace(pointwise(lambda t: t, val.axes, val), form=val.form)


def times(left: Term, right: Term) -> Term:
    """Product of two terms whose bound variables differ."""
    return product(
        left.coefficient * right.coefficient,
        (*left.factors, *right.factors),
        bounds=(*left.bounds, *right.bounds),
        conditions=(*left.conditions, *right.conditions),
    )


def plain_ref(val: Val) -> Ref | None:
    """The element, if the value is one element of a tensor and nothing else."""
    if len(val.terms) != 1:
        return None
    term = val.terms[0]
    if term.coefficient != 1 or term.bounds or term.conditions or len(term.factors) != 1:
        return None
    return term.factors[0] if isinstance(term.factors[0], Ref) else None


# ---------------------------------------------------------------------------------------------------------------------
# Alignment by name


class AlignError(Exception):
    """Two values whose axes do not align; the text says why."""


def shown(sizes: Iterable[Affine]) -> str:
    """Axes as a reader sees them: ``(N, n[l-1])``.

    >>> from symbackprop.affine import size
    >>> shown((size("N"), size("d"))), shown(())
    ('(N, d)', 'a scalar')
    """
    names = [str(s) for s in sizes]
    return f"({', '.join(names)})" if names else "a scalar"


def align(left: Val, right: Val) -> tuple[tuple[Axis, ...], Val]:
    """Axes of an elementwise result, and ``right`` with its variables renamed to those of ``left``.

    The order is that of the operand with more axes (the left one on a tie), then what is missing.
    Raises: AlignError for the same axes in another order and for a repeated axis against a single one.
    """
    partners: dict[str, str] = {}
    for name in dict.fromkeys(left.sizes):
        mine = [axis.var for axis in left.axes if axis.size == name]
        yours = [axis.var for axis in right.axes if axis.size == name]
        if not yours:
            continue
        if len(mine) != len(yours):
            message = (
                f"axis {name} stands {_times(len(mine))} on the left and {_times(len(yours))} on the right, "
                f"so it is open which one is meant"
            )
            raise AlignError(message)
        partners.update(zip(yours, mine, strict=True))
    shared_right = [partners[axis.var] for axis in right.axes if axis.var in partners]
    shared_left = [axis.var for axis in left.axes if axis.var in partners.values()]
    if shared_left != shared_right:
        message = (
            "the axes they share stand in another order, which would be a silent transpose; write .T where it is meant"
        )
        raise AlignError(message)
    renamed = right.rename(partners)
    first, second = (left.axes, renamed.axes) if len(left.axes) >= len(right.axes) else (renamed.axes, left.axes)
    there = {axis.var for axis in first}
    return (*first, *(axis for axis in second if axis.var not in there)), renamed


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
