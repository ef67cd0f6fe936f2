"""Names in a formula: which tensor, function, index or sign of an operation a letter is, and what it takes along.

Application or product, prime as slope or transpose, a superscript as layer or power: the table of names decides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Size, Var
from symbackprop.handwritten import applications, atoms, operators
from symbackprop.handwritten.applications import TAKES_ONE
from symbackprop.handwritten.expression import (
    Call,
    Derivative,
    Letter,
    Named,
    Node,
    Operation,
    Quantity,
    Slice,
    Transpose,
    Unknown,
)
from symbackprop.handwritten.names import INCOMPLETE, PLAIN, Match
from symbackprop.handwritten.reader import Cursor, Reader, split
from symbackprop.handwritten.tokens import ReadError

if TYPE_CHECKING:
    from collections.abc import Callable

    from symbackprop.handwritten.parse import Item, Items

    Factor = Callable[[Reader, Cursor], Node]
    Operand = Callable[[Reader, Cursor], Node | None]

_MOST_AXES = 3
"""Letters in a subscript that may be element indices of a value of unknown shape."""
_LIST = frozenset(("comma", "semicolon"))


def name(reader: Reader, cursor: Cursor, factor: Factor, operand: Operand) -> Node:
    """What begins here with a letter: a name with its scripts and arguments, a differential, an operator."""
    change = _touching_differential(reader, cursor, factor, operand)
    if change is not None:
        return change
    known = _longest(reader, cursor, factor)
    if known is not None:
        return known
    item = cursor.take()
    special = operators.special(reader, cursor, item, factor, operand)
    if special is not None:
        return special
    index = _index(reader, item)
    if index is not None:
        return index
    constant = _constant(reader, cursor, item)
    if constant is not None:
        return constant
    return _unknown(reader, cursor, item)


def _touching_differential(reader: Reader, cursor: Cursor, factor: Factor, operand: Operand) -> Node | None:
    """``dW`` where ``d`` is a size too and no name begins with it: a differential first, a product otherwise."""
    item, following = cursor.peek(), cursor.peek(1)
    if item is None or item.nucleus != ("d",) or not item.bare or following is None or following.kind != "name":
        return None
    run = _run(reader, cursor)
    longer = any(_usable(reader, m) for n in range(2, len(run) + 1) for m in reader.names.find(run[:n]))
    own = [m for m in reader.names.find((item,)) if _usable(reader, m)]
    if longer or not own or following.start != item.end or reader.pick("differential", item.start, 2):
        return None
    before = cursor.place
    cursor.take()
    node = operators.differential(reader, cursor, item, factor, operand)
    if node is None:
        cursor.place = before
    return node


def _run(reader: Reader, cursor: Cursor) -> Items:
    """Letters side by side, up to the first with scripts; a number that touches them counts as one (``W1``)."""
    found: list[Item] = []
    first = cursor.peek()
    most = reader.names.longest.get(first.nucleus[0], 1) if first is not None and first.nucleus else 1
    for item in cursor.items[cursor.place : cursor.place + most]:
        touching = bool(found) and item.kind == "number" and item.start == found[-1].end and not item.fonts
        if item.kind != "name" and not touching:
            break
        found.append(item)
        if not item.bare:
            break
    return tuple(found)


def _longest(reader: Reader, cursor: Cursor, factor: Factor) -> Node | None:
    """The longest known name that begins here."""
    run = _run(reader, cursor)
    start = cursor.place
    for length in range(len(run), 0, -1):
        items = run[:length]
        following = cursor.peek(length)
        found = [m for m in reader.names.find(items, following) if _usable(reader, m)]
        if not _argument_follows(following):
            found = [m for m in found if length == 1 or m.entry.kind != "function"]  # log σ² is no log-sigmoid
            found.sort(key=lambda m: m.entry.kind in {"function", "loss"})
        if not found:
            continue
        listed = following is not None and following.kind == "group" and following.text == "("
        found.sort(key=lambda m: m.entry.arguments and not listed)
        spelled_out = length > 1 and found[0].entry.certainty >= PLAIN and _reads_letter_by_letter(reader, items)
        if spelled_out and not reader.pick("word", items[0].start, 2):
            continue
        best = [m for m in found if m.score[:6] == found[0].score[:6]]
        if found[0].entry.kind in {"let", "scalar"}:
            best = [m for m in best if m.entry.kind == found[0].entry.kind]
        best = _distinct(reader, best)
        match = best[reader.pick("name", items[0].start, len(best))]
        cursor.place = start + length
        return _named(reader, cursor, items, match, factor)
    return None


def _argument_follows(following: Item | None) -> bool:
    """True where a function could have its argument next."""
    return following is not None and following.kind in {*TAKES_ONE, "big"}


def _reads_letter_by_letter(reader: Reader, items: Items) -> bool:
    """True where every letter of a word is a name of its own."""
    return all(
        item.kind == "name"
        and any(m.entry.certainty < INCOMPLETE and _usable(reader, m) for m in reader.names.find((item,)))
        for item in items
    )


def _usable(reader: Reader, match: Match) -> bool:
    """True where what is left of the scripts makes sense."""
    entry = match.entry
    if not _raised(reader, match):
        return False
    if entry.kind == "let":
        if entry.form is not None:
            return not (match.rest_sub or match.rest_sup)
        return not match.rest_sub or _let_indices(reader, match) is not None
    if entry.kind in {"tensor", "element"}:
        return _elements(reader, match) is not None
    if entry.kind == "function":
        return not match.rest_sub or entry.name in {"max", "softmax", "log", "log_softmax", "argmax"}
    if entry.kind == "size":
        return not match.rest_sub and not match.primes
    return not match.rest_sub


def _raised(reader: Reader, match: Match) -> bool:
    """False where what is left above is a layer or a sign, which is no power: ``W^{(2)}``, ``w^+``."""
    sup = match.rest_sup
    if len(sup) == 1 and sup[0].kind in {"sign", "binary"}:
        return False
    if match.entry.kind == "size" or not any(_is_layer(reader, item) for item in sup):
        return True
    return _is_layer(reader, sup[0]) and _batch_axis(reader, match) is not None and not match.rest_sub


def _is_layer(reader: Reader, item: Item) -> bool:
    return (
        item.kind == "group"
        and item.bare
        and item.text in {"(", "[", r"\langle"}
        and reader.form(item.body) is not None
    )


def _batch_axis(reader: Reader, match: Match) -> int | None:
    """The axis of examples of a whole array of several axes."""
    tensor = reader.context.network.tensors.get(match.entry.name)
    if tensor is None or match.entry.kind != "tensor" or len(tensor.axes) < 2:  # noqa: PLR2004 - examples of vectors
        return None
    found = [k for k, axis in enumerate(tensor.axes) if str(axis) == reader.context.network.batch]
    return found[0] if len(found) == 1 else None


def _distinct(reader: Reader, found: list[Match]) -> list[Match]:
    """Readings that differ in meaning; a declared range of an index decides between tensors."""
    result: list[Match] = []
    seen: set[tuple[object, ...]] = set()
    for match in found:
        own = (match.entry.kind in {"tensor", "element"}, match.entry.name, match.indices, match.rest_sub)
        if own not in seen:
            seen.add(own)
            result.append(match)
    over = [m for m in result if _ranges_fit(reader, m)]
    exact = [m for m in result if m.score == result[0].score]
    if len(over) < len(result) and over:
        return over
    return exact if len({m.entry.name for m in exact}) < len({m.entry.name for m in result}) else result


def _ranges_fit(reader: Reader, match: Match) -> bool:
    """True where declared index letters run over the axes on which they stand."""
    tensor = reader.context.network.tensors.get(match.entry.name)
    if tensor is None or match.entry.kind != "element":
        return True
    for slot, axis in zip(match.entry.slots[match.entry.family :], tensor.axes, strict=False):
        atom = match.indices[slot].single if isinstance(slot, int) else None
        over = reader.context.indices.get(atom.name, "") if isinstance(atom, Var) else ""
        if over and over != str(axis) and over not in reader.context.network.tensors:
            return False
    return True


# ---------------------------------------------------------------------------------------------------------------------
# Known names


def _named(reader: Reader, cursor: Cursor, items: Items, match: Match, factor: Factor) -> Node:
    entry = match.entry
    first, last = items[0], items[-1]
    if entry.kind in {"function", "loss"}:
        return applications.function(reader, cursor, items, match, factor)
    if entry.kind == "operator":
        return applications.author_operator(reader, cursor, items, match, factor)
    if entry.kind == "operation":
        return applications.operation(reader, cursor, items, match, factor)
    place = reader.at(first, last)
    node: Node
    if entry.kind == "size":
        form = Affine(0, ((Size(entry.name, match.indices), 1),))
        node = Letter(form=form, **place)
    elif entry.kind == "scalar":
        node = Letter(form=Affine(0, ((Var(entry.name), 1),)), **place)
    elif entry.kind == "let":
        if entry.form is not None:
            return Letter(form=entry.form, **place)
        element = reader.names.sliced(_let_indices(reader, match) or ()) if match.rest_sub else ()
        node = Named(name=entry.name, index=match.indices, element=element, **place)
    else:
        found = _elements(reader, match)
        assert found is not None  # noqa: S101 - only usable readings come here
        family, elements = found
        axis = _batch_axis(reader, match)
        if axis is not None and match.rest_sup and _is_layer(reader, match.rest_sup[0]) and not elements:
            example = reader.form(match.rest_sup[0].body)
            rank = len(reader.context.network.tensors[entry.name].axes)
            axes = reader.context.network.tensors[entry.name].axes
            one = Affine(reader.names.base)
            rest = [one if each == Affine(1) else Slice() for each in axes]
            elements = tuple(example if k == axis and example is not None else rest[k] for k in range(rank))
            match = replace(match, rest_sup=match.rest_sup[1:])
        node = Quantity(tensor=entry.name, family=family, element=elements, **place)
    return _with_arguments(reader, cursor, node, match, last)


def _elements(reader: Reader, match: Match) -> tuple[tuple[Affine, ...], tuple[Affine | Slice, ...]] | None:
    """Family and element indices of a tensor; None where the leftover subscript does not fit its axes."""
    entry = match.entry
    if entry.kind == "element":
        if match.rest_sub:
            return None
        slots: list[Affine | Slice] = [Slice() if isinstance(s, str) else match.indices[s] for s in entry.slots]
        family = tuple(form for form in slots[: entry.family] if isinstance(form, Affine))
        return family, tuple(slots[entry.family :])
    if not match.rest_sub:
        return match.indices, ()
    if not entry.rank:
        return None
    found = reader.names.elements(match.rest_sub, entry.rank)
    if found is None:
        return _example(reader, match) or _of_one_line(reader, match) or _row(reader, match)
    return match.indices, reader.names.sliced(found)


def _of_one_line(reader: Reader, match: Match) -> tuple[tuple[Affine, ...], tuple[Affine | Slice, ...]] | None:
    """``b_i`` of a matrix of one row or column."""
    axes = reader.context.network.tensors[match.entry.name].axes
    long = [k for k, axis in enumerate(axes) if axis != Affine(1)]
    found = reader.names.elements(match.rest_sub, len(long)) if 0 < len(long) < len(axes) else None
    if found is None:
        return None
    given = dict(zip(long, reader.names.sliced(found), strict=True))
    return match.indices, tuple(given.get(k, Affine(reader.names.base)) for k in range(len(axes)))


def _row(reader: Reader, match: Match) -> tuple[tuple[Affine, ...], tuple[Affine | Slice, ...]] | None:
    """``W_j``, a row of a matrix of parameters, where j is an index."""
    tensor = reader.context.network.tensors[match.entry.name]
    if tensor.role != "parameter" or len(tensor.axes) != len(("rows", "columns")):
        return None
    form = reader.names.form(match.rest_sub)
    atom = form.single if form is not None else None
    if form is None or not isinstance(atom, Var) or atom.name not in reader.names.letters:
        return None
    return match.indices, (form, Slice())


def _example(reader: Reader, match: Match) -> tuple[tuple[Affine, ...], tuple[Affine | Slice, ...]] | None:
    """``x_n``, the example number n of a matrix of examples."""
    axis = _batch_axis(reader, match)
    found = reader.names.elements(match.rest_sub, 1)
    if axis is None or not found or isinstance(found[0], tuple):
        return None
    rank = len(reader.context.network.tensors[match.entry.name].axes)
    return match.indices, tuple(found[0] if k == axis else Slice() for k in range(rank))


def _let_indices(reader: Reader, match: Match) -> tuple[Affine | tuple[tuple[str, ...], tuple[str, ...]], ...] | None:
    """Further indices on a name of the author's: as many as its value has axes, where that is known."""
    if match.entry.rank is not None:
        return reader.names.elements(match.rest_sub, match.entry.rank) if match.entry.rank else None
    found = reader.names.elements(match.rest_sub, None) or reader.names.elements(match.rest_sub, 1)
    return found if found and len(found) <= _MOST_AXES else None


