"""Families over layers or time: which names are families, and over which range.

A family's range is the union of what is assigned and what is read. Reductions over the index of a family
(``sum(E[t], t)``) run over the range of the families in them.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Bound, Scope, condition, var
from symbackprop.spec.forms import NotAffineError, affine_of, size_atom
from symbackprop.spec.names import name_problem, unknown
from symbackprop.spec.syntax import Assignment, LoopHead, base_name, names_in, parse_expression, statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from symbackprop.spec.declared import Declared
    from symbackprop.spec.source import Source
    from symbackprop.spec.syntax import Block

REDUCTIONS = ("sum", "mean", "max", "softmax", "log_softmax", "logsumexp")
"""Functions whose further arguments may be index letters."""


@dataclass(slots=True)
class Family:
    """A name with layer or time indices: its letters and, for each, the range."""

    letters: tuple[str, ...]
    assigned: list[tuple[tuple[Affine, Affine], ...]] = field(default_factory=list)
    read: list[tuple[tuple[Affine, Affine], ...]] = field(default_factory=list)
    range: tuple[tuple[Affine, Affine], ...] | None = None


@dataclass(slots=True)
class Families:
    """All families of a forward text, the ranges of its loops and of its reductions over a family's index."""

    table: dict[str, Family]
    scope: Scope
    reductions: dict[tuple[int, int, str], Bound]
    """(line, column, letter) of a reduction's call to its range."""
    depths: frozenset[str]

    def count(self, name: str) -> int:
        """Number of family indices of a name."""
        family = self.table.get(name)
        return len(family.letters) if family else 0

    def bounds(self, name: str) -> tuple[Bound, ...]:
        """The ranges of a family's indices under its own letters."""
        family = self.table.get(name)
        if family is None or family.range is None:
            return ()
        return tuple(Bound(v, lo, hi, v) for v, (lo, hi) in zip(family.letters, family.range, strict=True))


def brackets(node: ast.expr) -> list[list[ast.expr]]:
    """Contents of the brackets behind a name, in order: ``z[l][e, j]`` gives [[l], [e, j]]."""
    found: list[list[ast.expr]] = []
    while isinstance(node, ast.Subscript):
        found.insert(0, list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice])
        node = node.value
    return found


def loop_bound(head: LoopHead, outer: tuple[Bound, ...], source: Source) -> Bound:
    """The range of a loop as affine forms."""
    atom = size_atom({b.var for b in outer})
    try:
        return Bound(head.var, affine_of(head.lo, atom), affine_of(head.hi, atom), head.var)
    except NotAffineError as error:
        message = f"the range of a loop is made of sizes and whole numbers: {error}"
        raise source.error(message, error.node) from None


def loop_bounds(heads: tuple[LoopHead, ...], source: Source) -> tuple[Bound, ...]:
    """The ranges of nested loops, outermost first."""
    found: tuple[Bound, ...] = ()
    for head in heads:
        found = (*found, loop_bound(head, found, source))
    return found


def interval(form: Affine, bounds: tuple[Bound, ...]) -> tuple[Affine, Affine]:
    """Least and largest value of an affine form over ranges."""
    low = high = form
    for bound in reversed(bounds):
        for_low = low.linear.get(bound.var, 0)
        if for_low:
            low += ((bound.lo if for_low > 0 else bound.hi) - var(bound.var)) * for_low
        for_high = high.linear.get(bound.var, 0)
        if for_high:
            high += ((bound.hi if for_high > 0 else bound.lo) - var(bound.var)) * for_high
    return low, high


def find_families(program: tuple[Assignment | Block, ...], declared: Declared, source: Source) -> Families:
    """The families of a forward text with their ranges.

    Raises: SpecError where a name is used both with and without a family index, or no range can be found.
    """
    finder = _Finder(program, declared, source)
    finder.names()
    finder.assigned()
    finder.reads(inside=False)
    finder.hulls(final=False)
    finder.resolve_reductions()
    finder.reads(inside=True)
    finder.hulls(final=True)
    return Families(finder.table, finder.scope, finder.reductions, finder.depths)


