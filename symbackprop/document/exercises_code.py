"""The exercise on code: a backward pass with planted mistakes that NumPy does not notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.document import program
from symbackprop.document.blocks import Code, Listing, Paragraph, Whole
from symbackprop.document.exercise import Posed

if TYPE_CHECKING:
    from symbackprop.document.blocks import Block, Spans
    from symbackprop.document.exercise import Setting
    from symbackprop.document.material import Bug

SHOWN = 14
"""Lines of a backward pass that are shown whole."""
AROUND = 2
"""Lines around the mistakes, of a longer one."""
NUMERALS = ("", "One bug.", "Two bugs.", "Three bugs.")


def bugs(setting: Setting) -> Posed | None:
    """Find the mistakes in a backward pass."""
    planted = setting.material.bugs
    if not planted or not setting.view.options.code:
        return None
    _, lines, _ = program.backward(setting.material.code)
    places = [_place(lines, bug) for bug in planted]
    wrong = list(lines)
    for place, bug in zip(places, planted, strict=True):
        wrong[place] = bug.wrong
    shown = _window(wrong, min(places), max(places))
    which = "the mistake" if len(planted) == 1 else "both mistakes"
    what = "this backward pass" if len(shown) == len(lines) else "this part of a backward pass"
    question = (
        Paragraph((f"A classmate hands in {what}. NumPy raises no error, but the gradients are wrong. Find {which}.",)),
        Listing("\n".join(shown)),
    )
    answer: list[Block] = [_told(bug) for bug in planted]
    right = "\n".join(bug.right.strip() for bug in planted)
    answer += [Paragraph(("The right lines:" if planted[1:] else "The right line:",)), Listing(right)]
    hint = ("Write the shape beside each array, then compare each line with its formula.",)
    title = NUMERALS[len(planted)]
    return Posed(title=title, points=3, question=question, answer=tuple(answer), hint=hint)


def _place(lines: list[str], bug: Bug) -> int:
    """The number of the line that a mistake changes."""
    return lines.index(bug.right)


def _window(lines: list[str], first: int, last: int) -> list[str]:
    """All lines of a few; else those around the mistakes, from the beginning of the statement that they stand in."""
    if len(lines) <= SHOWN:
        return lines
    start, end = max(0, first - AROUND), min(len(lines), last + AROUND + 1)
    while start and lines[start].startswith(" "):
        start -= 1
    return lines[start:end]


def _told(bug: Bug) -> Paragraph:
    """What is wrong with a line, and which gradient it spoils first."""
    why: Spans = tuple(Code(part) if k % 2 else part for k, part in enumerate(bug.why.split("`")))
    return Paragraph(
        (Code(bug.wrong.strip()), ": ", *why, " The gradient of ", Whole(bug.gradient), " comes out wrong.")
    )
