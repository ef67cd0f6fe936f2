"""How wide a formula will be on the page, in em, without TeX: so that lines are broken before they overflow.

The estimate reads LaTeX as our printers write it, adds up rounded advance widths and errs on the wide side; a test sets
formulas in TeX and compares.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from symbackprop.emit.target_latex import Latex

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.emit import layout as y

LATEX = Latex()
_TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|[{}_^&]|\s+|.", re.DOTALL)
_SCRIPT = 0.74
_UNARY = 0.46
"""How much narrower a minus before a number is than one between two."""
_RELATIONS = frozenset(["=", "<", ">"]) | {r"\le", r"\ge", r"\ne", r"\in", r"\mid", r"\leftarrow", r"\gets", r"\approx"}
_BINARY = frozenset(["+", "-", "*"]) | {r"\odot", r"\circ", r"\otimes", r"\cdot", r"\times"}
_ONE = frozenset(
    (
        r"\mathbf",
        r"\mathrm",
        r"\mathit",
        r"\mathsf",
        r"\mathtt",
        r"\mathcal",
        r"\mathbb",
        r"\mathfrak",
        r"\mathscr",
        r"\boldsymbol",
        r"\bm",
        r"\text",
        r"\textbf",
        r"\textrm",
        r"\textsf",
        r"\operatorname",
        r"\vec",
        r"\hat",
        r"\tilde",
        r"\bar",
        r"\dot",
        r"\ddot",
        r"\widehat",
        r"\widetilde",
        r"\overline",
        r"\check",
        r"\breve",
        r"\acute",
        r"\grave",
        r"\mathnormal",
        r"\boxed",
    )
)
_SPACES = {r"\,": 0.17, r"\:": 0.23, r"\;": 0.28, r"\!": -0.17, r"\ ": 0.3, "~": 0.3, r"\quad": 1.0, r"\qquad": 2.0}
_WIDE = {
    r"\sum": 1.12,
    r"\prod": 1.3,
    r"\dots": 1.35,
    r"\cdots": 1.5,
    r"\partial": 0.6,
    r"\max": 1.9,
    r"\min": 1.8,
    r"\log": 1.4,
    r"\exp": 1.5,
    r"\tanh": 2.2,
    r"\sin": 1.3,
    r"\cos": 1.4,
    r"\ell": 0.45,
    r"\top": 0.7,
    r"\scriptscriptstyle": 0.0,
}
_DELIMITERS = {
    r"\Bigl": 0.35,
    r"\Bigr": 0.35,
    r"\biggl": 0.5,
    r"\biggr": 0.5,
    r"\bigl": 0.2,
    r"\bigr": 0.2,
    r"\left": 0.4,
    r"\right": 0.4,
}
"""How much wider a delimiter becomes than the character that follows."""
_LETTERS = {
    **dict.fromkeys("il,.;:'|!", 0.33),
    **dict.fromkeys("j[]", 0.35),
    **dict.fromkeys("ceorst()I", 0.46),
    **dict.fromkeys("abkqzJ0123456789", 0.5),
    **dict.fromkeys("dhvyS", 0.56),
    **dict.fromkeys("fgnpuxLF/", 0.6),
    **dict.fromkeys("BEPZTY", 0.7),
    **dict.fromkeys("CKRXVGA", 0.78),
    **dict.fromkeys("OQUDw", 0.83),
    "m": 0.8,
    **dict.fromkeys("HN", 0.88),
    **dict.fromkeys("MW", 1.03),
}
"""Advance widths of Palatino's italic letters and digits, rounded up."""


_ENVIRONMENT = re.compile(r"\\begin\{(?:cases|aligned|bmatrix\*?)\}(.*?)\\end", re.DOTALL)
_TALL = {r"\frac": 0.85, r"\sum": 1.25, r"\sqrt": 0.2}
"""How much higher a line is for what stands in it."""
_BELOW = {r"\underset": 0.35, r"\underbrace": 1.5}


@lru_cache(maxsize=65536)
def width(latex: str) -> float:
    r"""Estimated width of a displayed formula, in em.

    >>> width("a") < width("a+b") < width("\\frac{a+b+c}{d}") < width("\\sum_{i=1}^{n} (a+b+c)")
    True
    """
    return _Scanner(latex).group(end="")


@lru_cache(maxsize=65536)
def extent(box: y.Box) -> float:
    """Estimated width of a formula's boxes, in em."""
    return width(LATEX.show(box))


