"""Which statements of a followed program are followed: branches, loops, and what is guessed where a test is unknown.

A branch whose test cannot be followed is guessed, and so is the number of rounds of a loop. A guess is noted, so that
the program can be followed once more the other way; lists and mappings that grew under it may hold more or less.
"""

from __future__ import annotations

import ast
import contextlib
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.handwritten.python_claims import Claims
from symbackprop.handwritten.python_scopes import Bag, LeaveError, RaisedError
from symbackprop.handwritten.python_unknown import Unknown, open_up

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_LOOP = 64
_LEAVING = (ast.Return, ast.Break, ast.Continue)


class Flow(Claims):
    """Follows branches and loops."""

    guesses: dict[int, Unknown]
    """The lines of branches and loops that were guessed, with the reason."""
    flipped: frozenset[int] = frozenset()
    """The lines where the other guess is followed."""

    @abstractmethod
    def augment(self, target: ast.expr, op: ast.operator, value: ast.expr, node: ast.AugAssign) -> None: ...

    def branch(self, node: ast.If) -> None:
        """A branch; where its test is unknown, the one that does not leave, or the first."""
        truth = self.value(node.test)
        if not _is_open(truth):
            self.block(node.body if truth else node.orelse)
            return
        likely, other = node.body, node.orelse
        if _ends(likely, (ast.Raise,)) or (len(likely) == 1 and _ends(likely, _LEAVING)):
            likely, other = other, likely
        if _ends(other, (ast.Raise,)):
            self.block(likely)
            return
        if node.lineno in self.flipped:
            likely, other = other, likely
        gap = _reason(truth, "a condition that is not followed", node)
        with self._guessed(node, gap):
            self.block(likely)
        self.skipped(other, gap)

    def skipped(self, body: list[ast.stmt], gap: Unknown) -> None:
        """Note the lists and mappings that statements fill which were not followed."""
        for node in (each for statement in body for each in ast.walk(statement)):
            filled = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)
            method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if filled or method:
                owner = node.value if isinstance(node, ast.Subscript) else node.func.value  # type: ignore[attr-defined]
                open_up(self.value(owner), gap)

    def attempt(self, node: ast.Try) -> None:
        """``try``: what fails in it is no mistake, and where it raises an error the first handler goes on."""
        self.trying += bool(node.handlers)
        try:
            self.block(node.body)
        except RaisedError:
            if not node.handlers:
                raise
            self.block(node.handlers[0].body)
        else:
            self.block(node.orelse)
        finally:
            self.trying -= bool(node.handlers)
        self.block(node.finalbody)

    def repeat(self, node: ast.While) -> None:
        """A loop with a condition, followed while that is known; one that trains for ever is followed once."""
        truth: Any = None
        with self._inside_loop():
            for _ in range(LONGEST_LOOP):
                truth = self.value(node.test)
                if _is_open(truth) or isinstance(node.test, ast.Constant):
                    break
                if not truth or self._leaving(node.body):
                    return
            gap = _reason(truth, "a loop whose end is not followed", node)
            self._once([gap], lambda _: None, node, gap)

    def loop(self, node: ast.For) -> None:
        """A loop over layers, steps or examples; one over epochs, or over what is not known, is followed once."""
        items = self.value(node.iter)
        if isinstance(items, dict) or (isinstance(items, np.ndarray) and items.ndim):
            items = list(items)

        def start(item: Any) -> None:
            self.assign(node.target, item, None, node.iter)

        with self._inside_loop():
            if not isinstance(items, list | tuple) or len(items) > LONGEST_LOOP:
                gap = _reason(items, "a loop over something unknown", node)
                self._once(list(items) if isinstance(items, list | tuple) else [gap, gap], start, node, gap)
                return
            for item in items:
                start(item)
                if self._leaving(node.body):
                    return
        self.block(node.orelse)

    def _once(self, items: list[Any], start: Any, node: ast.For | ast.While, gap: Unknown) -> None:
        """One round of a loop whose number of rounds is a guess; two where the other guess is followed."""
        with self._guessed(node, gap):
            for item in (items * 2)[: 2 if node.lineno in self.flipped else 1]:
                start(item)
                if self._leaving(node.body):
                    return

    def _leaving(self, body: list[ast.stmt]) -> bool:
        """One round of a loop; True where it is left."""
        try:
            self.block(body)
        except LeaveError as leave:
            return leave.kind == "Break"
        return False

    @contextlib.contextmanager
    def _inside_loop(self) -> Iterator[None]:
        self.loops.append(self.steps)
        try:
            yield
        finally:
            self.loops.pop()

    @contextlib.contextmanager
    def _guessed(self, node: ast.stmt, gap: Unknown) -> Iterator[None]:
        """Statements that are followed on a guess."""
        self.guesses.setdefault(node.lineno, gap)
        before = [(each, len(each)) for each in self.containers()]
        try:
            yield
        finally:
            for each, length in before:
                if len(each) != length:
                    open_up(each, gap)

    def containers(self) -> list[list[Any] | dict[Any, Any]]:
        """The lists and mappings that the program can reach just now."""
        todo: list[Any] = [bag.entries for bag in self.bags.values()]
        for scope in self.scopes:
            outer: Any = scope
            while outer is not None:
                todo += outer.values()
                outer = outer.outer
        seen: dict[int, list[Any] | dict[Any, Any]] = {}
        while todo:
            each = todo.pop()
            inner = each.entries if isinstance(each, Bag) else each
            if not isinstance(inner, list | dict) or id(inner) in seen:
                todo += inner if isinstance(inner, tuple) else ()
                continue
            seen[id(inner)] = inner
            todo += inner.values() if isinstance(inner, dict) else inner
        return list(seen.values())


def _is_open(truth: Any) -> bool:
    return isinstance(truth, Unknown | Bag) or (isinstance(truth, np.ndarray) and truth.size > 1)


def _reason(value: Any, otherwise: str, node: ast.stmt) -> Unknown:
    return Unknown(value.reason, value.line) if isinstance(value, Unknown) else Unknown(otherwise, node.lineno)


def _ends(body: list[ast.stmt], kinds: tuple[type[ast.stmt], ...]) -> bool:
    return bool(body) and isinstance(body[-1], kinds)
