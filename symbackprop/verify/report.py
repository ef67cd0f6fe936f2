r"""Diagnostics as text: for a terminal, as JSON, for GitHub, as HTML, and as notes in a copy of the document.

Every writer takes the diagnostics of one file in document order. Nothing here judges; SARIF stands in ``sarif``.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from symbackprop.console import columns, styled
from symbackprop.emit.environment import environment
from symbackprop.verify.codes import CODES
from symbackprop.verify.report_unicode import marked, to_unicode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from symbackprop.verify.classify import Diagnostic

LONGEST = 5000
"""Characters of a formula that are shown on a line."""
COLOURS = {
    "right": "green", "right-under-convention": "cyan", "wrong": "red", "unreadable": "yellow", "undecided": "yellow",
}  # fmt: skip
WORDS = {"right-under-convention": "right under a convention"}


def counted(diagnostics: Iterable[Diagnostic]) -> str:
    """How many claims have which verdict: "12 right, 1 wrong"."""
    counts: Counter[str] = Counter(d.verdict for d in diagnostics)
    if not counts:
        return "no claims found"
    return ", ".join(f"{counts[name]} {WORDS.get(name, name)}" for name in COLOURS if counts[name])


def is_fault(diagnostic: Diagnostic, *, strict: bool = False) -> bool:
    """True for what makes a document fail: wrong, or expected to be wrong and not."""
    if diagnostic.expected:
        return diagnostic.verdict != "wrong"
    return diagnostic.verdict == "wrong" or (strict and diagnostic.verdict == "right-under-convention")


def exit_code(diagnostics: Iterable[Diagnostic], *, strict: bool = False) -> int:
    """1 where a claim is wrong, else 2 where one could not be read or decided, else 0."""
    found = list(diagnostics)
    if any(is_fault(d, strict=strict) and d.verdict not in {"unreadable", "undecided"} for d in found):
        return 1
    return 2 if any(d.verdict in {"unreadable", "undecided"} for d in found) else 0


# ---------------------------------------------------------------------------------------------------------------------
# Terminal


def terminal(file: str, diagnostics: Sequence[Diagnostic], *, verbose: bool = False) -> str:
    """What is not right, each with its formula, sentence, fix and evidence; then the count. ``verbose``: all claims."""
    shown = [d for d in diagnostics if verbose or d.verdict != "right" or is_fault(d)]
    blocks = [_block(file, d) for d in shown]
    return "\n".join([*blocks, f"{file}: {counted(diagnostics)}"]) + "\n"


def _block(file: str, d: Diagnostic) -> str:
    title = f" {d.code} {CODES[d.code].title}" if d.code else ""
    expected = ("  (as expected)" if d.verdict == "wrong" else "  (expected to be wrong)") if d.expected else ""
    verdict = styled(WORDS.get(d.verdict, d.verdict), fg=COLOURS[d.verdict], bold=True)
    lines = [f"{styled(f'{file}:{d.line}:{d.column}', bold=True)}: {verdict}{title}{expected}"]
    lines += _formula(d)
    if d.message:
        lines += textwrap.wrap(d.message, columns() - 2, initial_indent="  ", subsequent_indent="  ")
    if d.fix:
        shown = d.fix.replace("\n", "\n       ")
        lines += [f"  {styled('fix:', bold=True)} {shown if d.code_text else to_unicode(d.fix)}"]
        lines += [] if d.code_text else [f"       {d.fix}"]
    if d.evidence:
        lines.append(f"  {d.evidence}")
    return "\n".join(lines) + "\n"


def _formula(d: Diagnostic) -> list[str]:
    """The formula on a line, and carets under what is meant."""
    text = (d.text or d.claim)[:LONGEST]
    line, carets = _program_line(text, *(d.mark or (0, 0))) if d.code_text else marked(text, *(d.mark or (0, 0)))
    if not line.strip():
        return []
    width = columns()
    if len(line) <= width - 4 or "^" not in carets:
        found = [line if len(line) <= 3 * width else line[: 3 * width] + " …"]
        return ["    " + found[0], *(["    " + styled(carets, fg="red")] if "^" in carets else [])]
    begin, end = carets.index("^"), len(carets)
    start = max(0, min(begin - 20, end - (width - 8)))
    stop = start + width - 8
    head, tail = ("… " if start else ""), (" …" if stop < len(line) else "")
    return [f"    {head}{line[start:stop]}{tail}", "    " + " " * len(head) + styled(carets[start:stop], fg="red")]


def _program_line(text: str, start: int, end: int) -> tuple[str, str]:
    """The line of a program that a range begins in, and carets under the range."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", first)
    line = text[first : last if last >= 0 else len(text)]
    return line, " " * (start - first) + "^" * (min(end, first + len(line)) - start)


