"""Changes of products: transposes, the order of factors, brackets, the kind of a product, diag."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import combinations
from itertools import product as cartesian
from typing import TYPE_CHECKING, TypeAlias

from symbackprop.handwritten import expression as ex
from symbackprop.verify.edits import Place, Proposal, Row, is_scalar, put, rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from symbackprop.handwritten.expression import Node

ENTRYWISE = frozenset(("circ", "odot", "entrywise"))
_MANY = 7
"""Products of more factors are not reordered as a whole."""


def turned(node: Node) -> Node:
    """The transpose; that of a transpose is the node below."""
    return node.of if isinstance(node, ex.Transpose) else ex.Transpose(of=node)


def product(factors: tuple[Node, ...], signs: tuple[ex.ProductSign, ...]) -> Node:
    """Factors with their signs; one alone is itself."""
    if len(factors) == 1:
        return factors[0]
    return ex.Product(factors=factors, signs=("juxtaposition", *signs[1:]))


def add_transpose(place: Place) -> Iterator[Proposal]:
    """An array turned."""
    node, parent = place.node, place.parent
    if place.in_derivative or isinstance(parent, ex.Transpose | ex.Call) or isinstance(node, ex.Transpose):
        return
    if isinstance(node, ex.Number | ex.Letter | ex.Update | ex.Cases | ex.Slice | ex.Condition):
        return
    if is_scalar(node, place.scene):
        return
    leaf = isinstance(node, ex.Quantity | ex.Named | ex.Derivative)
    if isinstance(node, ex.Quantity) and node.family and isinstance(parent, ex.Product):
        for step in (1, -1):
            moved = replace(node, family=tuple(form + step for form in node.family))
            yield Proposal(ex.Transpose(of=moved), 1.3, also=("SB201",))
    cost = 1.0 if leaf else 1.2
    if isinstance(node, ex.Sum) and parent is None:
        cost = 1.6
    yield Proposal(ex.Transpose(of=node), cost + 0.3 * place.left)


def drop_transpose(place: Place) -> Iterator[Proposal]:
    """An array that is turned, as it lies."""
    if isinstance(place.node, ex.Transpose):
        yield Proposal(place.node.of, 1.0 + 0.3 * place.left)


def turn_product(place: Place) -> Iterator[Proposal]:
    """``A B`` as ``Bᵀ Aᵀ``: the transpose of a product, written out."""
    node = place.node
    if not isinstance(node, ex.Product) or any(s in ENTRYWISE for s in node.signs[1:]):
        return
    scalars = [is_scalar(f, place.scene) for f in node.factors]
    arrays = [k for k, scalar in enumerate(scalars) if not scalar]
    if len(arrays) < 2:  # noqa: PLR2004 - nothing to swap
        return
    for size in range(2, len(arrays) + 1):
        for at in range(len(arrays) - size + 1):
            chosen = arrays[at : at + size]
            factors = list(node.factors)
            for k, source in zip(chosen, reversed(chosen), strict=True):
                factors[k] = turned(node.factors[source])
            yield Proposal(replace(node, factors=tuple(factors)), 1.25 + 0.1 * size)


def reorder(place: Place) -> Iterator[Proposal]:
    """Factors of a product in another order: two swapped, one moved, all turned round."""
    node = place.node
    if not isinstance(node, ex.Product) or all(is_scalar(f, place.scene) for f in node.factors):
        return
    length = len(node.factors)
    seen = {tuple(range(length))}
    orders: list[tuple[float, tuple[int, ...]]] = []
    for k in range(length - 1):
        swapped = list(range(length))
        swapped[k], swapped[k + 1] = swapped[k + 1], swapped[k]
        orders.append((1.1, tuple(swapped)))
    for k in range(length):
        rest = [i for i in range(length) if i != k]
        orders += [(1.2, (k, *rest)), (1.2, (*rest, k))]
    if length <= _MANY:
        orders.append((1.3, tuple(reversed(range(length)))))
        orders += [(1.4, (*rest[:j], k, *rest[j:])) for k in range(length) for j in range(length - 1)
                   for rest in [[i for i in range(length) if i != k]]]  # fmt: skip
    for cost, order in orders:
        if order in seen:
            continue
        seen.add(order)
        yield Proposal(_ordered(node, order), cost, part=node.factors[next(k for k, i in enumerate(order) if k != i)])


def reorder_turned(place: Place) -> Iterator[Proposal]:
    """Two neighbours swapped and one of them turned: ``δ W`` as ``Wᵀ δ``."""
    node = place.node
    if not isinstance(node, ex.Product):
        return
    for k in range(len(node.factors) - 1):
        a, b = node.factors[k], node.factors[k + 1]
        if node.signs[k + 1] in ENTRYWISE or is_scalar(a, place.scene) or is_scalar(b, place.scene):
            continue
        for first, second in ((turned(b), a), (b, turned(a))):
            factors = (*node.factors[:k], first, second, *node.factors[k + 2 :])
            yield Proposal(ex.Product(factors=factors, signs=node.signs), 1.7, part=a, also=("SB102",))


def _ordered(node: ex.Product, order: tuple[int, ...]) -> Node:
    """Signs stay where they stand if all are one; a moved factor takes its sign along."""
    signs = node.signs
    if len(set(signs[1:])) > 1:
        signs = (signs[0], *(node.signs[i] if i else node.signs[1] for i in order[1:]))
    return ex.Product(factors=tuple(node.factors[i] for i in order), signs=signs, span=node.span, source=node.source)


def bracket(place: Place) -> Iterator[Proposal]:
    """Some factors of a product in brackets of their own."""
    node = place.node
    if not isinstance(node, ex.Product) or all(is_scalar(f, place.scene) for f in node.factors):
        return
    length = len(node.factors)
    mixed = len(set(node.signs[1:])) > 1
    for size in range(2, length):
        for start in range(length - size + 1):
            inner = product(node.factors[start : start + size], node.signs[start : start + size])
            factors = (*node.factors[:start], inner, *node.factors[start + size :])
            signs = (*node.signs[: start + 1], *node.signs[start + size :])
            after = replace(node, factors=factors, signs=signs)
            early = start > 0 and signs[start] not in ENTRYWISE  # the factor in front acted on too little
            code, also = ("SB101", ("SB212",)) if early else ("SB212", ())
            yield Proposal(after, 1.0 if mixed else 1.5, code, inner, also)


def unbracket(place: Place) -> Iterator[Proposal]:
    """Brackets within a product, or around a sum in it, taken away."""
    node = place.node
    if not isinstance(node, ex.Product):
        return
    for k, factor in enumerate(node.factors):
        if isinstance(factor, ex.Product):
            factors = (*node.factors[:k], *factor.factors, *node.factors[k + 1 :])
            signs = (*node.signs[: k + 1], *factor.signs[1:], *node.signs[k + 1 :])
            yield Proposal(ex.Product(factors=factors, signs=signs), 1.6, part=factor)
        last = k == len(node.factors) - 1
        if last and isinstance(factor, ex.Sum) and len(factor.terms) > 1 and not isinstance(factor.terms[0], ex.Number):
            first = product((*node.factors[:k], factor.terms[0]), node.signs)
            yield Proposal(ex.Sum(terms=(first, *factor.terms[1:]), signs=factor.signs), 1.6, part=factor)


def bracket_product(place: Place) -> Iterator[Proposal]:
    """``A Bᵀ`` as ``(A B)ᵀ``."""
    node = place.node
    if isinstance(node, ex.Product) and isinstance(node.factors[-1], ex.Transpose):
        inner = replace(node, factors=(*node.factors[:-1], node.factors[-1].of))
        yield Proposal(ex.Transpose(of=inner), 1.2, part=inner)


def bracket_sum(place: Place) -> Iterator[Proposal]:
    """Neighbouring terms in brackets, what stood before and behind them outside: ``a b + c d`` as ``a (b + c) d``."""
    node = place.node
    if not isinstance(node, ex.Sum):
        return
    for start, end in combinations(range(len(node.terms) + 1), 2):
        first, *rest = node.signs[start:end]
        for (opening, front), (closing, behind) in cartesian(_openings(node, start), _closings(node, end)):
            if end - start < 2 or front is behind is None:  # noqa: PLR2004 - one term needs no brackets
                continue
            terms = (opening, *node.terms[start + 1 : end - 1], closing)
            for sign in dict.fromkeys((first, 1)):  # the sign before the brackets, or that of the first in them
                inside = (1, *rest) if sign == first else (first, *rest)
                total = ex.Sum(terms=terms, signs=inside)
                after = behind(total) if behind else total
                after = front(after) if front else after
                cost = 1.0 + 0.1 * (start > 0) + 0.1 * (front is not None)
                yield Proposal(_within(node, start, end, after, sign), cost, part=total)


Outside: TypeAlias = "Callable[[Node], Node] | None"
"""Puts what stands outside of brackets around them."""


def _openings(node: ex.Sum, start: int) -> Iterator[tuple[Node, Outside]]:
    """What of a term may stand in brackets that open in it, and what then stands before them."""
    if start == len(node.terms):
        return
    term = node.terms[start]
    yield term, None
    if isinstance(term, ex.BigOperator):
        yield term.body, partial(put, term, (0,))
    if isinstance(term, ex.Product):
        for head, sign, tail in _cuts(term):
            yield tail, partial(_multiplied, head, sign)


def _closings(node: ex.Sum, end: int) -> Iterator[tuple[Node, Outside]]:
    """What of a term may stand in brackets that close in it, and what then stands behind them."""
    term = node.terms[end - 1]
    yield term, None
    if isinstance(term, ex.Power):
        yield term.base, partial(put, term, (0,))
    if isinstance(term, ex.Transpose):
        yield term.of, partial(put, term, (0,))
    if isinstance(term, ex.Product):
        for head, sign, tail in _cuts(term):
            yield head, partial(_multiplied, sign=sign, behind=tail)


def _cuts(node: ex.Product) -> Iterator[tuple[Node, ex.ProductSign, Node]]:
    """A product as two, in every way."""
    for cut in range(1, len(node.factors)):
        head, tail = (product(node.factors[part], node.signs[part]) for part in (slice(cut), slice(cut, None)))
        yield head, node.signs[cut], tail


def _multiplied(front: Node, sign: ex.ProductSign, behind: Node) -> Node:
    """A product of two, without brackets around products in it."""
    (head, signs), (tail, more) = _parts(front), _parts(behind)
    return ex.Product(factors=(*head, *tail), signs=(*signs, sign, *more[1:]))


def _parts(node: Node) -> tuple[tuple[Node, ...], tuple[ex.ProductSign, ...]]:
    return (node.factors, node.signs) if isinstance(node, ex.Product) else ((node,), ("juxtaposition",))


def _within(node: ex.Sum, start: int, end: int, middle: Node, sign: int = 1) -> Node:
    terms = (*node.terms[:start], middle, *node.terms[end:])
    signs = (*node.signs[:start], sign, *node.signs[end:])
    return terms[0] if len(terms) == 1 and signs[0] == 1 else ex.Sum(terms=terms, signs=signs)


def other_sign(place: Place) -> Iterator[Proposal]:
    """Another kind of product between two factors."""
    node = place.node
    if not isinstance(node, ex.Product):
        return
    entrywise = place.scene.entrywise
    for k in range(1, len(node.factors)):
        ranks = rank(node.factors[k - 1], place.scene), rank(node.factors[k], place.scene)
        if 0 in ranks:
            continue
        sign = node.signs[k]
        others: tuple[ex.ProductSign, ...] = (entrywise, "otimes")
        if sign in ENTRYWISE or sign == entrywise:
            others = ("juxtaposition", "otimes")
        elif sign == "otimes":
            others = (entrywise, "juxtaposition")
        for other in (o for o in others if o != sign):
            signs = (*node.signs[:k], other, *node.signs[k + 1 :])
            yield Proposal(replace(node, signs=signs), 1.0 if other != "otimes" else 1.4, part=node.factors[k])


def add_diag(place: Place) -> Iterator[Proposal]:
    """A factor as a diagonal matrix."""
    node = place.node
    in_product = isinstance(place.parent, ex.Product | ex.Sum) or (not place.above and place.path[0] > 0)
    if in_product and isinstance(node, ex.Call | ex.Sum | ex.Named | ex.Quantity) and not is_scalar(node, place.scene):
        cost = 1.1 if isinstance(node, ex.Call) else 1.5
        yield Proposal(ex.Operation(name="diag", arguments=(node,)), cost, also=("SB104",))


def add_diags(place: Place) -> Iterator[Proposal]:
    """Every slope of a product as a diagonal matrix, and every product in it as that of matrices."""
    node = place.node
    if not isinstance(node, ex.Product):
        return
    slopes = [isinstance(f, ex.Call) and f.order > 0 and not is_scalar(f, place.scene) for f in node.factors]
    if sum(slopes) > 1:
        factors = tuple(
            ex.Operation(name="diag", arguments=(f,)) if slope else f
            for f, slope in zip(node.factors, slopes, strict=True)
        )
        first = next(f for f, slope in zip(node.factors, slopes, strict=True) if slope)
        yield Proposal(replace(node, factors=factors), 1.15, part=first, also=("SB104",))
        signs: tuple[ex.ProductSign, ...] = tuple("juxtaposition" for _ in factors)
        if signs != node.signs:
            yield Proposal(replace(node, factors=factors, signs=signs), 1.5, part=first, also=("SB104",))


def drop_diag(place: Place) -> Iterator[Proposal]:
    """What stands in diag, alone."""
    if isinstance(place.node, ex.Operation) and place.node.name == "diag" and len(place.node.arguments) == 1:
        yield Proposal(place.node.arguments[0], 1.3)


def swap_arguments(place: Place) -> Iterator[Proposal]:
    """The two arguments of an operator of the author's in the other order."""
    node = place.node
    if isinstance(node, ex.Applied) and len(node.arguments) == 2:  # noqa: PLR2004 - two to swap
        yield Proposal(replace(node, arguments=node.arguments[::-1]), 1.1)


ROWS = (
    Row("arguments", "SB101", swap_arguments),
    Row("transpose", "SB102", add_transpose),
    Row("no transpose", "SB103", drop_transpose),
    Row("transposed product", "SB102", turn_product),
    Row("order", "SB101", reorder),
    Row("order and transpose", "SB101", reorder_turned),
    Row("brackets", "SB212", bracket),
    Row("no brackets", "SB212", unbracket),
    Row("brackets of a product", "SB212", bracket_product),
    Row("brackets of a sum", "SB212", bracket_sum),
    Row("product", "SB104", other_sign),
    Row("diag", "SB105", add_diag),
    Row("diags", "SB105", add_diags),
    Row("no diag", "SB104", drop_diag),
)
