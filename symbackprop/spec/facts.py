"""``[facts]`` and ``[functions]``: text of listed kinds, turned into data the engine can use and draw values for."""

from __future__ import annotations

import ast
import difflib
import itertools
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.affine import var
from symbackprop.errors import nearest
from symbackprop.index import Compare, Where, slot
from symbackprop.network import Fact, UserFunction
from symbackprop.spec import limits
from symbackprop.spec.families import brackets
from symbackprop.spec.forms import NotAffineError, affine_of, size_atom
from symbackprop.spec.names import unknown
from symbackprop.spec.recognise import recognise
from symbackprop.spec.syntax import base_name, parse_expression, text_of
from symbackprop.tables import activations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.errors import SpecError
    from symbackprop.index import Tensor
    from symbackprop.spec.declared import Declared
    from symbackprop.spec.source import Source

_KINDS = "sum(Y, 'axis') == number, Y > 0 and Y >= 0"
_COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}


def read_functions(declared: Declared, source: Source) -> dict[str, UserFunction]:
    """The functions of ``[functions]``; a formula becomes a template in its argument ``x``.

    Raises: SpecError for formulas that use anything but ``x``, numbers, operators and known functions.
    """
    found: dict[str, UserFunction] = {}
    for name, (count, text) in declared.functions.items():
        if text in {"opaque", "opaque loss"}:
            found[name] = UserFunction(name=name, kind=text, family=count, text=text)
            continue
        if not text.strip() or "opaque" in text.split() or difflib.get_close_matches(text, ("opaque", "opaque loss")):
            message = f'[functions] {name} = \'{text[:40]}\': write "opaque", "opaque loss" or a formula in x'
            raise source.error(message)
        formula = _Formula(name, text, declared, source)
        found[name] = UserFunction(name=name, kind="formula", template=formula.template(), text=text)
    return found


