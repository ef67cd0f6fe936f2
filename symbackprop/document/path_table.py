"""The table of paths in numbers: a row for each path and example, a column for each local derivative.

The heads hold the derivatives in general letters, which are found from the rows: an index that differs from row to row
becomes the letter of its axis, and the first columns say which value it has in each row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Size, const, size, var
from symbackprop.document.blocks import (
    Block,
    Chip,
    Derivative,
    Entry,
    Form,
    Marked,
    Number,
    Paragraph,
    Span,
    Spans,
    Sum,
    Table,
)
from symbackprop.document.graph import Element
from symbackprop.document.path_values import MOST, decimal, listed, number, places_of, valued
from symbackprop.document.paths import Unrolled
from symbackprop.document.pattern import axis_at, forms, indexed, is_simple, letter_of, mapped, normal, skeleton
from symbackprop.document.view import inverse
from symbackprop.index import Ref, Term, product
from symbackprop.oracle import Interpreter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.document.graph import Link
    from symbackprop.document.material import Worked
    from symbackprop.document.path_values import Group, Valued
    from symbackprop.document.view import View

FACTORS = 7
"""Columns of factors; of longer paths the last ones are multiplied in one column."""
FORMS = 3
"""Tables, each for paths through the same arrays."""
LEAD = "Backward, path by path."


def path_table(view: View, worked: Worked) -> list[Block]:
    """The factors on every path to the entry that is followed, their products and the sum."""
    if worked.entry is None or "scalar" not in view.levels:
        return []
    element = Element(worked.entry.tensor, tuple(form.const for form in worked.entry.index))
    graph = Unrolled(view.network, worked.sizes, slopes=view.derivation.choices.slopes)
    found = listed(graph, element)
    if found is None:
        words = f"More than {MOST} paths lead from the loss to "
        return [Paragraph((words, Entry(element.ref), ", too many for a table of numbers."), lead=LEAD)]
    interpreter = Interpreter(view.network, worked.values)
    groups = valued(found, interpreter, view.derivation.scale)
    shown = [group for group in groups if group.rows]
    opening = Paragraph(_opening(view, worked.entry, groups, len(found.paths)), lead=LEAD)
    tables = [_table(view, worked, group) for group in shown[:FORMS]]
    return [opening, *tables, Paragraph(_result(view, worked, worked.entry, shown, interpreter))]


def _opening(view: View, entry: Ref, groups: Sequence[Group], count: int) -> Spans:
    """How many paths there are, and which of them are shown."""
    spans: list[Span] = []
    if view.followed is not None and view.followed.element.ref != entry:
        before = Entry(view.followed.element.ref)
        spans += ["In arrays this small there is no ", before, "; ", Entry(entry), " takes its place. "]
    spans += ["One path leads" if count == 1 else f"{count} paths lead", " from the loss to ", Entry(entry)]
    if any(row.example is not None for group in groups for row in group.rows):
        spans.append(", through all examples")
    spans.append(". Every factor is evaluated at these data")
    if view.derivation.scale is not None:
        spans += ["; the constant ", Sum((view.derivation.scale,)), " is left for the end"]
    zeros = sum(group.zeros for group in groups)
    if zeros:
        spans.append(f". {zeros} of the paths have a factor that is 0 and are left out")
    return (*spans, ".")


def _table(view: View, worked: Worked, group: Group) -> Table:
    """One row for each path, those that are not shown in one, and the sum."""
    columns = _columns(group)
    letters, places = _Letters(view, worked, group.rows), worked.places
    heads = [letters.head(column) for column in columns]
    kinds = [group.rows[0].path.links[column[0]].kind for column in columns]
    rows: list[tuple[Spans, ...]] = []
    values = [[math.prod(row.factors[k] for k in column) for row in group.rows] for column in columns]
    decimals = [places_of(each, places) for each in values]
    for n, row in enumerate(group.rows):
        cells = zip(values, decimals, kinds, strict=True)
        factors = [(Marked(Number(decimal(each[n], many)), kind),) for each, many, kind in cells]
        rows.append((*letters.values(n), *factors, (Number(decimal(row.product, places)),)))
    blank: tuple[Spans, ...] = ((),) * (len(letters.keys) + len(columns) - 1)
    if group.others:
        rows.append((*blank, (f"{group.others} more paths",), (Number(decimal(group.rest, places)),)))
    if len(rows) > 1:
        rows.append((*blank, ("sum",), (Number(decimal(group.total, places)),)))
    names: tuple[str | Spans, ...] = (*letters.names(), *heads, "product")
    return Table(names, tuple(rows), _caption(group, places), "l" * len(letters.keys) + "r" * (len(columns) + 1))


def _columns(group: Group) -> list[tuple[int, ...]]:
    """Links by columns: none for factors that are 1 on every path, one for all that do not fit."""
    links = range(len(group.rows[0].factors))
    kept = [k for k in links if any(row.factors[k] != 1 for row in group.rows)] or [0]
    if len(kept) <= FACTORS:
        return [(k,) for k in kept]
    return [*((k,) for k in kept[: FACTORS - 1]), tuple(kept[FACTORS - 1 :])]


def _caption(group: Group, places: int) -> Spans:
    """What stands in the table; whether a reader finds the sum by adding up what is printed."""
    text = "Factors and products on the paths."
    if group.adds_up(places):
        return (text,)
    return (f"{text} Sums are rounded at the end, so the rounded rows may differ from them in the last digit.",)


def _result(view: View, worked: Worked, entry: Ref, groups: Sequence[Group], interpreter: Interpreter) -> Spans:
    """The sum over all paths, times the constant."""
    total = sum(group.total for group in groups)
    scale = view.derivation.scale
    value = total * (1.0 if scale is None else number((scale,), interpreter))
    left = Derivative(Ref(view.network.loss), entry, flat=True)
    words: Spans = ("The sum",)
    if len(groups) > 1:
        words = ("Together the sums are ", Number(decimal(total, worked.places)), ". This")
    constant: Spans = (" times ", Sum((scale,))) if scale is not None else ()
    return (*words, *constant, " is the derivative ", left, ", ", Number(decimal(value, worked.places)), ".")


# ---------------------------------------------------------------------------------------------------------------------
# Heads


@dataclass(frozen=True, slots=True)
class _Key:
    """An index that differs from row to row; those of families are not counted from the base."""

    letter: str
    values: tuple[int, ...]
    axis: Affine | None
    """None for an index of a family."""


class _Letters:
    """General letters for the indices that differ between the rows of a table."""

    def __init__(self, view: View, worked: Worked, rows: Sequence[Valued]) -> None:
        self.view, self.rows, self.lookup = view, rows, worked.values.size
        self.keys: list[_Key] = []
        self.taken: set[str] = set()

    def names(self) -> list[Spans]:
        """The heads of the columns of indices."""
        return [(Form(var(key.letter)),) for key in self.keys]

    def values(self, row: int) -> list[Spans]:
        """The values of the indices in a row."""
        base = self.view.preset.indices.base
        return [(str(key.values[row] + (0 if key.axis is None else base)),) for key in self.keys]

    def head(self, column: Sequence[int]) -> Spans:
        """The letter of the kind, and the derivative in general letters: its value where one formula says it."""
        links = [row.path.links[column[0]] for row in self.rows]
        if len(column) > 1:
            return (f"{len(column)} more",)
        general = self.terms([self.scaled(link, first=column[0] == 0) for link in links])
        if general is not None:
            return (Chip(links[0].kind), Sum(general))
        above, below = (self.element([link.above.ref for link in links]), self.element([k.below.ref for k in links]))
        return (Chip(links[0].kind), Derivative(above, below))

    def scaled(self, link: Link, *, first: bool) -> tuple[Term, ...]:
        """The terms of a link; of the first of a path without the constant that is left for the end."""
        scale = self.view.derivation.scale
        if scale is None or not first:
            return link.terms
        less = inverse(scale)
        return tuple(product(t.coefficient * less.coefficient, (*less.factors, *t.factors)) for t in link.terms)

    def terms(self, rows: Sequence[tuple[Term, ...]]) -> tuple[Term, ...] | None:
        """The terms of all rows in letters; None where they differ in more than indices."""
        if len({len(terms) for terms in rows}) > 1:
            return None
        found = [self.term(terms) for terms in zip(*rows, strict=True)]
        return None if not all(found) else tuple(term for term in found if term is not None)

    def term(self, terms: Sequence[Term]) -> Term | None:
        """A term of all rows in letters."""
        if not all(map(is_simple, terms)) or len({str(skeleton(term)) for term in terms}) > 1:
            return None
        columns = zip(*map(forms, terms), strict=True)
        images = [
            self.form(leaf, position, column) if isinstance(leaf, Ref) else column[0]
            for (leaf, position), column in zip(indexed(terms[0]), columns, strict=True)
        ]
        return normal(mapped(terms[0], lambda k, _: images[k]))

    def element(self, refs: Sequence[Ref]) -> Ref:
        """An element of all rows in letters."""
        columns = zip(*(ref.index for ref in refs), strict=True)
        return Ref(refs[0].tensor, tuple(self.form(refs[0], k, column) for k, column in enumerate(columns)))

    def axis(self, ref: Ref, position: int) -> Affine | None:
        """The axis through which an index runs, with layers as numbers (``n[2]`` for ``n[L]``); None for a family."""
        axis = axis_at(self.view.network, ref, position)
        if axis is None:
            return None
        found = const(axis.const)
        for atom, times in axis.terms:
            at = tuple(const(form.evaluate({}, self.lookup)) for form in atom.at) if isinstance(atom, Size) else ()
            found += times * (size(atom.name, *at) if isinstance(atom, Size) else var(atom.name))
        return found

    def form(self, ref: Ref, position: int, column: Sequence[Affine]) -> Affine:
        """One index of all rows: a number, or the letter of an axis with what is added to it."""
        if len(set(column)) == 1:
            return column[0]
        values = tuple(form.const for form in column)
        axis = self.axis(ref, position)
        for key in (key for key in self.keys if key.axis == axis):
            shifts = {a - b for a, b in zip(values, key.values, strict=True)}
            if len(shifts) == 1:
                return var(key.letter) + shifts.pop()
        letter = letter_of(self.view.network, (ref.tensor, position), self.taken)
        self.keys.append(_Key(letter, values, axis))
        return var(letter)
