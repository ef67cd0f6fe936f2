"""Brackets, quotients, derivatives, arrays, norms: parts of a formula that their form alone makes known."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from symbackprop.handwritten import author_operators
from symbackprop.handwritten.expression import (
    Applied,
    Array,
    Call,
    Cases,
    Condition,
    Derivative,
    Letter,
    Node,
    Number,
    Operation,
    Power,
    Product,
    Quantity,
    Quotient,
    Slice,
    Sum,
    Transpose,
)
from symbackprop.handwritten.limits import chain
from symbackprop.handwritten.parse import Item, Items, tokens
from symbackprop.handwritten.reader import DOTS, TRANSPOSES, Cursor, Reader, split
from symbackprop.handwritten.tokens import ReadError

_LIST = frozenset(("comma", "semicolon"))
MOST_DIGITS = 100
"""Digits of a number that is read."""
_ONES = frozenset(
    ("mathbf", "mathbb", "bm", "boldsymbol", "vec", "mathbbm", "mathds", "bf", "bold", "pmb", "overrightarrow")
)
_INDICATORS = frozenset(("mathbb", "mathbbm", "mathds", "mathbf", "bm", "boldsymbol", "mathrm", "bf"))
_MATRICES = frozenset(
    ("matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix", "array", "psmallmatrix", "bsmallmatrix")
)
_CASES = frozenset(("cases", "dcases", "rcases", "drcases"))
_ALIGNED = frozenset(("aligned", "split", "gathered", "alignedat", "align", "gather", "multline", "equation"))
_EXPLICIT = frozenset(("explicit", "direct", "immediate"))
_OTHERWISE = frozenset(("otherwise", "else", "elsewhere"))
_IF = frozenset(("if", "for", "when", "where", "as", "with"))


def atom(reader: Reader, cursor: Cursor) -> Node:
    """A number, a bracket, a root or an array, with its scripts."""
    item = cursor.take()
    if item.kind == "number":
        return _number(reader, cursor, item)
    if item.kind == "group":
        return _bracketed(reader, cursor, item)
    if item.kind == "root":
        if item.under:
            reader.fail("only square roots are read", item)
        inside = reader.value(item.body)
        half = Number(value=Fraction(1, 2))
        return scripted(reader, Power(base=inside, exponent=half, **reader.at(item)), item)
    if item.kind == "array":
        return scripted(reader, array(reader, item), item)
    if item.kind == "empty":
        reader.fail("a script without a letter before it", item)
    return reader.fail(f"'{reader.formula.text[item.start : item.end]}' does not fit here", item)


def _number(reader: Reader, cursor: Cursor, item: Item) -> Node:
    """A number; a bold 1 is the vector of ones, or an indicator before a condition."""
    following = cursor.peek()
    marked = set(item.fonts) & (_ONES | _INDICATORS)
    if item.text == "1" and (marked or (following is not None and following.text == r"\{")):
        condition = indicator(reader, cursor, item)
        if condition is not None:
            return condition
        if set(item.fonts) & _ONES:
            size = reader.form(tuple(i for each in item.subs for i in each)) if item.subs else None
            arguments = (Letter(form=size),) if size is not None else ()
            ones = Operation(name="ones", arguments=arguments, **reader.at(item))
            return scripted(reader, ones, replace(item, subs=()))
    if item.subs:
        reader.fail("a number with an index", item)
    if len(item.text) > MOST_DIGITS:
        reader.fail(f"a number of more than {MOST_DIGITS} digits is not read", item)
    digits = len(item.text.partition(".")[2]) if "." in item.text else None
    node = Number(
        value=Fraction(item.text if not item.text.startswith(".") else "0" + item.text),
        digits=digits,
        **reader.at_range(item.start, item.start + len(item.text)),
    )
    return scripted(reader, node, item)


def indicator(reader: Reader, cursor: Cursor, item: Item) -> Node | None:
    r"""``\mathbb{1}(i = j)``, ``\mathbf 1_{i=j}``, ``1\{y = k\}``: a condition after a sign or in its index."""
    following = cursor.peek()
    inside: Items = ()
    if item.subs and any(i.kind == "relation" for i in item.subs[0]):
        inside = item.subs[0]
    elif following is not None and following.kind == "group" and any(i.kind == "relation" for i in following.body):
        inside = following.body
        cursor.take()
    if not inside:
        return None
    end = cursor.items[cursor.place - 1]
    return _indicator(reader, inside, item, end)


def _indicator(reader: Reader, inside: Items, first: Item, last: Item) -> Node:
    found = chain(reader, inside)
    if not found:
        reader.fail("this condition cannot be read", inside[0])
    nodes: Node | None = None
    for condition in found:
        one = Operation(name="indicator", arguments=(), condition=condition, **reader.at(first, last))
        nodes = one if nodes is None else _times(nodes, one)
    assert nodes is not None  # noqa: S101 - there is a condition
    return nodes


def _times(left: Node, right: Node) -> Node:
    return Product(factors=(left, right), signs=("juxtaposition", "juxtaposition"), span=left.span, source=left.source)


# ---------------------------------------------------------------------------------------------------------------------
# Brackets


def _bracketed(reader: Reader, cursor: Cursor, item: Item) -> Node:
    """Brackets with their scripts, or an operator of the author's that is written with brackets."""
    for scripts in range(len(item.subs), -1, -1):
        own = replace(item, subs=item.subs[:scripts], sups=(), primes=0)
        operator = author_operators.brackets(reader, own)
        if operator is not None:
            arguments = tuple(map(reader.value, author_operators.arguments_in(item)))
            node: Node = author_operators.applied(operator, arguments, reader.at(item))
            return scripted(
                reader, author_operators.indexed(reader, cursor, node, item), replace(item, subs=item.subs[scripts:])
            )
    return scripted(reader, author_operators.indexed(reader, cursor, group(reader, item), item), item)


