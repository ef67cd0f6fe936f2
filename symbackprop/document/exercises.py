"""Exercises with full solutions, computed from the derivation, and detachable: solutions begin a page of their own.

Each kind is a row of ``KINDS``: a function that makes an exercise from what the handout shows, or nothing where the
network does not support it. They are asked in the order of the table, which is that of difficulty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from symbackprop.document import (
    exercises_changes,
    exercises_code,
    exercises_matrices,
    exercises_numbers,
    exercises_paths,
)
from symbackprop.document.blocks import Exercise, Heading, NewPage, Paragraph, Solution
from symbackprop.document.exercise import Setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from symbackprop.document.blocks import Block
    from symbackprop.document.exercise import Posed
    from symbackprop.document.material import Material
    from symbackprop.document.view import View

MOST = 8
"""Exercises of one handout."""


class Kind(NamedTuple):
    """A kind of exercise; of too many, those of the highest ``rank`` are left out."""

    make: Callable[[Setting], Posed | None]
    rank: int


KINDS = (
    Kind(exercises_paths.warm_up, 0),
    Kind(exercises_paths.count, 0),
    Kind(exercises_numbers.by_hand, 0),
    Kind(exercises_matrices.shapes, 2),
    Kind(exercises_changes.bias, 1),
    Kind(exercises_changes.factor, 2),
    Kind(exercises_changes.penalty, 3),
    Kind(exercises_changes.activation, 0),
    Kind(exercises_changes.softmax, 1),
    Kind(exercises_matrices.convention, 1),
    Kind(exercises_code.bugs, 0),
)


def section(view: View, material: Material) -> list[Block]:
    """Exercises, and their solutions on a new page where they are wanted; nothing for a reference sheet."""
    if not view.options.exercises or view.options.audience != "full":
        return []
    posed = chosen(Setting(view, material))
    if not posed:
        return []
    total = sum(each.points for each in posed)
    blocks: list[Block] = [Heading(1, ("Exercises",)), Paragraph((f"{len(posed)} exercises, {total} points.",))]
    blocks += [Exercise(each.title, each.question, each.points, each.hint) for each in posed]
    if view.options.solutions:
        blocks += [NewPage(), Heading(1, ("Solutions",))]
        blocks += [Solution(number, each.answer) for number, each in enumerate(posed, 1)]
    return blocks


def chosen(setting: Setting) -> list[Posed]:
    """The exercises that a network supports, at most so many, in order of difficulty."""
    made: dict[Kind, Posed] = {}
    for kind in sorted(KINDS, key=lambda kind: kind.rank):
        posed = kind.make(setting) if len(made) < MOST else None
        if posed is not None:
            made[kind] = posed
    return [made[kind] for kind in KINDS if kind in made]
