"""The order in which equations of families can be computed: loops over layers and time steps, and their directions.

A loop runs up where members read earlier members, down where they read later ones: the sign of the offset between
what is written and what is read. Equations that need each other share a loop; further ones join it where every
member they need is there in time. Loops over several indices nest, from the outermost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from symbackprop.affine import Affine, Bound, Cond, Scope, var
from symbackprop.errors import DerivationError
from symbackprop.index import Along, Apply, Equation, Opaque, Ref, Term
from symbackprop.rewrite.delta import restricted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from symbackprop.index import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """Compute one equation, number ``place`` of those given. ``guard`` tells for which rounds of the loops around."""

    equation: Equation
    place: int
    guard: tuple[Cond, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """A loop over a family index, upwards or downwards."""

    bound: Bound
    down: bool
    body: tuple[Rounds | Do, ...]


@dataclass(frozen=True, slots=True)
class _Statement:
    equation: Equation
    loops: tuple[Bound, ...]
    place: int


@dataclass(frozen=True, slots=True)
class _Edge:
    """``reader`` reads what ``writer`` computes; ``signs`` of (read - own) for each common loop, "*" where unknown."""

    writer: int
    reader: int
    signs: tuple[str, ...]


def schedule(
    equations: Sequence[Equation], tensors: Mapping[str, Tensor], depths: frozenset[str]
) -> tuple[Rounds | Do, ...]:
    """Equations in loops, in an order in which everything read has been computed.

    Where no order of rounds exists, families of a fixed number of members are taken member by member.

    Raises: DerivationError where that gives no order either.
    """
    try:
        return _Scheduler(equations, tensors, depths).run()
    except DerivationError:
        single = [(part, k) for k, e in enumerate(equations) for part in _member_by_member(e, tensors, depths)]
        if len(single) == len(equations):
            raise
        steps = _Scheduler([part for part, _ in single], tensors, depths).run()
        return tuple(_placed(step, [place for _, place in single]) for step in steps)


def _member_by_member(
    equation: Equation, tensors: Mapping[str, Tensor], depths: frozenset[str]
) -> tuple[Equation, ...]:
    """One equation for each member, where the range of the first loop is two plain numbers."""
    loops = family_loops(equation, tensors)
    if not loops or not loops[0].lo.is_constant or not loops[0].hi.is_constant:
        return (equation,)
    first = loops[0]
    members = []
    for value in range(first.lo.const, first.hi.const + 1):
        fixed = {first.var: Affine(value)}
        ranges = tuple(b.substitute(fixed) for b in equation.ranges if b.var != first.var)
        terms = restricted((t.substitute(fixed) for t in equation.terms), (), Scope(ranges, depths))
        lhs = Ref(equation.lhs.tensor, tuple(form.substitute(fixed) for form in equation.lhs.index))
        members.append(replace(equation, lhs=lhs, terms=terms, ranges=ranges))
    return tuple(members)


def _placed(step: Rounds | Do, places: Sequence[int]) -> Rounds | Do:
    """The step with the places of the equations that were split."""
    if isinstance(step, Do):
        return replace(step, place=places[step.place])
    return replace(step, body=tuple(_placed(inner, places) for inner in step.body))


def family_loops(equation: Equation, tensors: Mapping[str, Tensor]) -> tuple[Bound, ...]:
    """The ranges of the left side's family indices that run, outermost first."""
    depth = len(tensors[equation.lhs.tensor].family)
    names = [name for form in equation.lhs.index[:depth] for name in form.linear]
    ranges = {b.var: b for b in equation.ranges}
    return tuple(ranges[name] for name in names if name in ranges)


def term_refs(term: Term) -> list[Ref]:
    """All elements a term reads."""
    found: list[Ref] = []
    for factor in term.factors:
        if isinstance(factor, Ref):
            found.append(factor)
        elif isinstance(factor, Along):
            found.append(factor.arg)
        elif isinstance(factor, (Apply, Opaque)):
            found += [arg for arg in factor.args if isinstance(arg, Ref)]
    return found


