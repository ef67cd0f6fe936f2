"""The network figure of a small dense network: its neurons, its weights, and the routes of one of them to the loss.

``layers`` reads the columns of neurons off the equations: a matrix of weights between two columns, elementwise
functions inside one. Networks of another kind have none; they are drawn as blocks (``chart``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from symbackprop.affine import const
from symbackprop.document.blocks import Entry, Figure, Formula, Function, ShapeOf, Span, Spans, Whole
from symbackprop.document.drawing import (
    PATHS,
    Circle,
    Drawing,
    Label,
    Line,
    Point,
    Polygon,
    Rect,
    Shape,
    along,
    beside,
    elided,
)
from symbackprop.document.pattern import is_batch_axis
from symbackprop.index import Along, Apply, Equation, Ref, refs_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from symbackprop.document.graph import Element
    from symbackprop.document.paths import Unrolled
    from symbackprop.document.scalar import Target
    from symbackprop.document.view import View
    from symbackprop.network import Network

DEEPEST = 3
"""Columns of weights of the networks whose neurons are drawn."""
WIDTH = 150.0
HEAD = 15.0
"""Height of the names above the columns."""
RADIUS = 4.1
HALF = 10.0
"""Width of each half of a neuron."""
TALL = 8.2
MATRIX = 2
_ARC = [math.pi * (k / 12 - 0.5) for k in range(13)]
RIGHT_HALF = (
    (0.0, -TALL / 2),
    *((HALF - TALL / 2 + TALL / 2 * math.cos(a), TALL / 2 * math.sin(a)) for a in _ARC),
    (0.0, TALL / 2),
)
"""The part of a neuron that shows its output, around its middle."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A column of neurons: arrays of one entry each, and the parameters between the column before and this one."""

    arrays: tuple[str, ...]
    weights: str = ""
    bias: str = ""
    function: str = ""
    """The function inside a neuron, or for a column without weights the one that leads to it."""

    @property
    def width(self) -> float:
        return len(self.arrays) * HALF if self.arrays[1:] else 2 * RADIUS


def layers(network: Network) -> tuple[Layer, ...]:
    """The columns of a small dense network without the loss, inputs first; empty for any other network."""
    found: list[Layer] = []
    equations = [equation for _, equation in network.walk()]
    for equation in equations:
        if equation.lhs.tensor == network.loss:
            continue
        layer = _next(network, found, equation)
        if layer is None:
            return ()
        merged = layer.arrays[1:] and found
        found = [*found[:-1], layer] if merged else [*found, *([] if found else [_inputs(equation, layer)]), layer]
    last = {
        r.tensor
        for e in equations
        if e.lhs.tensor == network.loss
        for t in e.terms
        for f in t.factors
        for r in refs_of(f)
    }
    used = [name for layer in found for name in (layer.weights, layer.bias) if name]
    fits = (
        bool(found)
        and last & set(found[-1].arrays)
        and not last & {*network.parameters, *(a for layer in found[:-1] for a in layer.arrays)}
        and sorted(used) == sorted(network.parameters)
        and sum(bool(layer.weights) for layer in found) <= DEEPEST
    )
    return tuple(found) if fits else ()


def _inputs(equation: Equation, layer: Layer) -> Layer:
    """The column that the first equation reads."""
    (name,) = {r.tensor for t in equation.terms for f in t.factors for r in refs_of(f)} - {layer.weights, layer.bias}
    return Layer((name,))


