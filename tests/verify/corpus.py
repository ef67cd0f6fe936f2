"""The corpus of hand-written formulas: every claim judged and held against the expected verdict.

Run as a script it prints a table by class; the tests import ``outcomes``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symbackprop.handwritten.document import read
from symbackprop.verify.codes import ERROR_KINDS
from symbackprop.verify.pipeline import Judged, open_session, session

DOCUMENTS = Path(__file__).parents[1] / "data" / "corpus" / "documents"
GRAVEST = ("wrong", "unreadable", "undecided", "right-under-convention", "right")
"""Of several claims on one line, the one that is reported."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was expected of a formula and what was found."""

    expected: dict[str, Any]
    found: Judged | None

    @property
    def name(self) -> str:
        """Document and item."""
        return f"{self.expected['document']}:{self.expected['id']}"

    @property
    def verdict(self) -> str:
        """The verdict, or "missing"."""
        return self.found.verdict.verdict if self.found is not None else "missing"

    @property
    def accepted(self) -> set[str]:
        """Verdicts that are answers: a convention that a directive states leaves a formula right."""
        verdict = self.expected["verdict"]
        answers = {verdict, *self.expected["also_accept"]}
        if self.expected["convention_stated"] and verdict == "right-under-convention":
            answers.add("right")
        return answers | {"right", "wrong", "right-under-convention", "unreadable", "undecided"} if (
            verdict == "ambiguous") else answers  # fmt: skip

    @property
    def agrees(self) -> bool:
        """True where the verdict is one of the answers."""
        return self.verdict in self.accepted


def expected() -> list[dict[str, Any]]:
    """The items of all documents with their verified verdicts."""
    items: list[dict[str, Any]] = json.loads((DOCUMENTS / "expected.json").read_text(encoding="utf-8"))
    return items


def claims(document: str, *, lets: bool = True) -> list[Judged]:
    """The claims of a document; without the lines that say what its names stand for, where they are not wanted."""
    path = DOCUMENTS / document
    if lets:
        return list(open_session(str(path)).claims())
    text = re.sub(r"(?m)^(\s*%) symbackprop: let .*$", r"\1", path.read_text(encoding="utf-8"))
    return list(session(read(text, "tex", path=str(path))).claims())


def outcomes(names: frozenset[str] | None = None, *, lets: bool = True) -> list[Outcome]:
    """One outcome for each formula of the corpus (of the documents named)."""
    items = expected()
    found: list[Outcome] = []
    for document in dict.fromkeys(item["document"] for item in items):
        if names is not None and document not in names:
            continue
        lines: dict[int, list[Judged]] = {}
        for claim in claims(document, lets=lets):
            lines.setdefault(claim.line, []).append(claim)
        for item in items:
            if item["document"] == document:
                here = sorted(lines.get(item["line"], ()), key=lambda c: GRAVEST.index(c.verdict.verdict))
                found.append(Outcome(expected=item, found=here[0] if here else None))
    return found


def table(results: list[Outcome]) -> str:
    """Verdicts found, by expected verdict, and the kinds of mistakes by how many were found wrong."""
    lines = ["| expected | formulas | agree | found |", "| --- | ---: | ---: | --- |"]
    for verdict in ("right", "right-under-convention", "wrong", "ambiguous"):
        rows = [r for r in results if r.expected["verdict"] == verdict]
        counts = Counter(r.verdict for r in rows)
        words = ", ".join(f"{counts[v]} {v}" for v in (*reversed(GRAVEST), "missing") if counts[v])
        lines.append(f"| {verdict} | {len(rows)} | {sum(r.agrees for r in rows)} | {words} |")
    kinds = Counter(kind for r in results for kind in r.expected["error_kind"])
    caught = Counter(kind for r in results if r.verdict != "right" for kind in r.expected["error_kind"])
    lines += ["", "| kind of mistake | code | formulas | not judged right |", "| --- | --- | ---: | ---: |"]
    lines += [f"| {kind} | {ERROR_KINDS[kind]} | {count} | {caught[kind]} |" for kind, count in sorted(kinds.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(outcomes()))  # noqa: T201 - a command
