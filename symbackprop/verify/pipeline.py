"""From a document to judged claims: read, resolve, judge, in document order.

What one claim settles (the precedence of a product sign) holds for those after it, so claims are judged one after the
other; the worlds of a network are shared by all claims about it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from symbackprop import notation, spec
from symbackprop.affine import Affine, Var, var
from symbackprop.errors import SpecError, nearest
from symbackprop.handwritten import document as documents
from symbackprop.handwritten.context import NamesRead, context_of, name_for, whole_of
from symbackprop.handwritten.expression import (
    Cases,
    Derivative,
    Named,
    Operation,
    Quantity,
    Unknown,
    Update,
    mapped,
    walk,
)
from symbackprop.handwritten.formula import plain
from symbackprop.handwritten.network_from_document import understand
from symbackprop.handwritten.quantities import bind
from symbackprop.handwritten.reader import dots_name
from symbackprop.handwritten.resolve import statements
from symbackprop.handwritten.stated_facts import with_facts, with_functions
from symbackprop.handwritten.tokens import ReadError
from symbackprop.verify.conventions import Let, Setting
from symbackprop.verify.evaluate import ShapeMisfit
from symbackprop.verify.judge import Verdict, Worlds, judge
from symbackprop.verify.judge_members import of_indices
from symbackprop.verify.judge_names import recognised

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from symbackprop.handwritten.directives import Directives
    from symbackprop.handwritten.document import Document, Entry
    from symbackprop.handwritten.expression import Node
    from symbackprop.handwritten.names import Declared
    from symbackprop.handwritten.reader import Context
    from symbackprop.handwritten.resolve import Statement
    from symbackprop.network import Network


NAMES = frozenset((":=", "≔", "=:", r"\coloneqq", r"\triangleq", r"\equiv", r"\eqqcolon"))
"""Relations that give a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One claim with its verdict; ``statement`` is None where it could not be read. ``network`` names the loss.

    ``context`` is that in which it was read. For what could not be read, ``place`` is the range of the formula's text
    where, and ``mended`` a formula that can be read and is right. ``first`` is the claim of which this one is a
    repetition: all but the entry is that one's, with its places.
    """

    entry: Entry
    statement: Statement | None
    verdict: Verdict
    setting: Setting | None = None
    network: str = ""
    context: Context | None = None
    place: tuple[int, int] | None = None
    mended: str | None = None
    first: Judged | None = None

    @property
    def line(self) -> int:
        """Line of the claim's first character, from 1."""
        return self.entry.formula.line

    @property
    def column(self) -> int:
        """Column of the claim's first character, from 1."""
        return self.entry.formula.column