def group(reader: Reader, item: Item) -> Node:  # noqa: C901, PLR0912 - one branch a kind of brackets
    """What a pair of brackets or bars holds, without scripts."""
    place = reader.at_range(item.start, item.end)
    if not item.body:
        reader.fail("nothing between these brackets", item)
    if item.text == r"\|":
        return Operation(name="norm", arguments=(reader.value(item.body),), **place)
    if item.text == "|":
        return Call(function="abs", arguments=(reader.value(item.body),), **place)
    if item.text in {r"\lceil", r"\lfloor"}:
        reader.fail("rounding is not read", item)
    if item.closing in {"|", r"\|"}:
        words = {i.text for each in item.subs for i in each}
        inside = reader.value(item.body) if words and words <= _EXPLICIT else None
        if isinstance(inside, Derivative):
            return replace(inside, explicit=True)
        reader.fail("values at a point are not read; put the argument in brackets", item)
    parts = [part for part in split(item.body, _LIST) if part]
    if item.text == r"\langle":
        if len(parts) != 2:  # noqa: PLR2004 - an inner product has two sides
            reader.fail("an inner product needs two sides", item)
        return Operation(name="inner", arguments=tuple(map(reader.value, parts)), **place)
    if any(i.kind == "relation" for i in item.body):
        if item.text == "[":
            return _indicator(reader, item.body, item, item)
        reader.fail("a relation inside brackets", next(i for i in item.body if i.kind == "relation"))
    if len(parts) > 1:
        if item.text != "[":
            reader.fail("a list where a value is expected", item)
        return Operation(name="concat", arguments=tuple(map(reader.value, parts)), **place)
    if item.text == r"\{" and len(item.body) == 1 and item.body[0].kind == "array" and not item.closing:
        return cases(reader, item.body[0])
    return reader.value(parts[0] if parts else item.body)


# ---------------------------------------------------------------------------------------------------------------------
# Scripts on anything but names


