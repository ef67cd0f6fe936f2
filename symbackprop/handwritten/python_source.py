"""Hand-written backward passes in NumPy: which gradients a Python file assigns, and what they are worth.

    program = parse(text)
    assignments(program, network, world, style)      -> tuple of Assignment

The file is parsed and never run: statements are followed on the arrays of ``world`` (the tensors of the network under
the names that programs give them), through loops over lists of layers, ``+=``, functions, objects and mappings of
gradients. A claim is an assignment to a gradient's name: ``dW1``, ``dL_dW1``, ``grads["W1"]``, ``nabla_w[-l]``; where
no gradient of a parameter has a name, its update ``W -= rate * …`` is one. Updates are not carried out.
"""

from __future__ import annotations

import ast
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.errors import SpecError
from symbackprop.handwritten import python_arrays as arrays
from symbackprop.handwritten.python_claims import parameter_update
from symbackprop.handwritten.python_flow import Flow
from symbackprop.handwritten.python_names import Names
from symbackprop.handwritten.python_scopes import (
    Bag,
    Function,
    LeaveError,
    Program,
    RaisedError,
    ReturnError,
    Scope,
    StopError,
    methods,
)
from symbackprop.handwritten.python_unknown import LostError, Unknown, lost, open_up, rest_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from symbackprop.handwritten.notebook import Cell
    from symbackprop.handwritten.python_claims import Assignment
    from symbackprop.handwritten.python_names import Surroundings
    from symbackprop.handwritten.python_values import Style
    from symbackprop.network import Network


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
        nodes = list(ast.walk(tree))
    except SyntaxError as error:
        message = f"not Python: {error.msg}"
        line = error.lineno
        if line is not None and lines:
            line = lines[min(line, len(lines)) - 1]
        raise SpecError(message, source=source or None, line=line, column=error.offset) from None
    except (ValueError, RecursionError, MemoryError) as error:
        message = f"not Python that can be read: {str(error) or 'nested too deeply'}"
        raise SpecError(message, source=source or None) from None
    functions = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}
    classes = {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}
    named = {node.id for node in nodes if isinstance(node, ast.Name)}
    named |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return Program(text, tree, functions, classes, frozenset(named), lines)


def assignments(
    program: Program, network: Network, surroundings: Surroundings, style: Style = "as is", *, shifted: bool = True
) -> tuple[Assignment, ...]:
    """The gradients that the program assigns, in its order; ``shifted`` lists start at a family's first member."""
    return follow(program, network, surroundings, style, shifted=shifted).found()


def follow(
    program: Program, network: Network, surroundings: Surroundings, style: Style = "as is", *, shifted: bool = True
) -> Run:
    """The program, followed to its end."""
    run = Run(program, network, surroundings, style, Names(network, shifted=shifted, mappings=program.mappings))
    run.whole()
    return run