@dataclass(slots=True)
class Session:
    """A document under judgement."""

    document: Document
    network: Network
    worlds: Worlds = field(init=False)
    precedence: Literal["juxtaposition", "hadamard"] | None = None
    shown_vectors: Literal["rows", "columns"] | None = None
    """How the forward equations of the document use vectors."""
    vectors: Literal["rows", "columns"] | None = None
    """How the claims so far that are right use them."""
    defined: list[Declared] = field(default_factory=list)
    """Names that the document has defined so far."""
    doubtful: dict[str, str] = field(default_factory=dict)
    """Those whose value is taken under a convention, with its words."""
    shifted: dict[str, Node] = field(default_factory=dict)
    """Those that count from elsewhere than what they stand for, with the value that counts alike."""
    seen: dict[tuple[object, ...], tuple[Judged, ...]] = field(default_factory=dict)
    """Claims of formulas, by all that they were judged by."""
    context: tuple[Directives, Context] | None = None
    """What the directives at the last formula say."""
    names: NamesRead = field(default_factory=NamesRead)

    def __post_init__(self) -> None:
        self.document = bind(self.document, self.network)
        self.worlds = Worlds(network=self.network)

    def claims(self) -> Iterator[Judged]:
        """The claims in document order, judged."""
        for entry in self.document.entries:
            if entry.directives.ignore:
                continue
            yield from self.recalled(entry)

    def recalled(self, entry: Entry) -> Iterator[Judged]:
        """The claims of one formula, as they were where it was judged with as much known before."""
        settled = self.precedence, self.vectors, len(self.defined)
        span = entry.formula.span
        written = self.document.text[span.start : span.end]
        key = (entry.formula.text, written, id(entry.directives), *settled)
        known = self.seen.get(key)
        if known is not None:
            yield from (replace(claim, entry=entry, first=claim) for claim in known)
            return
        found: list[Judged] = []
        for claim in self.judged(entry):
            found.append(claim)
            yield claim
        if settled == (self.precedence, self.vectors, len(self.defined)):
            self.seen[key] = tuple(found)

    def judged(self, entry: Entry) -> Iterator[Judged]:
        """The claims of one formula."""
        try:
            found, context = self.read(entry)
        except SpecError as error:
            yield self.unread(entry, error)
            return
        found = tuple(_with_conditions(statement, entry.directives) for statement in found)
        setting = self.setting(entry, context)
        for whole in found:
            verdict = self.unfit(whole, setting)
            statement = self.claimed(whole, setting, context) if verdict is None else whole
            if statement is None:
                continue
            if verdict is None:
                statement, verdict = self.verdict(statement, setting)
            if verdict.verdict == "wrong":
                if self.redefined(statement, setting, context):
                    continue
                verdict = self.on_shifted(statement, setting) or self.on_doubtful(statement) or verdict
            if verdict.is_right and verdict.settles is not None and self.precedence is None:
                self.precedence = verdict.settles
            self.vectors = self.vectors or verdict.settles_vectors
            yield Judged(
                entry=entry, statement=statement, verdict=verdict, setting=setting, network=self.network.loss,
                context=context,
            )  # fmt: skip

    def unread(self, entry: Entry, error: SpecError) -> Judged:
        """What could not be read, with a formula that can where the reader knows what is missing and it is right."""
        verdict = Verdict(verdict="unreadable", message=error.message)
        if not isinstance(error, ReadError):
            return Judged(entry=entry, statement=None, verdict=verdict)
        place = (error.place, error.end)
        if error.insert is None:
            return Judged(entry=entry, statement=None, verdict=verdict, place=place)
        own = self.own_context(entry)
        context = replace(own, lets=(*self.defined, *own.lets))
        setting = self.setting(entry, context)
        mended = entry.formula.inserted(*error.insert).text
        right = holds_as_text(mended, setting, context, self.worlds)
        return Judged(
            entry=entry, statement=None, verdict=verdict, setting=setting, context=context, place=place,
            mended=mended if right else None,
        )  # fmt: skip

    def unfit(self, statement: Statement, setting: Setting) -> Verdict | None:
        """The verdict on a definition whose value makes no sense by its shapes; None for all else."""
        head, *values = statement.members
        if setting.claim is not None or not values or not isinstance(head, Unknown):
            return None
        verdict = self.itself(statement, values[0], setting)
        return verdict if isinstance(verdict.misfit, ShapeMisfit) and verdict.verdict == "wrong" else None

    def itself(self, statement: Statement, value: Node, setting: Setting) -> Verdict:
        """Whether a value can be taken at all, and under which convention."""
        same = replace(statement, members=(value, value), relations=("=",), alternatives=(), shape=None)
        return self.verdict(same, setting)[1]

    def on_doubtful(self, statement: Statement) -> Verdict | None:
        """Undecided, for a claim that rests on a name whose definition holds under a convention alone."""
        used = (n.name for m in statement.members for n in walk(m) if isinstance(n, Named) and n.name in self.doubtful)
        name = next(used, None)
        if name is None:
            return None
        message = f"it rests on {name}, whose definition fits only under a convention: {self.doubtful[name]}"
        return Verdict(verdict="undecided", message=message)

    def on_shifted(self, statement: Statement, setting: Setting) -> Verdict | None:
        """The verdict where the document's names count as their layers do, if that makes the claim right."""
        used = dict.fromkeys(n.name for m in statement.members for n in walk(m) if isinstance(n, Named))
        moved = {n: replace(setting.lets[n], value=self.shifted[n]) for n in used if n in self.shifted}
        if not moved:
            return None
        _, verdict = self.verdict(statement, replace(setting, lets={**setting.lets, **moved}))
        if not verdict.is_right:
            return None
        words = f"{', '.join(moved)} is shifted by one against its definition"
        both = "; ".join(w for w in (words, verdict.convention) if w)
        return replace(verdict, verdict="right-under-convention", convention=both)

    def redefined(self, statement: Statement, setting: Setting, context: Context) -> bool:
        r"""True for a name of the document's with another index, defined anew: ``\delta_j`` of a hidden layer.

        Who writes ``\delta_k`` for the outputs and ``\delta_j`` for the hidden units tells the two apart by the letter.
        """
        head = statement.members[0]
        if not isinstance(head, Named) or len(statement.members) != 2 or setting.claim is not None:  # noqa: PLR2004
            return False
        known = [d.letters for d in self.defined if d.head.startswith(head.name)]
        forms = [form.single for form in (*head.index, *head.element) if isinstance(form, Affine)]
        letters = tuple(form.name for form in forms if isinstance(form, Var))
        if not known or letters in known or len(letters) != len(forms):
            return False
        adjoint = recognised(statement.members[1], setting, self.worlds)
        by = adjoint.by if isinstance(adjoint, Derivative) else None
        if adjoint is None or not isinstance(by, Quantity) or by.family:
            return False
        self.defined.append(name_for(head.source.strip(), adjoint, context))
        return True

    def read(self, entry: Entry) -> tuple[tuple[Statement, ...], Context]:
        """The statements of a formula; names that some of them define (``where s = …``) are known to all.

        Raises: SpecError.
        """
        own = self.own_context(entry)
        context = replace(own, lets=(*self.defined, *own.lets))
        found = statements(entry.formula, context)
        for _ in found[1:]:
            before = len(self.defined)
            open_ = [s for s in found if any(map(_has_unknown, s.members[1:] or s.members))]
            if not open_:
                break
            setting = self.setting(entry, context)
            done = [s for s in found if s not in open_ and self.claimed(s, setting, context) is not s]
            if len(self.defined) == before:
                break
            heads = {s.members[0].source for s in done}
            context = replace(own, lets=(*self.defined, *own.lets))
            again = statements(entry.formula, context)
            found = tuple(s for s in again if s.members[0].source not in heads or len(s.members) != 2)  # noqa: PLR2004
        return found, context

    def own_context(self, entry: Entry) -> Context:
        """What the directives say at a formula, read anew where they are not those of the formula before."""
        if self.context is None or self.context[0] is not entry.directives:
            self.context = entry.directives, context_of(self.network, entry.directives, self.names)
        return self.context[1]

    def setting(self, entry: Entry, context: Context) -> Setting:
        """What holds at a formula, for the judge."""
        setting = setting_of(entry.directives, context, self.precedence)
        return replace(setting, shown_vectors=self.shown_vectors, settled_vectors=self.vectors)

    def claimed(self, statement: Statement, setting: Setting, context: Context) -> Statement | None:
        """What a statement claims: all of it, or where it defines a name what comes after.

        None for a definition alone, and for a choice of sizes or a condition on indices. A name that is not known yet
        is defined by what it equals, a tensor of the network where it equals one. Where that is an adjoint (of the last
        layer, say), the name is that adjoint of every layer, and later equations about it are claims.
        """
        statement = self._named_last(statement, setting, context)
        head, *values = statement.members
        head = _signal(head, values)
        if setting.claim is None and of_indices(statement.members):
            return None
        if setting.claim is not None or not values or not isinstance(head, Unknown):
            return statement
        if _has_unknown(values[0]):
            return statement
        known = recognised(values[0], setting, self.worlds)
        name, value = head.source.strip(), values[0]
        if known is not None:
            name, value = self._for_all_layers(name, known)
        elif (words := self.itself(statement, value, setting).convention) is not None:
            self.doubtful[name] = words
        declared = name_for(name, value, context)
        self.defined += [declared, *whole_of(declared, context)]
        if len(values) == 1:
            return None
        return replace(statement, members=tuple(values), relations=statement.relations[1:], alternatives=())

    def _named_last(self, statement: Statement, setting: Setting, context: Context) -> Statement:
        r"""``A = B := e`` without its last member, a new name for ``B``."""
        *members, last = statement.members
        signs = statement.relations
        if len(members) < 2 or not isinstance(last, Unknown) or signs[-1] not in NAMES or _has_unknown(members[-1]):  # noqa: PLR2004
            return statement
        value = recognised(members[-1], setting, self.worlds) or members[-1]
        declared = name_for(last.source.strip(), value, context)
        self.defined += [declared, *whole_of(declared, context)]
        return replace(statement, members=tuple(members), relations=signs[:-1], alternatives=())

    def _for_all_layers(self, name: str, adjoint: Node) -> tuple[str, Node]:
        r"""``\delta^{(L)}`` for an adjoint of layer L as ``\delta^{(l)}`` for that of layer l, if the name has L.

        The name may count from elsewhere: ``k_n`` for an adjoint of layer n+1 is ``k_l`` for that of layer l+1.
        """
        by = next((node.by for node in walk(adjoint) if isinstance(node, Derivative)), None)
        if not isinstance(by, Quantity) or len(by.family) != 1 or by.family[0].variables or by.family[0].is_constant:
            return name, adjoint
        head, mark, scripts = re.match(r"([^_^]*)([_^]?)(.*)", name, re.DOTALL).groups()  # type: ignore[union-attr]
        letter = next(each for each in "lktms" if each not in name)
        for shift in (0, 1, -1):
            form = by.family[0] - shift
            for text in (str(form), *self.network.latex.get(str(form), ())):
                spaced = r"\s*".join(map(re.escape, text.replace(" ", "")))
                moved, count = re.subn(rf"(?<![A-Za-z\\]){spaced}(?![A-Za-z_+-])", letter, scripts)
                if mark and count == 1:
                    if shift:
                        self.shifted[head + mark + moved] = _moved(adjoint, by, replace(by, family=(var(letter),)))
                    return head + mark + moved, _moved(adjoint, by, replace(by, family=(var(letter) + shift,)))
        return name, adjoint

    def verdict(self, statement: Statement, setting: Setting) -> tuple[Statement, Verdict]:
        """The verdict under the best reading, and that reading."""
        return verdict_of(statement, setting, self.worlds)


