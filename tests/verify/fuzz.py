r"""Nonsense for the reader and the judge: token soups, broken documents of the corpus, broken programs.

``python tests/verify/fuzz.py --seconds 600`` tries inputs until the time is over. It says how many every half a minute,
and an input that takes long, with its number, while it still runs. Whatever comes, the answer is a report or a
SpecError, within a time; and a claim that is judged right is no longer so with 1 added to its first member.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import symbackprop
from symbackprop import spec
from symbackprop.errors import SpecError

if TYPE_CHECKING:
    from symbackprop.network import Network
    from symbackprop.verify.classify import Diagnostic
    from symbackprop.verify.run import Report

DOCUMENTS = Path(__file__).parents[1] / "data" / "corpus" / "documents"
LIMIT = 60.0
"""Seconds that one input may take, on a machine that does other things too."""
LONG = 10.0
"""Seconds after which an input is shown while it runs."""
EVERY = 30.0
"""Seconds between two lines of progress."""
NETWORK = "mlp:4-3-2"
TOKENS = (
    r"\frac", "{", "}", "(", ")", "[", "]", r"\left(", r"\right)", "_", "^", "'", "=", "+", "-", "/", ",", "&", r"\\",
    r"\partial", r"\nabla", r"\sum", r"\prod", r"\sum_{i=1}^n", r"\odot", r"\cdot", r"\otimes", "^T", r"^{(l)}",
    "_{ij}", "C", "W", "W_1",
    "b", "x", "y", "z", "z^{(l)}", r"\delta", r"\hat y", "i", "j", "l", "N", "0", "1", "2", "0.5",
    r"\sigma", r"\sigma'", r"\operatorname{diag}", r"\text{for }", r"\dots", r"\vdots", r"\begin{pmatrix}",
    r"\end{pmatrix}", r"\begin{cases}", r"\end{cases}", r"\|", "|", r"\langle", r"\rangle", r"\mathbb{1}", r"\in",
    r"\mathbb{R}^{n}", r"\leftarrow", r"\approx", r"\sqrt", r"\exp", r"\log", "d", "dW", "\u2202", "\u03b4",
    "\x00", "%", r"\frac{\partial C}{\partial W}",
    r"\underbrace", r"\color{red}", r"\over", "~", r"\,", "#", "$", r"\max",
)  # fmt: skip
DIRECTIVES = (
    "let g = dC/dz[1]", r"operator (A \star B)(i) = \sum_k A_k B_{i+k-1}", "layout numerator", "index base 0",
    "sum repeated indices", "claim dC/dW[1]", "ignore", "prime transpose",
    "let = ", "operator A", "fact x > 0", "nonsense",
)  # fmt: skip


@dataclass(slots=True)
class Tried:
    """What came of the inputs: how many, the slowest with its number, and those that broke a promise."""

    inputs: int = 0
    slowest: tuple[float, int] = (0.0, 0)
    changed: int = 0
    """Right claims that were changed."""
    failures: list[str] = field(default_factory=list)


def soup(rng: random.Random) -> tuple[str, str, str]:
    """A display of tokens at random, perhaps under a directive."""
    said = f"% symbackprop: {rng.choice(DIRECTIVES)}\n" if rng.random() < 0.3 else ""
    body = " ".join(rng.choices(TOKENS, k=rng.randint(1, 40)))
    return rf"{said}\[ {body} \]", NETWORK, "tex"


def broken_document(rng: random.Random) -> tuple[str, str, str]:
    """A document of the corpus with some characters lost, doubled or exchanged."""
    names = sorted(path for path in DOCUMENTS.glob("*.tex") if path.with_suffix(".toml").exists())
    path = rng.choice(names)
    lines = path.read_text(encoding="utf-8").splitlines()
    start = rng.randrange(len(lines))
    text = "\n".join(line for line in lines[start : start + 12] if "net =" not in line)
    return _broken(text, rng), str(path.with_suffix(".toml")), rng.choice(("tex", "md"))


def broken_program(rng: random.Random) -> tuple[str, str, str]:
    """A program for a gradient with some characters lost, doubled or exchanged."""
    text = (
        "import numpy as np\nz1 = X @ W1 + b1\na1 = np.tanh(z1)\nd2 = (a1 - Y) / N\ndW1 = X.T @ d2\ndb1 = d2.sum(0)\n"
    )
    return _broken(text, rng), NETWORK, "py"


def _broken(text: str, rng: random.Random) -> str:
    characters = list(text)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(characters) + 1)
        other = rng.choice(rng.choice(TOKENS) + "\n")
        characters[at : at + rng.randint(0, 2)] = [other] * rng.randint(0, 2)
    return "".join(characters)


KINDS = (soup, soup, broken_document, broken_program)


def raised(text: str, diagnostic: Diagnostic) -> str:
    """A document with 1 added to the first member of a claim."""
    lines = text.split("\n")
    line = lines[diagnostic.line - 1]
    at = diagnostic.column - 1
    lines[diagnostic.line - 1] = f"{line[:at]}1 + {line[at:]}"
    return "\n".join(lines)


def attempt(number: int, networks: dict[str, Network], tried: Tried) -> None:
    """One input, the same for the same number."""
    rng = random.Random(number)
    text, name, kind = rng.choice(KINDS)(rng)
    if name not in networks:
        networks[name] = spec.load(name)
    network = networks[name]
    start = time.monotonic()
    watch = threading.Timer(LONG, say, (f"input {number} has run for {LONG:.0f} s:\n{text}",))
    watch.daemon = True
    watch.start()
    try:
        report = symbackprop.verify(text, network, kind=kind, fix=False)
        report.terminal()
        took = time.monotonic() - start
        still = changed(report, network, kind, rng, tried)
        if still is not None:
            tried.failures.append(f"input {number}: right with 1 added to a member\n{still}")
    except SpecError:
        took = time.monotonic() - start
    except Exception as error:  # noqa: BLE001 - the promise is that there is none
        took = time.monotonic() - start
        tried.failures.append(f"input {number}: {type(error).__name__}: {error}\n{text}")
    watch.cancel()
    tried.inputs, tried.slowest = tried.inputs + 1, max(tried.slowest, (took, number))
    if took > LIMIT:
        tried.failures.append(f"input {number}: {took:.0f} seconds\n{text}")


def changed(report: Report, network: Network, kind: str, rng: random.Random, tried: Tried) -> str | None:
    """A right claim of the report with 1 added to a member, where it is right still; programs are left alone.

    A directive may say that only the last member counts, or give what stands for a multiple.
    """
    places = Counter((d.line, d.column) for d in report)
    right = [d for d in report if d.verdict == "right" and places[d.line, d.column] == 1]
    if not right or kind == "py" or any(f"symbackprop: {word}" in report.text for word in ("claim", "accumulate")):
        return None
    chosen = rng.choice(right)
    text = raised(report.text, chosen)
    tried.changed += 1
    try:
        again = symbackprop.verify(text, network, kind=kind, fix=False)
    except SpecError:
        return None
    there = {d.verdict for d in again if (d.line, d.column) == (chosen.line, chosen.column)}
    return text if there == {"right"} else None


def say(text: str) -> None:
    """A line of the output, at once."""
    print(text, flush=True)  # noqa: T201


def run(*, first: int = 0, count: int | None = None, seconds: float | None = None, progress: bool = False) -> Tried:
    """Inputs from a number on, as many as said or as fit into the time."""
    tried = Tried()
    networks: dict[str, Network] = {}
    start = time.monotonic()
    told, number = start, first
    while (count is None or number < first + count) and (seconds is None or time.monotonic() < start + seconds):
        before = len(tried.failures)
        attempt(number, networks, tried)
        number += 1
        for failure in tried.failures[before:] if progress else ():
            say(failure)
        if progress and time.monotonic() > told + EVERY:
            told = time.monotonic()
            say(f"{told - start:.0f} s: {summary(tried)}")
    return tried


def summary(tried: Tried) -> str:
    """What came of the inputs in one line."""
    slowest = f"the slowest {tried.slowest[0]:.1f} s (input {tried.slowest[1]})"
    return f"{tried.inputs} inputs, {tried.changed} claims changed, {len(tried.failures)} failures, {slowest}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    result = run(first=options.first, seconds=options.seconds, progress=True)
    say(summary(result))
    sys.exit(bool(result.failures))
