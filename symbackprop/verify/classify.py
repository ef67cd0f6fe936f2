"""From a judged claim to a diagnostic: code, message, fix and evidence, with the place to point at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from symbackprop import adjoint
from symbackprop.affine import Affine, Var
from symbackprop.emit.mathtext import Printer
from symbackprop.errors import SymbackpropError
from symbackprop.handwritten import expression as ex
from symbackprop.handwritten.formula import plain
from symbackprop.handwritten.resolve import Context, statements
from symbackprop.lift import lift
from symbackprop.notation import layout, load
from symbackprop.verify.codes import CODES, of_convention
from symbackprop.verify.edits import Known, everywhere, rank, scene
from symbackprop.verify.evaluate import OutOfRange, ShapeMisfit
from symbackprop.verify.explain import Explainer
from symbackprop.verify.judge import apart
from symbackprop.verify.repair import Repair, repair
from symbackprop.verify.repair_check import LAST_RESORT, WORK, Checker, Effort, stretched_readings
from symbackprop.verify.repair_text import Writer
from symbackprop.verify.report_notebook import one
from symbackprop.verify.report_unicode import to_unicode

if TYPE_CHECKING:
    from symbackprop.handwritten.expression import Span
    from symbackprop.network import Network
    from symbackprop.verify.conventions import Setting
    from symbackprop.verify.judge import Verdict, Worlds

_SMALL, _CLOSE = 24, 1e-9
Kind = Literal["right", "right-under-convention", "wrong", "unreadable", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """What is said about one claim; ``as_dict`` has exactly the fields of the JSON output.

    ``claim`` is the formula as written, ``text`` the same with macros expanded; ``mark`` is the range of ``text`` to
    point at; ``span`` is that of the claim in the document. ``expected`` says that the document expects a wrong claim.
    """

    line: int
    column: int
    claim: str
    quantity: str
    verdict: Kind
    code: str | None = None
    message: str = ""
    fix: str | None = None
    evidence: str | None = None
    text: str = ""
    mark: tuple[int, int] | None = None
    span: Span | None = None
    place: Span | None = None
    """The range of the document to point at."""
    expected: bool = False
    code_text: bool = False
    """True where claim and fix are lines of a program."""
    changes: tuple[str, ...] = ()
    """Codes of all mistakes that the fix mends, the weightiest first."""

    def as_dict(self) -> dict[str, Any]:
        """The claim in the JSON output."""
        names = ("line", "column", "claim", "quantity", "verdict", "code", "message", "fix", "evidence")
        return {name: getattr(self, name) for name in names}

    def _repr_html_(self) -> str:
        return one(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Code and message of a verdict that is not right, with the repair where there is one."""

    code: str
    message: str
    fix: str | None = None
    node: ex.Node | None = None
    codes: tuple[str, ...] = ()
    verdict: Kind | None = None
    """Another verdict, where the repair decided it."""


def known_names(setting: Setting, network: Network) -> tuple[Known, ...]:
    """The author's names with the number of axes of their values."""
    bare = scene(network, ())
    return tuple(
        Known(name=head, letters=let.letters, rank=rank(let.value, bare)) for head, let in setting.lets.items()
    )


def finding(  # noqa: PLR0913 - a claim and all it is judged by
    statement: Any, setting: Setting, verdict: Verdict, worlds: Worlds, *, fix: bool = True, work: int = WORK
) -> Finding:
    """What is wrong with a claim that was read and is not right."""
    network = worlds.network
    names = known_names(setting, network)
    if verdict.verdict == "right-under-convention":
        words = verdict.convention or ""
        return Finding(code=of_convention(words), message=f"Right under a convention: {words}.")
    if verdict.verdict == "undecided":
        return Finding(code="SB405", message=_capital(verdict.message), node=_node(verdict))
    effort = Effort(work)
    found = _repaired(statement, setting, verdict, worlds, names, effort) if fix else None
    if verdict.verdict == "unreadable":
        nothing = Finding(code="SB401", message=_capital(to_unicode(verdict.message)) + ".", node=_node(verdict))
        if found is None:
            return nothing
        said = _explained(statement, setting, network, names, found)
        if found.names == 1 and len(found.changes) == 1:
            return replace(said, verdict="wrong")
        return replace(nothing, message=said.message, fix=said.fix, codes=tuple(dict.fromkeys(("SB401", *said.codes))))
    if found is not None:
        return _explained(statement, setting, network, names, found)
    said = _unmended(statement, setting, verdict, network, names, fix=fix)
    if effort.stopped:
        said = replace(
            said, message=f"{said.message} The search for a fix was stopped after {LAST_RESORT:.0f} seconds."
        )
    return said


