"""Hand-written backward passes in NumPy: which gradients a Python file assigns, and what they are worth.

    program = parse(text)
    assignments(program, network, world, style)      -> tuple of Assignment

The file is parsed and never run: statements are followed on the arrays of ``world`` (the tensors of the network under
the names that programs give them), through loops over lists of layers, ``+=``, small functions and mappings of
gradients. A claim is an assignment to a gradient's name: ``dW1``, ``dL_dW1``, ``grads["W1"]``, ``nabla_w[-l]``.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.errors import SpecError
from symbackprop.handwritten import python_arrays as arrays
from symbackprop.handwritten.python_arrays import Unknown
from symbackprop.handwritten.python_names import BAGS, Names, family_range
from symbackprop.handwritten.python_values import (
    STEPS,
    Bag,
    Program,
    ReturnError,
    Style,
    Values,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from symbackprop.handwritten.notebook import Cell
    from symbackprop.handwritten.python_names import Surroundings
    from symbackprop.network import Network

_LONGEST_LOOP = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A gradient that is assigned: ``members`` are family indices with the value, or why there is none."""

    tensor: str
    line: int
    column: int
    text: str
    members: tuple[tuple[tuple[int, ...], Any], ...]


def from_cells(cells: Iterable[Cell], *, source: str = "") -> Program:
    """The code cells of a notebook as one program, without the lines that are commands of the notebook.

    Raises: SpecError with the place where it is not Python.
    """
    text: list[str] = []
    lines: list[int] = []
    for cell in cells:
        own = cell.text.split("\n")
        if cell.kind != "code" or own[0].startswith("%%"):
            continue
        text += ["pass" if line.lstrip().startswith(("%", "!", "?")) else line for line in own]
        lines += [cell.lines[min(k, len(cell.lines) - 1)] if cell.lines else 1 for k in range(len(own))]
    return replace(parse("\n".join(text), source=source, lines=tuple(lines)), lines=tuple(lines))


def parse(text: str, *, source: str = "", lines: tuple[int, ...] = ()) -> Program:
    """The syntax tree of a Python file.

    Raises: SpecError with the place where it is not Python.
    """
    try:
        tree = ast.parse(text)
        functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    except SyntaxError as error:
        message = f"not Python: {error.msg}"
        line = error.lineno
        if line is not None and lines:
            line = lines[min(line, len(lines)) - 1]
        raise SpecError(message, source=source or None, line=line, column=error.offset) from None
    except (ValueError, RecursionError, MemoryError) as error:
        message = f"not Python that can be read: {str(error) or 'nested too deeply'}"
        raise SpecError(message, source=source or None) from None
    return Program(text, tree, functions)


def assignments(
    program: Program, network: Network, surroundings: Surroundings, style: Style = "as is", *, shifted: bool = True
) -> tuple[Assignment, ...]:
    """The gradients that the program assigns, in its order; ``shifted`` lists start at a family's first member."""
    run = _Run(program, network, surroundings, style, Names(network, shifted=shifted))
    run.whole()
    found: dict[tuple[int, int, str], list[_Record]] = {}
    for record in (*run.archive, *run.records.values()):
        found.setdefault((record.line, record.column, record.tensor), []).append(record)
    return tuple(
        Assignment(
            tensor=tensor,
            line=program.line(line),
            column=column,
            text=records[0].text,
            members=tuple((record.at, record.value) for record in sorted(records, key=lambda r: r.at)),
        )
        for (line, column, tensor), records in sorted(found.items())
    )


@dataclass(slots=True)
class _Record:
    tensor: str
    at: tuple[int, ...]
    line: int
    column: int
    text: str
    value: Any


