"""A network at concrete sizes as a graph of numbers, read lazily.

An element depends on the elements that its equation reads; a *link* ``above -> below`` carries the local derivative
∂above/∂below, taken by SymPy from the equation of ``above``. Families of equations and their conditions are respected;
nothing is expanded that nobody asks for.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from symbackprop.affine import Affine, Bound, Size, const, var
from symbackprop.chainrule import slope
from symbackprop.index import (
    LOCAL,
    Along,
    Apply,
    Equation,
    Factor,
    Opaque,
    Ref,
    Term,
    apply,
    collect,
    partial_name,
    product,
    refs_of,
    slot,
)
from symbackprop.oracle import Values, members, stand_in_sizes
from symbackprop.tables.activations import ACTIVATION
from symbackprop.tables.reductions import AXIS_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from symbackprop.network import Network

LARGEST = 2_000_000
"""Elements of one array; networks beyond are shown at smaller sizes."""


@dataclass(frozen=True, slots=True)
class Element:
    """One number: a tensor and its indices (family first; elements count from 0)."""

    tensor: str
    index: tuple[int, ...] = ()

    @property
    def ref(self) -> Ref:
        """The element as a reference, for printers and terms."""
        return Ref(self.tensor, tuple(map(const, self.index)))

    def __str__(self) -> str:
        return str(self.ref)


@dataclass(frozen=True, slots=True)
class Link:
    """``above`` depends directly on ``below``; ``terms`` add up to ∂above/∂below, ``kind`` says what sort it is.

    Kinds: cost (above is the loss), activation, dot product, bias, product, sum, softmax and the like, function.
    """

    above: Element
    below: Element
    kind: str
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """One place where an equation reads a tensor: term number, factor number, and the element as written."""

    equation: Equation
    term: Term
    position: int
    ref: Ref
    inner: tuple[Bound, ...]
    """Placeholders of an axis function or an opaque loss, as further running indices."""


class Graph:
    """The elements of a network at given sizes; see the module's first lines.

    ``sizes`` default to those of the network file, with small stand-ins for what it leaves open. ``slopes`` is
    "output" to write activation slopes through the output (``a (1 - a)``), else "prime".
    """

    def __init__(self, network: Network, sizes: Mapping[str, Any] | None = None, *, slopes: str = "output") -> None:
        self.network = network
        self.slopes = slopes
        self.values = Values(sizes=concrete_sizes(network) if sizes is None else dict(sizes), arrays={})
        self.uses: dict[str, list[Use]] = defaultdict(list)
        for equation in network.equations:
            for use in _uses(equation, network):
                self.uses[use.ref.tensor].append(use)
        self._links: dict[tuple[Element, Element], Link] = {}

    # -- the graph ----------------------------------------------------------------------------------------------------

    @property
    def loss(self) -> Element:
        """The top."""
        return Element(self.network.loss)

    def first(self, parameter: str) -> Element:
        """The first element of a parameter: of its first member, all element indices 0."""
        at = members(self.network, parameter, self.values.sizes)[0]
        return Element(parameter, (*at, *(0 for _ in self.network.tensors[parameter].axes)))

    def extent(self, form: Affine) -> int:
        """The number that a size stands for here."""
        return form.evaluate({}, self.values.size)

    def shape(self, tensor: str, at: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Lengths of the element axes of a tensor, or of one member of a family."""
        entry = self.network.tensors[tensor]
        env = {b.var: k for b, k in zip(entry.family, at, strict=True)}
        return tuple(axis.evaluate(env, self.values.size) for axis in entry.axes)

    def definition(self, element: Element) -> tuple[Equation, dict[str, int]] | None:
        """The equation of an element with the values of its free indices; None for inputs and parameters."""
        for equation in self.network.definitions(element.tensor):
            for env in self.assignments(equation.ranges, equation.lhs.index, element.index, frozenset()):
                return equation, env
        return None

    def readers(self, element: Element) -> tuple[Element, ...]:
        """The elements whose equations read this one with a slope that is not zero, in order."""
        found: dict[Element, None] = {}
        for use in self.uses[element.tensor]:
            bounds = (*use.equation.ranges, *use.term.bounds, *use.inner)
            for env in self.assignments(bounds, use.ref.index, element.index, use.term.conditions):
                index = tuple(f.evaluate(env, self.values.size) for f in use.equation.lhs.index)
                found[Element(use.equation.lhs.tensor, index)] = None
        return tuple(sorted(found, key=lambda e: (e.tensor, e.index)))

    def reads(self, element: Element, limit: int) -> tuple[Element, ...]:
        """The first elements that the equation of this one reads, one from each place in turn, at most ``limit``."""
        found = self.definition(element)
        if found is None:
            return ()
        equation, env = found
        turns = [
            self._read_at(use, env)
            for use in (use for uses in self.uses.values() for use in uses)
            if use.equation is equation
        ]
        read: dict[Element, None] = {}
        while turns and len(read) < limit:
            turn = turns.pop(0)
            for below in turn:
                read[below] = None
                turns.append(turn)
                break
        return tuple(read)

    def _read_at(self, use: Use, env: Mapping[str, int]) -> Iterator[Element]:
        """The elements that one place of an equation stands for."""
        conditions = frozenset().union(*(c.form.variables for c in use.term.conditions))
        letters = frozenset().union(*(f.variables for f in use.ref.index), conditions)
        inner = (*use.term.bounds, *use.inner)
        ranged = tuple(Bound(v, const(k), const(k)) for v, k in env.items())
        running = tuple(b for b in inner if b.var in _closure(letters, inner))
        for values in self.assignments((*ranged, *running), (), (), use.term.conditions):
            yield Element(use.ref.tensor, tuple(f.evaluate(values, self.values.size) for f in use.ref.index))

    def assignments(
        self, bounds: tuple[Bound, ...], forms: tuple[Affine, ...], values: tuple[int, ...], conditions: Any
    ) -> Iterator[dict[str, int]]:
        """All values of the running indices for which ``forms`` equal ``values`` and the conditions hold."""

        def search(position: int, env: dict[str, int]) -> Iterator[dict[str, int]]:
            if position == len(bounds):
                if all(c.holds(env, self.values.size) for c in conditions):
                    yield env
                return
            bound = bounds[position]
            lo, hi = (f.evaluate(env, self.values.size) for f in (bound.lo, bound.hi))
            for value in self._candidates(bound.var, lo, hi, forms, values, env):
                if self._consistent(forms, values, known := {**env, bound.var: value}):
                    yield from search(position + 1, known)

        if self._consistent(forms, values, {}):
            yield from search(0, {})

    def _candidates(  # noqa: PLR0913, PLR0917 - one search state
        self, name: str, lo: int, hi: int, forms: tuple[Affine, ...], values: tuple[int, ...], env: dict[str, int]
    ) -> range:
        """Values of an index: the one an equality leaves, where the others in it are known, else its range."""
        for form, value in zip(forms, values, strict=True):
            c = form.linear.get(name, 0)
            if c and form.variables <= env.keys() | {name} and not _inside_size(name, form):
                solution, rest = divmod(value - form.evaluate({**env, name: 0}, self.values.size), c)
                return range(solution, solution + 1) if not rest and lo <= solution <= hi else range(0)
        return range(lo, hi + 1)

    def _consistent(self, forms: tuple[Affine, ...], values: tuple[int, ...], env: dict[str, int]) -> bool:
        """False where an equality whose indices are all known fails."""
        return all(
            form.evaluate(env, self.values.size) == value
            for form, value in zip(forms, values, strict=True)
            if form.variables <= env.keys()
        )

    # -- local derivatives --------------------------------------------------------------------------------------------

    def link(self, above: Element, below: Element) -> Link:
        """The link between two elements, with ∂above/∂below; no terms where there is no direct dependence."""
        if (above, below) not in self._links:
            self._links[above, below] = self._made_link(above, below)
        return self._links[above, below]

    def _made_link(self, above: Element, below: Element) -> Link:
        found = self.definition(above)
        if found is None:
            return Link(above, below, "none", ())
        equation, env = found
        terms: list[Term] = []
        for term in equation.terms:
            for position, factor in enumerate(term.factors):
                terms += self._factor_derivatives(equation, term, position, factor, env, below)
        return Link(above, below, self._kind(equation, below.tensor), collect(terms))

    def _factor_derivatives(  # noqa: PLR0913, PLR0917 - one place of one equation
        self, equation: Equation, term: Term, position: int, factor: Factor, env: dict[str, int], below: Element
    ) -> Iterator[Term]:
        """∂term/∂below by product rule, the part in which factor number ``position`` is differentiated."""
        for use in _uses_in(equation, term, position, factor, self.network):
            if use.ref.tensor != below.tensor:
                continue
            fixed = {name: const(value) for name, value in env.items()}
            at = tuple(f.substitute(fixed) for f in use.ref.index)
            needed = (
                frozenset().union(*(f.variables for f in at), *(c.form.variables for c in term.conditions)) - env.keys()
            )
            inner = (*term.bounds, *use.inner)
            solved = tuple(b for b in inner if b.var in _closure(needed, inner))
            ranged = tuple(Bound(v, const(k), const(k)) for v, k in env.items())
            for found in self.assignments((*ranged, *solved), use.ref.index, below.index, term.conditions):
                numbers = {name: const(value) for name, value in found.items()}
                rest = tuple(self._concrete(b, found) for b in term.bounds if b.var not in found)
                outside = [f for k, f in enumerate(term.factors) if k != position]
                for local in self._local(equation, factor, use, found):
                    whole = product(term.coefficient, (*outside, *local), bounds=rest)
                    yield self._concrete_term(whole.substitute(numbers))

    def _concrete_term(self, term: Term) -> Term:
        """The term without conditions (they hold here), with numbers for the indices of its elements."""
        factors = tuple(with_indices(f, self._concrete_form) for f in term.factors)
        return product(term.coefficient, factors, bounds=term.bounds, use=term.use)

    def _concrete_form(self, form: Affine) -> Affine:
        return form if form.variables else const(form.evaluate({}, self.values.size))

    def _concrete(self, bound: Bound, env: dict[str, int]) -> Bound:
        """The bound with its limits as numbers where they are known."""
        lo, hi = (
            const(f.evaluate(env, self.values.size)) if f.variables <= env.keys() else f for f in (bound.lo, bound.hi)
        )
        return Bound(bound.var, lo, hi, bound.hint)

    def _local(self, equation: Equation, factor: Factor, use: Use, env: dict[str, int]) -> Iterator[tuple[Factor, ...]]:
        """The derivative of one factor by the element it reads, as products of factors."""
        if isinstance(factor, Ref):
            yield ()
        elif isinstance(factor, Apply):
            for k, arg in enumerate(factor.args):
                if arg == use.ref:
                    yield (self._slope(equation, factor, k),)
        elif isinstance(factor, Opaque):
            for k, arg in enumerate(factor.args):
                if arg.tensor == use.ref.tensor and arg.index == use.ref.index:
                    inner = tuple(Affine(env[b.var]) for b in use.inner)
                    yield (Ref(partial_name(factor.name, k), (*equation.lhs.index, *inner)),)
        else:
            yield from self._along(equation, factor, use, env)

    def _slope(self, equation: Equation, factor: Apply, position: int) -> Factor:
        """f′ of an elementwise function; through the output where that is asked for and the table knows it."""
        call = factor.template
        row = ACTIVATION.get(getattr(call.func, "row", ""))
        alone = (
            len(equation.terms) == 1 and equation.terms[0].factors == (factor,) and equation.terms[0].coefficient == 1
        )
        if (
            row
            and self.slopes == "output"
            and alone
            and call.func.order == 0
            and row.name not in self.network.functions
        ):
            by_output = row.slope(slot(0), slot(1))
            if by_output.free_symbols == {slot(1)}:
                return apply(by_output, *factor.args, equation.lhs)
        return apply(slope(factor.template, position), *factor.args)

    def _along(self, equation: Equation, factor: Along, use: Use, env: dict[str, int]) -> Iterator[tuple[Factor, ...]]:
        """A row of the Jacobian of softmax and the like, at a known entry and a known element."""
        entry = tuple(f.evaluate(env, self.values.size) for f in factor.at or ())
        place = tuple(env[b.var] for b in use.inner)
        numbers = {name: const(value) for name, value in env.items()}
        moved = {str(f.single): const(k) for f, k in zip(factor.at or (), place, strict=False)}
        out_v = Ref(equation.lhs.tensor, tuple(f.substitute({**numbers, **moved}) for f in equation.lhs.index))
        for row in AXIS_FUNCTION[factor.name].jacobian:
            if row.delta and entry != place:
                continue
            if row.template == slot(3):
                yield (Along("argmax", factor.arg, factor.sizes, tuple(map(const, place))),)
            else:
                yield (apply(row.template, equation.lhs, out_v, use.ref),)

    def _kind(self, equation: Equation, below: str) -> str:
        """What sort of step the equation is, seen from the tensor that it reads."""
        if equation.lhs.tensor == self.network.loss:
            return "cost"
        factors = [(t, f) for t in equation.terms for f in t.factors if any(r.tensor == below for r in refs_of(f))]
        for term, factor in factors:
            if isinstance(factor, Along):
                return factor.name
            if isinstance(factor, Opaque):
                return "cost"
            if isinstance(factor, Apply):
                return (
                    "activation"
                    if len(equation.terms) == 1 and len(term.factors) == 1 and _is_call(factor)
                    else "function"
                )
            if any(refs_of(f) for f in term.factors if f != factor):
                return "dot product" if term.bounds else "product"
            if term.bounds:
                return "sum"
            return "bias" if self.network.tensors[below].role == "parameter" else "sum"
        return "none"

    # -- examples -----------------------------------------------------------------------------------------------------

    @cached_property
    def separate(self) -> bool:
        """True where examples do not mix below the loss: every equation reads elements of its own example."""
        if self.network.batch is None:
            return False
        return all(self._keeps_example(use) for uses in self.uses.values() for use in uses)

    def _keeps_example(self, use: Use) -> bool:
        above = self.batch_form(use.equation.lhs)
        below = self.batch_form(use.ref)
        return above is None or below is None or above == below

    def batch_form(self, ref: Ref) -> Affine | None:
        """The index that counts examples."""
        tensor = self.network.tensors.get(ref.tensor)
        if tensor is None or tensor.role == "parameter":
            return None
        for form, axis in zip(ref.index[len(tensor.family) :], tensor.axes, strict=True):
            if isinstance(atom := axis.single, Size) and atom.name == self.network.batch:
                return form
        return None

    def example(self, element: Element) -> int | None:
        """Number of the example an element belongs to (from 0), None for those of no example."""
        form = self.batch_form(element.ref)
        return None if form is None else form.const

    @property
    def examples(self) -> int:
        """How many examples there are; 1 where the network has no batch."""
        return self.values.size(self.network.batch, ()) if self.network.batch else 1


