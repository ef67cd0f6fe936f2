"""From statements to indexed equations: axes of every tensor, named intermediates, index letters.

``lower`` makes passes over the statements until the axes of all tensors are known and stay the same; the last pass
keeps the equations. A pass that meets a tensor whose axes are unknown (a recurrence) leaves that statement for later.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from symbackprop.affine import Affine, Bound, Size, Var, condition, size, var
from symbackprop.index import Along, Equation, Opaque, Ref, Tensor, Term, fresh, product
from symbackprop.network import Loop
from symbackprop.spec.evaluate import Evaluator, UndeterminedError
from symbackprop.spec.families import brackets, loop_bound, loop_bounds
from symbackprop.spec.forms import NotAffineError, affine_of, size_atom
from symbackprop.spec.names import unknown
from symbackprop.spec.syntax import Assignment, Block, parse_expression, statements, text_of
from symbackprop.spec.value import Axis, Val, of_factor, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.errors import SpecError
    from symbackprop.network import UserFunction
    from symbackprop.spec.declared import Declared
    from symbackprop.spec.families import Families
    from symbackprop.spec.letters import Letters
    from symbackprop.spec.source import Source

_PASSES = 12
_SHORT = frozenset("surpqcm")
"""Stems of ours; the inner names of layers always keep the name of the result."""
_STEMS = {"softmax": "p", "log_softmax": "q", "logsumexp": "c", "max": "m"}


@dataclass(frozen=True, slots=True)
class Draft:
    """An equation before its letters are chosen: left side, axes with their variables, terms."""

    name: str
    family: tuple[Affine, ...]
    loops: tuple[Bound, ...]
    letters: tuple[Bound, ...]
    axes: tuple[Axis, ...]
    terms: tuple[Term, ...]
    own_loops: tuple[Bound, ...] = ()
    """Loops that stand around this equation alone (an intermediate under a sum over a family)."""
    line: int | None = None


@dataclass(slots=True)
class World:
    """What is known while statements are read: declarations, families, axes of tensors so far."""

    declared: Declared
    families: Families
    functions: Mapping[str, UserFunction]
    source: Source
    program: tuple[Assignment | Block, ...]
    tensor_names: set[str] = field(default_factory=set)
    size_names: set[str] = field(default_factory=set)
    axes: dict[str, tuple[Affine, ...]] = field(default_factory=dict)
    guesses: dict[str, tuple[Affine, ...]] = field(default_factory=dict)
    lines: dict[str, list[Assignment]] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    """Intermediates of the present pass."""
    drafts: list[Draft] = field(default_factory=list)
    """Intermediates of the present statement, before it."""
    shared: dict[object, str] = field(default_factory=dict)
    """What the present statement's intermediates stand for."""
    short: frozenset[str] = frozenset()
    """Stems that name one intermediate only and therefore stand alone (``s`` instead of ``s_z``)."""
    stems: dict[str, set[str]] = field(default_factory=dict)
    counter: int = 0
    current: Assignment | None = None

    def fresh_variable(self) -> str:
        """A variable that nothing else uses; ``@`` cannot stand in an author's name."""
        self.counter += 1
        return f"@{self.counter}"

    def warn_hidden(self, name: str, winner: str) -> None:
        """Note that a name has two meanings and which one wins."""
        losers = [what for what, names in (("tensor", self.tensor_names), ("size", self.size_names)) if name in names]
        losers = [what for what in losers if what not in winner]
        if losers:
            hidden = " and the ".join(losers)
            self.warnings[f"in forward, '{name}' is {winner} and hides the {hidden} of that name"] = None

    def warn_pairs(self, node: ast.BinOp, left: str, right: str) -> None:
        """Note a sum or difference that is taken over all pairs, which is seldom meant."""
        name = self.current.name if self.current else ""
        self.warnings[f"{name}: '{text_of(node)}' adds {left} and {right}, so every pair is taken"] = None

    def index_bound(self, name: str) -> Bound | None:
        """The range of a letter of ``[indices]``."""
        text = self.declared.indices.get(name)
        if text is None:
            return None
        node = parse_expression(text, self.source, f"[indices] {name}")
        loops = loop_bounds(self.current.loops, self.source) if self.current else ()
        try:
            form = affine_of(node, size_atom({b.var for b in loops}))
        except NotAffineError as error:
            message = f"[indices] {name} = '{text}': {error}"
            raise self.source.error(message) from None
        return Bound(name, Affine(), form - 1, name)

    def check_defined(self, name: str, node: ast.AST, evaluator: Evaluator) -> None:
        """Refuse a tensor that is read before any statement that defines it.

        Raises: SpecError naming both lines.
        """
        items = self.lines.get(name)
        if not items or self.current is None or name in evaluator.bindings:
            return
        now = self.current
        for item in items:
            together = item.loops and now.loops and item.loops[0].node is now.loops[0].node
            if item.number < now.number or (together and self.families.count(name)):
                return
        where = self.source.line_of(items[0].target)
        if items[0] is now:
            message = f"'{name}' is defined by itself (a cycle)"
        else:
            message = f"'{name}' is used before it is defined in line {where}"
        raise self.source.error(message, node)

    def axes_of(self, name: str, family: tuple[Affine, ...]) -> tuple[Affine, ...]:
        """Axes of a member of a family (or of a tensor).

        Raises: UndeterminedError while they are unknown.
        """
        shape = self.declared.shapes.get(name)
        if shape is not None:
            letters, axes = shape.letters, shape.axes
        else:
            letters = self.families.table[name].letters if self.families.count(name) else ()
            known = self.axes.get(name, self.guesses.get(name))
            if known is None:
                raise UndeterminedError(name)
            axes = known
        mapping = dict(zip(letters, family, strict=True))
        return tuple(axis.substitute(mapping) for axis in axes)

    def below(self, ref: Ref) -> Affine | None:
        """Bound of an integer tensor's element."""
        shape = self.declared.shapes.get(ref.tensor)
        if shape is None or shape.below is None:
            return None
        return shape.below.substitute(dict(zip(shape.letters, ref.index, strict=False)))

    def zero_outside(self, val: Val, guards: list[tuple[Affine, Affine]], evaluator: Evaluator) -> Val:
        """The value under the condition that its indices are inside the tensor, where that is not sure."""
        bounds = [*evaluator.loops, *evaluator.reduced.values(), *evaluator.letters.values()]
        free = {name for form, _ in guards for name in form.variables} - {b.var for b in bounds}
        bounds += [b for name in sorted(free) if (b := self.index_bound(name)) is not None]
        scope = self.families.scope.with_bounds(bounds)
        conditions = set()
        for form, extent in guards:
            for need in (form, extent - 1 - form):
                if not scope.nonnegative(need):
                    conditions.add(condition(">=", need))
        return replace(val, terms=tuple(replace(t, conditions=t.conditions | conditions) for t in val.terms))

    # -- intermediates ------------------------------------------------------------------------------------------

    def intermediate(self, val: Val, stem: str, evaluator: Evaluator) -> Val:
        """Give a value a name of its own; what comes back is its element at the same place."""
        if len(val.terms) == 1 and val.is_special:
            factor = val.terms[0].factors[-1]
            stem = _STEMS.get(factor.name, "u") if isinstance(factor, Along | Opaque) else stem
        if any(isinstance(f, Along | Opaque) for t in val.terms for f in t.factors) and not _alone(val):
            message = "a function of a whole axis must be an equation of its own"
            raise AssertionError(message)
        used = val.variables
        own = tuple(b for b in evaluator.reduced.values() if b.var in used)
        loops = evaluator.loops
        letters = tuple(b for b in self.letters_in(used, evaluator) if b.var not in {x.var for x in (*loops, *own)})
        index = (*(var(b.var) for b in (*loops, *own, *letters)), *(var(axis.var) for axis in val.axes))
        key = self.sharing_key(val, loops, own, letters)
        known = self.shared.get(key)
        if known is not None:  # the same part of a statement twice: one name
            return of_factor(val.axes, Ref(known, index))
        name = self.shared[key] = self.intermediate_name(stem, evaluator.statement)
        # Variables of a reduction that is being made get their letters back in the new tensor's own equation.
        taken = {b.var for b in (*loops, *own, *letters)}
        names = {b.var: var(fresh(b.hint, taken)) for b in (*own, *letters) if b.var.startswith("@")}
        own, letters = (tuple(b.substitute(names) for b in bounds) for bounds in (own, letters))
        terms = tuple(term.substitute(names) for term in val.terms)
        family = tuple(var(b.var) for b in (*loops, *own))
        line = self.source.line_of(self.current.target) if self.current else None
        self.drafts.append(Draft(name, family, loops, letters, val.axes, terms, own, line))
        return of_factor(val.axes, Ref(name, index))

    def sharing_key(self, val: Val, *bounds: tuple[Bound, ...]) -> object:
        """What a value is, up to the names of its axes."""
        places = {axis.var: var(f"#{k}") for k, axis in enumerate(val.axes)}
        return (tuple(b for b in bounds if b), val.sizes, tuple(term.substitute(places).key for term in val.terms))

    def letters_in(self, used: frozenset[str], evaluator: Evaluator) -> list[Bound]:
        """Ranges of the element letters among ``used``, in the order in which they came into force."""
        found = [b for b in evaluator.letters.values() if b.var in used]
        there = {b.var for b in found} | {b.var for b in evaluator.loops} | {b.var for b in evaluator.reduced.values()}
        found += [
            b
            for name in self.declared.indices
            if name in used and name not in there and (b := self.index_bound(name)) is not None
        ]
        return found

    def intermediate_name(self, stem: str, statement: str) -> str:
        """``s_z`` for what goes into the function that gives ``z``; ``s`` alone where there is only one such name."""
        taken = self.tensor_names | self.size_names | set(self.tensors) | {d.name for d in self.drafts}
        wanted = stem if stem in self.short else f"{stem}_{statement}"
        name = fresh(wanted, taken)
        self.stems.setdefault(stem, set()).add(name)
        return name


