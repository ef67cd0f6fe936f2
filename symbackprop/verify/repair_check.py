"""Is a changed statement right? The quick answer, in one world, and the full one before a fix is shown."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from symbackprop.handwritten.expression import walk
from symbackprop.verify.conventions import Conventions, tried
from symbackprop.verify.evaluate import Evaluator, Misread, OutOfRange, ShapeMisfit
from symbackprop.verify.judge import holds
from symbackprop.verify.judge_compare import Differs, Unclear, equal, fitted, multiple
from symbackprop.verify.judge_letters import assignments, independents
from symbackprop.verify.judge_members import prepared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.handwritten.expression import Node
    from symbackprop.verify.conventions import Setting
    from symbackprop.verify.edits import Members
    from symbackprop.verify.evaluate import Val
    from symbackprop.verify.judge import Worlds
    from symbackprop.verify.judge_members import Task
    from symbackprop.verify.world import World

_READINGS = 12
_REMEMBERED = 5000
_POINTS = 6
"""Values of the letters that are tried until one makes sense."""
_WORLDS = 2
"""Worlds in which such values are looked for: the file's sizes, and another depth."""
WORK = 240_000
"""Nodes that may be evaluated in the search for one fix: a count, so that the answer does not depend on the machine."""
LAST_RESORT = 120.0
"""Seconds after which a search is stopped all the same; the message then says so."""
_CANDIDATE = 20
"""What making a candidate counts, in evaluated nodes."""
_NODE = 1
"""What each node of the statement adds to that: all are looked at, though few are evaluated again."""
_CONFIRMED = 300
"""What judging a candidate in all worlds counts."""


