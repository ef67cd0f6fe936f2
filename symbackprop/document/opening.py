"""The first half page: what is asked, what one can do afterwards, the way through the sections, the legend of factors.

Everything follows from the sections that there are: a goal for each that has one, their numbers in the route, the kinds
of factors that are marked in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.document.blocks import (
    KINDS,
    Block,
    Chip,
    Heading,
    Items,
    KeyBox,
    Marked,
    Paragraph,
    Span,
    Spans,
    Table,
    Whole,
    formulas,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from symbackprop.document.view import View

NOTATION = "Notation and conventions"
FORWARD = "The forward pass"
PATHS = "One entry at a time: paths"
BACKWARDS = "From the loss backwards"
MATRICES = "Transposes and shapes"
SUMMARY = "Summary"
CODE = "The same in NumPy"
UPDATE = "The update"
CHECK = "Check"

GOALS = {
    PATHS: "follow one entry of a parameter along every path to the loss, and name each factor on the way;",
    BACKWARDS: "find every gradient from the loss backwards, each from those before it;",
    MATRICES: "say where a transpose comes from, and check a product by its shapes;",
    CODE: "write the forward and the backward pass as a program, one line for each formula;",
    CHECK: "check a gradient without knowing a formula, by difference quotients.",
}
"""What a section teaches."""
ESSENTIAL = (FORWARD, BACKWARDS, SUMMARY)
"""Sections for a reader in a hurry."""
FAMILIES = (("C",), ("A", "F"), ("D", "P"), ("B", "S"), ("N", "M"))
"""Letters of kinds that share a hue."""


def build(view: View, code: str, blocks: Sequence[Block]) -> list[Block]:
    """What stands before the first section; ``blocks`` are the sections."""
    if not view.full:
        return [_question(view, code)]
    sections = [_words(block.text) for block in blocks if isinstance(block, Heading) and block.level == 1]
    goals = tuple((GOALS[name],) for name in sections if name in GOALS)
    found: list[Block] = [_question(view, code)]
    if goals:
        *most, (last,) = goals
        found.append(
            KeyBox("When you have worked through this handout you can", (Items((*most, (last.rstrip(";.") + ".",))),))
        )
    return [*found, *_route(sections), *legend(blocks)]


def _question(view: View, code: str) -> Paragraph:
    """What is to be found, and by which road."""
    ways = {
        "scalar": "entry by entry along every path",
        "index": "for general entries with Σ",
        "matrix": "for whole arrays",
    }
    route = [words for level, words in ways.items() if level in view.levels]
    shown = ", ".join(route[:-1]) + (" and " if route[1:] else "") + "".join(route[-1:])
    end = " The code at the end computes the same formulas." if code else ""
    found = f" change a little? The derivatives are found {shown}.{end}" if view.full else " change a little?"
    asked = "How does the loss ", Whole(view.network.loss), " change when "
    return Paragraph((*asked, *listed([Whole(p) for p in view.network.parameters]), found))


def listed(items: Sequence[Span]) -> Spans:
    """Spans with commas and a final "and"."""
    spans: list[Span] = []
    for k, item in enumerate(items):
        spans += ["" if not k else " and " if k == len(items) - 1 else ", ", item]
    return tuple(spans)


def _route(sections: Sequence[str]) -> list[Block]:
    """Sections with their numbers, and those to read in a hurry."""
    shown = ", ".join(f"{number} {name[:1].lower()}{name[1:]}" for number, name in enumerate(sections, 1))
    quick = [str(number) for number, name in enumerate(sections, 1) if name in ESSENTIAL]
    hurry = f" In a hurry? Read {', '.join(quick[:-1])} and {quick[-1]}." if quick[1:] else ""
    return [Paragraph((f"{shown.replace('numPy', 'NumPy')}.{hurry}",), lead="Route.")]


def legend(blocks: Sequence[Block]) -> list[Block]:
    """The kinds of factors that are marked, each with its letter; kinds that share a hue stand together."""
    kinds = dict.fromkeys(_kinds(tuple(blocks)))
    groups: list[Span] = []
    for letters in FAMILIES:
        own = [kind for letter in letters for kind in kinds if KINDS.get(kind, "F") == letter]
        if own:
            groups.append("; " if groups else "")
            for k, kind in enumerate(own):
                groups += [", " if k else "", Chip(kind), f" {kind.replace('_', ' ')}"]
    if not groups:
        return []
    said = "Every factor of a path has the colour and the letter of its kind: "
    return [Paragraph((said, *groups, "."), lead="Colours.")]


def _kinds(node: object) -> Iterator[str]:
    """Kinds of marked factors, and of letters that stand for one."""
    for formula in formulas(node):
        if isinstance(formula, Marked) and formula.kind:
            yield formula.kind
    for block in node if isinstance(node, tuple) else ():
        if isinstance(block, Table):
            yield from (span.kind for row in block.rows for cell in row for span in cell if isinstance(span, Chip))


def _words(spans: Spans) -> str:
    return "".join(span for span in spans if isinstance(span, str))
