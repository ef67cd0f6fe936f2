"""Presets: one TOML file each, read into a checked, frozen type.

The keys of a file are the fields of ``Preset`` and of the tables below; an unknown one is an error that names the
nearest. A file that breaks a rule cannot be loaded, so printers and readers have nothing to doubt.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

from symbackprop.derivation import Choices
from symbackprop.errors import SpecError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT = "deltas"
"""The notation of a network that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """How arrays lie: vectors as columns or rows, examples as rows or columns, weights output- or input-first."""

    vectors: Literal["columns", "rows"] = "columns"
    examples: Literal["columns", "rows"] = "columns"
    weights: Literal["output-first", "input-first"] = "output-first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Families:
    """Where a layer or time index stands: ``W_i``, ``W^{(l)}``, ``W^{l}``; some letters may stand elsewhere."""

    place: Literal["subscript", "superscript"] = "superscript"
    open: str = "("
    close: str = ")"
    in_subscript: tuple[str, ...] = ()
    letters: tuple[str, ...] = ("l", "t", "k", "m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names without a spelling of the author's.

    ``numbers``: where a trailing number goes; ``lowercase_elements``: ``W`` has elements ``w``; ``examples``: where the
    number of the example stands, ``x_{ei}`` or ``x_i^{(e)}``.
    """

    numbers: Literal["subscript", "superscript", "bracketed"] = "subscript"
    lowercase_elements: bool = False
    examples: Literal["subscript", "superscript"] = "subscript"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """Signs of operations, as LaTeX. ``outer`` "transpose" writes the outer product as a column times a row."""

    hadamard: str = "\\odot"
    outer: str = "transpose"
    transpose: str = "\\top"
    slope: Literal["prime", "dot"] = "prime"
    sums: Literal["limits", "index"] = "limits"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjointName:
    """A rule for the names of error signals; the first that fits a tensor is used, a derivative where none does.

    ``of``: which tensors, as a name with at most one ``*``; ``role`` "pre-activation" takes only arguments of
    activations. Then one of ``suffix`` (in place of what follows the star), ``append`` (one more word in the
    subscript) and ``letter`` (the tensor's indices on another letter).
    """

    of: str = "*"
    role: Literal["", "pre-activation"] = ""
    suffix: str = ""
    append: str = ""
    letter: str = ""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.suffix, self.append, self.letter))) != 1:
            message = "a rule for names of adjoints needs exactly one of suffix, append and letter"
            raise SpecError(message)

    def fits(self, tensor: str) -> bool:
        """True where the name is of the rule's form."""
        head, star, tail = self.of.partition("*")
        if not star:
            return tensor == self.of
        return len(tensor) > len(head) + len(tail) and tensor.startswith(head) and tensor.endswith(tail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Indices:
    """Letters of elements: what the first element is called, and the letters to take, in order.

    ``layers``, where given, are the letters of units of the previous, this and the next layer.
    """

    base: int = 1
    layers: tuple[str, ...] = ()
    letters: tuple[str, ...] = ("i", "j", "k", "m", "p", "q", "r", "s", "u", "v")
    examples: tuple[str, ...] = ("e", "n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A notation. ``title``, ``description`` and ``example`` (LaTeX) are for people."""

    name: str
    title: str
    description: str
    example: str
    orientation: Orientation
    families: Families
    names: Names
    signs: Signs
    indices: Indices
    choices: Choices
    adjoints: tuple[AdjointName, ...] = ()

    def __post_init__(self) -> None:
        if self.choices.pull != "none" and not any(rule.of == "*" and not rule.role for rule in self.adjoints):
            message = (
                f"notation '{self.name}': signals without their constant are no derivatives, "
                "so a rule must name every one of them"
            )
            raise SpecError(message)


_CHOICES = {
    "signals": ("activation", "all", "pre-activation"),
    "pull": ("all", "batch", "none"),
    "slopes": ("output", "prime"),
}
_TABLES: dict[str, Any] = {
    "orientation": Orientation,
    "families": Families,
    "names": Names,
    "signs": Signs,
    "indices": Indices,
    "choices": Choices,
}


@cache
def names() -> tuple[str, ...]:
    """All presets, sorted.

    >>> names()
    ('columns', 'deltas', 'rows', 'scalar', 'subscript-layers', 'superscript-names')
    """
    return tuple(
        sorted(f.name.removesuffix(".toml") for f in resources.files(__package__).iterdir() if f.name.endswith(".toml"))
    )


@cache
def load(name: str | None = None) -> Preset:
    """The preset of that name; the default one for None.

    >>> load("rows").orientation.examples
    'rows'

    Raises: SpecError for an unknown name, with the nearest known ones.
    """
    name = name or DEFAULT
    if name not in names():
        message = f"no notation '{name}'; {nearest(name, names())}"
        raise SpecError(message)
    text = resources.files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return loads(text, name)


def loads(text: str, name: str) -> Preset:
    """A preset from the text of its file."""
    table = tomllib.loads(text)
    rules = tuple(AdjointName(**_checked(rule, AdjointName, name)) for rule in table.pop("adjoints", []))
    parts = {key: kind(**_checked(table.pop(key, {}), kind, name)) for key, kind in _TABLES.items()}
    _known(table, ("title", "description", "example"), name)
    missing = [key for key in ("title", "description", "example") if key not in table]
    if missing:
        message = f"notation '{name}' has no {missing[0]}"
        raise SpecError(message)
    return Preset(name=name, adjoints=rules, **table, **parts)


def _known(table: Iterable[str], known: Iterable[str], name: str) -> None:
    known = tuple(known)
    for key in table:
        if key not in known:
            message = f"notation '{name}': unknown key '{key}'; {nearest(key, known)}"
            raise SpecError(message)


def _checked(table: dict[str, Any], kind: Any, name: str) -> dict[str, Any]:
    """The table with lists as tuples; its keys and the closed sets of values checked."""
    _known(table, [f.name for f in fields(kind)], name)
    closed = _CHOICES if kind is Choices else {k: get_args(hint) for k, hint in get_type_hints(kind).items()}
    for key, value in table.items():
        allowed = [each for each in closed.get(key, ()) if isinstance(each, str)]
        if allowed and value not in allowed:
            place = next((title for title, own in _TABLES.items() if own is kind), "adjoints")
            message = f"notation '{name}': {place}.{key} is '{value}'; known: {', '.join(sorted(allowed))}"
            raise SpecError(message)
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
