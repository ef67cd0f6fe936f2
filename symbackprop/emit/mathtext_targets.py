"""What differs between LaTeX and the terminal: tokens and the few constructions of mathematics.

The printer walks expressions once; a target turns names, fractions, sums, brackets and cases into text. Constructions
take and give a ``Piece``: text with the level at which it binds, so that brackets come from levels alone.
"""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from symbackprop.notation.glyph import Hole, Mark, Pattern, Scripted, Symbol, Word, joined, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from symbackprop.notation.glyph import Item

ADD, BINARY, SUM, PRODUCT, ATOM = range(5)
"""Levels, loosest first: sums; signs such as the Hadamard product; Σ with its body; juxtaposition; what needs none."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that binds at ``level``; ``height`` 0 is a line of letters, 1 a fraction, 2 a sum or cases."""

    text: str
    level: int = ATOM
    height: int = 0


class Target(ABC):
    """The base of both targets: what a construction is called, not how an expression is walked."""

    name: ClassVar[str]
    signs: ClassVar[Mapping[str, str]]

    @abstractmethod
    def items(self, items: Sequence[Item]) -> str:
        """Text of symbols, marks and scripts."""

    def pattern(self, pattern: Pattern, *, more: Sequence[Item] = ()) -> str:
        """A name with its scripts; ``more`` joins the superscript."""
        return self.items((Scripted(pattern.nucleus, pattern.sub, (*pattern.sup, *more)),))

    @abstractmethod
    def sign(self, latex: str) -> str:
        """A sign that a preset gives as LaTeX."""

    @abstractmethod
    def frac(self, over: Piece, under: Piece) -> Piece:
        """A quotient."""

    @abstractmethod
    def root(self, inside: Piece) -> Piece:
        """A square root."""

    @abstractmethod
    def power(self, base: str, exponent: Piece) -> Piece:
        """A power; the base is bracketed where it must be."""

    @abstractmethod
    def summation(self, lower: str, upper: str) -> str:
        """The sign of a sum with its limits; ``upper`` may be empty."""

    @abstractmethod
    def brackets(self, inside: Piece, kind: str = "()") -> str:
        """``inside`` in brackets that are tall enough."""

    @abstractmethod
    def cases(self, rows: Sequence[tuple[str, str]]) -> str:
        """Values with their conditions."""

    @abstractmethod
    def blocks(self, rows: Sequence[Sequence[str]]) -> str:
        """A matrix of blocks."""

    @abstractmethod
    def words(self, text: str) -> str:
        """Plain words inside mathematics."""

    @abstractmethod
    def turned(self, bracketed: str, sign: Sequence[Item]) -> str:
        """A bracketed expression with the sign of transposition."""

    @abstractmethod
    def norm(self, inside: Piece, *, frobenius: bool) -> str:
        """The square of a norm."""

    def within(self, piece: Piece, level: int) -> str:
        """The piece as part of something that binds at ``level``: bracketed where it binds less."""
        return piece.text if piece.level >= level else self.brackets(piece)

    def product(self, pieces: Sequence[Piece]) -> Piece:
        """Factors side by side; a factor that is a sum is bracketed, so is a Σ unless it stands last."""
        if len(pieces) == 1:
            return pieces[0]
        shown = [
            self.within(p, SUM if k == len(pieces) - 1 and p.level == SUM else PRODUCT) for k, p in enumerate(pieces)
        ]
        level = SUM if pieces[-1].level == SUM else PRODUCT
        return Piece(self.side_by_side(shown), level, max(p.height for p in pieces))

    def side_by_side(self, texts: Sequence[str]) -> str:
        """Factors, with a dot between two numbers."""
        out = texts[0]
        for text in texts[1:]:
            out += f" {self.signs['cdot']} {text}" if text[:1].isdigit() and out[-1:].isdigit() else f" {text}"
        return out


