"""A handout from a derivation: notation, forward pass, paths, signals and gradients, summary, code, update, check.

``build`` arranges what the derivation holds at the chosen levels (scalar, index, matrix) and writes the prose around
it. No formula is typed here: every one is an object of the derivation, and sentences about formulas are computed from
them (``reasons``). What a network does not have is not spoken of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.affine import Size, const, size, var
from symbackprop.document import (
    backwards,
    conventions,
    directives,
    exercises,
    figures,
    forward,
    numbers,
    opening,
    program,
    scalar,
    shapes,
    summary,
)
from symbackprop.document.blocks import (
    Block,
    ChainRule,
    Code,
    Derivative,
    Document,
    Entry,
    Equal,
    Form,
    Formula,
    Function,
    Heading,
    Indexed,
    Lifted,
    Paragraph,
    Rate,
    Rewritten,
    See,
    ShapeOf,
    Span,
    Spans,
    Sum,
    Table,
    Update,
    Whole,
    formulas,
)
from symbackprop.document.material import Material
from symbackprop.document.opening import listed
from symbackprop.document.options import Options
from symbackprop.document.view import View
from symbackprop.errors import UnsupportedError
from symbackprop.index import Apply, Equation, adjoint_name, primal_name, refs_of
from symbackprop.tables.activations import ACTIVATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from symbackprop.affine import Affine
    from symbackprop.derivation import Derivation
    from symbackprop.network import Network
    from symbackprop.notation.preset import Preset


def build(
    derivation: Derivation,
    preset: Preset,
    options: Options | None = None,
    material: Material | None = None,
    layout: Mapping[str, tuple[int, ...]] | None = None,
) -> Document:
    """The handout of a derivation as a tree of blocks.

    ``material`` is what was made elsewhere: the generated module, its gradient check, numbers; what it lacks the
    handout lacks too.
    """
    options, material = options or Options(), material or Material()
    view = View(derivation, preset, options, layout or {})
    code = material.code if options.code else ""
    if view.full:
        parts = [*forward.section(view), *paths(view), *backwards.section(view), *shapes.section(view)]
        parts += summary.section(view)
        parts += numbers.section(view, material) if options.numbers else []
        parts += [*program.section(code), *update(view, code), *checked(material.report)]
    else:
        parts = [*summary.section(view), *shapes.section(view), *program.section(code, full=False)]
    parts = [*notation(view, tuple(parts)), *parts]
    asked = exercises.section(view, material)
    return Document(
        title=options.title or derivation.network.title or derivation.network.name,
        subtitle="Its gradients, derived step by step" if view.full else "Its gradients, for reference",
        course=options.course,
        author=options.author,
        date=options.date,
        paper=options.paper,
        blocks=(*opening.build(view, code, [*parts, *asked]), *parts, *asked),
        source=derivation.network.name,
    )


# ---------------------------------------------------------------------------------------------------------------------
# Opening and notation


def notation(view: View, parts: tuple[Block, ...]) -> list[Block]:
    """Symbols that occur, with shape, entry, meaning and name in the code; then what signals stand for."""
    used = {name for formula in formulas(parts) for name in _tensors(formula)}
    network = view.network
    order = [*network.inputs, *network.parameters, *(e.lhs.tensor for e in network.equations)]
    rows: list[tuple[Spans, ...]] = [
        ((Whole(name),), (ShapeOf(name),), entry(view, name), meaning(view, name), (Code(name),))
        for name in dict.fromkeys(order)
        if name in used
    ]
    for chain in view.derivation.chains.values():
        name = adjoint_name(chain.tensor)
        if name in used and view.has_own_name(chain.tensor):
            definition = view.definition_of_signal(chain.tensor)
            rows.append(((Whole(name),), (ShapeOf(chain.tensor),), entry(view, name), (definition,), ()))
    head = ("Symbol", "Shape", "Entry", "Meaning", "In code")
    table = Table(head, tuple(rows), ("Every array in this handout.",), "lllll", "symbols")
    said = directives.stated(view, used)
    symbols = [Heading(1, (opening.NOTATION,)), *said, table, *sizes_and_functions(view), *constants(view)]
    return [*symbols, *conventions.blocks(view)]


def entry(view: View, name: str) -> Spans:
    """An element with general indices; nothing for a scalar."""
    ref = view.element(name)
    return (Entry(ref),) if len(ref.index) > len(view.network.tensors[primal_name(name)].family) else ()


def meaning(view: View, name: str) -> Spans:
    """A tensor's part in the network."""
    tensor = view.network.tensors[name]
    if name == view.network.loss:
        return ("the loss",)
    if tensor.role == "parameter":
        return ("parameter",)
    if tensor.role == "input":
        return ("input: labels",) if tensor.below is not None else ("input",)
    spans: list[Span] = []
    for equation in view.network.definitions(name):
        spans += [", " if spans else "computed in ", See(view.forward_label(equation))]
    return tuple(spans)


def sizes_and_functions(view: View) -> list[Block]:
    """The letters of sizes, with the numbers of the network file, and what the functions are."""
    names = {name for tensor in view.network.tensors.values() for axis in tensor.axes for name in axis.sizes}
    given = view.network.sizes if "scalar" in view.levels else {}
    order = dict.fromkeys((*view.network.sizes, *sorted(names)))
    plain = [size(name, *_family_letters(view, name)) for name in order if name in names]
    examples = [Equal((Form(size(n)), Form(const(v)))) for n, v in given.items() if isinstance(v, int) and n in names]
    base = f"Indices count from {view.preset.indices.base}; all formulas hold for all sizes"
    words: Spans = (f"{base} ", *listed([Form(form) for form in plain])) if plain else (base,)
    words = (*words, ", in examples ", *listed(examples)) if examples else words
    blocks: list[Block] = [Paragraph((*words, "."), lead="Sizes.")]
    spans: list[Span] = []
    for name in functions(view.network):
        spans += ["; " if spans else "", *_function(view, name)]
    return [*blocks, Paragraph((*spans, "."), lead="Functions.")] if spans else blocks


