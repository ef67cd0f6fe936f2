"""What a followed program claims: which of its assignments are gradients, of which tensor, with which values.

A gradient is known by its name (``dW1``, ``grads["W1"]``, ``self.dW``). Where the name behind it (``w`` in ``dw``)
is set in the program, its value says which tensor it is: in a function for any layer, ``dw`` is the gradient of the
weights that it was called with.
"""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.handwritten.python_arrays import Unknown
from symbackprop.handwritten.python_calls import Calls
from symbackprop.handwritten.python_names import BAGS, Names, family_range, subject
from symbackprop.handwritten.python_scopes import Bag, Program
from symbackprop.handwritten.python_values import Style, laid, lost

if TYPE_CHECKING:
    from symbackprop.handwritten.python_names import Surroundings
    from symbackprop.network import Network

Member = tuple[str, tuple[int, ...]]
_MOST_STAGES = 8
_SAME = 1e-11
"""Two arrays of random numbers that differ by less are the same one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A gradient that is assigned: ``members`` are family indices with the value, or why there is none.

    ``stages`` are the values that the name had before it was changed in place. A ``loose`` one belongs to a loop, and
    may be a part of the gradient. An ``update`` is what a parameter is changed by, up to a positive rate; an ``extra``
    one is of a parameter whose gradient has a name, so that only its sign can be judged.
    """

    tensor: str
    line: int
    column: int
    text: str
    members: tuple[tuple[tuple[int, ...], Any], ...]
    stages: tuple[Any, ...] = ()
    loose: bool = False
    update: bool = False
    extra: bool = False


@dataclass(slots=True)
class _Record:
    tensor: str
    at: tuple[int, ...]
    node: ast.stmt
    value: Any
    exact: bool = True
    loose: bool = False
    update: bool = False
    extra: bool = False
    stages: list[Any] = field(default_factory=list)

    @property
    def place(self) -> tuple[int, int]:
        return self.node.lineno, self.node.col_offset + 1


@dataclass(frozen=True, slots=True)
class Update:
    """A parameter that is changed by ``sign * step``, the step without its rate."""

    tensor: str
    at: tuple[int, ...]
    sign: int
    step: ast.expr