class Latex(Target):
    """LaTeX for amsmath and amssymb."""

    name = "latex"
    signs: ClassVar[Mapping[str, str]] = {
        "minus": "-",
        "plus": "+",
        "cdot": r"\cdot",
        "partial": r"\partial ",
        "le": r"\le",
        "ge": r"\ge",
        "ne": r"\ne",
        "lt": "<",
        "gt": ">",
        "eq": "=",
        "mid": r"\mid",
        "ones": r"\mathbf{1}",
        "pi": r"\pi",
        "e": "e",
        "colon": ":",
        "dots": r"\dots",
        "otherwise": r"\text{otherwise}",
        "circ": r"\circ",
        "in": r"\in",
        "times": r"\times",
        "reals": r"\mathbb{R}",
    }
    _SIZES: ClassVar[tuple[tuple[str, str], ...]] = (("", ""), (r"\Bigl", r"\Bigr"), (r"\biggl", r"\biggr"))

    def items(self, items: Sequence[Item]) -> str:
        return joined(tokens(items))

    def sign(self, latex: str) -> str:
        return latex

    def frac(self, over: Piece, under: Piece) -> Piece:
        return Piece(rf"\frac{{{over.text}}}{{{under.text}}}", ATOM, 1)

    def root(self, inside: Piece) -> Piece:
        return Piece(rf"\sqrt{{{inside.text}}}", ATOM, inside.height)

    def power(self, base: str, exponent: Piece) -> Piece:
        shown = exponent.text if len(exponent.text) == 1 else f"{{{exponent.text}}}"
        return Piece(f"{base}^{shown}", ATOM, exponent.height)

    def summation(self, lower: str, upper: str) -> str:
        return rf"\sum_{{{lower}}}" + (f"^{{{upper}}}" if upper else "")

    def brackets(self, inside: Piece, kind: str = "()") -> str:
        left, right = self._SIZES[inside.height]
        opening, closing = (r"\lvert ", r" \rvert") if kind == "||" else (kind[0], kind[1])
        return f"{left}{opening}{inside.text}{right}{closing}"

    def cases(self, rows: Sequence[tuple[str, str]]) -> str:
        body = r" \\ ".join(f"{value} & {condition}" for value, condition in rows)
        return rf"\begin{{cases}} {body} \end{{cases}}"

    def blocks(self, rows: Sequence[Sequence[str]]) -> str:
        body = r" \\ ".join(" & ".join(row) for row in rows)
        return rf"\begin{{bmatrix}} {body} \end{{bmatrix}}"

    def words(self, text: str) -> str:
        return rf"\text{{{text}}}"

    def turned(self, bracketed: str, sign: Sequence[Item]) -> str:
        return f"{bracketed}^{self.items(sign)}" if len(sign) == 1 else f"{bracketed}^{{{self.items(sign)}}}"

    def norm(self, inside: Piece, *, frobenius: bool) -> str:
        left, right = self._SIZES[inside.height]
        return rf"{left}\lVert {inside.text} {right}\rVert{'_F' if frobenius else ''}^2"


_GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "varepsilon": "ε",
    "zeta": "ζ",
    "eta": "η",
    "theta": "θ",
    "vartheta": "ϑ",
    "iota": "ι",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "nu": "ν",
    "xi": "ξ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "upsilon": "υ",
    "phi": "φ",
    "varphi": "φ",
    "chi": "χ",
    "psi": "ψ",
    "omega": "ω",
    "Gamma": "Γ",
    "Delta": "Δ",
    "Theta": "Θ",
    "Lambda": "Λ",
    "Xi": "Ξ",
    "Pi": "Π",
    "Sigma": "Σ",
    "Upsilon": "Υ",
    "Phi": "Φ",
    "Psi": "Ψ",
    "Omega": "Ω",
    "ell": "ℓ",
}
_COMMANDS = {
    "partial": "∂",
    "odot": "⊙",
    "circ": "∘",
    "otimes": "⊗",
    "cdot": "·",
    "times": "×",
    "top": "ᵀ",
    "langle": "⟨",
    "rangle": "⟩",
    "prime": "′",
    "star": "⋆",
    "ast": "∗",
    "infty": "∞",
    "nabla": "∇",
    "dagger": "†",
    "_": "_",
    "le": "≤",
    ",": " ",
    "{": "{",
    "}": "}",
    "|": "‖",
    "tanh": "tanh",
    "log": "log",
    "exp": "exp",
    "max": "max",
    "sin": "sin",
    "cos": "cos",
}
_COMBINING = {
    "hat": "\u0302",
    "widehat": "\u0302",
    "tilde": "\u0303",
    "widetilde": "\u0303",
    "bar": "\u0304",
    "overline": "\u0304",
    "dot": "\u0307",
    "ddot": "\u0308",
    "vec": "\u20d7",
    "check": "\u030c",
    "breve": "\u0306",
    "acute": "\u0301",
    "grave": "\u0300",
}
_SUB = str.maketrans("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋")
_SUP = str.maketrans("0123456789+-T", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀ")


class Unicode(Target):
    """Plain text for a terminal."""

    name = "unicode"
    signs: ClassVar[Mapping[str, str]] = {
        "minus": "-",
        "plus": "+",
        "cdot": "·",
        "partial": "∂",
        "le": "≤",
        "ge": "≥",
        "ne": "≠",
        "lt": "<",
        "gt": ">",
        "eq": "=",
        "mid": "|",
        "ones": "1",
        "pi": "π",
        "e": "e",
        "colon": ":",
        "dots": "…",
        "otherwise": "otherwise",
        "circ": "∘",
        "in": "∈",
        "times": "×",
        "reals": "ℝ",
    }

    def items(self, items: Sequence[Item]) -> str:
        return unicodedata.normalize("NFC", "".join(map(self._item, items)))

    def _item(self, item: Item) -> str:
        if isinstance(item, Symbol):
            return self.sign(item.text)
        if isinstance(item, Word):
            return item.text
        if isinstance(item, Hole):
            return "·"
        if isinstance(item, Mark):
            inner = self.items(item.body)
            return inner[:1] + _COMBINING[item.command] + inner[1:] if item.command in _COMBINING else inner
        return self.items(item.body) + self._script(item.sub, "_", _SUB) + self._script(item.sup, "^", _SUP)

    def _script(self, items: Sequence[Item], sign: str, small: Mapping[int, str | int | None]) -> str:
        text = self.items(items)
        if not text or text in {"ᵀ", "′", "*"}:
            return text
        if all(ord(c) in small for c in text):
            return text.translate(dict(small))
        bracketed = text[0] + text[-1] in {"()", "⟨⟩"} and text.count("(") <= 1
        stem, turned = text.removesuffix("ᵀ"), text.endswith("ᵀ")
        if turned and stem:
            return self._plain(stem, sign) + "ᵀ"
        return sign + text if text.isalnum() or bracketed else f"{sign}{{{text}}}"

    @staticmethod
    def _plain(text: str, sign: str) -> str:
        simple = text.isalnum() or text[0] + text[-1] == "()"
        return sign + (text if simple else f"{{{text}}}")

    def sign(self, latex: str) -> str:
        if not latex.startswith("\\"):
            return "′" if latex == "'" else latex
        name = latex[1:]
        return _GREEK.get(name) or _COMMANDS.get(name) or name

    def frac(self, over: Piece, under: Piece) -> Piece:
        return Piece(f"{self.within(over, PRODUCT)}/{self.within(under, ATOM)}", BINARY)

    def root(self, inside: Piece) -> Piece:
        return Piece(f"√{self.brackets(inside)}", ATOM)

    def power(self, base: str, exponent: Piece) -> Piece:
        if exponent.text and all(ord(c) in _SUP for c in exponent.text):
            return Piece(base + exponent.text.translate(_SUP), ATOM)
        return Piece(f"{base}^{self.brackets(exponent) if len(exponent.text) > 1 else exponent.text}", ATOM)

    def summation(self, lower: str, upper: str) -> str:
        return f"Σ_{{{lower.replace(' ', '')}..{upper}}}" if upper else f"Σ_{lower}"

    def brackets(self, inside: Piece, kind: str = "()") -> str:
        return f"{kind[0]}{inside.text}{kind[1]}"

    def cases(self, rows: Sequence[tuple[str, str]]) -> str:
        return "{ " + "; ".join(f"{value}  ({condition})" for value, condition in rows) + " }"

    def blocks(self, rows: Sequence[Sequence[str]]) -> str:
        return f"[{'; '.join(', '.join(row) for row in rows)}]"

    def words(self, text: str) -> str:
        return text

    def turned(self, bracketed: str, sign: Sequence[Item]) -> str:
        return bracketed + self.items(sign)

    def norm(self, inside: Piece, *, frobenius: bool) -> str:
        return f"‖{inside.text}‖{'_F' if frobenius else ''}²"


TARGETS: Mapping[str, Target] = {"latex": Latex(), "unicode": Unicode()}