class _Scheduler:
    def __init__(self, equations: Sequence[Equation], tensors: Mapping[str, Tensor], depths: frozenset[str]) -> None:
        self.tensors, self.depths = tensors, depths
        self.statements = [_Statement(e, family_loops(e, tensors), k) for k, e in enumerate(equations)]
        self.edges = [edge for reader in self.statements for edge in self.reads(reader)]

    def run(self) -> tuple[Rounds | Do, ...]:
        return self.order([s.place for s in self.statements], 0, self.edges)

    # -- who reads what -----------------------------------------------------------------------------------------------

    def reads(self, reader: _Statement) -> Iterable[_Edge]:
        writers: dict[str, list[_Statement]] = {}
        for statement in self.statements:
            writers.setdefault(statement.equation.lhs.tensor, []).append(statement)
        found: dict[_Edge, None] = {}
        for term in reader.equation.terms:
            for ref in term_refs(term):
                for writer in writers.get(ref.tensor, ()):
                    signs = self.signs(writer, reader, ref, term)
                    if signs is not None:
                        found[_Edge(writer.place, reader.place, signs)] = None
        return found

    def signs(self, writer: _Statement, reader: _Statement, ref: Ref, term: Term) -> tuple[str, ...] | None:
        """Sign of (round that is read - present round) for every common loop; None where they never meet."""
        depth = len(self.tensors[ref.tensor].family)
        scope = Scope(
            (*reader.equation.ranges, *term.bounds), self.depths, tuple(sorted(term.conditions, key=lambda c: c.key))
        )
        written = writer.equation.lhs.index[:depth]
        result: list[str] = []
        loops = [b.var for b in writer.loops]
        for own, read in zip(written, ref.index[:depth], strict=True):
            if not own.linear:
                if _never(scope, own - read):
                    return None
                continue
            level = loops.index(next(iter(own.linear)))
            if level >= len(reader.loops):
                continue
            offset = own - var(loops[level])
            round_read = read - offset
            bound = writer.loops[level]
            if _below(scope, round_read, bound.lo) or _below(scope, bound.hi, round_read):
                return None
            result.append(_sign(scope, round_read - var(reader.loops[level].var)))
        return tuple(result)

    # -- ordering -----------------------------------------------------------------------------------------------------

    def order(self, places: list[int], level: int, edges: list[_Edge]) -> tuple[Rounds | Do, ...]:
        """Statements whose loops up to ``level`` are around them already."""
        inside = [e for e in edges if e.writer in places and e.reader in places]
        groups: list[_Group] = []
        for component in _components(places, inside):
            group = self.group(component, level, inside)
            for position in range(len(groups) - 1, -1, -1):
                near = position == len(groups) - 1
                joined = self.joined(groups[position], group, level, inside, near=near)
                if joined is not None:
                    groups[position] = joined
                    break
                if any(e.writer in groups[position].places and e.reader in group.places for e in inside):
                    groups.append(group)
                    break
            else:
                groups.append(group)
        return tuple(step for group in groups for step in self.emit(group, level, inside))

    def group(self, component: list[int], level: int, edges: list[_Edge]) -> _Group:
        loops = [self.statements[p].loops for p in component]
        own = [e for e in edges if e.writer in component and e.reader in component]
        if any(len(each) <= level for each in loops):
            if own:
                names = ", ".join(str(self.statements[p].equation.lhs) for p in component)
                message = f"no order of computation: {names} need each other"
                raise DerivationError(message)
            return _Group(tuple(component), None, None)
        return _Group(tuple(component), self.direction(own, level), self.range_of(component, level))

    def direction(self, edges: Iterable[_Edge], level: int) -> str | None:
        signs = {e.signs[level] if level < len(e.signs) else "*" for e in edges} - {"0"}
        if not signs:
            return None
        if len(signs) > 1 or "*" in signs:
            message = "no order of rounds: members of a family need both earlier and later ones"
            raise DerivationError(message)
        return "down" if signs == {"+"} else "up"

    def range_of(self, component: Sequence[int], level: int) -> Bound:
        """The range that covers those of all statements."""
        bounds = [self.statements[p].loops[level] for p in component]
        first = bounds[0]
        renamed = [b.substitute({b.var: var(first.var)}) for b in bounds]
        scope = Scope((), self.depths)
        lo = next((b.lo for b in renamed if all(scope.nonnegative(o.lo - b.lo) for o in renamed)), None)
        hi = next((b.hi for b in renamed if all(scope.nonnegative(b.hi - o.hi) for o in renamed)), None)
        if lo is None or hi is None:
            message = "no range covers the rounds of " + ", ".join(str(b) for b in bounds)
            raise DerivationError(message)
        return replace(first, lo=lo, hi=hi)

    def joined(self, first: _Group, second: _Group, level: int, edges: list[_Edge], *, near: bool) -> _Group | None:
        """One loop for both, where every member that the second reads is there in time.

        Those that read nothing of each other share a loop only if they stand next to each other (``near``).
        """
        if first.bound is None or second.bound is None:
            return None
        if (first.bound.lo, first.bound.hi) != (second.bound.lo, second.bound.hi):
            return None
        if first.direction and second.direction and first.direction != second.direction:
            return None
        both = first.places + second.places
        across = [e for e in edges if e.writer in first.places and e.reader in second.places]
        if not across and not near:
            return None
        signs = {e.signs[level] if level < len(e.signs) else "*" for e in across} - {"0"}
        if "*" in signs or len(signs) > 1:
            return None
        wanted = {"+": "down", "-": "up"}.get(next(iter(signs), ""))
        direction = first.direction or second.direction or wanted
        if wanted and wanted != direction:
            return None
        return _Group(both, direction, first.bound)

    def emit(self, group: _Group, level: int, edges: list[_Edge]) -> tuple[Rounds | Do, ...]:
        if group.bound is None:
            return tuple(Do(equation=self.statements[p].equation, place=p) for p in group.places)
        for place in group.places:
            self.rename(place, level, group.bound)
        inner = [e for e in edges if e.writer in group.places and e.reader in group.places and e.signs[level] == "0"]
        body = self.order(list(group.places), level + 1, inner)
        return (Rounds(bound=group.bound, down=group.direction == "down", body=self.guarded(body, group, level)),)

    def guarded(self, body: tuple[Rounds | Do, ...], group: _Group, level: int) -> tuple[Rounds | Do, ...]:
        assert group.bound is not None  # noqa: S101 - called for loops alone
        result: list[Rounds | Do] = []
        for step in body:
            if not isinstance(step, Do):
                result.append(replace(step, body=self.guarded(step.body, group, level)))
                continue
            own = family_loops(step.equation, self.tensors)[level]
            name = var(group.bound.var)
            guard = [Cond(">=", name - own.lo)] if own.lo != group.bound.lo else []
            guard += [Cond(">=", own.hi - name)] if own.hi != group.bound.hi else []
            result.append(replace(step, guard=(*step.guard, *guard)))
        return tuple(result)

    def rename(self, place: int, level: int, bound: Bound) -> None:
        """The statement's loop index gets the name of the loop's."""
        statement = self.statements[place]
        old = statement.loops[level].var
        if old == bound.var:
            return
        equation = renamed_index(statement.equation, old, bound.var)
        self.statements[place] = _Statement(equation, family_loops(equation, self.tensors), place)