def _alone(val: Val) -> bool:
    term = val.terms[0] if len(val.terms) == 1 else None
    return term is not None and term.coefficient == 1 and len(term.factors) == 1 and not term.bounds


# ---------------------------------------------------------------------------------------------------------------------
# Passes


@dataclass(frozen=True, slots=True)
class Lowered:
    """The equations of all statements: drafts in the author's order, each with its intermediates before it."""

    drafts: Mapping[int, tuple[Draft, ...]]
    """Statement number to its drafts; the statement's own is the last."""


def lower(world: World) -> Lowered:
    """Drafts of all equations, with the axes of every computed tensor in ``world.axes``.

    Raises: SpecError, ShapeError.
    """
    items = list(statements(world.program))
    for item in items:
        world.lines.setdefault(item.name, []).append(item)
    _first_guess(world, items)
    drafts = _strict(world, items)
    short = frozenset(
        stem
        for stem, names in world.stems.items()
        if stem in _SHORT
        and len(names) == 1
        and stem not in world.tensor_names | world.size_names
        and stem not in world.functions
    )
    if short:
        world.short = short
        drafts = _strict(world, items)
    return Lowered(drafts)


def _first_guess(world: World, items: list[Assignment]) -> None:
    """Axes of computed tensors as far as they can be told, by passes in the order of the text."""
    for _ in range(_PASSES):
        before = dict(world.axes), dict(world.guesses)
        complete = True
        for item in items:
            try:
                drafts = _statement(world, item, tentative=True)
            except UndeterminedError:
                complete = False
                continue
            _learn(world, item, drafts[-1])
        if complete or before == (world.axes, world.guesses):
            break


