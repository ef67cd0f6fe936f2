"""Forward equations of a document as text of a network file: from nodes, with their axes.

Products become ``@`` or ``*`` by the shapes of their factors, sums over an index the index form, elements count from 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from symbackprop.affine import Affine, Var, var
from symbackprop.handwritten.expression import (
    Array,
    BigOperator,
    Call,
    Letter,
    Node,
    Number,
    Operation,
    Power,
    Product,
    Quantity,
    Quotient,
    Slice,
    Sum,
    Transpose,
    Unknown,
    walk,
)
from symbackprop.tables.reductions import AXIS_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from symbackprop.affine import Bound
    from symbackprop.network import Network

_WITHIN = frozenset(("odot", "circ", "entrywise"))
Axes = tuple[Affine, ...]
ANY = "?"
"""A size that is not known yet: of a family that an equation defines through itself."""


class NotForwardError(Exception):
    """An expression that is no forward computation; ``node`` is the part that is none."""

    def __init__(self, *, reason: str, node: Node | None = None) -> None:
        super().__init__(reason)
        self.node = node


@dataclass(frozen=True, slots=True)
class Text:
    """A part of the forward text with its axes; ``row`` is a transposed vector, ``tight`` needs no brackets.

    ``ones`` is a vector of ones, which repeats what it is multiplied with or sums over it.
    """

    text: str
    axes: Axes = ()
    row: bool = False
    tight: bool = True
    ones: bool = False

    @property
    def inside(self) -> str:
        """The text as an operand."""
        return self.text if self.tight else f"({self.text})"


@dataclass(slots=True)
class Writer:
    """Writes nodes; ``letters`` are the index letters used so far with what they count: (letter, size) -> name."""

    network: Network
    members: Mapping[str, tuple[Bound, ...]]
    letters: dict[tuple[str, Affine], str] = field(default_factory=dict)
    scope: dict[str, Affine] = field(default_factory=dict)
    """Sizes of the element letters of the equation at hand."""
    starts: dict[str, int] = field(default_factory=dict)
    """Where the author counts an element letter from, if not from 1."""
    seen: set[Literal["rows", "columns"]] = field(default_factory=set)
    """How vectors lie in the products of matrices and vectors that were written."""

    def equation(self, node: Node, free: Mapping[str, Affine]) -> Text:
        """The right side; ``free`` are the element letters of the left side with what they count.

        Raises: NotForwardError.
        """
        self.scope = {**letter_sizes(node, self.network), **free}
        for each in walk(node):
            if isinstance(each, BigOperator) and each.letter and each.lo is not None and each.lo.is_constant:
                self.starts[each.letter] = each.lo.const
        return self.write(node)

    def letter(self, name: str) -> str:
        """An element letter as the text has it: one name for each size it counts."""
        size = self.scope[name]
        key = (name, size)
        if key not in self.letters:
            taken = {*self.letters.values(), *self.network.tensors, *self.network.sizes, *self.network.functions}
            wanted, k = name.replace("'", "_"), 2
            while wanted in taken or wanted in self.members:
                wanted, k = f"{name}_{k}", k + 1
            self.letters[key] = wanted
        return self.letters[key]

    def write(self, node: Node) -> Text:  # noqa: C901, PLR0911, PLR0912 - one branch a kind of node
        """The text of a node."""
        match node:
            case Number(value=value):
                return _number(value)
            case Letter(form=form):
                return Text(self._form(form, shift=0), tight=len(form.terms) + bool(form.const) == 1)
            case Quantity():
                return self._quantity(node)
            case Call():
                return self._call(node)
            case Sum():
                return self._sum(node)
            case Product():
                return self._product(node)
            case Quotient(over=over, under=under):
                above, below = self.write(over), self.write(under)
                return Text(f"{above.inside} / {below.inside}", _larger(above, below), tight=False)
            case Power():
                return self._power(node)
            case Transpose(of=of):
                inner = self.write(of)
                if len(inner.axes) < 2:  # noqa: PLR2004 - a vector or a scalar
                    return replace(inner, row=not inner.row)
                return Text(f"{inner.inside}.T", inner.axes[::-1])
            case BigOperator():
                return self._big(node)
            case Operation():
                return self._operation(node)
            case Array(rows=rows) if rows and all(len(row) == 1 for row in rows):
                parts = [self.write(row[0]) for row in rows]
                total = Affine()
                for part in parts:
                    total += part.axes[0] if part.axes else Affine(1)
                return Text(f"concat({', '.join(part.text for part in parts)})", (total, *parts[0].axes[1:]))
            case Unknown(name=name):
                shape = rf"'${name} \in \mathbb{{R}}^{{…}}$'"
                raise NotForwardError(reason=f"'{name}' is not declared; define it, or write {shape}", node=node)
            case _:
                raise NotForwardError(reason=f"a {type(node).__name__.lower()} is no forward computation", node=node)

    def _form(self, form: Affine, shift: int) -> str:
        mapping = {name: var(self.letter(name)) for name in form.variables if name in self.scope}
        return str(form.substitute(mapping) - shift)

    def _quantity(self, node: Quantity) -> Text:
        tensor = self.network.tensors[node.tensor]
        mapping = {b.var: form for b, form in zip(tensor.family, node.family, strict=True)}
        axes = tuple(axis.substitute(mapping) for axis in tensor.axes)
        text = node.tensor + "".join(f"[{form}]" for form in node.family)
        if not node.element:
            return Text(text, axes)
        one = Affine(1)
        element = [one if axis == one else form for form, axis in zip(node.element, axes, strict=True)]
        if any(isinstance(form, Slice) for form in element):
            raise NotForwardError(reason="a slice is not read in a forward equation", node=node)
        forms = [form for form in element if isinstance(form, Affine)]
        inside = ", ".join(self._form(form, shift=self._shift(form)) for form in forms)
        return Text(f"{text}[{inside}]")

    def _shift(self, form: Affine) -> int:
        """How much larger an index of the author's is than that of the text, where letters and elements count from 0.

        One letter alone runs over the axis from its first element, wherever the author counts from.
        """
        letters = {name: factor for name, factor in form.linear.items() if name in self.scope}
        if not letters or isinstance(form.single, Var):
            return 0 if form.variables else 1
        starts = {self.starts.get(name, 1) for name in letters}
        if starts == {0} and len(letters) > 1:  # elements count from 0, as their letters do
            return 0
        return 1 - sum(factor * self.starts.get(name, 1) for name, factor in letters.items())

    def _call(self, node: Call) -> Text:
        if node.order:
            raise NotForwardError(reason="a slope is no forward computation", node=node)
        parts = [self.write(part) for part in node.arguments]
        name = node.function + "".join(f"[{form}]" for form in node.family)
        if node.function == "max" and len(parts) == 2:  # noqa: PLR2004 - the larger of two
            first, second = sorted(parts, key=lambda part: part.text == "0")
            larger = f"where({first.text} > {second.text}, {first.text}, {second.text})"
            text = f"relu({first.text})" if second.text == "0" else larger
            return Text(text, _larger(first, second), row=first.row or second.row)
        given = self.network.functions.get(node.function)
        if given is not None and given.kind == "opaque loss":
            return Text(f"{name}({', '.join(part.text for part in parts)})")
        if node.function in AXIS_FUNCTION and len(parts) == 1:
            axes = parts[0].axes
            if not axes:
                raise NotForwardError(reason=f"'{node.function}' of a single number", node=node)
            kept = axes if node.function in {"softmax", "log_softmax"} else axes[:-1]
            return Text(f'{name}({parts[0].text}, "{axes[-1]}")', kept)
        return Text(f"{name}({', '.join(part.text for part in parts)})", parts[0].axes, row=parts[0].row)

    def _sum(self, node: Sum) -> Text:
        out, axes = "", Text("")
        parts = _spread([self.write(term) for term in node.terms])
        for position, (part, sign) in enumerate(zip(parts, node.signs, strict=True)):
            text = part.inside if sign < 0 else part.text
            out += ("-" if sign < 0 else "") + text if not position else f" {'-' if sign < 0 else '+'} {text}"
            axes = Text("", _larger(axes, part), row=axes.row or part.row)
        return Text(out, axes.axes, row=axes.row, tight=False)

    def _product(self, node: Product) -> Text:
        """Juxtaposition and dots bind tighter than the entrywise signs."""
        blocks: list[Text] = []
        signs: list[str] = []
        for factor, sign in zip(node.factors, node.signs, strict=True):
            part = self.write(factor)
            if blocks and sign not in _WITHIN:
                blocks[-1] = self._times(blocks[-1], part, sign, node)
            else:
                blocks.append(part)
                signs.append(sign)
        total, *others = _spread(blocks)
        for block in others:
            total = Text(f"{total.inside} * {block.inside}", _larger(total, block), tight=False)
        return total

    def _times(self, left: Text, right: Text, sign: str, node: Node) -> Text:
        """A product by the shapes of its factors."""
        if left.ones or right.ones:
            return _with_ones(left, right)
        if not left.axes or not right.axes or sign == "otimes":
            row = left.row or right.row
            return Text(f"{left.inside} * {right.inside}", (*left.axes, *right.axes), row=row, tight=False)
        if sign == "star" and left.axes == right.axes:
            return Text(f"{left.inside} * {right.inside}", left.axes, tight=False)
        if len(left.axes) == 1 and len(right.axes) == 1:
            if right.row and not left.row:
                return Text(f"{left.inside} * {right.inside}", (*left.axes, *right.axes), tight=False)
            if left.axes == right.axes and (left.row or sign in {"cdot", "inner", "dot"}):
                return Text(f"{left.inside} @ {right.inside}", tight=False)
            if left.axes == right.axes:
                return Text(f"{left.inside} * {right.inside}", left.axes, tight=False)
        if not _fits(left.axes[-1], right.axes[0]):
            raise NotForwardError(
                reason=f"sizes {left.axes[-1]} and {right.axes[0]} do not fit in a product", node=node
            )
        axes = (*left.axes[:-1], *right.axes[1:])
        if len(left.axes) != len(right.axes) and not (left.row or right.row):
            self.seen.add("columns" if len(left.axes) > len(right.axes) else "rows")
        return Text(f"{left.inside} @ {right.inside}", axes, tight=False)

    def _power(self, node: Power) -> Text:
        if isinstance(node.base, Operation) and node.base.name == "norm" and _is_two(node.exponent):
            inner = self.write(node.base.arguments[0])
            return Text(f"sum({inner.inside}**2)")
        base, exponent = self.write(node.base), self.write(node.exponent)
        return Text(f"{base.inside}**{exponent.inside}", base.axes, row=base.row, tight=False)

    def _big(self, node: BigOperator) -> Text:
        if node.kind not in {"sum", "mean", "max"} or node.excluded:
            raise NotForwardError(reason="this sum or product is not read in a forward equation", node=node)
        body = self.write(node.body)
        if node.letter is None:
            return Text(f"{node.kind}({body.text})")
        if node.letter in self.scope:
            return Text(f"{node.kind}({body.text}, {self.letter(node.letter)})", body.axes)
        return Text(f"{node.kind}({body.text}, {node.letter})", body.axes)

    def _operation(self, node: Operation) -> Text:
        parts = [self.write(part) for part in node.arguments]
        if node.name == "ones" and len(parts) < 2:  # noqa: PLR2004 - a vector
            return Text("1", ones=True)
        if node.name == "norm" and len(parts) == 1:
            return Text(f"sqrt(sum({parts[0].inside}**2))")
        if node.name == "inner" and len(parts) == 2:  # noqa: PLR2004 - two arguments
            return Text(f"sum({parts[0].inside} * {parts[1].inside})", tight=True)
        if node.name in {"sum", "mean"} and len(parts) == 1:
            return Text(f"{node.name}({parts[0].text})")
        raise NotForwardError(reason=f"'{node.name}' is not read in a forward equation", node=node)


def _with_ones(left: Text, right: Text) -> Text:
    """A product with a vector of ones: ``1ᵀA`` and ``A1`` sum; ``1bᵀ`` and ``b1ᵀ`` repeat ``b``, as sums do anyway."""
    other, first = (right, True) if left.ones else (left, False)
    if other.axes and (left.row if first else not right.row):
        axes = other.axes[1:] if first else other.axes[:-1]
        return Text(f'sum({other.text}, "{other.axes[0 if first else -1]}")', axes, row=first)
    return other


def _number(value: Fraction) -> Text:
    if value.denominator == 1:
        return Text(str(value.numerator))
    return Text(f"{value.numerator}/{value.denominator}", tight=False)


def _is_two(node: Node) -> bool:
    return isinstance(node, Number) and node.value == 2  # noqa: PLR2004 - a square


def _fits(left: Affine, right: Affine) -> bool:
    """True where two sizes agree, or one is not known yet."""
    return left == right or ANY in left.sizes or ANY in right.sizes


def _spread(parts: Sequence[Text]) -> list[Text]:
    """Operands of an entrywise operation: a matrix of one row or column beside a wider one is a vector that repeats."""
    one = Affine(1)

    def spread(part: Text) -> Text:
        at = part.axes.index(one) if part.axes.count(one) == 1 and len(part.axes) == 2 else None  # noqa: PLR2004
        wider = at is not None and any(
            len(other.axes) == 2 and other.axes[1 - at] == part.axes[1 - at] and other.axes[at] != one  # noqa: PLR2004
            for other in parts
        )
        return Text(f'sum({part.text}, "1")', (part.axes[1 - at],)) if wider and at is not None else part

    return [spread(part) for part in parts]


def _larger(left: Text, right: Text) -> Axes:
    return left.axes if len(left.axes) >= len(right.axes) else right.axes


def letter_sizes(node: Node, network: Network) -> dict[str, Affine]:
    """What each letter in an element index counts, from the axes of the tensors it stands in."""
    found: dict[str, Affine] = {}
    for each in walk(node):
        if not isinstance(each, Quantity) or not each.element:
            continue
        tensor = network.tensors[each.tensor]
        mapping = {b.var: form for b, form in zip(tensor.family, each.family, strict=True)}
        for form, axis in zip(each.element, tensor.axes, strict=False):
            if isinstance(form, Affine) and isinstance(atom := form.single, Var):
                found.setdefault(atom.name, axis.substitute(mapping))
    return found
