"""The entry that a lecturer chose to be followed: ``W1[1,2]``, of a family ``W[2][1,3]``, counted from 1."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from symbackprop.document.graph import Element
from symbackprop.errors import SpecError, nearest
from symbackprop.oracle import members

if TYPE_CHECKING:
    from symbackprop.document.graph import Graph

_ENTRY = re.compile(r"\s*([A-Za-z]\w*)\s*((?:\[\s*\d+\s*(?:,\s*\d+\s*)*\]\s*)*)")


def chosen(graph: Graph, text: str) -> Element:
    """The element that a text names, indices of layers as the network counts them, those of entries from 1.

    Raises: SpecError that names the nearest tensor, how many indices it has, or the values that an index can have.
    """
    match = _ENTRY.fullmatch(text)
    if match is None:
        message = f"target '{text}' is no entry; write one as W1[1,2], of a family as W[2][1,3]"
        raise SpecError(message)
    name, numbers = match[1], [int(n) for n in re.findall(r"\d+", match[2])]
    known = graph.network.tensors
    if name not in known:
        message = f"target '{text}': no tensor '{name}'; {nearest(name, known)}"
        raise SpecError(message)
    if name == graph.network.loss:
        message = f"target '{text}' is the loss itself; choose an entry of what it depends on"
        raise SpecError(message)
    depth, rank = len(known[name].family), len(known[name].axes)
    if len(numbers) != depth + rank:
        layers = f" ({depth} of them for the member of the family)" if depth else ""
        message = f"target '{text}': {name} has {depth + rank} indices{layers}, not {len(numbers)}"
        raise SpecError(message)
    at = tuple(numbers[:depth])
    there = members(graph.network, name, graph.values.sizes)
    if at not in there:
        shown = ", ".join(f"{name}{''.join(f'[{k}]' for k in member)}" for member in (there[0], there[-1]))
        message = f"target '{text}': no such member; {name} has {len(there)}, from {shown.replace(', ', ' to ')}"
        raise SpecError(message)
    for place, (number, extent) in enumerate(zip(numbers[depth:], graph.shape(name, at), strict=True), 1):
        if not 1 <= number <= extent:
            message = f"target '{text}': index {place} of {name} goes from 1 to {extent} here, not {number}"
            raise SpecError(message)
    return Element(name, (*at, *(number - 1 for number in numbers[depth:])))
