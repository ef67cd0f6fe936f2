"""A network file in its canonical text: what is read from it is the same network again."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.spec.declared import Declared, Shape

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}


def network_file(declared: Declared, batch: str | None) -> str:
    """The network in full as TOML, keys and tables in one fixed order.

    The forward text is kept as it was written, less common indentation; the batch axis is named where there is one.
    """
    lines = [f"name = {quoted(declared.name)}", f"title = {quoted(declared.title)}"]
    if declared.notation is not None:
        lines.append(f"notation = {quoted(declared.notation)}")
    lines.append(f"loss = {quoted(declared.loss)}")
    lines.append(f"parameters = [{', '.join(map(quoted, declared.parameters))}]")
    if batch is not None:
        lines.append(f"batch = {quoted(batch)}")
    lines += ["", f"forward = {_block(declared.forward)}"]
    shapes = {_family(name, shape.letters): quoted(_axes(shape)) for name, shape in declared.shapes.items()}
    functions = {_family(name, "lmnopq"[:count]): quoted(text) for name, (count, text) in declared.functions.items()}
    latex = {key: _spellings(texts) for key, texts in declared.latex.items()}
    for title, table in (
        ("indices", {key: quoted(text) for key, text in declared.indices.items()}),
        ("shapes", shapes),
        ("sizes", {key: _numbers(value) for key, value in declared.sizes.items()}),
        ("functions", functions),
        ("facts", {key: quoted(text) for key, text in declared.facts.items()}),
        ("outside", {key: str(value) for key, value in declared.outside.items()}),
        ("latex", latex),
    ):
        if table:
            lines += ["", f"[{title}]", *(f"{_key(key)} = {value}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    r"""A TOML basic string.

    >>> print(quoted('a "b" \\hat'))
    "a \"b\" \\hat"
    """
    shown = "".join(_ESCAPES.get(c, c if c.isprintable() else f"\\U{ord(c):08X}") for c in text)
    return f'"{shown}"'


def _key(key: str) -> str:
    return key if _BARE.match(key) else quoted(key)


def _family(name: str, letters: tuple[str, ...] | str) -> str:
    return name + "".join(f"[{letter}]" for letter in letters)


def _axes(shape: Shape) -> str:
    words = [str(axis) for axis in shape.axes]
    if shape.below is not None:
        words.append(f"int<{shape.below}")
    return " ".join(words)


def _numbers(value: int | Mapping[int, int]) -> str:
    if isinstance(value, int):
        return str(value)
    if list(value) == list(range(len(value))):
        return f"[{', '.join(map(str, value.values()))}]"
    return f"{{ {', '.join(f'{_key(str(k))} = {v}' for k, v in value.items())} }}"


def _spellings(texts: tuple[str, ...]) -> str:
    return quoted(texts[0]) if len(texts) == 1 else f"[{', '.join(map(quoted, texts))}]"


def _block(text: str) -> str:
    body = textwrap.dedent("\n".join(line.rstrip() for line in text.split("\n"))).strip("\n")
    lines = [quoted(line.expandtabs(4))[1:-1].replace('\\"', '"') for line in body.split("\n")]
    safe = "\n".join(line.replace('"""', '""\\"') for line in lines)
    return f'"""\n{safe}\n"""'
