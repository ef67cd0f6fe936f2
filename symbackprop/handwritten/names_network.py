"""The names of a network: its spellings, the patterns of its notation, the usual variants, its names as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from symbackprop.affine import Size
from symbackprop.handwritten.names import (
    INCOMPLETE,
    PLAIN,
    PRESET,
    SPELLED,
    VARIANT,
    Entry,
    EntryKind,
    Hole,
    Names,
    Script,
    Tokens,
    head_of,
)
from symbackprop.handwritten.tokens import ReadError
from symbackprop.index import Opaque
from symbackprop.notation.glyph import latex, named
from symbackprop.notation.preset import load
from symbackprop.notation.spelling import Spelling, key_of
from symbackprop.tables.activations import ACTIVATION, ALIAS
from symbackprop.tables.reductions import AXIS_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from symbackprop.network import Network

OPERATIONS = {
    "diag": "diag",
    "Diag": "diag",
    "diagonal": "diag",
    "tr": "trace",
    "Tr": "trace",
    "trace": "trace",
    "Trace": "trace",
    "vec": "vec",
    "sum": "sum",
    "mean": "mean",
    "avg": "mean",
    "sign": "sign",
    "sgn": "sign",
}


def build(network: Network, notation: str | None = None) -> Names:
    """The names of a network in its notation."""
    spelling = Spelling(network, load(notation or network.notation))
    names = Names(network, spelling.preset.indices.base)
    names.sizes = _sizes(network)
    names.letters = {letter for letter in network.letters.values() if letter not in network.depths}
    names.letters |= {b.hint or b.var for t in network.tensors.values() for b in t.family}
    names.letters |= {x for key in network.latex for x in key_of(key)[1] if x.isalpha()} - set(network.depths)
    for name in network.tensors:
        if network.tensors[name].named:
            _add_tensor(names, spelling, name)
    _add_functions(names, spelling)
    for name, count in names.sizes.items():
        _add_pattern(names, Entry(kind="size", name=name, nucleus=(), count=count), latex(spelling.size(name, count)))
        if not count:
            _add_pattern(names, Entry(kind="size", name=name, nucleus=(), certainty=PLAIN), name.replace("_", r"\_"))
    for word, operation in OPERATIONS.items():
        for nucleus in (tuple(word), ("\\" + word,)):
            names.add(Entry(kind="operation", name=operation, nucleus=nucleus, certainty=PRESET))
    return names


def _sizes(network: Network) -> dict[str, int]:
    """Sizes with their number of indices."""
    found: dict[str, int] = {name: 0 if isinstance(value, int) else 1 for name, value in network.sizes.items()}
    left = [form for tensor in network.tensors.values() for form in tensor.axes]
    left += [limit for t in network.tensors.values() for bound in t.family for limit in (bound.lo, bound.hi)]
    while left:
        for atom, _ in left.pop().terms:
            if isinstance(atom, Size):
                found[atom.name] = len(atom.at)
                left.extend(atom.at)
    return found


def _add_pattern(names: Names, entry: Entry, text: str, letters: Iterable[str] = ()) -> None:
    """A spelling in the table, unless it is none that stands in formulas."""
    try:
        head = head_of(text, letters)
    except ReadError:
        return
    if head.count == entry.count:
        names.add(
            replace(
                entry,
                nucleus=head.nucleus,
                looks=head.looks,
                sub=head.sub,
                sup=head.sup,
                primes=head.primes,
                arguments=head.arguments,
                inner=head.inner,
            )
        )


def _add_tensor(names: Names, spelling: Spelling, name: str) -> None:
    network = names.network
    tensor = network.tensors[name]
    depth, axes = len(tensor.family), len(tensor.axes)
    whole = Entry(
        kind="tensor",
        name=name,
        nucleus=(),
        count=depth,
        family=depth,
        rank=axes,
        slots=tuple(range(depth)),
        certainty=PRESET,
    )
    element = replace(whole, kind="element", count=depth + axes, slots=tuple(range(depth + axes)))
    pattern = spelling.tensor(name)
    if pattern is not None:
        _add_pattern(names, replace(whole, rank=0) if "_over_" in name else whole, latex(pattern))
    for each in spelling.alternatives.get(("tensor", name), ()):
        _add_pattern(names, replace(whole, certainty=SPELLED), latex(each.pattern))
    if axes:
        for each in spelling.elements(name) if "_over_" not in name else ():
            own = tuple(sorted(each.letters.items())) if name in spelling.shared else ()
            _add_pattern(names, replace(element, letters=own), latex(each.pattern))
    for key, texts in network.latex.items():
        own_name, letters = key_of(key)
        if own_name == name:
            for text in texts:
                _add_spelled(names, spelling, replace(whole, certainty=SPELLED), letters, text)
    _add_variants(names, whole)


def _add_spelled(names: Names, spelling: Spelling, whole: Entry, letters: tuple[str, ...], text: str) -> None:
    """A line of ``[latex]``: the whole array, an element, a slice."""
    kept = tuple(x for x in letters if x != ":")
    positions = iter(range(len(kept)))
    slots = tuple(":" if x == ":" else next(positions) for x in letters)
    if len(letters) == whole.family:
        own = frozenset(kept)
        _add_pattern(names, replace(whole, own_letters=own), text, kept)
    elif len(letters) == whole.family + (whole.rank or 0):
        # Documents that define s_j and s_k give them names that say which is over which.
        told = (
            whole.name in spelling.shared
            or _is_shared(names.network, text, kept)
            or (kept and whole.name.endswith("_over_" + "_".join(kept)))
        )
        demanded = tuple(enumerate(kept)) if told else ()
        entry = replace(whole, kind="element", count=len(kept), slots=slots, letters=demanded)
        _add_pattern(names, entry, text, kept)
        if not whole.family and not demanded and ":" not in slots:
            _add_example(names, entry, text, kept)


def _is_shared(network: Network, text: str, letters: tuple[str, ...]) -> bool:
    """True for the spelling of an element that several tensors have, told apart by their letters."""
    own = head_of(text, letters)
    tensors = set()
    for key, texts in network.latex.items():
        name, others = key_of(key)
        kept = tuple(x for x in others if x != ":")
        for other in texts if kept and name in network.tensors else ():
            head = head_of(other, kept)
            if (head.nucleus, head.sub, head.sup, head.primes) == (own.nucleus, own.sub, own.sup, own.primes):
                tensors.add(name)
    return len(tensors) > 1


def _add_example(names: Names, entry: Entry, text: str, letters: tuple[str, ...]) -> None:
    """``x^{(e)}``, a whole example, where ``x_i^{(e)}`` is an element of it."""
    head = head_of(text, letters)
    above = [part.position for part in head.sup if isinstance(part, Hole)]
    if len(above) != 1 or len(letters) != 2 or head.count != 2:  # noqa: PLR2004 - one index above, one below
        return
    sub = tuple(part for part in head.sub if not isinstance(part, Hole))
    while sub and sub[-1] == ",":
        sub = sub[:-1]
    slots: tuple[int | str, ...] = tuple(0 if k == above[0] else ":" for k in range(2))
    sup = tuple(Hole(0, part.offset) if isinstance(part, Hole) else part for part in head.sup)
    names.add(
        replace(entry, nucleus=head.nucleus, looks=head.looks, sub=sub, sup=sup, count=1, slots=slots, certainty=PRESET)
    )


def _add_variants(names: Names, whole: Entry) -> None:
    r"""The name itself, and for families the usual places of a layer: ``W^{(l)}``, ``W^{[l]}``, ``W^l``, ``W_l``."""
    network = names.network
    tensor = network.tensors[whole.name]
    own = {b.hint or b.var for b in tensor.family}
    own |= {x for key in network.latex for n, xs in [key_of(key)] if n == whole.name for x in xs[: len(tensor.family)]}
    stems = {
        _stem(e)
        for entries in list(names.table.values())
        for e in entries
        if e.name == whole.name and e.kind == "tensor" and e.nucleus
    }
    bases = [latex(named(whole.name, style)) for style in ("subscript", "superscript", "bracketed")]
    plain = whole.name.replace("_", r"\_")
    if not whole.family:
        for text in (*bases, plain):
            _add_pattern(names, replace(whole, certainty=PLAIN), text)
        return
    variant = replace(whole, certainty=VARIANT, own_letters=frozenset(own))
    if whole.family == 1:
        for nucleus, looks, sub in sorted(stems, key=str):
            for script in (("(", Hole(0), ")"), ("[", Hole(0), "]"), (r"\langle", Hole(0), r"\rangle"), (Hole(0),)):
                names.add(replace(variant, nucleus=nucleus, looks=looks, sub=sub, sup=script))
            names.add(
                replace(variant, nucleus=nucleus, looks=looks, sub=(*sub, Hole(0)) if not sub else (*sub, ",", Hole(0)))
            )
    for nucleus, looks, sub in sorted(stems, key=str):
        names.add(replace(whole, nucleus=nucleus, looks=looks, sub=sub, count=0, slots=(), certainty=INCOMPLETE))


def _stem(entry: Entry) -> tuple[Tokens, tuple[object, ...], Script]:
    """A family's name without its index."""
    literal = tuple(part for part in entry.sub if not isinstance(part, Hole))
    return entry.nucleus, entry.looks, tuple(p for p in literal if p not in {",", "(", ")"})