def _learn(world: World, item: Assignment, draft: Draft) -> None:
    """Note the axes of the tensor that a statement assigns, in the letters of its family."""
    sizes = tuple(b.extent for b in draft.letters) + tuple(axis.size for axis in draft.axes)
    only_a_number = not sizes and _is_number(draft) and len(world.lines[item.name]) > 1
    if item.name in world.declared.shapes or only_a_number:
        return
    letters = world.families.table[item.name].letters if draft.family else ()
    general, mapping = True, {}
    for letter, form in zip(letters, draft.family, strict=True):
        atom = (form - form.const).single
        if isinstance(atom, Var):
            mapping[atom.name] = var(letter) - form.const
        else:
            general = False
    found = tuple(_shifted(axis.substitute(mapping), letters, draft.family) for axis in sizes)
    if general:
        world.axes[item.name] = found
    else:
        world.guesses.setdefault(item.name, found)


def _shifted(axis: Affine, letters: tuple[str, ...], family: tuple[Affine, ...]) -> Affine:
    """An axis of one member as a formula for all: with a[1] of n[0] elements, a[k] has n[k-1]."""
    result = Affine(axis.const)
    for atom, c in axis.terms:
        if isinstance(atom, Size) and atom.at:
            at = tuple(_moved(form, letters, family) for form in atom.at)
            result += size(atom.name, *at) * c
        else:
            result += Affine(0, ((atom, c),))
    return result


def _moved(form: Affine, letters: tuple[str, ...], family: tuple[Affine, ...]) -> Affine:
    for letter, place in zip(letters, family, strict=True):
        distance = form - place
        if not place.variables and distance.is_constant and not form.variables:
            return var(letter) + distance.const
    return form


