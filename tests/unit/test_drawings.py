"""Figures: what they show is what the network has, nothing lies outside or on top of each other, all writers agree."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from symbackprop import api, gallery, typeset
from symbackprop.document import chart, meeting, neurons, tree
from symbackprop.document.blocks import Entry, Figure, Whole
from symbackprop.document.drawing import Circle, Drawing, Label, Line, Polygon, Rect, along, elided, headed
from symbackprop.document.view import View
from symbackprop.emit import html, latex, terminal, typst
from symbackprop.emit.compose import Composer
from symbackprop.emit.drawing import LOOKS, natural, size
from symbackprop.emit.drawing_svg import HUES, svg
from symbackprop.emit.mathtext import Printer
from symbackprop.index import refs_of

DATA = Path(__file__).parents[1] / "data"
QUICK = [*gallery.names(), "mlp:4-2-3", "mlp:3-3-3", "mlp:784-100-10,sigmoid,softmax,cross_entropy", "mlp:9-9-9"]
SLOW = [pytest.param(str(p), marks=pytest.mark.slow, id=p.stem) for p in sorted(DATA.glob("networks/*.toml"))]
AWKWARD = [pytest.param(str(p), id=p.stem) for p in sorted(DATA.glob("awkward/*.toml"))]
OTHERS = [str(DATA / path) for path in ("notation/nested.toml", "emission/conv2d.toml", "emission/unrolled.toml")]
NETWORKS = [*QUICK, *AWKWARD, *OTHERS, *SLOW]


SKIP = """
name = "skip"
loss = "C"
parameters = ["w", "V"]
forward = '''
c[i] = sum(x[i+k] * w[k], k)
h[i] = relu(c[i])
r = u + V @ h
p = softmax(r, "n")
C = sum((p - t)**2)
'''
[shapes]
x = "n+K-1"
w = "K"
u = "n"
V = "n n"
t = "n"
c = "n"
h = "n"
[indices]
i = "n"
k = "K"
"""


def derived(name):
    return api.derive(str(gallery.path(name)) if name in gallery.names() else name)


def figures(derived_):
    tree = api.document(derived_, None, api.Material())
    return [block for block in tree.blocks if isinstance(block, Figure)]


def extents(shape, composer):
    """Left, top, right and bottom of a shape; of a label as it is measured."""
    if isinstance(shape, Label):
        em = size(shape, composer)
        wide = natural(shape, composer) / (3.3 * shape.scale) * em
        left = shape.x - wide * (0 if "west" in shape.anchor else 1 if "east" in shape.anchor else 0.5)
        top = shape.y - em * (0.8 if "base" in shape.anchor else 0.5)
        return left, top, left + wide, top + em
    if isinstance(shape, Circle):
        return shape.x - shape.radius, shape.y - shape.radius, shape.x + shape.radius, shape.y + shape.radius
    if isinstance(shape, Rect):
        return shape.left, shape.top, shape.right, shape.bottom
    xs, ys = zip(*shape.points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def overlap(a, b):
    """How far two boxes lie on each other."""
    return min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])


def refs(equation):
    """The elements that an equation reads."""
    return [r for t in equation.terms for f in t.factors for r in refs_of(f)]


def collisions(drawing, composer):
    """Pairs of labels that lie on each other."""
    placed = [(label, extents(label, composer)) for label in drawing.labels]
    return [(a, b) for (a, one), (b, two) in combinations(placed, 2) if min(overlap(one, two)) > 0.15]


def outside(drawing, composer):
    """Shapes that leave the drawing's box."""
    frame = (0, 0, drawing.width, drawing.height)
    return [
        shape
        for shape in drawing.shapes
        if (e := extents(shape, composer))[0] < frame[0] - 0.1
        or e[1] < frame[1] - 0.1
        or e[2] > frame[2] + 0.1
        or e[3] > frame[3] + 0.1
    ]


