"""Conventions under which a formula is read: what directives state, what is tried, and in which order.

A ``Setting`` holds what the document says. ``Conventions`` are one reading; ``tried`` lists readings from the plain one
to those that deviate more, and only where the formula has something to which the deviation applies; ``with_factors``
those that differ by a constant of the loss.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import sympy as sp

from symbackprop.handwritten.expression import (
    BigOperator,
    Derivative,
    Elided,
    Named,
    Node,
    Operation,
    Product,
    Quantity,
    Unknown,
    walk,
)
from symbackprop.index import Apply, Ref, Value
from symbackprop.notation import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from symbackprop.affine import Affine
    from symbackprop.handwritten.author_operators import AuthorOperator
    from symbackprop.network import Network

Meaning = Literal["matrix", "entrywise", "inner", "outer", "dot"]
Side = Literal["numerator", "denominator"]

PLAIN: Mapping[str, Meaning] = {
    "juxtaposition": "matrix", "cdot": "dot", "dot": "dot", "times": "dot", "star": "entrywise", "circ": "entrywise",
    "odot": "entrywise", "entrywise": "entrywise", "otimes": "outer", "inner": "inner",
}  # fmt: skip
"""What a product sign means where nobody says: "dot" is the matrix product, or the inner product of two vectors."""

SIGNS: Mapping[str, str] = {
    "\\cdot": "cdot", "·": "cdot", "⋅": "cdot", ".": "dot", "\\times": "times", "×": "times", "x": "times", "*": "star",
    "\\ast": "star", "\\star": "star", "\\circ": "circ", "∘": "circ", "\\odot": "odot", "⊙": "odot", ".*": "entrywise",
    "\\otimes": "otimes", "⊗": "otimes",
}  # fmt: skip
"""Product signs as directives write them, by the names that nodes use."""

_OTHERS: Mapping[str, tuple[Meaning, ...]] = {
    "juxtaposition": ("entrywise",), "cdot": ("entrywise", "outer"), "dot": ("outer", "entrywise"),
    "times": ("entrywise", "outer"), "star": ("matrix",), "otimes": ("entrywise",), "inner": ("outer",),
}  # fmt: skip

_COMMON = {"layout", "order", "precedence", "turning", "slices", "explicit", "product juxtaposition", "product star"}
"""Kinds of deviations of which three are tried together."""

_SIGN = {"juxtaposition": "juxtaposition", "cdot": "·", "dot": ".", "times": "×", "star": "*", "otimes": "⊗",
         "inner": "⟨a, b⟩"}  # fmt: skip
_MEANING = {
    "matrix": "the matrix product",
    "entrywise": "entrywise",
    "inner": "the inner product",
    "outer": "the outer product",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Let:
    """A name of the author's: its letters, and what it stands for (in those letters)."""

    letters: tuple[str, ...] = ()
    value: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the document says at a formula.

    ``ranges`` are declared ranges of letters, inclusive, in the author's counting. ``products`` maps signs of
    ``expression.ProductSign`` to meanings. ``relations`` maps relations as written to their meanings. ``precedence``
    is that of juxtaposition against ⊙ and ∘ where an earlier claim has settled it.
    """

    lets: Mapping[str, Let] = field(default_factory=dict)
    claim: Node | None = None
    accumulate: bool = False
    ranges: Mapping[str, tuple[Affine, Affine]] = field(default_factory=dict)
    base: int = 1
    scalars: frozenset[str] = frozenset()
    vectors: Literal["rows", "columns"] | None = None
    shown_vectors: Literal["rows", "columns"] | None = None
    layout_vectors: Side | None = None
    layout_matrices: Side | None = None
    products: Mapping[str, Meaning] = field(default_factory=dict)
    explicit: bool = False
    relations: Mapping[str, str] = field(default_factory=dict)
    einstein: bool = False
    sizes: tuple[tuple[str, int | None, int], ...] = ()
    """Sizes that the statement is about alone: name, index of a family, value."""
    precedence: Literal["juxtaposition", "hadamard"] | None = None
    operators: tuple[AuthorOperator, ...] = ()
    parameters: tuple[str, ...] = ()
    """What ``∇`` without a subscript differentiates by; () for the parameters of the network."""
    settled_vectors: Literal["rows", "columns"] | None = None
    """How vectors lie in the claims before that showed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions:
    """One reading. ``deviations`` are, in words, what is not plain about it."""

    vectors: Literal["rows", "columns"] = "columns"
    layout_vectors: Side | None = None
    layout_matrices: Side | None = None
    products: Mapping[str, Meaning] = field(default_factory=lambda: PLAIN)
    precedence: Literal["juxtaposition", "hadamard"] = "juxtaposition"
    explicit: Literal["no", "all", "parameters"] = "no"
    """Which partial derivatives hold everything else fixed: of those by states, or by parameters alone."""
    nabla_stays: bool = True
    """``∇_W C`` has the shape of W, whatever the layout of ``∂C/∂W``."""
    later_first: bool = True
    """In a product over layers or steps, the factor of the later one stands further left."""
    turning: bool = False
    ones: Literal["rows", "columns"] = "columns"
    """How a vector of ones lies: as vectors do, or, where nothing says how they do, the other way."""
    slices: Literal["as they lie", "vectors"] = "as they lie"
    factor: Fraction | None = None
    size_factor: tuple[str, int] | None = None
    """A size to a power ±1 that multiplies the loss, for means."""
    deviations: tuple[str, ...] = ()


