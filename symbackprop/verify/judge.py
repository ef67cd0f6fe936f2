r"""The verdict on a statement: right, right under a convention, wrong, unreadable or undecided, with its evidence.

A statement is judged in several worlds (sizes all different, other depths, sizes all equal) for every value of its free
letters. Readings are tried in a fixed order, the plain one first; the first under which every member agrees everywhere
is the verdict. What is right in double precision is then tried modulo a large prime, where agreement is an identity.
Where that cannot settle it, numbers of 50 digits do: at one point, or at all where doubles leave a doubt (few digits
agree, a value is too large).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

import numpy as np

from symbackprop.handwritten import expression as ex
from symbackprop.verify.conventions import Conventions, Setting, default, tried, with_factors
from symbackprop.verify.evaluate import Evaluator, Misread, OutOfRange, ShapeMisfit, Undecidable, Undeclared
from symbackprop.verify.judge_compare import APART, Differs, Unclear, equal, fitted, multiple, of_shape, rounded
from symbackprop.verify.judge_letters import assignments, independents, unrelated
from symbackprop.verify.judge_members import GRADIENTS, Task, numbered, of_the_loss, prepared
from symbackprop.verify.world import PRIME, Inexact, World, Worlds
from symbackprop.verify.world_precise import DIGITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from symbackprop.verify.evaluate_values import Val

__all__ = ["Counterexample", "Evidence", "Setting", "Verdict", "Worlds", "holds", "judge"]

UNSTATED = "no directive says what the name with d on the left stands for"

DEGREE = 2**12
"""Degree of the members, as fractions of polynomials in what was drawn, for which the chance of error is stated."""

SURE = 13
"""Digits to which equal values agree in doubles; where fewer do, more digits decide."""

Kind = Literal["right", "right-under-convention", "wrong", "unreadable", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why a verdict holds: ``same form``, ``equal modulo p``, ``agrees`` or ``refuted``."""

    kind: Literal["same form", "equal modulo p", "agrees", "refuted"]
    points: int = 0
    digits: int = 0
    bound: str = ""

    def __str__(self) -> str:
        if self.kind == "equal modulo p":
            where = f"equal modulo p = 2^61 - 1 at {_points(self.points)}"
            return f"{where}, wrong with a chance below {self.bound} for members of degree up to {DEGREE}"
        if self.kind == "agrees":
            return f"agrees at {_points(self.points)} to {self.digits} digits"
        return self.kind