class LeaveError(Exception):
    """``break`` or ``continue``."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind


class _Run(Values):
    """Follows the statements of one file."""

    def __init__(
        self, program: Program, network: Network, surroundings: Surroundings, style: Style, names: Names
    ) -> None:
        super().__init__(program, network, surroundings, style, names)
        self.records: dict[tuple[str, tuple[int, ...]], _Record] = {}
        self.archive: list[_Record] = []

    def whole(self) -> None:
        """The module, then the functions that nothing calls and that assign gradients."""
        self.block(self.program.tree.body)
        for name, function in self.program.functions.items():
            if name not in self.called and self._assigns_gradients(function):
                self.scopes.append({})
                try:
                    self.block(function.body)
                except (ReturnError, LeaveError):
                    pass
                finally:
                    self.scopes.pop()

    def _assigns_gradients(self, function: ast.FunctionDef) -> bool:
        for node in ast.walk(function):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) else ():
                for part in ast.walk(target) if target is not None else ():
                    name = (
                        part.id if isinstance(part, ast.Name) else part.attr if isinstance(part, ast.Attribute) else ""
                    )
                    if name and (self.names.gradient(name, self.network.loss) or BAGS.match(name)):
                        return True
        return False

    def block(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self.steps += 1
            if self.steps > STEPS:
                raise ReturnError(Unknown(f"more than {STEPS} statements"))
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                found = self.value(value)
                for target in targets:
                    self.assign(target, found, node, value)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                self.assign(target, self.value(value), node, value)
            case ast.AugAssign(target=target, op=op, value=value):
                self.augment(target, op, value, node)
            case ast.For():
                self.loop(node)
            case ast.While(body=body):
                self._leaving(body)
            case ast.If(test=test, body=body, orelse=orelse):
                truth = self.value(test)
                unknown = isinstance(truth, Unknown) or np.ndim(truth) > 0
                self.block(body if unknown or truth else orelse)
            case ast.With(body=body) | ast.Try(body=body):
                self.block(body)
            case ast.Return(value=value):
                raise ReturnError(None if value is None else self.value(value))
            case ast.Break() | ast.Continue():
                raise LeaveError(type(node).__name__)
            case ast.Expr(value=value):
                self.value(value)
            case _:
                pass

    def _leaving(self, body: list[ast.stmt]) -> bool:
        """One round of a loop; True where it is left."""
        try:
            self.block(body)
        except LeaveError as leave:
            return leave.kind == "Break"
        return False

    def loop(self, node: ast.For) -> None:
        """A loop over layers, steps or examples; one over epochs, or over what is not known, is followed once."""
        items = self.value(node.iter)
        if isinstance(items, np.ndarray):
            items = list(items)
        if isinstance(items, dict):
            items = list(items)
        if not isinstance(items, list | tuple) or len(items) > _LONGEST_LOOP:
            first = (
                items[0] if isinstance(items, list | tuple) else Unknown("a loop over something unknown", node.lineno)
            )
            items = [first]
        for item in items:
            self.assign(node.target, item, None, node.iter)
            if self._leaving(node.body):
                break

    def augment(self, target: ast.expr, op: ast.operator, value: ast.expr, node: ast.AugAssign) -> None:
        load: Any = ast.parse(ast.unparse(target), mode="eval").body
        old, new = self.value(load), self.value(value)
        if (
            isinstance(old, Unknown)
            and isinstance(op, ast.Add)
            and self.gradient_of(target) is not None
            and isinstance(target, ast.Subscript)
        ):
            old = 0
        self.assign(target, self._binary(op, old, new, node), node, value, again=True)

    def assign(
        self, target: ast.expr, value: Any, node: ast.stmt | None, source: ast.expr, *, again: bool = False
    ) -> None:
        """Give a name, an attribute, an element or several of these their value."""
        if isinstance(target, ast.Tuple | ast.List):
            self._unpack(target, value, node, source)
            return
        if isinstance(target, ast.Starred):
            return
        if node is not None:
            self._record(target, value, node, source, again=again)
        if isinstance(target, ast.Name):
            self._bind(target.id, value, source if node is not None else None)
        elif isinstance(target, ast.Attribute):
            owner = self.value(target.value)
            if isinstance(owner, Bag):
                if self._drops(target.attr, value, source if node is not None else None):
                    owner.entries.pop(target.attr, None)
                else:
                    owner.entries[target.attr] = value
        elif isinstance(target, ast.Subscript):
            self._store(target, value)

    def _unpack(self, target: ast.Tuple | ast.List, value: Any, node: ast.stmt | None, source: ast.expr) -> None:
        parts = (
            list(value)
            if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and np.ndim(value))
            else None
        )
        sources = source.elts if isinstance(source, ast.Tuple | ast.List) else [source] * len(target.elts)
        if parts is None or len(parts) != len(target.elts):
            for part in target.elts:
                if isinstance(part, ast.Name) and self.names.find(part.id) is not None:
                    self.scopes[-1].pop(part.id, None)
                else:
                    reason = value if isinstance(value, Unknown) else Unknown("not one value for each name")
                    self.assign(part, reason, None, source)
            return
        for part, item, own in zip(target.elts, parts, sources, strict=False):
            self.assign(part, item, node, own)

    def _bind(self, name: str, value: Any, source: ast.expr | None) -> None:
        if self._drops(name, value, source):
            self.scopes[-1].pop(name, None)
        else:
            self.scopes[-1][name] = value

    def _drops(self, name: str, value: Any, source: ast.expr | None) -> bool:
        """True where a leaf of the network is set to something that the file cannot know: random numbers, data."""
        found = self.names.find(name)
        if found is None or found[0] not in self.leaves:
            return False
        if source is None or isinstance(value, Unknown):
            return isinstance(value, Unknown)
        mentioned = {
            part.id if isinstance(part, ast.Name) else part.attr
            for part in ast.walk(source)
            if isinstance(part, ast.Name | ast.Attribute)
        }
        known = {each for each in mentioned if self._local(each) is not None or self.names.find(each)}
        return not known

    def _store(self, target: ast.Subscript, value: Any) -> None:
        owner, key = self.value(target.value), self._key(target.slice)
        try:
            if isinstance(owner, Bag):
                owner.entries[key] = value
            elif isinstance(owner, dict):
                owner[key] = value
            elif isinstance(owner, list) and isinstance(key, int):
                while -1 < key >= len(owner) and key < arrays.TEXT:
                    owner.append(None)
                owner[key] = value
            elif isinstance(owner, np.ndarray) and not isinstance(value, Unknown):
                owner[key] = value
        except (IndexError, ValueError, TypeError):
            self._spoil(target.value, Unknown("an element that cannot be set", target.lineno, misfit=True))

    def _spoil(self, owner: ast.expr, reason: Unknown) -> None:
        if isinstance(owner, ast.Name):
            self.scopes[-1][owner.id] = reason

    def gradient_of(self, target: ast.expr) -> tuple[str, tuple[int, ...] | None] | None:
        """The tensor whose gradient an assignment's left side names, and the member where it says which."""
        loss = self.network.loss
        if isinstance(target, ast.Name | ast.Attribute):
            name = target.id if isinstance(target, ast.Name) else target.attr
            return self.names.gradient(name, loss)
        if not isinstance(target, ast.Subscript):
            return None
        key = self._key(target.slice)
        if isinstance(key, str):
            owner = target.value.id if isinstance(target.value, ast.Name) else getattr(target.value, "attr", "")
            return self.names.gradient(key, loss) or (self.names.find(key) if BAGS.match(owner) else None)
        inner = self.gradient_of(target.value)
        if inner is None or inner[1] is not None:
            return inner
        if not isinstance(key, int | np.integer):
            return None
        low, count = family_range(self.surroundings, inner[0])
        end = low + count
        member = end + int(key) if key < 0 else int(key) + (low if self.names.shifted else 0)
        return inner[0], (member,)

    def _record(self, target: ast.expr, value: Any, node: ast.stmt, source: ast.expr, *, again: bool) -> None:
        found = self.gradient_of(target)
        if found is None:
            return
        tensor, at = found
        if at is None:
            if isinstance(value, list) and value and not self._starts(value, source):
                low, _ = family_range(self.surroundings, tensor)
                for position, item in enumerate(value):
                    if item is not None:
                        member = position + (low if self.names.shifted else 0)
                        self._keep((tensor, (member,)), item, node)
            return
        itself = again or ast.unparse(target) in {
            ast.unparse(part) for part in ast.walk(source) if isinstance(part, ast.Name | ast.Attribute | ast.Subscript)
        }
        if not itself and self._starts(value, source):
            return
        whole = value
        if isinstance(target, ast.Subscript) and isinstance(inner := self.value(target.value), np.ndarray):
            whole = inner  # an element of an array: the array is the gradient, and is changed in place
        self._keep((tensor, at), whole, node, again=itself)

    @staticmethod
    def _starts(value: Any, source: ast.expr) -> bool:
        """True for the zeros, or the empty list, from which an accumulation starts."""
        if isinstance(value, dict) or value is None:
            return True
        if isinstance(value, list):
            return all(item is None or (not isinstance(item, Unknown) and not np.any(item)) for item in value)
        if isinstance(value, Unknown) or np.any(value):
            return False
        text = ast.unparse(source)
        return "zeros" in text or "empty" in text or isinstance(source, ast.Constant) or " * 0" in text

    def claim(self, tensor: str, at: tuple[int, ...], value: Any, node: ast.expr) -> None:
        if not self._starts(value, node):
            self._keep((tensor, at), value, ast.copy_location(ast.Expr(node), node))

    def _keep(self, key: tuple[str, tuple[int, ...]], value: Any, node: ast.stmt, *, again: bool = False) -> None:
        """Note a gradient's value; a new one of another statement is another claim."""
        tensor, at = key
        old = self.records.get(key)
        if old is not None and (again or old.line == node.lineno):
            old.value = value
            return
        if old is not None and not isinstance(old.value, Unknown):
            self.archive.append(old)
        text = ast.get_source_segment(self.program.text, node) or ast.unparse(node)
        self.records[key] = _Record(tensor, at, node.lineno, node.col_offset + 1, text, value)
