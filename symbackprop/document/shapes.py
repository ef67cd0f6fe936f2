"""Back to matrices: every backward product with its shapes, wrong ones that do not fit, and the rule behind them all.

The table reads the products off the lifted results: the two factors, the size that is summed, the shape that is left.
Whether a wrong product fails, or fits by accident, is found by comparing sizes, never assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from symbackprop import adjoint, spec
from symbackprop.affine import Affine, const
from symbackprop.derivation import Choices
from symbackprop.document import conventions, figures
from symbackprop.document.blocks import (
    Block,
    Dims,
    Directive,
    Display,
    Elsewhere,
    Equal,
    Expression,
    Form,
    Formula,
    Heading,
    Indexed,
    KeyBox,
    Letter,
    Note,
    Paragraph,
    Row,
    Span,
    Spans,
    Table,
    Times,
    Whole,
)
from symbackprop.document.graph import concrete_sizes
from symbackprop.document.opening import MATRICES
from symbackprop.document.view import View
from symbackprop.matrix import Axis, MatMul, Node, Outer, Transpose
from symbackprop.oracle import Values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.derivation import Derivation
    from symbackprop.index import Equation

MATRIX = 2
PRODUCTS = 10
"""Products that are shown."""
WRONG = 2
"""Wrong products that are shown."""
NAMES = (("A", "B", "C", "L"), ("P", "Q", "R", "T"), ("F", "G", "H", "K"))
"""Names for the partner rule, the first four that the network does not use."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor of a product as it is written: a node, turned or not, with the lengths of its rows and columns."""

    node: Node
    turned: bool
    dims: tuple[Affine, Affine]


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix product in the result for a tensor; ``fits`` where it has the shape of the tensor."""

    tensor: str
    equation: Equation
    left: Factor
    right: Factor
    summed: Axis | None
    fits: bool = False

    @property
    def result(self) -> tuple[Affine, Affine]:
        """The shape that is left."""
        return (self.left.dims[0], self.right.dims[1])


def section(view: View) -> list[Block]:
    """The shapes of all backward products and the partner rule; nothing where no product is written."""
    if not view.matrix:
        return []
    found = list(products(view))
    if not found:
        return []
    if not view.full:
        return [Heading(1, (MATRICES,)), _table(view, found)]
    return [
        Heading(1, (MATRICES,)),
        *figures.lines(view),
        Paragraph((OPENING,)),
        _table(view, found),
        *_slip(view, found),
        *_remarks(view, found),
        *([_partner_rule(view)] if any(p.summed for p in found) else []),
        *conventions.example(view),
    ]


OPENING = (
    "A gradient has the shape of what it is taken by. That alone leaves few ways to put the factors of a product "
    "together: inner sizes agree and are summed away, outer sizes remain."
)


# ---------------------------------------------------------------------------------------------------------------------
# Products


def products(view: View) -> Iterator[Product]:
    """The products of two matrices or vectors in the results, as they are written."""
    for chain in view.derivation.written:
        lifted = view.lifted(chain.equation)
        for case in lifted.cases if lifted else ():
            whole = factor_of(case.node, rows=view.rows).dims if 0 < len(case.node.axes) <= MATRIX else None
            for node in case.node.walk():
                pair = factors(node, rows=view.rows) if _is_product(view, node) else None
                if pair is not None:
                    summed = node.summed if isinstance(node, MatMul) else None
                    found = Product(chain.tensor, chain.equation, *pair, summed)
                    yield replace(found, fits=found.result == whole)


def _is_product(view: View, node: Node) -> bool:
    return isinstance(node, MatMul) or (isinstance(node, Outer) and view.preset.signs.outer == "transpose")


def factors(node: Node, *, rows: bool) -> tuple[Factor, Factor] | None:
    """The two factors in the order and the way in which they are written; None for arrays of more axes."""
    if not isinstance(node, MatMul | Outer) or max(len(node.a.axes), len(node.b.axes)) > MATRIX:
        return None
    a, b = node.a, node.b
    ranks = len(a.axes), len(b.axes)
    if isinstance(node, Outer):
        return (factor_of(a, turned=rows, rows=rows), factor_of(b, turned=not rows, rows=rows))
    if ranks == (MATRIX, 1) and rows:
        return (factor_of(b, rows=rows), factor_of(a, turned=True, rows=rows))
    if ranks == (1, MATRIX) and not rows:
        return (factor_of(b, turned=True, rows=rows), factor_of(a, rows=rows))
    if ranks == (1, 1):
        return (factor_of(a, turned=not rows, rows=rows), factor_of(b, turned=rows, rows=rows))
    return (factor_of(a, rows=rows), factor_of(b, rows=rows))


def factor_of(node: Node, *, rows: bool, turned: bool = False) -> Factor:
    """A node as a factor, turned or not; vectors have one row or one column."""
    if turned and isinstance(node, Transpose):
        node, turned = node.x, False
    sizes = [axis.extent for axis in node.axes]
    if len(sizes) == 1:
        sizes.insert(0 if rows else 1, const(1))
    if turned:
        sizes.reverse()
    return Factor(node, turned, (sizes[0], sizes[1]))


def untransposed(factor: Factor, *, rows: bool) -> Factor:
    """The stored array, where it was turned."""
    node = factor.node.x if isinstance(factor.node, Transpose) else factor.node
    return factor_of(node, rows=rows)


def wrong_product(product: Product, *, rows: bool) -> tuple[Factor, Factor] | None:
    """The product as one writes it who forgets the transpose, or who swaps the factors where there is none."""
    plain = (untransposed(product.left, rows=rows), untransposed(product.right, rows=rows))
    if plain != (product.left, product.right):
        return plain
    swapped = (product.right, product.left)
    return None if len(product.left.node.axes) != len(product.right.node.axes) else swapped


# ---------------------------------------------------------------------------------------------------------------------
# The table


def written(left: Factor, right: Factor, equation: Equation) -> Formula:
    """The product as it is printed."""
    pair = tuple(Expression(factor.node, equation, turned=factor.turned) for factor in (left, right))
    return Times(pair, sign=False)


def dims_of(left: Factor, right: Factor, equation: Equation) -> Spans:
    """The shapes of the two factors."""
    return ("(", Dims(left.dims, equation), ") (", Dims(right.dims, equation), ")")


def _table(view: View, found: list[Product]) -> Table:
    """Every product once, then the wrong ones."""
    rows: dict[object, tuple[Spans, ...]] = {}
    for each in found:
        must = (Whole(each.tensor),) if each.fits else ()
        summed = (Letter(each.summed.label, each.equation),) if each.summed else ("nothing",)
        rows.setdefault(
            (each.left, each.right),
            (
                (written(each.left, each.right, each.equation),),
                dims_of(each.left, each.right, each.equation),
                (Dims(each.result, each.equation),),
                must,
                summed,
            ),
        )
    wrong = list(_wrong(view, found)) if view.full else []
    more = "" if len(rows) <= PRODUCTS else f" {len(rows) - PRODUCTS} more are like them."
    return Table(
        ("Product", "Shapes", "Result", "Shape of", "Summed over"),
        (*list(rows.values())[:PRODUCTS], *wrong),
        (f"The size that is summed stands inside and cancels.{more}",),
        "lllll",
        "shapes",
    )


def _wrong(view: View, found: list[Product]) -> Iterator[tuple[Spans, ...]]:
    """Wrong products, each with what happens to it."""
    seen: set[object] = set()
    for each in found:
        pair = wrong_product(each, rows=view.rows)
        if pair is None or pair in seen or len(seen) == WRONG:
            continue
        seen.add(pair)
        yield (
            ("wrong: ", written(*pair, each.equation)),
            dims_of(*pair, each.equation),
            _outcome(pair, each),
            (),
            (),
        )


def _slip(view: View, found: list[Product]) -> list[Block]:
    """A wrong product in its place, the first of a result that is nothing but a product."""
    for each in found:
        pair = wrong_product(each, rows=view.rows)
        lifted = view.lifted(each.equation)
        if pair is None or lifted is None or len(lifted.cases) != 1 or lifted.cases[0].conditions:
            continue
        if factors(lifted.cases[0].node, rows=view.rows) == (each.left, each.right):
            lhs = each.equation.lhs
            whole = Whole(lhs.tensor, lhs.index[: len(view.network.tensors[each.tensor].family)])
            return [
                Paragraph((SLIP, *_outcome(pair, each), ":"), lead="A slip."),
                Directive(("expect wrong",)),
                Display((Row(Equal((whole, written(*pair, each.equation)))),)),
            ]
    return []


SLIP = "What is written down at once is often this, which is "


def _outcome(pair: tuple[Factor, Factor], right: Product) -> Spans:
    """Why a wrong product cannot be meant, by shapes, or that they do not tell."""
    inner = (pair[0].dims[1], pair[1].dims[0])
    outer = (pair[0].dims[0], pair[1].dims[1])
    if inner[0] != inner[1]:
        same = Equal(tuple(map(Form, sorted(inner, key=lambda form: not form.terms))))
        fits = all(a == b or {a, b} == set(inner) for a, b in zip(outer, right.result, strict=True))
        end = "" if fits else ", and of the wrong shape even then"
        return ("undefined unless ", same, end)
    if outer != right.result:
        return (Dims(outer, right.equation), ", the wrong shape")
    return (Dims(outer, right.equation), ", which fits and is wrong all the same")


def _remarks(view: View, found: list[Product]) -> list[Block]:
    """Where shapes do not tell: square matrices, and sizes that are equal in the network file."""
    spans: list[Span] = []
    square = [
        each
        for each in found
        if (pair := wrong_product(each, rows=view.rows)) is not None
        and pair[0].dims[1] == pair[1].dims[0]
        and (pair[0].dims[0], pair[1].dims[1]) == each.result
    ]
    equal = _equal_sizes(view, found)
    if square:
        spans.append("A square matrix fits both ways, so shapes cannot tell whether it has to be transposed. ")
    if equal:
        spans += ["At the sizes of this network ", *equal, ", so a wrong product runs as well. "]
    if not spans:
        return []
    end = "Then only the index that is summed decides, or a check by difference quotients."
    return [Note("Shapes do not tell.", (*spans, end))]


def _equal_sizes(view: View, found: list[Product]) -> Spans:
    """The sizes that a wrong product asks to be equal, and that are so in the network file."""
    lookup = Values(sizes=concrete_sizes(view.network), arrays={}).size
    given = set(view.network.sizes)
    for each in found:
        pair = wrong_product(each, rows=view.rows)
        if pair is None or pair[0].dims[1] == pair[1].dims[0]:
            continue
        inner = (pair[0].dims[1], pair[1].dims[0])
        if any(form.variables or not {a.name for a, _ in form.terms} <= given for form in inner):
            continue
        values = [form.evaluate({}, lookup) for form in inner]
        if values[0] == values[1]:
            return (Equal((Form(inner[0]), Form(inner[1]), Form(const(values[0])))),)
    return ()


# ---------------------------------------------------------------------------------------------------------------------
# The partner rule


@cache
def partner(names: tuple[str, str, str, str]) -> Derivation:
    """The derivation of the gradients of one matrix product below an unknown loss."""
    left, right, result, loss = names
    network = spec.network(
        name="partner",
        loss=loss,
        parameters=[left, right],
        forward=f"{result} = {left} @ {right}\n{loss} = ell({result})",
        shapes={left: "m n", right: "n p"},
        functions={"ell": "opaque loss"},
    )
    return adjoint.derive(network, replace(Choices(), signals="all"))


def _partner_rule(view: View) -> KeyBox:
    """The rule with its proof, which is the derivation for a product of two matrices."""
    taken = set(view.network.tensors)
    names = next((four for four in NAMES if not taken & set(four)), NAMES[-1])
    derivation = partner(names)
    own = View(derivation, replace(view.preset, adjoints=(), choices=Choices(signals="all")), view.options)
    (product, _) = derivation.network.equations
    rows = [_both(own, product), *(_both(own, derivation.chains[name].equation) for name in names[:2])]
    return KeyBox(
        "The partner rule",
        (
            Paragraph((PROOF,)),
            Directive(("ignore: a rule about any product, proved by a derivation of its own",)),
            Display(tuple(rows)),
            Paragraph((RULE,)),
        ),
    )


PROOF = (
    "In a sum of products the derivative by one factor is the factor it meets, its partner. For a product of two "
    "matrices, entry by entry and then for all entries:"
)
RULE = (
    "The partner keeps its side of the product and is transposed; the derivative by the product stands where the "
    "factor stood."
)


def _both(own: View, equation: Equation) -> Row:
    lifted = own.lifted(equation)
    entry = Elsewhere(own.derivation, own.preset, Indexed(equation, derivative=True))
    return Row(entry, beside=Elsewhere(own.derivation, own.preset, lifted) if lifted else None)
