r"""Directives read: one comment line becomes one typed value, or several where it names several things.

Text is parsed and never evaluated; what cannot be understood is a ``DirectiveError`` with its place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from symbackprop.errors import nearest
from symbackprop.handwritten.directives import (
    PRODUCTS,
    RELATIONS,
    Base,
    CaseConditions,
    Claim,
    DirectiveError,
    Dots,
    Einstein,
    ExpectWrong,
    Fact,
    Function,
    Ignore,
    Index,
    Layout,
    Let,
    Net,
    Notation,
    Operator,
    Partial,
    Prime,
    ProductSign,
    RelationSign,
    Scalar,
    Sizes,
    Transposed,
    Value,
    Vectors,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from symbackprop.handwritten.directives import Directive
    from symbackprop.handwritten.formula import Formula

_SIGN = re.compile(r"\\[A-Za-z]+|\.\*|[*.×·∘⊙⊗⋅]|x")


def read(formula: Formula) -> tuple[Directive, ...]:
    r"""The directive that a line states, its keyword first; several where it names several things.

    >>> from symbackprop.handwritten.formula import plain
    >>> read(plain(r"product \cdot = inner"))
    (ProductSign(sign='\\cdot', meaning='inner'),)

    Raises: DirectiveError with the place in the document, and the nearest known directive.
    """
    formula = formula.cut(0, len(formula.text))
    found = re.match(r"[A-Za-z]+", formula.text)
    word = found[0] if found else ""
    reader = _READERS.get(word.lower())
    if reader is None:
        shown = word or formula.text[:20]
        raise _error(formula, f"no directive '{shown}'; {nearest(word, _READERS)}")
    return reader(formula.cut(len(word), len(formula.text)))


def _error(formula: Formula, message: str, at: int = 0) -> DirectiveError:
    line, column = formula.place(at) if formula.text else (formula.line, formula.column)
    return DirectiveError(message, line=line, column=column)


def sides(formula: Formula, expected: str) -> tuple[Formula, Formula]:
    """The two sides of the first ``=`` outside braces and brackets (of the last way out, the first of all)."""
    depth, at = 0, -1
    for position, character in enumerate(formula.text):
        depth += (character in "{[(") - (character in "}])")
        if character == "=" and depth <= 0:
            at = position
            break
    at = formula.text.find("=") if at < 0 else at
    if at < 0:
        raise _error(formula, f"expected {expected}")
    left, right = formula.cut(0, at), formula.cut(at + 1, len(formula.text))
    if not left.text or not right.text:
        raise _error(formula, f"expected {expected}")
    return left, right


def _undollared(formula: Formula) -> tuple[Formula, bool]:
    """LaTeX without the dollars around it, and whether there were some."""
    text = formula.text
    for width in (2, 1):
        mark = "$" * width
        if len(text) > 2 * width and text.startswith(mark) and text.endswith(mark):
            return formula.cut(width, len(text) - width), True
    if "$" in text:
        raise _error(formula, "a dollar sign without its partner", text.index("$"))
    return formula, False


def _value(formula: Formula) -> Value:
    inside, latex = _undollared(formula)
    return Value(formula=inside, latex=latex)


def key(name: str) -> str:
    r"""A name without braces and blanks, by which two spellings are one.

    >>> key(r"\tilde c^{\langle t \rangle}") == key(r"\tilde{c}^{\langle t\rangle}")
    True
    """
    return re.sub(r"[\s{}]", "", name)


def _net(formula: Formula) -> tuple[Directive, ...]:
    if not formula.text.startswith("=") or not formula.text[1:].strip():
        raise _error(formula, "expected 'net = FILE'")
    return (Net(file=formula.text[1:].strip()),)


def _let(formula: Formula) -> tuple[Directive, ...]:
    left, right = sides(formula, "'let NAME = QUANTITY'")
    name, _ = _undollared(left)
    return (Let(name=name, value=_value(right), key=key(name.text)),)


def _claim(formula: Formula) -> tuple[Directive, ...]:
    if not formula.text:
        raise _error(formula, "expected 'claim QUANTITY', such as 'claim dC/dW[l]'")
    return (Claim(value=_value(formula)),)


def _accumulate(formula: Formula) -> tuple[Directive, ...]:
    if not formula.text:
        raise _error(formula, "expected 'accumulate QUANTITY', such as 'accumulate dC/dW[l]'")
    return (Claim(value=_value(formula), accumulate=True),)


_LETTERS = r"(?P<letters>[^=]+?)"
_BASE = re.compile(r"base\s*=?\s*(?P<base>\S+)")
_RANGE = re.compile(_LETTERS + r"\s*=\s*(?P<lo>.+?)\s*(?:\.\.\.?|…|,\s*\\(?:l|c)?dots\s*,)\s*(?P<hi>.+)")
_OVER = re.compile(_LETTERS + r"\s+over\s+(?P<over>.+)")


def _index(formula: Formula) -> tuple[Directive, ...]:
    text = formula.text.replace("$", " ")
    if found := _BASE.fullmatch(text):
        if found["base"] not in {"0", "1"}:
            raise _error(formula, "indices count from 0 or from 1: 'index base 0'", found.start("base"))
        return (Base(base=int(found["base"])),)
    parts: dict[str, Formula] = {}
    for pattern in (_RANGE, _OVER):
        if found := pattern.fullmatch(text):
            parts = {name: formula.cut(*found.span(name)) for name in found.groupdict() if name != "letters"}
            break
    else:
        raise _error(formula, "expected 'index i = 1..n', 'index j over AXIS' or 'index base 0'")
    letters = [letter.strip() for letter in found["letters"].split(",")]
    for letter in letters:
        if not re.fullmatch(r"\\?[A-Za-z]\w*'*", letter):
            raise _error(formula, f"'{letter}' is no index letter")
    lo, hi, over = (parts.get(name) for name in ("lo", "hi", "over"))
    return tuple(Index(letter=letter, lo=lo, hi=hi, over=over) for letter in letters)


def _function(formula: Formula) -> tuple[Directive, ...]:
    found = re.search(r"\s+loss$", formula.text)
    name = formula.cut(0, found.start()) if found else formula
    name, _ = _undollared(name)
    if not name.text:
        raise _error(formula, r"expected 'function f' or 'function \ell loss'")
    return tuple(Function(name=part, loss=found is not None) for part in _listed(name))


def _scalar(formula: Formula) -> tuple[Directive, ...]:
    name, _ = _undollared(formula)
    if not name.text:
        raise _error(formula, "expected 'scalar x'")
    return tuple(Scalar(name=part) for part in _listed(name))


def _listed(formula: Formula, separator: str = ",") -> tuple[Formula, ...]:
    """The parts between separators outside brackets."""
    parts: list[Formula] = []
    depth = start = 0
    for position, character in enumerate(formula.text):
        depth += (character in "{[(") - (character in "}])")
        if character == separator and depth == 0:
            parts.append(formula.cut(start, position))
            start = position + 1
    parts.append(formula.cut(start, len(formula.text)))
    return tuple(part for part in parts if part.text)


def _layout(formula: Formula) -> tuple[Directive, ...]:
    words = formula.text.split()
    layouts = [word for word in words if word in {"numerator", "denominator"}]
    rest = [word for word in words if word not in {"numerator", "denominator", "of", "layout"}]
    whom = {(): "all", ("vectors",): "vectors", ("matrices",): "matrices", ("vectors", "and", "matrices"): "all"}
    of = whom.get(tuple(rest))
    if len(layouts) != 1 or of is None:
        raise _error(
            formula,
            "expected 'layout numerator' or 'layout denominator', or 'layout of vectors …', 'layout of matrices …'",
        )
    return (Layout(layout=layouts[0], of=of),)  # type: ignore[arg-type]  # both were compared with the literals


def _vectors(formula: Formula) -> tuple[Directive, ...]:
    words = [word for word in formula.text.split() if word not in {"are", "as", "="}]
    match words:
        case ["rows"]:
            return (Vectors(orientation="rows"),)
        case ["columns"]:
            return (Vectors(orientation="columns"),)
    raise _error(formula, "expected 'vectors rows' or 'vectors columns'")


def _product(formula: Formula) -> tuple[Directive, ...]:
    left, right = sides(formula, rf"'product \cdot = {' | '.join(PRODUCTS)}'")
    sign = left.text.strip("$ ")
    meaning = " ".join(right.text.split())
    if meaning not in PRODUCTS:
        raise _error(right, f"no kind of product '{meaning}'; {nearest(meaning, PRODUCTS)}")
    if not (_SIGN.fullmatch(sign) or sign == "juxtaposition"):
        raise _error(left, rf"'{sign}' is no product sign; expected one such as \cdot, *, \circ or juxtaposition")
    return (ProductSign(sign=sign, meaning=meaning),)  # type: ignore[arg-type]  # compared with the literals


def _prime(formula: Formula) -> tuple[Directive, ...]:
    match formula.text.split():
        case ["transpose"]:
            return (Prime(meaning="transpose"),)
        case ["derivative"]:
            return (Prime(meaning="derivative"),)
    raise _error(formula, "expected 'prime transpose' or 'prime derivative'")


def _partial(formula: Formula) -> tuple[Directive, ...]:
    match formula.text.split():
        case ["explicit"]:
            return (Partial(explicit=True),)
        case ["total"]:
            return (Partial(explicit=False),)
    raise _error(formula, "expected 'partial explicit' or 'partial total'")


def _relation(formula: Formula) -> tuple[Directive, ...]:
    found = re.match(r"\$?\s*(\\[A-Za-z]+|:=|=|~|≈|∝|≡)\s*\$?\s*=\s*", formula.text)
    if not found:
        raise _error(formula, r"expected 'relation \approx = positive multiple'")
    sign, meaning = found[1], " ".join(formula.text[found.end() :].split())
    if sign == "=":
        raise _error(formula, "the sign = means equality and cannot be redefined")
    if meaning not in RELATIONS:
        raise _error(
            formula, f"no relation '{meaning}'; {nearest(meaning, RELATIONS)}", min(found.end(), len(formula.text) - 1)
        )
    return (RelationSign(sign=sign, meaning=meaning),)


def _sum(formula: Formula) -> tuple[Directive, ...]:
    match formula.text.split():
        case ["repeated", "indices"]:
            return (Einstein(),)
        case ["written", "indices"]:
            return (Einstein(on=False),)
    raise _error(formula, "expected 'sum repeated indices'")


def _operator(formula: Formula) -> tuple[Directive, ...]:
    inside, _ = _undollared(formula)
    sides(inside, r"'operator (A \star B)(i) = …'")
    return (Operator(formula=inside),)


def _fact(formula: Formula) -> tuple[Directive, ...]:
    inside, _ = _undollared(formula)
    if not re.search(r"[=<>]|\\(?:leq?|geq?|ge|lt|gt)(?![A-Za-z])", inside.text):
        raise _error(formula, r"expected a fact such as '\sum_k y_k = 1' or 'z > 0'")
    return (Fact(formula=inside),)


def _cases(formula: Formula) -> tuple[Directive, ...]:
    inside, _ = _undollared(formula)
    rows = _listed(inside, ";")
    if not rows:
        raise _error(formula, "expected the conditions in order, 'cases l = M; l < M'")
    return (CaseConditions(rows=rows),)


def _notation(formula: Formula) -> tuple[Directive, ...]:
    if len(formula.text.split()) != 1:
        raise _error(formula, "expected 'notation PRESET', such as 'notation rows'")
    return (Notation(preset=formula.text),)


def _transposed(formula: Formula) -> tuple[Directive, ...]:
    if not formula.text:
        raise _error(formula, "expected 'transposed W'")
    return (Transposed(tensors=_listed(formula)),)


_SIZE = re.compile(r"(?P<name>[A-Za-z]\w*)\s*(?:\[\s*(?P<at>\d{1,6})\s*\])?\s*=\s*(?P<value>\d{1,6})")


def _sizes(formula: Formula) -> tuple[Directive, ...]:
    found: list[tuple[str, int | None, int]] = []
    for part in _listed(formula):
        each = _SIZE.fullmatch(part.text)
        if each is None:
            raise _error(part, "expected sizes such as 'sizes n = 3, q[1] = 2'")
        found.append((each["name"], None if each["at"] is None else int(each["at"]), int(each["value"])))
    if not found:
        raise _error(formula, "expected sizes such as 'sizes n = 3, q[1] = 2'")
    return (Sizes(sizes=tuple(found), place=formula),)


def _dots(formula: Formula) -> tuple[Directive, ...]:
    values = _listed(formula.cut(1, len(formula.text)), ";") if formula.text.startswith("=") else ()
    if not values:
        raise _error(formula, "expected 'dots = QUANTITY', what the dots in the next formula stand for")
    return (Dots(values=tuple(map(_value, values))),)


def _ignore(formula: Formula) -> tuple[Directive, ...]:
    if formula.text and not formula.text.startswith(":"):
        raise _error(formula, "expected 'ignore', or a reason after a colon: 'ignore: an example'")
    return (Ignore(),)


def _expect(formula: Formula) -> tuple[Directive, ...]:
    if formula.text.split() != ["wrong"]:
        raise _error(formula, "expected 'expect wrong'")
    return (ExpectWrong(),)


_READERS: dict[str, Callable[[Formula], tuple[Directive, ...]]] = {
    "net": _net,
    "let": _let,
    "claim": _claim,
    "accumulate": _accumulate,
    "index": _index,
    "function": _function,
    "scalar": _scalar,
    "layout": _layout,
    "vectors": _vectors,
    "product": _product,
    "prime": _prime,
    "partial": _partial,
    "relation": _relation,
    "sum": _sum,
    "operator": _operator,
    "fact": _fact,
    "cases": _cases,
    "notation": _notation,
    "transposed": _transposed,
    "sizes": _sizes,
    "dots": _dots,
    "ignore": _ignore,
    "expect": _expect,
}