def verdict_of(statement: Statement, setting: Setting, worlds: Worlds) -> tuple[Statement, Verdict]:
    """The verdict under the best reading, and that reading: the first that is right, or that has values at all."""
    first = statement, judge(statement, setting, worlds)
    if first[1].is_right:
        return first
    best = first
    for members in statement.alternatives:
        other = replace(statement, members=members)
        verdict = judge(other, setting, worlds)
        if verdict.is_right:
            return other, verdict
        if best[1].misfit is not None and verdict.verdict == "wrong" and verdict.misfit is None:
            best = other, verdict
    return best


def holds_as_text(text: str, setting: Setting, context: Context, worlds: Worlds) -> bool:
    """True where a formula, read in the place of a claim, is right."""
    try:
        found = statements(plain(text), context)
    except SpecError:
        return False
    return all(verdict_of(statement, setting, worlds)[1].is_right for statement in found)


def _has_unknown(node: Node) -> bool:
    return any(isinstance(inner, Unknown) for inner in walk(node))


def _signal(head: Node, values: Sequence[Node]) -> Node:
    r"""``\delta_{ij}`` as a name where it is said to be a quantity of the network, and so no Kronecker delta."""
    kronecker = isinstance(head, Operation) and head.name == "kronecker"
    if not kronecker or not values or not any(isinstance(node, Derivative | Quantity) for node in walk(values[0])):
        return head
    return Unknown(name=head.source.strip(), span=head.span, source=head.source)


