"""The verdict on hand-written backward passes: every gradient that a Python file assigns against the derivative.

A claim is followed in several worlds (all sizes different, other depths, all sizes equal). How the program lays its
arrays (vectors as columns, everything turned) is one convention for the whole file, and so is a factor of the loss that
it leaves out; both are named in the verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.handwritten.python_arrays import Unknown
from symbackprop.handwritten.python_source import assignments
from symbackprop.handwritten.python_values import STYLES, laid
from symbackprop.verify.conventions import Conventions, with_factors
from symbackprop.verify.judge import Counterexample, Evidence, Verdict

if TYPE_CHECKING:
    from symbackprop.handwritten.python_source import Assignment
    from symbackprop.handwritten.python_values import Program, Style
    from symbackprop.network import Network
    from symbackprop.verify.world import World, Worlds

_CLOSE = 1e-7
_DIGITS = 7
_STYLE_NAMES = {
    "vectors as columns": "with vectors as columns of one entry a row",
    "vectors as rows": "with vectors as rows, arrays of one row",
    "transposed": "with every matrix transposed, examples as columns",
}
Key = tuple[int, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonClaim:
    """A gradient that a program assigns, with its verdict; ``quantity`` in the names of the network."""

    line: int
    column: int
    text: str
    quantity: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class _Finding:
    """What one claim is worth in one world: right, or the constant by which it differs, or why not."""

    right: bool
    ratio: float | None = None
    unknown: Unknown | None = None
    message: str = ""
    counterexample: Counterexample | None = None


def judge_program(program: Program, network: Network, worlds: Worlds) -> tuple[PythonClaim, ...]:
    """The claims of a program in its order, judged; none where it assigns no gradient."""
    numbered = list(worlds.floating())
    best: tuple[tuple[int, int], Style, bool] | None = None
    for style in STYLES:
        for shifted in (True, False):
            found = _findings(program, network, numbered[0], style, shifted=shifted)
            score = (
                sum(each.right for each in found.values()),
                -sum(each.unknown is not None for each in found.values()),
            )
            if best is None or score > best[0]:
                best = (score, style, shifted)
    assert best is not None  # noqa: S101 - there are styles
    _, style, shifted = best
    rounds = [(world, _findings(program, network, (name, world), style, shifted=shifted)) for name, world in numbered]
    claims = {
        (each.line, each.column, each.tensor): each
        for _, world in numbered
        for each in assignments(program, network, world, style, shifted=shifted)
    }
    leaves = {*network.inputs, *network.parameters}
    factors = {
        leaf: _common_factor(
            network,
            [
                (world, {key: each for key, each in found.items() if (key[2] in leaves) == leaf})
                for world, found in rounds
            ],
        )
        for leaf in (True, False)
    }
    return tuple(
        PythonClaim(
            line=key[0],
            column=key[1],
            text=claim.text,
            quantity=_quantity(network, claim),
            verdict=_verdict([found[key] for _, found in rounds if key in found], style, factors[key[2] in leaves]),
        )
        for key, claim in sorted(claims.items())
    )


def _quantity(network: Network, claim: Assignment) -> str:
    members = [at for at, _ in claim.members]
    letter = network.tensors[claim.tensor].family[0].var if members and members[0] else ""
    index = f"[{letter}]" if len(members) > 1 else "".join(f"[{k}]" for at in members for k in at)
    return f"d{network.loss}/d{claim.tensor}{index}"


def _findings(
    program: Program, network: Network, numbered: tuple[str, World], style: Style, *, shifted: bool
) -> dict[Key, _Finding]:
    """The worst finding of each claim's members in one world."""
    found: dict[Key, _Finding] = {}
    for claim in assignments(program, network, numbered[1], style, shifted=shifted):
        each = [_finding(network, numbered, claim, member, style) for member in claim.members]
        worst = min(each, key=lambda one: (one.right, one.unknown is None))
        ratios = {round(one.ratio, 9) for one in each if one.ratio is not None}
        if len(ratios) > 1 or any(one.ratio is None for one in each):
            worst = _Finding(worst.right, None, worst.unknown, worst.message, worst.counterexample)
        found[claim.line, claim.column, claim.tensor] = worst
    return found


