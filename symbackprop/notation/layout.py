"""How arrays are stored under a notation: the order of the element axes of each tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.affine import Var
from symbackprop.index import refs_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.index import Ref, Term
    from symbackprop.network import Network
    from symbackprop.notation.preset import Preset

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
