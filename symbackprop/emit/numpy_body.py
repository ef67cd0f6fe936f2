"""Statements of generated NumPy code: one line for each equation, loops for families, guards for cases.

Every line carries the shape of its result and the number of the equation it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from symbackprop.affine import Affine
from symbackprop.emit.numpy_scalar import SUM, Text
from symbackprop.emit.numpy_text import NodeWriter
from symbackprop.emit.schedule import Do, Rounds
from symbackprop.index import Ref, is_adjoint, primal_name
from symbackprop.lift import family_variables, lift_terms
from symbackprop.matrix import Add, Broadcast, FamilySum, Node, Number
from symbackprop.rewrite.cases import cases

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from symbackprop.affine import Cond
    from symbackprop.emit.numpy_names import Names
    from symbackprop.index import Equation, Term
    from symbackprop.lift import Surroundings
    from symbackprop.matrix import Axis

WIDTH = 88
"""Lines are broken where they get longer."""
COLUMN = 48
"""Where comments stand, if the code leaves room."""
REGIONS_AT_MOST = 3
"""More cases than this are written as separate contributions with a guard each."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of code with its comment; ``depth`` counts the blocks around it."""

    code: str
    comment: str = ""
    depth: int = 0


class BodyWriter:
    """Writes the statements of one function of the module."""

    def __init__(self, names: Names, around: Surroundings, first: int = 0) -> None:
        self.names, self.around, self.first, self.number = names, around, first, 0
        self.nodes = NodeWriter(names, around)
        self.lines: list[Line] = []
        self.families: dict[str, None] = {}
        self.numbers: list[int] | None = None

    def steps(self, steps: Iterable[Rounds | Do], depth: int = 0) -> None:
        """A schedule as statements; neighbours with one guard stand under one ``if``."""
        guard: tuple[Cond, ...] = ()
        for step in steps:
            own = step.guard if isinstance(step, Do) else ()
            if own and own != guard:
                tests = " and ".join(self.nodes.condition(cond).code for cond in own)
                self.lines.append(Line(f"if {tests}:", depth=depth))
            guard = own
            if isinstance(step, Rounds):
                letter = self.names.letter(step.bound.var)
                header = f"for {letter} in {self.nodes.range(step.bound.lo, step.bound.hi, down=step.down)}:"
                self.lines.append(Line(header, depth=depth))
                self.steps(step.body, depth + 1)
            else:
                self.number = self.numbers[step.place] if self.numbers is not None else self.first + step.place
                self.equation(step.equation, depth + bool(own))

    def equation(self, equation: Equation, depth: int) -> None:
        """The statements that compute one array, or the present member of a family."""
        self.nodes.grids.clear()
        family = family_variables(equation, self.around.tensors)
        regions = cases(equation, self.around.depths, family)
        if len(regions) == 1:
            self.region(equation, regions[0].terms, frozenset(regions[0].conditions), depth)
        elif len(regions) <= REGIONS_AT_MOST:
            for place, region in enumerate(regions):
                tests = " and ".join(self.nodes.condition(cond).code for cond in region.conditions)
                keyword = "else:" if place == len(regions) - 1 else f"{'elif' if place else 'if'} {tests}:"
                self.lines.append(Line(keyword, depth=depth))
                self.region(equation, region.terms, frozenset(region.conditions), depth + 1)
        else:
            self.contributions(equation, family, depth)

    def contributions(self, equation: Equation, family: frozenset[str], depth: int) -> None:
        """Zeros, and every contribution added where its conditions hold."""
        self.assign(equation, self.zeros(equation), self.comment(equation), depth)
        groups: dict[frozenset[Cond], list[Term]] = {}
        for term in equation.terms:
            groups.setdefault(frozenset(c for c in term.conditions if c.form.variables <= family), []).append(term)
        for conditions, terms in groups.items():
            inner = [_without(term, conditions) for term in terms]
            if conditions:
                ordered = sorted(conditions, key=lambda c: c.key)
                tests = " and ".join(self.nodes.condition(cond).code for cond in ordered)
                self.lines.append(Line(f"if {tests}:", depth=depth))
            self.added(equation, lift_terms(equation, inner, conditions, self.around), depth + bool(conditions))

    def region(self, equation: Equation, terms: Sequence[Term], conditions: frozenset[Cond], depth: int) -> None:
        """One assignment, or a loop of additions where a sum runs over a family."""
        kept = [_without(term, conditions) for term in terms]
        node = lift_terms(equation, kept, conditions, self.around)
        parts = node.terms if isinstance(node, Add) else (node,)
        looped = [part for part in parts if isinstance(part, FamilySum)] if node.axes else []
        if not looped:
            self.assign(equation, self.expression(equation, node), self.comment(equation), depth)
            return
        self.assign(equation, self.zeros(equation), self.comment(equation), depth)
        for part in parts:
            self.added(equation, part, depth)

    def added(self, equation: Equation, node: Node, depth: int) -> None:
        """``target += …``, in a loop where it is a sum over a family."""
        if not isinstance(node, FamilySum):
            piece = self.nodes.write(node.x if isinstance(node, Broadcast) and not node.x.axes else node)
            self.emit(f"{self.target(equation)} += ", piece.text, "", depth)
            return
        for bound in node.bounds:
            self.lines.append(
                Line(f"for {self.names.letter(bound.var)} in {self.nodes.range(bound.lo, bound.hi)}:", depth=depth)
            )
            depth += 1
        if node.conditions:
            tests = [self.nodes.condition(cond).code for cond in sorted(node.conditions, key=lambda c: c.key)]
            self.lines.append(Line(f"if {' and '.join(tests)}:", depth=depth))
            depth += 1
        parts = node.x.terms if isinstance(node.x, Add) else (node.x,)
        for part in parts:
            self.added(equation, part, depth)

    # -- one statement ------------------------------------------------------------------------------------------------

    def target(self, equation: Equation) -> str:
        """The left side."""
        depth = len(self.around.tensors[equation.lhs.tensor].family)
        if depth:
            self.families[equation.lhs.tensor] = None
        return self.nodes.element(Ref(equation.lhs.tensor, equation.lhs.index[:depth]))

    def like(self, equation: Equation) -> str | None:
        """For an adjoint: the array it has the shape of."""
        if not is_adjoint(equation.lhs.tensor):
            return None
        primal = primal_name(equation.lhs.tensor)
        depth = len(self.around.tensors[primal].family)
        if depth > 1:
            return None  # the member may not exist
        return self.nodes.element(Ref(primal, equation.lhs.index[:depth]))

    def zeros(self, equation: Equation) -> Text:
        """Zeros of the shape of the left side."""
        like = self.like(equation)
        if like is not None:
            return Text(f"np.zeros_like({like})")
        self.nodes.used.dtype = True
        return Text(f"np.zeros({self.nodes.shape(self.axes(equation))}, dtype)")

    def expression(self, equation: Equation, node: Node) -> Text:
        """The right side with all axes of the left side."""
        if isinstance(node, Broadcast) and isinstance(node.x, Number) and node.x.form == Affine():
            return self.zeros(equation)
        piece = self.nodes.write(node)
        if piece.dims == node.labels:
            return piece.text
        like = self.like(equation)
        if like is not None:
            return Text(f"np.full_like({like}, {piece.text.code})")
        self.nodes.used.dtype = True
        return Text(f"np.full({self.nodes.shape(node.axes)}, {piece.text.code}, dtype)")

    def assign(self, equation: Equation, text: Text, comment: str, depth: int) -> None:
        """``target = expression``, after the lines that the expression needs."""
        self.emit(f"{self.target(equation)} = ", text, comment, depth)

    def emit(self, head: str, text: Text, comment: str, depth: int) -> None:
        self.lines += [Line(code, depth=depth) for code in self.nodes.lines]
        self.nodes.lines.clear()
        first, *rest = wrapped(head, text, WIDTH - 4 * (depth + 1))
        self.lines.append(Line(first, comment, depth))
        self.lines += [Line(part, depth=depth) for part in rest]

    def axes(self, equation: Equation) -> tuple[Axis, ...]:
        """Element axes of the left side in storage order."""
        return lift_terms(equation, (), frozenset(), self.around).axes

    def comment(self, equation: Equation) -> str:
        """The shape, and the number of the equation."""
        tensor = self.around.tensors[equation.lhs.tensor]
        depth = len(tensor.family)
        inside = {b.var: form for b, form in zip(tensor.family, equation.lhs.index[:depth], strict=True)}
        axes = [str(axis.substitute(inside)) for axis in tensor.axes]
        order = self.around.order(equation.lhs.tensor)
        shown = ", ".join(axes[k] for k in order)
        shape = f"({shown},)" if len(axes) == 1 else f"({shown})" if axes else "scalar"
        return f"{shape}   ({self.number})"


