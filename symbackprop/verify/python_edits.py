"""The small edits of a Python statement that mend what people get wrong, each as a replacement in the author's text.

    edits(statement, source, known)      -> Edit after Edit, those that people need most first

An edit carries the code of the mistake that it mends and a sentence about it. ``known`` are the shapes of the arrays
that the statement could use, by the text that the author writes for them.
"""

from __future__ import annotations

import ast
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Shape = tuple[int, ...]
_PRODUCTS = frozenset(("dot", "matmul"))
_PLAIN = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.Constant, ast.Tuple)
_VALUES = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Attribute, ast.Subscript)
_MATRIX = 2


@dataclass(frozen=True, slots=True)
class Edit:
    """``text`` in the place of the characters from ``start`` to ``end``; ``cost`` orders edits of one statement."""

    code: str
    cost: int
    start: int
    end: int
    text: str
    sentence: str


class Source:
    """A program's text with the places of its nodes as offsets."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines = text.split("\n")
        self._starts = [0, *itertools.accumulate(len(line) + 1 for line in self._lines)]

    def offset(self, line: int, column: int) -> int:
        """The offset of a place that ``ast`` gives in bytes."""
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode(errors="ignore"))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node begins and ends."""
        at: Any = node
        return self.offset(at.lineno, at.col_offset), self.offset(at.end_lineno, at.end_col_offset)

    def of(self, node: ast.AST) -> str:
        """The author's text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def atom(self, node: ast.AST) -> str:
        """The same, in parentheses where an operator could tear it apart."""
        return self.of(node) if isinstance(node, _PLAIN) else f"({self.of(node)})"


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known where a statement stands: shapes of arrays and of parts, whole numbers, functions of one argument.

    ``sizes`` says which letters a number stands for, ``inside_loop`` that the statement is repeated.
    """

    arrays: Mapping[str, Shape]
    parts: Mapping[str, Shape]
    counts: tuple[str, ...]
    functions: tuple[str, ...]
    sizes: Mapping[int, str]
    inside_loop: bool

    def shape(self, text: str) -> Shape | None:
        """The shape of an array by its text."""
        return self.parts.get(text, self.arrays.get(text))

    def words(self, text: str) -> str:
        """What is known of a shape: "X is N x d"; nothing for what has no known shape."""
        found = self.shape(text)
        return f"{text} is {self.shown(found)}" if found else ""

    def shown(self, shape: Shape) -> str:
        """A shape in letters: "N x d"."""
        named = [self.sizes.get(size, str(size)) for size in shape]
        return f"a vector of {named[0]}" if len(named) == 1 else " x ".join(named)


def edits(statement: ast.stmt, source: Source, scene: Scene) -> list[Edit]:
    """All edits of a statement, cheapest first and in the order of the text."""
    found: list[Edit] = []
    maker = _Maker(source, scene)
    for root in _roots(statement):
        if root is getattr(statement, "value", None) and isinstance(root, _VALUES):
            found += maker.of_root(root)
        for node in written(root):
            if isinstance(node, ast.expr):
                found += maker.of_node(node)
    found += maker.of_statement(statement)
    seen: set[tuple[int, int, str]] = set()
    kept = [e for e in found if (e.start, e.end, e.text) not in seen and not seen.add((e.start, e.end, e.text))]  # type: ignore[func-returns-value]
    return sorted(kept, key=lambda e: (e.cost, e.start, e.text))


def _roots(statement: ast.stmt) -> list[ast.expr]:
    value = getattr(statement, "value", None)
    roots = [value] if isinstance(value, ast.expr) else []
    if isinstance(statement, ast.Assign):
        roots += [target.slice for target in statement.targets if isinstance(target, ast.Subscript)]
    if isinstance(statement, ast.For):
        roots.append(statement.iter)
    return roots


def written(node: ast.AST) -> Iterator[ast.AST]:
    """A node and its parts, without those inside formatted texts, whose places are not known."""
    yield node
    if not isinstance(node, ast.JoinedStr):
        for child in ast.iter_child_nodes(node):
            yield from written(child)