def _with_arguments(reader: Reader, cursor: Cursor, node: Node, match: Match, last: Item) -> Node:
    """A tensor with the list of what it depends on, then primes, transposes and powers."""
    following = cursor.peek()
    bare = not match.rest_sup
    if bare and following is not None and following.kind == "group" and following.text == "(":
        listed = _dependences(reader, following, node, declared=match.entry.arguments)
        if listed is not None:
            cursor.take()
            place = reader.at_range(_start(cursor, last), following.end)
            node = replace(node, **place)
            if match.primes == 1 and len(listed) == 1 and reader.context.prime != "transpose":
                node = Derivative(of=node, by=listed[0], explicit=reader.context.explicit, **place)
            else:
                node = _transposed(node, match.primes)
            return atoms.scripted(reader, node, following)
    elif match.primes and reader.context.prime == "derivative":
        reader.fail("this prime is no derivative: nothing declares this name as a function", last)
    node = _transposed(node, match.primes)
    return atoms.powers(reader, node, match.rest_sup, last)


def _start(cursor: Cursor, last: Item) -> int:
    """Where the name began whose last item this is."""
    place = cursor.items.index(last)
    while (
        place > 0
        and cursor.items[place - 1].kind == "name"
        and cursor.items[place - 1].end == cursor.items[place].start
    ):
        place -= 1
    return cursor.items[place].start