def _moved(node: Node, old: Node, new: Node) -> Node:
    """A node with one node inside it replaced by another."""
    return new if node == old else mapped(node, lambda child: _moved(child, old, new))


def _with_conditions(statement: Statement, directives: Directives) -> Statement:
    """The statement with the conditions that the directive ``cases`` gives to its cases in words."""
    given = directives.cases.conditions if directives.cases is not None else None
    if given is None:
        return statement

    def change(node: Node) -> Node:
        node = mapped(node, change)
        if isinstance(node, Cases) and len(node.rows) == len(given):
            rows = zip(node.rows, given, strict=True)
            return replace(node, rows=tuple((value, own if own is not None else said) for (value, own), said in rows))
        return node

    return replace(
        statement,
        members=tuple(map(change, statement.members)),
        alternatives=tuple(tuple(map(change, members)) for members in statement.alternatives),
    )


def setting_of(
    directives: Directives, context: Context, precedence: Literal["juxtaposition", "hadamard"] | None
) -> Setting:
    """What the directives say, for the judge."""
    lets = {let.head: Let(letters=let.letters, value=let.value) for let in context.lets if let.value is not None}
    lets |= {dots_name(k): Let(value=value) for k, value in enumerate(context.dots)}
    claim = context.claim
    return Setting(
        lets=lets,
        claim=claim,
        accumulate=directives.accumulate,
        ranges={
            index.letter: (index.lower, index.upper)
            for index in directives.indices
            if index.lower is not None and index.upper is not None
        },
        base=directives.base,
        scalars=context.scalar_names,
        vectors=directives.vectors,
        layout_vectors=directives.layout_vectors,
        layout_matrices=directives.layout_matrices,
        products={product.sign: product.meaning for product in directives.products},
        explicit=directives.explicit,
        relations={relation.sign: relation.meaning for relation in directives.relations},
        einstein=directives.einstein,
        sizes=directives.sizes.sizes if directives.sizes is not None else (),
        precedence=precedence,
        operators=context.operators,
    )