class _Maker:
    def __init__(self, source: Source, scene: Scene) -> None:
        self.source, self.scene = source, scene

    def edit(self, code: str, cost: int, node: ast.AST, text: str, sentence: str) -> Edit:
        start, end = self.source.span(node)
        return Edit(code, cost, start, end, text, sentence)

    def of_node(self, node: ast.expr) -> Iterator[Edit]:
        """The edits of one part."""
        for make in _BY_KIND.get(type(node), ()):
            yield from make(self, node)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            yield from self.other_array(node)

    # -- products ------------------------------------------------------------------------------------------------------

    def operands(self, node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
        """Both operands of a matrix product, however it is written."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            return node.left, node.right
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _PRODUCTS:
            if len(node.args) == 2:  # noqa: PLR2004 - np.dot(a, b)
                return node.args[0], node.args[1]
            if len(node.args) == 1:
                return node.func.value, node.args[0]
        return None

    def product_of(self, node: ast.expr, left: str, right: str) -> str:
        """A matrix product of other operands, written as this one is."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if len(node.args) == 1:
                return f"{left}.{node.func.attr}({right})"
            return f"{self.source.of(node.func)}({left}, {right})"
        return f"{left} @ {right}"

    def turned(self, node: ast.expr) -> str:
        """The transpose of an operand."""
        if isinstance(node, ast.Attribute) and node.attr == "T":
            return self.source.atom(node.value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "transpose":
            return self.source.atom(node.args[0] if node.args else node.func.value)
        return f"{self.source.atom(node)}.T"

    def arranged(self, node: ast.expr) -> Iterator[Edit]:
        """A matrix product with its operands turned or in another order."""
        pair = self.operands(node)
        if pair is None:
            return
        forms = [(self.source.atom(each), self.turned(each)) for each in pair]
        for swap, first, second in itertools.product((0, 1), (0, 1), (0, 1)):
            if not (swap or first or second):
                continue
            texts = (forms[0][first], forms[1][second])
            text = self.product_of(node, *(texts[::-1] if swap else texts))
            changed = [each for each, turn in zip(pair, (first, second), strict=True) if turn]
            spurious = all(self._is_turned(each) for each in changed)
            code = "SB101" if swap else "SB103" if spurious else "SB102"
            if swap + first + second == 1 and not swap:
                one = changed[0]
                sentence = self._fitting(node, pair, text)
                yield self.edit(code, 0, one, self.turned(one), sentence)
            else:
                yield self.edit(code, swap + first + second, node, text, self._fitting(node, pair, text))

    def _is_turned(self, node: ast.expr) -> bool:
        return self.turned(node) == self.source.atom(getattr(node, "value", node)) or (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "transpose"
        )

    def _fitting(self, node: ast.expr, pair: tuple[ast.expr, ast.expr], text: str) -> str:
        known = [words for each in pair if (words := self.scene.words(self.source.of(each)))]
        lead = f"{' and '.join(known)}: " if known else ""
        return f"{lead}the product that fits is {text}, not {self.source.of(node)}."

    def kind_of_product(self, node: ast.expr) -> Iterator[Edit]:
        """The entrywise product for the matrix product, and the other way round."""
        sentence = "The operator {} multiplies {}; here the product is {}."
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult | ast.Mult):
            left, right = self.source.atom(node.left), self.source.atom(node.right)
            matrix = isinstance(node.op, ast.MatMult)
            own, other = "@*" if matrix else "*@"
            words = sentence.format(
                own, "rows with columns" if matrix else "entry by entry",
                "entrywise, *" if matrix else "the matrix product, @",
            )  # fmt: skip
            yield self.operator(node, own, other, "SB104", 2, words)
            if matrix:
                yield self.edit(
                    "SB104", 3, node, f"np.outer({left}, {right})", "Two vectors make a matrix by np.outer."
                )
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            library = self.source.of(node.func.value)
            if name in {*_PRODUCTS, "multiply", "outer"} and len(node.args) == 2:  # noqa: PLR2004 - np.dot(a, b)
                for other in ("multiply", "dot", "outer"):
                    if other != name:
                        words = f"np.{name} is the wrong product here; np.{other} is meant."
                        yield self.edit("SB104", 2, node.func, f"{library}.{other}", words)
            if name == "outer" and len(node.args) == 2:  # noqa: PLR2004 - np.outer(a, b)
                first, second = map(self.source.of, node.args)
                words = f"Rows go with the first argument, columns with the second: {library}.outer({second}, {first})."
                yield self.edit("SB101", 1, node, f"{library}.outer({second}, {first})", words)

    def einsum(self, node: ast.expr) -> Iterator[Edit]:
        """Letters of one array exchanged."""
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "einsum"):
            return
        letters = node.args[0]
        if not (isinstance(letters, ast.Constant) and isinstance(letters.value, str)):
            return
        for k, part in enumerate(parts := letters.value.replace("->", ",").split(",")):
            if len(part) != _MATRIX:
                continue
            swapped = [part[::-1] if k == n else each for n, each in enumerate(parts)]
            quote = self.source.of(letters)[0]
            text = f"{quote}{','.join(swapped[:-1])}->{swapped[-1]}{quote}"
            yield self.edit("SB203", 1, letters, text, f"The letters {part} are swapped: {part[::-1]} is meant.")

    # -- signs, numbers, factors ---------------------------------------------------------------------------------------

    def signs(self, node: ast.expr) -> Iterator[Edit]:
        """Another sign, or a difference the other way round."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield self.edit("SB215", 0, node, self.source.of(node.operand), "The sign is wrong: no minus here.")
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            plus = isinstance(node.op, ast.Sub)
            own, other = "-+" if plus else "+-"
            yield self.operator(node, own, other, "SB215", 1, f"The sign is wrong: {other} is meant, not {own}.")
            if plus:
                turned = f"{self.source.of(node.right)} - {self.source.atom(node.left)}"
                yield self.edit("SB215", 0, node, turned, f"The difference is the other way round: {turned}.")
            else:
                minus = f"-{self.source.atom(node.left)}"
                yield self.edit("SB215", 1, node.left, minus, f"The sign is wrong: {minus} is meant.")

    def operator(  # noqa: PLR0913, PLR0917 - an edit and its parts
        self, node: ast.BinOp, own: str, other: str, code: str, cost: int, sentence: str
    ) -> Edit:
        """Another operator between two operands."""
        start = self.source.text.index(own, self.source.span(node.left)[1])
        return Edit(code, cost, start, start + len(own), other, sentence)

    def dropped(self, node: ast.expr) -> Iterator[Edit]:
        """A factor, a divisor, a term or a power too many."""
        if not isinstance(node, ast.BinOp):
            return
        left, right = self.source.of(node.left), self.source.of(node.right)
        if isinstance(node.op, ast.Mult):
            for keep, gone in ((left, right), (right, left)):
                number = self._is_number(gone)
                code, words = ("SB216", "constant") if number else ("SB209", "factor")
                yield self.edit(code, 3, node, self._kept(node, keep), f"The {words} {gone} is too many here.")
        elif isinstance(node.op, ast.Div):
            code = "SB216" if self._is_number(right) else "SB209"
            yield self.edit(code, 2, node, self._kept(node, left), f"The division by {right} is too many here.")
        elif isinstance(node.op, ast.Add | ast.Sub):
            yield self.edit("SB219", 4, node, self._kept(node, left), f"The term {right} is too many here.")
            if isinstance(node.op, ast.Add):
                yield self.edit("SB219", 4, node, self._kept(node, right), f"The term {left} is too many here.")
        elif isinstance(node.op, ast.Pow):
            yield self.edit("SB211", 4, node, left, f"The power of {left} is too many here.")

    def _kept(self, node: ast.BinOp, text: str) -> str:
        part = node.left if self.source.of(node.left) == text else node.right
        return self.source.atom(part)

    def _is_number(self, text: str) -> bool:
        return text in self.scene.counts or text.replace(".", "", 1).isdigit() or text.startswith(("len(", "1 /", "1/"))

    def numbers(self, node: ast.expr) -> Iterator[Edit]:
        """Another constant."""
        if not isinstance(node, ast.Constant) or isinstance(node.value, bool | str) or node.value is None:
            return
        for other in dict.fromkeys(("2", "1", "0.5", "0", "3")):
            if float(other) != node.value:
                yield self.edit("SB216", 5, node, other, f"The constant is {other}, not {self.source.of(node)}.")

    def parentheses(self, node: ast.expr) -> Iterator[Edit]:
        """``a * b + c`` as ``a * (b + c)``."""
        if not isinstance(node, ast.BinOp):
            return
        of = self.source.of
        if isinstance(node.left, ast.BinOp) and not self._bracketed(node.left):
            head = of(node)[: self._until(node, node.left.right)]
            text = f"{head}({of(node)[len(head) :]})"
            yield self.edit("SB212", 3, node, text, f"Parentheses are missing: {text}.")
        if isinstance(node.right, ast.BinOp) and not self._bracketed(node.right):
            tail = self._until(node, node.right.right)
            inner = of(node)[:tail].rstrip()
            operator = next((o for o in ("**", "*", "/", "@", "+", "-") if inner.endswith(o)), "")
            head = inner.removesuffix(operator).rstrip()
            text = f"({head}) {operator} {of(node)[tail:]}"
            yield self.edit("SB212", 3, node, text, f"Parentheses are missing: {text}.")

    def _bracketed(self, node: ast.expr) -> bool:
        start, end = self.source.span(node)
        before, after = self.source.text[:start].rstrip(), self.source.text[end:].lstrip()
        return before.endswith("(") and after.startswith(")")

    def _until(self, node: ast.expr, part: ast.expr) -> int:
        return self.source.span(part)[0] - self.source.span(node)[0]

    # -- sums ----------------------------------------------------------------------------------------------------------

    def sums(self, node: ast.expr) -> Iterator[Edit]:
        """Another axis, kept axes, a mean for a sum."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return
        name = node.func.attr
        if name in {"sum", "mean"}:
            other = {"sum": "mean", "mean": "sum"}[name]
            text = f"{self.source.of(node.func.value)}.{other}"
            why = "A mean has the factor 1/N, which belongs here once." if name == "sum" else "The sum is meant."
            yield self.edit("SB216", 2, node.func, text, why)
        if name not in {"sum", "mean", "max", "var", "std"}:
            return
        library = isinstance(node.func.value, ast.Name) and node.func.value.id in {"np", "numpy"}
        axes = [word.value for word in node.keywords if word.arg == "axis"] or node.args[1 if library else 0 :][:1]
        for axis in axes:
            for new in ("0", "1", "-1"):
                if self.source.of(axis) != new:
                    yield self.edit("SB206", 1, axis, new, f"The {name} runs over the wrong axis: axis={new} is meant.")
        start, end = self.source.span(node)
        kept = next((word for word in node.keywords if word.arg == "keepdims"), None)
        if kept is None:
            text = f"{self.source.text[start : end - 1]}, keepdims=True)"
            words = "keepdims=True keeps the axis, so that rows and columns meet as they should."
            yield self.edit("SB190", 2, node, text, words)
        if axes:
            inner = node.args[0] if library and node.args else node.func.value
            yield self.edit("SB206", 4, node, self.source.atom(inner), f"No {name} belongs here.")

    # -- other names ---------------------------------------------------------------------------------------------------

    def other_array(self, node: ast.expr) -> Iterator[Edit]:
        """Another array of the program, those of the same shape first; another layer or step of a list."""
        text = self.source.of(node)
        shape = self.scene.arrays.get(text)
        if isinstance(node, ast.Subscript):
            yield from self.other_index(node)
        if shape is None:
            return
        for other, own in self.scene.arrays.items():
            if other == text:
                continue
            cost = 3 if own == shape else 6
            layers = isinstance(node, ast.Subscript) and other.split("[")[0] == text.split("[")[0] and "[" in other
            code = "SB201" if layers else "SB207"
            same = self.scene.words(text)
            words = f"{other} belongs here, not {text}{f' ({same}, too)' if own == shape and same else ''}."
            yield self.edit(code, cost, node, other, words)

    def other_index(self, node: ast.Subscript) -> Iterator[Edit]:
        """An index one higher or lower."""
        index = node.slice
        text = self.source.of(index)
        if isinstance(index, ast.JoinedStr):
            yield from self.formatted(index, text)
        fixed = isinstance(index, ast.Constant) and isinstance(index.value, str)
        if fixed or isinstance(index, ast.Slice | ast.Tuple | ast.Compare | ast.JoinedStr):
            return
        for new in _neighbours(index, text):
            yield self.edit("SB201", 2, index, new, f"The index is off by one: {new} is meant, not {text}.")

    def formatted(self, node: ast.JoinedStr, text: str) -> Iterator[Edit]:
        """``f"a{l - 1}"`` for ``f"a{l}"``."""
        start = self.source.span(node)[0]
        for match in re.finditer(r"\{([^{}:!]+)", text):
            try:
                index = ast.parse(match[1].strip(), mode="eval").body
            except SyntaxError:
                continue
            for new in _neighbours(index, match[1]):
                words = f"The index is off by one: {new} is meant, not {match[1]}."
                yield Edit("SB201", 2, start + match.start(1), start + match.end(1), new, words)

    def calls(self, node: ast.expr) -> Iterator[Edit]:
        """Another function; ``str(l)`` one higher or lower; a slope at another place."""
        if not isinstance(node, ast.Call) or len(node.args) != 1:
            return
        name, argument = self.source.of(node.func), node.args[0]
        text = self.source.of(argument)
        if name == "str":
            for new in _neighbours(argument, text):
                yield self.edit("SB201", 2, argument, new, f"The index is off by one: {new} is meant, not {text}.")
        if name not in self.scene.functions:
            return
        for other in self.scene.functions:
            if other != name:
                yield self.edit("SB211", 3, node.func, other, f"{other} belongs here, not {name}.")
        shape = self.scene.shape(text)
        for other, own in self.scene.arrays.items():
            if own == shape and other != text:
                words = f"{name} is taken at the wrong place: at {other}, not at {text}."
                yield self.edit("SB210", 2, argument, other, words)

    def comparisons(self, node: ast.expr) -> Iterator[Edit]:
        """A comparison the other way round."""
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = self.source.of(node.left), self.source.of(node.comparators[0])
            for sign in (">", "<=", "<", ">="):
                text = f"{left} {sign} {right}"
                yield self.edit("SB211", 0, node, text, f"The condition is {text}, not {self.source.of(node)}.")

    # -- the whole right side ------------------------------------------------------------------------------------------

    def of_root(self, root: ast.expr) -> Iterator[Edit]:
        """What can be missing from a right side."""
        text, atom = self.source.of(root), self.source.atom(root)
        sum_like = isinstance(root, ast.BinOp) and isinstance(root.op, ast.Add | ast.Sub)
        bare = atom if sum_like or not isinstance(root, ast.BinOp) else text
        cost = 3 if isinstance(root, ast.Name) else 1
        yield self.edit("SB215", cost, root, f"-{atom}", "The sign is wrong: a minus is missing.")
        for count in self.scene.counts:
            words = f"The division by {count} is missing: the loss is a mean."
            yield self.edit("SB216", 1, root, f"{bare} / {count}", words)
            yield self.edit("SB216", 5, root, f"{bare} * {count}", f"The factor {count} is missing.")
        yield self.edit("SB216", 2, root, f"2 * {atom}", "The factor 2 of the square is missing.")
        yield self.edit("SB216", 3, root, f"0.5 * {atom}", "The factor 1/2 is missing.")
        for axis in ("0", "1", "-1"):
            words = f"The sum over axis {axis} is missing: every example adds its part."
            yield self.edit("SB213", 2, root, f"np.sum({text}, axis={axis})", words)
            yield self.edit("SB213", 3, root, f"np.sum({text}, axis={axis}, keepdims=True)", words)
        yield self.edit("SB213", 3, root, f"np.sum({text})", "A sum is missing: every example adds its part.")
        yield from self.missing_factor(root, bare)
        shape = self.scene.parts.get(text)
        for other, own in self.scene.arrays.items():
            if own == shape and other != text:
                yield self.edit("SB218", 5, root, f"{text} + {other}", f"The term {other} is missing.")

    def missing_factor(self, node: ast.expr, bare: str) -> Iterator[Edit]:
        """A factor of the chain rule: an array, or a slope of a usual function at one."""
        shape = self.scene.parts.get(self.source.of(node), self.scene.arrays.get(self.source.of(node)))
        for other, own in self.scene.arrays.items():
            if shape is not None and own != shape:
                continue
            calls = [f"{name}({other})" for name in self.scene.functions]
            for cost, factor in (
                (4, f"{other} * (1 - {other})"), (4, f"(1 - {other} ** 2)"), (4, f"({other} > 0)"),
                (4, other), (4, f"(1 - {other})"), *((4, call) for call in calls),
            ):  # fmt: skip
                words = f"A factor of the chain rule is missing: {factor}."
                yield self.edit("SB208", cost, node, f"{bare} * {factor}", words)

    def squares(self, node: ast.expr) -> Iterator[Edit]:
        """A power that is missing inside a slope."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            right = self.source.atom(node.right)
            words = f"The slope has the square of {right}."
            yield self.edit("SB211", 2, node.right, f"{right} ** 2", words)

    def inner_factor(self, node: ast.expr) -> Iterator[Edit]:
        """A factor that is missing in front of a product's operand."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            for part in (node.left, node.right):
                if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub):
                    name = self.source.of(part.right)
                    words = f"A factor of the slope is missing: {name}."
                    yield self.edit("SB208", 2, part, f"{name} * ({self.source.of(part)})", words)

    def of_statement(self, statement: ast.stmt) -> Iterator[Edit]:
        """``=`` and ``+=``."""
        signs: dict[type[ast.operator], tuple[str, str]] = {ast.Add: ("+=", "-="), ast.Sub: ("-=", "+=")}
        if isinstance(statement, ast.AugAssign) and type(statement.op) in signs:
            own, other = signs[type(statement.op)]
            yield self._sign(statement.target, own, other, "SB215", f"The sign is wrong: {other} is meant.")
            yield self._sign(statement.target, own, "=", "SB219", "It is set here, not added to.")
        if isinstance(statement, ast.Assign) and self.scene.inside_loop and len(statement.targets) == 1:
            words = "A sum is missing: += adds the part of every round, = keeps only the last."
            yield self._sign(statement.targets[0], "=", "+=", "SB213", words)

    def _sign(self, target: ast.expr, own: str, other: str, code: str, sentence: str) -> Edit:
        end = self.source.span(target)[1]
        start = self.source.text.index(own, end)
        return Edit(code, 0, start, start + len(own), other, sentence)


