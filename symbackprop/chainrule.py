"""The chain rule for one tensor: its adjoint as a sum over every use of it, straight from the equations.

For an equation ``T[idx] = expr`` that reads ``U[f]``, the use contributes

    ∂U[p] += Σ_idx ∂T[idx] · (∂expr/∂U[f]) · [f = p]

SymPy differentiates the scalar part. The deltas ``[f = p]`` are conditions here; contracting them is the first
rewriting step (``rewrite.delta``), and that step alone yields recursions over layers or time, transposed
convolutions and traces.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.affine import Affine, Bound, Cond, condition, var
from symbackprop.index import (
    LOCAL,
    Along,
    Apply,
    Equation,
    Factor,
    Opaque,
    Ref,
    Tensor,
    Term,
    adjoint_name,
    apply,
    fresh,
    function,
    partial_name,
    product,
    refs_of,
    slot,
    substitute,
)
from symbackprop.tables.activations import ACTIVATION
from symbackprop.tables.reductions import AXIS_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.network import Network

LETTERS = "ijkmpqrsuvw"
"""Letters for element indices where no equation suggests one."""


def active_tensors(network: Network) -> frozenset[str]:
    """Tensors on a way from a parameter to the loss; only these have adjoints worth deriving."""
    reads: dict[str, set[str]] = {}
    for equation in network.equations:
        for term in equation.terms:
            for factor in term.factors:
                reads.setdefault(equation.lhs.tensor, set()).update(ref.tensor for ref in refs_of(factor))
    above: set[str] = set()
    pending = [network.loss]
    while pending:
        name = pending.pop()
        if name not in above:
            above.add(name)
            pending.extend(reads.get(name, ()))
    below: set[str] = set(network.parameters)
    grown = True
    while grown:
        grown = False
        for name, sources in reads.items():
            if name not in below and sources & below:
                below.add(name)
                grown = True
    return frozenset(above & below)


def free_index(network: Network, name: str, reading: tuple[Equation, ...]) -> tuple[str, ...]:
    """Names for the indices of a tensor: those of its definition, else of its first plain use, else letters."""
    given = network.tensors[name].role in {"input", "parameter"}
    candidates = [] if given else [e.lhs for e in network.definitions(name)]
    for equation in reading:
        for term in equation.terms:
            for factor in term.factors:
                candidates += [ref for ref in refs_of(factor) if ref.tensor == name]
    for ref in candidates:
        names = [form.single for form in ref.index]
        letters = [str(atom) for atom in names if atom is not None and str(atom) in form_variables(ref)]
        if len(letters) == len(set(letters)) == len(ref.index) and not any(n.startswith(LOCAL) for n in letters):
            return tuple(letters)
    tensor = network.tensors[name]
    taken: set[str] = set()
    return tuple(
        fresh(network.letters.get((name, k)) or (b.hint or b.var if (b := _family(tensor, k)) else LETTERS[k]), taken)
        for k in range(tensor.rank)
    )


def form_variables(ref: Ref) -> frozenset[str]:
    """Running indices of an element."""
    return frozenset().union(*(form.variables for form in ref.index))


def _family(tensor: Tensor, position: int) -> Bound | None:
    return tensor.family[position] if position < len(tensor.family) else None


_WRITTEN_OUT = {
    row.define(slot(0)): function(row.name)(slot(0)) for row in ACTIVATION.values() if not row.native and not row.kinks
}


@lru_cache(maxsize=4096)
def recognised(template: Any) -> Any:
    """A function of one argument that an author wrote out, such as 1/(1+exp(-z)), as the table's row of that name."""
    slots = sorted(template.free_symbols, key=str)
    if len(slots) != 1:
        return template
    row = _WRITTEN_OUT.get(template.xreplace({slots[0]: slot(0)}))
    return template if row is None else row.xreplace({slot(0): slots[0]})


@lru_cache(maxsize=4096)
def slope(template: Any, position: int) -> Any:
    """∂template/∂slot, by SymPy; equal templates are differentiated once."""
    return sp.diff(recognised(template), slot(position))


def readers(network: Network) -> dict[str, tuple[Equation, ...]]:
    """For each tensor the equations that read it."""
    found: dict[str, dict[Equation, None]] = {}
    for equation in network.equations:
        for term in equation.terms:
            for factor in term.factors:
                for ref in refs_of(factor):
                    found.setdefault(ref.tensor, {})[equation] = None
    return {name: tuple(equations) for name, equations in found.items()}


def chain_rule(
    network: Network, name: str, active: frozenset[str], reading: tuple[Equation, ...] | None = None
) -> Equation:
    """∂loss/∂``name`` as a sum over its uses, deltas not contracted.

    ∂U[p] = Σ over uses, Σ_idx ∂T[idx] (∂T[idx]/∂U[f]) [f = p]

    ``reading`` are the equations that read the tensor, where the caller knows them (``readers``).

    Shapes: the result has the family and the axes of ``name``.
    Source: Griewank & Walther 2008, chapter 3.
    """
    reading = readers(network).get(name, ()) if reading is None else reading
    letters = free_index(network, name, reading)
    target = Ref(adjoint_name(name), tuple(var(letter) for letter in letters))
    ranges = network.ranges(Ref(name, target.index))
    terms: list[Term] = []
    for equation in reading:
        if equation.lhs.tensor in active:
            terms.extend(_contributions(network, equation, name, target.index, set(letters)))
    return Equation(lhs=target, terms=tuple(terms), ranges=ranges)


