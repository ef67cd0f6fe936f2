"""Which tensor of a network a name in a Python file stands for, and of which one a name is the gradient."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.network import Network

_ALIASES = {
    "weights": ("W", "w"),
    "biases": ("b",),
    "bias": ("b",),
    "weight": ("W", "w"),
    "activations": ("a", "A", "h"),
    "zs": ("z", "Z"),
    "inputs": ("X", "x"),
    "input": ("X", "x"),
    "targets": ("Y", "y", "t", "T"),
    "target": ("Y", "y", "t", "T"),
    "labels": ("Y", "y"),
    "ypred": ("yhat", "Yhat"),
    "predictions": ("yhat", "Yhat"),
    "output": ("yhat", "Yhat"),
    "hs": ("h", "s"),
    "xs": ("x",),
    "ys": ("y",),
    "ps": ("p",),
}
_GRADIENTS = re.compile(
    r"(?:d(?P<loss>[A-Za-z]+?)_?d_?|nabla_?|grad(?:ient)?s?_?|d_?|g_|delta_)(?P<name>\w+)$|(?P<before>\w+?)_?grad(?:ient)?s?$"
)
BAGS = re.compile(r"(?i)(?:self\.)?_?(?:(?:d|grad|gradient|nabla)s?|all_grads|new_grads)$")
"""Names of mappings that hold gradients."""


_SLOPES = ("_prime", "prime", "_derivative", "_deriv", "_der", "_grad", "_gradient", "_slope", "_backward", "_d")
_WIDTHS = frozenset(("sizes", "layer_sizes", "layers", "layer_dims", "layers_dims", "dims", "widths", "architecture"))


class Surroundings(Protocol):
    """Numbers for a network: arrays of its tensors and its sizes."""

    def value(self, tensor: str, at: tuple[int, ...] = ()) -> Any:
        """The array of a tensor, or of a member of a family."""

    def size(self, name: str, at: tuple[int, ...] = ()) -> int:
        """A size."""

    def has(self, tensor: str, at: tuple[int, ...]) -> bool:
        """True where there is such a member."""

    def derivative(self, of: tuple[str, tuple[int, ...]], by: tuple[str, tuple[int, ...]]) -> Any:
        """The derivative of one member of a tensor by another."""


@dataclass(frozen=True, slots=True)
class Family:
    """A family of tensors as a list; position 0 is its first member (``base`` 0), or its member 0 (``base`` None)."""

    tensor: str
    low: int
    count: int
    shifted: bool

    def member(self, position: int) -> int:
        """The family index at a position of the list, negative ones from the end.

        Raises: IndexError.
        """
        low = self.low if self.shifted else 0
        end = self.low + self.count
        index = end + position if position < 0 else low + position
        if not self.low <= index < end:
            message = f"'{self.tensor}' has no member {position}"
            raise IndexError(message)
        return index


class Names:
    """The tensors of a network by the names that programs give them, which are not those of their ``mappings``."""

    def __init__(self, network: Network, *, shifted: bool = True, mappings: frozenset[str] = frozenset()) -> None:
        self.network, self.shifted, self.mappings = network, shifted, mappings
        self.folded: dict[str, list[str]] = {}
        for name in network.tensors:
            if network.tensors[name].named:
                self.folded.setdefault(_fold(name), []).append(name)

    def find(self, name: str) -> tuple[str, tuple[int, ...] | None] | None:
        """The tensor and, where the name says so, its family index; None for any other name."""
        others = [] if name in self.mappings else self._others(name)
        for candidate in (name, *others):
            if candidate in self.network.tensors:
                return candidate, () if not self.network.tensors[candidate].family else None
        found = re.fullmatch(r"(.*?[A-Za-z])_?(\d+)", name)
        if found and (inner := self.find(found[1])) is not None and inner[1] is None:
            return inner[0], (int(found[2]),)
        return None

    def _others(self, name: str) -> list[str]:
        same = self.folded.get(_fold(name), [])
        return [*(same if len(same) == 1 else ()), *_ALIASES.get(_fold(name), ())]

    def gradient(self, name: str, loss: str) -> tuple[str, tuple[int, ...] | None] | None:
        """The tensor whose gradient a name is: ``dW1``, ``dL_dW1``, ``grad_W1``, ``W1_grad``, ``nabla_w``."""
        if name in self.network.tensors or name in self.network.sizes:
            return None
        found = _GRADIENTS.fullmatch(name)
        if found is None:
            return None
        of = found["loss"]
        if of is not None and of != loss and (of in self.network.tensors or self.is_partial(name)):
            return None
        target = self.find(subject(name))
        if target is None or target[0] == loss:
            return None
        return target

    def is_partial(self, name: str) -> bool:
        """True for the derivative of an opaque function by one of its arguments: ``dell_dx``."""
        found = _GRADIENTS.fullmatch(name)
        return found is not None and found["loss"] in self.network.functions

    def widths(self, name: str, surroundings: Surroundings) -> list[int] | None:
        """The widths of all layers as a list, where a name such as ``layer_sizes`` means these."""
        if name not in _WIDTHS:
            return None
        for tensor in self.network.parameters:
            about = self.network.tensors[tensor]
            families = sorted({size for axis in about.axes for size in axis.sizes}) if len(about.family) == 1 else []
            low, count = family_range(surroundings, tensor) if families else (0, 0)
            if low == 1:
                try:
                    return [surroundings.size(families[0], (k,)) for k in range(low + count)]
                except (KeyError, TypeError, ValueError, IndexError):
                    continue
        return None


def subject(name: str) -> str:
    """The name whose gradient a name is by its spelling: ``W1`` for ``dW1``; empty for any other."""
    found = _GRADIENTS.fullmatch(name)
    return (found["name"] or found["before"]).removeprefix("_") if found else ""


def slope_of(name: str) -> str | None:
    """The function whose slope a name is: ``sigmoid_prime``, ``df``, ``d_sigmoid``."""
    for ending in _SLOPES:
        if name.endswith(ending) and len(name) > len(ending):
            return name.removesuffix(ending)
    for start in ("d_", "grad_", "deriv_", "derivative_", "d"):
        if name.startswith(start) and len(name) > len(start):
            return name.removeprefix(start)
    return None


def _fold(name: str) -> str:
    return name.replace("_", "").lower()


def family_range(surroundings: Surroundings, tensor: str) -> tuple[int, int]:
    """First index and number of members of a family of one index."""
    low = 0
    while not surroundings.has(tensor, (low,)) and low < 3:  # noqa: PLR2004 - families start at 0, 1 or 2
        low += 1
    count = 0
    while surroundings.has(tensor, (low + count,)):
        count += 1
    return low, count


def sizes_of(network: Network, surroundings: Surroundings) -> Mapping[str, int]:
    """The sizes that are plain numbers."""
    found: dict[str, int] = {}
    names = set(network.depths) | set(network.sizes)
    for tensor in network.tensors.values():
        for axis in tensor.axes:
            names |= axis.sizes
    for name in sorted(names):
        try:
            value = surroundings.size(name)
        except (KeyError, TypeError, ValueError):
            continue
        if isinstance(value, int):
            found[name] = value
    return found
