"""From the directives in force at a formula to the context in which it is read."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from symbackprop.affine import Affine
from symbackprop.handwritten import names as table
from symbackprop.handwritten.expression import (
    Applied,
    BigOperator,
    Derivative,
    Differential,
    Letter,
    Named,
    Node,
    Number,
    Product,
    Quantity,
    Quotient,
    Sum,
    Transpose,
)
from symbackprop.handwritten.names import Declared
from symbackprop.handwritten.parse import parse, tokens
from symbackprop.handwritten.reader import Context, DeclaredFunction
from symbackprop.handwritten.resolve import statements
from symbackprop.handwritten.terms import variables
from symbackprop.notation.glyph import joined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from symbackprop.handwritten.directives import Directives, Function, Index, Let, Value
    from symbackprop.handwritten.formula import Formula
    from symbackprop.network import Network


@dataclass(slots=True)
class NamesRead:
    """The names that ``let`` gives at a formula, each with what it declares, and under what they were read."""

    lets: tuple[Let, ...] = ()
    declared: tuple[tuple[Declared, ...], ...] = ()
    under: tuple[object, ...] = ()

    def renew(self, directives: Directives, plain: Context) -> tuple[Declared, ...]:
        """The names at another formula; those that come first here and there are not read again."""
        under = (plain.indices, plain.functions, plain.base)
        pairs = zip(self.lets, directives.lets, strict=False)
        same = 0 if under != self.under else sum(1 for _ in itertools.takewhile(lambda pair: pair[0] is pair[1], pairs))
        read = list(self.declared[:same])
        lets = [each for several in read for each in several]
        for let in directives.lets[same:]:
            context = replace(plain, lets=tuple(lets))
            found = declared(let, context)
            read.append((found, *whole_of(found, context)))
            lets += read[-1]
        self.lets, self.declared, self.under = directives.lets, tuple(read), under
        return tuple(lets)


def context_of(network: Network, directives: Directives, read: NamesRead | None = None) -> Context:
    """What the directives before a formula say, for the reader; ``lets`` keep their values for the judge.

    Values in the names of the network file are bound already (``quantities.bind``); those in LaTeX are read here, each
    with the names declared before it. ``read`` are the names at the formula before, and then at this one.

    Raises: ReadError with the place of a name or a value that cannot be read.
    """
    functions = tuple(function_of(each) for each in directives.functions)
    indices = {
        table.letter_name(index.letter) or index.letter: _extent(index, directives.base) for index in directives.indices
    }
    plain = Context(network=network, indices=indices, functions=functions, base=directives.base)
    context = Context(
        network=network,
        lets=(read or NamesRead()).renew(directives, plain),
        scalars=tuple(s.name.text for s in directives.scalars),
        indices=indices,
        functions=functions,
        operators=tuple(o.stated for o in directives.operators if o.stated is not None),
        prime=directives.prime,
        base=directives.base,
        explicit=directives.explicit,
        claimed=directives.claim is not None,
    )
    if directives.dots is not None:
        context = replace(context, dots=tuple(_value(value, context) for value in directives.dots.values))
    if directives.claim is not None:
        value = directives.claim.value
        claim = value.node if value.node is not None or not value.latex else quantity(value.formula, context)
        context = replace(context, claim=claim)
    return context


def _value(value: Value, context: Context) -> Node:
    return value.node if value.node is not None else quantity(value.formula, context)


def _extent(index: Index, base: int) -> str:
    """The axis or size that an index runs over, as axes are named; "" where that is not known."""
    if index.upper is not None and index.lower == Affine(base):
        return str(index.upper - (base - 1))
    return index.over.text if index.over is not None else ""


def declared(let: Let, context: Context) -> Declared:
    """A ``let`` with its letters: those that are indices on both sides."""
    value = let.value.node
    if value is None and let.value.latex:
        value = quantity(let.value.formula, context)
    return name_for(let.name.text, value, context)


def quantity(formula: Formula, context: Context) -> Node:
    """The one quantity that a formula in a directive stands for.

    Raises: ReadError.
    """
    return statements(formula, context)[0].members[0]


def name_for(head: str, value: Node | None, context: Context) -> Declared:
    r"""A name of the author's for a value: ``\delta^{(l)}`` for ``dJ/dz[l]`` has the variable ``l``."""
    own = variables(value) if value is not None else set()
    letters = tuple(dict.fromkeys(name for name in head_letters(head) if name in own))
    form = affine_of(value) if value is not None and not letters else None
    rank = rank_of(value, context) if value is not None else None
    return Declared(head=head, letters=letters, rank=rank, form=form, value=value)


