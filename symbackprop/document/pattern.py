"""From concrete paths back to Σ: what several products have in common, and which index runs.

``general`` finds the pattern of a list of products that differ in indices alone: columns of index values that run
through a whole axis become a summed letter. ``over_examples`` lets the number of the example run, and ``moved`` the
indices that follow the target element. What has no such pattern is left alone (None).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Bound, Size, const, var
from symbackprop.chainrule import free_index, readers
from symbackprop.index import Apply, Opaque, Ref, Term, Value, fresh, map_forms, primal_name, product
from symbackprop.notation.spelling import primal_element

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from symbackprop.network import Network

Place = tuple[str, int]
"""Tensor and index position of a form inside a term; ("", -1) for a number."""


def _leaves(term: Term) -> Iterator[Ref | Value]:
    """The elements and numbers in a term's factors, in the order in which ``map_forms`` visits them."""
    for factor in term.factors:
        if isinstance(factor, Ref):
            yield factor
        elif isinstance(factor, Apply):
            yield from factor.args


def indexed(term: Term) -> list[tuple[Ref | Value, int]]:
    """The leaf of each affine form of the factors, and the position of the form in it."""
    found: list[tuple[Ref | Value, int]] = []
    for leaf in _leaves(term):
        found += [(leaf, k) for k in range(len(leaf.index))] if isinstance(leaf, Ref) else [(leaf, -1)]
    return found


def _places(term: Term) -> list[Place]:
    """Where each affine form of the factors stands."""
    return [(leaf.tensor if isinstance(leaf, Ref) else "", k) for leaf, k in indexed(term)]


def forms(term: Term) -> list[Affine]:
    """The affine forms of the factors."""
    found: list[Affine] = []
    for leaf in _leaves(term):
        found += leaf.index if isinstance(leaf, Ref) else (leaf.form,)
    return found


def mapped(term: Term, change: Callable[[int, Affine], Affine]) -> Term:
    """The term with form number k changed; factors keep their order."""
    counter = iter(range(10**9))
    factors = tuple(map_forms(f, lambda form: change(next(counter), form)) for f in term.factors)
    return Term(term.coefficient, term.bounds, term.conditions, factors, term.use)


def is_simple(term: Term) -> bool:
    """True for a product of elements and functions of elements."""
    return not term.conditions and not term.bounds and all(isinstance(f, Ref | Apply) for f in term.factors)


def skeleton(term: Term) -> object:
    """What a term is apart from the numbers among its indices."""
    blank = mapped(term, lambda _, form: const(0) if form.is_constant else form)
    return (term.coefficient, blank.factors)


def own_letters(network: Network, name: str) -> tuple[str, ...]:
    """Names for the indices of a tensor, family first."""
    return free_index(network, name, readers(network).get(name, ()))


def _source(network: Network, place: Place) -> Place:
    """The array whose axes an index follows: the argument, for a partial derivative of an opaque loss."""
    function, slash, number = primal_name(place[0]).partition("/")
    if not slash:
        return place
    argument, rounds = next(
        (factor.args[int(number)], len(equation.lhs.index))
        for equation in network.equations
        for term in equation.terms
        for factor in term.factors
        if isinstance(factor, Opaque) and factor.name == function
    )
    if place[1] < rounds:  # the loss is taken in every round of a loop
        return argument.tensor, place[1]
    return argument.tensor, place[1] - rounds + len(network.tensors[argument.tensor].family)


def letter_of(network: Network, place: Place, taken: set[str]) -> str:
    """The author's letter for an index of a tensor."""
    tensor, position = _source(network, place)
    return fresh(own_letters(network, tensor)[position], taken)


def axis_at(network: Network, element: Ref, position: int) -> Affine | None:
    """Number of values of an index of an element, or of a partial derivative by it; None for a family index."""
    primal = primal_element(network, element)
    tensor = network.tensors[primal.tensor]
    axis = position - len(element.index) + len(tensor.axes)
    if axis < 0:
        return None
    return tensor.axes[axis].substitute({b.var: form for b, form in zip(tensor.family, primal.index, strict=False)})