def _neighbours(node: ast.expr, text: str) -> Sequence[str]:
    """An index one higher and one lower, as people write it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return str(node.value + 1), str(node.value - 1)
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant) and isinstance(node.operand.value, int):
        return f"-{node.operand.value + 1}", f"-{node.operand.value - 1}" if node.operand.value > 1 else "0"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub) and isinstance(node.right, ast.Constant):
        number = node.right.value
        if isinstance(number, int):
            own, other = ("+", "-") if isinstance(node.op, ast.Add) else ("-", "+")
            head = text[: -len(str(number))].rstrip().removesuffix(own).rstrip()
            return head, f"{head} {other} {number}", f"{head} {own} {number + 1}"
    return f"{text} - 1", f"{text} + 1"


_BY_KIND: dict[type[ast.expr], tuple[Callable[[_Maker, Any], Iterator[Edit]], ...]] = {
    ast.BinOp: (
        _Maker.arranged, _Maker.kind_of_product, _Maker.signs, _Maker.dropped, _Maker.parentheses, _Maker.squares,
        _Maker.inner_factor,
    ),
    ast.Call: (_Maker.arranged, _Maker.kind_of_product, _Maker.einsum, _Maker.sums, _Maker.calls),
    ast.UnaryOp: (_Maker.signs,),
    ast.Compare: (_Maker.comparisons,),
    ast.Constant: (_Maker.numbers,),
}  # fmt: skip
"""Which edits a part of an expression has."""