def _contributions(
    network: Network, equation: Equation, name: str, target: tuple[Affine, ...], letters: set[str]
) -> Iterator[Term]:
    for term in equation.terms:
        for position, factor in enumerate(term.factors):
            if all(ref.tensor != name for ref in refs_of(factor)):
                continue
            taken = set(letters)
            renamed = {b.var: var(fresh(b.var, taken)) for b in (*equation.ranges, *term.bounds)}
            outer = tuple(b.substitute(renamed) for b in equation.ranges)
            inner = tuple(b.substitute(renamed) for b in term.bounds)
            lhs = Ref(equation.lhs.tensor, tuple(f.substitute(renamed) for f in equation.lhs.index))
            rest = tuple(substitute(f, renamed) for k, f in enumerate(term.factors) if k != position)
            conditions = [c.substitute(renamed) for c in term.conditions]
            signal = Ref(adjoint_name(lhs.tensor), lhs.index)
            upstream = () if lhs.tensor == network.loss else (signal,)
            for number, local, bounds, (read, deltas) in _derivatives(
                substitute(factor, renamed), lhs, name, taken, network
            ):
                for_use = [condition("==", f - p) for f, p in zip(read.index, target, strict=True)]
                yield product(
                    term.coefficient * number,
                    (*upstream, *rest, *local),
                    bounds=(*outer, *inner, *bounds),
                    conditions=(*conditions, *deltas, *for_use),
                    use=str(equation.lhs),
                )


def _derivatives(
    factor: Factor, lhs: Ref, name: str, taken: set[str], network: Network
) -> Iterator[tuple[Any, tuple[Factor, ...], tuple[Bound, ...], tuple[Ref, tuple[Cond, ...]]]]:
    """Each element of ``name`` in a factor: (coefficient, local derivative, new bounds, (the element, conditions))."""
    if isinstance(factor, Ref):
        yield 1, (), (), (factor, ())
    elif isinstance(factor, Apply):
        for k, arg in enumerate(factor.args):
            if isinstance(arg, Ref) and arg.tensor == name:
                derivative = slope(factor.template, k)
                if derivative.is_Rational:
                    if derivative != 0:
                        yield derivative, (), (), (arg, ())
                else:
                    yield 1, (apply(derivative, *factor.args),), (), (arg, ())
    elif isinstance(factor, Along):
        yield from _along_derivatives(factor, lhs, taken)
    else:
        yield from _opaque_derivatives(factor, lhs, name, taken, network)


def _along_derivatives(
    factor: Along, lhs: Ref, taken: set[str]
) -> Iterator[tuple[Any, tuple[Factor, ...], tuple[Bound, ...], tuple[Ref, tuple[Cond, ...]]]]:
    entries = [str(f.single) for f in factor.at or ()]
    running = [fresh(entries[k] if entries else "v", taken) for k in range(len(factor.sizes))]
    local = {f"{LOCAL}{k}": var(v) for k, v in enumerate(running)}
    bounds = tuple(Bound(v, Affine(), size - 1) for v, size in zip(running, factor.sizes, strict=True))
    arg = Ref(factor.arg.tensor, tuple(f.substitute(local) for f in factor.arg.index))
    moved = {entry: var(v) for entry, v in zip(entries, running, strict=False)}
    out_v = Ref(lhs.tensor, tuple(f.substitute(moved) for f in lhs.index))
    first = Along("argmax", factor.arg, factor.sizes, tuple(var(v) for v in running))
    for row in AXIS_FUNCTION[factor.name].jacobian:
        entry = zip(factor.at or (), running, strict=True) if row.delta else ()
        deltas = tuple(condition("==", f - var(v)) for f, v in entry)
        if row.template == slot(3):
            yield 1, (first,), bounds, (arg, deltas)
        elif row.template.is_Rational:
            yield row.template, (), bounds, (arg, deltas)
        else:
            yield 1, (apply(row.template, lhs, out_v, arg),), bounds, (arg, deltas)


def _opaque_derivatives(
    factor: Opaque, lhs: Ref, name: str, taken: set[str], network: Network
) -> Iterator[tuple[Any, tuple[Factor, ...], tuple[Bound, ...], tuple[Ref, tuple[Cond, ...]]]]:
    for k, arg in enumerate(factor.args):
        if arg.tensor != name:
            continue
        tensor = network.tensors[name]
        depth = len(tensor.family)
        running = [fresh(LETTERS[n], taken) for n in range(len(tensor.axes))]
        family = {b.var: f for b, f in zip(tensor.family, arg.index, strict=False)}
        bounds = tuple(
            Bound(v, Affine(), axis.substitute(family) - 1) for v, axis in zip(running, tensor.axes, strict=True)
        )
        element = Ref(name, (*arg.index[:depth], *(var(v) for v in running)))
        partial = Ref(partial_name(factor.name, k), (*lhs.index, *(var(v) for v in running)))
        yield 1, (partial,), bounds, (element, ())