class Claims(Calls):
    """Notes the gradients among the assignments of a program that is followed."""

    def __init__(
        self, program: Program, network: Network, surroundings: Surroundings, style: Style, names: Names
    ) -> None:
        super().__init__(program, network, surroundings, style, names)
        self.called = set()
        self.records: dict[Member, _Record] = {}
        self.updates: dict[Member, _Record] = {}
        self.archive: list[_Record] = []
        self.loops: list[int] = []
        """The loops that are followed just now, each by the number of the statement that began it."""
        self.stopped: Unknown | None = None
        self.watched: dict[int, list[ast.expr]] = {}
        """Expressions whose values are kept, by the line of the statement before which they are looked at."""
        self.seen: dict[int, dict[str, Any]] = {}
        self._index: dict[tuple[int, ...], list[tuple[Member, Any]]] = {}

    # -- results -------------------------------------------------------------------------------------------------------

    def found(self) -> tuple[Assignment, ...]:
        """The gradients that were assigned, in the order of the file."""
        records = [*self.archive, *self.records.values()]
        exact = {record.tensor for record in records if record.exact}
        records = [r for r in records if r.exact or r.tensor not in exact or r.tensor not in self.leaves]
        known = {record.tensor for record in records}
        for record in self.updates.values():
            record.extra = record.tensor in known
        records += self.updates.values()
        grouped: dict[tuple[int, int, str], list[_Record]] = {}
        for record in records:
            grouped.setdefault((*record.place, record.tensor), []).append(record)
        return tuple(
            Assignment(
                tensor=tensor, line=self.program.line(line), column=column, text=self._text(each[0].node),
                members=tuple((r.at, r.value) for r in sorted(each, key=lambda r: r.at)),
                stages=tuple(each[0].stages) if len(each) == 1 else (),
                loose=any(r.loose for r in each), update=each[0].update, extra=each[0].extra,
            )
            for (line, column, tensor), each in sorted(grouped.items(), key=lambda item: item[0])
        )  # fmt: skip

    def stop(self, reason: Unknown) -> None:
        """Nothing that was found holds, since the program was not followed to its end."""
        self.stopped = reason
        self.archive, self.updates = [], {}
        for node in ast.walk(self.program.tree):
            for target in _targets(node):
                found = self.gradient_of(target) if isinstance(target, ast.Name | ast.Attribute) else None
                if found is not None and isinstance(node, ast.stmt):
                    self.records.setdefault((found[0], found[1] or ()), _Record(found[0], found[1] or (), node, reason))
        for record in self.records.values():
            record.value, record.stages = reason, []

    def note(self, node: ast.stmt) -> None:
        """Keep the values of the expressions that are watched at a statement, when it is met for the first time."""
        watched = self.watched.get(node.lineno)
        if watched is None or node.lineno in self.seen:
            return
        self.seen[node.lineno] = {}
        found = {self._text(each): self.value(each) for each in watched}
        self.seen[node.lineno] = {text: value for text, value in found.items() if lost(value) is None}

    # -- which gradient ------------------------------------------------------------------------------------------------

    def assigns_gradients(self, function: ast.FunctionDef) -> bool:
        """True for a function that sets a gradient, or a mapping of them."""
        for node in ast.walk(function):
            for target in _targets(node):
                for part in ast.walk(target):
                    name = _name_of(part)
                    if name and (self.names.gradient(name, self.network.loss) or BAGS.match(name)):
                        return True
                    if name and isinstance(node, ast.AugAssign) and self._parameter(name) is not None:
                        return True
        return False

    def _parameter(self, name: str) -> tuple[str, tuple[int, ...] | None] | None:
        found = self.names.find(name)
        return found if found is not None and found[0] in self.network.parameters else None

    def gradient_of(self, target: ast.expr) -> tuple[str, tuple[int, ...] | None] | None:
        """The tensor whose gradient an assignment's left side names, and the member where it says which."""
        if isinstance(target, ast.Name | ast.Attribute):
            return self._by_name(target)
        if not isinstance(target, ast.Subscript):
            return None
        key = self._key(target.slice)
        if isinstance(key, str):
            named = self.names.gradient(key, self.network.loss)
            return named or (self.names.find(key) if BAGS.match(_name_of(target.value)) else None)
        listed = isinstance(self.value(target.value), list | dict)
        inner = self.names.gradient(_name_of(target.value), self.network.loss) if listed else None
        inner = inner or self.gradient_of(target.value)
        if inner is None or inner[1] is not None:
            return inner
        if not isinstance(key, int | np.integer):
            return None
        low, count = family_range(self.surroundings, inner[0])
        end = low + count
        member = end + int(key) if key < 0 else int(key) + (low if self.names.shifted else 0)
        return inner[0], (member,)

    def _by_name(self, target: ast.Name | ast.Attribute) -> tuple[str, tuple[int, ...] | None] | None:
        name = _name_of(target)
        named = self.names.gradient(name, self.network.loss)
        base = subject(name)
        if not base:
            return None
        held, given = self._held(target, base)
        if not isinstance(held, np.ndarray | float):
            return named
        same = self.identify(held)
        if named is not None:
            own = next((each for each in same if each[0] == named[0]), None)
            if own is not None and (named[1] is not None or own[0] in self.leaves):
                return named if named[1] is not None else own
            if not same and not given:
                return named
        return next((each for each in same if each[0] in self.leaves), None)

    def _held(self, target: ast.Name | ast.Attribute, base: str) -> tuple[Any, bool]:
        """What the name behind a gradient's name holds in the program, and whether a caller filled it."""
        if isinstance(target, ast.Attribute):
            owner = self.value(target.value)
            return (owner.entries.get(base), bool(owner.kind)) if isinstance(owner, Bag) else (None, False)
        holder = self.scope.holder(base)
        if holder is None or holder.rounds.get(base, 0) not in {0, *self.loops}:
            return None, False
        return holder[base], holder.outer is not None

    def identify(self, value: Any) -> list[Member]:
        """The tensors of the network that have this value."""
        if not self._index:
            for member, array in self._everything():
                self._index.setdefault(_plain_shape(array), []).append((member, array))
        held = np.asarray(value)
        if held.dtype.kind not in "fiu":
            return []
        flat = held.reshape(-1)
        return [
            member for member, array in self._index.get(_plain_shape(held), ())
            if flat.size and abs(array.flat[0] - flat[0]) < _SAME and np.max(np.abs(array.reshape(-1) - flat)) < _SAME
        ]  # fmt: skip

    def _everything(self) -> Any:
        for tensor, about in self.network.tensors.items():
            if not about.named or len(about.family) > 1:
                continue
            low, count = family_range(self.surroundings, tensor) if about.family else (0, 1)
            for k in range(count):
                at = (low + k,) if about.family else ()
                yield (tensor, at), np.asarray(laid(self.surroundings.value(tensor, at), self.style))

    # -- notes ---------------------------------------------------------------------------------------------------------

    def record(self, target: ast.expr, value: Any, node: ast.stmt, source: ast.expr, *, again: bool) -> None:
        """Note an assignment if its target is a gradient; ``again`` where it changes what the name had."""
        found = self.gradient_of(target)
        if found is None:
            return
        tensor, at = found
        if at is None:
            self._record_list(tensor, value, node, source)
            return
        if isinstance(value, int) and not isinstance(value, bool) and self.network.tensors[tensor].axes:
            return  # a size: dk = K.shape[1]
        itself = again or _mentions(source, target)
        if not itself and self._starts(value, source):
            return
        whole = value
        if isinstance(target, ast.Subscript):
            inner = self.value(target.value)
            part = isinstance(inner, np.ndarray) or (
                isinstance(inner, list) and not self.network.tensors[tensor].family
            )
            whole, itself = (inner, itself or part) if part else (value, itself)
        self._keep((tensor, at), whole, node, again=itself, exact=subject(_name_of(target)) in {"", tensor})

    def _record_list(self, tensor: str, value: Any, node: ast.stmt, source: ast.expr) -> None:
        """A list of the gradients of a family, once it has all of them."""
        if isinstance(value, Unknown) and tensor in self.leaves:
            self._keep((tensor, ()), value, node)
        if not isinstance(value, list) or self._starts(value, source):
            return
        low, count = family_range(self.surroundings, tensor)
        if len(value) != count + (0 if self.names.shifted else low):
            return
        for position, item in enumerate(value):
            if item is not None:
                self._keep((tensor, (position + (low if self.names.shifted else 0),)), item, node)

    @staticmethod
    def _starts(value: Any, source: ast.expr) -> bool:
        """True for the zeros, or the empty list, from which an accumulation starts."""
        if isinstance(value, dict) or value is None:
            return True
        if isinstance(value, list):
            return all(item is None or (lost(item) is None and not np.any(item)) for item in value)
        if isinstance(value, Unknown | Bag) or np.any(value):
            return False
        text = ast.unparse(source)
        return "zeros" in text or "empty" in text or isinstance(source, ast.Constant) or " * 0" in text

    def claim(self, tensor: str, at: tuple[int, ...], value: Any, node: ast.expr) -> None:
        old = self.records.get((tensor, at))
        gap = isinstance(value, Unknown)
        noted = old is not None and (old.value is value or (gap and isinstance(old.value, Unknown)))
        if not self._starts(value, node) and not noted:
            self._keep((tensor, at), value, ast.copy_location(ast.Expr(node), node))

    def changed(self, target: ast.expr, node: ast.expr) -> None:
        value = self.value(target)
        self.record(target, value, ast.copy_location(ast.Expr(node), node), node, again=True)

    def update(self, update: Update, node: ast.stmt) -> None:
        """Note how a parameter is changed; its value stays."""
        step = self.value(update.step)
        value = step if isinstance(step, Unknown) else np.multiply(-update.sign, step)
        key = (update.tensor, update.at)
        self.updates.setdefault(key, _Record(*key, node, value, update=True))

    def _text(self, node: Any) -> str:
        """The author's text of a node."""
        lines = self.program.text.split("\n")[node.lineno - 1 : node.end_lineno]
        lines[-1] = lines[-1].encode()[: node.end_col_offset].decode()
        lines[0] = lines[0].encode()[node.col_offset :].decode()
        return "\n".join(lines)

    def _keep(self, key: Member, value: Any, node: ast.stmt, *, again: bool = False, exact: bool = True) -> None:
        """Note a gradient's value; a new one of another statement is another claim."""
        inner = key[0] not in self.leaves
        old = self.records.get(key)
        if old is not None and (again or old.node.lineno == node.lineno):
            if inner and again and len(old.stages) < _MOST_STAGES:
                old.stages.append(np.copy(value) if isinstance(value, np.ndarray) else value)
            old.value = value
            return
        if old is not None and not isinstance(old.value, Unknown):
            self.archive.append(old)
        stages = [np.copy(value)] if inner and isinstance(value, np.ndarray) else []
        loose = inner and bool(self.loops)
        self.records[key] = _Record(
            *key, node, value, exact=exact, loose=loose, stages=stages
        )  # fmt: skip