# ---------------------------------------------------------------------------------------------------------------------
# Machines


def json_object(file: str, network: str, diagnostics: Iterable[Diagnostic]) -> dict[str, Any]:
    """The object of one file."""
    return {"file": file, "network": network, "claims": [d.as_dict() for d in diagnostics]}


_LEVELS = {"wrong": "error", "unreadable": "warning", "undecided": "warning", "right-under-convention": "notice"}


def level(diagnostic: Diagnostic, *, strict: bool = False) -> str | None:
    """error, warning or notice; None for what is as it should be."""
    if is_fault(diagnostic, strict=strict):
        return "error"
    if diagnostic.expected:
        return None
    return _LEVELS.get(diagnostic.verdict)


def github(file: str, diagnostics: Iterable[Diagnostic], *, strict: bool = False) -> str:
    """Workflow commands that GitHub shows beside the lines."""
    lines = []
    for d in diagnostics:
        kind = level(d, strict=strict)
        if kind is None:
            continue
        title = f"{d.code} {CODES[d.code].title}" if d.code else WORDS.get(d.verdict, d.verdict)
        message = summary(d)
        place = f"file={_property(file)},line={d.line},col={d.column},title={_property(title)}"
        lines.append(f"::{kind} {place}::{_data(message)}")
    return "".join(line + "\n" for line in lines)


def summary(d: Diagnostic) -> str:
    """Message and fix, on two lines."""
    message = d.message or (CODES[d.code].sentence if d.code else WORDS.get(d.verdict, d.verdict))
    if d.expected and d.verdict != "wrong":
        message = f"expected to be wrong, and it is {WORDS.get(d.verdict, d.verdict)}"
    return message + (f"\nFix: {d.fix}" if d.fix else "")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


# ---------------------------------------------------------------------------------------------------------------------
# HTML


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the document: plain, or of a claim; ``here`` is the part to look at, ``number`` the claim's."""

    text: str
    number: int | None = None
    verdict: str = ""
    here: bool = False
    last: bool = False


def segments(text: str, diagnostics: Sequence[Diagnostic]) -> list[Segment]:
    """The document cut where claims and marks begin and end; claims that overlap an earlier one are left to it."""
    out: list[Segment] = []
    place = 0
    for number, d in enumerate(diagnostics, 1):
        if d.span is None or d.span.start < place or d.span.end > len(text) or d.span.start == d.span.end:
            continue
        out.append(Segment(text[place : d.span.start]))
        start, end = d.span.start, d.span.end
        first, last = (d.place.start, d.place.end) if d.place is not None else (end, end)
        first, last = max(start, min(first, end)), max(start, min(last, end))
        cuts = [(start, first, False), (first, last, True), (last, end, False)]
        pieces = [Segment(text[a:b], number, d.verdict, here) for a, b, here in cuts if a < b]
        pieces[-1] = Segment(pieces[-1].text, number, d.verdict, pieces[-1].here, last=True)
        out += pieces
        place = end
    out.append(Segment(text[place:]))
    return [segment for segment in out if segment.text]


def _plain(d: Diagnostic, text: str) -> str:
    return text if d.code_text else to_unicode(text)


def html(file: str, network: str, text: str, diagnostics: Sequence[Diagnostic]) -> str:
    """A page with the document, its claims marked, and what is said about each."""
    rows = [
        {
            "number": number, "line": d.line, "column": d.column, "verdict": d.verdict,
            "word": WORDS.get(d.verdict, d.verdict), "code": d.code, "title": CODES[d.code].title if d.code else "",
            "formula": pieces(d), "message": d.message, "fix": d.fix,
            "fixed": _plain(d, d.fix) if d.fix else "", "evidence": d.evidence, "expected": d.expected,
        }
        for number, d in enumerate(diagnostics, 1)
    ]  # fmt: skip
    template = environment("html").get_template("report.html.j2")
    return template.render(
        file=file, network=network, counts=counted(diagnostics), segments=segments(text, diagnostics), rows=rows
    )


