"""From an indexed equation to matrix nodes and back.

``lift`` reads sets of labels: factors with equal sets make an entrywise product, a summed label that two parts share
makes a matrix product, disjoint labels an outer product, a label on one part alone a sum over that axis, a missing
label a repetition. Sides and transposes come last, from storage order and the order of the left side. Ranges of an
index become slices, zeros around or joined arrays; what nothing else says becomes an einsum with gathered entries
and 0/1 masks. ``unlift`` gives the terms back.

    dW[i, j] = Sum(x[n, i] * dz[n, j], n)      ->      x.T @ dz
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.affine import Affine, Cond, Scope, Var, const, var
from symbackprop.derivation import Derivation
from symbackprop.errors import DerivationError
from symbackprop.index import (
    Along,
    Apply,
    Equation,
    Factor,
    Opaque,
    Ref,
    Tensor,
    Term,
    Value,
    is_adjoint,
    primal_name,
    variables_of,
)
from symbackprop.matrix import Axis, Gather, Leaf, Mask, Node, Number, OpaqueCall
from symbackprop.plan import (
    AlongPlan,
    Entrywise,
    Joined,
    Looked,
    Looped,
    Made,
    Order,
    Plan,
    Scaled,
    Scattered,
    Stored,
    Widened,
    taken,
)
from symbackprop.products import Products
from symbackprop.tables.reductions import AXIS_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from symbackprop.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The array ``node`` where all ``conditions`` on family indices hold."""

    conditions: frozenset[Cond]
    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What lifting needs to know of a network: its tensors, how they lie, and which way vectors stand.

    ``layout`` maps a tensor to the order of its element axes in storage (its own order where absent). ``vectors``:
    with "columns" a matrix stands left of a vector, with "rows" right of it, unless one of its axes is the batch's.
    """

    tensors: Mapping[str, Tensor]
    layout: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    vectors: str = "columns"
    batch: str | None = None
    depths: frozenset[str] = frozenset()
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Name of a partial derivative of an opaque loss -> the tensor that it is taken by."""

    def order(self, name: str) -> tuple[int, ...]:
        """Storage order of the element axes; that of an adjoint is its tensor's."""
        for candidate in (name, primal_name(name), self.arguments.get(name, "")):
            if candidate in self.layout:
                return tuple(self.layout[candidate])
        return tuple(range(len(self.tensors[name].axes)))

    @property
    def as_written(self) -> bool:
        """True where every array lies as the network file says."""
        return all(tuple(order) == tuple(range(len(order))) for order in self.layout.values())


def surroundings(
    source: Derivation | Network, layout: Mapping[str, tuple[int, ...]] | None = None, vectors: str = "columns"
) -> Surroundings:
    """What lifting needs to know of a derivation or of a network alone."""
    network = source.network if isinstance(source, Derivation) else source
    arguments: dict[str, str] = {}
    for equation in network.equations:
        for term in equation.terms:
            for factor in term.factors:
                if isinstance(factor, Opaque):
                    arguments |= {f"∂{factor.name}/{k}": arg.tensor for k, arg in enumerate(factor.args)}
    return Surroundings(
        tensors=source.tensors,
        layout=layout or {},
        vectors=vectors,
        batch=network.batch,
        depths=network.depths,
        arguments=arguments,
    )


