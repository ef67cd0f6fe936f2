"""The verdict on hand-written backward passes: every gradient that a Python file assigns against the derivative.

A claim is followed in several worlds (all sizes different, other depths, all sizes equal). How the program lays its
arrays (vectors as columns, everything turned) is one convention for the whole file, and so is a factor of the loss that
it leaves out; both are named in the verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.handwritten.python_source import follow
from symbackprop.handwritten.python_unknown import Unknown
from symbackprop.handwritten.python_values import STYLES, laid
from symbackprop.index import refs_of
from symbackprop.verify.conventions import Conventions, with_factors
from symbackprop.verify.judge import Counterexample, Evidence, Verdict
from symbackprop.verify.python_repair import Court, mended

if TYPE_CHECKING:
    from symbackprop.handwritten.python_claims import Assignment
    from symbackprop.handwritten.python_scopes import Program
    from symbackprop.handwritten.python_source import Run
    from symbackprop.handwritten.python_values import Style
    from symbackprop.network import Network
    from symbackprop.verify.python_repair import Mend
    from symbackprop.verify.world import World, Worlds

_CLOSE = 1e-7
_DIGITS = 7
_MOST_GUESSES = 4
"""Guesses that are tried the other way one by one."""
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
    mend: Mend | None = None


@dataclass(frozen=True, slots=True)
class _Finding:
    """What one claim is worth in one world: right, or the constant by which it differs, or why not."""

    right: bool
    ratio: float | None = None
    unknown: Unknown | None = None
    message: str = ""
    counterexample: Counterexample | None = None
    part: bool = False
    """True for what may be the part of one example or step."""
    meant: str = ""
    """The argument by which the value is the derivative, where the name says the function's value."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a program lays its arrays, and whether its lists start at a family's first member."""

    style: Style = "as is"
    shifted: bool = True


@dataclass(frozen=True, slots=True)
class Judged:
    """The claims of a program with their findings in each world."""

    reading: Reading
    claims: dict[Key, Assignment]
    rounds: list[tuple[World, dict[Key, _Finding]]]


def judge_program(program: Program, network: Network, worlds: Worlds, *, fix: bool = False) -> tuple[PythonClaim, ...]:
    """The claims of a program in its order, judged; none where it assigns no gradient. ``fix`` looks for mends."""
    numbered = list(worlds.floating())
    first = follow(program, network, numbered[0][1])
    if first.stopped is not None:
        unread = Verdict(verdict="unreadable", message=first.stopped.reason)
        listed = [(each.line, each.column, each.text, _quantity(network, each)) for each in first.found()]
        return tuple(
            PythonClaim(line=line, column=column, text=text, quantity=quantity, verdict=unread)
            for line, column, text, quantity in listed or [(1, 1, "", "")]
        )
    reading = best_reading(program, network, numbered[0])
    judged = in_worlds(program, network, numbered, reading)
    verdicts = verdicts_of(judged, network)
    mends = _mends(program, network, numbered, judged, verdicts) if fix else {}
    return tuple(
        PythonClaim(
            line=key[0], column=key[1], text=claim.text, quantity=_quantity(network, claim), verdict=verdicts[key],
            mend=mends.get(key),
        )
        for key, claim in sorted(judged.claims.items())
    )  # fmt: skip


def _mends(
    program: Program, network: Network, numbered: list[tuple[str, World]], judged: Judged, verdicts: dict[Key, Verdict]
) -> dict[Key, Mend]:
    """The edits that mend the wrong claims."""
    wrong = [key for key in sorted(verdicts) if verdicts[key].verdict == "wrong"]
    right = {key for key, verdict in verdicts.items() if verdict.is_right}
    findings = judged.rounds[0][1]
    extra = {key for key, claim in judged.claims.items() if claim.extra}
    usual = {findings[key].ratio for key in right if key in findings} | {1.0}

    def quickly(changed: Program) -> tuple[set[Key], int]:
        run, claims, found = _followed(changed, network, numbered[0], judged.reading)
        downhill = {key for key, claim in claims.items() if claim.extra and (found[key].ratio or 0) > 0}
        return downhill | {key for key, each in found.items() if each.right or _among(each.ratio, usual)}, run.steps

    def fully(changed: Program) -> set[Key]:
        again = verdicts_of(in_worlds(changed, network, numbered, judged.reading), network)
        return {key for key, verdict in again.items() if verdict.is_right} | (extra - set(again))

    court = Court(network, numbered[0][1], judged.reading, quickly, fully)
    return mended(program, court, right, wrong) if wrong else {}


def _among(ratio: float | None, usual: set[float | None]) -> bool:
    return ratio is not None and any(each is not None and abs(ratio / each - 1) < _CLOSE for each in usual)


def best_reading(program: Program, network: Network, numbered: tuple[str, World]) -> Reading:
    """The reading under which most claims are right."""
    families = any(tensor.family for tensor in network.tensors.values())
    best: tuple[tuple[int, int], Reading] | None = None
    for style in STYLES:
        for shifted in (True, False) if families else (True,):
            reading = Reading(style, shifted)
            found = _findings(program, network, numbered, reading)[1]
            score = (
                sum(each.right for each in found.values()),
                -sum(each.unknown is not None for each in found.values()),
            )
            if best is None or score > best[0]:
                best = (score, reading)
            if found and score[0] == len(found):
                return best[1]
    assert best is not None  # noqa: S101 - there are styles
    return best[1]


def in_worlds(program: Program, network: Network, numbered: list[tuple[str, World]], reading: Reading) -> Judged:
    """The program, followed in several worlds; claims are those of the first, and what only others have."""
    claims: dict[Key, Assignment] = {}
    rounds = []
    dropped: set[Key] = set()
    for world in numbered:
        run, own, found = _followed(program, network, world, reading)
        wrong = {
            key: own[key]
            for key, each in found.items()
            if not each.right and (each.unknown is None or each.unknown.misfit)
        }
        for key, gap in _doubtful(run, wrong).items():
            found[key] = replace(found[key], unknown=gap, ratio=None, meant="", part=False)
        dropped |= {key for key, each in found.items() if each.part}
        claims |= {key: own[key] for key in found if key not in claims}
        rounds.append((world[1], found))
    uphill = {key for key in claims if all(_is_negative(each[key]) for _, each in rounds if key in each)}
    dropped |= {key for key, claim in claims.items() if claim.extra and key not in uphill}
    for key in dropped:
        claims.pop(key, None)
        for _, found in rounds:
            found.pop(key, None)
    return Judged(reading, claims, rounds)


def _is_negative(finding: _Finding) -> bool:
    return finding.ratio is not None and finding.ratio < 0


def verdicts_of(judged: Judged, network: Network) -> dict[Key, Verdict]:
    """The verdict of each claim; a factor of the loss is shared by all parameters, or it is a mistake."""
    parameters, claimed = set(network.parameters), {claim.tensor for claim in judged.claims.values()}
    words: dict[Key, str] = {}
    for group in (True, False):
        rounds = [
            (world, {key: each for key, each in found.items() if (key[2] in parameters) == group})
            for world, found in judged.rounds
        ]
        factor = _common_factor(network, rounds)
        if factor is None:
            continue
        others = [key for _, found in rounds for key in found if key not in factor[1]]
        if not group or not any(_has_ratio(rounds, key) for key in others):
            words |= dict.fromkeys(factor[1], factor[0])
    return {
        key: _verdict(
            [found[key] for _, found in judged.rounds if key in found], judged.reading.style, words.get(key),
            claim, claimed,
        )
        for key, claim in judged.claims.items()
    }  # fmt: skip


def _has_ratio(rounds: list[tuple[World, dict[Key, _Finding]]], key: Key) -> bool:
    return all(found[key].ratio is not None for _, found in rounds if key in found)


def _quantity(network: Network, claim: Assignment) -> str:
    members = [at for at, _ in claim.members]
    letter = network.tensors[claim.tensor].family[0].var if members and members[0] else ""
    index = f"[{letter}]" if len(members) > 1 else "".join(f"[{k}]" for at in members for k in at)
    return f"d{network.loss}/d{claim.tensor}{index}"


def _findings(
    program: Program, network: Network, numbered: tuple[str, World], reading: Reading
) -> tuple[dict[Key, Assignment], dict[Key, _Finding]]:
    """The claims of a program in one world, with the worst finding of each claim's members."""
    return _followed(program, network, numbered, reading)[1:]