class _Formula:
    """A formula in ``x`` as a SymPy template, built node by node."""

    def __init__(self, name: str, text: str, declared: Declared, source: Source) -> None:
        self.name, self.text, self.declared, self.source = name, text, declared, source

    def fail(self, message: str) -> SpecError:
        return self.source.error(f"[functions] {self.name} = '{self.text[:60]}': {message}")

    def template(self) -> Any:
        return recognise(self.build(parse_expression(self.text, self.source, f"[functions] {self.name}"), (self.name,)))

    def build(self, node: ast.expr, inside: tuple[str, ...]) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | Fraction):
            return sp.Rational(node.value.numerator, node.value.denominator)
        if isinstance(node, ast.Name):
            if node.id != "x":
                message = f"'{node.id}' is unknown; x is the argument and there is no other name"
                raise self.fail(message)
            return slot(0)
        if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Not):
            inner = self.build(node.operand, inside)
            return -inner if isinstance(node.op, ast.USub) else inner
        if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.MatMult):
            return self.operation(node.op, self.build(node.left, inside), self.build(node.right, inside))
        if isinstance(node, ast.Compare):
            sides = [self.build(side, inside) for side in (node.left, *node.comparators)]
            links = [
                Compare(sp.Symbol(_COMPARISONS[type(op)]), a, b)
                for op, (a, b) in zip(node.ops, itertools.pairwise(sides), strict=True)
            ]
            return sp.Mul(*links)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return self.call(node.func.id, [self.build(arg, inside) for arg in node.args], inside)
        message = f"'{text_of(node)}' is not elementwise; a formula has numbers, x, + - * / ** and functions"
        raise self.fail(message)

    def operation(self, op: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(op, ast.Add):
            return left + right
        if isinstance(op, ast.Sub):
            return left - right
        if isinstance(op, ast.Mult):
            return left * right
        if isinstance(op, ast.Div):
            if right == 0:
                message = "division by zero"
                raise self.fail(message)
            return left / right
        if right.is_Rational and (abs(right) > limits.EXPONENT or right.q > limits.EXPONENT):
            message = f"the power {right} is beyond the limit of {limits.EXPONENT}"
            raise self.fail(message)
        return left**right

    def call(self, name: str, args: list[Any], inside: tuple[str, ...]) -> Any:
        if name == "where" and len(args) == 3:  # noqa: PLR2004
            return Where(*args)
        if len(args) != 1:
            message = f"'{name}' takes one argument here"
            raise self.fail(message)
        if name in self.declared.functions:
            text = self.declared.functions[name][1]
            if name in inside:
                message = f"'{name}' is defined by itself"
                raise self.fail(message)
            if text in {"opaque", "opaque loss"}:
                message = f"'{name}' is opaque, so a formula cannot use it"
                raise self.fail(message)
            inner = self.build(parse_expression(text, self.source, f"[functions] {name}"), (*inside, name))
            return inner.xreplace({slot(0): args[0]})
        if name not in activations.names():
            message = f"unknown function '{name}'; {nearest(name, [*activations.names(), 'where'])}"
            raise self.fail(message)
        return activations.template(name, args[0])


def read_facts(declared: Declared, tensors: Mapping[str, Tensor], source: Source) -> tuple[Fact, ...]:
    """The facts of ``[facts]``, each of a listed kind and about an input (or the sign of a parameter).

    Raises: SpecError for other kinds, unknown names, and facts that contradict the network or each other.
    """
    found: list[Fact] = []
    for name, text in declared.facts.items():
        fact = _Reader(name, text, declared, tensors, source).fact()
        for other in found:
            if other.tensor == fact.tensor and _contradict(fact, other):
                message = f"[facts] {name}: '{text}' cannot hold together with {other.name}: '{other.text}'"
                raise source.error(message)
        found.append(fact)
    return tuple(found)


def _contradict(one: Fact, other: Fact) -> bool:
    """Two sums over one tensor have no common way to draw values; entries above 0 add up to more than 0."""
    kinds = {one.kind, other.kind}
    if kinds == {"sum"}:
        return (one.axis, one.value) != (other.axis, other.value)
    if "sum" in kinds and len(kinds) > 1:
        total = one.value if one.kind == "sum" else other.value
        return bool(total < 0 or (total == 0 and "positive" in kinds))
    return False


class _Reader:
    def __init__(self, name: str, text: str, declared: Declared, tensors: Mapping[str, Tensor], source: Source) -> None:
        self.name, self.text, self.declared, self.tensors, self.source = name, text, declared, tensors, source

    def fail(self, message: str) -> SpecError:
        error = self.source.error(f'[facts] {self.name} = "{self.text[:60]}": {message}')
        error.line = self.source.key_line(self.name, "facts")
        return error

    def fact(self) -> Fact:
        node = parse_expression(self.text, self.source, f"[facts] {self.name}")
        if not isinstance(node, ast.Compare) or len(node.ops) != 1:
            message = f"a fact is one of {_KINDS}"
            raise self.fail(message)
        left, op, right = node.left, node.ops[0], node.comparators[0]
        value = self.number(right)
        if (
            isinstance(left, ast.Call)
            and isinstance(left.func, ast.Name)
            and left.func.id == "sum"
            and isinstance(op, ast.Eq)
        ):
            return self.sum_fact(left, value)
        kind = {ast.Gt: "positive", ast.GtE: "nonnegative"}.get(type(op))
        if kind is None or value != 0 or isinstance(left, ast.Call):
            message = f"a fact is one of {_KINDS}"
            raise self.fail(message)
        tensor = self.tensor(left)
        return Fact(name=self.name, kind=kind, tensor=tensor.name, text=self.text)

    def number(self, node: ast.expr) -> sp.Rational:
        sign = 1
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            sign, node = -1, node.operand
        if not isinstance(node, ast.Constant) or not isinstance(node.value, int | Fraction):
            message = "the right side must be a number"
            raise self.fail(message)
        return sp.Rational(node.value.numerator, node.value.denominator) * sign

    def tensor(self, node: ast.expr) -> Tensor:
        name = base_name(node)
        tensor = self.tensors.get(name)
        if tensor is None:
            raise self.fail(unknown("tensor", name or text_of(node), self.declared.shapes))
        if len(brackets(node)) != len(tensor.family):
            letters = "".join(f"[{b.var}]" for b in tensor.family)
            message = f"write {name}{letters}"
            raise self.fail(message)
        if tensor.role not in {"input", "parameter"}:
            message = f"'{name}' is computed by forward, which says all there is; facts are about inputs"
            raise self.fail(message)
        if tensor.below is not None:
            message = f"'{name}' holds integers; its values are declared in [shapes]"
            raise self.fail(message)
        return tensor

    def sum_fact(self, node: ast.Call, value: sp.Rational) -> Fact:
        if not 1 <= len(node.args) <= 2 or node.keywords:  # noqa: PLR2004
            message = f"a fact is one of {_KINDS}"
            raise self.fail(message)
        tensor = self.tensor(node.args[0])
        if tensor.role == "parameter":
            message = f"'{tensor.name}' is a parameter, and every entry of a parameter moves freely"
            raise self.fail(message)
        if len(node.args) == 1:
            if len(tensor.axes) != 1:
                message = f"'{tensor.name}' has {len(tensor.axes)} axes; name one, as in sum({tensor.name}, 'o')"
                raise self.fail(message)
            axis = 0
        else:
            axis = self.axis(node.args[1], tensor, node.args[0])
        return Fact(name=self.name, kind="sum", tensor=tensor.name, axis=axis, value=value, text=self.text)

    def axis(self, node: ast.expr, tensor: Tensor, member: ast.expr) -> int:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            message = "the axis stands in quotes, as in sum(Y, 'o')"
            raise self.fail(message)
        letters = [g[0].id for g in brackets(member) if isinstance(g[0], ast.Name)]
        tree = parse_expression(node.value, self.source, "axis")
        try:
            form = affine_of(tree, size_atom(frozenset(letters)))
        except NotAffineError as error:
            raise self.fail(str(error)) from None
        names = {b.var: letter for b, letter in zip(tensor.family, letters, strict=False)}
        mapping = {old: var(new) for old, new in names.items()}
        axes = [axis.substitute(mapping) for axis in tensor.axes]
        if form not in axes:
            message = f"'{tensor.name}' has no axis '{node.value}'; {nearest(node.value, map(str, axes))}"
            raise self.fail(message)
        return len(axes) - 1 - axes[::-1].index(form)
