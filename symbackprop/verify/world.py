"""A world: numbers for every tensor of a network, and every derivative of one by another.

A node is a tensor or one member of a family. ``derivative`` changes the node itself and recomputes what lies
downstream; nothing upstream moves. It is the sum over all paths of products of the Jacobians of the defining
equations, so it is exact in whatever field the world counts: doubles, or integers modulo a prime.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import sympy as sp

from symbackprop.affine import Affine, Size
from symbackprop.errors import SpecError
from symbackprop.index import Apply, Where
from symbackprop.oracle import Values, draw, members, stand_in_sizes
from symbackprop.tables.activations import ACTIVATION
from symbackprop.verify.world_equation import Local, Node, match
from symbackprop.verify.world_field import PRIME, Field, FloatField, Inexact, ModField
from symbackprop.verify.world_precise import PreciseField

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from symbackprop.network import Network

    Array = np.ndarray[Any, Any]

Kind = Literal["doubles", "exact", "precise"]
SCALED = "numbers of other scales"
SCALES = (0.1, 1.0, 3.0)
"""Of the leaves in worlds for networks with kinks, so that both sides of a kink are met."""
TAME, DRAWS = 12.0, 8
"""Of so many draws for numbers of other scales the first is taken in which no value is larger, else the one whose
largest value is the smallest: where functions saturate, doubles tell little apart."""
MOST_MOVED = 200
"""Entries by which second derivatives are taken."""

__all__ = ["PRIME", "Inexact", "Node", "World", "Worlds"]


class World:
    """A network at given sizes with random numbers; see the module's first lines."""

    def __init__(
        self, network: Network, sizes: Mapping[str, Any], seed: int = 0, *, kind: Kind = "doubles", scaled: bool = False
    ) -> None:
        self.network, self.sizes, self.seed, self.kind, self.scaled = network, sizes, seed, kind, scaled
        self.exact = kind == "exact"
        self._lookup = Values(sizes=sizes, arrays={}).size
        self.field, leaves = self._begun()
        self.arrays: dict[Node, Array] = {}
        self.jacobians: dict[Node, dict[Node, Array]] = {}
        self._readers: dict[Node, list[Node]] = {}
        self._derivatives: dict[tuple[Node, Node, bool], Array | None] = {}
        self._directions: dict[Node, Array] = {}
        self._moved: dict[tuple[Node | None, frozenset[Node]], World] = {}
        self.scalars: dict[str, Array] = {}
        self.rng = np.random.default_rng(seed + 17)
        self.nodes: list[Node] = [(n, at) for n in network.tensors for at in members(network, n, sizes)]
        self._known = set(self.nodes)
        self._equations: dict[str, list[Any]] = {}
        for equation in network.equations:
            self._equations.setdefault(equation.lhs.tensor, []).append(equation)
        told = {fact.tensor for fact in network.facts}
        for node, array in leaves.items():
            below = network.tensors[node[0]].below
            free = below is None and node[0] not in told
            drawn = array * self.rng.choice(SCALES) if self.scaled and free else array
            self.arrays[node] = array if below is not None else self._leaf(node, drawn)
        for node in self.nodes:
            self.value(*node)

    def _begun(self) -> tuple[Field, Mapping[Node, Array]]:
        """The field, and what was drawn for the leaves."""
        drawn = draw(self.network, self.seed, self.sizes)
        fields: Mapping[Kind, Callable[[], Field]] = {
            "doubles": lambda: FloatField(self.network, drawn),
            "exact": lambda: ModField(self.network, self.seed),
            "precise": lambda: PreciseField(self.network),
        }
        return fields[self.kind](), drawn.arrays

    def size(self, name: str, at: tuple[int, ...] = ()) -> int:
        """A size, or a member of a family of sizes.

        Raises: KeyError where there is none.
        """
        return self._lookup(name, at)

    def random(self, shape: tuple[int, ...] = ()) -> Array:
        """Random numbers of the field."""
        if self.exact:
            count = int(np.prod(shape, dtype=int))
            pairs = self.rng.integers(0, 2**31, size=(count, 2)).tolist()
            return self.field.array([high * 2**31 + low for high, low in pairs]).reshape(shape)
        return self.field.array(self.rng.standard_normal(shape))

    def _leaf(self, node: Node, array: Array) -> Array:
        """A leaf as drawn, or residues modulo the prime; but in doubles, the sums of the facts hold exactly."""
        value = self.random(array.shape) if self.exact else self.field.array(array)
        if self.kind == "doubles":
            return value
        for fact in self.network.facts:
            if fact.tensor == node[0] and fact.kind == "sum":
                axis = fact.axis % array.ndim
                head = np.take(value, range(array.shape[axis] - 1), axis=axis)
                last = self.field.norm(self.field.array(fact.value) - head.sum(axis=axis))
                value = np.concatenate([head, np.expand_dims(last, axis)], axis=axis)
        return value

    def largest(self) -> float:
        """The largest value of all, without its sign; infinite where one is not finite."""
        most = max((float(np.max(np.abs(array), initial=0.0)) for array in self.arrays.values()), default=0.0)
        return most if np.isfinite(most) else float("inf")

    def has(self, tensor: str, at: tuple[int, ...]) -> bool:
        """True where there is such a member."""
        return (tensor, at) in self._known

    def value(self, tensor: str, at: tuple[int, ...] = ()) -> Array:
        """The array of a node.

        Raises: SpecError where no equation gives it.
        """
        node = (tensor, at)
        found = self.arrays.get(node)
        if found is not None:
            return found
        for equation in self._equations.get(tensor, ()):
            env = match(equation, at, self._lookup)
            if env is not None:
                local = Local(
                    equation, env, at, self._depth,
                    field=self.field, size=self._lookup, read=self.value, inside=self.has,
                )  # fmt: skip
                self.arrays[node] = self._settled(node, local.value)
                self.jacobians[node] = local.jacobians
                for source in local.jacobians:
                    self._readers.setdefault(source, []).append(node)
                return self.arrays[node]
        message = f"no equation gives {tensor}{list(at) or ''}"
        raise SpecError(message, source=self.network.source)

    def _settled(self, node: Node, value: Array) -> Array:  # noqa: ARG002 - for worlds in which nodes move
        """A computed value as it is kept."""
        return value

    def moved(self, by: Node | None, independents: frozenset[Node]) -> World:
        """This world with tangents on every entry of a node, or along the directions of several; made once.

        Raises: Inexact where a function has no second derivative, or where there are too many entries.
        """
        from symbackprop.verify.world_moved import MovedWorld  # noqa: PLC0415 - it is a world itself

        key = (by, independents)
        if key not in self._moved:
            if by is None:
                tangents = {node: self.direction(node)[..., None] for node in independents}
            else:
                array = self.value(*by)
                eye = self.field.array(np.eye(array.size, dtype=int))
                tangents = {by: eye.reshape((*array.shape, array.size))}
            count = 1 if by is None else self.value(*by).size
            if count > MOST_MOVED or self.field.depth:
                message = "a third derivative" if self.field.depth else f"a second derivative by {count} entries"
                raise Inexact(message)
            self._moved[key] = MovedWorld(self, tangents, count)
        return self._moved[key]

    def _depth(self, tensor: str) -> int:
        return len(self.network.tensors[tensor].family)

    # -- derivatives ---------------------------------------------------------------------------------------------------

    def derivative(self, of: Node, by: Node, *, explicit: bool = False) -> Array:
        """∂of/∂by with axes (of…, by…); ``explicit`` holds fixed what is not part of the same step."""
        found = self._path(of, by, explicit)
        if found is None:
            return self.field.array(np.zeros((*self.value(*of).shape, *self.value(*by).shape), dtype=int))
        return found

    def depends(self, of: Node, by: Node) -> bool:
        """True where ``of`` lies downstream of ``by`` or is the same."""
        return of == by or self._path(of, by, False) is not None  # noqa: FBT003 - the plain kind

    def _path(self, of: Node, by: Node, explicit: bool) -> Array | None:  # noqa: FBT001
        key = (of, by, explicit)
        if key in self._derivatives:
            return self._derivatives[key]
        total: Array | None = None
        if of == by:
            array = self.value(*of)
            flat = self.field.array(np.eye(array.size, dtype=int))
            total = flat.reshape((*array.shape, *array.shape))
        else:
            for reader in self._readers.get(by, ()):
                if explicit and reader != of and not self._same_step(reader, of):
                    continue
                outer = self._path(of, reader, explicit)
                if outer is None:
                    continue
                inner = self.jacobians[reader][by]
                part = self._chained(outer, inner, self.value(*reader).ndim)
                total = part if total is None else total + part
            if total is not None:
                total = self.field.norm(total)
        self._derivatives[key] = total
        return total

    def _chained(self, outer: Array, inner: Array, shared: int) -> Array:
        if not shared:
            rows = outer.reshape(outer.shape + (1,) * inner.ndim)
            return self.field.norm(rows * inner)
        return self.field.norm(np.tensordot(outer, inner, axes=shared))

    def _same_step(self, node: Node, of: Node) -> bool:
        """Intermediates that are held when a partial derivative is explicit: others of the same step are not."""
        tensor = self.network.tensors[node[0]]
        if not tensor.named:
            return True
        return bool(node[1]) and node[1] == of[1] and node[0] != of[0]

    def direction(self, node: Node) -> Array:
        """The random differential of a node that is free to move."""
        if node not in self._directions:
            self._directions[node] = self.random(self.value(*node).shape)
        return self._directions[node]

    def differential(self, of: Node, independents: frozenset[Node]) -> Array:
        """The change of ``of`` when the independents move in their directions (joint, to first order)."""
        total = self.field.array(np.zeros(self.value(*of).shape, dtype=int))
        for node in sorted(independents):
            found = self._path(of, node, False)  # noqa: FBT003
            if found is not None:
                total = total + self._chained(found, self.direction(node), self.direction(node).ndim)
        return self.field.norm(total)

    def scalar(self, name: str) -> Array:
        """The random value of a declared or otherwise free scalar, positive."""
        if name not in self.scalars:
            self.scalars[name] = self.random() if self.exact else self.field.array(0.3 + abs(self.random()))
        return self.scalars[name]