def _repaired(  # noqa: PLR0913, PLR0917 - a claim and all it is judged by
    statement: Any, setting: Setting, verdict: Verdict, worlds: Worlds, names: tuple[Known, ...], effort: Effort
) -> Repair | None:
    """The repair under plain readings; failing that, under a convention, with a fifth of the effort."""
    kept = effort.left // 5
    effort.left -= kept
    derived = derived_terms(worlds.network, statement, setting)
    checker = Checker(statement, setting, worlds, effort=effort)
    found = repair(worlds.network, statement, checker, names=names, wrong_member=verdict.wrong_member, derived=derived)
    if found is not None:
        return found
    effort.left = kept
    readings = stretched_readings(statement, setting, worlds)[:4]
    if not readings:
        return None
    again = Checker(statement, setting, worlds, readings, effort)
    return repair(worlds.network, statement, again, names=names, wrong_member=verdict.wrong_member)


def _explained(statement: Any, setting: Setting, network: Network, names: tuple[Known, ...], found: Repair) -> Finding:
    writer = Writer(scene(network, tuple(statement.members), names, base=setting.base))
    message = Explainer(network, writer).sentence(found.changes)
    codes = tuple(dict.fromkeys((found.code, *(code for change in found.changes for code in change.codes))))
    first = next((c for c in found.changes if c.code == found.code), found.changes[0])
    return Finding(code=found.code, message=message, fix=found.text, node=first.shown, codes=codes)


def _unmended(  # noqa: PLR0913 - a claim and all it is judged by
    statement: Any, setting: Setting, verdict: Verdict, network: Network, names: tuple[Known, ...], *, fix: bool
) -> Finding:
    """No small change helps: the code from the kind of misfit, and the right formula in the network's notation."""
    code = _guessed(statement, verdict, network, names)
    sought = CODES[code].sentence.rstrip(".") if fix else CODES[code].title
    message = _capital(verdict.message or sought)
    right = right_formula(network, statement, setting) if fix else None
    if verdict.ratio is not None and _simple(verdict.ratio):
        message = f"the value is {apart(verdict.ratio, 1.0)[0]} times the right one"
    if right is not None:
        tried = "" if "no small change" in message else "no small change mends it, "
        message += f"; {tried}the right formula is given"
    return Finding(code=code, message=_capital(message) + ".", fix=right, node=_node(verdict), codes=(code,))


def _simple(ratio: float) -> bool:
    """True for the ratio of small numbers; that of two numbers at one point alone says nothing."""
    return abs(ratio - float(Fraction(ratio).limit_denominator(_SMALL))) < _CLOSE


def _guessed(statement: Any, verdict: Verdict, network: Network, names: tuple[Known, ...]) -> str:
    """The kind of mistake where no repair says it."""
    members = tuple(statement.members)
    here = scene(network, members, names)
    if isinstance(verdict.misfit, OutOfRange):
        return "SB204"
    if verdict.ratio is not None and any(isinstance(member, ex.Update) for member in members):
        return "SB215"  # the rate of a step is positive, whatever it is
    if verdict.ratio is not None and _simple(verdict.ratio):
        return "SB215" if verdict.ratio == -1 else "SB216"
    if not isinstance(verdict.misfit, ShapeMisfit):
        return "SB290"
    head = members[0]
    matrix = isinstance(head, ex.Derivative) and rank(head.by, here) == len(("rows", "columns"))
    if matrix and isinstance(head, ex.Derivative) and head.of is not None and rank(head.of, here) != 0:
        last = members[-1]
        return "SB208" if isinstance(last, ex.Product) and len(last.factors) > 1 else "SB303"
    products = [n for m in members for n in ex.walk(m) if isinstance(n, ex.Product | ex.Elided)]
    signs = {s for n in products for s in (n.signs[1:] if isinstance(n, ex.Product) else (str(n.sign),))}
    if signs & {"circ", "odot"} and signs & {"juxtaposition"}:
        return "SB101"
    return "SB190"


