"""How arrays are stored under a notation: the order of the element axes of each tensor."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from symbackprop.affine import Var
from symbackprop.index import Along, Apply, Ref, refs_of
from symbackprop.network import Loop
from symbackprop.notation.glyph import Hole, spelling
from symbackprop.notation.spelling import key_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.index import Equation, Factor, Term
    from symbackprop.network import Network
    from symbackprop.notation.preset import Preset

_Part = TypeVar("_Part")

_SWAPPED = (1, 0)


def layout(network: Network, preset: Preset, *, relay: bool = False) -> Mapping[str, tuple[int, ...]]:
    """For each tensor, which element axis is stored at each place.

    Arrays lie as the network file says. With ``relay``, tensors of two axes follow the preset: examples as rows or
    columns where one axis is that of the examples, weights input-first or output-first where the forward equations
    sum over exactly one of the two axes of a parameter.
    """
    return {
        name: _order(network, preset, name) if relay else tuple(range(len(tensor.axes)))
        for name, tensor in network.tensors.items()
    }


def relaid(network: Network, layout: Mapping[str, tuple[int, ...]]) -> Network:
    """The same network with each tensor's element axes in the order in which the layout stores them.

    What is written about the result with no layout of its own is what is written about ``network`` in this one.
    """
    moved = {name: order for name, order in layout.items() if order != tuple(range(len(order)))}
    if not moved:
        return network
    depths = {name: len(tensor.family) for name, tensor in network.tensors.items()}

    def ref(old: Ref) -> Ref:
        order, depth = moved.get(old.tensor), depths.get(old.tensor, 0)
        return old if order is None else replace(old, index=_turned(old.index, depth, order))

    def factor(old: Factor) -> Factor:
        if isinstance(old, Ref):
            return ref(old)
        if isinstance(old, Apply):
            return replace(old, args=tuple(ref(arg) if isinstance(arg, Ref) else arg for arg in old.args))
        return replace(old, arg=ref(old.arg)) if isinstance(old, Along) else old

    def equation(old: Equation) -> Equation:
        terms = tuple(replace(term, factors=tuple(map(factor, term.factors))) for term in old.terms)
        return replace(old, lhs=ref(old.lhs), terms=terms)

    def statement(old: Equation | Loop) -> Equation | Loop:
        return replace(old, body=tuple(map(statement, old.body))) if isinstance(old, Loop) else equation(old)

    return replace(
        network,
        tensors={
            name: replace(tensor, axes=_turned(tensor.axes, 0, moved[name])) if name in moved else tensor
            for name, tensor in network.tensors.items()
        },
        equations=tuple(map(equation, network.equations)),
        program=tuple(map(statement, network.program)),
        facts=tuple(
            replace(fact, axis=order.index(fact.axis % len(order))) if (order := moved.get(fact.tensor)) else fact
            for fact in network.facts
        ),
        latex=dict(_respelled(key, texts, moved, depths) for key, texts in network.latex.items()),
        letters={_replaced(key, moved, depths): letter for key, letter in network.letters.items()},
    )


def _turned(parts: tuple[_Part, ...], depth: int, order: tuple[int, ...]) -> tuple[_Part, ...]:
    """Indices or axes with those behind the first ``depth`` in another order."""
    return (*parts[:depth], *(parts[depth + k] for k in order))


def _replaced(key: Any, moved: Mapping[str, tuple[int, ...]], depths: Mapping[str, int]) -> Any:
    """The place of an index, (tensor, position), where the tensor is stored."""
    if isinstance(key, tuple) and key[0] in moved and key[1] >= depths[key[0]]:
        return key[0], depths[key[0]] + moved[key[0]].index(key[1] - depths[key[0]])
    return key


def _respelled(
    key: str, texts: tuple[str, ...], moved: Mapping[str, tuple[int, ...]], depths: Mapping[str, int]
) -> tuple[str, tuple[str, ...]]:
    """A line of ``[latex]`` for elements or slices; row and column in one script stay row and column."""
    name, letters = key_of(key)
    depth = depths.get(name, 0)
    if name not in moved or len(letters) != depth + len(moved[name]):
        return key, texts
    pattern = spelling(texts[0], {x: k for k, x in enumerate(letters)})
    if any({Hole(depth), Hole(depth + 1)} <= set(script) for script in (pattern.sub, pattern.sup)):
        return key, texts
    family, own = letters[:depth], _turned(letters, depth, moved[name])[depth:]
    return f"{name}{''.join(f'[{letter}]' for letter in family)}[{','.join(own)}]", texts


def _order(network: Network, preset: Preset, name: str) -> tuple[int, ...]:
    tensor = network.tensors[name]
    own = tuple(range(len(tensor.axes)))
    if len(own) != len(_SWAPPED):
        return own
    batch = [k for k, axis in enumerate(tensor.axes) if str(axis) == network.batch]
    if len(batch) == 1:
        wanted = 0 if preset.orientation.examples == "rows" else 1
        return own if batch[0] == wanted else _SWAPPED
    source = _input_axis(network, name) if tensor.role == "parameter" else None
    if source is None:
        return own
    wanted = 0 if preset.orientation.weights == "input-first" else 1
    return own if source == wanted else _SWAPPED


def _input_axis(network: Network, name: str) -> int | None:
    """The element axis that the first fitting use sums over while the other stays; None where there is none."""
    for equation in network.equations:
        for term in equation.terms:
            bound = {b.var for b in term.bounds}
            for ref in _uses(term, name):
                summed = [_letter(ref, k) in bound for k in (-2, -1)]
                if summed[0] != summed[1]:
                    return 0 if summed[0] else 1
    return None


def _uses(term: Term, name: str) -> list[Ref]:
    return [ref for factor in term.factors for ref in refs_of(factor) if ref.tensor == name]


def _letter(ref: Ref, position: int) -> str:
    atom = ref.index[position].single
    return atom.name if isinstance(atom, Var) else ""
