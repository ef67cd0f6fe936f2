"""What can go wrong, as a tree.

    SymbackpropError
    ├── SpecError            the input cannot be read or understood
    │   └── ShapeError       axes that do not fit
    ├── UnsupportedError     understood, but not done (yet); says what is
    ├── OutputError          a result could not be written
    └── DerivationError      our own fault: a step that failed its check

Every message says where, what was expected, what was found and what to do.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class SymbackpropError(Exception):
    """Base of all errors that a user may see; its text is the whole message."""


class SpecError(SymbackpropError):
    """The input cannot be read or understood.

    ``source`` is the file's name (or "-"), ``line`` and ``column`` count from 1.
    """

    def __init__(
        self, message: str, *, source: str | None = None, line: int | None = None, column: int | None = None
    ) -> None:
        self.message, self.source, self.line, self.column = message, source, line, column
        super().__init__(message)

    def __str__(self) -> str:
        """The place, then the message.

        >>> print(SpecError("no tensor 'W3'", source="net.toml", line=4, column=9))
        net.toml, line 4, column 9: no tensor 'W3'
        """
        place = [part for part in (self.source,) if part]
        if self.line is not None:
            place.append(f"line {self.line}")
            if self.column is not None:
                place.append(f"column {self.column}")
        return f"{', '.join(place)}: {self.message}" if place else self.message


class ShapeError(SpecError):
    """Axes that do not fit together."""


class UnsupportedError(SymbackpropError):
    """Understood, but not supported; the message says what is."""


class OutputError(SymbackpropError):
    """A result could not be written; nothing half-written is left behind."""


class DerivationError(SymbackpropError):
    """A derivation failed one of its own checks."""


SHOWN = 40
"""Known names that a message lists at most."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names what is nearest to ``name`` among ``known``, then all if they are few.

    >>> nearest("sigmod", ["tanh", "sigmoid", "relu"])
    "did you mean 'sigmoid'? Known: relu, sigmoid, tanh"
    """
    names = sorted(set(known))
    if not names:
        return "there are none"
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.6)
    hint = "did you mean " + " or ".join(f"'{match}'" for match in close) + "? " if close else ""
    shown = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    return f"{hint}Known: {shown}"