def general(terms: Sequence[Term], network: Network, size: Callable[[Affine], int]) -> Term | None:
    """One Σ for terms that differ in indices alone, each running through its axis.

    Raises nothing: None where there is no such pattern.
    """
    if len(terms) < 2 or not all(map(is_simple, terms)) or len({str(skeleton(t)) for t in terms}) > 1:  # noqa: PLR2004
        return None
    columns = list(zip(*(forms(t) for t in terms), strict=True))
    running: dict[tuple[Affine, ...], tuple[str, Affine]] = {}
    taken: set[str] = set()
    for (leaf, position), column in zip(indexed(terms[0]), columns, strict=True):
        if len(set(column)) == 1 or column in running:
            continue
        extent = axis_at(network, leaf, position) if isinstance(leaf, Ref) else None
        if extent is None or not isinstance(leaf, Ref) or {form.const for form in column} != set(range(size(extent))):
            return None
        running[column] = (letter_of(network, (leaf.tensor, position), taken), extent)
    if math.prod(size(extent) for _, extent in running.values()) != len(set(zip(*running, strict=True))) or len(
        set(zip(*running, strict=True))
    ) != len(terms):
        return None
    images = {column: var(letter) for column, (letter, _) in running.items()}
    body = mapped(terms[0], lambda k, form: images.get(columns[k], form))
    bounds = tuple(
        Bound(letter, Affine(), extent - 1, letter if letter.isalpha() else "") for letter, extent in running.values()
    )
    return Term(body.coefficient, bounds, frozenset(), body.factors)


def over_examples(term: Term, network: Network, example: int) -> Term | None:
    """The term of one example summed over all of them."""
    if network.batch is None:
        return None
    taken = {b.var for b in term.bounds}
    letter = ""
    image: dict[int, Affine] = {}
    for k, (place, form) in enumerate(zip(_places(term), forms(term), strict=True)):
        if place[0] and is_batch_axis(network, place) and form == const(example):
            letter = letter or letter_of(network, place, taken)
            image[k] = var(letter)
    if not letter:
        return None
    body = mapped(term, image.get)
    extent = Affine(0, ((Size(network.batch), 1),))
    return Term(
        body.coefficient, (Bound(letter, Affine(), extent - 1, letter), *body.bounds), frozenset(), body.factors
    )


def is_batch_axis(network: Network, place: Place) -> bool:
    """True for the index of a tensor that counts examples."""
    name, position = _source(network, place)
    tensor = network.tensors.get(name)
    if tensor is None or network.batch is None or tensor.role == "parameter" or position < len(tensor.family):
        return False
    return tensor.axes[position - len(tensor.family)].single == Size(network.batch)


def moved(base: Term, other: Term) -> tuple[tuple[Place, Affine, Affine], ...] | None:
    """Which indices differ between two terms of one pattern: (place, form in the first, form in the second)."""
    if str(skeleton(base)) != str(skeleton(other)) or [b.hi for b in base.bounds] != [b.hi for b in other.bounds]:
        return None
    pairs = zip(_places(base), forms(base), forms(other), strict=True)
    return tuple((place, a, b) for place, a, b in pairs if a != b)


def with_letters(base: Term, probes: Mapping[str, Term]) -> Term | None:
    """The pattern for all targets: an index that moved with the target becomes the letter of that move.

    Bound indices of the same name get another one.
    """
    taken = set(probes) | {b.var for b in base.bounds}
    names = {b.var: fresh(b.var, taken) for b in base.bounds if b.var in probes}
    base = base.rename_bounds(names)
    probes = {letter: probe.rename_bounds(names) for letter, probe in probes.items()}
    image: dict[int, Affine] = {}
    for letter, probe in probes.items():
        if moved(base, probe) is None:
            return None
        for k, (a, b) in enumerate(zip(forms(base), forms(probe), strict=True)):
            if a != b:
                if k in image or not a.is_constant:
                    return None
                image[k] = var(letter)
    body = mapped(base, image.get)
    return Term(body.coefficient, body.bounds, frozenset(), body.factors)


def normal(term: Term) -> Term:
    """The term in normal form."""
    return product(term.coefficient, term.factors, bounds=term.bounds, conditions=term.conditions)
