"""The forward text as statements: Python's expression syntax, parsed and checked against a list of allowed nodes.

Nothing is evaluated. ``for l in a..b:`` is turned into ``for l in a, b:`` (same width, so columns stay right) and
parsed by ``ast.parse``; what is not an assignment, such a loop or an allowed expression is refused with its place.
"""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
import warnings
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from symbackprop.errors import SpecError
from symbackprop.spec import limits
from symbackprop.spec.names import look_alike, name_problem
from symbackprop.tables.layers import LAYER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from symbackprop.spec.source import Source

_FOR = re.compile(r"^(?P<head>[ \t]*for[ \t]+\w+[ \t]+in\b)(?P<rest>[^#]*)")
_NUMBER = re.compile(r"(?P<whole>\d*)\.?(?P<part>\d*)(?:[eE](?P<exponent>[+-]?\d+))?\Z")
_ALLOWED = (
    ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.Call, ast.Subscript, ast.Slice,
    ast.Tuple, ast.Attribute, ast.keyword, ast.Load, ast.Store, ast.operator, ast.unaryop, ast.cmpop, ast.boolop,
)  # fmt: skip
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.MatMult)
_NO_COMPARISONS = (ast.Is, ast.IsNot, ast.In, ast.NotIn)
_WORDS = {
    ast.Lambda: "lambda", ast.ListComp: "a comprehension", ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension", ast.GeneratorExp: "a comprehension", ast.List: "a list", ast.Dict: "a dictionary",
    ast.Set: "a set", ast.IfExp: "an if expression (use where(condition, a, b))", ast.NamedExpr: "the operator :=",
    ast.Await: "await", ast.Yield: "yield", ast.JoinedStr: "an f-string", ast.Starred: "a starred expression",
    ast.AugAssign: "an update such as += (write the sum out under a new name)", ast.Import: "import",
    ast.ImportFrom: "import", ast.If: "if (use where(condition, a, b))", ast.While: "while", ast.With: "with",
    ast.FunctionDef: "def", ast.ClassDef: "class", ast.Expr: "an expression without a name (write name = expression)",
    ast.Try: "try", ast.Pass: "pass", ast.Return: "return", ast.Delete: "del", ast.Assert: "assert",
    ast.Raise: "raise", ast.Global: "global", ast.AnnAssign: "an annotation", ast.AsyncFor: "async for",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LoopHead:
    """``for var in lo..hi:``, its limits still as text trees."""

    var: str
    lo: ast.expr
    hi: ast.expr
    node: ast.For


@dataclass(frozen=True, slots=True)
class Assignment:
    """``target = value`` inside the loops ``loops`` (outermost first)."""

    target: ast.expr
    value: ast.expr
    loops: tuple[LoopHead, ...]
    number: int
    """Position in the text, from 1."""
    result: str | None = None
    """Of a layer with several results, the one that is assigned."""
    group: str = ""
    """The first of the names that one layer's results are assigned to."""

    @property
    def name(self) -> str:
        """The tensor that is assigned."""
        return base_name(self.target)


@dataclass(frozen=True, slots=True)
class Block:
    """A loop with what stands in it, in the author's order."""

    head: LoopHead
    body: tuple[Assignment | Block, ...]


def text_of(node: ast.AST, width: int = 60) -> str:
    """An expression as text for a message, cut where it is long."""
    try:
        return _shorten(ast.unparse(node), width)
    except RecursionError:
        return "a long expression"


def base_name(node: ast.expr) -> str:
    """The name before all brackets: ``z`` of ``z[l][e, j]``."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def parse_forward(text: str, source: Source) -> tuple[Assignment | Block, ...]:
    """The statements of a forward text.

    Raises: SpecError with line and column for what is not in the language.
    """
    _check_characters(text, source)
    margin = _margin(text)
    lines = [line[margin:] if line.split("#", 1)[0].strip() else "" for line in text.split("\n")]
    tree = _parse("\n".join(map(_loop_line, lines)), source, margin)
    assert isinstance(tree, ast.Module), "parsed as statements"  # noqa: S101
    for node in ast.walk(tree):
        if margin and hasattr(node, "col_offset"):
            node.col_offset += margin
            node.end_col_offset += margin  # type: ignore[attr-defined]
    reader = _Reader(source, text.split("\n"))
    found = reader.block(tree.body, ())
    if not found:
        message = "forward has no statement; write for example  y = W @ x"
        raise source.error(message)
    return found


def parse_expression(text: str, source: Source, what: str) -> ast.expr:
    """One expression of the same language, such as a fact or a function's formula; ``what`` names it in messages."""
    inner = type(source)(source.name)
    try:
        line = text.replace("\n", " ").strip()
        _check_characters(line, inner)
        tree = _parse(line, inner, 0, "eval")
        assert isinstance(tree, ast.Expression), "parsed as one expression"  # noqa: S101
        _Reader(inner, [line]).expression(tree.body)
    except SpecError as error:
        message = f"{what} = '{_shorten(text)}': {error.message}"
        raise source.error(message) from None
    return tree.body


def _shorten(text: str, width: int = 60) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _check_characters(text: str, source: Source) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        code = line.split("#", 1)[0]
        for column, character in enumerate(code):
            if character.isascii() and (character.isprintable() or character == "\t"):
                continue
            place = source.place(number, column)
            what = look_alike(character) or f"control character U+{ord(character):04X}"
            hint = "; names and operators are ASCII"
            plain = unicodedata.normalize("NFKC", character)
            if plain != character and plain.isascii():
                hint += f" (write {plain})"
            message = f"{what}{hint}"
            raise SpecError(message, source=source.name or None, line=place[0], column=place[1])


def _margin(text: str) -> int:
    """Common indentation of all lines that hold code."""
    widths = [len(line) - len(line.lstrip(" \t")) for line in text.split("\n") if line.split("#", 1)[0].strip()]
    return min(widths, default=0)


def _loop_line(line: str) -> str:
    match = _FOR.match(line)
    if match is None or ".." not in match["rest"]:
        return line
    position = line.index("..", match.end("head"))
    # The two dots become ", " so that "1..L" reads as the pair (1, L).
    return line[:position] + ", " + line[position + 2 :]


def _parse(text: str, source: Source, margin: int, mode: str = "exec") -> ast.Module | ast.Expression:
    _check_digits(text, source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "3and 4" and the like: refused or read below, never a warning of Python's
            tree = ast.parse(text, mode=mode)
    except SyntaxError as error:
        raise _syntax_error(error, text, source, margin) from None
    except (RecursionError, MemoryError, ValueError, OverflowError):
        lines = text.split("\n")
        longest = max(range(len(lines)), key=lambda k: len(lines[k]))
        message = f"an expression is too long or nested more than {limits.NESTING} deep; give parts of it names"
        row, column = source.place(longest + 1, margin)
        raise SpecError(message, source=source.name or None, line=row, column=column) from None
    assert isinstance(tree, ast.Module | ast.Expression), "one of the two modes"  # noqa: S101
    return tree


def _syntax_error(error: SyntaxError, text: str, source: Source, margin: int) -> SpecError:
    line, column = error.lineno or 1, max((error.offset or 1) - 1, 0)
    lines = text.split("\n")
    written = lines[line - 1] if line <= len(lines) else ""
    for match in re.finditer(r"[A-Za-z_]\w*", written.split("#", 1)[0]):
        if keyword.iskeyword(match[0]) and match[0] not in {"for", "in", "and", "or", "not"}:
            row, position = source.place(line, match.start() + margin)
            message = f"'{match[0]}' is a keyword of Python and cannot be a name"
            return SpecError(message, source=source.name or None, line=row, column=position)
    row, position = source.place(line, column + margin)
    message = f"not an expression of the forward language: {error.msg}"
    return SpecError(message, source=source.name or None, line=row, column=position)


def _check_digits(text: str, source: Source) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        for match in re.finditer(r"\d[\d_]*", line.split("#", 1)[0]):
            if len(match[0]) > limits.DIGITS:
                row, column = source.place(number, match.start())
                message = f"a number of {len(match[0])} digits; the limit is {limits.DIGITS}"
                raise SpecError(message, source=source.name or None, line=row, column=column)


class _Decimal(Fraction):
    """An exact number that shows itself as it was written."""

    text: str

    @classmethod
    def of(cls, value: Fraction, text: str) -> _Decimal:
        made = cls(value)
        made.text = text
        return made

    def __repr__(self) -> str:
        return self.text


class _Reader:
    """Checks a parsed text node by node and turns it into statements."""

    def __init__(self, source: Source, lines: list[str]) -> None:
        self.source, self.lines, self.count = source, lines, 0

    def block(self, body: list[ast.stmt], loops: tuple[LoopHead, ...]) -> tuple[Assignment | Block, ...]:
        found: list[Assignment | Block] = []
        for node in body:
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Tuple):
                found.extend(self.results(node, node.targets[0], loops))
            else:
                found.append(self.statement(node, loops))
        return tuple(found)

    def results(self, node: ast.Assign, targets: ast.Tuple, loops: tuple[LoopHead, ...]) -> Iterator[Assignment]:
        """One assignment for each result of a layer, in the order in which the layer computes them."""
        call = node.value
        row = LAYER.get(base_name(call.func)) if isinstance(call, ast.Call) else None
        if row is None or len(row.results) == 1:
            message = (
                "several results on a left side need a layer that returns them, as in  "
                f"{LAYER['lstm_cell'].signature}; else write one statement for each"
            )
            raise self.source.error(message, targets)
        if len(targets.elts) != len(row.results):
            message = (
                f"{row.name} has {len(row.results)} results and {len(targets.elts)} are asked for: {row.signature}"
            )
            raise self.source.error(message, targets)
        self.expression(call)
        for target in targets.elts:
            self.target(target)
        order = [name for name, _ in row.body]
        pairs = sorted(zip(row.results, targets.elts, strict=True), key=lambda pair: order.index(pair[0]))
        for result, target in pairs:
            self.count += 1
            yield Assignment(target, call, loops, self.count, result, base_name(targets.elts[0]))

    def statement(self, node: ast.stmt, loops: tuple[LoopHead, ...]) -> Assignment | Block:
        self.count += 1
        if self.count > limits.STATEMENTS:
            message = f"more than {limits.STATEMENTS} statements"
            raise self.source.error(message, node)
        if isinstance(node, ast.For):
            return self.loop(node, loops)
        if not isinstance(node, ast.Assign):
            word = _WORDS.get(type(node), type(node).__name__)
            message = f"{word} is not part of the forward language; it has assignments and 'for l in a..b:' loops"
            raise self.source.error(message, node)
        if len(node.targets) != 1:
            message = "one name a statement: write y = …, then z = y"
            raise self.source.error(message, node)
        self.target(node.targets[0])
        self.expression(node.value)
        return Assignment(node.targets[0], node.value, loops, self.count)

    def loop(self, node: ast.For, loops: tuple[LoopHead, ...]) -> Block:
        limits_ = node.iter
        if node.orelse or not isinstance(limits_, ast.Tuple) or len(limits_.elts) != 2:  # noqa: PLR2004
            message = "a loop is written  for l in 1..L:"
            raise self.source.error(message, node)
        if not isinstance(node.target, ast.Name):
            message = "a loop has one index, as in  for l in 1..L:"
            raise self.source.error(message, node.target)
        self.name(node.target, "a loop index")
        if node.target.id in {head.var for head in loops}:
            message = f"the loop index '{node.target.id}' is already that of a loop around it"
            raise self.source.error(message, node)
        if len(loops) >= 4:  # noqa: PLR2004
            message = "loops are nested more than 4 deep"
            raise self.source.error(message, node)
        for part in limits_.elts:
            self.expression(part)
        head = LoopHead(node.target.id, limits_.elts[0], limits_.elts[1], node)
        return Block(head, self.block(node.body, (*loops, head)))

    def target(self, node: ast.expr) -> None:
        inner = node
        while isinstance(inner, ast.Subscript):
            inner = inner.value
        if not isinstance(inner, ast.Name):
            message = "the left side must be a name, such as y, z[l] or z[e,j]"
            raise self.source.error(message, node)
        self.expression(node)
        self.name(inner, "a tensor")

    def name(self, node: ast.Name, what: str) -> None:
        problem = name_problem(node.id, what)
        if problem:
            raise self.source.error(problem, node)

    def expression(self, root: ast.expr) -> None:
        """Refuse every node outside the language, without recursion (the text may be hostile)."""
        waiting: list[tuple[ast.AST, int, bool]] = [(root, 0, False)]
        seen = 0
        while waiting:
            node, depth, is_function = waiting.pop()
            seen += 1
            if seen > limits.NODES:
                message = f"an expression of more than {limits.NODES} parts; give parts names"
                raise self.source.error(message, root)
            if depth > limits.NESTING:
                message = f"nested more than {limits.NESTING} deep; give parts names"
                raise self.source.error(message, node)
            self.node(node, is_function=is_function)
            for child in ast.iter_child_nodes(node):
                # The left spine of a sum or product is a list of operands, not nesting.
                spine = isinstance(node, ast.BinOp) and child is node.left
                called = isinstance(node, ast.Call) and child is node.func
                waiting.append((child, depth if spine else depth + 1, called))

    def node(self, node: ast.AST, *, is_function: bool) -> None:
        if not isinstance(node, _ALLOWED):
            word = _WORDS.get(type(node), type(node).__name__)
            message = f"{word} is not part of the forward language"
            raise self.source.error(message, node)
        if isinstance(node, ast.Attribute) and (node.attr != "T" or is_function):
            message = f"'.{node.attr}' is not part of the forward language; the only attribute is .T (transpose)"
            raise self.source.error(message, node)
        if isinstance(node, ast.BinOp) and not isinstance(node.op, _OPERATORS):
            hint = "; powers are written **" if isinstance(node.op, ast.BitXor) else ""
            message = f"operators are + - * / ** @{hint}"
            raise self.source.error(message, node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
            message = "the operator ~ is not part of the forward language"
            raise self.source.error(message, node)
        if isinstance(node, ast.Compare) and any(isinstance(op, _NO_COMPARISONS) for op in node.ops):
            message = "comparisons are < <= > >= == !="
            raise self.source.error(message, node)
        if isinstance(node, ast.Name) and (problem := name_problem(node.id, "anything")):
            raise self.source.error(problem, node)
        if isinstance(node, ast.Call) and not isinstance(_callee(node), ast.Name):
            message = "only functions with a name can be called, as in sigmoid(z)"
            raise self.source.error(message, node)
        if isinstance(node, ast.Slice) and node.step is not None:
            message = "a slice has no step here; use index form, x[2*t]"
            raise self.source.error(message, node)
        if isinstance(node, ast.Constant):
            self.constant(node)

    def constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            return
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise self.source.error(f"'{node.value!r}' is not a number".replace("'", ""), node)
        text = self.lines[node.lineno - 1][node.col_offset : node.end_col_offset].replace("_", "")
        exact = exact_number(text)
        if exact is None:
            message = (
                f"'{_shorten(text)}' is not a decimal number within the limits "
                f"({limits.DIGITS} digits, exponents up to {limits.EXPONENT})"
            )
            raise self.source.error(message, node)
        # Decimals are exact from here on: 0.1 is one tenth.
        node.value = _Decimal.of(exact, text) if exact.denominator != 1 else int(exact)  # type: ignore[assignment]


def _callee(node: ast.Call) -> ast.expr:
    inner: ast.expr = node.func
    while isinstance(inner, ast.Subscript):
        inner = inner.value
    return inner


def exact_number(text: str) -> Fraction | None:
    """The number written, exactly; None where it is none or beyond the limits.

    >>> exact_number("2.50"), exact_number("1e-3"), exact_number("1e999999999")
    (Fraction(5, 2), Fraction(1, 1000), None)
    """
    match = _NUMBER.match(text)
    if match is None or not (match["whole"] or match["part"]):
        return None
    exponent = match["exponent"] or "0"
    if len(exponent.lstrip("+-")) > 5 or abs(int(exponent)) > limits.EXPONENT:  # noqa: PLR2004
        return None
    if len(match["whole"]) + len(match["part"]) > limits.DIGITS:
        return None
    digits = int((match["whole"] + match["part"]) or "0")
    return Fraction(digits) * Fraction(10) ** (int(exponent) - len(match["part"]))


def names_in(node: ast.AST) -> set[str]:
    """Every name that stands in an expression."""
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def called_in(node: ast.AST) -> set[str]:
    """Names of the functions that an expression calls."""
    return {base_name(inner.func) for inner in ast.walk(node) if isinstance(inner, ast.Call)}


def statements(program: Iterable[Assignment | Block]) -> Iterator[Assignment]:
    """All assignments in the order of the text."""
    for item in program:
        if isinstance(item, Block):
            yield from statements(item.body)
        else:
            yield item
