r"""The right formula of a claim about the loss, from the derivation itself, as the author would write it.

What the derivation prints is read back with the document's names, brought to the layers and indices of the claim,
written with the author's names for derivatives, and judged; only what is right is shown.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from symbackprop import adjoint
from symbackprop.affine import Affine, Var, var
from symbackprop.emit.mathtext import Printer
from symbackprop.errors import SymbackpropError
from symbackprop.handwritten import expression as ex
from symbackprop.handwritten.context import name_for
from symbackprop.handwritten.formula import plain
from symbackprop.handwritten.resolve import statements
from symbackprop.lift import lift
from symbackprop.notation import layout, load
from symbackprop.verify.conventions import Let
from symbackprop.verify.edits import fresh, renamed, scene
from symbackprop.verify.evaluate_nodes import differences, put
from symbackprop.verify.evaluate_values import Undecidable
from symbackprop.verify.judge import judge
from symbackprop.verify.repair import written_out
from symbackprop.verify.repair_text import Writer, statement_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from symbackprop.handwritten.names import Declared
    from symbackprop.handwritten.reader import Context
    from symbackprop.network import Network
    from symbackprop.verify.conventions import Setting
    from symbackprop.verify.edits import Known
    from symbackprop.verify.judge import Worlds

PRESETS = ("superscript-names", "columns")
"""Notations that name every signal by its derivative, which any document can read."""


def right_formula(
    statement: Any, setting: Setting, context: Context, worlds: Worlds, names: Sequence[Known]
) -> str | None:
    """A formula for what the statement is about, judged right; None where it is no derivative of the loss."""
    network = worlds.network
    target = _target(tuple(statement.members), setting, network)
    if target is None:
        return None
    head = statement.members[:1] if len(statement.members) > 1 else ()
    writer = Writer(scene(network, tuple(statement.members), names, base=setting.base))
    seen: set[ex.Node] = set()
    for value in _values(network, target, context):
        named = written_out(_with_names(value, setting.lets, head[:1]))
        for node in dict.fromkeys((named, value)):
            if node in seen:
                continue
            seen.add(node)
            relations = ("=",) * len(head)
            whole = replace(statement, members=(*head, node), relations=relations, alternatives=())
            if judge(whole, setting, worlds).verdict == "right":
                text = statement_text(writer, whole.members, relations)
                if text is not None:
                    return text
    return None


def _target(members: tuple[ex.Node, ...], setting: Setting, network: Network) -> ex.Quantity | None:
    """What the loss is differentiated by in the claim."""
    loss = ex.Quantity(tensor=network.loss)
    for head in (m for m in (setting.claim, *members[:1]) if m is not None):
        node: ex.Node = head
        if isinstance(head, ex.Named) and head.name in setting.lets:
            let = setting.lets[head.name]
            node = put(let.value, dict(zip(let.letters, head.index, strict=False)))
        if isinstance(node, ex.Update):
            node = ex.Derivative(of=loss, by=node.target)
        if isinstance(node, ex.Derivative) and isinstance(node.by, ex.Quantity) and node.of == loss:
            return node.by
    return None


def _values(network: Network, target: ex.Quantity, context: Context) -> Iterator[ex.Node]:
    """The derivative by the target in each notation: case by case, at the target's layer and indices."""
    for preset in PRESETS:
        try:
            derivation = _derived(_Held(network), preset)
            chain = derivation[0].chains.get(target.tensor)
            if chain is None:
                continue
            element = any(isinstance(e, Affine) for e in target.element)
            here = replace(context, claim=None, claimed=False)
            here = replace(here, lets=(*here.lets, *_expressions(derivation, here)))
            (read, *_) = statements(plain(_printed(derivation, chain.equation, element=element)), here)
        except SymbackpropError:
            continue
        left, *rest = read.members
        mapping = _matching(left.by, target) if isinstance(left, ex.Derivative) else None
        if mapping is None or not rest:
            continue
        inner = {d.head: Let(letters=d.letters, value=d.value) for d in here.lets[len(context.lets) :] if d.value}
        for value in _branches(rest[-1]):
            yield _bare(_written(_at(value, mapping, scene(network, (target, value))), inner))


