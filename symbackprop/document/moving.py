"""From the paths to one entry to a formula for all: the paths as a Σ, their number, the target moved, the pattern.

The target moves by one index at a time; what the formula has in other places then is what knows the target, and the
target's letters go there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Bound, Size, const, var
from symbackprop.document.blocks import (
    Block,
    Display,
    Entry,
    Form,
    Formula,
    Indexed,
    Letter,
    Note,
    Number,
    Paragraph,
    Plus,
    Row,
    Span,
    Spans,
    Table,
    Times,
)
from symbackprop.document.graph import Element
from symbackprop.document.left_out import pattern_of
from symbackprop.document.pattern import moved, normal, own_letters, with_letters
from symbackprop.index import Equation, Ref, adjoint_name, refs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from symbackprop.document.paths import Unrolled
    from symbackprop.document.scalar import Target
    from symbackprop.index import Term

MOVE = (
    "The formula was found for one entry. Which parts of it know which entry it was? Move the target, one index at a "
    "time, and see what moves with it."
)
CARRIERS = 6
"""Factors that are shown to carry indices of the target."""
ORDINALS = ("first", "second", "third", "fourth")
COUNTS = ("no", "one", "two", "three", "four", "five", "six")


def gradient(element: Ref, terms: tuple[Term, ...], ranges: tuple[Bound, ...] = ()) -> Equation:
    """∂loss/∂element as an equation."""
    return Equation(lhs=Ref(adjoint_name(element.tensor), element.index), terms=terms, ranges=ranges)


# ---------------------------------------------------------------------------------------------------------------------
# The sum and its size


def summed(
    seen: tuple[Unrolled, Target], listed: tuple[Unrolled, Target], find: Callable[[Unrolled, Element], Target]
) -> list[Block]:
    """The paths as Σ, how many they are, and the target moved; ``listed`` has them all, ``find`` lists others."""
    graph, target = seen
    small, witness = listed
    terms = pattern_of(small, witness)
    if not any(term.bounds for term in terms):
        return []
    batch = target.example is not None and target.total != target.count
    reasons = []
    if target.count > 1:
        reasons.append("Paths through the same arrays differ in running indices alone, so their sum is a Σ")
    if batch:
        reasons.append(
            ("the examples add up in the same way" if reasons else "The examples add up")
            + ", since the loss adds them up"
        )
    equation = gradient(target.element.ref, terms)
    return [
        Paragraph((("; ".join(reasons) or "Written with Σ") + ":",), lead="Sum."),
        Display((Row(Indexed(equation, derivative=True)),)),
        *two_sums(graph, equation),
        *how_many(graph, target, terms),
        *_moved(small, witness, terms, find),
    ]


def two_sums(graph: Unrolled, equation: Equation) -> list[Block]:
    """Which Σ is the chain rule and which the loss, where there are both."""
    (term, *more) = equation.terms
    batch = [b for b in term.bounds if b.extent == _size(graph.network.batch)]
    paths = [b for b in term.bounds if b not in batch]
    if more or not batch or not paths:
        return []
    letters: list[Span] = []
    for k, bound in enumerate(paths):
        letters += [" and " if k else "", Letter(bound.var, equation)]
    over = Letter(batch[0].var, equation)
    spans = ("The sum over ", *letters, " is the chain rule: several paths. The sum over ", over)
    return [Note("Two sums, two reasons.", (*spans, " is the loss: several examples."))]


def _size(name: str | None) -> Affine | None:
    return Affine(0, ((Size(name), 1),)) if name else None


def how_many(graph: Unrolled, target: Target, terms: Sequence[Term]) -> list[Block]:
    """The number of paths as a product of sizes, where it is one."""
    extents = [[bound.extent for bound in term.bounds] for term in terms]
    if any(form.variables for forms in extents for form in forms):
        return []
    numbers = [[graph.extent(form) for form in forms] for forms in extents]
    if sum(map(math.prod, numbers)) != target.total or target.total == 1:
        return []
    symbols = _total([_product([Form(form) for form in forms]) for forms in extents])
    values = _total([_product([Number(str(n)) for n in each]) for each in numbers])
    here: Spans = (", here ", values) if sum(map(len, numbers)) > 1 else ()
    layer = ""
    if any(link.kind == "dot product" for link in target.paths[0].links):
        layer = " One more dense layer on the way would multiply the number by its width."
    choices = "A path chooses a value for every index that runs, so the number of paths is the product of their sizes, "
    return [Paragraph((choices, symbols, *here, f": {target.total} in all.{layer}"), lead="How many paths?")]


def _product(factors: list[Formula]) -> Formula:
    return Number("1") if not factors else factors[0] if len(factors) == 1 else Times(tuple(factors))


def _total(parts: list[Formula]) -> Formula:
    return parts[0] if len(parts) == 1 else Plus(tuple(parts))


# ---------------------------------------------------------------------------------------------------------------------
# Moving the target


@dataclass(frozen=True, slots=True)
class Probe:
    """A neighbour of the target in one index: its terms, in the order of the target's own."""

    element: Element
    place: int
    terms: tuple[Term, ...]


