"""Documents in other hands' notation: verdicts, codes and fixes as expected before the verifier saw them.

Every ``expected*.json`` of the folder lists claims by document and line. A claim that is wrong is named with one of its
``codes`` and is given a fix.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from symbackprop.verify.run import run

WILD = Path(__file__).parents[1] / "data" / "wild"
GRAVEST = ("wrong", "unreadable", "undecided", "right-under-convention", "right")
"""Of several claims on one line, the one that counts."""


def expected():
    documents = defaultdict(list)
    for path in sorted(WILD.glob("expected*.json")):
        for item in json.loads(path.read_text(encoding="utf-8")):
            documents[item["document"]].append(item)
    return documents


EXPECTED = expected()


@pytest.mark.parametrize("document", EXPECTED)
def test_claims_are_judged_as_expected(document):
    lines = defaultdict(list)
    for diagnostic in run(str(WILD / document)).diagnostics:
        lines[diagnostic.line].append(diagnostic)
    other = []
    for item in EXPECTED[document]:
        found = min(lines[item["line"]], key=lambda d: GRAVEST.index(d.verdict), default=None)
        verdict = found.verdict if found is not None else "missing"
        code = found.code if found is not None else None
        fixed = verdict != "wrong" or found.fix is not None
        named = verdict != item["verdict"] or not item.get("codes") or code in item["codes"]
        if verdict not in {item["verdict"], *item["also_accept"]} or not named or not fixed:
            other.append((item["id"], item["verdict"], item.get("codes"), verdict, code, found and found.message))
    assert not other