def open_session(path: str, net: str | None = None) -> Session:
    """A document on disk (or ``-``) with the network that it, or the caller, names.

    Raises: SpecError where the document or its network cannot be read.
    """
    return session(documents.open_document(path), net)


def session(document: Document, net: Network | str | None = None) -> Session:
    """A document with its network: the one given, else the one the document names, else the one that it states itself.

    Raises: SpecError where there is none, or where it cannot be read.
    """
    if net is not None:
        return _with_facts(document, _as_written(document, spec.load(net) if isinstance(net, str) else net))
    if document.net is not None:
        network = spec.load(str(documents.net_path(document.path, document.net)))
        return _with_facts(document, _as_written(document, network))
    understood = understand(document)
    if understood.network is None:
        found = sorted(understood.document.problems, key=lambda problem: problem.line == 1)[:3]
        problems = "; ".join(f"line {problem.line}: {problem.message}" for problem in found)
        message = (
            "no network: give one with --net, or a line '% symbackprop: net = FILE' in the document, or state shapes, "
            f"forward equations and the loss in it{' (' + problems + ')' if problems else ''}"
        )
        raise SpecError(message, source=document.path or None)
    return Session(understood.document, understood.network, shown_vectors=understood.vectors)


def _as_written(document: Document, network: Network) -> Network:
    """The network in the notation that the document states, its matrices lying as there.

    Raises: SpecError for an unknown notation, and for what is no matrix of the network.
    """
    said = document.directives
    if said.notation is not None:
        network = replace(network, notation=notation.load(said.notation.preset).name)
    names = [part for directive in said.transposed for part in directive.tensors]
    for name in names:
        tensor = network.tensors.get(name.text)
        if tensor is None or len(tensor.axes) != 2:  # noqa: PLR2004 - a matrix
            line, column = name.place(0)
            message = f"no matrix '{name.text}'; {nearest(name.text, network.tensors)}"
            raise SpecError(message, source=document.path or None, line=line, column=column)
    return notation.relaid(network, {name.text: (1, 0) for name in names})


def _with_facts(document: Document, network: Network) -> Session:
    """A session in which the facts that the document states hold, with the functions that it declares."""
    stated, problems = with_facts(document, with_functions(document, network))
    return Session(replace(document, problems=(*document.problems, *problems)), stated)


def quantity_about(claim: Judged) -> str:
    """What a claim is about in the names of the network, families and elements left out: ``dC/dW``; "" for others."""
    if claim.statement is None or claim.setting is None:
        return ""
    node = claim.setting.claim if claim.setting.claim is not None else claim.statement.members[0]
    if isinstance(node, Named) and node.name in claim.setting.lets:
        node = claim.setting.lets[node.name].value
    if isinstance(node, Update):
        node = node.target
        return f"d{claim.network}/d{node.tensor}" if isinstance(node, Quantity) else ""
    if isinstance(node, Derivative) and isinstance(node.by, Quantity):
        of = node.of.tensor if isinstance(node.of, Quantity) else claim.network
        return f"d{of}/d{node.by.tensor}"
    return ""
