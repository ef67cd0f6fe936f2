"""The exercise by hand: an entry of a gradient recomputed from the numbers that the handout prints.

The entry is such that the printed, rounded factors give the printed result.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.affine import const
from symbackprop.document.blocks import (
    Bracket,
    Derivative,
    Display,
    Equal,
    Indexed,
    Number,
    Paragraph,
    Plus,
    Row,
    See,
    Sum,
    Times,
    Whole,
)
from symbackprop.document.exercise import Posed
from symbackprop.document.graph import Element
from symbackprop.document.moving import gradient
from symbackprop.document.numbers import IGNORED
from symbackprop.document.opening import listed
from symbackprop.document.path_values import decimal, places_of
from symbackprop.index import Apply, Ref, Value, primal_name, product, refs_of, slot
from symbackprop.oracle import members

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.derivation import Chain
    from symbackprop.document.blocks import Block, Formula
    from symbackprop.document.exercise import Setting
    from symbackprop.document.material import Worked
    from symbackprop.document.view import View
    from symbackprop.index import Term

MOST = 6
"""Products that are added up."""


@dataclass(frozen=True, slots=True)
class Example:
    """The printed numbers of a handout."""

    view: View
    worked: Worked

    def entry(self, ref: Ref) -> str:
        """An element as it is printed."""
        name = primal_name(ref.tensor)
        depth = len(self.view.network.tensors[name].family)
        index = tuple(form.const for form in ref.index)
        held = self.worked.arrays[ref.tensor]
        array = np.asarray(held[index[:depth]] if depth else held)
        order = self.view.layout.get(name)
        own = array if not order or array.ndim < len(order) else np.transpose(array, np.argsort(order))
        return decimal(float(own[index[depth:]]), places_of(array, self.worked.places))


def by_hand(setting: Setting) -> Posed | None:
    """An entry of a gradient from printed numbers."""
    worked = setting.material.worked
    if worked is None:
        return None
    example = Example(setting.view, worked)
    tensors = setting.network.tensors
    for chain in sorted(setting.view.derivation.gradients, key=lambda chain: -len(tensors[chain.tensor].axes)):
        for element, term, rows in _entries(example, chain):
            if _adds_up(example, chain, element, term, rows):
                return _posed(example, chain, element, term, rows)
    return None


def _entries(example: Example, chain: Chain) -> Iterator[tuple[Element, Term, list[tuple[str, ...]]]]:
    """Entries of a gradient from the last one on, each with its term and the printed factors of each product."""
    equation, network, sizes = chain.equation, example.view.network, example.worked.values.sizes
    (term,) = equation.terms if len(equation.terms) == 1 else (None,)
    if term is None or term.conditions or not all(map(_is_plain, term.factors)) or chain.tensor not in _known(example):
        return
    letters = [form.single for form in equation.lhs.index]
    for at in reversed(members(network, chain.tensor, sizes)):
        family = {b.var: k for b, k in zip(network.tensors[chain.tensor].family, at, strict=True)}
        extents = [a.evaluate(family, example.worked.values.size) for a in network.tensors[chain.tensor].axes]
        for own in reversed(list(itertools.product(*map(range, extents)))):
            names = [str(letter) for letter in letters]
            env = dict(zip(names, (*at, *own), strict=True))
            here = term.substitute({name: const(value) for name, value in env.items()})
            rows = _rows(example, here)
            if rows and len(rows) <= MOST:
                yield Element(chain.tensor, (*at, *own)), here, rows


def _known(example: Example) -> set[str]:
    """Arrays whose gradient is printed."""
    return {primal_name(name) for name in example.worked.arrays if name != primal_name(name)}


def _is_plain(factor: Any) -> bool:
    """True for an element and for a constant."""
    return isinstance(factor, Ref) or (isinstance(factor, Apply) and not refs_of(factor))


def _rows(example: Example, term: Term) -> list[tuple[str, ...]]:
    """The printed elements of each product that a term adds up."""
    size = example.worked.values.size
    spans = [range(b.lo.evaluate({}, size), b.hi.evaluate({}, size) + 1) for b in term.bounds]
    refs = [factor for factor in term.factors if isinstance(factor, Ref)]
    if not all(ref.tensor in example.worked.arrays for ref in refs):
        return []
    found = []
    for values in itertools.product(*spans):
        env = {b.var: const(value) for b, value in zip(term.bounds, values, strict=True)}
        found.append(tuple(example.entry(_at(example, ref, env)) for ref in refs))
    return found


def _at(example: Example, ref: Ref, env: dict[str, Any]) -> Ref:
    size = example.worked.values.size
    return Ref(ref.tensor, tuple(const(form.substitute(env).evaluate({}, size)) for form in ref.index))


def _constant(example: Example, term: Term) -> Any:
    """The number in front of the sum."""
    found = term.coefficient
    for factor in term.factors:
        if isinstance(factor, Apply):
            size = example.worked.values.size
            values = [arg.form.evaluate({}, size) for arg in factor.args if isinstance(arg, Value)]
            found *= factor.template.subs({slot(k): v for k, v in enumerate(values)})
    return found


def _adds_up(example: Example, chain: Chain, element: Element, term: Term, rows: list[tuple[str, ...]]) -> bool:
    """True where the rounded factors give the rounded result, of two digits and not the number of the paths."""
    shown = _result(example, chain, element)
    total = float(_constant(example, term)) * sum(math.prod(map(float, row)) for row in rows)
    places = len(shown.partition(".")[2])
    return decimal(total, places) == shown and len(shown.lstrip("-0.")) > 1 and element.ref != example.worked.entry


def _result(example: Example, chain: Chain, element: Element) -> str:
    return example.entry(Ref(chain.equation.lhs.tensor, element.ref.index))


def _posed(example: Example, chain: Chain, element: Element, term: Term, rows: list[tuple[str, ...]]) -> Posed:
    view = example.view
    loss, ref = Ref(view.network.loss), element.ref
    refs = [factor for factor in term.factors if isinstance(factor, Ref)]
    arrays = listed([Whole(name, at) for name, at in dict.fromkeys(_array(view, each) for each in refs)])
    products: tuple[Formula, ...] = tuple(Times(tuple(map(Number, row))) for row in rows)
    body: Formula = products[0] if len(products) == 1 else Plus(products)
    constant = _constant(example, term)
    if constant != 1:
        body = Times((Sum((product(constant),)), Bracket(body)))
    derivative, shown = Derivative(loss, ref), Ref(chain.equation.lhs.tensor, ref.index)
    answer: tuple[Block, ...] = (
        Paragraph(("Equation ", See(view.label(chain)), " at this entry reads:")),
        Display((Row(Indexed(gradient(ref, (term,)), derivative=True)),)),
        Paragraph(("With the printed numbers:",)),
        IGNORED,
        Display((Row(Equal((derivative, body, Number(_result(example, chain, element))))),)),
        Paragraph(("This is the entry of ", Whole(*_array(view, shown)), " that the example shows.")),
    )
    question = Paragraph(("Recompute ", derivative, " from the printed ", *arrays, "."))
    return Posed(title="By hand.", points=2, question=(question,), answer=answer)


def _array(view: View, ref: Ref) -> tuple[str, tuple[Any, ...]]:
    """The array of an element, the member of a family where one is meant."""
    depth = len(view.network.tensors[primal_name(ref.tensor)].family)
    return ref.tensor, ref.index[:depth]
