"""The scalar level of a handout: one element of a parameter, followed along every path.

The road is always the same: list the paths, differentiate each link once, insert, factor what the paths share, add the
paths up as a Σ, add the examples up, move the target and see which index moves. Each station is shown only where the
network has what it is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from symbackprop.affine import const
from symbackprop.affine import size as size_form
from symbackprop.document.blocks import (
    Block,
    Bracket,
    Chip,
    Derivative,
    Directive,
    Display,
    Entry,
    Equal,
    Form,
    Formula,
    Heading,
    Indexed,
    KeyBox,
    Marked,
    Note,
    Paragraph,
    Plus,
    Row,
    Span,
    Spans,
    Sum,
    Table,
    Times,
)
from symbackprop.document.left_out import (
    all_others,
    directives,
    other_examples,
    others_of_bracket,
    sizes_up_to,
)
from symbackprop.document.moving import summed
from symbackprop.document.opening import PATHS
from symbackprop.document.target import chosen
from symbackprop.errors import SpecError
from symbackprop.index import product

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.document.graph import Element, Link
    from symbackprop.document.paths import Path, Unrolled

SHOWN = 4
"""Paths that are written out; of more, one less and dots."""
KINDS_SHOWN = 12
"""Rows of the table of local derivatives."""
LONG = 12
"""Links of a path beyond which fewer paths are written out."""
LISTED = 64
"""Paths that are compared to find the pattern of their sum."""
CHAIN = "The chain rule, path by path"
RULE = "Multiply the local derivatives along a path; add up over all paths from the loss to the entry."
FORMS = 3
"""Forms of paths whose links are shown in the table of all parameters."""


@dataclass(frozen=True, slots=True)
class Target:
    """An element with its paths: ``count`` of them, of one example where examples do not mix, ``paths`` listed."""

    element: Element
    count: int
    total: int
    paths: tuple[Path, ...]
    example: int | None

    @property
    def forms(self) -> tuple[tuple[Path, ...], ...]:
        """The listed paths grouped by the arrays they run through."""
        groups: dict[tuple[object, ...], list[Path]] = {}
        for path in self.paths:
            groups.setdefault(path.form, []).append(path)
        return tuple(map(tuple, groups.values()))

    @property
    def shown(self) -> tuple[Path, ...]:
        """Those written out: all of a few, else the first of each form and more of the first form."""
        most = SHOWN if len(self.paths[0].links) <= LONG else SHOWN // 2
        if self.count <= most:
            return self.paths
        first = [group[0] for group in self.forms][: most - 1]
        rest = [path for path in self.paths if path not in first]
        chosen = {*first, *rest[: most - 1 - len(first)]}
        return tuple(path for path in self.paths if path in chosen)

    @property
    def complete(self) -> bool:
        """True where all paths of the loss are written out."""
        return len(self.shown) == self.total


def target_of(graph: Unrolled, element: Element, listed: int = LISTED) -> Target:
    """The paths to an element; of the first example alone where examples do not mix. At most ``listed`` are listed."""
    example = 0 if graph.separate and graph.examples > 1 and _meets_examples(graph, element) else None
    count = graph.count(element, example)
    total = count if example is None else graph.count(element)
    limit = listed if count <= listed else min(listed, SHOWN)
    return Target(element, count, total, graph.paths(element, example=example, limit=limit), example)


def _meets_examples(graph: Unrolled, element: Element) -> bool:
    path = graph.paths(element, limit=1)
    return bool(path) and any(graph.example(e) is not None for e in path[0].elements)


# ---------------------------------------------------------------------------------------------------------------------


def followed(graph: Unrolled, parameters: Sequence[str], text: str = "") -> Target | None:
    """The entry that is followed: that of the text, else the first of the first parameter on which the loss depends.

    Raises: SpecError where the text names no entry, or one on which the loss does not depend.
    """
    if text:
        element = chosen(graph, text)
        if not graph.count(element):
            message = f"target '{text}': the loss does not depend on it"
            raise SpecError(message)
        return target_of(graph, element)
    for parameter in parameters:
        element = graph.first(parameter)
        if graph.count(element):
            return target_of(graph, element)
    return None


def section(graph: Unrolled, main: Target | None, picture: Sequence[Block] = ()) -> list[Block]:
    """The scalar level: one element in full, with a picture of its paths, the first of each parameter as a table."""
    if main is None:
        return []
    targets = [target_of(graph, graph.first(p), FORMS) for p in graph.network.parameters]
    small, witness = witness_of(graph, main)
    blocks: list[Block] = [Heading(1, (PATHS,)), _opening(graph, main), *picture, KeyBox(CHAIN, (Paragraph((RULE,)),))]
    said = read_as(graph, main, small, witness)
    blocks += [*_paths(graph, main, said), *_tree_or_graph(main, witness)]
    blocks += _local_derivatives(graph, main)
    blocks += inserted(graph, main, said)
    blocks += _factored(graph, main, small, witness)
    blocks += summed((graph, main), (small, witness), target_of)
    if len(targets) > 1:
        blocks += _others(targets)
    return blocks


def witness_of(graph: Unrolled, target: Target) -> tuple[Unrolled, Target]:
    """The graph with all paths to the target listed; with fewer entries where there would be too many.

    Which paths run together and which index runs does not depend on sizes, so small ones show the same pattern.
    """
    for largest in (3, 2):
        if len(target.paths) == target.count:
            break
        graph = graph.capped(largest, target.element)
        target = target_of(graph, target.element)
    return graph, target


def _opening(graph: Unrolled, target: Target) -> Paragraph:
    """What is followed, and at which sizes."""
    values: list[Span] = []
    for value in sizes(graph):
        values += [", " if values else "", value]
    at: Spans = ("At the sizes ", *values, ", every") if values else ("Every",)
    return Paragraph(
        (
            *at,
            " entry of every array is a number, and each number depends on the few that its equation reads. Take ",
            Entry(target.element.ref),
            ": a small change of it reaches ",
            Entry(graph.loss.ref),
            " along ",
            *count_words(graph, target),
            ".",
        )
    )


def sizes(graph: Unrolled) -> tuple[Formula, ...]:
    """Sizes with their values; of a family at most six members, those of the network file where it gives them."""
    found: list[Formula] = []
    for name, value in graph.values.sizes.items():
        if isinstance(value, int):
            found.append(Equal((Form(size_form(name)), Form(const(value)))))
        else:
            given = graph.network.sizes.get(name)
            members = sorted(given if isinstance(given, Mapping) else value)[:6]
            found += [Equal((Form(size_form(name, const(k))), Form(const(value[k])))) for k in members]
    return tuple(found)


def count_words(graph: Unrolled, target: Target) -> Spans:
    """How many paths there are, of one example and in all."""
    if target.example is None or target.total == target.count:
        return (number_of(target.count, "path"),)
    return (number_of(target.count, "path"), f" through each of the {graph.examples} examples, {target.total} in all")


def number_of(count: int, noun: str) -> str:
    """A count with its noun; small ones in words."""
    words = ("no", "one", "two", "three", "four", "five", "six")
    return f"{words[count] if count < len(words) else count} {noun}{'' if count == 1 else 's'}"


def left_side(graph: Unrolled, target: Target) -> Formula:
    """∂loss/∂target."""
    return Derivative(graph.loss.ref, target.element.ref)


def read_as(graph: Unrolled, target: Target, small: Unrolled, witness: Target) -> list[Directive]:
    """What the sum over all paths holds for, or what its dots stand for."""
    if not target.complete:
        return directives([all_others(graph, target, small, witness)], graph)
    return sizes_up_to(graph, SHOWN) if target.count > 1 else []


def _paths(graph: Unrolled, target: Target, said: Sequence[Directive]) -> list[Block]:
    parts = tuple(
        Marked(Times(tuple(Marked(_local(graph, k), k.kind) for k in path.links)), path=n)
        for n, path in enumerate(target.shown, 1)
    )
    sum_of_paths = Plus(parts, stacked=True, dots=not target.complete)
    lead: list[Block] = [*said, Display((Row(Equal((left_side(graph, target), sum_of_paths))),))]
    words = left_out(graph, target)
    return [*lead, Paragraph(words)] if words else lead


def _tree_or_graph(target: Target, witness: Target) -> list[Block]:
    """What is drawn several times in a tree and once in a graph, where paths come together."""
    shared = shared_end(witness.paths) if len(witness.paths) == witness.count else 0
    if len(target.shown) == 1 or not shared or len(target.paths[0].links) <= shared:
        return []
    meet = Entry(target.paths[0].links[-shared].above.ref)
    words = (
        " stands on every path, and yet it is one number. A tree repeats it, since a tree shows every path; a graph "
    )
    return [Note("Tree or graph.", (meet, words, "has it once, since one computes with every number once."))]


def _local(graph: Unrolled, link: Link) -> Derivative:
    """The derivative of a link; marked where the same letters would stand for the sum over all paths."""
    return Derivative(link.above.ref, link.below.ref, direct=link.above == graph.loss and graph.count(link.below) > 1)


def left_out(graph: Unrolled, target: Target) -> Spans:
    """What the dots stand for."""
    if target.complete:
        return ()
    missing = target.count - len(target.shown)
    own = f"the other {number_of(missing, 'path')}" if missing else ""
    if target.example is None or target.total == target.count:
        all_seen = len(target.paths) == target.count and len(target.forms) <= len(target.shown)
        same = ", which run through the same arrays" if all_seen else ""
        return (f"The dots stand for {own}{same}.",)
    others = (
        f"the paths through the other {graph.examples - 1} examples, which differ in the number of the example alone"
    )
    return (f"The dots stand for {own + ' of this example and ' if own else ''}{others}.",)


def _distinct_links(target: Target) -> list[Link]:
    """One link for each step between two tensors, in the order of the paths."""
    found: dict[tuple[str, str, str, int], Link] = {}
    for path in target.shown:
        for link in path.links:
            found.setdefault((link.above.tensor, link.below.tensor, link.kind, len(link.terms)), link)
    return list(found.values())


def _local_derivatives(graph: Unrolled, target: Target) -> list[Block]:
    rows: list[tuple[Spans, ...]] = []
    links = _distinct_links(target)
    for link in links[:KINDS_SHOWN]:
        found = graph.definition(link.above)
        equation: Spans = (Indexed(found[0]),) if found else ()
        value = Equal((_local(graph, link), Marked(Sum(link.terms or (product(0),)), link.kind)))
        rows.append(((Chip(link.kind), " ", link.kind), equation, (value,)))
    more = len(links) - len(rows)
    words = (
        "Each link between two arrays is differentiated once, with everything else that the upper entry reads held "
        "fixed; nothing else has to be differentiated."
    )
    if more:
        words += f" The table has the first {len(rows)}; the other {more} are of the same kinds."
    return [
        Paragraph((words,), lead="Local derivatives."),
        Table(
            ("Link", "Forward equation", "Derivative"),
            tuple(rows),
            ("The local derivatives on these paths.",),
            "lll",
            "local",
        ),
    ]


def inserted(graph: Unrolled, target: Target, said: Sequence[Directive]) -> list[Block]:
    """The derivative as a sum over paths, with the values of all local derivatives."""
    parts = tuple(Marked(Times(tuple(_value(k) for k in path.links)), path=n) for n, path in enumerate(target.shown, 1))
    formula = Equal((left_side(graph, target), Plus(parts, stacked=True, dots=not target.complete)))
    return [Paragraph(("With these values in place,",), lead="Insert."), *said, Display((Row(formula),))]


def _value(link: Link) -> Formula:
    """The value of a local derivative, bracketed where it is a sum."""
    body: Formula = Sum(link.terms or (product(0),))
    return Marked(Bracket(body) if len(link.terms) > 1 else body, link.kind)


def shared_end(paths: Sequence[Path]) -> int:
    """Number of links at the end that all paths share."""
    count = 0
    while all(len(p.links) > count and p.links[-1 - count] == paths[0].links[-1 - count] for p in paths):
        count += 1
    return count


def _factored(graph: Unrolled, target: Target, small: Unrolled, witness: Target) -> list[Block]:
    """What the paths share at their end taken out of the sum; ``witness`` has all of them listed."""
    complete = witness.count > 1 and len(witness.paths) == witness.count
    shared = shared_end(witness.paths) if complete else 0
    if not shared or any(len(p.links) <= shared for p in witness.paths):
        return []
    tail = target.paths[0].links[-shared:]
    heads = tuple(
        Marked(Times(tuple(_value(k) for k in p.links[:-shared])), path=n) for n, p in enumerate(target.shown, 1)
    )
    bracket = Bracket(Plus(heads, dots=target.count > len(target.shown)), Derivative(graph.loss.ref, tail[0].above.ref))
    body: Formula = Times((bracket, *(_value(k) for k in tail)))
    more = target.example is not None and target.total > target.count
    whole = Plus((body,), dots=True) if more else body
    values = [others_of_bracket(graph, target, small, witness, shared)] if target.count > len(target.shown) else []
    values += [other_examples(graph, target, small, witness)] if more else []
    said = directives(values, graph) if values else sizes_up_to(graph, SHOWN)
    which = "of the example " if target.example is not None else ""
    same = f"{number_of(shared, 'factor')} {'is' if shared == 1 else 'are'} the same"
    where = Entry(tail[0].above.ref)
    left = " What is left in the bracket is everything that arrives there."
    return [
        Paragraph((f"All paths {which}come together in ", where, f": their last {same}.{left}"), lead="Factor."),
        *said,
        Display((Row(Equal((left_side(graph, target), whole))),)),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# All parameters


def _others(targets: Sequence[Target]) -> list[Block]:
    """The first entry of each parameter: how many paths, over which links."""
    rows: list[tuple[Spans, ...]] = []
    for target in targets:
        if not target.paths:
            rows.append(((Entry(target.element.ref),), ("0",), ("the loss does not depend on it",)))
            continue
        links: list[Span] = []
        for group in target.forms[:FORMS]:
            links += [
                "; " if links else "",
                *(span for k, link in enumerate(group[0].links) for span in (" " if k else "", Chip(link.kind))),
            ]
        links += ["; …"] if len(target.forms) > FORMS else []
        rows.append(((Entry(target.element.ref),), (str(target.total),), tuple(links)))
    return [
        Paragraph(
            ("The first entry of each, with the number of its paths and the links on one path of each form.",),
            lead="All parameters.",
        ),
        Table(
            ("Entry", "Paths", "Links from the loss down"),
            tuple(rows),
            ("Paths to the first entry of each parameter.",),
            "lcl",
            "counts",
        ),
    ]
