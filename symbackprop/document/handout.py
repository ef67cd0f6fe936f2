"""A handout from a derivation: notation, forward pass, paths, error signals, gradients, summary, code, update, check.

``build`` arranges what the derivation holds at the chosen levels (scalar, index, matrix) and writes the prose around it.
No formula is typed here: every one is an object of the derivation, and sentences about formulas are computed from them
(``reasons``). What a network does not have is not spoken of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from symbackprop.affine import Bound, Var, size, var
from symbackprop.document import scalar
from symbackprop.document.blocks import (
    Block,
    ChainRule,
    Code,
    Condition,
    Derivative,
    Display,
    Document,
    Entry,
    Equal,
    Form,
    Formula,
    Heading,
    Indexed,
    KeyBox,
    Lifted,
    Listing,
    Paragraph,
    Range,
    Rate,
    Rewritten,
    Row,
    See,
    ShapeOf,
    Span,
    Spans,
    Sum,
    Table,
    Times,
    Update,
    Whole,
    formulas,
)
from symbackprop.document.paths import Unrolled
from symbackprop.document.pattern import own_letters
from symbackprop.document.reasons import why_matrix, why_step
from symbackprop.errors import UnsupportedError
from symbackprop.index import Apply, Equation, Ref, Term, adjoint_name, is_adjoint, primal_name, product, refs_of
from symbackprop.lift import lift
from symbackprop.matrix import Einsum
from symbackprop.network import Loop
from symbackprop.notation.spelling import Spelling

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from symbackprop.derivation import Chain, Derivation, Step
    from symbackprop.notation.preset import Preset

LEVELS = ("scalar", "index", "matrix")
UPDATES = 8
"""Parameters whose update is written out."""


def build(  # noqa: PLR0913 - what a handout is made of
    derivation: Derivation,
    preset: Preset,
    *,
    code: str = "",
    report: Any = None,
    levels: Sequence[str] = LEVELS,
    layout: Mapping[str, tuple[int, ...]] | None = None,
) -> Document:
    """The handout of a derivation as a tree of blocks.

    ``code`` is the text of the generated module and ``report`` its gradient check; without them the handout has no
    listing and no table of checks.
    """
    return _Handout(derivation, preset, code, report, tuple(levels), layout or {}).document()


@dataclass(frozen=True)
class _Handout:
    """One handout in the making."""

    derivation: Derivation
    preset: Preset
    code: str
    report: Any
    levels: tuple[str, ...]
    layout: Mapping[str, tuple[int, ...]]

    @property
    def network(self) -> Any:
        return self.derivation.network

    @property
    def rows(self) -> bool:
        """True where vectors are written as rows."""
        return self.preset.orientation.vectors == "rows"

    def document(self) -> Document:
        """All parts, the notation table after the parts whose symbols it lists."""
        forward = self.forward()
        middle = [*self.scalar(), *self.backwards()]
        end = [*self.summary(), *self.listing(), *self.update(), *self.checked()]
        notation = self.notation((tuple(forward), tuple(middle), tuple(end)))
        return Document(
            title=self.network.title or self.network.name,
            subtitle="Its gradients, derived step by step",
            blocks=(*self.opening(), *notation, *forward, *middle, *end),
            source=self.network.name,
        )

    # -- opening and notation ------------------------------------------------------------------------------------------

    def opening(self) -> list[Block]:
        """What is to be found, and by which route."""
        parameters = self.listed([Whole(p) for p in self.network.parameters])
        route = {
            "scalar": "entry by entry along every path",
            "index": "for general entries with Σ",
            "matrix": "for whole arrays",
        }
        shown = [route[level] for level in LEVELS if level in self.levels]
        return [
            Paragraph(
                (
                    "How does the loss ",
                    Whole(self.network.loss),
                    " change when ",
                    *parameters,
                    " change a little? The derivatives are found "
                    + _and(shown)
                    + (". The code at the end computes the same formulas." if self.code else "."),
                )
            )
        ]

    def notation(self, parts: tuple[tuple[Block, ...], ...]) -> list[Block]:
        """Symbols that occur, with shape, entry, meaning and name in the code; then sizes and conventions."""
        used = self.used(parts)
        rows: list[tuple[Spans, ...]] = []
        order = [*self.network.inputs, *self.network.parameters, *(e.lhs.tensor for e in self.network.equations)]
        for name in dict.fromkeys(order):
            if name in used:
                rows.append(
                    (self.symbol(name), (ShapeOf(name),), self.entry(name), self.meaning(name), self.in_code(name))
                )
        for chain in self.derivation.chains.values():
            name = adjoint_name(chain.tensor)
            if name in used and self.has_own_name(chain.tensor):
                rows.append(
                    (
                        self.symbol(name),
                        (ShapeOf(chain.tensor),),
                        self.entry(name),
                        self.signal_meaning(chain.tensor),
                        (),
                    )
                )
        return [
            Heading(1, ("Notation",)),
            Table(
                ("Symbol", "Shape", "Entry", "Meaning", "In code"),
                tuple(rows),
                ("Every array in this handout.",),
                "llllp",
                "symbols",
            ),
            *self.conventions(),
        ]

    def used(self, parts: tuple[tuple[Block, ...], ...]) -> set[str]:
        """Names of the tensors that occur in formulas."""
        found: set[str] = set()
        for formula in formulas(parts):
            found |= set(_tensors(formula))
        return found

    def symbol(self, name: str) -> Spans:
        return (Whole(name),)

    def entry(self, name: str) -> Spans:
        """An element with general indices; nothing for a scalar."""
        ref = self.element(name)
        return (Entry(ref),) if len(ref.index) > len(self.network.tensors[primal_name(name)].family) else ()

    def element(self, name: str) -> Ref:
        """An element of a tensor, or of its adjoint, with its own letters."""
        chain = self.derivation.chains.get(primal_name(name))
        if chain is not None:
            return Ref(name, chain.equation.lhs.index)
        definitions = self.network.definitions(name)
        if definitions and all(isinstance(f.single, Var) for f in definitions[-1].lhs.index):
            return definitions[-1].lhs
        return Ref(name, tuple(var(letter) for letter in own_letters(self.network, name)))

    def meaning(self, name: str) -> Spans:
        """Its part in the network."""
        tensor = self.network.tensors[name]
        if name == self.network.loss:
            return ("the loss",)
        if tensor.role == "parameter":
            return ("parameter",)
        if tensor.role == "input":
            return ("input: labels",) if tensor.below is not None else ("input",)
        spans: list[Span] = []
        for equation in self.network.definitions(name):
            spans += [", " if spans else "computed in ", See(self.forward_label(equation))]
        return tuple(spans)

    def signal_meaning(self, name: str) -> Spans:
        return (self.definition_of_signal(name),)

    def in_code(self, name: str) -> Spans:
        return (Code(name),)

    def has_own_name(self, tensor: str) -> bool:
        """True where the notation gives an adjoint a name instead of writing it as a derivative."""
        return self.spelling.signal_rule(tensor) is not None

    @cached_property
    def spelling(self) -> Spelling:
        return Spelling(self.network, self.preset, dict(self.layout))

    def definition_of_signal(self, name: str) -> Formula:
        """∂loss/∂(tensor), times the inverse of the constant that was pulled out."""
        derivative = Derivative(Ref(self.network.loss), self.family_ref(name), whole=True)
        scale = self.derivation.scale
        return derivative if scale is None else Times((Sum((inverse(scale),)), derivative))

    def family_ref(self, name: str) -> Ref:
        """The whole array, with the letters of its family."""
        tensor = self.network.tensors[name]
        return Ref(name, self.element(name).index[: len(tensor.family)])

    def conventions(self) -> list[Block]:
        """What error signals stand for where a constant is kept out of them."""
        blocks: list[Block] = []
        named = [c.tensor for c in self.derivation.signals if self.has_own_name(c.tensor)]
        if self.derivation.scale is not None and self.derivation.signals:
            blocks.append(
                Paragraph(
                    (
                        "The constant ",
                        Sum((self.derivation.scale,)),
                        " of the loss is kept out of the error signals, so that ",
                        *(
                            self.listed(
                                [Equal((Whole(adjoint_name(n)), self.definition_of_signal(n))) for n in named[:1]]
                            )
                            if named
                            else ("a signal is the derivative without it",)
                        ),
                        *([", and so on"] if len(named) > 1 else []),
                        "; it returns in the gradients of the parameters.",
                    ),
                    lead="Constants.",
                )
            )
        return blocks

    # -- forward pass --------------------------------------------------------------------------------------------------

    def forward(self) -> list[Block]:
        """The network's equations, loops kept together, in matrix and index form."""
        blocks: list[Block] = [Heading(1, ("Forward pass",))]
        self.walk(self.network.program, (), blocks)
        return blocks

    def walk(self, statements: Sequence[Any], loops: tuple[Bound, ...], blocks: list[Block]) -> None:
        """Equations in the author's order; those inside a loop under its range."""
        run: list[Equation] = []
        for statement in statements:
            if isinstance(statement, Loop):
                self.flush(run, loops, blocks)
                run = []
                self.walk(statement.body, (*loops, statement.bound), blocks)
            else:
                run.append(statement)
        self.flush(run, loops, blocks)

    def flush(self, run: list[Equation], loops: tuple[Bound, ...], blocks: list[Block]) -> None:
        if not run:
            return
        if loops:
            ranges: list[Span] = []
            for bound in loops:
                ranges += [", " if ranges else "", Range(bound)]
            blocks.append(Paragraph(("For ", *ranges, ":")))
        blocks.append(Display(tuple(row for equation in run for row in self.forward_rows(equation))))

    def forward_rows(self, equation: Equation) -> Iterator[Row]:
        """Both forms of one equation, the first one numbered."""
        label = self.forward_label(equation)
        lifted = self.lifted(equation)
        if "matrix" in self.levels and lifted is not None:
            yield Row(lifted, label)
            label = ""
        if label or "index" in self.levels:
            yield Row(Indexed(equation), label)

    def forward_label(self, equation: Equation) -> str:
        """Forward equations are numbered in the author's order."""
        return f"eq{self.places[equation] + 1}"

    @cached_property
    def places(self) -> Mapping[Equation, int]:
        """Place of each forward equation in the author's text."""
        return {equation: place for place, (_, equation) in enumerate(self.network.walk())}

    def lifted(self, equation: Equation) -> Lifted | None:
        """The matrix form; None where whole arrays cannot say it, or where there is nothing but a scalar on both sides."""
        cases = lift(equation, self.derivation, self.layout, self.preset.orientation.vectors)
        if any(isinstance(part, Einsum) for case in cases for part in case.node.walk()):
            return None
        if all(not part.axes for case in cases for part in case.node.walk()):
            return None
        ordered = sorted(cases, key=lambda case: (bool(case.conditions), all(c.kind != "==" for c in case.conditions)))
        return Lifted(equation, tuple(ordered))

    # -- scalar level --------------------------------------------------------------------------------------------------

    def scalar(self) -> list[Block]:
        """Paths at concrete sizes."""
        if "scalar" not in self.levels:
            return []
        graph = Unrolled(self.network, slopes=self.derivation.choices.slopes)
        try:
            return scalar.section(graph, self.network.parameters)
        except UnsupportedError as error:
            return [Heading(1, ("One entry at a time",)), Paragraph((f"Not shown: {error}.",))]

    # -- index and matrix level ----------------------------------------------------------------------------------------

    def backwards(self) -> list[Block]:
        """Signals and gradients from the loss downwards, in order of computation."""
        if not self.general_levels:
            return []
        blocks: list[Block] = [Heading(1, ("From the loss backwards",))]
        if self.derivation.signals:
            blocks.append(
                Paragraph(
                    (
                        "How does the loss answer to a small change of one entry of a computed array? That entry acts on the loss only "
                        "through the entries that are computed from it, its readers. The chain rule adds up one product for each of "
                        "them, so derivatives are found from the loss backwards, each from those before it. Derivatives by computed "
                        "arrays are called error signals; the gradients of the parameters follow from them.",
                    )
                )
            )
        for chain in self.derivation.chains.values():
            blocks += self.chain(chain)
        return blocks

    @property
    def general_levels(self) -> bool:
        return "index" in self.levels or "matrix" in self.levels

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Numbers of results: forward equations first, then adjoints in order of computation, as in the code."""
        first = len(list(self.network.walk())) + 1
        return {chain.tensor: first + k for k, chain in enumerate(self.derivation.written)}

    def chain(self, chain: Chain) -> list[Block]:
        """One adjoint: its readers, the chain rule, the steps, the result, the matrix form."""
        is_parameter = chain.tensor in self.network.parameters
        kind = "Gradient of " if is_parameter else "Signal of "
        blocks: list[Block] = [Heading(2, (kind, Whole(chain.tensor)))]
        start, steps = self.contracted(chain)
        label = f"eq{self.numbers[chain.tensor]}" if chain.tensor in self.numbers else ""
        if not start.terms:
            return [
                *blocks,
                Paragraph(("The loss does not depend on it, so its gradient is zero.",)),
                Display((Row(Indexed(start), label),)),
            ]
        blocks += self.readers(chain, start)
        equations, reasons = self.rewriting(chain, start, steps)
        lifted = self.lifted(equations[-1]) if "matrix" in self.levels and label else None
        if "index" in self.levels or lifted is None:
            blocks += self.index_level(equations, reasons, "" if lifted else label)
        if lifted is not None:
            blocks += self.matrix_level(lifted, label)
        if not label:
            blocks.append(Paragraph(("It is put into what reads it and needs no name of its own.",)))
        return blocks

    def contracted(self, chain: Chain) -> tuple[Equation, tuple[Step, ...]]:
        """The chain rule with its deltas contracted, and the steps after that."""
        if chain.steps and chain.steps[0].rule == "sum over a delta":
            return chain.steps[0].after, chain.steps[1:]
        return chain.start, chain.steps

    def rewriting(
        self, chain: Chain, start: Equation, steps: tuple[Step, ...]
    ) -> tuple[tuple[Equation, ...], list[Spans]]:
        """The forms an adjoint goes through, all with the same meaning of the signals, and what was done between them."""
        is_parameter = chain.tensor in self.network.parameters
        equations = [self.scaled(start, is_parameter=is_parameter)]
        reasons: list[Spans] = []
        for step in steps:
            if step.rule in {"constant pulled out", "constant restored"}:
                continue
            after = self.scaled(step.after, is_parameter=is_parameter)
            if after.terms == equations[-1].terms:
                continue
            if step.rule in {"order", "like terms"} and len(equations) > 1:
                equations[-1] = after
            else:
                equations.append(after)
                reasons.append(why_step(step, self.derivation))
        return tuple(equations), reasons

    def scaled(self, equation: Equation, *, is_parameter: bool) -> Equation:
        """The equation with signals that leave out the pulled constant: gradients get it back, explicit terms lose it."""
        scale = self.derivation.scale
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
            if self.has_signal(t) == is_parameter
            else t
            for t in equation.terms
        )
        return replace(equation, terms=terms)

    def has_signal(self, term: Term) -> bool:
        """True for a term with an error signal in it."""
        return any(
            is_adjoint(r.tensor) and "/" not in r.tensor and primal_name(r.tensor) not in self.network.parameters
            for f in term.factors
            for r in refs_of(f)
        )

    def readers(self, chain: Chain, start: Equation) -> list[Block]:
        """Who reads the tensor, in words and as the chain rule."""
        reading = tuple(_reader(term) for term in start.terms)
        element = Ref(chain.tensor, start.lhs.index)
        blocks: list[Block] = []
        if all(r is None for r in reading):
            blocks.append(
                Paragraph(
                    ("The loss reads ", Entry(element, start), " directly, so its derivative can be taken at once.")
                )
            )
            return blocks
        spans: list[Span] = [Entry(element, start), " is read by "]
        for k, (reader, term) in enumerate(zip(reading, start.terms, strict=True)):
            spans += [
                "" if not k else " and by " if k == len(reading) - 1 else ", ",
                Entry(Ref(self.network.loss) if reader is None else reader, start),
            ]
            conditions = tuple(
                sorted((c for c in term.conditions if c.form.variables <= _free(start)), key=lambda c: c.key)
            )
            if conditions:
                spans += [" (where ", Condition(conditions, start), ")"]
        uses = len(reading)
        tail = "; the derivative adds up over these uses" if uses > 1 else ", so the chain rule reads"
        blocks.append(Paragraph((*spans, f"{tail}:" if "index" in self.levels else "." if uses == 1 else f"{tail}.")))
        if "index" in self.levels:
            blocks.append(Display((Row(ChainRule(start, reading)),)))
        return blocks

    def index_level(self, equations: tuple[Equation, ...], reasons: list[Spans], label: str) -> list[Block]:
        """The forms below each other; the reasons are in the sentence before."""
        direct = all(_reader(term) is None for term in equations[0].terms)
        opening: Spans = (
            ()
            if direct
            else ("With the local derivatives in place:" if not reasons else "With the local derivatives in place. ",)
        )
        opening = (*opening, *_sentences(reasons))
        formula: Formula = Indexed(equations[0]) if len(equations) == 1 else Rewritten(equations)
        display = Display((Row(formula, label),))
        return [Paragraph(opening), display] if opening else [display]

    def matrix_level(self, lifted: Lifted, label: str) -> list[Block]:
        """The matrix form and why it has it."""
        why: list[Span] = []
        for case in lifted.cases:
            sentence = why_matrix(case.node, lifted.equation, rows=self.rows)
            why += [" ", *sentence] if why and sentence else sentence
        paragraph = Paragraph(tuple(why), lead="To matrices.") if why else Paragraph(("For the whole array:",))
        return [paragraph, Display((Row(lifted, label),))]

    # -- summary, code, update, check ----------------------------------------------------------------------------------

    def summary(self) -> list[Block]:
        """All results in order of computation, without the way there."""
        rows: list[Row] = []
        for chain in self.derivation.written:
            lifted = self.lifted(chain.equation) if "matrix" in self.levels or not self.general_levels else None
            rows.append(
                Row(lifted or Indexed(chain.equation), "" if self.general_levels else f"eq{self.numbers[chain.tensor]}")
            )
        boxed = KeyBox("All gradients, in order of computation", (Display(tuple(rows)),))
        return [Heading(1, ("Summary",)), boxed]

    def listing(self) -> list[Block]:
        """The generated module."""
        if not self.code:
            return []
        shown, cut, _ = self.code.partition("\n# -----")
        note = " Checks of arguments and of the module itself are left out here." if cut else ""
        return [
            Heading(1, ("The same in NumPy",)),
            Paragraph((f"One line for each formula, with its number and the shape of the result.{note}",)),
            Listing(shown.rstrip() + "\n"),
        ]

    def update(self) -> list[Block]:
        """The step against the gradient, and mini-batches where there is a batch."""
        blocks: list[Block] = [
            Heading(1, ("The update",)),
            Paragraph(
                (
                    "A step of gradient descent at a learning rate ",
                    Rate(),
                    " changes every parameter against its gradient. "
                    "All gradients are taken at the old values, before any parameter changes:",
                )
            ),
            Display(tuple(Row(Update(self.family_ref(p))) for p in self.network.parameters[:UPDATES])),
        ]
        left_out = self.network.parameters[UPDATES:]
        if left_out:
            blocks.append(Paragraph(("and likewise ", *self.listed([Whole(p) for p in left_out]), ".")))
        if self.code:
            blocks.append(Paragraph(("In the code this is ", Code("gradient_step(parameters, gradients, rate)"), ".")))
        if self.network.batch:
            blocks.append(self.batches())
        return blocks

    def batches(self) -> Paragraph:
        """Stochastic gradient descent."""
        spans: list[Span] = [
            "The formulas hold for any number ",
            Form(size(self.network.batch)),
            " of examples. Stochastic gradient descent uses "
            "that: shuffle the examples, cut them into small batches, take one step for each batch, and begin again",
        ]
        if "\ndef train(" in self.code:
            spans += ["; ", Code("train(parameters, inputs, rate=…, batch_size=…, epochs=…)"), " does so"]
        return Paragraph((*spans, "."), lead="Mini-batches.")

    def checked(self) -> list[Block]:
        """The table of the gradient check."""
        if self.report is None:
            return []
        table: tuple[tuple[Spans, ...], ...] = tuple(
            ((Code(name),), (error,), (method,), (verdict,)) for name, error, method, verdict in self.report.table()
        )
        return [
            Heading(1, ("Check",)),
            Paragraph(
                (
                    "The code knows the formulas, a difference quotient knows none. Both were evaluated at random points:",
                )
            ),
            Table(
                ("Parameter", "Relative error", "Measured by", ""),
                table,
                ("Gradients of the listing against numeric ones.",),
                "llll",
                "check",
            ),
        ]

    @staticmethod
    def listed(items: Sequence[Formula]) -> Spans:
        """Formulas with commas and a final "and"."""
        spans: list[Span] = []
        for k, item in enumerate(items):
            spans += ["" if not k else " and " if k == len(items) - 1 else ", ", item]
        return tuple(spans)


def _and(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else ""


def _sentences(reasons: Sequence[Spans]) -> Spans:
    spans: list[Span] = []
    for reason in reasons:
        spans += [" " if spans else "", *reason]
    return tuple(spans)


def _free(equation: Equation) -> frozenset[str]:
    return frozenset(b.var for b in equation.ranges)


def _reader(term: Term) -> Ref | None:
    """The element whose adjoint a term of the chain rule carries; None for the loss."""
    for factor in term.factors:
        if isinstance(factor, Ref) and is_adjoint(factor.tensor) and "/" not in factor.tensor:
            return Ref(primal_name(factor.tensor), factor.index)
    return None


def inverse(scale: Term) -> Term:
    """One over a constant term."""
    return product(
        1 / scale.coefficient, [Apply(1 / f.template, f.args) for f in scale.factors if isinstance(f, Apply)]
    )


def _tensors(formula: Formula) -> Iterator[str]:
    """Names of the tensors a formula shows."""
    match formula:
        case Indexed(equation=equation) | Lifted(equation=equation):
            yield from _of_equation(equation)
        case Rewritten(equations=equations):
            for equation in equations:
                yield from _of_equation(equation)
        case ChainRule(equation=equation, readers=readers):
            yield primal_name(equation.lhs.tensor)
            yield from (r.tensor for r in readers if r is not None)
        case Entry(ref=ref):
            yield ref.tensor
        case Whole(tensor=name):
            yield name
        case Derivative(above=above, below=below):
            yield from (above.tensor, below.tensor)
        case Sum(terms=terms):
            for term in terms:
                yield from (r.tensor for f in term.factors for r in refs_of(f))


def _of_equation(equation: Equation) -> Iterator[str]:
    yield equation.lhs.tensor
    yield primal_name(equation.lhs.tensor).partition("/")[0]
    for term in equation.terms:
        for factor in term.factors:
            for ref in refs_of(factor):
                yield ref.tensor