def _followed(
    program: Program, network: Network, numbered: tuple[str, World], reading: Reading
) -> tuple[Run, dict[Key, Assignment], dict[Key, _Finding]]:
    run = follow(program, network, numbered[1], reading.style, shifted=reading.shifted)
    claims = {(each.line, each.column, each.tensor): each for each in run.found()}
    found: dict[Key, _Finding] = {}
    for key, claim in claims.items():
        each = [_finding(network, numbered, claim, member, reading.style) for member in claim.members]
        worst = min(each, key=lambda one: (one.right, one.unknown is None))
        ratios = {round(one.ratio, 9) for one in each if one.ratio is not None}
        if len(ratios) > 1 or any(one.ratio is None for one in each):
            worst = replace(worst, ratio=None)
        found[key] = worst
    return run, claims, found


def _doubtful(run: Run, bad: dict[Key, Assignment]) -> dict[Key, Unknown]:
    """Claims with other values where what is not followed (a test, the number of rounds) had been guessed otherwise."""
    found: dict[Key, Unknown] = {}
    lines = sorted(run.guesses)[:_MOST_GUESSES]
    for flipped in ({frozenset(run.guesses)} | {frozenset((line,)) for line in lines}) if bad and lines else ():
        others = {(each.line, each.column, each.tensor): each for each in run.otherwise(flipped).found()}
        line = min(flipped)
        for key, claim in bad.items():
            if key in others and not _same_members(claim, others[key]):
                reason = f"it depends on what is not followed: {run.guesses[line].reason}"
                found.setdefault(key, Unknown(reason, run.program.line(line)))
    return found


