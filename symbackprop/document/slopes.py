"""The slope of an activation through its output, step by step, for activations whose outputs say all about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.chainrule import slope
from symbackprop.document.blocks import (
    Block,
    Derivative,
    Display,
    Entry,
    Equal,
    Formula,
    Note,
    Paragraph,
    Row,
    Sum,
    Times,
)
from symbackprop.index import Apply, Ref, function, product, slot
from symbackprop.tables.activations import ACTIVATION, template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.document.view import View
    from symbackprop.index import Equation
    from symbackprop.network import Network
    from symbackprop.tables.activations import Activation

WORDS = (
    "The backward pass needs the slope of the activation, and the forward pass has computed all that it takes: the "
    "slope can be written with the output alone."
)


def blocks(view: View) -> list[Block]:
    """The lemma for every such activation, each with the slip that is made most."""
    found: list[Block] = []
    for row, equation, argument in used(view.network):
        found += [
            *([Paragraph((WORDS,), lead="The slope.")] if not found else []),
            Display(tuple(rows(row, equation, argument))),
            *_slip(row, equation, argument),
        ]
    return found


def used(network: Network) -> Iterator[tuple[Activation, Equation, Ref]]:
    """Activations that give a tensor by themselves and whose slope is a function of the output; each once."""
    seen: set[str] = set()
    for _, equation in network.walk():
        term = equation.terms[0] if len(equation.terms) == 1 else None
        factor = term.factors[0] if term is not None and len(term.factors) == 1 and not term.bounds else None
        if not isinstance(factor, Apply) or len(factor.args) != 1 or not isinstance(factor.args[0], Ref):
            continue
        name = next((row.name for row in ACTIVATION.values() if factor.template == _call(row)), "")
        if name and name not in seen and name not in network.functions and _speaks(ACTIVATION[name]):
            seen.add(name)
            yield ACTIVATION[name], equation, factor.args[0]


def _call(row: Activation) -> Any:
    """The activation in the templates of equations."""
    return template(row.name, slot(0))


def _speaks(row: Activation) -> bool:
    """True for an activation, no operation of arithmetic, with a slope by its output."""
    return row.from_output and not row.native


def steps(row: Activation, x: Any, y: Any) -> list[tuple[Any, ...]]:
    """Forms of the slope, each as factors: by calculus, split at the output, through the output.

    >>> x, y = sp.symbols("x y", real=True)
    >>> [len(step) for step in steps(ACTIVATION["sigmoid"], x, y)]
    [1, 2, 2, 1]
    """
    output, by_output = row.define(x), row.slope(x, y)
    by_calculus = output.diff(x)
    found: list[tuple[Any, ...]] = [(by_calculus,)]
    if by_output.is_Mul and y in by_output.args:
        found += [(output, sp.powsimp(by_calculus / output)), (output, (by_output / y).subs(y, output))]
    return [*found, (by_output,)]


def rows(row: Activation, equation: Equation, argument: Ref) -> Iterator[Row]:
    """The activation by its formula, and its slope in steps."""
    x, y = slot(0), slot(1)
    output = equation.lhs
    if _printed(row.define(x)) != _call(row):
        call = _applied(_call(row), argument)
        yield Row(Equal((Entry(output), call, _applied(row.define(x), argument))))
    prime = _applied(slope(_call(row), 0), argument)
    forms: list[Formula] = [Derivative(output, argument), prime]
    for step in steps(row, x, y):
        parts = [_applied(each, argument, output) for each in step]
        forms.append(parts[0] if len(parts) == 1 else Times(tuple(parts)))
    yield Row(Equal(tuple(dict.fromkeys(forms))))


def _printed(form: Any) -> Any:
    """The form with functions of the table in the place of SymPy's own."""
    return form.replace(sp.tanh, function("tanh"))


def _applied(form: Any, argument: Ref, output: Ref | None = None) -> Sum:
    """A formula in an entry of the input, slot 0, and of the output, slot 1."""
    form = _printed(form)
    places = [k for k in range(2) if form.has(slot(k))]
    args = [ref for k, ref in enumerate((argument, output)) if ref is not None and k in places]
    moved = form.xreplace({slot(old): slot(new) for new, old in enumerate(places)})
    return Sum((product(1, [Apply(moved, tuple(args))]),))


def _slip(row: Activation, equation: Equation, argument: Ref) -> list[Block]:
    """The slope with the input in the place of the output."""
    by_output = row.slope(slot(0), slot(1))
    right = _applied(by_output, argument, equation.lhs)
    wrong = _applied(by_output.xreplace({slot(1): slot(0)}), argument)
    return [Note("Common slip.", ("The slope is ", right, " with the output, not ", wrong, " with the input."))]
