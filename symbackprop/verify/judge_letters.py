"""Which values the free letters of a claim take in a world, and which nodes its differentials move."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.handwritten import expression as ex
from symbackprop.verify.evaluate import Evaluator, Misread, OutOfRange, Undecidable
from symbackprop.verify.evaluate_big import MOST, looped, occurrences
from symbackprop.verify.evaluate_nodes import free_letters, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from symbackprop.verify.conventions import Conventions, Setting
    from symbackprop.verify.judge_members import Task
    from symbackprop.verify.world import Node, World


def letters_of(members: Sequence[ex.Node], setting: Setting) -> list[str]:
    """Free letters of all members in order of appearance, without declared scalars."""
    found: dict[str, None] = {}
    for member in members:
        found.update(free_letters(member, setting.lets))
    return [name for name in found if name not in setting.scalars]


def assignments(
    world: World, members: Sequence[ex.Node], setting: Setting, conventions: Conventions
) -> Iterator[dict[str, Any]]:
    """Values of the free letters: one number at a time for layers and steps, a grid axis for each element letter."""
    ranges = _Ranges(world, members, setting, conventions)
    letters = letters_of(members, setting)
    single = [k for k in letters if any(looped(m, k, setting.lets) for m in members)]
    spans = [ranges.of(k, {}) for k in single]
    for values in itertools.product(*(range(lo, hi + 1) for lo, hi in spans)):
        env: dict[str, Any] = dict(zip(single, values, strict=True))
        rest = [k for k in letters if k not in env]
        try:
            own = [ranges.of(k, env) for k in rest]
        except (OutOfRange, KeyError):
            continue
        for axis, (letter, (lo, hi)) in enumerate(zip(rest, own, strict=True)):
            shape = [1] * len(rest)
            shape[axis] = hi - lo + 1
            env[letter] = np.arange(lo, hi + 1).reshape(shape)
        points = math.prod(max(hi - lo + 1, 0) for lo, hi in own)
        if points > MOST:
            message = f"{len(rest)} free indices have {points} values"
            raise Undecidable(members[0], message)
        if points:
            yield env


@dataclass(frozen=True, slots=True)
class _Ranges:
    """Ranges of letters: as declared, else what the first member with the letter allows at all its places."""

    world: World
    members: Sequence[ex.Node]
    setting: Setting
    conventions: Conventions

    def of(self, letter: str, env: dict[str, Any]) -> tuple[int, int]:
        """First and last value of a letter, where others have the values in ``env``."""
        evaluator = Evaluator(self.world, self.conventions, self.setting, env)
        declared = self.setting.ranges.get(letter)
        if declared is not None:
            return evaluator.whole(declared[0], self.members[0]), evaluator.whole(declared[1], self.members[0])
        for member in self.members:
            found: tuple[int, int] | None = None
            for quantity, k, form, family in occurrences(member, letter, self.setting.lets):
                alone = ex.Quantity(
                    tensor=quantity.tensor,
                    family=tuple(form if family and m == k else f for m, f in enumerate(quantity.family)),
                    element=tuple(
                        form if not family and m == k else ex.Slice() for m in range(_axes(self.world, quantity))
                    ),
                )
                here = evaluator.axis_range(alone, letter)
                if here is not None:
                    found = here if found is None else (max(found[0], here[0]), min(found[1], here[1]))
            for applied in (n for n in ex.walk(member) if isinstance(n, ex.Applied) and found is None):
                found = evaluator.index_span(applied, letter)
            if found is not None:
                return found
        message = f"the range of {letter} is not known"
        raise Undecidable(self.members[0], message)


def _axes(world: World, quantity: ex.Quantity) -> int:
    return len(world.network.tensors[quantity.tensor].axes)


def unrelated(evaluator: Evaluator, task: Task, loose: set[str]) -> bool:
    """True for ∂h[t]/∂h[k] where k > t, and for the like: nobody means a claim about what does not depend."""
    head = task.members[0]
    if task.conditions:
        return False
    inner = value_of(head, evaluator.setting.lets) if isinstance(head, ex.Named) else head
    if not isinstance(inner, ex.Derivative) or not isinstance(inner.of, ex.Quantity):
        return False
    if not isinstance(inner.by, ex.Quantity):
        return False
    letters = {letter for form in (*inner.of.family, *inner.by.family) for letter in form.variables}
    nodes = [(each.tensor, evaluator.member(each)) for each in (inner.of, inner.by)]
    return bool(letters & loose) and nodes[0] != nodes[1] and not evaluator.world.depends(*nodes)


def independents(evaluator: Evaluator, members: Sequence[ex.Node]) -> frozenset[Node]:
    """Nodes whose differentials occur and that depend on no other such node."""
    found: dict[Node, None] = {}
    for differential in (n for m in members for n in ex.walk(m) if isinstance(n, ex.Differential)):
        try:
            target = evaluator.target(differential.of, differential)
        except Undecidable:
            continue  # a differential of an expression: what moves is named elsewhere
        except OutOfRange:
            raise
        except Misread:
            continue
        if target.seed.by is not None:
            found[target.seed.by] = None
    world = evaluator.world
    return frozenset(n for n in found if not any(m != n and world.depends(n, m) for m in found))
