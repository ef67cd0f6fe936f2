"""Index letters: those an author chose, and good ones where none are chosen.

An author chooses letters by index form (``[indices]``) and by patterns in ``[latex]`` such as ``"W1[i,j]"``. Left
sides and sums get them back, unique in each equation; the batch axis is ``e`` and other axes ``i, j, k, …``.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Size
from symbackprop.spec.families import brackets
from symbackprop.spec.syntax import base_name, statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from symbackprop.index import Tensor
    from symbackprop.spec.syntax import Assignment, Block

_SEQUENCE = ("i", "j", "k", "m", "p", "q", "r", "u", "v", "c", "g", "h")
_NEIGHBOURS = {0: "i", -1: "j", 1: "k"}
"""Letters of the sizes n[l], n[l-1], n[l+1] of neighbouring layers."""


def pattern_letters(keys: Iterable[str], families: Mapping[str, int]) -> dict[tuple[str, int], str]:
    """(tensor, position of the element axis) to letter, from keys such as ``W[l][i,j]`` and ``X[i,:]``.

    >>> pattern_letters(["W[l][i,j]", "X[e,:]"], {"W": 1})
    {('W', 0): 'i', ('W', 1): 'j', ('X', 0): 'e'}
    """
    found: dict[tuple[str, int], str] = {}
    for key in keys:
        try:
            node = ast.parse(key, mode="eval").body
        except SyntaxError:
            continue
        name = base_name(node)
        for group in brackets(node)[families.get(name, 0) :]:
            for place, item in enumerate(group):
                if isinstance(item, ast.Name):
                    found.setdefault((name, place), item.id)
    return found


def text_letters(
    program: Iterable[Assignment | Block], families: Mapping[str, int], letters: Iterable[str]
) -> dict[tuple[str, int], str]:
    """(tensor, position of the element axis) to the first letter that stands there in the forward text."""
    known = set(letters)
    found: dict[tuple[str, int], str] = {}
    for item in statements(program):
        for side in (item.target, item.value):
            for node in ast.walk(side):
                if isinstance(node, ast.Subscript):
                    name = base_name(node)
                    for group in brackets(node)[families.get(name, 0) :]:
                        for place, inner in enumerate(group):
                            if isinstance(inner, ast.Name) and inner.id in known:
                                found.setdefault((name, place), inner.id)
    return found


class Letters:
    """Letters for axes of a network; ``of`` gives the candidates for one axis, best first."""

    def __init__(  # noqa: PLR0913
        self,
        *,
        positions: Mapping[tuple[str, int], str],
        axes: Mapping[str, str],
        batch: Affine | None,
        order: Iterable[Affine],
        taken: Iterable[str],
        families: Mapping[str, int],
    ) -> None:
        self.families = families
        self.positions = dict(positions)
        self.axes = dict(axes)
        used = {*self.axes.values(), *taken}
        for axis in order:
            if _family(axis) is not None or str(axis) in self.axes:
                continue
            pool = ("e", *_SEQUENCE) if axis == batch else _SEQUENCE
            letter = next((c for c in pool if c not in used), "i")
            self.axes[str(axis)] = letter
            used.add(letter)

    def of(self, axis: Affine, tensor: str = "", place: int = 0) -> Iterator[str]:
        """Candidates for an axis of that size; ``tensor`` and ``place`` say whose it is."""
        if (tensor, place) in self.positions:
            yield self.positions[tensor, place]
        if str(axis) in self.axes:
            yield self.axes[str(axis)]
        found = _family(axis)
        if found is not None:
            stem = next((letter for text, letter in self.axes.items() if text == found[0]), None)
            if stem is not None and found[1] == 0:
                yield stem
            if found[1] in _NEIGHBOURS:
                yield _NEIGHBOURS[found[1]]
        yield from _SEQUENCE
        yield from (f"i{k}" for k in range(1, 1000))

    def choose(self, axis: Affine, taken: set[str], tensor: str = "", place: int = 0) -> str:
        """The first candidate that is not taken; it is taken then."""
        letter = next(c for c in self.of(axis, tensor, place) if c not in taken)
        taken.add(letter)
        return letter

    def hints(self) -> dict[object, str]:
        """What a printer needs: (tensor, position) and axis text to letter."""
        return dict([*self.positions.items(), *self.axes.items()])


def _family(axis: Affine) -> tuple[str, int] | None:
    """(letter-free text, offset) of the size of a layer: n[l-1] is ("n", -1); n[0] and n[L] have offset 0."""
    atom = axis.single
    if not isinstance(atom, Size) or len(atom.at) != 1:
        return None
    at = atom.at[0]
    return atom.name, (at.const if at.linear else 0)


def axis_order(tensors: Iterable[Tensor], first: Affine | None) -> list[Affine]:
    """All axes in the order of their first appearance, the batch axis before them."""
    found = [first] if first is not None else []
    for tensor in tensors:
        found.extend(tensor.axes)
    return list(dict.fromkeys(found))


def default_batch(inputs: Iterable[Tensor], parameters: Iterable[Tensor]) -> Affine | None:
    """The only axis that all inputs share and no parameter has; None where there is none or more than one."""
    arrays = [t for t in inputs if t.axes]
    if not arrays:
        return None
    shared = [a for a in dict.fromkeys(arrays[0].axes) if all(a in t.axes for t in arrays)]
    # Sizes of layers (n[0]) are never examples: they belong to the weights around them.
    # Nor are lengths made of others (T+K-1).
    plain = [a for a in shared if isinstance(a.single, Size) and _family(a) is None]
    free = [a for a in plain if not any(a in p.axes for p in parameters)]
    return free[0] if len(free) == 1 else None
