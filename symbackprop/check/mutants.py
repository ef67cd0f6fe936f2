"""Mistakes planted in a generated module: lines of its backward pass that run, raise nothing and are wrong.

``planted`` changes one place of the syntax tree after the other (a transpose dropped, factors in the wrong order, a
factor, a term or a division forgotten, a slope of the wrong argument, a difference turned round, another layer) and
keeps what was seen to run and to spoil a gradient. Everything is executed in memory.
"""

from __future__ import annotations

import ast
import random
import re
import textwrap
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from symbackprop.check import module as generated
from symbackprop.document import program
from symbackprop.document.graph import concrete_sizes
from symbackprop.document.material import Bug
from symbackprop.document.variants import activation_of
from symbackprop.oracle import draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from symbackprop.derivation import Derivation
    from symbackprop.network import Network

PLANTED = 2
"""Mistakes in one listing."""
VISIBLE = 1e-3
"""By how much of its largest entry a gradient must be off, to be called wrong."""


RANK = {"division": 1, "sign": 1, "factor": 2}
"""Kinds of which others are preferred."""


class Edit(NamedTuple):
    """Text that takes the place of a node, and why that is wrong."""

    node: ast.expr
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A line of the backward pass with one mistake; ``place`` is its number there."""

    place: int
    kind: str
    line: str
    why: str


def planted(
    derivation: Derivation, source: str, *, layout: Mapping[str, tuple[int, ...]] | None = None
) -> tuple[Bug, ...]:
    """At most two mistakes on two lines, of two kinds where there are.

    Each alone and both together give wrong gradients. The choice depends on the text alone; those of which most is to
    be learnt come first.
    """
    bench = Bench(derivation.network, source, layout or {})
    if bench.right is None:
        return ()
    rng = random.Random(source)  # noqa: S311 - a choice, no secret
    found = mutants(derivation.network, bench.lines)
    candidates = sorted(found, key=lambda mutant: (RANK.get(mutant.kind, 0), rng.random()))
    chosen: list[tuple[Mutant, str]] = []
    for new_kind in (True, False):
        for mutant in candidates:
            if len(chosen) == PLANTED or any(_clash(mutant, other, new_kind=new_kind) for other, _ in chosen):
                continue
            spoiled = bench.spoiled([mutant])
            if spoiled and bench.spoiled([mutant, *(other for other, _ in chosen)]):
                chosen.append((mutant, spoiled))
    chosen.sort(key=lambda pair: pair[0].place)
    return tuple(Bug(bench.lines[m.place], m.line, parameter, m.why) for m, parameter in chosen)


def _clash(one: Mutant, other: Mutant, *, new_kind: bool) -> bool:
    return one.place == other.place or (new_kind and one.kind == other.kind)


class Bench:
    """A module at drawn values, whose backward pass can be run with other lines.

    ``lines`` are those of the backward pass without comments, ``right`` its gradients, None where they are not finite.
    """

    def __init__(self, network: Network, source: str, layout: Mapping[str, tuple[int, ...]]) -> None:
        self.module = generated.run(source, network.name)
        values = draw(network, 1, concrete_sizes(network))
        self.parameters = generated.arguments(network, values, layout, network.parameters)
        self.inputs = generated.arguments(network, values, layout, network.inputs)
        self.keywords = generated.functions(network, values, layout)
        self.network = network
        self.head, self.lines, self.tail = program.backward(source)
        self.right = self.run(self.lines)

    def run(self, lines: list[str]) -> dict[str, list[Any]] | None:
        """The gradients with these lines; None where they raise or are not finite."""
        body = textwrap.indent("\n".join(lines), "    ")
        more = "\n".join(_named(self.network, self.head, "\n".join(lines)))
        text = f"{self.head}\n{more}\n{body}\n\n{self.tail}"
        space = dict(vars(self.module))
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                exec(compile(text, "<planted>", "exec"), space)  # noqa: S102 - this package's own output, changed
                _, found = space["loss_and_gradients"](self.parameters, self.inputs, **self.keywords)
                gradients = {name: generated.leaves(found[name]) for name in self.network.parameters}
        except Exception:  # noqa: BLE001 - whatever a mistake raises, it is none of those that go unnoticed
            return None
        finite = all(np.all(np.isfinite(each)) for arrays in gradients.values() for each in arrays)
        return gradients if finite else None

    def spoiled(self, mutants: list[Mutant]) -> str:
        """The first parameter whose gradient the mistakes spoil; empty where they raise or do no harm."""
        lines = list(self.lines)
        for mutant in mutants:
            lines[mutant.place] = mutant.line
        found = self.run(lines)
        if found is None or self.right is None:
            return ""
        return next((name for name in self.network.parameters if not _agree(found[name], self.right[name])), "")


def _agree(found: list[Any], right: list[Any]) -> bool:
    if [np.shape(a) for a in found] != [np.shape(a) for a in right]:
        return False
    scale = max((float(np.max(np.abs(a), initial=0.0)) for a in right), default=0.0)
    return all(float(np.max(np.abs(a - b), initial=0.0)) <= VISIBLE * scale for a, b in zip(found, right, strict=True))


def _named(network: Network, head: str, body: str) -> Iterator[str]:
    """Statements that name tensors of the forward pass which lines mention and the right ones do not need."""
    for name, tensor in network.tensors.items():
        if tensor.role == "hidden" and len(tensor.family) <= 1 and _mentions(body, name) and not _mentions(head, name):
            first = tensor.family[0].lo.const if tensor.family else None
            value = f"tensors[{name!r}]"
            yield f"    {name} = {value if first is None else f'dict(enumerate({value}, start={first}))'}"


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


# ---------------------------------------------------------------------------------------------------------------------


def mutants(network: Network, lines: list[str]) -> Iterator[Mutant]:
    """Every line with every single mistake."""
    tree = ast.parse("\n".join(lines))
    activations = {call.argument.tensor: e.lhs.tensor for e in network.equations if (call := activation_of(e))}
    for statement in ast.walk(tree):
        if not isinstance(statement, ast.Assign | ast.AugAssign) or statement.lineno != statement.end_lineno:
            continue
        place = statement.lineno - 1
        line = lines[place]
        if not line.isascii():
            continue
        for kind, edits in KINDS.items():
            for edit in edits(statement, line, activations):
                changed = _tidied(line[: edit.node.col_offset] + edit.text + line[edit.node.end_col_offset :])
                if not _same(changed.strip(), line.strip()):
                    yield Mutant(place, kind, changed, edit.why)
        if isinstance(statement, ast.AugAssign):
            why = "The uses of a shared array add up, so this must be `+=`."
            yield Mutant(place, "accumulation", line.replace("+=", "=", 1), why)


def _tidied(line: str) -> str:
    """The line without parentheses around its whole right side or a single name."""
    line = re.sub(r"(?<![\w\])])\((\w+)\)", r"\1", line)
    left, sign, right = line.partition("= ")
    bare = right[1:-1]
    if right.startswith("(") and right.endswith(")") and _same(bare, right):
        return left + sign + bare
    return line


def _same(one: str, other: str) -> bool:
    """True where two texts are the same expression."""
    try:
        return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    except SyntaxError:
        return False


def _text(line: str, node: ast.expr) -> str:
    return line[node.col_offset : node.end_col_offset]


def _closed(line: str, node: ast.expr) -> str:
    """The text of a node, in parentheses where a sum or a matrix product needs them as a factor."""
    text = _text(line, node)
    loose = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub | ast.MatMult)
    return f"({text})" if loose else text


def _products(statement: ast.AST, kind: type[ast.operator]) -> Iterator[ast.BinOp]:
    return (n for n in ast.walk(statement) if isinstance(n, ast.BinOp) and isinstance(n.op, kind))


def _transposes(statement: ast.AST, line: str, _: Mapping[str, str]) -> Iterator[Edit]:
    for node in _products(statement, ast.MatMult):
        for side, axis in ((node.left, "first"), (node.right, "second")):
            if isinstance(side, ast.Attribute) and side.attr == "T":
                name = _text(line, side.value)
                yield Edit(
                    side, name, f"The sum runs over the {axis} axis of `{name}`, so `{name}` must be transposed."
                )


def _orders(statement: ast.AST, line: str, _: Mapping[str, str]) -> Iterator[Edit]:
    for node in _products(statement, ast.MatMult):
        left, right = _closed(line, node.left), _closed(line, node.right)
        why = f"The factors stand in the wrong order; it must be `{left} @ {right}`."
        yield Edit(node, f"{right} @ {left}", why)
    for call in ast.walk(statement):
        if isinstance(call, ast.Call) and _text(line, call.func) == "np.outer":
            left, right = (_text(line, each) for each in call.args)
            why = "The factors of the outer product stand in the wrong order, so the gradient comes out transposed."
            yield Edit(call, f"np.outer({right}, {left})", why)


def _factors(statement: ast.AST, line: str, _: Mapping[str, str]) -> Iterator[Edit]:
    for node in _products(statement, ast.Mult):
        if not isinstance(node.left, ast.Constant):
            yield Edit(node, _closed(line, node.left), f"The factor `{_text(line, node.right)}` is missing.")


def _terms(statement: ast.AST, line: str, _: Mapping[str, str]) -> Iterator[Edit]:
    for node in _products(statement, ast.Add):
        if not any(isinstance(each, ast.Constant) for each in (node.left, node.right)):
            why = f"The term `{_text(line, node.right)}` is missing: every use of an array adds its part."
            yield Edit(node, _text(line, node.left), why)


def _divisions(statement: ast.AST, line: str, _: Mapping[str, str]) -> Iterator[Edit]:
    for node in _products(statement, ast.Div):
        yield Edit(node, _text(line, node.left), f"The division by `{_text(line, node.right)}` is missing.")


def _signs(statement: ast.AST, line: str, _: Mapping[str, str]) -> Iterator[Edit]:
    for node in _products(statement, ast.Sub):
        left, right = _text(line, node.left), _closed(line, node.right)
        if isinstance(node.left, ast.Name | ast.Subscript) and isinstance(node.right, ast.Name | ast.Subscript):
            yield Edit(node, f"{right} - {left}", f"The difference is turned round; it must be `{left} - {right}`.")


def _slopes(statement: ast.AST, line: str, activations: Mapping[str, str]) -> Iterator[Edit]:
    """The slope of an activation at its output where it takes its argument, or the other way round."""
    for call in ast.walk(statement):
        if isinstance(call, ast.Call) and len(call.args) == 1 and _slope_name(_text(line, call.func)):
            old = _text(line, call.args[0])
            name = old.partition("[")[0]
            if name in activations:
                new = activations[name] + old[len(name) :]
                yield Edit(call.args[0], new, f"The slope belongs to the argument `{old}`, not to the output `{new}`.")
    outputs = {output: argument for argument, output in activations.items()}
    for node in _products(statement, ast.Mult):
        text = _text(line, node)
        for output, argument in outputs.items():
            slope = re.search(
                rf"\b({output}(?:\[[^\]]*\])?) \* \(1 - \1\)|\(1 - ({output}(?:\[[^\]]*\])?)\*\*2\)", text
            )
            if slope and not isinstance(node.left, ast.MatMult):
                old = slope[1] or slope[2]
                new = argument + old[len(output) :]
                wrong = text[: slope.start()] + slope[0].replace(old, new) + text[slope.end() :]
                why = f"This slope is written with the output, so it must take `{old}`, not `{new}`."
                yield Edit(node, wrong, why)
                break


def _slope_name(function: str) -> bool:
    return function.partition("[")[0].endswith("_prime")


def _layers(statement: ast.AST, line: str, _: Mapping[str, str]) -> Iterator[Edit]:
    """A neighbour of a layer or a time step; the left side stays."""
    value = statement.value if isinstance(statement, ast.Assign | ast.AugAssign) else None
    for node in ast.walk(value) if value is not None else ():
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.BinOp):
            old, letter = _text(line, node), _text(line, node.slice.left)
            new = f"{_text(line, node.value)}[{letter}]"
            yield Edit(node, new, f"It must be `{old}`; `{new}` is its neighbour.")


KINDS: Mapping[str, Callable[[ast.AST, str, Mapping[str, str]], Iterator[Edit]]] = {
    "transpose": _transposes,
    "order": _orders,
    "factor": _factors,
    "term": _terms,
    "division": _divisions,
    "sign": _signs,
    "slope": _slopes,
    "layer": _layers,
}
