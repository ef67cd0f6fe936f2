r"""What a statement claims: its members and how each is compared with the first.

An update ``W \leftarrow W - \eta …`` becomes the claim that the increment is a negative multiple of the gradient; a
``claim`` directive puts its quantity first; an accumulation is judged by its increment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from symbackprop.affine import Affine, Size
from symbackprop.handwritten import expression as ex
from symbackprop.index import refs_of
from symbackprop.verify.conventions import unknown_scalars
from symbackprop.verify.evaluate_nodes import free_letters, value_of
from symbackprop.verify.evaluate_values import Undecidable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from symbackprop.network import Network
    from symbackprop.verify.conventions import Setting

_EQUAL = {
    "=",
    ":=",
    "\\equiv",
    "\\triangleq",
    "\\doteq",
    "\\coloneqq",
    "≡",
    "\\stackrel",
    "\\overset",
    "\\leftarrow",
    "=:",
    "\\eqqcolon",
}
_MEANINGS = {"equal": "equal", "definition": "equal", "positive multiple": "positive multiple", "multiple": "multiple",
             "approximately equal": "approximately equal"}  # fmt: skip


DEEPEST = 8
"""Names that stand for names, one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Members to be judged against the first, with the relation of each to it.

    ``shift`` is how many members were put before those of the statement. ``scalars`` are unknown scalars with any
    positive value (learning rates). ``gradients`` is the same statement with differentials read as gradients, and
    ``lone`` says that its left side is a bare differential. ``one_depth``: only the depth of the file is meant;
    ``own_shapes``: gradients have the shapes of their variables, so that no layout is tried.
    ``shape`` is what the statement says the last member has; ``vague``: an approximation without decimals. ``assumed``
    is in words what differentials were taken for.
    """

    members: tuple[ex.Node, ...]
    relations: tuple[str, ...]
    conditions: tuple[ex.Condition, ...] = ()
    scalars: frozenset[str] = frozenset()
    shift: int = 0
    differentials: bool = False
    gradients: Task | None = None
    lone: bool = False
    one_depth: bool = False
    own_shapes: bool = False
    shape: tuple[Affine, ...] | None = None
    vague: bool = False
    assumed: str = ""


GRADIENTS = "dX stands for the derivative of the loss by X"


def prepared(statement: Any, setting: Setting, network: Network) -> Task:
    """The task that a statement sets.

    Raises: Undecidable for a relation that says nothing about values.
    """
    task = _task(statement, setting, network)
    decimals = any(isinstance(n, ex.Number) and n.digits is not None for m in task.members for n in ex.walk(m))
    task = replace(
        task,
        one_depth=of_one_depth(task.members, network, setting),
        shape=getattr(statement, "shape", None),
        vague="approximately equal" in task.relations and not decimals,
    )
    if task.gradients is not None:
        task = replace(task, gradients=replace(task.gradients, one_depth=task.one_depth))
    return task


def _task(statement: Any, setting: Setting, network: Network) -> Task:
    loss = network.loss
    members: tuple[ex.Node, ...] = tuple(statement.members)
    signs: tuple[str, ...] = tuple(getattr(statement, "relations", ())) or ("=",) * (len(members) - 1)
    conditions = tuple(getattr(statement, "conditions", ()))
    scalars: frozenset[str] = frozenset()
    shift = 0
    update = next((m for m in members if isinstance(m, ex.Update)), None)
    if update is not None:
        return _update(update, members, conditions, setting, loss)
    meanings = [_meaning(sign, setting, members) for sign in signs]
    if setting.claim is not None:
        readable = _without_unread(members, setting)
        shift = 1 - (len(members) - len(readable))
        members = (setting.claim, *readable)
        later = len(readable) - 1
        meanings = ["equal", *meanings[len(meanings) - later :]]
        if setting.accumulate:
            target = statement.members[0]
            kept = [m for m in readable if m != target or len(readable) == 1]
            members = (members[0], *(_increment(m, target, setting) for m in kept))
            meanings = ["equal"] * (len(members) - 1)
    if len(members) < 2 and getattr(statement, "shape", None) is None:  # noqa: PLR2004 - a claim has two sides
        message = "nothing to compare it with; a directive 'claim' can say what it is"
        raise Undecidable(members[0], message)
    if setting.einstein:
        members = tuple(_summed(m, members[0], setting) for m in members)
    task = Task(
        members=members, relations=tuple(meanings), conditions=conditions, scalars=scalars, shift=shift,
        differentials=any(isinstance(n, ex.Differential) for m in members for n in ex.walk(m)),
    )  # fmt: skip
    return _with_gradients(task, network) if task.differentials and setting.claim is None else task


def quantities_of(members: Sequence[ex.Node], network: Network, setting: Setting) -> Iterator[ex.Quantity]:
    """The tensors of the network in some members, and in what the names in them stand for."""
    seen: set[str] = set()
    todo = list(members)
    while todo:
        node = todo.pop()
        for inner in ex.walk(node):
            if isinstance(inner, ex.Named) and inner.name in setting.lets:
                value = value_of(inner, setting.lets)
                if value is not None and (key := f"{inner.name}{inner.index}") not in seen:
                    seen.add(key)
                    todo.append(value)
            if isinstance(inner, ex.Quantity) and inner.tensor in network.tensors:
                yield inner


def of_one_depth(members: Sequence[ex.Node], network: Network, setting: Setting) -> bool:
    """True where a layer or step is written as a number other than the first: then only the file's depth is meant."""
    return any(
        form.is_constant and form != bound.lo
        for quantity in quantities_of(members, network, setting)
        for form, bound in zip(quantity.family, network.tensors[quantity.tensor].family, strict=False)
    )


