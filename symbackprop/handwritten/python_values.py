"""What the expressions of a Python file are worth on the arrays of a network; nothing of the file runs.

Names that the file does not set are tensors or sizes of the network, or gradients that come from outside (``dout``);
what holds such names (``self``, ``params``, ``cache``) is a ``Bag``. A part that cannot be followed is ``Unknown`` with
the reason.
"""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from symbackprop.handwritten import python_arrays as arrays
from symbackprop.handwritten.python_functions import CONSTANTS, OpaqueFunctions, Primitive
from symbackprop.handwritten.python_names import BAGS, Names, family_range, sizes_of, slope_of
from symbackprop.handwritten.python_scopes import Bag, Function, Program, Scope, StopError
from symbackprop.handwritten.python_unknown import LostError, Unknown, demand, gap_in, lost, rest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.handwritten.python_names import Surroundings
    from symbackprop.network import Network


Style = Literal["as is", "vectors as columns", "vectors as rows", "transposed"]
STYLES: tuple[Style, ...] = ("as is", "vectors as columns", "vectors as rows", "transposed")
"""How a program may lay arrays: those of one axis with a second one of length 1; those of two axes turned."""
STEPS = 50_000
"""Statements that are followed."""
WORK = 50_000_000
"""Entries of arrays that are computed."""
_ARRAY = frozenset(("T", "shape", "size", "ndim", "real", "dtype"))
_DTYPE = frozenset(("kind", "name", "itemsize"))
_OBJECTS = frozenset(("self", "model", "net", "np", "cls"))
LIBRARIES = frozenset(("np", "numpy", "jnp", "onp", "scipy", "special", "math", "sp", "cp"))


def laid(array: Any, style: Style) -> Any:
    """An array as a program of this style has it."""
    if style == "vectors as columns" and np.ndim(array) == 1:
        return array[:, None]
    if style == "vectors as rows" and np.ndim(array) == 1:
        return array[None, :]
    if style == "transposed":
        return array[:, None] if np.ndim(array) == 1 else np.transpose(array) if np.ndim(array) == 2 else array  # noqa: PLR2004
    return array


