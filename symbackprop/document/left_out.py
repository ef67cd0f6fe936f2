"""What the dots of a path sum stand for, as a formula: the page says it in words, whoever checks the sum needs it all.

Where the paths have a pattern, the dots are the Σ over all of them less those that are written out; else a list of the
other paths, as long as they are few, and the sum then holds at these sizes alone. What is neither cannot be checked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from symbackprop.document.blocks import Directive, Formula, RightSide
from symbackprop.document.pattern import general, over_examples
from symbackprop.index import Equation, Ref, adjoint_name, collect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.document.paths import Path, Unrolled
    from symbackprop.document.scalar import Target
    from symbackprop.index import Term

FEW = 300
"""Links that may be written out one by one."""
UNCHECKED = "ignore: the paths under the dots have no common pattern and are too many to be listed"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What some dots stand for; ``listed`` where that holds at the sizes of the page alone."""

    formula: Formula
    listed: bool


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


def directives(values: Sequence[LeftOut | None], graph: Unrolled) -> list[Directive]:
    """What the dots of the next formula stand for, one after the other, and at which sizes."""
    spans: list[str | Formula] = []
    for value in values:
        if value is None:
            return [Directive((UNCHECKED,))]
        spans += ["; $" if spans else "dots = $", value.formula, "$"]
    return [*(sizes_up_to(graph, FEW) if any(v.listed for v in values if v) else ()), Directive(tuple(spans))]


def sizes_up_to(graph: Unrolled, largest: int) -> list[Directive]:
    """The sizes at which paths were listed, but for those of axes that no list runs through."""
    found: list[str] = []
    for name, value in graph.values.sizes.items():
        members = {"": value} if isinstance(value, int) else {f"[{k}]": v for k, v in value.items() if k >= 0}
        found += [f"{name}{at} = {n}" for at, n in members.items() if n <= largest and name != graph.network.batch]
    return [Directive((f"sizes {', '.join(found)}",))] if found else []


def all_others(graph: Unrolled, target: Target, small: Unrolled, witness: Target) -> LeftOut | None:
    """The sum over the paths that are not written out; ``witness`` has the same paths at sizes where all are listed."""
    return _less(target, _all(graph, target, small, witness), [path.product for path in target.shown])


def others_of_bracket(graph: Unrolled, target: Target, small: Unrolled, witness: Target, ends: int) -> LeftOut | None:
    """The same for the beginnings of paths that share their last ``ends`` links."""
    every = _all(graph, target, small, witness, ends=ends, examples=False)
    return _less(target, every, [without(p, ends).product for p in target.shown])


def other_examples(graph: Unrolled, target: Target, small: Unrolled, witness: Target) -> LeftOut | None:
    """The sum over the paths through the other examples."""
    own = _all(graph, target, small, witness, examples=False)
    return _less(target, _all(graph, target, small, witness), [own[0]]) if own else None


def _all(  # noqa: PLR0913 - the paths at both sizes, and which part of them
    graph: Unrolled, target: Target, small: Unrolled, witness: Target, *, ends: int = 0, examples: bool = True
) -> tuple[tuple[Term, ...], bool] | None:
    """The terms of the sum over all paths, and True where they are a list that holds at these sizes alone."""
    pattern = pattern_of(small, witness, ends=ends, examples=examples)
    if pattern:
        return pattern, False
    if len(target.paths) != target.count or target.count * len(target.paths[0].links) > FEW:
        return None
    terms = tuple(term for path in target.paths for term in without(path, ends).product)
    if examples and target.example is not None and target.total != target.count:
        summed = [over_examples(term, graph.network, target.example) for term in terms]
        terms = tuple(term for term in summed if term is not None)
        if len(terms) < len(summed):
            return None
    return terms, True


def _less(
    target: Target, every: tuple[tuple[Term, ...], bool] | None, written: Sequence[tuple[Term, ...]]
) -> LeftOut | None:
    """The terms of a sum less those that are written out."""
    if every is None:
        return None
    terms, listed = every
    less = [replace(term, coefficient=-term.coefficient) for each in written for term in each]
    element = target.element.ref
    equation = Equation(lhs=Ref(adjoint_name(element.tensor), element.index), terms=collect((*terms, *less)))
    return LeftOut(RightSide(equation), listed)
