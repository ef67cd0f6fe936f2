"""Changes of indices: layer and time, elements, their order, the letters and ranges of sums."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, count
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, size, var
from symbackprop.handwritten import expression as ex
from symbackprop.verify.edits import (
    Place,
    Proposal,
    Row,
    everywhere,
    forms,
    fresh,
    is_single,
    letters_of,
    rank,
    with_forms,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.handwritten.expression import Node
    from symbackprop.verify.edits import Scene

Index = Affine | ex.Slice
_FEW, _MANY = 3, 6
"""Of many places where a letter stands, few at a time are renamed."""


def family_forms(node: Node) -> tuple[Affine, ...]:
    """Layer and time indices of a node itself (for a name of the author's: any of its letters)."""
    if isinstance(node, ex.Quantity | ex.Call):
        return node.family
    return node.index if isinstance(node, ex.Named) else ()


def _with_family(node: Node, k: int, form: Affine) -> Node:
    if isinstance(node, ex.Named):
        return replace(node, index=(*node.index[:k], form, *node.index[k + 1 :]))
    assert isinstance(node, ex.Quantity | ex.Call)  # noqa: S101 - no others have families
    return replace(node, family=(*node.family[:k], form, *node.family[k + 1 :]))


def other_layer(place: Place) -> Iterator[Proposal]:
    """One array, or function, at another layer or time."""
    node = place.node
    layers = place.scene.layers
    extra = 0.4 * place.left
    slope = not isinstance(node, ex.Call) and any(isinstance(n, ex.Call) and n.order for n in place.above)
    code, also = ("SB210", ("SB201",)) if slope else ("", ())
    for k, form in enumerate(family_forms(node)):
        if isinstance(node, ex.Named) and form.variables and not form.variables & layers and layers:
            continue
        for step, cost in ((1, 1.0), (-1, 1.0), (2, 1.5), (-2, 1.5)):
            yield Proposal(_with_family(node, k, form + step), cost + extra, code, also=also)
        for other in _family_pool(place.scene):
            if not (other - form).is_constant:
                yield Proposal(_with_family(node, k, other), 1.3 + extra, code, also=also)


def _family_pool(scene: Scene) -> tuple[Affine, ...]:
    found = [f for m in scene.members for n in ex.walk(m) if isinstance(n, ex.Quantity | ex.Call) for f in n.family]
    return tuple(dict.fromkeys(found))


def layers_together(place: Place) -> Iterator[Proposal]:
    """A whole part at another layer: a slope with its argument, a derivative, a bracket."""
    node = place.node
    if not isinstance(node, ex.Call | ex.Derivative | ex.Product | ex.BigOperator) or not place.above:
        return
    own = [n for n in ex.walk(node) if family_forms(n)]
    if len(own) < 2:  # noqa: PLR2004 - one alone is another row
        return
    inside = node.body if isinstance(node, ex.BigOperator) else node
    for letter in sorted(place.scene.layers & set(letters_of(inside))):
        for step in (1, -1):
            image = {letter: var(letter) + step}
            yield Proposal(everywhere(node, lambda form, image=image: form.substitute(image)), 1.3)  # type: ignore[misc]


def _elements(node: Node) -> tuple[Index, ...]:
    if isinstance(node, ex.Quantity):
        return node.element
    if isinstance(node, ex.Named):
        return (*node.index, *node.element)
    return ()


def _with_elements(node: Node, element: tuple[Index, ...]) -> Node:
    if isinstance(node, ex.Named):
        cut = len(node.index)
        index = tuple(e for e in element[:cut] if isinstance(e, Affine))
        return replace(node, index=index, element=element[cut:])
    assert isinstance(node, ex.Quantity)  # noqa: S101 - no others have elements
    return replace(node, element=element)


def other_element(place: Place) -> Iterator[Proposal]:
    """One element index as another letter of the statement, or moved by one."""
    element = _elements(place.node)
    layers = place.scene.layers
    own = {v for form in element if isinstance(form, Affine) for v in form.variables}
    extra = 0.8 * place.left
    pool = [x for x in dict.fromkeys((*place.bound, *place.scene.free, *place.scene.bound)) if x not in layers]
    for k, form in enumerate(element):
        if not isinstance(form, Affine) or (isinstance(place.node, ex.Named) and form.variables & layers):
            continue
        for letter in pool:
            if var(letter) != form:
                cost = 1.0 if letter in place.bound or letter in place.scene.free else 1.4
                yield Proposal(_with_elements(place.node, (*element[:k], var(letter), *element[k + 1 :])), cost + extra)
        if not is_single(form) or not own:
            for step in (1, -1):
                yield Proposal(_with_elements(place.node, (*element[:k], form + step, *element[k + 1 :])), 1.4 + extra)


def swap_elements(place: Place) -> Iterator[Proposal]:
    """Two element indices of one array exchanged."""
    element = _elements(place.node)
    layers = place.scene.layers
    for a, b in combinations(range(len(element)), 2):
        both = [form for form in (element[a], element[b]) if isinstance(form, Affine) and form.variables & layers]
        if element[a] != element[b] and not both:
            swapped = list(element)
            swapped[a], swapped[b] = element[b], element[a]
            yield Proposal(_with_elements(place.node, tuple(swapped)), 1.0 + 0.3 * place.left)


def swap_letters(place: Place) -> Iterator[Proposal]:
    """Two letters exchanged throughout one part."""
    node = place.node
    if not isinstance(node, ex.Product | ex.Derivative | ex.Sum | ex.Call | ex.Quotient):
        return
    layers = place.scene.layers
    letters = [x for x in letters_of(node) if x not in layers]
    for a, b in combinations(letters, 2):
        image = {a: var(b), b: var(a)}
        yield Proposal(everywhere(node, lambda form, image=image: form.substitute(image)), 1.5 + 0.3 * place.left)  # type: ignore[misc]


def replace_letter(place: Place) -> Iterator[Proposal]:
    """One letter as another throughout one part."""
    node = place.node
    if not isinstance(node, ex.Product | ex.Sum | ex.BigOperator | ex.Call | ex.Derivative):
        return
    layers = place.scene.layers
    for old in letters_of(node):
        uses = sum(1 for n in ex.walk(node) for f in forms(n) if old in f.variables)
        if old in layers or uses < 2:  # noqa: PLR2004 - a single use is another row
            continue
        for new in dict.fromkeys((*place.bound, *place.scene.free)):
            if new != old and new not in layers:
                image = {old: var(new)}
                yield Proposal(everywhere(node, lambda form, image=image: form.substitute(image)), 1.6)  # type: ignore[misc]


# ---------------------------------------------------------------------------------------------------------------------
# Sums


def _summed(body: Node, letter: str, lo: Affine | None = None, hi: Affine | None = None) -> Node:
    return ex.BigOperator(kind="sum", letter=letter, lo=lo, hi=hi, body=body)


def add_sum(place: Place) -> Iterator[Proposal]:
    """A sum over a letter that stands on the right alone, or over a new letter in place of a repeated one."""
    node = place.node
    if not isinstance(node, ex.Product | ex.Quantity | ex.Named | ex.Quotient | ex.Call):
        return
    if place.left or isinstance(place.parent, ex.Product | ex.Derivative | ex.Transpose | ex.Call | ex.BigOperator):
        return
    scene = place.scene
    layers = scene.layers
    claimed = set(letters_of(scene.members[0])) if len(scene.members) > 1 else set()
    here = letters_of(node)
    for letter in here:
        if letter not in claimed and letter not in place.bound:
            yield Proposal(_summed(node, letter), 0.9 if letter not in layers else 1.1)
    if isinstance(node, ex.Product):
        yield from _repeated(place, node, [x for x in here if x not in layers])
    yield from _over_examples(place)


def _repeated(place: Place, node: ex.Product, letters: list[str]) -> Iterator[Proposal]:
    """``a_j b_j c_j`` as Σ_k over some of the factors with k for j."""
    new = fresh(place.scene)
    for letter in letters:
        slots = list(_slots(node, letter))
        for size_ in range(2, min(len(slots), _FEW if len(slots) > _MANY else len(slots)) + 1):
            for chosen in combinations(slots, size_):
                part = _renamed_slots(node, letter, new, frozenset(chosen))
                yield Proposal(_summed(part, new), 1.2 + 0.05 * (size_ - 2), also=("SB205",))


def _slots(node: Node, letter: str) -> Iterator[tuple[int, int]]:
    """Where a letter stands: the number of the node in the walk, and of the index in it."""
    for k, n in enumerate(ex.walk(node)):
        yield from ((k, at) for at, form in enumerate(forms(n)) if letter in form.variables)


def _renamed_slots(node: Node, letter: str, new: str, chosen: frozenset[tuple[int, int]]) -> Node:
    """The letter replaced in those places alone."""
    number = count(0)

    def visit(inner: Node) -> Node:
        mine, at = next(number), count(0)
        made = ex.mapped(inner, visit)

        def change(form: Affine) -> Affine:
            return form.substitute({letter: var(new)}) if (mine, next(at)) in chosen else form

        return with_forms(made, change)

    return visit(node)


def _over_examples(place: Place) -> Iterator[Proposal]:
    """A matrix of examples summed over them."""
    node, network = place.node, place.scene.network
    if network.batch is None or not isinstance(node, ex.Quantity | ex.Named) or rank(node, place.scene) != 2:  # noqa: PLR2004
        return
    letter = "n" if "n" not in {*place.scene.free, *place.scene.bound} else fresh(place.scene)
    element: tuple[Index, ...] = (var(letter), ex.Slice())
    yield Proposal(_summed(replace(node, element=element), letter, Affine(1), size(network.batch)), 1.1)


def drop_sum(place: Place) -> Iterator[Proposal]:
    """The body of a sum, alone."""
    node = place.node
    if isinstance(node, ex.BigOperator) and node.kind == "sum":
        yield Proposal(node.body, 1.5, "SB209")


def other_letter(place: Place) -> Iterator[Proposal]:
    """Another letter under a sum sign, in the whole sum or under the sign alone."""
    node = place.node
    if not isinstance(node, ex.BigOperator) or node.letter is None:
        return
    claimed = letters_of(place.scene.members[0]) if len(place.scene.members) > 1 else ()
    clash = node.letter in claimed or node.letter in place.bound
    new = fresh(place.scene)
    inside = letters_of(node.body)
    for letter in dict.fromkeys((*inside, *place.scene.free)):
        if letter != node.letter and letter not in place.bound:
            yield Proposal(replace(node, letter=letter), 1.3, "SB205" if clash else "SB202")
    for number in (1, 2, 3):
        slots = list(_slots(node.body, node.letter))
        for chosen in combinations(slots, number):
            if len(slots) <= 6:  # noqa: PLR2004 - subsets of few
                body = _renamed_slots(node.body, node.letter, new, frozenset(chosen))
                yield Proposal(replace(node, letter=new, body=body), 1.4, "SB205" if clash else "SB202")


def nested_sum(place: Place) -> Iterator[Proposal]:
    """A product inside a sum that lacks a sum of its own: ``x_{ki} w_{ij}`` as Σ_l x_{kl} w_{lj}."""
    node = place.node
    if not isinstance(node, ex.Product) or not place.bound:
        return
    new = fresh(place.scene)
    layers = place.scene.layers
    for letter in letters_of(node):
        slots = list(_slots(node, letter))
        if letter not in layers and len(slots) >= 2:  # noqa: PLR2004 - contracted with itself
            for chosen in combinations(slots, 2):
                yield Proposal(_summed(_renamed_slots(node, letter, new, frozenset(chosen)), new), 1.3, also=("SB205",))


def other_range(place: Place) -> Iterator[Proposal]:
    """Another first or last value of a sum."""
    node, network = place.node, place.scene.network
    if isinstance(node, ex.BigOperator) and node.letter is not None:
        if node.lo is not None:
            yield from (Proposal(replace(node, lo=node.lo + step), 1.0) for step in (-1, 1))
        if node.hi is not None:
            yield from (Proposal(replace(node, hi=node.hi + step), 1.0) for step in (-1, 1))
            yield from (Proposal(replace(node, hi=other), 1.2) for other in _limits(place) if other != node.hi)
            yield Proposal(replace(node, lo=None, hi=None), 1.4)
    if isinstance(node, ex.Elided):
        ends = {f for n in ex.walk(node.last) for f in forms(n)}
        for end in sorted(ends, key=lambda form: form.key):
            for other in (*(size(name) for name in _plain_sizes(network)), end + 1, end - 1):
                if other != end:
                    last = everywhere(node.last, lambda form, end=end, other=other: other if form == end else form)  # type: ignore[misc]
                    yield Proposal(replace(node, last=last), 1.2, part=node.last)
        running = {f for n in ex.walk(node.first) for f in forms(n)} - ends
        both = running | ({f for n in ex.walk(node.second) for f in forms(n)} - ends if node.second else set())
        for step in (1, -1):

            def moved(form: Affine, step: int = step) -> Affine:
                return form + step if form in both else form

            second = everywhere(node.second, moved) if node.second is not None else None
            yield Proposal(replace(node, first=everywhere(node.first, moved), second=second), 1.1, part=node.first)


def _plain_sizes(network: object) -> list[str]:
    sizes = getattr(network, "sizes", {})
    return sorted(name for name, value in sizes.items() if isinstance(value, int))


def _limits(place: Place) -> tuple[Affine, ...]:
    """Last values that suit: the axes of the arrays in the sum, and the family's own range."""
    node, network = place.node, place.scene.network
    assert isinstance(node, ex.BigOperator)  # noqa: S101 - the caller looked
    found: dict[Affine, None] = {}
    for leaf in ex.walk(node.body):
        if not isinstance(leaf, ex.Quantity) or leaf.tensor not in network.tensors:
            continue
        tensor = network.tensors[leaf.tensor]
        mapping = {b.var: form for b, form in zip(tensor.family, leaf.family, strict=False)}
        for axis, form in zip(tensor.axes, leaf.element, strict=False):
            if isinstance(form, Affine) and node.letter in form.variables:
                found[axis.substitute(mapping)] = None
        for bound, form in zip(tensor.family, leaf.family, strict=False):
            if node.letter in form.variables:
                found[bound.hi] = None
    return tuple(found)


ROWS = (
    Row("layer", "SB201", other_layer),
    Row("layers", "SB201", layers_together),
    Row("swapped", "SB203", swap_elements),
    Row("element", "SB202", other_element),
    Row("swapped letters", "SB203", swap_letters),
    Row("letter", "SB202", replace_letter),
    Row("sum", "SB213", add_sum),
    Row("nested sum", "SB213", nested_sum),
    Row("no sum", "SB209", drop_sum),
    Row("sum letter", "SB205", other_letter),
    Row("range", "SB206", other_range),
)
