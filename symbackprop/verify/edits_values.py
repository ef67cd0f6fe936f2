"""Changes of value: other arrays, functions and slopes, constants and signs, factors and terms too many or too few."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, size, var
from symbackprop.handwritten import expression as ex
from symbackprop.index import refs_of
from symbackprop.verify.edits import Place, Proposal, Row, everywhere, is_scalar, letters_of, rank
from symbackprop.verify.edits_products import product

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.handwritten.expression import Node

# ---------------------------------------------------------------------------------------------------------------------
# Other arrays


def other_array(place: Place) -> Iterator[Proposal]:
    """Another array of as many indices in the place of one."""
    if place.left and not place.in_derivative:
        return
    code = "SB210" if any(isinstance(n, ex.Call) for n in place.above) else ""
    for other, cost in _others(place, place.node):
        yield Proposal(other, cost + 0.5 * place.in_derivative + 0.4 * place.left, code)


def _others(place: Place, node: Node) -> Iterator[tuple[Node, float]]:  # noqa: C901, PLR0912 - a branch a kind of leaf
    """What could stand for a leaf."""
    scene = place.scene
    tensors = scene.network.tensors
    if isinstance(node, ex.Quantity) and node.tensor in tensors:
        own = tensors[node.tensor]
        for name, tensor in tensors.items():
            if name == node.tensor or not tensor.named:
                continue
            same = len(tensor.axes) == len(own.axes)
            if same and len(tensor.family) == len(own.family):
                yield replace(node, tensor=name), 1.0 if tensor.role == own.role else 1.1
            elif same and tensor.axes and not tensor.family and not node.element:
                yield replace(node, tensor=name, family=()), 1.5
            elif (
                len(own.axes) == len(tensor.axes) - 1
                and own.axes == tensor.axes[1:]
                and not (node.element or node.family or tensor.family)
            ):
                yield replace(node, tensor=name), 1.7
    axes = rank(node, scene)
    if isinstance(node, ex.Quantity | ex.Named):
        count = len(node.index) if isinstance(node, ex.Named) else len(node.family) + len(node.element)
        for leaf in scene.leaves:
            if leaf != node and type(leaf) is not type(node) and axes is not None and rank(leaf, scene) == axes:
                yield replace(leaf, span=node.span, source=""), 1.4
        if isinstance(node, ex.Named):
            for known in scene.names.values():
                if known.name != node.name and len(known.letters) == count:
                    yield replace(node, name=known.name), 1.1
            for leaf in scene.leaves:
                if isinstance(leaf, ex.Named) and leaf.name != node.name and len(leaf.index) != count:
                    yield leaf, 1.5


def everywhere_array(place: Place) -> Iterator[Proposal]:
    """One array in the place of another throughout a member."""
    if place.above or place.left:
        return
    counts: dict[str, int] = {}
    for n in ex.walk(place.node):
        if isinstance(n, ex.Quantity):
            counts[n.tensor] = counts.get(n.tensor, 0) + 1
    tensors = place.scene.network.tensors
    for name, uses in counts.items():
        if uses < 2 or name not in tensors:  # noqa: PLR2004 - a single use is another row
            continue
        own = tensors[name]
        for other, tensor in tensors.items():
            if (
                other != name
                and tensor.named
                and len(tensor.axes) == len(own.axes)
                and len(tensor.family) == len(own.family)
            ):
                code = "SB210" if _feeds(place, name, other) or _feeds(place, other, name) else ""
                yield Proposal(_substituted(place.node, name, other), 1.4, code)


def _feeds(place: Place, name: str, other: str) -> bool:
    """True where one array is a function of the other alone, as an activation is of its argument."""
    for equation in place.scene.network.definitions(other):
        sources = {ref.tensor for term in equation.terms for factor in term.factors for ref in refs_of(factor)}
        if sources == {name}:
            return True
    return False


def _substituted(node: Node, name: str, other: str) -> Node:
    node = ex.mapped(node, lambda child: _substituted(child, name, other))
    return replace(node, tensor=other) if isinstance(node, ex.Quantity) and node.tensor == name else node


def declared(place: Place) -> Iterator[Proposal]:
    """A known name in the place of one that nothing declares."""
    if not isinstance(place.node, ex.Unknown):
        return
    scene = place.scene
    for leaf in scene.leaves:
        yield Proposal(leaf, 1.0)
    shown = {n.tensor for n in scene.leaves if isinstance(n, ex.Quantity)}
    for name, tensor in scene.network.tensors.items():
        if not tensor.named or name in shown:
            continue
        if not tensor.family:
            yield Proposal(ex.Quantity(tensor=name), 1.1)
        for letter in sorted(scene.layers):
            if len(tensor.family) == 1:
                for step in (0, -1, 1):
                    yield Proposal(ex.Quantity(tensor=name, family=(var(letter) + step,)), 1.2 + 0.1 * abs(step))
    for known in scene.names.values():
        if not known.letters:
            yield Proposal(ex.Named(name=known.name), 1.1)


# ---------------------------------------------------------------------------------------------------------------------
# Functions


def slope(place: Place) -> Iterator[Proposal]:
    """The slope for the function, or the function for the slope."""
    node = place.node
    if not isinstance(node, ex.Call) or len(node.arguments) != 1:
        return
    if node.order == 0:
        yield Proposal(replace(node, order=1), 1.0, "SB217")
    else:
        yield Proposal(replace(node, order=node.order - 1), 1.0)


def other_function(place: Place) -> Iterator[Proposal]:
    """Another function of the network."""
    node = place.node
    if not isinstance(node, ex.Call):
        return
    functions = place.scene.network.functions
    used = {n.function for m in place.scene.members for n in ex.walk(m) if isinstance(n, ex.Call)}
    known = dict.fromkeys((*sorted(used), *functions, *_named_functions(place)))
    own = functions.get(node.function)
    for name in known:
        row = functions.get(name)
        if name != node.function and (row.family if row else 0) == (own.family if own else 0):
            yield Proposal(replace(node, function=name), 1.1)


def _named_functions(place: Place) -> Iterator[str]:
    """Activations in the forward equations."""
    for equation in place.scene.network.equations:
        for term in equation.terms:
            for factor in term.factors:
                template = getattr(factor, "template", None)
                for call in getattr(template, "atoms", tuple)():
                    name = getattr(getattr(call, "func", None), "name", None)
                    if isinstance(name, str) and name.isidentifier():
                        yield name


def argument(place: Place) -> Iterator[Proposal]:
    """Another argument of a function or slope: any part of as many axes that occurs, or an array of the network."""
    node = place.node
    if not isinstance(node, ex.Call) or len(node.arguments) != 1:
        return
    (own,) = node.arguments
    if not isinstance(own, ex.Quantity | ex.Named):
        for name, tensor in place.scene.network.tensors.items():
            if tensor.named and len(tensor.axes) == rank(own, place.scene) and not tensor.family:
                yield Proposal(replace(node, arguments=(ex.Quantity(tensor=name),)), 1.4, part=own)
    for other in place.scene.leaves:
        if other != own and rank(other, place.scene) == rank(own, place.scene):
            yield Proposal(replace(node, arguments=(other,)), 1.2, part=own)


def power(place: Place) -> Iterator[Proposal]:
    """A square, or an inverse, that is missing or too much: ``1 - a`` for ``1 - a²``."""
    node = place.node
    if isinstance(node, ex.Power) and isinstance(node.exponent, ex.Number):
        yield Proposal(node.base, 1.4)
        if node.exponent.value < 0:
            yield Proposal(replace(node, exponent=ex.Number(value=-node.exponent.value)), 1.3)
    elif (
        isinstance(node, ex.Quantity | ex.Named | ex.Call)
        and isinstance(place.parent, ex.Sum)
        and not place.in_derivative
    ):
        yield Proposal(ex.Power(base=node, exponent=ex.Number(value=Fraction(2))), 1.3)


# ---------------------------------------------------------------------------------------------------------------------
# Constants and signs

_CONSTANTS = (Fraction(2), Fraction(1, 2), Fraction(4), Fraction(1, 4))


def constant(place: Place) -> Iterator[Proposal]:
    """Another number, a factor 2, 1/2 or 1/N more, one less."""
    node, parent = place.node, place.parent
    if place.left:
        return
    if isinstance(node, ex.Number) and isinstance(parent, ex.Product | ex.Quotient | ex.Sum | type(None)):
        for value in (node.value * 2, node.value / 2, Fraction(1), Fraction(2), node.value + 1, node.value - 1):
            if value not in {node.value, 0}:
                yield Proposal(ex.Number(value=value), 1.1)
    if parent is None:
        yield from (Proposal(_times(ex.Number(value=c), node), 1.0) for c in _CONSTANTS[:2])
        yield from (Proposal(_times(ex.Number(value=c), node), 1.4) for c in _CONSTANTS[2:])
        for form in _means(place):
            one = ex.Quotient(over=ex.Number(value=Fraction(1)), under=ex.Letter(form=form))
            yield Proposal(_times(one, node), 1.1)
            yield Proposal(_times(ex.Letter(form=form), node), 1.2)
    elif isinstance(parent, ex.Sum):
        yield from (Proposal(_times(ex.Number(value=c), node), 1.2) for c in _CONSTANTS[:2])
    if isinstance(node, ex.Quotient) and isinstance(node.under, ex.Letter | ex.Number):
        yield Proposal(node.over, 1.2)


def _means(place: Place) -> Iterator[Affine]:
    """Sizes whose inverse may be a factor: that of the examples first."""
    network = place.scene.network
    names = [network.batch] if network.batch else []
    names += [name for name, value in network.sizes.items() if isinstance(value, int) and name not in names]
    yield from (size(name) for name in names[:4])


def _times(factor: Node, node: Node) -> Node:
    if isinstance(node, ex.Product):
        return replace(node, factors=(factor, *node.factors), signs=("juxtaposition", "juxtaposition", *node.signs[1:]))
    if isinstance(node, ex.Sum) and node.signs[0] == -1 and len(node.terms) == 1:
        return replace(node, terms=(_times(factor, node.terms[0]),))
    return ex.Product(factors=(factor, node), signs=("juxtaposition", "juxtaposition"))


def sign(place: Place) -> Iterator[Proposal]:
    """The sign of one term turned, or of all."""
    node = place.node
    if place.left:
        return
    if isinstance(node, ex.Sum):
        for k, each in enumerate(node.signs):
            signs = (*node.signs[:k], -each, *node.signs[k + 1 :])
            plain = len(node.terms) == 1 and signs == (1,)
            yield Proposal(node.terms[0] if plain else replace(node, signs=signs), 1.0, part=node.terms[k])
        if len(node.terms) > 1:
            yield Proposal(replace(node, signs=tuple(-s for s in node.signs)), 1.1)
    elif not place.above:
        yield Proposal(ex.Sum(terms=(node,), signs=(-1,)), 1.0)
    if isinstance(node, ex.Sum) and len(node.terms) == 2 and node.signs == (1, -1):  # noqa: PLR2004 - a difference
        yield Proposal(replace(node, terms=(node.terms[1], node.terms[0])), 0.95)


# ---------------------------------------------------------------------------------------------------------------------
# Factors and terms


def drop_factor(place: Place) -> Iterator[Proposal]:
    """A product without one of its factors."""
    node = place.node
    if place.left:
        return
    if isinstance(node, ex.Product):
        for k, factor in enumerate(node.factors):
            factors = (*node.factors[:k], *node.factors[k + 1 :])
            signs = (*node.signs[:k], *node.signs[k + 1 :])
            code = "SB216" if isinstance(factor, ex.Number) else ""
            if factor == place.scene.variable:
                code = "SB217"  # the derivative by it is what multiplies it
            yield Proposal(product(factors, signs), 1.1, code, factor)
    elif isinstance(node, ex.Quotient):
        yield Proposal(node.over, 1.4, part=node.under)


def add_factor(place: Place) -> Iterator[Proposal]:
    """A factor more: a part that occurs in the statement, a slope, the derivative of the loss by an array."""
    node = place.node
    if place.left or place.in_derivative or isinstance(node, ex.Number | ex.Letter | ex.Update):
        return
    if isinstance(place.parent, ex.Product | ex.Transpose | ex.Call | ex.Power):
        return
    scalar = all(is_scalar(f, place.scene) for f in (node.factors if isinstance(node, ex.Product) else (node,)))
    entrywise: ex.ProductSign = "juxtaposition" if scalar else place.scene.entrywise
    for factor, cost in _candidates(place):
        if scalar and not is_scalar(factor, place.scene):
            continue
        for sign_ in dict.fromkeys((entrywise, "juxtaposition")):
            yield Proposal(_joined(node, factor, sign_, front=False), cost, part=factor)
            if sign_ == "juxtaposition" and not scalar:
                yield Proposal(_joined(node, factor, sign_, front=True), cost, part=factor)
                if isinstance(node, ex.Product):
                    for k in range(1, len(node.factors)):
                        factors = (*node.factors[:k], factor, *node.factors[k:])
                        signs: tuple[ex.ProductSign, ...] = (*node.signs[:k], "juxtaposition", *node.signs[k:])
                        yield Proposal(replace(node, factors=factors, signs=signs), cost + 0.1, part=factor)


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
        for each in _slopes(place, leaf):
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
    claimed = scene.members[0].index if isinstance(scene.members[0], ex.Named) else ()
    for known in scene.names.values():
        if len(known.letters) in {0, len(claimed)}:
            named = ex.Named(name=known.name, index=claimed if known.letters else ())
            if named not in seen and named != scene.members[0]:
                seen.add(named)
                yield named, 1.6


def _slopes(place: Place, leaf: ex.Quantity) -> Iterator[Node]:
    """Slopes of the functions of the statement and of the network at an array."""
    scene = place.scene
    used = {(n.function, len(n.family)) for m in scene.members for n in ex.walk(m) if isinstance(n, ex.Call)}
    known = {(name, row.family) for name, row in scene.network.functions.items() if row.kind != "opaque loss"}
    known |= {(name, 0) for name in _named_functions(place) if name not in scene.network.functions}
    for name, families in sorted(used | known):
        if families == 0:
            yield ex.Call(function=name, arguments=(leaf,), order=1)
        elif len(leaf.family) == families:
            yield ex.Call(function=name, arguments=(leaf,), order=1, family=leaf.family)


def drop_term(place: Place) -> Iterator[Proposal]:
    """A sum without one of its terms."""
    node = place.node
    if not isinstance(node, ex.Sum) or len(node.terms) < 2 or place.left:  # noqa: PLR2004 - one term stays
        return
    for k, term in enumerate(node.terms):
        terms = (*node.terms[:k], *node.terms[k + 1 :])
        signs = (*node.signs[:k], *node.signs[k + 1 :])
        after = terms[0] if len(terms) == 1 and signs == (1,) else replace(node, terms=terms, signs=signs)
        yield Proposal(after, 1.3, part=term)


def add_term(place: Place) -> Iterator[Proposal]:
    """A sum with one more term: a part that occurs, or what stands there in another layer or turned."""
    node = place.node
    if place.left or place.in_derivative or isinstance(place.parent, ex.Product | ex.Transpose | ex.Call | ex.Sum):
        return
    pool: list[Node] = [f for f in place.scene.factors if rank(f, place.scene) in {rank(node, place.scene), None}]
    if isinstance(node, ex.Product | ex.Derivative):
        pool.append(ex.Transpose(of=node))
        for letter in sorted(place.scene.layers):
            for step in (1, -1):
                image = {letter: var(letter) + step}
                pool.append(everywhere(node, lambda form, image=image: form.substitute(image)))  # type: ignore[misc]
    for extra in pool:
        if extra == node:
            continue
        if isinstance(node, ex.Sum):
            after: Node = replace(node, terms=(*node.terms, extra), signs=(*node.signs, 1))
        else:
            after = ex.Sum(terms=(node, extra), signs=(1, 1))
        yield Proposal(after, 1.9, part=extra)
    for one in (Fraction(1),):
        if isinstance(node, ex.Power | ex.Call | ex.Quantity) and isinstance(place.parent, ex.Product):
            yield Proposal(ex.Sum(terms=(ex.Number(value=one), node), signs=(1, -1)), 1.6)


def delta(place: Place) -> Iterator[Proposal]:
    """A Kronecker delta of two letters of the left side."""
    if place.above or place.left or len(place.scene.members) < 2:  # noqa: PLR2004 - needs a left side
        return
    layers = place.scene.layers
    head = place.scene.members[0]
    if not isinstance(head, ex.Derivative) or head.of is None:
        return
    above, below = letters_of(head.of), letters_of(head.by)
    for a in (x for x in above if x not in layers and x not in below):
        for b in (x for x in below if x not in layers and x not in above):
            arguments = (ex.Letter(form=var(a)), ex.Letter(form=var(b)))
            yield Proposal(_times(ex.Operation(name="kronecker", arguments=arguments), place.node), 1.1)


ROWS = (
    Row("array", "SB207", other_array),
    Row("array everywhere", "SB207", everywhere_array),
    Row("declared", "SB401", declared, also=("SB207",)),
    Row("slope", "SB211", slope),
    Row("function", "SB211", other_function),
    Row("argument", "SB210", argument),
    Row("power", "SB216", power),
    Row("constant", "SB216", constant),
    Row("sign", "SB215", sign),
    Row("no factor", "SB209", drop_factor),
    Row("factor", "SB208", add_factor),
    Row("no term", "SB219", drop_term),
    Row("term", "SB218", add_term),
    Row("delta", "SB214", delta),
)