def lift(
    equation: Equation,
    source: Derivation | Network | Surroundings,
    layout: Mapping[str, tuple[int, ...]] | None = None,
    vectors: str = "columns",
) -> tuple[Case, ...]:
    """The equation in matrix form: one case for each set of conditions on family indices, to be added up.

    >>> from symbackprop.affine import Bound, size
    >>> n, i, j = (Bound(v, Affine(), size(s) - 1) for v, s in (("n", "N"), ("i", "d"), ("j", "h")))
    >>> axes = {"X": ("N", "d"), "g": ("N", "h"), "G": ("d", "h")}
    >>> tensors = {name: Tensor(name=name, axes=tuple(map(size, sizes))) for name, sizes in axes.items()}
    >>> term = Term(bounds=(n,), factors=(Ref("X", (var("n"), var("i"))), Ref("g", (var("n"), var("j")))))
    >>> equation = Equation(lhs=Ref("G", (var("i"), var("j"))), terms=(term,), ranges=(i, j))
    >>> (case,) = lift(equation, Surroundings(tensors=tensors))
    >>> type(case.node).__name__, type(case.node.a).__name__, case.node.labels
    ('MatMul', 'Transpose', ('i', 'j'))
    """
    around = source if isinstance(source, Surroundings) else surroundings(source, layout, vectors)
    groups: dict[frozenset[Cond], list[Term]] = {}
    family = family_variables(equation, around.tensors)
    for term in equation.terms:
        outside = frozenset(c for c in term.conditions if c.form.variables <= family)
        groups.setdefault(outside, []).append(replace(term, conditions=term.conditions - outside))
    if not groups:
        groups[frozenset()] = []
    return tuple(
        Case(conditions=conditions, node=lift_terms(equation, terms, conditions, around))
        for conditions, terms in groups.items()
    )


def lift_terms(equation: Equation, terms: Sequence[Term], conditions: frozenset[Cond], around: Surroundings) -> Node:
    """The array of some terms of ``equation``, under ``conditions`` on family indices, in the left side's storage."""
    return _Lifter(equation, conditions, around).node(terms)


def family_variables(equation: Equation, tensors: Mapping[str, Tensor]) -> frozenset[str]:
    """Running indices of the left side's family."""
    depth = len(tensors[equation.lhs.tensor].family)
    found: set[str] = set()
    for form in equation.lhs.index[:depth]:
        found |= form.variables
    return frozenset(found)


