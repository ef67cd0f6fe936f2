"""What NumPy expressions are worth on given arrays, from their syntax trees: a closed list of operations, nothing else.

A file of Python is parsed and never run. Its expressions are followed here on arrays that the caller provides, with
bounds on every size; whatever is not in the list cannot be followed.
"""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.handwritten.python_unknown import LostError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Array = np.ndarray[Any, Any]
ELEMENTS = 1_000_000
"""Elements of an array that is followed."""
INTEGER = 10**12
"""Size of a whole number that is followed."""
_BITS = 64
TEXT = 1_000
"""Length of a string, or of a list, that is followed."""


def _checked(value: Any) -> Any:
    """A value within the bounds."""
    if isinstance(value, np.ndarray | np.generic):
        if np.size(value) > ELEMENTS:
            raise LostError(reason="an array with too many elements")
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > INTEGER:
        raise LostError(reason="a whole number that is too large")
    if isinstance(value, str | list | tuple) and len(value) > TEXT:
        raise LostError(reason="a text or list that is too long")
    return value


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(np.shape(value))


def _shown(value: Any) -> str:
    return f"({', '.join(map(str, _shape(value)))}{',' if np.ndim(value) == 1 else ''})"


def _together(left: Any, right: Any) -> None:
    """Two operands whose broadcast result is within the bounds."""
    try:
        shape = np.broadcast_shapes(_shape(left), _shape(right))
    except ValueError:
        message = f"shapes {_shown(left)} and {_shown(right)} do not fit entrywise"
        raise LostError(reason=message, misfit=True) from None
    if int(np.prod(shape, dtype=float)) > ELEMENTS:
        raise LostError(reason="an array with too many elements")


def in_place(old: Any, new: Any, sign: str) -> Any:
    """The array ``old`` with the entries of ``new``, as ``old += …`` leaves it.

    Raises: LostError where NumPy refuses, since the result has another shape or kind.
    """
    if _shape(new) != _shape(old):
        message = f"'{sign}=' cannot change the shape {_shown(old)} to {_shown(new)}"
        raise LostError(reason=message, misfit=True)
    if not np.can_cast(np.asarray(new).dtype, old.dtype, "same_kind"):
        message = f"'{sign}=' cannot put fractions into an array of whole numbers"
        raise LostError(reason=message, misfit=True)
    old[...] = new
    return old


def _entrywise(apply: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def run(left: Any, right: Any) -> Any:
        if isinstance(left, str | list | tuple) or isinstance(right, str | list | tuple):
            if apply is operator.add and type(left) is type(right):
                return left + right
            if apply is operator.mul and isinstance(left, list) and isinstance(right, int) and right <= TEXT:
                return left * right
            if isinstance(left, str | dict) or isinstance(right, str | dict):
                raise LostError(reason="arithmetic with texts")
            left, right = np.asarray(left), np.asarray(right)
        if left is None or right is None:
            raise LostError(reason="arithmetic with nothing")
        if (
            apply in {operator.pow, operator.lshift}
            and isinstance(left, int)
            and (not isinstance(right, int) or abs(right) > _BITS)
        ):
            left = float(left)
        _together(left, right)
        return apply(left, right)

    return run


def _matmul(left: Any, right: Any) -> Any:
    left, right = np.asarray(left), np.asarray(right)
    if left.size * right.size > ELEMENTS * 100:
        raise LostError(reason="an array with too many elements")
    try:
        return left @ right
    except ValueError:
        message = f"shapes {_shown(left)} and {_shown(right)} do not fit in a matrix product"
        raise LostError(reason=message, misfit=True) from None


def _dot(left: Any, right: Any) -> Any:
    if np.ndim(left) == 0 or np.ndim(right) == 0:
        return np.multiply(left, right)
    try:
        return np.dot(left, right)
    except ValueError:
        message = f"shapes {_shown(left)} and {_shown(right)} do not fit in a dot product"
        raise LostError(reason=message, misfit=True) from None


def _grown(apply: Callable[..., Any]) -> Callable[..., Any]:
    """A product of all pairs, whose result has as many elements as both operands multiplied."""

    def run(*values: Any, **options: Any) -> Any:
        if np.prod([float(np.size(value)) for value in values if not isinstance(value, str)]) > ELEMENTS:
            raise LostError(reason="an array with too many elements")
        return apply(*values, **options)

    return run


def _filled(apply: Callable[..., Any]) -> Callable[..., Any]:
    """An array of a given shape."""

    def run(shape: Any, *values: Any, **options: Any) -> Any:
        if np.prod(np.atleast_1d(np.asarray(shape, dtype=float))) > ELEMENTS:
            raise LostError(reason="an array with too many elements")
        options.pop("dtype", None)
        return apply(shape, *values[:1] if apply is np.full else (), **options)

    return run


def _eye(rows: Any, columns: Any = None, **_options: Any) -> Any:
    if float(rows) * float(columns or rows) > ELEMENTS:
        raise LostError(reason="an array with too many elements")
    return np.eye(int(rows), None if columns is None else int(columns))


def _arange(*ends: Any, **_options: Any) -> Any:
    steps = abs(float(ends[2])) if len(ends) > 2 else 1  # noqa: PLR2004 - start, stop, step
    if any(abs(float(end)) > ELEMENTS * min(steps, 1) for end in ends[:2]):
        raise LostError(reason="an array with too many elements")
    return np.arange(*ends)


def _repeated(apply: Callable[..., Any]) -> Callable[..., Any]:
    """An array several times."""

    def run(array: Any, times: Any, **options: Any) -> Any:
        if np.size(array) * float(np.prod(np.maximum(np.asarray(times, dtype=float), 1))) > ELEMENTS:
            raise LostError(reason="an array with too many elements")
        return apply(array, times, **options)

    return run


def _expit(x: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(x)))