def _strict(world: World, items: list[Assignment]) -> dict[int, tuple[Draft, ...]]:
    """Read every statement with all axes known, and hold each result against what was known before it."""
    for _ in range(_PASSES):
        world.tensors, world.stems = {}, {}
        found: dict[int, tuple[Draft, ...]] = {}
        changed = False
        for item in items:
            try:
                drafts = _statement(world, item, tentative=False)
            except UndeterminedError as error:
                raise _undetermined(world, item, error) from None
            found[item.number] = drafts
            for draft in drafts[:-1]:
                world.tensors[draft.name] = _tensor(draft)
            changed |= _agree(world, item, drafts[-1])
        if not changed:
            return found
    message = "the axes of the tensors in its loops cannot be told; declare those of a computed tensor in [shapes]"
    raise world.source.error(message)


def _undetermined(world: World, item: Assignment, error: UndeterminedError) -> SpecError:
    name = error.args[0] if error.args else item.name
    message = (
        f"the axes of '{name}' cannot be told here; declare them in [shapes], as in  "
        f'{name}{"".join(f"[{v}]" for v in _letters_of(world, name))} = "n"'
    )
    return world.source.error(message, item.target)


def _letters_of(world: World, name: str) -> tuple[str, ...]:
    family = world.families.table.get(name)
    return family.letters if family else ()


def _agree(world: World, item: Assignment, draft: Draft) -> bool:
    """True where a statement teaches other axes than were known; two statements that disagree are an error.

    Raises: ShapeError.
    """
    sizes = tuple(b.extent for b in draft.letters) + tuple(axis.size for axis in draft.axes)
    expected = _expected(world, item, draft.family)
    if expected == sizes or (expected is not None and not sizes and _is_number(draft)):
        if item.name not in world.axes and item.name not in world.declared.shapes:
            world.axes[item.name] = world.guesses.get(item.name, sizes)
            return True
        return False
    first = world.lines[item.name][0]
    single = item is first or item.name not in world.axes
    if item.name not in world.declared.shapes and (single or world.axes[item.name] == world.guesses.get(item.name)):
        before = world.axes.get(item.name)
        world.axes.pop(item.name, None)
        _learn(world, item, draft)
        if item.name in world.axes and world.axes[item.name] != before:
            return True
    where = (
        "[shapes]"
        if item.name in world.declared.shapes
        else f"line {world.source.line_of(first.target)} and the others"
    )
    message = (
        f"'{text_of(item.target)}' gets the axes {shown(sizes)} here, and by {where} it has {shown(expected or ())}"
    )
    raise world.source.error(message, item.target, shape=True)


def _is_number(draft: Draft) -> bool:
    return all(not term.factors for term in draft.terms)


def _expected(world: World, item: Assignment, family: tuple[Affine, ...]) -> tuple[Affine, ...] | None:
    try:
        return world.axes_of(item.name, family)
    except UndeterminedError:
        return None


def _statement(world: World, item: Assignment, *, tentative: bool) -> tuple[Draft, ...]:
    """One statement as drafts: its intermediates, then itself."""
    if world.current is None or not item.group or world.current.value is not item.value:
        world.shared = {}  # results of one layer share its inner steps
    world.current, world.drafts = item, []
    loops = loop_bounds(item.loops, world.source)
    count = world.families.count(item.name)
    groups = brackets(item.target)
    letters: dict[str, Bound] = {}
    for group in groups[count:]:
        for node in group:
            letters[_left_letter(world, item, node, letters)] = _bound(world, node)
    evaluator = Evaluator(world, item.group or item.name, loops, letters, tentative=tentative, result=item.result)
    family = tuple(evaluator.index_form(group[0]) for group in groups[:count])
    val = evaluator.evaluate(item.value)
    if val.is_special and not _alone(val):
        val = evaluator.named(val, "u")
    stray = val.variables - {b.var for b in loops} - letters.keys()
    if stray:
        name = min(stray)
        message = (
            f"index '{name}' is neither on the left side nor summed over; write {item.name}[{name}] or sum(…, {name})"
        )
        raise world.source.error(message, item.value)
    if letters and val.axes:
        message = (
            f"the right side still has the axes {shown(val.sizes)} beside the indices of the left; give every "
            f"tensor its indices"
        )
        raise world.source.error(message, item.value, shape=True)
    axes = val.axes
    if not axes and not letters and _is_number_val(val):
        axes = _spread(world, item, family)
    if item.group and family == tuple(var(b.var) for b in loops):
        world.shared[world.sharing_key(val, loops)] = item.name
    own = Draft(
        item.name, family, loops, tuple(letters.values()), axes, val.terms, (), world.source.line_of(item.target)
    )
    return (*world.drafts, own)


def _is_number_val(val: Val) -> bool:
    return all(not term.factors and not term.bounds for term in val.terms)


