"""Layers, one row each: called like functions, ``h[t], c[t] = lstm_cell(x[t], h[t-1], c[t-1], W, U, b)``.

A row is a short program in the network file's own language. It expands into ordinary equations, each step with a name,
so the derivation of a layer is the derivation of its equations. Examples are rows (or one vector), weights are
input-first; ``-1`` is the last axis, ``chunk(s, k, n)`` the part number k of n equal parts of the last axis.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer: tensors by position, options by keyword, ``body`` as (name, expression), names of the results."""

    name: str
    arguments: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    body: tuple[tuple[str, str], ...]
    results: tuple[str, ...]
    shapes: str
    source: str

    @property
    def signature(self) -> str:
        """How it is called.

        >>> LAYER["layer_norm"].signature
        'y = layer_norm(x, gamma, beta, eps=1e-5)'
        """
        inside = ", ".join((*self.arguments, *(f"{key}={value}" for key, value in self.options.items())))
        return f"{', '.join(self.results)} = {self.name}({inside})"


_ROWS = (
    Layer(
        name="dense",
        arguments=("x", "W", "b"),
        body=(("y", "x @ W + b"),),
        results=("y",),
        shapes="x (…, d), W (d, h), b (h)",
        source="Goodfellow, Bengio & Courville 2016, Deep Learning, section 6.1",
    ),
    Layer(
        name="rnn_cell",
        arguments=("x", "h", "W", "U", "b"),
        body=(("s", "x @ W + h @ U + b"), ("h1", "tanh(s)")),
        results=("h1",),
        shapes="x (…, d), h (…, n), W (d, n), U (n, n), b (n)",
        source="Elman 1990, Finding structure in time",
    ),
    Layer(
        name="lstm_cell",
        arguments=("x", "h", "c", "W", "U", "b"),
        body=(
            ("s", "x @ W + h @ U + b"),
            ("i", "sigmoid(chunk(s, 0, 4))"),
            ("f", "sigmoid(chunk(s, 1, 4))"),
            ("g", "tanh(chunk(s, 2, 4))"),
            ("o", "sigmoid(chunk(s, 3, 4))"),
            ("c1", "f * c + i * g"),
            ("h1", "o * tanh(c1)"),
        ),
        results=("h1", "c1"),
        shapes="x (…, d), h and c (…, n), W (d, 4*n), U (n, 4*n), b (4*n); gates in the order i, f, g, o",
        source="Hochreiter & Schmidhuber 1997; forget gate after Gers et al. 2000",
    ),
    Layer(
        name="gru_cell",
        arguments=("x", "h", "W", "U", "b"),
        body=(
            ("s", "x @ W + b"),
            ("u", "h @ U"),
            ("r", "sigmoid(chunk(s, 0, 3) + chunk(u, 0, 3))"),
            ("z", "sigmoid(chunk(s, 1, 3) + chunk(u, 1, 3))"),
            ("n", "tanh(chunk(s, 2, 3) + r * chunk(u, 2, 3))"),
            ("h1", "(1 - z) * n + z * h"),
        ),
        results=("h1",),
        shapes="x (…, d), h (…, n), W (d, 3*n), U (n, 3*n), b (3*n); gates in the order r, z, n",
        source="Cho et al. 2014, with the reset after the product",
    ),
    Layer(
        name="layer_norm",
        arguments=("x", "gamma", "beta"),
        options={"eps": "1e-5"},
        body=(
            ("mu", "mean(x, -1)"),
            ("v", "mean((x - mu)**2, -1)"),
            ("xhat", "(x - mu) / sqrt(v + eps)"),
            ("y", "gamma * xhat + beta"),
        ),
        results=("y",),
        shapes="x (…, d), gamma (d), beta (d); over the last axis",
        source="Ba, Kiros & Hinton 2016, Layer normalization",
    ),
    Layer(
        name="batch_norm",
        arguments=("x", "gamma", "beta"),
        options={"eps": "1e-5"},
        body=(
            ("mu", "mean(x, 0)"),
            ("v", "mean((x - mu)**2, 0)"),
            ("xhat", "(x - mu) / sqrt(v + eps)"),
            ("y", "gamma * xhat + beta"),
        ),
        results=("y",),
        shapes="x (N, …), gamma and beta of its other axes; over the first axis",
        source="Ioffe & Szegedy 2015, Batch normalization",
    ),
    Layer(
        name="attention",
        arguments=("q", "k", "v"),
        body=(
            ("s", "q @ k.T / sqrt(extent(k, -1))"),
            ("p", "softmax(s, -1)"),
            ("y", "p @ v"),
        ),
        results=("y",),
        shapes="q (T, d), k (S, d), v (S, h)",
        source="Vaswani et al. 2017, Attention is all you need, section 3.2.1",
    ),
)

LAYER: Mapping[str, Layer] = {row.name: row for row in _ROWS}
assert len(LAYER) == len(_ROWS), "two layers of one name"  # noqa: S101


def names() -> tuple[str, ...]:
    """Names of all rows, sorted.

    >>> names()
    ('attention', 'batch_norm', 'dense', 'gru_cell', 'layer_norm', 'lstm_cell', 'rnn_cell')
    """
    return tuple(sorted(LAYER))
