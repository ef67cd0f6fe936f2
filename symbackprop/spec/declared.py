"""The tables of a network file, each checked on its own: what is declared, before the forward text is understood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from symbackprop.affine import Affine, Var
from symbackprop.spec import limits
from symbackprop.spec.forms import NotAffineError, affine_of, size_atom
from symbackprop.spec.names import module_problem, name_problem, unknown
from symbackprop.spec.syntax import parse_expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from symbackprop.spec.source import Source

KEYS = ("name", "title", "notation", "loss", "parameters", "batch", "forward")
TABLES = ("shapes", "sizes", "indices", "functions", "facts", "latex", "outside")
KINDS = ("opaque", "opaque loss")


@dataclass(frozen=True, slots=True)
class Shape:
    """An entry of ``[shapes]``: family letters, axes (which may mention them), bound of an integer tensor."""

    letters: tuple[str, ...]
    axes: tuple[Affine, ...]
    below: Affine | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """A network file's contents with known types; names are checked, relations between tables are not yet."""

    name: str
    title: str
    notation: str | None
    loss: str
    parameters: tuple[str, ...]
    batch: Affine | None
    forward: str
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    sizes: Mapping[str, int | Mapping[int, int]] = field(default_factory=dict)
    indices: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Name to (number of layer indices, kind or formula)."""
    facts: Mapping[str, str] = field(default_factory=dict)
    latex: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outside: Mapping[str, int] = field(default_factory=dict)


def read_tables(data: Mapping[str, Any], source: Source) -> Declared:
    """A parsed TOML document as ``Declared``.

    Raises: SpecError for unknown keys (with the nearest known one), wrong types and names that cannot be used.
    """
    reader = _Reader(data, source)
    reader.check_keys()
    return Declared(
        name=reader.module_name(),
        title=reader.title(),
        notation=reader.text("notation", None),
        loss=reader.loss(),
        parameters=reader.parameters(),
        batch=reader.batch(),
        forward=reader.text("forward"),
        shapes=reader.shapes(),
        sizes=reader.sizes(),
        indices=reader.indices(),
        functions=reader.functions(),
        facts=reader.facts(),
        latex=reader.latex(),
        outside=reader.outside(),
    )


class _Reader:
    def __init__(self, data: Mapping[str, Any], source: Source) -> None:
        self.data, self.source = data, source

    def fail(self, message: str, key: str, table: str | None = None) -> Exception:
        error = self.source.error(message)
        error.line = self.source.key_line(key, table)
        return error

    def check_keys(self) -> None:
        for key, value in self.data.items():
            if key in KEYS or key in TABLES:
                if isinstance(value, dict) != (key in TABLES):
                    wanted = "a table, [" + key + "]" if key in TABLES else "a value"
                    message = f"'{key}' must be {wanted}"
                    raise self.fail(message, key)
                continue
            what = "table" if isinstance(value, dict) else "key"
            known = TABLES if isinstance(value, dict) else KEYS
            error = self.fail(unknown(what, key, known), key)
            raise error
        for key in ("name", "loss", "parameters", "forward"):
            if key not in self.data:
                message = f"'{key}' is missing; a network file needs name, loss, parameters and forward"
                raise self.source.error(message)

    def text(self, key: str, *default: str | None) -> Any:
        value = self.data.get(key, *default)
        if value is not None and not isinstance(value, str):
            message = f"'{key}' must be text in quotes, not {_kind(value)}"
            raise self.fail(message, key)
        return value

    def module_name(self) -> str:
        name = self.text("name")
        problem = module_problem(name)
        if problem:
            raise self.fail(problem, "name")
        return str(name)

    def title(self) -> str:
        title = self.text("title", None)
        if title is None:
            return str(self.data["name"])
        if not title.isprintable() or len(title) > 500:  # noqa: PLR2004
            message = "'title' must be one line of at most 500 printable characters"
            raise self.fail(message, "title")
        return str(title)

    def loss(self) -> str:
        loss = self.text("loss")
        problem = name_problem(loss, "the loss")
        if problem:
            raise self.fail(problem, "loss")
        return str(loss)

    def parameters(self) -> tuple[str, ...]:
        value = self.data["parameters"]
        if not isinstance(value, list) or not all(isinstance(p, str) for p in value):
            message = '\'parameters\' must be a list of names, as in ["W1", "W2"]'
            raise self.fail(message, "parameters")
        if not value:
            message = "'parameters' is empty; name the tensors to differentiate by"
            raise self.fail(message, "parameters")
        for name in value:
            problem = name_problem(name, "a parameter")
            if problem:
                raise self.fail(problem, "parameters")
            if value.count(name) > 1:
                message = f"parameter '{name}' is listed twice"
                raise self.fail(message, "parameters")
        return tuple(value)

    def batch(self) -> Affine | None:
        text = self.text("batch", None)
        return None if text is None else self.form(text, frozenset(), "batch")

    def form(self, text: Any, letters: Iterable[str], what: str, table: str | None = None) -> Affine:
        """An affine form from text such as ``n[l-1]``."""
        if isinstance(text, int) and not isinstance(text, bool):
            text = str(text)
        if not isinstance(text, str):
            message = f"{what} must be text in quotes, not {_kind(text)}"
            raise self.fail(message, what, table)
        where = f"[{table}] {what}" if table else what
        node = parse_expression(text, self.source, where)
        try:
            return affine_of(node, size_atom(frozenset(letters)))
        except NotAffineError as error:
            message = f"{where} = '{text[:60]}': {error}"
            raise self.fail(message, what, table) from None

    def table(self, name: str) -> Mapping[str, Any]:
        found = self.data.get(name, {})
        assert isinstance(found, dict), "kinds of keys are checked first"  # noqa: S101
        return found

    def family_key(self, key: str, table: str, what: str) -> tuple[str, tuple[str, ...]]:
        """``W[l]`` as ("W", ("l",))."""
        name, *rest = key.split("[")
        letters = [part.removesuffix("]") for part in rest]
        if not all(part.endswith("]") for part in rest):
            message = f"[{table}] '{key[:60]}': a family is written with its letter, as in \"W[l]\""
            raise self.fail(message, key, table)
        problem = name_problem(name, what)
        for letter in letters:
            problem = problem or name_problem(letter, "an index")
        if problem is None and len(set(letters)) < len(letters):
            problem = f"[{table}] '{key}': each index of a family needs its own letter"
        if problem:
            raise self.fail(problem, key, table)
        return name, tuple(letters)

    def shapes(self) -> dict[str, Shape]:
        found: dict[str, Shape] = {}
        for key, text in self.table("shapes").items():
            name, letters = self.family_key(key, "shapes", "a tensor")
            if name in found:
                message = f"[shapes] has two entries for '{name}'"
                raise self.fail(message, key, "shapes")
            if not isinstance(text, str):
                message = f'[shapes] {key} must be text such as "N d" ("" for a scalar), not {_kind(text)}'
                raise self.fail(message, key, "shapes")
            words = text.split()
            below = None
            if words and words[-1].startswith("int") and (words[-1] == "int" or words[-1][3] == "<"):
                if len(words[-1]) <= len("int<"):
                    message = f"[shapes] {key} = '{text}': integers need a bound, as in 'N int<K'"
                    raise self.fail(message, key, "shapes")
                below = self.form(words[-1].removeprefix("int<"), letters, key, "shapes")
                words = words[:-1]
            axes = tuple(self.form(word, letters, key, "shapes") for word in words)
            found[name] = Shape(letters, axes, below)
        return found

    def sizes(self) -> dict[str, int | Mapping[int, int]]:
        found: dict[str, int | Mapping[int, int]] = {}
        for key, value in self.table("sizes").items():
            problem = name_problem(key, "a size")
            if problem:
                raise self.fail(problem, key, "sizes")
            if isinstance(value, list):
                found[key] = {k: self.whole(v, f"{key}[{k}]", key) for k, v in enumerate(value)}
            elif isinstance(value, dict):
                found[key] = {self.position(k, key): self.whole(v, f"{key}[{k}]", key) for k, v in value.items()}
            else:
                found[key] = self.whole(value, key, key, least=0)
        return found

    def position(self, text: object, key: str) -> int:
        text = str(text)  # from Python, layers may be numbers
        if not text.lstrip("-").isdigit() or len(text) > 6:  # noqa: PLR2004
            message = f"[sizes] {key}: '{text}' is not a layer number"
            raise self.fail(message, key, "sizes")
        return int(text)

    def whole(self, value: Any, what: str, key: str, least: int = 1) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            message = f"[sizes] {what} = {_shown(value)}: a size is a whole number from 1 up"
            raise self.fail(message, key, "sizes")
        if value > limits.SIZE:
            message = f"[sizes] {what} = {_shown(value)} is beyond the limit of 10^12"
            raise self.fail(message, key, "sizes")
        return value

    def indices(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, value in self.table("indices").items():
            problem = name_problem(key, "an index")
            if problem:
                raise self.fail(problem, key, "indices")
            text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
            if not isinstance(text, str):
                message = f'[indices] {key} must be a size in quotes, as in e = "N"'
                raise self.fail(message, key, "indices")
            found[key] = text
        return found

    def functions(self) -> dict[str, tuple[int, str]]:
        found: dict[str, tuple[int, str]] = {}
        for key, value in self.table("functions").items():
            name, letters = self.family_key(key, "functions", "a function")
            if not isinstance(value, str):
                kinds = '"opaque", "opaque loss" or a formula in x'
                message = f"[functions] {key} must be {kinds}"
                raise self.fail(message, key, "functions")
            if name in found:
                message = f"[functions] has two entries for '{name}'"
                raise self.fail(message, key, "functions")
            if letters and value != "opaque":
                message = f"[functions] {key}: only an opaque function can differ by layer"
                raise self.fail(message, key, "functions")
            found[name] = (len(letters), value)
        return found

    def facts(self) -> dict[str, str]:
        for key, value in self.table("facts").items():
            if not isinstance(value, str):
                message = f"[facts] {key} must be text, as in \"sum(Y, 'o') == 1\""
                raise self.fail(message, key, "facts")
        return dict(self.table("facts"))

    def latex(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for key, value in self.table("latex").items():
            spellings = value if isinstance(value, list) else [value]
            if not spellings or not all(isinstance(s, str) for s in spellings):
                message = f"[latex] {key} must be text or a list of texts"
                raise self.fail(message, key, "latex")
            found[key] = tuple(spellings)
        return found

    def outside(self) -> dict[str, int]:
        for key, value in self.table("outside").items():
            if isinstance(value, bool) or value != 0:
                message = f"[outside] {key} = {_shown(value)}: elements outside a tensor can be 0 only"
                raise self.fail(message, key, "outside")
        return dict.fromkeys(self.table("outside"), 0)


def _kind(value: object) -> str:
    return {"str": "text", "int": "a number", "float": "a number", "bool": "true or false", "list": "a list",
            "dict": "a table"}.get(type(value).__name__, type(value).__name__)  # fmt: skip


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else text[:21] + "…"  # noqa: PLR2004


def size_names(forms: Iterable[Affine]) -> set[str]:
    """Names of all sizes in the forms."""
    found: set[str] = set()
    for form in forms:
        found |= form.sizes
    return found


def free_letters(forms: Iterable[Affine]) -> set[str]:
    """Names of all running indices in the forms."""
    found: set[str] = set()
    for form in forms:
        found |= {atom.name for atom, _ in form.terms if isinstance(atom, Var)}
    return found