def _without(term: Term, conditions: frozenset[Cond]) -> Term:
    return replace(term, conditions=term.conditions - conditions)


def wrapped(head: str, text: Text, width: int) -> list[str]:
    """``head`` and an expression as lines: broken at operators, sums before products, or else between arguments."""
    code = head + text.code
    if len(code) <= width:
        return [code]
    parts = _at_operators(text)
    if len(parts) > 1:
        return [f"{head}(", *("    " + line for part in parts for line in _inner(part, width - 4)), ")"]
    return _at_arguments(code, width)


def _inner(code: str, width: int) -> list[str]:
    return [code] if len(code) <= width else _at_arguments(code, width)


def _at_operators(text: Text) -> list[str]:
    """The parts of a long expression, each from its operator on."""
    for signs in ((" + ", " - "), (" * ", " @ ", " / ")):
        if signs[0] != " + " and text.level == SUM:
            continue
        parts = _split(text.code, signs)
        if len(parts) > 1:
            return parts
    return []


def _at_arguments(code: str, width: int) -> list[str]:
    """Broken inside the longest brackets, after every comma there, or before operators."""
    start, end = _longest_brackets(code)
    if end - start < 2:  # noqa: PLR2004 - nothing between the brackets
        return [code]
    inside = code[start + 1 : end]
    parts = [part.strip() for part in _split(inside, (", ",))]
    parts = [part.removeprefix(",").strip() for part in parts]
    if len(parts) == 1:
        parts = _split(inside, (" + ", " - ")) if len(_split(inside, (" + ", " - "))) > 1 else _split(inside, (" * ",))
        commas = ""
    else:
        commas = ","
    lines = [code[: start + 1]]
    for k, part in enumerate(parts):
        *before, last = _inner(part, width - 4)
        lines += ["    " + line for line in (*before, last + (commas if k < len(parts) - 1 else ""))]
    return [*lines, *_closed(code[end:], width)]


