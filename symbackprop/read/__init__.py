"""Reading formulas: LaTeX of our own print back to equations.

``read(text, subject, preset)`` gives the equations that a formula states about a network or derivation, at index level
or for whole arrays; ``aligned`` renames their free indices, so that they can be compared with others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.read.resolve import Reader, aligned
from symbackprop.read.syntax import ReadError

if TYPE_CHECKING:
    from symbackprop.derivation import Derivation
    from symbackprop.index import Equation
    from symbackprop.network import Network
    from symbackprop.notation.preset import Preset

__all__ = ["ReadError", "Reader", "aligned", "read"]


def read(text: str, subject: Network | Derivation, preset: Preset | str | None = None) -> tuple[Equation, ...]:
    """The equations that a formula states, one for each member of a chain ``A = B = C`` after the first."""
    return Reader(subject, preset).read(text)
