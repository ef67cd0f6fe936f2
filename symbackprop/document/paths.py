"""The scalar level: every path from the loss to one element, with the product of its local derivatives.

At given sizes a network is a graph of numbers: an element depends on the elements that its equation reads. A *link*
``above -> below`` of that graph carries one local derivative ∂above/∂below, taken by SymPy from the equation of
``above``; a *path* is a chain of links from the loss down, and

    ∂loss/∂w = Σ over paths  Π over links  ∂above/∂below

``Unrolled`` reads the graph lazily (nothing is expanded that no path meets), counts paths without listing them, and
lists as many as one wants. Families of equations and their conditions are respected; an element that is used in
several places (a shared weight) has paths through each of them.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.affine import Affine, Bound, Size, const, var
from symbackprop.document.graph import LARGEST, Element, Graph, Link, Use
from symbackprop.errors import UnsupportedError
from symbackprop.index import Ref, Term, collect, product

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from symbackprop.network import Network

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Path:
    """Links from the loss down to an element."""

    links: tuple[Link, ...]

    @property
    def elements(self) -> tuple[Element, ...]:
        """The elements met, loss first."""
        return (self.links[0].above, *(link.below for link in self.links)) if self.links else ()

    @property
    def form(self) -> tuple[tuple[str, str, str], ...]:
        """The arrays it runs through, and how; paths of one form differ in indices alone."""
        return tuple((link.above.tensor, link.below.tensor, link.kind) for link in self.links)

    @property
    def product(self) -> tuple[Term, ...]:
        """The product of the local derivatives as terms; one term unless a local derivative is itself a sum."""
        total: tuple[Term, ...] = (product(1),)
        for link in self.links:
            total = tuple(times(left, right) for left, right in itertools.product(total, link.terms))
        return collect(total)


def times(left: Term, right: Term) -> Term:
    """The product of two terms; bound indices of the right one are renamed where they clash."""
    taken = {b.var for b in left.bounds}
    clash = {b.var: f"{b.var}{len(taken)}_" for b in right.bounds if b.var in taken}
    right = right.rename_bounds(clash) if clash else right
    return product(
        left.coefficient * right.coefficient,
        (*left.factors, *right.factors),
        bounds=(*left.bounds, *right.bounds),
        conditions=left.conditions | right.conditions,
    )


def _capped(value: Any, largest: int, least: Mapping[Any, int]) -> Any:
    """A size, or every size of a family, that is not above ``largest`` but where ``least`` asks for more."""
    if isinstance(value, int):
        return min(value, max(largest, least.get((), 0)))
    return {k: min(v, max(largest, least.get((k,), 0))) for k, v in value.items()}


class Unrolled(Graph):
    """A network at concrete sizes, as a graph of elements with its paths; see the module's first lines."""

    def __init__(self, network: Network, sizes: Mapping[str, Any] | None = None, *, slopes: str = "output") -> None:
        super().__init__(network, sizes, slopes=slopes)
        self._counts: dict[tuple[str, tuple[int, ...], int | None], Array] = {}

    def capped(self, largest: int, kept: Element) -> Unrolled:
        """The same network with no size above ``largest`` but where ``kept`` needs it to exist; depths stay."""
        tensor = self.network.tensors[kept.tensor]
        depth = len(tensor.family)
        env = {b.var: k for b, k in zip(tensor.family, kept.index, strict=False)}
        least: dict[str, dict[Any, int]] = defaultdict(dict)
        for axis, k in zip(tensor.axes, kept.index[depth:], strict=True):
            for atom in (atom for atom, _ in axis.terms if isinstance(atom, Size)):
                at = tuple(form.evaluate(env, self.values.size) for form in atom.at)
                least[atom.name][at] = max(k + 1, least[atom.name].get(at, 0))
        depths = self.network.depths
        sizes = {
            name: value if name in depths else _capped(value, largest, least[name])
            for name, value in self.values.sizes.items()
        }
        return Unrolled(self.network, sizes, slopes=self.slopes)

    def count(self, element: Element, example: int | None = None) -> int:
        """Number of paths from the loss to an element, or of those of one example, without listing them.

        Σ over readers of their own count; whole arrays of counts at a time, each member of a family once.
        """
        if element == self.loss:
            return 1
        total = 0
        for reader in self.readers(element):
            if example is None or self.example(reader) in {None, example}:
                total += 1 if reader == self.loss else self._count(reader, example)
        return total

    def _count(self, element: Element, example: int | None) -> int:
        depth = len(self.network.tensors[element.tensor].family)
        counts = self._count_array(element.tensor, element.index[:depth], example)
        return int(counts[element.index[depth:]])

    def _count_array(self, name: str, at: tuple[int, ...], example: int | None) -> Array:
        """Counts of all elements of a tensor (or member); computed readers first, without recursion."""
        stack = [(name, at)]
        while stack:
            key = stack[-1]
            if (*key, example) in self._counts:
                stack.pop()
                continue
            missing = [k for k in self._reader_members(*key) if (*k, example) not in self._counts]
            if missing:
                stack.extend(missing)
            else:
                self._counts[(*key, example)] = self._sum_of_counts(*key, example)
                stack.pop()
        return self._counts[(name, at, example)]

    def _family_ways(self, use: Use, at: tuple[int, ...]) -> Iterator[tuple[dict[str, int], tuple[int, ...]]]:
        """Family indices (and looped bounds) with which an equation reads member ``at``, and the member it defines."""
        depth = len(at)
        outer = len(self.network.tensors[use.equation.lhs.tensor].family)
        looped = frozenset().union(*(f.variables for f in (*use.ref.index[:depth], *use.equation.lhs.index[:outer])))
        bounds = tuple(b for b in (*use.equation.ranges, *use.term.bounds) if b.var in looped)
        conditions = [c for c in use.term.conditions if c.form.variables <= looped]
        for env in self.assignments(bounds, use.ref.index[:depth], at, conditions):
            yield env, tuple(f.evaluate(env, self.values.size) for f in use.equation.lhs.index[:outer])

    def _reader_members(self, name: str, at: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
        return list(
            dict.fromkeys(
                (use.equation.lhs.tensor, member)
                for use in self.uses[name]
                for _, member in self._family_ways(use, at)
                if use.equation.lhs.tensor != self.network.loss
            )
        )

    def _sum_of_counts(self, name: str, at: tuple[int, ...], example: int | None) -> Array:
        """Σ over readers: each pair (reader, element) once, however often the equation reads it."""
        shape = self.shape(name, at)
        if int(np.prod(shape)) > LARGEST:
            message = f"{name} has more than {LARGEST} elements; give smaller [sizes]"
            raise UnsupportedError(message)
        total = np.zeros(shape, dtype=object)
        groups: dict[tuple[str, tuple[int, ...]], list[tuple[Use, dict[str, int]]]] = {}
        for use in self.uses[name]:
            for env, member in self._family_ways(use, at):
                groups.setdefault((use.equation.lhs.tensor, member), []).append((use, env))
        for (reader, member), ways in groups.items():
            if reader == self.network.loss:
                counts: Array = np.asarray(1, dtype=object)
            else:
                counts = self._counts[(reader, member, example)]
            plain = self._along_axes(ways, counts, shape, at) if len(ways) == 1 else None
            more = self._scattered(ways, counts, shape) if plain is None else plain
            total = np.asarray(total + more, dtype=object)  # NumPy unpacks object arrays without axes
        return self._of_example(name, total, example, len(at))

    def _of_example(self, name: str, counts: Array, example: int | None, depth: int) -> Array:
        """Counts with those of other examples set to 0."""
        tensor = self.network.tensors[name]
        letters = tuple(var(f"#{k}") for k in range(depth + len(tensor.axes)))
        form = self.batch_form(Ref(name, letters))
        if example is None or form is None:
            return counts
        axis = letters.index(form) - depth
        keep = np.arange(counts.shape[axis]) == example
        return np.where(keep.reshape([-1 if k == axis else 1 for k in range(counts.ndim)]), counts, 0)

    def _along_axes(
        self, ways: list[tuple[Use, dict[str, int]]], counts: Array, shape: tuple[int, ...], at: tuple[int, ...]
    ) -> Array | None:
        """The sum where every index of the element is a letter of its own: sum what is missing, broadcast the rest."""
        use, env = ways[0]
        own = [f.single for f in use.ref.index[len(at) :]]
        outer = len(self.network.tensors[use.equation.lhs.tensor].family)
        reader = [f.single for f in use.equation.lhs.index[outer:]]
        names = [str(a) for a in own]
        full = {b.var for b in (*use.equation.ranges, *use.term.bounds, *use.inner) if b.lo == Affine()}
        if use.term.conditions or None in own or None in reader or len(set(names)) < len(names) or set(names) - full:
            return None
        extents = {
            b.var: b.extent.evaluate(env, self.values.size)
            for b in (*use.equation.ranges, *use.inner, *use.term.bounds)
            if b.var in names and b.extent.variables <= env.keys()
        }
        if tuple(extents.get(n) for n in names) != shape:
            return None
        kept = [str(a) for a in reader]
        summed = counts.sum(axis=tuple(k for k, n in enumerate(kept) if n not in names)) if counts.ndim else counts
        summed = np.asarray(summed, dtype=object)
        kept = [n for n in kept if n in names]
        order = sorted(range(len(kept)), key=lambda k: names.index(kept[k]))
        summed = np.transpose(summed, order) if order else summed
        return np.broadcast_to(
            summed.reshape([n if m in kept else 1 for m, n in zip(names, shape, strict=True)]), shape
        )

    def _scattered(self, ways: list[tuple[Use, dict[str, int]]], counts: Array, shape: tuple[int, ...]) -> Array:
        """The sum over distinct pairs, found one by one."""
        total = np.zeros(shape, dtype=object)
        pairs: dict[tuple[tuple[int, ...], tuple[int, ...]], None] = {}
        for use, env in ways:
            depth, outer = len(use.ref.index) - len(shape), len(use.equation.lhs.index) - counts.ndim
            looped = tuple(Bound(v, const(k), const(k)) for v, k in env.items())
            rest = tuple(b for b in (*use.equation.ranges, *use.term.bounds, *use.inner) if b.var not in env)
            for found in self.assignments((*looped, *rest), (), (), use.term.conditions):
                below = tuple(f.evaluate(found, self.values.size) for f in use.ref.index[depth:])
                above = tuple(f.evaluate(found, self.values.size) for f in use.equation.lhs.index[outer:])
                if all(0 <= k < n for k, n in zip(below, shape, strict=True)):
                    pairs[above, below] = None
        for above, below in pairs:
            total[below] += counts[above]
        return total

    def paths(self, element: Element, *, example: int | None = None, limit: int | None = None) -> tuple[Path, ...]:
        """The paths from the loss to an element (of one example), at most ``limit``, ordered from the loss down."""
        found: list[Path] = []
        trail: list[tuple[Element, Iterator[Element]]] = [(element, iter(self._next(element, example)))]
        while trail and (limit is None or len(found) < limit):
            above = next(trail[-1][1], None)
            if above is None:
                trail.pop()
            elif above == self.loss:
                chain = [above, *(e for e, _ in reversed(trail))]
                found.append(Path(tuple(self.link(u, v) for u, v in itertools.pairwise(chain))))
            else:
                trail.append((above, iter(self._next(above, example))))
        return tuple(sorted(found, key=lambda p: [(e.tensor, e.index) for e in p.elements]))

    def _next(self, element: Element, example: int | None) -> tuple[Element, ...]:
        """Readers of an element (of one example) that have a path to the loss."""
        readers = [r for r in self.readers(element) if example is None or self.example(r) in {None, example}]
        return tuple(r for r in readers if r == self.loss or self._count(r, example))
