"""The teaching module: NumPy code that reads like the handout, line by line, and needs NumPy alone.

``emit_module(derivation)`` is the text of a module with ``PARAMETERS``, ``INPUTS``, ``forward``,
``loss_and_gradients``, ``gradient_step`` and ``flatten``; where there is a batch, ``train`` as well. Run as a script it
checks its own gradients. ``numbered`` gives the equations with the numbers that the comments of the code refer to.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from symbackprop.affine import Var
from symbackprop.emit.environment import environment
from symbackprop.emit.numpy_arguments import ArgumentWriter
from symbackprop.emit.numpy_body import BodyWriter, Line, fused, rendered
from symbackprop.emit.numpy_functions import definitions
from symbackprop.emit.numpy_names import Names
from symbackprop.emit.schedule import schedule, term_refs
from symbackprop.emit.stable import stable
from symbackprop.index import Opaque, is_adjoint, partial_name, primal_name
from symbackprop.lift import surroundings
from symbackprop.notation import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.derivation import Derivation
    from symbackprop.index import Equation
    from symbackprop.lift import Surroundings
    from symbackprop.notation import Preset

OLDEST = "Python 3.8 and NumPy 1.20"
"""The oldest versions on which generated modules run."""


def numbered(derivation: Derivation) -> tuple[tuple[int, Equation], ...]:
    """Forward equations, then adjoints in order of computation, with the numbers that comments refer to."""
    forward = [equation for _, equation in derivation.network.walk()]
    backward = [chain.equation for chain in written_chains(derivation)]
    return tuple(enumerate([*forward, *backward], start=1))


def written_chains(derivation: Derivation) -> tuple[Any, ...]:
    """Chains that code computes: those that keep a name, and what these read."""
    wanted = {c.tensor for c in derivation.chains.values() if c.named} | set(derivation.network.parameters)
    todo = list(wanted)
    while todo:
        for term in derivation.chains[todo.pop()].equation.terms:
            for ref in term_refs(term):
                primal = primal_name(ref.tensor)
                if is_adjoint(ref.tensor) and primal in derivation.chains and primal not in wanted:
                    wanted.add(primal)
                    todo.append(primal)
    return tuple(chain for chain in derivation.chains.values() if chain.tensor in wanted)


def emit_module(
    derivation: Derivation, *, layout: Mapping[str, tuple[int, ...]] | None = None, preset: Preset | None = None
) -> str:
    """The text of a NumPy module with the loss and all gradients of a derivation.

    ``layout`` gives the order of element axes in storage (default: as in the network file), ``preset`` the names of
    error signals and the orientation of vectors.
    """
    preset = load(derivation.network.notation) if preset is None else preset
    return Module(derivation, layout or {}, preset).text()


def docstring(text: str) -> str:
    r"""Text of a user's inside a docstring: backslashes and quotes mean nothing, control characters are blanks.

    >>> print(docstring("a \\input{b}"))
    a \\input{b}
    """
    printable = "".join(c if c.isprintable() else " " for c in text)
    return printable.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


class Module:
    """Puts a module together; what a body looks like is for ``body`` to say."""

    def __init__(self, derivation: Derivation, layout: Mapping[str, tuple[int, ...]], preset: Preset) -> None:
        self.derivation, self.network, self.preset = derivation, derivation.network, preset
        self.around: Surroundings = surroundings(derivation, layout, preset.orientation.vectors)
        self.names = Names(derivation, preset)
        self.arguments = ArgumentWriter(derivation, self.around, self.names)

    def text(self) -> str:
        """The whole module."""
        network = self.network
        forward, backward = self.forward(), self.backward()
        used = [forward.nodes.used, backward.nodes.used]
        opaque = [name for name, entry in network.functions.items() if entry.kind != "formula"]
        template = environment().get_template("module.py.j2")
        return template.render(
            name=network.name,
            title=docstring(network.title or network.name),
            loss=network.loss,
            oldest=OLDEST,
            about=self.about(),
            parameters=self.arguments.declared(network.parameters),
            inputs=self.arguments.declared(network.inputs),
            families=self.arguments.families(),
            integers=self.arguments.integers(),
            integer_names=tuple(self.arguments.integer_names()),
            batch=self.arguments.batch(),
            opaque=[self.names.functions[name] for name in opaque],
            opaque_about=self.opaque_about(opaque),
            forward="\n".join([*self.taken(forward, backward=False), "", *rendered(fused(forward.lines))]),
            results=self.results(),
            backward="\n".join([*self.taken(backward, backward=True), "", *rendered(fused(backward.lines))]),
            gradients=self.gradients(),
            loss_variable=self.names.tensor(network.loss),
            functions=definitions(network, self.names, used),
            shapes=(shapes := self.arguments.shapes()),
            partial=any("partial=True" in line for line in shapes),
            with_sum=self.arguments.needs_sums(),
            smooth_loss=any(entry.kind == "opaque loss" for entry in network.functions.values()),
            defaults=self.arguments.defaults(),
            depths=self.arguments.depths(),
            facts=self.arguments.facts(),
            example=self.arguments.example(),
            example_functions=self.arguments.example_functions(opaque),
        )

    def about(self) -> str:
        """What the comments mean, as text for the docstring."""
        text = (
            f"Loss {self.network.loss} and its gradients by {_listed(self.network.parameters)}, "
            "by backpropagation. Comments give the shape of every array and the number of the equation. "
        )
        if self.derivation.scale is not None:
            text += f"Error signals are derivatives of {self.network.loss} divided by {self.derivation.scale}. "
        text += f"Needs NumPy alone; runs on {OLDEST} or newer. As a script it checks its own gradients."
        return textwrap.fill(text, 96)

    def opaque_about(self, opaque: list[str]) -> list[str]:
        """How each function of the caller's is passed."""
        lines: list[str] = []
        for name in opaque:
            entry, shown = self.network.functions[name], self.names.functions[name]
            if entry.kind == "opaque loss":
                lines.append(f"`{shown}` is (function, gradient); gradient returns a tuple, one entry an argument.")
            elif entry.family:
                lines.append(f"`{shown}` is a list of pairs (function, slope), one for each layer.")
            else:
                lines.append(f"`{shown}` is (function, slope).")
        return lines

    # -- bodies -------------------------------------------------------------------------------------------------------

    def body(self, first: int) -> BodyWriter:
        """A writer of statements whose equations are numbered from ``first``."""
        return BodyWriter(self.names, self.around, first)

    def forward(self) -> BodyWriter:
        """Statements of the forward pass."""
        equations = [equation for _, equation in self.network.walk()]
        body = self.body(first=1)
        body.steps(schedule(equations, self.around.tensors, self.network.depths))
        self.open_families(body)
        return body

    def backward(self) -> BodyWriter:
        """Statements of the backward pass."""
        body = self.body(first=1 + sum(1 for _ in self.network.walk()))
        self.partials(body)
        kept = stable([chain.equation for chain in written_chains(self.derivation)], self.network)
        body.numbers = [body.first + place for place, _ in kept]
        body.steps(schedule([equation for _, equation in kept], self.around.tensors, self.network.depths))
        self.open_families(body)
        return body

    def open_families(self, body: BodyWriter) -> None:
        """Dictionaries for the families that the body fills."""
        names = [self.names.tensor(tensor) for tensor in body.families]
        if names:
            left, right = ", ".join(names), ", ".join(["{}"] * len(names))
            body.lines.insert(0, Line(f"{left} = {right}"))

    def partials(self, body: BodyWriter) -> None:
        """Partial derivatives of opaque losses, from the caller's gradient."""
        read = {
            ref.tensor
            for chain in written_chains(self.derivation)
            for term in chain.equation.terms
            for ref in term_refs(term)
        }
        for _, equation in self.network.walk():
            for factor in (f for term in equation.terms for f in term.factors if isinstance(f, Opaque)):
                wanted = [partial_name(factor.name, k) for k in range(len(factor.args))]
                if not read & set(wanted):
                    continue
                self.partial(body, equation, factor, wanted)

    def partial(self, body: BodyWriter, equation: Equation, factor: Opaque, wanted: list[str]) -> None:
        depth = len(self.around.tensors[equation.lhs.tensor].family)
        ranges = {b.var: b for b in equation.ranges}
        loops = [ranges[form.single.name] for form in equation.lhs.index[:depth] if isinstance(form.single, Var)]
        for level, bound in enumerate(loops):
            header = f"for {self.names.letter(bound.var)} in {body.nodes.range(bound.lo, bound.hi)}:"
            body.lines.append(Line(header, depth=level))
        at = ", ".join(body.nodes.affine(form).code for form in equation.lhs.index[:depth])
        targets = [self.names.tensor(name) + (f"[{at}]" if at else "") for name in wanted]
        if at:
            body.families |= dict.fromkeys(wanted)
        args: list[str] = []
        for arg in factor.args:
            outer = len(self.around.tensors[arg.tensor].family)
            args.append(body.nodes.element(type(arg)(arg.tensor, arg.index[:outer])))
        body.nodes.used.functions[factor.name, 1] = None
        call = f"{self.names.function(factor.name, 1)}({', '.join(args)})"
        left = f"({targets[0]},)" if len(targets) == 1 else ", ".join(targets)
        body.lines.append(Line(f"{left} = {call}", "partial derivatives, shaped like the arguments", len(loops)))

    def taken(self, body: BodyWriter, *, backward: bool) -> list[str]:
        """Lines that give a function's body its names: tensors, sizes, functions."""
        network, used = self.network, body.nodes.used
        lines: list[str] = []
        own = {e.lhs.tensor for _, e in network.walk()} if not backward else set()
        groups: dict[str, list[str]] = {"parameters": [], "inputs": [], "tensors": []}
        for tensor in network.tensors:
            if tensor not in used.tensors and not (backward and tensor == network.loss):
                continue
            if is_adjoint(tensor) or tensor in own:
                continue
            source = "inputs" if tensor in network.inputs else "tensors"
            groups["parameters" if tensor in network.parameters else source].append(tensor)
        for source, tensors in groups.items():
            lines += self.unpacked(source, tensors, body)
        lines += self.unpacked_functions(body)
        sizes = [name for name in used.sizes if name]
        if sizes:
            left = ", ".join(self.names.size(name) for name in sizes)
            right = ", ".join(f'sizes["{name}"]' for name in sizes)
            lines.append(f"    {left} = {right}")
        return lines

    def unpacked(self, source: str, tensors: list[str], body: BodyWriter) -> list[str]:
        """``W, b = parameters["W"], parameters["b"]``, families as dictionaries that count as the mathematics does."""
        plain = [t for t in tensors if not self.around.tensors[t].family]
        lines: list[str] = []
        for k in range(0, len(plain), 4):
            part = plain[k : k + 4]
            left = ", ".join(self.names.tensor(t) for t in part)
            lines.append(f"    {left} = " + ", ".join(f'{source}["{t}"]' for t in part))
        for tensor in tensors:
            family = self.around.tensors[tensor].family
            if family:
                right = self.as_dictionary(f'{source}["{tensor}"]', tensor, body)
                lines.append(f"    {self.names.tensor(tensor)} = {right}")
        return lines

    def as_dictionary(self, given: str, tensor: str, body: BodyWriter) -> str:
        """A family's list as a dictionary."""
        family = self.around.tensors[tensor].family
        starts = [body.nodes.affine(bound.lo).code for bound in family]
        if len(family) == 1:
            return f"dict(enumerate({given}, start={starts[0]}))"
        letters = [self.names.letter(bound.var) for bound in family]
        rows = [given, *(f"row{k}" for k in range(1, len(family)))]
        targets = [*(f"row{k}" for k in range(1, len(family))), "member"]
        loops = " ".join(
            f"for {letter}, {target} in enumerate({row}, start={start})"
            for letter, target, row, start in zip(letters, targets, rows, starts, strict=True)
        )
        return f"{{({', '.join(letters)}): member {loops}}}"

    def unpacked_functions(self, body: BodyWriter) -> list[str]:
        """``f, f_prime = f`` for functions of the caller's."""
        lines: list[str] = []
        for name, entry in self.network.functions.items():
            orders = {order for each, order in body.nodes.used.functions if each == name}
            if entry.kind == "formula" or not orders:
                continue
            shown = [self.names.function(name, order) for order in (0, 1)]
            if entry.family:
                start = self.arguments.function_start(name)
                for order in (order for order in (1, 0) if order in orders):
                    chosen = ("function for function, _ in", "slope for _, slope in")[order]
                    lines.append(f"    {shown[order]} = dict(enumerate(({chosen} {shown[0]}), start={start}))")
            else:
                left = [shown[0] if 0 in orders else "_", shown[1] if 1 in orders else "_"]
                lines.append(f"    {left[0]}, {left[1]} = {shown[0]}")
        return lines

    # -- results ------------------------------------------------------------------------------------------------------

    def results(self) -> list[str]:
        """Entries of the dictionary that ``forward`` returns."""
        writer = BodyWriter(self.names, self.around)
        order = dict.fromkeys(equation.lhs.tensor for _, equation in self.network.walk())
        return [f'"{tensor}": {self.as_list(tensor, writer)},' for tensor in order]

    def gradients(self) -> list[str]:
        """Entries of the dictionary of gradients."""
        writer = BodyWriter(self.names, self.around)
        return [f'"{parameter}": {self.as_list("∂" + parameter, writer)},' for parameter in self.network.parameters]

    def as_list(self, tensor: str, writer: BodyWriter) -> str:
        """A tensor, or a family as a list."""
        family = self.around.tensors[tensor].family
        name = self.names.tensor(tensor)
        scalar = tensor in self.network.tensors and not self.around.tensors[tensor].axes
        if not family:
            return f"np.asarray({name}, dtype)" if scalar else name
        letters = [self.names.letter(bound.var) for bound in family]
        text = f"{name}[{', '.join(letters)}]"
        if len(family) > 1 and tensor in self.network.tensors:  # h[0][0] of a grid of layers and times may not exist
            text = f"{name}.get(({', '.join(letters)}))"
        elif scalar:
            text = f"np.asarray({text}, dtype)"
        for letter, bound in reversed(list(zip(letters, family, strict=True))):
            text = f"[{text} for {letter} in {writer.nodes.range(bound.lo, bound.hi)}]"
        return text


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
