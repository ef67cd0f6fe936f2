"""Boxes as Typst mathematics: letters one by one, signs by name, so that no character of a name means anything else.

Scripts are ``attach``; kinds of factors and numbers of paths are functions that a document defines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.document.blocks import KINDS
from symbackprop.emit import layout as y
from symbackprop.emit.characters import ALPHABETS, character
from symbackprop.emit.target import Target
from symbackprop.notation.glyph import Hole, Mark, Scripted, Symbol, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.notation.glyph import Item

_ACCENTS = {
    "hat": "hat",
    "widehat": "hat",
    "tilde": "tilde",
    "widetilde": "tilde",
    "bar": "macron",
    "overline": "overline",
    "underline": "underline",
    "dot": "dot",
    "ddot": "dot.double",
    "vec": "arrow",
    "overrightarrow": "arrow",
    "check": "caron",
    "breve": "breve",
    "acute": "acute",
    "grave": "grave",
    "mathring": "circle",
}
_FONTS = {
    "mathbf": "bold(upright({}))",
    "boldsymbol": "bold({})",
    "bm": "bold({})",
    "mathcal": "cal({})",
    "mathscr": "cal({})",
    "mathbb": "bb({})",
    "mathfrak": "frak({})",
    "mathsf": "sans({})",
    "mathtt": "mono({})",
    "mathit": "italic({})",
    "mathnormal": "italic({})",
}
_SIGNS = {
    "(": "paren.l",
    ")": "paren.r",
    "[": "bracket.l",
    "]": "bracket.r",
    "|": "bar.v",
    "‖": "bar.v.double",
    "⟨": "chevron.l",
    "⟩": "chevron.r",
    ",": "comma",
    ":": "colon",
    ";": "semi",
    "/": "slash",
    "+": "plus",
    "-": "minus",
    "=": "eq",
    "<": "lt",
    ">": "gt",
    "≤": "lt.eq",
    "≥": "gt.eq",
    "≠": "eq.not",
    "∣": "divides",
    "∈": "in",
    "×": "times",
    "·": "dot.op",
    "⊙": "dot.o",
    "∘": "compose",
    "⊗": "times.o",
    "⋆": "star.op",
    "∗": "ast.op",
    "*": "ast.op",
    "∂": "partial",
    "∇": "nabla",
    "…": "dots.h",
    "⋯": 'class("normal", dots.h.c)',
    "⋮": "dots.v",
    "⋱": "dots.down",
    "←": "arrow.l",
    "→": "arrow.r",
    "′": "prime",
    "†": "dagger",
    "∞": "infinity",
}


def quoted(text: str) -> str:
    """Text as a string of Typst."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Typst(Target):
    """See the module's first lines."""

    name = "typst"

    def items(self, items: Sequence[Item]) -> str:
        return " ".join(self._items(items, ""))

    def _items(self, items: Sequence[Item], font: str) -> list[str]:
        """Text of each item; digits that follow each other are one number."""
        found: list[str] = []
        digits = ""
        for item in (*items, Symbol("")):
            text = item.text if isinstance(item, Symbol) else ""
            if text.isdigit():
                digits += text
                continue
            if digits:
                found.append(_FONTS.get(font, "{}").format(digits))
                digits = ""
            if not isinstance(item, Symbol) or text:
                found.append(self._item(item, font))
        return found

    def _item(self, item: Item, font: str) -> str:
        match item:
            case Symbol(text=text):
                return _token(character(text), font)
            case Word(text=text):
                return _letters(text, font or "mathit")
            case Hole():
                return "dot.op"
            case Mark(command=command, body=body):
                if command in _ACCENTS:
                    return f"{_ACCENTS[command]}({' '.join(self._items(body, font))})"
                return " ".join(self._items(body, command if command in ALPHABETS else "text"))
            case Scripted(body=body, sub=sub, sup=sup):
                return self._scripted(body, sub, sup, font)
        message = f"no way to write {item!r}"
        raise TypeError(message)

    def _scripted(self, body: Sequence[Item], sub: Sequence[Item], sup: Sequence[Item], font: str) -> str:
        primes = 0
        while len(body) - primes > 1 and body[len(body) - 1 - primes] == Symbol("'"):
            primes += 1
        *head, nucleus = self._items(body[: len(body) - primes], font) or ['""']
        above = [*(["prime"] * primes), *self._items(sup, "")]
        below = self._items(sub, "")
        if not above and not below:
            return " ".join([*head, nucleus])
        scripts = [f", b: {_group(below)}"] if below else []
        scripts += [f", t: {_group(above)}"] if above else []
        return " ".join([*head, f"attach({nucleus}{''.join(scripts)})"])

    def name_(self, box: y.Name) -> str:
        return self.items(box.items)

    def digits(self, box: y.Digits) -> str:
        return box.text

    def sign(self, box: y.Sign) -> str:
        return _token(character(box.token), "")

    def words(self, box: y.Words) -> str:
        return quoted(box.text)

    def beside(self, box: y.Beside) -> str:
        """Boxes that touch; a minus before its operand is no operation between two."""
        shown = [self.show(part) for part in box.parts]
        if box.parts[0] == y.MINUS:
            shown[0] = 'class("normal", minus)'
        return " ".join(shown)

    def spaced(self, box: y.Spaced) -> str:
        return " ".join(map(self.show, box.parts))

    def fraction(self, box: y.Frac) -> str:
        return f"frac({self.show(box.over)}, {self.show(box.under)})"

    def root(self, box: y.Root) -> str:
        return f"sqrt({self.show(box.inside)})"

    def power(self, box: y.Power) -> str:
        return f"attach({self.show(box.base)}, t: {self.show(box.exponent)})"

    def turned(self, box: y.Turned) -> str:
        return f"attach({self.show(box.base)}, t: {self.items(box.sign)})"

    def lowered(self, box: y.Lowered) -> str:
        return f"attach({self.show(box.base)}, b: {self.show(box.index)})"

    def summation(self, box: y.Summation) -> str:
        upper = "" if box.upper is None else f", t: {self.show(box.upper)}"
        return f"attach(limits(sum), b: {self.show(box.lower)}{upper})"

    def fence(self, box: y.Fence) -> str:
        left, right = _SIGNS[box.kind[0]], _SIGNS[box.kind[1]]
        inner = f"{left} {self.show(box.inside)} {right}"
        return f"lr({inner})" if box.height else inner

    def edge(self, box: y.Edge) -> str:
        sign = _SIGNS[box.kind[box.closing]]
        return f"stretch({sign}, size: #{140 + 80 * box.height}%)" if box.height else sign

    def norm(self, box: y.Norm) -> str:
        inner = f"lr(bar.v.double {self.show(box.inside)} bar.v.double)"
        return f"attach({inner}{', b: F' if box.frobenius else ''}, t: 2)"

    def cases(self, box: y.Cases) -> str:
        return f"cases({', '.join(f'{self.show(value)} & quad {self.show(when)}' for value, when in box.rows)})"

    def blocks(self, box: y.Blocks) -> str:
        align = "align: #right, " if box.numbers else ""
        return f'mat(delim: "[", {align}{"; ".join(", ".join(map(self.show, row)) for row in box.rows)})'

    def gap(self, box: y.Gap) -> str:
        del box
        return "quad"

    def tinted(self, box: y.Tinted) -> str:
        return f"factor({quoted(KINDS.get(box.kind, 'F'))}, {self.show(box.inside)})"

    def numbered(self, box: y.Numbered) -> str:
        return f"pathmark({quoted(str(box.number))})"

    def braced(self, box: y.Braced) -> str:
        return f"underbrace({self.show(box.inside)}, {self.show(box.name)})"

    def under(self, box: y.Under) -> str:
        return f"attach(limits({self.show(box.inside)}), b: shape({self.show(box.shape)}))"

    def direct(self, box: y.Direct) -> str:
        return f"attach(lr({self.show(box.inside)} mid(bar.v)), b: {quoted('direct')})"


def _group(parts: Sequence[str]) -> str:
    return " ".join(parts)


def _token(char: str, font: str) -> str:
    """One character, or the name of a function in upright letters."""
    if char in _SIGNS:
        return _SIGNS[char]
    if len(char) > 1:
        return f"op({_letters(char, 'upright')})"
    return _letters(char, font)


def _letters(text: str, font: str) -> str:
    """Letters of one word; each is a character of its own, since text between quotes keeps its distance."""
    shown = " ".join(c if c.isalnum() else _SIGNS.get(c) or quoted(c) for c in text)
    return _FONTS.get(font, "upright({})" if font else "{}").format(shown)
