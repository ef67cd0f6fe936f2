"""Where a wrong program goes wrong, and the smallest edit that mends it, in the author's own text.

    mends = mended(program, court, right, wrong)      -> a Mend for each wrong claim that one was found for

The first wrong claim is looked at first: its own statement, then those that it uses, nearest first. An edit counts if
the program, followed again with it, gives the claim its derivative and no right claim another value. What an edit
mends besides is right given that line, and is not blamed.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.errors import SpecError
from symbackprop.handwritten.python_names import Names
from symbackprop.handwritten.python_source import Run, parse
from symbackprop.verify.python_edits import Scene, Source, edits, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from symbackprop.handwritten.python_scopes import Program
    from symbackprop.network import Network
    from symbackprop.verify.python_edits import Edit
    from symbackprop.verify.world import World

Key = tuple[int, int, str]
RUNS = 350
"""Edits of one claim that are tried."""
STEPS = 12_000
"""Statements that are followed for one claim."""
_MOST_ROUNDS = 4
_MOST_STATEMENTS = 20
_FAR = 8
"""Statements from here on are equally far away."""
_SIDE_EFFECTS = frozenset(("append", "insert", "extend", "pop", "update", "reverse", "at", "fill"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """The edit that makes a claim right: ``before`` is the faulty statement, ``after`` the same with the edit.

    ``mark`` is the range of ``before`` that changes. A claim that ``follows`` is right once another's line is mended.
    """

    edit: Edit
    line: int
    row: int
    before: str
    after: str
    mark: tuple[int, int]
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Court:
    """How a changed program is judged: ``quickly`` in one world, ``fully`` in all; both say which claims are right."""

    network: Network
    world: World
    reading: Any
    quickly: Callable[[Program], tuple[set[Key], int]]
    fully: Callable[[Program], set[Key]]


def mended(program: Program, court: Court, right: set[Key], wrong: list[Key]) -> dict[Key, Mend]:
    """The mends of the wrong claims; claims without one are left out."""
    found: dict[Key, Mend] = {}
    rows = {program.line(row): row for row in range(program.text.count("\n") + 1, 0, -1)}
    for _ in range(_MOST_ROUNDS):
        open_ = [key for key in wrong if key not in found]
        if not open_:
            break
        key = open_[0]
        search = _Search(program, court, right | set(found), set(open_))
        best = search.best(rows.get(key[0], key[0]), key)
        if best is None:
            break
        edit, statement, mended_program, now = best
        mend = _mend(program, statement, edit)
        found[key] = mend
        for other in open_[1:]:
            if other in now:
                found[other] = Mend(
                    edit=edit, line=mend.line, row=mend.row, before=mend.before, after=mend.after, mark=mend.mark,
                    follows=rows.get(other[0], other[0]) != mend.row,
                )  # fmt: skip
        program = mended_program
    return found


def _mend(program: Program, statement: ast.stmt, edit: Edit) -> Mend:
    source = Source(program.text)
    start, end = source.span(statement)
    if isinstance(statement, ast.For | ast.If | ast.While):
        end = source.text.index("\n", source.span(_head(statement))[1])
    before = source.text[start:end]
    mark = (edit.start - start, edit.end - start)
    after = before[: mark[0]] + edit.text + before[mark[1] :]
    row = statement.lineno
    return Mend(edit=edit, line=program.line(row), row=row, before=before, after=after, mark=mark)


def _head(statement: ast.stmt) -> ast.expr:
    assert isinstance(statement, ast.For | ast.If | ast.While)  # noqa: S101 - what has a head
    return statement.iter if isinstance(statement, ast.For) else statement.test


class _Search:
    """The edits of one program that mend one claim."""

    def __init__(self, program: Program, court: Court, right: set[Key], wrong: set[Key]) -> None:
        self.program, self.court = program, court
        self.right, self.wrong = right, wrong
        self.source = Source(program.text)
        self.steps = self.runs = 0

    def best(self, row: int, key: Key) -> tuple[Edit, ast.stmt, Program, set[Key]] | None:
        """The edit that mends most claims, the first of these."""
        best: tuple[int, Edit, ast.stmt, Program, set[Key]] | None = None
        statements = _slice(self.program, row, self._right_rows())
        scenes = self._scenes(statements)
        every = [
            (edit.cost + min(place, _FAR) / 8, edit, statement) for place, statement in enumerate(statements)
            for edit in edits(statement, self.source, scenes[statement.lineno])
        ]  # fmt: skip
        for _, edit, statement in sorted(every, key=lambda each: each[0]):
            tried = self._tried(edit, key)
            if tried is None:
                continue
            changed, now = tried
            if best is None or len(now & self.wrong) > best[0]:
                fully = self.court.fully(changed)
                if key in fully and (best is None or len(fully & self.wrong) > best[0]):
                    best = (len(fully & self.wrong), edit, statement, changed, fully)
            if best is not None and best[0] == len(self.wrong):
                break
        return best[1:] if best is not None else None

    def _tried(self, edit: Edit, key: Key) -> tuple[Program, set[Key]] | None:
        """The program with an edit and its right claims, where the claim is among them and none was lost."""
        if self.runs >= RUNS or self.steps >= STEPS:
            return None
        self.runs += 1
        text = self.program.text[: edit.start] + edit.text + self.program.text[edit.end :]
        try:
            changed = parse(text, lines=self.program.lines)
        except SpecError:
            return None
        now, steps = self.court.quickly(changed)
        self.steps += steps
        return (changed, now) if key in now and now >= self.right else None

    def _right_rows(self) -> set[int]:
        return {key[0] for key in self.right}

    def _scenes(self, statements: list[ast.stmt]) -> dict[int, Scene]:
        """What is known at each statement, from one run."""
        court = self.court
        names = Names(court.network, shifted=court.reading.shifted, mappings=self.program.mappings)
        run = Run(self.program, court.network, court.world, court.reading.style, names)
        owners = _owners(self.program)
        for statement in statements:
            run.watched[statement.lineno] = list(_parts(statement, owners.get(statement.lineno)))
        run.whole()
        sizes = {value: name for name, value in sorted(run.sizes.items(), reverse=True)}
        functions = _one_argument(self.program)
        loops = _inside_loops(self.program)
        return {
            each.lineno: _scene(run.seen.get(each.lineno, {}), each, sizes, functions, loops, self.source)
            for each in statements
        }


def _scene(  # noqa: PLR0913, PLR0917 - all that is known
    seen: dict[str, Any], statement: ast.stmt, sizes: dict[int, str], functions: tuple[str, ...], loops: set[int],
    source: Source,
) -> Scene:  # fmt: skip
    own = {source.of(node) for node in written(statement) if isinstance(node, ast.BinOp | ast.Call)}
    shapes = {text: np.shape(value) for text, value in seen.items() if isinstance(value, np.ndarray | float)}
    return Scene(
        arrays={text: shape for text, shape in shapes.items() if text not in own},
        parts=shapes,
        counts=tuple(
            text for text, value in seen.items()
            if isinstance(value, int) and not isinstance(value, bool) and value in sizes and text.isidentifier()
        ) or tuple(f"{t}.shape[0]" for t, s in shapes.items() if s and t in {"X", "x"}),
        functions=functions, sizes=sizes, inside_loop=statement.lineno in loops,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# Statements


def _statements(program: Program) -> list[ast.stmt]:
    return [node for node in ast.walk(program.tree) if isinstance(node, ast.stmt)]


def _slice(program: Program, row: int, right: set[int]) -> list[ast.stmt]:
    """The statement of a row and those it uses, nearest first; what is right already is left out."""
    simple = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return | ast.Expr
    every: list[ast.stmt] = [node for node in _statements(program) if isinstance(node, simple | ast.For)]
    by_name: dict[str, list[ast.stmt]] = {}
    for node in every:
        for name in _written(node):
            by_name.setdefault(name, []).append(node)
    for name, function in program.functions.items():
        inside = [node for node in every if function.lineno <= node.lineno <= (function.end_lineno or 0)]
        by_name.setdefault(f"{name}()", []).extend(inside)
    for node in every:
        for name in _read(node):
            if name.endswith("()"):
                by_name.setdefault(f"{name} called", []).append(node)
    owners = _owners(program)
    start = [node for node in every if node.lineno == row or (node.lineno <= row <= (node.end_lineno or 0))]
    start = [node for node in start if not isinstance(node, ast.For)][:1]
    found, todo = list(start), list(start)
    while todo and len(found) < _MOST_STATEMENTS:
        level: list[ast.stmt] = []
        for node in todo:
            for name in [*_read(node), f"{getattr(owners.get(node.lineno), 'name', '')}() called"]:
                for each in by_name.get(name, ()):
                    if each not in found and each not in level and program.line(each.lineno) not in right:
                        level.append(each)
        level.sort(key=lambda each: (each.lineno > row, -each.lineno))
        found += level
        todo = level
    return found[:_MOST_STATEMENTS]


def _written(node: ast.stmt) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    for target in targets:
        for part in ast.walk(target) if target is not None else ():
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id
            elif isinstance(part, ast.Attribute):
                yield part.attr
            elif isinstance(part, ast.Subscript):
                base = part.value
                yield base.id if isinstance(base, ast.Name) else getattr(base, "attr", "")
    value = getattr(node, "value", None)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in _SIDE_EFFECTS:
        base = value.func.value
        yield base.id if isinstance(base, ast.Name) else getattr(base, "attr", "")


def _read(node: ast.stmt) -> Iterator[str]:
    whole = node.iter if isinstance(node, ast.For) else node
    for part in ast.walk(whole):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr
        if isinstance(part, ast.Call):
            name = part.func.id if isinstance(part.func, ast.Name) else getattr(part.func, "attr", "")
            yield f"{name}()"


def _owners(program: Program) -> dict[int, ast.AST]:
    """For each statement the function around it, or the module."""
    found: dict[int, ast.AST] = {node.lineno: program.tree for node in _statements(program)}
    functions = sorted(program.functions.values(), key=lambda f: f.lineno)
    for function in functions:
        found |= {node.lineno: function for node in ast.walk(function) if isinstance(node, ast.stmt)}
    return found


def _parts(statement: ast.stmt, owner: ast.AST | None) -> Iterator[ast.expr]:
    """The expressions whose shapes say something: parts of the statement, and names of its function."""
    body = statement.iter if isinstance(statement, ast.For) else statement
    for node in written(body):
        if isinstance(node, ast.BinOp | ast.Call) and not _changes(node):
            yield node
    seen: set[str] = set()
    for node in written(owner) if owner is not None else ():
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and not _changes(node):
            text = ast.unparse(node)
            if text not in seen:
                seen.add(text)
                yield node


def _changes(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Attribute) and part.attr in _SIDE_EFFECTS for part in ast.walk(node))


def _one_argument(program: Program) -> tuple[str, ...]:
    """Functions of the file that are called with one argument, as they are called."""
    found: dict[str, None] = {}
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in program.functions:
                found.setdefault(ast.unparse(node.func), None)
    return tuple(found)


def _inside_loops(program: Program) -> set[int]:
    return {
        inner.lineno for node in ast.walk(program.tree) if isinstance(node, ast.For | ast.While)
        for inner in ast.walk(node) if isinstance(inner, ast.stmt) and inner is not node
    }  # fmt: skip
