"""Judge the corpus of hand-written formulas and a long document, and print what that takes.

    python benchmarks/verify.py [--claims 1000]

Timed by the processor's clock on one core, imports and the loading of networks aside: judging a claim that is right,
and judging one that is wrong with the search for its fix. Networks are new to each document, so the first claim about
one pays for its numbers. The long document repeats right claims about one network with other spacing, so that no two of
them have one text; its memory is the growth of the process after the imports.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

from symbackprop import spec
from symbackprop.handwritten import document
from symbackprop.verify import codes
from symbackprop.verify.classify import diagnose
from symbackprop.verify.pipeline import Session, open_session

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCUMENTS = Path(__file__).parents[1] / "tests" / "data" / "corpus" / "documents"
GOALS = {"right": 0.050, "wrong": 2.0, "memory": 100.0}
"""Seconds of the median claim that is right, of one that is wrong with its fix, and megabytes for the long document."""


def corpus() -> dict[str, list[float]]:
    """Seconds by verdict: each claim judged, and searched for a fix where it is wrong."""
    names = dict.fromkeys(item["document"] for item in json.loads((DOCUMENTS / "expected.json").read_text("utf-8")))
    taken: dict[str, list[float]] = {"right": [], "wrong": []}
    for name in names:
        session = open_session(str(DOCUMENTS / name))
        claims = session.claims()
        while True:
            start = time.process_time()
            claim = next(claims, None)
            if claim is None:
                break
            diagnostic = diagnose(claim, session.worlds)
            seconds = time.process_time() - start
            kind = "right" if diagnostic.verdict.startswith("right") else diagnostic.verdict
            taken.setdefault(kind, []).append(seconds)
    return taken


def long_document(count: int) -> str:
    """A document of so many right claims."""
    right = [code.right for code in codes.CODES.values() if code.right and code.group != "reading"]
    lines = [f"% symbackprop: {codes.LET}", "% symbackprop: let \\delta_i^{(l)} = dC/dz[l][i]"]
    for number, formula in zip(range(count), itertools.cycle(right), strict=False):
        space = "\\," * (number // len(right))
        lines.append(f"\\[ {formula.replace('=', f'{space} =', 1)} \\]")
    return "\n".join(lines) + "\n"


def megabytes() -> float:
    """The most memory that the process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def long(count: int) -> tuple[int, float, float]:
    """Claims found, seconds, and megabytes above start-up."""
    network = spec.loads(codes.EXAMPLE)
    text = long_document(count)
    before, start = megabytes(), time.process_time()
    session = Session(document.read(text, "tex"), network)
    found = [diagnose(claim, session.worlds) for claim in session.claims()]
    return len(found), time.process_time() - start, megabytes() - before


def row(name: str, seconds: Sequence[float], goal: float | None = None) -> str:
    """A line of the table: how many, median, the slowest tenth and the slowest."""
    ordered = sorted(seconds)
    tenth = ordered[min(len(ordered) - 1, round(0.9 * len(ordered)))]
    median = statistics.median(ordered)
    aim = "" if goal is None else f"   goal {goal:5.3f}  {'met' if median < goal else 'MISSED'}"
    return f"{name:12s} {len(ordered):5d} {median:9.3f} {tenth:9.3f} {ordered[-1]:9.3f}{aim}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--claims", type=int, default=1000)
    arguments = parser.parse_args()
    count, seconds, memory = long(arguments.claims)  # first: its memory is the growth since the imports
    print(f"{'verdict':12s} {'count':>5s} {'median s':>9s} {'90 % s':>9s} {'most s':>9s}")
    for kind, values in corpus().items():
        if values:
            print(row(kind, values, GOALS.get(kind)))
    print(f"a document of {count} claims: {seconds:.1f} s, {memory:.0f} MB above start-up (goal {GOALS['memory']:.0f})")


if __name__ == "__main__":
    main()
