r"""Indices in the author's text: ``w_{ij}^{(\ell)}`` with another layer, another letter, two letters exchanged.

A script is cut into runs, each an index such as ``\ell+1``; the run that stands for the old index gets the text of the
new one, with the author's letters. Everything else of the text stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TOKEN = re.compile(r"\\[A-Za-z]+|[A-Za-z]'*|\d+|\s+|.", re.DOTALL)
_ALIAS = {"ell": "l"}
_NO_LETTERS = frozenset(
    (
        "left",
        "right",
        "top",
        "intercal",
        "prime",
        "mathrm",
        "mathbf",
        "text",
        "langle",
        "rangle",
        "mathsf",
        "times",
        "cdot",
    )
)


@dataclass(frozen=True, slots=True)
class Run:
    """An index in a text: where it stands, what it is (atoms with their coefficients, "" for the number)."""

    start: int
    end: int
    value: frozenset[tuple[str, int]]
    alone: bool
    """True where no other index touches it."""
    braced: bool
    """False for the single sign of ``a_i``."""


def flat(form: Affine) -> frozenset[tuple[str, int]]:
    """A form by the names of its atoms, letters and sizes alike.

    >>> from symbackprop.affine import var
    >>> sorted(flat(var("l") + 1))
    [('', 1), ('l', 1)]
    """
    found = {(atom.name if not isinstance(atom, Size) or not atom.at else str(atom), c) for atom, c in form.terms}
    return frozenset(found | ({("", form.const)} if form.const or not form.terms else set()))


def name_of(token: str) -> str:
    r"""The letter that a token stands for; ``\ell`` is l."""
    plain = token.removeprefix("\\")
    return _ALIAS.get(plain, plain)


def is_letter(token: str) -> bool:
    r"""True for a letter or a Greek letter's command."""
    plain = token.removeprefix("\\")
    return plain[:1].isalpha() and plain not in _NO_LETTERS and (token.startswith("\\") or len(plain.rstrip("'")) == 1)


def letters_in(text: str) -> dict[str, str]:
    r"""How letters are written in a text: ``{"l": "\\ell"}``."""
    return {name_of(t): t for t in _TOKEN.findall(text) if is_letter(t)}


def runs(text: str) -> Iterator[Run]:
    """The indices in the scripts of a text, in order."""
    for start, end, braced in scripts(text):
        yield from _runs_in(text, start, end, braced)


def scripts(text: str) -> Iterator[tuple[int, int, bool]]:
    """The bodies of all subscripts and superscripts: start, end, whether braces are around."""
    place = 0
    while place < len(text):
        char = text[place]
        if char == "\\":
            place += len(_TOKEN.match(text, place).group())  # type: ignore[union-attr]
            continue
        if char in "_^":
            at = place + 1
            while at < len(text) and text[at].isspace():
                at += 1
            if at < len(text) and text[at] == "{":
                end = closing(text, at)
                yield at + 1, end, True
                place = at + 1  # scripts inside scripts count too
                continue
            if at < len(text):
                end = at + len(_TOKEN.match(text, at).group())  # type: ignore[union-attr]
                yield at, end, False
                place = end
                continue
        place += 1


