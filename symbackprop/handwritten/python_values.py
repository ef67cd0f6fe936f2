"""What the expressions of a Python file are worth on the arrays of a network; nothing of the file runs.

Names that the file does not set are tensors or sizes of the network; what holds such names (``self``, ``params``,
``cache``) is a ``Bag``. A part that cannot be followed is ``Unknown`` with the reason.
"""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

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
_LIBRARIES = frozenset(("np", "numpy", "jnp", "onp", "scipy", "special", "math", "sp", "cp"))
_SLOPES = ("_prime", "prime", "_derivative", "_deriv", "_der", "_grad", "_gradient", "_slope", "_backward", "_d")


@dataclass(frozen=True, slots=True)
class Program:
    """A parsed file; ``functions`` are all that it defines, methods among them."""

    text: str
    tree: ast.Module
    functions: Mapping[str, ast.FunctionDef]
    lines: tuple[int, ...] = ()
    """For every line, the line of the file it stands in; empty where that is the same."""

    def line(self, number: int) -> int:
        """The line of the file behind a line of the text."""
        return self.lines[min(number, len(self.lines)) - 1] if self.lines else number


def laid(array: Any, style: Style) -> Any:
    """An array as a program of this style has it."""
    if style == "vectors as columns" and np.ndim(array) == 1:
        return array[:, None]
    if style == "vectors as rows" and np.ndim(array) == 1:
        return array[None, :]
    if style == "transposed":
        return array[:, None] if np.ndim(array) == 1 else np.transpose(array) if np.ndim(array) == 2 else array  # noqa: PLR2004
    return array


@dataclass(slots=True)
class Bag:
    """Something with names inside that the file does not make: ``self``, ``params``, ``cache``."""

    name: str
    entries: dict[Any, Any] = field(default_factory=dict)


class ReturnError(Exception):
    """``return`` with its value."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class Values(ABC):
    """Follows expressions; statements are followed by what derives from it."""

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
        self.bags: dict[str, Bag] = {}
        self.steps = 0
        self.called: set[str] = set()
        self.opaque = stand_ins(network)
        self.sizes = sizes_of(network, surroundings)
        self.leaves = {*network.inputs, *network.parameters}

    @abstractmethod
    def assign(
        self, target: ast.expr, value: Any, node: ast.stmt | None, source: ast.expr, *, again: bool = False
    ) -> None:
        """Give a name its value."""

    @abstractmethod
    def block(self, statements: list[ast.stmt]) -> None:
        """Follow statements."""

    @abstractmethod
    def gradient_of(self, target: ast.expr) -> tuple[str, tuple[int, ...] | None] | None:
        """The tensor whose gradient an assignment's left side names."""

    @abstractmethod
    def claim(self, tensor: str, at: tuple[int, ...], value: Any, node: ast.expr) -> None:
        """Note that an expression is the gradient of a tensor."""

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
                return self._mapping(keys, values)
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

    def _mapping(self, keys: list[ast.expr | None], values: list[ast.expr]) -> dict[Any, Any]:
        """A mapping; what it says about gradients in full is a claim."""
        found: dict[Any, Any] = {}
        for key, value in zip(keys, values, strict=True):
            if key is None:
                continue
            name, item = self.known(key), self.value(value)
            found[name] = item
            target = self.names.gradient(name, self.network.loss) if isinstance(name, str) else None
            if target is not None and target[1] is not None and not isinstance(value, ast.Name):
                self.claim(target[0], target[1], item, value)
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
        return self.bags.setdefault(name, Bag(name))

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
        if isinstance(owner, Bag):
            return self._entry(owner, name)
        if name in {"T", "shape", "size", "ndim", "real"} and isinstance(owner, np.ndarray | np.generic | float | int):
            return getattr(np.asarray(owner), name)
        message = f"'.{name}' is not followed"
        raise LostError(reason=message)

    def _entry(self, owner: Bag, key: Any) -> Any:
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
        if isinstance(key, Unknown):
            raise LostError(reason=key.reason)
        if isinstance(owner, Bag):
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
            if isinstance(side, Bag):
                return Unknown(f"no quantity '{side.name}'", getattr(node, "lineno", 0))
        apply = arrays.BINARY.get(type(op))
        if apply is None:
            return Unknown("an operator that is not followed", getattr(node, "lineno", 0))
        try:
            return arrays.called(apply, [left, right], {})
        except LostError as error:
            return Unknown(str(error), getattr(node, "lineno", 0), misfit=error.misfit)

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
        if any(isinstance(each, Bag) for each in values):
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
        """The result of a method of an array, a list or a mapping; None for any other call."""
        if _dotted(func).split(".")[0] in _LIBRARIES:
            return None
        owner, name = self.value(func.value), func.attr
        if isinstance(owner, list | dict | str):
            return self._container(owner, node, func)
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
        if name in {"reshape", "transpose"} and len(values) > 1:
            values = [tuple(values)]
        return (arrays.called(arrays.FUNCTIONS[name], [owner, *values], options),)

    def _container(self, owner: Any, node: ast.Call, func: ast.Attribute) -> tuple[Any] | None:
        """A method of a list, a mapping or a text."""
        name, values = func.attr, [self.value(each) for each in node.args]
        if isinstance(owner, list) and name in {"append", "insert", "reverse"}:
            if len(owner) > arrays.TEXT:
                raise LostError(reason="a list that is too long")
            if name == "reverse":
                owner.reverse()
            elif values:
                place = values[0] if name == "insert" and isinstance(values[0], int) else len(owner)
                owner.insert(place, values[-1])
            self._listed(func.value, owner, node)
            return (None,)
        if isinstance(owner, dict) and name in {"items", "keys", "values", "get"}:
            return (owner.get(*values) if name == "get" else list(getattr(owner, name)()),)
        if isinstance(owner, str) and name == "format" and values:
            return (owner.replace("{}", str(values[0])),)
        return None

    def _listed(self, owner: ast.expr, value: list[Any], node: ast.Call) -> None:
        """A list of gradients that grows: judged once it is as long as the family."""
        found = self.gradient_of(owner)
        if found is None or found[1] is not None:
            return
        low, count = family_range(self.surroundings, found[0])
        if len(value) == count and not any(item is None for item in value):
            for position, item in enumerate(value):
                self.claim(found[0], (low + position,), item, node)

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
            if not (isinstance(value, Unknown | Bag) and self.names.find(name) is not None)
        }
        self.scopes.append(scope)
        try:
            self.block(function.body)
        except ReturnError as found:
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
