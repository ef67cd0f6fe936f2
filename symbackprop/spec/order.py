"""Order of equations: rounds of families are counted out for small depths, so every recurrence is seen as it runs.

At a few depths each equation is written out for every value of its loop indices. That decides, exactly at these
depths, what is defined twice, what is read but never assigned, and whether there is a cycle; the equations are then
sorted so that each stands after what it reads, except for the recurrences themselves.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from symbackprop.index import refs_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from symbackprop.affine import Bound, Cond
    from symbackprop.errors import SpecError
    from symbackprop.index import Equation, Ref, Term
    from symbackprop.spec.source import Source

_TRIES = (5, 4)
"""Depths at which rounds are counted out; offsets make depths of different names differ."""
_MOST = 20_000
"""Rounds counted out at most; deeper nests are counted at smaller depths."""

Instance = tuple[int, tuple[int, ...]]


def sort_equations(
    equations: Sequence[Equation], families: Mapping[str, int], depths: frozenset[str], source: Source
) -> tuple[Equation, ...]:
    """The equations, each after those that it reads.

    Raises: SpecError for a cycle, for what is defined twice and for members that are read but never assigned.
    """
    links: set[tuple[int, int]] = set()
    for base in _TRIES:
        found = _count_out(equations, families, depths, source, base)
        links |= found
    return tuple(equations[k] for k in _topological(len(equations), links))


class _Round:
    """Equations written out at given depths."""

    def __init__(self, equations: Sequence[Equation], families: Mapping[str, int], sizes: Mapping[str, int]) -> None:
        self.equations, self.families, self.sizes = equations, families, sizes
        self.writer: dict[tuple[str, tuple[int, ...]], Instance] = {}

    def size(self, name: str, at: tuple[int, ...]) -> int:
        return self.sizes.get(name, 2 + sum(at) % 2)

    def loops(self, equation: Equation) -> tuple[Bound, ...]:
        return equation.ranges[: len(equation.ranges) - _elements(equation, self.families)]

    def rounds(self, bounds: Sequence[Bound], env: dict[str, int]) -> Iterator[dict[str, int]]:
        if not bounds:
            yield dict(env)
            return
        first, rest = bounds[0], bounds[1:]
        lo, hi = first.lo.evaluate(env, self.size), first.hi.evaluate(env, self.size)
        for value in range(lo, hi + 1):
            yield from self.rounds(rest, {**env, first.var: value})

    def reads(self, equation: Equation, env: dict[str, int]) -> Iterator[tuple[Ref, tuple[int, ...]]]:
        for term in equation.terms:
            for factor in term.factors:
                for ref in refs_of(factor):
                    yield from self.members(term, ref, env)

    def members(self, term: Term, ref: Ref, env: dict[str, int]) -> Iterator[tuple[Ref, tuple[int, ...]]]:
        forms = ref.index[: self.families.get(ref.tensor, 0)]
        inner = [b for b in term.bounds if any(b.var in form.variables for form in forms)]
        if not all(b.lo.variables | b.hi.variables <= env.keys() for b in inner):
            return
        for values in self.rounds(inner, env):
            if any(_false(cond, values, self.size) for cond in term.conditions):
                continue
            if all(form.variables <= values.keys() for form in forms):
                yield ref, tuple(form.evaluate(values, self.size) for form in forms)


def _elements(equation: Equation, families: Mapping[str, int]) -> int:
    return len(equation.lhs.index) - families.get(equation.lhs.tensor, 0)


def _false(cond: Cond, env: Mapping[str, int], size: object) -> bool:
    return cond.form.variables <= env.keys() and not cond.holds(env, size)  # type: ignore[arg-type]


def _count_out(
    equations: Sequence[Equation], families: Mapping[str, int], depths: frozenset[str], source: Source, base: int
) -> set[tuple[int, int]]:
    """Pairs (reader, writer) of equations; see the module's first lines."""
    while True:
        sizes = {name: base + k for k, name in enumerate(sorted(depths))}
        made = _Round(equations, families, sizes)
        every = ((k, env) for k, e in enumerate(equations) for env in made.rounds(made.loops(e), {}))
        most = _MOST + len(equations)
        instances = list(itertools.islice(every, most))
        if len(instances) < most:
            break
        if base <= 1:
            message = f"loops of more than {_MOST} rounds; use a symbolic depth, as in  for t in 1..T:"
            raise source.error(message)
        base -= 1
    for number, env in instances:
        equation = equations[number]
        count = families.get(equation.lhs.tensor, 0)
        place = tuple(form.evaluate(env, made.size) for form in equation.lhs.index[:count])
        key = (equation.lhs.tensor, place)
        if key in made.writer:
            raise _twice(equations, made.writer[key][0], number, place, source)
        made.writer[key] = (number, tuple(env.values()))
    return _links(made, instances, source)


