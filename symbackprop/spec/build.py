"""A network file's data as a ``Network``: every table held against every other, then one immutable result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symbackprop.index import Equation, Opaque, Tensor
from symbackprop.network import Loop, Network
from symbackprop.spec import latex, write
from symbackprop.spec.calls import LANGUAGE
from symbackprop.spec.declared import Declared, free_letters, read_tables, size_names
from symbackprop.spec.facts import read_facts, read_functions
from symbackprop.spec.families import find_families, loop_bounds
from symbackprop.spec.forms import NotAffineError, affine_of, size_atom
from symbackprop.spec.letters import Letters, axis_order, default_batch, pattern_letters, text_letters
from symbackprop.spec.lower import Draft, World, build_program, equation, lower
from symbackprop.spec.names import unknown
from symbackprop.spec.order import sort_equations
from symbackprop.spec.ranges import check_ranges, check_sizes
from symbackprop.spec.syntax import called_in, names_in, parse_expression, parse_forward, statements

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from symbackprop.affine import Affine
    from symbackprop.spec.families import Families
    from symbackprop.spec.source import Source


def build(data: Mapping[str, Any], source: Source) -> Network:
    """The network of a parsed network file.

    Raises: SpecError, ShapeError.
    """
    declared = read_tables(data, source)
    program = parse_forward(declared.forward, source)
    _check_shared_names(declared, source)
    families = find_families(program, declared, source)
    world = World(declared, families, read_functions(declared, source), source, program)
    computed = [item.name for item in statements(program)]
    world.tensor_names = {*declared.shapes, *computed}
    world.size_names = _size_names(world)
    _check_parameters(world, computed)
    lowered = lower(world)
    _check_entries(world, computed)
    drafts = [draft for group in lowered.drafts.values() for draft in group]
    tensors = _tensors(world, drafts)
    _check_loss(world, tensors)
    _check_opaque(drafts, source)
    inputs = tuple(n for n, t in tensors.items() if t.role == "input")
    batch = _batch(world, tensors)
    letters = _letters(world, tensors, batch)
    made = {
        number: tuple((draft, equation(draft, letters)) for draft in group) for number, group in lowered.drafts.items()
    }
    tree = build_program(program, made, (), source)
    counts = {name: len(t.family) for name, t in tensors.items()}
    equations = sort_equations(list(_flat(tree)), counts, families.depths, source)
    check_ranges(equations, tensors, families, source)
    check_sizes(declared, equations, tensors, families, world.size_names, source)
    facts = read_facts(declared, tensors, source)
    spellings = latex.check(declared, world, tensors)
    return Network(
        name=declared.name,
        title=declared.title,
        notation=declared.notation,
        loss=declared.loss,
        parameters=declared.parameters,
        inputs=inputs,
        batch=str(batch) if batch is not None else None,
        tensors=tensors,
        equations=equations,
        program=tree,
        sizes=dict(declared.sizes),
        depths=families.depths,
        functions=world.functions,
        facts=facts,
        latex=spellings,
        letters=letters.hints(),
        warnings=tuple(world.warnings),
        source=source.name,
        toml=write.network_file(declared, str(batch) if batch is not None else None),
    )


def _flat(program: tuple[Any, ...]) -> Iterator[Equation]:
    for item in program:
        if isinstance(item, Loop):
            yield from _flat(item.body)
        else:
            yield item


def _check_shared_names(declared: Declared, source: Source) -> None:
    for name in declared.functions:
        if name in LANGUAGE:
            message = f"'{name}' is a word of the forward language; give the function another name"
            raise _at(source, name, "functions", f"[functions] {message}")
        if name in declared.indices:
            message = f"'{name}' is a function in [functions] and a letter in [indices]; rename one"
            raise source.error(message)


def _size_names(world: World) -> set[str]:
    """Names of all sizes: in axes, in [indices] and in the ranges of loops."""
    declared = world.declared
    found = {name for shape in declared.shapes.values() for name in size_names(shape.axes)}
    found |= {name for shape in declared.shapes.values() if shape.below is not None for name in shape.below.sizes}
    loop_letters: set[str] = set()
    for item in statements(world.program):
        for bound in loop_bounds(item.loops, world.source):
            loop_letters.add(bound.var)
            found |= bound.lo.sizes | bound.hi.sizes
    for name in declared.indices:
        node = parse_expression(declared.indices[name], world.source, f"[indices] {name}")
        try:
            found |= affine_of(node, size_atom(loop_letters)).sizes
        except NotAffineError as error:
            message = f"[indices] {name} = '{declared.indices[name]}': {error}"
            raise world.source.error(message) from None
    for family in world.families.table.values():
        for lo, hi in family.range or ():
            found |= lo.sizes | hi.sizes
    # A size that is only a number (lam = 3) may stand in [sizes] alone.
    used = {node for item in statements(world.program) for node in names_in(item.value)}
    found |= {name for name in declared.sizes if name in used and name not in world.tensor_names}
    return found


def _check_parameters(world: World, computed: list[str]) -> None:
    """Parameters are given tensors of real numbers."""
    declared = world.declared
    for name in declared.parameters:
        reason = None
        if name in computed:
            reason = "is computed by forward; parameters are given"
        elif name not in declared.shapes:
            reason = f"has no entry in [shapes]; {unknown('such tensor', name, declared.shapes)}"
        elif declared.shapes[name].below is not None:
            reason = "holds integers; nothing can be differentiated by it"
        if reason:
            raise _at(world.source, "parameters", None, f"parameter '{name}' {reason}")
    if declared.loss not in computed:
        message = (
            f"the loss '{declared.loss}' is computed nowhere in forward; "
            f"{unknown('such name', declared.loss, computed)}"
        )
        raise _at(world.source, "loss", None, message)
    for name, shape in declared.shapes.items():
        stray = free_letters(shape.axes) - set(shape.letters)
        if stray:
            raise _at(world.source, name, "shapes", f"[shapes] {name}: '{min(stray)}' is no index of it")


def _check_entries(world: World, computed: list[str]) -> None:
    """Entries that name nothing; looked for last, since a misspelling in forward leaves one behind."""
    declared = world.declared
    read = {name for item in statements(world.program) for node in (item.value, item.target) for name in names_in(node)}
    called = {name for item in statements(world.program) for name in called_in(item.value)}
    called |= {name for _, text in declared.functions.values() for name in declared.functions if name in text}
    tensors = {*computed, *(read & declared.shapes.keys()), *declared.parameters}
    letters = {name for name in declared.indices if name in read}
    for table, entries, known, what in (
        ("shapes", declared.shapes, tensors, "tensor"),
        ("sizes", declared.sizes, world.size_names, "size"),
        ("indices", declared.indices, letters, "index"),
        ("outside", declared.outside, tensors, "tensor"),
        ("functions", declared.functions, called, "function"),
    ):
        for name in entries:
            if name not in known:
                message = f"[{table}] {name} names nothing in forward; {unknown(what, name, known)}"
                raise _at(world.source, name, table, message)


def _at(source: Source, key: str, table: str | None, message: str) -> Exception:
    error = source.error(message)
    error.line = source.key_line(key, table)
    return error


def _tensors(world: World, drafts: list[Draft]) -> dict[str, Tensor]:
    """All tensors: inputs and parameters as declared, then computed ones in the author's order."""
    declared = world.declared
    computed = {draft.name: draft for draft in drafts}
    found: dict[str, Tensor] = {}
    for name, shape in declared.shapes.items():
        if name in computed:
            continue
        role = "parameter" if name in declared.parameters else "input"
        found[name] = Tensor(
            name=name, axes=shape.axes, family=world.families.bounds(name), role=role, below=shape.below
        )
    for name in computed:
        if name in world.tensors:
            found[name] = world.tensors[name]
            continue
        shape_entry = declared.shapes.get(name)
        axes = shape_entry.axes if shape_entry is not None else world.axes[name]
        role = "loss" if name == declared.loss else "hidden"
        found[name] = Tensor(name=name, axes=axes, family=world.families.bounds(name), role=role)
    return found


