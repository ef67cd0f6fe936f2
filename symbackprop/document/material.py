"""What a handout shows that was made elsewhere: the generated module, its check, numbers, planted bugs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.index import Ref
    from symbackprop.oracle import Values


@dataclass(frozen=True, slots=True)
class Quotient:
    """An entry of a gradient, as the printed code computes it, and measured by difference quotients of the loss."""

    entry: Ref
    gradient: float
    measured: float
    difference: str
    """Of the two, as a bound: its digits are rounding noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """An example in numbers: values of every tensor and every adjoint as the printed code computes them.

    ``sizes`` are those of the example; ``arrays`` maps names of tensors (adjoints by ``index.adjoint_name``) to arrays
    as they are stored, for families to mappings from the member's index to its array.
    """

    sizes: Mapping[str, Any]
    arrays: Mapping[str, Any]
    values: Values
    """The data, with their axes as in the network file, and what stands for opaque functions."""
    functions: Mapping[str, str]
    """Opaque functions with what stands for them, in words."""
    entry: Ref | None
    """The entry that is followed along its paths; None where no parameter changes the loss."""
    quotients: tuple[Quotient, ...]
    agreement: str
    """A bound of the relative difference between gradients and difference quotients, over all parameters."""
    places: int
    """Decimals that are printed."""


@dataclass(frozen=True, slots=True)
class Bug:
    """A line of the listing with a planted mistake that runs and gives a wrong gradient.

    ``gradient`` is the first parameter whose gradient it spoils, ``why`` says what is wrong with it.
    """

    right: str
    wrong: str
    gradient: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """All of it; what is missing is not spoken of."""

    code: str = ""
    report: Any = None
    worked: Worked | None = None
    unworked: str = ""
    """Why there is no example in numbers, as a sentence, where one was asked for."""
    bugs: tuple[Bug, ...] = ()
