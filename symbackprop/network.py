"""A network as indexed equations: what every later stage starts from.

Made by ``spec`` from a network file, a shorthand or parts; immutable. Equations stand in topological
order, each tensor is defined once (a family: once per range of its loop indices), one tensor is the loss.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from symbackprop.affine import Affine, Bound, Scope, Var
from symbackprop.errors import nearest
from symbackprop.index import Apply, Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from symbackprop.index import Equation, Ref, Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFunction:
    """An entry of ``[functions]``.

    ``kind`` is ``opaque`` (elementwise, slope known by name only), ``opaque loss`` (a scalar function of whole
    tensors) or ``formula`` (then ``template`` is a SymPy expression in ``slot(0)``). ``family`` counts its layer
    indices (``sigma[l]``: 1).
    """

    name: str
    kind: str
    family: int = 0
    template: Any = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An equation the simplifier may use and every drawn value satisfies.

    ``kind`` "sum": the sum of ``tensor`` over its element axis number ``axis`` is ``value``.
    ``kind`` "positive" / "nonnegative": every entry of ``tensor`` is.
    """

    name: str
    kind: str
    tensor: str
    axis: int = 0
    value: Any = 1
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """``for var in lo..hi:`` in the forward text, with its statements in the author's order."""

    bound: Bound
    body: tuple[Equation | Loop, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Indexed equations with their tensors; see the module's first lines.

    ``program`` is the author's text as a tree (equations, and loops of them): the order in which code and
    handout present it. ``equations`` are the same in topological order. ``sizes`` holds ``[sizes]``: a number, or
    for a family a mapping from the index to the number. ``depths`` are sizes that bound a loop (they may be 0).
    ``letters`` gives the index letters an author chose: (tensor, position) -> letter, and axis text -> letter.
    ``latex`` maps keys as written (``W[l][i,j]``) to spellings, the first of which is printed.
    """

    name: str
    title: str
    notation: str | None
    loss: str
    parameters: tuple[str, ...]
    inputs: tuple[str, ...]
    batch: str | None
    tensors: Mapping[str, Tensor]
    equations: tuple[Equation, ...]
    program: tuple[Any, ...]
    sizes: Mapping[str, int | Mapping[int, int]] = field(default_factory=dict)
    depths: frozenset[str] = frozenset()
    functions: Mapping[str, UserFunction] = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()
    latex: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    letters: Mapping[Any, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    source: str = ""
    """Where it came from, for messages: a file's name or the shorthand."""
    toml: str = ""
    """The network in full, as a network file."""

    def tensor(self, name: str) -> Tensor:
        """A tensor by name; an unknown one is a KeyError that names the nearest."""
        try:
            return self.tensors[name]
        except KeyError:
            message = f"no tensor '{name}'; {nearest(name, self.tensors)}"
            raise KeyError(message) from None

    def definitions(self, name: str) -> tuple[Equation, ...]:
        """The equations that define a tensor (several for a family with base cases)."""
        return tuple(e for e in self.equations if e.lhs.tensor == name)

    def scope(self, *bounds: Bound) -> Scope:
        """What ranges imply here."""
        return Scope(tuple(bounds), self.depths)

    def ranges(self, ref: Ref) -> tuple[Bound, ...]:
        """Ranges of the indices of an element whose indices are plain running indices."""
        names = tuple(atom for form in ref.index if isinstance(atom := form.single, Var))
        assert len(names) == len(ref.index), f"{ref} has an index that is not a letter"  # noqa: S101
        return self.tensors[ref.tensor].ranges(names)

    def function_range(self, name: str) -> Bound:
        """The layers that a function per layer is used for."""
        for equation in self.equations:
            ranges = {bound.var: bound for bound in equation.ranges}
            for term in equation.terms:
                for factor in term.factors:
                    if not isinstance(factor, Apply):
                        continue
                    for call in factor.template.atoms(type(factor.template)) | {factor.template}:
                        if getattr(call, "row", None) != name or len(call.args) < 2:  # noqa: PLR2004 - layer, argument
                            continue
                        layer = factor.args[int(call.args[0].name[1:])]
                        if isinstance(layer, Value) and isinstance(layer.form.single, Var):
                            return ranges[layer.form.single.name]
        return Bound(name, Affine(1), Affine(1))

    def walk(self) -> Iterator[tuple[tuple[Bound, ...], Equation]]:
        """The equations of ``program`` with the loops around each."""

        def visit(statements: tuple[Any, ...], loops: tuple[Bound, ...]) -> Iterator[tuple[tuple[Bound, ...], Any]]:
            for statement in statements:
                if isinstance(statement, Loop):
                    yield from visit(statement.body, (*loops, statement.bound))
                else:
                    yield loops, statement

        return visit(self.program, ())


def axis_name(axis: Affine) -> str:
    """How an axis is written in a network file: ``N``, ``n[l-1]``, ``2*T+K-2``."""
    return str(axis)
