"""Index notation made executable: the same module as ``emit.numpy``, with plain Python loops over every index.

Every element is computed by itself, straight from the indexed equations: nothing is lifted to matrices. Slow, and a
witness for the teaching module, with which it shares names, arguments and checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.emit.numpy import Module
from symbackprop.emit.numpy_body import BodyWriter, Line
from symbackprop.emit.numpy_scalar import ATOM, PRODUCT, SIGN, ScalarWriter, Text, fraction
from symbackprop.index import Along, Apply, Ref
from symbackprop.lift import family_variables
from symbackprop.notation import load
from symbackprop.tables.reductions import AXIS_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from symbackprop.affine import Affine, Bound
    from symbackprop.derivation import Derivation
    from symbackprop.index import Equation, Factor, Term, Value


def emit_loops(derivation: Derivation) -> str:
    """The text of a module of plain loops, with the interface of ``emit.numpy.emit_module``."""
    return LoopModule(derivation, {}, load(derivation.network.notation)).text()


class LoopModule(Module):
    """A module whose bodies are loops over elements."""

    def body(self, first: int) -> BodyWriter:
        """A writer of loops."""
        return LoopWriter(self.names, self.around, first)


class LoopWriter(BodyWriter):
    """Writes every equation as loops over all its indices."""

    def equation(self, equation: Equation, depth: int) -> None:
        """Zeros, then every element as the sum of its terms."""
        family = family_variables(equation, self.around.tensors)
        free = [b for b in equation.ranges if b.var not in family]
        self.nodes.used.dtype = True
        shape = ", ".join(self.nodes.affine(axis).code for axis in self.axis_sizes(equation))
        target = self.target(equation)
        self.lines.append(
            Line(f"{target} = np.zeros(({shape}{',' if len(free) == 1 else ''}), dtype)", self.comment(equation), depth)
        )
        if not equation.terms:
            return
        depth = self.loops(free, depth)
        outer = len(self.around.tensors[equation.lhs.tensor].family)
        at = ", ".join(self.nodes.affine(form).code for form in equation.lhs.index[outer:]) or "()"
        for term in equation.terms:
            self.term(term, f"{target}[{at}]", depth)

    def axis_sizes(self, equation: Equation) -> list[Affine]:
        """Sizes of the left side's element axes."""
        tensor = self.around.tensors[equation.lhs.tensor]
        inside = {b.var: form for b, form in zip(tensor.family, equation.lhs.index, strict=False)}
        return [axis.substitute(inside) for axis in tensor.axes]

    def loops(self, bounds: Iterable[Bound], depth: int) -> int:
        """Loops over indices; the depth inside."""
        for bound in bounds:
            self.lines.append(
                Line(
                    f"for {self.nodes.names.letter(bound.var)} in {self.nodes.range(bound.lo, bound.hi)}:", depth=depth
                )
            )
            depth += 1
        return depth

    def term(self, term: Term, target: str, depth: int) -> None:
        """One term, added in its own loops where its conditions hold."""
        waiting = sorted(term.conditions, key=lambda c: c.key)
        open_ = [bound.var for bound in term.bounds]
        for bound in (None, *term.bounds):  # a condition stands as far out as its indices allow
            if bound is not None:
                depth = self.loops([bound], depth)
                open_.remove(bound.var)
            ready = [cond for cond in waiting if not cond.form.variables & set(open_)]
            if ready:
                self.lines.append(Line(f"if {' and '.join(self.nodes.condition(c).code for c in ready)}:", depth=depth))
                waiting = [cond for cond in waiting if cond not in ready]
                depth += 1
        factors = [self.factor(factor) for factor in term.factors]
        text = fraction(abs(term.coefficient), [Text(f.within(SIGN)) for f in factors], [])
        sign = "-" if term.coefficient < 0 else "+"
        self.lines.append(Line(f"{target} {sign}= {text.within(PRODUCT)}", depth=depth))

    def factor(self, factor: Factor) -> Text:
        """The value of a factor."""
        if isinstance(factor, Ref):
            return Text(self.entry(factor))
        if isinstance(factor, Apply):
            return self.applied(factor)
        if isinstance(factor, Along):
            return Text(self.along(factor))
        self.nodes.used.functions[factor.name, 0] = None
        return Text(f"{self.names.function(factor.name)}({', '.join(map(self.whole, factor.args))})")

    def whole(self, ref: Ref) -> str:
        """A whole array."""
        outer = len(self.around.tensors[ref.tensor].family)
        return self.nodes.element(Ref(ref.tensor, ref.index[:outer]))

    def entry(self, ref: Ref, letters: Mapping[str, str] | None = None) -> str:
        """One element of an array."""
        outer = len(self.around.tensors[ref.tensor].family)
        inner = [self.nodes.affine(form, dict(letters or {})).code for form in ref.index[outer:]]
        return self.whole(ref) + (f"[{', '.join(inner)}]" if inner else "")

    def applied(self, factor: Apply) -> Text:
        """A scalar function of elements."""
        slots = {f"_{k}": self.argument(arg) for k, arg in enumerate(factor.args)}
        if getattr(factor.template, "row", None) == "onehot":
            ids, at = (slots[arg.name] for arg in factor.template.args)
            return Text(f"float({ids.code} == {at.code})")
        return ScalarWriter(slots, self.nodes.call).write(factor.template)

    def argument(self, arg: Ref | Value) -> Text:
        """An element, or an index as a number."""
        return Text(self.entry(arg)) if isinstance(arg, Ref) else Text(self.nodes.affine(arg.form).within(ATOM))

    def along(self, factor: Along) -> str:
        """A function of the elements along its axes, taken at one entry where it keeps them."""
        letters = {f"_{k}": self.names.letter(f"q{k}") for k in range(len(factor.sizes))}
        loops = " ".join(
            f"for {letters[f'_{k}']} in range({self.nodes.affine(size).code})" for k, size in enumerate(factor.sizes)
        )
        name = {"argmax": "first_max", "max": "np.max"}.get(factor.name, factor.name)
        if not name.startswith("np."):
            self.nodes.used.helpers[name] = None
        call = f"{name}(np.array([{self.entry(factor.arg, letters)} {loops}]))"
        if not AXIS_FUNCTION[factor.name].keeps or factor.at is None:
            return call
        place = self.nodes.affine(factor.at[0])
        for size, form in zip(factor.sizes[1:], factor.at[1:], strict=True):
            inner = f"{place.within(SIGN)} * {self.nodes.affine(size).within(SIGN)} + {self.nodes.affine(form).code}"
            place = Text(inner, 10)
        return f"{call}[{place.code}]"
