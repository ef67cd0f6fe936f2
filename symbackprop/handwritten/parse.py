"""From text to items: letters, numbers, brackets, quotients, each with its scripts and its place.

Fonts and arrows are set aside, accents belong to the letter, braces that print nothing vanish. What a letter stands
for is not known here.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from lark import Token, Tree

from symbackprop.handwritten.tokens import ReadError, tokenize
from symbackprop.notation.glyph import ACCENTS

Kind = Literal[
    "name",
    "number",
    "group",
    "frac",
    "root",
    "array",
    "text",
    "sign",
    "binary",
    "slash",
    "relation",
    "comma",
    "semicolon",
    "colon",
    "stop",
    "dots",
    "big",
    "hole",
    "over",
    "other",
    "empty",
]
Items = tuple["Item", ...]
_ACCENT = {"widehat": "hat", "widetilde": "tilde", "overline": "bar", "widebar": "bar"}
_SHAPES = frozenset(("vec", "overrightarrow", "overleftarrow", "underline"))
_FOLDED = {
    "ell": "l",
    "varepsilon": "epsilon",
    "vartheta": "theta",
    "varphi": "phi",
    "varrho": "rho",
    "varsigma": "sigma",
    "varpi": "pi",
    "intercal": "top",
    "tanhyp": "tanh",
    "ln": "log",
}
_COMBINING = {
    "\u0302": "\\hat",
    "\u0303": "\\tilde",
    "\u0304": "\\bar",
    "\u0307": "\\dot",
    "\u0308": "\\ddot",
    "\u030c": "\\check",
}
_GREEK_SIGNS = {"∂": "\\partial", "∇": "\\nabla", "ℓ": "\\ell", "⊤": "\\top"}
_WORD_FONTS = frozenset(
    (
        "mathrm",
        "operatorname",
        "operatorname*",
        "mathit",
        "mathsf",
        "mathtt",
        "text",
        "textrm",
        "textit",
        "textbf",
        "textsf",
        "textup",
        "mathsfit",
    )
)
_PROSE = frozenset(
    (
        "where",
        "and",
        "for",
        "if",
        "with",
        "or",
        "otherwise",
        "else",
        "when",
        "since",
        "so",
        "as",
        "is",
        "that",
        "then",
        "all",
        "by",
        "because",
        "let",
        "hence",
        "thus",
        "therefore",
        "also",
        "each",
        "every",
        "which",
        "gives",
        "to",
        "the",
    )
)
_BASES = frozenset(("name", "number", "group", "frac", "root", "array"))
_LABELLED = ("\\underbrace", "\\overbrace")
_PACKAGE = re.compile(r"^(np|numpy|jnp|torch|tf)\.(?=[a-z])")
_TEXT = re.compile(r"\\[a-z]+\s*\{(.*)\}$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One part of a formula with what hangs on it.

    ``nucleus`` are the folded tokens of a name (``ℓ`` is ``l``, no fonts), ``exact`` those as written. A quotient is
    ``body`` over ``under``; an array has ``rows``; a group its brackets in ``text`` and ``closing``. ``wrap`` is the
    range of a font that several items share, for the first and the last of them.
    """

    kind: Kind
    text: str = ""
    closing: str = ""
    nucleus: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()
    body: Items = ()
    under: Items = ()
    rows: tuple[tuple[Items, ...], ...] = ()
    subs: tuple[Items, ...] = ()
    sups: tuple[Items, ...] = ()
    primes: int = 0
    fonts: tuple[str, ...] = ()
    start: int = 0
    end: int = 0
    wrap: tuple[int, int] | None = None

    @property
    def bare(self) -> bool:
        """True where nothing hangs on it."""
        return not (self.subs or self.sups or self.primes)

    def without_scripts(self) -> Item:
        """The item alone."""
        return replace(self, subs=(), sups=(), primes=0)


NAME = 60
"""Characters of a text that is read once: names recur, in a table for every network and context."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The items of a formula, and what was mended to read it."""

    items: Items
    repairs: tuple[str, ...]


def parse(text: str) -> Parsed:
    r"""The items of a formula.

    >>> [item.nucleus for item in parse(r"{\hat{\mathbf y}_t}_i \ell").items]
    [('\\hat', '{', 'y', '}'), ('l',)]

    Raises: ReadError with the place.
    """
    return _parsed_name(text) if len(text) <= NAME else _parsed(text)


@lru_cache(maxsize=4096)
def _parsed_name(text: str) -> Parsed:
    return _parsed(text)


