"""What was done to derive the gradients: steps, chains of steps, and the derivation as a whole.

A derivation is data. Handouts, code and verdicts are views of it; each step was checked numerically when made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from symbackprop.index import is_adjoint, primal_name, refs_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.index import Equation, Tensor, Term
    from symbackprop.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a notation decides about the derivation (not about its print).

    ``signals``: which error signals keep a name: "pre-activation" (δ; adjoints of activations are put in),
    "activation" (∂C/∂a; adjoints of pre-activations are put in) or "all".
    ``pull``: constant of the loss that is kept out of the signals and restored in the gradients:
    "none", "batch" (1/N) or "all" (every constant factor).
    ``slopes``: "output" (σ′ written a(1-a) where the table knows it) or "prime" (σ′(z) stays).
    """

    signals: str = "pre-activation"
    pull: str = "none"
    slopes: str = "output"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One move: by which rule, from where to where. ``note`` says for a reader what happened to which index or use."""

    rule: str
    formula: str
    before: Equation
    after: Equation
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """How the adjoint of one tensor was found: each step starts where the last ended.

    ``start`` is the chain rule as it stands (one term for each use, deltas contracted); ``equation`` the result.
    ``named`` is False where the result was put into its readers and needs no name of its own.
    """

    tensor: str
    start: Equation
    steps: tuple[Step, ...]
    named: bool = True

    @property
    def equation(self) -> Equation:
        """The adjoint in its final form."""
        return self.steps[-1].after if self.steps else self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """Adjoints of all tensors on the way from the loss to the parameters, in order of computation (loss first).

    ``chains`` maps the name of a primal tensor to the chain of its adjoint; the left sides are elements of
    ``adjoint_name(tensor)``. ``tensors`` are those of the network, the adjoints and the partials of opaque losses.
    ``scale``: error signals are ∂loss/∂(tensor) divided by this term (a constant such as 1/N), where the choices
    pull it out; gradients of parameters are always the true ones.
    """

    network: Network
    choices: Choices
    tensors: Mapping[str, Tensor]
    chains: Mapping[str, Chain]
    scale: Term | None = None
    warnings: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """``facts``: the facts of the network that the gradients rest on."""

    @property
    def signals(self) -> tuple[Chain, ...]:
        """Named error signals, in order of computation."""
        return tuple(c for c in self.chains.values() if c.named and c.tensor not in self.network.parameters)

    @property
    def written(self) -> tuple[Chain, ...]:
        """Chains whose results are computed: those that keep a name, gradients, and what these read."""
        wanted = {c.tensor for c in self.chains.values() if c.named} | set(self.network.parameters)
        todo = sorted(wanted)
        while todo:
            for term in self.chains[todo.pop()].equation.terms:
                for ref in (ref for factor in term.factors for ref in refs_of(factor)):
                    primal = primal_name(ref.tensor)
                    if is_adjoint(ref.tensor) and primal in self.chains and primal not in wanted:
                        wanted.add(primal)
                        todo.append(primal)
        return tuple(chain for chain in self.chains.values() if chain.tensor in wanted)

    @property
    def gradients(self) -> tuple[Chain, ...]:
        """Gradients of the parameters, in the order of the network file."""
        return tuple(self.chains[p] for p in self.network.parameters)
