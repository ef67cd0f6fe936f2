"""Where the Jinja2 templates are: inside the installed package, else at the root of the source tree."""

from __future__ import annotations

from pathlib import Path

from jinja2 import FileSystemLoader


def loader() -> FileSystemLoader:
    """Loads templates from the package, then from the repository."""
    package = Path(__file__).parents[1]
    return FileSystemLoader([package / "templates", package.parent / "templates"])
