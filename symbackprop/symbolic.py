"""The door to and from ordinary SymPy: ``Indexed``, ``Sum``, ``KroneckerDelta``, ``Eq``, applied functions.

``to_sympy`` turns an equation (or a term) into SymPy, so that people can go on there; ``from_sympy`` reads such an
expression back. Elements are ``Indexed`` (family indices first), tensors without axes are symbols, sizes are positive
integer symbols, a family of sizes is an ``IndexedBase``. Conditions are Kronecker deltas and one-armed ``Piecewise``.

>>> from symbackprop.affine import Bound, const, var
>>> from symbackprop.index import Equation, Ref, product
>>> i, j = var("i"), var("j")
>>> term = product(2, [Ref("W", (i, j)), Ref("x", (j,))], bounds=[Bound("j", const(0), const(2))])
>>> to_sympy(term)
2*Sum(W[i, j]*x[j], (j, 0, 2))
"""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.affine import Affine, Bound, Cond, Size, condition
from symbackprop.affine import size as size_form
from symbackprop.affine import var as var_form
from symbackprop.errors import UnsupportedError
from symbackprop.index import (
    Along,
    Apply,
    Compare,
    Equation,
    Factor,
    Opaque,
    Ref,
    Term,
    Value,
    Where,
    apply,
    product,
    slot,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.index import Tensor


class AlongAxis(sp.Function):  # type: ignore[misc]
    """``AlongAxis(name, element, sizes, entry)``: our node for softmax and its kin, inside SymPy."""


def index_to_sympy(form: Affine) -> Any:
    """An index as a SymPy integer expression."""
    total: Any = sp.Integer(form.const)
    for atom, c in form.terms:
        if isinstance(atom, Size):
            base: Any = (
                sp.IndexedBase(atom.name)[tuple(map(index_to_sympy, atom.at))]
                if atom.at
                else (sp.Symbol(atom.name, integer=True, positive=True))
            )
        else:
            base = sp.Symbol(atom.name, integer=True)
        total += c * base
    return total


@singledispatch
def to_sympy(thing: Any) -> Any:
    """The SymPy expression of an equation (as ``Eq``), a term or a factor.

    Raises: UnsupportedError for anything else.
    """
    message = f"no SymPy form for {type(thing).__name__}; there is one for equations, terms and their factors"
    raise UnsupportedError(message)


@to_sympy.register
def _(ref: Ref) -> Any:
    if not ref.index:
        return sp.Symbol(ref.tensor, real=True)
    return sp.IndexedBase(ref.tensor, real=True)[tuple(map(index_to_sympy, ref.index))]


@to_sympy.register
def _(factor: Apply) -> Any:
    filled = [index_to_sympy(a.form) if isinstance(a, Value) else to_sympy(a) for a in factor.args]
    return factor.template.xreplace({slot(k): value for k, value in enumerate(filled)})


@to_sympy.register
def _(factor: Along) -> Any:
    at = () if factor.at is None else tuple(map(index_to_sympy, factor.at))
    sizes = sp.Tuple(*map(index_to_sympy, factor.sizes))
    return AlongAxis(sp.Symbol(factor.name), to_sympy(factor.arg), sizes, sp.Tuple(*at))


@to_sympy.register
def _(factor: Opaque) -> Any:
    return sp.Function(factor.name)(*map(to_sympy, factor.args))


@to_sympy.register
def _(term: Term) -> Any:
    parts = [_cond_to_sympy(c) for c in sorted(term.conditions, key=lambda c: c.key)]
    parts += [to_sympy(f) for f in term.factors]
    body = sp.Mul(*parts)
    for bound in reversed(term.bounds):
        body = sp.Sum(body, (sp.Symbol(bound.var, integer=True), index_to_sympy(bound.lo), index_to_sympy(bound.hi)))
    # unevaluated, or SymPy multiplies the number into a sum
    return body if term.coefficient == 1 else sp.Mul(term.coefficient, body, evaluate=not body.is_Add)


@to_sympy.register
def _(equation: Equation) -> Any:
    return sp.Eq(to_sympy(equation.lhs), sp.Add(*map(to_sympy, equation.terms)), evaluate=False)


def _cond_to_sympy(cond: Cond) -> Any:
    form = index_to_sympy(cond.form)
    if cond.kind == "==":
        return sp.KroneckerDelta(form, 0)
    truth = {">=": sp.Ge(form, 0), "!=": sp.Ne(form, 0), "mod": sp.Eq(sp.Mod(form, cond.modulus or 1), 0)}[cond.kind]
    return sp.Piecewise((1, truth), (0, True))


# ---------------------------------------------------------------------------------------------------------------------
# Back


def from_sympy(expression: Any, tensors: Mapping[str, Tensor]) -> tuple[Term, ...]:
    """The terms of a SymPy expression built of ``Indexed``, ``Sum``, symbols and functions.

    Raises: UnsupportedError for what has no place in an indexed equation.
    """
    return tuple(_term(part, tensors) for part in sp.Add.make_args(expression))


def equation_from_sympy(equality: Any, like: Equation, tensors: Mapping[str, Tensor]) -> Equation:
    """An ``Eq`` as an equation with the left side and the ranges of ``like``."""
    return Equation(lhs=like.lhs, terms=from_sympy(equality.rhs, tensors), ranges=like.ranges)


def _term(expression: Any, tensors: Mapping[str, Tensor]) -> Term:
    coefficient: Any = sp.S.One
    bounds: list[Bound] = []
    conditions: list[Cond] = []
    factors: list[Factor] = []
    pending = list(sp.Mul.make_args(expression))
    while pending:
        part = pending.pop(0)
        if part.is_Rational:
            coefficient *= part
        elif isinstance(part, sp.Mul):
            pending = [*part.args, *pending]
        elif isinstance(part, sp.Sum):
            bounds += [Bound(str(v), _form(lo), _form(hi)) for v, lo, hi in part.limits]
            pending = [*sp.Mul.make_args(part.function), *pending]
        elif isinstance(part, sp.KroneckerDelta):
            conditions.append(condition("==", _form(part.args[0] - part.args[1])))
        elif isinstance(part, sp.Piecewise):
            conditions.append(_condition(part.args[0].args[1]))
        else:
            factors.append(_factor(part, tensors))
    return product(coefficient, factors, bounds=bounds, conditions=conditions)


def _condition(relation: Any) -> Cond:
    if isinstance(relation, (sp.Ge, sp.Gt, sp.Le, sp.Lt)):
        return condition(">=", _form(relation.gts - relation.lts) - (0 if relation.func in {sp.Ge, sp.Le} else 1))
    if isinstance(relation, sp.Ne):
        return condition("!=", _form(relation.lhs - relation.rhs))
    if isinstance(relation, sp.Eq) and isinstance(relation.lhs, sp.Mod):
        return condition("mod", _form(relation.lhs.args[0]), int(relation.lhs.args[1]))
    message = f"the condition {relation} has no place in an indexed equation; >=, != and congruences have"
    raise UnsupportedError(message)


def _factor(part: Any, tensors: Mapping[str, Tensor]) -> Factor:
    if isinstance(part, AlongAxis):
        name, element, sizes, entry = part.args
        ref = _leaf(element, tensors)
        assert isinstance(ref, Ref)  # noqa: S101 - AlongAxis is built from one
        return Along(str(name), ref, tuple(map(_form, sizes)), tuple(map(_form, entry)) or None)
    leaves: list[Ref | Value] = []
    if isinstance(part, sp.core.function.AppliedUndef) and getattr(part.func, "row", None) is None:
        refs = [_leaf(a, tensors) for a in part.args]
        return Opaque(str(part.func), tuple(r for r in refs if isinstance(r, Ref)))

    def replace(node: Any) -> Any:
        leaf = _leaf(node, tensors)
        if leaf is not None:
            if leaf not in leaves:
                leaves.append(leaf)
            return slot(leaves.index(leaf))
        if not node.args:
            return node
        if isinstance(node, Compare):
            return Compare(node.args[0], *map(replace, node.args[1:]))
        if isinstance(node, (sp.Add, sp.Mul, sp.Pow, Where)) or node.is_Function:
            return node.func(*map(replace, node.args))
        message = f"{node} ({type(node).__name__}) has no place in an indexed equation"
        raise UnsupportedError(message)

    return apply(replace(part), *leaves)


def _leaf(node: Any, tensors: Mapping[str, Tensor]) -> Ref | Value | None:
    if isinstance(node, sp.Indexed):
        name = str(node.base.label)
        index = tuple(map(_form, node.indices))
        return Ref(name, index) if name in tensors else Value(size_form(name, *index))
    if node.is_Symbol:
        return Ref(node.name) if node.name in tensors else Value(_form(node))
    return None


def _form(expression: Any) -> Affine:
    """An affine integer form from SymPy."""
    total = Affine()
    for part in sp.Add.make_args(sp.expand(expression)):
        number, rest = part.as_coeff_Mul()
        if not number.is_Integer:
            message = f"the index {expression} is not an integer form"
            raise UnsupportedError(message)
        if rest == 1:
            total += int(number)
        elif isinstance(rest, sp.Indexed):
            total += size_form(str(rest.base.label), *map(_form, rest.indices)) * int(number)
        elif rest.is_Symbol:
            total += (size_form(rest.name) if rest.is_positive else var_form(rest.name)) * int(number)
        else:
            message = f"the index {expression} is not affine"
            raise UnsupportedError(message)
    return total