def _next(network: Network, found: Sequence[Layer], equation: Equation) -> Layer | None:
    """The column an equation makes, or the last one with one more array in its neurons; None where it is no such."""
    if network.tensors[equation.lhs.tensor].family or own_axis(network, equation.lhs.tensor) is None:
        return None
    before = found[-1].arrays[-1] if found else None
    terms = [t.factors for t in equation.terms if t.coefficient == 1 and not t.conditions]
    if len(terms) < len(equation.terms):
        return None
    if len(terms) == 1 and len(terms[0]) == 1 and before is not None:
        (factor,) = terms[0]
        if {r.tensor for r in refs_of(factor)} != {before}:
            return None
        if isinstance(factor, Apply) and len(found[-1].arrays) == 1 and found[-1].weights:
            last = found[-1]
            return Layer((*last.arrays, equation.lhs.tensor), last.weights, last.bias, _name(factor))
        return Layer((equation.lhs.tensor,), function=factor.name) if isinstance(factor, Along) else None
    return _weighted(network, terms, equation.lhs.tensor, before)


def _weighted(network: Network, terms: Sequence[tuple[object, ...]], name: str, before: str | None) -> Layer | None:
    """A column of weighted sums: one product of a matrix of weights with the column before, and perhaps a bias."""
    weights, bias = "", ""
    for factors in terms:
        names = [f.tensor for f in factors if isinstance(f, Ref)]
        if len(names) < len(factors):
            return None
        roles = {n: network.tensors[n].role for n in names}
        matrices = [n for n in names if roles[n] == "parameter"]
        others = [n for n in names if n not in matrices]
        if len(matrices) != 1 or len(network.tensors[matrices[0]].family):
            return None
        rank = len(network.tensors[matrices[0]].axes)
        if not others and rank == 1 and not bias:
            bias = matrices[0]
        elif len(others) == 1 and rank == MATRIX and not weights and _reads(network, others[0], before):
            weights = matrices[0]
        else:
            return None
    return Layer((name,), weights, bias) if weights else None


def _reads(network: Network, name: str, before: str | None) -> bool:
    """True for the array of the column before, or for the first one an input."""
    if before is not None:
        return name == before
    return network.tensors[name].role == "input" and own_axis(network, name) is not None


def _name(factor: Apply) -> str:
    return str(getattr(factor.template.func, "row", ""))


def own_axis(network: Network, tensor: str) -> int | None:
    """The one element axis that counts no examples; None where there is another number of them."""
    axes = range(len(network.tensors[tensor].axes))
    own = [k for k in axes if not is_batch_axis(network, (tensor, k))]
    return own[0] if len(own) == 1 and not network.tensors[tensor].family else None


# ---------------------------------------------------------------------------------------------------------------------


def figure(view: View, graph: Unrolled, target: Target) -> Figure | None:
    """The network with its neurons; None where it is no small dense network."""
    columns = layers(view.network)
    if not columns or not target.paths:
        return None
    return Figure(
        Picture(view, graph, target, columns).drawing(),
        _caption(view, target, columns),
        "network",
        _alt(graph, target, columns),
    )


def _caption(view: View, target: Target, columns: Sequence[Layer]) -> Spans:
    inside = next((c.function for c in columns if c.arrays[1:]), "")
    spans: list[Span] = ["The network" + (" for one example" if view.network.batch else "") + ". "]
    if inside:
        same = {c.function for c in columns if c.arrays[1:]} == {inside} and inside != "id"
        spans += [
            "Every neuron shows its weighted input and, after ",
            *((Function(inside),) if same else ("its function",)),
            ", its output. ",
        ]
    weight = any(c.weights == target.element.tensor for c in columns)
    routes = "the coloured route" if len(target.shown) == 1 else "the coloured routes"
    more = "" if target.count == len(target.shown) else f", {len(target.shown)} of {target.count}"
    spans += ["The heavy line is the weight " if weight else "The parameter followed is ", Entry(target.element.ref)]
    spans += [f"; what it changes reaches the loss along {routes}{more}."]
    return tuple(spans)


def _alt(graph: Unrolled, target: Target, columns: Sequence[Layer]) -> str:
    widths = [graph.shape(c.arrays[0])[own_axis(graph.network, c.arrays[0]) or 0] for c in columns]
    middle = "".join(f"{w} neurons, " for w in widths[1:-1])
    paths = f"{target.count} path{'' if target.count == 1 else 's'}"
    example = " of one example" if target.example is not None else ""
    return (
        f"Network: {widths[0]} inputs, {middle}{widths[-1]} outputs and the loss; {paths}{example} lead from "
        f"{spoken(graph.network, target.element)} to the loss, {len(target.shown)} of them drawn in colour."
    )