def whole_of(let: Declared, context: Context) -> tuple[Declared, ...]:
    r"""``\delta^{(l)}``, where ``\delta^{(l)}_i`` is declared for an element ``i`` of each layer."""
    if let.value is None or not isinstance(let.value, (Derivative, Quantity)):
        return ()
    *before, last = parse(let.head).items
    below = [t for group in last.subs for t in tokens(group) if t != ","]
    letters = [table.letter_name(token) for token in below]
    inner = let.value.by if isinstance(let.value, Derivative) else let.value
    if not letters or before or not isinstance(inner, Quantity) or (not inner.family and last.sups):
        return ()
    if [str(each) for each in inner.element] != letters or not set(letters) <= set(let.letters):
        return ()
    above = [t for group in last.sups for t in tokens(group)]
    head = joined((*last.exact, *("'",) * last.primes, *(("^", "{", *above, "}") if above else ())))
    array = replace(inner, element=())
    value = replace(let.value, by=array) if isinstance(let.value, Derivative) else array
    kept = tuple(letter for letter in let.letters if letter not in letters)
    if not kept and any(other.head == head for other in context.lets):
        return ()
    return (Declared(head=head, letters=kept, rank=rank_of(value, context), value=value),)


def head_letters(head: str) -> list[str]:
    """The letters in the scripts of a name and in its list, in order of writing."""
    items = parse(head).items
    groups = [group for item in items if item.kind == "name" for group in (*item.subs, *item.sups)]
    groups += [item.body for item in items[1:] if item.kind == "group"]
    scripts: Iterable[str] = (token for group in groups for token in tokens(group))
    return [name for token in scripts if (name := table.letter_name(token))]


def function_of(function: Function) -> DeclaredFunction:
    r"""``\sigma^{(\ell)}`` as a function with a layer index."""
    letters = tuple(dict.fromkeys(head_letters(function.name.text)))
    head = table.head_of(function.name.text, letters)
    name = "".join(t.removeprefix("\\") for t in head.nucleus if t not in "{}")
    return DeclaredFunction(head=function.name.text, name=name, letters=letters, loss=function.loss)


def affine_of(node: Node) -> Affine | None:
    """An index or a size; None for other values."""
    if isinstance(node, Letter):
        return node.form
    if isinstance(node, Number):
        return Affine(int(node.value)) if node.value.denominator == 1 else None
    if isinstance(node, Sum):
        total = Affine()
        for term, sign in zip(node.terms, node.signs, strict=True):
            form = affine_of(term)
            if form is None:
                return None
            total += form * sign
        return total
    if isinstance(node, Product):
        forms = [affine_of(factor) for factor in node.factors]
        known = [form for form in forms if form is not None]
        if len(known) < len(forms) or sum(not form.is_constant for form in known) > 1:
            return None
        result = Affine(1)
        for form in known:
            result = form * result.const if result.is_constant else result * form.const
        return result
    return None


def rank_of(node: Node, context: Context) -> int | None:  # noqa: PLR0911 - one return a kind of node
    """The number of axes of a value; None where that takes more than a look."""
    if isinstance(node, Quantity):
        tensor = context.network.tensors.get(node.tensor)
        if tensor is None:
            return None
        return len(tensor.axes) - sum(isinstance(each, Affine) for each in node.element)
    if isinstance(node, Applied):
        return 0 if node.index else node.rank or None
    if isinstance(node, Named):
        own = next((let for let in context.lets if let.head == node.name), None)
        return None if own is None or own.rank is None else own.rank - len(node.element)
    if isinstance(node, Derivative):
        ranks = [rank_of(part, context) for part in (node.of, node.by) if part is not None]
        known = [rank for rank in ranks if rank is not None]
        return sum(known) if len(known) == len(ranks) else None
    if isinstance(node, (Transpose, Differential)):
        return rank_of(node.of, context)
    if isinstance(node, Quotient):
        return rank_of(node.over, context)
    if isinstance(node, BigOperator):
        return rank_of(node.body, context)
    if isinstance(node, (Letter, Number)):
        return 0
    if isinstance(node, Product) and all(rank_of(factor, context) == 0 for factor in node.factors[:-1]):
        return rank_of(node.factors[-1], context)
    return None
