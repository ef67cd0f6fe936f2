"""From a judged claim to a diagnostic: code, message, fix and evidence, with the place to point at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from symbackprop.handwritten import expression as ex
from symbackprop.verify.codes import CODES, of_convention
from symbackprop.verify.derived import right_formula
from symbackprop.verify.derived_terms import derived_terms, printed_formula
from symbackprop.verify.edits import Known, rank, scene
from symbackprop.verify.evaluate import OutOfRange, ShapeMisfit
from symbackprop.verify.explain import Explainer
from symbackprop.verify.judge import apart
from symbackprop.verify.pipeline import holds_as_text
from symbackprop.verify.repair import Repair, repair
from symbackprop.verify.repair_check import LAST_RESORT, WORK, Checker, Effort, stretched_readings
from symbackprop.verify.repair_text import Writer
from symbackprop.verify.report_notebook import one
from symbackprop.verify.report_unicode import to_unicode

if TYPE_CHECKING:
    from symbackprop.handwritten.expression import Span
    from symbackprop.handwritten.reader import Context
    from symbackprop.network import Network
    from symbackprop.verify.conventions import Setting
    from symbackprop.verify.judge import Verdict, Worlds

_ANOTHER = frozenset(("SB208", "SB209", "SB217", "SB218", "SB219"))
"""Repairs that put another formula where an index has left its range."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A claim that was read and is not right, and all it is judged by."""

    statement: Any
    setting: Setting
    verdict: Verdict
    worlds: Worlds
    context: Context | None = None

    @property
    def network(self) -> Network:
        """The network that the claim is about."""
        return self.worlds.network

    @property
    def names(self) -> tuple[Known, ...]:
        """The author's names."""
        return known_names(self.setting, self.network)

    @property
    def writer(self) -> Writer:
        """Writes in the author's notation."""
        return Writer(scene(self.network, tuple(self.statement.members), self.names, base=self.setting.base))

    def right(self) -> str | None:
        """The right formula from the derivation."""
        if self.context is None:
            return None
        own = right_formula(self.statement, self.setting, self.context, self.worlds, self.names)
        if own is not None:
            return own
        printed = printed_formula(self.network, self.statement, self.setting)
        holds = printed is not None and holds_as_text(printed, self.setting, self.context, self.worlds)
        return printed if holds else None


def finding(case: Case, *, fix: bool = True, work: int = WORK) -> Finding:
    """What is wrong with a claim that was read and is not right."""
    verdict = case.verdict
    if verdict.verdict == "right-under-convention":
        words = verdict.convention or ""
        return Finding(code=of_convention(words), message=f"Right under a convention: {words}.")
    if verdict.verdict == "undecided":
        return Finding(code="SB405", message=_capital(verdict.message), node=_node(verdict))
    effort = Effort(work)
    found = _repaired(case, effort) if fix else None
    if found is None or (verdict.verdict == "unreadable" and _another_subject(found)):
        said = _unmended(case, fix=fix)
        stopped = f" The search for a fix was stopped after {LAST_RESORT:.0f} seconds." if effort.stopped else ""
        return replace(said, message=said.message + stopped)
    said = _explained(case, found)
    if verdict.verdict != "unreadable":
        return said
    if found.names == 1 and len(found.changes) == 1:
        return replace(said, verdict="wrong")
    return replace(said, code="SB401", node=_node(verdict), codes=tuple(dict.fromkeys(("SB401", *said.codes))))


def _another_subject(found: Repair) -> bool:
    """True where what the formula is about is undeclared, and no known name alone makes it right."""
    return len(found.changes) > 1 and any(c.row == "declared" and c.path[:1] == (0,) for c in found.changes)


def _repaired(case: Case, effort: Effort) -> Repair | None:
    """The repair under plain readings; failing that, under a convention, with a fifth of the effort."""
    kept = effort.left // 5
    effort.left -= kept
    wrong = case.verdict.wrong_member
    derived = derived_terms(case.network, case.statement, case.setting)
    checker = Checker(case.statement, case.setting, case.worlds, effort=effort)
    found = repair(case.network, case.statement, checker, names=case.names, wrong_member=wrong, derived=derived)
    if found is not None:
        return found
    effort.left = kept
    readings = stretched_readings(case.statement, case.setting, case.worlds)[:4]
    if not readings:
        return None
    again = Checker(case.statement, case.setting, case.worlds, readings, effort)
    return repair(case.network, case.statement, again, names=case.names, wrong_member=wrong)


def _explained(case: Case, found: Repair) -> Finding:
    explainer = Explainer(case.network, case.writer)
    message = explainer.sentence(found.changes)
    if found.left_out:
        shown = ", ".join(map(explainer.shown, found.left_out))
        message += f" No small change mends {shown}, which the fix leaves out."
    code = found.code
    if isinstance(case.verdict.misfit, OutOfRange) and code in _ANOTHER:
        code, message = "SB204", f"{_capital(to_unicode(case.verdict.message))}. {message}"
    codes = tuple(dict.fromkeys((code, found.code, *(each for c in found.changes for each in c.codes))))
    first = next((c for c in found.changes if c.code == found.code), found.changes[0])
    fix = found.text
    if fix is not None and case.context is not None and not holds_as_text(fix, case.setting, case.context, case.worlds):
        fix = case.right()
    return Finding(code=code, message=message, fix=fix, node=first.pointed, codes=codes)


def _unmended(case: Case, *, fix: bool) -> Finding:
    """No small change helps: the code from the kind of misfit, and the right formula from the derivation."""
    verdict = case.verdict
    unread = verdict.verdict == "unreadable"
    code = "SB401" if unread else _guessed(case)
    right = case.right() if fix else None
    sought = CODES[code].sentence.rstrip(".") if fix else CODES[code].title
    message = to_unicode(verdict.message) or sought
    if verdict.ratio is not None and _simple(verdict.ratio):
        message = f"the value is {apart(verdict.ratio, 1.0)[0]} times the right one"
    if right is not None:
        tried = "" if "no small change" in message else "no small change mends it, "
        message += f"; {tried}the right formula is given"
    return Finding(code=code, message=_capital(message) + ".", fix=right, node=_node(verdict), codes=(code,))


def _simple(ratio: float) -> bool:
    """True for the ratio of small numbers; that of two numbers at one point alone says nothing."""
    return abs(ratio - float(Fraction(ratio).limit_denominator(_SMALL))) < _CLOSE


def _guessed(case: Case) -> str:
    """The kind of mistake where no repair says it."""
    verdict, members = case.verdict, tuple(case.statement.members)
    here = scene(case.network, members, case.names)
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
        code = unread_code(verdict.message)
        where = formula.part(*judged.place) if judged.place is not None else None
        return Diagnostic(
            **base, code=code, message=_capital(verdict.message), mark=judged.place, place=where,
            fix=judged.mended if fix else None, changes=(code,),
        )  # fmt: skip
    case = Case(
        statement=statement, setting=judged.setting, verdict=verdict, worlds=worlds, context=judged.context
    )  # fmt: skip
    found = finding(case, fix=fix, work=work)
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