def concrete_sizes(network: Network) -> dict[str, Any]:
    """The sizes of the network file; small stand-ins where it gives none, or where an array would be too large."""
    stand_in = stand_in_sizes(network)
    given = {name: value if isinstance(value, int) else dict(value) for name, value in network.sizes.items()}
    sizes = {name: _merged(value, given.get(name)) for name, value in stand_in.items()}
    lookup = Values(sizes=sizes, arrays={}).size
    for name, tensor in network.tensors.items():
        for at in _few_members(network, name, sizes):
            env = {b.var: k for b, k in zip(tensor.family, at, strict=True)}
            extent = 1
            for axis in tensor.axes:
                extent *= axis.evaluate(env, lookup)
            if extent > LARGEST:
                return stand_in
    return sizes


def _few_members(network: Network, name: str, sizes: Mapping[str, Any]) -> list[tuple[int, ...]]:
    if any(isinstance(sizes.get(d), int) and sizes[d] > LARGEST for d in network.depths):
        return []
    return members(network, name, sizes)


def _merged(stand_in: Any, given: Any) -> Any:
    if given is None:
        return stand_in
    return {**stand_in, **given} if isinstance(stand_in, dict) and isinstance(given, dict) else given


def _uses(equation: Equation, network: Network) -> Iterator[Use]:
    """Every place where an equation reads an element with a slope that is not zero by form."""
    for term in equation.terms:
        for position, factor in enumerate(term.factors):
            yield from _uses_in(equation, term, position, factor, network)


