r"""The network that a document states itself: shapes, forward equations, functions and a loss, as a network file.

    understood = understand(document)
    understood.network      the checked network, made from ``understood.toml``
    understood.document     the document with its claims alone

Entries that declare shapes (``W \in \mathbb{R}^{m \times k}``) or define names not seen before are the network; what is
left is judged. A name for a derivative alone (``\delta_t = \frac{\partial C}{\partial z_t}``) becomes a ``let``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from symbackprop import spec
from symbackprop.affine import Affine, Size, const, size, var
from symbackprop.errors import SpecError
from symbackprop.handwritten import forward_text, shapes
from symbackprop.handwritten.directives import Let, Value
from symbackprop.handwritten.directives_read import key
from symbackprop.handwritten.expression import Call, Letter, Node, Number, Quantity, mapped, walk
from symbackprop.handwritten.formula import Problem
from symbackprop.handwritten.forward_text import ANY, NotForwardError, Writer
from symbackprop.handwritten.names import letter_name
from symbackprop.handwritten.parse import parse, tokens
from symbackprop.handwritten.reader import Context
from symbackprop.handwritten.resolve import statements
from symbackprop.handwritten.stated_facts import with_facts
from symbackprop.handwritten.stated_inferred import inferred
from symbackprop.handwritten.stated_names import Name
from symbackprop.handwritten.stated_shapes import generalised
from symbackprop.handwritten.stated_text import NetworkText, is_activation, known_activation
from symbackprop.handwritten.tokens import ReadError
from symbackprop.index import Tensor
from symbackprop.network import Network, UserFunction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.handwritten.document import Document, Entry
    from symbackprop.handwritten.shapes import Definition, Head, Range

OPEN_LOSS = "unstated_loss_function"
_ALONE = re.compile(
    r"\s*(?:\\partial[^=/]*/\s*\\partial[^=/]*"
    r"|\\[dt]?frac\s*\{\s*(?:\\partial|\\mathrm\{d\}|d).*\}\s*\{\s*(?:\\partial|\\mathrm\{d\}|d).*\}"
    r"|\\nabla_(?:\{[^{}]*\}|\\?[A-Za-z]+)\s*\\?[A-Za-z]+(?:\{[^{}]*\})?)\s*[.,]?\s*",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What a document says about its network; ``network`` is None where that is not enough."""

    network: Network | None
    toml: str
    document: Document
    vectors: Literal["rows", "columns"] | None = None
    """How vectors lie where the forward equations multiply them with matrices."""


def understand(document: Document) -> Understood:
    """The network of a document without a network file, and its claims.

    What cannot be understood is a problem of the document with its place.
    """
    return _Builder(document).run()


