r"""A changed formula as LaTeX in the author's own notation.

What stays keeps its text. Where a part is replaced, the text around it is kept and the new part is written as the
author writes: names from elsewhere in the formula with other indices, the author's transpose, prime and letters. What
the author nowhere writes has the network's spelling.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Size, var
from symbackprop.emit.mathtext import Printer
from symbackprop.handwritten import expression as ex
from symbackprop.index import Ref
from symbackprop.notation.glyph import Symbol, latex
from symbackprop.verify.edits import forms
from symbackprop.verify.repair_index import form_text, letters_in, reindexed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from symbackprop.handwritten.expression import Node
    from symbackprop.verify.edits import Scene

ADD, PRODUCT, ATOM = range(3)
_TURN = r"(?:\\top|\\intercal|\\mathsf\s*\{?\s*T\s*\}?|\\mathrm\s*\{?\s*[Tt]\s*\}?|\\text\s*\{\s*T\s*\}|\\tr|T)"
_TURNED_ALONE = re.compile(r"\^\s*(?:\{\s*" + _TURN + r"\s*\}|" + _TURN + r")")
_TURNED_AFTER = re.compile(r",?\s*" + _TURN + r"\s*\}")
_PRIME = re.compile(r"\^\s*\{?\s*(?:\\prime|'+)\s*\}?|'")
_SIGNS: dict[str, str] = {
    "juxtaposition": " ", "cdot": r" \cdot ", "circ": r" \circ ", "odot": r" \odot ", "otimes": r" \otimes ",
    "times": r" \times ", "star": " * ", "dot": " . ", "entrywise": " .* ", "inner": " : ",
}  # fmt: skip


class Unprintable(Exception):  # noqa: N818 - a finding: this change has no text
    """A node that only its author can write."""


class Writer:
    """Writes changed nodes of one statement; see the module's first lines."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.originals: dict[tuple[type[Node], object, str], list[Node]] = {}
        self.stripped: dict[tuple[type[Node], object, str], str] = {}
        self.letters: dict[str, str] = {}
        self.leaves: list[Node] = []
        self.calls: list[ex.Call] = []
        sources: list[str] = []
        for member in scene.members:
            for node in ex.walk(member):
                self.originals.setdefault(_key(node), []).append(node)
                self._strip(node)
                if node.source:
                    sources.append(node.source)
                if isinstance(node, ex.Quantity | ex.Named) and node.source:
                    self.leaves.append(node)
                if isinstance(node, ex.Call) and node.source:
                    self.calls.append(node)
        for text in sources:
            self.letters.update(letters_in(text))
        whole = " ".join(m.source for m in scene.members)
        self.turn = self._turn_sign(whole)
        self.partial = "d" if r"\partial" not in whole and re.search(r"\\d?frac\s*\{\s*d", whole) else r"\partial"
        self.dots = r"\dot" in whole and "'" not in whole
        self.spaced = _spacing(scene.members)

    def _strip(self, node: Node) -> None:
        """A part whose text is that of the transpose or power around it, alone."""
        if isinstance(node, ex.Transpose) and node.source == node.of.source + "'" and node.of.source.endswith("'"):
            self.stripped[_key(node)], self.stripped[_key(node.of)] = node.of.source, node.of.source[:-1]
        if isinstance(node, ex.Transpose) and node.of.source == node.source and node.source:
            text = _TURNED_ALONE.sub("", node.source, count=1)
            if text == node.source:
                text = _TURNED_AFTER.sub("}", node.source, count=1)
            if text == node.source and node.source.endswith("'"):
                text = node.source[:-1]
            self.stripped[_key(node.of)] = text
        if isinstance(node, ex.Power) and node.base.source == node.source and node.source:
            shown = re.escape(node.exponent.source)
            found = re.sub(r"\^\s*(?:\{\s*" + shown + r"\s*\}|" + shown + ")", " ", node.source, count=1)
            self.stripped[_key(node.base)] = found.strip()

    def _turn_sign(self, whole: str) -> str:
        if any(isinstance(n, ex.Transpose) and n.source.endswith("'") for m in self.scene.members for n in ex.walk(m)):
            return "'"
        found = re.search(r"\^\s*\{?\s*(\\top|\\intercal|\\mathsf\s*\{?T\}?)", whole) or re.search(
            r"\)\s*(\\top)", whole
        )
        if found:
            return found.group(1)
        taken = "T" in self.scene.network.tensors and not re.search(r"\^\s*\{?\s*T", whole)
        return r"\top" if taken else "T"

    # -- the text of a node --------------------------------------------------------------------------------------------

    def own(self, node: Node) -> str:
        """The author's text of an unchanged node."""
        text = self.stripped.get(_key(node), node.source)
        if isinstance(node, ex.Elided):
            return self.elided(node)
        return r"\left" + text if text.count(r"\right") > text.count(r"\left") else text

    def text(self, node: Node) -> str:
        """LaTeX of a node.

        Raises: Unprintable.
        """
        originals = self.originals.get(_key(node), ()) if node.source else ()
        if node in originals:
            return self.own(node)
        for original in originals:
            spliced = self._spliced(original, node)
            if spliced is not None:
                return spliced
        made = _WRITERS.get(type(node))
        if made is None:
            raise Unprintable
        return made(self, node)

    def within(self, node: Node, level: int) -> str:
        """LaTeX of a node, in brackets where it binds less than its surroundings."""
        text = self.text(node)
        return f"({text})" if _level(node, text) < level and not _enclosed(text) else text

    def _spliced(self, original: Node, node: Node) -> str | None:
        """The text of an original with its changed children replaced; None where more than children changed."""
        before, after = list(ex.children(original)), list(ex.children(node))
        if len(before) != len(after) or not before or isinstance(node, ex.Elided):
            return None
        if before[0].source == original.source:
            same = len(before) == 1 or before[1:] == after[1:]
            return self._shared(before[0], after[0], self.own(original)) if same else None
        again = iter(before)
        if ex.mapped(node, lambda _: next(again)) != original:
            return None  # a sign or a letter changed too
        moved = [new for old, new in zip(before, after, strict=True) if old != new]
        if len(moved) > 1 and any(new in before for new in moved) and not isinstance(node, ex.Applied):
            return None  # brackets would stay where they are
        return self._pieces(original, before, after, self.own(original))

    def _shared(self, old: Node, new: Node, source: str) -> str | None:
        """The text of a transpose or power, which is that of the part below with a sign in its scripts."""
        if isinstance(old, ex.Quantity | ex.Named) and isinstance(new, type(old)) and _same_array(old, new):
            return reindexed(source, forms(old), forms(new), self.letters)
        if isinstance(old, ex.Call) and isinstance(new, ex.Call) and replace(new, arguments=old.arguments) == old:
            return self._pieces(old, list(old.arguments), list(new.arguments), source)
        return None

    def _pieces(self, parent: Node, before: list[Node], after: list[Node], source: str) -> str | None:
        """A text with the parts of some children replaced."""
        pieces: list[str] = []
        place = 0
        start = _head_end(source) if isinstance(parent, ex.Call) else 0
        pairs = list(zip(before, after, strict=True))
        if all(old.span is not None for old in before):
            pairs.sort(key=lambda pair: pair[0].span.start if pair[0].span else 0)
        for old, new in pairs:
            text = self.own(old)
            at = _found(text, source, max(place, start))
            if at < 0 or (text == source and len(before) > 1):
                return None
            shown = text if new == old else self._fitting(parent, old, new, source[:at], source[at + len(text) :])
            pieces += [source[place:at], shown]
            place = at + len(text)
        return "".join(pieces) + source[place:]

    def _fitting(self, parent: Node, old: Node, new: Node, before: str, after: str) -> str:
        """The text of a new child, in brackets where the old one needed none."""
        text = self.text(new)
        bracketed = re.search(r"(?:[(\[{|]|\\left\s*\\?[(\[{|.]|\\big+l?\s*\(|\\langle)\s*$", before) is not None and (
            re.match(r"\s*(?:[)\]}|,]|\\right|\\big+r?\s*\)|\\rangle)", after) is not None
        )
        needed = _needed(parent)
        if bracketed or _level(new, text) >= min(needed, _level(old, self.own(old))) or _enclosed(text):
            return text
        return f"({text})"

    # -- parts ---------------------------------------------------------------------------------------------------------

    def leaf(self, node: ex.Quantity | ex.Named) -> str:
        """An array or a name with its indices."""
        fit = [leaf for leaf in self.leaves if leaf == node]
        if fit:
            return self.own(fit[0])
        originals = [leaf for leaf in self.originals.get(_key(node), ()) if _same_array(leaf, node)]
        candidates = [*originals, *(leaf for leaf in self.leaves if _same_array(leaf, node))]
        for leaf in candidates:
            text = reindexed(self.own(leaf), forms(leaf), forms(node), self.letters)
            if text is not None:
                return text
        if node.element and any(isinstance(e, ex.Slice) for e in node.element):
            inner = self.text(replace(node, element=(), span=None, source=""))
            shown = ",".join(":" if isinstance(e, ex.Slice) else form_text(e, self.letters) for e in node.element)
            return f"({inner})_{{{shown}}}"
        if isinstance(node, ex.Named):
            return self._named(node)
        for original in self.originals.get(_key(node), ()):
            found = self._renamed(original, node) if isinstance(original, ex.Quantity) else None
            if found is not None:
                return found
        return self._spelled(node)

    def _named(self, node: ex.Named) -> str:
        known = self.scene.names.get(node.name)
        if known is None:
            raise Unprintable
        base = reindexed(
            known.name, tuple(map(var, known.letters)), node.index, {**letters_in(known.name), **self.letters}
        )
        if base is None:
            raise Unprintable
        if node.element:
            shown = "".join(form_text(e, self.letters) for e in node.element if isinstance(e, Affine))
            return f"{base}_{{{shown}}}" if "_" not in base else f"({base})_{{{shown}}}"
        return base

    def _spelled(self, node: ex.Quantity) -> str:
        """In the network's spelling, with the author's letters."""
        network = self.scene.network
        tensor = network.tensors.get(node.tensor)
        if tensor is None or len(tensor.family) != len(node.family):
            raise Unprintable
        printer = Printer(network, network.notation or "deltas", "latex")
        base = printer.preset.indices.base
        element = tuple(e if e.variables else e - base for e in node.element if isinstance(e, Affine))
        if node.element:
            text = printer.show(printer.ref(Ref(node.tensor, (*node.family, *element))))
        else:
            text = printer.show(printer.tensor(node.tensor, node.family))
        return reindexed(text, forms(node), forms(node), self.letters) or text

    def _renamed(self, original: ex.Quantity, node: ex.Quantity) -> str | None:
        """The author's text of another array with its letter alone replaced."""
        network = self.scene.network
        if node.tensor not in network.tensors or forms(original) != forms(node):
            return None
        whole = (self.whole(original.tensor), self.whole(node.tensor))
        (old, old_scripts), (new, new_scripts) = (re.match(r"([^_^]*)(.*)", text, re.DOTALL).groups() for text in whole)  # type: ignore[union-attr]
        source = self.own(original)
        if old_scripts != new_scripts or not source.startswith(old):
            return None
        return new + source[len(old) :]

    def whole(self, tensor: str) -> str:
        """How a whole array is written."""
        for leaf in self.leaves:
            if isinstance(leaf, ex.Quantity) and leaf.tensor == tensor and not leaf.element:
                return self.own(leaf)
        network = self.scene.network
        printer = Printer(network, network.notation or "deltas", "latex")
        return printer.show(printer.tensor(tensor))

    def call(self, node: ex.Call) -> str:
        """A function of its arguments."""
        head = self._head(node)
        arguments = ", ".join(map(self.text, node.arguments))
        return f"{head}\\left({arguments}\\right)" if r"\frac" in arguments else f"{head}({arguments})"

    def _head(self, node: ex.Call) -> str:
        """The function's name with its prime."""
        for call in sorted(self.calls, key=lambda c: (c.order != node.order, c.family != node.family)):
            if call.function != node.function or len(call.family) != len(node.family):
                continue
            text = self._prefix(call)
            if text is None:
                continue
            head: str | None = reindexed(text, call.family, node.family, self.letters) if call.family else text
            if head is None:
                continue
            return self._primed(head, call.order, node.order)
        return self._primed(_function_name(self.scene, node, self.letters), 0, node.order)

    def _prefix(self, call: ex.Call) -> str | None:
        """The text of a call before its first argument and bracket."""
        source = self.own(call)
        at = _found(call.arguments[0].source, source, _head_end(source)) if call.arguments else -1
        if at <= 0:
            return None
        return re.sub(r"(?:\\left|\\[bB]igg?l?)?\s*\\?[(\[{]?\s*$", "", source[:at]).strip() or None

    def _primed(self, head: str, order: int, wanted: int) -> str:
        """A function's name with another number of primes."""
        if order == wanted:
            return head
        if wanted < order:
            dotted = re.sub(r"\\d+ot\s*(?:\{([^{}]*)\}|(\\[A-Za-z]+|[A-Za-z]))", r"\1\2", head, count=1)
            return dotted if dotted != head else _PRIME.sub("", head, count=order - wanted)
        if self.dots:
            found = re.match(r"\\[A-Za-z]+|[A-Za-z]", head)
            if found:
                return rf"\dot{{{found.group()}}}{head[found.end() :]}"
        found = re.match(r"(?:\\(?:mathrm|operatorname|text)\s*\{[^{}]*\}|\\[A-Za-z]+|[A-Za-z]+)", head)
        at = found.end() if found else len(head)
        return head[:at] + "'" * (wanted - order) + head[at:]

    def turned(self, node: ex.Transpose) -> str:
        """A transpose with the author's sign."""
        of = node.of
        text = self.text(of)
        if self.turn == "'":
            return f"({text})'" if _level(of, text) < ATOM and not _enclosed(text) else f"{text}'"
        sign = (
            self.turn
            if len(self.turn) == 1 or (self.turn.startswith("\\") and "{" not in self.turn)
            else f"{{{self.turn}}}"
        )
        plain = _level(of, text) == ATOM and "^" not in _outside(text) and not text.endswith("'")
        if plain and not text.startswith(r"\frac"):
            return f"{text}^{sign}"
        if _enclosed(text):
            return f"{text}^{sign}"
        return f"\\left({text}\\right)^{sign}" if r"\frac" in text else f"({text})^{sign}"

    def product(self, node: ex.Product) -> str:
        """Factors with their signs."""
        out = ""
        last = len(node.factors) - 1
        for k, (factor, sign) in enumerate(zip(node.factors, node.signs, strict=True)):
            level = (
                ATOM
                if isinstance(factor, ex.Product | ex.Sum) or (k < last and isinstance(factor, ex.BigOperator))
                else PRODUCT
            )
            text = self.within(factor, level)
            if not k:
                out = text
                continue
            shown = self.spaced.get(sign, _SIGNS[sign])
            digits = sign == "juxtaposition" and text[:1].isdigit()
            out += (r" \cdot " if digits else shown) + text
        return out

    def sum(self, node: ex.Sum) -> str:
        """Terms with their signs."""
        out = ""
        for k, (term, sign) in enumerate(zip(node.terms, node.signs, strict=True)):
            text = self.within(term, PRODUCT)
            shown = ("-" if sign < 0 else "") if not k else (" - " if sign < 0 else " + ")
            out += shown + text
        return out

    def number(self, node: ex.Number) -> str:
        """A number."""
        value = Fraction(node.value)
        return str(value) if value.denominator == 1 else rf"\frac{{{value.numerator}}}{{{value.denominator}}}"

    def letter(self, node: ex.Letter) -> str:
        """An index or a size."""
        single = node.form.single
        if isinstance(single, Size) and single.name not in self.letters:
            return _size_name(self.scene, single) or form_text(node.form, self.letters)
        return form_text(node.form, self.letters)

    def quotient(self, node: ex.Quotient) -> str:
        """A fraction."""
        return rf"\frac{{{self.text(node.over)}}}{{{self.text(node.under)}}}"

    def power(self, node: ex.Power) -> str:
        """A power."""
        base = self.text(node.base)
        if _level(node.base, base) < ATOM or "^" in _outside(base) or isinstance(node.base, ex.Call):
            base = base if _enclosed(base) else f"({base})"
        exponent = self.text(node.exponent)
        return f"{base}^{exponent}" if len(exponent) == 1 else f"{base}^{{{exponent}}}"

    def derivative(self, node: ex.Derivative) -> str:
        """∂of/∂by."""
        if node.of is None:
            raise Unprintable
        of, by = self.text(node.of), self.text(node.by)
        if not by:
            return rf"\nabla {of}"
        by = f"({by})" if _level(node.by, by) < ATOM and not _enclosed(by) else by
        if _level(node.of, of) < ATOM:
            return rf"\frac{{{self.partial}}}{{{self.partial} {by}}} ({of})"
        return rf"\frac{{{self.partial} {of}}}{{{self.partial} {by}}}"

    def big(self, node: ex.BigOperator) -> str:
        """A sum sign with its limits and its body."""
        if node.excluded or node.kind not in {"sum", "product"}:
            raise Unprintable
        sign = r"\sum" if node.kind == "sum" else r"\prod"
        body = self.within(node.body, PRODUCT)
        if node.letter is None:
            return f"{sign} {body}"
        letter = self.letters.get(node.letter, node.letter)
        if node.lo is not None:
            sign += f"_{{{letter}={form_text(node.lo, self.letters)}}}"
        else:
            sign += f"_{letter}" if len(letter) == 1 or letter.startswith("\\") else f"_{{{letter}}}"
        if node.hi is not None:
            sign += f"^{{{self.letter(ex.Letter(form=node.hi))}}}"
        return f"{sign} {body}"

    def operation(self, node: ex.Operation) -> str:
        """diag, a Kronecker delta, a trace."""
        if node.name == "diag":
            return rf"\operatorname{{diag}}({self.text(node.arguments[0])})"
        if node.name == "kronecker":
            shown = [self.text(a) for a in node.arguments]
            if any(r"\delta" in m.source for m in self.scene.members):
                return rf"\mathbb{{1}}({' = '.join(shown)})"
            return rf"\delta_{{{''.join(shown)}}}"
        if node.name == "element":
            base, *indices = node.arguments
            shown = [":" if isinstance(i, ex.Slice) else self.text(i) for i in indices]
            return rf"\left[{self.text(base)}\right]_{{{','.join(shown)}}}"
        if node.name == "dots":
            return r"\dots"
        if node.name == "identity" and not node.arguments:
            return "I"
        if node.name == "parameters":
            return ""
        if node.name == "trace":
            return rf"\operatorname{{tr}}({self.text(node.arguments[0])})"
        raise Unprintable

    def elided(self, node: ex.Elided) -> str:
        """The two ends with dots between."""
        sign = {"plus": " + ", "comma": ", "}.get(node.sign, "")
        sign = sign or self.spaced.get(node.sign, _SIGNS.get(node.sign, " "))
        parts = [self.text(part) for part in (node.first, node.second) if part is not None]
        return sign.join([*parts, r"\dots" if node.sign == "comma" else r"\cdots", self.text(node.last)])

    def array(self, node: ex.Array) -> str:
        """An explicit matrix."""
        rows = (" & ".join(map(self.text, row)) for row in node.rows)
        return r"\begin{pmatrix} " + r" \\ ".join(rows) + r" \end{pmatrix}"

    def differential(self, node: ex.Differential) -> str:
        """D of something."""
        return f"d{self.within(node.of, ATOM)}"


