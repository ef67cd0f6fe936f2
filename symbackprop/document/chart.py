"""The network figure of any network: its arrays as boxes, what is read as arrows, from the inputs down to the loss.

An array and the function applied to it share a box. Boxes stand in rows below all they read; arrows join neighbouring
rows alone, so that nothing crosses a name: what is read from further up stands beside its reader once more. Parameters
enter from the left, wherever they are used. Families are drawn once, in a frame, with an arrow back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from symbackprop.document.blocks import Figure, Range, ShapeOf, Span, Spans, Whole
from symbackprop.document.drawing import Drawing, Label, Line, Point, Rect, Shape
from symbackprop.index import Along, Apply, Equation, Opaque, Ref, refs_of
from symbackprop.tables.activations import ACTIVATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from symbackprop.affine import Bound
    from symbackprop.document.view import View
    from symbackprop.network import Network

WIDTH = 150.0
BOX = (28.0, 10.0)
SIDE = (11.0, 5.0)
"""A parameter beside a box, or an array that is read from far away."""
STEP = 3.4
"""Length of the arrow from there."""
GAP = 6.5
"""Between rows."""
APART = 5.0
"""Between boxes of a row."""
TALLEST = 7
"""Rows in one column; more go on in another where there is room."""
BESIDE = 3
"""Parameters that are drawn at one box."""
MARGIN, GUTTER, NESTED = 5.0, 12.0, 5.0
LONG = 14
"""Letters of a name beyond which boxes are wider."""


@dataclass
class Group:
    """Arrays that share a box, what they read, and the loops they stand in."""

    arrays: list[str]
    reads: dict[str, None] = field(default_factory=dict)
    earlier: dict[str, None] = field(default_factory=dict)
    """Arrays of a family read at another member: the arrow back."""
    parameters: dict[str, None] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    loops: tuple[Bound, ...] = ()
    row: int = 0
    far: dict[str, None] = field(default_factory=dict)


def groups(network: Network) -> list[Group]:
    """The boxes in order of computation, inputs first."""
    of: dict[str, Group] = {}
    readers = _readers(network)
    starts: dict[str, list[Ref]] = {}
    for loops, equation in network.walk():
        name = equation.lhs.tensor
        refs = [r for t in equation.terms for f in t.factors for r in refs_of(f)]
        if _is_start(network, equation):
            starts.setdefault(name, []).extend(refs)
            continue
        computed = {r.tensor for r in refs if r.tensor in of}
        only = next(iter(computed)) if len(computed) == 1 else ""
        joins = (
            name not in of
            and only
            and _is_elementwise(equation)
            and name != network.loss
            and readers[only] == {name}
            and len(of[only].arrays) == 1
            and of[only].loops == loops
            and all(r.index == equation.lhs.index for r in refs if r.tensor == only)
        )
        group = of[only] if joins else of.get(name) or Group([name], loops=loops)
        if name not in group.arrays:
            group.arrays.append(name)
        of[name] = group
        group.words += [w for w in operations(network, equation) if w not in group.words]
        for ref in refs:
            _note(network, of, group, ref, equation)
    boxes = list({id(group): group for group in of.values()}.values())
    for name, refs in starts.items():  # what a family begins with is read by those that read its earlier members
        for group in [group for group in boxes if name in group.earlier] or [of[name]]:
            for ref in refs:
                kept = group.parameters if network.tensors[ref.tensor].role == "parameter" else group.reads
                kept[ref.tensor] = None
    read = dict.fromkeys(name for group in boxes for name in group.reads)
    return [*(Group([name]) for name in read if name not in of), *boxes]


def _readers(network: Network) -> Mapping[str, set[str]]:
    """Which arrays read each array."""
    found: dict[str, set[str]] = {name: set() for name in network.tensors}
    for equation in network.equations:
        for ref in (r for t in equation.terms for f in t.factors for r in refs_of(f)):
            found[ref.tensor].add(equation.lhs.tensor)
    return found


def _is_start(network: Network, equation: Equation) -> bool:
    """True for a member of a family at a fixed index, where others are computed at running ones."""
    name = equation.lhs.tensor
    depth = len(network.tensors[name].family)
    running = [all(form.variables for form in e.lhs.index[:depth]) for e in network.definitions(name)]
    return any(running) and not all(form.variables for form in equation.lhs.index[:depth])


def _is_elementwise(equation: Equation) -> bool:
    return (
        len(equation.terms) == 1
        and all(isinstance(f, Apply | Along) for f in equation.terms[0].factors if refs_of(f))
        and not equation.terms[0].bounds
    )


def _note(network: Network, of: Mapping[str, Group], group: Group, ref: Ref, equation: Equation) -> None:
    """An array that a group reads; another member of a family that the same loop computes leads back."""
    tensor = network.tensors[ref.tensor]
    depth = len(tensor.family)
    if tensor.role == "parameter":
        group.parameters[ref.tensor] = None
        return
    elsewhere = tensor.role == "input" or not group.loops or (ref.tensor in of and of[ref.tensor].loops != group.loops)
    if depth and not elsewhere and ref.index[:depth] != equation.lhs.index[:depth]:
        group.earlier[ref.tensor] = None
    elif ref.tensor not in group.arrays:
        group.reads[ref.tensor] = None


def operations(network: Network, equation: Equation) -> list[str]:
    """What an equation does, in a word or two for each operation."""
    words: dict[str, None] = {}
    if equation.lhs.tensor == network.loss:
        return []
    for term in equation.terms:
        arrays = [f for f in term.factors if isinstance(f, Ref)]
        shifted = any(len(form.variables) > 1 for r in arrays for form in r.index)
        if term.bounds and len(arrays) > 1:
            words["convolution" if shifted else "weighted sum"] = None
        elif len([f for f in term.factors if refs_of(f)]) > 1:
            words["product"] = None
        elif term.bounds and any(refs_of(f) for f in term.factors):
            words["sum"] = None
        for factor in term.factors:
            words.update(dict.fromkeys(_functions(network, factor)))
    added = [t for t in equation.terms if any(_is_array(network, r) for f in t.factors for r in refs_of(f))]
    if len(added) > 1:
        apart = all(t.conditions for t in added)
        words["concatenation" if apart else "sum"] = None
    return list(words)


def _is_array(network: Network, ref: Ref) -> bool:
    """True for what is no parameter."""
    return network.tensors[ref.tensor].role != "parameter"


def _functions(network: Network, factor: object) -> Iterator[str]:
    """Names of the functions of a factor."""
    if isinstance(factor, Along):
        yield factor.name.replace("_", " ")
    elif isinstance(factor, Opaque):
        yield factor.name
    elif isinstance(factor, Apply) and refs_of(factor):
        for call in sorted(factor.template.find(lambda part: part.is_Function), key=str):
            name = str(getattr(call.func, "row", ""))
            if name in ACTIVATION or name in network.functions:
                yield name


# ---------------------------------------------------------------------------------------------------------------------


def figure(view: View) -> Figure:
    """The network as boxes and arrows."""
    picture = Picture(view)
    return Figure(picture.drawing(), _caption(picture), "network", _alt(picture))


def _caption(picture: Picture) -> Spans:
    spans: list[Span] = ["The network as a graph of arrays, from the inputs down to the loss"]
    far = {name in picture.inputs for group in picture.groups for name in group.far}
    enter = "; parameters enter from the left" if any(g.parameters for g in picture.groups) else ""
    right = {frozenset((True,)): "further inputs", frozenset((False,)): "what is computed further up"}
    both = "further inputs and what is computed further up"
    spans += [enter, f", {right.get(frozenset(far), both)} from the right" if far else "", "."]
    if picture.loops:
        many = len(picture.loops) > 1
        spans.append(f" {'The frames are' if many else 'The frame is'} computed once for each value of the index")
        back = any(group.earlier for group in picture.groups)
        spans.append("; the arrow back leads to the next." if back else ".")
    for name in picture.shared:
        spans += [" ", Whole(name), f" enters {picture.uses(name)} boxes: it is shared."]
    return tuple(span for span in spans if span)


def _alt(picture: Picture) -> str:
    steps = []
    for group in picture.groups:
        if group.reads or group.parameters or group.earlier:
            read = [*group.parameters, *group.reads, *(f"earlier {name}" for name in group.earlier)]
            steps.append(f"{' and '.join(group.arrays)} from {', '.join(read)}")
    return f"Network: {'; '.join(steps)}."


class Picture:
    """Rows, places, then shapes from back to front."""

    def __init__(self, view: View) -> None:
        self.view, self.network = view, view.network
        self.groups = groups(view.network)
        self.of = {name: group for group in self.groups for name in group.arrays}
        long = max((view.letters(name) for name in self.of), default=0) > LONG
        self.box = (62.0, 10.0) if long else BOX
        self.side = (40.0, SIDE[1]) if long else SIDE
        self.loops = list(dict.fromkeys(b for group in self.groups for b in group.loops))
        self.inputs = {name for name in self.of if view.network.tensors[name].role == "input"}
        for group in self.groups:
            if set(group.reads) - self.inputs:  # inputs that come in on the way stand beside their reader
                group.far = {name: None for name in group.reads if name in self.inputs}
        above = {name for group in self.groups for name in group.reads if name not in group.far}
        self.groups = [g for g in self.groups if g.arrays[0] not in self.inputs or g.arrays[0] in above]
        self.deepest = max(len(group.loops) for group in self.groups)
        self.gap = GAP + NESTED * max(0, self.deepest - 1)
        self.margin = MARGIN + NESTED * max(0, self.deepest - 1)
        self.rows = self.ordered()
        for group in self.groups:
            near = {n for n in group.reads if n not in group.far and self.of[n].row == group.row - 1}
            group.far = {n: None for n in group.reads if n not in near}
        self.columns = self.split()
        self.places: dict[int, Point] = {}
        self.width = self.height = 0.0
        self.place()

    def uses(self, name: str) -> int:
        return sum(name in group.parameters for group in self.groups)

    @property
    def shared(self) -> list[str]:
        """Parameters that enter several boxes."""
        return [name for name in self.network.parameters if self.uses(name) > 1]

    # -- places --------------------------------------------------------------------------------------------------------

    def ordered(self) -> list[list[Group]]:
        """Rows of boxes: below all that is read, inputs just above their first reader; no row wider than the page."""
        level: dict[int, int] = {}
        for group in self.groups:
            above = [level[id(self.of[n])] for n in group.reads if n not in group.far and id(self.of[n]) in level]
            level[id(group)] = max(above, default=-1) + 1
        for group in self.groups:
            readers = [level[id(g)] for g in self.groups if any(a in g.reads and a not in g.far for a in group.arrays)]
            if group.arrays[0] in self.inputs:
                level[id(group)] = min(readers) - 1
        rows: list[list[Group]] = []
        for number in range(max(level.values()) + 1):
            row: list[Group] = []
            for group in (g for g in self.groups if level[id(g)] == number):
                if row and self.across([*row, group]) > WIDTH:
                    rows.append(row)
                    row = []
                row.append(group)
            rows += [row] if row else []
        for number, row in enumerate(rows):
            for group in row:
                group.row = number
        return rows

    def wide(self, group: Group) -> float:
        """Width of a box with what enters it."""
        return self.left(group) + self.box[0] + self.right(group)

    def left(self, group: Group) -> float:
        return self.side[0] + STEP if group.parameters else 0.0

    def right(self, group: Group) -> float:
        return self.side[0] + STEP if group.far or len(group.reads) > 1 else 0.0

    def tall(self, group: Group) -> float:
        beside = max(min(len(group.parameters), BESIDE + 1), min(len(group.far), BESIDE + 1))
        return max(self.box[1], beside * (self.side[1] + 0.8))

    def across(self, row: Sequence[Group]) -> float:
        """Width of a row."""
        return sum(map(self.wide, row)) + APART * (len(row) - 1)

    def room(self, rows: Sequence[Sequence[Group]]) -> tuple[float, float]:
        """Width of rows below each other, boxes that are alone in theirs on one axis; and where that axis is."""
        alone = [row[0] for row in rows if len(row) == 1]
        left, right = max(map(self.left, alone), default=0.0), max(map(self.right, alone), default=0.0)
        wide = max(left + self.box[0] + right if alone else 0.0, *map(self.across, rows))
        return wide, (wide - left - self.box[0] - right) / 2 + left + self.box[0] / 2

    def split(self) -> list[list[list[Group]]]:
        """Rows in columns beside each other, where one would be too tall and there is room."""
        widest, _ = self.room(self.rows)
        fitting = max(1, int((WIDTH + GUTTER) / (widest + GUTTER)))
        count = 1 if self.loops else min(fitting, -(-len(self.rows) // TALLEST))
        each = -(-len(self.rows) // count)
        return [self.rows[k : k + each] for k in range(0, len(self.rows), each)]

    def place(self) -> None:
        """The middle of every box."""
        x = self.margin if self.loops else 0.5
        for rows in self.columns:
            widest, axis = self.room(rows)
            y = self.margin if self.loops or len(self.columns) > 1 else 0.5
            for row in rows:
                high = max(map(self.tall, row))
                start = axis - self.left(row[0]) - self.box[0] / 2 if len(row) == 1 else (widest - self.across(row)) / 2
                at = x + start
                for group in row:
                    self.places[id(group)] = (at + self.left(group) + self.box[0] / 2, y + high / 2)
                    at += self.wide(group) + APART
                y += high + self.gap
            self.height = max(
                self.height, y - self.gap + (self.margin if self.loops else 3.0 if len(self.columns) > 1 else 0.5)
            )
            x += widest + GUTTER
        self.width = x - GUTTER + (self.margin + 6.0 if self.loops else 0.5)

    def ends(self, group: Group) -> tuple[float, float]:
        """Top and bottom of the row of a box."""
        y = self.places[id(group)][1]
        high = max(map(self.tall, self.rows[group.row]))
        return y - high / 2, y + high / 2

    # -- shapes --------------------------------------------------------------------------------------------------------

    def drawing(self) -> Drawing:
        frames = [shape for bound in self.loops for shape in self.frame(bound)]
        arrows = [shape for group in self.groups for shape in self.arrows(group)]
        boxes = [shape for group in self.groups for shape in self.boxes(group)]
        return Drawing((*frames, *arrows, *boxes), self.width, self.height)

    def boxes(self, group: Group) -> Iterator[Shape]:
        """The box of a group with names, shape and operations, and what enters it from the sides."""
        x, y = self.places[id(group)]
        wide, high = self.box
        names, is_loss = group.arrays, self.network.loss in group.arrays
        yield Rect(x, y, wide, high, 1.2)
        yield Rect(x, y, wide, high, 1.2, "loss" if is_loss else "input" if names[0] in self.inputs else "outline")
        axes = list(map(str, self.network.tensors[names[-1]].axes))
        has_shape = 0 < len(" x ".join(axes)) <= LONG
        line = y - 0.6 if group.words else y + 1.1
        room = (wide - 3.0) * (0.55 if has_shape else 1.0)
        each = room / len(names)
        for k, name in enumerate(names):
            at = x - wide / 2 + 1.5 + each * (k + 0.5)
            yield Label(at, line, Whole(name), "base", room=each - 0.8)
        if has_shape:
            yield Label(
                x + wide / 2 - 1.5, line, ShapeOf(names[-1], bare=True), "base east", "note", wide - 3.8 - room, 0.8
            )
        if group.words:
            words = group.words if len(group.words) <= BESIDE else [*group.words[:BESIDE], "…"]
            yield Label(x, y + 3.5, ", ".join(words), "base", "note", wide - 2.5, 0.74)
        yield from self.beside(group, list(group.parameters), -1, "tintD")
        yield from self.beside(group, list(group.far), 1, "faint")

    def beside(self, group: Group, names: Sequence[str], side: int, style: str) -> Iterator[Shape]:
        """Small boxes left or right of a box, with arrows into it."""
        x, y = self.places[id(group)]
        shown = names if len(names) <= BESIDE + 1 else names[:BESIDE]
        slots = len(shown) + (len(names) > len(shown))
        pitch = self.side[1] + 0.8
        for k in range(slots):
            at = (x + side * (self.box[0] / 2 + STEP + self.side[0] / 2), y + (k - (slots - 1) / 2) * pitch)
            edge = at[0] - side * self.side[0] / 2
            into = y + (k - (slots - 1) / 2) * min(pitch, (self.box[1] - 3.0) / slots)
            yield Line(((edge, at[1]), (x + side * self.box[0] / 2, into)), "flow", arrow=True)
            yield Rect(*at, *self.side, 0.8, "page")
            is_input = k < len(shown) and shown[k] in self.inputs
            yield Rect(*at, *self.side, 0.8, "input" if is_input else style)
            content = Whole(shown[k]) if k < len(shown) else f"{len(names) - len(shown)} more"
            yield Label(*at, content, style=style, room=self.side[0] - 1.4, scale=0.85)

    def arrows(self, group: Group) -> Iterator[Shape]:
        """From the boxes of the row above, and back for a family."""
        near = [name for name in group.reads if name not in group.far]
        sources = list({id(self.of[name]): self.of[name] for name in near}.values())
        sources.sort(key=lambda g: self.places[id(g)][0])
        x, _ = self.places[id(group)]
        for k, source in enumerate(sources):
            shift = (k - (len(sources) - 1) / 2) * min(6.0, self.box[0] / (len(sources) + 1))
            yield from self.arrow(source, group, x + shift)
        for name in group.earlier:
            if name in self.of:
                yield from self.back(self.of[name], group)

    def arrow(self, source: Group, group: Group, x: float) -> Iterator[Shape]:
        """Down through the gap between two rows, or over to the next column."""
        start, end = self.places[id(source)], (x, self.places[id(group)][1] - self.box[1] / 2)
        below, above = self.ends(source)[1], self.ends(group)[0]
        out = (start[0], start[1] + self.box[1] / 2)
        if above > below:
            leave, enter = (start[0], below), (x, above)
            bend = (leave, (start[0], below + 0.6 * GAP), (x, above - 0.6 * GAP), enter)
            if below > out[1]:
                yield Line((out, leave), "flow")
            if end[1] > above:
                yield Line((enter, end), "flow", arrow=True)
            yield Line(bend, "flow", arrow=end[1] <= above, curved=True)
            return
        gutter = x - self.box[0] / 2 - self.left(group) - 6.0
        turn = below + 2.6
        yield Line((out, (out[0], turn), (gutter, turn), (gutter, 1.4), (x, 1.4), end), "flow", arrow=True)

    def back(self, source: Group, group: Group) -> Iterator[Shape]:
        """The arrow back to the next member of a family, along the right side of its frame."""
        right = max(self.edge(g)[1] for g in self.groups if set(g.loops) & set(group.loops)) + 3.0
        start, end = self.places[id(source)], self.places[id(group)]
        out = (start[0] + self.box[0] / 2, start[1] + 2.0)
        into = (end[0] + self.box[0] / 2, end[1] - 3.2)
        yield Line((out, (right, out[1]), (right, into[1]), into), "flow", arrow=True)

    def edge(self, group: Group) -> tuple[float, float]:
        """Left and right of a box with what enters it."""
        x, _ = self.places[id(group)]
        return x - self.box[0] / 2 - self.left(group), x + self.box[0] / 2 + self.right(group)

    def frame(self, bound: Bound) -> Iterator[Shape]:
        """Around all boxes of a loop, with its index."""
        inside = [g for g in self.groups if bound in g.loops]
        pad = NESTED * (max(len(g.loops) for g in inside) - 1 - inside[0].loops.index(bound))
        left = min(self.edge(g)[0] for g in inside) - 2.5 - pad
        right = max(self.edge(g)[1] for g in inside) + 6.0 + pad
        top, bottom = min(self.ends(g)[0] for g in inside) - 2.4 - pad, max(self.ends(g)[1] for g in inside) + 4.4 + pad
        yield Rect((left + right) / 2, (top + bottom) / 2, right - left, bottom - top, 2.0, "frame")
        yield Label(left + 1.5, bottom - 1.4, Range(bound), "base west", "note", (right - left) / 2 - 4.0, 0.8)