def _spread(world: World, item: Assignment, family: tuple[Affine, ...]) -> tuple[Axis, ...]:
    """Axes of a tensor to which a number is assigned: every entry is that number."""
    sizes = _expected(world, item, family) or ()
    return tuple(Axis(world.fresh_variable(), s) for s in sizes)


def _left_letter(world: World, item: Assignment, node: ast.expr, letters: Mapping[str, Bound]) -> str:
    if not isinstance(node, ast.Name) or node.id not in world.declared.indices:
        text = text_of(node)
        known = unknown("index", text, world.declared.indices)
        message = f"the left side takes plain letters of [indices], and '{text}' is none: {known}"
        raise world.source.error(message, node)
    if node.id in letters:
        message = f"the index '{node.id}' stands twice on the left of '{item.name}'"
        raise world.source.error(message, node)
    return node.id


def _bound(world: World, node: ast.expr) -> Bound:
    assert isinstance(node, ast.Name), "checked by _left_letter"  # noqa: S101
    bound = world.index_bound(node.id)
    assert bound is not None, "checked by _left_letter"  # noqa: S101
    return bound


def _tensor(draft: Draft) -> Tensor:
    """The tensor of an intermediate."""
    axes = tuple(b.extent for b in draft.letters) + tuple(axis.size for axis in draft.axes)
    loops = (*draft.loops, *draft.own_loops)
    return Tensor(name=draft.name, axes=axes, family=loops, role="hidden", named=False)


# ---------------------------------------------------------------------------------------------------------------------
# Equations


def equation(draft: Draft, letters: Letters) -> Equation:
    """A draft with letters: unique on the left side, and in each term for what is summed."""
    loops = (*draft.loops, *draft.own_loops)
    taken = {b.var for b in (*loops, *draft.letters)}
    names: dict[str, Affine] = {}
    ranges = [*loops, *draft.letters]
    for place, axis in enumerate(draft.axes, len(draft.letters)):
        letter = letters.choose(axis.size, taken, draft.name, place)
        names[axis.var] = var(letter)
        ranges.append(Bound(letter, Affine(), axis.size - 1, letter))
    index = tuple(form.substitute(names) for form in draft.family)
    element = tuple(var(b.var) for b in ranges[len(loops) :])
    terms = tuple(_lettered(term.substitute(names), letters, taken) for term in draft.terms)
    return Equation(lhs=Ref(draft.name, (*index, *element)), terms=terms, ranges=tuple(ranges), line=draft.line)


def _lettered(term: Term, letters: Letters, taken: set[str]) -> Term:
    """Bound variables of a term under letters that fit what they run over."""
    used = set(taken) | {name for name in term.variables if not name.startswith("@")}
    names: dict[str, str] = {}
    hints: dict[str, str] = {}
    for b in term.bounds:
        if b.hint and b.hint not in used:
            names[b.var] = b.hint
            used.add(b.hint)
        else:
            owner = _owner(term, b.var, letters.families)
            names[b.var] = letters.choose(b.extent, used, *owner)
        hints[names[b.var]] = b.hint or names[b.var]
    renamed = term.rename_bounds(names)
    bounds = tuple(replace(b, hint=hints[b.var]) for b in renamed.bounds)
    return product(renamed.coefficient, renamed.factors, bounds=bounds, conditions=renamed.conditions, use=term.use)


def _owner(term: Term, name: str, families: Mapping[str, int]) -> tuple[str, int]:
    """The first tensor of a term that has the variable as an index, for its author's letter."""
    for factor in term.factors:
        refs = (factor,) if isinstance(factor, Ref) else getattr(factor, "args", ())
        for ref in refs:
            if isinstance(ref, Ref):
                for place, form in enumerate(ref.index):
                    if form == var(name):
                        return ref.tensor, place - families.get(ref.tensor, 0)
    return "", 0


def build_program(
    program: tuple[Assignment | Block, ...],
    equations: Mapping[int, tuple[tuple[Draft, Equation], ...]],
    outer: tuple[Bound, ...],
    source: Source,
) -> tuple[Any, ...]:
    """The author's text as a tree of equations and loops, intermediates before their use."""
    found: list[Any] = []
    for item in program:
        if isinstance(item, Block):
            bound = loop_bound(item.head, outer, source)
            found.append(Loop(bound=bound, body=build_program(item.body, equations, (*outer, bound), source)))
            continue
        for draft, made in equations[item.number]:
            wrapped: Any = made
            for bound in reversed(draft.own_loops):
                wrapped = Loop(bound=bound, body=(wrapped,))
            found.append(wrapped)
    return tuple(found)