def scripted(reader: Reader, node: Node, item: Item) -> Node:
    """A node with the scripts of its item: elements, primes, transposes, powers."""
    place = reader.at_range(item.start, item.end)
    subs = tuple(group for group in item.subs if not _ignored_sub(node, group))
    if isinstance(node, Operation) and node.name == "norm" and subs:
        form = reader.form(subs[0])
        if form is None or len(subs) > 1:
            reader.fail("this norm is not read", item)
        node = replace(node, arguments=(*node.arguments, Letter(form=form)))
        subs = ()
    if subs:
        node = _element(reader, node, subs, item)
    for _ in range(item.primes):
        if reader.context.prime == "derivative":
            reader.fail("a prime here is no derivative", item)
        node = Transpose(of=node, **place)
    return powers(reader, node, tuple(i for each in item.sups for i in each), item)


def _ignored_sub(node: Node, group: Items) -> bool:
    if isinstance(node, Derivative) and node.explicit and {i.text for i in group} <= _EXPLICIT:
        return True
    return isinstance(node, Operation) and node.name == "norm" and tokens(group) in {("2",), ("F",)}


def _element(reader: Reader, node: Node, subs: tuple[Items, ...], item: Item) -> Node:
    r"""``[X^T Y]_{i,j}``."""
    text: tuple[str, ...] = ()
    for each in subs:
        text += ((",",) if text else ()) + tokens(each)
    counts = (node.rank,) if isinstance(node, Applied) and node.rank else (None, 1, 2)
    options = (reader.names.elements(text, count) for count in counts)
    found = next((f for f in options if f), None)
    if not found:
        reader.fail("this index cannot be read", item)
    arguments: list[Node] = []
    for each_form in found:
        if isinstance(each_form, tuple):
            lo, hi = (reader.names.form(end) if end else None for end in each_form)
            arguments.append(Slice(lo=lo, hi=hi))
        else:
            arguments.append(Letter(form=each_form))
    forms = tuple(form for form in found if not isinstance(form, tuple))
    place = reader.at_range(item.start, item.end)
    if isinstance(node, Applied) and node.rank and not node.index:
        return replace(node, index=forms, **place)
    inner = node.of if isinstance(node, Transpose) else node
    own = forms[::-1] if isinstance(node, Transpose) else forms
    if (
        isinstance(inner, Quantity)
        and not inner.element
        and len(own) == len(reader.context.network.tensors[inner.tensor].axes)
    ):
        return replace(inner, element=own, **place)
    return Operation(name="element", arguments=(node, *arguments), **place)


def powers(reader: Reader, node: Node, sup: Items, item: Item) -> Node:
    """Transposes and powers in a superscript."""
    place = reader.at_range(item.start, item.end)
    sup = tuple(i for i in sup if i.kind != "comma")
    if not sup:
        return node
    if is_transpose(sup[-1]) or (len(sup) == 1 and _small_transpose(reader, sup[0])):
        before = sup[:-1]
        if before and before[-1].kind == "sign" and before[-1].text == "-":
            node = Power(base=node, exponent=Number(value=Fraction(-1)), **place)
            before = before[:-1]
        return Transpose(of=powers(reader, node, before, item), **place)
    if is_transpose(sup[0]) and sup[0].bare:
        return powers(reader, Transpose(of=node, **place), sup[1:], item)
    if len(sup) > 1 and sup[0].text in {r"\circ", r"\odot", "∘", "⊙"}:
        sup = sup[1:]  # an entrywise power; so are all powers of arrays here
    if len(sup) == 1 and sup[0].kind == "binary":
        reader.fail(f"'{sup[0].text}' as a superscript is not read", item)
    exponent = reader.value(sup)
    if isinstance(exponent, Sum) and exponent.signs == (-1,) and isinstance(exponent.terms[0], Number):
        exponent = replace(exponent.terms[0], value=-exponent.terms[0].value)
    return Power(base=node, exponent=exponent, **place)


