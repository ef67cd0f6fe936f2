"""The dependency tree of one entry: every path from the loss down to it, with the kind of each link.

Paths that begin alike share their first nodes; each ends in a leaf of its own, so a parameter that is used in several
places has a leaf for each use. Branches without the entry are stubs, a few of them and dots.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from symbackprop.document.blocks import KINDS, Chip, Entry, Figure, Span, Spans
from symbackprop.document.drawing import PATHS, Circle, Drawing, Label, Line, Point, Rect, Shape, along, beside
from symbackprop.document.neurons import spoken
from symbackprop.document.scalar import count_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from symbackprop.document.graph import Element
    from symbackprop.document.paths import Unrolled
    from symbackprop.document.scalar import Target

SENTENCE = (
    " unfolds what the loss depends on, one equation for each level. The entry influences the loss along every "
    "branch that ends at it."
)
CELL, PITCH = 12.0, 12.5
"""Distance of neighbours, and of levels."""
BOX = (10.0, 6.2)
WIDTH = 152.0
STUBS = 3
"""Branches without the entry that are drawn at one node."""
LEVELS = 8
"""Levels that are drawn; of longer paths the first four and the last three, and dots."""
FIRST, LAST = 4, 3
SEARCHED = 400
"""Entries above the followed one that are looked at to know which branches hold it."""


@dataclass
class Branch:
    """A node of the tree: an element, or dots where it is None, with the numbers of the paths through it."""

    element: Element | None
    level: int
    routes: list[int] = field(default_factory=list)
    below: dict[object, Branch] = field(default_factory=dict)

    def walk(self) -> Iterator[Branch]:
        yield self
        for branch in self.below.values():
            yield from branch.walk()


def grown(paths: Sequence[Sequence[Element]]) -> Branch:
    """Paths from the loss down as one tree."""
    root = Branch(paths[0][0], 0)
    for number, elements in enumerate(paths, 1):
        node = root
        node.routes.append(number)
        for element in _cut(elements)[1:]:
            key: object = element or ("dots", number)
            node = node.below.setdefault(key, Branch(element, node.level + 1))
            node.routes.append(number)
    return root


def _cut(elements: Sequence[Element]) -> list[Element | None]:
    """The elements of a path, with dots in the middle of a long one."""
    if len(elements) <= LEVELS:
        return list(elements)
    return [*elements[:FIRST], None, *elements[-LAST:]]


# ---------------------------------------------------------------------------------------------------------------------


def figure(graph: Unrolled, target: Target) -> Figure | None:
    """The tree of an entry's paths; None where there is but one link to draw."""
    shown = target.shown[:PATHS]
    if max(len(path.links) for path in shown) < 2:  # noqa: PLR2004 - a single link needs no picture
        return None
    return Figure(Picture(graph, target).drawing(), _caption(graph, target), "tree", _alt(graph, target))


def _caption(graph: Unrolled, target: Target) -> Spans:
    kinds = dict.fromkeys(link.kind for path in target.shown for link in path.links)
    letters: dict[str, str] = {}
    for kind in kinds:
        letters.setdefault(KINDS.get(kind, "F"), kind)
    said: list[Span] = []
    for kind in letters.values():
        said += [", " if said else "", Chip(kind), f" {kind}"]
    ends = "The coloured path ends" if len(target.shown) == 1 else f"The {len(target.shown)} coloured paths end"
    return (
        *("Dependency tree of ", Entry(graph.loss.ref), f". {ends} at "),
        *(Entry(target.element.ref), "; grey branches do not contain it. The letter on a link names the derivative "),
        *("taken there: ", *said, ". In all, ", Entry(graph.loss.ref), " reaches ", Entry(target.element.ref)),
        *(" along ", *count_words(graph, target), "."),
    )


def _alt(graph: Unrolled, target: Target) -> str:
    chains = []
    for number, path in enumerate(target.shown[:PATHS], 1):
        names = [spoken(graph.network, element) if element else "…" for element in _cut(path.elements)]
        chains.append(f"path {number} runs through {', '.join(names)}")
    total = f"{target.total} path{'' if target.total == 1 else 's'}"
    return f"Tree: the loss depends on {spoken(graph.network, target.element)} along {total}; {'; '.join(chains)}."


