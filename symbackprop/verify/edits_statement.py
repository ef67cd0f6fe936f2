"""Changes of both sides of a statement together: indices swapped throughout, the upstream gradient put in.

Each proposal is a price and the changes that belong together, one for each place.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from symbackprop.affine import Affine
from symbackprop.handwritten import expression as ex
from symbackprop.index import refs_of
from symbackprop.verify.edits import Change, places
from symbackprop.verify.edits_products import product, turned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from symbackprop.handwritten.expression import Node
    from symbackprop.network import Network
    from symbackprop.verify.edits import Members, Path, Scene

Together: TypeAlias = "tuple[float, tuple[Change, ...]]"
_FEW = 4
"""Products of more factors are not tried with every choice of transposes."""


def proposals(members: Members, scene: Scene) -> Iterator[Together]:
    """All changes of this kind."""
    yield from swapped_throughout(members, scene)
    yield from with_upstream(members, scene)


def swapped_throughout(members: Members, scene: Scene) -> Iterator[Together]:
    """The two indices of one matrix exchanged wherever it stands, on both sides."""
    found: dict[str, list[tuple[Path, ex.Quantity]]] = {}
    for place in places(members, range(len(members)), scene):
        node = place.node
        if isinstance(node, ex.Quantity) and len(node.element) == 2 and node.element[0] != node.element[1]:  # noqa: PLR2004
            found.setdefault(node.tensor, []).append((place.path, node))
    for uses in found.values():
        if len({path[0] for path, _ in uses}) > 1:
            yield 1.0, tuple(
                Change(row="swapped", code="SB203", cost=float(node is uses[0][1]), path=path, before=node,
                       after=replace(node, element=node.element[::-1]))
                for path, node in uses
            )  # fmt: skip


def with_upstream(members: Members, scene: Scene) -> Iterator[Together]:
    """``∂z/∂W = xᵀ`` as ``∂C/∂z ∂z/∂W = ∂C/∂z xᵀ``: what a derivative by a matrix means as a factor."""
    if len(members) != 2:  # noqa: PLR2004 - one claim
        return
    left, right = members
    gradient = _upstream(left, scene.network)
    if gradient is None:
        return
    whole = product((gradient, left), ("juxtaposition", "juxtaposition"))
    factors = right.factors if isinstance(right, ex.Product) else (right,)
    signs = right.signs if isinstance(right, ex.Product) else ("juxtaposition",)
    choices = [(f, turned(f)) if len(factors) < _FEW else (f,) for f in factors]
    for now in itertools.product(*choices):
        turns = sum(new is not old for new, old in zip(now, factors, strict=True))
        for k in range(len(now) + 1):
            inside = 0 < k < len(now) or turns > 0
            after = product((*now[:k], gradient, *now[k:]), (*signs[:k], "juxtaposition", *signs[k:]))
            code = "SB208" if inside else "SB303"
            also = (*(("SB101",) if inside else ("SB208",)), *(("SB102",) if turns else ()))
            cost = 1.6 + 0.2 * inside + 0.3 * turns
            yield (
                cost,
                (
                    Change(
                        row="upstream",
                        code=code,
                        cost=cost,
                        path=(1,),
                        before=right,
                        after=after,
                        part=gradient,
                        also=also,
                    ),
                    Change(row="upstream", code=code, cost=0.0, path=(0,), before=left, after=whole),
                ),
            )


def _upstream(left: Node, network: Network) -> Node | None:
    """The derivative of the loss by what is differentiated, where that is an array and it is taken by a matrix."""
    if not isinstance(left, ex.Derivative) or left.of is None or not isinstance(left.by, ex.Quantity):
        return None
    by = network.tensors.get(left.by.tensor)
    if by is None or len(by.axes) - _fixed(left.by) != 2:  # noqa: PLR2004 - a matrix
        return None
    of = left.of
    if not isinstance(of, ex.Quantity):
        found = _reached(network, [n.tensor for n in ex.walk(of) if isinstance(n, ex.Quantity)])
        of = ex.Quantity(tensor=found) if found is not None else of
    tensor = network.tensors.get(of.tensor) if isinstance(of, ex.Quantity) else None
    if tensor is None or not isinstance(of, ex.Quantity) or len(tensor.axes) == _fixed(of):
        return None
    return ex.Derivative(of=ex.Quantity(tensor=network.loss), by=replace(of, span=None, source=""))


def _fixed(node: ex.Quantity) -> int:
    return sum(1 for e in node.element if isinstance(e, Affine))


def _reached(network: Network, leaves: Sequence[str]) -> str | None:
    """The first array that is made from all of these: that of which the expression is a part."""
    above: dict[str, set[str]] = {}
    for equation in network.equations:
        name = equation.lhs.tensor
        if network.tensors[name].family:
            return None
        direct = {ref.tensor for term in equation.terms for factor in term.factors for ref in refs_of(factor)}
        above[name] = direct.union(*(above.get(source, set()) for source in direct))
        if set(leaves) <= above[name] and network.tensors[name].named:
            return name
    return None
