"""``mlp:4-2-3`` and the like: a network file written from one line.

    mlp:WIDTHS[,activation[,output activation[,loss]]]

Widths from the input to the output; each layer has a weight matrix (input-first) and a bias, examples are rows.
Without more words: ``sigmoid`` in the hidden layers; ``identity`` at the output with ``mse``. With ``softmax`` at the
output the loss is ``cross_entropy``, with ``sigmoid`` there ``binary_cross_entropy``, unless another is named.
"""

from __future__ import annotations

import re

from symbackprop.errors import SpecError, nearest
from symbackprop.spec import limits
from symbackprop.tables import activations, losses

PREFIX = "mlp:"
USAGE = "mlp:4-2-3 or mlp:784-100-10,sigmoid,softmax,cross_entropy"
_BATCH = 5
_LOSS = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}


def is_shorthand(source: str) -> bool:
    """True for text that stands for a network by itself."""
    return source.startswith(PREFIX)


def write_mlp(source: str) -> str:
    """The network file that a shorthand stands for.

    Raises: SpecError for widths, activations or losses that are none.

    >>> print(write_mlp("mlp:4-2-3").split("[shapes]")[0].strip())
    name = "mlp_4_2_3"
    title = "A 4-2-3 network"
    loss = "C"
    parameters = ["W1", "b1", "W2", "b2"]
    batch = "N"
    <BLANKLINE>
    forward = \"\"\"
    z1 = X @ W1 + b1
    a1 = sigmoid(z1)
    yhat = a1 @ W2 + b2
    C = mse(yhat, y)
    \"\"\"
    """
    words = source.removeprefix(PREFIX).split(",")
    widths = _widths(words[0], source)
    hidden, output, loss = _functions(words[1:], source)
    layers = len(widths) - 1
    lines: list[str] = []
    shapes = ['X = "N n0"']
    before = "X"
    for k in range(1, layers + 1):
        last = k == layers
        function = output if last else hidden
        product = f"{before} @ W{k} + b{k}"
        result = "yhat" if last else f"a{k}"
        if function == "identity":
            lines.append(f"{result} = {product}")
        else:
            lines.append(f"z{k} = {product}")
            argument = f'z{k}, "n{k}"' if function == "softmax" else f"z{k}"
            lines.append(f"{result} = {function}({argument})")
        shapes += [f'W{k} = "n{k - 1} n{k}"', f'b{k} = "n{k}"']
        before = result
    lines.append(f"C = {loss}(yhat, y)")
    shapes.append(f'y = "N n{layers}"')
    parameters = ", ".join(f'"W{k}", "b{k}"' for k in range(1, layers + 1))
    shown = "-".join(map(str, widths))
    title = f"A {shown} network" if layers <= 12 else f"A network of {layers} layers"  # noqa: PLR2004
    sizes = [f"N = {_BATCH}", *(f"n{k} = {width}" for k, width in enumerate(widths))]
    facts = ["", "[facts]", f"onehot = \"sum(y, 'n{layers}') == 1\""] if output == "softmax" else []
    name = "mlp_" + "_".join(map(str, widths))
    if len(name) > limits.NAME_LENGTH:
        name = f"mlp_{layers}_layers"
    return "\n".join([
        f'name = "{name}"', f'title = "{title}"', 'loss = "C"', f"parameters = [{parameters}]", 'batch = "N"', "",
        'forward = """', *lines, '"""', "", "[shapes]", *shapes, *facts, "", "[sizes]", *sizes, "",
    ])  # fmt: skip


def _widths(text: str, source: str) -> list[int]:
    parts = text.split("-")
    if len(parts) < 2 or not all(re.fullmatch(r"[0-9]{1,12}", p) and int(p) > 0 for p in parts):  # noqa: PLR2004
        message = f"'{text[:60]}' is no list of widths from 1 up; write for example {USAGE}"
        raise SpecError(message, source=_short(source))
    if len(parts) - 1 > limits.LAYERS:
        message = (
            f"{len(parts) - 1} layers; the limit for written-out layers is {limits.LAYERS} "
            f"(a network file with 'for l in 1..L:' has any depth)"
        )
        raise SpecError(message, source=_short(source))
    return [int(part) for part in parts]


def _functions(words: list[str], source: str) -> tuple[str, str, str]:
    if len(words) > 3:  # noqa: PLR2004
        message = f"'{words[3][:40]}' is one word too many; write for example {USAGE}"
        raise SpecError(message, source=_short(source))
    known = [n for n in activations.names() if n not in {"log", "sqrt"}]
    given = [word.strip() for word in words] + [""] * (3 - len(words))
    hidden = _known(given[0] or "sigmoid", known, "activation", source)
    output = _known(given[1] or "identity", [*known, "softmax"], "output activation", source)
    loss = _known(given[2] or _LOSS.get(output, "mse"), losses.names(), "loss", source)
    return hidden, output, loss


def _known(word: str, known: list[str] | tuple[str, ...], what: str, source: str) -> str:
    if word not in known:
        message = f"no {what} '{word[:40]}'; {nearest(word, known)}"
        raise SpecError(message, source=_short(source))
    return word


def _short(source: str) -> str:
    return source if len(source) <= 60 else source[:57] + "…"  # noqa: PLR2004