def _small_transpose(reader: Reader, item: Item) -> bool:
    """``X^t`` where t is nothing else."""
    own = item.nucleus == ("t",) and item.bare and "t" not in reader.names.letters
    return own and not reader.names.find((item,))


def is_transpose(item: Item) -> bool:
    """True for the signs of a transpose."""
    small = item.nucleus == ("t",) and bool(set(item.fonts) & {"mathrm", "mathsf", "text", "mathtt", "rm", "sf"})
    return item.kind == "name" and item.bare and (item.nucleus in TRANSPOSES or small)


# ---------------------------------------------------------------------------------------------------------------------
# Quotients and derivatives


def is_differential_sign(item: Item) -> bool:
    r"""True for ``\partial`` and ``d``."""
    return item.kind == "name" and not item.subs and item.nucleus in {(r"\partial",), ("d",)} and not item.primes


def fraction(reader: Reader, item: Item) -> Node:
    """A quotient, or a derivative where both sides begin with a differential sign."""
    above, under = _unwrapped(item.body), _unwrapped(item.under)
    if not under:
        reader.fail("nothing below this bar", item)
    if not above:
        reader.fail("nothing above this bar", item)
    place = reader.at(item.without_scripts())
    if is_differential_sign(under[0]) and len(under) > 1:
        if is_differential_sign(above[0]):
            return _derivative(reader, above, under, item)
        if under[0].nucleus == (r"\partial",):
            shown = reader.formula.text[above[0].start : above[-1].end]
            sign = reader.formula.text[under[0].start : under[0].end]
            message = (
                f"'{shown}' stands above a bar with '{sign}' below, which is no derivative; write '{sign} {shown}'"
            )
            raise ReadError(message, item.start, item.end, insert=(above[0].start, sign + " "))
    return Quotient(over=reader.value(above), under=reader.value(under), **place)


def _unwrapped(items: Items) -> Items:
    while len(items) == 1 and items[0].kind == "group" and items[0].text == "{" and items[0].bare:
        items = items[0].body
    return items


def _derivative(reader: Reader, above: Items, under: Items, item: Item) -> Node:
    """First and higher derivatives, with or without what is differentiated."""
    place = reader.at(item.without_scripts())
    variables = _variables(reader, under)
    order, explicit = _order(reader, above[0])
    rest = above[1:]
    if order != len(variables):
        reader.fail(f"a derivative of order {order} by {len(variables)} variable(s)", item)
    bys = [reader.value(each) for each in variables]
    of = _differentiated(reader, rest, bys[-1]) if rest else None
    node: Node | None = of
    for by in reversed(bys):
        node = Derivative(of=node, by=by, explicit=explicit or reader.context.explicit, **place)
    assert node is not None  # noqa: S101 - there is a variable
    return node


def _differentiated(reader: Reader, items: Items, by: Node) -> Node:
    r"""What stands after the sign; a function alone is taken of what it is differentiated by."""
    if len(items) == 1 and items[0].bare:
        found = reader.names.find(items)
        if found and found[0].entry.kind in {"function", "loss"} and not found[0].rest_sub:
            name = found[0].entry.name
            arguments = reader.loss_arguments(name) if found[0].entry.kind == "loss" else (by,)
            return Call(function=name, arguments=arguments or (by,), family=found[0].indices, **reader.at(items[0]))
    return reader.value(items)


def _order(reader: Reader, sign: Item) -> tuple[int, bool]:
    r"""The order of a derivative; ``\partial^+`` holds everything else fixed."""
    sup = tuple(i for each in sign.sups for i in each)
    if not sup:
        return 1, False
    if len(sup) == 1 and sup[0].text == "+":
        return 1, True
    if len(sup) == 1 and sup[0].kind == "number" and sup[0].text.isdigit():
        return int(sup[0].text[:2]), False
    return reader.fail("the order of this derivative is not a number", sign)