def _function_name(scene: Scene, node: ex.Call, letters: dict[str, str]) -> str:
    """The network's spelling of a function, at a layer."""
    printer = Printer(scene.network, scene.network.notation or "deltas", "latex")
    pattern = printer.spelling.function(node.function, len(node.family))
    return latex(pattern.fill([(Symbol(form_text(form, letters)),) for form in node.family]))


def _size_name(scene: Scene, size: Size) -> str | None:
    texts = scene.network.latex.get(size.name)
    return texts[0] if texts else None


def _key(node: Node) -> tuple[type[Node], object, str]:
    return type(node), node.span, node.source


def _same_array(one: Node, other: Node) -> bool:
    """True for one array in the same form: as many indices, slices in the same places."""
    if isinstance(one, ex.Quantity) and isinstance(other, ex.Quantity):
        same = one.tensor == other.tensor and len(one.family) == len(other.family)
    elif isinstance(one, ex.Named) and isinstance(other, ex.Named):
        same = one.name == other.name and len(one.index) == len(other.index)
    else:
        return False
    return same and [type(e) for e in one.element] == [type(e) for e in other.element]


def _spacing(members: Sequence[Node]) -> dict[str, str]:
    """How the author writes product signs."""
    found: dict[str, str] = {}
    spelled = {
        "cdot": r"\cdot",
        "circ": r"\circ",
        "odot": r"\odot",
        "otimes": r"\otimes",
        "star": "*",
        "times": r"\times",
    }
    whole = " ".join(m.source for m in members)
    for sign, text in spelled.items():
        for other in {"star": (r"\ast", r"\star", "*"), "circ": (r"\circ", "∘"), "odot": (r"\odot", "⊙")}.get(
            sign, (text,)
        ):
            if other in whole:
                found[sign] = f" {other} "
    return found