def _add_functions(names: Names, spelling: Spelling) -> None:
    network = names.network
    losses = {f.name for e in network.equations for t in e.terms for f in t.factors if isinstance(f, Opaque)}
    for name, row in network.functions.items():
        kind: EntryKind = "loss" if row.kind == "opaque loss" or name in losses else "function"
        entry = Entry(kind=kind, name=name, nucleus=(), count=row.family, family=row.family, certainty=SPELLED)
        _add_pattern(names, entry, latex(spelling.function(name, row.family)))
        _add_pattern(names, replace(entry, certainty=PLAIN, count=0, family=0), name.replace("_", r"\_"))
        for nucleus, looks in (
            sorted(
                {
                    (e.nucleus, e.looks)
                    for es in list(names.table.values())
                    for e in es
                    if e.name == name and e.kind == kind
                },
                key=str,
            )
            if row.family == 1
            else ()
        ):
            for script in ((Hole(0),), ("[", Hole(0), "]"), ("(", Hole(0), ")")):
                names.add(replace(entry, nucleus=nucleus, looks=looks, sup=script, certainty=PRESET))
            names.add(replace(entry, nucleus=nucleus, looks=looks, sub=(Hole(0),), certainty=PRESET))
    taken = {e.nucleus for es in names.table.values() for e in es if e.kind in {"function", "loss"}}
    for name in (*ACTIVATION, *AXIS_FUNCTION):
        entry = Entry(kind="function", name=name, nucleus=(), certainty=PRESET)
        for text in (latex(spelling.function(name)), *network.latex.get(name, ())):
            if head_nucleus(text) not in taken:
                _add_pattern(names, entry, text)
    for alias, name in (*((n, n) for n in (*ACTIVATION, *AXIS_FUNCTION)), *ALIAS.items()):
        entry = Entry(kind="function", name=name, nucleus=tuple(alias.replace("_", "")), certainty=PRESET)
        for nucleus in {entry.nucleus, ("\\" + alias,), tuple(alias.capitalize().replace("_", ""))}:
            names.add(replace(entry, nucleus=nucleus))


def head_nucleus(text: str) -> Tokens:
    """The nucleus of a spelling; () where it is none."""
    try:
        return head_of(text).nucleus
    except ReadError:
        return ()