def _parsed(text: str) -> Parsed:
    found = tokenize(text)
    (sequence,) = (child for child in found.tree.children if isinstance(child, Tree))
    return Parsed(_sequence(sequence), found.repairs)


def tokens(items: Items) -> tuple[str, ...]:
    r"""The folded tokens of items, as names and indices are compared.

    >>> tokens(parse(r"\ell-1, t_k").items)
    ('l', '-', '1', ',', 't', '_', 'k')
    """
    result: list[str] = []
    for item in items:
        result += _own_tokens(item)
        result += ["'"] * item.primes
        for sign, script in [*(("_", s) for s in item.subs), *(("^", s) for s in item.sups)]:
            inner = tokens(script)
            result += [sign, *inner] if len(inner) == 1 else [sign, "{", *inner, "}"]
    return tuple(result)


def _own_tokens(item: Item) -> list[str]:
    if item.kind == "name":
        return list(item.nucleus)
    if item.kind == "number":
        return list(item.text)
    if item.kind == "group":
        return [item.text, *tokens(item.body), item.closing]
    if item.kind == "text":
        return [c for c in item.text if not c.isspace()]
    if item.kind == "frac":
        return ["\\frac", "{", *tokens(item.body), "}", "{", *tokens(item.under), "}"]
    return [item.text] if item.text else []


def _tree_children(tree: Tree[Token], rule: str) -> list[Tree[Token]]:
    return [c for c in tree.children if isinstance(c, Tree) and c.data == rule]


def _place(tree: Tree[Token]) -> tuple[int, int]:
    if tree.meta.empty:
        return 0, 0
    return tree.meta.start_pos, tree.meta.end_pos


def _sequence(tree: Tree[Token]) -> Items:
    items: list[Item] = []
    for child in tree.children:
        if isinstance(child, Tree):
            for item in _item(child):
                if item.kind == "empty" and items and items[-1].kind in _BASES:
                    items[-1] = _hung(items[-1], item)
                else:
                    items.append(item)
    return _over(_switched(tuple(items)))


def _hung(base: Item, scripts: Item) -> Item:
    r"""The scripts of ``{}^T`` on what stands before."""
    return replace(
        base,
        subs=base.subs + scripts.subs,
        sups=base.sups + scripts.sups,
        primes=base.primes + scripts.primes,
        end=scripts.end,
    )


def _switched(items: Items) -> Items:
    r"""``\bf`` and the like set aside."""
    fonts: tuple[str, ...] = ()
    kept: list[Item] = []
    for item in items:
        if item.kind == "other" and item.text.startswith("\\"):
            fonts = (item.text.removeprefix("\\"),)
        else:
            kept.append(replace(item, fonts=(*fonts, *item.fonts)) if fonts else item)
    return tuple(kept)


def _over(items: Items) -> Items:
    r"""``a \over b`` as a quotient."""
    places = [k for k, item in enumerate(items) if item.kind == "over"]
    if not places:
        return items
    if len(places) > 1:
        message = "a second \\over; put braces around the first quotient"
        raise ReadError(message, items[places[1]].start, items[places[1]].end)
    above, below = items[: places[0]], items[places[0] + 1 :]
    start = above[0].start if above else items[0].start
    return (Item(kind="frac", body=above, under=below, start=start, end=items[-1].end),)


def _item(tree: Tree[Token]) -> list[Item]:
    """The items of one part: several where braces print nothing."""
    head, *scripts = [child for child in tree.children if isinstance(child, Tree)]
    start, end = _place(tree)
    if head.data == "script_alone":
        scripts, items, labelled = [c for c in head.children if isinstance(c, Tree)], [], False
    else:
        items = _atom(head)
        labelled = head.data == "decorated" and any(str(head.children[0]).startswith(word) for word in _LABELLED)
    if not scripts or labelled:
        return items
    subs, sups, primes = _scripts(scripts)
    if not items:
        return [Item(kind="empty", subs=subs, sups=sups, primes=primes, start=start, end=end)]
    *before, last = items
    if before and not _is_word(items):
        last = Item(kind="group", text="{", closing="}", body=tuple(items), start=items[0].start, end=items[-1].end)
        before = []
    hung = replace(last, subs=last.subs + subs, sups=last.sups + sups, primes=last.primes + primes, end=end)
    return [*before, hung]


def _is_word(items: list[Item]) -> bool:
    return all(item.kind == "name" and item.bare for item in items)