def _softmax(x: Any, axis: Any = None) -> Any:
    shifted = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return shifted / np.sum(shifted, axis=axis, keepdims=True)


def _plain(apply: Callable[..., Any]) -> Callable[..., Any]:
    """A NumPy function whose ``dtype`` does not matter here."""

    def run(*values: Any, **options: Any) -> Any:
        options.pop("dtype", None)
        return apply(*values, **options)

    return run


def _binary(apply: Callable[..., Any]) -> Callable[..., Any]:
    def run(left: Any, right: Any) -> Any:
        _together(left, right)
        return apply(left, right)

    return run


def _at(apply: Any) -> Callable[..., Any]:
    """Entries of an array changed in place, repeated ones as often as they are named."""

    def run(array: Any, place: Any, values: Any) -> None:
        apply.at(array, place, values)

    return run


def _padded(array: Any, width: Any, mode: str = "constant", **options: Any) -> Any:
    if np.max(np.asarray(width), initial=0) > TEXT or np.size(array) > ELEMENTS // TEXT:
        raise LostError(reason="an array with too many elements")
    return np.pad(array, width, mode="constant" if mode == "constant" else "edge", **options)


_ONE = (
    "exp",
    "log",
    "log1p",
    "log2",
    "log10",
    "expm1",
    "sqrt",
    "square",
    "abs",
    "absolute",
    "sign",
    "tanh",
    "sin",
    "cos",
    "sinh",
    "cosh",
    "negative",
    "reciprocal",
    "sum",
    "mean",
    "max",
    "min",
    "amax",
    "amin",
    "prod",
    "transpose",
    "squeeze",
    "ravel",
    "result_type",
    "expand_dims",
    "copy",
    "var",
    "std",
    "isnan",
    "tril",
    "triu",
    "roll",
    "take",
    "take_along_axis",
    "argmin",
    "argsort",
    "rot90",
    "flipud",
    "fliplr",
    "full_like",
    "empty_like",
    "append",
    "any",
    "all",
    "nonzero",
    "count_nonzero",
    "average",
    "diag",
    "diagonal",
    "trace",
    "argmax",
    "zeros_like",
    "ones_like",
    "asarray",
    "array",
    "atleast_2d",
    "atleast_1d",
    "reshape",
    "swapaxes",
    "moveaxis",
    "flip",
    "cumsum",
    "concatenate",
    "vstack",
    "hstack",
    "stack",
    "column_stack",
    "split",
    "array_split",
    "where",
    "clip",
    "float64",
    "float32",
    "nan_to_num",
    "ascontiguousarray",
    "shape",
    "ndim",
    "size",
)
_TWO = (
    "add",
    "subtract",
    "multiply",
    "divide",
    "true_divide",
    "power",
    "maximum",
    "minimum",
    "greater",
    "less",
    "greater_equal",
    "less_equal",
    "equal",
    "not_equal",
    "heaviside",
    "logical_and",
    "logical_or",
    "mod",
    "floor_divide",
    "float_power",
)
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **{name: _plain(getattr(np, name)) for name in _ONE},
    **{name: _binary(getattr(np, name)) for name in _TWO},
    "dot": _dot,
    "matmul": _matmul,
    "inner": _grown(np.inner),
    "outer": _grown(np.outer),
    "kron": _grown(np.kron),
    "einsum": _grown(np.einsum),
    "tensordot": _grown(np.tensordot),
    "vdot": _dot,
    "zeros": _filled(np.zeros),
    "ones": _filled(np.ones),
    "full": _filled(np.full),
    "empty": _filled(np.zeros),
    "eye": _eye,
    "identity": _eye,
    "arange": _arange,
    "expit": _expit,
    "softmax": _softmax,
    "broadcast_to": lambda value, shape: _filled(np.zeros)(shape) + value,
    "repeat": _repeated(np.repeat),
    "tile": _repeated(np.tile),
    "linalg.norm": _plain(np.linalg.norm),
    "add.at": _at(np.add),
    "subtract.at": _at(np.subtract),
    "multiply.outer": _grown(np.multiply.outer),
    "add.reduce": _plain(np.add.reduce),
    "pad": _padded,
}
"""NumPy functions (without ``np.``) and SciPy's that are followed."""
METHODS = frozenset(
    (
        "dot",
        "sum",
        "mean",
        "max",
        "min",
        "copy",
        "reshape",
        "transpose",
        "ravel",
        "squeeze",
        "prod",
        "diagonal",
        "trace",
        "argmax",
        "swapaxes",
        "clip",
        "var",
        "std",
        "argmin",
        "cumsum",
        "repeat",
        "any",
        "all",
        "take",
    )
)


