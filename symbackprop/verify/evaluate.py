"""Evaluates what was read: numbers with shapes and orientation, in a world, under conventions.

Element letters run over axes of a grid, so that one pass gives the value for all of them; layer and time letters are
single numbers. Under a ``seed`` every value carries its tangents, which gives derivatives of whole expressions.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.affine import Affine, Var
from symbackprop.handwritten import expression as ex
from symbackprop.verify.evaluate_big import BigOperators
from symbackprop.verify.evaluate_calls import Calls
from symbackprop.verify.evaluate_derivatives import Derivatives
from symbackprop.verify.evaluate_nodes import free_letters, is_guard, steps, value_of, whole
from symbackprop.verify.evaluate_operators import Operators
from symbackprop.verify.evaluate_products import Products
from symbackprop.verify.evaluate_values import (
    ONE,
    Misread,
    OutOfRange,
    ShapeMisfit,
    Undecidable,
    Undeclared,
    Val,
    added,
    entrywise,
    inverted,
    masked,
    negated,
    number,
    powered,
    scaled,
    sized,
    transposed,
)
from symbackprop.verify.world_field import Inexact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from symbackprop.verify.conventions import Conventions, Setting
    from symbackprop.verify.evaluate_derivatives import Seed
    from symbackprop.verify.world import World

    Array = np.ndarray[Any, Any]

__all__ = ["Evaluator", "Misread", "OutOfRange", "ShapeMisfit", "Undecidable", "Undeclared", "Val"]


class Evaluator(Calls, Derivatives, BigOperators, Operators):
    """Values of nodes in one world under one reading.

    ``letters`` gives layer and time letters their numbers and element letters their arrays over the grid.
    ``notes`` collects conventions that a value turned out to need.
    """

    def __init__(
        self,
        world: World,
        conventions: Conventions,
        setting: Setting,
        letters: Mapping[str, Any],
        scalars: frozenset[str] = frozenset(),
    ) -> None:
        self.world, self.conventions, self.setting = world, conventions, setting
        self.field, self.network = world.field, world.network
        self.env: dict[str, Any] = dict(letters)
        self.depth = max((np.ndim(v) for v in self.env.values()), default=0)
        self.mask: Any = True
        self.seed: Seed | None = None
        self.notes: dict[str, None] = {}
        self.scalars = scalars | setting.scalars
        self.independents: frozenset[Any] = frozenset()
        self.expected: tuple[int, ...] | None = None
        self.products = Products(self.field, conventions, self.notes)
        self.names_open: tuple[str, ...] = ()
        self.bound: Mapping[str, Val] = {}
        self.missing: list[Any] | None = None

    def evaluate(self, node: ex.Node) -> Val:
        """The value of a node.

        Raises: Misread in its kinds; Inexact where the field has no such function.
        """
        if self.seed is not None and self.seed.pattern is not None and node == self.seed.pattern:
            return self.seed.identity(self)
        reader = _READERS.get(type(node))
        if reader is None:
            message = f"{type(node).__name__.lower()} has no value"
            raise Undecidable(node, message)
        return reader(self, node)

    @contextmanager
    def given(self, **changes: Any) -> Iterator[None]:
        """Attributes changed for a while."""
        before = {name: getattr(self, name) for name in changes}
        for name, value in changes.items():
            setattr(self, name, value)
        try:
            yield
        finally:
            for name, value in before.items():
                setattr(self, name, value)

    # -- indices -------------------------------------------------------------------------------------------------------

    def form(self, form: Affine, node: ex.Node) -> Any:
        """The number, or array over the grid, that an index form is."""
        try:
            return form.evaluate(self.env, self.world.size)
        except KeyError as error:
            name = str(error.args[0])
            message = f"the index {name} has no range" if name in form.variables else f"no size {name} at {form}"
            raise OutOfRange(node, message, form.variables) from None

    def whole(self, form: Affine, node: ex.Node) -> int:
        """A form that is one number here."""
        value = np.unique(self.form(form, node))
        if value.size != 1:
            message = f"{form} is no single layer or step"
            raise Undecidable(node, message)
        return int(value[0])

    def grown(self, value: Any) -> Array:
        """A number for each point of the grid, as a field's array with a cell of one entry."""
        array = self.field.array(value)
        return array.reshape((*array.shape, 1, 1))

    # -- leaves --------------------------------------------------------------------------------------------------------

    def number(self, node: ex.Number) -> Val:
        """An exact number."""
        return number(self.field, Fraction(node.value))

    def letter(self, node: ex.Letter) -> Val:
        """An index, a size or a scalar as a number."""
        loose = node.form.variables & self.scalars
        if not loose:
            return Val(v=self.grown(self.form(node.form, node)))
        value: Any = self.field.array(node.form.const)
        for atom, c in node.form.terms:
            if isinstance(atom, Var) and atom.name in loose:
                part = self.world.scalar(atom.name)
            else:
                part = self.field.array(self.form(Affine(0, ((atom, 1),)), node))
            value = self.field.norm(value + part * self.field.array(c))
        return Val(v=np.reshape(value, (*np.shape(value), 1, 1)))

    def unknown(self, node: ex.Unknown) -> Val:
        """A learning rate where one is expected; else nothing declares it."""
        if node.name in self.scalars:
            return Val(v=np.reshape(self.world.scalar(node.name), (1, 1)))
        message = f"nothing declares {node.name}"
        raise Undeclared(node, message)

    def quantity(self, node: ex.Quantity) -> Val:
        """A tensor, an element or a slice of it."""
        at = self.member(node)
        array = self.field.array(self.world.value(node.tensor, at))
        value = self.selected(node, array, self.tangent((node.tensor, at)))
        tensor = self.network.tensors[node.tensor]
        return replace(value, bias=len(tensor.axes) == 1 and not node.element)

    def member(self, node: ex.Quantity) -> tuple[int, ...]:
        """Family indices of a quantity here.

        Raises: OutOfRange outside the family.
        """
        tensor = self.network.tensors[node.tensor]
        if len(node.family) != len(tensor.family):
            message = f"{node.tensor} needs {len(tensor.family)} layer or time indices, not {len(node.family)}"
            raise Misread(node, message)
        at = tuple(self.whole(f, node) for f in node.family)
        if not self.world.has(node.tensor, at):
            letters = frozenset().union(*(f.variables for f in node.family))
            shown = ", ".join(map(str, node.family))
            message = f"{node.tensor}[{shown}] is outside its range"
            raise OutOfRange(node, message, letters)
        return at

    def selected(self, node: ex.Quantity, array: Array, tangent: Array | None) -> Val:
        """The element, the slice or the whole of a node's array, with its orientation."""
        tensor = self.network.tensors[node.tensor]
        mapping = {b.var: f for b, f in zip(tensor.family, node.family, strict=True)}
        dims = [axis.substitute(mapping) for axis in tensor.axes]
        picks: list[Any] = list(node.element) or [ex.Slice()] * array.ndim
        if len(picks) < array.ndim:
            picks += [ex.Slice()] * (array.ndim - len(picks))
        if len(picks) > array.ndim:
            message = f"{node.tensor} has {array.ndim} element indices, not {len(picks)}"
            raise ShapeMisfit(node, message)
        kept: list[int] = []
        chosen: list[int] = []
        index: list[Any] = []
        for axis, pick in enumerate(picks):
            if isinstance(pick, Affine):
                chosen.append(axis)
                index.append(self.position(pick, array.shape[axis], dims[axis], node))
            else:
                kept.append(axis)
                if not whole(pick):
                    places = self._range(pick, array.shape[axis], node)
                    array = np.take(array, places, axis=axis)
                    tangent = None if tangent is None else np.take(tangent, places, axis=axis)
                    lo = pick.lo if pick.lo is not None else Affine(self.setting.base)
                    dims[axis] = (pick.hi - lo + 1) if pick.hi is not None else dims[axis]
        order = [*chosen, *kept]
        v = np.transpose(array, order)
        t = None if tangent is None else np.transpose(tangent, [*order, array.ndim])
        if index:
            index = list(np.broadcast_arrays(*index))
            v, t = v[tuple(index)], None if t is None else t[tuple(index)]
        v = np.asarray(v, dtype=array.dtype)
        return self._oriented(v, t, [dims[k] for k in kept], kept, len(tensor.axes))

    def _oriented(self, v: Array, t: Array | None, dims: list[Affine], kept: list[int], axes: int) -> Val:
        """A cell of two axes from what is left of a tensor's axes."""
        grid = v.ndim - len(kept)
        if len(kept) >= 2:  # noqa: PLR2004 - a matrix, or more
            turns = len(kept) == 2 and self.conventions.turning and 1 in v.shape[grid:] and max(v.shape[grid:]) > 1  # noqa: PLR2004
            return Val(v=v, t=t, dims=tuple(dims), turns=turns)
        if not kept:
            shape: tuple[int, ...] = (1, 1)
            dims = [ONE, ONE]
        else:
            row = self.conventions.vectors == "rows"
            if axes == 2 and self.conventions.slices == "as they lie":  # noqa: PLR2004
                row = kept == [1]
            shape = (1, v.shape[-1]) if row else (v.shape[-1], 1)
            dims = [ONE, dims[0]] if row else [dims[0], ONE]
        v = v.reshape(v.shape[:grid] + shape)
        t = None if t is None else t.reshape((*t.shape[:grid], *shape, t.shape[-1]))
        return Val(v=v, t=t, dims=tuple(dims))

    def position(self, form: Affine, length: int, dim: Affine, node: ex.Node) -> Any:
        """An element index as a position from 0.

        Raises: OutOfRange where it leaves the axis.
        """
        place = np.asarray(self.form(form, node)) - self.setting.base
        outside = (place < 0) | (place >= length)
        if np.any(outside & self.mask):
            if self.missing is not None:
                self.missing.append(outside)
                return np.clip(place, 0, length - 1)
            message = f"the index {form} leaves an axis of length {dim}"
            raise OutOfRange(node, message, form.variables)
        return np.clip(place, 0, length - 1)

    def _range(self, pick: ex.Slice, length: int, node: ex.Node) -> list[int]:
        lo = 0 if pick.lo is None else self.whole(pick.lo, node) - self.setting.base
        hi = length if pick.hi is None else self.whole(pick.hi, node) - self.setting.base + 1
        if lo < 0 or hi > length:
            message = f"the slice {pick.lo}..{pick.hi} leaves its axis"
            raise OutOfRange(node, message)
        return list(range(lo, hi))

    def named(self, node: ex.Named) -> Val:
        """What the author's name stands for."""
        argument = self.of_argument(node)
        if argument is not None:
            return self.picked(node, argument, node.element) if node.element else argument
        inner = value_of(node, self.setting.lets)
        if inner is None or node.name in self.names_open:
            message = f"nothing declares {node.name}"
            raise Undeclared(node, message)
        # A named gradient keeps its shape under layouts that are only tried.
        stated = replace(
            self.conventions, layout_vectors=self.setting.layout_vectors, layout_matrices=self.setting.layout_matrices
        )
        with self.given(names_open=(*self.names_open, node.name), conventions=stated):
            try:
                value = self.evaluate(inner)
            except (OutOfRange, ShapeMisfit) as misfit:
                misfit.node = node  # what is inside the name stands elsewhere
                raise
        return self.picked(node, value, node.element) if node.element else value

    def picked(self, node: ex.Node, value: Val, picks: Sequence[Affine | ex.Slice]) -> Val:
        """Elements of a value: one index for a vector, two for a matrix, as many as it has axes for others."""
        rank = value.rank
        pair: list[Affine | ex.Slice] = list(picks)
        if len(pair) == 1 and rank == 2:  # noqa: PLR2004 - a vector, or a row of a matrix
            pair.insert(0 if value.cell[1] != 1 and value.cell[0] == 1 else 1, ex.Slice())
        if len(pair) != rank:
            message = f"{len(pair)} indices on {value.shape}"
            raise ShapeMisfit(node, message)
        v, t, dims = value.v, value.t, list(value.dims)
        if v.ndim - rank < self.depth:
            v = v.reshape((1,) * (self.depth + rank - v.ndim) + v.shape)
            t = None if t is None else t.reshape((1,) * (self.depth + rank + 1 - t.ndim) + t.shape)
        for axis, pick in enumerate(pair):
            at = axis - rank
            if isinstance(pick, Affine):
                place = np.asarray(self.position(pick, v.shape[at], dims[axis], node))
                where = place.reshape((1,) * (self.depth - place.ndim) + place.shape + (1,) * rank)
                v = np.take_along_axis(v, where, axis=at)
                t = None if t is None else np.take_along_axis(t, where[..., None], axis=at - 1)
                dims[axis] = ONE
            elif not whole(pick):
                places = self._range(pick, v.shape[at], node)
                v, t = np.take(v, places, axis=at), None if t is None else np.take(t, places, axis=at - 1)
                dims[axis] = Affine(len(places))
        picked = replace(value, v=v, t=t, dims=tuple(dims), turns=False, slopes=False, bias=False)
        return picked if rank == 2 else _flat(picked, pair)  # noqa: PLR2004 - a matrix stays one

    # -- sums, products, quotients, powers -----------------------------------------------------------------------------

    def sum(self, node: ex.Sum) -> Val:
        """Terms with their signs."""
        result: Val | None = None
        for term, sign in zip(node.terms, node.signs, strict=True):
            for value in self._terms(term):
                signed = value if sign > 0 else negated(self.field, value)
                result = signed if result is None else self.plus(node, result, signed)
        assert result is not None, "a sum has terms"  # noqa: S101
        return result

    def _terms(self, term: ex.Node) -> Iterator[Val]:
        if isinstance(term, ex.Elided) and term.sign == "plus":
            members = steps(term, lambda form: self.whole(form, term))
            if not members:
                yield number(self.field, 0)
            for member in members:
                yield self.evaluate(member)
        else:
            yield self.evaluate(term)

    def plus(self, node: ex.Node, a: Val, b: Val) -> Val:
        """A + b: equal shapes, a number with anything, a bias repeated over the examples.

        Raises: ShapeMisfit.
        """
        if a.neutral and b.neutral:
            return self.products.neutral_sum(node, a, b)
        a, b = self._materialised(a, b), self._materialised(b, a)
        if a.is_scalar or b.is_scalar or (a.rank == b.rank and a.cell == b.cell):
            return added(self.field, a, b)
        for one, other in ((a, b), (b, a)):
            if one.turns and other.rank == 2 and transposed(one).cell == other.cell:  # noqa: PLR2004
                return added(self.field, self.products.turned(one), other)
            fits = all(x in {1, y} for x, y in zip(one.cell, other.cell, strict=False))
            if not one.bias or one.rank != other.rank or other.is_vector:
                continue
            turned = transposed(one)  # written as a column, added to rows: its axis says which
            lies = any(d == e and x > 1 for d, e, x in zip(one.dims, other.dims, one.cell, strict=True))
            turns = any(d == e and x > 1 for d, e, x in zip(turned.dims, other.dims, turned.cell, strict=True))
            if fits and (lies or not turns):
                return added(self.field, one, other)
            if all(x in {1, y} for x, y in zip(turned.cell, other.cell, strict=True)):
                return added(self.field, turned, other)
        message = f"a sum of {a.shape} and {b.shape}"
        raise ShapeMisfit(node, message, a.shape, b.shape)

    def _materialised(self, a: Val, like: Val) -> Val:
        """An identity or ones of the size that the other term has."""
        if not a.neutral or like.neutral or like.rank != 2:  # noqa: PLR2004
            return a
        if a.neutral == "empty" and like.cell[0] != like.cell[1]:
            return replace(a, neutral="")
        return sized(self.field, a, like.cell, like.dims)

    def product(self, node: ex.Product) -> Val:
        """Factors under the precedence of the reading; what an indicator switches off is not looked at."""
        guards = [f for f in node.factors if is_guard(f) and self.evaluate(f).is_scalar]
        if not guards or len(guards) == len(node.factors):
            return self.products.evaluate(node, [self.evaluate(f) for f in node.factors])
        # [l < L] in front of a term: where it does not hold, the term need not make sense
        holds: Any = self.mask
        for guard in guards:
            holds = holds & (self.evaluate(guard).v[..., 0, 0] != 0)
        if not np.any(holds):
            return number(self.field, 0)
        with self.given(mask=holds), self.certain():
            return self.products.evaluate(node, [self.evaluate(f) for f in node.factors])

    @contextmanager
    def certain(self) -> Iterator[None]:
        """Where the author says for which layers something holds, an index outside its range is the author's fault."""
        try:
            yield
        except OutOfRange as misfit:
            raise OutOfRange(misfit.node, misfit.message) from None

    def elided(self, node: ex.Elided) -> Val:
        """A sum or product with dots."""
        if node.sign == "comma":
            message = "a list with an ellipsis is no value"
            raise Undecidable(node, message)
        if node.sign == "plus":
            return self.sum(ex.Sum(terms=(node,), signs=(1,)))
        members = steps(node, lambda form: self.whole(form, node))
        if not members:
            return replace(number(self.field, 1), neutral="empty")
        factors = tuple(members)
        return self.product(ex.Product(factors=factors, signs=("juxtaposition", *(node.sign,) * (len(factors) - 1))))

    def quotient(self, node: ex.Quotient) -> Val:
        """A quotient by a number, or entrywise."""
        over, under = self.evaluate(node.over), self.evaluate(node.under)
        below = inverted(self.field, under)
        if over.neutral and under.is_scalar:
            return scaled(self.field, over, below)
        if over.is_scalar or under.is_scalar:
            return entrywise(self.field, over, below)
        return self.products.entrywise(node, over, below)

    def power(self, node: ex.Power) -> Val:
        """An entrywise power."""
        if isinstance(node.exponent, ex.Number):
            exponent = Fraction(node.exponent.value)
            if isinstance(node.base, ex.Operation) and node.base.name == "norm" and exponent == 2:  # noqa: PLR2004
                return self.squared_norm(node.base)
            return powered(self.field, self.evaluate(node.base), exponent)
        power = self.evaluate(node.exponent)
        constant = self.field.constant(power.v) if power.t is None else None
        if constant is not None:
            return powered(self.field, self.evaluate(node.base), constant)
        base = self.evaluate(node.base)
        if not (power.is_scalar or base.is_scalar or (power.rank == base.rank and power.cell == base.cell)):
            message = f"the power {power.shape} of {base.shape}"
            raise ShapeMisfit(node, message, base.shape, power.shape)
        exponent_log = entrywise(self.field, power, self.elementwise("log", 0, (), base))
        return self.elementwise("exp", 0, (), exponent_log)

    def transpose(self, node: ex.Transpose) -> Val:
        """The transpose."""
        value = self.evaluate(node.of)
        if value.rank not in {2, 4}:
            message = f"a transpose of {value.shape}"
            raise ShapeMisfit(node, message, value.shape)
        return transposed(value)

    # -- cases and conditions ------------------------------------------------------------------------------------------

    def truth(self, condition: ex.Condition) -> Any:
        """Whether a condition holds, here or at each point of the grid."""
        if not isinstance(condition, ex.Condition):
            message = "a condition that is no comparison"
            raise Undecidable(condition, message)
        sides = (self._compared(condition.left, condition.right), self._compared(condition.right, condition.left))
        compare = _COMPARE.get(condition.sign)
        if compare is None:
            message = f"the comparison {condition.sign}"
            raise Undecidable(condition, message)
        return np.asarray(compare(*sides))

    def indicated(self, condition: ex.Condition) -> Val:
        """1 where a condition holds and 0 elsewhere, entry by entry where a side is an array.

        Raises: Inexact where an order is asked for among numbers modulo p.
        """
        sides = (condition.left, condition.right)
        arrays = [side for side in sides if not isinstance(side, ex.Letter | ex.Number)]
        if all(self.evaluate(side).is_scalar for side in arrays):
            return number(self.field, self.truth(condition) * 1)
        compare = _COMPARE.get(condition.sign)
        if compare is None or (self.field.exact and condition.sign not in {"=", "≠"}):
            message = f"the comparison {condition.sign} of arrays"
            raise Inexact(message) if self.field.exact else Undecidable(condition, message)
        difference = self.evaluate(ex.Sum(terms=sides, signs=(1, -1), span=condition.span, source=condition.source))
        return replace(difference, v=self.field.array(compare(difference.v, 0) * 1), t=None, bias=False)

    def _compared(self, node: ex.Node, other: ex.Node) -> Any:
        if isinstance(node, ex.Letter) and not node.form.variables & self.scalars:
            return np.asarray(self.form(node.form, node))
        if isinstance(node, ex.Number):
            return np.asarray(float(node.value))
        value = self.evaluate(node)
        if not value.is_scalar:
            message = f"a comparison of {value.shape}"
            raise ShapeMisfit(node, message, value.shape)
        array = value.v[..., 0, 0]
        if isinstance(node, ex.Quantity) and self.network.tensors[node.tensor].below is not None:
            return array + self.setting.base if isinstance(other, ex.Letter) else array  # labels count from 0
        if self.field.exact:
            return array
        return np.asarray(array)

    def cases(self, node: ex.Cases) -> Val:
        """The value whose conditions hold, at each point of the grid; for each entry where they compare arrays."""
        if any(conditions is None for _, conditions in node.rows):
            message = "a condition in words; a directive 'cases' can say it"
            raise Undecidable(node, message)
        sides = [s for _, given in node.rows for c in given or () for s in (c.left, c.right)]
        if any(not isinstance(s, ex.Letter | ex.Number) and not self.evaluate(s).is_scalar for s in sides):
            return self._by_entries(node)
        left: Any = np.asarray(True)  # noqa: FBT003 - an array
        result: Val | None = None
        for value, conditions in node.rows:
            holds = left
            for condition in conditions or ():
                holds = holds & self.truth(condition)
            left = left & ~holds
            if not np.any(holds & self.mask):
                continue
            if np.all(holds):
                with self.certain():
                    here = self.evaluate(value)
                return here if result is None else self.plus(node, result, masked(self.field, here, holds))
            with self.given(mask=self.mask & holds), self.certain():
                here = masked(self.field, self.evaluate(value), holds)
            result = here if result is None else self.plus(node, result, here)
        if result is None or np.any(left & self.mask):
            message = "no case holds"
            raise OutOfRange(node, message, frozenset(free_letters(node, self.setting.lets)))
        return result

    def _entry_by_entry(self, node: ex.Cases, a: Val, b: Val) -> Val:
        """A ∘ b, or a number times an array."""
        if a.is_scalar or b.is_scalar:
            return entrywise(self.field, a, b)
        return self.products.entrywise(node, a, b)

    def _by_entries(self, node: ex.Cases) -> Val:
        """Cases of arrays: each entry has the value of the first case whose conditions hold for it."""
        left = number(self.field, 1)
        total: Val | None = None
        for value, conditions in node.rows:
            holds = left
            for condition in conditions or ():
                holds = self._entry_by_entry(node, holds, self.indicated(condition))
            left = self.plus(node, left, entrywise(self.field, number(self.field, -1), holds))
            mask = holds.v != 0
            everywhere = replace(holds, v=self.field.array(np.ones(mask.shape, dtype=int)))
            here = self._entry_by_entry(node, everywhere, self.evaluate(value))
            if not holds.is_scalar and here.cell != holds.cell:
                message = f"a value of {here.shape} under conditions on {holds.shape}"
                raise ShapeMisfit(node, message, here.shape, holds.shape)
            t = None if here.t is None else np.where(mask[..., None], here.t, 0)
            here = replace(here, v=np.where(mask, here.v, 0), t=t)
            total = here if total is None else self.plus(node, total, here)
        assert total is not None, "cases have rows"  # noqa: S101
        if np.any(left.v != 0):
            message = "no case holds for some entries"
            raise OutOfRange(node, message, frozenset(free_letters(node, self.setting.lets)))
        return total