# ---------------------------------------------------------------------------------------------------------------------
# Several worlds

Sizes = tuple[tuple[str, int | None, int], ...]
"""Sizes by name, the index of one of a family (else None), and value."""
OTHER_DEPTHS = ("one step deeper", "one step shallower")


@dataclass(slots=True)
class Worlds:
    """The worlds in which claims about one network are judged, made when first needed and kept.

    ``floating`` are: the file's sizes (pairwise different), one depth more, one less, all sizes equal, and again the
    first with other numbers. ``exact`` is the same list modulo the prime, ``precise`` in numbers of many digits.
    ``base`` are other sizes than those of the file; where they are ``fixed``, there are no others.
    """

    network: Network
    base: Mapping[str, Any] | None = None
    fixed: bool = False
    _made: dict[tuple[int, Kind], World | None] = field(default_factory=dict)
    _sizes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _others: dict[Any, Worlds] = field(default_factory=dict)

    @property
    def variants(self) -> list[tuple[str, dict[str, Any]]]:
        """Names and sizes of the worlds, in order."""
        if not self._sizes:
            base = self.base if self.base is not None else stand_in_sizes(self.network)
            self._sizes = list(_variants(self.network, base, fixed=self.fixed))
        return self._sizes

    def at(self, sizes: Sizes) -> Worlds:
        """The worlds for a statement about some sizes alone; all worlds where it names none."""
        return self._with(sizes, fixed=True) if sizes else self

    def with_room(self, entries: Mapping[tuple[str, int | None], int]) -> Worlds:
        """The worlds in which sizes have room for numbered entries, as far as the network file allows them."""
        base = self.variants[0][1]
        needed: list[tuple[str, int | None, int]] = []
        for (name, index), number in sorted(entries.items(), key=str):
            given, here = self.network.sizes.get(name), base.get(name)
            most = given if isinstance(given, int) or index is None or given is None else given.get(index)
            known = here if isinstance(here, int) or index is None or here is None else here.get(index)
            if isinstance(known, int) and known < number and not (isinstance(most, int) and most < number):
                needed.append((name, index, number))
        return self._with(tuple(needed), fixed=self.fixed) if needed else self

    def _with(self, sizes: Sizes, *, fixed: bool) -> Worlds:
        key = (sizes, fixed)
        if key not in self._others:
            base = dict(self.variants[0][1])
            for name, index, value in sizes:
                base[name] = value if index is None else {**base[name], index: value}
            self._others[key] = Worlds(network=self.network, base=base, fixed=fixed)
        return self._others[key]

    def floating(self, *, one_depth: bool = False) -> Iterator[tuple[str, World]]:
        """The worlds in double precision, by name; ``one_depth`` leaves out depths that the file does not give."""
        yield from ((name, world) for name, world in self._all("doubles", one_depth=one_depth) if world is not None)

    def exact(self, *, one_depth: bool = False) -> Iterator[tuple[str, World]]:
        """The worlds modulo the prime.

        Raises: Inexact where a function of the network has no place there.
        """
        yield from self._demanded("exact", "a function of this network needs an order", one_depth=one_depth)

    def precise(self, *, one_depth: bool = False) -> Iterator[tuple[str, World]]:
        """The worlds of ``floating`` in numbers of many digits.

        Raises: Inexact where a function of the network is not known to so many.
        """
        message = "a function of this network is not known to many digits"
        yield from self._demanded("precise", message, one_depth=one_depth)

    def _demanded(self, kind: Kind, message: str, *, one_depth: bool) -> Iterator[tuple[str, World]]:
        for name, world in self._all(kind, one_depth=one_depth):
            if world is not None:
                yield name, world
            elif any(name == known for known, _ in self.floating()):
                raise Inexact(message)

    def _all(self, kind: Kind, *, one_depth: bool) -> Iterator[tuple[str, World | None]]:
        for k, (name, _) in enumerate(self.variants):
            if not (one_depth and name in OTHER_DEPTHS):
                yield name, self._world(k, kind)

    def _world(self, k: int, kind: Kind) -> World | None:
        key = (k, kind)
        if key not in self._made:
            try:
                with np.errstate(all="ignore"):
                    self._made[key] = self._drawn(k, kind)
            except Inexact:
                self._made[key] = None
            except (SpecError, KeyError):
                if k == 0:
                    raise
                self._made[key] = None  # a depth for which the network makes no sense
        return self._made[key]

    def _drawn(self, k: int, kind: Kind) -> World:
        """A world of a variant; its numbers are those of the world in doubles."""
        name, sizes = self.variants[k]
        if name != SCALED:
            return World(self.network, sizes, seed=k, kind=kind)
        if kind != "doubles":
            known = self._world(k, "doubles")
            return World(self.network, sizes, seed=known.seed if known is not None else k, kind=kind, scaled=True)
        drawn: list[World] = []
        for attempt in range(DRAWS):
            drawn.append(World(self.network, sizes, seed=k + attempt * len(self.variants), scaled=True))
            if drawn[-1].largest() <= TAME:
                return drawn[-1]
        return min(drawn, key=World.largest)