@pytest.mark.parametrize("name", NETWORKS)
def test_no_label_lies_on_another_and_nothing_leaves_its_box(name):
    found = derived(name)
    composer = Composer(found.printer)
    for figure in figures(found):
        assert collisions(figure.drawing, composer) == [], figure.label
        assert outside(figure.drawing, composer) == [], figure.label
        assert all(size(label, composer) > 1.3 for label in figure.drawing.labels), figure.label
        assert figure.drawing.width <= 170


def test_measures_find_planted_faults():
    composer = Composer(derived("seed_003").printer)
    near = Drawing((Label(10, 10, "weights"), Label(14, 10, "loss")), 40, 20)
    assert len(collisions(near, composer)) == 1
    assert not collisions(Drawing((Label(10, 10, "weights"), Label(30, 10, "loss")), 40, 20), composer)
    assert len(outside(Drawing((Label(1, 10, "weights"), Circle(38, 10, 4)), 40, 20), composer)) == 2


def test_few_are_all_shown_and_of_many_the_first_two_the_kept_and_the_last():
    assert elided(6) == (0, 1, 2, 3, 4, 5)
    assert elided(7) == (0, 1, None, 6)
    assert elided(100, [2, 50]) == (0, 1, 2, None, 50, None, 99)
    assert elided(8, [3]) == (0, 1, 2, 3, None, 7)


@pytest.mark.parametrize(
    "name", ["mlp:4-2-3", "mlp:784-100-10,sigmoid,softmax,cross_entropy", "mlp:9-9-9", "seed_003", "seed_004"]
)
def test_neurons_stand_in_the_order_of_their_index_and_those_on_routes_are_shown(name):
    found = derived(name)
    view = View(found.derivation, found.preset)
    columns = neurons.layers(found.network)
    picture = neurons.Picture(view, view.graph, view.followed, columns)
    for column, shown in enumerate(picture.shown):
        numbers = [k for k in shown if k is not None]
        assert numbers == sorted(numbers)
        assert len(numbers) == min(picture.counts[column], len(numbers))
        heights = [picture.y((column, k)) for k in numbers]
        assert heights == sorted(heights)
        if picture.counts[column] > 6:
            assert {0, 1, picture.counts[column] - 1} <= set(numbers)
            assert None in shown
    for route in picture.routes:
        assert all(number in picture.shown[column] for column, number in route[:-1])
    drawn = [shape for shape in picture.drawing().shapes if isinstance(shape, Line) and shape.style.startswith("path")]
    assert len({line.style for line in drawn}) == len(view.followed.shown)


def test_networks_of_another_kind_have_no_columns_of_neurons():
    for name in ("seed_000", "seed_001", "seed_002"):
        assert neurons.layers(derived(name).network) == ()
    assert neurons.layers(derived("mlp:3-3-3-3-3-3").network) == ()


@pytest.mark.parametrize(
    "name", [*QUICK, str(DATA / "networks" / "lstm.toml"), str(DATA / "networks" / "rnn_tanh.toml")]
)
def test_tree_has_a_leaf_for_each_shown_path_and_stubs_without_the_entry(name):
    found = derived(name)
    view = View(found.derivation, found.preset)
    graph, target = view.graph, view.followed
    picture = tree.Picture(graph, target)
    nodes = list(picture.root.walk())
    leaves = [node for node in nodes if not node.below]
    assert len(leaves) == len(target.shown)
    assert {leaf.element for leaf in leaves} == {target.element}
    assert [node.routes for node in leaves] == [[k] for k in range(1, len(leaves) + 1)]
    for node in nodes:
        if node.element is not None and node.below:
            for stub in picture.stub_elements(node)[0]:
                assert stub in graph.reads(node.element, 1000)
                assert all(stub not in path.elements for path in graph.paths(target.element, limit=200))
    numbers = [s for s in picture.drawing().shapes if isinstance(s, Circle) and s.style.startswith("number")]
    assert len(numbers) == len(leaves)


