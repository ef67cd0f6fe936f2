"""Hand-written backward passes in NumPy: which gradients a Python file assigns, and what they are worth.

    program = parse(text)
    assignments(program, network, world, style)      -> tuple of Assignment

The file is parsed and never run: statements are followed on the arrays of ``world`` (the tensors of the network under
the names that programs give them), through loops over lists of layers, ``+=``, small functions and mappings of
gradients. A claim is an assignment to a gradient's name: ``dW1``, ``dL_dW1``, ``grads["W1"]``, ``nabla_w[-l]``.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from symbackprop.errors import SpecError
from symbackprop.handwritten import python_arrays as arrays
from symbackprop.handwritten.python_arrays import LostError, Unknown
from symbackprop.handwritten.python_names import BAGS, Names, family_range, sizes_of
from symbackprop.oracle import stand_ins
from symbackprop.tables.activations import ACTIVATION, ALIAS, evaluator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from symbackprop.handwritten.python_names import Surroundings
    from symbackprop.network import Network

Style = Literal["as is", "vectors as columns", "vectors as rows", "transposed"]
STYLES: tuple[Style, ...] = ("as is", "vectors as columns", "vectors as rows", "transposed")
"""How a program may lay arrays: those of one axis with a second one of length 1; those of two axes turned."""
STEPS = 50_000
"""Statements that are followed."""
DEEPEST = 30
"""Functions inside functions, and parts inside parts of an expression in hundreds."""
_LONGEST_LOOP = 64
_LIBRARIES = frozenset(("np", "numpy", "jnp", "onp", "scipy", "special", "math", "sp", "cp"))
_SLOPES = ("_prime", "prime", "_derivative", "_deriv", "_der", "_grad", "_gradient", "_slope", "_backward", "_d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A gradient that is assigned: ``members`` are family indices with the value, or why there is none."""

    tensor: str
    line: int
    column: int
    text: str
    members: tuple[tuple[tuple[int, ...], Any], ...]


@dataclass(frozen=True, slots=True)
class Program:
    """A parsed file; ``functions`` are all that it defines, methods among them."""

    text: str
    tree: ast.Module
    functions: Mapping[str, ast.FunctionDef]


def parse(text: str, *, source: str = "") -> Program:
    """The syntax tree of a Python file.

    Raises: SpecError with the place where it is not Python.
    """
    try:
        tree = ast.parse(text)
        functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    except SyntaxError as error:
        message = f"not Python: {error.msg}"
        raise SpecError(message, source=source or None, line=error.lineno, column=error.offset) from None
    except (ValueError, RecursionError, MemoryError) as error:
        message = f"not Python that can be read: {str(error) or 'nested too deeply'}"
        raise SpecError(message, source=source or None) from None
    return Program(text, tree, functions)


def laid(array: Any, style: Style) -> Any:
    """An array as a program of this style has it."""
    if style == "vectors as columns" and np.ndim(array) == 1:
        return array[:, None]
    if style == "vectors as rows" and np.ndim(array) == 1:
        return array[None, :]
    if style == "transposed":
        return array[:, None] if np.ndim(array) == 1 else np.transpose(array) if np.ndim(array) == 2 else array  # noqa: PLR2004
    return array


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
            line=line,
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


@dataclass(slots=True)
class _Bag:
    """Something with names inside that the file does not make: ``self``, ``params``, ``cache``."""

    name: str
    entries: dict[Any, Any] = field(default_factory=dict)