def _same_members(left: Assignment, right: Assignment) -> bool:
    """True where two runs give a claim the same values."""
    ours, theirs = dict(left.members), dict(right.members)
    return set(ours) == set(theirs) and all(
        isinstance(theirs[at], Unknown)
        if isinstance(value, Unknown)
        else np.shape(value) == np.shape(theirs[at]) and _agree(np.asarray(theirs[at]), np.asarray(value))
        for at, value in ours.items()
    )


def _finding(
    network: Network, numbered: tuple[str, World], claim: Assignment, member: tuple[tuple[int, ...], Any], style: Style
) -> _Finding:
    (name, world), (at, value) = numbered, member
    if isinstance(value, Unknown):
        return _Finding(right=False, unknown=value)
    if not world.has(claim.tensor, at):
        index = "".join(f"[{k}]" for k in at)
        return _Finding(right=False, message=f"there is no {claim.tensor}{index}")
    expected = _derivative(network, world, (claim.tensor, at), style)
    try:
        given = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return _Finding(right=False, unknown=Unknown("the value is no array of numbers"))
    if _without_ones(given) != _without_ones(expected):
        message = f"the gradient has shape {expected.shape}, the value {given.shape}"
        return _Finding(right=False, message=message, part=claim.loose)
    ratio = _ratio(given, expected)
    meant = ""
    if ratio is None and claim.tensor not in network.parameters:
        meant, ratio = _of_an_argument(network, world, claim, given, style)
    if ratio == 1:
        return _Finding(right=not meant, ratio=ratio, meant=meant)
    given = given.reshape(expected.shape)
    place = np.unravel_index(int(np.argmax(np.abs(given - expected))), expected.shape) if expected.ndim else ()
    counterexample = Counterexample(
        world=name, sizes=world.sizes, letters={}, entry=tuple(int(k) + 1 for k in place),
        left=float(given[place]), right=float(expected[place]),
    )  # fmt: skip
    return _Finding(
        right=False, ratio=ratio, message="the value differs from the derivative", counterexample=counterexample,
        meant=meant,
    )  # fmt: skip


def _derivative(network: Network, world: World, by: tuple[str, tuple[int, ...]], style: Style) -> Any:
    return laid(np.asarray(world.derivative((network.loss, ()), by), dtype=float), style)


def _of_an_argument(
    network: Network, world: World, claim: Assignment, given: Any, style: Style
) -> tuple[str, float | None]:
    """The argument by which a value is the derivative, where its name says the function's value, and the constant.

    ``dA = dZ_next @ W.T`` and then ``dA[A <= 0] = 0`` turns the derivative by A into the one by what A is a function
    of: where a stage was the derivative by A, the name may be kept, and no argument is named.
    """
    for argument in _arguments(network, claim.tensor):
        expected = _derivative(network, world, (argument, ()), style)
        ratio = _ratio(given, expected) if _without_ones(given) == _without_ones(expected) else None
        if ratio is None:
            continue
        own = _derivative(network, world, (claim.tensor, ()), style)
        stages = [each for each in claim.stages[:-1] if not isinstance(each, Unknown)]
        known = [_ratio(each, own) for each in stages if _without_ones(each) == _without_ones(own)]
        passed = any(each is not None and abs(each / ratio - 1) < _CLOSE for each in known)
        return ("" if passed else argument), ratio
    return "", None


