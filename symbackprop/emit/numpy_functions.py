"""Functions that a generated module defines for itself: activations with their slopes, functions of an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symbackprop.emit.numpy_scalar import ScalarWriter, Text
from symbackprop.errors import UnsupportedError
from symbackprop.index import slot
from symbackprop.tables.activations import ACTIVATION, HELPERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from symbackprop.emit.numpy_names import Names
    from symbackprop.emit.numpy_text import Used
    from symbackprop.network import Network

ALONG: dict[str, str] = {
    "softmax": '''\
def softmax(x, axis=-1):
    """exp(x) / sum(exp(x)) along an axis, without overflow."""
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)
''',
    "log_softmax": '''\
def log_softmax(x, axis=-1):
    """The logarithm of softmax, without overflow and without log(0)."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
''',
    "logsumexp": '''\
def logsumexp(x, axis=-1, keepdims=False):
    """log(sum(exp(x))) along an axis, without overflow."""
    largest = np.max(x, axis=axis, keepdims=True)
    total = largest + np.log(np.sum(np.exp(x - largest), axis=axis, keepdims=True))
    return total if keepdims else np.squeeze(total, axis=axis)
''',
    "first_max": '''\
def first_max(x, axis=-1):
    """1 at the first maximum along one or several axes, else 0."""
    axes = (axis,) if isinstance(axis, int) else axis
    last = np.moveaxis(x, axes, range(-len(axes), 0))
    flat = last.reshape(last.shape[:last.ndim - len(axes)] + (-1,))
    hot = np.arange(flat.shape[-1]) == np.argmax(flat, axis=-1)[..., None]
    return np.moveaxis(hot.reshape(last.shape), range(-len(axes), 0), axes).astype(x.dtype)
''',
    "scatter_add": '''\
def scatter_add(x, ids, size):
    """Rows of x added up at the places ids of an array with that many rows."""
    total = np.zeros((size,) + x.shape[ids.ndim:], x.dtype)
    np.add.at(total, ids, x)
    return total
''',
}
"""Source of the functions of an axis, and of the adjoint of a lookup."""


def definitions(network: Network, names: Names, used: Iterable[Used]) -> list[str]:
    """Source of all functions that the bodies call and nobody passes, each after those it calls."""
    texts: dict[str, str] = {}
    helpers = dict.fromkeys(name for each in used for name in each.helpers)
    calls = dict.fromkeys(call for each in used for call in each.functions)
    for name, order in calls:
        _define(name, order, network, names, texts)
    for name in helpers:
        texts.setdefault(name, ALONG[name])
    return list(texts.values())


def _define(name: str, order: int, network: Network, names: Names, texts: dict[str, str]) -> None:
    entry = network.functions.get(name)
    shown = names.function(name, order)
    if shown in texts or (entry is not None and entry.kind != "formula"):
        return
    if entry is not None:
        texts[shown] = _formula(name, order, network, names, texts)
        return
    row = ACTIVATION[name]
    if order > 1:
        message = f"no second derivative of '{name}' in code"
        raise UnsupportedError(message)
    for helper in row.helpers:
        texts.setdefault(helper, HELPERS[helper])
    text = (row.numpy_slope if order else row.numpy).format(x="x", y="y")
    lines = [f"def {shown}(x):", f'    """{_about(name, order)}"""']
    if order and "{y}" in row.numpy_slope:
        _define(name, 0, network, names, texts)
        lines.append(f"    y = {names.function(name)}(x)")
    texts[shown] = "\n".join([*lines, f"    return {text}", ""])


def _formula(name: str, order: int, network: Network, names: Names, texts: dict[str, str]) -> str:
    """A function of the network file, or its derivative."""

    def call(inner: str, inner_order: int, args: list[Text]) -> Text:
        _define(inner, inner_order, network, names, texts)
        return Text(f"{names.function(inner, inner_order)}({args[-1].code})")

    template: Any = network.functions[name].template
    for _ in range(order):
        template = template.diff(slot(0))
    body = ScalarWriter({"_0": Text("x")}, call).write(template).code
    if not template.has(slot(0)):
        body = f"np.full_like(x, {body})"
    text = body.replace("dtype)", "x.dtype)")
    return f'def {names.function(name, order)}(x):\n    """{_about(name, order)}"""\n    return {text}\n'


def _about(name: str, order: int) -> str:
    return f"The slope of {name}." if order else f"{name}, entry by entry."
