"""Boxes as MathML Core, for a page that needs no script: what browsers set without help.

Letters of other alphabets are Unicode characters, brackets stretch only around what is tall, and every row of two or
more boxes says what is multiplied (a sign that is read aloud, not seen). Kinds and paths are classes for a style sheet;
a name says which array it belongs to by its class ``of-…``.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from symbackprop.document.blocks import KINDS
from symbackprop.emit import layout as y
from symbackprop.emit.characters import ALPHABETS, character, styled
from symbackprop.emit.target import Target
from symbackprop.notation.glyph import FONTS, Hole, Mark, Scripted, Symbol, Word

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from symbackprop.notation.glyph import Item

_TIMES = "<mo>&#x2062;</mo>"
"""Multiplication that is not written."""
_ACCENTS = {
    "hat": "^",
    "widehat": "^",
    "tilde": "~",
    "widetilde": "~",
    "bar": "¯",
    "overline": "¯",
    "dot": "˙",
    "ddot": "¨",
    "vec": "→",
    "overrightarrow": "→",
    "check": "ˇ",
    "breve": "˘",
    "acute": "´",
    "grave": "`",
    "mathring": "˚",
}
_FENCES = frozenset("()[]|‖⟨⟩")
_OPERATORS = frozenset("+-−=<>≤≥≠|∣∈×·⋅⊙∘⊗⋆∗←→/:")
_UPRIGHT = frozenset(FONTS) - frozenset(ALPHABETS)


class MathML(Target):
    """See the module's first lines."""

    name = "mathml"

    # -- names ---------------------------------------------------------------------------------------------------------

    def items(self, items: Sequence[Item]) -> str:
        return _row(self._items(items, ""))

    def _items(self, items: Sequence[Item], font: str) -> list[str]:
        """One element for each item; digits that follow each other are one number, primes hang on what they follow."""
        found: list[str] = []
        digits = ""
        for item in (*items, Symbol("")):
            text = item.text if isinstance(item, Symbol) else ""
            if text.isdigit():
                digits += text
                continue
            if digits:
                found.append(f"<mn>{styled(digits, font)}</mn>")
                digits = ""
            if text == "'" and found:
                found.append(f"<msup>{found.pop()}<mo>′</mo></msup>")
            elif not isinstance(item, Symbol) or text:
                found.append(self._item(item, font))
        return found

    def _item(self, item: Item, font: str) -> str:
        match item:
            case Symbol(text=text):
                return _token(character(text), font)
            case Word(text=text):
                return _letters(text, font or "mathit")
            case Hole():
                return "<mo>⋅</mo>"
            case Mark(command=command, body=body):
                if command in _ACCENTS:
                    inner = _row(self._items(body, font))
                    return f'<mover accent="true">{inner}<mo stretchy="false">{_ACCENTS[command]}</mo></mover>'
                if command == "underline":
                    return f'<munder>{_row(self._items(body, font))}<mo stretchy="true">_</mo></munder>'
                return _row(self._items(body, command))
            case Scripted(body=body, sub=sub, sup=sup):
                return self._scripted(body, sub, sup, font)
        message = f"no way to write {item!r}"
        raise TypeError(message)

    def _scripted(self, body: Sequence[Item], sub: Sequence[Item], sup: Sequence[Item], font: str) -> str:
        """A nucleus with its scripts; primes are part of the superscript."""
        primes = 0
        while len(body) - primes > 1 and body[len(body) - 1 - primes] == Symbol("'"):
            primes += 1
        *head, nucleus = self._items(body[: len(body) - primes], font) or ["<mrow></mrow>"]
        above = [*(["<mo>′</mo>"] * primes), *self._items(sup, "")]
        below = self._items(sub, "")
        if below and above:
            nucleus = f"<msubsup>{nucleus}{_row(below)}{_row(above)}</msubsup>"
        elif below:
            nucleus = f"<msub>{nucleus}{_row(below)}</msub>"
        elif above:
            nucleus = f"<msup>{nucleus}{_row(above)}</msup>"
        return _row([*head, nucleus])

    def name_(self, box: y.Name) -> str:
        inner = self.items(box.items)
        return f'<mrow class="symbol {class_of(box.of)}" tabindex="0">{inner}</mrow>' if box.of else inner

    # -- rows ----------------------------------------------------------------------------------------------------------

    def digits(self, box: y.Digits) -> str:
        return f"<mn>{box.text}</mn>"

    def sign(self, box: y.Sign) -> str:
        if box.token == ",":
            return '<mo separator="true">,</mo>'
        char = character(box.token)
        if char == "/":
            return '<mo form="infix" lspace="0" rspace="0">/</mo>'
        if char in _OPERATORS:
            return f'<mo form="infix">{_operator(char)}</mo>'
        return _token(char, "")

    def words(self, box: y.Words) -> str:
        return f"<mtext>{escape(box.text)}</mtext>"

    def beside(self, box: y.Beside) -> str:
        """Boxes that touch; a first sign belongs to what follows it."""
        first, *rest = box.parts
        if isinstance(first, y.Sign) and first.token in {"-", "+"}:
            return _row([f'<mo form="prefix">{_operator(first.token)}</mo>', *map(self.show, rest)])
        return _row(map(self.show, box.parts))

    def spaced(self, box: y.Spaced) -> str:
        found: list[str] = []
        for k, part in enumerate(box.parts):
            if k and _multiplied(box.parts[k - 1], part):
                found.append(_TIMES)
            found.append(self.show(part))
        return _row(found)

    # -- constructions -------------------------------------------------------------------------------------------------

    def fraction(self, box: y.Frac) -> str:
        return f"<mfrac>{self.show(box.over)}{self.show(box.under)}</mfrac>"

    def root(self, box: y.Root) -> str:
        return f"<msqrt>{self.show(box.inside)}</msqrt>"

    def power(self, box: y.Power) -> str:
        return f"<msup>{self.show(box.base)}{self.show(box.exponent)}</msup>"

    def turned(self, box: y.Turned) -> str:
        return f"<msup>{self.show(box.base)}{self.items(box.sign)}</msup>"

    def lowered(self, box: y.Lowered) -> str:
        return f"<msub>{self.show(box.base)}{self.show(box.index)}</msub>"

    def summation(self, box: y.Summation) -> str:
        if box.upper is None:
            return f"<munder><mo>∑</mo>{self.show(box.lower)}</munder>"
        return f"<munderover><mo>∑</mo>{self.show(box.lower)}{self.show(box.upper)}</munderover>"

    def fence(self, box: y.Fence) -> str:
        return _row([_fence(box.kind[0], box.height), self.show(box.inside), _fence(box.kind[1], box.height)])

    def edge(self, box: y.Edge) -> str:
        size = f' minsize="{1.2 + 0.6 * box.height:.1f}em"' if box.height else ""
        return f'<mo stretchy="{str(bool(size)).lower()}"{size}>{box.kind[box.closing]}</mo>'

    def norm(self, box: y.Norm) -> str:
        inner = _row([_fence("‖", box.height), self.show(box.inside), _fence("‖", box.height)])
        if box.frobenius:
            return f"<msubsup>{inner}<mi>F</mi><mn>2</mn></msubsup>"
        return f"<msup>{inner}<mn>2</mn></msup>"

    def cases(self, box: y.Cases) -> str:
        rows = "".join(
            f"<mtr><mtd>{self.show(value)}</mtd><mtd>{self.show(when)}</mtd></mtr>" for value, when in box.rows
        )
        return f'<mrow><mo stretchy="true">{{</mo><mtable class="cases" displaystyle="true">{rows}</mtable></mrow>'

    def blocks(self, box: y.Blocks) -> str:
        rows = "".join(
            "<mtr>" + "".join(f"<mtd>{self.show(cell)}</mtd>" for cell in row) + "</mtr>" for row in box.rows
        )
        kind = ' class="numbers"' if box.numbers else ""
        return _row([_fence("[", 1), f"<mtable{kind}>{rows}</mtable>", _fence("]", 1)])

    def gap(self, box: y.Gap) -> str:
        del box
        return '<mspace width="1em"></mspace>'

    # -- marks ---------------------------------------------------------------------------------------------------------

    def tinted(self, box: y.Tinted) -> str:
        return f'<mrow class="factor hue{KINDS.get(box.kind, "F")}">{self.show(box.inside)}</mrow>'

    def numbered(self, box: y.Numbered) -> str:
        return f'<mtext class="path">{box.number}</mtext>'

    def braced(self, box: y.Braced) -> str:
        brace = f'<munder>{self.show(box.inside)}<mo stretchy="true">⏟</mo></munder>'
        return f"<munder>{brace}{self.show(box.name)}</munder>"

    def under(self, box: y.Under) -> str:
        return f'<munder>{self.show(box.inside)}<mrow class="shape">{self.show(box.shape)}</mrow></munder>'

    def direct(self, box: y.Direct) -> str:
        return f'<msub><mrow>{self.show(box.inside)}<mo stretchy="true">|</mo></mrow><mtext>direct</mtext></msub>'