def _scripts(trees: list[Tree[Token]]) -> tuple[tuple[Items, ...], tuple[Items, ...], int]:
    subs: list[Items] = []
    sups: list[Items] = []
    primes = 0
    for tree in trees:
        if tree.data in {"raised", "lowered"}:
            plain = _plain_script(tree.children[0])
            (sups if tree.data == "raised" else subs).append(plain)
            continue
        if tree.data == "primes":
            primes += sum(str(t).count("\\prime") or 1 for t in tree.children)
            continue
        content = _argument(tree.children[1])
        if tree.data == "sup":
            primes += sum(item.primes for item in content if item.kind == "empty" and not item.subs and not item.sups)
            content = tuple(item for item in content if item.kind != "empty" or item.subs or item.sups)
            primes += sum(item.primes for item in content if item.kind == "group" and item.text != "(")
            content = tuple(replace(item, primes=0) if item.kind == "group" else item for item in content)
            primes += sum(item.nucleus == ("\\prime",) for item in content)
            content = tuple(item for item in content if item.nucleus != ("\\prime",))
        if content:
            (subs if tree.data == "sub" else sups).append(content)
    return tuple(subs), tuple(sups), primes


def _plain_script(token: Token | Tree[Token]) -> Items:
    """``ᵀ``, ``²`` and ``ᵢ`` as the letters that they are."""
    start = token.start_pos or 0 if isinstance(token, Token) else 0
    found: list[Item] = []
    for k, character in enumerate(str(token)):
        plain = unicodedata.normalize("NFKC", character).replace("−", "-")
        kind: Kind = "number" if plain.isdigit() else "sign" if plain in {"+", "-"} else "name"
        if found and kind == found[-1].kind == "number":
            found[-1] = replace(found[-1], text=found[-1].text + plain, end=start + k + 1)
            continue
        letters = (plain,) if kind == "name" else ()
        found.append(Item(kind=kind, text=plain, nucleus=letters, exact=letters, start=start + k, end=start + k + 1))
    return tuple(found)


def _argument(child: Token | Tree[Token]) -> Items:
    """What a command or a script takes."""
    if isinstance(child, Token):
        return ()
    if child.data == "prime":
        start, end = _place(child)
        return (Item(kind="empty", primes=1, start=start, end=end),)
    return tuple(_atom(child))


def _atom(tree: Tree[Token]) -> list[Item]:
    start, end = _place(tree)
    if tree.data == "leaf":
        (token,) = (c for c in tree.children if isinstance(c, Token))
        return [_leaf(token)]
    if tree.data == "braces":
        return list(_sequence(_tree_children(tree, "seq")[0]))
    if tree.data == "group":
        opening, sequence, closing = tree.children
        assert isinstance(sequence, Tree)  # noqa: S101 - the grammar
        return [
            Item(
                kind="group",
                text=_bracket(str(opening)),
                closing=_bracket(str(closing)),
                body=_sequence(sequence),
                start=start,
                end=end,
            )
        ]
    if tree.data == "frac":
        return [
            Item(kind="frac", body=_argument(tree.children[1]), under=_argument(tree.children[2]), start=start, end=end)
        ]
    if tree.data == "root":
        degree = _tree_children(tree, "degree")
        under = _sequence(_tree_children(degree[0], "seq")[0]) if degree else ()
        return [Item(kind="root", body=_argument(tree.children[-1]), under=under, start=start, end=end)]
    if tree.data == "mark":
        return _marked(str(tree.children[0]).removeprefix("\\"), _argument(tree.children[1]), start, end)
    if tree.data == "decorated":
        return list(_argument(tree.children[1]))
    return [_environment(tree, start, end)]


def _bracket(text: str) -> str:
    """A bracket or bar without what sets its size."""
    for command in ("\\left", "\\right"):
        if text.startswith(command) and text not in {"\\leftarrow", "\\rightarrow"}:
            text = text.removeprefix(command).strip()
    if text == ".":
        return ""
    if text in {"||", "\\Vert", "\\lVert", "\\rVert"}:
        return "\\|"
    return "|" if text in {"\\vert", "\\lvert", "\\rvert"} else text


def _environment(tree: Tree[Token], start: int, end: int) -> Item:
    name = re.sub(r"\\begin\s*\{|\}.*$", "", str(tree.children[0]), flags=re.DOTALL).rstrip("*")
    rows = []
    for row in _tree_children(tree, "row"):
        cells = tuple(_sequence(_tree_children(cell, "seq")[0]) for cell in _tree_children(row, "cell"))
        if any(cells):
            rows.append(cells)
    return Item(kind="array", text=name, rows=tuple(rows), start=start, end=end)


