"""What a followed program consists of besides arrays: its text, its scopes, functions, classes and objects."""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    Definition = ast.FunctionDef | ast.Lambda


@dataclass(frozen=True)
class Program:
    """A parsed file; ``functions`` are all that it defines, methods among them."""

    text: str
    tree: ast.Module
    functions: Mapping[str, ast.FunctionDef]
    classes: Mapping[str, ast.ClassDef]
    mentioned: frozenset[str]
    """All names that are used anywhere."""
    lines: tuple[int, ...] = ()
    """For every line, the line of the file it stands in; empty where that is the same."""

    @functools.cached_property
    def mappings(self) -> frozenset[str]:
        """The names whose entries are read by texts."""
        return frozenset(
            node.value.id
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        )

    def line(self, number: int) -> int:
        """The line of the file behind a line of the text."""
        return self.lines[min(number, len(self.lines)) - 1] if self.lines else number


class Scope(dict[str, Any]):
    """The names of a module, a function or a comprehension; other names are those of ``outer``.

    ``elsewhere`` says in which scope a name lives that is ``global`` or ``nonlocal`` here; ``rounds`` which loop gave
    a name its value.
    """

    def __init__(self, outer: Scope | None = None) -> None:
        super().__init__()
        self.outer = outer
        self.elsewhere: dict[str, Scope] = {}
        self.rounds: dict[str, int] = {}

    def holder(self, name: str) -> Scope | None:
        """The scope in which a name has its value."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.elsewhere:
                return scope.elsewhere[name].holder(name)
            if name in scope:
                return scope
            scope = scope.outer
        return None

    def target(self, name: str) -> Scope:
        """The scope in which an assignment puts a name."""
        return self.elsewhere.get(name, self)

    @property
    def module(self) -> Scope:
        """The outermost scope."""
        scope = self
        while scope.outer is not None:
            scope = scope.outer
        return scope


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the file with the scope that it was defined in, and its object where it is a method."""

    node: Definition
    scope: Scope
    owner: Bag | None = None


@dataclass(slots=True)
class Bag:
    """Something with names inside: an object of one of the file's classes, or what the file does not make."""

    name: str
    entries: dict[Any, Any] = field(default_factory=dict)
    kind: str = ""
    """The class of the file that it is an object of."""


class ReturnError(Exception):
    """``return`` with its value."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class RaisedError(ReturnError):
    """``raise``: what calls the function has nothing of it, and the reason why."""


class LeaveError(Exception):
    """``break`` or ``continue``."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind


class StopError(Exception):
    """The program is longer than what is followed."""


def methods(program: Program, kind: str) -> dict[str, ast.FunctionDef]:
    """The methods of a class, those that it inherits from classes of the file among them."""
    classes, todo, seen = program.classes, [kind], set[str]()
    found: dict[str, ast.FunctionDef] = {}
    while todo:
        name = todo.pop(0)
        if name in seen or name not in classes:
            continue
        seen.add(name)
        for node in classes[name].body:
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, node)
        todo += [base.id for base in classes[name].bases if isinstance(base, ast.Name)]
    return found


def fields(program: Program, kind: str) -> list[tuple[str, ast.expr | None]]:
    """The fields of a dataclass, or of a named tuple written as a class, with their defaults."""
    body = program.classes[kind].body
    return [(n.target.id, n.value) for n in body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]


def is_static(node: ast.FunctionDef) -> bool:
    """True for a method that takes no object."""
    return any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in node.decorator_list)
