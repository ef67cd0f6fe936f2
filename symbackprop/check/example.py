"""The example worked in numbers: a search for data that are pleasant to follow, and what the printed code says there.

A candidate is drawn, the code is run on it, and what a reader would stumble over is counted: numbers that print as
zero, rows that do not add up as they are rounded, functions in saturation. The first candidate without any, or the
best of a fixed number, is taken, so the same network always has the same example. It is refused where a kink is near,
and its gradients are compared with difference quotients before anything is printed.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.affine import const
from symbackprop.check import module as generated
from symbackprop.check.data import STYLES, Style, drawn, small_sizes, stand_ins
from symbackprop.check.gradients import GOAL, Point, largest_error
from symbackprop.check.numeric import central
from symbackprop.check.report import TOLERANCE, shown
from symbackprop.document.graph import Element, Graph
from symbackprop.document.material import Quotient, Worked
from symbackprop.document.path_values import decimal, listed, number, valued
from symbackprop.document.paths import Unrolled
from symbackprop.document.target import chosen
from symbackprop.errors import DerivationError, SpecError, UnsupportedError
from symbackprop.index import Ref, adjoint_name
from symbackprop.oracle import Interpreter, members, stand_in_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

    from symbackprop.derivation import Derivation
    from symbackprop.document.path_values import Group
    from symbackprop.network import Network
    from symbackprop.oracle import Values

    Array = np.ndarray[Any, Any]
    Layout = Mapping[str, tuple[int, ...]]

TRIES = 18
"""Candidates of the usual style, and a third of them of each other style."""
MISFIT, UNLIKE = 1000, 10
"""Faults that rounded rows count which do not add up to what is printed, or factors which do not multiply to it."""
TOLERABLE = 50
"""Numbers for each fault that may be."""
PLACES = (4, 6)
"""Decimals that are printed; more where gradients would print as zeros."""
LARGE, SMALL = 100.0, 0.01
"""Numbers beyond are hard to read; slopes below are those of a function in saturation."""
FAINT = 5
"""Numbers of less units of the last decimal have no digits worth comparing."""
VISIBLE = 0.5
"""The least share of gradient entries that print as something other than zero."""
QUOTIENTS = 8
"""Entries whose difference quotients are shown."""


def worked(derivation: Derivation, source: str, layout: Layout, target: str = "") -> Worked | None:
    """The example for the module ``source``; None where no candidate has a finite loss away from kinks.

    ``target`` is the entry whose paths are followed, as the network file's sizes have it.

    Raises: DerivationError where formulas, code and difference quotients disagree at the data.
    """
    search = _search(derivation, source, layout, target)
    if search is None:
        return None
    example: Worked | None = None
    for places in PLACES:
        for candidate in search.candidates(places):
            example = candidate.checked(places)
            if example is not None:
                break
        if example is None or candidate.visible(places) >= VISIBLE:
            break
    return example


def _search(derivation: Derivation, source: str, layout: Layout, target: str = "") -> _Search | None:
    """The search at the first sizes at which the code runs; slices may ask for more than small ones."""
    network = derivation.network
    for sizes in (small_sizes(network), stand_in_sizes(network, 4), stand_in_sizes(network)):
        module = generated.run(source, network.name)
        for key in getattr(module, "SIZES", {}):
            if isinstance(key, str):
                module.SIZES[key] = sizes[key]
        search = _Search(derivation, module, sizes, layout, target)
        try:
            search.point(STYLES[0], 0)
        except (DerivationError, SpecError):
            continue
        return search
    return None


class _Search:
    """Candidates at some sizes."""

    def __init__(
        self, derivation: Derivation, module: ModuleType, sizes: Mapping[str, Any], layout: Layout, target: str
    ) -> None:
        self.derivation, self.network, self.module = derivation, derivation.network, module
        self.sizes, self.layout = sizes, layout
        self.entry: Element | None = None
        self.paths = None
        try:
            graph = Unrolled(self.network, sizes, slopes=derivation.choices.slopes)
            every = [_at_home(graph, target)] if target else [graph.first(name) for name in self.network.parameters]
            self.entry = next((element for element in every if graph.count(element)), None)
            self.paths = listed(graph, self.entry) if self.entry is not None else None
        except UnsupportedError:
            self.paths = None

    def point(self, style: Style, seed: int) -> tuple[Values, Point]:
        values = drawn(self.network, self.sizes, style, seed)
        return values, Point(self.network, self.module, values, self.layout)

    def candidates(self, places: int) -> Iterator[_Candidate]:
        """Candidates, those without fault as they are found, then those of the style from the best on."""
        last: list[_Candidate] = []
        for style in STYLES:
            rest: list[tuple[int, int, _Candidate]] = []
            for seed in range(TRIES if style == STYLES[0] else TRIES // 3):
                values, point = self.point(style, seed)
                if not point.is_finite:
                    continue
                candidate = _Candidate(self, values, point)
                faults = candidate.faults_of_arrays(places)
                if rest and faults > min(each[0] for each in rest):
                    continue
                faults += candidate.faults_of_paths(places)
                if faults * TOLERABLE <= candidate.count and candidate.follows:
                    yield candidate
                elif candidate.follows:
                    rest.append((faults, seed, candidate))
                else:
                    last.append(candidate)
            yield from (candidate for _, _, candidate in sorted(rest, key=lambda each: each[:2]))
        yield from last


def _at_home(graph: Unrolled, target: str) -> Element:
    """The entry that a text names at the sizes of the network file, or the last one before it at the graph's own.

    Raises: SpecError where the text names none.
    """
    element = chosen(Graph(graph.network), target)
    depth = len(graph.network.tensors[element.tensor].family)
    there = members(graph.network, element.tensor, graph.values.sizes)
    at = max((each for each in there if each <= element.index[:depth]), default=there[0])
    own = (min(k, extent - 1) for k, extent in zip(element.index[depth:], graph.shape(element.tensor, at), strict=True))
    return Element(element.tensor, (*at, *own))


class _Candidate:
    """The code at some data: all arrays, and the values along the paths."""

    def __init__(self, search: _Search, values: Values, point: Point) -> None:
        self.search, self.values, self.point = search, values, point
        network = search.network
        chains = search.derivation.chains
        self.interpreter = Interpreter(
            network, values, {adjoint_name(chain.tensor): (chain.equation,) for chain in chains.values()}
        )
        with np.errstate(all="ignore"):
            self.forward = self._forward()
            self.backward = self._backward()

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The values along the paths."""
        if self.search.paths is None:
            return ()
        return valued(self.search.paths, self.interpreter, self.search.derivation.scale)

    def _forward(self) -> dict[str, dict[tuple[int, ...], Array]]:
        """What the code's forward pass gives; the formulas below are evaluated at these very numbers."""
        network = self.search.network
        inputs = generated.arguments(network, self.values, self.search.layout, network.inputs)
        keywords = generated.functions(network, self.values, self.search.layout)
        tensors = self.search.module.forward(self.point.parameters, inputs, **keywords)
        found = {name: self._members(name, generated.leaves(tree)) for name, tree in tensors.items()}
        for name, arrays in found.items():
            for at, array in arrays.items():
                self.interpreter.memo[name, at] = self._turned(name, array, back=True)
        return found

    def _backward(self) -> dict[str, dict[tuple[int, ...], Array]]:
        """Signals from their formulas, and gradients from the code."""
        search = self.search
        found: dict[str, dict[tuple[int, ...], Array]] = {}
        for chain in search.derivation.written:
            name = adjoint_name(chain.tensor)
            values = search.derivation.chains[chain.tensor].equation
            arrays = {at: self._turned(chain.tensor, array) for at, array in self.interpreter.equation(values).items()}
            if chain.tensor in search.network.parameters:
                given = self._members(chain.tensor, self.point.gradients[chain.tensor])
                _compare(search.network, chain.tensor, arrays, given)
                arrays = given
            found[name] = arrays
        return found

    def _members(self, name: str, arrays: Sequence[Array]) -> dict[tuple[int, ...], Array]:
        every = members(self.search.network, name, self.search.sizes)
        return {at: array for at, array in zip(every, arrays, strict=True) if array.dtype != object}  # None: no member

    def _turned(self, name: str, array: Array, *, back: bool = False) -> Array:
        """An array as it is stored, or ``back`` to the axes of the network file."""
        order = self.search.layout.get(name)
        if order is None or np.ndim(array) != len(order):
            return np.asarray(array)
        return np.transpose(array, np.argsort(order) if back else order)

    @property
    def count(self) -> int:
        """How many numbers are computed."""
        return sum(
            a.size for each in (self.forward, self.backward) for arrays in each.values() for a in arrays.values()
        )

    # -- what a reader would stumble over ------------------------------------------------------------------------------

    @property
    def follows(self) -> bool:
        """True where some path can be followed: no factor of it is 0."""
        return self.search.paths is None or any(group.rows for group in self.groups)

    def visible(self, places: int) -> float:
        """The share of entries other than 0 that do not print as 0, in the gradient where it is smallest."""
        entries = [np.abs(array[array != 0]) for array in self._gradients()]
        return min((float(np.mean(each >= 0.5 * 10.0**-places)) for each in entries if each.size), default=1.0)

    def _gradients(self) -> Iterator[Array]:
        for name in self.search.network.parameters:
            yield from self.backward[adjoint_name(name)].values()

    def faults_of_arrays(self, places: int) -> int:
        """How much there is to stumble over in inputs, outputs and gradients."""
        found = 0
        computed = [a for each in (self.forward, self.backward) for arrays in each.values() for a in arrays.values()]
        for array in computed:
            size = np.abs(array)
            found += int(np.sum((size > 0) & (size < FAINT * 10.0**-places)) + np.sum(size >= LARGE))
        found += sum(int(np.sum(a == 0)) for a in self._gradients())
        drawn_arrays = [a for a in self.values.arrays.values() if a.size >= 4 and a.dtype.kind == "f"]  # noqa: PLR2004
        found += sum(bool(np.all(a > 0) or np.all(a < 0)) for a in drawn_arrays)
        return found

    def faults_of_paths(self, places: int) -> int:
        """How much there is to stumble over along the paths."""
        found = 0
        for group in self.groups:
            found += MISFIT * (not group.adds_up(places)) + UNLIKE * (not group.multiplies(places))
            found += sum(abs(factor) < SMALL for row in group.rows for factor in row.factors)
        return found + MISFIT * (not self._total_fits(places))

    def _total_fits(self, places: int) -> bool:
        """True where the printed sums add up, and the printed sum times the constant is the printed entry."""
        if not self.groups:
            return True
        scale = self.search.derivation.scale
        constant = 1.0 if scale is None else number((scale,), self.interpreter)
        printed = sum(float(decimal(group.total, places)) for group in self.groups)
        total = sum(group.total for group in self.groups)
        entry = decimal(total * constant, places)
        return (
            abs(printed - float(decimal(total, places))) < 0.1 * 10.0**-places
            and abs(printed * constant - float(entry)) <= 0.501 * 10.0**-places
        )

    # -- the check -----------------------------------------------------------------------------------------------------

    def checked(self, places: int) -> Worked | None:
        """The example with its difference quotients; None where a kink is near.

        Raises: DerivationError where a quotient differs from the code's gradient, or the paths from both.
        """
        search = self.search
        worst = largest_error(search.network, self.point)
        if worst is None:
            return None
        self._compare_paths()
        quotients = tuple(self._quotient(*each) for each in self._chosen())
        if worst > TOLERANCE or any(abs(q.gradient - q.measured) > TOLERANCE for q in quotients):
            message = f"{search.network.name}: gradients and difference quotients disagree in the example in numbers"
            raise DerivationError(message)
        arrays = {**self._data(), **self.forward, **self.backward}
        return Worked(
            sizes=search.sizes,
            arrays={name: each[()] if tuple(each) == ((),) else each for name, each in arrays.items()},
            values=self.values,
            functions={name: each.words for name, each in stand_ins(search.network).items()},
            entry=None if search.entry is None else search.entry.ref,
            quotients=quotients,
            agreement=shown(worst),
            places=places,
        )

    def _data(self) -> dict[str, dict[tuple[int, ...], Array]]:
        found: dict[str, dict[tuple[int, ...], Array]] = {}
        for (name, at), array in self.values.arrays.items():
            found.setdefault(name, {})[at] = self._turned(name, array)
        return found

    def _compare_paths(self) -> None:
        """The sum over the paths is the entry of the gradient."""
        search = self.search
        if search.paths is None or search.entry is None or search.entry.tensor not in search.network.parameters:
            return
        scale = search.derivation.scale
        total = sum(group.total for group in self.groups)
        total *= 1.0 if scale is None else number((scale,), self.interpreter)
        depth = len(search.network.tensors[search.entry.tensor].family)
        gradient = self.backward[adjoint_name(search.entry.tensor)][search.entry.index[:depth]]
        exact = self._turned(search.entry.tensor, gradient, back=True)[search.entry.index[depth:]]
        if abs(total - exact) > TOLERANCE * max(1.0, abs(exact)):
            message = f"{search.network.name}: the paths to {search.entry} add up to {total}, its gradient is {exact}"
            raise DerivationError(message)

    def _chosen(self) -> Iterator[tuple[str, int, int]]:
        """Entries whose quotients are shown: the first and the last of every parameter while there is room."""
        parameters = self.search.network.parameters
        each = 2 if 2 * len(parameters) <= QUOTIENTS else 1
        for name in parameters[: QUOTIENTS // each]:
            arrays = self.point.gradients[name]
            places = [(k, flat) for k, a in enumerate(arrays) for flat in range(a.size)]
            for place in dict.fromkeys((places[0], places[-1])[:each] if places else ()):
                yield (name, *place)

    def _quotient(self, name: str, member: int, flat: int) -> Quotient:
        gradient = self.point.gradients[name]
        steps = [np.zeros(np.shape(a)) for a in gradient]
        steps[member].flat[flat] = 1.0
        line = self.point.along(name, steps)
        goal = GOAL * max(self.point.floor, float(np.max(np.abs(gradient[member]))))
        slope = central(lambda s: float(line(s)), goal)
        order = self.search.layout.get(name)
        stored = np.unravel_index(flat, np.shape(gradient[member]))
        index = [int(stored[k]) for k in (np.argsort(order) if order and stored else range(len(stored)))]
        at = members(self.search.network, name, self.search.sizes)[member]
        entry = Ref(name, tuple(map(const, (*at, *index))))
        exact = float(gradient[member].flat[flat])
        return Quotient(entry, exact, slope.value, shown(abs(exact - slope.value)))


def _compare(
    network: Network,
    name: str,
    formula: Mapping[tuple[int, ...], Array],
    code: Mapping[tuple[int, ...], Array],
) -> None:
    """Formula and code agree.

    Raises: DerivationError.
    """
    for at, array in formula.items():
        largest = max(1.0, float(np.max(np.abs(array), initial=0.0)))
        if not np.max(np.abs(array - code[at]), initial=0.0) <= TOLERANCE * largest:
            message = f"{network.name}: the code's gradient of {name} is not that of its formula"
            raise DerivationError(message)
