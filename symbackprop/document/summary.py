"""The summary card: forward, backward, update, one line each, in the order of the program, shapes under the arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.document.blocks import (
    Block,
    Columns,
    Display,
    Heading,
    Indexed,
    KeyBox,
    Paragraph,
    Row,
    Update,
    Whole,
)
from symbackprop.document.forward import loops
from symbackprop.document.opening import SUMMARY, listed

if TYPE_CHECKING:
    from symbackprop.document.view import View
    from symbackprop.index import Equation

UPDATES = 4
"""Parameters whose update stands on the card."""


def section(view: View) -> list[Block]:
    """All results in order of computation, without the way there."""
    heads, columns = ("Forward", "Backward"), (_forward(view), _backward(view))
    card: list[Block] = [Columns(heads, columns)]
    if not view.full:  # numbered lines need a line each
        card = [block for head, column in zip(heads, columns, strict=True) for block in (Paragraph((), head), *column)]
    return [Heading(1, (SUMMARY,)), KeyBox("The network on one card", (*card, *_update(view)))]


def _row(view: View, equation: Equation, label: str) -> Row:
    """One line of the card; numbered on a sheet that shows the formula nowhere else."""
    lifted = view.lifted(equation, shapes=True) if view.matrix or not view.general else None
    return Row(lifted or Indexed(equation), "" if view.full else label)


def _forward(view: View) -> tuple[Block, ...]:
    return tuple(loops(view.network.program, lambda each: [_row(view, each, view.forward_label(each))]))


def _backward(view: View) -> tuple[Block, ...]:
    return (Display(tuple(_row(view, chain.equation, view.label(chain)) for chain in view.derivation.written)),)


def _update(view: View) -> list[Block]:
    """The step against the gradients, or that there is one for every parameter."""
    parameters = view.network.parameters
    shown = UPDATES if view.full else 1
    rows = tuple(Row(Update(view.family_ref(p))) for p in parameters[:shown])
    more = parameters[shown:]
    end = [Paragraph(("and likewise ", *listed([Whole(p) for p in more]), "."))] if more else []
    return [Paragraph(("after all gradients have been computed:",), lead="Update"), Display(rows), *end]
