r"""Markdown as LaTeX: everything but its mathematics becomes blank, so that every character keeps its place.

Mathematics is ``$…$`` (no blank after the first dollar or before the last, no digit after it), ``$$…$$``, ``\(…\)``,
``\[…\]``, environments, fenced ``math`` blocks and GitHub's dollar-backtick form. Code is skipped. HTML comments that
start with ``symbackprop:`` are directives.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from symbackprop.handwritten.displays import ENVIRONMENTS
from symbackprop.handwritten.formula import plain

if TYPE_CHECKING:
    from symbackprop.handwritten.formula import Formula, Lines

_NAMES = "|".join(sorted(ENVIRONMENTS))
_PART = re.compile(
    r"(?P<comment><!--(?P<said>.*?)(?:-->|\Z))"
    r"|^(?P<quote>[ \t]{0,3}(?:>[ \t]?)*[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[^\n`]*)\n(?P<code>.*?)"
    r"(?:^(?P<close>[ \t>]*(?P=fence)[`~]*)[ \t]*$|\Z)"
    r"|(?P<github>\$`[^`\n]+`\$)"
    r"|(?P<ticks>(?<!`)(?P<mark>`+)(?!`)(?:(?!\n\s*\n).){1,10000}?(?<!`)(?P=mark)(?!`))"
    r"|(?P<double>\$\$.+?\$\$)"
    r"|(?P<environment>\\begin\{(?P<name>(?:" + _NAMES + r")\*?)\}(?:(?!\\begin\{(?P=name)\}).)*?\\end\{(?P=name)\})"
    r"|(?P<display>\\\\?\[(?:(?!\\\[).)+?\\\\?\])"
    r"|(?P<round>\\\\?\((?:(?!\n\s*\n|\\\().)+?\\\\?\))"
    r"|(?P<escape>\\[\\$`<])"
    r"|(?P<single>(?<![\w$])\$(?=[^\s$])(?:\\.|(?!\n\s*\n)[^$\\])*?(?<=[^\s\\])\$(?!\d))"
    r"|(?P<open>\$\$|\\begin\{(?:" + _NAMES + r")\*?\}(?=[ \t]*$))",
    re.DOTALL | re.MULTILINE,
)
_SAID = re.compile(r"(?:\A|(?<=\n))\s*symbackprop\s*:(?P<text>[^\n]*)", re.IGNORECASE)
_QUOTE = re.compile(r"^[ \t]{0,3}(?:>[ \t]?)+", re.MULTILINE)


def masked(text: str, lines: Lines) -> tuple[str, list[Formula]]:
    r"""The mathematics of a Markdown text in its place, all else blank; and what its comments direct.

    >>> from symbackprop.handwritten.formula import Lines
    >>> text = "Is `$x$` 5$ or $a = b$? <!-- symbackprop: ignore -->"
    >>> masked(text, Lines(text))[0].strip(), masked(text, Lines(text))[1][0].text
    ('$a = b$', 'ignore')
    """
    out: list[str] = []
    comments: list[Formula] = []
    last = 0
    for match in _PART.finditer(text):
        out.append(_blank(text[last : match.start()]))
        last = match.end()
        if match["comment"] is not None:
            comments += _said(match, lines)
            out.append(_blank(match[0]))
        else:
            out.append(_mathematics(match))
    out.append(_blank(text[last:]))
    return "".join(out), comments


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _said(match: re.Match[str], lines: Lines) -> list[Formula]:
    start = match.start("said")
    found: list[Formula] = []
    for said in _SAID.finditer(match["said"]):
        whole = plain(said["text"], offset=start + said.start("text"), lines=lines)
        found.append(whole.cut(0, len(whole.text)))
    return found


def _mathematics(match: re.Match[str]) -> str:
    """A part of the text as LaTeX of the same length; code and escaped characters are blank."""
    text = match[0]
    if match["fence"] is not None:
        return _fenced(match)
    if match["github"] is not None:
        return f"$ {text[2:-2]} $"
    if match["double"] is not None:
        return _unquoted(text)
    if match["environment"] is not None or match["open"] is not None:
        return _unquoted(text)
    if match["display"] is not None or match["round"] is not None:
        return _delimited(text)
    return text if match["single"] is not None else _blank(text)


def _unquoted(text: str) -> str:
    """Without the marks of a block quote before each line."""
    return _QUOTE.sub(lambda found: " " * len(found[0]), text)


def _delimited(text: str) -> str:
    r"""``\[…\]`` or ``\(…\)``, whose backslashes may be doubled in Markdown."""
    if text.startswith("\\\\"):
        text = " " + text[1:]
    if text.endswith(("\\\\]", "\\\\)")):
        text = f"{text[:-3]} \\{text[-1]}"
    return _unquoted(text)


def _fenced(match: re.Match[str]) -> str:
    r"""A ``math`` block as ``\[…\]``, any other code as blanks."""
    if match["language"].strip().strip("{}").split(" ")[0].lower() not in {"math", "latex-math"} or not match["close"]:
        return _blank(match[0])
    start, end = match.start(), match.start("code")
    opening = r"\[".ljust(end - start - 1) + "\n"
    closing = r"\]".rjust(len(match["close"]))
    rest = " " * (match.end() - match.end("close"))
    body = _unquoted(match["code"]) if ">" in match["quote"] else match["code"]
    return opening + body + closing + rest
