"""Calls in a followed program: NumPy's functions from the closed list, the file's own functions, methods and classes.

A name that neither the file nor the list knows may be a function of the network, a usual activation, or the slope of
one by a usual name (``sigmoid_prime``, ``d_tanh``).
"""

from __future__ import annotations

import ast
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.handwritten import python_arrays as arrays
from symbackprop.handwritten.python_functions import Pair, Primitive, kind_of
from symbackprop.handwritten.python_names import family_range, slope_of
from symbackprop.handwritten.python_scopes import Bag, Function, ReturnError, Scope, fields, is_static, methods
from symbackprop.handwritten.python_unknown import LostError, Unknown, demand, gap_in, lost, open_up, rest_of
from symbackprop.handwritten.python_values import LIBRARIES, Values
from symbackprop.tables.activations import ACTIVATION, ALIAS, evaluator

if TYPE_CHECKING:
    from collections.abc import Callable

DEEPEST = 30
"""Functions inside functions, and parts inside parts of an expression in hundreds."""


_WITH_PARTS = frozenset(("list", "reversed", "zip", "enumerate", "tuple", "print"))
"""Functions of lists some of whose parts may be unknown."""
_READERS = frozenset(("print", "pprint", "repr", "id", "type", "deepcopy", "plt", "logging", "logger", "warnings"))
"""What changes nothing that it is given."""


