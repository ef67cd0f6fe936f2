"""Which letter each running index of an equation gets: the author's where there is one, never one twice.

Free indices choose first, in the order of the left side, then the bound ones of each term. An index asks for the letter
of its axis, of the elements it runs through, the author's hint, then for the preset's letters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sympy as sp

from symbackprop.affine import Size, Var
from symbackprop.index import Along, Apply, Opaque, Ref, Value, primal_name, slot
from symbackprop.notation.spelling import opaque_use, primal_element, single_letter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from symbackprop.affine import Affine
    from symbackprop.index import Equation, Factor, Term
    from symbackprop.notation.spelling import Spelling


def elements_of(factor: Factor) -> Iterator[Ref]:
    """The elements a factor reads; those of whole arrays have placeholders for their axes."""
    if isinstance(factor, Ref):
        yield factor
    elif isinstance(factor, Apply):
        yield from (arg for arg in factor.args if isinstance(arg, Ref))
    elif isinstance(factor, Along):
        yield factor.arg
    elif isinstance(factor, Opaque):
        yield from factor.args


def primal_elements(spelling: Spelling, factor: Factor) -> list[Ref]:
    """The elements a factor reads; those by which it differentiates, for adjoints."""
    return [primal_element(spelling.network, ref) for ref in elements_of(factor)]


def family_count(spelling: Spelling, name: str) -> int:
    """Number of family indices of a tensor, adjoint or partial derivative."""
    primal = primal_name(name)
    function, slash, _ = primal.partition("/")
    if slash:
        primal = opaque_use(spelling.network, function)[0].lhs.tensor
    tensor = spelling.network.tensors.get(primal)
    return len(tensor.family) if tensor else 0


def family_variables(spelling: Spelling, refs: Iterable[Ref], forms: Iterable[Affine] = ()) -> frozenset[str]:
    """Indices that stand for a layer or time step: they occur in a family position, or inside a size (``n[l]``)."""
    found: set[str] = set()
    for ref in refs:
        for form in ref.index[: family_count(spelling, ref.tensor)]:
            found |= form.variables
    for form in forms:
        for atom, _ in form.terms:
            if not isinstance(atom, Var):
                for inner in atom.at:
                    found |= inner.variables
    return frozenset(found)


def equation_families(spelling: Spelling, equation: Equation) -> tuple[frozenset[str], ...]:
    """For each term, the layer and time indices in it; a free index is one everywhere if it is one somewhere."""
    free = {v for form in equation.lhs.index for v in form.variables}
    shared = set(family_variables(spelling, [primal_element(spelling.network, equation.lhs)]))
    found = [_term_families(spelling, term) for term in equation.terms]
    for term, own in zip(equation.terms, found, strict=True):
        free |= term.variables
        shared |= own - {b.var for b in term.bounds}
    shared &= free
    return tuple(frozenset(shared | own) for own in found) or (frozenset(shared),)


def layers_of(factor: Apply) -> list[Value]:
    """The indices that say which layer's function is applied (a one-hot entry has a place, no layer)."""
    slots = {
        each
        for call in sp.preorder_traversal(factor.template)
        if getattr(call, "row", "onehot") != "onehot"
        for each in call.args[:-1]
    }
    return [arg for k, arg in enumerate(factor.args) if isinstance(arg, Value) and slot(k) in slots]


def _term_families(spelling: Spelling, term: Term) -> frozenset[str]:
    refs = [ref for factor in term.factors for ref in primal_elements(spelling, factor)]
    found = set(family_variables(spelling, refs, [limit for b in term.bounds for limit in (b.lo, b.hi)]))
    for factor in term.factors:
        if isinstance(factor, Apply):
            found |= {v for arg in layers_of(factor) for v in arg.form.variables}
    return frozenset(found)


def assign(spelling: Spelling, equation: Equation) -> tuple[dict[str, str], ...]:
    """For each term, the printed letter of every index in it; the letters of free indices are the same in all."""
    families = equation_families(spelling, equation)
    refs = [
        primal_element(spelling.network, equation.lhs) if equation.lhs.tensor else equation.lhs,
        *(r for t in equation.terms for f in t.factors for r in primal_elements(spelling, f)),
    ]
    free: dict[str, str] = {}
    names = [v for form in equation.lhs.index for v in _in_order(form)]
    names += [v for term in equation.terms for v in sorted(term.variables) if v not in names]
    hints = {b.var: b.hint for b in equation.ranges}
    for name in dict.fromkeys(names):
        free[name] = _choose(spelling, name, refs, hints.get(name, ""), set(free.values()), family=name in families[0])
    if not equation.terms:
        return (free,)
    return tuple(
        _with_bounds(spelling, refs[0], term, free, own) for term, own in zip(equation.terms, families, strict=True)
    )