def test_shared_parameter_has_a_leaf_for_each_use():
    found = derived("seed_001")
    view = View(found.derivation, found.preset)
    nodes = list(tree.Picture(view.graph, view.followed).root.walk())
    above = {child.element: node.element.tensor for node in nodes for child in node.below.values() if not child.below}
    assert set(above) == {view.followed.element}
    readers = {node.element.tensor for node in nodes for child in node.below.values() if not child.below}
    assert readers == {"H1", "H2"}


@pytest.mark.parametrize("name", QUICK)
def test_factors_turned_as_drawn_multiply_to_the_sum_in_index_form(name):
    found = derived(name)
    for product in meeting.meetings(View(found.derivation, found.preset)):
        labels = {axis.label: 2 + k for k, axis in enumerate(dict.fromkeys((*product.left.axes, *product.right.axes)))}
        letters = {label: chr(97 + k) for k, label in enumerate(labels)}
        arrays = [
            np.random.default_rng(k).random([labels[label] for label in leaf.labels])
            for k, leaf in enumerate((product.left, product.right))
        ]
        spelled = ["".join(letters[label] for label in leaf.labels) for leaf in (product.left, product.right)]
        lines = "".join(letters[axis.label] for axis in (product.rows, product.columns) if axis is not None)
        expected = np.einsum(f"{spelled[0]},{spelled[1]}->{lines}", *arrays)
        one, two = (array.T if turned else array for array, turned in zip(arrays, product.turned, strict=True))
        assert np.allclose(one @ two if product.summed else np.outer(one, two), expected)


def test_products_that_sum_no_lines_have_no_figure():
    found = derived("seed_002")
    view = View(found.derivation, found.preset)
    assert [m.summed for m in meeting.meetings(view)] == [None]
    assert meeting.figure(view) is None


def test_products_of_a_network_with_a_batch_turn_the_weights_and_the_inputs():
    found = derived("seed_003")
    shown = meeting.meetings(View(found.derivation, found.preset))
    assert [(m.left.ref.tensor, m.right.ref.tensor, m.turned) for m in shown] == [
        ("H_out", "∂O_in", (True, False)),
        ("∂O_in", "W2", (False, True)),
    ]


CHARTS = ["seed_000", "seed_001", "seed_002", "mlp:3-3-3-3-3-3"]
CHARTS += [str(DATA / "networks" / f"{name}.toml") for name in ("lstm", "rnn_tanh", "ae_tied")]


@pytest.mark.parametrize("name", CHARTS)
def test_chart_has_every_array_once_and_every_parameter_where_it_is_used(name):
    found = derived(name)
    network = found.network
    picture = chart.Picture(View(found.derivation, found.preset))
    drawn = [name for group in picture.groups for name in (*group.arrays, *group.far)]
    assert set(drawn) | set(network.parameters) >= {e.lhs.tensor for e in network.equations} | set(network.inputs)
    assert all(array not in group.reads for group in picture.groups for array in group.arrays)
    once = [name for group in picture.groups for name in group.arrays]
    assert len(once) == len(set(once))
    for parameter in network.parameters:
        readers = {e.lhs.tensor for e in network.equations if parameter in {r.tensor for r in refs(e)}}
        assert picture.uses(parameter) == len({id(picture.of[reader]) for reader in readers})


@pytest.mark.parametrize("name", CHARTS)
def test_no_arrow_of_a_chart_runs_through_a_name(name):
    found = derived(name)
    drawing = chart.Picture(View(found.derivation, found.preset)).drawing()
    composer = Composer(found.printer)
    labels = [extents(label, composer) for label in drawing.labels]
    for line in (shape for shape in drawing.shapes if isinstance(shape, Line)):
        for a, b in pairwise(line.points):
            for share in (0.1, 0.3, 0.5, 0.7, 0.9):
                x, y = along(a, b, share)
                assert not any(left < x < right and top < y < bottom for left, top, right, bottom in labels)


def test_operations_are_named(tmp_path):
    path = tmp_path / "skip.toml"
    path.write_text(SKIP)
    found = api.derive(str(path))
    words = {group.arrays[0]: group.words for group in chart.groups(found.network)}
    assert words["c"] == ["convolution", "relu"]
    assert words["r"] == ["weighted sum", "sum"]
    assert words["p"] == ["softmax"]
    picture = chart.Picture(View(found.derivation, found.preset))
    assert list(picture.of["r"].far) == ["u"]