def pieces(d: Diagnostic) -> list[tuple[str, bool]]:
    """The formula as Unicode, cut where what is meant begins and ends; True for that."""
    text = d.text or d.claim
    line, carets = (text, "") if d.code_text else marked(text, *(d.mark or (0, 0)))
    if "^" not in carets:
        return [(line, False)]
    begin, end = carets.index("^"), len(carets)
    return [(line[:begin], False), (line[begin:end], True), (line[end:], False)]


# ---------------------------------------------------------------------------------------------------------------------
# Notes in the document

_DISPLAY = re.compile(
    r"\\begin\s*\{([A-Za-z]+\*?)\}|\\end\s*\{([A-Za-z]+\*?)\}|\\\]|\\\)|(?<!\\)\$\$?|(?<!\\)%[^\n]*|\n[ \t]*\n"
)
_MATH = frozenset(
    name + star
    for name in ("equation", "align", "gather", "multline", "eqnarray", "flalign", "alignat", "displaymath", "math")
    for star in ("", "*")
)
_PACKAGES = ("amsmath", "amssymb")


def annotated(text: str, diagnostics: Sequence[Diagnostic], *, markdown: bool = False) -> str:
    """A copy of the document with a note behind each display or paragraph whose claims are not right."""
    notes: dict[int, list[Diagnostic]] = {}
    for d in diagnostics:
        if d.verdict == "right" or d.span is None or (d.expected and d.verdict == "wrong"):
            continue
        at = _behind(text, d.span.end, markdown=markdown)
        notes.setdefault(at, []).append(d)
    out, place = [], 0
    for at in sorted(notes):
        out += [text[place:at], *(_markdown_note(d) if markdown else _note(d) for d in notes[at])]
        place = at
    copy = "".join([*out, text[place:]])
    return copy if markdown or not notes else _with_packages(copy)


def _behind(text: str, end: int, *, markdown: bool) -> int:
    """Where a note can stand: behind the display, or behind the paragraph of an inline formula."""
    if markdown:
        found = re.compile(r"\n[ \t]*(?:\n|\Z)").search(text, end)
        return found.start() + 1 if found else len(text)
    place, closed = end, False
    for match in _DISPLAY.finditer(text, end):
        token = match.group()
        if token.startswith("%"):
            continue
        if closed:
            if token.strip() == "" or match.group(1) or match.group(2):
                return match.start()
            continue
        if match.group(2) in _MATH or token in {r"\]", "$$"}:
            return match.end()
        if token in {"$", r"\)"}:
            closed = True
        elif match.group(2) == "document" or token.strip() == "":
            return match.start()
        place = match.end()
    return place if not closed else len(text)


def _note(d: Diagnostic) -> str:
    title = f"{d.code}: {CODES[d.code].title}" if d.code else d.verdict
    lines = [f"\\textbf{{{latex_text(f'{WORDS.get(d.verdict, d.verdict)}, line {d.line}, {title}')}.}}"]
    if d.message:
        lines.append(latex_text(d.message))
    fix = f"\n% symbackprop: ignore\n\\[ {d.fix} \\]" if d.fix and _is_safe(d.fix) else ""
    return "\n\\begin{quote}\\small " + " ".join(lines) + fix + "\n\\end{quote}\n"


def _markdown_note(d: Diagnostic) -> str:
    title = f"{d.code}: {CODES[d.code].title}" if d.code else d.verdict
    fix = f"\n>\n> $$ {d.fix} $$" if d.fix else ""
    return f"\n> **{WORDS.get(d.verdict, d.verdict)}, line {d.line}, {title}.** {d.message}{fix}\n\n"


