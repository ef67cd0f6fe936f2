"""What stands under and over a sum sign, and conditions on indices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Var, var
from symbackprop.handwritten.expression import Condition, Letter, Node
from symbackprop.handwritten.reader import Reader, split
from symbackprop.handwritten.tokens import ReadError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.handwritten.parse import Item, Items

COMPARISONS = {
    "=": "=",
    r"\ne": "≠",
    r"\neq": "≠",
    "≠": "≠",
    "<": "<",
    r"\lt": "<",
    ">": ">",
    r"\gt": ">",
    r"\le": "≤",
    r"\leq": "≤",
    r"\leqslant": "≤",
    "≤": "≤",
    "<=": "≤",
    r"\ge": "≥",
    r"\geq": "≥",
    r"\geqslant": "≥",
    "≥": "≥",
    ">=": "≥",
    r"\equiv": "=",
}
_MIRROR = {"=": "=", "≠": "≠", "<": ">", ">": "<", "≤": "≥", "≥": "≤"}
_SEPARATORS = frozenset(("comma", "semicolon", "colon"))


@dataclass(slots=True)
class Range:
    """One index of a sum: None for a sum without any."""

    letter: str | None
    lo: Affine | None = None
    hi: Affine | None = None
    conditions: tuple[Condition, ...] = ()


def comparison(text: str) -> str | None:
    r"""The sign of a comparison, ``≤`` for ``\leq``; None for another relation."""
    if text.startswith(r"\not"):
        return "≠"
    return COMPARISONS.get(text)


def limits(reader: Reader, item: Item) -> list[Range]:
    """The indices of a sum sign with their limits, outermost first.

    Raises: ReadError for what is no range.
    """
    if not item.subs and not item.sups:
        return [Range(None)]
    below = tuple(i for group in item.subs for i in group)
    found: list[Range] = []
    for part in split(below, _SEPARATORS):
        if part:
            _add_range(reader, part, found, item)
    if not found:
        found.append(Range(None))
    above = tuple(i for group in item.sups for i in group)
    if above:
        _upper(reader, above, found, item)
    return found


def _upper(reader: Reader, above: Items, found: list[Range], item: Item) -> None:
    parts = [part for part in split(above, _SEPARATORS) if part]
    open_ends = [each for each in found if each.hi is None and each.lo is not None] or found
    if len(parts) not in {1, len(open_ends)}:
        reader.fail("limits and indices of this sum differ in number", item)
    for k, each in enumerate(open_ends):
        forms = _extremes(reader, parts[min(k, len(parts) - 1)], r"\min")
        if not forms:
            reader.fail("the upper limit is not an index", above[0])
        each.hi = forms[0]
        if each.letter is not None:
            each.conditions += tuple(_bound(each.letter, "≤", form) for form in forms[1:])
        if each.lo is None and each.letter is not None:
            each.lo = Affine(reader.context.base)


def _add_range(reader: Reader, part: Items, found: list[Range], item: Item) -> None:
    relations = [k for k, each in enumerate(part) if each.kind == "relation"]
    if not relations:
        letters = list(_letters(reader, part))
        if not letters:
            reader.fail("this is no index to sum over", part[0])
        found.extend(Range(letter) for letter in letters)
        return
    left, sign = part[: relations[0]], part[relations[0]]
    right = part[relations[0] + 1 :]
    known = {each.letter: each for each in found}
    if sign.text in {r"\in", "∈"}:
        for letter in _letters(reader, left):
            found.append(Range(letter))
            _from_set(reader, right, found[-1])
        return
    conditions = _from_greatest(reader, left, sign, right) or chain(reader, part)
    if not conditions:
        reader.fail("this is no range", item)
    sides = [c.left for c in conditions] + [c.right for c in conditions]
    letters = [x for x in map(_letter_of, sides) if x]
    own_letter = max(letters, key=letters.count, default=None)  # of t ≥ i > k the one in the middle
    if own_letter is None:
        reader.fail("this is no range", item)
    own = known.get(own_letter)
    if own is None and not (found and any(c.sign == "≠" for c in conditions)):
        own = Range(own_letter)
        found.append(own)
    own = own or found[-1]
    for each in conditions:
        _narrow(own, each)


def _from_greatest(reader: Reader, left: Items, sign: Item, right: Items) -> tuple[Condition, ...]:
    r"""``k = \max(a, b)`` below a sum sign: k starts at both."""
    letters = list(_letters(reader, left))
    forms = _extremes(reader, right, r"\max") if sign.text == "=" and len(letters) == 1 else ()
    return tuple(_bound(letters[0], "≥", form) for form in forms) if len(forms) > 1 else ()


def _extremes(reader: Reader, items: Items, function: str) -> tuple[Affine, ...]:
    r"""The indices of ``\max(a, b)``, or an index alone; () for anything else."""
    if len(items) == 2 and items[0].text == function and items[1].kind == "group":  # noqa: PLR2004 - with its list
        parts = split(items[1].body, _SEPARATORS)
    else:
        parts = [items]
    forms = [reader.form(part) for part in parts]
    known = tuple(form for form in forms if form is not None)
    return known if len(known) == len(forms) else ()


def _bound(letter: str, sign: str, form: Affine) -> Condition:
    return Condition(left=Letter(form=var(letter)), sign=sign, right=Letter(form=form))


def _narrow(own: Range, condition: Condition) -> None:
    """A limit, or a condition where it is none."""
    sign, other = condition.sign, condition.right
    if _letter_of(condition.left) != own.letter:
        sign, other = _MIRROR[sign], condition.left
        if _letter_of(condition.right) != own.letter:
            own.conditions = (*own.conditions, condition)
            return
    form = other.form if isinstance(other, Letter) else None
    if form is None or sign == "≠":
        own.conditions = (*own.conditions, condition)
    elif sign == "=" or (sign in {"≥", ">"} and own.lo is None):
        own.lo = form + 1 if sign == ">" else form
    elif sign in {"≤", "<"} and own.hi is None:
        own.hi = form - 1 if sign == "<" else form
    else:
        own.conditions = (*own.conditions, condition)


def _from_set(reader: Reader, right: Items, own: Range) -> None:
    r"""``i \in \{1, …, n\}`` has limits; ``n \in N`` has none."""
    if len(right) == 1 and right[0].kind == "group":
        parts = [part for part in split(right[0].body, frozenset(("comma",))) if part]
        if len(parts) > 2 and any(part[0].kind == "dots" for part in parts):  # noqa: PLR2004 - both ends and the dots
            own.lo, own.hi = reader.form(parts[0]), reader.form(parts[-1])


def _letters(reader: Reader, part: Items) -> Iterator[str]:
    """The index letters of ``ij``."""
    for item in part:
        form = reader.form((item,))
        atom = form.single if form is not None else None
        if atom is not None:
            yield atom.name


def _letter_of(node: Node) -> str | None:
    atom = node.form.single if isinstance(node, Letter) else None
    return atom.name if isinstance(atom, Var) else None


def chain(reader: Reader, items: Items) -> tuple[Condition, ...] | None:
    """``1 ≤ i < n`` as conditions; None where it is no comparison of readable sides."""
    sides: list[list[Item]] = [[]]
    signs: list[Item] = []
    for item in items:
        if item.kind == "relation":
            signs.append(item)
            sides.append([])
        else:
            sides[-1].append(item)
    if not signs or not all(sides):
        return None
    marks = [comparison(sign.text) for sign in signs]
    known = [mark for mark in marks if mark is not None]
    if len(known) < len(marks):
        return None
    try:
        values = [index_or_value(reader, tuple(side)) for side in sides]
    except ReadError:
        return None
    return tuple(
        Condition(left=values[k], sign=known[k], right=values[k + 1], **reader.at(sides[k][0], sides[k + 1][-1]))
        for k in range(len(known))
    )


def index_or_value(reader: Reader, items: Items) -> Node:
    """An index where it is one, else a value."""
    form = reader.form(items)
    named = any(
        m.entry.kind in {"tensor", "element", "let"}
        for i in items
        if i.kind == "name" and i.subs
        for m in reader.names.find((i,))
    )
    if form is not None and not named:
        return Letter(form=form, **reader.at(items[0], items[-1]))
    return reader.value(items)