def _needed(parent: Node) -> int:
    """How tightly children of a node must bind where nothing is around them."""
    if isinstance(parent, ex.Product):
        return PRODUCT
    if isinstance(parent, ex.Power | ex.Transpose):
        return ATOM
    return ADD if not isinstance(parent, ex.Sum | ex.BigOperator) else PRODUCT


def _level(node: Node, text: str) -> int:
    if isinstance(node, ex.Sum):
        return ADD
    if isinstance(node, ex.Product | ex.BigOperator | ex.Elided):
        return PRODUCT
    if isinstance(node, ex.Quotient | ex.Derivative) and "/" in _outside(text):
        return PRODUCT
    if isinstance(node, ex.Differential) or (
        isinstance(node, ex.Derivative) and not re.fullmatch(r"\\[dt]?frac.*\}", text, re.DOTALL)
    ):
        return PRODUCT
    return ATOM


def _outside(text: str) -> str:
    """A text without what stands in brackets and braces."""
    out, depth = "", 0
    for char in text:
        depth += char in "({["
        out += char if not depth else ""
        depth -= char in ")}]"
    return out


def _found(text: str, source: str, start: int) -> int:
    r"""Where a text stands in another and is no part of a command, as ``a`` is of ``\\sigma``; -1 where it does not."""
    at = source.find(text, start) if text else -1
    while at >= 0:
        end = at + len(text)
        within = text[0].isalpha() and re.search(r"\\[A-Za-z]*$", source[:at])
        goes_on = re.search(r"\\[A-Za-z]+$", text) and source[end : end + 1].isalpha()
        if not (within or goes_on):
            return at
        at = source.find(text, at + 1)
    return -1