def _arguments(network: Network, tensor: str) -> list[str]:
    """The tensors without a family from which a tensor is made entry by entry."""
    about = network.tensors[tensor]
    if about.family:
        return []
    found = {
        ref.tensor for equation in network.definitions(tensor) for term in equation.terms
        for factor in term.factors for ref in refs_of(factor)
    }  # fmt: skip
    return sorted(
        each for each in found
        if each not in {tensor, *network.inputs, *network.parameters} and network.tensors[each].axes == about.axes
    )  # fmt: skip


def _without_ones(array: Any) -> tuple[int, ...]:
    return tuple(size for size in array.shape if size != 1)


def _agree(left: Any, right: Any) -> bool:
    scale = max(1.0, float(np.max(np.abs(right), initial=0.0)))
    return bool(np.all(np.isfinite(left)) and np.max(np.abs(left - right), initial=0.0) <= _CLOSE * scale)


def _ratio(given: Any, expected: Any) -> float | None:
    """The constant by which an array differs from another of the same entries; 1 where they agree."""
    given, expected = np.asarray(given, dtype=float).reshape(np.shape(expected)), np.asarray(expected, dtype=float)
    if _agree(given, expected):
        return 1.0
    square = float(np.sum(expected * expected))
    if not square or not np.all(np.isfinite(given)):
        return None
    ratio = float(np.sum(given * expected)) / square
    return ratio if ratio and _agree(given, ratio * expected) else None


def _common_factor(network: Network, rounds: list[tuple[World, dict[Key, _Finding]]]) -> tuple[str, set[Key]] | None:
    """The factor of the loss that claims leave out or add, in words, and these claims; None for none or another.

    Parameters share one in a file, and so do the errors on the way (``dZ = A - Y``, with 1/N where the weights are):
    what is right beside them must be so in none of the group.
    """
    keys = set().union(*(found for _, found in rounds)) if rounds else set()
    right = {key for key in keys if all(found[key].right for _, found in rounds if key in found)}
    best: tuple[str, set[Key]] | None = None
    for reading in with_factors(network, Conventions()):
        own = {
            key for key in keys - right
            if all(_is_factor(found[key].ratio, _factor(reading, world)) for world, found in rounds if key in found)
        }  # fmt: skip
        if own and (best is None or len(own) > len(best[1])):
            best = reading.deviations[-1], own
    return best


def _is_factor(ratio: float | None, factor: float) -> bool:
    return ratio is not None and abs(ratio / factor - 1) < _CLOSE


def _steady(ratios: list[float | None]) -> bool:
    """True where a parameter is changed by the same positive multiple of its gradient everywhere."""
    known = [ratio for ratio in ratios if ratio is not None]
    return len(known) == len(ratios) and min(known) > 0 and max(known) - min(known) <= _CLOSE * max(known)


def _ones(found: list[_Finding]) -> bool:
    return all(each.ratio is not None and abs(each.ratio - 1) < _CLOSE for each in found)


def _factor(reading: Conventions, world: World) -> float:
    """The number that a reading multiplies the loss by."""
    number = float(reading.factor or 1)
    if reading.size_factor is not None:
        name, power = reading.size_factor
        number *= float(world.size(name)) ** power
    return number


def _verdict(found: list[_Finding], style: Style, factor: str | None, claim: Assignment, claimed: set[str]) -> Verdict:
    """One verdict from what was found in all worlds."""
    agrees = Evidence(kind="agrees", points=len(found), digits=_DIGITS)
    if all(each.right for each in found) or (claim.update and _steady([each.ratio for each in found])):
        if style == "as is":
            return Verdict(verdict="right", evidence=agrees)
        return Verdict(verdict="right-under-convention", convention=_STYLE_NAMES[style], evidence=agrees)
    meant = {each.meant for each in found}
    if any(meant) and len(meant) == 1 and not meant & claimed and (factor is not None or _ones(found)):
        words = f"'{claim.tensor}' in the name means '{meant.pop()}', of which it is a function"
        return Verdict(verdict="right-under-convention", evidence=agrees, convention=words)
    if factor is not None and not any(meant) and not claim.update:
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