def _finding(
    network: Network, numbered: tuple[str, World], claim: Assignment, member: tuple[tuple[int, ...], Any], style: Style
) -> _Finding:
    (name, world), (at, value) = numbered, member
    if isinstance(value, Unknown):
        return _Finding(right=False, unknown=value)
    if not world.has(claim.tensor, at):
        index = "".join(f"[{k}]" for k in at)
        return _Finding(right=False, message=f"there is no {claim.tensor}{index}")
    expected = laid(np.asarray(world.derivative((network.loss, ()), (claim.tensor, at)), dtype=float), style)
    try:
        given = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return _Finding(right=False, unknown=Unknown("the value is no array of numbers"))
    if given.shape != expected.shape:
        if _without_ones(given) != _without_ones(expected):
            message = f"the gradient has shape {expected.shape}, the value {given.shape}"
            return _Finding(right=False, message=message)
        given = given.reshape(expected.shape)
    if _agree(given, expected):
        return _Finding(right=True, ratio=1.0)
    ratio = _ratio(given, expected)
    place = np.unravel_index(int(np.argmax(np.abs(given - expected))), expected.shape) if expected.ndim else ()
    entry = tuple(int(k) + 1 for k in place)
    counterexample = Counterexample(
        world=name, sizes=world.sizes, letters={}, entry=entry, left=float(given[place]), right=float(expected[place])
    )
    return _Finding(
        right=False, ratio=ratio, message="the value differs from the derivative", counterexample=counterexample
    )


def _without_ones(array: Any) -> tuple[int, ...]:
    return tuple(size for size in array.shape if size != 1)


def _agree(left: Any, right: Any) -> bool:
    scale = max(1.0, float(np.max(np.abs(right), initial=0.0)))
    return bool(np.all(np.isfinite(left)) and np.max(np.abs(left - right), initial=0.0) <= _CLOSE * scale)


def _ratio(given: Any, expected: Any) -> float | None:
    """The constant by which two arrays differ."""
    square = float(np.sum(expected * expected))
    if not square or not np.all(np.isfinite(given)):
        return None
    ratio = float(np.sum(given * expected)) / square
    return ratio if ratio and _agree(given, ratio * expected) else None


def _common_factor(network: Network, rounds: list[tuple[World, dict[Key, _Finding]]]) -> str | None:
    """The factor of the loss that all these claims leave out or add, in words; None for none or another.

    Parameters share one in a file, and so do the errors on the way (``dZ = A - Y``, with 1/N where the weights are).
    """
    if not any(found for _, found in rounds):
        return None
    for reading in with_factors(network, Conventions()):
        if all(
            each.ratio is not None and abs(each.ratio / _factor(reading, world) - 1) < _CLOSE
            for world, found in rounds
            for each in found.values()
        ):
            return reading.deviations[-1]
    return None


def _factor(reading: Conventions, world: World) -> float:
    """The number that a reading multiplies the loss by."""
    number = float(reading.factor or 1)
    if reading.size_factor is not None:
        name, power = reading.size_factor
        number *= float(world.size(name)) ** power
    return number


def _verdict(found: list[_Finding], style: Style, factor: str | None) -> Verdict:
    """One verdict from what was found in all worlds."""
    agrees = Evidence(kind="agrees", points=len(found), digits=_DIGITS)
    if all(each.right for each in found):
        if style == "as is":
            return Verdict(verdict="right", evidence=agrees)
        return Verdict(verdict="right-under-convention", convention=_STYLE_NAMES[style], evidence=agrees)
    if factor is not None:
        return Verdict(verdict="right-under-convention", evidence=agrees, convention=factor)
    bad = next(each for each in found if not each.right)
    if bad.unknown is not None and not bad.unknown.misfit:
        place = f" (line {bad.unknown.line})" if bad.unknown.line else ""
        return Verdict(verdict="unreadable", message=bad.unknown.reason + place)
    message = bad.unknown.reason if bad.unknown is not None else bad.message
    if bad.unknown is not None and bad.unknown.line:
        message += f" (line {bad.unknown.line})"
    return Verdict(
        verdict="wrong",
        message=message,
        ratio=bad.ratio,
        counterexample=bad.counterexample,
        evidence=Evidence(kind="refuted", points=len(found)),
    )
