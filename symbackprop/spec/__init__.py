"""Network files, the ``mlp:`` shorthand and parts from Python: each gives the same checked ``Network``.

    load("net.toml"), load("mlp:4-2-3")     a file or a shorthand
    loads(text)                             the text of a network file
    network(name=…, forward=…, …)           its parts as Python objects

Text is parsed and never evaluated. What cannot be understood is a ``SpecError`` with place and remedy.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from symbackprop.spec.build import build
from symbackprop.spec.shorthand import is_shorthand, write_mlp
from symbackprop.spec.source import Source, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from symbackprop.network import Network

__all__ = ["load", "loads", "network"]


def load(source: str | Path) -> Network:
    """The network of a file, or of a shorthand such as ``mlp:4-2-3``.

    Raises: SpecError.

    >>> net = load("mlp:4-2-3")
    >>> net.parameters, net.batch, [str(e) for e in net.equations][0]
    (('W1', 'b1', 'W2', 'b2'), 'N', 'z1[e, j] = Sum(X[e, i]*W1[i, j], i) + b1[j]')
    """
    if isinstance(source, str) and is_shorthand(source):
        return loads(write_mlp(source), source=source)
    return loads(read_text(Path(source)), source=str(source))


def loads(text: str, *, source: str = "") -> Network:
    """The network of a network file's text; ``source`` names it in messages.

    Raises: SpecError.
    """
    origin = Source(source, text.replace("\r\n", "\n").replace("\r", "\n"))
    return build(origin.parse(), origin)


def network(
    *, name: str, forward: str, loss: str, parameters: Sequence[str], shapes: Mapping[str, str], **tables: Any
) -> Network:
    """A network from the parts of a network file; ``tables`` are its other keys and tables.

    Raises: SpecError; line and column count in ``forward``.

    >>> net = network(name="line", forward="C = sum((X @ w - y)**2)", loss="C", parameters=["w"],
    ...               shapes={"X": "N d", "w": "d", "y": "N"})
    >>> print(*net.equations, sep="; ")
    r[e] = Sum(X[e, i]*w[i], i) - y[e]; C = Sum((r[e]**2), e)
    """
    data = {
        "name": name,
        "forward": forward,
        "loss": loss,
        "parameters": list(parameters),
        "shapes": dict(shapes),
        **tables,
    }
    return build(data, Source(name=""))
