"""Exercises on matrices: which product fits, and the same formulas in the convention that transposes every array."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from symbackprop.document.blocks import Dims, Directive, Display, Paragraph, Row, Table, Whole
from symbackprop.document.exercise import Posed, under
from symbackprop.document.graph import concrete_sizes
from symbackprop.document.opening import listed
from symbackprop.document.shapes import dims_of, products, untransposed, written
from symbackprop.document.view import View
from symbackprop.index import adjoint_name
from symbackprop.matrix import Leaf, MatMul, Outer
from symbackprop.notation.layout import layout
from symbackprop.oracle import Values

if TYPE_CHECKING:
    from symbackprop.derivation import Chain
    from symbackprop.document.blocks import Block, Span, Spans
    from symbackprop.document.exercise import Setting
    from symbackprop.document.shapes import Factor, Product
    from symbackprop.network import Network

CHOICES = 4
"""Products to choose from."""
TRANSPOSES = " are the transposes of ours. Obtain its formulas for "
COMPARED = 2
"""Formulas that are written in the other convention."""
LETTERS = "abcd"
CONVENTION = "ignore: in another convention"

Pair = tuple["Factor", "Factor"]


def shapes(setting: Setting) -> Posed | None:
    """Which of some products of two arrays has the shape of a gradient: one of them at all sizes."""
    view = setting.view
    for found in products(view) if view.matrix else ():
        if found.fits and found.tensor in view.network.parameters:
            choices = _choices(found, setting.seed % CHOICES, rows=view.rows)
            if choices:
                return _which(view, found, choices)
    return None


def _choices(found: Product, place: int, *, rows: bool) -> list[Pair]:
    """Wrong products of two arrays with the right one at a place; none where not just one fits."""
    if not all(isinstance(untransposed(f, rows=rows).node, Leaf) for f in (found.left, found.right)):
        return []
    one, other = (_both_ways(f, rows=rows) for f in (found.left, found.right))
    pairs = [*product(one, other), *product(other, one)]
    right = [pair for pair in pairs if _fits(pair, found)]
    if len(right) != 1:
        return []
    wrong = [pair for pair in pairs if pair not in right]
    ordered = sorted(wrong, key=lambda pair: (_inner_differs(pair), pairs.index(pair)))
    chosen = [ordered[0], *ordered[1 - CHOICES // 2 - 1 :]]
    return [*chosen[:place], *right, *chosen[place:]]


def _both_ways(factor: Factor, *, rows: bool) -> tuple[Factor, Factor]:
    plain = untransposed(factor, rows=rows)
    return plain, replace(plain, turned=True, dims=(plain.dims[1], plain.dims[0]))


def _inner_differs(pair: Pair) -> bool:
    return pair[0].dims[1] != pair[1].dims[0]


def _fits(pair: Pair, found: Product) -> bool:
    return not _inner_differs(pair) and (pair[0].dims[0], pair[1].dims[1]) == found.result


def _which(view: View, found: Product, choices: list[Pair]) -> Posed:
    parameter, gradient = Whole(found.tensor), Whole(adjoint_name(found.tensor))
    lettered = list(zip(LETTERS, choices, strict=True))
    (right,) = (x for x, pair in lettered if _fits(pair, found))
    asked = "Which of these products has the shape of ", parameter, " at all sizes, and so may stand in ", gradient
    told = f"Only ({right}). Inner sizes must agree, and what is left must be the shape of ", parameter, "."
    rows = tuple(
        ((f"({x}) ", written(*pair, found.equation)), dims_of(*pair, found.equation), _verdict(pair, found))
        for x, pair in lettered
    )
    answer: list[Block] = [
        Paragraph(told),
        Table(("Product", "Shapes", "Result"), rows, ("The four products.",), "lll"),
    ]
    also = [x for x, pair in lettered if x != right and _runs(view.network, pair, found)]
    if also:
        which = listed([f"({x})" for x in also])
        end = " would run as well: equal sizes hide the mistake."
        answer.append(Paragraph(("At the sizes of this network ", *which, end)))
    items: list[Span] = []
    for x, pair in lettered:
        items += ["" if x == LETTERS[0] else ", ", f"({x}) ", written(*pair, found.equation)]
    question = (Paragraph((*asked, "? Say what is wrong with each of the others.")), Paragraph(tuple(items)))
    return Posed(title="Shapes.", points=2, question=question, answer=tuple(answer))


def _verdict(pair: Pair, found: Product) -> Spans:
    result = (pair[0].dims[0], pair[1].dims[1])
    if _inner_differs(pair):
        return ("inner sizes differ",)
    shown: Span = Dims(result, found.equation)
    if result == found.result:
        return (shown, ", as it must be")
    turned = result == (found.result[1], found.result[0])
    return (shown, ", the transpose of the gradient" if turned else ", the wrong shape")


def _runs(network: Network, pair: Pair, found: Product) -> bool:
    """True where a wrong product has the right shape at the sizes of the network; general members count as unequal."""
    forms = [*pair[0].dims, *pair[1].dims, *found.result]
    if any(form.variables for form in forms):
        return False
    lookup = Values(sizes=concrete_sizes(network), arrays={}).size
    a, inner, other, b, rows, columns = (form.evaluate({}, lookup) for form in forms)
    return inner == other and (a, b) == (rows, columns)


# ---------------------------------------------------------------------------------------------------------------------


def convention(setting: Setting) -> Posed | None:
    """The same formulas where every matrix is stored as the transpose of ours."""
    view, network = setting.view, setting.network
    if not view.matrix:
        return None
    other = turned(view)
    moved = [name for name in (*network.inputs, *network.parameters) if _order(other, name) != _order(view, name)]
    chains = [chain for chain in view.derivation.written if _has_product(view, chain)]
    signals = [chain for chain in chains if chain.tensor not in network.parameters]
    gradients = [chain for chain in chains if chain.tensor in network.parameters]
    shown = [*signals[:1], *gradients[-1:]]
    if not moved or len(shown) < COMPARED or not all(other.lifted(chain.equation) for chain in shown):
        return None
    names = listed([Whole(adjoint_name(chain.tensor)) for chain in shown])
    arrays = listed([Whole(name) for name in moved])
    asked = (
        f"A textbook {_how(view, other, moved)}; its ",
        *arrays,
        " are the transposes of ours. Obtain its formulas for ",
    )
    answer: list[Block] = [Paragraph(("Transpose both sides, and write each matrix for the transpose of ours.",))]
    for chain in shown:
        before, after = view.lifted(chain.equation), other.lifted(chain.equation)
        assert before is not None  # noqa: S101 - they were chosen so
        assert after is not None  # noqa: S101
        answer += [Paragraph(("From" if chain is shown[0] else "And from",)), Display((Row(before),))]
        answer += [Paragraph(("follows:",)), Directive((CONVENTION,)), Display((Row(under(other, after)),))]
    end = "In a product the factors change places and each is transposed; entrywise products stay as they are."
    question = (Paragraph((*asked, *names, " from ours, without differentiating anything.")),)
    hint = ("The transpose of a product is the product of the transposes in the other order.",)
    title = "The other convention."
    return Posed(title=title, points=4, question=question, answer=(*answer, Paragraph((end,))), hint=hint)


def _how(view: View, other: View, moved: list[str]) -> str:
    """How the other convention differs, in words."""
    network = view.network
    for name in moved:
        axes = [str(network.tensors[name].axes[k]) for k in _order(other, name)]
        if network.batch in axes:
            return f"stores examples as {('rows', 'columns')[axes.index(network.batch)]}"
    return f"writes vectors as {other.preset.orientation.vectors}"


def turned(view: View) -> View:
    """The same derivation where matrices of examples and weights are stored, and vectors written, the other way."""
    own = view.preset.orientation
    rows = replace(own, vectors="rows", examples="rows", weights="input-first")
    columns = replace(own, vectors="columns", examples="columns", weights="output-first")
    one, two = (layout(view.network, replace(view.preset, orientation=each), relay=True) for each in (rows, columns))
    orders = {name: _order(view, name) for name in view.network.tensors}
    orders |= {name: tuple(reversed(order)) for name, order in orders.items() if one[name] != two[name]}
    vectors = columns if own.vectors == "rows" else rows
    return View(view.derivation, replace(view.preset, orientation=vectors), view.options, orders)


def _order(view: View, name: str) -> tuple[int, ...]:
    """How a tensor is stored in a view."""
    return view.layout.get(name) or tuple(range(len(view.network.tensors[name].axes)))


def _has_product(view: View, chain: Chain) -> bool:
    lifted = view.lifted(chain.equation)
    return lifted is not None and any(isinstance(n, MatMul | Outer) for case in lifted.cases for n in case.node.walk())
