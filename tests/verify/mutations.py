"""Planted mistakes and equivalent rewritings of right formulas, judged: nothing wrong may pass, nothing right may fail.

    python tests/verify/mutations.py --jobs 2 --update     all networks in two notations each, into docs/verify.md
    python tests/verify/mutations.py --jobs 2 --each 6     all networks in all notations
    python tests/verify/mutations.py --networks seed_003,lstm --notations rows --names 20 --show

From the derivation of a network in a notation come right formulas (``mutants.claims``); single and double edits of
them are proved wrong and rewritings proved equal by numbers (``mutants.proof``), with no code of the verifier. Then all
stand in one document in that notation, which is judged like any other. For some of the edits the search for fixes has
to name the mistake that was planted.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from mutants import edits, rewritings
from mutants.claims import formulas, preface, source
from mutants.formula import Writer
from mutants.proof import verdict, worlds

from symbackprop import spec
from symbackprop.handwritten import document as documents
from symbackprop.verify import pipeline
from symbackprop.verify.classify import diagnose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mutants.claims import Claim, Source
    from mutants.formula import Node, World

    from symbackprop.network import Network
    from symbackprop.verify.pipeline import Judged

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "verify.md"
FOLDERS = ("symbackprop/gallery", "tests/data/networks", "tests/data/corpus/documents", "tests/data/mutations")
NOTATIONS = ("columns", "deltas", "rows", "scalar", "subscript-layers", "superscript-names")
CONVENTIONS = {
    "SB102": "SB302", "SB103": "SB302", "SB104": "SB306", "SB105": "SB309", "SB212": "SB307", "SB216": "SB305",
}  # fmt: skip
"""Codes of mistakes that are none under a convention which documents need not state, and of that convention."""


@cache
def networks() -> dict[str, Network]:
    """All networks with equations of their own, by name of the file."""
    found: dict[str, Network] = {}
    seen: set[str] = set()
    for path in (path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.toml"))):
        network = spec.load(str(path))
        key = f"{network.program} {network.loss} {network.tensors}"
        if key not in seen:
            seen.add(key)
            found[path.stem] = network
    return found


@dataclass(frozen=True)
class Item:
    """A formula to be judged: of a claim as printed, edited (``rows`` say how) or rewritten (``kind`` says how)."""

    claim: Claim
    text: str
    kind: str
    tree: Node | None = None
    rows: tuple[edits.Row, ...] = ()

    @property
    def right(self) -> bool:
        """True where no mistake was planted."""
        return not self.rows


@dataclass(frozen=True)
class Found:
    """What was found of an item; ``fix`` and ``named`` only where a fix was searched."""

    network: str
    notation: str
    kind: str
    planted: tuple[str, ...]
    text: str
    original: str
    verdict: str
    code: str = ""
    message: str = ""
    fix: str = ""
    named: bool | None = None

    @property
    def passed(self) -> bool:
        """True for a planted mistake that is judged right, under a convention that is not one of its own."""
        if not self.planted or not self.verdict.startswith("right"):
            return False
        return self.verdict == "right" or self.code not in {CONVENTIONS.get(code) for code in self.planted}

    @property
    def missed(self) -> bool:
        """True for all that should not be: mistakes passed, not decided or misnamed, right formulas not right."""
        if not self.planted:
            return self.verdict != "right"
        return self.passed or self.verdict in {"undecided", "unreadable"} or self.named is False

    def __str__(self) -> str:
        lines = [f"{self.network} {self.notation} [{self.kind}] {self.verdict} {self.code} {self.message}", self.text]
        return "\n    ".join([*lines, f"of {self.original}", *([f"fix {self.fix}"] if self.named is not None else [])])


@dataclass(frozen=True)
class Amounts:
    """How many items a network in a notation gives: of each kind of edit and rewriting, of doubles, with fixes.

    ``claims`` are the formulas at most from which they are made.
    """

    edits: int = 1
    doubles: int = 7
    rewritings: int = 2
    names: int = 2
    claims: int = 10


@dataclass
class Results:
    """Everything that was judged."""

    found: list[Found] = field(default_factory=list)
    equal: int = 0
    """Edits that turned out to leave the value as it was: no mistakes, not judged."""
    seconds: list[float] = field(default_factory=list)
    """Times of searches for fixes."""


# ---------------------------------------------------------------------------------------------------------------------
# Items


@dataclass(frozen=True)
class Workshop:
    """A network in a notation, its right formulas, and what was made of them so far."""

    origin: Source
    amounts: Amounts
    rng: random.Random
    results: Results
    where: tuple[World, ...]
    claims: tuple[Claim, ...]
    known: set[str]

    @property
    def trees(self) -> Iterator[tuple[Claim, Node, edits.Scene]]:
        """Claims that have a tree, with it and its scene."""
        return ((c, c.right, edits.scene(self.origin, c)) for c in self.claims if c.right is not None)

    def text(self, claim: Claim, node: Node) -> str:
        """LaTeX of a claim with another right side."""
        return f"{claim.left_text} = {Writer(self.origin.derived.printer, claim.families).text(node)}"

    def is_equal(self, claim: Claim, node: Node, scene: edits.Scene) -> bool:
        """True where the other right side has the same value everywhere."""
        return verdict(claim, node, self.where, scene.ranges) == "equal"

    def items(self) -> Iterator[Item]:
        """Claims as printed, as trees where these read otherwise, rewritings, edits."""
        for claim in self.claims:
            self.known.add(claim.text)
            yield Item(claim, claim.text, "as printed")
        for claim, node, scene in self.trees:
            assert self.is_equal(claim, node, scene), f"no tree of {claim.text}"
            if self._is_new(self.text(claim, node)):
                yield Item(claim, self.text(claim, node), "as a tree", node)
        yield from self._rewritings()
        yield from self._edits()

    def _is_new(self, text: str) -> bool:
        new = text not in self.known
        self.known.add(text)
        return new

    def _rewritings(self) -> Iterator[Item]:
        offered = defaultdict(list)
        for claim, right, scene in self.trees:
            for row, node in rewritings.rewritten(right, scene):
                offered[row].append((claim, node, scene))
        for row, choices in offered.items():
            self.rng.shuffle(choices)
            made = 0
            for claim, node, scene in choices:
                if made == self.amounts.rewritings:
                    break
                if not self._is_new(text := self.text(claim, node)):
                    continue
                same = self.is_equal(claim, node, scene)
                assert same or not row.sure, f"{row.kind} changes the value: {text}"
                if same:
                    made += 1
                    yield Item(claim, text, row.kind, node)

    def _edits(self) -> Iterator[Item]:
        offered = defaultdict(list)
        for claim, right, scene in self.trees:
            for row, node in edits.edited(right, scene):
                offered[row,].append((claim, node, scene))
        for rows, choices in [*offered.items(), *self._doubles(offered)]:
            self.rng.shuffle(choices)
            made = 0
            for claim, node, scene in choices:
                if made == (self.amounts.edits if len(rows) == 1 else 1):
                    break
                if not self._is_new(text := self.text(claim, node)):
                    continue
                if self.is_equal(claim, node, scene):
                    self.results.equal += 1
                    continue
                made += 1
                yield Item(claim, text, rows[0].kind if len(rows) == 1 else "two edits", node, rows)

    def _doubles(self, offered):
        """Pairs of edits of different kinds, the second one of what the first one left."""
        singles = [(rows, *choice) for rows, choices in offered.items() for choice in choices]
        for _ in range(self.amounts.doubles if singles else 0):
            rows, claim, node, scene = self.rng.choice(singles)
            second = [(row, other) for row, other in edits.edited(node, scene) if row not in rows]
            if second:
                row, other = self.rng.choice(second)
                yield (*rows, row), [(claim, other, scene)]

    def accepted(self, item: Item) -> set[str]:
        """Codes that name the mistake: those planted, and those of other single edits that are proved to mend it."""
        codes = {row.planted for row in item.rows} | {CONVENTIONS.get(row.planted, "") for row in item.rows}
        scene = edits.scene(self.origin, item.claim)
        for row, node in edits.mended(item.tree, item.claim.right, scene):
            if row.mends not in codes and self.is_equal(item.claim, node, scene):
                codes.add(row.mends)
        if "SB206" in codes and verdict(item.claim, item.tree, self.where, scene.ranges) == "nonsense":
            codes.add("SB204")  # a sum that leaves an array
        return codes


# ---------------------------------------------------------------------------------------------------------------------
# Verdicts


def judged(origin: Source, each: list[Item]) -> tuple[pipeline.Session, list[Judged]]:
    """All items in one document after its preface, judged in order."""
    text = preface(origin) + "".join(f"\\[ {item.text} \\]\n" for item in each)
    session = pipeline.session(documents.read(text, "tex"), origin.network)
    assert not session.document.problems, session.document.problems
    found = list(session.claims())
    before = len(found) - len(each)  # definitions of one array at both levels: the second one is a claim
    assert before >= 0, f"{len(found)} claims from {len(each)} formulas of {origin.network.name}"
    assert all(claim.verdict.verdict == "right" for claim in found[:before]), origin.network.name
    return session, found[before:]


def run(pair: tuple[str, str], amounts: Amounts, seed: int) -> Results:
    """All items of a network in a notation, judged."""
    name, notation = pair
    origin = source(networks()[name], notation)
    results = Results()
    rng = random.Random(f"{seed}/{name}/{notation}")
    claims = list(formulas(origin))
    rng.shuffle(claims)
    shop = Workshop(origin, amounts, rng, results, worlds(origin), tuple(claims[: amounts.claims]), set())
    each = list(shop.items())
    session, answers = judged(origin, each)
    single = [item for item in each if len(item.rows) == 1]
    chosen = rng.sample(single, min(amounts.names, len(single)))
    for item, answer in zip(each, answers, strict=True):
        plain = Found(name, notation, item.kind, tuple(row.planted for row in item.rows), item.text, item.claim.text,
                      answer.verdict.verdict)  # fmt: skip
        if plain.missed or item in chosen:
            begin = time.process_time()
            said = diagnose(answer, session.worlds, fix=item in chosen)
            plain = replace(plain, code=said.code or "", message=said.message, fix=said.fix or "")
        if item in chosen:
            results.seconds.append(time.process_time() - begin)
            plain = replace(plain, named=plain.code in shop.accepted(item))
        results.found.append(plain)
    return results


def collected(parts: Iterable[Results], *, show: bool = False, expected: int = 0) -> Results:
    """Results of many networks as one; what is misjudged is printed where it is asked for, progress where expected."""
    whole = Results()
    for number, part in enumerate(parts, 1):
        if expected:
            print(f"{number} of {expected} documents", file=sys.stderr)  # noqa: T201 - a command
        whole.found += part.found
        whole.equal += part.equal
        whole.seconds += part.seconds
        for found in part.found:
            if show and found.missed:
                print(found, flush=True)  # noqa: T201 - a command
    return whole


# ---------------------------------------------------------------------------------------------------------------------
# Tables


def table(results: Results) -> str:
    """Planted mistakes by kind, rewritings by kind, networks and notations, names."""
    wrong = [f for f in results.found if f.planted]
    right = [f for f in results.found if not f.planted]
    lines = [
        "| planted | edits | wrong | by convention | not read or decided | judged right | named | of |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_planted(kind, wrong) for kind in (*(row.kind for row in edits.ROWS), "two edits", "all")),
        "",
        "| equivalent | formulas | right | by convention | not read or decided | judged wrong |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(_equal(kind, right) for kind in ("as printed", "as a tree", *(r.kind for r in rewritings.ROWS), "all")),
        "",
        _counts(results),
    ]
    return "\n".join(lines)


def _counts(results: Results) -> str:
    documents_ = {(f.network, f.notation) for f in results.found}
    names, notations = (len(set(each)) for each in zip(*documents_, strict=True))
    left = f"{results.equal} edits that left the value as it was are not counted."
    return f"{len(documents_)} documents: {names} networks in {notations} notations; {left}"


def _planted(kind: str, each: list[Found]) -> str:
    here = [f for f in each if kind in {"all", f.kind}]
    named = [f.named for f in here if f.named is not None]
    verdicts = Counter(f.verdict for f in here if not f.passed)
    counts = (
        len(here), verdicts["wrong"], verdicts["right-under-convention"],
        verdicts["unreadable"] + verdicts["undecided"], sum(f.passed for f in here), sum(named), len(named),
    )  # fmt: skip
    return f"| {kind} | {' | '.join(map(str, counts))} |"


def _equal(kind: str, each: list[Found]) -> str:
    here = Counter(f.verdict for f in each if kind in {"all", f.kind})
    unsettled = here["unreadable"] + here["undecided"]
    counts = (here.total(), here["right"], here["right-under-convention"], unsettled, here["wrong"])
    return f"| {kind} | {' | '.join(map(str, counts))} |"


def update(text: str) -> None:
    """The table into the documentation."""
    page = PAGE.read_text(encoding="utf-8")
    marks = re.compile(r"(<!-- mutations -->\n).*?(<!-- end of mutations -->)", re.DOTALL)
    PAGE.write_text(marks.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page), encoding="utf-8")


def by_turns(names: list[str], notations: list[str], each: int) -> list[tuple[str, str]]:
    """Every network in some of the notations, spread evenly, another start for each."""
    step = max(len(notations) // each, 1)
    taken = range(0, len(notations), step)[:each]
    return [(name, notations[(start + k) % len(notations)]) for start, name in enumerate(names) for k in taken]


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--networks", default=",".join(networks()), help="names of files, with commas")
    parser.add_argument("--notations", default=",".join(NOTATIONS))
    parser.add_argument("--each", type=int, default=2, help="notations that each network is written in, by turns")
    for name, default in (("edits", 1), ("doubles", 7), ("rewritings", 2), ("names", 2), ("claims", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in (("seed", 0), ("jobs", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--show", action="store_true", help="print every formula that is misjudged")
    parser.add_argument("--update", action="store_true", help="write the table into docs/verify.md")
    given = parser.parse_args(arguments)
    amounts = Amounts(given.edits, given.doubles, given.rewritings, given.names, given.claims)
    pairs = by_turns(given.networks.split(","), given.notations.split(","), given.each)
    with ProcessPoolExecutor(given.jobs) as pool:
        judge = partial(run, amounts=amounts, seed=given.seed)
        results = collected(pool.map(judge, pairs), show=given.show, expected=len(pairs))
    text = table(results)
    seconds = sorted(results.seconds) or [0.0]
    print(text)  # noqa: T201 - a command
    print(f"fixes: median {seconds[len(seconds) // 2]:.2f} s, longest {seconds[-1]:.2f} s")  # noqa: T201
    if given.update:
        update(text)
    return 1 if any(f.passed or (not f.planted and f.verdict == "wrong") for f in results.found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
