"""Parts that a change may put into a formula: slopes, functions of arrays, entries of arrays, names next to a name."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import sympy as sp

from symbackprop.affine import Affine, Var, var
from symbackprop.handwritten import expression as ex
from symbackprop.index import refs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.handwritten.expression import Node
    from symbackprop.index import Tensor
    from symbackprop.verify.edits import Place, Scene


def named_functions(place: Place) -> Iterator[str]:
    """Activations in the forward equations."""
    for equation in place.scene.network.equations:
        for term in equation.terms:
            for factor in term.factors:
                template = getattr(factor, "template", None)
                if isinstance(template, sp.Expr):
                    yield from sorted({str(call.func) for call in template.atoms(sp.Function)})


def argument_of(place: Place, leaf: ex.Quantity) -> ex.Quantity | None:
    """The array of which an array is a function, entry by entry: that in which its slope is taken."""
    for equation in place.scene.network.definitions(leaf.tensor):
        refs = {ref for term in equation.terms for factor in term.factors for ref in refs_of(factor)}
        depth = len(leaf.family)
        if len(refs) == 1 and len(equation.lhs.index) >= depth:
            (ref,) = refs
            letters = zip(equation.lhs.index[:depth], leaf.family, strict=True)
            image = {form.single.name: own for form, own in letters if isinstance(form.single, Var)}
            if ref.index[depth:] == equation.lhs.index[depth:] and len(image) == depth:
                family = tuple(form.substitute(image) for form in ref.index[:depth])
                return ex.Quantity(tensor=ref.tensor, family=family, element=leaf.element)
    return None


def slopes(place: Place, leaf: ex.Quantity) -> Iterator[Node]:
    """Slopes of the functions of the statement and of the network at an array."""
    scene = place.scene
    used = {(n.function, len(n.family)) for m in scene.members for n in ex.walk(m) if isinstance(n, ex.Call)}
    known = {(name, row.family) for name, row in scene.network.functions.items() if row.kind != "opaque loss"}
    known |= {(name, 0) for name in named_functions(place) if name not in scene.network.functions}
    for name, families in sorted(used | known):
        if families == 0:
            yield ex.Call(function=name, arguments=(leaf,), order=1)
        elif len(leaf.family) == families:
            yield ex.Call(function=name, arguments=(leaf,), order=1, family=leaf.family)


def calls(place: Place, node: ex.Quantity) -> Iterator[Node]:
    """Functions of arrays in the layer of another array: ``φ(a_l)`` where ``h_{l-1}`` stands."""
    tensors = place.scene.network.tensors
    for name in dict.fromkeys((*place.scene.network.functions, *named_functions(place))):
        for other, tensor in tensors.items():
            if tensor.named and tensor.role not in {"parameter", "input"} and len(tensor.family) == len(node.family):
                for step in (0, 1) if node.family and len(tensor.axes) == 1 else (0,):
                    family = tuple(form + step for form in node.family)
                    yield ex.Call(function=name, arguments=(ex.Quantity(tensor=other, family=family),))


def near_names(scene: Scene) -> Iterator[ex.Named]:
    """Names of the author's with the indices of the left side, or in the layers next to it."""
    head = scene.members[0]
    claimed = head.index if isinstance(head, ex.Named) else ()
    for known in scene.names.values():
        if len(known.letters) in {0, len(claimed)}:
            for step in (0, 1, -1):
                layered = [form + step if form.variables & scene.layers else form for form in claimed]
                named = ex.Named(name=known.name, index=tuple(layered) if known.letters else ())
                if named != head and (not step or named.index != claimed):
                    yield named


def arrays_alike(scene: Scene) -> Iterator[ex.Quantity]:
    """Arrays of the shape of one that occurs; entries of arrays over whose axes the letters of the statement run."""
    tensors = scene.network.tensors
    letters: dict[Affine, Affine] = {}
    for leaf in (n for m in scene.members for n in ex.walk(m) if isinstance(n, ex.Quantity) and n.tensor in tensors):
        for axis, form in zip(tensors[leaf.tensor].axes, leaf.element, strict=False):
            if isinstance(form, Affine) and isinstance(form.single, Var):
                letters.setdefault(axis, form)
    for array in (leaf for leaf in scene.leaves if isinstance(leaf, ex.Quantity) and not leaf.element):
        own = tensors.get(array.tensor)
        if own is None or own.role == "parameter":
            continue
        for name, tensor in tensors.items():
            alike = tensor.axes == own.axes and len(tensor.family) == len(own.family)
            if alike and tensor.named and tensor.role != "parameter" and name != array.tensor:
                yield ex.Quantity(tensor=name, family=array.family)
    for name, tensor in tensors.items():
        if tensor.named and tensor.axes and not tensor.family and all(axis in letters for axis in tensor.axes):
            yield ex.Quantity(tensor=name, element=tuple(letters[axis] for axis in tensor.axes))


def weights(scene: Scene) -> Iterator[Node]:
    """Parameters in the layers of the statement and next to them: whole, turned, or with its letters as indices."""
    tensors = scene.network.tensors
    letters: dict[Affine, dict[Affine, None]] = {}
    layers: dict[tuple[Affine, ...], None] = {(): None}
    leaves = [n for m in scene.members for n in ex.walk(m) if isinstance(n, ex.Quantity) and n.tensor in tensors]
    for leaf in leaves:
        tensor = tensors[leaf.tensor]
        layers |= dict.fromkeys(tuple(form + step for form in leaf.family) for step in (0, 1))
        for axis, form in zip(_axes(tensor, leaf.family), leaf.element, strict=False):
            if isinstance(form, Affine) and isinstance(form.single, Var):
                letters.setdefault(axis, {})[form] = None
    placed = {form for forms in letters.values() for form in forms}
    running = (var(x) for x in (*scene.free, *scene.bound) if x not in scene.layers)
    others = [form for form in running if form not in placed]  # indices of names of the author's
    layers |= {(f + step,): None for n in scene.leaves if isinstance(n, ex.Named) for f in n.index
               if f.variables & scene.layers for step in (0, 1)}  # fmt: skip
    whole = any(not leaf.element and tensors[leaf.tensor].axes for leaf in leaves)
    parameters = [(n, t) for n, t in tensors.items() if t.named and t.role == "parameter" and len(t.axes) > 1]
    for (name, tensor), family in product(parameters, layers):
        if len(family) == len(tensor.family):
            array = ex.Quantity(tensor=name, family=family)
            if whole:
                yield from (array, ex.Transpose(of=array))
            for element in product(*((*letters.get(axis, ()), *others) for axis in _axes(tensor, family))):
                if len(set(element)) == len(element):
                    yield replace(array, element=element)


def _axes(tensor: Tensor, family: tuple[Affine, ...]) -> list[Affine]:
    """The axes of a member of a family."""
    image = {bound.var: form for bound, form in zip(tensor.family, family, strict=False)}
    return [axis.substitute(image) for axis in tensor.axes]
