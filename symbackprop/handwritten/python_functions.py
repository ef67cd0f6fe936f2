"""Functions as values in a followed program: NumPy's, and those that a network leaves unnamed.

A network's opaque function comes into a program as a pair of the function and its slope, an opaque loss as a pair of
the function and its gradient, one per layer as a list of pairs. A single callable under that name is the function.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.oracle import stand_ins

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from symbackprop.handwritten.python_names import Surroundings
    from symbackprop.network import Network


@dataclass(frozen=True, slots=True)
class Primitive:
    """A function that is not of the file."""

    name: str
    apply: Callable[..., Any]


class Pair(tuple[Primitive, ...]):
    """A function with its slope, or a loss with its gradient; called, it is the function."""

    __slots__ = ()


CONSTANTS: Mapping[str, float] = {"pi": np.pi, "e": np.e, "inf": np.inf, "nan": np.nan}
"""NumPy's numbers."""
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "list": list,
    "tuple": tuple,
    "dict": dict,
    "str": str,
    "bool": bool,
    "int": int,
    "float": float,
    "ndarray": np.ndarray,
    "integer": np.integer,
    "floating": np.floating,
    "generic": np.generic,
}


def kind_of(name: str) -> type | tuple[type, ...] | None:
    """The type of a name (``list``, ``np.ndarray``) that values are compared with."""
    return _KINDS.get(name.rsplit(".", 1)[-1])


class OpaqueFunctions:
    """The opaque functions of a network as a program has them."""

    def __init__(self, network: Network, surroundings: Surroundings, *, shifted: bool) -> None:
        self.network, self.surroundings, self.shifted = network, surroundings, shifted
        self.table = stand_ins(network)

    def __contains__(self, name: object) -> bool:
        return name in self.table

    def applied(self, name: str, order: int, layer: tuple[Any, ...]) -> Callable[..., Any]:
        """A function, or with order 1 its slope or gradient; one per layer has the layer's index."""
        return functools.partial(self.table[name][order], *layer)

    def given(self, name: str) -> Pair | list[Pair | None]:
        """What a caller passes under a function's name: a pair, or a list of pairs."""
        entry = self.network.functions[name]
        if not entry.family:
            return self._pair(name, ())
        bound = self.network.function_range(name)
        low, high = (end.evaluate({}, self.surroundings.size) for end in (bound.lo, bound.hi))
        pairs = [self._pair(name, (layer,)) for layer in range(low, high + 1)]
        return [*(() if self.shifted else [None] * low), *pairs]

    def _pair(self, name: str, layer: tuple[int, ...]) -> Pair:
        shown = name + "".join(f"[{each}]" for each in layer)
        return Pair(Primitive(shown + "'" * order, self.applied(name, order, layer)) for order in (0, 1))

    def slopes(self, name: str) -> Any:
        """What a caller passes under the name of a function's slope."""
        given = self.given(name)
        return given[1] if isinstance(given, Pair) else [None if each is None else each[1] for each in given]
