"""The forward pass: every equation for whole arrays, with shapes under them, and for one entry.

The author's order, loops kept together. Once in matrices, which is how one computes; once in entries, which is how one
differentiates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symbackprop.document import figures, slopes, written
from symbackprop.document.blocks import Block, Display, Heading, Indexed, Paragraph, Range, Row
from symbackprop.document.opening import FORWARD, listed
from symbackprop.index import Equation
from symbackprop.network import Loop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from symbackprop.affine import Bound
    from symbackprop.document.view import View

BOTH = (
    "Once for whole arrays, which is how one computes; once for one entry, which is how one differentiates. Under "
    "every array stands its shape: in a product the two inner sizes agree and vanish, the outer two remain."
)


def section(view: View) -> list[Block]:
    """The network's equations, in matrix and index form."""
    blocks: list[Block] = [Heading(1, (FORWARD,)), *figures.network(view)]
    if view.matrix and view.index and any(view.lifted(e) for _, e in view.network.walk()):
        blocks.append(Paragraph((BOTH,)))
    blocks += loops(view.network.program, lambda equation: _rows(view, equation))
    return [*blocks, *written.blocks(view), *slopes.blocks(view)]


def loops(
    statements: Sequence[Any], rows: Callable[[Equation], list[Row]], around: tuple[Bound, ...] = ()
) -> list[Block]:
    """Displays of equations in the author's order; those inside a loop under its range."""
    blocks: list[Block] = []
    run: list[Equation] = []
    for statement in (*statements, None):
        if isinstance(statement, Equation):
            run.append(statement)
            continue
        if run:
            if around:
                blocks.append(Paragraph(("For ", *listed([Range(bound) for bound in around]), ":")))
            blocks.append(Display(tuple(row for equation in run for row in rows(equation))))
            run = []
        if isinstance(statement, Loop):
            blocks += loops(statement.body, rows, (*around, statement.bound))
    return blocks


def _rows(view: View, equation: Equation) -> list[Row]:
    """Both forms of one equation, numbered once."""
    label = view.forward_label(equation)
    lifted = view.lifted(equation, shapes=True) if view.matrix else None
    entry = Indexed(equation)
    if lifted is None:
        return [Row(entry, label)]
    return [Row(lifted, label, beside=entry if view.index else None)]