def default(network: Network, setting: Setting) -> Conventions:
    """The plain reading under the directives: columns, or rows under a preset whose examples are rows."""
    vectors = setting.vectors or setting.shown_vectors
    if vectors is None:
        vectors = load(network.notation).orientation.examples if network.notation else "columns"
        if not network.notation:
            vectors = _orientation(network) or vectors
    return Conventions(
        vectors=vectors,
        ones=vectors,
        layout_vectors=setting.layout_vectors,
        layout_matrices=setting.layout_matrices,
        products={**PLAIN, **declared_products(setting)},
        precedence=setting.precedence or "juxtaposition",
        explicit="all" if setting.explicit else "no",
        later_first=setting.layout_vectors != "denominator",
    )


def declared_products(setting: Setting) -> dict[str, Meaning]:
    """What directives say of product signs, by the names that nodes use."""
    return {SIGNS.get(sign, sign): meaning for sign, meaning in setting.products.items()}


def _orientation(network: Network) -> Literal["rows", "columns"] | None:
    """The orientation that every product of a matrix and a vector in the network shows, or None."""
    found: set[Literal["rows", "columns"]] = set()
    for equation in network.equations:
        for term in equation.terms:
            refs = [f for f in term.factors if isinstance(f, Ref)]
            for bound in term.bounds:
                users = [r for r in refs if any(bound.var in form.variables for form in r.index)]
                for matrix, vector in itertools.permutations(users, 2):
                    depth = len(network.tensors[matrix.tensor].family)
                    element = matrix.index[depth:]
                    plain = len(vector.index) - len(network.tensors[vector.tensor].family)
                    if len(element) == 2 and plain == 1:  # noqa: PLR2004 - a matrix
                        found.add("columns" if bound.var in element[1].variables else "rows")
    return found.pop() if len(found) == 1 else None


