r"""Facts that a document states: ``\sum_k y_k = 1``, ``z > 0``.

They hold for the values that are drawn, so they are added to the network; a fact about something that the network
computes must follow from its equations already.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import sympy as sp

from symbackprop.affine import Affine, Var
from symbackprop.handwritten.context import function_of
from symbackprop.handwritten.expression import BigOperator, Node, Number, Quantity
from symbackprop.handwritten.formula import Problem
from symbackprop.handwritten.reader import Context
from symbackprop.handwritten.resolve import is_of_network, statements
from symbackprop.handwritten.tokens import ReadError
from symbackprop.network import Fact, UserFunction
from symbackprop.oracle import Interpreter, draw, members

if TYPE_CHECKING:
    from symbackprop.handwritten import directives
    from symbackprop.handwritten.document import Document
    from symbackprop.network import Network

_ORDERS = {
    ">": "positive",
    "\\gt": "positive",
    "\\ge": "nonnegative",
    "\\geq": "nonnegative",
    "≥": "nonnegative",
    ">=": "nonnegative",
    "\\geqslant": "nonnegative",
}
_KINDS = r"a fact is one of '\sum_k y_k = 1', 'z > 0' and 'z \ge 0', about a tensor of the network"


class FactError(Exception):
    """A fact that is not understood, or that contradicts the network."""


def with_facts(document: Document, network: Network) -> tuple[Network, tuple[Problem, ...]]:
    """The network with the facts that the document's directives state, and what is wrong with some."""
    stated = {id(fact): fact for entry in document.entries for fact in entry.directives.facts}
    stated |= {id(fact): fact for fact in document.directives.facts}
    problems: list[Problem] = []
    for given in stated.values():
        formula = given.formula
        try:
            network = _added(network, read_fact(given, network))
        except (FactError, ReadError) as error:
            message = error.message if isinstance(error, ReadError) else str(error)
            problems.append(Problem(message=message, line=formula.line, column=formula.column, span=formula.span))
    return network, tuple(problems)


def with_functions(document: Document, network: Network) -> Network:
    """The network with the functions that directives declare and it does not use: opaque ones."""
    declared = (f for entry in document.entries for f in entry.directives.functions)
    functions = dict(network.functions)
    for found in (function for function in map(function_of, declared) if not is_of_network(function, network)):
        kind = "opaque loss" if found.loss else "opaque"
        own = UserFunction(name=found.name, kind=kind, family=len(found.letters))
        functions.setdefault(found.name, own)
    return replace(network, functions=functions)


def read_fact(given: directives.Fact, network: Network) -> Fact:
    """A fact in the names of the network.

    Raises: FactError, ReadError.
    """
    found = statements(given.formula, Context(network=network))
    if len(found) != 1 or len(found[0].members) != 2:  # noqa: PLR2004 - two sides
        raise FactError(_KINDS)
    (left, right), relation = found[0].members, found[0].relations[0]
    text = given.formula.text
    number = sp.Rational(right.value.numerator, right.value.denominator) if isinstance(right, Number) else None
    if number is None:
        raise FactError(_KINDS)
    if relation == "=" and isinstance(left, BigOperator) and left.kind == "sum":
        tensor, axis = _summed(left, network)
        return Fact(name=f"fact_{tensor}", kind="sum", tensor=tensor, axis=axis, value=number, text=text)
    if relation in _ORDERS and number == 0 and isinstance(left, Quantity):
        return Fact(name=f"fact_{left.tensor}", kind=_ORDERS[relation], tensor=left.tensor, text=text)
    raise FactError(_KINDS)


def _summed(node: BigOperator, network: Network) -> tuple[str, int]:
    """The tensor that a sum adds up, and its axis."""
    body: Node = node.body
    if not isinstance(body, Quantity):
        raise FactError(_KINDS)
    axes = len(network.tensors[body.tensor].axes)
    letters = [
        form.single.name if isinstance(form, Affine) and isinstance(form.single, Var) else "" for form in body.element
    ]
    if node.letter is None or (not letters and axes == 1):
        return body.tensor, axes - 1
    if node.letter not in letters:
        raise FactError(_KINDS)
    return body.tensor, letters.index(node.letter)


def _added(network: Network, fact: Fact) -> Network:
    """The network with one more fact.

    Raises: FactError where it contradicts another fact, or the network's equations.
    """
    for other in network.facts:
        if (other.kind, other.tensor, other.axis) == (fact.kind, fact.tensor, fact.axis):
            if other.value == fact.value:
                return network
            message = f"'{fact.text}' contradicts the fact '{other.text}'"
            raise FactError(message)
    if fact.tensor in {*network.inputs, *network.parameters}:
        return replace(network, facts=(*network.facts, fact))
    if not _follows(network, fact):
        message = f"'{fact.text}' contradicts the network, which computes '{fact.tensor}' otherwise"
        raise FactError(message)
    return network


def _follows(network: Network, fact: Fact) -> bool:
    """True where a fact about a computed tensor holds for drawn values."""
    values = draw(network, 0)
    interpreter = Interpreter(network, values)
    for at in members(network, fact.tensor, values.sizes):
        array = np.asarray(interpreter.tensor(fact.tensor, at), dtype=float)
        if fact.kind == "sum" and not np.allclose(array.sum(axis=fact.axis), float(fact.value)):
            return False
        if fact.kind == "positive" and not np.all(array > 0):
            return False
        if fact.kind == "nonnegative" and not np.all(array >= 0):
            return False
    return True
