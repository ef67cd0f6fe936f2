"""The rules that lead from the chain rule to textbook form, in order of application.

Each row names the move as a student knows it, with its formula; the functions below do it for a whole equation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.affine import Affine, Scope, Var
from symbackprop.chainrule import recognised
from symbackprop.index import (
    Apply,
    Equation,
    Factor,
    Ref,
    Term,
    Value,
    adjoint_name,
    apply,
    collect,
    fresh,
    function,
    is_adjoint,
    primal_name,
    product,
    refs_of,
    slot,
    variables_of,
)
from symbackprop.rewrite.delta import contract, contract_all
from symbackprop.rewrite.engine import Context, Rule
from symbackprop.tables.activations import ACTIVATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from symbackprop.affine import Cond
    from symbackprop.network import Network

Outcome = tuple[Equation, str] | None


# ---------------------------------------------------------------------------------------------------------------------
# Deltas and sums


def _sum_over_deltas(equation: Equation, context: Context) -> Outcome:
    after = contract_all(equation, context.network.scope())
    if after == equation:
        return None
    return after, ""


def _collect_terms(equation: Equation, context: Context) -> Outcome:  # noqa: ARG001 - the signature of rules
    terms = collect(equation.terms)
    return None if len(terms) == len(equation.terms) else (replace(equation, terms=terms), "")


def _use_facts(equation: Equation, context: Context) -> Outcome:
    terms: list[Term] = []
    notes: list[str] = []
    for term in equation.terms:
        current = term
        for fact in context.network.facts:
            if fact.kind != "sum":
                continue
            while (simpler := _without_sum(current, fact, context.network)) is not None:
                current = simpler
                context.facts_used[fact.name] = fact
                notes.append(fact.text)
        while (simpler := _without_indicator(current, context.network)) is not None:
            current = simpler
            notes.append("every label is one of the classes")
        terms.append(current)
    if not notes:
        return None
    return replace(equation, terms=collect(terms)), ", ".join(dict.fromkeys(notes))


def _without_indicator(term: Term, network: Network) -> Term | None:
    """Σ_k [y = k] c -> c, where k stands in that one indicator alone and runs over all values of the label y."""
    for number, factor in enumerate(term.factors):
        if not isinstance(factor, Apply) or factor.template != function("onehot")(slot(0), slot(1)):
            continue
        label, entry = factor.args
        if not isinstance(label, Ref) or not isinstance(entry, Value):
            continue
        bound = next((b for b in term.bounds if entry.form.single == Var(b.var)), None)
        below = network.tensors[label.tensor].below
        if bound is None or below is None or bound.lo != Affine() or bound.hi != below - 1:
            continue
        rest = tuple(f for k, f in enumerate(term.factors) if k != number)
        without = replace(term, factors=rest, bounds=tuple(b for b in term.bounds if b != bound))
        if bound.var not in without.variables:
            return without
    return None


def _without_sum(term: Term, fact: Any, network: Network) -> Term | None:
    """Σ_k y_k c -> value · c, where the bound index stands in that one factor alone and runs over its whole axis."""
    tensor = network.tensors[fact.tensor]
    place = len(tensor.family) + fact.axis
    for number, factor in enumerate(term.factors):
        if not isinstance(factor, Ref) or factor.tensor != fact.tensor:
            continue
        atom = factor.index[place].single
        bound = next((b for b in term.bounds if isinstance(atom, Var) and b.var == atom.name), None)
        if bound is None or bound.lo.const or not bound.lo.is_constant:
            continue
        family = {b.var: f for b, f in zip(tensor.family, factor.index, strict=False)}
        others = [f for k, f in enumerate(term.factors) if k != number]
        elsewhere: set[str] = set().union(
            *(variables_of(f) for f in others),
            *(c.form.variables for c in term.conditions),
            *(b.lo.variables | b.hi.variables for b in term.bounds),
            *(f.variables for k, f in enumerate(factor.index) if k != place),
        )
        if bound.hi == tensor.axes[fact.axis].substitute(family) - 1 and bound.var not in elsewhere:
            kept = tuple(b for b in term.bounds if b != bound)
            return product(
                term.coefficient * sp.Rational(str(fact.value)),
                others,
                bounds=kept,
                conditions=term.conditions,
                use=term.use,
            )
    return None


# ---------------------------------------------------------------------------------------------------------------------
# Adjoints put into their readers


def _put_in(equation: Equation, context: Context) -> Outcome:
    """One adjoint, everywhere it occurs: the first that is to be put in."""
    for term in equation.terms:
        for factor in term.factors:
            if isinstance(factor, Ref) and is_adjoint(factor.tensor) and primal_name(factor.tensor) in context.put_in:
                name = primal_name(factor.tensor)
                chain = context.chains.get(name)
                if chain is not None:
                    after = _substituted(equation, chain.equation, context)
                    return after, name
    return None


def _substituted(equation: Equation, definition: Equation, context: Context) -> Equation:
    scope = Scope(equation.ranges, context.network.depths)
    terms: list[Term] = []
    for term in equation.terms:
        place = next(
            (k for k, f in enumerate(term.factors) if isinstance(f, Ref) and f.tensor == definition.lhs.tensor), None
        )
        if place is None:
            terms.append(term)
            continue
        terms.extend(_expanded(term, place, definition))
    kept = (contract(t, scope) for t in terms)
    return replace(equation, terms=collect(t for t in kept if t is not None))


def _expanded(term: Term, place: int, definition: Equation) -> Iterator[Term]:
    ref = term.factors[place]
    assert isinstance(ref, Ref)  # noqa: S101 - found as such
    names = [str(form.single) for form in definition.lhs.index]
    mapping = dict(zip(names, ref.index, strict=True))
    taken = set(term.variables) | {b.var for b in term.bounds} | set(names)
    for source in definition.terms:
        renamed = source.rename_bounds({b.var: fresh(b.var, taken) for b in source.bounds})
        image = renamed.substitute(mapping)
        yield product(
            term.coefficient * image.coefficient,
            (*term.factors[:place], *image.factors, *term.factors[place + 1 :]),
            bounds=(*term.bounds, *image.bounds),
            conditions=term.conditions | image.conditions,
            use=term.use,
        )


# ---------------------------------------------------------------------------------------------------------------------
# Definitions read backwards


def match(
    pattern: tuple[Affine, ...], actual: tuple[Affine, ...], known: Mapping[str, Affine]
) -> dict[str, Affine] | None:
    """What the letters of a pattern must stand for, or None; forms that are no letter must agree after that."""
    found = dict(known)
    for form, value in zip(pattern, actual, strict=True):
        atom = form.single
        if isinstance(atom, Var):
            if found.setdefault(atom.name, value) != value:
                return None
        elif form.substitute(found) != value:
            return None
    return found


def elementwise_definitions(network: Network) -> dict[str, tuple[tuple[Equation, Apply], ...]]:
    """Forward equations of the form ``a = g(…)`` with one scalar function, by the tensor that it reads first."""
    found: dict[str, list[tuple[Equation, Apply]]] = {}
    for equation in network.equations:
        if len(equation.terms) == 1:
            term = equation.terms[0]
            if term.coefficient == 1 and not term.bounds and not term.conditions and len(term.factors) == 1:
                factor = term.factors[0]
                if isinstance(factor, Apply) and refs_of(factor):
                    found.setdefault(refs_of(factor)[0].tensor, []).append((equation, factor))
    return {name: tuple(pairs) for name, pairs in found.items()}


def named_value(context: Context, template: Any, args: tuple[Ref | Value, ...], scope: Scope) -> Ref | None:
    """The element that the forward pass defines as ``template(args)``, if it is one in range."""
    first = next((a.tensor for a in args if isinstance(a, Ref)), "")
    for equation, factor in context.elementwise.get(first, ()):
        if len(factor.args) != len(args) or recognised(factor.template) != template:
            continue
        mapping: dict[str, Affine] | None = {}
        for pattern, actual in zip(factor.args, args, strict=True):
            if mapping is None or type(pattern) is not type(actual):
                mapping = None
            elif isinstance(pattern, Ref) and isinstance(actual, Ref):
                same = pattern.tensor == actual.tensor
                mapping = match(pattern.index, actual.index, mapping) if same else None
            elif isinstance(pattern, Value) and isinstance(actual, Value):
                mapping = match((pattern.form,), (actual.form,), mapping)
        if mapping is None or any(b.var not in mapping for b in equation.ranges):
            continue
        in_range = all(
            scope.nonnegative(mapping[b.var] - b.lo.substitute(mapping))
            and scope.nonnegative(b.hi.substitute(mapping) - mapping[b.var])
            for b in equation.ranges
        )
        if in_range:
            return Ref(equation.lhs.tensor, tuple(f.substitute(mapping) for f in equation.lhs.index))
    return None


def _each_apply(equation: Equation, context: Context, change: Any) -> Outcome:
    terms: list[Term] = []
    notes: list[str] = []
    for term in equation.terms:
        scope, _ = Scope((*equation.ranges, *term.bounds), context.network.depths).assuming(term.conditions).solved()
        factors: list[Factor] = []
        for factor in term.factors:
            outcome = change(factor, context, scope) if isinstance(factor, Apply) else None
            if outcome is None:
                factors.append(factor)
            else:
                factors.append(outcome[0])
                notes.append(outcome[1])
        terms.append(product(term.coefficient, factors, bounds=term.bounds, conditions=term.conditions, use=term.use))
    return (replace(equation, terms=tuple(terms)), "; ".join(dict.fromkeys(notes))) if notes else None


def _slope_through_output(equation: Equation, context: Context) -> Outcome:
    if context.choices.slopes != "output":
        return None
    return _each_apply(equation, context, _slope_of_row)


def _slope_of_row(factor: Apply, context: Context, scope: Scope) -> tuple[Factor, str] | None:
    """σ′(z) -> a(1-a) where the table gives the slope by the output and the forward pass names the output."""
    for call in sorted(factor.template.atoms(sp.Function), key=str):
        name = str(getattr(call.func, "row", ""))
        if name not in ACTIVATION or call.func.order != 1 or len(call.args) != 1 or name in context.network.functions:
            continue
        x, y = slot(0), slot(1)
        by_output = ACTIVATION[name].slope(x, y)
        if by_output.free_symbols != {y} or not call.args[0].is_Symbol:
            continue
        arg = factor.args[int(call.args[0].name[1:])]
        output = named_value(context, function(name)(slot(0)), (arg,), scope)
        if output is not None:
            new = slot(len(factor.args))
            template = factor.template.xreplace({call: by_output.xreplace({y: new})})
            return apply(template, *factor.args, output), f"{name}:{output.tensor}"
    return None


def _definition_backwards(equation: Equation, context: Context) -> Outcome:
    return _each_apply(equation, context, _defined_part)


def _defined_part(factor: Apply, context: Context, scope: Scope) -> tuple[Factor, str] | None:
    """A function value that the forward pass has named: e^z -> a where a = e^z."""
    for call in sorted(factor.template.atoms(sp.Function), key=lambda f: (-sp.count_ops(f), str(f))):
        places = sorted(int(s.name[1:]) for s in call.free_symbols if s.name[1:].isdigit())
        if not places or getattr(call.func, "order", 0) != 0:
            continue
        template = call.xreplace({slot(old): slot(new) for new, old in enumerate(places)})
        output = named_value(context, template, tuple(factor.args[p] for p in places), scope)
        if output is not None:
            new = slot(len(factor.args))
            return apply(factor.template.xreplace({call: new}), *factor.args, output), output.tensor
    return None


def _known_gradient(equation: Equation, context: Context) -> Outcome:
    """∂C/∂W = (σ′ ⊙ ∂C/∂a) aᵀ -> ∂C/∂b aᵀ where ∂C/∂b = σ′ ⊙ ∂C/∂a was found before."""
    if context.choices.signals != "activation" or primal_name(equation.lhs.tensor) not in context.network.parameters:
        return None
    for name in context.network.parameters:
        chain = context.chains.get(name)
        if chain is None or len(chain.equation.terms) != 1 or len(chain.equation.terms[0].factors) < 2:  # noqa: PLR2004
            continue
        source = chain.equation.terms[0]
        if source.bounds or source.conditions or adjoint_name(name) == equation.lhs.tensor:
            continue
        terms = tuple(_with_gradient(term, source, chain.equation.lhs) for term in equation.terms)
        if terms != equation.terms:
            return replace(equation, terms=terms), name
    return None


def _with_gradient(term: Term, source: Term, lhs: Ref) -> Term:
    signal = next((f for f in source.factors if isinstance(f, Ref) and is_adjoint(f.tensor)), None)
    here = next((f for f in term.factors if signal and isinstance(f, Ref) and f.tensor == signal.tensor), None)
    if signal is None or here is None:
        return term
    mapping = match(signal.index, here.index, {})
    if mapping is None or any(str(f.single) not in mapping for f in lhs.index):
        return term
    image = source.substitute(mapping)
    rest = list(term.factors)
    for factor in image.factors:
        if factor not in rest:
            return term
        rest.remove(factor)
    found = Ref(lhs.tensor, tuple(f.substitute(mapping) for f in lhs.index))
    return product(
        term.coefficient / image.coefficient,
        (found, *rest),
        bounds=term.bounds,
        conditions=term.conditions,
        use=term.use,
    )


# ---------------------------------------------------------------------------------------------------------------------
# Order


def _in_order(equation: Equation, context: Context) -> Outcome:  # noqa: ARG001 - the signature of rules
    """Base cases first; under equal conditions no leading minus sign, unless all terms have one: -y + p -> p - y."""
    groups: dict[frozenset[Cond], list[Term]] = {}
    for term in equation.terms:
        groups.setdefault(term.conditions, []).append(term)
    bases_first = sorted(groups, key=lambda conditions: not any(c.kind == "==" for c in conditions))
    ordered: list[Term] = []
    for conditions in bases_first:
        group = groups[conditions]
        turn = group[0].coefficient < 0 and len(group) <= 2  # noqa: PLR2004 - a difference, not a long sum
        ordered += sorted(group, key=lambda t: bool(t.coefficient < 0)) if turn else group
    return None if tuple(ordered) == equation.terms else (replace(equation, terms=tuple(ordered)), "")


RULES = (
    Rule(
        name="sum over a delta",
        formula="sum_j delta_ij f_j -> f_i",
        rewrite=_sum_over_deltas,
        shrinks="number of bound indices",
    ),
    Rule(name="like terms", formula="c f + d f -> (c+d) f", rewrite=_collect_terms, shrinks="number of terms"),
    Rule(
        name="put in",
        formula="the adjoint that was just found takes the place of its name",
        rewrite=_put_in,
        shrinks="number of adjoints that are to be put in",
    ),
    Rule(
        name="slope through the output",
        formula="sigma'(z) -> a (1 - a), where a = sigma(z)",
        rewrite=_slope_through_output,
        shrinks="number of slopes written by their argument",
    ),
    Rule(
        name="definition read backwards",
        formula="g(z) -> a, where a = g(z)",
        rewrite=_definition_backwards,
        shrinks="number of function values",
    ),
    Rule(
        name="given fact",
        formula="sum_k y_k f -> f, where sum_k y_k = 1",
        rewrite=_use_facts,
        shrinks="number of bound indices",
    ),
    Rule(
        name="known gradient",
        formula="delta a^T -> (dC/db) a^T, where dC/db = delta",
        rewrite=_known_gradient,
        shrinks="number of factors",
    ),
    Rule(
        name="order",
        formula="-y + p -> p - y; the base case first",
        rewrite=_in_order,
        shrinks="leading minus signs and base cases that come late",
    ),
)


def reads(equation: Equation) -> frozenset[str]:
    """Names of the tensors (adjoints with their sign) on the right side."""
    return frozenset(ref.tensor for term in equation.terms for f in term.factors for ref in refs_of(f))
