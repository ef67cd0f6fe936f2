"""What a followed program leaves unknown, and how far that reaches.

A value is ``Unknown`` with the reason, and so is what depends on it. A list or a mapping that was given to something
that is not followed holds a ``Rest``: it may have more entries than are known, so that a missing one is no mistake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Unknown:
    """A value that cannot be followed, and why."""

    reason: str
    line: int = 0
    misfit: bool = False
    """True where shapes do not fit, which is a mistake and not a gap in the list of operations."""


class Rest(Unknown):
    """What else a list or a mapping may hold: an element of the list, a key of the mapping with itself as its value."""


class LostError(Exception):
    """An expression that cannot be followed."""

    def __init__(self, *, reason: str, misfit: bool = False, line: int = 0) -> None:
        super().__init__(reason)
        self.misfit, self.line = misfit, line


def lost(value: Any) -> Unknown | None:
    """The unknown part of a value, of the parts of a list among them."""
    if isinstance(value, Unknown):
        return value
    if isinstance(value, list | tuple):
        return next((found for each in value if (found := lost(each)) is not None), None)
    return None


def gap_in(container: Any) -> Unknown | None:
    """What is unknown in a list or a mapping; only of a fully known one is a missing entry a mistake."""
    return lost(list(container.values()) if isinstance(container, dict) else container)


def rest_of(container: Any) -> Rest | None:
    """Why a list or a mapping may hold more than is known."""
    listed = isinstance(container, list | tuple | dict)
    return next((each for each in container if isinstance(each, Rest)), None) if listed else None


def open_up(container: Any, gap: Unknown) -> None:
    """Note that a list or a mapping may hold more than is known."""
    if rest_of(container) is None:
        rest = Rest(gap.reason, gap.line)
        if isinstance(container, dict):
            container[rest] = rest
        elif isinstance(container, list):
            container.append(rest)


def demand(value: Any) -> None:
    """Go on with a value that is known.

    Raises: LostError with the reason where it is unknown.
    """
    if isinstance(value, Unknown):
        raise LostError(reason=value.reason, misfit=value.misfit, line=value.line)
