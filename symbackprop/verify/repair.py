"""The smallest change that makes a wrong statement right.

All single changes are tried, the cheapest first; then pairs, then triples that build on a change which at least made
the shapes fit. What is found has been judged right; its text is the author's with the change in it.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from symbackprop.handwritten import expression as ex
from symbackprop.verify import edits_indices, edits_products, edits_statement, edits_terms, edits_values
from symbackprop.verify.edits import Change, Members, Row, get, places, put_member, rank, scene
from symbackprop.verify.repair_check import Checker, Effort
from symbackprop.verify.repair_text import Writer, statement_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from symbackprop.network import Network
    from symbackprop.verify.edits import Known, Scene
    from symbackprop.verify.repair_check import Outcome

ROWS: tuple[Row, ...] = (*edits_products.ROWS, *edits_indices.ROWS, *edits_values.ROWS, *edits_terms.ROWS)
_TIER = 0.35
"""How much dearer a second find may be to be compared with the first."""
_PROGRESS = 0.8
"""What a first change is worth that makes the shapes fit, or moves the misfit outwards."""
_BEAM = 60
_LEAST = 0.75
"""No second change is cheaper."""
_SAME = 1e-9
_LIGHT = frozenset(("SB104", "SB209", "SB219"))
_SHAPES = frozenset(("SB101", "SB102", "SB103", "SB104", "SB105"))
_SHAPELESS = frozenset(("constant", "sign", "slope", "function", "power"))
"""Rows that leave every shape as it is, so that they are of no use while something misfits."""
_DROPS = frozenset(("no factor", "no term"))
"""Rows that take away; what is left misfits less in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A statement made right: its members, the changes in order, and its LaTeX (None where it has no text)."""

    members: Members
    changes: tuple[Change, ...]
    text: str | None
    cost: float
    names: int = 0
    """How many known names make it right in the place of one that nothing declares."""
    left_out: Members = ()
    """Members of a chain that no small change makes right."""

    @property
    def code(self) -> str:
        """The code of the weightiest change: not that of a product sign where there is another."""
        return next((c.code for c in self.changes if c.code not in _LIGHT), self.changes[0].code)


@dataclass(order=True, slots=True)
class _Step:
    priority: float
    number: int
    members: Members = field(compare=False)
    changes: tuple[Change, ...] = field(compare=False)
    cost: float = field(compare=False)
    at: ex.Node | None = field(compare=False, default=None)
    """What misfits after these changes."""


class Search:
    """Looks for repairs of one statement; ``targets`` are the members that may change."""

    def __init__(  # noqa: PLR0913 - a statement and all it is judged by
        self,
        network: Network,
        statement: Any,
        outcome: Callable[[Members], Outcome],
        *,
        names: Sequence[Known] = (),
        targets: Sequence[int] = (),
        base: int = 1,
        claim: ex.Node | None = None,
        derived: Sequence[ex.Node] = (),
        effort: Effort | None = None,
    ) -> None:
        self.members: Members = tuple(statement.members)
        self.relations: tuple[str, ...] = tuple(statement.relations)
        self.scene = scene(network, self.members, names, base=base, claim=claim, derived=derived)
        self.targets = tuple(targets) or default_targets(self.members)
        self.outcome = outcome
        self.effort = effort or Effort()
        self.seen: set[Members] = {self.members}
        self.first = outcome(self.members)
        self.numbers = count()
        self.writer = Writer(self.scene)

    # -- the search ----------------------------------------------------------------------------------------------------

    def run(self) -> Repair | None:
        """The best repair, or None."""
        found: list[Repair] = []
        steps = self._singles(found)
        if found:
            names = sum(1 for r in found if r.changes[0].row == "declared")
            return replace(min(found, key=_rank), names=names)
        return self._deeper(steps)

    def _singles(self, found: list[Repair]) -> list[_Step]:
        """All single changes, judged; those that are not right, with what they are worth as a first step."""
        steps: list[_Step] = []
        alone = [(cost, (change,)) for cost, change in self._changes(self.members, self.first.at)]
        together = edits_statement.proposals(self.members, self.scene)
        for cost, changes in sorted([*alone, *together], key=lambda c: c[0]):
            dear = bool(found) and self.first.kind != "invalid" and cost > min(r.cost for r in found) + _TIER
            if self.effort.over or dear:
                break
            members = self.members
            for change in changes:
                members = put_member(members, change.path, change.after)
            if members in self.seen:
                continue
            self.seen.add(members)
            outcome = self.outcome(members)
            if outcome.kind == "right":
                self._keep(found, members, changes, cost)
            elif outcome.kind != "invalid" and len(changes) == 1:
                gain = self._gain(outcome, changes[0])
                steps.append(_Step(cost - gain, next(self.numbers), members, changes, cost, outcome.at))
        return steps

    def _gain(self, outcome: Outcome, change: Change) -> float:
        """What a change that is not enough is worth."""
        if self.first.kind == "misfit":
            if outcome.kind == "wrong":
                return _PROGRESS / 2 if change.row in _DROPS else _PROGRESS
            if outcome.at is not None and self.first.at is not None and outcome.at != self.first.at:
                inside = _holds(change.after, outcome.at)
                outwards = _holds(change.before, self.first.at) and not inside
                nearer = outwards or outcome.ahead < self.first.ahead
                return 0.1 if not nearer else _PROGRESS / 2 if change.row in _DROPS else _PROGRESS
        elif self.first.kind == "invalid":
            return 1.5
        elif self.first.kind == "wrong" and outcome.kind == "misfit":
            return -_PROGRESS / 2
        return 0.0

    def _deeper(self, steps: list[_Step]) -> Repair | None:
        """Pairs, then triples, the most promising first."""
        heap: list[tuple[float, int, _Following]] = []

        def push(following: _Following) -> None:
            if following.bound < float("inf"):
                heapq.heappush(heap, (following.bound, next(self.numbers), following))

        for step in sorted(steps)[:_BEAM]:
            push(_Following(self, step))
        found: list[Repair] = []
        best = float("inf")
        while heap and not self.effort.over:
            priority, _, following = heapq.heappop(heap)
            if priority > best + _TIER / 4:
                break
            taken = following.take(priority)
            push(following)
            if taken is None:
                continue
            step, (cost, change) = following.step, taken
            members = put_member(step.members, change.path, change.after)
            if members in self.seen:
                continue
            self.seen.add(members)
            total = step.cost + cost
            outcome = self.outcome(members)
            if outcome.kind == "right":
                self._keep(found, members, (*step.changes, change), total)
                if found:
                    best = min(best, priority)
            elif len(step.changes) == 1 and self._promising(outcome, step, change):
                worth = step.priority + cost - self._gain(outcome, change)
                third = _Step(worth, next(self.numbers), members, (*step.changes, change), total, outcome.at)
                push(_Following(self, third))
        return min(found, key=_rank) if found else None

    def _promising(self, outcome: Outcome, step: _Step, change: Change) -> bool:
        """True where a third change is worth a try: beside a symbol that nothing declares, or after two of one kind."""
        if self.first.kind == "invalid":
            return True
        alike = change.row == step.changes[0].row and change.row not in _DROPS
        return alike and self.first.kind == "misfit" and outcome.kind != "invalid" and outcome.at != step.at

    def _mix(self, step: _Step, change: Change) -> float:
        """Two changes of one kind, or of one part, are likelier than any two."""
        last = step.changes[-1]
        if change.row == last.row:
            return -0.3
        near = change.path[: len(last.path)] == last.path or last.path[: len(change.path)] == change.path
        return -0.2 if near else 0.1

    def _changes(self, members: Members, at: ex.Node | None) -> Iterator[tuple[float, Change]]:
        """Single changes of members; where shapes misfit, those around and within what misfits."""
        made: set[tuple[tuple[int, ...], ex.Node]] = set()
        around = [p.path for p in places(members, self.targets, self.scene) if p.node == at] if at is not None else []
        for place in places(members, self.targets, self.scene):
            if at is not None and not any(_related(place.path, path) for path in around):
                continue
            for row in ROWS:
                if at is not None and row.name in _SHAPELESS:
                    continue
                for proposal in row.propose(place):
                    if (place.path, proposal.after) in made:
                        continue
                    made.add((place.path, proposal.after))
                    change = Change(
                        row=row.name, code=proposal.code or row.code, cost=proposal.cost, path=place.path,
                        before=place.node, after=proposal.after, part=proposal.part, also=proposal.also or row.also,
                    )  # fmt: skip
                    yield proposal.cost + self._surprise(change), change

    def _surprise(self, change: Change) -> float:
        """A mistake of shapes is likelier where shapes do not fit, one of value where they do."""
        shapes = change.code in _SHAPES
        return 0.0 if shapes == (self.first.kind == "misfit") else 0.15

    def _keep(self, found: list[Repair], members: Members, changes: tuple[Change, ...], cost: float) -> None:
        if _trivial(self.members, members, self.scene):
            return
        written = tuple(map(written_out, members))
        if written != members and self.outcome(written).kind == "right":
            members = written
        text = statement_text(self.writer, members, self.relations)
        found.append(Repair(members=members, changes=changes, text=text, cost=cost))


class _Following:
    """The changes that may follow a step, cheapest first; they are made when the first is asked for."""

    def __init__(self, search: Search, step: _Step) -> None:
        self.search, self.step = search, step
        self.bound = step.priority + _LEAST
        self.left: list[tuple[float, Change]] | None = None

    def _price(self, item: tuple[float, Change]) -> float:
        return item[0] + self.search._mix(self.step, item[1])  # noqa: SLF001 - a part of the search

    def take(self, priority: float) -> tuple[float, Change] | None:
        """The next change if its price is the one asked for; ``bound`` becomes the price of the next."""
        if self.left is None:
            changes = self.search._changes(self.step.members, self.step.at)  # noqa: SLF001 - a part of the search
            self.left = sorted(changes, key=self._price, reverse=True)
        taken = None
        if self.left and self.step.priority + self._price(self.left[-1]) <= priority + _SAME:
            taken = self.left.pop()
        self.bound = self.step.priority + self._price(self.left[-1]) if self.left else float("inf")
        return taken


def written_out(node: ex.Node) -> ex.Node:
    """``(A B)ᵀ`` as ``Bᵀ Aᵀ``, numbers in front, where only matrices are multiplied."""
    node = ex.mapped(node, written_out)
    if not (isinstance(node, ex.Transpose) and isinstance(node.of, ex.Product)):
        return node
    inner = node.of
    numbers = tuple(f for f in inner.factors if isinstance(f, ex.Number))
    arrays = inner.factors[len(numbers) :]
    plain = not any(isinstance(f, ex.Number | ex.Letter | ex.Product) for f in arrays)
    if set(inner.signs) != {"juxtaposition"} or len(arrays) != len("AB") or not plain:
        return node
    factors = (*numbers, *(edits_products.turned(f) for f in reversed(arrays)))
    return ex.Product(factors=factors, signs=inner.signs)


def _related(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """True where one place is around or within the other, or is it."""
    return one[: len(other)] == other or other[: len(one)] == one


def _rank(repair: Repair) -> tuple[bool, float, int]:
    return repair.text is None, round(repair.cost, 3), len(repair.text or "")


def _holds(outer: ex.Node, inner: ex.Node) -> bool:
    """True where one node lies within another."""
    return any(node == inner for node in ex.walk(outer))


def default_targets(members: Members) -> tuple[int, ...]:
    """The members after the first, then the first."""
    return (*range(1, len(members)), 0) if len(members) > 1 else (0,)


def _trivial(before: Members, after: Members, scene_: Scene) -> bool:
    """True for a repair that says nothing: a member that holds another member, or a left side about nothing else."""
    for k, member in enumerate(after):
        for j, other in enumerate(after):
            if j != k and member != before[k] and _holds(member, other) and not _holds(before[k], other):
                return True
    if isinstance(after[0], ex.Derivative) and after[0].of == after[0].by:
        return True
    if any(map(_cancels, after)) and not any(map(_cancels, before)):
        return True
    if isinstance(after[0], ex.Named | ex.Derivative) and _repeats(after) and not _repeats(before):
        return True
    return len(after) > 1 and _is_number(after[0], scene_) and not _is_number(before[0], scene_)


def _repeats(members: Members) -> bool:
    """True where the left side stands on the right as well, so that the statement says nothing about it."""
    return any(_holds(member, members[0]) for member in members[1:])


def _cancels(member: ex.Node) -> bool:
    """True for a member that holds ``a - a``."""
    sums = (n for n in ex.walk(member) if isinstance(n, ex.Sum))
    pairs = (list(zip(n.terms, n.signs, strict=True)) for n in sums)
    return any((term, -sign) in found for found in pairs for term, sign in found)


def _is_number(node: ex.Node, scene_: Scene) -> bool:
    return isinstance(node, ex.Number) and rank(node, scene_) == 0


def repair(  # noqa: PLR0913 - a claim and all it is judged by
    network: Network,
    statement: Any,
    checker: Checker,
    *,
    names: Sequence[Known] = (),
    wrong_member: int | None = None,
    derived: Sequence[ex.Node] = (),
) -> Repair | None:
    """The smallest repair of a statement that is not right, or None where none is found with the checker's effort.

    ``derived`` are terms of the right formula, any of which the statement may lack.
    """
    members = tuple(statement.members)
    if len(members) > 2 and checker.setting.claim is None:  # noqa: PLR2004 - a chain
        whole = _chain(network, statement, checker, names, derived)
        if whole is not None:
            return whole
    targets: tuple[int, ...] = ()
    if wrong_member is not None and 0 <= wrong_member < len(members) and len(members) > 1:
        later = (wrong_member,) if wrong_member else tuple(range(1, len(members)))
        targets = (*later, 0) if 0 not in later else later
    search = Search(
        network, statement, checker.outcome, names=names, targets=targets, base=checker.setting.base,
        claim=checker.setting.claim, derived=derived, effort=checker.effort,
    )  # fmt: skip
    return search.run()


def _chain(
    network: Network, statement: Any, checker: Checker, names: Sequence[Known], derived: Sequence[ex.Node]
) -> Repair | None:
    """A chain made right member by member, each against the first; a member that resists is left out."""
    members: Members = tuple(statement.members)
    left_out: list[int] = []
    changes: tuple[Change, ...] = ()
    cost = 0.0
    wrong = [k for k in range(1, len(members)) if checker.pair(k).outcome((members[0], members[k])).kind != "right"]
    share = checker.effort.left // (len(wrong) + 1)
    for k in wrong:
        pair = checker.pair(k)
        pair.effort = replace(checker.effort, left=share)
        found = Search(
            network, pair.statement, pair.outcome, names=names, targets=(1,), base=checker.setting.base,
            claim=checker.setting.claim, derived=derived, effort=pair.effort,
        ).run()  # fmt: skip
        checker.effort.spend(share - pair.effort.left)
        if found is None:
            left_out.append(k)
            continue
        members = (*members[:k], found.members[1], *members[k + 1 :])
        changes += tuple(replace(c, path=(k, *c.path[1:])) for c in found.changes)
        cost += found.cost
    members = tuple(m for k, m in enumerate(members) if k not in left_out)
    relations = tuple(r for k, r in enumerate(statement.relations, 1) if k not in left_out)
    shorter = Checker(
        replace(statement, members=members, relations=relations), checker.setting, checker.worlds, checker.readings,
        checker.effort,
    )  # fmt: skip
    if not changes or shorter.outcome(members).kind != "right":
        return None
    writer = Writer(scene(network, tuple(statement.members), names, base=checker.setting.base))
    text = statement_text(writer, members, relations)
    dropped = tuple(statement.members[k] for k in left_out)
    return Repair(members=members, changes=changes, text=text, cost=cost, left_out=dropped)


def changed_part(members: Members, change: Change) -> ex.Node:
    """The node at the place of a change in other members."""
    return get(members[change.path[0]], change.path[1:])
