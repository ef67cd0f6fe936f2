"""What the dots of a path sum stand for, as a formula: the page says it in words, whoever checks the sum needs it all.

Where the paths have a pattern, the dots are the Σ over all of them less those that are written out; else the other
paths one by one, as long as they are few. What is neither is not a sum that can be checked (None).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from symbackprop.document.blocks import Bracket, Directive, Formula, Plus, RightSide, Sum, Times
from symbackprop.document.pattern import general, over_examples
from symbackprop.index import Equation, Ref, adjoint_name, product

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.document.paths import Path, Unrolled
    from symbackprop.document.scalar import Target
    from symbackprop.index import Term

FEW = 120
"""Links that may be written out one by one."""
UNCHECKED = "ignore: the paths under the dots have no common pattern and are too many to be listed"


def pattern_of(graph: Unrolled, target: Target, *, ends: int = 0, examples: bool = True) -> tuple[Term, ...]:
    """The sum over the paths of a target with Σ: a term for each form of path; () where a form has no pattern.

    The last ``ends`` links are left out; ``examples`` lets the number of the example run, where there is one.
    """
    if len(target.paths) != target.count:
        return ()
    found: list[Term] = []
    for paths in target.forms:
        products = [without(p, ends).product for p in paths]
        if any(len(p) != 1 for p in products):
            return ()
        terms = [p[0] for p in products]
        term = terms[0] if len(terms) == 1 else general(terms, graph.network, graph.extent)
        if term is not None and examples and target.example is not None and target.total != target.count:
            term = over_examples(term, graph.network, target.example)
        if term is None:
            return ()
        found.append(term)
    return tuple(found)


def without(path: Path, ends: int) -> Path:
    """A path without its last links."""
    return replace(path, links=path.links[: len(path.links) - ends])


def directive(values: Sequence[Formula | None]) -> Directive:
    """What the dots of the next formula stand for, one after the other."""
    spans: list[str | Formula] = []
    for value in values:
        if value is None:
            return Directive((UNCHECKED,))
        spans += ["; $" if spans else "dots = $", value, "$"]
    return Directive(tuple(spans))


def all_others(graph: Unrolled, target: Target, small: Unrolled, witness: Target) -> Formula | None:
    """The sum over the paths that are not written out; ``witness`` has the same paths at sizes where all are listed."""
    pattern = pattern_of(small, witness)
    if pattern:
        return _less(target, pattern, [path.product for path in target.shown])
    if target.total * len(target.paths[0].links) > FEW:
        return None
    paths = graph.paths(target.element, limit=target.total)
    return Plus(tuple(_written(path) for path in paths if path not in target.shown))


def others_of_bracket(target: Target, small: Unrolled, witness: Target, ends: int) -> Formula | None:
    """The same for the beginnings of paths that share their last ``ends`` links."""
    pattern = pattern_of(small, witness, ends=ends, examples=False)
    return _less(target, pattern, [without(p, ends).product for p in target.shown]) if pattern else None


def other_examples(target: Target, small: Unrolled, witness: Target) -> Formula | None:
    """The sum over the paths through the other examples."""
    pattern = pattern_of(small, witness)
    return _less(target, pattern, [pattern_of(small, witness, examples=False)]) if pattern else None


def _less(target: Target, pattern: Sequence[Term], written: Sequence[tuple[Term, ...]]) -> Formula:
    """The terms of a pattern less those that are written out."""
    terms = (*pattern, *(replace(term, coefficient=-term.coefficient) for terms in written for term in terms))
    element = target.element.ref
    return RightSide(Equation(lhs=Ref(adjoint_name(element.tensor), element.index), terms=terms))


def _written(path: Path) -> Formula:
    """The product of the local derivatives of a path."""
    return Times(tuple(_bracketed(link.terms or (product(0),)) for link in path.links))


def _bracketed(terms: tuple[Term, ...]) -> Formula:
    body = Sum(terms)
    return Bracket(body) if len(terms) > 1 else body
