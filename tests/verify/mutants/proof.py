"""Worlds of numbers in which formulas are right or wrong: sizes pairwise different, all equal, another depth.

The values of adjoints come from the indexed equations of the derivation by the slow interpreter; formulas are computed
from their trees. The verifier has no part in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mutants.formula import NonsenseError, World, letters, value
from symbackprop.oracle import Interpreter, draw, stand_in_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mutants.claims import Claim, Source
    from mutants.formula import Node
    from symbackprop.affine import Bound

CLOSE = 1e-7
"""Relative difference below which two numbers are one."""


def worlds(source: Source) -> tuple[World, ...]:
    """Numbers at the sizes of the file, made pairwise different, and at equal sizes; a size of 1 stays 1."""
    network = source.network
    base = stand_in_sizes(network, largest=5)
    equal = {
        name: size if name in network.depths else
        {k: 1 if v == 1 else 3 for k, v in size.items()} if isinstance(size, dict) else 1 if size == 1 else 3
        for name, size in base.items()
    }  # fmt: skip
    return tuple(
        World(Interpreter(network, draw(network, seed, sizes), source.adjoints), source.rows)
        for seed, sizes in enumerate((base, equal))
    )


def verdict(claim: Claim, right: Node, where: tuple[World, ...], ranges: Mapping[str, Bound]) -> str:
    """``equal``, ``differs`` or ``nonsense``: the claim with another right side.

    Letters that only the right side has run over all values of their ranges that make sense of it.
    """
    own = {b.var for b in claim.free}
    extra = tuple(ranges[name] for name in sorted(letters(right) - own) if name in ranges)
    found = "equal"
    for world in where:
        for env in world.values(claim.free, {}):
            results = {_at(claim, right, world, inner) for inner in world.values(extra, env)}
            if "differs" in results:
                return "differs"
            if "equal" not in results:
                found = "nonsense"
    return found


def _at(claim: Claim, right: Node, world: World, env: Mapping[str, int]) -> str:
    try:
        with np.errstate(all="ignore"):
            agree = same(value(claim.left, world, env), value(right, world, env))
    except (NonsenseError, KeyError):  # a letter that stands nowhere else has no value
        return "nonsense"
    return "equal" if agree else "differs"


def same(one: object, other: object) -> bool:
    """True for numbers or matrices of one shape that agree; a matrix of one entry is a number."""
    a, b = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    if a.size == b.size == 1:
        a, b = a.reshape(()), b.reshape(())
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=CLOSE, atol=CLOSE * 1e-3))