def numbered(members: Sequence[ex.Node], setting: Setting, network: Network) -> Mapping[tuple[str, int | None], int]:
    """The largest entry that is written as a number, for each size (and index of a family of sizes) of an axis."""
    found: dict[tuple[str, int | None], int] = {}
    for quantity in quantities_of(members, network, setting):
        tensor = network.tensors[quantity.tensor]
        at = {bound.var: form for bound, form in zip(tensor.family, quantity.family, strict=False)}
        for axis, pick in zip(tensor.axes, quantity.element, strict=False):
            size = axis.substitute(at).single
            if not isinstance(pick, Affine) or not pick.is_constant or not isinstance(size, Size):
                continue
            if all(form.is_constant for form in size.at):
                key = (size.name, size.at[0].const if size.at else None)
                found[key] = max(found.get(key, 0), pick.const + 1 - setting.base)
    return found


def of_the_loss(node: ex.Node, network: Network, setting: Setting, depth: int = 0) -> bool:
    """True for a derivative or a differential of the loss, or a name that stands for one."""
    for inner in ex.walk(node):
        if isinstance(inner, ex.Named):
            value = value_of(inner, setting.lets)
            if value is not None and depth < DEEPEST and of_the_loss(value, network, setting, depth + 1):
                return True
        if isinstance(inner, ex.Derivative | ex.Differential) and inner.of is not None:
            of = inner.of
            for _ in range(DEEPEST):
                value = value_of(of, setting.lets) if isinstance(of, ex.Named) else None
                of = value if value is not None else of
            if isinstance(of, ex.Quantity) and of.tensor == network.loss:
                return True
    return False


def of_indices(members: Sequence[ex.Node]) -> bool:
    """True for a statement about indices, sizes and numbers alone, such as ``n = 3``: a choice, or a condition."""
    plain = (ex.Letter, ex.Number, ex.Sum, ex.Product, ex.Quotient, ex.Power)
    nodes = [n for m in members for n in ex.walk(m)]
    return all(isinstance(n, plain) for n in nodes) and any(isinstance(n, ex.Letter) for n in nodes)


def _meaning(sign: str, setting: Setting, members: Sequence[ex.Node]) -> str:
    declared = setting.relations.get(sign)
    if declared is not None:
        return _MEANINGS.get(declared, "equal")
    if sign in _EQUAL:
        return "equal"
    if sign in {"\\propto", "∝"}:
        return "multiple"
    if sign in {"\\approx", "≈", "\\simeq", "\\cong", "\\doteq"}:
        return "approximately equal"
    message = f"the relation {sign} is not judged"
    raise Undecidable(members[0], message)


def _without_unread(members: tuple[ex.Node, ...], setting: Setting) -> tuple[ex.Node, ...]:
    """The members but for a left side that names what the directive already says."""
    if len(members) > 1 and _unread(members[0], setting):
        return members[1:]
    return members


def _unread(node: ex.Node, setting: Setting) -> bool:
    """True for a name that has no value, alone or differentiated."""
    if isinstance(node, ex.Unknown):
        return True
    if isinstance(node, ex.Named):
        return node.name not in setting.lets
    if isinstance(node, ex.Derivative):
        return node.of is None or _unread(node.of, setting) or _unread(node.by, setting)
    if isinstance(node, ex.Transpose | ex.Differential):
        return _unread(node.of, setting)
    return False


def _increment(node: ex.Node, target: ex.Node, setting: Setting) -> ex.Node:
    """What is added: a sum without the term that is the left side (or a name that nothing declares)."""
    if not isinstance(node, ex.Sum):
        return node
    kept = [
        (t, s) for t, s in zip(node.terms, node.signs, strict=True)
        if not (s > 0 and (t == target or (setting.accumulate and _unread(t, setting))))
    ]  # fmt: skip
    if len(kept) == len(node.terms) or not kept:
        return node
    if len(kept) == 1 and kept[0][1] > 0:
        return kept[0][0]
    return replace(node, terms=tuple(t for t, _ in kept), signs=tuple(s for _, s in kept))


