"""Sums and products: what binds what, how far a sum sign reaches, what dots stand for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from symbackprop.affine import Affine
from symbackprop.handwritten import atoms, author_operators, naming
from symbackprop.handwritten.expression import (
    Applied,
    BigOperator,
    Call,
    Derivative,
    Differential,
    Elided,
    Letter,
    Named,
    Node,
    Number,
    Operation,
    Product,
    Quantity,
    Quotient,
    Slice,
    Sum,
    mapped,
    walk,
)
from symbackprop.handwritten.limits import limits
from symbackprop.handwritten.parse import tokens
from symbackprop.handwritten.reader import Cursor, Reader, is_dots

if TYPE_CHECKING:
    from symbackprop.handwritten.author_operators import AuthorOperator
    from symbackprop.handwritten.expression import ProductSign
    from symbackprop.handwritten.parse import Item, Items

_SIGNS: dict[str, ProductSign] = {
    r"\odot": "odot",
    "⊙": "odot",
    r"\circ": "circ",
    "∘": "circ",
    r"\otimes": "otimes",
    "⊗": "otimes",
    r"\times": "times",
    "×": "times",
    r"\cdot": "cdot",
    "·": "cdot",
    r"\cdotp": "cdot",
    r"\centerdot": "cdot",
    r"\bullet": "cdot",
    "*": "star",
    r"\ast": "star",
    r"\star": "star",
    ".*": "entrywise",
}
_QUOTIENTS = frozenset(("./", r"\oslash", r"\div"))
_STOPS = frozenset(("relation", "comma", "semicolon", "text"))
_AHEAD = 60
"""Parts after a sum that are searched for its index."""
_MOST_DOTS = 8
_MOST_SLASHES = 20
_BLOCK = 3
"""Factors at most that repeat between dots."""


def read_sum(reader: Reader, items: Items) -> Node:
    """The value of items.

    Raises: ReadError at what does not fit.
    """
    cursor = Cursor(items)
    if not items:
        reader.fail("something is missing here")
    node = _sum(reader, cursor)
    left = cursor.peek()
    if left is not None:
        reader.fail(f"'{_shown(reader, left)}' does not fit here", left)
    return node


def _shown(reader: Reader, item: Item) -> str:
    return reader.formula.text[item.start : item.end] or item.text


def _sum(reader: Reader, cursor: Cursor) -> Node:
    first = cursor.peek()
    assert first is not None  # noqa: S101 - the callers look
    terms: list[Node] = []
    signs: list[int] = []
    while True:
        sign = _sign(reader, cursor, first)
        terms.append(_product(reader, cursor))
        signs.append(sign)
        following = cursor.peek()
        if following is None or following.kind != "sign":
            break
    last = cursor.items[cursor.place - 1]
    terms, signs = _elided_terms(reader, terms, signs, first)
    if len(terms) == 1 and signs == [1]:
        return terms[0]
    return Sum(terms=tuple(terms), signs=tuple(signs), **reader.at(first, last))


def _sign(reader: Reader, cursor: Cursor, first: Item) -> int:
    sign = 1
    while (item := cursor.peek()) is not None and item.kind == "sign":
        if item.text not in {"+", "-"}:
            reader.fail(f"'{item.text}' is not read: write both formulas", item)
        sign = -sign if item.text == "-" else sign
        cursor.take()
    if cursor.peek() is None:
        last = cursor.items[-1] if cursor.items else first
        reader.fail(f"a term is missing after '{_shown(reader, last)}'", last)
    return sign


def _elided_terms(reader: Reader, terms: list[Node], signs: list[int], first: Item) -> tuple[list[Node], list[int]]:
    """``a_1 + a_2 + … + a_n`` as one term."""
    if sum(map(is_dots, terms)) > _MOST_DOTS:
        reader.fail("there are too many dots in this sum", first)
    while any(map(is_dots, terms)):
        k = next(k for k, term in enumerate(terms) if is_dots(term))
        if k == 0 or k + 1 >= len(terms):
            reader.fail("the dots need a term on both sides", first)
        near, far = terms[k - 1], terms[k + 1]
        second = k >= 2 and _skeleton(terms[k - 2]) == _skeleton(near)  # noqa: PLR2004 - two terms before the dots
        start = k - 2 if second else k - 1
        node = Elided(
            first=terms[start],
            second=near if second else None,
            last=far,
            sign="plus",
            source=_between(terms[start], far),
        )
        terms = [*terms[:start], node, *terms[k + 2 :]]
        signs = [*signs[:start], signs[start], *signs[k + 2 :]]
    return terms, signs


def _between(first: Node, last: Node) -> str:
    return f"{first.source} … {last.source}"


# ---------------------------------------------------------------------------------------------------------------------
# Products


@dataclass(slots=True)
class _Run:
    """The factors of a product so far, the sign before each and its place; ``pending`` is the sign that was read last.

    ``joins`` are signs of the author's, by the factor behind them.
    """

    factors: list[Node] = field(default_factory=list)
    signs: list[ProductSign] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    joins: dict[int, AuthorOperator] = field(default_factory=dict)
    pending: ProductSign | None = None
    waiting: Item | None = None

    def read(self, reader: Reader, cursor: Cursor) -> None:
        """One more factor."""
        start = cursor.place
        signed = cursor.items[start].kind == "sign"
        self.factors.append(_unary(reader, cursor) if signed else _factor(reader, cursor))
        self.signs.append("juxtaposition" if len(self.factors) == 1 else self.pending or "juxtaposition")
        self.places.append((cursor.items[start].start, cursor.items[cursor.place - 1].end))
        self.pending = None

    def sign(self, reader: Reader, cursor: Cursor, item: Item) -> bool:
        """True where the item is a sign between factors, which is taken."""
        operator = author_operators.infix(reader, item) if self.factors and self.pending is None else None
        if operator is not None:
            self.joins[len(self.factors)] = operator
            self.pending, self.waiting = "juxtaposition", cursor.take()
            return True
        sign = _product_sign(cursor, item, self.factors)
        if sign is None:
            return False
        cursor.take()
        if sign != "skip":
            if self.pending is not None or not self.factors:
                reader.fail(f"'{_shown(reader, item)}' has nothing before it", item)
            self.pending, self.waiting = sign, item
        return True


def _product(reader: Reader, cursor: Cursor) -> Node:
    """Factors up to the next sign, relation or comma."""
    first = cursor.peek()
    assert first is not None  # noqa: S101 - the callers look
    run = _Run()
    while (item := cursor.peek()) is not None:
        if item.kind in _STOPS or (item.kind == "sign" and (run.pending is None or not run.factors)):
            break
        if item.kind == "slash" or item.text in _QUOTIENTS:
            cursor.take()
            if not run.factors:
                reader.fail(f"'{_shown(reader, item)}' has nothing before it", item)
            _divide(reader, cursor, run.factors, item, first)
        elif item.kind == "sign" or not run.sign(reader, cursor, item):
            run.read(reader, cursor)
    if run.pending is not None and run.waiting is not None:
        reader.fail(f"nothing follows '{_shown(reader, run.waiting)}'", run.waiting)
    if not run.factors:
        place = cursor.peek() or first
        reader.fail(f"a term is missing before '{_shown(reader, place)}'", place)
    author_operators.joined(reader, run.factors, run.signs, run.joins, run.places)
    factors, signs = _elided_factors(reader, run.factors, run.signs, first)
    if len(factors) == 1:
        return factors[0]
    last = cursor.items[cursor.place - 1]
    return Product(factors=tuple(factors), signs=tuple(signs), **reader.at(first, last))


def _product_sign(cursor: Cursor, item: Item, factors: list[Node]) -> ProductSign | Literal["skip"] | None:
    """The sign of a product; "skip" for a full stop that ends a formula; None for a factor."""
    if item.kind == "binary":
        return _SIGNS.get(item.text)
    if item.kind == "colon" and cursor.peek(1) is not None:
        return "inner"  # the product of Frobenius
    if item.kind == "stop":
        following = cursor.peek(1)
        ends = following is None or following.kind in _STOPS or not factors
        return "skip" if ends else "dot"
    return None


def _unary(reader: Reader, cursor: Cursor) -> Node:
    r"""``a \cdot -b``."""
    first = cursor.peek()
    assert first is not None  # noqa: S101 - the caller looked
    sign = _sign(reader, cursor, first)
    node = _factor(reader, cursor)
    return Sum(terms=(node,), signs=(sign,), **reader.at(first, cursor.items[cursor.place - 1]))


def _divide(reader: Reader, cursor: Cursor, factors: list[Node], slash: Item, first: Item) -> None:
    """The last factor over what follows; two differentials make a derivative."""
    if cursor.peek() is None:
        reader.fail("nothing follows the slash", slash)
    if sum(item.kind == "slash" for item in cursor.items[: cursor.place]) > _MOST_SLASHES:
        reader.fail("there are too many slashes here; use brackets or bars", slash)
    over = factors.pop()
    under = _denominator(reader, cursor)
    place = reader.at(first if not factors else slash, cursor.items[cursor.place - 1])
    if factors:
        place = {"source": f"{over.source}/{under.source}", "span": over.span}
    if isinstance(over, Differential) and isinstance(under, Differential):
        factors.append(Derivative(of=over.of, by=under.of, explicit=reader.context.explicit, **place))
    elif isinstance(over, Operation) and over.name == "operator" and isinstance(under, Differential):
        rest = _operand(reader, cursor)
        factors.append(Derivative(of=rest, by=under.of, explicit=reader.context.explicit, **place))
    else:
        factors.append(Quotient(over=over, under=under, **place))


def _denominator(reader: Reader, cursor: Cursor) -> Node:
    """One factor; a number and a size that touches it (``1/2N``) are one."""
    first = cursor.peek()
    assert first is not None  # noqa: S101 - the caller looked
    node = _unary(reader, cursor) if first.kind == "sign" else _factor(reader, cursor)
    following = cursor.peek()
    touching = following is not None and following.start == first.end and following.kind == "name"
    if isinstance(node, Number) and touching:
        before = cursor.place
        more = _factor(reader, cursor)
        if isinstance(more, Letter):
            return Product(
                factors=(node, more),
                signs=("juxtaposition", "juxtaposition"),
                **reader.at(first, cursor.items[cursor.place - 1]),
            )
        cursor.place = before
    return node


def _operand(reader: Reader, cursor: Cursor) -> Node | None:
    """What an operator applies to: the rest of its product; None where nothing follows."""
    following = cursor.peek()
    if following is not None and following.kind == "binary":
        cursor.take()
        following = cursor.peek()
    if following is None or following.kind in _STOPS or following.kind == "sign":
        return None
    if following.kind == "stop" and cursor.peek(1) is None:
        return None
    return _product(reader, cursor)


def _factor(reader: Reader, cursor: Cursor) -> Node:
    """One factor with its scripts."""
    with reader.deeper(cursor.peek()):
        return _read_factor(reader, cursor)


def _read_factor(reader: Reader, cursor: Cursor) -> Node:
    item = cursor.peek()
    if item is None:
        reader.fail("the formula ends too early", cursor.items[-1] if cursor.items else None)
    if item.kind == "dots":
        cursor.take()
        return reader.dots(item)
    if item.kind == "big":
        return _big(reader, cursor)
    if item.kind == "name":
        return naming.name(reader, cursor, _factor, _operand)
    if item.kind == "frac":
        cursor.take()
        node = atoms.fraction(reader, item)
        if isinstance(node, Derivative) and node.of is None:
            operand = _operand(reader, cursor)
            end = cursor.items[cursor.place - 1]
            node = replace(node, of=operand, **reader.at(item, end))
        return atoms.scripted(reader, node, item)
    return atoms.atom(reader, cursor)


def _big(reader: Reader, cursor: Cursor) -> Node:
    """A sum or product sign with what it reaches over."""
    item = cursor.take()
    found = limits(reader, item)
    if cursor.peek() is None:
        reader.fail(f"nothing follows '{item.text}'", item)
    start = cursor.place
    body = _signed(reader, cursor)
    kind = "sum" if item.text in {r"\sum", "∑"} else "product"
    letters = {each.letter for each in found if each.letter}
    rest: tuple[Node, ...] = ()
    if kind == "product" and isinstance(body, Product) and letters:
        near, beyond = _reach(body, letters)
        if beyond and not reader.pick("reach", item.start, 2):
            body, rest = near, beyond
    following = cursor.peek()
    goes_on = kind == "sum" and following is not None and following.kind == "sign"
    if (
        goes_on
        and letters & _unbound(cursor.items[cursor.place : cursor.place + _AHEAD])
        and reader.pick("scope", item.start, 2)
    ):
        cursor.place = start
        body = _sum(reader, cursor)
    node = body
    place = reader.at(item, cursor.items[cursor.place - 1])
    for each in reversed(found):
        node = BigOperator(
            kind="sum" if kind == "sum" else "product",
            letter=each.letter,
            lo=each.lo,
            hi=each.hi,
            body=node,
            excluded=each.conditions,
            **place,
        )
    if rest:
        side_by_side: list[ProductSign] = ["juxtaposition" for _ in (node, *rest)]
        return Product(factors=(node, *rest), signs=tuple(side_by_side), **place)
    return node


def _signed(reader: Reader, cursor: Cursor) -> Node:
    r"""``-2 x`` after a sum sign."""
    first = cursor.peek()
    if first is None or first.kind != "sign":
        return _product(reader, cursor)
    sign = _sign(reader, cursor, first)
    node = _product(reader, cursor)
    return Sum(terms=(node,), signs=(sign,), **reader.at(first, cursor.items[cursor.place - 1]))


def _unbound(items: Items) -> set[str]:
    """Letters in what follows a sum that no other sum sign there has."""
    found: set[str] = set()
    bound: set[str] = set()
    for item in items:
        if item.kind == "big":
            bound |= {t.removeprefix("\\") for group in item.subs for t in tokens(group)}
        found |= {t.removeprefix("\\") for t in tokens((item,))}
    return found - bound


def _reach(body: Product, letters: set[str]) -> tuple[Node, tuple[Node, ...]]:
    """A product sign reaches as far as its index occurs; what follows by juxtaposition stands outside."""
    last = max(
        (k for k, factor in enumerate(body.factors) if letters & variables(factor)), default=len(body.factors) - 1
    )
    outside = body.signs[last + 1 :]
    if not outside or any(sign != "juxtaposition" for sign in outside):
        return body, ()
    inside = body.factors[: last + 1]
    if len(inside) == 1:
        return inside[0], body.factors[last + 1 :]
    return replace(body, factors=inside, signs=body.signs[: last + 1]), body.factors[last + 1 :]


def variables(node: Node) -> set[str]:
    """The running letters that occur in a node."""
    found: set[str] = set()
    for each in walk(node):
        for form in forms(each):
            found |= form.variables
    return found


def forms(node: Node) -> list[Affine]:
    """The affine forms that stand in a node itself."""
    if isinstance(node, Letter):
        return [node.form]
    parts: tuple[object, ...] = ()
    if isinstance(node, Applied):
        parts = node.index
    elif isinstance(node, Quantity):
        parts = (*node.family, *node.element)
    elif isinstance(node, Named):
        parts = (*node.index, *node.element)
    elif isinstance(node, Call):
        parts = node.family
    elif isinstance(node, BigOperator):
        parts = (node.lo, node.hi)
    found = [part for part in parts if isinstance(part, Affine)]
    slices = [part for part in parts if isinstance(part, Slice)]
    return found + [end for part in slices for end in (part.lo, part.hi) if end is not None]


# ---------------------------------------------------------------------------------------------------------------------
# Dots in products


def _elided_factors(
    reader: Reader, factors: list[Node], signs: list[ProductSign], first: Item
) -> tuple[list[Node], list[ProductSign]]:
    r"""``W_{i+1}^T \dots W_n^T`` as one factor: the blocks on both sides of the dots have one form."""
    if sum(map(is_dots, factors)) > _MOST_DOTS:
        reader.fail("there are too many dots in this product", first)
    while any(map(is_dots, factors)) and len(factors) > 1:
        k = next(k for k, factor in enumerate(factors) if is_dots(factor))
        if k == 0 or k + 1 >= len(factors):
            reader.fail("the dots need a factor on both sides", first)
        size = next((n for n in range(1, _BLOCK + 1) if _repeats(factors, signs, k, n)), 1)
        near, far = _block(factors, signs, k - size, size), _block(factors, signs, k + 1, size)
        second = k >= 2 * size and _skeleton(_block(factors, signs, k - 2 * size, size)) == _skeleton(near)
        start = k - 2 * size if second else k - size
        head = _block(factors, signs, start, size) if second else near
        node = Elided(
            first=head, second=near if second else None, last=far, sign=signs[k + 1], source=_between(head, far)
        )
        factors = [*factors[:start], node, *factors[k + 1 + size :]]
        signs = [*signs[:start], signs[start], *signs[k + 1 + size :]]
    return factors, signs


def _repeats(factors: list[Node], signs: list[ProductSign], k: int, size: int) -> bool:
    if k < size or k + 1 + size > len(factors):
        return False
    near, far = _block(factors, signs, k - size, size), _block(factors, signs, k + 1, size)
    return _skeleton(near) == _skeleton(far)


def _block(factors: list[Node], signs: list[ProductSign], start: int, size: int) -> Node:
    if size == 1:
        return factors[start]
    own: tuple[ProductSign, ...] = ("juxtaposition", *signs[start + 1 : start + size])
    source = " ".join(f.source for f in factors[start : start + size])
    return Product(factors=tuple(factors[start : start + size]), signs=own, source=source)


def _skeleton(node: Node) -> Node:
    """The node with all indices made equal."""
    zero = Affine()
    if isinstance(node, Quantity):
        return replace(node, family=(zero,) * len(node.family), element=(zero,) * len(node.element))
    if isinstance(node, Named):
        return replace(node, index=(zero,) * len(node.index), element=(zero,) * len(node.element))
    if isinstance(node, Letter):
        return replace(node, form=zero)
    if isinstance(node, Call):
        node = replace(node, family=(zero,) * len(node.family))
    return mapped(node, _skeleton)