def test_arrow_back_is_drawn_for_families_alone():
    for name, expected in (("seed_002", 1), ("seed_001", 0)):
        found = derived(name)
        picture = chart.Picture(View(found.derivation, found.preset))
        assert sum(len(group.earlier) for group in picture.groups) == expected
        assert len(picture.loops) == expected


def test_shared_parameter_is_said_to_be_shared():
    (figure, *_) = figures(derived("seed_001"))
    assert Whole("Wx") in figure.caption
    assert any("shared" in str(span) for span in figure.caption)
    (figure, *_) = figures(derived("mlp:3-3-3-3-3-3"))
    assert not any("shared" in str(span) for span in figure.caption)


def test_the_head_of_an_arrow_ends_where_the_arrow_does():
    line, head = headed(Line(((0, 0), (10, 0)), arrow=True))
    assert head.points[0] == (10, 0)
    assert line.points[-1][0] < 10
    assert not line.arrow


def contrast(one, other):
    """Contrast of two colours as WCAG defines it."""

    def luminance(colour):
        digits = colour.lstrip("#")
        digits = "".join(2 * c for c in digits) if len(digits) == 3 else digits
        parts = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("mode", [0, 1])
def test_letters_stand_out_from_the_page_in_light_and_dark(mode):
    found = derived("seed_003")
    text = html.write(api.document(found), Printer(found.derivation, found.preset, target="mathml"))
    rules = re.findall(r":root \{ (.*?)\}", text, re.DOTALL)[mode]
    hues = dict(re.findall(r"--(\w+): (#\w+);", rules))
    assert hues.keys() >= HUES.keys()
    assert mode or all(hues[name] == colour for name, colour in HUES.items())
    for style in LOOKS.values():
        ground = hues[style.fill] if style.fill and style.share == 1 else hues["page"]
        if style.text:
            assert contrast(hues[style.text], ground) >= 4.5, style


def test_every_writer_writes_figures_and_refers_to_them():
    found = derived("seed_003")
    tree = api.document(found, None, api.Material())
    (first, *_) = [block for block in tree.blocks if isinstance(block, Figure)]
    tex = latex.write(tree, found.printer)
    assert tex.count(r"\begin{tikzpicture}") == len(figures(found))
    assert r"Figure~\ref{fig:network}" in tex
    assert r"{fig:network}" in tex
    page = html.write(tree, Printer(found.derivation, found.preset, target="mathml"))
    assert '<a href="#network">Figure 1</a>' in page
    assert f'aria-label="{first.alt}"' in page
    assert all("tabindex" not in picture for picture in re.findall("<svg.*?</svg>", page, re.DOTALL))
    text = typst.write(tree, Printer(found.derivation, found.preset, target="typst"))
    assert first.alt in text
    assert typeset.from_typst(text).startswith(b"%PDF")
    plain = terminal.write(tree, Printer(found.derivation, found.preset, target="unicode"))
    assert "Figure 1 shows" in plain
    assert first.alt in " ".join(plain.split())


def test_svg_is_well_formed_and_words_in_it_are_text():
    found = derived("seed_003")
    composer = Composer(Printer(found.derivation, found.preset, target="mathml"))
    shapes = (
        Label(5, 5, "<script>&"),
        Polygon(((0, 0), (1, 0), (1, 1))),
        Line(((0, 0), (1, 0), (1, 1), (2, 2)), curved=True),
    )
    drawn = svg(
        Drawing((*shapes, Label(5, 9, Entry(found["W1"].equation.lhs))), 10, 10), composer, 'Words: "<b>"', alone=True
    )
    tree = ET.fromstring(drawn)
    assert tree.get("role") == "img"
    assert tree.get("aria-label") == 'Words: "<b>"'
    assert [t.text for t in tree.iter("{http://www.w3.org/2000/svg}text")] == ["<script>&"]
