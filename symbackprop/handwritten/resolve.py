"""From a formula to statements: nodes that stand for what the author wrote, resolved against names and directives.

A formula may hold several statements (``…, where s_k = …, and z_k = …``). Text that can be read in several ways gives
the best reading as ``members`` and the others as ``alternatives``; what cannot be read raises ReadError at its place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from sympy import Function

from symbackprop.affine import Affine, Var
from symbackprop.errors import nearest
from symbackprop.handwritten import names as table
from symbackprop.handwritten import names_network, terms
from symbackprop.handwritten.expression import (
    Condition,
    Derivative,
    Differential,
    Letter,
    Node,
    Quantity,
    Span,
    Sum,
    Unknown,
    Update,
    mapped,
    walk,
)
from symbackprop.handwritten.limits import chain, comparison
from symbackprop.handwritten.names import LET, SPELLED, Declared, Entry, Names
from symbackprop.handwritten.parse import Item, Items, parse, tokens
from symbackprop.handwritten.reader import Context, DeclaredFunction, Reader, scalar_name
from symbackprop.handwritten.tokens import ReadError
from symbackprop.index import Along, Opaque

if TYPE_CHECKING:
    from symbackprop.handwritten.formula import Formula
    from symbackprop.network import Network

__all__ = ["Context", "Declared", "ReadError", "Statement", "names_of", "statements"]

_LONGEST_CHAIN = 600
"""Parts of a chain of which other readings are tried."""
_ROUNDS = 6
"""Other readings that are tried at most."""
_ARROWS = {
    r"\leftarrow": "assign",
    r"\gets": "assign",
    "<-": "assign",
    "←": "assign",
    r"\longleftarrow": "assign",
    "+=": "accumulate",
    "-=": "accumulate",
}
_ASSIGNS = frozenset(("=", ":=", r"\coloneqq", r"\coloneq", r"\colonequals"))
_IMPLICATIONS = frozenset((r"\Rightarrow", r"\implies", r"\iff", r"\Leftrightarrow", r"\therefore", r"\because"))
_CONDITIONAL = frozenset(("for", "if", "when", "with", "at", "all", "every", "each", "in", "from", "whenever"))
_STATEMENTS = frozenset(("where", "and", "so", "hence", "thus", "then", "therefore", "gives", "is", "or"))
_UNNAMED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    r"""``A = B = C``: its members and the relations between them, as written.

    ``shape`` is what a trailing ``\in R^{…}`` says; ``conditions`` what holds for the indices ("for i = 2, …, n");
    ``alternatives`` other readings of the members; ``repairs`` what was mended to read it.
    """

    members: tuple[Node, ...]
    relations: tuple[str, ...] = ()
    shape: tuple[Affine, ...] | None = None
    conditions: tuple[Condition, ...] = ()
    alternatives: tuple[tuple[Node, ...], ...] = ()
    repairs: tuple[str, ...] = ()
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    r"""Items of one statement, and what ``\text`` stood before them."""

    items: Items
    lead: str


def statements(formula: Formula, context: Context) -> tuple[Statement, ...]:
    r"""The statements of a formula; none where it is a range of indices alone, ``i = 1, \dots, n``.

    Raises: ReadError with line and column in the document.
    """
    try:
        return _statements(formula, context)
    except ReadError as error:
        error.line, error.column = formula.place(min(error.place, len(formula.text)))
        raise


def _statements(formula: Formula, context: Context) -> tuple[Statement, ...]:
    parsed = parse(formula.text)
    if not parsed.items:
        message = "the formula is empty"
        raise ReadError(message)
    names = names_of(context)
    names.letters |= _bound_letters(parsed.items)
    found: list[Statement] = []
    before: tuple[Condition, ...] = ()
    pieces = _pieces(parsed.items)
    for piece in pieces:
        reader = Reader(formula, names, context, terms.read_sum)
        if not found and _is_range(piece, names):
            before += _conditions(reader, piece.items)
        elif _is_condition(piece, names, found):
            found[-1] = replace(found[-1], conditions=found[-1].conditions + _conditions(reader, piece.items))
        else:
            statement = _statement(formula, names, context, piece.items)
            found.append(replace(statement, conditions=before + statement.conditions))
    if not pieces:
        message = "the formula holds words alone"
        raise ReadError(message)
    if parsed.repairs and found:
        found[0] = replace(found[0], repairs=parsed.repairs + found[0].repairs)
    return tuple(found)


# ---------------------------------------------------------------------------------------------------------------------
# Names in force


@lru_cache(maxsize=64)
def _network_names(key: _ByIdentity) -> Names:
    return names_network.build(key.network)


def is_of_network(declared: DeclaredFunction, network: Network) -> bool:
    """True where a function that a directive declares is one that the network uses and writes like that."""
    key = _ByIdentity(network)
    known = _network_names(key).table.get(table.head_of(declared.head, declared.letters).nucleus, ())
    return any(e.kind in {"function", "loss"} and e.name in _functions_used(key) for e in known)


@lru_cache(maxsize=64)
def _functions_used(key: _ByIdentity) -> frozenset[str]:
    """Names of the functions that stand in the equations of a network."""
    factors = (f for equation in key.network.equations for term in equation.terms for f in term.factors)
    found: set[str] = set()
    for factor in factors:
        template = getattr(factor, "template", None)
        found |= {str(f.func.row) for f in template.atoms(Function) if hasattr(f.func, "row")} if template else set()
        found |= {factor.name} if isinstance(factor, (Along, Opaque)) else set()
    return frozenset(found)


class _ByIdentity:
    """A network as a key: two are the same only where they are one object."""

    __slots__ = ("network",)

    def __init__(self, network: Network) -> None:
        self.network = network

    def __hash__(self) -> int:
        return id(self.network)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and other.network is self.network


def names_of(context: Context) -> Names:
    """The names of the network with what the directives declare."""
    base = _network_names(_ByIdentity(context.network))
    names = replace(base, base=context.base, table=dict(base.table), letters=set(base.letters))
    names.letters |= set(context.indices)
    for let in _distinguished(context.lets, names):
        names.add(let)
    for declared in context.functions:
        if is_of_network(declared, context.network):
            continue
        head = table.head_of(declared.head, declared.letters)
        names.add(
            Entry(
                kind="loss" if declared.loss else "function",
                name=declared.name,
                nucleus=head.nucleus,
                looks=head.looks,
                sub=head.sub,
                sup=head.sup,
                count=head.count,
                family=head.count,
            )
        )
    for scalar in context.scalars:
        head = table.head_of(scalar)
        names.table[head.nucleus] = []
        names.add(
            Entry(
                kind="scalar",
                name=scalar_name(scalar),
                nucleus=head.nucleus,
                looks=head.looks,
                sub=head.sub,
                sup=head.sup,
                certainty=SPELLED,
            )
        )
    for operator in context.operators:
        if operator.kind == "named":
            names.table[operator.mark] = []
            names.add(Entry(kind="operator", name=operator.name, nucleus=operator.mark, certainty=LET))
    for parameter in context.parameters:
        head = table.head_of(parameter)
        names.table[head.nucleus] = []
        names.add(Entry(kind="let", name=parameter, nucleus=head.nucleus, looks=head.looks, rank=None, certainty=LET))
    return names


def _distinguished(lets: tuple[Declared, ...], names: Names) -> list[Entry]:
    """Declared names; where the letter of an index alone tells two apart, or their tensors, it is demanded."""
    found = [(let, _let_entry(let)) for let in lets]
    looks: dict[tuple[object, ...], int] = {}
    for _, entry in found:
        key = (entry.nucleus, entry.sub, entry.sup, entry.primes, entry.inner)
        looks[key] = looks.get(key, 0) + 1
    result: list[Entry] = []
    for let, entry in found:
        alone = looks[entry.nucleus, entry.sub, entry.sup, entry.primes, entry.inner] == 1
        own = {x for x in let.letters if _tells(let, x, names)} if alone else set(let.letters)
        result.append(replace(entry, letters=tuple((k, x) for k, x in enumerate(let.letters) if x in own)))
    return result


def _tells(let: Declared, letter: str, names: Names) -> bool:
    """True where a letter of a declared name is what tells the tensor of its value from another."""
    if letter not in names.telling or let.value is None:
        return False
    tensors = {node.tensor for node in walk(let.value) if isinstance(node, Quantity)}
    return any(e.name in tensors and letter in dict(e.letters).values() for es in names.table.values() for e in es)


def _let_entry(let: Declared) -> Entry:
    head = table.head_of(let.head, let.letters)
    return Entry(
        kind="let",
        name=let.head,
        nucleus=head.nucleus,
        looks=head.looks,
        sub=head.sub,
        sup=head.sup,
        primes=head.primes,
        count=head.count,
        rank=let.rank,
        arguments=head.arguments,
        inner=head.inner,
        form=let.form,
        certainty=LET,
    )


def _bound_letters(items: Items) -> set[str]:
    """Letters under sum signs anywhere in a formula."""
    found: set[str] = set()
    for item in _everything(items):
        if item.kind == "big":
            below = [t for group in item.subs for t in tokens(group)]
            end = next((k for k, t in enumerate(below) if t in {"=", r"\in", r"\neq", r"\ne"}), len(below))
            found |= {name for t in below[:end] if (name := table.letter_name(t))}
    return found


def _everything(items: Items) -> list[Item]:
    result: list[Item] = []
    for item in items:
        result.append(item)
        for inner in (item.body, item.under, *item.subs, *item.sups, *(cell for row in item.rows for cell in row)):
            result += _everything(inner)
    return result


# ---------------------------------------------------------------------------------------------------------------------
# Statements


def _pieces(items: Items) -> list[_Piece]:  # noqa: C901 - one branch a kind of mark
    """The statements of a formula, cut at prose, commas and implications."""
    items = _flattened(items)
    pieces: list[_Piece] = []
    current: list[Item] = []
    lead = ""
    listing = False

    def close(following: str = "") -> None:
        nonlocal current, lead
        while current and current[-1].kind in {"stop", "comma"}:
            current.pop()
        if current:
            pieces.append(_Piece(tuple(current), lead))
            lead = following
        else:
            lead = following or lead
        current = []

    for k, item in enumerate(items):
        if item.kind == "text":
            words = item.text.lower().replace(",", " ").replace(".", " ").split()
            if any(word in _CONDITIONAL for word in words):
                close("for")
                listing = True
            elif not words or any(word in _STATEMENTS for word in words) or current == []:
                close("and")
                listing = False
            else:
                close("and")
                listing = False
        elif item.kind in {"comma", "semicolon"} and not (listing and _list_goes_on(items[k + 1 :], current)):
            listing = False
            if any(i.kind == "relation" for i in current) or pieces:
                close(",")
            else:
                current.append(item)
        elif item.kind == "relation" and item.text in _IMPLICATIONS:
            close("and")
        elif current and _is_condition_in_brackets(items, k):
            close("for")
            current += (inner for inner in item.body if inner.kind != "text")
        elif item.nucleus == (r"\forall",) or item.text == r"\forall":
            close("for")
            listing = True
        else:
            current.append(item)
    close()
    return _with_lists(pieces)


def _is_condition_in_brackets(items: Items, place: int) -> bool:
    r"""True for ``\quad (i \ge 2)`` at the end of a formula."""
    item, before = items[place], items[place - 1]
    last = all(after.kind in {"stop", "comma"} for after in items[place + 1 :])
    apart = item.kind == "group" and item.text == "(" and item.bare and before.end < item.start
    return last and apart and any(inner.kind == "relation" for inner in item.body)


def _list_goes_on(items: Items, current: list[Item]) -> bool:
    """True inside ``i = 2, …, n``: dots come before another relation, or stand right before the comma."""
    ahead = next((i.kind for i in items if i.kind in {"dots", "relation", "text"}), "")
    return ahead == "dots" or (bool(current) and current[-1].kind == "dots")


def _with_lists(pieces: list[_Piece]) -> list[_Piece]:
    """``i = 1``, ``…``, ``n`` put together again."""
    result: list[_Piece] = []
    for piece in pieces:
        dotted = all(item.kind == "dots" for item in piece.items)
        after = bool(result) and result[-1].items[-1].kind == "dots" and piece.lead == ","
        if result and (dotted or after) and any(i.kind == "relation" for i in result[-1].items):
            comma = Item(kind="comma", text=",", start=piece.items[0].start, end=piece.items[0].start)
            result[-1] = _Piece((*result[-1].items, comma, *piece.items), result[-1].lead)
        else:
            result.append(piece)
    return result


def _flattened(items: Items) -> Items:
    """Aligned rows inside a formula, one after the other."""
    if len(items) == 1 and items[0].kind == "array" and items[0].text in {"aligned", "split", "gathered", "alignedat"}:
        rows: list[Item] = []
        for row in items[0].rows:
            inside = tuple(i for cell in row for i in cell)
            continues = inside and inside[0].kind in {"relation", "sign", "binary"}
            if rows and inside and not continues and rows[-1].kind not in {"relation", "sign", "binary", "comma"}:
                rows.append(Item(kind="comma", text=",", start=inside[0].start, end=inside[0].start))
            rows.extend(inside)
        return tuple(rows)
    return items


def _is_range(piece: _Piece, names: Names) -> bool:
    r"""True for ``i = 1, \dots, n``."""
    place = next((k for k, i in enumerate(piece.items) if i.kind == "relation"), 0)
    kinds = {i.kind for i in piece.items[place:]}
    form = names.form(tokens(piece.items[:place])) if place == 1 else None
    single = sum(i.kind == "relation" for i in piece.items) == 1
    return single and form is not None and isinstance(form.single, Var) and {"dots", "comma"} <= kinds


def _is_condition(piece: _Piece, names: Names, found: list[Statement]) -> bool:
    """True for "for i = 2, …, n" and for ``i = 1, …, n`` after a comma."""
    if not found:
        return False
    if piece.lead == "for":
        return True
    place = next((k for k, i in enumerate(piece.items) if i.kind == "relation"), None)
    if place is None:
        return all(i.kind in {"dots", "number", "name", "sign"} for i in piece.items) and bool(found[-1].conditions)
    left = piece.items[:place]
    form = names.form(tokens(left))
    if len(left) != 1 or form is None or not isinstance(form.single, Var):
        return False
    return form.single.name in names.letters and not names.find(left)


def _conditions(reader: Reader, items: Items) -> tuple[Condition, ...]:
    """Conditions on indices, as far as they are comparisons; a list ``i = 2, …, n`` is a range."""
    place = next((k for k, i in enumerate(items) if i.kind == "relation"), None)
    if place is None or comparison(items[place].text) is None:
        return ()
    rest = items[place + 1 :]
    if any(i.kind == "dots" for i in rest):
        parts = [p for p in _split_commas(rest) if p and p[0].kind != "dots"]
        lo = reader.form(parts[0]) if parts else None
        hi = reader.form(parts[-1]) if parts else None
        letter = reader.form(items[:place])
        if lo is None or hi is None or letter is None:
            return ()
        if hi.is_constant and not lo.is_constant:
            lo, hi = hi, lo  # counted downwards
        node = Letter(form=letter)
        return (
            Condition(left=node, sign="≥", right=Letter(form=lo)),
            Condition(left=node, sign="≤", right=Letter(form=hi)),
        )
    return chain(reader, tuple(i for i in items if i.kind not in {"comma", "stop"})) or ()


def _split_commas(items: Items) -> list[Items]:
    result: list[list[Item]] = [[]]
    for item in items:
        if item.kind in {"comma", "semicolon"}:
            result.append([])
        else:
            result[-1].append(item)
    return [tuple(part) for part in result]


def _statement(formula: Formula, names: Names, context: Context, items: Items) -> Statement:
    """One chain in its best reading, with the others."""
    choices: list[dict[tuple[str, int], int]] = [{}]
    readings: list[Statement] = []
    failure: ReadError | None = None
    seen: set[tuple[tuple[str, int], int]] = set()
    while choices and len(readings) < _ROUNDS:
        choice = choices.pop(0)
        reader = Reader(formula, names, context, terms.read_sum, choices=choice)
        try:
            read = _chain(reader, items)
        except ReadError as error:
            failure = failure or error
        else:
            if all(read.members != other.members for other in readings):
                readings.append(read)
        for point, options in reader.points.items() if len(items) <= _LONGEST_CHAIN else ():
            for option in range(1, options):
                if (point, option) not in seen and point not in choice:
                    seen.add((point, option))
                    choices.append({point: option})
    if not readings:
        assert failure is not None  # noqa: S101 - every round gives a reading or an error
        raise failure
    best = readings[0]
    return replace(best, alternatives=tuple(other.members for other in readings[1:]))


def _chain(reader: Reader, items: Items) -> Statement:
    """Members between relations."""
    sides: list[list[Item]] = [[]]
    signs: list[Item] = []
    for item in items:
        if item.kind == "relation":
            signs.append(item)
            sides.append([])
        else:
            sides[-1].append(item)
    span = reader.at(items[0], items[-1])["span"]
    if not sides[0] and signs:
        sides, signs = sides[1:], signs[1:]
    shape: tuple[Affine, ...] | None = None
    if signs and signs[-1].text in {r"\in", "∈"}:
        shape = shape_of(reader, tuple(sides[-1]))
        sides, signs = sides[:-1], signs[:-1]
    members: list[Node] = []
    for k, side in enumerate(sides):
        if not side:
            place = signs[min(k, len(signs) - 1)] if signs else items[0]
            reader.fail(f"nothing {'follows' if k else 'precedes'} '{place.text}'", place)
        members.append(_member(reader, tuple(side), readable=bool(k) or len(sides) == 1))
    relations = tuple(sign.text for sign in signs)
    members = _updates(reader, _of_the_same_layer(reader, members), relations, sides)
    return Statement(members=tuple(members), relations=relations, shape=shape, repairs=tuple(reader.repairs), span=span)


def _of_the_same_layer(reader: Reader, members: list[Node]) -> list[Node]:
    r"""``\nabla_a C`` beside ``\delta^L`` by ``a^L``: a layer that is left out is that of the left side."""
    tensors = reader.context.network.tensors
    layers = {form for n in walk(members[0]) for form in (*getattr(n, "family", ()), *getattr(n, "index", ()))}
    if len(layers) != 1:
        return members
    (layer,) = layers

    def completed(node: Node) -> Node:
        by = node.by if isinstance(node, Derivative) and node.gradient else None
        if (
            isinstance(node, Derivative)
            and isinstance(by, Quantity)
            and len(tensors[by.tensor].family) > len(by.family)
        ):
            reader.repairs.append(f"'{by.source}' is read as that of layer {layer}")
            return replace(node, by=replace(by, family=(layer,)))
        return mapped(node, completed)

    return [completed(member) for member in members]


def _member(reader: Reader, side: Items, *, readable: bool) -> Node:
    """One member; a left side that cannot be read stands for what a directive says."""
    try:
        return reader.value(side)
    except ReadError:
        if readable or not reader.context.claimed:
            raise
        place = reader.at(side[0], side[-1])
        return Unknown(name=place["source"], **place)


def _bare(relation: str) -> str:
    r"""A relation without the markup around its signs: ``\mathrel{+}=`` is ``+=``."""
    return re.sub(r"\\math[a-z]+|[{}\s]", "", relation)


def _updates(reader: Reader, members: list[Node], relations: tuple[str, ...], sides: list[list[Item]]) -> list[Node]:
    r"""``W \leftarrow …``, ``W += …`` and ``\Delta w = …`` as updates."""
    if not relations:
        return members
    sign = _bare(relations[0])
    kind = _ARROWS.get(sign)
    target = members[0]
    if sides[0][0].nucleus == (r"\Delta",) and isinstance(target, Differential):
        changes = any(isinstance(node, Differential) for member in members[1:] for node in walk(member))
        if not changes and sign in {"=", ":="}:
            target, kind = target.of, "increment"
    if kind is None and sign in _ASSIGNS and isinstance(target, Quantity):
        steps = all(isinstance(m, Sum) and (target, 1) in zip(m.terms, m.signs, strict=True) for m in members[1:])
        kind = "assign" if steps else None
    if kind is None:
        return members
    values = [Sum(terms=(m,), signs=(-1,), span=m.span, source=m.source) if sign == "-=" else m for m in members[1:]]
    return [
        Update(
            target=target,
            value=value,
            kind=kind,  # type: ignore[arg-type]
            **reader.at(sides[0][0], sides[k + 1][-1]),
        )
        for k, value in enumerate(values)
    ]


def shape_of(reader: Reader, items: Items) -> tuple[Affine, ...] | None:
    r"""The sizes in ``\mathbb{R}^{p \times q}``; None for another set."""
    if not items or items[0].nucleus not in {("R",), ("ℝ",)}:
        return None
    inside = tuple(i for group in items[0].sups for i in group)
    parts: list[list[Item]] = [[]]
    for item in inside:
        if item.kind == "binary" and item.text in {r"\times", "×", "*", r"\cdot"}:
            parts.append([])
        else:
            parts[-1].append(item)
    if not inside:
        return ()
    forms = [reader.form(tuple(part)) for part in parts]
    if any(form is None for form in forms):
        return None
    return tuple(form for form in forms if form is not None)


def unknown_message(context: Context, name: str) -> str:
    """What is said about a symbol that nothing declares."""
    network = context.network
    known = [text for texts in network.latex.values() for text in texts]
    known += [let.head for let in context.lets] + [n for n, t in network.tensors.items() if t.named]
    return f"'{name}' is not declared; {nearest(name, known)}"