def _moved(
    graph: Unrolled, target: Target, base: tuple[Term, ...], find: Callable[[Unrolled, Element], Target]
) -> list[Block]:
    """The same sum for neighbours of the target, what moved in it, and the formula for all entries."""
    probes = list(_probes(graph, target, base, find))
    if not probes:
        return []
    start = gradient(target.element.ref, base)
    carriers = _carriers(base, [probe.terms for probe in probes])
    own: Spans = (Entry(target.element.ref),)
    rows: list[tuple[Spans, ...]] = [(own, _listed([Entry(ref, start) for ref in carriers.values()]), ("start",))]
    for probe in probes:
        elements = _elements(probe.terms)
        shown = [Entry(elements[k], start, moved=_different(ref, elements[k])) for k, ref in carriers.items()]
        count = sum(bool(entry.moved) for entry in shown)
        depth = len(graph.network.tensors[target.element.tensor].family)
        remark = (
            f"{ORDINALS[probe.place - depth]} index: "
            f"{COUNTS[min(count, 6)]} factor{' moves' if count == 1 else 's move'}"
        )
        rows.append(((Entry(probe.element.ref, moved=(probe.place,)),), _listed(shown), (remark,)))
    general = _general(graph, target, base, probes)
    if general is not None:
        element, equation = general
        elements = _elements(equation.terms)
        pattern = [Entry(elements[k], equation) for k in carriers]
        rows.append(((Entry(element, equation),), _listed(pattern), ("the pattern",)))
    return [
        Paragraph((MOVE,), lead="Move the target."),
        Table(
            ("Target", "Factors that carry its indices", "Remark"),
            tuple(rows),
            ("What changes when the target moves; the rest stays. Bold indices have moved.",),
            "lll",
            "moved",
        ),
        *(_formula(*general) if general is not None else []),
    ]


def _probes(
    graph: Unrolled, target: Target, base: tuple[Term, ...], find: Callable[[Unrolled, Element], Target]
) -> list[Probe]:
    """Neighbours whose sums have the same pattern."""
    depth = len(graph.network.tensors[target.element.tensor].family)
    found: list[Probe] = []
    for k, extent in enumerate(graph.shape(target.element.tensor, target.element.index[:depth])):
        if extent == 1:  # nowhere to move
            continue
        index = list(target.element.index)
        index[depth + k] += 1 if index[depth + k] + 1 < extent else -1
        element = Element(target.element.tensor, tuple(index))
        terms = pattern_of(graph, find(graph, element))
        if len(terms) == len(base) and all(moved(a, b) is not None for a, b in zip(base, terms, strict=True)):
            found.append(Probe(element, depth + k, terms))
    return found


def _elements(terms: Sequence[Term]) -> list[Ref]:
    return [ref for term in terms for factor in term.factors for ref in refs_of(factor)]


def _carriers(base: Sequence[Term], others: Sequence[Sequence[Term]]) -> Mapping[int, Ref]:
    """Elements of a sum that are others in one of the others, each once, by their place."""
    own = _elements(base)
    found: dict[Ref, int] = {}
    for other in others:
        for k, (a, b) in enumerate(zip(own, _elements(other), strict=True)):
            if a != b:
                found.setdefault(a, k)
    return {k: ref for ref, k in sorted(found.items(), key=lambda item: item[1])[:CARRIERS]}


def _different(before: Ref, after: Ref) -> tuple[int, ...]:
    return tuple(k for k, (a, b) in enumerate(zip(before.index, after.index, strict=True)) if a != b)


def _listed(entries: Sequence[Entry]) -> Spans:
    spans: list[Span] = []
    for entry in entries:
        spans += [", " if spans else "", entry]
    return tuple(spans)


def _general(
    graph: Unrolled, target: Target, base: tuple[Term, ...], probes: Sequence[Probe]
) -> tuple[Ref, Equation] | None:
    """The target's letters in the places that moved; factors in the order of the target's own terms."""
    tensor = graph.network.tensors[target.element.tensor]
    depth = len(tensor.family)
    letters = own_letters(graph.network, tensor.name)
    family = {b.var: const(k) for b, k in zip(tensor.family, target.element.index, strict=False)}
    patterns = [with_letters(term, {letters[p.place]: p.terms[n] for p in probes}) for n, term in enumerate(base)]
    if any(pattern is None for pattern in patterns):
        return None
    running = {probe.place for probe in probes}
    index = [var(letters[k]) if k in running else const(at) for k, at in enumerate(target.element.index)]
    ranges = tuple(
        Bound(letters[depth + k], const(0), axis.substitute(family) - 1, letters[depth + k])
        for k, axis in enumerate(tensor.axes)
        if depth + k in running
    )
    element = Ref(tensor.name, tuple(index))
    return element, gradient(element, tuple(p for p in patterns if p is not None), ranges)


def _formula(element: Ref, equation: Equation) -> list[Block]:
    """One formula for all entries."""
    ordered = gradient(element, tuple(map(normal, equation.terms)), equation.ranges)
    return [
        Paragraph(("With letters in the places that moved, one formula holds for all entries of the array:",)),
        Display((Row(Indexed(ordered, derivative=True)),)),
    ]
