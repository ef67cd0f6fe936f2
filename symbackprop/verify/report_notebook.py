"""Claims as a notebook shows them: formulas in LaTeX for its typesetter, the part that is meant in colour.

Everything from the document is escaped; what cannot be typeset (an unreadable formula, a lone dollar) is shown as text.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from symbackprop.verify.codes import CODES
from symbackprop.verify.report import COLOURS, WORDS, counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from symbackprop.verify.classify import Diagnostic

LONGEST = 2000
"""Characters of a formula that is typeset."""


def notebook(file: str, diagnostics: Sequence[Diagnostic]) -> str:
    """A fragment of HTML: how many claims have which verdict, and a row for each."""
    rows = "".join(f"<tr>{_cells(d)}</tr>" for d in diagnostics)
    head = "<tr><th>line</th><th>verdict</th><th style='text-align:left'>claim</th></tr>"
    return f"<div><p><b>{escape(file)}</b>: {escape(counted(diagnostics))}</p><table>{head}{rows}</table></div>"


def one(diagnostic: Diagnostic) -> str:
    """A fragment of HTML for one claim."""
    return f"<table><tr>{_cells(diagnostic)}</tr></table>"


def _cells(d: Diagnostic) -> str:
    word = WORDS.get(d.verdict, d.verdict)
    verdict = f"<b style='color:{COLOURS[d.verdict]}'>{escape(word)}</b>"
    if d.code:
        verdict += f"<br><span title='{escape(CODES[d.code].title)}'>{escape(d.code)}</span>"
    said = [typeset(d.text or d.claim, d.mark, readable=d.verdict != "unreadable" and not d.code_text)]
    said += [escape(d.message)] if d.message else []
    said += [f"fix: {typeset(d.fix, readable=not d.code_text)}"] if d.fix else []
    said += [f"<small>{escape(d.evidence)}</small>"] if d.evidence else []
    place = f"{d.line}:{d.column}"
    return f"<td>{place}</td><td>{verdict}</td><td style='text-align:left'>{'<br>'.join(said)}</td>"


def typeset(latex: str, mark: tuple[int, int] | None = None, *, readable: bool = True) -> str:
    r"""LaTeX between dollars, the marked part in red; as plain text where it cannot be typeset.

    >>> typeset(r"a < W x", (4, 7))
    '$\\displaystyle a &lt; \\textcolor{red}{W x}$'
    >>> typeset("a_{b", readable=False)
    '<code>a_{b</code>'
    """
    if not readable or "$" in latex or len(latex) > LONGEST or not _balanced(latex):
        return f"<code>{escape(latex[:LONGEST])}</code>"
    start, end = mark or (0, 0)
    part = latex[start:end].strip()
    if part and _balanced(part) and "&" not in part and r"\\" not in part and _free(latex, start, end):
        latex = rf"{latex[:start]}\textcolor{{red}}{{{part}}} {latex[end:]}".rstrip()
    if "&" in latex and r"\begin" not in latex:
        latex = rf"\begin{{aligned}}{latex}\end{{aligned}}"
    return rf"$\displaystyle {escape(latex)}$"


def _balanced(latex: str) -> bool:
    """True where braces, sizes of brackets and environments have their partners."""
    depth = 0
    for sign in _braces(latex):
        depth += 1 if sign == "{" else -1
        if depth < 0:
            return False
    pairs = ((r"\left", r"\right"), (r"\begin", r"\end"))
    return depth == 0 and all(_count(latex, a) == _count(latex, b) for a, b in pairs)


def _braces(latex: str) -> Iterable[str]:
    plain = latex.replace(r"\\", "").replace(r"\{", "").replace(r"\}", "")
    return (character for character in plain if character in "{}")


def _count(latex: str, command: str) -> int:
    """How often a command stands there, arrows that begin like it aside."""
    return sum(not part[:1].isalpha() for part in latex.split(command)[1:])


def _free(latex: str, start: int, end: int) -> bool:
    """True where a part is not the lone argument of a script or command, nor cut out of a command's name."""
    before, after = latex[:start].rstrip(), latex[end:]
    cut = latex[end - 1].isalpha() and after[:1].isalpha() and "\\" in latex[start:end]
    return not (cut or before.endswith(("\\", "_", "^", r"\frac", r"\mathbf", r"\vec", r"\hat")))