def _variants(network: Network, base: Mapping[str, Any], *, fixed: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    first = dict(base)
    if fixed:
        yield "sizes of the document", first
        yield "other numbers", first
        return
    yield "sizes of the file", first
    for step in (1, -1):
        deeper = _deeper(network, base, step)
        if deeper is not None:
            yield OTHER_DEPTHS[0 if step > 0 else 1], deeper
    yield "equal sizes", _equal(network, base)
    yield "other numbers", first
    yield from ((SCALED, first) for _ in range(5 if _kinked(network) else 0))


def _kinked(network: Network) -> bool:
    """True where an equation compares, or has a function with a kink."""
    templates = [f.template for e in network.equations for t in e.terms for f in t.factors if isinstance(f, Apply)]
    names = {str(call.func) for template in templates for call in template.atoms(sp.Function)}
    compares = any(template.has(Where) for template in templates)
    return compares or any(name in ACTIVATION and ACTIVATION[name].kinks for name in names)


def _ends(network: Network, sizes: Mapping[str, Any]) -> dict[str, int]:
    """The largest index of each family of sizes that an axis uses."""
    found: dict[str, int] = {}
    lookup = Values(sizes=sizes, arrays={}).size

    def visit(form: Affine, env: Mapping[str, int]) -> None:
        for atom, _ in form.terms:
            if isinstance(atom, Size) and len(atom.at) == 1:
                visit(atom.at[0], env)
                found[atom.name] = max(found.get(atom.name, 0), atom.at[0].evaluate(env, lookup))

    for name, tensor in network.tensors.items():
        for at in members(network, name, sizes):
            env = {b.var: k for b, k in zip(tensor.family, at, strict=True)}
            for axis in tensor.axes:
                visit(axis, env)
    return found


def _deeper(network: Network, base: Mapping[str, Any], step: int) -> dict[str, Any] | None:
    """Every depth changed by ``step``; families of sizes keep their two ends. None without depths."""
    depths = [d for d in base if d in network.depths and isinstance(base[d], int)]
    if not depths or (step < 0 and min(base[d] for d in depths) < 2):  # noqa: PLR2004 - one step must be left
        return None
    sizes = dict(base)
    for depth in depths:
        sizes[depth] = base[depth] + step
    before, after = _ends(network, base), _ends(network, {**sizes, **_long(base)})
    for name, table in base.items():
        if not isinstance(table, dict) or name not in before:
            continue
        shift = after[name] - before[name]
        used = set(table.values())
        new: dict[int, int] = {}
        tail = before[name] - 1 if before[name] > 1 else before[name]
        for k in range(min(table), max(table) + abs(step) + 2):
            source = k - shift if k - shift >= tail else k if k < tail else None
            if source is not None and source in table:
                new[k] = table[source]
            else:
                new[k] = next(v for v in range(2, 99) if v not in used)
                used.add(new[k])
        sizes[name] = new
    return sizes


def _long(base: Mapping[str, Any]) -> dict[str, Any]:
    """Families of sizes made long enough to be asked for one index more."""
    return {n: {**t, max(t) + 1: 2, max(t) + 2: 2} for n, t in base.items() if isinstance(t, dict)}


def _equal(network: Network, base: Mapping[str, Any], size: int = 3) -> dict[str, Any]:
    """All widths equal; sizes of 1 and depths stay."""

    def changed(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {k: 1 if v == 1 else size for k, v in value.items()}
        return value if name in network.depths or value == 1 else size

    return {name: changed(name, value) for name, value in base.items()}