def _node(verdict: Verdict) -> ex.Node | None:
    return verdict.misfit.node if verdict.misfit is not None else None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def evidence(verdict: Verdict) -> str | None:
    """The evidence in words, with the point and both values where it was refuted."""
    if verdict.evidence is None:
        return None
    if verdict.evidence.kind == "refuted" and verdict.counterexample is not None:
        return f"refuted: {verdict.counterexample}"
    if verdict.evidence.kind == "refuted" and verdict.message:
        return f"refuted: {verdict.message}"
    return str(verdict.evidence)


# ---------------------------------------------------------------------------------------------------------------------
# The right formula


def right_formula(network: Network, statement: Any, setting: Setting) -> str | None:
    """The derivative of a scalar that a statement is about, in the network's notation; None for other quantities."""
    subject = _subject(tuple(statement.members), setting, network)
    if subject is None:
        return None
    scalar, target = subject
    try:
        derivation, printer = _derived(_Held(network), scalar, target.tensor)
        chain = derivation.chains.get(target.tensor)
        if chain is None:
            return None
        if any(not isinstance(e, ex.Slice) for e in target.element):
            return str(printer.equation(chain.equation))
        preset = printer.preset
        own = layout(derivation.network, preset, relay=False)
        lifted = lift(chain.equation, derivation, own, preset.orientation.vectors)
        return str(printer.matrix(chain.equation, lifted))
    except SymbackpropError:
        return None


def derived_terms(network: Network, statement: Any, setting: Setting) -> tuple[ex.Node, ...]:
    """The terms of the right formula with the claim's indices; () for one term alone, or where there is none."""
    subject = _subject(tuple(statement.members), setting, network)
    shown = right_formula(network, statement, setting)
    if subject is None or shown is None:
        return ()
    target = subject[1]
    try:
        (read, *_) = statements(plain(shown), Context(network=network, base=setting.base))
    except SymbackpropError:
        return ()
    head, value = read.members[0], read.members[-1]
    if not isinstance(head, ex.Derivative) or not isinstance(head.by, ex.Quantity):
        return ()
    values = [row for row, _ in value.rows] if isinstance(value, ex.Cases) else [value]
    slots = zip((*head.by.family, *head.by.element), (*target.family, *target.element), strict=False)
    image = {
        old.single.name: new for old, new in slots
        if isinstance(old, Affine) and isinstance(new, Affine) and isinstance(old.single, Var)
    }  # fmt: skip
    signed = (pair for v in values if isinstance(v, ex.Sum) for pair in zip(v.terms, v.signs, strict=True))
    terms = (term if sign > 0 else ex.Sum(terms=(term,), signs=(-1,)) for term, sign in signed)
    return tuple(everywhere(term, lambda form: form.substitute(image)) for term in terms)


def _subject(members: tuple[ex.Node, ...], setting: Setting, network: Network) -> tuple[str, ex.Quantity] | None:
    """The scalar that is differentiated, and by what."""
    heads = [m for m in (setting.claim, *members[:1]) if m is not None]
    for head in heads:
        node = setting.lets[head.name].value if isinstance(head, ex.Named) and head.name in setting.lets else head
        if isinstance(node, ex.Update):
            node = ex.Derivative(of=ex.Quantity(tensor=network.loss), by=node.target)
        if isinstance(node, ex.Derivative) and isinstance(node.by, ex.Quantity) and isinstance(node.of, ex.Quantity):
            of = network.tensors.get(node.of.tensor)
            if of is not None and not of.axes and not of.family:
                return node.of.tensor, node.by
    return None


class _Held:
    """A network as a key: two are the same only where they are one object."""

    __slots__ = ("network",)

    def __init__(self, network: Network) -> None:
        self.network = network

    def __hash__(self) -> int:
        return id(self.network)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.network is self.network


