"""Small changes of a formula: where in the tree, what stands there before and after, and what kind of mistake it mends.

A ``Row`` proposes changes of one node in its place; the tables of rows stand in ``edits_indices``, ``edits_products``,
``edits_values`` and ``edits_terms``. Changes compose: each is a new tree, and the author's text of all that stays is
kept in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from symbackprop.affine import Affine, Var, var
from symbackprop.handwritten import expression as ex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from symbackprop.handwritten.expression import Node
    from symbackprop.network import Network

Members: TypeAlias = "tuple[Node, ...]"
Path: TypeAlias = "tuple[int, ...]"
"""The number of a member, then of a child in each node on the way down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change: ``before`` became ``after`` at ``path``; ``part`` is the node to point at where it is smaller.

    ``also`` are codes of further mistakes that the same change mends, or other names of the same mistake. A change
    that another one entails costs nothing, and nothing is said about it.
    """

    row: str
    code: str
    cost: float
    path: Path
    before: Node
    after: Node
    part: Node | None = None
    also: tuple[str, ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        """All codes, the main one first."""
        return (self.code, *self.also)

    @property
    def shown(self) -> Node:
        """What is spoken of: what was changed, or taken away, or put in."""
        return self.part or self.before

    @property
    def pointed(self) -> Node:
        """What to point at: what is put in does not stand in the formula."""
        return self.before if self.row in {"factor", "term", "upstream"} else self.shown


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a row gives for a node: the node that takes its place, its price, and a more special code or part."""

    after: Node
    cost: float
    code: str = ""
    part: Node | None = None
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A name of the author's that may stand in a formula: as declared, with its letters, and the axes of its value."""

    name: str
    letters: tuple[str, ...] = ()
    rank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What edits may draw on: the network, the author's names, letters and parts that occur in the statement.

    ``free`` are letters of the left side, ``bound`` those under sum signs anywhere; ``leaves`` and ``factors`` are
    what occurs, each once, in the order of the text.
    """

    network: Network
    members: Members
    names: Mapping[str, Known] = field(default_factory=dict)
    base: int = 1
    free: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()
    leaves: tuple[Node, ...] = ()
    factors: tuple[Node, ...] = ()
    loss: str = ""
    variable: Node | None = None
    """What the statement differentiates by."""
    entrywise: ex.ProductSign = "odot"
    layers: frozenset[str] = frozenset()
    """Letters that stand for layers or times."""
    derived: tuple[Node, ...] = ()
    """Terms of the right formula, as the network's notation has it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A node in its tree: ``above`` are the nodes around it, innermost first."""

    node: Node
    path: Path
    above: tuple[Node, ...]
    scene: Scene

    @property
    def parent(self) -> Node | None:
        """The node directly above."""
        return self.above[0] if self.above else None

    @property
    def left(self) -> bool:
        """True in the first member of several."""
        return self.path[0] == 0 and len(self.scene.members) > 1

    @property
    def in_derivative(self) -> bool:
        """True for a part of what is differentiated, or by what."""
        return any(isinstance(node, ex.Derivative | ex.Differential) for node in self.above)

    @property
    def bound(self) -> tuple[str, ...]:
        """Letters of the sums around."""
        return tuple(n.letter for n in self.above if isinstance(n, ex.BigOperator) and n.letter)


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of small change."""

    name: str
    code: str
    propose: Callable[[Place], Iterator[Proposal]]
    also: tuple[str, ...] = ()


def scene(  # noqa: PLR0913 - a statement and all that changes may draw on
    network: Network,
    members: Members,
    names: Sequence[Known] = (),
    *,
    base: int = 1,
    claim: Node | None = None,
    derived: Sequence[Node] = (),
) -> Scene:
    """The scene of a statement; ``claim`` is what a directive says that it is about."""
    about = claim if claim is not None else next(iter(members), None)
    nodes = [n for m in members for n in ex.walk(m)]
    bound = tuple(dict.fromkeys(n.letter for n in nodes if isinstance(n, ex.BigOperator) and n.letter))
    letters = dict.fromkeys(v for n in nodes for form in forms(n) for v in sorted(form.variables))
    used = [s for n in nodes if isinstance(n, ex.Product) for s in n.signs]
    entrywise: ex.ProductSign = next((s for s in used if s in {"circ", "odot", "entrywise"}), "odot")
    if entrywise not in used and "star" in used:
        entrywise = "star"
    return Scene(
        network=network,
        members=members,
        names={known.name: known for known in names},
        base=base,
        free=tuple(letter for letter in letters if letter not in bound),
        bound=bound,
        leaves=tuple(dict.fromkeys(n for n in nodes if isinstance(n, ex.Quantity | ex.Named))),
        factors=tuple(dict.fromkeys(_factors(nodes))),
        loss=network.loss,
        variable=about.by if isinstance(about, ex.Derivative) else None,
        entrywise=entrywise,
        layers=frozenset(
            v for n in nodes if isinstance(n, ex.Quantity | ex.Call) for form in n.family for v in form.variables
        ),
        derived=tuple(derived),
    )


def _factors(nodes: list[Node]) -> Iterator[Node]:
    for node in nodes:
        if isinstance(node, ex.Product):
            yield from (f for f in node.factors if not isinstance(f, ex.Number))
        if isinstance(node, ex.Call | ex.Derivative):
            yield node


# ---------------------------------------------------------------------------------------------------------------------
# Trees


def get(node: Node, path: Sequence[int]) -> Node:
    """The node at a path below a node."""
    for step in path:
        node = list(ex.children(node))[step]
    return node


def put(node: Node, path: Sequence[int], new: Node) -> Node:
    """The node with another one at a path below it."""
    if not path:
        return new
    number = count()
    return ex.mapped(node, lambda child: put(child, path[1:], new) if next(number) == path[0] else child)


def put_member(members: Members, path: Path, new: Node) -> Members:
    """Members with another node at a path."""
    changed = put(members[path[0]], path[1:], new)
    return (*members[: path[0]], changed, *members[path[0] + 1 :])


def places(members: Members, targets: Sequence[int], scene_: Scene) -> Iterator[Place]:
    """Every node of the given members that has a value, in its place, outermost first."""

    def visit(node: Node, path: Path, above: tuple[Node, ...]) -> Iterator[Place]:
        if not isinstance(node, ex.Condition | ex.Slice):
            yield Place(node, path, above, scene_)
        for k, child in enumerate(ex.children(node)):
            yield from visit(child, (*path, k), (node, *above))

    for target in targets:
        yield from visit(members[target], (target,), ())


def forms(node: Node) -> list[Affine]:
    """The affine forms that stand in a node itself, those of its slices too."""
    parts: tuple[object, ...] = ()
    if isinstance(node, ex.Letter):
        return [node.form]
    if isinstance(node, ex.Quantity):
        parts = (*node.family, *node.element)
    elif isinstance(node, ex.Named):
        parts = (*node.index, *node.element)
    elif isinstance(node, ex.Call):
        parts = node.family
    elif isinstance(node, ex.BigOperator):
        parts = (node.lo, node.hi)
    found = [part for part in parts if isinstance(part, Affine)]
    slices = [part for part in parts if isinstance(part, ex.Slice)]
    return found + [end for part in slices for end in (part.lo, part.hi) if end is not None]


def with_forms(node: Node, change: Callable[[Affine], Affine]) -> Node:
    """The node with its own affine forms changed (not those of its children)."""
    if isinstance(node, ex.Letter):
        return replace(node, form=change(node.form))

    def element(parts: tuple[Affine | ex.Slice, ...]) -> tuple[Affine | ex.Slice, ...]:
        return tuple(change(p) if isinstance(p, Affine) else p for p in parts)

    if isinstance(node, ex.Quantity):
        return replace(node, family=tuple(map(change, node.family)), element=element(node.element))
    if isinstance(node, ex.Named):
        return replace(node, index=tuple(map(change, node.index)), element=element(node.element))
    if isinstance(node, ex.Call):
        return replace(node, family=tuple(map(change, node.family)))
    if isinstance(node, ex.BigOperator):
        return replace(node, lo=change(node.lo) if node.lo else node.lo, hi=change(node.hi) if node.hi else node.hi)
    return node


def everywhere(node: Node, change: Callable[[Affine], Affine]) -> Node:
    """The node with all affine forms in it changed."""
    return with_forms(ex.mapped(node, lambda child: everywhere(child, change)), change)


def renamed(node: Node, letter: str, new: str) -> Node:
    """The node with a running letter renamed, also where a sum binds it."""

    def visit(inner: Node) -> Node:
        inner = with_forms(ex.mapped(inner, visit), lambda form: form.substitute({letter: var(new)}))
        if isinstance(inner, ex.BigOperator) and inner.letter == letter:
            return replace(inner, letter=new)
        return inner

    return visit(node)


def letters_of(node: Node) -> tuple[str, ...]:
    """Running letters that occur free in a node, in order."""
    found: dict[str, None] = {}

    def visit(inner: Node, hidden: frozenset[str]) -> None:
        if isinstance(inner, ex.BigOperator) and inner.letter:
            for form in forms(inner):
                found.update(dict.fromkeys(sorted(form.variables - hidden)))
            hidden |= {inner.letter}
        else:
            for form in forms(inner):
                found.update(dict.fromkeys(sorted(form.variables - hidden)))
        for child in ex.children(inner):
            visit(child, hidden)

    visit(node, frozenset())
    return tuple(found)


def fresh(scene_: Scene) -> str:
    """A letter that the statement does not use."""
    taken = {*scene_.free, *scene_.bound, *scene_.network.tensors, *scene_.network.sizes}
    return next(letter for letter in "kmrsqpuvgh" + "jin" + "abcdefw" if letter not in taken)


def shifted(form: Affine, by: int) -> Affine:
    """A form moved by a number."""
    return form + by


def is_single(form: object) -> bool:
    """True for one running letter alone."""
    return isinstance(form, Affine) and isinstance(form.single, Var)


# ---------------------------------------------------------------------------------------------------------------------
# Axes


def rank(node: Node, scene_: Scene) -> int | None:  # noqa: PLR0911 - a line a kind of node
    """The number of axes of a value: 0 for a number, 1 for a vector, 2 for a matrix; None where that is not plain."""
    match node:
        case ex.Number() | ex.Letter():
            return 0
        case ex.Quantity(tensor=name, element=element):
            tensor = scene_.network.tensors.get(name)
            return None if tensor is None else len(tensor.axes) - sum(1 for e in element if isinstance(e, Affine))
        case ex.Named(name=name, element=element):
            known = scene_.names.get(name)
            return None if known is None or known.rank is None else known.rank - len(element)
        case ex.Transpose(of=of):
            return rank(of, scene_)
        case ex.Call(arguments=(argument,)):
            return rank(argument, scene_)
        case ex.Power(base=base):
            return rank(base, scene_)
        case ex.BigOperator(body=body):
            return rank(body, scene_)
        case ex.Derivative(of=of, by=by) if of is not None:
            above, below = rank(of, scene_), rank(by, scene_)
            return None if above is None or below is None else above + below
        case ex.Sum(terms=terms):
            ranks = [r for term in terms if (r := rank(term, scene_)) is not None]
            return max(ranks, default=None)
        case ex.Quotient(over=over, under=under):
            above, below = rank(over, scene_), rank(under, scene_)
            return None if above is None or below is None else max(above, below)
        case ex.Product(factors=factors):
            return _product_rank([rank(f, scene_) for f in factors])
        case _:
            return None


def _product_rank(ranks: list[int | None]) -> int | None:
    """Of a product; None where it depends on what the signs mean."""
    if any(r is None for r in ranks):
        return None
    arrays = [r for r in ranks if r]
    return arrays[0] if len(arrays) == 1 else (None if arrays else 0)


def is_scalar(node: Node, scene_: Scene) -> bool:
    """True for what is certainly a number."""
    return rank(node, scene_) == 0
