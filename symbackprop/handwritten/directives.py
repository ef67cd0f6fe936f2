r"""Directives: comment lines that say what ordinary mathematics leaves open, as typed values with their places.

    % symbackprop: let k_i = dMSE/ds[i]

A line becomes one frozen value (``Let``, ``Claim``, ``Layout``, …). ``State`` collects them in document order and says
what holds at a formula: a frozen ``Directives``. Text is parsed and never evaluated; quantities in the names of a
network file are read by ``quantities`` once the network is known, LaTeX by the reader of formulas.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from symbackprop.errors import SpecError

if TYPE_CHECKING:
    from symbackprop.affine import Affine
    from symbackprop.handwritten.author_operators import AuthorOperator
    from symbackprop.handwritten.expression import Condition, Node
    from symbackprop.handwritten.formula import Formula

_Kept = TypeVar("_Kept")
PRODUCTS = ("matrix", "entrywise", "inner", "outer")
RELATIONS = ("equal", "positive multiple", "multiple", "approximately equal", "definition")
Meaning = Literal["matrix", "entrywise", "inner", "outer"]


class DirectiveError(SpecError):
    """A directive that cannot be understood; the place is in the document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A quantity as written: LaTeX (between dollars) or in the names of a network file; ``node`` once it is read."""

    formula: Formula
    latex: bool
    node: Node | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """``net = FILE``."""

    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Let:
    """``let NAME = QUANTITY``; ``key`` is the name without braces and blanks, by which a later ``let`` replaces it."""

    name: Formula
    value: Value
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """``claim QUANTITY``, or ``accumulate QUANTITY`` where the increment is judged."""

    value: Value
    accumulate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """``index i = 1..n`` (``lo`` and ``hi``) or ``index j over hidden`` (``over``: an axis, a size or a tensor)."""

    letter: str
    lo: Formula | None = None
    hi: Formula | None = None
    over: Formula | None = None
    lower: Affine | None = None
    """The least value and the largest, in the author's counting, once the network is known."""
    upper: Affine | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """``index base 0``."""

    base: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    r"""``function f`` or ``function \ell loss``; ``layered`` where a superscript or subscript says one per layer."""

    name: Formula
    loss: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """``scalar x``: in the next formula it is any number."""

    name: Formula


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """``layout numerator``, for vectors, for matrices or for both."""

    layout: Literal["numerator", "denominator"]
    of: Literal["vectors", "matrices", "all"] = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """``vectors rows`` or ``vectors columns``."""

    orientation: Literal["rows", "columns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductSign:
    r"""``product \cdot = inner``; ``sign`` as written, ``juxtaposition`` for none."""

    sign: str
    meaning: Meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Prime:
    """``prime transpose`` or ``prime derivative``."""

    meaning: Literal["transpose", "derivative"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """``partial explicit`` or, to go back, ``partial total``."""

    explicit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationSign:
    r"""``relation \approx = positive multiple``."""

    sign: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Einstein:
    """``sum repeated indices``; ``sum written indices`` goes back."""

    on: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    r"""``operator (A \star B)(i) = …``; ``stated`` once the network is known."""

    formula: Formula
    stated: AuthorOperator | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    r"""``fact \sum_k y_k = 1`` or ``fact z > 0``."""

    formula: Formula


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseConditions:
    """``cases l = M; l < M``; ``conditions`` once the network is known."""

    rows: tuple[Formula, ...]
    conditions: tuple[tuple[Condition, ...], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notation:
    """``notation rows``: names of the network are written as in this preset."""

    preset: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transposed:
    """``transposed W``: the document's W is the transpose of the network file's."""

    tensors: tuple[Formula, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """``sizes n = 3, q[1] = 2``: the next formula is about these sizes; (name, index or None, value) for each."""

    sizes: tuple[tuple[str, int | None, int], ...]
    place: Formula


@dataclass(frozen=True, slots=True, kw_only=True)
class Dots:
    """``dots = QUANTITY; QUANTITY``: what the dots in the next formula stand for, one after the other."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """``ignore``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectWrong:
    """``expect wrong``."""


Directive = (
    Net
    | Let
    | Claim
    | Index
    | Base
    | Function
    | Scalar
    | Layout
    | Vectors
    | ProductSign
    | Prime
    | Partial
    | RelationSign
    | Einstein
    | Operator
    | Fact
    | CaseConditions
    | Notation
    | Transposed
    | Sizes
    | Dots
    | Ignore
    | ExpectWrong
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Directives:
    """What the directives before a formula say about it."""

    lets: tuple[Let, ...] = ()
    claim: Claim | None = None
    indices: tuple[Index, ...] = ()
    base: int = 1
    functions: tuple[Function, ...] = ()
    scalars: tuple[Scalar, ...] = ()
    layout_vectors: Literal["numerator", "denominator"] | None = None
    layout_matrices: Literal["numerator", "denominator"] | None = None
    vectors: Literal["rows", "columns"] | None = None
    products: tuple[ProductSign, ...] = ()
    prime: Literal["transpose", "derivative"] | None = None
    explicit: bool = False
    relations: tuple[RelationSign, ...] = ()
    einstein: bool = False
    operators: tuple[Operator, ...] = ()
    facts: tuple[Fact, ...] = ()
    cases: CaseConditions | None = None
    notation: Notation | None = None
    transposed: tuple[Transposed, ...] = ()
    sizes: Sizes | None = None
    dots: Dots | None = None
    ignore: bool = False
    expect_wrong: bool = False

    @property
    def accumulate(self) -> bool:
        """True where the increment of an accumulation is judged."""
        return self.claim is not None and self.claim.accumulate


_PASSING = ("claim", "scalars", "cases", "sizes", "dots", "ignore", "expect_wrong")
"""What concerns the next formula alone."""


@dataclass(slots=True)
class State:
    """What holds at a point of the document; ``take`` gives it for a formula and forgets what was for that alone."""

    now: Directives = field(default_factory=Directives)

    def apply(self, directive: Directive) -> None:
        """Let a directive hold from here on; of two about one name, letter or sign the later."""
        now = self.now
        match directive:
            case Let():
                self.now = replace(now, lets=_renewed(now.lets, directive, "key"))
            case Index():
                self.now = replace(now, indices=_renewed(now.indices, directive, "letter"))
            case ProductSign():
                self.now = replace(now, products=_renewed(now.products, directive, "sign"))
            case RelationSign():
                self.now = replace(now, relations=_renewed(now.relations, directive, "sign"))
            case Function():
                self.now = replace(now, functions=(*now.functions, directive))
            case Scalar():
                self.now = replace(now, scalars=(*now.scalars, directive))
            case Operator():
                self.now = replace(now, operators=(*now.operators, directive))
            case Fact():
                self.now = replace(now, facts=(*now.facts, directive))
            case Transposed():
                self.now = replace(now, transposed=(*now.transposed, directive))
            case _:
                self.now = replace(now, **_settings(directive))

    def take(self, *, has_cases: bool) -> Directives:
        """What holds for the next formula; conditions of cases wait for a formula that has some."""
        taken = self.now if has_cases else replace(self.now, cases=None) if self.now.cases else self.now
        passing = [name for name in _PASSING if getattr(taken, name)]
        if passing:
            blank = Directives()
            self.now = replace(self.now, **{name: getattr(blank, name) for name in passing})
        return taken


def _renewed(kept: tuple[_Kept, ...], new: _Kept, name: str) -> tuple[_Kept, ...]:
    """Directives with a later one at the end, without those it replaces."""
    return (*(old for old in kept if getattr(old, name) != getattr(new, name)), new)


def _settings(directive: Directive) -> dict[str, Any]:  # noqa: PLR0911 - one return a kind
    """What a directive that replaces all earlier ones of its kind sets."""
    match directive:
        case Claim():
            return {"claim": directive}
        case CaseConditions():
            return {"cases": directive}
        case Notation() | Sizes() | Dots():
            return {type(directive).__name__.lower(): directive}
        case Layout():
            whom = ("vectors", "matrices") if directive.of == "all" else (directive.of,)
            return {f"layout_{who}": directive.layout for who in whom}
        case Base():
            return {"base": directive.base}
        case Vectors():
            return {"vectors": directive.orientation}
        case Prime():
            return {"prime": directive.meaning}
        case Partial():
            return {"explicit": directive.explicit}
        case Einstein():
            return {"einstein": directive.on}
        case Ignore():
            return {"ignore": True}
        case ExpectWrong():
            return {"expect_wrong": True}
        case _:
            return {}