def _family_letters(view: View, name: str) -> tuple[Affine, ...]:
    """The layer's letter for a size that differs from layer to layer; nothing for others."""
    found: tuple[Affine, ...] = ()
    for tensor in view.network.tensors.values():
        for atom in (atom for axis in tensor.axes for atom, _ in axis.terms):
            if isinstance(atom, Size) and atom.name == name and atom.at:
                if tensor.family:
                    return tuple(var(b.hint or b.var) for b in tensor.family[: len(atom.at)])
                found = atom.at
    return found


def functions(network: Network) -> tuple[str, ...]:
    """Names of the scalar functions in the forward equations that are no operations of arithmetic, in order."""
    found: dict[str, None] = {}
    for equation in network.equations:
        for term in equation.terms:
            for factor in term.factors:
                calls = factor.template.atoms(sp.Function) if isinstance(factor, Apply) else ()
                for name in sorted(str(getattr(call.func, "row", "")) for call in calls):
                    if name in network.functions or name in ACTIVATION:
                        found[name] = None
    return tuple(found)


def _function(view: View, name: str) -> Spans:
    """What a function is, and the slope chosen where it has none."""
    entry = view.network.functions.get(name)
    letters = [b for t in view.network.tensors.values() for b in t.family]
    at = (var(letters[0].hint or letters[0].var),) if entry is not None and entry.family and letters else ()
    symbol = Function(name, at)
    if entry is not None:
        words = "an activation that is left open" if entry.kind == "opaque" else f"defined as {entry.text}"
        return (symbol, f" is {words}")
    if name == "abs":  # written with bars, so it has no name to show
        return ("the absolute value has the slope 0 at 0",)
    kinks = [f"; its slope at {point} is taken to be {value}" for point, value in ACTIVATION[name].kinks]
    return (symbol, f" is the function {name}{''.join(kinks)}")


def constants(view: View) -> list[Block]:
    """What error signals stand for where a constant is kept out of them."""
    scale = view.derivation.scale
    if scale is None or not view.derivation.signals:
        return []
    named = [c.tensor for c in view.derivation.signals if view.has_own_name(c.tensor)]
    words: Spans = ("a signal is the derivative without it",)
    if named:
        words = (Equal((Whole(adjoint_name(named[0])), view.definition_of_signal(named[0]))),)
        words = (*words, ", and so on") if named[1:] else words
    kept = "The constant ", Sum((scale,)), " of the loss is kept out of the error signals, so that "
    return [Paragraph((*kept, *words, "; it returns in the gradients of the parameters."), lead="Constants.")]


# ---------------------------------------------------------------------------------------------------------------------
# Forward pass, paths


def paths(view: View) -> list[Block]:
    """The scalar level."""
    if "scalar" not in view.levels:
        return []
    try:
        return scalar.section(view.graph, view.followed, figures.tree(view))
    except UnsupportedError as error:
        return [Heading(1, (opening.PATHS,)), Paragraph((f"Not shown: {error}.",))]


# ---------------------------------------------------------------------------------------------------------------------
# Summary, code, update, check


def update(view: View, code: str) -> list[Block]:
    """The step against the gradient, which stands on the card, in the code, and mini-batches where there is a batch."""
    if not code and not view.network.batch:
        return []
    words = " changes every parameter against its gradient, with all gradients taken at the old values."
    spans: Spans = ("A step of gradient descent at a learning rate ", Rate(), words)
    if code:
        spans = (*spans, " In the code this is ", Code("gradient_step(parameters, gradients, rate)"), ".")
    batches = [_batches(view.network.batch, code)] if view.network.batch else []
    return [Heading(1, (opening.UPDATE,)), Paragraph(spans), *batches]


def _batches(batch: str, code: str) -> Paragraph:
    """Stochastic gradient descent."""
    how = (
        " of examples. Stochastic gradient descent uses that: shuffle the examples, cut them into small batches, take "
        "one step for each batch, and begin again"
    )
    spans: Spans = ("The formulas hold for any number ", Form(size(batch)), how)
    if "\ndef train(" in code:
        spans = (*spans, "; ", Code("train(parameters, inputs, rate=…, batch_size=…, epochs=…)"), " does so")
    return Paragraph((*spans, "."), lead="Mini-batches.")


def checked(report: Any) -> list[Block]:
    """The table of the gradient check."""
    if report is None:
        return []
    rows: tuple[tuple[Spans, ...], ...] = tuple(
        ((Code(name),), (error,), (method,), (verdict,)) for name, error, method, verdict in report.table()
    )
    words = "The code knows the formulas, a difference quotient knows none. Both were evaluated at random points:"
    caption = "Gradients of the listing against numeric ones."
    return [
        Heading(1, (opening.CHECK,)),
        Paragraph((words,)),
        Table(("Parameter", "Relative error", "Measured by", ""), rows, (caption,), "llll", "check"),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Which arrays a formula shows


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
        case Entry(ref=ref) | Update(parameter=ref):
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
