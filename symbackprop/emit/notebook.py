"""A handout as a Jupyter notebook that runs: text with mathematics, the module in cells, its gradient check at the end.

``write(document, printer, code)`` gives a notebook (nbformat 4.5) that needs NumPy alone. ``printer`` has the
target "markdown", ``code`` is the generated module. The same document gives the same bytes.
"""

from __future__ import annotations

import ast
import base64
import json
from typing import TYPE_CHECKING, Any

from symbackprop.document import blocks as b
from symbackprop.document import program
from symbackprop.emit.compose import Composer
from symbackprop.emit.drawing_svg import svg
from symbackprop.emit.markdown import MarkdownWriter, escape, front

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.emit.mathtext import Printer

RULE = "\n# -----"
"""What the parts of a module begin with, after the one that mirrors the handout."""
SCRIPT = '\nif __name__ == "__main__":'
RUN = "assert main() == 0"
"""Runs the module's own check, which prints a line for each parameter; the cell fails where a gradient is wrong."""
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def write(document: b.Document, printer: Printer, drawer: Printer, code: str) -> str:
    """The document as the text of a notebook; ``drawer`` writes MathML."""
    writer = _Writer(printer, Composer(drawer), code)
    writer.number(document.blocks)
    writer.text_cell(front(document))
    writer.sections_of(document.blocks)
    notebook = {"cells": writer.cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def parts_of(code: str, shown: str) -> tuple[str, str]:
    """What a module has besides the functions that are shown, and its check without the call of it."""
    kept, rule, check = code.partition(SCRIPT)[0].rpartition(RULE)
    names = {node.name for node in ast.parse(shown).body if isinstance(node, ast.FunctionDef)}
    lines = kept.splitlines()
    parts = [
        "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for node in ast.parse(kept).body
        if isinstance(node, ast.Assign) or (isinstance(node, ast.FunctionDef) and node.name not in names)
    ]
    return "\n\n\n".join(parts), (rule + check).strip()


class _Writer(MarkdownWriter):
    """Blocks to cells."""

    def __init__(self, printer: Printer, drawer: Composer, code: str) -> None:
        super().__init__(printer)
        self.drawer = drawer
        self.pictures: dict[str, dict[str, str]] = {}
        self.cells: list[dict[str, Any]] = []
        self.module, self.check = code, ""

    def sections_of(self, blocks: Sequence[b.Block]) -> None:
        """A cell of text for each section, cut where code runs."""
        waiting: list[b.Block] = []
        for block in blocks:
            if isinstance(block, b.Heading) and block.level == 1:
                self.text_cell(self.blocks(waiting))
                waiting = []
            if self.module and isinstance(block, b.Listing) and block.text == program.shown(self.module):
                self.text_cell(self.blocks(waiting))
                waiting = []
                rest, self.check = parts_of(self.module, block.text)
                self.code_cell(block.text.rstrip())
                self.text_cell(["And this is what was left out, except the check of the module itself:"])
                self.code_cell(rest)
                continue
            waiting.append(block)
            if self.check and isinstance(block, b.Table) and block.label == "check":
                said = "The module has a check of its own, against central differences. Run it:"
                self.text_cell([*self.blocks(waiting), said])
                waiting = []
                self.code_cell(f"{self.check}\n\n\n{RUN}")
        self.text_cell(self.blocks(waiting))

    def text_cell(self, parts: Sequence[str]) -> None:
        """A cell of Markdown; none without a text."""
        more = {"attachments": self.pictures} if self.pictures else {}
        self.pictures = {}
        if parts:
            self.add("markdown", "\n\n".join(parts), **more)

    def picture(self, block: b.Figure) -> str:
        """A drawing, attached to the cell."""
        name = f"{block.label}.svg"
        drawn = svg(block.drawing, self.drawer, block.alt, alone=True)
        self.pictures[name] = {"image/svg+xml": base64.b64encode(drawn.encode()).decode("ascii")}
        return f"![{escape(block.alt)}](attachment:{name})"

    def code_cell(self, text: str) -> None:
        """A cell that has not been run."""
        self.add("code", text, execution_count=None, outputs=[])

    def add(self, kind: str, text: str, **more: Any) -> None:
        """A cell with its name, its text in lines."""
        source = text.splitlines(keepends=True)
        name = f"cell-{len(self.cells) + 1}"
        self.cells.append({"cell_type": kind, "id": name, "metadata": {}, **more, "source": source})