class _Finder:
    def __init__(self, program: tuple[Assignment | Block, ...], declared: Declared, source: Source) -> None:
        self.declared, self.source = declared, source
        self.items = list(statements(program))
        self.bounds = {item.number: loop_bounds(item.loops, source) for item in self.items}
        every = [b for bounds in self.bounds.values() for b in bounds]
        self.depths = frozenset(name for b in every for form in (b.lo, b.hi) for name in form.sizes)
        # A loop lo..hi is empty at least, never negative: hi >= lo - 1 may be used.
        outermost = [bounds[0] for bounds in self.bounds.values() if bounds]
        known = frozenset(condition(">=", b.hi - b.lo + 1) for b in outermost if not (b.hi - b.lo + 1).is_constant)
        self.scope = Scope((), self.depths, tuple(sorted(known, key=lambda c: str(c.key))))
        self.sizes = self.known_sizes()
        self.table: dict[str, Family] = {}
        self.reductions: dict[tuple[int, int, str], Bound] = {}

    def names(self) -> None:
        for name, shape in self.declared.shapes.items():
            if shape.letters:
                self.table[name] = Family(shape.letters)
        first: dict[str, Assignment] = {}
        for item in self.items:
            loops = {b.var for b in self.bounds[item.number]}
            groups = brackets(item.target)
            count = len(groups)
            if groups and all(
                isinstance(n, ast.Name) and n.id in self.declared.indices and n.id not in loops for n in groups[-1]
            ):
                count -= 1
            known = self.table.get(item.name)
            expected = len(known.letters) if known else count if item.name not in first else 0
            if item.name in self.declared.shapes:
                expected = len(self.declared.shapes[item.name].letters)
            if count != expected:
                raise self._mixed(item, count, expected, first)
            first.setdefault(item.name, item)
            if count:
                self._family(item, groups[:count], loops)

    def _mixed(self, item: Assignment, count: int, expected: int, first: Mapping[str, Assignment]) -> Exception:
        for group in brackets(item.target):
            for node in group:
                if isinstance(node, ast.Name) and node.id not in {b.var for b in self.bounds[item.number]}:
                    known = {*self.declared.indices, *(b.var for b in self.bounds[item.number])}
                    hint = unknown("index", node.id, known)
                    return self.source.error(f"{hint} (element letters stand in [indices])", node)
        where = f"line {self.source.line_of(first[item.name].target)}" if item.name in first else "[shapes]"
        message = f"'{item.name}' has {count} layer or time indices here, but {expected} in {where}"
        return self.source.error(message, item.target)

    def _family(self, item: Assignment, groups: list[list[ast.expr]], loops: set[str]) -> None:
        for group in groups:
            loose = [n for n in group if isinstance(n, ast.Name) and n.id not in loops]
            if len(group) != 1 and loose and any(n.id not in self.declared.indices for n in loose):
                name = next(n.id for n in loose if n.id not in self.declared.indices)
                message = f"the index '{name}' has no size; give it in [indices], as in  {name} = \"N\""
                raise self.source.error(message, item.target)
            if len(group) != 1:
                message = f"write each layer or time index of '{item.name}' in brackets of its own, as in h[l][t]"
                raise self.source.error(message, item.target)
        family = self.table.setdefault(item.name, Family(("",) * len(groups)))
        letters = list(family.letters)
        for k, group in enumerate(groups):
            used = [n.id for n in ast.walk(group[0]) if isinstance(n, ast.Name) and n.id in loops]
            if used and not letters[k]:
                letters[k] = used[0]
        family.letters = tuple(letters)

    def assigned(self) -> None:
        for family in self.table.values():
            taken = {letter for letter in family.letters if letter}
            fresh = (c for c in ("l", "t", "r", "s", "q") if c not in taken)
            family.letters = tuple(letter or next(fresh) for letter in family.letters)
        for item in self.items:
            own = self.table.get(item.name)
            if own is None:
                continue
            bounds = self.bounds[item.number]
            atom = size_atom({b.var for b in bounds})
            forms = [self.form(group[0], atom) for group in brackets(item.target)[: len(own.letters)]]
            own.assigned.append(tuple(interval(form, bounds) for form in forms))

    def form(self, node: ast.expr, atom: Callable[[ast.expr], Affine | None]) -> Affine:
        try:
            form = affine_of(node, atom)
        except NotAffineError as error:
            raise self.source.error(str(error), error.node) from None
        stray = form.sizes - self.sizes
        if stray:
            name = min(stray)
            message = f"'{name}' has no range here; write  for {name} in 1..T:  around it, or give it in [sizes]"
            raise self.source.error(message, node)
        return form

    def known_sizes(self) -> set[str]:
        """Sizes that may stand in the index of a family: those of loops, axes and [sizes]."""
        found = {*self.declared.sizes, *self.depths}
        for shape in self.declared.shapes.values():
            for axis in (*shape.axes, *((shape.below,) if shape.below is not None else ())):
                found |= axis.sizes
        for text in self.declared.indices.values():
            found |= names_in(parse_expression(text, self.source, "[indices]"))
        return found

    def uses(self, item: Assignment) -> Iterator[tuple[str, ast.Subscript, tuple[ast.Call, ...]]]:
        """Every family member that a statement reads, with the reductions around it."""

        def walk(
            node: ast.AST, calls: tuple[ast.Call, ...]
        ) -> Iterator[tuple[str, ast.Subscript, tuple[ast.Call, ...]]]:
            if isinstance(node, ast.Subscript):
                name = base_name(node)
                groups = brackets(node)
                if name in self.table and len(groups) >= len(self.table[name].letters):
                    yield name, node, calls
                    for group in groups[len(self.table[name].letters) :]:
                        for inner in group:
                            yield from walk(inner, calls)
                    return
            if isinstance(node, ast.Call):
                if isinstance(node.func, ast.Name) and node.func.id in REDUCTIONS and len(node.args) > 1:
                    yield from walk(node.args[0], (*calls, node))
                    return
                for argument in (*node.args, *(k.value for k in node.keywords)):
                    yield from walk(argument, calls)
                return
            for child in ast.iter_child_nodes(node):
                yield from walk(child, calls)

        yield from walk(item.value, ())

    def reduced(self, item: Assignment, calls: tuple[ast.Call, ...]) -> dict[str, ast.Call]:
        """Letters of families over which the reductions run (element letters stand in [indices])."""
        loops = {b.var for b in self.bounds[item.number]}
        return {
            arg.id: call
            for call in calls
            for arg in call.args[1:]
            if isinstance(arg, ast.Name) and arg.id not in self.declared.indices and arg.id not in loops
        }

    def reads(self, *, inside: bool) -> None:
        for item in self.items:
            for name, node, calls in self.uses(item):
                family = self.table[name]
                letters = self.reduced(item, calls)
                groups = brackets(node)[: len(family.letters)]
                over = {
                    n.id
                    for group in groups
                    for g in group
                    for n in ast.walk(g)
                    if isinstance(n, ast.Name) and n.id in letters
                }
                if bool(over) != inside:
                    continue
                bounds = self.bounds[item.number]
                bounds += tuple(self.reductions[c.lineno, c.col_offset, v] for v, c in letters.items() if v in over)
                elements = {letter for letter in self.declared.indices if letter not in {b.var for b in bounds}}
                atom = size_atom({b.var for b in bounds} | elements)
                forms = [self.form(group[0], atom) for group in groups]
                if any(form.variables & elements for form in forms):
                    bounds += tuple(self.element_bound(letter) for letter in sorted(elements))
                family.read.append(tuple(interval(form, bounds) for form in forms))

    def element_bound(self, letter: str) -> Bound:
        """The range of an element letter that stands where a layer or time index does."""
        tree = ast.parse(self.declared.indices[letter], mode="eval").body
        return Bound(letter, Affine(), self.form(tree, size_atom(set())) - 1, letter)

    def hulls(self, *, final: bool) -> None:
        for name, family in self.table.items():
            regions = family.assigned + family.read
            if not regions:
                read = {n.id for item in self.items for n in ast.walk(item.value) if isinstance(n, ast.Name)}
                if final and name not in read:  # read without its index: a message for the place where it is
                    message = f"'{name}' is a family that forward never uses, so its range is unknown"
                    raise self.source.error(message)
                continue
            ranges: list[tuple[Affine, Affine]] = []
            for k in range(len(family.letters)):
                lo = self.extreme([region[k][0] for region in regions], -1, name)
                hi = self.extreme([region[k][1] for region in regions], 1, name)
                ranges.append((lo, hi))
            family.range = tuple(ranges)

    def extreme(self, forms: list[Affine], sign: int, name: str) -> Affine:
        distinct = list(dict.fromkeys(forms))
        for form in distinct:
            if all(self.scope.nonnegative((form - other) * sign) for other in distinct):
                return form
        # Who reads x[2] beside x[1..T] says that T is 2 at least.
        for form in distinct:
            needs = [(form - other) * sign for other in distinct if form.is_constant != other.is_constant]
            rest = [(form - other) * sign for other in distinct if form.is_constant == other.is_constant]
            if form.is_constant == (sign < 0) and all(map(self.scope.nonnegative, rest)):
                self.scope = self.scope.assuming(condition(">=", need) for need in needs)
                return form
        word = "last" if sign > 0 else "first"
        listed = ", ".join(str(form) for form in distinct)
        message = f"the {word} index of '{name}' cannot be told: it is one of {listed}, and none is always the {word}"
        raise self.source.error(message)

    def resolve_reductions(self) -> None:
        for item in self.items:
            spans: dict[tuple[int, int, str], list[tuple[bool, Affine, Affine]]] = {}
            for name, node, calls in self.uses(item):
                for letter, call in self.reduced(item, calls).items():
                    key = (call.lineno, call.col_offset, letter)
                    spans.setdefault(key, []).extend(self.span(item, name, node, letter))
            for key, found in spans.items():
                computed = [s for s in found if s[0]] or found
                if not computed:
                    continue
                lo = self.extreme([s[1] for s in computed], 1, key[2])
                hi = self.extreme([s[2] for s in computed], -1, key[2])
                self.reductions[key] = Bound(key[2], lo, hi, key[2])
        for item in self.items:
            for _, _, calls in self.uses(item):
                for letter, call in self.reduced(item, calls).items():
                    if (call.lineno, call.col_offset, letter) not in self.reductions:
                        problem = name_problem(letter, "an index")
                        known = {*self.declared.indices, *(b.var for b in self.bounds[item.number])}
                        message = problem or (
                            f"the range of '{letter}' is unknown: no family that forward computes "
                            f"has it as index, and [indices] has {sorted(known) or 'no letters'}"
                        )
                        raise self.source.error(message, call)

    def span(self, item: Assignment, name: str, node: ast.Subscript, letter: str) -> list[tuple[bool, Affine, Affine]]:
        """Values of ``letter`` for which a member's index is in the family's range."""
        family = self.table[name]
        if family.range is None:
            return []
        variables = {b.var for b in self.bounds[item.number]} | {letter} | set(self.declared.indices)
        found = []
        for group, (lo, hi) in zip(brackets(node)[: len(family.letters)], family.range, strict=True):
            form = self.form(group[0], size_atom(variables))
            c = form.linear.get(letter, 0)
            if abs(c) == 1:
                rest = form - var(letter) * c
                low, high = (lo - rest, hi - rest) if c == 1 else (rest - hi, rest - lo)
                found.append((bool(family.assigned), low, high))
        return found