def _mentions(source: ast.expr, target: ast.expr) -> bool:
    """True where an expression reads what an assignment sets."""
    same = [part for part in ast.walk(source) if type(part) is type(target)]
    return bool(same) and ast.unparse(target) in map(ast.unparse, same)


def _plain_shape(array: Any) -> tuple[int, ...]:
    return tuple(size for size in np.shape(array) if size != 1)


def _name_of(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _targets(node: ast.AST) -> list[ast.expr]:
    """The left sides of an assignment."""
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else []


# ---------------------------------------------------------------------------------------------------------------------
# Updates


def parameter_update(run: Claims, target: ast.expr, op: ast.operator | None, value: ast.expr) -> Update | None:
    """What an assignment changes a parameter by: ``W -= rate * g`` and ``W = W - rate * g``; None for any other."""
    if op is None:
        if not isinstance(value, ast.BinOp) or ast.unparse(value.left) != ast.unparse(target):
            return None
        op, step = value.op, value.right
        gradient = any(run.names.gradient(_name_of(n), run.network.loss) for n in ast.walk(step) if _name_of(n))
        if not gradient and not (isinstance(step, ast.BinOp) and isinstance(step.op, ast.Mult)):
            return None
    else:
        step = value
    if not isinstance(op, ast.Add | ast.Sub):
        return None
    member = _changed_parameter(run, target)
    if member is None:
        return None
    return Update(*member, 1 if isinstance(op, ast.Add) else -1, _without_rate(run, step))


def _changed_parameter(run: Claims, target: ast.expr) -> Member | None:
    if isinstance(target, ast.Subscript):
        base = target.value
        while isinstance(base, ast.Subscript):
            base = base.value
        held = run.value(target)
        found = [m for m in run.identify(held) if m[0] in run.network.parameters] if np.ndim(held) else []
        return found[0] if found else None
    named = run.names.find(_name_of(target))
    if named is not None and named[0] in run.network.parameters and named[1] is not None:
        return named[0], named[1]
    held = run.value(target)
    if not isinstance(held, np.ndarray) or not held.ndim:
        return None
    return next((m for m in run.identify(held) if m[0] in run.network.parameters), None)


def _without_rate(run: Claims, step: ast.expr) -> ast.expr:
    """A step with 1 in the place of its rate: a number that is neither of the network nor counted."""
    for names in (True, False):
        found = next((leaf for leaf in _factors(step) if _is_rate(run, leaf, names=names)), None)
        if found is not None:
            return _Replaced(found).visit(copy.deepcopy(step)) if found is not step else step
    return step


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.UnaryOp):
        return _factors(node.operand)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), *_factors(node.right)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.MatMult):
        return _factors(node.left)
    return [node]


def _is_rate(run: Claims, node: ast.expr, *, names: bool) -> bool:
    if not names:
        return isinstance(node, ast.Constant) and isinstance(node.value, float)
    name = _name_of(node)
    known = run.names.find(name) or run.names.gradient(name, run.network.loss) or name in run.sizes
    if not name or known:
        return False
    held = run.value(node)
    return isinstance(held, Unknown | Bag | float) and not (isinstance(held, Unknown) and held.misfit)


class _Replaced(ast.NodeTransformer):
    """The node at one place replaced by 1.0."""

    def __init__(self, node: ast.expr) -> None:
        self.place = (node.lineno, node.col_offset, node.end_col_offset)

    def visit(self, node: ast.AST) -> Any:
        own = (getattr(node, "lineno", 0), getattr(node, "col_offset", 0), getattr(node, "end_col_offset", 0))
        if own == self.place and isinstance(node, ast.expr):
            return ast.copy_location(ast.Constant(1.0), node)
        return self.generic_visit(node)