def spoken(network: Network, element: Element) -> str:
    """An element in plain words, counted from 1 but for the indices of a family."""
    depth = len(network.tensors[element.tensor].family)
    index = ",".join([*map(str, element.index[:depth]), *(str(k + 1) for k in element.index[depth:])])
    return f"{element.tensor}[{index}]" if index else element.tensor


Node = tuple[int, int]
"""Column and number of a neuron in it; the loss is in a column of its own."""


class Picture:
    """Places of all things, then shapes from back to front."""

    def __init__(self, view: View, graph: Unrolled, target: Target, columns: Sequence[Layer]) -> None:
        self.view, self.graph, self.target, self.columns = view, graph, target, columns
        self.network = view.network
        self.place: dict[str, int] = {a: c for c, layer in enumerate(columns) for a in layer.arrays}
        self.axes = [own_axis(self.network, c.arrays[0]) or 0 for c in columns]
        self.counts = [graph.shape(c.arrays[0])[axis] for c, axis in zip(columns, self.axes, strict=True)]
        self.routes = [self.route(path.elements) for path in target.shown[:PATHS]]
        kept: list[set[int]] = [{k for route in self.routes for c, k in route if c == n} for n in range(len(columns))]
        self.shown = [elided(n, k) for n, k in zip(self.counts, kept, strict=True)]
        rows = max(map(len, self.shown))
        self.height = max(rows * (13.0 if rows <= 4 else 11.5), 26.0)  # noqa: PLR2004 - few neurons stand apart
        slots = [*(max(c.width, 15.0) for c in columns), 12.0]
        self.gap = max(13.0, min(27.0, (WIDTH - sum(slots)) / len(columns)))
        self.width = sum(slots) + self.gap * len(columns)
        self.x = [sum(slots[:k]) + slots[k] / 2 + k * self.gap for k in range(len(slots))]
        self.taken: list[tuple[float, float, float, float]] = []

    def route(self, elements: Sequence[Element]) -> tuple[Node, ...]:
        """The neurons a path runs through, from the weight's input to the loss."""
        loss = (len(self.columns), 0)
        found: dict[Node, None] = {}
        for element in reversed(elements[:-1]):
            found[loss if element == self.graph.loss else self.node(element)] = None
        first = self.columns[next(iter(found))[0]]
        if first.weights == elements[-1].tensor:
            found = dict.fromkeys([(next(iter(found))[0] - 1, self.input_of(elements[-1], next(iter(found)))), *found])
        return tuple(found)

    def node(self, element: Element) -> Node:
        column = self.place[element.tensor]
        return column, element.index[self.axis_of(element.tensor)]

    def axis_of(self, tensor: str) -> int:
        return own_axis(self.network, tensor) or 0

    def input_of(self, weight: Element, node: Node) -> int:
        """The neuron of the column before that a weight belongs to: its index is not that of the reader's axis."""
        column, _ = node
        equation = self.network.definitions(self.columns[column].arrays[0])[0]
        reader = equation.lhs.index[self.axes[column]]
        written = next(r for t in equation.terms for f in t.factors for r in refs_of(f) if r.tensor == weight.tensor)
        return weight.index[0 if written.index[1] == reader else 1]

    # -- places --------------------------------------------------------------------------------------------------------

    def y(self, node: Node) -> float:
        """Height of a neuron."""
        column, number = node
        middle = HEAD + self.height / 2
        if column == len(self.columns):
            return middle
        slots = self.shown[column]
        pitch = min(self.height / len(slots), 19.0)
        return middle + (slots.index(number) - (len(slots) - 1) / 2) * pitch

    def edge(self, a: Node, b: Node) -> tuple[Point, Point]:
        """From the right of one neuron to the left of the next."""
        return (self.x[a[0]] + self.half(a[0]), self.y(a)), (self.x[b[0]] - self.half(b[0]), self.y(b))

    def half(self, column: int) -> float:
        return 5.0 if column == len(self.columns) else self.columns[column].width / 2

    # -- shapes --------------------------------------------------------------------------------------------------------

    def drawing(self) -> Drawing:
        heads = tuple(self.heads())
        shapes = (*self.edges(), *self.on_routes(), *self.neurons(), *heads)
        return Drawing(shapes, self.width, HEAD + self.height + 1.0)

    def edges(self) -> Iterator[Shape]:
        """All weights, faint."""
        for c in range(len(self.columns)):
            after = self.shown[c + 1] if c + 1 < len(self.columns) else (0,)
            for a in self.shown[c]:
                for b in after:
                    if a is not None and b is not None:
                        yield Line(self.edge((c, a), (c + 1, b)), "edge")

    def on_routes(self) -> Iterator[Shape]:
        """The chosen weight and the routes; where several share an edge they run side by side."""
        on: dict[tuple[Node, Node], list[int]] = {}
        for n, route in enumerate(self.routes, 1):
            for pair in pairwise(route):
                on.setdefault(pair, []).append(n)
        labels: list[Shape] = []
        for (a, b), numbers in on.items():
            ends = self.edge(a, b)
            weights = self.columns[b[0]].weights if b[0] < len(self.columns) else ""
            if weights == self.target.element.tensor:
                yield Line(ends, "heavy")
                labels += self.on_edge(ends, Entry(self.target.element.ref), "plain", (0.4, 0.5, 0.6))
                continue
            for k, n in enumerate(numbers):
                yield Line(beside(*ends, (k - (len(numbers) - 1) / 2) * 0.8), f"path{n}")
            if weights:
                style = f"path{numbers[0]}" if len(numbers) == 1 else "plain"
                labels += self.on_edge(ends, Entry(self.weight_of(weights, a, b)), style, (0.5, 0.4, 0.6, 0.3, 0.7))
        for n, route in enumerate(self.routes, 1):
            labels += self.number(n, route)
        yield from labels

    def weight_of(self, weights: str, a: Node, b: Node) -> Ref:
        """The weight on an edge."""
        equation = self.network.definitions(self.columns[b[0]].arrays[0])[0]
        written = next(r for t in equation.terms for f in t.factors for r in refs_of(f) if r.tensor == weights)
        to_first = written.index[0] == equation.lhs.index[self.axes[b[0]]]
        return Ref(weights, (const(b[1]), const(a[1])) if to_first else (const(a[1]), const(b[1])))

    def on_edge(
        self, ends: tuple[Point, Point], formula: Formula, style: str, shares: Sequence[float]
    ) -> Iterator[Shape]:
        """A label on a line where there is room, on a patch of the page."""
        wide, high = 9.5, 5.2
        for share in shares:
            x, y = along(*ends, share)
            if self.free(x, y, wide, high):
                yield Rect(x, y, wide - 1.0, high - 0.8, 0.8, "patch")
                yield Label(x, y, formula, style=style, room=wide - 1.2, scale=0.9)
                return

    def number(self, n: int, route: Sequence[Node]) -> Iterator[Shape]:
        """The number of a path on its last edge."""
        ends = self.edge(*route[-2:])
        for share in (0.45, 0.6, 0.3, 0.75, 0.2):
            x, y = along(*ends, share)
            if self.free(x, y, 3.6, 3.6):
                yield Circle(x, y, 1.6, f"number{n}")
                yield Label(x, y, str(n), style=f"number{n}", scale=0.7)
                return

    def free(self, x: float, y: float, wide: float, high: float) -> bool:
        """True where no other label lies; the place is taken then."""
        box = (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
        if any(
            box[0] < right and left < box[2] and box[1] < bottom and top < box[3]
            for left, top, right, bottom in self.taken
        ):
            return False
        self.taken.append(box)
        return True

    def neurons(self) -> Iterator[Shape]:
        """Neurons, their dots and the loss."""
        for column, shown in enumerate(self.shown):
            for number in shown:
                if number is not None:
                    yield from self.neuron(column, number)
            yield from self.dots(column)
        x, y = self.x[-1], self.y((len(self.columns), 0))
        yield Circle(x, y, 5.0, "plain")
        yield Circle(x, y, 5.0, "loss")
        yield Label(x, y, Whole(self.network.loss), room=8.6)

    def neuron(self, column: int, number: int) -> Iterator[Shape]:
        layer, x, y = self.columns[column], self.x[column], self.y((column, number))
        refs = [self.element(a, number) for a in layer.arrays]
        if len(refs) == 1:
            yield Circle(x, y, RADIUS)
            yield Label(x, y, Entry(refs[0]), room=2 * RADIUS - 2.0)
            return
        yield Rect(x, y, 2 * HALF, TALL, TALL / 2)
        yield Polygon(tuple((x + a, y + b) for a, b in RIGHT_HALF), "tintA")
        yield Rect(x, y, 2 * HALF, TALL, TALL / 2, "outline")
        yield Line(((x, y - TALL / 2), (x, y + TALL / 2)), "flow")
        for side, ref in zip((-1, 1), refs, strict=True):
            yield Label(x + side * HALF / 2 * 0.92, y, Entry(ref), room=HALF - 2.4)

    def element(self, tensor: str, number: int) -> Ref:
        """Entry ``number`` of an array, with the letter of the example."""
        ref = self.view.element(tensor)
        axis = self.axis_of(tensor)
        return Ref(tensor, tuple(const(number) if k == axis else form for k, form in enumerate(ref.index)))

    def dots(self, column: int) -> Iterator[Shape]:
        """Three dots for each run of neurons that is left out."""
        slots = self.shown[column]
        middle = HEAD + self.height / 2
        pitch = min(self.height / len(slots), 19.0)
        for place, k in enumerate(slots):
            if k is None:
                y = middle + (place - (len(slots) - 1) / 2) * pitch
                for d in (-1.6, 0.0, 1.6):
                    yield Circle(self.x[column], y + d, 0.4, "dot")

    def heads(self) -> Iterator[Shape]:
        """Above each column its words, arrays and shape; above each gap the weights."""
        hidden = sum(bool(c.weights) for c in self.columns) - 1
        seen = 0
        for c, layer in enumerate(self.columns):
            if layer.weights:
                seen += 1
                words = "output layer" if seen > hidden else "hidden layer" if hidden == 1 else f"hidden layer {seen}"
            else:
                words = "inputs" if not c else "outputs"
            room = max(layer.width, 15.0)
            yield from self.head(self.x[c], room, words, layer.arrays[:2])
            if c:
                left, right = self.x[c - 1] + max(self.columns[c - 1].width, 15.0) / 2, self.x[c] - room / 2
                names = tuple(n for n in (layer.weights, layer.bias) if n)
                words = "weights" if names else layer.function
                yield from self.head((left + right) / 2, right - left, words, names)
        yield from self.head(self.x[-1], 12.0, "loss", ())

    def head(self, x: float, room: float, words: str, names: Sequence[str]) -> Iterator[Shape]:
        """Words, and below them arrays side by side with their shapes."""
        yield Label(x, 2.6, words, "base", "head", room - 0.6, 0.78)
        wide = room / max(1, len(names))
        same = len({self.network.tensors[n].axes for n in names}) == 1
        for k, name in enumerate(names):
            at = x + (k - (len(names) - 1) / 2) * wide
            yield Label(at, 7.4, Whole(name), "base", "head", wide - 0.8, 0.92)
            if not same or not k:
                yield Label(
                    x if same else at,
                    11.6,
                    ShapeOf(name, bare=True),
                    "base",
                    "note",
                    (room if same else wide) - 0.8,
                    0.85,
                )