@lru_cache(maxsize=16)
def _derived(held: _Held, scalar: str, by: str) -> tuple[Any, Printer]:
    """The derivation of a scalar of the network by its parameters, and by one more array that it is given."""
    network = held.network
    roles = {scalar: "loss", by: "parameter"} if by in network.inputs else {scalar: "loss"}
    if scalar != network.loss or by in network.inputs:
        tensors = {n: replace(t, role=roles.get(n, t.role)) for n, t in network.tensors.items()}
        parameters = (*network.parameters, by) if by in network.inputs else network.parameters
        network = replace(network, loss=scalar, parameters=parameters, tensors=tensors)
    preset = load(network.notation)
    preset = replace(preset, choices=replace(preset.choices, pull="none"), adjoints=())
    derivation = adjoint.derive(network, preset.choices)
    return derivation, Printer(derivation, preset)


# ---------------------------------------------------------------------------------------------------------------------
# Diagnostics


def diagnose(judged: Any, worlds: Worlds, *, source: str = "", fix: bool = True, work: int = WORK) -> Diagnostic:
    """The diagnostic of a judged claim; ``source`` is the document's text, for the formula as written."""
    formula = judged.entry.formula
    verdict: Verdict = judged.verdict
    statement = judged.statement
    span = (statement.span if statement is not None else None) or formula.span
    shown = source[span.start : span.end] if source else formula.text
    quantity = quantity_of(judged)
    base = {
        "line": judged.line, "column": judged.column, "claim": shown.strip(), "quantity": quantity,
        "verdict": verdict.verdict, "evidence": evidence(verdict), "text": formula.text, "span": span,
        "expected": bool(getattr(judged.entry.directives, "expect_wrong", False)),
    }  # fmt: skip
    if verdict.verdict == "right":
        repairs = "; ".join(statement.repairs) if statement is not None else ""
        return Diagnostic(**base, message=repairs)
    if statement is None or judged.setting is None:
        return Diagnostic(
            **base, code=unread_code(verdict.message), message=_capital(verdict.message), mark=_mark(formula, None)
        )
    found = finding(statement, judged.setting, verdict, worlds, fix=fix, work=work)
    message = found.message
    if statement.repairs:
        message += " (" + "; ".join(statement.repairs) + ")"
    kind = found.verdict or verdict.verdict
    base["verdict"] = kind
    if kind == "wrong" and base["evidence"] is None:
        base["evidence"] = f"refuted: {verdict.message}"
    return Diagnostic(
        **base, code=found.code, message=message, fix=found.fix, mark=_mark(formula, found.node),
        place=_extent(found.node), changes=found.codes,
    )  # fmt: skip


def unread_code(message: str) -> str:
    """The code of what could not be read."""
    words = message.lower()
    marks = (
        ("declare", "SB401"), ("no derivative", "SB403"), ("stands above a bar", "SB403"), (("derivative of "
        "order"), "SB403"),
        ("bracket", "SB402"), ("brace", "SB402"), ("parenthes", "SB402"), ("closes", "SB402"), (("never "
        "closed"), "SB402"),
        ("missing", "SB402"), ("nothing", "SB402"), ("has no partner", "SB402"), ("ends too early", "SB402"),
    )  # fmt: skip
    return next((code for mark, code in marks if mark in words), "SB404")


def quantity_of(judged: Any) -> str:
    """What a claim is about: as the directive says, else its left side."""
    directives = judged.entry.directives
    if getattr(directives, "claim", None) is not None:
        return str(directives.claim.value.formula.text).strip()
    if judged.statement is not None:
        return str(judged.statement.members[0].source or judged.entry.formula.text).strip()
    return str(judged.entry.formula.text.partition("=")[0]).replace("&", "").strip()


def _extent(node: ex.Node | None) -> Span | None:
    """The range of the document that a node covers; for one that was made, that of its parts."""
    if node is None or node.span is not None:
        return node.span if node is not None else None
    spans = [n.span for n in ex.walk(node) if n.span is not None]
    return ex.Span(min(s.start for s in spans), max(s.end for s in spans)) if spans else None


def _mark(formula: Any, node: ex.Node | None) -> tuple[int, int] | None:
    """The range of a formula's text behind a node; None where it has no place."""
    extent = _extent(node)
    if extent is None:
        return None
    first, last = extent.start, extent.end
    hits = [k for k, (start, end) in enumerate(zip(formula.starts, formula.ends, strict=True))
            if start >= first and end <= last]  # fmt: skip
    return (hits[0], hits[-1] + 1) if hits else None