def _check_loss(world: World, tensors: Mapping[str, Tensor]) -> None:
    loss = tensors[world.declared.loss]
    if loss.axes or loss.family:
        axes = ", ".join(str(a) for a in loss.axes)
        what = f"has the axes ({axes})" if loss.axes else "is a family"
        item = world.lines[loss.name][0]
        hint = f"sum({loss.name}) or mean({loss.name})" if loss.axes else f"sum({loss.name}[t], t)"
        message = f"the loss '{loss.name}' {what}, and a loss is one number; reduce it, as in  C = {hint}"
        raise world.source.error(message, item.target, shape=True)


def _check_opaque(drafts: list[Draft], source: Source) -> None:
    """Each opaque loss is called in one place, so that its partial derivatives have one meaning."""
    lines: dict[str, int | None] = {}
    for draft in drafts:
        for term in draft.terms:
            for factor in term.factors:
                if isinstance(factor, Opaque):
                    if factor.name in lines:
                        message = (
                            f"the opaque loss '{factor.name}' is called in two places, and its partial derivatives "
                            f"could not be told apart; declare another one in [functions]"
                        )
                        error = source.error(message)
                        error.line = draft.line
                        raise error
                    lines[factor.name] = draft.line


def _batch(world: World, tensors: Mapping[str, Tensor]) -> Affine | None:
    inputs = [t for t in tensors.values() if t.role == "input"]
    parameters = [t for t in tensors.values() if t.role == "parameter"]
    given = world.declared.batch
    if given is None:
        return default_batch(inputs, parameters)
    axes = [axis for t in inputs for axis in t.axes]
    if given not in axes:
        message = f'batch = "{given}" is an axis of no input; {unknown("axis", str(given), map(str, axes))}'
        raise _at(world.source, "batch", None, message)
    for t in parameters:
        if given in t.axes:
            message = f"batch = \"{given}\" is an axis of the parameter '{t.name}', which every example shares"
            raise _at(world.source, "batch", None, message)
    return given


def _letters(world: World, tensors: Mapping[str, Tensor], batch: Affine | None) -> Letters:
    declared: Declared = world.declared
    families: Families = world.families
    counts = {name: families.count(name) for name in tensors}
    counts.update({name: len(t.family) for name, t in tensors.items()})
    loops = {b.var for t in tensors.values() for b in t.family}
    written = text_letters(world.program, counts, declared.indices.keys() - loops)
    positions = {**written, **pattern_letters(declared.latex, counts)}
    axes: dict[str, str] = {}
    for name, text in declared.indices.items():
        axes.setdefault(text.replace(" ", ""), name)
    for (name, place), letter in positions.items():
        tensor = tensors.get(name)
        if tensor is not None and place < len(tensor.axes):
            axes.setdefault(str(tensor.axes[place]), letter)
    order = axis_order(tensors.values(), batch)
    taken = {*loops, *map(str, order)}
    return Letters(positions=positions, axes=axes, batch=batch, order=order, taken=taken, families=counts)