def _flat(value: Val, picks: Sequence[Affine | ex.Slice]) -> Val:
    """A tensor of many axes without those on which an index was put; a vector is a column."""
    grid = value.v.ndim - value.rank
    kept = [k for k, pick in enumerate(picks) if not isinstance(pick, Affine)]
    dims = [value.dims[k] for k in kept] + [ONE] * (2 - len(kept))
    cell = [value.cell[k] for k in kept] + [1] * (2 - len(kept))
    t = None if value.t is None else value.t.reshape((*value.t.shape[:grid], *cell, value.t.shape[-1]))
    return replace(value, v=value.v.reshape((*value.v.shape[:grid], *cell)), t=t, dims=tuple(dims))


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": lambda a, b: a == b,
    "≠": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "≤": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "≥": lambda a, b: a >= b,
}

_READERS: Mapping[type[ex.Node], Callable[[Evaluator, Any], Val]] = {
    ex.Number: Evaluator.number,
    ex.Letter: Evaluator.letter,
    ex.Unknown: Evaluator.unknown,
    ex.Quantity: Evaluator.quantity,
    ex.Named: Evaluator.named,
    ex.Sum: Evaluator.sum,
    ex.Product: Evaluator.product,
    ex.Elided: Evaluator.elided,
    ex.Quotient: Evaluator.quotient,
    ex.Power: Evaluator.power,
    ex.Transpose: Evaluator.transpose,
    ex.Cases: Evaluator.cases,
    ex.Call: Evaluator.call,
    ex.Operation: Evaluator.operation,
    ex.Array: Evaluator.explicit,
    ex.BigOperator: Evaluator.big,
    ex.Derivative: Evaluator.derivative,
    ex.Differential: Evaluator.differential,
    ex.Applied: Evaluator.applied,
}
