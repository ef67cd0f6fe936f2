"""Names that an author defines and never declares, recognised as the tensor or adjoint that the definition gives."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Size, var
from symbackprop.handwritten import expression as ex
from symbackprop.verify.conventions import default
from symbackprop.verify.evaluate_nodes import free_letters, value_of
from symbackprop.verify.judge import holds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.network import Network
    from symbackprop.verify.conventions import Setting
    from symbackprop.verify.world import Worlds


@dataclass(frozen=True, slots=True)
class _Pair:
    members: tuple[ex.Node, ex.Node]
    relations: tuple[str, ...] = ("=",)


def recognised(value: ex.Node, setting: Setting, worlds: Worlds) -> ex.Node | None:
    """The tensor or adjoint, in the letters of ``value``, that ``value`` equals everywhere; None where it equals none.

    Computed tensors are tried before inputs and parameters, so that δ = ∂C/∂z and not ∂C/∂b. A value that differs from
    an adjoint by a size or a number that is a factor of the loss comes back with that factor.
    """
    network = worlds.network
    plain = (default(network, setting),)
    for quantity in _candidates(value, setting, network):
        computed = quantity.tensor not in network.inputs and quantity.tensor not in network.parameters
        if computed and value != quantity and holds(_Pair((quantity, value)), setting, worlds, plain):
            return quantity
    for scale in (None, *_scales(network)):
        for quantity in _candidates(value, setting, network):
            adjoint: ex.Node = ex.Derivative(of=ex.Quantity(tensor=network.loss), by=quantity)
            if scale is not None:
                adjoint = ex.Product(factors=(scale, adjoint), signs=("juxtaposition", "juxtaposition"))
            if holds(_Pair((adjoint, value)), setting, worlds, plain):
                return adjoint
    return None


def _scales(network: Network) -> Iterator[ex.Node]:
    """Sizes of the network that are numbers: what people leave out of error signals."""
    if network.batch is not None:
        yield ex.Letter(form=Affine(0, ((Size(network.batch), 1),)))


def _candidates(value: ex.Node, setting: Setting, network: Network) -> Iterator[ex.Quantity]:
    seen = list(_quantities(value, setting))
    letters = list(free_letters(value, setting.lets))
    families = list(dict.fromkeys(q.family for q in seen if q.family))
    moved = dict.fromkeys(name for f in families for form in f for name in sorted(form.variables) if name in letters)
    families = list(dict.fromkeys((*families, *((var(name),) for name in moved))))
    elements = list(dict.fromkeys(e for q in seen for e in q.element if isinstance(e, Affine)))
    free = [e for e in elements if e.variables <= set(letters)]
    order = [n for n, t in network.tensors.items() if n not in network.inputs and n not in network.parameters]
    order = [n for n in order if network.tensors[n].axes] + [n for n in network.tensors if n not in order]
    for name in order:
        tensor = network.tensors[name]
        if name == network.loss:
            continue
        count = len(tensor.family)
        for family in [f for f in families if len(f) == count] if count else [()]:
            if not free:
                yield ex.Quantity(tensor=name, family=family)
            elif len(tensor.axes) <= 2:  # noqa: PLR2004 - elements of vectors and matrices
                for element in itertools.permutations(free, len(tensor.axes)):
                    yield ex.Quantity(tensor=name, family=family, element=element)


def _quantities(value: ex.Node, setting: Setting, depth: int = 0) -> Iterator[ex.Quantity]:
    for node in ex.walk(value):
        if isinstance(node, ex.Quantity):
            yield node
        if isinstance(node, ex.Named) and depth < 4:  # noqa: PLR2004 - names of names
            inner = value_of(node, setting.lets)
            if inner is not None:
                yield from _quantities(inner, setting, depth + 1)