def _uses_in(equation: Equation, term: Term, position: int, factor: Factor, network: Network) -> Iterator[Use]:
    if isinstance(factor, Ref):
        yield Use(equation, term, position, factor, ())
    elif isinstance(factor, Apply):
        for k, arg in enumerate(factor.args):
            if isinstance(arg, Ref) and slope(factor.template, k) != 0:
                yield Use(equation, term, position, arg, ())
    elif isinstance(factor, Along):  # under names of their own, since the function keeps its placeholders
        inner = tuple(Bound(f"{LOCAL}{LOCAL}{k}", Affine(), size - 1) for k, size in enumerate(factor.sizes))
        names = {f"{LOCAL}{k}": var(bound.var) for k, bound in enumerate(inner)}
        read = Ref(factor.arg.tensor, tuple(form.substitute(names) for form in factor.arg.index))
        yield Use(equation, term, position, read, inner)
    else:
        for arg in factor.args:
            yield Use(equation, term, position, arg, _axes_of(arg, network))


def _axes_of(arg: Ref, network: Network) -> tuple[Bound, ...]:
    """Running indices for the axes of an argument of an opaque loss."""
    tensor = network.tensors[arg.tensor]
    family = {b.var: form for b, form in zip(tensor.family, arg.index, strict=False)}
    axes = (axis.substitute(family) for axis in tensor.axes)
    return tuple(Bound(f"{LOCAL}{k}", Affine(), size - 1) for k, size in enumerate(axes))


def _closure(needed: frozenset[str], bounds: tuple[Bound, ...]) -> frozenset[str]:
    """The indices, and those that their limits mention."""
    for bound in reversed(bounds):
        if bound.var in needed:
            needed |= bound.lo.variables | bound.hi.variables
    return needed


def with_indices(factor: Factor, change: Callable[[Affine], Affine]) -> Factor:
    """The factor with the indices of its elements changed; sizes used as numbers stay as they are."""
    if isinstance(factor, Ref):
        return Ref(factor.tensor, tuple(map(change, factor.index)))
    if isinstance(factor, Apply):
        return Apply(
            factor.template,
            tuple(Ref(a.tensor, tuple(map(change, a.index))) if isinstance(a, Ref) else a for a in factor.args),
        )
    return factor


def _is_call(factor: Apply) -> bool:
    return bool(factor.template.is_Function) and len(refs_of(factor)) == 1


def _inside_size(name: str, form: Affine) -> bool:
    return any(isinstance(a, Size) and any(name in f.variables for f in a.at) for a, _ in form.terms)