def height(latex: str) -> float:
    r"""Estimated height of a line of a display with the space below it, in lines of text.

    >>> height("a = b") < height("a = \\frac{b}{c}") < height("a = \\sum_{i=1}^{n} b")
    True
    """
    rows = max(
        (inner.count(r"\\") * (1.2 + 0.8 * _more(_TALL, inner)) for inner in _ENVIRONMENT.findall(latex)), default=0
    )
    return 1.5 + max(_more(_TALL, latex), rows) + _more(_BELOW, latex)


def _more(signs: Mapping[str, float], latex: str) -> float:
    """How much the tallest of the signs that occur adds to a line."""
    return max((extra for sign, extra in signs.items() if sign in latex), default=0.0)


class _Scanner:
    """Reads tokens one after the other and adds up their widths."""

    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.findall(text)
        self.place = 0

    def peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.place += 1
        return token

    def skip(self) -> None:
        while self.peek().isspace():
            self.place += 1

    def group(self, end: str) -> float:
        """Width up to a closing token, which is consumed; rows of an alignment count as the widest."""
        widest = total = 0.0
        before = ""
        while (token := self.peek()) and token != end:
            if token == r"\end" and end == r"\end":
                break
            if token == r"\\":
                self.take()
                widest, total = max(widest, total), 0.0
            else:
                unary = token == "-" and before in {"", "&", r"\\"} and end == r"\end"
                total += self.atom() - (_UNARY if unary else 0.0)
            before = before if token.isspace() else token
        self.take()
        return max(widest, total)

    def argument(self) -> float:
        """Width of what a command applies to: a group or one token."""
        self.skip()
        if self.peek() == "{":
            self.take()
            return self.group("}")
        return self.atom(scripts=False)

    def name(self) -> str:
        """The text of a group, unread."""
        self.skip()
        found = ""
        if self.peek() == "{":
            self.take()
            while (token := self.take()) not in {"}", ""}:
                found += token
        return found

    def atom(self, *, scripts: bool = True) -> float:
        """Width of one token with its scripts."""
        token = self.take()
        if token.isspace():
            return 0.0
        nucleus = self.nucleus(token)
        if not scripts:
            return nucleus
        below = above = 0.0
        while self.peek() in {"_", "^", "'"} or (self.peek().isspace() and self._scripts_follow()):
            self.skip()
            sign = self.take()
            if sign == "'":
                above += 0.25
            elif sign == "_":
                below = self.argument() * _SCRIPT
            else:
                above += self.argument() * _SCRIPT
        if token in {r"\sum", r"\prod"}:
            return max(nucleus, below, above) + 0.2
        return nucleus + max(below, above) + (0.06 if below or above else 0.0)

    def _scripts_follow(self) -> bool:
        return self.place + 1 < len(self.tokens) and self.tokens[self.place + 1] in {"_", "^"}

    def nucleus(self, token: str) -> float:  # noqa: PLR0911 - one return for each kind of token
        if token == "{":
            return self.group("}")
        if token in {r"\frac", r"\dfrac", r"\tfrac"}:
            return max(self.argument(), self.argument()) + 0.3
        if token == r"\underbrace":
            return self.argument()
        if token == r"\underset":
            return max(0.5 * self.argument(), self.argument())
        if token == r"\factor":
            self.name()
            return self.argument() + 0.4
        if token == r"\sqrt":
            return self.argument() + 1.0
        if token == r"\pathmark":
            self.name()
            return 0.95
        if token == r"\begin":
            sides = 1.0 if self.name().startswith("bmatrix") else 2.2
            if self.peek() == "[":  # how its columns are aligned
                self.place += 3
            inner = self.group(r"\end")
            self.name()
            return inner + sides
        if token in _ONE:
            inner = self.argument()
            return inner + (0.34 if token == r"\operatorname" else 0.0)
        return _plain(token)


_KNOWN = {**_LETTERS, **_WIDE, **_SPACES, **_DELIMITERS, "&": 1.0}


def _plain(token: str) -> float:
    """Width of a token without arguments."""
    if token in _RELATIONS:
        return 1.4
    if token in _BINARY:
        return {r"\cdot": 0.72, r"\circ": 0.95}.get(token, 1.24)
    known = _KNOWN.get(token)
    return known if known is not None else 0.72
