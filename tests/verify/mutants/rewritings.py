"""What people write instead: the same formula in another order, with other letters, multiplied out, transposed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise, permutations
from typing import TYPE_CHECKING

from mutants.claims import tidy
from mutants.formula import (
    Big,
    Call,
    Count,
    Diag,
    Entry,
    Group,
    Hadamard,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Turned,
    everywhere,
    letters,
    renamed,
    walk,
)
from symbackprop.affine import var

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mutants.edits import Scene


def _commuted(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Hadamard):
        for order in list(permutations(node.factors))[1:4]:
            yield replace(node, factors=order)
    if isinstance(node, Product) and not scene.matrix:
        constants = [f for f in node.factors if isinstance(f, Number | Count | Quotient)]
        rest = [f for f in node.factors if f not in constants]
        for order in list(permutations(rest))[1:4]:
            yield Product((*constants, *order))


def _renamed(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Big):
        for bound in node.bounds:
            taken = {*scene.ranges, *letters(node)}
            fresh = [x for x in ("s" if bound.var in scene.families else "pqruv") if x not in taken]
            for name in fresh[:2]:
                yield renamed(node, {bound.var: var(name)})


def _reordered(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Sum) and len(node.terms) > 1:
        yield Sum(node.terms[::-1], node.signs[::-1])
    if isinstance(node, Big) and len(node.bounds) > 1:
        names = {b.var for b in node.bounds}
        if not any((b.lo.variables | b.hi.variables) & names for b in node.bounds):
            yield Big(node.bounds[::-1], node.body)
            yield Big(node.bounds[:1], Big(node.bounds[1:], node.body))


def _transposed(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Turned) and isinstance(node.of, Product):
        yield Product(tuple(Turned(f) for f in node.of.factors[::-1]))
    if isinstance(node, Product) and scene.matrix:
        constants = [f for f in node.factors if _is_number(f)]
        rest = [f for f in node.factors if not _is_number(f)]
        if len(rest) > 1:
            turned = tuple(tidy(Turned(f)) for f in rest[::-1])
            yield Product((*constants, Turned(Product(turned))))
    if isinstance(node, Hadamard):
        yield Turned(Hadamard(tuple(tidy(Turned(f)) for f in node.factors)))


def _is_number(node: Node) -> bool:
    return isinstance(node, Number | Count | Quotient) or (isinstance(node, Entry) and not node.whole)


def _distributed(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Product | Hadamard):
        for k, factor in enumerate(node.factors):
            if isinstance(factor, Sum) and len(factor.terms) > 1:
                ones = [Number(Fraction(1)) == t for t in factor.terms]
                others = (*node.factors[:k], *node.factors[k + 1 :])
                rest = others[0] if len(others) == 1 else replace(node, factors=others)
                parts = tuple(
                    rest if one else replace(node, factors=(*node.factors[:k], term, *node.factors[k + 1 :]))
                    for term, one in zip(factor.terms, ones, strict=True)
                )
                yield Sum(parts, factor.signs)
    if isinstance(node, Big) and isinstance(node.body, Sum) and len(node.body.terms) > 1:
        yield Sum(tuple(Big(node.bounds, t) for t in node.body.terms), node.body.signs)


def _squared(node: Node, scene: Scene) -> Iterator[Node]:
    """``a (1 - a)`` as ``a - a²``."""
    if not isinstance(node, Product | Hadamard):
        return
    for k, (a, b) in enumerate(pairwise(node.factors)):
        if b == Sum((Number(Fraction(1)), a), (1, -1)):
            whole = Sum((a, Power(a, 2)), (1, -1))
            parts = (*node.factors[:k], whole, *node.factors[k + 2 :])
            yield whole if len(parts) == 1 else replace(node, factors=parts)


def _difference(node: Node, scene: Scene) -> Iterator[Node]:
    """``a - b`` as ``-(b - a)``."""
    if isinstance(node, Sum) and len(node.terms) == 2 and node.signs == (1, -1):
        yield Sum((Sum(node.terms[::-1], (1, -1)),), (-1,))


def _grouped(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Product | Hadamard) and len(node.factors) > 2:
        for k in range(len(node.factors) - 1):
            pair = Group(replace(node, factors=node.factors[k : k + 2]))
            yield replace(node, factors=(*node.factors[:k], pair, *node.factors[k + 2 :]))


def _diagonal(node: Node, scene: Scene) -> Iterator[Node]:
    """``v ⊙ f'(z)`` as ``diag(f'(z)) v`` or ``v diag(f'(z))``, where they are vectors (tried, kept where equal)."""
    if isinstance(node, Hadamard) and len(node.factors) == 2:
        a, b = node.factors
        if isinstance(b, Call | Entry):
            yield Product((Diag(b), a))
            yield Product((a, Diag(b)))


def _signed(node: Node, scene: Scene) -> Iterator[Node]:
    if isinstance(node, Hadamard) and not node.sign:
        yield replace(node, sign=r"\circ")


def _quotient(node: Node, scene: Scene) -> Iterator[Node]:
    """``1/N X`` as ``X/N``, ``2/N X`` as ``2 X / N``."""
    if isinstance(node, Product) and isinstance(node.factors[0], Quotient) and len(node.factors) > 1:
        front, *rest = node.factors
        over = [*([] if front.over == Number(Fraction(1)) else [front.over]), *rest]
        yield Quotient(over[0] if len(over) == 1 else Product(tuple(over)), front.under)


def _shifted(node: Node, scene: Scene) -> Iterator[Node]:
    """Σ over k from 1 to n as Σ over k from 2 to n+1 of the entries before."""
    if isinstance(node, Big) and not any(isinstance(n, Big) for n in walk(node.body)):
        for bound in node.bounds:
            if any(bound.var in (b.lo.variables | b.hi.variables) for b in node.bounds):
                continue
            moved = replace(bound, lo=bound.lo + 1, hi=bound.hi + 1)
            bounds = tuple(moved if b is bound else b for b in node.bounds)
            yield Big(bounds, renamed(node.body, {bound.var: var(bound.var) - 1}))


def _doubled(node: Node, scene: Scene) -> Iterator[Node]:
    """Transposed twice."""
    if isinstance(node, Product) and scene.matrix:
        yield Turned(Group(Turned(node)))


@dataclass(frozen=True)
class Rewriting:
    """A kind of rewriting; ``sure`` is False where it holds for some shapes only."""

    kind: str
    change: Callable[[Node, Scene], Iterator[Node]]
    sure: bool = True


ROWS = (
    Rewriting("factors commuted", _commuted),
    Rewriting("sums renamed", _renamed),
    Rewriting("terms and sums reordered", _reordered),
    Rewriting("product transposed", _transposed),
    Rewriting("transposed twice", _doubled),
    Rewriting("multiplied out", _distributed),
    Rewriting("a(1-a) as a-a²", _squared),
    Rewriting("difference turned", _difference),
    Rewriting("factors grouped", _grouped),
    Rewriting("⊙ as diag", _diagonal, sure=False),
    Rewriting("⊙ as ∘", _signed),
    Rewriting("constant below a bar", _quotient),
    Rewriting("sum shifted", _shifted),
)


def rewritten(node: Node, scene: Scene) -> Iterator[tuple[Rewriting, Node]]:
    """All single rewritings of a formula."""
    for row in ROWS:
        for other in everywhere(node, lambda part, row=row: row.change(part, scene)):
            yield row, tidy(other)
