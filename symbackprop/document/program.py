"""The listing: of the generated module what mirrors the handout, the forward and the backward pass."""

from __future__ import annotations

import ast
import textwrap
from typing import TYPE_CHECKING

from symbackprop.document.blocks import Block, Code, Heading, Listing, Paragraph, Span
from symbackprop.document.opening import CODE, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHOWN = ("forward", "loss_and_gradients")
"""Functions that mirror the handout; what they call is shown with them."""
OTHERS = ("gradient_step", "flatten", "train")
"""Public functions that are left out and named."""
CUT = "\n# -----"
"""Where checks of arguments and of the module begin."""


def section(code: str, *, full: bool = True) -> list[Block]:
    """The listing, with a sentence on what is left out where the handout is a full one; nothing without code."""
    if not code:
        return []
    names: list[Span] = [Code(name) for name in OTHERS if f"\ndef {name}(" in code]
    left_out = ("Checks of arguments, ", *listed([*names, "the check of the module itself"]), " are left out here.")
    if not full:
        return [Heading(1, (CODE,)), Listing(shown(code))]
    return [
        Heading(1, (CODE,)),
        Paragraph(("One line for each formula, with its number and the shape of the result. ", *left_out)),
        Listing(shown(code)),
    ]


def shown(code: str) -> str:
    """The imports of a module, its forward and backward pass, and the short functions that they call.

    Raises: SyntaxError where the text is no Python.
    """
    kept, _, _ = code.partition(CUT)
    tree = ast.parse(kept)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    wanted = set(SHOWN)
    todo = list(SHOWN)
    while todo:
        for name in _called(functions[todo.pop()]):
            if name in functions and name not in wanted:
                wanted.add(name)
                todo.append(name)
    lines = kept.splitlines()
    imports = [lines[node.lineno - 1] for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    parts = ["\n".join(_text(node, lines)) for node in functions.values() if node.name in wanted]
    return "\n\n".join(["\n".join(imports), *parts]) + "\n"


def _text(node: ast.FunctionDef, lines: Sequence[str]) -> list[str]:
    """The lines of a function, of its docstring the first."""
    first, last = _start(node) - 1, node.end_lineno or node.lineno
    said = node.body[0]
    if ast.get_docstring(node) is None or said.end_lineno is None or said.end_lineno == said.lineno:
        return list(lines[first:last])
    return [*lines[first : said.lineno - 1], f'{lines[said.lineno - 1]}"""', *lines[said.end_lineno : last]]


def _start(node: ast.FunctionDef) -> int:
    """The first line of a function, its decorators included."""
    return min([node.lineno, *(each.lineno for each in node.decorator_list)])


def _called(node: ast.AST) -> Iterator[str]:
    """Names that a function mentions."""
    return (each.id for each in ast.walk(node) if isinstance(each, ast.Name))


def backward(code: str) -> tuple[str, list[str], str]:
    """The gradient function of a module up to its backward pass, the lines of that without comments, and the rest."""
    start = code.index("def loss_and_gradients(")
    first = code.index("\n\n", code.index(" = forward(", start))
    last = code.index("\n\n    gradients = {", first)
    end = code.index("\n\n\n", last)
    lines = [line.partition("  #")[0].rstrip() for line in code[first + 2 : last].splitlines()]
    return code[start:first], textwrap.dedent("\n".join(lines)).splitlines(), code[last + 2 : end]