def _links(made: _Round, instances: list[tuple[int, dict[str, int]]], source: Source) -> set[tuple[int, int]]:
    computed = {e.lhs.tensor for e in made.equations}
    graph: dict[Instance, list[Instance]] = {}
    links: set[tuple[int, int]] = set()
    for number, env in instances:
        here = (number, tuple(env.values()))
        needs = graph.setdefault(here, [])
        for ref, place in made.reads(made.equations[number], env):
            if ref.tensor not in computed:
                continue
            writer = made.writer.get((ref.tensor, place))
            if writer is None:
                raise _unassigned(made, number, (ref, place), env, source)
            if writer == here or (
                writer[1] == here[1]
                and made.equations[writer[0]].line == made.equations[number].line
                and writer[0] > number
            ):
                message = f"'{_member(made, writer)}' is defined by itself (a cycle)"
                raise _at(source, made.equations[number], message)
            _check_order(made, here, env, writer, source)
            needs.append(writer)
            if writer[0] != number:
                links.add((number, writer[0]))
    cycle = _cycle(graph)
    if cycle:
        names = [_member(made, instance) for instance in cycle]
        first = made.equations[cycle[0][0]]
        raise _at(source, first, f"a cycle: {' needs '.join([*names, names[0]])}")
    return links


def _check_order(made: _Round, here: Instance, env: dict[str, int], writer: Instance, source: Source) -> None:
    """What is read in one and the same round must stand above."""
    reader_eq, writer_eq = made.equations[here[0]], made.equations[writer[0]]
    if writer[0] <= here[0]:
        return
    mine, theirs = made.loops(reader_eq), made.loops(writer_eq)
    shared = [a.var for a, b in zip(mine, theirs, strict=False) if a == b]
    values = dict(zip([b.var for b in theirs], writer[1], strict=True))
    if shared and any(values[v] != env[v] for v in shared):
        return
    message = (
        f"'{_member(made, writer)}' is used in line {reader_eq.line} before it is defined in line {writer_eq.line}"
    )
    raise _at(source, reader_eq, message)


def _member(made: _Round, instance: Instance) -> str:
    equation = made.equations[instance[0]]
    env = dict(zip([b.var for b in made.loops(equation)], instance[1], strict=True))
    count = made.families.get(equation.lhs.tensor, 0)
    return equation.lhs.tensor + "".join(f"[{form.evaluate(env, made.size)}]" for form in equation.lhs.index[:count])


def _cycle(graph: Mapping[Instance, list[Instance]]) -> list[Instance]:
    """The members of one cycle, or nothing; without recursion, chains may be long."""
    state: dict[Instance, int] = {}
    for root in graph:
        if state.get(root):
            continue
        path: list[tuple[Instance, Iterator[Instance]]] = [(root, iter(graph[root]))]
        state[root] = 1
        while path:
            node, rest = path[-1]
            child = next(rest, None)
            if child is None:
                state[node] = 2
                path.pop()
            elif state.get(child) == 1:
                names = [n for n, _ in path]
                return names[names.index(child) :]
            elif not state.get(child):
                state[child] = 1
                path.append((child, iter(graph[child])))
    return []


def _twice(equations: Sequence[Equation], first: int, second: int, place: tuple[int, ...], source: Source) -> SpecError:
    name = equations[second].lhs.tensor
    member = "".join(f"[{p}]" for p in place)
    if first == second:
        message = f"'{name}' is assigned in every round of the loop; give it the loop's index, as in {name}[l]"
    else:
        example = f" (both assign {name}{member})" if member else ""
        message = f"'{name}' is defined in line {equations[first].line} and in line {equations[second].line}{example}"
    return _at(source, equations[second], message)


def _unassigned(
    made: _Round, number: int, read: tuple[Ref, tuple[int, ...]], env: dict[str, int], source: Source
) -> SpecError:
    ref, place = read
    member = ref.tensor + "".join(f"[{p}]" for p in place)
    written = ref.tensor + "".join(f"[{form}]" for form in ref.index[: len(place)])
    when = ", ".join(f"{b.var} = {env[b.var]}" for b in made.loops(made.equations[number]))
    depth = ", ".join(f"{name} = {value}" for name, value in made.sizes.items())
    where = f" (for {when}{', with ' if when and depth else ''}{depth})" if when or depth else ""
    message = (
        f"'{written}' is read, but no statement assigns {member}{where}; add a base case or change the loop's range"
    )
    return _at(source, made.equations[number], message)


def _at(source: Source, equation: Equation, message: str) -> SpecError:
    error = source.error(message)
    error.line = equation.line
    return error


def _topological(count: int, links: set[tuple[int, int]]) -> list[int]:
    """Equations after what they read; those of one recurrence stay together in the author's order (Tarjan 1972)."""
    needs: dict[int, list[int]] = {k: [] for k in range(count)}
    for reader, writer in sorted(links):
        needs[reader].append(writer)
    order: list[int] = []
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    for root in range(count):
        if root in number:
            continue
        path = [(root, iter(needs[root]))]
        number[root] = low[root] = len(number)
        stack.append(root)
        while path:
            node, rest = path[-1]
            child = next(rest, None)
            if child is not None:
                if child not in number:
                    number[child] = low[child] = len(number)
                    stack.append(child)
                    path.append((child, iter(needs[child])))
                elif child in stack:
                    low[node] = min(low[node], number[child])
                continue
            path.pop()
            if path:
                low[path[-1][0]] = min(low[path[-1][0]], low[node])
            if low[node] == number[node]:
                place = stack.index(node)
                order.extend(sorted(stack[place:]))
                del stack[place:]
    return order