def _span(*ends: Any) -> list[int]:
    found = range(*map(operator.index, ends))
    if len(found) > TEXT:
        raise LostError(reason="a loop that is too long")
    return list(found)


_BUILTINS: Mapping[str, Callable[..., Any]] = {
    "float": lambda value: value if np.ndim(value) else float(value),
    "int": int,
    "divmod": divmod,
    "abs": abs,
    "len": len,
    "max": max,
    "min": min,
    "str": str,
    "sum": sum,
    "list": list,
    "tuple": tuple,
    "reversed": lambda value: list(reversed(value)),
    "range": _span,
    "zip": lambda *values: list(zip(*values, strict=False)),
    "enumerate": lambda value, start=0: list(enumerate(value, start)),
    "dict": dict,
    "sorted": sorted,
    "round": round,
    "any": any,
    "all": all,
    "bool": bool,
    "set": list,
    "next": lambda value: value[0],
    "iter": lambda value: value,
    "map": lambda apply, *values: [apply(*each) for each in zip(*values, strict=False)],
}
BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: _entrywise(operator.add),
    ast.Sub: _entrywise(operator.sub),
    ast.Mult: _entrywise(operator.mul),
    ast.Div: _entrywise(operator.truediv),
    ast.FloorDiv: _entrywise(operator.floordiv),
    ast.Mod: _entrywise(operator.mod),
    ast.Pow: _entrywise(operator.pow),
    ast.MatMult: _matmul,
}
COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Is: lambda left, right: left is right,
    ast.IsNot: lambda left, right: left is not right,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}


def builtin(name: str) -> Callable[..., Any] | None:
    """A builtin function that is followed."""
    return _BUILTINS.get(name)


def called(apply: Callable[..., Any], values: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """The result of one of these functions.

    Raises: LostError where the arguments do not fit it.
    """
    try:
        with np.errstate(all="ignore"):
            return _checked(apply(*values, **options))
    except LostError:
        raise
    except (
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        AttributeError,
        OverflowError,
        ZeroDivisionError,
        MemoryError,
        ArithmeticError,
    ) as error:
        text = str(error).split("\n")[0]
        if isinstance(error, KeyError):
            text = f"there is no entry {text}"
        shapes = isinstance(error, ValueError) and any(
            word in text for word in ("shape", "align", "dimension", "size", "operand", "axis", "broadcast")
        )
        outside = isinstance(error, IndexError | KeyError) and "only integer" not in text
        raise LostError(reason=text or type(error).__name__, misfit=shapes or outside) from None
