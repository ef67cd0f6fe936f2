"""Exercises that change the network: a bias, another activation, another factor of the loss, softmax, weight decay.

The changed network is derived anew; what a solution says of the difference is found by comparing both derivations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sympy as sp

from symbackprop.affine import size
from symbackprop.document import backwards, variants
from symbackprop.document.blocks import (
    Block,
    Derivative,
    Display,
    Entry,
    Equal,
    Function,
    Indexed,
    Marked,
    Paragraph,
    Rewritten,
    Row,
    See,
    ShapeOf,
    Sum,
    Whole,
)
from symbackprop.document.exercise import Posed, Setting, changed, elsewhere, under
from symbackprop.document.paths import Unrolled
from symbackprop.document.reasons import stated
from symbackprop.document.scalar import number_of
from symbackprop.document.view import inverse
from symbackprop.index import Along, Ref, Value, apply, product, slot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.derivation import Chain
    from symbackprop.document.blocks import Formula, Span, Spans
    from symbackprop.document.graph import Link
    from symbackprop.document.view import View
    from symbackprop.index import Term

OTHER = {"tanh": "sigmoid", "sigmoid": "tanh", "relu": "softplus"}
"""Which activation takes the place of which; of all others, the hyperbolic tangent does."""
ACTIVATIONS = frozenset(("sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "gelu", "gelu_tanh", "silu"))
SHOWN = 3
"""Changed formulas that are written out."""


def same(one: Chain, other: Chain) -> bool:
    """True where two adjoints have the same formula."""
    return sorted(map(_key, one.equation.terms)) == sorted(map(_key, other.equation.terms))


def _key(term: Term) -> str:
    return str(term.key)


def compared(view: View, other: View) -> tuple[list[Chain], list[Chain]]:
    """The written formulas of the changed network that are others there, and those that stayed."""
    old = {chain.tensor: chain for chain in view.derivation.written}
    moved = [c for c in other.derivation.written if c.tensor not in old or not same(old[c.tensor], c)]
    return moved, [c for c in other.derivation.written if c not in moved]


def result(view: View, chain: Chain) -> Formula:
    """The formula of an adjoint, for whole arrays where they can say it."""
    lifted = view.lifted(chain.equation) if view.matrix or not view.general else None
    return lifted or Indexed(chain.equation)


def numbers(view: View, chains: Sequence[Chain]) -> Spans:
    """References to formulas of the page, with commas and a final "and"."""
    spans: list[Span] = []
    for k, chain in enumerate(chains):
        spans += ["" if not k else " and " if k == len(chains) - 1 else ", ", See(view.label(chain))]
    return tuple(spans)


# ---------------------------------------------------------------------------------------------------------------------


def bias(setting: Setting) -> Posed | None:
    """A bias where there is none, and its gradient."""
    view, network = setting.view, setting.network
    found = None if variants.has_biases(network) else variants.product_with_weight(network)
    made = variants.with_bias(network, *found) if found else None
    if found is None or made is None:
        return None
    equation, _ = found
    other = changed(view, made[0])
    name, chain = made[1], other.derivation.chains[made[1]]
    before = other.network.definitions(equation.lhs.tensor)
    shown = next(e for e in before if any(f.tensor == name for t in e.terms for f in t.factors if isinstance(f, Ref)))
    moved, _ = compared(view, other)
    rest = [c for c in moved if c.tensor != name]
    question = (
        Paragraph(("Add a bias to ", See(view.forward_label(equation)), ":")),
        *elsewhere(other, Indexed(shown)),
        Paragraph(("Find the derivative of the loss by the bias, and say which shape the gradient has.",)),
    )
    answer: list[Block] = [
        Paragraph(
            ("Every entry that it is added to has the derivative 1 by it, so its gradient adds up their signals:",)
        ),
        *elsewhere(other, *_both(other, chain)),
        Paragraph(("It has the shape of the bias, ", under(other, ShapeOf(name)), ". ", *_unchanged(view, rest))),
    ]
    hint = ("What is the derivative of the left side by the bias?",)
    return Posed(title="Biases.", points=3, question=question, answer=tuple(answer), hint=hint)


def _both(view: View, chain: Chain) -> list[Formula]:
    """A result for entries and for whole arrays."""
    lifted = view.lifted(chain.equation)
    return [Indexed(chain.equation), *([lifted] if lifted else [])]


def _unchanged(view: View, moved: Sequence[Chain]) -> Spans:
    if not moved:
        return ("All other formulas stay as they are.",)
    return ("Beside it, ", *numbers(view, moved[:SHOWN]), " changes." if len(moved) == 1 else " change.")


# ---------------------------------------------------------------------------------------------------------------------


def activation(setting: Setting) -> Posed | None:
    """Another activation in the first equation that has one."""
    view, network = setting.view, setting.network
    known = ACTIVATIONS | {name for name, entry in network.functions.items() if entry.kind in {"opaque", "formula"}}
    found = [(e, variants.activation_of(e)) for _, e in network.walk()]
    calls = [(e, call.argument, call.name) for e, call in found if call is not None and call.name in known]
    if not calls:
        return None
    equation, argument, old = calls[0]
    new = OTHER.get(old, "tanh")
    other = changed(view, variants.with_activation(network, equation, new))
    link = _link_of(setting, equation.lhs.tensor, argument.tensor)
    if link is None:
        return None
    moved, stayed = compared(view, other)
    asked: Spans = ("Let ", Function(new), " take the place of the activation in ", See(view.forward_label(equation)))
    answer: list[Block] = [
        Paragraph(("One local derivative is another. It was:",)),
        Display((Row(_slope(view, link)),)),
        Paragraph(("it is now:",)),
        *elsewhere(other, _slope(other, link)),
        *_differences(view, other, moved, stayed),
    ]
    return Posed(
        title="Another activation.",
        points=3,
        question=(Paragraph((*asked, ". Which local derivative changes, and to what? Which formulas change?")),),
        answer=tuple(answer),
    )


def _link_of(setting: Setting, above: str, below: str) -> Link | None:
    """The link between two arrays on a path that the text follows, else that of first entries."""
    graph, target = setting.view.graph, setting.view.followed
    for path in target.paths if target else ():
        for link in path.links:
            if (link.above.tensor, link.below.tensor) == (above, below):
                return link
    if graph is None:
        return None
    element = graph.first(below)
    reader = next((r for r in graph.readers(element) if r.tensor == above), None)
    return graph.link(reader, element) if reader else None


def _slope(view: View, link: Link) -> Equal:
    """The local derivative of a link in the network of a view, by its slope and by its value where both differ."""
    forms: dict[str, Formula] = {}
    for slopes in dict.fromkeys((view.derivation.choices.slopes, "output")):
        found = Unrolled(view.network, slopes=slopes).link(link.above, link.below)
        forms[str(found.terms)] = Marked(Sum(found.terms), found.kind)
    return Equal((Derivative(link.above.ref, link.below.ref), *forms.values()))


def _differences(view: View, other: View, moved: Sequence[Chain], stayed: Sequence[Chain]) -> tuple[Block, ...]:
    """Which formulas of the summary are others in the changed network, and what they are there."""
    if not moved:
        return (Paragraph(("No other formula changes.",)),)
    one = len(moved) == 1
    shown = moved[:SHOWN]
    more = f" and {number_of(len(moved) - SHOWN, 'other')}" if moved[SHOWN:] else ""
    verb = f" change{'s' if one else ''}; {'it becomes' if one else 'they become'}:"
    words: Spans = (
        "In the summary, ",
        *numbers(view, shown),
        more,
        f"{verb if not more else ' change; the first become:'}",
    )
    end = f"The other {number_of(len(stayed), 'formula')} stay as they are." if stayed[1:] else "The other one stays."
    last = (Paragraph((end,)),) if stayed else ()
    return (Paragraph(words), *elsewhere(other, *(result(other, chain) for chain in shown)), *last)


# ---------------------------------------------------------------------------------------------------------------------


def factor(setting: Setting) -> Posed | None:
    """Another constant in front of the loss: without its average, else with 1/2."""
    view, network = setting.view, setting.network
    loss = variants.loss_equation(network)
    averaged = variants.size_under(loss.terms[0]) if len(loss.terms) == 1 else None
    if averaged:
        times = product(1, [apply(slot(0), Value(size(averaged)))])
    else:
        times = product(2 if loss.terms[0].coefficient == sp.Rational(1, 2) else sp.Rational(1, 2))
    other = changed(view, variants.with_loss_times(network, times))
    asked: Spans = ("A textbook multiplies ", Whole(network.loss), " by ", Sum((times,)), ":")
    question = (
        Paragraph(asked),
        *elsewhere(other, Indexed(variants.loss_equation(other.network))),
        Paragraph(("What becomes of the gradients, and which learning rate makes the same steps?",)),
    )
    answer: list[Block] = [
        Paragraph(("Derivatives are linear, so every gradient is ", Sum((times,)), " times ours.")),
        *_differences(view, other, *compared(view, other)),
    ]
    rate = inverse(times)
    end: Spans = ("A learning rate ", Sum((rate,)), " times ours makes the same steps.")
    if averaged and averaged == network.batch:
        end = (*end, " With ours as it is, steps would grow with the number of examples.")
    return Posed(title="Another factor.", points=2, question=question, answer=(*answer, Paragraph(end)))


def softmax(setting: Setting) -> Posed | None:
    """Softmax with cross-entropy in the place of an activation with squared errors."""
    view, network = setting.view, setting.network
    made = variants.with_softmax(network)
    if made is None:
        return None
    other, equation = changed(view, made[0]), made[1]
    argument = next(f.arg for t in equation.terms for f in t.factors if isinstance(f, Along)).tensor
    chain = other.derivation.chains[argument]
    fact = stated(other.network.facts[-1], other.network)
    question = (
        Paragraph(("The output layer and the loss change:",)),
        *elsewhere(other, Indexed(equation), Indexed(variants.loss_equation(other.network))),
        Paragraph(("where every target adds up to one:",)),
        *elsewhere(other, fact),
        Paragraph(("Find the derivative of the loss by ", Entry(Ref(argument, chain.equation.lhs.index)), ".")),
    )
    forms, _ = backwards.forms(other, chain)
    counts = [_paths_to(each, argument) for each in (view, other)]
    more = f", so there are {counts[1]} paths instead of {counts[0]}" if counts[0] != counts[1] else ""
    answer: list[Block] = [Paragraph((f"Each output reads every entry of its example{more}:",))]
    answer += elsewhere(other, Rewritten(forms))
    answer.append(Paragraph(("The targets add up to one, and so the sum in front of the output is 1.",)))
    hint = ("Write the derivative of the softmax with a Kronecker delta.",)
    return Posed(title="Softmax.", points=5, question=question, answer=tuple(answer), hint=hint)


def _paths_to(view: View, tensor: str) -> int:
    """Paths from the loss to the first entry of a computed array."""
    graph = Unrolled(view.network)
    return graph.count(graph.first(tensor))


def penalty(setting: Setting) -> Posed | None:
    """Weight decay on the first parameter that can have it."""
    view, network = setting.view, setting.network
    made = [(name, variants.with_penalty(network, name)) for name in network.parameters]
    name, found = next(((name, each) for name, each in made if each is not None), ("", None))
    if found is None:
        return None
    other = changed(view, found[0])
    question = (
        Paragraph(("Weight decay adds a term to the loss:",)),
        *elsewhere(other, Indexed(variants.loss_equation(other.network))),
        Paragraph(("Which gradients change? What does a step do to a weight that the errors leave alone?",)),
    )
    answer = (
        Paragraph(("The new term reads ", Whole(name), " alone: one more path, straight from the loss.")),
        *_differences(view, other, *compared(view, other)),
        Paragraph(("A step takes away a fixed share of the weight, so it decays towards 0.",)),
    )
    return Posed(title="Weight decay.", points=2, question=question, answer=answer)