def _closed(code: str, width: int) -> list[str]:
    """What follows closing brackets, broken again where it is long."""
    if len(code) <= width or len(code) == 1:
        return [code]
    first, *rest = _at_arguments(code[1:], width - 1)
    return [code[0] + first, *rest]


def _longest_brackets(code: str) -> tuple[int, int]:
    """Where the longest outermost brackets open and close."""
    stack: list[int] = []
    best = (0, 0)
    for place, char in enumerate(code):
        if char in "([{":
            stack.append(place)
        elif char in ")]}":
            start = stack.pop()
            if not stack and place - start > best[1] - best[0]:
                best = (start, place)
    return best


def _split(code: str, signs: tuple[str, ...]) -> list[str]:
    parts = [""]
    depth = 0
    place = 0
    while place < len(code):
        char = code[place]
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(char, 0)
        sign = next((s for s in signs if code.startswith(s, place)), None)
        if depth == 0 and sign is not None and parts[-1]:
            parts.append(sign.lstrip())
            place += len(sign)
            continue
        parts[-1] += char
        place += 1
    return parts


def fused(lines: Sequence[Line]) -> list[Line]:
    """Sums over one range that follow each other share a loop; none of them reads another."""
    result: list[Line] = []
    place = 0
    while place < len(lines):
        last = _last_loop(result)
        end = _end(lines, place + 2)
        header = lines[place + 1] if place + 1 < len(lines) else None
        if last is not None and header == result[last] and _is_zeros(lines[place]) and _is_zeros(result[last - 1]):
            names = [line.code.split(" = ")[0] for line in _zeros_before(result, last)]
            block = lines[place + 2 : end]
            if not any(name in line.code for name in names for line in block):
                result = [*result[:last], lines[place], *result[last:], *block]
                place = end
                continue
        result.append(lines[place])
        place += 1
    return result


def _is_zeros(line: Line) -> bool:
    return " = np.zeros" in line.code


def _zeros_before(lines: Sequence[Line], place: int) -> list[Line]:
    start = place
    while start and _is_zeros(lines[start - 1]) and lines[start - 1].depth == lines[place].depth:
        start -= 1
    return list(lines[start:place])


def _last_loop(lines: Sequence[Line]) -> int | None:
    """The last loop's header, if its block reaches to the end."""
    for place in range(len(lines) - 1, 0, -1):
        if lines[place].code.startswith("for ") and _end(lines, place + 1) == len(lines):
            inside = [line for line in lines[place + 1 :] if line.depth <= lines[place].depth]
            if not inside and _is_zeros(lines[place - 1]) and lines[place - 1].depth == lines[place].depth:
                return place
    return None


def _end(lines: Sequence[Line], start: int) -> int:
    """Where the block that begins at ``start`` ends."""
    if start > len(lines):
        return len(lines)
    depth = lines[start - 1].depth
    end = start
    while end < len(lines) and lines[end].depth > depth:
        end += 1
    return end


def rendered(lines: Iterable[Line], indent: int = 1) -> list[str]:
    """Lines as text, comments in one column where the code leaves room."""
    result: list[str] = []
    for line in lines:
        code = "    " * (indent + line.depth) + line.code
        result.append(f"{code.ljust(COLUMN)}  # {line.comment}" if line.comment else code)
    return result
