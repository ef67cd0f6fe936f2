"""Equations in a form that does not divide by what may round to zero.

The derivative of a log-likelihood by a sigmoid's output divides by p and 1 - p, which round to 0 for large arguments;
times the slope p(1 - p) nothing is left of it. ``stable`` puts such adjoints into their readers, where they cancel.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Var
from symbackprop.index import Apply, Equation, Ref, Term, adjoint_name, collect, function, primal_name, product, slot
from symbackprop.unlift import multiplied

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from symbackprop.index import Factor
    from symbackprop.network import Network

SIGMOID = function("sigmoid")


def stable(equations: Sequence[Equation], network: Network) -> tuple[tuple[int, Equation], ...]:
    """The equations that code computes, each with its place among those given."""
    todo = {equation.lhs.tensor: equation for equation in equations}
    for equation in equations:
        source = _sigmoid(primal_name(equation.lhs.tensor), network)
        if source is None or not any(_divides(factor, source[0].tensor) for t in equation.terms for factor in t.factors):
            continue
        changed = {name: _put_in(reader, todo[equation.lhs.tensor], *source) for name, reader in todo.items()
                   if name != equation.lhs.tensor}
        if any(_reads(reader, equation.lhs.tensor) for reader in changed.values()):
            continue
        todo = changed
    return tuple((place, todo[e.lhs.tensor]) for place, e in enumerate(equations) if e.lhs.tensor in todo)


def _sigmoid(name: str, network: Network) -> tuple[Ref, Ref] | None:
    """(p, z) where the one definition of a tensor is p = sigmoid(z)."""
    definitions = network.definitions(name)
    if len(definitions) != 1 or len(definitions[0].terms) != 1:
        return None
    (term,) = definitions[0].terms
    if term.coefficient != 1 or term.bounds or term.conditions or len(term.factors) != 1:
        return None
    factor = term.factors[0]
    if isinstance(factor, Apply) and factor.template == SIGMOID(slot(0)) and isinstance(factor.args[0], Ref):
        return definitions[0].lhs, factor.args[0]
    return None


def _divides(factor: Factor, tensor: str) -> bool:
    """True for 1/p and 1/(1 - p)."""
    return (isinstance(factor, Apply) and factor.template in (1 / slot(0), 1 / (1 - slot(0)))
            and isinstance(factor.args[0], Ref) and factor.args[0].tensor == tensor)


def _reads(equation: Equation, tensor: str) -> bool:
    return any(isinstance(arg, Ref) and arg.tensor == tensor for term in equation.terms for factor in term.factors
               for arg in (factor.args if isinstance(factor, Apply) else (factor,)))


def _put_in(reader: Equation, adjoint: Equation, p: Ref, z: Ref) -> Equation:
    """The reader with ``adjoint`` in place of ∂p wherever the slope of the sigmoid stands beside it."""
    terms: list[Term] = []
    for term in reader.terms:
        terms += _replaced(term, adjoint, p, z)
    return reader if tuple(terms) == reader.terms else replace(reader, terms=collect(terms))


def _replaced(term: Term, adjoint: Equation, p: Ref, z: Ref) -> Iterable[Term]:
    signal = next((f for f in term.factors if isinstance(f, Ref) and f.tensor == adjoint_name(p.tensor)), None)
    if signal is None:
        return (term,)
    rest = [f for f in term.factors if f is not signal]
    place = _mapping(p, signal.index)
    own = Ref(p.tensor, signal.index)
    prime = Apply(function("sigmoid", 1)(slot(0)), (Ref(z.tensor, tuple(f.substitute(place) for f in z.index)),))
    slope: tuple[Factor, ...] = (own, Apply(1 - slot(0), (own,)))
    if prime in rest:
        rest.remove(prime)
    elif all(factor in rest for factor in slope):
        for factor in slope:
            rest.remove(factor)
    else:
        return (term,)
    inner = tuple(t.substitute(_mapping(adjoint.lhs, signal.index)) for t in adjoint.terms)
    outer = product(term.coefficient, (*slope, *rest), conditions=term.conditions, use=term.use)
    return tuple(replace(t, bounds=(*term.bounds, *t.bounds)) for t in multiplied([(outer,), inner]))


def _mapping(ref: Ref, index: tuple[Affine, ...]) -> dict[str, Affine]:
    return {form.single.name: value for form, value in zip(ref.index, index, strict=True) if isinstance(form.single, Var)}
