"""Forms that neither divide by what may round to zero nor take its logarithm.

The derivative of a log-likelihood by a sigmoid's output divides by p and 1 - p, which round to 0 for large arguments;
times the slope p(1 - p) nothing is left of it. ``stable`` puts such adjoints into their readers, where they cancel.
``stable_logarithms`` computes log(softmax(z)) and log(sigmoid(z)) from z.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.affine import Affine, Var
from symbackprop.index import (
    Along,
    Apply,
    Equation,
    Ref,
    Term,
    adjoint_name,
    collect,
    function,
    primal_name,
    product,
    slot,
)
from symbackprop.matrix import AlongAxis, Axis, Elementwise, Gather, Leaf, Node, Pick, Slice, Transpose
from symbackprop.unlift import multiplied

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from symbackprop.index import Factor
    from symbackprop.lift import Surroundings
    from symbackprop.network import Network

SIGMOID = function("sigmoid")


def stable(equations: Sequence[Equation], network: Network) -> tuple[tuple[int, Equation], ...]:
    """The equations that code computes, each with its place among those given."""
    todo = {equation.lhs.tensor: equation for equation in equations}
    for equation in equations:
        source = _sigmoid(primal_name(equation.lhs.tensor), network)
        factors = [factor for term in equation.terms for factor in term.factors]
        if source is None or not any(_divides(factor, source[0].tensor) for factor in factors):
            continue
        changed = {
            name: _put_in(reader, todo[equation.lhs.tensor], *source)
            for name, reader in todo.items()
            if name != equation.lhs.tensor
        }
        if any(_reads(reader, equation.lhs.tensor) for reader in changed.values()):
            continue
        todo = changed
    return tuple(
        (place, _without_quotients(todo[e.lhs.tensor], network))
        for place, e in enumerate(equations)
        if e.lhs.tensor in todo
    )


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


def _without_quotients(equation: Equation, network: Network) -> Equation:
    """σ'(z)/σ(z) = 1 - σ(z) and σ'(z)/(1 - σ(z)) = σ(z), also where p = σ(z) has a name."""
    terms = tuple(_without_quotient(term, network) for term in equation.terms)
    return equation if terms == equation.terms else replace(equation, terms=collect(terms))


def _without_quotient(term: Term, network: Network) -> Term:
    for slope in (f for f in term.factors if isinstance(f, Apply) and _is_call(f.template, "sigmoid", 1)):
        argument = slope.template.args[-1]
        for factor in (f for f in term.factors if isinstance(f, Apply)):
            if factor.args == slope.args and factor.template in (1 / SIGMOID(argument), 1 / (1 - SIGMOID(argument))):
                value: Factor = Apply(SIGMOID(argument), slope.args)
                rest = Apply(1 - SIGMOID(argument), slope.args)
            elif _is_quotient_of(factor, slope, network):
                (value,) = factor.args  # type: ignore[assignment]
                rest = Apply(1 - slot(0), (value,))  # type: ignore[arg-type]
            else:
                continue
            inverse = factor.template in (1 / SIGMOID(argument), 1 / slot(0))
            kept = [(rest if inverse else value) if f is slope else f for f in term.factors if f is not factor]
            return _without_quotient(
                product(term.coefficient, kept, bounds=term.bounds, conditions=term.conditions, use=term.use), network
            )
    return term


def _is_call(template: Any, row: str, order: int) -> bool:
    return getattr(template, "row", None) == row and getattr(template, "order", None) == order


def _is_quotient_of(factor: Apply, slope: Apply, network: Network) -> bool:
    """True for 1/p and 1/(1 - p) where p = σ(z) and ``slope`` is σ'(z) at the same place."""
    if factor.template not in (1 / slot(0), 1 / (1 - slot(0))) or slope.template != function("sigmoid", 1)(slot(0)):
        return False
    (p,) = factor.args
    source = _sigmoid(p.tensor, network) if isinstance(p, Ref) else None
    if source is None or not isinstance(p, Ref):
        return False
    place = _mapping(source[0], p.index)
    z = Ref(source[1].tensor, tuple(form.substitute(place) for form in source[1].index))
    return slope.args == (z,)


def _divides(factor: Factor, tensor: str) -> bool:
    """True for 1/p and 1/(1 - p)."""
    return (
        isinstance(factor, Apply)
        and factor.template in (1 / slot(0), 1 / (1 - slot(0)))
        and isinstance(factor.args[0], Ref)
        and factor.args[0].tensor == tensor
    )


def _reads(equation: Equation, tensor: str) -> bool:
    return any(
        isinstance(arg, Ref) and arg.tensor == tensor
        for term in equation.terms
        for factor in term.factors
        for arg in (factor.args if isinstance(factor, Apply) else (factor,))
    )


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
    pairs = zip(ref.index, index, strict=True)
    return {form.single.name: value for form, value in pairs if isinstance(form.single, Var)}