def _points(count: int) -> str:
    return f"{count} point" + ("" if count == 1 else "s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterexample:
    """A point at which two members differ: sizes and letters of that world, the entry, both values."""

    world: str
    sizes: Mapping[str, Any]
    letters: Mapping[str, int]
    entry: tuple[int, ...] = ()
    left: float = 0.0
    right: float = 0.0

    def __str__(self) -> str:
        where = ", ".join(f"{name} = {value}" for name, value in self.letters.items())
        entry = f"entry ({', '.join(map(str, self.entry))})" if self.entry else ""
        at = "; ".join(part for part in (where, entry) if part)
        return " against ".join(apart(self.left, self.right)) + (f" at {at}" if at else "")


def apart(*values: float) -> tuple[str, ...]:
    """Numbers with so many digits, at least four, that different ones read differently.

    >>> apart(0.5, 0.25), apart(1.0000001, 1.0)
    (('0.5', '0.25'), ('1.0000001', '1'))
    """
    for digits in range(4, 17):
        shown = tuple(f"{value:.{digits}g}" for value in values)
        if len(set(shown)) == len(set(values)):
            break
    return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found.

    ``convention`` says in words under which convention; ``reading`` is that reading. ``wrong_member`` counts the
    members of the statement from 0; ``misfit`` is the node whose shapes do not fit, or whose index is outside its
    range, with ``message`` about it. ``ratio`` is the constant by which a wrong member differs, if it is one.
    ``settles`` is the precedence that this right claim shows, for the claims after it; ``settles_vectors`` whether
    vectors are rows or columns.
    """

    verdict: Kind
    message: str = ""
    convention: str | None = None
    evidence: Evidence | None = None
    wrong_member: int | None = None
    misfit: Misread | None = None
    counterexample: Counterexample | None = None
    ratio: float | None = None
    reading: Conventions | None = None
    settles: Literal["juxtaposition", "hadamard"] | None = None
    settles_vectors: Literal["rows", "columns"] | None = None

    @property
    def is_right(self) -> bool:
        """Right, perhaps under a convention."""
        return self.verdict in {"right", "right-under-convention"}


@dataclass(slots=True)
class _Trial:
    """What one reading of a task led to."""

    task: Task
    setting: Setting
    reading: Conventions
    points: int = 0
    digits: int = 15
    notes: dict[str, None] = field(default_factory=dict)
    member: int | None = None
    misfit: Misread | None = None
    difference: Differs | None = None
    unclear: str = ""
    counterexample: Counterexample | None = None
    rates: dict[str, float] = field(default_factory=dict)
    outside: OutOfRange | None = None
    identity: Evidence | None = None

    @property
    def doubtful(self) -> bool:
        """True where rounding could hide a difference, or be one."""
        return bool(self.unclear) or (self.passed and self.digits < SURE)

    @property
    def passed(self) -> bool:
        return self.points > 0 and self.misfit is None and self.difference is None and not self.unclear


def judge(statement: Any, setting: Setting, worlds: Worlds) -> Verdict:
    """The verdict on a statement with ``members`` and ``relations`` (and, if it has them, ``conditions``)."""
    worlds = worlds.at(setting.sizes)
    try:
        task = prepared(statement, setting, worlds.network)
    except Undecidable as reason:
        return Verdict(verdict="undecided", message=reason.message, misfit=reason)
    unknown = next((n for m in task.members for n in ex.walk(m) if _is_undeclared(n, task, setting)), None)
    if unknown is not None:
        misfit = Undeclared(unknown, f"nothing declares {unknown.name}")
        return Verdict(verdict="unreadable", message=misfit.message, misfit=misfit)
    worlds = worlds.with_room(numbered(task.members, setting, worlds.network))
    verdict = _judged(task, setting, worlds)
    if task.gradients is not None and not verdict.is_right:
        other = _judged(task.gradients, setting, worlds)
        if other.is_right:
            return _under(other, GRADIENTS)
        if verdict.verdict == "wrong" and task.lone:
            return replace(verdict, verdict="undecided", message=UNSTATED)
    if task.assumed and verdict.verdict == "wrong":
        return replace(verdict, verdict="undecided", message=UNSTATED)
    return _under(verdict, task.assumed) if task.assumed and verdict.is_right else verdict


def _under(verdict: Verdict, words: str) -> Verdict:
    """A right verdict under one more convention."""
    both = "; ".join(w for w in (words, verdict.convention) if w)
    return replace(verdict, verdict="right-under-convention", convention=both)


def _is_undeclared(node: ex.Node, task: Task, setting: Setting) -> TypeGuard[ex.Unknown]:
    """True for a symbol that stands for nothing, not even for a learning rate."""
    return isinstance(node, ex.Unknown) and node.name not in task.scalars | setting.scalars


def holds(statement: Any, setting: Setting, worlds: Worlds, readings: Iterable[Conventions] | None = None) -> bool:
    """True where the statement is right under the first of the readings that fits (the plain one by default)."""
    worlds = worlds.at(setting.sizes)
    try:
        task = prepared(statement, setting, worlds.network)
        worlds = worlds.with_room(numbered(task.members, setting, worlds.network))
        for reading in readings if readings is not None else (default(worlds.network, setting),):
            if _tried(task, setting, worlds, reading).passed:
                return True
    except Misread:
        return False
    return False


def _judged(task: Task, setting: Setting, worlds: Worlds) -> Verdict:
    first: _Trial | None = None
    closest: _Trial | None = None
    for reading in tried(worlds.network, setting, task.members):
        stated = (setting.layout_vectors, setting.layout_matrices)
        if task.own_shapes and (reading.layout_vectors, reading.layout_matrices) != stated:
            continue
        trial = _tried(task, setting, worlds, reading)
        first = first or trial
        if isinstance(trial.misfit, Undeclared):
            return Verdict(
                verdict="unreadable", message=trial.misfit.message, misfit=trial.misfit, wrong_member=trial.member
            )
        if trial.passed:
            return _right(task, setting, worlds, trial)
        if trial.difference is not None:
            closest = closest or trial
            scaled = _scaled(task, setting, worlds, trial)
            if scaled is not None:
                return _right(task, setting, worlds, scaled)
    assert first is not None, "the plain reading is always tried"  # noqa: S101
    return _not_right(task, first, closest)


def _scaled(task: Task, setting: Setting, worlds: Worlds, trial: _Trial) -> _Trial | None:
    """The same reading with a constant of the loss left out or put in, where the members differ by a constant."""
    ratio = trial.difference.ratio if trial.difference is not None else None
    if ratio is None or len(trial.reading.deviations) > 1 or not of_the_loss(task.members[0], worlds.network, setting):
        return None
    for reading in with_factors(worlds.network, trial.reading):
        again = _tried(task, setting, worlds, reading)
        if again.passed:
            return again
    return None


def _not_right(task: Task, first: _Trial, closest: _Trial | None) -> Verdict:
    if first.unclear:
        return Verdict(verdict="undecided", message=first.unclear)
    misfit = first.misfit
    if isinstance(misfit, Undecidable):
        return Verdict(verdict="undecided", message=misfit.message, misfit=misfit)
    if misfit is not None and not isinstance(misfit, (ShapeMisfit, OutOfRange)):
        return Verdict(verdict="unreadable", message=misfit.message, misfit=misfit)
    if first.points == 0 and misfit is None and first.difference is None:
        if first.outside is None:
            return Verdict(verdict="undecided", message="no values of the indices make sense of it")
        misfit = first.outside
    if first.difference is not None and task.vague:
        return Verdict(verdict="undecided", message="no directive says what the approximation claims")
    shown = first if first.difference is not None or closest is None else closest
    return Verdict(
        verdict="wrong",
        message=misfit.message if misfit is not None else "",
        evidence=Evidence(kind="refuted"),
        wrong_member=None if first.member is None else first.member - task.shift,
        misfit=misfit,
        counterexample=shown.counterexample,
        ratio=None if first.difference is None else first.difference.ratio,
        reading=first.reading,
    )


def _right(task: Task, setting: Setting, worlds: Worlds, trial: _Trial) -> Verdict:
    words = [*trial.reading.deviations, *trial.notes]
    convention = "; ".join(words) or None
    settles: Literal["juxtaposition", "hadamard"] | None = None
    if setting.precedence is None and _mixes(task.members):
        other: Literal["juxtaposition", "hadamard"] = (
            "hadamard" if trial.reading.precedence == "juxtaposition" else "juxtaposition"
        )
        if not _tried(task, setting, worlds, replace(trial.reading, precedence=other), quick=True).passed:
            settles = trial.reading.precedence
    oriented: Literal["rows", "columns"] | None = None
    if setting.vectors is None and setting.settled_vectors is None and not convention and _multiplies(task.members):
        turned: Literal["rows", "columns"] = "columns" if trial.reading.vectors == "rows" else "rows"
        if not _tried(task, setting, worlds, replace(trial.reading, vectors=turned), quick=True).passed:
            oriented = trial.reading.vectors
    return Verdict(
        verdict="right-under-convention" if convention else "right",
        convention=convention,
        evidence=_evidence(trial),
        reading=trial.reading,
        settles=settles,
        settles_vectors=oriented,
    )


def _multiplies(members: Sequence[ex.Node]) -> bool:
    """True where arrays are multiplied, whose orientation then shows."""
    products = [n for m in members for n in ex.walk(m) if isinstance(n, ex.Product)]
    return any(sum(isinstance(f, ex.Quantity | ex.Named | ex.Transpose) for f in p.factors) > 1 for p in products)


def _mixes(members: Sequence[ex.Node]) -> bool:
    """True where juxtaposition and an entrywise sign meet in one product."""
    products = [n for m in members for n in ex.walk(m) if isinstance(n, ex.Product)]
    return any({"circ", "odot", "entrywise"} & set(p.signs[1:]) and "juxtaposition" in p.signs[1:] for p in products)


def _evidence(trial: _Trial) -> Evidence:
    """The strongest there is: the same form, an identity modulo the prime, agreement of decimals."""
    if _same_form(trial.task):
        return Evidence(kind="same form")
    return trial.identity or Evidence(kind="agrees", points=trial.points, digits=trial.digits)


def _same_form(task: Task) -> bool:
    return all(m == task.members[0] for m in task.members[1:])


def _identity(task: Task, setting: Setting, worlds: Worlds, reading: Conventions) -> Evidence | None:
    """That a reading holds modulo the prime; None where it does not, or where functions have no place there."""
    trial = _Trial(task, setting, reading)
    calls = 0
    try:
        for name, world in worlds.exact(one_depth=task.one_depth):
            if not _in_world(trial, name, world, plain=name == worlds.variants[0][0]):
                return None
            calls = max(calls, getattr(world.field, "calls", 0))
    except (Inexact, Misread):
        return None
    return Evidence(kind="equal modulo p", points=trial.points, bound=_bound(calls)) if trial.passed else None


def _bound(calls: int) -> str:
    """The chance at one point that unequal rational functions agree, or that two arguments of a function collide."""
    chance = (DEGREE + DEGREE * calls * calls / 2) / PRIME
    return f"2^{int(np.ceil(np.log2(chance)))}"


def _tried(task: Task, setting: Setting, worlds: Worlds, reading: Conventions, *, quick: bool = False) -> _Trial:
    """One reading, world by world until one refutes it."""
    trial = _Trial(task, setting, reading)
    for number, (name, world) in enumerate(worlds.floating(one_depth=task.one_depth)):
        if not _in_world(trial, name, world, plain=number == 0):
            break
        if quick and trial.points:
            break
    return trial if quick or not (trial.passed or trial.unclear) else _settled(trial, worlds)


def _settled(trial: _Trial, worlds: Worlds) -> _Trial:
    """A trial that doubles did not refute: an identity modulo the prime, or tried again in numbers of many digits."""
    task, setting, reading = trial.task, trial.setting, trial.reading
    if any(r != "equal" for r in task.relations) or _same_form(task):
        return trial
    if trial.passed:
        trial.identity = _identity(task, setting, worlds, reading)
        if trial.identity is not None:
            return trial
    precise = _Trial(task, setting, reading, digits=DIGITS)
    try:
        for number, (name, world) in enumerate(worlds.precise(one_depth=task.one_depth)):
            if not _in_world(precise, name, world, plain=number == 0) or (precise.points and not trial.doubtful):
                break
    except Inexact:
        return trial
    if precise.passed and not trial.doubtful:
        return replace(trial, digits=precise.digits, points=precise.points)
    return precise if precise.passed or precise.difference is not None else trial


def _in_world(trial: _Trial, name: str, world: World, *, plain: bool) -> bool:
    """One reading in one world; False where it is refuted or cannot be decided there."""
    try:
        with np.errstate(all="ignore"):
            return _at_all(trial, name, world, plain=plain)
    except Misread as misfit:
        trial.misfit, trial.member = misfit, 0
        return False


def _at_all(trial: _Trial, name: str, world: World, *, plain: bool) -> bool:
    """One reading at all values of the letters."""
    return all(
        _at(trial, name, world, env, plain=plain)
        for env in assignments(world, trial.task.members, trial.setting, trial.reading)
    )


def _at(trial: _Trial, name: str, world: World, env: dict[str, Any], *, plain: bool) -> bool:
    """One reading at given letters; False as above."""
    task, setting = trial.task, trial.setting
    evaluator = Evaluator(world, trial.reading, setting, env, task.scalars)
    loose = {k for k, v in env.items() if np.ndim(v) == 0 and k not in setting.ranges}
    member = 0
    try:
        if not _applies(evaluator, task):
            return True
        if task.differentials:
            evaluator.independents = independents(evaluator, task.members)
        values: list[Val] = []
        for member, node in enumerate(task.members):
            values.append(evaluator.evaluate(node))
            if member == 0 and values[0].rank == 2:  # noqa: PLR2004
                evaluator.expected = values[0].cell
        if task.shape is not None:
            of_shape(evaluator, task.members[-1], values[-1], task.shape)
        for member in range(1, len(values)):
            _compared(trial, evaluator, values, member)
    except OutOfRange as misfit:
        if misfit.letters & loose or (not plain and not misfit.letters):
            trial.outside = trial.outside or misfit
            return True  # these values of the letters make no sense of it
        trial.misfit, trial.member = misfit, member
        return False
    except (Unclear, Misread) as reason:
        trial.member = member
        trial.unclear, trial.misfit = (str(reason), None) if isinstance(reason, Unclear) else ("", reason)
        return False
    except Differs as difference:
        if unrelated(evaluator, task, loose):
            return True
        return _refuted(trial, name, evaluator, member, (difference, values[0]))
    trial.points += 1
    trial.notes.update(evaluator.notes)
    return True


def _applies(evaluator: Evaluator, task: Task) -> bool:
    """Whether the conditions of a statement hold somewhere; elsewhere nothing is claimed."""
    for condition in task.conditions:
        evaluator.mask = evaluator.mask & evaluator.truth(condition)
    return bool(np.any(evaluator.mask))


def _refuted(trial: _Trial, name: str, evaluator: Evaluator, member: int, found: tuple[Differs, Val]) -> bool:
    """False, with the point at which a member has another value than the first."""
    trial.difference, trial.member = found[0], member
    trial.counterexample = _counterexample(name, evaluator.world, evaluator.env, *found)
    return False


def _compared(trial: _Trial, evaluator: Evaluator, values: Sequence[Val], member: int) -> None:
    task = trial.task
    relation = task.relations[member - 1]
    a, b = fitted(evaluator, task.members[member], values[0], values[member])
    if not np.all(evaluator.mask):  # a condition on element indices: elsewhere nothing is claimed
        where = np.reshape(evaluator.mask, np.shape(evaluator.mask) + (1,) * values[0].rank)
        a, b = (np.where(where, side, evaluator.field.array(0)) for side in (a, b))
    if relation in {"positive multiple", "multiple", "negative multiple"}:
        if evaluator.field.exact:
            message = "a multiple modulo a prime"
            raise Inexact(message)
        c = multiple(evaluator, a, b, sign={"positive multiple": 1, "negative multiple": -1}.get(relation, 0))
        if c is not None and relation == "negative multiple":
            _same_rate(trial, evaluator, c, (a, b))
        return
    if relation == "approximately equal":
        digits = [
            n.digits for m in task.members for n in ex.walk(m) if isinstance(n, ex.Number) and n.digits is not None
        ]
        if digits:
            rounded(evaluator, a, b, min(digits))
            return
    agreement = equal(evaluator, a, b)
    trial.digits = min(trial.digits, agreement.digits)


def _same_rate(trial: _Trial, evaluator: Evaluator, c: float, values: tuple[Any, Any]) -> None:
    """A learning rate is one scalar to the first power: what stands beside it is a number, the same at every point."""
    for name in sorted(trial.task.scalars):
        c /= float(evaluator.world.scalar(name))
    place = f"{sorted(evaluator.world.sizes.items(), key=str)}"
    known = trial.rates.setdefault(place, c)
    if abs(known - c) > APART * abs(known):
        a, b = np.broadcast_arrays(*values)
        raise Differs((0,) * a.ndim, float(np.ravel(a)[0]), float(np.ravel(b)[0]), None)


def _counterexample(name: str, world: World, env: Mapping[str, Any], difference: Differs, value: Val) -> Counterexample:
    """The point in the author's counting: values of the letters, and the entry of an array from 1."""
    grid = len(difference.place) - value.rank if value.rank <= len(difference.place) else 0
    letters: dict[str, int] = {}
    for letter, v in env.items():
        if np.ndim(v) == 0:
            letters[letter] = int(v)
        else:
            axis = next(k for k, n in enumerate(np.shape(v)) if n > 1) if np.size(v) > 1 else 0
            offset = grid - np.ndim(v)
            place = difference.place[axis + offset] if 0 <= axis + offset < grid and np.size(v) > 1 else 0
            letters[letter] = int(np.ravel(v)[place])
    cell = tuple(k + 1 for k in difference.place[grid:])
    if value.is_scalar:
        cell = ()
    elif value.rank == 2 and 1 in value.cell:  # noqa: PLR2004 - a vector
        cell = (max(cell),)
    return Counterexample(
        world=name, sizes=dict(world.sizes), letters=letters, entry=cell, left=difference.left, right=difference.right
    )