class _Lifter:
    """Lifts terms of one equation under one set of conditions."""

    def __init__(self, equation: Equation, conditions: frozenset[Cond], around: Surroundings) -> None:
        self.around, self.equation = around, equation
        self.family = family_variables(equation, around.tensors)
        self.known = _solved(conditions, self.family)
        depth = len(around.tensors[equation.lhs.tensor].family)
        ranges = {b.var: b for b in equation.ranges}
        self.scope = Scope(tuple(b for b in equation.ranges if b.var in self.family), around.depths, tuple(conditions))
        own: list[Axis] = []
        for form in equation.lhs.index[depth:]:
            atom = form.single
            if not isinstance(atom, Var):
                message = f"{equation.lhs}: an element index on the left side is a letter"
                raise DerivationError(message)
            own.append(Axis(atom.name, self.norm(ranges[atom.name].extent)))
        self.free = {axis.label: axis for axis in own}
        self.order: Order = tuple(own[k] for k in around.order(equation.lhs.tensor))
        as_written = not is_adjoint(equation.lhs.tensor) and around.as_written
        self.products = Products("as written" if as_written else around.vectors, around.batch)

    def norm(self, form: Affine) -> Affine:
        """A size in the form in which sizes are compared: indices that the conditions fix are put in."""
        return form.substitute(self.known)

    def node(self, terms: Sequence[Term]) -> Node:
        """The sum of the terms in the storage order of the left side."""
        plan = self.total([_shifted(term, self.loops(term)) for term in terms], self.free)
        return self.cover(plan).lay(self.order)

    def cover(self, plan: Plan) -> Plan:
        """The plan with all axes of the left side."""
        missing = [axis for axis in self.order if axis.label not in plan.labels]
        return Widened(x=plan, to=self.order) if missing else plan

    # -- sums of terms ------------------------------------------------------------------------------------------------

    def total(self, terms: Sequence[Term], free: Mapping[str, Axis]) -> Plan:
        """The sum of terms, ranges of free indices first."""
        if not terms:
            return Stored(node=Number(form=Affine()))
        for label in free:
            if any(self.interval(term, label) for term in terms):
                return self.by_interval(terms, free, label)
        shared, rest = self.common(terms, free)
        if not shared:
            return self.added([self.term(term, free) for term in rest])
        inner = self.added([self.term(term, free) for term in rest])
        return self.products.multiply([inner, *(self.factor(f, free, sure=True) for f in shared)], free, set())

    def added(self, plans: Sequence[Plan]) -> Plan:
        """The sum of plans."""
        if len(plans) == 1:
            return plans[0]
        flat: list[Plan] = []
        for plan in plans:
            flat += plan.parts if isinstance(plan, Entrywise) and plan.adds else [plan]
        return Entrywise(parts=tuple(flat), adds=True)

    def common(self, terms: Sequence[Term], free: Mapping[str, Axis]) -> tuple[list[Factor], list[Term]]:
        """Factors that every term has, and the terms without them."""
        if len(terms) < 2:  # noqa: PLR2004 - nothing is common to one
            return [], list(terms)
        bound = {b.var for term in terms for b in term.bounds}
        shared: list[Factor] = []
        for factor in terms[0].factors:
            inside = variables_of(factor)
            alike = all(factor in term.factors for term in terms)
            if alike and not isinstance(factor, (Along, Opaque)) and not inside & bound and factor not in shared:
                shared.append(factor)
        if not any(variables_of(f) & free.keys() for f in shared):
            return [], list(terms)
        rest = [replace(term, factors=_without(term.factors, shared)) for term in terms]
        return shared, rest

    def by_interval(self, terms: Sequence[Term], free: Mapping[str, Axis], label: str) -> Plan:
        """Terms that hold on a part of the range of ``label``: joined parts, or parts with zeros around."""
        axis = free[label]
        groups: dict[tuple[Affine, Affine], list[Term]] = {}
        for term in terms:
            lo, hi, used = self.interval(term, label) or (Affine(), axis.extent - 1, frozenset())
            moved = replace(term, conditions=term.conditions - used).substitute({label: var(label) + lo})
            groups.setdefault((lo, hi), []).append(moved)
        parts: dict[tuple[Affine, Affine], Plan] = {}
        for (lo, hi), group in groups.items():
            inner = {**free, label: Axis(label, self.norm(hi - lo + 1))}
            plan = self.total(group, inner)
            whole = tuple(a for a in inner.values() if a.label == label or a.label in plan.labels)
            parts[lo, hi] = plan if label in plan.labels else Widened(x=plan, to=whole)
        ordered = _chained(parts, self.norm(axis.extent))
        if ordered is not None and len(ordered) > 1:
            every = [a for a in free.values() if any(a.label in p.labels for p in ordered) or a.label == label]
            wide = [
                _widened(p, [a if a.label != label else p_axis for a in every])
                for p in ordered
                for p_axis in p.axes
                if p_axis.label == label
            ]
            return Joined(parts=tuple(wide), along=axis)
        padded: list[Plan] = []
        for (lo, hi), plan in parts.items():
            full = lo == Affine() and self.norm(hi + 1) == axis.extent
            padded.append(plan if full else Joined(parts=(plan,), along=axis, before=lo))
        return self.added(padded)

    def interval(self, term: Term, label: str) -> tuple[Affine, Affine, frozenset[Cond]] | None:
        """(lowest, highest, conditions used) where conditions restrict ``label`` alone; None where none does."""
        inner = {b.var for b in term.bounds} | self.free.keys() - {label}
        lows: list[Affine] = []
        highs: list[Affine] = []
        used: list[Cond] = []
        for cond in sorted(term.conditions, key=lambda c: c.key):
            slope = cond.form.linear.get(label, 0)
            rest = cond.form - var(label) * slope
            if abs(slope) != 1 or rest.variables & inner or label in rest.variables or cond.kind not in {">=", "=="}:
                continue
            if slope == 1 or cond.kind == "==":
                lows.append(-rest * slope)
            if slope == -1 or cond.kind == "==":
                highs.append(-rest * slope)
            used.append(cond)
        if not used:
            return None
        extent = self.free[label].extent
        lo, hi = self.extreme([Affine(), *lows], -1), self.extreme([extent - 1, *highs], 1)
        if lo is None or hi is None or not self.scope.nonnegative(hi - lo + 1):
            return None
        return lo, hi, frozenset(used)

    def extreme(self, forms: Sequence[Affine], sign: int) -> Affine | None:
        """The least (``sign`` 1) or greatest (-1) of some forms, where the ranges decide."""
        for form in forms:
            if all(self.scope.nonnegative((other - form) * sign) for other in forms):
                return form
        return None

    # -- one term -----------------------------------------------------------------------------------------------------

    def loops(self, term: Term) -> frozenset[str]:
        """Bound indices that run over a family, or that sizes and functions per layer depend on."""
        bound = {b.var for b in term.bounds}
        found: set[str] = set()
        for b in term.bounds:
            found |= (b.lo.variables | b.hi.variables) & bound
        for factor in term.factors:
            for ref in _refs(factor):
                depth = len(self.around.tensors[ref.tensor].family)
                for form in ref.index[:depth]:
                    found |= form.variables
                for form in ref.index[depth:]:
                    found |= form.variables - form.linear.keys()
            if isinstance(factor, Apply):
                for layer in _layer_slots(factor.template):
                    arg = factor.args[layer]
                    found |= arg.form.variables if isinstance(arg, Value) else set()
        for cond in term.conditions:
            found |= cond.form.variables - cond.form.linear.keys()
        return frozenset(found & bound)

    def term(self, term: Term, free: Mapping[str, Axis]) -> Plan:
        """One term without ranges on its free indices."""
        loops = self.loops(term)
        if loops:
            return self.looped(term, loops, free)
        labels = dict(free)
        summed: dict[str, Axis] = {}
        term = self.narrowed(term)
        for bound in term.bounds:
            summed[bound.var] = Axis(bound.var, self.norm(bound.extent))
        labels |= summed
        parts = [self.factor(f, labels, sure=not term.conditions) for f in term.factors]
        if term.conditions:
            parts.append(self.mask(term.conditions, labels))
        parts, rows = self.rows(term, parts, labels, summed)
        used = frozenset().union(*(p.labels for p in parts)) if parts else frozenset()
        count = [self.extent_factor(axis) for label, axis in summed.items() if label not in used and label not in rows]
        scalars = [p.lay(()) for p in parts if not p.labels] + count
        arrays = [p for p in parts if p.labels]
        if not arrays:
            if len(scalars) == 1 and not isinstance(scalars[0], Number):
                return self.scaled(term.coefficient, (), Stored(node=scalars[0]))
            if term.coefficient.q == 1 and not scalars:
                return Stored(node=Number(form=const(int(term.coefficient))))
            return self.scaled(term.coefficient, tuple(scalars), Stored(node=Number(form=const(1))))
        plan = self.products.multiply(arrays, labels, set(summed) - rows)
        return self.scaled(term.coefficient, tuple(scalars), plan)

    def scaled(self, coefficient: sp.Rational, scalars: tuple[Node, ...], plan: Plan) -> Plan:
        """A number and scalars times a plan."""
        if coefficient == 1 and not scalars:
            return plan
        return Scaled(coefficient=coefficient, scalars=scalars, x=plan)

    def extent_factor(self, axis: Axis) -> Node:
        """A sum over an index that occurs nowhere counts its values."""
        return Number(form=axis.extent)

    def looped(self, term: Term, loops: frozenset[str], free: Mapping[str, Axis]) -> Plan:
        """A term summed over family indices."""
        outer = tuple(b for b in term.bounds if b.var in loops)
        names = {b.var for b in outer}
        conditions = frozenset(c for c in term.conditions if c.form.variables <= names | self.family)
        inner = replace(
            term, bounds=tuple(b for b in term.bounds if b.var not in loops), conditions=term.conditions - conditions
        )
        below = _Lifter(self.equation, frozenset(self.scope.conditions), self.around)
        below.scope = self.scope.with_bounds(outer).assuming(conditions)
        below.free, below.known = dict(self.free), {**self.known, **_solved(conditions, names)}
        return Looped(x=below.total([inner], free), bounds=outer, conditions=conditions)

    def narrowed(self, term: Term) -> Term:
        """Ranges that conditions put on bound indices become their limits."""
        for bound in term.bounds:
            others = {b.var for b in term.bounds if b.var != bound.var} | self.free.keys()
            used: list[Cond] = []
            lows, highs = [bound.lo], [bound.hi]
            for cond in sorted(term.conditions, key=lambda c: c.key):
                slope = cond.form.linear.get(bound.var, 0)
                rest = cond.form - var(bound.var) * slope
                if abs(slope) != 1 or rest.variables & others or cond.kind not in {">=", "=="}:
                    continue
                if slope == 1 or cond.kind == "==":
                    lows.append(-rest * slope)
                if slope == -1 or cond.kind == "==":
                    highs.append(-rest * slope)
                used.append(cond)
            lo, hi = self.extreme(lows, -1), self.extreme(highs, 1)
            if not used or lo is None or hi is None or not self.scope.nonnegative(hi - lo + 1):
                continue
            bounds = tuple(replace(b, lo=lo, hi=hi) if b is bound else b for b in term.bounds)
            return self.narrowed(
                _shifted(replace(term, bounds=bounds, conditions=term.conditions - set(used)), frozenset())
            )
        return term

    def mask(self, conditions: frozenset[Cond], labels: Mapping[str, Axis]) -> Plan:
        """1 where the conditions hold."""
        names: dict[str, None] = {}
        for cond in sorted(conditions, key=lambda c: c.key):
            names.update(dict.fromkeys(name for name in cond.form.linear if name in labels))
        return Made(node=Mask(conditions=conditions, over=tuple(labels[name] for name in names)))

    # -- factors ------------------------------------------------------------------------------------------------------

    def factor(self, factor: Factor, labels: Mapping[str, Axis], *, sure: bool) -> Plan:
        """The plan of one factor; ``sure`` is False where masked places may lie outside the array."""
        if isinstance(factor, Ref):
            return self.entries(factor, labels, sure=sure)
        if isinstance(factor, Apply):
            parts = tuple(self.argument(arg, labels, sure=sure) for arg in factor.args)
            if not any(part.labels for part in parts) and all(isinstance(a, Value) for a in factor.args):
                parts = tuple(self.argument(arg, {}, sure=sure) for arg in factor.args)
            return Entrywise(parts=parts, template=factor.template)
        if isinstance(factor, Along):
            return self.along(factor, labels, sure=sure)
        args = tuple(self.whole(ref) for ref in factor.args)
        return Stored(node=OpaqueCall(name=factor.name, args=args))

    def argument(self, arg: Ref | Value, labels: Mapping[str, Axis], *, sure: bool) -> Plan:
        """The plan of an argument of a scalar function."""
        if isinstance(arg, Ref):
            return self.entries(arg, labels, sure=sure)
        over = tuple(labels[name] for name in arg.form.linear if name in labels)
        return Made(node=Number(form=arg.form, over=over))

    def leaf(self, ref: Ref, names: Iterable[str] | None = None) -> Leaf:
        """The whole array that an element belongs to."""
        tensor = self.around.tensors[ref.tensor]
        depth = len(tensor.family)
        family = ref.index[:depth]
        inside = {b.var: form for b, form in zip(tensor.family, family, strict=True)}
        order = self.around.order(ref.tensor)
        labels = list(names) if names is not None else [f"@{k}" for k in range(len(tensor.axes))]
        axes = [Axis(name, self.norm(axis.substitute(inside))) for name, axis in zip(labels, tensor.axes, strict=True)]
        own = () if order == tuple(range(len(order))) else order
        return Leaf(ref=Ref(ref.tensor, family), over=tuple(axes[k] for k in order), order=own)

    def whole(self, ref: Ref) -> Leaf:
        """A whole array as an argument of an opaque loss."""
        depth = len(self.around.tensors[ref.tensor].family)
        return self.leaf(ref, [str(form) for form in ref.index[depth:]])

    def entries(self, ref: Ref, labels: Mapping[str, Axis], *, sure: bool) -> Plan:
        """The entries of an array that an element with running indices stands for."""
        leaf = self.leaf(ref)
        depth = len(self.around.tensors[ref.tensor].family)
        order = self.around.order(ref.tensor)
        plan = taken(leaf, tuple(ref.index[depth + k] for k in order), dict(labels))
        if not sure and isinstance(plan, Made) and isinstance(plan.node, Gather):
            return Made(node=replace(plan.node, sure=False))
        if not sure and isinstance(plan, Stored) and not isinstance(plan.node, Leaf):
            return self.gathered(leaf, tuple(ref.index[depth + k] for k in order), labels, sure=sure)
        return plan

    def gathered(self, node: Node, index: tuple[Affine, ...], labels: Mapping[str, Axis], *, sure: bool) -> Plan:
        """Entries of a node at affine places."""
        used = dict.fromkeys(name for form in index for name in form.linear if name in labels)
        return Made(node=Gather(x=node, index=index, over=tuple(labels[name] for name in used), sure=sure))

    def along(self, factor: Along, labels: Mapping[str, Axis], *, sure: bool) -> Plan:
        """A function of an axis: at running entries, or at affine ones."""
        row = AXIS_FUNCTION[factor.name]
        inner = {f"_{k}": Axis(f"_{k}", self.norm(extent)) for k, extent in enumerate(factor.sizes)}
        if factor.at is None:
            x = self.entries(factor.arg, {**labels, **inner}, sure=sure)
            return AlongPlan(name=factor.name, x=x, over=tuple(inner), keeps=False)
        names = [form.single.name for form in factor.at if isinstance(form.single, Var) and form.single.name in labels]
        plain = len(set(names)) == len(factor.at) and not variables_of(factor.arg) & set(names)
        if plain and all(labels[n].extent == inner[f"_{k}"].extent for k, n in enumerate(names)):
            mapping = {f"_{k}": var(name) for k, name in enumerate(names)}
            arg = Ref(factor.arg.tensor, tuple(form.substitute(mapping) for form in factor.arg.index))
            x = self.entries(arg, labels, sure=sure)
            return AlongPlan(name=factor.name, x=x, over=tuple(names), keeps=row.keeps)
        own = {f"#{k}": Axis(f"#{k}", axis.extent) for k, axis in enumerate(inner.values())}
        renamed = {f"_{k}": var(f"#{k}") for k in range(len(own))}
        arg = Ref(factor.arg.tensor, tuple(form.substitute(renamed) for form in factor.arg.index))
        plan = AlongPlan(
            name=factor.name, x=self.entries(arg, {**labels, **own}, sure=sure), over=tuple(own), keeps=row.keeps
        )
        at = {f"#{k}": form for k, form in enumerate(factor.at)}
        node = plan.lay(plan.axes)
        index = tuple(at.get(axis.label, var(axis.label)) for axis in plan.axes)
        return self.gathered(node, index, labels, sure=sure)

    def rows(
        self, term: Term, parts: list[Plan], labels: Mapping[str, Axis], summed: Mapping[str, Axis]
    ) -> tuple[list[Plan], set[str]]:
        """Sums with a one-hot factor: rows looked up by integers, or added up at integer places."""
        for place, factor in enumerate(term.factors):
            at = _onehot(factor)
            if at is None:
                continue
            ids, label = at
            inside = [k for k, p in enumerate(parts) if label in p.labels and k != place]
            chosen = self.entries(ids, labels, sure=True)
            if label in summed and len(inside) == 1 and not chosen.labels & parts[inside[0]].labels:
                looked = Looked(table=parts[inside[0]], label=label, ids=chosen)
                rest = [p for k, p in enumerate(parts) if k not in {place, *inside}]
                return [looked, *rest], {label}
            over = chosen.labels & summed.keys()
            others = [p for k, p in enumerate(parts) if k != place]
            if (
                label not in summed
                and label in labels
                and not inside
                and over == chosen.labels
                and over
                and any(p.labels & over for p in others)
            ):
                arrays = [p for p in others if p.labels]
                x = self.products.multiply(arrays, labels, set(summed) - over)
                scalars = [p for p in others if not p.labels]
                return [Scattered(x=x, ids=chosen, at=labels[label]), *scalars], set(summed)
        return parts, set()


