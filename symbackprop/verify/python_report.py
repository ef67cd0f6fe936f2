"""What is said about a claim of a program: the code of its mistake, a sentence, and the corrected line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.verify.classify import Diagnostic, evidence
from symbackprop.verify.codes import of_convention

if TYPE_CHECKING:
    from symbackprop.verify.judge import Verdict
    from symbackprop.verify.python import PythonClaim

_UNREAD = {"unreadable": "SB404", "undecided": "SB405"}


def of_python(claim: PythonClaim) -> Diagnostic:
    """The diagnostic of a judged claim."""
    verdict, mend = claim.verdict, claim.mend
    code, message, fix, mark, text = None, verdict.message, None, None, claim.text
    if verdict.verdict == "right-under-convention":
        code, message = of_convention(verdict.convention or ""), f"Right under a convention: {verdict.convention}."
    elif verdict.verdict != "wrong" or mend is None:
        code = _UNREAD.get(verdict.verdict) or (_code(verdict) if verdict.verdict == "wrong" else None)
        message = message[:1].upper() + message[1:]
    elif mend.follows:
        code = mend.edit.code
        message = f"Right given line {mend.line}, where the mistake is: {mend.before.strip()}"
    else:
        code, message, fix = mend.edit.code, mend.edit.sentence, mend.after
        text, mark = mend.before, mend.mark
        if mend.line != claim.line:
            message = f"The mistake is in line {mend.line}, which this uses. {message}"
    return Diagnostic(
        line=claim.line, column=claim.column, claim=claim.text, quantity=claim.quantity, verdict=verdict.verdict,
        code=code, message=message, fix=fix, evidence=evidence(verdict), text=text, mark=mark, code_text=True,
        changes=(code,) if verdict.verdict == "wrong" and code else (),
    )  # fmt: skip


def _code(verdict: Verdict) -> str:
    """The kind of mistake where no edit says it."""
    if verdict.ratio is not None:
        return "SB215" if abs(verdict.ratio + 1) < 1e-9 else "SB216"  # noqa: PLR2004 - rounding
    shapes = any(word in verdict.message for word in ("shape", "dimension", "axis"))
    outside = any(word in verdict.message for word in ("out of range", "out of bounds", "no member", "no entry"))
    return "SB190" if shapes else "SB204" if outside else "SB290"
