"""What every part of a handout looks at: the derivation, its notation and the chosen levels.

A ``View`` answers questions that several parts ask: the number of a result, the matrix form of an equation, how a
signal is defined.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from symbackprop.affine import Var, var
from symbackprop.document.blocks import Derivative, Formula, Lifted, Sum, Times
from symbackprop.document.options import Options
from symbackprop.document.paths import Unrolled
from symbackprop.document.pattern import own_letters
from symbackprop.document.scalar import followed
from symbackprop.index import Apply, Equation, Ref, Term, primal_name, product
from symbackprop.lift import lift
from symbackprop.matrix import is_writable
from symbackprop.notation.glyph import tokens
from symbackprop.notation.spelling import Spelling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.derivation import Chain, Derivation
    from symbackprop.document.scalar import Target
    from symbackprop.network import Network
    from symbackprop.notation.preset import Preset


@dataclass(frozen=True)
class View:
    """A derivation in a notation, with what was chosen for its handout."""

    derivation: Derivation
    preset: Preset
    options: Options = field(default_factory=Options)
    layout: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    _lifted: dict[Equation, Lifted | None] = field(default_factory=dict, repr=False, compare=False)

    @property
    def network(self) -> Network:
        return self.derivation.network

    @property
    def levels(self) -> tuple[str, ...]:
        """The chosen levels."""
        return self.options.levels

    @property
    def full(self) -> bool:
        """True for a full handout, where every step is shown and explained."""
        return self.options.audience == "full"

    @property
    def rows(self) -> bool:
        """True where vectors are written as rows."""
        return self.preset.orientation.vectors == "rows"

    @property
    def index(self) -> bool:
        """True where index notation is shown."""
        return "index" in self.levels

    @property
    def matrix(self) -> bool:
        """True where matrix notation is shown."""
        return "matrix" in self.levels

    @property
    def general(self) -> bool:
        """True where formulas for general entries or whole arrays are shown."""
        return self.index or self.matrix

    @cached_property
    def graph(self) -> Unrolled:
        """The network entry by entry.

        Raises: UnsupportedError where it cannot be unrolled.
        """
        return Unrolled(self.network, slopes=self.derivation.choices.slopes)

    @cached_property
    def followed(self) -> Target | None:
        """The entry whose paths are followed; None where there is none.

        Raises: UnsupportedError where the network cannot be unrolled.
        """
        return followed(self.graph, self.network.parameters, self.options.target)

    def forward_label(self, equation: Equation) -> str:
        """Forward equations are numbered in the author's order."""
        return f"eq{self.places[equation] + 1}"

    @cached_property
    def places(self) -> Mapping[Equation, int]:
        """Place of each forward equation in the author's text."""
        return {equation: place for place, (_, equation) in enumerate(self.network.walk())}

    def lifted(self, equation: Equation, *, shapes: bool = False) -> Lifted | None:
        """The matrix form; None where whole arrays cannot say it, or where there are only scalars."""
        if equation not in self._lifted:
            self._lifted[equation] = self._made_lifted(equation)
        found = self._lifted[equation]
        return replace(found, shapes=shapes) if found is not None else None

    def _made_lifted(self, equation: Equation) -> Lifted | None:
        cases = lift(equation, self.derivation, self.layout, self.preset.orientation.vectors)
        if not all(is_writable(case.node) for case in cases):
            return None
        if all(not part.axes for case in cases for part in case.node.walk()):
            return None
        ordered = sorted(cases, key=lambda case: (bool(case.conditions), all(c.kind != "==" for c in case.conditions)))
        return Lifted(equation, tuple(ordered))

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Numbers of results: forward equations first, then adjoints in order of computation, as in the code."""
        first = len(list(self.network.walk())) + 1
        return {chain.tensor: first + k for k, chain in enumerate(self.derivation.written)}

    def label(self, chain: Chain) -> str:
        """The label of a result; empty for an adjoint that is put into its readers."""
        return f"eq{self.numbers[chain.tensor]}" if chain.tensor in self.numbers else ""

    def element(self, name: str) -> Ref:
        """An element of a tensor, or of its adjoint, with its own letters."""
        chain = self.derivation.chains.get(primal_name(name))
        if chain is not None:
            return Ref(name, chain.equation.lhs.index)
        definitions = self.network.definitions(name)
        if definitions and all(isinstance(f.single, Var) for f in definitions[-1].lhs.index):
            return definitions[-1].lhs
        return Ref(name, tuple(var(letter) for letter in own_letters(self.network, name)))

    def has_own_name(self, tensor: str) -> bool:
        """True where the notation gives an adjoint a name instead of writing it as a derivative."""
        return self.spelling.signal_rule(tensor) is not None

    @cached_property
    def spelling(self) -> Spelling:
        return Spelling(self.network, self.preset, dict(self.layout))

    def letters(self, name: str) -> int:
        """About how many letters an entry of an array takes; many for a derivative without a name."""
        pattern = self.spelling.tensor(name)
        if pattern is None:
            return 2 + self.letters(primal_name(name))
        rank = len(self.network.tensors[primal_name(name)].axes)
        return len(tokens(pattern.nucleus)) + max(len(tokens(pattern.sub)) + rank, len(tokens(pattern.sup)))

    def definition_of_signal(self, name: str) -> Formula:
        """∂loss/∂(tensor), times the inverse of the constant that was pulled out."""
        derivative = Derivative(Ref(self.network.loss), self.family_ref(name), whole=True)
        scale = self.derivation.scale
        return derivative if scale is None else Times((Sum((inverse(scale),)), derivative))

    def family_ref(self, name: str) -> Ref:
        """The whole array, with the letters of its family."""
        tensor = self.network.tensors[name]
        return Ref(name, self.element(name).index[: len(tensor.family)])


def inverse(scale: Term) -> Term:
    """One over a constant term."""
    return product(
        1 / scale.coefficient, [Apply(1 / f.template, f.args) for f in scale.factors if isinstance(f, Apply)]
    )
