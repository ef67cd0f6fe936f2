"""The one place that makes Jinja2 environments: strict about unknown names, quiet about block lines."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2

PACKAGE = Path(__file__).resolve().parent.parent

_DELIMITERS = {
    "latex": {
        "block_start_string": r"\BLOCK{",
        "block_end_string": "}",
        "variable_start_string": r"\VAR{",
        "variable_end_string": "}",
        "comment_start_string": r"\#{",
        "comment_end_string": "}",
    },
    "typst": {
        "block_start_string": "((%",
        "block_end_string": "%))",
        "variable_start_string": "((",
        "variable_end_string": "))",
        "comment_start_string": "((#",
        "comment_end_string": "#))",
    },
}
"""Delimiters of templates that the markup around them leaves alone."""


@cache
def environment(kind: str = "python") -> jinja2.Environment:
    """An environment for templates of a kind: "latex" and "typst" have delimiters of their own, "html" escapes.

    Templates lie in the package where it is installed, at the root of the repository where it is not.
    """
    delimiters = _DELIMITERS.get(kind, {})
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([PACKAGE / "templates", PACKAGE.parent / "templates"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=kind == "html",  # noqa: S701 - code and LaTeX are no HTML
        **delimiters,  # type: ignore[arg-type]
    )