def tried(network: Network, setting: Setting, members: tuple[Node, ...]) -> Iterator[Conventions]:
    """Readings in order: the plain one, then those with one deviation, two, three."""
    plain = default(network, setting)
    yield plain
    choices = list(_choices(network, setting, plain, members))
    for count in (1, 2, 3):
        for group in itertools.combinations(choices, count):
            kinds = {name for name, _, _ in group}
            if len(kinds) < count or (count > 2 and not kinds <= _COMMON):  # noqa: PLR2004 - three at a time are rare
                continue
            reading = plain
            for _, change, words in group:
                made = {k: v for k, v in change.items() if k != "products"}
                if "products" in change:
                    made["products"] = {**reading.products, **change["products"]}  # type: ignore[dict-item]
                reading = replace(reading, **made, deviations=(*reading.deviations, *words))  # type: ignore[arg-type]
            yield reading


def _choices(
    network: Network, setting: Setting, plain: Conventions, members: tuple[Node, ...]
) -> Iterator[tuple[str, dict[str, object], tuple[str, ...]]]:
    """What may deviate: a name of the kind, the change, and its words."""
    nodes = [n for m in _reached(setting, members) for n in walk(m)]
    products = [n for n in nodes if isinstance(n, Product)]
    signs = {s for p in products for s in p.signs[1:]} | {"juxtaposition" for p in products}
    signs |= {str(n.sign) for n in nodes if isinstance(n, Elided)}
    signs |= {"inner" for n in nodes if isinstance(n, Operation) and n.name == "inner"}
    derivatives = [n for n in nodes if isinstance(n, Derivative)]
    whole = [n for n in nodes if isinstance(n, Quantity) and not n.element]
    if any(isinstance(n, Quantity) and 0 < _slices(n) < len(n.element) for n in nodes):
        yield "slices", {"slices": "vectors"}, ()
    if setting.vectors is None and any(isinstance(n, Operation) and n.name == "ones" for n in nodes):
        yield "ones", {"ones": "columns" if plain.ones == "rows" else "rows"}, ()
    if any(isinstance(n, BigOperator) and n.kind == "product" for n in nodes):
        yield "order", {"later_first": not plain.later_first}, ()
    if setting.precedence is None and signs & {"circ", "odot", "entrywise", "star"} and len(signs) > 1:
        yield "precedence", {"precedence": "hadamard"}, ("⊙ and ∘ bind tighter than juxtaposition",)
    if any(len(network.tensors[n.tensor].axes) == 2 for n in whole if n.tensor in network.tensors) and _ones(network):  # noqa: PLR2004
        yield "turning", {"turning": True}, ()
    if derivatives and (whole or any(_slices(n) for n in nodes if isinstance(n, Quantity))):
        yield from _layouts(setting)
    for sign in sorted(signs & set(_OTHERS)):
        if sign not in declared_products(setting):
            for meaning in _OTHERS[sign]:
                words = f"{_SIGN[sign]} is {_MEANING[meaning]}"
                yield f"product {sign}", {"products": {sign: meaning}}, (words,)
    if derivatives:
        yield from _explicit(setting)
    other: Literal["rows", "columns"] = "columns" if plain.vectors == "rows" else "rows"
    free = setting.vectors is None and setting.settled_vectors in {None, other}
    if free and whole and _orientation(network) in {None, other}:
        yield "vectors", {"vectors": other}, (f"vectors are {other}",)


def _explicit(setting: Setting) -> Iterator[tuple[str, dict[str, object], tuple[str, ...]]]:
    """Which partial derivatives hold everything else fixed, where that is not the plain reading."""
    if setting.explicit:
        yield "explicit", {"explicit": "parameters"}, ()
        return
    yield "explicit", {"explicit": "all"}, ("partial derivatives hold everything else fixed (explicit)",)
    words = "partial derivatives by parameters hold everything else fixed (explicit)"
    yield "explicit", {"explicit": "parameters"}, (words,)


def _ones(network: Network) -> bool:
    """True where the file gives some size as 1, or an axis is 1."""
    values = [v for s in network.sizes.values() for v in ([s] if isinstance(s, int) else s.values())]
    return 1 in values or any(a.is_constant and a.const == 1 for t in network.tensors.values() for a in t.axes)


def _slices(node: Quantity) -> int:
    return sum(1 for e in node.element if isinstance(e, Node))