# ---------------------------------------------------------------------------------------------------------------------
# Helpers


def _widened(plan: Plan, axes: Sequence[Axis]) -> Plan:
    return plan if {a.label for a in axes} == plan.labels else Widened(x=plan, to=tuple(axes))


def _chained(parts: Mapping[tuple[Affine, Affine], Plan], extent: Affine) -> list[Plan] | None:
    """The parts in order, if their ranges follow each other from 0 to ``extent`` without a gap."""
    todo = dict(parts)
    at = Affine()
    ordered: list[Plan] = []
    while todo:
        key = next((key for key in todo if key[0] == at), None)
        if key is None:
            return None
        ordered.append(todo.pop(key))
        at = key[1] + 1
    return ordered if at == extent else None


def _without(factors: tuple[Factor, ...], shared: Sequence[Factor]) -> tuple[Factor, ...]:
    """The factors less one of each shared one."""
    drop = Counter(shared)
    kept: list[Factor] = []
    for factor in factors:
        if drop[factor] > 0:
            drop[factor] -= 1
        else:
            kept.append(factor)
    return tuple(kept)


def _refs(factor: Factor) -> tuple[Ref, ...]:
    if isinstance(factor, Ref):
        return (factor,)
    if isinstance(factor, Along):
        return (factor.arg,)
    return tuple(arg for arg in factor.args if isinstance(arg, Ref))


