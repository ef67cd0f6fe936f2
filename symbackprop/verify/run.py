"""One file in, its diagnostics out: what the command, Python and notebooks share.

report = run("homework.tex", net="network.toml")
report.diagnostics, report.exit_code(), report.terminal()
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from symbackprop import spec
from symbackprop.errors import SpecError
from symbackprop.handwritten import document as documents
from symbackprop.handwritten import python_source
from symbackprop.handwritten.expression import Span
from symbackprop.verify import pipeline, report
from symbackprop.verify.classify import Diagnostic, diagnose
from symbackprop.verify.judge import Worlds
from symbackprop.verify.python import judge_program
from symbackprop.verify.python_report import of_python
from symbackprop.verify.report_notebook import notebook

SEARCHES = 200
"""Claims of one file that are not right and for which a fix is searched; repetitions do not count."""

_DERIVATIVE = re.compile(r"\\partial|\\nabla|\\delta|\\Delta|\\dot|'|\\prime|∂|∇|\bd[A-Za-z]|\bd\b|\{d")

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from symbackprop.handwritten.document import Document
    from symbackprop.network import Network


@dataclass(frozen=True, kw_only=True)
class Report:
    """The claims of one file with what is said about each."""

    file: str
    network: str
    text: str
    diagnostics: tuple[Diagnostic, ...]
    markdown: bool = False

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.diagnostics)

    def exit_code(self, *, strict: bool = False) -> int:
        """1 where a claim is wrong, else 2 where one could not be read or decided, else 0."""
        return report.exit_code(self.diagnostics, strict=strict)

    def terminal(self, *, verbose: bool = False) -> str:
        """Lines for a terminal."""
        return report.terminal(self.file, self.diagnostics, verbose=verbose)

    def as_dict(self) -> dict[str, Any]:
        """The object of the JSON output."""
        return report.json_object(self.file, self.network, self.diagnostics)

    def html(self) -> str:
        """A page with the document, its claims marked."""
        return report.html(self.file, self.network, self.text, self.diagnostics)

    def annotated(self) -> str:
        """A copy of the document with notes behind the claims that are not right."""
        return report.annotated(self.text, self.diagnostics, markdown=self.markdown)

    def __str__(self) -> str:
        return self.terminal(verbose=True)

    def _repr_html_(self) -> str:
        return notebook(self.file, self.diagnostics)


def run(path: str, *, net: str | None = None, fix: bool = True, require: Sequence[str] = ()) -> Report:
    """The report on a file: LaTeX, Markdown, a notebook, Python, or standard input for ``-``.

    ``require`` are quantities, in the names of the network (``dC/dW``), of which a claim must be there.

    Raises: SpecError where the file or its network cannot be read.
    """
    document = documents.open_document(path)
    return judged(document, net, fix=fix, require=require)


def judged(
    document: Document, net: Network | str | None = None, *, fix: bool = True, require: Sequence[str] = ()
) -> Report:
    """The report on a document that was read."""
    if document.kind == "py":
        network = _network_of_program(document, net)
        found = _program(document.text, network, document.path, fix=fix)
        named = net if isinstance(net, str) else (document.net or network.name)
        return _finished(document, named, found, require, ())
    if net is None and document.net is None and not _has_claims(document):
        return _finished(document, "", [], require, ())
    session = pipeline.session(document, net)
    claims = tuple(session.claims())
    named = net if isinstance(net, str) else (document.net or session.network.name)
    diagnostics = _diagnosed(claims, session.worlds, document.text, fix=fix)
    if document.cells:
        program = python_source.from_cells(document.cells)
        diagnostics += map(of_python, judge_program(program, session.network, session.worlds, fix=fix))
    diagnostics += [
        Diagnostic(line=p.line, column=p.column, claim="", quantity="", verdict="unreadable", code="SB406",
                   message=p.message)
        for p in session.document.problems
    ]  # fmt: skip
    diagnostics.sort(key=lambda d: (d.line, d.column))
    about = tuple(pipeline.quantity_about(claim) for claim in claims)
    return _finished(document, named, diagnostics, require, about)


def _diagnosed(claims: Sequence[pipeline.Judged], worlds: Worlds, source: str, *, fix: bool) -> list[Diagnostic]:
    """The diagnostics of claims; of those that repeat an earlier one, that one's at another place."""
    found: list[Diagnostic] = []
    known: dict[int, Diagnostic] = {}
    searches = 0
    for claim in claims:
        if claim.first is not None:
            found.append(_elsewhere(known[id(claim.first)], claim.first, claim))
            continue
        searches += not claim.verdict.is_right
        said = diagnose(claim, worlds, source=source, fix=fix and searches <= SEARCHES)
        known[id(claim)] = said
        if fix and searches == SEARCHES + 1 and not claim.verdict.is_right:
            note = f"From here on no fix is searched for: {SEARCHES} claims before this one are not right."
            said = replace(said, message=f"{said.message} {note}".strip())
        found.append(said)
    return found


def _elsewhere(diagnostic: Diagnostic, first: pipeline.Judged, claim: pipeline.Judged) -> Diagnostic:
    """The diagnostic of a claim for a repetition of it."""
    shift = claim.entry.formula.span.start - first.entry.formula.span.start
    return replace(
        diagnostic,
        line=claim.line,
        column=claim.column,
        span=_shifted(diagnostic.span, shift),
        place=_shifted(diagnostic.place, shift),
    )


def _shifted(span: Span | None, shift: int) -> Span | None:
    return None if span is None else Span(span.start + shift, span.end + shift)


def _has_claims(document: Document) -> bool:
    """True for a document with formulas about derivatives, with directives, or with code cells that hold gradients."""
    directed = any(d.claim is not None or d.lets for d in (each.directives for each in document.entries))
    return bool(directed or document.cells) or any(_DERIVATIVE.search(e.formula.text) for e in document.entries)


def _network_of_program(document: Document, net: Network | str | None) -> Network:
    if net is None and document.net is not None:
        return spec.load(str(documents.net_path(document.path, document.net)))
    if net is None:
        message = "no network: give one with --net, or a line '# symbackprop: net = FILE' in the file"
        raise SpecError(message, source=document.path or None)
    return spec.load(net) if isinstance(net, str) else net


def _program(text: str, network: Network, path: str, *, fix: bool) -> list[Diagnostic]:
    program = python_source.parse(text, source=path)
    return [of_python(claim) for claim in judge_program(program, network, Worlds(network=network), fix=fix)]


def _finished(
    document: Document,
    network: str,
    diagnostics: list[Diagnostic],
    require: Sequence[str],
    about: Sequence[str],
) -> Report:
    wanted = [quantity.replace(" ", "") for quantity in require]
    present = {quantity.replace(" ", "") for quantity in (*about, *(d.quantity for d in diagnostics))}
    for quantity in wanted:
        if quantity not in present:
            known = ", ".join(sorted(q for q in present if q.startswith("d") and "/" in q)) or "none"
            diagnostics.append(
                Diagnostic(line=1, column=1, claim="", quantity=quantity, verdict="wrong", code="SB407",
                           message=f"A claim about {quantity} is required and missing; claims found: {known}")
            )  # fmt: skip
    return Report(
        file=document.path or "-", network=network, text=document.text,
        diagnostics=tuple(diagnostics), markdown=document.kind == "md",
    )  # fmt: skip
