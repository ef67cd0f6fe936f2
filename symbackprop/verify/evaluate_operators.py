"""Operators of the author's: their formula evaluated with its names standing for the arguments.

A formula that gives an entry gives the whole array too: its indices run from the first on as far as every term of the
formula exists, or, where that leaves nothing, as far as some term does (a full convolution). A sum without limits in
such a formula leaves out the terms whose entries do not exist.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.affine import Affine, var
from symbackprop.handwritten import expression as ex
from symbackprop.verify.evaluate_values import ONE, Misread, ShapeMisfit, Undecidable, Val

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from symbackprop.handwritten.author_operators import AuthorOperator
    from symbackprop.verify.conventions import Conventions, Setting
    from symbackprop.verify.world import World

    Array = np.ndarray[Any, Any]

MOST_ENTRIES = 100_000
"""Entries of an array that an operator gives."""


class Operators:
    """The part of the evaluator that applies operators of the author's."""

    world: World
    conventions: Conventions
    setting: Setting
    env: dict[str, Any]
    depth: int
    bound: Mapping[str, Val]

    if TYPE_CHECKING:

        def evaluate(self, node: ex.Node) -> Val: ...
        def given(self, **changes: Any) -> AbstractContextManager[None]: ...
        def form(self, form: Affine, node: ex.Node) -> Any: ...
        def axis_range(self, node: ex.Node, letter: str) -> tuple[int, int] | None: ...

    def applied(self, node: ex.Applied) -> Val:
        """An operator on its arguments: an entry, or the whole array.

        Raises: Misread for another number of arguments or of indices.
        """
        operator = self._operator(node)
        arguments = [self.evaluate(a) for a in node.arguments]
        if len(node.index) not in {0, len(operator.letters)}:
            message = f"{node.operator} has {len(operator.letters)} indices, not {len(node.index)}"
            raise ShapeMisfit(node, message)
        values = {letter: self.form(form, node) for letter, form in zip(operator.letters, node.index, strict=False)}
        with self.given(env=values, bound=dict(zip(operator.parameters, arguments, strict=True))):
            if operator.letters and not node.index:
                return self._whole(node, operator)
            return self.evaluate(operator.body)

    def index_span(self, node: ex.Applied, letter: str) -> tuple[int, int] | None:
        """The range of a letter that is an index of what an operator gives; None where it is none."""
        operator = self._operator(node)
        own = [mine for mine, form in zip(operator.letters, node.index, strict=False) if form == var(letter)]
        if not own:
            return None
        arguments = [self.evaluate(a) for a in node.arguments]
        with self.given(env={}, bound=dict(zip(operator.parameters, arguments, strict=True))):
            return self._span(node, operator, own[0])

    def _operator(self, node: ex.Applied) -> AuthorOperator:
        operator = next((each for each in self.setting.operators if each.name == node.operator), None)
        if operator is None or len(node.arguments) != len(operator.parameters):
            message = f"nothing declares an operator like {node.operator} of {len(node.arguments)} arguments"
            raise Misread(node, message)
        return operator

    def _whole(self, node: ex.Applied, operator: AuthorOperator) -> Val:
        """The array of all entries: the letters run along new axes of the grid, which then are those of the cell."""
        spans = [self._span(node, operator, letter) for letter in operator.letters]
        lengths = tuple(hi - lo + 1 for lo, hi in spans)
        if int(np.prod(lengths)) > MOST_ENTRIES:
            message = f"an array of {' × '.join(map(str, lengths))} entries"
            raise Undecidable(node, message)
        env = {}
        for k, (letter, (lo, hi)) in enumerate(zip(operator.letters, spans, strict=True)):
            env[letter] = np.arange(lo, hi + 1).reshape((-1,) + (1,) * (self.depth + k))
        with self.given(env=env, depth=self.depth + len(lengths)):
            body = self.evaluate(operator.body)
        if not body.is_scalar:
            message = f"an entry that is {body.shape}"
            raise ShapeMisfit(node, message)
        v = self._as_cell(body.v, body.rank, lengths)
        t = None if body.t is None else np.moveaxis(self._as_cell(np.moveaxis(body.t, -1, 0), 2, lengths, 1), 0, -1)
        dims = tuple(Affine(n) for n in lengths)
        if len(lengths) > 1:
            return Val(v=v, t=t, dims=dims)
        row = self.conventions.vectors == "rows"
        at = -2 if row else -1
        return Val(
            v=np.expand_dims(v, at),
            t=None if t is None else np.expand_dims(t, at - 1),
            dims=(ONE, *dims) if row else (*dims, ONE),
        )

    def _as_cell(self, v: Array, rank: int, lengths: tuple[int, ...], ahead: int = 0) -> Array:
        """The leftmost axes of the grid (behind ``ahead`` others) as the axes of a cell, in the letters' order."""
        v = v.reshape(v.shape[: v.ndim - rank])
        count, inner = len(lengths), self.depth
        grown = v.reshape((*v.shape[:ahead], *(1,) * (ahead + count + inner - v.ndim), *v.shape[ahead:]))
        wide = np.broadcast_to(grown, (*grown.shape[:ahead], *lengths[::-1], *grown.shape[ahead + count :]))
        return np.moveaxis(wide, range(ahead + count - 1, ahead - 1, -1), range(wide.ndim - count, wide.ndim))

    def _span(self, node: ex.Applied, operator: AuthorOperator, letter: str) -> tuple[int, int]:
        """First and last value of an index of the result."""
        base = self.setting.base
        every, some = [], []
        for form, length in self.entries(operator.body, letter):
            step = form.linear[letter]
            rest = form - var(letter) * step
            if rest.variables & set(operator.letters):
                continue
            low, high = self._extremes(node, operator, rest)
            ends = (base, base + length - 1)
            every.append(_solved(step, ends[0] - low, ends[1] - high))
            some.append(_solved(step, ends[0] - high, ends[1] - low))
        for options in (every, some):
            if options:
                lo, hi = max(a for a, _ in options), min(b for _, b in options)
                if lo <= base <= hi:
                    return base, hi
        message = f"the range of the index {letter} of {node.operator} is not known"
        raise Undecidable(node, message)

    def _extremes(self, node: ex.Applied, operator: AuthorOperator, rest: Affine) -> tuple[int, int]:
        """Least and largest value of a form over the letters that sums bind."""
        low = high = rest
        for letter in rest.variables:
            span = self._of_sum(operator.body, letter)
            if span is None:
                message = f"the range of the index {letter} in the formula of {node.operator} is not known"
                raise Undecidable(node, message)
            first, last = span if rest.linear[letter] > 0 else span[::-1]
            low, high = low.substitute({letter: Affine(first)}), high.substitute({letter: Affine(last)})
        return int(low.evaluate({}, self.world.size)), int(high.evaluate({}, self.world.size))

    def _of_sum(self, body: ex.Node, letter: str) -> tuple[int, int] | None:
        for each in ex.walk(body):
            if isinstance(each, ex.BigOperator) and each.letter == letter:
                found = self.axis_range(each.body, letter)
                ends = [
                    int(limit.evaluate({}, self.world.size)) if limit is not None and not limit.variables else None
                    for limit in (each.lo, each.hi)
                ]
                lo = ends[0] if ends[0] is not None else found[0] if found else None
                hi = ends[1] if ends[1] is not None else found[1] if found else None
                return None if lo is None or hi is None else (lo, hi)
        return None

    def entries(self, node: ex.Node, letter: str) -> Iterator[tuple[Affine, int]]:
        """Where a letter stands on an argument of the operator whose formula this is: the form, the axis's length."""
        for each in ex.walk(node):
            value = self.bound.get(each.name) if isinstance(each, ex.Named) else None
            if value is None or not isinstance(each, ex.Named):
                continue
            cell = (max(value.cell),) if len(each.element) == 1 and value.rank == 2 else value.cell  # noqa: PLR2004
            for form, length in zip(each.element, cell, strict=False):
                if isinstance(form, Affine) and letter in form.linear:
                    yield form, length

    def of_argument(self, node: ex.Named) -> Val | None:
        """The argument that a name stands for in an operator's formula; None for any other name."""
        value = self.bound.get(node.name)
        return None if value is None else replace(value, bias=False)


def _solved(step: int, low: int, high: int) -> tuple[int, int]:
    """The whole numbers n with low ≤ step n ≤ high."""
    if step < 0:
        step, low, high = -step, -high, -low
    return -(-low // step), high // step
