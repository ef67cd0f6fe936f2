"""Exercises on paths: another entry as a sum of products, and how many paths there are.

Both are answered from the unrolled network: the first by its paths, the second by counts of the network at its own
sizes and at others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from symbackprop.affine import const, size
from symbackprop.document import moving, scalar
from symbackprop.document.blocks import Derivative, Display, Entry, Equal, Form, Indexed, Paragraph, Row
from symbackprop.document.exercise import Posed
from symbackprop.document.left_out import pattern_of
from symbackprop.document.paths import Unrolled
from symbackprop.errors import UnsupportedError

if TYPE_CHECKING:
    from symbackprop.document.blocks import Block, Spans
    from symbackprop.document.exercise import Setting
    from symbackprop.document.graph import Element
    from symbackprop.document.scalar import Target

MOST = 2_000
"""Entries whose links are counted one by one."""
WIDER = 7
"""How wide an axis is made to see whether paths depend on it."""


def warm_up(setting: Setting) -> Posed | None:
    """The derivative by another entry, of those with most indices the one with the fewest paths."""
    graph = setting.view.graph
    if graph is None:
        return None
    counted = [(graph.count(element), element) for element in setting.entries()]
    reached = [(-len(element.index), n, -place, element) for place, (n, element) in enumerate(counted) if n]
    if not reached:
        return None
    target = scalar.target_of(graph, min(reached)[-1])
    asked = "Write ", Derivative(graph.loss.ref, target.element.ref), " as a sum over its paths, each a product of "
    return Posed(
        title="Warm-up.",
        points=2,
        question=(Paragraph((*asked, "local derivatives with their letters. How many paths are there?")),),
        answer=tuple(_as_paths(graph, target)),
    )


def _as_paths(graph: Unrolled, target: Target) -> list[Block]:
    small, witness = scalar.witness_of(graph, target)
    said = scalar.read_as(graph, target, small, witness)
    blocks: list[Block] = [Paragraph((*_counted(graph, target), *_fork(target)))]
    blocks += scalar.inserted(graph, target, said)[1:]
    left_out = scalar.left_out(graph, target)
    terms = pattern_of(small, witness)
    if not any(term.bounds for term in terms):
        return [*blocks, Paragraph(left_out)] if left_out else blocks
    lead = (*left_out, " Written with Σ, this is") if left_out else ("Written with Σ:",)
    formula = Indexed(moving.gradient(witness.element.ref, terms), derivative=True)
    return [*blocks, Paragraph(lead), Display((Row(formula),))]


def _counted(graph: Unrolled, target: Target) -> Spans:
    """The number of paths as the beginning of a sentence."""
    first, *rest = scalar.count_words(graph, target)
    return (str(first).capitalize(), *rest, ".")


def _fork(target: Target) -> Spans:
    """Where the paths part, or that they do not."""
    if len(target.paths) != target.count:
        return ()
    shared = scalar.shared_end(target.paths)
    if target.count == 1:
        return (
            " There is no fork: ",
            Entry(target.element.ref),
            " feeds ",
            Entry(_at(target, -2)),
            " alone, and so on.",
        )
    if not shared:
        return (" They part at once: ", Entry(target.element.ref), " is read by several entries.")
    return (" They part at ", Entry(_at(target, -1 - shared)), ", which is read by several entries.")


def _at(target: Target, place: int) -> Any:
    """An element that the first path meets, counted from its end."""
    return target.paths[0].elements[place].ref


# ---------------------------------------------------------------------------------------------------------------------


def count(setting: Setting) -> Posed | None:
    """How many paths join the loss to the entry with the most of them, and how many in a larger network."""
    graph = setting.view.graph
    if graph is None:
        return None
    counted = [(graph.count(element), -place, element) for place, element in enumerate(setting.entries())]
    if not counted or not max(counted)[0]:
        return None
    total, _, element = max(counted)
    larger = _larger(setting, graph, element, total)
    asked: Spans = ("How many paths join ", Entry(graph.loss.ref), " to ", Entry(element.ref), "?")
    target = scalar.target_of(graph, element)
    answer: Spans = (*_counted(graph, target), *_fork(target))
    if larger is not None:
        words, other = larger
        asked = (*asked, " How many would there be with ", *words, "?")
        more = other.count(element)
        answer = (*answer, " With ", *words, f" there are {more:,}" if more != total else " there are as many", ".")
    asked = (*asked, " Why does backpropagation never list them?")
    why = Paragraph(_why([each for each in (graph, larger and larger[1]) if each], element), lead="Why not list them?")
    hint = ("Multiply the numbers of choices at the forks." if total > 1 else "Ask at each entry how many read it.",)
    return Posed(title="Count.", points=3, question=(Paragraph(asked),), answer=(Paragraph(answer), why), hint=hint)


def _larger(setting: Setting, graph: Unrolled, element: Element, total: int) -> tuple[Spans, Unrolled] | None:
    """The same network with one more round of its loop, or with one axis wider, such that the paths are more."""
    for words, sizes in _other_sizes(graph):
        try:
            other = Unrolled(setting.network, sizes, slopes=graph.slopes)
            if other.count(element) != total:
                return words, other
        except UnsupportedError:
            continue
    return None


def _other_sizes(graph: Unrolled) -> list[tuple[Spans, Mapping[str, Any]]]:
    """Other sizes with the words for them: greater depths first, then greater widths."""
    network, sizes = graph.network, graph.values.sizes
    given = {name: value for name, value in network.sizes.items() if isinstance(value, Mapping)}
    found: list[tuple[Spans, Mapping[str, Any]]] = []
    for name in sorted(network.depths & sizes.keys()):
        if isinstance(sizes[name], int):
            longer = {key: {**sizes[key], **_longer(value)} for key, value in given.items()}
            words: list[Any] = ["one more round, ", _is(size(name), sizes[name] + 1)]
            for key, value in given.items():
                last = max(value)
                words += [" with ", _is(size(key, const(last)), longer[key][last])]
                words += [" and ", _is(size(key, const(last + 1)), longer[key][last + 1])]
            found.append((tuple(words), {**sizes, **longer, name: sizes[name] + 1}))
    for name, value in sizes.items():
        if isinstance(value, int) and name not in network.depths and name != network.batch:
            wider = WIDER if value < WIDER else 2 * value
            found.append(((_is(size(name), wider), " instead of ", Form(const(value))), {**sizes, name: wider}))
    return found


def _is(form: Any, value: int) -> Equal:
    return Equal((Form(form), Form(const(value))))


def _longer(value: Mapping[int, int]) -> Mapping[int, int]:
    """The sizes of a family with one more before the last."""
    last = max(value)
    return {**value, last: value.get(last - 1, value[last]), last + 1: value[last]}


def _why(graphs: list[Unrolled], element: Element) -> Spans:
    """What lists of paths cost, and what backpropagation does instead."""
    words = (
        "Paths share most of their links. Backpropagation adds up what arrives at an entry before it is passed on, so "
        "each link is crossed once"
    )
    counted = [_links(graph, element) for graph in graphs]
    if any(found is None for found in counted):
        return (f"{words}, and the work grows with the number of links, not of paths.",)
    listed = " and ".join(f"{length:,}" for _, length in filter(None, counted))
    linked = " and ".join(f"{links:,}" for links, _ in filter(None, counted))
    cases = ", in the two networks," if len(counted) > 1 else ""
    return (f"{words}: {linked} links{cases} where the listed paths have {listed} factors.",)


def _links(graph: Unrolled, element: Element) -> tuple[int, int] | None:
    """How many links lie above an element, and how many all its paths have together; None where that is too many.

    Where examples do not mix, those of one example are counted, and taken as often as there are examples.
    """
    target = scalar.target_of(graph, element, 1)
    own = {None, target.example}
    order: list[Element] = []
    readers: dict[Element, tuple[Element, ...]] = {graph.loss: ()}
    todo = [element]
    while todo:
        here = todo[-1]
        if here in readers:
            order.append(todo.pop())
            continue
        found = graph.readers(here)
        readers[here] = found if target.example is None else tuple(r for r in found if graph.example(r) in own)
        todo += [r for r in readers[here] if r not in readers]
        if len(readers) > MOST:
            return None
    paths, factors = {graph.loss: 1}, {graph.loss: 0}
    for here in dict.fromkeys(order):
        paths[here] = sum(paths[r] for r in readers[here])
        factors[here] = sum(factors[r] + paths[r] for r in readers[here])
    links = sum(paths[r] > 0 for found in readers.values() for r in found)
    times = 1 if target.example is None else graph.examples
    return links * times, factors[element] * times
