"""Factors and terms that are too many or missing, and Kronecker deltas."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from symbackprop.affine import var
from symbackprop.handwritten import expression as ex
from symbackprop.verify.edits import Place, Proposal, Row, everywhere, is_scalar, letters_of, rank
from symbackprop.verify.edits_parts import argument_of, arrays_alike, near_names, slopes, weights
from symbackprop.verify.edits_products import ENTRYWISE, product
from symbackprop.verify.edits_values import squared, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.handwritten.expression import Node


def drop_factor(place: Place) -> Iterator[Proposal]:
    """A product without one of its factors."""
    node = place.node
    if place.left:
        return
    if isinstance(node, ex.Product):
        for k, factor in enumerate(node.factors):
            factors = (*node.factors[:k], *node.factors[k + 1 :])
            signs = (*node.signs[:k], *node.signs[k + 1 :])
            code = "SB216" if is_constant(factor) else ""
            if factor == place.scene.variable:
                code = "SB217"  # the derivative by it is what multiplies it
            yield Proposal(product(factors, signs), 1.1, code, factor)
    elif isinstance(node, ex.Quotient):
        yield Proposal(node.over, 1.4, "SB216" if is_constant(node.under) else "", node.under)


def is_constant(node: Node) -> bool:
    """True for numbers and sizes, and what is made of them."""
    return all(isinstance(n, ex.Number | ex.Letter | ex.Quotient | ex.Product | ex.Power) for n in ex.walk(node))


def add_factor(place: Place) -> Iterator[Proposal]:
    """A factor more: a part that occurs in the statement, a slope, the derivative of the loss by an array."""
    node = place.node
    if place.left or place.in_derivative or isinstance(node, ex.Number | ex.Letter | ex.Update | ex.Cases):
        return
    if isinstance(place.parent, ex.Product | ex.Transpose | ex.Call | ex.Power):
        return
    own = node.factors if isinstance(node, ex.Product) else (node,)
    if len(place.above) < 2:  # noqa: PLR2004 - the whole or a term of it
        yield from _of_the_derivation(place, own)
    scalar = all(is_scalar(f, place.scene) for f in own)
    entrywise: ex.ProductSign = "juxtaposition" if scalar else place.scene.entrywise
    siblings = place.parent.terms if isinstance(place.parent, ex.Sum) else ()
    amid_arrays = any(not is_scalar(term, place.scene) for term in siblings)
    for factor, cost in _candidates(place):
        if scalar and not is_scalar(factor, place.scene) and not amid_arrays:
            continue
        for sign_ in dict.fromkeys((entrywise, "juxtaposition")):
            yield Proposal(_joined(node, factor, sign_, front=False), cost, part=factor)
            if sign_ == "juxtaposition" and not scalar:
                yield Proposal(_joined(node, factor, sign_, front=True), cost, part=factor)
                if isinstance(node, ex.Product) and ENTRYWISE & {*node.signs}:
                    outside = ex.Product(factors=(factor, node), signs=("juxtaposition", "juxtaposition"))
                    yield Proposal(outside, cost, part=factor)
                if isinstance(node, ex.Product):
                    for k in range(1, len(node.factors)):
                        factors = (*node.factors[:k], factor, *node.factors[k:])
                        signs: tuple[ex.ProductSign, ...] = (*node.signs[:k], "juxtaposition", *node.signs[k:])
                        yield Proposal(replace(node, factors=factors, signs=signs), cost + 0.1, part=factor)


def _of_the_derivation(place: Place, own: tuple[Node, ...]) -> Iterator[Proposal]:
    """Terms of the right formula that have these factors and more."""
    for term in place.scene.derived:
        if isinstance(term, ex.Product) and set(own) < set(term.factors):
            missing = next(factor for factor in term.factors if factor not in own)
            yield Proposal(term, 1.4, part=missing)


def _joined(node: Node, factor: Node, sign_: ex.ProductSign, *, front: bool) -> Node:
    """A product with one more factor; entrywise after the rest is done."""
    if isinstance(node, ex.Product):
        if front:
            return replace(node, factors=(factor, *node.factors), signs=("juxtaposition", sign_, *node.signs[1:]))
        if sign_ == "juxtaposition" or all(s in {"juxtaposition", sign_} for s in node.signs):
            return replace(node, factors=(*node.factors, factor), signs=(*node.signs, sign_))
    parts = (factor, node) if front else (node, factor)
    return ex.Product(factors=parts, signs=("juxtaposition", sign_))


def _candidates(place: Place) -> Iterator[tuple[Node, float]]:  # noqa: C901, PLR0912 - a branch a kind of factor
    """Factors that the chain rule may ask for."""
    scene = place.scene
    tensors = scene.network.tensors
    seen: set[Node] = set()
    for factor in scene.factors:
        if factor not in seen and not isinstance(factor, ex.Sum):
            seen.add(factor)
            yield factor, 1.5
    for leaf in scene.leaves:
        if not isinstance(leaf, ex.Quantity) or leaf.tensor not in tensors:
            continue
        if leaf not in seen:
            seen.add(leaf)
            yield leaf, 1.6
        before = argument_of(place, leaf)
        for each in (*slopes(place, leaf), *(slopes(place, before) if before is not None else ())):
            if each not in seen:
                seen.add(each)
                yield each, 1.5
        for step in (0, 1, -1):
            family = tuple(form + step for form in leaf.family)
            if (step and not family) or tensors[leaf.tensor].role in {"input", "parameter", "loss"}:
                continue
            by = ex.Quantity(tensor=leaf.tensor, family=family, element=leaf.element)
            upstream = ex.Derivative(of=ex.Quantity(tensor=scene.loss), by=by)
            if upstream not in seen:
                seen.add(upstream)
                yield upstream, 1.6
    for named in near_names(scene):
        if named not in seen:
            seen.add(named)
            yield named, 1.6
    derived = (
        n for term in scene.derived for n in ex.walk(term) if isinstance(n, ex.Derivative | ex.Transpose | ex.Named)
    )
    for array in (*derived, *arrays_alike(scene), *weights(scene)):
        if array not in seen:
            seen.add(array)
            yield array, 1.65


def drop_term(place: Place) -> Iterator[Proposal]:
    """A sum without one of its terms."""
    node = place.node
    if not isinstance(node, ex.Sum) or len(node.terms) < 2 or place.left:  # noqa: PLR2004 - one term stays
        return
    for k, term in enumerate(node.terms):
        terms = (*node.terms[:k], *node.terms[k + 1 :])
        signs = (*node.signs[:k], *node.signs[k + 1 :])
        after = terms[0] if len(terms) == 1 and signs == (1,) else replace(node, terms=terms, signs=signs)
        yield Proposal(after, 0.9 if term in terms else 1.3, part=term)


def add_term(place: Place) -> Iterator[Proposal]:
    """A sum with one more term: a part that occurs, or what stands there in another layer or turned."""
    node = place.node
    if place.left or place.in_derivative:
        return
    if isinstance(place.parent, ex.Product) and isinstance(node, ex.Quantity):
        yield from _differences(place, node)
    yield from _ones(place)
    if isinstance(place.parent, ex.Product | ex.Transpose | ex.Call | ex.Sum):
        return
    for extra in _terms(place):
        if extra == node:
            continue
        if isinstance(node, ex.Sum):
            after: Node = replace(node, terms=(*node.terms, extra), signs=(*node.signs, 1))
        else:
            after = ex.Sum(terms=(node, extra), signs=(1, 1))
        yield Proposal(after, 1.9, part=extra)
    if not place.above:
        terms, signs = (node.terms, node.signs) if isinstance(node, ex.Sum) else ((node,), (1,))
        for extra in place.scene.derived if len(place.scene.derived) > 1 else ():
            yield Proposal(ex.Sum(terms=(*terms, extra), signs=(*signs, 1)), 1.35, part=extra)


_ONE = ex.Number(value=Fraction(1))


def _ones(place: Place) -> Iterator[Proposal]:
    """``1 - a`` for ``a`` or 1 as a factor, and for ``-a`` anywhere, that of ``-b a`` too."""
    node = place.node
    if isinstance(node, ex.Power | ex.Call | ex.Quantity | ex.Named) and isinstance(place.parent, ex.Product):
        yield Proposal(ex.Sum(terms=(_ONE, node), signs=(1, -1)), 1.6, part=_ONE)
    if node == _ONE and isinstance(place.parent, ex.Product):
        others = dict.fromkeys(f for f in (*place.parent.factors, *place.scene.leaves) if f != _ONE)
        for other in others:
            yield from (Proposal(ex.Sum(terms=(_ONE, n), signs=(1, -1)), 1.0, part=n) for n in (other, squared(other)))
    if not isinstance(node, ex.Sum):
        return
    if node.signs[0] == -1:
        yield Proposal(replace(node, terms=(_ONE, *node.terms), signs=(1, *node.signs)), 1.3, part=_ONE)
    for k, (term, sign) in enumerate(zip(node.terms, node.signs, strict=True)):
        if sign == -1 and isinstance(term, ex.Product):
            for n, factor in enumerate(term.factors):
                rest = ex.Sum(terms=(_ONE, factor), signs=(1, -1))
                whole = replace(term, factors=(*term.factors[:n], rest, *term.factors[n + 1 :]))
                terms = (*node.terms[:k], whole, *node.terms[k + 1 :])
                signs = (*node.signs[:k], 1, *node.signs[k + 1 :])
                yield Proposal(whole if len(terms) == 1 else replace(node, terms=terms, signs=signs), 1.5, part=_ONE)


def _differences(place: Place, node: ex.Quantity) -> Iterator[Proposal]:
    """``h - x`` for ``h``, with any array of the same axes."""
    tensors = place.scene.network.tensors
    own = tensors.get(node.tensor)
    for name, tensor in tensors.items():
        alike = own is not None and tensor.named and (tensor.axes, tensor.family) == (own.axes, own.family)
        if alike and name != node.tensor and tensor.role != "parameter":
            other = replace(node, tensor=name, span=None, source="")
            yield Proposal(ex.Sum(terms=(node, other), signs=(1, -1)), 1.8, part=other)


def _terms(place: Place) -> Iterator[Node]:
    """Terms that occur as factors, the node itself turned or in the next layer, names, the identity of a skip."""
    node, scene = place.node, place.scene
    yield from (f for f in scene.factors if rank(f, scene) in {rank(node, scene), None})
    if isinstance(node, ex.Product | ex.Derivative):
        yield ex.Transpose(of=node)
        for letter in sorted(scene.layers):
            for step in (1, -1):
                image = {letter: var(letter) + step}
                yield everywhere(node, lambda form, image=image: form.substitute(image))  # type: ignore[misc]
    yield from (named for named in near_names(scene) if rank(named, scene) == rank(node, scene))
    head = scene.members[0]
    if not place.above and isinstance(head, ex.Derivative) and rank(head, scene) == len(("of", "by")):
        yield ex.Operation(name="identity", arguments=())


def delta(place: Place) -> Iterator[Proposal]:
    """A Kronecker delta of two letters of the left side: a factor of the whole, or in the place of a 1."""
    one = place.node == ex.Number(value=Fraction(1)) and isinstance(place.parent, ex.Sum)
    if (place.above and not one) or place.left or len(place.scene.members) < 2:  # noqa: PLR2004 - needs a left side
        return
    layers = place.scene.layers
    head = place.scene.members[0]
    if not isinstance(head, ex.Derivative) or head.of is None:
        return
    above, below = letters_of(head.of), letters_of(head.by)
    for a in (x for x in above if x not in layers and x not in below):
        for b in (x for x in below if x not in layers and x not in above):
            arguments = (ex.Letter(form=var(a)), ex.Letter(form=var(b)))
            kronecker = ex.Operation(name="kronecker", arguments=arguments)
            yield Proposal(kronecker if one else times(kronecker, place.node), 1.0 if one else 1.1)


ROWS = (
    Row("no factor", "SB209", drop_factor),
    Row("factor", "SB208", add_factor),
    Row("no term", "SB219", drop_term),
    Row("term", "SB218", add_term),
    Row("delta", "SB214", delta),
)