def _head_end(source: str) -> int:
    """Where the name of a function ends at the start of its call."""
    found = re.match(r"\s*(?:\\(?:mathrm|operatorname|text)\s*\*?\s*\{[^{}]*\}|\\[A-Za-z]+|[A-Za-z]+)", source)
    return found.end() if found else 0


def _enclosed(text: str) -> bool:
    """True where one pair of brackets holds the whole text."""
    text = text.strip().removeprefix(r"\left").strip()
    if not text.startswith(("(", "[")) or not text.endswith((")", "]")):
        return False
    depth = 0
    for place, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if depth == 0:
            return place == len(text) - 1
    return False


_WRITERS: dict[type[Node], Callable[..., str]] = {
    ex.Quantity: Writer.leaf,
    ex.Named: Writer.leaf,
    ex.Call: Writer.call,
    ex.Transpose: Writer.turned,
    ex.Product: Writer.product,
    ex.Sum: Writer.sum,
    ex.Number: Writer.number,
    ex.Letter: Writer.letter,
    ex.Quotient: Writer.quotient,
    ex.Power: Writer.power,
    ex.Derivative: Writer.derivative,
    ex.BigOperator: Writer.big,
    ex.Operation: Writer.operation,
    ex.Differential: Writer.differential,
    ex.Elided: Writer.elided,
    ex.Array: Writer.array,
}


def statement_text(writer: Writer, members: Sequence[Node], relations: Sequence[str]) -> str | None:
    """The members with their relations; None where a part has no text."""
    try:
        texts = [writer.text(member) for member in members]
    except Unprintable:
        return None
    out = texts[0]
    for relation, text in zip(relations, texts[1:], strict=False):
        out += f" {relation} {text}"
    return out