class _Builder(NetworkText):
    """Goes through the document's entries: shapes first, then definitions in their order."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self.lets: list[tuple[int, Let]] = []
        self.seen: set[Literal["rows", "columns"]] = set()
        self.meanings: list[tuple[Node, Quantity]] = []
        """Right sides of definitions, each with the name that it defines."""

    def run(self) -> Understood:
        self._functions()
        self._shapes()
        claims = self._claims()
        self._starts()
        used = {id(entry) for (entry, _), claim in zip(self.said, claims, strict=True) if not claim}
        network, text = self._network()
        if network is not None:
            network, problems = with_facts(self.document, network)
            self.problems += problems
        entries = self._with_lets([entry for entry in self.document.entries if id(entry) not in used])
        listed = sorted((*self.document.problems, *self.problems), key=lambda problem: (problem.line, problem.column))
        return Understood(
            network=network,
            toml=text,
            vectors=next(iter(self.seen)) if len(self.seen) == 1 else None,
            document=replace(self.document, entries=tuple(entries), problems=tuple(listed)),
        )

    def _with_lets(self, entries: list[Entry]) -> list[Entry]:
        """Names of derivatives hold from the place of their definition."""
        result = []
        for entry in entries:
            extra = tuple(
                let
                for start, let in self.lets
                if start < entry.formula.span.start and all(let.key != own.key for own in entry.directives.lets)
            )
            result.append(
                replace(entry, directives=replace(entry.directives, lets=(*extra, *entry.directives.lets)))
                if extra
                else entry
            )
        return result

    def _claims(self) -> list[bool]:
        """Read the definitions; True for each entry of which something is to be judged.

        What uses a name that stands further down is read again once that is known.
        """
        claims = [found.rest or not (found.shapes or found.definitions or found.alone) for _, found in self.said]
        listed = [(k, each) for k, (_, found) in enumerate(self.said) for each in found.definitions]
        inner = [each for each in listed if self._stands_inside_another(each[1])]
        waiting = sorted(
            listed,
            key=lambda each: (not self._is_function(each[1]), not self._is_let(each[1], listed), each not in inner),
        )
        reasons: dict[int, str] = {}
        while waiting:
            left = []
            for position, (k, definition) in enumerate(waiting):
                reason = self._tried(k, definition, claims)
                if reason:
                    left.append((k, definition))
                    reasons[id(definition)] = reason
                elif any(each in inner for each in left):
                    left += waiting[position + 1 :]
                    break
            if len(left) == len(waiting) and not any(self._infers(definition) for _, definition in left):
                break
            waiting = left
        for k, definition in waiting:
            claims[k] = True
            message = f"this is not understood as a forward equation: {reasons[id(definition)]}"
            self._problem(definition.entry, message)
        return claims

    def _infers(self, definition: Definition) -> bool:
        """True where a name that nothing declares got its axes from its place in an equation."""
        start, end = definition.right
        if self._is_backward(definition.entry.formula.text[start:end]):
            return False
        context = self._context(definition.entry, Name("", ""))
        try:
            found = list(inferred(self._right(definition, context), context.network))
        except (ReadError, SpecError):
            return False
        new = [(head, axes) for head, axes in found if head.shape not in self.names]
        for head, axes in new:
            name = Name(self._identifier(head), head.text, axes=axes, leaf=True)
            self.names[head.shape] = name
            self.spelled[name.identifier] = head.text
        return bool(new)

    def _starts(self) -> None:
        """Inputs for the members before the first of a recurrence (``h_0``) where the document says nothing of them."""
        for name in [each for each in self.names.values() if each.letter and not each.leaf]:
            if name.axes is None or name.lo is None or any(ANY in axis.sizes for axis in name.axes):
                continue
            before = name.lo - 1
            reads = f"{name.identifier}[{var(name.letter) - 1}]"
            if before in name.members or not any(reads in text for _, text in self.statements):
                continue
            leaf = f"{name.identifier}_start"
            axes = tuple(axis.substitute({name.letter: before}) for axis in name.axes)
            self.names["start", name.identifier] = Name(leaf, name.latex, axes=axes, leaf=True)
            name.members.append(before)
            self.statements.insert(0, (None, f"{name.identifier}[{before}] = {leaf}"))

    def _tried(self, number: int, definition: Definition, claims: list[bool]) -> str:
        """Read one definition; why that fails, or "" where it is understood."""
        kept = dict(self.names), dict(self.spelled), set(self.used), list(self.statements), list(self.meanings)
        try:
            claims[number] = not self._defined(definition) or claims[number]
        except (NotForwardError, SpecError) as error:
            self.names, self.spelled, self.used, self.statements, self.meanings = kept
            return error.message if isinstance(error, SpecError) else str(error)
        return ""

    def _problem(self, entry: Entry, message: str) -> None:
        formula = entry.formula
        self.problems.append(Problem(message=message, line=formula.line, column=formula.column, span=formula.span))

    def _defined(self, definition: Definition) -> bool:
        """True where an equation defines a name; False where it is a claim.

        Raises: NotForwardError, SpecError where it should define a name and is not understood.
        """
        start, end = definition.right
        text = definition.entry.formula.text[start:end]
        if self._is_function(definition) and self._function_formula(definition):
            return True
        head = definition.head
        if self._is_backward(text) or self._is_backward(head.text) or head.nucleus in self.let_letters:
            return self._names_a_derivative(definition, text)
        if self._is_differential(head):
            return False
        return self._forward(definition, self._member(head))

    def _is_let(self, definition: Definition, listed: list[tuple[int, Definition]]) -> bool:
        """True for a name for a derivative alone, at its first place."""
        first = next(each for _, each in listed if each.head.shape == definition.head.shape)
        start, end = definition.right
        return first is definition and _ALONE.fullmatch(definition.entry.formula.text[start:end]) is not None

    def _stands_inside_another(self, definition: Definition) -> bool:
        """True for ``z = Wx`` where another equation has ``Wx`` inside, for which ``z`` stands then."""
        own = self._tokens(definition)
        return len(own) > 1 and any(
            len(text := self._tokens(each)) > len(own) and f" {' '.join(own)} " in f" {' '.join(text)} "
            for _, found in self.said
            for each in found.definitions
            if each is not definition
        )

    def _is_differential(self, head: Head) -> bool:
        """True for a ``d`` before a name that is known: ``dZ`` is no new name."""
        return head.nucleus[0] == "d" and any(name[0] == head.nucleus[1:] for name in self.names if len(name) > 1)

    def _is_element(self, head: Head) -> bool:
        r"""True for ``\theta_j`` where the vector ``\theta`` is known."""
        for script in head.scripts:
            rest = replace(head, scripts=tuple(each for each in head.scripts if each is not script))
            name = self.names.get(self.placed(rest).shape)
            letters = [token for token in script.inside if token != ","]
            if name is not None and name.axes and len(letters) == len(name.axes) and all(map(letter_name, letters)):
                return True
        return False

    def _names_a_derivative(self, definition: Definition, text: str) -> bool:
        head = definition.head
        if not _ALONE.fullmatch(text) or text.count("=") or self._known(head):
            return False
        formula = definition.entry.formula
        name = formula.cut(head.start, head.start + len(head.text))
        value = formula.cut(*definition.right)
        self.lets.append(
            (formula.span.start, Let(name=name, value=Value(formula=value, latex=True), key=key(head.text)))
        )
        self.let_letters.add(head.nucleus)
        return True

    def _known(self, head: Head) -> bool:
        return head.shape in self.names

    def _function_formula(self, definition: Definition) -> bool:
        r"""``\sigma(x) = \frac{1}{1+e^{-x}}``."""
        stem = shapes.identifier(definition.head.nucleus)
        if len(definition.arguments) != 1 or definition.head.scripts:
            return False
        letter = letter_name(definition.arguments[0])
        network = self._provisional({"x": Tensor(name="x")}, functions={})
        try:
            formula = definition.entry.formula.cut(*definition.right)
            context = (
                Context(network=network, scalars=(definition.arguments[0],))
                if letter != "x"
                else Context(network=network)
            )
            node = statements(formula, context)[0].members[0]
            written = Writer(network, {}).write(node).text
        except (ReadError, NotForwardError):
            return False
        written = re.sub(rf"\b{letter}\b", "x", written)
        self.spelled.pop(stem, None)
        self.functions[stem] = UserFunction(name=stem, kind=known_activation(written) or written)
        self.spelled[known_activation(written) or stem] = definition.head.text
        return True

    def _forward(self, definition: Definition, form: Affine | None) -> bool:
        """Add a forward equation; False where its name is known already."""
        head, entry = definition.head, definition.entry
        if form is None:
            if head.shape in self.names or self._is_element(head):
                return False
            self._plain(definition, self._plain_name(definition))
            return True
        name = self._family_name(head)
        if name.leaf or (not form.variables and form in name.members) or (form.variables and name.hi is not None):
            return False
        name.axes = (size(ANY),) if name.axes is None else name.axes
        context = self._context(entry, name)
        node = self._right(definition, context)
        if head.shape in self.lists and form == self.lists[head.shape][1]:
            last, form = form, var(name.letter)
            node = _generalised_node(node, last, form)
            start = self._first_general(name, self.lists[head.shape][0], node, context.network)
            given = shapes.Range(name.letter, (str(start),), head.scripts[head.index].inside)
            definition = replace(definition, range=given)
        if form.variables:
            self._general(definition, name, form, node, context.network)
        else:
            writer = self._writer(context.network)
            free = self._free(head.elements, node, writer, definition.range)
            text = writer.equation(node, free)
            axes = tuple(free.values()) or text.axes
            name.members.append(form)
            if axes or not isinstance(node, Number):
                name.axes = tuple(generalised(axis, form, name.letter) for axis in axes)
            self.statements.append((None, f"{name.identifier}[{form}]{_bracket(writer, head.elements)} = {text.text}"))
        return True

    def _writer(self, network: Network) -> Writer:
        return Writer(network, {}, self.letter_names, seen=self.seen)

    def _right(self, definition: Definition, context: Context) -> Node:
        """The right side, with names for what other equations define."""
        return self._named(statements(definition.entry.formula.cut(*definition.right), context)[0].members[0])

    def _named(self, node: Node) -> Node:
        for meaning, name in self.meanings:
            if node == meaning:
                return name
        return mapped(node, self._named)

    def _plain(self, definition: Definition, name: Name) -> None:
        """The equation of a name that is no member of a family."""
        context = self._context(definition.entry, name)
        node = self._right(definition, context)
        writer = self._writer(context.network)
        free = self._free(name.elements, node, writer, definition.range)
        text = writer.equation(node, free)
        axes = tuple(free.values()) if name.elements else text.axes
        single = not name.elements and axes and all(axis == Affine(1) or self._is_one(axis) for axis in axes)
        if single and self._is_last(definition):
            text, axes = replace(text, text=f"sum({text.text})"), ()
        name.axes = axes
        element = tuple(map(var, name.elements))
        self._means(node, Quantity(tensor=name.identifier, family=(), element=element))
        left = name.identifier + _bracket(writer, name.elements)
        self.statements.append((None, f"{left} = {text.text}"))

    def _general(self, definition: Definition, name: Name, form: Affine, node: Node, network: Network) -> None:
        """The equation of all members; ``z_{i+1} = …`` is that of ``z_i`` with the index moved."""
        letter = name.letter
        shift = form - var(letter)
        if not shift.is_constant:
            raise NotForwardError(reason="the index of the left side is no letter with a number added")
        lo, hi = self._limits(definition.range, node, name)
        node = _moved(node, letter, shift.const)
        element = tuple(map(var, definition.head.elements))
        self._means(node, Quantity(tensor=name.identifier, family=(var(letter),), element=element))
        writer, elements = self._writer(network), definition.head.elements
        free = self._free(elements, node, writer)
        text = writer.equation(node, free)
        name.axes, name.lo, name.hi = tuple(free.values()) or text.axes, lo + shift.const, hi + shift.const
        left = f"{name.identifier}[{letter}]{_bracket(writer, elements)}"
        self.statements.append(((letter, name.lo, name.hi), f"{left} = {text.text}"))

    def _means(self, node: Node, name: Quantity) -> None:
        if not isinstance(node, Quantity | Letter | Number):
            self.meanings.append((node, name))

    def _first_general(self, name: Name, start: int, node: Node, network: Network) -> int:
        """Where the general equation of a list starts: equations before it that it gives too are not needed."""
        while start > 0:
            earlier = self._writer(network)
            text = earlier.equation(_member_node(node, name.letter, start - 1), {}).text
            statement = (None, f"{name.identifier}[{start - 1}] = {text}")
            if statement not in self.statements:
                break
            self.statements.remove(statement)
            start -= 1
        return start

    def _is_one(self, axis: Affine) -> bool:
        atom = axis.single
        if not isinstance(atom, Size) or not atom.at:
            return False
        numbers = self.sizes.get(atom.name)
        if not isinstance(numbers, dict):
            return False
        return numbers.get(atom.at[0].evaluate({}, lambda name, _at: self.sizes.get(name, 3))) == 1

    def _is_last(self, definition: Definition) -> bool:
        """True where no other definition uses the name."""
        head = definition.head
        return not any(
            head.text in each.entry.formula.text[slice(*each.right)]
            for _, found in self.said
            for each in found.definitions
            if each is not definition and not self._is_backward(each.entry.formula.text[slice(*each.right)])
        )

    def _plain_name(self, definition: Definition) -> Name:
        """A name that is no member of a family: its letters in scripts are elements where the right side has them."""
        head = definition.head
        right = self._unnamed(self._tokens(definition))
        letters: list[str] = []
        fixed: list[Any] = []
        for script in head.scripts:
            names = [letter_name(token) for token in script.inside if token != ","]
            if names and all(names) and all(token in right for token in script.inside if token != ","):
                letters += names
            else:
                fixed.append(script)
        several = sum(each.head.look == head.look for _, found in self.said for each in found.definitions) > 1
        base = head if several else replace(head, scripts=tuple(fixed))
        # Two tensors that share a letter get names that no formula spells by chance.
        own = replace(base, scripts=(), nucleus=(*head.nucleus, "_over_", *letters)) if several and letters else base
        name = Name(self._identifier(own), head.text, elements=tuple(letters))
        self.names[head.shape] = name
        if definition.arguments and not letters:
            self.spelled[f"{name.identifier}("] = f"{head.text}({' '.join(definition.arguments)})"
        self.spelled[name.identifier + (f"[{','.join(letters)}]" if letters else "")] = head.text
        return name

    def _unnamed(self, right: tuple[str, ...]) -> tuple[str, ...]:
        r"""The tokens of a right side without those of labels: with ``W_h`` declared, the ``h`` in it is no index."""
        text = f" {' '.join(right)} "
        for each in self.names.values():
            if not each.letter and not each.elements and re.search(r"[_^]", each.latex):
                text = text.replace(f" {' '.join(tokens(parse(each.latex).items))} ", " ")
        return tuple(text.split())

    def _free(
        self, elements: tuple[str, ...], node: Node, writer: Writer, given: Range | None = None
    ) -> dict[str, Affine]:
        """What the letters of the left side count: an axis of the right side, else what their range says."""
        found = forward_text.letter_sizes(node, writer.network)
        for letter in elements:
            said = given if given is not None and given.letter == letter else self.ranges.get(letter)
            lo, hi = (self.letters.form(said.lo), self.letters.form(said.hi)) if said is not None else (None, None)
            if lo is not None and hi is not None and lo.is_constant:
                writer.starts[letter] = lo.const
                found.setdefault(letter, hi - lo + 1)
            if letter not in found:
                raise NotForwardError(reason=f"no tensor on the right side says what {letter} counts")
        return {letter: found[letter] for letter in elements}

    def _limits(self, given: Range | None, node: Node, name: Name) -> tuple[Affine, Affine]:
        """The range of a family: as said, else that of the families on its right side."""
        if given is not None:
            lo, hi = self.letters.form(given.lo), self.letters.form(given.hi)
            if lo is not None and hi is not None:
                return lo, hi
        known = {each.identifier: each for each in self.names.values()}
        for part in walk(node):
            other = known.get(part.tensor) if isinstance(part, Quantity) else None
            if other is None or not isinstance(part, Quantity) or other is name:
                continue
            if part.family == (var(name.letter),) and other.lo is not None and other.hi is not None:
                return other.lo, other.hi
        if given is None and (said := self.ranges.get(name.letter)) is not None:
            return self._limits(said, node, name)
        raise NotForwardError(
            reason=f"nothing says over what '{name.letter}' runs; write 'for {name.letter} = 1, …, n'"
        )

    def _context(self, entry: Entry, name: Name) -> Context:
        extra = {}
        if name.letter and name.axes is not None:
            tensor = name.tensor()
            extra = {name.identifier: tensor} if tensor is not None else {}
        network = self._provisional(extra, functions=self.functions)
        indices = dict.fromkeys((*self.letters.family, *name.elements), "")
        return Context(
            network=network,
            indices=indices,
            scalars=tuple(each.name.text for each in entry.directives.scalars),
        )

    def _provisional(self, extra: Mapping[str, Tensor], functions: Mapping[str, UserFunction]) -> Network:
        """The names known so far as a network without equations, for the reader."""
        tensors = {name.identifier: tensor for name in self.names.values() if (tensor := name.tensor()) is not None}
        tensors |= extra
        sizes = dict.fromkeys(self.depths, 3)
        known = {
            name: function
            for name, function in functions.items()
            if function.kind in {"opaque", "opaque loss"} or not is_activation(function.kind)
        }
        return Network(
            name="document",
            title="",
            notation=None,
            loss="",
            parameters=(),
            inputs=(),
            batch=self._batch(),
            tensors=tensors,
            equations=(),
            program=(),
            sizes=sizes,
            functions=known,
            latex={name: tuple(texts) for name, texts in self._spellings().items()},
        )

    def _network(self) -> tuple[Network | None, str]:
        """The checked network, and its text."""
        defined = [name for name in self.names.values() if not name.leaf and name.axes is not None]
        leaves = [name for name in self.names.values() if name.leaf]
        if not defined:
            self._nothing("no forward equation is understood in this document, and no network is named by 'net = FILE'")
            return None, ""
        loss = self._loss(defined)
        if loss is None:
            self._nothing(
                "no scalar is defined in this document that could be the loss; write its equation, or a line "
                r"'% symbackprop: function \ell loss' and 'L = \ell(…)'"
            )
            loss = self._stand_in(defined, leaves)
        if loss is None:
            return None, ""
        text = self._toml(leaves, loss)
        try:
            return spec.loads(text, source=self.document.path), text
        except SpecError as error:
            self._nothing(f"the network that this document defines does not fit together: {error.message}")
            return None, text

    def _stand_in(self, defined: list[Name], leaves: list[Name]) -> Name | None:
        """An open loss of all that is plain, under a name that no formula spells: other claims can be judged."""
        results = [name.identifier for name in (*defined, *leaves) if not name.letter]
        if all(name.letter for name in defined):
            return None
        loss = Name("unstated_loss", r"\mathrm{unstated\ loss}", axes=())
        self.functions[OPEN_LOSS] = UserFunction(name=OPEN_LOSS, kind="opaque loss")
        self.statements.append((None, f"{loss.identifier} = {OPEN_LOSS}({', '.join(results)})"))
        self.spelled[loss.identifier] = loss.latex
        return loss

    def _nothing(self, message: str) -> None:
        self.problems.append(Problem(message=message, line=1, column=1))


def _generalised_node(node: Node, last: Affine, general: Affine) -> Node:
    """The equation of the last member of a list as that of all: its index ``n`` becomes the letter."""
    if isinstance(node, Quantity):
        family = tuple(general + (form - last) if (form - last).is_constant else form for form in node.family)
        return replace(node, family=family)
    return mapped(node, lambda inner: _generalised_node(inner, last, general))


def _member_node(node: Node, letter: str, index: int) -> Node:
    """The general equation for one member."""
    if isinstance(node, Quantity):
        return replace(node, family=tuple(form.substitute({letter: const(index)}) for form in node.family))
    return mapped(node, lambda inner: _member_node(inner, letter, index))


def _moved(node: Node, letter: str, shift: int) -> Node:
    """The node with a family letter lowered by ``shift``."""
    if not shift:
        return node
    mapping = {letter: var(letter) - shift}
    if isinstance(node, Quantity):
        return replace(node, family=tuple(form.substitute(mapping) for form in node.family))
    node = mapped(node, lambda inner: _moved(inner, letter, shift))
    if isinstance(node, Call):
        return replace(node, family=tuple(form.substitute(mapping) for form in node.family))
    return replace(node, form=node.form.substitute(mapping)) if isinstance(node, Letter) else node


def _bracket(writer: Writer, elements: tuple[str, ...]) -> str:
    """The letters of an element behind the name on the left side."""
    return f"[{', '.join(map(writer.letter, elements))}]" if elements else ""
