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

from symbackprop.handwritten.python_calls import Calls
from symbackprop.handwritten.python_names import BAGS, Names, family_range, subject
from symbackprop.handwritten.python_scopes import Bag, Program, Scope
from symbackprop.handwritten.python_unknown import Unknown, lost
from symbackprop.handwritten.python_values import Style, laid

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
    scope: Scope | None = None
    """The call in which it got its value."""

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
        self.called, self.calls, self.settled = set(), [], set()
        self.guesses = {}
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

    guesses: dict[int, Unknown]

    # -- results -------------------------------------------------------------------------------------------------------

    def found(self) -> tuple[Assignment, ...]:
        """The gradients that were assigned, in the order of the file."""
        records = [*self.archive, *self.records.values()]
        records = [record for record in records if not self._placed_elsewhere(record, records)]
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

    def _placed_elsewhere(self, record: _Record, records: list[_Record]) -> bool:
        """True for members of a family that are unknown in one call of a function and known in another."""
        family = bool(self.network.tensors[record.tensor].family) and not record.at
        return family and any(
            other.tensor == record.tensor and other.scope is not record.scope and not isinstance(other.value, Unknown)
            for other in records
        )

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

    def unknown_inside(self, function: ast.FunctionDef) -> bool:
        """True for a function that was only called with what is unknown, as far as its gradients go."""
        rows = range(function.lineno, (function.end_lineno or function.lineno) + 1)
        inside = [record for record in self.records.values() if record.node.lineno in rows]
        return bool(inside) and all(isinstance(record.value, Unknown) and not record.value.misfit for record in inside)

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
            return (inner[0], None) if isinstance(key, Unknown) else None
        same = self.identify(self._beside(target.value, int(key)))
        own = next((member for member in same if member[0] == inner[0]), None)
        if own is not None:
            return own
        if isinstance(self.value(target.value), dict) and (offset := self._counted()) is not None:
            return inner[0], (int(key) + offset,)
        low, count = family_range(self.surroundings, inner[0])
        end = low + count
        member = end + int(key) if key < 0 else int(key) + (low if self.names.shifted else 0)
        return inner[0], (member,)

    def _beside(self, target: ast.expr, key: int) -> Any:
        """The tensor's member at the place of a list or a mapping where its gradient is put: ``W[i]`` for ``dW[i]``."""
        base = subject(_name_of(target))
        held: Any = self._held(target, base)[0] if base and isinstance(target, ast.Name | ast.Attribute) else None
        there = key in held if isinstance(held, dict) else isinstance(held, list) and -len(held) <= key < len(held)
        found = held[key] if there else None
        return found if isinstance(found, np.ndarray) else None

    def _counted(self) -> int | None:
        """By how much the keys of the program's mappings of layers or steps differ from the index; None without any."""
        for held in self.scope.values():
            for key, item in held.items() if isinstance(held, dict) else ():
                if isinstance(key, int) and isinstance(item, np.ndarray):
                    found = next((at for _, at in self.identify(item) if at), None)
                    if found is not None:
                        return found[0] - key
        return None

    def _by_name(self, target: ast.Name | ast.Attribute) -> tuple[str, tuple[int, ...] | None] | None:
        name = _name_of(target)
        named = self.names.gradient(name, self.network.loss)
        base = subject(name)
        if not base or self.names.is_partial(name):
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
            if isinstance(value, dict) and BAGS.match(_name_of(target)):
                self._record_mapping(value, source)
            return
        tensor, at = found
        if at is None:
            key = self._key(target.slice) if isinstance(target, ast.Subscript) else None
            self._record_list(tensor, key if isinstance(key, Unknown) else value, node, source)
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
            key = (tensor, (position + (low if self.names.shifted else 0),))
            if item is not None and not self._noted(key, item):
                self._keep(key, item, node)

    def _record_mapping(self, value: dict[Any, Any], source: ast.expr) -> None:
        """A mapping of all gradients by the names of the parameters."""
        if isinstance(source, ast.Dict):
            places = {key.value: each for key, each in zip(source.keys, source.values, strict=True)
                      if isinstance(key, ast.Constant)}  # fmt: skip
        else:
            places = {}
        for name, item in value.items():
            found = self._parameter(name) if isinstance(name, str) else None
            if found is None or (not places and any(key[0] == found[0] for key in self.records)):
                continue
            if isinstance(item, Unknown) and any(
                key[0] == found[0] and not isinstance(record.value, Unknown) for key, record in self.records.items()
            ):
                continue
            place = places.get(name, source)
            statement = ast.copy_location(ast.Expr(place), place)
            if found[1] is not None:
                self.claim(found[0], found[1], item, place)
            else:
                self._record_list(found[0], item, statement, place)

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
        named = self.names.gradient(node.id, self.network.loss) if isinstance(node, ast.Name) else None
        if isinstance(value, Unknown) and named is not None and named[0] == tensor:
            return
        if not self._starts(value, node) and not self._noted((tensor, at), value):
            self._keep((tensor, at), value, ast.copy_location(ast.Expr(node), node))

    def _noted(self, key: Member, value: Any) -> bool:
        """True where a value is the one of the claim that was noted last, under another name."""
        old = self.records.get(key)
        return old is not None and (
            old.value is value or (isinstance(value, Unknown) and isinstance(old.value, Unknown))
        )

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
        if key in self.records and not self.settled.isdisjoint(self.calls):
            return
        if isinstance(value, Unknown) and not value.misfit and self._known_before(key, node):
            return
        inner = key[0] not in self.leaves
        old = self.records.get(key)
        if old is not None and (again or old.node.lineno == node.lineno):
            if inner and again and len(old.stages) < _MOST_STAGES:
                old.stages.append(np.copy(value) if isinstance(value, np.ndarray) else value)
            old.value, old.scope = value, self.scope
            return
        if old is not None and not isinstance(old.value, Unknown):
            self.archive.append(old)
        stages = [np.copy(value)] if inner and isinstance(value, np.ndarray) else []
        loose = inner and bool(self.loops)
        self.records[key] = _Record(
            *key, node, value, exact=exact, loose=loose, stages=stages, scope=self.scope
        )  # fmt: skip

    def _known_before(self, key: Member, node: ast.stmt) -> bool:
        """True for a claim that another call of the same function, with arguments that are known, has decided."""
        return any(
            record.tensor == key[0]
            and (record.at == key[1] or not key[1])
            and record.node.lineno == node.lineno
            and not isinstance(record.value, Unknown)
            and record.scope is not self.scope
            for record in (*self.archive, *self.records.values())
        )


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
