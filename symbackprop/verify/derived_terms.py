"""The derivative of a scalar as the derivation prints it, and its terms with the indices of a claim."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from symbackprop import adjoint
from symbackprop.affine import Affine, Var
from symbackprop.emit.mathtext import Printer
from symbackprop.errors import SymbackpropError
from symbackprop.handwritten import expression as ex
from symbackprop.handwritten.formula import plain
from symbackprop.handwritten.reader import Context
from symbackprop.handwritten.resolve import statements
from symbackprop.lift import lift
from symbackprop.notation import layout, load
from symbackprop.verify.edits import everywhere

if TYPE_CHECKING:
    from symbackprop.network import Network
    from symbackprop.verify.conventions import Setting


def printed_formula(network: Network, statement: Any, setting: Setting) -> str | None:
    """The derivative of a scalar that a statement is about, in the network's notation; None for other quantities."""
    subject = _subject(tuple(statement.members), setting, network)
    if subject is None:
        return None
    scalar, target = subject
    try:
        derivation, printer = _derived(_Held(network), scalar, target.tensor)
        chain = derivation.chains.get(target.tensor)
        if chain is None:
            return None
        if any(not isinstance(e, ex.Slice) for e in target.element):
            return str(printer.equation(chain.equation))
        preset = printer.preset
        own = layout(derivation.network, preset, relay=False)
        lifted = lift(chain.equation, derivation, own, preset.orientation.vectors)
        return str(printer.matrix(chain.equation, lifted))
    except SymbackpropError:
        return None


def derived_terms(network: Network, statement: Any, setting: Setting) -> tuple[ex.Node, ...]:
    """The terms of the right formula with the claim's indices; () where there is none."""
    subject = _subject(tuple(statement.members), setting, network)
    shown = printed_formula(network, statement, setting)
    if subject is None or shown is None:
        return ()
    target = subject[1]
    try:
        (read, *_) = statements(plain(shown), Context(network=network, base=setting.base))
    except SymbackpropError:
        return ()
    head, value = read.members[0], read.members[-1]
    if not isinstance(head, ex.Derivative) or not isinstance(head.by, ex.Quantity):
        return ()
    values = [row for row, _ in value.rows] if isinstance(value, ex.Cases) else [value]
    slots = zip((*head.by.family, *head.by.element), (*target.family, *target.element), strict=False)
    image = {
        old.single.name: new for old, new in slots
        if isinstance(old, Affine) and isinstance(new, Affine) and isinstance(old.single, Var)
    }  # fmt: skip
    sums = (v if isinstance(v, ex.Sum) else ex.Sum(terms=(v,), signs=(1,)) for v in values)
    signed = (pair for each in sums for pair in zip(each.terms, each.signs, strict=True))
    terms = (term if sign > 0 else ex.Sum(terms=(term,), signs=(-1,)) for term, sign in signed)
    return tuple(everywhere(term, lambda form: form.substitute(image)) for term in terms)


def _subject(members: tuple[ex.Node, ...], setting: Setting, network: Network) -> tuple[str, ex.Quantity] | None:
    """The scalar that is differentiated, and by what."""
    heads = [m for m in (setting.claim, *members[:1]) if m is not None]
    for head in heads:
        node = setting.lets[head.name].value if isinstance(head, ex.Named) and head.name in setting.lets else head
        if isinstance(node, ex.Update):
            node = ex.Derivative(of=ex.Quantity(tensor=network.loss), by=node.target)
        if isinstance(node, ex.Derivative) and isinstance(node.by, ex.Quantity) and isinstance(node.of, ex.Quantity):
            of = network.tensors.get(node.of.tensor)
            if of is not None and not of.axes and not of.family:
                return node.of.tensor, node.by
    return None


class _Held:
    """A network as a key: two are the same only where they are one object."""

    __slots__ = ("network",)

    def __init__(self, network: Network) -> None:
        self.network = network

    def __hash__(self) -> int:
        return id(self.network)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.network is self.network


@lru_cache(maxsize=16)
def _derived(held: _Held, scalar: str, by: str) -> tuple[Any, Printer]:
    """The derivation of a scalar of the network by its parameters, and by one more array that it is given."""
    network = held.network
    roles = {scalar: "loss", by: "parameter"} if by in network.inputs else {scalar: "loss"}
    if scalar != network.loss or by in network.inputs:
        tensors = {n: replace(t, role=roles.get(n, t.role)) for n, t in network.tensors.items()}
        parameters = (*network.parameters, by) if by in network.inputs else network.parameters
        network = replace(network, loss=scalar, parameters=parameters, tensors=tensors)
    preset = load(network.notation)
    preset = replace(preset, choices=replace(preset.choices, pull="none"), adjoints=())
    derivation = adjoint.derive(network, preset.choices)
    return derivation, Printer(derivation, preset)