def _transposed(node: Node, times: int) -> Node:
    for _ in range(times):
        node = Transpose(of=node, span=node.span, source=node.source + "'")
    return node


def _dependences(reader: Reader, group: Item, node: Node, *, declared: bool) -> tuple[Node, ...] | None:
    """The names in the list after a tensor, where it is a list of what the tensor depends on."""
    parts = [part for part in split(group.body, _LIST) if part]
    if not parts:
        return None
    listed: list[Node] = []
    for part in parts:
        try:
            listed.append(reader.value(part))
        except ReadError:
            return tuple(listed) if declared else None
    if declared or len(parts) > 1:
        return tuple(listed)
    (only,) = listed
    if not group.bare or not isinstance(only, (Quantity, Named, Unknown)) or not isinstance(node, Quantity):
        return None
    network = reader.context.network
    if not network.tensors[node.tensor].axes and not node.element:
        return (only,) if isinstance(only, Unknown) or node.tensor == network.loss else None
    if isinstance(only, Quantity) and not node.element and only.tensor in ancestors(reader, node.tensor):
        return (only,) if network.tensors[node.tensor].role not in {"parameter", "input"} else None
    return None


def ancestors(reader: Reader, tensor: str) -> set[str]:
    """The tensors on which a tensor depends."""
    from symbackprop.notation.letters import elements_of  # noqa: PLC0415 - needs the whole notation, seldom

    found: set[str] = set()
    left = [tensor]
    while left:
        for equation in reader.context.network.definitions(left.pop()):
            for factor in (f for term in equation.terms for f in term.factors):
                for ref in elements_of(factor):
                    if ref.tensor not in found:
                        found.add(ref.tensor)
                        left.append(ref.tensor)
    return found


