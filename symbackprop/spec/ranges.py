"""Indices inside their tensors, and sizes that something determines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Bound, Scope, Size
from symbackprop.errors import nearest
from symbackprop.index import forms_of, refs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from symbackprop.errors import SpecError
    from symbackprop.index import Equation, Ref, Tensor
    from symbackprop.spec.declared import Declared
    from symbackprop.spec.families import Families
    from symbackprop.spec.source import Source


def check_ranges(
    equations: Sequence[Equation], tensors: Mapping[str, Tensor], families: Families, source: Source
) -> None:
    """Every element that is read is inside its tensor, for all indices and sizes.

    Raises: SpecError naming index, range and what may help.
    """
    for equation in equations:
        for term in equation.terms:
            scope = Scope(
                (*equation.ranges, *term.bounds), families.depths, (*families.scope.conditions, *term.conditions)
            )
            for factor in term.factors:
                for ref in refs_of(factor):
                    _check_ref(ref, tensors[ref.tensor], scope, equation, source)


def _check_ref(ref: Ref, tensor: Tensor, scope: Scope, equation: Equation, source: Source) -> None:
    count = len(tensor.family)
    mapping = {b.var: form for b, form in zip(tensor.family, ref.index, strict=False)}
    for form, axis in zip(ref.index[count:], tensor.axes, strict=True):
        extent = axis.substitute(mapping)
        if any(name.startswith("_") for name in form.variables):
            continue  # the placeholder of a function of an axis; its size was taken from that axis
        for need, end in ((form, "below 0"), (extent - 1 - form, f"beyond {extent - 1}")):
            if _inside(need, scope):
                continue
            element = tensor.name + "".join(f"[{f}]" for f in ref.index[:count])
            element += f"[{','.join(map(str, ref.index[count:]))}]"
            message = (
                f"in '{element}' the index {form} may lie {end}, outside the axis {extent}; declare a longer axis "
                f"(as in 'T+K-1'), or say  {ref.tensor} = 0  in [outside]"
            )
            error = source.error(message, shape=True)
            error.line = equation.line
            raise error


def _inside(need: Affine, scope: Scope) -> bool:
    """True where ``need >= 0``; conditions with the opposite sign make a term empty, which is inside too."""
    if scope.nonnegative(need):
        return True
    return any(scope.decide(cond) is False for cond in scope.conditions) or _two(need, scope)


def _two(need: Affine, scope: Scope) -> bool:
    """Two conditions may be needed together (a slice of a slice)."""
    several = [c for c in scope.conditions if c.kind == ">="]
    return any(scope.nonnegative(need - c.form) for c in several)


# ---------------------------------------------------------------------------------------------------------------------


def check_sizes(  # noqa: PLR0913, PLR0917
    declared: Declared,
    equations: Sequence[Equation],
    tensors: Mapping[str, Tensor],
    families: Families,
    names: set[str],
    source: Source,
) -> None:
    """Every size is found from an array or a list of arrays, or stands in [sizes]; given numbers fit together.

    Raises: SpecError.
    """
    known = set(declared.sizes)
    given = [t for t in tensors.values() if t.role in {"input", "parameter"}]
    forms: list[Affine] = [axis for t in given for axis in t.axes]
    forms += [b.extent for t in given for b in t.family]
    forms += [b.hi for t in given for b in t.family]
    changed = True
    while changed:
        changed = False
        for form in forms:
            # An index inside a size (the n of q[n+1]) is not found from that size's value.
            unsolved = {atom.name for atom, _ in form.terms if isinstance(atom, Size)} - known
            if len(unsolved) == 1:
                known |= unsolved
                changed = True
    for name in sorted(names - known):
        used = {s for t in tensors.values() for form in (*t.axes, *(b.hi for b in t.family)) for s in form.sizes}
        used |= {s for e in equations for b in e.ranges for s in b.extent.sizes}
        message = (
            f"nothing determines the size '{name}': it is the axis of no input or parameter; give it in [sizes]"
            if name in used
            else f"'{name}' is neither the axis of an array nor a number in [sizes]; {nearest(name, known)}"
        )
        raise source.error(message)
    # The M of an axis n[M] only picks a member, so a depth may be 0 there.
    axes = {a.name for t in tensors.values() for axis in t.axes for a, _ in axis.terms if isinstance(a, Size)}
    for name, value in declared.sizes.items():
        if value == 0 and (name in axes or name not in families.depths):
            message = f"[sizes] {name} = 0: a size is a whole number from 1 up"
            raise _at(source, name, message)
    _check_kinds(equations, tensors, source)
    _check_numbers(declared, tensors, source)


def _check_kinds(equations: Sequence[Equation], tensors: Mapping[str, Tensor], source: Source) -> None:
    """Each size is a number, or a family of numbers, wherever it stands."""
    forms = [form for t in tensors.values() for form in (*t.axes, *(f for b in t.family for f in (b.lo, b.hi)))]
    for equation in equations:
        for term in equation.terms:
            forms += [form for factor in term.factors for form in forms_of(factor)]
            forms += [cond.form for cond in sorted(term.conditions, key=str)]
    counts: dict[str, int] = {}
    for form in forms:
        for atom, _ in form.terms:
            if isinstance(atom, Size) and counts.setdefault(atom.name, len(atom.at)) != len(atom.at):
                message = f"the size '{atom.name}' is written both alone and with an index, as in {atom.name}[l]"
                raise source.error(message)


def _check_numbers(declared: Declared, tensors: Mapping[str, Tensor], source: Source) -> None:
    for tensor in tensors.values():
        for axis in tensor.axes:
            for atom, _ in axis.terms:
                if isinstance(atom, Size) and atom.name in declared.sizes:
                    numbers = declared.sizes[atom.name]
                    if isinstance(numbers, int) == bool(atom.at):
                        want = "a list such as [4, 3, 2]" if atom.at else "one number"
                        raise _at(source, atom.name, f"[sizes] {atom.name}: '{axis}' needs {want}")
    for tensor in tensors.values():
        if tensor.named:
            _check_members(declared, tensor, source)


def _check_members(declared: Declared, tensor: Tensor, source: Source) -> None:
    """Sizes of the first and the last member of a family are there."""

    def look(name: str, at: tuple[int, ...]) -> int:
        numbers = declared.sizes.get(name)
        if numbers is None:
            raise LookupError
        if isinstance(numbers, int):
            return numbers
        if at[0] not in numbers:
            listed = f"{min(numbers)}..{max(numbers)}" if numbers else "nothing"
            message = f"[sizes] {name} has entries for {listed}, and '{tensor.name}' needs {name}[{at[0]}]"
            raise _at(source, name, message)
        return numbers[at[0]]

    try:
        first, last = _ends(tensor.family, look)
        if all(first[b.var] <= last[b.var] for b in tensor.family):
            for env in (first, last):
                _check_axes(tensor, env, look, source)
    except LookupError:
        return  # some size has no number in the file; then there is nothing to compare


def _ends(
    family: Iterable[Bound], look: Callable[[str, tuple[int, ...]], int]
) -> tuple[dict[str, int], dict[str, int]]:
    """First and last values of the indices of a family."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for bound in family:
        first[bound.var] = bound.lo.evaluate(first, look)
        last[bound.var] = bound.hi.evaluate(last, look)
    return first, last


def _check_axes(
    tensor: Tensor, env: Mapping[str, int], look: Callable[[str, tuple[int, ...]], int], source: Source
) -> None:
    for axis in tensor.axes:
        value = axis.evaluate(env, look)
        if value < 1:
            message = f"with the numbers in [sizes], the axis {axis} of '{tensor.name}' would be {value}"
            raise source.error(message, shape=True)


def _at(source: Source, key: str, message: str) -> SpecError:
    error = source.error(message)
    error.line = source.key_line(key, "sizes")
    return error