class Picture:
    """Places of all nodes, then shapes from back to front."""

    def __init__(self, graph: Unrolled, target: Target) -> None:
        self.graph, self.target = graph, target
        self.paths = [path.elements for path in target.shown[:PATHS]]
        self.kinds = {(k.above, k.below): k.kind for path in target.shown for k in path.links}
        self.root = grown(self.paths)
        room = WIDTH / len(self.paths)
        self.stubs = max(1, min(STUBS, int((room - 4.0) / CELL) - 1))
        self.block = min(room, (1 + self.stubs) * CELL + 7.0)
        self.width = self.block * len(self.paths)
        self.holding = self.above_target()

    def above_target(self) -> frozenset[Element] | None:
        """The elements that depend on the target; None where there are too many to look at."""
        seen: dict[Element, None] = {self.target.element: None}
        for element in seen.copy():
            open_ = [element]
            while open_:
                for reader in self.graph.readers(open_.pop()):
                    if reader not in seen:
                        seen[reader] = None
                        open_.append(reader)
                if len(seen) > SEARCHED:
                    return None
        return frozenset(seen)

    def place(self, node: Branch) -> Point:
        """Above the middle of its paths' leaves."""
        leaves = [(number - 1) * self.block + CELL / 2 + 0.5 for number in node.routes]
        return sum(leaves) / len(leaves), BOX[1] / 2 + 0.5 + node.level * PITCH

    def drawing(self) -> Drawing:
        nodes = list(self.root.walk())
        bottom = max(self.place(node)[1] for node in nodes)
        shapes = (
            *(shape for node in nodes for shape in self.stub_shapes(node)),
            *(shape for node in nodes for shape in self.links(node)),
            *(shape for node in nodes for shape in self.node(node)),
            *self.rest(),
        )
        return Drawing(shapes, self.width, bottom + BOX[1] / 2 + 5.2)

    # -- shapes --------------------------------------------------------------------------------------------------------

    def links(self, node: Branch) -> Iterator[Shape]:
        """From a node down to those of its paths: a band for each path, the link and the letter of its kind."""
        for child in node.below.values():
            ends = (self.place(node), self.place(child))
            for k, number in enumerate(child.routes):
                yield Line(beside(*ends, -(k - (len(child.routes) - 1) / 2) * 2.2), f"band{number}")
            if node.element is None or child.element is None:
                continue
            yield Line(ends, "outline")
            letter = KINDS.get(self.kinds[node.element, child.element], "F")
            x, y = along(*ends, 0.5)
            yield Circle(x, y, 1.7, f"chip{letter}")
            yield Label(x, y, letter, style=f"chip{letter}", scale=0.66)

    def node(self, node: Branch) -> Iterator[Shape]:
        """A box with its element; a leaf in its path's colour, with the number below."""
        x, y = self.place(node)
        if node.element is None:
            yield Rect(x, y, 3.0, 6.0, 0.0, "patch")
            for d in (-1.6, 0.0, 1.6):
                yield Circle(x, y + d, 0.4, "dot")
            return
        style = "loss" if node is self.root else "plain"
        if not node.below:
            style = f"path{node.routes[0]}"
            yield Circle(x, y + BOX[1] / 2 + 2.8, 1.8, f"number{node.routes[0]}")
            yield Label(x, y + BOX[1] / 2 + 2.8, str(node.routes[0]), style=style.replace("path", "number"), scale=0.75)
        yield Rect(x, y, *BOX, 0.9, "plain")
        yield Rect(x, y, *BOX, 0.9, style)
        yield Label(x, y, Entry(node.element.ref), style=style, room=BOX[0] - 1.2)

    def stub_shapes(self, node: Branch) -> Iterator[Shape]:
        """Branches without the target, right of those with it."""
        if node.element is None or not node.below or any(child.element is None for child in node.below.values()):
            return
        stubs, more = self.stub_elements(node)
        x, y = self.place(node)
        last = max(self.place(child)[0] for child in node.below.values())
        level = y + PITCH
        top = (x, y + BOX[1] / 2)
        for k, element in enumerate(stubs, 1):
            at = last + k * CELL
            yield Line((top, (at, level - BOX[1] / 2)), "edge")
            yield Rect(at, level, *BOX, 0.9, "faint")
            yield Label(at, level, Entry(element.ref), style="faint", room=BOX[0] - 1.2)
        if more:
            at = last + len(stubs) * CELL + CELL / 2 + 2.4
            for d in (-1.4, 0.0, 1.4):
                yield Circle(at + d, level, 0.35, "dot")

    def stub_elements(self, node: Branch) -> tuple[list[Element], bool]:
        """A few of the elements that a node reads and that do not depend on the target; whether there are more."""
        assert node.element is not None  # noqa: S101 - dots have no stubs
        read = self.graph.reads(node.element, 4 * STUBS)
        others = [e for e in read if e not in node.below and self.is_free(e)]
        return others[: self.stubs], len(others) > self.stubs or len(read) == 4 * STUBS

    def is_free(self, element: Element) -> bool:
        """True where a branch surely does not hold the target."""
        if self.holding is None:
            return element != self.target.element and self.graph.network.tensors[element.tensor].role in {
                "parameter",
                "input",
            }
        return element not in self.holding

    def rest(self) -> Iterator[Shape]:
        """How many paths are not drawn."""
        missing = self.target.total - len(self.paths)
        if missing:
            x, y = self.place(self.root)
            words = f"and {missing} more path{'' if missing == 1 else 's'}"
            yield Label(x + BOX[0] / 2 + 2.5, y, words, "west", "note", self.width - x - BOX[0] / 2 - 3.0, 0.8)
