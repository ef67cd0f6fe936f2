"""Names a network may use: ASCII identifiers that are safe in Python, in NumPy code and on paper."""

from __future__ import annotations

import keyword
import re
import sys
import unicodedata
from typing import TYPE_CHECKING

from symbackprop.errors import nearest
from symbackprop.spec import limits

if TYPE_CHECKING:
    from collections.abc import Iterable

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_THIRD_PARTY = frozenset({"numpy", "sympy", "scipy", "jinja2", "lark", "click", "rich", "symbackprop", "torch", "jax"})


def look_alike(text: str) -> str | None:
    """What the first non-ASCII character of ``text`` is, or None.

    >>> look_alike("w\u0430")
    "'а' is U+0430 CYRILLIC SMALL LETTER A"
    """
    for character in text:
        if not character.isascii():
            return f"'{character}' is U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"
    return None


def name_problem(name: object, what: str) -> str | None:
    """Why ``name`` cannot name ``what`` (a tensor, a size, …), or None where it can.

    >>> name_problem("W1", "a tensor"), name_problem("class", "a tensor")
    (None, "'class' cannot name a tensor: it is a keyword of Python")
    """
    if not isinstance(name, str):
        return f"the name of {what} must be text, not {type(name).__name__}"
    shown = name if len(name) <= 40 else name[:37] + "…"  # noqa: PLR2004
    reason = None
    other = look_alike(name)
    if other:
        reason = f"{other}; names are ASCII letters, digits and _"
    elif not _IDENTIFIER.match(name):
        reason = "names are ASCII letters, digits and _, and do not start with a digit"
    elif len(name) > limits.NAME_LENGTH:
        reason = f"it is longer than {limits.NAME_LENGTH} characters"
    elif keyword.iskeyword(name):
        reason = "it is a keyword of Python"
    elif name.startswith("__"):
        reason = "names that start with two underscores belong to Python"
    elif set(name) == {"_"} or re.match(r"_\d", name):
        reason = "this name is kept for placeholders"
    return f"'{shown}' cannot name {what}: {reason}" if reason else None


def module_problem(name: object) -> str | None:
    """Why ``name`` cannot name the generated module, or None.

    >>> module_problem("random")
    "'random' cannot name a network: the generated random.py would hide the module 'random'"
    """
    problem = name_problem(name, "a network")
    if problem is None and isinstance(name, str) and (name in sys.stdlib_module_names or name in _THIRD_PARTY):
        return f"'{name}' cannot name a network: the generated {name}.py would hide the module '{name}'"
    return problem


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """``no <what> 'name'`` with the nearest known one."""
    return f"no {what} '{name}'; {nearest(name, known)}"
