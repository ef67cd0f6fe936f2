"""Sums and products over an index: over a range, over an axis, or over what would otherwise be free."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.affine import Affine, Size, var
from symbackprop.handwritten import expression as ex
from symbackprop.verify.evaluate_nodes import free_letters, is_guard, value_of
from symbackprop.verify.evaluate_values import (
    OutOfRange,
    Undecidable,
    Val,
    along_grid,
    entrywise,
    inverted,
    number,
    powered,
    total,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from symbackprop.network import Network
    from symbackprop.verify.conventions import Conventions, Let, Setting
    from symbackprop.verify.evaluate_derivatives import Seed
    from symbackprop.verify.evaluate_products import Products
    from symbackprop.verify.world import World
    from symbackprop.verify.world_field import Field


MOST, MOST_ROUNDS = 200_000, 200
"""Points of a grid, and rounds of a sum over layers, that are evaluated."""


def occurrences(
    node: ex.Node, letter: str, lets: Mapping[str, Let], depth: int = 0
) -> Iterator[tuple[ex.Quantity, int, Affine, bool]]:
    """Where a letter indexes a tensor: the quantity, the position, the form, and whether it is a family index."""
    if isinstance(node, ex.BigOperator) and node.letter == letter:
        return
    if isinstance(node, ex.Quantity):
        for k, form in enumerate(node.family):
            if letter in form.linear:
                yield node, k, form, True
        for k, pick in enumerate(node.element):
            if isinstance(pick, Affine) and letter in pick.linear:
                yield node, k, pick, False
    if isinstance(node, ex.Named) and depth < 8:  # noqa: PLR2004 - names of names of names
        inner = value_of(node, lets)
        if inner is not None:
            yield from occurrences(inner, letter, lets, depth + 1)
            yield from _of_elements(node, inner, letter)
    for child in ex.children(node):
        yield from occurrences(child, letter, lets, depth)


def _of_elements(node: ex.Named, inner: ex.Node, letter: str) -> Iterator[tuple[ex.Quantity, int, Affine, bool]]:
    """Element indices on a name whose value is a whole tensor, or a derivative by one."""
    while isinstance(inner, ex.Transpose | ex.Derivative | ex.Product):
        if isinstance(inner, ex.Derivative):
            inner = inner.by
        elif isinstance(inner, ex.Transpose):
            return
        else:
            inner = inner.factors[-1]
    if isinstance(inner, ex.Quantity) and not inner.element:
        for k, pick in enumerate(node.element):
            if isinstance(pick, Affine) and letter in pick.linear:
                yield inner, k, pick, False


def in_sizes(node: ex.Node, letter: str) -> bool:
    """True where a letter stands inside a size, as in n[l]."""
    for inner in ex.walk(node):
        forms = [inner.form] if isinstance(inner, ex.Letter) else []
        if isinstance(inner, ex.Quantity | ex.Named):
            forms += [f for f in inner.element if isinstance(f, Affine)]
        if isinstance(inner, ex.BigOperator):
            forms += [f for f in (inner.lo, inner.hi) if f is not None]
        for form in forms:
            if any(isinstance(a, Size) and any(letter in x.variables for x in a.at) for a, _ in form.terms):
                return True
    return False


def looped(node: ex.Node, letter: str, lets: Mapping[str, Let], depth: int = 0) -> bool:
    """True for a letter that chooses a layer, a step or a function, and so must be one number at a time."""
    if any(family for _, _, _, family in occurrences(node, letter, lets)) or in_sizes(node, letter):
        return True
    for inner in ex.walk(node):
        if isinstance(inner, ex.Call) and any(letter in f.variables for f in inner.family):
            return True
        if isinstance(inner, ex.BigOperator) and inner.letter not in {None, letter}:
            ends = (inner.lo, inner.hi)
            if any(f is not None and letter in f.variables for f in ends) and looped(
                inner.body, str(inner.letter), lets
            ):
                return True
        if isinstance(inner, ex.Slice) and any(f is not None and letter in f.variables for f in (inner.lo, inner.hi)):
            return True
        if isinstance(inner, ex.Named) and inner.name in lets:
            value = value_of(inner, lets)
            if value is not None and depth < 8 and looped(value, letter, lets, depth + 1):  # noqa: PLR2004 - as above
                return True
    return False


class BigOperators:
    """The part of the evaluator that sums."""

    world: World
    network: Network
    field: Field
    conventions: Conventions
    setting: Setting
    env: dict[str, Any]
    depth: int
    mask: Any
    seed: Seed | None
    products: Products
    bound: Mapping[str, Val]
    missing: list[Any] | None

    if TYPE_CHECKING:

        def evaluate(self, node: ex.Node) -> Val: ...
        def given(self, **changes: Any) -> AbstractContextManager[None]: ...
        def form(self, form: Affine, node: ex.Node) -> Any: ...
        def truth(self, condition: ex.Condition) -> Any: ...
        def plus(self, node: ex.Node, a: Val, b: Val) -> Val: ...
        def entries(self, node: ex.Node, letter: str) -> Iterator[tuple[Affine, int]]: ...

    def big(self, node: ex.BigOperator) -> Val:
        """Σ, Π, a mean or a maximum."""
        if node.letter is None:
            letters = [k for k in free_letters(node.body, self.setting.lets) if k not in self.env]
            letters = [k for k in letters if k not in self.setting.scalars]
            if not letters:
                return self._of_entries(node, self.evaluate(node.body))
            inner = node.body
            for letter in reversed(letters):
                inner = ex.BigOperator(
                    kind=node.kind, letter=letter, lo=None, hi=None, body=inner, excluded=node.excluded
                )
            return self.evaluate(inner)
        if self._switched_off(node):
            return number(self.field, 0)
        limits = self._limits(node)
        if limits is None:
            return self._of_entries(node, self.evaluate(node.body))
        lo, hi = limits
        scalar = np.ndim(lo) == 0 and np.ndim(hi) == 0
        if scalar and (looped(node.body, node.letter, self.setting.lets) or node.letter in self.env):
            value = self._one_by_one(node, int(lo), int(hi))
        else:
            value = self._on_grid(node, lo, hi)
        if node.kind == "mean":
            count = Val(v=self.field.array(np.asarray(hi - lo + 1)).reshape((*np.shape(hi - lo), 1, 1)))
            value = entrywise(self.field, value, inverted(self.field, count))
        return value

    def _switched_off(self, node: ex.BigOperator) -> bool:
        """True for a sum of terms that an indicator outside its index makes zero: its limits need not make sense."""
        body = node.body
        while isinstance(body, ex.BigOperator):
            body = body.body
        guards = [f for f in body.factors if is_guard(f)] if isinstance(body, ex.Product) else []
        known = [g for g in guards if set(free_letters(g, self.setting.lets)) <= set(self.env)]
        return node.kind == "sum" and any(not np.any((self.evaluate(g).v != 0) & _lifted(self.mask)) for g in known)

    def _of_entries(self, node: ex.BigOperator, body: Val) -> Val:
        """A sum without an index that runs: over the entries of what stands there."""
        if node.kind not in {"sum", "mean"} or body.is_scalar:
            message = "a sum over an index that does not occur in it"
            raise Undecidable(node, message)
        value = total(self.field, body)
        if node.kind == "mean":
            count = body.cell[0] * body.cell[1]
            value = entrywise(self.field, value, powered(self.field, number(self.field, count), _MINUS_ONE))
        return value

    def _limits(self, node: ex.BigOperator) -> tuple[Any, Any] | None:
        """First and last value; None where nothing says them and the letter indexes nothing."""
        letter = node.letter
        assert letter is not None, "checked by the caller"  # noqa: S101
        given = [None if f is None else self.form(f, node) for f in (node.lo, node.hi)]
        lo, hi = given
        if lo is not None and hi is not None:
            return lo, hi
        declared = self.setting.ranges.get(letter)
        if declared is not None:
            found: tuple[Any, Any] | None = (self.form(declared[0], node), self.form(declared[1], node))
        else:
            found = self.axis_range(node.body, letter)
        if found is None:
            if (
                lo is None
                and hi is None
                and not any(letter in f for f in (free_letters(node.body, self.setting.lets),))
            ):
                return None
            message = f"the range of {letter} is not known"
            raise Undecidable(node, message)
        return (found[0] if lo is None else lo), (found[1] if hi is None else hi)

    def axis_range(self, node: ex.Node, letter: str) -> tuple[int, int] | None:
        """The range that an axis or a family gives a letter: the first place decides, one without an offset if any.

        Layers and steps run where all of those make sense.
        """
        first: tuple[int, int] | None = None
        steps: list[tuple[int, int]] = []
        for form, ends, family in self._places(node, letter):
            c = form.linear[letter]
            bare = form == var(letter)
            if abs(c) != 1 or (first is not None and not bare):
                continue
            rest = form - var(letter) * c
            try:
                offset = int(rest.evaluate({**self._numbers(), letter: 0}, self.world.size))
                lo, hi = ends()
            except (KeyError, TypeError, ValueError):
                continue
            low, high = sorted(((lo - offset) * c, (hi - offset) * c))
            if bare and not family:
                return low, high
            first = first or (low, high)
            steps += [(low, high)] if bare else []
        return (max(low for low, _ in steps), min(high for _, high in steps)) if steps else first

    def _places(self, node: ex.Node, letter: str) -> Iterator[tuple[Affine, Callable[[], tuple[int, int]], bool]]:
        """Where a letter stands: the form, what gives its first and last value there, whether it is a layer or step."""
        base = self.setting.base
        for form, length in self.entries(node, letter):
            yield form, partial(_pair, base, base + length - 1), False
        for quantity, k, form, family in occurrences(node, letter, self.setting.lets):
            yield form, partial(self._axis, quantity, k, family), family

    def _numbers(self) -> dict[str, int]:
        return {k: int(v) for k, v in self.env.items() if np.ndim(v) == 0}

    def _axis(self, quantity: ex.Quantity, k: int, family: bool) -> tuple[int, int]:  # noqa: FBT001
        tensor = self.network.tensors[quantity.tensor]
        env: dict[str, int] = {}
        for bound, form in zip(tensor.family, quantity.family, strict=True):
            if family and bound is tensor.family[k]:
                lo, hi = (f.evaluate(env, self.world.size) for f in (bound.lo, bound.hi))
                return int(lo), int(hi)
            env[bound.var] = int(form.evaluate(self._numbers(), self.world.size))
        length = int(tensor.axes[k].evaluate(env, self.world.size))
        return self.setting.base, self.setting.base + length - 1

    # -- the two ways --------------------------------------------------------------------------------------------------

    def _one_by_one(self, node: ex.BigOperator, lo: int, hi: int) -> Val:
        letter = node.letter
        assert letter is not None, "checked by the caller"  # noqa: S101
        values = []
        if hi - lo > MOST_ROUNDS:
            message = f"a sum over {hi - lo + 1} layers or steps"
            raise Undecidable(node, message)
        if node.kind == "product" and hi < lo - 1:
            limits = (f.variables for f in (node.lo, node.hi) if f is not None)
            message = f"a product from {node.lo} to {node.hi} that runs backwards"
            raise OutOfRange(node, message, frozenset().union(*limits))
        for k in range(lo, hi + 1):
            with self.given(env={**self.env, letter: k}):
                if all(bool(np.all(self.truth(c))) for c in node.excluded):
                    values.append(self.evaluate(node.body))
        if not values:
            if node.kind == "product":
                return replace(number(self.field, 1), neutral="empty")
            return number(self.field, 0)
        if node.kind == "product":
            return self._ordered(node, values)
        if node.kind == "max":
            message = "a maximum over layers or steps"
            raise Undecidable(node, message)
        result = values[0]
        for value in values[1:]:
            result = self.plus(node, result, value)
        return result

    def _ordered(self, node: ex.BigOperator, values: list[Val]) -> Val:
        """A product of matrices, the later factor further left or right as the reading says."""
        result, *rest = values[::-1] if self.conventions.later_first else values
        for value in rest:
            result = self.products.pair(node, result, value, "juxtaposition")
        return result

    def _on_grid(self, node: ex.BigOperator, lo: Any, hi: Any) -> Val:
        """All values at once, along a new axis of the grid to the left of the others."""
        letter = node.letter
        assert letter is not None, "checked by the caller"  # noqa: S101
        first, last = int(np.min(lo)), int(np.max(hi))
        length = last - first + 1
        if max(length, 1) * max(np.size(v) for v in (1, self.mask, *self.env.values())) > MOST:
            message = f"a sum over {length} values"
            raise Undecidable(node, message)
        if length <= 0:
            return replace(number(self.field, 1), neutral="empty") if node.kind == "product" else number(self.field, 0)
        axis = np.arange(first, last + 1).reshape((length,) + (1,) * self.depth)
        active = self.mask & (axis >= lo) & (axis <= hi)
        with self.given(env={**self.env, letter: axis}, depth=self.depth + 1, mask=active):
            holds: Any = np.asarray((axis >= lo) & (axis <= hi))
            for condition in node.excluded:
                holds = holds & self.truth(condition)
            loose = bool(self.bound) and node.lo is None and node.hi is None
            missing: list[Any] | None = [] if loose else self.missing
            with self.given(mask=active & holds, missing=missing):
                body = self.evaluate(node.body)
            for outside in missing if loose and missing is not None else ():
                holds = holds & ~outside
        if node.kind == "product" and not body.is_scalar:
            message = "a product of matrices from or to an element index"
            raise Undecidable(node, message)
        body = self._outside(node, body, holds)
        return along_grid(self.field, body, length, self.depth + 1, "sum" if node.kind == "mean" else node.kind)

    def _outside(self, node: ex.BigOperator, body: Val, holds: Any) -> Val:
        """Values outside the range replaced by what changes nothing."""
        if np.all(holds):
            return body
        if node.kind == "max":
            message = "a maximum over a range that depends on an index"
            raise Undecidable(node, message)
        keep = np.asarray(holds).reshape((*np.shape(holds), 1, 1))
        nothing = self.field.array(0 if node.kind in {"sum", "mean"} else 1)
        v = np.where(keep, body.v, nothing)
        t = None if body.t is None else np.where(keep[..., None], body.t, self.field.array(0))
        return replace(body, v=v, t=t)


def _pair(lo: int, hi: int) -> tuple[int, int]:
    return lo, hi


def _lifted(mask: Any) -> Any:
    """A mask over the grid, for values with a cell of one entry."""
    array = np.asarray(mask)
    return array.reshape((*array.shape, 1, 1))


_MINUS_ONE = Fraction(-1)