def _marked(command: str, body: Items, start: int, end: int) -> list[Item]:
    """Letters under an accent or in a font."""
    if command in ACCENTS - _SHAPES:
        accent = "\\" + _ACCENT.get(command, command)
        if len(body) == 1 and body[0].kind in {"name", "number"}:
            inner = body[0]
            own = inner.nucleus or tuple(inner.text)
            return [
                replace(
                    inner,
                    kind="name",
                    nucleus=(accent, "{", *own, "}"),
                    start=start,
                    end=end,
                    exact=(accent, "{", *(inner.exact or own), "}"),
                )
            ]
        own = tokens(body)
        return [
            Item(kind="name", nucleus=(accent, "{", *own, "}"), exact=(accent, "{", *own, "}"), start=start, end=end)
        ]
    marked = [replace(item, fonts=(command, *item.fonts)) for item in body]
    if command in _WORD_FONTS and len(body) > 1 and _is_word([*body[:-1], body[-1].without_scripts()]):
        letters = tuple(t for item in body for t in item.nucleus)
        last = body[-1]
        return [replace(last, nucleus=letters, exact=letters, fonts=(command,), start=start, end=end)]
    if len(marked) == 1:
        marked[0] = replace(marked[0], start=start, end=end)
    elif marked:
        marked[0], marked[-1] = (replace(item, wrap=(start, end)) for item in (marked[0], marked[-1]))
    return marked


_LEAF: dict[str, Kind] = {
    "NUMBER": "number",
    "SIGN": "sign",
    "BINARY": "binary",
    "SLASH": "slash",
    "RELATION": "relation",
    "GROWS": "relation",
    "COMMA": "comma",
    "SEMICOLON": "semicolon",
    "COLON": "colon",
    "STOP": "stop",
    "DOTS": "dots",
    "BIG": "big",
    "HOLE": "hole",
    "OVER": "over",
    "FONT": "other",
    "OTHER": "other",
    "ENTRYWISE": "binary",
}


def _leaf(token: Token) -> Item:
    text, start = str(token), token.start_pos or 0
    end = token.end_pos or start + len(text)
    if token.type == "TEXT":
        return _words(text, start, end)
    if token.type in {"LETTER", "COMMAND"}:
        letter, *marks = list(unicodedata.normalize("NFD", text))
        if len(text) == 1 and marks and letter.isascii():
            return _accented(text, letter, marks, start)
        exact = _GREEK_SIGNS.get(text) or _unicode_greek(text)
        stem = exact.removeprefix("\\")
        folded = _FOLDED.get(stem, stem)
        nucleus = folded if len(folded) == 1 or not exact.startswith("\\") else "\\" + folded
        return Item(kind="name", text=text, nucleus=(nucleus,), exact=(exact,), start=start, end=end)
    kind = _LEAF[token.type]
    if kind == "sign":
        text = "-" if text == "−" else text
    return Item(kind=kind, text=text, start=start, end=end)


def _accented(text: str, letter: str, marks: list[str], start: int) -> Item:
    """``ŷ`` as a letter under an accent."""
    nucleus: tuple[str, ...] = (letter,)
    for mark in marks:
        if mark not in _COMBINING:
            message = f"'{text}' (U+{ord(text[0]):04X}) is not read in a formula"
            raise ReadError(message, start)
        nucleus = (_COMBINING[mark], "{", *nucleus, "}")
    return Item(kind="name", text=text, nucleus=nucleus, exact=nucleus, start=start, end=start + 1)


def _unicode_greek(text: str) -> str:
    if len(text) == 1 and not text.isascii():
        words = unicodedata.name(text, "").split()
        if words[:1] == ["GREEK"] and "LETTER" in words:
            name = words[-1].lower().replace("lamda", "lambda")
            return "\\" + (name.capitalize() if "CAPITAL" in words else name)
    return text


def _words(text: str, start: int, end: int) -> Item:
    r"""``\text{…}``: a name where it is one word that is not prose, else prose."""
    found = _TEXT.match(text)
    inside = found[1] if found else ""
    word = _PACKAGE.sub("", inside.strip())
    if word.isalpha() and word.isascii() and word.lower() not in _PROSE:
        letters = tuple(word)
        return Item(kind="name", text=word, nucleus=letters, exact=letters, fonts=("text",), start=start, end=end)
    return Item(kind="text", text=inside.strip(), start=start, end=end)