def _update(
    update: ex.Update, members: tuple[ex.Node, ...], conditions: tuple[ex.Condition, ...], setting: Setting, loss: str
) -> Task:
    """An update judged by its increment: a negative multiple of the gradient, or for ``+=`` the gradient itself."""
    values = [m.value if isinstance(m, ex.Update) else m for m in (update, *(m for m in members if m is not update))]
    if update.kind == "accumulate":
        quantity = setting.claim if setting.claim is not None else update.target
        if isinstance(quantity, ex.Quantity):
            quantity = _gradient(loss, quantity)
        return _finished(quantity, values, "equal", conditions)
    if update.kind == "assign" and isinstance(update.target, ex.Derivative):
        return _finished(update.target, [_increment(v, update.target, setting) for v in values], "equal", conditions)
    if update.kind == "assign":
        values = [
            _increment(v, update.target, setting) if _holds(v, update.target) else _minus(v, update.target)
            for v in values
        ]
        if setting.accumulate and setting.claim is not None:
            return _finished(setting.claim, values, "equal", conditions)
    gradient = setting.claim if setting.claim is not None else _gradient(loss, update.target)
    return _finished(gradient, values, "negative multiple", conditions)


def _holds(value: ex.Node, target: ex.Node) -> bool:
    return isinstance(value, ex.Sum) and target in value.terms


def _minus(value: ex.Node, target: ex.Node) -> ex.Node:
    return ex.Sum(terms=(value, target), signs=(1, -1))


def _gradient(loss: str, by: ex.Node) -> ex.Node:
    return ex.Derivative(of=ex.Quantity(tensor=loss), by=by, span=by.span, source=by.source)


def _finished(first: ex.Node, values: list[ex.Node], relation: str, conditions: tuple[ex.Condition, ...]) -> Task:
    members = (first, *values)
    return Task(
        members=members, relations=(relation,) * len(values), conditions=conditions,
        scalars=frozenset(unknown_scalars(members)), shift=1,
    )  # fmt: skip


def _summed(member: ex.Node, first: ex.Node, setting: Setting) -> ex.Node:
    """Einstein's convention: a letter that a term repeats and the first member does not have is summed over."""
    kept = free_letters(first, setting.lets)

    def term(node: ex.Node) -> ex.Node:
        counts: dict[str, int] = {}
        for inner in ex.walk(node):
            if isinstance(inner, ex.Quantity | ex.Named):
                forms = [*inner.element, *getattr(inner, "index", ())]
                for letter in {v for f in forms if isinstance(f, Affine) for v in f.variables}:
                    counts[letter] = counts.get(letter, 0) + 1
        for letter, count in counts.items():
            if count > 1 and letter not in kept:
                node = ex.BigOperator(kind="sum", letter=letter, lo=None, hi=None, body=node)
        return node

    if isinstance(member, ex.Sum):
        return replace(member, terms=tuple(map(term, member.terms)))
    return term(member)


def _with_gradients(task: Task, network: Network) -> Task:
    """Where the left side is a bare differential: the reading in which dX is the derivative of the loss by X.

    What stands on both sides tells the readings apart: changes are handed on from arrays to what is made of them,
    derivatives of the loss the other way.
    """
    first, loss = task.members[0], network.loss
    if not isinstance(first, ex.Differential) or not isinstance(first.of, ex.Quantity | ex.Named):
        return task
    if first.of == ex.Quantity(tensor=loss):
        return task

    def gradient(node: ex.Node) -> ex.Node:
        if isinstance(node, ex.Differential):
            return _gradient(loss, node.of)
        return ex.mapped(node, gradient)

    read = replace(task, members=tuple(map(gradient, task.members)), differentials=False, own_shapes=True)
    found = (n.of for m in task.members[1:] for n in ex.walk(m) if isinstance(n, ex.Differential))
    others = {of.tensor for of in found if isinstance(of, ex.Quantity)}
    if not others or not isinstance(first.of, ex.Quantity):
        return replace(task, gradients=read, lone=True)
    if all(first.of.tensor in _sources(network, other) for other in others):
        return replace(read, assumed=GRADIENTS)
    return replace(task, gradients=read, lone=not others <= _sources(network, first.of.tensor))


def _sources(network: Network, tensor: str) -> set[str]:
    """The tensors that a tensor is made of, and those that they are made of."""
    found: set[str] = set()
    left = [tensor]
    while left:
        for equation in network.definitions(left.pop()):
            refs = {ref.tensor for term in equation.terms for factor in term.factors for ref in refs_of(factor)}
            left += refs - found
            found |= refs
    return found
