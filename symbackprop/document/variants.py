"""Networks that differ from a given one in a single place: another activation, a bias, another loss.

Each function returns a network like the given one, to be derived anew, or what its parts are needed for; nothing is
read from text. Names of new tensors are such that the network has none of them yet.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import sympy as sp

from symbackprop.affine import Size, Var, var
from symbackprop.index import (
    LOCAL,
    Along,
    Apply,
    Equation,
    Ref,
    Tensor,
    Term,
    Value,
    apply,
    product,
    refs_of,
    slot,
)
from symbackprop.network import Fact, Loop, Network
from symbackprop.tables.activations import template

if TYPE_CHECKING:
    from symbackprop.affine import Affine
    from symbackprop.index import Factor

MATRIX = 2


def with_equations(network: Network, new: dict[Equation, Equation], **more: object) -> Network:
    """The network with some of its equations replaced, in both orders in which it holds them."""

    def changed(statement: Equation | Loop) -> Equation | Loop:
        if isinstance(statement, Loop):
            return replace(statement, body=tuple(map(changed, statement.body)))
        return new.get(statement, statement)

    return replace(
        network,
        equations=tuple(new.get(equation, equation) for equation in network.equations),
        program=tuple(map(changed, network.program)),
        toml="",
        **more,  # type: ignore[arg-type]  # fields of the network
    )


def fresh_name(network: Network, stem: str) -> str:
    """A name that no tensor, size or function has."""
    taken = {*network.tensors, *network.sizes, *network.functions, *(str(axis) for axis in network.letters)}
    return next(name for name in (stem, *(f"{stem}{k}" for k in range(1, len(taken) + 2))) if name not in taken)


# ---------------------------------------------------------------------------------------------------------------------
# Activations


class Call(NamedTuple):
    """A scalar function of one element."""

    name: str
    argument: Ref


def activation_of(equation: Equation) -> Call | None:
    """The function that an equation is, entry by entry; None where it is more than that."""
    (term,) = equation.terms if len(equation.terms) == 1 else (None,)
    if term is None or term.coefficient != 1 or len(term.factors) != 1 or term.bounds or term.conditions:
        return None
    (factor,) = term.factors
    if not isinstance(factor, Apply) or not factor.template.is_Function or len(refs_of(factor)) != 1:
        return None
    name = str(getattr(factor.template.func, "row", ""))
    return Call(name, refs_of(factor)[0]) if name else None


def with_activation(network: Network, equation: Equation, name: str) -> Network:
    """Another function in one equation that ``activation_of`` knows."""
    found = activation_of(equation)
    assert found is not None, f"{equation} is no activation"  # noqa: S101
    term = product(1, [apply(template(name, slot(0)), found.argument)])
    return with_equations(network, {equation: replace(equation, terms=(term,))})


# ---------------------------------------------------------------------------------------------------------------------
# Biases


def product_with_weight(network: Network) -> tuple[Equation, Ref] | None:
    """The first equation that is one sum of products of a weight and something else, with the weight."""
    for equation in network.equations:
        (term,) = equation.terms if len(equation.terms) == 1 else (None,)
        if term is None or not term.bounds or term.conditions or equation.lhs.tensor == network.loss:
            continue
        refs = [f for f in term.factors if isinstance(f, Ref)]
        weights = [ref for ref in refs if ref.tensor in network.parameters]
        if len(refs) == len(term.factors) == MATRIX and len(weights) == 1:
            return equation, weights[0]
    return None


def with_bias(network: Network, equation: Equation, weight: Ref) -> tuple[Network, str] | None:
    """A bias for each entry that an equation with a weight computes, and its name; None where there is no such axis."""
    of_weight = network.tensors[weight.tensor]
    depth = len(of_weight.family)
    own = [
        (form, axis)
        for form, axis in zip(weight.index[depth:], of_weight.axes, strict=True)
        if form in equation.lhs.index
    ]
    if len(own) != 1:
        return None
    name = fresh_name(network, "b")
    bias = Tensor(name=name, axes=(own[0][1],), family=of_weight.family, role="parameter")
    term = product(1, [Ref(name, (*weight.index[:depth], own[0][0]))])
    changed = replace(equation, terms=(*equation.terms, term))
    more = {"tensors": {**network.tensors, name: bias}, "parameters": (*network.parameters, name)}
    return with_equations(network, {equation: changed}, **more), name


def has_biases(network: Network) -> bool:
    """True where a parameter stands alone in a term."""
    return any(
        isinstance(term.factors[0], Ref) and term.factors[0].tensor in network.parameters
        for equation in network.equations
        for term in equation.terms
        if len(term.factors) == 1
    )


# ---------------------------------------------------------------------------------------------------------------------
# Losses


def loss_equation(network: Network) -> Equation:
    """The equation of the loss."""
    return network.definitions(network.loss)[0]


def times(term: Term, factor: Term) -> Term:
    """A term times a constant."""
    return product(
        term.coefficient * factor.coefficient,
        (*term.factors, *factor.factors),
        bounds=term.bounds,
        conditions=term.conditions,
        use=term.use,
    )


def with_loss_times(network: Network, factor: Term) -> Network:
    """The loss times a constant."""
    loss = loss_equation(network)
    return with_equations(network, {loss: replace(loss, terms=tuple(times(term, factor) for term in loss.terms))})


def constants_of(term: Term) -> tuple[Factor, ...]:
    """The factors of a term that no tensor enters: 1/N and the like."""
    return tuple(factor for factor in term.factors if not refs_of(factor))


def squared_error(network: Network) -> tuple[Ref, Ref] | None:
    """Output and target where the loss is a sum of squared differences of a computed tensor and an input."""
    loss = loss_equation(network)
    (term,) = loss.terms if len(loss.terms) == 1 else (None,)
    if term is None or not term.bounds:
        return None
    rest = [factor for factor in term.factors if refs_of(factor)]
    (square,) = rest if len(rest) == 1 else (None,)
    if not isinstance(square, Apply) or len(refs_of(square)) != MATRIX or len(square.args) != MATRIX:
        return None
    if sp.expand(square.template - (slot(0) - slot(1)) ** 2) != 0:
        return None
    out, target = sorted(refs_of(square), key=lambda ref: ref.tensor in network.inputs)
    return (out, target) if out.tensor not in network.inputs and target.tensor in network.inputs else None


def with_softmax(network: Network) -> tuple[Network, Equation] | None:
    """Softmax with cross-entropy instead of an activation with squared errors, and the equation of the softmax.

    The targets add up to 1; the constant 1/N stays. None where the network does not end so.
    """
    found = squared_error(network)
    if found is None:
        return None
    out, target = found
    definitions = network.definitions(out.tensor)
    ends = activation_of(definitions[0]) if len(definitions) == 1 else None
    tensor = network.tensors[out.tensor]
    if ends is None or not tensor.axes or network.tensors[target.tensor].family:
        return None
    old, argument = definitions[0], ends.argument
    entry = old.lhs.index[-1]
    inside = Ref(argument.tensor, (*argument.index[:-1], var(f"{LOCAL}0")))
    if argument.index[-1] != entry or str(tensor.axes[-1]) == network.batch:
        return None
    softmax = replace(old, terms=(product(1, [Along("softmax", inside, (tensor.axes[-1],), (entry,))]),))
    loss = loss_equation(network)
    (term,) = loss.terms
    kept = [factor for factor in constants_of(term) if not _is_size(factor, tensor.axes[-1])]
    logs = product(-1, [target, apply(template("log", slot(0)), out), *kept], bounds=term.bounds)
    last = len(network.tensors[target.tensor].axes) - 1
    text = f"sum({target.tensor}, '{tensor.axes[-1]}') == 1"
    fact = Fact(name="onehot", kind="sum", tensor=target.tensor, axis=last, text=text)
    changed = {old: softmax, loss: replace(loss, terms=(logs,))}
    return with_equations(network, changed, facts=(*network.facts, fact)), softmax


def _is_size(factor: Factor, axis: Affine) -> bool:
    """True for one over the length of an axis."""
    return isinstance(factor, Apply) and any(isinstance(arg, Value) and arg.form == axis for arg in factor.args)


def squared(network: Network, name: str) -> Term | None:
    """The sum of the squares of all entries of a parameter; None for a family or a scalar."""
    tensor = network.tensors[name]
    if tensor.family or not tensor.axes:
        return None
    letters = tuple(map(Var, "ijkmpq"[: len(tensor.axes)]))
    element = Ref(name, tuple(var(letter.name) for letter in letters))
    bounds = tensor.ranges(letters)
    return product(1, [apply(slot(0) ** 2, element)], bounds=bounds)


def with_penalty(network: Network, name: str) -> tuple[Network, str] | None:
    """The loss with λ/2 times the squares of a parameter, and the name of λ."""
    squares = squared(network, name)
    if squares is None:
        return None
    rate = fresh_name(network, "lam")
    term = product(sp.Rational(1, 2), [Ref(rate), *squares.factors], bounds=squares.bounds)
    loss = loss_equation(network)
    more = {
        "tensors": {**network.tensors, rate: Tensor(name=rate, role="input")},
        "inputs": (*network.inputs, rate),
        "latex": {**network.latex, rate: ("\\lambda",)},
    }
    return with_equations(network, {loss: replace(loss, terms=(*loss.terms, term))}, **more), rate


def size_under(term: Term) -> str | None:
    """The size that divides a term, where just one does."""
    found = [
        arg.form.single for f in constants_of(term) if isinstance(f, Apply) for arg in f.args if hasattr(arg, "form")
    ]
    (atom,) = found if len(found) == 1 else (None,)
    return atom.name if isinstance(atom, Size) and not atom.at else None
