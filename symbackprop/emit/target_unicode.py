"""Boxes as plain text for a terminal: Unicode mathematics on one line."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from symbackprop.emit.characters import COMBINING, character
from symbackprop.emit.target import Target
from symbackprop.notation.glyph import Hole, Mark, Symbol, Word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from symbackprop.emit import layout as y
    from symbackprop.notation.glyph import Item

_SUB = str.maketrans("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋")
_SUP = str.maketrans("0123456789+-T", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀ")


class Unicode(Target):
    """See the module's first line."""

    name = "unicode"
    flat = True

    def items(self, items: Sequence[Item]) -> str:
        return unicodedata.normalize("NFC", "".join(map(self._item, items)))

    def _item(self, item: Item) -> str:
        if isinstance(item, Symbol):
            return character(item.text)
        if isinstance(item, Word):
            return item.text
        if isinstance(item, Hole):
            return "·"
        if isinstance(item, Mark):
            inner = self.items(item.body)
            if item.command == "mathbb" and inner == "R":
                return "ℝ"
            return inner[:1] + COMBINING[item.command] + inner[1:] if item.command in COMBINING else inner
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

    def digits(self, box: y.Digits) -> str:
        return box.text

    def sign(self, box: y.Sign) -> str:
        return character(box.token)

    def words(self, box: y.Words) -> str:
        return box.text

    def beside(self, box: y.Beside) -> str:
        return "".join(map(self.show, box.parts))

    def spaced(self, box: y.Spaced) -> str:
        return " ".join(map(self.show, box.parts))

    def fraction(self, box: y.Frac) -> str:
        return f"{self.show(box.over)}/{self.show(box.under)}"

    def root(self, box: y.Root) -> str:
        return f"√({self.show(box.inside)})"

    def power(self, box: y.Power) -> str:
        base, exponent = self.show(box.base), self.show(box.exponent)
        if exponent and all(ord(c) in _SUP for c in exponent):
            return base + exponent.translate(_SUP)
        return f"{base}^({exponent})" if len(exponent) > 1 else f"{base}^{exponent}"

    def turned(self, box: y.Turned) -> str:
        return self.show(box.base) + self.items(box.sign)

    def lowered(self, box: y.Lowered) -> str:
        return f"{self.show(box.base)}_{{{self.show(box.index)}}}"

    def summation(self, box: y.Summation) -> str:
        lower = self.show(box.lower)
        return f"Σ_{lower}" if box.upper is None else f"Σ_{{{lower.replace(' ', '')}..{self.show(box.upper)}}}"

    def fence(self, box: y.Fence) -> str:
        return f"{box.kind[0]}{self.show(box.inside)}{box.kind[1]}"

    def edge(self, box: y.Edge) -> str:
        return box.kind[box.closing]

    def norm(self, box: y.Norm) -> str:
        return f"‖{self.show(box.inside)}‖{'_F' if box.frobenius else ''}²"

    def cases(self, box: y.Cases) -> str:
        return "{ " + "; ".join(f"{self.show(value)}  ({self.show(when)})" for value, when in box.rows) + " }"

    def blocks(self, box: y.Blocks) -> str:
        return f"[{'; '.join(', '.join(map(self.show, row)) for row in box.rows)}]"

    def gap(self, box: y.Gap) -> str:
        del box
        return "  "

    def tinted(self, box: y.Tinted) -> str:
        return self.show(box.inside)

    def numbered(self, box: y.Numbered) -> str:
        return f"[{box.number}]"

    def braced(self, box: y.Braced) -> str:
        return self.show(box.inside)

    def under(self, box: y.Under) -> str:
        return self.show(box.inside)

    def direct(self, box: y.Direct) -> str:
        return f"{self.show(box.inside)}|direct"
