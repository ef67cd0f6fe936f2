r"""Nonsense for the reader and the judge: token soups, broken documents of the corpus, broken programs.

``python tests/verify/fuzz.py --seconds 600`` tries inputs until the time is over and prints how many. Whatever comes,
the answer is a report or a SpecError, within a time, and a lone soup of letters is never right.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import symbackprop
from symbackprop import spec
from symbackprop.errors import SpecError

DOCUMENTS = Path(__file__).parents[1] / "data" / "corpus" / "documents"
LIMIT = 60.0
"""Seconds that one input may take, on a machine that does other things too."""
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
    """What came of the inputs: how many, the slowest, and those that broke a promise."""

    inputs: int = 0
    slowest: float = 0.0
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


def attempt(number: int, networks: dict[str, object], tried: Tried) -> None:
    """One input, the same for the same number."""
    rng = random.Random(number)
    text, network, kind = rng.choice(KINDS)(rng)
    if network not in networks:
        networks[network] = spec.load(network)
    start = time.monotonic()
    try:
        report = symbackprop.verify(text, networks[network], kind=kind, fix=False)
        report.terminal()
    except SpecError:
        pass
    except Exception as error:  # noqa: BLE001 - the promise is that there is none
        tried.failures.append(f"input {number}: {type(error).__name__}: {error}\n{text}")
    took = time.monotonic() - start
    tried.inputs, tried.slowest = tried.inputs + 1, max(tried.slowest, took)
    if took > LIMIT:
        tried.failures.append(f"input {number}: {took:.0f} seconds\n{text}")


def run(*, first: int = 0, count: int | None = None, seconds: float | None = None) -> Tried:
    """Inputs from a number on, as many as said or as fit into the time."""
    tried, networks = Tried(), dict[str, object]()
    end = time.monotonic() + seconds if seconds is not None else None
    number = first
    while (count is None or number < first + count) and (end is None or time.monotonic() < end):
        attempt(number, networks, tried)
        number += 1
    return tried


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    result = run(first=options.first, seconds=options.seconds)
    print(f"{result.inputs} inputs, {len(result.failures)} failures, the slowest {result.slowest:.1f} s")  # noqa: T201
    print("\n\n".join(result.failures))  # noqa: T201
    sys.exit(bool(result.failures))
