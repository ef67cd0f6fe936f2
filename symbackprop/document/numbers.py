"""The same in numbers: data small enough for a pocket calculator, and every array, path and gradient at these data.

The numbers are those that the printed code computes (``material.Worked``); what is said about them (which entry stands
again where, what the rows add up to) is computed here from the same numbers. The section follows the handout: data,
forward pass, the paths to one entry with every factor, error signals and gradients, difference quotients.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.affine import const, var
from symbackprop.affine import size as size_form
from symbackprop.document.blocks import (
    Block,
    Derivative,
    Directive,
    Display,
    Dots,
    Equal,
    Expression,
    Form,
    Formula,
    Function,
    Grid,
    Heading,
    Number,
    Paragraph,
    Row,
    See,
    Several,
    Span,
    Spans,
    Table,
    Whole,
)
from symbackprop.document.path_table import path_table
from symbackprop.document.path_values import decimal, places_of
from symbackprop.index import Ref, adjoint_name, primal_name
from symbackprop.network import Loop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from symbackprop.document.material import Material, Quotient, Worked
    from symbackprop.document.view import View
    from symbackprop.index import Equation

    Array = np.ndarray[Any, Any]

SIDE = 6
"""Rows and columns of a matrix that are printed."""
ARRAYS = 12
"""Arrays that are printed of each pass."""
DIGITS = 8
"""Decimals in the table of difference quotients."""
COUNT = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
IGNORED = Directive(("ignore: numbers of an example",))


def section(view: View, material: Material) -> list[Block]:
    """The example, a sentence where none was found, nothing where none was asked for."""
    worked = material.worked
    if worked is None:
        missing = Paragraph((material.unworked,))
        return [Heading(1, ("The same in numbers",)), missing] if material.unworked else []
    return [
        Heading(1, ("The same in numbers",)),
        *_data(view, worked),
        *_forward(view, worked),
        *path_table(view, worked),
        *_backward(view, worked),
        *_quotients(view, worked),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Data


def _data(view: View, worked: Worked) -> list[Block]:
    """Sizes, what stands for opaque functions, inputs and parameters."""
    sizes = [Equal((Form(form), Form(const(value)))) for form, value in _sizes(view, worked)]
    words: list[Span] = ["Data that are small enough to follow with a pocket calculator"]
    for k, each in enumerate(sizes):
        words += [": " if not k else " and " if k == len(sizes) - 1 else ", ", each]
    words.append(
        f". All numbers are computed in double precision by the code of this handout and rounded to "
        f"{COUNT[worked.places]} decimals."
    )
    blocks: list[Block] = [Paragraph((*words, *_stand_ins(view, worked)))]
    return [*blocks, *_matrices(view, worked, (*view.network.inputs, *view.network.parameters))]


def _sizes(view: View, worked: Worked) -> Iterator[tuple[Any, int]]:
    """Depths and the number of examples; all other sizes can be seen."""
    for name, value in worked.sizes.items():
        if name == view.network.batch or name in view.network.depths:
            yield size_form(name), int(value)


def _stand_ins(view: View, worked: Worked) -> Spans:
    """What opaque functions are taken to be."""
    spans: list[Span] = []
    for name, words in worked.functions.items():
        entry = view.network.functions[name]
        at = tuple(var(b.hint or b.var) for t in view.network.tensors.values() for b in t.family)[: entry.family]
        what = f"the function {words}" if entry.kind == "opaque" else words
        spans += [", and " if spans else " The handout leaves functions open; here ", Function(name, at), f" is {what}"]
    return (*spans, ".") if spans else ()


# ---------------------------------------------------------------------------------------------------------------------
# Matrices


def _matrices(view: View, worked: Worked, names: Sequence[str]) -> list[Block]:
    """Arrays with their numbers."""
    return _shortened([_formula(view, worked, name, at) for name in names for at in members_of(worked, name)])


def members_of(worked: Worked, name: str) -> list[tuple[int, ...]]:
    """The members of a family; () for an array."""
    held = worked.arrays[name]
    return sorted(held) if isinstance(held, Mapping) else [()]


def _formula(view: View, worked: Worked, name: str, at: tuple[int, ...], how: Formula | None = None) -> Formula:
    """``name = how = numbers``."""
    held = worked.arrays[name]
    whole = Whole(name, tuple(map(const, at)))
    numbers = grid(held[at] if isinstance(held, Mapping) else held, worked.places, rows=view.rows)
    return Equal((whole, how, numbers) if how is not None else (whole, numbers))


def grid(array: Array, most: int, *, rows: bool) -> Formula:
    """An array of numbers as a matrix; vectors as rows or columns, more axes as matrices in rows."""
    array = np.asarray(array)
    places = places_of(array, most)
    return _nested(array, places, rows=rows)


def _nested(array: Array, places: int, *, rows: bool) -> Formula:
    if array.ndim == 0:
        return Number(decimal(float(array), places))
    if array.ndim == 1:
        array = array[None, :] if rows else array[:, None]
    if array.ndim % 2:  # a row of arrays with an even number of axes
        array = array[None]
    down, across = _shown(array.shape[0]), _shown(array.shape[1])
    return Grid(tuple(tuple(_cell(array, i, j, places, rows=rows) for j in across) for i in down))


def _cell(array: Array, i: int | None, j: int | None, places: int, *, rows: bool) -> Formula:
    if i is None or j is None:
        return Dots(across=j is None, down=i is None)
    return _nested(array[i, j], places, rows=rows)


def _shown(count: int) -> list[int | None]:
    """Positions that are printed: the first, dots (None) and the last of many."""
    return list(range(count)) if count <= SIDE else [*range(SIDE - 2), None, count - 1]


# ---------------------------------------------------------------------------------------------------------------------
# Forward and backward


def _forward(view: View, worked: Worked) -> list[Block]:
    """What each equation gives, in the order of computation."""
    found: list[Formula] = []
    for equation, at in _computed(view, worked, view.network.program, {}):
        name = equation.lhs.tensor
        found.append(_formula(view, worked, name, at, _how(view, equation)))
    labels = [view.forward_label(equation) for _, equation in view.network.walk()]
    words: Spans = ("Equation ", See(labels[0]), " gives:")
    if labels[1:]:
        words = ("Equations ", See(labels[0]), " to ", See(labels[-1]), ", one after the other, give:")
    return [Paragraph(words, lead="Forward."), *_shortened(found)]


def _computed(
    view: View, worked: Worked, statements: Sequence[Any], env: Mapping[str, int]
) -> Iterator[tuple[Equation, tuple[int, ...]]]:
    """Equations with the member that they compute, loops unrolled; names for what is there already are left out."""
    for statement in statements:
        if isinstance(statement, Loop):
            lo, hi = (form.evaluate(env, worked.values.size) for form in (statement.bound.lo, statement.bound.hi))
            for k in range(lo, hi + 1):
                yield from _computed(view, worked, statement.body, {**env, statement.bound.var: k})
        elif not _is_copy(statement):
            depth = len(view.network.tensors[statement.lhs.tensor].family)
            yield statement, tuple(form.evaluate(env, worked.values.size) for form in statement.lhs.index[:depth])


def _is_copy(equation: Equation) -> bool:
    """True for another name of an array that stands elsewhere."""
    if len(equation.terms) != 1 or len(equation.terms[0].factors) != 1:
        return False
    (term,) = equation.terms
    return isinstance(term.factors[0], Ref) and term.coefficient == 1 and not term.bounds


def _shortened(found: list[Formula]) -> list[Block]:
    """Formulas beside each other; of very many the first and the last ones."""
    if len(found) <= ARRAYS:
        return [IGNORED, Display((Row(Several(tuple(found))),))]
    kept = (*found[: ARRAYS // 2], Dots(), *found[-ARRAYS // 2 :])
    note = Paragraph((f"The dots stand for {len(found) - ARRAYS} arrays that are computed in the same way.",))
    return [IGNORED, Display((Row(Several(kept)),)), note]


def _how(view: View, equation: Equation) -> Formula | None:
    """The right side of an equation in matrix notation; None for a family, whose members differ, and for conditions."""
    family = view.network.tensors[primal_name(equation.lhs.tensor)].family
    lifted = view.lifted(equation) if view.matrix and not family else None
    if lifted is None or len(lifted.cases) > 1 or lifted.cases[0].conditions:
        return None
    return Expression(lifted.cases[0].node, lifted.equation)


def _backward(view: View, worked: Worked) -> list[Block]:
    """Signals and gradients in order of computation, and where the number of the paths stands again."""
    chains = [chain for chain in view.derivation.written if adjoint_name(chain.tensor) in worked.arrays]
    found: list[Formula] = []
    for many, run in groupby(chains, key=lambda chain: bool(view.network.tensors[chain.tensor].family)):
        together = list(run)
        ends = {at for chain in together for at in members_of(worked, adjoint_name(chain.tensor))}
        for at in sorted(ends, reverse=True):
            for chain in together:
                if at in members_of(worked, adjoint_name(chain.tensor)):
                    how = None if many else _how(view, chain.equation)
                    found.append(_formula(view, worked, adjoint_name(chain.tensor), at, how))
    words: Spans = ("From the loss downwards:",)
    if view.general:
        words = ("Equations ", See(view.label(chains[0])), " to ", See(view.label(chains[-1])), " give:")
    return [Paragraph(words, lead="Backward, in whole arrays."), *_shortened(found), *_again(view, worked)]


def _again(view: View, worked: Worked) -> list[Block]:
    """Where the number that was found along the paths stands."""
    if worked.entry is None or "scalar" not in view.levels or worked.entry.tensor not in view.network.parameters:
        return []
    name = worked.entry.tensor
    depth = len(view.network.tensors[name].family)
    own = [form.const + 1 for form in worked.entry.index[depth:]]
    place = [own[k] for k in view.layout.get(name) or range(len(own))]
    where = {
        0: "is",
        1: "stands at place {} of",
        2: "stands in row {}, column {} of",
    }.get(len(place), "stands in").format(*place)
    number = Number(decimal(_entry(view, worked, worked.entry), worked.places))
    array = Whole(adjoint_name(name), worked.entry.index[:depth])
    return [Paragraph(("The number ", number, f" that was found along the paths {where} ", array, "."))]


def _entry(view: View, worked: Worked, ref: Ref) -> float:
    """An entry of a gradient."""
    depth = len(view.network.tensors[ref.tensor].family)
    index = tuple(form.const for form in ref.index)
    held = worked.arrays[adjoint_name(ref.tensor)]
    array = held[index[:depth]] if depth else held
    order = view.layout.get(ref.tensor)
    return float(np.transpose(array, np.argsort(order))[index[depth:]] if order else np.asarray(array)[index[depth:]])


# ---------------------------------------------------------------------------------------------------------------------
# Difference quotients


def _quotients(view: View, worked: Worked) -> list[Block]:
    """Entries of the gradients against the slope of the loss, measured."""
    rows: list[tuple[Spans, ...]] = [_quotient(view, each) for each in worked.quotients]
    words = (
        "Paths and whole arrays rest on the same local derivatives and could share a mistake. A difference quotient "
        "uses none of them: one entry is moved by a little in both directions, the loss is computed again, and its "
        "change is divided by that of the entry."
    )
    caption = (
        f"Entries of the gradients against difference quotients of the loss. With all entries of a parameter moved at "
        f"once, each by the same amount up or down, the relative difference is {worked.agreement}."
    )
    head = ("Derivative", "By the formulas", "By difference quotients", "Difference")
    return [Paragraph((words,), lead="Check."), Table(head, tuple(rows), (caption,), "lrrr", "quotients")]


def _quotient(view: View, each: Quotient) -> tuple[Spans, ...]:
    derivative = Derivative(Ref(view.network.loss), each.entry, flat=True)
    numbers = [(Number(decimal(x, DIGITS)),) for x in (each.gradient, each.measured)]
    return ((derivative,), *numbers, (each.difference,))