def _is_safe(fix: str) -> bool:
    """True for a formula that can be set anywhere: braces and brackets of size in balance, no blank line, ASCII."""
    depth = 0
    for char in re.sub(r"\\.", "", fix):
        depth += (char == "{") - (char == "}")
        if depth < 0:
            return False
    paired = len(re.findall(r"\\left(?![a-z])", fix)) == len(re.findall(r"\\right(?![a-z])", fix))
    return (
        depth == 0
        and paired
        and fix.isascii()
        and "\n\n" not in fix
        and "%" not in fix
        and "&" not in _outside_arrays(fix)
    )


def _outside_arrays(text: str) -> str:
    return re.sub(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", "", text, flags=re.DOTALL)


def _with_packages(text: str) -> str:
    """The packages that notes need, where the document begins and does not load them."""
    begin = re.search(r"\\begin\s*\{document\}", text)
    if begin is None:
        return text
    head = text[: begin.start()]
    missing = [p for p in _PACKAGES if not re.search(r"\\usepackage(?:\[[^\]]*\])?\{[^}]*\b" + p + r"\b", head)]
    lines = "".join(f"\\usepackage{{{p}}}\n" for p in missing)
    return head + lines + text[begin.start() :]


_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\^{}", "~": r"\~{}", "<": r"\ensuremath{<}", ">": r"\ensuremath{>}", "|": r"\ensuremath{|}",
}  # fmt: skip
_MATHS = {
    "∂": r"\partial", "∇": r"\nabla", "∑": r"\sum", "∏": r"\prod", "⊙": r"\odot", "∘": r"\circ", "⊗": r"\otimes",
    "×": r"\times", "·": r"\cdot", "ℓ": r"\ell", "′": "'", "→": r"\to", "∈": r"\in", "≤": r"\le", "≥": r"\ge",
    "≠": r"\ne", "≈": r"\approx", "∝": r"\propto", "←": r"\leftarrow", "−": "-", "‖": r"\|", "⟨": r"\langle",
    "⟩": r"\rangle", "…": r"\dots", "⋯": r"\cdots", "⋮": r"\vdots", "∞": r"\infty", "√": r"\surd", "±": r"\pm",
}  # fmt: skip


def latex_text(text: str) -> str:
    r"""Text with Unicode formulas as LaTeX that any engine sets; what has no counterpart is left out.

    >>> latex_text("W⁽ˡ⁺¹⁾ᵀ & δ")
    'W\\textsuperscript{(l+1)T} \\& \\ensuremath{\\delta}'
    """
    from symbackprop.verify.report_unicode import DOWN, GREEK, UP  # noqa: PLC0415 - tables for this alone

    up = {shown: plain for plain, shown in UP.items() if shown and shown != plain} | {"ᵀ": "T"}
    down = {shown: plain for plain, shown in DOWN.items() if shown and shown != plain}
    greek = {letter: rf"\{name}" for name, letter in GREEK.items()}
    greek |= {letter.upper(): rf"\{name.capitalize()}" for name, letter in GREEK.items() if name in _UPPER}
    mathematics = _MATHS | greek
    found: list[tuple[str, str]] = []
    for char, where in _scripted(text):
        if char in up or char in down:
            plain = up.get(char) or down[char]
            found.append(("textsuperscript" if char in up else "textsubscript", "l" if plain == "ℓ" else plain))
        elif char in mathematics:
            found.append((where, rf"\ensuremath{{{mathematics[char]}}}"))
        elif char.isascii():
            found.append((where, _ESCAPES.get(char, char)))
    out, last = "", ""
    for kind, shown in found:
        if kind != last:
            out += ("}" if last else "") + (rf"\{kind}{{" if kind else "")
        out += shown
        last = kind
    return out + ("}" if last else "")


_SCRIPT = re.compile(r"([\^_])(?:\(([^()]*)\)|(\[[^\[\]]*\]|\w+))")


def _scripted(text: str) -> Iterator[tuple[str, str]]:
    """Characters, with where they stand for those behind ``^`` and ``_``: ``W^[l]``, ``d_out``, ``x_(t,q)``."""
    place = 0
    for found in _SCRIPT.finditer(text):
        yield from ((char, "") for char in text[place : found.start()])
        where = "textsuperscript" if found[1] == "^" else "textsubscript"
        yield from ((char, where) for char in found[2] or found[3])
        place = found.end()
    yield from ((char, "") for char in text[place:])


_UPPER = frozenset(["gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega"])
