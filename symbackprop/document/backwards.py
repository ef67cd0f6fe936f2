"""From the loss backwards: error signals and gradients, each derived in index notation and lifted to matrices.

For every adjoint: who reads the array, the chain rule over these uses, the local derivatives put in, what was done to
the formula and why, then the matrix form with the index that is summed and the transpose that follows from it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from symbackprop.affine import var
from symbackprop.document.blocks import (
    Block,
    ChainRule,
    Condition,
    Display,
    Entry,
    Form,
    Formula,
    Heading,
    Indexed,
    Letter,
    Lifted,
    Paragraph,
    Rewritten,
    Row,
    Span,
    Spans,
    Whole,
)
from symbackprop.document.opening import BACKWARDS
from symbackprop.document.reasons import why_matrix, why_step
from symbackprop.document.view import View, inverse
from symbackprop.index import Along, Equation, Ref, Term, adjoint_name, is_adjoint, primal_name, product, refs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symbackprop.affine import Affine
    from symbackprop.derivation import Chain, Step

OPENING = (
    "How does the loss answer to a small change of one entry of a computed array? That entry acts on the loss only "
    "through the entries that are computed from it, its readers. The chain rule adds up one product for each of them: "
    "the derivative of the loss by the reader, times that of the reader by the entry with all else that the reader "
    "reads held fixed. So derivatives are found from the loss backwards, each from those before it. Derivatives by "
    "computed arrays are called error signals; the gradients of the parameters follow from them."
)
SCALING = frozenset(("constant pulled out", "constant restored"))
"""Rules whose effect is told once, where signals are introduced."""
MINOR = frozenset(("order", "like terms"))
"""Rules whose result takes the place of the form before it."""


def section(view: View) -> list[Block]:
    """Signals and gradients from the loss downwards, in order of computation."""
    if not view.general:
        return []
    blocks: list[Block] = [Heading(1, (BACKWARDS,))]
    if view.derivation.signals:
        blocks.append(Paragraph((OPENING,)))
    for each in view.derivation.chains.values():
        blocks += adjoint(view, each)
    return blocks


def adjoint(view: View, chain: Chain) -> list[Block]:
    """One adjoint: its readers, the chain rule, the steps, the result, the matrix form."""
    kind = "Gradient of " if chain.tensor in view.network.parameters else "Signal of "
    blocks: list[Block] = [Heading(2, (kind, Whole(chain.tensor)))]
    label = view.label(chain)
    equations, reasons = forms(view, chain)
    if not equations[0].terms:
        nothing = Paragraph(("The loss does not depend on it, so its gradient is zero.",))
        return [*blocks, nothing, Display((Row(Indexed(equations[0]), label),))]
    lifted = view.lifted(equations[-1]) if view.matrix and label else None
    short = view.index and lifted is not None and not reasons and distinct_uses(view, contracted(chain)[0]) is not None
    short = short and any(_reader(term) is not None for term in contracted(chain)[0].terms)
    blocks += readers(view, chain, Indexed(equations[0]) if short else None)
    if not short and (view.index or lifted is None):
        blocks += index_level(equations, reasons, "" if lifted else label)
    if lifted is not None:
        blocks += matrix_level(view, lifted, label)
    blocks += recursion(view, chain)
    if not label:
        blocks.append(Paragraph(("It is put into what reads it and needs no name of its own.",)))
    return blocks


def recursion(view: View, chain: Chain) -> list[Block]:
    """In which order the members of a family are found, where each needs another one: first member, direction, last."""
    equation = chain.equation
    depth = len(view.network.tensors[chain.tensor].family)
    own = equation.lhs.index[:depth]
    read = {
        ref.index[:depth]
        for term in equation.terms
        for f in term.factors
        for ref in refs_of(f)
        if ref.tensor == equation.lhs.tensor and ref.index[:depth] != own
    }
    bound = next((b for b in equation.ranges if depth == 1 and own[0] == var(b.var)), None)
    if bound is None or len(read) != 1:
        return []
    (at,) = read
    down = (at[0] - own[0]).const > 0
    base = [c for term in equation.terms for c in term.conditions if c.kind == "==" and c.form.variables == {bound.var}]
    start: Formula = Condition((base[0],), equation) if base else Form(bound.hi if down else bound.lo)
    end = Form(bound.lo if down else bound.hi)
    words = (
        ", so they are found one after the other: begin with ",
        start,
        f" and go {'down' if down else 'up'} to ",
        end,
    )
    return [Paragraph(("Each needs ", Whole(adjoint_name(chain.tensor), at), *words, "."), lead="Recursion.")]


def contracted(chain: Chain) -> tuple[Equation, tuple[Step, ...]]:
    """The chain rule with its deltas contracted, and the steps after that."""
    if chain.steps and chain.steps[0].rule == "sum over a delta":
        return chain.steps[0].after, chain.steps[1:]
    return chain.start, chain.steps


def forms(view: View, chain: Chain) -> tuple[tuple[Equation, ...], list[Spans]]:
    """The forms an adjoint goes through and what was done between them; signals mean the same in all of them."""
    is_parameter = chain.tensor in view.network.parameters
    start, steps = contracted(chain)
    equations = [scaled(view, start, is_parameter=is_parameter)]
    reasons: list[Spans] = []
    for step in steps:
        after = scaled(view, step.after, is_parameter=is_parameter)
        if step.rule in SCALING or after.terms == equations[-1].terms:
            continue
        if step.rule in MINOR and len(equations) > 1:
            equations[-1] = after
        else:
            equations.append(after)
            reasons.append(why_step(step, view.derivation))
    return tuple(replace(e, terms=tuple(sorted(e.terms, key=_is_open))) for e in equations), reasons


def _is_open(term: Term) -> bool:
    """True for a term under conditions that fix no index; base cases stand before it."""
    return bool(term.conditions) and all(c.kind != "==" for c in term.conditions)


def scaled(view: View, equation: Equation, *, is_parameter: bool) -> Equation:
    """The equation with signals that leave out the pulled constant: gradients get it back, explicit terms lose it."""
    scale = view.derivation.scale
    if scale is None:
        return equation
    factor = scale if is_parameter else inverse(scale)
    terms = tuple(
        product(
            t.coefficient * factor.coefficient,
            (*factor.factors, *t.factors),
            bounds=t.bounds,
            conditions=t.conditions,
            use=t.use,
        )
        if has_signal(view, t) == is_parameter
        else t
        for t in equation.terms
    )
    return replace(equation, terms=terms)


def has_signal(view: View, term: Term) -> bool:
    """True for a term with an error signal in it."""
    return any(
        is_adjoint(r.tensor) and "/" not in r.tensor and primal_name(r.tensor) not in view.network.parameters
        for f in term.factors
        for r in refs_of(f)
    )


def readers(view: View, chain: Chain, inserted: Formula | None = None) -> list[Block]:
    """Who reads the tensor, in words and as the chain rule, with ``inserted`` beside it."""
    start, _ = contracted(chain)
    element = Ref(chain.tensor, start.lhs.index)
    uses = distinct_uses(view, start)
    shown = start if uses is None else replace(start, terms=uses)
    reading = tuple(map(_reader, shown.terms))
    if all(reader is None for reader in reading):
        direct = ("The loss reads ", Entry(element, start), " directly, so its derivative can be taken at once.")
        return [Paragraph(direct)]
    spans: list[Span] = [Entry(element, shown), " is read by "]
    for k, (reader, term) in enumerate(zip(reading, shown.terms, strict=True)):
        spans.append("" if not k else " and by " if k == len(reading) - 1 else ", ")
        spans.append(Entry(reader or Ref(view.network.loss), shown))
        conditions = [c for c in term.conditions if c.form.variables <= {b.var for b in start.ranges}]
        if conditions:
            spans += [" (where ", Condition(tuple(sorted(conditions, key=lambda c: c.key)), shown), ")"]
    again = _again(view, chain, shown, reading)
    several = len(reading) > 1
    if not view.index or uses is None:
        end = "; the derivative adds up over these uses." if several else "."
        return [Paragraph((*spans, end, *((" ", *again) if again else ())))]
    tail = "; the derivative adds up over these uses" if several else ", so the chain rule reads"
    put_in = ", and with the local derivatives in place" if inserted is not None else ""
    rule = Display((Row(ChainRule(shown, reading), beside=inserted),))
    return [Paragraph((*spans, f"{tail}{put_in}:")), rule, *([Paragraph(again)] if again else [])]


def _again(view: View, chain: Chain, shown: Equation, reading: Sequence[Ref | None]) -> Spans:
    """That a parameter is the same in several uses, or for every member of a family of readers."""
    if chain.tensor not in view.network.parameters:
        return ()
    running: dict[str, None] = {}
    for reader, term in zip(reading, shown.terms, strict=True):
        depth = len(view.network.tensors[reader.tensor].family) if reader else 0
        letters = {v for form in (reader.index[:depth] if reader else ()) for v in form.variables}
        running |= dict.fromkeys(b.var for b in term.bounds if b.var in letters)
    if running:
        letter = next(iter(running))
        return (
            "It is one parameter, used anew for every ",
            Letter(letter, shown),
            ": its gradient is the sum over all.",
        )
    return ("It is one parameter in all of them: its gradient is their sum.",) if len(reading) > 1 else ()


def distinct_uses(view: View, start: Equation) -> tuple[Term, ...] | None:
    """One term for each set of readers; None where some elements are read twice by the same reader.

    The entries of a softmax read an element in two ways (δ and product), so only the sum over all of them counts. Where
    one equation reads an array twice, ∂reader/∂element would stand for both uses at once, and no chain rule is shown.
    """
    groups: dict[tuple[str, tuple[Affine, ...]] | None, list[Term]] = {}
    for term in start.terms:
        reader = _reader(term)
        depth = len(view.network.tensors[reader.tensor].family) if reader else 0
        groups.setdefault((reader.tensor, reader.index[:depth]) if reader else None, []).append(term)
    found: list[Term] = []
    for key, terms in groups.items():
        widest = max(terms, key=_running)
        rest = [term for term in terms if term is not widest]
        along = key is not None and any(
            isinstance(f, Along) for e in view.network.definitions(key[0]) for t in e.terms for f in t.factors
        )
        if rest and key is not None and not (along and all(_running(term) < _running(widest) for term in rest)):
            return None
        found.append(widest)
    return tuple(found)


def _running(term: Term) -> int:
    """How many bound indices run through the readers of a term."""
    reader = _reader(term)
    return len({b.var for b in term.bounds} & {v for f in reader.index for v in f.variables}) if reader else 0


def index_level(equations: tuple[Equation, ...], reasons: list[Spans], label: str) -> list[Block]:
    """The forms below each other; the reasons are in the sentence before."""
    direct = all(_reader(term) is None for term in equations[0].terms)
    opening: Spans = () if direct else ("With the local derivatives in place" + (". " if reasons else ":"),)
    spans = (*opening, *_sentences(reasons))
    formula: Formula = Indexed(equations[0]) if len(equations) == 1 else Rewritten(equations)
    display = Display((Row(formula, label),))
    return [Paragraph(spans), display] if spans else [display]


def matrix_level(view: View, lifted: Lifted, label: str) -> list[Block]:
    """The matrix form and why it has it."""
    why = why_matrix([case.node for case in lifted.cases], lifted.equation, rows=view.rows)
    paragraph = Paragraph(why, lead="To matrices.") if why else Paragraph(("For the whole array:",))
    return [paragraph, Display((Row(lifted, label),))]


def _sentences(reasons: Sequence[Spans]) -> Spans:
    spans: list[Span] = []
    for reason in reasons:
        spans += [" " if spans else "", *reason]
    return tuple(spans)


def _reader(term: Term) -> Ref | None:
    """The element whose adjoint a term of the chain rule carries; None for the loss."""
    for factor in term.factors:
        if isinstance(factor, Ref) and is_adjoint(factor.tensor) and "/" not in factor.tensor:
            return Ref(primal_name(factor.tensor), factor.index)
    return None
