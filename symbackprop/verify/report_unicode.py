r"""LaTeX as one line of Unicode for a terminal, each character with the place in the LaTeX it came from.

``W^{(\ell+1)\top}`` becomes W⁽ˡ⁺¹⁾ᵀ; what has no small form stays readable, ``x_{q}`` as x_q. Nothing is rejected: what
is not known is shown as it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

Shown: TypeAlias = "list[tuple[str, int]]"
"""Characters with the place each came from."""

_TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|\s+|.", re.DOTALL)
GREEK = dict(
    zip(
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "xi",
            "pi",
            "rho",
            "sigma",
            "tau",
            "upsilon",
            "phi",
            "chi",
            "psi",
            "omega",
        ],
        "αβγδεζηθικλμνξπρστυφχψω",
        strict=True,
    )
)
_SYMBOLS = {
    **GREEK,
    **{name.capitalize(): letter.upper() for name, letter in GREEK.items()},
    "varepsilon": "ε", "vartheta": "ϑ", "varphi": "φ", "ell": "ℓ", "partial": "∂", "nabla": "∇", "sum": "∑",
    "prod": "∏",
    "odot": "⊙", "circ": "∘", "otimes": "⊗", "times": "×", "cdot": "·", "ast": "*", "star": "⋆", "top": "ᵀ",
    "intercal": "ᵀ", "in": "∈", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "approx": "≈",
    "propto": "∝", "leftarrow": "←", "gets": "←", "to": "→", "rightarrow": "→", "infty": "∞", "dots": "…", "ldots": "…",
    "cdots": "⋯", "vdots": "⋮", "ddots": "⋱", "langle": "⟨", "rangle": "⟩", "lVert": "‖", "rVert": "‖", "Vert": "‖",
    "prime": "′", "pm": "±", "equiv": "≡", "quad": " ", "qquad": "  ",
    "forall": "∀", "int": "∫", "mid": "|", "sqrt": "√",
}  # fmt: skip
_DROPPED = frozenset(
    [
        "left",
        "right",
        "big",
        "Big",
        "bigg",
        "Bigg",
        "bigl",
        "bigr",
        "Bigl",
        "Bigr",
        "biggl",
        "biggr",
        "displaystyle",
        "textstyle",
        "limits",
        "nolimits",
        "bf",
        "rm",
        "it",
        "cal",
        "scriptstyle",
        "nonumber",
        "notag",
        "mathrel",
        "mathbin",
        "mathord",
    ]
)
_FONTS = frozenset(
    [
        "mathbf",
        "mathrm",
        "mathit",
        "mathsf",
        "mathtt",
        "mathcal",
        "mathbb",
        "mathfrak",
        "bm",
        "boldsymbol",
        "text",
        "textrm",
        "textbf",
        "textit",
        "operatorname",
        "mbox",
        "boxed",
        "underline",
        "color",
        "mathord",
    ]
)
_ACCENTS = {
    "hat": "\u0302", "widehat": "\u0302", "tilde": "\u0303", "widetilde": "\u0303", "bar": "\u0304",
    "overline": "\u0304",
    "vec": "\u20d7", "overrightarrow": "\u20d7", "overleftarrow": "\u20d6", "dot": "\u0307", "ddot": "\u0308",
}  # fmt: skip
UP = dict(
    zip(
        "0123456789+-=()niTabcdefghjklmoprstuvwxyzℓ⟨⟩′*,",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵀᵃᵇᶜᵈᵉᶠᵍʰʲᵏˡᵐᵒᵖʳˢᵗᵘᵛʷˣʸᶻˡ⟨⟩′*ʼ",
        strict=True,
    )
)
UP |= {"L": "ᴸ", "N": "ᴺ", "M": "ᴹ", "ᵀ": "ᵀ", " ": ""}
DOWN = dict(zip("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
DOWN |= {"ℓ": "ₗ", " ": ""}
_DEEP = 60


@dataclass(slots=True)
class _Cursor:
    tokens: list[tuple[str, int]]
    place: int = 0
    cases: int = 0
    """How many environments of cases are open; their cells and rows are told apart by punctuation."""

    def peek(self) -> str:
        return self.tokens[self.place][0] if self.place < len(self.tokens) else ""

    def take(self) -> tuple[str, int]:
        self.place += 1
        return self.tokens[self.place - 1]

    def skip_blanks(self) -> None:
        while self.peek().isspace():
            self.place += 1


def placed(latex: str) -> Shown:
    """Unicode characters of LaTeX with their places in it."""
    cursor = _Cursor([(m.group(), m.start()) for m in _TOKEN.finditer(latex)])
    shown: Shown = []
    while cursor.place < len(cursor.tokens):
        shown += _sequence(cursor, 0)
        if cursor.peek() == "}":
            cursor.take()
    return _squeezed(shown)


def to_unicode(latex: str) -> str:
    r"""LaTeX on one line.

    >>> to_unicode(r"\delta^{(\ell)} = (W^{(\ell+1)})^T \odot \frac{\partial C}{\partial w_{ij}}")
    'δ⁽ˡ⁾ = (W⁽ˡ⁺¹⁾)ᵀ ⊙ ∂C/∂wᵢⱼ'
    """
    return "".join(char for char, _ in placed(latex))


def marked(latex: str, start: int, end: int) -> tuple[str, str]:
    r"""The line of Unicode, and carets under what came from ``latex[start:end]``.

    >>> marked(r"a = W^{(l)} x", 4, 11)
    ('a = W⁽ˡ⁾ x', '    ^^^^')
    """
    shown = placed(latex)
    carets = "".join("^" if start <= at < end else " " for char, at in shown if not _combining(char))
    return "".join(char for char, _ in shown), carets.rstrip()


def _combining(char: str) -> bool:
    return "\u0300" <= char <= "\u036f" or char == "\u20d7"


def _sequence(cursor: _Cursor, depth: int) -> Shown:
    """What stands up to the closing brace or the end."""
    out: Shown = []
    while cursor.place < len(cursor.tokens) and cursor.peek() != "}":
        out += _one(cursor, depth)
    return out


def _argument(cursor: _Cursor, depth: int) -> Shown:
    cursor.skip_blanks()
    if cursor.peek() == "{" and depth < _DEEP:
        cursor.take()
        out = _sequence(cursor, depth + 1)
        if cursor.peek() == "}":
            cursor.take()
        return out
    return _one(cursor, depth) if cursor.place < len(cursor.tokens) and cursor.peek() != "}" else []


def _one(cursor: _Cursor, depth: int) -> Shown:
    token, at = cursor.take()
    if token == "{":
        cursor.place -= 1
        if depth >= _DEEP:
            cursor.place += 1
            return []
        return _argument(cursor, depth)
    if token in "_^" and token:
        return _script(token, at, _argument(cursor, depth))
    if token.startswith("\\"):
        return _command(token[1:].rstrip("*"), at, cursor, depth)
    if token == "&":
        return [(",", at), (" ", at)] if cursor.cases else []
    if token == "'":
        return [("′", at)]
    if token.isspace() or token == "~":
        return [(" ", at)]
    return [(token, at)]


def _command(name: str, at: int, cursor: _Cursor, depth: int) -> Shown:  # noqa: PLR0911 - a line a kind of command
    if name in {"frac", "dfrac", "tfrac"}:
        over, under = _argument(cursor, depth), _argument(cursor, depth)
        return [*_grouped(over), ("/", at), *_grouped(under)]
    if name in _ACCENTS:
        inside = _squeezed(_argument(cursor, depth))
        return [*inside[:1], (_ACCENTS[name], at), *inside[1:]] if inside else []
    if name in {"begin", "end"}:
        return _environment(name, at, cursor, depth)
    if name in {"tag", "label", "phantom"}:
        _argument(cursor, depth)
        return [(" ", at)]
    if name in _FONTS:
        if name == "color":
            _argument(cursor, depth)
            return []
        return _argument(cursor, depth)
    if name in _DROPPED:
        if cursor.peek() == "." and name in {"left", "right"}:
            cursor.take()
        return []
    if name in _SYMBOLS:
        return [(char, at) for char in _SYMBOLS[name]]
    if name == "|":
        return [("‖", at)]
    if name in {",", ";", ":", " ", "!", "\\"}:
        row = name == "\\" and cursor.cases
        return [] if name == "!" else [(";", at), (" ", at)] if row else [(" ", at)]
    return [(char, at) for char in name]


def _environment(name: str, at: int, cursor: _Cursor, depth: int) -> Shown:
    """A brace around cases; a blank for other environments."""
    if "".join(char for char, _ in _argument(cursor, depth)) not in {"cases", "dcases"}:
        return [(" ", at)]
    cursor.cases += 1 if name == "begin" else -1
    return [("{" if name == "begin" else "}", at)]


def _script(sign: str, at: int, body: Shown) -> Shown:
    small = UP if sign == "^" else DOWN
    body = _squeezed(body)
    text = [(char, place) for char, place in body if char != " "]
    if sign == "^" and len(text) == 1 and text[0][0] in "ᵀ′":
        return text
    plain = [(char, place) for char, place in text if not (sign == "_" and char == ",")]
    if plain and all(char in small for char, _ in plain):
        return [(small[char], place) for char, place in plain if small[char]]
    if len(text) <= 1 or (text[0][0], text[-1][0]) == ("[", "]"):
        return [(sign, at), *text]
    return [(sign, at), ("(", at), *text, (")", at)]


def _grouped(part: Shown) -> Shown:
    """A side of a fraction, in brackets where it is a sum or product."""
    part = _squeezed(part)
    text = "".join(char for char, _ in part)
    if re.search(r"[-+ ·⊙∘×*/]", text) and not re.fullmatch(r"\([^()]*\)", text) and part:
        return [("(", part[0][1]), *part, (")", part[-1][1])]
    return part


def _squeezed(shown: Shown) -> Shown:
    """Without blanks at the ends, one blank at most elsewhere, none after ∂ and inside brackets."""
    out: Shown = []
    for char, at in shown:
        if char == " " and (not out or out[-1][0] in " ∂∇({/"):
            continue
        if char in "),;}" and out and out[-1][0] == " ":
            out.pop()
        out.append((char, at))
    while out and out[-1][0] == " ":
        out.pop()
    return out