def _with_bounds(
    spelling: Spelling, lhs: Ref, term: Term, free: dict[str, str], families: frozenset[str]
) -> dict[str, str]:
    refs = [lhs, *(ref for factor in term.factors for ref in primal_elements(spelling, factor))]
    mapping = dict(free)
    for bound in term.bounds:
        taken = set(mapping.values())
        mapping[bound.var] = _choose(spelling, bound.var, refs, bound.hint, taken, family=bound.var in families)
    return mapping


def _in_order(form: Affine) -> list[str]:
    outside = [atom.name for atom, _ in form.terms if isinstance(atom, Var)]
    return [*outside, *sorted(form.variables - set(outside))]


def _choose(  # noqa: PLR0913 - all that a letter depends on
    spelling: Spelling, name: str, refs: list[Ref], hint: str, taken: set[str], *, family: bool
) -> str:
    own = list(dict.fromkeys(_author_letters(spelling, name, refs)))
    demanded = [x for x in own if x]
    wished = [] if family else [*_layer_letters(spelling, name, refs)]
    for candidate in [*demanded, *wished, *([hint] if hint and hint not in spelling.sizes else [])]:
        if candidate not in taken:
            return candidate
    if demanded and _is_typed(spelling, name, refs):
        return _primed(demanded[0], taken)
    indices = spelling.preset.indices
    pool = spelling.preset.families.letters if family else indices.letters
    if not family and _on_batch(spelling, name, refs):
        pool = (*indices.examples, *pool)
    for candidate in pool:
        if candidate not in taken and candidate not in spelling.reserved:
            return candidate
    return _primed((demanded or [pool[0]])[0], taken)


def _primed(stem: str, taken: set[str]) -> str:
    candidate = stem + "'"
    while candidate in taken:
        candidate += "'"
    return candidate


def _positions(name: str, refs: list[Ref]) -> Iterator[tuple[Ref, int]]:
    for ref in refs:
        for position, form in enumerate(ref.index):
            atom = form.single
            if isinstance(atom, Var) and atom.name == name:
                yield ref, position


def _layer_letters(spelling: Spelling, name: str, refs: list[Ref]) -> Iterator[str]:
    """The preset's letter for units of the layer before, at or after that of the left side."""
    letters = spelling.preset.indices.layers
    here = {single_letter(form) for form in refs[0].index[: family_count(spelling, refs[0].tensor)]} if refs else set()
    for ref, position in _positions(name, refs):
        known = spelling.network.tensors[ref.tensor]
        count = len(known.family)
        if position < count:
            continue
        own = {b.var: form for b, form in zip(known.family, ref.index, strict=False)}
        atom = known.axes[position - count].substitute(own).single
        if not letters or not isinstance(atom, Size) or len(atom.at) != 1:
            continue
        layer = atom.at[0]
        offset = layer.const + 1
        if {
            v for v in layer.variables if layer.linear.get(v) == 1
        } == layer.variables & here != set() and 0 <= offset < len(letters):
            yield letters[offset]


def _axis_text(spelling: Spelling, tensor: str, position: int) -> str:
    known = spelling.network.tensors.get(tensor)
    if known is None or position < len(known.family):
        return ""
    return str(known.axes[position - len(known.family)])


def _author_letters(spelling: Spelling, name: str, refs: list[Ref]) -> Iterator[str]:
    places = [(ref.tensor, position) for ref, position in _positions(name, refs)]
    given = spelling.network.letters
    for place in places:
        if place[0] in spelling.shared:
            yield spelling.letters.get(place, "")
    for place in places:
        yield spelling.letters.get(place, "")
    for tensor, position in places:
        own = given.get((tensor, position - family_count(spelling, tensor)), "")
        yield own if own not in spelling.sizes else ""
    for tensor, position in places:
        own = given.get(_axis_text(spelling, tensor, position), "")
        yield own if own not in spelling.sizes else ""


def _is_typed(spelling: Spelling, name: str, refs: list[Ref]) -> bool:
    """True where the letter tells tensors apart, so that only primes may be added to it."""
    return any(ref.tensor in spelling.shared for ref, _ in _positions(name, refs))


def _on_batch(spelling: Spelling, name: str, refs: list[Ref]) -> bool:
    batch = spelling.network.batch
    return batch is not None and any(
        _axis_text(spelling, ref.tensor, position) == batch for ref, position in _positions(name, refs)
    )