def _expressions(derivation: tuple[Any, Any], context: Context) -> Iterator[Declared]:
    """What the author never names, by its place in the notation, for the expression that it is."""
    network, printer = derivation[1].network, derivation[1]
    for equation in network.equations:
        tensor = network.tensors[equation.lhs.tensor]
        if not tensor.named:
            text = _printed(derivation, equation, element=False)
            (read, *_) = statements(plain(text), context)
            head = printer.show(printer.tensor(tensor.name, equation.lhs.index[: len(tensor.family)]))
            yield name_for(head, read.members[-1], context)


def _written(node: ex.Node, names: Mapping[str, Let]) -> ex.Node:
    """The node with each of these names as what it stands for."""
    if isinstance(node, ex.Named) and node.name in names:
        let = names[node.name]
        return _written(put(let.value, dict(zip(let.letters, node.index, strict=False))), names)
    return ex.mapped(node, lambda child: _written(child, names))


def _branches(node: ex.Node) -> Iterator[ex.Node]:
    """The values of the cases, each alone, then all together."""
    if isinstance(node, ex.Cases):
        yield from (value for value, _ in node.rows)
    yield node


def _matching(printed: ex.Node, target: ex.Quantity) -> dict[str, Affine] | None:
    """The letters of a printed left side as the target has them; None where the two are of other forms."""
    if not isinstance(printed, ex.Quantity) or len(printed.family) != len(target.family):
        return None
    if len(printed.element) != len(target.element):
        return None
    mapping: dict[str, Affine] = {}
    for old, new in zip((*printed.family, *printed.element), (*target.family, *target.element), strict=True):
        if not isinstance(old, Affine) or not isinstance(new, Affine) or not isinstance(old.single, Var):
            return None
        mapping[old.single.name] = new
    return mapping


def _at(node: ex.Node, mapping: Mapping[str, Affine], here: Any) -> ex.Node:
    """The node with the letters of the left side replaced; a sum whose letter is wanted elsewhere gets another."""
    taken = {v for form in mapping.values() for v in form.variables}
    for inner in list(ex.walk(node)):
        if isinstance(inner, ex.BigOperator) and inner.letter in taken:
            node = renamed(node, inner.letter, fresh(here))
    return put(node, mapping)


def _bare(node: ex.Node) -> ex.Node:
    """The node without places and texts: they are not the document's."""
    return replace(ex.mapped(node, _bare), span=None, source="")


def _with_names(node: ex.Node, lets: Mapping[str, Let], head: tuple[ex.Node, ...]) -> ex.Node:
    """Derivatives for which the author has a name, by that name; not the one that is explained."""
    if isinstance(node, ex.Derivative):
        for name, let in lets.items():
            index = _fitting(let, node)
            named = ex.Named(name=name, index=index) if index is not None else None
            if named is not None and named not in head:
                return named
    return ex.mapped(node, lambda child: _with_names(child, lets, head))


def _fitting(let: Let, node: ex.Derivative) -> tuple[Affine, ...] | None:
    """What a name's letters are where its value is this derivative."""
    found: dict[str, Affine] = {}
    try:
        for _, mine, other in differences(node, let.value, node):
            (letter,) = mine.variables
            if abs(mine.linear[letter]) == 1:
                found.setdefault(letter, (other - (mine - var(letter) * mine.linear[letter])) * mine.linear[letter])
    except (Undecidable, ValueError):
        return None  # of another form, or with no letter of its own
    index = tuple(found.get(letter, var(letter)) for letter in let.letters)
    return index if put(let.value, dict(zip(let.letters, index, strict=True))) == node else None


# ---------------------------------------------------------------------------------------------------------------------
# The derivation


class _Held:
    """A network as a key: two are the same only where they are one object."""

    __slots__ = ("network",)

    def __init__(self, network: Network) -> None:
        self.network = network

    def __hash__(self) -> int:
        return id(self.network)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.network is self.network


@lru_cache(maxsize=8)
def _derived(held: _Held, name: str) -> tuple[Any, Any]:
    """The derivation in a notation, with the orientation of the network's own."""
    preset = load(name)
    if held.network.notation:
        preset = replace(preset, orientation=load(held.network.notation).orientation)
    derivation = adjoint.derive(held.network, preset.choices)
    return derivation, Printer(derivation, preset)


def _printed(derivation: tuple[Any, Any], equation: Any, *, element: bool) -> str:
    """An equation of the network or the derivation, at the level of elements or of whole arrays."""
    derived, printer = derivation
    if element:
        return str(printer.equation(equation))
    preset = printer.preset
    lifted = lift(equation, derived, layout(derived.network, preset, relay=False), preset.orientation.vectors)
    return str(printer.matrix(equation, lifted))