def closing(text: str, at: int) -> int:
    """Where the brace that opens at ``at`` closes."""
    depth = 0
    for place in range(at, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return place
    return len(text)


def _runs_in(text: str, start: int, end: int, braced: bool) -> Iterator[Run]:  # noqa: FBT001 - a property of the script
    tokens = [(m.start(), m.end(), m.group()) for m in _TOKEN.finditer(text, start, end) if not m.group().isspace()]
    found: list[tuple[int, int, dict[str, int]]] = []
    k = 0
    while k < len(tokens):
        begin, stop, token = tokens[k]
        if token in {"_", "^"}:  # a script inside belongs to its own body
            k = _past_script(tokens, k)
            continue
        if not (is_letter(token) or token.isdigit()):
            k += 1
            continue
        value: dict[str, int] = {}
        k = _term(tokens, k, 1, value)
        while k + 1 < len(tokens) and tokens[k][2] in "+-" and _is_term(tokens[k + 1][2]):
            k = _term(tokens, k + 1, 1 if tokens[k][2] == "+" else -1, value)
        stop = tokens[k - 1][1]
        found.append((begin, stop, value))
    for number, (begin, stop, value) in enumerate(found):
        touching = [f for f in (found[number - 1 : number] + found[number + 1 : number + 2])
                    if not re.search(r"[,()\[\]=]", text[min(stop, f[1]) : max(begin, f[0])])]  # fmt: skip
        kept = {(name, c) for name, c in value.items() if c}
        yield Run(begin, stop, frozenset(kept or {("", 0)}), not touching, braced)


def _past_script(tokens: Sequence[tuple[int, int, str]], k: int) -> int:
    if k + 1 < len(tokens) and tokens[k + 1][2] == "{":
        depth = 0
        for j in range(k + 1, len(tokens)):
            depth += (tokens[j][2] == "{") - (tokens[j][2] == "}")
            if depth == 0:
                return j + 1
    return k + 2


def _is_term(token: str) -> bool:
    return is_letter(token) or token.isdigit()


def _term(tokens: Sequence[tuple[int, int, str]], k: int, sign: int, value: dict[str, int]) -> int:
    token = tokens[k][2]
    if token.isdigit():
        value[""] = value.get("", 0) + sign * int(token)
    else:
        name = name_of(token)
        value[name] = value.get(name, 0) + sign
    return k + 1


def form_text(form: Affine, letters: Mapping[str, str]) -> str:
    r"""An index as LaTeX with the author's letters.

    >>> from symbackprop.affine import var
    >>> form_text(var("l") - 1, {"l": r"\ell"})
    '\\ell-1'
    """
    out = ""
    for atom, c in sorted(form.terms, key=lambda pair: (pair[1] < 0, pair[0].key)):
        name = letters.get(atom.name, atom.name)
        if isinstance(atom, Size) and atom.at:
            name += "_{" + ", ".join(form_text(at, letters) for at in atom.at) + "}"
        out += ("-" if c < 0 else "+" if out else "") + (str(abs(c)) if abs(c) != 1 else "") + name
    if form.const or not out:
        out += f"{form.const:+d}" if out else str(form.const)
    return out


def reindexed(text: str, old: Sequence[Affine], new: Sequence[Affine], letters: Mapping[str, str]) -> str | None:
    r"""A text with indices replaced, position by position; None where an index is not found in it.

    >>> from symbackprop.affine import var
    >>> i, j, l = var("i"), var("j"), var("l")
    >>> reindexed(r"w_{ij}^{(\ell)}", (l, i, j), (l + 1, j, i), {"l": r"\ell"})
    'w_{ji}^{(\\ell+1)}'
    >>> reindexed(r"z_i", (i,), (i + 1,), {})
    'z_{i+1}'
    """
    if len(old) != len(new):
        return None
    found = list(runs(text))
    used: set[int] = set()
    changes: list[tuple[Run, Affine]] = []
    for before, after in zip(old, new, strict=True):
        pick = next((n for n, run in enumerate(found) if run.value == flat(before) and n not in used), None)
        if pick is None:
            if before == after:
                continue
            return None
        used.add(pick)
        if before != after:
            changes.append((found[pick], after))
    return replaced(text, changes, letters)


def replaced(text: str, changes: Sequence[tuple[Run, Affine]], letters: Mapping[str, str]) -> str:
    """A text with runs replaced."""
    for run, form in sorted(changes, key=lambda change: -change[0].start):
        shown = form_text(form, letters)
        before, after = text[: run.start], text[run.end :]
        simple = not re.search(r"[+\-,]", shown)
        if not run.braced:
            if len(shown) > 1 and not re.fullmatch(r"\\[A-Za-z]+", shown):
                shown = "{" + shown + "}"
        elif not run.alone and not simple:
            shown = (
                ("" if before.endswith(("{", ",", "(", "[")) else ",")
                + shown
                + ("," if after[:1] not in {"}", ",", ")", "]", ""} else "")
            )
        if re.search(r"\\[A-Za-z]+$", shown) and after[:1].isalpha():
            shown += " "
        if re.search(r"\\[A-Za-z]+$", before) and shown[:1].isalpha():
            shown = " " + shown
        text = before + shown + after
    return text