def _layer_slots(template: Any) -> list[int]:
    """Slots that choose the layer of a function per layer."""
    found: list[int] = []
    for call in template.atoms(sp.Function):
        if hasattr(call, "row") and call.row != "onehot":
            found += [int(arg.name[1:]) for arg in call.args[:-1] if isinstance(arg, sp.Symbol)]
    return found


def _onehot(factor: Factor) -> tuple[Ref, str] | None:
    """The integers and the label of a one-hot factor whose place is a plain running index."""
    if not isinstance(factor, Apply) or getattr(factor.template, "row", None) != "onehot":
        return None
    ids, at = (factor.args[int(arg.name[1:])] for arg in factor.template.args)
    if not isinstance(ids, Ref) or not isinstance(at, Value) or not isinstance(at.form.single, Var):
        return None
    return ids, at.form.single.name


def _solved(conditions: Iterable[Cond], names: Iterable[str]) -> dict[str, Affine]:
    """Indices among ``names`` that equalities fix."""
    known: dict[str, Affine] = {}
    for cond in sorted(conditions, key=lambda c: c.key):
        form = cond.form.substitute(known)
        if cond.kind != "==":
            continue
        for name in sorted(names):
            slope = form.linear.get(name, 0)
            rest = form - var(name) * slope
            if abs(slope) == 1 and name not in rest.variables and name not in known:
                known = {key: value.substitute({name: -rest * slope}) for key, value in known.items()}
                known[name] = -rest * slope
                break
    return known


def _shifted(term: Term, loops: frozenset[str]) -> Term:
    """The term with bound element indices counted from 0."""
    for bound in term.bounds:
        if bound.lo != Affine() and bound.var not in loops:
            name = bound.var
            moved = replace(term, bounds=tuple(b for b in term.bounds if b is not bound))
            moved = moved.substitute({name: var(name) + bound.lo})
            return _shifted(
                replace(moved, bounds=(*moved.bounds, replace(bound, lo=Affine(), hi=bound.hi - bound.lo))), loops
            )
    return term