class Values(ABC):
    """Follows expressions; calls and statements are followed by what derives from it."""

    def __init__(
        self, program: Program, network: Network, surroundings: Surroundings, style: Style, names: Names
    ) -> None:
        self.program, self.network, self.surroundings = program, network, surroundings
        self.style, self.names = style, names
        self.scopes: list[Scope] = [Scope()]
        self.bags: dict[str, Bag] = {}
        self.steps = self.work = self.trying = 0
        self.opaque = OpaqueFunctions(network, surroundings, shifted=names.shifted)
        self.sizes = sizes_of(network, surroundings)
        self.leaves = {*network.inputs, *network.parameters}

    @property
    def scope(self) -> Scope:
        """The names of what is followed just now."""
        return self.scopes[-1]

    @abstractmethod
    def assign(
        self, target: ast.expr, value: Any, node: ast.stmt | None, source: ast.expr, *, again: bool = False
    ) -> None:
        """Give a name its value."""

    @abstractmethod
    def claim(self, tensor: str, at: tuple[int, ...], value: Any, node: ast.expr) -> None:
        """Note that an expression is the gradient of a tensor."""

    @abstractmethod
    def _call(self, node: ast.Call) -> Any: ...

    def step(self) -> None:
        """Count a statement.

        Raises: StopError where there were too many.
        """
        self.steps += 1
        if self.steps > STEPS:
            message = f"more than {STEPS} statements"
            raise StopError(message)

    def apply(self, function: Any, values: list[Any], options: dict[str, Any] | None = None) -> Any:
        """The result of an operation of the list.

        Raises: LostError; StopError after too much arithmetic.
        """
        found = arrays.called(function, values, options or {})
        self.work += 1 + sum(each.size for each in (*values, found) if isinstance(each, np.ndarray))
        if self.work > WORK:
            message = f"arithmetic with more than {WORK} entries"
            raise StopError(message)
        return found

    def value(self, node: ast.expr) -> Any:
        """What an expression is worth; Unknown with the reason where it cannot be followed."""
        try:
            return self._evaluated(node)
        except LostError as error:
            return Unknown(str(error), error.line or node.lineno, misfit=error.misfit and not self.trying)
        except RecursionError:
            return Unknown("an expression nested too deeply", node.lineno)
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            return Unknown(str(error).split("\n")[0] or type(error).__name__, node.lineno)

    def known(self, node: ast.expr) -> Any:
        """The value of a part.

        Raises: LostError where it is unknown.
        """
        value = self.value(node)
        demand(value)
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
            case ast.UnaryOp(op=op, operand=operand):
                return self._unary(op, self.known(operand))
            case ast.Compare(left=left, ops=ops, comparators=parts):
                return self._comparison([self.known(each) for each in (left, *parts)], ops)
            case ast.BoolOp(op=op, values=values):
                return self._first_decisive(values, stops=isinstance(op, ast.Or))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.known(body if self._truth(self.known(test)) else orelse)
            case ast.Call():
                return self._call(node)
            case ast.Lambda():
                return Function(node, self.scope)
            case ast.NamedExpr(target=target, value=value):
                found = self.value(value)
                self.assign(target, found, ast.copy_location(ast.Expr(node), node), value)
                return found
            case ast.Tuple(elts=parts):
                return tuple(self._parts(parts))
            case ast.List(elts=parts):
                return list(self._parts(parts))
            case ast.Dict(keys=keys, values=values):
                return self._mapping(keys, values)
            case ast.ListComp() | ast.GeneratorExp() | ast.DictComp() | ast.SetComp():
                return self._comprehension(node)
            case ast.JoinedStr(values=values):
                return "".join(str(self.known(value)) for value in values)
            case ast.FormattedValue(value=value):
                return self.known(value)
            case _:
                message = f"{type(node).__name__} is not followed"
                raise LostError(reason=message)

    def _parts(self, parts: list[ast.expr]) -> Iterator[Any]:
        for part in parts:
            if isinstance(part, ast.Starred):
                yield from self.known(part.value)
            else:
                yield self.value(part)

    def _first_decisive(self, values: list[ast.expr], *, stops: bool) -> Any:
        """What ``and`` and ``or`` give: the first value with the truth that decides, or the last."""
        found: Any = None
        for value in values:
            found = self.known(value)
            if self._truth(found) == stops:
                break
        return found

    def _unary(self, op: ast.unaryop, value: Any) -> Any:
        if isinstance(op, ast.Not):
            return not self._truth(value)
        if isinstance(op, ast.Invert):
            return self.apply(np.logical_not, [value])
        return self.apply(lambda x: -x, [value]) if isinstance(op, ast.USub) else value

    def _comparison(self, values: list[Any], ops: list[ast.cmpop]) -> Any:
        found = [self._compared(op, left, right) for op, left, right in zip(ops, values, values[1:], strict=False)]
        return found[0] if len(found) == 1 else all(self._truth(each) for each in found)

    def _compared(self, op: ast.cmpop, left: Any, right: Any) -> Any:
        if isinstance(op, ast.In | ast.NotIn):
            gap = rest_of(right) if isinstance(right, dict) else lost(right)
            if gap is not None and left not in right:
                demand(gap)
        return self.apply(arrays.COMPARE[type(op)], [left, right])

    def _mapping(self, keys: list[ast.expr | None], values: list[ast.expr]) -> dict[Any, Any]:
        """A mapping; what it says about gradients in full is a claim."""
        found: dict[Any, Any] = {}
        loss = self.network.loss
        gradients = any(isinstance(each, ast.Name) and self.names.gradient(each.id, loss) for each in values)
        for key, value in zip(keys, values, strict=True):
            if key is None:
                found |= dict(self.known(value))
                continue
            name, item = self.known(key), self.value(value)
            found[name] = item
            target = self.names.gradient(name, loss) if isinstance(name, str) else None
            if target is None and gradients and isinstance(name, str) and name in self.network.parameters:
                target = self.names.find(name)
            if target is not None and target[1] is not None:
                self.claim(target[0], target[1], item, value)
        return found

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.DictComp | ast.SetComp) -> Any:
        self.scopes.append(Scope(self.scope))
        try:
            rounds = self._rounds(node.generators)
            if isinstance(node, ast.DictComp):
                return {self.known(node.key): self.value(node.value) for _ in rounds}
            return [self.value(node.elt) for _ in rounds]
        finally:
            self.scopes.pop()

    def _rounds(self, generators: list[ast.comprehension]) -> Iterator[None]:
        if not generators:
            yield
            return
        first, *rest = generators
        items = self.known(first.iter)
        if not isinstance(items, list | tuple | np.ndarray | dict) or len(items) > arrays.TEXT:
            raise LostError(reason="a comprehension over something unknown")
        for item in list(items):
            self.step()
            self.assign(first.target, item, None, first.iter)
            if all(self._truth(self.known(test)) for test in first.ifs):
                yield from self._rounds(rest)

    @staticmethod
    def _truth(value: Any) -> bool:
        if isinstance(value, np.ndarray) and value.size > 1:
            raise LostError(reason="the truth of an array")
        if isinstance(value, Bag):
            message = f"no quantity '{value.name}'"
            raise LostError(reason=message)
        return bool(value)

    def _local(self, name: str) -> Any:
        holder = self.scope.holder(name)
        return None if holder is None else holder[name]

    def _name(self, name: str) -> Any:
        holder = self.scope.holder(name)
        if holder is not None:
            demand(holder[name])
            return holder[name]
        own = self.program.functions.get(name)
        if own is not None and self.names.find(name) is None:
            return Function(own, self.scope.module)
        return self._outside(name)

    def _outside(self, name: str) -> Any:
        """A name that the file does not set: a tensor, a size, a gradient, or something with names inside."""
        found = self.names.find(name)
        if found is not None:
            return self._tensor(*found)
        if name in self.sizes:
            return self.sizes[name]
        if name in self.opaque:
            return self.opaque.given(name)
        if (stem := slope_of(name)) is not None and stem in self.opaque:
            return self.opaque.slopes(stem)
        if (widths := self.names.widths(name, self.surroundings)) is not None:
            return widths
        gradient = self.names.gradient(name, self.network.loss)
        if gradient is not None and gradient[1] is not None and gradient[0] not in self.leaves:
            return self.derivative(gradient[0], gradient[1])
        return self.bags.setdefault(name, Bag(name))

    def derivative(self, tensor: str, at: tuple[int, ...]) -> Any:
        """The derivative of the loss by a tensor, as the program would have it."""
        found = self.surroundings.derivative((self.network.loss, ()), (tensor, at))
        return np.array(laid(np.asarray(found, dtype=float), self.style))

    def _tensor(self, tensor: str, at: tuple[int, ...] | None) -> Any:
        if at is not None:
            if not self.surroundings.has(tensor, at):
                message = f"'{tensor}' has no member {at[0]}"
                raise LostError(reason=message, misfit=True)
            return np.array(laid(self.surroundings.value(tensor, at), self.style))
        if len(self.network.tensors[tensor].family) > 1:
            message = f"'{tensor}' has several loop indices"
            raise LostError(reason=message)
        low, count = family_range(self.surroundings, tensor)
        members = [np.array(laid(self.surroundings.value(tensor, (low + k,)), self.style)) for k in range(count)]
        return members if self.names.shifted else [*[None] * low, *members]

    def _attribute(self, node: ast.Attribute) -> Any:
        name = node.attr
        if self._library(node.value) and (name in arrays.FUNCTIONS or name in CONSTANTS):
            return CONSTANTS[name] if name in CONSTANTS else Primitive(name, arrays.FUNCTIONS[name])
        owner = self.known(node.value)
        if isinstance(owner, np.dtype) and name in _DTYPE:
            return getattr(owner, name)
        if isinstance(owner, Bag):
            return self._entry(owner, name)
        if name in _ARRAY and isinstance(owner, np.ndarray | np.generic | float | int):
            return getattr(np.asarray(owner), name)
        if isinstance(owner, list) and name in _ARRAY and lost(owner) is None:
            message = f"'.{name}' of a list"
            raise LostError(reason=message, misfit=True)
        message = f"'.{name}' is not followed"
        raise LostError(reason=message)

    def _library(self, node: ast.expr) -> bool:
        """True for a name of NumPy, or of a library with functions of the same names."""
        return isinstance(node, ast.Name) and node.id in LIBRARIES and self.scope.holder(node.id) is None

    def _entry(self, owner: Bag, key: Any) -> Any:
        if key in owner.entries:
            value = owner.entries[key]
            demand(value)
            return value
        if isinstance(key, str) and not BAGS.match(owner.name):
            found = self.names.find(key)
            if found is not None:
                return self._tensor(*found)
            if key in self.sizes:
                return self.sizes[key]
        if isinstance(key, str) and owner.name in _OBJECTS:
            return self.bags.setdefault(f"{owner.name}.{key}", Bag(key))
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
        if (gap := lost(key)) is not None:
            raise LostError(reason=gap.reason, line=gap.line)
        if isinstance(owner, Bag):
            return self._entry(owner, key)
        try:
            value = self.apply(lambda x, k: x[k], [owner, key])
        except LostError as error:
            gap = gap_in(owner)
            if gap is None or not error.misfit:
                raise
            raise LostError(reason=gap.reason, line=gap.line) from None
        demand(value)
        if value is None:
            raise LostError(reason="an element that was never set")
        return value

    def _binary(self, op: ast.operator, left: Any, right: Any, node: ast.AST) -> Any:
        line = getattr(node, "lineno", 0)
        for side in (left, right):
            gap = lost(side)
            if gap is not None and not isinstance(op, ast.Add):
                return gap
            if isinstance(side, Unknown):
                return side
            if isinstance(side, Bag):
                return Unknown(f"no quantity '{side.name}'", line)
        apply = arrays.BINARY.get(type(op))
        if apply is None:
            return Unknown("an operator that is not followed", line)
        try:
            return self.apply(apply, [left, right])
        except LostError as error:
            return Unknown(str(error), line, misfit=error.misfit and not self.trying)
