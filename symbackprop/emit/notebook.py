"""A handout as a Jupyter notebook that runs: text with mathematics, the module in cells, its gradient check at the end.

``write(document, printer, code)`` gives a notebook (nbformat 4.5) that needs NumPy alone. ``printer`` has the
target "markdown", ``code`` is the generated module. The same document gives the same bytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from symbackprop.document import blocks as b
from symbackprop.emit.markdown import MarkdownWriter, front

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


def write(document: b.Document, printer: Printer, code: str) -> str:
    """The document as the text of a notebook."""
    writer = _Writer(printer, code)
    writer.number(document.blocks)
    writer.text_cell(front(document))
    writer.sections_of(document.blocks)
    notebook = {"cells": writer.cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def parts_of(code: str) -> tuple[str, str, str]:
    """A module's part that mirrors the handout, what it needs besides, and its check without the call of it."""
    shown, *rest = code.partition(SCRIPT)[0].split(RULE)
    helpers = "".join(RULE + part for part in rest[:-1])
    check = "".join(RULE + part for part in rest[-1:])
    return shown.strip(), helpers.strip(), check.strip()


class _Writer(MarkdownWriter):
    """Blocks to cells."""

    def __init__(self, printer: Printer, code: str) -> None:
        super().__init__(printer)
        self.cells: list[dict[str, Any]] = []
        self.shown, self.helpers, self.check = parts_of(code)

    def sections_of(self, blocks: Sequence[b.Block]) -> None:
        """A cell of text for each section, cut where code runs."""
        waiting: list[b.Block] = []
        for block in blocks:
            if isinstance(block, b.Heading) and block.level == 1:
                self.text_cell(self.blocks(waiting))
                waiting = []
            if self.is_module(block):
                self.text_cell(self.blocks(waiting))
                waiting = []
                self.code_cell(self.shown)
                self.text_cell(["What the module does besides: it checks its arguments."])
                self.code_cell(self.helpers)
                continue
            waiting.append(block)
            if self.is_check(block):
                said = "The module has a check of its own, against central differences. Run it:"
                self.text_cell([*self.blocks(waiting), said])
                waiting = []
                self.code_cell(f"{self.check}\n\n\n{RUN}")
        self.text_cell(self.blocks(waiting))

    def is_module(self, block: b.Block) -> bool:
        """True for the listing of the module."""
        return isinstance(block, b.Listing) and block.text.strip() == self.shown

    def is_check(self, block: b.Block) -> bool:
        """True for the table of the gradient check, where the module is in the notebook."""
        runs = any(cell["cell_type"] == "code" for cell in self.cells)
        return runs and isinstance(block, b.Table) and block.label == "check"

    def text_cell(self, parts: Sequence[str]) -> None:
        """A cell of Markdown; none without a text."""
        if parts:
            self.add("markdown", "\n\n".join(parts))

    def code_cell(self, text: str) -> None:
        """A cell that has not been run."""
        self.add("code", text, execution_count=None, outputs=[])

    def add(self, kind: str, text: str, **more: Any) -> None:
        """A cell with its name, its text in lines."""
        source = text.splitlines(keepends=True)
        name = f"cell-{len(self.cells) + 1}"
        self.cells.append({"cell_type": kind, "id": name, "metadata": {}, **more, "source": source})