def _variables(reader: Reader, under: Items) -> list[Items]:
    r"""What is differentiated by: ``\partial x \partial y``, ``\partial x^2``."""
    found: list[list[Item]] = []
    for k, item in enumerate(under):
        if is_differential_sign(item) and (k == 0 or item.nucleus == under[0].nucleus) and k + 1 < len(under):
            found.append([])
        else:
            found[-1].append(item)
    result: list[Items] = []
    for part in found:
        if not part:
            reader.fail("nothing to differentiate by", under[0])
        *before, last = part
        power = tuple(i for each in last.sups for i in each)
        if (
            not before
            and len(found) == 1
            and len(power) == 1
            and power[0].kind == "number"
            and power[0].text in {"2", "3", "4"}
            and not _names_power(reader, tuple(part))
        ):
            result += [(replace(last, sups=()),)] * int(power[0].text)
        else:
            result.append(tuple(part))
    return result


def _names_power(reader: Reader, part: Items) -> bool:
    """True where the 2 is part of the name."""
    return any(not m.rest_sup for m in reader.names.find(part)) if part[0].kind == "name" else True


# ---------------------------------------------------------------------------------------------------------------------
# Arrays and cases


def array(reader: Reader, item: Item) -> Node:
    """An explicit matrix, or cases."""
    if item.text in _CASES:
        return cases(reader, item)
    if item.text in _ALIGNED:
        return reader.value(tuple(i for row in item.rows for cell in row for i in cell))
    if item.text not in _MATRICES:
        reader.fail(f"the environment '{item.text}' is not read", item)
    rows = [tuple(_cell(reader, cell, item) for cell in row) for row in item.rows]
    if not rows:
        reader.fail("this matrix is empty", item)
    return Array(rows=tuple(rows), **reader.at_range(item.start, item.end))


def _cell(reader: Reader, cell: Items, item: Item) -> Node:
    if not cell or all(each.kind == "dots" for each in cell):
        place = reader.at(cell[0], cell[-1]) if cell else reader.at_range(item.start, item.start)
        return Operation(name=DOTS, arguments=(), **place)
    return reader.value(cell)


def cases(reader: Reader, item: Item) -> Node:
    """Values with conditions."""
    rows: list[tuple[Node, tuple[Condition, ...] | None]] = []
    for row in item.rows:
        value, *rest = row
        condition = tuple(i for cell in rest for i in cell)
        if not rest:
            value, condition = _cut_at_prose(value)
        while value and value[-1].kind in {"comma", "semicolon", "stop"}:
            value = value[:-1]
        if not value:
            reader.fail("a case without a value", item)
        rows.append((reader.value(value), conditions(reader, condition)))
    return Cases(rows=tuple(rows), **reader.at_range(item.start, item.end))


def _cut_at_prose(items: Items) -> tuple[Items, Items]:
    place = next((k for k, i in enumerate(items) if i.kind in {"text", "comma"}), len(items))
    return items[:place], items[place:]


def conditions(reader: Reader, items: Items) -> tuple[Condition, ...] | None:
    """The conditions of a case: () for "otherwise", None for prose that is not read."""
    found: list[Condition] = []
    parts: list[list[Item]] = [[]]
    for item in items:
        if item.kind == "text" or _spells_otherwise(item):
            words = (item.text or "").lower().replace(",", " ").split()
            if any(word in _OTHERWISE for word in words):
                return ()
            if set(words) <= {*_IF, "and", "is"}:
                parts.append([])
                continue
            return None
        if item.kind in _LIST or item.nucleus in {(r"\land",), (r"\wedge",)}:
            parts.append([])
        elif item.kind != "stop":
            parts[-1].append(item)
    for part in parts:
        if not part:
            continue
        try:
            more = chain(reader, tuple(part))
        except ReadError:
            more = None
        if more is None:
            return None
        found += more
    return tuple(found)


def _spells_otherwise(item: Item) -> bool:
    return item.kind == "name" and "".join(item.nucleus).lower() in _OTHERWISE
