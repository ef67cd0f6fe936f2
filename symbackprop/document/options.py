"""What a lecturer chooses of a handout: audience, what is in it, the entry that is followed, the fields at its top.

One record serves the command line, Python and the parts of the document; a new choice is one field here and one option
there.
"""

from __future__ import annotations

from dataclasses import dataclass

from symbackprop.errors import SpecError, nearest

LEVELS = ("scalar", "index", "matrix")
AUDIENCES = ("full", "reference")
PAPERS = ("a4", "letter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Choices with their defaults; wrong ones are refused with the nearest right one.

    Raises: SpecError.
    """

    levels: tuple[str, ...] = LEVELS
    audience: str = "full"
    """``full``: every step; ``reference``: a short sheet with notation, formulas and code."""
    target: str = ""
    """The entry whose paths are followed, counted from 1: ``W1[1,2]``, ``W[2][1,3]``; empty: the first."""
    solutions: bool = True
    """With the solutions of the exercises."""
    exercises: bool = True
    numbers: bool = True
    """With an example worked in numbers."""
    code: bool = True
    """With the listing."""
    paper: str = "a4"
    title: str = ""
    """Instead of the network's own title."""
    course: str = ""
    author: str = ""
    date: str = ""

    def __post_init__(self) -> None:
        for level in self.levels:
            _one_of("level", level, LEVELS)
        if not self.levels:
            message = f"no level is named; there are {', '.join(LEVELS)}"
            raise SpecError(message)
        object.__setattr__(self, "levels", tuple(level for level in LEVELS if level in self.levels))
        _one_of("audience", self.audience, AUDIENCES)
        _one_of("paper", self.paper, PAPERS)


def _one_of(kind: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        message = f"no {kind} '{value}'; {nearest(value, known)}"
        raise SpecError(message)