def _reached(setting: Setting, members: tuple[Node, ...]) -> Iterator[Node]:
    """The members and the values of the names they use."""
    seen: set[str] = set()
    todo = [*members, *([setting.claim] if setting.claim is not None else [])]
    while todo:
        node = todo.pop()
        yield node
        for inner in walk(node):
            if isinstance(inner, Named) and inner.name in setting.lets and inner.name not in seen:
                seen.add(inner.name)
                todo.append(setting.lets[inner.name].value)


def _layouts(setting: Setting) -> Iterator[tuple[str, dict[str, object], tuple[str, ...]]]:
    free = [n for n in ("layout_vectors", "layout_matrices") if getattr(setting, n) is None]
    sides: tuple[Side, ...] = ("denominator", "numerator")
    for side in sides:
        if free:
            yield "layout", {**dict.fromkeys(free, side), "nabla_stays": False}, (f"{side} layout",)
    if len(free) == 2:  # noqa: PLR2004 - vectors alone
        for side in sides:
            yield "layout", {"layout_vectors": side, "nabla_stays": False}, (f"{side} layout of vectors",)
    if len(free) < 2:  # noqa: PLR2004 - stated for one of them
        yield "layout", {"nabla_stays": False}, ("∇ lies as the layout says",)


def with_factors(network: Network, reading: Conventions) -> Iterator[Conventions]:
    """A reading with the loss multiplied by a constant of its own: its coefficient, a mean's 1/N, the 2 of a square."""
    found: list[tuple[Fraction, tuple[str, int] | None]] = []
    todo, seen = [network.loss], set()
    squares = False
    coefficient, sizes = Fraction(1), []
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for equation in network.definitions(name):
            if len({abs(t.coefficient) for t in equation.terms}) == 1:
                number = abs(equation.terms[0].coefficient)
                coefficient *= Fraction(int(number.p), int(number.q))
            for factor in (f for t in equation.terms for f in t.factors):
                if isinstance(factor, Apply):
                    sizes += _sizes(factor)
                    squares = squares or any(p.exp == 2 for p in factor.template.atoms(sp.Pow))  # noqa: PLR2004
                todo += [
                    r.tensor
                    for r in getattr(factor, "args", ())
                    if hasattr(r, "tensor") and not network.tensors[r.tensor].axes
                ]
                if hasattr(factor, "tensor") and not network.tensors[factor.tensor].axes:
                    todo.append(factor.tensor)
    numbers = {coefficient} | ({Fraction(2), 2 * coefficient} if squares else set())
    numbers = {n for n in numbers if n != 1} | {1 / n for n in numbers if n != 1}
    found += [(n, None) for n in sorted(numbers)]
    for name in dict.fromkeys(sizes):
        found += [(n, (name, power)) for power in (1, -1) for n in sorted({Fraction(1), *numbers})]
    for number, size in found:
        shown = _shown(number, size)
        words = f"up to the factor {shown} of the loss"
        yield replace(reading, factor=number, size_factor=size, deviations=(*reading.deviations, words))


def _shown(number: Fraction, size: tuple[str, int] | None) -> str:
    if size is None:
        return str(number)
    name, power = size
    if power > 0:
        return name if number == 1 else f"{number} {name}"
    return (
        f"{number.numerator}/{name}" if number.denominator == 1 else f"{number.numerator}/({number.denominator} {name})"
    )


def _sizes(factor: Apply) -> list[str]:
    """Sizes that stand as numbers in a factor such as 1/N."""
    return [str(a.form) for a in factor.args if isinstance(a, Value) and not a.form.variables and a.form.sizes]


def unknown_scalars(members: tuple[Node, ...]) -> tuple[str, ...]:
    """Names that nothing declares."""
    return tuple(dict.fromkeys(n.name for m in members for n in walk(m) if isinstance(n, Unknown)))