def class_of(tensor: str) -> str:
    """The class of everything that names an array; an adjoint's begins otherwise than that of its tensor.

    >>> class_of("H_in"), class_of("∂H_in")
    ('of-H_in', 'of-d-H_in')
    """
    return "of-" + "".join(c if c.isalnum() or c == "_" else "-" for c in tensor.replace("∂", "d-"))


def _multiplied(left: y.Box, right: y.Box) -> bool:
    """True where two boxes of a row are factors that no sign stands between."""
    return (
        not isinstance(left, y.Sign | y.Summation | y.Numbered | y.Words)
        and not isinstance(right, y.Sign | y.Words)
        and not (isinstance(left, y.Beside) and left.parts[-1] == y.COMMA)
    )


def _row(elements: Iterable[str]) -> str:
    """Elements as one."""
    found = list(elements)
    return found[0] if len(found) == 1 else f"<mrow>{''.join(found)}</mrow>"


def _fence(char: str, height: int) -> str:
    return f'<mo stretchy="{"true" if height else "false"}">{escape(char)}</mo>'


def _token(char: str, font: str) -> str:
    """The element of one character, or of a command's name."""
    if char in _FENCES:
        return _fence(char, 0)
    if char in _OPERATORS:
        return f"<mo>{_operator(char)}</mo>"
    if char == ",":
        return "<mo>,</mo>"
    return _letters(char, font)


def _operator(char: str) -> str:
    return escape("−" if char == "-" else char)


def _letters(text: str, font: str) -> str:
    """Letters in their alphabet; one alone is set in italics by the browser, more are not."""
    if font in _UPRIGHT:
        return f'<mi mathvariant="normal">{escape(text)}</mi>' if len(text) == 1 else f"<mi>{escape(text)}</mi>"
    if font == "mathit" and len(text) == 1:
        return f"<mi>{escape(text)}</mi>"
    return f"<mi>{escape(styled(text, font))}</mi>"