def _index(reader: Reader, item: Item) -> Node | None:
    """An index letter used as a number."""
    form = reader.form((replace(item, sups=()),)) if item.kind == "name" else None
    if form is None:
        return None
    atom = form.single
    if isinstance(atom, Var) and atom.name.rstrip("'") not in reader.names.letters:
        return None
    node = Letter(form=form, **reader.at(item))
    return atoms.powers(reader, node, tuple(i for group in item.sups for i in group), item)


def _constant(reader: Reader, cursor: Cursor, item: Item) -> Node | None:
    """``e^x``, the identity matrix."""
    del cursor
    if item.nucleus == ("e",) and item.sups and not item.subs and not item.primes:
        above = tuple(i for group in item.sups for i in group)
        if len(above) == 1 and above[0].kind == "group" and reader.form(above[0].body) is not None:
            return None  # a layer or an example, as in e^{(k)}
        exponent = reader.value(tuple(i for group in item.sups for i in group))
        return Call(function="exp", arguments=(exponent,), **reader.at(item))
    if item.nucleus == ("I",) and not item.primes and not item.sups:
        size = reader.form(tuple(i for group in item.subs for i in group)) if item.subs else None
        if not item.subs or size is not None:
            arguments = (Letter(form=size),) if size is not None else ()
            return Operation(name="identity", arguments=arguments, **reader.at(item))
    if item.nucleus == (r"\pi",) and item.bare:
        return Operation(name="pi", arguments=(), **reader.at(item))
    return None


def _unknown(reader: Reader, cursor: Cursor, item: Item) -> Node:
    """A symbol that nothing declares; letters of a word that nothing knows are one symbol."""
    if item.nucleus in {(r"\int",), (r"\oint",), (r"\lim",)}:
        reader.fail(f"'{item.nucleus[0]}' is not read: integrals and limits are not judged", item)
    first = item
    if len(item.nucleus) == 1 and item.bare:
        while (
            (following := cursor.peek()) is not None
            and following.kind == "name"
            and _is_letter(following)
            and following.start == item.end
            and _nothing(reader, following)
        ):
            item = cursor.take()
            if not item.bare:
                break
    last = item
    shown = reader.formula.text[first.start : last.end]
    sup = tuple(i for group in last.sups for i in group)
    if len(sup) == 1 and atoms.is_transpose(sup[0]) and not last.primes:
        end = max(reader.formula.text.rfind("^", first.start, sup[0].start), first.start + 1)
        shown = reader.formula.text[first.start : end].strip()
        node = Unknown(name=shown, **reader.at_range(first.start, end))
        return atoms.powers(reader, node, sup, last)
    return Unknown(name=shown, **reader.at(first, last))


def _is_letter(item: Item) -> bool:
    return len(item.nucleus) == 1 and item.nucleus[0].isalpha()


def _nothing(reader: Reader, item: Item) -> bool:
    return not any(_usable(reader, m) for m in reader.names.find((item,))) and _index(reader, item) is None