class Run(Flow):
    """Follows the statements of one file."""

    def whole(self) -> None:
        """The module, then what nothing calls: the methods of classes and the functions that assign gradients."""
        try:
            self._apart(self.program.tree.body)
            for name in self.program.classes:
                self._class(name)
            for function in sorted(
                self.program.functions.values(), key=lambda each: each.name in self.program.mentioned
            ):
                alone = id(function) not in self.called or self.unknown_inside(function)
                if alone and self.assigns_gradients(function):
                    self._function(function, Scope(self.scopes[0]))
        except StopError as stop:
            self.stop(Unknown(f"the program is longer than what is followed: {stop}"))

    def otherwise(self, lines: frozenset[int]) -> Run:
        """The program, followed once more by the other guess on some lines."""
        again = Run(self.program, self.network, self.surroundings, self.style, self.names)
        again.flipped = lines
        again.whole()
        return again

    def _class(self, name: str) -> None:
        """The methods of a class that nothing makes an object of, in their order, on one object."""
        own = methods(self.program, name)
        if not any(self.assigns_gradients(method) for method in own.values()):
            return
        owner = Bag("self", kind=name)
        for method in own.values():
            first = method.args.args[:1]
            if id(method) in self.called or not first or first[0].arg != "self":
                continue
            scope = Scope(self.scopes[0])
            scope["self"] = owner
            self._function(method, scope)

    def _function(self, node: ast.FunctionDef, scope: Scope) -> None:
        """A function that nothing calls; its arguments are what their names say."""
        self.called.add(id(node))
        args = node.args
        named = [*args.posonlyargs, *args.args, *args.kwonlyargs]
        defaults = [*args.defaults, *args.kw_defaults]
        for argument, default in zip(reversed(named), reversed(defaults), strict=False):
            if not isinstance(default, ast.Constant) or default.value is None:
                continue
            if self.names.find(argument.arg) is None and argument.arg not in self.sizes:
                scope[argument.arg] = self.value(default)
        for argument in named:
            if argument.arg not in scope and self.names.find(argument.arg) is None:
                self._fill(argument.arg, scope)
        self.scopes.append(scope)
        try:
            self._apart(node.body)
        finally:
            self.scopes.pop()
            self.settled.add(id(node))

    def _fill(self, name: str, scope: Scope) -> None:
        """An argument that nothing gives, as another function of the file returns it under the same name."""
        for function in self.program.functions.values():
            for node in ast.walk(function):
                if not isinstance(node, ast.Return) or node.value is None:
                    continue
                several = isinstance(node.value, ast.Tuple)
                parts = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
                names = [each.id if isinstance(each, ast.Name) else "" for each in parts]
                if name not in names or self.assigns_gradients(function) or _is_method(function):
                    continue
                with contextlib.suppress(LostError):
                    found = self.followed(Function(function, self.scopes[0]), [], {})
                    if several == isinstance(found, tuple):
                        scope[name] = found[names.index(name)] if several else found
                return

    def _apart(self, body: list[ast.stmt]) -> None:
        with contextlib.suppress(ReturnError, LeaveError):
            self.block(body)

    def block(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self.step()
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:  # noqa: C901, PLR0912 - one branch a kind of statement
        self.note(node)
        match node:
            case ast.Assign(targets=targets, value=value):
                update = parameter_update(self, targets[0], None, value) if len(targets) == 1 else None
                if update is not None:
                    self.update(update, node)
                    return
                found = self.value(value)
                for target in targets:
                    self.assign(target, found, node, value)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                self.assign(target, self.value(value), node, value)
            case ast.AugAssign(target=target, op=op, value=value):
                self.augment(target, op, value, node)
            case ast.For():
                self.loop(node)
            case ast.While():
                self.repeat(node)
            case ast.If():
                self.branch(node)
            case ast.With(items=items, body=body):
                for item in items:
                    if item.optional_vars is not None:
                        gap = Unknown("what 'with' opens is not followed", node.lineno)
                        self.assign(item.optional_vars, gap, None, item.context_expr)
                self.block(body)
            case ast.Try():
                self.attempt(node)
            case ast.Raise():
                raise RaisedError(Unknown("an error is raised", node.lineno))
            case ast.Return(value=value):
                raise ReturnError(None if value is None else self.value(value))
            case ast.Break() | ast.Continue():
                raise LeaveError(type(node).__name__)
            case ast.Expr(value=value):
                self.value(value)
            case ast.FunctionDef(name=name):
                self.scope[name] = Function(node, self.scope)
            case ast.Global(names=names):
                self.scope.elsewhere |= dict.fromkeys(names, self.scope.module)
            case ast.Nonlocal(names=names) if self.scope.outer is not None:
                self.scope.elsewhere |= dict.fromkeys(names, self.scope.outer)
            case _:
                self.skipped([node], Unknown(f"{type(node).__name__} is not followed", node.lineno))

    def augment(self, target: ast.expr, op: ast.operator, value: ast.expr, node: ast.AugAssign) -> None:
        """``target += value``, which changes an array in place."""
        update = parameter_update(self, target, op, value)
        if update is not None:
            self.update(update, node)
            return
        old, new = self.value(target), self.value(value)
        if isinstance(old, Unknown) and isinstance(op, ast.Add) and isinstance(target, ast.Subscript):
            empty = rest_of(self.value(target.value)) is None
            old = 0 if empty and self.gradient_of(target) is not None else old
        found = self._binary(op, old, new, node)
        if isinstance(old, np.ndarray) and old.ndim and isinstance(found, np.ndarray | np.generic):
            try:
                found = arrays.in_place(old, found, _SIGNS.get(type(op), ""))
            except LostError as error:
                found = Unknown(str(error), node.lineno, misfit=True)
        elif isinstance(old, list) and isinstance(found, list):
            old[:] = found
            found = old
        self.assign(target, found, node, value, again=True)

    def assign(
        self, target: ast.expr, value: Any, node: ast.stmt | None, source: ast.expr, *, again: bool = False
    ) -> None:
        """Give a name, an attribute, an element or several of these their value."""
        if isinstance(target, ast.Tuple | ast.List):
            self._unpack(target, value, node, source)
            return
        if isinstance(target, ast.Starred):
            self.assign(target.value, value, node, source)
            return
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
        if node is not None:
            self.record(target, value, node, source, again=again)

    def _unpack(self, target: ast.Tuple | ast.List, value: Any, node: ast.stmt | None, source: ast.expr) -> None:
        listed = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and np.ndim(value))
        parts = list(value) if listed else None
        starred = [k for k, part in enumerate(target.elts) if isinstance(part, ast.Starred)]
        if parts is not None and starred and len(parts) >= len(target.elts) - 1:
            first, after = starred[0], len(target.elts) - starred[0] - 1
            parts = [*parts[:first], parts[first : len(parts) - after], *parts[len(parts) - after :]]
        sources = source.elts if isinstance(source, ast.Tuple | ast.List) else [source] * len(target.elts)
        if parts is None or len(parts) != len(target.elts):
            for part in target.elts:
                if isinstance(part, ast.Name) and self.names.find(part.id) is not None:
                    self.scope.pop(part.id, None)
                else:
                    reason = value if isinstance(value, Unknown) else Unknown("not one value for each name")
                    self.assign(part, reason, node if isinstance(value, Unknown) else None, source)
            return
        for part, item, own in zip(target.elts, parts, sources, strict=False):
            self.assign(part, item, node, own)

    def _bind(self, name: str, value: Any, source: ast.expr | None) -> None:
        scope = self.scope.target(name)
        if self._drops(name, value, source):
            scope.pop(name, None)
        else:
            scope[name] = value
            scope.rounds[name] = self.loops[-1] if self.loops else 0

    def _drops(self, name: str, value: Any, source: ast.expr | None) -> bool:
        """True where a leaf of the network is set to something that the file cannot know: random numbers, data."""
        found = self.names.find(name)
        if found is None or found[0] not in self.leaves:
            return False
        gap = lost(value)
        if gap is not None or isinstance(value, Bag):
            return gap is None or not gap.misfit
        if source is None or isinstance(value, str | dict) or (isinstance(value, list) and not value):
            return False
        return not any(
            self._is_data(part.id if isinstance(part, ast.Name) else part.attr)
            for part in ast.walk(source)
            if isinstance(part, ast.Name | ast.Attribute)
        )

    def _is_data(self, name: str) -> bool:
        """True for a name of a tensor, or of something of the file that holds arrays."""
        held = self._local(name)
        if held is None:
            return self.names.find(name) is not None
        return isinstance(held, np.ndarray | list | tuple | dict | Bag | float)

    def _store(self, target: ast.Subscript, value: Any) -> None:
        owner, key = self.value(target.value), self._key(target.slice)
        gap = owner if isinstance(owner, Unknown) else lost(key)
        try:
            if gap is not None:
                self._spoil(target.value, gap)
            elif isinstance(owner, Bag):
                owner.entries[key] = value
            elif isinstance(owner, dict):
                owner[key] = value
            elif isinstance(owner, list) and isinstance(key, int):
                while -1 < key >= len(owner) and key < arrays.TEXT:
                    owner.append(None)
                owner[key] = value
            elif isinstance(owner, np.ndarray):
                if isinstance(value, Unknown):
                    self._spoil(target.value, value)
                else:
                    owner[key] = value
        except (IndexError, ValueError, TypeError):
            self._spoil(target.value, Unknown("an element that cannot be set", target.lineno, misfit=True))

    def _spoil(self, owner: ast.expr, reason: Unknown) -> None:
        """Note that something of a list, a mapping or an array was changed in a way that is not followed."""
        held = self.value(owner)
        if isinstance(held, list | dict):
            for place in list(held) if isinstance(held, dict) else range(len(held)):
                held[place] = reason
            open_up(held, reason)
            return
        root = owner
        while isinstance(root, ast.Subscript):
            root = root.value
        if isinstance(root, ast.Name):
            holder = self.scope.holder(root.id) or self.scope
            holder[root.id] = reason


def _is_method(node: ast.FunctionDef) -> bool:
    return bool(node.args.args) and node.args.args[0].arg in {"self", "cls"}


_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.MatMult: "@"}
