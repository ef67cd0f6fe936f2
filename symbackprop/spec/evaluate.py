"""Expressions of the forward text as values: names resolved, axes aligned, everything spelled out in indices.

One ``Evaluator`` serves one statement. What cannot stand inside a scalar function (a matrix product under an
activation, a softmax inside a product) is handed to ``world.intermediate``, which gives it a name.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import sympy as sp

from symbackprop.affine import Affine, Bound, size, var
from symbackprop.errors import SpecError, nearest
from symbackprop.index import Apply, Ref, Value, function, product
from symbackprop.spec import calls, limits, rearrange, reduce, value
from symbackprop.spec.conditions import condition_regions
from symbackprop.spec.families import brackets
from symbackprop.spec.forms import NotAffineError, affine_of, size_atom
from symbackprop.spec.names import unknown
from symbackprop.spec.recognise import recognise
from symbackprop.spec.syntax import base_name, text_of
from symbackprop.spec.value import AlignError, Axis, Val, align, pointwise, shown, single, template_of, times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.spec.lower import World


class UndeterminedError(Exception):
    """A tensor whose axes are not known yet is read; its name is the argument."""


@dataclass(slots=True)
class Evaluator:
    """Values of expressions in one statement.

    ``loops`` are the loops around it, ``letters`` the element letters in force (left side, reductions),
    ``reduced`` the family letters of reductions around the present place, ``bindings`` the arguments of a loss.
    With ``tentative``, an elementwise operand whose axes are unknown yet is passed over.
    """

    world: World
    statement: str
    loops: tuple[Bound, ...]
    letters: dict[str, Bound] = field(default_factory=dict)
    reduced: dict[str, Bound] = field(default_factory=dict)
    bindings: dict[str, Val | None] = field(default_factory=dict)
    tentative: bool = False
    result: str | None = None
    place: ast.AST | None = None

    # -- errors and small helpers -------------------------------------------------------------------------------

    def error(self, message: str, node: ast.AST | None, *, shape: bool = False) -> SpecError:
        return self.world.source.error(message, self.place or node, shape=shape)

    def fresh(self) -> str:
        return self.world.fresh_variable()

    def named(self, val: Val, stem: str) -> Val:
        """The value under a name of its own, as a plain element."""
        return self.world.intermediate(val, stem, self)

    def scalar(self, val: Val, stem: str = "s") -> Val:
        """The value as something a scalar function can take."""
        if val.is_pointwise:
            return val
        if not val.is_special and val.terms and all(term.coefficient < 0 for term in val.terms):
            return self.named(val.scaled(-1), stem).scaled(-1)  # exp(-(W @ x)): the product gets the name
        return self.named(val, stem)

    def copied(self, val: Val) -> Val:
        """The value with variables of its own, so that it can be used twice."""
        names = {axis.var: self.fresh() for axis in val.axes}
        copy = val.rename(names)
        terms = tuple(t.rename_bounds({b.var: self.fresh() for b in t.bounds}) if t.bounds else t for t in copy.terms)
        return replace(copy, terms=terms)

    # -- expressions --------------------------------------------------------------------------------------------

    def evaluate(self, node: ast.expr) -> Val:
        """The value of an expression.

        Raises: SpecError or ShapeError with the place; UndeterminedError.
        """
        match node:
            case ast.Constant():
                result = self.constant(node)
            case ast.Name():
                result = self.name(node)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                result = self.sign(node)
            case ast.BinOp():
                result = self.operation(node)
            case ast.UnaryOp() | ast.Compare() | ast.BoolOp():
                result = self.comparison(node)
            case ast.Attribute():
                result = self.transpose(node)
            case ast.Subscript():
                result = self.subscript(node)
            case ast.Call():
                result = calls.call(self, node)
            case _:
                message = f"'{text_of(node)}' cannot stand here"
                raise self.error(message, node)
        return result

    def constant(self, node: ast.Constant) -> Val:
        if isinstance(node.value, str):
            message = f"'{node.value}' names an axis; only reductions take one"
            raise self.error(message, node)
        return value.number(node.value)

    def sign(self, node: ast.UnaryOp) -> Val:
        inner = self.evaluate(node.operand)
        if isinstance(node.op, ast.UAdd):
            return inner
        return (self.named(inner, "u") if inner.is_special else inner).scaled(-1)

    def name(self, node: ast.Name) -> Val:
        name = node.id
        if name in self.bindings:
            bound_to = self.bindings[name]
            if bound_to is None:
                raise UndeterminedError(name)
            return self.copied(bound_to)
        bound = self.bound_of(name)
        if bound is not None:
            self.world.warn_hidden(name, "an index letter")
            return value.of_form(var(name))
        if name in self.world.tensor_names:
            if name in self.world.size_names:
                self.world.warn_hidden(name, "a tensor")
            return self.tensor(node, name, ())
        if name in self.world.size_names:
            return value.of_form(size(name))
        known = {*self.world.tensor_names, *self.world.size_names, *self.letters, *(b.var for b in self.loops)}
        message = f"unknown name: {unknown('tensor, size or index', name, known)}"
        raise self.error(message, node)

    def bound_of(self, name: str) -> Bound | None:
        """The range of an index letter in force, or None."""
        for bound in self.loops:
            if bound.var == name:
                return bound
        if name in self.reduced:
            return self.reduced[name]
        if name in self.letters:
            return self.letters[name]
        return self.world.index_bound(name)

    def index_form(self, node: ast.expr) -> Affine:
        """An index expression as an affine form.

        Raises: SpecError where it is none.
        """
        letters = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and self.bound_of(n.id) is not None}
        plain = size_atom(letters)

        def atom(inner: ast.expr) -> Affine | None:
            if isinstance(inner, ast.Name) and inner.id not in letters and inner.id not in self.world.size_names:
                known = {*self.world.size_names, *self.world.declared.indices, *(b.var for b in self.loops)}
                hint = (
                    "; to pick elements by an integer tensor use gather(E, y)"
                    if inner.id in self.world.tensor_names
                    else f"; {nearest(inner.id, known)}"
                )
                message = f"'{inner.id}' is no index{hint}"
                raise NotAffineError(message, inner)
            return plain(inner)

        try:
            form = affine_of(node, atom)
        except NotAffineError as error:
            raise self.error(str(error), error.node) from None
        stray = form.sizes - self.world.size_names  # inside a size, as the l of n[l]
        if stray:
            message = f"'{min(stray)}' is no index; {nearest(min(stray), self.world.size_names)}"
            raise self.error(message, node)
        return form

    def is_index(self, node: ast.expr) -> bool:
        """True where an expression is made of index letters, sizes and whole numbers."""
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name):
                if inner.id in self.bindings:
                    return False
                if self.bound_of(inner.id) is None and (
                    inner.id in self.world.tensor_names or inner.id not in self.world.size_names
                ):
                    return False
            elif isinstance(inner, ast.Call | ast.Attribute | ast.Compare | ast.BoolOp):
                return False
        try:
            self.index_form(node)
        except SpecError:
            return False
        return True

    # -- tensors and indexing -----------------------------------------------------------------------------------

    def tensor(self, node: ast.expr, name: str, family: tuple[Affine, ...]) -> Val:
        """A tensor, or a member of a family, as a whole."""
        count = self.world.families.count(name)
        if len(family) != count:
            letters = self.world.families.table[name].letters if count else ()
            written = name + "".join(f"[{letter}]" for letter in letters)
            message = f"'{name}' is a family over {', '.join(letters)}; write a member, as in {written}"
            raise self.error(message, node)
        self.world.check_defined(name, node, self)
        sizes = self.world.axes_of(name, family)
        axes = tuple(Axis(self.fresh(), s) for s in sizes)
        return value.of_factor(axes, Ref(name, (*family, *(var(axis.var) for axis in axes))))

    def subscript(self, node: ast.Subscript) -> Val:
        name = base_name(node)
        groups = brackets(node)
        base = node
        while isinstance(base, ast.Subscript):
            base = base.value  # type: ignore[assignment]
        if isinstance(base, ast.Name) and name not in self.bindings and self.bound_of(name) is None:
            if name in self.world.tensor_names:
                count = self.world.families.count(name)
                for group in groups[:count]:
                    if len(group) != 1 or isinstance(group[0], ast.Slice):
                        written = name + "".join(f"[{letter}]" for letter in self.world.families.table[name].letters)
                        message = f"'{name}' is a family; one index in each bracket, as in {written}"
                        raise self.error(message, node)
                result = self.tensor(node, name, tuple(self.index_form(g[0]) for g in groups[:count]))
                for group in groups[count:]:
                    result = self.indexed(result, group, node)
                return result
            if name in self.world.size_names:
                return value.of_form(self.index_form(node))
        result = self.evaluate(base)
        for group in groups:
            result = self.indexed(self.named(result, "u") if result.is_special else result, group, node)
        return result

    def indexed(self, val: Val, items: Sequence[ast.expr], node: ast.expr) -> Val:
        """Element indices and slices of a value."""
        if len(items) > len(val.axes) or (
            len(items) < len(val.axes) and not any(isinstance(i, ast.Slice) for i in items)
        ):
            count = f"{len(items)} {'index' if len(items) == 1 else 'indices'}"
            message = f"{count} for the axes {shown(val.sizes)} in '{text_of(node)}'"
            raise self.error(message, node, shape=True)
        mapping: dict[str, Affine] = {}
        axes: list[Axis] = []
        guards: list[tuple[Affine, Affine]] = []
        for axis, item in zip(val.axes, [*items, *[ast.Slice()] * (len(val.axes) - len(items))], strict=True):
            if isinstance(item, ast.Slice):
                low = self.slice_end(item.lower, Affine(), axis.size)
                high = self.slice_end(item.upper, axis.size, axis.size)
                if (high - low).is_constant and (high - low).const < 1:
                    message = f"the slice '{text_of(item)}' is empty"
                    raise self.error(message, node, shape=True)
                fresh = Axis(self.fresh(), high - low)
                axes.append(fresh)
                mapping[axis.var] = var(fresh.var) + low
                continue
            form = self.index_form(item)
            if form.is_constant and form.const < 0 and base_name(node) not in self.world.declared.outside:
                message = f"element indices count from 0; {form} is outside axis {axis.size}"
                raise self.error(message, item, shape=True)
            mapping[axis.var] = form
            guards.append((form, axis.size))
        result = val.substitute(mapping, tuple(axes))
        if base_name(node) in self.world.declared.outside:
            return self.world.zero_outside(result, guards, self)
        return result

    def slice_end(self, node: ast.expr | None, default: Affine, extent: Affine) -> Affine:
        if node is None:
            return default
        form = self.index_form(node)
        return form + extent if form.is_constant and form.const < 0 else form

    def transpose(self, node: ast.Attribute) -> Val:
        inner = self.evaluate(node.value)
        if len(inner.axes) != 2:  # noqa: PLR2004
            hint = (
                "a vector needs none" if len(inner.axes) < 2 else "turn more in index form, as in  y[b,c,a] = x[a,b,c]"  # noqa: PLR2004
            )
            message = f".T is for two axes, and '{text_of(node.value)}' has {shown(inner.sizes)}; {hint}"
            raise self.error(message, node, shape=True)
        return replace(inner, axes=inner.axes[::-1])

    # -- operators ----------------------------------------------------------------------------------------------

    def operation(self, node: ast.BinOp) -> Val:
        # The left spine is walked in a loop, so that a sum of many terms needs no deep recursion.
        spine: list[ast.BinOp] = [node]
        while isinstance(spine[-1].left, ast.BinOp):
            spine.append(spine[-1].left)
        result = self.operand(spine[-1].left)
        for step in reversed(spine):
            right = self.operand(step.right)
            if result is not None and right is not None:
                result = self.combine(step, result, right)
            else:
                known = result if right is None else right
                elementwise = not isinstance(step.op, ast.MatMult)
                result = known if elementwise and known is not None and known.axes else None
        if result is None:
            raise UndeterminedError
        return result

    def operand(self, node: ast.expr) -> Val | None:
        """The value of an operand; None in a tentative pass where its axes are unknown yet."""
        try:
            return self.evaluate(node)
        except UndeterminedError:
            if self.tentative:
                return None
            raise

    def combine(self, node: ast.BinOp, left: Val, right: Val) -> Val:
        if isinstance(node.op, ast.MatMult):
            return self.matmul(node, left, right)
        if isinstance(node.op, ast.Div) and (softmax := reduce.softmax_quotient(self, left, right)) is not None:
            return softmax
        left, right = (self.named(v, "u") if v.is_special else v for v in (left, right))
        if isinstance(node.op, ast.Pow):
            return self.power(node, left, right)
        axes, right = self.aligned(node, left, right)
        if isinstance(node.op, ast.Add | ast.Sub):
            if len(axes) > max(len(left.axes), len(right.axes)):
                self.world.warn_pairs(node, shown(left.sizes), shown(right.sizes))
            return self.add(axes, left, right, subtract=isinstance(node.op, ast.Sub))
        if isinstance(node.op, ast.Div):
            if right.number == 0:
                message = "division by zero"
                raise self.error(message, node)
            # Only the divisor's own terms matter here; the axes are those of the aligned result.
            if right.number is not None:
                return replace(left.scaled(1 / right.number), form=None)
            right = pointwise(lambda t: 1 / t, right.axes, single(self.scalar(right, "u")))
        return self.multiply(axes, left, right)

    def aligned(self, node: ast.expr, left: Val, right: Val) -> tuple[tuple[Axis, ...], Val]:
        try:
            return align(left, right)
        except AlignError as error:
            message = (
                f"axes do not align in '{text_of(node)}': {shown(left.sizes)} with {shown(right.sizes)}; {error}; "
                f"or use index form, as in  y[i,j] = a[i,j] + b[j]"
            )
            raise self.error(message, node, shape=True) from None

    def add(self, axes: tuple[Axis, ...], left: Val, right: Val, *, subtract: bool) -> Val:
        form = None
        if left.form is not None and right.form is not None:
            form = left.form - right.form if subtract else left.form + right.form
            return value.of_form(form)
        if subtract:
            right = right.scaled(-1)
        return Val(axes, (*left.terms, *right.terms))

    def multiply(self, axes: tuple[Axis, ...], left: Val, right: Val) -> Val:
        form = None
        if left.form is not None and right.form is not None and (left.form.is_constant or right.form.is_constant):
            form = right.form * left.form.const if left.form.is_constant else left.form * right.form.const
        left, right = self.as_factor(left, right), self.as_factor(right, left)
        if any(t.bounds for t in left.terms) and any(t.bounds for t in right.terms):
            left, right = self.named(left, "u"), self.named(right, "u")
        whole = self.recognised(axes, left, right)
        return whole or Val(axes, tuple(times(a, b) for a in left.terms for b in right.terms), form)

    def recognised(self, axes: tuple[Axis, ...], left: Val, right: Val) -> Val | None:
        """A quotient of exponentials that is a known function, such as e^z / (1 + e^z)."""
        if not (
            left.is_pointwise and right.is_pointwise and _has_exp(left) and (_has_exp(right) or _has_sigmoid(right))
        ):
            return None
        args: list[Ref | Value] = []
        template = template_of(left, args) * template_of(right, args)
        return value.of_template(axes, template, args) if recognise(template) != template else None

    def as_factor(self, val: Val, other: Val) -> Val:
        """A factor of a product: one term, or a sum that a constant is multiplied into."""
        if len(val.terms) <= 1 or (other.is_constant and len(other.terms) <= 1):
            return val
        return single(val) if val.is_pointwise else self.named(val, "u")

    def power(self, node: ast.BinOp, base: Val, exponent: Val) -> Val:
        number = exponent.number
        if number is not None:
            if abs(number) > limits.EXPONENT or number.q > limits.EXPONENT:
                message = f"the power {number} is beyond the limit of {limits.EXPONENT}"
                raise self.error(message, node)
            if base.number == 0 and number < 0:
                message = "division by zero"
                raise self.error(message, node)
            result = pointwise(lambda t: t**number, base.axes, single(self.scalar(base, "r")))
            return (
                result
                if base.number is None
                else replace(result, form=value.number(result.number).form if result.number is not None else None)
            )
        axes, exponent = self.aligned(node, base, exponent)
        base, exponent = single(self.scalar(base, "r")), single(self.scalar(exponent, "u"))
        return pointwise(lambda b, e: b**e, axes, base, exponent)

    def matmul(self, node: ast.BinOp, left: Val, right: Val) -> Val:
        text = f"'{text_of(node)}'"
        for side, val in (("left", left), ("right", right)):
            if not val.axes:
                message = f"@ needs axes on both sides, and the {side} of {text} is a scalar; use *"
                raise self.error(message, node, shape=True)
        if len(right.axes) > 2:  # noqa: PLR2004
            message = (
                f"@ takes one or two axes on its right, and the right of {text} has {shown(right.sizes)}; use index "
                f"form, as in  y[n,t,k] = sum(a[n,t,j] * b[n,j,k], j)"
            )
            raise self.error(message, node, shape=True)
        if left.axes[-1].size != right.axes[0].size:
            raise self.error(self.mismatch(node, left, right), node, shape=True)
        left, right = self.matrix_factor(left), self.matrix_factor(right)
        axis, partner = left.axes[-1], right.axes[0]
        right = right.rename({partner.var: axis.var})
        bound = Bound(axis.var, Affine(), axis.size - 1)
        terms = []
        for a in left.terms:
            for b in right.terms:
                joined = times(a, b)
                terms.append(replace(joined, bounds=(*joined.bounds, bound)))
        return Val((*left.axes[:-1], *right.axes[1:]), tuple(terms))

    def matrix_factor(self, val: Val) -> Val:
        if val.is_special or any(t.bounds for t in val.terms):
            return self.named(val, "u")
        if len(val.terms) > 1:
            return single(val) if val.is_pointwise else self.named(val, "u")
        return val

    def mismatch(self, node: ast.BinOp, left: Val, right: Val) -> str:
        a, b = left.sizes, right.sizes
        tries = []
        turned_left, turned_right = len(a) == 2, len(b) == 2  # noqa: PLR2004
        if turned_right and a[-1] == b[1]:
            tries.append(f"{_operand(node.left)} @ {_turned(node.right)}")
        if turned_left and a[0] == b[0]:
            tries.append(f"{_turned(node.left)} @ {_operand(node.right)}")
        if b[-1] == a[0] and len(a) <= 2:  # noqa: PLR2004
            tries.append(f"{_operand(node.right)} @ {_operand(node.left)}")
        fit = f"  {' or '.join(tries)}  would fit" if tries else f"the right needs {a[-1]} as its first axis"
        return (
            f"axes do not fit in '{text_of(node)}': {shown(a)} @ {shown(b)} would contract {a[-1]} with {b[0]}; {fit}"
        )

    # -- comparisons --------------------------------------------------------------------------------------------

    def comparison(self, node: ast.expr) -> Val:
        """A comparison as a number: 1 where it holds, else 0."""
        regions = condition_regions(self, node)
        if regions is not None:
            return Val((), tuple(product(1, [], conditions=region) for region in regions[0]))
        return rearrange.value_condition(self, node)


def _has_exp(val: Val) -> bool:
    return any(isinstance(f, Apply) and f.template.has(sp.exp) for term in val.terms for f in term.factors)


def _has_sigmoid(val: Val) -> bool:
    return any(isinstance(f, Apply) and f.template.has(function("sigmoid")) for term in val.terms for f in term.factors)


def _turned(node: ast.expr) -> str:
    """The transpose as one writes it: ``W.T``, and ``W`` for ``W.T``."""
    return _operand(node.value) if isinstance(node, ast.Attribute) else f"{_operand(node)}.T"


def _operand(node: ast.expr) -> str:
    text = text_of(node)
    return f"({text})" if isinstance(node, ast.BinOp | ast.UnaryOp) else text