class _ReturnError(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _LeaveError(Exception):
    """``break`` or ``continue``."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind


class _Run:
    """Follows the statements of one file."""

    def __init__(
        self, program: Program, network: Network, surroundings: Surroundings, style: Style, names: Names
    ) -> None:
        self.program, self.network, self.surroundings, self.style, self.names = (
            program,
            network,
            surroundings,
            style,
            names,
        )
        self.scopes: list[dict[str, Any]] = [{}]
        self.bags: dict[str, _Bag] = {}
        self.records: dict[tuple[str, tuple[int, ...]], _Record] = {}
        self.archive: list[_Record] = []
        self.steps = 0
        self.called: set[str] = set()
        self.opaque = stand_ins(network)
        self.sizes = sizes_of(network, surroundings)
        self.leaves = {*network.inputs, *network.parameters}

    def whole(self) -> None:
        """The module, then the functions that nothing calls and that assign gradients."""
        self.block(self.program.tree.body)
        for name, function in self.program.functions.items():
            if name not in self.called and self._assigns_gradients(function):
                self.scopes.append({})
                try:
                    self.block(function.body)
                except (_ReturnError, _LeaveError):
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

    # ---- statements -----------------------------------------------------------------------------------------------

    def block(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self.steps += 1
            if self.steps > STEPS:
                raise _ReturnError(Unknown(f"more than {STEPS} statements"))
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
                raise _ReturnError(None if value is None else self.value(value))
            case ast.Break() | ast.Continue():
                raise _LeaveError(type(node).__name__)
            case ast.Expr(value=value):
                self.value(value)
            case _:
                pass

    def _leaving(self, body: list[ast.stmt]) -> bool:
        """One round of a loop; True where it is left."""
        try:
            self.block(body)
        except _LeaveError as leave:
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
            and self._gradient_of(target) is not None
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
            if isinstance(owner, _Bag):
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
        mentioned = {part.id if isinstance(part, ast.Name) else part.attr for part in ast.walk(source)
                     if isinstance(part, ast.Name | ast.Attribute)}
        known = {each for each in mentioned if self._local(each) is not None or self.names.find(each)}
        return not known

    def _store(self, target: ast.Subscript, value: Any) -> None:
        owner, key = self.value(target.value), self._key(target.slice)
        try:
            if isinstance(owner, _Bag):
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

    # ---- gradients ------------------------------------------------------------------------------------------------

    def _gradient_of(self, target: ast.expr) -> tuple[str, tuple[int, ...] | None] | None:
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
        inner = self._gradient_of(target.value)
        if inner is None or inner[1] is not None:
            return inner
        if not isinstance(key, int | np.integer):
            return None
        low, count = family_range(self.surroundings, inner[0])
        end = low + count
        member = end + int(key) if key < 0 else int(key) + (low if self.names.shifted else 0)
        return inner[0], (member,)

    def _record(self, target: ast.expr, value: Any, node: ast.stmt, source: ast.expr, *, again: bool) -> None:
        found = self._gradient_of(target)
        if found is None:
            return
        tensor, at = found
        if at is None:
            if isinstance(value, list) and value and not self._starts(value, source):
                low, _ = family_range(self.surroundings, tensor)
                for position, item in enumerate(value):
                    if item is not None:
                        member = position + (low if self.names.shifted else 0)
                        self._keep(tensor, (member,), item, node, target, again=False)
            return
        itself = again or ast.unparse(target) in {
            ast.unparse(part) for part in ast.walk(source) if isinstance(part, ast.Name | ast.Attribute | ast.Subscript)
        }
        if not itself and self._starts(value, source):
            return
        whole = value
        if isinstance(target, ast.Subscript) and isinstance(inner := self.value(target.value), np.ndarray):
            whole = inner  # an element of an array: the array is the gradient, and is changed in place
        self._keep(tensor, at, whole, node, target, again=itself)

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

    def _keep(
        self, tensor: str, at: tuple[int, ...], value: Any, node: ast.stmt, target: ast.expr, *, again: bool
    ) -> None:
        old = self.records.get((tensor, at))
        if old is not None and (again or old.line == node.lineno):
            old.value = value
            return
        if old is not None and not isinstance(old.value, Unknown):
            self.archive.append(old)
        text = ast.get_source_segment(self.program.text, node) or ast.unparse(target)
        self.records[tensor, at] = _Record(tensor, at, node.lineno, node.col_offset + 1, text, value)

    # ---- expressions ----------------------------------------------------------------------------------------------

    def value(self, node: ast.expr) -> Any:
        """What an expression is worth; Unknown with the reason where it cannot be followed."""
        try:
            return self._evaluated(node)
        except LostError as error:
            return Unknown(str(error), node.lineno, misfit=error.misfit)
        except RecursionError:
            return Unknown("an expression nested too deeply", node.lineno)
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            return Unknown(str(error).split("\n")[0] or type(error).__name__, node.lineno)

    def known(self, node: ast.expr) -> Any:
        """The value of a part.

        Raises: LostError where it is unknown.
        """
        value = self.value(node)
        if isinstance(value, Unknown):
            raise LostError(reason=value.reason, misfit=value.misfit)
        return value

    def _evaluated(self, node: ast.expr) -> Any:  # noqa: C901, PLR0911, PLR0912 - one branch a kind of expression
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self._name(name)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Subscript(value=owner, slice=place):
                return self._element(self.known(owner), self._key(place))
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(op, self.known(left), self.known(right), node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return arrays.called(lambda x: -x, [self.known(operand)], {})
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self._truth(self.known(operand))
            case ast.UnaryOp(operand=operand):
                return self.known(operand)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return arrays.called(arrays.COMPARE[type(op)], [self.known(left), self.known(right)], {})
            case ast.BoolOp(op=op, values=values):
                found = [self._truth(self.known(value)) for value in values]
                return all(found) if isinstance(op, ast.And) else any(found)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.known(body if self._truth(self.known(test)) else orelse)
            case ast.Call():
                return self._call(node)
            case ast.Tuple(elts=parts):
                return tuple(self.value(part) for part in parts)
            case ast.List(elts=parts):
                return [self.value(part) for part in parts]
            case ast.Dict(keys=keys, values=values):
                return self._mapping(node, keys, values)
            case ast.ListComp(generators=generators, elt=part) | ast.GeneratorExp(generators=generators, elt=part):
                return [self.value(part) for _ in self._rounds(generators)]
            case ast.DictComp(generators=generators, key=key, value=value):
                return {self.known(key): self.value(value) for _ in self._rounds(generators)}
            case ast.JoinedStr(values=values):
                return "".join(str(self.known(value)) for value in values)
            case ast.FormattedValue(value=value):
                return self.known(value)
            case _:
                message = f"{type(node).__name__} is not followed"
                raise LostError(reason=message)

    def _mapping(self, node: ast.Dict, keys: list[ast.expr | None], values: list[ast.expr]) -> dict[Any, Any]:
        """A mapping; what it says about gradients in full is a claim."""
        found: dict[Any, Any] = {}
        for key, value in zip(keys, values, strict=True):
            if key is None:
                continue
            name, item = self.known(key), self.value(value)
            found[name] = item
            target = self.names.gradient(name, self.network.loss) if isinstance(name, str) else None
            if (
                target is not None
                and target[1] is not None
                and not isinstance(value, ast.Name)
                and not self._starts(item, value)
            ):
                place = ast.copy_location(ast.Expr(value), value)
                self._keep(target[0], target[1], item, place, node, again=False)
        return found

    def _rounds(self, generators: list[ast.comprehension]) -> Iterator[None]:
        if not generators:
            yield
            return
        first, *rest = generators
        items = self.known(first.iter)
        if not isinstance(items, list | tuple | np.ndarray | dict) or len(items) > arrays.TEXT:
            raise LostError(reason="a comprehension over something unknown")
        for item in list(items):
            self.steps += 1
            if self.steps > STEPS:
                raise LostError(reason="more statements than are followed")
            self.assign(first.target, item, None, first.iter)
            if all(self._truth(self.known(test)) for test in first.ifs):
                yield from self._rounds(rest)

    @staticmethod
    def _truth(value: Any) -> bool:
        if np.ndim(value):
            raise LostError(reason="the truth of an array")
        return bool(value)

    def _local(self, name: str) -> Any:
        for scope in (self.scopes[-1], self.scopes[0]):
            if name in scope:
                return scope[name]
        return None

    def _name(self, name: str) -> Any:
        for scope in (self.scopes[-1], self.scopes[0]):
            if name in scope:
                value = scope[name]
                if isinstance(value, Unknown):
                    raise LostError(reason=value.reason, misfit=value.misfit)
                return value
        return self._outside(name)

    def _outside(self, name: str) -> Any:
        """A name that the file does not set: a tensor, a size, or something with names inside."""
        found = self.names.find(name)
        if found is not None:
            return self._tensor(*found)
        if name in self.sizes:
            return self.sizes[name]
        return self.bags.setdefault(name, _Bag(name))

    def _tensor(self, tensor: str, at: tuple[int, ...] | None) -> Any:
        if at is not None:
            if not self.surroundings.has(tensor, at):
                message = f"'{tensor}' has no member {at[0]}"
                raise LostError(reason=message)
            return np.array(laid(self.surroundings.value(tensor, at), self.style))
        if len(self.network.tensors[tensor].family) > 1:
            message = f"'{tensor}' has several loop indices"
            raise LostError(reason=message)
        low, count = family_range(self.surroundings, tensor)
        members = [np.array(laid(self.surroundings.value(tensor, (low + k,)), self.style)) for k in range(count)]
        return members if self.names.shifted else [*[None] * low, *members]

    def _attribute(self, node: ast.Attribute) -> Any:
        owner = self.known(node.value)
        name = node.attr
        if isinstance(owner, _Bag):
            return self._entry(owner, name)
        if name in {"T", "shape", "size", "ndim", "real"} and isinstance(owner, np.ndarray | np.generic | float | int):
            return getattr(np.asarray(owner), name)
        message = f"'.{name}' is not followed"
        raise LostError(reason=message)

    def _entry(self, owner: _Bag, key: Any) -> Any:
        if key in owner.entries:
            value = owner.entries[key]
            if isinstance(value, Unknown):
                raise LostError(reason=value.reason, misfit=value.misfit)
            return value
        if isinstance(key, str) and not BAGS.match(owner.name):
            found = self.names.find(key)
            if found is not None:
                return self._tensor(*found)
            if key in self.sizes:
                return self.sizes[key]
        if isinstance(key, str) and owner.name in {"self", "model", "net", "np"}:
            return self.bags.setdefault(f"{owner.name}.{key}", _Bag(key))
        message = f"no quantity '{owner.name}[{key!r}]'"
        raise LostError(reason=message)

    def _key(self, node: ast.expr) -> Any:
        """What stands in square brackets."""
        if isinstance(node, ast.Slice):
            return slice(*(None if part is None else self._key(part) for part in (node.lower, node.upper, node.step)))
        if isinstance(node, ast.Tuple):
            return tuple(self._key(part) for part in node.elts)
        if isinstance(node, ast.Attribute) and node.attr == "newaxis":
            return None
        value = self.value(node)
        return int(value) if isinstance(value, np.integer) else value

    def _element(self, owner: Any, key: Any) -> Any:
        if isinstance(key, Unknown):
            raise LostError(reason=key.reason)
        if isinstance(owner, _Bag):
            return self._entry(owner, key)
        value = arrays.called(lambda x, k: x[k], [owner, key], {})
        if isinstance(value, Unknown):
            raise LostError(reason=value.reason, misfit=value.misfit)
        if value is None:
            raise LostError(reason="an element that was never set")
        return value

    def _binary(self, op: ast.operator, left: Any, right: Any, node: ast.AST) -> Any:
        for side in (left, right):
            if isinstance(side, Unknown):
                return side
            if isinstance(side, _Bag):
                return Unknown(f"no quantity '{side.name}'", getattr(node, "lineno", 0))
        apply = arrays.BINARY.get(type(op))
        if apply is None:
            return Unknown("an operator that is not followed", getattr(node, "lineno", 0))
        try:
            return arrays.called(apply, [left, right], {})
        except LostError as error:
            return Unknown(str(error), getattr(node, "lineno", 0), misfit=error.misfit)

    # ---- calls ----------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Any:
        options = {word.arg: self.known(word.value) for word in node.keywords if word.arg is not None}
        if isinstance(node.func, ast.Attribute) and (found := self._method(node, node.func, options)) is not None:
            return found[0]
        name = _dotted(node.func)
        own = self.program.functions.get(name.rsplit(".", 1)[-1])
        library = name.split(".")[0] in _LIBRARIES and "." in name
        if own is not None and not library:
            return self._own(own, [self.value(each) for each in node.args], options, method="." in name)
        values = [self.known(each) for each in node.args]
        if any(isinstance(each, _Bag) for each in values):
            message = f"'{name}' of something unknown"
            raise LostError(reason=message)
        short = name.split(".", 1)[1] if library else name
        apply = (arrays.FUNCTIONS.get(short) or arrays.FUNCTIONS.get(short.rsplit(".", 1)[-1])) if library else None
        apply = apply or (None if library else arrays.builtin(name)) or self._activation(node.func, name)
        if apply is None:
            bare = arrays.FUNCTIONS.get(name)
            if bare is None:
                message = f"'{name}' is not followed"
                raise LostError(reason=message)
            apply = bare
        return arrays.called(apply, values, options)

    def _method(self, node: ast.Call, func: ast.Attribute, options: dict[str, Any]) -> tuple[Any] | None:
        """A method of an array, a list or a mapping; None for any other call."""
        if _dotted(func).split(".")[0] in _LIBRARIES:
            return None
        owner = self.value(func.value)
        name = func.attr
        if isinstance(owner, list) and name in {"append", "insert"} and node.args:
            if len(owner) > arrays.TEXT:
                raise LostError(reason="a list that is too long")
            values = [self.value(each) for each in node.args]
            owner.insert(values[0] if name == "insert" and isinstance(values[0], int) else len(owner), values[-1])
            self._listed(func.value, owner, node)
            return (None,)
        if isinstance(owner, list) and name == "reverse":
            owner.reverse()
            self._listed(func.value, owner, node)
            return (None,)
        if isinstance(owner, dict) and name in {"items", "keys", "values", "get"}:
            values = [self.value(each) for each in node.args]
            return (owner.get(*values) if name == "get" else list(getattr(owner, name)()),)
        if isinstance(owner, str) and name == "format":
            return (owner.replace("{}", str(self.known(node.args[0]))),)
        if isinstance(owner, Unknown) and name in {*arrays.METHODS, "astype", "flatten"}:
            raise LostError(reason=owner.reason, misfit=owner.misfit)
        if not isinstance(owner, np.ndarray | np.generic):
            return None
        if name in {"astype", "flatten", "item"}:
            return (np.ravel(owner) if name == "flatten" else owner,)
        if name not in arrays.METHODS:
            message = f"'.{name}' is not followed"
            raise LostError(reason=message)
        values = [self.known(each) for each in node.args]
        if name == "dot":
            return (arrays.called(arrays.FUNCTIONS["dot"], [owner, *values], {}),)
        if name in {"reshape", "transpose"} and len(values) > 1:
            values = [tuple(values)]
        return (arrays.called(arrays.FUNCTIONS[name], [owner, *values], options),)

    def _listed(self, owner: ast.expr, value: list[Any], node: ast.Call) -> None:
        """A list of gradients that grows: judged once it is as long as the family."""
        found = self._gradient_of(owner)
        if found is None or found[1] is not None:
            return
        low, count = family_range(self.surroundings, found[0])
        if len(value) == count and not any(item is None for item in value):
            place = ast.copy_location(ast.Expr(node), node)
            for position, item in enumerate(value):
                self._keep(found[0], (low + position,), item, place, owner, again=False)

    def _own(self, function: ast.FunctionDef, values: list[Any], options: dict[str, Any], *, method: bool) -> Any:
        """A function of the file, followed with its arguments."""
        if len(self.scopes) > DEEPEST:
            raise LostError(reason="functions nested too deeply")
        self.called.add(function.name)
        names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        if names[:1] == ["self"] and method:
            names = names[1:]
        defaults = function.args.defaults
        scope = {
            name: self.value(default)
            for name, default in zip(names[len(names) - len(defaults) :], defaults, strict=False)
        }
        scope |= {
            word.arg: self.value(default)
            for word, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
            if default is not None
        }
        scope |= dict(zip(names, values, strict=False))
        scope |= options
        scope = {
            name: value
            for name, value in scope.items()
            if not (isinstance(value, Unknown | _Bag) and self.names.find(name) is not None)
        }
        self.scopes.append(scope)
        try:
            self.block(function.body)
        except _ReturnError as found:
            if isinstance(found.value, Unknown):
                raise LostError(reason=found.value.reason, misfit=found.value.misfit) from None
            return found.value
        finally:
            self.scopes.pop()
        return None

    def _activation(self, func: ast.expr, name: str) -> Callable[..., Any] | None:
        """An opaque function of the network or a usual activation, or its slope by one of the usual names."""
        layer: tuple[Any, ...] = ()
        if isinstance(func, ast.Subscript):
            name, layer = _dotted(func.value), (self._key(func.slice),)
        name = name.rsplit(".", 1)[-1]
        for order, stem in enumerate((name, _stem(name))):
            if stem is None:
                continue
            if stem in self.opaque:
                apply = self.opaque[stem][order]
                return lambda *values, apply=apply: apply(*layer, *values)
            if stem in ACTIVATION or stem in ALIAS:
                return evaluator(stem, order)
        return None


def _stem(name: str) -> str | None:
    """The function whose slope a name is: ``sigmoid_prime``, ``df``, ``d_sigmoid``."""
    for ending in _SLOPES:
        if name.endswith(ending) and len(name) > len(ending):
            return name.removesuffix(ending)
    for start in ("d_", "grad_", "deriv_", "derivative_", "d"):
        if name.startswith(start) and len(name) > len(start):
            return name.removeprefix(start)
    return None


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return ""
