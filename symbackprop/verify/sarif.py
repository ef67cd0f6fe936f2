"""Diagnostics as a SARIF 2.1.0 log, which code scanning reads: a rule a code, a result a claim that is not right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from symbackprop.verify.codes import CODES, explain
from symbackprop.verify.report import level, summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from symbackprop.verify.classify import Diagnostic

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "notice": "note"}


def log(files: Iterable[tuple[str, Sequence[Diagnostic]]], version: str, *, strict: bool = False) -> dict[str, Any]:
    """The log of several files; ``version`` is that of the program."""
    rules = list(CODES)
    results = [
        _result(file, diagnostic, rules, kind)
        for file, diagnostics in files
        for diagnostic in diagnostics
        if (kind := level(diagnostic, strict=strict)) is not None
    ]
    driver = {
        "name": "symbackprop",
        "version": version,
        "rules": [
            {
                "id": code.code,
                "name": "".join(word.capitalize() for word in code.name.split("-")),
                "shortDescription": {"text": code.title},
                "fullDescription": {"text": code.sentence},
                "help": {"text": explain(code.code)},
            }
            for code in CODES.values()
        ],
    }
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(file: str, d: Diagnostic, rules: list[str], kind: str) -> dict[str, Any]:
    region: dict[str, Any] = {"startLine": max(d.line, 1), "startColumn": max(d.column, 1)}
    if d.span is not None:
        region |= {"charOffset": d.span.start, "charLength": d.span.end - d.span.start}
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": quote(file.replace("\\", "/"))}, "region": region}
    }
    result: dict[str, Any] = {
        "level": _LEVELS[kind],
        "message": {"text": summary(d)},
        "locations": [location],
        "properties": {"verdict": d.verdict, "quantity": d.quantity, "fix": d.fix, "evidence": d.evidence},
    }
    if d.code is not None:
        result |= {"ruleId": d.code, "ruleIndex": rules.index(d.code)}
    else:
        result["ruleId"] = "SB405"
    return result
