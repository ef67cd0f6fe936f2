"""Changes of value: other arrays, functions and slopes, constants and signs, factors and terms too many or too few."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, size, var
from symbackprop.handwritten import expression as ex
from symbackprop.index import refs_of
from symbackprop.verify.edits import Place, Proposal, Row, rank
from symbackprop.verify.edits_parts import argument_of, calls, named_functions, slopes
from symbackprop.verify.edits_products import product

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.handwritten.expression import Node

# ---------------------------------------------------------------------------------------------------------------------
# Other arrays


_PLAIN = frozenset(("exp", "log", "sqrt", "abs", "max", "softmax", "logsumexp"))
"""Functions that are not activations."""


def other_array(place: Place) -> Iterator[Proposal]:
    """Another array of as many indices in the place of one."""
    if place.left and not place.in_derivative:
        return
    calls = (n for n in place.above if isinstance(n, ex.Call))
    code = "SB210" if any(n.order or n.function not in _PLAIN for n in calls) else ""
    for other, cost in _others(place, place.node):
        yield Proposal(other, cost + 0.5 * place.in_derivative + 0.7 * place.left, code)


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
    for signal in _signals(place, node):
        if rank(signal, scene) == axes:  # a derivative in the place of an array hides which factors are missing
            yield signal, 1.9 if isinstance(signal, ex.Derivative) else 1.25
    if isinstance(node, ex.Quantity | ex.Named):
        count = len(node.index) if isinstance(node, ex.Named) else len(node.family) + len(node.element)
        for leaf in scene.leaves:
            if leaf != node and _another_form(leaf, node) and axes is not None and rank(leaf, scene) == axes:
                yield replace(leaf, span=node.span, source=""), 1.4
        if isinstance(node, ex.Quantity) and not (node.element or place.in_derivative or place.above[:1] == ()):
            yield from ((call, 1.5) for call in calls(place, node))
        if isinstance(node, ex.Quantity) and any(isinstance(e, ex.Slice) for e in node.element):
            for name, tensor in tensors.items():
                if tensor.named and not tensor.family and len(tensor.axes) == axes:
                    yield ex.Quantity(tensor=name, span=node.span), 1.2
        if isinstance(node, ex.Named):
            for known in scene.names.values():
                if known.name != node.name and len(known.letters) == count:
                    yield replace(node, name=known.name), 1.1
            for leaf in scene.leaves:
                if isinstance(leaf, ex.Named) and leaf.name != node.name and len(leaf.index) != count:
                    yield leaf, 1.5


def _signals(place: Place, node: Node) -> Iterator[Node]:
    """Error signals with the indices of an array, by name or as derivatives of the loss; arrays for such a signal."""
    scene, tensors = place.scene, place.scene.network.tensors
    if place.in_derivative:
        return
    if isinstance(node, ex.Derivative) and isinstance(node.by, ex.Quantity):
        indices: tuple[Affine | ex.Slice, ...] = (*node.by.family, *node.by.element)
    elif isinstance(node, ex.Quantity | ex.Named):
        indices = (*(node.family if isinstance(node, ex.Quantity) else node.index), *node.element)
    else:
        return
    for known in scene.names.values() if not isinstance(node, ex.Named) else ():
        index = tuple(form for form in indices[: len(known.letters)] if isinstance(form, Affine))
        if known.rank is not None and len(index) == len(known.letters):
            yield ex.Named(name=known.name, index=index, element=indices[len(index) :])
    for name, tensor in tensors.items():
        family = tuple(form for form in indices[: len(tensor.family)] if isinstance(form, Affine))
        element = indices[len(family) :]
        if len(family) != len(tensor.family) or len(element) not in {0, len(tensor.axes)} or name == scene.loss:
            continue
        array = ex.Quantity(tensor=name, family=family, element=element)
        if not isinstance(node, ex.Quantity):
            if tensor.named:
                yield array
        elif tensor.role not in {"parameter", "input"} and scene.loss and not scene.names:
            yield ex.Derivative(of=ex.Quantity(tensor=scene.loss), by=array)


def _another_form(leaf: Node, node: Node) -> bool:
    """True where one is a name and the other an array, or one a slice and the other an array of its own."""
    if isinstance(leaf, ex.Quantity) and isinstance(node, ex.Quantity):
        return leaf.tensor != node.tensor and len(leaf.element) != len(node.element)
    return type(leaf) is not type(node)


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
    """The slope for the function, or the function for the slope; the slope for what it is taken at."""
    node = place.node
    if (
        isinstance(node, ex.Quantity)
        and isinstance(place.parent, ex.Product)
        and not (place.left or place.in_derivative)
    ):
        before = argument_of(place, node)
        for argument in (node, before) if before is not None else (node,):
            yield from (Proposal(each, 1.3) for each in slopes(place, argument))
    if not (place.left or place.in_derivative):
        yield from _slope_of_value(place)
    if not isinstance(node, ex.Call) or len(node.arguments) != 1:
        return
    if node.order == 0:
        yield Proposal(replace(node, order=1), 1.0, "SB217")
    else:
        yield Proposal(replace(node, order=node.order - 1), 1.0)


def _slope_of_value(place: Place) -> Iterator[Proposal]:
    """``a (1 - a)`` or ``1 - a²``, the slope of another function, as the slope of the function that gives ``a``."""
    node = place.node
    one = ex.Number(value=Fraction(1))
    if isinstance(node, ex.Sum) and node.signs == (1, -1) and node.terms[0] == one:
        square = node.terms[1]
        if isinstance(square, ex.Power) and square.exponent == ex.Number(value=Fraction(2)):
            yield from (Proposal(each, 1.2) for each in _slopes_behind(place, square.base))
    if isinstance(node, ex.Product):
        for k, factor in enumerate(node.factors):
            rest = ex.Sum(terms=(one, factor), signs=(1, -1))
            if rest in node.factors:
                other = node.factors.index(rest)
                for each in _slopes_behind(place, factor):
                    factors = tuple(each if n == k else f for n, f in enumerate(node.factors) if n != other)
                    signs = tuple(s for n, s in enumerate(node.signs) if n != other)
                    yield Proposal(product(factors, signs), 1.2)


def _slopes_behind(place: Place, value: Node) -> Iterator[Node]:
    before = argument_of(place, value) if isinstance(value, ex.Quantity) else None
    if before is not None:
        yield from slopes(place, before)


def other_function(place: Place) -> Iterator[Proposal]:
    """Another function of the network."""
    node = place.node
    if not isinstance(node, ex.Call):
        return
    functions = place.scene.network.functions
    used = {n.function for m in place.scene.members for n in ex.walk(m) if isinstance(n, ex.Call)}
    known = dict.fromkeys((*sorted(used), *functions, *named_functions(place)))
    own = functions.get(node.function)
    for name in known:
        row = functions.get(name)
        if name != node.function and (row.family if row else 0) == (own.family if own else 0):
            yield Proposal(replace(node, function=name), 1.1)


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
        for step in (1, -1):
            if node.exponent.value + step not in {0, 1}:
                yield Proposal(replace(node, exponent=ex.Number(value=node.exponent.value + step)), 1.1)
        if node.exponent.value < 0:
            yield Proposal(replace(node, exponent=ex.Number(value=-node.exponent.value)), 1.3)
    elif (
        isinstance(node, ex.Quantity | ex.Named | ex.Call)
        and isinstance(place.parent, ex.Sum)
        and not place.in_derivative
    ):
        yield Proposal(squared(node), 1.3)


def squared(node: Node) -> ex.Power:
    """The square of each entry."""
    return ex.Power(base=node, exponent=ex.Number(value=Fraction(2)))


# ---------------------------------------------------------------------------------------------------------------------
# Constants and signs

_CONSTANTS = (Fraction(2), Fraction(1, 2), Fraction(4), Fraction(1, 4))


_ZERO = ex.Number(value=Fraction(0))


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
        yield from (Proposal(times(ex.Number(value=c), node), 1.0) for c in _CONSTANTS[:2])
        yield from (Proposal(times(ex.Number(value=c), node), 1.4) for c in _CONSTANTS[2:])
        for form in _means(place):
            one = ex.Quotient(over=ex.Number(value=Fraction(1)), under=ex.Letter(form=form))
            yield Proposal(times(one, node), 1.1)
            yield Proposal(times(ex.Letter(form=form), node), 1.2)
    elif isinstance(parent, ex.Sum):
        yield from (Proposal(times(ex.Number(value=c), node), 1.2) for c in _CONSTANTS[:2])
        for form in list(_means(place))[:1]:
            one = ex.Quotient(over=ex.Number(value=Fraction(1)), under=ex.Letter(form=form))
            yield Proposal(times(one, node), 1.25)
    if parent is None or isinstance(parent, ex.Sum):
        for scalar in _scalars(place):
            one = ex.Quotient(over=ex.Number(value=Fraction(1)), under=scalar)
            yield Proposal(times(one, node), 1.3)
            yield Proposal(times(scalar, node), 1.3)
    if isinstance(node, ex.Quotient) and isinstance(node.under, ex.Letter | ex.Number):
        yield Proposal(node.over, 1.2)


def zero_case(place: Place) -> Iterator[Proposal]:
    """Zero as the value of one of several cases."""
    if isinstance(place.parent, ex.Cases) and not isinstance(place.node, ex.Condition) and place.node != _ZERO:
        yield Proposal(_ZERO, 1.2)


def _scalars(place: Place) -> Iterator[ex.Quantity]:
    """Numbers that the network is given, such as a temperature."""
    for name, tensor in place.scene.network.tensors.items():
        if tensor.role in {"input", "parameter"} and not (tensor.axes or tensor.family):
            yield ex.Quantity(tensor=name)


def _means(place: Place) -> Iterator[Affine]:
    """Sizes whose inverse may be a factor: that of the examples first."""
    network = place.scene.network
    names = [network.batch] if network.batch else []
    names += [name for name, value in network.sizes.items() if isinstance(value, int) and name not in names]
    yield from (size(name) for name in names[:4])


def times(factor: Node, node: Node) -> Node:
    """A product with a factor in front; behind the sign of a single term."""
    if isinstance(node, ex.Product):
        return replace(node, factors=(factor, *node.factors), signs=("juxtaposition", "juxtaposition", *node.signs[1:]))
    if isinstance(node, ex.Sum) and node.signs[0] == -1 and len(node.terms) == 1:
        return replace(node, terms=(times(factor, node.terms[0]),))
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
    elif not place.above or (isinstance(place.parent, ex.Cases) and not isinstance(node, ex.Condition)):
        yield Proposal(ex.Sum(terms=(node,), signs=(-1,)), 1.0)
    if isinstance(node, ex.Sum) and len(node.terms) == 2 and node.signs == (1, -1):  # noqa: PLR2004 - a difference
        yield Proposal(replace(node, terms=(node.terms[1], node.terms[0])), 0.95)


ROWS = (
    Row("array", "SB207", other_array),
    Row("array everywhere", "SB207", everywhere_array),
    Row("declared", "SB401", declared, also=("SB207",)),
    Row("slope", "SB211", slope),
    Row("function", "SB211", other_function),
    Row("argument", "SB210", argument),
    Row("power", "SB216", power),
    Row("constant", "SB216", constant),
    Row("case", "SB216", zero_case),
    Row("sign", "SB215", sign),
)
