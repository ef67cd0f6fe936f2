"""Names in generated code: as on the page where they can be, never one that the module uses itself.

``Names`` gives every tensor, error signal, gradient, size, function and running index a Python name of its own.
What would collide gets a suffix.
"""

from __future__ import annotations

import builtins
import keyword
import re
from typing import TYPE_CHECKING

from symbackprop.index import Opaque, is_adjoint, primal_name
from symbackprop.notation.spelling import Spelling
from symbackprop.tables.activations import HELPERS
from symbackprop.tables.reductions import AXIS_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from symbackprop.derivation import Derivation
    from symbackprop.notation.preset import Preset

OWN = (
    "np",
    "parameters",
    "inputs",
    "tensors",
    "gradients",
    "sizes",
    "dtype",
    "shapes",
    "given",
    "name",
    "member",
    "rng",
    "row0",
    "row1",
    "row2",
    "forward",
    "loss_and_gradients",
    "gradient_step",
    "flatten",
    "train",
    "check",
    "main",
    "first_max",
    "scatter_add",
    "PARAMETERS",
    "INPUTS",
    "BATCH_AXES",
    "FAMILIES",
    "DEPTHS",
    "SIZES",
    "_checked",
    "_as_given",
    "_with_sum",
)
"""What the template of the module calls its own functions and the variables beside which names of the network stand."""
ARGUMENTS = (
    "rate",
    "batch_size",
    "epochs",
    "_arrays",
    "_as_arrays",
    "_members",
    "_cast",
    "_stepped",
    "_solve",
    "_shown",
    "_shown_axes",
    "_check_integers",
    "_example",
    "_examples",
    "_smooth_loss",
    "_smooth_gradient",
    "axis",
    "number",
    "x",
    "order",
    "start",
    "chosen",
    "batch",
    "value",
    "y",
)
"""Further names that a function may not have: it is defined in the module, or is an argument of ``train``."""


class Names:
    """Python names for everything that a module of this derivation mentions."""

    def __init__(self, derivation: Derivation, preset: Preset) -> None:
        self.derivation, self.network = derivation, derivation.network
        self.spelling = Spelling(derivation.network, preset)
        self.taken: set[str] = {*OWN, *keyword.kwlist, *keyword.softkwlist, *dir(builtins), *HELPERS, *AXIS_FUNCTION}
        self.tensors: dict[str, str] = {}
        self.sizes: dict[str, str] = {}
        self.functions: dict[str, str] = {}
        self.letters: dict[str, str] = {}
        self._given_functions()
        for name in self.network.tensors:
            self.tensors[name] = self.new(name)
        self._adjoints()

    def new(self, wanted: str) -> str:
        """The name, or with a suffix where it is taken already."""
        name = re.sub(r"\W", "_", wanted)
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def _given_functions(self) -> None:
        spare = set(ARGUMENTS) - self.taken
        self.taken |= spare
        for name in self.network.functions:
            self.functions[name] = self.new(name)
        self.taken -= spare

    def tensor(self, name: str) -> str:
        """The variable of a tensor, an adjoint or a partial derivative of an opaque loss."""
        return self.tensors[name]

    def size(self, name: str) -> str:
        """The variable of a size."""
        if name not in self.sizes:
            self.sizes[name] = self.new(name)
        return self.sizes[name]

    def letter(self, name: str) -> str:
        """The variable of a running index."""
        if name not in self.letters:
            self.letters[name] = self.new(name)
        return self.letters[name]

    def function(self, name: str, order: int = 0) -> str:
        """A function given by the caller or defined in the module; ``order`` 1 for its slope."""
        key = name + "'" * order
        if key not in self.functions:
            entry = self.network.functions.get(name)
            word = "_gradient" if entry is not None and entry.kind == "opaque loss" else "_prime"
            self.functions[key] = self.new(name + word * order)
        return self.functions[key]

    def _adjoints(self) -> None:
        letters = [p for p in self.derivation.chains if p in self.network.tensors and self._letter(p)]
        alone = len(letters) == 1
        for name in self.derivation.tensors:
            if not is_adjoint(name):
                continue
            primal = primal_name(name)
            if "/" in name:
                function, position = primal.split("/")
                argument = self._argument(function, int(position))
                self.tensors[name] = self.new(f"d{function}_d{argument}")
                continue
            letter = self._letter(primal)
            self.tensors[name] = self.new(_lettered(letter, primal, alone) if letter else self._signal(primal))

    def _letter(self, primal: str) -> str:
        rule = self.spelling.signal_rule(primal)
        return re.sub(r"\W", "", rule.letter) if rule is not None else ""

    def _signal(self, primal: str) -> str:
        """``H_delta`` for ``H_in`` or what else a rule of the notation says, else ``dz`` for ``z``."""
        rule = self.spelling.signal_rule(primal)
        if rule is None:
            return f"d{primal}"
        if rule.append:
            return f"{primal}_{rule.append}"
        head, _, tail = rule.of.partition("*")
        return f"{head}{primal[len(head) : len(primal) - len(tail)]}_{rule.suffix}"

    def _argument(self, function: str, position: int) -> str:
        for equation in self.network.equations:
            for term in equation.terms:
                for factor in term.factors:
                    if isinstance(factor, Opaque) and factor.name == function:
                        return factor.args[position].tensor
        return str(position)


def _lettered(letter: str, primal: str, alone: bool) -> str:  # noqa: FBT001 - one of two forms
    """A letter with what distinguishes the tensor: ``delta``, ``delta_y`` for ``s_y``, ``delta2`` for ``z2``.

    >>> _lettered("delta", "z2", False), _lettered("delta", "s_y", False), _lettered("k", "s", True)
    ('delta2', 'delta_y', 'k')
    """
    if alone:
        return letter
    digits = re.search(r"\d+$", primal)
    if "_" in primal:
        return f"{letter}_{primal.partition('_')[2]}"
    if digits:
        return letter + digits.group()
    return f"{letter}_{primal}"


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Names in order of appearance, each once."""
    return tuple(dict.fromkeys(names))