# ---------------------------------------------------------------------------------------------------------------------
# Logarithms of softmax and sigmoid outputs


def stable_logarithms(node: Elementwise, network: Network, around: Surroundings) -> tuple[Any, tuple[Node, ...]]:
    """Logarithms of softmax and sigmoid outputs, computed from what these were computed from."""
    template, args = node.template, list(node.args)
    if not template.has(sp.log):
        return template, tuple(args)
    template = template.replace(_is_log_of_sigmoid, _log_of_sigmoid)
    for k, arg in enumerate(node.args):
        source = _source(arg, network, around)
        if source is None:
            continue
        kind, inner = source
        new = slot(len(args))
        if kind == "softmax":
            changed = template.xreplace({sp.log(slot(k)): new})
        else:
            log_sigmoid = function("log_sigmoid")
            changed = template.xreplace({sp.log(slot(k)): log_sigmoid(new), sp.log(1 - slot(k)): log_sigmoid(-new)})
        if changed != template:
            template = changed
            args.append(inner)
    return template, tuple(args)


def _is_log_of_sigmoid(expression: Any) -> bool:
    """True for log(σ(x)) and log(1 - σ(x))."""
    inner = expression.args[0] if isinstance(expression, sp.log) else None
    return inner is not None and (_is_call(inner, "sigmoid", 0) or _is_call(1 - inner, "sigmoid", 0))


def _log_of_sigmoid(expression: Any) -> Any:
    inner = expression.args[0]
    log_sigmoid = function("log_sigmoid")
    return log_sigmoid(inner.args[-1]) if _is_call(inner, "sigmoid", 0) else log_sigmoid(-(1 - inner).args[-1])


def _source(node: Node, network: Network, around: Surroundings) -> tuple[str, Node] | None:
    """What a softmax or sigmoid output was computed from: the logarithm of the softmax, or the argument."""
    if isinstance(node, (Transpose, Slice, Pick, Gather)):
        below = _source(node.x, network, around)
        return None if below is None else (below[0], replace(node, x=below[1]))
    if not isinstance(node, Leaf):
        return None
    definitions = network.definitions(node.ref.tensor)
    if len(definitions) != 1 or len(definitions[0].terms) != 1:
        return None
    found = _definition(definitions[0], node)
    if found is None:
        return None
    kind, ref, over = found
    depth = len(around.tensors[ref.tensor].family)
    extents = node.extents
    labels = [form.single.name if isinstance(form.single, Var) else "" for form in ref.index[depth:]]
    if sorted(labels) != sorted(node.labels):
        return None
    order = around.order(ref.tensor)
    stored = tuple(Axis(labels[k], extents[labels[k]]) for k in order)
    leaf: Node = Leaf(
        ref=Ref(ref.tensor, ref.index[:depth]), over=stored, order=() if order == tuple(range(len(order))) else order
    )
    if kind == "softmax":
        leaf = AlongAxis(name="log_softmax", x=leaf, over=over)
    return kind, leaf if leaf.labels == node.labels else Transpose(x=leaf, to=node.labels)


def _definition(equation: Equation, node: Leaf) -> tuple[str, Ref, tuple[str, ...]] | None:
    """For ``y = softmax(z)`` or ``y = sigmoid(z)``: the kind, and z with the indices at which ``node`` reads y."""
    term = equation.terms[0]
    if term.bounds or term.conditions or term.coefficient != 1 or len(term.factors) != 1:
        return None
    mapping: dict[str, Affine] = {}
    for own, read in zip(equation.lhs.index, node.element().index, strict=True):
        if not isinstance(own.single, Var):
            return None
        mapping[own.single.name] = read
    factor = term.factors[0]
    if isinstance(factor, Along) and factor.name == "softmax" and factor.at is not None:
        at = tuple(form.substitute(mapping) for form in factor.at)
        inner = {**mapping, **{f"_{k}": form for k, form in enumerate(at)}}
        names = tuple(form.single.name for form in at if isinstance(form.single, Var))
        ref = Ref(factor.arg.tensor, tuple(form.substitute(inner) for form in factor.arg.index))
        return ("softmax", ref, names) if len(names) == len(at) else None
    if isinstance(factor, Apply) and getattr(factor.template, "row", None) == "sigmoid" and len(factor.args) == 1:
        arg = factor.args[0]
        if isinstance(arg, Ref) and factor.template.args == (slot(0),):
            return "sigmoid", Ref(arg.tensor, tuple(form.substitute(mapping) for form in arg.index)), ()
    return None