class Calls(Values):
    """Follows calls."""

    called: set[int]
    calls: list[int]
    """The functions that are followed just now."""
    settled: set[int]
    """The functions that were followed by themselves, with arguments that are what their names say."""

    @abstractmethod
    def block(self, statements: list[ast.stmt]) -> None:
        """Follow statements."""

    @abstractmethod
    def gradient_of(self, target: ast.expr) -> tuple[str, tuple[int, ...] | None] | None:
        """The tensor whose gradient an assignment's left side names."""

    @abstractmethod
    def changed(self, target: ast.expr, node: ast.expr) -> None:
        """Note that an array was changed in place."""

    def _call(self, node: ast.Call) -> Any:
        options = self._options(node)
        name = _dotted(node.func)
        library = "." in name and name.split(".")[0] in LIBRARIES
        if not library:
            own = self._own_function(node.func, name)
            if own is not None:
                return self.followed(own, list(self._parts(node.args)), options)
            if name in self.program.classes:
                return self._made(name, list(self._parts(node.args)), options)
            if name == "isinstance":
                return self._is_instance(*node.args)
            if isinstance(node.func, ast.Attribute):
                found = self._method(node, node.func, options)
                if found is not None:
                    return found[0]
        values = list(self._parts(node.args))
        try:
            function = self._listed_function(node.func, name, library=library)
        except LostError as error:
            self._handed_over(name, [*values, *options.values()], Unknown(str(error), node.lineno))
            raise
        self._check(name, [*values, *options.values()])
        if function is arrays.FUNCTIONS["asarray"] or name.endswith(".array"):
            options.pop("copy", None)
        if name.endswith(".at"):
            self.apply(function, values, options)
            self.changed(node.args[0], node)
            return None
        if "out" in options:
            options.pop("out")
            return self.apply(function, values, options)
        if any(isinstance(each, Function) for each in values):
            values = [self._callable(each) if isinstance(each, Function) else each for each in values]
        return self.apply(function, values, options)

    def _options(self, node: ast.Call) -> dict[str, Any]:
        options: dict[str, Any] = {}
        for word in node.keywords:
            value = self.value(word.value)
            if word.arg is None:
                if not isinstance(value, dict):
                    raise LostError(reason="options that are not followed")
                options |= value
            elif word.arg != "dtype":
                options[word.arg] = value
        return options

    def _check(self, name: str, values: list[Any]) -> None:
        """Arguments that are known all through.

        Raises: LostError.
        """
        for value in values:
            found = lost(value)
            if name == "len" and not isinstance(value, Unknown):
                found = rest_of(value)
            if found is not None and name not in _WITH_PARTS:
                raise LostError(reason=found.reason, misfit=found.misfit, line=found.line)
            if isinstance(value, Bag):
                message = f"'{name}' of something unknown, '{value.name}'"
                raise LostError(reason=message)

    @staticmethod
    def _handed_over(name: str, values: list[Any], gap: Unknown) -> None:
        """Note that lists and mappings were given to something that may fill them."""
        if not _READERS & set(name.split(".")):
            for value in values:
                open_up(value, gap)

    def _is_instance(self, value: ast.expr, kinds: ast.expr) -> bool:
        held = self.known(value)
        found = [kind_of(_dotted(each)) for each in (kinds.elts if isinstance(kinds, ast.Tuple) else [kinds])]
        if isinstance(held, Bag) or not all(found):
            raise LostError(reason="the type of something unknown")
        return any(isinstance(held, each) for each in found if each is not None)

    def _listed_function(self, func: ast.expr, name: str, *, library: bool) -> Callable[..., Any]:
        if not library and (held := self._held_function(func)) is not None:
            return held
        short = name.split(".", 1)[1] if library else name
        apply = (arrays.FUNCTIONS.get(short) or arrays.FUNCTIONS.get(short.rsplit(".", 1)[-1])) if library else None
        if library and short.startswith("random"):
            apply = None
        apply = apply or (None if library else arrays.builtin(name)) or self._activation(func, name)
        apply = apply or arrays.FUNCTIONS.get(name)
        if apply is None:
            message = f"'{name or 'a call'}' is not followed"
            raise LostError(reason=message)
        return apply

    def _held_function(self, func: ast.expr) -> Callable[..., Any] | None:
        """The function that a name or an element of the program holds.

        Raises: LostError where what it holds is unknown.
        """
        root = func
        while isinstance(root, ast.Subscript):
            root = root.value
        if not isinstance(root, ast.Name) or self.scope.holder(root.id) is None:
            return None
        value = self.known(func)
        if isinstance(value, Pair):
            value = value[0]
        if isinstance(value, Primitive):
            return value.apply
        return self._activation(ast.Name(value.name), value.name) if isinstance(value, Bag) else None

    # -- functions of the file -----------------------------------------------------------------------------------------

    def _own_function(self, func: ast.expr, name: str) -> Function | None:
        """The function of the file that is called."""
        if isinstance(func, ast.Name):
            holder = self.scope.holder(func.id)
            if holder is not None:
                return holder[func.id] if isinstance(holder[func.id], Function) else None
            node = self.program.functions.get(func.id)
            return Function(node, self.scope.module) if node is not None else None
        if isinstance(func, ast.Attribute):
            owner = self.value(func.value)
            if isinstance(owner, Bag):
                held = owner.entries.get(func.attr)
                if isinstance(held, Function):
                    return held
                return self._bound(owner, func.attr)
            if isinstance(owner, np.ndarray | np.generic | list | dict | str | tuple | Unknown):
                return None
            node = self.program.functions.get(name.rsplit(".", 1)[-1])
            return Function(node, self.scope.module) if node is not None else None
        value = self.value(func)
        return value if isinstance(value, Function) else None

    def _bound(self, owner: Bag, name: str) -> Function | None:
        """A method of an object; of one that the file does not make, the only function of that name."""
        known = methods(self.program, owner.kind) if owner.kind else {}
        node = known.get(name) or (self.program.functions.get(name) if not owner.kind else None)
        if node is None:
            return None
        first = node.args.args[:1]
        takes_object = bool(first) and first[0].arg in {"self", "cls"} and not is_static(node)
        return Function(node, self.scope.module, owner if takes_object else None)

    def _made(self, kind: str, values: list[Any], options: dict[str, Any]) -> Bag:
        """An object of one of the file's classes."""
        made = Bag(kind, kind=kind)
        start = methods(self.program, kind).get("__init__")
        if start is not None:
            self.followed(Function(start, self.scope.module, made), values, options)
            return made
        listed = fields(self.program, kind)
        made.entries |= {name: self.value(default) for name, default in listed if default is not None}
        made.entries |= dict(zip((name for name, _ in listed), values, strict=False)) | options
        return made

    def _callable(self, function: Function) -> Callable[..., Any]:
        return lambda *values: self.followed(function, list(values), {})

    def followed(self, function: Function, values: list[Any], options: dict[str, Any]) -> Any:
        """A function of the file, followed with its arguments."""
        if len(self.scopes) > DEEPEST:
            raise LostError(reason="functions nested too deeply")
        node = function.node
        self.called.add(id(node))
        scope = self._arguments(function, values, options)
        self.scopes.append(scope)
        self.calls.append(id(node))
        try:
            if isinstance(node, ast.Lambda):
                return self.known(node.body)
            self.block(node.body)
        except ReturnError as found:
            demand(found.value)
            return found.value
        finally:
            self.scopes.pop()
            self.calls.pop()
        return None

    def _arguments(self, function: Function, values: list[Any], options: dict[str, Any]) -> Scope:
        """The scope in which a function is followed."""
        args = function.node.args
        names = [argument.arg for argument in (*args.posonlyargs, *args.args)]
        if function.owner is not None:
            values = [function.owner, *values]
        scope = Scope(function.scope)
        for name, default in zip(names[len(names) - len(args.defaults) :], args.defaults, strict=False):
            scope[name] = self.value(default)
        for word, standard in zip(args.kwonlyargs, args.kw_defaults, strict=True):
            if standard is not None:
                scope[word.arg] = self.value(standard)
        scope |= dict(zip(names, values, strict=False))
        if args.vararg is not None:
            scope[args.vararg.arg] = tuple(values[len(names) :])
        named = {*names, *(each.arg for each in args.kwonlyargs)}
        scope |= {name: value for name, value in options.items() if name in named}
        if args.kwarg is not None:
            scope[args.kwarg.arg] = {name: value for name, value in options.items() if name not in named}
        missing = [name for name, value in scope.items() if self._left_open(name, value)]
        for name in missing:
            del scope[name]
        return scope

    def _left_open(self, name: str, value: Any) -> bool:
        """True for an argument that the file cannot know, and that the network has by its name."""
        found = self.names.find(name)
        if name in self.opaque:
            return isinstance(value, Bag | tuple | list)
        if found is None:
            return False
        return isinstance(value, Bag) or (isinstance(value, Unknown) and not value.misfit and found[0] in self.leaves)

    # -- methods -------------------------------------------------------------------------------------------------------

    def _method(self, node: ast.Call, func: ast.Attribute, options: dict[str, Any]) -> tuple[Any] | None:
        """The result of a method of an array, a list or a mapping; None for any other call."""
        owner, name = self.value(func.value), func.attr
        if isinstance(owner, list | dict | str):
            return self._container(owner, node, func)
        if isinstance(owner, Unknown):
            raise LostError(reason=owner.reason, misfit=owner.misfit, line=owner.line)
        if isinstance(owner, float | int) and not isinstance(owner, bool) and name in arrays.METHODS:
            owner = np.asarray(owner)
        if not isinstance(owner, np.ndarray | np.generic):
            return None
        if name in {"astype", "flatten", "item", "tolist"}:
            kind = ast.unparse(node.args[0]) if node.args else "float"
            whole = int if "int" in kind else bool if "bool" in kind else float
            return (np.ravel(owner) if name == "flatten" else owner.astype(whole) if name == "astype" else owner,)
        values = list(self._parts(node.args))
        self._check(name, [*values, *options.values()])
        if name == "fill" and values and isinstance(owner, np.ndarray):
            owner[...] = values[0]
            return (None,)
        if name not in arrays.METHODS:
            message = f"'.{name}' is not followed"
            raise LostError(reason=message)
        if name in {"reshape", "transpose"} and len(values) > 1:
            values = [tuple(values)]
        options.pop("order", None)
        return (self.apply(arrays.FUNCTIONS[name], [owner, *values], options),)

    def _container(self, owner: Any, node: ast.Call, func: ast.Attribute) -> tuple[Any] | None:
        """A method of a list, a mapping or a text."""
        name, values = func.attr, list(self._parts(node.args))
        if isinstance(owner, list):
            return self._of_list(owner, name, values, node, func)
        if isinstance(owner, dict):
            return self._of_mapping(owner, name, values, node)
        if isinstance(owner, str) and name == "format" and values:
            return (owner.replace("{}", str(values[0])),)
        return None

    def _of_list(
        self, owner: list[Any], name: str, values: list[Any], node: ast.Call, func: ast.Attribute
    ) -> tuple[Any] | None:
        if len(owner) > arrays.TEXT:
            raise LostError(reason="a list that is too long")
        if name == "pop":
            return (owner.pop(*values),)
        if name == "index":
            return (next(k for k, each in enumerate(owner) if each is values[0] or np.array_equal(each, values[0])),)
        if name == "reverse":
            owner.reverse()
        elif name == "copy":
            return (list(owner),)
        elif name == "append" and values:
            owner.append(values[0])
        elif name == "insert" and len(values) == 2:  # noqa: PLR2004 - place and value
            owner.insert(int(values[0]), values[1])
        elif name == "extend" and values and isinstance(values[0], list | tuple):
            owner.extend(values[0])
        else:
            return None
        self._listed(func.value, owner, node)
        return (None,)

    def _of_mapping(self, owner: dict[Any, Any], name: str, values: list[Any], node: ast.Call) -> tuple[Any] | None:
        if name in {"get", "setdefault"} and values[0] not in owner:
            demand(gap_in(owner))
        if name in {"items", "keys", "values"}:
            return (list(getattr(owner, name)()),)
        if name in {"get", "pop", "setdefault", "copy"}:
            return (getattr(owner, name)(*values),)
        if name == "update":
            more = dict(*values) if values else {}
            owner |= more | {word.arg: self.value(word.value) for word in node.keywords if word.arg is not None}
            return (None,)
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

    def _activation(self, func: ast.expr, name: str) -> Callable[..., Any] | None:
        """An opaque function of the network or a usual activation, or its slope by one of the usual names."""
        layer: tuple[Any, ...] = ()
        if isinstance(func, ast.Subscript):
            name, layer = _dotted(func.value), (self._key(func.slice),)
        name = name.rsplit(".", 1)[-1]
        for order, stem in enumerate((name, slope_of(name))):
            if stem is None:
                continue
            if stem in self.opaque:
                return self.opaque.applied(stem, order, layer)
            if stem in ACTIVATION or stem in ALIAS:
                return evaluator(stem, order)
        return None


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return ""
