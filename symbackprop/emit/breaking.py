"""Where a long formula may be broken: before signs and between factors, outside braces, as far out as possible.

Printers write factors and signs with a space between them and use brackets of fixed size, so a line may end at any such
space; this module only decides at which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from symbackprop.emit.measure import width

if TYPE_CHECKING:
    from collections.abc import Callable

_ADDITIVE = frozenset(("+", "-", "−"))
_PRODUCT = frozenset((r"\odot", r"\circ", r"\otimes", r"\cdot", r"\times", "⊙", "∘", "⊗", "·", "×"))
_NO_END = _ADDITIVE | _PRODUCT | frozenset(("=", r"\partial"))
_OPENING, _CLOSING = ("(", "["), (")", "]")


@dataclass(frozen=True, slots=True)
class Break:
    """A place to break at; ``cost`` grows with depth of brackets, ``factor`` says that it is between two factors."""

    place: int
    cost: int
    factor: bool = False


def pieces_of(text: str, room: float, measure: Callable[[str], float] = width, times: str = r"\cdot ") -> list[str]:
    """A formula in pieces that fit into ``room`` where that can be had; each new one opens with a sign.

    >>> pieces_of("a + b", 99.0), pieces_of("a + b", 1.0)
    (['a + b'], ['a', '+ b'])
    """
    pieces: list[str] = []
    while measure(text) > room:
        fitting = [b for b in breaks(text) if measure(text[: b.place]) <= room]
        if not fitting:
            fitting = breaks(text)[:1]
        far = [b for b in fitting if measure(text[: b.place]) > room * 0.3] or fitting
        if not far:
            break
        best = min(far, key=lambda b: (b.cost, -b.place))
        pieces.append(text[: best.place].strip())
        text = (times if best.factor else "") + text[best.place :].strip()
    return [*pieces, text]


def breaks(text: str) -> list[Break]:
    """All places where a line may end."""
    found: list[Break] = []
    brace = bracket = 0
    k = 0
    while k < len(text):
        if text.startswith(r"\begin{", k):
            brace += 1
        elif text.startswith(r"\end{", k):
            brace -= 1
        char = text[k]
        if char == "\\":
            k += 1
            while k < len(text) and text[k].isalpha():
                k += 1
            continue
        brace += (char == "{") - (char == "}")
        bracket += (char in _OPENING) - (char in _CLOSING)
        if char == " " and brace == 0:
            found += _break_at(text, k, bracket)
        k += 1
    return found


def _break_at(text: str, place: int, depth: int) -> list[Break]:
    before = text[:place].rstrip().rsplit(" ", 1)[-1]
    after = text[place:].strip().split(" ", 1)[0]
    if (
        not before
        or not after
        or before in _NO_END
        or before.startswith((r"\sum", r"\prod", r"\pathmark", "Σ"))
        or before.endswith(_OPENING)
    ):
        return []
    if after in _ADDITIVE:
        return [Break(place, 10 * depth)]
    if after in _PRODUCT:
        return [Break(place, 10 * depth + 2)]
    if after in {"=", r"\,"} or after.startswith((",", r"\text", "&", *_CLOSING)):
        return []
    return [Break(place, 10 * depth + 4, factor=True)]
