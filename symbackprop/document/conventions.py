"""Conventions of a handout, and what becomes of its formulas under the other usual ones.

Constants of the loss, which axis the examples lie along, numerator or denominator layout: for each the change is
computed from the network: by which factor every gradient changes, and the same product in the other layout. So a
reader can use the page beside a book or a library that chose otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sympy as sp

from symbackprop.affine import Affine, Size
from symbackprop.document.blocks import (
    Block,
    Dims,
    Directive,
    Display,
    Elsewhere,
    Form,
    Lifted,
    Paragraph,
    Row,
    Span,
    Spans,
    Sum,
    Table,
    Whole,
)
from symbackprop.document.opening import listed
from symbackprop.index import Apply, Term, Value, adjoint_name, product, slot
from symbackprop.lift import lift
from symbackprop.matrix import MatMul, Outer, is_writable
from symbackprop.notation.preset import Orientation

if TYPE_CHECKING:
    from symbackprop.document.view import View
    from symbackprop.network import Network

MATRIX = 2
OTHER = {"rows": "columns", "columns": "rows", "input-first": "output-first", "output-first": "input-first"}


@dataclass(frozen=True, slots=True)
class Change:
    """Another usual form of the loss, and the factor by which the loss, and so every gradient, is multiplied then."""

    words: Spans
    factor: Term


def blocks(view: View) -> list[Block]:
    """The conventions used, the table of others, and a product in the other layout."""
    rows: list[tuple[Spans, ...]] = [
        (change.words, ("every gradient times ", Sum((change.factor,)))) for change in changes(view.network)
    ]
    matrix = next((p for p in view.network.parameters if len(view.network.tensors[p].axes) == MATRIX), None)
    if matrix is not None:
        chain = view.derivation.chains[matrix]
        axes = tuple(view.network.tensors[matrix].axes[k] for k in view.layout.get(matrix, (0, 1)))
        turned = Dims(axes[::-1], chain.equation)
        gradient = Whole(adjoint_name(matrix))
        rows.append((("numerator layout",), ("transposed gradients: ", gradient, " is ", turned)))
    other = in_other_layout(view)
    if other is not None:
        rows.append(((_layout_words(view),), ("transposed matrices, factors of products swap",)))
    used: list[Block] = [Paragraph(_used(view, matrix), lead="Conventions.")] if _used(view, matrix) else []
    if not rows:
        return used
    table = Table(
        ("Elsewhere", "What changes here"),
        tuple(rows),
        ("The same formulas under other conventions.",),
        "lp",
        "conventions",
    )
    return [*used, table]


def _used(view: View, matrix: str | None) -> Spans:
    """How arrays lie here."""
    spans: list[Span] = []
    lying = [name for name in view.network.inputs if _examples(view, name) is not None]
    places = {_examples(view, name) for name in lying}
    if len(places) == 1:
        line = ("row", "column", "slice")[min(places.pop() or 0, 2)]
        spans += [
            *listed([Whole(name) for name in lying]),
            f" {'have' if lying[1:] else 'has'} one example per {line}. ",
        ]
    elif not view.network.batch and any(len(t.axes) == 1 for t in view.network.tensors.values()):
        spans.append(f"Vectors are {view.preset.orientation.vectors}. ")
    if matrix is not None:
        spans.append("A gradient has the shape of its parameter (denominator layout).")
    return tuple(spans)


def _examples(view: View, name: str) -> int | None:
    """The place of the axis of examples in an array as it is stored."""
    axes = view.network.tensors[name].axes
    order = view.layout.get(name, tuple(range(len(axes))))
    found = [place for place, k in enumerate(order) if axes[k].single == Size(view.network.batch or "")]
    return found[0] if len(axes) > 1 and found and view.network.batch else None


# ---------------------------------------------------------------------------------------------------------------------
# Constants of the loss


def changes(network: Network) -> list[Change]:
    """The other usual constants of a loss that is one sum; nothing for other losses."""
    found = network.definitions(network.loss)
    if len(found) != 1 or len(found[0].terms) != 1:
        return []
    (term,) = found[0].terms
    batch = Affine(0, ((Size(network.batch), 1),)) if network.batch else None
    out: list[Change] = []
    square = any(isinstance(f, Apply) and f.template.is_Pow and f.template.exp == MATRIX for f in term.factors)
    if square:
        half = sp.Rational(1, 2)
        if term.coefficient == half:
            out.append(Change(("squares without the factor ", Sum((product(half),))), product(2)))
        elif term.coefficient == 1:
            out.append(Change(("the factor ", Sum((product(half),)), " before the squares"), product(half)))
    for extent in dict.fromkeys(bound.extent for bound in term.bounds):
        if extent == batch:
            axis: Spans = ("over the examples",)
        elif square:
            axis = ("over the axis of length ", Form(extent), " too")
        else:
            continue
        averaged = inverse_of(extent) in term.factors
        words: Spans = ("a sum " if averaged else "a mean ", *(axis[:2] if averaged else axis))
        out.append(Change(words, product(1, [of(extent) if averaged else inverse_of(extent)])))
    return out


def of(extent: Affine) -> Apply:
    """A size as a factor."""
    return Apply(slot(0), (Value(extent),))


def inverse_of(extent: Affine) -> Apply:
    """One over a size as a factor."""
    return Apply(1 / slot(0), (Value(extent),))


# ---------------------------------------------------------------------------------------------------------------------
# The other layout


def in_other_layout(view: View) -> tuple[Lifted, Lifted] | None:
    """The gradient of the first parameter that is a product of matrices, here and with every matrix transposed."""
    for chain in view.derivation.gradients if view.matrix else ():
        here = view.lifted(chain.equation)
        if here is None or not any(
            isinstance(part, MatMul | Outer) for case in here.cases for part in case.node.walk()
        ):
            continue
        if any(len(part.axes) > MATRIX for case in here.cases for part in case.node.walk()):
            continue
        cases = lift(chain.equation, view.derivation, _turned(view), OTHER[view.preset.orientation.vectors])
        if all(is_writable(case.node) for case in cases):
            return here, Lifted(chain.equation, tuple(cases))
    return None


def _turned(view: View) -> dict[str, tuple[int, ...]]:
    """Every array stored in the opposite order of axes."""
    tensors = view.network.tensors
    return {name: view.layout.get(name, tuple(range(len(t.axes))))[::-1] for name, t in tensors.items()}


def _layout_words(view: View) -> str:
    if not view.network.batch:
        return f"vectors as {OTHER[view.preset.orientation.vectors]}"
    places = {_examples(view, name) for name in view.network.inputs} - {None}
    return f"examples as {'rows' if places == {1} else 'columns'}"


def example(view: View) -> list[Block]:
    """One gradient as it is here and as it is in the other layout; nothing where none is a product of matrices."""
    found = in_other_layout(view)
    if found is None:
        return []
    here, there = found
    orientation = view.preset.orientation
    other = Orientation(
        vectors=OTHER[orientation.vectors],  # type: ignore[arg-type]  # one of the two
        examples=OTHER[orientation.examples],  # type: ignore[arg-type]
        weights=OTHER[orientation.weights],  # type: ignore[arg-type]
    )
    return [
        Paragraph((f"With {_layout_words(view)} the first of these becomes the second:",), lead="Other layouts."),
        Directive(("ignore: the same formula in another layout",)),
        Display(
            (
                Row(
                    Elsewhere(view.derivation, view.preset, here),
                    beside=Elsewhere(view.derivation, replace(view.preset, orientation=other), there),
                ),
            )
        ),
    ]