@dataclass(frozen=True, slots=True)
class _Group:
    places: tuple[int, ...]
    direction: str | None
    bound: Bound | None


def renamed_index(equation: Equation, old: str, new: str) -> Equation:
    """The equation with one of its free indices renamed; other uses of the new name give way."""
    taken = {b.var for b in equation.ranges} | {b.var for t in equation.terms for b in t.bounds}
    mapping: dict[str, Affine] = {old: var(new)}
    if new in {b.var for b in equation.ranges}:
        spare = next(f"{new}{k}" for k in range(1, len(taken) + 2) if f"{new}{k}" not in taken)
        mapping[new] = var(spare)
    lhs = Ref(equation.lhs.tensor, tuple(form.substitute(mapping) for form in equation.lhs.index))
    return replace(
        equation,
        lhs=lhs,
        terms=tuple(t.substitute(mapping) for t in equation.terms),
        ranges=tuple(b.substitute(mapping) for b in equation.ranges),
    )


def _below(scope: Scope, small: Affine, large: Affine) -> bool:
    return scope.nonnegative(large - small - 1)


def _never(scope: Scope, form: Affine) -> bool:
    return scope.nonnegative(form - 1) or scope.nonnegative(-form - 1)


def _sign(scope: Scope, form: Affine) -> str:
    up, down = scope.nonnegative(form), scope.nonnegative(-form)
    if up and down:
        return "0"
    if scope.nonnegative(form - 1):
        return "+"
    return "-" if scope.nonnegative(-form - 1) else "*"


def _components(places: list[int], edges: list[_Edge]) -> list[list[int]]:
    """Statements that need each other, in an order in which what is read comes first; otherwise as given."""
    after: dict[int, set[int]] = {p: {e.writer for e in edges if e.reader == p and e.writer != p} for p in places}
    reach: dict[int, set[int]] = {}
    for place in places:
        seen: set[int] = set()
        todo = [place]
        while todo:
            for other in after[todo.pop()]:
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        reach[place] = seen
    components: list[list[int]] = []
    for place in places:
        same = [q for q in places if q == place or (q in reach[place] and place in reach[q])]
        if same not in components:
            components.append(same)
    ordered: list[list[int]] = []
    done: set[int] = set()
    while components:
        ready = next((c for c in components if all(after[p] - set(c) <= done for p in c)), components[0])
        components.remove(ready)
        done.update(ready)
        ordered.append(ready)
    return ordered


def describe(steps: Iterable[Any], indent: str = "") -> str:
    """A schedule as text, for people."""
    lines: list[str] = []
    for step in steps:
        if isinstance(step, Do):
            lines.append(f"{indent}{step.equation.lhs}" + "".join(f" [{c}]" for c in step.guard))
        else:
            lines += [f"{indent}for {step.bound}{' down' if step.down else ''}", describe(step.body, indent + "  ")]
    return "\n".join(lines)
