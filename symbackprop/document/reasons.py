"""Why a formula looks as it does: sentences computed from the objects, for each step of a derivation.

``why_matrix`` reads lifted nodes and says which index is summed and hence which array is transposed;
``why_step`` says what a rewriting step did. Both speak of names and letters by formula nodes, never as text.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from symbackprop.affine import Var, var
from symbackprop.document.blocks import Equal, Letter, Sum, Whole
from symbackprop.document.pattern import own_letters
from symbackprop.index import Ref, adjoint_name, product
from symbackprop.matrix import (
    Axis,
    Broadcast,
    Hadamard,
    Leaf,
    MatMul,
    Node,
    Outer,
    ScatterAdd,
    SumOver,
    Transpose,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from symbackprop.derivation import Derivation, Step
    from symbackprop.document.blocks import Span, Spans
    from symbackprop.index import Equation
    from symbackprop.network import Fact, Network

MATRIX = 2
_PLACE = ("first", "second")


# ---------------------------------------------------------------------------------------------------------------------
# From index to matrix


def why_matrix(nodes: Iterable[Node], equation: Equation, *, rows: bool) -> Spans:
    """Sentences on how indices of an equation became the products of ``nodes``, each once; nothing where none is due.

    ``rows`` tells that vectors are written as rows.
    """
    sentences: dict[Spans, None] = {}
    for part in chain.from_iterable(node.walk() for node in nodes):
        for sentence in _sentences(part, equation, rows=rows):
            sentences[sentence] = None
    spans: list[Span] = []
    for sentence in sentences:
        spans += [" " if spans else "", *sentence]
    return tuple(spans)


def _sentences(node: Node, equation: Equation, *, rows: bool) -> Iterator[Spans]:
    if isinstance(node, MatMul):
        yield _matrix_product(node, equation, rows=rows)
    elif isinstance(node, Outer):
        yield (
            "No index is summed, and the two factors share none: ",
            _letter(node.a.axes[0], equation),
            " comes from one and ",
            _letter(node.b.axes[0], equation),
            " from the other, which makes an outer product.",
        )
    elif isinstance(node, SumOver):
        yield from _sum(node, equation)
    elif isinstance(node, Hadamard) and len(node.axes):
        yield (
            "Factors that carry the same ",
            "index" if len(node.axes) == 1 else "indices",
            " are multiplied entry by entry.",
        )
    elif isinstance(node, Broadcast):
        yield from _broadcast(node, equation)
    elif isinstance(node, ScatterAdd):
        yield ("Entries of equal label are added up into one row.",)


def _letter(axis: Axis, equation: Equation) -> Letter:
    return Letter(axis.label, equation)


def _stored(node: Node) -> Node:
    """What is turned, where something is."""
    return node.x if isinstance(node, Transpose) else node


def _name(node: Node, place: int) -> Spans:
    """A stored array by its name, other factors by their place."""
    if isinstance(node, Leaf):
        return (Whole(node.ref.tensor, node.ref.index),)
    return (f"the {_PLACE[place]} factor",)


def _matrix_product(node: MatMul, equation: Equation, *, rows: bool) -> Spans:
    """Which lines meet, and hence which array is transposed."""
    ranks = len(node.a.axes), len(node.b.axes)
    summed = _letter(node.summed, equation)
    if ranks == (1, 1):
        return ("We sum over ", summed, ", the only index of both factors: an inner product.")
    left, right = _stored(node.a), _stored(node.b)
    if (ranks == (MATRIX, 1) and rows) or (ranks == (1, MATRIX) and not rows):
        left, right = right, left  # printed the other way round
    if ranks == (MATRIX, MATRIX):
        return _two_matrices(left, right, node.summed, summed)
    matrix, is_left = (left, True) if len(left.axes) == MATRIX else (right, False)
    position = matrix.labels.index(node.summed.label)
    lines = "a row" if position else "a column"
    turned = (position == 0) if is_left else (position == 1)
    end: Spans = ("so it is transposed.",) if turned else ("so nothing is transposed.",)
    meets = "rows of the matrix meet a column" if is_left else "a row meets the columns of the matrix"
    return (
        "We sum over ",
        summed,
        f", the {_PLACE[position]} index of ",
        *_name(matrix, 0 if is_left else 1),
        f": {lines} of it meets the vector. In the product {meets}, ",
        *end,
    )


def _two_matrices(left: Node, right: Node, axis: Axis, summed: Letter) -> Spans:
    """Rows of the left meet columns of the right; what lies otherwise is transposed."""
    first, second = left.labels.index(axis.label), right.labels.index(axis.label)
    lines = ("columns", "rows")
    turned = [name for name, wrong in ((_name(left, 0), first == 0), (_name(right, 1), second == 1)) if wrong]
    where: Spans = (
        "We sum over ",
        summed,
        f", the {_PLACE[first]} index of ",
        *_name(left, 0),
        f" and the {_PLACE[second]} of ",
        *_name(right, 1),
        f": {lines[first]} of the one meet {lines[second]} of the other. A matrix product lets rows meet columns, ",
    )
    if not turned:
        return (*where, "so nothing is transposed.")
    if len(turned) == MATRIX:
        return (*where, "so both are transposed.")
    return (*where, "so ", *turned[0], " is transposed.")


def _sum(node: SumOver, equation: Equation) -> Iterator[Spans]:
    letters: list[Span] = []
    for label in node.over:
        letters += [" and " if letters else "", Letter(label, equation)]
    yield (
        "The sum over ",
        *letters,
        " touches one array alone, so it adds up that array along ",
        "this axis" if len(node.over) == 1 else "these axes",
        "; a product with a vector of ones says so.",
    )


def _broadcast(node: Broadcast, equation: Equation) -> Iterator[Spans]:
    missing = [axis for axis in node.axes if axis not in node.x.axes]
    if missing:
        yield (
            "The right side is the same for every ",
            _letter(missing[0], equation),
            ", so it is repeated along that axis.",
        )


# ---------------------------------------------------------------------------------------------------------------------
# Steps of rewriting


def why_step(step: Step, derivation: Derivation) -> Spans:
    """What a step did, in a sentence."""
    if step.rule == "put in":
        return (
            ("Put in what was found for ", Whole(adjoint_name(step.note)), ".")
            if step.note in derivation.chains
            else ("Put in what was found before.",)
        )
    if step.rule == "slope through the output":
        return _slopes(step.note, derivation)
    if step.rule == "known gradient":
        return ("The factor in front is the gradient ", Whole(adjoint_name(step.note)), " that was found before.")
    if step.rule == "definition read backwards":
        names: list[Span] = []
        for name in step.note.split("; "):
            known = name in derivation.tensors
            names += [", " if names else "", Whole(name) if known else name]
        return ("The forward pass has already computed ", *names, "; its name takes the place of its formula.")
    if step.rule == "given fact":
        return _facts(step.note, derivation)
    words = {
        "sum over a delta": "An element depends on one element alone here, so the sum over all of them keeps one term.",
        "like terms": "Like terms are added up.",
        "order": "Terms are put in order.",
    }
    return (words.get(step.rule, f"{step.rule[:1].upper()}{step.rule[1:]}."),)


def _slopes(note: str, derivation: Derivation) -> Spans:
    """The outputs through which slopes were written."""
    outputs = [item.partition(":")[2] for item in note.split("; ")]
    spans: list[Span] = []
    for name in outputs:
        if name in derivation.tensors:
            spans += [", " if spans else "", Whole(name)]
    if not spans:
        return ("Slopes are written through the output.",)
    return ("The slope of the activation is written through its output ", *spans, ".")


def _facts(note: str, derivation: Derivation) -> Spans:
    """The facts that were used, as formulas."""
    spans: list[Span] = []
    for fact in derivation.network.facts:
        if fact.kind == "sum" and fact.text in note:
            spans += [", " if spans else "", stated(fact, derivation.network)]
    return ("Use the given fact ", *spans, ".") if spans else ("Use what is given.",)


def stated(fact: Fact, network: Network) -> Equal:
    """Σ over one axis of a tensor, with its value."""
    tensor = network.tensors[fact.tensor]
    letters = own_letters(network, fact.tensor)
    place = len(tensor.family) + fact.axis
    bound = tensor.ranges(tuple(Var(letter) for letter in letters))[place]
    term = product(1, [Ref(fact.tensor, tuple(var(letter) for letter in letters))], bounds=[bound])
    return Equal((Sum((term,)), Sum((product(fact.value),))))
