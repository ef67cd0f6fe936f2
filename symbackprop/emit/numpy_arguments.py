"""What a generated module says and checks about its arguments: axes, shapes, whole numbers, facts, an example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symbackprop.affine import Affine, Bound, Size, Var
from symbackprop.errors import UnsupportedError
from symbackprop.oracle import members, stand_in_sizes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from symbackprop.derivation import Derivation
    from symbackprop.emit.numpy_names import Names
    from symbackprop.index import Tensor
    from symbackprop.lift import Surroundings
    from symbackprop.network import Fact

EXAMPLE_LARGEST = 6
"""Largest size in the example on which a module checks itself."""


class ArgumentWriter:
    """Writes the parts of the module that deal with its arguments."""

    def __init__(self, derivation: Derivation, around: Surroundings, names: Names) -> None:
        self.derivation, self.network, self.around, self.names = derivation, derivation.network, around, names

    def given(self) -> tuple[str, ...]:
        """Inputs, then parameters."""
        return (*self.network.inputs, *self.network.parameters)

    def source(self, tensor: str) -> str:
        """The mapping that holds a tensor."""
        return f'{"parameters" if tensor in self.network.parameters else "inputs"}["{tensor}"]'

    def stored(self, name: str) -> tuple[Affine, ...]:
        """Axes in storage order."""
        axes = self.around.tensors[name].axes
        return tuple(axes[k] for k in self.around.order(name))

    def declared(self, names: Iterable[str]) -> list[str]:
        """Entries ``"W1": ("d", "h"),``."""
        return [f'"{name}": {_tuple(f"{chr(34)}{axis}{chr(34)}" for axis in self.stored(name))},' for name in names]

    def families(self) -> list[str]:
        """Entries ``"W": 1`` for tensors with family indices."""
        return [
            f'"{name}": {len(self.around.tensors[name].family)}'
            for name in self.given()
            if self.around.tensors[name].family
        ]

    def integers(self) -> list[str]:
        """Checks of whole-number inputs."""
        lines: list[str] = []
        for name in self.network.inputs:
            below = self.around.tensors[name].below
            if below is not None:
                lines.append(f'_check_integers("{name}", {self.source(name)}, {self.looked_up(below)})')
        return lines

    def integer_names(self) -> list[str]:
        """Inputs that hold whole numbers."""
        return [name for name in self.network.inputs if self.around.tensors[name].below is not None]

    def batch(self) -> list[str]:
        """Entries ``"X": 0`` for inputs with the axis of examples; empty where mini-batches make no sense."""
        batch = self.network.batch
        if batch is None:
            return []
        found: list[str] = []
        for name in self.given():
            axes = self.stored(name)
            places = [k for k, axis in enumerate(axes) if axis.single == Size(batch)]
            inside = any(batch in axis.sizes for axis in axes) or any(
                batch in form.sizes for b in self.around.tensors[name].family for form in (b.lo, b.hi)
            )
            if name in self.network.parameters and inside:
                return []
            if inside and len(places) != 1:
                return []
            if places:
                found.append(f'"{name}": {places[0]}')
        return found

    def looked_up(self, form: Affine) -> str:
        """A form over ``sizes``."""
        parts = [str(form.const)] if form.const or not form.terms else []
        for atom, c in form.terms:
            text = f"sizes[{self.key(atom)}]" if isinstance(atom, Size) else self.names.letter(atom.name)
            parts.append(text if c == 1 else f"{c} * {text}")
        return " + ".join(parts).replace("+ -", "- ")

    # -- shapes -------------------------------------------------------------------------------------------------------

    def key(self, size: Size) -> str:
        """The key of a size in ``sizes``: its name, with its indices for a family."""
        if not size.at:
            return f'"{size.name}"'
        return f'("{size.name}", {", ".join(self.index(form) for form in size.at)})'

    def index(self, form: Affine) -> str:
        """A family index inside the key of a size."""
        parts: list[str] = []
        for atom, c in form.terms:
            text = self.names.letter(atom.name) if isinstance(atom, Var) else f"sizes[{self.key(atom)}]"
            parts.append(text if c == 1 else f"{c} * {text}")
        if form.const or not parts:
            parts.append(str(form.const))
        return " + ".join(parts).replace("+ -", "- ")

    def axis(self, form: Affine) -> str:
        """An axis as the key of its size, or as a dictionary of coefficients with the constant under ""."""
        if isinstance(form.single, Size) and not self.hard(form.single):
            return self.key(form.single)
        parts = [f"{self.key(atom)}: {c}" for atom, c in form.terms if isinstance(atom, Size)]
        rest = Affine(form.const, tuple((atom, c) for atom, c in form.terms if isinstance(atom, Var)))
        if rest != Affine():
            parts.append(f'"": {self.index(rest)}')
        return "{" + ", ".join(parts) + "}"

    def hard(self, size: Size) -> bool:
        """True for a member of a family of sizes whose index needs other sizes (``n[L]``)."""
        return any(form.sizes for form in size.at)

    def shapes(self) -> list[str]:
        """Statements that gather (name, axes, shape) of every array and the length of every family's list."""
        plain: list[str] = []
        members: list[str] = []
        late: list[str] = []
        for name in self.given():
            tensor = self.around.tensors[name]
            if tensor.family:
                members += self.member_shapes(name, tensor)
                continue
            axes = self.stored(name)
            entry = f'shapes.append(("{name}", {_tuple(self.axis(axis) for axis in axes)}, {self.source(name)}.shape))'
            hard = any(isinstance(atom, Size) and self.hard(atom) for axis in axes for atom, _ in axis.terms)
            (late if hard else plain).append(entry)
        late = ["sizes = _solve(shapes, partial=True)", *late] if late else []
        return [*plain, *members, *late]

    def member_shapes(self, name: str, tensor: Tensor) -> list[str]:
        """Lengths of a family's lists, and the shapes of its members."""
        lines: list[str] = []
        given, label = self.source(name), name
        for level, bound in enumerate(tensor.family):
            if not bound.lo.is_constant and not bound.lo.variables:
                message = f"the family {name} starts at {bound.lo}; in code, families start at a number"
                raise UnsupportedError(message)
            letter = self.names.letter(bound.var)
            prefix = "    " * level
            shown = f'{"f" if level else ""}"the list {label}"'
            lines.append(f"{prefix}shapes.append(({shown}, {_tuple([self.axis(bound.extent)])}, (len({given}),)))")
            inner = "member" if level == len(tensor.family) - 1 else f"row{level}"
            lines.append(f"{prefix}for {letter}, {inner} in enumerate({given}, start={self.index(bound.lo)}):")
            given, label = inner, f"{label}[{{{letter}}}]"
        axes = _tuple(self.axis(axis) for axis in self.stored(name))
        lines.append("    " * len(tensor.family) + f'shapes.append((f"{label}", {axes}, member.shape))')
        return lines

    def depths(self) -> list[str]:
        """Sizes that may be 0."""
        return [f'"{name}"' for name in sorted(self.network.depths)]

    def defaults(self) -> list[str]:
        """Entries ``"s": 3`` for sizes that no array determines."""
        seen: set[str] = set()
        for name in self.given():
            tensor = self.around.tensors[name]
            for form in (*tensor.axes, *(b.extent for b in tensor.family)):
                seen |= form.sizes
        return [
            f'"{name}": {value}'
            for name, value in sorted(self.network.sizes.items())
            if isinstance(value, int) and name not in seen
        ]

    # -- facts --------------------------------------------------------------------------------------------------------

    def facts(self) -> list[str]:
        """Tests of the facts that the gradients rest on."""
        return [
            line
            for fact in self.derivation.data.get("facts", ())
            if fact.tensor in self.given()
            for line in self.fact(fact)
        ]

    def fact(self, fact: Fact) -> list[str]:
        text = fact.text or fact.name
        if fact.kind == "sum":
            place = self.around.order(fact.tensor).index(fact.axis)
            test = f"np.allclose(np.sum(member, axis={place}), {fact.value}, rtol=0, atol=tolerance)"
        else:
            test = f"np.all(np.real(member) {'>' if fact.kind == 'positive' else '>='} 0)"
        message = f"{fact.tensor} does not satisfy {_plain(text)}, on which the gradients rest"
        return [
            f"for member in _members({self.source(fact.tensor)}):",
            f"    if not {test}:",
            f'        raise ValueError("{message}")',
        ]

    # -- an example ---------------------------------------------------------------------------------------------------

    def example(self) -> list[str]:
        """Statements that make small sizes, parameters and inputs."""
        sizes = stand_in_sizes(self.network, EXAMPLE_LARGEST)
        lines: list[str] = []
        plain = {name: value for name, value in sizes.items() if isinstance(value, int)}
        used, read = self.example_sizes(), self.size_members(sizes)
        chosen = [name for name in plain if name in used]
        if chosen:
            left = ", ".join(self.names.size(name) for name in chosen)
            lines.append(f"{left} = {', '.join(str(plain[name]) for name in chosen)}")
        for name, table in sizes.items():
            if not isinstance(table, int) and name in used:
                entries = ", ".join(f"{k}: {v}" for k, v in sorted(table.items()) if (name, k) in read)
                lines.append(f"{self.names.size(name)} = {{{entries}}}")
        for kind, names in (("parameters", self.network.parameters), ("inputs", self.network.inputs)):
            lines.append(f"{kind} = {{")
            lines += [f'    "{name}": {self.drawn(name)},' for name in names]
            lines.append("}")
        return lines

    def example_sizes(self) -> set[str]:
        found: set[str] = set()
        for name in self.given():
            tensor = self.around.tensors[name]
            for form in (*tensor.axes, *((tensor.below,) if tensor.below is not None else ())):
                found |= form.sizes
            for bound in tensor.family:
                found |= bound.lo.sizes | bound.hi.sizes
        for entry in self.network.functions.values():
            if entry.kind == "opaque" and entry.family:
                bound = self.network.function_range(entry.name)
                found |= bound.lo.sizes | bound.hi.sizes
        return found

    def size_members(self, sizes: Mapping[str, Any]) -> set[tuple[str, Any]]:
        """Members of families of sizes that the example reads."""
        found: set[tuple[str, Any]] = set()

        def lookup(name: str, at: tuple[int, ...]) -> int:
            if not at:
                return int(sizes[name])
            place = at[0] if len(at) == 1 else at
            found.add((name, place))
            return int(sizes[name][place])

        for name in self.given():
            tensor = self.around.tensors[name]
            for at in members(self.network, name, sizes):
                inside = {b.var: k for b, k in zip(tensor.family, at, strict=True)}
                for form in (*tensor.axes, *((tensor.below,) if tensor.below is not None else ())):
                    form.evaluate(inside, lookup)
        return found

    def drawn(self, name: str) -> str:
        """A random array, or nested lists of them."""
        tensor = self.around.tensors[name]
        shape = _tuple(self.local(axis) for axis in self.stored(name))
        if tensor.below is not None:
            text = f"rng.integers(0, {self.local(tensor.below)}, {shape})"
        else:
            text = f"np.asarray({'0.5 * ' if tensor.role == 'parameter' else ''}rng.standard_normal({shape}))"
        for fact in self.network.facts:
            if fact.tensor == name and fact.kind == "sum":
                place = self.around.order(name).index(fact.axis)
                text = f"_with_sum(rng.uniform(0.2, 1, {shape}), {place}, {fact.value})"
            elif fact.tensor == name:
                text = f"np.asarray(rng.uniform(0.2, 1, {shape}))"
        for bound in reversed(tensor.family):
            text = f"[{text} for {self.names.letter(bound.var)} in {self.range(bound)}]"
        return text

    def range(self, bound: Bound) -> str:
        """The range of a family in the example."""
        lo = self.local(bound.lo)
        return f"range({self.local(bound.hi + 1)})" if lo == "0" else f"range({lo}, {self.local(bound.hi + 1)})"

    def local(self, form: Affine) -> str:
        """A form over the local names of sizes."""
        out = ""
        for atom, c in form.terms:
            if isinstance(atom, Var):
                text = self.names.letter(atom.name)
            else:
                text = self.names.size(atom.name)
                text += f"[{', '.join(self.local(at) for at in atom.at)}]" if atom.at else ""
            sign = "-" if c < 0 else "+"
            text = text if abs(c) == 1 else f"{abs(c)} * {text}"
            out += f" {sign} {text}" if out else ("-" if c < 0 else "") + text
        if form.const or not out:
            out += f" {'-' if form.const < 0 else '+'} {abs(form.const)}" if out else str(form.const)
        return out

    def needs_sums(self) -> bool:
        """True where an input of the example has to add up to something."""
        return any(fact.kind == "sum" for fact in self.network.facts)

    def example_functions(self, opaque: Iterable[str]) -> list[str]:
        """Entries for the functions that the caller passes: smooth ones."""
        entries: list[str] = []
        for name in opaque:
            entry = self.network.functions[name]
            if entry.kind == "opaque loss":
                value = "(_smooth_loss, _smooth_gradient)"
            elif entry.family:
                value = f"[(np.sin, np.cos) for _ in {self.range(self.network.function_range(name))}]"
            else:
                value = "(np.sin, np.cos)"
            entries.append(f'"{self.names.functions[name]}": {value}')
        return entries

    def function_start(self, name: str) -> int:
        """The first layer of a function per layer."""
        lo = self.network.function_range(name).lo
        if not lo.is_constant:
            message = f"the functions {name} start at layer {lo}; in code, they start at a number"
            raise UnsupportedError(message)
        return lo.const


def _tuple(parts: Iterable[str]) -> str:
    found = list(parts)
    return f"({found[0]},)" if len(found) == 1 else f"({', '.join(found)})"


def _plain(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', "'")
