r"""Quantities as directives write them, in the names of a network file: ``dL/ds[l+1][k]``, ``N * dMSE/dO_in``.

``read`` makes the same nodes as the reader of formulas, in the author's counting (from 1 unless a base is set).
``bind`` does so for all directives of a document, once its network is known. A small parser by hand: a name that is no
tensor but a ``d`` before one is its differential, and a quotient of two differentials is a derivative.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

from symbackprop.affine import Affine, const, size, var
from symbackprop.errors import nearest
from symbackprop.handwritten.directives import (
    CaseConditions,
    Claim,
    DirectiveError,
    Directives,
    Dots,
    Index,
    Let,
    Operator,
    Sizes,
    Value,
)
from symbackprop.handwritten.expression import (
    Call,
    Condition,
    Derivative,
    Differential,
    Letter,
    Node,
    Number,
    Operation,
    Power,
    Product,
    ProductSign,
    Quantity,
    Quotient,
    Slice,
    Sum,
    Transpose,
)
from symbackprop.handwritten.formula import Problem
from symbackprop.handwritten.stated_operators import operator_of
from symbackprop.handwritten.tokens import ReadError
from symbackprop.tables.activations import ACTIVATION
from symbackprop.tables.reductions import AXIS_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from symbackprop.handwritten.document import Document, Entry
    from symbackprop.handwritten.formula import Formula
    from symbackprop.network import Network

_Item = TypeVar("_Item")
DEEPEST = 50
"""Brackets inside brackets in one quantity."""
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>(?:\\|∂)?[A-Za-z_]\w*)|(?P<sign>\*\*|\.\.|\.\*|\.T\b|<=|>=|!=|==|\S))"
)
_OPERATIONS = {"diag": 1, "trace": 1, "tr": 1, "norm": 1, "inner": 2, "vec": 1, "ones": 1}
_ELEMENTWISE = frozenset(("exp", "log", "sqrt"))
_COMPARISONS = {
    "=": "=",
    "==": "=",
    "<": "<",
    ">": ">",
    "<=": "≤",
    ">=": "≥",
    "!=": "≠",
    "≤": "≤",
    "≥": "≥",
    "≠": "≠",
    r"\le": "≤",
    r"\leq": "≤",
    r"\ge": "≥",
    r"\geq": "≥",
    r"\ne": "≠",
    r"\neq": "≠",
}


def size_names(network: Network) -> frozenset[str]:
    """Names of all sizes of a network, families of sizes among them."""
    found = set(network.sizes) | set(network.depths)
    for tensor in network.tensors.values():
        for axis in tensor.axes:
            found |= axis.sizes
        for bound in tensor.family:
            found |= bound.lo.sizes | bound.hi.sizes
    return frozenset(found)


def size_families(network: Network) -> frozenset[str]:
    """Names of the sizes that have an index, ``n`` of ``n[l]``."""
    found = {name for name, value in network.sizes.items() if not isinstance(value, int)}

    def visit(form: Affine) -> None:
        for atom, _ in form.terms:
            at = getattr(atom, "at", ())
            if at:
                found.add(atom.name)
            for inner in at:
                visit(inner)

    for tensor in network.tensors.values():
        for axis in tensor.axes:
            visit(axis)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


class _Parser:
    """Recursive descent over one quantity."""

    def __init__(self, formula: Formula, network: Network, letters: frozenset[str]) -> None:
        self.formula, self.network, self.letters = formula, network, letters
        self.families = size_families(network)
        self.sizes = size_names(network)
        self.tokens = _tokens(formula)
        self.at = self.depth = 0

    # ---- tokens ---------------------------------------------------------------------------------------------------

    @property
    def token(self) -> _Token:
        return self.tokens[self.at]

    def take(self, *texts: str) -> _Token | None:
        """The next token, if it is one of these."""
        if self.token.text in texts and self.token.kind != "end":
            self.at += 1
            return self.tokens[self.at - 1]
        return None

    def need(self, text: str) -> None:
        if self.take(text) is None:
            found = self.token.text or "the end"
            raise self.error(None, f"expected '{text}', found {found!r}")

    def error(self, token: _Token | None, message: str) -> DirectiveError:
        line, column = self.formula.place((token or self.token).start)
        return DirectiveError(message, line=line, column=column)

    def placed(self, node: Node, start: int) -> Node:
        end = self.tokens[self.at - 1].end if self.at else start
        return replace(node, span=self.formula.part(start, end), source=self.formula.text[start:end])

    # ---- expressions ----------------------------------------------------------------------------------------------

    def whole(self) -> Node:
        node = self.sum()
        if self.token.kind != "end":
            raise self.error(None, f"{self.token.text!r} does not fit here")
        form = _index_of(node)
        return node if form is None else self.placed(Letter(form=form), 0)

    def sum(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(None, f"nested more than {DEEPEST} deep")
        start = self.token.start
        first = self.take("-", "+")
        terms, signs = [self.product()], [-1 if first and first.text == "-" else 1]
        while sign := self.take("+", "-"):
            signs.append(-1 if sign.text == "-" else 1)
            terms.append(self.product())
        self.depth -= 1
        if len(terms) == 1 and signs == [1]:
            return terms[0]
        return self.placed(Sum(terms=tuple(terms), signs=tuple(signs)), start)

    def product(self) -> Node:
        start = self.token.start
        factors: list[Node] = [self.power()]
        signs: list[ProductSign] = ["juxtaposition"]
        begin = start
        while sign := self.take("*", "@", "/", ".*", "⊙", "·"):
            follows = self.token.start
            factor = self.power()
            if sign.text == "/":
                factors[-1] = self.placed(_quotient(factors[-1], factor), begin)
            else:
                begin = follows
                factors.append(factor)
                signs.append(_sign(sign.text, factors[-2], factor))
        if len(factors) == 1:
            return factors[0]
        return self.placed(Product(factors=tuple(factors), signs=tuple(signs)), start)

    def power(self) -> Node:
        start = self.token.start
        node = self.atom()
        while True:
            if self.take(".T", "'"):
                node = self.placed(Transpose(of=node), start)
            elif self.take("**", "^"):
                if self.take("T", r"\top"):
                    node = self.placed(Transpose(of=node), start)
                    continue
                negative = self.take("-")
                exponent: Node = self.atom()
                if negative:
                    exponent = Sum(terms=(exponent,), signs=(-1,))
                node = self.placed(Power(base=node, exponent=exponent), start)
            else:
                return node

    def atom(self) -> Node:
        token = self.token
        if token.kind == "number":
            self.at += 1
            return self.placed(Number(value=Fraction(token.text)), token.start)
        if self.take("("):
            node = self.sum()
            self.need(")")
            return node
        if token.kind != "name":
            found = token.text or "the end"
            raise self.error(None, f"expected a quantity, found {found!r}")
        self.at += 1
        return self.placed(self.named(token), token.start)

    # ---- names ----------------------------------------------------------------------------------------------------

    def named(self, token: _Token) -> Node:
        """A tensor, a differential, a function of something, a size or a letter."""
        name = token.text.removeprefix("\\")
        if name in self.network.tensors:
            return self.tensor(name, token)
        if name[0] in "d∂" and name[1:] in self.network.tensors:
            inner = self.tensor(name[1:], token)
            return Differential(of=self.placed(inner, token.start + 1))
        if name in {"d", "∂"} and self.take("("):
            of = self.sum()
            self.need(")")
            return Differential(of=of)
        if self.token.text in {"(", "'", "["} and (call := self.call(name, token)) is not None:
            return call
        if name in self.letters or name in self.sizes:
            return Letter(form=self.name_form(name, token))
        known = [*self.network.tensors, *(f"d{tensor}" for tensor in self.network.tensors), *self.sizes]
        other = next((each for each in sorted(known) if each.lower() == name.lower()), None)
        hint = f"did you mean '{other}'?" if other else nearest(name, known)
        raise self.error(token, f"no quantity '{name}' in the network; {hint}")

    def tensor(self, name: str, token: _Token) -> Quantity:
        """A tensor with its brackets, family indices first."""
        tensor = self.network.tensors[name]
        brackets: list[tuple[Affine | Slice, ...]] = []
        while self.token.text == "[":
            brackets.append(self.bracket())
        family: tuple[Affine, ...] = ()
        count = len(tensor.family)
        if count and not brackets:
            raise self.error(
                token, f"'{name}' is a family; say which member, such as {name}[{tensor.family[0].hint or 'l'}]"
            )
        while len(family) < count and brackets:
            first = brackets.pop(0)
            if any(isinstance(form, Slice) for form in first):
                raise self.error(token, f"the index of a member of '{name}' is not a range")
            family += tuple(form for form in first if isinstance(form, Affine))
        element = brackets.pop(0) if brackets else ()
        if brackets or len(family) != count or len(element) not in {0, len(tensor.axes)}:
            raise self.error(token, f"'{name}' has {count} family and {len(tensor.axes)} element indices")
        if all(form == Slice() for form in element):
            element = ()
        return Quantity(tensor=name, family=family, element=element)

    def call(self, name: str, token: _Token) -> Node | None:
        """A function or an operation with its arguments; None where the name is no function."""
        function = self.network.functions.get(name)
        known = function is not None or name in ACTIVATION or name in AXIS_FUNCTION or name in _ELEMENTWISE
        if not known and name not in _OPERATIONS:
            return None
        family: tuple[Affine, ...] = ()
        if self.token.text == "[":
            family = tuple(form for form in self.bracket() if isinstance(form, Affine))
        order = 0
        while self.take("'"):
            order += 1
        self.need("(")
        arguments = [self.sum()]
        while self.take(","):
            arguments.append(self.sum())
        self.need(")")
        if name in _OPERATIONS and not known:
            if len(arguments) != _OPERATIONS[name]:
                raise self.error(token, f"'{name}' takes {_OPERATIONS[name]} argument(s)")
            return Operation(name={"tr": "trace"}.get(name, name), arguments=tuple(arguments))
        if function is not None and function.family and not family and isinstance(arguments[0], Quantity):
            family = arguments[0].family[: function.family]
        return Call(function=name, arguments=tuple(arguments), order=order, family=family)

    # ---- indices --------------------------------------------------------------------------------------------------

    def bracket(self) -> tuple[Affine | Slice, ...]:
        """``[l+1, 1..na, :]``."""
        self.need("[")
        forms = [self.place()]
        while self.take(","):
            forms.append(self.place())
        self.need("]")
        return tuple(forms)

    def place(self) -> Affine | Slice:
        if self.take(":"):
            return Slice()
        first = self.form()
        if self.take(".."):
            return Slice(lo=first, hi=self.form())
        if self.token.text == ":":
            raise self.error(None, "a range is written with its two ends, 1..n")
        return first

    def form(self) -> Affine:
        """An affine form over letters and sizes."""
        first = self.take("-", "+")
        total = self.scaled() * (-1 if first and first.text == "-" else 1)
        while sign := self.take("+", "-"):
            total += self.scaled() * (-1 if sign.text == "-" else 1)
        return total

    def scaled(self) -> Affine:
        result = self.simple()
        while self.take("*"):
            other = self.simple()
            if not (result.is_constant or other.is_constant):
                raise self.error(None, "a product of two letters is no index")
            result = other * result.const if result.is_constant else result * other.const
        return result

    def simple(self) -> Affine:
        token = self.token
        if token.kind == "number" and token.text.isdigit() and len(token.text) < 10:  # noqa: PLR2004 - digits
            self.at += 1
            return const(int(token.text))
        if self.take("("):
            self.depth += 1
            if self.depth > DEEPEST:
                raise self.error(None, f"nested more than {DEEPEST} deep")
            form = self.form()
            self.need(")")
            return form
        if token.kind != "name":
            found = token.text or "the end"
            raise self.error(None, f"expected an index, found {found!r}")
        self.at += 1
        return self.name_form(letter(token.text), token)

    def name_form(self, name: str, token: _Token) -> Affine:
        """A letter or a size; a family of sizes needs its index."""
        if name in self.letters:
            return var(name)
        if name in self.families and self.token.text == "[":
            at = tuple(form for form in self.bracket() if isinstance(form, Affine))
            return size(name, *at)
        if name in self.sizes and name not in self.families:
            return size(name)
        if len(name) > 1 and name.isalpha() and name.isascii() and name in self.network.tensors:
            raise self.error(token, f"'{name}' is a tensor and no index")
        return var(name)


def letter(text: str) -> str:
    r"""The running index that a letter names; ``\ell`` is ``l``.

    >>> letter(r"\ell"), letter("k")
    ('l', 'k')
    """
    stem = text.removeprefix("\\").removeprefix("∂")
    return "l" if stem == "ell" else stem


def _tokens(formula: Formula) -> list[_Token]:
    found = [
        _Token(match.lastgroup or "", match[match.lastgroup or 0], match.start(match.lastgroup or 0), match.end())
        for match in _TOKEN.finditer(formula.text)
        if match.lastgroup
    ]
    return [*found, _Token("end", "", len(formula.text), len(formula.text))]


def _quotient(over: Node, under: Node) -> Node:
    if isinstance(over, Differential) and isinstance(under, Differential):
        return Derivative(of=over.of, by=under.of)
    return Quotient(over=over, under=under)


def _index_of(node: Node) -> Affine | None:
    """The form of a sum of letters and whole numbers, ``c-1``; None for anything else and for a mere number."""
    if isinstance(node, Letter):
        return node.form
    if not isinstance(node, Sum):
        return None
    total = Affine()
    for term, sign in zip(node.terms, node.signs, strict=True):
        form = _index_of(term)
        if isinstance(term, Number) and term.value.denominator == 1:
            form = const(term.value.numerator)
        if form is None:
            return None
        total += form * sign
    return None if total.is_constant else total


def _sign(text: str, left: Node, right: Node) -> ProductSign:
    if text in {"@", "·"}:
        return "juxtaposition" if text == "@" else "cdot"
    scalar = any(isinstance(node, Number | Letter) for node in (left, right))
    return "juxtaposition" if scalar and text == "*" else "entrywise"


def read(formula: Formula, network: Network, letters: Iterable[str] = ()) -> Node:
    """A quantity in the names of a network.

    >>> from symbackprop import spec
    >>> from symbackprop.handwritten.formula import plain
    >>> net = spec.load("mlp:2-3-1")
    >>> derivative = read(plain("N * dC/dW1[i,1]"), net).factors[1]
    >>> derivative.of.tensor, derivative.by.tensor, str(derivative.by.element[1])
    ('C', 'W1', '1')

    ``letters`` are index letters, which hide sizes of their name. Raises: DirectiveError with its place.
    """
    return _Parser(formula, network, frozenset(letters)).whole()


def index_form(formula: Formula, network: Network, letters: Iterable[str] = ()) -> Affine:
    """An index in the names of a network, such as a limit of a range.

    Raises: DirectiveError.
    """
    parser = _Parser(formula, network, frozenset(letters))
    form = parser.form()
    if parser.token.kind != "end":
        raise parser.error(None, f"{parser.token.text!r} does not fit here")
    return form


def conditions(formula: Formula, network: Network) -> tuple[Condition, ...]:
    """The comparisons of one case, ``l = M`` or ``1 <= l < M``; none for "otherwise".

    Raises: DirectiveError.
    """
    if formula.text.strip() in {"otherwise", "else"}:
        return ()
    parser = _Parser(formula, network, frozenset())
    found: list[Condition] = []
    left = Letter(form=parser.form())
    while parser.token.kind != "end":
        token = parser.token
        if token.text in {",", "and"} and found:
            parser.at += 1
            left = Letter(form=parser.form())
            continue
        sign = _COMPARISONS.get(token.text)
        if sign is None:
            raise parser.error(None, f"expected a comparison, found {token.text!r}")
        parser.at += 1
        right = Letter(form=parser.form())
        found.append(Condition(left=left, sign=sign, right=right))
        left = right
    if not found:
        raise parser.error(None, "expected a comparison such as 'l = L'")
    return tuple(found)


# ---- all directives of a document ----------------------------------------------------------------------------------


def bind(document: Document, network: Network) -> Document:
    """The document with its directives' quantities, ranges and conditions read in the names of the network.

    LaTeX values stay as they are. What cannot be read is a problem of the document, and its directive is left out.
    """
    binder = _Binder(network)
    entries = tuple(binder.entry(entry) for entry in document.entries)
    problems = sorted((*document.problems, *binder.problems), key=lambda problem: (problem.line, problem.column))
    return replace(document, entries=entries, problems=tuple(problems))


class _Binder:
    """Reads each directive once, though many formulas are under it."""

    def __init__(self, network: Network) -> None:
        self.network, self.base = network, 1
        self.problems: list[Problem] = []
        self.done: dict[tuple[int, frozenset[str]], Any] = {}
        self.kept: list[Any] = []
        self.bound: dict[int, Directives] = {}

    def entry(self, entry: Entry) -> Entry:
        """The entry; entries under the same directives share what is bound."""
        key = id(entry.directives)
        if key not in self.bound:
            self.bound[key] = self.directives(entry.directives)
        bound = self.bound[key]
        return entry if bound is entry.directives else replace(entry, directives=bound)

    def directives(self, old: Directives) -> Directives:
        """Directives with what is in the names of the network read."""
        letters = frozenset(letter(index.letter) for index in old.indices)
        self.base = old.base
        lets = tuple(let for each in old.lets if (let := self.once(each, letters, self.let)) is not None)
        claim = None if old.claim is None else self.once(old.claim, letters, self.claim)
        indices = tuple(i for each in old.indices if (i := self.once(each, frozenset(), self.index)) is not None)
        cases = None if old.cases is None else self.once(old.cases, letters, self.cases)
        operators: list[Operator] = []
        for each in old.operators:
            operator = self.once(each, frozenset(), lambda item, _: self.operator(item, operators))  # noqa: B023 - at once
            operators += [] if operator is None else [operator]
        sizes = None if old.sizes is None else self.once(old.sizes, letters, self.sizes)
        dots = None if old.dots is None else self.once(old.dots, letters, self.dots)
        bound: Directives = replace(
            old,
            lets=lets,
            claim=claim,
            indices=indices,
            cases=cases,
            operators=tuple(operators),
            sizes=sizes,
            dots=dots,
        )
        return old if bound == old else bound

    def once(
        self,
        item: _Item,
        letters: frozenset[str],
        read_it: Callable[[_Item, frozenset[str]], _Item],
    ) -> _Item | None:
        """A directive as it was read when first met; None where it could not be."""
        key = (id(item), letters)
        if key not in self.done:
            self.kept.append(item)  # so that no other directive gets its identity
            try:
                self.done[key] = read_it(item, letters)
            except (DirectiveError, ReadError) as error:
                self.done[key] = None
                self.problems.append(Problem(message=error.message, line=error.line or 1, column=error.column or 1))
        result: _Item | None = self.done[key]
        return result

    def let(self, let: Let, letters: frozenset[str]) -> Let:
        shared = {found for found in re.findall(r"\\?[A-Za-z]+", let.name.text) if len(found.lstrip("\\")) == 1}
        return replace(let, value=self.value(let.value, letters | (shared - size_names(self.network))))

    def claim(self, claim: Claim, letters: frozenset[str]) -> Claim:
        return replace(claim, value=self.value(claim.value, letters))

    def value(self, value: Value, letters: Iterable[str]) -> Value:
        if value.latex or value.node is not None:
            return value
        return replace(value, node=read(value.formula, self.network, letters))

    def index(self, index: Index, _letters: frozenset[str]) -> Index:
        """Its range; an axis, a size or a tensor of one axis is counted from the base of the document."""
        if index.over is not None:
            return replace(index, lower=const(self.base), upper=self.extent(index.over) + (self.base - 1))
        assert index.lo is not None  # noqa: S101 - one of the two forms of the directive
        assert index.hi is not None  # noqa: S101
        return replace(index, lower=index_form(index.lo, self.network), upper=index_form(index.hi, self.network))

    def extent(self, formula: Formula) -> Affine:
        tensor = self.network.tensors.get(formula.text)
        if tensor is not None and len(tensor.axes) == 1 and not tensor.family:
            return tensor.axes[0]
        form = index_form(formula, self.network)
        if form.variables and not form.sizes:
            line, column = formula.place(0)
            message = f"no axis '{formula.text}'; {nearest(formula.text, size_names(self.network))}"
            raise DirectiveError(message, line=line, column=column)
        return form

    def operator(self, operator: Operator, earlier: list[Operator]) -> Operator:
        known = [each.stated for each in earlier if each.stated is not None]
        return replace(operator, stated=operator_of(operator.formula, self.network, known, self.base))

    def sizes(self, sizes: Sizes, _letters: frozenset[str]) -> Sizes:
        known, families = size_names(self.network), size_families(self.network)
        for name, at, _ in sizes.sizes:
            if name not in known or (name in families) == (at is None):
                line, column = sizes.place.place(0)
                message = f"no size '{name}{'' if at is None else f'[{at}]'}'; {nearest(name, known)}"
                raise DirectiveError(message, line=line, column=column)
        return sizes

    def dots(self, dots: Dots, letters: frozenset[str]) -> Dots:
        return replace(dots, values=tuple(self.value(value, letters) for value in dots.values))

    def cases(self, cases: CaseConditions, _letters: frozenset[str]) -> CaseConditions:
        return replace(cases, conditions=tuple(conditions(row, self.network) for row in cases.rows))