@dataclass(slots=True)
class Effort:
    """What a search may still spend."""

    left: int = WORK
    deadline: float = field(default_factory=lambda: time.monotonic() + LAST_RESORT)
    stopped: bool = False
    """True where the clock ended the search, not the count."""

    def spend(self, nodes: int) -> None:
        """Some work is done."""
        self.left -= nodes
        self.stopped = self.stopped or time.monotonic() > self.deadline

    @property
    def over(self) -> bool:
        """True where the search ends."""
        return self.left <= 0 or self.stopped


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a candidate; ``at`` is the node that misfits, with ``ahead`` products of two still to be made."""

    kind: Literal["right", "wrong", "misfit", "invalid"]
    at: Node | None = None
    ahead: int = 0


class _Remembering(Evaluator):
    """Keeps the values of nodes outside sums, so that candidates evaluate only what changed in them."""

    def __init__(self, *parts: Any, memory: dict[int, tuple[Node, Val]]) -> None:
        super().__init__(*parts)
        self.start, self.home, self.memory = self.env, self.world, memory
        self.count = 0

    def evaluate(self, node: Node) -> Val:
        """The value of a node, as remembered where nothing around it differs."""
        elsewhere = self.env is not self.start or self.world is not self.home
        if self.mask is not True or self.seed is not None or elsewhere or self.names_open:
            self.count += 1
            return super().evaluate(node)
        known = self.memory.get(id(node))
        if known is not None and known[0] is node:
            return known[1]
        self.count += 1
        value = super().evaluate(node)
        self.memory[id(node)] = node, value
        return value


class Checker:
    """Judges candidates for one statement: under the plain reading, or under ``readings`` where given."""

    def __init__(
        self,
        statement: Any,
        setting: Setting,
        worlds: Worlds,
        readings: tuple[Conventions, ...] = (),
        effort: Effort | None = None,
    ) -> None:
        self.statement, self.setting, self.worlds = statement, setting, worlds
        self.readings = readings or plain_readings(statement, setting, worlds)
        self.effort = effort or Effort()
        self.size = sum(1 for member in statement.members for _ in walk(member))
        self.memory: dict[tuple[int, int, tuple[tuple[str, Any], ...]], dict[int, tuple[Node, Val]]] = {}

    def pair(self, member: int) -> Checker:
        """The same for the first member and another one."""
        members, relations = self.statement.members, self.statement.relations
        part = replace(
            self.statement, members=(members[0], members[member]), relations=(relations[member - 1],), alternatives=()
        )
        return Checker(part, self.setting, self.worlds, self.readings, self.effort)

    def outcome(self, members: Members) -> Outcome:
        """The quick answer, confirmed where it is "right"."""
        self.effort.spend(_CANDIDATE + _NODE * self.size)
        best = Outcome("invalid")
        try:
            changed = replace(self.statement, members=members, alternatives=())
            task = prepared(changed, self.setting, self.worlds.network)
        except Misread:
            return best
        for reading in self.readings:
            quick = self._quick(task, reading)
            if quick.kind == "right" and self.confirmed(members, reading):
                return quick
            if _ORDER[quick.kind] < _ORDER[best.kind]:
                best = quick if quick.kind != "right" else Outcome("wrong")
        return best

    def confirmed(self, members: Members, reading: Conventions) -> bool:
        """Right in all worlds, for all values of the letters."""
        self.effort.spend(_CONFIRMED)
        changed = replace(self.statement, members=members, alternatives=())
        return holds(changed, self.setting, self.worlds, (reading,))

    def _quick(self, task: Task, reading: Conventions) -> Outcome:
        """What the first values of the letters say that make sense of it, in the first world that has such."""
        try:
            for _, world in islice(self.worlds.floating(one_depth=task.one_depth), _WORLDS):
                for env in islice(assignments(world, task.members, self.setting, reading), _POINTS):
                    with np.errstate(all="ignore"):
                        found = self._at(task, world, reading, env)
                    if found is not None:
                        return found
        except Misread:
            pass
        return Outcome("invalid")

    def _at(self, task: Any, world: World, reading: Conventions, env: dict[str, Any]) -> Outcome | None:
        """None where these values of the letters make no sense of it."""
        loose = {k for k, v in env.items() if np.ndim(v) == 0 and k not in self.setting.ranges}
        point = (id(world), id(reading), tuple((k, int(v) if np.ndim(v) == 0 else np.shape(v)) for k, v in env.items()))
        memory = self.memory.setdefault(point, {})
        if len(memory) > _REMEMBERED:
            memory.clear()
        evaluator = _Remembering(world, reading, self.setting, env, task.scalars, memory=memory)
        try:
            if task.differentials:
                evaluator.independents = independents(evaluator, task.members)
            values = []
            for k, node in enumerate(task.members):
                values.append(evaluator.evaluate(node))
                if k == 0 and values[0].rank == 2:  # noqa: PLR2004 - a matrix
                    evaluator.expected = values[0].cell
            for k, relation in enumerate(task.relations, 1):
                left, right = fitted(evaluator, task.members[k], values[0], values[k])
                if "multiple" in relation:
                    multiple(
                        evaluator, left, right, sign={"positive multiple": 1, "negative multiple": -1}.get(relation, 0)
                    )
                elif relation == "equal":
                    equal(evaluator, left, right)
        except ShapeMisfit as misfit:
            return Outcome("misfit", misfit.node, misfit.ahead)
        except OutOfRange as misfit:
            return None if misfit.letters & loose else Outcome("misfit", misfit.node)
        except (Differs, Unclear):
            return Outcome("wrong")
        finally:
            self.effort.spend(evaluator.count)
        return Outcome("right")


_ORDER = {"right": 0, "wrong": 1, "misfit": 2, "invalid": 3}


def plain_readings(statement: Any, setting: Setting, worlds: Worlds) -> tuple[Conventions, ...]:
    """The plain reading and those that need no words: slices as vectors, matrices of one row turned."""
    return tuple(_wordless(tried(worlds.network, setting, tuple(statement.members))))[:3]


def stretched_readings(statement: Any, setting: Setting, worlds: Worlds) -> tuple[Conventions, ...]:
    """Readings under one convention that has to be named, for statements that no plain reading mends."""
    found = (r for r in tried(worlds.network, setting, tuple(statement.members)) if len(r.deviations) == 1)
    return tuple(islice(found, _READINGS))


def _wordless(readings: Iterator[Conventions]) -> Iterator[Conventions]:
    for number, reading in enumerate(readings):
        if not reading.deviations:
            yield reading
        if number > _READINGS:
            return
