"""How drawings look, whoever writes them: the colours and lines of each style, and how large a label is set.

A colour is a hue that templates define (ink, mute, hair, page, the letter of a kind, the number of a path) and its
share; the rest is what lies below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from symbackprop.document.blocks import KINDS
from symbackprop.document.drawing import EM, PATHS, Label
from symbackprop.emit.measure import extent

if TYPE_CHECKING:
    from symbackprop.emit.compose import Composer

WORD = 0.56
"""Width of a letter of plain words, in em."""


@dataclass(frozen=True, slots=True)
class Look:
    """A line of a hue and width (mm), an area of a hue and share, and the hue of letters, if any; words may be bold."""

    stroke: str = ""
    width: float = 0.0
    fill: str = ""
    share: float = 1.0
    text: str = "ink"
    bold: bool = False
    glow: float = 1.0
    """Share of the line's hue."""


LOOKS = {
    "plain": Look("ink", 0.25, "page"),
    "outline": Look("ink", 0.25),
    "faint": Look("hair", 0.2, "page", text="mute"),
    "edge": Look("hair", 0.18),
    "flow": Look("mute", 0.3, text="mute"),
    "heavy": Look("ink", 0.7),
    "loss": Look("ink", 0.25, "C", 0.14),
    "key": Look("ink", 0.3, "mute", 0.16),
    "frame": Look("mute", 0.2, "mute", 0.05),
    "input": Look("mute", 0.2, "mute", 0.08, text="mute"),
    "page": Look(fill="page"),
    "patch": Look(fill="page"),
    "dot": Look(fill="mute", text=""),
    "head": Look(text="ink"),
    "note": Look(text="mute"),
    "strong": Look(text="ink", bold=True),
    **{f"path{n}": Look(str(n), 0.6, "page", text=str(n)) for n in range(1, PATHS + 1)},
    **{f"band{n}": Look(str(n), 2.2, glow=0.25) for n in range(1, PATHS + 1)},
    **{f"number{n}": Look("", 0.0, str(n), text="page", bold=True) for n in range(1, PATHS + 1)},
    **{f"tint{c}": Look("", 0.0, c, 0.12, text=c) for c in KINDS.values()},
    **{f"cell{c}": Look(c, 0.3, c, 0.18, text=c) for c in KINDS.values()},
    **{f"chip{c}": Look(c, 0.2, "page", text=c, bold=True) for c in KINDS.values()},
}


def look(style: str) -> Look:
    """The look of a style; ``head …`` is the head of an arrow of that style."""
    if style.startswith("head "):
        line = LOOKS[style.removeprefix("head ")]
        return Look(fill=line.stroke)
    return LOOKS[style]


def natural(label: Label, composer: Composer) -> float:
    """Width of a label where nothing limits it, in mm."""
    content = label.content
    wide = WORD * len(content) if isinstance(content, str) else extent(composer.inline(content))
    return wide * EM * label.scale


def size(label: Label, composer: Composer) -> float:
    """Size of the letters of a label, in mm: smaller where there is not the room."""
    wide = natural(label, composer)
    fitting = label.room / wide if label.room and wide > label.room else 1.0
    return EM * label.scale * fitting
